//! Servers as children: started, ready when they say so, ended when dropped.
//!
//! A server is ready once it prints a line that contains `listening on http://...`. Whatever it prints, on either
//! stream, goes to its log file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::supervise::{self, Supervised};

/// How long a server may take from its start to its first words.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How many lines of a log are shown when its server failed.
const TAIL_LINES: usize = 30;

/// A server that accepts requests; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    /// Where it listens, without a slash at the end.
    pub(crate) url: String,
    /// All it has said.
    pub(crate) log: PathBuf,
    process: Supervised,
}

impl Server {
    /// Starts a program and returns once it listens. Its log is `logs/NAME.log`, made anew.
    pub(crate) fn start(name: &'static str, program: &Path, args: &[OsString], logs: &Path) -> Result<Self> {
        if !program.is_file() {
            bail!("{name} was not built: {} is missing", program.display());
        }
        let log = logs.join(name).with_extension("log");
        // Both streams append, so that neither writes over the other.
        fs::write(&log, "").with_context(|| format!("cannot write {}", log.display()))?;
        let file = File::options().append(true).open(&log)?;
        let mut command = supervise::command(program.as_os_str())?;
        command.args(args).stdout(Stdio::piped()).stderr(file.try_clone()?);
        let mut process = Supervised::spawn(&mut command)?;
        let stdout = process.child().stdout.take().context("a piped stdout")?;
        let url = match watch(stdout, file).recv_timeout(START_LIMIT) {
            Ok(url) => url,
            Err(RecvTimeoutError::Timeout) => {
                bail!("{name} did not listen within {} s{}", START_LIMIT.as_secs(), tail(&log));
            }
            Err(RecvTimeoutError::Disconnected) => bail!("{name} ended before it listened{}", tail(&log)),
        };
        Ok(Self { name, url, log, process })
    }

    /// Its status, should it have ended by itself.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.ended()
    }

    /// Gives it time to end by itself, as it does after an interrupt.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        self.process.wait(limit)
    }

    /// The last it said, as lines to put under an error message.
    pub(crate) fn tail(&self) -> String {
        tail(&self.log)
    }
}

/// Copies a server's stdout to its log, and sends the address it listens on.
fn watch(stdout: ChildStdout, mut log: File) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut ready = Some(sender);
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            // A full disk must not stop the server; its words are then lost.
            let _ = log.write_all(&[line.as_slice(), b"\n"].concat());
            let Some(url) = listening_on(&String::from_utf8_lossy(&line)).map(str::to_owned) else { continue };
            if let Some(sender) = ready.take() {
                // Nobody listens any more when the start took too long.
                let _ = sender.send(url);
            }
        }
    });
    receiver
}

fn listening_on(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("listening on ")?;
    let url = rest.split_whitespace().next()?.trim_end_matches('/');
    url.starts_with("http://").then_some(url)
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    if last.is_empty() {
        return format!("\n{} is empty", log.display());
    }
    format!("\nthe end of {}:\n  {}", log.display(), last.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ready_when_it_names_its_address() {
        let check = |line: &str, expected: Option<&str>| assert_eq!(listening_on(line), expected, "{line}");
        check("edge-server listening on http://127.0.0.1:8080", Some("http://127.0.0.1:8080"));
        check("upstream listening on http://127.0.0.1:9/ (seed 1)", Some("http://127.0.0.1:9"));
        check("listening on port 8080", None);
        check("not yet", None);
    }
}
