//! `cargo xtask model`: the protocol's rules, explored exhaustively. The model is a crate of its own, so that nobody who
//! does not ask for it compiles the checker.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::shell;
use crate::workspace::Workspace;

/// What the model's own command line takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `--small`, `--whole`, `--without RULE`, `--threads N`; `-- --help` says more
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    own: Vec<OsString>,
}

/// Builds the model and runs it; what it prints is the result.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    shell::run(&mut workspace.cargo(["build", "--release", "--package", "coherence-model"]))?;
    let mut model = std::process::Command::new(workspace.target.join("release").join("coherence-model"));
    let status = model.args(&args.own).status().context("the model could not be started")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
