//! The server seen from outside: its store's contract, the path from a commit to a follower, its HTTP and WebSocket
//! sides over real sockets, its process, and a whole pipeline with an upstream.
//!
//! No test sleeps. What takes time is waited for by its event, for at most [`PATIENCE`].

#![expect(clippy::unwrap_used, reason = "every function here is a test's own")]

mod commits;
mod mirror;
mod peer;
mod proxy;
mod redis_server;
mod server;
mod upstream;

mod store_contract;

mod hub;
mod hub_threads;
mod outbox;
mod replay;
mod session;
mod transcripts;
mod wall_clock;

mod audit;
mod http_entries;
mod http_ingest;
mod http_prefetch;
mod http_problems;
mod http_state;

mod convergence;
mod drain;
mod slow_reader;
mod stream;
mod stream_faults;
mod tokens;
mod versions;
mod ws_conformance;

mod redis_edges;
mod redis_faults;

mod pipeline;
mod process;

use std::time::Duration;

/// How long a test waits for what must come before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// What must come in time.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}
