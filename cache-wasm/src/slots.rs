//! The slot tables: what JavaScript reads and writes in place on a hit, and what only the core knows of an entry.
//!
//! The tables are allocated once, for the sum of the categories' `max`, and never move: JavaScript keeps typed arrays
//! over them and makes these anew only when WebAssembly memory has grown. This module finds no entry by key and decides
//! nothing.

use std::cell::Cell;

use wire::{Key, Position, Tag};

use crate::pool::PayloadId;

/// The index of an entry in every table.
pub type Slot = u32;

/// Which followed stream vouches for an entry: an index into the lease table. [`UNFOLLOWED`] where none does.
pub type StreamRef = u16;

/// Entries that no stream covers: bounded by their age alone.
pub const UNFOLLOWED: StreamRef = 0;

/// The most streams followed at a time: what a server allows one session.
pub const STREAMS_MAX: usize = wire::frame::SUBSCRIPTIONS_MAX as usize;

/// Low bits of a use that hold the frequency.
pub const FREQUENCY_BITS: u32 = 5;

/// The most that a slot's frequency counts.
pub const FREQUENCY_MAX: u8 = (1 << FREQUENCY_BITS) - 1;

/// What an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Bytes in the pool.
    Payload(PayloadId),
    /// The knowledge that the key has no value.
    Absent,
    /// A value that JavaScript alone holds.
    Reference,
}

/// What the core knows of an entry.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub key: Key,
    /// Its category's index.
    pub category: u16,
    /// Its value.
    pub content: Content,
    /// Bytes that the entry is charged with.
    pub size: u32,
    /// The position at which the value was known to be current; `None` for a value of no stream.
    pub seen: Option<Position>,
    /// Labels it may be invalidated by.
    pub tags: Vec<Tag>,
    /// Its place in its category's member list.
    pub place: u32,
}

/// The tables. `expires` and `stream` are written here and read by JavaScript; `uses` is written by both.
#[derive(Debug)]
pub struct Slots {
    /// When the entry's age ends, in the cache's milliseconds; infinity for never, minus infinity for a free slot.
    pub expires: Vec<f64>,
    /// The insertion count at the last use, shifted over the uses so far, up to [`FREQUENCY_MAX`]: one cell, so that
    /// a hit costs one load and one store.
    pub uses: Vec<Cell<u32>>,
    /// The stream that vouches for the entry.
    pub stream: Vec<StreamRef>,
    /// Until when each stream's entries may be read: index 0 is infinity, a stream that is not live minus infinity.
    pub lease: Vec<f64>,
    /// One cell: the insertions so far, the clock of recency.
    pub tick: Vec<u32>,
    /// Grown as slots are first taken: most caches are far from their `max`.
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
}

impl Slots {
    /// Tables for so many entries.
    pub fn new(capacity: u32) -> Slots {
        let n = capacity as usize;
        let mut lease = vec![f64::NEG_INFINITY; STREAMS_MAX + 1];
        lease[UNFOLLOWED as usize] = f64::INFINITY;
        Slots {
            expires: vec![f64::NEG_INFINITY; n],
            uses: vec![Cell::new(0); n],
            stream: vec![UNFOLLOWED; n],
            lease,
            tick: vec![0],
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    /// How many entries the tables hold at most.
    pub fn capacity(&self) -> u32 {
        self.expires.len() as u32
    }

    /// Takes a slot for an entry, or gives the entry back when none is free.
    ///
    /// # Errors
    /// The entry, unchanged.
    pub fn take(&mut self, entry: Entry, stream: StreamRef, expires: f64) -> Result<Slot, Entry> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.entries.len() < self.expires.len() => {
                self.entries.push(None);
                (self.entries.len() - 1) as Slot
            }
            None => return Err(entry),
        };
        self.tick[0] = self.tick[0].wrapping_add(1);
        self.entries[slot as usize] = Some(entry);
        self.uses[slot as usize].set(0);
        self.touch(slot, stream, expires);
        Ok(slot)
    }

    /// Marks a slot as just written.
    pub fn touch(&mut self, slot: Slot, stream: StreamRef, expires: f64) {
        let i = slot as usize;
        self.expires[i] = expires;
        self.stream[i] = stream;
        self.uses[i].set((self.tick[0] << FREQUENCY_BITS) | u32::from(self.frequency(slot)));
    }

    /// Uses so far, up to [`FREQUENCY_MAX`].
    pub fn frequency(&self, slot: Slot) -> u8 {
        (self.uses[slot as usize].get() & u32::from(FREQUENCY_MAX)) as u8
    }

    /// Insertions since the last use.
    pub fn age(&self, slot: Slot) -> u32 {
        let last = self.uses[slot as usize].get() & !u32::from(FREQUENCY_MAX);
        (self.tick[0] << FREQUENCY_BITS).wrapping_sub(last) >> FREQUENCY_BITS
    }

    /// Frees a slot and gives back what it held.
    pub fn release(&mut self, slot: Slot) -> Option<Entry> {
        let entry = self.entries.get_mut(slot as usize)?.take()?;
        self.expires[slot as usize] = f64::NEG_INFINITY;
        self.stream[slot as usize] = UNFOLLOWED;
        self.free.push(slot);
        Some(entry)
    }

    /// What a slot holds.
    pub fn get(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(slot as usize)?.as_ref()
    }

    /// What a slot holds, to change.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)?.as_mut()
    }

    /// Whether a read of the slot may hit now: within its age and within its stream's lease. JavaScript makes the same
    /// comparison in `category.ts`.
    pub fn readable(&self, slot: Slot, now: f64) -> bool {
        let i = slot as usize;
        now < self.expires[i] && now < self.lease[self.stream[i] as usize]
    }
}
