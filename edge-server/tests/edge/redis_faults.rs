//! What Redis does on a bad day, and what those who follow are told of it: every commit, or that some are lost.

use std::sync::Arc;
use std::time::Duration;

use edge_server::health::Components;
use edge_server::store::redis::{Redis, Settings};
use edge_server::store::{
    Announcement, Batch, Committed, Fate, Layout, Limits, Partition, Resumed, Store, StoreError, Tail,
};
use tokio::sync::mpsc;
use wire::{Body, Cursor, Offset, Position, Span, Verdict};

use crate::commits::{key, offset, write};
use crate::proxy::Proxy;
use crate::redis_server::{RedisServer, is_there};
use crate::soon;

const ZERO: Partition = Partition(0);
const NOW: i64 = 1_786_132_800_000;
/// A server that writes every command to its disk before it answers.
const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// A store of one partition, and a follower that takes what is announced by the rule of the protocol.
struct Opened {
    store: Redis,
    components: Arc<Components>,
    tails: Vec<Tail>,
    announced: mpsc::Receiver<Announcement>,
    cursor: Cursor,
    lost: usize,
    heard: Vec<u64>,
    namespace: String,
}

async fn open(server: &RedisServer) -> Opened {
    open_with(server.settings()).await
}

async fn open_with(settings: Settings) -> Opened {
    let (announce, announced) = mpsc::channel(64);
    let settings = Settings { layout: Layout::new(1), timeout: Duration::from_millis(500), ..settings };
    let (components, namespace) = (Arc::new(Components::default()), settings.namespace.clone());
    let (store, tails) = Redis::open(settings, components.clone(), announce).await.unwrap();
    let cursor = Cursor::at(tails[0].end());
    Opened { store, components, tails, announced, cursor, lost: 0, heard: Vec::new(), namespace }
}

impl Opened {
    async fn try_commit(&self, number: i64) -> Result<Committed, StoreError> {
        let writes = vec![write("s:a:1", number, &number.to_string())];
        self.store.commit(ZERO, Batch { writes, ..Batch::default() }, NOW).await
    }

    async fn commit(&self, number: i64) -> Position {
        self.try_commit(number).await.unwrap().position
    }

    /// Commits until it is taken: for a server that has just come back.
    async fn insist(&self, number: i64) -> Position {
        let commit = async {
            loop {
                match self.try_commit(number).await {
                    Ok(committed) => return committed.position,
                    Err(StoreError::Unavailable(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        };
        soon("a commit to be taken", commit).await
    }

    async fn value(&self) -> Option<String> {
        let read = self.store.read(ZERO, &[key("s:a:1")], NOW).await.unwrap();
        let stored = read.values.into_iter().next().unwrap()?;
        assert!(stored.version <= read.position.offset, "no version is ahead of the head");
        Some(String::from_utf8(stored.payload.as_bytes().to_vec()).unwrap())
    }

    /// Takes what is announced until the follower has come to a position. Whatever does not go on where it stands fails.
    async fn follow_to(&mut self, position: Position) {
        while self.cursor.position() != position {
            match soon("an announcement", self.announced.recv()).await.unwrap() {
                Announcement::Lost(_, at) => {
                    self.cursor = Cursor::at(at);
                    self.lost += 1;
                }
                Announcement::Commit(commit) => {
                    let Position { epoch, offset } = commit.position;
                    let span = Span::new(Offset::new(offset.get() - 1).unwrap(), offset).unwrap();
                    assert_eq!(self.cursor.check(epoch, span), Verdict::Apply, "{span:?} after {:?}", self.cursor);
                    assert!(matches!(commit.items[0].body, Body::Value { .. }));
                    self.cursor.advance(offset);
                    self.heard.push(offset.get());
                }
            }
        }
    }

    fn name(&self, server: &RedisServer, what: &str) -> String {
        let pattern = format!("{}:*:{what}", self.namespace);
        let names: Vec<String> = redis::from_redis_value(server.ask(&["KEYS", &pattern])).unwrap();
        names.into_iter().next().unwrap()
    }

    fn state(&self, part: &str) -> &'static str {
        self.components.all()[part].state
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_database_begins_another_epoch_and_is_told_as_lost() {
    if !is_there() {
        return;
    }
    let server = RedisServer::start(&[]);
    let mut opened = open(&server).await;
    for number in 1..=3 {
        opened.commit(number).await;
    }
    let before = opened.store.head(ZERO).await.unwrap();
    opened.follow_to(before).await;
    server.ask(&["FLUSHALL"]);
    let after = opened.commit(1).await;
    assert_ne!(after.epoch, before.epoch);
    opened.follow_to(after).await;
    assert_eq!((opened.lost, opened.value().await.as_deref()), (1, Some("1")));
    assert_eq!(opened.store.resume(ZERO, before).await.unwrap(), Resumed::Lost(after));
    let next = opened.commit(2).await;
    opened.follow_to(next).await;
    assert_eq!(opened.lost, 1, "and goes on from there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_database_is_noticed_without_a_commit() {
    if !is_there() {
        return;
    }
    let server = RedisServer::start(&[]);
    let mut opened = open(&server).await;
    let before = opened.commit(1).await;
    opened.follow_to(before).await;
    server.ask(&["FLUSHALL"]);
    let told = soon("word of the loss", opened.announced.recv()).await.unwrap();
    let Announcement::Lost(ZERO, position) = told else { panic!("{told:?}") };
    assert_ne!(position.epoch, before.epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_position_a_partition_goes_on_behind_its_log_in_another_epoch() {
    if !is_there() {
        return;
    }
    let server = RedisServer::shared();
    let mut opened = open(server).await;
    for number in 1..=5 {
        opened.commit(number).await;
    }
    let before = opened.store.head(ZERO).await.unwrap();
    server.ask(&["DEL", &opened.name(server, "meta")]);
    let after = opened.commit(6).await;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.offset, before.offset.next().unwrap(), "no version is ahead of it");
    opened.follow_to(after).await;
    assert_eq!(opened.lost, 1);
    // Without the log too, versions are ahead of the position: they are told as of the position.
    server.ask(&["DEL", &opened.name(server, "meta"), &opened.name(server, "log")]);
    assert_eq!(opened.value().await.as_deref(), Some("6"));
    assert_eq!(opened.store.head(ZERO).await.unwrap().offset, Offset::ZERO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_log_a_partition_goes_on_for_who_needs_none_of_it() {
    if !is_there() {
        return;
    }
    let server = RedisServer::shared();
    let mut opened = open(server).await;
    for number in 1..=5 {
        opened.commit(number).await;
    }
    let head = opened.store.head(ZERO).await.unwrap();
    opened.follow_to(head).await;
    server.ask(&["DEL", &opened.name(server, "log")]);
    let since = Position { offset: offset(4), ..head };
    assert_eq!(opened.store.resume(ZERO, since).await.unwrap(), Resumed::Lost(head), "one commit is missing");
    let next = opened.commit(6).await;
    assert_eq!(opened.store.resume(ZERO, since).await.unwrap(), Resumed::Lost(next), "a hole is no beginning");
    opened.follow_to(next).await;
    assert_eq!(opened.lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_begins_another_epoch_although_nothing_was_lost() {
    if !is_there() {
        return;
    }
    let mut server = RedisServer::start(&DURABLE);
    let mut opened = open(&server).await;
    for number in 1..=5 {
        opened.commit(number).await;
    }
    let before = opened.store.head(ZERO).await.unwrap();
    opened.follow_to(before).await;
    server.kill();
    let away = opened.store.read(ZERO, &[key("s:a:1")], NOW).await;
    assert!(matches!(&away, Err(StoreError::Unavailable(why)) if why.contains("cannot be reached")), "{away:?}");
    assert_eq!(opened.state("redis"), "failing");
    server.run();
    let after = opened.insist(6).await;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.offset.get(), 6);
    opened.follow_to(after).await;
    let next = opened.commit(7).await;
    opened.follow_to(next).await;
    assert_eq!((opened.lost, opened.value().await.as_deref()), (1, Some("7")));
    assert_eq!(opened.state("redis"), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_from_an_old_backup_that_then_overtakes_is_told_as_lost() {
    if !is_there() {
        return;
    }
    let mut server = RedisServer::start(&[]);
    let mut opened = open(&server).await;
    for number in 1..=3 {
        opened.commit(number).await;
    }
    server.ask(&["SAVE"]);
    for number in 4..=6 {
        opened.commit(number).await;
    }
    let before = opened.store.head(ZERO).await.unwrap();
    opened.follow_to(before).await;
    server.kill();
    server.run();
    // Past the old head: by numbers alone it would look as if nothing had happened.
    let mut after = before;
    for number in 10..=14 {
        after = opened.insist(number).await;
    }
    assert!(after.offset > before.offset && after.epoch != before.epoch, "{before} {after}");
    opened.follow_to(after).await;
    assert_eq!((opened.lost, opened.value().await.as_deref()), (1, Some("14")));
    assert!(matches!(opened.store.resume(ZERO, before).await.unwrap(), Resumed::Lost(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_that_lost_writes_and_then_overtakes_is_told_as_lost() {
    if !is_there() {
        return;
    }
    let (primary, replica) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let port = primary.address.port().to_string();
    replica.ask(&["REPLICAOF", "127.0.0.1", &port]);
    // Before anything else, because a first replica changes the primary's lineage.
    let attached = async {
        loop {
            let told: String = redis::from_redis_value(replica.ask(&["INFO", "replication"])).unwrap();
            if told.contains("master_link_status:up") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    soon("the replica to be attached", attached).await;
    let network = Proxy::to(primary.address).await;
    let settings = Settings { url: network.url(), ..primary.settings() };
    let mut opened = open_with(settings).await;
    for number in 1..=5 {
        opened.commit(number).await;
    }
    let synced = async {
        let log = opened.name(&primary, "log");
        while redis::from_redis_value::<u64>(replica.ask(&["XLEN", &log])).unwrap() < 5 {
            tokio::task::yield_now().await;
        }
    };
    soon("the replica to have everything", synced).await;
    replica.ask(&["REPLICAOF", "NO", "ONE"]);
    // Acknowledged, and never replicated.
    for number in 6..=10 {
        opened.commit(number).await;
    }
    let before = opened.store.head(ZERO).await.unwrap();
    assert_eq!(before.offset.get(), 10);
    opened.follow_to(before).await;
    network.turn_to(replica.address);
    let mut after = before;
    for number in 20..=28 {
        after = opened.insist(number).await;
    }
    assert!(after.offset > before.offset && after.epoch != before.epoch, "{before} {after}");
    opened.follow_to(after).await;
    assert_eq!((opened.lost, opened.value().await.as_deref()), (1, Some("28")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_in_place_of_the_data_is_noticed_by_who_was_told_more() {
    if !is_there() {
        return;
    }
    let server = RedisServer::shared();
    let mut opened = open(server).await;
    for number in 1..=5 {
        opened.commit(number).await;
    }
    let before = opened.store.head(ZERO).await.unwrap();
    opened.follow_to(before).await;
    // The same server, the same lineage, an earlier state.
    server.ask(&["HSET", &opened.name(server, "meta"), "s", "3"]);
    let told = soon("word of the loss", opened.announced.recv()).await.unwrap();
    assert!(matches!(told, Announcement::Lost(ZERO, position) if position.epoch != before.epoch), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_looks_alive_and_brings_nothing_is_made_up_for_by_the_log_and_replaced() {
    if !is_there() {
        return;
    }
    let server = RedisServer::shared();
    let network = Proxy::to(server.address).await;
    let mut opened = open_with(Settings { url: network.url(), ..server.settings() }).await;
    let first = opened.commit(1).await;
    opened.follow_to(first).await;
    network.mute(true);
    let second = opened.commit(2).await;
    opened.follow_to(second).await;
    let noticed = async {
        while opened.state("redis pub/sub") != "failing" {
            tokio::task::yield_now().await;
        }
    };
    soon("the silence to be noticed", noticed).await;
    network.mute(false);
    let replaced = async {
        while opened.state("redis pub/sub") != "ok" {
            tokio::task::yield_now().await;
        }
    };
    soon("another subscription", replaced).await;
    let third = opened.commit(3).await;
    opened.follow_to(third).await;
    assert_eq!((opened.lost, opened.heard.as_slice()), (0, &[1, 2, 3][..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_is_killed_misses_nothing() {
    if !is_there() {
        return;
    }
    let server = RedisServer::start(&[]);
    let mut opened = open(&server).await;
    let mut last = opened.commit(1).await;
    for number in 2..=60 {
        if number % 20 == 0 {
            server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        }
        last = opened.commit(number).await;
    }
    opened.follow_to(last).await;
    assert_eq!((opened.lost, opened.heard), (0, (1..=60).collect()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_done_once() {
    if !is_there() {
        return;
    }
    let server = RedisServer::shared();
    let network = Proxy::to(server.address).await;
    let mut opened = open_with(Settings { url: network.url(), ..server.settings() }).await;
    network.lose_answer_to("777");
    let committed = opened.try_commit(777).await.unwrap();
    assert_eq!(committed.fates, [Fate::Changed], "as it was the first time");
    assert_eq!(opened.store.head(ZERO).await.unwrap(), committed.position);
    assert_eq!(committed.position.offset.get(), 1);
    opened.follow_to(committed.position).await;
    assert_eq!((opened.lost, opened.heard), (0, vec![1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_number_space_begins_another_epoch() {
    if !is_there() {
        return;
    }
    let server = RedisServer::shared();
    let mut opened = open(server).await;
    let first = opened.commit(1).await;
    opened.follow_to(first).await;
    let last = (1u64 << 53) - 1;
    server.ask(&["HSET", &opened.name(server, "meta"), "s", &(last - 1).to_string()]);
    let before = opened.commit(2).await;
    assert_eq!((before.epoch, before.offset.get()), (first.epoch, last));
    let after = opened.commit(3).await;
    assert_eq!(after.offset.get(), 1);
    assert_ne!(after.epoch, before.epoch);
    opened.follow_to(after).await;
    assert!(opened.lost > 0);
    assert_eq!(opened.value().await.as_deref(), Some("3"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_later_begins_with_what_the_log_holds() {
    if !is_there() {
        return;
    }
    let server = RedisServer::shared();
    let settings = Settings { limits: Limits { log_commits: 10, push_max_bytes: 64 }, ..server.settings() };
    let first = open_with(settings.clone()).await;
    let mut head = first.commit(1).await;
    for number in 2..=25 {
        head = first.commit(number).await;
    }
    let second = open_with(settings).await;
    let [Tail { from, commits }] = second.tails.as_slice() else { panic!("one partition") };
    let offsets: Vec<u64> = commits.iter().map(|commit| commit.position.offset.get()).collect();
    assert_eq!((from.offset.get(), offsets), (15, (16..=25).collect()));
    assert_eq!(second.tails[0].end(), head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_scripts_are_loaded_again() {
    if !is_there() {
        return;
    }
    let server = RedisServer::start(&[]);
    let opened = open(&server).await;
    opened.commit(1).await;
    server.ask(&["SCRIPT", "FLUSH"]);
    assert_eq!(opened.commit(2).await.offset.get(), 2);
    assert_eq!(opened.value().await.as_deref(), Some("2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_memory_refuses_with_a_sentence_and_changes_nothing() {
    if !is_there() {
        return;
    }
    let server = RedisServer::start(&[]);
    let opened = open(&server).await;
    let head = opened.commit(1).await;
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = opened.try_commit(2).await.unwrap_err();
    assert!(refused.to_string().contains("no memory left: raise maxmemory"), "{refused}");
    assert_eq!((opened.store.head(ZERO).await.unwrap(), opened.value().await.as_deref()), (head, Some("1")));
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(opened.commit(2).await.offset.get(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_a_page_of_a_scope_or_of_ended_values_is_whole() {
    if !is_there() {
        return;
    }
    let opened = open(RedisServer::shared()).await;
    let name = |number: usize| format!("s:a:{number:05}");
    for batch in (0..1_300).collect::<Vec<usize>>().chunks(50) {
        let writes = batch.iter().map(|&number| {
            let ttl_ms = (number >= 100).then_some(1_000);
            edge_server::store::Write { ttl_ms, ..write(&name(number), 1, "1") }
        });
        let batch = Batch { writes: writes.collect(), ..Batch::default() };
        opened.store.commit(ZERO, batch, NOW).await.unwrap();
    }
    let scan = async |limit, now_ms| {
        let scanned = opened.store.scan(&crate::commits::scope("s:a:"), limit, now_ms).await.unwrap();
        scanned.values.into_iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(scan(10_000, NOW).await, (0..1_300).map(name).collect::<Vec<_>>());
    assert_eq!(scan(1_100, NOW).await.len(), 1_100);
    assert_eq!(scan(10_000, NOW + 1_000).await.len(), 100, "what ended is left out before it has left");
    let before = opened.store.head(ZERO).await.unwrap();
    opened.store.expire(NOW + 1_000).await.unwrap();
    let Resumed::Continued(commits) = opened.store.resume(ZERO, before).await.unwrap() else { panic!("lost") };
    let gone: usize = commits.iter().map(|commit| commit.items.len()).sum();
    assert_eq!(gone, 1_200);
    assert!(commits.iter().flat_map(|commit| &commit.items).all(|item| item.body == Body::Gone));
    assert_eq!(scan(10_000, NOW).await.len(), 100);
}
