//! A session joined to the hub: everything a connection does, without its socket.
//!
//! What waits is told before the server vouches: the heads are read first, then the mailbox is emptied, then the
//! heartbeat goes. The shell (`ws.rs`, and the simulation) moves bytes and time, and answers what needs the store.

use std::sync::Arc;

use bytes::Bytes;
use wire::{CloseCode, Found, Key, Mode, Position};

use crate::access::{Grant, Token};
use crate::outbox::Mailbox;
use crate::publish::Hub;
use crate::session::{Due, Request, Session, Violation};

/// How long one frame may take to leave, in milliseconds; then the reader is given up as slow.
pub const PROGRESS_MS: u64 = 15_000;

/// What a message leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Nothing more.
    Done,
    /// A scope is followed from now on.
    Following(Mode),
    /// A token is to be judged, and the client let in by `admit`, or closed.
    Greet {
        /// What the client shows.
        token: Option<Token>,
    },
    /// Values are to be read, for `got`.
    Get {
        /// The request's number.
        id: u32,
        /// The keys.
        keys: Vec<Key>,
        /// The position that the answer must have reached.
        min: Option<Position>,
    },
}

/// A connection without its socket.
#[derive(Debug)]
pub struct Connection {
    session: Session,
    mailbox: Arc<Mailbox>,
}

impl Connection {
    /// A connection that follows nothing yet.
    pub fn new(session: Session) -> Connection {
        Connection { session, mailbox: Arc::default() }
    }

    /// Its session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Where the hub leaves what is to be told, and says so.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Takes a message.
    ///
    /// # Errors
    /// [`Violation`]: close with its code and reason.
    pub fn handle(&mut self, message: &[u8], hub: &Hub, now_ms: u64) -> Result<Taken, Violation> {
        Ok(match self.session.handle(message, now_ms)? {
            None => Taken::Done,
            Some(Request::Greet { token }) => Taken::Greet { token },
            Some(Request::Subscribe { id, scope, since }) => {
                let begun = hub.subscribe(&scope, since, self.session.id(), &self.mailbox);
                let mode = begun.mode;
                self.session.begun(id, scope, begun, now_ms);
                Taken::Following(mode)
            }
            Some(Request::Unsubscribe(scope)) => {
                hub.unsubscribe(&scope, self.session.id());
                Taken::Done
            }
            Some(Request::Get { id, keys, min }) => Taken::Get { id, keys, min },
        })
    }

    /// Lets a client in whose token was judged.
    pub fn admit(&mut self, grant: Grant, now_ms: u64, wall_ms: i64) {
        self.session.admit(grant, now_ms, wall_ms);
    }

    /// Answers a `get`.
    pub fn got(&mut self, id: u32, items: Vec<Found>) {
        self.session.got(id, items);
    }

    /// Tells what waits, unless the client may not read any more.
    ///
    /// # Errors
    /// [`Violation`]: the client is to be closed.
    pub fn tell(&mut self, now_ms: u64) -> Result<(), Violation> {
        if let Due::Close(violation) = self.session.wake(now_ms) {
            return Err(violation);
        }
        self.hand_over();
        Ok(())
    }

    fn hand_over(&mut self) {
        for (sid, waiting) in self.mailbox.take() {
            self.session.tell(sid, waiting);
        }
    }

    /// Does what is due.
    ///
    /// # Errors
    /// [`Violation`]: the client is to be closed.
    pub fn wake(&mut self, hub: &Hub, now_ms: u64) -> Result<(), Violation> {
        match self.session.wake(now_ms) {
            Due::Nothing => {}
            Due::Heartbeat => {
                let heads = hub.confirmed_heads(self.session.partitions(), now_ms);
                self.hand_over();
                self.session.beat(&heads, now_ms);
            }
            Due::Close(violation) => return Err(violation),
        }
        Ok(())
    }

    /// Tells what waits, and that the server goes away.
    pub fn say_bye(&mut self, code: CloseCode, after_ms: u32, jitter_ms: u32) {
        self.hand_over();
        self.session.say_bye(code, after_ms, jitter_ms);
    }

    /// The next frame to send.
    pub fn poll(&mut self) -> Option<Bytes> {
        self.session.poll()
    }

    /// When `wake` finds something due.
    pub fn poll_timeout(&self) -> u64 {
        self.session.poll_timeout()
    }

    /// Leaves the followers of every scope.
    pub fn leave(&self, hub: &Hub) {
        for scope in self.session.scopes() {
            hub.unsubscribe(scope, self.session.id());
        }
    }
}
