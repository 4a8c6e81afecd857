//! Where the repository and its build output are. Cargo is asked, so a moved target directory is honoured.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell;

/// The repository being worked on; both paths are absolute.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
}

/// Which of cargo's profiles a native binary is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Workspace {
    /// Asks cargo for the workspace of the current directory.
    pub(crate) fn find() -> Result<Self> {
        let mut command = Command::new(cargo_program());
        command.args(["metadata", "--no-deps", "--format-version", "1"]);
        let metadata = shell::read(&mut command)?;
        serde_json::from_str(&metadata).context("`cargo metadata` said something unexpected")
    }

    /// cargo, run in the repository's root.
    pub(crate) fn cargo<const N: usize>(&self, args: [&str; N]) -> Command {
        let mut command = Command::new(cargo_program());
        command.args(args).current_dir(&self.root);
        command
    }

    /// npm, run in one of the repository's packages.
    pub(crate) fn npm<const N: usize>(&self, package: &str, args: [&str; N]) -> Command {
        let mut command = Command::new("npm");
        command.args(args).current_dir(self.root.join(package));
        command
    }

    /// The folder cargo puts the binaries of a profile into.
    pub(crate) fn binaries(&self, profile: Profile) -> PathBuf {
        self.target.join(match profile {
            Profile::Dev => "debug",
            Profile::Release => "release",
        })
    }

    /// The server that `build --only server` makes.
    pub(crate) fn edge_server(&self, profile: Profile) -> PathBuf {
        self.binaries(profile).join("edge-server")
    }

    /// The simulated upstream that `build --only server` makes.
    pub(crate) fn upstream(&self, profile: Profile) -> PathBuf {
        self.binaries(profile).join("examples").join("upstream")
    }

    /// A path as a person in the root would type it.
    pub(crate) fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

/// The cargo that started this process, hence the pinned toolchain's.
fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
