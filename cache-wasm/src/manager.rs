//! ConsolidatedCacheManager's core: the one facade over values, fills and the followed stream.
//!
//! Sans-IO, in the order a caller uses it: what the application wants (`set`, `begin_fill`, `follow`), what happened
//! outside (`handle`), then what is to be done (`take_effects` first, `poll` until it is empty), and when to call again
//! (`poll_timeout`). Time is in milliseconds of one clock that never goes back; no method reads it.

mod ahead;
mod reads;
mod told;
mod visits;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use wire::{Key, Scope};

use crate::category::CategoryOptions;
use crate::fill::Fills;
use crate::follow::{Follower, Input, Kept, Output};
use crate::manager::reads::Loads;
use crate::manager::told::{Versions, no_versions};
use crate::prefetch::Prefetcher;
use crate::segments::Backing;
use crate::slots::{Slot, Slots, StreamRef};
use crate::stats::{CategoryStats, FillStats, PayloadStats, Removals, Stats, StreamStats, SubscriptionStats};
use crate::store::{Effect, Enrolled, Pressure, Store};

pub use reads::{Answer, Filled, Loaded, Part};
pub use told::{Applied, Told};
pub use visits::Record;

/// The most entries over all categories: the slot tables are allocated for all of them at once.
pub const ENTRIES_MAX: u32 = 1 << 22;

/// What a cache is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// The categories.
    pub categories: Vec<CategoryOptions>,
    /// Bytes of payload over all of them.
    pub max_bytes: u64,
    /// What proves who follows.
    pub token: Option<String>,
    /// Drives eviction's sampling and the backoff's jitter.
    pub seed: u64,
}

/// Why a cache cannot be made, or a scope not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManagerError {
    /// A category's `max` is 0.
    #[error("category `{0}`: `max` must be at least 1")]
    EmptyCategory(String),
    /// Two categories of one name.
    #[error("category `{0}` is named twice")]
    TwiceNamed(String),
    /// The sum of `max` is too large.
    #[error("the categories' `max` add up to {0}; at most {ENTRIES_MAX} entries are allowed in all")]
    TooManyEntries(u64),
    /// More scopes than streams.
    #[error(
        "{} scopes are followed already; follow a wider one instead of many narrow ones",
        crate::slots::STREAMS_MAX
    )]
    TooManyScopes,
}

/// The cache's core.
#[derive(Debug)]
pub struct Manager {
    store: Store,
    fills: Fills,
    follower: Follower,
    fill_stats: FillStats,
    loads: Loads,
    versions: Versions,
    prefetcher: Prefetcher,
}

impl Manager {
    /// A cache of these options, its payloads in `backing`.
    ///
    /// # Errors
    /// [`ManagerError`] says which option is wrong.
    pub fn new(options: Options, backing: Box<dyn Backing>) -> Result<Manager, ManagerError> {
        for (number, category) in options.categories.iter().enumerate() {
            if category.max == 0 {
                return Err(ManagerError::EmptyCategory(category.name.clone()));
            }
            if options.categories[..number].iter().any(|before| before.name == category.name) {
                return Err(ManagerError::TwiceNamed(category.name.clone()));
            }
        }
        let entries: u64 = options.categories.iter().map(|category| u64::from(category.max)).sum();
        if entries > u64::from(ENTRIES_MAX) {
            return Err(ManagerError::TooManyEntries(entries));
        }
        Ok(Manager {
            store: Store::new(options.categories, options.max_bytes, options.seed, backing),
            fills: Fills::default(),
            follower: Follower::new(options.token, options.seed.rotate_left(32)),
            fill_stats: FillStats::default(),
            loads: Loads::default(),
            versions: no_versions(),
            prefetcher: Prefetcher::default(),
        })
    }

    /// The tables that JavaScript reads.
    pub fn slots(&self) -> &Slots {
        &self.store.slots
    }

    /// The values.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What the tables' reader must repeat, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.store.take_effects()
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Output> {
        self.follower.poll()
    }

    /// When to call `handle(Woke)`, or `None` when nothing is due.
    pub fn poll_timeout(&self) -> Option<f64> {
        self.follower.session.timeout()
    }

    /// Takes what happened outside.
    pub fn handle(&mut self, input: Input, now: f64) {
        let (follower, mut kept) = self.parts();
        follower.handle(&mut kept, input, now);
    }

    /// Follows a scope; pushed values of new keys go into `category`.
    ///
    /// # Errors
    /// [`ManagerError::TooManyScopes`].
    pub fn follow(&mut self, scope: &Scope, category: Option<u16>, now: f64) -> Result<StreamRef, ManagerError> {
        let (follower, mut kept) = self.parts();
        follower.follow(&mut kept, scope, category, now).ok_or(ManagerError::TooManyScopes)
    }

    /// Ends one following.
    pub fn unfollow(&mut self, stream: StreamRef) {
        let (follower, mut kept) = self.parts();
        follower.unfollow(&mut kept, stream);
    }

    /// Closes the connection.
    pub fn stop(&mut self) {
        self.follower.stop();
    }

    /// What proves, from the next connection on, who follows: to be set before `handle(Opened)`.
    pub fn set_token(&mut self, token: Option<String>) {
        self.follower.set_token(token);
    }

    fn parts(&mut self) -> (&mut Follower, Kept<'_>) {
        (&mut self.follower, Kept { store: &mut self.store, fills: &mut self.fills })
    }

    /// Takes note of values that JavaScript has set without asking; see [`Store::enrol`].
    pub fn enrol(&mut self, category: u16, set: &[Enrolled], reserve: u32, now: f64) -> Vec<Slot> {
        self.store.enrol(category, set, reserve, now)
    }

    /// Names an entry that was enrolled.
    pub fn name(&mut self, category: u16, slot: Slot, key: Key) {
        self.store.name(category, slot, key);
    }

    /// Takes the bytes of a value that JavaScript held alone.
    pub fn settle(&mut self, slot: Slot, bytes: &[u8], now: f64) {
        self.store.settle(slot, bytes, now);
    }

    /// Counts one handle more that holds a slot's entry.
    pub fn hold(&mut self, slot: Slot) {
        self.store.hold(slot);
    }

    /// Counts one handle less.
    pub fn unhold(&mut self, slot: Slot) {
        self.store.unhold(slot);
    }

    /// Does a piece of the work that is off the critical path; whether there is more to do at once.
    pub fn upkeep(&mut self, now: f64) -> bool {
        self.store.upkeep(now)
    }

    /// Takes note of the machine's shortness of memory: packs everything, then evicts down to what is left. Whether there
    /// is more to evict: to be called again with the same then, once the effects were repeated.
    pub fn set_pressure(&mut self, pressure: Pressure, now: f64) -> bool {
        if pressure > self.store.pressure() {
            self.store.pack_all();
        }
        self.store.set_pressure(pressure);
        let more = self.store.relieve(now);
        if !more && pressure > Pressure::Normal {
            self.store.compact_all();
        }
        more
    }

    /// Everything there is to count.
    pub fn stats(&self, now: f64) -> Stats {
        let categories = (0u16..).zip(self.store.categories());
        let categories =
            categories.map(|(number, category)| CategoryStats::of(number, category, &self.store)).collect();
        let subscriptions = self.follower.subs.iter().map(|(stream, replica)| SubscriptionStats {
            scope: replica.scope.to_string(),
            position: replica.position().map(|position| position.to_string()),
            live: now < self.store.slots.lease[stream as usize],
        });
        Stats {
            categories,
            max_bytes: self.store.max_bytes(),
            budget_bytes: self.store.budget_bytes(),
            total_bytes: self.store.total_bytes(),
            pressure: self.store.pressure(),
            payloads: PayloadStats::of(self.store.pool()),
            removals: Removals(self.store.removals()),
            stream: StreamStats {
                state: self.follower.state(),
                connects: self.follower.session.connects,
                counters: self.follower.counters.clone(),
                vouched_ago: self.follower.vouched.map(|stamp| now - stamp),
                subscriptions: subscriptions.collect(),
            },
            fills: self.fill_stats.clone(),
            prefetch: self.prefetcher.stats(),
        }
    }
}
