//! From one visit to the next: what a visit leaves behind, and how the next one takes it up.
//!
//! A restored value is unread until a stream vouches for it. A scope's position is restored with the values: the stream
//! goes on from there, is told what changed meanwhile, and only then its values are readable. What the stream cannot
//! replay is void. Values that no stream ever covered are the application's own: their age alone bounds them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use wire::{Key, Position, Scope, Tag};

use crate::follow::Kept;
use crate::manager::Manager;
use crate::slots::{Slot, UNFOLLOWED, UNVOUCHED};
use crate::store::{Given, Origin, Put, PutError};

/// What is written of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The category's index.
    pub category: u16,
    /// Its name.
    pub key: Key,
    /// Its value's bytes.
    pub bytes: Box<[u8]>,
    /// The position it was known to be current at, where a stream covered it.
    pub seen: Option<Position>,
    /// The application's own number of it.
    pub version: Option<u64>,
    /// Its labels.
    pub tags: Vec<Tag>,
}

impl Manager {
    /// What a slot holds, to be written; `None` for what has no bytes here, and for what has not been vouched for.
    pub fn record(&self, slot: Slot) -> Option<Record> {
        let entry = self.store.slots.get(slot)?;
        let stream = self.store.slots.stream[slot as usize];
        if stream == UNVOUCHED || (stream != UNFOLLOWED && entry.seen.is_none()) {
            return None;
        }
        Some(Record {
            category: entry.category,
            key: self.store.index().key(slot)?.clone(),
            bytes: self.store.payload(slot)?.into(),
            seen: entry.seen.filter(|_| stream != UNFOLLOWED),
            version: entry.version,
            tags: self.store.tags_of(slot),
        })
    }

    /// Where the followed scopes stand: to be written with what [`Manager::record`] gives at the same moment.
    pub fn positions(&self) -> Vec<(Scope, Position)> {
        let standing = self.follower.subs.iter();
        standing.filter_map(|(_, replica)| Some((replica.scope.clone(), replica.position()?))).collect()
    }

    /// Takes up an entry of an earlier visit, with what is left of its life in milliseconds. What is there already is
    /// newer, and stays.
    ///
    /// # Errors
    /// [`PutError`], see there.
    pub fn restore(&mut self, record: Record, ttl: Option<f64>, now: f64) -> Result<Option<Slot>, PutError> {
        let Record { category, key, bytes, seen, version, tags } = record;
        if self.store.find(category, &key).is_some() {
            return Ok(None);
        }
        let covering = self.follower.subs.covering(&key);
        // The stream that covers it began without its position: it can no longer be vouched for.
        if covering.is_some() {
            return Ok(None);
        }
        let stream = if seen.is_some() { UNVOUCHED } else { UNFOLLOWED };
        let put = Put {
            seen,
            version,
            stream,
            ttl,
            origin: Origin::Application,
            tags,
            ..Put::of(category, key, Given::Bytes(bytes))
        };
        self.store.put(put, now).map(Some)
    }

    /// Remembers where a scope stood on an earlier visit: who follows it goes on from there.
    pub fn remember(&mut self, scope: Scope, position: Position) {
        let (follower, _) = self.parts();
        follower.remember(scope, position);
    }

    /// Forgets what an earlier visit left and no stream has vouched for.
    pub fn forget_unvouched(&mut self) {
        let Kept { store, .. } = self.parts().1;
        store.purge_unvouched();
    }
}
