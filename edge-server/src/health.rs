//! How the parts are: what each last did, and since when it is as it is.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use crate::validate::Quality;

/// A source, as `/health/detailed` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct SourceHealth {
    /// `starting`, `ok` or `failing`.
    pub state: &'static str,
    /// Since when it is so.
    pub since: Timestamp,
    /// When its last usable answer came.
    pub last_ok: Option<Timestamp>,
    /// What was wrong last.
    pub last_error: Option<String>,
    /// Requests answered, and those that were not or not usably.
    pub answers: u64,
    /// See there.
    pub failures: u64,
    /// Rows taken that were news, rows that were not, rows refused, keys gone.
    pub changed: u64,
    /// See there.
    pub unchanged: u64,
    /// See there.
    pub rejected: u64,
    /// See there.
    pub gone: u64,
    /// Decaying average of usable answers, 0 to 1.
    pub reliability: f64,
    /// Accepted share of the newest document's rows, 0 to 1.
    pub validity: f64,
}

/// What a source's answer brought.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Rows that were news.
    pub changed: usize,
    /// Rows that were not.
    pub unchanged: usize,
    /// Rows refused.
    pub rejected: usize,
    /// Keys gone.
    pub gone: usize,
}

/// Every source's health.
#[derive(Debug, Default)]
pub struct Health {
    sources: Mutex<BTreeMap<&'static str, SourceHealth>>,
}

impl Health {
    /// A copy of what is known.
    pub fn sources(&self) -> BTreeMap<&'static str, SourceHealth> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A source begins.
    pub fn started(&self, source: &'static str, now: Timestamp) {
        self.update(source, now, |_| {});
    }

    /// A usable answer came.
    pub fn answered(&self, source: &'static str, tally: Tally, quality: Quality, now: Timestamp) {
        self.update(source, now, |health| {
            health.turn("ok", now);
            health.last_ok = Some(now);
            health.answers += 1;
            health.changed += tally.changed as u64;
            health.unchanged += tally.unchanged as u64;
            health.rejected += tally.rejected as u64;
            health.gone += tally.gone as u64;
            (health.reliability, health.validity) = (quality.reliability, quality.validity);
        });
    }

    /// No usable answer came.
    pub fn failed(&self, source: &'static str, error: &str, quality: Quality, now: Timestamp) {
        self.update(source, now, |health| {
            health.turn("failing", now);
            health.failures += 1;
            health.last_error = Some(error.to_owned());
            health.reliability = quality.reliability;
        });
    }

    fn update(&self, source: &'static str, now: Timestamp, change: impl FnOnce(&mut SourceHealth)) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        change(sources.entry(source).or_insert_with(|| SourceHealth {
            state: "starting",
            since: now,
            last_ok: None,
            last_error: None,
            answers: 0,
            failures: 0,
            changed: 0,
            unchanged: 0,
            rejected: 0,
            gone: 0,
            reliability: 1.0,
            validity: 1.0,
        }));
    }
}

/// A part that the server depends on, as `/health/detailed` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Component {
    /// `ok` or `failing`.
    pub state: &'static str,
    /// Since when it is so.
    pub since: Timestamp,
    /// What was wrong last.
    pub last_error: Option<String>,
}

/// Every part's state.
#[derive(Debug, Default)]
pub struct Components {
    parts: Mutex<BTreeMap<&'static str, Component>>,
}

impl Components {
    /// A copy of what is known.
    pub fn all(&self) -> BTreeMap<&'static str, Component> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A part did what it was asked.
    pub fn ok(&self, part: &'static str, now: Timestamp) {
        self.turn(part, "ok", None, now);
    }

    /// A part did not.
    pub fn failing(&self, part: &'static str, error: &str, now: Timestamp) {
        self.turn(part, "failing", Some(error), now);
    }

    fn turn(&self, part: &'static str, state: &'static str, error: Option<&str>, now: Timestamp) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let component = parts.entry(part).or_insert(Component { state, since: now, last_error: None });
        if component.state != state {
            (component.state, component.since) = (state, now);
            match error {
                Some(error) => tracing::warn!(part, error, "a part fails"),
                None => tracing::info!(part, "a part works again"),
            }
        }
        if let Some(error) = error {
            component.last_error = Some(error.to_owned());
        }
    }
}

impl SourceHealth {
    fn turn(&mut self, state: &'static str, now: Timestamp) {
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
    }
}
