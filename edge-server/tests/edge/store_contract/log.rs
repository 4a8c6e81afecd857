//! What is kept for those who come back, and what stands under a scope.

use super::*;
use crate::commits::{offset, removal, scope};

async fn filled(opened: &Opened, commits: i64) -> Position {
    for number in 1..=commits {
        opened.commit(&[write("s:a:1", number, &number.to_string())]).await;
    }
    opened.head().await
}

/// The offsets that resuming gives, or `None` where it is lost.
async fn resumed(opened: &Opened, since: Position) -> Option<Vec<u64>> {
    match opened.store.resume(opened.partition(), since).await.unwrap() {
        Resumed::Continued(commits) => Some(commits.iter().map(|commit| commit.position.offset.get()).collect()),
        Resumed::Lost(position) => {
            assert_eq!(position, opened.head().await, "begin anew at the head");
            None
        }
    }
}

fn at(head: Position, number: u64) -> Position {
    Position { offset: offset(number), ..head }
}

pub(super) async fn resuming_at_the_head_gives_nothing(open: impl AsyncFn(Options) -> Opened) {
    let opened = open(DEFAULTS).await;
    let empty = opened.head().await;
    assert_eq!(resumed(&opened, empty).await, Some(vec![]));
    let head = filled(&opened, 3).await;
    assert_eq!(resumed(&opened, head).await, Some(vec![]));
}

pub(super) async fn resuming_gives_every_commit_after_a_position(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(DEFAULTS).await;
    let head = filled(&opened, 4).await;
    assert_eq!(resumed(&opened, at(head, 0)).await, Some(vec![1, 2, 3, 4]));
    assert_eq!(resumed(&opened, at(head, 2)).await, Some(vec![3, 4]));
    let Resumed::Continued(kept) = opened.store.resume(opened.partition(), at(head, 0)).await.unwrap() else {
        panic!("lost");
    };
    assert_eq!(kept, opened.announcements().await, "the log holds what was announced");
}

pub(super) async fn resuming_before_the_log_is_lost(open: impl AsyncFn(Options) -> Opened) {
    let opened = open(Options { log_commits: 5, ..DEFAULTS }).await;
    let head = filled(&opened, 20).await;
    assert_eq!(resumed(&opened, at(head, 16)).await, Some(vec![17, 18, 19, 20]), "after the trim boundary");
    assert_eq!(resumed(&opened, at(head, 15)).await, Some(vec![16, 17, 18, 19, 20]), "at it");
    assert_eq!(resumed(&opened, at(head, 14)).await, None, "before it");
    assert_eq!(resumed(&opened, at(head, 0)).await, None);
}

pub(super) async fn resuming_ahead_of_the_head_or_in_another_epoch_is_lost(open: impl AsyncFn(Options) -> Opened) {
    let opened = open(DEFAULTS).await;
    let head = filled(&opened, 3).await;
    assert_eq!(resumed(&opened, at(head, 4)).await, None);
    let other = wire::Epoch::from_random(head.epoch.get() + 1);
    for number in [0, 2, 3, 4] {
        assert_eq!(resumed(&opened, Position { epoch: other, offset: offset(number) }).await, None);
    }
}

/// The texts of the keys that a scan gives.
async fn scanned(opened: &Opened, name: &str, limit: usize, now_ms: i64) -> Vec<String> {
    let AsOf { position, values } = opened.store.scan(&scope(name), limit, now_ms).await.unwrap();
    assert_eq!(position, opened.head().await);
    values.into_iter().map(|(key, _)| key.to_string()).collect()
}

pub(super) async fn scans_give_a_scope_in_order_up_to_a_limit(open: impl AsyncFn(Options) -> Opened) {
    let opened = open(DEFAULTS).await;
    let names = ["s:a:b:2", "s:a:b", "s:a:b:10", "s:a:bb:1", "s:a:a:z", "s:a:b:1:x", "s:a"];
    for name in names {
        opened.commit(&[write(name, 1, "1")]).await;
    }
    assert_eq!(scanned(&opened, "s:a:b:", 100, NOW).await, ["s:a:b:10", "s:a:b:1:x", "s:a:b:2"]);
    assert_eq!(scanned(&opened, "s:a:b:", 2, NOW).await, ["s:a:b:10", "s:a:b:1:x"]);
    assert_eq!(scanned(&opened, "s:a:", 100, NOW).await.len(), 6, "`s:a` itself lies in no scope");
    assert!(scanned(&opened, "s:a:c:", 100, NOW).await.is_empty());
    assert!(scanned(&opened, "s:a:b:", 0, NOW).await.is_empty());
}

pub(super) async fn scans_leave_out_what_ended_or_was_removed(open: impl AsyncFn(Options) -> Opened) {
    let opened = open(DEFAULTS).await;
    let ending = Write { ttl_ms: Some(10), ..write("s:a:1", 1, "1") };
    opened.commit(&[ending, write("s:a:2", 1, "2"), write("s:a:3", 1, "3")]).await;
    opened.commit(&[removal("s:a:2", 2)]).await;
    assert_eq!(scanned(&opened, "s:a:", 100, NOW + 9).await, ["s:a:1", "s:a:3"]);
    assert_eq!(scanned(&opened, "s:a:", 1, NOW + 10).await, ["s:a:3"], "what is left out does not count");
}
