//! The auditor: follows what is announced, samples changed keys, and says which reads of them contradict it.
//!
//! The idea is Meta's Polaris: a client like any other, which knows only what it was told and what it reads, checks the
//! promise from outside. It samples a change, has the key read 1, 5 and 60 s later, and holds the answer against the
//! newest announcement of the key at the time of asking. It follows the log by the cursor rule: after a hole, and in
//! another epoch, it knows nothing of what it sampled before, and says so rather than guess.
//!
//! Sans-IO: commits, answers and the time are arguments, and what to read comes out. `audit/reads` performs it.

mod judge;
pub mod reads;
mod report;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use fastrand::Rng;
use wire::{Body, Cursor, Key, Offset, Position, Span, Verdict};
use xxhash_rust::xxh3::xxh3_64;

pub use judge::{Answer, Judged, judge};
pub use report::{Report, Tally, Violation};

use crate::store::{Commit, Partition};

/// How long after a change it is read, in milliseconds.
pub const HORIZONS_MS: [u64; 3] = [1_000, 5_000, 60_000];
/// How long a value may be missing that nobody said is gone, in milliseconds. A value whose time ends is missing before
/// its end is announced, which happens each second.
pub const MISSING_MS: u64 = 5_000;
/// Violations that are kept with their traces.
pub const VIOLATIONS_MAX: usize = 100;
/// Keys that are tracked at a time.
const SAMPLES_MAX: usize = 10_000;
/// The most that `audit.per_second` may be: a sample is kept for a minute, in some 300 bytes.
pub const PER_SECOND_MAX: u32 = 100;

/// A moment, by both clocks of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the server began; it never goes back.
    pub clock_ms: u64,
    /// Milliseconds since 1970 UTC, for traces.
    pub unix_ms: i64,
}

/// What was announced of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// A value with these bytes, by their hash.
    Value(u64),
    /// Another value, or the same one invalidated: the announcement does not say.
    Changed,
    /// No value.
    Gone,
}

/// What a read of a key must not contradict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// What a read must have reached: the newest commit that named the key, or a scope or tag that it may be under.
    pub floor: Position,
    /// The newest commit that named the key.
    pub version: Offset,
    /// What that said.
    pub what: Announced,
    /// When it was heard.
    pub heard: Moment,
}

/// A key to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The number that its answer is told with.
    pub id: u64,
    /// The key.
    pub key: Key,
    /// The position that the answer must have reached.
    pub min: Position,
}

/// A key with checks to come.
#[derive(Debug)]
struct Tracked {
    partition: Partition,
    /// `None` since the thread was lost.
    expected: Option<Expected>,
    /// Checks and doubts that wait for it.
    checks: usize,
}

/// A read to come, or under way.
#[derive(Debug)]
struct Check {
    due_ms: u64,
    horizon: usize,
    key: Key,
    /// The change that was sampled.
    sampled: Offset,
}

/// A read under way: what it must not contradict, and when it was asked.
#[derive(Debug)]
struct Asked {
    check: Check,
    expected: Expected,
    at: Moment,
}

/// The auditor.
#[derive(Debug)]
pub struct Auditor {
    pause_ms: u64,
    rng: Rng,
    /// How far each partition was followed.
    cursors: HashMap<Partition, Cursor>,
    tracked: HashMap<Key, Tracked>,
    /// One queue a horizon: each is in the order of its times.
    waiting: [VecDeque<Check>; HORIZONS_MS.len()],
    asked: HashMap<u64, Asked>,
    /// Values that were missing, until somebody says that they are gone: until when, and what it is if nobody does.
    doubts: VecDeque<(u64, Check, Violation)>,
    last_id: u64,
    next_sample_ms: u64,
    report: Report,
    untold: VecDeque<Violation>,
}

impl Auditor {
    /// Samples at most so many changes a second, 1 to [`PER_SECOND_MAX`]; which ones, the seed says.
    pub fn new(per_second: u32, seed: u64) -> Auditor {
        Auditor {
            pause_ms: 1_000 / u64::from(per_second.clamp(1, PER_SECOND_MAX)),
            rng: Rng::with_seed(seed),
            cursors: HashMap::new(),
            tracked: HashMap::new(),
            waiting: Default::default(),
            asked: HashMap::new(),
            doubts: VecDeque::new(),
            last_id: 0,
            next_sample_ms: 0,
            report: Report::default(),
            untold: VecDeque::new(),
        }
    }

    /// Takes the next announcement of a partition.
    pub fn heard(&mut self, commit: &Commit, now: Moment) {
        match self.follow(commit) {
            Verdict::Duplicate => return,
            Verdict::Gap | Verdict::NewEpoch => self.lose_thread(commit.partition),
            Verdict::Apply => {}
        }
        self.learn(commit, now);
        let is_due = now.clock_ms >= self.next_sample_ms && self.tracked.len() < SAMPLES_MAX;
        if is_due && !commit.items.is_empty() {
            self.next_sample_ms = now.clock_ms + self.pause_ms;
            let item = &commit.items[self.rng.usize(..commit.items.len())];
            let expected = expected_of(&item.body, commit.position, now);
            self.sample(&item.key, commit.partition, expected, now.clock_ms);
        }
    }

    fn follow(&mut self, commit: &Commit) -> Verdict {
        let Position { epoch, offset } = commit.position;
        let before = Offset::new(offset.get().saturating_sub(1)).unwrap_or_default();
        let Some(cursor) = self.cursors.get_mut(&commit.partition) else {
            self.cursors.insert(commit.partition, Cursor::at(commit.position));
            return Verdict::Apply;
        };
        let verdict = Span::new(before, offset).map_or(Verdict::Gap, |span| cursor.check(epoch, span));
        if verdict != Verdict::Duplicate {
            *cursor = Cursor::at(commit.position);
        }
        verdict
    }

    /// What was missed may have been about any of its keys: nothing is expected of them any more.
    fn lose_thread(&mut self, partition: Partition) {
        self.report.lost += 1;
        let lost = self.tracked.values_mut().filter(|tracked| tracked.partition == partition);
        lost.for_each(|tracked| tracked.expected = None);
        self.settle_doubts(|auditor, key| {
            let is_lost = auditor.tracked.get(key).is_some_and(|tracked| tracked.partition == partition);
            is_lost.then_some(Judged::Unknown)
        });
    }

    fn learn(&mut self, commit: &Commit, now: Moment) {
        for item in &commit.items {
            if let Some(tracked) = self.tracked.get_mut(&item.key) {
                let expected = expected_of(&item.body, commit.position, now);
                tracked.expected = Some(expected);
                self.settle_doubts(|_, key| (*key == item.key).then(|| explained(expected.what)));
            }
        }
        if commit.scopes.is_empty() && commit.tags.is_empty() {
            return;
        }
        // A purge says that values may be others, not that they are: it binds where a read is read, not what it finds.
        let binds = |key: &Key| !commit.tags.is_empty() || commit.scopes.iter().any(|scope| scope.contains(key));
        let here = self.tracked.iter_mut().filter(|(_, tracked)| tracked.partition == commit.partition);
        for (_, tracked) in here.filter(|(key, _)| binds(key)) {
            tracked.expected.iter_mut().for_each(|expected| expected.floor = commit.position);
        }
    }

    fn sample(&mut self, key: &Key, partition: Partition, expected: Expected, now_ms: u64) {
        let tracked = self.tracked.entry(key.clone()).or_insert(Tracked { partition, expected: None, checks: 0 });
        tracked.expected = Some(expected);
        tracked.checks += HORIZONS_MS.len();
        for (horizon, after_ms) in HORIZONS_MS.into_iter().enumerate() {
            let (due_ms, key, sampled) = (now_ms + after_ms, key.clone(), expected.version);
            self.waiting[horizon].push_back(Check { due_ms, horizon, key, sampled });
        }
        self.report.sampled += 1;
    }

    /// When something is due, by the clock that `heard` was given; `None` when nothing will be.
    pub fn next_due(&self) -> Option<u64> {
        let reads = self.waiting.iter().filter_map(|queue| queue.front()).map(|check| check.due_ms);
        reads.chain(self.doubts.front().map(|(due_ms, ..)| *due_ms)).min()
    }

    /// Settles the doubts whose time is over, and gives the next read that is due. Its answer is to be told.
    pub fn take_due(&mut self, now: Moment) -> Option<Read> {
        while self.doubts.front().is_some_and(|(due_ms, ..)| *due_ms <= now.clock_ms) {
            let Some((_, check, violation)) = self.doubts.pop_front() else { break };
            self.settle(&check, Judged::Violation(violation.why), Some(violation));
        }
        for horizon in 0..HORIZONS_MS.len() {
            while let Some(check) = self.waiting[horizon].pop_front_if(|check| check.due_ms <= now.clock_ms) {
                let Some(expected) = self.tracked.get(&check.key).and_then(|tracked| tracked.expected) else {
                    self.settle(&check, Judged::Unknown, None);
                    continue;
                };
                self.last_id += 1;
                let read = Read { id: self.last_id, key: check.key.clone(), min: expected.floor };
                self.asked.insert(read.id, Asked { check, expected, at: now });
                return Some(read);
            }
        }
        None
    }

    /// Takes the answer to a read.
    pub fn answered(&mut self, id: u64, answer: &Answer, now: Moment) {
        let Some(Asked { check, expected, at }) = self.asked.remove(&id) else { return };
        let judged = judge(&expected, check.sampled, answer);
        let violation = |why| Violation::new(why, HORIZONS_MS[check.horizon], &check.key, &expected, at, answer, now);
        match judged {
            Judged::Missing => {
                let newest = self.tracked.get(&check.key).and_then(|tracked| tracked.expected);
                match newest {
                    Some(newest) if newest.version == expected.version => {
                        let violation = violation("a value is missing that nobody said is gone");
                        self.doubts.push_back((now.clock_ms + MISSING_MS, check, violation));
                    }
                    Some(newest) => self.settle(&check, explained(newest.what), None),
                    None => self.settle(&check, Judged::Unknown, None),
                }
            }
            Judged::Violation(why) => {
                let violation = violation(why);
                self.settle(&check, judged, Some(violation));
            }
            Judged::Consistent | Judged::Superseded | Judged::Unknown => self.settle(&check, judged, None),
        }
    }

    /// The next violation that nobody was told of yet.
    pub fn poll_violation(&mut self) -> Option<Violation> {
        self.untold.pop_front()
    }

    /// What was found so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Keys with checks to come.
    pub fn tracked(&self) -> usize {
        self.tracked.len()
    }

    fn settle_doubts(&mut self, explains: impl Fn(&Auditor, &Key) -> Option<Judged>) {
        if self.doubts.is_empty() {
            return;
        }
        for (due_ms, check, violation) in std::mem::take(&mut self.doubts) {
            match explains(self, &check.key) {
                Some(judged) => self.settle(&check, judged, None),
                None => self.doubts.push_back((due_ms, check, violation)),
            }
        }
    }

    /// Counts a check's end.
    fn settle(&mut self, check: &Check, judged: Judged, violation: Option<Violation>) {
        self.report.count(check.horizon, judged);
        if let Some(violation) = violation {
            self.report.keep(violation.clone());
            self.untold.push_back(violation);
            self.untold.truncate(VIOLATIONS_MAX);
        }
        if let Some(tracked) = self.tracked.get_mut(&check.key) {
            tracked.checks -= 1;
            if tracked.checks == 0 {
                self.tracked.remove(&check.key);
            }
        }
    }
}

fn expected_of(body: &Body, at: Position, now: Moment) -> Expected {
    let what = match body {
        Body::Value { payload, .. } => Announced::Value(xxh3_64(payload.as_bytes())),
        Body::Changed => Announced::Changed,
        Body::Gone => Announced::Gone,
    };
    Expected { floor: at, version: at.offset, what, heard: now }
}

/// What a later announcement makes of a value that was missing. One that is gone had ended already. One that was written
/// anew may have ended before, without a word.
fn explained(later: Announced) -> Judged {
    if later == Announced::Gone { Judged::Superseded } else { Judged::Unknown }
}
