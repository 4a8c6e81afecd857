//! Effects as cells of memory: a kind and its numbers one after another, keys apart.
//!
//! The kinds are those of `js/core.ts`: `0 slot reason`, `1 slot category stream until size content`, `2 slot stream
//! until size content`, `3 slot stream until`, `4 stream until`.

use alloc::string::String;
use alloc::vec::Vec;

use crate::slots::{Content, Slots, State};
use crate::store::{Effect, Freshness, Holding};

/// The effects that JavaScript has not repeated yet.
#[derive(Debug, Default)]
pub(super) struct Effects {
    cells: Vec<f64>,
    keys: Vec<wire::Key>,
}

impl Effects {
    /// Adds effects after those that wait.
    pub(super) fn add(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Removed(slot, reason) => self.write(0, &[f64::from(slot), f64::from(reason.code())]),
                Effect::Stored(slot, category, key, Freshness { until, stream }, holding) => {
                    self.write(1, &[f64::from(slot), f64::from(category), f64::from(stream), until]);
                    self.hold(holding);
                    self.keys.push(key);
                }
                Effect::Changed(slot, Freshness { until, stream }, holding) => {
                    self.write(2, &[f64::from(slot), f64::from(stream), until]);
                    self.hold(holding);
                }
                Effect::Touched(slot, Freshness { until, stream }) => {
                    self.write(3, &[f64::from(slot), f64::from(stream), until]);
                }
                Effect::Lease(stream, until) => self.write(4, &[f64::from(stream), until]),
            }
        }
    }

    fn write(&mut self, kind: u32, numbers: &[f64]) {
        self.cells.push(f64::from(kind));
        self.cells.extend_from_slice(numbers);
    }

    fn hold(&mut self, Holding { size, content }: Holding) {
        let form = match content {
            Content::Payload(_) => 0.0,
            Content::Absent => 1.0,
            Content::Reference => 2.0,
        };
        self.cells.extend([f64::from(size), form]);
    }

    /// Tells where the effects are.
    pub(super) fn show(&self, slots: &Slots) {
        slots.tell(State::Effects, f64::from(self.cells.as_ptr() as u32));
        slots.tell(State::EffectsLength, self.cells.len() as f64);
        slots.tell(State::EffectsKeys, self.keys.len() as f64);
    }

    /// The keys in order, joined by line ends, which no key holds.
    pub(super) fn keys(&self) -> String {
        let texts: Vec<&str> = self.keys.iter().map(wire::Key::as_str).collect();
        texts.join("\n")
    }

    /// Forgets effects that were repeated; a large buffer is not kept.
    pub(super) fn clear(&mut self) {
        self.cells.clear();
        self.keys.clear();
        self.cells.shrink_to(1_024);
        self.keys.shrink_to(64);
    }
}
