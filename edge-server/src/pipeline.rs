//! The tasks that move data from upstreams to the store: poll, validate, batch. Each rule they follow is pure and lives
//! elsewhere; this is where clocks are read and channels waited for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::app::{Edge, raised};
use crate::batch::{Batcher, Limits};
use crate::fetch::{FetchError, Fetcher};
use crate::health::Tally;
use crate::schedule::Queue;
use crate::source::{Record, Request, Source};
use crate::store::{Batch, Partition, StoreError, Write};
use crate::validate::Validator;

/// Requests to one source at a time.
const CONCURRENCY: usize = 10;
/// How often a batch is tried that the store does not take while the server ends.
const LAST_TRIES: u32 = 3;
/// The longest sleep of a loop that has nothing to do.
const IDLE: Duration = Duration::from_secs(3600);

/// What a polling task works with.
pub struct Polled {
    /// The server.
    pub edge: Arc<Edge>,
    /// The source's client.
    pub fetcher: Fetcher,
    /// Where its records go.
    pub records: mpsc::Sender<Record>,
    /// Becomes true when it is to stop.
    pub stopped: watch::Receiver<bool>,
}

struct Answered {
    request: Request,
    body: Result<Bytes, FetchError>,
    took: Duration,
}

/// Polls a source until it is stopped. An answer is validated before the next is taken up: a source's own state has one
/// writer, and a full channel to the batcher holds its requests back.
pub async fn poll(source: Box<dyn Source>, polled: Polled) {
    let mut stopped = polled.stopped.clone();
    let mut validator = Validator::new(source);
    let name = validator.name();
    polled.edge.health.started(name, Timestamp::now());
    let mut queue = Queue::default();
    for request in validator.start() {
        queue.add(request, polled.edge.clock_ms());
    }
    let mut flights: JoinSet<Answered> = JoinSet::new();
    loop {
        while let Some(request) = queue.take_due(polled.edge.clock_ms(), CONCURRENCY) {
            let fetcher = polled.fetcher.clone();
            flights.spawn(async move {
                let began = Instant::now();
                let body = fetcher.get(&request.path).await;
                Answered { request, body, took: began.elapsed() }
            });
        }
        // With every flight in the air the queue is due only when one lands.
        let due = queue.next_due().filter(|_| queue.under_way() < CONCURRENCY);
        let pause = due.map_or(IDLE, |due| Duration::from_millis(due.saturating_sub(polled.edge.clock_ms()).max(1)));
        tokio::select! {
            () = raised(&mut stopped) => return,
            Some(landed) = flights.join_next() => match landed {
                Ok(answered) => {
                    if take(answered, &mut validator, &mut queue, &polled).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::error!(source = name, %error, "a request's task failed"),
            },
            () = sleep(pause) => {}
        }
    }
}

/// The batcher is gone: there is nothing left to poll for.
struct BatcherGone;

async fn take(
    answered: Answered,
    validator: &mut Validator,
    queue: &mut Queue,
    polled: &Polled,
) -> Result<(), BatcherGone> {
    let Answered { request, body, took } = answered;
    let name = validator.name();
    let edge = &polled.edge;
    metrics::histogram!("edge_upstream_seconds", "source" => name).record(took.as_secs_f64());
    let validated = match body {
        Ok(body) => validator.accept(&request, &body, edge.now_ms()).map_err(|error| (error.to_string(), None)),
        Err(error) => {
            validator.quality.note_answer(false);
            Err((format!("{}: {error}", request.topic), error.retry_after_ms()))
        }
    };
    let result = if validated.is_ok() { "ok" } else { "failed" };
    metrics::counter!("edge_upstream_requests_total", "source" => name, "result" => result).increment(1);
    let validated = match validated {
        Ok(validated) => validated,
        Err((error, retry_after_ms)) => {
            edge.health.failed(name, &error, validator.quality, Timestamp::now());
            let again_ms = queue.failed(request, retry_after_ms, fastrand::f64(), edge.clock_ms());
            tracing::warn!(source = name, error, again_ms, "no usable answer");
            return Ok(());
        }
    };
    queue.succeeded(&request);
    for next in validated.next {
        queue.add(next, edge.clock_ms());
    }
    for reject in &validated.rejects {
        metrics::counter!("edge_rejects_total", "source" => name, "reason" => reject.reason).increment(1);
        tracing::debug!(source = name, at = reject.at, reason = reject.reason, sample = reject.sample, "row refused");
    }
    let news = validated.news;
    let tally = Tally {
        changed: news.records.len() - news.gone,
        unchanged: news.unchanged,
        rejected: validated.rejects.len(),
        gone: news.gone,
    };
    count(name, tally);
    edge.health.answered(name, tally, validator.quality, Timestamp::now());
    for record in news.records {
        polled.records.send(record).await.map_err(|_| BatcherGone)?;
    }
    Ok(())
}

fn count(source: &'static str, tally: Tally) {
    let fates = [
        ("changed", tally.changed),
        ("unchanged", tally.unchanged),
        ("rejected", tally.rejected),
        ("gone", tally.gone),
    ];
    for (fate, rows) in fates {
        metrics::counter!("edge_records_total", "source" => source, "fate" => fate).increment(rows as u64);
    }
}

/// Collects records into commits until every source has stopped, then commits the rest.
pub async fn batch(edge: Arc<Edge>, limits: Limits, mut records: mpsc::Receiver<Record>) {
    let waiting_max = edge.config().batch.waiting_max;
    let mut batcher = Batcher::new(edge.store().layout(), limits);
    let mut commits: JoinSet<Partition> = JoinSet::new();
    let (closing, closed) = watch::channel(false);
    let mut open = true;
    let mut conflated = 0;
    while open || !batcher.is_idle() {
        let due = if open { batcher.take_due(edge.clock_ms()) } else { batcher.take_rest() };
        for (partition, writes) in due {
            metrics::histogram!("edge_batch_items").record(writes.len() as f64);
            commits.spawn(commit(edge.clone(), partition, writes, closed.clone()));
        }
        metrics::gauge!("edge_waiting_records").set(batcher.waiting() as f64);
        metrics::counter!("edge_conflated_total").increment(batcher.conflated - conflated);
        conflated = batcher.conflated;
        let pause = batcher.next_due().map_or(IDLE, |due| Duration::from_millis(due.saturating_sub(edge.clock_ms())));
        tokio::select! {
            record = records.recv(), if open && batcher.waiting() < waiting_max => match record {
                Some(record) => {
                    batcher.push(record, edge.clock_ms());
                    // What came together is taken together.
                    while batcher.waiting() < waiting_max {
                        let Ok(record) = records.try_recv() else { break };
                        batcher.push(record, edge.clock_ms());
                    }
                }
                None => {
                    open = false;
                    closing.send_replace(true);
                }
            },
            Some(done) = commits.join_next() => match done {
                Ok(partition) => batcher.done(partition),
                Err(error) => tracing::error!(%error, "a commit's task failed"),
            },
            () = sleep(pause) => {}
        }
    }
}

/// Commits a batch. A store that does not answer is asked again for as long as the server runs, because what was accepted
/// must not be lost; meanwhile the partition's records wait, newer ones in the place of older ones, and a full batcher
/// holds the sources back. At shutdown there is an end to it.
async fn commit(
    edge: Arc<Edge>,
    partition: Partition,
    writes: Vec<Write>,
    closing: watch::Receiver<bool>,
) -> Partition {
    let mut pause = Duration::from_millis(50);
    let mut left = LAST_TRIES;
    while left > 0 {
        let batch = Batch { writes: writes.clone(), ..Batch::default() };
        match edge.commit(partition, batch).await {
            Ok(_) => return partition,
            Err(error @ StoreError::Unavailable(_)) => {
                tracing::warn!(%error, partition = partition.0, "a commit was not taken; trying again");
            }
            Err(error) => {
                tracing::error!(%error, partition = partition.0, records = writes.len(), "a batch was refused");
                return partition;
            }
        }
        left -= u32::from(*closing.borrow());
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
    tracing::error!(partition = partition.0, records = writes.len(), "a batch was given up");
    partition
}
