//! `cargo xtask fuzz`: cargo-fuzz on the targets of wire/fuzz, from seeds that are made of the transcripts.
//!
//! No sanitizer and no nightly toolchain: there is no unsafe code to look into, and what is looked for are panics.

use std::process::Command;

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;

use crate::shell;
use crate::workspace::Workspace;

/// In `wire/fuzz/targets`.
const TARGETS: [&str; 7] = ["answer", "client_frame", "key", "manager", "position", "scope", "server_frame"];

/// The folder of the targets, from the root.
const FOLDER: &str = "wire/fuzz";

/// What to fuzz, and for how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The target; without one, all of them, one after another
    #[arg(value_parser = PossibleValuesParser::new(TARGETS))]
    target: Option<String>,
    /// How long each is fuzzed
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

/// Fuzzes until the time is over or something is found, which is then in `wire/fuzz/artifacts`.
pub(crate) fn run(args: &Args) -> Result<()> {
    if !shell::succeeds(Command::new("cargo-fuzz").arg("--version")) {
        bail!("cargo-fuzz was not found: install it with `cargo install --locked cargo-fuzz`");
    }
    let workspace = Workspace::find()?;
    let manifest = format!("{FOLDER}/Cargo.toml");
    shell::run(&mut workspace.cargo(["run", "--quiet", "--manifest-path", &manifest, "--bin", "seeds"]))?;
    let chosen = TARGETS.iter().filter(|target| args.target.as_deref().is_none_or(|named| named == **target));
    for target in chosen {
        let limit = format!("-max_total_time={}", args.seconds);
        let fuzz = ["fuzz", "run", "--fuzz-dir", FOLDER, "--sanitizer", "none", target, "--", &limit];
        shell::run(workspace.cargo(fuzz).env_remove("RUSTFLAGS"))?;
        println!("{target}: nothing was found in {} s", args.seconds);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_of_the_folder_can_be_named() {
        let manifest = include_str!("../../wire/fuzz/Cargo.toml");
        let mut named: Vec<&str> = manifest.lines().filter_map(|line| line.strip_prefix("path = \"targets/")).collect();
        named.sort_unstable();
        assert_eq!(named, TARGETS.map(|target| format!("{target}.rs\"")));
    }
}
