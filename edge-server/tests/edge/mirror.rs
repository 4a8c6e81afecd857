//! A client in a page: it applies what it is told by the rules of the protocol, and knows what is current.

use std::collections::BTreeMap;

use wire::{Body, Change, Cursor, Epoch, Key, Payload, Position, Tag, Verdict};

/// What is known of a key. A key that is not there is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    Value { payload: Payload, tags: Vec<Tag> },
    Gone,
}

#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    pub(crate) cursor: Cursor,
    pub(crate) known: BTreeMap<Key, Known>,
}

impl Mirror {
    pub(crate) fn at(position: Position) -> Mirror {
        Mirror { cursor: Cursor::at(position), known: BTreeMap::new() }
    }

    /// Takes a change. A gap or another epoch must never be told as a change.
    pub(crate) fn apply(&mut self, epoch: Epoch, change: &Change) {
        match self.cursor.check(epoch, change.span) {
            Verdict::Duplicate => return,
            Verdict::Apply => {}
            verdict => panic!("{verdict:?}: {:?} after {}", change.span, self.cursor.position()),
        }
        self.known.retain(|key, _| !change.scopes.iter().any(|scope| scope.contains(key)));
        self.known.retain(|_, known| match known {
            Known::Value { tags, .. } => !tags.iter().any(|tag| change.tags.contains(tag)),
            Known::Gone => true,
        });
        for item in &change.items {
            assert!(item.version <= change.span.to(), "{item:?} is of a commit after {:?}", change.span);
            match &item.body {
                Body::Value { payload, tags, .. } => {
                    let known = Known::Value { payload: payload.clone(), tags: tags.clone() };
                    self.known.insert(item.key.clone(), known);
                }
                Body::Gone => drop(self.known.insert(item.key.clone(), Known::Gone)),
                Body::Changed => drop(self.known.remove(&item.key)),
            }
        }
        self.cursor.advance(change.span.to());
    }
}
