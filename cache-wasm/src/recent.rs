//! Something known of each of the most recent keys, of a bounded number of them.
//!
//! Who leaves is found by a hand that goes round and spares, once, what was used since it came by: near to the one used
//! longest ago, without a list to keep in order. `lru` does it exactly, at four times the size in the module.

use alloc::vec::Vec;

use hot_paths::{Table, hash_of};
use wire::Key;

#[derive(Debug)]
struct Item<V> {
    key: Key,
    value: V,
    was_used: bool,
}

/// Values by key.
#[derive(Debug)]
pub struct Recent<V> {
    items: Vec<Item<V>>,
    table: Table,
    max: usize,
    hand: usize,
}

impl<V: Default> Recent<V> {
    /// Room for so many keys; at least 1.
    pub fn new(max: usize) -> Recent<V> {
        Recent { items: Vec::new(), table: Table::default(), max, hand: 0 }
    }

    fn place(&self, key: &Key) -> Option<usize> {
        let place = self.table.find(hash_of(key.as_str()), &|place| self.items[place as usize].key == *key);
        place.map(|place| place as usize)
    }

    /// A key's value, as it is: to look is no use.
    pub fn peek(&self, key: &Key) -> Option<&V> {
        self.place(key).map(|place| &self.items[place].value)
    }

    /// A key's value, which is used; the default where there was none.
    pub fn get_mut(&mut self, key: Key) -> &mut V {
        let place = self.place(&key).unwrap_or_else(|| self.insert(key));
        let item = &mut self.items[place];
        item.was_used = true;
        &mut item.value
    }

    fn insert(&mut self, key: Key) -> usize {
        let hash = hash_of(key.as_str());
        let item = Item { key, value: V::default(), was_used: false };
        let place = if self.items.len() < self.max {
            self.items.push(item);
            self.items.len() - 1
        } else {
            let place = self.vacate();
            self.items[place] = item;
            place
        };
        let items = &self.items;
        self.table.insert(hash, place as u32, &|other| hash_of(items[other as usize].key.as_str()));
        place
    }

    fn vacate(&mut self) -> usize {
        loop {
            let place = self.hand % self.items.len();
            self.hand = place + 1;
            let item = &mut self.items[place];
            if !core::mem::take(&mut item.was_used) {
                self.table.replace(hash_of(item.key.as_str()), place as u32, None);
                return place;
            }
        }
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: &Key) {
        let Some(place) = self.place(key) else { return };
        self.table.replace(hash_of(key.as_str()), place as u32, None);
        self.items.swap_remove(place);
        if let Some(moved) = self.items.get(place) {
            self.table.replace(hash_of(moved.key.as_str()), self.items.len() as u32, Some(place as u32));
        }
    }

    /// Keys that something is known of.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> Key {
        Key::parse(&format!("a:{number}")).unwrap()
    }

    #[test]
    fn the_unused_leave_before_the_used() {
        let mut recent = Recent::new(3);
        for number in [1, 2, 3] {
            *recent.get_mut(key(number)) = number;
        }
        // One round takes the marks of the first three, and the first goes; the second is then marked again.
        recent.get_mut(key(4));
        recent.get_mut(key(2));
        recent.get_mut(key(5));
        let there = [1, 2, 3, 4, 5].map(|number| recent.peek(&key(number)).is_some());
        assert_eq!(there, [false, true, false, true, true]);
    }

    proptest! {
        /// Against a plain map: never more keys than fit, and what is there has its value.
        #[test]
        fn what_is_there_has_its_value(steps in prop::collection::vec((0u8..12, any::<bool>()), 1..200)) {
            let (mut recent, mut model) = (Recent::new(5), BTreeMap::new());
            for (step, (number, is_removal)) in steps.into_iter().enumerate() {
                if is_removal {
                    recent.remove(&key(number));
                    prop_assert_eq!(recent.peek(&key(number)), None);
                } else {
                    *recent.get_mut(key(number)) = step;
                    model.insert(number, step);
                }
                prop_assert!(recent.len() <= 5);
                let found = (0..12).filter_map(|number| Some((number, *recent.peek(&key(number))?)));
                let found: Vec<_> = found.collect();
                prop_assert_eq!(found.len(), recent.len());
                prop_assert!(found.iter().all(|(number, value)| model.get(number) == Some(value)));
            }
        }
    }
}
