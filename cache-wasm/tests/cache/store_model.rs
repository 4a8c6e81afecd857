//! The store against a plain map, under random operations: whatever is done, what is there is what was put last, and
//! limits, bytes, reference counts and reasons are what the map says. `RANDOM_STEPS` and `RANDOM_SEED` in the
//! environment make the walk longer or another one: `RANDOM_STEPS=5000000 cargo test --release -p cache-wasm model`.

use std::collections::BTreeMap;

use cache_wasm::slots::{Content, Slot};
use cache_wasm::{CategoryOptions, Effect, Enrolled, Given, Pressure, PutError, Reason};
use fastrand::Rng;

use crate::page::{Page, key, scope, tag};

const KEYS: [&str; 12] = [
    "s:m",
    "s:m:a",
    "s:m:b",
    "s:m:p:a",
    "s:m:p:b",
    "s:m:p:q:a",
    "s:m:p:q:b",
    "s:n:a",
    "s:n:b",
    "s:n:p:a",
    "s:n:p:b",
    "s:o:a",
];
const SCOPES: [&str; 6] = ["s:m:", "s:m:p:", "s:m:p:q:", "s:n:", "s:n:p:", "s:x:"];
const TAGS: [&str; 3] = ["t", "u", "v"];
const MAX_BYTES: u64 = 6_000;
/// Steps of the part that every run of the tests walks.
const STEPS: u64 = 150_000;

fn categories() -> Vec<CategoryOptions> {
    let with = |name: &str, max, max_bytes, ttl| CategoryOptions { max_bytes, ttl, ..CategoryOptions::new(name, max) };
    vec![with("c", 4, 2_500, 80.0), CategoryOptions { max_entry: 1_500, ..with("d", 9, 5_000, f64::INFINITY) }]
}

/// What an entry is known to hold.
#[derive(Debug, Clone, PartialEq)]
struct Held {
    value: Value,
    expires: f64,
    tags: Vec<usize>,
    /// Handles on it.
    holds: u32,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Bytes(Vec<u8>),
    /// Kept by JavaScript: the text it will be settled with, and what it is charged with until then.
    Reference(Vec<u8>, u32),
}

/// Payloads of three sizes that share their shape: equal ones are frequent, and some are worth packing.
fn payload(kind: u64) -> Vec<u8> {
    let rows = [0, 3, 40][kind as usize % 3];
    let row = |n| format!("{{\"player\":{n},\"line\":{}.5,\"league\":\"NBA\"}}", n + kind);
    format!("[{}]", (0..rows).map(row).collect::<Vec<_>>().join(",")).into_bytes()
}

type Name = (u16, &'static str);

/// The page, the map, which name each slot has, and the slots that were reserved.
struct Run {
    page: Page,
    model: BTreeMap<Name, Held>,
    slots: BTreeMap<Slot, Name>,
    reserved: [Vec<Slot>; 2],
    removals: BTreeMap<u32, u64>,
    pressure: Pressure,
    rng: Rng,
}

impl Run {
    fn new(seed: u64) -> Run {
        Run {
            page: Page::with(categories(), MAX_BYTES),
            model: BTreeMap::new(),
            slots: BTreeMap::new(),
            reserved: [Vec::new(), Vec::new()],
            removals: BTreeMap::new(),
            pressure: Pressure::Normal,
            rng: Rng::with_seed(seed),
        }
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.rng.usize(..all.len())]
    }

    fn slot(&self, name: Name) -> Option<Slot> {
        self.slots.iter().find(|(_, own)| **own == name).map(|(&slot, _)| slot)
    }

    fn step(&mut self) {
        let name: Name = (self.rng.u16(..2), self.one_of(&KEYS));
        match self.rng.u32(..100) {
            0..30 => self.put(name),
            30..50 => self.enrol(name),
            50..56 => self.settle(name),
            56..60 => self.hold(name),
            60..66 => self.unhold(name),
            66..71 => {
                let was_there = self.slot(name).is_some();
                self.name_all();
                assert_eq!(self.page.manager.delete(name.0, &key(name.1)), was_there);
                self.expect(Reason::Deleted, |own, _| own == name);
            }
            71..73 => {
                self.page.manager.clear(name.0);
                self.expect(Reason::Cleared, |own, _| own.0 == name.0);
            }
            73..75 => {
                self.name_all();
                self.page.manager.invalidate_key(&key(name.1));
                self.expect(Reason::Invalidated, |own, _| own.1 == name.1);
            }
            75..77 => {
                let of = self.one_of(&SCOPES);
                self.name_all();
                self.page.manager.invalidate_scope(&scope(of));
                self.expect(Reason::Invalidated, |own, _| own.1.starts_with(of));
            }
            77..79 => {
                let of = self.rng.usize(..TAGS.len());
                self.page.manager.invalidate_tag(&tag(TAGS[of]));
                self.expect(Reason::Invalidated, |_, held| held.tags.contains(&of));
            }
            79..82 => {
                if let Some(slot) = self.slot(name) {
                    let now = self.page.now;
                    self.page.manager.expire(slot, now);
                    self.expect(Reason::Expired, |own, held| own == name && now >= held.expires);
                }
            }
            82..90 => {
                self.page.manager.upkeep(self.page.now);
                self.absorb();
            }
            90..92 => {
                self.pressure = self.one_of(&[Pressure::Normal, Pressure::Elevated, Pressure::Critical]);
                while self.page.manager.set_pressure(self.pressure, self.page.now) {}
                self.absorb();
            }
            _ => self.page.now += self.rng.f64() * 20.0,
        }
    }

    fn put(&mut self, name: Name) {
        self.name_all();
        let bytes = payload(self.rng.u64(..9));
        let ttl = self.rng.bool().then(|| 1.0 + self.rng.f64() * 100.0);
        let tags: Vec<usize> = (0..TAGS.len()).filter(|_| self.rng.u8(..4) == 0).collect();
        let labels = tags.iter().map(|&of| tag(TAGS[of])).collect();
        let now = self.page.now;
        let given = Given::Bytes(bytes.clone().into());
        let put = self.page.manager.set(name.0, key(name.1), given, ttl, labels, now);
        let limits = &categories()[usize::from(name.0)];
        let before = self.model.get(&name).cloned();
        match put {
            Ok(_) => {
                let holds = before.as_ref().map_or(0, |held| held.holds);
                let expires = now + ttl.unwrap_or(limits.ttl);
                let held = Held { value: Value::Bytes(bytes), expires, tags, holds };
                if before.is_some_and(|before| before.value != held.value || before.tags != held.tags) {
                    *self.removals.entry(Reason::Replaced.code()).or_default() += 1;
                }
                self.model.insert(name, held);
            }
            Err(PutError::TooLarge { .. }) => {
                assert!(bytes.len() as u64 > limits.max_bytes.min(limits.max_entry));
                self.absorb_displacing(Some(name));
            }
            Err(PutError::Held(_)) => {
                self.absorb();
                assert!(self.is_full_of_held(name.0));
            }
            Err(error) => panic!("{error}"),
        }
        self.absorb();
    }

    /// As JavaScript does: the value is kept there, the slot is one that was reserved or the key's own.
    fn enrol(&mut self, name: Name) {
        let limits = &categories()[usize::from(name.0)];
        let now = self.page.now;
        let text = payload(self.rng.u64(..9));
        let (size, until) = (self.rng.u32(..400), now + limits.ttl);
        let held = Held { value: Value::Reference(text, size), expires: until, tags: Vec::new(), holds: 0 };
        let own = self.slot(name);
        if own.is_none() && self.reserved[usize::from(name.0)].is_empty() {
            self.reserved[usize::from(name.0)] = self.page.manager.enrol(name.0, &[], 1, now);
            self.absorb();
        }
        let Some(slot) = own.or_else(|| self.reserved[usize::from(name.0)].pop()) else {
            assert!(self.is_full_of_held(name.0));
            return;
        };
        if let Some(before) = self.model.get(&name) {
            *self.removals.entry(Reason::Replaced.code()).or_default() += 1;
            let holds = before.holds;
            self.model.insert(name, Held { holds, ..held });
        } else {
            self.model.insert(name, held);
        }
        self.slots.insert(slot, name);
        let reserve = u32::from(self.rng.bool());
        let reserved = self.page.manager.enrol(name.0, &[Enrolled { slot, size, until }], reserve, now);
        self.reserved[usize::from(name.0)].extend(reserved);
        self.absorb();
    }

    /// Whatever has no name in the core yet gets it, as before every call that looks names up.
    fn name_all(&mut self) {
        for (&slot, &(category, name)) in &self.slots {
            self.page.manager.name(category, slot, key(name));
        }
    }

    fn settle(&mut self, name: Name) {
        let Some(slot) = self.slot(name) else { return };
        let Some(Held { value: value @ Value::Reference(..), .. }) = self.model.get_mut(&name) else { return };
        let Value::Reference(text, _) = value.clone() else { return };
        self.page.manager.settle(slot, &text, self.page.now);
        *value = Value::Bytes(text);
        self.absorb();
    }

    fn hold(&mut self, name: Name) {
        if let (Some(slot), Some(held)) = (self.slot(name), self.model.get_mut(&name)) {
            held.holds += 1;
            self.page.manager.hold(slot);
        }
    }

    fn unhold(&mut self, name: Name) {
        if let (Some(slot), Some(held)) = (self.slot(name), self.model.get_mut(&name)) {
            held.holds = held.holds.saturating_sub(1);
            self.page.manager.unhold(slot);
            // What could not leave before may have to now.
            self.page.manager.upkeep(self.page.now);
            self.absorb();
        }
    }

    fn is_full_of_held(&self, category: u16) -> bool {
        let mut own = self.model.iter().filter(|((of, _), _)| *of == category);
        own.all(|(_, held)| held.holds > 0)
    }

    /// These are to leave, and no others, for this reason.
    fn expect(&mut self, reason: Reason, leaves: impl Fn(Name, &Held) -> bool) {
        let gone: Vec<Name> = self.model.iter().filter(|(name, held)| leaves(**name, held)).map(|(n, _)| *n).collect();
        let mut told: Vec<Name> = Vec::new();
        for effect in self.page.manager.take_effects() {
            let Effect::Removed(slot, of) = effect else { panic!("{effect:?} after a removal") };
            assert_eq!(of, reason);
            told.push(self.forget(slot, of));
        }
        told.sort_unstable();
        assert_eq!(told, gone, "{reason:?}");
    }

    fn forget(&mut self, slot: Slot, reason: Reason) -> Name {
        *self.removals.entry(reason.code()).or_default() += 1;
        let name = self.slots.remove(&slot).expect("only what is there is removed");
        self.model.remove(&name).expect("what has a slot is in the map");
        name
    }

    /// Evictions are the store's own decision: they are taken over, if they were allowed.
    fn absorb(&mut self) {
        self.absorb_displacing(None);
    }

    fn absorb_displacing(&mut self, displaced: Option<Name>) {
        let now = self.page.now;
        for effect in self.page.manager.take_effects() {
            let (slot, reason) = match effect {
                Effect::Removed(slot, reason) => (slot, reason),
                Effect::Stored(slot, category, key, ..) => {
                    let known = KEYS.iter().find(|name| **name == key.as_str()).expect("a key of ours");
                    self.slots.insert(slot, (category, known));
                    continue;
                }
                Effect::Changed(..) | Effect::Touched(..) | Effect::Lease(..) => continue,
            };
            let held = self.model[&self.slots[&slot]].clone();
            match reason {
                Reason::Expired => assert!(now >= held.expires),
                // A value that is too large takes the one before it along, held or not.
                Reason::Evicted if Some(self.slots[&slot]) == displaced => {}
                Reason::Evicted => {
                    assert!(self.pressure == Pressure::Normal && held.holds == 0 && now < held.expires);
                }
                Reason::Pressure => assert!(self.pressure > Pressure::Normal && held.holds == 0),
                other => panic!("{other:?} without a call for it"),
            }
            self.forget(slot, reason);
        }
    }

    fn check(&self) {
        let (store, slots) = (self.page.manager.store(), self.page.manager.slots());
        for (category, state) in (0u16..).zip(store.categories()) {
            let own = self.model.keys().filter(|(of, _)| *of == category).count();
            let reserved = &self.reserved[usize::from(category)];
            assert_eq!((state.members.len(), state.reserved as usize), (own, reserved.len()));
            assert!(own + reserved.len() <= state.options.max as usize, "`max` holds, reserved slots counted");
            let charged: u64 = state.members.iter().map(|&slot| u64::from(slots.sizes[slot as usize])).sum();
            assert_eq!(state.bytes, charged);
            let removable = self.model.iter().filter(|((of, _), held)| *of == category && held.holds == 0).count();
            assert!(state.bytes <= state.options.max_bytes || removable <= 1);
        }
        let mut references = 0;
        let mut referenced = 0;
        for (name, held) in &self.model {
            let slot = self.slot(*name).expect("what was put and not removed has a slot");
            let entry = slots.get(slot).expect("what was put and not removed is there");
            assert_eq!((entry.category, u32::from(slots.holds[slot as usize])), (name.0, held.holds));
            match &held.value {
                Value::Bytes(bytes) => {
                    assert_eq!(store.payload(slot).as_ref(), Some(bytes), "{name:?}");
                    references += 1;
                }
                Value::Reference(_, size) => {
                    assert_eq!((entry.content, slots.sizes[slot as usize]), (Content::Reference, *size), "{name:?}");
                    referenced += u64::from(*size);
                }
            }
            assert_eq!(slots.readable(slot, self.page.now), self.page.now < held.expires, "{name:?}");
            let named = store.index().key(slot).is_none_or(|own| *own == key(name.1));
            assert!(named && store.find(name.0, &key(name.1)).is_none_or(|found| found == slot), "{name:?}");
        }
        let mut payloads: Vec<&Vec<u8>> = self.model.values().filter_map(|held| held.value.bytes()).collect();
        payloads.sort_unstable();
        let all: usize = payloads.iter().map(|bytes| bytes.len()).sum();
        payloads.dedup();
        let once: usize = payloads.iter().map(|bytes| bytes.len()).sum();
        let pool = store.pool();
        assert_eq!((pool.len(), pool.references()), (payloads.len(), references));
        assert_eq!((pool.raw_bytes(), pool.shared_bytes()), (once as u64, (all - once) as u64));
        assert_eq!(store.total_bytes(), pool.stored_bytes() + referenced);
        // What was just put stays, though it alone may be more than pressure leaves.
        let removable = self.model.values().filter(|held| held.holds == 0).count();
        assert!(store.total_bytes() <= store.budget_bytes() || removable <= 1, "{} bytes", store.total_bytes());
        let counted = self.page.manager.store().removals();
        for (code, count) in counted.into_iter().enumerate() {
            assert_eq!(count, self.removals.get(&(code as u32)).copied().unwrap_or(0), "{:?}", Reason::ALL[code]);
        }
    }

    /// Emptied, the store holds nothing.
    fn empty(&mut self) {
        for category in [0, 1] {
            self.page.manager.clear(category);
            self.expect(Reason::Cleared, |own, _| own.0 == category);
        }
        let store = self.page.manager.store();
        assert!(store.pool().is_empty() && store.index().is_empty() && store.total_bytes() == 0);
        assert_eq!((store.pool().stored_bytes(), store.index().scopes()), (0, 0));
    }
}

impl Value {
    fn bytes(&self) -> Option<&Vec<u8>> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            Value::Reference(..) => None,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long to walk is the tester's choice, not the core's")]
fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn the_store_agrees_with_a_plain_map_and_stays_within_its_limits() {
    let seed = from_environment("RANDOM_SEED", 20_261_124);
    let steps = from_environment("RANDOM_STEPS", STEPS);
    let mut run = Run::new(seed);
    for step in 0..steps {
        run.step();
        // Whatever a step did wrong shows within a few; looking at every one would take most of the time.
        if step % 7 == 0 || step < 2_000 {
            run.check();
        }
        if step % 20_000 == 19_999 {
            run.empty();
        }
    }
    eprintln!("{steps} steps from seed {seed}; removals by reason: {:?}", run.removals);
    assert_eq!(run.removals.len(), Reason::ALL.len() - 3, "every reason of the store's own happened");
}
