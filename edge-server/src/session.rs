//! One connection's side of the protocol, without its socket and without a clock.
//!
//! Bytes and `now_ms` go in; requests for the shell and frames come out. It vouches (`hb`) only for what has been sent
//! before: the shell reads the heads first, then hands over what waits, and only then lets it beat.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use wire::frame::SUBSCRIPTIONS_MAX;
use wire::{
    Body, Change, ClientFrame, CloseCode, Codec, Found, Key, Limits, Position, Scope, ServerFrame, Span, SubId, SubRef,
};

use crate::access::{Grant, Refusal, Token};
use crate::outbox::Waiting;
use crate::publish::{Begun, encode};
use crate::store::Partition;

/// How long a connection may take to say hello, in milliseconds.
pub const HELLO_MS: u64 = 10_000;
/// Keys of one `get`.
pub const GET_KEYS_MAX: u32 = 1_000;

/// The session's intervals, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Between heartbeats.
    pub hb_ms: u32,
    /// How long a heartbeat vouches, from the client's stamp that it echoes.
    pub lease_ms: u32,
}

/// Why the connection is closed from this side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The close code.
    pub code: CloseCode,
    /// What was wrong, for whoever writes the client.
    pub reason: String,
}

impl From<Refusal> for Violation {
    fn from(refusal: Refusal) -> Violation {
        let code = match refusal {
            Refusal::Expired => CloseCode::TokenExpired,
            Refusal::Invalid(_) => CloseCode::Forbidden,
        };
        Violation { code, reason: refusal.to_string() }
    }
}

/// What the shell is to do for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Judge the token, then call `admit`, or close. Only of a session that is guarded.
    Greet {
        /// What the client shows.
        token: Option<Token>,
    },
    /// Join the followers of a scope, then call `begun`.
    Subscribe {
        /// The request's number.
        id: SubId,
        /// The scope.
        scope: Scope,
        /// The client's cursor.
        since: Option<Position>,
    },
    /// Leave the followers of a scope.
    Unsubscribe(Scope),
    /// Read values, then call `got`.
    Get {
        /// The request's number.
        id: u32,
        /// The keys.
        keys: Vec<Key>,
        /// The position that the answer must have reached.
        min: Option<Position>,
    },
}

/// What a call of `wake` finds due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// A heartbeat: read the heads, hand over what waits, call `beat`.
    Heartbeat,
    /// The client is to be closed.
    Close(Violation),
}

#[derive(Debug)]
struct Following {
    /// The request that began it.
    id: SubId,
    scope: Scope,
    partition: Partition,
    /// Up to where the client has been told.
    told: Position,
}

/// A connection's state.
#[derive(Debug)]
pub struct Session {
    id: u64,
    codec: Codec,
    timing: Timing,
    greeted: bool,
    /// Whether a token is asked for.
    guarded: bool,
    /// What may be read.
    grant: Grant,
    /// When that ends, by the clock of `now_ms`.
    ends: Option<u64>,
    /// Whether change frames may carry values.
    values: bool,
    /// In order, so that equal sessions say the same.
    subs: BTreeMap<SubRef, Following>,
    /// The newest stamp received.
    echo: Option<u64>,
    next_beat: u64,
    heard: u64,
    frames: VecDeque<Bytes>,
}

impl Session {
    /// A connection that was just opened.
    pub fn new(id: u64, codec: Codec, timing: Timing, now_ms: u64) -> Session {
        Session {
            id,
            codec,
            timing,
            greeted: false,
            guarded: false,
            grant: Grant::everything(),
            ends: None,
            values: false,
            subs: BTreeMap::new(),
            echo: None,
            next_beat: now_ms + u64::from(timing.hb_ms),
            heard: now_ms,
            frames: VecDeque::new(),
        }
    }

    /// The same, where `hello` must show a token: it is asked to be judged.
    pub fn guarded(self) -> Session {
        Session { guarded: true, ..self }
    }

    /// Its number in logs and in the hub.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The codec of its messages.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The scopes it follows.
    pub fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.subs.values().map(|following| &following.scope)
    }

    /// The partitions it follows something in.
    pub fn partitions(&self) -> Vec<Partition> {
        let mut partitions: Vec<Partition> = self.subs.values().map(|following| following.partition).collect();
        partitions.sort_unstable();
        partitions.dedup();
        partitions
    }

    /// Takes a message.
    ///
    /// # Errors
    /// [`Violation`]: close with its code and reason.
    pub fn handle(&mut self, message: &[u8], now_ms: u64) -> Result<Option<Request>, Violation> {
        let violation = |reason: String| Violation { code: CloseCode::Protocol, reason };
        let frame = self.codec.decode_client(message).map_err(|error| violation(error.to_string()))?;
        self.heard = now_ms;
        if self.has_ended(now_ms) {
            return Err(Refusal::Expired.into());
        }
        match (frame, self.greeted) {
            (ClientFrame::Hello { token, values }, false) => {
                self.values = values;
                if self.guarded {
                    return Ok(Some(Request::Greet { token: token.map(Token::from) }));
                }
                self.welcome();
                Ok(None)
            }
            (ClientFrame::Hello { .. }, true) => Err(violation("hello was said already".into())),
            (_, false) => Err(violation("the first frame must be hello".into())),
            (ClientFrame::Sub { id, scope, since, stamp }, true) => {
                if self.subs.len() >= SUBSCRIPTIONS_MAX as usize {
                    return Err(violation(format!(
                        "more than {SUBSCRIPTIONS_MAX} subscriptions; follow a wider scope instead of many narrow ones"
                    )));
                }
                if !self.grant.allows_scope(&scope) {
                    return Err(forbidden(scope.as_str()));
                }
                self.note_stamp(stamp);
                Ok(Some(Request::Subscribe { id, scope, since }))
            }
            (ClientFrame::Unsub { id }, true) => {
                let ended = self.subs.iter().find(|(_, following)| following.id == id).map(|(&sid, _)| sid);
                let following = ended.and_then(|sid| self.subs.remove(&sid));
                Ok(following.map(|following| Request::Unsubscribe(following.scope)))
            }
            (ClientFrame::Get { id, keys, min }, true) => {
                if keys.len() > GET_KEYS_MAX as usize {
                    return Err(violation(format!(
                        "get names {} keys; at most {GET_KEYS_MAX} are allowed",
                        keys.len()
                    )));
                }
                match keys.iter().find(|key| !self.grant.allows_key(key)) {
                    Some(key) => Err(forbidden(key.as_str())),
                    None => Ok(Some(Request::Get { id, keys, min })),
                }
            }
            (ClientFrame::Pong { stamp }, true) => {
                self.note_stamp(stamp);
                Ok(None)
            }
        }
    }

    /// The token was judged: the client is welcome until its grant ends. `wall_ms` is the moment that `now_ms` names by
    /// the clock of grants, which may jump: from here on it is not looked at.
    pub fn admit(&mut self, grant: Grant, now_ms: u64, wall_ms: i64) {
        self.ends = grant.ends_at.map(|end| now_ms + end.saturating_sub(wall_ms).max(0).unsigned_abs());
        self.grant = grant;
        self.welcome();
    }

    fn welcome(&mut self) {
        self.greeted = true;
        let limits = Limits {
            frame_bytes: wire::codec::CLIENT_FRAME_MAX as u32,
            subscriptions: SUBSCRIPTIONS_MAX,
            get_keys: GET_KEYS_MAX,
        };
        let Timing { hb_ms, lease_ms } = self.timing;
        self.send(&ServerFrame::Welcome { session: self.id, hb_ms, lease_ms, limits });
    }

    fn has_ended(&self, now_ms: u64) -> bool {
        self.ends.is_some_and(|end| now_ms >= end)
    }

    fn note_stamp(&mut self, stamp: u64) {
        self.echo = Some(self.echo.map_or(stamp, |before| before.max(stamp)));
    }

    /// A subscription began: the answer, what happened since, and a heartbeat as soon as that is out, because the answer
    /// vouches for nothing.
    pub fn begun(&mut self, id: SubId, scope: Scope, begun: Begun, now_ms: u64) {
        let Begun { sid, partition, position, mode, replay } = begun;
        self.send(&ServerFrame::SubOk { id, sid, epoch: position.epoch, offset: position.offset, mode });
        self.subs.insert(sid, Following { id, scope, partition, told: position });
        if let Some(replay) = replay {
            self.tell(sid, Waiting::Shared(replay));
        }
        self.next_beat = now_ms;
    }

    /// Answers a `get`.
    pub fn got(&mut self, id: u32, items: Vec<Found>) {
        self.send(&ServerFrame::Got { id, items });
    }

    /// Tells what waited for a subscription. One that is over is not told.
    pub fn tell(&mut self, sid: SubRef, waiting: Waiting) {
        let Some(following) = self.subs.get_mut(&sid) else { return };
        match waiting {
            Waiting::Shared(published) if self.values => {
                following.told.offset = published.change.span.to();
                self.frames.push_back(published.frame(self.codec));
            }
            Waiting::Shared(published) => self.tell_change(sid, published.change.clone()),
            Waiting::Merged(change) => self.tell_change(sid, change),
            Waiting::Reset(position) => {
                following.told = position;
                // Nothing is vouched for in the new epoch: the word that it is does not wait for its turn.
                self.next_beat = 0;
                let why = "the server lost the stream's thread".into();
                self.send(&ServerFrame::Reset { sid, epoch: position.epoch, offset: position.offset, why });
            }
        }
    }

    fn tell_change(&mut self, sid: SubRef, mut change: Change) {
        if let Some(following) = self.subs.get_mut(&sid) {
            following.told.offset = change.span.to();
        }
        if !self.values {
            let values = change.items.iter_mut().filter(|item| matches!(item.body, Body::Value { .. }));
            values.for_each(|item| item.body = Body::Changed);
        }
        self.send(&ServerFrame::Change { sid, change });
    }

    /// What is due.
    pub fn wake(&self, now_ms: u64) -> Due {
        let close = |code, reason: &str| Due::Close(Violation { code, reason: reason.into() });
        if self.has_ended(now_ms) {
            return Due::Close(Refusal::Expired.into());
        }
        if !self.greeted && now_ms >= self.heard + HELLO_MS {
            return close(CloseCode::Slow, "no hello came");
        }
        if now_ms >= self.heard + self.silence_ms() {
            return close(CloseCode::Slow, "nothing was heard from the client");
        }
        if self.greeted && now_ms >= self.next_beat { Due::Heartbeat } else { Due::Nothing }
    }

    /// Every heartbeat is answered: a client that leaves several unanswered is gone.
    fn silence_ms(&self) -> u64 {
        (u64::from(self.timing.hb_ms) * 4).max(HELLO_MS)
    }

    /// A heartbeat, with the heads that were read before what waited was told. A partition without one is not vouched
    /// for.
    pub fn beat(&mut self, heads: &HashMap<Partition, Position>, now_ms: u64) {
        let mut subs = Vec::with_capacity(self.subs.len());
        for (&sid, following) in &mut self.subs {
            // A head of another epoch was read before the reset that has been told since.
            let head = heads.get(&following.partition).filter(|head| head.epoch == following.told.epoch);
            let Some(head) = head else { continue };
            let to = head.offset.max(following.told.offset);
            if let Ok(span) = Span::new(following.told.offset, to) {
                subs.push((sid, span));
                following.told.offset = to;
            }
        }
        self.send(&ServerFrame::Hb { echo: self.echo, subs });
        self.next_beat = now_ms + u64::from(self.timing.hb_ms);
    }

    /// The server goes away and asks the client to come back.
    pub fn say_bye(&mut self, code: CloseCode, after_ms: u32, jitter_ms: u32) {
        self.send(&ServerFrame::Bye { code: code.code(), after_ms, jitter_ms });
    }

    fn send(&mut self, frame: &ServerFrame) {
        self.frames.push_back(encode(self.codec, frame));
    }

    /// The next frame to send.
    pub fn poll(&mut self) -> Option<Bytes> {
        self.frames.pop_front()
    }

    /// When `wake` finds something due.
    pub fn poll_timeout(&self) -> u64 {
        let silent = self.heard + if self.greeted { self.silence_ms() } else { HELLO_MS };
        let due = if self.greeted { self.next_beat.min(silent) } else { silent };
        self.ends.map_or(due, |end| due.min(end))
    }
}

fn forbidden(name: &str) -> Violation {
    Violation { code: CloseCode::Forbidden, reason: format!("the token does not allow {name}") }
}
