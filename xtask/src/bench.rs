//! `cargo xtask bench`: runs a script of cache-wasm/bench or an example of the crate, and says how this cache stands
//! against its peers in the same run. These measure; medians and ratios are made here, so that all benches mean the same
//! by them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use serde::{Deserialize, Serialize};

use crate::workspace::{Profile, Workspace};
use crate::{bars, build, demo, fanout, prerequisites, races, shell, size, wasm};

/// Every bench.
const BENCHES: [Bench; 10] = [
    Bench {
        name: "fanout",
        what: "10,000 followers of one server: memory, frames, latency, return; against nats-server",
        program: Program::Fanout,
    },
    Bench {
        name: "get",
        what: "a read that hits and a write that evicts, against other caches",
        program: Program::Script,
    },
    Bench {
        name: "hit-ratio",
        what: "how many reads hit, against other caches and the best possible; needs the traces of ../shared/traces",
        program: Program::Example("hit_ratio"),
    },
    Bench { name: "invalidate", what: "a scope invalidated among 100,000 keys", program: Program::Script },
    Bench {
        name: "latency",
        what: "from a commit to the page's callback at 1,000 changes a second, against a bare WebSocket",
        program: Program::OnServer,
    },
    Bench {
        name: "memory",
        what: "a recorded board in a page's memory, against four services' Maps; needs ../shared/fixtures",
        program: Program::Script,
    },
    Bench {
        name: races::NAME,
        what: "what a read gives after an old answer raced with the news, from this cache and its peers; nothing is timed",
        program: Program::Verdicts,
    },
    Bench {
        name: "session",
        what: "a day's reads on the demo, against the best possible; needs the traces of ../shared/traces",
        program: Program::OnDemo,
    },
    Bench { name: size::NAME, what: "the bytes that an application ships", program: Program::Size },
    Bench {
        name: "store",
        what: "items a second committed to a redis-server of its own, against SETs and redis-benchmark on the same",
        program: Program::OnRedis,
    },
];

struct Bench {
    name: &'static str,
    /// What it measures, for `--list`.
    what: &'static str,
    program: Program,
}

/// What measures; all of them write their report where `--json FILE` says.
enum Program {
    /// cache-wasm/bench/NAME.mjs, which loads the package and takes `--runs`.
    Script,
    /// An example of cache-wasm, native, with nothing random in it: one run is all.
    Example(&'static str),
    /// A script as well, which starts the server itself; it is built for speed.
    OnServer,
    /// A script as well, which is told where the demo's server is, and where the reads of a recorded day are.
    OnDemo,
    /// A script as well, whose report is of verdicts and not of samples: it has a module of its own.
    Verdicts,
    /// An example of edge-server, of the bench's name, which starts a redis-server.
    OnRedis,
    /// An example of edge-server, which starts the servers itself, and measures several times by its own `--windows`.
    Fanout,
    /// Nothing is timed and there are no peers: it has a module of its own.
    Size,
}

/// What to measure, and how strictly.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bench to run
    #[arg(required_unless_present = "list", value_parser = PossibleValuesParser::new(names()))]
    name: Option<String>,
    /// Fail when a promise of xtask/bars.toml is missed; of races, when a cell of this cache is not right
    #[arg(long)]
    check: bool,
    /// How many samples to take of each row, of a bench that measures time
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Name the benches and end
    #[arg(long)]
    list: bool,
    /// Arguments of the bench's own, as `-- --traces FOLDER` of hit-ratio
    #[arg(last = true)]
    own: Vec<OsString>,
}

/// The names of all benches.
pub(crate) fn names() -> Vec<&'static str> {
    BENCHES.iter().map(|bench| bench.name).collect()
}

/// Runs one bench, prints its tables, completes its JSON file and, if asked, checks its bars.
pub(crate) fn run(args: &Args) -> Result<()> {
    let Some(name) = args.name.as_deref().filter(|_| !args.list) else {
        BENCHES.iter().for_each(|bench| println!("{:<9} {}", bench.name, bench.what));
        return Ok(());
    };
    let bench = BENCHES.iter().find(|bench| bench.name == name).with_context(|| format!("no bench {name}"))?;
    let workspace = Workspace::find()?;
    let json = workspace.target.join("bench").join(name).with_extension("json");
    match bench.program {
        Program::Size => {
            wasm::build(&workspace)?;
            build::package(&workspace)?;
            size::run(&workspace, args.check)
        }
        Program::Verdicts => verdicts(&workspace, bench, args, &json),
        Program::Script
        | Program::Example(_)
        | Program::OnDemo
        | Program::OnServer
        | Program::OnRedis
        | Program::Fanout => samples(&workspace, bench, args, &json),
    }
}

fn verdicts(workspace: &Workspace, bench: &Bench, args: &Args, json: &Path) -> Result<()> {
    let text = measure(workspace, bench, args, json)?;
    let report = races::Report::parse(&text).with_context(|| format!("{} is not as expected", json.display()))?;
    print!("{}", report.tables());
    println!("\nAll that was observed: {}", workspace.shown(json));
    if args.check {
        println!("All {} cells of this cache are right.", report.check()?);
    }
    Ok(())
}

fn samples(workspace: &Workspace, bench: &Bench, args: &Args, json: &Path) -> Result<()> {
    // Read before the minutes of measuring: a misspelt file is known at once.
    let promises = args.check.then(|| read_bars(workspace, bench.name)).transpose()?;
    let text = measure(workspace, bench, args, json)?;
    let mut report = Report::parse(&text).with_context(|| format!("{} is not as expected", json.display()))?;
    report.summarise()?;
    fs::write(json, serde_json::to_string_pretty(&report)? + "\n")
        .with_context(|| format!("cannot write {}", json.display()))?;
    print!("{}", report.tables());
    println!("\nAll samples: {}", workspace.shown(json));

    let Some(promises) = promises else { return Ok(()) };
    let missed = bars::missed(&promises, &report)?;
    if missed.is_empty() {
        println!("All {} bars are kept.", promises.len());
        return Ok(());
    }
    missed.iter().for_each(|line| println!("missed: {line}"));
    bail!("{} of {} bars are missed, see above", missed.len(), promises.len())
}

fn read_bars(workspace: &Workspace, bench: &str) -> Result<Vec<bars::Bar>> {
    let path = workspace.root.join("xtask/bars.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    bars::parse(&text, bench, &names()).context("xtask/bars.toml is not as expected")
}

/// Lets the bench write `json`, and reads it; what an earlier run left there is removed first.
fn measure(workspace: &Workspace, bench: &Bench, args: &Args, json: &Path) -> Result<String> {
    let folder = json.parent().unwrap_or(&workspace.target);
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    if json.exists() {
        fs::remove_file(json).with_context(|| format!("cannot remove {}", json.display()))?;
    }
    let report = |command: &mut Command| shell::run(command.arg("--json").arg(json).args(&args.own));
    match bench.program {
        Program::Script => report(script(workspace, bench)?.args(["--runs", &args.runs.to_string()])),
        Program::Verdicts => report(&mut script(workspace, bench)?),
        Program::OnDemo => {
            let day = json.with_file_name("day.json");
            shell::run(example(workspace, "hit_ratio").arg("--day").arg(&day))?;
            build::server(workspace, Profile::Dev)?;
            let mut script = script(workspace, bench)?;
            let (server, _upstream) = demo::start_generated(workspace, Profile::Dev)?;
            let runs = args.runs.to_string();
            report(script.args(["--runs", &runs]).env("EDGE_URL", &server.url).env("DAY", day))
        }
        Program::OnRedis => {
            prerequisites::redis_server()?;
            let cargo = ["run", "--release", "--package", "edge-server", "--example", bench.name, "--", "--runs"];
            report(workspace.cargo(cargo).arg(args.runs.to_string()))
        }
        Program::OnServer => {
            build::server_alone(workspace)?;
            let mut script = script(workspace, bench)?;
            report(
                script
                    .args(["--runs", &args.runs.to_string()])
                    .env("EDGE_SERVER_BIN", workspace.edge_server(Profile::Release)),
            )
        }
        Program::Example(name) => report(&mut example(workspace, name)),
        Program::Fanout => shell::run(fanout::command(workspace, args.runs, &args.own)?.arg("--json").arg(json)),
        Program::Size => bail!("the size is not measured by a script alone"),
    }?;
    fs::read_to_string(json).with_context(|| format!("the bench did not write {}", json.display()))
}

fn example(workspace: &Workspace, name: &str) -> Command {
    workspace.cargo(["run", "--release", "--package", "cache-wasm", "--example", name, "--"])
}

fn script(workspace: &Workspace, bench: &Bench) -> Result<Command> {
    wasm::build(workspace)?;
    build::package(workspace)?;
    let mut node = Command::new("node");
    node.current_dir(&workspace.root);
    node.arg(format!("cache-wasm/bench/{}.mjs", bench.name));
    if let Some(chromium) = prerequisites::find_chromium()? {
        node.env("CHROMIUM", chromium);
    }
    Ok(node)
}

/// What one run of a bench measured. Fields that it adds are kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    name: String,
    /// Of all samples, unless their environment has one of its own.
    unit: String,
    /// The row that the others are held against.
    pub(crate) subject: String,
    environments: BTreeMap<String, Environment>,
    #[serde(flatten)]
    other: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Environment {
    rows: Vec<Row>,
    /// Of its samples, if that is not the report's.
    unit: Option<String>,
    /// Under what conditions it was measured, for who reads the table.
    note: Option<String>,
    #[serde(flatten)]
    other: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    name: String,
    samples: Vec<f64>,
    /// Made here, from the samples.
    #[serde(default)]
    summary: Option<Summary>,
    #[serde(flatten)]
    other: serde_json::Map<String, serde_json::Value>,
}

/// Of one row's samples, in the report's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Summary {
    min: f64,
    median: f64,
    max: f64,
    /// The subject's median over this row's: of times, under 1 the subject is the faster; of hits, over 1 the better.
    ratio: f64,
}

impl Report {
    /// Reads what a bench wrote, as far as its shape goes.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(serde_json::from_str(text)?)
    }

    /// The median of a row, in one environment.
    pub(crate) fn median(&self, environment: &str, row: &str) -> Result<f64> {
        let Some(found) = self.environments.get(environment) else {
            let there: Vec<&str> = self.environments.keys().map(String::as_str).collect();
            bail!("no environment {environment:?}; there are: {}", there.join(", "));
        };
        found.row(row, environment)?.median()
    }

    /// What the samples of an environment are counted in.
    pub(crate) fn unit(&self, environment: &str) -> &str {
        self.environments.get(environment).and_then(|known| known.unit.as_deref()).unwrap_or(&self.unit)
    }

    /// Gives every row its summary; an environment without rows, or a row without usable samples, is an error.
    fn summarise(&mut self) -> Result<()> {
        if self.environments.is_empty() {
            bail!("the bench measured in no environment");
        }
        for (name, environment) in &mut self.environments {
            let subject = environment.row(&self.subject, name)?.median()?;
            for row in &mut environment.rows {
                let median = row.median()?;
                let min = row.samples.iter().copied().fold(f64::INFINITY, f64::min);
                let max = row.samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                row.summary = Some(Summary { min, median, max, ratio: subject / median });
            }
        }
        Ok(())
    }

    /// One table an environment, of all rows that have a summary.
    fn tables(&self) -> String {
        self.environments.iter().map(|(name, environment)| self.table(name, environment)).collect()
    }

    fn table(&self, name: &str, environment: &Environment) -> String {
        let width = environment.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(4);
        let mut lines = vec![
            format!(
                "\n{} in {name}, {}; ratio = median of {} / median of the row",
                self.name,
                self.unit(name),
                self.subject
            ),
            format!("{:<width$} {:>10} {:>10} {:>10} {:>8}", "name", "min", "median", "max", "ratio"),
        ];
        lines.extend(environment.note.clone());
        lines.extend(environment.rows.iter().filter_map(|row| {
            let Summary { min, median, max, ratio } = row.summary?;
            Some(format!("{:<width$} {min:>10.1} {median:>10.1} {max:>10.1} {ratio:>8.3}", row.name))
        }));
        lines.join("\n") + "\n"
    }
}

impl Environment {
    fn row(&self, name: &str, environment: &str) -> Result<&Row> {
        self.rows.iter().find(|row| row.name == name).with_context(|| {
            let there: Vec<&str> = self.rows.iter().map(|row| row.name.as_str()).collect();
            format!("no row {name:?} in {environment}; there are: {}", there.join(", "))
        })
    }
}

impl Row {
    /// Of an even number of samples, the mean of the middle two.
    fn median(&self) -> Result<f64> {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.as_slice() {
            [] => bail!("the row {:?} has no samples", self.name),
            odd if odd.len() % 2 == 1 => odd[middle],
            even => f64::midpoint(even[middle - 1], even[middle]),
        };
        if median <= 0.0 {
            bail!("the row {:?} has the median {median}: it measured nothing", self.name);
        }
        Ok(median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rows: &str) -> Report {
        let text = format!(
            r#"{{"name": "get", "unit": "ns", "subject": "ours", "seed": 5, "environments": {{"node": {{"rows": [{rows}]}}}}}}"#
        );
        Report::parse(&text).expect("a report")
    }

    #[test]
    fn a_row_is_summed_up_by_its_least_middle_and_greatest() {
        let check = |samples: &str, expected: [f64; 4]| {
            let rows = format!(r#"{{"name": "ours", "samples": [30]}}, {{"name": "x", "samples": {samples}}}"#);
            let mut report = report(&rows);
            report.summarise().expect("usable");
            let [min, median, max, ratio] = expected;
            assert_eq!(report.environments["node"].rows[1].summary, Some(Summary { min, median, max, ratio }));
            assert_eq!(report.median("node", "x").expect("a median"), median);
        };
        check("[60]", [60.0, 60.0, 60.0, 0.5]);
        check("[90, 20, 15]", [15.0, 20.0, 90.0, 1.5]);
        check("[100, 50, 70, 10]", [10.0, 60.0, 100.0, 0.5]);
    }

    #[test]
    fn a_run_without_figures_is_an_error() {
        let check = |rows: &str, complaint: &str| {
            let error = report(rows).summarise().expect_err("refused").to_string();
            assert_eq!(error, complaint);
        };
        check("", "no row \"ours\" in node; there are: ");
        check(r#"{"name": "ours", "samples": []}"#, "the row \"ours\" has no samples");
        check(
            r#"{"name": "ours", "samples": [1]}, {"name": "x", "samples": [0]}"#,
            "the row \"x\" has the median 0: it measured nothing",
        );
    }

    #[test]
    fn the_table_lines_up() {
        let mut report =
            report(r#"{"name": "ours", "samples": [30, 31.25]}, {"name": "lru-cache (ttl)", "samples": [65]}"#);
        report.summarise().expect("usable");
        let expected = "
get in node, ns; ratio = median of ours / median of the row
name                   min     median        max    ratio
ours                  30.0       30.6       31.2    1.000
lru-cache (ttl)       65.0       65.0       65.0    0.471
";
        assert_eq!(report.tables(), expected);
    }

    #[test]
    fn the_completed_file_keeps_what_the_bench_wrote() {
        let mut report = report(r#"{"name": "ours", "samples": [4], "entries": 1000}"#);
        report.summarise().expect("usable");
        let written = serde_json::to_value(&report).expect("JSON");
        assert_eq!(written["seed"], 5);
        let row = &written["environments"]["node"]["rows"][0];
        assert_eq!(row["entries"], 1000);
        assert_eq!(row["summary"], serde_json::json!({"min": 4.0, "median": 4.0, "max": 4.0, "ratio": 1.0}));
    }
}
