//! The peers, each as good as its documentation lets it be, and each with a fixed hasher so that runs repeat.

use foldhash::fast::FixedState;
use moka::sync::Cache as MokaCache;
use quick_cache::{Weighter, unsync};

/// What is compared.
pub(crate) trait Cache {
    /// Whether a key is there; if so, this is a use.
    fn get(&mut self, key: u32) -> bool;
    /// Stores a key that was missed.
    fn put(&mut self, key: u32, size: u32);
}

/// The `lru` crate. It knows no sizes: they are summed up here.
pub(crate) struct Lru {
    entries: lru::LruCache<u32, u32, FixedState>,
    capacity: u64,
    used: u64,
}

impl Lru {
    pub(crate) fn new(capacity: u64) -> Lru {
        Lru { entries: lru::LruCache::unbounded_with_hasher(FixedState::default()), capacity, used: 0 }
    }
}

impl Cache for Lru {
    fn get(&mut self, key: u32) -> bool {
        self.entries.get(&key).is_some()
    }

    fn put(&mut self, key: u32, size: u32) {
        self.used += u64::from(size);
        self.entries.put(key, size);
        while self.used > self.capacity
            && let Some((_, size)) = self.entries.pop_lru()
        {
            self.used -= u64::from(size);
        }
    }
}

#[derive(Clone)]
struct BySize;

impl Weighter<u32, u32> for BySize {
    fn weight(&self, _: &u32, size: &u32) -> u64 {
        u64::from(*size)
    }
}

/// quick_cache, its unsynchronised kind: one shard, hence one capacity.
pub(crate) struct QuickCache(unsync::Cache<u32, u32, BySize, FixedState>);

impl QuickCache {
    /// `expected` entries, of `capacity` in all.
    pub(crate) fn new(expected: usize, capacity: u64) -> QuickCache {
        QuickCache(unsync::Cache::with(expected, capacity, BySize, FixedState::default(), Default::default()))
    }
}

impl Cache for QuickCache {
    fn get(&mut self, key: u32) -> bool {
        self.0.get(&key).is_some()
    }

    fn put(&mut self, key: u32, size: u32) {
        self.0.insert(key, size);
    }
}

/// Gets after which moka is made to take note of them; it drops what is too many.
const NOTED: u32 = 32;

/// moka, of its default policy (TinyLFU). It works off reads and writes later, in batches: made to do so after every
/// write, it is never over its capacity, and its reads are known when it decides.
pub(crate) struct Moka {
    entries: MokaCache<u32, u32, FixedState>,
    gets: u32,
}

impl Moka {
    pub(crate) fn new(capacity: u64) -> Moka {
        let builder = MokaCache::builder().max_capacity(capacity).weigher(|_, size| *size);
        Moka { entries: builder.build_with_hasher(FixedState::default()), gets: 0 }
    }
}

impl Cache for Moka {
    fn get(&mut self, key: u32) -> bool {
        self.gets += 1;
        if self.gets.is_multiple_of(NOTED) {
            self.entries.run_pending_tasks();
        }
        self.entries.get(&key).is_some()
    }

    fn put(&mut self, key: u32, size: u32) {
        self.entries.insert(key, size);
        self.entries.run_pending_tasks();
    }
}
