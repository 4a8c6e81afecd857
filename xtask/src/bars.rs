//! The performance promises of xtask/bars.toml, and whether a run of a bench keeps them. Pure.
//!
//! A bar that names something unknown is an error, never a pass: otherwise a renamed row would lift its own bar.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::bench::Report;

/// One promise: in `environment`, the subject's median over that of the row `against` is within these limits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bar {
    environment: String,
    against: String,
    /// For what is the better the less there is of it, as time.
    max_ratio: Option<f64>,
    /// For what is the better the more there is of it, as hits.
    min_ratio: Option<f64>,
    /// Whom the promise serves; printed when it is missed.
    why: String,
}

/// The bars of one bench, from the text of bars.toml; every table must be named after one of the `known` benches.
pub(crate) fn parse(text: &str, bench: &str, known: &[&str]) -> Result<Vec<Bar>> {
    let mut bars: BTreeMap<String, Vec<Bar>> = toml::from_str(text)?;
    if let Some(unknown) = bars.keys().find(|name| !known.contains(&name.as_str())) {
        bail!("[[{unknown}]] names no bench; there are: {}", known.join(", "));
    }
    match bars.remove(bench) {
        Some(bars) if bars.iter().any(|bar| bar.max_ratio.or(bar.min_ratio).is_none()) => {
            bail!("a bar for {bench} has neither max_ratio nor min_ratio")
        }
        Some(bars) if !bars.is_empty() => Ok(bars),
        _ => bail!("there is no bar for {bench}, so nothing to check"),
    }
}

/// One line for every promise that the run breaks.
pub(crate) fn missed(bars: &[Bar], report: &Report) -> Result<Vec<String>> {
    let mut missed = Vec::new();
    for bar in bars {
        let ratio = report.ratio(&bar.environment, &bar.against).context("a bar of xtask/bars.toml cannot be read")?;
        let broken = [
            bar.max_ratio.filter(|&max| ratio > max).map(|max| format!("at most {max}")),
            bar.min_ratio.filter(|&min| ratio < min).map(|min| format!("at least {min}")),
        ];
        missed.extend(broken.into_iter().flatten().map(|promised| {
            let Bar { environment, against, why, .. } = bar;
            format!("{} against {against} in {environment}: {ratio:.3}, promised {promised}. {why}", report.subject)
        }));
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
            let error = format!("{:#}", parse(text, "get", &["get", "set"]).expect_err("refused"));
            assert!(error.contains(complaint), "{error}");
        };
        check("", "there is no bar for get");
        check("get = []", "there is no bar for get");
        check("gte = []", "[[gte]] names no bench; there are: get, set");
        check("[[get]]\nenvironment = \"node\"\nagainst = \"Map\"\nmax_ratio = 1\nwhy = \"\"\nwhen = 1", "when");
        check("[[get]]\nenvironment = \"node\"\nagainst = \"Map\"\nwhy = \"\"", "neither max_ratio nor min_ratio");
    }

    #[test]
    fn the_projects_own_bars_can_be_read() {
        let known = crate::bench::names();
        for bench in &known {
            parse(include_str!("../bars.toml"), bench, &known).expect("bars for each");
        }
    }
}
