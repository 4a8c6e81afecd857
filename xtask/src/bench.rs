//! `cargo xtask bench`: runs a script of cache-wasm/bench, and says how this cache stands against its peers in the same
//! run. The scripts measure; medians and ratios are made here, so that all benches mean the same by them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use serde::{Deserialize, Serialize};

use crate::workspace::Workspace;
use crate::{bars, build, prerequisites, shell, size, wasm};

/// Every bench, with what it measures; NAME's script is cache-wasm/bench/NAME.mjs.
const BENCHES: [(&str, &str); 2] = [
    ("get", "one read that hits, against other caches"),
    // Nothing is timed and there are no peers: it has a module of its own.
    (size::NAME, "the bytes that an application ships"),
];

/// What to measure, and how strictly.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bench to run
    #[arg(required_unless_present = "list", value_parser = PossibleValuesParser::new(names()))]
    name: Option<String>,
    /// Fail when a promise of xtask/bars.toml is missed
    #[arg(long)]
    check: bool,
    /// How many samples to take of each row
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Name the benches and end
    #[arg(long)]
    list: bool,
}

/// The names of all benches.
pub(crate) fn names() -> Vec<&'static str> {
    BENCHES.iter().map(|(name, _)| *name).collect()
}

/// Runs one bench, prints its tables, completes its JSON file and, if asked, checks its bars.
pub(crate) fn run(args: &Args) -> Result<()> {
    let Some(name) = args.name.as_deref().filter(|_| !args.list) else {
        BENCHES.iter().for_each(|(name, what)| println!("{name:<8} {what}"));
        return Ok(());
    };
    let workspace = Workspace::find()?;
    if name == size::NAME {
        wasm::build(&workspace)?;
        build::package(&workspace)?;
        return size::run(&workspace, args.check);
    }
    // Read before the minutes of measuring: a misspelt file is known at once.
    let promises = args.check.then(|| read_bars(&workspace, name)).transpose()?;
    wasm::build(&workspace)?;
    build::package(&workspace)?;

    let json = workspace.target.join("bench").join(name).with_extension("json");
    measure(&workspace, name, args.runs, &json)?;
    let text = fs::read_to_string(&json).with_context(|| format!("the bench did not write {}", json.display()))?;
    let mut report = Report::parse(&text).with_context(|| format!("{} is not as expected", json.display()))?;
    report.summarise()?;
    fs::write(&json, serde_json::to_string_pretty(&report)? + "\n")
        .with_context(|| format!("cannot write {}", json.display()))?;
    print!("{}", report.tables());
    println!("\nAll samples: {}", workspace.shown(&json));

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

/// Lets the script write `json`; what an earlier run left there is removed first.
fn measure(workspace: &Workspace, name: &str, runs: u32, json: &Path) -> Result<()> {
    let folder = json.parent().unwrap_or(&workspace.target);
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    if json.exists() {
        fs::remove_file(json).with_context(|| format!("cannot remove {}", json.display()))?;
    }
    let mut node = Command::new("node");
    node.arg(format!("cache-wasm/bench/{name}.mjs")).args(["--runs", &runs.to_string(), "--json"]).arg(json);
    if let Some(chromium) = prerequisites::find_chromium()? {
        node.env("CHROMIUM", chromium);
    }
    shell::run(node.current_dir(&workspace.root))
}

/// What one run of a bench measured. Fields that a script adds are kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    name: String,
    /// Of all samples.
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
    /// The subject's median over this row's: under 1, the subject is the faster.
    ratio: f64,
}

impl Report {
    /// Reads what a script wrote, as far as its shape goes.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(serde_json::from_str(text)?)
    }

    /// The subject's median over that of a row, in one environment.
    pub(crate) fn ratio(&self, environment: &str, against: &str) -> Result<f64> {
        let Some(found) = self.environments.get(environment) else {
            let there: Vec<&str> = self.environments.keys().map(String::as_str).collect();
            bail!("no environment {environment:?}; there are: {}", there.join(", "));
        };
        let median = |name| found.row(name, environment)?.median();
        Ok(median(&self.subject)? / median(against)?)
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
            format!("\n{} in {name}, {}; ratio = median of {} / median of the row", self.name, self.unit, self.subject),
            format!("{:<width$} {:>10} {:>10} {:>10} {:>8}", "name", "min", "median", "max", "ratio"),
        ];
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
            assert_eq!(report.ratio("node", "x").expect("a ratio"), ratio);
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
    fn the_completed_file_keeps_what_the_script_wrote() {
        let mut report = report(r#"{"name": "ours", "samples": [4], "entries": 1000}"#);
        report.summarise().expect("usable");
        let written = serde_json::to_value(&report).expect("JSON");
        assert_eq!(written["seed"], 5);
        let row = &written["environments"]["node"]["rows"][0];
        assert_eq!(row["entries"], 1000);
        assert_eq!(row["summary"], serde_json::json!({"min": 4.0, "median": 4.0, "max": 4.0, "ratio": 1.0}));
    }
}
