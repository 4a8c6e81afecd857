//! A client that stops reading, over real sockets (P6): the others hear everything meanwhile, it is closed in time, and it
//! comes back without a wrong value.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use tokio_tungstenite::tungstenite::Message;
use wire::{Codec, Mode, Offset, ServerFrame};

use crate::commits::payload;
use crate::mirror::{Known, Mirror};
use crate::peer::{Followed, Peer};
use crate::server::{Server, start};

/// How long a frame may take to leave.
const PROGRESS: Duration = Duration::from_secs(15);
/// Megabytes after which a socket must be full that nobody reads.
const TURNS_MAX: usize = 64;

/// Nobody is to be closed for its silence, and no heartbeat says what a change should have said.
const NO_HEARTBEATS: [(&str, &str); 2] = [("stream.hb_ms", "600000"), ("stream.lease_ms", "1800000")];

/// Writes a megabyte, values of a kilobyte each, and says at which offset that ended.
async fn write(server: &Server, turn: usize) -> Offset {
    let mut lines = String::new();
    for number in 0..1_000 {
        writeln!(lines, "{{\"key\":\"sport:mlb:{number}\",\"value\":\"{turn}:{}\"}}", "x".repeat(980)).unwrap();
    }
    let report = server.post("/v1/ingest", &lines).await.json();
    assert_eq!(report["changed"], 1_000, "{report}");
    server.set("sport:mlb:turn:number", &turn.to_string()).await.as_of().offset
}

/// Fifteen seconds pass for the server, and no time for the sockets.
async fn let_time_pass() {
    tokio::time::pause();
    tokio::time::advance(PROGRESS).await;
    tokio::time::resume();
}

/// How many connections were closed as slow.
async fn closed_as_slow(server: &Server) -> u64 {
    let metrics = server.get("/metrics").await;
    let line = metrics.text().lines().find_map(|line| line.strip_prefix("edge_closed_total{code=\"4008\"} "));
    line.map_or(0, |count| count.parse().unwrap())
}

/// A follower of everything, and of the turns apart.
struct Follower {
    peer: Peer,
    all: (Followed, Mirror),
    turns: (Followed, Mirror),
}

impl Follower {
    /// Begins, or goes on from where another one was.
    async fn begin(server: &Server, since: Option<Follower>) -> Follower {
        let (all, turns) = since.map_or((None, None), |before| (Some(before.all.1), Some(before.turns.1)));
        let mut peer = Peer::welcomed(server.address, Codec::Postcard).await;
        let mut follow = async |scope: &str, before: Option<Mirror>| {
            let followed = peer.follow(scope, before.as_ref().map(|mirror| mirror.cursor.position())).await;
            let mut mirror = before.unwrap_or_else(|| Mirror::at(followed.position));
            assert_eq!(followed.position, mirror.cursor.position(), "{followed:?}");
            if followed.mode != Mode::Fresh {
                mirror.apply(followed.position.epoch, &peer.change(followed).await);
            }
            (followed, mirror)
        };
        let all = follow("sport:mlb:", all).await;
        let turns = follow("sport:mlb:turn:", turns).await;
        Follower { peer, all, turns }
    }

    /// Takes the next message; how the server closes, if it does.
    async fn hear(&mut self) -> Result<(), (u16, String)> {
        let bytes = match self.peer.message().await {
            Message::Binary(bytes) => bytes,
            Message::Close(Some(frame)) => return Err((frame.code.into(), frame.reason.to_string())),
            message => panic!("{message:?}"),
        };
        match Codec::Postcard.decode_server(&bytes).unwrap() {
            ServerFrame::Change { sid, change } => {
                let followings = [&mut self.all, &mut self.turns];
                let (followed, mirror) = followings.into_iter().find(|(followed, _)| followed.sid == sid).unwrap();
                mirror.apply(followed.position.epoch, &change);
            }
            frame => assert!(matches!(frame, ServerFrame::Hb { .. }), "{frame:?}"),
        }
        Ok(())
    }

    /// Reads until everything up to a commit has been heard.
    async fn reach(&mut self, head: Offset) {
        while [&self.all, &self.turns].into_iter().any(|(_, mirror)| mirror.cursor.position().offset < head) {
            self.hear().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_socket_that_takes_nothing_for_15_seconds_is_closed_as_slow_and_resumes_without_a_wrong_value() {
    let server = start(&NO_HEARTBEATS).await;
    let mut stopped = Follower::begin(&server, None).await;
    let mut other = Follower::begin(&server, None).await;
    let slow_before = closed_as_slow(&server).await;
    // The sockets hold some megabytes before the server has to wait.
    let mut heads = Vec::new();
    while closed_as_slow(&server).await == slow_before {
        assert!(heads.len() < TURNS_MAX, "it was not closed");
        let head = write(&server, heads.len()).await;
        heads.push(head);
        other.reach(head).await;
        let_time_pass().await;
    }
    let closed = loop {
        if let Err(closed) = stopped.hear().await {
            break closed;
        }
    };
    assert_eq!(closed, (4_008, "no progress for 15 s".into()));
    let heard = stopped.all.1.cursor.position().offset;
    let taken_whole = heads.iter().filter(|head| **head <= heard).count();
    assert_eq!(heads.len(), taken_whole + 1, "it was closed 15 s after the first frame that did not leave");

    let mut back = Follower::begin(&server, Some(stopped)).await;
    assert_eq!([back.all.0.mode, back.turns.0.mode], [Mode::Replayed; 2]);
    back.reach(server.set("sport:mlb:turn:last", "true").await.as_of().offset).await;
    let truth = values(&server).await;
    for (key, known) in [&back.all, &back.turns].into_iter().flat_map(|(_, mirror)| &mirror.known) {
        let Known::Value { payload: told, .. } = known else { panic!("{key} is gone") };
        assert_eq!(Some(told), truth.get(key.as_str()).map(|text| payload(text)).as_ref(), "{key}");
    }
    // Everything was too much for one frame, and is dropped; the few values of the turns are all there.
    assert_eq!(back.turns.1.known.len(), 2);
}

/// What the server has.
async fn values(server: &Server) -> BTreeMap<String, String> {
    let scan = server.get("/v1/entries?scope=sport:mlb:").await.json();
    let items = scan["items"].as_array().unwrap().iter();
    items.map(|item| (item["key"].as_str().unwrap().to_owned(), item["value"].to_string())).collect()
}
