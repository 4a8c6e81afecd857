//! What the store tells of itself: what changed in the tables, for JavaScript to repeat, and why entries left.

use serde::Serialize;
use wire::Key;

use crate::slots::{Content, Slot, StreamRef};

/// Why an entry left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// Its age ended.
    Expired,
    /// Room was needed.
    Evicted,
    /// Another value took its place.
    Replaced,
    /// The application deleted it.
    Deleted,
    /// The application cleared its category.
    Cleared,
    /// It changed, or may have.
    Invalidated,
    /// The server no longer has a value.
    Gone,
    /// Its stream could not be continued.
    Reset,
    /// Its scope is not followed any more.
    Unfollowed,
    /// The machine is short of memory.
    Pressure,
}

impl Reason {
    /// Every reason, in the order of their codes.
    pub const ALL: [Reason; 10] = [
        Reason::Expired,
        Reason::Evicted,
        Reason::Replaced,
        Reason::Deleted,
        Reason::Cleared,
        Reason::Invalidated,
        Reason::Gone,
        Reason::Reset,
        Reason::Unfollowed,
        Reason::Pressure,
    ];

    /// Its number in what crosses to JavaScript.
    pub fn code(self) -> u32 {
        self as u32
    }
}

/// A change of the tables that JavaScript repeats.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The slot is free.
    Removed(Slot, Reason),
    /// A value took a slot.
    Stored(Slot, u16, Key, Freshness, Holding),
    /// Another value took the slot of the one before (`Replaced`).
    Changed(Slot, Freshness, Holding),
    /// The same value, vouched for otherwise or for longer.
    Touched(Slot, Freshness),
    /// Entries of a stream may be read until then.
    Lease(StreamRef, f64),
}

/// Until when an entry is fresh, and whose lease it needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Freshness {
    /// The end of its age, in the cache's milliseconds.
    pub until: f64,
    /// The stream that vouches for it.
    pub stream: StreamRef,
}

/// What a slot holds, as far as JavaScript needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Bytes of the value, before packing.
    pub size: u32,
    /// Where it is.
    pub content: Content,
}
