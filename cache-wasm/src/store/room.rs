//! How room is made: within a category's limits, within the one budget, and under pressure.

use hot_paths::sample::SAMPLE;

use crate::category::Category;
use crate::slots::Slot;
use crate::store::{Pressure, Reason, Store};

/// Entries that pressure takes at a time.
const RELIEF: usize = 128;

impl Store {
    /// Makes room for so many new entries of a category at once, as far as can be.
    pub(super) fn make_room(&mut self, category: u16, entries: u32, now: f64) {
        let missing = entries.saturating_sub(self.categories[category as usize].room());
        if missing > 0 {
            self.evict_some(category as usize, missing as usize, None, now);
        }
    }

    /// A free slot for a new entry of a category. `None` when handles hold all that could leave.
    pub(super) fn take_slot(&mut self, category: u16, now: f64) -> Option<Slot> {
        while self.categories[category as usize].room() == 0 {
            if !self.evict_from(category as usize, None, now) {
                return None;
            }
        }
        // One of a crowd makes place for one: the tables do not grow while it lies there.
        self.bury_one();
        self.slots.reserve()
    }

    /// Whether a value of so many bytes fits without anything having to leave.
    pub(super) fn has_room_for(&self, category: &Category, size: usize) -> bool {
        let size = size as u64;
        let fits = |bytes: u64, max: u64| bytes.saturating_add(size) <= max;
        category.room() > 0
            && fits(category.bytes, category.options.max_bytes)
            && fits(self.total_bytes(), self.budget_bytes())
    }

    /// Whether there is room for what nobody has asked for yet: a tenth of the budget is left to what somebody will.
    pub fn has_room_ahead(&self, category: u16) -> bool {
        let spare = usize::try_from(self.budget_bytes() / 10).unwrap_or(usize::MAX);
        self.categories.get(category as usize).is_some_and(|category| self.has_room_for(category, spare))
    }

    /// Bytes that the budget is held against: payloads as stored, each once, and values that JavaScript holds alone.
    pub fn total_bytes(&self) -> u64 {
        self.pool.stored_bytes() + self.referenced
    }

    /// The budget as the machine's shortness of memory leaves it, in bytes.
    pub fn budget_bytes(&self) -> u64 {
        self.max_bytes / u64::from(self.pressure.divisor())
    }

    /// How short of memory the machine is said to be.
    pub fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// Takes note of the machine's shortness of memory: what is left of the bytes and of the entries, which cost memory
    /// beside their payloads. [`Store::relieve`] evicts down to that.
    pub fn set_pressure(&mut self, pressure: Pressure) {
        self.pressure = pressure;
        self.budget.resize(self.budget_bytes());
        for category in &mut self.categories {
            category.limit = (category.options.max / pressure.divisor()).max(1);
        }
    }

    /// Evicts a bounded number of entries of what pressure leaves no room for; whether there are more. Not all at once: who
    /// is short of memory has none for a long list of what left.
    pub fn relieve(&mut self, now: f64) -> bool {
        let mut left = RELIEF;
        for category in 0..self.categories.len() {
            loop {
                let Category { limit, members, .. } = &self.categories[category];
                let before = members.len();
                // More at a time would have all members ranked, which takes memory.
                let most = (before / SAMPLE).max(1);
                let over = before.saturating_sub(*limit as usize).min(left).min(most);
                if over == 0 || !self.evict_some(category, over, None, now) {
                    break;
                }
                left -= before - self.categories[category].members.len();
            }
        }
        while left > 0 && self.total_bytes() > self.budget_bytes() {
            if !self.evict_for_the_whole(None, now) {
                return false;
            }
            left -= 1;
        }
        left == 0
    }

    /// Evicts until the slot's category and the whole are within their bytes. The slot itself stays.
    pub(super) fn fit(&mut self, slot: Slot, now: f64) {
        if let Some(own) = self.slots.get(slot).map(|entry| entry.category as usize) {
            self.fit_category(own, Some(slot), now);
            self.fit_whole(Some(slot), now);
        }
    }

    /// Evicts until a category is within its bytes.
    pub(super) fn fit_category(&mut self, category: usize, spared: Option<Slot>, now: f64) {
        while self.categories[category].bytes > self.categories[category].options.max_bytes {
            if !self.evict_from(category, spared, now) {
                break;
            }
        }
    }

    /// Evicts until the whole is within its bytes.
    pub(super) fn fit_whole(&mut self, spared: Option<Slot>, now: f64) {
        while self.total_bytes() > self.budget_bytes() && self.evict_for_the_whole(spared, now) {}
    }

    /// Evicts one entry of the category that is to give, or gives back what one holds that has left; whether there was one.
    fn evict_for_the_whole(&mut self, spared: Option<Slot>, now: f64) -> bool {
        if self.bury_one() {
            return true;
        }
        let donor = self.budget.donor(|index| self.categories[index].bytes);
        donor.is_some_and(|donor| self.evict_from(donor, spared, now) || self.evict_from_any_other(donor, spared, now))
    }

    fn evict_from_any_other(&mut self, donor: usize, spared: Option<Slot>, now: f64) -> bool {
        (0..self.categories.len()).any(|index| index != donor && self.evict_from(index, spared, now))
    }

    pub(super) fn evict_from(&mut self, index: usize, spared: Option<Slot>, now: f64) -> bool {
        self.evict_some(index, 1, spared, now)
    }

    /// Evicts up to so many entries of a category at once; whether there was one.
    fn evict_some(&mut self, index: usize, count: usize, spared: Option<Slot>, now: f64) -> bool {
        let Store { slots, categories, victims, .. } = self;
        let Category { evictor, members, .. } = &mut categories[index];
        // Who is short of memory has none to remember by.
        if self.pressure == Pressure::Normal {
            evictor.remember(members.len());
        }
        evictor.victims(slots, members, count, now, spared, victims);
        let mut victims = core::mem::take(victims);
        let any = !victims.is_empty();
        for slot in victims.drain(..) {
            let reason = match self.pressure {
                _ if now >= self.slots.expires[slot as usize] => Reason::Expired,
                Pressure::Normal => Reason::Evicted,
                Pressure::Elevated | Pressure::Critical => Reason::Pressure,
            };
            self.remove(slot, reason);
        }
        self.victims = victims;
        any
    }
}
