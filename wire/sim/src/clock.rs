//! A page's clocks, and how the package folds them into the one that the cache is given (`cache-wasm/js/timers.ts`).

/// A wall clock that differs from the monotonic one by more than this has jumped, or the machine has slept.
pub(crate) const JUMP_MS: f64 = 50.0;

/// The clocks of one page. What they show is derived from the true time.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// How long the monotonic clock has stood still.
    stood: u64,
    /// How far the wall clock is from the true time.
    wall: i64,
    /// How much time the wall clock has hidden by jumping back.
    pub(crate) hidden: u64,
    origin: f64,
    drift: f64,
    asleep_since: Option<u64>,
}

impl Clock {
    /// The clocks of a page that is opened at `truth`.
    pub(crate) fn new(truth: u64) -> Clock {
        Clock { stood: 0, wall: 1_000_000, hidden: 0, origin: 0.0, drift: 0.0, asleep_since: None }.anew(truth)
    }

    fn monotonic(&self, truth: u64) -> f64 {
        (truth - self.stood) as f64
    }

    fn wall(&self, truth: u64) -> f64 {
        (truth as i64 + self.wall) as f64
    }

    /// The machine sleeps, and the monotonic clock with it.
    pub(crate) fn sleep(&mut self, truth: u64) {
        self.asleep_since = Some(truth);
    }

    /// The machine goes on.
    pub(crate) fn rise(&mut self, truth: u64) {
        if let Some(since) = self.asleep_since.take() {
            self.stood += truth - since;
        }
    }

    /// The clocks of the next page on the same machine.
    pub(crate) fn anew(&self, truth: u64) -> Clock {
        let mut clock = self.clone();
        clock.origin = clock.monotonic(truth);
        clock.drift = clock.wall(truth) - clock.monotonic(truth);
        clock
    }

    /// The wall clock jumps.
    pub(crate) fn jump(&mut self, by: i64) {
        self.wall += by;
        self.hidden += by.min(0).unsigned_abs();
    }

    /// The cache's milliseconds: they never go back, and run no slower than either clock, to within [`JUMP_MS`].
    pub(crate) fn now(&mut self, truth: u64) -> f64 {
        let monotonic = self.monotonic(truth);
        let drift = self.wall(truth) - monotonic;
        let jump = drift - self.drift;
        if jump > JUMP_MS {
            self.origin -= jump;
        }
        if jump.abs() > JUMP_MS {
            self.drift = drift;
        }
        (monotonic - self.origin).ceil()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens to a machine's clocks, and how many milliseconds the cache's clock must have gone in 10,000 true ones.
    fn check(happens: impl Fn(&mut Clock), least: f64, most: f64) {
        let mut clock = Clock::new(1_000);
        let before = clock.now(1_000);
        happens(&mut clock);
        let went = clock.now(11_000) - before;
        assert!((least..=most).contains(&went), "{went}");
    }

    #[test]
    fn the_folded_clock_runs_no_slower_than_either() {
        check(|_| {}, 10_000.0, 10_000.0);
        let slept = |clock: &mut Clock| {
            clock.sleep(3_000);
            clock.rise(9_000);
        };
        check(slept, 10_000.0, 10_000.0);
        check(|clock| clock.jump(5_000), 15_000.0, 15_000.0);
        check(|clock| clock.jump(-5_000), 10_000.0, 10_000.0);
        check(|clock| clock.jump(49), 10_000.0, 10_049.0);
    }

    #[test]
    fn what_a_jump_back_hides_is_counted() {
        let mut clock = Clock::new(0);
        [-30, 500, -70].into_iter().for_each(|by| clock.jump(by));
        assert_eq!(clock.hidden, 100);
    }
}
