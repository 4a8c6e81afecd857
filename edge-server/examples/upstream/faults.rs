//! What goes wrong on purpose: latency, errors, a quota, malformed rows. Decisions only, drawn from a seed; the shell
//! waits and answers. The time is an argument.

use std::ops::RangeInclusive;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);

/// How much goes wrong. The default is nothing.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    /// Milliseconds before an answer.
    pub(crate) latency: RangeInclusive<u64>,
    /// Share of requests that fail, 0 to 1.
    pub(crate) errors: f64,
    /// Share of projection rows that are malformed, 0 to 1.
    pub(crate) bad_rows: f64,
    /// Requests a minute; more are refused.
    pub(crate) quota: Option<u32>,
}

impl Default for Rates {
    fn default() -> Self {
        Rates { latency: 0..=0, errors: 0.0, bad_rows: 0.0, quota: None }
    }
}

/// What to do with a request, after its delay.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Serve,
    /// Answer this server error.
    Fail(u16),
    /// The quota is used up; try again after so many seconds.
    Refuse(u64),
}

/// Decides over requests.
pub(crate) struct Faults {
    rates: Rates,
    rng: Rng,
    /// Begin of the present minute, and the requests in it.
    minute: (Duration, u32),
}

impl Faults {
    pub(crate) fn new(rates: Rates, seed: u64) -> Self {
        Faults { rates, rng: Rng::with_seed(seed), minute: (Duration::ZERO, 0) }
    }

    /// Decides over a request that arrives at `now`, counted from any fixed moment. A refusal is not delayed.
    pub(crate) fn judge(&mut self, now: Duration) -> (Duration, Verdict) {
        if let Some(quota) = self.rates.quota {
            let (began, used) = &mut self.minute;
            if now >= *began + MINUTE {
                (*began, *used) = (now, 0);
            }
            if *used >= quota {
                let left = *began + MINUTE - now;
                return (Duration::ZERO, Verdict::Refuse(left.as_millis().div_ceil(1_000) as u64));
            }
            *used += 1;
        }
        let delay = Duration::from_millis(self.rng.u64(self.rates.latency.clone()));
        if self.rng.f64() < self.rates.errors {
            return (delay, Verdict::Fail([500, 502, 503][self.rng.usize(..3)]));
        }
        (delay, Verdict::Serve)
    }

    /// Malforms some rows of a JSON:API body; without a rate the bytes stay as they are.
    pub(crate) fn spoil(&mut self, body: Vec<u8>) -> Vec<u8> {
        if self.rates.bad_rows <= 0.0 {
            return body;
        }
        let Ok(mut document) = serde_json::from_slice::<Value>(&body) else { return body };
        for row in document["data"].as_array_mut().into_iter().flatten() {
            if self.rng.f64() < self.rates.bad_rows {
                match self.rng.u8(..4) {
                    0 => row["attributes"]["line_score"] = json!("n/a"),
                    1 => row["attributes"]["line_score"] = Value::Null,
                    2 => row["relationships"]["new_player"] = Value::Null,
                    _ => row["attributes"] = Value::Null,
                }
            }
        }
        document.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_refuses_until_its_minute_is_over() {
        let mut faults = Faults::new(Rates { quota: Some(2), ..Rates::default() }, 1);
        let at = Duration::from_millis;
        assert_eq!(faults.judge(at(0)).1, Verdict::Serve);
        assert_eq!(faults.judge(at(10_000)).1, Verdict::Serve);
        assert_eq!(faults.judge(at(10_500)).1, Verdict::Refuse(50));
        assert_eq!(faults.judge(at(59_999)).1, Verdict::Refuse(1));
        assert_eq!(faults.judge(at(60_000)).1, Verdict::Serve);
    }

    #[test]
    fn errors_come_at_their_rate_and_latency_within_its_range() {
        let rates = Rates { errors: 0.25, latency: 5..=9, ..Rates::default() };
        let mut faults = Faults::new(rates.clone(), 1);
        let judged: Vec<_> = (0..4_000).map(|_| faults.judge(Duration::ZERO)).collect();
        let failed = judged.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Fail(500 | 502 | 503))).count();
        assert!((900..1_100).contains(&failed), "{failed} of 4000 failed");
        assert!(judged.iter().all(|(delay, _)| (5..=9).contains(&delay.as_millis())));
        let mut same = Faults::new(rates, 1);
        assert!(judged.iter().all(|one| *one == same.judge(Duration::ZERO)));
    }

    #[test]
    fn rows_are_malformed_at_their_rate_and_otherwise_the_bytes_are_untouched() {
        let row = json!({ "attributes": { "line_score": 1.5 }, "relationships": { "new_player": { "data": null } } });
        let body = json!({ "data": vec![row.clone(); 1_000] }).to_string().into_bytes();
        assert_eq!(Faults::new(Rates::default(), 1).spoil(body.clone()), body);
        let spoilt = Faults::new(Rates { bad_rows: 0.1, ..Rates::default() }, 1).spoil(body);
        let document: Value = serde_json::from_slice(&spoilt).unwrap();
        let bad = document["data"].as_array().unwrap().iter().filter(|&now| *now != row).count();
        assert!((70..130).contains(&bad), "{bad} of 1000 rows are malformed");
    }
}
