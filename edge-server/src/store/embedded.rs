//! The store in one process: no Redis, nothing on disk. A restart begins a new epoch, and clients reset.
//!
//! A partition is behind one lock, held from the first comparison to the announcement: that is what makes a commit
//! atomic and the announcements ordered. Removed values leave a tombstone with their time, so that an older observation
//! cannot bring them back.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use wire::{Body, Epoch, Item, Key, Offset, Position, Scope, Tag};

pub use super::Limits;
use super::{
    AsOf, Batch, Commit, Committed, Fate, Layout, Partition, Pending, Producer, Resumed, Store, StoreError, Stored,
    TOMBSTONE_MS, Write,
};

/// The store.
#[derive(Debug)]
pub struct Embedded {
    layout: Layout,
    limits: Limits,
    partitions: Vec<Mutex<State>>,
    announcements: mpsc::Sender<Arc<Commit>>,
}

#[derive(Debug)]
struct State {
    position: Position,
    values: BTreeMap<Key, Slot>,
    /// Keys by when they end, values and tombstones alike.
    ends: BTreeSet<(i64, Key)>,
    log: VecDeque<Arc<Commit>>,
    producers: HashMap<Arc<str>, Seen>,
}

#[derive(Debug, Clone)]
enum Slot {
    Value(Stored),
    Tombstone { source_ts: i64, ends_at: i64 },
}

#[derive(Debug)]
struct Seen {
    fence: u64,
    sequence: u64,
    result: Committed,
}

impl Slot {
    fn source_ts(&self) -> i64 {
        match self {
            Slot::Value(stored) => stored.source_ts,
            Slot::Tombstone { source_ts, .. } => *source_ts,
        }
    }

    fn ends_at(&self) -> Option<i64> {
        match self {
            Slot::Value(stored) => stored.expires_at,
            Slot::Tombstone { ends_at, .. } => Some(*ends_at),
        }
    }

    fn value(&self, now_ms: i64) -> Option<&Stored> {
        match self {
            Slot::Value(stored) if stored.expires_at.is_none_or(|end| now_ms < end) => Some(stored),
            _ => None,
        }
    }
}

impl Embedded {
    /// An empty store. `epochs` gives random bits; announcements of every partition go to `announcements`, and a commit
    /// waits while that channel is full.
    pub fn new(
        layout: Layout,
        limits: Limits,
        mut epochs: impl FnMut() -> u64,
        announcements: mpsc::Sender<Arc<Commit>>,
    ) -> Embedded {
        let state = |_| {
            Mutex::new(State {
                position: Position { epoch: Epoch::from_random(epochs()), offset: Offset::ZERO },
                values: BTreeMap::new(),
                ends: BTreeSet::new(),
                log: VecDeque::new(),
                producers: HashMap::new(),
            })
        };
        Embedded { layout, limits, partitions: layout.partitions().map(state).collect(), announcements }
    }

    fn state(&self, partition: Partition) -> &Mutex<State> {
        &self.partitions[usize::from(partition.0)]
    }

    async fn commit_locked(
        &self,
        partition: Partition,
        state: &mut State,
        batch: Batch,
        now_ms: i64,
    ) -> Result<Committed, StoreError> {
        if let Some(earlier) = state.admit(batch.producer.as_ref())? {
            return Ok(earlier);
        }
        // The permit first: once the values have changed, the announcement must not fail.
        let permit = self.announcements.reserve().await.map_err(|_| StoreError::Closed)?;
        let position = state.next_position(now_ms);
        let mut items = Vec::new();
        let mut fates = Vec::with_capacity(batch.writes.len());
        for write in batch.writes {
            let key = write.key.clone();
            let fate = state.write(write, position.offset, now_ms);
            if fate == Fate::Changed {
                items.retain(|item: &Item| item.key != key);
                items.push(Item {
                    body: state.body_of(&key, self.limits.push_max_bytes),
                    version: position.offset,
                    key,
                });
            }
            fates.push(fate);
        }
        for key in batch.purge.keys {
            if !items.iter().any(|item| item.key == key) {
                items.push(Item { key, version: position.offset, body: Body::Changed });
            }
        }
        let (scopes, tags): (Vec<Scope>, Vec<Tag>) = (batch.purge.scopes, batch.purge.tags);
        if !items.is_empty() || !scopes.is_empty() || !tags.is_empty() {
            let commit = Arc::new(Commit { partition, position, items, scopes, tags });
            state.append(commit.clone(), self.limits.log_commits);
            permit.send(commit);
        }
        let committed = Committed { position: state.position, fates };
        state.remember(batch.producer, &committed);
        Ok(committed)
    }
}

impl State {
    /// The fence and the sequence: an ingester whose time is over is refused, the newest batch that was seen is answered as
    /// it was then, and so is an older one, which has nothing to add.
    fn admit(&self, producer: Option<&Producer>) -> Result<Option<Committed>, StoreError> {
        let Some(producer) = producer else { return Ok(None) };
        let Some(seen) = self.producers.get(&producer.name) else { return Ok(None) };
        if producer.fence < seen.fence {
            let (producer, given) = (producer.name.clone(), producer.fence);
            return Err(StoreError::Fenced { producer, given, newest: seen.fence });
        }
        let again = producer.fence == seen.fence && producer.sequence <= seen.sequence;
        Ok(again.then(|| seen.result.clone()))
    }

    fn remember(&mut self, producer: Option<Producer>, result: &Committed) {
        if let Some(Producer { name, sequence, fence }) = producer {
            self.producers.insert(name, Seen { fence, sequence, result: result.clone() });
        }
    }

    /// Where the next commit stands. The number space has an end: there another epoch begins.
    fn next_position(&self, now_ms: i64) -> Position {
        match self.position.offset.next() {
            Some(offset) => Position { epoch: self.position.epoch, offset },
            None => {
                let epoch = Epoch::from_random(self.position.epoch.get() ^ now_ms.unsigned_abs().rotate_left(11));
                Position { epoch, offset: Offset::ZERO.next().unwrap_or_default() }
            }
        }
    }

    fn append(&mut self, commit: Arc<Commit>, log_commits: usize) {
        if commit.position.epoch != self.position.epoch {
            self.log.clear();
        }
        self.position = commit.position;
        self.log.push_back(commit);
        if self.log.len() > log_commits {
            self.log.pop_front();
        }
    }

    fn write(&mut self, write: Write, version: Offset, now_ms: i64) -> Fate {
        let before = self.values.get(&write.key);
        if before.is_some_and(|slot| write.source_ts < slot.source_ts()) {
            return Fate::Stale;
        }
        let held = before.and_then(|slot| slot.value(now_ms));
        let same = match (held, &write.payload) {
            (Some(held), Some(payload)) => held.payload == *payload && held.tags == write.tags,
            // A value that ended and has not left yet was never told to be gone.
            (None, None) => !matches!(before, Some(Slot::Value(_))),
            _ => false,
        };
        let ends = |ttl_ms: Option<u64>| ttl_ms.map(|ttl| now_ms.saturating_add_unsigned(ttl));
        let version = if same { held.map_or(version, |held| held.version) } else { version };
        let slot = match write.payload {
            Some(payload) => Slot::Value(Stored {
                version,
                source_ts: write.source_ts,
                expires_at: ends(write.ttl_ms),
                tags: write.tags,
                payload,
            }),
            None => Slot::Tombstone { source_ts: write.source_ts, ends_at: now_ms + TOMBSTONE_MS },
        };
        // The same value seen again is newer knowledge of it: its time and its end move, and nobody is woken.
        self.put(write.key, slot);
        if same { Fate::Unchanged } else { Fate::Changed }
    }

    fn put(&mut self, key: Key, slot: Slot) {
        if let Some(end) = slot.ends_at() {
            self.ends.insert((end, key.clone()));
        }
        let end = slot.ends_at();
        let before = self.values.insert(key.clone(), slot);
        if let Some(before) = before.and_then(|slot| slot.ends_at()).filter(|&before| Some(before) != end) {
            self.ends.remove(&(before, key));
        }
    }

    fn body_of(&self, key: &Key, push_max_bytes: usize) -> Body {
        match self.values.get(key) {
            Some(Slot::Value(stored)) if stored.payload.as_bytes().len() <= push_max_bytes => {
                Body::Value { source_ts: stored.source_ts, tags: stored.tags.clone(), payload: stored.payload.clone() }
            }
            Some(Slot::Value(_)) => Body::Changed,
            _ => Body::Gone,
        }
    }

    fn has_ended(&self, now_ms: i64) -> bool {
        self.ends.first().is_some_and(|(end, _)| *end <= now_ms)
    }

    /// Takes out what ended; the keys that had a value until now.
    fn take_ended(&mut self, now_ms: i64) -> Vec<Key> {
        let mut ended = Vec::new();
        while self.has_ended(now_ms) {
            let Some((_, key)) = self.ends.pop_first() else { break };
            if let Some(Slot::Value(_)) = self.values.remove(&key) {
                ended.push(key);
            }
        }
        ended
    }
}

impl Store for Embedded {
    fn layout(&self) -> Layout {
        self.layout
    }

    fn commit(&self, partition: Partition, batch: Batch, now_ms: i64) -> Pending<'_, Committed> {
        Box::pin(async move {
            let mut state = self.state(partition).lock().await;
            self.commit_locked(partition, &mut state, batch, now_ms).await
        })
    }

    fn head(&self, partition: Partition) -> Pending<'_, Position> {
        Box::pin(async move { Ok(self.state(partition).lock().await.position) })
    }

    fn read<'a>(&'a self, partition: Partition, keys: &'a [Key], now_ms: i64) -> Pending<'a, AsOf<Option<Stored>>> {
        Box::pin(async move {
            let state = self.state(partition).lock().await;
            let value = |key| state.values.get(key).and_then(|slot| slot.value(now_ms)).cloned();
            Ok(AsOf { position: state.position, values: keys.iter().map(value).collect() })
        })
    }

    fn scan<'a>(&'a self, scope: &'a Scope, limit: usize, now_ms: i64) -> Pending<'a, AsOf<(Key, Stored)>> {
        Box::pin(async move {
            let state = self.state(self.layout.of_scope(scope)).lock().await;
            let under = state
                .values
                .range::<str, _>((Bound::Included(scope.as_str()), Bound::Unbounded))
                .take_while(|(key, _)| scope.contains(key));
            let values = under.filter_map(|(key, slot)| Some((key.clone(), slot.value(now_ms)?.clone())));
            Ok(AsOf { position: state.position, values: values.take(limit).collect() })
        })
    }

    fn resume(&self, partition: Partition, since: Position) -> Pending<'_, Resumed> {
        Box::pin(async move {
            let state = self.state(partition).lock().await;
            let before = |commit: &Arc<Commit>| Offset::new(commit.position.offset.get() - 1).unwrap_or_default();
            let after = state.log.front().map_or(state.position.offset, before);
            if !since.can_resume(after, state.position) {
                return Ok(Resumed::Lost(state.position));
            }
            let after = state.log.iter().filter(|commit| commit.position.offset > since.offset);
            Ok(Resumed::Continued(after.cloned().collect()))
        })
    }

    fn expire(&self, now_ms: i64) -> Pending<'_, ()> {
        Box::pin(async move {
            for partition in self.layout.partitions() {
                let mut state = self.state(partition).lock().await;
                if !state.has_ended(now_ms) {
                    continue;
                }
                let permit = self.announcements.reserve().await.map_err(|_| StoreError::Closed)?;
                let ended = state.take_ended(now_ms);
                if ended.is_empty() {
                    continue;
                }
                let position = state.next_position(now_ms);
                let gone = |key| Item { key, version: position.offset, body: Body::Gone };
                let items = ended.into_iter().map(gone).collect();
                let commit = Arc::new(Commit { partition, position, items, scopes: Vec::new(), tags: Vec::new() });
                state.append(commit.clone(), self.limits.log_commits);
                permit.send(commit);
            }
            Ok(())
        })
    }
}
