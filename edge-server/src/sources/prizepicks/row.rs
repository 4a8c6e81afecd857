//! One row of a board: what it must have, what it may have, and the record it becomes.
//!
//! Every field is read for itself: one of the wrong type is as one that is missing. A row is refused where its id,
//! player, stat, line or start cannot be told; whatever else is missing is `null`.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wire::{Key, Scope, Tag};

use crate::source::{Priority, Record};
use crate::sources::payload;

/// What a league is called, in keys and in values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct League {
    /// The segment of a key.
    pub(super) slug: String,
    name: String,
}

/// A row as read, nothing of it checked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Row {
    #[serde(deserialize_with = "lenient", rename = "type")]
    kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    attributes: Option<Attributes>,
    #[serde(deserialize_with = "lenient")]
    relationships: Option<Relationships>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attributes {
    #[serde(deserialize_with = "lenient")]
    stat_type: Option<String>,
    #[serde(deserialize_with = "lenient")]
    stat_display_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    line_score: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    start_time: Option<String>,
    #[serde(deserialize_with = "lenient")]
    board_time: Option<String>,
    #[serde(deserialize_with = "lenient")]
    updated_at: Option<String>,
    #[serde(deserialize_with = "lenient")]
    odds_type: Option<String>,
    #[serde(deserialize_with = "lenient")]
    status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    description: Option<String>,
    #[serde(deserialize_with = "lenient")]
    game_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    is_live: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    is_promo: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    flash_sale_line_score: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    adjusted_odds: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    trending_count: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Relationships {
    #[serde(deserialize_with = "lenient")]
    new_player: Option<Link>,
    #[serde(deserialize_with = "lenient")]
    league: Option<Link>,
}

#[derive(Debug, Deserialize)]
struct Link {
    data: Reference,
}

#[derive(Debug, Deserialize)]
struct Reference {
    id: String,
}

/// What the rows of a document point at.
#[derive(Debug, Default)]
pub(super) struct Included {
    players: HashMap<String, About>,
    leagues: HashMap<u32, String>,
}

/// A member of `included`.
#[derive(Deserialize)]
struct Member {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    attributes: Option<About>,
}

/// What a member of `included` says of a player or a league.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct About {
    #[serde(deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    team: Option<String>,
    #[serde(deserialize_with = "lenient")]
    position: Option<String>,
    #[serde(deserialize_with = "lenient")]
    combo: Option<bool>,
}

/// The value of a record, its fields in the order in which they are written.
#[derive(Serialize)]
struct Line<'a> {
    source: &'static str,
    projection: &'a str,
    league: &'a str,
    player: &'a str,
    player_id: &'a str,
    team: Option<&'a str>,
    position: Option<&'a str>,
    combo: bool,
    stat: &'a str,
    line: f64,
    odds_type: &'a str,
    status: Option<&'a str>,
    opponent: Option<&'a str>,
    game: Option<&'a str>,
    start_time: &'a str,
    board_time: Option<&'a str>,
    updated_at: Option<&'a str>,
    is_live: bool,
    is_promo: bool,
    flash_sale_line: Option<f64>,
    adjusted_odds: Option<bool>,
    trending: Option<i64>,
}

/// What became of a row.
#[derive(Debug)]
pub(super) enum Taken {
    /// A line, with what orders two rows of one id: when upstream changed it.
    Record {
        id: String,
        updated_ms: i64,
        record: Record,
    },
    Refused {
        key: Option<Key>,
        reason: &'static str,
    },
    OfAnotherType,
}

impl League {
    /// A league by its name; `None` where no letter or digit of it could stand in a key.
    pub(super) fn named(name: &str) -> Option<League> {
        Some(League { slug: slug(name)?, name: name.to_uppercase() })
    }

    /// All that the league's board may hold.
    pub(super) fn scope(&self) -> Scope {
        Scope::parse(&format!("sport:{}:props:", self.slug)).expect("a slug is a segment")
    }
}

impl Included {
    /// Reads the members that rows need; one that cannot be read is found missing by the rows that point at it.
    pub(super) fn read(members: Vec<&RawValue>) -> Included {
        let mut included = Included::default();
        for member in members.into_iter().filter_map(|raw| serde_json::from_str::<Member>(raw.get()).ok()) {
            let about = member.attributes.unwrap_or_default();
            match (member.kind.as_str(), member.id.parse(), about.name.clone()) {
                ("new_player", ..) => {
                    included.players.insert(member.id, about);
                }
                ("league", Ok(id), Some(name)) => {
                    included.leagues.insert(id, name);
                }
                _ => {}
            }
        }
        included
    }

    /// The name the document gives a league.
    pub(super) fn league(&self, id: u32) -> Option<&str> {
        self.leagues.get(&id).map(String::as_str)
    }
}

impl Row {
    /// Reads what there is.
    pub(super) fn read(raw: &RawValue) -> Row {
        serde_json::from_str(raw.get()).unwrap_or_default()
    }

    /// The league the row says it belongs to.
    pub(super) fn league(&self) -> Option<u32> {
        self.relationships.as_ref()?.league.as_ref()?.data.id.parse().ok()
    }

    /// Makes the record. It is observed now: the board says what holds, and a line that left the board and comes back
    /// with an old update must not lose against its own removal.
    pub(super) fn take(self, league: &League, included: &Included, now_ms: i64) -> Taken {
        match self.kind.as_deref() {
            Some("projection") => {}
            Some(_) => return Taken::OfAnotherType,
            None => return Taken::Refused { key: self.key(league).ok(), reason: "type" },
        }
        let key = match self.key(league) {
            Ok(key) => key,
            Err(reason) => return Taken::Refused { key: None, reason },
        };
        match self.line(league, included) {
            Ok((line, about)) => {
                let updated_ms = line.updated_at.and_then(milliseconds).unwrap_or(i64::MIN);
                let live = line.is_live || line.status == Some("in_progress");
                let record = Record {
                    key,
                    source_ts: now_ms,
                    priority: if live { Priority::Live } else { Priority::Props },
                    tags: tags(about.team.as_deref(), line.player_id),
                    payload: Some(payload(&line)),
                };
                Taken::Record { id: line.projection.to_owned(), updated_ms, record }
            }
            Err(reason) => Taken::Refused { key: Some(key), reason },
        }
    }

    fn id(&self) -> Result<&str, &'static str> {
        segment(self.id.as_deref()).ok_or("id")
    }

    fn player(&self) -> Result<&str, &'static str> {
        let link = self.relationships.as_ref().and_then(|relationships| relationships.new_player.as_ref());
        segment(link.map(|link| link.data.id.as_str())).ok_or("player")
    }

    fn key(&self, league: &League) -> Result<Key, &'static str> {
        let (id, player) = (self.id()?, self.player()?);
        let stat = self.attributes.as_ref().and_then(|attributes| attributes.stat_type.as_deref());
        let stat = stat.and_then(slug).ok_or("stat_type")?;
        Key::parse(&format!("sport:{}:props:player:{player}:{stat}:{id}", league.slug)).map_err(|_| "key")
    }

    fn line<'a>(&'a self, league: &'a League, included: &'a Included) -> Result<(Line<'a>, &'a About), &'static str> {
        let attributes = self.attributes.as_ref().ok_or("attributes")?;
        let stat_type = attributes.stat_type.as_deref().ok_or("stat_type")?;
        let player_id = self.player()?;
        let about = included.players.get(player_id).ok_or("player_unknown")?;
        let line = Line {
            source: super::NAME,
            projection: self.id()?,
            league: &league.name,
            player: about.name.as_deref().filter(|name| !name.trim().is_empty()).ok_or("player_nameless")?,
            player_id,
            team: about.team.as_deref(),
            position: about.position.as_deref(),
            combo: about.combo.unwrap_or(false),
            stat: attributes.stat_display_name.as_deref().unwrap_or(stat_type),
            line: attributes.line_score.filter(|line| line.is_finite()).ok_or("line_score")?,
            odds_type: attributes.odds_type.as_deref().unwrap_or("standard"),
            status: attributes.status.as_deref(),
            opponent: attributes.description.as_deref(),
            game: attributes.game_id.as_deref(),
            start_time: attributes
                .start_time
                .as_deref()
                .filter(|time| milliseconds(time).is_some())
                .ok_or("start_time")?,
            board_time: attributes.board_time.as_deref(),
            updated_at: attributes.updated_at.as_deref(),
            is_live: attributes.is_live.unwrap_or(false),
            is_promo: attributes.is_promo.unwrap_or(false),
            flash_sale_line: attributes.flash_sale_line_score,
            adjusted_odds: attributes.adjusted_odds,
            trending: attributes.trending_count,
        };
        Ok((line, about))
    }
}

/// A field of the wrong type, or a number out of range, is as one that is missing.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str::<Option<T>>(raw.get()).unwrap_or_default())
}

/// A text that is one segment of a key.
fn segment(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty() && !text.contains(':'))
}

/// Lower-case ASCII letters and digits, every other run one `_`; `None` where there are none.
fn slug(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug = words.collect::<Vec<_>>().join("_").to_ascii_lowercase();
    (!slug.is_empty()).then_some(slug)
}

fn milliseconds(time: &str) -> Option<i64> {
    time.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// Team names with spaces make no tag.
fn tags(team: Option<&str>, player_id: &str) -> Vec<Tag> {
    let team = team.and_then(|team| Tag::parse(&format!("team-{}", team.to_lowercase())).ok());
    team.into_iter().chain(Tag::parse(&format!("player-{player_id}")).ok()).collect()
}
