//! From an upstream's answer to a follower, through every stage.

use std::collections::BTreeMap;
use std::time::Instant;

use edge_server::schedule::Queue;
use edge_server::source::{Priority, Request};
use serde_json::Value;
use wire::{Body, Codec};

use crate::peer::{Followed, Peer};
use crate::server::{Server, start};
use crate::soon;
use crate::upstream::{Reply, Upstream, malformed_row, row, row_key, upstream};

async fn polling(upstream: &Upstream) -> Server {
    let settings = upstream.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    start(&settings).await
}

/// The source's health, once it is so.
async fn health(server: &Server, is_so: impl Fn(&Value) -> bool) -> Value {
    let looked = async {
        loop {
            let health = server.get("/health/detailed").await.json()["sources"]["prizepicks"].clone();
            if is_so(&health) {
                return health;
            }
        }
    };
    soon("the source's state", looked).await
}

async fn follower(server: &Server) -> (Peer, Followed) {
    let mut peer = Peer::welcomed(server.address, Codec::Postcard).await;
    let followed = peer.follow("sport:nba:", None).await;
    (peer, followed)
}

/// What became of the next so many keys.
async fn told(peer: &mut Peer, followed: Followed, keys: usize) -> BTreeMap<String, Body> {
    let mut told = BTreeMap::new();
    while told.len() < keys {
        told.extend(peer.change(followed).await.items.into_iter().map(|item| (item.key.to_string(), item.body)));
    }
    told
}

fn line(body: &Body) -> f64 {
    let Body::Value { payload, .. } = body else { panic!("{body:?}") };
    serde_json::from_slice::<Value>(payload.as_bytes()).unwrap()["line"].as_f64().unwrap()
}

#[tokio::test]
async fn rows_are_committed_a_malformed_one_is_counted_and_a_vanished_one_is_gone() {
    let mut upstream = upstream(Reply::document(&[])).await;
    let server = polling(&upstream).await;
    assert!(upstream.asked(1).await.starts_with("/projections?league_id=7&"));
    let (mut peer, followed) = follower(&server).await;

    upstream.answer(Reply::document(&[row("1", 1.5), row("2", 2.5), row("3", 3.5)]));
    let first = told(&mut peer, followed, 3).await;
    let lines: Vec<f64> = first.values().map(line).collect();
    assert_eq!(lines, [1.5, 2.5, 3.5]);
    assert_eq!(first.keys().next(), Some(&row_key("1")));

    upstream.answer(Reply::document(&[row("1", 10.5), malformed_row("2"), row("4", 4.5)]));
    let second = told(&mut peer, followed, 3).await;
    assert_eq!(line(&second[&row_key("1")]), 10.5);
    assert_eq!(second[&row_key("3")], Body::Gone);
    assert_eq!(line(&second[&row_key("4")]), 4.5);
    let health = health(&server, |health| health["rejected"].as_u64() >= Some(1)).await;
    assert_eq!((&health["state"], &health["last_error"]), (&"ok".into(), &Value::Null));
    assert_eq!((&health["changed"], &health["gone"]), (&5.into(), &1.into()));
    let validity = health["validity"].as_f64().unwrap();
    assert!((validity - 2.0 / 3.0).abs() < 1e-9, "{validity}");
    let kept = server.get(&format!("/v1/entries/{}", row_key("2"))).await;
    assert_eq!(kept.json()["line"], 2.5, "a row that cannot be read is not a row that is gone");
    assert_eq!(server.get(&format!("/v1/entries/{}", row_key("3"))).await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn rows_that_do_not_change_are_not_told_again() {
    let mut upstream = upstream(Reply::document(&[row("1", 1.5)])).await;
    let server = polling(&upstream).await;
    let (mut peer, followed) = follower(&server).await;
    if followed.position.offset.get() == 0 {
        told(&mut peer, followed, 1).await;
    }
    upstream.asked(3).await;
    upstream.answer(Reply::document(&[row("1", 9.5)]));
    let change = peer.change(followed).await;
    assert_eq!((change.span.to().get(), line(&change.items[0].body)), (2, 9.5));
    health(&server, |health| health["unchanged"].as_u64() >= Some(2)).await;
}

#[tokio::test]
async fn a_failing_upstream_is_shown_as_failing_and_comes_back() {
    let mut upstream = upstream(Reply::error(500, None)).await;
    let server = polling(&upstream).await;
    let (mut peer, followed) = follower(&server).await;
    let failing = health(&server, |health| health["state"] == "failing").await;
    assert_eq!(failing["last_error"], "league/7: status 500");
    assert!(failing["reliability"].as_f64() < Some(1.0) && failing["last_ok"].is_null());

    upstream.answer(Reply::error(429, Some("1")));
    health(&server, |health| health["last_error"] == "league/7: status 429").await;
    let refused = Instant::now();
    upstream.answer(Reply::document(&[row("1", 1.5)]));
    upstream.asked(1).await;
    let waited = refused.elapsed().as_millis();
    assert!((800..5_000).contains(&waited), "the upstream's own wait of 1 s is kept: {waited} ms");
    assert_eq!(line(&told(&mut peer, followed, 1).await[&row_key("1")]), 1.5);
    let well = health(&server, |health| health["state"] == "ok").await;
    assert!(well["failures"].as_u64() >= Some(2) && well["last_ok"].is_string(), "{well}");
    assert!(well["since"].as_str() > failing["since"].as_str(), "the state has a time of its own");
}

#[tokio::test]
async fn html_under_status_200_is_a_failure_that_quotes_it_and_removes_nothing() {
    let mut upstream = upstream(Reply::document(&[row("1", 1.5)])).await;
    let server = polling(&upstream).await;
    health(&server, |health| health["changed"] == 1).await;
    let body = "<!DOCTYPE html>\n<html><title>Just a moment...</title></html>".into();
    upstream.answer(Reply { status: 200, body, retry_after: None });
    let failing = health(&server, |health| health["state"] == "failing").await;
    let error = failing["last_error"].as_str().unwrap();
    for part in ["prizepicks", "league/7", "a document of projections", "<title>Just a moment..."] {
        assert!(error.contains(part), "`{part}` is not in `{error}`");
    }
    assert_eq!(error.lines().count(), 1);
    upstream.asked(1).await;
    assert_eq!(server.get(&format!("/v1/entries/{}", row_key("1"))).await.json()["line"], 1.5);
}

#[tokio::test]
async fn a_server_ends_while_its_upstream_does_not_answer() {
    // A port that takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut upstream = upstream(Reply::document(&[])).await;
    upstream.address = silent.local_addr().unwrap();
    let server = polling(&upstream).await;
    let _asked = soon("a connection", silent.accept()).await.unwrap();
    let began = Instant::now();
    server.stop().await;
    assert!(began.elapsed().as_secs() < 5);
}

#[test]
fn a_wait_that_never_ends_breaks_nothing() {
    // `Retry-After: 18446744073709551615`, say.
    let mut queue = Queue::default();
    let request = Request { topic: "a".into(), path: "/a".into(), priority: Priority::Live, after_ms: 0 };
    queue.add(request, 5);
    let taken = queue.take_due(5, 1).unwrap();
    assert_eq!(queue.failed(taken, Some(u64::MAX), 0.5, 5), u64::MAX);
    assert_eq!(queue.next_due(), Some(u64::MAX), "later than any clock, not at once");
}
