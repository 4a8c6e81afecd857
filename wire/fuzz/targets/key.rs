//! Names of values: a key lies in just the scopes that it names.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::key::{NAME_MAX, ROOT_SEGMENTS, SEGMENTS_MAX};
use wire::{Key, Scope};

fuzz_target!(|text: &str| {
    let Ok(key) = Key::parse(text) else { return };
    assert_eq!(key.as_str(), text);
    assert!(text.len() <= NAME_MAX && !text.contains(['*', '{', '}']) && !text.contains(char::is_whitespace));
    let segments: Vec<&str> = text.split(':').collect();
    assert!((ROOT_SEGMENTS..=SEGMENTS_MAX).contains(&segments.len()) && segments.iter().all(|each| !each.is_empty()));
    assert_eq!(key.root(), segments[..2].join(":"));
    assert_eq!(key.scopes().count(), segments.len() - ROOT_SEGMENTS);
    for name in key.scopes() {
        let scope = Scope::parse(name).expect("what a key lies in is a scope");
        assert!(scope.contains(&key));
        assert_eq!(scope.root(), key.root(), "and of the same partition");
    }
});
