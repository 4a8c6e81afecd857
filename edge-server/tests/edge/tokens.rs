//! Readers that must show a token: over the socket, over HTTP, and when the token ends.

use edge_server::access::{Access, sign};
use edge_server::publish::Begun;
use edge_server::session::{Due, Request, Session, Timing, Violation};
use jiff::Timestamp;
use reqwest::Method;
use wire::{ClientFrame, CloseCode, Codec, Mode, ServerFrame};

use crate::commits::{commit, key, position, scope, value};
use crate::hub::{Reader, hub};
use crate::peer::Peer;
use crate::server::{Answer, Server, send, start};

const SECRET: &str = "a secret that only the tests know of";

async fn guarded() -> Server {
    start(&[("read_secrets", SECRET), ("write_token", "writer"), ("prefetch.k", "2")]).await
}

fn token(seconds: i64, scopes: &[&str]) -> String {
    sign(SECRET, Timestamp::now().as_second() + seconds, scopes)
}

async fn hello(server: &Server, token: Option<String>) -> Peer {
    let mut peer = Peer::connect(server.address, Codec::Postcard).await;
    peer.say(&ClientFrame::Hello { token, values: true }).await;
    peer
}

async fn get(server: &Server, path: &str, token: Option<&str>) -> Answer {
    let request = server.request(Method::GET, path);
    send(match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    })
    .await
}

async fn set(server: &Server, key: &str, value: &str) -> Answer {
    let request = server.request(Method::PUT, &format!("/v1/entries/{key}"));
    send(request.header("authorization", "Bearer writer").body(value.to_owned())).await
}

#[tokio::test]
async fn a_token_that_proves_nothing_is_closed_with_4003_and_one_that_has_expired_with_4001() {
    let server = guarded().await;
    let other = sign("a secret that the server does not know", i64::MAX / 2_000, &["*"]);
    let checks = [
        (None, 4_003, "a token is needed"),
        (Some("no token".into()), 4_003, "no JSON Web Token"),
        (Some(other), 4_003, "not signed by who may"),
        (Some(token(-1, &["*"])), 4_001, "the token has expired"),
    ];
    for (token, code, reason) in checks {
        let (told, why) = hello(&server, token).await.closed().await;
        assert_eq!(told, code, "{why}");
        assert!(why.contains(reason), "{why}");
    }
}

#[tokio::test]
async fn a_token_lets_its_scopes_be_followed_and_no_others() {
    let server = guarded().await;
    let allowed = Some(token(600, &["sport:mlb:", "sport:nba:props:"]));
    let mut peer = hello(&server, allowed.clone()).await;
    assert!(matches!(peer.hear().await, ServerFrame::Welcome { .. }));
    for name in ["sport:mlb:", "sport:mlb:games:", "sport:nba:props:"] {
        assert_eq!(peer.follow(name, None).await.mode, Mode::Fresh);
    }
    set(&server, "sport:mlb:1", "1").await;
    let ServerFrame::Change { .. } = peer.news().await else { panic!("no change") };
    peer.say(&ClientFrame::Sub { id: 9, scope: scope("sport:nba:"), since: None, stamp: 1 }).await;
    assert_eq!(peer.closed().await, (4_003, "the token does not allow sport:nba:".into()));
    let mut peer = hello(&server, allowed).await;
    assert!(matches!(peer.hear().await, ServerFrame::Welcome { .. }));
    let keys = vec![key("sport:mlb:1"), key("sport:nfl:1")];
    peer.say(&ClientFrame::Get { id: 1, keys, min: None }).await;
    assert_eq!(peer.closed().await, (4_003, "the token does not allow sport:nfl:1".into()));
}

#[tokio::test]
async fn a_connection_is_closed_with_4001_when_its_token_ends_and_the_next_goes_on_from_the_cursor() {
    let server = guarded().await;
    let ends = token(2, &["*"]);
    let mut peer = hello(&server, Some(ends)).await;
    assert!(matches!(peer.hear().await, ServerFrame::Welcome { .. }));
    let followed = peer.follow("sport:mlb:", None).await;
    assert_eq!(peer.closed().await, (4_001, "the token has expired".into()));
    set(&server, "sport:mlb:1", "1").await;
    let mut peer = hello(&server, Some(token(600, &["*"]))).await;
    assert!(matches!(peer.hear().await, ServerFrame::Welcome { .. }));
    let again = peer.follow("sport:mlb:", Some(followed.position)).await;
    assert_eq!(again.mode, Mode::Replayed);
    assert_eq!(peer.change(again).await.items.len(), 1);
}

#[tokio::test]
async fn every_read_over_http_needs_a_token_that_allows_it() {
    let server = guarded().await;
    assert_eq!(set(&server, "sport:mlb:1", "1").await.status, 200);
    let mlb = token(600, &["sport:mlb:"]);
    let paths = ["/v1/entries/sport:mlb:1", "/v1/entries?scope=sport:mlb:", "/v1/prefetch-model?scope=sport:mlb:"];
    for path in paths {
        for refused in [None, Some(token(-1, &["*"])), Some("no token".into())] {
            let answer = get(&server, path, refused.as_deref()).await;
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{path}");
            assert!(answer.json()["detail"].as_str().unwrap().contains("Authorization: Bearer"), "{answer:?}");
        }
        for allowed in [&mlb, &token(600, &["*"]), "writer"] {
            assert_eq!(get(&server, path, Some(allowed)).await.status, 200, "{path}");
        }
    }
    for path in ["/v1/entries/sport:nba:1", "/v1/entries?scope=sport:nba:"] {
        let answer = get(&server, path, Some(&mlb)).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("does not allow `sport:nba:"), "{answer:?}");
    }
    let many = |keys: &'static str| {
        let request = server.request(Method::POST, "/v1/entries:get").header("content-type", "application/json");
        send(request.header("authorization", format!("Bearer {mlb}")).body(keys))
    };
    assert_eq!(many(r#"{"keys":["sport:mlb:1","sport:mlb:2"]}"#).await.status, 200);
    assert_eq!(many(r#"{"keys":["sport:mlb:1","sport:nba:1"]}"#).await.status, 403);
    assert_eq!(get(&server, "/health/live", None).await.status, 200, "health is nobody's secret");
}

#[tokio::test]
async fn a_readers_token_writes_nothing() {
    let server = guarded().await;
    let request = server.request(Method::PUT, "/v1/entries/sport:mlb:1");
    let all = token(600, &["*"]);
    assert_eq!(send(request.header("authorization", format!("Bearer {all}")).body("1")).await.status, 401);
}

#[tokio::test]
async fn the_model_of_reads_names_only_what_may_be_read() {
    let server = guarded().await;
    let keys = ["sport:mlb:1", "sport:nba:1", "sport:mlb:2"];
    for key in keys {
        set(&server, key, "1").await;
    }
    for reader in 0..8 {
        for key in keys.iter().chain(["sport:mlb:1", "sport:mlb:2", "sport:nba:1"].iter()) {
            let request = server.request(Method::GET, &format!("/v1/entries/{key}"));
            let request = request.header("cache-reader", format!("r{reader}"));
            assert_eq!(send(request.header("authorization", "Bearer writer")).await.status, 200);
        }
    }
    let model = get(&server, "/v1/prefetch-model", Some("writer")).await;
    assert!(model.text().contains("sport:nba:1") && model.text().contains("sport:mlb:1"), "{model:?}");
    let model = get(&server, "/v1/prefetch-model", Some(&token(600, &["sport:mlb:"]))).await;
    assert!(!model.text().contains("sport:nba:1") && model.text().contains("sport:mlb:1"), "{model:?}");
}

const TIMING: Timing = Timing { hb_ms: 2_000, lease_ms: 10_000 };

/// A session whose grant ends at 1,000 by the wall clock, when its own clock is at 400 and that at `wall_ms`.
fn admitted(wall_ms: i64) -> Session {
    let mut session = Session::new(1, Codec::Postcard, TIMING, 0).guarded();
    let shown = sign(SECRET, 1, &["s:a:"]);
    let frame = ClientFrame::Hello { token: Some(shown), values: true };
    let asked = session.handle(&Codec::Postcard.encode_client(&frame).unwrap(), 400).unwrap();
    let Some(Request::Greet { token }) = asked else { panic!("{asked:?}") };
    assert_eq!(session.poll(), None, "nothing is said before the token was judged");
    let grant = Access::new(&[SECRET.into()], "").judge(token.as_ref(), wall_ms).unwrap();
    session.admit(grant, 400, wall_ms);
    session
}

fn frames(session: &mut Session) -> Vec<ServerFrame> {
    std::iter::from_fn(|| session.poll()).map(|bytes| Codec::Postcard.decode_server(&bytes).unwrap()).collect()
}

fn expired() -> Due {
    Due::Close(Violation { code: CloseCode::TokenExpired, reason: "the token has expired".into() })
}

#[test]
fn a_grant_ends_by_a_clock_that_does_not_jump() {
    let session = admitted(700);
    assert_eq!(session.poll_timeout(), 700, "300 ms were left at 400");
    assert_eq!((session.wake(699), session.wake(700)), (Due::Nothing, expired()));
}

#[test]
fn from_its_end_on_nothing_is_asked_or_vouched_for() {
    let mut session = admitted(700);
    let sub = ClientFrame::Sub { id: 1, scope: scope("s:a:"), since: None, stamp: 1 };
    let bytes = Codec::Postcard.encode_client(&sub).unwrap();
    assert!(session.handle(&bytes, 699).is_ok());
    assert_eq!(session.handle(&bytes, 700).unwrap_err().code, CloseCode::TokenExpired);
    // The heartbeat is due too, and would have vouched.
    assert_eq!(session.wake(9_000), expired());
}

/// What a token's end cuts off is told whole or not at all, and whoever comes back is told it again.
#[test]
fn a_token_that_ends_while_a_replay_waits_takes_nothing_from_who_comes_back() {
    let hub = hub(10);
    hub.publish(&commit(1, &[("s:a:1", value(1, "1", &[]))]));
    let mut session = admitted(700);
    frames(&mut session);
    let begin = |session: &mut Session, reader: &Reader, now_ms| {
        let begun: Begun = reader.follow(&hub, "s:a:", Some(position(7, 0)));
        session.begun(1, scope("s:a:"), begun, now_ms);
    };
    begin(&mut session, &Reader::new(1), 699);
    // Nothing has left when the token ends: the shell closes, and what waits is dropped with the session.
    assert_eq!(session.wake(700), expired());
    hub.unsubscribe(&scope("s:a:"), 1);
    hub.publish(&commit(2, &[("s:a:2", value(2, "2", &[]))]));
    let mut next = Session::new(2, Codec::Postcard, TIMING, 700);
    let hello = ClientFrame::Hello { token: None, values: true };
    next.handle(&Codec::Postcard.encode_client(&hello).unwrap(), 700).unwrap();
    frames(&mut next);
    begin(&mut next, &Reader::new(2), 700);
    match frames(&mut next).as_slice() {
        [ServerFrame::SubOk { mode: Mode::Replayed, .. }, ServerFrame::Change { change, .. }] => {
            assert_eq!((change.span.from().get(), change.span.to().get(), change.items.len()), (0, 2, 2));
        }
        frames => panic!("{frames:?}"),
    }
}
