//! Purges: caches are told to drop what they have, and values stay.

use wire::Body;

use super::*;
use crate::commits::{scope, tag, tagged};

pub(super) async fn purges_are_announced_and_change_no_value(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    let written = opened.commit(&[tagged("s:a:1", 1, "1", &["x"])]).await;
    opened.announcements().await;
    let purge = Purge {
        keys: vec![key("s:a:1"), key("s:a:unknown"), key("s:a:1")],
        scopes: vec![scope("s:a:"), scope("s:a:b:")],
        tags: vec![tag("x")],
    };
    let before = opened.head().await;
    let purged = opened.purge(purge).await;
    assert_eq!(purged.position.offset, before.offset.next().unwrap());
    let announced = opened.announcements().await;
    assert_eq!(announced.len(), 1);
    let (commit, version) = (&announced[0], purged.position.offset);
    let changed = |name| Item { key: key(name), version, body: Body::Changed };
    assert_eq!(commit.items, [changed("s:a:1"), changed("s:a:unknown")]);
    assert_eq!(commit.scopes, [scope("s:a:"), scope("s:a:b:")]);
    assert_eq!(commit.tags, [tag("x")]);
    assert_eq!(opened.read_at("s:a:1", NOW).await.unwrap().version, written.position.offset);
    for purge in [
        Purge { scopes: vec![scope("s:a:")], ..Purge::default() },
        Purge { tags: vec![tag("none")], ..Purge::default() },
    ] {
        opened.purge(purge.clone()).await;
        let announced = opened.announcements().await;
        assert_eq!((announced.len(), &announced[0].scopes, &announced[0].tags), (1, &purge.scopes, &purge.tags));
    }
}

pub(super) async fn a_key_that_is_written_and_purged_is_announced_once(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    let purge = Purge { keys: vec![key("s:a:1")], ..Purge::default() };
    let batch = Batch { writes: vec![write("s:a:1", 1, "1")], purge, producer: None };
    opened.store.commit(opened.partition(), batch, NOW).await.unwrap();
    let items = opened.announced_items().await;
    assert_eq!(items.len(), 1, "{items:?}");
    assert!(matches!(items[0].body, Body::Value { .. }), "the value says more: {items:?}");
}

pub(super) async fn an_empty_batch_does_nothing(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    let before = opened.head().await;
    assert_eq!(opened.commit(&[]).await, Committed { position: before, fates: vec![] });
    assert_eq!(opened.announcements().await, []);
}
