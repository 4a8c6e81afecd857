//! Any sequence of commits and ends, against a map.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use wire::{Body, Offset};

use super::*;
use crate::commits::{payload, removal, scope, tag};

const KEYS: [&str; 4] = ["s:a:1", "s:a:2", "s:a:b:1", "s:a:b:2"];
/// Values over this many bytes are announced as Changed; one of the texts is.
const PUSH_MAX: usize = 3;
const TEXTS: [&str; 3] = ["1", "2", "12345"];

#[derive(Debug, Clone)]
enum Operation {
    Commit(Batch),
    /// So many milliseconds pass, and what ended leaves.
    Pass(i64),
}

fn writes() -> impl Strategy<Value = Write> {
    let removals = (prop::sample::select(&KEYS[..]), 0i64..6).prop_map(|(name, source_ts)| removal(name, source_ts));
    let values =
        (removals.clone(), prop::sample::select(&TEXTS[..]), any::<bool>(), prop::option::weighted(0.3, 1u64..60));
    let values = values.prop_map(|(write, text, is_tagged, ttl_ms)| Write {
        ttl_ms,
        tags: is_tagged.then(|| tag("x")).into_iter().collect(),
        payload: Some(payload(text)),
        ..write
    });
    prop_oneof![4 => values, 1 => removals]
}

fn purges() -> impl Strategy<Value = Purge> {
    let any = prop::sample::subsequence(vec![0, 1, 2], 0..=3);
    prop::option::weighted(0.2, any).prop_map(|parts| {
        let has = |part| parts.as_ref().is_some_and(|parts| parts.contains(&part));
        Purge {
            keys: if has(0) { vec![key(KEYS[0]), key(KEYS[3])] } else { Vec::new() },
            scopes: if has(1) { vec![scope("s:a:b:")] } else { Vec::new() },
            tags: if has(2) { vec![tag("x")] } else { Vec::new() },
        }
    })
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let commits = (prop::collection::vec(writes(), 0..5), purges());
    let operation = prop_oneof![
        4 => commits.prop_map(|(writes, purge)| Operation::Commit(Batch { writes, purge, producer: None })),
        1 => (1i64..40).prop_map(Operation::Pass),
    ];
    prop::collection::vec(operation, 1..25)
}

/// What a model keeps of a key: its time, and its value with its version and its end.
#[derive(Debug, Clone)]
struct Kept {
    source_ts: i64,
    value: Option<(Offset, Write, Option<i64>)>,
}

/// A commit as it is announced: its offset, its items, and how many scopes and tags it purges.
type Announced = (u64, BTreeMap<Key, Body>, usize, usize);

#[derive(Default)]
struct Model {
    kept: BTreeMap<Key, Kept>,
    head: u64,
    announced: Vec<Announced>,
}

impl Model {
    fn write(&mut self, write: &Write, version: Offset, now_ms: i64) -> Fate {
        let before = self.kept.get(&write.key);
        if before.is_some_and(|kept| kept.source_ts > write.source_ts) {
            return Fate::Stale;
        }
        let held = before.and_then(|kept| kept.value.clone());
        let same = match &held {
            Some((_, held, _)) => held.payload == write.payload && held.tags == write.tags,
            None => write.payload.is_none(),
        };
        let version = held.filter(|_| same).map_or(version, |(version, ..)| version);
        let end = write.ttl_ms.map(|ttl| now_ms + ttl as i64);
        let value = write.payload.as_ref().map(|_| (version, write.clone(), end));
        self.kept.insert(write.key.clone(), Kept { source_ts: write.source_ts, value });
        if same { Fate::Unchanged } else { Fate::Changed }
    }

    fn body(&self, key: &Key) -> Body {
        match &self.kept[key].value {
            None => Body::Gone,
            Some((_, Write { tags, payload: Some(payload), .. }, _)) if payload.as_bytes().len() <= PUSH_MAX => {
                Body::Value { source_ts: 0, tags: tags.clone(), payload: payload.clone() }
            }
            Some(_) => Body::Changed,
        }
    }

    fn commit(&mut self, batch: &Batch, now_ms: i64) -> Vec<Fate> {
        let version = Offset::new(self.head + 1).unwrap();
        let fates: Vec<Fate> = batch.writes.iter().map(|write| self.write(write, version, now_ms)).collect();
        let changed: BTreeSet<&Key> =
            batch.writes.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Changed).map(|(w, _)| &w.key).collect();
        let mut items: BTreeMap<Key, Body> = changed.iter().map(|&key| (key.clone(), self.body(key))).collect();
        for key in &batch.purge.keys {
            items.entry(key.clone()).or_insert(Body::Changed);
        }
        self.announce(items, batch.purge.scopes.len(), batch.purge.tags.len());
        fates
    }

    fn announce(&mut self, items: BTreeMap<Key, Body>, scopes: usize, tags: usize) {
        if items.len() + scopes + tags > 0 {
            self.head += 1;
            self.announced.push((self.head, items, scopes, tags));
        }
    }

    fn pass(&mut self, now_ms: i64) {
        let ended = |kept: &Kept| matches!(kept.value, Some((_, _, Some(end))) if end <= now_ms);
        let gone: Vec<Key> = self.kept.iter().filter(|(_, kept)| ended(kept)).map(|(key, _)| key.clone()).collect();
        gone.iter().for_each(|key| drop(self.kept.remove(key)));
        self.announce(gone.into_iter().map(|key| (key, Body::Gone)).collect(), 0, 0);
    }
}

/// A body without its time. A value written twice in one batch may be announced with either time: an observation that
/// is newer and the same wakes nobody.
fn timeless(body: &Body) -> Body {
    match body.clone() {
        Body::Value { tags, payload, .. } => Body::Value { source_ts: 0, tags, payload },
        body => body,
    }
}

async fn run(opened: &mut Opened, operations: Vec<Operation>) {
    let (mut model, mut now_ms) = (Model::default(), NOW);
    for operation in operations {
        match operation {
            Operation::Commit(batch) => {
                let fates = model.commit(&batch, now_ms);
                let committed = opened.store.commit(opened.partition(), batch, now_ms).await.unwrap();
                assert_eq!((committed.fates, committed.position.offset.get()), (fates, model.head));
            }
            Operation::Pass(ms) => {
                now_ms += ms;
                model.pass(now_ms);
                opened.store.expire(now_ms).await.unwrap();
            }
        }
        let keys = KEYS.map(key);
        let read = opened.store.read(opened.partition(), &keys, now_ms).await.unwrap();
        assert_eq!(read.position.offset.get(), model.head);
        for (key, stored) in keys.iter().zip(read.values) {
            let expected = model.kept.get(key).and_then(|kept| kept.value.clone().map(|value| (kept.source_ts, value)));
            let expected = expected.map(|(source_ts, (version, write, expires_at))| Stored {
                version,
                source_ts,
                expires_at,
                tags: write.tags,
                payload: write.payload.unwrap(),
            });
            assert_eq!(stored, expected, "{key}");
        }
    }
    let announced = opened.announcements().await.into_iter().map(|commit| {
        let items: BTreeMap<Key, Body> =
            commit.items.iter().map(|item| (item.key.clone(), timeless(&item.body))).collect();
        assert_eq!(items.len(), commit.items.len(), "each key at most once: {commit:?}");
        (commit.position.offset.get(), items, commit.scopes.len(), commit.tags.len())
    });
    assert_eq!(announced.collect::<Vec<_>>(), model.announced);
}

pub(super) async fn it_does_what_a_plain_model_does(open: impl AsyncFn(Options) -> Opened) {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let check = |operations| {
            runtime.block_on(async {
                let mut opened = open(Options { push_max_bytes: PUSH_MAX, ..DEFAULTS }).await;
                run(&mut opened, operations).await;
            });
            Ok(())
        };
        TestRunner::default().run(&operations(), check).unwrap_or_else(|failure| panic!("{failure}"));
    });
}
