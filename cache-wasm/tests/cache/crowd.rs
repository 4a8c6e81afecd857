//! Many that leave at once: nothing of them can be observed, although what they leave behind is cleared up later.

use std::collections::BTreeMap;

use cache_wasm::{CategoryOptions, Given, Reason};
use fastrand::Rng;

use crate::page::{Page, key, scope, tag};

const KEYS: u32 = 700;
const MAX: u32 = 800;
const SCOPES: [&str; 4] = ["s:m:", "s:m:p0:", "s:m:p1:", "s:n:"];

fn name(number: u32) -> String {
    match number % 3 {
        0 => format!("s:m:p{}:{number}", number % 2),
        1 => format!("s:m:{number}"),
        _ => format!("s:n:{number}"),
    }
}

fn page(max_bytes: u64) -> Page {
    Page::with(vec![CategoryOptions::new("values", MAX)], max_bytes)
}

fn put(page: &mut Page, number: u32, text: &str) {
    let tags = if number.is_multiple_of(2) { vec![tag("even")] } else { Vec::new() };
    page.manager
        .set(0, key(&name(number)), Given::Bytes(text.as_bytes().into()), None, tags, page.now)
        .expect("it fits");
}

/// Values of ten bytes that no two keys share.
fn fill(page: &mut Page) {
    (0..KEYS).for_each(|number| put(page, number, &format!("\"{number:08}\"")));
}

fn settle(page: &mut Page) {
    while page.manager.upkeep(page.now) {}
}

#[test]
fn a_crowd_has_left_when_the_call_returns_and_leaves_nothing_behind_after_upkeep() {
    let mut page = page(u64::MAX);
    fill(&mut page);
    settle(&mut page);
    page.manager.invalidate_scope(&scope("s:m:"));
    let store = page.manager.store();
    let left = KEYS / 3;
    assert_eq!(store.categories()[0].members.len() as u32, left);
    assert_eq!(store.removals()[Reason::Invalidated.code() as usize], u64::from(KEYS - left));
    assert_eq!(store.find(0, &key(&name(1))), None);
    assert!(store.slots_of(&key(&name(1))).is_empty());
    assert!(store.needs_upkeep());
    settle(&mut page);
    let store = page.manager.store();
    assert_eq!((store.pool().len() as u32, store.index().len() as u32), (left, left));
    assert_eq!(store.total_bytes(), u64::from(left) * 10);
}

#[test]
fn the_budget_is_not_held_against_what_a_crowd_left_behind() {
    let mut page = page(u64::from(KEYS) * 10);
    fill(&mut page);
    page.manager.invalidate_scope(&scope("s:m:"));
    // Few and large: the slots they take clear up after few of the crowd.
    let large = |number: u32| format!("\"{number:088}\"");
    (0..75).filter(|number| number % 3 != 2).for_each(|number| put(&mut page, number, &large(number)));
    let removals = page.manager.store().removals();
    assert_eq!(removals[Reason::Evicted.code() as usize], 0, "there was room");
    assert_eq!(page.manager.store().categories()[0].members.len() as u32, KEYS / 3 + 50);
}

#[test]
fn the_tables_do_not_grow_while_a_crowd_lies_in_them() {
    let mut page = page(u64::MAX);
    fill(&mut page);
    let taken = page.manager.slots().taken();
    for _ in 0..5 {
        page.manager.clear(0);
        fill(&mut page);
    }
    assert_eq!(page.manager.slots().taken(), taken);
}

#[test]
fn who_left_in_a_crowd_comes_back_with_its_uses() {
    let mut page = page(u64::MAX);
    fill(&mut page);
    // Ghosts are kept from the first eviction on.
    (KEYS..=MAX).for_each(|number| put(&mut page, number, "1"));
    let used = page.manager.store().find(0, &key(&name(3))).expect("it is there");
    page.manager.slots().set_frequency(used, 9);
    page.manager.invalidate_scope(&scope("s:m:"));
    settle(&mut page);
    put(&mut page, 3, "2");
    let again = page.manager.store().find(0, &key(&name(3))).expect("it is there");
    assert_eq!(page.manager.slots().frequency(again), 10, "its return is a use");
}

#[test]
fn crowds_that_come_and_go_agree_with_a_plain_map() {
    let mut rng = Rng::with_seed(20_261_125);
    let mut page = page(u64::MAX);
    let mut model = BTreeMap::new();
    for step in 0..1_500u32 {
        match rng.u32(..40) {
            0 => {
                let of = SCOPES[rng.usize(..SCOPES.len())];
                page.manager.invalidate_scope(&scope(of));
                model.retain(|&number, _| !name(number).starts_with(of));
            }
            1 => {
                page.manager.invalidate_tag(&tag("even"));
                model.retain(|number, _| number % 2 == 1);
            }
            2 => {
                page.manager.upkeep(page.now);
            }
            3 => {
                page.manager.clear(0);
                model.clear();
            }
            _ => {
                let first = rng.u32(..KEYS);
                for number in first..KEYS.min(first + 40) {
                    // Payloads that many keys share, so that a late release is one of several.
                    let text = format!("\"{}\"", (step + number) % 50);
                    put(&mut page, number, &text);
                    model.insert(number, text);
                }
            }
        }
        let store = page.manager.store();
        assert_eq!(store.categories()[0].members.len(), model.len());
        for number in 0..KEYS {
            let found = store.find(0, &key(&name(number))).and_then(|slot| store.payload(slot));
            assert_eq!(found.as_deref(), model.get(&number).map(String::as_bytes), "{number} at step {step}");
        }
    }
    settle(&mut page);
    let store = page.manager.store();
    assert_eq!((store.pool().references(), store.index().len()), (model.len() as u64, model.len()));
    page.manager.clear(0);
    settle(&mut page);
    let store = page.manager.store();
    assert!(store.pool().is_empty() && store.index().is_empty() && store.total_bytes() == 0);
}
