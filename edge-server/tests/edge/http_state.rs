//! What the server says of itself.

use serde_json::json;

use crate::peer::Peer;
use crate::server::start;
use crate::soon;

#[tokio::test]
async fn it_is_live_and_ready_and_says_how_its_parts_are() {
    let server = start(&[("store.partitions", "2"), ("stream.hb_ms", "300")]).await;
    let before = jiff::Timestamp::now();
    let live = server.get("/health/live").await.json();
    let now: jiff::Timestamp = live["now"].as_str().unwrap().parse().unwrap();
    assert_eq!(live["status"], "live");
    assert!((before..=jiff::Timestamp::now()).contains(&now), "{now}");
    assert_eq!(server.get("/health/ready").await.json(), json!({"status": "ready"}));
    let head = server.set("sport:mlb:1", "1").await.as_of().to_string();
    // Published is what followers were given: a moment later it is the head.
    let published = async {
        loop {
            let detailed = server.get("/health/detailed").await.json();
            if detailed["store"]["partitions"][0]["published"] == head.as_str() {
                return detailed;
            }
        }
    };
    let detailed = soon("the commit to be published", published).await;
    assert_eq!(detailed["status"], "ok");
    assert_eq!(detailed["stream"], json!({"hb_ms": 300, "lease_ms": 10_000}));
    assert_eq!(detailed["store"]["kind"], "embedded");
    let partitions = detailed["store"]["partitions"].as_array().unwrap();
    assert_eq!((partitions.len(), &partitions[0]["head"]), (1, &json!(head)));
    assert_eq!(partitions[0]["confirmed"], true);
    assert_eq!(detailed["sources"], json!({}), "no source is enabled");
    assert!(detailed["uptime_ms"].is_u64() && detailed["started_at"].is_string());
}

#[tokio::test]
async fn metrics_have_the_names_that_are_described() {
    let server = start(&[("write_token", "secret")]).await;
    let open = start(&[]).await;
    open.set("sport:mlb:1", "1").await;
    open.put("/v1/entries/sport:mlb:1?source_ts=1", "0").await;
    server.put("/v1/entries/sport:mlb:1", "1").await;
    let mut peer = Peer::welcomed(open.address, wire::Codec::Postcard).await;
    let followed = peer.follow("sport:mlb:", None).await;
    open.set("sport:mlb:1", "2").await;
    peer.change(followed).await;
    let text = server.get("/metrics").await.text().to_owned();
    for expected in [
        "edge_commits_total{result=\"ok\"}",
        "edge_writes_total{fate=\"changed\"}",
        "edge_writes_total{fate=\"stale\"}",
        "edge_published_total",
        "edge_connections",
        "edge_subscriptions_total{mode=\"fresh\"}",
        "edge_frames_sent_total",
        "edge_bytes_sent_total",
        "edge_http_requests_total{route=\"/v1/entries/{key}\",status=\"401\"}",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(text.contains("# HELP edge_published_total Commits handed to followers"), "{text}");
    let described = |line: &&str| line.starts_with("# TYPE ");
    let undescribed: Vec<&str> = text
        .lines()
        .filter(described)
        .filter_map(|line| line.split(' ').nth(2))
        .filter(|name| !text.contains(&format!("# HELP {name} ")))
        .collect();
    assert_eq!(undescribed, Vec::<&str>::new());
}

#[tokio::test]
async fn ended_values_leave_without_being_asked_for() {
    let server = start(&[]).await;
    let mut peer = Peer::welcomed(server.address, wire::Codec::Postcard).await;
    let followed = peer.follow("sport:mlb:", None).await;
    server.put("/v1/entries/sport:mlb:1?ttl_ms=1", "1").await;
    assert!(matches!(peer.change(followed).await.items[0].body, wire::Body::Value { .. }));
    assert_eq!(peer.change(followed).await.items[0].body, wire::Body::Gone);
    assert_eq!(server.get("/v1/entries/sport:mlb:1").await.status, 404);
}
