//! `sim`: runs seeds on every core, and tells the first that breaks a promise as a story. `cargo xtask sim` calls it.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use sim::{Coverage, Plan, Tells, Violation, World, shrink, story};

/// From so many seeds on, everything that is to happen must have happened.
const ENOUGH: u64 = 1_000;

#[derive(Parser)]
#[command(about = "Both halves of the protocol in virtual time, under every fault")]
struct Args {
    /// Run so many seeds
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Begin with this seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this seed alone, and tell what happens
    #[arg(long)]
    seed: Option<u64>,
    /// Name the broken promise in a line, and do not look for a smaller run
    #[arg(long)]
    brief: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match args.seed {
        Some(seed) => one(seed),
        None => many(&args),
    }
}

fn one(seed: u64) -> ExitCode {
    let mut world = World::new(Plan::of(seed), Tells::Story);
    world.run();
    println!("{}\n", story::plan(&Plan::of(seed)));
    println!("{}", story::lines(world.story.as_deref().unwrap_or_default()));
    match world.violation {
        Some(violation) => {
            println!("\nseed {seed}: {} is broken: {}", violation.promise, violation.what);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

#[expect(clippy::disallowed_methods, reason = "how long the runs took is printed; no run knows of it")]
fn many(args: &Args) -> ExitCode {
    let started = Instant::now();
    let next = AtomicU64::new(args.from);
    let end = args.from + args.seeds;
    let is_over = AtomicBool::new(false);
    let coverage = Mutex::new(Coverage::default());
    let failed: Mutex<Option<(u64, Violation)>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Coverage::default();
                while !is_over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let mut world = World::new(Plan::of(seed), Tells::Nothing);
                    world.run();
                    own.add(&world.coverage);
                    if let Some(violation) = world.violation {
                        is_over.store(true, Ordering::Relaxed);
                        let mut failed = failed.lock().expect("no thread panics");
                        if failed.as_ref().is_none_or(|(first, _)| seed < *first) {
                            *failed = Some((seed, violation));
                        }
                    }
                }
                coverage.lock().expect("no thread panics").add(&own);
            });
        }
    });
    if let Some((seed, violation)) = failed.into_inner().expect("no thread panics") {
        report(seed, &violation, args.brief);
        return ExitCode::FAILURE;
    }
    let coverage = coverage.into_inner().expect("no thread panics");
    let took = started.elapsed().as_secs_f64();
    println!("{} seeds in {took:.1} s ({:.0} a second): 0 violations", args.seeds, args.seeds as f64 / took);
    println!("it happened: {}", coverage.line());
    let missing = coverage.missing();
    if args.seeds >= ENOUGH && !missing.is_empty() {
        println!("NEVER HAPPENED: {}", missing.join(", "));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn report(seed: u64, violation: &Violation, brief: bool) {
    let Violation { promise, what, at } = violation;
    if !brief {
        let smallest = shrink::shrink(&Plan::of(seed), promise);
        let mut world = World::new(smallest.clone(), Tells::Story);
        world.run();
        println!("the smallest run found that breaks {promise}:\n{}\n", story::plan(&smallest));
        println!("{}\n", story::lines(world.story.as_deref().unwrap_or_default()));
    }
    println!("seed {seed}: {promise} is broken after {at} ms: {what}");
}
