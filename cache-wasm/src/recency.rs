//! The members of a category by last use, exactly, though a hit tells nobody.
//!
//! A heap of (use, slot) as of when it was last looked at, least first. What comes up and was used since goes back under
//! its new use; what comes up unchanged is the least recently used, since uses only grow. Entries that left are dropped
//! as they come up, or all at once when they are as many as the members. This module evicts nothing.

use alloc::collections::BinaryHeap;
use alloc::collections::binary_heap::PeekMut;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::slots::{FREQUENCY_BITS, Slot, Slots};

/// Uses as the tables have them go round after so many ticks.
const TICKS: u64 = 1 << (u32::BITS - FREQUENCY_BITS);

/// Dead weight that is never worth a rebuild.
const SLACK: usize = 32;

/// The order of one category's last uses.
#[derive(Debug, Default)]
pub struct Recency {
    heap: BinaryHeap<Reverse<(u64, Slot)>>,
    /// The tick of the tables without its wrap. Exact as long as it is looked at once in 2^27 ticks; after a longer
    /// silence the order of what was used before it may be off, once.
    tick: u64,
    /// Spared ones, set aside during a search.
    spared: Vec<Reverse<(u64, Slot)>>,
}

impl Recency {
    /// A member came: it is the latest.
    pub fn inserted(&mut self, slots: &Slots, slot: Slot) {
        self.catch_up(slots);
        self.heap.push(Reverse((last_use(self.tick, slots, slot), slot)));
    }

    /// Takes up to `n` members out of the order, the least recently used first and none that is `spared`, and adds them to
    /// `out`. They are to leave the category.
    pub fn take_oldest(
        &mut self,
        slots: &Slots,
        members: &[Slot],
        n: usize,
        spared: impl Fn(Slot) -> bool,
        out: &mut Vec<Slot>,
    ) {
        self.catch_up(slots);
        if self.heap.len() > 2 * members.len() + SLACK {
            self.heap.clear();
            for &slot in members {
                self.heap.push(Reverse((last_use(self.tick, slots, slot), slot)));
            }
        }
        out.extend((0..n).map_while(|_| self.search(slots, members, &spared)));
        while let Some(spared) = self.spared.pop() {
            self.heap.push(spared);
        }
    }

    fn search(&mut self, slots: &Slots, members: &[Slot], spared: &impl Fn(Slot) -> bool) -> Option<Slot> {
        loop {
            let mut top = self.heap.peek_mut()?;
            let Reverse((used, slot)) = *top;
            let last_use = last_use(self.tick, slots, slot);
            // Compared as the tables have it: one that was idle for longer than ticks go round is idle still.
            if last_use % TICKS != used % TICKS {
                *top = Reverse((last_use, slot));
                continue;
            }
            PeekMut::pop(top);
            // A slot that left and came back is in the heap twice; once both are up to date they meet here.
            let twice = self.heap.peek() == Some(&Reverse((used, slot)));
            if twice || !is_member(slots, members, slot) {
                continue;
            }
            if !spared(slot) {
                return Some(slot);
            }
            self.spared.push(Reverse((used, slot)));
        }
    }

    fn catch_up(&mut self, slots: &Slots) {
        self.tick += u64::from(slots.ticks().wrapping_sub(self.tick as u32)) % TICKS;
    }
}

/// The last use of a slot on the count that does not wrap.
fn last_use(tick: u64, slots: &Slots, slot: Slot) -> u64 {
    // Before the tables' first wrap nothing is older than they are.
    tick.saturating_sub(u64::from(slots.age(slot)))
}

fn is_member(slots: &Slots, members: &[Slot], slot: Slot) -> bool {
    slots.get(slot).is_some_and(|entry| members.get(entry.place as usize) == Some(&slot))
}
