//! The live feed of one game: the whole document, the changes to it, and the two values that are read from it.
//!
//! A [`Feed`] always has the game's number and a timecode. Every other part may be missing and is `null` then.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use json_patch::PatchOperation;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::Key;

use crate::source::{Priority, Record};
use crate::sources::payload;

/// The pause between two requests where the feed names none, in seconds.
const WAIT_S: u64 = 10;
/// The pauses that are believed, in seconds.
const WAITS_S: std::ops::RangeInclusive<u64> = 1..=300;

/// The document of one game.
#[derive(Debug)]
pub(super) struct Feed {
    document: Value,
    timecode: Timecode,
}

/// The version of a feed, `YYYYMMDD_HHMMSS` in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timecode {
    text: String,
    ms: i64,
}

/// One step from a timecode to a later one.
#[derive(Deserialize)]
struct Step {
    diff: Vec<PatchOperation>,
}

#[derive(Serialize)]
struct Live<'a> {
    source: &'static str,
    game: u64,
    timecode: &'a str,
    state: Option<&'a str>,
    detail: Option<&'a str>,
    inning: Option<i64>,
    half: Option<String>,
    outs: Option<i64>,
    balls: Option<i64>,
    strikes: Option<i64>,
    away: Side<'a>,
    home: Side<'a>,
    bases: Bases<'a>,
    batter: Option<Person<'a>>,
    pitcher: Option<Person<'a>>,
}

#[derive(Serialize)]
struct Side<'a> {
    id: Option<i64>,
    name: Option<&'a str>,
    abbr: Option<&'a str>,
    runs: Option<i64>,
    hits: Option<i64>,
    errors: Option<i64>,
}

#[derive(Serialize)]
struct Bases<'a> {
    first: Option<&'a str>,
    second: Option<&'a str>,
    third: Option<&'a str>,
}

#[derive(Serialize)]
struct Person<'a> {
    id: Option<i64>,
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Play<'a> {
    source: &'static str,
    game: u64,
    timecode: &'a str,
    at_bat: Option<i64>,
    inning: Option<i64>,
    half: Option<String>,
    batter: Option<Person<'a>>,
    pitcher: Option<Person<'a>>,
    event: Option<&'a str>,
    description: Option<&'a str>,
    complete: Option<bool>,
    balls: Option<i64>,
    strikes: Option<i64>,
    outs: Option<i64>,
    away_score: Option<i64>,
    home_score: Option<i64>,
    pitches: usize,
    last_pitch: Option<Pitch<'a>>,
}

#[derive(Serialize)]
struct Pitch<'a> {
    call: Option<&'a str>,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    speed_mph: Option<f64>,
}

impl Feed {
    /// Takes the document of a game.
    ///
    /// # Errors
    /// The sentence says why it is not the feed of this game.
    pub(super) fn read(document: Value, pk: u64) -> Result<Feed, String> {
        match document.get("gamePk").and_then(Value::as_u64) {
            Some(found) if found == pk => {}
            Some(found) => return Err(format!("it is of game {found}")),
            None => return Err("it has no gamePk".to_owned()),
        }
        let timecode = text(&document, "/metaData/timeStamp").ok_or("it has no metaData.timeStamp")?;
        let timecode = Timecode::parse(timecode).ok_or_else(|| format!("its timeStamp {timecode:?} is no time"))?;
        Ok(Feed { document, timecode })
    }

    /// The feed after these changes. The timecode must move on: were it to stand, the same changes would come again
    /// and be applied twice.
    ///
    /// # Errors
    /// Where it went wrong. The document is then of no use, half changed as it is, and is gone with `self`.
    pub(super) fn changed(self, changes: Vec<Value>, pk: u64) -> Result<Feed, String> {
        let Feed { mut document, timecode } = self;
        for (at, change) in changes.into_iter().enumerate() {
            let step: Step = serde_json::from_value(change).map_err(|error| format!("[{at}]: {error}"))?;
            // Not `patch`: it undoes what it did before a failure, for which there is no use here, and (json-patch 4.2)
            // panics where it cannot, as after a move onto a parent.
            json_patch::patch_unsafe(&mut document, &step.diff)
                .map_err(|error| format!("[{at}].diff[{}] {}: {}", error.operation, error.path, error.kind))?;
        }
        let feed = Feed::read(document, pk).map_err(|error| format!("the changed document: {error}"))?;
        if feed.timecode.ms <= timecode.ms {
            return Err(format!("the changed document: its timeStamp is still {}", feed.timecode.text));
        }
        Ok(feed)
    }

    /// The version of the document.
    pub(super) fn timecode(&self) -> &Timecode {
        &self.timecode
    }

    /// How long the feed asks to be left alone, in milliseconds.
    pub(super) fn wait_ms(&self) -> u64 {
        let wait = self.document.pointer("/metaData/wait").and_then(Value::as_u64).unwrap_or(WAIT_S);
        wait.clamp(*WAITS_S.start(), *WAITS_S.end()) * 1_000
    }

    /// Whether nothing more is to come.
    pub(super) fn is_final(&self) -> bool {
        text(&self.document, "/gameData/status/abstractGameState") == Some("Final")
    }

    /// The values of the game as it stands.
    pub(super) fn records(&self, pk: u64) -> Vec<Record> {
        let record = |what: &str, payload| Record {
            key: Key::parse(&format!("sport:mlb:games:{pk}:{what}")).expect("a number is a segment"),
            source_ts: self.timecode.ms,
            priority: Priority::Live,
            tags: Vec::new(),
            payload: Some(payload),
        };
        vec![record("live", payload(&self.live(pk))), record("play", payload(&self.play(pk)))]
    }

    fn live(&self, pk: u64) -> Live<'_> {
        let document = &self.document;
        let line = part(document, "/liveData/linescore");
        Live {
            source: super::NAME,
            game: pk,
            timecode: &self.timecode.text,
            state: text(document, "/gameData/status/abstractGameState"),
            detail: text(document, "/gameData/status/detailedState"),
            inning: int(line, "/currentInning"),
            half: half(line, "/inningHalf"),
            outs: int(line, "/outs"),
            balls: int(line, "/balls"),
            strikes: int(line, "/strikes"),
            away: side(part(document, "/gameData/teams/away"), part(line, "/teams/away")),
            home: side(part(document, "/gameData/teams/home"), part(line, "/teams/home")),
            bases: Bases {
                first: text(line, "/offense/first/fullName"),
                second: text(line, "/offense/second/fullName"),
                third: text(line, "/offense/third/fullName"),
            },
            batter: person(line, "/offense/batter"),
            pitcher: person(line, "/defense/pitcher"),
        }
    }

    fn play(&self, pk: u64) -> Play<'_> {
        let play = part(&self.document, "/liveData/plays/currentPlay");
        let events = play.get("playEvents").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let pitches = || events.iter().filter(|event| flag(event, "/isPitch") == Some(true));
        Play {
            source: super::NAME,
            game: pk,
            timecode: &self.timecode.text,
            at_bat: int(play, "/about/atBatIndex"),
            inning: int(play, "/about/inning"),
            half: half(play, "/about/halfInning"),
            batter: person(play, "/matchup/batter"),
            pitcher: person(play, "/matchup/pitcher"),
            event: text(play, "/result/event"),
            description: text(play, "/result/description"),
            complete: flag(play, "/about/isComplete"),
            balls: int(play, "/count/balls"),
            strikes: int(play, "/count/strikes"),
            outs: int(play, "/count/outs"),
            away_score: int(play, "/result/awayScore"),
            home_score: int(play, "/result/homeScore"),
            pitches: pitches().count(),
            last_pitch: pitches().next_back().map(|pitch| Pitch {
                call: text(pitch, "/details/call/description"),
                kind: text(pitch, "/details/type/description"),
                speed_mph: pitch.pointer("/pitchData/startSpeed").and_then(Value::as_f64),
            }),
        }
    }
}

impl Timecode {
    /// Parses a timecode. Nothing but digits and its `_` passes: it becomes part of a request's path.
    pub(super) fn parse(text: &str) -> Option<Timecode> {
        let shaped = text.len() == 15
            && text.bytes().enumerate().all(|(at, byte)| if at == 8 { byte == b'_' } else { byte.is_ascii_digit() });
        let time = DateTime::strptime("%Y%m%d_%H%M%S", shaped.then_some(text)?).ok()?;
        let ms = time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
        Some(Timecode { text: text.to_owned(), ms })
    }

    /// The timecode as upstream writes it.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// Whether a list of changes changes nothing.
pub(super) fn are_no_news(changes: &[Value]) -> bool {
    changes.iter().all(|change| change.get("diff").and_then(Value::as_array).is_some_and(Vec::is_empty))
}

/// The part at a JSON pointer, `null` where there is none.
pub(super) fn part<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// The text at a JSON pointer.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    part(value, pointer).as_str()
}

/// The integer at a JSON pointer.
pub(super) fn int(value: &Value, pointer: &str) -> Option<i64> {
    part(value, pointer).as_i64()
}

fn flag(value: &Value, pointer: &str) -> Option<bool> {
    part(value, pointer).as_bool()
}

/// `top` or `bottom`: the linescore writes them with a capital, the plays without.
fn half(value: &Value, pointer: &str) -> Option<String> {
    text(value, pointer).map(str::to_ascii_lowercase)
}

fn person<'a>(value: &'a Value, pointer: &str) -> Option<Person<'a>> {
    let person = value.pointer(pointer)?;
    person.is_object().then(|| Person { id: int(person, "/id"), name: text(person, "/fullName") })
}

fn side<'a>(team: &'a Value, line: &Value) -> Side<'a> {
    Side {
        id: int(team, "/id"),
        name: text(team, "/name"),
        abbr: text(team, "/abbreviation"),
        runs: int(line, "/runs"),
        hits: int(line, "/hits"),
        errors: int(line, "/errors"),
    }
}
