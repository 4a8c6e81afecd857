//! `cargo xtask bench races`: what a read gives after an old answer raced with the news that it is old, from this cache and
//! from its peers.
//!
//! The script judges, by one function for all (cache-wasm/bench/races/judge.mjs). Here its verdicts are counted and laid
//! out, and those of this cache are held to the promise.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use serde::Deserialize;

/// The name among the benches.
pub(crate) const NAME: &str = "races";

/// The package whose columns must be right.
const OURS: &str = "cache-wasm";

/// The best verdict, and the other one that is right: what is missing is asked for.
const RIGHT: [&str; 2] = ["new", "none"];

/// What the script found out. Names come with what they mean.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    browser: String,
    events: Vec<(String, String)>,
    /// From the best to the worst.
    verdicts: Vec<(String, String)>,
    marks: Vec<(char, String)>,
    cells: Vec<Cell>,
    columns: Vec<Column>,
}

/// One way in which the race can go.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cell {
    event: String,
    is_mounted: bool,
    is_refetch: bool,
    is_concurrent: bool,
    is_new_first: bool,
}

/// A library as it was configured.
#[derive(Debug, Deserialize)]
struct Column {
    name: String,
    /// The npm package.
    from: String,
    version: String,
    /// One a cell; none where the library cannot do what the cell is about.
    results: Vec<Option<Outcome>>,
}

/// How a cell went. What was observed stays in the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Outcome {
    verdict: String,
    /// What happened on the way, a letter each.
    marks: String,
}

impl Report {
    /// Reads what the script wrote.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let report: Report = serde_json::from_str(text)?;
        for Column { name, results, .. } in &report.columns {
            if results.len() != report.cells.len() {
                bail!("{name} has {} results for {} cells", results.len(), report.cells.len());
            }
        }
        Ok(report)
    }

    /// All cells of each library, and then how many ended how.
    pub(crate) fn tables(&self) -> String {
        let mut text = format!("\nraces in Chromium {}, cell by cell\n", self.browser);
        for column in &self.columns {
            text += &self.detail(column);
        }
        text + &self.summary() + &self.legend()
    }

    /// Fails unless this cache is right in every cell, and nobody was given an old value on the way.
    pub(crate) fn check(&self) -> Result<usize> {
        let mut cells = 0;
        let mut wrong = Vec::new();
        for column in self.columns.iter().filter(|column| column.from == OURS) {
            for (cell, outcome) in self.cells.iter().zip(&column.results) {
                cells += 1;
                match outcome {
                    Some(outcome) if outcome.is_right() => {}
                    Some(outcome) => wrong.push(format!("{}: {}: {}", column.name, cell.words(), outcome.short())),
                    None => wrong.push(format!("{}: {}: not run", column.name, cell.words())),
                }
            }
        }
        if cells == 0 {
            bail!("this cache is not in the table");
        }
        if !wrong.is_empty() {
            bail!("{} of {cells} cells of this cache are not right:\n{}", wrong.len(), wrong.join("\n"));
        }
        Ok(cells)
    }

    /// Events that went alike share a line.
    fn detail(&self, column: &Column) -> String {
        let mut text = format!("\n{} ({} {})\n", column.name, column.from, column.version);
        for is_mounted in [true, false] {
            let of = |event: &str| -> Vec<String> {
                let of_event = self.cells.iter().zip(&column.results);
                of_event
                    .filter(|(cell, _)| cell.event == event && cell.is_mounted == is_mounted)
                    .filter_map(|(_, outcome)| outcome.as_ref().map(Outcome::short))
                    .collect()
            };
            let mut groups: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
            for (event, _) in &self.events {
                let outcomes = of(event);
                match groups.iter_mut().find(|(_, others)| *others == outcomes) {
                    Some((events, _)) => events.push(event),
                    None => groups.push((vec![event], outcomes)),
                }
            }
            let place = if is_mounted { "mounted" } else { "unmounted" };
            for (events, outcomes) in groups {
                let said =
                    if outcomes.is_empty() { "nothing can observe a key".to_owned() } else { columns(&outcomes) };
                let _ = writeln!(text, "  {place:<10} {:<30} {said}", events.join(" "));
            }
        }
        text
    }

    fn summary(&self) -> String {
        let width = self.columns.iter().map(|column| column.title().chars().count()).max().unwrap_or(0);
        let mut text = format!("\nhow many cells end how\n{:<width$}", "");
        for (event, _) in &self.events {
            let _ = write!(text, " {event:<14}");
        }
        for (mark, _) in &self.marks {
            let _ = write!(text, " {mark:>3}");
        }
        text.push('\n');
        for column in &self.columns {
            let _ = write!(text, "{:<width$}", column.title());
            for (event, _) in &self.events {
                let _ = write!(text, " {:<14}", self.counts(column, event));
            }
            for (mark, _) in &self.marks {
                let marked = column.results.iter().flatten().filter(|outcome| outcome.marks.contains(*mark)).count();
                let _ = write!(text, " {marked:>3}");
            }
            text.push('\n');
        }
        text
    }

    /// How many cells of an event ended how, the worst first.
    fn counts(&self, column: &Column, event: &str) -> String {
        let outcomes = self.cells.iter().zip(&column.results).filter(|(cell, _)| cell.event == event);
        let verdicts: Vec<&str> =
            outcomes.filter_map(|(_, outcome)| outcome.as_ref().map(|outcome| outcome.verdict.as_str())).collect();
        let count = |verdict: &str| verdicts.iter().filter(|each| **each == verdict).count();
        let counted = self.verdicts.iter().rev().map(|(verdict, _)| (count(verdict), verdict));
        let some: Vec<String> =
            counted.filter(|(count, _)| *count > 0).map(|(count, verdict)| format!("{count} {verdict}")).collect();
        some.join(", ")
    }

    fn legend(&self) -> String {
        let mut text = String::from("\n");
        for (name, meaning) in &self.verdicts {
            let _ = writeln!(text, "{name:<6} {meaning}");
        }
        for (mark, meaning) in &self.marks {
            let _ = writeln!(text, "{mark:<6} {meaning}");
        }
        text + "
The columns of a line: a first fetch, then a refetch; of each, one caller, then several; of each, the old answer lands
first, then the new one where it has been asked for at once.
"
    }
}

impl Cell {
    fn words(&self) -> String {
        let place = if self.is_mounted { "mounted" } else { "unmounted" };
        let fetch = if self.is_refetch { "refetch" } else { "first fetch" };
        let callers = if self.is_concurrent { "several callers" } else { "one caller" };
        let order = if self.is_new_first { "the new answer first" } else { "the old answer first" };
        format!("{}, {place}, {fetch}, {callers}, {order}", self.event)
    }
}

impl Column {
    fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

impl Outcome {
    fn is_right(&self) -> bool {
        RIGHT.contains(&self.verdict.as_str()) && self.marks.is_empty()
    }

    fn short(&self) -> String {
        if self.marks.is_empty() { self.verdict.clone() } else { format!("{} {}", self.verdict, self.marks) }
    }
}

fn columns(outcomes: &[String]) -> String {
    let padded: String = outcomes.iter().map(|outcome| format!("{outcome:<10}")).collect();
    padded.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two cells, the second mounted, and a column that ends so in them.
    fn report(from: &str, results: &str) -> Result<Report> {
        let cell = |is_mounted: bool| {
            format!(
                r#"{{"event": "push", "isMounted": {is_mounted}, "isRefetch": false, "isConcurrent": true,
                "isNewFirst": false}}"#
            )
        };
        Report::parse(&format!(
            r#"{{"browser": "1", "events": [["push", "pushed"]], "verdicts": [["new", "N."], ["none", "M."], ["OLD", "O."]],
            "marks": [["s", "S."], ["w", "W."]], "cells": [{}, {}],
            "columns": [{{"name": "it", "from": "{from}", "version": "2", "results": [{results}]}}]}}"#,
            cell(false),
            cell(true)
        ))
    }

    const NEW: &str = r#"{"verdict": "new", "marks": "", "observed": {}}"#;
    const MISS: &str = r#"{"verdict": "none", "marks": ""}"#;
    const OLD: &str = r#"{"verdict": "OLD", "marks": "sw"}"#;

    #[test]
    fn new_and_nothing_are_right_and_all_else_is_not() {
        let check = |second: &str, expected: Result<usize, &str>| {
            let checked = report(OURS, &format!("{NEW}, {second}")).expect("a report").check();
            match expected {
                Ok(cells) => assert_eq!(checked.expect("right"), cells),
                Err(complaint) => {
                    let error = checked.expect_err("not right").to_string();
                    assert!(error.ends_with(complaint), "{error}");
                }
            }
        };
        check(MISS, Ok(2));
        check(OLD, Err("it: push, mounted, first fetch, several callers, the old answer first: OLD sw"));
        check(r#"{"verdict": "new", "marks": "w"}"#, Err(": new w"));
        check("null", Err(": not run"));
    }

    #[test]
    fn a_table_without_this_cache_or_with_cells_missing_is_an_error() {
        let error = report("swr", &format!("{OLD}, {OLD}")).expect("a report").check().expect_err("nothing checked");
        assert_eq!(error.to_string(), "this cache is not in the table");
        assert_eq!(report(OURS, NEW).expect_err("refused").to_string(), "it has 1 results for 2 cells");
    }

    #[test]
    fn the_summary_counts_the_worst_first_and_how_often_each_mark_was_made() {
        let summary = report("swr", &format!("{NEW}, {OLD}")).expect("a report").summary();
        let last = summary.lines().last().expect("a line");
        assert_eq!(last, "it 2 1 OLD, 1 new     1   1");
    }

    #[test]
    fn who_cannot_be_mounted_is_said_so() {
        let tables = report("lru", &format!("{NEW}, null")).expect("a report").tables();
        assert!(tables.contains("  mounted    push                           nothing can observe a key\n"), "{tables}");
        assert!(tables.contains("  unmounted  push                           new\n"), "{tables}");
    }
}
