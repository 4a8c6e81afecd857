//! What a line says.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A line after the first.
#[derive(Debug, Clone, Deserialize)]
pub struct Line {
    /// When, in milliseconds from the beginning; without it, at the moment of the line before.
    pub at: Option<u64>,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// What happens, or must be so.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The client opens a connection, and is heard.
    Connect(Connect),
    /// The client says a frame.
    C2s(Value),
    /// The client says this text, which is a fault.
    C2sText(String),
    /// The client says so many bytes, which are a fault.
    C2sBytes(usize),
    /// The server says a frame.
    S2c(Value),
    /// The server says these frames, of different subscriptions, in any order.
    S2cAny(Vec<Value>),
    /// The server says a frame that never arrives, because the connection ends first.
    S2cLost(Value),
    /// The server says these bytes, which are a fault.
    S2cBytes(Vec<u8>),
    /// One side closes the connection.
    Close(Close),
    /// The network ends the connection.
    Cut {},
    /// The server's store commits.
    Commit(Commit),
    /// The server's store comes back with what it has up to this position, and none of the commits before it in its log.
    Restart(String),
    /// Whether the server knows that it is up to date.
    Confirmed(bool),
    /// The server goes away.
    Drain(Drain),
    /// The application has this token from now on.
    Token(String),
    /// The application follows a scope.
    Follow(Follow),
    /// It follows the scope no more.
    Unfollow(String),
    /// It is refused to follow a scope.
    Refused(String),
    /// It asks for a value, by a request that is on its way from now on.
    Fetch(Fetch),
    /// The request is answered.
    Answer(Answer),
    /// The application sets a value.
    Set(Set),
    /// What reads return: null for a miss.
    Read(BTreeMap<String, Value>),
    /// The application has been told, since the line before.
    Told(Told),
    /// How the client's connection is.
    State(String),
}

/// See [`Event::Connect`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// The client waited so long after the loss, in milliseconds from and to.
    pub after: Option<(f64, f64)>,
    /// The connection never opens.
    #[serde(default)]
    pub never: bool,
}

/// Who closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// See [`Event::Close`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// Who.
    pub by: By,
    /// With what code.
    pub code: u16,
}

/// See [`Event::Commit`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// Its position, as `epoch:offset`.
    pub position: String,
    /// `{"key": .., "body": ..}` each, as in a frame.
    #[serde(default)]
    pub items: Vec<Value>,
    /// The scopes it purges.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The tags it purges.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// See [`Event::Drain`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// As in `bye`.
    pub after_ms: u32,
    /// As in `bye`.
    pub jitter_ms: u32,
}

/// See [`Event::Follow`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// The scope.
    pub scope: String,
    /// Whether pushed values of new keys are kept.
    #[serde(default = "yes")]
    pub keep: bool,
}

fn yes() -> bool {
    true
}

/// See [`Event::Fetch`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// The request's name in the transcript.
    pub name: String,
    /// What is asked for.
    pub key: String,
    /// `Cache-Min` of the request.
    pub min: Option<String>,
}

/// See [`Event::Answer`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The request's name.
    pub name: String,
    /// `Cache-As-Of` of the answer.
    pub as_of: Option<String>,
    /// The value; null when the key has none.
    #[serde(default)]
    pub value: Value,
    /// Its labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What becomes of it.
    pub then: Then,
    /// For `retry`: `Cache-Min` of the next request.
    pub min: Option<String>,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It is kept.
    Stored,
    /// It is for who asked, and not kept.
    Delivered,
    /// It is dropped, and asked for again.
    Retry,
    /// It is refused, because it has no position.
    Unfenced,
}

/// See [`Event::Set`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Value,
    /// Its labels.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// See [`Event::Told`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Told {
    /// Keys whose new value is kept.
    pub values: Vec<String>,
    /// Keys that changed.
    pub changed: Vec<String>,
    /// Keys that have no value any more.
    pub gone: Vec<String>,
    /// What has no name here is void.
    pub purged: bool,
}
