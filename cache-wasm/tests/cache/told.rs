//! Without an edge server: values and invalidations that the application feeds by hand fence its fetches all the same.

use cache_wasm::{Answer, Applied, Filled, Given, Reason, Told};

use crate::page::{Page, key, some, tag};

const KEY: &str = "s:m:a";

fn told(text: &str, version: Option<u64>) -> Told {
    Told { category: 0, key: key(KEY), given: text.as_bytes().into(), version, ttl: None, tags: Vec::new() }
}

fn apply(page: &mut Page, text: &str, version: Option<u64>) -> Applied {
    let applied = page.manager.apply(told(text, version), page.now).expect("it fits");
    page.settle();
    applied
}

fn answer(text: &str, version: Option<u64>) -> Answer {
    Answer { bytes: Some(text.as_bytes().into()), version, ..Answer::default() }
}

/// A fetch begun before something happens, whose answer of this version arrives after it.
fn check(happens: impl Fn(&mut Page), version: Option<u64>, accepted: bool) {
    let mut page = Page::new();
    let (ticket, _) = page.fill(KEY);
    happens(&mut page);
    let before = page.read(KEY);
    let filled = page.manager.end_fill(ticket, answer("answer", version), page.now);
    page.settle();
    match accepted {
        true => assert!(matches!(filled, Filled::Stored(_)), "{filled:?} of version {version:?}"),
        false => assert_eq!(filled, Filled::Retry(None), "version {version:?}"),
    }
    assert_eq!(page.read(KEY), if accepted { some("answer") } else { before }, "version {version:?}");
}

#[test]
fn a_pushed_value_fences_the_answer_that_was_in_flight() {
    let push = |version| {
        move |page: &mut Page| {
            apply(page, "pushed", version);
        }
    };
    check(push(Some(7)), Some(6), false);
    check(push(Some(7)), Some(7), true);
    check(push(Some(7)), Some(8), true);
    check(push(Some(7)), None, false);
    check(push(None), Some(8), false);
    check(push(None), None, false);
}

#[test]
fn an_invalidation_by_version_fences_the_answer_that_was_in_flight() {
    let invalidate = |page: &mut Page| {
        assert!(page.manager.invalidate_version(&key(KEY), 7));
        page.settle();
    };
    check(invalidate, Some(6), false);
    check(invalidate, Some(7), true);
    check(invalidate, None, false);
}

#[test]
fn an_answer_of_a_server_that_lags_is_refused_although_it_was_asked_for_later() {
    let mut page = Page::new();
    apply(&mut page, "pushed", Some(7));
    page.manager.invalidate_version(&key(KEY), 8);
    page.settle();
    for (version, expected) in [(Some(7), Filled::Retry(None)), (Some(6), Filled::Retry(None))] {
        let (ticket, _) = page.fill(KEY);
        assert_eq!(page.manager.end_fill(ticket, answer("old", version), page.now), expected);
    }
    let (ticket, _) = page.fill(KEY);
    assert!(matches!(page.manager.end_fill(ticket, answer("new", Some(8)), page.now), Filled::Stored(_)));
    page.settle();
    assert_eq!(page.read(KEY), some("new"));
}

#[test]
fn a_push_of_an_older_version_changes_nothing_and_is_counted() {
    let mut page = Page::new();
    apply(&mut page, "seven", Some(7));
    assert_eq!(apply(&mut page, "six", Some(6)), Applied::Older);
    assert_eq!((page.read(KEY), page.manager.stats(page.now).fills.discarded), (some("seven"), 1));
    assert!(matches!(apply(&mut page, "eight", Some(8)), Applied::Stored(_)));
    // The value left, its version is still known.
    page.manager.invalidate_version(&key(KEY), 9);
    page.settle();
    assert_eq!((page.holds(KEY), apply(&mut page, "eight", Some(8))), (false, Applied::Older));
    assert!(matches!(apply(&mut page, "nine", Some(9)), Applied::Stored(_)));
}

#[test]
fn an_invalidation_by_version_spares_what_is_as_new() {
    let mut page = Page::new();
    apply(&mut page, "seven", Some(7));
    assert!(!page.manager.invalidate_version(&key(KEY), 7));
    assert_eq!(page.read(KEY), some("seven"));
    assert!(page.manager.invalidate_version(&key(KEY), 8));
    page.settle();
    assert_eq!(page.read(KEY), None);
}

#[test]
fn a_push_with_a_version_drops_what_other_categories_hold_of_before() {
    let mut page = Page::new();
    page.manager.apply(Told { category: 1, ..told("six", Some(6)) }, page.now).expect("it fits");
    page.settle();
    apply(&mut page, "seven", Some(7));
    assert_eq!((page.read_in(0, KEY), page.read_in(1, KEY)), (some("seven"), None));
    assert_eq!(page.manager.stats(page.now).removals[&Reason::Invalidated], 1);
}

#[test]
fn a_push_that_there_is_no_value_is_kept_as_that() {
    let mut page = Page::new();
    apply(&mut page, "seven", Some(7));
    let gone = Told { given: Given::Absent, tags: vec![tag("t")], ..told("", Some(8)) };
    page.manager.apply(gone, page.now).expect("it fits");
    page.settle();
    assert_eq!((page.read(KEY), page.holds(KEY)), (None, true));
    assert_eq!(apply(&mut page, "seven", Some(7)), Applied::Older);
}
