//! `cargo xtask audit`: the package in Node reads what a server has announced, and says whether it read anything older.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::workspace::{Profile, Workspace};
use crate::{build, demo, prerequisites, shell, wasm};

/// What to audit, and for how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server to audit [default: the demo's, started for it]
    #[arg(long)]
    url: Option<String>,
    /// How long to sample and read; the reads after 60 s need more than that
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(2..))]
    seconds: u32,
    /// A scope to follow, instead of those of the demo's board (repeatable)
    #[arg(long)]
    scope: Vec<String>,
    /// Changes sampled a second
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
}

/// Builds what is needed and audits.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    prerequisites::node()?;
    wasm::build(workspace)?;
    build::package(workspace)?;
    if let Some(url) = &args.url {
        return audit(workspace, url, args);
    }
    build::server(workspace, Profile::Dev)?;
    let (server, _upstream) = demo::start_generated(workspace, Profile::Dev)?;
    audit(workspace, &server.url, args)
}

fn audit(workspace: &Workspace, url: &str, args: &Args) -> Result<ExitCode> {
    let mut node = Command::new("node");
    node.current_dir(&workspace.root).args(["cache-wasm/audit/audit.mjs", "--url", url.trim_end_matches('/')]);
    node.args(["--seconds", &args.seconds.to_string(), "--rate", &args.rate.to_string()]);
    for scope in &args.scope {
        node.args(["--scope", scope]);
    }
    shell::say(&format!("> node cache-wasm/audit/audit.mjs --url {url} --seconds {}", args.seconds));
    let status = node.status().context("node cannot be started")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
