//! Records become batches: at most 50 of one partition, after at most so long, at once for a live one.
//!
//! Pure: time is an argument. One batch of a partition is in flight at a time, so that its commits keep their order;
//! partitions do not wait for each other. A key waits at most once: a newer observation takes the older one's place, so
//! nothing grows with the rate of change and the newest value is never dropped.

use std::collections::{HashMap, VecDeque};

use wire::Key;

use crate::source::{Priority, Record};
use crate::store::{Layout, Partition, Write};

/// When a batch leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Records of one batch.
    pub items: usize,
    /// Milliseconds that the first record of a batch waits at most.
    pub flush_ms: u64,
}

/// Records that wait, by partition.
#[derive(Debug)]
pub struct Batcher {
    layout: Layout,
    limits: Limits,
    partitions: HashMap<Partition, Waiting>,
    /// Records that took another's place.
    pub conflated: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Keys in the order they came; their records beside, so that a later observation keeps the place.
    order: VecDeque<Key>,
    records: HashMap<Key, Record>,
    /// When the oldest one came, in milliseconds.
    since: u64,
    urgent: bool,
    in_flight: bool,
}

impl Batcher {
    /// Nothing waits yet.
    pub fn new(layout: Layout, limits: Limits) -> Batcher {
        Batcher { layout, limits, partitions: HashMap::new(), conflated: 0 }
    }

    /// How many records wait.
    pub fn waiting(&self) -> usize {
        self.partitions.values().map(|waiting| waiting.order.len()).sum()
    }

    /// Whether none waits and none is in flight.
    pub fn is_idle(&self) -> bool {
        self.partitions.values().all(|waiting| waiting.order.is_empty() && !waiting.in_flight)
    }

    /// Takes a record. Of two of one key the one observed later stays; of two observed at once, the one given later.
    pub fn push(&mut self, record: Record, now_ms: u64) {
        let waiting = self.partitions.entry(self.layout.of_key(&record.key)).or_default();
        if waiting.order.is_empty() {
            waiting.since = now_ms;
        }
        waiting.urgent |= record.priority == Priority::Live;
        match waiting.records.get_mut(&record.key) {
            Some(earlier) => {
                self.conflated += 1;
                if record.source_ts >= earlier.source_ts {
                    *earlier = record;
                }
            }
            None => {
                waiting.order.push_back(record.key.clone());
                waiting.records.insert(record.key.clone(), record);
            }
        }
    }

    /// The batches that leave now. Each is in flight until `done`.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<(Partition, Vec<Write>)> {
        self.take(|waiting, limits| {
            waiting.urgent || waiting.order.len() >= limits.items || now_ms >= waiting.since + limits.flush_ms
        })
    }

    /// The batches that leave when nothing more will come.
    pub fn take_rest(&mut self) -> Vec<(Partition, Vec<Write>)> {
        self.take(|_, _| true)
    }

    fn take(&mut self, is_due: impl Fn(&Waiting, &Limits) -> bool) -> Vec<(Partition, Vec<Write>)> {
        let mut batches = Vec::new();
        for (&partition, waiting) in &mut self.partitions {
            if waiting.in_flight || waiting.order.is_empty() || !is_due(waiting, &self.limits) {
                continue;
            }
            waiting.in_flight = true;
            let count = waiting.order.len().min(self.limits.items);
            let keys = waiting.order.drain(..count);
            let records = keys.filter_map(|key| waiting.records.remove(&key));
            batches.push((partition, records.map(Write::from).collect()));
            // What is left is due again as soon as this one is done.
            waiting.urgent &= !waiting.order.is_empty();
        }
        batches
    }

    /// A partition's batch was committed, or given up.
    pub fn done(&mut self, partition: Partition) {
        if let Some(waiting) = self.partitions.get_mut(&partition) {
            waiting.in_flight = false;
        }
    }

    /// When a batch is due by time alone.
    pub fn next_due(&self) -> Option<u64> {
        let waiting = self.partitions.values().filter(|waiting| !waiting.in_flight && !waiting.order.is_empty());
        waiting.map(|waiting| waiting.since + self.limits.flush_ms).min()
    }
}

impl From<Record> for Write {
    fn from(record: Record) -> Write {
        let Record { key, source_ts, tags, payload, .. } = record;
        Write { key, source_ts, ttl_ms: None, tags, payload }
    }
}

#[cfg(test)]
mod tests {
    use wire::Payload;

    use super::*;

    fn record(key: &str, source_ts: i64, value: &str, priority: Priority) -> Record {
        let payload = Some(Payload::new(value.as_bytes()));
        Record { key: Key::parse(key).unwrap(), source_ts, priority, tags: Vec::new(), payload }
    }

    fn batcher() -> Batcher {
        Batcher::new(Layout::new(4), Limits { items: 50, flush_ms: 100 })
    }

    fn values(batches: &[(Partition, Vec<Write>)]) -> Vec<String> {
        let writes = batches.iter().flat_map(|(_, writes)| writes);
        writes.map(|w| String::from_utf8(w.payload.as_ref().unwrap().as_bytes().to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_full_batch_leaves_at_once_and_the_rest_waits_its_turn() {
        let mut batcher = batcher();
        for i in 0..120 {
            batcher.push(record(&format!("s:a:{i}"), 1, "1", Priority::Props), 0);
        }
        let first = batcher.take_due(0);
        assert_eq!((first.len(), first[0].1.len()), (1, 50));
        assert!(batcher.take_due(1_000).is_empty(), "one batch of a partition is in flight at a time");
        batcher.done(first[0].0);
        assert_eq!(batcher.take_due(0)[0].1.len(), 50);
        batcher.done(first[0].0);
        assert!(batcher.take_due(99).is_empty());
        assert_eq!(batcher.take_due(100)[0].1.len(), 20);
    }

    #[test]
    fn a_small_batch_leaves_after_its_time() {
        let mut batcher = batcher();
        batcher.push(record("s:a:1", 1, "1", Priority::Props), 10);
        assert_eq!(batcher.next_due(), Some(110));
        assert!(batcher.take_due(109).is_empty());
        assert_eq!(batcher.take_due(110).len(), 1);
        assert_eq!(batcher.next_due(), None);
    }

    #[test]
    fn a_live_record_takes_what_waits_along_at_once() {
        let mut batcher = batcher();
        batcher.push(record("s:a:1", 1, "1", Priority::Props), 0);
        batcher.push(record("s:a:2", 1, "2", Priority::Live), 0);
        assert_eq!(values(&batcher.take_due(0)), ["1", "2"]);
    }

    #[test]
    fn of_one_key_the_newest_observation_waits() {
        let mut batcher = batcher();
        batcher.push(record("s:a:1", 5, "5", Priority::Props), 0);
        batcher.push(record("s:a:1", 7, "7", Priority::Props), 0);
        batcher.push(record("s:a:1", 6, "6", Priority::Props), 0);
        batcher.push(record("s:a:1", 7, "7b", Priority::Props), 0);
        assert_eq!(values(&batcher.take_rest()), ["7b"]);
        assert_eq!(batcher.conflated, 3);
    }

    #[test]
    fn partitions_do_not_wait_for_each_other() {
        let mut batcher = batcher();
        let other = (0..).map(|i| format!("s:r{i}:1")).find(|key| {
            let layout = Layout::new(4);
            layout.of_key(&Key::parse(key).unwrap()) != layout.of_key(&Key::parse("s:a:1").unwrap())
        });
        batcher.push(record("s:a:1", 1, "a", Priority::Live), 0);
        assert_eq!(batcher.take_due(0).len(), 1);
        batcher.push(record(&other.unwrap(), 1, "b", Priority::Live), 0);
        assert_eq!(values(&batcher.take_due(0)), ["b"]);
        assert!(!batcher.is_idle());
    }
}
