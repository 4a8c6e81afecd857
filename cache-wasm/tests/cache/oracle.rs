//! What must hold of a page after every step, and when the faults have stopped: P1, P2 and P4 against the server's
//! history.

use cache_wasm::slots::StreamRef;
use wire::{Key, Position};

use crate::coherence::{Run, SCOPES, Stream, Wanted};
use crate::page::{LEASE_MS, at};
use crate::steps::EXACT;

impl Run {
    pub(crate) fn position(&self, of: usize) -> Option<Position> {
        let stats = self.page.manager.stats(self.page.now).stream.subscriptions;
        let found = stats.into_iter().find(|subscription| Some(&subscription.scope.as_str()) == SCOPES.get(of))?;
        found.position.map(|text| at(&text))
    }

    /// Every entry of a followed scope: category, key, text, the number of its stream, whether a read hits.
    fn entries(&self) -> Vec<(usize, Key, String, StreamRef, bool)> {
        let (store, slots) = (self.page.manager.store(), self.page.manager.slots());
        let members = store.categories().iter().enumerate();
        let members = members.flat_map(|(number, category)| category.members.iter().map(move |&slot| (number, slot)));
        let entries = members.filter_map(|(number, slot)| {
            let bytes = store.payload(slot)?;
            let text = String::from_utf8(bytes).expect("payloads of tests are text");
            let is_readable = slots.readable(slot, self.page.now);
            Some((number, store.index().key(slot)?.clone(), text, slots.stream[slot as usize], is_readable))
        });
        entries.filter(|(_, key, ..)| self.covering(key).next().is_some()).collect()
    }

    fn covering(&self, key: &Key) -> impl Iterator<Item = (&usize, &Stream)> {
        self.streams.iter().filter(move |(of, _)| key.as_str().starts_with(SCOPES[**of]))
    }

    /// P1 and P2.
    pub(crate) fn check(&self) {
        for (_, key, text, number, _) in self.entries().into_iter().filter(|(.., is_readable)| *is_readable) {
            let own = self.covering(&key).find(|(_, stream)| stream.number == number);
            let (&of, stream) =
                own.unwrap_or_else(|| panic!("{key} is read under stream {number}, which covers it not"));
            let vouched =
                stream.vouched.unwrap_or_else(|| panic!("{key} is read and nobody vouched on this connection"));
            assert!(self.page.now < vouched as f64 + f64::from(LEASE_MS), "{key} is read beyond its lease");
            let cursor = self.position(of).expect("a stream that vouches stands somewhere");
            let lineage = self.server.lineage(cursor);
            let current = match lineage.newest(&key, lineage.start, cursor.offset.get()) {
                Some(newest) => is_at_least(&text, lineage.epoch, newest),
                None => {
                    is_at_least(&text, lineage.epoch, lineage.start + 1)
                        || lineage.base.get(&key).is_some_and(|cell| cell.text == text)
                }
            };
            assert!(current, "{key} reads {text}, and its stream `{}` has processed {cursor}", SCOPES[of]);
            for (&other, stream) in self.covering(&key) {
                let (Some(began), Some(upto)) = (stream.began, self.position(other)) else { continue };
                let lineage = self.server.lineage(upto);
                let newest = lineage.newest(&key, began.offset.get(), upto.offset.get());
                let told = newest.is_none_or(|newest| is_at_least(&text, lineage.epoch, newest));
                let other = SCOPES[other];
                assert!(told, "{key} reads {text}, and `{other}` was told of {newest:?} in ({began}, {upto}]");
            }
        }
    }

    /// P4: the faults stop, everything is told, and every fill settles.
    pub(crate) fn settle(&mut self) {
        for _ in 0..8 {
            self.reconnect();
            self.uplink(usize::from(u8::MAX));
            self.server.beat();
            self.deliver(usize::from(u8::MAX));
            self.page.now += 10.0;
            self.check();
        }
        let head = self.server.head();
        for &of in self.streams.keys() {
            assert_eq!((self.position(of), self.page.stands(SCOPES[of]).1), (Some(head), true), "{}", SCOPES[of]);
        }
        for (ticket, wanted) in std::mem::take(&mut self.fills) {
            if !self.answer(ticket, &wanted, EXACT) {
                let ticket = match &wanted {
                    Wanted::Key(category, key) => self.page.manager.begin_fill(*category, key.clone()).0,
                    Wanted::Scope(category, scope) => self.page.manager.begin_load(*category, scope.clone()).0,
                };
                assert!(self.answer(ticket, &wanted, EXACT), "{wanted:?} does not settle");
            }
            self.check();
        }
        let state = self.server.now().state(head.offset.get());
        for (number, key, text, _, is_readable) in self.entries() {
            let expected = state.get(&key).map(|cell| &cell.text);
            assert_eq!((expected, is_readable), (Some(&text), true), "{key} of category {number} against the server's");
        }
    }
}

/// Whether a value's text names this commit or a later one, of this epoch or a later one.
pub(crate) fn is_at_least(text: &str, epoch: u64, version: u64) -> bool {
    let written = at(text);
    (written.epoch.get(), written.offset.get()) >= (epoch, version)
}
