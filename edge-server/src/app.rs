//! The server as a whole: what its parts share, how they are joined, and how it ends.
//!
//! Stages are joined by bounded channels; a full one holds the stage before it back. At shutdown the sources stop first,
//! what waits is committed, connections are told to come back, and only then the listener closes.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use wire::{Found, Key, Position, Scope};

use crate::access::Access;
use crate::audit::{self, Auditor};
use crate::batch;
use crate::clock::Clock;
use crate::config::{AuditConfig, Config, PrefetchConfig};
use crate::fetch::{BaseUrl, Fetcher};
use crate::found::{found_of, has_reached};
use crate::health::{Components, Health};
use crate::http;
use crate::pipeline::{self, Polled};
use crate::prefetch::{self, Census, Model, Prefetch, Reader};
use crate::publish::Hub;
use crate::session::Timing;
use crate::source::{Record, Source};
use crate::sources::mlb::Mlb;
use crate::sources::prizepicks::PrizePicks;
use crate::store::open::{self, Announced, Opened};
use crate::store::{Announcement, Batch, Commit, Committed, Partition, Store, StoreError};

/// Published commits that may wait for the auditor. It misses those over that, and knows that it did.
const AUDITED: usize = 256;
/// Records that may wait between validation and batching.
const RECORDS: usize = 1_024;
/// How often the store's heads are compared with the hub's, and ended values removed.
const PROBE: Duration = Duration::from_secs(1);
/// How long open requests may take to end at shutdown.
const DRAIN: Duration = Duration::from_secs(5);
/// Connections that may wait to be accepted; the system takes its own limit if that is less (`net.core.somaxconn`). What
/// comes when so many wait is dropped, and tries again only after a second, or three.
const BACKLOG: u32 = 65_535;
/// Values of one commit.
pub const COMMIT_ITEMS: usize = 50;
/// How long a read waits for the position that it must have reached.
const REACH: Duration = Duration::from_millis(50);

/// What requests and connections share.
pub struct Edge {
    store: Arc<dyn Store>,
    /// What the store is, in a word.
    pub store_kind: &'static str,
    hub: Hub,
    config: Config,
    access: Access,
    /// How the sources are.
    pub health: Health,
    /// How the parts are that the server depends on.
    pub components: Arc<Components>,
    /// What is read next; none when it is off.
    prefetch: Option<Mutex<Prefetch>>,
    /// What reads say of what was announced; none when it is off.
    auditor: Option<Mutex<Auditor>>,
    started: Instant,
    clock: Clock,
    /// When the server began.
    pub started_at: Timestamp,
    connections: AtomicU64,
    draining: watch::Sender<bool>,
}

/// Why a read cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store's own error.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The position asked for has not been reached in time.
    #[error("position {wanted} has not been reached; the store is at {head}")]
    TooEarly {
        /// What the reader has seen.
        wanted: Position,
        /// Where the store is.
        head: Position,
    },
}

impl Edge {
    /// The store.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The followers.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// What was configured.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The judge of tokens.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Milliseconds since the server began, by a clock that never goes back.
    pub fn clock_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// When `clock_ms` gets to so many milliseconds.
    pub fn instant(&self, clock_ms: u64) -> Instant {
        self.started + Duration::from_millis(clock_ms)
    }

    /// Milliseconds since 1970 UTC, by a clock that never goes back: what is written and when it ends go by it.
    pub fn now_ms(&self) -> i64 {
        self.clock.now(self.wall_ms(), self.clock_ms())
    }

    /// Milliseconds since 1970 UTC, as the machine has it. It may jump; tokens go by it.
    pub fn wall_ms(&self) -> i64 {
        Timestamp::now().as_millisecond()
    }

    /// A number for a new connection, for logs and the hub; below 2^53.
    pub fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// The session's intervals.
    pub fn timing(&self) -> Timing {
        Timing { hb_ms: self.config.stream.hb_ms, lease_ms: self.config.stream.lease_ms }
    }

    /// Becomes true when the server goes away.
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// Waits until a partition has reached a position. A position of another epoch has no place on this one's line: the
    /// store's own is the truth, and is answered.
    ///
    /// # Errors
    /// [`ReadError::TooEarly`] after 50 ms.
    pub async fn reach(&self, partition: Partition, min: Option<Position>) -> Result<(), ReadError> {
        let Some(wanted) = min else { return Ok(()) };
        let give_up = Instant::now() + REACH;
        loop {
            let head = self.store.head(partition).await?;
            if has_reached(head, wanted) {
                return Ok(());
            }
            if Instant::now() >= give_up {
                return Err(ReadError::TooEarly { wanted, head });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Reads keys of any partitions.
    ///
    /// # Errors
    /// [`ReadError`], see there.
    pub async fn find(&self, keys: &[Key], min: Option<Position>) -> Result<Vec<Found>, ReadError> {
        let layout = self.store.layout();
        let mut by_partition: HashMap<Partition, Vec<Key>> = HashMap::new();
        for key in keys {
            by_partition.entry(layout.of_key(key)).or_default().push(key.clone());
        }
        // At a time: across a network the partitions' reads are under way together.
        let reads = by_partition.into_iter().map(async |(partition, keys)| {
            self.reach(partition, min).await?;
            let now_ms = self.now_ms();
            let read = self.store.read(partition, &keys, now_ms).await?;
            Ok::<_, ReadError>((keys, read, now_ms))
        });
        let mut found: HashMap<Key, Found> = HashMap::with_capacity(keys.len());
        for (keys, read, now_ms) in futures_util::future::try_join_all(reads).await? {
            for (key, value) in keys.into_iter().zip(read.values) {
                found.insert(key.clone(), found_of(key, read.position, value, now_ms));
            }
        }
        Ok(keys.iter().filter_map(|key| found.get(key).cloned()).collect())
    }

    /// Teaches the prefetch model what a reader read, in order. Reads of nobody teach nothing.
    pub fn learn<'a>(&self, reader: Option<Reader<'_>>, keys: impl IntoIterator<Item = &'a Key>) {
        let (Some(reader), Some(mut prefetch)) = (reader, self.prefetch()) else { return };
        let now_ms = self.clock_ms();
        let mut reads = 0;
        for key in keys {
            prefetch.learn(reader, key, now_ms);
            reads += 1;
        }
        metrics::counter!("edge_prefetch_reads_total").increment(reads);
    }

    /// What is read next, of contexts under a scope or of all; none when it is off.
    pub fn prefetch_model(&self, scope: Option<&Scope>) -> Option<Model> {
        Some(self.prefetch()?.model(scope, self.clock_ms()))
    }

    /// How much of it is known; none when it is off.
    pub fn prefetch_census(&self) -> Option<Census> {
        Some(self.prefetch()?.census())
    }

    fn prefetch(&self) -> Option<MutexGuard<'_, Prefetch>> {
        // What a panic left is bounded and counted as ever: the next read may go on from it.
        self.prefetch.as_ref().map(|prefetch| prefetch.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does something with the auditor; none when it is off.
    pub fn audit<T>(&self, act: impl FnOnce(&mut Auditor) -> T) -> Option<T> {
        let auditor = self.auditor.as_ref()?;
        Some(act(&mut auditor.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Commits a batch to its partition.
    ///
    /// # Errors
    /// [`StoreError`], see there.
    pub async fn commit(&self, partition: Partition, batch: Batch) -> Result<Committed, StoreError> {
        let committed = self.store.commit(partition, batch, self.now_ms()).await;
        let result = if committed.is_ok() { "ok" } else { "refused" };
        metrics::counter!("edge_commits_total", "result" => result).increment(1);
        for fate in committed.iter().flat_map(|committed| &committed.fates) {
            metrics::counter!("edge_writes_total", "fate" => format!("{fate:?}").to_lowercase()).increment(1);
        }
        committed
    }
}

/// The learner of what is read next, unless it is off.
fn prefetch_of(config: &PrefetchConfig, salt: u64) -> Option<Mutex<Prefetch>> {
    // Their ranges were checked with the configuration.
    let at_least_one = |number| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
    let (contexts, readers) = (at_least_one(config.contexts), at_least_one(config.readers));
    let limits = prefetch::Limits { k: config.k, contexts, readers };
    config.enabled.then(|| Mutex::new(Prefetch::new(limits, salt)))
}

/// The auditor, unless it is off.
fn auditor_of(config: &AuditConfig, seed: u64) -> Option<Mutex<Auditor>> {
    config.enabled.then(|| Mutex::new(Auditor::new(config.per_second, seed)))
}

/// A source and the client of its upstream.
type Upstream = (Box<dyn Source>, Fetcher);

/// The enabled sources.
fn sources(config: &Config) -> Result<Vec<Upstream>, String> {
    let timeout = Duration::from_secs(10);
    let mut sources: Vec<Upstream> = Vec::new();
    let mlb = &config.sources.mlb;
    if mlb.enabled {
        let poll_ms = (mlb.poll_ms > 0).then_some(mlb.poll_ms);
        sources.push((Box::new(Mlb::new(poll_ms)), Fetcher::new(BaseUrl::parse(&mlb.base_url)?, timeout)?));
    }
    let prizepicks = &config.sources.prizepicks;
    if prizepicks.enabled {
        let source = PrizePicks::new(prizepicks.leagues.clone(), prizepicks.poll_ms);
        sources.push((Box::new(source), Fetcher::new(BaseUrl::parse(&prizepicks.base_url)?, timeout)?));
    }
    Ok(sources)
}

/// Listens on an address, ready for everybody to come back at once.
///
/// # Errors
/// The system's, as when the address is in use.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that is started anew does not wait for the connections of the one before to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Runs a server on a listener until `shutdown` resolves and everything accepted before it has been committed.
///
/// # Errors
/// A sentence, when a part cannot be started.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), String> {
    let opened = open::open(&config.store).await?;
    run_opened(opened, listener, config, shutdown).await
}

/// Runs a server on a store of the caller's, which announces its commits there.
///
/// # Errors
/// A sentence, when a part cannot be started.
pub async fn run_on(
    store: Arc<dyn Store>,
    announced: mpsc::Receiver<Arc<Commit>>,
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), String> {
    run_opened(open::with(store, announced).await?, listener, config, shutdown).await
}

async fn run_opened(
    opened: Opened,
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), String> {
    crate::metrics::recorder();
    let Opened { store, kind, tails, announced, components } = opened;
    let address = listener.local_addr().map_err(|error| format!("the listener has no address: {error}"))?;
    let heads = tails.iter().map(|tail| tail.from).collect();
    let hub = Hub::new(store.layout(), heads, config.store.log_commits, 0);
    // Whoever followed another server on this store goes on here.
    tails.iter().flat_map(|tail| &tail.commits).for_each(|commit| hub.publish(commit));
    let edge = Arc::new(Edge {
        access: Access::new(&config.read_secrets, &config.write_token),
        hub,
        store_kind: kind,
        store,
        health: Health::default(),
        components,
        prefetch: prefetch_of(&config.prefetch, fastrand::u64(..)),
        auditor: auditor_of(&config.audit, fastrand::u64(..)),
        started: Instant::now(),
        clock: Clock::default(),
        started_at: Timestamp::now(),
        connections: AtomicU64::new(1),
        draining: watch::Sender::new(false),
        config,
    });

    let (stop_sources, sources_stopped) = watch::channel(false);
    let (records, to_batch) = mpsc::channel::<Record>(RECORDS);
    let mut producing = JoinSet::new();
    for (source, fetcher) in sources(&edge.config)? {
        let polled = Polled { edge: edge.clone(), fetcher, records: records.clone(), stopped: sources_stopped.clone() };
        producing.spawn(pipeline::poll(source, polled));
    }
    drop(records);
    let limits = batch::Limits { items: edge.config.batch.items, flush_ms: edge.config.batch.flush_ms };
    let batching = tokio::spawn(pipeline::batch(edge.clone(), limits, to_batch));
    let (show, published) = mpsc::channel(AUDITED);
    let auditing = tokio::spawn(audit::reads::run(edge.clone(), published, address));
    let publishing = tokio::spawn(publish(edge.clone(), announced, show));
    let probing = tokio::spawn(probe(edge.clone()));

    let (stop_serving, serving_stopped) = watch::channel(false);
    let serving = tokio::spawn(http::serve(listener, edge.clone(), serving_stopped));
    shutdown.await;
    tracing::info!("shutting down: sources stop, what waits is committed");
    stop_sources.send_replace(true);
    while producing.join_next().await.is_some() {}
    // The last sender is gone: the batcher commits what waits and ends.
    if batching.await.is_err() {
        tracing::error!("the batcher failed; records that waited may be lost");
    }
    if tokio::time::timeout(DRAIN, handed_over(&edge)).await.is_err() {
        tracing::warn!("followers were not told of the last commits; they come back for them");
    }
    edge.draining.send_replace(true);
    stop_serving.send_replace(true);
    let ended = async {
        drop(serving.await);
        // The listener does not wait for sockets that were upgraded: each holds the flag until it has closed.
        edge.draining.closed().await;
    };
    if tokio::time::timeout(DRAIN, ended).await.is_err() {
        tracing::warn!("connections were still open after {} s", DRAIN.as_secs());
    }
    auditing.abort();
    probing.abort();
    publishing.abort();
    Ok(())
}

/// Resolves when the process is asked to end: Ctrl-C or SIGTERM. Both are listened for from the call on, not from the
/// first poll. A signal that cannot be listened for ends the process in its own way.
pub fn terminated() -> impl Future<Output = ()> + Send {
    use tokio::signal::unix::{SignalKind, signal};
    let listened = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    async move {
        let mut signals: Vec<_> = listened.into_iter().flatten().collect();
        if signals.is_empty() {
            return std::future::pending().await;
        }
        let received = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures_util::future::select_all(received).await;
    }
}

/// Resolves when the flag is set, or nobody can set it any more.
pub(crate) async fn raised(flag: &mut watch::Receiver<bool>) {
    drop(flag.wait_for(|&raised| raised).await);
}

/// Announcements to the hub, in order, and to the auditor behind it, who is not waited for: it sees a hole and knows.
async fn publish(edge: Arc<Edge>, mut announced: Announced, show: mpsc::Sender<Arc<Commit>>) {
    while let Some(announcement) = announced.next().await {
        match announcement {
            Announcement::Commit(commit) => {
                edge.hub.publish(&commit);
                if edge.auditor.is_some() {
                    let _missed = show.try_send(commit);
                }
                metrics::counter!("edge_published_total").increment(1);
            }
            Announcement::Lost(partition, position) => edge.hub.lose(partition, position),
        }
    }
}

/// Waits until what is committed has been handed to the followers' mailboxes.
async fn handed_over(edge: &Edge) {
    for partition in edge.store.layout().partitions() {
        let Ok(store) = edge.store.head(partition).await else { continue };
        let is_behind = || {
            let hub = edge.hub.head(partition);
            hub.epoch != store.epoch || hub.offset < store.offset
        };
        while is_behind() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Compares heads, removes what ended, and tidies the metrics, each second.
async fn probe(edge: Arc<Edge>) {
    let mut ticks = tokio::time::interval(PROBE);
    loop {
        ticks.tick().await;
        // Histograms are kept as samples until somebody scrapes, or this.
        crate::metrics::recorder().run_upkeep();
        if let Err(error) = edge.store.expire(edge.now_ms()).await {
            tracing::warn!(%error, "ended values could not be removed");
        }
        // What is read across a network was true when it was asked for, not when it came.
        let asked_at = edge.clock_ms();
        let heads =
            edge.store.layout().partitions().map(async |partition| (partition, edge.store.head(partition).await));
        for (partition, head) in futures_util::future::join_all(heads).await {
            if let Ok(head) = head {
                edge.hub.confirm(partition, head, asked_at);
            }
        }
    }
}
