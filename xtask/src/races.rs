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

/// The marks of who was given an old value after the event, and of who was given nothing.
const GOT_OLD: [char; 3] = ['s', 'w', 'a'];
const FAILED: [char; 3] = ['f', 'h', 'b'];

/// What the script found out. Names come with what they mean.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
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
    /// Where it ran.
    place: String,
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
        let mut text = "\nraces, cell by cell\n".to_owned();
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
        let mut text = format!("\n{} ({} {}, in {})\n", column.name, column.from, column.version, column.place);
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
        let mut lines = vec![vec![String::new()]];
        lines[0].extend(self.events.iter().map(|(event, _)| event.clone()));
        lines[0].extend(["got old".to_owned(), "failed".to_owned()]);
        for column in &self.columns {
            let mut line = vec![column.title()];
            line.extend(self.events.iter().map(|(event, _)| self.wrong(column, event)));
            let marked = |marks: [char; 3]| {
                let outcomes = column.results.iter().flatten();
                outcomes.filter(|outcome| outcome.marks.contains(marks)).count().to_string()
            };
            line.extend([marked(GOT_OLD), marked(FAILED)]);
            lines.push(line);
        }
        let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
        let mut text =
            "\nwhat was wrong in the end, and in how many cells somebody got the old value or nothing on the way\n"
                .to_owned();
        for line in &lines {
            let padded: Vec<String> = line.iter().zip(&widths).map(|(word, width)| format!("{word:<width$}")).collect();
            let _ = writeln!(text, "{}", padded.join("  ").trim_end());
        }
        text
    }

    /// How many cells of an event ended wrong, the worst first.
    fn wrong(&self, column: &Column, event: &str) -> String {
        let outcomes = self.cells.iter().zip(&column.results).filter(|(cell, _)| cell.event == event);
        let verdicts: Vec<&str> =
            outcomes.filter_map(|(_, outcome)| outcome.as_ref().map(|outcome| outcome.verdict.as_str())).collect();
        let count = |verdict: &str| verdicts.iter().filter(|each| **each == verdict).count();
        let wrong = self.verdicts.iter().rev().filter(|(verdict, _)| !RIGHT.contains(&verdict.as_str()));
        let counted = wrong.map(|(verdict, _)| (count(verdict), verdict)).filter(|(count, _)| *count > 0);
        let some: Vec<String> = counted.map(|(count, verdict)| format!("{count} {verdict}")).collect();
        if some.is_empty() { "right".to_owned() } else { format!("{} of {}", some.join(", "), verdicts.len()) }
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
            r#"{{"events": [["push", "pushed"]], "verdicts": [["new", "N."], ["none", "M."], ["OLD", "O."]],
            "marks": [["s", "S."], ["w", "W."]], "cells": [{}, {}],
            "columns": [{{"name": "it", "from": "{from}", "version": "2", "place": "Node", "results": [{results}]}}]}}"#,
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
    fn the_summary_says_what_was_wrong_in_how_many_cells() {
        let check = |second: &str, expected: &str| {
            let summary = report("swr", &format!("{NEW}, {second}")).expect("a report").summary();
            assert_eq!(summary.lines().last(), Some(expected));
        };
        check(OLD, "it 2  1 OLD of 2  1        0");
        check(MISS, "it 2  right  0        0");
        check("null", "it 2  right  0        0");
    }

    #[test]
    fn who_cannot_be_mounted_is_said_so() {
        let tables = report("lru", &format!("{NEW}, null")).expect("a report").tables();
        assert!(tables.contains("  mounted    push                           nothing can observe a key\n"), "{tables}");
        assert!(tables.contains("  unmounted  push                           new\n"), "{tables}");
    }
}
