//! `cargo xtask bench hit-ratio`: how many reads hit, here and in the peers, against the best that is possible.
//!
//! Every cache replays the same traces, one request after the other: what misses is stored. Ours is the real store, and
//! a hit does to its tables what `js/category.ts` does. All seeds are fixed: two runs print the same. Nothing is timed
//! here but an eviction, for orientation.

mod caches;
mod cost;
mod mix;
mod optimum;
mod ours;
mod report;
mod traces;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cache_wasm::Policy;

use crate::caches::{Cache, Lru, Moka, QuickCache};
use crate::ours::Ours;
use crate::report::{Cell, Report};
use crate::traces::Trace;

/// Of the distinct keys, or of their bytes.
const CAPACITIES: [f64; 3] = [0.001, 0.01, 0.1];

/// No cache is given an entry over this share of its bytes: it would evict many for one. Applied to all alike.
const LARGEST_ENTRY: u64 = 10;

fn main() -> ExitCode {
    let result = arguments().and_then(|(traces, json)| run(&traces, json.as_deref()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `[--json FILE] [--traces FOLDER]`
fn arguments() -> Result<(PathBuf, Option<PathBuf>), String> {
    let mut traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces");
    let mut json = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().map(PathBuf::from).ok_or_else(|| format!("{name} is given no value"));
        match name.as_str() {
            "--traces" => traces = value?,
            "--json" => json = Some(value?),
            _ => return Err(format!("{name} is unknown; there are --json FILE and --traces FOLDER")),
        }
    }
    Ok((traces, json))
}

fn run(folder: &Path, json: Option<&Path>) -> Result<(), String> {
    let traces = traces::read_all(folder)?;
    let mut report = Report::default();
    for trace in &traces {
        for share in CAPACITIES {
            report.add(by_entries(trace, share));
        }
    }
    for trace in traces.iter().filter(|trace| trace.sized) {
        for share in CAPACITIES {
            report.add(by_bytes(trace, share));
        }
    }
    print!("{}", report.tables());
    for share in [0.01, 0.1] {
        let split = mix::compare(&traces, share, mix::Sizes::Units);
        println!("{split}");
        report.splits.push(split);
        let split = mix::compare(&traces, share, mix::Sizes::Bytes);
        println!("{split}");
        report.splits.push(split);
    }
    println!("{}", cost::of_evictions());
    if let Some(path) = json {
        let text = report.json().to_string();
        std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

/// Every entry takes one unit. The optimum is Belady's, exact, which may also refuse a newcomer.
fn by_entries(trace: &Trace, share: f64) -> Cell {
    let capacity = ((trace.sizes.len() as f64 * share).round() as usize).max(1);
    let entries = capacity as u32;
    let trace = &trace.in_units();
    let hits = vec![
        ("lru", replay(trace, &mut Lru::new(capacity as u64), u32::MAX)),
        ("quick_cache", replay(trace, &mut QuickCache::new(capacity, capacity as u64), u32::MAX)),
        ("moka", replay(trace, &mut Moka::new(capacity as u64), u32::MAX)),
        ("adaptive", replay(trace, &mut Ours::of_entries(trace, entries, Policy::Adaptive), u32::MAX)),
        ("ours lru", replay(trace, &mut Ours::of_entries(trace, entries, Policy::Lru), u32::MAX)),
    ];
    let optimum = optimum::belady(trace, capacity);
    Cell {
        trace: trace.name,
        unit: "entries",
        share,
        capacity: capacity as u64,
        optimum,
        hits,
        requests: trace.keys.len(),
    }
}

/// Entries of their own sizes. The optimum is a bound that no cache can pass, not one that any need reach.
fn by_bytes(trace: &Trace, share: f64) -> Cell {
    let capacity = (trace.bytes() as f64 * share) as u64;
    let expected = ((trace.sizes.len() as f64 * share) as usize).max(1);
    let largest = u32::try_from(capacity / LARGEST_ENTRY).unwrap_or(u32::MAX);
    let hits = vec![
        ("lru", replay(trace, &mut Lru::new(capacity), largest)),
        ("quick_cache", replay(trace, &mut QuickCache::new(expected, capacity), largest)),
        ("moka", replay(trace, &mut Moka::new(capacity), largest)),
        ("adaptive", replay(trace, &mut Ours::of_bytes(trace, capacity, Policy::Adaptive), largest)),
        ("ours lru", replay(trace, &mut Ours::of_bytes(trace, capacity, Policy::Lru), largest)),
    ];
    let optimum = optimum::bound(trace, capacity);
    Cell { trace: trace.name, unit: "bytes", share, capacity, optimum, hits, requests: trace.keys.len() }
}

/// The hits of a cache over a trace.
fn replay(trace: &Trace, cache: &mut dyn Cache, largest: u32) -> u64 {
    let mut hits = 0;
    for &key in &trace.keys {
        if cache.get(key) {
            hits += 1;
        } else {
            let size = trace.sizes[key as usize];
            if size <= largest {
                cache.put(key, size);
            }
        }
    }
    hits
}
