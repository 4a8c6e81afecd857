//! Commits become frames for whoever follows.
//!
//! The hub follows the store's announcements by the same rule as a client (R1), keeps the last commits of each partition
//! in a ring for those who resume, and hands each group of equal subscriptions one change that is encoded once. It never
//! waits for a reader: what it hands over lands in a mailbox that merges.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use wire::{Change, Codec, Cursor, Mode, Offset, Position, Scope, ServerFrame, Span, SubRef, Verdict};

use crate::outbox::Mailbox;
use crate::store::{Commit, Layout, Partition};

/// How long a partition may go unconfirmed before it is not vouched for, in milliseconds.
const CONFIRMED_MS: u64 = 3_000;

/// Replays that a partition keeps until its next commit; each is bounded as a record of the outbox.
const REPLAYS_MAX: usize = 8;

/// One change for one scope, encoded once a codec.
#[derive(Debug)]
pub struct Published {
    /// The subscription's number.
    pub sid: SubRef,
    /// What it follows.
    pub scope: Scope,
    /// What happened.
    pub change: Change,
    encoded: [OnceLock<Bytes>; 2],
}

impl Published {
    /// A change for the subscribers of a scope.
    pub fn new(sid: SubRef, scope: Scope, change: Change) -> Published {
        Published { sid, scope, change, encoded: Default::default() }
    }

    /// The frame's bytes, made once however many connections send them.
    pub fn frame(&self, codec: Codec) -> Bytes {
        let place = match codec {
            Codec::Postcard => &self.encoded[0],
            Codec::Json => &self.encoded[1],
        };
        place.get_or_init(|| encode(codec, &ServerFrame::Change { sid: self.sid, change: self.change.clone() })).clone()
    }
}

/// A frame's bytes. Payloads are JSON text, checked where they came in, so that both codecs can write any frame.
pub fn encode(codec: Codec, frame: &ServerFrame) -> Bytes {
    codec.encode_server(frame).map(Bytes::from).unwrap_or_default()
}

/// How a subscription begins.
#[derive(Debug)]
pub struct Begun {
    /// Its number.
    pub sid: SubRef,
    /// Its partition.
    pub partition: Partition,
    /// Where its stream starts.
    pub position: Position,
    /// How.
    pub mode: Mode,
    /// What happened since the client's cursor, up to now; shared by all who come back from the same place.
    pub replay: Option<Arc<Published>>,
}

/// The followers of every scope.
#[derive(Debug)]
pub struct Hub {
    layout: Layout,
    partitions: Vec<Mutex<State>>,
    ring_commits: usize,
    next_sid: AtomicU32,
    /// Changes handed to mailboxes.
    pub delivered: AtomicU64,
}

#[derive(Debug)]
struct State {
    cursor: Cursor,
    /// The last commits, oldest first, without a hole up to the cursor.
    ring: VecDeque<Arc<Commit>>,
    /// In order: what several scopes are told of at once is told in the same order every time.
    groups: BTreeMap<Scope, Group>,
    /// What was told to those who came back since the last commit: when all were cut they come back together, and from few
    /// places. The newest is last.
    replays: VecDeque<Arc<Published>>,
    /// When the newest head of the store was read that the hub has come as far as, in milliseconds of the server's clock;
    /// none in an epoch that the store was not seen in.
    confirmed_at: Option<u64>,
    /// A head that was read and not reached yet, and when. It stays until it is reached: under a steady stream of commits
    /// the hub is never quite at the newest one.
    probe: Option<(Position, u64)>,
}

#[derive(Debug)]
struct Group {
    sid: SubRef,
    /// Where the last change handed out ends: whoever follows has been told at least of this.
    told: Offset,
    members: HashMap<u64, Arc<Mailbox>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// A hub that starts at these heads, one a partition.
    pub fn new(layout: Layout, heads: Vec<Position>, ring_commits: usize, now_ms: u64) -> Hub {
        let state = |head| {
            let cursor = Cursor::at(head);
            Mutex::new(State {
                cursor,
                ring: VecDeque::new(),
                groups: BTreeMap::new(),
                replays: VecDeque::new(),
                confirmed_at: Some(now_ms),
                probe: None,
            })
        };
        let partitions = heads.into_iter().map(state).collect();
        Hub { layout, partitions, ring_commits, next_sid: AtomicU32::new(1), delivered: AtomicU64::new(0) }
    }

    fn state(&self, partition: Partition) -> MutexGuard<'_, State> {
        lock(&self.partitions[usize::from(partition.0)])
    }

    /// Takes the next announcement of a partition.
    pub fn publish(&self, commit: &Arc<Commit>) {
        let mut state = self.state(commit.partition);
        let Position { epoch, offset } = commit.position;
        let before = Offset::new(offset.get().saturating_sub(1)).unwrap_or_default();
        let Ok(span) = Span::new(before, offset) else { return };
        match state.cursor.check(epoch, span) {
            Verdict::Duplicate => {}
            Verdict::Gap | Verdict::NewEpoch => state.reset(commit.position),
            Verdict::Apply => {
                state.cursor.advance(offset);
                state.ring.push_back(commit.clone());
                state.replays.clear();
                if state.ring.len() > self.ring_commits {
                    state.ring.pop_front();
                }
                let delivered = state.deliver(commit);
                state.settle_probe();
                self.delivered.fetch_add(delivered, Ordering::Relaxed);
            }
        }
    }

    /// The store cannot say what happened up to here: everybody begins anew at this position.
    pub fn lose(&self, partition: Partition, position: Position) {
        self.state(partition).reset(position);
    }

    /// The store's head was read at `now_ms`: the partition is confirmed as of then once the hub has come as far. A head
    /// that is not reached within 3 s will not be: what was announced is lost, or the store has failed over and nothing was
    /// committed since. Nobody else will say so.
    pub fn confirm(&self, partition: Partition, head: Position, now_ms: u64) {
        let mut state = self.state(partition);
        match state.probe {
            Some((waiting, since)) if waiting.epoch == head.epoch => {
                if now_ms.saturating_sub(since) >= CONFIRMED_MS {
                    state.probe = Some((head, now_ms));
                    state.reset(head);
                }
            }
            _ => state.probe = Some((head, now_ms)),
        }
        state.settle_probe();
    }

    /// Whether the partition is known to be up to date.
    pub fn is_confirmed(&self, partition: Partition, now_ms: u64) -> bool {
        self.state(partition).confirmed_at.is_some_and(|at| now_ms.saturating_sub(at) <= CONFIRMED_MS)
    }

    /// The heads of those partitions that are known to be up to date.
    pub fn confirmed_heads(&self, partitions: Vec<Partition>, now_ms: u64) -> HashMap<Partition, Position> {
        let confirmed = partitions.into_iter().filter(|&partition| self.is_confirmed(partition, now_ms));
        confirmed.map(|partition| (partition, self.head(partition))).collect()
    }

    /// The newest commit handed out. Whatever came before it is in the mailboxes already.
    pub fn head(&self, partition: Partition) -> Position {
        self.state(partition).cursor.position()
    }

    /// Joins the followers of a scope. Registration and replay are one step under the partition's lock: there is no
    /// moment in which a commit is in neither.
    pub fn subscribe(&self, scope: &Scope, since: Option<Position>, connection: u64, mailbox: &Arc<Mailbox>) -> Begun {
        let partition = self.layout.of_scope(scope);
        let mut state = self.state(partition);
        let head = state.cursor.position();
        let sid = match state.groups.get(scope) {
            Some(group) => group.sid,
            None => self.next_sid.fetch_add(1, Ordering::Relaxed),
        };
        let (position, mode, replay) = match since {
            None => (head, Mode::Fresh, None),
            Some(since) => match state.replay(sid, scope, since) {
                Some(replay) => (since, Mode::Replayed, Some(replay)),
                None => (head, Mode::Reset, None),
            },
        };
        let group = state.groups.entry(scope.clone()).or_insert_with(|| Group {
            sid,
            told: head.offset,
            members: HashMap::new(),
        });
        // An earlier flow of the same connection is over: what waits for it would be told twice.
        mailbox.forget(group.sid);
        group.members.insert(connection, mailbox.clone());
        Begun { sid: group.sid, partition, position, mode, replay }
    }

    /// Leaves the followers of a scope.
    pub fn unsubscribe(&self, scope: &Scope, connection: u64) {
        let mut state = self.state(self.layout.of_scope(scope));
        if let Some(group) = state.groups.get_mut(scope) {
            group.members.remove(&connection);
            if group.members.is_empty() {
                state.groups.remove(scope);
            }
        }
    }
}

impl State {
    /// The hub lost the thread: everybody is told to begin anew at the commit's position, which covers it.
    fn reset(&mut self, position: Position) {
        if self.cursor.position().epoch != position.epoch {
            // An announcement may be late and its epoch over: the store itself has to be seen in it.
            self.confirmed_at = None;
        }
        self.cursor = Cursor::at(position);
        // A head of another epoch will not be reached.
        self.probe = self.probe.filter(|(head, _)| head.epoch == position.epoch);
        self.settle_probe();
        self.ring.clear();
        self.replays.clear();
        for group in self.groups.values_mut() {
            group.told = position.offset;
            group.members.values().for_each(|mailbox| mailbox.reset(group.sid, position));
        }
    }

    fn settle_probe(&mut self) {
        let here = self.cursor.position();
        if let Some((head, read_at)) = self.probe
            && here.epoch == head.epoch
            && here.offset >= head.offset
        {
            self.confirmed_at = self.confirmed_at.max(Some(read_at));
            self.probe = None;
        }
    }

    fn deliver(&mut self, commit: &Commit) -> u64 {
        let concerned: Vec<&Scope> = if commit.scopes.is_empty() && commit.tags.is_empty() {
            let mut scopes: Vec<&str> = commit.items.iter().flat_map(|item| item.key.scopes()).collect();
            scopes.sort_unstable();
            scopes.dedup();
            scopes.into_iter().filter_map(|scope| Some(self.groups.get_key_value(scope)?.0)).collect()
        } else {
            self.groups.keys().collect()
        };
        let changes: Vec<(Scope, Change)> = concerned
            .into_iter()
            .filter_map(|scope| {
                let mut change = restrict(commit, scope, self.groups.get(scope)?.told)?;
                // Values that end together leave in one commit, however many they are.
                crate::outbox::bound(&mut change, scope);
                Some((scope.clone(), change))
            })
            .collect();
        let mut delivered = 0;
        for (scope, change) in changes {
            let Some(group) = self.groups.get_mut(&scope) else { continue };
            group.told = commit.position.offset;
            let published = Arc::new(Published::new(group.sid, scope, change));
            for mailbox in group.members.values() {
                mailbox.push(&published);
                delivered += 1;
            }
        }
        delivered
    }

    /// What happened under a scope after `since`, or `None` when the ring does not reach back to it.
    fn replay(&mut self, sid: SubRef, scope: &Scope, since: Position) -> Option<Arc<Published>> {
        let head = self.cursor.position();
        let oldest = self
            .ring
            .front()
            .map_or(head.offset, |commit| Offset::new(commit.position.offset.get() - 1).unwrap_or_default());
        if !since.can_resume(oldest, head) {
            return None;
        }
        let is_same = |made: &&Arc<Published>| made.sid == sid && made.change.span.from() == since.offset;
        if let Some(made) = self.replays.iter().rev().find(is_same) {
            return Some(made.clone());
        }
        let span = Span::new(since.offset, head.offset).ok()?;
        let mut change = Change { span, items: Vec::new(), scopes: Vec::new(), tags: Vec::new() };
        for commit in self.ring.range(self.ring.partition_point(|commit| commit.position.offset <= since.offset)..) {
            if let Some(later) = restrict(commit, scope, commit.position.offset) {
                crate::outbox::absorb(&mut change, &later);
            }
        }
        change.span = span;
        crate::outbox::bound(&mut change, scope);
        let made = Arc::new(Published::new(sid, scope.clone(), change));
        if self.replays.len() == REPLAYS_MAX {
            self.replays.pop_front();
        }
        self.replays.push_back(made.clone());
        Some(made)
    }
}

/// What a commit means for a scope, told from `from` on; `None` when nothing.
fn restrict(commit: &Commit, scope: &Scope, from: Offset) -> Option<Change> {
    let to = commit.position.offset;
    let change = Change {
        span: Span::new(from.min(to), to).ok()?,
        items: commit.items.iter().filter(|item| scope.contains(&item.key)).cloned().collect(),
        scopes: commit.scopes.iter().filter(|purged| purged.overlaps(scope)).cloned().collect(),
        tags: commit.tags.clone(),
    };
    let is_news = !change.items.is_empty() || !change.scopes.is_empty() || !change.tags.is_empty();
    is_news.then_some(change)
}
