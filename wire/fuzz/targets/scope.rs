//! What is followed: two scopes and a key, in every relation to each other, and tags.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::key::{NAME_MAX, TAG_MAX};
use wire::{Key, Scope, Tag};

fuzz_target!(|texts: (&str, &str, &str)| {
    let (one, other, name) = texts;
    if let Ok(tag) = Tag::parse(name) {
        assert!(tag.as_str() == name && name.is_ascii() && !name.contains(',') && name.len() <= TAG_MAX);
    }
    let (Ok(one), Ok(other)) = (Scope::parse(one), Scope::parse(other)) else { return };
    for scope in [&one, &other] {
        assert!(scope.as_str().ends_with(':') && scope.as_str().len() <= NAME_MAX);
        assert_eq!(Scope::parse(scope.as_str()).as_ref(), Ok(scope));
        assert!(scope.covers(scope) && scope.overlaps(scope));
    }
    assert_eq!(one.overlaps(&other), other.overlaps(&one));
    assert_eq!(one.covers(&other) && other.covers(&one), one == other);
    if one.covers(&other) {
        assert_eq!(one.root(), other.root(), "scopes of two partitions have nothing in common");
    }
    if let Ok(key) = Key::parse(&format!("{}{name}", one.as_str())) {
        assert!(one.contains(&key));
        assert!(!other.covers(&one) || other.contains(&key), "who follows more is told no less");
        assert!(!other.contains(&key) || one.overlaps(&other), "who is told of a key follows where it lies");
    }
});
