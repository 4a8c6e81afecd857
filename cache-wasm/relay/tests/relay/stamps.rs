//! P2 through a relay: a tab's stamp is echoed only when the server has echoed one that was sent after it came.

use wire::{ClientFrame, Mode};

use crate::world::World;

#[test]
fn a_stamp_is_echoed_by_the_first_heartbeat_that_answers_what_was_sent_after_it() {
    let (mut world, a, _) = World::following();
    world.sub(a, 2, Some("1:10"), 300);
    let later = world.stamp().expect("the relay asks the server");
    world.told(a);
    world.beat(Some(later - 1), 10, 10);
    assert_eq!(world.heard(a), ["hb Some(100) (10, 10]"], "the heads may have been read before the tab read its clock");
    world.beat(Some(later), 10, 10);
    assert_eq!(world.heard(a), ["hb Some(300) (10, 10]"]);
}

#[test]
fn each_tab_hears_its_own_stamp_and_none_before_one_came() {
    let (mut world, a, b) = World::following();
    world.sub(a, 2, Some("1:10"), 7_000);
    world.sub(b, 2, Some("1:10"), 30);
    let stamp = world.stamp();
    let c = world.join();
    world.hello(c);
    [a, b, c].iter().for_each(|&tab| drop(world.told(tab)));
    world.beat(stamp, 10, 10);
    assert_eq!(world.heard(a), ["hb Some(7000) (10, 10]"]);
    assert_eq!(world.heard(b), ["hb Some(200) (10, 10]"], "the newest, though a clock went back");
    assert_eq!(world.heard(c), ["hb None"]);
}

#[test]
fn a_heartbeat_is_answered_when_all_tabs_have_and_the_answer_covers_their_stamps() {
    let (mut world, a, b) = World::following();
    world.pong(a, 1_000);
    world.pong(b, 1_000);
    world.up.clear();
    world.beat(None, 10, 10);
    world.pong(a, 2_000);
    assert_eq!(world.up, []);
    world.pong(b, 2_100);
    let stamp = world.stamp();
    assert!(stamp.is_some());
    world.told(a);
    world.told(b);
    world.beat(stamp, 10, 10);
    assert_eq!(world.heard(a), ["hb Some(2000) (10, 10]"]);
    assert_eq!(world.heard(b), ["hb Some(2100) (10, 10]"]);
}

#[test]
fn who_does_not_answer_is_not_waited_for_twice() {
    let (mut world, a, b) = World::following();
    world.pong(a, 1_000);
    world.pong(b, 1_000);
    world.beat(None, 10, 10);
    world.pong(a, 2_000);
    world.up.clear();
    world.beat(None, 10, 10);
    assert!(matches!(world.up[..], [ClientFrame::Pong { .. }]), "the one that waited for b: {:?}", world.up);
    world.up.clear();
    world.pong(a, 3_000);
    assert!(matches!(world.up[..], [ClientFrame::Pong { .. }]), "b is silent: {:?}", world.up);
    world.up.clear();
    world.beat(None, 10, 10);
    world.leave(a);
    assert!(world.up.iter().any(|frame| matches!(frame, ClientFrame::Pong { .. })), "{:?}", world.up);
}

#[test]
fn a_server_is_answered_though_no_tab_is_there_to_answer() {
    let mut world = World::new();
    let tab = world.join();
    world.opened();
    world.welcome();
    world.hello(tab);
    world.sub(tab, 1, None, 5);
    let (id, _) = world.subs().remove(0);
    world.sub_ok(id, Mode::Fresh, "1:1");
    for _ in 0..3 {
        world.beat(None, 1, 1);
    }
    let pongs = world.up.iter().filter(|frame| matches!(frame, ClientFrame::Pong { .. })).count();
    assert_eq!(pongs, 3);
}
