//! Values with an end.

use wire::Body;

use super::*;
use crate::commits::{removal, value};

fn living(name: &str, source_ts: i64, text: &str, ttl_ms: u64) -> Write {
    Write { ttl_ms: Some(ttl_ms), ..write(name, source_ts, text) }
}

pub(super) async fn a_value_reads_as_absent_from_its_end_on(open: impl AsyncFn(Options) -> Opened) {
    let opened = open(DEFAULTS).await;
    opened.commit(&[living("s:a:1", 1, "1", 1_000)]).await;
    let stored = opened.read_at("s:a:1", NOW + 999).await.unwrap();
    assert_eq!(stored.expires_at, Some(NOW + 1_000));
    assert_eq!(opened.read_at("s:a:1", NOW + 1_000).await, None);
    assert_eq!(opened.read_at("s:a:1", NOW + 60_000).await, None);
}

pub(super) async fn an_ended_value_leaves_by_a_commit_of_its_own(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    opened.commit(&[living("s:a:1", 1, "1", 1_000), living("s:a:2", 1, "2", 2_000), write("s:a:3", 1, "3")]).await;
    opened.announcements().await;
    opened.store.expire(NOW + 999).await.unwrap();
    assert_eq!(opened.announcements().await, []);
    let before = opened.head().await;
    opened.store.expire(NOW + 1_000).await.unwrap();
    let announced = opened.announcements().await;
    assert_eq!(announced.len(), 1);
    assert_eq!(announced[0].position.offset, before.offset.next().unwrap());
    let version = announced[0].position.offset;
    assert_eq!(announced[0].items, [Item { key: key("s:a:1"), version, body: Body::Gone }]);
    opened.store.expire(NOW + 1_000).await.unwrap();
    assert_eq!(opened.announcements().await, [], "once");
    opened.store.expire(NOW + 2_000).await.unwrap();
    assert_eq!(opened.announced_items().await[0].key, key("s:a:2"));
    assert_eq!(opened.text("s:a:3").await.as_deref(), Some("3"));
}

pub(super) async fn a_value_written_again_lives_by_its_new_time(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    opened.commit(&[living("s:a:1", 1, "1", 1_000), living("s:a:2", 1, "2", 1_000)]).await;
    let longer = [living("s:a:1", 2, "1", 5_000), write("s:a:2", 2, "2")];
    assert_eq!(opened.commit(&longer).await.fates, [Fate::Unchanged, Fate::Unchanged]);
    opened.announcements().await;
    opened.store.expire(NOW + 1_000).await.unwrap();
    assert_eq!(opened.announcements().await, []);
    opened.store.expire(NOW + 5_000).await.unwrap();
    let items = opened.announced_items().await;
    assert_eq!((items.len(), &items[0].key), (1, &key("s:a:1")));
    assert!(opened.read_at("s:a:2", NOW + 99_000).await.is_some(), "written without an end, it has none");
}

pub(super) async fn an_ended_value_that_is_removed_is_announced_as_gone(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    opened.commit(&[living("s:a:1", 1, "1", 1_000)]).await;
    opened.announcements().await;
    // Followers were given the value and know nothing of its end: whoever comes first must tell them.
    let removed = opened.commit_at(&[removal("s:a:1", 2)], NOW + 1_500).await;
    assert_eq!(removed.fates, [Fate::Changed]);
    assert_eq!(opened.announced_items().await[0].body, Body::Gone);
    opened.store.expire(NOW + 2_000).await.unwrap();
    assert_eq!(opened.announcements().await, [], "once");
}

pub(super) async fn an_ended_value_that_comes_back_is_a_change(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    opened.commit(&[living("s:a:1", 1, "1", 1_000)]).await;
    opened.announcements().await;
    assert_eq!(opened.commit_at(&[write("s:a:1", 2, "1")], NOW + 1_500).await.fates, [Fate::Changed]);
    assert_eq!(opened.announced_items().await[0].body, value(2, "1", &[]));
    opened.store.expire(NOW + 2_000).await.unwrap();
    assert_eq!(opened.announcements().await, []);
    assert!(opened.read_at("s:a:1", NOW + 2_000).await.is_some());
}
