//! A session over a real socket, when all goes well.

use tokio_tungstenite::tungstenite::Message;
use wire::{Body, ClientFrame, Codec, Epoch, Mode, Position, ServerFrame};

use crate::commits::{key, payload};
use crate::peer::Peer;
use crate::server::{Server, elsewhere, start};
use crate::soon;

/// A server whose heartbeats come often.
async fn quick() -> Server {
    start(&[("stream.hb_ms", "100")]).await
}

#[tokio::test]
async fn a_follower_is_welcomed_and_told_of_a_write_in_both_codecs() {
    let server = start(&[("stream.hb_ms", "1500"), ("stream.lease_ms", "7000")]).await;
    for (codec, number) in Codec::ALL.into_iter().zip(1u64..) {
        let mut peer = Peer::connect(server.address, codec).await;
        peer.say(&ClientFrame::Hello { token: Some("t".into()), values: true }).await;
        let ServerFrame::Welcome { session, hb_ms: 1_500, lease_ms: 7_000, limits } = peer.hear().await else {
            panic!("no welcome");
        };
        assert!(session < 1 << 53);
        assert_eq!((limits.frame_bytes, limits.subscriptions, limits.get_keys), (65_536, 256, 1_000));
        let followed = peer.follow("sport:mlb:", None).await;
        assert_eq!((followed.mode, followed.position.offset.get()), (Mode::Fresh, number - 1));
        let text = format!("{{\"n\": {number}.50}}");
        server.set(&elsewhere(), &text).await;
        let put = server.set("sport:mlb:1", &text).await.as_of();
        let change = peer.change(followed).await;
        assert_eq!((change.span.to(), put.epoch), (put.offset, followed.position.epoch));
        assert_eq!((change.items.len(), &change.items[0].key), (1, &key("sport:mlb:1")));
        let Body::Value { payload: told, .. } = &change.items[0].body else { panic!("{change:?}") };
        assert_eq!(told, &payload(&text));
        peer.leave().await;
    }
}

/// The next message of a JSON session.
async fn hear(peer: &mut Peer) -> serde_json::Value {
    let Message::Text(text) = peer.message().await else { panic!("not a text") };
    serde_json::from_str(&text).unwrap()
}

async fn ask(peer: &mut Peer, text: &str) -> serde_json::Value {
    peer.send(Message::Text(text.into())).await;
    hear(peer).await
}

#[tokio::test]
async fn a_json_session_can_be_read_and_written_by_hand() {
    // No heartbeat comes but the one that is waited for.
    let server = start(&[("stream.hb_ms", "60000"), ("stream.lease_ms", "180000")]).await;
    let mut peer = Peer::connect(server.address, Codec::Json).await;
    let welcome = ask(&mut peer, r#"{"hello":{"token":null,"values":true}}"#).await;
    assert_eq!(welcome["welcome"]["hb_ms"], 60_000);
    let begun = ask(&mut peer, r#"{"sub":{"id":1,"scope":"sport:mlb:","since":null,"stamp":5}}"#).await;
    assert_eq!((&begun["sub_ok"]["id"], &begun["sub_ok"]["mode"]), (&1.into(), &"fresh".into()));
    // The answer vouches for nothing; the heartbeat that follows at once does.
    let sid = &begun["sub_ok"]["sid"];
    let vouched = serde_json::json!({ "hb": { "echo": 5, "subs": [[sid, { "from": 0, "to": 0 }]] } });
    assert_eq!(hear(&mut peer).await, vouched);
    let got = ask(&mut peer, r#"{"get":{"id":4,"keys":["sport:mlb:1"],"min":null}}"#).await;
    assert_eq!(got["got"]["items"][0]["value"], serde_json::Value::Null);
    server.put("/v1/entries/sport:mlb:1?source_ts=5", "1.0").await;
    let Message::Text(change) = peer.message().await else { panic!("not a text") };
    let expected = format!(
        r#"{{"change":{{"sid":{},"change":{{"span":{{"from":0,"to":1}},"items":[{{"key":"sport:mlb:1","version":1,"body":{{"value":{{"source_ts":5,"tags":[],"payload":1.0}}}}}}],"scopes":[],"tags":[]}}}}}}"#,
        begun["sub_ok"]["sid"]
    );
    assert_eq!(change.as_str(), expected);
}

#[tokio::test]
async fn who_comes_back_is_told_exactly_what_was_missed() {
    let server = start(&[]).await;
    let mut peer = Peer::welcomed(server.address, Codec::Postcard).await;
    let followed = peer.follow("sport:mlb:", None).await;
    server.set("sport:mlb:seen", "1").await;
    let cursor = Position { offset: peer.change(followed).await.span.to(), ..followed.position };
    peer.leave().await;
    server.set("sport:mlb:a", "2").await;
    server.set("sport:mlb:a", "3").await;
    let head = server.delete("/v1/entries/sport:mlb:seen").await.as_of();

    let mut peer = Peer::welcomed(server.address, Codec::Postcard).await;
    let followed = peer.follow("sport:mlb:", Some(cursor)).await;
    assert_eq!((followed.mode, followed.position), (Mode::Replayed, cursor));
    let change = peer.change(followed).await;
    assert_eq!((change.span.from(), change.span.to()), (cursor.offset, head.offset));
    let mut missed: Vec<_> = change.items.iter().map(|item| (item.key.as_str(), item.version.get())).collect();
    missed.sort_unstable();
    assert_eq!(missed, [("sport:mlb:a", 3), ("sport:mlb:seen", 4)]);
    assert!(change.items.iter().any(|item| item.body == Body::Gone));
    assert!(change.items.iter().any(|item| matches!(&item.body, Body::Value { payload: p, .. } if *p == payload("3"))));
    // A replay vouches for nothing; the heartbeat behind it does, at once.
    let ServerFrame::Hb { echo: Some(1), subs } = peer.hear().await else { panic!("no heartbeat") };
    assert_eq!((subs[0].0, subs[0].1.to()), (followed.sid, head.offset));
}

#[tokio::test]
async fn a_position_that_cannot_be_continued_is_reset_to_the_head() {
    let server = start(&[("store.log_commits", "2")]).await;
    for value in 1..=5 {
        server.set("sport:mlb:1", &value.to_string()).await;
    }
    let mut peer = Peer::welcomed(server.address, Codec::Postcard).await;
    // The hub may be a moment behind the answer of the last write.
    let caught_up = async {
        loop {
            let followed = peer.follow("sport:mlb:", None).await;
            if followed.position.offset.get() == 5 {
                return followed.position;
            }
            peer.change(followed).await;
        }
    };
    let head = soon("the hub to catch up", caught_up).await;
    let at = |number| Position { offset: crate::commits::offset(number), ..head };
    let other = Position { epoch: Epoch::from_random(head.epoch.get() + 1), ..head };
    for (since, mode) in [(at(3), Mode::Replayed), (at(2), Mode::Reset), (at(6), Mode::Reset), (other, Mode::Reset)] {
        let followed = peer.follow("sport:mlb:", Some(since)).await;
        assert_eq!(followed.mode, mode, "{since}");
        let from = if mode == Mode::Reset { head } else { since };
        assert_eq!(followed.position, from);
        if mode == Mode::Replayed {
            peer.change(followed).await;
        }
    }
    server.set("sport:mlb:1", "6").await;
    let ServerFrame::Change { change, .. } = peer.news().await else { panic!("no change") };
    assert_eq!((change.span.to().get(), change.items.len()), (6, 1), "a reset stream goes on from the head");
}

#[tokio::test]
async fn a_get_is_answered_in_order_with_a_position_each() {
    let server = start(&[]).await;
    server.put("/v1/entries/sport:mlb:1?ttl_ms=60000", "1").await;
    let here = server.set("sport:mlb:2", "2").await.as_of();
    let mut peer = Peer::welcomed(server.address, Codec::Postcard).await;
    let keys = vec![key("sport:mlb:none"), key("sport:mlb:1"), key(&elsewhere()), key("sport:mlb:2")];
    peer.say(&ClientFrame::Get { id: 8, keys: keys.clone(), min: Some(here) }).await;
    let ServerFrame::Got { id: 8, items } = peer.news().await else { panic!("no answer") };
    assert_eq!(items.iter().map(|found| found.key.clone()).collect::<Vec<_>>(), keys);
    assert_eq!((items[0].as_of, &items[0].value), (here, &None));
    let Some((version, Body::Value { payload: told, .. })) = &items[1].value else { panic!("{items:?}") };
    assert_eq!((version.get(), told), (1, &payload("1")));
    assert_ne!(items[2].as_of.epoch, here.epoch, "another partition's position");
    assert!(items[1].ttl_ms.is_some_and(|ttl_ms| (1..=60_000).contains(&ttl_ms)), "{items:?}");
    assert_eq!((items[0].ttl_ms, items[3].ttl_ms), (None, None), "no value, and one without an end");
}

#[tokio::test]
async fn a_get_whose_answer_is_too_large_for_a_frame_is_refused() {
    let server = start(&[]).await;
    let large = format!("\"{}\"", "x".repeat(900_000));
    let mut keys = Vec::new();
    for number in 0..5 {
        server.set(&format!("sport:mlb:{number}"), &large).await;
        keys.push(key(&format!("sport:mlb:{number}")));
    }
    let mut peer = Peer::welcomed(server.address, Codec::Postcard).await;
    peer.say(&ClientFrame::Get { id: 1, keys: keys[..2].to_vec(), min: None }).await;
    let ServerFrame::Got { items, .. } = peer.news().await else { panic!("no answer") };
    assert!(items.iter().all(|found| matches!(found.value, Some((_, Body::Value { .. })))));
    // Every client would refuse the frame of over 4 MiB, come back, and ask again.
    peer.say(&ClientFrame::Get { id: 2, keys, min: None }).await;
    let (code, reason) = peer.closed().await;
    assert_eq!(code, 4_009);
    assert!(reason.contains("name fewer keys"), "{reason}");
}

#[tokio::test]
async fn after_unsub_no_frame_of_it_comes() {
    let server = start(&[]).await;
    let mut peer = Peer::welcomed(server.address, Codec::Postcard).await;
    let left = peer.follow("sport:mlb:", None).await;
    let stays = peer.follow("sport:mlb:stays:", None).await;
    peer.say(&ClientFrame::Unsub { id: left.id }).await;
    // Its answer tells that the server has taken the frame before it.
    peer.say(&ClientFrame::Get { id: 1, keys: vec![key("sport:mlb:1")], min: None }).await;
    assert!(matches!(peer.news().await, ServerFrame::Got { .. }));
    server.set("sport:mlb:1", "1").await;
    server.set("sport:mlb:stays:1", "1").await;
    let change = peer.change(stays).await;
    assert_eq!(change.items[0].key, key("sport:mlb:stays:1"));
}

#[tokio::test]
async fn heartbeats_echo_the_newest_stamp_and_vouch_for_the_head() {
    let server = quick().await;
    let mut peer = Peer::welcomed(server.address, Codec::Postcard).await;
    let followed = peer.follow("sport:mlb:quiet:", None).await;
    let head = server.set("sport:mlb:1", "1").await.as_of();
    peer.say(&ClientFrame::Pong { stamp: 77 }).await;
    let vouched = async {
        loop {
            let ServerFrame::Hb { echo, subs } = peer.hear().await else { panic!("nothing else is to be told") };
            let [(sid, span)] = subs.as_slice() else { panic!("{subs:?}") };
            assert_eq!(*sid, followed.sid);
            if echo == Some(77) && span.to() == head.offset {
                break;
            }
            peer.say(&ClientFrame::Pong { stamp: 77 }).await;
        }
    };
    soon("the word for the head", vouched).await;
}

#[tokio::test]
async fn a_client_without_values_is_only_invalidated() {
    let server = start(&[]).await;
    let mut peer = Peer::connect(server.address, Codec::Postcard).await;
    peer.say(&ClientFrame::Hello { token: None, values: false }).await;
    assert!(matches!(peer.hear().await, ServerFrame::Welcome { .. }));
    let followed = peer.follow("sport:mlb:", None).await;
    server.set("sport:mlb:1", "1").await;
    assert_eq!(peer.change(followed).await.items[0].body, Body::Changed);
}

#[tokio::test]
async fn a_shutdown_says_bye_and_closes_with_4000() {
    let server = start(&[]).await;
    let mut peers = Vec::new();
    for codec in Codec::ALL {
        let mut peer = Peer::welcomed(server.address, codec).await;
        peer.follow("sport:mlb:", None).await;
        peers.push(peer);
    }
    let hear = async {
        for peer in &mut peers {
            let ServerFrame::Bye { code: 4_000, after_ms, jitter_ms } = peer.news().await else { panic!("no bye") };
            assert!(after_ms < 10_000 && jitter_ms > 0, "spread over time: {after_ms}, {jitter_ms}");
            assert_eq!(peer.closed().await.0, 4_000);
        }
    };
    tokio::join!(server.stop(), hear);
}
