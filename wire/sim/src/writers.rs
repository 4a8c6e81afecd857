//! Who writes: an API that is retried by nobody, and two ingesters of one name that take turns by fences.

use std::collections::{HashMap, HashSet};

use edge_server::store::{Batch, Partition, Producer, Purge, Write};
use wire::{Key, Payload};

use crate::names::{key, scope, tag};
use crate::plan::{By, Size};
use crate::server::layout;
use crate::world::{Event, World};

/// When the sources' clock began, in milliseconds since 1970: it is nobody's wall clock.
const SOURCE_BEGIN: i64 = 1_700_000_000_000;

#[derive(Debug, Default)]
struct Ingester {
    fence: u64,
    sequences: HashMap<Partition, u64>,
    last: Option<(Partition, Batch)>,
}

/// The writers' state.
#[derive(Debug)]
pub(crate) struct Writers {
    ingesters: [Ingester; 2],
    newest_fence: u64,
    last_value: u64,
    /// Batches that reached the store, by their fence and number.
    seen: HashSet<(Partition, u64, u64)>,
}

impl Default for Writers {
    /// The first ingester is at work, and the second one has been told of nothing yet.
    fn default() -> Writers {
        let ingesters = [Ingester { fence: 1, ..Ingester::default() }, Ingester::default()];
        Writers { ingesters, newest_fence: 1, last_value: 0, seen: HashSet::new() }
    }
}

impl World {
    /// A value that nobody wrote before. Its bytes are what is compared.
    fn new_payload(&mut self, size: Size) -> Payload {
        self.writers.last_value += 1;
        let travels_far = self.plan.push_max > 1_024;
        let length = match size {
            Size::Small => 0,
            Size::Large => self.plan.push_max + 1,
            Size::Huge if travels_far => 40_000,
            Size::Huge => 200,
        };
        Payload::new(format!("\"v{}{}\"", self.writers.last_value, ".".repeat(length)).into_bytes())
    }

    pub(crate) fn write(&mut self, by: By, keys: &[usize], size: Size, tagged: bool, ttl: Option<u64>, late: u64) {
        let source_ts = self.source_ms();
        let writes = keys.iter().map(|&number| {
            let tags = tagged.then(tag).into_iter().collect();
            Write { key: key(number), source_ts, ttl_ms: ttl, tags, payload: Some(self.new_payload(size)) }
        });
        let writes = writes.collect();
        self.send_batch(by, writes, late);
    }

    /// The value that is there is observed again.
    pub(crate) fn write_again(&mut self, by: By, number: usize) {
        let Some(value) = self.truth.present(&key(number), self.wall_ms()) else { return };
        let (tags, payload) = (value.tags.clone(), Some(value.payload.clone()));
        let source_ts = self.source_ms();
        self.send_batch(by, vec![Write { key: key(number), source_ts, ttl_ms: None, tags, payload }], 0);
    }

    pub(crate) fn remove(&mut self, by: By, number: usize, late: u64) {
        let write = Write { key: key(number), source_ts: self.source_ms(), ttl_ms: None, tags: vec![], payload: None };
        self.send_batch(by, vec![write], late);
    }

    fn source_ms(&self) -> i64 {
        SOURCE_BEGIN + self.now as i64
    }

    fn send_batch(&mut self, by: By, writes: Vec<Write>, late: u64) {
        let Some(first) = writes.first() else { return };
        let partition = layout().of_key(&first.key);
        let producer = match by {
            By::Api => None,
            By::Ingester(which) => {
                let ingester = &mut self.writers.ingesters[which];
                let sequence = ingester.sequences.entry(partition).or_default();
                *sequence += 1;
                Some(Producer { name: "feed".into(), sequence: *sequence, fence: ingester.fence })
            }
        };
        let batch = Batch { writes, purge: Purge::default(), producer };
        if let By::Ingester(which) = by {
            self.writers.ingesters[which].last = Some((partition, batch.clone()));
        }
        if late > 0 {
            self.later(late, Event::Commit(partition, batch));
        } else {
            self.commit(partition, batch);
        }
    }

    /// What became of the last batch is not known: it is sent again.
    pub(crate) fn retry(&mut self, which: usize) {
        if let Some((partition, batch)) = self.writers.ingesters[which].last.clone() {
            self.commit(partition, batch);
        }
    }

    /// An ingester takes over. Its numbers begin anew.
    pub(crate) fn take_over(&mut self, which: usize) {
        self.writers.newest_fence += 1;
        let fence = self.writers.newest_fence;
        self.say(|_| format!("ingester {which} takes over with fence {fence}"));
        self.writers.ingesters[which] = Ingester { fence, ..Ingester::default() };
    }

    /// Whether a batch reached the store before.
    pub(crate) fn is_repeat(&mut self, partition: Partition, batch: &Batch) -> bool {
        let Some(Producer { sequence, fence, .. }) = &batch.producer else { return false };
        !self.writers.seen.insert((partition, *fence, *sequence))
    }

    pub(crate) fn purge_key(&mut self, number: usize) {
        self.coverage.note("purge of a key");
        let key: Key = key(number);
        let purge = Purge { keys: vec![key.clone()], ..Purge::default() };
        self.commit(layout().of_key(&key), Batch { purge, ..Batch::default() });
    }

    pub(crate) fn purge_scope(&mut self, number: usize) {
        self.coverage.note("purge of a scope");
        let scope = scope(number);
        let purge = Purge { scopes: vec![scope.clone()], ..Purge::default() };
        self.commit(layout().of_scope(&scope), Batch { purge, ..Batch::default() });
    }

    pub(crate) fn purge_tag(&mut self) {
        self.coverage.note("purge of a tag");
        for partition in layout().partitions() {
            let purge = Purge { tags: vec![tag()], ..Purge::default() };
            self.commit(partition, Batch { purge, ..Batch::default() });
        }
    }
}
