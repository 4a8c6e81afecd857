//! The auditor in a running server: reads over a real connection, of stores that tell the truth and of one that does not.

use std::sync::{Arc, Mutex};

use edge_server::access::sign;
use edge_server::store::embedded::{Embedded, Limits};
use edge_server::store::{AsOf, Batch, Commit, Committed, Layout, Partition, Pending, Resumed, Store, Stored};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use wire::{Key, Position, Scope};
use xxhash_rust::xxh3::xxh3_64;

use crate::server::{Server, send, start, start_on};
use crate::soon;

const SAMPLES: (&str, &str) = ("audit.per_second", "1");

/// What a read of the store finds of a key that it had found before: a cache that nobody told.
#[derive(Clone, Copy)]
enum Lag {
    /// The old value, as if it were today's.
    Value,
    /// The old value and the old position.
    Position,
}

/// A store whose reads lag behind its commits.
struct Lagging {
    inner: Embedded,
    lag: Lag,
    first: Mutex<Option<AsOf<Option<Stored>>>>,
}

impl Lagging {
    fn new(announce: mpsc::Sender<Arc<Commit>>, lag: Lag) -> Lagging {
        let limits = Limits { log_commits: 64, push_max_bytes: 1_024 };
        let inner = Embedded::new(Layout::new(1), limits, || 5, announce);
        Lagging { inner, lag, first: Mutex::new(None) }
    }
}

impl Store for Lagging {
    fn layout(&self) -> Layout {
        self.inner.layout()
    }

    fn commit(&self, partition: Partition, batch: Batch, now_ms: i64) -> Pending<'_, Committed> {
        self.inner.commit(partition, batch, now_ms)
    }

    fn head(&self, partition: Partition) -> Pending<'_, Position> {
        self.inner.head(partition)
    }

    fn read<'a>(&'a self, partition: Partition, keys: &'a [Key], now_ms: i64) -> Pending<'a, AsOf<Option<Stored>>> {
        Box::pin(async move {
            let read = self.inner.read(partition, keys, now_ms).await?;
            let first = self.first.lock().unwrap().get_or_insert_with(|| read.clone()).clone();
            Ok(match self.lag {
                Lag::Value => AsOf { position: read.position, values: first.values },
                Lag::Position => first,
            })
        })
    }

    fn scan<'a>(&'a self, scope: &'a Scope, limit: usize, now_ms: i64) -> Pending<'a, AsOf<(Key, Stored)>> {
        self.inner.scan(scope, limit, now_ms)
    }

    fn resume(&self, partition: Partition, since: Position) -> Pending<'_, Resumed> {
        self.inner.resume(partition, since)
    }

    fn expire(&self, now_ms: i64) -> Pending<'_, ()> {
        self.inner.expire(now_ms)
    }
}

/// The counts of the first horizons once so many of their checks have ended.
async fn ended(server: &Server, at_one_second: u64) -> Value {
    let ended = async {
        loop {
            let found = server.get("/v1/audit").await.json();
            let first = &found["horizons"][0];
            let counts =
                ["consistent", "superseded", "unknown", "violations"].map(|name| first[name].as_u64().unwrap());
            if counts.iter().sum::<u64>() >= at_one_second {
                return found;
            }
        }
    };
    soon("the checks", ended).await
}

fn counts(found: &Value) -> [u64; 4] {
    ["consistent", "superseded", "unknown", "violations"].map(|name| found["horizons"][0][name].as_u64().unwrap())
}

fn hash(text: &str) -> String {
    format!("{:016x}", xxh3_64(text.as_bytes()))
}

#[tokio::test]
async fn a_store_that_tells_the_truth_is_consistent() {
    let server = start(&[SAMPLES]).await;
    // The key is `sport:mlb:a/b?c#%41`.
    server.set("sport:mlb:a%2Fb%3Fc%23%2541", "{\"hits\": 3}").await;
    let found = ended(&server, 1).await;
    assert_eq!((counts(&found), &found["violations"]), ([1, 0, 0, 0], &json!([])), "{found}");
    assert_eq!(found["horizons"][0]["consistency"], 1.0);
    assert_eq!(found["horizons"][1]["consistency"], Value::Null);
    assert_eq!(server.get("/health/detailed").await.json()["audit"]["horizons"][0], found["horizons"][0]);
    let metrics = server.get("/metrics").await.text().to_owned();
    let expected = "edge_audit_checks_total{seconds=\"1\",result=\"consistent\"} ";
    assert!(metrics.contains(expected) && metrics.contains("edge_audit_consistency{seconds=\"1\"} "), "{metrics}");
}

#[tokio::test]
async fn removals_ends_invalidations_and_newer_values_are_no_violations() {
    let check = async |query: &str, then: &str, expected: [u64; 4]| {
        let server = start(&[SAMPLES]).await;
        server.put(&format!("/v1/entries/sport:mlb:1{query}"), "1").await;
        // What comes next is not sampled itself.
        match then {
            "set" => drop(server.set("sport:mlb:1", "2").await),
            "delete" => drop(server.delete("/v1/entries/sport:mlb:1").await),
            "" => {}
            names => assert_eq!(server.post("/v1/invalidate", names).await.status, 200),
        }
        let found = ended(&server, 1).await;
        let [consistent, superseded, unknown, violations] = counts(&found);
        assert_eq!((violations, &found["violations"]), (0, &json!([])), "{then}: {found}");
        // On a slow machine the second change is sampled as well.
        if found["sampled"] == 1 || !query.is_empty() {
            assert_eq!([consistent, superseded, unknown, violations], expected, "{query} {then}: {found}");
        }
    };
    tokio::join!(
        check("", "set", [0, 1, 0, 0]),
        check("", "delete", [0, 1, 0, 0]),
        check("?ttl_ms=900", "", [0, 1, 0, 0]),
        check("", "{\"keys\":[\"sport:mlb:1\"]}", [0, 0, 1, 0]),
        check("", "{\"scopes\":[\"sport:mlb:\"]}", [1, 0, 0, 0]),
    );
}

async fn violation(lag: Lag) -> Value {
    let server = start_on(&[SAMPLES], |announce| Arc::new(Lagging::new(announce, lag))).await;
    server.set("sport:mlb:1", "1").await;
    server.get("/v1/entries/sport:mlb:1").await;
    // The check of the first value is over before the second is there, and the second is sampled.
    assert_eq!(counts(&ended(&server, 1).await), [1, 0, 0, 0]);
    server.set("sport:mlb:1", "2").await;
    let found = async {
        loop {
            let found = server.get("/v1/audit").await.json();
            if found["violations"] != json!([]) {
                return found["violations"][0].clone();
            }
        }
    };
    soon("a violation", found).await
}

#[tokio::test]
async fn an_old_value_is_a_violation_and_keeps_its_trace() {
    let found = violation(Lag::Value).await;
    assert_eq!((&found["key"], &found["why"]), (&json!("sport:mlb:1"), &json!("an older value was read")));
    let (announced, read) = (&found["announced"], &found["read"]);
    assert_eq!((&announced["position"], &announced["hash"]), (&json!("5:2"), &json!(hash("2"))));
    assert_eq!((&read["as_of"], &read["version"], &read["hash"]), (&json!("5:2"), &json!(1), &json!(hash("1"))));
    assert!(announced["at"].as_str() < read["asked_at"].as_str(), "{found}");
}

#[tokio::test]
async fn an_answer_from_before_its_position_is_a_violation() {
    let found = violation(Lag::Position).await;
    assert_eq!(found["why"], "the answer was read before the position that it was asked for");
    assert_eq!((&found["announced"]["position"], &found["read"]["as_of"]), (&json!("5:2"), &json!("5:1")));
}

#[tokio::test]
async fn where_readers_show_a_token_the_auditor_has_its_own_and_traces_are_for_who_may_read_the_key() {
    const SECRET: &str = "a secret that only the tests know of";
    let server =
        start_on(&[SAMPLES, ("read_secrets", SECRET)], |announce| Arc::new(Lagging::new(announce, Lag::Value))).await;
    let found = async |token: Option<&str>| {
        let token = token.map(|scope| sign(SECRET, i64::from(u32::MAX), &[scope]));
        let request = server.request(Method::GET, "/v1/audit");
        send(token.iter().fold(request, reqwest::RequestBuilder::bearer_auth)).await
    };
    server.set("sport:mlb:1", "1").await;
    let checked = async { while found(Some("*")).await.json()["horizons"][0]["consistent"] != 1 {} };
    soon("a check of the first value", checked).await;
    server.set("sport:mlb:1", "2").await;
    let seen = async { while found(Some("sport:mlb:")).await.json()["violations"] == json!([]) {} };
    soon("a violation", seen).await;
    assert_eq!(found(Some("sport:nba:")).await.json()["violations"], json!([]));
    assert_eq!(found(None).await.status, 401);
}

#[tokio::test]
async fn it_can_be_turned_off() {
    let server = start(&[("audit.enabled", "false")]).await;
    server.set("sport:mlb:1", "1").await;
    let refused = server.get("/v1/audit").await;
    assert_eq!((refused.status, refused.header("content-type")), (404, Some("application/problem+json")));
    assert_eq!(server.get("/health/detailed").await.json()["audit"], Value::Null);
}
