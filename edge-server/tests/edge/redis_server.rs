//! A real redis-server on a free port, with a folder of its own, ended by its process id.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use edge_server::store::redis::Settings;
use edge_server::store::{Layout, Limits};

use crate::PATIENCE;

const PROGRAM: &str = "/usr/bin/redis-server";

/// Whether these tests can run. Where CI is set, they must.
pub(crate) fn is_there() -> bool {
    let found = Path::new(PROGRAM).is_file();
    assert!(found || std::env::var_os("CI").is_none(), "{PROGRAM} is missing: apt-get install redis-server");
    if !found {
        eprintln!("skipped: {PROGRAM} is not there; apt-get install redis-server");
    }
    found
}

/// A running server. Dropped, it is killed and its folder removed.
pub(crate) struct RedisServer {
    child: Option<Child>,
    pub(crate) address: SocketAddr,
    folder: PathBuf,
    arguments: Vec<String>,
    /// Ends the server when this process does, however it ends, and removes the folder.
    watched: Option<Child>,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl RedisServer {
    /// The one that tests share which only need one: each takes a namespace of its own.
    pub(crate) fn shared() -> &'static RedisServer {
        static SHARED: OnceLock<RedisServer> = OnceLock::new();
        SHARED.get_or_init(|| RedisServer::start(&[]))
    }

    /// One with these arguments besides the usual ones; it keeps nothing on disk unless they say so.
    pub(crate) fn start(arguments: &[&str]) -> RedisServer {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("edge-redis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut server = RedisServer { child: None, address, folder, arguments, watched: None };
        server.run();
        server
    }

    /// Starts it, again after `kill`, on what its folder holds.
    pub(crate) fn run(&mut self) {
        let began = Instant::now();
        loop {
            let mut command = Command::new(PROGRAM);
            command.args(["--port", &self.address.port().to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]);
            command.arg(&self.folder).args(&self.arguments).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            while TcpStream::connect(self.address).is_err() && child.try_wait().unwrap().is_none() {
                assert!(began.elapsed() < PATIENCE, "redis-server does not listen");
                std::thread::sleep(Duration::from_millis(2));
            }
            if child.try_wait().unwrap().is_none() {
                let watch = format!(
                    "tail --pid={} -f /dev/null; kill -9 {}; rm -rf \"$FOLDER\"",
                    std::process::id(),
                    child.id()
                );
                let watched = Command::new("sh")
                    .args(["-c", &watch])
                    .env("FOLDER", &self.folder)
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn();
                self.watched = Some(watched.unwrap());
                self.child = Some(child);
                return;
            }
            // Somebody else took the port in between. Another one, unless clients know this one already.
            self.address.set_port(free_port());
        }
    }

    /// SIGKILL, and waits for its end.
    pub(crate) fn kill(&mut self) {
        if let Some(mut watched) = self.watched.take() {
            drop(watched.kill());
            drop(watched.wait());
        }
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// A store on it, in a namespace that no other has.
    pub(crate) fn settings(&self) -> Settings {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Settings {
            url: self.url(),
            namespace: format!("n{}", COUNT.fetch_add(1, Ordering::Relaxed)),
            layout: Layout::new(4),
            limits: Limits { log_commits: 100, push_max_bytes: 64 },
            timeout: Duration::from_secs(2),
            connections: 2,
        }
    }

    /// A command, by hand.
    pub(crate) fn ask(&self, words: &[&str]) -> redis::Value {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_connection_with_timeout(PATIENCE).unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut connection).unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        drop(std::fs::remove_dir_all(&self.folder));
    }
}
