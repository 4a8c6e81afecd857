//! `cargo xtask model`: explores the whole and each removed rule, and says what it found.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use coherence_model::tally::Event;
use coherence_model::world::{COMPLETENESS, SAFETY};
use coherence_model::{Bounds, Exploration, Rule, explore};

/// Explores the protocol's rules exhaustively within bounds, then without each rule in turn
#[derive(Parser)]
#[command(name = "model", bin_name = "cargo xtask model")]
struct Args {
    /// One page alone, within the bounds of the test: seconds in place of minutes
    #[arg(long)]
    small: bool,
    /// Threads that explore the whole; a removed rule is explored with one, so that its counterexample is a shortest
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Only the whole, no removed rule
    #[arg(long)]
    whole: bool,
    /// Only without this rule
    #[arg(long, value_name = "RULE", conflicts_with = "whole", value_parser = Rule::ALL.map(Rule::name))]
    without: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut is_well = true;
    if args.without.is_none() {
        let wholes: &[Bounds] = if args.small { &[Bounds::ONE] } else { &[Bounds::PAIR, Bounds::FAULTY, Bounds::DEEP] };
        is_well &= explore_all(wholes, args.threads);
    }
    let wanted = |rule: &Rule| args.without.as_deref().is_none_or(|name| name == rule.name());
    for rule in Rule::ALL.into_iter().filter(|rule| !args.whole && wanted(rule)) {
        is_well &= without(rule);
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Explores with every rule, within each of some bounds; nothing may break, and everything must have happened.
fn explore_all(wholes: &[Bounds], threads: usize) -> bool {
    let found: Vec<Exploration> = wholes.iter().map(|&bounds| whole(bounds, threads)).collect();
    println!("How often it happened:");
    let mut happened = true;
    for (event, name) in Event::ALL {
        let count: u64 = found.iter().map(|found| found.tally.count(event)).sum();
        happened &= count > 0;
        println!("  {count:>9} {name}");
    }
    happened && found.iter().all(|found| found.broken.is_none())
}

fn whole(bounds: Bounds, threads: usize) -> Exploration {
    let Bounds { clients, edges, keys, commits, failovers, fills, connects, faults, ring } = bounds;
    println!(
        "With every rule; pages: {clients}, edges: {edges}, keys followed: {keys}, at most commits: {commits}, failovers: \
         {failovers}, fills: {fills}, connections: {connects}, faults: {faults}, in a ring: {ring}"
    );
    let began = Instant::now();
    let found = explore(bounds, None, threads);
    println!(
        "  {} states, {} transitions, {} steps deep, {:.1} s",
        found.states,
        found.transitions,
        found.depth,
        began.elapsed().as_secs_f64()
    );
    for name in [SAFETY, COMPLETENESS] {
        let fails = found.broken.as_ref().is_some_and(|(broken, _)| *broken == name);
        println!("  {} {name}", if fails { "BROKEN" } else { "holds " });
    }
    if let Some((_, story)) = &found.broken {
        tell(story);
    }
    found
}

fn without(rule: Rule) -> bool {
    let began = Instant::now();
    let found = explore(rule.bounds(), Some(rule), 1);
    let took = began.elapsed().as_secs_f64();
    println!("\nWithout {}: {}", rule.name(), rule.sentence());
    match &found.broken {
        Some((name, story)) => {
            println!("  breaks {name}, after {} states, {took:.1} s", found.states);
            tell(story);
        }
        None => println!("  NOTHING BREAKS in {} states, {took:.1} s", found.states),
    }
    found.broken.is_some()
}

fn tell(story: &[String]) {
    story.iter().enumerate().for_each(|(step, sentence)| println!("  {:>3}. {sentence}", step + 1));
}
