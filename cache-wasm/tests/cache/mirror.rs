//! The index as JavaScript keeps it: built from effects alone, by the rules of `js/manager.ts`, and compared with the
//! store's own after every step. A difference would let a read hit the slot of another key.

use std::collections::{BTreeMap, HashMap};

use cache_wasm::slots::Slot;
use cache_wasm::store::Store;
use cache_wasm::{Effect, Reason};
use wire::Key;

/// What JavaScript knows of the slots.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    slots: HashMap<Slot, (u16, Key)>,
    index: BTreeMap<(u16, Key), Slot>,
}

impl Mirror {
    /// Repeats effects, then compares.
    pub(crate) fn repeat(&mut self, effects: &[Effect], store: &Store) {
        for effect in effects {
            match effect {
                Effect::Stored(slot, category, key) => {
                    self.slots.insert(*slot, (*category, key.clone()));
                    self.index.insert((*category, key.clone()), *slot);
                }
                // The slot keeps its key; its decoded value is dropped.
                Effect::Removed(_, Reason::Replaced) => {}
                Effect::Removed(slot, _) => {
                    let name = self.slots.remove(slot).expect("only a stored entry is removed");
                    self.index.remove(&name);
                }
            }
        }
        assert_eq!(self.index, listed(store), "JavaScript's index (left) against the store's (right)");
    }
}

fn listed(store: &Store) -> BTreeMap<(u16, Key), Slot> {
    let categories = store.categories().iter().zip(0u16..);
    let members = categories.flat_map(|(category, number)| category.members.iter().map(move |&slot| (number, slot)));
    let named = members.map(|(number, slot)| {
        let entry = store.slots.get(slot).expect("a member is an entry");
        assert_eq!(store.find(number, &entry.key), Some(slot), "the index finds {}", entry.key);
        ((number, entry.key.clone()), slot)
    });
    named.collect()
}
