//! Latencies counted in buckets that grow with them: 32 a doubling, so that a percentile is within 3 % of the truth.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const STEPS_BITS: u32 = 5;
const STEPS: usize = 1 << STEPS_BITS;
/// Up to 2^36 microseconds, 19 hours.
const BUCKETS: usize = STEPS * 32;

/// Counts of latencies, in microseconds. Many tasks add at once.
pub(crate) struct Histogram {
    buckets: Vec<AtomicU64>,
}

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(crate) fn add(&self, latency: Duration) {
        let at = bucket(latency.as_micros() as u64).min(BUCKETS - 1);
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn clear(&self) {
        self.buckets.iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
    }

    /// In milliseconds, the latency that a share of all is not above, by its bucket's end; 0 of nothing.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (at, count) in counts.into_iter().enumerate() {
            seen += count;
            if count > 0 && seen >= wanted {
                return end(at) as f64 / 1e3;
            }
        }
        0.0
    }
}

fn bucket(micros: u64) -> usize {
    if micros < STEPS as u64 {
        return micros as usize;
    }
    let shift = micros.ilog2() - STEPS_BITS;
    (shift as usize + 1) * STEPS + (micros >> shift) as usize - STEPS
}

/// The first number of microseconds that is above a bucket.
fn end(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64 + 1;
    }
    let shift = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) as u64) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_within_its_bucket() {
        for micros in (0..5_000).chain([99_999, 1_000_000, 3_600_000_000]) {
            let end = end(bucket(micros));
            assert!(micros < end && end <= micros + micros / 32 + 1, "{micros} ends at {end}");
        }
    }

    #[test]
    fn a_percentile_is_what_so_many_are_not_above() {
        let histogram = Histogram::new();
        assert_eq!(histogram.percentile(0.5), 0.0);
        (1..=1_000).for_each(|ms| histogram.add(Duration::from_millis(ms)));
        for (share, ms) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let found = histogram.percentile(share);
            assert!((ms..ms * 1.04).contains(&found), "{share}: {found}");
        }
    }
}
