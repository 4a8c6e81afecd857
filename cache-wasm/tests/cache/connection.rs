//! R7: when a connection is given up, when it is made again, and what is asked for then.

use cache_wasm::backoff::{LEAST_MS, MOST_MS};
use cache_wasm::session::GREETING_MS;
use cache_wasm::{Input, Output};
use wire::{ClientFrame, Mode, ServerFrame};

use crate::page::{HB_MS, Page, SCOPE, SID, at, items, offset, some, span, value};

#[test]
fn following_opens_the_connection_and_greets_before_it_asks() {
    let mut page = Page::new();
    assert_eq!((page.state(), page.manager.poll_timeout()), ("off", None));
    page.follow(SCOPE);
    assert_eq!((page.take_connects(), page.state(), page.sent.len()), (1, "connecting", 0));
    page.open();
    assert_eq!(page.state(), "live");
    let asked = page.asked().unwrap();
    assert_eq!((asked.scope.as_str(), asked.since), (SCOPE, None));
}

#[test]
fn the_cursor_survives_a_reconnect_and_is_asked_for() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "kept");
    page.put("s:m:b", "1:10", "old");
    page.change(items(10, 12, vec![]));
    page.reconnect();
    let asked = page.accept(SID + 1, Mode::Replayed, "1:12");
    assert_eq!(asked.since, Some(at("1:12")));
    let change = items(12, 20, vec![value("s:m:b", 15, "new")]);
    page.server(&ServerFrame::Change { sid: SID + 1, change });
    page.server(&ServerFrame::Hb { echo: Some(page.now as u64), subs: vec![(SID + 1, span(20, 20))] });
    assert_eq!((page.read("s:m:a"), page.read("s:m:b")), (some("kept"), some("new")));
}

#[test]
fn attempts_wait_within_bounds_and_longer_each_time() {
    let mut page = Page::new();
    page.follow(SCOPE);
    for attempt in 0..60 {
        page.input(Input::Closed(Some(1006)));
        assert_eq!(page.state(), "waiting");
        let wait = page.manager.poll_timeout().unwrap() - page.now;
        let ceiling = (2.0 * LEAST_MS * 2f64.powi(attempt)).min(MOST_MS);
        assert!((LEAST_MS..=ceiling).contains(&wait), "attempt {attempt}: {wait} ms");
        page.now += wait - 1.0;
        page.take_connects();
        page.input(Input::Woke);
        assert_eq!(page.take_connects(), 0, "a wake before the time does nothing");
        page.now += 1.0;
        page.input(Input::Woke);
        assert_eq!(page.take_connects(), 1);
    }
}

#[test]
fn a_heartbeat_and_not_a_welcome_starts_the_backoff_over() {
    let waits = |beats: bool| {
        let mut page = Page::live("1:10");
        let waits = (0..20).map(|_| {
            if beats {
                page.beat(page.now, 10, 10);
            }
            page.input(Input::Closed(Some(1006)));
            let wait = page.manager.poll_timeout().unwrap() - page.now;
            page.come_back();
            page.accept(SID, Mode::Replayed, "1:10");
            wait
        });
        waits.fold(0.0, f64::max)
    };
    assert!(waits(true) <= 2.0 * LEAST_MS);
    assert!(waits(false) > 4.0 * LEAST_MS);
}

#[test]
fn the_network_coming_back_ends_the_wait() {
    let mut page = Page::live("1:10");
    page.input(Input::Closed(None));
    page.take_connects();
    page.input(Input::Online);
    assert_eq!((page.take_connects(), page.state()), (1, "connecting"));
}

#[test]
fn close_codes_say_whether_to_come_back() {
    let check = |code: Option<u16>, state: &str| {
        let mut page = Page::live("1:10");
        page.put("s:m:a", "1:10", "value");
        page.input(Input::Closed(code));
        assert_eq!((page.state(), page.read("s:m:a")), (state, None), "{code:?}");
        page.take_connects();
        page.now += 1e9;
        page.input(Input::Woke);
        page.input(Input::Online);
        assert_eq!(page.take_connects() == 1, state == "waiting", "{code:?}");
        assert_eq!(page.manager.poll_timeout().is_some(), state == "waiting", "{code:?}");
    };
    for code in [4003, 4009] {
        check(Some(code), "refused");
    }
    for code in [None, Some(1000), Some(1006), Some(4000), Some(4001), Some(4008), Some(4010), Some(4999)] {
        check(code, "waiting");
    }
}

#[test]
fn bye_says_when_to_come_back() {
    let mut page = Page::live("1:10");
    page.server(&ServerFrame::Bye { code: 4000, after_ms: 60_000, jitter_ms: 5_000 });
    assert_eq!(page.state(), "live", "the connection is used until it closes");
    let told = page.now;
    page.now += 100.0;
    page.input(Input::Closed(Some(4000)));
    let wait = page.manager.poll_timeout().unwrap() - told;
    assert!((60_000.0..=65_000.0).contains(&wait), "{wait}");
    page.come_back();
    // It was said for one return.
    page.input(Input::Closed(Some(1006)));
    assert!(page.manager.poll_timeout().unwrap() - page.now <= MOST_MS);
}

#[test]
fn a_message_that_is_no_frame_ends_the_connection_and_keeps_the_cursor() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    for bytes in [&[][..], &[255, 255, 255], &[3, 7, 11, 10, 0, 0, 0], b"{\"hb\":{}}"] {
        page.outputs.clear();
        page.input(Input::Message(bytes));
        assert!(matches!(page.outputs[0], Output::Disconnect(4009, _)), "{bytes:?}: {:?}", page.outputs);
        assert_eq!((page.state(), page.read("s:m:a")), ("waiting", None));
        page.come_back();
        assert_eq!(page.accept(SID, Mode::Replayed, "1:10").since, Some(at("1:10")));
        page.beat(page.now, 10, 10);
        assert_eq!(page.read("s:m:a"), some("value"));
    }
}

#[test]
fn a_server_silent_for_three_heartbeats_is_given_up() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    page.now += 2_500.0;
    page.beat(page.now, 10, 10);
    let due = page.now + 3.0 * f64::from(HB_MS);
    assert_eq!(page.manager.poll_timeout(), Some(due));
    page.outputs.clear();
    page.now = due - 1.0;
    page.input(Input::Woke);
    assert_eq!((page.state(), page.outputs.len()), ("live", 0));
    page.now = due;
    page.input(Input::Woke);
    assert!(matches!(page.outputs[0], Output::Disconnect(4008, _)), "{:?}", page.outputs);
    assert_eq!((page.state(), page.read("s:m:a")), ("waiting", None));
    page.come_back();
    assert_eq!(page.asked().unwrap().since, Some(at("1:10")));
}

#[test]
fn a_connection_that_does_not_open_or_greet_is_given_up() {
    let mut page = Page::new();
    page.follow(SCOPE);
    assert_eq!(page.manager.poll_timeout(), Some(page.now + GREETING_MS));
    page.now += GREETING_MS;
    page.input(Input::Woke);
    assert_eq!(page.state(), "waiting");
    page.now = page.manager.poll_timeout().unwrap();
    page.input(Input::Woke);
    page.input(Input::Opened);
    assert_eq!((page.state(), page.manager.poll_timeout()), ("connecting", Some(page.now + GREETING_MS)));
    page.now += GREETING_MS;
    page.input(Input::Woke);
    assert_eq!(page.state(), "waiting");
}

#[test]
fn an_answer_to_an_earlier_request_is_ignored() {
    let mut page = Page::live("1:10");
    page.reconnect();
    let first = page.asked().unwrap();
    page.reconnect();
    let second = page.asked().unwrap();
    assert!(second.id > first.id);
    page.subok(first.id, 70, Mode::Fresh, "1:50");
    assert_eq!(page.stands(SCOPE), (some("1:10"), false));
    page.subok(second.id, SID, Mode::Replayed, "1:10");
    page.subok(second.id, 71, Mode::Fresh, "1:60");
    page.beat(page.now, 10, 11);
    assert_eq!(page.stands(SCOPE), (some("1:11"), true));
}

#[test]
fn frames_of_an_unknown_subscription_are_ignored() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    page.sent.clear();
    let sid = SID + 1;
    page.server(&ServerFrame::Change { sid, change: items(10, 11, vec![value("s:m:a", 11, "stray")]) });
    page.server(&ServerFrame::Change { sid, change: items(50, 51, vec![]) });
    page.server(&ServerFrame::Reset { sid, epoch: at("2:1").epoch, offset: offset(1), why: "stray".into() });
    page.server(&ServerFrame::Hb { echo: None, subs: vec![(sid, span(90, 99))] });
    assert_eq!((page.read("s:m:a"), page.stands(SCOPE)), (some("value"), (some("1:10"), true)));
    assert!(page.sent.iter().all(|frame| matches!(frame, ClientFrame::Pong { .. })), "{:?}", page.sent);
}

#[test]
fn nothing_is_heard_from_a_socket_that_is_not_in_use() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    page.input(Input::Closed(None));
    page.change(items(10, 11, vec![value("s:m:a", 11, "late")]));
    page.input(Input::Opened);
    assert_eq!((page.state(), page.stands(SCOPE).0), ("waiting", some("1:10")));
}

#[test]
fn the_end_of_the_last_following_closes_the_connection() {
    let mut page = Page::new();
    let stream = page.follow(SCOPE);
    page.open();
    let begun = page.accept(SID, Mode::Fresh, "1:10");
    page.unfollow(stream);
    assert_eq!(page.sent.pop_back(), Some(ClientFrame::Unsub { id: begun.id }));
    assert!(page.outputs.iter().any(|output| matches!(output, Output::Disconnect(1000, _))));
    assert_eq!((page.state(), page.manager.poll_timeout()), ("off", None));
    page.take_connects();
    page.follow(SCOPE);
    assert_eq!(page.take_connects(), 1);
}

#[test]
fn a_following_that_ends_before_its_answer_is_ended_at_the_server_too() {
    let mut page = Page::new();
    let stays = page.follow(SCOPE);
    page.open();
    page.accept(SID, Mode::Fresh, "1:10");
    let stream = page.follow("s:other:");
    let asked = page.asked().unwrap();
    page.unfollow(stream);
    assert_eq!(page.sent.pop_back(), Some(ClientFrame::Unsub { id: asked.id }));
    page.subok(asked.id, SID + 1, Mode::Fresh, "1:10");
    assert_eq!(page.sent.pop_back(), None, "its answer is of an earlier flow");
    page.unfollow(stays);
}
