//! What the repository needs from the machine. What can be installed without asking is installed; for the rest the
//! error says how to get it. The Rust toolchain itself is rust-toolchain.toml's business.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// The target of the module the browser loads.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The oldest Node.js the packages are tested with.
const NODE_MAJOR: u32 = 20;

/// Where Linux distributions put the browser.
const BROWSERS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// Where Linux distributions put the server that the tests of the Redis store start.
const REDIS_SERVER: &str = "/usr/bin/redis-server";

/// Makes sure that rustc can build for the browser, by rustup where it cannot.
pub(crate) fn wasm_target() -> Result<()> {
    let library = shell::read(Command::new("rustc").args(["--print", "target-libdir", "--target", WASM_TARGET]))?;
    if Path::new(library.trim()).is_dir() {
        return Ok(());
    }
    shell::run(Command::new("rustup").args(["target", "add", WASM_TARGET]))
        .with_context(|| format!("rustc has no standard library for {WASM_TARGET}, and rustup could not add it"))
}

/// Makes sure that a recent Node.js and npm are there.
pub(crate) fn node() -> Result<()> {
    let advice = format!("install Node.js {NODE_MAJOR} or newer, which brings npm (nodejs.org, or a version manager)");
    let version = shell::read(Command::new("node").arg("--version")).with_context(|| advice.clone())?;
    let major = node_major(&version).with_context(|| format!("`node --version` said {version:?}"))?;
    if major < NODE_MAJOR {
        bail!("Node.js is {}: {advice}", version.trim());
    }
    shell::read(Command::new("npm").arg("--version")).context(advice)?;
    Ok(())
}

/// The browser of the end-to-end tests, if there is one: the variable CHROMIUM, else the usual places.
pub(crate) fn find_chromium() -> Result<Option<PathBuf>> {
    if let Some(named) = std::env::var_os("CHROMIUM").filter(|named| !named.is_empty()).map(PathBuf::from) {
        if !named.is_file() {
            bail!("CHROMIUM names {}, which is no file: correct it or unset it", named.display());
        }
        return Ok(Some(named));
    }
    Ok(BROWSERS.map(PathBuf::from).into_iter().find(|path| path.is_file()))
}

/// The browser of the end-to-end tests, installed by apt when it is missing and this is root.
pub(crate) fn chromium() -> Result<PathBuf> {
    if let Some(found) = find_chromium()? {
        return Ok(found);
    }
    let advice = "install Chromium (on Debian: apt-get install chromium), or name a browser in the variable CHROMIUM";
    if !can_install() {
        bail!("no Chromium was found: {advice}");
    }
    shell::run(apt_get().arg("update"))?;
    shell::run(apt_get().args(["install", "-y", "chromium"]))?;
    find_chromium()?.with_context(|| format!("apt-get installed chromium, and still none was found: {advice}"))
}

/// The server of the Redis store's tests, installed by apt when it is missing and this is root.
pub(crate) fn redis_server() -> Result<PathBuf> {
    let program = PathBuf::from(REDIS_SERVER);
    if program.is_file() {
        return Ok(program);
    }
    let advice = "install it (on Debian: apt-get install redis-server)";
    if !can_install() {
        bail!("{REDIS_SERVER} is missing: {advice}");
    }
    shell::run(apt_get().arg("update"))?;
    shell::run(apt_get().args(["install", "-y", "--no-install-recommends", "redis-server"]))?;
    if !program.is_file() {
        bail!("apt-get installed redis-server, and still {REDIS_SERVER} is missing: {advice}");
    }
    Ok(program)
}

/// The peer of the fan-out bench, installed by apt when it is missing and this is root: Debian's package.
pub(crate) fn nats_server() -> Result<PathBuf> {
    let find = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Debian puts it where only root looks.
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
        folders.map(|folder| folder.join("nats-server")).find(|program| program.is_file())
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    let advice = "install nats-server (on Debian: apt-get install nats-server), or leave it out: `-- --no-peer`";
    if !can_install() {
        bail!("no nats-server was found: {advice}");
    }
    shell::run(apt_get().arg("update"))?;
    shell::run(apt_get().args(["install", "-y", "--no-install-recommends", "nats-server"]))?;
    find().with_context(|| format!("apt-get installed nats-server, and still none was found: {advice}"))
}

/// Whether this is root on a system with apt.
fn can_install() -> bool {
    let is_root = shell::read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    is_root && shell::succeeds(Command::new("apt-get").arg("--version"))
}

/// Whether the faster test runner is there.
pub(crate) fn has_nextest() -> bool {
    shell::succeeds(Command::new("cargo-nextest").args(["nextest", "--version"]))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn node_major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_prints_its_version_with_a_v() {
        assert_eq!(node_major("v20.20.2\n"), Some(20));
        assert_eq!(node_major("v8.1.0"), Some(8));
        assert_eq!(node_major("20.1.0"), None);
        assert_eq!(node_major("vNext"), None);
    }
}
