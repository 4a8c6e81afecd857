//! The values: categories, slots, names, payloads and budget together, and what leaves them.
//!
//! What changed since the caller last looked is in [`Store::take_effects`], in order: JavaScript repeats it on its own
//! index. This module knows no protocol: it is told positions and compares them. Every way out of the cache is
//! `store/leave`, which says why; how room is made is `store/room`, what is done off the critical path `store/upkeep`, what
//! JavaScript sets without asking `store/enrol`; `store/put` and `store/effect` are what goes in and comes out.

mod effect;
mod enrol;
mod leave;
mod put;
mod room;
mod upkeep;

use leave::Dead;

pub use effect::{Effect, Freshness, Holding, Reason};
pub use enrol::Enrolled;
pub use put::{Given, Origin, Put, PutError};

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::vec::Vec;

use fastrand::Rng;
use serde::Serialize;
use wire::{Epoch, Key, Position, Scope, Tag};

use crate::budget::{Budget, Limits};
use crate::category::{Category, CategoryOptions};
use crate::evict::Policy;
use crate::index::Index;
use crate::pool::Pool;
use crate::segments::Backing;
use crate::slots::{Content, Entry, Slot, Slots, StreamRef, UNVOUCHED};
use crate::tags::Tags;

/// The values of all categories.
#[derive(Debug)]
pub struct Store {
    /// The tables shared with JavaScript.
    pub slots: Slots,
    categories: Vec<Category>,
    index: Index,
    tags: Tags,
    pool: Pool,
    budget: Budget,
    /// The victims of one eviction. Kept for its memory.
    victims: Vec<Slot>,
    max_bytes: u64,
    pressure: Pressure,
    /// Bytes of values that JavaScript alone holds.
    referenced: u64,
    rng: Rng,
    effects: Vec<Effect>,
    /// Slots whose payload is still to be packed.
    to_pack: VecDeque<Slot>,
    /// What left in a crowd: it is no entry any more, and its slot is not free yet.
    dead: Vec<Dead>,
    /// Where the sweep for ended entries goes on.
    swept: Slot,
}

/// How short of memory the machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Pressure {
    /// It is not.
    Normal,
    /// Somewhat: half of each budget is used.
    Elevated,
    /// Very: a quarter of it.
    Critical,
}

impl Pressure {
    /// What is left of the budgets is one part in so many.
    fn divisor(self) -> u32 {
        match self {
            Pressure::Normal => 1,
            Pressure::Elevated => 2,
            Pressure::Critical => 4,
        }
    }
}

impl Store {
    /// An empty store of these categories, its payloads in `backing`. `seed` drives sampling and jitter.
    pub fn new(categories: Vec<CategoryOptions>, max_bytes: u64, seed: u64, backing: Box<dyn Backing>) -> Store {
        let capacity = categories.iter().map(|c| c.max).fold(0, u32::saturating_add);
        let limits = categories.iter().map(|c| Limits { floor: c.min_bytes.min(c.max_bytes), max: c.max_bytes });
        Store {
            budget: Budget::new(max_bytes, limits),
            victims: Vec::new(),
            slots: Slots::new(capacity),
            index: Index::default(),
            tags: Tags::default(),
            pool: Pool::new(categories.len(), backing),
            categories: (1..)
                .zip(categories)
                .map(|(i, options)| Category::new(options, seed.wrapping_add(i)))
                .collect(),
            max_bytes,
            pressure: Pressure::Normal,
            referenced: 0,
            rng: Rng::with_seed(seed),
            effects: Vec::new(),
            to_pack: VecDeque::new(),
            dead: Vec::new(),
            swept: 0,
        }
    }

    /// The categories, by index.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// The payloads.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The names.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The categories' shares of the bytes.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The bytes that are allowed over all categories.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Removals so far over all categories, by [`Reason::code`].
    pub fn removals(&self) -> [u64; Reason::ALL.len()] {
        let mut all = [0; Reason::ALL.len()];
        for category in &self.categories {
            for (sum, count) in all.iter_mut().zip(category.removals) {
                *sum += count;
            }
        }
        all
    }

    /// What changed since the last call, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        core::mem::take(&mut self.effects)
    }

    /// The bytes of a slot's value, where the pool has them.
    pub fn payload(&self, slot: Slot) -> Option<Vec<u8>> {
        match self.slots.get(slot)?.content {
            Content::Payload(payload) => Some(self.pool.bytes(payload)),
            Content::Absent | Content::Reference => None,
        }
    }

    /// The slot of a key in a category.
    pub fn find(&self, category: u16, key: &Key) -> Option<Slot> {
        self.index.slots_of(key).find(|&slot| self.slots.get(slot).is_some_and(|entry| entry.category == category))
    }

    /// A slot's labels.
    pub fn tags_of(&self, slot: Slot) -> Vec<Tag> {
        self.tags.of(slot)
    }

    /// Stores a value, in the key's slot or a new one, and makes room for it.
    ///
    /// # Errors
    /// [`PutError`]; what the key held before is then gone too, since it is no longer its value.
    pub fn put(&mut self, put: Put, now: f64) -> Result<Slot, PutError> {
        let category = self.categories.get(put.category as usize).ok_or(PutError::Category(put.category))?;
        let existing = self.find(put.category, &put.key);
        if let Some(error) = self.too_large(category, put.given.size()) {
            if let Some(slot) = existing {
                self.remove(slot, Reason::Evicted);
            }
            return Err(error);
        }
        if put.origin == Origin::Prefetch && existing.is_none() && !self.has_room_for(category, put.given.size()) {
            return Err(PutError::Displacing(category.options.name.clone()));
        }
        let expires = self.expires(&put, now);
        let slot = match existing {
            Some(slot) => self.replace(slot, put, expires),
            None => self.insert(put, expires, now)?,
        };
        self.fit(slot, now);
        Ok(slot)
    }

    /// When a value is removed by age: its time of grace included.
    fn expires(&mut self, put: &Put, now: f64) -> f64 {
        let CategoryOptions { ttl, jitter, grace, .. } = self.categories[put.category as usize].options;
        // What is no time, as NaN, leaves the category's.
        let ttl = put.ttl.filter(|&ttl| ttl > 0.0).unwrap_or(ttl);
        let spread = match put.origin {
            Origin::Server | Origin::Prefetch if ttl.is_finite() => ttl * jitter * self.rng.f64(),
            _ => 0.0,
        };
        now + (ttl - spread) + grace
    }

    /// Until when a slot is fresh.
    pub fn freshness(&self, slot: Slot) -> Freshness {
        let grace = self.slots.get(slot).map_or(0.0, |entry| self.categories[entry.category as usize].options.grace);
        Freshness { until: self.slots.expires[slot as usize] - grace, stream: self.slots.stream[slot as usize] }
    }

    fn too_large(&self, category: &Category, size: usize) -> Option<PutError> {
        let CategoryOptions { name, max_entry, max_bytes, .. } = &category.options;
        let limits = [
            (*max_entry, format_args!("an entry of category `{name}`")),
            (*max_bytes, format_args!("category `{name}`")),
            (self.max_bytes, format_args!("the cache")),
        ];
        let (max, holder) = limits.into_iter().find(|(max, _)| size as u64 > *max)?;
        Some(PutError::TooLarge { size, holder: holder.to_string(), max })
    }

    /// Whether an entry holds already what it is given. Of two references nobody here can tell.
    fn holds(&self, slot: Slot, given: &Given) -> bool {
        match (self.slots.get(slot).map(|entry| entry.content), given) {
            (Some(Content::Payload(payload)), Given::Bytes(bytes)) => self.pool.equals(payload, bytes),
            (Some(Content::Absent), Given::Absent) => true,
            _ => false,
        }
    }

    /// The same bytes under the same labels stay the same value: the decoded object that the page holds remains.
    fn replace(&mut self, slot: Slot, put: Put, expires: f64) -> Slot {
        if self.categories[put.category as usize].options.policy == Policy::Lru {
            self.slots.advance();
        }
        if self.tags.are(slot, &put.tags) && self.holds(slot, &put.given) {
            if let Some(entry) = self.slots.get_mut(slot) {
                entry.seen = put.seen;
                entry.version = put.version;
            }
            self.slots.touch(slot, put.stream, expires);
            self.effects.push(Effect::Touched(slot, self.freshness(slot)));
            return slot;
        }
        self.tags.remove(slot);
        self.tags.insert(slot, &put.tags);
        if let Some(entry) = self.slots.get_mut(slot) {
            entry.seen = put.seen;
            entry.version = put.version;
        }
        let size = put.given.size() as u32;
        self.give(slot, put.given);
        self.slots.touch(slot, put.stream, expires);
        self.categories[put.category as usize].removals[Reason::Replaced.code() as usize] += 1;
        if let Some(content) = self.slots.get(slot).map(|entry| entry.content) {
            self.effects.push(Effect::Changed(slot, self.freshness(slot), Holding { size, content }));
        }
        slot
    }

    /// Changes what a slot holds, and what it is charged with.
    fn give(&mut self, slot: Slot, given: Given) {
        let (content, size) = match given {
            Given::Bytes(bytes) => {
                let payload = self.pool.insert(&bytes);
                self.to_pack.push_back(slot);
                (Content::Payload(payload), self.pool.stored_size(payload))
            }
            Given::Absent => (Content::Absent, 0),
            Given::Reference(size) => {
                self.referenced += u64::from(size);
                (Content::Reference, size)
            }
        };
        let charged = core::mem::replace(&mut self.slots.sizes[slot as usize], size);
        let Some(entry) = self.slots.get_mut(slot) else { return };
        let before = core::mem::replace(&mut entry.content, content);
        let category = &mut self.categories[entry.category as usize];
        category.bytes = category.bytes - u64::from(charged) + u64::from(size);
        self.take_back(before, charged);
    }

    fn insert(&mut self, put: Put, expires: f64, now: f64) -> Result<Slot, PutError> {
        let Some(slot) = self.take_slot(put.category, now) else {
            return Err(PutError::Held(self.categories[put.category as usize].options.name.clone()));
        };
        self.enter(slot, put.category, put.seen, put.version, put.stream, expires);
        let size = put.given.size() as u32;
        self.give(slot, put.given);
        self.tags.insert(slot, &put.tags);
        self.index.insert(put.key.clone(), slot);
        self.welcome(slot);
        if let Some(content) = self.slots.get(slot).map(|entry| entry.content) {
            let stored = Effect::Stored(slot, put.category, put.key, self.freshness(slot), Holding { size, content });
            self.effects.push(stored);
        }
        Ok(slot)
    }

    /// Makes an entry that holds nothing yet a member of its category.
    fn enter(
        &mut self,
        slot: Slot,
        category: u16,
        seen: Option<Position>,
        version: Option<u64>,
        stream: StreamRef,
        expires: f64,
    ) {
        let members = &mut self.categories[category as usize].members;
        let place = members.len() as u32;
        members.push(slot);
        let entry = Entry { category, content: Content::Absent, seen, version, place };
        self.slots.fill(slot, entry, stream, expires);
        self.categories[category as usize].evictor.entered(&self.slots, slot);
    }

    /// An entry has got its name: what its ghost knew is given back to it, and its category is credited.
    fn welcome(&mut self, slot: Slot) {
        let (Some(entry), Some(hash)) = (self.slots.get(slot), self.index.hash(slot)) else { return };
        let number = usize::from(entry.category);
        let category = &mut self.categories[number];
        let welcome = category.evictor.named(&category.members, hash);
        self.slots.set_frequency(slot, welcome.frequency.max(self.slots.frequency(slot)));
        // More bytes would not have kept what its category has no entry for.
        if let Some(distance) = welcome.distance
            && category.members.len() < category.options.max as usize
        {
            self.budget.credit(number, u64::from(distance));
        }
    }

    /// Counts one handle more that holds a slot's entry.
    pub fn hold(&mut self, slot: Slot) {
        if self.slots.get(slot).is_some() {
            let holds = &mut self.slots.holds[slot as usize];
            *holds = holds.saturating_add(1);
        }
    }

    /// Counts one handle less.
    pub fn unhold(&mut self, slot: Slot) {
        if self.slots.get(slot).is_some() {
            let holds = &mut self.slots.holds[slot as usize];
            *holds = holds.saturating_sub(1);
        }
    }

    /// Says until when entries of a stream may be read.
    pub fn set_lease(&mut self, stream: StreamRef, until: f64) {
        let lease = &mut self.slots.lease[stream as usize];
        if *lease != until {
            *lease = until;
            self.effects.push(Effect::Lease(stream, until));
        }
    }

    /// Lets another stream vouch for an entry.
    pub fn set_stream(&mut self, slot: Slot, stream: StreamRef) {
        self.slots.stream[slot as usize] = stream;
        self.effects.push(Effect::Touched(slot, self.freshness(slot)));
    }

    /// Lets a stream vouch for what an earlier visit left under its scope, if that is of its own lineage.
    pub fn vouch_for(&mut self, scope: &Scope, stream: StreamRef, epoch: Epoch) {
        for slot in self.slots_under(scope, UNVOUCHED) {
            if self.slots.get(slot).and_then(|entry| entry.seen).is_some_and(|seen| seen.epoch == epoch) {
                self.set_stream(slot, stream);
            } else {
                self.remove(slot, Reason::Reset);
            }
        }
    }

    /// The slots of a key, over all categories.
    pub fn slots_of(&self, key: &Key) -> Vec<Slot> {
        self.index.slots_of(key).filter(|&slot| self.slots.get(slot).is_some()).collect()
    }

    /// Whether an entry may be older than a change at `position`: read before it, in another epoch, or at no position.
    pub fn is_older(&self, slot: Slot, position: Position) -> bool {
        self.slots.get(slot).is_some_and(|entry| entry.seen.is_none_or(|seen| !seen.reaches(position)))
    }

    /// The slots under a scope that a stream vouches for.
    pub fn slots_under(&self, scope: &Scope, stream: StreamRef) -> Vec<Slot> {
        let vouched = |slot| self.slots.get(slot).is_some() && self.slots.stream[slot as usize] == stream;
        self.index.under(scope).into_iter().filter(|&slot| vouched(slot)).collect()
    }
}
