//! The connection: when to open it, when to give it up, and how long the server's word holds.
//!
//!   Off ──▶ Connecting ──▶ Greeting ──▶ Live
//!             ▲   │            │          │        any loss: Waiting{until}, then Connecting again
//!             │   ▼            ▼          ▼        a final close code: Refused, for good
//!           Waiting ◀──────────────────────
//!
//! It knows nothing of scopes or values.

use fastrand::Rng;
use wire::CloseCode;

use crate::backoff::Backoff;

/// How long a connection may take to be opened, and to be welcomed, in milliseconds.
pub const GREETING_MS: f64 = 10_000.0;

/// Where the connection stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Link {
    /// Nothing is followed.
    Off,
    /// A socket is being opened.
    Connecting {
        /// When it is given up.
        until: f64,
    },
    /// `hello` was sent.
    Greeting {
        /// When it is given up.
        until: f64,
    },
    /// The server answers.
    Live {
        /// Milliseconds between heartbeats.
        hb_ms: f64,
        /// Milliseconds that a heartbeat vouches, from its stamp.
        lease_ms: f64,
        /// When the last frame came.
        heard: f64,
    },
    /// Until the next attempt.
    Waiting {
        /// When it is made.
        until: f64,
    },
    /// The server closed for good, with this code.
    Refused {
        /// The close code.
        code: u16,
    },
}

/// The connection's state.
#[derive(Debug)]
pub struct Session {
    /// Where it stands.
    pub link: Link,
    /// Connections opened so far.
    pub connects: u64,
    backoff: Backoff,
    /// When the server asked to come back, if it did.
    recall: Option<f64>,
    /// Whether a heartbeat came on this connection.
    is_proven: bool,
}

impl Default for Session {
    fn default() -> Session {
        Session { link: Link::Off, connects: 0, backoff: Backoff::default(), recall: None, is_proven: false }
    }
}

/// How many heartbeats may stay away before the connection counts as dead.
const SILENT_HEARTBEATS: f64 = 3.0;

impl Session {
    /// A socket is to be opened now.
    pub fn connect(&mut self, now: f64) {
        self.is_proven = false;
        self.link = Link::Connecting { until: now + GREETING_MS };
    }

    /// The socket is open and `hello` goes out.
    pub fn opened(&mut self, now: f64) {
        self.connects += 1;
        self.link = Link::Greeting { until: now + GREETING_MS };
    }

    /// The server said welcome. Intervals that would never end or never begin are brought within reason.
    pub fn welcomed(&mut self, hb_ms: u32, lease_ms: u32, now: f64) {
        let hb_ms = f64::from(hb_ms).clamp(100.0, 120_000.0);
        self.link = Link::Live { hb_ms, lease_ms: f64::from(lease_ms), heard: now };
    }

    /// A heartbeat came: the connection is of use, and the next loss starts the backoff over.
    pub fn proved(&mut self) {
        self.backoff.reset();
        self.is_proven = true;
    }

    /// A frame came.
    pub fn heard(&mut self, now: f64) {
        if let Link::Live { heard, .. } = &mut self.link {
            *heard = now;
        }
    }

    /// The server said when to come back.
    pub fn recalled(&mut self, after_ms: u32, jitter_ms: u32, now: f64, rng: &mut Rng) {
        self.recall = Some(now + f64::from(after_ms) + rng.f64() * f64::from(jitter_ms));
    }

    /// The socket is gone. Whether and when to come back is in the code.
    pub fn lost(&mut self, code: Option<u16>, now: f64, rng: &mut Rng) {
        if matches!(self.link, Link::Off | Link::Refused { .. }) {
            return;
        }
        let code = code.and_then(CloseCode::from_code);
        let wait = match code {
            // The connection was good, and will be with another token. One that is refused at once is no better than none.
            Some(CloseCode::TokenExpired) if self.is_proven => 0.0,
            _ => self.backoff.next(rng),
        };
        self.link = match code {
            Some(code) if !code.reconnects() => Link::Refused { code: code.code() },
            _ => Link::Waiting { until: self.recall.take().unwrap_or(now + wait) },
        };
    }

    /// How long a heartbeat vouches, when there is a server to vouch.
    pub fn lease_ms(&self) -> Option<f64> {
        match self.link {
            Link::Live { lease_ms, .. } => Some(lease_ms),
            _ => None,
        }
    }

    /// When something is due: an attempt, or giving one up.
    pub fn timeout(&self) -> Option<f64> {
        match self.link {
            Link::Off | Link::Refused { .. } => None,
            Link::Connecting { until } | Link::Greeting { until } | Link::Waiting { until } => Some(until),
            Link::Live { hb_ms, heard, .. } => Some(heard + SILENT_HEARTBEATS * hb_ms),
        }
    }
}
