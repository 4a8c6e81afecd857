//! PrizePicks: one JSON:API document of projections a league, asked for at a fixed pace.
//!
//! Every projection becomes `sport:{league}:props:player:{player}:{stat}:{projection}`. The document is the whole
//! board, so a line that it no longer names is gone; that is claimed only where every page was read and every row
//! could be named. Pages are not a snapshot: a board that shifts while its pages are read may hide a line until the
//! next round, which is why the request asks for more rows than a league has.
//!
//! This module does not decide what changed: it names everything it sees, and `row` says how.

mod row;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;
use wire::Scope;

use crate::source::{Outcome, Priority, Record, Reject, Request, Source, SourceError};
use crate::sources::{sample, unusable};
use row::{Included, League, Row, Taken};

const NAME: &str = "prizepicks";
const EXPECTED: &str = "a document of projections";
/// Pages after which a board is not followed further. One page holds every board seen so far.
const PAGES_MAX: u32 = 20;

/// The league ids whose names are known before the first answer.
const LEAGUES: [(u32, &str); 5] = [(2, "MLB"), (3, "WNBA"), (7, "NBA"), (8, "NHL"), (9, "NFL")];

/// The source of player props.
#[derive(Debug)]
pub struct PrizePicks {
    leagues: Vec<u32>,
    poll_ms: u64,
    /// Names once given stay for the life of the process: a name is part of every key of its league.
    named: BTreeMap<u32, League>,
    /// Boards of which some pages, not all, were read.
    sweeps: BTreeMap<u32, Sweep>,
}

/// What the pages of one league's board said so far.
#[derive(Debug, Default)]
struct Sweep {
    /// Pages taken.
    pages: u32,
    /// The number of pages that the first one announced.
    total: Option<u32>,
    records: Vec<Record>,
    rejects: Vec<Reject>,
    /// Where a projection stands in `records`.
    places: HashMap<String, Place>,
    /// Rows of the league that was asked for, refused ones not among them.
    own: usize,
}

/// Where a projection stands, and when upstream changed it.
#[derive(Debug)]
struct Place {
    index: usize,
    updated_ms: i64,
}

/// Where a page stands among the pages of its board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    /// There is another: this is its number.
    Before(u32),
    /// The board ends here, and all of it was read.
    Last,
    /// The pages do not add up to a board.
    Astray,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(borrow)]
    included: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    current_page: Option<u32>,
    total_pages: Option<u32>,
}

impl PrizePicks {
    /// A source of these leagues (upstream's ids), each asked for every `poll_ms` milliseconds.
    pub fn new(leagues: Vec<u32>, poll_ms: u64) -> PrizePicks {
        PrizePicks { leagues, poll_ms, named: BTreeMap::new(), sweeps: BTreeMap::new() }
    }

    /// The name of a league: a known one, the one its first document gave, else its number. No two leagues share a
    /// name, since the board of one would otherwise end the lines of the other.
    fn league(&mut self, id: u32, included: &Included) -> League {
        if let Some(league) = self.named.get(&id) {
            return league.clone();
        }
        let taken = |league: &League| {
            LEAGUES.iter().any(|&(_, name)| league.slug == name.to_ascii_lowercase())
                || self.named.values().any(|named| named.slug == league.slug)
        };
        let given = || included.league(id).and_then(League::named).filter(|league| !taken(league));
        let league = known(id)
            .and_then(League::named)
            .or_else(given)
            .or_else(|| League::named(&format!("league{id}")))
            .expect("`league` and a number has letters");
        self.named.insert(id, league.clone());
        league
    }

    fn request(league: u32, page: u32, after_ms: u64) -> Request {
        let mut path = format!("/projections?league_id={league}&per_page=1000&single_stat=true&game_mode=pickem");
        if page > 1 {
            path.push_str(&format!("&page={page}"));
        }
        Request { topic: format!("league/{league}"), path, priority: Priority::Props, after_ms }
    }
}

impl Source for PrizePicks {
    fn name(&self) -> &'static str {
        NAME
    }

    fn start(&mut self) -> Vec<Request> {
        self.leagues.iter().map(|&league| PrizePicks::request(league, 1, 0)).collect()
    }

    fn accept(&mut self, request: &Request, body: &[u8], now_ms: i64) -> Result<Outcome, SourceError> {
        let asked = request.topic.strip_prefix("league/").and_then(|id| id.parse::<u32>().ok());
        let Some(asked) = asked else {
            return Err(unusable(NAME, request, "of a topic of this source", &"topics are `league/{id}`", body));
        };
        let document: Document<'_> =
            serde_json::from_slice(body).map_err(|error| unusable(NAME, request, EXPECTED, &error, body))?;
        let number = page_number(&request.path);
        let kept = self.sweeps.remove(&asked);
        let mut sweep = if number == 1 { Sweep::default() } else { kept.unwrap_or_default() };
        let page = sweep.place(number, document.meta);

        let included = Included::read(document.included.unwrap_or_default());
        // A board may be empty: what it is called is then known, or said by the document, or no line of it was seen.
        if known(asked).is_some() || included.league(asked).is_some() {
            self.league(asked, &included);
        }
        for (at, raw) in document.data.iter().enumerate() {
            let row = Row::read(raw);
            let league_id = row.league().unwrap_or(asked);
            let league = self.league(league_id, &included);
            match row.take(&league, &included, now_ms) {
                Taken::Record { id, updated_ms, record } => {
                    sweep.own += usize::from(league_id == asked);
                    sweep.keep(id, updated_ms, record);
                }
                Taken::Refused { key, reason } => {
                    let at = if number == 1 { format!("data[{at}]") } else { format!("page {number}, data[{at}]") };
                    sweep.rejects.push(Reject { key, at, reason, sample: sample(raw.get()) });
                }
                Taken::OfAnotherType => {}
            }
        }

        if let Page::Before(next) = page {
            self.sweeps.insert(asked, sweep);
            return Ok(Outcome { next: vec![PrizePicks::request(asked, next, 0)], ..Outcome::default() });
        }
        let scope = self.named.get(&asked).filter(|_| page == Page::Last && sweep.names_a_board()).map(League::scope);
        Ok(sweep.outcome(scope, PrizePicks::request(asked, 1, self.poll_ms)))
    }
}

impl Sweep {
    /// Counts a page and says where it stands. Without `total_pages` the first page is the board.
    fn place(&mut self, number: u32, meta: Option<&RawValue>) -> Page {
        let in_step = self.pages.checked_add(1) == Some(number);
        self.pages = number;
        let Ok(meta) = meta.map_or(Ok(Meta::default()), |meta| serde_json::from_str::<Meta>(meta.get())) else {
            return Page::Astray;
        };
        let total = match meta.total_pages {
            None if number == 1 => 1,
            None => return Page::Astray,
            Some(total) => total.max(1),
        };
        let told_otherwise = meta.current_page.is_some_and(|current| current != number);
        let changed = self.total.replace(total).is_some_and(|before| before != total);
        if !in_step || told_otherwise || changed || number > total {
            Page::Astray
        } else if number == total {
            Page::Last
        } else if number < PAGES_MAX {
            Page::Before(number + 1)
        } else {
            Page::Astray
        }
    }

    /// Takes a record. Of two rows of one projection the later by its own time stays, and of equal ones the last read.
    fn keep(&mut self, id: String, updated_ms: i64, record: Record) {
        match self.places.get_mut(&id) {
            None => {
                self.places.insert(id, Place { index: self.records.len(), updated_ms });
                self.records.push(record);
            }
            Some(place) if place.updated_ms <= updated_ms => {
                place.updated_ms = updated_ms;
                self.records[place.index] = record;
            }
            Some(_) => {}
        }
    }

    /// Whether what was read may stand for the board: every row could be named, and not all are of other leagues, as
    /// they would be if upstream overlooked which was asked for.
    fn names_a_board(&self) -> bool {
        self.rejects.iter().all(|reject| reject.key.is_some()) && (self.own > 0 || self.records.is_empty())
    }

    fn outcome(self, listing: Option<Scope>, next: Request) -> Outcome {
        Outcome { records: self.records, rejects: self.rejects, listing, next: vec![next] }
    }
}

/// The name of a league, where it is known before the first answer.
fn known(id: u32) -> Option<&'static str> {
    LEAGUES.iter().find(|league| league.0 == id).map(|league| league.1)
}

/// The page that a path of this source asks for.
fn page_number(path: &str) -> u32 {
    path.rsplit_once("&page=").and_then(|(_, number)| number.parse().ok()).unwrap_or(1)
}
