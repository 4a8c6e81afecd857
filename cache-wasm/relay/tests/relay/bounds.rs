//! P6 through a relay: a tab that is frozen or slow costs bounded memory and delays nobody.

use relay::{Output, SILENT_MS, UNACKNOWLEDGED_MAX};
use wire::{Body, Change, Codec, Item, Payload, ServerFrame};

use crate::world::{HB_MS, SID, World, change};

const LONG: usize = 60_000;

fn long(to: u64) -> ServerFrame {
    let small = change(to - 1, to);
    let body = Body::Value { source_ts: 0, tags: vec![], payload: Payload::new(vec![b' '; LONG]) };
    let items = vec![Item { body, ..small.items[0].clone() }];
    ServerFrame::Change { sid: SID, change: Change { items, ..small } }
}

#[test]
fn a_tab_that_acknowledges_nothing_is_ended_at_a_bound_and_the_others_are_told_all() {
    let (mut world, a, b) = World::following();
    let mut frames = 0;
    for to in 11..60 {
        world.server(&long(to));
        let told = world.told(b);
        assert_eq!(told.len(), 1);
        let bytes = Codec::Postcard.encode_server(&told[0]).expect("it can be written").len();
        world.relay.acknowledged(b, 1, bytes as u32);
        frames += world.told(a).len();
    }
    assert_eq!(world.asked, [Output::Closed(a, Some(4008))]);
    let waited = frames * LONG;
    assert!((UNACKNOWLEDGED_MAX - LONG..UNACKNOWLEDGED_MAX + 2 * LONG).contains(&waited), "{waited} bytes waited");
}

#[test]
fn a_tab_that_is_silent_for_longer_than_a_server_bears_is_ended() {
    let (mut world, a, b) = World::following();
    world.pong(a, 1);
    world.told(a);
    while world.now <= SILENT_MS {
        world.pong(b, 2);
        assert_eq!(world.asked, [], "after {} ms", world.now);
        world.now += f64::from(HB_MS);
        world.beat(None, 10, 10);
    }
    assert_eq!(world.asked, [Output::Closed(a, Some(4008))]);
    let waiting = world.told(a).len();
    world.beat(None, 10, 10);
    assert_eq!((waiting, world.told(a).len()), (11, 0), "nothing more waits for it");
}

#[test]
fn heartbeats_that_come_at_once_end_nobody() {
    let (mut world, a, b) = World::following();
    // As many as scopes that are asked for in one turn.
    for _ in 0..20 {
        world.beat(None, 10, 10);
    }
    assert_eq!(world.asked, []);
    assert_eq!((world.told(a).len(), world.told(b).len()), (20, 20));
}
