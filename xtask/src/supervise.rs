//! A child that cannot outlive this process, however this process ends.
//!
//! Between the two stands this same binary once more, as `xtask supervise PROGRAM`: it holds the read end of a pipe of
//! which only we have the write end. When we close it, or die, even by SIGKILL, the supervisor ends its program. It
//! outlives an interrupt itself, so that a program which ignores Ctrl-C is ended too.
//!
//!     xtask --pipe--> xtask supervise --> edge-server
//!
//! It ends that one program, not what the program has started in turn.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// How often a child is asked whether it has ended.
const GLANCE: Duration = Duration::from_millis(50);

/// A running child; dropping it ends the program and waits until it has ended.
#[derive(Debug)]
pub(crate) struct Supervised(Child);

impl Supervised {
    /// Starts a command that `command` made.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::piped()).spawn().map(Self).context("cannot start a supervised process")
    }

    /// The child, for its streams.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// The program's status, once it has ended by itself.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    /// Waits until the program has ended by itself; `None` when it has not within the limit.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.ended()?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
            thread::sleep(GLANCE);
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Waiting closes the pipe first. An error means that there is no child left to wait for.
        let _ = self.0.wait();
    }
}

/// A command that runs a program under a supervisor. Its folder, its environment and its streams are the program's.
pub(crate) fn command(program: &OsStr) -> Result<Command> {
    let mut command = Command::new(own_binary()?);
    command.args([OsStr::new("supervise"), program]);
    Ok(command)
}

/// The supervisor's whole life: runs the program, passes its exit code on, ends it when stdin closes.
pub(crate) fn supervise(command: &[OsString]) -> Result<ExitCode> {
    let _outlived = interrupts()?;
    let [program, args @ ..] = command else {
        anyhow::bail!("nothing to supervise");
    };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", program.to_string_lossy()))?;
    let closed = stdin_closed();
    loop {
        if let Some(status) = child.try_wait()? {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
        }
        if closed.recv_timeout(GLANCE) != Err(RecvTimeoutError::Timeout) {
            child.kill()?;
            child.wait()?;
            return Ok(ExitCode::FAILURE);
        }
    }
}

/// From here on an interrupt (SIGINT, SIGTERM) is a message, and no longer the end of this process.
pub(crate) fn interrupts() -> Result<Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _context = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        runtime.block_on(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if sender.send(()).is_err() {
                    return;
                }
            }
        });
    });
    Ok(receiver)
}

/// A channel that hangs up when stdin closes.
fn stdin_closed() -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let _held = sender;
        // An unreadable stdin is as good as a closed one.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    });
    receiver
}

/// On Linux by the link that stays true when a build replaces the binary while it runs.
fn own_binary() -> Result<PathBuf> {
    if cfg!(target_os = "linux") {
        return Ok(PathBuf::from("/proc/self/exe"));
    }
    std::env::current_exe().context("cannot find this binary")
}
