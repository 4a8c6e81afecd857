//! A short part of what `cargo xtask sim` runs, and that a run can be had again and made smaller.

use std::sync::atomic::{AtomicU64, Ordering};

use sim::plan::Op;
use sim::{Coverage, Plan, Tells, World, shrink, story};

/// Seeds of this part.
const SEEDS: u64 = 300;

#[test]
fn three_hundred_seeds_break_no_promise() {
    let next = AtomicU64::new(0);
    let run = || {
        let mut coverage = Coverage::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return coverage;
            }
            let mut world = World::new(Plan::of(seed), Tells::Nothing);
            world.run();
            assert_eq!(world.violation, None, "seed {seed}; `cargo xtask sim --seed {seed}` tells its story");
            coverage.add(&world.coverage);
        }
    };
    let coverage = std::thread::scope(|scope| {
        let threads = [scope.spawn(run), scope.spawn(run)].map(|thread| thread.join().unwrap());
        let mut all = Coverage::default();
        threads.iter().for_each(|own| all.add(own));
        all
    });
    assert_eq!(coverage.missing(), Vec::<&str>::new(), "what never happens proves nothing");
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    let told = |seed| {
        let mut world = World::new(Plan::of(seed), Tells::Story);
        world.run();
        story::lines(&world.story.unwrap())
    };
    for seed in 0..10 {
        let (one, other) = (told(seed), told(seed));
        let parts = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert_eq!((parts, one.len()), (None, other.len()), "seed {seed}");
    }
    assert!(told(0) != told(1));
}

#[test]
fn a_plan_is_made_as_small_as_what_it_shows() {
    let shows = |plan: &Plan| {
        let at = |is: fn(&Op) -> bool| plan.steps.iter().position(|step| is(&step.op));
        let crash = at(|op| matches!(op, Op::Crash { .. }));
        crash.is_some_and(|crash| at(|op| matches!(op, Op::PurgeTag)).is_some_and(|purge| purge < crash))
    };
    let plan = (0..).map(Plan::of).find(shows).unwrap();
    let time = |plan: &Plan| plan.steps.iter().map(|step| step.after).sum::<u64>();
    let smallest = shrink::smallest(&plan, shows);
    assert_eq!(smallest.steps.len(), 2);
    assert!(time(&smallest) <= time(&plan), "what is left stays where it was in time");
}
