//! What a Redis must be before it is trusted with values. What is not so is refused at the start, in a sentence that says
//! how to mend it.

use redis::Client;

use super::link::Link;
use super::names::layout_name;
use crate::store::Layout;

/// The oldest version that is supported.
const VERSION_MIN: [u32; 2] = [6, 2];

/// A client of the URL; nothing is connected yet.
///
/// # Errors
/// A sentence, when it is no URL of a Redis that can be spoken to.
pub(super) fn client(url: &str) -> Result<Client, String> {
    match url.split_once("://") {
        Some(("redis", _)) => {}
        Some(("rediss", _)) => return Err("store.url: TLS (`rediss://`) is not supported yet; use `redis://`".into()),
        _ => return Err("store.url: write `redis://[user:password@]host[:port][/database]`".into()),
    }
    Client::open(url).map_err(|error| format!("store.url: {error}"))
}

/// The server and the database of a client, without its password.
pub(super) fn shown(client: &Client) -> String {
    let info = client.get_connection_info();
    format!("redis://{}/{}", info.addr(), info.redis_settings().db())
}

/// Asks the server what it is, and whether the namespace is laid out as this server would.
pub(super) async fn check(link: &Link, namespace: &str, layout: Layout) -> Result<(), String> {
    let server = shown(link.client());
    let with_server = |what: String| format!("store.url: {server}: {what}");
    let told = link.give(0, &redis::cmd("INFO")).await.map_err(|error| with_server(error.to_string()))?;
    let told: String = redis::from_redis_value(told).map_err(|error| with_server(error.to_string()))?;
    judge(&told).map_err(with_server)?;
    check_layout(link, namespace, layout).await.map_err(with_server)
}

async fn check_layout(link: &Link, namespace: &str, layout: Layout) -> Result<(), String> {
    let (name, own) = (layout_name(namespace), format!("1 {}", layout.partitions().count()));
    let mut claim = redis::cmd("SET");
    claim.arg(&name).arg(&own).arg("NX");
    link.give(0, &claim).await.map_err(|error| error.to_string())?;
    let mut ask = redis::cmd("GET");
    let found = link.give(0, ask.arg(&name)).await.map_err(|error| error.to_string())?;
    let found: String = redis::from_redis_value(found).map_err(|error| error.to_string())?;
    match found.split_once(' ') {
        _ if found == own => Ok(()),
        Some(("1", partitions)) => Err(format!(
            "the namespace `{namespace}` has {partitions} partitions: set store.partitions to that, or name another store.namespace"
        )),
        _ => Err(format!("the namespace `{namespace}` is laid out by another version: name another store.namespace")),
    }
}

/// Judges what `INFO` says.
fn judge(told: &str) -> Result<(), String> {
    let field = |name: &str| {
        told.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':')).unwrap_or_default()
    };
    let version = field("redis_version");
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let number = [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)];
    if number < VERSION_MIN {
        return Err(format!("version {version} is too old: 6.2 is needed at least"));
    }
    if field("cluster_enabled") == "1" {
        return Err("it is a node of a cluster, which is not supported yet: use a single server".into());
    }
    if field("role") != "master" {
        let primary = format!("{}:{}", field("master_host"), field("master_port"));
        return Err(format!("it is a read-only replica: name its primary, {primary}"));
    }
    let policy = field("maxmemory_policy");
    if policy != "noeviction" {
        return Err(format!(
            "its maxmemory-policy is {policy}, which may drop values and the log without a word: set it to noeviction"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(changes: &[(&str, &str)]) -> String {
        let good = [
            ("redis_version", "7.0.15"),
            ("role", "master"),
            ("maxmemory_policy", "noeviction"),
            ("cluster_enabled", "0"),
            ("master_host", "10.0.0.7"),
            ("master_port", "6379"),
        ];
        let value = |name| changes.iter().find(|(changed, _)| *changed == name).map(|(_, value)| *value);
        good.iter().map(|(name, usual)| format!("{name}:{}\r\n", value(*name).unwrap_or(usual))).collect()
    }

    #[test]
    fn a_server_that_may_lose_values_is_refused_with_a_sentence() {
        let check = |changes: &[(&str, &str)], expected: &str| {
            let refusal = judge(&told(changes)).unwrap_err();
            assert!(refusal.contains(expected), "{refusal}");
        };
        assert_eq!(judge(&told(&[])), Ok(()));
        assert_eq!(judge(&told(&[("redis_version", "6.2.0")])), Ok(()));
        assert_eq!(judge(&told(&[("redis_version", "10.0.0")])), Ok(()));
        check(&[("redis_version", "6.0.16")], "version 6.0.16 is too old: 6.2 is needed");
        check(&[("redis_version", "")], "too old");
        check(&[("role", "slave")], "name its primary, 10.0.0.7:6379");
        check(&[("cluster_enabled", "1")], "a node of a cluster");
        for policy in ["allkeys-lru", "volatile-ttl"] {
            check(&[("maxmemory_policy", policy)], &format!("its maxmemory-policy is {policy}"));
        }
    }

    #[test]
    fn urls_are_of_redis() {
        for wrong in ["localhost", "http://localhost", "rediss://localhost", "redis://", "redis://localhost/x"] {
            let refusal = client(wrong).unwrap_err();
            assert!(refusal.starts_with("store.url: "), "{wrong}: {refusal}");
        }
        let client = client("redis://somebody:secret@127.0.0.1:7000/3").unwrap();
        assert_eq!(shown(&client), "redis://127.0.0.1:7000/3");
    }
}
