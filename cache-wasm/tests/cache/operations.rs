//! Any sequence of calls, with whatever a server, a network and an application may do: bytes choose. Nothing may panic, and
//! after every call what JavaScript knows of the tables, the leases and the cursors must be in order.
//!
//! `wire/fuzz` runs the same with bytes that a fuzzer chooses.
#![expect(clippy::unwrap_used, reason = "the names that are chosen from are valid")]

use std::collections::BTreeMap;

use cache_wasm::fill::Ticket;
use cache_wasm::manager::Options;
use cache_wasm::segments::Heap;
use cache_wasm::slots::{Slot, StreamRef};
use cache_wasm::{Answer, CategoryOptions, Given, Input, Manager, Output, Pressure, Record, Told};
use wire::{
    Body, Change, ClientFrame, Codec, Epoch, Found, Item, Key, Limits, Mode, Offset, Payload, Position, Scope,
    ServerFrame, Span, Tag,
};

use crate::mirror::Mirror;

const KEYS: [&str; 7] = ["s:m:a", "s:m:b", "s:m:p:a", "s:m:p:q:a", "s:n:a", "s:n:p:a", "s:m"];
const SCOPES: [&str; 5] = ["s:m:", "s:m:p:", "s:m:p:q:", "s:n:", "s:o:"];
const TAGS: [&str; 2] = ["t", "u"];
const CODES: [u16; 8] = [1_000, 1_006, 4_000, 4_001, 4_003, 4_008, 4_009, 4_010];

/// What is left of the bytes that choose; when they are over, all choices are the first.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    fn maybe<T>(&mut self, choose: impl FnOnce(&mut Choices<'a>) -> T) -> Option<T> {
        (self.byte() % 2 == 1).then(|| choose(self))
    }

    fn some<T>(&mut self, most: usize, mut choose: impl FnMut(&mut Choices<'a>) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| choose(self)).collect()
    }

    fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(self.below(most + 1).min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn key(&mut self) -> Key {
        Key::parse(KEYS[self.below(KEYS.len())]).unwrap()
    }

    fn scope(&mut self) -> Scope {
        Scope::parse(SCOPES[self.below(SCOPES.len())]).unwrap()
    }

    fn tag(&mut self) -> Tag {
        Tag::parse(TAGS[self.below(TAGS.len())]).unwrap()
    }

    fn epoch(&mut self) -> Epoch {
        Epoch::new(1 + u64::from(self.byte() % 2)).unwrap()
    }

    fn offset(&mut self) -> Offset {
        let number = match self.byte() {
            255 => wire::position::NUMBER_END - 1,
            small => u64::from(small % 16),
        };
        Offset::new(number).unwrap()
    }

    fn position(&mut self) -> Position {
        Position { epoch: self.epoch(), offset: self.offset() }
    }

    fn span(&mut self) -> Span {
        let (one, other) = (self.offset(), self.offset());
        Span::new(one.min(other), one.max(other)).unwrap()
    }

    /// A value's text, of any length up to 300 bytes.
    fn text(&mut self) -> Vec<u8> {
        let (letter, length) = (b'0' + self.byte() % 10, usize::from(self.byte()) + 1);
        vec![letter; if length > 200 { length + 40 } else { length % 24 + 1 }]
    }

    fn body(&mut self) -> Body {
        match self.byte() % 4 {
            0 => Body::Changed,
            1 => Body::Gone,
            _ => {
                let tags = self.some(2, Choices::tag);
                Body::Value { source_ts: i64::from(self.byte()), tags, payload: Payload::new(self.text()) }
            }
        }
    }

    fn frame(&mut self, last_id: u32) -> ServerFrame {
        match self.byte() % 10 {
            0 => {
                let limits = Limits { frame_bytes: 65_536, subscriptions: 256, get_keys: 1_000 };
                let hb_ms = [1_000, 0, u32::MAX][self.below(3)];
                ServerFrame::Welcome { session: 1, hb_ms, lease_ms: [3_000, 0, u32::MAX][self.below(3)], limits }
            }
            1 | 2 => {
                let mode = [Mode::Fresh, Mode::Replayed, Mode::Reset][self.below(3)];
                let id = last_id.wrapping_sub(u32::from(self.byte() % 4));
                let Position { epoch, offset } = self.position();
                ServerFrame::SubOk { id, sid: u32::from(self.byte() % 4), epoch, offset, mode }
            }
            3..=5 => {
                let (span, items) = (self.span(), self.some(4, Choices::item));
                let (scopes, tags) = (self.some(1, Choices::scope), self.some(1, Choices::tag));
                ServerFrame::Change { sid: u32::from(self.byte() % 4), change: Change { span, items, scopes, tags } }
            }
            6 => ServerFrame::Got { id: 0, items: self.some(2, Choices::found) },
            7 => {
                let Position { epoch, offset } = self.position();
                ServerFrame::Reset { sid: u32::from(self.byte() % 4), epoch, offset, why: "fuzz".into() }
            }
            8 => {
                let echo = self.maybe(|choices| u64::from(choices.byte()) * 500);
                ServerFrame::Hb { echo, subs: self.some(4, |choices| (u32::from(choices.byte() % 4), choices.span())) }
            }
            _ => ServerFrame::Bye { code: 4_000, after_ms: u32::from(self.byte()), jitter_ms: u32::from(self.byte()) },
        }
    }

    fn item(&mut self) -> Item {
        Item { key: self.key(), version: self.offset(), body: self.body() }
    }

    fn found(&mut self) -> Found {
        let (key, as_of) = (self.key(), self.position());
        let value = self.maybe(|choices| (choices.offset(), choices.body()));
        Found { key, as_of, value, ttl_ms: self.maybe(|choices| 1 + u64::from(choices.byte()) * 10) }
    }

    fn answer(&mut self) -> Answer {
        Answer {
            as_of: self.maybe(Choices::position),
            version: self.maybe(|choices| u64::from(choices.byte() % 8)),
            bytes: self.maybe(|choices| choices.text().into()),
            tags: self.some(2, Choices::tag),
            ttl: self.maybe(|choices| f64::from(choices.byte()) * 10.0),
        }
    }
}

/// A cache, and what was seen of it.
struct Subject {
    manager: Manager,
    now: f64,
    mirror: Mirror,
    streams: Vec<(Scope, StreamRef)>,
    tickets: Vec<Ticket>,
    held: Vec<Slot>,
    /// The last request to follow that it made.
    last_id: u32,
    /// Whether `hello` was said on this connection.
    greeted: bool,
    /// Where scopes stood after the call before.
    stood: BTreeMap<Scope, Position>,
    losses: u64,
}

/// Does what the bytes say.
pub(crate) fn run(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let categories = vec![CategoryOptions::new("values", 5), CategoryOptions::new("more", 3)];
    let max_bytes = [400, 2_000, u64::MAX][choices.below(3)];
    let options = Options { categories, max_bytes, token: None, seed: u64::from(choices.byte()) };
    let mut subject = Subject {
        manager: Manager::new(options, Box::<Heap>::default()).unwrap(),
        now: 1_000.0,
        mirror: Mirror::default(),
        streams: Vec::new(),
        tickets: Vec::new(),
        held: Vec::new(),
        last_id: 0,
        greeted: false,
        stood: BTreeMap::new(),
        losses: 0,
    };
    for _ in 0..512 {
        if choices.0.is_empty() {
            break;
        }
        subject.step(&mut choices);
        subject.check();
    }
}

impl Subject {
    fn step(&mut self, choices: &mut Choices) {
        let now = self.now;
        match choices.byte() % 32 {
            0..=7 => {
                let frame = choices.frame(self.last_id);
                let bytes = Codec::Postcard.encode_server(&frame).unwrap();
                self.manager.handle(Input::Message(&bytes), now);
            }
            8 => self.manager.handle(Input::Message(choices.take(64)), now),
            9 | 10 => self.manager.handle(Input::Opened, now),
            11 => {
                let code = choices.maybe(|choices| CODES[choices.below(CODES.len())]);
                self.manager.handle(Input::Closed(code), now);
            }
            12 => self.manager.handle(Input::Woke, now),
            13 => self.manager.handle(Input::Online, now),
            14 => self.now += f64::from(choices.byte()) * 100.0,
            15 => {
                let (scope, category) = (choices.scope(), choices.maybe(|choices| u16::from(choices.byte() % 2)));
                let stream = self.manager.follow(&scope, category, now).unwrap();
                self.streams.push((scope, stream));
            }
            16 if !self.streams.is_empty() => {
                let (_, stream) = self.streams.swap_remove(choices.below(self.streams.len()));
                self.manager.unfollow(stream);
            }
            17 => {
                let (key, given) = (choices.key(), Given::Bytes(choices.text().into()));
                let (ttl, tags) = (choices.maybe(|c| f64::from(c.byte()) * 10.0), choices.some(2, Choices::tag));
                drop(self.manager.set(u16::from(choices.byte() % 2), key, given, ttl, tags, now));
            }
            18 | 19 => self.tickets.push(self.manager.begin_fill(u16::from(choices.byte() % 2), choices.key()).0),
            20 => self.tickets.push(self.manager.begin_load(u16::from(choices.byte() % 2), choices.scope()).0),
            21 if !self.tickets.is_empty() => {
                let ticket = self.tickets.swap_remove(choices.below(self.tickets.len()));
                self.manager.end_fill(ticket, choices.answer(), now);
            }
            22 if !self.tickets.is_empty() => {
                let frame = ServerFrame::Got { id: 0, items: choices.some(4, Choices::found) };
                let bytes = Codec::Postcard.encode_server(&frame).unwrap();
                drop(self.manager.end_fills(&self.tickets, &bytes, now));
            }
            23 if !self.tickets.is_empty() => {
                let ticket = self.tickets[choices.below(self.tickets.len())];
                let frame = ServerFrame::Got { id: 0, items: choices.some(4, Choices::found) };
                let bytes = Codec::Postcard.encode_server(&frame).unwrap();
                let as_of = choices.maybe(Choices::position);
                let cut = choices.below(bytes.len() + 1);
                self.manager.feed_load(ticket, as_of, &bytes[..cut], now);
                self.manager.feed_load(ticket, as_of, &bytes[cut..], now);
                if choices.byte().is_multiple_of(2) {
                    self.manager.end_load(ticket, as_of);
                }
            }
            24 if !self.tickets.is_empty() => {
                let ticket = self.tickets.swap_remove(choices.below(self.tickets.len()));
                self.manager.abandon_fill(ticket);
            }
            25 => match choices.byte() % 6 {
                0 => self.manager.invalidate_key(&choices.key()),
                1 => {
                    self.manager.invalidate_version(&choices.key(), u64::from(choices.byte() % 8));
                }
                2 => self.manager.invalidate_scope(&choices.scope()),
                3 => self.manager.invalidate_tag(&choices.tag()),
                4 => {
                    self.manager.delete(u16::from(choices.byte() % 2), &choices.key());
                }
                _ => self.manager.clear(u16::from(choices.byte() % 2)),
            },
            26 => {
                let given = choices.maybe(|choices| Given::Bytes(choices.text().into())).unwrap_or(Given::Absent);
                let told = Told {
                    category: u16::from(choices.byte() % 2),
                    key: choices.key(),
                    given,
                    version: choices.maybe(|choices| u64::from(choices.byte() % 8)),
                    ttl: choices.maybe(|choices| f64::from(choices.byte()) * 10.0),
                    tags: choices.some(2, Choices::tag),
                };
                drop(self.manager.apply(told, now));
            }
            27 => {
                self.manager.upkeep(now);
            }
            28 => {
                let pressure = [Pressure::Normal, Pressure::Elevated, Pressure::Critical][choices.below(3)];
                self.manager.set_pressure(pressure, now);
            }
            29 => self.hold(choices),
            30 => {
                let record = Record {
                    category: u16::from(choices.byte() % 2),
                    key: choices.key(),
                    bytes: choices.text().into(),
                    seen: choices.maybe(Choices::position),
                    version: choices.maybe(|choices| u64::from(choices.byte() % 8)),
                    tags: choices.some(2, Choices::tag),
                };
                drop(self.manager.restore(record, choices.maybe(|choices| f64::from(choices.byte()) * 10.0), now));
                self.manager.remember(choices.scope(), choices.position());
            }
            31 => {
                let key = choices.key();
                self.manager.teach(
                    choices.key(),
                    u32::from(choices.byte()),
                    &[(key.clone(), u32::from(choices.byte()))],
                );
                self.manager.read_ahead(u16::from(choices.byte() % 2), &key);
            }
            _ => self.manager.set_token(choices.maybe(|_| "token".into())),
        }
    }

    fn hold(&mut self, choices: &mut Choices) {
        if !self.held.is_empty() && choices.byte().is_multiple_of(2) {
            let slot = self.held.swap_remove(choices.below(self.held.len()));
            self.manager.unhold(slot);
        } else if let Some(slot) = self.manager.store().find(0, &choices.key()) {
            // JavaScript holds an entry that is there, and lets it go when it has left.
            self.manager.hold(slot);
            self.held.push(slot);
        }
    }

    fn check(&mut self) {
        let effects = self.manager.take_effects();
        for effect in &effects {
            if let cache_wasm::Effect::Removed(slot, _) = effect {
                self.held.retain(|held| held != slot);
            }
        }
        self.mirror.repeat(&effects, self.manager.store());
        while let Some(output) = self.manager.poll() {
            match output {
                Output::Connect | Output::Disconnect(..) => self.greeted = false,
                Output::Send(bytes) => self.sent(&Codec::Postcard.decode_client(&bytes).unwrap()),
                Output::Changed(..) | Output::State(..) => {}
            }
        }
        self.check_reads();
        self.check_cursors();
    }

    /// A session begins with `hello`, says it once, and numbers its requests upwards.
    fn sent(&mut self, frame: &ClientFrame) {
        match frame {
            ClientFrame::Hello { .. } => assert!(!std::mem::replace(&mut self.greeted, true), "hello is said once"),
            ClientFrame::Sub { id, .. } => {
                assert!(self.greeted && *id > self.last_id, "request {id} after {}", self.last_id);
                self.last_id = *id;
            }
            frame => assert!(self.greeted, "{frame:?} before hello"),
        }
    }

    /// R6: no read under a followed scope hits while there is no connection, and none hits past its end.
    fn check_reads(&self) {
        let stats = self.manager.stats(self.now);
        let is_live = stats.stream.state == "live";
        for category in [0, 1] {
            for key in KEYS.map(|name| Key::parse(name).unwrap()) {
                let Some(slot) = self.manager.store().find(category, &key) else { continue };
                let is_followed = self.streams.iter().any(|(scope, _)| scope.contains(&key));
                let hits = self.manager.slots().readable(slot, self.now);
                assert!(is_live || !is_followed || !hits, "{key} is read while the stream is {}", stats.stream.state);
            }
        }
        for (category, most) in stats.categories.iter().zip([5, 3]) {
            assert!(category.entries <= most, "{} of {most} entries", category.entries);
        }
    }

    /// R1 and R5: a cursor goes on within its epoch, or the loss was counted.
    fn check_cursors(&mut self) {
        let stats = self.manager.stats(self.now);
        let stands: BTreeMap<Scope, Position> = self.manager.positions().into_iter().collect();
        let losses = stats.stream.counters.resets;
        for (scope, now) in &stands {
            let Some(before) = self.stood.get(scope) else { continue };
            let goes_on = now.epoch == before.epoch && now.offset >= before.offset;
            assert!(goes_on || losses > self.losses, "{scope} stood at {before} and stands at {now}");
        }
        (self.stood, self.losses) = (stands, losses);
    }
}
