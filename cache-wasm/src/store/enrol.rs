//! What JavaScript sets without asking: it takes a slot that was reserved for it, keeps the value, and tells of many at
//! a time. Such entries get their names later, when something needs them, or off the critical path.

use alloc::vec::Vec;

use wire::Key;

use crate::evict::Policy;
use crate::slots::{Content, Slot, UNFOLLOWED};
use crate::store::{Given, Reason, Store};

/// A value that JavaScript has set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Enrolled {
    /// Its slot: one reserved for the category, or one that holds an entry of it already.
    pub slot: Slot,
    /// Bytes it is to be charged with.
    pub size: u32,
    /// Until when it is fresh.
    pub until: f64,
}

impl Store {
    /// Takes note of values that JavaScript has set in a category, and reserves up to so many slots for the next ones.
    /// What has to leave for either is in the effects.
    pub fn enrol(&mut self, category: u16, set: &[Enrolled], reserve: u32, now: f64) -> Vec<Slot> {
        let Some(grace) = self.categories.get(category as usize).map(|category| category.options.grace) else {
            return Vec::new();
        };
        for &Enrolled { slot, size, until } in set {
            if slot >= self.slots.taken() {
                continue;
            }
            if self.slots.get(slot).is_none() {
                let state = &mut self.categories[category as usize];
                state.reserved = state.reserved.saturating_sub(1);
                self.enter(slot, category, None, None, UNFOLLOWED, until + grace);
            } else {
                self.categories[category as usize].removals[Reason::Replaced.code() as usize] += 1;
                if self.categories[category as usize].options.policy == Policy::Lru {
                    self.slots.advance();
                }
                self.tags.remove(slot);
                let stream = self.slots.stream[slot as usize];
                self.slots.touch(slot, stream, until + grace);
                if let Some(entry) = self.slots.get_mut(slot) {
                    (entry.seen, entry.version) = (None, None);
                }
            }
            self.give(slot, Given::Reference(size));
        }
        self.fit_category(category as usize, None, now);
        self.fit_whole(None, now);
        let reserve = reserve.min(self.categories[category as usize].options.max);
        self.make_room(category, reserve, now);
        let mut reserved = Vec::with_capacity(reserve as usize);
        for _ in 0..reserve {
            let Some(slot) = self.take_slot(category, now) else { break };
            self.categories[category as usize].reserved += 1;
            reserved.push(slot);
        }
        reserved
    }

    /// Names an entry that was enrolled. One that has left meanwhile is left alone.
    pub fn name(&mut self, category: u16, slot: Slot, key: Key) {
        let is_nameless = self.index.key(slot).is_none();
        if is_nameless && self.slots.get(slot).is_some_and(|entry| entry.category == category) {
            self.index.insert(key, slot);
            self.welcome(slot);
        }
    }

    /// Takes the bytes of a value that JavaScript held alone: from now on it may be dropped there.
    pub fn settle(&mut self, slot: Slot, bytes: &[u8], now: f64) {
        if self.slots.get(slot).is_some_and(|entry| entry.content == Content::Reference) {
            self.give(slot, Given::Bytes(bytes.into()));
            self.fit(slot, now);
        }
    }
}
