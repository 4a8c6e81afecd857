//! The performance promises of xtask/bars.toml, and whether a run of a bench keeps them. Pure.
//!
//! A bar that names something unknown is an error, never a pass: otherwise a renamed row would lift its own bar.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bench::Report;

/// One promise: in `environment`, a row's median, or what it is of another row's, is within these limits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bar {
    environment: String,
    /// Whose median; the report's subject, if absent.
    row: Option<String>,
    /// The row that ratios are taken to.
    against: Option<String>,
    /// For what is the better the less there is of it, as time.
    max_ratio: Option<f64>,
    /// For what is the better the more there is of it, as hits.
    min_ratio: Option<f64>,
    /// In the report's unit, where the promise is of no peer.
    max: Option<f64>,
    /// Whom the promise serves; printed when it is missed.
    why: String,
}

impl Bar {
    /// What is broken in a run: the figure and the limit, in words.
    fn broken(&self, report: &Report) -> Result<Vec<String>> {
        let Bar { environment, row, against, max_ratio, min_ratio, max, .. } = self;
        let row = row.as_deref().unwrap_or(&report.subject);
        let mut broken = Vec::new();
        match (against, max_ratio.or(*min_ratio)) {
            (Some(against), Some(_)) => {
                let ratio = report.median(environment, row)? / report.median(environment, against)?;
                let told =
                    |limit: String| format!("{row} against {against} in {environment}: {ratio:.3}, promised {limit}");
                broken.extend(max_ratio.filter(|&max| ratio > max).map(|max| told(format!("at most {max}"))));
                broken.extend(min_ratio.filter(|&min| ratio < min).map(|min| told(format!("at least {min}"))));
            }
            (None, None) if max.is_some() => {}
            _ => bail!("a bar has `against` and a ratio, or `max`"),
        }
        if let Some(max) = max {
            let median = report.median(environment, row)?;
            let told =
                || format!("{row} in {environment}: {median:.1} {}, promised at most {max}", report.unit(environment));
            broken.extend((median > *max).then(told));
        }
        Ok(broken)
    }
}

/// The bars of one bench, from the text of bars.toml; every table must be named after one of the `known` benches.
pub(crate) fn parse<T: DeserializeOwned>(text: &str, bench: &str, known: &[&str]) -> Result<Vec<T>> {
    let mut bars: BTreeMap<String, toml::Value> = toml::from_str(text)?;
    if let Some(unknown) = bars.keys().find(|name| !known.contains(&name.as_str())) {
        bail!("[[{unknown}]] names no bench; there are: {}", known.join(", "));
    }
    let bars: Vec<T> = bars.remove(bench).map_or(Ok(Vec::new()), toml::Value::try_into)?;
    if bars.is_empty() {
        bail!("there is no bar for {bench}, so nothing to check");
    }
    Ok(bars)
}

/// One line for every promise that the run breaks.
pub(crate) fn missed(bars: &[Bar], report: &Report) -> Result<Vec<String>> {
    let mut missed = Vec::new();
    for bar in bars {
        let broken = bar.broken(report).context("a bar of xtask/bars.toml cannot be read")?;
        missed.extend(broken.into_iter().map(|broken| format!("{broken}. {}", bar.why)));
    }
    Ok(missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"name": "get", "unit": "ns", "subject": "ours", "environments": {"node": {"rows": [
        {"name": "ours", "samples": [50, 40, 60]}, {"name": "Map", "samples": [20]}, {"name": "lru", "samples": [100]}
    ]}}}"#;

    fn bars(against: &str, limit: &str) -> Result<Vec<Bar>> {
        let text = format!("[[get]]\nenvironment = \"node\"\nagainst = {against:?}\n{limit}\nwhy = \"W.\"");
        parse(&text, "get", &["get", "set"])
    }

    fn missed_by(against: &str, limit: &str) -> Result<Vec<String>> {
        missed(&bars(against, limit)?, &Report::parse(REPORT)?)
    }

    #[test]
    fn a_bar_is_kept_up_to_its_ratio_and_missed_beyond() {
        let check = |against: &str, limit: &str, expected: &[&str]| {
            assert_eq!(missed_by(against, limit).expect("readable"), expected, "{against} {limit}");
        };
        check("lru", "max_ratio = 1.0", &[]);
        check("Map", "max_ratio = 2.5", &[]);
        check("Map", "max_ratio = 2.4", &["ours against Map in node: 2.500, promised at most 2.4. W."]);
        check("Map", "min_ratio = 2.5", &[]);
        check("Map", "min_ratio = 2.6", &["ours against Map in node: 2.500, promised at least 2.6. W."]);
        check(
            "Map",
            "min_ratio = 2.5\nmax_ratio = 2.4",
            &["ours against Map in node: 2.500, promised at most 2.4. W."],
        );
    }

    #[test]
    fn a_bar_that_names_an_unknown_row_or_environment_is_an_error() {
        let error = missed_by("mpa", "max_ratio = 1").expect_err("no such row");
        assert!(format!("{error:#}").ends_with("no row \"mpa\" in node; there are: ours, Map, lru"), "{error:#}");
        let report = Report::parse(REPORT).expect("a report");
        let elsewhere = Bar { environment: "deno".into(), ..bars("Map", "max_ratio = 1").expect("a bar").remove(0) };
        let error = missed(&[elsewhere], &report).expect_err("no such environment");
        assert!(format!("{error:#}").ends_with("no environment \"deno\"; there are: node"), "{error:#}");
    }

    #[test]
    fn a_misspelt_file_is_an_error() {
        let check = |text: &str, complaint: &str| {
            let error = format!("{:#}", parse::<Bar>(text, "get", &["get", "set"]).expect_err("refused"));
            assert!(error.contains(complaint), "{error}");
        };
        check("", "there is no bar for get");
        check("get = []", "there is no bar for get");
        check("gte = []", "[[gte]] names no bench; there are: get, set");
        check("[[get]]\nenvironment = \"node\"\nagainst = \"Map\"\nmax_ratio = 1\nwhy = \"\"\nwhen = 1", "when");
    }

    #[test]
    fn a_bar_without_a_limit_that_can_be_read_is_an_error() {
        for (against, limit) in [("Map", ""), ("Map", "max = 1")] {
            let error = format!("{:#}", missed_by(against, limit).expect_err("refused"));
            assert!(error.ends_with("a bar has `against` and a ratio, or `max`"), "{error}");
        }
    }

    #[test]
    fn a_bar_may_be_of_another_row_and_of_no_peer() {
        let check = |bar: &str, expected: &[&str]| {
            let text = format!("[[get]]\nenvironment = \"node\"\nwhy = \"W.\"\n{bar}");
            let bars = parse(&text, "get", &["get"]).expect("a bar");
            assert_eq!(missed(&bars, &Report::parse(REPORT).expect("a report")).expect("readable"), expected, "{bar}");
        };
        check("row = \"Map\"\nagainst = \"lru\"\nmax_ratio = 0.2", &[]);
        let told = "Map against lru in node: 0.200, promised at most 0.1. W.";
        check("row = \"Map\"\nagainst = \"lru\"\nmax_ratio = 0.1", &[told]);
        check("max = 50", &[]);
        check("max = 49.5", &["ours in node: 50.0 ns, promised at most 49.5. W."]);
    }

    #[test]
    fn the_projects_own_bars_can_be_read() {
        let known = crate::bench::names();
        for bench in known.iter().filter(|bench| ![crate::size::NAME, crate::races::NAME, "session"].contains(bench)) {
            parse::<Bar>(include_str!("../bars.toml"), bench, &known).expect("bars for each");
        }
    }
}
