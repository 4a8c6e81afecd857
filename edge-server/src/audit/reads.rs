//! The auditor's task: it hears what the hub has published, and reads over a real connection to the server's own address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{StatusCode, Url};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use wire::Offset;
use xxhash_rust::xxh3::xxh3_64;

use super::{Answer, Moment, Read};
use crate::app::Edge;
use crate::store::Commit;

/// Reads at a time.
const CONCURRENCY: usize = 4;
/// How long a read may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest sleep of a loop that has nothing to do.
const IDLE: Duration = Duration::from_secs(3600);

/// Audits until the hub publishes no more. `address` is where the server listens.
pub async fn run(edge: Arc<Edge>, mut published: mpsc::Receiver<Arc<Commit>>, address: SocketAddr) {
    let base = format!("http://{}/v1/entries/", loopback(address));
    // Made with the first read: most of its time goes into TLS, which is not spoken here.
    let mut client = None;
    let mut reads: JoinSet<(u64, Answer)> = JoinSet::new();
    loop {
        let pause = edge.audit(|auditor| {
            while reads.len() < CONCURRENCY
                && let Some(read) = auditor.take_due(edge.moment())
            {
                let client = client.get_or_insert_with(client_of).clone();
                let (base, token) = (base.clone(), edge.access().own_token(edge.wall_ms()));
                reads.spawn(async move { (read.id, perform(client, &base, token, &read).await) });
            }
            while let Some(violation) = auditor.poll_violation() {
                let trace = serde_json::to_string(&violation).unwrap_or_default();
                tracing::error!(key = %violation.key, why = violation.why, trace, "a read contradicts what was announced");
            }
            // With every read under way something is due only when one ends.
            let due = auditor.next_due().filter(|_| reads.len() < CONCURRENCY);
            due.map_or(IDLE, |due| Duration::from_millis(due.saturating_sub(edge.clock_ms()).max(1)))
        });
        let Some(pause) = pause else { return };
        tokio::select! {
            commit = published.recv() => {
                let Some(commit) = commit else { return };
                edge.audit(|auditor| auditor.heard(&commit, edge.moment()));
            }
            Some(ended) = reads.join_next() => match ended {
                Ok((id, answer)) => drop(edge.audit(|auditor| auditor.answered(id, &answer, edge.moment()))),
                Err(error) => tracing::error!(%error, "a read of the auditor failed"),
            },
            () = sleep(pause) => {}
        }
    }
}

/// An address to reach a listener at that listens on all of them.
fn loopback(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let ip = if address.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
        address.set_ip(ip);
    }
    address
}

fn client_of() -> Option<reqwest::Client> {
    // Another part of the process may have chosen a provider before.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let agent = concat!("edge-server-audit/", env!("CARGO_PKG_VERSION"));
    reqwest::Client::builder().no_proxy().timeout(TIMEOUT).user_agent(agent).build().ok()
}

async fn perform(client: Option<reqwest::Client>, base: &str, token: Option<String>, read: &Read) -> Answer {
    let Some(client) = client else { return Answer::Failed("there is no HTTP client".into()) };
    ask(&client, base, token, read).await.unwrap_or_else(|error| Answer::Failed(error.without_url().to_string()))
}

async fn ask(
    client: &reqwest::Client,
    base: &str,
    token: Option<String>,
    read: &Read,
) -> Result<Answer, reqwest::Error> {
    let Ok(mut url) = Url::parse(base) else { return Ok(Answer::Failed(format!("{base} is no address"))) };
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push(read.key.as_str());
    }
    let request = client.get(url).header("cache-min", read.min.to_string());
    let response = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth).send().await?;
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let as_of = header("cache-as-of").and_then(|text| text.parse().ok());
    let version = header("cache-version").and_then(|text| Offset::new(text.parse().ok()?).ok());
    let status = response.status();
    let body = response.bytes().await?;
    Ok(match (status, as_of, version) {
        (StatusCode::OK, Some(as_of), Some(version)) => Answer::Value { as_of, version, hash: xxh3_64(&body) },
        (StatusCode::NOT_FOUND, Some(as_of), _) => Answer::Nothing { as_of },
        _ => Answer::Failed(format!("status {status}")),
    })
}

impl Edge {
    /// This moment, by both clocks.
    pub fn moment(&self) -> Moment {
        Moment { clock_ms: self.clock_ms(), unix_ms: self.now_ms() }
    }
}
