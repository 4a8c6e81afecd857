//! What the pipeline knows of an upstream API. A source is a pure state machine: it says what to request, and what an
//! answer means. It never performs a request, reads a clock or writes to a store.

use wire::{Key, Payload, Scope, Tag};

/// How urgent a request or a record is. The order is the order of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A game in progress: committed and announced at once.
    Live,
    /// Lines and prices before a game.
    Props,
    /// What changes by the day.
    Historical,
}

/// One GET that a source wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What the source knows the request by: `league/7`, `diff/746139`. One request a topic is under way at a time.
    pub topic: String,
    /// Path and query, beginning with `/`, to be joined to the source's base URL.
    pub path: String,
    /// Which requests go first.
    pub priority: Priority,
    /// Milliseconds to wait before it is made.
    pub after_ms: u64,
}

/// A value as the source saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub key: Key,
    /// When the source observed it, in milliseconds since 1970 UTC. An older observation never overwrites a newer one.
    pub source_ts: i64,
    /// Whether it may wait for a batch.
    pub priority: Priority,
    /// Labels to invalidate it by.
    pub tags: Vec<Tag>,
    /// The value, JSON text; `None` when the upstream no longer has it.
    pub payload: Option<Payload>,
}

/// A row that could not be taken. The rest of its document goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The row's key, where it could still be told: such a key is not taken for gone.
    pub key: Option<Key>,
    /// Where in the document: `data[17]`, `allPlays[3].result`.
    pub at: String,
    /// Which rule it breaks, for the log and the counter: few distinct short texts.
    pub reason: &'static str,
    /// The offending part, cut to 200 characters.
    pub sample: String,
}

/// What an answer means.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Values to write.
    pub records: Vec<Record>,
    /// Rows refused.
    pub rejects: Vec<Reject>,
    /// Set where `records` is *everything* the source has under this scope: keys it named before and does not name now
    /// are gone.
    pub listing: Option<Scope>,
    /// What to request next.
    pub next: Vec<Request>,
}

/// Why a whole answer cannot be used. The request is made again after a pause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The body is not the document that was asked for (an error page under status 200 among them).
    #[error("{source_name}: the answer to {topic} is not {expected}: {detail}")]
    Document {
        /// The source.
        source_name: &'static str,
        /// The request's topic.
        topic: String,
        /// What was expected, in words.
        expected: &'static str,
        /// The parser's sentence.
        detail: String,
    },
}

/// An upstream API.
pub trait Source: Send {
    /// Its name in configuration, logs and metrics.
    fn name(&self) -> &'static str;

    /// What to request first.
    fn start(&mut self) -> Vec<Request>;

    /// Takes the body of a successful answer. `now_ms`, milliseconds since 1970 UTC, is when it arrived.
    ///
    /// # Errors
    /// [`SourceError`] when the body as a whole is unusable; rows that are wrong become rejects instead.
    fn accept(&mut self, request: &Request, body: &[u8], now_ms: i64) -> Result<Outcome, SourceError>;
}
