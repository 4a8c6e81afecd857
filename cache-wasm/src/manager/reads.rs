//! Reads through: fills of one key, of many, and of a scope, each answer judged before it is kept (R3).

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use wire::{AnswerReader, Body, Codec, Found, Key, Position, Scope, ServerFrame};

use crate::fill::{Fill, Followed, Ruling, Target, Ticket};
use crate::manager::Manager;
use crate::slots::{Slot, StreamRef, UNFOLLOWED};
use crate::store::{Given, Origin, Put, Reason};

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filled {
    /// It is in this slot.
    Stored(Slot),
    /// The key has no value.
    Absent,
    /// It is for who asked, and not stored.
    Delivered,
    /// It may be too old: ask again, for at least this position.
    Retry(Option<Position>),
    /// It lacks the position that a followed key requires.
    Unfenced,
    /// The fill had ended before.
    Ended,
    /// It is for who asked; it does not fit into the cache.
    TooLarge,
}

/// An answer to a fill.
#[derive(Debug, Default)]
pub struct Answer {
    /// The position it was read at.
    pub as_of: Option<Position>,
    /// The value's version as the application numbers it, where it does.
    pub version: Option<u64>,
    /// The value's bytes, or `None` when the key has none.
    pub bytes: Option<Box<[u8]>>,
    /// The value's labels.
    pub tags: Vec<wire::Tag>,
    /// Its age limit in milliseconds, or `None` for the category's.
    pub ttl: Option<f64>,
}

impl From<Found> for Answer {
    fn from(found: Found) -> Answer {
        let (bytes, tags) = match found.value {
            Some((_, Body::Value { tags, payload, .. })) => (Some(payload.as_bytes().into()), tags),
            _ => (None, Vec::new()),
        };
        let ttl = found.ttl_ms.map(|ttl| ttl as f64);
        Answer { as_of: Some(found.as_of), version: None, bytes, tags, ttl }
    }
}

/// What became of a key of an answer for many, and its bytes where they are for who asked and not stored.
pub type Part = (Ticket, Filled, Option<Box<[u8]>>);

/// What became of a scope's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// So far all is well: feed it the rest.
    More,
    /// Keys that are in the cache now, and keys that changed meanwhile or do not fit.
    Kept {
        /// In the cache.
        keys: Vec<String>,
        /// To be fetched, or to come by the stream.
        late: Vec<String>,
    },
    /// All of it may be too old.
    Retry(Option<Position>),
    /// The bytes are not an answer.
    Malformed(String),
}

/// A scope's answer that is arriving.
#[derive(Debug, Default)]
pub(super) struct Load {
    reader: AnswerReader,
    keys: Vec<String>,
    late: Vec<String>,
}

/// The loads that have begun to arrive: few at a time.
pub(super) type Loads = Vec<(Ticket, Load)>;

impl Manager {
    /// Begins to read a key: the ticket, and the position to ask for.
    pub fn begin_fill(&mut self, category: u16, key: Key) -> (Ticket, Option<Position>) {
        self.begin(category, key, Origin::Server)
    }

    /// Begins to read a key that nobody has asked for yet.
    pub fn begin_prefetch(&mut self, category: u16, key: Key) -> (Ticket, Option<Position>) {
        self.begin(category, key, Origin::Prefetch)
    }

    fn begin(&mut self, category: u16, key: Key, origin: Origin) -> (Ticket, Option<Position>) {
        self.fill_stats.started += 1;
        let cursor = self.followed(&key).1.position();
        let version = self.newest_version(&key);
        (self.fills.begin(category, Target::Key(key), cursor, version, origin), cursor)
    }

    /// Begins to read a scope: the ticket, and the position to ask for.
    pub fn begin_load(&mut self, category: u16, scope: Scope) -> (Ticket, Option<Position>) {
        self.fill_stats.started += 1;
        let cursor = self.farthest(|followed| followed.overlaps(&scope)).position();
        (self.fills.begin(category, Target::Scope(scope), cursor, None, Origin::Server), cursor)
    }

    /// Ends a fill without an answer.
    pub fn abandon_fill(&mut self, ticket: Ticket) {
        self.take_load(ticket);
        if self.fills.end(ticket).is_some() {
            self.fill_stats.failed += 1;
        }
    }

    /// Ends a fill with its answer, which is stored if nothing newer is known (R3).
    pub fn end_fill(&mut self, ticket: Ticket, answer: Answer, now: f64) -> Filled {
        let Some(fill) = self.fills.end(ticket) else { return Filled::Ended };
        let Target::Key(key) = &fill.target else { return Filled::Ended };
        let (stream, followed) = self.followed(key);
        match fill.judge(key, answer.as_of, answer.version, followed) {
            Ruling::Accept => {}
            Ruling::Deliver => return Filled::Delivered,
            Ruling::Unfenced => {
                self.fill_stats.failed += 1;
                return Filled::Unfenced;
            }
            Ruling::Retry(min) => {
                self.fill_stats.discarded += 1;
                return Filled::Retry(min);
            }
        }
        self.fill_stats.accepted += 1;
        if let Some(slot) = self.read_later(fill.category, key, answer.as_of, now) {
            return Filled::Stored(slot);
        }
        let seen = answer.as_of.filter(|_| stream != UNFOLLOWED);
        let Answer { bytes, version, ttl, tags, .. } = answer;
        let Some(bytes) = bytes else {
            self.fill_absent(&fill, key, seen, stream, now);
            return Filled::Absent;
        };
        let given = Given::Bytes(bytes);
        let put =
            Put { seen, version, stream, ttl, origin: fill.origin, tags, ..Put::of(fill.category, key.clone(), given) };
        self.store.put(put, now).map_or(Filled::TooLarge, Filled::Stored)
    }

    /// Keeps the knowledge that a key has no value: while a stream vouches for it, else for the category's `absent_ttl`.
    fn fill_absent(&mut self, fill: &Fill, key: &Key, seen: Option<Position>, stream: StreamRef, now: f64) {
        if let Some(slot) = self.store.find(fill.category, key) {
            self.store.remove(slot, Reason::Gone);
        }
        let options = self.store.categories().get(usize::from(fill.category)).map(|category| &category.options);
        let ttl = options.map(|options| options.absent_ttl).filter(|&ttl| ttl > 0.0);
        if stream == UNFOLLOWED && ttl.is_none() {
            return;
        }
        let put = Put { seen, stream, ttl, ..Put::of(fill.category, key.clone(), Given::Absent) };
        // A cache that is full of what handles hold asks again the next time.
        drop(self.store.put(put, now));
    }

    /// Ends fills with the answer for all of them: a `got` frame in postcard. What it does not name stays open.
    ///
    /// # Errors
    /// A sentence, when the bytes are no such frame.
    pub fn end_fills(&mut self, tickets: &[Ticket], body: &[u8], now: f64) -> Result<Vec<Part>, String> {
        let items = match Codec::Postcard.decode_answer(body) {
            Ok(ServerFrame::Got { items, .. }) => items,
            Ok(_) => return Err("it is another frame".into()),
            Err(error) => return Err(error.to_string()),
        };
        let mut parts = Vec::with_capacity(tickets.len());
        for found in items {
            let named = |ticket: &&Ticket| self.fills.reads(**ticket, &found.key);
            let waiting: Vec<Ticket> = tickets.iter().filter(named).copied().collect();
            for ticket in waiting {
                let answer = Answer::from(found.clone());
                let bytes = answer.bytes.clone();
                let filled = self.end_fill(ticket, answer, now);
                let is_for_asker = matches!(filled, Filled::Delivered | Filled::TooLarge);
                parts.push((ticket, filled, bytes.filter(|_| is_for_asker)));
            }
        }
        Ok(parts)
    }

    /// Takes the next bytes of a scope's answer, a `got` frame in postcard, read at `as_of`.
    pub fn feed_load(&mut self, ticket: Ticket, as_of: Option<Position>, bytes: &[u8], now: f64) -> Loaded {
        if let Some(ruling) = self.judge_load(ticket, as_of) {
            return ruling;
        }
        let mut load = self.take_load(ticket);
        let items = match load.reader.feed(bytes) {
            Ok(items) => items,
            Err(error) => return self.malformed(ticket, error.to_string()),
        };
        for found in items {
            self.keep(ticket, &mut load, found, as_of, now);
        }
        self.loads.push((ticket, load));
        Loaded::More
    }

    /// Ends a scope's fill: all of its answer was fed.
    pub fn end_load(&mut self, ticket: Ticket, as_of: Option<Position>) -> Loaded {
        if let Some(ruling) = self.judge_load(ticket, as_of) {
            return ruling;
        }
        let Load { reader, keys, late } = self.take_load(ticket);
        if let Err(error) = reader.finish() {
            return self.malformed(ticket, error.to_string());
        }
        self.fills.end(ticket);
        self.fill_stats.discarded += late.len() as u64;
        self.fill_stats.accepted += 1;
        Loaded::Kept { keys, late }
    }

    /// What has arrived of a load, which is then nothing.
    fn take_load(&mut self, ticket: Ticket) -> Load {
        let place = self.loads.iter().position(|(open, _)| *open == ticket);
        place.map(|place| self.loads.swap_remove(place).1).unwrap_or_default()
    }

    /// What ends a load: its answer, as a whole, may be too old. `None` while it may go on.
    fn judge_load(&mut self, ticket: Ticket, as_of: Option<Position>) -> Option<Loaded> {
        let Some(fill) = self.fills.get(ticket) else { return Some(Loaded::Retry(None)) };
        let Target::Scope(scope) = &fill.target else { return Some(Loaded::Retry(None)) };
        match fill.judge_whole(as_of, self.followed_scope(scope)) {
            Ruling::Accept | Ruling::Deliver => None,
            Ruling::Unfenced => Some(self.malformed(ticket, "it carries no position".into())),
            Ruling::Retry(min) => {
                self.fills.end(ticket);
                self.take_load(ticket);
                self.fill_stats.discarded += 1;
                Some(Loaded::Retry(min))
            }
        }
    }

    /// Keeps one value of a scope's answer, if nothing newer is known of it.
    fn keep(&mut self, ticket: Ticket, load: &mut Load, found: Found, as_of: Option<Position>, now: f64) {
        let Some(fill) = self.fills.get(ticket) else { return };
        let Target::Scope(scope) = &fill.target else { return };
        if !scope.contains(&found.key) || !matches!(found.value, Some((_, Body::Value { .. }))) {
            return;
        }
        let (category, text) = (fill.category, found.key.as_str().to_owned());
        // Of a scope that is not followed, a part may be.
        let (stream, followed) = self.followed(&found.key);
        if fill.judge(&found.key, as_of, None, followed) != Ruling::Accept {
            load.late.push(text);
            return;
        }
        if self.read_later(category, &found.key, as_of, now).is_some() {
            load.keys.push(text);
            return;
        }
        let key = found.key.clone();
        let Answer { bytes, tags, ttl, .. } = found.into();
        let seen = as_of.filter(|_| stream != UNFOLLOWED);
        let given = bytes.map_or(Given::Absent, Given::Bytes);
        let put = Put { seen, stream, ttl, tags, ..Put::of(category, key, given) };
        match self.store.put(put, now) {
            Ok(_) => load.keys.push(text),
            Err(_) => load.late.push(text),
        }
    }

    fn malformed(&mut self, ticket: Ticket, why: String) -> Loaded {
        self.abandon_fill(ticket);
        Loaded::Malformed(why)
    }

    /// What a key holds already, if that was read later than an answer of `as_of`. One past its age is not counted.
    fn read_later(&self, category: u16, key: &Key, as_of: Option<Position>, now: f64) -> Option<Slot> {
        let slot = self.store.find(category, key).filter(|&slot| now < self.store.freshness(slot).until)?;
        let (seen, as_of) = (self.store.slots.get(slot)?.seen?, as_of?);
        (seen.epoch == as_of.epoch && seen.offset > as_of.offset).then_some(slot)
    }

    fn followed(&self, key: &Key) -> (StreamRef, Followed) {
        let stream = self.follower.subs.covering(key).unwrap_or(UNFOLLOWED);
        (stream, self.farthest(|followed| followed.contains(key)))
    }

    /// How far a scope has come that one stream covers whole.
    fn followed_scope(&self, scope: &Scope) -> Followed {
        let mut replicas = self.follower.subs.iter();
        match replicas.any(|(_, replica)| replica.scope.covers(scope)) {
            true => self.farthest(|followed| followed.overlaps(scope)),
            false => Followed::No,
        }
    }

    /// How far the farthest of some streams has come: each may have been told what the others have not yet. While
    /// they are of two epochs nothing can be compared with both, and nothing is kept.
    fn farthest(&self, is_one: impl Fn(&Scope) -> bool) -> Followed {
        let mut farthest = Followed::No;
        for (_, replica) in self.follower.subs.iter().filter(|(_, replica)| is_one(&replica.scope)) {
            farthest = match (farthest, replica.position()) {
                (Followed::Upto(before), Some(position)) if before.epoch != position.epoch => return Followed::Pending,
                (Followed::Upto(before), Some(position)) if before.offset >= position.offset => Followed::Upto(before),
                (_, Some(position)) => Followed::Upto(position),
                (Followed::No, None) => Followed::Pending,
                (before, None) => before,
            };
        }
        farthest
    }

    /// Whether a stream that covers the key has yet to say where it stands: a fill begun now would not be kept.
    pub fn is_pending(&self, key: &Key) -> bool {
        self.followed(key).1 == Followed::Pending
    }

    /// The same for a scope.
    pub fn is_scope_pending(&self, scope: &Scope) -> bool {
        self.followed_scope(scope) == Followed::Pending
    }
}
