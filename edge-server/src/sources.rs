//! The upstream APIs this server knows, each one a [`Source`](crate::source::Source) and a pure state machine. What
//! stands in this file is what they say alike: a payload, a sample of what was refused, an answer that is unusable.

pub mod mlb;
pub mod prizepicks;

#[cfg(test)]
mod fixtures;

use std::fmt::Display;

use serde::Serialize;
use wire::Payload;

use crate::source::{Request, SourceError};

/// The longest sample of a refused row, in characters.
const SAMPLE_MAX: usize = 200;
/// How much of an unusable body its error quotes, in characters.
const QUOTE_MAX: usize = 80;

/// The JSON text of a value made of plain structs.
fn payload(value: &impl Serialize) -> Payload {
    Payload::new(serde_json::to_vec(value).expect("structs with string field names always serialise"))
}

/// The first part of a refused row.
fn sample(text: &str) -> String {
    text.chars().take(SAMPLE_MAX).collect()
}

/// The error for a body that is not the document. It quotes how the body begins, since "expected value at line 1" does
/// not tell a block page from an outage.
fn unusable(
    source_name: &'static str,
    request: &Request,
    expected: &'static str,
    reason: &dyn Display,
    body: &[u8],
) -> SourceError {
    let head = String::from_utf8_lossy(&body[..body.len().min(4 * QUOTE_MAX)]);
    let quote: String = head.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(QUOTE_MAX).collect();
    let detail =
        if body.is_empty() { "the body is empty".to_owned() } else { format!("{reason}; the body begins {quote:?}") };
    SourceError::Document { source_name, topic: request.topic.clone(), expected, detail }
}
