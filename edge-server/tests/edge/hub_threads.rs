//! Joining and leaving while commits are published from another thread.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use edge_server::publish::Hub;
use wire::{Body, Mode};

use crate::commits::{commit, key, position, scope};
use crate::hub::{Reader, hub};
use crate::mirror::{Known, Mirror};

const ROUNDS: usize = 20;
const COMMITS: u64 = 300;
const FOLLOWERS: u64 = 3;

/// Follows, leaves and comes back until the publisher is done, and once after. Each commit has a key of its own, so
/// that the mirror shows every one that was told.
fn come_and_go(hub: &Hub, number: u64, done: &AtomicBool) -> Mirror {
    let reader = Reader::new(number);
    let mut mirror = Mirror::at(position(7, 0));
    let epoch = mirror.cursor.position().epoch;
    loop {
        let last = done.load(Ordering::Acquire);
        let begun = reader.follow(hub, "s:a:", Some(mirror.cursor.position()));
        assert_eq!(begun.mode, Mode::Replayed);
        mirror.apply(epoch, &begun.replay.unwrap().change);
        for _ in 0..number * 3 {
            reader.changes().iter().for_each(|(_, change)| mirror.apply(epoch, change));
            std::thread::yield_now();
        }
        hub.unsubscribe(&scope("s:a:"), number);
        // What was told but not read is asked for again.
        reader.mailbox.take();
        if last {
            return mirror;
        }
    }
}

/// Follows once and stays.
fn stay(hub: &Hub, number: u64, done: &AtomicBool) -> Mirror {
    let reader = Reader::new(number);
    let begun = reader.follow(hub, "s:a:", Some(position(7, 0)));
    let mut mirror = Mirror::at(position(7, 0));
    let epoch = begun.position.epoch;
    mirror.apply(epoch, &begun.replay.unwrap().change);
    loop {
        let last = done.load(Ordering::Acquire);
        reader.changes().iter().for_each(|(_, change)| mirror.apply(epoch, change));
        if last {
            return mirror;
        }
        std::thread::yield_now();
    }
}

#[test]
fn nothing_is_lost_while_followers_come_and_go() {
    for _ in 0..ROUNDS {
        let (hub, done) = (hub(COMMITS as usize), AtomicBool::new(false));
        let (hub, done) = (&hub, &done);
        let mirrors = std::thread::scope(|threads| {
            let mut followers = vec![threads.spawn(move || stay(hub, FOLLOWERS + 1, done))];
            followers.extend((1..=FOLLOWERS).map(|number| threads.spawn(move || come_and_go(hub, number, done))));
            for number in 1..=COMMITS {
                hub.publish(&commit(number, &[(&format!("s:a:{number}"), Body::Gone)]));
            }
            done.store(true, Ordering::Release);
            followers.into_iter().map(|follower| follower.join().unwrap()).collect::<Vec<_>>()
        });
        let all: BTreeSet<_> = (1..=COMMITS).map(|number| key(&format!("s:a:{number}"))).collect();
        for mirror in mirrors {
            assert_eq!(mirror.cursor.position(), position(7, COMMITS));
            let told: BTreeSet<_> = mirror.known.keys().cloned().collect();
            assert_eq!(all.difference(&told).collect::<Vec<_>>(), Vec::<&wire::Key>::new());
            assert!(mirror.known.values().all(|known| *known == Known::Gone));
        }
    }
}
