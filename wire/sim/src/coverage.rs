//! "Sometimes" assertions: what must really have happened over many seeds, or the simulation proves nothing.

use std::collections::BTreeMap;

/// How often each of [`Coverage::NAMES`] happened.
#[derive(Debug, Clone, Default)]
pub struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    /// Everything that must happen: faults, then the branches that they lead to.
    pub const NAMES: [&str; 62] = [
        // Faults.
        "frame dropped",
        "frame duplicated",
        "frame reordered",
        "frame repeated",
        "link slow",
        "connection cut",
        "cut unseen by the server",
        "cut unseen by the page",
        "slow reader",
        "page slept, its clock on",
        "page slept, its clock still",
        "page frozen",
        "wall clock forward",
        "wall clock back",
        "server clock forward",
        "server clock back",
        "server crashed",
        "edge restarted",
        "edge drained",
        "fail-over lost commits",
        "fail-over lost nothing",
        "edge stalled",
        "announcement missed",
        "announcement repeated",
        "answer lost",
        "answer from a lagging edge",
        "answer from an HTTP cache",
        "answer of another epoch",
        "page ended and began anew",
        "scope left and followed again at once",
        // Of the store.
        "write stale",
        "write unchanged",
        "batch repeated",
        "ingester fenced off",
        "value ended by its time",
        "purge of a key",
        "purge of a scope",
        "purge of a tag",
        // Of the server.
        "subscription fresh",
        "subscription replayed",
        "subscription reset",
        "reset while following",
        "record merged",
        "overflow became a purge",
        "partition not vouched for",
        "reader given up as slow",
        "silent page given up",
        "read waited for its position",
        "read too early",
        "old head overtaken after a fail-over",
        // Of the cache.
        "hit",
        "miss",
        "miss for want of a lease",
        "gap",
        "duplicate ignored",
        "value pushed",
        "change told without its value",
        "late fill discarded",
        "fill settled at a later try",
        "fill handed over and not kept",
        "silent server given up",
        "earlier visit's value taken up",
    ];

    /// It happened.
    pub fn note(&mut self, name: &'static str) {
        debug_assert!(Coverage::NAMES.contains(&name), "{name}");
        *self.0.entry(name).or_default() += 1;
    }

    /// How often it happened.
    pub fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Coverage) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    /// What never happened.
    pub fn missing(&self) -> Vec<&'static str> {
        Coverage::NAMES.into_iter().filter(|name| self.count(name) == 0).collect()
    }

    /// All counts in one line.
    pub fn line(&self) -> String {
        let counts = Coverage::NAMES.map(|name| format!("{name} {}", self.count(name)));
        counts.join(", ")
    }
}
