//! Who follows from where: a relay answers only by where its own flow has come to, or by what the server said.

use relay::Output;
use wire::{ClientFrame, Mode, ServerFrame};

use crate::world::{SID, World, change};

#[test]
fn one_subscription_serves_every_tab_that_follows_a_scope() {
    let (mut world, a, b) = World::following();
    world.up.clear();
    world.change(10, 11);
    assert_eq!((world.heard(a), world.heard(b)), (vec!["(10, 11]".into()], vec!["(10, 11]".into()]));
    assert_eq!(world.up, [], "the server was asked for nothing");
    world.leave(a);
    assert_eq!(world.up, [], "somebody follows still");
    world.change(11, 12);
    assert_eq!(world.heard(b), ["(11, 12]"]);
    world.sub(b, 7, Some("1:12"), 300);
    let newest = world.subs()[0].0;
    world.tab(b, &ClientFrame::Unsub { id: 7 });
    assert_eq!(world.up, [ClientFrame::Unsub { id: newest }], "the server knows it by the newest request");
}

#[test]
fn a_change_reaches_each_tab_under_its_own_number_and_otherwise_as_it_is() {
    let (mut world, a, b) = World::following();
    world.change(10, 11);
    let numbers: Vec<u32> = [a, b]
        .map(|tab| match &world.told(tab)[..] {
            [ServerFrame::Change { sid, change: told }] => {
                assert_eq!(*told, change(10, 11));
                *sid
            }
            other => panic!("{other:?}"),
        })
        .to_vec();
    assert_ne!(numbers[0], numbers[1]);
}

#[test]
fn who_begins_or_stands_at_the_cursor_is_answered_at_once_and_the_server_is_asked_to_vouch() {
    let (mut world, a, b) = World::following();
    world.up.clear();
    world.sub(a, 2, None, 300);
    assert_eq!(world.heard(a), ["2 Fresh 1:10"]);
    world.sub(b, 2, Some("1:10"), 300);
    assert_eq!(world.heard(b), ["2 Replayed 1:10"]);
    let since: Vec<_> = world.subs().into_iter().map(|(_, since)| since).collect();
    assert_eq!(since, [Some("1:10".into()), Some("1:10".into())]);
}

#[test]
fn who_stands_before_the_cursor_is_replayed_what_it_missed_and_the_others_are_not() {
    let (mut world, a, b) = World::following();
    world.change(10, 14);
    world.told(a);
    world.told(b);
    world.sub(b, 2, Some("1:7"), 300);
    let (id, since) = world.subs().remove(0);
    assert_eq!(since.as_deref(), Some("1:7"));
    // What the old flow tells meanwhile is for who follows.
    world.change(14, 15);
    assert_eq!((world.heard(a), world.heard(b)), (vec!["(14, 15]".into()], vec![]));
    world.sub_ok(id, Mode::Replayed, "1:7");
    assert_eq!(
        (world.heard(a), world.heard(b)),
        (vec![], vec![]),
        "its answer goes before the change that it begins with"
    );
    world.change(7, 15);
    assert_eq!((world.heard(a), world.heard(b)), (vec![], vec!["2 Replayed 1:7".into(), "(7, 15]".into()]));
    world.change(15, 16);
    assert_eq!((world.heard(a), world.heard(b)), (vec!["(15, 16]".into()], vec!["(15, 16]".into()]));
}

#[test]
fn a_position_that_the_server_cannot_continue_is_lost_to_its_tab_alone() {
    let (mut world, a, b) = World::following();
    world.sub(b, 2, Some("1:3"), 300);
    let (id, _) = world.subs().remove(0);
    world.sub_ok(id, Mode::Reset, "1:12");
    let (id, since) = world.subs().remove(0);
    assert_eq!(since.as_deref(), Some("1:10"), "the others stand at the cursor");
    world.change(12, 13);
    world.beat(None, 13, 13);
    assert_eq!(world.heard(a), ["hb None"], "frames of a flow that does not join the cursor are nobody's");
    world.told(b);
    world.sub_ok(id, Mode::Replayed, "1:10");
    world.change(10, 13);
    assert_eq!(
        (world.heard(a), world.heard(b)),
        (vec!["(10, 13]".into()], vec!["2 Reset 1:10".into(), "(10, 13]".into()])
    );
}

#[test]
fn who_is_ahead_of_the_relay_waits_until_the_flow_has_come_as_far() {
    let (mut world, a, b) = World::following();
    world.sub(b, 2, Some("1:12"), 300);
    let (id, since) = world.subs().remove(0);
    assert_eq!(since.as_deref(), Some("1:10"));
    world.sub_ok(id, Mode::Replayed, "1:10");
    assert_eq!(world.heard(b), Vec::<String>::new());
    world.change(10, 13);
    assert_eq!(
        (world.heard(a), world.heard(b)),
        (vec!["(10, 13]".into()], vec!["2 Replayed 1:12".into(), "(10, 13]".into()])
    );
}

#[test]
fn who_is_ahead_of_the_server_is_reset_when_the_server_has_said_how_far_it_is() {
    let (mut world, _, b) = World::following();
    world.sub(b, 2, Some("1:90"), 300);
    // It was on its way before the server was asked.
    world.beat(None, 10, 11);
    assert_eq!(world.heard(b), ["hb None"]);
    let (id, _) = world.subs().remove(0);
    world.sub_ok(id, Mode::Replayed, "1:11");
    world.sub_ok(id, Mode::Replayed, "1:11");
    world.beat(None, 11, 12);
    let heard = world.heard(b);
    assert!(heard.contains(&"2 Reset 1:12".into()), "{heard:?}");
}

#[test]
fn a_heartbeat_tells_nobody_that_nothing_happened_before_the_flow_told_of_it() {
    let (mut world, _, b) = World::following();
    world.sub(b, 2, Some("1:7"), 300);
    let (id, _) = world.subs().remove(0);
    world.sub_ok(id, Mode::Replayed, "1:7");
    world.change(7, 9);
    world.told(b);
    // Ranges may overlap: of this one the change to 9 was told to who followed by then.
    world.sub(b, 3, Some("1:8"), 300);
    world.beat(None, 7, 11);
    assert_eq!(world.heard(b), ["hb None"]);
}

#[test]
fn a_position_of_another_epoch_is_reset_once_the_server_was_asked() {
    let (mut world, _, b) = World::following();
    world.sub(b, 2, Some("2:10"), 300);
    assert_eq!(world.heard(b), Vec::<String>::new(), "the relay may be the one that is behind");
    let (id, since) = world.subs().remove(0);
    assert_eq!(since.as_deref(), Some("1:10"));
    world.sub_ok(id, Mode::Reset, "2:10");
    assert_eq!(world.heard(b), ["2 Replayed 2:10"]);
}

#[test]
fn a_reset_reaches_everybody() {
    let (mut world, a, b) = World::following();
    world.reset("2:4");
    assert_eq!((world.heard(a), world.heard(b)), (vec!["reset 2:4".into()], vec!["reset 2:4".into()]));
    world.change(4, 5);
    assert_eq!(world.heard(a), ["(4, 5]"]);
    // So does one that answers the relay's own request.
    world.sub(b, 2, Some("2:5"), 300);
    let (id, _) = world.subs().remove(0);
    world.told(b);
    world.sub_ok(id, Mode::Reset, "3:1");
    assert_eq!(
        (world.heard(a), world.heard(b)),
        (vec!["reset 3:1".into()], vec!["(4, 5]".into(), "reset 3:1".into()][1..].to_vec())
    );
}

#[test]
fn of_a_hole_the_tabs_hear_too_and_the_relay_goes_on_from_its_cursor() {
    let (mut world, a, b) = World::following();
    world.change(12, 13);
    assert_eq!((world.heard(a), world.heard(b)), (vec!["(12, 13]".into()], vec!["(12, 13]".into()]));
    let (id, since) = world.subs().remove(0);
    assert_eq!(since.as_deref(), Some("1:10"));
    world.change(13, 14);
    assert_eq!(world.heard(a), Vec::<String>::new(), "nothing is told until the flow joins again");
    world.sub_ok(id, Mode::Replayed, "1:10");
    world.change(10, 14);
    assert_eq!(world.heard(a), ["(10, 14]"]);
}

#[test]
fn answers_are_taken_in_order_because_frames_carry_no_epoch() {
    let (mut world, a, b) = World::following();
    world.sub(a, 2, Some("1:10"), 300);
    world.sub(b, 2, Some("1:10"), 300);
    let asked = world.subs();
    world.told(a);
    world.told(b);
    world.sub_ok(asked[0].0, Mode::Reset, "2:10");
    world.change(10, 11);
    world.sub_ok(asked[1].0, Mode::Reset, "2:11");
    assert_eq!(world.heard(a), ["reset 2:10", "(10, 11]"]);
}

#[test]
fn two_tabs_that_begin_at_once_lose_nothing_to_each_other() {
    let (mut world, tabs) = World::with_tabs(2);
    tabs.iter().for_each(|&tab| world.sub(tab, 1, None, 100));
    let asked = world.subs();
    world.sub_ok(asked[0].0, Mode::Fresh, "1:10");
    world.change(10, 11);
    world.sub_ok(asked[1].0, Mode::Fresh, "1:12");
    let (id, since) = world.subs().remove(0);
    assert_eq!(since.as_deref(), Some("1:11"));
    world.sub_ok(id, Mode::Replayed, "1:11");
    world.change(11, 12);
    for tab in tabs {
        assert_eq!(world.heard(tab), ["1 Fresh 1:10", "(10, 11]", "(11, 12]"]);
    }
}

#[test]
fn a_scope_that_was_left_and_is_followed_again_has_a_flow_of_its_own() {
    let (mut world, a, b) = World::following();
    world.leave(b);
    world.tab(a, &ClientFrame::Unsub { id: 1 });
    world.up.clear();
    world.sub(a, 2, Some("1:10"), 300);
    // Frames of the flow that ended.
    world.change(10, 11);
    world.beat(None, 11, 12);
    assert_eq!(world.heard(a), ["hb None"]);
    let (id, _) = world.subs().remove(0);
    world.sub_ok(id, Mode::Replayed, "1:10");
    world.server(&ServerFrame::Change { sid: SID, change: change(10, 12) });
    assert_eq!(world.heard(a), ["2 Replayed 1:10", "(10, 12]"]);
    assert_eq!(world.asked, [] as [Output; 0]);
}
