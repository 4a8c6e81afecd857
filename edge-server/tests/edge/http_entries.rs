//! Values over HTTP: in, out, and as of when.

use std::time::Instant;

use reqwest::Method;
use serde_json::json;
use wire::position::NUMBER_END;
use wire::{Body, Codec, Found, Offset, Position, ServerFrame};

use crate::commits::{key, payload, tag};
use crate::server::{Answer, Server, elsewhere, send, start};

const FRAME_TYPE: &str = "application/vnd.coherence+postcard";

/// A GET that must have reached a position.
async fn get_min(server: &Server, path: &str, min: &str) -> Answer {
    send(server.request(Method::GET, path).header("cache-min", min)).await
}

fn ahead(position: Position, by: u64) -> Position {
    Position { offset: Offset::new(position.offset.get() + by).unwrap(), ..position }
}

#[tokio::test]
async fn a_value_comes_back_as_it_was_written_with_where_it_stands() {
    let server = start(&[]).await;
    let text = r#"{"line": 24.50, "big": 12345678901234567890123, "é": "\u00e9"}"#;
    let put = server.request(Method::PUT, "/v1/entries/sport:mlb:props:1?source_ts=5&ttl_ms=60000");
    let put = send(put.header("cache-tag", "injury:9, b").body(text)).await;
    assert_eq!((put.status, &put.json()["fate"]), (200, &json!("changed")));
    assert_eq!(put.json()["position"], json!(put.as_of().to_string()));
    server.set("sport:mlb:props:2", "2").await;

    let got = server.get("/v1/entries/sport:mlb:props:1").await;
    assert_eq!((got.status, got.text()), (200, text), "number for number, space for space");
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.header("cache-control"), Some("no-store"));
    assert_eq!(got.header("cache-version"), Some("1"));
    assert_eq!(got.header("cache-tag"), Some("injury:9,b"));
    assert_eq!(got.as_of(), ahead(put.as_of(), 1), "the position is the partition's, the version the value's");
    let ttl: i64 = got.header("cache-ttl").unwrap().parse().unwrap();
    assert!((1..=60_000).contains(&ttl), "{ttl}");
    let other = server.get("/v1/entries/sport:mlb:props:2").await;
    assert_eq!((other.header("cache-tag"), other.header("cache-ttl")), (None, None));
}

#[tokio::test]
async fn a_removed_value_and_one_that_never_was_are_404_with_a_position() {
    let server = start(&[]).await;
    let put = server.set("sport:mlb:1", "1").await;
    let removed = server.delete("/v1/entries/sport:mlb:1").await;
    assert_eq!((removed.status, &removed.json()["fate"]), (200, &json!("changed")));
    for path in ["/v1/entries/sport:mlb:1", "/v1/entries/sport:mlb:never"] {
        let absent = server.get(path).await;
        assert_eq!((absent.status, absent.as_of()), (404, ahead(put.as_of(), 1)));
        assert_eq!(absent.header("cache-control"), Some("no-store"));
        assert_eq!(absent.header("content-type"), Some("application/problem+json"));
    }
    assert_eq!(server.delete("/v1/entries/sport:mlb:1").await.json()["fate"], "unchanged");
}

#[tokio::test]
async fn an_older_write_is_answered_stale_and_an_equal_one_unchanged() {
    let server = start(&[]).await;
    let check = async |path: &str, value: &str, fate: &str| {
        assert_eq!(server.put(&format!("/v1/entries/sport:mlb:1?{path}"), value).await.json()["fate"], fate);
    };
    check("source_ts=5", "5", "changed").await;
    check("source_ts=4", "4", "stale").await;
    check("source_ts=6", "5", "unchanged").await;
    assert_eq!(server.delete("/v1/entries/sport:mlb:1?source_ts=5").await.json()["fate"], "stale");
    assert_eq!(server.get("/v1/entries/sport:mlb:1").await.text(), "5");
}

#[tokio::test]
async fn a_read_waits_for_its_position_for_50_milliseconds() {
    let server = start(&[]).await;
    let here = server.set("sport:mlb:1", "1").await.as_of();
    let path = "/v1/entries/sport:mlb:1";
    assert_eq!(get_min(&server, path, &here.to_string()).await.status, 200);
    let next = ahead(here, 1);
    for path in [path, "/v1/entries/sport:mlb:none", "/v1/entries?scope=sport:mlb:"] {
        let asked = Instant::now();
        let early = get_min(&server, path, &next.to_string()).await;
        let waited = asked.elapsed().as_millis();
        assert_eq!(early.status, 425, "{early:?}");
        assert!(early.text().contains(&format!("position {next} has not been reached")), "{early:?}");
        assert!((50..1_000).contains(&waited), "{waited} ms");
    }
    let next = next.to_string();
    let (waiting, _) = tokio::join!(get_min(&server, path, &next), server.set("sport:mlb:1", "2"));
    assert_eq!((waiting.status, waiting.text()), (200, "2"), "the write that came meanwhile is waited for");
}

#[tokio::test]
async fn a_position_of_another_epoch_is_answered_at_once() {
    let server = start(&[]).await;
    let here = server.set("sport:mlb:1", "1").await.as_of();
    let other = Position { epoch: wire::Epoch::from_random(here.epoch.get() + 1), ..ahead(here, 1_000) };
    let answer = get_min(&server, "/v1/entries/sport:mlb:1", &other.to_string()).await;
    assert_eq!((answer.status, answer.as_of()), (200, here));
}

#[tokio::test]
async fn many_keys_are_answered_in_the_order_asked_with_a_position_each() {
    let server = start(&[]).await;
    let here = server.set("sport:mlb:1", "1").await.as_of();
    let elsewhere = elsewhere();
    let there = server.set(&elsewhere, "2.50").await.as_of();
    assert_ne!(there.epoch, here.epoch);
    let body = json!({"keys": [elsewhere, "sport:mlb:none", "sport:mlb:1", elsewhere]}).to_string();
    let answer = server.post("/v1/entries:get", &body).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let items = answer.json()["items"].as_array().unwrap().clone();
    let keys: Vec<&str> = items.iter().map(|item| item["key"].as_str().unwrap()).collect();
    assert_eq!(keys, [&elsewhere, "sport:mlb:none", "sport:mlb:1", &elsewhere]);
    assert_eq!(items[1], json!({"key": "sport:mlb:none", "as_of": here.to_string()}));
    assert_eq!((&items[2]["value"], &items[2]["version"]), (&json!(1), &json!(1)));
    assert_eq!(items[0]["as_of"], there.to_string());
    assert!(answer.text().contains("2.50"), "a value keeps its text: {}", answer.text());

    let request = server.request(Method::POST, "/v1/entries:get").header("accept", FRAME_TYPE);
    let frame = send(request.header("content-type", "application/json").body(body)).await;
    assert_eq!(frame.header("content-type"), Some(FRAME_TYPE));
    let ServerFrame::Got { id: 0, items } = Codec::Postcard.decode_answer(&frame.body).unwrap() else {
        panic!("{frame:?}");
    };
    assert_eq!(items.len(), 4);
    assert_eq!(items[1], Found { key: key("sport:mlb:none"), as_of: here, value: None, ttl_ms: None });
}

#[tokio::test]
async fn a_scope_is_answered_in_json_and_as_a_frame() {
    let server = start(&[]).await;
    server.put("/v1/entries/sport:mlb:a:2?source_ts=5", "2").await;
    server.set("sport:mlb:b:1", "9").await;
    let put = server.request(Method::PUT, "/v1/entries/sport:mlb:a:1?source_ts=6").header("cache-tag", "x");
    let here = send(put.body("1")).await.as_of();
    let answer = server.get("/v1/entries?scope=sport:mlb:a:").await;
    assert_eq!(answer.as_of(), here);
    let as_of = here.to_string();
    let expected = json!({"items": [
        {"key": "sport:mlb:a:1", "as_of": as_of, "version": 3, "source_ts": 6, "tags": ["x"], "value": 1},
        {"key": "sport:mlb:a:2", "as_of": as_of, "version": 1, "source_ts": 5, "value": 2},
    ]});
    assert_eq!(answer.json(), expected);

    let frame = send(server.request(Method::GET, "/v1/entries?scope=sport:mlb:a:").header("accept", FRAME_TYPE)).await;
    assert_eq!((frame.header("content-type"), frame.as_of()), (Some(FRAME_TYPE), here));
    let ServerFrame::Got { id: 0, items } = Codec::Postcard.decode_answer(&frame.body).unwrap() else {
        panic!("{frame:?}");
    };
    let one = Body::Value { source_ts: 6, tags: vec![tag("x")], payload: payload("1") };
    let value = Some((Offset::new(3).unwrap(), one));
    assert_eq!(items[0], Found { key: key("sport:mlb:a:1"), as_of: here, value, ttl_ms: None });
    assert_eq!(items.len(), 2);
    let empty = server.get("/v1/entries?scope=sport:nhl:").await;
    assert_eq!((empty.status, empty.json()), (200, json!({"items": []})));
}

#[tokio::test]
async fn each_of_many_values_says_how_long_it_still_lives() {
    let server = start(&[]).await;
    server.put("/v1/entries/sport:mlb:1?ttl_ms=60000", "1").await;
    server.set("sport:mlb:2", "2").await;
    server.put(&format!("/v1/entries/sport:mlb:3?ttl_ms={}", u64::MAX), "3").await;
    let ttls_of = |name: &str, ttls: [Option<u64>; 3]| {
        assert!(ttls[0].is_some_and(|ttl_ms| (1..=60_000).contains(&ttl_ms)), "{name}: {ttls:?}");
        assert_eq!(ttls[1..], [None, Some(NUMBER_END - 1)], "{name}");
    };
    let keys = json!({"keys": ["sport:mlb:1", "sport:mlb:2", "sport:mlb:3"]}).to_string();
    let many = |accept: &'static str| {
        let request = server.request(Method::POST, "/v1/entries:get").header("content-type", "application/json");
        request.header("accept", accept).body(keys.clone())
    };
    let scope =
        |accept: &'static str| server.request(Method::GET, "/v1/entries?scope=sport:mlb:").header("accept", accept);
    for (name, request) in [("many in JSON", many("*/*")), ("a scope in JSON", scope("*/*"))] {
        let items = send(request).await.json()["items"].clone();
        ttls_of(name, [0, 1, 2].map(|at| items[at]["ttl_ms"].as_u64()));
    }
    for (name, request) in [("many as a frame", many(FRAME_TYPE)), ("a scope as a frame", scope(FRAME_TYPE))] {
        let frame = Codec::Postcard.decode_answer(&send(request).await.body).unwrap();
        let ServerFrame::Got { items, .. } = frame else { panic!("{frame:?}") };
        ttls_of(name, [0, 1, 2].map(|at: usize| items[at].ttl_ms));
    }
}

#[tokio::test]
async fn pages_of_other_sites_may_read_every_header_of_an_answer() {
    let server = start(&[("cors_origins", "https://board.example")]).await;
    server.put("/v1/entries/sport:mlb:1?ttl_ms=60000", "1").await;
    let request = server.request(Method::GET, "/v1/entries/sport:mlb:1").header("origin", "https://board.example");
    let answer = send(request).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://board.example"));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    for name in ["cache-as-of", "cache-version", "cache-tag", "cache-ttl", "etag", "retry-after"] {
        assert!(exposed.contains(name), "{name} is not in {exposed}");
    }
    let asked = server.request(Method::OPTIONS, "/v1/entries/sport:mlb:1").header("origin", "https://board.example");
    let asked = asked.header("access-control-request-method", "GET");
    let allowed = send(asked.header("access-control-request-headers", "cache-min,cache-reader")).await;
    for name in ["cache-min", "cache-reader", "if-none-match"] {
        assert!(allowed.header("access-control-allow-headers").unwrap().contains(name), "{name}: {allowed:?}");
    }
    let other = send(server.request(Method::GET, "/v1/entries/sport:mlb:1").header("origin", "https://other")).await;
    assert_eq!(other.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_value_over_a_mebibyte_is_refused() {
    let server = start(&[]).await;
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    assert_eq!(server.put("/v1/entries/sport:mlb:1", &text(1024 * 1024)).await.status, 200);
    let refused = server.put("/v1/entries/sport:mlb:1", &text(1024 * 1024 + 1)).await;
    assert_eq!((refused.status, &refused.json()["title"]), (413, &json!("too large")));
    assert_eq!(server.get("/v1/entries/sport:mlb:1").await.body.len(), 1024 * 1024);
}
