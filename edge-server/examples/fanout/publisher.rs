//! Commits values on a thread of its own, so that readers who are busy do not hold it back: over HTTP to edge-server,
//! over NATS' own protocol to nats-server, a value each time. Answers are read and dropped by another thread; what did
//! not arrive is seen by the readers' counts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tally::Tally;

/// Values are of so many keys, in turn. nats-server keeps for each subject who is subscribed, so that more would count
/// against its connections' memory.
pub(crate) const KEYS: u64 = 100;

/// What values are committed to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Store {
    /// edge-server, by PUT.
    Edge(SocketAddr),
    /// nats-server's port of its own protocol.
    Nats(SocketAddr),
}

/// A connection that commits.
pub(crate) struct Publisher {
    store: Store,
    stream: Arc<Mutex<TcpStream>>,
    bytes: usize,
    /// Values committed so far.
    pub(crate) sent: u64,
}

impl Publisher {
    /// Connects; values will be of so many bytes.
    pub(crate) fn connect(store: Store, bytes: usize) -> Result<Publisher> {
        let (Store::Edge(address) | Store::Nats(address)) = store;
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let mut answers = stream.try_clone()?;
        let stream = Arc::new(Mutex::new(stream));
        let to_answer = stream.clone();
        thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(read @ 1..) = answers.read(&mut buffer) {
                if matches!(store, Store::Nats(_)) && buffer[..read].windows(6).any(|six| six == b"PING\r\n") {
                    let mut stream = to_answer.lock().unwrap_or_else(PoisonError::into_inner);
                    // A connection that is gone is noticed by who publishes.
                    let _ = stream.write_all(b"PONG\r\n");
                }
            }
        });
        let mut publisher = Publisher { store, stream, bytes, sent: 0 };
        if matches!(store, Store::Nats(_)) {
            publisher.write(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")?;
        }
        Ok(publisher)
    }

    /// Commits the next value, which says when it was due.
    pub(crate) fn publish(&mut self, due: Duration) -> Result<()> {
        let payload = Tally::payload(due, self.bytes);
        let (player, length) = (self.sent % KEYS, payload.len());
        let message = match self.store {
            Store::Edge(address) => format!(
                "PUT /v1/entries/sport:bench:props:player:{player}:points HTTP/1.1\r\nHost: {address}\r\n\
                 Content-Length: {length}\r\n\r\n{payload}"
            ),
            Store::Nats(_) => format!("PUB sport.bench.props.player.{player}.points {length}\r\n{payload}\r\n"),
        };
        self.sent += 1;
        self.write(message.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(bytes).context("the publisher's connection is gone")
    }

    /// Commits one value after another for a time, each when all readers have the one before: how many that were, and how
    /// long they took.
    pub(crate) fn in_turn(&mut self, readers: u64, time: Duration, tally: &Tally) -> Result<(u64, Duration)> {
        let began = tally.now();
        let before = tally.values.load(std::sync::atomic::Ordering::SeqCst);
        let mut count = 0;
        while tally.now() - began < time {
            self.publish(tally.now())?;
            count += 1;
            if !tally.wait_for_values(before + count * readers, Duration::from_secs(30)) {
                bail!("a value did not reach all {readers} readers: {}", tally.faulty().unwrap_or_default());
            }
        }
        Ok((count, tally.now() - began))
    }

    /// Commits a value each `1 / rate` seconds for a time, whatever becomes of them, and waits until all readers have the
    /// last: how many that were.
    pub(crate) fn paced(&mut self, readers: u64, rate: f64, time: Duration, tally: &Tally) -> Result<u64> {
        let before = tally.values.load(std::sync::atomic::Ordering::SeqCst);
        let began = tally.now();
        let count = (time.as_secs_f64() * rate).round().max(1.0) as u64;
        for number in 0..count {
            let due = began + Duration::from_secs_f64(number as f64 / rate);
            thread::sleep(due.saturating_sub(tally.now()));
            self.publish(due)?;
        }
        if !tally.wait_for_values(before + count * readers, Duration::from_secs(30)) {
            let got = tally.values.load(std::sync::atomic::Ordering::SeqCst) - before;
            let fault = tally.faulty().unwrap_or_default();
            bail!("{got} of {} values arrived: {fault}", count * readers);
        }
        Ok(count)
    }
}

/// Runs what blocks on a thread of its own.
pub(crate) async fn on_its_own<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("the publisher's thread failed")?
}

/// The time that something took, in seconds.
pub(crate) fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}
