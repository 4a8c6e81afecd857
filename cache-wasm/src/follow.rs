//! The client of the protocol: frames in, table changes and frames out.
//!
//! A change frame is applied whole, then the cursor moves, then the application hears of it (R2). Whatever breaks the
//! order of the stream stops the reads of its scope first and asks to go on second. No socket and no clock: bytes and
//! `now` are arguments.

use alloc::borrow::ToOwned;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fastrand::Rng;
use serde::Serialize;
use wire::{Body, Change, ClientFrame, CloseCode, Codec, Item, Mode, Position, Scope, ServerFrame, SubRef, Verdict};

use crate::fill::Fills;
use crate::replica::{Begun, Phase, Replica};
use crate::session::{Link, Session};
use crate::slots::{Slot, StreamRef, UNFOLLOWED};
use crate::store::{Given, Put, Reason, Store};
use crate::subs::Subs;

/// What happens outside.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The socket is open.
    Opened,
    /// The socket brought a message.
    Message(&'a [u8]),
    /// The socket is closed, with the code if there is one.
    Closed(Option<u16>),
    /// A timer asked for by `poll_timeout`, or a sign of life after sleep: the page is shown, resumed or online again.
    Woke,
    /// The network is back: do not wait out the backoff.
    Online,
}

/// What the shell is to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Open a socket, in place of any other.
    Connect,
    /// Send a binary message.
    Send(Vec<u8>),
    /// Close the socket; nothing more is heard from it.
    Disconnect(u16, String),
    /// Tell the followers of a stream.
    Changed(StreamRef, Changed),
    /// Tell who listens that the connection's state changed.
    State(&'static str, String),
}

/// What an applied frame did to a scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Keys whose new value is in the cache.
    pub values: Vec<String>,
    /// Keys whose new value is not.
    pub changed: Vec<String>,
    /// Keys without a value.
    pub gone: Vec<String>,
    /// All of the scope, or a part of it that no list here names, is void.
    pub purged: bool,
    /// When the source observed the oldest of the values that were sent, in milliseconds since 1970 UTC by the server's
    /// clock; none when no value was.
    pub observed: Option<i64>,
}

/// What the stream did so far.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Change frames applied.
    pub applied: u64,
    /// Change frames that held nothing new.
    pub duplicates: u64,
    /// Frames that came after a hole.
    pub gaps: u64,
    /// Positions adopted in place of what was kept.
    pub resets: u64,
    /// Heartbeats.
    pub heartbeats: u64,
    /// Bytes of frames.
    pub bytes_received: u64,
}

/// The values and the fills that a frame acts upon.
#[derive(Debug)]
pub struct Kept<'a> {
    /// The values.
    pub store: &'a mut Store,
    /// The fills under way.
    pub fills: &'a mut Fills,
}

/// The client's side of the protocol.
#[derive(Debug)]
pub struct Follower {
    /// The connection.
    pub session: Session,
    /// The scopes.
    pub subs: Subs,
    /// What happened so far.
    pub counters: Counters,
    /// The stamp that the server last vouched from.
    pub vouched: Option<f64>,
    outputs: VecDeque<Output>,
    token: Option<String>,
    rng: Rng,
    last_id: u32,
    /// Where scopes stood on an earlier visit.
    remembered: Vec<(Scope, Position)>,
}

impl Follower {
    /// A follower that is not connected.
    pub fn new(token: Option<String>, seed: u64) -> Follower {
        Follower {
            session: Session::default(),
            subs: Subs::default(),
            counters: Counters::default(),
            vouched: None,
            outputs: VecDeque::new(),
            token,
            rng: Rng::with_seed(seed),
            last_id: 0,
            remembered: Vec::new(),
        }
    }

    /// What proves, from the next connection on, who follows.
    pub fn set_token(&mut self, token: Option<String>) {
        self.token = token;
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Remembers where a scope stood on an earlier visit.
    pub fn remember(&mut self, scope: Scope, position: Position) {
        self.remembered.retain(|(other, _)| *other != scope);
        self.remembered.push((scope, position));
    }

    /// Follows a scope. `None` when too many are followed.
    pub fn follow(&mut self, kept: &mut Kept, scope: &Scope, category: Option<u16>, now: f64) -> Option<StreamRef> {
        let stream = self.subs.add(scope, category)?;
        if self.subs.get(stream).is_some_and(|replica| replica.followers == 1) {
            self.take_up(stream);
            // From here on nothing that no stream vouches for is readable under the scope.
            kept.store.purge_stream(scope, UNFOLLOWED, Reason::Reset);
            match self.session.link {
                Link::Off => self.connect(now),
                Link::Greeting { .. } | Link::Live { .. } => self.ask(stream, now),
                Link::Connecting { .. } | Link::Waiting { .. } | Link::Refused { .. } => {}
            }
        }
        Some(stream)
    }

    /// Goes on from where the scope stood on an earlier visit, once: what comes later is this visit's.
    fn take_up(&mut self, stream: StreamRef) {
        let Some(replica) = self.subs.get_mut(stream) else { return };
        if let Some(place) = self.remembered.iter().position(|(scope, _)| *scope == replica.scope) {
            replica.adopt(self.remembered.swap_remove(place).1);
            replica.takes_up = true;
        }
    }

    /// Ends one following of a stream.
    pub fn unfollow(&mut self, kept: &mut Kept, stream: StreamRef) {
        let Some(replica) = self.subs.remove(stream) else { return };
        if let Some(position) = replica.position().filter(|_| replica.takes_up) {
            // Nothing was answered: who follows it next takes up as much.
            self.remember(replica.scope.clone(), position);
        }
        kept.store.set_lease(stream, f64::NEG_INFINITY);
        for slot in kept.store.slots_under(&replica.scope, stream) {
            let other = self.heir(&replica, kept.store, slot);
            match other {
                Some(other) => kept.store.set_stream(slot, other),
                None => kept.store.remove(slot, Reason::Unfollowed),
            }
        }
        if let Some(id) = replica.phase.request() {
            self.send(&ClientFrame::Unsub { id });
        }
        if self.subs.is_empty() {
            self.stop();
        }
    }

    /// The stream that vouches for an entry from now on. One that began later was never told what this one had still
    /// to tell.
    fn heir(&self, ended: &Replica, store: &Store, slot: Slot) -> Option<StreamRef> {
        let other = self.subs.covering(store.index().key(slot)?)?;
        let begun = self.subs.get(other)?.position()?;
        let reached = |at: Position| at.epoch == begun.epoch && at.offset >= begun.offset;
        (ended.position().is_some_and(reached) || store.slots.get(slot)?.seen.is_some_and(reached)).then_some(other)
    }

    /// Gives the connection up for good; it is made again when something is followed.
    pub fn stop(&mut self) {
        if !matches!(self.session.link, Link::Off | Link::Refused { .. }) {
            self.outputs.push_back(Output::Disconnect(1000, "nothing is followed".into()));
            self.session.link = Link::Off;
            self.tell_state(String::new());
        }
    }

    /// Takes what happened outside.
    pub fn handle(&mut self, kept: &mut Kept, input: Input, now: f64) {
        match input {
            Input::Opened => self.opened(now),
            Input::Message(bytes) => self.message(kept, bytes, now),
            Input::Closed(code) => self.lost(kept, code, "the connection closed", now),
            Input::Woke => self.woke(kept, now),
            Input::Online => match self.session.link {
                Link::Waiting { .. } => self.connect(now),
                _ => self.woke(kept, now),
            },
        }
    }

    fn woke(&mut self, kept: &mut Kept, now: f64) {
        if self.session.timeout().is_none_or(|due| now < due) {
            return;
        }
        if matches!(self.session.link, Link::Waiting { .. }) {
            self.connect(now);
        } else {
            self.give_up(kept, CloseCode::Slow.code(), "the server is silent", now);
        }
    }

    fn connect(&mut self, now: f64) {
        self.session.connect(now);
        self.outputs.push_back(Output::Connect);
        self.tell_state(String::new());
    }

    fn opened(&mut self, now: f64) {
        if !matches!(self.session.link, Link::Connecting { .. }) {
            return;
        }
        self.session.opened(now);
        self.send(&ClientFrame::Hello { token: self.token.clone(), values: true });
        let streams: Vec<StreamRef> = self.subs.iter().map(|(stream, _)| stream).collect();
        for stream in streams {
            self.ask(stream, now);
        }
    }

    /// Closes the socket from this side, and comes back later.
    fn give_up(&mut self, kept: &mut Kept, code: u16, why: &str, now: f64) {
        self.outputs.push_back(Output::Disconnect(code, why.into()));
        self.lost(kept, None, why, now);
    }

    /// Reads of every followed scope stop at once (R6); the cursors stay (R7).
    fn lost(&mut self, kept: &mut Kept, code: Option<u16>, why: &str, now: f64) {
        for (stream, replica) in self.subs.iter_mut() {
            replica.phase = Phase::Waiting;
            kept.store.set_lease(stream, f64::NEG_INFINITY);
        }
        self.session.lost(code, now, &mut self.rng);
        self.tell_state(code.map_or_else(|| why.into(), |code| format!("{why} with code {code}")));
    }

    fn tell_state(&mut self, detail: String) {
        self.outputs.push_back(Output::State(self.state(), detail));
    }

    /// The connection's state in a word.
    pub fn state(&self) -> &'static str {
        match self.session.link {
            Link::Off => "off",
            Link::Connecting { .. } | Link::Greeting { .. } => "connecting",
            Link::Live { .. } => "live",
            Link::Waiting { .. } => "waiting",
            Link::Refused { .. } => "refused",
        }
    }

    fn send(&mut self, frame: &ClientFrame) {
        // Postcard writes any frame; there is no payload in a client's.
        if let Ok(bytes) = Codec::Postcard.encode_client(frame) {
            self.outputs.push_back(Output::Send(bytes));
        }
    }

    /// Asks to follow, from the cursor on if there is one.
    fn ask(&mut self, stream: StreamRef, now: f64) {
        self.last_id = self.last_id.wrapping_add(1);
        let id = self.last_id;
        let Some(replica) = self.subs.get_mut(stream) else { return };
        replica.phase = Phase::Asked { id };
        let frame =
            ClientFrame::Sub { id, scope: replica.scope.clone(), since: replica.position(), stamp: stamp_of(now) };
        self.send(&frame);
    }

    /// Stops vouching and asks again (R1).
    fn resync(&mut self, kept: &mut Kept, stream: StreamRef, now: f64) {
        kept.store.set_lease(stream, f64::NEG_INFINITY);
        if let Some(id) = self.subs.get(stream).and_then(|replica| replica.phase.request()) {
            self.send(&ClientFrame::Unsub { id });
        }
        self.ask(stream, now);
    }

    fn message(&mut self, kept: &mut Kept, bytes: &[u8], now: f64) {
        if !matches!(self.session.link, Link::Greeting { .. } | Link::Live { .. }) {
            return;
        }
        self.counters.bytes_received += bytes.len() as u64;
        self.session.heard(now);
        let frame = match Codec::Postcard.decode_server(bytes) {
            Ok(frame) => frame,
            Err(error) => return self.give_up(kept, CloseCode::Protocol.code(), &error.to_string(), now),
        };
        match frame {
            ServerFrame::Welcome { hb_ms, lease_ms, .. } => {
                self.session.welcomed(hb_ms, lease_ms, now);
                self.tell_state(String::new());
            }
            ServerFrame::SubOk { id, sid, epoch, offset, mode } => {
                self.begun(kept, id, sid, Position { epoch, offset }, mode, now);
            }
            ServerFrame::Change { sid, change } => self.change(kept, sid, change, now),
            ServerFrame::Reset { sid, epoch, offset, .. } => {
                if let Some(stream) = self.subs.following(sid) {
                    self.reset(kept, stream, Position { epoch, offset }, true);
                }
            }
            ServerFrame::Hb { echo, subs } => self.heartbeat(kept, echo, &subs, now),
            ServerFrame::Bye { after_ms, jitter_ms, .. } => {
                self.session.recalled(after_ms, jitter_ms, now, &mut self.rng);
            }
            // Values are read over HTTP; no `get` is under way.
            ServerFrame::Got { .. } => {}
        }
    }

    fn begun(&mut self, kept: &mut Kept, id: u32, sid: SubRef, position: Position, mode: Mode, now: f64) {
        let Some(stream) = self.subs.asking(id) else { return };
        let Some(replica) = self.subs.get_mut(stream) else { return };
        let is_loss = mode == Mode::Reset || replica.position().is_some();
        match replica.begun(id, sid, position, mode) {
            Begun::Ignored => {}
            Begun::Continue if core::mem::take(&mut replica.takes_up) => {
                // The replay that follows says what changed since; nothing is read before the heartbeat behind it.
                let scope = replica.scope.clone();
                kept.store.vouch_for(&scope, stream, position.epoch);
            }
            Begun::Continue => {}
            Begun::Adopt(position) => self.reset(kept, stream, position, is_loss),
            Begun::Contradiction => {
                replica.takes_up = false;
                replica.forget();
                self.void(kept, stream);
                self.resync(kept, stream, now);
            }
        }
    }

    /// R5: void what is kept and what is in flight, adopt the position. The first position of a scope has voided
    /// nothing that anybody read, so that only `is_loss` is told.
    fn reset(&mut self, kept: &mut Kept, stream: StreamRef, position: Position, is_loss: bool) {
        let Some(replica) = self.subs.get_mut(stream) else { return };
        replica.takes_up = false;
        // What was vouched for is of the lineage before.
        if replica.epoch().is_some_and(|before| before != position.epoch) {
            kept.store.set_lease(stream, f64::NEG_INFINITY);
        }
        replica.adopt(position);
        kept.fills.raise_scope(&replica.scope, replica.position().unwrap_or(position));
        if is_loss {
            self.void(kept, stream);
        } else {
            kept.store.purge_stream(&replica.scope, stream, Reason::Reset);
        }
    }

    fn void(&mut self, kept: &mut Kept, stream: StreamRef) {
        let Some(replica) = self.subs.get(stream) else { return };
        kept.store.purge_scope(&replica.scope, None, Reason::Reset);
        self.counters.resets += 1;
        self.outputs.push_back(Output::Changed(stream, Changed { purged: true, ..Changed::default() }));
    }

    fn change(&mut self, kept: &mut Kept, sid: SubRef, mut change: Change, now: f64) {
        let Some(stream) = self.subs.following(sid) else { return };
        self.demote(stream, &mut change);
        let Some(replica) = self.subs.get_mut(stream) else { return };
        match replica.check(change.span) {
            Verdict::Duplicate => self.counters.duplicates += 1,
            Verdict::Gap | Verdict::NewEpoch => {
                self.counters.gaps += 1;
                self.resync(kept, stream, now);
            }
            Verdict::Apply => {
                let to = change.span.to();
                let changed = apply(kept, replica, stream, change, now);
                replica.advance(to);
                self.counters.applied += 1;
                self.outputs.push_back(Output::Changed(stream, changed));
            }
        }
    }

    /// A value may be older than what another stream has told of its key already: then it says that the key changed,
    /// and no more.
    fn demote(&self, stream: StreamRef, change: &mut Change) {
        let Some(epoch) = self.subs.get(stream).and_then(Replica::epoch) else { return };
        let is_ahead = |at: Position| at.epoch != epoch || at.offset > change.span.to();
        let ahead = self.subs.iter().filter(|(other, _)| *other != stream);
        let ahead = ahead.filter(|(_, replica)| replica.position().is_some_and(is_ahead));
        let ahead: Vec<&Scope> = ahead.map(|(_, replica)| &replica.scope).collect();
        for item in &mut change.items {
            if matches!(item.body, Body::Value { .. }) && ahead.iter().any(|scope| scope.contains(&item.key)) {
                item.body = Body::Changed;
            }
        }
    }

    /// The server has sent everything up to these positions, and says so of the moment that it echoes.
    fn heartbeat(&mut self, kept: &mut Kept, echo: Option<u64>, subs: &[(SubRef, wire::Span)], now: f64) {
        self.counters.heartbeats += 1;
        self.session.proved();
        for &(sid, span) in subs {
            let Some(stream) = self.subs.following(sid) else { continue };
            let Some(replica) = self.subs.get_mut(stream) else { continue };
            if replica.position().is_none_or(|position| span.from() > position.offset) {
                self.counters.gaps += 1;
                self.resync(kept, stream, now);
                continue;
            }
            replica.advance(span.to());
            if let Some(echo) = echo {
                self.vouch(kept, stream, (echo as f64).min(now));
            }
        }
        self.send(&ClientFrame::Pong { stamp: stamp_of(now) });
    }

    /// Reads may hit until the lease that began at `stamp` ends. A later word never shortens an earlier one.
    fn vouch(&mut self, kept: &mut Kept, stream: StreamRef, stamp: f64) {
        let Some(lease_ms) = self.session.lease_ms() else { return };
        let lease = kept.store.slots.lease[stream as usize].max(stamp + lease_ms);
        kept.store.set_lease(stream, lease);
        self.vouched = Some(self.vouched.map_or(stamp, |before| before.max(stamp)));
    }
}

/// A stamp is the cache's clock in whole milliseconds, rounded down so that it never vouches for longer.
fn stamp_of(now: f64) -> u64 {
    now.max(0.0) as u64
}

/// R2 and R4: everything a frame says, before the cursor moves.
fn apply(kept: &mut Kept, replica: &Replica, stream: StreamRef, change: Change, now: f64) -> Changed {
    let Some(epoch) = replica.epoch() else { return Changed::default() };
    let upto = Position { epoch, offset: change.span.to() };
    let mut changed = Changed::default();
    for scope in &change.scopes {
        kept.fills.raise_scope(scope, upto);
        kept.store.purge_scope(scope, Some(upto), Reason::Invalidated);
        changed.purged |= scope.overlaps(&replica.scope);
    }
    for tag in &change.tags {
        kept.fills.raise_scope(&replica.scope, upto);
        kept.store.purge_tag(tag, Some(upto), Reason::Invalidated);
        // Keys that carry it and are not kept have no name here.
        changed.purged = true;
    }
    for item in change.items {
        apply_item(kept, replica, stream, upto, item, &mut changed, now);
    }
    changed
}

fn apply_item(
    kept: &mut Kept,
    replica: &Replica,
    stream: StreamRef,
    upto: Position,
    item: Item,
    changed: &mut Changed,
    now: f64,
) {
    let Item { key, version, body } = item;
    let at = Position { epoch: upto.epoch, offset: version };
    kept.fills.raise_key(&key, at);
    let slots = kept.store.slots_of(&key);
    let older: Vec<_> = slots.iter().copied().filter(|&slot| kept.store.is_older(slot, at)).collect();
    let text = key.as_str().to_owned();
    match body {
        Body::Changed => {
            for slot in older {
                kept.store.remove(slot, Reason::Invalidated);
            }
            changed.changed.push(text);
        }
        Body::Gone => {
            for slot in older {
                kept.store.remove(slot, Reason::Gone);
            }
            changed.gone.push(text);
        }
        Body::Value { source_ts, tags, payload } => {
            changed.observed = Some(changed.observed.map_or(source_ts, |oldest| oldest.min(source_ts)));
            let mut categories: Vec<u16> =
                older.iter().filter_map(|&slot| kept.store.slots.get(slot)).map(|entry| entry.category).collect();
            let wanted = replica.category.filter(|&category| kept.store.find(category, &key).is_none());
            categories.extend(wanted);
            let mut stored = slots.len() > older.len();
            for category in categories {
                let given = Given::Bytes(payload.as_bytes().into());
                let (seen, tags) = (Some(upto), tags.clone());
                let put = Put { seen, stream, tags, ..Put::of(category, key.clone(), given) };
                // A value that does not fit is not kept; who wants it fetches it.
                stored |= kept.store.put(put, now).is_ok();
            }
            if stored { changed.values.push(text) } else { changed.changed.push(text) }
        }
    }
}
