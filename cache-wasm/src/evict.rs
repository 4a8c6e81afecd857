//! Who leaves when room is needed. A policy names a victim; the store removes it.
//!
//! Sampled, with no linked list: a hit costs two stores. Of up to [`SAMPLE`] members one past its age is taken first,
//! else the one with the least `(frequency + 0.5) / (age + 1)`, age counted in insertions since its last use.

use fastrand::Rng;
use serde::Serialize;

use crate::slots::{Slot, Slots};

/// How many members are looked at. All of them where there are no more.
pub const SAMPLE: usize = 16;

/// Who leaves first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Policy {
    /// The one of the least use for its age, by sample.
    Adaptive,
    /// The one used longest ago, exactly.
    Lru,
}

impl Policy {
    /// What suits a category of so many entries.
    pub fn default_for(_max: u32) -> Policy {
        Policy::Adaptive
    }
}

/// The member that should leave first, and is not spared; `None` when there is no other.
pub fn victim(slots: &Slots, members: &[Slot], spared: impl Fn(Slot) -> bool, now: f64, rng: &mut Rng) -> Option<Slot> {
    let mut worst: Option<(f64, Slot)> = None;
    for i in 0..members.len().min(SAMPLE) {
        let slot = if members.len() <= SAMPLE { members[i] } else { members[rng.usize(..members.len())] };
        if spared(slot) {
            continue;
        }
        if now >= slots.expires[slot as usize] {
            return Some(slot);
        }
        let score = (f64::from(slots.frequency(slot)) + 0.5) / (f64::from(slots.age(slot)) + 1.0);
        if worst.is_none_or(|(least, _)| score < least) {
            worst = Some((score, slot));
        }
    }
    // Every draw of a large sample may have hit a spared one.
    worst.map(|(_, slot)| slot).or_else(|| members.iter().copied().find(|&slot| !spared(slot)))
}
