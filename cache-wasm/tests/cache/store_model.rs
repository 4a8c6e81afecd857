//! The store against a plain map: whatever is done, what is there is what was put last, and limits and counts hold.

use std::collections::BTreeMap;

use cache_wasm::slots::Slot;
use cache_wasm::{CategoryOptions, Effect, Given, Reason};
use proptest::prelude::*;
use wire::Key;

use crate::page::{Page, key, scope, tag};

const KEYS: [&str; 8] = ["s:m:a", "s:m:b", "s:m:p:a", "s:m:p:b", "s:m:p:q:a", "s:n:a", "s:n:b", "s:n:p:a"];
const SCOPES: [&str; 4] = ["s:m:", "s:m:p:", "s:n:", "s:n:p:"];
const TAGS: [&str; 2] = ["t", "u"];
const MAX_BYTES: u64 = 40;

#[derive(Debug, Clone)]
enum Step {
    Set { category: u16, key: usize, size: usize, ttl: Option<f64>, tags: Vec<usize> },
    Delete(u16, usize),
    Clear(u16),
    Key(usize),
    Scope(usize),
    Tag(usize),
    Expire(u16, usize),
    Advance(f64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ttl = prop_oneof![3 => Just(None), 1 => (1.0..100.0).prop_map(Some)];
    let tags = prop::sample::subsequence(vec![0, 1], 0..=2);
    let set = (0u16..2, 0..KEYS.len(), 0usize..24, ttl, tags).prop_map(|(category, key, size, ttl, tags)| Step::Set {
        category,
        key,
        size,
        ttl,
        tags,
    });
    let step = prop_oneof![
        12 => set,
        2 => (0u16..2, 0..KEYS.len()).prop_map(|(category, key)| Step::Delete(category, key)),
        1 => (0u16..2).prop_map(Step::Clear),
        1 => (0..KEYS.len()).prop_map(Step::Key),
        1 => (0..SCOPES.len()).prop_map(Step::Scope),
        1 => (0..TAGS.len()).prop_map(Step::Tag),
        2 => (0u16..2, 0..KEYS.len()).prop_map(|(category, key)| Step::Expire(category, key)),
        2 => (0.0..60.0).prop_map(Step::Advance),
    ];
    prop::collection::vec(step, 1..80)
}

fn categories() -> Vec<CategoryOptions> {
    let category =
        |name: &str, max, max_bytes, ttl| CategoryOptions { max_bytes, ttl, ..CategoryOptions::new(name, max) };
    vec![category("c", 3, 20, 80.0), category("d", 6, 30, f64::INFINITY)]
}

#[derive(Debug, Clone, PartialEq)]
struct Held {
    bytes: Vec<u8>,
    expires: f64,
    tags: Vec<usize>,
}

type Model = BTreeMap<(u16, Key), Held>;

/// The page, the map, and which key each slot holds.
struct Run {
    page: Page,
    model: Model,
    slots: BTreeMap<Slot, (u16, Key)>,
}

impl Run {
    fn apply(&mut self, step: &Step) {
        let Run { page, model, .. } = self;
        match step {
            Step::Set { category, key: name, size, ttl, tags } => self.set(*category, KEYS[*name], *size, *ttl, tags),
            Step::Delete(category, name) => {
                let was_there = model.remove(&(*category, key(KEYS[*name]))).is_some();
                assert_eq!(page.manager.delete(*category, &key(KEYS[*name])), was_there);
            }
            Step::Clear(category) => {
                model.retain(|(held, _), _| held != category);
                page.manager.clear(*category);
            }
            Step::Key(name) => {
                model.retain(|(_, held), _| held.as_str() != KEYS[*name]);
                page.manager.invalidate_key(&key(KEYS[*name]));
            }
            Step::Scope(of) => {
                model.retain(|(_, held), _| !held.as_str().starts_with(SCOPES[*of]));
                page.manager.invalidate_scope(&scope(SCOPES[*of]));
            }
            Step::Tag(of) => {
                model.retain(|_, held| !held.tags.contains(of));
                page.manager.invalidate_tag(&tag(TAGS[*of]));
            }
            Step::Expire(category, name) => {
                let name = (*category, key(KEYS[*name]));
                if let Some(slot) = page.manager.store().find(name.0, &name.1) {
                    page.manager.expire(slot, page.now);
                    model.retain(|held, entry| *held != name || page.now < entry.expires);
                }
            }
            Step::Advance(by) => page.now += by,
        }
        self.page.settle();
        self.repeat();
    }

    /// The size makes the bytes, so that equal payloads are frequent.
    fn set(&mut self, category: u16, name: &str, size: usize, ttl: Option<f64>, tags: &[usize]) {
        let bytes = vec![size as u8; size];
        let limits = &categories()[usize::from(category)];
        let held =
            Held { expires: self.page.now + ttl.unwrap_or(limits.ttl), bytes: bytes.clone(), tags: tags.to_vec() };
        let labels = tags.iter().map(|&of| tag(TAGS[of])).collect();
        let set = self.page.manager.set(category, key(name), Given::Bytes(bytes.into()), ttl, labels, self.page.now);
        assert_eq!(set.is_ok(), size as u64 <= limits.max_bytes.min(MAX_BYTES));
        self.model.remove(&(category, key(name)));
        if set.is_ok() {
            self.model.insert((category, key(name)), held);
        }
    }

    /// Evictions are the store's own decision: they are taken over, if the last of them was needed.
    fn repeat(&mut self) {
        let mut last = None;
        for effect in &self.page.effects {
            match effect {
                Effect::Stored(slot, category, key, ..) => {
                    self.slots.insert(*slot, (*category, key.clone()));
                }
                Effect::Changed(..) | Effect::Touched(..) | Effect::Lease(..) => {}
                Effect::Removed(slot, reason) => {
                    let name = self.slots.remove(slot).expect("only what is there is removed");
                    if matches!(reason, Reason::Evicted | Reason::Expired) {
                        last = self.model.remove(&name).map(|held| (name.0, held.bytes.len() as u64)).or(last);
                    }
                }
            }
        }
        if let Some((category, size)) = last {
            let (entries, bytes, all) = (self.entries(category), self.bytes(category), self.bytes(0) + self.bytes(1));
            let limits = &categories()[usize::from(category)];
            let is_full =
                entries + 1 > limits.max as usize || bytes + size > limits.max_bytes || all + size > MAX_BYTES;
            assert!(is_full, "an eviction without need: {entries} entries, {bytes} of {all} bytes, {size} evicted");
        }
    }

    fn entries(&self, category: u16) -> usize {
        self.model.keys().filter(|(held, _)| *held == category).count()
    }

    fn bytes(&self, category: u16) -> u64 {
        self.model.iter().filter(|((held, _), _)| *held == category).map(|(_, held)| held.bytes.len() as u64).sum()
    }

    fn check(&self) {
        let (store, slots) = (self.page.manager.store(), self.page.manager.slots());
        for (category, state) in (0u16..).zip(store.categories()) {
            assert_eq!(state.members.len(), self.entries(category));
            assert_eq!(state.bytes, self.bytes(category));
            assert!(state.members.len() <= state.options.max as usize && state.bytes <= state.options.max_bytes);
        }
        for ((category, key), held) in &self.model {
            let slot = store.find(*category, key).expect("what was put and not removed is there");
            assert_eq!(store.payload(slot).as_deref(), Some(&*held.bytes), "{key}");
            assert_eq!(slots.readable(slot, self.page.now), self.page.now < held.expires, "{key}");
        }
        let taken = (0..slots.capacity()).filter(|&slot| slots.get(slot).is_some()).count();
        let (pool, all) = (store.pool(), self.bytes(0) + self.bytes(1));
        assert_eq!((taken, pool.stored_bytes() + pool.shared_bytes()), (self.model.len(), all));
        assert!(all <= MAX_BYTES);
    }

    /// Emptied, the store holds nothing, and takes as many entries as on its first day.
    fn empty_and_fill(&mut self) {
        self.page.manager.clear(0);
        self.page.manager.clear(1);
        self.page.settle();
        assert!(self.page.manager.store().pool().is_empty() && self.page.manager.store().pool().stored_bytes() == 0);
        for (category, limits) in (0u16..).zip(categories()) {
            for number in 0..limits.max {
                let name = key(&format!("s:z:{number}"));
                self.page
                    .manager
                    .set(category, name, Given::Bytes(Box::default()), None, vec![], self.page.now)
                    .expect("it fits");
            }
            self.page.settle();
            assert_eq!(
                self.page.manager.store().categories()[usize::from(category)].members.len(),
                limits.max as usize
            );
        }
    }
}

proptest! {
    #[test]
    fn the_store_agrees_with_a_plain_map_and_stays_within_its_limits(steps in steps()) {
        let page = Page::with(categories(), MAX_BYTES);
        let mut run = Run { page, model: Model::new(), slots: BTreeMap::new() };
        for step in &steps {
            run.apply(step);
            run.check();
        }
        run.empty_and_fill();
    }
}
