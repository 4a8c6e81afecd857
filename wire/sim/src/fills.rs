//! The HTTP path: a page asks, somebody reads at one moment, and the answer arrives at another.

use std::task::{Context, Poll, Waker};

use cache_wasm::fill::Ticket;
use cache_wasm::{Answer, Filled, Loaded};
use edge_server::found::{found_of, has_reached};
use edge_server::store::{AsOf, Partition, StoreError, Stored};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use wire::{Codec, Found, Key, Position, ServerFrame};

use crate::client::Source;
use crate::names::{KEYS, SCOPES, key, scope};
use crate::plan::{Via, Want};
use crate::server::layout;
use crate::truth::Truth;
use crate::world::{Event, World};

/// How long a read waits for the position that it must have reached, and how often it looks, in milliseconds.
const REACH_MS: u64 = 50;
const LOOK_MS: u64 = 5;
/// Requests for one read, the first included.
const TRIES: u32 = 6;
/// Values of one scope's answer.
const SCAN_MAX: usize = 1_000;

/// A read under way at the server.
type Reading = BoxFuture<'static, Result<AsOf<(Key, Option<Stored>)>, StoreError>>;

/// A question under way.
pub(crate) struct Ask {
    client: usize,
    visit: u64,
    category: u16,
    want: Want,
    via: Via,
    slow: u64,
    tries: u32,
    ticket: Ticket,
    min: Option<Position>,
    waits_since: Option<u64>,
    reading: Option<Reading>,
}

/// What comes back.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// What was found, and where.
    Found(Position, Vec<Found>),
    /// Whoever answers has not come far enough.
    Early,
    /// Nothing.
    Failed,
}

/// An answer that may be given again.
pub(crate) struct Past {
    want: Want,
    as_of: Position,
    found: Vec<Found>,
}

impl World {
    /// A page reads a key, and asks for it when it misses; or it loads a scope.
    pub(crate) fn fetch(&mut self, client: usize, category: u16, want: Want, via: Via, slow: u64) {
        if self.clients[client].is_idle() {
            return;
        }
        if let Want::Key(number) = want
            && self.hits(client, category, &key(number))
        {
            return;
        }
        let visit = self.clients[client].visit;
        self.last_ask += 1;
        let (ticket, min, waits_since, reading) = (0, None, None, None);
        let ask = Ask { client, visit, category, want, via, slow, tries: 0, ticket, min, waits_since, reading };
        self.asks.insert(self.last_ask, ask);
        self.ask_again(self.last_ask);
    }

    fn hits(&mut self, client: usize, category: u16, key: &Key) -> bool {
        let page = &mut self.clients[client];
        let now = page.clock.now(self.now);
        let slot = page.manager.store().find(category, key);
        let slots = page.manager.slots();
        let is_hit = slot.is_some_and(|slot| slots.readable(slot, now));
        let lacks_lease = !is_hit && slot.is_some_and(|slot| now < slots.expires[slot as usize]);
        self.coverage.note(if is_hit { "hit" } else { "miss" });
        if lacks_lease {
            self.coverage.note("miss for want of a lease");
        }
        is_hit
    }

    /// A page asks, for the first time or again.
    pub(crate) fn ask_again(&mut self, id: u64) {
        let Some(ask) = self.asks.get_mut(&id) else { return };
        let (client, category, want) = (ask.client, ask.category, ask.want);
        ask.tries += 1;
        if ask.tries > TRIES || ask.visit != self.clients[client].visit {
            self.asks.remove(&id);
            return;
        }
        let (ticket, min) = self.call(client, None, |manager, _| match want {
            Want::Key(number) => manager.begin_fill(category, key(number)),
            Want::Scope(number) => manager.begin_load(category, scope(number)),
        });
        self.say(|_| format!("page {client} asks for {}, at least {}", name_of(want), crate::story::position(min)));
        let Some(ask) = self.asks.get_mut(&id) else { return };
        (ask.ticket, ask.min, ask.waits_since, ask.reading) = (ticket, min, None, None);
        let delay = self.delay();
        self.later(delay, Event::Request(id));
    }

    /// The request is where it will be answered.
    pub(crate) fn requested(&mut self, id: u64) {
        let Some(ask) = self.asks.get(&id) else { return };
        let (via, want, min) = (if self.is_calm { Via::Edge } else { ask.via }, ask.want, ask.min);
        match via {
            Via::Lost => {
                self.coverage.note("answer lost");
                self.reply(id, Reply::Failed);
            }
            _ if self.is_down => self.reply(id, Reply::Failed),
            Via::Edge => self.read(id, want, min),
            Via::HttpCache => {
                let known: Vec<usize> =
                    self.past.iter().enumerate().filter(|(_, past)| past.want == want).map(|(at, _)| at).collect();
                if known.is_empty() {
                    return self.read(id, want, min);
                }
                let past = &self.past[known[self.rng.usize(..known.len())]];
                let (as_of, found) = (past.as_of, past.found.clone());
                self.coverage.note("answer from an HTTP cache");
                self.reply(id, Reply::Found(as_of, found));
            }
            Via::Lagging(behind) => self.read_behind(id, want, min, behind),
        }
    }

    /// An edge answers from the store: once that has come far enough, it reads.
    fn read(&mut self, id: u64, want: Want, min: Option<Position>) {
        let partition = partition_of(want);
        let head = self.origin.store.head(partition).now_or_never().and_then(Result::ok);
        if let (Some(head), Some(min)) = (head, min)
            && !has_reached(head, min)
        {
            return self.wait_or_refuse(id);
        }
        let now_ms = self.wall_ms();
        let store = self.origin.store.clone();
        let Some(ask) = self.asks.get_mut(&id) else { return };
        let reading = ask.reading.get_or_insert_with(|| {
            Box::pin(async move {
                match want {
                    Want::Key(number) => {
                        let keys = [key(number)];
                        let AsOf { position, values } = store.read(partition, &keys, now_ms).await?;
                        Ok(AsOf { position, values: keys.into_iter().zip(values).collect() })
                    }
                    Want::Scope(number) => {
                        let AsOf { position, values } = store.scan(&scope(number), SCAN_MAX, now_ms).await?;
                        Ok(AsOf {
                            position,
                            values: values.into_iter().map(|(key, value)| (key, Some(value))).collect(),
                        })
                    }
                }
            })
        });
        let reply = match reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            // It waits for something: commits go on meanwhile.
            Poll::Pending => return self.later(LOOK_MS, Event::Request(id)),
            Poll::Ready(Err(_)) => Reply::Failed,
            Poll::Ready(Ok(AsOf { position, values })) => {
                let found = values.into_iter().map(|(key, value)| found_of(key, position, value, now_ms));
                Reply::Found(position, found.collect())
            }
        };
        if let Reply::Found(as_of, found) = &reply {
            self.past.push(Past { want, as_of: *as_of, found: found.clone() });
            if self.past.len() > 40 {
                self.past.remove(0);
            }
        }
        self.reply(id, reply);
    }

    /// An edge answers whose view is behind; honestly, and after it has waited for what is asked of it.
    fn read_behind(&mut self, id: u64, want: Want, min: Option<Position>, behind: u64) {
        let lineages = &self.truth.lineages[usize::from(partition_of(want).0)];
        // The farthest behind has not heard of the last fail-over.
        let is_before = behind == 5 && lineages.len() > 1;
        let lineage = &lineages[lineages.len() - 1 - usize::from(is_before)];
        let at = lineage.head.saturating_sub(behind).max(lineage.start);
        let now_ms = self.wall_ms();
        let keys = KEYS.iter().enumerate().map(|(number, _)| key(number)).filter(|key| match want {
            Want::Key(number) => key.as_str() == KEYS[number],
            Want::Scope(number) => scope(number).contains(key),
        });
        let found: Vec<Found> = keys.map(|key| Truth::found(lineage, key, at, now_ms)).collect();
        let Some(as_of) = found.first().map(|found| found.as_of) else { return };
        if min.is_some_and(|min| !has_reached(as_of, min)) {
            return self.wait_or_refuse(id);
        }
        self.coverage.note("answer from a lagging edge");
        if is_before {
            self.coverage.note("answer of another epoch");
        }
        self.reply(id, Reply::Found(as_of, found));
    }

    fn wait_or_refuse(&mut self, id: u64) {
        let Some(ask) = self.asks.get_mut(&id) else { return };
        let since = *ask.waits_since.get_or_insert(self.now);
        self.coverage.note("read waited for its position");
        if self.now >= since + REACH_MS {
            self.coverage.note("read too early");
            return self.reply(id, Reply::Early);
        }
        self.later(LOOK_MS, Event::Request(id));
    }

    fn reply(&mut self, id: u64, reply: Reply) {
        let Some(ask) = self.asks.get_mut(&id) else { return };
        let slow = if self.is_calm { 0 } else { std::mem::take(&mut ask.slow) };
        let delay = self.delay() + slow;
        self.later(delay, Event::Answer(id, reply));
    }

    /// The answer is there.
    pub(crate) fn answered(&mut self, id: u64, reply: Reply) {
        let Some(ask) = self.asks.get(&id) else { return };
        let (client, ticket, want, tries) = (ask.client, ask.ticket, ask.want, ask.tries);
        if ask.visit != self.clients[client].visit {
            self.asks.remove(&id);
            return;
        }
        if self.clients[client].is_idle() {
            return self.miss_answer(client, id, reply);
        }
        let is_settled = match reply {
            Reply::Failed | Reply::Early => {
                self.call(client, None, |manager, _| manager.abandon_fill(ticket));
                matches!(reply, Reply::Failed)
            }
            Reply::Found(as_of, found) => {
                self.say(|_| format!("page {client} is answered for {} as of {as_of}", name_of(want)));
                match want {
                    Want::Key(_) => self.answer_key(client, ticket, as_of, found),
                    Want::Scope(_) => self.answer_scope(client, ticket, as_of, found),
                }
            }
        };
        if is_settled {
            if tries > 1 {
                self.coverage.note("fill settled at a later try");
            }
            self.asks.remove(&id);
            return;
        }
        if let Some(ask) = self.asks.get_mut(&id)
            && self.rng.bool()
        {
            ask.via = Via::Edge;
        }
        let pause = if tries < 2 { 0 } else { 40 << (tries - 2).min(3) };
        self.later(pause, Event::Ask(id));
    }

    fn answer_key(&mut self, client: usize, ticket: Ticket, as_of: Position, found: Vec<Found>) -> bool {
        let Some(found) = found.into_iter().next() else { return true };
        let filled = self.call(client, Some(&Source::Answer(as_of)), |manager, now| {
            manager.end_fill(ticket, Answer::from(found), now)
        });
        self.say(|_| format!("page {client}'s cache rules: {filled:?}"));
        match filled {
            Filled::Retry(_) => self.coverage.note("late fill discarded"),
            Filled::Delivered => self.coverage.note("fill handed over and not kept"),
            Filled::Unfenced => self.broken("R3", "an answer with its position counts as one without".into()),
            _ => {}
        }
        !matches!(filled, Filled::Retry(_))
    }

    fn answer_scope(&mut self, client: usize, ticket: Ticket, as_of: Position, found: Vec<Found>) -> bool {
        let items = found.into_iter().filter(|found| found.value.is_some()).collect();
        let Ok(body) = Codec::Postcard.encode_server(&ServerFrame::Got { id: 0, items }) else { return true };
        let loaded = self.call(client, Some(&Source::Answer(as_of)), |manager, now| {
            for piece in body.chunks(1 + body.len() / 2) {
                match manager.feed_load(ticket, Some(as_of), piece, now) {
                    Loaded::More => {}
                    ended => return ended,
                }
            }
            manager.end_load(ticket, Some(as_of))
        });
        self.say(|_| format!("page {client}'s cache rules: {loaded:?}"));
        match loaded {
            Loaded::Retry(_) => self.coverage.note("late fill discarded"),
            Loaded::Malformed(why) => self.broken("R3", format!("an answer cannot be read: {why}")),
            _ => return true,
        }
        false
    }
}

fn partition_of(want: Want) -> Partition {
    match want {
        Want::Key(number) => layout().of_key(&key(number)),
        Want::Scope(number) => layout().of_scope(&scope(number)),
    }
}

fn name_of(want: Want) -> &'static str {
    match want {
        Want::Key(number) => KEYS[number],
        Want::Scope(number) => SCOPES[number],
    }
}
