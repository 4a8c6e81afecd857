//! Configuration: built-in values, then a TOML file, then the environment, then flags; the later one wins.
//!
//! Every field is known here. A name that is not is an error that says which one was probably meant.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::access::SECRET_MIN;
use crate::audit::PER_SECOND_MAX;
use crate::fetch::BaseUrl;

/// The prefix of environment variables; levels are joined by two underscores: `EDGE__SOURCES__MLB__ENABLED=true`.
pub const ENV_PREFIX: &str = "EDGE";

/// The most that `store.push_max_bytes` may be: 50 such values fit into one frame many times over.
const PUSH_MAX: usize = 16 * 1024;
/// The most that `prefetch.contexts` may be: each takes 1 to 6 KiB, by the length of keys and by `k`.
const CONTEXTS_MAX: usize = 65_536;
/// The most that `prefetch.readers` may be: each takes 100 to 400 bytes, by the length of its key.
const READERS_MAX: usize = 1_000_000;

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `listen`: address and port; port 0 takes a free one.
    pub listen: String,
    /// `www`: the folder of the built dashboard; empty serves none.
    pub www: PathBuf,
    /// `write_token`: what PUT, DELETE, ingest and invalidate must show; empty asks for nothing.
    pub write_token: String,
    /// `read_secrets`: what tokens of readers are signed with, each of 32 bytes or more; several while one takes the
    /// place of another. None asks readers for nothing.
    pub read_secrets: Vec<String>,
    /// `cors_origins`: the origins that pages of other sites may read from; `*` for any.
    pub cors_origins: Vec<String>,
    /// `[store]`.
    pub store: StoreConfig,
    /// `[batch]`.
    pub batch: BatchConfig,
    /// `[stream]`.
    pub stream: StreamConfig,
    /// `[prefetch]`.
    pub prefetch: PrefetchConfig,
    /// `[audit]`.
    pub audit: AuditConfig,
    /// `[sources]`.
    pub sources: SourcesConfig,
}

/// `[store]`: where values are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `store.url`: `redis://[user:password@]host[:port][/database]`; empty keeps everything in this process.
    pub url: String,
    /// `store.namespace`: what the names of all keys in Redis begin with; servers of one name share their values.
    pub namespace: String,
    /// `store.timeout_ms`: how long one answer of Redis may take, in milliseconds; a commit is tried for five times that.
    pub timeout_ms: u64,
    /// `store.connections`: connections to Redis for commits and reads, 1 to 64; one more follows.
    pub connections: usize,
    /// `store.partitions`: ordering units; roots are spread over them.
    pub partitions: u16,
    /// `store.log_commits`: commits a partition keeps for those who resume.
    pub log_commits: usize,
    /// `store.push_max_bytes`: values up to so many bytes travel with their announcement.
    pub push_max_bytes: usize,
}

/// `[batch]`: when ingested records are committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// `batch.items`: records of one commit, 1 to 50.
    pub items: usize,
    /// `batch.flush_ms`: how long the first one waits for more, in milliseconds.
    pub flush_ms: u64,
    /// `batch.waiting_max`: records that may wait before sources are held back.
    pub waiting_max: usize,
}

/// `[stream]`: the WebSocket side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamConfig {
    /// `stream.hb_ms`: between heartbeats, in milliseconds.
    pub hb_ms: u32,
    /// `stream.lease_ms`: how long a client may read without hearing more, in milliseconds; at least 3 heartbeats.
    pub lease_ms: u32,
}

/// `[prefetch]`: what is learned of the order that readers read in, for `GET /v1/prefetch-model`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrefetchConfig {
    /// `prefetch.enabled`: whether reads with a `Cache-Reader` teach the model, and whether it is served.
    pub enabled: bool,
    /// `prefetch.k`: distinct readers that must have read one key after another before anybody is told, 2 to 100.
    pub k: usize,
    /// `prefetch.contexts`: keys whose successors are kept, 1 to 65,536; each keeps 8.
    pub contexts: usize,
    /// `prefetch.readers`: readers whose last key is kept in memory, 1 to 1,000,000.
    pub readers: usize,
}

/// `[audit]`: changed keys that are read again, to see that no read is older than what was announced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// `audit.enabled`: whether anything is sampled, and `GET /v1/audit` served.
    pub enabled: bool,
    /// `audit.per_second`: changes sampled, 1 to 100; each is read three times.
    pub per_second: u32,
}

/// `[sources]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourcesConfig {
    /// `[sources.mlb]`: MLB Stats API.
    pub mlb: MlbConfig,
    /// `[sources.prizepicks]`: PrizePicks projections.
    pub prizepicks: PrizePicksConfig,
}

/// `[sources.mlb]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlbConfig {
    /// `sources.mlb.enabled`. Off by default: the owner's terms forbid automated access; see the README.
    pub enabled: bool,
    /// `sources.mlb.base_url`.
    pub base_url: String,
    /// `sources.mlb.poll_ms`: between polls of a live game, in milliseconds; 0 takes what the feed itself asks for.
    pub poll_ms: u64,
}

/// `[sources.prizepicks]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrizePicksConfig {
    /// `sources.prizepicks.enabled`. Off by default: the owner's terms forbid automated access; see the README.
    pub enabled: bool,
    /// `sources.prizepicks.base_url`.
    pub base_url: String,
    /// `sources.prizepicks.leagues`: league ids: 7 NBA, 2 MLB, 9 NFL, 8 NHL, 3 WNBA.
    pub leagues: Vec<u32>,
    /// `sources.prizepicks.poll_ms`: between polls of a league, in milliseconds.
    pub poll_ms: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: "127.0.0.1:8080".into(),
            www: PathBuf::new(),
            write_token: String::new(),
            read_secrets: Vec::new(),
            cors_origins: Vec::new(),
            store: StoreConfig::default(),
            batch: BatchConfig::default(),
            stream: StreamConfig::default(),
            prefetch: PrefetchConfig::default(),
            audit: AuditConfig::default(),
            sources: SourcesConfig::default(),
        }
    }
}

impl Default for StoreConfig {
    fn default() -> StoreConfig {
        StoreConfig {
            url: String::new(),
            namespace: "edge".into(),
            timeout_ms: 1_000,
            connections: 2,
            partitions: 16,
            log_commits: 4_096,
            push_max_bytes: 1_024,
        }
    }
}

impl Default for BatchConfig {
    fn default() -> BatchConfig {
        BatchConfig { items: 50, flush_ms: 50, waiting_max: 100_000 }
    }
}

impl Default for StreamConfig {
    fn default() -> StreamConfig {
        StreamConfig { hb_ms: 2_000, lease_ms: 10_000 }
    }
}

impl Default for PrefetchConfig {
    fn default() -> PrefetchConfig {
        PrefetchConfig { enabled: true, k: 5, contexts: 4_096, readers: 10_000 }
    }
}

impl Default for AuditConfig {
    fn default() -> AuditConfig {
        AuditConfig { enabled: true, per_second: 2 }
    }
}

impl Default for MlbConfig {
    fn default() -> MlbConfig {
        MlbConfig { enabled: false, base_url: "https://statsapi.mlb.com".into(), poll_ms: 0 }
    }
}

impl Default for PrizePicksConfig {
    fn default() -> PrizePicksConfig {
        PrizePicksConfig {
            enabled: false,
            base_url: "https://api.prizepicks.com".into(),
            leagues: vec![7, 2],
            poll_ms: 15_000,
        }
    }
}

/// Why there is no configuration: one line for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read, or is not TOML.
    #[error("{0}")]
    Unreadable(String),
    /// A name that is not known.
    #[error("unknown configuration key `{key}`{hint}")]
    UnknownKey {
        /// The name.
        key: String,
        /// `; did you mean ...?`, or nothing.
        hint: String,
    },
    /// A value of the wrong kind, or outside its range.
    #[error("{0}")]
    Value(String),
}

impl Config {
    /// Reads the layers: a file, environment variables as pairs, and `key=value` settings.
    ///
    /// # Errors
    /// [`ConfigError`], one line.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        settings: &[(String, String)],
    ) -> Result<Config, ConfigError> {
        let mut layers = config::Config::builder();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| ConfigError::Unreadable(format!("cannot read {}: {error}", path.display())))?;
            let file: toml::Table = toml::from_str(&text)
                .map_err(|error| ConfigError::Unreadable(format!("{}: {}", path.display(), one_line(&error))))?;
            check_keys(&file, "")?;
            layers = layers.add_source(config::File::from_str(&text, config::FileFormat::Toml));
        }
        let prefix = format!("{ENV_PREFIX}__");
        let variables = environment.into_iter().filter_map(|(name, value)| {
            let key = name.strip_prefix(&prefix)?.to_ascii_lowercase().replace("__", ".");
            Some((key, value))
        });
        for (key, value) in variables.chain(settings.iter().cloned()) {
            check_key(&key)?;
            layers = layers.set_override(&key, typed(&key, &value)).map_err(|error| wrong(&error))?;
        }
        let config: Config = layers.build().and_then(config::Config::try_deserialize).map_err(|error| wrong(&error))?;
        config.check()?;
        Ok(config)
    }

    /// Where to listen.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is not an address.
    pub fn listen_address(&self) -> Result<SocketAddr, ConfigError> {
        self.listen.parse().map_err(|_| {
            ConfigError::Value(format!("listen: `{}` is not an address such as 127.0.0.1:8080", self.listen))
        })
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |broken: bool, text: String| if broken { Err(ConfigError::Value(text)) } else { Ok(()) };
        self.listen_address()?;
        refuse(
            self.read_secrets.iter().any(|secret| secret.len() < SECRET_MIN),
            format!("read_secrets: a secret has at least {SECRET_MIN} bytes, or it can be guessed"),
        )?;
        let StreamConfig { hb_ms, lease_ms } = self.stream;
        refuse(self.store.partitions == 0, "store.partitions: at least 1 is needed".into())?;
        refuse(
            !self.store.namespace.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
                || self.store.namespace.is_empty(),
            format!("store.namespace: letters, digits, `-`, `_` and `.`, not `{}`", self.store.namespace),
        )?;
        refuse(
            !(50..=60_000).contains(&self.store.timeout_ms),
            format!("store.timeout_ms: 50 to 60000 milliseconds, not {}", self.store.timeout_ms),
        )?;
        refuse(
            !(1..=64).contains(&self.store.connections),
            format!("store.connections: 1 to 64, not {}", self.store.connections),
        )?;
        refuse(
            !(1..=50).contains(&self.batch.items),
            format!("batch.items: 1 to 50 records make a commit, not {}", self.batch.items),
        )?;
        refuse(
            self.store.push_max_bytes > PUSH_MAX,
            format!("store.push_max_bytes: at most {PUSH_MAX}, not {}", self.store.push_max_bytes),
        )?;
        refuse(hb_ms < 100, format!("stream.hb_ms: at least 100 milliseconds, not {hb_ms}"))?;
        refuse(
            lease_ms < hb_ms.saturating_mul(3),
            format!(
                "stream.lease_ms: {lease_ms} is less than 3 heartbeats of {hb_ms}: one late heartbeat would end it"
            ),
        )?;
        let PrefetchConfig { k, contexts, readers, .. } = self.prefetch;
        refuse(
            !(2..=100).contains(&k),
            format!(
                "prefetch.k: 2 to 100 readers make a transition public, not {k}: with 1 a reader's own way would be"
            ),
        )?;
        refuse(
            !(1..=CONTEXTS_MAX).contains(&contexts),
            format!("prefetch.contexts: 1 to {CONTEXTS_MAX}, not {contexts}"),
        )?;
        refuse(!(1..=READERS_MAX).contains(&readers), format!("prefetch.readers: 1 to {READERS_MAX}, not {readers}"))?;
        refuse(
            !(1..=PER_SECOND_MAX).contains(&self.audit.per_second),
            format!("audit.per_second: 1 to {PER_SECOND_MAX} changes, not {}", self.audit.per_second),
        )?;
        refuse(
            !self.www.as_os_str().is_empty() && !self.www.join("index.html").is_file(),
            format!("www: there is no index.html in {}; build the dashboard first", self.www.display()),
        )?;
        for (key, url) in
            [("sources.mlb", &self.sources.mlb.base_url), ("sources.prizepicks", &self.sources.prizepicks.base_url)]
        {
            BaseUrl::parse(url).map_err(|error| ConfigError::Value(format!("{key}.base_url: {error}")))?;
        }
        let prizepicks = &self.sources.prizepicks;
        refuse(prizepicks.poll_ms < 100, "sources.prizepicks.poll_ms: at least 100 milliseconds".into())
    }
}

fn one_line(error: &impl ToString) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wrong(error: &config::ConfigError) -> ConfigError {
    ConfigError::Value(one_line(error))
}

/// Every key there is, as `store.partitions`.
fn known_keys() -> Vec<String> {
    fn collect(value: &serde_json::Value, path: &str, keys: &mut Vec<String>) {
        match value.as_object() {
            Some(fields) => fields.iter().for_each(|(name, value)| collect(value, &join(path, name), keys)),
            None => keys.push(path.into()),
        }
    }
    let mut keys = Vec::new();
    collect(&serde_json::to_value(Config::default()).unwrap_or_default(), "", &mut keys);
    keys
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

fn check_keys(table: &toml::Table, path: &str) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = join(path, name);
        match value {
            toml::Value::Table(inner) => {
                if !known_keys().iter().any(|known| known.starts_with(&format!("{key}."))) {
                    return Err(unknown(&key));
                }
                check_keys(inner, &key)?;
            }
            _ => check_key(&key)?,
        }
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), ConfigError> {
    if known_keys().iter().any(|known| known == key) { Ok(()) } else { Err(unknown(key)) }
}

fn unknown(key: &str) -> ConfigError {
    let mut candidates = known_keys();
    // Tables are named too: `[source]` is near `[sources]`.
    let tables: Vec<String> =
        candidates.iter().flat_map(|key| key.match_indices('.').map(|(at, _)| key[..at].to_owned())).collect();
    candidates.extend(tables);
    let nearest = candidates
        .into_iter()
        .max_by(|a, b| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b)).then_with(|| b.cmp(a)));
    let hint = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
    ConfigError::UnknownKey { key: key.into(), hint }
}

/// A text as the kind of value that its key has; what cannot be read so stays a text, and is refused by type.
fn typed(key: &str, text: &str) -> config::Value {
    let default = serde_json::to_value(Config::default()).unwrap_or_default();
    let pointer = format!("/{}", key.replace('.', "/"));
    let kind: config::ValueKind = match default.pointer(&pointer) {
        Some(serde_json::Value::Bool(_)) => text.parse::<bool>().map_or_else(|_| text.into(), Into::into),
        Some(serde_json::Value::Number(_)) => text.parse::<i64>().map_or_else(|_| text.into(), Into::into),
        Some(serde_json::Value::Array(_)) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            config::ValueKind::Array(parts.map(|part| config::Value::new(None, part)).collect())
        }
        _ => text.into(),
    };
    config::Value::new(None, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)], settings: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect()
        };
        let name = format!("edge-config-{}-{:p}.toml", std::process::id(), file);
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, file).unwrap();
        let config = Config::load(Some(&path), own(environment), &own(settings));
        std::fs::remove_file(&path).unwrap();
        config
    }

    #[test]
    fn later_layers_win() {
        let file = "listen = \"127.0.0.1:1\"\n[batch]\nflush_ms = 7\n[sources.prizepicks]\nleagues = [7]";
        let environment = [("EDGE__LISTEN", "127.0.0.1:2"), ("EDGE__SOURCES__MLB__ENABLED", "true"), ("PATH", "/")];
        let config = load(file, &environment, &[("listen", "127.0.0.1:3"), ("sources.prizepicks.leagues", "2, 9")]);
        let config = config.unwrap();
        assert_eq!(config.listen, "127.0.0.1:3");
        assert_eq!(config.batch, BatchConfig { flush_ms: 7, ..BatchConfig::default() });
        assert!(config.sources.mlb.enabled);
        assert_eq!(config.sources.prizepicks.leagues, [2, 9]);
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        let check = |file: &str, environment: &[(&str, &str)], settings: &[(&str, &str)], expected: &str| {
            let error = load(file, environment, settings).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        };
        check("lisen = \"127.0.0.1:1\"", &[], &[], "unknown configuration key `lisen`; did you mean `listen`?");
        check("[source.mlb]\nenabled = true", &[], &[], "did you mean `sources`?");
        check("[store]\npartition = 3", &[], &[], "`store.partition`; did you mean `store.partitions`?");
        check("", &[("EDGE__BATCH__FLUSHMS", "3")], &[], "`batch.flushms`; did you mean `batch.flush_ms`?");
        check("", &[], &[("stream.hbms", "3")], "did you mean `stream.hb_ms`?");
        check("listen = ", &[], &[], "TOML");
        check("listen = \"localhost\"", &[], &[], "`localhost` is not an address");
        check("", &[], &[("sources.mlb.base_url", "statsapi")], "sources.mlb.base_url: `statsapi` is not a URL");
        check("", &[], &[("sources.mlb.base_url", "ftp://x")], "write `http://` or `https://`");
        check("", &[], &[("batch.items", "51")], "1 to 50");
        check("", &[], &[("batch.items", "many")], "batch.items");
        check("", &[], &[("stream.lease_ms", "100")], "3 heartbeats");
        check("", &[], &[("read_secrets", "too-short")], "read_secrets: a secret has at least 32 bytes");
        check("", &[], &[("prefetch.k", "1")], "prefetch.k: 2 to 100 readers");
        check("", &[], &[("prefetch.k", "101")], "prefetch.k: 2 to 100 readers");
        check("", &[], &[("prefetch.contexts", "0")], "prefetch.contexts: 1 to 65536");
        check("", &[], &[("prefetch.readers", "1000001")], "prefetch.readers: 1 to 1000000");
        check("", &[], &[("audit.per_second", "0")], "audit.per_second: 1 to 100");
        check("[prefetch]\nenable = false", &[], &[], "did you mean `prefetch.enabled`?");
        check("", &[], &[("www", "/nowhere")], "no index.html in /nowhere");
        let missing = Config::load(Some(Path::new("/nowhere.toml")), [], &[]).unwrap_err();
        assert!(missing.to_string().starts_with("cannot read /nowhere.toml"), "{missing}");
    }
}
