//! A model of the other end: every state the store ever had, and the sessions' side of the protocol over it.
//!
//! A value's text is the position of the commit that wrote it, so that a read says how old it is.

use std::collections::{BTreeMap, VecDeque};

use wire::{Body, Change, ClientFrame, Item, Key, Limits, Mode, Payload, Position, Scope, ServerFrame, SubId, SubRef};

use crate::page::{HB_MS, LEASE_MS, at, offset, span, tag};

/// The one tag.
pub(crate) const TAG: &str = "t";

/// What a commit did.
#[derive(Debug, Clone)]
pub(crate) enum Commit {
    Put { key: Key, tagged: bool, pushed: bool },
    Gone(Key),
    PurgeScope(Scope),
    PurgeTag,
}

/// A value: the position of the commit that wrote it, and whether it carries the tag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) tagged: bool,
}

pub(crate) type State = BTreeMap<Key, Cell>;

/// The commits of one epoch, after `start`.
#[derive(Debug)]
pub(crate) struct Lineage {
    pub(crate) epoch: u64,
    pub(crate) start: u64,
    pub(crate) base: State,
    commits: Vec<Commit>,
}

impl Lineage {
    pub(crate) fn head(&self) -> u64 {
        self.start + self.commits.len() as u64
    }

    /// The state after the commit at `upto`, and which commits touched `key` so far.
    fn replay(&self, upto: u64, key: Option<&Key>) -> (State, Vec<u64>) {
        let (mut state, mut touches) = (self.base.clone(), Vec::new());
        for (at, commit) in (self.start + 1..=upto).zip(&self.commits) {
            let text = format!("{}:{at}", self.epoch);
            let touched: Vec<Key> = match commit {
                Commit::Put { key, .. } | Commit::Gone(key) => vec![key.clone()],
                Commit::PurgeScope(scope) => state.keys().filter(|key| scope.contains(key)).cloned().collect(),
                Commit::PurgeTag => state.iter().filter(|(_, cell)| cell.tagged).map(|(key, _)| key.clone()).collect(),
            };
            touches.extend(touched.iter().filter(|&touched| Some(touched) == key).map(|_| at));
            match commit {
                Commit::Put { key, tagged, .. } => drop(state.insert(key.clone(), Cell { text, tagged: *tagged })),
                Commit::Gone(key) => drop(state.remove(key)),
                // Whatever is under it has another value now.
                Commit::PurgeScope(_) | Commit::PurgeTag => touched
                    .iter()
                    .filter_map(|key| state.get_mut(key).map(|cell| cell.text.clone_from(&text)))
                    .collect(),
            }
        }
        (state, touches)
    }

    pub(crate) fn state(&self, upto: u64) -> State {
        self.replay(upto, None).0
    }

    /// The newest commit in `(after, upto]` that touched the key.
    pub(crate) fn newest(&self, key: &Key, after: u64, upto: u64) -> Option<u64> {
        self.replay(upto, Some(key)).1.into_iter().filter(|&at| at > after).max()
    }

    /// The commits `(from, to]` as a subscription to `scope` is told of them: merged, as `outbox.rs` of the edge does.
    fn merged(&self, scope: &Scope, from: u64, to: u64) -> Change {
        let mut items: Vec<Item> = Vec::new();
        let (mut scopes, mut tags) = (Vec::new(), Vec::new());
        for at in from + 1..=to {
            let commit = &self.commits[(at - self.start - 1) as usize];
            let body = match commit {
                Commit::Put { tagged, pushed: true, .. } => Body::Value {
                    source_ts: 0,
                    tags: tagged.then(|| tag(TAG)).into_iter().collect(),
                    payload: Payload::new(format!("{}:{at}", self.epoch).as_bytes()),
                },
                Commit::Gone(_) => Body::Gone,
                _ => Body::Changed,
            };
            match commit {
                Commit::Put { key, .. } | Commit::Gone(key) if scope.contains(key) => {
                    items.retain(|item| item.key != *key);
                    items.push(Item { key: key.clone(), version: offset(at), body });
                }
                Commit::PurgeScope(of) if of.overlaps(scope) => {
                    items.retain(|item| !of.contains(&item.key));
                    scopes.retain(|other| other != of);
                    scopes.push(of.clone());
                }
                Commit::PurgeTag => {
                    let tagged = |item: &&mut Item| matches!(&item.body, Body::Value { tags, .. } if !tags.is_empty());
                    items.iter_mut().filter(tagged).for_each(|item| item.body = Body::Changed);
                    tags = vec![tag(TAG)];
                }
                _ => {}
            }
        }
        Change { span: span(from, to), items, scopes, tags }
    }
}

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Frames on their way to the page.
    pub(crate) down: VecDeque<ServerFrame>,
    /// What is followed, and up to where the page was told.
    subs: BTreeMap<SubRef, (Scope, u64)>,
    /// The request that began each.
    requests: BTreeMap<SubRef, SubId>,
    echo: Option<u64>,
}

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) lineages: Vec<Lineage>,
    pub(crate) link: Option<Link>,
    /// Resumes from before are refused.
    pub(crate) trimmed: u64,
    /// A subscription's number is its scope's place here, as an edge numbers its filters.
    pub(crate) scopes: Vec<Scope>,
}

impl Server {
    pub(crate) fn new(scopes: Vec<Scope>) -> Server {
        let first = Lineage { epoch: 1, start: 10, base: State::new(), commits: Vec::new() };
        Server { lineages: vec![first], link: None, trimmed: 0, scopes }
    }

    pub(crate) fn now(&self) -> &Lineage {
        self.lineages.last().expect("there is always one")
    }

    pub(crate) fn lineage(&self, position: Position) -> &Lineage {
        let epoch = position.epoch.get();
        self.lineages.iter().find(|lineage| lineage.epoch == epoch).expect("the page knows only epochs it was told")
    }

    pub(crate) fn head(&self) -> Position {
        at(&format!("{}:{}", self.now().epoch, self.now().head()))
    }

    pub(crate) fn commit(&mut self, commit: Commit) {
        self.lineages.last_mut().expect("there is always one").commits.push(commit);
    }

    /// A replica that lacks the last commits takes over: another epoch, whose offsets repeat the lost ones.
    pub(crate) fn fail_over(&mut self, lost: u64) {
        let before = self.now();
        let start = before.head().saturating_sub(lost).max(before.start);
        let (base, epoch) = (before.state(start), before.epoch + 1);
        self.lineages.push(Lineage { epoch, start, base, commits: Vec::new() });
        let position = self.head();
        let Some(link) = &mut self.link else { return };
        for (&sid, (_, told)) in &mut link.subs {
            *told = start;
            let why = "another lineage".into();
            link.down.push_back(ServerFrame::Reset { sid, epoch: position.epoch, offset: position.offset, why });
        }
    }

    /// Takes a frame of the page's.
    pub(crate) fn take(&mut self, frame: ClientFrame) {
        let head = self.head();
        let Some(link) = &mut self.link else { return };
        match frame {
            ClientFrame::Hello { .. } => {
                let limits = Limits { frame_bytes: 65_536, subscriptions: 256, get_keys: 1_000 };
                let welcome = ServerFrame::Welcome { session: 1, hb_ms: HB_MS, lease_ms: LEASE_MS, limits };
                link.down.push_back(welcome);
            }
            ClientFrame::Sub { id, scope, since, stamp } => {
                link.echo = link.echo.max(Some(stamp));
                let resumed = since.filter(|since| {
                    since.epoch == head.epoch && (self.trimmed..=head.offset.get()).contains(&since.offset.get())
                });
                let mode = match (since, resumed) {
                    (None, _) => Mode::Fresh,
                    (_, None) => Mode::Reset,
                    (_, Some(_)) => Mode::Replayed,
                };
                let Position { epoch, offset } = resumed.unwrap_or(head);
                let place = self.scopes.iter().position(|known| *known == scope).expect("a scope of the test's");
                let sid = place as SubRef;
                link.subs.insert(sid, (scope, offset.get()));
                link.requests.insert(sid, id);
                link.down.push_back(ServerFrame::SubOk { id, sid, epoch, offset, mode });
                self.beat();
            }
            ClientFrame::Unsub { id } => link.subs.retain(|sid, _| link.requests.get(sid) != Some(&id)),
            ClientFrame::Pong { stamp } => link.echo = link.echo.max(Some(stamp)),
            ClientFrame::Get { .. } => panic!("values are read over HTTP"),
        }
    }

    /// Tells one subscription what happened since it was last told, if it is concerned.
    pub(crate) fn tell(&mut self, sid: SubRef) {
        let lineage = self.lineages.last().expect("there is always one");
        let Some(link) = &mut self.link else { return };
        let Some((scope, told)) = link.subs.get_mut(&sid) else { return };
        let change = lineage.merged(scope, *told, lineage.head());
        if !(change.items.is_empty() && change.scopes.is_empty() && change.tags.is_empty()) {
            *told = lineage.head();
            link.down.push_back(ServerFrame::Change { sid, change });
        }
    }

    /// Everything there is to tell, then the word that it was all.
    pub(crate) fn beat(&mut self) {
        for sid in 0..self.scopes.len() {
            self.tell(sid as SubRef);
        }
        let head = self.now().head();
        let Some(link) = &mut self.link else { return };
        let told = link.subs.iter_mut().map(|(&sid, (_, told))| (sid, span(std::mem::replace(told, head), head)));
        let subs = told.collect();
        link.down.push_back(ServerFrame::Hb { echo: link.echo, subs });
    }
}
