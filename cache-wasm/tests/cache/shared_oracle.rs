//! What must hold of every tab that shares a connection, after every step and in the end.

use wire::{Key, Position};

use crate::coherence::SCOPES;
use crate::oracle::is_at_least;
use crate::page::{LEASE_MS, at};
use crate::shared::{Tab, Walk};

impl Tab {
    fn position(&self, of: usize) -> Option<Position> {
        let stats = self.page.manager.stats(self.page.now).stream.subscriptions;
        let found = stats.into_iter().find(|subscription| subscription.scope == SCOPES[of])?;
        found.position.map(|text| at(&text))
    }

    /// Every entry of a followed scope: key, text, the scope whose stream vouches for it, whether a read hits.
    fn entries(&self) -> Vec<(Key, String, usize, bool)> {
        let (store, slots) = (self.page.manager.store(), self.page.manager.slots());
        let members = store.categories().iter().flat_map(|category| category.members.iter().copied());
        let entries = members.filter_map(|slot| {
            let text = String::from_utf8(store.payload(slot)?).expect("payloads of tests are text");
            let (&of, _) = self.streams.iter().find(|&(_, &stream)| stream == slots.stream[slot as usize])?;
            Some((store.index().key(slot)?.clone(), text, of, slots.readable(slot, self.page.now)))
        });
        entries.collect()
    }
}

impl Walk {
    /// P1 and P2.
    pub(crate) fn check(&self) {
        let since = self.now - f64::from(LEASE_MS);
        // Where the server stood a lease ago, and since. After a failover that lost commits the older value is the true one.
        let first = self.heads.iter().rposition(|(from, _)| *from <= since).expect("it stood somewhere");
        let stood = &self.heads[first..];
        for (number, tab) in self.tabs.iter().enumerate() {
            for (key, text, of, _) in tab.entries().into_iter().filter(|(.., is_readable)| *is_readable) {
                let cursor = tab.position(of).expect("a stream that vouches stands somewhere");
                let is_told = self.is_at_least(&key, &text, cursor);
                assert!(is_told, "{key} reads {text}; tab {number} has processed {cursor} of {}", SCOPES[of]);
                let is_vouched = stood.iter().any(|&(_, head)| self.is_at_least(&key, &text, head));
                assert!(is_vouched, "{key} reads {text}; tab {number}: the server stood at {} a lease ago", stood[0].1);
            }
        }
    }

    /// Whether a text is no older than what the key had at a position.
    fn is_at_least(&self, key: &Key, text: &str, upto: Position) -> bool {
        let lineage = self.server.lineage(upto);
        match lineage.newest(key, lineage.start, upto.offset.get()) {
            Some(newest) => is_at_least(text, lineage.epoch, newest),
            None => {
                is_at_least(text, lineage.epoch, lineage.start + 1)
                    || lineage.base.get(key).is_some_and(|cell| cell.text == text)
            }
        }
    }

    /// P4.
    pub(crate) fn check_convergence(&self) {
        self.check();
        let head = self.server.head();
        let state = self.server.now().state(head.offset.get());
        for (number, tab) in self.tabs.iter().enumerate() {
            for &of in tab.streams.keys() {
                let stands = (tab.position(of), tab.page.stands(SCOPES[of]).1);
                assert_eq!(stands, (Some(head), true), "tab {number}, {}", SCOPES[of]);
            }
            for (key, text, _, is_readable) in tab.entries() {
                let expected = state.get(&key).map(|cell| &cell.text);
                assert_eq!((expected, is_readable), (Some(&text), true), "tab {number}: {key} against the server's");
            }
        }
    }
}
