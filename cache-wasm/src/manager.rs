//! ConsolidatedCacheManager's core: the one facade over values, fills and the followed stream.
//!
//! Sans-IO, in the order a caller uses it: what the application wants (`set`, `begin_fill`, `follow`), what happened
//! outside (`handle`), then what is to be done (`take_effects` first, `poll` until it is empty), and when to call again
//! (`poll_timeout`). Time is in milliseconds of one clock that never goes back; no method reads it.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use wire::{Body, Codec, Key, Position, Scope, ServerFrame, Tag};

use crate::category::CategoryOptions;
use crate::fill::{Fill, Fills, Followed, Ruling, Target, Ticket};
use crate::follow::{Follower, Input, Kept, Output};
use crate::segments::Backing;
use crate::slots::{Slot, Slots, StreamRef, UNFOLLOWED};
use crate::stats::{CategoryStats, FillStats, Stats, StreamStats, SubscriptionStats};
use crate::store::{Effect, Enrolled, Given, Origin, Pressure, Put, PutError, Reason, Store};

/// The most entries over all categories: the slot tables are allocated for all of them at once.
pub const ENTRIES_MAX: u32 = 1 << 22;

/// What a cache is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// The categories.
    pub categories: Vec<CategoryOptions>,
    /// Bytes of payload over all of them.
    pub max_bytes: u64,
    /// What proves who follows.
    pub token: Option<String>,
    /// Drives eviction's sampling and the backoff's jitter.
    pub seed: u64,
}

/// Why a cache cannot be made, or a scope not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManagerError {
    /// A category's `max` is 0.
    #[error("category `{0}`: `max` must be at least 1")]
    EmptyCategory(String),
    /// Two categories of one name.
    #[error("category `{0}` is named twice")]
    TwiceNamed(String),
    /// The sum of `max` is too large.
    #[error("the categories' `max` add up to {0}; at most {ENTRIES_MAX} entries are allowed in all")]
    TooManyEntries(u64),
    /// More scopes than streams.
    #[error(
        "{} scopes are followed already; follow a wider one instead of many narrow ones",
        crate::slots::STREAMS_MAX
    )]
    TooManyScopes,
}

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
    /// The value's bytes, or `None` when the key has none.
    pub bytes: Option<Box<[u8]>>,
    /// The value's labels.
    pub tags: Vec<Tag>,
    /// Its age limit in milliseconds, or `None` for the category's.
    pub ttl: Option<f64>,
}

/// What became of a scope's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
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

/// The cache's core.
#[derive(Debug)]
pub struct Manager {
    store: Store,
    fills: Fills,
    follower: Follower,
    fill_stats: FillStats,
}

impl Manager {
    /// A cache of these options, its payloads in `backing`.
    ///
    /// # Errors
    /// [`ManagerError`] says which option is wrong.
    pub fn new(options: Options, backing: Box<dyn Backing>) -> Result<Manager, ManagerError> {
        for (number, category) in options.categories.iter().enumerate() {
            if category.max == 0 {
                return Err(ManagerError::EmptyCategory(category.name.clone()));
            }
            if options.categories[..number].iter().any(|before| before.name == category.name) {
                return Err(ManagerError::TwiceNamed(category.name.clone()));
            }
        }
        let entries: u64 = options.categories.iter().map(|category| u64::from(category.max)).sum();
        if entries > u64::from(ENTRIES_MAX) {
            return Err(ManagerError::TooManyEntries(entries));
        }
        Ok(Manager {
            store: Store::new(options.categories, options.max_bytes, options.seed, backing),
            fills: Fills::default(),
            follower: Follower::new(options.token, options.seed.rotate_left(32)),
            fill_stats: FillStats::default(),
        })
    }

    /// The tables that JavaScript reads.
    pub fn slots(&self) -> &Slots {
        &self.store.slots
    }

    /// The values.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What the tables' reader must repeat, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.store.take_effects()
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Output> {
        self.follower.poll()
    }

    /// When to call `handle(Woke)`, or `None` when nothing is due.
    pub fn poll_timeout(&self) -> Option<f64> {
        self.follower.session.timeout()
    }

    /// Takes what happened outside.
    pub fn handle(&mut self, input: Input, now: f64) {
        let (follower, mut kept) = self.parts();
        follower.handle(&mut kept, input, now);
    }

    /// Follows a scope; pushed values of new keys go into `category`.
    ///
    /// # Errors
    /// [`ManagerError::TooManyScopes`].
    pub fn follow(&mut self, scope: &Scope, category: Option<u16>, now: f64) -> Result<StreamRef, ManagerError> {
        let (follower, mut kept) = self.parts();
        follower.follow(&mut kept, scope, category, now).ok_or(ManagerError::TooManyScopes)
    }

    /// Ends one following.
    pub fn unfollow(&mut self, stream: StreamRef) {
        let (follower, mut kept) = self.parts();
        follower.unfollow(&mut kept, stream);
    }

    /// Closes the connection.
    pub fn stop(&mut self) {
        self.follower.stop();
    }

    fn parts(&mut self) -> (&mut Follower, Kept<'_>) {
        (&mut self.follower, Kept { store: &mut self.store, fills: &mut self.fills })
    }

    /// Stores a value of the application's own. Under a followed scope it counts as current at the cursor.
    ///
    /// # Errors
    /// [`PutError`], see there.
    pub fn set(
        &mut self,
        category: u16,
        key: Key,
        given: Given,
        ttl: Option<f64>,
        tags: Vec<Tag>,
        now: f64,
    ) -> Result<Slot, PutError> {
        // An answer that is in flight was asked for before this.
        self.fills.void_key(&key);
        let stream = self.follower.subs.covering(&key);
        let seen = stream.and_then(|stream| self.follower.subs.get(stream)?.position());
        let stream = stream.unwrap_or(UNFOLLOWED);
        let origin = Origin::Application;
        self.store.put(Put { category, key, given, seen, version: None, stream, ttl, origin, tags }, now)
    }

    /// Takes note of values that JavaScript has set without asking; see [`Store::enrol`].
    pub fn enrol(&mut self, category: u16, set: &[Enrolled], reserve: u32, now: f64) -> Vec<Slot> {
        self.store.enrol(category, set, reserve, now)
    }

    /// Names an entry that was enrolled.
    pub fn name(&mut self, category: u16, slot: Slot, key: Key) {
        self.store.name(category, slot, key);
    }

    /// Takes the bytes of a value that JavaScript held alone.
    pub fn settle(&mut self, slot: Slot, bytes: &[u8], now: f64) {
        self.store.settle(slot, bytes, now);
    }

    /// Counts one handle more that holds a slot's entry.
    pub fn hold(&mut self, slot: Slot) {
        self.store.hold(slot);
    }

    /// Counts one handle less.
    pub fn unhold(&mut self, slot: Slot) {
        self.store.unhold(slot);
    }

    /// Does a piece of the work that is off the critical path; whether there is more to do at once.
    pub fn upkeep(&mut self, now: f64) -> bool {
        self.store.upkeep(now)
    }

    /// Takes note of the machine's shortness of memory: packs everything, then evicts down to what is left.
    pub fn set_pressure(&mut self, pressure: Pressure, now: f64) {
        if pressure > Pressure::Normal {
            self.store.pack_all();
        }
        self.store.set_pressure(pressure, now);
        if pressure > Pressure::Normal {
            self.store.pack_all();
        }
    }

    /// Removes a key from a category; whether it was there.
    pub fn delete(&mut self, category: u16, key: &Key) -> bool {
        self.fills.void_key(key);
        let slot = self.store.find(category, key);
        slot.inspect(|&slot| self.store.remove(slot, Reason::Deleted)).is_some()
    }

    /// Removes everything from a category.
    pub fn clear(&mut self, category: u16) {
        self.fills.void_all();
        self.store.clear(category);
    }

    /// Removes an entry whose age has ended; one that is only out of its lease stays for the stream to come back.
    pub fn expire(&mut self, slot: Slot, now: f64) {
        if self.store.slots.expires.get(slot as usize).is_some_and(|&expires| now >= expires) {
            self.store.remove(slot, Reason::Expired);
        }
    }

    /// Invalidates a key by hand, in every category.
    pub fn invalidate_key(&mut self, key: &Key) {
        self.fills.void_key(key);
        for slot in self.store.slots_of(key) {
            self.store.remove(slot, Reason::Invalidated);
        }
    }

    /// Invalidates a scope by hand.
    pub fn invalidate_scope(&mut self, scope: &Scope) {
        self.fills.void_scope(scope);
        self.store.purge_scope(scope, None, Reason::Invalidated);
    }

    /// Invalidates a tag by hand.
    pub fn invalidate_tag(&mut self, tag: &Tag) {
        self.fills.void_all();
        self.store.purge_tag(tag, None, Reason::Invalidated);
    }

    /// Begins to read a key: the ticket, and the position to ask for.
    pub fn begin_fill(&mut self, category: u16, key: Key) -> (Ticket, Option<Position>) {
        self.fill_stats.started += 1;
        let cursor = self.followed(&key).1.position();
        (self.fills.begin(category, Target::Key(key), cursor), cursor)
    }

    /// Begins to read a scope: the ticket, and the position to ask for.
    pub fn begin_load(&mut self, category: u16, scope: Scope) -> (Ticket, Option<Position>) {
        self.fill_stats.started += 1;
        let cursor = self.farthest(|followed| followed.overlaps(&scope)).position();
        (self.fills.begin(category, Target::Scope(scope), cursor), cursor)
    }

    /// Ends a fill without an answer.
    pub fn abandon_fill(&mut self, ticket: Ticket) {
        if self.fills.end(ticket).is_some() {
            self.fill_stats.failed += 1;
        }
    }

    /// Ends a fill with its answer, which is stored if nothing newer is known (R3).
    pub fn end_fill(&mut self, ticket: Ticket, answer: Answer, now: f64) -> Filled {
        let Some(fill) = self.fills.end(ticket) else { return Filled::Ended };
        let Target::Key(key) = &fill.target else { return Filled::Ended };
        let (stream, followed) = self.followed(key);
        match fill.judge(key, answer.as_of, followed) {
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
        let Answer { bytes, ttl, tags, .. } = answer;
        let Some(bytes) = bytes else {
            self.fill_absent(&fill, key, seen, stream, now);
            return Filled::Absent;
        };
        let put = Put {
            category: fill.category,
            key: key.clone(),
            given: Given::Bytes(bytes),
            seen,
            version: None,
            stream,
            ttl,
            origin: Origin::Server,
            tags,
        };
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
        let put = Put {
            category: fill.category,
            key: key.clone(),
            given: Given::Absent,
            seen,
            version: None,
            stream,
            ttl,
            origin: Origin::Server,
            tags: Vec::new(),
        };
        // A cache that is full of what handles hold asks again the next time.
        drop(self.store.put(put, now));
    }

    /// Ends a scope's fill with its answer: a `got` frame in postcard, read at `as_of`.
    pub fn end_load(&mut self, ticket: Ticket, as_of: Option<Position>, body: &[u8], now: f64) -> Loaded {
        let Some(fill) = self.fills.end(ticket) else { return Loaded::Retry(None) };
        let Target::Scope(scope) = &fill.target else { return Loaded::Retry(None) };
        let items = match Codec::Postcard.decode_answer(body) {
            Ok(ServerFrame::Got { items, .. }) => items,
            Ok(_) => return self.malformed("it is another frame".into()),
            Err(error) => return self.malformed(error.to_string()),
        };
        match fill.judge_whole(as_of, self.followed_scope(scope)) {
            Ruling::Accept | Ruling::Deliver => {}
            Ruling::Unfenced => return self.malformed("it carries no position".into()),
            Ruling::Retry(min) => {
                self.fill_stats.discarded += 1;
                return Loaded::Retry(min);
            }
        }
        let (mut keys, mut late) = (Vec::new(), Vec::new());
        for item in items {
            let Some((_, Body::Value { tags, payload, .. })) = item.value else { continue };
            if !scope.contains(&item.key) {
                continue;
            }
            let text = item.key.as_str().to_owned();
            // Of a scope that is not followed, a part may be.
            let (stream, followed) = self.followed(&item.key);
            if fill.judge(&item.key, as_of, followed) != Ruling::Accept {
                late.push(text);
                continue;
            }
            if self.read_later(fill.category, &item.key, as_of, now).is_some() {
                keys.push(text);
                continue;
            }
            let given = Given::Bytes(payload.as_bytes().into());
            let seen = as_of.filter(|_| stream != UNFOLLOWED);
            let put = Put {
                category: fill.category,
                key: item.key,
                given,
                seen,
                version: None,
                stream,
                ttl: None,
                origin: Origin::Server,
                tags,
            };
            match self.store.put(put, now) {
                Ok(_) => keys.push(text),
                Err(_) => late.push(text),
            }
        }
        self.fill_stats.discarded += late.len() as u64;
        self.fill_stats.accepted += 1;
        Loaded::Kept { keys, late }
    }

    fn malformed(&mut self, why: String) -> Loaded {
        self.fill_stats.failed += 1;
        Loaded::Malformed(why)
    }

    /// What a key holds already, if that was read later than an answer of `as_of`. One past its age is not counted.
    fn read_later(&self, category: u16, key: &Key, as_of: Option<Position>, now: f64) -> Option<Slot> {
        let slot = self.store.find(category, key).filter(|&slot| now < self.store.slots.expires[slot as usize])?;
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

    /// Everything there is to count.
    pub fn stats(&self, now: f64) -> Stats {
        let categories = self.store.categories().iter().map(CategoryStats::of).collect();
        let subscriptions = self.follower.subs.iter().map(|(stream, replica)| SubscriptionStats {
            scope: replica.scope.to_string(),
            position: replica.position().map(|position| position.to_string()),
            live: now < self.store.slots.lease[stream as usize],
        });
        Stats {
            categories,
            max_bytes: self.store.max_bytes(),
            shared_bytes: self.store.pool().shared_bytes(),
            removals: Reason::ALL.map(|reason| (reason, self.store.removals()[reason.code() as usize])),
            stream: StreamStats {
                state: self.follower.state(),
                connects: self.follower.session.connects,
                counters: self.follower.counters.clone(),
                vouched_ago: self.follower.vouched.map(|stamp| now - stamp),
                subscriptions: subscriptions.collect(),
            },
            fills: self.fill_stats.clone(),
        }
    }
}
