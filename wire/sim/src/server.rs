//! The server's side: the store, the edges that follow it, and what befalls them.

use std::collections::VecDeque;
use std::sync::Arc;

use edge_server::clock::Clock;
use edge_server::outbox::BYTES_MAX;
use edge_server::publish::Hub;
use edge_server::store::embedded::{Embedded, Limits};
use edge_server::store::{Batch, Commit, Layout, Partition, Store, StoreError};
use fastrand::Rng;
use futures_util::FutureExt;
use tokio::sync::mpsc;
use wire::{Body, CloseCode, Position};

use crate::names::{EDGES, SCOPES};
use crate::truth::{Input, Verdict};
use crate::world::{Event, PROBE_MS, World};

/// The roots `s:m` and `s:n` lie in partitions of their own.
pub(crate) fn layout() -> Layout {
    Layout::new(4)
}

/// Announcements that may wait. More than a plan makes at one moment.
const ANNOUNCEMENTS: usize = 4_096;

/// The store and what it announces.
pub(crate) struct Origin {
    pub(crate) store: Arc<dyn Store>,
    announced: mpsc::Receiver<Arc<Commit>>,
}

fn now<T>(pending: impl Future<Output = T>) -> T {
    pending.now_or_never().expect("the embedded store waits for nothing while announcements fit")
}

impl Origin {
    /// An empty store of epochs of its own.
    pub(crate) fn new(push_max_bytes: usize, rng: &mut Rng) -> Origin {
        let (announce, announced) = mpsc::channel(ANNOUNCEMENTS);
        let limits = Limits { log_commits: 64, push_max_bytes };
        Origin { store: Arc::new(Embedded::new(layout(), limits, || rng.u64(1..1_000_000), announce)), announced }
    }

    /// Where each partition stands.
    pub(crate) fn heads(&self) -> Vec<Position> {
        layout().partitions().map(|partition| now(self.store.head(partition)).expect("it is open")).collect()
    }

    /// A store of other epochs that knows the first inputs of another one, and announces none of them.
    fn after(inputs: &[(Input, i64)], push_max_bytes: usize, rng: &mut Rng) -> Origin {
        let mut origin = Origin::new(push_max_bytes, rng);
        for (input, now_ms) in inputs.iter().cloned() {
            match input {
                Input::Commit(partition, batch) => drop(now(origin.store.commit(partition, batch, now_ms))),
                Input::Expire => drop(now(origin.store.expire(now_ms))),
            }
            while origin.announced.try_recv().is_ok() {}
        }
        origin
    }
}

/// One edge.
pub(crate) struct Edge {
    pub(crate) hub: Hub,
    /// Announcements that have arrived while it was stalled.
    waiting: VecDeque<Arc<Commit>>,
    stalled_until: u64,
    misses_next: bool,
    /// Announcements arrive in order.
    arrives: u64,
    last: Option<Arc<Commit>>,
}

impl Edge {
    /// An edge that starts at these heads.
    pub(crate) fn new(heads: Vec<Position>, ring: usize, now_ms: u64) -> Edge {
        Edge {
            hub: Hub::new(layout(), heads, ring, now_ms),
            waiting: VecDeque::new(),
            stalled_until: 0,
            misses_next: false,
            arrives: 0,
            last: None,
        }
    }
}

impl World {
    /// A batch reaches the store: it must do what the model says, and announce it.
    pub(crate) fn commit(&mut self, partition: Partition, batch: Batch) {
        if self.is_down {
            return;
        }
        let now_ms = self.wall_ms();
        let is_repeat = self.is_repeat(partition, &batch);
        let shown = self.story.is_some().then(|| format!("{batch:?}"));
        let answer = now(self.origin.store.commit(partition, batch.clone(), now_ms));
        let before = self.truth.now(partition).head;
        let expected = self.truth.commit(partition, batch, now_ms);
        let given = match &answer {
            Ok(committed) => Verdict::Committed(committed.position.offset.get(), committed.fates.clone()),
            Err(StoreError::Fenced { .. }) => Verdict::Fenced,
            Err(error @ (StoreError::Closed | StoreError::Unavailable(_))) => {
                return self.broken("contract", error.to_string());
            }
        };
        self.say(|_| format!("the store takes {} and answers {given:?}", crate::story::batch(shown.as_deref())));
        self.note_commit(&given, is_repeat);
        if given != expected {
            let promise = match (&given, &expected) {
                (_, Verdict::Fenced) | (Verdict::Fenced, _) => "fence",
                _ if is_repeat => "idempotence",
                _ => "P5",
            };
            return self.broken(promise, format!("the store answers {given:?}, and should {expected:?}"));
        }
        let head = self.truth.now(partition).head;
        self.note_overtaking(partition, before, head);
        self.announce((head > before).then_some(partition).as_slice());
    }

    /// Offsets that were given before a fail-over are given again: only the epoch tells them apart.
    fn note_overtaking(&mut self, partition: Partition, before: u64, head: u64) {
        let lineages = &self.truth.lineages[usize::from(partition.0)];
        let Some([.., lost, now]) = lineages.last_chunk::<2>().map(|last| &last[..]) else { return };
        if now.start > 0 && before <= lost.head && lost.head < head {
            self.coverage.note("old head overtaken after a fail-over");
        }
    }

    fn note_commit(&mut self, given: &Verdict, is_repeat: bool) {
        use edge_server::store::Fate;
        match given {
            Verdict::Fenced => self.coverage.note("ingester fenced off"),
            Verdict::Committed(..) if is_repeat => self.coverage.note("batch repeated"),
            Verdict::Committed(_, fates) => {
                for fate in fates {
                    match fate {
                        Fate::Stale => self.coverage.note("write stale"),
                        Fate::Unchanged => self.coverage.note("write unchanged"),
                        Fate::Changed => {}
                    }
                }
            }
        }
    }

    /// What the store announced goes to every edge. It must be one commit of each of these partitions, as the model has it.
    fn announce(&mut self, expected: &[Partition]) {
        let mut told = Vec::new();
        while let Ok(commit) = self.origin.announced.try_recv() {
            told.push(commit.partition);
            if let Err(wrong) = self.is_as_known(&commit) {
                return self.broken("P5", wrong);
            }
            for edge in 0..EDGES {
                let delay = self.delay();
                let arrives = (self.now + delay).max(self.edges[edge].arrives);
                self.edges[edge].arrives = arrives;
                self.at(arrives, Event::Announced(edge, commit.clone()));
            }
        }
        if told != expected {
            self.broken("contract", format!("{told:?} announced a commit, and {expected:?} had one"));
        }
    }

    fn is_as_known(&self, commit: &Commit) -> Result<(), String> {
        let lineage = self.truth.now(commit.partition);
        let (epoch, offset) = (commit.position.epoch, commit.position.offset.get());
        if (epoch, offset) != (lineage.epoch, lineage.head) {
            return Err(format!(
                "{} is announced, and {}:{} was committed",
                commit.position, lineage.epoch, lineage.head
            ));
        }
        for item in &commit.items {
            let known = lineage.value(&item.key, offset);
            let is_right = match (&item.body, known) {
                (Body::Value { payload, .. }, Some(value)) => *payload == value.payload,
                (Body::Gone, known) => known.is_none(),
                (Body::Changed, _) => true,
                (Body::Value { .. }, None) => false,
            };
            if !is_right {
                return Err(format!("{} is announced as what it is not", item.key));
            }
        }
        Ok(())
    }

    pub(crate) fn announced(&mut self, edge: usize, commit: Arc<Commit>) {
        if std::mem::take(&mut self.edges[edge].misses_next) {
            self.coverage.note("announcement missed");
            return self.say(|_| format!("edge {edge} misses the announcement of {}", commit.position));
        }
        self.edges[edge].waiting.push_back(commit);
        self.flow(edge);
    }

    /// An edge hands out what has arrived.
    pub(crate) fn flow(&mut self, edge: usize) {
        if self.edges[edge].stalled_until > self.now {
            return;
        }
        while let Some(commit) = self.edges[edge].waiting.pop_front() {
            self.publish(edge, &commit);
            self.edges[edge].last = Some(commit);
        }
    }

    fn publish(&mut self, edge: usize, commit: &Arc<Commit>) {
        self.edges[edge].hub.publish(commit);
        self.say(|_| format!("edge {edge} hears of {}", commit.position));
        let served: Vec<_> = self.conns.iter().filter(|(_, conn)| conn.edge == edge).map(|(&id, _)| id).collect();
        for id in served {
            self.check_mailbox(id);
            self.pump(id);
            self.check_told(id);
        }
    }

    /// P6: who reads is told at once, whoever else does not.
    fn check_told(&mut self, id: u64) {
        let Some(serving) = self.conns.get(&id).and_then(|conn| conn.serving.as_ref()) else { return };
        if !serving_is_stalled(serving) && serving.connection.mailbox().weight().0 > 0 {
            self.broken("P6", format!("connection {id} takes what it is sent, and is kept waiting"));
        }
    }

    /// P6: what waits for a reader is bounded, however slow it is.
    fn check_mailbox(&mut self, id: u64) {
        let Some(serving) = self.conns.get(&id).and_then(|conn| conn.serving.as_ref()) else { return };
        let (records, bytes) = serving.connection.mailbox().weight();
        if records > 2 * SCOPES.len() || bytes > BYTES_MAX {
            self.broken("P6", format!("{records} records wait for connection {id}, the largest of {bytes} bytes"));
        } else if bytes > 0 && records > 0 && serving_is_stalled(serving) {
            self.coverage.note("record merged");
        }
    }

    /// Once a second: values whose time is over leave, and the hubs are compared with the store.
    pub(crate) fn probe(&mut self) {
        self.later(PROBE_MS, Event::Probe);
        if self.is_down {
            return;
        }
        let now_ms = self.wall_ms();
        let expected = self.truth.expire(now_ms);
        if now(self.origin.store.expire(now_ms)).is_err() {
            self.broken("contract", "values that ended could not leave".into());
        }
        expected.iter().for_each(|_| self.coverage.note("value ended by its time"));
        if !expected.is_empty() {
            self.say(|_| "values end by their time".into());
        }
        self.announce(&expected);
        for (partition, head) in layout().partitions().zip(self.origin.heads()) {
            for edge in &self.edges {
                edge.hub.confirm(partition, head, self.now);
            }
            if self.edges.iter().any(|edge| !edge.hub.is_confirmed(partition, self.now)) {
                self.coverage.note("partition not vouched for");
            }
        }
        for id in self.conns.keys().copied().collect::<Vec<_>>() {
            self.pump(id);
        }
    }

    pub(crate) fn settle_announcements(&mut self) {
        debug_assert!(self.violation.is_some() || self.origin.announced.is_empty(), "each input takes its own");
    }

    pub(crate) fn stall(&mut self, edge: usize, during: u64) {
        self.coverage.note("edge stalled");
        self.say(|_| format!("edge {edge} hears of no commit for {during} ms"));
        let until = self.now + during;
        self.edges[edge].stalled_until = self.edges[edge].stalled_until.max(until);
        self.at(until, Event::Flow(edge));
    }

    pub(crate) fn miss(&mut self, edge: usize) {
        self.edges[edge].misses_next = true;
    }

    pub(crate) fn echo(&mut self, edge: usize) {
        if let Some(commit) = self.edges[edge].last.clone() {
            self.coverage.note("announcement repeated");
            self.publish(edge, &commit);
        }
    }

    /// Faults stop: every edge hears of everything.
    pub(crate) fn relieve_edges(&mut self) {
        self.recover();
        for edge in 0..EDGES {
            (self.edges[edge].stalled_until, self.edges[edge].misses_next) = (self.now, false);
            self.flow(edge);
        }
    }

    /// Whether an edge is not where the store is.
    pub(crate) fn is_an_edge_lost(&self) -> bool {
        let heads = self.origin.heads();
        let is_elsewhere = |edge: &Edge| layout().partitions().zip(&heads).any(|(p, head)| edge.hub.head(p) != *head);
        self.edges.iter().any(is_elsewhere)
    }

    pub(crate) fn server_wall_jump(&mut self, by: i64) {
        self.coverage.note(if by > 0 { "server clock forward" } else { "server clock back" });
        self.say(|_| format!("the server's wall clock jumps by {by} ms"));
        self.server_wall += by;
    }

    /// The process dies: with it go the embedded store and every connection.
    pub(crate) fn crash(&mut self, down: u64) {
        if self.is_down {
            return;
        }
        self.coverage.note("server crashed");
        self.say(|_| format!("the server crashes, and is back in {down} ms with an empty store"));
        self.is_down = true;
        self.close_all(|_| true, CLOSED_ABNORMALLY);
        self.later(down, Event::Recover);
    }

    pub(crate) fn recover(&mut self) {
        if !std::mem::take(&mut self.is_down) {
            return;
        }
        self.origin = Origin::new(self.plan.push_max, &mut self.rng);
        self.server_clock = Clock::default();
        self.begin_lineages(0);
        let heads = self.origin.heads();
        self.edges = (0..EDGES).map(|_| Edge::new(heads.clone(), self.plan.ring, self.now)).collect();
        self.say(|_| format!("the server is back, its partitions at {}", crate::story::positions(&heads)));
    }

    fn begin_lineages(&mut self, kept: usize) {
        let heads = self.origin.heads();
        let repeated = layout().partitions().zip(&heads).find(|(p, head)| self.truth.lineage(*p, head.epoch).is_some());
        if let Some((_, head)) = repeated {
            self.broken("lineage", format!("commits were lost, and {head} is of an epoch that was before"));
        }
        self.truth.begin(kept, &heads);
    }

    /// One edge's process is replaced; the store stays.
    pub(crate) fn restart(&mut self, edge: usize, drained: bool) {
        if self.is_down {
            return;
        }
        self.coverage.note(if drained { "edge drained" } else { "edge restarted" });
        self.say(|_| format!("edge {edge} {}", if drained { "drains and restarts" } else { "restarts" }));
        let mut code = CLOSED_ABNORMALLY;
        if drained {
            code = CloseCode::Drain.code();
            let served: Vec<_> = self.conns.iter().filter(|(_, conn)| conn.edge == edge).map(|(&id, _)| id).collect();
            for id in served {
                if let Some(serving) = self.conns.get_mut(&id).and_then(|conn| conn.serving.as_mut()) {
                    serving.connection.say_bye(CloseCode::Drain, 100, 300);
                }
                self.pump(id);
            }
        }
        self.close_all(|on| on == edge, code);
        self.edges[edge] = Edge::new(self.origin.heads(), self.plan.ring, self.now);
    }

    /// The store loses its last inputs and goes on in another epoch. The edges live on, and have heard of what is lost.
    pub(crate) fn fail_over(&mut self, lost: usize) {
        if self.is_down {
            return;
        }
        let kept = self.truth.inputs.len().saturating_sub(lost);
        self.origin = Origin::after(&self.truth.inputs[..kept], self.plan.push_max, &mut self.rng);
        self.coverage.note(if lost > 0 { "fail-over lost commits" } else { "fail-over lost nothing" });
        self.begin_lineages(kept);
        let heads = self.origin.heads();
        self.say(|_| {
            format!("the store fails over, loses {lost} inputs and stands at {}", crate::story::positions(&heads))
        });
    }
}

/// How a connection ends that nobody closes.
pub(crate) const CLOSED_ABNORMALLY: u16 = 1006;

fn serving_is_stalled(serving: &crate::network::Serving) -> bool {
    serving.stalled_since.is_some()
}
