//! How many items a second the Redis store commits, beside what Redis does with the same bytes in other hands: one SET
//! after the other, a bare pipeline of 50 SETs, and redis-benchmark. All of it on one real server, in one run.
//!
//! A commit compares each item with what is kept, and writes the value, the log and the announcement; the pipeline writes
//! the value alone. The store's own follower hears every announcement meanwhile, as in a server.

mod server;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use edge_server::store::redis::{Redis, Settings};
use edge_server::store::{Batch, Fate, Layout, Limits, Partition, Store, Write};
use redis::aio::MultiplexedConnection;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wire::{Key, Payload};

use self::server::RedisServer;

/// Items of a commit and of a pipeline.
const BATCH: usize = 50;
/// Keys that are written over and over, in each partition.
const KEYS: usize = 1_000;
/// Partitions, and batches under way where there are several.
const PARTITIONS: u16 = 16;
/// How long each sample is measured.
const WINDOW: Duration = Duration::from_millis(500);

/// Measures commits to Redis against Redis.
#[derive(Parser)]
struct Arguments {
    /// Where the report goes
    #[arg(long, value_name = "FILE")]
    json: PathBuf,
    /// Samples of each row
    #[arg(long, default_value_t = 7)]
    runs: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { json, runs } = Arguments::parse();
    let mut environments = serde_json::Map::new();
    for bytes in [100, 900] {
        environments.insert(format!("values of {bytes} bytes"), environment(bytes, runs).await?);
    }
    let report = json!({
        "name": "store",
        "unit": "thousand items/s",
        "subject": "commits of 50",
        "environments": environments,
    });
    std::fs::write(&json, report.to_string()).with_context(|| format!("cannot write {}", json.display()))
}

async fn environment(bytes: usize, runs: u32) -> Result<serde_json::Value> {
    let server = RedisServer::start()?;
    let client = redis::Client::open(server.url())?;
    let connection = client.get_multiplexed_async_connection().await?;
    let mut several = Vec::new();
    for _ in 0..4 {
        several.push(client.get_multiplexed_async_connection().await?);
    }
    let (one_store, four_stores) = (store(&server, "one", 1).await?, store(&server, "four", 4).await?);
    let names = [
        "SET one by one",
        "pipelines of 50 SETs",
        "pipelines of 50 SETs, 16 under way on 4 connections",
        "commits of 50",
        "commits of 50, 16 under way on 1 connection",
        "commits of 50, 16 under way on 4 connections",
        "redis-benchmark -P 50",
    ];
    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    // The first round warms up. In each, every row has its turn, so that what slows the machine slows all.
    for run in 0..=runs {
        let round = [
            one_by_one(connection.clone(), bytes).await?,
            pipelines(vec![connection.clone()], 1, bytes).await?,
            pipelines(several.clone(), PARTITIONS, bytes).await?,
            commits(&one_store, 1, bytes).await?,
            commits(&one_store, PARTITIONS, bytes).await?,
            commits(&four_stores, PARTITIONS, bytes).await?,
            ceiling(&server, bytes)?,
        ];
        if run > 0 {
            samples.iter_mut().zip(round).for_each(|(row, rate)| row.push(rate / 1_000.0));
        }
    }
    let rows: Vec<_> =
        names.iter().zip(samples).map(|(name, samples)| json!({ "name": name, "samples": samples })).collect();
    Ok(json!({ "rows": rows }))
}

async fn store(server: &RedisServer, namespace: &str, connections: usize) -> Result<Arc<Redis>> {
    let (announce, mut announced) = mpsc::channel(1_024);
    let settings = Settings {
        url: server.url(),
        namespace: namespace.into(),
        layout: Layout::new(PARTITIONS),
        limits: Limits { log_commits: 1_000, push_max_bytes: 1_024 },
        timeout: Duration::from_secs(5),
        connections,
    };
    let (store, _) = Redis::open(settings, Arc::default(), announce).await.map_err(anyhow::Error::msg)?;
    tokio::spawn(async move { while announced.recv().await.is_some() {} });
    Ok(Arc::new(store))
}

/// A value that was never written before.
fn payload(bytes: usize) -> Vec<u8> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let mut payload = format!("\"{:020}", WRITTEN.fetch_add(1, Ordering::Relaxed)).into_bytes();
    payload.resize(bytes - 1, b'x');
    payload.push(b'"');
    payload
}

/// Items a second of what is done over and over, by so many at a time. `step` does `each` items.
async fn rate<F: Future<Output = Result<()>> + Send + 'static>(
    workers: u16,
    each: usize,
    step: impl Fn(u16, usize) -> F,
) -> Result<f64> {
    let began = Instant::now();
    let mut under_way = JoinSet::new();
    let mut turns = vec![0; usize::from(workers)];
    let mut start = |worker: u16, under_way: &mut JoinSet<Result<u16>>| {
        let step = step(worker, turns[usize::from(worker)]);
        turns[usize::from(worker)] += 1;
        under_way.spawn(async move { step.await.map(|()| worker) });
    };
    (0..workers).for_each(|worker| start(worker, &mut under_way));
    let mut items = 0;
    while let Some(done) = under_way.join_next().await {
        let worker = done??;
        items += each;
        if began.elapsed() < WINDOW {
            start(worker, &mut under_way);
        }
    }
    Ok(items as f64 / began.elapsed().as_secs_f64())
}

fn name(worker: u16, turn: usize, item: usize) -> String {
    format!("bare:{worker}:{}", (turn * BATCH + item) % KEYS)
}

async fn one_by_one(connection: MultiplexedConnection, bytes: usize) -> Result<f64> {
    let step = |worker, turn| {
        let mut connection = connection.clone();
        async move {
            for item in 0..BATCH {
                let mut set = redis::cmd("SET");
                set.arg(name(worker, turn, item)).arg(payload(bytes));
                set.query_async::<()>(&mut connection).await?;
            }
            Ok(())
        }
    };
    rate(1, BATCH, step).await
}

async fn pipelines(connections: Vec<MultiplexedConnection>, workers: u16, bytes: usize) -> Result<f64> {
    let step = |worker, turn| {
        let mut connection = connections[usize::from(worker) % connections.len()].clone();
        async move {
            let mut pipeline = redis::pipe();
            for item in 0..BATCH {
                pipeline.cmd("SET").arg(name(worker, turn, item)).arg(payload(bytes)).ignore();
            }
            Ok(pipeline.query_async::<()>(&mut connection).await?)
        }
    };
    rate(workers, BATCH, step).await
}

async fn commits(store: &Arc<Redis>, workers: u16, bytes: usize) -> Result<f64> {
    let roots: Arc<Vec<String>> =
        Arc::new(store.layout().partitions().map(|partition| root(store, partition)).collect());
    let step = |worker: u16, turn: usize| {
        let (store, roots) = (store.clone(), roots.clone());
        async move {
            let write = |item| {
                let key = Key::parse(&format!("{}:{}", roots[usize::from(worker)], (turn * BATCH + item) % KEYS))?;
                let payload = Some(Payload::new(payload(bytes)));
                anyhow::Ok(Write { key, source_ts: 1, ttl_ms: None, tags: Vec::new(), payload })
            };
            let writes = (0..BATCH).map(write).collect::<Result<_>>()?;
            let committed = store.commit(Partition(worker), Batch { writes, ..Batch::default() }, 1).await?;
            if committed.fates.iter().any(|&fate| fate != Fate::Changed) {
                bail!("a write changed nothing: {committed:?}");
            }
            Ok(())
        }
    };
    rate(workers, BATCH, step).await
}

/// A root that lies in a partition.
fn root(store: &Redis, partition: Partition) -> String {
    let is_there =
        |root: &String| Key::parse(&format!("{root}:1")).is_ok_and(|key| store.layout().of_key(&key) == partition);
    (0..).map(|number| format!("sport:{number}")).find(is_there).unwrap_or_default()
}

/// What Redis' own load generator reaches with pipelines of 50.
fn ceiling(server: &RedisServer, bytes: usize) -> Result<f64> {
    let mut command = Command::new("redis-benchmark");
    command.args(["-p", &server.port.to_string(), "-t", "set", "-P", "50", "-n", "300000", "-r", "16000"]);
    let output =
        command.args(["-d", &bytes.to_string(), "--csv"]).output().context("redis-benchmark does not start")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with("\"SET\"")).context("redis-benchmark measured nothing")?;
    let rate = line.split(',').nth(1).context("redis-benchmark gave no rate")?;
    Ok(rate.trim_matches('"').parse()?)
}
