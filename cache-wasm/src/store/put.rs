//! What the store is given.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use wire::{Key, Position, Tag};

use crate::slots::{StreamRef, UNFOLLOWED};

/// What a key is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A value's bytes.
    Bytes(Box<[u8]>),
    /// The knowledge that there is no value.
    Absent,
    /// A value that JavaScript keeps, and the bytes it is to be charged with.
    Reference(u32),
}

impl From<&[u8]> for Given {
    fn from(bytes: &[u8]) -> Given {
        Given::Bytes(bytes.into())
    }
}

impl Given {
    pub(super) fn size(&self) -> usize {
        match self {
            Given::Bytes(bytes) => bytes.len(),
            Given::Absent => 0,
            Given::Reference(size) => *size as usize,
        }
    }
}

/// Who gives a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The application: its times are kept to the millisecond.
    Application,
    /// The server, often many at once: their ends are spread.
    Server,
    /// The server, and nobody has asked for it yet: it displaces nothing.
    Prefetch,
}

/// A value to store.
#[derive(Debug)]
pub struct Put {
    /// The category's index.
    pub category: u16,
    /// Its name.
    pub key: Key,
    /// What it holds.
    pub given: Given,
    /// The position it is known to be current at.
    pub seen: Option<Position>,
    /// The application's own number of the value.
    pub version: Option<u64>,
    /// The stream that vouches for it.
    pub stream: StreamRef,
    /// Its age limit in milliseconds, or `None` for the category's.
    pub ttl: Option<f64>,
    /// Who gives it.
    pub origin: Origin,
    /// Its labels.
    pub tags: Vec<Tag>,
}

impl Put {
    /// A value from the server that no stream covers, without labels, for as long as its category says.
    pub fn of(category: u16, key: Key, given: Given) -> Put {
        let (origin, tags) = (Origin::Server, Vec::new());
        Put { category, key, given, seen: None, version: None, stream: UNFOLLOWED, ttl: None, origin, tags }
    }
}

/// Why a value cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// There is no such category.
    #[error("there is no category number {0}")]
    Category(u16),
    /// The value alone is over its category's bytes, or the cache's.
    #[error("a value of {size} bytes does not fit: {holder} holds at most {max} bytes")]
    TooLarge {
        /// Its bytes.
        size: usize,
        /// The category, an entry of it, or the whole cache.
        holder: String,
        /// Its limit.
        max: u64,
    },
    /// Nothing can leave.
    #[error("category `{0}` is full, and handles hold every entry of it; release some, or raise its `max`")]
    Held(String),
    /// Something would have to leave for a value that nobody has asked for.
    #[error("category `{0}` has no room for what was not asked for")]
    Displacing(String),
}
