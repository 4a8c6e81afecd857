//! The truth: values, their versions and the log of what changed, per partition. One contract, several stores.
//!
//! A commit is atomic: the values, the log entry and the announcement, or nothing. Announcements of a partition leave
//! in the order of their offsets. `tests/edge/store_contract.rs` holds the contract that every store passes.

pub mod embedded;
pub mod open;
pub mod redis;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use wire::position::NUMBER_END;
use wire::{Item, Key, Offset, Payload, Position, Scope, Tag};

/// How long a removed key remembers when it was removed, in milliseconds.
const TOMBSTONE_MS: i64 = 60 * 60 * 1000;

/// The ordering unit of the server: one root lives in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u16);

/// How roots are spread over partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    partitions: u16,
}

impl Layout {
    /// So many partitions; at least 1.
    pub fn new(partitions: u16) -> Layout {
        Layout { partitions: partitions.max(1) }
    }

    /// Every partition.
    pub fn partitions(self) -> impl Iterator<Item = Partition> {
        (0..self.partitions).map(Partition)
    }

    /// The partition of a root, by a hash that is the same on every machine.
    fn of_root(self, root: &str) -> Partition {
        Partition((xxhash_rust::xxh3::xxh3_64(root.as_bytes()) % u64::from(self.partitions)) as u16)
    }

    /// The partition of a key.
    pub fn of_key(self, key: &Key) -> Partition {
        self.of_root(key.root())
    }

    /// The partition of a scope.
    pub fn of_scope(self, scope: &Scope) -> Partition {
        self.of_root(scope.root())
    }
}

/// What a store keeps, and what it announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Commits that a partition's log keeps for those who resume.
    pub log_commits: usize,
    /// Values up to so many bytes travel with their announcement; larger ones are fetched.
    pub push_max_bytes: usize,
}

/// One value to write, or to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Its name.
    pub key: Key,
    /// When the source observed it, in milliseconds since 1970 UTC.
    pub source_ts: i64,
    /// How long it lives, in milliseconds; `None` for as long as nothing replaces it.
    pub ttl_ms: Option<u64>,
    /// Its labels.
    pub tags: Vec<Tag>,
    /// The value; `None` removes it.
    pub payload: Option<Payload>,
}

/// What caches are told to drop although no value changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purge {
    /// Single keys.
    pub keys: Vec<Key>,
    /// Everything under these.
    pub scopes: Vec<Scope>,
    /// Everything that carries one of these.
    pub tags: Vec<Tag>,
}

impl Purge {
    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.scopes.is_empty() && self.tags.is_empty()
    }
}

/// Who commits: makes a retry harmless, and shuts out an ingester whose time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// Its name.
    pub name: Arc<str>,
    /// The number of its batch, growing.
    pub sequence: u64,
    /// Its fencing token: a smaller one than was seen before is refused.
    pub fence: u64,
}

/// What one commit holds. All of it lies in one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Values.
    pub writes: Vec<Write>,
    /// Invalidations.
    pub purge: Purge,
    /// Who commits, where retries must be told apart.
    pub producer: Option<Producer>,
}

/// What became of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It changed the value.
    Changed,
    /// The same value was there: nobody was woken.
    Unchanged,
    /// A newer observation was there.
    Stale,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The partition's position after it. The offset moved only if something changed.
    pub position: Position,
    /// One fate a write, in order.
    pub fates: Vec<Fate>,
}

/// A value as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The commit that wrote it.
    pub version: Offset,
    /// When the source observed it, in milliseconds since 1970 UTC.
    pub source_ts: i64,
    /// When it ends, in milliseconds since 1970 UTC.
    pub expires_at: Option<i64>,
    /// Its labels.
    pub tags: Vec<Tag>,
    /// Its bytes.
    pub payload: Payload,
}

impl Stored {
    /// Milliseconds that it still lives, from 1 and below 2^53; `None` when it has no end. A value that was read ends a
    /// millisecond later at the earliest: 0 would say that it must not be kept at all.
    pub fn ttl_ms(&self, now_ms: i64) -> Option<u64> {
        let left = self.expires_at?.saturating_sub(now_ms).max(1).unsigned_abs();
        Some(left.min(NUMBER_END - 1))
    }
}

/// One entry of a partition's log: a commit, as it is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its partition.
    pub partition: Partition,
    /// Its epoch and offset.
    pub position: Position,
    /// The keys it changed.
    pub items: Vec<Item>,
    /// The scopes it purged.
    pub scopes: Vec<Scope>,
    /// The tags it purged.
    pub tags: Vec<Tag>,
}

/// What a store tells of itself, a partition's in the order of their offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announcement {
    /// A commit, the one after what was announced before.
    Commit(Arc<Commit>),
    /// Commits may have been lost: whoever follows the partition begins anew at this position.
    Lost(Partition, Position),
}

/// The newest commits of a partition, as its store holds them at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The position before the first.
    pub from: Position,
    /// Every commit after it, without a hole.
    pub commits: Vec<Arc<Commit>>,
}

impl Tail {
    /// Where it ends, and announcements begin.
    pub fn end(&self) -> Position {
        self.commits.last().map_or(self.from, |commit| commit.position)
    }
}

/// The log after a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumed {
    /// Every commit after it, up to the head.
    Continued(Vec<Arc<Commit>>),
    /// The position is of another epoch, ahead of the head, or older than the log: begin anew at the head.
    Lost(Position),
}

/// Why a store does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another ingester has taken over. Trying again will not help.
    #[error("producer `{producer}` is fenced off: its token {given} is older than {newest}")]
    Fenced {
        /// Who.
        producer: Arc<str>,
        /// Its token.
        given: u64,
        /// The newest token seen.
        newest: u64,
    },
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
    /// The store does not answer, or refuses for a reason of its own. Trying again later may help.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
}

/// What a store will answer.
pub type Pending<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Values with the position that was read before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsOf<T> {
    /// Every commit up to here is in the values.
    pub position: Position,
    /// The values.
    pub values: Vec<T>,
}

/// A store. `now_ms` is milliseconds since 1970 UTC.
pub trait Store: Send + Sync {
    /// How roots are spread.
    fn layout(&self) -> Layout;

    /// Commits a batch to its partition.
    fn commit(&self, partition: Partition, batch: Batch, now_ms: i64) -> Pending<'_, Committed>;

    /// The newest commit of a partition.
    fn head(&self, partition: Partition) -> Pending<'_, Position>;

    /// Reads keys of one partition: one answer a key, in order.
    fn read<'a>(&'a self, partition: Partition, keys: &'a [Key], now_ms: i64) -> Pending<'a, AsOf<Option<Stored>>>;

    /// Reads everything under a scope, at most `limit` values, in the order of their keys.
    fn scan<'a>(&'a self, scope: &'a Scope, limit: usize, now_ms: i64) -> Pending<'a, AsOf<(Key, Stored)>>;

    /// The log after a position.
    fn resume(&self, partition: Partition, since: Position) -> Pending<'_, Resumed>;

    /// Removes values whose time is over, as commits of their own.
    fn expire(&self, now_ms: i64) -> Pending<'_, ()>;
}
