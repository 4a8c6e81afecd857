//! The best that is possible with the whole trace known beforehand.

use std::collections::BinaryHeap;

use crate::traces::Trace;

const NEVER: u32 = u32::MAX;

/// The most hits that any cache of `capacity` entries can have (Belady 1966): it keeps the keys whose next uses come
/// first, and refuses a newcomer whose next use comes later than theirs. Exact for entries of one size.
pub(crate) fn belady(trace: &Trace, capacity: usize) -> f64 {
    let next_uses = next_uses(trace);
    // The next use of each key that is held.
    let mut held = vec![NEVER; trace.sizes.len()];
    let mut count = 0;
    let mut hits = 0;
    // Farthest next use first; what is no longer so is skipped.
    let mut farthest: BinaryHeap<(u32, u32)> = BinaryHeap::new();
    for (now, (&key, &next)) in trace.keys.iter().zip(&next_uses).enumerate() {
        if held[key as usize] == now as u32 {
            hits += 1;
            count -= 1;
            held[key as usize] = NEVER;
        }
        if next == NEVER {
            continue;
        }
        held[key as usize] = next;
        farthest.push((next, key));
        count += 1;
        while count > capacity
            && let Some((next, key)) = farthest.pop()
        {
            if held[key as usize] == next {
                held[key as usize] = NEVER;
                count -= 1;
            }
        }
    }
    f64::from(hits)
}

fn next_uses(trace: &Trace) -> Vec<u32> {
    let mut last = vec![NEVER; trace.sizes.len()];
    let mut next = vec![NEVER; trace.keys.len()];
    for (i, &key) in trace.keys.iter().enumerate().rev() {
        next[i] = std::mem::replace(&mut last[key as usize], i as u32);
    }
    next
}

/// More hits than any cache of `capacity` bytes can have: the optimum itself is not computable for entries of many
/// sizes. To hit, a key takes its bytes from one use to the next; the hits that take least are granted until bytes times
/// requests are spent, held to the capacity on average only (the bound PFOO-L of Berger, Beckmann and Harchol-Balter,
/// 2018).
pub(crate) fn bound(trace: &Trace, capacity: u64) -> f64 {
    let next_uses = next_uses(trace).into_iter().enumerate().filter(|&(_, next)| next != NEVER);
    let area = |(now, next): (usize, u32)| {
        let size = u64::from(trace.sizes[trace.keys[now] as usize]);
        (size <= capacity).then_some((u64::from(next) - now as u64) * size)
    };
    let mut areas: Vec<u64> = next_uses.filter_map(area).collect();
    areas.sort_unstable();
    let mut rest = u128::from(capacity) * trace.keys.len() as u128;
    let granted = areas.iter().take_while(|&&area| {
        let fits = u128::from(area) <= rest;
        rest = rest.saturating_sub(area.into());
        fits
    });
    granted.count() as f64
}

/// The most that categories together can have of `steps` equal parts of a budget, given what each makes of 0, 1, 2 ..
/// parts, and how many each then gets.
pub(crate) fn best_split(hits: &[Vec<u64>], steps: usize) -> (u64, Vec<usize>) {
    let mut best = vec![(0, Vec::new()); steps + 1];
    for category in hits {
        best = (0..=steps)
            .map(|all| {
                let choices = (0..=all).map(|own| (best[all - own].0 + category[own], own));
                let (sum, own) = choices.max().unwrap_or_default();
                let mut split = best[all - own].1.clone();
                split.push(own);
                (sum, split)
            })
            .collect();
    }
    best.swap_remove(steps)
}
