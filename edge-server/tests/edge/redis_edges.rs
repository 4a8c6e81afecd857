//! Servers on a Redis, seen from outside: several as one, one whose Redis is away, and one that is refused.

use std::net::SocketAddr;
use std::sync::Arc;

use edge_server::app;
use edge_server::config::Config;
use tokio::net::TcpListener;
use wire::{Body, ClientFrame, Codec, Mode, ServerFrame};

use crate::convergence::all_end_with_what_the_store_has;
use crate::peer::Peer;
use crate::redis_server::{RedisServer, is_there};
use crate::server::{Server, start};
use crate::soon;
use crate::upstream::{Reply, row, row_key, upstream};

fn namespace() -> String {
    RedisServer::shared().settings().namespace
}

/// A server on a Redis.
async fn edge(url: &str, namespace: &str) -> Server {
    let settings = [
        ("store.url", url),
        ("store.namespace", namespace),
        ("store.partitions", "2"),
        ("store.timeout_ms", "500"),
        ("stream.hb_ms", "100"),
        ("stream.lease_ms", "500"),
    ];
    start(&settings).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_clients_of_three_servers_on_one_redis_end_with_what_the_store_has() {
    if !is_there() {
        return;
    }
    let (url, namespace) = (RedisServer::shared().url(), namespace());
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(Arc::new(edge(&url, &namespace).await));
    }
    all_end_with_what_the_store_has(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_followed_a_server_that_ended_goes_on_at_one_that_has_just_begun() {
    if !is_there() {
        return;
    }
    let (url, namespace) = (RedisServer::shared().url(), namespace());
    let first = edge(&url, &namespace).await;
    let mut peer = Peer::welcomed(first.address, Codec::Postcard).await;
    let followed = peer.follow("sport:mlb:", None).await;
    first.set("sport:mlb:1", "1").await;
    let change = peer.change(followed).await;
    let since = wire::Position { offset: change.span.to(), ..followed.position };
    drop(peer);
    first.set("sport:mlb:1", "2").await;
    first.stop().await;

    let second = edge(&url, &namespace).await;
    let mut peer = Peer::welcomed(second.address, Codec::Postcard).await;
    let followed = peer.follow("sport:mlb:", Some(since)).await;
    assert_eq!(followed.mode, Mode::Replayed);
    let change = peer.change(followed).await;
    assert!(matches!(&change.items[0].body, Body::Value { payload, .. } if payload.as_bytes() == b"2"), "{change:?}");
    assert_eq!(second.get("/v1/entries/sport:mlb:1").await.text(), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_nothing_is_vouched_for_and_afterwards_all_begin_anew() {
    if !is_there() {
        return;
    }
    let mut redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let server = edge(&redis.url(), "edge").await;
    server.set("sport:mlb:1", "1").await;
    let mut peer = Peer::welcomed(server.address, Codec::Postcard).await;
    let followed = peer.follow("sport:mlb:", None).await;
    redis.kill();

    let read = server.get("/v1/entries/sport:mlb:1").await;
    assert_eq!((read.status, read.header("retry-after")), (503, Some("1")), "{read:?}");
    assert!(read.text().contains("cannot be reached"), "{read:?}");
    assert_eq!(server.put("/v1/entries/sport:mlb:1", "2").await.status, 503);
    // Heartbeats go on, and name the subscription no more: its lease runs off.
    let unvouched = async {
        loop {
            if let ServerFrame::Hb { subs, .. } = peer.hear().await {
                peer.say(&ClientFrame::Pong { stamp: 1 }).await;
                if subs.is_empty() {
                    return;
                }
            }
        }
    };
    soon("a heartbeat that does not vouch", unvouched).await;
    assert_eq!(server.get("/health/live").await.status, 200);
    assert_eq!(server.get("/health/ready").await.status, 503);
    let health = server.get("/health/detailed").await.json();
    let redis_part = &health["store"]["components"]["redis"];
    assert_eq!((&health["status"], &health["store"]["kind"]), (&"degraded".into(), &"redis".into()));
    assert_eq!(redis_part["state"], "failing", "{health}");
    assert!(redis_part["since"].is_string() && redis_part["last_error"].is_string(), "{health}");

    redis.run();
    let frame = soon("a reset", peer.news()).await;
    let ServerFrame::Reset { sid, epoch, .. } = frame else { panic!("{frame:?}") };
    assert_eq!(sid, followed.sid);
    assert_ne!(epoch, followed.position.epoch);
    assert_eq!(server.get("/v1/entries/sport:mlb:1").await.text(), "1", "what was acknowledged is there");
    server.set("sport:mlb:1", "3").await;
    let change = peer.change(followed).await;
    assert!(matches!(&change.items[0].body, Body::Value { payload, .. } if payload.as_bytes() == b"3"), "{change:?}");
    let ready = async { while server.get("/health/ready").await.status != 200 {} };
    soon("the server to be ready", ready).await;
    let health = server.get("/health/detailed").await.json();
    assert_eq!(health["store"]["components"]["redis"]["state"], "ok", "{health}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sources_say_while_redis_is_away_is_committed_when_it_is_back() {
    if !is_there() {
        return;
    }
    let mut redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut upstream = upstream(Reply::document(&[row("1", 1.5), row("2", 2.5)])).await;
    let mut settings = upstream.settings();
    settings
        .extend([("store.url", redis.url().as_str()), ("store.timeout_ms", "50")].map(|(k, v)| (k.into(), v.into())));
    let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let server = start(&settings).await;
    let ids = async |ids: &[&str]| {
        let keys: Vec<String> = ids.iter().map(|id| row_key(id)).collect();
        let there = async {
            loop {
                let scan = server.get("/v1/entries?scope=sport:nba:").await;
                if scan.status == 200 {
                    let items = scan.json()["items"].as_array().unwrap().clone();
                    let found: Vec<&str> = items.iter().map(|item| item["key"].as_str().unwrap()).collect();
                    if found == keys {
                        return items;
                    }
                }
            }
        };
        soon("the values that the upstream named", there).await
    };
    ids(&["1", "2"]).await;
    redis.kill();
    // A value changes twice, one is gone and one is new; each is said once.
    upstream.answer(Reply::document(&[row("1", 7.5), row("3", 3.5)]));
    upstream.asked(5).await;
    upstream.answer(Reply::document(&[row("1", 8.5), row("3", 3.5)]));
    upstream.asked(5).await;
    redis.run();
    let newest = async { while ids(&["1", "3"]).await[0]["value"]["line"] != 8.5 {} };
    soon("the newest value", newest).await;
}

/// Why a server does not start.
async fn refusal(settings: &[(&str, &str)]) -> String {
    let settings: Vec<(String, String)> = settings.iter().map(|&(key, value)| (key.into(), value.into())).collect();
    let config = Config::load(None, [], &settings).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    soon("a refusal", app::run(listener, config, std::future::pending())).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_cannot_be_trusted_with_values_is_refused_with_a_sentence() {
    if !is_there() {
        return;
    }
    let check = async |settings: &[(&str, &str)], expected: &str| {
        let why = refusal(settings).await;
        assert!(why.starts_with("store.url: ") && why.contains(expected), "`{expected}` is not in {why:?}");
    };
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check(&[("store.url", &format!("redis://{nobody}"))], "it cannot be reached").await;
    check(&[("store.url", "rediss://127.0.0.1")], "TLS (`rediss://`) is not supported yet").await;
    check(&[("store.url", "127.0.0.1")], "write `redis://").await;

    let server = RedisServer::start(&["--requirepass", "secret"]);
    check(&[("store.url", &server.url())], "it asks for a password").await;
    let wrong = format!("redis://:wrong@{}", server.address);
    check(&[("store.url", &wrong)], "does not take the user or the password").await;

    let server = RedisServer::start(&["--maxmemory-policy", "allkeys-lru"]);
    check(&[("store.url", &server.url())], "its maxmemory-policy is allkeys-lru").await;

    // One of its own: a first replica changes its lineage.
    let primary = RedisServer::start(&[]);
    let primary: SocketAddr = primary.address;
    let server = RedisServer::start(&["--replicaof", "127.0.0.1", &primary.port().to_string()]);
    check(&[("store.url", &server.url())], &format!("name its primary, {primary}")).await;

    let (url, namespace) = (RedisServer::shared().url(), namespace());
    edge(&url, &namespace).await.stop().await;
    check(&[("store.url", &url), ("store.namespace", &namespace)], "has 2 partitions").await;
}
