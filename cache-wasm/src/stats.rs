//! What the cache tells of itself. The names and units are those of `CacheStats` in `js/types.ts`.

use alloc::string::String;
use alloc::vec::Vec;

use crate::category::Category;
use crate::follow::Counters;
use crate::store::Reason;

/// One category. Hits and misses are counted in JavaScript, which alone sees them.
#[derive(Debug, Clone)]
pub struct CategoryStats {
    /// Its name.
    pub name: String,
    /// Entries.
    pub entries: u32,
    /// The most entries.
    pub max: u32,
    /// Bytes of payload.
    pub bytes: u64,
}

impl CategoryStats {
    /// A category's numbers.
    pub fn of(category: &Category) -> CategoryStats {
        CategoryStats {
            name: category.options.name.clone(),
            entries: category.members.len() as u32,
            max: category.options.max,
            bytes: category.bytes,
        }
    }
}

/// One followed scope.
#[derive(Debug, Clone)]
pub struct SubscriptionStats {
    /// The scope.
    pub scope: String,
    /// `epoch:offset`.
    pub position: Option<String>,
    /// Whether its reads may hit now.
    pub live: bool,
}

/// The stream.
#[derive(Debug, Clone)]
pub struct StreamStats {
    /// The connection's state in a word.
    pub state: &'static str,
    /// Connections opened.
    pub connects: u64,
    /// Frames.
    pub counters: Counters,
    /// Milliseconds since the stamp that the server last vouched from.
    pub vouched_ago: Option<f64>,
    /// The scopes.
    pub subscriptions: Vec<SubscriptionStats>,
}

/// Reads through to the server.
#[derive(Debug, Clone, Default)]
pub struct FillStats {
    /// Begun.
    pub started: u64,
    /// Stored, or known to have no value.
    pub accepted: u64,
    /// Answers dropped because something newer was known.
    pub discarded: u64,
    /// Ended without a usable answer.
    pub failed: u64,
}

/// Everything the core counts.
#[derive(Debug, Clone)]
pub struct Stats {
    /// By category.
    pub categories: Vec<CategoryStats>,
    /// Bytes allowed over all.
    pub max_bytes: u64,
    /// Bytes saved by sharing.
    pub shared_bytes: u64,
    /// Removals by reason.
    pub removals: [(Reason, u64); Reason::ALL.len()],
    /// The stream.
    pub stream: StreamStats,
    /// The fills.
    pub fills: FillStats,
}
