//! What the two sides say to each other.
//!
//! A session's frames are one ordered stream in each direction. The order of variants and fields is the postcard
//! form: new ones are added at the end, under a new subprotocol name. `README.md` says what each frame obliges to.

#[cfg(feature = "json")]
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::key::{Key, Scope, Tag};
use crate::position::{Epoch, NUMBER_END, Offset, Position, Span};

/// The client's number for one `sub` request. It grows with each request of a session and so names the *generation*
/// of the subscription: an answer with an earlier number belongs to a flow that is over.
pub type SubId = u32;

/// The server's number for a subscription in the frames that follow it.
pub type SubRef = u32;

/// Subscriptions of one session. A client that stays within it is never closed for having too many.
pub const SUBSCRIPTIONS_MAX: u32 = 256;

/// The bytes of a value: JSON text in this project, opaque to the protocol.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Arc<[u8]>);

impl Payload {
    /// A payload of these bytes. They must be JSON text where the JSON codec may carry them.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Payload {
        Payload(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({})", self.0.escape_ascii())
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(&self.0);
        }
        #[cfg(feature = "json")]
        {
            let raw: &serde_json::value::RawValue =
                serde_json::from_slice(&self.0).map_err(serde::ser::Error::custom)?;
            raw.serialize(serializer)
        }
        #[cfg(not(feature = "json"))]
        Err(serde::ser::Error::custom("the JSON codec needs the feature `json`"))
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Payload;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a payload")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Payload, E> {
                Ok(Payload::new(bytes))
            }
        }
        #[cfg(feature = "json")]
        if deserializer.is_human_readable() {
            let raw = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
            return Ok(Payload::new(raw.get().as_bytes()));
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// It has another value, which is not sent: fetch it when it is wanted.
    Changed,
    /// It has this value.
    Value {
        /// When the source observed it, in milliseconds since 1970 UTC.
        source_ts: i64,
        /// The labels the value carries.
        tags: Vec<Tag>,
        /// The value.
        payload: Payload,
    },
    /// It has no value any more.
    Gone,
}

/// One key's newest change within a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The key.
    pub key: Key,
    /// The commit that changed it last within the range.
    pub version: Offset,
    /// What it did.
    pub body: Body,
}

/// Everything that happened to a subscription's keys in a range of commits, merged: each key at most once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The commits.
    pub span: Span,
    /// The keys that changed.
    pub items: Vec<Item>,
    /// Everything under these may have changed, unless an item of this frame says more.
    pub scopes: Vec<Scope>,
    /// Everything that carries one of these may have changed, unless an item of this frame says more.
    pub tags: Vec<Tag>,
}

/// How a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing was followed before: the stream starts at the given offset.
    Fresh,
    /// The stream goes on after `since`; a change frame up to the head follows.
    Replayed,
    /// `since` cannot be continued: what was kept under the scope is void, the stream starts at the given offset.
    Reset,
}

/// What the server allows a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of one client frame.
    pub frame_bytes: u32,
    /// Subscriptions at a time.
    pub subscriptions: u32,
    /// Keys of one `get`.
    pub get_keys: u32,
}

/// The answer for one key: its state at a position, with or without a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The key.
    pub key: Key,
    /// The position the server had read before it read the value.
    pub as_of: Position,
    /// The value's version and body, or `None` when the key has no value.
    pub value: Option<(Offset, Body)>,
    /// Milliseconds that the value still lived when it was read, from 1 and below 2^53; `None` when it has no end, or
    /// there is no value.
    #[serde(default, deserialize_with = "lifetime")]
    pub ttl_ms: Option<u64>,
}

/// A clock plus a number past 2^53 is no time that every reader can hold, and a value of no life is none.
fn lifetime<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Option::<u64>::deserialize(deserializer)? {
        Some(ttl_ms) if !(1..NUMBER_END).contains(&ttl_ms) => {
            Err(serde::de::Error::custom("a lifetime is from 1 and below 2^53 milliseconds"))
        }
        ttl_ms => Ok(ttl_ms),
    }
}

/// From the client to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientFrame {
    /// Begins a session; always the first frame.
    Hello {
        /// What the application was given to prove who it is.
        token: Option<String>,
        /// Whether change frames may carry values; without, they only invalidate.
        values: bool,
    },
    /// Follows a scope.
    Sub {
        /// The request's number.
        id: SubId,
        /// What to follow.
        scope: Scope,
        /// The cursor to go on from, or `None` to begin.
        since: Option<Position>,
        /// The client's clock, echoed by the next heartbeat.
        stamp: u64,
    },
    /// Ends the subscription that a request began, whether or not that was answered yet.
    Unsub {
        /// The request's number.
        id: SubId,
    },
    /// Reads values over the socket.
    Get {
        /// The request's number, echoed by `got`.
        id: u32,
        /// What to read.
        keys: Vec<Key>,
        /// The position the answer must have reached, for keys of its partition.
        min: Option<Position>,
    },
    /// Answers a heartbeat.
    Pong {
        /// The client's clock, echoed by the next heartbeat.
        stamp: u64,
    },
}

/// From the server to the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerFrame {
    /// Answers `hello`.
    Welcome {
        /// A number for the logs of both sides.
        session: u64,
        /// Milliseconds between heartbeats.
        hb_ms: u32,
        /// How long, in milliseconds, a heartbeat vouches, counted from the client's stamp that it echoes.
        lease_ms: u32,
        /// What is allowed.
        limits: Limits,
    },
    /// Answers `sub`.
    SubOk {
        /// The request's number.
        id: SubId,
        /// The number of the subscription in later frames.
        sid: SubRef,
        /// The lineage that its offsets belong to.
        epoch: Epoch,
        /// Where the stream starts: the head, or `since` when replayed.
        offset: Offset,
        /// How it begins.
        mode: Mode,
    },
    /// Commits happened.
    Change {
        /// The subscription.
        sid: SubRef,
        /// What they changed.
        change: Change,
    },
    /// Answers `get`.
    Got {
        /// The request's number.
        id: u32,
        /// One answer a key, in the order asked.
        items: Vec<Found>,
    },
    /// The stream cannot be continued: void what was kept, go on from here.
    Reset {
        /// The subscription.
        sid: SubRef,
        /// The lineage from now on.
        epoch: Epoch,
        /// Where it starts.
        offset: Offset,
        /// Why, for the logs.
        why: String,
    },
    /// The server vouches for its streams: everything in these ranges that matched has been sent.
    Hb {
        /// The newest stamp received when the head was read, or `None` before the first.
        echo: Option<u64>,
        /// The subscriptions and the ranges they have been told of.
        subs: Vec<(SubRef, Span)>,
    },
    /// The server is about to close.
    Bye {
        /// The close code that follows.
        code: u16,
        /// When to come back, in milliseconds from now.
        after_ms: u32,
        /// Spread the return over this much more, at random.
        jitter_ms: u32,
    },
}
