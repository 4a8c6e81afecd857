//! How much an entry's frequency counts against its age: an exponent, learned from the evictions that turn out wrong.
//!
//! Among the victims, all near the bar, frequency should not tell who comes back. Where those that soon return had
//! been used more often than victims are on average, frequency counts too little, and the exponent rises; where less,
//! it falls, towards plain recency at 0. It moves with evidence alone and leans back to where it began. This module knows no
//! entry and no time.

use crate::slots::FREQUENCY_MAX;

/// Where the exponent begins and leans to: among the best fixed ones over the traces of `cargo xtask bench hit-ratio`.
const REST: f32 = 1.5;

/// From recency alone to where five uses outweigh the hundredfold age.
const RANGE: [f32; 2] = [0.0, 2.5];

/// How far one wrong eviction moves the exponent, for each doubling of uses that it lay off the average. Half and
/// twice as much do as well to a thousandth of the optimum.
const STEP: f32 = 0.02;

/// How far it leans back at each, of its way to [`REST`]: noise then does not carry it off, evidence does. Without it
/// small caches lose two thousandths.
const LEAN: f32 = 0.006;

/// The weight of the newest victim in their average: the memory is some fifty victims long.
const MEMORY: f32 = 1.0 / 50.0;

/// One category's exponent.
#[derive(Debug)]
pub struct Balance {
    exponent: f32,
    /// The average of victims' [`doublings`].
    typical: f32,
    /// `(frequency + 1)^-exponent`, of the exponent rounded to [`Balance::quarters`]: square roots make it, and no
    /// library of logarithms is downloaded for it.
    discounts: [f32; FREQUENCY_MAX as usize + 1],
    quarters: u8,
}

impl Default for Balance {
    fn default() -> Balance {
        let mut balance = Balance { exponent: REST, typical: 0.0, discounts: [1.0; _], quarters: 0 };
        balance.settle();
        balance
    }
}

impl Balance {
    /// What an entry's age counts, given its uses: 1 for none, less for more.
    #[inline(always)]
    pub fn discount(&self, frequency: u8) -> f32 {
        self.discounts[usize::from(frequency.min(FREQUENCY_MAX))]
    }

    /// An entry of so many uses was evicted.
    pub fn evicted(&mut self, frequency: u8) {
        self.typical += (doublings(frequency) - self.typical) * MEMORY;
    }

    /// It is back soon: that was wrong.
    pub fn regret(&mut self, frequency: u8) {
        let evidence = STEP * (doublings(frequency) - self.typical);
        let moved = self.exponent + evidence + LEAN * (REST - self.exponent);
        self.exponent = moved.clamp(RANGE[0], RANGE[1]);
        self.settle();
    }

    fn settle(&mut self) {
        let quarters = (self.exponent * 4.0 + 0.5) as u8;
        if quarters == self.quarters {
            return;
        }
        self.quarters = quarters;
        for (uses, discount) in (1u8..).zip(&mut self.discounts) {
            let root = square_root(square_root(f32::from(uses)));
            *discount = (0..quarters).fold(1.0, |product, _| product / root);
        }
    }
}

/// By Newton's method, since `core` has none: exact to the last bits for what is counted here.
fn square_root(of: f32) -> f32 {
    (0..8).fold(of, |root, _| (root + of / root) / 2.0)
}

/// The logarithm to base 2 of the uses and one, linear between powers of two: exact enough to compare by.
fn doublings(frequency: u8) -> f32 {
    let uses = u32::from(frequency) + 1;
    let whole = uses.ilog2();
    whole as f32 + uses as f32 / (1 << whole) as f32 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After victims of `evicted` uses, each followed by a regret of `regretted`.
    fn learned(evicted: u8, regretted: u8) -> Balance {
        let mut balance = Balance::default();
        for _ in 0..1_000 {
            balance.evicted(evicted);
            balance.regret(regretted);
        }
        balance
    }

    #[test]
    fn it_begins_between_the_root_and_the_square_of_uses() {
        let balance = Balance::default();
        for (frequency, expected) in [(0, 1.0), (3, 0.125), (15, 1.0 / 64.0)] {
            assert!((balance.discount(frequency) - expected).abs() < 1e-6, "{frequency}");
        }
    }

    #[test]
    fn where_the_rarely_used_return_recency_decides() {
        assert_eq!(learned(3, 0).discount(31), 1.0);
    }

    #[test]
    fn where_the_often_used_return_frequency_counts_more() {
        assert!((learned(0, 7).discount(3) - 1.0 / 32.0).abs() < 1e-6);
    }

    #[test]
    fn where_frequency_tells_nothing_it_comes_back_to_rest() {
        let mut balance = learned(3, 0);
        for _ in 0..1_000 {
            balance.evicted(2);
            balance.regret(2);
        }
        assert_eq!(balance.discounts, Balance::default().discounts);
    }

    #[test]
    fn doublings_are_a_logarithm_to_a_tenth() {
        for frequency in 0..=FREQUENCY_MAX {
            assert!((doublings(frequency) - f32::from(frequency + 1).log2()).abs() < 0.1, "{frequency}");
        }
    }
}
