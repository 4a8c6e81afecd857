//! One byte budget over all categories: each one's share of it, how shares move, and who gives when the whole is over.
//!
//! A share is no wall: while the whole is within its budget nobody gives, and when it is over the category most over its
//! share does. Shares move by ghost credit: a miss that a few more bytes would have made a hit moves a small, constant
//! amount to its category, the others giving in turn. At rest every category then earns as many such misses, which is
//! where no byte would serve better elsewhere. Shares stay within floor and maximum, and their sum does not change but
//! by [`Budget::resize`]. This module evicts nothing and knows no entry.

use alloc::vec::Vec;

/// Of the budget: how many bytes after its eviction a key's return still earns credit. Less would hear too little, more
/// would credit keys that no likely share could hold.
const REACH: f64 = 0.05;

/// Of the budget: the first credits, so that shares get about quickly.
const FIRST_CREDIT: f64 = 1e-3;

/// Of the budget: the last credits, so that they stay where they belong.
const LAST_CREDIT: f64 = 2e-4;

/// Credits after which one is half the first.
const COOLING: f64 = 1_000.0;

/// What a category's share may be, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// What others cannot take from it.
    pub floor: u64,
    /// The most that is of use to it.
    pub max: u64,
}

/// The last time a share moved, and why: a key came back, `distance` bytes after its eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The category that gained.
    pub to: usize,
    /// The category that gave.
    pub from: usize,
    /// How much.
    pub bytes: u64,
    /// Bytes that the gaining category had evicted since the key.
    pub distance: u64,
    /// The number of the credit, over all categories, from 1.
    pub credit: u64,
}

/// One category's part of the budget, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// What it may hold when the whole is full.
    pub bytes: u64,
    /// Within these.
    pub limits: Limits,
    /// Gained by credit, so far.
    pub gained: u64,
    /// Given to others, so far.
    pub given: u64,
    /// Its last change.
    pub last: Option<Move>,
}

/// The shares of all categories, by index.
#[derive(Debug)]
pub struct Budget {
    total: u64,
    shares: Vec<Share>,
    /// Whose turn it is to give.
    turn: usize,
    credits: u64,
}

impl Budget {
    /// Equal shares of `total` bytes, as far as the limits allow. Floors that exceed the total together are kept all the
    /// same: then all are over, and give by how much.
    pub fn new(total: u64, limits: impl IntoIterator<Item = Limits>) -> Budget {
        let share = |limits: Limits| Share { bytes: limits.floor, limits, gained: 0, given: 0, last: None };
        let mut budget = Budget { total, shares: limits.into_iter().map(share).collect(), turn: 0, credits: 0 };
        budget.level();
        budget
    }

    /// Raises the lowest shares together until the total is spent or every share at its maximum.
    fn level(&mut self) {
        let spent = self.shares.iter().fold(0, |sum: u64, share| sum.saturating_add(share.bytes));
        let mut rest = self.total.saturating_sub(spent);
        let open = |share: &Share| share.bytes < share.limits.max;
        while rest > 0 {
            let Some(lowest) = self.shares.iter().filter(|share| open(share)).map(|share| share.bytes).min() else {
                return;
            };
            // Up to the next higher share, or the first maximum among these.
            let (mut count, mut ceiling) = (0, u64::MAX);
            for share in self.shares.iter().filter(|share| open(share)) {
                count += u64::from(share.bytes == lowest);
                ceiling = ceiling.min(if share.bytes == lowest { share.limits.max } else { share.bytes });
            }
            // The last bytes, fewer than there are shares, go to the first of them.
            let raise = (ceiling - lowest).min((rest / count).max(1));
            for share in self.shares.iter_mut().filter(|share| open(share) && share.bytes == lowest) {
                let raise = raise.min(rest);
                share.bytes += raise;
                rest -= raise;
            }
        }
    }

    /// Bytes allowed over all categories.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The shares, by category.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// Changes the total, as under memory pressure. What lies above the floors grows or shrinks in proportion.
    pub fn resize(&mut self, total: u64) {
        let floors = self.shares.iter().fold(0u64, |sum, share| sum.saturating_add(share.limits.floor));
        let scale = total.saturating_sub(floors) as f64 / self.total.saturating_sub(floors).max(1) as f64;
        for share in &mut self.shares {
            let Limits { floor, max } = share.limits;
            let above = (share.bytes - floor) as f64 * scale;
            share.bytes = floor.saturating_add(above as u64).min(max.max(floor));
        }
        self.total = total;
        self.level();
    }

    /// A key of a category was missed, `distance` bytes after its eviction. If that is near enough, another category
    /// gives some of its share; the return says whether.
    pub fn credit(&mut self, category: usize, distance: u64) -> bool {
        if distance as f64 > self.total as f64 * REACH {
            return false;
        }
        let Some(room) = self.shares.get(category).map(|share| share.limits.max.saturating_sub(share.bytes)) else {
            return false;
        };
        let fraction = (FIRST_CREDIT / (1.0 + self.credits as f64 / COOLING)).max(LAST_CREDIT);
        // At least one: a budget of few bytes moves as well.
        let wanted = ((self.total as f64 * fraction + 0.5) as u64).max(1).min(room);
        if wanted == 0 {
            return false;
        }
        let others = self.shares.len();
        let Some(from) = (0..others)
            .map(|i| (self.turn + i) % others)
            .find(|&i| i != category && self.shares[i].bytes > self.shares[i].limits.floor)
        else {
            return false;
        };
        self.turn = from + 1;
        self.credits += 1;
        let bytes = wanted.min(self.shares[from].bytes - self.shares[from].limits.floor);
        let last = Some(Move { to: category, from, bytes, distance, credit: self.credits });
        let giver = &mut self.shares[from];
        giver.bytes -= bytes;
        giver.given += bytes;
        giver.last = last;
        let gainer = &mut self.shares[category];
        gainer.bytes += bytes;
        gainer.gained += bytes;
        gainer.last = last;
        true
    }

    /// Who gives when the whole is over: the category most over its share, of those that hold anything. `held` says how
    /// many bytes one holds.
    pub fn donor(&self, held: impl Fn(usize) -> u64) -> Option<usize> {
        let over = |i: usize| i128::from(held(i)) - i128::from(self.shares[i].bytes);
        (0..self.shares.len()).filter(|&i| held(i) > 0).max_by_key(|&i| over(i))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FREE: Limits = Limits { floor: 0, max: u64::MAX };

    fn bytes(budget: &Budget) -> Vec<u64> {
        budget.shares().iter().map(|share| share.bytes).collect()
    }

    #[test]
    fn shares_begin_equal_within_their_limits() {
        let check = |limits: &[(u64, u64)], expected: &[u64]| {
            let limits = limits.iter().map(|&(floor, max)| Limits { floor, max });
            assert_eq!(bytes(&Budget::new(1_000, limits)), expected);
        };
        check(&[(0, u64::MAX), (0, u64::MAX)], &[500, 500]);
        check(&[(0, 100), (0, u64::MAX), (0, u64::MAX)], &[100, 450, 450]);
        check(&[(600, u64::MAX), (0, u64::MAX), (0, u64::MAX)], &[600, 200, 200]);
        check(&[(0, 10), (0, 20)], &[10, 20]);
        check(&[(700, u64::MAX), (800, u64::MAX)], &[700, 800]);
        check(&[(0, u64::MAX), (0, u64::MAX), (0, u64::MAX)], &[334, 333, 333]);
        check(&[], &[]);
    }

    #[test]
    fn a_near_return_moves_a_little_from_the_next_in_turn_and_says_why() {
        let mut budget = Budget::new(30_000, [FREE; 3]);
        assert!(budget.credit(0, 1_500));
        assert!(budget.credit(0, 7));
        assert!(budget.credit(1, 7));
        assert_eq!(bytes(&budget), [10_000 + 30 + 30 - 30, 10_000 - 30 + 30, 10_000 - 30]);
        let share = &budget.shares()[1];
        assert_eq!((share.gained, share.given), (30, 30));
        assert_eq!(share.last, Some(Move { to: 1, from: 0, bytes: 30, distance: 7, credit: 3 }));
        assert_eq!(budget.shares()[0].last, share.last);
        assert_eq!(budget.shares()[2].last, Some(Move { to: 0, from: 2, bytes: 30, distance: 7, credit: 2 }));
    }

    #[test]
    fn a_return_from_far_moves_nothing() {
        let mut budget = Budget::new(30_000, [FREE; 3]);
        assert!(!budget.credit(0, 1_501));
        assert_eq!(bytes(&budget), [10_000; 3]);
    }

    #[test]
    fn credits_fall_to_a_fifth_and_no_further() {
        let mut budget = Budget::new(10_000_000, [FREE; 2]);
        // To and fro, so that neither runs dry.
        let gain = |budget: &mut Budget| {
            let before = budget.shares()[0].gained;
            assert!(budget.credit(0, 0) && budget.credit(1, 0));
            budget.shares()[0].gained - before
        };
        let first = gain(&mut budget);
        (0..5_000).for_each(|_| assert!(gain(&mut budget) >= 2_000));
        assert_eq!((first, gain(&mut budget)), (10_000, 2_000));
    }

    #[test]
    fn the_category_most_over_its_share_gives_and_one_that_holds_nothing_never_does() {
        let budget = Budget::new(300, [Limits { floor: 200, max: 200 }, FREE, FREE]);
        let donor = |held: [u64; 3]| budget.donor(|i| held[i]);
        assert_eq!(donor([210, 70, 51]), Some(1));
        assert_eq!(donor([230, 70, 51]), Some(0));
        assert_eq!(donor([199, 0, 0]), Some(0));
        assert_eq!(donor([0, 0, 0]), None);
    }

    #[test]
    fn a_new_total_is_shared_out_in_proportion_above_the_floors() {
        let mut budget = Budget::new(1_100, [Limits { floor: 100, max: u64::MAX }, FREE]);
        (0..100).for_each(|_| assert!(budget.credit(1, 0)));
        let before = bytes(&budget);
        budget.resize(600);
        assert_eq!(bytes(&budget), [100 + (before[0] - 100) / 2, before[1] / 2]);
        budget.resize(10_100);
        assert_eq!(bytes(&budget).iter().sum::<u64>(), 10_100);
        assert!(bytes(&budget)[1] > bytes(&budget)[0]);
    }

    proptest! {
        /// Whatever is credited: the sum stays, and so do floors and maxima.
        #[test]
        fn credits_keep_the_sum_and_the_limits(
            limits in prop::collection::vec((0u64..3_000, 0u64..9_000), 1..6),
            total in 1u64..20_000,
            credits in prop::collection::vec((0usize..7, 0u64..2_000), 0..400),
        ) {
            let limits: Vec<Limits> = limits.into_iter().map(|(floor, more)| Limits { floor, max: floor + more }).collect();
            let mut budget = Budget::new(total, limits.iter().copied());
            let sum: u64 = bytes(&budget).iter().sum();
            let (floors, maxima): (u64, u64) = (limits.iter().map(|l| l.floor).sum(), limits.iter().map(|l| l.max).sum());
            prop_assert_eq!(sum, total.clamp(floors, maxima));
            for (category, distance) in credits {
                let before = bytes(&budget);
                let moved = budget.credit(category, distance);
                prop_assert_eq!(moved, bytes(&budget) != before);
                prop_assert_eq!(bytes(&budget).iter().sum::<u64>(), sum);
                for share in budget.shares() {
                    prop_assert!(share.limits.floor <= share.bytes && share.bytes <= share.limits.max);
                }
            }
            let gained: u64 = budget.shares().iter().map(|share| share.gained).sum();
            prop_assert_eq!(gained, budget.shares().iter().map(|share| share.given).sum::<u64>());
        }
    }
}
