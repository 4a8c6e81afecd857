//! The slot tables: what JavaScript reads and writes in place, and what the core knows of an entry.
//!
//! The shared tables are allocated once, for the sum of the categories' `max`, and never move: JavaScript keeps typed
//! arrays over them and makes these anew only when WebAssembly memory has grown. The others grow as slots are first taken,
//! since most caches are far from their `max`. This module finds no entry by name and decides nothing.

use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;

use hot_paths::sample::Looks;
use wire::Position;

use crate::growth;
use crate::pool::PayloadId;

/// The index of an entry in every table.
pub type Slot = u32;

/// Which followed stream vouches for an entry: an index into the lease table.
pub type StreamRef = u16;

/// Entries that no stream covers: bounded by their age alone.
pub const UNFOLLOWED: StreamRef = 0;

/// Entries of an earlier visit, for which no stream has vouched yet: no read hits them.
pub const UNVOUCHED: StreamRef = STREAMS_MAX as StreamRef + 1;

/// The most streams followed at a time: what a server allows one session.
pub const STREAMS_MAX: usize = wire::frame::SUBSCRIPTIONS_MAX as usize;

/// Low bits of a use that hold the frequency.
pub const FREQUENCY_BITS: u32 = 5;

/// The most that a slot's frequency counts.
pub const FREQUENCY_MAX: u8 = (1 << FREQUENCY_BITS) - 1;

/// Cells for the arguments and results of calls about many slots.
pub const MAIL: usize = 192;

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

/// What the core knows of an entry. Its name is in `index`, where it has one.
#[derive(Debug)]
pub struct Entry {
    /// Its category's index.
    pub category: u16,
    /// Its value.
    pub content: Content,
    /// The position at which the value was known to be current; `None` for a value of no stream.
    pub seen: Option<Position>,
    /// The value's version as the application numbers it, where it does.
    pub version: Option<u64>,
    /// Its place in its category's member list.
    pub place: u32,
}

/// The tables. Only `uses`, `mail` and `tick` are shared; JavaScript hears of the others by effects.
#[derive(Debug)]
pub struct Slots {
    /// When the entry is removed by age, in the cache's milliseconds; infinity for never, minus infinity for a free slot.
    pub expires: Vec<f64>,
    /// The tick at the last use, shifted over the uses so far, up to [`FREQUENCY_MAX`]: one cell, so that a hit costs
    /// one load and one store.
    pub uses: Vec<Cell<u32>>,
    /// The stream that vouches for the entry.
    pub stream: Vec<StreamRef>,
    /// Bytes that each entry is charged with. A table of its own, since eviction reads it of many.
    pub sizes: Vec<u32>,
    /// Handles that hold each entry: no eviction takes it. A table of its own for the same reason.
    pub holds: Vec<u16>,
    /// Until when each stream's entries may be read: index 0 is infinity, a stream that is not live minus infinity.
    pub lease: Vec<f64>,
    /// Arguments and results of bulk calls.
    pub mail: Vec<Cell<f64>>,
    /// What JavaScript is to know after each call; see [`State`].
    pub state: Vec<Cell<f64>>,
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
}

impl Slots {
    /// Tables for so many entries.
    pub fn new(capacity: u32) -> Slots {
        let n = capacity as usize;
        let mut lease = vec![f64::NEG_INFINITY; STREAMS_MAX + 2];
        lease[UNFOLLOWED as usize] = f64::INFINITY;
        Slots {
            expires: Vec::new(),
            uses: vec![Cell::new(0); n],
            stream: Vec::new(),
            sizes: Vec::new(),
            holds: Vec::new(),
            lease,
            mail: vec![Cell::new(0.0); MAIL],
            state: vec![Cell::new(0.0); State::COUNT],
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    /// How many entries the tables hold at most.
    pub fn capacity(&self) -> u32 {
        self.uses.len() as u32
    }

    /// The slot that the next entry takes, or `None` when none is free.
    pub fn reserve(&mut self) -> Option<Slot> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        if self.entries.len() == self.uses.len() {
            return None;
        }
        growth::push(&mut self.entries, None);
        growth::push(&mut self.expires, f64::NEG_INFINITY);
        growth::push(&mut self.stream, UNFOLLOWED);
        growth::push(&mut self.sizes, 0);
        growth::push(&mut self.holds, 0);
        Some((self.entries.len() - 1) as Slot)
    }

    /// Puts an entry into a reserved slot. Uses that were counted since it was reserved stay.
    pub fn fill(&mut self, slot: Slot, entry: Entry, stream: StreamRef, expires: f64) {
        self.advance();
        self.entries[slot as usize] = Some(entry);
        self.touch(slot, stream, expires);
    }

    /// Moves the clock of recency by one.
    pub fn advance(&self) {
        self.advance_by(1);
    }

    /// Moves the clock of recency on. It goes round after 2^27 ticks.
    pub fn advance_by(&self, ticks: u32) {
        self.tell(State::Tick, f64::from(self.tick().wrapping_add(ticks << FREQUENCY_BITS)));
    }

    /// The clock of recency: 27 bits.
    pub fn ticks(&self) -> u32 {
        self.tick() >> FREQUENCY_BITS
    }

    /// The clock of recency, in the place that `uses` has it. Insertions move it, and each hit of an `lru` category.
    #[inline(always)]
    fn tick(&self) -> u32 {
        self.state[State::Tick as usize].get() as u32
    }

    /// Tells JavaScript a number.
    pub fn tell(&self, what: State, number: f64) {
        self.state[what as usize].set(number);
    }

    /// Marks a slot as just written.
    pub fn touch(&mut self, slot: Slot, stream: StreamRef, expires: f64) {
        self.expires[slot as usize] = expires;
        self.stream[slot as usize] = stream;
        self.refresh(slot);
    }

    /// Marks a slot as just used, without counting it as a use.
    fn refresh(&self, slot: Slot) {
        self.uses[slot as usize].set(self.tick() | u32::from(self.frequency(slot)));
    }

    /// Sets the uses so far, up to [`FREQUENCY_MAX`].
    pub fn set_frequency(&self, slot: Slot, frequency: u8) {
        let uses = &self.uses[slot as usize];
        uses.set((uses.get() & !u32::from(FREQUENCY_MAX)) | u32::from(frequency.min(FREQUENCY_MAX)));
    }

    /// Counts a use, as a hit in JavaScript does (`category.ts`): `adaptive` leaves the clock alone, `lru` moves it.
    pub fn hit(&self, slot: Slot, moves_clock: Ticks) {
        if moves_clock == Ticks::AtHits {
            self.advance();
        }
        let frequency = (self.frequency(slot) + 1).min(FREQUENCY_MAX);
        self.uses[slot as usize].set(self.tick() | u32::from(frequency));
    }

    /// Uses so far, up to [`FREQUENCY_MAX`].
    #[inline(always)]
    pub fn frequency(&self, slot: Slot) -> u8 {
        (self.uses[slot as usize].get() & u32::from(FREQUENCY_MAX)) as u8
    }

    /// Ticks since the last use, of the 27 bits that are kept: it begins again after 134 million. `adaptive` then spares
    /// once more what so many insertions left alone; `lru` keeps its order by itself (`recency.rs`).
    #[inline(always)]
    pub fn age(&self, slot: Slot) -> u32 {
        let last = self.uses[slot as usize].get() & !u32::from(FREQUENCY_MAX);
        self.tick().wrapping_sub(last) >> FREQUENCY_BITS
    }

    /// What eviction looks at.
    pub fn looks<'a>(&'a self, discounts: &'a [f32; 32], now: f64, spared: Option<Slot>) -> Looks<'a> {
        let Slots { uses, expires, sizes, holds, .. } = self;
        let spared = spared.unwrap_or(Slot::MAX);
        Looks { uses, expires, sizes, holds, discounts, tick: self.tick(), now, spared }
    }

    /// Ends a slot's entry and gives it back. Its uses are still known, and the slot is not free before [`Slots::free`].
    pub fn end(&mut self, slot: Slot) -> Option<Entry> {
        let entry = self.entries.get_mut(slot as usize)?.take()?;
        self.expires[slot as usize] = f64::NEG_INFINITY;
        self.stream[slot as usize] = UNFOLLOWED;
        self.sizes[slot as usize] = 0;
        self.holds[slot as usize] = 0;
        Some(entry)
    }

    /// Lets the next entry take a slot whose entry has ended.
    pub fn free(&mut self, slot: Slot) {
        self.uses[slot as usize].set(0);
        self.free.push(slot);
    }

    /// What a slot holds.
    pub fn get(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(slot as usize)?.as_ref()
    }

    /// What a slot holds, to change.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)?.as_mut()
    }

    /// Slots that were ever taken.
    pub fn taken(&self) -> u32 {
        self.entries.len() as u32
    }

    /// Whether a handle holds the slot's entry.
    #[inline(always)]
    pub fn is_held(&self, slot: Slot) -> bool {
        self.holds[slot as usize] > 0
    }

    /// Whether a read of the slot may hit now: within its age and within its stream's lease. JavaScript makes the same
    /// comparison in `category.ts`, for an entry that is not kept past its freshness.
    pub fn readable(&self, slot: Slot, now: f64) -> bool {
        let i = slot as usize;
        now < self.expires[i] && now < self.lease[self.stream[i] as usize]
    }
}

/// The cells of the table that JavaScript looks at after each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The clock of recency, in the place that `uses` has it: a whole number below 2^32.
    Tick,
    /// Where the effects are, as a byte address.
    Effects,
    /// How many cells they take.
    EffectsLength,
    /// How many keys they name.
    EffectsKeys,
    /// 1 when `upkeep` has work to do.
    Upkeep,
}

impl State {
    /// Cells of the table.
    pub const COUNT: usize = 8;
}

/// What moves the clock of recency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticks {
    /// Insertions alone.
    AtInsertions,
    /// Hits as well: the order of uses is exact.
    AtHits,
}
