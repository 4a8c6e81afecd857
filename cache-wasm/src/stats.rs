//! What the cache tells of itself. The names and units are those of `CacheStats` in `js/types.ts`.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Index;

use serde::{Serialize, Serializer};

use crate::budget::{Move, Share};
use crate::category::Category;
use crate::evict::Policy;
use crate::follow::Counters;
use crate::pool::Pool;
use crate::prefetch::PrefetchStats;
use crate::slots::Content;
use crate::store::{Pressure, Reason, Store};

/// One category. Hits and misses are counted in JavaScript, which alone sees them.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CategoryStats {
    /// Its name.
    pub name: String,
    /// Who leaves first.
    pub policy: Policy,
    /// Entries.
    pub entries: u32,
    /// The most entries.
    pub max: u32,
    /// Bytes that its entries are charged with: as stored.
    pub bytes: u64,
    /// Bytes of its values before packing.
    pub live_bytes: u64,
    /// The part of them that is not stored because an equal payload is.
    pub shared_bytes: u64,
    /// Entries that handles hold.
    pub held: u32,
    /// Dictionaries made so far.
    pub dictionaries: u32,
    /// Its part of the budget.
    pub share: ShareStats,
    /// Removals by reason.
    pub removals: Removals,
}

impl CategoryStats {
    /// A category's numbers. Costs a look at each of its entries.
    pub fn of(number: u16, category: &Category, store: &Store) -> CategoryStats {
        let pool = store.pool();
        let (mut live_bytes, mut shared_bytes, mut held) = (0, 0, 0);
        for &slot in &category.members {
            let Some(entry) = store.slots.get(slot) else { continue };
            held += u32::from(store.slots.is_held(slot));
            match entry.content {
                Content::Payload(payload) => {
                    let (size, references) = pool.size(payload);
                    live_bytes += u64::from(size);
                    shared_bytes += u64::from(size) - u64::from(size) / u64::from(references.max(1));
                }
                Content::Reference => live_bytes += u64::from(store.slots.sizes[slot as usize]),
                Content::Absent => {}
            }
        }
        CategoryStats {
            name: category.options.name.clone(),
            policy: category.options.policy,
            entries: category.members.len() as u32,
            max: category.options.max,
            bytes: category.bytes,
            live_bytes,
            shared_bytes,
            held,
            dictionaries: pool.trained(number),
            share: ShareStats::of(number, store),
            removals: Removals(category.removals),
        }
    }
}

/// A category's part of the budget, in bytes, and why it is what it is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShareStats {
    /// What it may hold when the whole is full.
    pub bytes: u64,
    /// Gained from other categories so far, by keys that came back soon after they had to leave.
    pub gained: u64,
    /// Given to others so far, for the same reason.
    pub given: u64,
    /// The last time that it moved.
    pub last: Option<MoveStats>,
}

/// Why a share moved: a key of `to` came back when only `distance` bytes had been evicted after it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveStats {
    /// The category that gained.
    pub to: String,
    /// The category that gave.
    pub from: String,
    /// How much.
    pub bytes: u64,
    /// Bytes that had been evicted from `to` since the key.
    pub distance: u64,
}

impl ShareStats {
    fn of(number: u16, store: &Store) -> ShareStats {
        let name =
            |category: usize| store.categories().get(category).map(|c| c.options.name.clone()).unwrap_or_default();
        let Some(&Share { bytes, gained, given, last, .. }) = store.budget().shares().get(usize::from(number)) else {
            return ShareStats { bytes: 0, gained: 0, given: 0, last: None };
        };
        let last = last.map(|Move { to, from, bytes, distance, .. }| {
            let (to, from) = (name(to), name(from));
            MoveStats { to, from, bytes, distance }
        });
        ShareStats { bytes, gained, given, last }
    }
}

/// Removals by reason.
#[derive(Debug, Clone, Copy)]
pub struct Removals(pub [u64; Reason::ALL.len()]);

impl Index<&Reason> for Removals {
    type Output = u64;

    fn index(&self, reason: &Reason) -> &u64 {
        &self.0[reason.code() as usize]
    }
}

impl Serialize for Removals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Reason::ALL.into_iter().zip(self.0))
    }
}

/// The payloads of all categories, in bytes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PayloadStats {
    /// Payloads, each once.
    pub count: u32,
    /// Entries that refer to them.
    pub references: u64,
    /// Their bytes before packing, each once.
    pub raw_bytes: u64,
    /// As stored.
    pub stored_bytes: u64,
    /// Of the segments that they are stored in.
    pub segment_bytes: u64,
    /// Of the dictionaries that they need.
    pub dictionary_bytes: u64,
    /// Bytes before packing that equal payloads did not cost.
    pub shared_bytes: u64,
}

impl PayloadStats {
    /// The pool's numbers.
    pub fn of(pool: &Pool) -> PayloadStats {
        PayloadStats {
            count: pool.len() as u32,
            references: pool.references(),
            raw_bytes: pool.raw_bytes(),
            stored_bytes: pool.stored_bytes(),
            segment_bytes: pool.segment_bytes(),
            dictionary_bytes: pool.dictionary_bytes(),
            shared_bytes: pool.shared_bytes(),
        }
    }
}

/// One followed scope.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionStats {
    /// The scope.
    pub scope: String,
    /// `epoch:offset`.
    pub position: Option<String>,
    /// Whether its reads may hit now.
    pub live: bool,
}

/// The stream.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamStats {
    /// The connection's state in a word.
    pub state: &'static str,
    /// Connections opened.
    pub connects: u64,
    /// Frames.
    #[serde(flatten)]
    pub counters: Counters,
    /// Milliseconds since the stamp that the server last vouched from.
    pub vouched_ago: Option<f64>,
    /// The scopes.
    pub subscriptions: Vec<SubscriptionStats>,
}

/// Reads through to the server.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// By category.
    pub categories: Vec<CategoryStats>,
    /// Bytes allowed over all.
    pub max_bytes: u64,
    /// What shortness of memory leaves of them.
    pub budget_bytes: u64,
    /// Bytes that are held against them.
    pub total_bytes: u64,
    /// How short of memory the machine is said to be.
    pub pressure: Pressure,
    /// The payloads.
    pub payloads: PayloadStats,
    /// Removals by reason.
    pub removals: Removals,
    /// The stream.
    pub stream: StreamStats,
    /// The fills.
    pub fills: FillStats,
    /// Reading ahead.
    pub prefetch: PrefetchStats,
}
