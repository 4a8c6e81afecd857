//! What is done off the critical path, a bounded piece at a time: clearing up after a crowd that left, packing, emptying
//! segments that are partly dead, and removing what has ended although nobody reads it.

use crate::category::Packing;
use crate::slots::{Content, Slot};
use crate::store::{Reason, Store};

/// Payloads packed in one piece.
const PACKED: usize = 32;
/// Slots swept in one piece.
const SWEPT: u32 = 1_024;

impl Store {
    /// Does a piece of the work; whether there is more to do at once.
    pub fn upkeep(&mut self, now: f64) -> bool {
        self.bury_some();
        self.pack_some();
        self.sweep(now);
        // A handle's release lets leave what could not before.
        for category in 0..self.categories.len() {
            self.fit_category(category, None, now);
        }
        self.fit_whole(None, now);
        self.pool.compact() || self.needs_upkeep()
    }

    /// Whether `upkeep` has work to do at once.
    pub fn needs_upkeep(&self) -> bool {
        !self.to_pack.is_empty() || !self.dead.is_empty()
    }

    /// Packs everything, dictionaries made of what there is.
    pub fn pack_all(&mut self) {
        loop {
            while !self.to_pack.is_empty() {
                self.pack_some();
            }
            let mut trained = false;
            for category in 0..self.categories.len() {
                if !self.categories[category].unpacked.is_empty() && self.pool.train(category as u16) {
                    self.to_pack.extend(self.categories[category].unpacked.drain(..));
                    trained = true;
                }
            }
            if !trained {
                break;
            }
        }
        self.compact_all();
    }

    /// Gives back every segment that can be.
    pub fn compact_all(&mut self) {
        while self.pool.compact() {}
    }

    fn pack_some(&mut self) {
        for _ in 0..PACKED {
            let Some(slot) = self.to_pack.pop_front() else { return };
            self.pack(slot);
        }
    }

    fn pack(&mut self, slot: Slot) {
        let Some(entry) = self.slots.get(slot) else { return };
        let (number, Content::Payload(payload)) = (entry.category, entry.content) else { return };
        let category = &mut self.categories[usize::from(number)];
        if category.options.pack == Packing::Off {
            return;
        }
        if !self.pool.pack(payload, number) {
            category.unpacked.push(slot);
            return;
        }
        // The dictionary that others wait for may just have been made.
        self.to_pack.extend(category.unpacked.drain(..));
        let size = self.pool.stored_size(payload);
        let charged = core::mem::replace(&mut self.slots.sizes[slot as usize], size);
        category.bytes = category.bytes - u64::from(charged) + u64::from(size);
    }

    /// Removes what has ended among the next slots.
    fn sweep(&mut self, now: f64) {
        let taken = self.slots.taken();
        for _ in 0..taken.min(SWEPT) {
            self.swept = if self.swept + 1 < taken { self.swept + 1 } else { 0 };
            if self.slots.get(self.swept).is_some() && now >= self.slots.expires[self.swept as usize] {
                self.remove(self.swept, Reason::Expired);
            }
        }
    }
}
