//! The time of day, in a form that things can be ordered by: it follows the wall clock forward and never goes back.
//!
//! A wall clock is set right now and then. If it went back, what is written next would count as observed before what is
//! there and be refused, and values that had ended would live again without a word to anybody. So while the machine's
//! clock is behind, time goes on from where it was, at the pace of the clock that does not jump. It reads no clock
//! itself.

use std::sync::{Mutex, PoisonError};

/// Milliseconds since 1970 UTC that never go back.
#[derive(Debug, Default)]
pub struct Clock {
    last: Mutex<Option<Reading>>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    /// What was given.
    time_ms: i64,
    /// When, by the clock that does not jump.
    steady_ms: u64,
}

impl Clock {
    /// The time, where the wall clock shows `wall_ms` and the clock that does not jump `steady_ms`.
    pub fn now(&self, wall_ms: i64, steady_ms: u64) -> i64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let time_ms = last.map_or(wall_ms, |last| {
            let passed = i64::try_from(steady_ms.saturating_sub(last.steady_ms)).unwrap_or(i64::MAX);
            wall_ms.max(last.time_ms.saturating_add(passed))
        });
        *last = Some(Reading { time_ms, steady_ms: last.map_or(steady_ms, |last| last.steady_ms.max(steady_ms)) });
        time_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_a_wall_clock_forward_even_over_a_jump() {
        let clock = Clock::default();
        assert_eq!(clock.now(1_000, 0), 1_000);
        assert_eq!(clock.now(1_500, 500), 1_500);
        assert_eq!(clock.now(90_000, 600), 90_000, "the machine slept, or its clock was set right");
    }

    #[test]
    fn where_the_wall_clock_goes_back_it_goes_on_at_the_steady_pace() {
        let clock = Clock::default();
        clock.now(90_000, 0);
        assert_eq!(clock.now(1_000, 250), 90_250);
        assert_eq!(clock.now(2_000, 1_250), 91_250);
        assert_eq!(clock.now(200_000, 1_300), 200_000, "the wall clock has caught up");
    }

    #[test]
    fn readings_that_arrive_in_another_order_do_not_take_time_back() {
        let clock = Clock::default();
        clock.now(1_000, 100);
        assert_eq!(clock.now(990, 90), 1_000);
        assert_eq!(clock.now(1_010, 110), 1_010);
    }
}
