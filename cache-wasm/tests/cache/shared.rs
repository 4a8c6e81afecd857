//! P1, P2 and P4 of caches that share a connection: three tabs, a relay, the model server, and whatever can happen to
//! them. Tabs die with and without a word, sleep, and are slow; the relay's connection is lost, its frames are too; the
//! tab that leads goes, and another relay begins with nothing.

use std::collections::{BTreeMap, VecDeque};

use cache_wasm::slots::StreamRef;
use cache_wasm::{Answer, Input, Output};
use proptest::prelude::*;
use relay::{Relay, TabId};
use wire::{ClientFrame, Codec, Position, ServerFrame, SubRef};

use crate::coherence::{KEYS, SCOPES};
use crate::page::{Page, at, category, key, scope, tag};
use crate::server::{Commit, Link, Server, TAG};
use crate::steps::{EXACT, Lag};

const TABS: usize = 3;
/// What each tab's clock is ahead of the test's, in milliseconds.
const CLOCKS: [f64; TABS] = [5_000.0, 0.0, 9_000_000.0];

#[derive(Debug, Clone)]
enum Step {
    Put(usize, bool, bool),
    Gone(usize),
    PurgeScope(usize),
    PurgeTag,
    FailOver(u64),
    Trim,
    Tell(usize),
    Beat,
    /// So many frames go from the relay to the server, and from the server to the relay.
    Up(usize),
    Down(usize),
    /// So many go from a tab to the relay, and back.
    TabUp(usize, usize),
    TabDown(usize, usize),
    Drop(usize),
    Duplicate,
    Lose,
    Dial,
    Advance(f64),
    /// A timer goes off, or the page is shown. One in the background may wait for that for long.
    Woke(usize),
    Follow(usize, usize),
    Unfollow(usize, usize),
    Read(usize, u16, usize, Lag),
    Sleep(usize),
    Wake(usize),
    /// It is gone; whether it could say so.
    Die(usize, bool),
    /// Another relay takes over.
    Move,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let behind = (prop_oneof![6 => Just(0usize), 1 => Just(1)], 0u64..6, 0u64..3);
    let behind = behind.prop_map(|(epochs, commits, ahead)| Lag { epochs, commits, ahead });
    let lag = prop_oneof![Just(EXACT), behind];
    let scope = 0..SCOPES.len();
    let step = prop_oneof![
        12 => (0..KEYS.len(), any::<bool>(), any::<bool>()).prop_map(|(key, tagged, pushed)| Step::Put(key, tagged, pushed)),
        2 => (0..KEYS.len()).prop_map(Step::Gone),
        1 => scope.clone().prop_map(Step::PurgeScope),
        1 => Just(Step::PurgeTag),
        1 => (0u64..4).prop_map(Step::FailOver),
        1 => Just(Step::Trim),
        10 => scope.clone().prop_map(Step::Tell),
        6 => Just(Step::Beat),
        10 => (1usize..4).prop_map(Step::Up),
        16 => (1usize..5).prop_map(Step::Down),
        16 => (0..TABS, 1usize..5).prop_map(|(tab, count)| Step::TabUp(tab, count)),
        20 => (0..TABS, 1usize..6).prop_map(|(tab, count)| Step::TabDown(tab, count)),
        2 => scope.clone().prop_map(Step::Drop),
        2 => Just(Step::Duplicate),
        1 => Just(Step::Lose),
        5 => Just(Step::Dial),
        8 => (0.0..1_800.0).prop_map(Step::Advance),
        2 => (0..TABS).prop_map(Step::Woke),
        4 => (0..TABS, scope.clone()).prop_map(|(tab, of)| Step::Follow(tab, of)),
        2 => (0..TABS, scope).prop_map(|(tab, of)| Step::Unfollow(tab, of)),
        18 => (0..TABS, 0u16..2, 0..KEYS.len(), lag).prop_map(|(tab, into, of, lag)| Step::Read(tab, into, of, lag)),
        1 => (0..TABS).prop_map(Step::Sleep),
        5 => (0..TABS).prop_map(Step::Wake),
        1 => (0..TABS, any::<bool>()).prop_map(|(tab, says)| Step::Die(tab, says)),
        1 => Just(Step::Move),
    ];
    prop::collection::vec(step, 80..200)
}

enum Word {
    Opened,
    Message(Vec<u8>),
    Closed(Option<u16>),
}

pub(crate) struct Tab {
    pub(crate) page: Page,
    /// The followed scopes, by their place, with the numbers of their streams.
    pub(crate) streams: BTreeMap<usize, StreamRef>,
    /// The relay's number of its connection.
    connection: Option<TabId>,
    up: VecDeque<(TabId, ClientFrame)>,
    down: VecDeque<(TabId, Word)>,
}

impl Tab {
    fn new() -> Tab {
        let page = Page::with(vec![category("values", 100), category("few", 2)], u64::MAX);
        Tab { page, streams: BTreeMap::new(), connection: None, up: VecDeque::new(), down: VecDeque::new() }
    }
}

pub(crate) struct Walk {
    pub(crate) tabs: Vec<Tab>,
    pub(crate) server: Server,
    pub(crate) now: f64,
    /// Where the server stood from when on.
    pub(crate) heads: Vec<(f64, Position)>,
    relay: Relay,
    is_dialing: bool,
    up: VecDeque<ClientFrame>,
    last: TabId,
}

impl Walk {
    fn new() -> Walk {
        let server = Server::new(SCOPES.map(scope).to_vec());
        let heads = vec![(f64::NEG_INFINITY, server.head())];
        let tabs = (0..TABS).map(|_| Tab::new()).collect();
        let relay = Relay::new(Some("secret".into()));
        let mut walk = Walk { tabs, server, now: 0.0, heads, relay, is_dialing: false, up: VecDeque::new(), last: 0 };
        (0..TABS).for_each(|tab| walk.follow(tab, tab % 2));
        walk.flush();
        walk
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Put(of, tagged, pushed) => self.server.commit(Commit::Put { key: key(KEYS[of]), tagged, pushed }),
            Step::Gone(of) => self.server.commit(Commit::Gone(key(KEYS[of]))),
            Step::PurgeScope(of) => self.server.commit(Commit::PurgeScope(scope(SCOPES[of]))),
            Step::PurgeTag => self.server.commit(Commit::PurgeTag),
            Step::FailOver(lost) => self.server.fail_over(lost),
            Step::Trim => self.server.trimmed = self.server.now().head(),
            Step::Tell(of) => self.server.tell(of as SubRef),
            Step::Beat => self.server.beat(),
            Step::Up(count) => self.uplink(count),
            Step::Down(count) => self.downlink(count),
            Step::TabUp(tab, count) => self.tab_up(tab, count),
            Step::TabDown(tab, count) => self.tab_down(tab, count),
            Step::Drop(of) => self.drop_frame(of),
            Step::Duplicate => {
                let front = self.server.link.as_ref().and_then(|link| link.down.front().cloned());
                self.downlink(1);
                // A second answer to the same request is none.
                front.into_iter().for_each(|frame| self.receive(&frame));
            }
            Step::Lose => self.lose(),
            Step::Dial => self.dial(),
            Step::Advance(by) => {
                self.now += by;
                self.tabs.iter_mut().zip(CLOCKS).for_each(|(tab, clock)| tab.page.now = self.now + clock);
            }
            Step::Woke(tab) => self.input(tab, Input::Woke),
            Step::Follow(tab, of) => self.follow(tab, of),
            Step::Unfollow(tab, of) => {
                if let Some(stream) = self.tabs[tab].streams.remove(&of) {
                    self.tabs[tab].page.unfollow(stream);
                    self.react(tab);
                }
            }
            Step::Read(tab, into, of, lag) => self.read(tab, into, of, lag),
            Step::Sleep(tab) => self.sleep(tab),
            Step::Wake(tab) => self.input(tab, Input::Online),
            Step::Die(tab, says) => self.die(tab, says),
            Step::Move => self.take_over(),
        }
        if self.heads.last().is_none_or(|(_, head)| *head != self.server.head()) {
            self.heads.push((self.now, self.server.head()));
        }
    }

    fn input(&mut self, tab: usize, input: Input) {
        self.tabs[tab].page.now = self.now + CLOCKS[tab];
        self.tabs[tab].page.input(input);
        self.react(tab);
    }

    /// Does what a page asked for.
    fn react(&mut self, tab: usize) {
        let this = &mut self.tabs[tab];
        this.page.settle();
        for output in std::mem::take(&mut this.page.outputs) {
            match output {
                Output::Connect => {
                    self.last += 1;
                    let before = self.tabs[tab].connection.replace(self.last);
                    before.into_iter().for_each(|connection| self.relay.leave(connection, self.now));
                    self.relay.join(self.last, self.now);
                }
                Output::Disconnect(..) => self.hang_up(tab),
                _ => {}
            }
        }
        let this = &mut self.tabs[tab];
        let sent = std::mem::take(&mut this.page.sent);
        this.up.extend(sent.into_iter().filter_map(|frame| Some((this.connection?, frame))));
        self.carry();
    }

    fn hang_up(&mut self, tab: usize) {
        let connection = self.tabs[tab].connection.take();
        connection.into_iter().for_each(|connection| self.relay.leave(connection, self.now));
    }

    /// Does what the relay asked for.
    fn carry(&mut self) {
        while let Some(output) = self.relay.poll() {
            let (connection, word) = match output {
                relay::Output::Connect => {
                    self.cut();
                    self.is_dialing = true;
                    continue;
                }
                relay::Output::Disconnect(..) => {
                    self.cut();
                    continue;
                }
                relay::Output::Send(bytes) => {
                    self.up.push_back(Codec::Postcard.decode_client(&bytes).expect("a frame"));
                    continue;
                }
                relay::Output::Opened(connection) => (connection, Word::Opened),
                relay::Output::Tell(connection, bytes) => (connection, Word::Message(bytes)),
                relay::Output::Closed(connection, code) => (connection, Word::Closed(code)),
                relay::Output::Alone(_) => panic!("all of these tabs can share"),
            };
            if let Some(tab) = self.tabs.iter_mut().find(|tab| tab.connection == Some(connection)) {
                tab.down.push_back((connection, word));
            }
        }
    }

    fn cut(&mut self) {
        self.is_dialing = false;
        self.server.link = None;
        self.up.clear();
    }

    fn lose(&mut self) {
        if self.server.link.is_some() || self.is_dialing {
            self.cut();
            self.relay.closed(Some(1006));
            self.carry();
        }
    }

    fn dial(&mut self) {
        if std::mem::take(&mut self.is_dialing) {
            self.server.link = Some(Link::default());
            self.relay.opened(self.now);
            self.carry();
        }
    }

    fn uplink(&mut self, count: usize) {
        for _ in 0..count {
            self.up.pop_front().into_iter().for_each(|frame| self.server.take(frame));
        }
    }

    fn downlink(&mut self, count: usize) {
        for _ in 0..count {
            let Some(frame) = self.server.link.as_mut().and_then(|link| link.down.pop_front()) else { return };
            self.receive(&frame);
        }
    }

    fn receive(&mut self, frame: &ServerFrame) {
        self.relay.message(&Codec::Postcard.encode_server(frame).expect("it can be written"), self.now);
        self.carry();
    }

    /// The newest frame that tells of changes is lost, and the connection goes on.
    fn drop_frame(&mut self, of: usize) {
        self.server.tell(of as SubRef);
        let Some(link) = &mut self.server.link else { return };
        if matches!(link.down.back(), Some(ServerFrame::Change { .. } | ServerFrame::Hb { .. })) {
            link.down.pop_back();
        }
    }

    fn tab_up(&mut self, tab: usize, count: usize) {
        for _ in 0..count {
            let Some((connection, frame)) = self.tabs[tab].up.pop_front() else { return };
            self.relay.tab_message(
                connection,
                &Codec::Postcard.encode_client(&frame).expect("it can be written"),
                self.now,
            );
            self.carry();
        }
    }

    fn tab_down(&mut self, tab: usize, count: usize) {
        for _ in 0..count {
            let Some((connection, word)) = self.tabs[tab].down.pop_front() else { return };
            if self.tabs[tab].connection != Some(connection) {
                continue;
            }
            match word {
                Word::Opened => self.input(tab, Input::Opened),
                Word::Message(bytes) => {
                    self.relay.acknowledged(connection, 1, bytes.len() as u32);
                    self.input(tab, Input::Message(&bytes));
                }
                Word::Closed(code) => {
                    self.tabs[tab].connection = None;
                    self.input(tab, Input::Closed(code));
                }
            }
        }
    }

    fn follow(&mut self, tab: usize, of: usize) {
        let this = &mut self.tabs[tab];
        if this.streams.contains_key(&of) {
            return;
        }
        this.page.now = self.now + CLOCKS[tab];
        let stream = this.page.follow_into(SCOPES[of], Some(of as u16 % 2));
        this.streams.insert(of, stream);
        self.react(tab);
    }

    /// A fill that is answered at once, from wherever the lag says.
    fn read(&mut self, tab: usize, into: u16, of: usize, lag: Lag) {
        let lineages = &self.server.lineages;
        let lineage = &lineages[lineages.len().saturating_sub(1 + lag.epochs)];
        let as_of = lineage.head().saturating_sub(lag.commits).max(lineage.start);
        let state = lineage.state((as_of + lag.ahead).min(lineage.head()));
        let cell = state.get(&key(KEYS[of]));
        let answer = Answer {
            as_of: Some(at(&format!("{}:{as_of}", lineage.epoch))),
            bytes: cell.map(|cell| cell.text.as_bytes().into()),
            tags: cell.filter(|cell| cell.tagged).map(|_| tag(TAG)).into_iter().collect(),
            ..Answer::default()
        };
        let page = &mut self.tabs[tab].page;
        page.now = self.now + CLOCKS[tab];
        let (ticket, _) = page.manager.begin_fill(into, key(KEYS[of]));
        page.manager.end_fill(ticket, answer, page.now);
        self.react(tab);
    }

    /// As when it is frozen: it says so, and its reads end.
    fn sleep(&mut self, tab: usize) {
        self.hang_up(tab);
        if self.tabs[tab].page.manager.poll_timeout().is_some() {
            self.input(tab, Input::Closed(None));
        }
        self.carry();
    }

    fn die(&mut self, tab: usize, says: bool) {
        if says {
            self.hang_up(tab);
        }
        self.tabs[tab] = Tab::new();
        self.follow(tab, tab % 2);
    }

    /// The tab that leads is gone: what was on its way to it and from it is lost.
    fn take_over(&mut self) {
        self.cut();
        self.relay = Relay::new(Some("secret".into()));
        for tab in 0..TABS {
            if self.tabs[tab].connection.take().is_some() {
                self.tabs[tab].up.clear();
                self.input(tab, Input::Closed(None));
                self.input(tab, Input::Online);
            }
        }
    }

    /// Everything arrives.
    pub(crate) fn flush(&mut self) {
        for _ in 0..8 {
            (0..TABS).for_each(|tab| self.tab_up(tab, 999));
            self.dial();
            self.uplink(999);
            self.downlink(999);
            (0..TABS).for_each(|tab| self.tab_down(tab, 999));
        }
    }

    /// The faults stop.
    fn settle(&mut self) {
        for _ in 0..6 {
            (0..TABS).for_each(|tab| self.input(tab, Input::Online));
            self.flush();
            self.server.beat();
            self.now += 10.0;
            self.check();
        }
        self.flush();
    }
}

proptest! {
    #[test]
    fn tabs_that_share_a_connection_read_nothing_old_and_end_with_what_the_server_holds(steps in steps()) {
        let mut walk = Walk::new();
        for step in &steps {
            walk.apply(step);
            walk.check();
        }
        walk.settle();
        walk.check_convergence();
    }
}
