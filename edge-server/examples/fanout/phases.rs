//! What is measured, one function a figure. A phase begins with the server idle and ends with it idle.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::{Semaphore, watch};
use wire::{Position, Scope};

use crate::crowd::{Arrival, Crowd, Service};
use crate::laggard::{self, Laggard, Order, Story};
use crate::process::Server;
use crate::publisher::{Publisher, on_its_own};
use crate::tally::Tally;

/// Bytes of the values that fill a stopped reader's sockets; they travel with their announcement.
const FLOOD_VALUE: usize = 1_000;
/// Keys of the flood: as many as make the merged record outgrow its bounds.
const FLOOD_KEYS: usize = 1_000;
/// Bytes of the flood: more than any socket's buffers hold, twice.
const FLOOD_BYTES: usize = 16 * 1024 * 1024;
/// Values of one commit.
const COMMIT_ITEMS: usize = 50;

/// What a time of steady commits gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Milliseconds from when a commit was due to when a reader had it.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    /// Messages with values that the readers got.
    pub(crate) frames: u64,
    pub(crate) values: u64,
    /// Heartbeats, which are answered.
    pub(crate) beats: u64,
    /// Seconds of the server's processor time.
    pub(crate) cpu: f64,
}

/// How many values a second reach the readers when each value is committed as soon as all have the one before.
pub(crate) async fn saturate(
    server: &Server,
    tally: &Arc<Tally>,
    mut publisher: Publisher,
    readers: usize,
    time: Duration,
) -> Result<(Publisher, f64, f64)> {
    tally.clear();
    let cpu = server.cpu()?;
    let counts = tally.clone();
    let (publisher, count, took) = on_its_own(move || {
        let (count, took) = publisher.in_turn(readers as u64, time, &counts)?;
        Ok((publisher, count, took))
    })
    .await?;
    let values = (count * readers as u64) as f64;
    Ok((publisher, values / took.as_secs_f64(), (server.cpu()? - cpu) / took.as_secs_f64()))
}

/// Commits at a steady rate.
pub(crate) async fn steady(
    server: &Server,
    tally: &Arc<Tally>,
    mut publisher: Publisher,
    readers: usize,
    rate: f64,
    time: Duration,
) -> Result<(Publisher, Window)> {
    tally.clear();
    let cpu = server.cpu()?;
    let counts = tally.clone();
    let publisher = on_its_own(move || {
        publisher.paced(readers as u64, rate, time, &counts)?;
        Ok(publisher)
    })
    .await?;
    let window = Window {
        p50: tally.latency.percentile(0.5),
        p99: tally.latency.percentile(0.99),
        max: tally.latency.percentile(1.0),
        frames: tally.frames.load(SeqCst),
        values: tally.values.load(SeqCst),
        beats: tally.beats.load(SeqCst),
        cpu: server.cpu()? - cpu,
    };
    Ok((publisher, window))
}

/// Readers that will stop, beside the crowd.
pub(crate) struct Laggards {
    orders: watch::Sender<Order>,
    readers: Vec<Laggard>,
    http: reqwest::Client,
    address: SocketAddr,
    scopes: [Scope; 2],
}

impl Laggards {
    /// Starts them; they read, and are up to date.
    pub(crate) async fn start(address: SocketAddr, bench: &Scope, count: usize) -> Result<Laggards> {
        let http = reqwest::Client::new();
        let scopes = [bench.clone(), Scope::parse("sport:flood:")?];
        let (orders, follow) = watch::channel(Order::Read);
        let begun = Arc::new(Semaphore::new(0));
        let start = |_| laggard::start(address, http.clone(), &scopes, follow.clone(), begun.clone());
        let readers: Vec<Laggard> = (0..count).map(start).collect();
        let all = begun.acquire_many(count as u32);
        let _all = tokio::time::timeout(Duration::from_secs(20), all).await.context("the laggards do not begin")??;
        Ok(Laggards { orders, readers, http, address, scopes })
    }

    /// They stop, and their sockets are filled until nothing goes into them any more.
    pub(crate) async fn stop(&self) -> Result<()> {
        self.orders.send_replace(Order::Stop);
        let mut key = 0;
        for turn in 0..FLOOD_BYTES / (COMMIT_ITEMS * FLOOD_VALUE) {
            let mut lines = String::new();
            for _ in 0..COMMIT_ITEMS {
                key = (key + 1) % FLOOD_KEYS;
                let fill = FLOOD_VALUE - 12;
                lines += &format!("{{\"key\":\"sport:flood:{key}\",\"value\":\"{turn:08}{:y<fill$}\"}}\n", "");
            }
            let request = self.http.post(format!("http://{}/v1/ingest", self.address)).body(lines);
            request.send().await?.error_for_status()?;
        }
        Ok(())
    }

    /// They read on; how each ended, when it has what the server has.
    pub(crate) async fn read_on(self) -> Result<Vec<Story>> {
        let mut heads: Vec<Position> = Vec::new();
        let mut truth = laggard::Values::new();
        for scope in &self.scopes {
            let (head, values) = laggard::snapshot(&self.http, self.address, scope).await?;
            heads.push(head);
            truth.extend(values);
        }
        self.orders.send_replace(Order::Reach(heads));
        let mut stories = Vec::new();
        for reader in self.readers {
            let ended = tokio::time::timeout(Duration::from_secs(60), reader).await;
            let (story, values) = ended.context("a stopped reader does not come up to date")???;
            if values != truth {
                let differ = truth.iter().filter(|(key, value)| values.get(*key) != Some(value)).count();
                bail!("a stopped reader ended with {differ} of {} values wrong: {story:?}", truth.len());
            }
            ensure!(
                story.purged > 0 || story.closed.is_some(),
                "a stopped reader was never held up: the machine's sockets hold more than {FLOOD_BYTES} bytes"
            );
            stories.push(story);
        }
        Ok(stories)
    }
}

/// How all came back after all were cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Returned {
    /// Seconds from the cut until every connection was vouched for again.
    pub(crate) took: f64,
    /// Seconds of the server's processor time in it.
    pub(crate) cpu: f64,
    pub(crate) replayed: u64,
    pub(crate) reset: u64,
    /// Values that were missed and brought by the replay, of all readers.
    pub(crate) values: u64,
}

/// Cuts all, commits while nobody follows, and lets all come back.
pub(crate) async fn reconnect(
    server: &Server,
    service: &Service,
    tally: &Arc<Tally>,
    crowd: Crowd,
    mut publisher: Publisher,
    readers: usize,
    missed: u64,
) -> Result<(Crowd, Publisher, Returned)> {
    tally.clear();
    let cpu = server.cpu()?;
    let began = Instant::now();
    crowd.cut().await;
    for _ in 0..missed {
        publisher.publish(tally.now())?;
    }
    let crowd = Crowd::gather(server.stream, service, readers, Arrival::Storm, tally).await?;
    let took = began.elapsed().as_secs_f64();
    let cpu = server.cpu()? - cpu;
    let returned = Returned {
        took,
        cpu,
        replayed: tally.replayed.load(SeqCst),
        reset: tally.reset.load(SeqCst),
        values: tally.values.load(SeqCst),
    };
    Ok((crowd, publisher, returned))
}
