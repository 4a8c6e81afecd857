//! One category: its limits and its members.

use alloc::string::String;
use alloc::vec::Vec;

use crate::evict::{Evictor, Policy};
use crate::slots::Slot;
use crate::store::Reason;

/// The limits of a category, and how it keeps what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct CategoryOptions {
    /// What the application calls it.
    pub name: String,
    /// The most entries; at least 1.
    pub max: u32,
    /// The most bytes, as stored; the cache's own bound applies besides.
    pub max_bytes: u64,
    /// Bytes that no other category can take from it.
    pub min_bytes: u64,
    /// The most bytes of one value, before packing.
    pub max_entry: u64,
    /// How long an entry lives, in milliseconds; infinity for as long as it stays.
    pub ttl: f64,
    /// The part of `ttl` that is taken off at random from what the server sends, 0 to 1: a batch does not end at once.
    pub jitter: f64,
    /// How long an entry is kept past its age, in milliseconds, for who takes a stale one rather than an error.
    pub grace: f64,
    /// How long the knowledge lives that a key has no value, in milliseconds, where no stream vouches for it; 0 for not
    /// at all.
    pub absent_ttl: f64,
    /// Whether payloads are packed.
    pub pack: Packing,
    /// Who leaves first.
    pub policy: Policy,
}

/// Whether payloads are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As they come.
    Off,
    /// With the category's dictionary, off the critical path.
    On,
}

impl CategoryOptions {
    /// A category of so many entries, with no other limit.
    pub fn new(name: &str, max: u32) -> CategoryOptions {
        CategoryOptions {
            name: name.into(),
            max,
            max_bytes: u64::MAX,
            min_bytes: 0,
            max_entry: u64::MAX,
            ttl: f64::INFINITY,
            jitter: 0.0,
            grace: 0.0,
            absent_ttl: 0.0,
            pack: Packing::On,
            policy: Policy::default(),
        }
    }
}

/// A category's state.
#[derive(Debug)]
pub struct Category {
    /// Its limits.
    pub options: CategoryOptions,
    /// Its slots, in no order: what eviction samples from.
    pub members: Vec<Slot>,
    /// Slots given to JavaScript for what it will store: they count as taken.
    pub reserved: u32,
    /// What shortness of memory leaves of `max`.
    pub limit: u32,
    /// Bytes that its entries are charged with.
    pub bytes: u64,
    /// Entries that wait for the category's dictionary.
    pub unpacked: Vec<Slot>,
    /// Who leaves, and what that is learned from.
    pub evictor: Evictor,
    /// Removals so far, by [`Reason::code`].
    pub removals: [u64; Reason::ALL.len()],
}

impl Category {
    /// An empty category. `seed` drives the sampling of its evictions.
    pub fn new(options: CategoryOptions, seed: u64) -> Category {
        Category {
            members: Vec::new(),
            reserved: 0,
            limit: options.max,
            bytes: 0,
            unpacked: Vec::new(),
            evictor: Evictor::new(options.policy, seed),
            removals: [0; Reason::ALL.len()],
            options,
        }
    }

    /// How many more entries fit.
    pub fn room(&self) -> u32 {
        // What pressure leaves is not to be taken up by reserved slots alone.
        let limit = self.limit.max((self.reserved + 1).min(self.options.max));
        limit.saturating_sub(self.members.len() as u32 + self.reserved)
    }
}
