//! Who leaves when room is needed. A policy names victims; the caller removes them.
//!
//! A hit leaves one cell behind (`slots.rs`): when, and how often. All else is done here, as entries come and go: one
//! [`Evictor`] a category, which owns what its policy remembers. `adaptive` looks at a sample and evicts the entry that
//! was idle for longest, its age counted less the more it was used and more the larger it is; ghosts (`ghost.rs`) give
//! a returning key its uses back and teach how much those count (`balance.rs`). `lru` is exact (`recency.rs`). There is
//! no clock in here, no list to be kept at a hit, and no removal.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use hot_paths::sample::SAMPLE;
use serde::Serialize;

use crate::balance::Balance;
use crate::ghost::Ghosts;
use crate::recency::Recency;
use crate::slots::{FREQUENCY_MAX, Slot, Slots};

/// How members are chosen to leave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Policy {
    /// By age, uses and size, weighed by what evictions so far have taught. The best over the traces of
    /// `cargo xtask bench hit-ratio`, at every size from 2 entries on.
    #[default]
    Adaptive,
    /// The least recently used. Every hit needs a tick of its own.
    Lru,
}

/// Of the entries of a category, the share that may be evicted until a return no longer proves an eviction wrong. A tenth
/// to a half do alike. Without a bound, what returns at long last, and that is the popular, has frequency overrated, and
/// learning earns nothing.
const SOON: f32 = 0.25;

/// The weight of the newest victim in the mean of their sizes.
const VICTIM_MEMORY: f32 = 1.0 / 100.0;

/// What the ghosts knew of a key that was inserted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Welcome {
    /// Uses to begin with, for [`Slots::set_frequency`].
    pub frequency: u8,
    /// Bytes evicted from the category since the key was: with so many more, this would have been a hit.
    pub distance: Option<u32>,
}

/// One category's policy, and all that it remembers.
#[derive(Debug)]
pub struct Evictor {
    policy: Policy,
    /// The state of the generator that samples are drawn by; not 0.
    random: u64,
    ghosts: Ghosts,
    balance: Balance,
    recency: Recency,
    /// Bytes of a victim, on average.
    victim_size: f32,
    /// Members of a small category, ranked. Kept for its memory, and of the same type as the heap of `recency.rs`: its
    /// code is downloaded once.
    ranked: BinaryHeap<Reverse<(u64, Slot)>>,
}

impl Evictor {
    /// A policy that remembers nothing yet. `seed` drives the sampling alone.
    pub fn new(policy: Policy, seed: u64) -> Evictor {
        Evictor {
            policy,
            random: seed | 1,
            ghosts: Ghosts::default(),
            balance: Balance::default(),
            recency: Recency::default(),
            victim_size: 0.0,
            ranked: BinaryHeap::new(),
        }
    }

    /// A slot was taken, which is among the members and marked as just used.
    pub fn entered(&mut self, slots: &Slots, slot: Slot) {
        if self.policy == Policy::Lru {
            self.recency.inserted(slots, slot);
        }
    }

    /// Makes room to remember those who leave so many members. Before that, and where it is not called, nobody is.
    pub fn remember(&mut self, members: usize) {
        self.ghosts.reserve(members);
    }

    /// The key of an entry is known, which may be later than its slot was taken.
    pub fn named(&mut self, members: &[Slot], key_hash: u64) -> Welcome {
        let Some(ghost) = self.ghosts.recall(key_hash) else { return Welcome::default() };
        if ghost.distance.is_some_and(|bytes| bytes as f32 <= SOON * members.len() as f32 * self.victim_size) {
            self.balance.regret(ghost.frequency);
        }
        // The return is a use as well.
        Welcome { frequency: FREQUENCY_MAX.min(ghost.frequency + 1), distance: ghost.distance }
    }

    /// A victim is about to leave. One that never got a name leaves no ghost.
    pub fn evicted(&mut self, slots: &Slots, key_hash: Option<u64>, slot: Slot) {
        let (frequency, size) = (slots.frequency(slot), slots.sizes[slot as usize].max(1));
        self.balance.evicted(frequency);
        // The first stands for all before there is a mean.
        let mean = if self.victim_size == 0.0 { size as f32 } else { self.victim_size };
        self.victim_size = mean + (size as f32 - mean) * VICTIM_MEMORY;
        if let Some(key_hash) = key_hash {
            self.ghosts.evict(key_hash, frequency, size);
        }
    }

    /// An entry is about to leave that need not have, for room: too old, or changed. Its uses are remembered.
    pub fn lost(&mut self, slots: &Slots, key_hash: u64, slot: Slot) {
        self.ghosts.lose(key_hash, slots.frequency(slot));
    }

    /// Adds up to `n` members that should leave to `out`, never one that handles hold, nor `spared`; none only where that
    /// is all of them. Under `lru` the least recently used comes first, otherwise there is no order. All are to leave
    /// before the next call.
    pub fn victims(
        &mut self,
        slots: &Slots,
        members: &[Slot],
        n: usize,
        now: f64,
        spared: Option<Slot>,
        out: &mut Vec<Slot>,
    ) {
        let looks = slots.looks(self.balance.discounts(), now, spared);
        match self.policy {
            Policy::Lru => self.recency.take_oldest(slots, members, n, |slot| looks.is_spared(slot), out),
            Policy::Adaptive if members.len() / SAMPLE < n => {
                self.ranked.clear();
                for &slot in members.iter().filter(|&&slot| !looks.is_spared(slot)) {
                    // Of positive numbers the bits are in order as well; the heap has the least first.
                    self.ranked.push(Reverse((!u64::from(looks.weight(slot).to_bits()), slot)));
                }
                out.extend((0..n).map_while(|_| self.ranked.pop()).map(|Reverse((_, slot))| slot));
            }
            Policy::Adaptive => {
                // Every n-th member is one part, and of each part the worst leaves: no two victims are the same, and
                // none has to come from where the list holds what is dear.
                for first in 0..n {
                    let worst = looks.worst_of(members, first, n, &mut self.random);
                    // The whole sample may be spared; then anyone of the part that is not.
                    let anyone = || members[first..].iter().step_by(n).copied().find(|&slot| !looks.is_spared(slot));
                    out.extend(worst.or_else(anyone));
                }
            }
        }
    }
}
