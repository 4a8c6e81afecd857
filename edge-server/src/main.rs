//! Reads the command line and the configuration, runs the server, and exits: 0 after a shutdown, 2 for a mistake.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use edge_server::config::Config;
use edge_server::{access, app};
use jiff::Timestamp;
use tracing_subscriber::EnvFilter;
use wire::Scope;

/// Pulls upstream HTTP APIs, commits what changed and announces it to every following cache.
///
/// Configuration comes from a TOML file, then the environment (EDGE__STREAM__HB_MS=2000), then --set and the other
/// flags; the later one wins. Sources are off until they are enabled. Logs go to standard error and obey RUST_LOG.
#[derive(Parser)]
#[command(version, after_help = AFTER)]
struct Arguments {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The folder of the built dashboard
    #[arg(long, value_name = "FOLDER")]
    www: Option<String>,
    /// Sets any configuration key, as in --set sources.mlb.enabled=true; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Prints the configuration that would be used, and exits
    #[arg(long)]
    print_config: bool,
    /// Prints a reader's token for these scopes (`*` for all), signed with the first of read_secrets, and exits
    #[arg(long, value_name = "SCOPE,SCOPE", value_delimiter = ',', conflicts_with = "print_config")]
    sign_token: Vec<String>,
    /// How long such a token is good
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u32).range(1..))]
    token_seconds: u32,
}

const AFTER: &str = "\
Examples:
  edge-server                                        serve an empty store on 127.0.0.1:8080
  edge-server --config edge.toml --listen 0.0.0.0:80
  edge-server --set sources.prizepicks.enabled=true --set sources.prizepicks.leagues=7,2
  edge-server --config edge.toml --sign-token sport:mlb:,sport:nba: --token-seconds 600
  edge-server --print-config                         every key with its value

Paths: /v1/entries/{key}  /v1/entries?scope=  /v1/entries:get  /v1/ingest  /v1/invalidate  /v1/stream
       /v1/prefetch-model?scope=  /health/live  /health/ready  /health/detailed  /metrics";

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, as in batch.flush_ms=20")?;
    Ok((key.trim().into(), value.trim().into()))
}

fn signed(config: &Config, scopes: &[String], seconds: u32) -> Result<String, String> {
    let secret = config.read_secrets.first().ok_or("there is nothing to sign with: set read_secrets")?;
    for scope in scopes.iter().filter(|scope| *scope != "*") {
        Scope::parse(scope).map_err(|error| format!("`{scope}`: {error}"))?;
    }
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    Ok(access::sign(secret, Timestamp::now().as_second() + i64::from(seconds), &scopes))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let logs = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(logs).with_writer(std::io::stderr).init();
    match start(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("edge-server: {error}");
            ExitCode::from(2)
        }
    }
}

fn start(arguments: Arguments) -> Result<(), String> {
    let mut settings = arguments.set;
    settings.extend(arguments.listen.map(|listen| ("listen".into(), listen)));
    settings.extend(arguments.www.map(|www| ("www".into(), www)));
    // Variables of other programs may be any bytes; one of ours that is not text is refused by its value.
    let lossy = |text: OsString| text.to_string_lossy().into_owned();
    let environment = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
    let config = Config::load(arguments.config.as_deref(), environment, &settings).map_err(|e| e.to_string())?;
    if arguments.print_config {
        print!("{}", toml::to_string(&config).map_err(|error| error.to_string())?);
        return Ok(());
    }
    if !arguments.sign_token.is_empty() {
        println!("{}", signed(&config, &arguments.sign_token, arguments.token_seconds)?);
        return Ok(());
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let address = config.listen_address().map_err(|error| error.to_string())?;
        let in_use = |error| format!("cannot listen on {address}: {error}; choose another with --listen");
        let listener = app::listen(address).map_err(in_use)?;
        let bound = listener.local_addr().map_err(|error| error.to_string())?;
        // Signals first: whoever reads the line may send one at once.
        let terminated = app::terminated();
        println!("edge-server listening on http://{bound}");
        app::run(listener, config, terminated).await
    })
}
