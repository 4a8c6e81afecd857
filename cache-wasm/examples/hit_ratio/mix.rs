//! One byte budget over several categories, a trace each: shares that move by themselves against the best fixed ones.

use std::fmt;

use cache_wasm::CategoryOptions;

use crate::optimum;
use crate::ours::{Ours, Part};
use crate::traces::Trace;

/// The fixed splits that are tried: all of so many equal parts.
const STEPS: usize = 40;

/// Requests of one trace that take part, so that none drowns the others.
const LONGEST: usize = 1_000_000;

/// What a key of a trace without sizes takes, in the mix by bytes: about the mean of twitter52.
const PLAIN: u32 = 200;

/// What an entry costs of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sizes {
    /// One each.
    Units,
    /// Its bytes.
    Bytes,
}

/// Hits of all categories together.
pub(crate) struct Split {
    pub(crate) sizes: Sizes,
    /// The budget, of all distinct keys or bytes.
    pub(crate) share: f64,
    pub(crate) requests: usize,
    pub(crate) auto: u64,
    pub(crate) equal: u64,
    pub(crate) best: u64,
    /// The best fixed shares and those that the budget ended with, per cent.
    pub(crate) shares: Vec<(&'static str, f64, f64)>,
}

/// Replays the traces side by side, each at the pace that lets all end together.
pub(crate) fn compare(traces: &[Trace], share: f64, sizes: Sizes) -> Split {
    let traces: Vec<Trace> = traces.iter().map(|trace| prepared(trace, sizes)).collect();
    let budget = (traces.iter().map(Trace::bytes).sum::<u64>() as f64 * share) as u64;
    // What one part of the budget cannot hold is left out of all: a fixed share of one part could not take it.
    let largest = u32::try_from(budget / STEPS as u64).unwrap_or(u32::MAX);

    let part = |trace| Part { trace, options: CategoryOptions::new(trace.name, trace.sizes.len() as u32) };
    let parts: Vec<Part<'_>> = traces.iter().map(part).collect();
    let mut ours = Ours::new(&parts, budget);
    let mut auto = 0;
    for (category, key) in interleaved(&traces) {
        if ours.get_in(category, key) {
            auto += 1;
        } else if traces[category as usize].sizes[key as usize] <= largest {
            ours.put_in(category, key, traces[category as usize].sizes[key as usize]);
        }
    }

    let alone = |trace: &Trace| -> Vec<u64> { (0..=STEPS).map(|parts| hits(trace, budget, parts, largest)).collect() };
    let curves: Vec<Vec<u64>> = traces.iter().map(alone).collect();
    let (best, split) = optimum::best_split(&curves, STEPS);
    let equal = curves.iter().map(|curve| curve[STEPS / traces.len()]).sum();
    let end = ours.store().budget().shares().iter().map(|share| 100.0 * share.bytes as f64 / budget as f64);
    let shares = traces.iter().zip(&split).zip(end);
    Split {
        sizes,
        share,
        requests: traces.iter().map(|trace| trace.keys.len()).sum(),
        auto,
        equal,
        best,
        shares: shares.map(|((trace, &parts), end)| (trace.name, 100.0 * parts as f64 / STEPS as f64, end)).collect(),
    }
}

fn prepared(trace: &Trace, sizes: Sizes) -> Trace {
    let trace = trace.cut(LONGEST);
    match sizes {
        Sizes::Units => trace.in_units(),
        Sizes::Bytes if trace.sized => trace,
        Sizes::Bytes => trace.resized(vec![PLAIN; trace.sizes.len()]),
    }
}

/// Hits of a trace alone, with so many parts of the budget.
fn hits(trace: &Trace, budget: u64, parts: usize, largest: u32) -> u64 {
    let capacity = budget * parts as u64 / STEPS as u64;
    if capacity == 0 {
        return 0;
    }
    crate::replay(trace, &mut Ours::of_bytes(trace, capacity, cache_wasm::Policy::Adaptive), largest)
}

/// Category and key of every request of all traces.
fn interleaved(traces: &[Trace]) -> Vec<(u16, u32)> {
    let mut requests: Vec<(f64, u16, u32)> = Vec::new();
    for (category, trace) in (0..).zip(traces) {
        let length = trace.keys.len() as f64;
        requests.extend(trace.keys.iter().enumerate().map(|(i, &key)| (i as f64 / length, category, key)));
    }
    requests.sort_by(|a, b| a.0.total_cmp(&b.0));
    requests.into_iter().map(|(_, category, key)| (category, key)).collect()
}

impl Split {
    /// Of the best fixed split's hits.
    pub(crate) fn ratio(&self) -> f64 {
        self.auto as f64 / self.best as f64
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = |hits: u64| hits as f64 / self.requests as f64;
        let unit = if self.sizes == Sizes::Units { "entries" } else { "bytes" };
        writeln!(
            f,
            "\nauto-sizing, all traces in one budget of {} % of their {unit}: hit ratio {:.4}; equal fixed shares {:.4}; \
             best fixed shares {:.4}; of the best {:.4}",
            self.share * 100.0,
            rate(self.auto),
            rate(self.equal),
            rate(self.best),
            self.ratio()
        )?;
        write!(f, "shares, per cent, best fixed and in the end:")?;
        self.shares.iter().try_for_each(|(name, best, end)| write!(f, "  {name} {best:.1} {end:.1}"))
    }
}
