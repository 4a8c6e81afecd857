//! An upstream simulator: the MLB Stats API and PrizePicks on one port, with generated and seeded data, or with recorded
//! answers played again. It stands in for the real APIs in the demo and the tests of the edge server.
//!
//! Code map, in the order data takes: `names` (clubs and people) · `bases`, `baseball`, `scorebook` (a game) ·
//! `prizepicks` (a board) · `mlb`, `plays`, `projections` (how the APIs write them) · `world` (all of it, in steps) ·
//! `replay` (recordings) · `upstream` (what both are to the shell) · `faults` · `http`. Everything but `http`, `replay`
//! and this file is pure: no clock, no files, no sockets.

mod baseball;
mod bases;
mod faults;
mod http;
mod mlb;
mod names;
mod plays;
mod prizepicks;
mod projections;
mod replay;
#[cfg(test)]
mod replay_tests;
mod scorebook;
mod upstream;
mod world;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::time::MissedTickBehavior;

use crate::faults::{Faults, Rates};
use crate::http::Shell;
use crate::replay::Replay;
use crate::upstream::Upstream;
use crate::world::World;

/// Serves what the MLB Stats API and PrizePicks would: generated from a seed, or recorded.
///
/// Prints `upstream listening on http://ADDRESS` to stdout when it is ready. All names in generated data are fictional.
/// Logs go to stderr; RUST_LOG=debug shows every request.
#[derive(Parser, Debug)]
#[command(
    name = "upstream",
    after_help = "Endpoints:
  GET  /api/v1/schedule                                     the slate; its date is ignored, it is always today's
  GET  /api/v1.1/game/{pk}/feed/live                        a game, whole
  GET  /api/v1.1/game/{pk}/feed/live/diffPatch?startTimecode=YYYYMMDD_HHMMSS
  GET  /projections?league_id=N                             2 MLB, 7 NBA
  POST /control/step                                        makes a step now
  GET  /control/state                                       step, games, projections, requests served"
)]
struct Options {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Decides the generated data and the faults: the same seed, the same run.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Milliseconds between steps, each a pitch in every live game and a few moved lines; 0 leaves stepping to
    /// POST /control/step.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    tick_ms: u64,

    /// Seconds that a step adds to the generated world's time, 1 or more. By default it keeps pace with the wall clock:
    /// the tick, rounded up to a whole second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    step_secs: Option<u32>,

    /// Milliseconds before each answer, from A to B.
    #[arg(long, value_name = "A..B", default_value = "0..0", value_parser = range)]
    latency_ms: RangeInclusive<u64>,

    /// Share of requests answered with 500, 502 or 503, from 0 to 1.
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = share)]
    error_rate: f64,

    /// Share of projection rows that are malformed (a line "n/a", attributes missing), from 0 to 1.
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = share)]
    bad_row_rate: f64,

    /// Requests a minute; further ones get 429 with Retry-After. No limit by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    quota_per_minute: Option<u32>,

    /// Serve the recordings in this folder (its mlb/ and prizepicks/) instead of generated data.
    #[arg(long, value_name = "DIR")]
    replay: Option<PathBuf>,
}

fn range(text: &str) -> Result<RangeInclusive<u64>, String> {
    let ends = text.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    ends.filter(|(from, to)| from <= to)
        .map(|(from, to)| from..=to)
        .ok_or_else(|| "expected A..B, two whole numbers with A no greater than B".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(help) if !help.use_stderr() => {
            let shown = help.print();
            return if shown.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        Err(error) => {
            let message = error.to_string();
            let line = message.lines().next().unwrap_or_default();
            return refuse(line.strip_prefix("error: ").unwrap_or(line));
        }
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&format!("{error:#}")),
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("upstream: {why}");
    ExitCode::from(2)
}

#[tokio::main]
async fn run(options: Options) -> Result<()> {
    let upstream: Box<dyn Upstream> = match &options.replay {
        Some(dir) => Box::new(Replay::open(dir)?),
        None => {
            let pace = u32::try_from(options.tick_ms.div_ceil(1_000)).context("the tick is too long")?;
            Box::new(World::new(options.seed, jiff::Timestamp::now(), options.step_secs.unwrap_or(pace)))
        }
    };
    let rates = Rates {
        latency: options.latency_ms,
        errors: options.error_rate,
        bad_rows: options.bad_row_rate,
        quota: options.quota_per_minute,
    };
    let shell = Shell::new(upstream, Faults::new(rates, options.seed));
    let listener = tokio::net::TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr()?;
    writeln!(std::io::stdout(), "upstream listening on http://{address}").context("cannot write to stdout")?;
    if options.tick_ms > 0 {
        tokio::spawn(tick(shell.clone(), Duration::from_millis(options.tick_ms)));
    }
    tokio::select! {
        served = axum::serve(listener, http::router(shell)) => served.context("serving failed"),
        stopped = tokio::signal::ctrl_c() => stopped.context("cannot wait for a signal"),
    }
}

async fn tick(shell: Arc<Shell>, period: Duration) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        shell.step().await;
    }
}
