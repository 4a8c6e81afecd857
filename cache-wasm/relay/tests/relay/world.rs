//! A relay between tabs and a server that say what the test says.
#![expect(clippy::unwrap_used, reason = "the names that tests write are valid")]

use std::collections::HashMap;

use relay::{Output, Relay, TabId};
use wire::{
    Body, Change, ClientFrame, Codec, Item, Key, Limits, Mode, Offset, Position, Scope, ServerFrame, Span, SubId,
    SubRef,
};

pub(crate) const SCOPE: &str = "s:m:";
/// The server's number of it.
pub(crate) const SID: SubRef = 70;
pub(crate) const HB_MS: u32 = 1_000;

pub(crate) fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

pub(crate) fn at(text: &str) -> Position {
    text.parse().unwrap()
}

pub(crate) fn span(from: u64, to: u64) -> Span {
    Span::new(Offset::new(from).unwrap(), Offset::new(to).unwrap()).unwrap()
}

/// A change of one key.
pub(crate) fn change(from: u64, to: u64) -> Change {
    let item = Item { key: Key::parse("s:m:key").unwrap(), version: Offset::new(to).unwrap(), body: Body::Changed };
    Change { span: span(from, to), items: vec![item], scopes: vec![], tags: vec![] }
}

pub(crate) struct World {
    pub(crate) relay: Relay,
    pub(crate) now: f64,
    /// What the relay asked of its shell, without frames.
    pub(crate) asked: Vec<Output>,
    /// Frames for the server that were not looked at.
    pub(crate) up: Vec<ClientFrame>,
    down: HashMap<TabId, Vec<ServerFrame>>,
    last_tab: TabId,
}

impl World {
    pub(crate) fn new() -> World {
        let relay = Relay::new(Some("secret".into()));
        World { relay, now: 0.0, asked: vec![], up: vec![], down: HashMap::new(), last_tab: 0 }
    }

    /// Connected and welcomed, with so many tabs.
    pub(crate) fn with_tabs(count: u32) -> (World, Vec<TabId>) {
        let mut world = World::new();
        let tabs: Vec<TabId> = (0..count).map(|_| world.join()).collect();
        world.opened();
        world.welcome();
        for &tab in &tabs {
            world.hello(tab);
            world.told(tab);
        }
        world.asked.clear();
        world.up.clear();
        (world, tabs)
    }

    pub(crate) fn settle(&mut self) {
        while let Some(output) = self.relay.poll() {
            match output {
                Output::Send(bytes) => self.up.push(Codec::Postcard.decode_client(&bytes).unwrap()),
                Output::Tell(tab, bytes) => {
                    let frame = Codec::Postcard.decode_server(&bytes).unwrap();
                    self.down.entry(tab).or_default().push(frame);
                }
                other => self.asked.push(other),
            }
        }
    }

    pub(crate) fn join(&mut self) -> TabId {
        self.last_tab += 1;
        self.relay.join(self.last_tab, self.now);
        self.settle();
        self.last_tab
    }

    pub(crate) fn leave(&mut self, tab: TabId) {
        self.relay.leave(tab, self.now);
        self.settle();
    }

    pub(crate) fn opened(&mut self) {
        self.relay.opened(self.now);
        self.settle();
    }

    pub(crate) fn server(&mut self, frame: &ServerFrame) {
        self.relay.message(&Codec::Postcard.encode_server(frame).unwrap(), self.now);
        self.settle();
    }

    pub(crate) fn tab(&mut self, tab: TabId, frame: &ClientFrame) {
        self.relay.tab_message(tab, &Codec::Postcard.encode_client(frame).unwrap(), self.now);
        self.settle();
    }

    pub(crate) fn hello(&mut self, tab: TabId) {
        self.tab(tab, &ClientFrame::Hello { token: Some("secret".into()), values: true });
    }

    pub(crate) fn sub(&mut self, tab: TabId, id: SubId, since: Option<&str>, stamp: u64) {
        self.tab(tab, &ClientFrame::Sub { id, scope: scope(SCOPE), since: since.map(at), stamp });
    }

    pub(crate) fn pong(&mut self, tab: TabId, stamp: u64) {
        self.tab(tab, &ClientFrame::Pong { stamp });
    }

    pub(crate) fn welcome(&mut self) {
        let limits = Limits { frame_bytes: 65_536, subscriptions: 256, get_keys: 1_000 };
        self.server(&ServerFrame::Welcome { session: 9, hb_ms: HB_MS, lease_ms: 5_000, limits });
    }

    pub(crate) fn sub_ok(&mut self, id: SubId, mode: Mode, position: &str) {
        let Position { epoch, offset } = at(position);
        self.server(&ServerFrame::SubOk { id, sid: SID, epoch, offset, mode });
    }

    pub(crate) fn change(&mut self, from: u64, to: u64) {
        self.server(&ServerFrame::Change { sid: SID, change: change(from, to) });
    }

    pub(crate) fn reset(&mut self, position: &str) {
        let Position { epoch, offset } = at(position);
        self.server(&ServerFrame::Reset { sid: SID, epoch, offset, why: "test".into() });
    }

    pub(crate) fn beat(&mut self, echo: Option<u64>, from: u64, to: u64) {
        self.server(&ServerFrame::Hb { echo, subs: vec![(SID, span(from, to))] });
    }

    /// What the relay asked the server since the last look: the numbers and positions of its requests.
    pub(crate) fn subs(&mut self) -> Vec<(SubId, Option<String>)> {
        let frames = std::mem::take(&mut self.up);
        let subs = frames.into_iter().filter_map(|frame| match frame {
            ClientFrame::Sub { id, since, .. } => Some((id, since.map(|since| since.to_string()))),
            _ => None,
        });
        subs.collect()
    }

    /// The last stamp that went to the server since the last look.
    pub(crate) fn stamp(&mut self) -> Option<u64> {
        let stamps = std::mem::take(&mut self.up).into_iter().filter_map(|frame| match frame {
            ClientFrame::Sub { stamp, .. } | ClientFrame::Pong { stamp } => Some(stamp),
            _ => None,
        });
        stamps.last()
    }

    /// What a tab was sent since the last look.
    pub(crate) fn told(&mut self, tab: TabId) -> Vec<ServerFrame> {
        self.down.remove(&tab).unwrap_or_default()
    }

    /// The same, in words.
    pub(crate) fn heard(&mut self, tab: TabId) -> Vec<String> {
        let words = self.told(tab).into_iter().map(|frame| match frame {
            ServerFrame::SubOk { id, epoch, offset, mode, .. } => format!("{id} {mode:?} {epoch}:{offset}"),
            ServerFrame::Change { change, .. } => format!("({}, {}]", change.span.from(), change.span.to()),
            ServerFrame::Reset { epoch, offset, .. } => format!("reset {epoch}:{offset}"),
            ServerFrame::Hb { echo, subs } => {
                let spans = subs.iter().map(|(_, span)| format!(" ({}, {}]", span.from(), span.to()));
                format!("hb {echo:?}{}", spans.collect::<String>())
            }
            other => format!("{other:?}"),
        });
        words.collect()
    }

    /// Two tabs that follow the scope, the cursor at `1:10`.
    pub(crate) fn following() -> (World, TabId, TabId) {
        let (mut world, tabs) = World::with_tabs(2);
        let [a, b] = tabs[..] else { panic!("two tabs") };
        world.sub(a, 1, None, 100);
        let asked = world.subs();
        world.sub_ok(asked[0].0, Mode::Fresh, "1:10");
        world.sub(b, 1, None, 200);
        let asked = world.subs();
        world.sub_ok(asked[0].0, Mode::Replayed, "1:10");
        world.beat(None, 10, 10);
        world.told(a);
        world.told(b);
        (world, a, b)
    }
}
