//! What the contract cannot reach from outside.

use std::future::poll_fn;
use std::task::Poll;

use wire::Payload;
use wire::position::NUMBER_END;

use super::*;

const NOW: i64 = 1_786_132_800_000;

fn store(announcements: usize) -> (Embedded, mpsc::Receiver<Arc<Commit>>) {
    let (announce, announced) = mpsc::channel(announcements);
    let limits = Limits { log_commits: 10, push_max_bytes: 64 };
    (Embedded::new(Layout::new(1), limits, || 7, announce), announced)
}

fn batch(name: &str) -> Batch {
    let (key, payload) = (Key::parse(name).unwrap(), Some(Payload::new(&b"1"[..])));
    let write = Write { key, source_ts: 1, ttl_ms: None, tags: Vec::new(), payload };
    Batch { writes: vec![write], ..Batch::default() }
}

#[tokio::test]
async fn the_end_of_the_number_space_begins_another_epoch() {
    let (store, mut announced) = store(8);
    let zero = Partition(0);
    let last = Offset::new(NUMBER_END - 1).unwrap();
    store.partitions[0].lock().await.position.offset = Offset::new(NUMBER_END - 2).unwrap();
    let before = store.commit(zero, batch("s:a:1"), NOW).await.unwrap().position;
    assert_eq!(before.offset, last);

    let after = store.commit(zero, batch("s:a:2"), NOW).await.unwrap().position;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.offset.get(), 1);
    assert_eq!(store.head(zero).await, Ok(after));
    assert_eq!(announced.recv().await.unwrap().position, before);
    assert_eq!(announced.recv().await.unwrap().position, after);
    assert_eq!(store.resume(zero, before).await, Ok(Resumed::Lost(after)));
    let from_the_start = store.resume(zero, Position { offset: Offset::ZERO, ..after }).await.unwrap();
    assert!(matches!(from_the_start, Resumed::Continued(commits) if commits.len() == 1), "the log of before is gone");
    let kept = store.read(zero, &[Key::parse("s:a:1").unwrap()], NOW).await.unwrap();
    assert!(kept.values[0].is_some(), "values stay");
}

#[tokio::test]
async fn a_commit_that_is_given_up_while_it_waits_has_done_nothing() {
    let (store, mut announced) = store(1);
    let zero = Partition(0);
    store.commit(zero, batch("s:a:1"), NOW).await.unwrap();
    let mut held = store.commit(zero, batch("s:a:2"), NOW);
    assert!(poll_fn(|context| Poll::Ready(held.as_mut().poll(context).is_pending())).await);
    drop(held);
    assert_eq!(store.head(zero).await.unwrap().offset.get(), 1);
    let read = store.read(zero, &[Key::parse("s:a:2").unwrap()], NOW).await.unwrap();
    assert_eq!(read.values, [None]);
    announced.recv().await.unwrap();
    assert_eq!(store.commit(zero, batch("s:a:2"), NOW).await.unwrap().position.offset.get(), 2);
}

#[tokio::test]
async fn a_store_whose_listener_is_gone_is_closed_and_changes_nothing() {
    let (store, announced) = store(1);
    drop(announced);
    assert_eq!(store.commit(Partition(0), batch("s:a:1"), NOW).await, Err(StoreError::Closed));
    assert_eq!(store.head(Partition(0)).await.unwrap().offset, Offset::ZERO);
}
