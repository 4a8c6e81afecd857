//! Connections: two ordered streams of bytes with a delay, the server's end of each, and what goes wrong on the way.

use std::collections::VecDeque;

use bytes::Bytes;
use edge_server::connection::{Connection, PROGRESS_MS, Taken};
use edge_server::session::{Session, Timing};
use wire::{CloseCode, Codec, Mode, ServerFrame};

use crate::names::EDGES;
use crate::plan::Relay;
use crate::server::CLOSED_ABNORMALLY;
use crate::world::{Event, HB_MS, LEASE_MS, World};

/// The name of a connection.
pub(crate) type ConnId = u64;

/// Frames that the network holds for a page that takes none; then the server's writes wait.
const WINDOW: usize = 3;

/// A connection.
pub(crate) struct Conn {
    pub(crate) client: usize,
    pub(crate) edge: usize,
    /// The server's end, while it has one.
    pub(crate) serving: Option<Serving>,
    /// Nothing gets through any more.
    is_dead: bool,
    /// Frames under way to the page, or waiting there.
    pub(crate) unread: usize,
    down_arrives: u64,
    up_arrives: u64,
    relay: VecDeque<Relay>,
    /// The frame that will be sent behind the next one.
    behind: Option<Bytes>,
    /// Change frames of the present flow.
    told: Vec<Bytes>,
    /// The relay broke the order: the connection is given up when faults stop.
    pub(crate) is_broken: bool,
}

/// The server's end of a connection.
pub(crate) struct Serving {
    pub(crate) connection: Connection,
    /// What has arrived while it was writing.
    inbox: VecDeque<Vec<u8>>,
    /// The frame that waits to leave, and since when.
    held: Option<Bytes>,
    pub(crate) stalled_since: Option<u64>,
    ticks_at: u64,
}

/// The kinds of frames that a relay may treat badly, by their first byte: what begins a flow is left alone, because
/// what follows it carries no epoch.
const CHANGE: u8 = 2;
const HB: u8 = 5;

fn kind(frame: &Bytes) -> u8 {
    frame.first().copied().unwrap_or(u8::MAX)
}

impl Conn {
    /// Whether nothing gets through any more.
    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead
    }
}

impl World {
    /// A page asks for a socket.
    pub(crate) fn dial(&mut self, client: usize) {
        self.last_conn += 1;
        let id = self.last_conn;
        let edge = if self.is_calm { client % EDGES } else { self.rng.usize(..EDGES) };
        let conn = Conn {
            client,
            edge,
            serving: None,
            is_dead: false,
            unread: 0,
            down_arrives: 0,
            up_arrives: 0,
            relay: VecDeque::new(),
            behind: None,
            told: Vec::new(),
            is_broken: false,
        };
        self.conns.insert(id, conn);
        self.clients[client].conn = Some(id);
        let delay = 2 * self.delay();
        self.later(delay, Event::Dialed(id));
    }

    /// The server is reached, or not.
    pub(crate) fn dialed(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let (client, edge) = (conn.client, conn.edge);
        if self.clients[client].conn != Some(id) {
            self.conns.remove(&id);
            return;
        }
        if self.is_down || conn.is_dead {
            return self.closed(id, CLOSED_ABNORMALLY);
        }
        let timing = Timing { hb_ms: HB_MS, lease_ms: LEASE_MS };
        let session = Session::new(id, Codec::Postcard, timing, self.now);
        let connection = Connection::new(session);
        conn.serving =
            Some(Serving { connection, inbox: VecDeque::new(), held: None, stalled_since: None, ticks_at: u64::MAX });
        self.say(|_| format!("page {client} is connected to edge {edge}"));
        self.opened(client);
        self.pump(id);
    }

    /// A page sends.
    pub(crate) fn send_up(&mut self, client: usize, bytes: Vec<u8>) {
        let Some(id) = self.clients[client].conn else { return };
        let delay = self.delay() + self.lag_of(client);
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| !conn.is_dead) else { return };
        let arrives = (self.now + delay).max(conn.up_arrives);
        conn.up_arrives = arrives;
        self.at(arrives, Event::Up(id, bytes));
    }

    /// Bytes reach the server.
    pub(crate) fn received(&mut self, id: ConnId, bytes: Vec<u8>) {
        self.check_request(id, &bytes);
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| !conn.is_dead) else { return };
        let Some(serving) = &mut conn.serving else { return };
        serving.inbox.push_back(bytes);
        self.pump(id);
    }

    /// The server's task of a connection, as `ws.rs` runs it: tell what waits, write it out, then take what has come and
    /// do what is due. While a frame cannot leave, nothing else is done.
    pub(crate) fn pump(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let takes = conn.is_dead || !self.clients[conn.client].takes_nothing(self.now);
        let hub = &self.edges[conn.edge].hub;
        let (mut out, mut end, mut modes) = (Vec::new(), None, Vec::new());
        let Some(serving) = &mut conn.serving else { return };
        'task: loop {
            if serving.held.is_none()
                && let Err(violation) = serving.connection.tell(self.now)
            {
                end = Some((violation.code.code(), "silent page given up"));
                break 'task;
            }
            while let Some(frame) = serving.held.take().or_else(|| serving.connection.poll()) {
                if conn.unread >= WINDOW && (!takes || conn.is_dead) {
                    serving.held = Some(frame);
                    let since = *serving.stalled_since.get_or_insert(self.now);
                    if self.now >= since + PROGRESS_MS {
                        end = Some((CloseCode::Slow.code(), "reader given up as slow"));
                    }
                    break 'task;
                }
                serving.stalled_since = None;
                conn.unread += 1;
                out.push(frame);
            }
            if let Some(bytes) = serving.inbox.pop_front() {
                match serving.connection.handle(&bytes, hub, self.now) {
                    Ok(Taken::Following(mode)) => modes.push(mode),
                    Ok(Taken::Done | Taken::Greet { .. } | Taken::Get { .. }) => {}
                    Err(violation) => {
                        end = Some((violation.code.code(), ""));
                        break 'task;
                    }
                }
            } else if serving.connection.poll_timeout() <= self.now {
                if let Err(violation) = serving.connection.wake(hub, self.now) {
                    end = Some((violation.code.code(), "silent page given up"));
                    break 'task;
                }
            } else if serving.connection.mailbox().weight().0 == 0 {
                // Otherwise it was notified while it wrote.
                break 'task;
            }
        }
        let due = match serving.stalled_since {
            Some(since) => since + PROGRESS_MS,
            None => serving.connection.poll_timeout(),
        };
        let is_to_tick = end.is_none() && serving.ticks_at != due;
        if is_to_tick {
            serving.ticks_at = due;
        }
        for mode in modes {
            self.coverage.note(match mode {
                Mode::Fresh => "subscription fresh",
                Mode::Replayed => "subscription replayed",
                Mode::Reset => "subscription reset",
            });
        }
        out.into_iter().for_each(|frame| self.send_down(id, frame));
        if is_to_tick {
            self.at(due, Event::Tick(id));
        }
        if let Some((code, why)) = end {
            if !why.is_empty() {
                self.coverage.note(why);
            }
            self.say(|world| format!("the server closes page {}'s connection with {code}", world.conns[&id].client));
            self.close(id, code);
        }
    }

    /// A frame leaves the server: the relay has it.
    fn send_down(&mut self, id: ConnId, frame: Bytes) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let is_fair_game = matches!(kind(&frame), CHANGE | HB);
        if !is_fair_game {
            // Whatever begins a flow ends what the relay may confuse.
            conn.told.clear();
            let behind = conn.behind.take();
            behind.into_iter().for_each(|frame| self.carry(id, frame));
            return self.carry(id, frame);
        }
        if kind(&frame) == CHANGE {
            conn.told.push(frame.clone());
        }
        let fault = conn.relay.pop_front().filter(|_| !self.is_calm);
        conn.is_broken |= fault.is_some();
        match fault {
            None => {}
            Some(Relay::Drop) => {
                conn.unread -= 1;
                self.coverage.note("frame dropped");
                return self.say(|_| format!("a relay loses {}", crate::story::frame(&frame)));
            }
            Some(Relay::Duplicate) => {
                conn.unread += 1;
                self.coverage.note("frame duplicated");
                self.carry(id, frame.clone());
            }
            Some(Relay::Reorder) if conn.behind.is_none() => {
                conn.behind = Some(frame);
                return self.coverage.note("frame reordered");
            }
            Some(Relay::Reorder) => {}
            Some(Relay::Repeat) => {
                let place = self.rng.usize(..conn.told.len().max(1));
                if let Some(earlier) = conn.told.get(place).cloned() {
                    conn.unread += 1;
                    self.coverage.note("frame repeated");
                    self.carry(id, earlier);
                }
            }
        }
        self.carry(id, frame);
        let behind = self.conns.get_mut(&id).and_then(|conn| conn.behind.take());
        behind.into_iter().for_each(|frame| self.carry(id, frame));
    }

    fn carry(&mut self, id: ConnId, frame: Bytes) {
        let Some(client) = self.conns.get(&id).map(|conn| conn.client) else { return };
        let delay = self.delay() + self.lag_of(client);
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| !conn.is_dead) else { return };
        let arrives = (self.now + delay).max(conn.down_arrives);
        conn.down_arrives = arrives;
        self.at(arrives, Event::Down(id, frame));
    }

    /// The server closes: what it has sent arrives, then the close.
    pub(crate) fn close(&mut self, id: ConnId, code: u16) {
        self.drop_serving(id);
        let delay = self.delay();
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| !conn.is_dead) else { return };
        let arrives = (self.now + delay).max(conn.down_arrives);
        self.at(arrives, Event::Closed(id, code));
    }

    /// The server closes the connections of these edges.
    pub(crate) fn close_all(&mut self, is_of: impl Fn(usize) -> bool, code: u16) {
        let ids: Vec<ConnId> = self.conns.iter().filter(|(_, conn)| is_of(conn.edge)).map(|(&id, _)| id).collect();
        ids.into_iter().for_each(|id| self.close(id, code));
    }

    /// The server's end is gone.
    pub(crate) fn drop_serving(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if let Some(serving) = conn.serving.take() {
            serving.connection.leave(&self.edges[conn.edge].hub);
        }
    }

    /// A page closes its socket, and hears nothing more of it.
    pub(crate) fn hang_up(&mut self, client: usize) {
        let Some(id) = self.clients[client].conn.take() else { return };
        let delay = self.delay();
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if !conn.is_dead {
            self.later(delay, Event::HungUp(id));
        }
        self.clients[client].hung_up();
    }

    /// A connection breaks.
    pub(crate) fn cut(&mut self, client: usize, half: bool) {
        let Some(id) = self.clients[client].conn else { return };
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| !conn.is_dead) else { return };
        conn.is_dead = true;
        let (at_page, at_server) =
            if half { [(true, false), (false, true)][self.rng.usize(..2)] } else { (true, true) };
        self.coverage.note(match (at_page, at_server) {
            (true, true) => "connection cut",
            (true, false) => "cut unseen by the server",
            _ => "cut unseen by the page",
        });
        self.say(|_| {
            format!("page {client}'s connection breaks (seen by the page: {at_page}, by the server: {at_server})")
        });
        if at_server {
            self.drop_serving(id);
        }
        if at_page {
            self.later(0, Event::Closed(id, CLOSED_ABNORMALLY));
        }
    }

    /// The socket of a page that was frozen dies; the page will hear of it when it goes on.
    pub(crate) fn kill(&mut self, client: usize) {
        let Some(id) = self.clients[client].conn else { return };
        self.drop_serving(id);
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.is_dead = true;
        }
        self.later(0, Event::Closed(id, CLOSED_ABNORMALLY));
    }

    pub(crate) fn relay(&mut self, client: usize, fault: Relay) {
        let Some(id) = self.clients[client].conn else { return };
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.relay.push_back(fault);
        }
    }

    /// Connections that nobody holds any more.
    pub(crate) fn forget_ended(&mut self) {
        let held: Vec<Option<ConnId>> = self.clients.iter().map(|client| client.conn).collect();
        self.conns.retain(|&id, conn| conn.serving.is_some() || held.contains(&Some(id)));
    }

    /// The frame as it is, for people and for what the oracle must know of it.
    pub(crate) fn decoded(bytes: &[u8]) -> Option<ServerFrame> {
        Codec::Postcard.decode_server(bytes).ok()
    }
}
