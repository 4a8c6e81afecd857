//! `POST /v1/ingest`: values as NDJSON, of any length, in constant memory.
//!
//! One line is one value: `{"key": .., "value": .., "source_ts"?: ms, "ttl_ms"?: ms, "tags"?: [..]}`, or with
//! `"delete": true` in place of the value. A wrong line is reported with its number and the others go on. The answer
//! comes when everything that was taken has been committed.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::{Buf, BytesMut};
use futures_util::StreamExt;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use wire::{Key, Tag};

use crate::app::{COMMIT_ITEMS, Edge};
use crate::http::{check_tags, check_writer, payload_of};
use crate::problem::Problem;
use crate::store::{Batch, Fate, Partition, StoreError, Write};
use crate::validate::VALUE_MAX;

/// The longest line, in bytes.
const LINE_MAX: usize = VALUE_MAX + 4 * 1024;
/// Wrong lines that are reported one by one; the rest are counted.
const REPORTED_MAX: usize = 100;

/// What became of the lines.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Lines that held something.
    lines: u64,
    /// Values that changed.
    changed: u64,
    /// Values that were the same.
    unchanged: u64,
    /// Values older than what was there.
    stale: u64,
    /// Lines that were wrong.
    rejected: u64,
    /// The first of them.
    rejects: Vec<LineReject>,
}

#[derive(Debug, Serialize)]
struct LineReject {
    line: u64,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    key: Key,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
    #[serde(default)]
    delete: bool,
    source_ts: Option<i64>,
    ttl_ms: Option<u64>,
    #[serde(default)]
    tags: Vec<Tag>,
}

/// Takes a stream of lines.
pub async fn ingest(State(edge): State<Arc<Edge>>, headers: HeaderMap, body: Body) -> Result<Json<Report>, Problem> {
    check_writer(&edge, &headers)?;
    let mut intake = Intake { edge: &edge, waiting: HashMap::new(), number: 0, report: Report::default() };
    let mut chunks = body.into_data_stream();
    let mut rest = BytesMut::new();
    // A line over the limit is skipped to its end, and reported once.
    let mut skipping = false;
    while let Some(chunk) = chunks.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                let detail = format!("the body ended after line {}: {error}; earlier lines stay", intake.number);
                intake.finish().await?;
                return Err(Problem::bad_request(detail));
            }
        };
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let line = rest.split_to(end);
            rest.advance(1);
            if !std::mem::take(&mut skipping) {
                intake.line(&line).await?;
            }
        }
        if rest.len() > LINE_MAX {
            if !skipping {
                intake.line(&rest).await?;
            }
            skipping = true;
            rest.clear();
        }
    }
    if !skipping {
        intake.line(&rest).await?;
    }
    intake.finish().await.map(Json)
}

struct Intake<'a> {
    edge: &'a Edge,
    waiting: HashMap<Partition, Vec<Write>>,
    number: u64,
    report: Report,
}

impl Intake<'_> {
    async fn line(&mut self, line: &[u8]) -> Result<(), Problem> {
        self.number += 1;
        if line.len() <= LINE_MAX && line.trim_ascii().is_empty() {
            return Ok(());
        }
        self.report.lines += 1;
        if line.len() > LINE_MAX {
            self.reject(format!("the line has more than {LINE_MAX} bytes"));
            return Ok(());
        }
        match parse(line, self.edge.now_ms()) {
            Err(reason) => self.reject(reason),
            Ok(write) => {
                let partition = self.edge.store().layout().of_key(&write.key);
                let waiting = self.waiting.entry(partition).or_default();
                waiting.push(write);
                if waiting.len() == COMMIT_ITEMS {
                    self.commit(partition).await?;
                }
            }
        }
        Ok(())
    }

    fn reject(&mut self, reason: String) {
        self.report.rejected += 1;
        if self.report.rejects.len() < REPORTED_MAX {
            self.report.rejects.push(LineReject { line: self.number, reason });
        }
    }

    async fn commit(&mut self, partition: Partition) -> Result<(), StoreError> {
        let writes = self.waiting.remove(&partition).unwrap_or_default();
        let committed = self.edge.commit(partition, Batch { writes, ..Batch::default() }).await?;
        for fate in committed.fates {
            match fate {
                Fate::Changed => self.report.changed += 1,
                Fate::Unchanged => self.report.unchanged += 1,
                Fate::Stale => self.report.stale += 1,
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Report, Problem> {
        let partitions: Vec<Partition> = self.waiting.keys().copied().collect();
        for partition in partitions {
            self.commit(partition).await?;
        }
        Ok(self.report)
    }
}

/// A value that is there, `null` among them: by default serde takes that for none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

fn parse(line: &[u8], now_ms: i64) -> Result<Write, String> {
    let Line { key, value, delete, source_ts, ttl_ms, tags } =
        serde_json::from_slice(line).map_err(|error| error.to_string())?;
    check_tags(&tags)?;
    let payload = match (value, delete) {
        (Some(value), false) => Some(payload_of(value.get().as_bytes())?),
        (None, true) => None,
        (Some(_), true) => return Err("`value` and `delete` exclude each other".into()),
        (None, false) => return Err("`value` is missing; or say `\"delete\": true`".into()),
    };
    Ok(Write { key, source_ts: source_ts.unwrap_or(now_ms), ttl_ms, tags, payload })
}
