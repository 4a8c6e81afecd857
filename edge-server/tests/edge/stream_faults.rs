//! Clients that break the protocol, and what they are told.

use tokio_tungstenite::tungstenite::Message;
use wire::{ClientFrame, Codec, ServerFrame};

use crate::commits::{key, offset, scope};
use crate::peer::Peer;
use crate::server::start;

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_4009_and_a_reason() {
    let server = start(&[]).await;
    let check = async |codec: Codec, hello: bool, message: Message, reason: &str| {
        let mut peer = match hello {
            true => Peer::welcomed(server.address, codec).await,
            false => Peer::connect(server.address, codec).await,
        };
        peer.send(message).await;
        let (code, told) = peer.closed().await;
        assert_eq!(code, 4_009, "{told}");
        assert!(told.contains(reason), "`{reason}` is not in `{told}`");
    };
    let hello = |codec: Codec| codec.encode_client(&ClientFrame::Hello { token: None, values: true }).unwrap();
    let binary = |bytes: &[u8]| Message::Binary(bytes.to_vec().into());
    check(Codec::Postcard, true, binary(b"\xff\xff\xff"), "not a frame").await;
    check(Codec::Postcard, true, binary(b""), "not a frame").await;
    check(Codec::Postcard, true, binary(b"\x02\x05\x00"), "1 bytes follow the frame").await;
    check(Codec::Postcard, true, Message::Text("{}".into()), "spoken in binary messages").await;
    check(Codec::Json, true, binary(&hello(Codec::Json)), "spoken in text messages").await;
    check(Codec::Json, true, Message::Text("{\"sub\":".into()), "not a frame").await;
    check(Codec::Json, true, Message::Text("{\"unsub\":{\"sid\":\"é\"}}".into()), "not a frame").await;
    check(Codec::Postcard, true, binary(&hello(Codec::Postcard)), "hello was said already").await;
    let sub = ClientFrame::Sub { id: 1, scope: scope("s:a:"), since: None, stamp: 1 };
    check(Codec::Postcard, false, binary(&Codec::Postcard.encode_client(&sub).unwrap()), "must be hello").await;
    let bytes = 64 * 1024 + 1;
    check(Codec::Postcard, true, binary(&vec![0; bytes]), "65537 bytes; at most 65536 are allowed").await;
    let keys = (0..1_000).map(|number| key(&format!("s:a:{number}:{}", "x".repeat(200)))).collect();
    let get = ClientFrame::Get { id: 1, keys, min: None };
    check(Codec::Json, true, Message::Text(text(&get)), "at most 65536 are allowed").await;
}

fn text(frame: &ClientFrame) -> tokio_tungstenite::tungstenite::Utf8Bytes {
    String::from_utf8(Codec::Json.encode_client(frame).unwrap()).unwrap().into()
}

#[tokio::test]
async fn a_257th_subscription_is_refused() {
    let server = start(&[]).await;
    let mut peer = Peer::welcomed(server.address, Codec::Postcard).await;
    for number in 1..=256 {
        peer.follow(&format!("s:r{number}:"), None).await;
    }
    peer.say(&ClientFrame::Sub { id: 999, scope: scope("s:one-more:"), since: None, stamp: 1 }).await;
    let (code, reason) = peer.closed().await;
    assert_eq!(code, 4_009);
    assert!(reason.contains("follow a wider scope"), "{reason}");
}

#[tokio::test]
async fn a_get_that_is_ahead_of_the_store_is_closed_as_lost_state() {
    let server = start(&[]).await;
    let here = server.set("s:a:1", "1").await.as_of();
    let mut peer = Peer::welcomed(server.address, Codec::Postcard).await;
    let min = Some(wire::Position { offset: offset(99), ..here });
    peer.say(&ClientFrame::Get { id: 1, keys: vec![key("s:a:1")], min }).await;
    let (code, reason) = peer.closed().await;
    assert_eq!(code, 4_010);
    assert!(reason.contains("has not been reached"), "{reason}");
}

#[tokio::test]
async fn a_client_that_goes_is_forgotten_and_the_others_go_on() {
    let server = start(&[]).await;
    let mut stays = Peer::welcomed(server.address, Codec::Postcard).await;
    let followed = stays.follow("s:a:", None).await;
    for rude in [false, true] {
        let mut goes = Peer::welcomed(server.address, Codec::Postcard).await;
        goes.follow("s:a:", None).await;
        if rude {
            drop(goes);
        } else {
            goes.leave().await;
        }
    }
    server.set("s:a:1", "1").await;
    assert_eq!(stays.change(followed).await.items[0].key, key("s:a:1"));
    assert!(matches!(round_trip(&mut stays).await, ServerFrame::Got { .. }));
}

async fn round_trip(peer: &mut Peer) -> ServerFrame {
    peer.say(&ClientFrame::Get { id: 1, keys: vec![], min: None }).await;
    peer.news().await
}
