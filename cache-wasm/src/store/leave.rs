//! How entries leave: the one way out of the cache, and why.
//!
//! What can be observed of it is done at once: reads miss, counts and budgets are right, JavaScript is told. What a crowd
//! leaves behind, its names, payloads and slots, is cleared up off the critical path or when it is in somebody's way.

use alloc::vec::Vec;

use wire::{Position, Scope, Tag};

use crate::slots::{Content, Slot, StreamRef, UNVOUCHED};
use crate::store::{Effect, Reason, Store};

/// As many that leave at once are a crowd. Fewer are cleared up at once: it costs less than a frame's hundredth.
const CROWD: usize = 256;

/// Of what left in a crowd, how many are cleared up in one piece.
const BURIED: usize = 512;

/// An entry that has left, and is still to be cleared up.
#[derive(Debug)]
pub(super) struct Dead {
    slot: Slot,
    category: u16,
    content: Content,
    /// What it was charged with.
    size: u32,
    /// Whether its uses are to be remembered.
    is_lost: bool,
}

impl Store {
    /// Takes an entry out. A free slot is left alone.
    pub fn remove(&mut self, slot: Slot, reason: Reason) {
        if let Some(dead) = self.end(slot, reason) {
            self.bury(dead);
        }
    }

    /// Does what can be observed when an entry leaves.
    fn end(&mut self, slot: Slot, reason: Reason) -> Option<Dead> {
        let category = self.slots.get(slot)?.category;
        let state = &mut self.categories[usize::from(category)];
        if matches!(reason, Reason::Evicted | Reason::Pressure) {
            state.evictor.evicted(&self.slots, self.index.hash(slot), slot);
        }
        let size = self.slots.sizes[slot as usize];
        let entry = self.slots.end(slot)?;
        state.removals[reason.code() as usize] += 1;
        state.bytes -= u64::from(size);
        state.members.swap_remove(entry.place as usize);
        if let Some(&moved) = state.members.get(entry.place as usize)
            && let Some(moved) = self.slots.get_mut(moved)
        {
            moved.place = entry.place;
        }
        self.effects.push(Effect::Removed(slot, reason));
        let is_lost = matches!(reason, Reason::Expired | Reason::Invalidated | Reason::Reset | Reason::Unfollowed);
        Some(Dead { slot, category, content: entry.content, size, is_lost })
    }

    /// Clears up after an entry that has left: its slot is free.
    fn bury(&mut self, Dead { slot, category, content, size, is_lost }: Dead) {
        if is_lost && let Some(hash) = self.index.hash(slot) {
            self.categories[usize::from(category)].evictor.lost(&self.slots, hash, slot);
        }
        self.index.remove(slot);
        self.tags.remove(slot);
        self.take_back(content, size);
        self.slots.free(slot);
    }

    /// Clears up after one of a crowd; whether there was one.
    pub(super) fn bury_one(&mut self) -> bool {
        self.dead.pop().map(|dead| self.bury(dead)).is_some()
    }

    /// Clears up after some of a crowd.
    pub(super) fn bury_some(&mut self) {
        for _ in 0..BURIED {
            if !self.bury_one() {
                // It may have been a large one.
                self.dead = Vec::new();
                return;
            }
        }
    }

    /// Gives back what an entry held.
    pub(super) fn take_back(&mut self, content: Content, size: u32) {
        match content {
            Content::Payload(payload) => self.pool.release(payload),
            Content::Reference => self.referenced -= u64::from(size),
            Content::Absent => {}
        }
    }

    /// Removes what lies under a scope: everything, or what is older than a position.
    pub fn purge_scope(&mut self, scope: &Scope, older_than: Option<Position>, reason: Reason) {
        self.purge(&self.index.under(scope), older_than, reason);
    }

    /// Removes what lies under a scope and is vouched for by one stream.
    pub fn purge_stream(&mut self, scope: &Scope, stream: StreamRef, reason: Reason) {
        self.purge(&self.slots_under(scope, stream), None, reason);
    }

    /// Removes what carries a tag: everything, or what is older than a position.
    pub fn purge_tag(&mut self, tag: &Tag, older_than: Option<Position>, reason: Reason) {
        self.purge(&self.tags.slots_of(tag), older_than, reason);
    }

    /// Removes what no stream has vouched for since an earlier visit.
    pub fn purge_unvouched(&mut self) {
        let taken = (0..self.slots.taken()).filter(|&slot| self.slots.stream[slot as usize] == UNVOUCHED);
        let slots: Vec<Slot> = taken.collect();
        self.purge(&slots, None, Reason::Reset);
    }

    /// Removes all of a category.
    pub fn clear(&mut self, category: u16) {
        let slots = self.categories.get(category as usize).map(|c| c.members.clone()).unwrap_or_default();
        self.purge(&slots, None, Reason::Cleared);
    }

    fn purge(&mut self, slots: &[Slot], older_than: Option<Position>, reason: Reason) {
        let is_crowd = slots.len() >= CROWD;
        for &slot in slots {
            if older_than.is_some_and(|position| !self.is_older(slot, position)) {
                continue;
            }
            let Some(dead) = self.end(slot, reason) else { continue };
            if is_crowd {
                self.dead.push(dead);
            } else {
                self.bury(dead);
            }
        }
    }
}
