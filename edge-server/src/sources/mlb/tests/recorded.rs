//! Recorded schedules, feeds and changes.

use super::*;

#[test]
fn recorded_changes_apply_without_a_second_feed() {
    let Some(directory) = fixtures::directory() else { return };
    let directory = directory.join("mlb/diffpatch_746139");
    let check = |from: &str, to: &str, to_ms: i64, expected: [Value; 2]| {
        let mut mlb = Mlb::new(None);
        let body = fixtures::read(&directory.join(format!("feed_{from}.json.gz")));
        let before = mlb.accept(&Mlb::feed_request(746_139), &body, NOW_MS).unwrap();
        assert!(before.next[0].path.ends_with(&format!("/746139/feed/live/diffPatch?startTimecode={from}")));
        let body = fixtures::read(&directory.join(format!("diffPatch_{from}_to_{to}.json")));
        let after = mlb.accept(&before.next[0], &body, NOW_MS).unwrap();
        assert_eq!(after.rejects, []);
        assert!(after.next[0].path.ends_with(&format!("/746139/feed/live/diffPatch?startTimecode={to}")));
        assert!(after.records.iter().all(|record| record.source_ts == to_ms));
        for (outcome, timecode, expected) in [(&before, from, &expected[0]), (&after, to, &expected[1])] {
            let (live, play) = (value(outcome, "live"), value(outcome, "play"));
            assert_eq!((&live["timecode"], &play["timecode"]), (&json!(timecode), &json!(timecode)));
            let told = json!([play["at_bat"], play["event"], play["pitches"], play["last_pitch"]["call"]]);
            assert_eq!(told, *expected, "{timecode}");
        }
    };
    let none = Value::Null;
    let expected = [json!([61, "Batter Timeout", 2, "Called Strike"]), json!([61, none, 3, "Ball"])];
    check("20240612_041248", "20240612_041302", 1_718_165_582_000, expected);
    let expected = [json!([67, "Mound Visit", 0, none]), json!([67, "Pitching Substitution", 0, none])];
    check("20240612_042717", "20240612_042758", 1_718_166_478_000, expected);
}

#[test]
fn recorded_feeds_are_taken() {
    let Some(directory) = fixtures::directory() else { return };
    let check = |file: &str, pk: u64, state: &str, goes_on: bool, expected: Value| {
        let body = fixtures::read(&directory.join("mlb").join(file));
        let outcome = Mlb::new(None).accept(&Mlb::feed_request(pk), &body, NOW_MS).unwrap();
        let (live, play) = (value(&outcome, "live"), value(&outcome, "play"));
        let told = json!([
            live["away"]["abbr"],
            live["away"]["runs"],
            live["inning"],
            live["half"],
            live["bases"]["third"],
            live["pitcher"]["name"],
            play["at_bat"],
            play["event"],
            play["last_pitch"]
        ]);
        assert_eq!(told, expected, "{file}");
        assert_eq!((live["state"].as_str(), outcome.next.len() == 1), (Some(state), goes_on), "{file}");
    };
    let none = Value::Null;
    check(
        "aug2026/feed_live_823103_scheduled_2026-08-07T202522Z.json.gz",
        823_103,
        "Preview",
        true,
        json!(["TB", none, none, none, none, none, none, none, none]),
    );
    check(
        "aug2026/feed_live_823516_pregame_2026-08-05T223809Z.json.gz",
        823_516,
        "Preview",
        true,
        json!(["STL", 0, 1, "top", none, "Will Warren", 0, "Game Advisory", none]),
    );
    check(
        "aug2026/feed_live_824401_warmup_2026-08-06T165508Z.json.gz",
        824_401,
        "Live",
        true,
        json!(["NYM", 0, 1, "top", none, "Foster Griffin", 0, "Game Advisory", none]),
    );
    check(
        "aug2026/feed_live_824481_inprogress_2026-08-06T180211Z.json.gz",
        824_481,
        "Live",
        true,
        json!(["ATH", 3, 5, "bottom", "Matt McLain", "Mason Barnett", 40, "Mound Visit", none]),
    );
    let pitch = json!({"call": "In play, out(s)", "type": "Sinker", "speed_mph": 97.1});
    check(
        "darkside/livefeed.json",
        744_914,
        "Final",
        false,
        json!(["HOU", 3, 9, "bottom", none, "Josh Hader", 67, "Pop Out", pitch]),
    );
}

#[test]
fn recorded_schedules_are_taken() {
    let Some(directory) = fixtures::directory() else { return };
    let check = |file: &str, games: usize, live: usize| {
        let body = fixtures::read(&directory.join("mlb").join(file));
        let mut mlb = Mlb::new(None);
        let outcome = mlb.accept(&mlb.schedule_request(0), &body, NOW_MS).unwrap();
        assert_eq!((outcome.records.len(), outcome.rejects.len()), (games, 0), "{file}");
        assert_eq!(outcome.next.len(), 1 + live, "{file}");
        assert!(outcome.records.iter().all(|record| !text(record).contains(r#""name":null"#)), "{file}");
    };
    check("aug2026/schedule_2026-07-31_at_2026-07-31T220039Z.json", 15, 1);
    check("aug2026/schedule_2026-08-03_at_2026-08-03T225319Z.json", 8, 2);
    check("aug2026/schedule_2026-08-04_at_2026-08-04T195210Z.json", 15, 0);
    check("aug2026/schedule_2026-08-05_at_2026-08-05T223327Z.json", 15, 3);
    check("aug2026/schedule_2026-08-06_at_2026-08-06T223322Z.json", 11, 2);
    check("aug2026/schedule_2026-08-07_at_2026-08-07T194612Z.json", 15, 0);
    check("darkside/schedule.json", 3, 0);
    check("darkside/schedule_hydrated_team.json", 1, 0);
}
