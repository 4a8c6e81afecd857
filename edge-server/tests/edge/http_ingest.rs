//! Lines in, a report out; and invalidation.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use wire::Body;

use crate::commits::{key, scope, tag};
use crate::peer::Peer;
use crate::server::{Server, raw, start};

/// The longest line that is taken.
const LINE_MAX: usize = 1024 * 1024 + 4 * 1024;

async fn ingest(server: &Server, body: &str) -> Value {
    let answer = server.post("/v1/ingest", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn good_lines_are_taken_and_bad_ones_are_reported_by_number() {
    let server = start(&[]).await;
    server.put("/v1/entries/sport:nba:old?source_ts=9", "1").await;
    let body = r#"{"key":"sport:mlb:1","value":{"a": 1.50},"source_ts":5,"ttl_ms":60000,"tags":["x"]}

{"key":"sport:nba:1","value":null}
{"key":"sport","value":1}
not json
{"key":"sport:mlb:2"}
{"key":"sport:mlb:2","value":1,"delete":true}
{"key":"sport:mlb:2","value":1,"extra":1}
{"key":"sport:nba:old","delete":true,"source_ts":8}
{"key":"sport:nba:old","value":1,"source_ts":10}
{"key":"sport:mlb:3","value":3}"#;
    let report = ingest(&server, body).await;
    let counts = ["lines", "changed", "unchanged", "stale", "rejected"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [10, 3, 1, 1, 5], "{report}");
    let rejects = report["rejects"].as_array().unwrap();
    let reasons = [
        (4, "1 segments"),
        (5, "expected"),
        (6, "`value` is missing; or say `\"delete\": true`"),
        (7, "exclude each other"),
        (8, "unknown field `extra`"),
    ];
    assert_eq!(rejects.len(), reasons.len());
    for (reject, (line, reason)) in rejects.iter().zip(reasons) {
        assert_eq!(reject["line"], json!(line), "{report}");
        assert!(reject["reason"].as_str().unwrap().contains(reason), "{reject}");
    }
    let taken = server.get("/v1/entries/sport:mlb:1").await;
    assert_eq!((taken.text(), taken.header("cache-tag")), (r#"{"a": 1.50}"#, Some("x")));
    assert_eq!(server.get("/v1/entries/sport:nba:1").await.text(), "null");
    assert_eq!(server.get("/v1/entries/sport:mlb:3").await.text(), "3", "the last line needs no end");
}

#[tokio::test]
async fn more_bad_lines_than_are_reported_are_counted() {
    let server = start(&[]).await;
    let report = ingest(&server, &"x\n".repeat(250)).await;
    assert_eq!((&report["rejected"], report["rejects"].as_array().unwrap().len()), (&json!(250), 100));
}

#[tokio::test]
async fn a_long_body_is_committed_in_parts_that_followers_see() {
    let server = start(&[]).await;
    let mut peer = Peer::welcomed(server.address, wire::Codec::Postcard).await;
    let followed = peer.follow("sport:mlb:", None).await;
    let body: String = (0..120).map(|number| format!("{{\"key\":\"sport:mlb:{number}\",\"value\":1}}\n")).collect();
    let report = ingest(&server, &body).await;
    assert_eq!(report["changed"], json!(120));
    let mut told = 0;
    while told < 120 {
        let change = peer.change(followed).await;
        told += change.items.len();
        assert!(change.span.to().get() <= 3, "at most 50 in a commit: {change:?}");
    }
    assert_eq!(server.get("/v1/entries/sport:mlb:1").await.as_of().offset.get(), 3);
}

/// Lines around a line that is too long, and the report that they get.
fn body_with_a_long_line(root: &str) -> String {
    let long = "x".repeat(LINE_MAX);
    format!(
        "{{\"key\":\"{root}:1\",\"value\":1}}\n\n{{\"key\":\"{root}:2\",\"value\":\"{long}\"}}\nbad\n{{\"key\":\"{root}:3\",\"value\":3}}"
    )
}

#[tokio::test]
async fn a_line_over_the_limit_is_skipped_and_reported_once() {
    let server = start(&[]).await;
    let report = ingest(&server, &body_with_a_long_line("sport:mlb")).await;
    assert_eq!((&report["lines"], &report["changed"], &report["rejected"]), (&json!(4), &json!(2), &json!(2)));
    assert_eq!(report["rejects"][0], json!({"line": 3, "reason": format!("the line has more than {LINE_MAX} bytes")}));
    assert_eq!(report["rejects"][1]["line"], json!(4));
    assert_eq!(server.get("/v1/entries/sport:mlb:3").await.text(), "3");
    let padded = |bytes: usize| {
        let line = r#"{"key":"sport:mlb:4","value":4}"#;
        format!("{line}{}\n", " ".repeat(bytes - line.len()))
    };
    assert_eq!(ingest(&server, &padded(LINE_MAX)).await["changed"], json!(1));
    assert_eq!(ingest(&server, &padded(LINE_MAX + 1)).await["rejected"], json!(1), "wherever its chunks end");
}

/// Sends a body in these chunks and gives the report.
async fn ingest_chunked(server: &Server, body: &[u8], cuts: &[usize]) -> Value {
    let mut parts: Vec<Vec<u8>> =
        vec![b"POST /v1/ingest HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n".into()];
    let mut rest = body;
    for &cut in cuts {
        let (chunk, after) = rest.split_at(cut.min(rest.len()));
        rest = after;
        if !chunk.is_empty() {
            parts.push([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
    }
    parts.push([format!("{:x}\r\n", rest.len()).as_bytes(), rest, b"\r\n0\r\n\r\n"].concat());
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let answer = raw(server.address, &parts).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(answer.rsplit_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn the_report_is_the_same_however_the_body_is_cut() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(start(&[]));
    let small = |root: &str| {
        format!(
            "{{\"key\":\"{root}:1\",\"value\":1}}\r\n\n \nbad\n{{\"key\":\"{root}:é\",\"value\":\"é\"}}\n{{\"key\":\"{root}:3\""
        )
    };
    let mut cases = 0;
    let mut check = |body: &dyn Fn(&str) -> String, cuts: Vec<usize>| {
        cases += 1;
        runtime.block_on(async {
            let whole = ingest(&server, &body(&format!("whole:{cases:04}"))).await;
            let cut = ingest_chunked(&server, body(&format!("parts:{cases:04}")).as_bytes(), &cuts).await;
            assert_eq!(cut, whole, "{cuts:?}");
        });
    };
    // Around the end of the long line, which begins at byte 34 and is over its limit 1 MiB later.
    check(&body_with_a_long_line, vec![LINE_MAX, 10, 20, 30]);
    check(&body_with_a_long_line, vec![LINE_MAX + 34 + 32, 1, 1]);
    check(&body_with_a_long_line, vec![40, LINE_MAX + 500]);
    let cell = std::cell::RefCell::new(check);
    let cuts = prop::collection::vec(1usize..60, 0..40);
    TestRunner::new(Config::with_cases(100))
        .run(&cuts, |cuts| {
            cell.borrow_mut()(&small, cuts);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    // A task of the server's may still be on its way: this test's runtime does not wait for it.
    runtime.shutdown_timeout(Duration::ZERO);
}

#[tokio::test]
async fn of_a_body_that_is_cut_off_the_whole_lines_stay() {
    let server = start(&[]).await;
    let head = b"POST /v1/ingest HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let line = "{\"key\":\"sport:mlb:1\",\"value\":1}\n";
    let chunk = format!("{:x}\r\n{line}\r\n", line.len());
    let half = "{\"key\":\"sport:mlb:2\",\"value\":1}";
    let half = format!("{:x}\r\n{half}\r\n", half.len());
    let answer = raw(server.address, &[head, chunk.as_bytes(), half.as_bytes(), b"no length\r\n"]).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("the body ended after line 1") && answer.contains("earlier lines stay"), "{answer}");
    assert_eq!(server.get("/v1/entries/sport:mlb:1").await.status, 200, "as the answer says");
    assert_eq!(server.get("/v1/entries/sport:mlb:2").await.status, 404, "a line may have been meant to go on");
}

#[tokio::test]
async fn invalidation_is_told_to_followers_and_leaves_values() {
    let server = start(&[]).await;
    let mut peer = Peer::welcomed(server.address, wire::Codec::Postcard).await;
    server.set("sport:mlb:1", "1").await;
    let followed = peer.follow("sport:mlb:", None).await;
    let body = json!({"keys": ["sport:mlb:1"], "scopes": ["sport:mlb:props:"]}).to_string();
    assert_eq!(server.post("/v1/invalidate", &body).await.json(), json!({"commits": 1}), "one a partition");
    let change = peer.change(followed).await;
    assert_eq!((&change.items[0].key, &change.items[0].body), (&key("sport:mlb:1"), &Body::Changed));
    assert_eq!(change.scopes, [scope("sport:mlb:props:")]);
    let tags = server.post("/v1/invalidate", r#"{"tags":["injury:9"]}"#).await;
    assert_eq!(tags.json(), json!({"commits": 16}), "a tag may be anywhere");
    assert_eq!(peer.change(followed).await.tags, [tag("injury:9")]);
    let value = server.get("/v1/entries/sport:mlb:1").await;
    assert_eq!((value.text(), value.header("cache-version")), ("1", Some("1")));
}

#[tokio::test]
async fn a_value_has_at_most_sixteen_tags() {
    let server = start(&[]).await;
    let line = |count: usize| {
        let tags: Vec<String> = (0..count).map(|number| format!("t{number}")).collect();
        json!({ "key": "sport:mlb:1", "value": count, "tags": tags }).to_string()
    };
    let report = ingest(&server, &format!("{}\n{}", line(16), line(17))).await;
    assert_eq!((&report["changed"], &report["rejected"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!(report["rejects"][0]["reason"], "17 tags are given; at most 16 are allowed");
    let tags: Vec<String> = (0..17).map(|number| format!("t{number}")).collect();
    let put = server.request(reqwest::Method::PUT, "/v1/entries/sport:mlb:1").header("cache-tag", tags.join(","));
    let refused = put.body("1").send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("header Cache-Tag: 17 tags are given"));
}
