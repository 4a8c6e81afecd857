//! From a commit to the mailboxes of those who follow.

use std::sync::Arc;

use edge_server::outbox::{Mailbox, Waiting};
use edge_server::publish::{Begun, Hub};
use edge_server::store::{Layout, Partition};
use wire::{Body, Change, Mode, Position, SubRef};

use crate::commits::{commit, key, position, purging, scope, tag, value};

/// A hub of one partition at 7:0 whose ring keeps so many commits.
pub(crate) fn hub(ring_commits: usize) -> Hub {
    Hub::new(Layout::new(1), vec![position(7, 0)], ring_commits, 0)
}

/// A connection that follows.
pub(crate) struct Reader {
    pub(crate) number: u64,
    pub(crate) mailbox: Arc<Mailbox>,
}

impl Reader {
    pub(crate) fn new(number: u64) -> Reader {
        Reader { number, mailbox: Arc::default() }
    }

    pub(crate) fn follow(&self, hub: &Hub, name: &str, since: Option<Position>) -> Begun {
        hub.subscribe(&scope(name), since, self.number, &self.mailbox)
    }

    /// What waits, as changes; nothing else may.
    pub(crate) fn changes(&self) -> Vec<(SubRef, Change)> {
        let waiting = self.mailbox.take().into_iter();
        waiting.map(|(sid, waiting)| (sid, change_of(waiting))).collect()
    }

    /// The one change that waits.
    pub(crate) fn change(&self) -> Change {
        let mut changes = self.changes();
        assert_eq!(changes.len(), 1, "{changes:?}");
        changes.remove(0).1
    }
}

pub(crate) fn change_of(waiting: Waiting) -> Change {
    match waiting {
        Waiting::Shared(published) => published.change.clone(),
        Waiting::Merged(change) => change,
        Waiting::Reset(position) => panic!("a reset at {position} in place of a change"),
    }
}

pub(crate) fn names(change: &Change) -> Vec<&str> {
    change.items.iter().map(|item| item.key.as_str()).collect()
}

pub(crate) fn span(change: &Change) -> (u64, u64) {
    (change.span.from().get(), change.span.to().get())
}

#[test]
fn a_follower_is_told_only_of_its_scope() {
    let hub = hub(10);
    let [root, narrow, other] = [1, 2, 3].map(Reader::new);
    root.follow(&hub, "s:a:", None);
    narrow.follow(&hub, "s:a:b:", None);
    other.follow(&hub, "s:a:bc:", None);
    let items = [("s:a:1", value(1, "1", &[])), ("s:a:b:1", Body::Gone), ("s:a:b:c:1", Body::Changed)];
    hub.publish(&commit(1, &items));
    assert_eq!(names(&root.change()), ["s:a:1", "s:a:b:1", "s:a:b:c:1"]);
    assert_eq!(names(&narrow.change()), ["s:a:b:1", "s:a:b:c:1"]);
    assert!(other.changes().is_empty(), "a commit that is nothing to it is not told");
    assert_eq!(hub.head(Partition(0)), position(7, 1));
}

#[test]
fn purges_reach_every_scope_that_they_touch() {
    let hub = hub(10);
    let [root, narrow, other] = [1, 2, 3].map(Reader::new);
    root.follow(&hub, "s:a:", None);
    narrow.follow(&hub, "s:a:b:", None);
    other.follow(&hub, "s:a:c:", None);
    hub.publish(&purging(1, &[], &["s:a:b:"], &[]));
    assert_eq!(root.change().scopes, [scope("s:a:b:")]);
    assert_eq!(narrow.change().scopes, [scope("s:a:b:")]);
    assert!(other.changes().is_empty());
    hub.publish(&purging(2, &[], &["s:a:"], &[]));
    assert_eq!(narrow.change().scopes, [scope("s:a:")], "a wider purge is told to a narrower scope");
    hub.publish(&purging(3, &[], &[], &["x"]));
    assert_eq!(other.change().tags, [tag("x")], "whoever has the tag is not known here");
}

#[test]
fn ranges_join_and_begin_at_or_before_what_any_member_was_told() {
    let hub = hub(10);
    let early = Reader::new(1);
    early.follow(&hub, "s:a:b:", None);
    hub.publish(&commit(1, &[("s:a:b:1", Body::Changed)]));
    hub.publish(&commit(2, &[("s:a:other", Body::Changed)]));
    hub.publish(&commit(3, &[("s:a:other", Body::Changed)]));
    let late = Reader::new(2);
    let begun = late.follow(&hub, "s:a:b:", None);
    assert_eq!((begun.mode, begun.position), (Mode::Fresh, position(7, 3)));
    assert_eq!(span(&early.change()), (0, 1));
    hub.publish(&commit(4, &[("s:a:b:1", Body::Changed)]));
    assert_eq!(span(&early.change()), (1, 4), "from where this one was told, not from the commit before");
    assert_eq!(span(&late.change()), (1, 4), "overlap does no harm to who began at 3");
    hub.publish(&commit(5, &[("s:a:b:1", Body::Changed)]));
    assert_eq!(span(&early.change()), (4, 5));
}

#[test]
fn equal_subscriptions_share_a_number_and_the_bytes() {
    let hub = hub(10);
    let [one, other] = [1, 2].map(Reader::new);
    let (first, second) = (one.follow(&hub, "s:a:", None), other.follow(&hub, "s:a:", None));
    assert_eq!(first.sid, second.sid);
    hub.publish(&commit(1, &[("s:a:1", value(1, "1", &[]))]));
    let frame = |reader: &Reader| match reader.mailbox.take().remove(0).1 {
        Waiting::Shared(published) => published.frame(wire::Codec::Postcard),
        waiting => panic!("{waiting:?}"),
    };
    assert_eq!(frame(&one).as_ptr(), frame(&other).as_ptr());
}

#[test]
fn an_announcement_seen_before_is_not_told_again() {
    let hub = hub(10);
    let reader = Reader::new(1);
    reader.follow(&hub, "s:a:", None);
    hub.publish(&commit(1, &[("s:a:1", Body::Changed)]));
    reader.change();
    hub.publish(&commit(1, &[("s:a:1", Body::Changed)]));
    assert!(reader.changes().is_empty());
}

#[test]
fn a_hole_or_another_epoch_resets_every_follower() {
    let check = |next: Position| {
        let hub = hub(10);
        let reader = Reader::new(1);
        let begun = reader.follow(&hub, "s:a:", None);
        hub.publish(&commit(1, &[("s:a:1", Body::Changed)]));
        let commit = edge_server::store::Commit { position: next, ..(*commit(2, &[("s:a:1", Body::Gone)])).clone() };
        hub.publish(&Arc::new(commit));
        let waiting = reader.mailbox.take();
        let [(sid, Waiting::Reset(position))] = waiting.as_slice() else { panic!("{waiting:?}") };
        assert_eq!((*sid, *position), (begun.sid, next), "the reset takes the place of what waited");
        assert_eq!(hub.head(Partition(0)), next);
        let again = Reader::new(2);
        let begun = again.follow(&hub, "s:a:", Some(Position { offset: wire::Offset::ZERO, ..next }));
        assert_eq!((begun.mode, begun.position), (Mode::Reset, next), "what came before is not in the ring");
    };
    check(position(7, 3));
    check(position(8, 1));
    check(position(8, 9));
}

#[test]
fn who_has_left_is_not_told() {
    let hub = hub(10);
    let [stays, leaves] = [1, 2].map(Reader::new);
    stays.follow(&hub, "s:a:", None);
    leaves.follow(&hub, "s:a:", None);
    hub.unsubscribe(&scope("s:a:"), leaves.number);
    hub.publish(&commit(1, &[("s:a:1", Body::Changed)]));
    assert_eq!(stays.change().items[0].key, key("s:a:1"));
    assert!(leaves.changes().is_empty());
}

#[test]
fn following_again_drops_what_waited_for_the_flow_before() {
    let hub = hub(10);
    let reader = Reader::new(1);
    let first = reader.follow(&hub, "s:a:", None);
    hub.publish(&commit(1, &[("s:a:1", Body::Changed)]));
    let second = reader.follow(&hub, "s:a:", Some(position(7, 0)));
    assert_eq!(first.sid, second.sid);
    assert_eq!(names(&second.replay.unwrap().change), ["s:a:1"]);
    assert!(reader.changes().is_empty(), "the replay has told it");
}

#[test]
fn a_partition_is_confirmed_for_three_seconds_and_only_where_the_store_is_not_ahead() {
    let hub = hub(10);
    let zero = Partition(0);
    assert!(hub.is_confirmed(zero, 3_000));
    assert!(!hub.is_confirmed(zero, 3_001));
    hub.confirm(zero, position(7, 1), 4_000);
    assert!(!hub.is_confirmed(zero, 4_000), "the store is ahead: an announcement is missing");
    hub.publish(&commit(1, &[]));
    assert!(hub.is_confirmed(zero, 7_000) && !hub.is_confirmed(zero, 7_001), "as of when the head was read");
    // Commits go on: the hub is never at the newest head, and reaches each that was read.
    hub.confirm(zero, position(7, 2), 8_000);
    hub.confirm(zero, position(7, 3), 9_000);
    hub.publish(&commit(2, &[]));
    assert!(hub.is_confirmed(zero, 11_000) && !hub.is_confirmed(zero, 11_001));
    hub.confirm(zero, position(8, 1), 12_000);
    assert!(!hub.is_confirmed(zero, 12_000), "the store is in another epoch");
    hub.confirm(zero, position(7, 2), 13_000);
    assert!(hub.is_confirmed(zero, 13_000), "it was not");
}

#[test]
fn what_nobody_announces_is_found_by_looking_at_the_store() {
    let zero = Partition(0);
    // An announcement that was lost, and a fail-over after which nothing was committed.
    for head in [position(7, 2), position(8, 1)] {
        let hub = hub(10);
        let reader = Reader::new(1);
        reader.follow(&hub, "s:a:", None);
        hub.publish(&commit(1, &[("s:a:1", Body::Changed)]));
        reader.change();
        hub.confirm(zero, head, 1_000);
        hub.confirm(zero, head, 3_999);
        assert!(reader.mailbox.take().is_empty(), "it may still be on its way");
        hub.confirm(zero, head, 4_000);
        let waiting = reader.mailbox.take();
        assert!(matches!(waiting.as_slice(), [(_, Waiting::Reset(at))] if *at == head), "{waiting:?}");
        assert!(hub.is_confirmed(zero, 7_000), "the hub is where the store is");
        assert_eq!(hub.head(zero), head);
    }
}

#[test]
fn an_epoch_that_only_an_announcement_tells_of_is_not_vouched_for() {
    let (hub, zero) = (hub(10), Partition(0));
    hub.confirm(zero, position(7, 0), 1_000);
    let announced = |epoch| edge_server::store::Commit { position: position(epoch, 4), ..(*commit(1, &[])).clone() };
    hub.publish(&Arc::new(announced(8)));
    assert!(!hub.is_confirmed(zero, 1_000), "it may come late, and its epoch be over");
    hub.confirm(zero, position(8, 4), 2_000);
    assert!(hub.is_confirmed(zero, 5_000));
    // One that was announced before the store failed over, and stayed on its way.
    hub.publish(&Arc::new(announced(7)));
    assert!(!hub.is_confirmed(zero, 2_000));
    hub.confirm(zero, position(8, 4), 3_000);
    hub.confirm(zero, position(8, 4), 6_000);
    assert_eq!((hub.head(zero), hub.is_confirmed(zero, 9_000)), (position(8, 4), true));
}
