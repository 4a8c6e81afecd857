//! A token ends, and the stream goes on with another one.

use cache_wasm::Input;
use wire::{ClientFrame, CloseCode, Limits, Mode, ServerFrame};

use crate::page::{HB_MS, LEASE_MS, Page, SCOPE, SID, at, items, some, value};

fn expired() -> Input<'static> {
    Input::Closed(Some(CloseCode::TokenExpired.code()))
}

/// The next attempt is made when it is due, with this token: how long that took.
fn come_back(page: &mut Page, token: &str) -> f64 {
    let lost = page.now;
    page.now = page.manager.poll_timeout().expect("an attempt is planned");
    page.input(Input::Woke);
    page.manager.set_token(Some(token.into()));
    page.sent.clear();
    page.input(Input::Opened);
    assert_eq!(page.sent.pop_front(), Some(ClientFrame::Hello { token: Some(token.into()), values: true }));
    page.now - lost
}

fn welcome(page: &mut Page) {
    let limits = Limits { frame_bytes: 65_536, subscriptions: 256, get_keys: 1_000 };
    page.server(&ServerFrame::Welcome { session: 2, hb_ms: HB_MS, lease_ms: LEASE_MS, limits });
}

#[test]
fn a_connection_that_was_good_is_made_again_at_once_with_another_token() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    page.input(expired());
    assert_eq!((page.read("s:m:a"), page.state()), (None, "waiting"), "nobody vouches meanwhile");
    assert_eq!(come_back(&mut page, "another"), 0.0);
    welcome(&mut page);
    assert_eq!(page.accept(SID, Mode::Replayed, "1:10").since, Some(at("1:10")));
    page.beat(page.now, 10, 10);
    assert_eq!((page.read("s:m:a"), page.manager.stats(page.now).stream.counters.resets), (some("value"), 0));
}

#[test]
fn a_token_that_is_refused_at_once_waits_as_long_as_any_loss() {
    let mut page = Page::live("1:10");
    page.input(expired());
    assert_eq!(come_back(&mut page, "expired too"), 0.0);
    let mut waits = Vec::new();
    for _ in 0..8 {
        page.input(expired());
        waits.push(come_back(&mut page, "expired too"));
    }
    assert!(waits.iter().all(|&wait| wait >= 200.0), "{waits:?}");
    assert!(waits[4..].iter().any(|&wait| wait > 1_000.0), "they grow: {waits:?}");
}

#[test]
fn a_token_that_ends_during_a_replay_loses_nothing() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "ten");
    page.reconnect();
    page.accept(SID, Mode::Replayed, "1:10");
    // The answer came, and what it promised did not.
    page.input(expired());
    come_back(&mut page, "another");
    welcome(&mut page);
    assert_eq!(page.accept(SID, Mode::Replayed, "1:10").since, Some(at("1:10")), "the answer alone moved nothing");
    page.change(items(10, 12, vec![value("s:m:a", 12, "twelve")]));
    page.beat(page.now, 12, 12);
    let resets = page.manager.stats(page.now).stream.counters.resets;
    assert_eq!((page.read("s:m:a"), page.stands(SCOPE).0, resets), (some("twelve"), some("1:12"), 0));
}
