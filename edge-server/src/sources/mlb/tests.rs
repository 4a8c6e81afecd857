//! Games followed from the schedule to their end.

mod properties;
mod recorded;

use serde_json::json;

use super::*;
use crate::source::Record;
use crate::sources::fixtures::{self, with};

/// 2026-08-07T23:00:00Z.
const NOW_MS: i64 = 1_786_143_600_000;
/// The timecode of [`feed`], 2026-08-07T22:59:50Z.
const FEED_MS: i64 = NOW_MS - 10_000;
const PK: u64 = 9001;

fn game(pk: u64, state: &str) -> Value {
    json!({
        "gamePk": pk, "officialDate": "2026-08-07", "gameDate": "2026-08-07T22:40:00Z",
        "status": {"abstractGameState": state, "detailedState": "In Progress"},
        "teams": {
            "away": {"team": {"id": 1, "name": "Owls"}, "score": 2},
            "home": {"team": {"id": 2, "name": "Larks"}}
        }
    })
}

fn feed() -> Value {
    json!({
        "gamePk": PK,
        "metaData": {"wait": 12, "timeStamp": "20260807_225950"},
        "gameData": {
            "status": {"abstractGameState": "Live", "detailedState": "In Progress"},
            "teams": {
                "away": {"id": 1, "name": "Owls", "abbreviation": "OWL"},
                "home": {"id": 2, "name": "Larks", "abbreviation": "LRK"}
            }
        },
        "liveData": {
            "linescore": {
                "currentInning": 3, "inningHalf": "Bottom", "outs": 1, "balls": 2, "strikes": 0,
                "teams": {"away": {"runs": 2, "hits": 5, "errors": 0}, "home": {"runs": 0, "hits": 1, "errors": 1}},
                "offense": {"batter": {"id": 21, "fullName": "B. Atter"}, "second": {"id": 22, "fullName": "R. Unner"}},
                "defense": {"pitcher": {"id": 11, "fullName": "P. Itcher"}}
            },
            "plays": {"currentPlay": {
                "about": {"atBatIndex": 17, "inning": 3, "halfInning": "bottom", "isComplete": false},
                "result": {"awayScore": 2, "homeScore": 0},
                "count": {"balls": 2, "strikes": 0, "outs": 1},
                "matchup": {
                    "batter": {"id": 21, "fullName": "B. Atter"}, "pitcher": {"id": 11, "fullName": "P. Itcher"}
                },
                "playEvents": [
                    {"isPitch": true, "details": {"call": {"description": "Ball"}, "type": {"description": "Slider"}},
                     "pitchData": {"startSpeed": 85.5}},
                    {"isPitch": false, "details": {"description": "Mound Visit."}},
                    {"isPitch": true, "details": {"call": {"description": "Ball"}, "type": {"description": "Sinker"}},
                     "pitchData": {"startSpeed": 96}},
                    {"isPitch": false}
                ]
            }}
        }
    })
}

fn replace(path: &str, value: impl Into<Value>) -> Value {
    json!({"op": "replace", "path": path, "value": value.into()})
}

/// Changes that move the timecode by one second, among others.
fn changes(operations: &[Value]) -> Value {
    let mut diff = vec![replace("/metaData/timeStamp", json!("20260807_225951"))];
    diff.extend_from_slice(operations);
    json!([{ "diff": diff }])
}

fn accept(mlb: &mut Mlb, request: &Request, document: &Value) -> Outcome {
    mlb.accept(request, document.to_string().as_bytes(), NOW_MS).unwrap()
}

fn schedule(mlb: &mut Mlb, games: &[Value]) -> Outcome {
    accept(mlb, &mlb.schedule_request(0), &json!({"dates": [{ "games": games }]}))
}

/// A source that holds the feed, and its request for changes.
fn following() -> (Mlb, Request) {
    let mut mlb = Mlb::new(None);
    let found = schedule(&mut mlb, &[game(PK, "Live")]);
    let outcome = accept(&mut mlb, &found.next[1], &feed());
    (mlb, outcome.next[0].clone())
}

fn text(record: &Record) -> &str {
    std::str::from_utf8(record.payload.as_ref().unwrap().as_bytes()).unwrap()
}

fn value(outcome: &Outcome, what: &str) -> Value {
    let record = outcome.records.iter().find(|record| record.key.as_str().ends_with(what)).unwrap();
    serde_json::from_str(text(record)).unwrap()
}

fn paths(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(|request| request.path.as_str()).collect()
}

const SCHEDULE_PATH: &str = "/api/v1/schedule?sportId=1";
const FEED_PATH: &str = "/api/v1.1/game/9001/feed/live";

#[test]
fn it_starts_with_the_schedule() {
    let requests = Mlb::new(None).start();
    assert_eq!(paths(&requests), [SCHEDULE_PATH]);
    assert_eq!((requests[0].topic.as_str(), requests[0].after_ms), ("schedule", 0));
}

#[test]
fn a_scheduled_game_becomes_a_summary() {
    let outcome = schedule(&mut Mlb::new(None), &[game(PK, "Preview"), game(9002, "Live")]);
    let [preview, live] = &outcome.records[..] else { panic!("{outcome:?}") };
    assert_eq!(preview.key.as_str(), "sport:mlb:games:9001:summary");
    assert_eq!((preview.source_ts, preview.priority, live.priority), (NOW_MS, Priority::Historical, Priority::Live));
    assert_eq!(
        text(preview),
        concat!(
            r#"{"source":"mlb","game":9001,"date":"2026-08-07","start":"2026-08-07T22:40:00Z","state":"Preview","#,
            r#""detail":"In Progress","away":{"id":1,"name":"Owls","score":2},"#,
            r#""home":{"id":2,"name":"Larks","score":null}}"#
        )
    );
    assert_eq!(outcome.listing, None);
}

#[test]
fn every_game_in_progress_is_taken_up_once() {
    let mut mlb = Mlb::new(None);
    let games = [game(PK, "Live"), game(9002, "Preview"), game(9003, "Live"), game(9004, "Final")];
    let outcome = schedule(&mut mlb, &games);
    assert_eq!(paths(&outcome.next), [SCHEDULE_PATH, FEED_PATH, "/api/v1.1/game/9003/feed/live"]);
    assert_eq!(outcome.next[1], Request { after_ms: 0, ..fixtures::request("game/9001", FEED_PATH) });
    assert_eq!(paths(&schedule(&mut mlb, &games).next), [SCHEDULE_PATH], "their feeds are on the way");
}

#[test]
fn the_schedule_is_asked_for_at_the_pace_of_the_games_at_most_every_30_seconds() {
    let check = |poll_ms: Option<u64>, expected: u64| {
        assert_eq!(schedule(&mut Mlb::new(poll_ms), &[]).next[0].after_ms, expected, "{poll_ms:?}");
    };
    check(None, 30_000);
    check(Some(500), 5_000);
    check(Some(10_000), 30_000);
    check(Some(u64::MAX), 30_000);
}

#[test]
fn a_game_under_two_dates_is_the_one_in_progress() {
    let mut mlb = Mlb::new(None);
    let days =
        |first: &str, second: &str| json!({"dates": [{"games": [game(PK, first)]}, {"games": [game(PK, second)]}]});
    let request = mlb.schedule_request(0);
    assert_eq!(value(&accept(&mut mlb, &request, &days("Live", "Preview")), "summary")["state"], "Live");
    assert_eq!(value(&accept(&mut mlb, &request, &days("Preview", "Live")), "summary")["state"], "Live");
    assert_eq!(value(&accept(&mut mlb, &request, &days("Preview", "Final")), "summary")["state"], "Final");
}

#[test]
fn a_scheduled_game_without_a_number_is_refused_and_ends_no_other() {
    let (mut mlb, next) = following();
    let request = mlb.schedule_request(0);
    let nameless = json!({"officialDate": "2026-08-07"});
    let outcome = accept(&mut mlb, &request, &json!({"dates": [{"games": [nameless, game(9002, "Preview")]}, {}]}));
    assert_eq!(outcome.records.len(), 1);
    let told: Vec<_> = outcome.rejects.iter().map(|reject| (reject.at.as_str(), reject.reason)).collect();
    assert_eq!(told, [("dates[0].games[0]", "no_game_pk"), ("dates[1]", "no_games")]);
    assert_eq!(accept(&mut mlb, &next, &json!([])).next, [next], "9001 may be the game without a number");
}

#[test]
fn a_feed_becomes_the_state_of_the_game_and_its_play() {
    let mut mlb = Mlb::new(None);
    let outcome = accept(&mut mlb, &Mlb::feed_request(PK), &feed());
    let [live, play] = &outcome.records[..] else { panic!("{outcome:?}") };
    assert_eq!(live.key.as_str(), "sport:mlb:games:9001:live");
    assert_eq!(play.key.as_str(), "sport:mlb:games:9001:play");
    for record in [live, play] {
        assert_eq!((record.source_ts, record.priority), (FEED_MS, Priority::Live));
    }
    assert_eq!(
        text(live),
        concat!(
            r#"{"source":"mlb","game":9001,"timecode":"20260807_225950","state":"Live","detail":"In Progress","#,
            r#""inning":3,"half":"bottom","outs":1,"balls":2,"strikes":0,"#,
            r#""away":{"id":1,"name":"Owls","abbr":"OWL","runs":2,"hits":5,"errors":0},"#,
            r#""home":{"id":2,"name":"Larks","abbr":"LRK","runs":0,"hits":1,"errors":1},"#,
            r#""bases":{"first":null,"second":"R. Unner","third":null},"#,
            r#""batter":{"id":21,"name":"B. Atter"},"pitcher":{"id":11,"name":"P. Itcher"}}"#
        )
    );
    assert_eq!(
        text(play),
        concat!(
            r#"{"source":"mlb","game":9001,"timecode":"20260807_225950","at_bat":17,"inning":3,"half":"bottom","#,
            r#""batter":{"id":21,"name":"B. Atter"},"pitcher":{"id":11,"name":"P. Itcher"},"#,
            r#""event":null,"description":null,"complete":false,"balls":2,"strikes":0,"outs":1,"#,
            r#""away_score":2,"home_score":0,"pitches":2,"#,
            r#""last_pitch":{"call":"Ball","type":"Sinker","speed_mph":96.0}}"#
        )
    );
}

#[test]
fn what_a_feed_lacks_is_null() {
    let bare = json!({"gamePk": PK, "metaData": {"timeStamp": "20260807_225950"}});
    let outcome = accept(&mut Mlb::new(None), &Mlb::feed_request(PK), &bare);
    let (live, play) = (value(&outcome, "live"), value(&outcome, "play"));
    for field in ["state", "inning", "half", "batter", "pitcher"] {
        assert_eq!(live[field], Value::Null, "{field}");
    }
    assert_eq!(
        live["away"],
        json!({"id": null, "name": null, "abbr": null, "runs": null, "hits": null, "errors": null})
    );
    assert_eq!((&play["at_bat"], &play["last_pitch"], &play["pitches"]), (&Value::Null, &Value::Null, &json!(0)));
    assert_eq!(outcome.next[0].after_ms, 10_000);
}

#[test]
fn changes_are_asked_for_since_the_timecode_as_often_as_the_feed_says() {
    let check = |poll_ms: Option<u64>, wait: Value, expected: u64| {
        let document = with(feed(), "/metaData/wait", wait.clone());
        let outcome = accept(&mut Mlb::new(poll_ms), &Mlb::feed_request(PK), &document);
        let path = format!("{FEED_PATH}/diffPatch?startTimecode=20260807_225950");
        let wanted = Request { after_ms: expected, ..fixtures::request("game/9001", &path) };
        assert_eq!(outcome.next, [wanted], "{poll_ms:?} {wait}");
    };
    check(None, json!(12), 12_000);
    check(Some(700), json!(12), 700);
    check(None, json!("12"), 10_000);
    check(None, json!(0), 1_000);
    check(None, json!(u64::MAX), 300_000);
}

#[test]
fn no_changes_are_no_records() {
    for nothing in [json!([]), json!([{ "diff": [] }])] {
        let (mut mlb, next) = following();
        let outcome = accept(&mut mlb, &next, &nothing);
        assert_eq!((outcome.records, outcome.rejects), (vec![], vec![]));
        assert_eq!(outcome.next, [next]);
    }
}

#[test]
fn changes_are_applied_in_order_to_the_whole_document() {
    let (mut mlb, next) = following();
    let mut steps = changes(&[
        json!({"op": "add", "path": "/elsewhere", "value": {"outs": 2}}),
        json!({"op": "copy", "from": "/elsewhere/outs", "path": "/liveData/linescore/outs"}),
        json!({"op": "move", "from": "/liveData/linescore/offense/second", "path": "/liveData/linescore/offense/third"}),
        json!({"op": "remove", "path": "/liveData/plays/currentPlay/playEvents/2"}),
    ]);
    let later =
        json!({"diff": [replace("/metaData/timeStamp", json!("20260807_230001")), replace("/elsewhere", json!(0))]});
    steps.as_array_mut().unwrap().push(later);
    let outcome = accept(&mut mlb, &next, &steps);
    let (live, play) = (value(&outcome, "live"), value(&outcome, "play"));
    assert_eq!((&live["outs"], &live["bases"]["third"]), (&json!(2), &json!("R. Unner")));
    assert_eq!((&play["pitches"], &play["last_pitch"]["type"]), (&json!(1), &json!("Slider")));
    assert_eq!(outcome.records[0].source_ts, NOW_MS + 1_000);
    assert!(outcome.next[0].path.ends_with("/diffPatch?startTimecode=20260807_230001"), "{:?}", outcome.next);
}

#[test]
fn changes_that_fail_cost_one_whole_feed() {
    let check = |broken: Value, at: &str| {
        let (mut mlb, next) = following();
        let outcome = accept(&mut mlb, &next, &broken);
        assert_eq!(outcome.records, [], "{broken}");
        let [reject] = &outcome.rejects[..] else { panic!("{broken}: {outcome:?}") };
        assert_eq!((reject.reason, &reject.key), ("patch_failed", &None));
        assert!(reject.at.contains(at), "{}", reject.at);
        assert_eq!(outcome.next, [fixtures::request("game/9001", FEED_PATH)], "{broken}");
        assert_eq!(paths(&schedule(&mut mlb, &[game(PK, "Live")]).next), [SCHEDULE_PATH], "it is on the way");

        let again = accept(&mut mlb, &outcome.next[0], &feed());
        assert_eq!(value(&again, "live")["outs"], 1, "{broken}: nothing of it is left");
        assert_eq!(again.next, [next]);
    };
    let outs = replace("/liveData/linescore/outs", json!(2));
    check(changes(&[outs.clone(), replace("/no/such/place", json!(1))]), "[0].diff[2] /no/such/place");
    check(changes(&[outs.clone(), json!({"op": "test", "path": "/gamePk", "value": 1})]), "[0].diff[2] /gamePk");
    check(changes(&[json!({"op": "remove", "path": "/liveData/plays/allPlays/0"})]), "[0].diff[1]");
    check(json!([{"diff": [{"op": "shuffle", "path": "/gamePk"}]}]), "[0]: ");
    check(json!([changes(&[])[0], 7]), "[1]: ");
    check(json!([{"diff": [outs]}]), "its timeStamp is still 20260807_225950");
    check(changes(&[replace("/gamePk", json!(1))]), "it is of game 1");
    check(changes(&[replace("/metaData", json!({}))]), "it has no metaData.timeStamp");
}

#[test]
fn a_whole_feed_in_place_of_changes_is_taken() {
    let (mut mlb, next) = following();
    let whole =
        with(with(feed(), "/liveData/linescore/outs", json!(2)), "/metaData/timeStamp", json!("20260807_230000"));
    let outcome = accept(&mut mlb, &next, &whole);
    assert_eq!(value(&outcome, "live")["outs"], 2);
    assert!(outcome.next[0].path.ends_with("=20260807_230000"));
}

#[test]
fn a_finished_game_is_told_a_last_time_and_not_taken_up_again() {
    let (mut mlb, next) = following();
    let end = changes(&[replace("/gameData/status/abstractGameState", json!("Final"))]);
    let outcome = accept(&mut mlb, &next, &end);
    assert_eq!((value(&outcome, "live")["state"].clone(), outcome.records.len()), (json!("Final"), 2));
    assert_eq!(outcome.next, []);
    assert!(mlb.games.is_empty(), "its document is dropped");
    assert_eq!(paths(&schedule(&mut mlb, &[game(PK, "Live")]).next), [SCHEDULE_PATH], "the schedule lags behind");
    assert_eq!(paths(&schedule(&mut mlb, &[game(PK, "Final")]).next), [SCHEDULE_PATH]);
    schedule(&mut mlb, &[]);
    assert!(mlb.finished.is_empty(), "what the schedule no longer has need not be remembered");
}

#[test]
fn a_game_the_schedule_gives_up_ends_with_its_next_answer() {
    for games in [vec![game(PK, "Preview")], vec![game(PK, "Final")]] {
        let (mut mlb, next) = following();
        assert_eq!(paths(&schedule(&mut mlb, &games).next), [SCHEDULE_PATH]);
        let outcome = accept(&mut mlb, &next, &changes(&[replace("/liveData/linescore/outs", json!(2))]));
        assert_eq!(value(&outcome, "live")["outs"], 2);
        assert_eq!(outcome.next, []);
        let late = accept(&mut mlb, &next, &changes(&[]));
        assert_eq!((late.records, late.next), (vec![], vec![]));
        assert_eq!(paths(&schedule(&mut mlb, &[game(PK, "Live")]).next), [SCHEDULE_PATH, FEED_PATH], "it is back");
    }
}

#[test]
fn a_game_the_schedule_no_longer_has_goes_on() {
    let (mut mlb, next) = following();
    schedule(&mut mlb, &[]);
    assert_eq!(accept(&mut mlb, &next, &json!([])).next, [next]);
}

#[test]
fn a_game_given_up_and_found_again_goes_on() {
    let (mut mlb, next) = following();
    schedule(&mut mlb, &[game(PK, "Preview")]);
    assert_eq!(paths(&schedule(&mut mlb, &[game(PK, "Live")]).next), [SCHEDULE_PATH], "a request is under way still");
    assert_eq!(accept(&mut mlb, &next, &json!([])).next, [next]);
}

#[test]
fn an_answer_that_is_not_what_was_asked_for_is_an_error() {
    let check = |topic: &str, path: &str, body: &str, part: &str| {
        let error = following().0.accept(&fixtures::request(topic, path), body.as_bytes(), NOW_MS).unwrap_err();
        let SourceError::Document { source_name, topic: told, detail, .. } = error;
        assert_eq!((source_name, told.as_str()), ("mlb", topic));
        assert!(detail.contains(part), "{detail}");
    };
    let diff_path = format!("{FEED_PATH}/diffPatch?startTimecode=20260807_225950");
    check("schedule", SCHEDULE_PATH, "<html>", "begins \"<html>\"");
    check("schedule", SCHEDULE_PATH, "[]", "it has no dates");
    check("schedule", SCHEDULE_PATH, r#"{"dates":7}"#, "it has no dates");
    check("game/9001", FEED_PATH, "<html>", "begins \"<html>\"");
    check("game/9001", FEED_PATH, "[]", "another document");
    check("game/9001", &diff_path, "null", "another document");
    check("game/9001", FEED_PATH, r#"{"messageNumber":10,"message":"Object not found"}"#, "Object not found");
    check("game/9002", FEED_PATH, &feed().to_string(), "it is of game 9001");
    check("game/9001", FEED_PATH, r#"{"gamePk":9001}"#, "it has no metaData.timeStamp");
    check("game/x", FEED_PATH, "[]", "topics are");
    for timecode in ["20260807", "20261332_225950", "20260807_2259 0", "20260807-225950", "20260807_225950&x"] {
        let document = with(feed(), "/metaData/timeStamp", json!(timecode));
        check("game/9001", FEED_PATH, &document.to_string(), "is no time");
    }
}

#[test]
fn an_error_leaves_the_game_as_it_was() {
    let (mut mlb, next) = following();
    mlb.accept(&next, b"<html>", NOW_MS).unwrap_err();
    let outcome = accept(&mut mlb, &next, &changes(&[replace("/liveData/linescore/outs", json!(2))]));
    assert_eq!((value(&outcome, "live")["outs"].clone(), outcome.rejects), (json!(2), vec![]));
}
