//! Boards made and broken.

mod properties;
mod recorded;

use serde_json::{Value, json};
use wire::Key;

use super::*;
use crate::sources::fixtures::with;

/// 2026-08-07T20:00:00Z.
const NOW_MS: i64 = 1_786_132_800_000;

fn row(id: &str) -> Value {
    json!({
        "type": "projection", "id": id,
        "attributes": {
            "stat_type": "Pts+Asts", "line_score": 24.5, "start_time": "2026-08-07T18:10:00.000-04:00",
            "updated_at": "2026-08-07T15:00:00-04:00", "status": "pre_game", "description": "LAL"
        },
        "relationships": {
            "league": {"data": {"type": "league", "id": "7"}},
            "new_player": {"data": {"type": "new_player", "id": "31"}}
        }
    })
}

fn board(rows: &[Value]) -> Value {
    json!({
        "data": rows,
        "included": [
            {"type": "new_player", "id": "31", "attributes": {"name": "A. Player", "team": "DEN", "position": "C"}},
            {"type": "new_player", "id": "32", "attributes": {"name": " "}},
            {"type": "league", "id": "7", "attributes": {"name": "National Basketball Association"}},
            {"type": "league", "id": "274", "attributes": {"name": "R6 (EU)"}},
            {"type": "league", "id": "275", "attributes": {"name": "r6 eu"}},
            {"type": "league", "id": "276", "attributes": {"name": "NBA"}}
        ],
        "meta": {"current_page": 1, "total_pages": 1}
    })
}

fn source() -> PrizePicks {
    PrizePicks::new(vec![7], 10_000)
}

fn ask(source: &mut PrizePicks, league: u32, page: u32, document: &Value) -> Outcome {
    let request = PrizePicks::request(league, page, 0);
    source.accept(&request, document.to_string().as_bytes(), NOW_MS).unwrap()
}

fn value(record: &Record) -> Value {
    serde_json::from_slice(record.payload.as_ref().unwrap().as_bytes()).unwrap()
}

fn listing(outcome: &Outcome) -> Option<&str> {
    outcome.listing.as_ref().map(Scope::as_str)
}

#[test]
fn it_starts_with_the_first_page_of_every_league() {
    let requests = PrizePicks::new(vec![7, 274], 10_000).start();
    let told: Vec<_> = requests.iter().map(|request| (request.topic.as_str(), request.path.as_str())).collect();
    assert_eq!(
        told,
        [
            ("league/7", "/projections?league_id=7&per_page=1000&single_stat=true&game_mode=pickem"),
            ("league/274", "/projections?league_id=274&per_page=1000&single_stat=true&game_mode=pickem"),
        ]
    );
    assert!(requests.iter().all(|request| request.after_ms == 0));
}

#[test]
fn a_line_becomes_a_record() {
    let outcome = ask(&mut source(), 7, 1, &board(&[row("900")]));
    let [record] = &outcome.records[..] else { panic!("{outcome:?}") };
    assert_eq!(record.key.as_str(), "sport:nba:props:player:31:pts_asts:900");
    assert_eq!(record.source_ts, NOW_MS);
    assert_eq!(record.priority, Priority::Props);
    assert_eq!(record.tags.iter().map(wire::Tag::as_str).collect::<Vec<_>>(), ["team-den", "player-31"]);
    assert_eq!(
        std::str::from_utf8(record.payload.as_ref().unwrap().as_bytes()).unwrap(),
        concat!(
            r#"{"source":"prizepicks","projection":"900","league":"NBA","player":"A. Player","player_id":"31","#,
            r#""team":"DEN","position":"C","combo":false,"stat":"Pts+Asts","line":24.5,"odds_type":"standard","#,
            r#""status":"pre_game","opponent":"LAL","game":null,"start_time":"2026-08-07T18:10:00.000-04:00","#,
            r#""board_time":null,"updated_at":"2026-08-07T15:00:00-04:00","is_live":false,"is_promo":false,"#,
            r#""flash_sale_line":null,"adjusted_odds":null,"trending":null}"#
        )
    );
    assert_eq!(listing(&outcome), Some("sport:nba:props:"));
    assert_eq!(outcome.next, [Request { after_ms: 10_000, ..source().start()[0].clone() }]);
}

#[test]
fn optional_fields_are_taken_where_they_have_their_type() {
    let check = |name: &str, given: Value, field: &str, expected: Value| {
        let outcome = ask(&mut source(), 7, 1, &board(&[with(row("1"), &format!("/attributes/{name}"), given)]));
        assert_eq!(value(&outcome.records[0])[field], expected, "{name}");
    };
    check("stat_display_name", json!("Points + Assists"), "stat", json!("Points + Assists"));
    check("odds_type", json!("demon"), "odds_type", json!("demon"));
    check("odds_type", json!(7), "odds_type", json!("standard"));
    check("trending_count", json!(73_477), "trending", json!(73_477));
    check("trending_count", json!("many"), "trending", Value::Null);
    check("flash_sale_line_score", json!(3), "flash_sale_line", json!(3.0));
    check("adjusted_odds", json!(true), "adjusted_odds", json!(true));
    check("adjusted_odds", json!({}), "adjusted_odds", Value::Null);
    check("game_id", json!("G1"), "game", json!("G1"));
    check("is_promo", json!(true), "is_promo", json!(true));
    check("board_time", json!("soon"), "board_time", json!("soon"));
    check("line_score", json!(42), "line", json!(42.0));
}

#[test]
fn a_line_of_a_running_game_goes_first() {
    let live = with(row("1"), "/attributes/is_live", json!(true));
    let running = with(row("2"), "/attributes/status", json!("in_progress"));
    let outcome = ask(&mut source(), 7, 1, &board(&[live, running, row("3")]));
    let priorities: Vec<_> = outcome.records.iter().map(|record| record.priority).collect();
    assert_eq!(priorities, [Priority::Live, Priority::Live, Priority::Props]);
}

#[test]
fn a_row_is_observed_when_the_board_is_whatever_its_update_says() {
    for updated_at in
        [json!("2026-08-07T15:00:00.250-04:00"), json!("2027-01-01T00:00:00Z"), json!("soon"), Value::Null]
    {
        let outcome = ask(&mut source(), 7, 1, &board(&[with(row("1"), "/attributes/updated_at", updated_at)]));
        assert_eq!(outcome.records[0].source_ts, NOW_MS);
    }
}

#[test]
fn a_broken_row_is_refused_with_its_place_and_the_others_go_on() {
    let key = "sport:nba:props:player:31:pts_asts:2";
    let check = |broken: Value, reason: &str, named: Option<&str>| {
        let outcome = ask(&mut source(), 7, 1, &board(&[row("1"), broken.clone(), row("3")]));
        let kept: Vec<_> = outcome.records.iter().map(|record| value(record)["projection"].clone()).collect();
        assert_eq!(kept, ["1", "3"], "{broken}");
        let [reject] = &outcome.rejects[..] else { panic!("{broken}: {:?}", outcome.rejects) };
        assert_eq!((reject.at.as_str(), reject.reason), ("data[1]", reason), "{broken}");
        assert_eq!(reject.key.as_ref().map(Key::as_str), named, "{broken}");
        assert!(broken.to_string().starts_with(&reject.sample) && reject.sample.chars().count() <= 200);
        assert_eq!(outcome.listing.is_some(), named.is_some(), "{broken}: a row without a name may be any row");
    };
    let at = |pointer: &str, new: Value| with(row("2"), pointer, new);
    check(at("/attributes/line_score", json!("24.5")), "line_score", Some(key));
    check(at("/attributes/line_score", Value::Null), "line_score", Some(key));
    check(at("/attributes/start_time", json!("2026-08-07")), "start_time", Some(key));
    check(at("/attributes/start_time", json!("2026-08-07T18:10:00")), "start_time", Some(key));
    check(at("/type", Value::Null), "type", Some(key));
    check(at("/attributes/stat_type", json!("+")), "stat_type", None);
    check(at("/attributes/stat_type", json!("x".repeat(300))), "key", None);
    check(at("/attributes", json!([])), "stat_type", None);
    check(at("/id", json!(2)), "id", None);
    check(at("/id", json!("a:b")), "id", None);
    check(at("/id", json!("a b")), "key", None);
    check(at("/relationships/new_player/data", Value::Null), "player", None);
    check(json!("no row"), "type", None);
    let player = |id: &str| at("/relationships/new_player/data/id", json!(id));
    check(player("77"), "player_unknown", Some("sport:nba:props:player:77:pts_asts:2"));
    check(player("32"), "player_nameless", Some("sport:nba:props:player:32:pts_asts:2"));
}

#[test]
fn a_number_out_of_range_is_refused_and_the_others_go_on() {
    let body = board(&[row("1"), row("2")]).to_string().replacen("24.5", "1e999", 1);
    let outcome = source().accept(&PrizePicks::request(7, 1, 0), body.as_bytes(), NOW_MS).unwrap();
    assert_eq!((outcome.records.len(), outcome.rejects.len()), (1, 1));
    assert_eq!(outcome.rejects[0].reason, "line_score");
    assert_eq!(outcome.rejects[0].key.as_ref().unwrap().as_str(), "sport:nba:props:player:31:pts_asts:1");
}

#[test]
fn rows_that_are_no_projections_are_passed_over() {
    let outcome = ask(&mut source(), 7, 1, &board(&[with(row("1"), "/type", json!("banner")), row("2")]));
    assert_eq!((outcome.records.len(), outcome.rejects.len()), (1, 0));
}

#[test]
fn of_two_rows_of_one_projection_the_later_stays() {
    let at = |time: &str, line: f64| {
        let row = with(row("1"), "/attributes/updated_at", json!(time));
        with(row, "/attributes/line_score", json!(line))
    };
    let check = |rows: &[Value], expected: f64| {
        let outcome = ask(&mut source(), 7, 1, &board(rows));
        let lines: Vec<_> = outcome.records.iter().map(|record| value(record)["line"].clone()).collect();
        assert_eq!(lines, [expected]);
    };
    let (early, late) = ("2026-08-07T10:00:00Z", "2026-08-07T11:00:00Z");
    check(&[at(early, 1.5), at(late, 2.5)], 2.5);
    check(&[at(late, 2.5), at(early, 1.5)], 2.5);
    check(&[at(late, 1.5), at(late, 2.5)], 2.5);
}

#[test]
fn a_body_that_is_no_board_is_an_error_that_quotes_it() {
    let check = |body: &str, part: &str| {
        let error = source().accept(&PrizePicks::request(7, 1, 0), body.as_bytes(), NOW_MS).unwrap_err().to_string();
        assert!(error.contains("the answer to league/7 is not a document of projections"), "{error}");
        assert!(error.contains(part), "{error}");
    };
    check("<!DOCTYPE html>\n  <title>Access denied</title>", "begins \"<!DOCTYPE html> <title>Access denied</title>\"");
    check("upstream request timeout", "begins \"upstream request timeout\"");
    check("", "the body is empty");
    check(r#"{"errors":[]}"#, "missing field `data`");
    check(r#"{"data":{}}"#, "expected a sequence");
    check(&board(&[row("1")]).to_string()[..400], "EOF");
}

#[test]
fn an_empty_board_ends_every_line_of_its_league() {
    let empty = json!({"data": [], "meta": {"current_page": 1, "total_pages": 0}});
    assert_eq!(listing(&ask(&mut source(), 7, 1, &empty)), Some("sport:nba:props:"));
    assert_eq!(listing(&ask(&mut source(), 7, 1, &json!({"data": []}))), Some("sport:nba:props:"));
    assert_eq!(listing(&ask(&mut source(), 274, 1, &empty)), None, "its name is not known");
}

#[test]
fn a_board_of_other_leagues_alone_ends_nothing() {
    let foreign = with(row("1"), "/relationships/league/data/id", json!("2"));
    let outcome = ask(&mut source(), 7, 1, &board(std::slice::from_ref(&foreign)));
    assert_eq!(outcome.records[0].key.as_str(), "sport:mlb:props:player:31:pts_asts:1");
    assert_eq!(listing(&outcome), None);
    assert_eq!(listing(&ask(&mut source(), 7, 1, &board(&[foreign, row("2")]))), Some("sport:nba:props:"));
}

#[test]
fn a_league_keeps_its_first_name_and_shares_it_with_none() {
    let mut source = source();
    let mut scope = |league: u32, named: bool| {
        let row = with(row("1"), "/relationships/league/data/id", json!(league.to_string()));
        let mut board = board(&[row]);
        if !named {
            board["included"].as_array_mut().unwrap().truncate(1);
        }
        listing(&ask(&mut source, league, 1, &board)).map(str::to_owned)
    };
    assert_eq!(scope(274, true).unwrap(), "sport:r6_eu:props:");
    assert_eq!(scope(274, false).unwrap(), "sport:r6_eu:props:", "it was named before");
    assert_eq!(scope(275, true).unwrap(), "sport:league275:props:", "the name is another league's");
    assert_eq!(scope(276, true).unwrap(), "sport:league276:props:", "the name is league 7's");
    assert_eq!(scope(277, true).unwrap(), "sport:league277:props:", "it has no name");
}

fn paged(ids: &[&str], current: u32, total: u32) -> Value {
    let rows: Vec<_> = ids.iter().map(|id| row(id)).collect();
    with(board(&rows), "/meta", json!({"current_page": current, "total_pages": total}))
}

#[test]
fn a_board_of_many_pages_is_listed_when_all_were_read() {
    let mut source = source();
    let first = ask(&mut source, 7, 1, &paged(&["1", "2"], 1, 2));
    assert_eq!((first.records.len(), listing(&first)), (0, None));
    let [next] = &first.next[..] else { panic!("{first:?}") };
    assert!(next.path.ends_with("&page=2") && next.after_ms == 0 && next.topic == "league/7", "{next:?}");

    source.accept(next, b"<html>", NOW_MS).unwrap_err();
    let last = source.accept(next, paged(&["2", "3"], 2, 2).to_string().as_bytes(), NOW_MS).unwrap();
    let ids: Vec<_> = last.records.iter().map(|record| value(record)["projection"].clone()).collect();
    assert_eq!(ids, ["1", "2", "3"], "the page that failed cost nothing");
    assert_eq!(listing(&last), Some("sport:nba:props:"));
    assert!(!last.next[0].path.contains("page=2") && last.next[0].after_ms == 10_000);
}

#[test]
fn a_refused_row_of_an_earlier_page_comes_with_the_listing() {
    let mut source = source();
    let broken = with(paged(&["1"], 1, 2), "/data/0/attributes/line_score", Value::Null);
    assert_eq!(ask(&mut source, 7, 1, &broken).rejects, []);
    let last = ask(&mut source, 7, 2, &paged(&["2"], 2, 2));
    assert_eq!(last.rejects[0].key.as_ref().unwrap().as_str(), "sport:nba:props:player:31:pts_asts:1");
    assert!(last.listing.is_some());
}

#[test]
fn pages_that_do_not_add_up_are_no_listing() {
    let check = |pages: &[(u32, Value)], what: &str| {
        let mut source = source();
        let outcomes: Vec<_> = pages.iter().map(|(asked, page)| ask(&mut source, 7, *asked, page)).collect();
        assert!(outcomes.iter().all(|outcome| outcome.listing.is_none()), "{what}");
        let last = outcomes.last().unwrap();
        assert!(!last.records.is_empty() && last.next[0].after_ms == 10_000, "{what}: it begins again");
    };
    let meta = |meta: Value| with(board(&[row("1")]), "/meta", meta);
    check(&[(1, paged(&["1"], 2, 2))], "another page than was asked for");
    check(&[(2, paged(&["1"], 2, 2))], "no first page");
    check(&[(1, paged(&["1"], 1, 3)), (3, paged(&["2"], 3, 3))], "no second page");
    check(&[(1, paged(&["1"], 1, 3)), (2, paged(&["2"], 2, 2))], "the board shrank");
    check(&[(1, paged(&["1"], 1, 2)), (2, meta(json!({})))], "no total on the second page");
    check(&[(1, meta(json!({"total_pages": "1"})))], "an unreadable total");
    check(&[(1, meta(json!(7)))], "an unreadable meta");
    let many = (1..=PAGES_MAX).map(|page| (page, paged(&["1"], page, u32::MAX))).collect::<Vec<_>>();
    check(&many, "too many pages");
}
