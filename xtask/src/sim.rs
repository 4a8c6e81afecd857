//! `cargo xtask sim`: the protocol under every fault in virtual time, and whether the simulation notices a rule that is
//! missing.

use std::path::PathBuf;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{mutants, shell};

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run so many seeds, on every core
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    seeds: u64,
    /// Begin with this seed
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    from: u64,
    /// Run this seed alone and tell what happens, step by step
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Take each rule of wire/sim/mutants.toml out in turn, and see that the simulation notices
    #[arg(long)]
    mutants: bool,
    /// With `--mutants`: this one alone (repeatable)
    #[arg(long, value_name = "NAME", requires = "mutants")]
    only: Vec<String>,
}

/// Builds the simulation and runs it.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if args.mutants {
        return mutants::run(workspace, &args.only);
    }
    build(workspace)?;
    let mut command = std::process::Command::new(binary(workspace));
    command.args(["--seeds", &args.seeds.to_string(), "--from", &args.from.to_string()]);
    if let Some(seed) = args.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    shell::show(&mut command)
}

/// Builds the simulation.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    shell::run(&mut workspace.cargo(["build", "--package", "sim", "--profile", "sim"]))
}

/// Where the simulation is built, the repository's or that of a copy.
pub(crate) fn binary(workspace: &Workspace) -> PathBuf {
    workspace.target.join("sim").join("sim")
}
