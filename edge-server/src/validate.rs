//! Answers become records: a source's own rules, the bounds that hold for every source, and what it says of its quality.
//!
//! Pure. A row that breaks a rule is rejected with a reason and the rest goes on; nothing here fails as a whole but a
//! document that is not what was asked for.

use crate::reconcile::{News, Reconciler};
use crate::source::{Outcome, Record, Reject, Request, Source, SourceError};

/// The largest value taken, in bytes.
pub const VALUE_MAX: usize = 1024 * 1024;
/// How far ahead of this clock an observation may claim to be, in milliseconds.
pub const FUTURE_MAX_MS: i64 = 24 * 60 * 60 * 1000;

/// How much the newest answer counts in a source's reliability.
const NEWEST_WEIGHT: f64 = 0.1;

/// What is known of a source's answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Decaying average over answers: 1 for one that could be used, 0 for one that could not or did not come.
    pub reliability: f64,
    /// Of the newest document's rows, the share that was accepted.
    pub validity: f64,
}

impl Default for Quality {
    fn default() -> Quality {
        Quality { reliability: 1.0, validity: 1.0 }
    }
}

impl Quality {
    /// An answer came, or did not.
    pub fn note_answer(&mut self, usable: bool) {
        self.reliability += NEWEST_WEIGHT * (f64::from(u8::from(usable)) - self.reliability);
    }

    fn note_rows(&mut self, accepted: usize, rejected: usize) {
        if accepted + rejected > 0 {
            self.validity = accepted as f64 / (accepted + rejected) as f64;
        }
    }
}

/// A source with what it said before.
pub struct Validator {
    source: Box<dyn Source>,
    reconciler: Reconciler,
    /// What is known of its answers.
    pub quality: Quality,
}

/// What an answer brought.
#[derive(Debug)]
pub struct Validated {
    /// What changed.
    pub news: News,
    /// What was refused.
    pub rejects: Vec<Reject>,
    /// What to request next.
    pub next: Vec<Request>,
}

impl Validator {
    /// A source that has said nothing yet.
    pub fn new(source: Box<dyn Source>) -> Validator {
        Validator { source, reconciler: Reconciler::default(), quality: Quality::default() }
    }

    /// The source's name.
    pub fn name(&self) -> &'static str {
        self.source.name()
    }

    /// What to request first.
    pub fn start(&mut self) -> Vec<Request> {
        self.source.start()
    }

    /// Takes an answer's body, which arrived at `now_ms`.
    ///
    /// # Errors
    /// [`SourceError`] when the document as a whole is of no use.
    pub fn accept(&mut self, request: &Request, body: &[u8], now_ms: i64) -> Result<Validated, SourceError> {
        let outcome = self.source.accept(request, body, now_ms);
        self.quality.note_answer(outcome.is_ok());
        let Outcome { records, mut rejects, listing, next } = outcome?;
        let mut accepted = Vec::with_capacity(records.len());
        for record in records {
            match broken_rule(&record, now_ms) {
                None => accepted.push(record),
                Some(reason) => rejects.push(Reject {
                    at: record.key.to_string(),
                    key: Some(record.key),
                    reason,
                    sample: String::new(),
                }),
            }
        }
        self.quality.note_rows(accepted.len(), rejects.len());
        let news = self.reconciler.news(accepted, &rejects, listing.as_ref(), now_ms);
        Ok(Validated { news, rejects, next })
    }
}

/// The rules of every source.
fn broken_rule(record: &Record, now_ms: i64) -> Option<&'static str> {
    if record.payload.as_ref().is_some_and(|payload| payload.as_bytes().len() > VALUE_MAX) {
        return Some("value_too_large");
    }
    if record.tags.len() > wire::key::TAGS_MAX {
        return Some("too_many_tags");
    }
    (record.source_ts > now_ms.saturating_add(FUTURE_MAX_MS)).then_some("observed_in_the_future")
}
