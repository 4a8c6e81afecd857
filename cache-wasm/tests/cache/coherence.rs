//! P1, P2 and P4 under whatever can happen: a model server, a faulty network, and answers from edges that lag.
//!
//! After every step each readable entry of a followed scope is held against the server's history; at the end the
//! faults stop, and the page must hold what the server holds.

use std::collections::BTreeMap;

use cache_wasm::fill::Ticket;
use cache_wasm::slots::StreamRef;
use cache_wasm::{Answer, Filled, Input, Loaded, Output};
use proptest::prelude::*;
use wire::{Body, Codec, Found, Key, Mode, Payload, Position, Scope, ServerFrame, SubRef};

use crate::page::{Page, at, category, key, offset, scope, tag};
use crate::server::{Commit, Link, Server, TAG};
use crate::steps::{Lag, Step, steps};

pub(crate) const KEYS: [&str; 5] = ["s:m:a:1", "s:m:a:2", "s:m:b:1", "s:m:b:2", "s:m:c"];
pub(crate) const SCOPES: [&str; 3] = ["s:m:", "s:m:a:", "s:m:b:"];

#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    Key(u16, Key),
    Scope(u16, Scope),
}

/// A followed scope, as the test knows it.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) number: StreamRef,
    followers: u32,
    /// Where it last began: it was told of every commit from there to its cursor.
    pub(crate) began: Option<Position>,
    /// The newest stamp that the server answered on this connection.
    pub(crate) vouched: Option<u64>,
}

pub(crate) struct Run {
    pub(crate) page: Page,
    pub(crate) server: Server,
    /// A socket was asked for and is not open yet.
    is_dialing: bool,
    pub(crate) streams: BTreeMap<usize, Stream>,
    pub(crate) fills: Vec<(Ticket, Wanted)>,
    /// Change frames that were delivered and may come once more.
    delivered: Vec<ServerFrame>,
}

impl Run {
    fn new() -> Run {
        let page = Page::with(vec![category("values", 100), category("few", 2)], u64::MAX);
        let server = Server::new(SCOPES.map(scope).to_vec());
        let mut run =
            Run { page, server, is_dialing: false, streams: BTreeMap::new(), fills: vec![], delivered: vec![] };
        run.follow(0);
        run.follow(1);
        run.reconnect();
        run.uplink(9);
        run.deliver(9);
        run
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Put { key: of, tagged, pushed } => {
                self.server.commit(Commit::Put { key: key(KEYS[of]), tagged, pushed });
            }
            Step::Gone(of) => self.server.commit(Commit::Gone(key(KEYS[of]))),
            Step::PurgeScope(of) => self.server.commit(Commit::PurgeScope(scope(SCOPES[of]))),
            Step::PurgeTag => self.server.commit(Commit::PurgeTag),
            Step::FailOver(lost) => self.server.fail_over(lost),
            Step::Trim => self.server.trimmed = self.server.now().head(),
            Step::Tell(of) => self.server.tell(of as u32),
            Step::Beat => self.server.beat(),
            Step::Uplink(count) => self.uplink(count),
            Step::Deliver(count) => self.deliver(count),
            Step::Duplicate => {
                let front = self.server.link.as_ref().and_then(|link| link.down.front().cloned());
                self.deliver(1);
                front.into_iter().for_each(|frame| self.receive(&frame));
            }
            Step::Redeliver(back) => {
                let earlier = self.delivered.iter().rev().nth(back).cloned();
                earlier.into_iter().for_each(|frame| self.receive(&frame));
            }
            Step::Drop(of) => self.drop_frame(of),
            Step::Lose => self.lose(),
            Step::Reconnect => self.reconnect(),
            Step::Advance(by) => self.advance(by),
            Step::Fill(category, of) => {
                let (ticket, _) = self.page.manager.begin_fill(category, key(KEYS[of]));
                self.fills.push((ticket, Wanted::Key(category, key(KEYS[of]))));
            }
            Step::Read(category, of, lag) => {
                let (ticket, _) = self.page.manager.begin_fill(category, key(KEYS[of]));
                self.answer(ticket, &Wanted::Key(category, key(KEYS[of])), lag);
            }
            Step::Load(category, of) => {
                let (ticket, _) = self.page.manager.begin_load(category, scope(SCOPES[of]));
                self.fills.push((ticket, Wanted::Scope(category, scope(SCOPES[of]))));
            }
            Step::Answer(which, lag) if !self.fills.is_empty() => {
                let (ticket, wanted) = self.fills.remove(which % self.fills.len());
                self.answer(ticket, &wanted, lag);
            }
            Step::Abandon(which) if !self.fills.is_empty() => {
                let (ticket, _) = self.fills.remove(which % self.fills.len());
                self.page.manager.abandon_fill(ticket);
            }
            Step::Answer(..) | Step::Abandon(_) => {}
            Step::Follow(of) => self.follow(of),
            Step::Unfollow(of) => self.unfollow(of),
        }
    }

    /// Does what the page asked for.
    fn react(&mut self) {
        self.page.settle();
        for output in std::mem::take(&mut self.page.outputs) {
            match output {
                Output::Connect => {
                    self.hang_up();
                    self.is_dialing = true;
                }
                Output::Disconnect(..) => self.hang_up(),
                _ => {}
            }
        }
    }

    fn hang_up(&mut self) {
        self.is_dialing = false;
        self.server.link = None;
        self.page.sent.clear();
        self.delivered.clear();
        self.streams.values_mut().for_each(|stream| stream.vouched = None);
    }

    fn follow(&mut self, of: usize) {
        let number = self.page.follow_into(SCOPES[of], Some(of as u16 % 2));
        let stream = self.streams.entry(of).or_default();
        stream.number = number;
        stream.followers += 1;
        self.react();
    }

    fn unfollow(&mut self, of: usize) {
        let Some(stream) = self.streams.get_mut(&of) else { return };
        stream.followers -= 1;
        let number = stream.number;
        if stream.followers == 0 {
            self.streams.remove(&of);
        }
        self.page.unfollow(number);
        self.react();
    }

    pub(crate) fn uplink(&mut self, count: usize) {
        for _ in 0..count {
            self.page.sent.pop_front().into_iter().for_each(|frame| self.server.take(frame));
        }
    }

    pub(crate) fn deliver(&mut self, count: usize) {
        for _ in 0..count {
            let Some(frame) = self.server.link.as_mut().and_then(|link| link.down.pop_front()) else { return };
            self.receive(&frame);
            if matches!(frame, ServerFrame::Change { .. }) {
                self.delivered.push(frame);
            }
        }
    }

    fn receive(&mut self, frame: &ServerFrame) {
        self.page.server(frame);
        match frame {
            ServerFrame::SubOk { sid, epoch, offset, mode: Mode::Fresh | Mode::Reset, .. }
            | ServerFrame::Reset { sid, epoch, offset, .. } => {
                self.adopted(*sid, Position { epoch: *epoch, offset: *offset });
            }
            ServerFrame::Hb { echo, subs } => {
                for (sid, _) in subs {
                    let stream = self.streams.get_mut(&(*sid as usize));
                    stream.into_iter().for_each(|stream| stream.vouched = stream.vouched.max(*echo));
                }
            }
            _ => {}
        }
        self.react();
    }

    /// A stream begins at a position, unless the page was right to ignore that.
    fn adopted(&mut self, sid: SubRef, position: Position) {
        // No earlier frame may come once more: they belong to what was before.
        self.delivered.clear();
        let is_adopted = self.position(sid as usize) == Some(position);
        if let Some(stream) = self.streams.get_mut(&(sid as usize)).filter(|_| is_adopted) {
            stream.began = Some(position);
        }
    }

    /// The newest frame that tells of changes is lost, and the connection goes on.
    fn drop_frame(&mut self, of: usize) {
        self.server.tell(of as SubRef);
        let Some(link) = &mut self.server.link else { return };
        if matches!(link.down.back(), Some(ServerFrame::Change { .. } | ServerFrame::Hb { .. })) {
            link.down.pop_back();
        }
    }

    fn lose(&mut self) {
        if self.server.link.is_some() || self.is_dialing {
            self.hang_up();
            self.page.input(Input::Closed(Some(1006)));
            self.react();
        }
    }

    pub(crate) fn reconnect(&mut self) {
        if self.page.state() == "waiting" {
            self.page.now = self.page.manager.poll_timeout().expect("an attempt is planned").max(self.page.now);
            self.page.input(Input::Woke);
            self.react();
        }
        if std::mem::take(&mut self.is_dialing) {
            self.server.link = Some(Link::default());
            self.page.input(Input::Opened);
            self.react();
        }
    }

    fn advance(&mut self, by: f64) {
        self.page.now += by;
        self.page.input(Input::Woke);
        self.react();
    }

    /// Answers a fill from wherever the lag says; whether it settled.
    pub(crate) fn answer(&mut self, ticket: Ticket, wanted: &Wanted, lag: Lag) -> bool {
        let lineages = &self.server.lineages;
        let lineage = &lineages[lineages.len().saturating_sub(1 + lag.epochs)];
        let as_of = lineage.head().saturating_sub(lag.commits).max(lineage.start);
        let state = lineage.state((as_of + lag.ahead).min(lineage.head()));
        let as_of = at(&format!("{}:{as_of}", lineage.epoch));
        let now = self.page.now;
        let settled = match wanted {
            Wanted::Key(_, key) => {
                let cell = state.get(key);
                let answer = Answer {
                    version: None,
                    as_of: Some(as_of),
                    bytes: cell.map(|cell| cell.text.as_bytes().into()),
                    tags: cell.filter(|cell| cell.tagged).map(|_| tag(TAG)).into_iter().collect(),
                    ttl: None,
                };
                matches!(self.page.manager.end_fill(ticket, answer, now), Filled::Stored(_) | Filled::Absent)
            }
            Wanted::Scope(_, scope) => {
                let found = state.iter().filter(|(key, _)| scope.contains(key)).map(|(key, cell)| {
                    let tags = cell.tagged.then(|| tag(TAG)).into_iter().collect();
                    let body = Body::Value { source_ts: 0, tags, payload: Payload::new(cell.text.as_bytes()) };
                    Found { key: key.clone(), as_of, value: Some((offset(1), body)), ttl_ms: None }
                });
                let frame = ServerFrame::Got { id: 0, items: found.collect() };
                let bytes = Codec::Postcard.encode_server(&frame).expect("it can be written");
                let loaded = self.page.load(ticket, Some(as_of), &bytes);
                matches!(loaded, Loaded::Kept { late, .. } if late.is_empty())
            }
        };
        self.react();
        settled
    }
}

proptest! {
    #[test]
    fn no_read_is_older_than_what_the_page_was_told_and_in_the_end_it_holds_what_the_server_holds(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.apply(step);
            run.check();
        }
        run.settle();
    }
}
