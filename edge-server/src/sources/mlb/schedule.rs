//! The schedule: which games there are, and which are in progress.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use wire::Key;

use super::feed::{int, part, text};
use crate::source::{Priority, Record, Reject};
use crate::sources::{payload, sample};

/// A schedule as it was answered.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    games: BTreeMap<u64, Value>,
    /// Games without a number, dates without games.
    pub(super) rejects: Vec<Reject>,
}

#[derive(Serialize)]
struct Summary<'a> {
    source: &'static str,
    game: u64,
    date: Option<&'a str>,
    start: Option<&'a str>,
    state: Option<&'a str>,
    detail: Option<&'a str>,
    away: Side<'a>,
    home: Side<'a>,
}

#[derive(Serialize)]
struct Side<'a> {
    id: Option<i64>,
    name: Option<&'a str>,
    score: Option<i64>,
}

impl Schedule {
    /// Reads a schedule. A game that was broken off stands under two dates: the Live row is kept, else the last.
    ///
    /// # Errors
    /// The sentence says why the body is no schedule.
    pub(super) fn read(body: &[u8]) -> Result<Schedule, String> {
        let mut document: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let Some(Value::Array(dates)) = document.get_mut("dates").map(Value::take) else {
            return Err("it has no dates".to_owned());
        };
        let mut schedule = Schedule::default();
        for (d, mut date) in dates.into_iter().enumerate() {
            let Some(Value::Array(games)) = date.get_mut("games").map(Value::take) else {
                schedule.reject(format!("dates[{d}]"), "no_games", &date);
                continue;
            };
            for (g, game) in games.into_iter().enumerate() {
                match game.get("gamePk").and_then(Value::as_u64) {
                    None => schedule.reject(format!("dates[{d}].games[{g}]"), "no_game_pk", &game),
                    Some(pk) if schedule.is_live(pk) == Some(true) => {}
                    Some(pk) => {
                        schedule.games.insert(pk, game);
                    }
                }
            }
        }
        Ok(schedule)
    }

    /// Whether a game is in progress; `None` where the schedule does not have it.
    pub(super) fn is_live(&self, pk: u64) -> Option<bool> {
        self.games.get(&pk).map(is_live)
    }

    /// The games in progress.
    pub(super) fn live(&self) -> impl Iterator<Item = u64> {
        self.games.iter().filter(|(_, game)| is_live(game)).map(|(pk, _)| *pk)
    }

    /// One value a game.
    pub(super) fn records(&self, now_ms: i64) -> Vec<Record> {
        let record = |(&pk, game): (&u64, &Value)| Record {
            key: Key::parse(&format!("sport:mlb:games:{pk}:summary")).expect("a number is a segment"),
            source_ts: now_ms,
            priority: if is_live(game) { Priority::Live } else { Priority::Historical },
            tags: Vec::new(),
            payload: Some(payload(&summary(pk, game))),
        };
        self.games.iter().map(record).collect()
    }

    fn reject(&mut self, at: String, reason: &'static str, part: &Value) {
        self.rejects.push(Reject { key: None, at, reason, sample: sample(&part.to_string()) });
    }
}

fn is_live(game: &Value) -> bool {
    text(game, "/status/abstractGameState") == Some("Live")
}

fn summary(pk: u64, game: &Value) -> Summary<'_> {
    Summary {
        source: super::NAME,
        game: pk,
        date: text(game, "/officialDate"),
        start: text(game, "/gameDate"),
        state: text(game, "/status/abstractGameState"),
        detail: text(game, "/status/detailedState"),
        away: side(part(game, "/teams/away")),
        home: side(part(game, "/teams/home")),
    }
}

fn side(side: &Value) -> Side<'_> {
    Side { id: int(side, "/team/id"), name: text(side, "/team/name"), score: int(side, "/score") }
}
