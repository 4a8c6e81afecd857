//! Answers for tests: recorded, changed in one place, and arbitrary. The recordings are no part of the project: where
//! their directory is missing a test is skipped, except in CI.

use std::io::Read;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use crate::source::{Priority, Request};

/// The directory of recordings, or `None` where there is none and the test is to be skipped.
pub(super) fn directory() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let directory = std::env::var_os("EDGE_FIXTURES").map_or_else(beside, PathBuf::from);
    if directory.is_dir() {
        return Some(directory);
    }
    assert!(std::env::var_os("CI").is_none(), "no recordings at {}: set EDGE_FIXTURES", directory.display());
    eprintln!("skipped: no recordings at {}", directory.display());
    None
}

/// The bytes of a recording, inflated where its name ends in `.gz`.
pub(super) fn read(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if path.extension().is_none_or(|extension| extension != "gz") {
        return bytes;
    }
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut inflated).unwrap();
    inflated
}

/// A request for a topic that a test makes up.
pub(super) fn request(topic: &str, path: &str) -> Request {
    Request { topic: topic.to_owned(), path: path.to_owned(), priority: Priority::Live, after_ms: 0 }
}

/// The value with another in the place of one of its members.
pub(super) fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap()[name] = new;
    value
}

/// Any small JSON value. `names` is a regular expression of the names its objects have. Its numbers come back from
/// text as they were, which `serde_json` does not promise of every fraction.
pub(super) fn any_json(names: &'static str) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        "[ -~é]{0,16}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}
