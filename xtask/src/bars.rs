//! The performance promises of xtask/bars.toml, and whether a run of a bench keeps them. Pure.
//!
//! A bar that names something unknown is an error, never a pass: otherwise a renamed row would lift its own bar.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bench::Report;

/// One promise: in `environment`, the subject's median is at most `max_ratio` times the median of the row `against`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bar {
    environment: String,
    against: String,
    max_ratio: f64,
    /// Whom the promise serves; printed when it is missed.
    why: String,
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
        let ratio = report.ratio(&bar.environment, &bar.against).context("a bar of xtask/bars.toml cannot be read")?;
        if ratio > bar.max_ratio {
            missed.push(format!(
                "{} against {} in {}: {ratio:.3}, promised at most {}. {}",
                report.subject, bar.against, bar.environment, bar.max_ratio, bar.why
            ));
        }
    }
    Ok(missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"name": "get", "unit": "ns", "subject": "ours", "environments": {"node": {"rows": [
        {"name": "ours", "samples": [50, 40, 60]}, {"name": "Map", "samples": [20]}, {"name": "lru", "samples": [100]}
    ]}}}"#;

    fn bars(against: &str, max_ratio: f64) -> Result<Vec<Bar>> {
        let text =
            format!("[[get]]\nenvironment = \"node\"\nagainst = {against:?}\nmax_ratio = {max_ratio}\nwhy = \"W.\"");
        parse(&text, "get", &["get", "set"])
    }

    fn missed_by(against: &str, max_ratio: f64) -> Result<Vec<String>> {
        missed(&bars(against, max_ratio)?, &Report::parse(REPORT)?)
    }

    #[test]
    fn a_bar_is_kept_up_to_its_ratio_and_missed_above() {
        assert!(missed_by("lru", 1.0).expect("readable").is_empty());
        assert!(missed_by("Map", 2.5).expect("readable").is_empty(), "50 / 20 is the bar itself");
        assert_eq!(
            missed_by("Map", 2.4).expect("readable"),
            ["ours against Map in node: 2.500, promised at most 2.4. W."]
        );
    }

    #[test]
    fn a_bar_that_names_an_unknown_row_or_environment_is_an_error() {
        let error = missed_by("mpa", 1.0).expect_err("no such row");
        assert!(format!("{error:#}").ends_with("no row \"mpa\" in node; there are: ours, Map, lru"), "{error:#}");
        let report = Report::parse(REPORT).expect("a report");
        let elsewhere = Bar { environment: "deno".into(), ..bars("Map", 1.0).expect("a bar").remove(0) };
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
        check("[[get]]\nenvironment = \"node\"\nagainst = \"Map\"\nwhy = \"\"", "max_ratio");
    }

    #[test]
    fn the_projects_own_bars_can_be_read() {
        let known = crate::bench::names();
        parse::<Bar>(include_str!("../bars.toml"), "get", &known).expect("bars for get");
    }
}
