//! When to connect again: exponential with full jitter (R7), so that a thousand pages do not return at once.

use fastrand::Rng;

/// The shortest wait, in milliseconds.
pub const LEAST_MS: f64 = 200.0;
/// The longest wait, in milliseconds.
pub const MOST_MS: f64 = 20_000.0;

/// The attempts since a connection last was of use.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// How long to wait before the next attempt: a uniform draw between [`LEAST_MS`] and the attempt's ceiling, which
    /// doubles up to [`MOST_MS`].
    pub fn next(&mut self, rng: &mut Rng) -> f64 {
        let ceiling = (2.0 * LEAST_MS * f64::from(1u32 << self.attempts.min(16))).min(MOST_MS);
        self.attempts = self.attempts.saturating_add(1);
        LEAST_MS + rng.f64() * (ceiling - LEAST_MS)
    }

    /// The connection proved itself.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_within_their_bounds_and_start_over() {
        let mut rng = Rng::with_seed(7);
        let mut backoff = Backoff::default();
        let draws: Vec<f64> = (0..200).map(|_| backoff.next(&mut rng)).collect();
        assert!(draws.iter().all(|&d| (LEAST_MS..=MOST_MS).contains(&d)));
        assert!(draws[0] <= 400.0 && draws[1] <= 800.0);
        assert!(draws[10..].iter().any(|&d| d > 15_000.0) && draws[10..].iter().any(|&d| d < 5_000.0));
        backoff.reset();
        assert!(backoff.next(&mut rng) <= 400.0);
    }
}
