//! R6 and P2: reads hit only while the server's word holds, counted from the stamp that it answers.

use cache_wasm::Input;
use wire::{Mode, ServerFrame};

use crate::page::{LEASE_MS, Page, SCOPE, SID, some, span};

const LEASE: f64 = LEASE_MS as f64;

#[test]
fn reads_miss_before_the_servers_first_word() {
    let mut page = Page::new();
    page.follow(SCOPE);
    page.set("s:m:a", "early");
    assert_eq!(page.read("s:m:a"), None);
    page.open();
    assert_eq!(page.read("s:m:a"), None);
    page.accept(SID, Mode::Fresh, "1:10");
    assert!(!page.holds("s:m:a"), "nobody vouched for what was set before");
    page.set("s:m:a", "now");
    assert_eq!(page.read("s:m:a"), some("now"));
}

#[test]
fn reads_miss_after_a_disconnect_until_the_server_vouches_again() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    page.input(Input::Closed(Some(1006)));
    assert_eq!((page.read("s:m:a"), page.holds("s:m:a")), (None, true));
    page.come_back();
    page.accept(SID, Mode::Replayed, "1:10");
    assert_eq!(page.read("s:m:a"), None);
    page.beat(page.now, 10, 10);
    assert_eq!(page.read("s:m:a"), some("value"));
}

#[test]
fn the_answer_to_a_subscription_vouches_for_nothing() {
    for mode in [Mode::Fresh, Mode::Reset] {
        let mut page = Page::new();
        page.follow(SCOPE);
        page.open();
        let asked = page.asked().unwrap();
        page.subok(asked.id, SID, mode, "1:10");
        page.put("s:m:a", "1:10", "value");
        assert_eq!((page.read("s:m:a"), page.holds("s:m:a")), (None, true));
        page.beat(page.now, 10, 10);
        assert_eq!(page.read("s:m:a"), some("value"));
    }
}

#[test]
fn a_subscription_is_vouched_for_from_its_request_on_and_not_from_its_answer() {
    let mut page = Page::new();
    page.follow(SCOPE);
    page.open();
    let asked_at = page.now;
    page.now += 2_000.0;
    let asked = page.accept(SID, Mode::Fresh, "1:10");
    assert_eq!(asked.stamp, asked_at as u64);
    page.put("s:m:a", "1:10", "value");
    page.now = asked_at + LEASE - 1.0;
    assert_eq!(page.read("s:m:a"), some("value"));
    page.now = asked_at + LEASE;
    assert_eq!((page.read("s:m:a"), page.stands(SCOPE).1), (None, false));
}

#[test]
fn a_lease_runs_from_the_echoed_stamp_however_late_the_heartbeat_comes() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    let stamp = page.now + 1_000.0;
    page.now += 2_900.0;
    page.beat(stamp, 10, 10);
    page.now = stamp + LEASE - 1.0;
    assert_eq!(page.read("s:m:a"), some("value"));
    page.now = stamp + LEASE;
    assert_eq!(page.read("s:m:a"), None);
    // One that is later than the whole lease vouches for nothing.
    page.beat(stamp, 10, 10);
    assert_eq!(page.read("s:m:a"), None);
}

#[test]
fn a_heartbeat_of_the_future_counts_as_of_now() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    page.beat(page.now + 1e9, 10, 10);
    page.now += LEASE;
    assert_eq!(page.read("s:m:a"), None);
}

#[test]
fn a_later_word_never_shortens_an_earlier_one() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    let begun = page.now;
    page.now += 1_000.0;
    page.beat(begun - 2_000.0, 10, 10);
    page.now = begun + LEASE - 1.0;
    assert_eq!(page.read("s:m:a"), some("value"));
}

#[test]
fn a_heartbeat_without_an_echo_vouches_for_nothing() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    page.now += LEASE - 1.0;
    page.server(&ServerFrame::Hb { echo: None, subs: vec![(SID, span(10, 10))] });
    page.now += 1.0;
    assert_eq!(page.read("s:m:a"), None);
}

#[test]
fn a_heartbeat_vouches_only_for_the_streams_it_names() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    page.now += LEASE - 1.0;
    page.server(&ServerFrame::Hb { echo: Some(page.now as u64), subs: vec![(SID + 1, span(10, 10))] });
    page.now += 1.0;
    assert_eq!(page.read("s:m:a"), None);
}

#[test]
fn a_change_alone_extends_no_lease() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    page.now += LEASE - 1.0;
    page.change(crate::page::items(10, 11, vec![]));
    page.now += 1.0;
    assert_eq!(page.read("s:m:a"), None);
}

#[test]
fn every_heartbeat_is_answered_with_the_clock_rounded_down() {
    let mut page = Page::live("1:10");
    page.now = 6_000.9;
    page.beat(6_000.0, 10, 10);
    assert_eq!(page.sent.pop_front(), Some(wire::ClientFrame::Pong { stamp: 6_000 }));
}

#[test]
fn what_no_stream_covers_needs_no_lease() {
    let mut page = Page::live("1:10");
    page.set("s:other:a", "value");
    page.input(Input::Closed(None));
    page.now += 1e9;
    assert_eq!(page.read("s:other:a"), some("value"));
}
