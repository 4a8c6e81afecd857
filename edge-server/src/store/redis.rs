//! The store on a Redis that many servers share: 6.2 or newer, one primary.
//!
//! Whatever must happen at once happens in one script (`redis/*.lua`): the comparison, the values, the log entry and the
//! announcement of a commit; a position and the values that were read at it. An epoch is bound to the server's own name
//! for its history, looked at inside every script, so that a restart, a promotion or an emptied database begins another
//! epoch before anything else is said. Nothing here keeps a value in memory.
//!
//! Times are those of the callers: servers on one Redis need clocks that agree to within what an end may be early or late.

mod codec;
mod follow;
mod lanes;
mod link;
mod names;
mod start;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::{Cmd, Value};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wire::{Cursor, Key, Offset, Position, Scope};

use self::lanes::Lanes;
use self::link::{Link, Patience, Script};
use self::names::Names;
use super::{
    Announcement, AsOf, Batch, Committed, Layout, Limits, Partition, Pending, Resumed, Store, StoreError, Stored, Tail,
};
use crate::health::Components;

/// Values of one page of a scan.
const SCAN_PAGE: usize = 500;
/// Commits of one page of the log: each may hold 50 values that are pushed.
const LOG_PAGE: usize = 200;
/// Keys that end in one commit. More leave by further ones, so that no script keeps the server busy for long.
const EXPIRE_PAGE: usize = 500;

/// Which Redis, and how it is used.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `redis://[user:password@]host[:port][/database]`.
    pub url: String,
    /// What the names of all keys begin with.
    pub namespace: String,
    /// How roots are spread.
    pub layout: Layout,
    /// What is kept and pushed.
    pub limits: Limits,
    /// How long one answer may take.
    pub timeout: Duration,
    /// Connections for commits and reads; one more follows.
    pub connections: usize,
}

/// The store.
#[derive(Debug)]
pub struct Redis {
    shared: Arc<Shared>,
    following: JoinHandle<()>,
}

/// What calls and the follower share.
#[derive(Debug)]
struct Shared {
    namespace: String,
    layout: Layout,
    limits: Limits,
    link: Link,
    names: Vec<Names>,
    lanes: Vec<Lanes>,
    /// This server's name among those that commit.
    instance: u64,
    scripts: Scripts,
    components: Arc<Components>,
}

#[derive(Debug)]
struct Scripts {
    commit: Script,
    read: Script,
    scan: Script,
    resume: Script,
    expire: Script,
}

impl Scripts {
    fn new() -> Scripts {
        Scripts {
            commit: Script::new("commit", include_str!("redis/commit.lua")),
            read: Script::new("read", include_str!("redis/read.lua")),
            scan: Script::new("scan", include_str!("redis/scan.lua")),
            resume: Script::new("resume", include_str!("redis/resume.lua")),
            expire: Script::new("expire", include_str!("redis/expire.lua")),
        }
    }
}

impl From<codec::Unreadable> for StoreError {
    fn from(unreadable: codec::Unreadable) -> StoreError {
        StoreError::Unavailable(unreadable.to_string())
    }
}

impl Redis {
    /// Connects, checks the server, and follows it from what its log still holds: one tail a partition, and
    /// announcements from there on.
    ///
    /// # Errors
    /// A sentence for whoever configured it.
    pub async fn open(
        settings: Settings,
        components: Arc<Components>,
        announcements: mpsc::Sender<Announcement>,
    ) -> Result<(Redis, Vec<Tail>), String> {
        let Settings { url, namespace, layout, limits, timeout, connections } = settings;
        let client = start::client(&url)?;
        let database = client.get_connection_info().redis_settings().db();
        let shown = start::shown(&client);
        let link = Link::new(client, timeout, connections, components.clone());
        start::check(&link, &namespace, layout).await?;
        let names = layout.partitions().map(|partition| Names::new(&namespace, database, layout, partition)).collect();
        let shared = Arc::new(Shared {
            namespace,
            layout,
            limits,
            link,
            names,
            lanes: layout.partitions().map(|_| Lanes::default()).collect(),
            instance: fastrand::u64(..),
            scripts: Scripts::new(),
            components,
        });
        let tails = try_join_all(layout.partitions().map(|partition| shared.tail(partition))).await;
        let tails = tails.map_err(|error| format!("store.url: {shown}: {error}"))?;
        let cursors = tails.iter().map(|tail| Cursor::at(tail.end())).collect();
        let following = tokio::spawn(follow::follow(shared.clone(), cursors, announcements));
        Ok((Redis { shared, following }, tails))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.following.abort();
    }
}

/// A script's answer, as a list of so many parts.
fn parts<const N: usize>(value: Value) -> Result<[Value; N], StoreError> {
    match value {
        Value::Array(parts) => parts.try_into().map_err(|_| unexpected()),
        _ => Err(unexpected()),
    }
}

fn list(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(list) => Ok(list),
        _ => Err(unexpected()),
    }
}

fn bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(unexpected()),
    }
}

fn unexpected() -> StoreError {
    StoreError::Unavailable("a script answered in another form than it has; is it another version's?".into())
}

fn fresh() -> u64 {
    wire::Epoch::from_random(fastrand::u64(..)).get()
}

impl Shared {
    fn names(&self, partition: Partition) -> &Names {
        &self.names[usize::from(partition.0)]
    }

    async fn run(
        &self,
        partition: Partition,
        script: &Script,
        call: &Cmd,
        patience: Patience,
    ) -> Result<Value, StoreError> {
        self.link.run(usize::from(partition.0), script, call, patience).await
    }

    async fn commit(&self, partition: Partition, batch: Batch, now_ms: i64) -> Result<Committed, StoreError> {
        let names = self.names(partition);
        let lane = self.lanes[usize::from(partition.0)].take().await;
        let (producer, ticket) = match &batch.producer {
            Some(producer) => (&*producer.name, codec::ticket(producer.fence, producer.sequence)),
            None => ("", codec::ticket(0, lane.sequence)),
        };
        let writes: Vec<codec::Encoded> =
            batch.writes.iter().map(|write| codec::encode_write(write, self.limits.push_max_bytes, now_ms)).collect();
        let kinds: Vec<u8> = writes.iter().map(|write| write.kind).collect();
        let mut call = self.scripts.commit.call(5 + writes.len());
        call.arg(&names.meta).arg(&names.log).arg(&names.index).arg(&names.ends);
        call.arg(names.lane(self.instance, lane.number));
        for write in &batch.writes {
            call.arg(names.value(&write.key));
        }
        call.arg(fresh()).arg(&names.channel).arg(now_ms).arg(self.limits.log_commits).arg(producer);
        call.arg(&ticket[..]).arg(kinds).arg(codec::encode_purge(&batch.purge)).arg(names.value_prefix.len());
        for write in &writes {
            call.arg(&write.stamp[..]).arg(&write.body[..]);
        }
        let answer = self.run(partition, &self.scripts.commit, &call, Patience::Commit).await?;
        let [what, result] = parts(answer)?;
        let result = bytes(result)?;
        match (bytes(what)?.as_slice(), &batch.producer) {
            (b"done", _) => Ok(codec::decode_result(&result)?),
            (b"fenced", Some(producer)) => Err(codec::decode_fence(&result, producer)),
            _ => Err(unexpected()),
        }
    }

    /// The position of a partition, and the bytes of values that are read at it.
    async fn read(&self, partition: Partition, keys: &[Key]) -> Result<(Position, Vec<Value>), StoreError> {
        let names = self.names(partition);
        let mut call = self.scripts.read.call(2 + keys.len());
        call.arg(&names.meta).arg(&names.log);
        for key in keys {
            call.arg(names.value(key));
        }
        let answer = self.run(partition, &self.scripts.read, call.arg(fresh()), Patience::Read).await?;
        let [epoch, offset, values] = parts(answer)?;
        Ok((codec::decode_position(&bytes(epoch)?, &bytes(offset)?)?, list(values)?))
    }

    async fn read_values(
        &self,
        partition: Partition,
        keys: &[Key],
        now_ms: i64,
    ) -> Result<AsOf<Option<Stored>>, StoreError> {
        let (position, values) = self.read(partition, keys).await?;
        let value = |value| match value {
            Value::Nil => Ok(None),
            value => Ok(codec::decode_value(&bytes(value)?, position.offset, now_ms)?),
        };
        Ok(AsOf { position, values: values.into_iter().map(value).collect::<Result<_, StoreError>>()? })
    }

    /// One page of a scope, from a bound on.
    async fn scan_page(
        &self,
        partition: Partition,
        from: &str,
        to: &str,
    ) -> Result<(Position, Vec<Value>, Vec<Value>), StoreError> {
        let names = self.names(partition);
        let mut call = self.scripts.scan.call(3);
        call.arg(&names.meta).arg(&names.log).arg(&names.index);
        call.arg(fresh()).arg(from).arg(to).arg(SCAN_PAGE).arg(&names.value_prefix);
        let answer = self.run(partition, &self.scripts.scan, &call, Patience::Read).await?;
        let [epoch, offset, keys, values] = parts(answer)?;
        Ok((codec::decode_position(&bytes(epoch)?, &bytes(offset)?)?, list(keys)?, list(values)?))
    }

    async fn scan(&self, scope: &Scope, limit: usize, now_ms: i64) -> Result<AsOf<(Key, Stored)>, StoreError> {
        let partition = self.layout.of_scope(scope);
        // A scope ends at a colon; what follows on a colon in ASCII is a semicolon.
        let end = format!("({};", scope.as_str().trim_end_matches(':'));
        'anew: loop {
            let mut from = format!("[{scope}");
            let mut found: Option<AsOf<(Key, Stored)>> = None;
            loop {
                let (position, keys, values) = self.scan_page(partition, &from, &end).await?;
                let found = found.get_or_insert(AsOf { position, values: Vec::new() });
                if position.epoch != found.position.epoch {
                    // Values of two histories do not belong into one answer.
                    continue 'anew;
                }
                let is_last = keys.len() < SCAN_PAGE;
                for (key, value) in keys.into_iter().zip(values) {
                    let name = String::from_utf8(bytes(key)?).map_err(|_| unexpected())?;
                    from = format!("({name}");
                    // The index and the value are read in one step: what has no value then is not there.
                    let Value::BulkString(value) = value else { continue };
                    let Some(stored) = codec::decode_value(&value, position.offset, now_ms)? else { continue };
                    if found.values.len() < limit {
                        found.values.push((Key::parse(&name).map_err(|_| unexpected())?, stored));
                    }
                }
                if is_last || found.values.len() >= limit {
                    let AsOf { position, values } = found;
                    return Ok(AsOf { position: *position, values: std::mem::take(values) });
                }
            }
        }
    }

    /// The log after a position. A follower has been `told` of every commit up to it: a head before it then means that
    /// the store has lost some.
    async fn resume(&self, partition: Partition, since: Position, told: bool) -> Result<Resumed, StoreError> {
        let names = self.names(partition);
        let mut commits = Vec::new();
        let mut at = since;
        loop {
            let mut call = self.scripts.resume.call(2);
            call.arg(&names.meta).arg(&names.log).arg(fresh());
            call.arg(at.epoch.get()).arg(at.offset.get()).arg(LOG_PAGE).arg(u8::from(told));
            let answer = self.run(partition, &self.scripts.resume, &call, Patience::Read).await?;
            let [epoch, offset, entries] = parts(answer)?;
            let head = codec::decode_position(&bytes(epoch)?, &bytes(offset)?)?;
            if head.epoch != at.epoch || at.offset > head.offset {
                return Ok(Resumed::Lost(head));
            }
            if at.offset == head.offset {
                return Ok(Resumed::Continued(commits));
            }
            // The stream is trimmed in blocks: what it still holds beyond its bound is not promised to the next who asks.
            if (head.offset.get() - at.offset.get()) as usize > self.limits.log_commits {
                return Ok(Resumed::Lost(head));
            }
            let before = at;
            for entry in list(entries)? {
                let [id, fields] = parts(entry)?;
                let [_, entry] = parts(fields)?;
                let id = bytes(id)?;
                let number = id.split(|&byte| byte == b'-').next().unwrap_or_default();
                let position = codec::decode_position(at.epoch.get().to_string().as_bytes(), number)?;
                if Some(position.offset) != at.offset.next() {
                    return Ok(Resumed::Lost(head));
                }
                let commit = codec::decode_entry(partition, &bytes(entry)?)?;
                if commit.position != position {
                    return Err(unexpected());
                }
                commits.push(Arc::new(commit));
                at = position;
            }
            if at == before {
                // There are commits, and the log does not hold them.
                return Ok(Resumed::Lost(head));
            }
        }
    }

    /// What the log holds, up to its bound.
    async fn tail(&self, partition: Partition) -> Result<Tail, StoreError> {
        let (head, _) = self.read(partition, &[]).await?;
        let names = self.names(partition);
        let oldest = self
            .link
            .give(usize::from(partition.0), redis::cmd("XRANGE").arg(&names.log).arg("-").arg("+").arg("COUNT").arg(1))
            .await?;
        let oldest = match list(oldest)?.pop() {
            None => return Ok(Tail { from: head, commits: Vec::new() }),
            Some(entry) => {
                let [id, _] = parts(entry)?;
                let id = bytes(id)?;
                let number = id.split(|&byte| byte == b'-').next().unwrap_or_default();
                codec::decode_position(head.epoch.get().to_string().as_bytes(), number)?.offset.get()
            }
        };
        let bound = head.offset.get().saturating_sub(self.limits.log_commits as u64);
        let from = Position { offset: Offset::new(bound.max(oldest.saturating_sub(1))).unwrap_or_default(), ..head };
        match self.resume(partition, from, false).await? {
            Resumed::Continued(commits) => Ok(Tail { from, commits }),
            // Trimmed while it was read, or of another epoch: it begins at the head.
            Resumed::Lost(head) => Ok(Tail { from: head, commits: Vec::new() }),
        }
    }

    async fn expire(&self, partition: Partition, now_ms: i64) -> Result<(), StoreError> {
        let names = self.names(partition);
        loop {
            let mut call = self.scripts.expire.call(4);
            call.arg(&names.meta).arg(&names.log).arg(&names.index).arg(&names.ends);
            call.arg(fresh()).arg(&names.channel).arg(now_ms).arg(self.limits.log_commits);
            call.arg(&names.value_prefix).arg(EXPIRE_PAGE);
            match self.run(partition, &self.scripts.expire, &call, Patience::Read).await? {
                Value::Int(ended) if ended < EXPIRE_PAGE as i64 => return Ok(()),
                Value::Int(_) => {}
                _ => return Err(unexpected()),
            }
        }
    }
}

impl Store for Redis {
    fn layout(&self) -> Layout {
        self.shared.layout
    }

    fn commit(&self, partition: Partition, batch: Batch, now_ms: i64) -> Pending<'_, Committed> {
        Box::pin(self.shared.commit(partition, batch, now_ms))
    }

    fn head(&self, partition: Partition) -> Pending<'_, Position> {
        Box::pin(async move { Ok(self.shared.read(partition, &[]).await?.0) })
    }

    fn read<'a>(&'a self, partition: Partition, keys: &'a [Key], now_ms: i64) -> Pending<'a, AsOf<Option<Stored>>> {
        Box::pin(self.shared.read_values(partition, keys, now_ms))
    }

    fn scan<'a>(&'a self, scope: &'a Scope, limit: usize, now_ms: i64) -> Pending<'a, AsOf<(Key, Stored)>> {
        Box::pin(self.shared.scan(scope, limit, now_ms))
    }

    fn resume(&self, partition: Partition, since: Position) -> Pending<'_, Resumed> {
        Box::pin(self.shared.resume(partition, since, false))
    }

    fn expire(&self, now_ms: i64) -> Pending<'_, ()> {
        Box::pin(async move {
            let partitions = self.shared.layout.partitions();
            try_join_all(partitions.map(|partition| self.shared.expire(partition, now_ms))).await.map(drop)
        })
    }
}
