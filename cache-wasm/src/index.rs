//! Finds a category's entries by key, by scope and by tag. Purging a scope costs what it removes, not what is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use foldhash::fast::FixedState;
use wire::{Key, Scope, Tag};

use crate::slots::Slot;

/// One category's names.
#[derive(Debug, Default)]
pub struct Index {
    keys: BTreeMap<Key, Slot>,
    tags: HashMap<Tag, BTreeSet<Slot>, FixedState>,
}

impl Index {
    /// The slot of a key.
    pub fn get(&self, key: &Key) -> Option<Slot> {
        self.keys.get(key).copied()
    }

    /// Names a slot.
    pub fn insert(&mut self, key: Key, slot: Slot) {
        self.keys.insert(key, slot);
    }

    /// Forgets a key and its tags.
    pub fn remove(&mut self, key: &Key, tags: &[Tag], slot: Slot) {
        self.keys.remove(key);
        self.untag(tags, slot);
    }

    /// Labels a slot.
    pub fn tag(&mut self, tags: &[Tag], slot: Slot) {
        for tag in tags {
            self.tags.entry(tag.clone()).or_default().insert(slot);
        }
    }

    /// Takes labels off a slot.
    pub fn untag(&mut self, tags: &[Tag], slot: Slot) {
        for tag in tags {
            if let Some(slots) = self.tags.get_mut(tag) {
                slots.remove(&slot);
                if slots.is_empty() {
                    self.tags.remove(tag);
                }
            }
        }
    }

    /// The slots under a scope.
    pub fn under<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = Slot> + 'a {
        self.keys
            .range::<str, _>((Bound::Included(scope.as_str()), Bound::Unbounded))
            .take_while(move |(key, _)| scope.contains(key))
            .map(|(_, &slot)| slot)
    }

    /// The slots that carry a tag.
    pub fn tagged(&self, tag: &Tag) -> impl Iterator<Item = Slot> + '_ {
        self.tags.get(tag).into_iter().flatten().copied()
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
