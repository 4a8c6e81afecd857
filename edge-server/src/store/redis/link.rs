//! Calls over a few connections: each has a deadline, a lost connection is made again with growing pauses, and who asks
//! meanwhile is told so at once instead of waiting for what cannot come.
//!
//! A call that got no answer may have been done. Whoever asks again must be asking for something that does no harm twice:
//! reads, and commits on a lane.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::health::Components;
use crate::store::StoreError;

/// What `/health/detailed` calls the server's answers.
pub(super) const COMPONENT: &str = "redis";
/// Calls under way on one connection; over that they wait their turn.
const UNDER_WAY: usize = 1_024;
/// The first and the longest pause between attempts to connect.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];
/// The pause before a call is made again.
const AGAIN: Duration = Duration::from_millis(20);

/// How long a call is worth waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// A reader would rather know that there is no answer: once more, and not while the server is known to be away.
    Read,
    /// What was accepted must not be lost: for five times the timeout.
    Commit,
}

/// Why a call has no result.
#[derive(Debug, Clone)]
struct Failure {
    kind: &'static str,
    /// A sentence.
    what: String,
}

impl Failure {
    fn of(error: &RedisError) -> Failure {
        let code = error.code().unwrap_or_default();
        let (kind, advice) = match error.kind() {
            _ if error.is_timeout() => ("timeout", "it did not answer in time"),
            _ if error.is_connection_dropped() || error.is_connection_refusal() || error.is_io_error() => {
                ("connection", "it cannot be reached")
            }
            ErrorKind::Server(ServerErrorKind::BusyLoading) => ("loading", "it is still loading its data"),
            ErrorKind::Server(ServerErrorKind::ReadOnly) => {
                ("readonly", "it is a read-only replica; the primary is needed")
            }
            ErrorKind::Server(ServerErrorKind::NoScript) => ("noscript", "it forgot a script"),
            ErrorKind::Server(ServerErrorKind::TryAgain | ServerErrorKind::MasterDown) => {
                ("busy", "it asks to try again")
            }
            ErrorKind::Server(ServerErrorKind::NoPerm) => ("access", "the user may not do this"),
            ErrorKind::AuthenticationFailed => ("access", "it does not take the user or the password"),
            _ if code == "NOAUTH" => ("access", "it asks for a password: redis://user:password@host:port"),
            _ if code == "OOM" => ("memory", "it has no memory left: raise maxmemory"),
            _ if code == "MISCONF" => ("disk", "it refuses writes while it cannot save to disk"),
            _ if code == "BUSY" => ("busy", "another script keeps it busy"),
            _ => ("other", "it refused"),
        };
        Failure { kind, what: format!("{advice} ({error})") }
    }

    /// Whether the same call may be answered the next time.
    fn may_pass(&self) -> bool {
        matches!(self.kind, "timeout" | "connection" | "away" | "loading" | "busy" | "readonly")
    }

    /// Whether another connection may fare better. One that answers late is not waited for: it may be dead while its
    /// socket looks alive.
    fn spoils_connection(&self) -> bool {
        matches!(self.kind, "timeout" | "connection" | "readonly")
    }
}

/// A script, sent by its hash.
#[derive(Debug)]
pub(super) struct Script {
    name: &'static str,
    script: redis::Script,
}

impl Script {
    /// A script, after what all of them begin with.
    pub(super) fn new(name: &'static str, code: &str) -> Script {
        Script { name, script: redis::Script::new(&format!("{}\n{code}", include_str!("lineage.lua"))) }
    }

    /// A call, to which the keys and then the arguments are added.
    pub(super) fn call(&self, keys: usize) -> Cmd {
        let mut call = redis::cmd("EVALSHA");
        call.arg(self.script.get_hash()).arg(keys);
        call
    }
}

/// The connections.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    timeout: Duration,
    places: Vec<Mutex<Place>>,
    components: Arc<Components>,
}

#[derive(Debug, Default)]
struct Place {
    connection: Option<MultiplexedConnection>,
    /// The number of the connection, so that an old one's failure does not end a new one.
    made: u64,
    /// Attempts that failed since the last connection, and why the last one did.
    failures: u32,
    why: String,
    /// No attempt is made before.
    not_before: Option<Instant>,
}

impl Link {
    pub(super) fn new(client: Client, timeout: Duration, connections: usize, components: Arc<Components>) -> Link {
        let places = (0..connections.max(1)).map(|_| Mutex::default()).collect();
        Link { client, timeout, places, components }
    }

    /// How long one answer may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    async fn connection(&self, place: usize) -> Result<(u64, MultiplexedConnection), Failure> {
        // Held while it connects: all who ask meanwhile share the attempt.
        let mut place = self.places[place % self.places.len()].lock().await;
        if let Some(connection) = &place.connection {
            return Ok((place.made, connection.clone()));
        }
        if place.not_before.is_some_and(|then| Instant::now() < then) {
            return Err(Failure { kind: "away", what: place.why.clone() });
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            .set_concurrency_limit(UNDER_WAY)
            .set_pipeline_buffer_size(UNDER_WAY);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connected = match timeout(self.timeout, connecting).await {
            Ok(connected) => connected.map_err(|error| Failure::of(&error)),
            Err(_) => Err(Failure { kind: "timeout", what: "it took too long to connect".into() }),
        };
        match connected {
            Ok(connection) => {
                let made = place.made + 1;
                *place = Place { connection: Some(connection.clone()), made, ..Place::default() };
                Ok((made, connection))
            }
            Err(failure) => {
                let [first, longest] = PAUSES;
                let pause = first.saturating_mul(1 << place.failures.min(10)).min(longest);
                place.not_before = Some(Instant::now() + pause.mul_f64(0.5 + 0.5 * fastrand::f64()));
                place.failures += 1;
                place.why = failure.what.clone();
                Err(failure)
            }
        }
    }

    async fn spoil(&self, place: usize, made: u64) {
        let mut place = self.places[place % self.places.len()].lock().await;
        if place.made == made {
            place.connection = None;
        }
    }

    /// One attempt.
    async fn attempt(&self, place: usize, call: &Cmd) -> Result<Value, Failure> {
        let (made, mut connection) = self.connection(place).await?;
        match connection.req_packed_command(call).await.and_then(Value::extract_error) {
            Ok(value) => Ok(value),
            Err(error) => {
                let failure = Failure::of(&error);
                if failure.spoils_connection() {
                    self.spoil(place, made).await;
                }
                Err(failure)
            }
        }
    }

    /// Runs a script on one of the connections.
    pub(super) async fn run(
        &self,
        place: usize,
        script: &Script,
        call: &Cmd,
        patience: Patience,
    ) -> Result<Value, StoreError> {
        let began = Instant::now();
        let result = self.persist(place, Some(script), call, patience).await;
        metrics::histogram!("edge_store_seconds", "call" => script.name).record(began.elapsed().as_secs_f64());
        result
    }

    /// Gives a command on one of the connections.
    pub(super) async fn give(&self, place: usize, command: &Cmd) -> Result<Value, StoreError> {
        self.persist(place, None, command, Patience::Read).await
    }

    async fn persist(
        &self,
        place: usize,
        script: Option<&Script>,
        call: &Cmd,
        patience: Patience,
    ) -> Result<Value, StoreError> {
        let give_up = Instant::now() + self.timeout * if patience == Patience::Read { 1 } else { 5 };
        let mut pause = AGAIN;
        loop {
            let failure = match self.attempt(place, call).await {
                Ok(value) => {
                    self.components.ok(COMPONENT, Timestamp::now());
                    return Ok(value);
                }
                Err(failure) => failure,
            };
            metrics::counter!("edge_store_errors_total", "kind" => failure.kind).increment(1);
            if let (Some(script), "noscript") = (script, failure.kind) {
                self.load(place, script).await?;
                continue;
            }
            self.components.failing(COMPONENT, &failure.what, Timestamp::now());
            let away = failure.kind == "away" && patience == Patience::Read;
            if !failure.may_pass() || away || Instant::now() + pause > give_up {
                return Err(StoreError::Unavailable(failure.what));
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES[1]);
            metrics::counter!("edge_store_retries_total").increment(1);
        }
    }

    async fn load(&self, place: usize, script: &Script) -> Result<(), StoreError> {
        let unavailable = |failure: Failure| StoreError::Unavailable(failure.what);
        let (_, mut connection) = self.connection(place).await.map_err(unavailable)?;
        let loaded = script.script.load_async(&mut connection).await;
        loaded.map(drop).map_err(|error| unavailable(Failure::of(&error)))
    }
}
