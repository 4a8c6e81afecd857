//! What the application tells by itself, without an edge server: pushed values and invalidations of a socket of its
//! own, with versions where it has them. They fence fills as a followed stream's frames do.
//!
//! A version is the application's own number of a value, greater for a newer one. Of keys that hold nothing the newest
//! version is remembered for a while ([`REMEMBERED`] keys): an answer from a server that lags is known for what it is.

use alloc::vec::Vec;

use wire::{Key, Scope, Tag};

use crate::manager::Manager;
use crate::recent::Recent;
use crate::slots::{Slot, UNFOLLOWED};
use crate::store::{Given, Origin, Put, PutError, Reason};

/// Keys whose newest version is remembered without a value.
const REMEMBERED: usize = 4_096;

/// Newest versions of keys that hold nothing.
pub(super) type Versions = Recent<u64>;

pub(super) fn no_versions() -> Versions {
    Recent::new(REMEMBERED)
}

/// What became of a pushed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is in this slot.
    Stored(Slot),
    /// A newer version is known.
    Older,
}

/// A value that the application heard of.
#[derive(Debug)]
pub struct Told {
    /// The category's index.
    pub category: u16,
    /// Its name.
    pub key: Key,
    /// What it holds.
    pub given: Given,
    /// Its version, if it has one.
    pub version: Option<u64>,
    /// Its age limit in milliseconds, or `None` for the category's.
    pub ttl: Option<f64>,
    /// Its labels.
    pub tags: Vec<Tag>,
}

impl Manager {
    /// Stores a value of the application's own. Under a followed scope it counts as current at the cursor.
    ///
    /// # Errors
    /// [`PutError`], see there.
    pub fn set(
        &mut self,
        category: u16,
        key: Key,
        given: Given,
        ttl: Option<f64>,
        tags: Vec<Tag>,
        now: f64,
    ) -> Result<Slot, PutError> {
        // An answer that is in flight was asked for before this.
        self.fills.void_key(&key);
        self.put_own(Told { category, key, given, version: None, ttl, tags }, now)
    }

    /// Takes a value that the application heard of. One older than what is known is refused and counted.
    ///
    /// # Errors
    /// [`PutError`], see there.
    pub fn apply(&mut self, told: Told, now: f64) -> Result<Applied, PutError> {
        match told.version {
            None => self.fills.void_key(&told.key),
            Some(version) if self.newest_version(&told.key).is_some_and(|newest| newest > version) => {
                self.fill_stats.discarded += 1;
                return Ok(Applied::Older);
            }
            Some(version) => {
                self.fills.raise_version(&told.key, version);
                self.versions.remove(&told.key);
                self.drop_older(&told.key, told.category, version);
            }
        }
        self.put_own(told, now).map(Applied::Stored)
    }

    fn put_own(&mut self, told: Told, now: f64) -> Result<Slot, PutError> {
        let Told { category, key, given, version, ttl, tags } = told;
        let stream = self.follower.subs.covering(&key);
        let seen = stream.and_then(|stream| self.follower.subs.get(stream)?.position());
        let (stream, origin) = (stream.unwrap_or(UNFOLLOWED), Origin::Application);
        self.store.put(Put { seen, version, stream, ttl, origin, tags, ..Put::of(category, key, given) }, now)
    }

    /// What other categories hold of a key is of before.
    fn drop_older(&mut self, key: &Key, category: u16, version: u64) {
        for slot in self.store.slots_of(key) {
            let entry = self.store.slots.get(slot);
            if entry.is_some_and(|entry| entry.category != category && entry.version.is_none_or(|own| own < version)) {
                self.store.remove(slot, Reason::Invalidated);
            }
        }
    }

    /// The newest version of a key that was heard of.
    pub(super) fn newest_version(&self, key: &Key) -> Option<u64> {
        let held = self.store.slots_of(key).into_iter().filter_map(|slot| self.store.slots.get(slot)?.version);
        held.chain(self.versions.peek(key).copied()).max()
    }

    /// Removes a key from a category; whether it was there.
    pub fn delete(&mut self, category: u16, key: &Key) -> bool {
        self.fills.void_key(key);
        let slot = self.store.find(category, key);
        slot.inspect(|&slot| self.store.remove(slot, Reason::Deleted)).is_some()
    }

    /// Removes everything from a category.
    pub fn clear(&mut self, category: u16) {
        self.fills.void_all();
        self.store.clear(category);
    }

    /// Removes an entry whose age has ended, its time of grace included; one that is only out of its lease stays for
    /// the stream to come back.
    pub fn expire(&mut self, slot: Slot, now: f64) {
        if self.store.slots.expires.get(slot as usize).is_some_and(|&expires| now >= expires) {
            self.store.remove(slot, Reason::Expired);
        }
    }

    /// Invalidates a key by hand, in every category.
    pub fn invalidate_key(&mut self, key: &Key) {
        self.fills.void_key(key);
        for slot in self.store.slots_of(key) {
            self.store.remove(slot, Reason::Invalidated);
        }
    }

    /// Invalidates what is older than a version of a key, in every category. Whether there may have been something: a
    /// version that is known to be old changes nothing.
    pub fn invalidate_version(&mut self, key: &Key, version: u64) -> bool {
        if self.newest_version(key).is_some_and(|newest| newest >= version) {
            return false;
        }
        self.fills.raise_version(key, version);
        for slot in self.store.slots_of(key) {
            self.store.remove(slot, Reason::Invalidated);
        }
        *self.versions.get_mut(key.clone()) = version;
        true
    }

    /// Invalidates a scope by hand.
    pub fn invalidate_scope(&mut self, scope: &Scope) {
        self.fills.void_scope(scope);
        self.store.purge_scope(scope, None, Reason::Invalidated);
    }

    /// Invalidates a tag by hand.
    pub fn invalidate_tag(&mut self, tag: &Tag) {
        self.fills.void_all();
        self.store.purge_tag(tag, None, Reason::Invalidated);
    }
}
