//! The few names of the simulated world: enough keys to lie in one another's scopes, few enough to meet often.

use wire::{Key, Scope, Tag};

/// Every key. The last two lie in a partition of their own.
pub(crate) const KEYS: [&str; 10] =
    ["s:m:a:1", "s:m:a:2", "s:m:a:3", "s:m:b:1", "s:m:b:2", "s:m:b:3", "s:m:c", "s:m:d", "s:n:1", "s:n:2"];
/// Keys of the first root.
pub(crate) const ROOT_KEYS: usize = 8;
/// Every scope that is followed or purged.
pub(crate) const SCOPES: [&str; 4] = ["s:m:", "s:m:a:", "s:m:b:", "s:n:"];
/// The one tag.
pub(crate) const TAG: &str = "t";
/// Clients.
pub(crate) const CLIENTS: usize = 3;
/// Edges over the one store.
pub(crate) const EDGES: usize = 2;

/// A key by its number.
pub(crate) fn key(number: usize) -> Key {
    Key::parse(KEYS[number]).expect("a key")
}

/// A scope by its number.
pub(crate) fn scope(number: usize) -> Scope {
    Scope::parse(SCOPES[number]).expect("a scope")
}

/// The tag.
pub(crate) fn tag() -> Tag {
    Tag::parse(TAG).expect("a tag")
}
