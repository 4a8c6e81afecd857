//! Which rules the simulation would miss: each mutant of `wire/sim/mutants.toml` takes one out of a copy of the sources,
//! and the simulation must notice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::workspace::Workspace;
use crate::{shell, sim};

/// The list, from the repository's root.
const LIST: &str = "wire/sim/mutants.toml";
/// What is copied: the manifests, and the folders of the workspace's members.
const COPIED: [&str; 7] =
    ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "wire", "cache-wasm", "edge-server", "xtask"];
/// What is not, wherever it lies: none of it is Rust.
const LEFT_OUT: [&str; 8] = ["node_modules", "target", "js", "js-tests", "dist", "pkg", "bench", "www"];
/// Seeds that a mutant may survive before it counts as not noticed.
const SEEDS: u64 = 3_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    mutant: Vec<Mutant>,
}

/// A rule taken out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutant {
    name: String,
    /// The rule of `wire/README.md`, or the part of the server.
    rule: String,
    edit: Vec<Edit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    file: PathBuf,
    /// Occurs exactly once in the file.
    find: String,
    replace: String,
}

/// Tries every mutant, or the named ones, and prints what noticed each.
pub(crate) fn run(workspace: &Workspace, only: &[String]) -> Result<()> {
    let list: List = toml::from_str(&fs::read_to_string(workspace.root.join(LIST))?).context(LIST)?;
    if let Some(unknown) = only.iter().find(|name| list.mutant.iter().all(|mutant| mutant.name != **name)) {
        bail!("{LIST} has no mutant `{unknown}`");
    }
    let chosen: Vec<&Mutant> =
        list.mutant.iter().filter(|mutant| only.is_empty() || only.contains(&mutant.name)).collect();
    for mutant in &list.mutant {
        mutant.changed(&workspace.root)?;
    }
    let scratch = workspace.target.join("mutants");
    fs::create_dir_all(&scratch)?;
    for name in COPIED {
        copy(&workspace.root.join(name), &scratch.join(name))?;
    }
    // A folder of its own, because cargo knows a workspace's crates by their place in it and would mix the two up.
    let copied = Workspace { target: scratch.join("target"), root: scratch };
    take_over_dependencies(workspace, &copied)?;
    let mut survived = 0;
    println!("{:<28} {:<24} caught by", "mutant", "rule");
    for mutant in chosen {
        let started = Instant::now();
        let changed = mutant.changed(&copied.root)?;
        write_all(&copied.root, &changed, |(after, _)| after)?;
        let caught = build(&copied).and_then(|()| caught(&copied));
        write_all(&copied.root, &changed, |(_, before)| before)?;
        let caught = caught.with_context(|| format!("mutant `{}`", mutant.name))?;
        survived += usize::from(caught.is_none());
        let line = caught.unwrap_or_else(|| "SURVIVED".into());
        println!("{:<28} {:<24} {line}", mutant.name, mutant.rule);
        shell::say(&format!("  took {}", shell::seconds(started.elapsed())));
    }
    if survived > 0 {
        bail!("{survived} mutants were not noticed in {SEEDS} seeds: the simulation is too weak");
    }
    Ok(())
}

/// What is built of the dependencies is the same; to build it again would take minutes.
fn take_over_dependencies(workspace: &Workspace, copied: &Workspace) -> Result<()> {
    sim::build(workspace)?;
    if copied.target.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(&copied.target)?;
    // With its times, by which cargo knows what is fresh.
    shell::run(Command::new("cp").arg("-a").arg(workspace.target.join("sim")).arg(&copied.target))
}

/// A file, and what it is after the mutant and before.
type Changed = Vec<(PathBuf, (String, String))>;

impl Mutant {
    /// The files that it changes.
    fn changed(&self, root: &Path) -> Result<Changed> {
        let mut files: Changed = Vec::new();
        for Edit { file, find, replace } in &self.edit {
            let place = files.iter().position(|(name, _)| name == file);
            let (mut text, before) = match place {
                Some(place) => files.swap_remove(place).1,
                None => {
                    let text = fs::read_to_string(root.join(file)).with_context(|| format!("{}", file.display()))?;
                    (text.clone(), text)
                }
            };
            let found = text.matches(find.as_str()).count();
            if found != 1 {
                let (name, file) = (&self.name, file.display());
                bail!("{LIST} is out of date: what mutant `{name}` replaces is {found} times in {file}, not once");
            }
            text = text.replace(find.as_str(), replace);
            files.push((file.clone(), (text, before)));
        }
        Ok(files)
    }
}

fn write_all(root: &Path, files: &Changed, which: impl Fn(&(String, String)) -> &String) -> Result<()> {
    for (file, texts) in files {
        fs::write(root.join(file), which(texts))?;
    }
    Ok(())
}

fn build(copied: &Workspace) -> Result<()> {
    let mut cargo = copied.cargo(["build", "--quiet", "--package", "sim", "--profile", "sim"]);
    // What it warns of is no news: a mutant leaves things unused.
    let output =
        cargo.env("CARGO_TARGET_DIR", &copied.target).stdin(Stdio::null()).output().context("cargo cannot run")?;
    if !output.status.success() {
        bail!("it does not compile:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Which promise was seen broken, and where.
fn caught(copied: &Workspace) -> Result<Option<String>> {
    let mut command = Command::new(sim::binary(copied));
    command.args(["--brief", "--seeds", &SEEDS.to_string()]).stdin(Stdio::null());
    let output = command.output().context("the simulation cannot run")?;
    if output.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stdout);
    match said.lines().find(|line| line.starts_with("seed ")) {
        Some(line) => Ok(Some(line.chars().take(150).collect())),
        None => bail!("the simulation ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}

/// Copies a file or a folder; what is the same already is left alone, so that it is not built again.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    if LEFT_OUT.contains(&&*name) || name.starts_with('.') {
        return Ok(());
    }
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    let bytes = fs::read(from).with_context(|| format!("{}", from.display()))?;
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::write(to, bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
    }

    fn list() -> List {
        toml::from_str(&fs::read_to_string(root().join(LIST)).expect("the list")).expect("it is well-formed")
    }

    #[test]
    fn every_mutant_finds_what_it_replaces_and_has_a_name_of_its_own() {
        let list = list();
        for mutant in &list.mutant {
            let changed = mutant.changed(&root()).expect("up to date");
            assert!(changed.iter().all(|(_, (after, before))| after != before), "{}", mutant.name);
        }
        let names: BTreeSet<&str> = list.mutant.iter().map(|mutant| mutant.name.as_str()).collect();
        assert_eq!(names.len(), list.mutant.len());
    }

    #[test]
    fn every_rule_of_the_client_has_a_mutant() {
        let list = list();
        for number in 1..=7 {
            let rule = format!("R{number} ");
            assert!(list.mutant.iter().any(|mutant| mutant.rule.starts_with(&rule)), "{rule}");
        }
    }

    #[test]
    fn a_list_that_is_out_of_date_says_so() {
        let edit = Edit { file: LIST.into(), find: "no such text, nowhere".repeat(2), replace: String::new() };
        let mutant = Mutant { name: "old".into(), rule: String::new(), edit: vec![edit] };
        let error = mutant.changed(&root()).expect_err("refused").to_string();
        assert!(error.contains("out of date") && error.contains("0 times"), "{error}");
    }
}
