//! A hash table of numbers whose names lie elsewhere: the one shape of table in this crate.
//!
//! It is told hashes and asks back which number a name belongs to, through references to functions: each table with a
//! type or a closure of its own would be another copy of the same code in the module that pages download.

use core::hash::Hasher;

use hashbrown::HashTable;
use rustc_hash::FxHasher;

/// A hash for the tables, the same in every run.
#[inline(never)]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

/// The hash of a name.
#[inline(never)]
pub fn hash_of(text: &str) -> u64 {
    hash_bytes(text.as_bytes())
}

/// Numbers, each once, found by the hash of what they stand for.
#[derive(Debug, Default)]
pub struct Table(HashTable<u32>);

impl Table {
    /// The number of this hash that is the one.
    #[inline(never)]
    pub fn find(&self, hash: u64, is_it: &dyn Fn(u32) -> bool) -> Option<u32> {
        self.0.find(hash, |&number| is_it(number)).copied()
    }

    /// Adds a number. `rehash` tells the hash of any number that is here.
    #[inline(never)]
    pub fn insert(&mut self, hash: u64, number: u32, rehash: &dyn Fn(u32) -> u64) {
        self.0.insert_unique(hash, number, |&other| rehash(other));
    }

    /// Puts a number in the place of another of the same hash; `None` takes that out. Whether it was there.
    #[inline(never)]
    pub fn replace(&mut self, hash: u64, number: u32, by: Option<u32>) -> bool {
        let Ok(mut place) = self.0.find_entry(hash, |&other| other == number) else { return false };
        match by {
            Some(by) => *place.get_mut() = by,
            None => drop(place.remove()),
        }
        true
    }

    /// How many numbers.
    #[inline(never)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[inline(never)]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
