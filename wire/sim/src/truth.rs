//! The plain model of the store: what each input must do, and every state there ever was.
//!
//! It follows the contract in `wire/README.md`, not the store's code: one table a partition, and a list of what touched
//! each key in each lineage.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use edge_server::store::{Batch, Fate, Layout, Partition, Write};
use wire::{Body, Epoch, Found, Key, Offset, Payload, Position, Tag};

/// What goes into a store.
#[derive(Debug, Clone)]
pub enum Input {
    /// A batch for a partition.
    Commit(Partition, Batch),
    /// Values whose time is over leave.
    Expire,
}

/// What a store must answer to a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The offset after it, and one fate a write.
    Committed(u64, Vec<Fate>),
    /// Another ingester has taken over.
    Fenced,
}

/// A value that was current for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its bytes.
    pub payload: Payload,
    /// Its labels.
    pub tags: Vec<Tag>,
    /// When it was observed, and when it ends: both move when the same value is seen again.
    source_ts: Cell<i64>,
    ends: Cell<Option<i64>>,
    /// The earliest end it ever had.
    first_end: Cell<Option<i64>>,
}

#[derive(Debug, Clone)]
enum Slot {
    Value(Rc<Value>),
    Tombstone { source_ts: i64 },
}

impl Slot {
    fn source_ts(&self) -> i64 {
        match self {
            Slot::Value(value) => value.source_ts.get(),
            Slot::Tombstone { source_ts } => *source_ts,
        }
    }
}

/// Something that a follower of the key must hear of.
#[derive(Debug, Clone)]
pub struct Touch {
    /// The commit.
    pub offset: u64,
    /// When it was made, in true time.
    pub at: u64,
    /// It was only said to be dropped.
    pub is_purge: bool,
    /// What the key holds since.
    pub after: Option<Rc<Value>>,
}

/// The history of a partition in one epoch.
#[derive(Debug)]
pub struct Lineage {
    /// Its name.
    pub epoch: Epoch,
    /// The last offset before it.
    pub start: u64,
    /// The newest offset.
    pub head: u64,
    /// When another lineage took its place, in true time.
    pub ended: Option<u64>,
    base: BTreeMap<Key, Rc<Value>>,
    touches: HashMap<Key, Vec<Touch>>,
}

impl Lineage {
    /// What a key holds after the commit `at`.
    pub fn value(&self, key: &Key, at: u64) -> Option<&Rc<Value>> {
        match self.touches(key).iter().rev().find(|touch| touch.offset <= at) {
            Some(touch) => touch.after.as_ref(),
            None => self.base.get(key),
        }
    }

    /// What happened to a key, in order.
    pub fn touches(&self, key: &Key) -> &[Touch] {
        self.touches.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// The first touch in `(after, upto]`.
    pub fn touched(&self, key: &Key, after: u64, upto: u64) -> Option<&Touch> {
        self.touches(key).iter().find(|touch| after < touch.offset && touch.offset <= upto)
    }
}

#[derive(Debug, Default)]
struct Table {
    slots: BTreeMap<Key, Slot>,
    producers: HashMap<Arc<str>, (u64, u64, Verdict)>,
}

/// The model.
#[derive(Debug)]
pub struct Truth {
    layout: Layout,
    tables: Vec<Table>,
    /// Every lineage of each partition, the present one last.
    pub lineages: Vec<Vec<Lineage>>,
    /// What went in since the store was empty.
    pub inputs: Vec<(Input, i64)>,
    /// The true time.
    pub now: u64,
    /// The latest that the server's wall clock has shown.
    pub latest: i64,
}

impl Truth {
    /// A model of an empty store.
    pub fn new(layout: Layout) -> Truth {
        let tables = layout.partitions().map(|_| Table::default()).collect();
        let lineages = layout.partitions().map(|_| Vec::new()).collect();
        Truth { layout, tables, lineages, inputs: Vec::new(), now: 0, latest: i64::MIN }
    }

    /// The present lineage of a partition.
    pub fn now(&self, partition: Partition) -> &Lineage {
        self.lineages[usize::from(partition.0)].last().expect("a lineage was begun")
    }

    /// The lineage of an epoch.
    pub fn lineage(&self, partition: Partition, epoch: Epoch) -> Option<&Lineage> {
        self.lineages[usize::from(partition.0)].iter().rev().find(|lineage| lineage.epoch == epoch)
    }

    /// The partition of a key.
    pub fn partition_of(&self, key: &Key) -> Partition {
        self.layout.of_key(key)
    }

    /// The store was made anew of the first `kept` inputs: each partition begins the lineage named in `heads`.
    pub fn begin(&mut self, kept: usize, heads: &[Position]) {
        let inputs: Vec<(Input, i64)> = self.inputs.drain(..).take(kept).collect();
        self.tables = self.layout.partitions().map(|_| Table::default()).collect();
        for (number, head) in heads.iter().enumerate() {
            if let Some(before) = self.lineages[number].last_mut() {
                before.ended = Some(self.now);
            }
            self.lineages[number].push(empty(head.epoch));
        }
        for (input, now_ms) in inputs {
            match input {
                Input::Commit(partition, batch) => drop(self.commit(partition, batch, now_ms)),
                Input::Expire => drop(self.expire(now_ms)),
            }
        }
        for (number, table) in self.tables.iter().enumerate() {
            let values = table.slots.iter().filter_map(|(key, slot)| match slot {
                Slot::Value(value) => Some((key.clone(), value.clone())),
                Slot::Tombstone { .. } => None,
            });
            let base = values.collect();
            let Some(lineage) = self.lineages[number].last_mut() else { continue };
            *lineage = Lineage { start: lineage.head, head: lineage.head, base, ..empty(lineage.epoch) };
        }
    }

    /// What a batch must do.
    pub fn commit(&mut self, partition: Partition, batch: Batch, now_ms: i64) -> Verdict {
        self.latest = self.latest.max(now_ms);
        self.inputs.push((Input::Commit(partition, batch.clone()), now_ms));
        let table = &mut self.tables[usize::from(partition.0)];
        let lineage = self.lineages[usize::from(partition.0)].last_mut().expect("a lineage was begun");
        if let Some(producer) = &batch.producer
            && let Some((fence, sequence, verdict)) = table.producers.get(&producer.name)
        {
            if producer.fence < *fence {
                return Verdict::Fenced;
            }
            if producer.fence == *fence && producer.sequence <= *sequence {
                return verdict.clone();
            }
        }
        let offset = lineage.head + 1;
        let mut touched: BTreeMap<Key, bool> = BTreeMap::new();
        let mut fates = Vec::new();
        for write in batch.writes {
            let key = write.key.clone();
            let fate = table.write(write, now_ms);
            if fate == Fate::Changed {
                touched.insert(key, false);
            }
            fates.push(fate);
        }
        let carries = |slot: &Slot| matches!(slot, Slot::Value(value) if value.tags.iter().any(|tag| batch.purge.tags.contains(tag)));
        let by_name = batch.purge.keys.iter().cloned();
        let under = table
            .slots
            .iter()
            .filter(|(key, slot)| batch.purge.scopes.iter().any(|scope| scope.contains(key)) || carries(slot));
        for key in by_name.chain(under.map(|(key, _)| key.clone())) {
            touched.entry(key).or_insert(true);
        }
        // A key without a value can be purged too: the knowledge that there is none is dropped.
        if !touched.is_empty() || !batch.purge.is_empty() {
            lineage.head = offset;
        }
        for (key, is_purge) in touched {
            let after = table.value(&key);
            lineage.touches.entry(key).or_default().push(Touch { offset, at: self.now, is_purge, after });
        }
        let verdict = Verdict::Committed(lineage.head, fates);
        if let Some(producer) = batch.producer {
            table.producers.insert(producer.name, (producer.fence, producer.sequence, verdict.clone()));
        }
        verdict
    }

    /// Values whose time is over leave; the partitions that have a commit by it.
    pub fn expire(&mut self, now_ms: i64) -> Vec<Partition> {
        self.latest = self.latest.max(now_ms);
        self.inputs.push((Input::Expire, now_ms));
        let mut concerned = Vec::new();
        for partition in self.layout.partitions() {
            let table = &mut self.tables[usize::from(partition.0)];
            let ended =
                table.slots.iter().filter(|(_, slot)| matches!(slot, Slot::Value(value) if value.has_ended(now_ms)));
            let ended: Vec<Key> = ended.map(|(key, _)| key.clone()).collect();
            let Some(lineage) = self.lineages[usize::from(partition.0)].last_mut().filter(|_| !ended.is_empty()) else {
                continue;
            };
            lineage.head += 1;
            for key in ended {
                table.slots.remove(&key);
                let touch = Touch { offset: lineage.head, at: self.now, is_purge: false, after: None };
                lineage.touches.entry(key).or_default().push(touch);
            }
            concerned.push(partition);
        }
        concerned
    }

    /// Whether a value may be missing though no commit has said so: its time is over by the server's clock.
    pub fn may_have_ended(&self, value: &Value) -> bool {
        value.first_end.get().is_some_and(|end| end <= self.latest)
    }

    /// What an answer says of a key that was read at an earlier commit of a lineage.
    pub fn found(lineage: &Lineage, key: Key, at: u64, now_ms: i64) -> Found {
        let as_of = Position { epoch: lineage.epoch, offset: Offset::new(at).unwrap_or_default() };
        let value = lineage.value(&key, at).filter(|value| !value.has_ended(now_ms));
        let ttl_ms = value.and_then(|value| value.ends.get()).map(|end| (end - now_ms).max(1).unsigned_abs());
        let value = value.map(|value| {
            let (tags, payload) = (value.tags.clone(), value.payload.clone());
            (as_of.offset, Body::Value { source_ts: value.source_ts.get(), tags, payload })
        });
        Found { key, as_of, value, ttl_ms }
    }

    /// What a key holds now, by the server's clock.
    pub fn present(&self, key: &Key, now_ms: i64) -> Option<Rc<Value>> {
        let table = &self.tables[usize::from(self.partition_of(key).0)];
        table.value(key).filter(|value| !value.has_ended(now_ms))
    }
}

fn empty(epoch: Epoch) -> Lineage {
    Lineage { epoch, start: 0, head: 0, ended: None, base: BTreeMap::new(), touches: HashMap::new() }
}

impl Value {
    fn has_ended(&self, now_ms: i64) -> bool {
        self.ends.get().is_some_and(|end| end <= now_ms)
    }
}

impl Table {
    fn value(&self, key: &Key) -> Option<Rc<Value>> {
        match self.slots.get(key) {
            Some(Slot::Value(value)) => Some(value.clone()),
            _ => None,
        }
    }

    fn write(&mut self, write: Write, now_ms: i64) -> Fate {
        let before = self.slots.get(&write.key);
        if before.is_some_and(|slot| write.source_ts < slot.source_ts()) {
            return Fate::Stale;
        }
        let same = match (before, &write.payload) {
            (Some(Slot::Value(held)), Some(payload)) => {
                !held.has_ended(now_ms) && held.payload == *payload && held.tags == write.tags
            }
            (Some(Slot::Tombstone { .. }) | None, None) => true,
            _ => false,
        };
        let ends = write.ttl_ms.map(|ttl| now_ms.saturating_add_unsigned(ttl));
        if let (true, Some(Slot::Value(held))) = (same, before) {
            held.source_ts.set(write.source_ts);
            held.ends.set(ends);
            held.first_end.set(held.first_end.get().into_iter().chain(ends).min());
            return Fate::Unchanged;
        }
        let slot = match write.payload {
            Some(payload) => Slot::Value(Rc::new(Value {
                payload,
                tags: write.tags,
                source_ts: Cell::new(write.source_ts),
                ends: Cell::new(ends),
                first_end: Cell::new(ends),
            })),
            None => Slot::Tombstone { source_ts: write.source_ts },
        };
        self.slots.insert(write.key, slot);
        if same { Fate::Unchanged } else { Fate::Changed }
    }
}
