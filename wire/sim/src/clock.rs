//! A page's clocks, and how the package folds them into the one that the cache is given (`cache-wasm/js/timers.ts`).

/// A wall clock that differs from the monotonic one by more than this has jumped, or the machine has slept.
pub const JUMP_MS: f64 = 50.0;

/// The clocks of one page. What they show is derived from the true time.
#[derive(Debug, Clone)]
pub struct Clock {
    /// How long the monotonic clock has stood still.
    stood: u64,
    /// How far the wall clock is from the true time.
    wall: i64,
    /// How much time the wall clock has hidden by jumping back.
    pub hidden: u64,
    origin: f64,
    drift: f64,
    asleep_since: Option<u64>,
}

impl Clock {
    /// The clocks of a page that is opened at `truth`.
    pub fn new(truth: u64) -> Clock {
        Clock { stood: 0, wall: 1_000_000, hidden: 0, origin: 0.0, drift: 0.0, asleep_since: None }.anew(truth)
    }

    fn monotonic(&self, truth: u64) -> f64 {
        (truth - self.stood) as f64
    }

    fn wall(&self, truth: u64) -> f64 {
        (truth as i64 + self.wall) as f64
    }

    /// The machine sleeps, and the monotonic clock with it.
    pub fn sleep(&mut self, truth: u64) {
        self.asleep_since = Some(truth);
    }

    /// The machine goes on.
    pub fn rise(&mut self, truth: u64) {
        if let Some(since) = self.asleep_since.take() {
            self.stood += truth - since;
        }
    }

    /// The clocks of the next page on the same machine.
    pub fn anew(&self, truth: u64) -> Clock {
        let mut clock = self.clone();
        clock.origin = clock.monotonic(truth);
        clock.drift = clock.wall(truth) - clock.monotonic(truth);
        clock
    }

    /// The wall clock jumps.
    pub fn jump(&mut self, by: i64) {
        self.wall += by;
        self.hidden += by.min(0).unsigned_abs();
    }

    /// The cache's milliseconds: they never go back, and run no slower than either clock, to within [`JUMP_MS`].
    pub fn now(&mut self, truth: u64) -> f64 {
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
