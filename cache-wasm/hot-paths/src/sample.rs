//! One look over a sample of entries for the one that ought to leave: see `evict.rs` of the cache.

use core::cell::Cell;

/// Members looked at for each victim. Twice as many find a thousandth more; half as many lose five.
pub const SAMPLE: usize = 16;

/// Low bits of a use that hold the frequency.
const FREQUENCY_BITS: u32 = 5;

/// What is known of the slots, by slot.
#[derive(Debug, Clone, Copy)]
pub struct Looks<'a> {
    /// The tick at the last use, shifted over the uses so far.
    pub uses: &'a [Cell<u32>],
    /// When the entry ends by age.
    pub expires: &'a [f64],
    /// Bytes that the entry is charged with.
    pub sizes: &'a [u32],
    /// Handles that hold it.
    pub holds: &'a [u16],
    /// What an entry's age counts, given its uses.
    pub discounts: &'a [f32; 1 << FREQUENCY_BITS],
    /// The clock of recency, in the place that `uses` has it.
    pub tick: u32,
    /// The cache's milliseconds.
    pub now: f64,
    /// A slot that is not to leave; `u32::MAX` for none.
    pub spared: u32,
}

impl Looks<'_> {
    /// Whether a slot must stay.
    #[inline(always)]
    pub fn is_spared(&self, slot: u32) -> bool {
        slot == self.spared || self.holds[slot as usize] > 0
    }

    /// How much a member ought to leave. Per byte: of two as likely to be read again, the larger keeps more others out.
    #[inline(always)]
    pub fn weight(&self, slot: u32) -> f32 {
        let slot = slot as usize;
        if self.now >= self.expires[slot] {
            return f32::INFINITY;
        }
        let uses = self.uses[slot].get();
        let frequency = uses & ((1 << FREQUENCY_BITS) - 1);
        let age = self.tick.wrapping_sub(uses & !((1 << FREQUENCY_BITS) - 1)) >> FREQUENCY_BITS;
        // One without bytes takes room nonetheless.
        (age + 1) as f32 * self.discounts[frequency as usize] * self.sizes[slot].max(1) as f32
    }

    /// Of every `step`-th member from `first` on the one that should leave most among a sample, one of each of
    /// [`SAMPLE`] equal stretches; `None` when the whole sample is spared. `random` is the state of a generator, not 0.
    #[inline(never)]
    pub fn worst_of(&self, members: &[u32], first: usize, step: usize, random: &mut u64) -> Option<u32> {
        let count = (members.len() - first).div_ceil(step);
        // A member in 1/65,536 of a stretch: exact for what fits into memory, without 64-bit products.
        let (whole, part) = (count / SAMPLE, count % SAMPLE);
        let mut worst = (-1.0, None);
        let mut bits = 0;
        for i in 0..SAMPLE {
            // Sixteen bits place a member well enough within a stretch.
            bits = if i % 4 == 0 { next(random) } else { bits >> 16 };
            let start = i * whole + i * part / SAMPLE;
            let length = (i + 1) * whole + (i + 1) * part / SAMPLE - start;
            let at = start + ((length as u64 * (bits & 0xffff)) >> 16) as usize;
            let slot = members[first + at.min(count - 1) * step];
            let weight = self.weight(slot);
            if weight > worst.0 && !self.is_spared(slot) {
                worst = (weight, Some(slot));
            }
        }
        worst.1
    }
}

/// Marsaglia's xorshift: its bits are good enough to draw by, and it needs no wide product.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_of_a_part_is_drawn_and_none_of_another() {
        let n = 1_000;
        let (uses, expires) = (vec![Cell::new(0); n], vec![f64::INFINITY; n]);
        let (sizes, holds) = (vec![1; n], vec![0; n]);
        let members: Vec<u32> = (0..n as u32).collect();
        let mut drawn = vec![false; n];
        let mut random = 7;
        for round in 0..60_000 {
            let looks = Looks {
                uses: &uses,
                expires: &expires,
                sizes: &sizes,
                holds: &holds,
                discounts: &[1.0; 32],
                tick: 1 << FREQUENCY_BITS,
                now: 0.0,
                spared: u32::MAX,
            };
            let first = round % 3;
            let worst = looks.worst_of(&members, first, 3, &mut random).expect("nobody is spared");
            assert_eq!(worst as usize % 3, first);
            drawn[worst as usize] = true;
        }
        // Of equals the first of a sample leaves: those of the first stretch of each part.
        let stretch = n / 3 / SAMPLE;
        assert!((0..3 * stretch).all(|member| drawn[member]), "every member of the stretch was drawn");
    }
}
