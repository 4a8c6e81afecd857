//! A page without a browser: the manager, a clock that only the test moves, and the server's end of the socket.
#![expect(clippy::unwrap_used, reason = "the names that tests write are valid")]

use std::collections::VecDeque;

use cache_wasm::fill::Ticket;
use cache_wasm::manager::Options;
use cache_wasm::segments::Heap;
use cache_wasm::slots::{Content, StreamRef};
use cache_wasm::{Answer, CategoryOptions, Changed, Effect, Filled, Input, Loaded, Manager, Output};
use wire::{
    Body, Change, ClientFrame, Codec, Item, Key, Limits, Mode, Offset, Payload, Position, Scope, ServerFrame, Span,
    SubId, SubRef, Tag,
};

use crate::mirror::Mirror;

/// Milliseconds between the server's heartbeats.
pub(crate) const HB_MS: u32 = 1_000;
/// How long each vouches.
pub(crate) const LEASE_MS: u32 = 3_000;
/// The scope of most tests, and the number its frames carry.
pub(crate) const SCOPE: &str = "s:m:";
pub(crate) const SID: SubRef = 7;

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

pub(crate) fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

pub(crate) fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

/// A position from `epoch:offset`.
pub(crate) fn at(text: &str) -> Position {
    text.parse().unwrap()
}

pub(crate) fn offset(number: u64) -> Offset {
    Offset::new(number).unwrap()
}

pub(crate) fn span(from: u64, to: u64) -> Span {
    Span::new(offset(from), offset(to)).unwrap()
}

pub(crate) fn changed(name: &str, version: u64) -> Item {
    Item { key: key(name), version: offset(version), body: Body::Changed }
}

pub(crate) fn gone(name: &str, version: u64) -> Item {
    Item { key: key(name), version: offset(version), body: Body::Gone }
}

pub(crate) fn value(name: &str, version: u64, text: &str) -> Item {
    Item { key: key(name), version: offset(version), body: body(text, &[]) }
}

pub(crate) fn body(text: &str, tags: &[&str]) -> Body {
    let tags = tags.iter().map(|text| tag(text)).collect();
    Body::Value { source_ts: 0, tags, payload: Payload::new(text.as_bytes()) }
}

pub(crate) fn items(from: u64, to: u64, items: Vec<Item>) -> Change {
    Change { span: span(from, to), items, scopes: Vec::new(), tags: Vec::new() }
}

pub(crate) fn purge(from: u64, to: u64, of: &str) -> Change {
    Change { scopes: vec![scope(of)], ..items(from, to, Vec::new()) }
}

pub(crate) fn purge_tag(from: u64, to: u64, of: &str) -> Change {
    Change { tags: vec![tag(of)], ..items(from, to, Vec::new()) }
}

pub(crate) fn category(name: &str, max: u32) -> CategoryOptions {
    CategoryOptions::new(name, max)
}

/// A request to follow, as the server sees it.
#[derive(Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) id: SubId,
    pub(crate) scope: String,
    pub(crate) since: Option<Position>,
    pub(crate) stamp: u64,
}

/// The page.
pub(crate) struct Page {
    pub(crate) manager: Manager,
    pub(crate) now: f64,
    /// Frames that were sent and not looked at.
    pub(crate) sent: VecDeque<ClientFrame>,
    /// What else was asked for, in order.
    pub(crate) outputs: Vec<Output>,
    /// The effects of the last step.
    pub(crate) effects: Vec<Effect>,
    mirror: Mirror,
}

impl Page {
    /// Two categories, `0` and `1`, that are never full.
    pub(crate) fn new() -> Page {
        Page::with(vec![category("values", 100), category("more", 100)], u64::MAX)
    }

    pub(crate) fn with(categories: Vec<CategoryOptions>, max_bytes: u64) -> Page {
        let options = Options { categories, max_bytes, token: Some("secret".into()), seed: 7 };
        Page {
            manager: Manager::new(options, Box::<Heap>::default()).unwrap(),
            now: 5_000.0,
            sent: VecDeque::new(),
            outputs: Vec::new(),
            effects: Vec::new(),
            mirror: Mirror::default(),
        }
    }

    /// A page that follows [`SCOPE`] from a position on, live.
    pub(crate) fn live(position: &str) -> Page {
        let mut page = Page::new();
        page.follow(SCOPE);
        page.open();
        page.accept(SID, Mode::Fresh, position);
        page
    }

    /// What a shell does after every call: repeat the effects, then take the outputs.
    pub(crate) fn settle(&mut self) {
        self.effects = self.manager.take_effects();
        self.mirror.repeat(&self.effects, self.manager.store());
        while let Some(output) = self.manager.poll() {
            match output {
                Output::Send(bytes) => self.sent.push_back(Codec::Postcard.decode_client(&bytes).unwrap()),
                other => self.outputs.push(other),
            }
        }
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.manager.handle(input, self.now);
        self.settle();
    }

    pub(crate) fn server(&mut self, frame: &ServerFrame) {
        let bytes = Codec::Postcard.encode_server(frame).unwrap();
        self.input(Input::Message(&bytes));
    }

    pub(crate) fn follow(&mut self, of: &str) -> StreamRef {
        self.follow_into(of, Some(0))
    }

    pub(crate) fn follow_into(&mut self, of: &str, category: Option<u16>) -> StreamRef {
        let stream = self.manager.follow(&scope(of), category, self.now).unwrap();
        self.settle();
        stream
    }

    pub(crate) fn unfollow(&mut self, stream: StreamRef) {
        self.manager.unfollow(stream);
        self.settle();
    }

    /// The socket opens and the server says welcome.
    pub(crate) fn open(&mut self) {
        self.input(Input::Opened);
        assert_eq!(self.sent.pop_front(), Some(ClientFrame::Hello { token: Some("secret".into()), values: true }));
        let limits = Limits { frame_bytes: 65_536, subscriptions: 256, get_keys: 1_000 };
        self.server(&ServerFrame::Welcome { session: 1, hb_ms: HB_MS, lease_ms: LEASE_MS, limits });
    }

    /// The next request to follow that was sent, and what was sent before it is forgotten.
    pub(crate) fn asked(&mut self) -> Option<Asked> {
        while let Some(frame) = self.sent.pop_front() {
            if let ClientFrame::Sub { id, scope, since, stamp } = frame {
                return Some(Asked { id, scope: scope.to_string(), since, stamp });
            }
        }
        None
    }

    pub(crate) fn subok(&mut self, id: SubId, sid: SubRef, mode: Mode, position: &str) {
        let Position { epoch, offset } = at(position);
        self.server(&ServerFrame::SubOk { id, sid, epoch, offset, mode });
    }

    /// Answers the next request to follow. Where there is nothing to replay the heartbeat follows at once.
    pub(crate) fn accept(&mut self, sid: SubRef, mode: Mode, position: &str) -> Asked {
        let asked = self.asked().expect("the page asks to follow");
        self.subok(asked.id, sid, mode, position);
        if mode != Mode::Replayed {
            let subs = vec![(sid, Span::new(at(position).offset, at(position).offset).unwrap())];
            self.server(&ServerFrame::Hb { echo: Some(asked.stamp), subs });
            assert!(matches!(self.sent.pop_back(), Some(ClientFrame::Pong { .. })));
        }
        asked
    }

    pub(crate) fn change(&mut self, change: Change) {
        self.server(&ServerFrame::Change { sid: SID, change });
    }

    /// A reset, and the heartbeat that the server sends at once behind it.
    pub(crate) fn reset(&mut self, position: &str) {
        self.reset_unvouched(position);
        let offset = at(position).offset.get();
        self.beat(self.now, offset, offset);
    }

    pub(crate) fn reset_unvouched(&mut self, position: &str) {
        let Position { epoch, offset } = at(position);
        self.server(&ServerFrame::Reset { sid: SID, epoch, offset, why: "test".into() });
    }

    /// A heartbeat that echoes `stamp`.
    pub(crate) fn beat(&mut self, stamp: f64, from: u64, to: u64) {
        self.server(&ServerFrame::Hb { echo: Some(stamp as u64), subs: vec![(SID, span(from, to))] });
    }

    /// The connection is lost and made again; the requests to follow wait in `sent`.
    pub(crate) fn reconnect(&mut self) {
        self.input(Input::Closed(Some(1006)));
        self.come_back();
    }

    /// Waits out the backoff.
    pub(crate) fn come_back(&mut self) {
        self.now = self.manager.poll_timeout().expect("an attempt is planned");
        self.sent.clear();
        self.take_connects();
        self.input(Input::Woke);
        assert_eq!(self.take_connects(), 1);
        self.open();
    }

    /// How often a socket was asked for since the last look.
    pub(crate) fn take_connects(&mut self) -> usize {
        let before = self.outputs.len();
        self.outputs.retain(|output| *output != Output::Connect);
        before - self.outputs.len()
    }

    /// What the followers were told since the last look.
    pub(crate) fn told(&mut self) -> Vec<Changed> {
        let outputs = std::mem::take(&mut self.outputs);
        let told = outputs.into_iter().filter_map(|output| match output {
            Output::Changed(_, changed) => Some(changed),
            _ => None,
        });
        told.collect()
    }

    pub(crate) fn fill(&mut self, name: &str) -> (Ticket, Option<Position>) {
        self.manager.begin_fill(0, key(name))
    }

    pub(crate) fn answer(&mut self, ticket: Ticket, as_of: &str, text: &str) -> Filled {
        let bytes = Some(text.as_bytes().into());
        let filled =
            self.manager.end_fill(ticket, Answer { as_of: Some(at(as_of)), bytes, ..Answer::default() }, self.now);
        self.settle();
        filled
    }

    /// A fill that is answered at once, as of a position.
    pub(crate) fn put(&mut self, name: &str, as_of: &str, text: &str) {
        let (ticket, _) = self.fill(name);
        let filled = self.answer(ticket, as_of, text);
        assert!(matches!(filled, Filled::Stored(_)), "{name} as of {as_of}: {filled:?}");
    }

    /// A value of the application's own.
    pub(crate) fn set(&mut self, name: &str, text: &str) {
        self.set_in(0, name, text);
    }

    pub(crate) fn set_in(&mut self, category: u16, name: &str, text: &str) {
        self.manager.set(category, key(name), text.as_bytes().into(), None, Vec::new(), self.now).unwrap();
        self.settle();
    }

    /// What a read of category 0 hits.
    pub(crate) fn read(&self, name: &str) -> Option<String> {
        self.read_in(0, name)
    }

    pub(crate) fn read_in(&self, category: u16, name: &str) -> Option<String> {
        let slot = self.manager.store().find(category, &key(name))?;
        let bytes = self.manager.store().payload(slot)?;
        self.manager.slots().readable(slot, self.now).then(|| String::from_utf8(bytes).unwrap())
    }

    /// Whether an entry is there, readable or not.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.manager.store().find(0, &key(name)).is_some()
    }

    /// Ends a scope's fill with its answer, in pieces as a network brings it.
    pub(crate) fn load(&mut self, ticket: Ticket, as_of: Option<Position>, body: &[u8]) -> Loaded {
        for piece in body.chunks(11) {
            let loaded = self.manager.feed_load(ticket, as_of, piece, self.now);
            if loaded != Loaded::More {
                return loaded;
            }
        }
        self.manager.end_load(ticket, as_of)
    }

    /// What an entry of the first category holds.
    pub(crate) fn content(&self, name: &str) -> Option<Content> {
        let store = self.manager.store();
        Some(store.slots.get(store.find(0, &key(name))?)?.content)
    }

    /// How far a scope has come, and whether its reads may hit.
    pub(crate) fn stands(&self, of: &str) -> (Option<String>, bool) {
        let stats = self.manager.stats(self.now).stream.subscriptions;
        let found = stats.into_iter().find(|subscription| subscription.scope == of).expect("the scope is followed");
        (found.position, found.live)
    }

    pub(crate) fn state(&self) -> &'static str {
        self.manager.stats(self.now).stream.state
    }
}

/// What is readable, as an assertion writes it.
pub(crate) fn some(text: &str) -> Option<String> {
    Some(text.into())
}
