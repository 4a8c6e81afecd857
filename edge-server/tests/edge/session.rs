//! One connection's rules, without a socket and with a clock that is a number.

use std::collections::HashMap;
use std::sync::Arc;

use edge_server::outbox::Waiting;
use edge_server::publish::{Begun, Published};
use edge_server::session::{Due, GET_KEYS_MAX, Request, Session, Timing, Violation};
use edge_server::store::Partition;
use wire::frame::SUBSCRIPTIONS_MAX;
use wire::{Body, Change, ClientFrame, CloseCode, Codec, Mode, Position, ServerFrame, Span, SubRef};

use crate::commits::{commit, key, offset, position, scope, value};
use crate::hub::{Reader, hub};

const TIMING: Timing = Timing { hb_ms: 2_000, lease_ms: 10_000 };

fn session() -> Session {
    Session::new(1, Codec::Postcard, TIMING, 0)
}

fn say(session: &mut Session, frame: &ClientFrame, now_ms: u64) -> Result<Option<Request>, Violation> {
    session.handle(&session.codec().encode_client(frame).unwrap(), now_ms)
}

fn frames(session: &mut Session) -> Vec<ServerFrame> {
    let codec = session.codec();
    std::iter::from_fn(|| session.poll()).map(|bytes| codec.decode_server(&bytes).unwrap()).collect()
}

fn greeted(values: bool) -> Session {
    let mut session = session();
    assert_eq!(say(&mut session, &ClientFrame::Hello { token: None, values }, 0), Ok(None));
    assert!(matches!(frames(&mut session).as_slice(), [ServerFrame::Welcome { .. }]));
    session
}

fn sub(id: u32, name: &str, stamp: u64) -> ClientFrame {
    ClientFrame::Sub { id, scope: scope(name), since: None, stamp }
}

/// A session that follows `s:a:` as number 5 from this position on.
fn following(values: bool, at: Position) -> Session {
    let mut session = greeted(values);
    let begun = Begun { sid: 5, partition: Partition(0), position: at, mode: Mode::Fresh, replay: None };
    session.begun(1, scope("s:a:"), begun, 0);
    assert_eq!(frames(&mut session).len(), 1);
    session
}

fn heads(at: Position) -> HashMap<Partition, Position> {
    HashMap::from([(Partition(0), at)])
}

/// A subscription and the range that a heartbeat vouches for.
type Vouched = (SubRef, (u64, u64));

/// The echo and the ranges of the one heartbeat that waits.
fn heartbeat(session: &mut Session) -> (Option<u64>, Vec<Vouched>) {
    match frames(session).as_slice() {
        [ServerFrame::Hb { echo, subs }] => {
            (*echo, subs.iter().map(|(sid, span)| (*sid, (span.from().get(), span.to().get()))).collect())
        }
        frames => panic!("{frames:?}"),
    }
}

fn change(from: u64, to: u64, name: &str, body: Body) -> Change {
    let item = wire::Item { key: key(name), version: offset(to), body };
    Change { span: Span::new(offset(from), offset(to)).unwrap(), items: vec![item], scopes: vec![], tags: vec![] }
}

#[test]
fn what_breaks_the_protocol_is_refused_with_a_reason() {
    let check = |mut session: Session, frame: &ClientFrame, reason: &str| {
        let violation = say(&mut session, frame, 0).unwrap_err();
        assert_eq!(violation.code, CloseCode::Protocol);
        assert!(violation.reason.contains(reason), "{violation:?}");
    };
    let hello = ClientFrame::Hello { token: None, values: true };
    check(session(), &sub(1, "s:a:", 0), "first frame must be hello");
    check(session(), &ClientFrame::Pong { stamp: 1 }, "first frame must be hello");
    check(greeted(true), &hello, "hello was said already");
    let keys = |count: u32| (0..count).map(|number| key(&format!("s:a:{number}"))).collect();
    let get = |count| ClientFrame::Get { id: 1, keys: keys(count), min: None };
    assert!(say(&mut greeted(true), &get(GET_KEYS_MAX), 0).is_ok());
    check(greeted(true), &get(GET_KEYS_MAX + 1), "get names 1001 keys; at most 1000 are allowed");
    let mut full = greeted(true);
    for sid in 1..=SUBSCRIPTIONS_MAX {
        let name = format!("s:r{sid}:");
        assert!(say(&mut full, &sub(sid, &name, 0), 0).is_ok());
        let begun = Begun { sid, partition: Partition(0), position: position(7, 0), mode: Mode::Fresh, replay: None };
        full.begun(sid, scope(&name), begun, 0);
    }
    check(full, &sub(999, "s:a:", 0), "more than 256 subscriptions");
    for bytes in [&b"\xff\xff"[..], b"", b"\x02\x05\x00"] {
        let violation = greeted(true).handle(bytes, 0).unwrap_err();
        assert_eq!(violation.code, CloseCode::Protocol, "{bytes:?}");
        assert!(!violation.reason.is_empty());
    }
    let long = greeted(true).handle(&vec![0; 64 * 1024 + 1], 0).unwrap_err();
    assert!(long.reason.contains("65537 bytes; at most 65536"), "{long:?}");
}

#[test]
fn a_client_that_says_no_hello_is_closed_after_ten_seconds() {
    let session = session();
    assert_eq!(session.poll_timeout(), 10_000);
    assert_eq!(session.wake(9_999), Due::Nothing);
    let Due::Close(violation) = session.wake(10_000) else { panic!("not closed") };
    assert_eq!(violation.code, CloseCode::Slow, "the network may be to blame: it may come back");
    assert!(violation.reason.contains("no hello came"));
}

#[test]
fn a_client_that_falls_silent_is_closed_as_slow() {
    let mut session = greeted(true);
    assert_eq!(say(&mut session, &ClientFrame::Pong { stamp: 3 }, 5_000), Ok(None));
    session.beat(&HashMap::new(), 13_999);
    assert_eq!(session.wake(14_999), Due::Nothing);
    let Due::Close(violation) = session.wake(15_000) else { panic!("not closed") };
    assert_eq!(violation.code, CloseCode::Slow);
    assert!(violation.reason.contains("nothing was heard"), "{violation:?}");
}

#[test]
fn heartbeats_come_at_their_interval_and_at_once_when_a_subscription_begins() {
    let mut session = greeted(true);
    assert_eq!((session.poll_timeout(), session.wake(1_999)), (2_000, Due::Nothing));
    assert_eq!(session.wake(2_000), Due::Heartbeat);
    session.beat(&HashMap::new(), 2_100);
    assert_eq!(session.poll_timeout(), 4_100);
    let replay = change(3, 9, "s:a:1", Body::Gone);
    let begins = [
        (Mode::Fresh, position(7, 9), None),
        (Mode::Replayed, position(7, 3), Some(Arc::new(Published::new(5, scope("s:a:"), replay)))),
    ];
    for (now_ms, (mode, at, replay)) in (2_200..).zip(begins) {
        session.begun(1, scope("s:a:"), Begun { sid: 5, partition: Partition(0), position: at, mode, replay }, now_ms);
        assert_eq!(session.wake(now_ms), Due::Heartbeat, "{mode:?}: the answer vouches for nothing");
        frames(&mut session);
        session.beat(&heads(position(7, 9)), now_ms);
        assert_eq!(heartbeat(&mut session).1, [(5, (9, 9))]);
        assert_eq!(session.wake(now_ms), Due::Nothing);
    }
}

#[test]
fn a_heartbeat_vouches_from_what_was_told_to_the_head() {
    let mut session = following(true, position(7, 3));
    session.beat(&heads(position(7, 3)), 0);
    assert_eq!(heartbeat(&mut session).1, [(5, (3, 3))]);
    session.beat(&heads(position(7, 6)), 0);
    assert_eq!(heartbeat(&mut session).1, [(5, (3, 6))]);
    session.tell(5, Waiting::Merged(change(6, 9, "s:a:1", Body::Gone)));
    frames(&mut session);
    session.beat(&heads(position(7, 8)), 0);
    assert_eq!(heartbeat(&mut session).1, [(5, (9, 9))], "a head read earlier takes nothing back");
}

#[test]
fn what_waits_is_in_the_queue_before_the_word_that_it_was_all() {
    let hub = hub(10);
    let reader = Reader::new(1);
    let mut session = greeted(true);
    session.begun(1, scope("s:a:"), reader.follow(&hub, "s:a:", None), 0);
    frames(&mut session);
    hub.publish(&commit(1, &[("s:a:1", value(1, "1", &[]))]));
    // As the shell does: the heads, what waits, the beat.
    let heads = heads(hub.head(Partition(0)));
    reader.mailbox.take().into_iter().for_each(|(sid, waiting)| session.tell(sid, waiting));
    session.beat(&heads, 0);
    match frames(&mut session).as_slice() {
        [ServerFrame::Change { change, .. }, ServerFrame::Hb { subs, .. }] => {
            assert_eq!(change.span.to(), offset(1));
            assert_eq!(subs[0].1, Span::new(offset(1), offset(1)).unwrap());
        }
        frames => panic!("{frames:?}"),
    }
}

#[test]
fn a_partition_without_a_confirmed_head_is_not_vouched_for() {
    let mut session = following(true, position(7, 3));
    session.beat(&HashMap::new(), 0);
    assert_eq!(heartbeat(&mut session), (None, vec![]));
    session.beat(&HashMap::from([(Partition(1), position(7, 9))]), 0);
    assert_eq!(heartbeat(&mut session).1, []);
}

#[test]
fn a_head_of_another_epoch_vouches_for_nothing() {
    let mut session = following(true, position(7, 3));
    // The heads were read, and then, before what waits was taken, the partition began a new epoch.
    session.tell(5, Waiting::Reset(position(8, 1)));
    frames(&mut session);
    session.beat(&heads(position(7, 100)), 0);
    assert_eq!(heartbeat(&mut session).1, [], "offsets of different epochs are never compared");
    session.beat(&heads(position(8, 2)), 0);
    assert_eq!(heartbeat(&mut session).1, [(5, (1, 2))]);
}

#[test]
fn the_echo_is_the_newest_stamp() {
    let mut session = greeted(true);
    session.beat(&HashMap::new(), 0);
    assert_eq!(heartbeat(&mut session).0, None);
    for (frame, echo) in [(sub(1, "s:a:", 40), 40), (ClientFrame::Pong { stamp: 70 }, 70), (sub(2, "s:b:", 60), 70)] {
        say(&mut session, &frame, 0).unwrap();
        session.beat(&HashMap::new(), 0);
        assert_eq!(heartbeat(&mut session).0, Some(echo));
    }
}

#[test]
fn a_client_without_values_is_told_changed_and_never_a_value() {
    let hub = hub(10);
    let reader = Reader::new(1);
    reader.follow(&hub, "s:a:", None);
    hub.publish(&commit(1, &[("s:a:1", value(1, "1", &[])), ("s:a:2", Body::Gone)]));
    let (_, shared) = reader.mailbox.take().remove(0);
    let Waiting::Shared(published) = shared else { panic!("{shared:?}") };
    let merged = change(1, 2, "s:a:1", value(2, "2", &[]));
    let told = |values: bool| {
        let mut session = following(values, position(7, 0));
        let published =
            Arc::new(edge_server::publish::Published::new(5, published.scope.clone(), published.change.clone()));
        session.tell(5, Waiting::Shared(published));
        session.tell(5, Waiting::Merged(merged.clone()));
        let bodies = frames(&mut session).into_iter().flat_map(|frame| match frame {
            ServerFrame::Change { change, .. } => change.items.into_iter().map(|item| item.body),
            frame => panic!("{frame:?}"),
        });
        bodies.collect::<Vec<_>>()
    };
    assert_eq!(told(false), [Body::Changed, Body::Gone, Body::Changed]);
    assert_eq!(told(true), [value(1, "1", &[]), Body::Gone, value(2, "2", &[])]);
}

#[test]
fn a_subscription_that_is_over_is_not_told() {
    let mut session = following(true, position(7, 0));
    let left = say(&mut session, &ClientFrame::Unsub { id: 1 }, 0);
    assert_eq!(left, Ok(Some(Request::Unsubscribe(scope("s:a:")))));
    session.tell(5, Waiting::Merged(change(0, 1, "s:a:1", Body::Gone)));
    session.tell(5, Waiting::Reset(position(7, 1)));
    assert!(frames(&mut session).is_empty());
    session.beat(&heads(position(7, 9)), 0);
    assert_eq!(heartbeat(&mut session).1, []);
    assert_eq!(say(&mut session, &ClientFrame::Unsub { id: 1 }, 0), Ok(None), "an unknown number is ignored");
}

#[test]
fn a_reset_says_where_to_go_on_and_why() {
    let mut session = following(true, position(7, 3));
    session.tell(5, Waiting::Reset(position(8, 2)));
    match frames(&mut session).as_slice() {
        [ServerFrame::Reset { sid: 5, epoch, offset, why }] => {
            assert_eq!(Position { epoch: *epoch, offset: *offset }, position(8, 2));
            assert!(!why.is_empty());
        }
        frames => panic!("{frames:?}"),
    }
}
