//! Reading ahead: what was learned is guessed, what is guessed is paid for, and nothing is displaced by a guess.

use cache_wasm::prefetch::{Fate, Prefetcher};
use cache_wasm::{Answer, CategoryOptions, Filled};
use proptest::prelude::*;
use wire::Key;

use crate::page::{Page, category, key};

fn texts(keys: &[Key]) -> Vec<&str> {
    keys.iter().map(Key::as_str).collect()
}

#[test]
fn what_followed_often_enough_is_guessed_the_likeliest_first() {
    let mut ahead = Prefetcher::default();
    let next = ["s:m:b", "s:m:c", "s:m:d", "s:m:e", "s:m:rare"];
    for (times, name) in [(7, 0), (9, 1), (5, 2), (4, 3), (3, 4)] {
        for _ in 0..times {
            ahead.read(&key("s:m:a"));
            ahead.read(&key(next[name]));
        }
    }
    assert_eq!(texts(&ahead.guess(0, &key("s:m:a"), |_| true)), ["s:m:c", "s:m:b", "s:m:d"]);
    assert_eq!(texts(&ahead.guess(0, &key("s:m:a"), |key| key.as_str() == "s:m:rare")), [""; 0]);
    assert!(ahead.guess(0, &key("s:m:unknown"), |_| true).is_empty());
}

#[test]
fn what_the_edge_learned_is_guessed_from_the_first_read_on() {
    let mut ahead = Prefetcher::default();
    ahead.teach(key("s:m:a"), 100, &[(key("s:m:b"), 60), (key("s:m:c"), 14)]);
    assert_eq!(texts(&ahead.guess(0, &key("s:m:a"), |_| true)), ["s:m:b"], "14 of 100 is too unlikely");
}

#[test]
fn what_is_taught_again_is_not_counted_twice_and_takes_no_likelier_ones_place() {
    let mut ahead = Prefetcher::default();
    let nexts: Vec<(Key, u32)> = (1..=8).map(|n| (key(&format!("s:m:{n}")), 30 * n)).collect();
    for _ in 0..5 {
        ahead.teach(key("s:m:a"), 1_000, &nexts);
        ahead.teach(key("s:m:a"), 1_000, &[(key("s:m:rare"), 10), (key("s:m:new"), 31)]);
    }
    // 240, 210 and 180 of 1,000; counted five times over they would still be so many of as many more.
    assert_eq!(texts(&ahead.guess(0, &key("s:m:a"), |_| true)), ["s:m:8", "s:m:7", "s:m:6"]);
    assert!(ahead.guess(0, &key("s:m:a"), |key| key.as_str() == "s:m:rare").is_empty());
    ahead.teach(key("s:m:b"), 20, &[(key("s:m:c"), 4)]);
    ahead.teach(key("s:m:b"), 40, &[(key("s:m:c"), 4)]);
    assert!(
        ahead.guess(0, &key("s:m:b"), |_| true).is_empty(),
        "4 of 40 is unlikely, 8 of 60 would be as well, 4 of 20 not"
    );
    ahead.teach(key("s:m:d"), 20, &[(key("s:m:c"), 3)]);
    ahead.teach(key("s:m:d"), 20, &[(key("s:m:c"), 3)]);
    assert!(ahead.guess(0, &key("s:m:d"), |_| true).is_empty(), "3 is chance, and 3 again is the same 3");
}

proptest! {
    /// The bucket's promise, whatever is guessed and whatever becomes of it.
    #[test]
    fn waste_is_bounded_by_what_was_used(fates in prop::collection::vec(0u8..3, 1..400)) {
        let mut ahead = Prefetcher::default();
        ahead.teach(key("s:m:a"), 90, &[(key("s:m:b"), 30), (key("s:m:c"), 30), (key("s:m:d"), 30)]);
        for (reads, fate) in (1u32..).zip(fates) {
            ahead.read(&key("s:m:a"));
            ahead.guess(0, &key("s:m:a"), |_| true);
            ahead.settle(|_, _| [Fate::Waiting, Fate::Used, Fate::Gone][usize::from(fate)]);
            let stats = ahead.stats();
            let allowed = 10.0 + 0.01 * f64::from(reads) + 2.5 * stats.used as f64;
            prop_assert!(stats.issued as f64 <= allowed + 1e-6, "{stats:?} after {reads} reads");
            prop_assert!(stats.credit >= 0.0 && stats.credit <= 40.0);
        }
    }
}

/// A page that has learned that `s:m:b` follows `s:m:a`.
fn taught(max: u32, max_bytes: u64) -> Page {
    let mut page = Page::with(vec![CategoryOptions { ..category("c", max) }], max_bytes);
    page.manager.teach(key("s:m:a"), 10, &[(key("s:m:b"), 10)]);
    page
}

fn fetch_ahead(page: &mut Page) -> Option<Filled> {
    let guess = page.manager.read_ahead(0, &key("s:m:a")).into_iter().next()?;
    let (ticket, _) = page.manager.begin_prefetch(0, guess);
    let answer = Answer { bytes: Some(b"ahead"[..].into()), ..Answer::default() };
    let filled = page.manager.end_fill(ticket, answer, page.now);
    page.settle();
    Some(filled)
}

#[test]
fn a_guess_that_is_read_is_paid_back_and_one_that_leaves_unread_is_not() {
    let mut page = taught(10, u64::MAX);
    assert!(matches!(fetch_ahead(&mut page), Some(Filled::Stored(_))));
    assert!(page.manager.read_ahead(0, &key("s:m:a")).is_empty(), "it is there");
    let slot = page.manager.store().find(0, &key("s:m:b")).unwrap();
    page.manager.slots().hit(slot, cache_wasm::slots::Ticks::AtInsertions);
    page.manager.read_ahead(0, &key("s:m:a"));
    let stats = page.manager.stats(page.now).prefetch;
    assert_eq!((stats.issued, stats.used, stats.wasted), (1, 1, 0));
    page.manager.delete(0, &key("s:m:b"));
    page.settle();
    fetch_ahead(&mut page);
    page.manager.delete(0, &key("s:m:b"));
    page.settle();
    page.manager.read_ahead(0, &key("s:m:x"));
    assert_eq!(page.manager.stats(page.now).prefetch.wasted, 1);
}

#[test]
fn a_guess_displaces_nothing() {
    let mut page = taught(2, u64::MAX);
    page.set("s:m:1", "value");
    page.set("s:m:2", "value");
    assert_eq!(fetch_ahead(&mut page), None, "a full category guesses nothing");
    let mut page = taught(2, 105);
    page.set("s:m:1", &"x".repeat(100));
    assert_eq!(fetch_ahead(&mut page), None, "nor does a full budget");
    // Room that was there when it was asked for may be gone when it arrives.
    let mut page = taught(2, u64::MAX);
    let guess = page.manager.read_ahead(0, &key("s:m:a")).remove(0);
    let (ticket, _) = page.manager.begin_prefetch(0, guess);
    page.set("s:m:1", "value");
    page.set("s:m:2", "value");
    let answer = Answer { bytes: Some(b"ahead"[..].into()), ..Answer::default() };
    assert_eq!(page.manager.end_fill(ticket, answer, page.now), Filled::TooLarge);
    page.settle();
    assert!(page.holds("s:m:1") && page.holds("s:m:2") && !page.holds("s:m:b"));
}
