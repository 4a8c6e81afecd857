//! A value of an earlier visit is read only once the stream has said that it is current.

use cache_wasm::{Reason, Record};
use wire::Mode;

use crate::page::{Page, SCOPE, SID, at, changed, items, key, scope, some};

const KEY: &str = "s:m:a";

/// A page that takes up what one left that had come to `1:10`.
fn second_visit() -> Page {
    let mut first = Page::live("1:10");
    first.put(KEY, "1:10", "value");
    first.put("s:m:b", "1:10", "other");
    first.put("s:m:p:a", "1:10", "narrow");
    let slots: Vec<_> =
        [KEY, "s:m:b", "s:m:p:a"].map(|name| first.manager.store().find(0, &key(name)).expect("it is there")).into();
    let records: Vec<Record> =
        slots.into_iter().map(|slot| first.manager.record(slot).expect("it is readable")).collect();
    let mut page = Page::new();
    for record in records {
        assert!(page.manager.restore(record, None, page.now).expect("it fits").is_some());
    }
    for (scope, position) in first.manager.positions() {
        page.manager.remember(scope, position);
    }
    page.settle();
    page
}

#[test]
fn a_restored_value_is_unread_until_the_stream_vouches_for_it() {
    let mut page = second_visit();
    assert_eq!((page.read(KEY), page.holds(KEY)), (None, true));
    page.follow(SCOPE);
    page.open();
    let asked = page.asked().unwrap();
    assert_eq!(asked.since, Some(at("1:10")), "the stream goes on from where the visit ended");
    page.subok(asked.id, SID, Mode::Replayed, "1:10");
    assert_eq!(page.read(KEY), None, "the replay may still name it");
    page.change(items(10, 12, vec![changed("s:m:b", 12)]));
    assert_eq!(page.read(KEY), None, "only a heartbeat vouches");
    page.beat(page.now, 12, 12);
    assert_eq!((page.read(KEY), page.read("s:m:b")), (some("value"), None));
}

#[test]
fn a_stream_that_began_anew_vouches_for_nothing_of_before_however_it_goes_on() {
    // A narrower scope than the visit's: nobody told what changed between 1:10 and 1:30.
    let mut page = second_visit();
    page.follow("s:m:p:");
    page.open();
    page.accept(SID, Mode::Fresh, "1:30");
    page.reconnect();
    let asked = page.asked().unwrap();
    assert_eq!(asked.since, Some(at("1:30")));
    page.subok(asked.id, SID, Mode::Replayed, "1:30");
    page.beat(page.now, 30, 30);
    assert_eq!((page.read("s:m:p:a"), page.holds("s:m:p:a")), (None, true));
}

#[test]
fn a_stream_vouches_for_values_of_its_own_lineage_alone() {
    let mut page = second_visit();
    let bytes = b"other"[..].into();
    let seen = Some(at("2:5"));
    let other = Record { category: 0, key: key("s:m:other"), bytes, seen, version: None, tags: vec![] };
    page.manager.restore(other, None, page.now).expect("it fits");
    page.settle();
    page.follow(SCOPE);
    page.open();
    let asked = page.asked().unwrap();
    page.subok(asked.id, SID, Mode::Replayed, "1:10");
    page.beat(page.now, 10, 10);
    assert_eq!((page.read(KEY), page.read("s:m:other")), (some("value"), None));
}

#[test]
fn a_scope_that_is_left_before_it_is_answered_is_taken_up_by_who_follows_it_next() {
    let mut page = second_visit();
    let stream = page.follow(SCOPE);
    page.unfollow(stream);
    page.follow(SCOPE);
    page.open();
    let asked = page.asked().unwrap();
    assert_eq!(asked.since, Some(at("1:10")));
    page.subok(asked.id, SID, Mode::Replayed, "1:10");
    page.beat(page.now, 10, 10);
    assert_eq!(page.read(KEY), some("value"));
}

#[test]
fn what_the_stream_cannot_replay_is_void() {
    for (mode, position) in [(Mode::Reset, "1:90"), (Mode::Fresh, "2:1"), (Mode::Reset, "2:1")] {
        let mut page = second_visit();
        page.follow(SCOPE);
        page.open();
        page.accept(SID, mode, position);
        assert_eq!((page.read(KEY), page.holds(KEY)), (None, false), "{mode:?} at {position}");
    }
}

#[test]
fn a_stream_of_another_scope_vouches_for_nothing_of_before() {
    let mut page = second_visit();
    page.follow("s:m:a:");
    page.open();
    page.accept(SID, Mode::Fresh, "1:30");
    assert_eq!((page.read(KEY), page.holds(KEY)), (None, true));
}

#[test]
fn what_nobody_vouches_for_can_be_forgotten() {
    let mut page = second_visit();
    page.set("s:n:own", "mine");
    page.manager.forget_unvouched();
    page.settle();
    assert_eq!((page.holds(KEY), page.read("s:n:own")), (false, some("mine")));
    assert_eq!(page.manager.stats(page.now).removals[&Reason::Reset], 3);
}

#[test]
fn what_is_there_already_is_newer_than_what_is_restored() {
    let mut page = Page::live("1:30");
    let record = |name: &str| Record {
        category: 0,
        key: key(name),
        bytes: b"old"[..].into(),
        seen: None,
        version: None,
        tags: vec![],
    };
    page.put(KEY, "1:30", "new");
    assert_eq!(page.manager.restore(record(KEY), None, page.now), Ok(None));
    // Nor is anything restored under a scope whose stream is under way without it.
    assert_eq!(page.manager.restore(record("s:m:c"), None, page.now), Ok(None));
    assert!(page.manager.restore(record("s:n:c"), Some(50.0), page.now).unwrap().is_some());
    page.settle();
    assert_eq!((page.read(KEY), page.read("s:n:c")), (some("new"), some("old")));
    page.now += 50.0;
    assert_eq!(page.read("s:n:c"), None);
}

#[test]
fn an_answer_or_a_change_takes_the_place_of_a_restored_value() {
    let mut page = second_visit();
    page.manager.remember(scope("s:x:"), at("1:1"));
    let (ticket, _) = page.fill(KEY);
    page.answer(ticket, "1:11", "fetched");
    assert_eq!(page.read(KEY), some("fetched"));
    page.set("s:m:b", "set");
    assert_eq!(page.read("s:m:b"), some("set"));
}
