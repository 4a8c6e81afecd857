//! `cargo xtask bench size`: the bytes of this package that an application ships, and whether they are within the budget
//! of xtask/bars.toml.
//!
//! They are the same on every run and every machine, so that the budget is a step of `cargo xtask test` as well.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::bars;
use crate::bench;
use crate::shell;
use crate::workspace::Workspace;

/// The name among the benches and the bars.
pub(crate) const NAME: &str = "size";

/// The most bytes of everything together, compressed with gzip.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    max_gzip_bytes: u64,
    why: String,
}

#[derive(Debug, Deserialize)]
struct Measured {
    kinds: Vec<Kind>,
}

/// All files of one kind.
#[derive(Debug, Deserialize)]
struct Kind {
    name: String,
    raw: u64,
    gzip: u64,
    brotli: u64,
}

/// Measures what cache-wasm/dist makes of an application, and prints it.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let measured = measure(workspace)?;
    print!("{}", measured.table());
    if check {
        measured.check(&budgets(workspace)?)?;
        println!("It is within its budget.");
    }
    Ok(())
}

fn budgets(workspace: &Workspace) -> Result<Vec<Budget>> {
    let path = workspace.root.join("xtask/bars.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    bars::parse(&text, NAME, &bench::names()).context("xtask/bars.toml is not as expected")
}

fn measure(workspace: &Workspace) -> Result<Measured> {
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let json = folder.join("size.json");
    let mut node = Command::new("node");
    shell::run(node.args(["cache-wasm/bench/size.mjs", "--json"]).arg(&json).current_dir(&workspace.root))?;
    let text = fs::read_to_string(&json).with_context(|| format!("the bench did not write {}", json.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not as expected", json.display()))
}

impl Measured {
    fn gzip(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.gzip).sum()
    }

    fn table(&self) -> String {
        let line = |name: &str, [raw, gzip, brotli]: [u64; 3]| format!("{name:<6} {raw:>9} {gzip:>9} {brotli:>9}\n");
        let sum = |part: fn(&Kind) -> u64| self.kinds.iter().map(part).sum();
        let kinds = self.kinds.iter().map(|kind| line(&kind.name, [kind.raw, kind.gzip, kind.brotli]));
        let whole = line("sum", [sum(|kind| kind.raw), self.gzip(), sum(|kind| kind.brotli)]);
        format!("{:<6} {:>9} {:>9} {:>9}\n", "bytes", "minified", "gzip", "brotli")
            + &kinds.collect::<String>()
            + &whole
    }

    fn check(&self, budgets: &[Budget]) -> Result<()> {
        for Budget { max_gzip_bytes, why } in budgets {
            let over = self.gzip().saturating_sub(*max_gzip_bytes);
            if over > 0 {
                bail!("the package is {over} bytes over its budget of {max_gzip_bytes} with gzip. {why}");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        let text = r#"{"kinds": [{"name": "js", "raw": 9, "gzip": 4, "brotli": 3},
            {"name": "wasm", "raw": 90, "gzip": 40, "brotli": 30}]}"#;
        serde_json::from_str(text).expect("as the script writes it")
    }

    #[test]
    fn the_table_has_a_sum() {
        let last = measured().table().lines().last().map(str::to_owned);
        assert_eq!(last.as_deref(), Some("sum           99        44        33"));
    }

    #[test]
    fn the_budget_is_kept_up_to_its_last_byte() {
        let budget = |max_gzip_bytes| [Budget { max_gzip_bytes, why: "W.".into() }];
        measured().check(&budget(44)).expect("just within");
        let error = measured().check(&budget(43)).expect_err("over").to_string();
        assert_eq!(error, "the package is 1 bytes over its budget of 43 with gzip. W.");
    }

    #[test]
    fn the_projects_own_budget_can_be_read() {
        bars::parse::<Budget>(include_str!("../bars.toml"), NAME, &bench::names()).expect("a budget");
    }
}
