//! Recorded boards.

use std::collections::BTreeSet;

use wire::Payload;

use super::*;
use crate::sources::fixtures;

fn values(outcome: &Outcome) -> BTreeMap<Key, Payload> {
    outcome.records.iter().map(|record| (record.key.clone(), record.payload.clone().unwrap())).collect()
}

#[test]
fn recorded_boards_are_taken_whole() {
    let Some(directory) = fixtures::directory() else { return };
    let check = |file: &str, league: u32, count: usize, scope: &str| {
        let body = fixtures::read(&directory.join("prizepicks").join(file));
        let mut source = PrizePicks::new(vec![league], 10_000);
        let request = source.start().remove(0);
        let outcome = source.accept(&request, &body, NOW_MS).unwrap();
        assert_eq!((outcome.records.len(), outcome.rejects.len()), (count, 0), "{file}: {:?}", outcome.rejects.first());
        assert_eq!(values(&outcome).len(), count, "{file}: every key is its own");
        assert_eq!(listing(&outcome), Some(scope), "{file}");
    };
    check("nba_594_2024-11-15T2009.json", 7, 594, "sport:nba:props:");
    check("nba_308_2024-11-15T2012.json", 7, 308, "sport:nba:props:");
    check("nba_288_2023-12-25_discount.json", 7, 288, "sport:nba:props:");
    check("mlb_353_2025-10-26.json", 2, 353, "sport:mlb:props:");
    check("nhl_34_2023-01-20.json", 8, 34, "sport:nhl:props:");
    check("all_leagues_2171_2024-06-10.json.gz", 2, 2171, "sport:mlb:props:");
    check("r6_series/00_2026-04-09T2148_35.json", 274, 35, "sport:r6:props:");
    check("r6_series/01_2026-04-10T2333_40.json", 274, 40, "sport:r6:props:");
    check("r6_series/02_2026-04-12T0241_20.json", 274, 20, "sport:r6:props:");
    check("r6_series/03_2026-04-13T1647_20.json", 274, 20, "sport:r6:props:");
    check("r6_series/04_2026-04-14T2141_20.json", 274, 20, "sport:r6:props:");
}

#[test]
fn a_board_of_all_leagues_is_named_league_by_league() {
    let Some(directory) = fixtures::directory() else { return };
    let body = fixtures::read(&directory.join("prizepicks/all_leagues_2171_2024-06-10.json.gz"));
    let outcome = source().accept(&PrizePicks::request(2, 1, 0), &body, NOW_MS).unwrap();
    let of = |root: &str| outcome.records.iter().filter(|record| record.key.root() == root).count();
    assert_eq!(
        [of("sport:mlb"), of("sport:nflszn"), of("sport:lol"), of("sport:mlblive"), of("sport:nba1h")],
        [1232, 285, 21, 13, 19]
    );
    let roots: BTreeSet<_> = outcome.records.iter().map(|record| record.key.root()).collect();
    assert_eq!(roots.len(), 16);
}

#[test]
fn between_two_boards_286_lines_go_none_comes_and_six_change() {
    let Some(directory) = fixtures::directory() else { return };
    let mut source = source();
    let mut read = |file: &str| {
        let body = fixtures::read(&directory.join("prizepicks").join(file));
        source.accept(&PrizePicks::request(7, 1, 0), &body, NOW_MS).unwrap()
    };
    let before = read("nba_594_2024-11-15T2009.json");
    let after = read("nba_308_2024-11-15T2012.json");
    let (old, new) = (values(&before), values(&after));
    assert_eq!(old.keys().filter(|key| !new.contains_key(*key)).count(), 286, "gone");
    assert_eq!(new.keys().filter(|key| !old.contains_key(*key)).count(), 0, "new");
    let changed: BTreeSet<_> = new.iter().filter(|&(key, value)| old[key] != *value).map(|(key, _)| key).collect();
    assert_eq!(changed.len(), 6, "changed");
}
