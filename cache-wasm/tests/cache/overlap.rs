//! Scopes that lie in one another: an entry is as new as the farthest of its streams has come, whoever vouches for it.

use cache_wasm::slots::StreamRef;
use cache_wasm::{Filled, Loaded};
use wire::{Change, Mode, Position, ServerFrame, SubRef};

use crate::loads::got;
use crate::page::{Page, SCOPE, SID, at, body, changed, items, key, purge, purge_tag, scope, some, span, tag, value};

const NARROW: &str = "s:m:p:";
const NARROW_SID: u32 = 8;
const KEY: &str = "s:m:p:a";

/// Follows the wide scope and the narrow one, both from 1:10 on.
fn both() -> (Page, StreamRef, StreamRef) {
    let mut page = Page::new();
    let wide = page.follow(SCOPE);
    let narrow = page.follow(NARROW);
    page.open();
    page.accept(SID, Mode::Fresh, "1:10");
    page.accept(NARROW_SID, Mode::Fresh, "1:10");
    (page, wide, narrow)
}

fn change_narrow(page: &mut Page, change: Change) {
    page.server(&ServerFrame::Change { sid: NARROW_SID, change });
}

fn reset_narrow(page: &mut Page, position: &str) {
    let Position { epoch, offset } = at(position);
    page.server(&ServerFrame::Reset { sid: NARROW_SID, epoch, offset, why: "test".into() });
}

fn beat(page: &mut Page, sid: SubRef, from: u64, to: u64) {
    page.server(&ServerFrame::Hb { echo: Some(page.now as u64), subs: vec![(sid, span(from, to))] });
}

fn beat_both(page: &mut Page, from: u64, to: u64) {
    let echo = Some(page.now as u64);
    page.server(&ServerFrame::Hb { echo, subs: vec![(SID, span(from, to)), (NARROW_SID, span(from, to))] });
}

#[test]
fn a_change_told_by_either_stream_drops_the_entry() {
    for narrow_tells in [true, false] {
        let (mut page, ..) = both();
        page.put(KEY, "1:10", "old");
        let change = items(10, 11, vec![changed(KEY, 11)]);
        if narrow_tells {
            change_narrow(&mut page, change);
        } else {
            page.change(change);
        }
        assert_eq!(page.read(KEY), None);
    }
}

#[test]
fn a_fill_must_have_reached_the_farthest_of_its_streams() {
    for narrow_is_ahead in [true, false] {
        let (mut page, ..) = both();
        let change = items(10, 12, vec![changed(KEY, 12)]);
        if narrow_is_ahead {
            change_narrow(&mut page, change);
        } else {
            page.change(change);
        }
        let (ticket, min) = page.fill(KEY);
        assert_eq!(min, Some(at("1:12")));
        assert_eq!(page.answer(ticket, "1:11", "old"), Filled::Retry(Some(at("1:12"))));
        let (ticket, _) = page.fill(KEY);
        assert!(matches!(page.answer(ticket, "1:12", "new"), Filled::Stored(_)));
        assert_eq!(page.read(KEY), some("new"));
    }
}

#[test]
fn a_load_must_have_reached_the_farthest_of_the_streams_in_it() {
    let (mut page, ..) = both();
    change_narrow(&mut page, items(10, 12, vec![changed(KEY, 12)]));
    for (as_of, read) in [("1:11", None), ("1:12", some("value"))] {
        let (ticket, _) = page.manager.begin_load(0, scope(SCOPE));
        let bytes = got(as_of, &[(KEY, Some(body("value", &[])))]);
        page.load(ticket, Some(at(as_of)), &bytes);
        page.settle();
        assert_eq!(page.read(KEY), read, "as of {as_of}");
    }
}

#[test]
fn a_load_of_a_scope_that_is_only_followed_in_part_is_fenced_in_that_part() {
    let mut page = Page::new();
    let narrow = page.follow(NARROW);
    page.open();
    page.accept(NARROW_SID, Mode::Fresh, "1:10");
    change_narrow(&mut page, items(10, 12, vec![changed(KEY, 12)]));
    let load = |page: &mut Page, as_of: &str| {
        let (ticket, _) = page.manager.begin_load(0, scope(SCOPE));
        let found = [(KEY, Some(body("value", &[]))), ("s:m:z", Some(body("value", &[])))];
        let loaded = page.load(ticket, Some(at(as_of)), &got(as_of, &found));
        page.settle();
        loaded
    };
    let loaded = load(&mut page, "1:11");
    assert_eq!(loaded, Loaded::Kept { keys: vec!["s:m:z".into()], late: vec![KEY.into()] });
    assert_eq!((page.read(KEY), page.read("s:m:z")), (None, some("value")));
    load(&mut page, "1:12");
    assert_eq!(page.read(KEY), some("value"));
    // The narrow stream vouches for its part alone.
    page.input(cache_wasm::Input::Closed(None));
    assert_eq!((page.read(KEY), page.read("s:m:z")), (None, some("value")));
    page.unfollow(narrow);
    assert_eq!((page.holds(KEY), page.read("s:m:z")), (false, some("value")));
}

#[test]
fn a_value_pushed_by_a_stream_that_is_behind_is_not_kept() {
    let (mut page, ..) = both();
    page.put(KEY, "1:10", "ten");
    change_narrow(&mut page, items(10, 20, vec![changed(KEY, 20)]));
    page.told();
    page.change(items(10, 12, vec![value(KEY, 12, "twelve"), value("s:m:z", 12, "twelve")]));
    assert_eq!((page.read(KEY), page.read("s:m:z")), (None, some("twelve")));
    assert_eq!(page.told()[0].changed, [KEY]);
    page.change(items(12, 20, vec![value(KEY, 20, "twenty")]));
    assert_eq!(page.read(KEY), some("twenty"));
}

#[test]
fn while_streams_are_of_two_epochs_nothing_is_kept_that_both_cover() {
    let (mut page, ..) = both();
    let (early, _) = page.fill(KEY);
    reset_narrow(&mut page, "2:3");
    assert!(page.manager.is_pending(&key(KEY)));
    for as_of in ["1:10", "1:99", "2:3", "2:99"] {
        let (ticket, _) = page.fill(KEY);
        assert_eq!(page.answer(ticket, as_of, "value"), Filled::Delivered, "{as_of}");
    }
    page.reset("2:4");
    assert_eq!(page.answer(early, "1:99", "old"), Filled::Retry(Some(at("2:4"))));
    page.put(KEY, "2:4", "value");
    assert_eq!(page.read(KEY), some("value"));
}

#[test]
fn the_end_of_one_following_hands_its_entries_to_the_other() {
    for narrow_ends in [true, false] {
        let (mut page, wide, narrow) = both();
        page.put(KEY, "1:10", "value");
        page.put("s:m:z", "1:10", "value");
        beat_both(&mut page, 10, 12);
        page.unfollow(if narrow_ends { narrow } else { wide });
        // What only the wide scope covers goes with it.
        assert_eq!((page.read(KEY), page.holds("s:m:z")), (some("value"), narrow_ends));
        let (sid, other) = if narrow_ends { (SID, SCOPE) } else { (NARROW_SID, NARROW) };
        page.server(&ServerFrame::Change { sid, change: items(12, 13, vec![changed(KEY, 13)]) });
        assert_eq!((page.read(KEY), page.stands(other).0), (None, some("1:13")));
    }
}

/// The stream that takes over began after a change that the one that ends had not told yet: nobody ever would.
#[test]
fn an_entry_is_not_handed_to_a_stream_that_began_after_its_next_change() {
    let mut page = Page::live("1:10");
    let wide = page.follow(SCOPE);
    page.put(KEY, "1:10", "ten");
    page.put("s:m:p:late", "1:25", "twenty-five");
    page.follow(NARROW);
    page.accept(NARROW_SID, Mode::Fresh, "1:20");
    page.unfollow(wide);
    page.unfollow(wide);
    assert_eq!((page.holds(KEY), page.read("s:m:p:late")), (false, some("twenty-five")));
}

#[test]
fn a_narrower_following_leaves_what_the_wider_one_vouches_for() {
    let mut page = Page::live("1:10");
    page.put(KEY, "1:10", "value");
    page.follow(NARROW);
    assert_eq!(page.read(KEY), some("value"));
    page.accept(NARROW_SID, Mode::Fresh, "1:10");
    assert_eq!(page.read(KEY), some("value"));
}

#[test]
fn a_reset_of_one_stream_takes_what_the_other_vouches_for_too() {
    let (mut page, ..) = both();
    page.put(KEY, "1:10", "value");
    page.put("s:m:z", "1:10", "value");
    reset_narrow(&mut page, "2:3");
    assert_eq!((page.holds(KEY), page.read("s:m:z")), (false, some("value")));
}

/// A late frame of the old epoch raises a fill that a reset had raised in the new one; then its stream ends.
#[test]
fn an_answer_must_be_of_the_epoch_of_what_is_followed_and_of_what_raised_it() {
    for as_of in ["1:25", "2:25", "1:99"] {
        let (mut page, wide, _) = both();
        let (fill, _) = page.fill(KEY);
        let (load, _) = page.manager.begin_load(0, scope(NARROW));
        reset_narrow(&mut page, "2:30");
        page.change(purge(10, 21, SCOPE));
        page.unfollow(wide);
        let retry = Some(at("2:30"));
        assert_eq!(page.answer(fill, as_of, "value"), Filled::Retry(retry), "{as_of}");
        let bytes = got(as_of, &[(KEY, Some(body("value", &[])))]);
        assert_eq!(page.load(load, Some(at(as_of)), &bytes), Loaded::Retry(retry), "{as_of}");
        beat(&mut page, NARROW_SID, 30, 30);
        page.put(KEY, "2:30", "new");
        assert_eq!(page.read(KEY), some("new"));
    }
}

#[test]
fn a_tags_purge_takes_what_carries_it_wherever_it_lies() {
    let mut page = Page::live("1:10");
    page.follow("s:n:");
    page.accept(NARROW_SID, Mode::Fresh, "5:99");
    page.manager.set(0, key("s:n:a"), b"value"[..].into(), None, vec![tag("t")], page.now).unwrap();
    page.settle();
    assert_eq!(page.read("s:n:a"), some("value"));
    // Positions of two roots cannot be compared, so that it counts as older.
    page.change(purge_tag(10, 11, "t"));
    assert!(!page.holds("s:n:a"));
}
