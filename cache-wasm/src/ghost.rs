//! What is remembered of entries that left: how often they were used, and how much was evicted since.
//!
//! A fixed table of buckets of four. A full bucket forgets its oldest, so the table needs no upkeep and never lies for
//! long. A ghost is found by 26 bits of its key's hash: about one newcomer in ten million is taken for another key, and
//! then starts with the other's frequency. This module decides nothing.

use alloc::vec;
use alloc::vec::Vec;

use crate::slots::{FREQUENCY_BITS, FREQUENCY_MAX};

/// Ghosts that share a bucket. With one, keys that collide erase each other, which costs two to five thousandths of the
/// best possible hits; eight earn no more than four.
const WAYS: usize = 4;

/// Ghosts for each entry at least, and up to twice as many: 16 to 32 bytes. With half of them four thousandths of the
/// hits are lost, with twice as many three are won.
const PER_ENTRY: usize = 2;

/// The bit above the frequency: that the entry left to make room.
const FOR_ROOM: u32 = 1 << FREQUENCY_BITS;

/// The bits of a mark that are not the fingerprint.
const NOTES: u32 = 2 * FOR_ROOM - 1;

/// What was known of a key that comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ghost {
    /// Its uses when it left, up to [`FREQUENCY_MAX`].
    pub frequency: u8,
    /// Bytes evicted since it was itself; `None` where it did not leave to make room.
    pub distance: Option<u32>,
}

/// `mark` is fingerprint, [`FOR_ROOM`] and frequency; 0 is nobody.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    mark: u32,
    /// [`Ghosts::evicted`] when it left.
    at: u32,
}

/// The ghosts of one category.
#[derive(Debug, Default)]
pub struct Ghosts {
    /// A power of two, or none yet.
    cells: Vec<Cell>,
    /// Bytes evicted so far. It wraps: a ghost of 4 GiB ago would look new, had it not been overwritten long before.
    evicted: u32,
}

impl Ghosts {
    /// Makes room for the ghosts of so many entries. Growing forgets those there are: a category that still grows
    /// has evicted little.
    pub fn reserve(&mut self, entries: usize) {
        if self.cells.len() < PER_ENTRY * entries {
            let cells = (PER_ENTRY * entries).next_power_of_two().max(2 * WAYS);
            self.cells = vec![Cell::default(); cells];
        }
    }

    /// Remembers an entry that was evicted.
    pub fn evict(&mut self, key_hash: u64, frequency: u8, size: u32) {
        self.evicted = self.evicted.wrapping_add(size);
        self.bury(key_hash, u32::from(frequency) | FOR_ROOM);
    }

    /// Remembers an entry that had to go for another reason, as its age or a change.
    pub fn lose(&mut self, key_hash: u64, frequency: u8) {
        self.bury(key_hash, u32::from(frequency));
    }

    fn bury(&mut self, key_hash: u64, notes: u32) {
        let evicted = self.evicted;
        let fingerprint = fingerprint(key_hash);
        let Some(bucket) = self.bucket(key_hash) else { return };
        let same = bucket.iter().position(|cell| cell.mark & !NOTES == fingerprint);
        let place = same.or_else(|| (0..WAYS).max_by_key(|&i| age(bucket[i], evicted))).unwrap_or(0);
        bucket[place] = Cell { mark: fingerprint | notes, at: evicted };
    }

    /// Takes a key's ghost out.
    pub fn recall(&mut self, key_hash: u64) -> Option<Ghost> {
        let evicted = self.evicted;
        let fingerprint = fingerprint(key_hash);
        let found =
            self.bucket(key_hash)?.iter_mut().find(|cell| cell.mark != 0 && cell.mark & !NOTES == fingerprint)?;
        let Cell { mark, at } = core::mem::take(found);
        let frequency = (mark & u32::from(FREQUENCY_MAX)) as u8;
        Some(Ghost { frequency, distance: (mark & FOR_ROOM != 0).then(|| evicted.wrapping_sub(at)) })
    }

    fn bucket(&mut self, key_hash: u64) -> Option<&mut [Cell]> {
        let buckets = self.cells.len() / WAYS;
        let start = key_hash as usize & buckets.checked_sub(1)?;
        self.cells.get_mut(start * WAYS..(start + 1) * WAYS)
    }
}

/// The bits that the bucket is not found by.
fn fingerprint(key_hash: u64) -> u32 {
    (key_hash >> 32) as u32 & !NOTES
}

/// An empty cell is older than any.
fn age(cell: Cell, evicted: u32) -> u64 {
    if cell.mark == 0 { u64::MAX } else { u64::from(evicted.wrapping_sub(cell.at)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: usize) -> Ghosts {
        let mut ghosts = Ghosts::default();
        ghosts.reserve(entries);
        ghosts
    }

    /// Hashes of one bucket.
    fn hash(number: u64) -> u64 {
        (number + 1) << 40
    }

    #[test]
    fn a_ghost_knows_its_uses_and_what_was_evicted_since_and_is_recalled_once() {
        let mut ghosts = table(100);
        ghosts.evict(hash(0), 9, 500);
        ghosts.evict(hash(1), 31, 40);
        ghosts.lose(hash(2), 3);
        assert_eq!(ghosts.recall(hash(0)), Some(Ghost { frequency: 9, distance: Some(40) }));
        assert_eq!(ghosts.recall(hash(0)), None);
        assert_eq!(ghosts.recall(hash(1)), Some(Ghost { frequency: 31, distance: Some(0) }));
        assert_eq!(ghosts.recall(hash(2)), Some(Ghost { frequency: 3, distance: None }));
        assert_eq!(ghosts.recall(hash(3)), None);
    }

    #[test]
    fn a_full_bucket_forgets_its_oldest() {
        let mut ghosts = table(2);
        (0..5).for_each(|number| ghosts.evict(hash(number), 1, 10));
        assert_eq!(ghosts.recall(hash(0)), None);
        (1..5).for_each(|number| assert!(ghosts.recall(hash(number)).is_some(), "{number}"));
    }

    #[test]
    fn a_key_that_leaves_again_takes_its_own_place() {
        let mut ghosts = table(2);
        (0..4).for_each(|number| ghosts.evict(hash(number), 1, 10));
        ghosts.evict(hash(2), 7, 10);
        (0..4).for_each(|number| {
            let expected = if number == 2 { 7 } else { 1 };
            assert_eq!(ghosts.recall(hash(number)).map(|ghost| ghost.frequency), Some(expected));
        });
    }

    #[test]
    fn distances_hold_over_the_end_of_the_count() {
        let mut ghosts = table(10);
        ghosts.evict(hash(0), 0, u32::MAX - 5);
        ghosts.evict(hash(1), 0, 3);
        ghosts.evict(hash(2), 0, 100);
        assert_eq!(ghosts.recall(hash(1)).and_then(|ghost| ghost.distance), Some(100));
    }

    #[test]
    fn without_room_nothing_is_remembered() {
        let mut ghosts = Ghosts::default();
        ghosts.evict(hash(0), 1, 10);
        assert_eq!(ghosts.recall(hash(0)), None);
    }
}
