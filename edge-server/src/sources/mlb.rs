//! MLB Stats API: the day's schedule, and the live feed of every game in progress.
//!
//! ```text
//!            schedule says Live                 answer: a whole feed
//!  (unknown) ------------------> awaits feed ----------------------> holds feed --+ answer: changes, or none
//!                                     ^                               |  |   ^----+
//!                                     +------ changes do not apply ---+  |
//!                                                                        +--> finished (the feed says Final)
//! ```
//! A game that the schedule calls something else is given up with its next answer, so that the last state written is
//! the last state there was; one that the schedule no longer has goes on until its own feed says Final. A finished game is not taken up again.
//!
//! Changes are strict RFC 6902 on the whole document: an operation may copy from anywhere in it, so nothing is cut
//! away and the operations go in order. Whatever fails costs one whole feed. This module does not decide what changed:
//! every answer with news yields both records of its game.

mod feed;
mod schedule;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde_json::Value;

use crate::source::{Outcome, Priority, Reject, Request, Source, SourceError};
use crate::sources::{sample, unusable};
use feed::Feed;
use schedule::Schedule;

const NAME: &str = "mlb";
const SCHEDULE: &str = "schedule";
/// The longest pause between two looks at the schedule.
const SCHEDULE_MS: u64 = 30_000;

/// The source of games.
#[derive(Debug)]
pub struct Mlb {
    poll_ms: Option<u64>,
    games: BTreeMap<u64, Game>,
    /// Games whose feed said Final, for as long as the schedule has them.
    finished: BTreeSet<u64>,
}

/// A game that is followed. Exactly one request for it is under way.
#[derive(Debug, Default)]
struct Game {
    /// `None` while the whole feed is awaited.
    feed: Option<Feed>,
    /// Set when the schedule calls the game something else than Live: its next answer is its last.
    leaving: bool,
}

impl Mlb {
    /// A source that asks for each game as often as its feed says, or every `poll_ms` milliseconds.
    pub fn new(poll_ms: Option<u64>) -> Mlb {
        Mlb { poll_ms, games: BTreeMap::new(), finished: BTreeSet::new() }
    }

    fn schedule_request(&self, after_ms: u64) -> Request {
        let path = "/api/v1/schedule?sportId=1".to_owned();
        Request { topic: SCHEDULE.to_owned(), path, priority: Priority::Props, after_ms }
    }

    fn feed_request(pk: u64) -> Request {
        let path = format!("/api/v1.1/game/{pk}/feed/live");
        Request { topic: format!("game/{pk}"), path, priority: Priority::Live, after_ms: 0 }
    }

    fn changes_request(&self, pk: u64, feed: &Feed) -> Request {
        let since = feed.timecode().as_str();
        Request {
            path: format!("/api/v1.1/game/{pk}/feed/live/diffPatch?startTimecode={since}"),
            after_ms: self.poll_ms.unwrap_or_else(|| feed.wait_ms()),
            ..Mlb::feed_request(pk)
        }
    }

    fn accept_schedule(&mut self, request: &Request, body: &[u8], now_ms: i64) -> Result<Outcome, SourceError> {
        let schedule = Schedule::read(body)
            .map_err(|reason| unusable(NAME, request, "a schedule: an object with `dates`", &reason, body))?;
        let pause = self.poll_ms.map_or(SCHEDULE_MS, |poll_ms| SCHEDULE_MS.min(poll_ms.saturating_mul(10)));
        let mut next = vec![self.schedule_request(pause)];

        // A game that is missing goes on: at midnight the day's schedule turns over while games are still played.
        for (pk, game) in &mut self.games {
            game.leaving = schedule.is_live(*pk).is_some_and(|live| !live);
        }
        // A row that cannot be read may be any game: then none is forgotten.
        if schedule.rejects.is_empty() {
            self.finished.retain(|pk| schedule.is_live(*pk).is_some());
        }
        for pk in schedule.live() {
            if !self.finished.contains(&pk) && !self.games.contains_key(&pk) {
                self.games.insert(pk, Game::default());
                next.push(Mlb::feed_request(pk));
            }
        }
        Ok(Outcome { records: schedule.records(now_ms), rejects: schedule.rejects, listing: None, next })
    }

    fn accept_game(&mut self, pk: u64, request: &Request, body: &[u8]) -> Result<Outcome, SourceError> {
        let expected = "the feed of the game, or a list of its changes";
        let refused = |reason: &dyn Display| unusable(NAME, request, expected, reason, body);
        let asked_for_changes = request.path.contains("/diffPatch");
        match serde_json::from_slice::<Value>(body).map_err(|error| refused(&error))? {
            document @ Value::Object(_) => {
                let feed = Feed::read(document, pk).map_err(|reason| refused(&reason))?;
                Ok(self.hold_new(pk, feed))
            }
            Value::Array(changes) if asked_for_changes => Ok(self.apply(pk, changes, body)),
            _ => Err(refused(&"another document stands in its place")),
        }
    }

    /// Takes a feed with news.
    fn hold_new(&mut self, pk: u64, feed: Feed) -> Outcome {
        let records = feed.records(pk);
        Outcome { records, next: self.hold(pk, feed).into_iter().collect(), ..Outcome::default() }
    }

    /// Keeps the feed for the changes to come and says what to ask for, unless there will be none.
    fn hold(&mut self, pk: u64, feed: Feed) -> Option<Request> {
        if feed.is_final() {
            self.finished.insert(pk);
        }
        if feed.is_final() || self.games.get(&pk).is_some_and(|game| game.leaving) {
            self.games.remove(&pk);
            return None;
        }
        let next = self.changes_request(pk, &feed);
        self.games.entry(pk).or_default().feed = Some(feed);
        Some(next)
    }

    fn apply(&mut self, pk: u64, changes: Vec<Value>, body: &[u8]) -> Outcome {
        let Some(game) = self.games.get_mut(&pk) else {
            return Outcome::default();
        };
        let Some(feed) = game.feed.take() else {
            return Outcome { next: vec![Mlb::feed_request(pk)], ..Outcome::default() };
        };
        if feed::are_no_news(&changes) {
            return Outcome { next: self.hold(pk, feed).into_iter().collect(), ..Outcome::default() };
        }
        match feed.changed(changes, pk) {
            Ok(feed) => self.hold_new(pk, feed),
            Err(at) => {
                let sample = sample(&String::from_utf8_lossy(body));
                let reject = Reject { key: None, at, reason: "patch_failed", sample };
                Outcome { rejects: vec![reject], next: vec![Mlb::feed_request(pk)], ..Outcome::default() }
            }
        }
    }
}

impl Source for Mlb {
    fn name(&self) -> &'static str {
        NAME
    }

    fn start(&mut self) -> Vec<Request> {
        vec![self.schedule_request(0)]
    }

    fn accept(&mut self, request: &Request, body: &[u8], now_ms: i64) -> Result<Outcome, SourceError> {
        if request.topic == SCHEDULE {
            return self.accept_schedule(request, body, now_ms);
        }
        match request.topic.strip_prefix("game/").and_then(|pk| pk.parse().ok()) {
            Some(pk) => self.accept_game(pk, request, body),
            None => Err(unusable(
                NAME,
                request,
                "of a topic of this source",
                &"topics are `schedule` and `game/{pk}`",
                body,
            )),
        }
    }
}
