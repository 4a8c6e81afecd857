//! The fan-out bench's programs: edge-server and the load generator, built for speed, and nats-server from Debian.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::workspace::{Profile, Workspace};
use crate::{build, prerequisites, shell};

/// Its own argument that leaves the peer out; the load generator does not know it.
const NO_PEER: &str = "--no-peer";

/// The load generator's command, without what a person adds to it.
pub(crate) fn command(workspace: &Workspace, runs: u32, own: &[OsString]) -> Result<Command> {
    let peer = if own.iter().any(|argument| argument == NO_PEER) { None } else { Some(prerequisites::nats_server()?) };
    build::server_alone(workspace)?;
    shell::run(&mut workspace.cargo(["build", "--release", "--package", "edge-server", "--example", "fanout"]))?;
    let binaries = workspace.binaries(Profile::Release);
    // Every connection is an open file, twice.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$@\"", "sh"]).current_dir(&workspace.root);
    command.arg(binaries.join("examples").join("fanout"));
    command.arg("--edge").arg(workspace.edge_server(Profile::Release)).args(["--windows", &runs.to_string()]);
    if let Some(nats) = peer {
        command.arg("--nats").arg(nats);
    }
    command.args(own.iter().filter(|argument| *argument != NO_PEER));
    Ok(command)
}
