//! The servers that are measured: children of this process, with what Linux knows of their memory and their time.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Linux counts a process' time in hundredths of a second, on every platform it runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// A running server; dropped, it is ended.
pub(crate) struct Server {
    child: Child,
    /// Where readers connect.
    pub(crate) stream: SocketAddr,
    /// Where values are committed.
    pub(crate) commits: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended by itself when either fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts edge-server, with its built-in configuration.
    pub(crate) fn edge(program: &Path) -> Result<Server> {
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0"]).env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().rsplit("http://").next().and_then(|address| address.parse().ok());
        let address = address.with_context(|| format!("edge-server said {line:?} in place of its address"))?;
        Ok(Server { child, stream: address, commits: address })
    }

    /// Starts nats-server with its WebSocket in the clear; everything else is as it comes, and messages are not packed,
    /// because edge-server's are not.
    pub(crate) fn nats(program: &Path, folder: &Path) -> Result<Server> {
        let [commits, stream] = [free_port()?, free_port()?];
        let config = folder.join(format!("fanout-nats-{}.conf", std::process::id()));
        let text = format!(
            "listen: \"{commits}\"\nmax_connections: 64000\n\
             websocket {{ listen: \"{stream}\", no_tls: true, compression: false }}\n"
        );
        fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
        let mut command = Command::new(program);
        command.arg("--config").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut server = Server { child, stream, commits };
        let began = Instant::now();
        // One port opens before the other.
        while TcpStream::connect(stream).and(TcpStream::connect(commits)).is_err() {
            if server.child.try_wait()?.is_some() || began.elapsed() > Duration::from_secs(10) {
                bail!(
                    "nats-server does not listen on {stream} and {commits}; its configuration is {}",
                    config.display()
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = fs::remove_file(&config);
        Ok(server)
    }

    /// What it holds of the machine's memory, in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status =
            fs::read_to_string(&path).with_context(|| format!("cannot read {path}: this bench needs Linux"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes: Option<u64> = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        Ok(kibibytes.with_context(|| format!("no VmRSS in {path}"))? * 1024)
    }

    /// The processor's time that it took so far, in seconds, the system's part included.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        // The name, in parentheses, may hold anything; user time is the 14th field, system time the 15th.
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3).and_then(|field| field.parse::<f64>().ok());
        let (user, system) = (ticks(14), ticks(15));
        Ok((user.context("no user time")? + system.context("no system time")?) / TICKS_A_SECOND)
    }
}

/// The version that a program tells.
pub(crate) fn version(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("cannot start {}", program.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether this process, and those that it starts, may hold so many files and sockets open.
pub(crate) fn check_open_files(needed: usize) -> Result<()> {
    let limits = fs::read_to_string("/proc/self/limits").context("cannot read /proc/self/limits: it needs Linux")?;
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let mut numbers = line.split_whitespace().filter_map(|word| match word {
        "unlimited" => Some(usize::MAX),
        word => word.parse().ok(),
    });
    let (soft, hard) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if soft < needed {
        let mend =
            if hard >= needed { format!("`ulimit -n {needed}` in the shell") } else { "the limit's owner".into() };
        bail!("{needed} open files are needed, and {soft} are allowed (at most {hard}): {mend} can raise it");
    }
    Ok(())
}

fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
