//! Who leaves, by the policies themselves: a category without a cache around it.

use std::collections::HashMap;

use cache_wasm::evict::{Evictor, Policy, Welcome};
use cache_wasm::slots::{Content, Entry, FREQUENCY_BITS, FREQUENCY_MAX, Slot, Slots, Ticks, UNFOLLOWED};
use lru::LruCache;
use proptest::prelude::*;

const FOREVER: f64 = f64::INFINITY;

/// One category of numbered keys.
struct Category {
    slots: Slots,
    members: Vec<Slot>,
    evictor: Evictor,
    keys: HashMap<u64, Slot>,
    names: HashMap<Slot, u64>,
    policy: Policy,
    /// A slot of somebody else, now and then.
    foreign: Option<Slot>,
}

impl Category {
    fn new(policy: Policy, capacity: u32) -> Category {
        Category {
            slots: Slots::new(capacity),
            members: Vec::new(),
            evictor: Evictor::new(policy, 1),
            keys: HashMap::new(),
            names: HashMap::new(),
            policy,
            foreign: None,
        }
    }

    fn full(policy: Policy, entries: u64) -> Category {
        let mut category = Category::new(policy, entries as u32 + 1);
        (0..entries).for_each(|key| {
            category.insert(key, 1, FOREVER);
        });
        category
    }

    fn entry(place: usize) -> Entry {
        Entry { category: 0, content: Content::Absent, seen: None, version: None, place: place as u32 }
    }

    fn hash(key: u64) -> u64 {
        key.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn insert(&mut self, key: u64, size: u32, expires: f64) -> Welcome {
        let slot = self.slots.reserve().expect("a free slot");
        self.slots.sizes[slot as usize] = size;
        self.slots.fill(slot, Category::entry(self.members.len()), UNFOLLOWED, expires);
        self.members.push(slot);
        self.keys.insert(key, slot);
        self.names.insert(slot, key);
        self.evictor.entered(&self.slots, slot);
        let welcome = self.evictor.named(&self.members, Category::hash(key));
        self.slots.set_frequency(slot, welcome.frequency);
        welcome
    }

    /// As the hit path does it.
    fn read(&mut self, key: u64) -> bool {
        let Some(&slot) = self.keys.get(&key) else { return false };
        self.slots.hit(slot, if self.policy == Policy::Lru { Ticks::AtHits } else { Ticks::AtInsertions });
        true
    }

    fn read_often(&mut self, key: u64, times: usize) {
        (0..times).for_each(|_| assert!(self.read(key)));
    }

    fn replace(&mut self, key: u64) {
        self.slots.advance();
        self.slots.touch(self.keys[&key], UNFOLLOWED, FOREVER);
    }

    fn victims(&mut self, n: usize, spared: &[u64]) -> Vec<u64> {
        for key in spared {
            self.slots.holds[self.keys[key] as usize] = 1;
        }
        let mut out = Vec::new();
        self.evictor.remember(self.members.len());
        self.evictor.victims(&self.slots, &self.members, n, 100.0, None, &mut out);
        self.slots.holds.fill(0);
        out.iter().map(|slot| self.names[slot]).collect()
    }

    fn remove(&mut self, key: u64) {
        let Some(slot) = self.keys.remove(&key) else { return };
        self.names.remove(&slot);
        let place = self.slots.end(slot).expect("a member").place as usize;
        self.slots.free(slot);
        self.members.swap_remove(place);
        if let Some(&moved) = self.members.get(place) {
            self.slots.get_mut(moved).expect("a member").place = place as u32;
        }
    }

    fn evict(&mut self, key: u64) {
        self.evictor.evicted(&self.slots, Some(Category::hash(key)), self.keys[&key]);
        self.remove(key);
    }

    /// Evicts one, as a store does that is over its bounds.
    fn make_room(&mut self) -> Option<u64> {
        let victim = self.victims(1, &[]).pop()?;
        self.evict(victim);
        Some(victim)
    }

    /// Another category takes the slot that came free last, or gives it back.
    fn toggle_foreign(&mut self) {
        match self.foreign.take() {
            Some(slot) => {
                self.slots.end(slot).expect("taken");
                self.slots.free(slot);
            }
            None => {
                self.foreign = self.slots.reserve();
                if let Some(slot) = self.foreign {
                    self.slots.fill(slot, Category::entry(usize::MAX), UNFOLLOWED, FOREVER);
                }
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Read(u64),
    Put(u64),
    Delete(u64),
    Foreign,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u64..40).prop_map(Step::Read),
        6 => (0u64..40).prop_map(Step::Put),
        2 => (0u64..40).prop_map(Step::Delete),
        1 => Just(Step::Foreign),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Begun near the end of the ticks, so that they go round on the way.
    #[test]
    fn lru_agrees_with_the_lru_crate(
        steps in prop::collection::vec(step(), 0..4_000),
        capacity in 1usize..30,
        to_wrap in 0u32..3_000,
    ) {
        let mut category = Category::new(Policy::Lru, capacity as u32 + 2);
        category.slots.advance_by((1 << (32 - FREQUENCY_BITS)) - to_wrap);
        let mut model = LruCache::new(capacity.try_into().unwrap());
        for step in steps {
            match step {
                Step::Read(key) => prop_assert_eq!(category.read(key), model.get(&key).is_some()),
                Step::Put(key) if category.keys.contains_key(&key) => {
                    category.replace(key);
                    model.put(key, ());
                }
                Step::Put(key) => {
                    let left = (category.members.len() == capacity).then(|| category.make_room()).flatten();
                    category.insert(key, 1, FOREVER);
                    prop_assert_eq!(model.push(key, ()).map(|(key, ())| key), left);
                }
                Step::Delete(key) => {
                    category.remove(key);
                    model.pop(&key);
                }
                Step::Foreign => category.toggle_foreign(),
            }
            prop_assert_eq!(category.members.len(), model.len());
        }
        while let Some((key, ())) = model.pop_lru() {
            prop_assert_eq!(category.make_room(), Some(key));
        }
        prop_assert_eq!(category.make_room(), None);
    }

    #[test]
    fn victims_are_members_each_once_and_never_spared(
        entries in 0u64..200,
        n in 0usize..40,
        spared in prop::collection::hash_set(0u64..200, 0..200),
        lru in any::<bool>(),
    ) {
        let policy = if lru { Policy::Lru } else { Policy::Adaptive };
        let mut category = Category::full(policy, entries);
        let spared: Vec<u64> = spared.into_iter().filter(|&key| key < entries).collect();
        let victims = category.victims(n, &spared);
        let free = entries as usize - spared.len();
        prop_assert!(victims.len() <= n.min(free));
        prop_assert!(!victims.is_empty() || n == 0 || free == 0, "none named of {free}");
        if lru || spared.is_empty() {
            prop_assert_eq!(victims.len(), n.min(free));
        }
        for (i, victim) in victims.iter().enumerate() {
            prop_assert!(!spared.contains(victim) && !victims[..i].contains(victim));
        }
    }
}

#[test]
fn what_was_spared_is_still_the_least_recently_used_afterwards() {
    let mut category = Category::full(Policy::Lru, 6);
    assert_eq!(category.victims(2, &[0, 1]), [2, 3]);
    [2, 3].into_iter().for_each(|key| category.remove(key));
    assert_eq!(category.victims(3, &[]), [0, 1, 4]);
}

#[test]
fn an_entry_idle_for_longer_than_ticks_go_round_is_still_the_least_recently_used() {
    let mut category = Category::full(Policy::Lru, 3);
    category.slots.advance_by((1 << (32 - FREQUENCY_BITS)) - 5);
    category.read(1);
    assert_eq!(category.victims(1, &[1]), [0]);
    category.remove(0);
    // By the tables alone, 2 would now look as if used after 1.
    category.slots.advance_by(100);
    assert_eq!(category.victims(1, &[]), [2]);
}

#[test]
fn deletions_leave_the_order_of_the_others_alone() {
    // A few that are dropped as they come up, and many that are dropped at once.
    for end in [20, 10_000] {
        let mut category = Category::full(Policy::Lru, 3);
        for key in 3..end {
            category.remove(key - 3);
            category.insert(key, 1, FOREVER);
        }
        assert_eq!(category.victims(4, &[]), [end - 3, end - 2, end - 1]);
    }
}

#[test]
fn what_is_past_its_age_leaves_first() {
    let mut category = Category::full(Policy::Adaptive, 10);
    category.insert(10, 1, 100.0);
    category.read_often(10, 20);
    assert_eq!(category.victims(1, &[]), [10]);
}

#[test]
fn the_idle_leave_before_the_used_and_the_large_before_the_small() {
    let mut category = Category::full(Policy::Adaptive, 8);
    (0..8).filter(|&key| key != 3).for_each(|key| category.read_often(key, 4));
    assert_eq!(category.victims(1, &[]), [3]);
    let mut category = Category::full(Policy::Adaptive, 8);
    category.insert(8, 50, FOREVER);
    assert_eq!(category.victims(1, &[]), [8]);
}

#[test]
fn a_sample_of_many_finds_idle_ones() {
    let mut category = Category::full(Policy::Adaptive, 2_000);
    (0..1_000).for_each(|key| category.read_often(key, 8));
    let victims = category.victims(32, &[]);
    assert_eq!(victims.len(), 32);
    assert!(victims.iter().all(|&key| key >= 1_000), "{victims:?}");
}

#[test]
fn a_key_that_returns_has_its_uses_and_knows_what_was_evicted_meanwhile() {
    let mut category = Category::full(Policy::Adaptive, 20);
    category.read_often(5, 3);
    category.victims(1, &[]);
    category.evict(5);
    category.evict(6);
    category.insert(30, 700, FOREVER);
    category.evict(30);
    assert_eq!(category.insert(5, 1, FOREVER), Welcome { frequency: 4, distance: Some(701) });
    assert_eq!(category.insert(31, 1, FOREVER), Welcome::default());
}

#[test]
fn what_was_lost_to_a_change_keeps_its_uses_but_counts_as_no_eviction() {
    let mut category = Category::full(Policy::Adaptive, 20);
    category.read_often(5, 40);
    category.victims(1, &[]);
    category.evictor.lost(&category.slots, Category::hash(5), category.keys[&5]);
    category.remove(5);
    assert_eq!(category.insert(5, 1, FOREVER), Welcome { frequency: FREQUENCY_MAX, distance: None });
}

/// Keys of a distribution that is skewed and of one that drifts, through the same policy: it must beat plain LRU on the
/// first and keep up with it on the second.
#[test]
fn adaptive_keeps_the_popular_and_follows_the_recent() {
    let hits = |policy: Policy, key: fn(u64, &mut fastrand::Rng) -> u64| {
        let mut category = Category::new(policy, 101);
        let mut rng = fastrand::Rng::with_seed(3);
        let mut hits = 0;
        for request in 0..60_000 {
            let key = key(request, &mut rng);
            if category.read(key) {
                hits += 1;
                continue;
            }
            if category.members.len() == 100 {
                category.make_room();
            }
            category.insert(key, 1, FOREVER);
        }
        f64::from(hits)
    };
    // A quarter of the requests to 80 popular keys, the others never again.
    let popular =
        |request: u64, rng: &mut fastrand::Rng| if rng.u8(..4) == 0 { rng.u64(..80) } else { 1_000 + request };
    assert!(hits(Policy::Adaptive, popular) > 2.0 * hits(Policy::Lru, popular));
    // Each key for a short while, and hardly any after that.
    let recent = |request: u64, rng: &mut fastrand::Rng| request / 10 + rng.u64(..110);
    assert!(hits(Policy::Adaptive, recent) > 0.95 * hits(Policy::Lru, recent));
}
