//! `cargo xtask`: every command a person types. Each command is a module; this file only names them.
//!
//! Results (a table, a list, a verdict) go to stdout. Progress, and whatever the tools say, goes to stderr.

mod audit;
mod bars;
mod bench;
mod build;
mod demo;
mod fanout;
mod fuzz;
mod model;
mod mutants;
mod prerequisites;
mod races;
mod redis;
mod servers;
mod shell;
mod sim;
mod size;
mod supervise;
mod test;
mod wasm;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

use crate::workspace::Workspace;

/// The commands of this repository.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Build the WebAssembly module, the npm package, the page and the server
    Build(build::Args),
    /// Run the server and its page against a simulated upstream
    Demo(demo::Args),
    /// Install what is missing and run every check and test
    Test(test::Args),
    /// Measure against the peers, and hold the result to xtask/bars.toml
    Bench(bench::Args),
    /// Run the protocol under every fault in virtual time
    Sim(sim::Args),
    /// Read what a server announces, in the cache and over HTTP, and say whether anything older was read
    Audit(audit::Args),
    /// Explore the protocol's rules exhaustively, then without each rule in turn
    Model(model::Args),
    /// Fuzz the protocol's decoders and the cache's core
    Fuzz(fuzz::Args),
    /// Run a program that ends when this process's stdin closes
    #[command(hide = true)]
    Supervise {
        /// The program and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    run(Cli::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(cli: Cli) -> Result<ExitCode> {
    let Some(command) = cli.command else {
        Cli::command().print_help()?;
        return Ok(ExitCode::SUCCESS);
    };
    match command {
        Command::Build(args) => build::run(&Workspace::find()?, &args).map(|()| ExitCode::SUCCESS),
        Command::Demo(args) => demo::run(&Workspace::find()?, &args),
        Command::Test(args) => test::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Bench(args) => bench::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Sim(args) => sim::run(&Workspace::find()?, &args).map(|()| ExitCode::SUCCESS),
        Command::Audit(args) => audit::run(&Workspace::find()?, &args),
        Command::Model(args) => model::run(&Workspace::find()?, &args),
        Command::Fuzz(args) => fuzz::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Supervise { command } => supervise::supervise(&command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_supervised_program_keeps_its_own_options() {
        let cli = Cli::try_parse_from(["xtask", "supervise", "server", "--listen", "x"]).expect("parses");
        let Some(Command::Supervise { command }) = cli.command else {
            panic!("not a supervise command");
        };
        assert_eq!(command, ["server", "--listen", "x"]);
    }

    #[test]
    fn unknown_steps_benches_and_parts_are_bad_usage() {
        for line in [["test", "--only", "tset"], ["build", "--only", "server2"], ["bench", "gte", "--check"]] {
            let error = Cli::try_parse_from(["xtask"].into_iter().chain(line)).err().expect("refused");
            assert_eq!(error.exit_code(), 2, "{line:?}");
        }
    }
}
