//! The store of this crate, driven as JavaScript drives it: an index beside it that repeats its effects, and a hit that
//! writes one cell of its tables.

use cache_wasm::segments::Heap;
use cache_wasm::slots::{Slot, Ticks};
use cache_wasm::store::{Put, Store};
use cache_wasm::{CategoryOptions, Effect, Given, Policy};
use wire::Key;

use crate::caches::Cache;
use crate::traces::Trace;

/// Of all sampling.
const SEED: u64 = 7;

const NOWHERE: Slot = Slot::MAX;

/// The store, and its mirror in numbers instead of names.
pub(crate) struct Ours {
    store: Store,
    policies: Vec<Policy>,
    /// By category and key.
    index: Vec<Vec<Slot>>,
    names: Vec<Vec<Key>>,
    /// The category and key of each slot.
    held: Vec<(u16, u32)>,
}

/// One trace's category in the store.
pub(crate) struct Part<'a> {
    pub(crate) trace: &'a Trace,
    pub(crate) options: CategoryOptions,
}

impl Ours {
    /// One category, bounded by its entries.
    pub(crate) fn of_entries(trace: &Trace, max: u32, policy: Policy) -> Ours {
        let options = CategoryOptions { policy, ..CategoryOptions::new(trace.name, max) };
        Ours::new(&[Part { trace, options }], u64::MAX)
    }

    /// One category, bounded by its bytes.
    pub(crate) fn of_bytes(trace: &Trace, max_bytes: u64, policy: Policy) -> Ours {
        let max = trace.sizes.len() as u32;
        let options = CategoryOptions { policy, max_bytes, ..CategoryOptions::new(trace.name, max) };
        Ours::new(&[Part { trace, options }], u64::MAX)
    }

    /// A category a trace.
    pub(crate) fn new(parts: &[Part<'_>], max_bytes: u64) -> Ours {
        let store = Store::new(
            parts.iter().map(|part| part.options.clone()).collect(),
            max_bytes,
            SEED,
            Box::<Heap>::default(),
        );
        let name = |key: usize| format!("k:{key}").parse().expect("two segments");
        Ours {
            held: vec![(0, 0); store.slots.capacity() as usize],
            policies: parts.iter().map(|part| part.options.policy).collect(),
            index: parts.iter().map(|part| vec![NOWHERE; part.trace.sizes.len()]).collect(),
            names: parts.iter().map(|part| (0..part.trace.sizes.len()).map(name).collect()).collect(),
            store,
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// As the hit path of `js/category.ts`.
    pub(crate) fn get_in(&mut self, category: u16, key: u32) -> bool {
        let slot = self.index[category as usize][key as usize];
        if slot == NOWHERE {
            return false;
        }
        let ticks = match self.policies[category as usize] {
            Policy::Lru => Ticks::AtHits,
            Policy::Adaptive => Ticks::AtInsertions,
        };
        self.store.slots.hit(slot, ticks);
        true
    }

    pub(crate) fn put_in(&mut self, category: u16, key: u32, size: u32) {
        let name = self.names[category as usize][key as usize].clone();
        let given = Given::Reference(size);
        self.store.put(Put::of(category, name, given), 0.0).expect("it fits");
        for effect in self.store.take_effects() {
            match effect {
                Effect::Removed(slot, _) => {
                    let (category, key) = self.held[slot as usize];
                    self.index[category as usize][key as usize] = NOWHERE;
                }
                Effect::Stored(slot, ..) => {
                    self.held[slot as usize] = (category, key);
                    self.index[category as usize][key as usize] = slot;
                }
                Effect::Changed(..) | Effect::Touched(..) | Effect::Lease(..) => {}
            }
        }
    }
}

impl Cache for Ours {
    fn get(&mut self, key: u32) -> bool {
        self.get_in(0, key)
    }

    fn put(&mut self, key: u32, size: u32) {
        self.put_in(0, key, size);
    }
}
