//! One connection to an edge server for all tabs of an origin (R8): to the server a client, to the tabs a server.
//!
//! Each tab keeps its own cache, cursors and rules. A relay that is an honest server keeps their promises therefore, and
//! it is one by four rules:
//!
//! - it answers a tab by a position only where its own flow has come to, or what the server said (`line`);
//! - whoever follows a scope is told all that the server tells of it, holes and resets too;
//! - it echoes a tab's stamp only when the server has echoed a stamp of its own that it sent later (`tab`);
//! - when the connection is lost it forgets everything, and every tab hears that its connection is lost.
//!
//! Each `sub` of a tab makes one of the relay's, also for a scope that is followed already: the answer proves that the
//! position holds, and the heartbeat that follows at once vouches for the tab.
//!
//! Sans-IO: frames and `now` in, [`Output`]s out. It has no timer: tabs come back by their own backoff and notice silence
//! by themselves, and what is sent to the server is sent when a tab or the server has spoken.

#![cfg_attr(not(test), no_std)]

extern crate alloc;
#[cfg(not(target_arch = "wasm32"))]
extern crate std;

mod line;
mod tab;

#[cfg(target_arch = "wasm32")]
pub mod bindings;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use wire::frame::SUBSCRIPTIONS_MAX;
use wire::head::{read_client, write_client};
use wire::{ClientFrame, CloseCode, Position, Scope, ServerHead, Span, SubId, SubRef};

use crate::line::{Line, Member, Teller, Then, Told};
use crate::tab::Tab;
pub use crate::tab::{SILENT_HEARTBEATS, SILENT_MS, UNACKNOWLEDGED_MAX};

/// A tab's connection, by a number that is never given twice.
pub type TabId = u32;

/// The most scopes. A server takes one subscription more, and refuses the next, even for a scope that is followed.
const SCOPES_MAX: usize = SUBSCRIPTIONS_MAX as usize - 1;
/// How long the server may be silent before its welcome, in milliseconds; and after it, in heartbeats.
const GREETING_MS: f64 = 10_000.0;
const SERVER_SILENT_HEARTBEATS: f64 = 3.0;

/// What the shell is to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Open a socket to the server, in place of any other.
    Connect,
    /// Send the server a binary message.
    Send(Vec<u8>),
    /// Close the socket; nothing more is heard from it.
    Disconnect(u16, &'static str),
    /// Tell a tab that its connection is open.
    Opened(TabId),
    /// Send a tab a message.
    Tell(TabId, Vec<u8>),
    /// Tell a tab that its connection is closed, with a code if there is one. It is heard no more.
    Closed(TabId, Option<u16>),
    /// Tell a tab that it cannot share this connection: it takes one of its own. It is heard no more.
    Alone(TabId),
}

/// The connection to the server.
#[derive(Debug)]
enum Server {
    Off,
    Dialing { since: f64 },
    Open { welcome: Option<Welcome>, heard: f64 },
}

#[derive(Debug)]
struct Welcome {
    bytes: Vec<u8>,
    hb_ms: f64,
}

/// The relay.
#[derive(Debug)]
pub struct Relay {
    token: Option<String>,
    server: Server,
    tabs: Vec<Tab>,
    lines: Vec<Line>,
    outputs: VecDeque<Output>,
    last_id: SubId,
    last_sid: SubRef,
    /// The last stamp that went to the server. Stamps only tell what came before what, so that they need no clock.
    last_stamp: u64,
    /// A heartbeat is not answered yet: the answer waits for the tabs', whose stamps it then covers.
    owes_pong: bool,
}

impl Relay {
    /// A relay that is not connected. Tabs of another token do not share it.
    pub fn new(token: Option<String>) -> Relay {
        Relay {
            token,
            server: Server::Off,
            tabs: Vec::new(),
            lines: Vec::new(),
            outputs: VecDeque::new(),
            last_id: 0,
            last_sid: 0,
            last_stamp: 0,
            owes_pong: false,
        }
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// A tab opens a connection.
    pub fn join(&mut self, id: TabId, now: f64) {
        self.end_if_silent(now);
        self.tabs.push(Tab::new(id, now));
        match self.server {
            Server::Off => self.connect(now),
            Server::Dialing { .. } => {}
            Server::Open { .. } => self.outputs.push_back(Output::Opened(id)),
        }
    }

    /// A tab closed its connection, or is gone.
    pub fn leave(&mut self, id: TabId, now: f64) {
        if !self.tabs.iter().any(|tab| tab.id == id) {
            return;
        }
        self.forget(id);
        // It may have left because it heard nothing: then the others do not hear anything either.
        self.end_if_silent(now);
        if self.tabs.is_empty() && !matches!(self.server, Server::Off) {
            self.outputs.push_back(Output::Disconnect(1000, "nobody follows"));
            self.server = Server::Off;
        }
    }

    /// A tab has processed so many messages, of so many bytes together.
    pub fn acknowledged(&mut self, id: TabId, messages: u32, bytes: u32) {
        if let Some(tab) = self.tab(id) {
            tab.acknowledged(messages as usize, bytes as usize);
        }
    }

    /// A tab sent a message.
    pub fn tab_message(&mut self, id: TabId, bytes: &[u8], now: f64) {
        let is_open = matches!(self.server, Server::Open { .. });
        let Some(tab) = self.tab(id).filter(|_| is_open) else { return };
        tab.unanswered = 0;
        tab.heard = now;
        let is_greeted = tab.is_greeted;
        match read_client(bytes) {
            Some(ClientFrame::Hello { token, values }) if !is_greeted => self.hello(id, token.as_deref(), values),
            Some(ClientFrame::Sub { id: request, scope, since, stamp }) if is_greeted => {
                self.stamped(id, stamp);
                self.sub(id, request, scope, since);
            }
            Some(ClientFrame::Unsub { id: request }) if is_greeted => {
                self.drop_members(|member| member.tab == id && member.id == request);
            }
            Some(ClientFrame::Pong { stamp }) if is_greeted => {
                self.stamped(id, stamp);
                self.answer_heartbeat();
            }
            // Values are read over HTTP. Who wants them otherwise is served by the server itself.
            Some(ClientFrame::Get { .. }) if is_greeted => self.end(id, Output::Alone(id)),
            _ => self.end(id, Output::Closed(id, Some(CloseCode::Protocol.code()))),
        }
        self.end_slow();
    }

    /// The socket to the server is open.
    pub fn opened(&mut self, now: f64) {
        self.server = Server::Open { welcome: None, heard: now };
        let token = self.token.clone();
        self.send(&ClientFrame::Hello { token, values: true });
        self.outputs.extend(self.tabs.iter().map(|tab| Output::Opened(tab.id)));
    }

    /// The socket to the server is closed, with the code if there is one. The tabs decide what follows from it.
    pub fn closed(&mut self, code: Option<u16>) {
        self.server = Server::Off;
        self.lines.clear();
        self.owes_pong = false;
        self.outputs.extend(self.tabs.drain(..).map(|tab| Output::Closed(tab.id, code)));
    }

    /// The server sent a message.
    pub fn message(&mut self, bytes: &[u8], now: f64) {
        let Server::Open { heard, .. } = &mut self.server else { return };
        *heard = now;
        let Some((head, rest)) = ServerHead::read(bytes) else {
            self.outputs.push_back(Output::Disconnect(CloseCode::Protocol.code(), "not a frame"));
            return self.closed(None);
        };
        let mut told = Vec::new();
        match head {
            ServerHead::Welcome { hb_ms, .. } => self.welcomed(bytes, hb_ms),
            ServerHead::SubOk { id, sid, epoch, offset, mode } => {
                let Some(place) = self.lines.iter().position(|line| line.is_asking(id)) else { return };
                let then = self.lines[place].begun(id, sid, Position { epoch, offset }, mode, &mut told);
                self.tell(place, &told, None);
                self.go_on(place, then);
            }
            ServerHead::Change { sid, span } => {
                let Some(place) = self.lines.iter().position(|line| line.flows(sid)) else { return };
                let then = self.lines[place].range(span, Teller::Change, &mut told);
                self.tell(place, &told, Some((span, rest)));
                self.go_on(place, then);
            }
            ServerHead::Reset { sid, epoch, offset, .. } => {
                let Some(place) = self.lines.iter().position(|line| line.flows(sid)) else { return };
                self.lines[place].reset(Position { epoch, offset }, &mut told);
                self.tell(place, &told, None);
            }
            ServerHead::Hb { echo, subs } => self.heartbeat(echo, &subs, now),
            ServerHead::Bye { .. } => self.tell_all(bytes),
            ServerHead::Got { .. } => {}
        }
        self.end_slow();
    }

    fn connect(&mut self, now: f64) {
        self.server = Server::Dialing { since: now };
        self.outputs.push_back(Output::Connect);
    }

    /// Gives a connection up that is silent. Nobody but a tab that came or left could have noticed.
    fn end_if_silent(&mut self, now: f64) {
        let until = match &self.server {
            Server::Off => return,
            Server::Dialing { since } => since + GREETING_MS,
            Server::Open { welcome: Some(welcome), heard } => heard + SERVER_SILENT_HEARTBEATS * welcome.hb_ms,
            Server::Open { welcome: None, heard } => heard + GREETING_MS,
        };
        if now >= until {
            self.outputs.push_back(Output::Disconnect(CloseCode::Slow.code(), "the server is silent"));
            self.closed(None);
        }
    }

    fn tab(&mut self, id: TabId) -> Option<&mut Tab> {
        self.tabs.iter_mut().find(|tab| tab.id == id)
    }

    fn stamped(&mut self, id: TabId, stamp: u64) {
        let sent = self.last_stamp;
        if let Some(tab) = self.tab(id) {
            tab.stamped(stamp, sent);
        }
    }

    fn next_stamp(&mut self) -> u64 {
        self.last_stamp += 1;
        self.last_stamp
    }

    fn hello(&mut self, id: TabId, token: Option<&str>, values: bool) {
        if token != self.token.as_deref() || !values {
            return self.end(id, Output::Alone(id));
        }
        if let Some(tab) = self.tab(id) {
            tab.is_greeted = true;
        }
        if let Server::Open { welcome: Some(welcome), .. } = &self.server {
            let bytes = welcome.bytes.clone();
            self.tell_tab(id, bytes);
        }
    }

    fn welcomed(&mut self, bytes: &[u8], hb_ms: u32) {
        if let Server::Open { welcome, .. } = &mut self.server {
            *welcome = Some(Welcome { bytes: bytes.into(), hb_ms: f64::from(hb_ms) });
        }
        self.tell_all(bytes);
    }

    fn sub(&mut self, tab: TabId, request: SubId, scope: Scope, since: Option<Position>) {
        // A second one for the same scope takes the place of the first.
        if let Some(line) = self.lines.iter_mut().find(|line| line.scope == scope) {
            line.members.retain(|member| member.tab != tab);
        }
        let place = match self.lines.iter().position(|line| line.scope == scope) {
            Some(place) => place,
            None if self.lines.len() < SCOPES_MAX => {
                self.lines.push(Line::new(scope));
                self.lines.len() - 1
            }
            None => return self.end(tab, Output::Alone(tab)),
        };
        self.last_sid = self.last_sid.wrapping_add(1);
        let sid = self.last_sid;
        let mut told = Vec::new();
        let line = &mut self.lines[place];
        line.join(tab, request, sid, since);
        line.welcome(&mut told);
        self.tell(place, &told, None);
        self.go_on(place, Then::Ask);
    }

    fn go_on(&mut self, place: usize, then: Then) {
        if then == Then::Done {
            return;
        }
        self.last_id = self.last_id.wrapping_add(1);
        let (id, stamp) = (self.last_id, self.next_stamp());
        let line = &mut self.lines[place];
        let since = line.ask(id);
        let scope = line.scope.clone();
        self.send(&ClientFrame::Sub { id, scope, since, stamp });
    }

    fn heartbeat(&mut self, echo: Option<u64>, subs: &[(SubRef, Span)], now: f64) {
        if self.owes_pong {
            self.pong();
        }
        let mut named: Vec<(TabId, SubRef, Span)> = Vec::new();
        for &(sid, span) in subs {
            let Some(place) = self.lines.iter().position(|line| line.flows(sid)) else { continue };
            let mut told = Vec::new();
            let then = self.lines[place].range(span, Teller::Heartbeat, &mut told);
            let line = &self.lines[place];
            named.extend(told.iter().filter_map(|word| match *word {
                Told::Range { place, .. } => {
                    let member = &line.members[place];
                    Some((member.tab, member.sid, span))
                }
                _ => None,
            }));
            self.tell(place, &told, None);
            self.go_on(place, then);
        }
        let hb_ms = match &self.server {
            Server::Open { welcome: Some(welcome), .. } => welcome.hb_ms,
            _ => 0.0,
        };
        let patience = SILENT_MS.max(SILENT_HEARTBEATS * hb_ms);
        let beat = |tab: &mut Tab| {
            tab.unanswered += 1;
            tab.is_silent = now - tab.heard > patience;
            (tab.id, echo.and_then(|echo| tab.echo(echo)))
        };
        let beats: Vec<(TabId, Option<u64>)> = self.tabs.iter_mut().map(beat).collect();
        for (id, echo) in beats {
            let subs = named.iter().filter(|(tab, ..)| *tab == id).map(|&(_, sid, span)| (sid, span)).collect();
            self.tell_tab(id, ServerHead::Hb { echo, subs }.write(&[]));
        }
        self.owes_pong = true;
        self.answer_heartbeat();
    }

    /// Answers the heartbeat once every tab has that answered the one before: so one stamp covers all of theirs.
    fn answer_heartbeat(&mut self) {
        if self.owes_pong && !self.tabs.iter().any(|tab| tab.unanswered == 1) {
            self.pong();
        }
    }

    fn pong(&mut self) {
        self.owes_pong = false;
        let stamp = self.next_stamp();
        self.send(&ClientFrame::Pong { stamp });
    }

    /// Tells the members of a scope, and of the change at hand those to whom it is news.
    fn tell(&mut self, place: usize, told: &[Told], change: Option<(Span, &[u8])>) {
        for word in told {
            let members = &self.lines[place].members;
            let (member, head, rest): (_, _, &[u8]) = match *word {
                Told::Begun(member, Position { epoch, offset }, mode) => {
                    let Member { id, sid, .. } = members[member];
                    (member, ServerHead::SubOk { id, sid, epoch, offset, mode }, &[])
                }
                Told::Reset(member, Position { epoch, offset }) => {
                    let why = "the connection that tabs share lost the stream's thread".into();
                    (member, ServerHead::Reset { sid: members[member].sid, epoch, offset, why }, &[])
                }
                Told::Range { place: member, is_news } => match change {
                    Some((span, rest)) if is_news => {
                        (member, ServerHead::Change { sid: members[member].sid, span }, rest)
                    }
                    _ => continue,
                },
            };
            let tab = members[member].tab;
            self.tell_tab(tab, head.write(rest));
        }
    }

    fn tell_all(&mut self, bytes: &[u8]) {
        let tabs: Vec<TabId> = self.tabs.iter().map(|tab| tab.id).collect();
        tabs.into_iter().for_each(|id| self.tell_tab(id, bytes.into()));
    }

    /// Sends a tab a message, if it has said hello and takes any more.
    fn tell_tab(&mut self, id: TabId, bytes: Vec<u8>) {
        if let Some(tab) = self.tab(id)
            && tab.is_greeted
            && tab.takes(bytes.len())
        {
            self.outputs.push_back(Output::Tell(id, bytes));
        }
    }

    fn send(&mut self, frame: &ClientFrame) {
        if matches!(self.server, Server::Open { .. }) {
            self.outputs.push_back(Output::Send(write_client(frame)));
        }
    }

    /// Ends the tabs that take nothing more, or say nothing.
    fn end_slow(&mut self) {
        while let Some(id) = self.tabs.iter().find(|tab| tab.is_slow()).map(|tab| tab.id) {
            self.end(id, Output::Closed(id, Some(CloseCode::Slow.code())));
        }
    }

    fn end(&mut self, id: TabId, word: Output) {
        self.forget(id);
        self.outputs.push_back(word);
    }

    fn forget(&mut self, id: TabId) {
        self.tabs.retain(|tab| tab.id != id);
        self.drop_members(|member| member.tab == id);
        self.answer_heartbeat();
    }

    /// Some follow no more. What nobody follows, the server need not tell.
    fn drop_members(&mut self, is_over: impl Fn(&Member) -> bool) {
        let mut over = Vec::new();
        self.lines.retain_mut(|line| {
            line.members.retain(|member| !is_over(member));
            if line.members.is_empty() {
                over.push(line.request);
            }
            !line.members.is_empty()
        });
        over.into_iter().for_each(|id| self.send(&ClientFrame::Unsub { id }));
    }
}
