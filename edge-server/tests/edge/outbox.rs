//! What waits for a slow reader stays small and says everything (P6).

use edge_server::outbox::{BYTES_MAX, KEYS_MAX, Mailbox, Waiting};
use wire::{Body, Change};

use crate::commits::{commit, position, purging, scope, tag, value};
use crate::hub::{Reader, change_of, hub, names, span};

/// One record, within its bounds.
fn check_bounds(change: &Change) {
    assert!(change.items.len() <= KEYS_MAX, "{} keys", change.items.len());
    let value = |body: &Body| if let Body::Value { payload, .. } = body { payload.as_bytes().len() } else { 0 };
    let items = change.items.iter().map(|item| item.key.as_str().len() + value(&item.body));
    let purges = change.scopes.iter().map(|scope| scope.as_str().len());
    let bytes: usize = items.chain(purges).chain(change.tags.iter().map(|tag| tag.as_str().len())).sum();
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
}

#[test]
fn a_slow_reader_is_told_the_newest_of_each_key_in_one_change() {
    let hub = hub(10);
    let reader = Reader::new(1);
    reader.follow(&hub, "s:a:", None);
    hub.publish(&commit(1, &[("s:a:1", value(1, "1", &[])), ("s:a:2", value(1, "2", &[]))]));
    hub.publish(&commit(2, &[("s:a:1", value(2, "10", &[]))]));
    hub.publish(&commit(3, &[("s:a:2", Body::Gone), ("s:a:3", Body::Changed)]));
    let change = reader.change();
    assert_eq!(span(&change), (0, 3));
    let mut items: Vec<_> = change.items.iter().map(|i| (i.key.as_str(), i.version.get(), i.body.clone())).collect();
    items.sort_by_key(|item| item.0);
    let expected = [("s:a:1", 2, value(2, "10", &[])), ("s:a:2", 3, Body::Gone), ("s:a:3", 3, Body::Changed)];
    assert_eq!(items, expected);
}

#[test]
fn purges_come_before_what_follows_them_and_after_what_waited() {
    let hub = hub(10);
    let reader = Reader::new(1);
    reader.follow(&hub, "s:a:", None);
    hub.publish(&commit(1, &[("s:a:b:1", value(1, "1", &[])), ("s:a:c:1", value(1, "1", &[]))]));
    hub.publish(&purging(2, &[], &["s:a:b:"], &[]));
    hub.publish(&commit(3, &[("s:a:b:2", value(3, "3", &[]))]));
    let change = reader.change();
    assert_eq!(names(&change), ["s:a:c:1", "s:a:b:2"]);
    assert_eq!(change.scopes, [scope("s:a:b:")]);
}

#[test]
fn a_tag_purge_turns_waiting_values_that_carry_it_into_changed() {
    let hub = hub(10);
    let reader = Reader::new(1);
    reader.follow(&hub, "s:a:", None);
    let items = [("s:a:1", value(1, "1", &["x", "y"])), ("s:a:2", value(1, "2", &["y"])), ("s:a:3", Body::Gone)];
    hub.publish(&commit(1, &items));
    hub.publish(&purging(2, &[], &[], &["x"]));
    hub.publish(&commit(3, &[("s:a:4", value(3, "4", &["x"]))]));
    let change = reader.change();
    let bodies: Vec<Body> = change.items.into_iter().map(|item| item.body).collect();
    assert_eq!(bodies, [Body::Changed, value(1, "2", &["y"]), Body::Gone, value(3, "4", &["x"])]);
    assert_eq!(change.tags, [tag("x")]);
}

#[test]
fn over_its_keys_a_record_becomes_a_purge_of_its_scope() {
    let hub = hub(10);
    let reader = Reader::new(1);
    reader.follow(&hub, "s:a:b:", None);
    let changed = |numbers: std::ops::Range<usize>, number: u64| {
        let names: Vec<String> = numbers.map(|number| format!("s:a:b:{number}")).collect();
        let items: Vec<(&str, Body)> = names.iter().map(|name| (name.as_str(), Body::Changed)).collect();
        hub.publish(&commit(number, &items));
    };
    let (half, all) = (KEYS_MAX / 2, KEYS_MAX);
    changed(0..half, 1);
    changed(half..all, 2);
    let full = reader.change();
    assert_eq!((full.items.len(), full.scopes.len()), (KEYS_MAX, 0), "so many keys are told one by one");
    changed(0..half, 3);
    changed(half..all, 4);
    changed(all..all + 1, 5);
    let purged = reader.change();
    assert_eq!((purged.items.len(), &purged.scopes), (0, &vec![scope("s:a:b:")]));
    assert_eq!(span(&purged), (2, 5));
}

#[test]
fn over_its_bytes_a_record_becomes_a_purge_of_its_scope() {
    let hub = hub(10);
    let reader = Reader::new(1);
    reader.follow(&hub, "s:a:", None);
    let large = format!("\"{}\"", "x".repeat(1_000));
    for number in 1..=BYTES_MAX as u64 / 1_000 {
        hub.publish(&commit(number, &[(&format!("s:a:{number}"), value(1, &large, &[]))]));
    }
    let change = reader.change();
    assert_eq!(change.scopes, [scope("s:a:")]);
    check_bounds(&change);
}

#[test]
fn a_single_commit_over_the_bounds_is_a_purge_too() {
    let hub = hub(10);
    let reader = Reader::new(1);
    reader.follow(&hub, "s:a:", None);
    // As when so many values end within one second.
    let names: Vec<String> = (0..=KEYS_MAX).map(|number| format!("s:a:{number}")).collect();
    let items: Vec<(&str, Body)> = names.iter().map(|name| (name.as_str(), Body::Gone)).collect();
    hub.publish(&commit(1, &items));
    let change = reader.change();
    check_bounds(&change);
    assert_eq!(change.scopes, [scope("s:a:")]);
}

#[test]
fn after_100_000_changes_a_sleeping_reader_costs_one_record_and_the_others_nothing() {
    let hub = hub(10);
    let [sleeps, reads] = [1, 2].map(Reader::new);
    sleeps.follow(&hub, "s:a:", None);
    reads.follow(&hub, "s:a:", None);
    let mut told = 0;
    for number in 1..=2_000 {
        let names: Vec<String> = (0..50).map(|item| format!("s:a:{}", (number * 50 + item) % 30_000)).collect();
        let items: Vec<(&str, Body)> = names.iter().map(|name| (name.as_str(), value(1, "1", &[]))).collect();
        hub.publish(&commit(number, &items));
        let change = reads.change();
        assert_eq!((span(&change), change.items.len(), change.scopes.len()), ((told, number), 50, 0));
        told = number;
    }
    let waiting = sleeps.mailbox.take();
    assert_eq!(waiting.len(), 1);
    let change = change_of(waiting.into_iter().next().unwrap().1);
    check_bounds(&change);
    assert_eq!((span(&change), &change.scopes), ((0, 2_000), &vec![scope("s:a:")]));
}

#[test]
fn purges_of_ever_other_scopes_and_tags_stay_within_the_bounds_too() {
    let hub = hub(10);
    let reader = Reader::new(1);
    reader.follow(&hub, "s:a:", None);
    let long = "x".repeat(200);
    for number in 1..=1_500 {
        let tag = format!("{:058}", number);
        hub.publish(&purging(number, &[], &[&format!("s:a:{long}{number}:")], &[&tag]));
    }
    let change = reader.change();
    check_bounds(&change);
    assert!(change.scopes.contains(&scope("s:a:")), "what was dropped is covered by a purge of the scope");
}

#[test]
fn changes_after_a_reset_follow_it_and_are_merged() {
    let hub = hub(10);
    let reader = Reader::new(1);
    reader.follow(&hub, "s:a:", None);
    hub.publish(&commit(1, &[("s:a:1", Body::Changed)]));
    hub.publish(&commit(5, &[("s:a:2", Body::Changed)]));
    for number in 6..=1_000 {
        hub.publish(&commit(number, &[("s:a:3", Body::Changed)]));
    }
    let mut waiting = reader.mailbox.take();
    assert_eq!(waiting.len(), 2, "{waiting:?}");
    let change = change_of(waiting.pop().unwrap().1);
    assert_eq!((span(&change), names(&change)), ((5, 1_000), vec!["s:a:3"]));
    assert!(matches!(waiting[0].1, Waiting::Reset(at) if at == position(7, 5)));
}

#[test]
fn a_second_reset_takes_the_place_of_everything_before_it() {
    let hub = hub(10);
    let reader = Reader::new(1);
    reader.follow(&hub, "s:a:", None);
    for number in [2, 3, 5, 6, 9] {
        hub.publish(&commit(number, &[("s:a:1", Body::Changed)]));
    }
    let waiting = reader.mailbox.take();
    assert!(matches!(waiting.as_slice(), [(_, Waiting::Reset(at))] if *at == position(7, 9)), "{waiting:?}");
}

#[test]
fn subscriptions_of_one_connection_wait_beside_each_other() {
    let hub = hub(10);
    let reader = Reader::new(1);
    let wide = reader.follow(&hub, "s:a:", None).sid;
    let narrow = reader.follow(&hub, "s:a:b:", None).sid;
    hub.publish(&commit(1, &[("s:a:b:1", Body::Changed)]));
    hub.publish(&commit(2, &[("s:a:1", Body::Changed)]));
    let mut changes = reader.changes();
    changes.sort_by_key(|(sid, _)| *sid != wide);
    let told: Vec<_> = changes.iter().map(|(sid, change)| (*sid, span(change), names(change))).collect();
    assert_eq!(told, [(wide, (0, 2), vec!["s:a:b:1", "s:a:1"]), (narrow, (0, 1), vec!["s:a:b:1"])]);
}

#[tokio::test]
async fn whoever_waits_is_woken_by_a_change_and_by_a_reset() {
    let mailbox = Mailbox::default();
    mailbox.reset(1, position(7, 1));
    crate::soon("the word that something waits", mailbox.notify.notified()).await;
    let hub = hub(10);
    let reader = Reader::new(1);
    reader.follow(&hub, "s:a:", None);
    hub.publish(&commit(1, &[("s:a:1", Body::Changed)]));
    crate::soon("the word that something waits", reader.mailbox.notify.notified()).await;
}
