//! What every store does, written once and run on each.
//!
//! A behaviour is a function over a maker of stores; `contract!` makes it a test of a store. Another store adds one
//! line at the end. Behaviours look at announcements through a marker commit, never by waiting for silence, so that a
//! store across a network passes or fails the same.

mod concurrency;
mod invalidation;
mod lifetime;
mod log;
mod model;
mod unknown;
mod writes;

use std::sync::Arc;

use edge_server::store::embedded::Embedded;
use edge_server::store::open::Announced;
use edge_server::store::redis::{Redis, Settings};
use edge_server::store::{
    Announcement, AsOf, Batch, Commit, Committed, Fate, Layout, Limits, Partition, Purge, Resumed, Store, StoreError,
    Stored, Write,
};
use tokio::sync::mpsc;
use wire::{Item, Key, Position};

use crate::commits::{key, write};
use crate::redis_server::RedisServer;
use crate::soon;

/// The clock of the contract, in milliseconds since 1970 UTC.
const NOW: i64 = 1_786_132_800_000;
/// A key of the partition that behaviours look at: `s:a` is the root of their keys.
const MARKER: &str = "s:a:marker";

/// What a store is opened with.
#[derive(Clone, Copy)]
struct Options {
    partitions: u16,
    log_commits: usize,
    push_max_bytes: usize,
    /// Announcements that may wait.
    announcements: usize,
}

const DEFAULTS: Options = Options { partitions: 4, log_commits: 100, push_max_bytes: 64, announcements: 1_024 };

/// A store, empty, and what it announces.
struct Opened {
    store: Arc<dyn Store>,
    announced: Heard,
    markers: i64,
}

async fn embedded(options: Options) -> Opened {
    let (announce, announced) = mpsc::channel(options.announcements);
    let limits = Limits { log_commits: options.log_commits, push_max_bytes: options.push_max_bytes };
    let store = Embedded::new(Layout::new(options.partitions), limits, || fastrand::u64(..), announce);
    Opened { store: Arc::new(store), announced: Heard(Announced::Commits(announced)), markers: 0 }
}

/// A Redis of this test process, and a namespace of its own for every store on it.
async fn redis(options: Options) -> Opened {
    let (announce, announced) = mpsc::channel(options.announcements);
    let limits = Limits { log_commits: options.log_commits, push_max_bytes: options.push_max_bytes };
    let settings = Settings { layout: Layout::new(options.partitions), limits, ..RedisServer::shared().settings() };
    let (store, _) = Redis::open(settings, Arc::default(), announce).await.unwrap();
    Opened { store: Arc::new(store), announced: Heard(Announced::Followed(announced)), markers: 0 }
}

/// What a store announces. No commit is lost in a contract test.
struct Heard(Announced);

impl Heard {
    async fn recv(&mut self) -> Option<Arc<Commit>> {
        match self.0.next().await? {
            Announcement::Commit(commit) => Some(commit),
            lost => panic!("{lost:?}"),
        }
    }

    fn is_empty(&mut self) -> bool {
        match &mut self.0 {
            Announced::Commits(commits) => commits.try_recv().is_err(),
            Announced::Followed(announcements) => announcements.try_recv().is_err(),
        }
    }
}

impl Opened {
    fn partition(&self) -> Partition {
        self.store.layout().of_key(&key(MARKER))
    }

    /// Commits writes at [`NOW`].
    async fn commit(&self, writes: &[Write]) -> Committed {
        self.commit_at(writes, NOW).await
    }

    async fn commit_at(&self, writes: &[Write], now_ms: i64) -> Committed {
        let batch = Batch { writes: writes.to_vec(), ..Batch::default() };
        self.store.commit(self.partition(), batch, now_ms).await.unwrap()
    }

    async fn purge(&self, purge: Purge) -> Committed {
        self.store.commit(self.partition(), Batch { purge, ..Batch::default() }, NOW).await.unwrap()
    }

    async fn head(&self) -> Position {
        self.store.head(self.partition()).await.unwrap()
    }

    async fn read_at(&self, name: &str, now_ms: i64) -> Option<Stored> {
        let read = self.store.read(self.partition(), &[key(name)], now_ms).await.unwrap();
        assert_eq!(read.values.len(), 1);
        read.values.into_iter().next().unwrap()
    }

    /// A value's text.
    async fn text(&self, name: &str) -> Option<String> {
        let stored = self.read_at(name, NOW).await?;
        Some(String::from_utf8(stored.payload.as_bytes().to_vec()).unwrap())
    }

    /// What was announced since the last call, up to the commit of a marker of its own.
    async fn announcements(&mut self) -> Vec<Arc<Commit>> {
        self.markers += 1;
        let marker = self.commit(&[write(MARKER, self.markers, &self.markers.to_string())]).await;
        let mut announced = Vec::new();
        loop {
            let commit = soon("an announcement", self.announced.recv()).await.unwrap();
            if commit.partition == self.partition() && commit.position == marker.position {
                return announced;
            }
            announced.push(commit);
        }
    }

    /// The items of the one commit announced since the last call.
    async fn announced_items(&mut self) -> Vec<Item> {
        let announced = self.announcements().await;
        let [commit] = announced.as_slice() else { panic!("not one announcement: {announced:?}") };
        commit.items.clone()
    }
}

macro_rules! contract {
    ($store:ident, $is_there:expr) => {
        contract!($store, $is_there, {
            writes::positions_grow_by_one_a_commit,
            writes::a_write_that_changes_nothing_takes_no_offset_and_is_not_announced,
            writes::an_unchanged_value_keeps_its_version_and_takes_the_newer_time,
            writes::other_tags_are_a_change,
            writes::an_older_observation_is_stale,
            writes::an_older_observation_is_stale_after_a_removal_too,
            writes::other_content_at_the_same_time_is_a_change,
            writes::of_one_key_twice_in_a_batch_the_newest_stays,
            writes::a_removal_is_announced_as_gone_once,
            writes::small_values_are_announced_whole_and_large_ones_as_changed,
            writes::a_batch_seen_before_is_answered_as_then,
            writes::a_smaller_fence_is_refused_and_a_larger_one_takes_over,
            writes::reads_answer_in_the_order_asked,
            lifetime::a_value_reads_as_absent_from_its_end_on,
            lifetime::an_ended_value_leaves_by_a_commit_of_its_own,
            lifetime::a_value_written_again_lives_by_its_new_time,
            lifetime::an_ended_value_that_is_removed_is_announced_as_gone,
            lifetime::an_ended_value_that_comes_back_is_a_change,
            invalidation::purges_are_announced_and_change_no_value,
            invalidation::a_key_that_is_written_and_purged_is_announced_once,
            invalidation::an_empty_batch_does_nothing,
            log::resuming_at_the_head_gives_nothing,
            log::resuming_gives_every_commit_after_a_position,
            log::resuming_before_the_log_is_lost,
            log::resuming_ahead_of_the_head_or_in_another_epoch_is_lost,
            log::scans_give_a_scope_in_order_up_to_a_limit,
            log::scans_leave_out_what_ended_or_was_removed,
            concurrency::eight_committers_are_announced_in_order_and_whole,
            concurrency::a_full_channel_loses_no_commit_and_keeps_their_order,
            concurrency::a_read_holds_every_commit_up_to_its_position,
            unknown::a_batch_whose_outcome_is_unknown_is_sent_again_and_committed_once,
            unknown::a_write_that_is_repeated_with_its_time_wakes_nobody_and_overwrites_nothing_newer,
            model::it_does_what_a_plain_model_does,
        });
    };
    ($store:ident, $is_there:expr, { $($module:ident::$behaviour:ident,)+ }) => {
        mod $store {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    if !$is_there {
                        return;
                    }
                    super::super::$module::$behaviour(super::super::$store).await;
                }
            )+
        }
    };
}

mod on {
    contract!(embedded, true);
    contract!(redis, crate::redis_server::is_there());
}
