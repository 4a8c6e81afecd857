//! Follows the commits of every server on this Redis: the channel for speed, the log for truth.
//!
//! An announcement that continues what was told is passed on. Whatever else comes makes the follower read the log from
//! where it stands, and so does each second, whatever the channel says or does not say: what the log cannot continue is
//! told as lost, never skipped. A connection that looks alive and brings nothing is found by an echo, sent each second
//! the whole way round.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use jiff::Timestamp;
use redis::RedisError;
use redis::aio::PubSub;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use wire::{Cursor, Offset, Span, Verdict};

use super::Shared;
use super::codec::decode_entry;
use crate::store::{Announcement, Commit, Partition, Resumed};

/// What `/health/detailed` calls the channel.
pub(super) const COMPONENT: &str = "redis pub/sub";
/// How often the log is read and an echo sent.
const PROBE: Duration = Duration::from_secs(1);
/// How long the channel may bring no echo.
const SILENCE: Duration = Duration::from_secs(3);
/// Announcements that may wait for the follower. One more is let go, and read from the log instead.
const HEARD: usize = 1_024;
/// The first and the longest pause before subscribing again.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

/// What the channel brought.
enum Heard {
    /// The subscription began, perhaps anew: what came before it was missed.
    Subscribed,
    Announced(Partition, Vec<u8>),
}

/// Follows from these positions on until the receiver of announcements is gone.
pub(super) async fn follow(shared: Arc<Shared>, cursors: Vec<Cursor>, announcements: mpsc::Sender<Announcement>) {
    let (hear, heard) = mpsc::channel(HEARD);
    let mut follower = Follower { shared: shared.clone(), cursors, announcements };
    tokio::select! {
        () = listen(shared, hear) => {}
        _gone = follower.run(heard) => {}
    }
}

/// Nobody listens to the follower any more.
struct Gone;

struct Follower {
    shared: Arc<Shared>,
    /// Where each partition stands: told up to here.
    cursors: Vec<Cursor>,
    announcements: mpsc::Sender<Announcement>,
}

impl Follower {
    async fn run(&mut self, mut heard: mpsc::Receiver<Heard>) -> Result<(), Gone> {
        let mut ticks = interval(PROBE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                heard = heard.recv() => match heard {
                    None => return Ok(()),
                    Some(Heard::Subscribed) => self.probe().await?,
                    Some(Heard::Announced(partition, bytes)) => self.take(partition, &bytes).await?,
                },
                _ = ticks.tick() => self.probe().await?,
            }
        }
    }

    fn cursor(&mut self, partition: Partition) -> &mut Cursor {
        &mut self.cursors[usize::from(partition.0)]
    }

    async fn take(&mut self, partition: Partition, bytes: &[u8]) -> Result<(), Gone> {
        let commit = match decode_entry(partition, bytes) {
            Ok(commit) => commit,
            Err(error) => {
                tracing::warn!(%error, partition = partition.0, "an announcement is passed over; the log is read instead");
                return self.catch_up(partition).await;
            }
        };
        let offset = commit.position.offset;
        let before = Offset::new(offset.get().saturating_sub(1)).unwrap_or_default();
        let Ok(span) = Span::new(before, offset) else { return Ok(()) };
        match self.cursor(partition).check(commit.position.epoch, span) {
            Verdict::Duplicate => Ok(()),
            Verdict::Apply => self.tell(Arc::new(commit)).await,
            Verdict::Gap | Verdict::NewEpoch => self.catch_up(partition).await,
        }
    }

    async fn tell(&mut self, commit: Arc<Commit>) -> Result<(), Gone> {
        self.cursor(commit.partition).advance(commit.position.offset);
        self.announcements.send(Announcement::Commit(commit)).await.map_err(|_| Gone)
    }

    /// Reads every partition's log from where it stands.
    async fn probe(&mut self) -> Result<(), Gone> {
        let shared = self.shared.clone();
        let asks = self.cursors.iter().enumerate().map(|(number, cursor)| {
            let partition = Partition(number as u16);
            let resumed = shared.resume(partition, cursor.position(), true);
            async move { (partition, resumed.await) }
        });
        for (partition, resumed) in join_all(asks).await {
            if let Ok(resumed) = resumed {
                self.go_on(partition, resumed).await?;
            }
        }
        Ok(())
    }

    async fn catch_up(&mut self, partition: Partition) -> Result<(), Gone> {
        let since = self.cursor(partition).position();
        let shared = self.shared.clone();
        match shared.resume(partition, since, true).await {
            Ok(resumed) => self.go_on(partition, resumed).await,
            // The link has said so; the next second asks again.
            Err(_) => Ok(()),
        }
    }

    async fn go_on(&mut self, partition: Partition, resumed: Resumed) -> Result<(), Gone> {
        match resumed {
            Resumed::Continued(commits) => {
                metrics::counter!("edge_follow_filled_total").increment(commits.len() as u64);
                for commit in commits {
                    self.tell(commit).await?;
                }
                Ok(())
            }
            Resumed::Lost(position) => {
                let told = self.cursor(partition).position();
                tracing::warn!(partition = partition.0, %told, %position, "the log does not go on from here; followers begin anew");
                metrics::counter!("edge_follow_lost_total").increment(1);
                *self.cursor(partition) = Cursor::at(position);
                self.announcements.send(Announcement::Lost(partition, position)).await.map_err(|_| Gone)
            }
        }
    }
}

/// Keeps a subscription to every partition's channel.
async fn listen(shared: Arc<Shared>, hear: mpsc::Sender<Heard>) {
    let echo = format!("{}:echo:{:x}", shared.namespace, shared.instance);
    let channels: HashMap<String, Partition> =
        shared.layout.partitions().map(|partition| (shared.names(partition).channel.clone(), partition)).collect();
    let mut pause = PAUSES[0];
    loop {
        let names: Vec<&str> = channels.keys().map(String::as_str).chain([echo.as_str()]).collect();
        let why = match timeout(shared.link.timeout(), subscribe(&shared, &names)).await {
            Ok(Ok(pubsub)) => {
                shared.components.ok(COMPONENT, Timestamp::now());
                pause = PAUSES[0];
                if hear.send(Heard::Subscribed).await.is_err() {
                    return;
                }
                attend(&shared, pubsub, &channels, &echo, &hear).await
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long to subscribe".to_owned(),
        };
        shared.components.failing(COMPONENT, &why, Timestamp::now());
        tracing::warn!(why, "the channel is subscribed to again; the log is read meanwhile");
        metrics::counter!("edge_follow_resubscribed_total").increment(1);
        sleep(pause.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
        pause = (pause * 2).min(PAUSES[1]);
    }
}

async fn subscribe(shared: &Shared, names: &[&str]) -> Result<PubSub, RedisError> {
    let mut pubsub = shared.link.client().get_async_pubsub().await?;
    pubsub.subscribe(names).await?;
    Ok(pubsub)
}

/// Passes on what the channel brings, until it ends or falls silent; why.
async fn attend(
    shared: &Arc<Shared>,
    pubsub: PubSub,
    channels: &HashMap<String, Partition>,
    echo: &str,
    hear: &mpsc::Sender<Heard>,
) -> String {
    let (_sink, mut messages) = pubsub.split();
    let mut heard_at = Instant::now();
    let mut ticks = interval(PROBE);
    loop {
        tokio::select! {
            message = messages.next() => {
                let Some(message) = message else { return "the connection ended".into() };
                let name = message.get_channel_name();
                if name == echo {
                    heard_at = Instant::now();
                } else if let Some(&partition) = channels.get(name) {
                    // Nothing waits here: what has no room is read from the log.
                    let heard = Heard::Announced(partition, message.get_payload_bytes().to_vec());
                    if hear.try_send(heard).is_err() {
                        metrics::counter!("edge_follow_let_go_total").increment(1);
                    }
                }
            }
            _ = ticks.tick() => {
                if heard_at.elapsed() > SILENCE {
                    return format!("no echo came for {} s", SILENCE.as_secs());
                }
                let (shared, echo) = (shared.clone(), echo.to_owned());
                // Its own failure shows in the echo that does not come.
                tokio::spawn(async move { drop(shared.link.give(0, redis::cmd("PUBLISH").arg(echo).arg("")).await) });
            }
        }
    }
}
