//! A redis-server of the command's own: on a free port, with nothing on disk, for exactly as long as the command runs.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::prerequisites;
use crate::supervise::{self, Supervised};

/// How long it may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A redis-server that accepts connections; dropping it ends it.
#[derive(Debug)]
pub(crate) struct RedisServer {
    pub(crate) url: String,
    /// All it has said.
    pub(crate) log: PathBuf,
    process: Supervised,
}

impl RedisServer {
    /// Starts one, installed by apt when it is missing. Its log is `logs/redis-server.log`, made anew.
    pub(crate) fn start(logs: &Path) -> Result<Self> {
        let program = prerequisites::redis_server()?;
        let log = logs.join("redis-server.log");
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = supervise::command(program.as_os_str())?;
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        // A terminal's Ctrl-C is not for it: the server still commits what waits, and then it is ended.
        command.arg("--dir").arg(logs).stdout(file).process_group(0);
        let mut server =
            Self { url: format!("redis://127.0.0.1:{port}"), log, process: Supervised::spawn(&mut command)? };
        let began = Instant::now();
        while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err() {
            if server.process.ended()?.is_some() || began.elapsed() > START_LIMIT {
                bail!("redis-server does not listen:\n{}", fs::read_to_string(&server.log).unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }
}
