//! Payload bytes, stored once however many entries hold them, with a reference count; packed when that was asked for.
//!
//! Equal payloads are found by hash and confirmed byte for byte. Whoever gets a [`PayloadId`] owns one reference and
//! gives it back with [`Pool::release`]. Where the bytes lie is `segments`, how they shrink is `pack`.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::growth;
use crate::pack::{DictionaryId, Packed, Packer};
use crate::segments::{Backing, Place, Segments};
use hot_paths::{Table, hash_bytes};

/// The name of a stored payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadId(u32);

/// Whether a payload is packed, and what can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Raw,
    /// It does not shrink: not to be tried again.
    Stubborn,
    Packed(DictionaryId),
}

#[derive(Debug)]
struct Shared {
    place: Place,
    /// Bytes before packing.
    raw: u32,
    form: Form,
    hash: u64,
    references: u32,
}

/// The payloads of all categories.
#[derive(Debug)]
pub struct Pool {
    payloads: Vec<Option<Shared>>,
    free: Vec<u32>,
    by_hash: Table,
    segments: Segments,
    packer: Packer,
    /// Bytes of payloads before packing, each once, and as often as they are referred to.
    raw_bytes: u64,
    referred_bytes: u64,
}

impl Pool {
    /// An empty pool, for so many categories.
    pub fn new(categories: usize, backing: Box<dyn Backing>) -> Pool {
        Pool {
            payloads: Vec::new(),
            free: Vec::new(),
            by_hash: Table::default(),
            segments: Segments::new(backing),
            packer: Packer::new(categories),
            raw_bytes: 0,
            referred_bytes: 0,
        }
    }

    fn shared(&self, id: PayloadId) -> Option<&Shared> {
        self.payloads.get(id.0 as usize)?.as_ref()
    }

    /// Stores bytes, or adds a reference to equal ones.
    pub fn insert(&mut self, bytes: &[u8]) -> PayloadId {
        self.referred_bytes += bytes.len() as u64;
        let hash = hash_bytes(bytes);
        let is_equal = |index| {
            self.shared(PayloadId(index)).is_some_and(|shared| shared.hash == hash)
                && self.equals(PayloadId(index), bytes)
        };
        if let Some(index) = self.by_hash.find(hash, &is_equal) {
            if let Some(shared) = self.payloads[index as usize].as_mut() {
                shared.references += 1;
            }
            return PayloadId(index);
        }
        self.raw_bytes += bytes.len() as u64;
        let place = self.segments.append(bytes);
        let shared = Some(Shared { place, raw: place.length, form: Form::Raw, hash, references: 1 });
        let index = match self.free.pop() {
            Some(index) => {
                self.payloads[index as usize] = shared;
                index
            }
            None => {
                growth::push(&mut self.payloads, shared);
                (self.payloads.len() - 1) as u32
            }
        };
        let payloads = &self.payloads;
        let rehash = |other: u32| payloads[other as usize].as_ref().map_or(0, |shared| shared.hash);
        self.by_hash.insert(hash, index, &rehash);
        PayloadId(index)
    }

    /// Gives one reference back; the last one frees the bytes.
    pub fn release(&mut self, id: PayloadId) {
        let Some(shared) = self.payloads[id.0 as usize].as_mut() else { return };
        self.referred_bytes -= u64::from(shared.raw);
        shared.references -= 1;
        if shared.references > 0 {
            return;
        }
        let Some(Shared { place, raw, form, hash, .. }) = self.payloads[id.0 as usize].take() else { return };
        self.raw_bytes -= u64::from(raw);
        self.segments.release(place);
        if let Form::Packed(dictionary) = form {
            self.packer.release(dictionary);
        }
        self.by_hash.replace(hash, id.0, None);
        self.free.push(id.0);
    }

    /// Whether a payload's bytes are these.
    pub fn equals(&self, id: PayloadId, bytes: &[u8]) -> bool {
        self.shared(id).is_some_and(|shared| shared.raw as usize == bytes.len()) && self.bytes(id) == bytes
    }

    /// The bytes of a payload, as they were before packing.
    pub fn bytes(&self, id: PayloadId) -> Vec<u8> {
        let Some(shared) = self.shared(id) else { return Vec::new() };
        let mut stored = Vec::new();
        self.segments.read(shared.place, &mut stored);
        match shared.form {
            Form::Packed(dictionary) => self.packer.unpack(dictionary, &stored, shared.raw as usize),
            Form::Raw | Form::Stubborn => stored,
        }
    }

    /// A payload's bytes before packing, and how many entries refer to it.
    pub fn size(&self, id: PayloadId) -> (u32, u32) {
        self.shared(id).map_or((0, 0), |shared| (shared.raw, shared.references))
    }

    /// Bytes that a payload takes now.
    pub fn stored_size(&self, id: PayloadId) -> u32 {
        self.shared(id).map_or(0, |shared| shared.place.length)
    }

    /// Packs a payload with the dictionary of a category. `false` when that is not made yet: ask again later.
    pub fn pack(&mut self, id: PayloadId, category: u16) -> bool {
        if self.shared(id).is_none_or(|shared| shared.form != Form::Raw) {
            return true;
        }
        let raw = self.bytes(id);
        let packed = self.packer.pack(category, &raw);
        let Some(shared) = self.payloads[id.0 as usize].as_mut() else { return true };
        match packed {
            Packed::Smaller(dictionary, bytes) => {
                let before = shared.place;
                shared.form = Form::Packed(dictionary);
                shared.place = self.segments.append(&bytes);
                self.segments.release(before);
                true
            }
            Packed::Not => {
                shared.form = Form::Stubborn;
                true
            }
            Packed::Later => false,
        }
    }

    /// Makes a category's dictionary of what there is; whether it has one.
    pub fn train(&mut self, category: u16) -> bool {
        self.packer.train(category)
    }

    /// Moves what lives in a segment that is partly dead, and frees it; whether there was one.
    pub fn compact(&mut self) -> bool {
        let Some(segment) = self.segments.wasteful() else { return false };
        let mut bytes = Vec::new();
        for shared in self.payloads.iter_mut().flatten().filter(|shared| shared.place.segment == segment) {
            self.segments.read(shared.place, &mut bytes);
            let before = core::mem::replace(&mut shared.place, self.segments.append(&bytes));
            self.segments.release(before);
        }
        true
    }

    /// Bytes stored, as packed.
    pub fn stored_bytes(&self) -> u64 {
        self.segments.live()
    }

    /// Bytes of the segments that they lie in.
    pub fn segment_bytes(&self) -> u64 {
        self.segments.allocated()
    }

    /// Bytes of dictionaries.
    pub fn dictionary_bytes(&self) -> u64 {
        self.packer.dictionary_bytes()
    }

    /// Dictionaries that a category has made so far.
    pub fn trained(&self, category: u16) -> u32 {
        self.packer.trained(category)
    }

    /// Bytes of the payloads before packing, each once.
    pub fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    /// Bytes before packing that equal payloads did not cost.
    pub fn shared_bytes(&self) -> u64 {
        self.referred_bytes - self.raw_bytes
    }

    /// References to payloads, over all entries.
    pub fn references(&self) -> u64 {
        self.payloads.iter().flatten().map(|shared| u64::from(shared.references)).sum()
    }

    /// Payloads stored.
    pub fn len(&self) -> usize {
        self.payloads.len() - self.free.len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::segments::Heap;

    /// A payload of this value: some long enough to be packed, some not.
    fn payload(value: u8) -> Vec<u8> {
        format!("{{\"value\":{value},\"text\":\"{}\"}}", "lorem ipsum ".repeat(usize::from(value) * 7)).into_bytes()
    }

    proptest! {
        /// Against a plain list of what is held: bytes read back, equal ones are stored once, the last release frees,
        /// whatever was packed and moved meanwhile.
        #[test]
        fn references_are_counted(operations in prop::collection::vec((0u8..6, 0u8..6, any::<u16>()), 0..300)) {
            let mut pool = Pool::new(1, Box::<Heap>::default());
            let mut held: Vec<(PayloadId, u8)> = Vec::new();
            for (operation, value, at) in operations {
                match operation {
                    0..=2 => held.push((pool.insert(&payload(value)), value)),
                    3 if !held.is_empty() => {
                        pool.pack(held[at as usize % held.len()].0, 0);
                        pool.train(0);
                    }
                    4 => {
                        pool.compact();
                    }
                    _ if !held.is_empty() => {
                        let (id, _) = held.swap_remove(at as usize % held.len());
                        pool.release(id);
                    }
                    _ => {}
                }
                let distinct: Vec<u8> = (0..6).filter(|v| held.iter().any(|(_, h)| h == v)).collect();
                let raw: u64 = distinct.iter().map(|&value| payload(value).len() as u64).sum();
                let all: u64 = held.iter().map(|&(_, value)| payload(value).len() as u64).sum();
                prop_assert_eq!((pool.len(), pool.references()), (distinct.len(), held.len() as u64));
                prop_assert_eq!((pool.raw_bytes(), pool.shared_bytes()), (raw, all - raw));
                prop_assert!(pool.stored_bytes() <= raw && pool.stored_bytes() <= pool.segment_bytes());
                for (id, value) in &held {
                    prop_assert_eq!(pool.bytes(*id), payload(*value));
                }
            }
            for (id, _) in held {
                pool.release(id);
            }
            prop_assert!(pool.is_empty() && pool.stored_bytes() == 0);
        }
    }
}
