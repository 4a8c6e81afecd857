//! `cargo xtask demo`: the server and its page against a simulated upstream, for a person to look at or, with --check,
//! for a script to judge. Both servers live exactly as long as this command.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::redis::RedisServer;
use crate::servers::Server;
use crate::supervise::{self, Supervised};
use crate::workspace::{Profile, Workspace};
use crate::{build, prerequisites, shell};

/// The port of the interactive demo, unless it is taken.
const PORT: u16 = 8080;

/// How long the checking script may take.
const CHECK_LIMIT: Duration = Duration::from_secs(120);

/// How long an interrupted server may take to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// What to show, and to whom.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Serve the recordings of this folder instead of generated data
    #[arg(long, value_name = "DIR")]
    replay: Option<PathBuf>,
    /// Keep the values in a redis-server of the demo's own instead of in the server
    #[arg(long)]
    redis: bool,
    /// Let a script check the page and end; its verdict is the one line on stdout
    #[arg(long)]
    check: bool,
    /// The page's port [default: 8080, or with --check any that is free]
    #[arg(long)]
    port: Option<u16>,
    /// Run optimised builds
    #[arg(long)]
    release: bool,
    /// What the generated data starts from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Args {
    /// `--check --redis`, of generated data.
    pub(crate) fn checking_on_redis() -> Self {
        Self { redis: true, ..Self::checking(None) }
    }

    /// `--check`, of generated data or of recordings.
    pub(crate) fn checking(replay: Option<PathBuf>) -> Self {
        Self { replay, redis: false, check: true, port: None, release: false, seed: 1 }
    }
}

/// Builds everything, starts both servers, then waits for Ctrl-C or runs the check and passes its exit code on.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let recordings = args.replay.as_deref().map(recordings).transpose()?;
    let port = port(args)?;
    let profile = if args.release { Profile::Release } else { Profile::Dev };
    if args.check {
        // Before the build: it is a pity to learn only minutes later that there is no browser.
        prerequisites::chromium()?;
    }
    build::everything(workspace, profile)?;
    // Ended last: what waits at the end is still committed to it.
    let redis = args.redis.then(|| RedisServer::start(&logs(workspace)?)).transpose()?;
    let store = redis.as_ref().map(|redis| redis.url.as_str());
    let (server, upstream) =
        start(workspace, profile, port, &upstream_args(recordings.as_deref(), args), args.replay.is_some(), store)?;
    if args.check {
        return check(workspace, &server, &upstream, args.replay.is_some());
    }
    show(workspace, server, upstream, redis.as_ref())
}

/// Starts the server on generated data, for a bench to read from. Both must have been built.
pub(crate) fn start_generated(workspace: &Workspace, profile: Profile) -> Result<(Server, Server)> {
    start(workspace, profile, 0, &upstream_args(None, &Args::checking(None)), false, None)
}

/// Starts the upstream, then the server that polls it.
fn start(
    workspace: &Workspace,
    profile: Profile,
    port: u16,
    upstream_args: &[OsString],
    replays: bool,
    store: Option<&str>,
) -> Result<(Server, Server)> {
    let folder = logs(workspace)?;
    let upstream = Server::start("upstream", &workspace.upstream(profile), upstream_args, &folder)?;
    let config = folder.join("edge.toml");
    fs::write(&config, edge_toml(port, &workspace.root.join("www/dist"), &upstream.url, replays, store))
        .with_context(|| format!("cannot write {}", config.display()))?;
    let server_args = ["--config".into(), config.into_os_string()];
    let server = Server::start("edge-server", &workspace.edge_server(profile), &server_args, &folder)?;
    Ok((server, upstream))
}

/// Where the servers' words and the configuration go.
fn logs(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("demo");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Says where everything is and waits until it is interrupted or a server ends.
fn show(workspace: &Workspace, server: Server, upstream: Server, redis: Option<&RedisServer>) -> Result<ExitCode> {
    let interrupts = supervise::interrupts()?;
    println!("\nThe page is at {}\n", server.url);
    println!("  {:<12} {}  (log: {})", server.name, server.url, workspace.shown(&server.log));
    println!("  {:<12} {}  (log: {})", upstream.name, upstream.url, workspace.shown(&upstream.log));
    if let Some(redis) = redis {
        println!("  {:<12} {}  (log: {})", "redis-server", redis.url, workspace.shown(&redis.log));
    }
    println!("\nCtrl-C stops them.");
    let mut servers = [server, upstream];
    loop {
        if interrupts.recv_timeout(Duration::from_millis(200)) != Err(RecvTimeoutError::Timeout) {
            // A terminal interrupts the servers too; what has not ended by then is ended as `servers` is dropped.
            for server in &mut servers {
                server.wait(STOP_LIMIT)?;
            }
            println!("Stopped.");
            return Ok(ExitCode::SUCCESS);
        }
        for server in &mut servers {
            if let Some(status) = server.ended()? {
                bail!("{} ended by itself ({status}){}", server.name, server.tail());
            }
        }
    }
}

/// Runs the checking script and prints its verdict.
fn check(workspace: &Workspace, server: &Server, upstream: &Server, replays: bool) -> Result<ExitCode> {
    let mode = if replays { "replay" } else { "generated" };
    shell::say(&format!("> node www/e2e/check.mjs {} {} {mode}", server.url, upstream.url));
    let mut command = supervise::command("node".as_ref())?;
    command.args(["www/e2e/check.mjs", &server.url, &upstream.url, mode]).current_dir(&workspace.root);
    command.env("CHROMIUM", prerequisites::chromium()?);
    let mut script = Supervised::spawn(command.stdout(Stdio::piped()))?;
    let mut stdout = script.child().stdout.take().context("a piped stdout")?;
    let printed = thread::spawn(move || {
        let mut printed = String::new();
        stdout.read_to_string(&mut printed).map(|_| printed)
    });
    let Some(status) = script.wait(CHECK_LIMIT)? else {
        bail!("www/e2e/check.mjs took over {} s{}{}", CHECK_LIMIT.as_secs(), server.tail(), upstream.tail());
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    if code != 0 {
        shell::say(&format!("www/e2e/check.mjs failed ({status}){}{}", server.tail(), upstream.tail()));
    }
    let printed = printed.join().ok().context("the reader of the verdict panicked")??;
    println!("{}", verdict(&printed)?);
    Ok(ExitCode::from(code))
}

/// The script's one line of JSON.
fn verdict(printed: &str) -> Result<&str> {
    let mut lines = printed.lines().filter(|line| !line.trim().is_empty());
    let (Some(line), None) = (lines.next(), lines.next()) else {
        bail!("www/e2e/check.mjs must print one line on stdout; it printed {printed:?}");
    };
    serde_json::from_str::<serde_json::Value>(line)
        .with_context(|| format!("www/e2e/check.mjs must print JSON on stdout; it printed {line:?}"))?;
    Ok(line)
}

fn recordings(folder: &Path) -> Result<PathBuf> {
    match folder.canonicalize() {
        Ok(path) if path.is_dir() => Ok(path),
        _ => bail!("--replay names {}, which is no folder", folder.display()),
    }
}

/// The port for the page; 0 lets the system choose.
fn port(args: &Args) -> Result<u16> {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    match args.port {
        Some(port) if !is_free(port) => bail!("port {port} cannot be had: name another with --port"),
        Some(port) => Ok(port),
        None if args.check => Ok(0),
        None if is_free(PORT) => Ok(PORT),
        None => {
            shell::say(&format!("port {PORT} is in use: the page gets another (or name one with --port)"));
            Ok(0)
        }
    }
}

fn upstream_args(recordings: Option<&Path>, args: &Args) -> Vec<OsString> {
    // A script steps through recordings itself; a person wants time to read.
    let tick_ms = match (recordings, args.check) {
        (Some(_), true) => "0",
        (Some(_), false) => "20000",
        (None, _) => "1000",
    };
    let seed = args.seed.to_string();
    let mut list: Vec<OsString> =
        ["--listen", "127.0.0.1:0", "--seed", &seed, "--tick-ms", tick_ms].map(OsString::from).to_vec();
    list.extend(recordings.into_iter().flat_map(|folder| ["--replay".into(), folder.into()]));
    list
}

fn edge_toml(port: u16, www: &Path, upstream: &str, replays: bool, store: Option<&str>) -> String {
    // The recordings hold league 7 alone.
    let leagues = if replays { "[7]" } else { "[2, 7]" };
    let store = store.map(|url| format!("[store]\nurl = \"{url}\"\n\n")).unwrap_or_default();
    // A JSON string is a TOML string.
    let www = serde_json::Value::from(www.to_string_lossy());
    format!(
        "# Written by `cargo xtask demo` at every start.
listen = \"127.0.0.1:{port}\"
www = {www}

{store}[sources.mlb]
enabled = true
base_url = \"{upstream}\"
poll_ms = 1000

[sources.prizepicks]
enabled = true
base_url = \"{upstream}\"
leagues = {leagues}
poll_ms = 1000
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_configuration_points_at_the_page_and_the_simulator() {
        let text = edge_toml(
            8080,
            Path::new("/a \"quoted\" place/dist"),
            "http://127.0.0.1:9",
            false,
            Some("redis://127.0.0.1:7"),
        );
        let table: toml::Table = text.parse().expect("valid TOML");
        assert_eq!(table["listen"].as_str(), Some("127.0.0.1:8080"));
        assert_eq!(table["www"].as_str(), Some("/a \"quoted\" place/dist"));
        assert_eq!(table["store"]["url"].as_str(), Some("redis://127.0.0.1:7"));
        for source in ["mlb", "prizepicks"] {
            let source = &table["sources"][source];
            assert_eq!(source["enabled"].as_bool(), Some(true));
            assert_eq!(source["base_url"].as_str(), Some("http://127.0.0.1:9"));
            assert_eq!(source["poll_ms"].as_integer(), Some(1000));
        }
        assert_eq!(table["sources"]["prizepicks"]["leagues"], toml::Value::from(vec![2, 7]));
    }

    #[test]
    fn recordings_hold_one_league() {
        let text = edge_toml(0, Path::new("/dist"), "http://127.0.0.1:9", true, None);
        let table: toml::Table = text.parse().expect("valid TOML");
        assert_eq!(table["sources"]["prizepicks"]["leagues"], toml::Value::from(vec![7]));
    }

    #[test]
    fn recordings_are_stepped_by_a_script_and_tick_slowly_for_a_person() {
        let check = |replay: Option<&str>, check: bool, expected: &str| {
            let args = Args { check, seed: 4, ..Args::checking(None) };
            let list = upstream_args(replay.map(Path::new), &args);
            let line: Vec<_> = list.iter().map(|argument| argument.to_string_lossy()).collect();
            assert_eq!(line.join(" "), format!("--listen 127.0.0.1:0 --seed 4 --tick-ms {expected}"));
        };
        check(None, false, "1000");
        check(None, true, "1000");
        check(Some("/r"), false, "20000 --replay /r");
        check(Some("/r"), true, "0 --replay /r");
    }

    #[test]
    fn a_verdict_is_one_line_of_json() {
        assert_eq!(verdict("{\"ok\":true}\n").expect("one line"), "{\"ok\":true}");
        for wrong in ["", "all good\n", "{}\n{}\n"] {
            assert!(verdict(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_named_port_that_is_taken_is_an_error() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let number = taken.local_addr().expect("its address").port();
        let error = port(&Args { port: Some(number), ..Args::checking(None) }).expect_err("taken").to_string();
        assert_eq!(error, format!("port {number} cannot be had: name another with --port"));
    }
}
