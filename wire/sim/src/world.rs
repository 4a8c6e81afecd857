//! What exists, and the queue of what is still to happen. Time is a number of milliseconds that only this file moves.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use edge_server::clock::Clock;
use edge_server::store::{Batch, Commit, Partition};
use fastrand::Rng;

use crate::client::Client;
use crate::coverage::Coverage;
use crate::fills::{Ask, Past, Reply};
use crate::names::{CLIENTS, EDGES};
use crate::network::{Conn, ConnId};
use crate::plan::{Op, Plan};
use crate::server::{Edge, Origin, layout};
use crate::truth::Truth;
use crate::writers::Writers;

/// Milliseconds between heartbeats.
pub const HB_MS: u32 = 1_000;
/// How long each vouches, in milliseconds.
pub const LEASE_MS: u32 = 3_000;
/// Milliseconds between the server's looks at its store.
pub const PROBE_MS: u64 = 1_000;
/// Events of one run: many times what a plan leads to.
const EVENTS_MAX: u64 = 200_000;
/// The first moment.
const BEGIN: u64 = 10_000;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// The next step of the plan.
    Step(usize),
    /// A socket that was asked for opens, or is refused.
    Dialed(ConnId),
    /// Bytes reach the server.
    Up(ConnId, Vec<u8>),
    /// Bytes reach the page.
    Down(ConnId, Bytes),
    /// The page hears that its socket is closed.
    Closed(ConnId, u16),
    /// The server hears that the socket is closed.
    HungUp(ConnId),
    /// A connection's time at the server.
    Tick(ConnId),
    /// A page's alarm.
    Alarm(usize),
    /// A page that did nothing goes on.
    Wake(usize),
    /// A request for values reaches who answers it.
    Request(u64),
    /// Its answer reaches the page.
    Answer(u64, Reply),
    /// A page asks again.
    Ask(u64),
    /// A batch reaches the store.
    Commit(Partition, Batch),
    /// An announcement reaches an edge.
    Announced(usize, Arc<Commit>),
    /// An edge goes on.
    Flow(usize),
    /// The server looks at its store.
    Probe,
    /// The server is there again.
    Recover,
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The promise, as `P1`.
    pub promise: &'static str,
    /// What was seen.
    pub what: String,
    /// When, in milliseconds from the beginning.
    pub at: u64,
}

/// Everything.
pub struct World {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) plan: Plan,
    queue: BTreeMap<(u64, u64), Event>,
    last: u64,
    events: u64,
    pub(crate) last_conn: ConnId,
    pub(crate) last_ask: u64,
    pub(crate) truth: Truth,
    pub(crate) origin: Origin,
    pub(crate) edges: Vec<Edge>,
    pub(crate) conns: BTreeMap<ConnId, Conn>,
    pub(crate) clients: Vec<Client>,
    pub(crate) asks: BTreeMap<u64, Ask>,
    /// What was answered before, for what may lie between.
    pub(crate) past: Vec<Past>,
    pub(crate) writers: Writers,
    /// How far the server's wall clock is from the true time.
    pub(crate) server_wall: i64,
    pub(crate) server_clock: Clock,
    /// The server is dead until then.
    pub(crate) is_down: bool,
    /// Faults have stopped.
    pub(crate) is_calm: bool,
    /// What happened so far.
    pub coverage: Coverage,
    /// The first broken promise.
    pub violation: Option<Violation>,
    /// What happened, for people; kept if it was asked for.
    pub story: Option<Vec<(u64, String)>>,
}

impl World {
    /// A world at its beginning.
    pub fn new(plan: Plan, tells: Tells) -> World {
        let mut rng = Rng::with_seed(plan.seed);
        let mut truth = Truth::new(layout());
        let origin = Origin::new(plan.push_max, &mut rng);
        let heads = origin.heads();
        truth.begin(0, &heads);
        let edges = (0..EDGES).map(|_| Edge::new(heads.clone(), plan.ring, BEGIN)).collect();
        let clients = (0..CLIENTS).map(|number| Client::new(number, BEGIN, rng.u64(..))).collect();
        let mut world = World {
            now: BEGIN,
            rng,
            plan,
            queue: BTreeMap::new(),
            last: 0,
            events: 0,
            last_conn: 0,
            last_ask: 0,
            truth,
            origin,
            edges,
            conns: BTreeMap::new(),
            clients,
            asks: BTreeMap::new(),
            past: Vec::new(),
            writers: Writers::default(),
            server_wall: 1_700_000_000_000,
            server_clock: Clock::default(),
            is_down: false,
            is_calm: false,
            coverage: Coverage::default(),
            violation: None,
            story: (tells == Tells::Story).then(Vec::new),
        };
        world.later(PROBE_MS, Event::Probe);
        for number in 0..CLIENTS {
            world.toggle(number, 0);
            if number == 0 {
                world.toggle(number, 1);
            }
        }
        world.later(300, Event::Step(0));
        world
    }

    /// Runs the plan, lets the faults stop, and looks whether everybody agrees.
    pub fn run(&mut self) {
        while self.violation.is_none() && !self.is_over() {
            self.advance();
        }
        if self.violation.is_none() {
            self.calm_down();
        }
    }

    fn is_over(&self) -> bool {
        !self.queue.values().any(|event| matches!(event, Event::Step(_)))
    }

    /// Lets time pass until nothing more happens before `until`.
    pub(crate) fn run_until(&mut self, until: u64) {
        while self.violation.is_none() && self.queue.keys().next().is_some_and(|&(at, _)| at <= until) {
            self.advance();
        }
        self.now = until;
    }

    fn advance(&mut self) {
        let Some(((at, _), event)) = self.queue.pop_first() else { return };
        debug_assert!(at >= self.now);
        self.now = at;
        self.truth.now = at;
        self.events += 1;
        if self.events > EVENTS_MAX {
            return self.broken("P4", "the two halves keep each other busy without end".into());
        }
        self.truth.latest = self.truth.latest.max(self.wall_ms());
        self.happen(event);
        self.settle_announcements();
        self.check();
    }

    /// It will happen in so many milliseconds.
    pub(crate) fn later(&mut self, after: u64, event: Event) {
        self.at(self.now + after, event);
    }

    /// It will happen then.
    pub(crate) fn at(&mut self, at: u64, event: Event) {
        self.last += 1;
        self.queue.insert((at.max(self.now), self.last), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Step(number) => self.step(number),
            Event::Dialed(conn) => self.dialed(conn),
            Event::Up(conn, bytes) => self.received(conn, bytes),
            Event::Down(conn, bytes) => self.reached_page(conn, bytes),
            Event::Closed(conn, code) => self.closed(conn, code),
            Event::HungUp(conn) => self.drop_serving(conn),
            Event::Tick(conn) => self.pump(conn),
            Event::Alarm(client) => self.alarm(client),
            Event::Wake(client) => self.wake(client),
            Event::Request(ask) => self.requested(ask),
            Event::Answer(ask, reply) => self.answered(ask, reply),
            Event::Ask(ask) => self.ask_again(ask),
            Event::Commit(partition, batch) => self.commit(partition, batch),
            Event::Announced(edge, commit) => self.announced(edge, commit),
            Event::Flow(edge) => self.flow(edge),
            Event::Probe => self.probe(),
            Event::Recover => self.recover(),
        }
    }

    /// When the last of what is under way between the halves arrives.
    pub(crate) fn under_way(&self) -> u64 {
        let is_moving = |event: &Event| {
            !matches!(event, Event::Tick(_) | Event::Alarm(_) | Event::Probe | Event::Answer(..) | Event::Wake(_))
        };
        let arrivals = self.queue.iter().filter(|(_, event)| is_moving(event)).map(|(&(at, _), _)| at);
        arrivals.max().unwrap_or(self.now)
    }

    fn step(&mut self, number: usize) {
        let Some(step) = self.plan.steps.get(number) else { return };
        let op = step.op.clone();
        if let Some(next) = self.plan.steps.get(number + 1) {
            self.later(next.after, Event::Step(number + 1));
        }
        self.perform(op);
    }

    fn perform(&mut self, op: Op) {
        match op {
            Op::Write { by, keys, size, tagged, ttl, late } => self.write(by, &keys, size, tagged, ttl, late),
            Op::Again { by, key } => self.write_again(by, key),
            Op::Remove { by, key, late } => self.remove(by, key, late),
            Op::PurgeKey(key) => self.purge_key(key),
            Op::PurgeScope(scope) => self.purge_scope(scope),
            Op::PurgeTag => self.purge_tag(),
            Op::Retry(ingester) => self.retry(ingester),
            Op::TakeOver(ingester) => self.take_over(ingester),
            Op::Fetch { client, category, want, via, slow } => self.fetch(client, category, want, via, slow),
            Op::Toggle { client, scope } => self.toggle(client, scope),
            Op::Refollow { client, scope } => self.refollow(client, scope),
            Op::Cut { client, half } => self.cut(client, half),
            Op::Relay { client, fault } => self.relay(client, fault),
            Op::Lag { client, delay, during } => self.lag(client, delay, during),
            Op::SlowReader { client, during } => self.slow(client, during),
            Op::Sleep { client, during, stands } => self.sleep(client, during, stands),
            Op::Freeze { client, during } => self.freeze(client, during),
            Op::WallJump { client, by } => self.wall_jump(client, by),
            Op::Revisit { client } => self.revisit(client),
            Op::ServerWallJump { by } => self.server_wall_jump(by),
            Op::Crash { down } => self.crash(down),
            Op::Restart { edge, drained } => self.restart(edge, drained),
            Op::FailOver { lost } => self.fail_over(lost),
            Op::Stall { edge, during } => self.stall(edge, during),
            Op::Miss { edge } => self.miss(edge),
            Op::Echo { edge } => self.echo(edge),
            Op::Rest => {}
        }
    }

    /// The server's time of day.
    pub(crate) fn wall_ms(&self) -> i64 {
        self.server_clock.now(self.now as i64 + self.server_wall, self.now)
    }

    /// How long something takes to get from one place to another.
    pub(crate) fn delay(&mut self) -> u64 {
        if self.is_calm { 2 } else { 1 + self.rng.u64(..20) * self.rng.u64(..2) }
    }

    /// Keeps a sentence of the story, if it is wanted.
    pub(crate) fn say(&mut self, sentence: impl FnOnce(&World) -> String) {
        if self.story.is_some() {
            let sentence = sentence(self);
            let at = self.now - BEGIN;
            self.story.iter_mut().for_each(|story| story.push((at, sentence.clone())));
        }
    }

    /// A promise is broken: the first one is kept.
    pub(crate) fn broken(&mut self, promise: &'static str, what: String) {
        let at = self.now - BEGIN;
        self.say(|_| format!("{promise} IS BROKEN: {what}"));
        self.violation.get_or_insert(Violation { promise, what, at });
    }
}

/// Whether what happens is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// Every sentence is kept.
    Story,
    /// None is.
    Nothing,
}
