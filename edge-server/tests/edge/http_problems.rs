//! Every refusal says what is wrong, where, and in one form.

use reqwest::Method;
use serde_json::json;

use crate::server::{Answer, raw, send, start};

/// A problem document with this status and a detail that says this.
pub(crate) fn check(answer: &Answer, status: u16, detail: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["status"], json!(status));
    assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains(detail)), "`{detail}` is not in {problem}");
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_with_the_rule_that_it_breaks() {
    let server = start(&[]).await;
    for (key, detail) in [
        ("sport", "key `sport`: the key has 1 segments"),
        ("sport:mlb:", "empty segment at byte 10"),
        ("sport:m%20b", "' ' at byte 7"),
        ("sport:%FF", "UTF-8"),
    ] {
        let path = format!("/v1/entries/{key}");
        check(&server.get(&path).await, 400, detail);
        check(&server.put(&path, "1").await, 400, detail);
        check(&server.delete(&path).await, 400, detail);
    }
    check(&server.post("/v1/entries:get", r#"{"keys":["sport:mlb:1","sport"]}"#).await, 400, "key `sport`");
    check(&server.get("/v1/entries?scope=sport:mlb").await, 400, "does not end with `:`");
    check(&server.post("/v1/invalidate", r#"{"scopes":["sport:"]}"#).await, 400, "scope `sport:`");
    check(&server.post("/v1/invalidate", r#"{"tags":["a,b"]}"#).await, 400, "tag `a,b`");
    check(&server.post("/v1/invalidate", r#"{"keys":[""]}"#).await, 400, "key ``: the key is empty");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_what_was_expected() {
    let server = start(&[]).await;
    let entry = "/v1/entries/sport:mlb:1";
    check(&server.put(entry, "{").await, 400, "the value is not JSON");
    check(&server.put(entry, "").await, 400, "the value is not JSON");
    check(&server.put(entry, "1 2").await, 400, "the value is not JSON");
    check(&server.put(&format!("{entry}?ttl_ms=soon"), "1").await, 400, "ttl_ms");
    check(&server.put(&format!("{entry}?ttl=5"), "1").await, 400, "unknown field `ttl`");
    check(&server.put(&format!("{entry}?source_ts=x"), "1").await, 400, "source_ts");
    check(&server.get("/v1/entries").await, 400, "missing field `scope`");
    check(&server.get("/v1/entries?scope=sport:mlb:&limit=5").await, 400, "unknown field `limit`");
    check(&server.post("/v1/entries:get", "{").await, 400, "");
    check(&server.post("/v1/entries:get", r#"{"keys":[],"more":1}"#).await, 400, "unknown field `more`");
    check(&server.post("/v1/invalidate", r#"{"key":["sport:mlb:1"]}"#).await, 400, "unknown field `key`");
    check(&server.post("/v1/invalidate", "{}").await, 400, "nothing is named");
    let untyped = server.request(Method::POST, "/v1/entries:get").body(r#"{"keys":[]}"#);
    check(&send(untyped).await, 400, "application/json");
    for min in ["x", "1", "0:1", "1:x"] {
        let request = server.request(Method::GET, entry).header("cache-min", min);
        check(&send(request).await, 400, "header Cache-Min");
    }
    let tags = server.request(Method::PUT, entry).header("cache-tag", "a b").body("1");
    check(&send(tags).await, 400, "header Cache-Tag");
    assert_eq!(server.get(entry).await.status, 404, "nothing of it was taken");
}

#[tokio::test]
async fn too_many_keys_are_refused() {
    let server = start(&[]).await;
    let keys: Vec<String> = (0..1_001).map(|number| format!("sport:mlb:{number}")).collect();
    let refused = server.post("/v1/entries:get", &json!({"keys": keys}).to_string()).await;
    check(&refused, 413, "1001 keys are asked for; at most 1000");
    for named in ["keys", "tags"] {
        let refused = server.post("/v1/invalidate", &json!({named: keys}).to_string()).await;
        check(&refused, 413, "1001 names are given; at most 1000");
    }
    let allowed = server.post("/v1/entries:get", &json!({"keys": keys[1..]}).to_string()).await;
    assert_eq!(allowed.json()["items"].as_array().unwrap().len(), 1_000);
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_named() {
    let server = start(&[]).await;
    check(&server.get("/v2/entries").await, 404, "there is nothing at /v2/entries");
    check(&server.get("/").await, 404, "there is nothing at /");
    check(&server.post("/v1/entries/sport:mlb:1", "1").await, 405, "/v1/entries/sport:mlb:1 does not answer POST");
    check(&server.get("/v1/ingest").await, 405, "/v1/ingest does not answer GET");
    check(&server.delete("/health/live").await, 405, "/health/live does not answer DELETE");
}

#[tokio::test]
async fn a_stream_needs_an_upgrade_and_a_subprotocol() {
    let server = start(&[]).await;
    check(&server.get("/v1/stream").await, 400, "upgrade");
    let upgrade = |protocol: &str| {
        format!(
            "GET /v1/stream HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n"
        )
    };
    for protocol in ["", "sec-websocket-protocol: coherence.v2+postcard\r\n"] {
        let answer = raw(server.address, &[upgrade(protocol).as_bytes()]).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("coherence.v1+postcard, coherence.v1+json"), "{answer}");
    }
}

#[tokio::test]
async fn writing_needs_the_token_and_reading_does_not() {
    let server = start(&[("write_token", "secret")]).await;
    let entry = "/v1/entries/sport:mlb:1";
    let line = r#"{"key":"sport:mlb:1","value":1}"#;
    let writes = [
        (Method::PUT, entry, "1"),
        (Method::POST, "/v1/ingest", line),
        (Method::POST, "/v1/invalidate", r#"{"scopes":["sport:mlb:"]}"#),
        (Method::DELETE, entry, ""),
    ];
    for (method, path, body) in writes {
        let write = |authorization: Option<&str>| {
            let request = server.request(method.clone(), path).header("content-type", "application/json").body(body);
            match authorization {
                Some(value) => request.header("authorization", value),
                None => request,
            }
        };
        for wrong in [None, Some("Bearer secre"), Some("Bearer secret2"), Some("secret"), Some("Bearer "), Some("")] {
            check(&send(write(wrong)).await, 401, "Authorization: Bearer <write_token>");
        }
        assert_eq!(send(write(Some("Bearer secret"))).await.status, 200, "{method} {path}");
    }
    assert_eq!(server.get(entry).await.status, 404);
    assert_eq!(server.post("/v1/entries:get", r#"{"keys":["sport:mlb:1"]}"#).await.status, 200);
}
