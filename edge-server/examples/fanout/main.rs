//! One server and thousands of followers: what a connection costs in memory, how many frames the server sends in a second
//! of a core, how late they come, what readers that stop reading do to the others, and how fast all come back when all
//! were cut. Against nats-server's WebSocket, with the same fan-out, where that is given.
//!
//! Code map: `process` (the servers, and what Linux knows of them) · `publisher` (commits) · `crowd` (the connections),
//! `frames` (WebSocket), `edge` and `nats` (a reader of each) · `laggard` (a reader that stops) · `tally`, `histogram`
//! (what was heard) · `phases` (what is measured) · `report`.
//!
//! Readers and publisher are one process with one clock, so that a latency is a difference of two of its times. It shares
//! the machine with the server: ratios to the peer, measured in the same way, say more than the times.

mod crowd;
mod edge;
mod frames;
mod histogram;
mod laggard;
mod nats;
mod phases;
mod process;
mod publisher;
mod report;
mod tally;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use wire::Scope;

use crate::crowd::{Arrival, Crowd, Service};
use crate::phases::{Laggards, Window};
use crate::process::Server;
use crate::publisher::{Publisher, Store, seconds};
use crate::report::{Report, SUBJECT};
use crate::tally::Tally;

/// Connections that are made at a time, at first.
const ORDERLY: Arrival = Arrival::Orderly(256);
/// Commits that are missed by those who were cut.
const MISSED: u64 = 20;
/// The names of the rows beside the subject's.
const NATS: &str = "nats-server";
const STOPPED: &str = "edge-server, readers stopped";

/// Measures a server with many followers. `cargo xtask bench fanout` builds and names the programs.
#[derive(Parser, Debug, Clone)]
struct Options {
    /// The edge-server to measure
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/edge-server")]
    edge: PathBuf,
    /// The nats-server to measure beside it
    #[arg(long, value_name = "PROGRAM")]
    nats: Option<PathBuf>,
    /// Followers of one scope
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    connections: usize,
    /// Bytes of a value
    #[arg(long, value_name = "N", default_value_t = 200)]
    payload: usize,
    /// Seconds of each time that is measured
    #[arg(long, value_name = "N", default_value_t = 6)]
    seconds: u64,
    /// Times that are measured, each a sample
    #[arg(long, value_name = "N", default_value_t = 3)]
    windows: u32,
    /// Readers that stop reading
    #[arg(long, value_name = "N", default_value_t = 5)]
    stopped: usize,
    /// The steady rate, as a share of what the slower server carries at most
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    share: f64,
    /// Milliseconds from the last connection to the look at the memory: more than a heartbeat
    #[arg(long, value_name = "N", default_value_t = 2_500)]
    settle_ms: u64,
    /// Where the report goes; standard output, if absent
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    process::check_open_files(options.connections + 200)?;
    // reqwest asks whose TLS it is to use, even where there is none.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    // Half of the machine: the rest is the server's.
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let report = runtime.block_on(measure(&options))?;
    let text = serde_json::to_string_pretty(&report)? + "\n";
    match &options.json {
        Some(path) => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display())),
        None => {
            print!("{text}");
            Ok(())
        }
    }
}

/// A server with its crowd.
struct Running {
    server: Server,
    service: Service,
    tally: Arc<Tally>,
    crowd: Crowd,
    publisher: Publisher,
}

/// What one server carries, and what its connections cost, in bytes each.
struct Capacity {
    idle: f64,
    busy: f64,
    values_a_second: f64,
}

async fn measure(options: &Options) -> Result<Report> {
    let mut report = Report::new();
    let readers = options.connections;
    let fan_out = format!("{readers} connections, values of {} bytes", options.payload);
    let nats_version = options.nats.as_deref().map(process::version).transpose()?;
    say(&format!("{fan_out}; {}", nats_version.as_deref().unwrap_or("without a peer")));

    let edge = capacity(options, SUBJECT, begin_edge(options).await?).await?;
    let nats = match &options.nats {
        Some(_) => Some(capacity(options, NATS, begin_nats(options).await?).await?),
        None => None,
    };
    let note = format!("{fan_out}; resident memory's growth by connection, before and after a saturated time");
    report.table("memory of a connection", "bytes", note);
    report.table("saturated", "values/s", format!("{fan_out}; each is committed when all have the one before"));
    for (name, capacity) in [(SUBJECT, Some(&edge)), (NATS, nats.as_ref())] {
        let Some(Capacity { idle, busy, values_a_second, .. }) = capacity else { continue };
        report.sample("memory of a connection", name, *idle);
        report.sample("memory of a connection", &format!("{name}, after traffic"), *busy);
        report.sample("saturated", name, *values_a_second);
    }

    let slower = nats.as_ref().map_or(edge.values_a_second, |nats| nats.values_a_second.min(edge.values_a_second));
    let rate = (slower * options.share / readers as f64).max(0.5);
    let note = format!(
        "{fan_out}, {rate:.1} commits/s: {:.0} % of what the slower one carries; {}",
        options.share * 100.0,
        nats_version.as_deref().unwrap_or("no peer")
    );
    say(&format!("steady: {note}"));
    report.table("frames per core-second", "frames", note.clone());
    for table in ["latency p50", "latency p99", "latency max"] {
        report.table(table, "ms", note.clone());
    }
    if options.nats.is_some() {
        let (mut running, _) = begin_nats(options).await?;
        for _ in 0..options.windows {
            running = window(options, running, rate, NATS, &mut report).await?;
        }
        running.crowd.cut().await;
    }
    followers_of_edge(options, rate, &mut report).await?;
    Ok(report)
}

/// The steady times of edge-server, with and without readers that stopped, and the return of all.
async fn followers_of_edge(options: &Options, rate: f64, report: &mut Report) -> Result<()> {
    let readers = options.connections;
    let (mut running, _) = begin_edge(options).await?;
    let laggards = Laggards::start(running.server.stream, &scope()?, options.stopped).await?;
    for _ in 0..options.windows {
        running = window(options, running, rate, SUBJECT, report).await?;
    }
    laggards.stop().await?;
    for _ in 0..options.windows {
        running = window(options, running, rate, STOPPED, report).await?;
    }
    for story in laggards.read_on().await? {
        say(&format!("a stopped reader has what the server has: {story:?}"));
    }

    report.table("return of all", "s", format!("{readers} connections, all cut, come back after 0.2 to 0.4 s"));
    report.table("return of all, the server's part", "s of a core", format!("{readers} connections"));
    report.table("return of all, how", "connections", format!("{MISSED} commits were missed, and replayed"));
    for _ in 0..options.windows {
        let Running { server, service, tally, crowd, publisher } = running;
        let (crowd, publisher, returned) =
            phases::reconnect(&server, &service, &tally, crowd, publisher, readers, MISSED).await?;
        say(&format!("all came back: {returned:?}"));
        let all = readers as u64 * MISSED;
        ensure!(returned.values == all || returned.reset > 0, "{} of {all} missed values came", returned.values);
        report.sample("return of all", SUBJECT, returned.took);
        report.sample("return of all, the server's part", SUBJECT, returned.cpu);
        report.sample("return of all, how", SUBJECT, returned.replayed as f64);
        report.sample("return of all, how", "all", readers as f64);
        running = Running { server, service, tally, crowd, publisher };
    }
    running.crowd.cut().await;
    Ok(())
}

fn scope() -> Result<Scope> {
    Ok(Scope::parse("sport:bench:props:")?)
}

/// edge-server with all connections, and how much memory each took.
async fn begin_edge(options: &Options) -> Result<(Running, f64)> {
    let server = Server::edge(&options.edge)?;
    let seats = (0..options.connections).map(|_| Arc::default()).collect();
    let service = Service::Edge { scope: scope()?, seats: Arc::new(seats) };
    let publisher = Publisher::connect(Store::Edge(server.commits), options.payload)?;
    begin(options, server, service, publisher).await
}

/// nats-server, likewise.
async fn begin_nats(options: &Options) -> Result<(Running, f64)> {
    let program = options.nats.as_deref().context("no nats-server is named")?;
    let server = Server::nats(program, &std::env::temp_dir())?;
    let publisher = Publisher::connect(Store::Nats(server.commits), options.payload)?;
    begin(options, server, Service::Nats { subject: "sport.bench.props.>".into() }, publisher).await
}

async fn begin(
    options: &Options,
    server: Server,
    service: Service,
    mut publisher: Publisher,
) -> Result<(Running, f64)> {
    let tally = Arc::new(Tally::new());
    // A store has all keys before it is looked at: they are no connection's. nats-server is no store; what it would keep
    // is who is subscribed to each, anew for everybody who joins.
    if matches!(service, Service::Edge { .. }) {
        for _ in 0..publisher::KEYS {
            publisher.publish(tally.now())?;
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = server.resident()?;
    let began = Instant::now();
    let crowd = Crowd::gather(server.stream, &service, options.connections, ORDERLY, &tally).await?;
    let took = seconds(began);
    tokio::time::sleep(Duration::from_millis(options.settle_ms)).await;
    crowd.check()?;
    let each = (server.resident()? - before) as f64 / options.connections as f64;
    say(&format!("{} connections in {took:.1} s, {each:.0} bytes each", options.connections));
    Ok((Running { server, service, tally, crowd, publisher }, each))
}

/// What a server carries at most; it is ended.
async fn capacity(options: &Options, name: &str, (running, idle): (Running, f64)) -> Result<Capacity> {
    let Running { server, tally, crowd, publisher, .. } = running;
    let before = server.resident()? as f64 - idle * options.connections as f64;
    let time = Duration::from_secs(options.seconds);
    let (_, values_a_second, cores) = phases::saturate(&server, &tally, publisher, options.connections, time).await?;
    let busy = (server.resident()? as f64 - before) / options.connections as f64;
    crowd.check()?;
    crowd.cut().await;
    say(&format!(
        "{name}: {values_a_second:.0} values/s at most, with {cores:.2} cores; {busy:.0} bytes each after it"
    ));
    Ok(Capacity { idle, busy, values_a_second })
}

/// One steady time, as samples of a row.
async fn window(options: &Options, running: Running, rate: f64, row: &str, report: &mut Report) -> Result<Running> {
    let Running { server, service, tally, crowd, publisher } = running;
    let time = Duration::from_secs(options.seconds);
    let (publisher, window) = phases::steady(&server, &tally, publisher, options.connections, rate, time).await?;
    crowd.check()?;
    let Window { p50, p99, max, frames, values, beats, cpu } = window;
    say(&format!(
        "{row}: p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms; {values} values in {frames} frames, {beats} \
         heartbeats, {cpu:.2} s of a core"
    ));
    ensure!(cpu > 0.0, "the server's time was not measured: take more --seconds");
    report.sample("frames per core-second", row, frames as f64 / cpu);
    if beats > 0 {
        let row = format!("{row}, heartbeats counted");
        report.sample("frames per core-second", &row, (frames + beats) as f64 / cpu);
    }
    for (table, ms) in [("latency p50", p50), ("latency p99", p99), ("latency max", max)] {
        report.sample(table, row, ms);
    }
    Ok(Running { server, service, tally, crowd, publisher })
}

fn say(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The server as cargo built it beside this test.
    fn edge_server() -> PathBuf {
        let program = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("edge-server");
        assert!(program.is_file(), "{} is missing: build it by `cargo build -p edge-server`", program.display());
        program
    }

    /// Red when a value is lost or comes twice, a stopped reader ends with a wrong value or holds up the others, or who
    /// comes back is not served from the ring.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_reader_gets_every_value_and_all_come_back_from_the_ring() {
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let mut options = Options::parse_from(["fanout", "--connections", "200", "--seconds", "1", "--windows", "1"]);
        options = Options { edge: edge_server(), stopped: 2, settle_ms: 0, share: 0.2, ..options };
        let report = serde_json::to_value(measure(&options).await.unwrap()).unwrap();
        let environments = report["environments"].as_object().unwrap();
        assert_eq!(environments["return of all, how"]["rows"][0]["samples"][0], 200.0, "{report:#}");
        for (table, environment) in environments {
            for row in environment["rows"].as_array().unwrap() {
                let sample = row["samples"][0].as_f64().unwrap();
                // The memory of so few may have been there before.
                assert!(sample > 0.0 || table == "memory of a connection", "{table}: {row}");
            }
        }
    }
}
