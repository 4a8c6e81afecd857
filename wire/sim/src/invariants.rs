//! What must hold after every step, and what must hold when the faults have stopped: P1 to P6 against the model.

use cache_wasm::slots::{Content, Slot, UNFOLLOWED};
use edge_server::store::Partition;
use wire::{ClientFrame, Codec, Key};

use crate::client::{Followed, Known};
use crate::clock::JUMP_MS;
use crate::names::{CLIENTS, KEYS, SCOPES, key, scope};
use crate::network::ConnId;
use crate::plan::{Via, Want};
use crate::server::layout;
use crate::truth::{Lineage, Touch, Value};
use crate::world::{HB_MS, LEASE_MS, PROBE_MS, World};

/// How long an edge waits for what the store has and nobody announced, in milliseconds.
const CONFIRMED_MS: u64 = 3_000;

/// Heartbeats that may stay away before a page gives a connection up (R7).
const SILENT_HEARTBEATS: u64 = 3;

/// What a clock that is folded of two may be behind of either, and what its whole milliseconds hide.
const CLOCK_SLACK: u64 = JUMP_MS as u64 + 2;

impl World {
    /// Every page that does something is looked at.
    pub(crate) fn check(&mut self) {
        for client in 0..CLIENTS {
            if !self.clients[client].is_idle() {
                self.check_page(client);
            }
        }
    }

    /// P1, P2 and P3 of everything that a page holds.
    pub(crate) fn check_page(&mut self, client: usize) {
        if self.violation.is_some() {
            return;
        }
        let page = &mut self.clients[client];
        let now = page.clock.now(self.now);
        let members: usize = page.manager.store().categories().iter().map(|category| category.members.len()).sum();
        let page = &self.clients[client];
        let wrong = if members == page.known.len() {
            page.known.iter().find_map(|(&slot, known)| self.wrong_with(client, slot, known, now))
        } else {
            Some(("P3", format!("{members} entries are held, and {} were told of", page.known.len())))
        };
        if let Some((promise, what)) = wrong {
            self.broken(promise, format!("page {client}: {what}"));
        }
    }

    fn wrong_with(&self, client: usize, slot: Slot, known: &Known, now: f64) -> Option<(&'static str, String)> {
        let page = &self.clients[client];
        let slots = page.manager.slots();
        let stream = slots.stream[slot as usize];
        let is_readable = slots.readable(slot, now);
        let key = &known.key;
        let covering = || page.follows.iter().filter(|(of, _)| scope(**of).contains(key));
        if stream == UNFOLLOWED {
            let is_followed = covering().next().is_some();
            return (is_readable && is_followed)
                .then(|| ("P2", format!("{key} is followed, and read by its age alone")));
        }
        let Some((&of, followed)) = covering().find(|(_, followed)| followed.stream == stream) else {
            return is_readable.then(|| ("P2", format!("{key} is read under a stream that does not cover it")));
        };
        if is_readable && let Some(late) = self.vouched_too_long_ago(client, followed) {
            return Some(("P2", format!("{key} is read {late}")));
        }
        let partition = self.truth.partition_of(key);
        let (Some(at), Some(upto)) = (known.at, followed.farthest) else {
            return is_readable.then(|| ("P1", format!("{key} is read, and nobody knows of when it is")));
        };
        let Some(lineage) = self.truth.lineage(partition, upto.epoch).filter(|_| at.epoch == upto.epoch) else {
            let what = || format!("{key} is of {at}, and its stream `{}` is at {upto}, in another lineage", SCOPES[of]);
            return is_readable.then(|| ("P1", what()));
        };
        // That a value has ended by its time is known before a commit says so, and what is absent carries no tag.
        let is_absent = matches!(slots.get(slot)?.content, Content::Absent);
        let has_ended = lineage.value(key, at.offset.get()).is_some_and(|value| self.truth.may_have_ended(value));
        let concerns = |touch: &&Touch| !(touch.is_purge && is_absent && has_ended);
        if let Some(touch) = lineage.touched(key, at.offset.get(), upto.offset.get()).filter(concerns) {
            let promise = if is_readable && !touch.is_purge { "P1" } else { "P3" };
            let what = if touch.is_purge { "was purged" } else { "changed" };
            let reads = if is_readable { "is read" } else { "is kept" };
            let what =
                format!("{key} {reads} as of {at}, {what} at {}, and `{}` is at {upto}", touch.offset, SCOPES[of]);
            return Some((promise, what));
        }
        if let Some(wrong) = self.holds_wrong(client, slot, key, lineage, at.offset.get()) {
            return Some((if is_readable { "P1" } else { "P3" }, wrong));
        }
        if !is_readable {
            return None;
        }
        if let Some(late) = self.superseded_too_long_ago(client, followed, lineage, key, at.offset.get()) {
            return Some(("P2", format!("{key} is read as of {at}, {late}")));
        }
        // Another stream may have told of more.
        covering().find_map(|(&other, stream)| {
            let (began, upto) = (stream.began?, stream.farthest?);
            if upto.epoch != at.epoch || began.epoch != at.epoch {
                return None;
            }
            let touch = lineage.touched(key, at.offset.max(began.offset).get(), upto.offset.get()).filter(concerns)?;
            let told = format!("`{}` has told of its change at {}", SCOPES[other], touch.offset);
            Some(("P1", format!("{key} is read as of {at}, and {told}")))
        })
    }

    /// P2: how long after the stamp that the server last echoed a read hits, if that is too long.
    fn vouched_too_long_ago(&self, client: usize, followed: &Followed) -> Option<String> {
        let Some(stamp) = followed.vouched else { return Some("and nobody vouched on this connection".into()) };
        // What the wall clock hides by jumping back while the machine sleeps is seen by no clock.
        let hidden = self.clients[client].clock.hidden - stamp.hidden;
        let age = self.now - stamp.at;
        (age >= u64::from(LEASE_MS) + CLOCK_SLACK + hidden).then(|| format!("{age} ms after the server vouched"))
    }

    /// P2 from the store's side: a partition is vouched for 3 s after it was last confirmed, and for a lease from then on.
    fn superseded_too_long_ago(
        &self,
        client: usize,
        followed: &Followed,
        lineage: &Lineage,
        key: &Key,
        at: u64,
    ) -> Option<String> {
        let hidden = followed.vouched.map_or(0, |stamp| self.clients[client].clock.hidden - stamp.hidden);
        let bound = u64::from(LEASE_MS) + CONFIRMED_MS + CLOCK_SLACK + hidden;
        let changed = lineage.touched(key, at, u64::MAX).map(|touch| touch.at);
        let since = changed.into_iter().chain(lineage.ended).min()?;
        let age = self.now - since;
        (age >= bound).then(|| format!("{age} ms after the store had another value, or another epoch"))
    }

    /// What an entry holds must be what the key held at its commit.
    fn holds_wrong(&self, client: usize, slot: Slot, key: &Key, lineage: &Lineage, at: u64) -> Option<String> {
        let value = lineage.value(key, at);
        let shown = |value: Option<&Value>| match value {
            Some(value) => crate::story::text(value.payload.as_bytes()),
            None => "nothing".into(),
        };
        let store = self.clients[client].manager.store();
        let wrong = match (store.slots.get(slot)?.content, value) {
            (Content::Payload(payload), Some(value)) if store.pool().equals(payload, value.payload.as_bytes()) => None,
            (Content::Payload(payload), _) => Some(crate::story::text(&store.pool().bytes(payload))),
            (Content::Absent, None) => None,
            (Content::Absent, Some(value)) if self.truth.may_have_ended(value) => None,
            (Content::Absent | Content::Reference, _) => Some("nothing".into()),
        };
        wrong.map(|held| {
            format!("{key} holds {held}, and held {} at {}:{at}", shown(value.map(|v| &**v)), lineage.epoch)
        })
    }

    /// R7: who comes back asks to go on from where it was.
    pub(crate) fn check_request(&mut self, id: ConnId, bytes: &[u8]) {
        let Ok(ClientFrame::Sub { scope, since: None, id: request, .. }) = Codec::Postcard.decode_client(bytes) else {
            return;
        };
        let Some(client) = self.conns.get(&id).map(|conn| conn.client) else { return };
        if self.clients[client].conn != Some(id) {
            return;
        }
        let Some(of) = SCOPES.iter().position(|name| *name == scope.as_str()) else { return };
        let followed = self.clients[client].follows.get(&of);
        let forgot = followed.filter(|followed| followed.is_request(request)).and_then(|followed| followed.farthest);
        if let Some(position) = forgot {
            self.broken("R7", format!("page {client} asks for {scope} from nothing, and had processed {position}"));
        }
    }

    /// P4: the faults stop, and within a heartbeat and a round trip everybody agrees.
    pub(crate) fn calm_down(&mut self) {
        self.is_calm = true;
        self.say(|_| "the faults stop".into());
        self.relieve_edges();
        (0..CLIENTS).for_each(|client| self.relieve(client));
        self.run_until(self.under_way());
        if (0..CLIENTS).any(|client| self.is_deceived(client)) {
            self.run_until(self.now + SILENT_HEARTBEATS * u64::from(HB_MS) + 50);
            (0..CLIENTS).for_each(|client| self.go_online(client));
        }
        // What was lost on the way to an edge is found by looking at the store.
        let to_find = if self.is_an_edge_lost() { CONFIRMED_MS + 2 * PROBE_MS } else { PROBE_MS };
        self.run_until(self.now + to_find + u64::from(HB_MS) + 50);
        self.check();
        self.check_agreement("after a heartbeat and a round trip");
        if self.violation.is_some() {
            return;
        }
        for client in 0..CLIENTS {
            for number in 0..KEYS.len() {
                self.fetch(client, 0, Want::Key(number), Via::Edge, 0);
            }
        }
        self.run_until(self.now + 200);
        self.check();
        self.check_agreement("after every key was asked for");
        self.check_all_hit();
    }

    /// Every stream is live, and nothing has happened under its scope that it has not processed.
    fn check_agreement(&mut self, when: &str) {
        // What happens on the second is still under way just after it.
        if self.now % PROBE_MS < 20 {
            self.run_until(self.now + 30);
        }
        let mut wrong = None;
        for page in &mut self.clients {
            let now = page.clock.now(self.now);
            for (&of, followed) in &page.follows {
                let lineage = self.truth.now(layout().of_scope(&scope(of)));
                let stands = page.position(of);
                let is_behind = |at: u64| {
                    let mut under = (0..KEYS.len()).map(key).filter(|key| scope(of).contains(key));
                    under.any(|key| lineage.touched(&key, at, lineage.head).is_some())
                };
                let agrees = stands.is_some_and(|at| at.epoch == lineage.epoch && !is_behind(at.offset.get()));
                let is_live = now < page.manager.slots().lease[followed.stream as usize];
                if !agrees || !is_live {
                    let state = if is_live { "live" } else { "without a lease" };
                    wrong.get_or_insert(format!(
                        "{when} `{}` of page {} is at {}, {state}, and the store at {}:{}",
                        SCOPES[of],
                        page.number,
                        crate::story::position(stands),
                        lineage.epoch,
                        lineage.head
                    ));
                }
            }
        }
        wrong.into_iter().for_each(|wrong| self.broken("P4", wrong));
    }

    /// In the end each followed key hits, with what the store holds.
    fn check_all_hit(&mut self) {
        let wall = self.wall_ms();
        let mut wrong = None;
        for page in &mut self.clients {
            let now = page.clock.now(self.now);
            let is_followed = |key: &Key| page.follows.keys().any(|&of| scope(of).contains(key));
            for key in (0..KEYS.len()).map(key).filter(is_followed) {
                let store = page.manager.store();
                let slot = store.find(0, &key).filter(|&slot| store.slots.readable(slot, now));
                let holds = slot.map(|slot| store.payload(slot));
                let present = self.truth.present(&key, wall).map(|value| value.payload.as_bytes().to_vec());
                let partition: Partition = layout().of_key(&key);
                let lineage = self.truth.now(partition);
                let committed = lineage.value(&key, lineage.head).map(|value| value.payload.as_bytes().to_vec());
                // A value whose time is over leaves at the next look, and may have done so after the answer.
                if holds.as_ref().map_or(present.is_some(), |holds| *holds != present && *holds != committed) {
                    let holds = holds.map(|bytes| bytes.as_deref().map(crate::story::text));
                    let present = present.as_deref().map(crate::story::text);
                    wrong.get_or_insert(format!(
                        "in the end {key} of page {} is {holds:?}, and {present:?} in the store",
                        page.number
                    ));
                }
            }
        }
        wrong.into_iter().for_each(|wrong| self.broken("P4", wrong));
    }
}
