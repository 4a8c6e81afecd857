//! The server goes away while writers write and followers follow, some of them slowly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use reqwest::Method;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use wire::{ClientFrame, Codec, Cursor, Position, ServerFrame, Verdict};

use crate::peer::Peer;
use crate::server::{client, start};
use crate::soon;

const FOLLOWERS: usize = 40;
const WRITERS: usize = 4;

/// How a follower's connection ended.
#[derive(Debug)]
struct Ended {
    /// Up to where it was told, without a hole.
    told: Position,
    bye: bool,
    code: u16,
}

/// Follows to the end. One that is slow reads nothing before the server was asked to go away.
async fn follow(mut peer: Peer, codec: Codec, from: Position, going: Arc<AtomicBool>, is_slow: bool) -> Ended {
    let mut ended = Ended { told: from, bye: false, code: 0 };
    let mut cursor = Cursor::at(from);
    while is_slow && !going.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    loop {
        let bytes = match peer.message().await {
            Message::Close(frame) => {
                ended.code = frame.map_or(0, |frame| frame.code.into());
                return ended;
            }
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.into(),
            message => panic!("{message:?}"),
        };
        assert!(!ended.bye, "nothing comes between bye and the close");
        match codec.decode_server(&bytes).unwrap() {
            ServerFrame::Change { change, .. } => {
                let verdict = cursor.check(from.epoch, change.span);
                assert!(matches!(verdict, Verdict::Apply | Verdict::Duplicate), "{verdict:?}: {:?}", change.span);
                cursor.advance(change.span.to());
            }
            ServerFrame::Hb { subs, .. } => {
                subs.iter().for_each(|(_, span)| cursor.advance(span.to()));
                peer.try_say(&ClientFrame::Pong { stamp: 1 }).await;
            }
            ServerFrame::Bye { code, .. } => {
                assert_eq!(code, 4_000);
                ended.bye = true;
            }
            frame => panic!("{frame:?}"),
        }
        ended.told = cursor.position();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_follower_is_told_all_that_was_acknowledged_before_and_then_bye() {
    let server = start(&[("stream.hb_ms", "200")]).await;
    let going = Arc::new(AtomicBool::new(false));
    let mut followers = JoinSet::new();
    for number in 0..FOLLOWERS {
        let codec = Codec::ALL[number % 2];
        let mut peer = Peer::welcomed(server.address, codec).await;
        let from = peer.follow("sport:mlb:", None).await.position;
        followers.spawn(follow(peer, codec, from, going.clone(), number % 4 == 3));
    }
    // The newest commit that a writer was told of.
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (address, acknowledged) = (server.address, acknowledged.clone());
        writers.spawn(async move {
            let http = client();
            // Until the listener is gone.
            for number in 0u64.. {
                let url = format!("http://{address}/v1/entries/sport:mlb:{writer}:{}", number % 50);
                let sent = http.request(Method::PUT, url).body(number.to_string()).send().await;
                let Ok(answer) = sent else { return number };
                let Some(as_of) = answer.headers().get("cache-as-of") else { return number };
                let position: Position = as_of.to_str().unwrap().parse().unwrap();
                acknowledged.fetch_max(position.offset.get(), Ordering::SeqCst);
            }
            0
        });
    }
    let busy = async {
        while acknowledged.load(Ordering::SeqCst) < 400 {
            tokio::task::yield_now().await;
        }
    };
    soon("some load", busy).await;
    let before = acknowledged.load(Ordering::SeqCst);
    going.store(true, Ordering::SeqCst);
    server.stop().await;
    while let Some(ended) = soon("a follower's end", followers.join_next()).await {
        let ended = ended.unwrap();
        assert!(ended.bye && ended.code == 4_000, "{ended:?}");
        assert!(ended.told.offset.get() >= before, "{before} was acknowledged before: {ended:?}");
    }
    while let Some(written) = soon("a writer's end", writers.join_next()).await {
        assert!(written.unwrap() > 50, "every writer wrote until the end");
    }
}
