//! Which store the configuration names, and how what it announces is heard.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::embedded::Embedded;
use super::redis::{Redis, Settings};
use super::{Announcement, Commit, Layout, Limits, Store, Tail};
use crate::config::StoreConfig;
use crate::health::Components;

/// Announcements that may wait for the hub.
const ANNOUNCEMENTS: usize = 1_024;

/// A store in use.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What it is, in a word.
    pub kind: &'static str,
    /// What it holds for those who come back: one tail a partition.
    pub tails: Vec<Tail>,
    /// What it announces, from the ends of the tails on.
    pub announced: Announced,
    /// How the parts are that it depends on.
    pub components: Arc<Components>,
}

/// What a store announces.
#[derive(Debug)]
pub enum Announced {
    /// Of a store that announces every commit itself.
    Commits(mpsc::Receiver<Arc<Commit>>),
    /// Of a store that follows a log, which may not go on.
    Followed(mpsc::Receiver<Announcement>),
}

impl Announced {
    /// The next announcement; none once the store is gone.
    pub async fn next(&mut self) -> Option<Announcement> {
        match self {
            Announced::Commits(commits) => commits.recv().await.map(Announcement::Commit),
            Announced::Followed(announcements) => announcements.recv().await,
        }
    }
}

/// Opens the configured store.
///
/// # Errors
/// A sentence, when it cannot be used.
pub async fn open(config: &StoreConfig) -> Result<Opened, String> {
    let layout = Layout::new(config.partitions);
    let limits = Limits { log_commits: config.log_commits, push_max_bytes: config.push_max_bytes };
    if config.url.is_empty() {
        let (announce, announced) = mpsc::channel(ANNOUNCEMENTS);
        let store = Embedded::new(layout, limits, || fastrand::u64(..), announce);
        return with(Arc::new(store), announced).await;
    }
    let settings = Settings {
        url: config.url.clone(),
        namespace: config.namespace.clone(),
        layout,
        limits,
        timeout: Duration::from_millis(config.timeout_ms),
        connections: config.connections,
    };
    let (announce, announced) = mpsc::channel(ANNOUNCEMENTS);
    let components = Arc::new(Components::default());
    let (store, tails) = Redis::open(settings, components.clone(), announce).await?;
    let announced = Announced::Followed(announced);
    Ok(Opened { store: Arc::new(store), kind: "redis", tails, announced, components })
}

/// A store in this process, which announces its commits there.
///
/// # Errors
/// A sentence, when it does not say where it stands.
pub async fn with(store: Arc<dyn Store>, announced: mpsc::Receiver<Arc<Commit>>) -> Result<Opened, String> {
    let mut tails = Vec::new();
    for partition in store.layout().partitions() {
        let from = store.head(partition).await.map_err(|error| error.to_string())?;
        tails.push(Tail { from, commits: Vec::new() });
    }
    let announced = Announced::Commits(announced);
    Ok(Opened { store, kind: "embedded", tails, announced, components: Arc::default() })
}
