//! R5: a stream that cannot be continued takes everything with it, and begins anew.

use cache_wasm::{Changed, Filled};
use wire::Mode;

use crate::page::{Page, SCOPE, SID, at, changed, items, some};

/// Both categories hold something.
fn filled() -> Page {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:99", "value");
    page.set_in(1, "s:m:p:b", "value");
    page.set("s:other:c", "value");
    page.told();
    page
}

fn is_purged(page: &mut Page) {
    assert!(!page.holds("s:m:a"));
    assert_eq!(page.read_in(1, "s:m:p:b"), None);
    assert_eq!(page.read("s:other:c"), some("value"));
    assert_eq!(page.told(), [Changed { purged: true, ..Changed::default() }]);
}

#[test]
fn a_reset_purges_every_category_of_the_scope_and_adopts_the_position() {
    // Ahead, another epoch with a greater and with a smaller offset, the very same position.
    for position in ["1:20", "2:30", "2:3", "1:10"] {
        let mut page = filled();
        page.reset(position);
        is_purged(&mut page);
        assert_eq!(page.stands(SCOPE).0, some(position));
        let next = at(position).offset.get() + 1;
        page.put("s:m:a", position, "new");
        page.change(items(next - 1, next, vec![]));
        assert_eq!((page.read("s:m:a"), page.asked()), (some("new"), None));
    }
}

#[test]
fn a_reset_to_another_epoch_ends_the_lease_that_was_of_the_one_before() {
    for (position, live) in [("1:20", true), ("2:20", false)] {
        let mut page = filled();
        page.reset_unvouched(position);
        page.put("s:m:a", position, "new");
        assert_eq!(page.stands(SCOPE), (some(position), live));
        assert_eq!(page.read("s:m:a"), live.then(|| "new".into()));
        page.beat(page.now, 20, 20);
        assert_eq!(page.read("s:m:a"), some("new"));
    }
}

#[test]
fn an_edge_that_lags_takes_no_cursor_back() {
    let check = |told: fn(&mut Page)| {
        let mut page = filled();
        told(&mut page);
        is_purged(&mut page);
        assert_eq!(page.stands(SCOPE).0, some("1:10"));
        // It was told of 1:10 by whoever it followed before: no answer of before that is kept.
        let (ticket, min) = page.fill("s:m:a");
        assert_eq!(min, Some(at("1:10")));
        assert_eq!(page.answer(ticket, "1:9", "old"), Filled::Retry(Some(at("1:10"))));
        // The edge catches up: what it tells was processed, up to where it is ahead.
        page.change(items(3, 9, vec![changed("s:m:a", 9)]));
        assert_eq!((page.stands(SCOPE).0, page.asked()), (some("1:10"), None));
        page.change(items(9, 11, vec![changed("s:m:a", 11)]));
        assert_eq!((page.stands(SCOPE).0, page.asked()), (some("1:11"), None));
    };
    check(|page| page.reset("1:3"));
    check(|page| {
        page.reconnect();
        page.accept(SID, Mode::Reset, "1:3");
    });
}

#[test]
fn a_resume_that_is_refused_purges_and_vouches_from_the_new_position() {
    for position in ["2:3", "1:30"] {
        let mut page = filled();
        page.reconnect();
        let asked = page.accept(SID, Mode::Reset, position);
        assert_eq!(asked.since, Some(at("1:10")));
        is_purged(&mut page);
        assert_eq!(page.stands(SCOPE), (some(position), true));
    }
}

#[test]
fn an_entry_of_the_epoch_before_is_older_than_any_change() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    page.reset("2:3");
    // By hand, while the cursor is in the new epoch: the change of that epoch drops it whatever the numbers.
    page.set("s:m:b", "value");
    page.change(items(3, 4, vec![changed("s:m:b", 4)]));
    assert_eq!((page.holds("s:m:a"), page.holds("s:m:b")), (false, false));
}

#[test]
fn a_fill_in_flight_across_a_reset_is_asked_for_again() {
    let mut page = Page::live("1:10");
    let (ticket, _) = page.fill("s:m:a");
    page.reset("2:3");
    assert_eq!(page.answer(ticket, "1:500", "old lineage"), Filled::Retry(Some(at("2:3"))));
    assert_eq!(page.read("s:m:a"), None);
}

#[test]
fn an_answer_that_contradicts_the_cursor_is_asked_for_from_nothing_and_told_as_a_loss() {
    for (mode, position) in [(Mode::Replayed, "1:9"), (Mode::Replayed, "1:11"), (Mode::Replayed, "2:10")] {
        let mut page = filled();
        page.reconnect();
        page.accept(SID, mode, position);
        assert_eq!((page.read("s:m:a"), page.stands(SCOPE)), (None, (None, false)));
        let asked = page.accept(SID, Mode::Fresh, "1:12");
        assert_eq!(asked.since, None);
        assert_eq!(page.stands(SCOPE), (some("1:12"), true));
        is_purged(&mut page);
    }
}

#[test]
fn a_stream_that_begins_afresh_in_place_of_going_on_is_a_loss() {
    let mut page = filled();
    page.reconnect();
    page.accept(SID, Mode::Fresh, "1:12");
    is_purged(&mut page);
}

#[test]
fn the_first_position_of_a_scope_is_no_loss() {
    let mut page = Page::live("1:10");
    assert_eq!(page.told(), []);
    assert_eq!(page.manager.stats(page.now).stream.counters.resets, 0);
}
