//! What will be read next: a first-order Markov model of keys, and a bucket that bounds what guessing may waste.
//!
//! The model learns from this page's own reads, and is taught what the edge learned from all readers. Each guess costs
//! one from the bucket; a guess that is used earns it back with interest, so that wrong ones end by themselves: over any
//! stretch at most `START + TRICKLE * reads + (REFUND - COST) * used` guesses are wasted. This module fetches nothing.

use alloc::vec::Vec;

use serde::Serialize;
use wire::Key;

use crate::recent::Recent;

/// Keys whose successors are known; the one that was read or taught longest ago leaves first.
const CONTEXTS: usize = 4_096;
/// Successors that are known of each.
const NEXT_MAX: usize = 8;
/// Guesses after one read.
const GUESSES: usize = 3;
/// A guess must have been right in so many of a hundred cases.
const LIKELY: u32 = 15;
/// Counts below this are chance.
const SUPPORT: u32 = 4;
/// Counts are halved at this many, so that the model follows the day.
const TOTAL_MAX: u32 = 1_000;
/// What the bucket begins with, and what it holds at most.
const START: f64 = 10.0;
const FULL: f64 = 40.0;
/// What a guess costs, what its use earns, and what every read adds.
const COST: f64 = 1.0;
const REFUND: f64 = 2.5;
const TRICKLE: f64 = 0.01;

#[derive(Debug, Default)]
struct Context {
    total: u32,
    next: Vec<(Key, u32)>,
}

impl Context {
    /// Knows at least so many reads of a key. It takes the place of another only if it is the likelier.
    fn learn(&mut self, key: &Key, times: u32) {
        let weakest = self.next.iter().map(|(_, count)| *count).min().unwrap_or(0);
        if let Some((_, count)) = self.next.iter_mut().find(|(next, _)| next == key) {
            *count = times.max(*count);
        } else if self.next.len() < NEXT_MAX {
            self.next.push((key.clone(), times));
        } else if let Some(place) = self.next.iter_mut().find(|(_, count)| *count == weakest && times > weakest) {
            *place = (key.clone(), times);
        }
    }

    fn count(&mut self, key: &Key, times: u32) {
        self.total = self.total.saturating_add(times);
        if let Some((_, count)) = self.next.iter_mut().find(|(next, _)| next == key) {
            *count = count.saturating_add(times);
        } else if self.next.len() < NEXT_MAX {
            self.next.push((key.clone(), times));
        } else if let Some(weakest) = self.next.iter_mut().min_by_key(|(_, count)| *count) {
            *weakest = (key.clone(), times);
        }
        if self.total > TOTAL_MAX {
            self.total /= 2;
            self.next.iter_mut().for_each(|(_, count)| *count /= 2);
        }
    }
}

/// What guessing did so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrefetchStats {
    /// Guesses fetched.
    pub issued: u64,
    /// Guesses that were read before they left.
    pub used: u64,
    /// Guesses that left unread.
    pub wasted: u64,
    /// What the bucket holds.
    pub credit: f64,
    /// Keys whose successors are known.
    pub contexts: usize,
}

/// The model and the bucket.
#[derive(Debug)]
pub struct Prefetcher {
    contexts: Recent<Context>,
    last: Option<Key>,
    credit: f64,
    /// Guesses that were fetched and not read yet.
    waiting: Vec<(u16, Key)>,
    issued: u64,
    used: u64,
    wasted: u64,
}

/// What has become of a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is there, and nobody has read it.
    Waiting,
    /// Somebody has.
    Used,
    /// It left.
    Gone,
}

impl Default for Prefetcher {
    fn default() -> Prefetcher {
        Prefetcher {
            contexts: Recent::new(CONTEXTS),
            last: None,
            credit: START,
            waiting: Vec::new(),
            issued: 0,
            used: 0,
            wasted: 0,
        }
    }
}

impl Prefetcher {
    /// A key was read: learns that it followed the one before.
    pub fn read(&mut self, key: &Key) {
        self.credit = (self.credit + TRICKLE).min(FULL);
        let Some(last) = self.last.replace(key.clone()).filter(|last| last != key) else { return };
        self.contexts.get_mut(last).count(key, 1);
    }

    /// Takes over what all readers do: of `total` reads after `context`, so many were of `key`. What was taught before is
    /// not counted twice: the greater count is the one that is known.
    pub fn teach(&mut self, context: Key, total: u32, next: &[(Key, u32)]) {
        let known = self.contexts.get_mut(context);
        known.total = known.total.max(total);
        for (key, count) in next {
            known.learn(key, *count);
        }
    }

    /// What is worth a guess after a key, the likeliest first: as many as the bucket pays for. `wanted` says whether a
    /// key is neither there nor on its way.
    pub fn guess(&mut self, category: u16, key: &Key, wanted: impl Fn(&Key) -> bool) -> Vec<Key> {
        let Some(Context { total, next }) = self.contexts.peek(key) else { return Vec::new() };
        let is_likely =
            |count: u32| count >= SUPPORT && u64::from(count) * 100 >= u64::from(*total) * u64::from(LIKELY);
        let mut likely: Vec<&(Key, u32)> =
            next.iter().filter(|(key, count)| is_likely(*count) && wanted(key)).collect();
        let paid = likely.len().min(GUESSES).min((self.credit / COST) as usize);
        let mut guesses = Vec::with_capacity(paid);
        // Of at most eight: the library's sort would be as large as the rest of this module.
        while guesses.len() < paid {
            let counts = likely.iter().enumerate().rev().map(|(place, (_, count))| (place, count));
            let Some((place, _)) = counts.max_by_key(|(_, count)| *count) else { break };
            guesses.push(likely.remove(place).0.clone());
        }
        self.credit -= COST * paid as f64;
        self.issued += paid as u64;
        self.waiting.extend(guesses.iter().map(|key| (category, key.clone())));
        guesses
    }

    /// Looks at what has become of the guesses so far.
    pub fn settle(&mut self, fate: impl Fn(u16, &Key) -> Fate) {
        let Prefetcher { waiting, credit, used, wasted, .. } = self;
        waiting.retain(|(category, key)| match fate(*category, key) {
            Fate::Waiting => true,
            Fate::Used => {
                *credit = (*credit + REFUND).min(FULL);
                *used += 1;
                false
            }
            Fate::Gone => {
                *wasted += 1;
                false
            }
        });
    }

    /// What guessing did so far.
    pub fn stats(&self) -> PrefetchStats {
        let Prefetcher { issued, used, wasted, credit, .. } = *self;
        PrefetchStats { issued, used, wasted, credit, contexts: self.contexts.len() }
    }
}
