//! The index as JavaScript keeps it: built from effects alone, by the rules of `js/mirror.ts`, and compared with the
//! store's own after every step. A difference would let a read hit the slot of another key, or past its time.

use std::collections::{BTreeMap, HashMap};

use cache_wasm::Effect;
use cache_wasm::slots::{Content, Slot, StreamRef};
use cache_wasm::store::{Freshness, Store};
use wire::Key;

/// What JavaScript knows of an entry.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    category: u16,
    key: Key,
    freshness: Freshness,
    content: Content,
}

/// What JavaScript knows of all of them.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    slots: BTreeMap<Slot, Known>,
    leases: HashMap<StreamRef, f64>,
}

impl Mirror {
    /// Repeats effects, then compares.
    pub(crate) fn repeat(&mut self, effects: &[Effect], store: &Store) {
        for effect in effects {
            match effect {
                Effect::Stored(slot, category, key, freshness, holding) => {
                    let (key, content) = (key.clone(), holding.content);
                    let known = Known { category: *category, key, freshness: *freshness, content };
                    assert_eq!(self.slots.insert(*slot, known), None, "a value takes a free slot");
                }
                Effect::Changed(slot, freshness, holding) => {
                    let known = self.slots.get_mut(slot).expect("only a stored entry changes");
                    (known.freshness, known.content) = (*freshness, holding.content);
                }
                Effect::Touched(slot, freshness) => {
                    self.slots.get_mut(slot).expect("only a stored entry is touched").freshness = *freshness;
                }
                Effect::Removed(slot, _) => {
                    self.slots.remove(slot).expect("only a stored entry is removed");
                }
                Effect::Lease(stream, until) => {
                    self.leases.insert(*stream, *until);
                }
            }
        }
        assert_eq!(self.slots, listed(store), "what JavaScript knows (left) against the store (right)");
        for (&stream, &until) in &self.leases {
            assert_eq!(store.slots.lease[usize::from(stream)], until, "the lease of stream {stream}");
        }
        let leased = (0u16..).zip(&store.slots.lease).skip(1).filter(|(_, until)| until.is_finite());
        assert!(leased.into_iter().all(|(stream, _)| self.leases.contains_key(&stream)), "every lease is told");
    }
}

fn listed(store: &Store) -> BTreeMap<Slot, Known> {
    let categories = store.categories().iter().zip(0u16..);
    let members = categories.flat_map(|(category, number)| category.members.iter().map(move |&slot| (number, slot)));
    let known = members.map(|(category, slot)| {
        let (entry, key) = (store.slots.get(slot).expect("a member is an entry"), store.index().key(slot));
        let key = key.expect("an entry of the core's own has a name").clone();
        assert_eq!((entry.category, store.find(category, &key)), (category, Some(slot)), "the index finds {key}");
        (slot, Known { category, key, freshness: store.freshness(slot), content: entry.content })
    });
    known.collect()
}
