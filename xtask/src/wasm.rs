//! The modules the browser downloads: cargo, then wasm-bindgen as a library, then npm's wasm-opt, into
//! cache-wasm/dist/core and cache-wasm/dist/relay.
//!
//! The system's wasm-opt is never used: Debian's 108 exits with 0 and breaks wasm-bindgen's output. wasm-bindgen's two
//! halves must have one version; a test below reads Cargo.lock for it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::build::npm_install;
use crate::prerequisites::{self, WASM_TARGET};
use crate::shell;
use crate::workspace::Workspace;

/// wasm-opt's arguments: size first, and the features that rustc's baseline for the target emits.
const OPTIMISE: [&str; 12] = [
    // Before what it applies to. What one place calls stays a function: inlined, it has more locals to tell apart.
    "--one-caller-inline-max-function-size=0",
    "-Oz",
    "--converge",
    // The first KiB is the end of the stack: what would be read there by an address that wraps is an overflow, and traps.
    "--low-memory-unused",
    "--strip-producers",
    "--strip-target-features",
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// 64 KiB of stack, of which 17 were ever used; rustc's default is 1 MiB. It lies below the data, so that to overflow it
/// traps.
const STACK: &str = "link-arg=-zstack-size=65536";

/// A module: the package that it is made from, cargo's name of it, and its folder and its own name in `dist`.
struct Module {
    package: &'static str,
    built: &'static str,
    name: &'static str,
}

const MODULES: [Module; 2] = [
    Module { package: "cache-wasm", built: "cache_wasm.wasm", name: "core" },
    Module { package: "relay", built: "relay.wasm", name: "relay" },
];

/// Builds the modules; what follows cargo is skipped when one is what it was last made from.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    prerequisites::wasm_target()?;
    npm_install(workspace, "cache-wasm")?;
    MODULES.iter().try_for_each(|module| build_one(workspace, module))
}

fn build_one(workspace: &Workspace, Module { package: crate_name, built, name }: &Module) -> Result<()> {
    // A build that makes the rlib besides, as `cargo build` would, goes without link-time optimisation in silence.
    shell::run(&mut workspace.cargo([
        "rustc",
        "--package",
        crate_name,
        "--lib",
        "--crate-type",
        "cdylib",
        "--target",
        WASM_TARGET,
        "--profile",
        "wasm",
        "--",
        "-C",
        STACK,
    ]))?;
    let module = workspace.target.join(WASM_TARGET).join("wasm").join(built);
    let package = workspace.root.join("cache-wasm");
    let folder = package.join("dist").join(name);
    let built_from = folder.join(".built-from");

    let fingerprint = fingerprint(&module, &package)?;
    if fs::read_to_string(&built_from).is_ok_and(|last| last == fingerprint) {
        shell::say(&format!("  cache-wasm/dist/{name} is up to date"));
        return Ok(());
    }
    // Until the new output is whole, nothing claims that there is one.
    if folder.is_dir() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    bind(&module, &folder, name)?;
    optimise(&package, &folder.join(format!("{name}_bg.wasm")))?;
    fs::write(&built_from, fingerprint).with_context(|| format!("cannot write {}", built_from.display()))
}

/// Names everything the output is made from: the module, wasm-opt's version and its arguments.
fn fingerprint(module: &Path, package: &Path) -> Result<String> {
    let bytes = fs::read(module).with_context(|| format!("cargo did not make {}", module.display()))?;
    let binaryen = package.join("node_modules/binaryen/package.json");
    let manifest = fs::read_to_string(&binaryen).with_context(|| {
        format!("{} is missing: binaryen belongs to cache-wasm's devDependencies", binaryen.display())
    })?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest)
        .with_context(|| format!("{} is no JSON: remove node_modules and build again", binaryen.display()))?;
    let mut hasher = DefaultHasher::new();
    (bytes, manifest["version"].as_str(), OPTIMISE).hash(&mut hasher);
    Ok(format!("{:016x}\n", hasher.finish()))
}

/// Writes the module and its JavaScript and TypeScript declarations.
fn bind(module: &Path, folder: &Path, name: &str) -> Result<()> {
    Bindgen::new()
        .input_path(module)
        .out_name(name)
        .web(true)?
        .typescript(true)
        // Otherwise init() has no address to load the module from.
        .omit_default_module_path(false)
        .generate(folder)
        .context("wasm-bindgen refused the module")
}

fn optimise(package: &Path, module: &Path) -> Result<()> {
    let tool = package.join("node_modules/.bin/wasm-opt");
    let smaller = module.with_extension("smaller");
    let before = size(module)?;
    shell::run(Command::new(tool).args(OPTIMISE).arg(module).arg("-o").arg(&smaller))?;
    let after = size(&smaller)?;
    fs::rename(&smaller, module).with_context(|| format!("cannot replace {}", module.display()))?;
    let zipped = gzip_size(module)?;
    let name = module.file_name().unwrap_or_default().display();
    shell::say(&format!("  {name}: {before} B, {after} B after wasm-opt, {zipped} B with gzip"));
    Ok(())
}

fn size(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file).with_context(|| format!("{} was not made", file.display()))?.len())
}

/// Node has zlib; a Rust crate for one printed number would be too much.
fn gzip_size(file: &Path) -> Result<String> {
    let script = "console.log(zlib.gzipSync(fs.readFileSync(process.argv[1]), { level: 9 }).length)";
    let printed = shell::read(Command::new("node").args(["-e", script]).arg(file))?;
    Ok(printed.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_wasm_bindgen_are_locked_to_one_version() {
        // Cargo runs tests in the package's folder.
        let lock = fs::read_to_string("../Cargo.lock").expect("Cargo.lock");
        let lock: toml::Table = lock.parse().expect("Cargo.lock is TOML");
        let versions = |name: &str| -> Vec<String> {
            let packages = lock["package"].as_array().expect("a list of packages");
            let named = packages.iter().filter(|package| package["name"].as_str() == Some(name));
            named.map(|package| package["version"].as_str().unwrap_or("none").to_owned()).collect()
        };
        let library = versions("wasm-bindgen");
        assert_eq!(library.len(), 1, "one wasm-bindgen in the lock file: {library:?}");
        assert_eq!(library, versions("wasm-bindgen-cli-support"));
    }
}
