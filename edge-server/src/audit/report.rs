//! What the auditor found: counts, and the traces of violations.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;
use wire::Key;

use super::{Announced, Answer, Expected, HORIZONS_MS, Judged, Moment, VIOLATIONS_MAX};

/// The ends of checks at one horizon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The change was read.
    pub consistent: u64,
    /// It had been overtaken, and what was read was not older than what overtook it.
    pub superseded: u64,
    /// It cannot be said.
    pub unknown: u64,
    /// Something older was.
    pub violations: u64,
}

impl Tally {
    /// Checks of which something can be said.
    pub fn judged(&self) -> u64 {
        self.consistent + self.superseded + self.violations
    }

    /// The share of them that read nothing older than announced, 0 to 1; `None` before the first.
    pub fn consistency(&self) -> Option<f64> {
        (self.judged() > 0).then(|| (self.judged() - self.violations) as f64 / self.judged() as f64)
    }
}

/// A read that contradicts what was announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// How long after the sampled change it was read, in milliseconds.
    pub after_ms: u64,
    /// The key.
    pub key: Key,
    /// What is wrong.
    pub why: &'static str,
    /// The newest announcement of the key at the time of asking.
    pub announced: AnnouncedTrace,
    /// What was read.
    pub read: ReadTrace,
}

/// An announcement, in a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnnouncedTrace {
    /// The position that a read had to reach.
    pub position: String,
    /// The commit that named the key.
    pub version: u64,
    /// `value`, `changed` or `gone`.
    pub what: &'static str,
    /// The value's hash, 16 hexadecimal digits of xxh3, where it was told.
    pub hash: Option<String>,
    /// When it was heard.
    pub at: Timestamp,
}

/// A read, in a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadTrace {
    /// The position that the answer names.
    pub as_of: Option<String>,
    /// The commit that wrote the value; none where there was no value.
    pub version: Option<u64>,
    /// The value's hash.
    pub hash: Option<String>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it was answered.
    pub answered_at: Timestamp,
}

fn text_of(hash: u64) -> String {
    format!("{hash:016x}")
}

fn time_of(moment: Moment) -> Timestamp {
    Timestamp::from_millisecond(moment.unix_ms).unwrap_or_default()
}

impl Violation {
    /// The trace of a read.
    pub fn new(
        why: &'static str,
        after_ms: u64,
        key: &Key,
        expected: &Expected,
        asked: Moment,
        answer: &Answer,
        now: Moment,
    ) -> Violation {
        let (what, hash) = match expected.what {
            Announced::Value(hash) => ("value", Some(text_of(hash))),
            Announced::Changed => ("changed", None),
            Announced::Gone => ("gone", None),
        };
        let position = expected.floor.to_string();
        let announced =
            AnnouncedTrace { position, version: expected.version.get(), what, hash, at: time_of(expected.heard) };
        let (version, hash) = match answer {
            Answer::Value { version, hash, .. } => (Some(version.get()), Some(text_of(*hash))),
            Answer::Nothing { .. } | Answer::Failed(_) => (None, None),
        };
        let as_of = answer.as_of().map(|as_of| as_of.to_string());
        let read = ReadTrace { as_of, version, hash, asked_at: time_of(asked), answered_at: time_of(now) };
        Violation { after_ms, key: key.clone(), why, announced, read }
    }
}

/// Everything found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Changes sampled.
    pub sampled: u64,
    /// Times that announcements were missed, or another epoch began.
    pub lost: u64,
    /// One a horizon.
    pub tallies: [Tally; HORIZONS_MS.len()],
    /// The newest first, at most [`VIOLATIONS_MAX`].
    pub violations: VecDeque<Violation>,
}

/// A horizon of a report, for readers.
#[derive(Serialize)]
struct Horizon {
    after_ms: u64,
    #[serde(flatten)]
    tally: Tally,
    /// The share of what could be said that was not older than announced, 0 to 1.
    consistency: Option<f64>,
}

impl Report {
    pub(super) fn count(&mut self, horizon: usize, judged: Judged) {
        let tally = &mut self.tallies[horizon];
        match judged {
            Judged::Consistent => tally.consistent += 1,
            Judged::Superseded => tally.superseded += 1,
            Judged::Unknown => tally.unknown += 1,
            Judged::Missing | Judged::Violation(_) => tally.violations += 1,
        }
    }

    pub(super) fn keep(&mut self, violation: Violation) {
        self.violations.push_front(violation);
        self.violations.truncate(VIOLATIONS_MAX);
    }

    /// Brings the metrics up to date.
    pub fn show(&self) {
        metrics::counter!("edge_audit_samples_total").absolute(self.sampled);
        for (after_ms, tally) in HORIZONS_MS.into_iter().zip(&self.tallies) {
            let seconds = (after_ms / 1_000).to_string();
            let results = [
                ("consistent", tally.consistent),
                ("superseded", tally.superseded),
                ("unknown", tally.unknown),
                ("violation", tally.violations),
            ];
            for (result, count) in results {
                let labels = [("seconds", seconds.clone()), ("result", result.to_owned())];
                metrics::counter!("edge_audit_checks_total", &labels).absolute(count);
            }
            if let Some(consistency) = tally.consistency() {
                metrics::gauge!("edge_audit_consistency", "seconds" => seconds).set(consistency);
            }
        }
    }

    /// The counts, as `/health/detailed` shows them.
    pub fn summary(&self) -> serde_json::Value {
        let horizon = |(after_ms, &tally): (u64, &Tally)| Horizon { after_ms, tally, consistency: tally.consistency() };
        let horizons: Vec<Horizon> = HORIZONS_MS.into_iter().zip(&self.tallies).map(horizon).collect();
        serde_json::json!({ "sampled": self.sampled, "lost": self.lost, "horizons": horizons })
    }
}
