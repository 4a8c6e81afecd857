//! When writes stop, every client knows what the store knows (P4).

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use wire::{Body, ClientFrame, Codec, Key, Mode, Position, ServerFrame, Verdict};

use crate::commits::{key, payload};
use crate::mirror::{Known, Mirror};
use crate::peer::Peer;
use crate::server::{Server, start};
use crate::soon;

const CLIENTS: usize = 50;
const WRITERS: usize = 4;
const WRITES: usize = 100;
const KEYS: usize = 40;

/// Follows until it has processed the position that the writers ended at, through frames or a heartbeat. Every third
/// client leaves now and then, and comes back where it was: to the next server, where there are several on one store.
pub(crate) async fn converge(
    servers: Vec<Arc<Server>>,
    number: usize,
    mut end: watch::Receiver<Option<Position>>,
) -> Mirror {
    let mut mirror: Option<Mirror> = None;
    for visit in number.. {
        let server = &servers[visit % servers.len()];
        let mut peer = Peer::welcomed(server.address, Codec::ALL[number % 2]).await;
        let since = mirror.as_ref().map(|mirror| mirror.cursor.position());
        let followed = peer.follow("sport:mlb:", since).await;
        if followed.mode == Mode::Reset && since.is_some_and(|since| since.offset > followed.position.offset) {
            // This server has not come as far as the other one had: R5.
            peer.leave().await;
            continue;
        }
        let mirror = mirror.get_or_insert_with(|| Mirror::at(followed.position));
        assert_eq!(mirror.cursor.position(), followed.position, "{followed:?}");
        let epoch = followed.position.epoch;
        for frames in 1.. {
            if end.borrow_and_update().is_some_and(|end| mirror.cursor.position() == end) {
                return mirror.clone();
            }
            if number.is_multiple_of(3) && frames % 20 == 0 {
                peer.leave().await;
                break;
            }
            match peer.hear().await {
                ServerFrame::Change { change, .. } => mirror.apply(epoch, &change),
                ServerFrame::Hb { subs, .. } => {
                    for (_, span) in subs {
                        match mirror.cursor.check(epoch, span) {
                            Verdict::Apply => mirror.cursor.advance(span.to()),
                            Verdict::Duplicate => {}
                            verdict => panic!("{verdict:?}: {span:?}"),
                        }
                    }
                    peer.say(&ClientFrame::Pong { stamp: 1 }).await;
                }
                frame => panic!("{frame:?}"),
            }
        }
    }
    unreachable!("there are visits without end")
}

pub(crate) async fn write(server: Arc<Server>, writer: usize) {
    for number in 0..WRITES {
        let key = format!("sport:mlb:{}", (number * (writer + 3) + writer) % KEYS);
        let text = format!("\"{writer}:{number}\"");
        match number % 25 {
            24 => drop(server.delete(&format!("/v1/entries/{key}")).await),
            // More than one item, and one that is too large to travel.
            12 => {
                let large = "x".repeat(2_000);
                let lines = format!(
                    "{{\"key\":\"{key}\",\"value\":{text}}}\n{{\"key\":\"sport:mlb:large\",\"value\":\"{writer}:{number}{large}\"}}\n"
                );
                assert_eq!(server.post("/v1/ingest", &lines).await.status, 200);
            }
            _ => drop(server.set(&key, &text).await),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_clients_end_with_what_the_store_has() {
    let server = Arc::new(start(&[("stream.hb_ms", "100")]).await);
    all_end_with_what_the_store_has(vec![server]).await;
}

/// Clients and writers are spread over the servers.
pub(crate) async fn all_end_with_what_the_store_has(servers: Vec<Arc<Server>>) {
    let server = servers[0].clone();
    let (ended, end) = watch::channel(None);
    let mut clients = JoinSet::new();
    // Every key is told to those who follow from the first offset on.
    for number in 0..CLIENTS {
        clients.spawn(converge(servers.clone(), number, end.clone()));
    }
    let mut writers = JoinSet::new();
    (0..WRITERS).for_each(|writer| drop(writers.spawn(write(servers[writer % servers.len()].clone(), writer))));
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let scan = server.get("/v1/entries?scope=sport:mlb:").await;
    ended.send_replace(Some(scan.as_of()));
    let truth: BTreeMap<Key, Known> = scan.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let value = payload(&item["value"].to_string());
            (key(item["key"].as_str().unwrap()), Known::Value { payload: value, tags: Vec::new() })
        })
        .collect();
    assert!(truth.len() > KEYS / 2, "{}", truth.len());
    let large = key("sport:mlb:large");
    assert!(truth.contains_key(&large));
    let mut complete = 0;
    while let Some(mirror) = soon("a client to converge", clients.join_next()).await {
        let known = mirror.unwrap().known;
        assert!(!known.contains_key(&large), "told as changed: {:?}", Body::Changed);
        for (key, known) in &known {
            match known {
                Known::Gone => assert!(!truth.contains_key(key), "{key} is back"),
                value => assert_eq!(Some(value), truth.get(key), "{key}"),
            }
        }
        complete += usize::from(truth.keys().all(|key| *key == large || known.contains_key(key)));
    }
    assert!(complete > 0, "some followed from the beginning");
}
