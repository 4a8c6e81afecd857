//! The machine's clock is set right while the server runs: nothing is refused for it, lives again, or ends unsaid.

use std::sync::Arc;

use edge_server::clock::Clock;
use edge_server::store::embedded::{Embedded, Limits};
use edge_server::store::{Batch, Commit, Fate, Layout, Partition, Store, Write};
use tokio::sync::mpsc;
use wire::Body;

use crate::commits::{key, payload};

const ZERO: Partition = Partition(0);

/// A store, and the server's clock over a wall clock that the test sets.
struct Machine {
    store: Embedded,
    announced: mpsc::Receiver<Arc<Commit>>,
    clock: Clock,
    wall_ms: i64,
    steady_ms: u64,
}

impl Machine {
    fn new() -> Machine {
        let (announce, announced) = mpsc::channel(64);
        let limits = Limits { log_commits: 10, push_max_bytes: 64 };
        let store = Embedded::new(Layout::new(1), limits, || 7, announce);
        Machine { store, announced, clock: Clock::default(), wall_ms: 1_000_000, steady_ms: 0 }
    }

    fn pass(&mut self, ms: u64) {
        self.wall_ms += ms as i64;
        self.steady_ms += ms;
    }

    fn now(&self) -> i64 {
        self.clock.now(self.wall_ms, self.steady_ms)
    }

    /// What `PUT` does without a `source_ts`.
    async fn put(&self, name: &str, text: &str, ttl_ms: Option<u64>) -> Fate {
        let now_ms = self.now();
        let write = Write { key: key(name), source_ts: now_ms, ttl_ms, tags: Vec::new(), payload: Some(payload(text)) };
        let batch = Batch { writes: vec![write], ..Batch::default() };
        self.store.commit(ZERO, batch, now_ms).await.unwrap().fates[0]
    }

    async fn has(&self, name: &str) -> bool {
        self.store.read(ZERO, &[key(name)], self.now()).await.unwrap().values[0].is_some()
    }

    /// The keys that were told to be gone.
    async fn expire(&mut self) -> Vec<String> {
        self.store.expire(self.now()).await.unwrap();
        let commits = std::iter::from_fn(|| self.announced.try_recv().ok());
        let items = commits.flat_map(|commit| commit.items.clone());
        items.filter(|item| item.body == Body::Gone).map(|item| item.key.to_string()).collect()
    }
}

#[tokio::test]
async fn what_is_written_after_the_clock_went_back_is_newer_all_the_same() {
    let mut machine = Machine::new();
    assert_eq!(machine.put("s:a:1", "1", None).await, Fate::Changed);
    machine.pass(5);
    machine.wall_ms -= 3_600_000;
    assert_eq!(machine.put("s:a:1", "2", None).await, Fate::Changed, "an hour back, and not stale");
    machine.pass(5);
    assert_eq!(machine.put("s:a:1", "3", None).await, Fate::Changed);
}

#[tokio::test]
async fn what_has_ended_does_not_live_again_when_the_clock_goes_back() {
    let mut machine = Machine::new();
    machine.put("s:a:1", "1", Some(1_000)).await;
    machine.pass(1_000);
    assert!(!machine.has("s:a:1").await, "ended, and not yet told");
    machine.wall_ms -= 60_000;
    assert!(!machine.has("s:a:1").await);
    assert_eq!(machine.expire().await, ["s:a:1"]);
    assert_eq!(machine.expire().await, [""; 0], "once");
}

#[tokio::test]
async fn a_value_lives_as_long_as_it_was_given_whether_or_not_the_clock_goes_back() {
    let mut machine = Machine::new();
    machine.put("s:a:before", "1", Some(1_000)).await;
    machine.wall_ms -= 60_000;
    machine.put("s:a:after", "1", Some(1_000)).await;
    machine.pass(999);
    assert!(machine.has("s:a:before").await && machine.has("s:a:after").await);
    machine.pass(1);
    assert!(!machine.has("s:a:before").await && !machine.has("s:a:after").await);
    assert_eq!(machine.expire().await, ["s:a:after", "s:a:before"]);
}

#[tokio::test]
async fn what_a_jump_ahead_ends_is_told_as_gone() {
    let mut machine = Machine::new();
    machine.put("s:a:1", "1", Some(60_000)).await;
    machine.wall_ms += 3_600_000;
    assert!(!machine.has("s:a:1").await);
    assert_eq!(machine.expire().await, ["s:a:1"]);
    machine.wall_ms -= 3_600_000;
    assert_eq!(machine.put("s:a:1", "2", Some(60_000)).await, Fate::Changed);
    machine.pass(59_999);
    assert!(machine.has("s:a:1").await, "it has its minute, though the clock was wrong when it was written");
}
