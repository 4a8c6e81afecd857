//! Which store the configuration names.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::embedded::Embedded;
use super::redis::{Redis, Settings};
use super::{Announcement, Layout, Limits, Store, Tail};
use crate::config::StoreConfig;
use crate::health::Components;

/// A store that was opened, and what it holds for those who come back: one tail a partition.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// See there.
    pub tails: Vec<Tail>,
}

/// Opens the configured store. What it announces goes to `announcements`, from the ends of the tails on.
///
/// # Errors
/// A sentence, when it cannot be used.
pub async fn open(
    config: &StoreConfig,
    components: Arc<Components>,
    announcements: mpsc::Sender<Announcement>,
) -> Result<Opened, String> {
    let layout = Layout::new(config.partitions);
    let limits = Limits { log_commits: config.log_commits, push_max_bytes: config.push_max_bytes };
    if !config.url.is_empty() {
        let settings = Settings {
            url: config.url.clone(),
            namespace: config.namespace.clone(),
            layout,
            limits,
            timeout: Duration::from_millis(config.timeout_ms),
            connections: config.connections,
        };
        let (store, tails) = Redis::open(settings, components, announcements).await?;
        return Ok(Opened { store: Arc::new(store), tails });
    }
    let store = Embedded::new(layout, limits, || fastrand::u64(..), announcements);
    let mut tails = Vec::new();
    for partition in layout.partitions() {
        let from = store.head(partition).await.map_err(|error| error.to_string())?;
        tails.push(Tail { from, commits: Vec::new() });
    }
    Ok(Opened { store: Arc::new(store), tails })
}
