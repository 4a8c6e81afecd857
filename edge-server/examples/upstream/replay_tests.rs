//! The replay against the recordings of the project, which are read where they lie.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::replay::Replay;
use crate::upstream::Upstream;
use crate::upstream::tests::check_follows;

const PK: u32 = 746_139;
/// The timecodes of the recorded game.
const CODES: [&str; 4] = ["20240612_041248", "20240612_041302", "20240612_042717", "20240612_042758"];

/// The recordings: `EDGE_FIXTURES`, or the folder beside the checkout. `None`, with a word, where there are none; on
/// a build server that is a failure.
fn fixtures() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let dir = std::env::var_os("EDGE_FIXTURES").map_or(beside, PathBuf::from);
    if dir.is_dir() {
        return Some(dir);
    }
    assert!(std::env::var_os("CI").is_none(), "no recordings at {}", dir.display());
    eprintln!("skipped: no recordings at {}; set EDGE_FIXTURES", dir.display());
    None
}

fn recorded(dir: &Path, name: &str) -> Vec<u8> {
    std::fs::read(dir.join(name)).unwrap()
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_recorded_game_is_patched_then_answered_whole_then_patched_again() {
    let Some(dir) = fixtures() else { return };
    let mut replay = Replay::open(&dir).unwrap();
    let first = recorded(&dir, "mlb/diffpatch_746139/diffPatch_20240612_041248_to_20240612_041302.json");
    let second = recorded(&dir, "mlb/diffpatch_746139/diffPatch_20240612_042717_to_20240612_042758.json");

    assert_eq!(replay.diff_patch(PK, CODES[0]).unwrap(), b"[]");
    assert_eq!(parse(&replay.feed(PK).unwrap())["metaData"]["timeStamp"], CODES[0]);
    replay.step();
    assert!(replay.diff_patch(PK, CODES[0]).unwrap() == first);
    assert_eq!(replay.diff_patch(PK, CODES[1]).unwrap(), b"[]");
    assert_eq!(parse(&replay.feed(PK).unwrap())["metaData"]["timeStamp"], CODES[1]);
    replay.step();
    for known in [CODES[0], CODES[1], "20200101_000000"] {
        assert!(replay.diff_patch(PK, known) == replay.feed(PK));
    }
    assert_eq!(parse(&replay.feed(PK).unwrap())["metaData"]["timeStamp"], CODES[2]);
    replay.step();
    assert!(replay.diff_patch(PK, CODES[2]).unwrap() == second);
    assert!(replay.diff_patch(PK, CODES[1]) == replay.feed(PK));
    let last = replay.feed(PK).unwrap();
    assert_eq!(parse(&last)["metaData"]["timeStamp"], CODES[3]);
    replay.step();
    assert!(replay.feed(PK).unwrap() == last, "the series stays at its last");
    assert!(replay.feed(1).is_none());
}

#[test]
fn a_client_that_applies_the_recorded_patches_has_every_feed() {
    let Some(dir) = fixtures() else { return };
    check_follows(&mut Replay::open(&dir).unwrap(), 5);
}

#[test]
fn recorded_boards_follow_in_the_order_of_their_capture_byte_for_byte() {
    let Some(dir) = fixtures() else { return };
    let mut replay = Replay::open(&dir).unwrap();
    for name in ["nba_594_2024-11-15T2009", "nba_308_2024-11-15T2012", "nba_308_2024-11-15T2012"] {
        assert!(replay.projections(7) == recorded(&dir, &format!("prizepicks/{name}.json")));
        replay.step();
    }
    assert_eq!(replay.projection_counts().get(&7), Some(&308));
    assert_eq!(
        parse(&replay.projections(2))["data"],
        Value::Array(Vec::new()),
        "captures without a time are no series"
    );
}

#[test]
fn the_schedule_is_composed_from_the_recorded_feed() {
    let Some(dir) = fixtures() else { return };
    let replay = Replay::open(&dir).unwrap();
    let feed = parse(&replay.feed(PK).unwrap());
    let schedule = parse(&replay.schedule());
    let game = &schedule["dates"][0]["games"][0];
    assert_eq!((&schedule["totalGames"], &schedule["totalGamesInProgress"]), (&Value::from(1), &Value::from(1)));
    assert_eq!(schedule["dates"][0]["date"], "2024-06-11");
    assert_eq!(game["gamePk"], PK);
    assert_eq!(game["gameDate"], "2024-06-12T02:10:00Z");
    assert_eq!(game["status"], feed["gameData"]["status"]);
    for side in ["away", "home"] {
        assert_eq!(game["teams"][side]["team"]["id"], feed["gameData"]["teams"][side]["id"]);
        assert_eq!(game["teams"][side]["score"], feed["liveData"]["linescore"]["teams"][side]["runs"]);
    }
}

#[test]
fn a_directory_without_recordings_is_refused_with_its_name() {
    for dir in ["/nonexistent/recordings", env!("CARGO_MANIFEST_DIR")] {
        let refusal = Replay::open(Path::new(dir)).err().unwrap().to_string();
        assert!(refusal.contains(dir), "{refusal}");
    }
}
