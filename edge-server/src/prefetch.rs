//! What is read next: a first-order Markov model of keys, learned from every reader's reads, served to all of them.
//!
//! Invariants: a transition is served only if at least `k` distinct readers made it, and every table is bounded. This is
//! no record of anybody. Of a reader it holds a salted hash of the id and the last key, until five minutes of silence are
//! over and anybody reads; of a transition it holds salted hashes of its readers until they are `k`, then that they are
//! enough. The salt lives as long as the process, nothing is written to disk, and [`Model`] has no place for a reader.
//! The caller takes keys only from reads that found a value, so that no text that a reader made up is told to others.
//!
//! What it does not promise: a reader is a visit of a page, so one person's `k` visits count as `k`; and ids are the
//! client's word, so whoever forges `k - 1` of them learns whether some visit made a transition that the forger can name.
//!
//! A key that was invalidated or removed may stay in the model. That is harmless: it costs who follows it one read that
//! finds nothing.

use std::num::NonZeroUsize;

use lru::LruCache;
use serde::Serialize;
use wire::{Key, Scope};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Successors that a context keeps.
const NEXT_MAX: usize = 8;
/// The longest reader's id, in bytes.
const READER_MAX: usize = 64;
/// A reader that was silent for longer begins a new sequence, in milliseconds.
const IDLE_MS: u64 = 5 * 60 * 1_000;
/// A context over so many transitions counts half: a busy one forgets within as many reads.
const TOTAL_MAX: u32 = 1_000;
/// After so long a context counts half: a quiet one, as yesterday's game, does not outrank today's for its size.
const HALF_LIFE_MS: u64 = 6 * 60 * 60 * 1_000;
/// Counts below this are chance, whatever `k` is.
const SUPPORT_MIN: u32 = 4;
/// A transition is served from one in so many of its context's on: 0.05.
const SHARE: u32 = 20;
/// Contexts of one answer.
const SERVED_MAX: usize = 2_000;

/// How much is kept, and how many readers make a transition public.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Distinct readers.
    pub k: usize,
    /// Contexts that are kept; the one that was learned from the longest ago leaves first.
    pub contexts: NonZeroUsize,
    /// Readers whose last key is kept; the one that was silent for longest leaves first.
    pub readers: NonZeroUsize,
}

/// Who reads: the id that a page draws at random for one visit. It cannot be printed.
#[derive(Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// 1 to 64 visible ASCII characters; anything else is nobody, and teaches nothing.
    pub fn parse(id: &'a [u8]) -> Option<Reader<'a>> {
        ((1..=READER_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)).then_some(Reader(id))
    }
}

/// The learner.
pub struct Prefetch {
    k: usize,
    /// Random, of this process: hashes of ids mean nothing to any other.
    salt: u64,
    /// By the hash of the reader's id.
    readers: LruCache<u64, LastRead>,
    /// By what was read before.
    contexts: LruCache<Key, Context>,
}

struct LastRead {
    key: Key,
    at_ms: u64,
}

struct Context {
    /// Transitions counted; those to successors that were not kept too.
    total: u32,
    /// Up to when counts are aged.
    aged_ms: u64,
    /// In the order they came.
    next: Vec<Transition>,
}

struct Transition {
    key: Key,
    /// Its distinct readers while they are fewer than `k`, its reads from then on; halved as its context ages. A count
    /// of `k` so has `k` readers behind it.
    count: u32,
    readers: Readers,
}

/// The distinct readers of a transition.
enum Readers {
    /// Fewer than `k`, by hashes of 32 bits: two readers taken for one only keep a transition back for longer.
    Few(Vec<u32>),
    /// `k` or more: who they were is forgotten.
    Enough,
}

/// What is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Model {
    /// Distinct readers of each transition, at least.
    pub k: usize,
    /// The strongest first.
    pub contexts: Vec<Likely>,
}

/// What is likely after a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Likely {
    /// What was read.
    pub key: Key,
    /// Transitions counted from it, those that are not served among them.
    pub total: u32,
    /// What is read next, with how often; the likeliest first.
    pub next: Vec<(Key, u32)>,
}

/// How much is known, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// Contexts.
    pub contexts: usize,
    /// Transitions of them.
    pub transitions: usize,
    /// Those that fewer than `k` readers made.
    pub withheld: usize,
}

impl Model {
    /// Leaves out the keys that are not to be told.
    pub fn restrict(&mut self, is_allowed: impl Fn(&Key) -> bool) {
        self.contexts.retain(|likely| is_allowed(&likely.key));
        for likely in &mut self.contexts {
            likely.next.retain(|(key, _)| is_allowed(key));
        }
        self.contexts.retain(|likely| !likely.next.is_empty());
    }
}

impl Prefetch {
    /// Knows nothing yet. The salt must be random.
    pub fn new(limits: Limits, salt: u64) -> Prefetch {
        let Limits { k, contexts, readers } = limits;
        Prefetch { k, salt, readers: LruCache::new(readers), contexts: LruCache::new(contexts) }
    }

    /// A reader read a key. The same key again is no transition: it would be prefetched while it is there.
    pub fn learn(&mut self, reader: Reader<'_>, key: &Key, now_ms: u64) {
        self.forget_silent(now_ms);
        let reader = xxh3_64_with_seed(reader.0, self.salt);
        let Some(last) = self.readers.put(reader, LastRead { key: key.clone(), at_ms: now_ms }) else { return };
        if last.key == *key {
            return;
        }
        let context = self.contexts.get_or_insert_mut(last.key, || Context::new(now_ms));
        context.age(now_ms);
        context.count(key, reader as u32, self.k);
    }

    /// What may be told to anybody: of contexts under a scope, or of all.
    pub fn model(&mut self, scope: Option<&Scope>, now_ms: u64) -> Model {
        let mut contexts = Vec::new();
        for (key, context) in &mut self.contexts {
            if scope.is_some_and(|scope| !scope.contains(key)) {
                continue;
            }
            context.age(now_ms);
            let next = context.public(self.k);
            if !next.is_empty() {
                contexts.push(Likely { key: key.clone(), total: context.total, next });
            }
        }
        contexts.sort_unstable_by(|a, b| b.total.cmp(&a.total).then_with(|| a.key.cmp(&b.key)));
        contexts.truncate(SERVED_MAX);
        Model { k: self.k, contexts }
    }

    /// Readers stand in the order they last read in: the silent ones are at the end.
    fn forget_silent(&mut self, now_ms: u64) {
        let is_silent = |(_, last): (&u64, &LastRead)| now_ms.saturating_sub(last.at_ms) > IDLE_MS;
        while self.readers.peek_lru().is_some_and(is_silent) {
            self.readers.pop_lru();
        }
    }

    /// How much is known.
    pub fn census(&self) -> Census {
        let transitions = || self.contexts.iter().flat_map(|(_, context)| &context.next);
        let withheld = transitions().filter(|transition| !transition.readers.are_enough()).count();
        Census { contexts: self.contexts.len(), transitions: transitions().count(), withheld }
    }
}

impl Context {
    fn new(now_ms: u64) -> Context {
        Context { total: 0, aged_ms: now_ms, next: Vec::new() }
    }

    fn count(&mut self, key: &Key, reader: u32, k: usize) {
        let known = self.next.iter().position(|transition| transition.key == *key);
        let at = known.unwrap_or_else(|| {
            if self.next.len() == NEXT_MAX {
                self.drop_weakest();
            }
            self.next.push(Transition { key: key.clone(), count: 0, readers: Readers::Few(Vec::new()) });
            self.next.len() - 1
        });
        let transition = &mut self.next[at];
        // One reader's repetitions weigh nothing until the others have shown that they are more than one reader's way.
        if !transition.readers.admit(reader, k) {
            return;
        }
        transition.count += 1;
        self.total += 1;
        if self.total > TOTAL_MAX {
            self.halve();
        }
    }

    /// Makes room. The newcomer does not inherit the count, as it would in a sketch that may only overstate: here counts
    /// never say more than there was.
    fn drop_weakest(&mut self) {
        let weakest = self.next.iter().enumerate().min_by_key(|(_, transition)| transition.count);
        if let Some((at, _)) = weakest {
            self.next.remove(at);
        }
    }

    fn age(&mut self, now_ms: u64) {
        let halvings = now_ms.saturating_sub(self.aged_ms) / HALF_LIFE_MS;
        self.aged_ms += halvings * HALF_LIFE_MS;
        // Nothing is left of a count of 32 bits after as many.
        (0..halvings.min(32)).for_each(|_| self.halve());
    }

    /// What counts nothing any more is forgotten, and must be shown by `k` readers anew.
    fn halve(&mut self) {
        self.total /= 2;
        self.next.iter_mut().for_each(|transition| transition.count /= 2);
        self.next.retain(|transition| transition.count > 0);
    }

    fn public(&self, k: usize) -> Vec<(Key, u32)> {
        let is_public = |transition: &&Transition| {
            let count = transition.count;
            count as usize >= k && count >= SUPPORT_MIN && count.saturating_mul(SHARE) >= self.total
        };
        let public = self.next.iter().filter(is_public);
        let mut public: Vec<_> = public.map(|transition| (transition.key.clone(), transition.count)).collect();
        public.sort_unstable_by(|(a, many), (b, more)| more.cmp(many).then_with(|| a.cmp(b)));
        public
    }
}

impl Readers {
    /// Whether a read of this reader counts: one of the few counts once.
    fn admit(&mut self, reader: u32, k: usize) -> bool {
        let Readers::Few(few) = self else { return true };
        if few.contains(&reader) {
            return false;
        }
        few.push(reader);
        if few.len() >= k {
            *self = Readers::Enough;
        }
        true
    }

    fn are_enough(&self) -> bool {
        matches!(self, Readers::Enough)
    }
}

#[cfg(test)]
mod tests;
