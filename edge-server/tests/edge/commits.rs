//! Names, writes and commits in few words.

use std::sync::Arc;

use edge_server::store::{Commit, Partition, Write};
use wire::{Body, Epoch, Item, Key, Offset, Payload, Position, Scope, Tag};

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

pub(crate) fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

pub(crate) fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

pub(crate) fn payload(text: &str) -> Payload {
    Payload::new(text.as_bytes())
}

pub(crate) fn offset(number: u64) -> Offset {
    Offset::new(number).unwrap()
}

pub(crate) fn position(epoch: u64, number: u64) -> Position {
    Position { epoch: Epoch::new(epoch).unwrap(), offset: offset(number) }
}

/// A value to write.
pub(crate) fn write(name: &str, source_ts: i64, value: &str) -> Write {
    Write { key: key(name), source_ts, ttl_ms: None, tags: Vec::new(), payload: Some(payload(value)) }
}

/// A value to write with labels.
pub(crate) fn tagged(name: &str, source_ts: i64, value: &str, tags: &[&str]) -> Write {
    Write { tags: tags.iter().map(|text| tag(text)).collect(), ..write(name, source_ts, value) }
}

/// A value to remove.
pub(crate) fn removal(name: &str, source_ts: i64) -> Write {
    Write { payload: None, ..write(name, source_ts, "0") }
}

/// A body with a value.
pub(crate) fn value(source_ts: i64, text: &str, tags: &[&str]) -> Body {
    Body::Value { source_ts, tags: tags.iter().map(|text| tag(text)).collect(), payload: payload(text) }
}

/// A commit of epoch 7 in partition 0: the one that [`hub`](crate::hub) tests follow.
pub(crate) fn commit(number: u64, items: &[(&str, Body)]) -> Arc<Commit> {
    purging(number, items, &[], &[])
}

/// A commit that purges too.
pub(crate) fn purging(number: u64, items: &[(&str, Body)], scopes: &[&str], tags: &[&str]) -> Arc<Commit> {
    let item = |(name, body): &(&str, Body)| Item { key: key(name), version: offset(number), body: body.clone() };
    Arc::new(Commit {
        partition: Partition(0),
        position: position(7, number),
        items: items.iter().map(item).collect(),
        scopes: scopes.iter().map(|text| scope(text)).collect(),
        tags: tags.iter().map(|text| tag(text)).collect(),
    })
}
