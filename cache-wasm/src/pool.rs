//! Payload bytes, stored once however many entries hold them, with a reference count.
//!
//! Equal payloads are found by hash and confirmed byte for byte. Whoever gets a [`PayloadId`] owns one reference and
//! gives it back with [`Pool::release`].

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::slots::Content;
use crate::store::Given;

/// The name of a stored payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadId(u32);

#[derive(Debug)]
struct Shared {
    bytes: Box<[u8]>,
    hash: u64,
    references: u32,
}

/// The payloads of all categories.
#[derive(Debug, Default)]
pub struct Pool {
    payloads: Vec<Option<Shared>>,
    free: Vec<u32>,
    /// The payload of a hash. Of two payloads with one hash the later is stored without being found again.
    by_hash: HashMap<u64, u32, FixedState>,
    bytes: u64,
    shared_bytes: u64,
}

impl Pool {
    /// Stores bytes, or adds a reference to equal ones.
    pub fn insert(&mut self, bytes: Box<[u8]>) -> PayloadId {
        let hash = FixedState::with_seed(0).hash_one(&*bytes);
        if let Some(&index) = self.by_hash.get(&hash)
            && let Some(shared) = self.payloads[index as usize].as_mut()
            && shared.bytes == bytes
        {
            shared.references += 1;
            self.shared_bytes += bytes.len() as u64;
            return PayloadId(index);
        }
        self.bytes += bytes.len() as u64;
        let shared = Some(Shared { bytes, hash, references: 1 });
        let index = match self.free.pop() {
            Some(index) => {
                self.payloads[index as usize] = shared;
                index
            }
            None => {
                self.payloads.push(shared);
                (self.payloads.len() - 1) as u32
            }
        };
        self.by_hash.entry(hash).or_insert(index);
        PayloadId(index)
    }

    /// Gives one reference back; the last one frees the bytes.
    pub fn release(&mut self, id: PayloadId) {
        let Some(shared) = self.payloads[id.0 as usize].as_mut() else { return };
        shared.references -= 1;
        if shared.references > 0 {
            self.shared_bytes -= shared.bytes.len() as u64;
            return;
        }
        self.bytes -= shared.bytes.len() as u64;
        if self.by_hash.get(&shared.hash) == Some(&id.0) {
            self.by_hash.remove(&shared.hash);
        }
        self.payloads[id.0 as usize] = None;
        self.free.push(id.0);
    }

    /// Takes what an entry is given; a value that JavaScript keeps costs nothing here.
    pub fn take(&mut self, given: Given) -> Content {
        match given {
            Given::Bytes(bytes) => Content::Payload(self.insert(bytes)),
            Given::Absent => Content::Absent,
            Given::Reference(_) => Content::Reference,
        }
    }

    /// Whether an entry holds already what it is given. Of two references nobody here can tell.
    pub fn holds(&self, content: Content, given: &Given) -> bool {
        match (content, given) {
            (Content::Payload(payload), Given::Bytes(bytes)) => self.bytes(payload) == &**bytes,
            (Content::Absent, Given::Absent) => true,
            _ => false,
        }
    }

    /// Takes back what an entry held.
    pub fn give_back(&mut self, content: Content) {
        if let Content::Payload(payload) = content {
            self.release(payload);
        }
    }

    /// The bytes of a payload.
    pub fn bytes(&self, id: PayloadId) -> &[u8] {
        self.payloads[id.0 as usize].as_ref().map_or(&[], |shared| &shared.bytes)
    }

    /// Bytes stored.
    pub fn stored_bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that equal payloads did not cost.
    pub fn shared_bytes(&self) -> u64 {
        self.shared_bytes
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

    proptest! {
        /// Against a plain list of what is held: bytes read back, equal ones are stored once, the last release frees.
        #[test]
        fn references_are_counted(operations in prop::collection::vec((any::<bool>(), 0u8..6, any::<u16>()), 0..200)) {
            let mut pool = Pool::default();
            let mut held: Vec<(PayloadId, u8)> = Vec::new();
            for (insert, value, at) in operations {
                if insert || held.is_empty() {
                    held.push((pool.insert(vec![value; 3].into()), value));
                } else {
                    let (id, _) = held.swap_remove(at as usize % held.len());
                    pool.release(id);
                }
                let distinct = (0..6).filter(|v| held.iter().any(|(_, h)| h == v)).count();
                prop_assert_eq!(pool.len(), distinct);
                prop_assert_eq!(pool.stored_bytes(), 3 * distinct as u64);
                prop_assert_eq!(pool.shared_bytes(), 3 * (held.len() - distinct) as u64);
                for (id, value) in &held {
                    prop_assert_eq!(pool.bytes(*id), &[*value; 3]);
                }
            }
        }
    }
}
