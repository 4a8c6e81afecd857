//! Many at once.

use std::collections::BTreeMap;

use tokio::task::JoinSet;
use wire::Body;

use super::*;
use crate::commits::scope;

const COMMITTERS: usize = 8;
const COMMITS: usize = 100;

pub(super) async fn eight_committers_are_announced_in_order_and_whole(open: impl AsyncFn(Options) -> Opened) {
    // A log that holds them all: a store that follows one may fall behind by as many as do not fit into the channel.
    let opened = open(Options { announcements: 4, log_commits: COMMITTERS * COMMITS, ..DEFAULTS }).await;
    let mut committers = JoinSet::new();
    for committer in 0..COMMITTERS {
        let store = opened.store.clone();
        committers.spawn(async move {
            for number in 0..COMMITS {
                // Every committer writes into every root; one key of each commit is all of theirs.
                let root = format!("s:r{}", (committer + number) % 5);
                let own = write(&format!("{root}:{committer}:{number}"), 1, "1");
                let shared = write(&format!("{root}:shared"), 1, &format!("\"{committer}:{number}\""));
                let partition = store.layout().of_key(&own.key);
                let batch = Batch { writes: vec![own, shared], ..Batch::default() };
                let committed = store.commit(partition, batch, NOW).await.unwrap();
                assert_eq!(committed.fates, [Fate::Changed, Fate::Changed]);
            }
        });
    }
    let Opened { store, mut announced, .. } = opened;
    let mut heads: BTreeMap<Partition, u64> = BTreeMap::new();
    let mut values: BTreeMap<Key, Body> = BTreeMap::new();
    for _ in 0..COMMITTERS * COMMITS {
        let commit = soon("an announcement", announced.recv()).await.unwrap();
        let head = heads.entry(commit.partition).or_default();
        *head += 1;
        assert_eq!(commit.position.offset.get(), *head, "one offset a commit, in order, none left out");
        assert_eq!(commit.items.len(), 2);
        values.extend(commit.items.iter().map(|item| (item.key.clone(), item.body.clone())));
    }
    while let Some(done) = committers.join_next().await {
        done.unwrap();
    }
    assert!(announced.is_empty(), "nothing is announced twice");
    for (partition, head) in heads {
        assert_eq!(store.head(partition).await.unwrap().offset.get(), head);
    }
    assert_eq!(values.len(), COMMITTERS * COMMITS + 5);
    for (key, body) in values {
        let read = store.read(store.layout().of_key(&key), std::slice::from_ref(&key), NOW).await.unwrap();
        let Body::Value { payload, .. } = body else { panic!("{key}: {body:?}") };
        assert_eq!(
            read.values[0].as_ref().unwrap().payload,
            payload,
            "{key}: what was announced last is what is there"
        );
    }
}

pub(super) async fn a_full_channel_loses_no_commit_and_keeps_their_order(open: impl AsyncFn(Options) -> Opened) {
    let mut opened = open(Options { announcements: 1, ..DEFAULTS }).await;
    opened.commit(&[write("s:a:0", 1, "0")]).await;
    let (store, partition) = (opened.store.clone(), opened.partition());
    let batch = |number: i64| {
        let writes = vec![write(&format!("s:a:{number}"), 1, "1")];
        Batch { writes, ..Batch::default() }
    };
    let first = store.commit(partition, batch(1), NOW);
    let rest = async {
        for number in 2..20 {
            store.commit(partition, batch(number), NOW).await.unwrap();
        }
    };
    let listen = async {
        for expected in 1..=20 {
            let commit = soon("an announcement", opened.announced.recv()).await.unwrap();
            assert_eq!(commit.position.offset.get(), expected);
        }
    };
    let (first, (), ()) = futures_util::future::join3(first, rest, listen).await;
    first.unwrap();
    assert_eq!(opened.head().await.offset.get(), 20);
}

pub(super) async fn a_read_holds_every_commit_up_to_its_position(open: impl AsyncFn(Options) -> Opened) {
    let opened = open(DEFAULTS).await;
    let partition = opened.partition();
    let Opened { store, mut announced, .. } = opened;
    // Several, so that they do not take turns with the writer.
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let store = store.clone();
        readers.spawn(async move {
            for _ in 0..300 {
                let AsOf { position, values } = store.read(partition, &[key("s:a:1")], NOW).await.unwrap();
                let read = values[0].as_ref().map_or(0, |stored| stored.source_ts as u64);
                assert!(read >= position.offset.get(), "{read} at {position}");
                let scan = store.scan(&scope("s:a:"), 1, NOW).await.unwrap();
                let scanned = scan.values.first().map_or(0, |(_, stored)| stored.source_ts as u64);
                assert!(scanned >= scan.position.offset.get(), "{scanned} at {}", scan.position);
                tokio::task::yield_now().await;
            }
        });
    }
    // Commit n writes the value n, for as long as somebody reads.
    for number in 1.. {
        let batch = Batch { writes: vec![write("s:a:1", number, &number.to_string())], ..Batch::default() };
        store.commit(partition, batch, NOW).await.unwrap();
        announced.recv().await.unwrap();
        while let Some(read) = readers.try_join_next() {
            read.unwrap();
        }
        if readers.is_empty() {
            return;
        }
    }
}
