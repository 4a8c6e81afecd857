//! Reads ahead: which keys to fetch before anybody asks, and what became of those that were.

use alloc::vec::Vec;

use wire::Key;

use crate::fill::Target;
use crate::manager::Manager;
use crate::prefetch::Fate;

impl Manager {
    /// A key of a category was read: learns from it, and gives the keys that are worth fetching now. Only what fits
    /// without displacing anything is.
    pub fn read_ahead(&mut self, category: u16, key: &Key) -> Vec<Key> {
        let Manager { prefetcher, store, fills, .. } = self;
        prefetcher.read(key);
        prefetcher.settle(|category, key| match store.find(category, key) {
            Some(slot) if store.slots.frequency(slot) > 0 => Fate::Used,
            Some(_) => Fate::Waiting,
            None if fills.is_open(|fill| fill.category == category && fill.target == Target::Key(key.clone())) => {
                Fate::Waiting
            }
            None => Fate::Gone,
        });
        if !store.has_room_ahead(category) {
            return Vec::new();
        }
        prefetcher.guess(category, key, |key| {
            let reads = |fill: &crate::fill::Fill| fill.category == category && fill.target == Target::Key(key.clone());
            store.find(category, key).is_none() && !fills.is_open(reads)
        })
    }

    /// Takes over what all readers do: of `total` reads after `context`, how many were of which key.
    pub fn teach(&mut self, context: Key, total: u32, next: &[(Key, u32)]) {
        self.prefetcher.teach(context, total, next);
    }
}
