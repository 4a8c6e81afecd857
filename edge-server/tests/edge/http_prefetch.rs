//! What readers read next, over HTTP: what teaches it, what is told of it, and what never is.

use reqwest::Method;
use serde_json::{Value, json};

use crate::http_problems::check;
use crate::server::{Answer, Server, send, start};
use crate::soon;

const MODEL: &str = "/v1/prefetch-model";

/// A server with values at `sport:mlb:a`, `b` and `c`.
async fn with_values(settings: &[(&str, &str)]) -> Server {
    let server = start(settings).await;
    for key in ["sport:mlb:a", "sport:mlb:b", "sport:mlb:c"] {
        server.set(key, "1").await;
    }
    server
}

/// One reader reads a key.
async fn read(server: &Server, reader: &str, key: &str) -> Answer {
    send(server.request(Method::GET, &format!("/v1/entries/{key}")).header("cache-reader", reader)).await
}

/// Readers `1`, `2` and so on read a and then b.
async fn read_a_then_b(server: &Server, readers: usize) {
    for reader in 1..=readers {
        for key in ["sport:mlb:a", "sport:mlb:b"] {
            assert_eq!(read(server, &reader.to_string(), key).await.status, 200);
        }
    }
}

async fn contexts(server: &Server) -> Value {
    server.get(MODEL).await.json()["contexts"].clone()
}

#[tokio::test]
async fn what_many_readers_read_next_is_told_and_one_readers_way_is_not() {
    let server = with_values(&[]).await;
    for _ in 0..20 {
        for key in ["sport:mlb:a", "sport:mlb:c"] {
            read(&server, "alone", key).await;
        }
    }
    read_a_then_b(&server, 4).await;
    assert_eq!(server.get(MODEL).await.json(), json!({"k": 5, "contexts": []}));
    read_a_then_b(&server, 6).await;
    let answer = server.get(MODEL).await;
    // Six readers read b, and four of them twice, which does not count before the fifth. One read c.
    let expected = json!({"k": 5, "contexts": [{"key": "sport:mlb:a", "total": 7, "next": [["sport:mlb:b", 6]]}]});
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("max-age=60"));
    assert!(!answer.text().contains("alone"), "a reader is nowhere");
}

#[tokio::test]
async fn keys_read_in_one_request_are_read_in_their_order() {
    let server = with_values(&[]).await;
    for reader in 0..5 {
        let request = server.request(Method::POST, "/v1/entries:get").header("content-type", "application/json");
        let keys = json!({"keys": ["sport:mlb:a", "sport:mlb:none", "sport:mlb:c"]}).to_string();
        assert_eq!(send(request.header("cache-reader", reader.to_string()).body(keys)).await.status, 200);
        read(&server, &reader.to_string(), "sport:mlb:b").await;
    }
    let expected = json!([
        {"key": "sport:mlb:a", "total": 5, "next": [["sport:mlb:c", 5]]},
        {"key": "sport:mlb:c", "total": 5, "next": [["sport:mlb:b", 5]]},
    ]);
    assert_eq!(contexts(&server).await, expected);
}

#[tokio::test]
async fn reads_of_nobody_and_reads_that_find_nothing_teach_nothing() {
    let server = with_values(&[]).await;
    for reader in 0..9 {
        for key in ["sport:mlb:a", "sport:mlb:b"] {
            assert_eq!(server.get(&format!("/v1/entries/{key}")).await.status, 200);
            let nobody = format!("{reader}{}", "x".repeat(64));
            assert_eq!(read(&server, &nobody, key).await.status, 200, "an id that is none is no mistake");
            assert_eq!(read(&server, &format!("a reader {reader}"), key).await.status, 200);
        }
        for key in ["sport:mlb:made-up-1", "sport:mlb:made-up-2"] {
            assert_eq!(read(&server, &reader.to_string(), key).await.status, 404);
        }
    }
    assert_eq!(contexts(&server).await, json!([]));
}

#[tokio::test]
async fn a_scope_restricts_the_contexts_and_a_wrong_one_is_refused() {
    let server = with_values(&[]).await;
    read_a_then_b(&server, 5).await;
    for (scope, expected) in [("sport:mlb:", 1), ("sport:nhl:", 0)] {
        let answer = server.get(&format!("{MODEL}?scope={scope}")).await;
        assert_eq!(answer.json()["contexts"].as_array().unwrap().len(), expected, "{scope}");
    }
    check(&server.get(&format!("{MODEL}?scope=sport")).await, 400, "scope `sport`");
    check(&server.get(&format!("{MODEL}?scopes=sport:mlb:")).await, 400, "unknown field `scopes`");
    check(&server.post(MODEL, "{}").await, 405, "does not answer POST");
}

#[tokio::test]
async fn who_has_the_model_is_told_so_until_it_changes() {
    let server = with_values(&[]).await;
    read_a_then_b(&server, 5).await;
    let tag = server.get(MODEL).await.header("etag").unwrap().to_owned();
    let ask = async |named: &str| send(server.request(Method::GET, MODEL).header("if-none-match", named)).await;
    for named in [tag.as_str(), &format!("W/{tag}"), &format!("\"other\", {tag}"), "*"] {
        let same = ask(named).await;
        assert_eq!((same.status, same.text()), (304, ""), "{named}");
        assert_eq!((same.header("etag"), same.header("cache-control")), (Some(tag.as_str()), Some("max-age=60")));
    }
    for named in ["\"other\"", tag.trim_matches('"'), ""] {
        assert_eq!(ask(named).await.status, 200, "{named}");
    }
    read_a_then_b(&server, 6).await;
    let changed = ask(&tag).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
}

#[tokio::test]
async fn k_is_configured_and_off_is_off() {
    let server = with_values(&[("prefetch.k", "6")]).await;
    read_a_then_b(&server, 5).await;
    assert_eq!(server.get(MODEL).await.json(), json!({"k": 6, "contexts": []}));
    let off = with_values(&[("prefetch.enabled", "false")]).await;
    read_a_then_b(&off, 6).await;
    check(&off.get(MODEL).await, 404, "prefetch.enabled is false");
}

#[tokio::test]
async fn the_metrics_say_how_much_is_known_and_withheld() {
    let server = with_values(&[]).await;
    read_a_then_b(&server, 5).await;
    read(&server, "alone", "sport:mlb:a").await;
    read(&server, "alone", "sport:mlb:c").await;
    let expected = ["edge_prefetch_contexts 1\n", "edge_prefetch_transitions 2\n", "edge_prefetch_withheld 1\n"];
    // Servers of one process share the metrics: another test's scrape may come between, and its reads count too.
    let seen = async {
        loop {
            let text = server.get("/metrics").await.text().to_owned();
            if expected.iter().all(|line| text.contains(line)) {
                return text;
            }
        }
    };
    let text = soon("the model's metrics", seen).await;
    assert!(
        text.contains("# HELP edge_prefetch_reads_total") && text.contains("\nedge_prefetch_reads_total "),
        "{text}"
    );
}
