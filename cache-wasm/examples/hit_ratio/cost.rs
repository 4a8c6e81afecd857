//! What an eviction costs in native code, for orientation: a number of this machine, not of a browser.

use std::time::Instant;

use cache_wasm::evict::{Evictor, Policy};
use cache_wasm::slots::{Content, Entry, Slot, Slots, Ticks, UNFOLLOWED};
use fastrand::Rng;

const MEMBERS: u32 = 20_000;
const EVICTIONS: u32 = 400_000;
const RUNS: u32 = 5;

/// Nanoseconds an eviction, of each policy and batch: choosing the victim, remembering it, and greeting its successor.
pub(crate) fn of_evictions() -> String {
    let mut lines = vec![format!("\nns an eviction, of {MEMBERS} members")];
    for policy in [Policy::Adaptive, Policy::Lru] {
        for batch in [1, 8, 32] {
            let name = format!("{policy:?}").to_lowercase();
            let cost = nanoseconds(|work| work.evict(policy, batch)) - nanoseconds(|work| work.pretend(batch));
            lines.push(format!("{name:<9} {batch:>2} at a time {cost:>7.0}"));
        }
    }
    lines.join("\n")
}

/// The least of a few runs: this may be a machine that others use.
#[expect(clippy::disallowed_methods, reason = "this measures time; the core, which must not, is called from here")]
fn nanoseconds(run: impl Fn(Work)) -> f64 {
    let once = |_| {
        let work = Work::new();
        let begun = Instant::now();
        run(work);
        begun.elapsed().as_nanos() as f64 / f64::from(EVICTIONS)
    };
    (0..RUNS).map(once).fold(f64::INFINITY, f64::min)
}

/// A full category whose members are now and then used.
struct Work {
    slots: Slots,
    members: Vec<Slot>,
    hashes: Vec<u64>,
    rng: Rng,
}

impl Work {
    fn new() -> Work {
        let mut rng = Rng::with_seed(7);
        let mut slots = Slots::new(MEMBERS);
        let entry =
            |number: u32| Entry { category: 0, content: Content::Absent, seen: None, version: None, place: number };
        let take = |number| {
            let slot = slots.reserve().expect("room for all");
            slots.sizes[slot as usize] = 100 + number % 7;
            slots.fill(slot, entry(number), UNFOLLOWED, f64::INFINITY);
            slot
        };
        let members = (0..MEMBERS).map(take).collect();
        Work { slots, members, hashes: (0..MEMBERS).map(|_| rng.u64(..)).collect(), rng }
    }

    fn evict(mut self, policy: Policy, batch: usize) {
        let mut evictor = Evictor::new(policy, 7);
        for &slot in &self.members {
            evictor.entered(&self.slots, slot);
        }
        let mut victims = Vec::new();
        for _ in 0..EVICTIONS as usize / batch {
            evictor.remember(self.members.len());
            evictor.victims(&self.slots, &self.members, batch, 0.0, None, &mut victims);
            for slot in victims.drain(..) {
                evictor.evicted(&self.slots, Some(self.hashes[slot as usize]), slot);
                self.succeed(slot);
                evictor.entered(&self.slots, slot);
                let welcome = evictor.named(&self.members, self.hashes[slot as usize]);
                self.slots.set_frequency(slot, welcome.frequency);
                self.read();
            }
        }
    }

    /// The same but for the evictor.
    fn pretend(mut self, batch: usize) {
        let mut victims = Vec::new();
        for _ in 0..EVICTIONS as usize / batch {
            victims.extend((0..batch).map(|_| self.members[self.rng.usize(..self.members.len())]));
            for slot in victims.drain(..) {
                self.succeed(slot);
                self.read();
            }
        }
    }

    /// Another key takes a victim's slot.
    fn succeed(&mut self, slot: Slot) {
        self.slots.advance();
        self.hashes[slot as usize] = self.rng.u64(..);
        self.slots.touch(slot, UNFOLLOWED, f64::INFINITY);
    }

    /// Somebody reads something.
    fn read(&mut self) {
        let slot = self.members[self.rng.usize(..self.members.len())];
        self.slots.hit(slot, Ticks::AtHits);
    }
}
