//! `cargo xtask build`: the four parts, in the order in which each needs the one before.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::workspace::{Profile, Workspace};
use crate::{prerequisites, shell, wasm};

/// What to build.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build this part alone, from what the others last made (repeatable)
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The browser cache's WebAssembly module
    Wasm,
    /// The npm package around it
    Package,
    /// The page
    Www,
    /// The server and the simulated upstream
    Server,
}

/// Builds the named parts, or everything.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    for part in Part::value_variants() {
        if !args.only.is_empty() && !args.only.contains(part) {
            continue;
        }
        match part {
            Part::Wasm => wasm::build(workspace)?,
            Part::Package => package(workspace)?,
            Part::Www => www(workspace)?,
            Part::Server => server(workspace, Profile::Dev)?,
        }
    }
    Ok(())
}

/// Everything a person needs to open the page.
pub(crate) fn everything(workspace: &Workspace, profile: Profile) -> Result<()> {
    wasm::build(workspace)?;
    package(workspace)?;
    www(workspace)?;
    server(workspace, profile)
}

/// The npm package: TypeScript around the module that `wasm::build` made.
pub(crate) fn package(workspace: &Workspace) -> Result<()> {
    npm_install(workspace, "cache-wasm")?;
    shell::run(&mut workspace.npm("cache-wasm", ["run", "build"]))
}

/// The page, which uses the package.
pub(crate) fn www(workspace: &Workspace) -> Result<()> {
    npm_install(workspace, "www")?;
    shell::run(&mut workspace.npm("www", ["run", "build"]))
}

/// The server and the simulated upstream.
pub(crate) fn server(workspace: &Workspace, profile: Profile) -> Result<()> {
    let mut cargo =
        workspace.cargo(["build", "--package", "edge-server", "--bin", "edge-server", "--example", "upstream"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    shell::run(&mut cargo)
}

/// The server, built for speed. Not together with an example: what tests and examples need of tokio, a clock that can be
/// stopped, would be in the server then.
pub(crate) fn server_alone(workspace: &Workspace) -> Result<()> {
    shell::run(&mut workspace.cargo(["build", "--release", "--package", "edge-server", "--bin", "edge-server"]))
}

/// Installs a folder's npm packages as its lock file says, unless that was done since the lock file last changed.
pub(crate) fn npm_install(workspace: &Workspace, package: &str) -> Result<()> {
    prerequisites::node()?;
    let folder = workspace.root.join(package);
    if !folder.join("package-lock.json").is_file() {
        bail!("{package}/package-lock.json is missing: run `npm install` in {package} once and commit the file");
    }
    if is_installed(&folder) {
        return Ok(());
    }
    shell::run(&mut workspace.npm(package, ["ci", "--no-audit", "--no-fund"]))
}

/// npm writes node_modules/.package-lock.json at the end of every install.
fn is_installed(folder: &Path) -> bool {
    let modified = |path: &str| fs::metadata(folder.join(path)).and_then(|file| file.modified()).ok();
    match (modified("node_modules/.package-lock.json"), modified("package-lock.json")) {
        (Some(installed), Some(locked)) => installed >= locked,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, FileTimes};
    use std::time::{Duration, SystemTime};

    #[test]
    fn packages_are_installed_when_no_older_than_their_lock_file() {
        let folder = std::env::temp_dir().join(format!("xtask-is-installed-{}", std::process::id()));
        fs::create_dir_all(folder.join("node_modules")).expect("a folder");
        let at = |path: &str, second: u64| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            let file = File::create(folder.join(path)).expect("a file");
            file.set_times(FileTimes::new().set_modified(time)).expect("its time");
        };
        at("package-lock.json", 100);
        assert!(!is_installed(&folder), "never installed");
        at("node_modules/.package-lock.json", 99);
        assert!(!is_installed(&folder), "installed before the lock file changed");
        at("node_modules/.package-lock.json", 101);
        assert!(is_installed(&folder), "installed after");
        fs::remove_dir_all(&folder).expect("removed");
    }
}
