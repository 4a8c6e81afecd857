//! How tabs come and go, and what becomes of the one connection.

use relay::Output;
use wire::{ClientFrame, ServerFrame};

use crate::world::{HB_MS, SCOPE, World, scope};

#[test]
fn the_first_tab_makes_the_connection_and_the_last_one_ends_it() {
    let mut world = World::new();
    let a = world.join();
    let b = world.join();
    assert_eq!(world.asked, [Output::Connect]);
    world.opened();
    assert_eq!(world.asked[1..], [Output::Opened(a), Output::Opened(b)]);
    assert_eq!(world.up, [ClientFrame::Hello { token: Some("secret".into()), values: true }]);
    let c = world.join();
    assert_eq!(world.asked[3..], [Output::Opened(c)]);
    world.leave(a);
    world.leave(b);
    assert_eq!(world.asked.len(), 4);
    world.leave(c);
    assert_eq!(world.asked[4..], [Output::Disconnect(1000, "nobody follows")]);
    world.join();
    assert_eq!(world.asked[5..], [Output::Connect]);
}

#[test]
fn a_tab_is_welcomed_when_the_relay_was() {
    let mut world = World::new();
    let a = world.join();
    world.opened();
    world.hello(a);
    world.sub(a, 1, Some("1:4"), 5);
    assert!(
        matches!(world.up[..], [ClientFrame::Hello { .. }, ClientFrame::Sub { .. }]),
        "nothing waits for the welcome"
    );
    assert_eq!(world.told(a), []);
    world.welcome();
    assert!(matches!(world.told(a)[..], [ServerFrame::Welcome { hb_ms: HB_MS, lease_ms: 5_000, .. }]));
    let b = world.join();
    world.hello(b);
    assert!(matches!(world.told(b)[..], [ServerFrame::Welcome { .. }]));
}

#[test]
fn a_lost_connection_is_lost_to_every_tab_with_the_code_that_it_had() {
    let (mut world, a, b) = World::following();
    let bye = ServerFrame::Bye { code: 4000, after_ms: 200, jitter_ms: 2_000 };
    world.server(&bye);
    assert_eq!((world.told(a), world.told(b)), (vec![bye.clone()], vec![bye]));
    world.relay.closed(Some(4000));
    world.settle();
    assert_eq!(world.asked, [Output::Closed(a, Some(4000)), Output::Closed(b, Some(4000))]);
    // It forgot where it was: the next tab says from where it goes on.
    let c = world.join();
    world.opened();
    world.welcome();
    world.hello(c);
    world.told(c);
    world.sub(c, 9, Some("1:10"), 5);
    assert_eq!(world.heard(c), Vec::<String>::new(), "the server has not answered");
    assert_eq!(world.subs().last().and_then(|(_, since)| since.clone()), Some("1:10".into()));
}

#[test]
fn a_connection_that_is_silent_is_given_up_when_a_tab_comes_or_leaves() {
    let (mut world, a, b) = World::following();
    world.now += 3.0 * f64::from(HB_MS) - 1.0;
    world.leave(a);
    assert_eq!(world.asked, [], "it may have been the tab that slept");
    world.now += 1.0;
    let c = world.join();
    assert_eq!(
        world.asked,
        [Output::Disconnect(4008, "the server is silent"), Output::Closed(b, None), Output::Connect]
    );
    world.asked.clear();
    world.now += 10_000.0;
    world.leave(c);
    assert_eq!(world.asked, [Output::Disconnect(4008, "the server is silent")]);
}

#[test]
fn tabs_of_another_token_do_not_share() {
    let (mut world, a, _) = World::following();
    let c = world.join();
    world.tab(c, &ClientFrame::Hello { token: Some("another".into()), values: true });
    let d = world.join();
    world.tab(d, &ClientFrame::Hello { token: Some("secret".into()), values: false });
    world.tab(a, &ClientFrame::Get { id: 1, keys: vec![], min: None });
    let alone = [c, d, a].map(Output::Alone);
    let said: Vec<&Output> = world.asked.iter().filter(|output| matches!(output, Output::Alone(_))).collect();
    assert_eq!(said, alone.iter().collect::<Vec<_>>());
}

#[test]
fn what_is_no_frame_ends_the_connection_that_it_came_over_and_no_other() {
    let (mut world, a, b) = World::following();
    world.relay.tab_message(a, b"\xff\xff", 0.0);
    world.settle();
    assert_eq!(world.asked, [Output::Closed(a, Some(4009))]);
    world.change(10, 11);
    assert_eq!(world.heard(b), ["(10, 11]"]);
    world.hello(b);
    assert_eq!(world.asked[1..], [Output::Closed(b, Some(4009)),], "hello is said once");
}

#[test]
fn bytes_of_the_servers_that_are_no_frame_end_all() {
    let (mut world, a, b) = World::following();
    world.relay.message(b"\xff", world.now);
    world.settle();
    assert_eq!(
        world.asked,
        [Output::Disconnect(4009, "not a frame"), Output::Closed(a, None), Output::Closed(b, None)]
    );
}

#[test]
fn the_scopes_of_all_tabs_stay_within_what_a_server_takes() {
    let (mut world, tabs) = World::with_tabs(2);
    for n in 0..255u32 {
        let narrow = scope(&format!("{SCOPE}{n}:"));
        world.tab(tabs[n as usize % 2], &ClientFrame::Sub { id: n, scope: narrow, since: None, stamp: 1 });
    }
    assert_eq!(world.asked, []);
    world.sub(tabs[0], 300, None, 1);
    assert_eq!(world.asked, [Output::Alone(tabs[0])]);
    let ended = world.up.iter().filter(|frame| matches!(frame, ClientFrame::Unsub { .. })).count();
    assert_eq!(ended, 128, "what it alone followed is followed no more");
}
