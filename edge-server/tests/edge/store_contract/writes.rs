//! What a write does to a value, and to those who listen.

use edge_server::store::Producer;
use wire::Body;

use super::*;
use crate::commits::{removal, tagged, value};

pub(super) async fn positions_grow_by_one_a_commit(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    let before = opened.head().await;
    assert_eq!(before.offset.get(), 0);
    for number in 1..=5 {
        let one = write(&format!("s:a:{number}"), 1, "1");
        let other = write("s:a:other", number, &number.to_string());
        let committed = opened.commit(&[one, other]).await;
        assert_eq!(committed.fates, [Fate::Changed, Fate::Changed]);
        assert_eq!(committed.position.epoch, before.epoch);
        assert_eq!(committed.position.offset.get(), number as u64);
        assert_eq!(opened.head().await, committed.position);
    }
    let announced = opened.announcements().await;
    let offsets: Vec<u64> = announced.iter().map(|commit| commit.position.offset.get()).collect();
    assert_eq!(offsets, [1, 2, 3, 4, 5]);
    assert!(announced.iter().all(|commit| commit.partition == opened.partition() && commit.items.len() == 2));
}

pub(super) async fn a_write_that_changes_nothing_takes_no_offset_and_is_not_announced(
    open: impl AsyncFn(Options) -> Opened,
) {
    let mut opened = open(DEFAULTS).await;
    let first = opened.commit(&[write("s:a:1", 5, "1"), write("s:a:2", 5, "2")]).await;
    opened.announcements().await;
    let head = opened.head().await;
    let same = opened.commit(&[write("s:a:1", 6, "1"), write("s:a:2", 4, "9"), removal("s:a:never", 1)]).await;
    assert_eq!(same.fates, [Fate::Unchanged, Fate::Stale, Fate::Unchanged]);
    assert_eq!(same.position, head);
    assert_eq!(opened.announcements().await, []);
    assert_eq!(opened.read_at("s:a:1", NOW).await.unwrap().version, first.position.offset);
}

pub(super) async fn an_unchanged_value_keeps_its_version_and_takes_the_newer_time(
    open: impl AsyncFn(Options) -> Opened,
) {
    let opened = open(DEFAULTS).await;
    let first = opened.commit(&[write("s:a:1", 5, "1")]).await;
    opened.commit(&[write("s:a:1", 9, "1")]).await;
    let stored = opened.read_at("s:a:1", NOW).await.unwrap();
    assert_eq!((stored.version, stored.source_ts), (first.position.offset, 9));
    assert_eq!(opened.commit(&[write("s:a:1", 8, "2")]).await.fates, [Fate::Stale]);
}

pub(super) async fn other_tags_are_a_change(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    opened.commit(&[tagged("s:a:1", 1, "1", &["x"])]).await;
    opened.announcements().await;
    assert_eq!(opened.commit(&[tagged("s:a:1", 2, "1", &["x"])]).await.fates, [Fate::Unchanged]);
    assert_eq!(opened.commit(&[tagged("s:a:1", 3, "1", &["x", "y"])]).await.fates, [Fate::Changed]);
    assert_eq!(opened.announced_items().await[0].body, value(3, "1", &["x", "y"]));
}

pub(super) async fn an_older_observation_is_stale(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    opened.commit(&[write("s:a:1", 5, "5")]).await;
    opened.announcements().await;
    assert_eq!(opened.commit(&[write("s:a:1", 4, "4")]).await.fates, [Fate::Stale]);
    assert_eq!(opened.commit(&[removal("s:a:1", 4)]).await.fates, [Fate::Stale]);
    assert_eq!(opened.text("s:a:1").await.as_deref(), Some("5"));
    assert_eq!(opened.announcements().await, []);
}

pub(super) async fn an_older_observation_is_stale_after_a_removal_too(open: impl AsyncFn(Options) -> Opened) {
    let opened = open(DEFAULTS).await;
    opened.commit(&[write("s:a:1", 5, "5")]).await;
    opened.commit(&[removal("s:a:1", 7)]).await;
    opened.store.expire(NOW + 59 * 60 * 1000).await.unwrap();
    assert_eq!(opened.commit(&[write("s:a:1", 6, "6")]).await.fates, [Fate::Stale]);
    assert_eq!(opened.text("s:a:1").await, None);
    assert_eq!(opened.commit(&[write("s:a:1", 7, "7")]).await.fates, [Fate::Changed]);
    assert_eq!(opened.text("s:a:1").await.as_deref(), Some("7"));
}

pub(super) async fn other_content_at_the_same_time_is_a_change(open: impl AsyncFn(Options) -> Opened) {
    let opened = open(DEFAULTS).await;
    opened.commit(&[write("s:a:1", 5, "a")]).await;
    assert_eq!(opened.commit(&[write("s:a:1", 5, "b")]).await.fates, [Fate::Changed]);
    assert_eq!(opened.text("s:a:1").await.as_deref(), Some("b"));
}

pub(super) async fn of_one_key_twice_in_a_batch_the_newest_stays(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    let check = async |opened: &mut Opened, writes: &[Write], fates: &[Fate], body: Body| {
        assert_eq!(opened.commit(writes).await.fates, fates);
        let items = opened.announced_items().await;
        assert_eq!(items.len(), 1, "each key once: {items:?}");
        assert_eq!(items[0].body, body);
    };
    let (changed, stale) = (Fate::Changed, Fate::Stale);
    let rising = [write("s:a:1", 1, "1"), write("s:a:1", 2, "2")];
    check(&mut opened, &rising, &[changed, changed], value(2, "2", &[])).await;
    let falling = [write("s:a:2", 2, "2"), write("s:a:2", 1, "1")];
    check(&mut opened, &falling, &[changed, stale], value(2, "2", &[])).await;
    let removed = [write("s:a:3", 1, "1"), removal("s:a:3", 2)];
    check(&mut opened, &removed, &[changed, changed], Body::Gone).await;
    let equal = [write("s:a:4", 1, "\"a\""), write("s:a:4", 1, "\"b\"")];
    check(&mut opened, &equal, &[changed, changed], value(1, "\"b\"", &[])).await;
}

pub(super) async fn a_removal_is_announced_as_gone_once(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    opened.commit(&[write("s:a:1", 1, "1")]).await;
    opened.announcements().await;
    let removed = opened.commit(&[removal("s:a:1", 2)]).await;
    assert_eq!(removed.fates, [Fate::Changed]);
    let items = opened.announced_items().await;
    assert_eq!((&items[0].body, items[0].version), (&Body::Gone, removed.position.offset));
    assert_eq!(opened.commit(&[removal("s:a:1", 3)]).await.fates, [Fate::Unchanged]);
    assert_eq!(opened.announcements().await, []);
}

pub(super) async fn small_values_are_announced_whole_and_large_ones_as_changed(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(Options { push_max_bytes: 8, ..DEFAULTS }).await;
    let check = async |opened: &mut Opened, text: &str, expected: Body| {
        let committed = opened.commit(&[tagged("s:a:1", 1, text, &["x"])]).await;
        let items = opened.announced_items().await;
        assert_eq!(items, [Item { key: key("s:a:1"), version: committed.position.offset, body: expected }]);
        assert_eq!(opened.text("s:a:1").await.as_deref(), Some(text));
    };
    check(&mut opened, "12345678", value(1, "12345678", &["x"])).await;
    check(&mut opened, "123456789", Body::Changed).await;
}

pub(super) async fn a_batch_seen_before_is_answered_as_then(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    let batch = |sequence, text: &str| Batch {
        writes: vec![write("s:a:1", 1, text), write("s:a:2", 1, "same")],
        producer: Some(Producer { name: "ingest".into(), sequence, fence: 3 }),
        ..Batch::default()
    };
    let first = opened.store.commit(opened.partition(), batch(1, "1"), NOW).await.unwrap();
    opened.announcements().await;
    let again = opened.store.commit(opened.partition(), batch(1, "1"), NOW).await.unwrap();
    assert_eq!(again, first, "the position and the fates of then");
    assert_eq!(opened.announcements().await, []);
    let next = opened.store.commit(opened.partition(), batch(2, "2"), NOW).await.unwrap();
    assert_eq!(next.fates, [Fate::Changed, Fate::Unchanged]);
    assert_eq!(opened.announced_items().await.len(), 1);
}

pub(super) async fn a_smaller_fence_is_refused_and_a_larger_one_takes_over(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    let commit = async |opened: &Opened, sequence, fence, text: &str| {
        let producer = Some(Producer { name: "ingest".into(), sequence, fence });
        let batch = Batch { writes: vec![write("s:a:1", 1, text)], producer, ..Batch::default() };
        opened.store.commit(opened.partition(), batch, NOW).await
    };
    commit(&opened, 9, 4, "old").await.unwrap();
    let taken_over = commit(&opened, 1, 5, "new").await.unwrap();
    assert_eq!(taken_over.fates, [Fate::Changed], "the sequence begins anew with the fence");
    opened.announcements().await;
    let refused = commit(&opened, 10, 4, "paused").await.unwrap_err();
    assert_eq!(refused, StoreError::Fenced { producer: "ingest".into(), given: 4, newest: 5 });
    assert_eq!(opened.announcements().await, []);
    assert_eq!(opened.text("s:a:1").await.as_deref(), Some("new"));
}

pub(super) async fn reads_answer_in_the_order_asked(open: impl AsyncFn(Options) -> Opened) {
    let opened = open(DEFAULTS).await;
    let committed = opened.commit(&[tagged("s:a:1", 5, "1", &["x"]), write("s:a:2", 6, "2")]).await;
    let keys = [key("s:a:2"), key("s:a:absent"), key("s:a:1"), key("s:a:2")];
    let AsOf { position, values } = opened.store.read(opened.partition(), &keys, NOW).await.unwrap();
    assert_eq!(position, committed.position);
    let times: Vec<Option<i64>> = values.iter().map(|value| value.as_ref().map(|stored| stored.source_ts)).collect();
    assert_eq!(times, [Some(6), None, Some(5), Some(6)]);
    let stored = values[2].as_ref().unwrap();
    assert_eq!(
        (stored.version, &stored.tags, stored.expires_at),
        (committed.position.offset, &vec![crate::commits::tag("x")], None)
    );
}
