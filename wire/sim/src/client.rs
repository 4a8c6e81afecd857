//! A page: the real cache in a shell as thin as the package's, its clocks, and the times in which it does nothing.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use cache_wasm::manager::Options;
use cache_wasm::segments::Heap;
use cache_wasm::slots::{Slot, StreamRef};
use cache_wasm::{CategoryOptions, Effect, Input, Manager, Output};
use wire::{Key, Mode, Position, ServerFrame, SubRef};

use crate::clock::Clock;
use crate::fills::Reply;
use crate::names::{SCOPES, scope};
use crate::network::ConnId;
use crate::world::{Event, World};

/// A followed scope, as the oracle knows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Followed {
    pub(crate) stream: StreamRef,
    /// The farthest that was processed in the present epoch: P1 holds from here on.
    pub(crate) farthest: Option<Position>,
    /// Where the stream last began: it was told of everything from there on.
    pub(crate) began: Option<Position>,
    /// When the stamp was sent that the server last echoed on this connection, and the clock's jumps back until then.
    pub(crate) vouched: Option<Stamp>,
    /// The number that the server gave it, and the request.
    sid: Option<SubRef>,
    last_id: Option<u32>,
}

impl Followed {
    /// Whether this is the request that it last made.
    pub(crate) fn is_request(&self, id: u32) -> bool {
        self.last_id == Some(id)
    }
}

/// A moment that a page told the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) at: u64,
    pub(crate) hidden: u64,
}

/// What an entry is known to be, by who filled it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) key: Key,
    /// Where its value was current.
    pub(crate) at: Option<Position>,
}

/// What makes values current: an answer as of a position, or a frame that names the version of each.
pub(crate) enum Source {
    Answer(Position),
    Frame(Vec<(Key, Position)>),
}

impl Source {
    fn of(&self, key: &Key) -> Option<Position> {
        match self {
            Source::Answer(as_of) => Some(*as_of),
            Source::Frame(items) => items.iter().find(|(named, _)| named == key).map(|(_, at)| *at),
        }
    }
}

/// What came while a page did nothing.
pub(crate) enum Missed {
    Message(ConnId, Bytes),
    Closed(ConnId, u16),
    Answer(u64, Reply),
    Alarm,
}

/// A page.
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) manager: Manager,
    pub(crate) clock: Clock,
    /// The socket it holds.
    pub(crate) conn: Option<ConnId>,
    pub(crate) follows: BTreeMap<usize, Followed>,
    pub(crate) known: BTreeMap<Slot, Known>,
    /// The newest moments told to the server on this connection, by what was said.
    stamps: Vec<(u64, Stamp)>,
    /// It does nothing until then.
    pub(crate) idle_until: Option<u64>,
    /// It takes nothing from its socket until then.
    pub(crate) slow_until: u64,
    pub(crate) lag: (u64, u64),
    pub(crate) missed: VecDeque<Missed>,
    pub(crate) alarm_at: Option<u64>,
    /// Which visit it is on.
    pub(crate) visit: u64,
}

pub(crate) fn cache(seed: u64) -> Manager {
    let categories = vec![CategoryOptions::new("values", 100), CategoryOptions::new("few", 3)];
    let options = Options { categories, max_bytes: u64::MAX, token: None, seed };
    Manager::new(options, Box::<Heap>::default()).expect("the options are right")
}

impl Client {
    pub(crate) fn new(number: usize, now: u64, seed: u64) -> Client {
        Client {
            number,
            manager: cache(seed),
            clock: Clock::new(now),
            conn: None,
            follows: BTreeMap::new(),
            known: BTreeMap::new(),
            stamps: Vec::new(),
            idle_until: None,
            slow_until: 0,
            lag: (0, 0),
            missed: VecDeque::new(),
            alarm_at: None,
            visit: 0,
        }
    }

    /// Whether it does nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.idle_until.is_some()
    }

    /// Whether it takes nothing from its socket.
    pub(crate) fn takes_nothing(&self, now: u64) -> bool {
        self.is_idle() || now < self.slow_until
    }

    /// Its socket is gone: no vouch of it counts any more.
    pub(crate) fn hung_up(&mut self) {
        self.stamps.clear();
        for followed in self.follows.values_mut() {
            (followed.vouched, followed.sid, followed.last_id) = (None, None, None);
        }
    }

    /// Where a followed scope stands.
    pub(crate) fn position(&self, of: usize) -> Option<Position> {
        let standing = self.manager.positions();
        standing.into_iter().find(|(scope, _)| scope.as_str() == SCOPES[of]).map(|(_, position)| position)
    }

    /// Repeats the effects, as the package does, and notes where each value was current.
    fn learn(&mut self, source: Option<&Source>) {
        for effect in self.manager.take_effects() {
            match effect {
                Effect::Stored(slot, _, key, ..) => {
                    let at = source.and_then(|source| source.of(&key));
                    self.known.insert(slot, Known { key, at });
                }
                Effect::Changed(slot, ..) | Effect::Touched(slot, _) => {
                    let Some(known) = self.known.get_mut(&slot) else { continue };
                    let at = source.and_then(|source| source.of(&known.key));
                    known.at = at.or(known.at);
                }
                Effect::Removed(slot, _) => drop(self.known.remove(&slot)),
                Effect::Lease(..) => {}
            }
        }
    }
}

impl World {
    /// Calls a page's cache, then does what it asks for. What it stores is of this source.
    pub(crate) fn call<T>(
        &mut self,
        client: usize,
        source: Option<&Source>,
        call: impl FnOnce(&mut Manager, f64) -> T,
    ) -> T {
        let page = &mut self.clients[client];
        let now = page.clock.now(self.now);
        let result = call(&mut page.manager, now);
        page.learn(source);
        while let Some(output) = self.clients[client].manager.poll() {
            match output {
                Output::Connect => {
                    self.hang_up(client);
                    self.dial(client);
                }
                Output::Send(bytes) => {
                    self.note_stamp(client, &bytes);
                    self.send_up(client, bytes);
                }
                Output::Disconnect(_, why) => {
                    if why == "the server is silent" {
                        self.coverage.note("silent server given up");
                    }
                    self.hang_up(client);
                }
                Output::Changed(_, changed) => {
                    self.say(|_| format!("page {client} is told: {}", crate::story::changed(&changed)));
                    (0..changed.values.len()).for_each(|_| self.coverage.note("value pushed"));
                    (0..changed.changed.len()).for_each(|_| self.coverage.note("change told without its value"));
                }
                Output::State(state, why) => self.say(|_| format!("page {client} is {state} {why}")),
            }
        }
        self.set_alarm(client);
        self.note_progress(client);
        result
    }

    pub(crate) fn set_alarm(&mut self, client: usize) {
        let page = &mut self.clients[client];
        let Some(due) = page.manager.poll_timeout() else { return };
        let wait = (due - page.clock.now(self.now)).max(0.0).ceil() as u64;
        let at = self.now + wait;
        if page.alarm_at.is_none_or(|set| set > at || set < self.now) {
            page.alarm_at = Some(at);
            self.at(at, Event::Alarm(client));
        }
    }

    pub(crate) fn alarm(&mut self, client: usize) {
        let page = &mut self.clients[client];
        if page.alarm_at != Some(self.now) {
            return;
        }
        if page.is_idle() {
            page.alarm_at = None;
            return page.missed.push_back(Missed::Alarm);
        }
        page.alarm_at = None;
        self.woke(client);
    }

    pub(crate) fn woke(&mut self, client: usize) {
        self.call(client, None, |manager, now| manager.handle(Input::Woke, now));
    }

    pub(crate) fn opened(&mut self, client: usize) {
        self.call(client, None, |manager, now| manager.handle(Input::Opened, now));
    }

    /// Bytes reach the page.
    pub(crate) fn reached_page(&mut self, id: ConnId, bytes: Bytes) {
        let Some(client) = self.conns.get(&id).filter(|conn| !conn.is_dead()).map(|conn| conn.client) else { return };
        if self.clients[client].conn != Some(id) {
            return;
        }
        if self.clients[client].takes_nothing(self.now) {
            return self.clients[client].missed.push_back(Missed::Message(id, bytes));
        }
        self.message(client, id, &bytes);
    }

    pub(crate) fn message(&mut self, client: usize, id: ConnId, bytes: &Bytes) {
        if self.clients[client].conn != Some(id) {
            return;
        }
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.unread = conn.unread.saturating_sub(1);
        }
        let Some(frame) = World::decoded(bytes) else { return };
        self.say(|_| format!("page {client} receives {}", crate::story::frame(bytes)));
        let at = self.position_told(client, &frame);
        let is_known = |(stands, told): (Position, Position)| told.offset <= stands.offset;
        if at.is_some_and(is_known) {
            self.coverage.note("duplicate ignored");
        }
        let source = match (&frame, at) {
            (ServerFrame::Change { change, .. }, Some((Position { epoch, .. }, _))) => {
                let versions = change.items.iter();
                let versions = versions.map(|item| (item.key.clone(), Position { epoch, offset: item.version }));
                Some(Source::Frame(versions.collect()))
            }
            _ => None,
        };
        self.call(client, source.as_ref(), |manager, now| manager.handle(Input::Message(bytes), now));
        self.note_frame(client, &frame);
        self.pump(id);
    }

    /// Where a frame's stream stands, and where the frame's values are current: at its end, in the same epoch.
    fn position_told(&self, client: usize, frame: &ServerFrame) -> Option<(Position, Position)> {
        let ServerFrame::Change { sid, change } = frame else { return None };
        let (&of, _) = self.clients[client].follows.iter().find(|(_, followed)| followed.sid == Some(*sid))?;
        let stands = self.clients[client].position(of)?;
        Some((stands, Position { epoch: stands.epoch, offset: change.span.to() }))
    }

    /// What the oracle learns of a frame that was handled.
    fn note_frame(&mut self, client: usize, frame: &ServerFrame) {
        match frame {
            ServerFrame::SubOk { id, sid, epoch, offset, mode } => {
                let at = Position { epoch: *epoch, offset: *offset };
                let of = self.clients[client].follows.iter().find(|(_, followed)| followed.last_id == Some(*id));
                let Some((&of, _)) = of else { return };
                let stands = self.clients[client].position(of);
                let Some(followed) = self.clients[client].follows.get_mut(&of) else { return };
                followed.sid = Some(*sid);
                if matches!(mode, Mode::Fresh | Mode::Reset) && stands.is_some_and(|stands| stands.epoch == at.epoch) {
                    followed.began = stands;
                }
            }
            ServerFrame::Reset { sid, epoch, .. } => {
                let of = self.clients[client].follows.iter().find(|(_, followed)| followed.sid == Some(*sid));
                let Some((&of, _)) = of else { return };
                self.coverage.note("reset while following");
                let stands = self.clients[client].position(of);
                if let Some(followed) = self.clients[client].follows.get_mut(&of)
                    && stands.is_some_and(|stands| stands.epoch == *epoch)
                {
                    followed.began = stands;
                }
            }
            ServerFrame::Change { change, .. } => {
                let is_whole = |followed: &Followed, scopes: &[wire::Scope]| {
                    scopes.iter().any(|purged| followed_scope(followed, &self.clients[client]) == Some(purged.clone()))
                };
                let overflow = change.items.is_empty() && change.span.from() != change.span.to();
                if overflow && self.clients[client].follows.values().any(|followed| is_whole(followed, &change.scopes))
                {
                    self.coverage.note("overflow became a purge");
                }
            }
            ServerFrame::Hb { echo: Some(echo), subs } => {
                let page = &mut self.clients[client];
                let Some(&(_, stamp)) = page.stamps.iter().rev().find(|(said, _)| said == echo) else { return };
                for followed in page.follows.values_mut() {
                    if subs.iter().any(|(sid, _)| Some(*sid) == followed.sid) {
                        followed.vouched = followed.vouched.into_iter().chain([stamp]).max_by_key(|stamp| stamp.at);
                    }
                }
            }
            _ => {}
        }
    }

    /// How far each scope has come.
    pub(crate) fn note_progress(&mut self, client: usize) {
        let page = &mut self.clients[client];
        for (scope, position) in page.manager.positions() {
            let Some(of) = SCOPES.iter().position(|name| *name == scope.as_str()) else { continue };
            let Some(followed) = page.follows.get_mut(&of) else { continue };
            let same = followed.farthest.filter(|farthest| farthest.epoch == position.epoch);
            let is_farther = same.is_none_or(|farthest| position.offset > farthest.offset);
            if is_farther {
                followed.farthest = Some(position);
            }
        }
    }

    fn note_stamp(&mut self, client: usize, bytes: &[u8]) {
        use wire::ClientFrame::{Pong, Sub};
        let stamp = Stamp { at: self.now, hidden: self.clients[client].clock.hidden };
        match wire::Codec::Postcard.decode_client(bytes) {
            Ok(Sub { id, scope, stamp: said, .. }) => {
                self.clients[client].stamps.push((said, stamp));
                let of = SCOPES.iter().position(|name| *name == scope.as_str());
                if let Some(followed) = of.and_then(|of| self.clients[client].follows.get_mut(&of)) {
                    let was_followed = followed.sid.take().is_some();
                    // At a gap reads stop at once (R1).
                    (followed.vouched, followed.last_id) = (None, Some(id));
                    was_followed.then(|| self.coverage.note("gap"));
                }
            }
            Ok(Pong { stamp: said }) => self.clients[client].stamps.push((said, stamp)),
            _ => {}
        }
    }

    /// The page hears that its socket is closed.
    pub(crate) fn closed(&mut self, id: ConnId, code: u16) {
        let Some(client) = self.conns.get(&id).map(|conn| conn.client) else { return };
        if self.clients[client].conn != Some(id) {
            return;
        }
        if self.clients[client].takes_nothing(self.now) {
            return self.clients[client].missed.push_back(Missed::Closed(id, code));
        }
        self.clients[client].conn = None;
        self.drop_serving_if_dead(id);
        self.clients[client].hung_up();
        self.say(|_| format!("page {client}'s socket closes with {code}"));
        self.call(client, None, |manager, now| manager.handle(Input::Closed(Some(code)), now));
        self.forget_ended();
    }

    fn drop_serving_if_dead(&mut self, id: ConnId) {
        // A connection cut without the server's knowledge is served until the silence is noticed.
        if self.conns.get(&id).is_some_and(|conn| !conn.is_dead()) {
            self.drop_serving(id);
        }
    }

    /// Follows a scope, or leaves it.
    pub(crate) fn toggle(&mut self, client: usize, of: usize) {
        if self.clients[client].is_idle() {
            return;
        }
        if self.clients[client].follows.contains_key(&of) {
            self.unfollow(client, of);
        } else {
            self.follow(client, of);
        }
    }

    pub(crate) fn refollow(&mut self, client: usize, of: usize) {
        if self.clients[client].is_idle() || !self.clients[client].follows.contains_key(&of) {
            return;
        }
        self.coverage.note("scope left and followed again at once");
        self.unfollow(client, of);
        self.follow(client, of);
    }

    pub(crate) fn follow(&mut self, client: usize, of: usize) {
        self.say(|_| format!("page {client} follows {}", SCOPES[of]));
        self.clients[client].follows.insert(of, Followed::default());
        let stream = self.call(client, None, |manager, now| manager.follow(&scope(of), Some(of as u16 % 2), now));
        if let Some(followed) = self.clients[client].follows.get_mut(&of) {
            followed.stream = stream.expect("there are few scopes");
        }
        self.note_progress(client);
    }

    fn unfollow(&mut self, client: usize, of: usize) {
        let Some(followed) = self.clients[client].follows.remove(&of) else { return };
        self.say(|_| format!("page {client} leaves {}", SCOPES[of]));
        self.call(client, None, |manager, _| manager.unfollow(followed.stream));
    }
}

fn followed_scope(followed: &Followed, page: &Client) -> Option<wire::Scope> {
    page.follows.iter().find(|(_, other)| other.stream == followed.stream).map(|(&of, _)| scope(of))
}
