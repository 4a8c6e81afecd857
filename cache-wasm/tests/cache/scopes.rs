//! Following and its end: who vouches for an entry, and what leaves when nobody does.

use cache_wasm::manager::ManagerError;
use cache_wasm::slots::STREAMS_MAX;
use cache_wasm::{Effect, Reason};
use wire::{ClientFrame, Mode};

use crate::page::{Page, SCOPE, SID, changed, items, key, scope, some};

#[test]
fn subscribing_purges_what_nobody_vouched_for() {
    let mut page = Page::new();
    page.set("s:m:a", "of unknown age");
    page.set("s:n:a", "elsewhere");
    page.follow(SCOPE);
    assert!(matches!(page.effects[..], [Effect::Removed(_, Reason::Reset)]), "{:?}", page.effects);
    assert_eq!((page.holds("s:m:a"), page.read("s:n:a")), (false, some("elsewhere")));
}

#[test]
fn a_value_set_by_hand_is_dropped_by_the_next_change() {
    let mut page = Page::live("1:10");
    page.set("s:m:a", "mine");
    page.change(items(10, 11, vec![changed("s:m:b", 11)]));
    assert_eq!(page.read("s:m:a"), some("mine"));
    page.change(items(11, 12, vec![changed("s:m:a", 12)]));
    assert!(!page.holds("s:m:a"));
}

#[test]
fn the_last_follower_takes_the_entries_with_it() {
    let mut page = Page::live("1:10");
    let stream = page.follow(SCOPE);
    page.put("s:m:a", "1:10", "value");
    page.set("s:n:a", "elsewhere");
    page.unfollow(stream);
    assert_eq!((page.read("s:m:a"), page.state()), (some("value"), "live"));
    assert!(!page.sent.iter().any(|frame| matches!(frame, ClientFrame::Unsub { .. })));
    page.unfollow(stream);
    assert!(
        matches!(page.effects[..], [Effect::Lease(..), Effect::Removed(_, Reason::Unfollowed)]),
        "{:?}",
        page.effects
    );
    assert_eq!((page.holds("s:m:a"), page.read("s:n:a")), (false, some("elsewhere")));
    // Once more than it was followed does nothing.
    page.unfollow(stream);
    assert_eq!(page.state(), "off");
}

#[test]
fn following_twice_asks_once() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    page.follow(SCOPE);
    assert_eq!((page.asked(), page.read("s:m:a")), (None, some("value")));
}

#[test]
fn following_anew_begins_from_nothing() {
    let mut page = Page::live("1:10");
    let other = page.follow("s:n:");
    page.accept(SID + 1, Mode::Fresh, "5:1");
    let stream = page.follow(SCOPE);
    page.put("s:m:a", "1:10", "value");
    page.unfollow(stream);
    page.unfollow(stream);
    assert_eq!(page.follow(SCOPE), stream, "the number is given again");
    let asked = page.asked().unwrap();
    assert_eq!((asked.since, page.holds("s:m:a"), page.stands(SCOPE)), (None, false, (None, false)));
    assert_ne!(other, stream);
}

#[test]
fn a_stream_number_given_again_vouches_for_nothing_of_before() {
    let mut page = Page::live("1:10");
    let stream = page.follow(SCOPE);
    page.put("s:m:a", "1:10", "value");
    page.follow("s:n:");
    page.unfollow(stream);
    page.unfollow(stream);
    assert_eq!(page.follow("s:o:"), stream);
    page.set("s:o:a", "early");
    assert_eq!((page.holds("s:m:a"), page.read("s:o:a")), (false, None));
}

#[test]
fn a_scope_followed_on_a_live_connection_is_asked_for_at_once() {
    let mut page = Page::live("1:10");
    page.follow("s:n:");
    let asked = page.accept(SID + 1, Mode::Fresh, "5:1");
    assert_eq!((asked.scope.as_str(), page.stands("s:n:")), ("s:n:", (some("5:1"), true)));
    assert_eq!(page.stands(SCOPE), (some("1:10"), true));
}

#[test]
fn more_scopes_than_streams_are_refused() {
    let mut page = Page::new();
    for number in 0..STREAMS_MAX {
        page.manager.follow(&scope(&format!("s:m:{number}:")), None, page.now).unwrap();
    }
    assert_eq!(page.manager.follow(&scope("s:n:"), None, page.now), Err(ManagerError::TooManyScopes));
    assert!(page.manager.follow(&scope("s:m:3:"), None, page.now).is_ok(), "one more follower of a followed scope");
}

#[test]
fn what_is_set_outside_every_scope_is_not_touched_by_changes() {
    let mut page = Page::live("1:10");
    page.set("s:n:a", "value");
    page.change(items(10, 11, vec![changed("s:m:a", 11)]));
    page.reset("2:1");
    assert_eq!((page.read("s:n:a"), page.manager.is_pending(&key("s:n:a"))), (some("value"), false));
}
