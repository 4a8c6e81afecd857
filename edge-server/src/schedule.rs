//! Which request goes next: what is due, the most urgent first, one of a topic at a time.
//!
//! Pure: time is an argument. A topic that fails waits longer each time, up to a minute; its first success ends that.

use std::collections::HashMap;

use crate::source::Request;

/// The first wait after a failure, in milliseconds; doubled each time.
const FIRST_RETRY_MS: u64 = 500;
/// The longest wait after a failure, in milliseconds.
const LONGEST_RETRY_MS: u64 = 60_000;

/// A source's requests.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: HashMap<String, Waiting>,
    /// Failures in a row of topics that failed last.
    failures: HashMap<String, u32>,
    under_way: usize,
}

#[derive(Debug)]
struct Waiting {
    request: Request,
    due: u64,
}

impl Queue {
    /// Adds a request; one of the same topic that waits is replaced.
    pub fn add(&mut self, request: Request, now_ms: u64) {
        let due = now_ms.saturating_add(request.after_ms);
        self.waiting.insert(request.topic.clone(), Waiting { request, due });
    }

    /// The request to make now, if fewer than `concurrency` are under way.
    pub fn take_due(&mut self, now_ms: u64, concurrency: usize) -> Option<Request> {
        if self.under_way >= concurrency {
            return None;
        }
        let due = self.waiting.values().filter(|waiting| waiting.due <= now_ms);
        let next = due.min_by_key(|w| (w.request.priority, w.due, w.request.topic.clone()))?.request.topic.clone();
        self.under_way += 1;
        self.waiting.remove(&next).map(|waiting| waiting.request)
    }

    /// A request was answered.
    pub fn succeeded(&mut self, request: &Request) {
        self.under_way -= 1;
        self.failures.remove(&request.topic);
    }

    /// A request failed: it is made again after a pause, `retry_after_ms` if the server named one. `jitter` is random in
    /// `0.0..1.0`. Returns the pause.
    pub fn failed(&mut self, request: Request, retry_after_ms: Option<u64>, jitter: f64, now_ms: u64) -> u64 {
        self.under_way -= 1;
        let failures = self.failures.entry(request.topic.clone()).or_default();
        let ceiling = (FIRST_RETRY_MS << (*failures).min(10)).min(LONGEST_RETRY_MS);
        *failures += 1;
        let pause = retry_after_ms.unwrap_or(0).max(ceiling / 2 + (ceiling as f64 / 2.0 * jitter) as u64);
        self.add(Request { after_ms: pause, ..request }, now_ms);
        pause
    }

    /// When the next request is due.
    pub fn next_due(&self) -> Option<u64> {
        self.waiting.values().map(|waiting| waiting.due).min()
    }

    /// Requests under way.
    pub fn under_way(&self) -> usize {
        self.under_way
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Priority;

    fn request(topic: &str, priority: Priority, after_ms: u64) -> Request {
        Request { topic: topic.into(), path: format!("/{topic}"), priority, after_ms }
    }

    #[test]
    fn of_what_is_due_the_most_urgent_goes_first() {
        let mut queue = Queue::default();
        queue.add(request("old", Priority::Historical, 0), 0);
        queue.add(request("live", Priority::Live, 5), 0);
        queue.add(request("later", Priority::Live, 50), 0);
        assert_eq!(queue.next_due(), Some(0));
        let mut order = || queue.take_due(10, 10).map(|request| request.topic);
        assert_eq!(order().as_deref(), Some("live"));
        assert_eq!(order().as_deref(), Some("old"));
        assert_eq!(order(), None);
    }

    #[test]
    fn no_more_than_the_limit_are_under_way() {
        let mut queue = Queue::default();
        queue.add(request("a", Priority::Live, 0), 0);
        queue.add(request("b", Priority::Live, 0), 0);
        let first = queue.take_due(0, 1).unwrap();
        assert_eq!(queue.take_due(0, 1), None);
        queue.succeeded(&first);
        assert!(queue.take_due(0, 1).is_some());
    }

    #[test]
    fn failures_wait_longer_each_time_until_one_succeeds() {
        let mut queue = Queue::default();
        queue.add(request("a", Priority::Live, 0), 0);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let taken = queue.take_due(u64::MAX / 2, 1).unwrap();
            pauses.push(queue.failed(taken, None, 1.0, 0));
        }
        assert_eq!(pauses[..4], [500, 1000, 2000, 4000]);
        assert_eq!(pauses[9], LONGEST_RETRY_MS);
        let taken = queue.take_due(u64::MAX / 2, 1).unwrap();
        queue.succeeded(&taken);
        queue.add(taken, 0);
        let taken = queue.take_due(u64::MAX / 2, 1).unwrap();
        assert_eq!(queue.failed(taken, None, 0.0, 0), 250);
        let taken = queue.take_due(u64::MAX / 2, 1).unwrap();
        assert_eq!(queue.failed(taken, Some(7_000), 0.0, 0), 7_000, "the server's own wait is kept");
    }
}
