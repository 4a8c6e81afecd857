//! The program: its flags, its mistakes in one line, and how it ends.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use wire::{Codec, ServerFrame};

use crate::peer::Peer;
use crate::server::{client, send};
use crate::soon;
use crate::upstream::{Reply, row, upstream};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge-server"));
    command.env_clear().env("RUST_LOG", "warn").stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A running program. Dropped, it is killed.
struct Running {
    child: Child,
    /// Kept open: the program may write more.
    _stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Running {
    /// Starts it on a free port, and waits for the line that says so.
    fn start(settings: &[(String, String)]) -> Running {
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        for (key, value) in settings {
            command.args(["--set", &format!("{key}={value}")]);
        }
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.strip_prefix("edge-server listening on http://").unwrap_or_else(|| panic!("{line:?}"));
        let address = address.trim().parse().unwrap();
        Running { child, _stdout: stdout, address }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end: its exit code, or `None` after a signal.
    async fn end(mut self) -> Option<i32> {
        let wait = tokio::task::spawn_blocking(move || self.child.wait().unwrap());
        soon("the program's end", wait).await.unwrap().code()
    }
}

#[test]
fn the_help_names_every_flag_and_every_path() {
    let Output { status, stdout, stderr } = program().arg("--help").output().unwrap();
    assert!(status.success() && stderr.is_empty());
    let help = text(&stdout);
    for part in [
        "--config <FILE>",
        "--listen <ADDRESS>",
        "--www <FOLDER>",
        "--set <KEY=VALUE>",
        "--print-config",
        "--sign-token <SCOPE,SCOPE>",
        "--token-seconds <SECONDS>",
        "--help",
        "--version",
        "EDGE__STREAM__HB_MS=2000",
        "/v1/entries/{key}",
        "/v1/entries?scope=",
        "/v1/entries:get",
        "/v1/ingest",
        "/v1/invalidate",
        "/v1/stream",
        "/v1/prefetch-model",
        "/health/live",
        "/health/ready",
        "/health/detailed",
        "/metrics",
    ] {
        assert!(help.contains(part), "{part} is not in\n{help}");
    }
}

#[test]
fn a_mistake_is_one_line_and_exit_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let file = std::env::temp_dir().join(format!("edge-server-test-{}.toml", std::process::id()));
    std::fs::write(&file, "[batch]\nflush = 5\n").unwrap();
    let check = |arguments: &[&str], environment: &[(&str, &str)], expected: &str| {
        let mut command = program();
        let Output { status, stdout, stderr } =
            command.args(arguments).envs(environment.iter().copied()).output().unwrap();
        let told = text(&stderr);
        assert_eq!(status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.starts_with("edge-server: ") && told.ends_with('\n'), "{told:?}");
        assert_eq!(told.lines().count(), 1, "{told:?}");
        assert!(told.contains(expected), "`{expected}` is not in {told:?}");
        assert!(stdout.is_empty(), "{}", text(&stdout));
    };
    check(&["--config", file.to_str().unwrap()], &[], "`batch.flush`; did you mean `batch.flush_ms`?");
    check(&["--config", "/nowhere/edge.toml"], &[], "cannot read /nowhere/edge.toml");
    check(&["--config", "/"], &[], "cannot read /");
    check(&[], &[("EDGE__STREAM__HB", "5")], "`stream.hb`; did you mean `stream.hb_ms`?");
    check(&["--set", "store.partition=3"], &[], "did you mean `store.partitions`?");
    check(&["--set", "batch.items=many"], &[], "batch.items");
    check(&["--listen", &taken], &[], &format!("cannot listen on {taken}"));
    check(&["--listen", "somewhere"], &[], "`somewhere` is not an address");
    check(&["--www", "/nowhere"], &[], "no index.html in /nowhere");
    check(&["--set", "sources.mlb.base_url=statsapi"], &[], "sources.mlb.base_url: `statsapi` is not a URL");
    check(&["--set", "sources.prizepicks.base_url=ftp://x"], &[], "write `http://` or `https://`");
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn the_configuration_that_would_be_used_is_printed_and_can_be_read_back() {
    let environment = [("EDGE__BATCH__FLUSH_MS", "7"), ("PATH", "/bin")];
    let output = program().args(["--print-config", "--set", "batch.items=9"]).envs(environment).output().unwrap();
    assert!(output.status.success());
    let file = std::env::temp_dir().join(format!("edge-server-printed-{}.toml", std::process::id()));
    std::fs::write(&file, &output.stdout).unwrap();
    let again = program().args(["--print-config", "--config", file.to_str().unwrap()]).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(text(&again.stdout), text(&output.stdout));
    assert!(text(&output.stdout).contains("flush_ms = 7") && text(&output.stdout).contains("items = 9"));
}

#[tokio::test]
async fn a_token_that_it_signs_is_one_that_it_takes() {
    let secrets = "read_secrets=a secret that only this test knows of,a second one that is not used to sign";
    let output = program().args(["--set", secrets, "--sign-token", "sport:mlb:,sport:nba:"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let token = text(&output.stdout).trim().to_owned();
    let running =
        Running::start(&[secrets.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())).unwrap()]);
    let get = |path: &str| client().get(format!("http://{}{path}", running.address)).bearer_auth(&token);
    assert_eq!(send(get("/v1/entries?scope=sport:nba:")).await.status, 200);
    assert_eq!(send(get("/v1/entries?scope=sport:nfl:")).await.status, 403);
    running.signal("TERM");
    assert_eq!(running.end().await, Some(0));
    for (arguments, told) in [
        (vec!["--sign-token", "sport:mlb:"], "set read_secrets"),
        (vec!["--set", secrets, "--sign-token", "sport:mlb"], "`sport:mlb`: the scope does not end"),
    ] {
        let output = program().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
    }
}

#[test]
fn a_variable_that_is_not_text_is_no_concern_of_its() {
    use std::os::unix::ffi::OsStrExt;
    let strange = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    let output = program().arg("--print-config").env("STRANGE", strange).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn it_ends_with_code_0_on_each_signal_however_early() {
    for signal in ["TERM", "INT", "TERM", "INT", "TERM", "INT"] {
        let running = Running::start(&[]);
        running.signal(signal);
        assert_eq!(running.end().await, Some(0), "{signal}");
    }
}

#[tokio::test]
async fn on_sigterm_what_waits_is_committed_and_told_before_the_close() {
    let upstream = upstream(Reply::document(&[row("1", 1.5), row("2", 2.5), row("3", 3.5)])).await;
    let mut settings = upstream.settings();
    settings.push(("batch.flush_ms".into(), "60000".into()));
    let running = Running::start(&settings);
    // Many, because what they are told at the end races with the end.
    let mut followers = Vec::new();
    for _ in 0..40 {
        let mut peer = Peer::welcomed(running.address, Codec::Postcard).await;
        let followed = peer.follow("sport:nba:", None).await;
        followers.push((peer, followed));
    }
    let http = client();
    let get = async |path: &str| send(http.get(format!("http://{}{path}", running.address))).await;
    let waiting = async { while !get("/metrics").await.text().contains("edge_waiting_records 3\n") {} };
    soon("the records to wait", waiting).await;
    let scan = get("/v1/entries?scope=sport:nba:").await;
    assert_eq!(scan.json()["items"], serde_json::json!([]), "they are not committed yet");

    running.signal("TERM");
    for (mut peer, followed) in followers {
        let change = peer.change(followed).await;
        assert_eq!(change.items.len(), 3, "the batch that was not full, whole");
        let bye = peer.news().await;
        assert!(matches!(bye, ServerFrame::Bye { code: 4_000, .. }), "{bye:?}");
        let (code, reason) = peer.closed().await;
        assert_eq!((code, reason.as_str()), (4_000, "the server is going away"));
    }
    assert_eq!(running.end().await, Some(0));
}

#[tokio::test]
async fn on_sigterm_every_connection_hears_bye() {
    let running = Running::start(&[]);
    let mut peers = Vec::new();
    for _ in 0..100 {
        peers.push(Peer::welcomed(running.address, Codec::Postcard).await);
    }
    running.signal("TERM");
    for mut peer in peers {
        assert!(matches!(peer.news().await, ServerFrame::Bye { code: 4_000, .. }));
        assert_eq!(peer.closed().await.0, 4_000);
    }
    assert_eq!(running.end().await, Some(0));
}

#[tokio::test]
async fn a_thousand_may_wait_to_be_accepted() {
    let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let waiting = limit.trim().parse::<usize>().unwrap().min(1_000);
    let listener = edge_server::app::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut all = Vec::new();
    for number in 0..waiting {
        let connect = tokio::net::TcpStream::connect(address);
        all.push(soon(&format!("connection {number} of {waiting}"), connect).await.unwrap());
    }
}

#[tokio::test]
async fn what_is_sent_does_not_wait_for_what_was_sent_before() {
    use axum::serve::Listener;
    let listener = edge_server::app::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let _client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = edge_server::http::prompt(listener).accept().await;
    assert!(accepted.nodelay().unwrap());
}
