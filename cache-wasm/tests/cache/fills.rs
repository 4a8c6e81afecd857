//! R3 for one key: an answer that was in flight while its key changed never becomes a value.

use cache_wasm::slots::Content;
use cache_wasm::{Answer, CategoryOptions, Filled};
use wire::Mode;

use crate::page::{
    Page, SCOPE, SID, at, category, changed, gone, items, key, purge, purge_tag, scope, some, tag, value,
};

/// The key that is read, and what every answer and push of it says.
pub(crate) const KEY: &str = "s:m:p:a";
pub(crate) const TEXT: &str = "value";

/// What happens to a page that stands at 1:10.
pub(crate) struct Event {
    pub(crate) name: &'static str,
    pub(crate) happens: fn(&mut Page),
    /// Where the stream stands afterwards.
    pub(crate) cursor: &'static str,
    /// The least acceptable position when the request went out before it.
    pub(crate) in_flight: &'static str,
}

fn replayed(page: &mut Page) {
    page.reconnect();
    page.accept(SID, Mode::Replayed, "1:10");
}

pub(crate) const EVENTS: &[Event] = &[
    Event { name: "nothing", happens: |_| {}, cursor: "1:10", in_flight: "1:10" },
    Event { name: "a heartbeat", happens: |page| page.beat(0.0, 10, 13), cursor: "1:13", in_flight: "1:10" },
    Event {
        name: "another key changed",
        happens: |page| page.change(items(10, 13, vec![changed("s:m:p:b", 12)])),
        cursor: "1:13",
        in_flight: "1:10",
    },
    Event {
        name: "the key changed",
        happens: |page| page.change(items(10, 13, vec![changed(KEY, 12)])),
        cursor: "1:13",
        in_flight: "1:12",
    },
    Event {
        name: "its value was pushed",
        happens: |page| page.change(items(10, 13, vec![value(KEY, 12, TEXT)])),
        cursor: "1:13",
        in_flight: "1:12",
    },
    Event {
        name: "its value is gone",
        happens: |page| page.change(items(10, 13, vec![gone(KEY, 12)])),
        cursor: "1:13",
        in_flight: "1:12",
    },
    Event {
        name: "it changed twice",
        happens: |page| {
            page.change(items(10, 11, vec![changed(KEY, 11)]));
            page.change(items(11, 13, vec![changed(KEY, 12)]));
        },
        cursor: "1:13",
        in_flight: "1:12",
    },
    Event {
        name: "its scope was purged",
        happens: |page| page.change(purge(10, 13, "s:m:p:")),
        cursor: "1:13",
        in_flight: "1:13",
    },
    Event {
        name: "another scope was purged",
        happens: |page| page.change(purge(10, 13, "s:m:q:")),
        cursor: "1:13",
        in_flight: "1:10",
    },
    // Whether the answer carries the tag is not known before it is there.
    Event {
        name: "a tag was purged",
        happens: |page| page.change(purge_tag(10, 13, "t")),
        cursor: "1:13",
        in_flight: "1:13",
    },
    Event { name: "a reset ahead", happens: |page| page.reset("1:30"), cursor: "1:30", in_flight: "1:30" },
    Event { name: "a reset back", happens: |page| page.reset("1:5"), cursor: "1:10", in_flight: "1:10" },
    Event { name: "an epoch change", happens: |page| page.reset("2:3"), cursor: "2:3", in_flight: "2:3" },
    Event { name: "an epoch change ahead", happens: |page| page.reset("2:30"), cursor: "2:30", in_flight: "2:30" },
    Event {
        name: "a resume that was refused",
        happens: |page| {
            page.reconnect();
            page.accept(SID, Mode::Reset, "2:3");
        },
        cursor: "2:3",
        in_flight: "2:3",
    },
    Event {
        name: "a reconnect that replays its change",
        happens: |page| {
            replayed(page);
            page.change(items(10, 13, vec![changed(KEY, 12)]));
            page.beat(page.now, 13, 13);
        },
        cursor: "1:13",
        in_flight: "1:12",
    },
    Event {
        name: "a reconnect that replays nothing",
        happens: |page| {
            replayed(page);
            page.beat(page.now, 10, 10);
        },
        cursor: "1:10",
        in_flight: "1:10",
    },
];

/// The positions just before, at and after a floor, those of other epochs, and whether each is accepted.
pub(crate) fn answers(floor: &str) -> Vec<(String, bool)> {
    let floor = at(floor);
    let (epoch, least) = (floor.epoch.get(), floor.offset.get());
    let mut answers = vec![
        (format!("{epoch}:{}", least - 1), false),
        (format!("{epoch}:{least}"), true),
        (format!("{epoch}:{}", least + 1), true),
        (format!("{}:{least}", epoch + 1), false),
        (format!("{}:{}", epoch + 1, least + 50), false),
    ];
    answers.extend((epoch > 1).then(|| (format!("{}:{}", epoch - 1, least + 50), false)));
    answers
}

#[test]
fn an_answer_is_accepted_only_if_it_knows_of_everything_the_page_was_told() {
    for event in EVENTS {
        for (asked_after, floor) in [(true, event.cursor), (false, event.in_flight)] {
            for (as_of, accepted) in answers(floor) {
                let when = if asked_after { "before the request" } else { "in flight" };
                let case = format!("{} {when}, answer as of {as_of}", event.name);
                check(event, asked_after, &as_of, accepted, &case);
            }
        }
    }
}

fn check(event: &Event, asked_after: bool, as_of: &str, accepted: bool, case: &str) {
    let mut page = Page::live("1:10");
    let mut request = None;
    if !asked_after {
        request = Some(page.fill(KEY));
    }
    (event.happens)(&mut page);
    let (ticket, min) = request.unwrap_or_else(|| page.fill(KEY));
    assert_eq!(min, Some(at(if asked_after { event.cursor } else { "1:10" })), "{case}");
    let before = page.read(KEY);
    let filled = page.answer(ticket, as_of, TEXT);
    if accepted {
        assert!(matches!(filled, Filled::Stored(_)), "{case}: {filled:?}");
        assert_eq!(page.read(KEY), some(TEXT), "{case}");
        return;
    }
    assert_eq!((&filled, page.read(KEY)), (&Filled::Retry(Some(at(event.cursor))), before), "{case}");
    // Asked once more, with the position it was told, the answer settles.
    let (ticket, min) = page.fill(KEY);
    assert_eq!(min, Some(at(event.cursor)), "{case}");
    assert!(matches!(page.answer(ticket, event.cursor, TEXT), Filled::Stored(_)), "{case}");
    assert_eq!(page.read(KEY), some(TEXT), "{case}");
}

#[test]
fn an_answer_that_the_key_has_no_value_is_fenced_like_any_other() {
    let absent = |as_of: &str| Answer { as_of: Some(at(as_of)), ..Answer::default() };
    let mut page = Page::live("1:10");
    page.put(KEY, "1:10", "value");
    let (early, _) = page.fill(KEY);
    let (late, _) = page.fill(KEY);
    page.change(items(10, 12, vec![value(KEY, 12, "new")]));
    assert_eq!(page.manager.end_fill(early, absent("1:11"), page.now), Filled::Retry(Some(at("1:12"))));
    assert_eq!(page.read(KEY), some("new"));
    assert_eq!(page.manager.end_fill(late, absent("1:13"), page.now), Filled::Absent);
    page.settle();
    assert_eq!((page.read(KEY), page.content(KEY)), (None, Some(Content::Absent)));
    // The stream vouches for that there is none, until it says otherwise.
    page.change(items(12, 14, vec![value(KEY, 14, "back")]));
    assert_eq!(page.read(KEY), some("back"));
}

#[test]
fn that_a_key_has_no_value_is_kept_without_a_stream_only_for_its_own_time() {
    for (absent_ttl, kept) in [(0.0, false), (500.0, true)] {
        let options = CategoryOptions { absent_ttl, ttl: 60_000.0, ..category("c", 10) };
        let mut page = Page::with(vec![options], u64::MAX);
        let (ticket, _) = page.fill(KEY);
        assert_eq!(page.manager.end_fill(ticket, Answer::default(), page.now), Filled::Absent);
        page.settle();
        let slot = page.manager.store().find(0, &key(KEY));
        assert_eq!(slot.is_some(), kept, "{absent_ttl}");
        let until = slot.map(|slot| page.manager.store().freshness(slot).until - page.now);
        assert_eq!(until, kept.then_some(500.0));
    }
}

#[test]
fn an_answer_without_a_position_is_refused_under_a_followed_scope_only() {
    let answer = || Answer { bytes: Some(b"value"[..].into()), ..Answer::default() };
    let mut page = Page::live("1:10");
    let (ticket, _) = page.fill(KEY);
    assert_eq!(page.manager.end_fill(ticket, answer(), page.now), Filled::Unfenced);
    let (ticket, min) = page.fill("s:other:a");
    assert_eq!(min, None);
    assert!(matches!(page.manager.end_fill(ticket, answer(), page.now), Filled::Stored(_)));
    page.settle();
    assert_eq!((page.read(KEY), page.read("s:other:a")), (None, some("value")));
}

#[test]
fn an_answer_before_the_streams_first_position_is_delivered_and_not_kept() {
    let mut page = Page::new();
    page.follow(SCOPE);
    assert!(page.manager.is_pending(&key(KEY)));
    let (ticket, min) = page.fill(KEY);
    assert_eq!((min, page.answer(ticket, "1:10", TEXT)), (None, Filled::Delivered));
    assert!(!page.holds(KEY));
}

#[test]
fn a_fill_begun_before_its_scope_was_followed_must_reach_the_streams_first_position() {
    for (as_of, accepted) in answers("1:10") {
        let mut page = Page::new();
        let (ticket, _) = page.fill(KEY);
        page.follow(SCOPE);
        page.open();
        page.accept(SID, Mode::Fresh, "1:10");
        let filled = page.answer(ticket, &as_of, TEXT);
        assert_eq!(matches!(filled, Filled::Stored(_)), accepted, "{as_of}: {filled:?}");
        assert_eq!(page.read(KEY).is_some(), accepted, "{as_of}");
    }
}

#[test]
fn an_answer_never_overwrites_what_was_read_later() {
    let mut page = Page::live("1:10");
    let (slow, _) = page.fill(KEY);
    page.put(KEY, "1:20", "twenty");
    let kept = page.answer(slow, "1:15", "fifteen");
    // The waiter is given what is there, which is newer than what it asked for.
    assert!(matches!(kept, Filled::Stored(_)), "{kept:?}");
    assert_eq!((page.read(KEY), &page.effects), (some("twenty"), &vec![]));
    let (slow, _) = page.fill(KEY);
    let absent = Answer { as_of: Some(at("1:15")), ..Answer::default() };
    page.manager.end_fill(slow, absent, page.now);
    page.settle();
    assert_eq!(page.read(KEY), some("twenty"));
}

#[test]
fn an_invalidation_by_hand_voids_fills_in_flight_whatever_their_position() {
    let check = |followed: bool, by_hand: fn(&mut Page)| {
        let mut page = if followed { Page::live("1:10") } else { Page::new() };
        page.set(KEY, "old");
        let (ticket, _) = page.fill(KEY);
        by_hand(&mut page);
        page.settle();
        let filled = page.answer(ticket, "1:999", "read before the invalidation");
        assert!(matches!(filled, Filled::Retry(_)), "{filled:?}");
        let (ticket, _) = page.fill(KEY);
        assert!(matches!(page.answer(ticket, "1:10", "after"), Filled::Stored(_)));
        assert_eq!(page.read(KEY), some("after"));
    };
    for followed in [true, false] {
        check(followed, |page| assert!(page.manager.delete(0, &key(KEY))));
        check(followed, |page| page.set(KEY, "set"));
        check(followed, |page| page.manager.clear(0));
        check(followed, |page| page.manager.invalidate_key(&key(KEY)));
        check(followed, |page| page.manager.invalidate_scope(&scope("s:m:p:")));
        check(followed, |page| page.manager.invalidate_tag(&tag("any")));
    }
}

#[test]
fn a_fill_ends_once() {
    let mut page = Page::live("1:10");
    let (ticket, _) = page.fill(KEY);
    page.manager.abandon_fill(ticket);
    page.manager.abandon_fill(ticket);
    assert_eq!(page.answer(ticket, "1:10", TEXT), Filled::Ended);
    assert_eq!((page.read(KEY), page.manager.stats(page.now).fills.failed), (None, 1));
}

#[test]
fn a_fill_whose_stream_is_away_is_kept_for_its_return() {
    let mut page = Page::live("1:10");
    page.input(cache_wasm::Input::Closed(None));
    page.put(KEY, "1:15", "fifteen");
    page.put("s:m:p:b", "1:10", "ten");
    assert_eq!(page.read(KEY), None);
    page.come_back();
    page.accept(SID, Mode::Replayed, "1:10");
    page.change(items(10, 14, vec![changed(KEY, 14), changed("s:m:p:b", 14)]));
    page.beat(page.now, 14, 14);
    assert_eq!((page.read(KEY), page.read("s:m:p:b")), (some("fifteen"), None));
}
