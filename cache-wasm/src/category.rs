//! One category: its limits, its names and its members.

use crate::index::Index;
use crate::slots::Slot;

/// The limits of a category.
#[derive(Debug, Clone, PartialEq)]
pub struct CategoryOptions {
    /// What the application calls it.
    pub name: String,
    /// The most entries; at least 1.
    pub max: u32,
    /// The most bytes of payload; the cache's own bound applies besides.
    pub max_bytes: u64,
    /// How long an entry lives, in milliseconds; infinity for as long as it stays.
    pub ttl: f64,
}

/// A category's state.
#[derive(Debug)]
pub struct Category {
    /// Its limits.
    pub options: CategoryOptions,
    /// Its names.
    pub index: Index,
    /// Its slots, in no order: what eviction samples from.
    pub members: Vec<Slot>,
    /// Bytes of its payloads.
    pub bytes: u64,
}

impl Category {
    /// An empty category.
    pub fn new(options: CategoryOptions) -> Category {
        Category { options, index: Index::default(), members: Vec::new(), bytes: 0 }
    }
}
