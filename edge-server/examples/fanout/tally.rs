//! What all connections have heard, counted together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::histogram::Histogram;

/// Before a payload's time of commit, and after it.
const STAMP: (&str, &str) = ("{\"at\":", ",\"fill\":\"");
/// Digits of a time: 30 years in nanoseconds.
const DIGITS: usize = 18;

/// One clock for publisher and readers, and what the readers saw by it.
pub(crate) struct Tally {
    began: Instant,
    /// From the moment a value was due to be committed to when a reader had it decoded.
    pub(crate) latency: Histogram,
    /// Values that readers got.
    pub(crate) values: AtomicU64,
    /// Messages of WebSocket that carried them.
    pub(crate) frames: AtomicU64,
    /// Heartbeats.
    pub(crate) beats: AtomicU64,
    /// Connections that follow and have been vouched for.
    pub(crate) live: AtomicU64,
    /// Subscriptions that went on after their cursor.
    pub(crate) replayed: AtomicU64,
    /// Subscriptions that began anew although they had a cursor, or were reset later.
    pub(crate) reset: AtomicU64,
    /// Changes that say only that everything may have changed.
    pub(crate) purged: AtomicU64,
    /// What went wrong first.
    fault: Mutex<Option<String>>,
    waits: Mutex<Option<Thread>>,
    waits_for: AtomicU64,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        let zero = || AtomicU64::new(0);
        Tally {
            began: Instant::now(),
            latency: Histogram::new(),
            values: zero(),
            frames: zero(),
            beats: zero(),
            live: zero(),
            replayed: zero(),
            reset: zero(),
            purged: zero(),
            fault: Mutex::new(None),
            waits: Mutex::new(None),
            waits_for: AtomicU64::new(u64::MAX),
        }
    }

    /// Since the program began.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// A value of so many bytes that says when it was due.
    pub(crate) fn payload(due: Duration, bytes: usize) -> String {
        let head = format!("{}{:0DIGITS$}{}", STAMP.0, due.as_nanos() + LEAD, STAMP.1);
        let fill = bytes.saturating_sub(head.len() + 2);
        format!("{head}{:x<fill$}\"}}", "")
    }

    /// A reader has this value.
    pub(crate) fn received(&self, payload: &[u8]) {
        let digits = payload.get(STAMP.0.len()..STAMP.0.len() + DIGITS);
        let due = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u128>().ok());
        match due {
            Some(due) => self.latency.add(self.now().saturating_sub(Duration::from_nanos((due - LEAD) as u64))),
            None => self.fault(format!("a value without a time: {}", payload.escape_ascii())),
        }
        if self.values.fetch_add(1, SeqCst) + 1 == self.waits_for.load(SeqCst)
            && let Some(waits) = lock(&self.waits).as_ref()
        {
            waits.unpark();
        }
    }

    /// Blocks this thread until readers got so many values in all; whether they did in time.
    pub(crate) fn wait_for_values(&self, count: u64, limit: Duration) -> bool {
        *lock(&self.waits) = Some(thread::current());
        self.waits_for.store(count, SeqCst);
        let deadline = Instant::now() + limit;
        while self.values.load(SeqCst) < count {
            let now = Instant::now();
            if now >= deadline || self.faulty().is_some() {
                return false;
            }
            thread::park_timeout((deadline - now).min(Duration::from_millis(100)));
        }
        true
    }

    /// Notes what went wrong, unless something did before.
    pub(crate) fn fault(&self, what: String) {
        lock(&self.fault).get_or_insert(what);
    }

    /// What went wrong first.
    pub(crate) fn faulty(&self) -> Option<String> {
        lock(&self.fault).clone()
    }

    /// Counts from here on.
    pub(crate) fn clear(&self) {
        self.latency.clear();
        for counter in [&self.values, &self.frames, &self.beats, &self.replayed, &self.reset, &self.purged] {
            counter.store(0, Relaxed);
        }
    }
}

/// Added to every time, so that none begins with a zero: JSON allows no such number.
const LEAD: u128 = 10_u128.pow(DIGITS as u32 - 1);

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_json_of_the_length_asked_for_and_tells_its_time() {
        let tally = Tally::new();
        for due in [Duration::ZERO, Duration::from_nanos(5), Duration::from_secs(3_600)] {
            let payload = Tally::payload(due, 200);
            assert_eq!(payload.len(), 200);
            let value: serde_json::Value = serde_json::from_str(&payload).unwrap();
            assert!(value["at"].is_u64(), "{payload}");
            tally.received(payload.as_bytes());
        }
        assert_eq!((tally.values.load(SeqCst), tally.faulty()), (3, None));
        tally.received(b"{}");
        assert!(tally.faulty().is_some());
    }
}
