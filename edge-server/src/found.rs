//! Answers of many values: what a read found, as a `got` frame for caches and as JSON for everybody else.
//!
//! Both forms say the same of a value. This reads no store and knows no request but the form that it asks for.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use wire::{Codec, Found, Key, Payload, Position, ServerFrame, Tag};

use crate::publish::encode;
use crate::store::Stored;

/// The media type of a `got` frame in postcard.
const FRAME_TYPE: &str = "application/vnd.coherence+postcard";

/// Whether a read at `head` answers who must have at least `wanted`. A position of another epoch has no place on this
/// line: the store's own is the truth, and is answered.
pub fn has_reached(head: Position, wanted: Position) -> bool {
    head.epoch != wanted.epoch || head.offset >= wanted.offset
}

/// A read's answer for one key.
pub fn found_of(key: Key, as_of: Position, value: Option<Stored>, now_ms: i64) -> Found {
    let ttl_ms = value.as_ref().and_then(|stored| stored.ttl_ms(now_ms));
    let value = value.map(|Stored { version, source_ts, tags, payload, .. }| {
        (version, wire::Body::Value { source_ts, tags, payload })
    });
    Found { key, as_of, value, ttl_ms }
}

/// One value of an answer in JSON.
#[derive(Serialize)]
struct FoundJson {
    key: Key,
    as_of: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ts: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Payload>,
}

/// An answer in JSON. Values keep the text that they came in.
#[derive(Serialize)]
struct ItemsJson {
    items: Vec<FoundJson>,
}

impl From<Found> for FoundJson {
    fn from(found: Found) -> FoundJson {
        let as_of = found.as_of.to_string();
        let (version, source_ts, tags, value) = match found.value {
            Some((version, wire::Body::Value { source_ts, tags, payload })) => {
                (Some(version.get()), Some(source_ts), tags, Some(payload))
            }
            _ => (None, None, Vec::new(), None),
        };
        FoundJson { key: found.key, as_of, version, source_ts, ttl_ms: found.ttl_ms, tags, value }
    }
}

/// Values as a frame for caches, or as JSON for everybody else.
pub fn found_response(items: Vec<Found>, headers: &HeaderMap) -> Response {
    let wants_frame = headers.get(header::ACCEPT).is_some_and(|accept| accept == FRAME_TYPE);
    let mut response = if wants_frame {
        let frame = encode(Codec::Postcard, &ServerFrame::Got { id: 0, items });
        ([(header::CONTENT_TYPE, FRAME_TYPE)], frame).into_response()
    } else {
        let items: Vec<FoundJson> = items.into_iter().map(FoundJson::from).collect();
        Json(ItemsJson { items }).into_response()
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
