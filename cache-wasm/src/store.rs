//! The values: categories, slots, payloads and budget together, and what leaves them.
//!
//! Every way out of the cache goes through [`Store::remove`], which says why. What changed since the caller last looked
//! is in [`Store::take_effects`], in order: JavaScript repeats it on its own index. This module knows no protocol: it is
//! told positions and compares them.

use fastrand::Rng;
use serde::Serialize;
use wire::{Key, Position, Scope, Tag};

use crate::budget;
use crate::category::{Category, CategoryOptions};
use crate::evict;
use crate::pool::Pool;
use crate::slots::{Content, Entry, Slot, Slots, StreamRef};

/// Why an entry left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// Its age ended.
    Expired,
    /// Room was needed.
    Evicted,
    /// Another value took its place.
    Replaced,
    /// The application deleted it.
    Deleted,
    /// The application cleared its category.
    Cleared,
    /// It changed, or may have.
    Invalidated,
    /// The server no longer has a value.
    Gone,
    /// Its stream could not be continued.
    Reset,
    /// Its scope is not followed any more.
    Unfollowed,
}

impl Reason {
    /// Every reason, in the order of their codes.
    pub const ALL: [Reason; 9] = [
        Reason::Expired,
        Reason::Evicted,
        Reason::Replaced,
        Reason::Deleted,
        Reason::Cleared,
        Reason::Invalidated,
        Reason::Gone,
        Reason::Reset,
        Reason::Unfollowed,
    ];

    /// Its number in what crosses to JavaScript.
    pub fn code(self) -> u32 {
        self as u32
    }
}

/// A change of the tables that JavaScript repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The slot is free, or its decoded value no longer holds (`Replaced`).
    Removed(Slot, Reason),
    /// A value took a slot.
    Stored(Slot, u16, Key),
}

/// What a key is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A value's bytes.
    Bytes(Box<[u8]>),
    /// The knowledge that there is no value.
    Absent,
    /// A value that JavaScript keeps, and the bytes it is to be charged with.
    Reference(u32),
}

impl From<&[u8]> for Given {
    fn from(bytes: &[u8]) -> Given {
        Given::Bytes(bytes.into())
    }
}

impl Given {
    fn size(&self) -> usize {
        match self {
            Given::Bytes(bytes) => bytes.len(),
            Given::Absent => 0,
            Given::Reference(size) => *size as usize,
        }
    }
}

/// A value to store.
#[derive(Debug)]
pub struct Put {
    /// The category's index.
    pub category: u16,
    /// Its name.
    pub key: Key,
    /// What it holds.
    pub given: Given,
    /// The position it is known to be current at.
    pub seen: Option<Position>,
    /// The stream that vouches for it.
    pub stream: StreamRef,
    /// Its age limit in milliseconds, or `None` for the category's.
    pub ttl: Option<f64>,
    /// Its labels.
    pub tags: Vec<Tag>,
}

/// Why a value cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// There is no such category.
    #[error("there is no category number {0}")]
    Category(u16),
    /// The value alone is over its category's bytes, or the cache's.
    #[error("a value of {size} bytes does not fit: {holder} holds at most {max} bytes")]
    TooLarge {
        /// Its bytes.
        size: usize,
        /// The category, or the whole cache.
        holder: String,
        /// Its limit.
        max: u64,
    },
}

/// The values of all categories.
#[derive(Debug)]
pub struct Store {
    /// The tables shared with JavaScript.
    pub slots: Slots,
    categories: Vec<Category>,
    pool: Pool,
    max_bytes: u64,
    rng: Rng,
    effects: Vec<Effect>,
    removals: [u64; Reason::ALL.len()],
}

impl Store {
    /// An empty store of these categories. `seed` drives the sampling of eviction alone.
    pub fn new(categories: Vec<CategoryOptions>, max_bytes: u64, seed: u64) -> Store {
        let capacity = categories.iter().map(|c| c.max).fold(0, u32::saturating_add);
        Store {
            slots: Slots::new(capacity),
            categories: categories.into_iter().map(Category::new).collect(),
            pool: Pool::default(),
            max_bytes,
            rng: Rng::with_seed(seed),
            effects: Vec::new(),
            removals: [0; Reason::ALL.len()],
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

    /// The bytes of payload that are allowed over all categories.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Removals so far, by [`Reason::code`].
    pub fn removals(&self) -> &[u64] {
        &self.removals
    }

    /// What changed since the last call, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The bytes of a slot's value, where the pool has them.
    pub fn payload(&self, slot: Slot) -> Option<&[u8]> {
        match self.slots.get(slot)?.content {
            Content::Payload(payload) => Some(self.pool.bytes(payload)),
            Content::Absent | Content::Reference => None,
        }
    }

    /// The slot of a key in a category.
    pub fn find(&self, category: u16, key: &Key) -> Option<Slot> {
        self.categories.get(category as usize)?.index.get(key)
    }

    /// Stores a value, in the key's slot or a new one, and makes room for it.
    ///
    /// # Errors
    /// [`PutError`]; what the key held before is then gone too, since it is no longer its value.
    pub fn put(&mut self, put: Put, now: f64) -> Result<Slot, PutError> {
        let category = self.categories.get(put.category as usize).ok_or(PutError::Category(put.category))?;
        let existing = category.index.get(&put.key);
        if let Some(error) = self.too_large(category, put.given.size()) {
            if let Some(slot) = existing {
                // `Replaced` would say that the slot is still the key's.
                self.remove(slot, Reason::Evicted);
            }
            return Err(error);
        }
        // What is no time, as NaN, leaves the category's.
        let expires = now + put.ttl.filter(|&ttl| ttl > 0.0).unwrap_or(category.options.ttl);
        let slot = match existing {
            Some(slot) => self.replace(slot, put, expires),
            None => self.insert(put, expires, now),
        };
        self.fit(slot, now);
        Ok(slot)
    }

    fn too_large(&self, category: &Category, size: usize) -> Option<PutError> {
        let over = |max: u64| size as u64 > max;
        if over(category.options.max_bytes) {
            let holder = format!("category `{}`", category.options.name);
            return Some(PutError::TooLarge { size, holder, max: category.options.max_bytes });
        }
        over(self.max_bytes).then(|| PutError::TooLarge { size, holder: "the cache".into(), max: self.max_bytes })
    }

    /// The same bytes under the same labels stay the same value: the decoded object that the page holds remains.
    fn replace(&mut self, slot: Slot, put: Put, expires: f64) -> Slot {
        if let Some(entry) = self.slots.get_mut(slot)
            && entry.tags == put.tags
            && self.pool.holds(entry.content, &put.given)
        {
            entry.seen = put.seen;
            self.slots.touch(slot, put.stream, expires);
            return slot;
        }
        self.count(slot, Reason::Replaced);
        let size = put.given.size() as u32;
        let content = self.pool.take(put.given);
        let category = &mut self.categories[put.category as usize];
        if let Some(entry) = self.slots.get_mut(slot) {
            category.bytes = category.bytes - u64::from(entry.size) + u64::from(size);
            category.index.untag(&entry.tags, slot);
            category.index.tag(&put.tags, slot);
            let before = std::mem::replace(&mut entry.content, content);
            entry.size = size;
            entry.seen = put.seen;
            entry.tags = put.tags;
            self.pool.give_back(before);
        }
        self.slots.touch(slot, put.stream, expires);
        slot
    }

    fn insert(&mut self, put: Put, expires: f64, now: f64) -> Slot {
        let index = put.category as usize;
        while self.categories[index].members.len() >= self.categories[index].options.max as usize {
            if !self.evict_from(index, None, now) {
                break;
            }
        }
        let category = &mut self.categories[index];
        let entry = Entry {
            size: put.given.size() as u32,
            key: put.key.clone(),
            category: put.category,
            content: self.pool.take(put.given),
            seen: put.seen,
            place: category.members.len() as u32,
            tags: put.tags,
        };
        category.bytes += u64::from(entry.size);
        let tags = entry.tags.clone();
        let slot = self.slots.take(entry, put.stream, expires).expect("the tables hold every category's max");
        category.members.push(slot);
        category.index.tag(&tags, slot);
        category.index.insert(put.key.clone(), slot);
        self.effects.push(Effect::Stored(slot, put.category, put.key));
        slot
    }

    /// Evicts until the slot's category and the whole are within their bytes. The slot itself stays.
    fn fit(&mut self, slot: Slot, now: f64) {
        let Some(own) = self.slots.get(slot).map(|entry| entry.category as usize) else { return };
        while self.categories[own].bytes > self.categories[own].options.max_bytes {
            if !self.evict_from(own, Some(slot), now) {
                break;
            }
        }
        while budget::total(&self.categories) > self.max_bytes {
            let Some(donor) = budget::donor(&self.categories) else { break };
            if !self.evict_from(donor, Some(slot), now) && !self.evict_from_any_other(donor, slot, now) {
                break;
            }
        }
    }

    fn evict_from_any_other(&mut self, donor: usize, spared: Slot, now: f64) -> bool {
        (0..self.categories.len()).any(|index| index != donor && self.evict_from(index, Some(spared), now))
    }

    fn evict_from(&mut self, index: usize, spared: Option<Slot>, now: f64) -> bool {
        let Some(slot) = evict::victim(&self.slots, &self.categories[index].members, spared, now, &mut self.rng) else {
            return false;
        };
        let reason = if now >= self.slots.expires[slot as usize] { Reason::Expired } else { Reason::Evicted };
        self.remove(slot, reason);
        true
    }

    fn count(&mut self, slot: Slot, reason: Reason) {
        self.removals[reason.code() as usize] += 1;
        self.effects.push(Effect::Removed(slot, reason));
    }

    /// Takes an entry out. A free slot is left alone.
    pub fn remove(&mut self, slot: Slot, reason: Reason) {
        let Some(entry) = self.slots.release(slot) else { return };
        let category = &mut self.categories[entry.category as usize];
        category.bytes -= u64::from(entry.size);
        category.index.remove(&entry.key, &entry.tags, slot);
        category.members.swap_remove(entry.place as usize);
        if let Some(&moved) = category.members.get(entry.place as usize)
            && let Some(moved) = self.slots.get_mut(moved)
        {
            moved.place = entry.place;
        }
        self.pool.give_back(entry.content);
        self.count(slot, reason);
    }

    /// The slots of a key, over all categories.
    pub fn slots_of(&self, key: &Key) -> Vec<Slot> {
        self.categories.iter().filter_map(|category| category.index.get(key)).collect()
    }

    /// Whether an entry may be older than a change at `position`: read before it, in another epoch, or at no position.
    pub fn is_older(&self, slot: Slot, position: Position) -> bool {
        self.slots.get(slot).is_some_and(|entry| match entry.seen {
            Some(seen) => seen.epoch != position.epoch || seen.offset < position.offset,
            None => true,
        })
    }

    /// Removes what lies under a scope: everything, or what is older than a position.
    pub fn purge_scope(&mut self, scope: &Scope, older_than: Option<Position>, reason: Reason) {
        let slots: Vec<Slot> = self.categories.iter().flat_map(|category| category.index.under(scope)).collect();
        self.purge(&slots, older_than, reason);
    }

    /// The slots under a scope that a stream vouches for.
    pub fn slots_under(&self, scope: &Scope, stream: StreamRef) -> Vec<Slot> {
        let under = self.categories.iter().flat_map(|category| category.index.under(scope));
        under.filter(|&slot| self.slots.stream[slot as usize] == stream).collect()
    }

    /// Removes what lies under a scope and is vouched for by one stream.
    pub fn purge_stream(&mut self, scope: &Scope, stream: StreamRef, reason: Reason) {
        let slots = self.slots_under(scope, stream);
        self.purge(&slots, None, reason);
    }

    /// Removes what carries a tag: everything, or what is older than a position.
    pub fn purge_tag(&mut self, tag: &Tag, older_than: Option<Position>, reason: Reason) {
        let slots: Vec<Slot> = self.categories.iter().flat_map(|category| category.index.tagged(tag)).collect();
        self.purge(&slots, older_than, reason);
    }

    /// Removes all of a category.
    pub fn clear(&mut self, category: u16) {
        let slots = self.categories.get(category as usize).map(|c| c.members.clone()).unwrap_or_default();
        self.purge(&slots, None, Reason::Cleared);
    }

    fn purge(&mut self, slots: &[Slot], older_than: Option<Position>, reason: Reason) {
        for &slot in slots {
            if older_than.is_none_or(|position| self.is_older(slot, position)) {
                self.remove(slot, reason);
            }
        }
    }
}
