//! A board as PrizePicks writes it: a JSON:API document of projections and what they relate to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::{TimeZone, offset};
use serde_json::{Map, Value, json};

use crate::names::{Club, League, Player, unaccented};
use crate::prizepicks::{Board, Fixture, Market, Rung, player_id};

/// Included resources by type and id: each is written once.
type Included = BTreeMap<(&'static str, u32), Value>;

/// The answer to `/projections?league_id=`.
pub(crate) fn document(board: &Board) -> Value {
    let mut included = Included::new();
    let mut data = Vec::with_capacity(board.projections());
    include_league(&mut included, board.league);
    include(&mut included, "duration", 11, || (json!({ "name": "Full" }), json!({})));
    for fixture in &board.fixtures {
        include_game(&mut included, board.league, fixture);
        for market in &fixture.markets {
            include_market(&mut included, board.league, fixture, market);
            data.extend(market.rungs.iter().map(|rung| projection(board.league, fixture, market, rung)));
        }
    }
    answer(board.league.id(), data, included.into_values().collect())
}

/// The answer for a league that is not offered.
pub(crate) fn empty(league: u32) -> Value {
    answer(league, Vec::new(), Vec::new())
}

fn answer(league: u32, data: Vec<Value>, included: Vec<Value>) -> Value {
    let mut document = json!({
        "links": { "self": format!("/projections?league_id={league}&per_page=250&single_stat=true") },
        "meta": { "current_page": 1, "total_pages": 1 },
    });
    document["data"] = Value::Array(data);
    document["included"] = Value::Array(included);
    document
}

fn projection(league: League, fixture: &Fixture, market: &Market, rung: &Rung) -> Value {
    let player = &fixture.clubs[market.side].players[market.player];
    let opponent = &fixture.clubs[1 - market.side];
    let (projection_type, projection_type_name) = market.stat.projection_type();
    let line = market.line + rung.offset;
    let mut attributes = json!({
        "adjusted_odds": (rung.odds_type != "standard").then_some(true),
        "board_time": local(fixture.opened_at),
        "custom_image": null,
        "description": opponent.abbreviation,
        "end_time": null,
        "event_type": "team",
        "flash_sale_line_score": market.flash_sale.filter(|_| rung.offset == 0).map(halves),
        "game_id": game_id(league, fixture),
        "group_key": format!("{}-{}-{}-11-false", player_id(player), market.stat.id, game_id(league, fixture)),
        "in_game": false,
        "is_live": false,
        "is_promo": market.promo && rung.offset == 0,
        "line_score": halves(line),
        "odds_type": rung.odds_type,
        "projection_type": projection_type_name,
        "rank": rung.rank,
        "refundable": true,
        "start_time": local(fixture.starts_at),
        "stat_display_name": market.stat.name,
        "stat_type": market.stat.name,
        "status": if market.suspended { "suspended" } else { "pre_game" },
        "today": true,
        "tv_channel": null,
        "updated_at": local(market.updated_at),
    });
    if let Some(count) = market.trending.filter(|_| rung.offset == 0) {
        attributes["trending_count"] = json!(count);
    }
    let mut row = json!({
        "type": "projection",
        "id": rung.id.to_string(),
        "relationships": {
            "duration": one("duration", 11),
            "game": one("game", fixture.id),
            "league": one("league", league.id()),
            "new_player": one("new_player", player_id(player)),
            "projection_type": one("projection_type", projection_type),
            "score": { "data": null },
            "stat_type": one("stat_type", market.stat.id),
        },
    });
    row["attributes"] = attributes;
    row
}

fn include_league(included: &mut Included, league: League) {
    include(included, "league", league.id(), || {
        let attributes = json!({
            "active": true,
            "icon": match league { League::Mlb => "baseball", League::Nba => "basketball" },
            "name": league.name(),
            "projections_count": 0,
            "rank": 0,
            "show_trending": true,
        });
        (attributes, json!({ "projection_filters": { "data": [] } }))
    });
}

fn include_game(included: &mut Included, league: League, fixture: &Fixture) {
    let [away, home] = &fixture.clubs;
    for club in [away, home] {
        include(included, "team", club.id, || {
            (json!({ "abbreviation": club.abbreviation, "market": club.city, "name": club.nickname }), json!({}))
        });
    }
    let abbreviation = |club: &Club| json!({ "abbreviation": club.abbreviation });
    include(included, "game", fixture.id, || {
        let attributes = json!({
            "created_at": local(fixture.opened_at),
            "end_time": null,
            "external_game_id": game_id(league, fixture),
            "is_live": false,
            "metadata": {
                "game_id": game_id(league, fixture),
                "game_info": { "teams": { "away": abbreviation(away), "home": abbreviation(home) } },
                "league_name": league.name(),
                "status": "scheduled",
            },
            "start_time": local(fixture.starts_at),
            "status": "scheduled",
            "updated_at": local(fixture.opened_at),
        });
        (attributes, json!({ "away_team_data": one("team", away.id), "home_team_data": one("team", home.id) }))
    });
}

fn include_market(included: &mut Included, league: League, fixture: &Fixture, market: &Market) {
    let club = &fixture.clubs[market.side];
    let player = &club.players[market.player];
    include(included, "new_player", player_id(player), || {
        let related = json!({ "league": one("league", league.id()), "team_data": one("team", club.id) });
        (whole_player(league, club, player), related)
    });
    include(included, "stat_type", market.stat.id, || {
        let rank = market.stat.id % 100;
        (json!({ "lfg_ignored_leagues": [], "name": market.stat.name, "rank": rank }), json!({}))
    });
    let (id, name) = market.stat.projection_type();
    include(included, "projection_type", id, || (json!({ "name": name }), json!({})));
}

fn whole_player(league: League, club: &Club, player: &Player) -> Value {
    let name = unaccented(&player.name());
    json!({
        "combo": false,
        "display_name": name,
        "image_url": null,
        "jersey_number": player.number.to_string(),
        "league": league.name(),
        "league_id": league.id(),
        "market": club.city,
        "name": name,
        "position": player.position.abbreviation,
        "team": club.abbreviation,
        "team_name": club.nickname,
    })
}

/// Writes a resource, its attributes and relationships, unless it is there already.
fn include(included: &mut Included, kind: &'static str, id: u32, write: impl FnOnce() -> (Value, Value)) {
    included.entry((kind, id)).or_insert_with(|| {
        let (attributes, relationships) = write();
        let mut resource = Map::new();
        resource.insert("type".to_owned(), json!(kind));
        resource.insert("id".to_owned(), json!(id.to_string()));
        resource.insert("attributes".to_owned(), attributes);
        if relationships.as_object().is_some_and(|related| !related.is_empty()) {
            resource.insert("relationships".to_owned(), relationships);
        }
        Value::Object(resource)
    });
}

fn one(kind: &str, id: u32) -> Value {
    json!({ "data": { "type": kind, "id": id.to_string() } })
}

fn game_id(league: League, fixture: &Fixture) -> String {
    format!("{}_game_sim{}", league.name(), fixture.id)
}

fn halves(line: i32) -> f64 {
    f64::from(line) / 2.0
}

/// With the offset of the US East in summer, as the real API.
fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::fixed(offset(-4))).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}
