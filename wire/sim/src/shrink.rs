//! A failing plan made smaller: operations are left out, halves first, as long as the same promise is broken.

use crate::plan::Plan;
use crate::world::{Tells, Violation, World};

/// Runs of one shrinking, at most.
const RUNS: usize = 600;

/// Runs a plan; the promise that it breaks.
pub fn violation_of(plan: &Plan) -> Option<Violation> {
    let mut world = World::new(plan.clone(), Tells::Nothing);
    world.run();
    world.violation
}

/// The smallest plan found that breaks the promise.
pub fn shrink(plan: &Plan, promise: &'static str) -> Plan {
    smallest(plan, |fewer| violation_of(fewer).is_some_and(|violation| violation.promise == promise))
}

/// The smallest plan found that still does it.
pub fn smallest(plan: &Plan, does: impl Fn(&Plan) -> bool) -> Plan {
    let mut smallest = plan.clone();
    let mut runs = 0;
    let mut size = smallest.steps.len().div_ceil(2);
    while size > 0 {
        let mut from = 0;
        let mut is_smaller = false;
        while from < smallest.steps.len() && runs < RUNS {
            let mut fewer = smallest.clone();
            let until = (from + size).min(fewer.steps.len());
            let skipped: u64 = fewer.steps.drain(from..until).map(|step| step.after).sum();
            // The others stay where they were in time, if that still breaks it.
            if let Some(next) = fewer.steps.get_mut(from) {
                next.after += skipped;
            }
            runs += 1;
            if does(&fewer) {
                smallest = fewer;
                is_smaller = true;
            } else {
                from = until;
            }
        }
        size = if is_smaller && size == 1 { 1 } else { size / 2 };
    }
    smallest
}
