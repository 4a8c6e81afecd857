//! What counts as what, in virtual time.

use wire::{Item, Payload, Scope};

use super::*;

const KEY: &str = "sport:mlb:1";
const CONSISTENT: Tally = Tally { consistent: 1, superseded: 0, unknown: 0, violations: 0 };
const SUPERSEDED: Tally = Tally { consistent: 0, superseded: 1, unknown: 0, violations: 0 };
const UNKNOWN: Tally = Tally { consistent: 0, superseded: 0, unknown: 1, violations: 0 };
const VIOLATED: Tally = Tally { consistent: 0, superseded: 0, unknown: 0, violations: 1 };

fn at(clock_ms: u64) -> Moment {
    Moment { clock_ms, unix_ms: 1_700_000_000_000 + clock_ms as i64 }
}

fn key() -> Key {
    Key::parse(KEY).unwrap()
}

fn value(text: &str) -> Body {
    Body::Value { source_ts: 0, tags: Vec::new(), payload: Payload::new(text.as_bytes()) }
}

fn commit(position: &str, body: Body) -> Commit {
    let position: Position = position.parse().unwrap();
    let items = vec![Item { key: key(), version: position.offset, body }];
    Commit { partition: Partition(0), position, items, scopes: Vec::new(), tags: Vec::new() }
}

fn found(as_of: &str, version: u64, text: &str) -> Answer {
    let version = Offset::new(version).unwrap();
    Answer::Value { as_of: as_of.parse().unwrap(), version, hash: xxh3_64(text.as_bytes()) }
}

fn nothing(as_of: &str) -> Answer {
    Answer::Nothing { as_of: as_of.parse().unwrap() }
}

/// An auditor that has sampled this change at 0.
fn sampled(body: Body) -> Auditor {
    let mut auditor = Auditor::new(1, 7);
    auditor.heard(&commit("7:10", body), at(0));
    auditor
}

/// Answers the first check, at one second.
fn first(auditor: &mut Auditor, answer: &Answer) -> Tally {
    let read = auditor.take_due(at(1_000)).expect("a read is due");
    auditor.answered(read.id, answer, at(1_001));
    auditor.report().tallies[0]
}

#[test]
fn a_sampled_change_is_read_after_one_five_and_sixty_seconds_and_forgotten() {
    let mut auditor = sampled(value("1"));
    for (due, horizon) in [(1_000, 0), (5_000, 1), (60_000, 2)] {
        assert_eq!((auditor.take_due(at(due - 1)), auditor.next_due()), (None, Some(due)));
        let read = auditor.take_due(at(due)).unwrap();
        assert_eq!((&read.key, read.min.to_string()), (&key(), "7:10".to_owned()));
        auditor.answered(read.id, &found("7:10", 10, "1"), at(due + 1));
        assert_eq!(auditor.report().tallies[horizon], CONSISTENT);
    }
    assert_eq!((auditor.next_due(), auditor.tracked()), (None, 0));
}

#[test]
fn an_answer_is_held_against_what_was_announced() {
    let check = |body: Body, answer: Answer, expected: Tally| {
        let mut auditor = sampled(body.clone());
        assert_eq!(first(&mut auditor, &answer), expected, "{body:?}, {answer:?}");
        assert_eq!(auditor.report().violations.len() as u64, expected.violations);
        assert_eq!(auditor.poll_violation().is_some(), expected.violations > 0);
    };
    // What was announced, something newer, something older, another value under the same version.
    check(value("1"), found("7:10", 10, "1"), CONSISTENT);
    check(value("1"), found("7:12", 12, "2"), SUPERSEDED);
    check(value("1"), found("7:12", 9, "0"), VIOLATED);
    check(value("1"), found("7:12", 10, "2"), VIOLATED);
    // Read before the position that it was asked for, whatever it found.
    check(value("1"), found("7:9", 9, "0"), VIOLATED);
    check(value("1"), nothing("7:9"), VIOLATED);
    check(Body::Changed, found("7:9", 9, "0"), VIOLATED);
    // A removal.
    check(Body::Gone, nothing("7:10"), CONSISTENT);
    check(Body::Gone, found("7:12", 12, "2"), SUPERSEDED);
    check(Body::Gone, found("7:12", 9, "0"), VIOLATED);
    // A change without its value: written, or invalidated and as it was.
    check(Body::Changed, found("7:10", 10, "1"), CONSISTENT);
    check(Body::Changed, found("7:11", 11, "1"), SUPERSEDED);
    check(Body::Changed, found("7:10", 4, "0"), UNKNOWN);
    check(Body::Changed, nothing("7:10"), UNKNOWN);
    // Another epoch, and no answer.
    check(value("1"), found("8:1", 1, "0"), UNKNOWN);
    check(value("1"), nothing("8:1"), UNKNOWN);
    check(value("1"), Answer::Failed("status 425".into()), UNKNOWN);
}

#[test]
fn a_later_announcement_binds_the_read_and_the_sample_is_superseded() {
    let check = |later: Body, answer: Answer, expected: Tally| {
        let mut auditor = sampled(value("1"));
        auditor.heard(&commit("7:11", later), at(500));
        assert_eq!(first(&mut auditor, &answer), expected, "{answer:?}");
    };
    check(value("2"), found("7:11", 11, "2"), SUPERSEDED);
    check(value("2"), found("7:11", 10, "1"), VIOLATED);
    check(Body::Gone, nothing("7:11"), SUPERSEDED);
    check(Body::Gone, found("7:11", 10, "1"), VIOLATED);
}

#[test]
fn a_value_that_ended_before_its_end_was_announced_is_no_violation() {
    let check = |later: Option<(&str, Body)>, expected: Tally| {
        let mut auditor = sampled(value("1"));
        assert_eq!(first(&mut auditor, &nothing("7:10")), Tally::default());
        match later {
            Some((position, body)) => auditor.heard(&commit(position, body), at(2_000)),
            None => {
                drop(auditor.take_due(at(1_000 + MISSING_MS)));
                assert_eq!(auditor.report().tallies[0], Tally::default());
                drop(auditor.take_due(at(1_001 + MISSING_MS)));
            }
        }
        assert_eq!(auditor.report().tallies[0], expected);
    };
    check(Some(("7:11", Body::Gone)), SUPERSEDED);
    check(Some(("7:11", value("2"))), UNKNOWN);
    check(Some(("7:12", value("2"))), UNKNOWN);
    check(None, VIOLATED);
}

#[test]
fn an_end_that_is_announced_while_the_read_is_under_way_explains_it() {
    let mut auditor = sampled(value("1"));
    let read = auditor.take_due(at(1_000)).unwrap();
    auditor.heard(&commit("7:11", Body::Gone), at(1_000));
    auditor.answered(read.id, &nothing("7:11"), at(1_001));
    assert_eq!(auditor.report().tallies[0], SUPERSEDED);
}

#[test]
fn after_a_hole_and_in_another_epoch_nothing_is_known_of_earlier_samples() {
    for position in ["7:12", "8:11"] {
        let mut auditor = sampled(value("1"));
        let other =
            Item { key: Key::parse("sport:mlb:2").unwrap(), version: Offset::new(12).unwrap(), body: value("2") };
        auditor.heard(&Commit { items: vec![other], ..commit(position, Body::Gone) }, at(500));
        assert_eq!(auditor.take_due(at(1_000)), None, "{position}");
        assert_eq!((auditor.report().tallies[0], auditor.report().lost), (UNKNOWN, 1));
        // What is announced from here on is known again.
        auditor.heard(&commit(if position == "7:12" { "7:13" } else { "8:12" }, value("3")), at(2_000));
        assert!(auditor.take_due(at(5_000)).is_some());
    }
}

#[test]
fn a_purge_binds_where_a_read_is_read_and_not_what_it_finds() {
    let purge = |scopes: &[&str]| Commit {
        items: Vec::new(),
        scopes: scopes.iter().map(|scope| Scope::parse(scope).unwrap()).collect(),
        ..commit("7:11", Body::Gone)
    };
    let mut auditor = sampled(value("1"));
    auditor.heard(&purge(&["sport:mlb:"]), at(500));
    assert_eq!(first(&mut auditor, &found("7:11", 10, "1")), CONSISTENT);
    let mut auditor = sampled(value("1"));
    auditor.heard(&purge(&["sport:mlb:"]), at(500));
    assert_eq!(first(&mut auditor, &found("7:10", 10, "1")), VIOLATED);
    let mut auditor = sampled(value("1"));
    auditor.heard(&purge(&["sport:mlb:games:"]), at(500));
    assert_eq!(first(&mut auditor, &found("7:10", 10, "1")), CONSISTENT);
}

#[test]
fn announcements_that_come_again_are_ignored() {
    let mut auditor = sampled(value("1"));
    auditor.heard(&commit("7:11", value("2")), at(500));
    auditor.heard(&commit("7:10", value("1")), at(600));
    assert_eq!(first(&mut auditor, &found("7:11", 10, "1")), VIOLATED);
}

#[test]
fn the_share_is_of_what_could_be_said() {
    let check = |tally: Tally, expected: Option<f64>| assert_eq!(tally.consistency(), expected, "{tally:?}");
    check(UNKNOWN, None);
    check(SUPERSEDED, Some(1.0));
    check(VIOLATED, Some(0.0));
    check(Tally { consistent: 2, superseded: 1, unknown: 9, violations: 1 }, Some(0.75));
}

#[test]
fn so_many_changes_a_second_are_sampled_and_no_more() {
    let mut auditor = Auditor::new(4, 7);
    for number in 0..1_000 {
        auditor.heard(&commit(&format!("7:{}", number + 1), value("1")), at(number * 10));
    }
    assert_eq!(auditor.report().sampled, 40);
    for horizon in 0..HORIZONS_MS.len() {
        assert!(auditor.waiting[horizon].len() <= 40);
    }
}

#[test]
fn the_newest_violations_are_kept_with_their_traces() {
    let mut auditor = Auditor::new(PER_SECOND_MAX, 7);
    for number in 0..200 {
        auditor.heard(&commit(&format!("7:{}", number + 1), value("1")), at(number * 10));
    }
    let mut now = 1_000;
    while auditor.report().tallies[0].violations < 200 {
        now += 10;
        while let Some(read) = auditor.take_due(at(now)) {
            auditor.answered(read.id, &found("7:200", 1, "0"), at(now + 5));
        }
    }
    let violations = &auditor.report().violations;
    assert_eq!(violations.len(), VIOLATIONS_MAX);
    let newest = serde_json::to_value(&violations[0]).unwrap();
    let hash = |text: &str| format!("{:016x}", xxh3_64(text.as_bytes()));
    let time = |ms: u64| jiff::Timestamp::from_millisecond(at(ms).unix_ms).unwrap().to_string();
    let expected = serde_json::json!({
        "after_ms": 1_000,
        "key": KEY,
        "why": "an older value was read",
        "announced": {
            "position": "7:200", "version": 200, "what": "value", "hash": hash("1"), "at": time(1_990),
        },
        "read": {
            "as_of": "7:200", "version": 1, "hash": hash("0"), "asked_at": time(now), "answered_at": time(now + 5),
        },
    });
    assert_eq!(newest, expected);
}
