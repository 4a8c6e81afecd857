//! Who comes back is brought to where who stayed is.

use std::collections::HashMap;
use std::sync::Arc;

use edge_server::outbox::{BYTES_MAX, KEYS_MAX};
use edge_server::session::{Session, Timing};
use edge_server::store::{Commit, Partition};
use proptest::prelude::*;
use wire::{Body, ClientFrame, Codec, Mode, ServerFrame};

use crate::commits::{commit, position, purging, scope, value};
use crate::hub::{Reader, hub, names, span};
use crate::mirror::Mirror;

const KEYS: [&str; 6] = ["s:a:1", "s:a:2", "s:a:b:1", "s:a:b:2", "s:a:b:c:1", "s:a:c:1"];
const SCOPES: [&str; 4] = ["s:a:", "s:a:b:", "s:a:b:c:", "s:a:c:"];
const TAGS: [&str; 2] = ["x", "y"];

#[test]
fn a_position_is_continued_within_the_ring_and_reset_outside_it() {
    let hub = hub(5);
    for number in 1..=20 {
        hub.publish(&commit(number, &[("s:a:1", value(1, &number.to_string(), &[]))]));
    }
    let check = |epoch, since, expected: Option<(u64, u64)>| {
        let begun = Reader::new(1).follow(&hub, "s:a:", Some(position(epoch, since)));
        match expected {
            Some(expected) => {
                let replay = begun.replay.expect("a replay");
                assert_eq!(
                    (begun.mode, begun.position, span(&replay.change)),
                    (Mode::Replayed, position(7, since), expected)
                );
            }
            None => {
                assert_eq!((begun.mode, begun.position), (Mode::Reset, position(7, 20)));
                assert!(begun.replay.is_none());
            }
        }
    };
    check(7, 20, Some((20, 20)));
    check(7, 19, Some((19, 20)));
    check(7, 16, Some((16, 20)));
    check(7, 15, Some((15, 20)));
    check(7, 14, None);
    check(7, 0, None);
    check(7, 21, None);
    check(8, 18, None);
}

#[test]
fn a_replay_holds_the_newest_of_each_key_of_the_scope() {
    let hub = hub(10);
    hub.publish(&commit(1, &[("s:a:b:1", value(1, "1", &[])), ("s:a:1", Body::Changed)]));
    hub.publish(&commit(2, &[("s:a:b:1", value(2, "2", &[]))]));
    let begun = Reader::new(1).follow(&hub, "s:a:b:", Some(position(7, 0)));
    let change = &begun.replay.unwrap().change;
    assert_eq!(names(change), ["s:a:b:1"]);
    assert_eq!((change.items[0].version.get(), &change.items[0].body), (2, &value(2, "2", &[])));
}

#[test]
fn a_replay_over_the_bounds_of_a_record_is_a_purge_of_its_scope() {
    let hub = hub(4_096);
    let large = format!("\"{}\"", "x".repeat(1_000));
    for number in 1..=300 {
        let items: Vec<String> = (0..20).map(|item| format!("s:a:{number}:{item}")).collect();
        let items: Vec<(&str, Body)> = items.iter().map(|name| (name.as_str(), value(1, &large, &[]))).collect();
        hub.publish(&commit(number, &items));
    }
    let change = Reader::new(1).follow(&hub, "s:a:", Some(position(7, 0))).replay.unwrap().change.clone();
    assert_eq!(span(&change), (0, 300));
    assert!(change.items.len() <= KEYS_MAX);
    let bytes = change.items.len() * large.len();
    assert!(bytes <= BYTES_MAX, "a client refuses frames of 4 MiB, and would come back for this one for ever: {bytes}");
    assert_eq!(change.scopes, [scope("s:a:")]);
}

#[test]
fn who_comes_back_from_the_same_place_shares_one_replay_until_something_is_committed() {
    let hub = hub(10);
    hub.publish(&commit(1, &[("s:a:1", Body::Changed), ("s:a:b:1", Body::Changed)]));
    hub.publish(&commit(2, &[("s:a:2", Body::Changed)]));
    // Those who stay keep the scopes followed.
    let (_stays, _too) = (Reader::new(90).follow(&hub, "s:a:", None), Reader::new(91).follow(&hub, "s:a:b:", None));
    let back = |scope: &str, since| Reader::new(1).follow(&hub, scope, Some(position(7, since)));
    let first = back("s:a:", 0).replay.unwrap();
    assert!(Arc::ptr_eq(&first, &back("s:a:", 0).replay.unwrap()), "its bytes are made once");
    for (scope, since, expected) in [("s:a:", 1, vec!["s:a:2"]), ("s:a:b:", 0, vec!["s:a:b:1"]), ("s:a:b:", 1, vec![])]
    {
        let begun = back(scope, since);
        let replay = begun.replay.unwrap();
        assert_eq!((names(&replay.change), replay.sid), (expected, begun.sid), "{scope} since {since}");
    }
    hub.publish(&commit(3, &[("s:a:3", Body::Changed)]));
    assert_eq!(names(&back("s:a:", 0).replay.unwrap().change), ["s:a:1", "s:a:b:1", "s:a:2", "s:a:3"]);
}

#[test]
fn a_scope_that_nobody_followed_meanwhile_is_replayed_under_its_new_number() {
    let hub = hub(10);
    hub.publish(&commit(1, &[("s:a:1", Body::Changed)]));
    let first = Reader::new(1).follow(&hub, "s:a:", Some(position(7, 0)));
    hub.unsubscribe(&scope("s:a:"), 1);
    let again = Reader::new(2).follow(&hub, "s:a:", Some(position(7, 0)));
    assert_ne!(first.sid, again.sid);
    assert_eq!(again.replay.unwrap().sid, again.sid);
}

fn bodies() -> impl Strategy<Value = Body> {
    let tags = prop::collection::btree_set(prop::sample::select(TAGS.to_vec()), 0..2);
    prop_oneof![
        3 => (0i64..9, tags).prop_map(|(text, tags)| value(1, &text.to_string(), &tags.into_iter().collect::<Vec<_>>())),
        1 => Just(Body::Changed),
        1 => Just(Body::Gone),
    ]
}

fn commits() -> impl Strategy<Value = Vec<Arc<Commit>>> {
    let items = prop::collection::btree_map(prop::sample::select(KEYS.to_vec()), bodies(), 0..4);
    let scopes = prop::option::weighted(0.15, prop::sample::select(SCOPES.to_vec()));
    let tags = prop::option::weighted(0.15, prop::sample::select(TAGS.to_vec()));
    prop::collection::vec((items, scopes, tags), 1..30).prop_map(|commits| {
        let numbered = commits.into_iter().zip(1..);
        let commit =
            |((items, scopes, tags), number): ((std::collections::BTreeMap<_, _>, Option<_>, Option<_>), u64)| {
                let items: Vec<(&str, Body)> = items.into_iter().collect();
                let (scopes, tags): (Vec<&str>, Vec<&str>) = (scopes.into_iter().collect(), tags.into_iter().collect());
                purging(number, &items, &scopes, &tags)
            };
        numbered.map(commit).collect()
    })
}

proptest! {
    /// A follower stays and reads at times of its own; others leave after each commit and come back at the end. All
    /// know the same.
    #[test]
    fn who_comes_back_knows_what_who_stayed_knows(
        commits in commits(),
        reads in prop::collection::vec(any::<bool>(), 30),
        name in prop::sample::select(SCOPES.to_vec()),
        ring in 1usize..40,
    ) {
        let hub = hub(ring);
        let head = commits.len() as u64;
        let epoch = position(7, 0).epoch;
        // The one whose state at each commit is the truth reads every change as it comes.
        let [prompt, lazy] = [1, 2].map(Reader::new);
        let mut truth = Mirror::at(prompt.follow(&hub, name, None).position);
        let mut late = Mirror::at(lazy.follow(&hub, name, None).position);
        let mut states = vec![truth.clone()];
        for (commit, &reads) in commits.iter().zip(&reads) {
            hub.publish(commit);
            prompt.changes().iter().for_each(|(_, change)| truth.apply(epoch, change));
            states.push(truth.clone());
            if reads {
                lazy.changes().iter().for_each(|(_, change)| late.apply(epoch, change));
            }
        }
        lazy.changes().iter().for_each(|(_, change)| late.apply(epoch, change));
        prop_assert_eq!(&late.known, &truth.known);
        for (since, mut state) in (0u64..).zip(states) {
            let begun = Reader::new(3).follow(&hub, name, Some(position(7, since)));
            if since + (ring as u64) < head {
                prop_assert_eq!(begun.mode, Mode::Reset, "since {} of {}", since, head);
                continue;
            }
            prop_assert_eq!(begun.mode, Mode::Replayed, "since {} of {}", since, head);
            let change = &begun.replay.unwrap().change;
            prop_assert_eq!(span(change), (since, head));
            // What the state was told last may lie before `since`: nothing in between was of its scope.
            state.cursor.advance(begun.position.offset);
            state.apply(epoch, change);
            prop_assert_eq!(&state.known, &truth.known, "since {}", since);
        }
    }
}

/// The order in which a session says it, when the epoch ends after the replay was taken and before it has left.
#[test]
fn an_epoch_that_ends_while_a_replay_waits_resets_behind_it_and_nothing_of_it_is_vouched_for() {
    let hub = hub(10);
    for number in 1..=3 {
        hub.publish(&commit(number, &[("s:a:1", value(1, &number.to_string(), &[]))]));
    }
    let reader = Reader::new(1);
    let timing = Timing { hb_ms: 2_000, lease_ms: 10_000 };
    let mut session = Session::new(1, Codec::Postcard, timing, 0);
    let hello = ClientFrame::Hello { token: None, values: true };
    session.handle(&Codec::Postcard.encode_client(&hello).unwrap(), 0).unwrap();
    session.poll();
    session.begun(1, scope("s:a:"), reader.follow(&hub, "s:a:", Some(position(7, 1))), 0);
    // The heads of the heartbeat that is due, read before the failover is heard of.
    let heads = HashMap::from([(Partition(0), hub.head(Partition(0)))]);
    let failover = Commit { position: position(8, 2), ..(*commit(2, &[("s:a:1", Body::Gone)])).clone() };
    hub.publish(&Arc::new(failover));
    hub.publish(&Arc::new(Commit { position: position(8, 3), ..(*commit(3, &[("s:a:2", Body::Gone)])).clone() }));
    reader.mailbox.take().into_iter().for_each(|(sid, waiting)| session.tell(sid, waiting));
    session.beat(&heads, 0);
    let frames: Vec<ServerFrame> =
        std::iter::from_fn(|| session.poll()).map(|bytes| Codec::Postcard.decode_server(&bytes).unwrap()).collect();
    match frames.as_slice() {
        [
            ServerFrame::SubOk { mode: Mode::Replayed, epoch, .. },
            ServerFrame::Change { change: replay, .. },
            ServerFrame::Reset { epoch: next, offset, .. },
            ServerFrame::Change { change, .. },
            ServerFrame::Hb { subs, .. },
        ] => {
            assert_eq!((epoch.get(), span(replay)), (7, (1, 3)));
            assert_eq!((next.get(), offset.get(), span(change)), (8, 2, (2, 3)));
            assert_eq!(subs.as_slice(), [], "a head of the epoch before says nothing of this one");
        }
        frames => panic!("{frames:?}"),
    }
    session.beat(&HashMap::from([(Partition(0), hub.head(Partition(0)))]), 0);
    let vouched = Codec::Postcard.decode_server(&session.poll().unwrap()).unwrap();
    assert!(matches!(&vouched, ServerFrame::Hb { subs, .. } if subs.len() == 1 && subs[0].1.to().get() == 3));
    // And who asks for the epoch before gets nothing of it.
    let begun = Reader::new(2).follow(&hub, "s:a:", Some(position(7, 3)));
    assert_eq!((begun.mode, begun.position, begun.replay.is_none()), (Mode::Reset, position(8, 3), true));
}
