//! `cargo xtask test`: every check of the repository, the cheap ones first, up to the first that fails.
//!
//! All is built with the dev profile, the wasm module apart: a fresh clone must be through in minutes.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use clap::builder::PossibleValuesParser;

use crate::workspace::{Profile, Workspace};
use crate::{build, demo, prerequisites, shell, size, wasm};

/// Which steps to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run this step alone, with what earlier steps last made (repeatable)
    #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.map(|step| step.name)))]
    only: Vec<String>,
    /// Name the steps and end
    #[arg(long)]
    list: bool,
}

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&Workspace) -> Result<Outcome>,
}

/// How a step that did not fail went.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    Skipped { why: &'static str },
}

/// In the order they run.
const STEPS: [Step; 17] = [
    Step {
        name: "prerequisites",
        what: "wasm target, Node.js, Chromium, Redis; installs what it can",
        run: prerequisites,
    },
    Step { name: "format", what: "cargo fmt --check", run: format },
    Step { name: "clippy", what: "clippy for this machine, warnings denied", run: clippy },
    Step { name: "clippy-wasm", what: "clippy of cache-wasm and its relay for the browser", run: clippy_wasm },
    Step { name: "doc", what: "rustdoc, warnings denied", run: doc },
    Step { name: "rust", what: "Rust tests: unit, integration, examples (nextest if present)", run: rust },
    Step { name: "rust-doc", what: "Rust tests in documentation", run: rust_doc },
    Step { name: "wasm", what: "build the WebAssembly module", run: |workspace| passed(wasm::build(workspace)) },
    Step { name: "package", what: "build the npm package", run: |workspace| passed(build::package(workspace)) },
    Step {
        name: "size",
        what: "the package within its budget of bytes",
        run: |workspace| passed(size::run(workspace, true)),
    },
    Step { name: "package-test", what: "tests of the npm package", run: package_test },
    Step { name: "www", what: "build the page", run: |workspace| passed(build::www(workspace)) },
    Step { name: "server", what: "build the server and the simulated upstream", run: server },
    Step { name: "www-test", what: "tests of the page, in Chromium too", run: www_test },
    Step { name: "demo", what: "cargo xtask demo --check", run: demo_check },
    Step { name: "demo-redis", what: "cargo xtask demo --check --redis", run: demo_redis_check },
    Step { name: "replay", what: "cargo xtask demo --check --replay ../shared/fixtures", run: replay_check },
];

/// Where the recordings are, from the repository's root; they are not part of it.
const RECORDINGS: &str = "../shared/fixtures";

/// Runs the chosen steps and prints how long each took.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.list {
        STEPS.iter().for_each(|step| println!("{:<14} {}", step.name, step.what));
        return Ok(());
    }
    let workspace = Workspace::find()?;
    let chosen: Vec<&Step> =
        STEPS.iter().filter(|step| args.only.is_empty() || args.only.iter().any(|name| name == step.name)).collect();
    let started = Instant::now();
    let (results, failure) = run_steps(&chosen, &workspace);
    println!("\n{}{:<14} {}", summary(&chosen, &results), "total", shell::seconds(started.elapsed()));
    failure.map_or(Ok(()), Err)
}

/// How each step went that ran, `None` for the one that failed; and that failure.
type Results = Vec<(Option<Outcome>, Duration)>;

fn run_steps(steps: &[&Step], workspace: &Workspace) -> (Results, Option<anyhow::Error>) {
    let mut results = Results::new();
    for (index, step) in steps.iter().enumerate() {
        shell::say(&format!("\n[{}/{}] {}: {}", index + 1, steps.len(), step.name, step.what));
        let started = Instant::now();
        match (step.run)(workspace) {
            Ok(outcome) => results.push((Some(outcome), started.elapsed())),
            Err(error) => {
                results.push((None, started.elapsed()));
                return (results, Some(error.context(format!("step {} failed", step.name))));
            }
        }
    }
    (results, None)
}

fn summary(steps: &[&Step], results: &Results) -> String {
    let line = |(index, step): (usize, &&Step)| {
        let said = match results.get(index) {
            Some((Some(Outcome::Passed), took)) => format!("passed  {}", shell::seconds(*took)),
            Some((Some(Outcome::Skipped { why }), _)) => format!("skipped: {why}"),
            Some((None, took)) => format!("FAILED  {}", shell::seconds(*took)),
            None => "not run".to_owned(),
        };
        format!("{:<14} {said}\n", step.name)
    };
    steps.iter().enumerate().map(line).collect()
}

fn passed(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Passed)
}

fn prerequisites(_: &Workspace) -> Result<Outcome> {
    prerequisites::wasm_target()?;
    prerequisites::node()?;
    prerequisites::chromium()?;
    prerequisites::redis_server()?;
    Ok(Outcome::Passed)
}

fn format(workspace: &Workspace) -> Result<Outcome> {
    passed(shell::run(&mut workspace.cargo(["fmt", "--all", "--check"])))
}

fn clippy(workspace: &Workspace) -> Result<Outcome> {
    passed(shell::run(&mut workspace.cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])))
}

fn clippy_wasm(workspace: &Workspace) -> Result<Outcome> {
    prerequisites::wasm_target()?;
    let target = prerequisites::WASM_TARGET;
    passed(shell::run(&mut workspace.cargo([
        "clippy",
        "--package",
        "cache-wasm",
        "--package",
        "relay",
        "--lib",
        "--target",
        target,
        "--",
        "-D",
        "warnings",
    ])))
}

fn doc(workspace: &Workspace) -> Result<Outcome> {
    let mut cargo = workspace.cargo(["doc", "--workspace", "--no-deps"]);
    passed(shell::run(cargo.env("RUSTDOCFLAGS", "-D warnings")))
}

fn rust(workspace: &Workspace) -> Result<Outcome> {
    if prerequisites::has_nextest() {
        return passed(shell::run(&mut workspace.cargo(["nextest", "run", "--workspace", "--all-targets"])));
    }
    passed(shell::run(&mut workspace.cargo(["test", "--workspace", "--all-targets"])))
}

fn rust_doc(workspace: &Workspace) -> Result<Outcome> {
    passed(shell::run(&mut workspace.cargo(["test", "--workspace", "--doc"])))
}

fn server(workspace: &Workspace) -> Result<Outcome> {
    passed(build::server(workspace, Profile::Dev))
}

fn package_test(workspace: &Workspace) -> Result<Outcome> {
    npm_test(workspace, "cache-wasm")
}

fn www_test(workspace: &Workspace) -> Result<Outcome> {
    npm_test(workspace, "www")
}

/// The tests find the browser and the binaries by these variables, as absolute paths.
fn npm_test(workspace: &Workspace, package: &str) -> Result<Outcome> {
    build::npm_install(workspace, package)?;
    let variables: [(&str, OsString); 3] = [
        ("CHROMIUM", prerequisites::chromium()?.into()),
        ("EDGE_SERVER_BIN", workspace.edge_server(Profile::Dev).into()),
        ("UPSTREAM_BIN", workspace.upstream(Profile::Dev).into()),
    ];
    passed(shell::run(workspace.npm(package, ["test"]).envs(variables)))
}

fn demo_check(workspace: &Workspace) -> Result<Outcome> {
    check(workspace, &demo::Args::checking(None))
}

fn demo_redis_check(workspace: &Workspace) -> Result<Outcome> {
    check(workspace, &demo::Args::checking_on_redis())
}

fn replay_check(workspace: &Workspace) -> Result<Outcome> {
    let recordings = workspace.root.join(RECORDINGS);
    if recordings.is_dir() {
        return check(workspace, &demo::Args::checking(Some(recordings)));
    }
    if std::env::var_os("CI").is_some() {
        bail!("the recordings are missing: {RECORDINGS} must exist where CI is set");
    }
    Ok(Outcome::Skipped { why: "../shared/fixtures, the recordings, is not there" })
}

fn check(workspace: &Workspace, args: &demo::Args) -> Result<Outcome> {
    let code = demo::run(workspace, args)?;
    if code != ExitCode::SUCCESS {
        return Err(anyhow!("www/e2e/check.mjs gave a bad verdict, above"));
    }
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        Workspace { root: "/nowhere".into(), target: "/nowhere/target".into() }
    }

    #[test]
    fn the_first_failure_ends_the_run_and_names_its_step() {
        let good = Step { name: "good", what: "", run: |_| Ok(Outcome::Passed) };
        let skips = Step { name: "skips", what: "", run: |_| Ok(Outcome::Skipped { why: "no need" }) };
        let bad = Step { name: "bad", what: "", run: |_| Err(anyhow!("it broke")) };
        let never = Step { name: "never", what: "", run: |_| panic!("ran after a failure") };
        let steps = [&good, &skips, &bad, &never];
        let (mut results, failure) = run_steps(&steps, &workspace());
        assert_eq!(format!("{:#}", failure.expect("a failure")), "step bad failed: it broke");
        results.iter_mut().for_each(|(_, took)| *took = Duration::ZERO);
        let expected = [
            "good           passed  0.0 s",
            "skips          skipped: no need",
            "bad            FAILED  0.0 s",
            "never          not run",
        ];
        assert_eq!(summary(&steps, &results).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_step_has_a_name_of_its_own() {
        let mut names = STEPS.map(|step| step.name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }
}
