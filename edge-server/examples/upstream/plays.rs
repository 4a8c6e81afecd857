//! The plays and the box score of a feed. `currentPlay` is `allPlays[about.atBatIndex]`, as in the real one.

use serde_json::{Map, Value, json};

use crate::baseball::{AWAY, Game, HOME};
use crate::mlb::{hand, instant, team};
use crate::names::{BATTERS, PITCHERS, Player};
use crate::scorebook::{Call, Pitch, Play};

/// Codes of the pitch types.
const KINDS: [&str; 5] = ["FF", "SL", "CH", "CU", "SI"];

/// `liveData.plays`, with `null` for those before `first_play`.
pub(crate) fn plays(game: &Game, first_play: usize) -> Value {
    let written = |index| if index < first_play { Value::Null } else { play(game, index) };
    let all: Vec<Value> = (0..game.plays.len()).map(written).collect();
    let scoring: Vec<usize> = (0..all.len()).filter(|&index| !game.plays[index].scored.is_empty()).collect();
    let by_inning: Vec<Value> = (1..=game.innings.len())
        .map(|inning| {
            let of_half = |side| -> Vec<usize> {
                let here = |index: &usize| game.plays[*index].inning == inning && game.plays[*index].side == side;
                (0..all.len()).filter(here).collect()
            };
            let (top, bottom) = (of_half(AWAY), of_half(HOME));
            let end = bottom.last().or(top.last());
            json!({ "startIndex": top.first(), "endIndex": end, "top": top, "bottom": bottom })
        })
        .collect();
    let current = all.last().cloned();
    let mut plays = json!({ "scoringPlays": scoring });
    plays["allPlays"] = Value::Array(all);
    plays["playsByInning"] = Value::Array(by_inning);
    if let Some(current) = current {
        plays["currentPlay"] = current;
    }
    plays
}

fn play(game: &Game, index: usize) -> Value {
    let play = &*game.plays[index];
    let batter = &game.clubs[play.side].players[play.batter];
    let pitcher = &game.clubs[1 - play.side].players[BATTERS + play.pitcher];
    let (balls, strikes) = play.pitches.last().map_or((0, 0), |last| (last.balls, last.strikes));
    let (start, end) = (instant(play.started), instant(play.ended));
    let mut matchup = json!({
        "batter": person(batter),
        "batSide": hand(batter.bats),
        "pitcher": person(pitcher),
        "pitchHand": hand(pitcher.throws),
    });
    for (base, runner) in ["postOnFirst", "postOnSecond", "postOnThird"].into_iter().zip(play.bases) {
        if let Some(runner) = runner {
            matchup[base] = person(&game.clubs[play.side].players[runner]);
        }
    }
    // A pitch shows the outs before the play's result.
    let outs_before = index.checked_sub(1).map_or(0, |before| game.plays[before].outs) % 3;
    let pitches: Vec<Value> =
        play.pitches.iter().enumerate().map(|(at, thrown)| pitch(at, thrown, outs_before)).collect();
    let mut written = json!({
        "about": {
            "atBatIndex": index,
            "halfInning": if play.side == AWAY { "top" } else { "bottom" },
            "isTopInning": play.side == AWAY,
            "inning": play.inning,
            "startTime": start,
            "endTime": end,
            "isComplete": play.outcome.is_some(),
            "isScoringPlay": !play.scored.is_empty(),
            "hasOut": play.outs > outs_before,
        },
        "count": { "balls": balls, "strikes": strikes, "outs": play.outs },
        "pitchIndex": (0..pitches.len()).collect::<Vec<_>>(),
        "atBatIndex": index,
    });
    written["result"] = result(play, &batter.name(), game);
    written["matchup"] = matchup;
    written["playEvents"] = Value::Array(pitches);
    written
}

/// Without the link that the API adds, which would be a tenth of a feed.
fn person(player: &Player) -> Value {
    json!({ "id": player.id, "fullName": player.name() })
}

fn result(play: &Play, batter: &str, game: &Game) -> Value {
    let mut result = json!({ "type": "atBat", "awayScore": play.score[AWAY], "homeScore": play.score[HOME] });
    let Some(outcome) = play.outcome else { return result };
    let (event, event_type, predicate) = outcome.words();
    let mut description = format!("{batter} {predicate}.");
    for &runner in play.scored.iter().filter(|&&runner| runner != play.batter) {
        description.push_str(&format!(" {} scores.", game.clubs[play.side].players[runner].name()));
    }
    result["event"] = json!(event);
    result["eventType"] = json!(event_type);
    result["description"] = json!(description);
    result["rbi"] = json!(if outcome.drives_in() { play.scored.len() } else { 0 });
    result["isOut"] = json!(matches!(event_type, "strikeout" | "field_out" | "sac_fly" | "grounded_into_double_play"));
    result
}

fn pitch(index: usize, pitch: &Pitch, outs: u8) -> Value {
    let (code, description) = match pitch.call {
        Call::Ball => ("B", "Ball"),
        Call::CalledStrike => ("C", "Called Strike"),
        Call::SwingingStrike => ("S", "Swinging Strike"),
        Call::Foul => ("F", "Foul"),
        Call::HitByPitch => ("H", "Hit By Pitch"),
        Call::InPlayOut => ("X", "In play, out(s)"),
        Call::InPlayNoOut => ("D", "In play, no out"),
        Call::InPlayRuns => ("E", "In play, run(s)"),
    };
    json!({
        "details": {
            "description": description,
            "code": code,
            "isInPlay": matches!(pitch.call, Call::InPlayOut | Call::InPlayNoOut | Call::InPlayRuns),
            "isStrike": matches!(pitch.call, Call::CalledStrike | Call::SwingingStrike | Call::Foul),
            "isBall": matches!(pitch.call, Call::Ball | Call::HitByPitch),
            "type": { "code": KINDS[pitch.kind] },
        },
        "count": { "balls": pitch.balls, "strikes": pitch.strikes, "outs": outs },
        "pitchData": { "startSpeed": f64::from(pitch.speed) / 10.0 },
        "index": index,
        "endTime": instant(pitch.at),
        "isPitch": true,
        "type": "pitch",
    })
}

/// `liveData.boxscore.teams.{away,home}`.
pub(crate) fn box_of_side(game: &Game, side: usize) -> Value {
    let club = &game.clubs[side];
    let used = if game.innings.is_empty() { 0 } else { game.pitcher[side] + 1 };
    let mut players = Map::new();
    for (index, player) in club.players.iter().enumerate() {
        let mut entry = json!({
            "person": { "id": player.id, "fullName": player.name() },
            "jerseyNumber": player.number.to_string(),
            "position": { "code": player.position.code, "abbreviation": player.position.abbreviation },
            "stats": { "batting": {}, "pitching": {} },
        });
        if index < BATTERS {
            entry["battingOrder"] = json!(((index + 1) * 100).to_string());
            entry["stats"]["batting"] = batting(game, side, index);
        } else if index - BATTERS < used {
            entry["stats"]["pitching"] = pitching(game, side, index - BATTERS);
        }
        players.insert(format!("ID{}", player.id), entry);
    }
    let id = |index: usize| club.players[index].id;
    let order: Vec<u32> = (0..BATTERS).map(id).collect();
    let total = game.total(side);
    json!({
        "team": team(club),
        "teamStats": { "batting": { "runs": total.runs, "hits": total.hits, "leftOnBase": total.left_on_base } },
        "players": players,
        "batters": order,
        "battingOrder": order,
        "pitchers": (BATTERS..BATTERS + used).map(id).collect::<Vec<_>>(),
        "bullpen": (BATTERS + used..BATTERS + PITCHERS).map(id).collect::<Vec<_>>(),
    })
}

fn batting(game: &Game, side: usize, index: usize) -> Value {
    let so_far = &game.batting[side][index];
    json!({
        "plateAppearances": so_far.plate_appearances,
        "atBats": so_far.at_bats,
        "hits": so_far.hits,
        "doubles": so_far.doubles,
        "homeRuns": so_far.home_runs,
        "totalBases": so_far.total_bases,
        "runs": so_far.runs,
        "rbi": so_far.rbi,
        "baseOnBalls": so_far.walks,
        "strikeOuts": so_far.strikeouts,
    })
}

fn pitching(game: &Game, side: usize, index: usize) -> Value {
    let so_far = &game.pitching[side][index];
    json!({
        "battersFaced": so_far.faced,
        "pitchesThrown": so_far.pitches,
        "inningsPitched": format!("{}.{}", so_far.outs / 3, so_far.outs % 3),
        "outs": so_far.outs,
        "hits": so_far.hits,
        "runs": so_far.runs,
        "baseOnBalls": so_far.walks,
        "strikeOuts": so_far.strikeouts,
    })
}
