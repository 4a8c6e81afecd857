//! Finds entries by key, over all categories, and by scope. Purging a scope costs what it removes, not what is there.
//!
//! Two hash tables: keys to the entries of that name, chained over the categories, and scopes to nodes of a tree, in
//! which a node exists exactly while an entry lies under it. A scope is found by its text whatever its depth, and what
//! it holds by walking down. Tags are `tags`.

use alloc::vec::Vec;

use hot_paths::{Table, hash_of};
use wire::key::ROOT_SEGMENTS;
use wire::{Key, Scope};

use crate::growth;
use crate::slots::Slot;

/// No slot, and no node.
const NONE: u32 = u32::MAX;

/// What is known of a slot by name.
#[derive(Debug, Clone)]
struct Name {
    key: Key,
    hash: u64,
    /// The next entry of the same key, in another category.
    alike: Slot,
    /// The node of the key's parent scope, or [`NONE`] for a key that lies in none.
    node: u32,
    /// Its neighbours among the node's own entries.
    before: Slot,
    after: Slot,
}

/// A scope under which entries lie.
#[derive(Debug, Clone)]
struct Node {
    /// A key that begins with the scope; it may have left since.
    key: Key,
    hash: u64,
    /// Bytes of the scope.
    length: u16,
    parent: u32,
    before: u32,
    after: u32,
    first_child: u32,
    first_entry: Slot,
}

impl Node {
    fn text(&self) -> &str {
        self.key.as_str().get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// The names of all entries.
#[derive(Debug, Default)]
pub struct Index {
    /// By slot.
    names: Vec<Option<Name>>,
    keys: Table,
    nodes: Vec<Node>,
    free: Vec<u32>,
    scopes: Table,
}

impl Index {
    /// The name of a slot.
    pub fn key(&self, slot: Slot) -> Option<&Key> {
        self.name(slot).map(|name| &name.key)
    }

    /// The hash of a slot's name.
    pub fn hash(&self, slot: Slot) -> Option<u64> {
        self.name(slot).map(|name| name.hash)
    }

    fn name(&self, slot: Slot) -> Option<&Name> {
        self.names.get(slot as usize)?.as_ref()
    }

    fn name_mut(&mut self, slot: Slot) -> Option<&mut Name> {
        self.names.get_mut(slot as usize)?.as_mut()
    }

    /// The slots of a key, one a category at most.
    pub fn slots_of(&self, key: &Key) -> impl Iterator<Item = Slot> + '_ {
        let is_it = |slot: Slot| self.key(slot) == Some(key);
        let mut next = self.keys.find(hash_of(key.as_str()), &is_it);
        core::iter::from_fn(move || {
            let slot = next?;
            next = self.name(slot).map(|name| name.alike).filter(|&alike| alike != NONE);
            Some(slot)
        })
    }

    /// Names a slot that has no name.
    pub fn insert(&mut self, key: Key, slot: Slot) {
        while self.names.len() <= slot as usize {
            growth::push(&mut self.names, None);
        }
        let node = parent_of(key.as_str(), key.as_str().len()).map_or(NONE, |length| self.node_of(&key, length));
        let after =
            if node == NONE { NONE } else { core::mem::replace(&mut self.nodes[node as usize].first_entry, slot) };
        if let Some(after) = self.name_mut(after) {
            after.before = slot;
        }
        let names = &self.names;
        let name = |slot: Slot| names[slot as usize].as_ref();
        let hash = hash_of(key.as_str());
        let is_it = |other| name(other).is_some_and(|name| name.hash == hash && name.key == key);
        let alike = match self.keys.find(hash, &is_it) {
            Some(first) => {
                self.keys.replace(hash, first, Some(slot));
                first
            }
            None => {
                self.keys.insert(hash, slot, &|other| name(other).map_or(0, |name| name.hash));
                NONE
            }
        };
        self.names[slot as usize] = Some(Name { key, hash, alike, node, before: NONE, after });
    }

    /// Forgets a slot's name, and gives it back.
    pub fn remove(&mut self, slot: Slot) -> Option<Key> {
        self.unchain(slot);
        let Name { key, node, before, after, .. } = self.names.get_mut(slot as usize)?.take()?;
        if let Some(after) = self.name_mut(after) {
            after.before = before;
        }
        match self.name_mut(before) {
            Some(before) => before.after = after,
            None if node != NONE => {
                self.nodes[node as usize].first_entry = after;
                self.prune(node);
            }
            None => {}
        }
        Some(key)
    }

    /// Takes a slot out of the chain of its key. It still has its name, by which the table finds the chain.
    fn unchain(&mut self, slot: Slot) {
        let Some(&Name { hash, alike, .. }) = self.name(slot) else { return };
        if self.keys.replace(hash, slot, (alike != NONE).then_some(alike)) {
            return;
        }
        // Another category's entry is the first of the chain.
        let Some(key) = self.key(slot) else { return };
        let Some(first) = self.keys.find(hash, &|other| self.key(other) == Some(key)) else { return };
        let mut at = first;
        while let Some(name) = self.name_mut(at) {
            if name.alike == slot {
                name.alike = alike;
                return;
            }
            at = name.alike;
        }
    }

    /// The node of a key's first `length` bytes, made with those above it if need be.
    fn node_of(&mut self, key: &Key, length: usize) -> u32 {
        let text = &key.as_str()[..length];
        let hash = hash_of(text);
        if let Some(node) = self.scopes.find(hash, &|node| self.nodes[node as usize].text() == text) {
            return node;
        }
        let parent = parent_of(text, length - 1).map_or(NONE, |length| self.node_of(key, length));
        let node = self.free.pop().unwrap_or(self.nodes.len() as u32);
        let after =
            self.nodes.get_mut(parent as usize).map_or(NONE, |up| core::mem::replace(&mut up.first_child, node));
        if let Some(after) = self.nodes.get_mut(after as usize) {
            after.before = node;
        }
        let made = Node {
            key: key.clone(),
            hash,
            length: length as u16,
            parent,
            before: NONE,
            after,
            first_child: NONE,
            first_entry: NONE,
        };
        match self.nodes.get_mut(node as usize) {
            Some(place) => *place = made,
            None => growth::push(&mut self.nodes, made),
        }
        let nodes = &self.nodes;
        self.scopes.insert(hash, node, &|other| nodes[other as usize].hash);
        node
    }

    /// Removes nodes under which nothing lies any more, from this one up.
    fn prune(&mut self, mut node: u32) {
        while let Some(&Node { first_entry: NONE, first_child: NONE, hash, parent, before, after, .. }) =
            self.nodes.get(node as usize)
        {
            self.scopes.replace(hash, node, None);
            self.free.push(node);
            if let Some(after) = self.nodes.get_mut(after as usize) {
                after.before = before;
            }
            if let Some(before) = self.nodes.get_mut(before as usize) {
                before.after = after;
            } else if let Some(parent) = self.nodes.get_mut(parent as usize) {
                parent.first_child = after;
            }
            node = parent;
        }
    }

    /// The node of a scope.
    fn top(&self, scope: &Scope) -> Option<u32> {
        let text = scope.as_str();
        self.scopes.find(hash_of(text), &|node| self.nodes[node as usize].text() == text)
    }

    /// The slots under a scope.
    pub fn under(&self, scope: &Scope) -> Vec<Slot> {
        let mut found = Vec::new();
        let mut nodes: Vec<u32> = self.top(scope).into_iter().collect();
        let mut at = 0;
        while let Some(&node) = nodes.get(at) {
            let Node { first_child, first_entry, .. } = self.nodes[node as usize];
            let mut child = first_child;
            while let Some(node) = self.nodes.get(child as usize) {
                nodes.push(child);
                child = node.after;
            }
            let mut slot = first_entry;
            while let Some(name) = self.name(slot) {
                found.push(slot);
                slot = name.after;
            }
            at += 1;
        }
        found
    }

    /// How many keys have a name here; one that several categories hold counts once.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing has a name.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Nodes of the tree of scopes.
    pub fn scopes(&self) -> usize {
        self.scopes.len()
    }
}

/// Bytes of the longest scope that ends within the first `end` bytes of a name, or `None` above its root.
fn parent_of(text: &str, end: usize) -> Option<usize> {
    let last = text.as_bytes()[..end].iter().rposition(|&byte| byte == b':')?;
    let colons = text.as_bytes()[..=last].iter().filter(|&&byte| byte == b':').count();
    (colons >= ROOT_SEGMENTS).then_some(last + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec("[ab]", 2..6).prop_map(|segments| segments.join(":"))
    }

    proptest! {
        /// Against a plain map: the same slots by key and by scope, after any insertions and removals.
        #[test]
        fn names_and_scopes_agree_with_a_plain_map(
            steps in prop::collection::vec((0u32..40, text()), 1..120),
            scopes in prop::collection::vec(text(), 1..8),
        ) {
            let (mut index, mut model) = (Index::default(), BTreeMap::<Slot, Key>::new());
            for (slot, text) in steps {
                match model.remove(&slot) {
                    Some(key) => prop_assert_eq!(index.remove(slot), Some(key)),
                    None => {
                        let key = Key::parse(&text).unwrap();
                        index.insert(key.clone(), slot);
                        model.insert(slot, key);
                    }
                }
                for key in model.values() {
                    let mut found: Vec<Slot> = index.slots_of(key).collect();
                    found.sort_unstable();
                    let expected: Vec<Slot> = model.iter().filter(|(_, k)| *k == key).map(|(&slot, _)| slot).collect();
                    prop_assert_eq!(found, expected);
                }
                for scope in &scopes {
                    let scope = Scope::parse(&format!("{scope}:")).unwrap();
                    let mut found = index.under(&scope);
                    found.sort_unstable();
                    let under = model.iter().filter(|(_, key)| scope.contains(key));
                    prop_assert_eq!(found, under.map(|(&slot, _)| slot).collect::<Vec<_>>());
                }
            }
            for slot in model.into_keys() {
                index.remove(slot);
            }
            prop_assert_eq!((index.len(), index.scopes()), (0, 0));
        }
    }
}
