//! Clients and servers of different versions side by side.

use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use wire::{Codec, Mode, Position, ServerFrame};

use crate::peer::Peer;
use crate::server::{Server, start};
use crate::soon;

/// What the server takes of these offers, or the status that it refuses them with.
async fn offer(server: &Server, offered: &str) -> Result<String, u16> {
    let mut request = format!("ws://{}/v1/stream", server.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
    match soon("an upgrade", connect_async(request)).await {
        Ok((_, answer)) => Ok(answer.headers()["sec-websocket-protocol"].to_str().unwrap().into()),
        Err(Error::Http(refusal)) => Err(refusal.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_client_that_speaks_other_versions_too_is_served_in_this_one() {
    let server = start(&[]).await;
    for (offered, taken) in [
        ("coherence.v2+postcard, coherence.v1+postcard", Ok("coherence.v1+postcard")),
        ("coherence.v0+json,coherence.v1+json", Ok("coherence.v1+json")),
        ("graphql-transport-ws, coherence.v1+json, coherence.v1+postcard", Ok("coherence.v1+json")),
        ("coherence.v2+postcard", Err(400)),
        ("coherence.v1", Err(400)),
        ("Coherence.V1+JSON", Err(400)),
    ] {
        assert_eq!(offer(&server, offered).await, taken.map(str::to_owned), "{offered}");
    }
}

#[tokio::test]
async fn a_refused_offer_names_what_is_spoken() {
    let server = start(&[]).await;
    let request = server.request(reqwest::Method::GET, "/v1/stream").header("connection", "upgrade");
    let request = request.header("upgrade", "websocket").header("sec-websocket-version", "13");
    let request = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = crate::server::send(request.header("sec-websocket-protocol", "coherence.v9+cbor")).await;
    assert_eq!(answer.status, 400);
    let detail = answer.json()["detail"].to_string();
    assert!(Codec::ALL.iter().all(|codec| detail.contains(codec.subprotocol())), "{detail}");
}

/// A member that this version has no name for is passed over: a later one may add what an earlier one can do without.
#[tokio::test]
async fn members_of_a_later_version_are_passed_over_in_json() {
    let server = start(&[]).await;
    let mut peer = Peer::connect(server.address, Codec::Json).await;
    let hello = r#"{"hello":{"token":null,"values":true,"deltas":["zstd"],"locale":"de"}}"#;
    peer.send(Message::Text(hello.into())).await;
    assert!(matches!(peer.hear().await, ServerFrame::Welcome { .. }));
    let sub = r#"{"sub":{"id":1,"scope":"sport:mlb:","since":null,"stamp":1,"filter":{"team":"LAD"}}}"#;
    peer.send(Message::Text(sub.into())).await;
    assert!(matches!(peer.news().await, ServerFrame::SubOk { mode: Mode::Fresh, .. }));
    // A frame of a later version cannot be passed over: nobody knows what it asks for.
    peer.send(Message::Text(r#"{"pause":{"id":1}}"#.into())).await;
    let (code, reason) = peer.closed().await;
    assert_eq!(code, 4_009);
    assert!(reason.contains("not a frame"), "{reason}");
}

/// Two servers of one origin during a rollout: neither continues the other's positions, whatever their numbers.
#[tokio::test]
async fn a_position_of_one_server_is_a_reset_at_the_other() {
    let [old, new] = [start(&[]).await, start(&[]).await];
    for server in [&old, &new] {
        for value in 1..=3 {
            server.set("sport:mlb:1", &value.to_string()).await;
        }
    }
    let follow = async |server: &Server, since: Option<Position>| {
        let mut peer = Peer::welcomed(server.address, Codec::Postcard).await;
        let followed = peer.follow("sport:mlb:", since).await;
        peer.leave().await;
        followed
    };
    let here = follow(&old, None).await.position;
    let there = follow(&new, Some(here)).await;
    assert_eq!(there.mode, Mode::Reset);
    assert_ne!(there.position.epoch, here.epoch);
    assert_eq!(follow(&old, Some(here)).await.mode, Mode::Replayed, "and back it goes on");
}
