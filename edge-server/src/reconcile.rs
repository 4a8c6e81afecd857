//! What a complete listing no longer names is gone; what it names unchanged is not news.
//!
//! Pure. It compares a source with what the same source said before, so that two sources under one scope do not remove
//! each other's values.

use std::collections::{HashMap, HashSet};

use wire::{Key, Scope};
use xxhash_rust::xxh3::xxh3_64;

use crate::source::{Priority, Record, Reject};

/// What one source has said, by key.
#[derive(Debug, Default)]
pub struct Reconciler {
    said: HashMap<Key, Said>,
}

/// A value as it was said last.
#[derive(Debug, Clone, Copy)]
struct Said {
    hash: u64,
    source_ts: i64,
}

/// What a pass brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// New and changed values, then removals.
    pub records: Vec<Record>,
    /// Values the same as before.
    pub unchanged: usize,
    /// Values that are gone.
    pub gone: usize,
}

impl Reconciler {
    /// Compares records with what was said before. With a `listing`, keys under it that have no record are removed,
    /// except those of `rejects`: a row that cannot be read is not a row that is gone. Removals are observed at
    /// `now_ms`.
    pub fn news(&mut self, records: Vec<Record>, rejects: &[Reject], listing: Option<&Scope>, now_ms: i64) -> News {
        let mut news = News::default();
        let gone: Vec<Key> = match listing {
            Some(scope) if rejects.iter().all(|reject| reject.key.is_some()) => {
                let refused = rejects.iter().filter_map(|reject| reject.key.as_ref());
                let named: HashSet<&Key> = records.iter().map(|record| &record.key).chain(refused).collect();
                self.said.keys().filter(|key| scope.contains(key) && !named.contains(key)).cloned().collect()
            }
            _ => Vec::new(),
        };
        for record in records {
            let hash = record.payload.as_ref().map(|payload| xxh3_64(payload.as_bytes()));
            let before = match hash {
                Some(hash) => self.said.insert(record.key.clone(), Said { hash, source_ts: record.source_ts }),
                None => self.said.remove(&record.key),
            };
            if before.map(|said| said.hash) == hash {
                news.unchanged += 1;
            } else {
                news.records.push(record);
            }
        }
        for key in gone {
            let said = self.said.remove(&key);
            news.gone += 1;
            news.records.push(Record {
                key,
                // A removal is observed no earlier than what it removes, whatever the upstream's clock says.
                source_ts: said.map_or(now_ms, |said| said.source_ts.max(now_ms)),
                priority: Priority::Props,
                tags: Vec::new(),
                payload: None,
            });
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use wire::Payload;

    use super::*;

    fn record(key: &str, value: &str) -> Record {
        let payload = Some(Payload::new(value.as_bytes()));
        Record { key: Key::parse(key).unwrap(), source_ts: 1, priority: Priority::Props, tags: Vec::new(), payload }
    }

    fn reject(key: Option<&str>) -> Reject {
        let key = key.map(|key| Key::parse(key).unwrap());
        Reject { key, at: "data[0]".into(), reason: "wrong", sample: String::new() }
    }

    fn names(news: &News) -> Vec<(&str, bool)> {
        news.records.iter().map(|record| (record.key.as_str(), record.payload.is_some())).collect()
    }

    #[test]
    fn a_listing_brings_what_is_new_changed_and_gone() {
        let scope = Scope::parse("s:m:").unwrap();
        let mut reconciler = Reconciler::default();
        let first = vec![record("s:m:1", "a"), record("s:m:2", "b"), record("s:m:3", "c")];
        assert_eq!(reconciler.news(first, &[], Some(&scope), 9).records.len(), 3);
        let second = vec![record("s:m:1", "a"), record("s:m:2", "B")];
        let news = reconciler.news(second, &[], Some(&scope), 9);
        assert_eq!(names(&news), [("s:m:2", true), ("s:m:3", false)]);
        assert_eq!((news.unchanged, news.gone), (1, 1));
    }

    #[test]
    fn a_row_that_cannot_be_read_is_not_gone() {
        let scope = Scope::parse("s:m:").unwrap();
        let mut reconciler = Reconciler::default();
        reconciler.news(vec![record("s:m:1", "a"), record("s:m:2", "b")], &[], Some(&scope), 9);
        let named = reconciler.news(vec![], &[reject(Some("s:m:1"))], Some(&scope), 9);
        assert_eq!(names(&named), [("s:m:2", false)]);
        let nameless = reconciler.news(vec![], &[reject(None)], Some(&scope), 9);
        assert_eq!(nameless.gone, 0, "the row without a name may be any of them");
    }

    #[test]
    fn a_removal_is_observed_no_earlier_than_what_it_removes() {
        let scope = Scope::parse("s:m:").unwrap();
        let mut reconciler = Reconciler::default();
        let ahead = Record { source_ts: 50, ..record("s:m:ahead", "a") };
        reconciler.news(vec![ahead, record("s:m:2", "b")], &[], Some(&scope), 9);
        let news = reconciler.news(vec![], &[], Some(&scope), 10);
        let mut times: Vec<i64> = news.records.iter().map(|record| record.source_ts).collect();
        times.sort_unstable();
        assert_eq!(times, [10, 50]);
    }

    #[test]
    fn without_a_listing_nothing_is_gone() {
        let mut reconciler = Reconciler::default();
        reconciler.news(vec![record("s:m:1", "a")], &[], None, 9);
        assert_eq!(reconciler.news(vec![], &[], None, 9), News::default());
    }
}
