//! The values by themselves: limits, ages, and what leaves when.

use cache_wasm::manager::{ManagerError, Options};
use cache_wasm::segments::Heap;
use cache_wasm::slots::{FREQUENCY_MAX, Ticks};
use cache_wasm::{Answer, CategoryOptions, Effect, Filled, Given, Manager, Policy, Pressure, PutError, Reason};

use crate::page::{Page, SCOPE, at, body, category, items, key, scope, some, tag, value};

fn set(page: &mut Page, into: u16, name: &str, bytes: &[u8], ttl: Option<f64>, tags: &[&str]) -> Result<(), PutError> {
    let tags = tags.iter().map(|text| tag(text)).collect();
    let set = page.manager.set(into, key(name), bytes.into(), ttl, tags, page.now);
    page.settle();
    set.map(|_| ())
}

fn bounded(name: &str, max: u32, max_bytes: u64, ttl: f64) -> CategoryOptions {
    CategoryOptions { max_bytes, ttl, ..category(name, max) }
}

#[test]
fn an_entry_lives_as_long_as_it_was_given() {
    let mut page = Page::with(vec![bounded("c", 10, u64::MAX, 1_000.0)], u64::MAX);
    let begun = page.now;
    page.set("s:m:category", "value");
    set(&mut page, 0, "s:m:own", b"value", Some(50.0), &[]).unwrap();
    page.now = begun + 49.0;
    assert_eq!((page.read("s:m:own"), page.read("s:m:category")), (some("value"), some("value")));
    page.now = begun + 50.0;
    assert_eq!((page.read("s:m:own"), page.read("s:m:category")), (None, some("value")));
    page.now = begun + 999.0;
    page.set("s:m:category", "again");
    page.now = begun + 1_998.0;
    assert_eq!(page.read("s:m:category"), some("again"));
    page.now = begun + 1_999.0;
    assert_eq!(page.read("s:m:category"), None);
}

#[test]
fn only_an_entry_past_its_age_is_expired() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    set(&mut page, 0, "s:m:b", b"value", Some(50.0), &[]).unwrap();
    let slots = ["s:m:a", "s:m:b"].map(|name| page.manager.store().find(0, &key(name)).unwrap());
    page.now += 1e6;
    assert_eq!((page.read("s:m:a"), page.read("s:m:b")), (None, None));
    for slot in slots.into_iter().chain([99_999]) {
        page.manager.expire(slot, page.now);
    }
    page.settle();
    // The first is out of its lease only: the stream may come back.
    assert_eq!((page.holds("s:m:a"), page.holds("s:m:b")), (true, false));
    assert_eq!(page.effects, [Effect::Removed(slots[1], Reason::Expired)]);
}

#[test]
fn a_category_holds_no_more_than_its_max_and_the_newest_entry_stays() {
    let mut page = Page::with(vec![category("c", 3), category("d", 3)], u64::MAX);
    set(&mut page, 1, "s:m:other", b"value", None, &[]).unwrap();
    for number in 0..50 {
        page.set(&format!("s:m:{number}"), "value");
        assert_eq!(page.read(&format!("s:m:{number}")), some("value"));
        assert!(page.manager.store().categories()[0].members.len() <= 3);
    }
    assert_eq!(page.read_in(1, "s:m:other"), some("value"));
    assert_eq!(page.manager.stats(page.now).removals[&Reason::Evicted], 47);
}

#[test]
fn bytes_are_bounded_by_category_and_over_all() {
    let mut page = Page::with(vec![bounded("c", 100, 10, 1e9), bounded("d", 100, 1_000, 1e9)], 30);
    for number in 0..40usize {
        let text = "x".repeat(number % 11);
        for into in [0, 1] {
            let name = format!("s:m:{}", number % 13);
            set(&mut page, into, &name, text.as_bytes(), None, &[]).unwrap();
            assert_eq!(page.read_in(into, &name), Some(text.clone()), "what was just put stays");
            let bytes = page.manager.store().categories().iter().map(|category| category.bytes).collect::<Vec<_>>();
            let all = page.manager.store().total_bytes();
            assert!(bytes[0] <= 10 && all <= 30 && all <= bytes[0] + bytes[1], "{bytes:?}, {all}");
        }
    }
}

#[test]
fn the_category_most_over_its_share_gives_first_and_any_other_before_the_newest_goes() {
    let mut page = Page::with(vec![category("c", 9), category("d", 9)], 10);
    set(&mut page, 0, "s:m:a", b"four", None, &[]).unwrap();
    set(&mut page, 0, "s:m:b", b"two", None, &[]).unwrap();
    set(&mut page, 1, "s:m:c", b"six", None, &[]).unwrap();
    set(&mut page, 1, "s:m:d", b"x", None, &[]).unwrap();
    assert_eq!((page.read_in(1, "s:m:c"), page.read_in(1, "s:m:d")), (some("six"), some("x")));
    assert_eq!(page.manager.store().categories()[0].members.len(), 1);
    // That category holds nothing but the newest value: the others give.
    set(&mut page, 0, "s:m:e", b"ten bytes.", None, &[]).unwrap();
    assert_eq!((page.read("s:m:e"), page.manager.store().pool().len()), (some("ten bytes."), 1));
}

#[test]
fn under_lru_a_replaced_value_counts_as_used() {
    let lru = CategoryOptions { policy: Policy::Lru, ..category("c", 3) };
    let mut page = Page::with(vec![lru], u64::MAX);
    ["s:m:a", "s:m:b", "s:m:c", "s:m:a", "s:m:b", "s:m:d"].into_iter().for_each(|name| page.set(name, name));
    let there = ["s:m:a", "s:m:b", "s:m:c", "s:m:d"].map(|name| page.holds(name));
    assert_eq!(there, [true, true, false, true]);
}

#[test]
fn a_category_whose_keys_return_gains_bytes_of_one_whose_keys_do_not() {
    let limits = |name: &str, min_bytes: u64| CategoryOptions { min_bytes, ..category(name, 1_000) };
    let mut page = Page::with(vec![limits("returning", 0), limits("passing", 100)], 1_000);
    for request in 0..4_000 {
        let name = format!("s:m:{}", request % 60);
        if page.read_in(0, &name).is_none() {
            set(&mut page, 0, &name, format!("a{request:09}").as_bytes(), None, &[]).unwrap();
        }
        set(&mut page, 1, &format!("s:m:{request}"), format!("b{request:09}").as_bytes(), None, &[]).unwrap();
    }
    let [returning, passing] = page.manager.store().budget().shares() else { panic!("two categories") };
    assert!(returning.bytes >= 590 && passing.bytes >= 100, "{returning:?} {passing:?}");
    assert_eq!((returning.gained, returning.bytes), (passing.given, 500 + returning.gained - returning.given));
    let held = page.manager.store().categories().iter().map(|category| category.bytes).collect::<Vec<_>>();
    assert!(held[0] >= 590 && held[1] <= 410, "{held:?}");
}

#[test]
fn a_category_bounded_by_its_entries_gains_no_bytes() {
    let mut page = Page::with(vec![category("few", 10), category("many", 1_000)], 1_000);
    for request in 0..1_000 {
        set(&mut page, 0, &format!("s:m:{}", request % 12), format!("a{request:09}").as_bytes(), None, &[]).unwrap();
        set(&mut page, 1, &format!("s:m:{request}"), format!("b{request:09}").as_bytes(), None, &[]).unwrap();
    }
    assert_eq!(page.manager.store().budget().shares()[0].gained, 0);
}

#[test]
fn an_expired_entry_is_evicted_before_a_living_one() {
    let mut page = Page::with(vec![category("c", 10)], u64::MAX);
    for number in 0..10 {
        let ttl = (number == 7).then_some(10.0);
        set(&mut page, 0, &format!("s:m:{number}"), b"value", ttl, &[]).unwrap();
    }
    page.now += 10.0;
    page.set("s:m:new", "value");
    assert!(
        matches!(page.effects[..], [Effect::Removed(_, Reason::Expired), Effect::Stored(..)]),
        "{:?}",
        page.effects
    );
    assert_eq!((page.holds("s:m:7"), page.manager.store().categories()[0].members.len()), (false, 10));
}

#[test]
fn what_is_used_outlives_what_is_not() {
    let mut page = Page::with(vec![category("c", 8)], u64::MAX);
    for number in 0..8 {
        page.set(&format!("s:m:{number}"), "value");
    }
    let used = page.manager.store().find(0, &key("s:m:3")).unwrap();
    for number in 8..100 {
        // As JavaScript notes a hit.
        let slots = page.manager.slots();
        slots.hit(used, Ticks::AtInsertions);
        slots.set_frequency(used, FREQUENCY_MAX);
        page.set(&format!("s:m:{number}"), "value");
    }
    assert!(page.holds("s:m:3"));
}

#[test]
fn a_value_too_large_is_refused_and_the_old_one_is_gone() {
    let check = |categories: Vec<CategoryOptions>, max_bytes: u64| {
        let mut page = Page::with(categories, max_bytes);
        page.set("s:m:a", "old");
        let refused = set(&mut page, 0, "s:m:a", &[b'x'; 11], None, &[]);
        assert!(matches!(refused, Err(PutError::TooLarge { size: 11, max: 10, .. })), "{refused:?}");
        assert!(!page.holds("s:m:a"));
        // Whoever repeats the effects must have forgotten the key, or it would read the slot's next value.
        page.set("s:m:b", "next");
        assert_eq!((page.read("s:m:a"), page.read("s:m:b")), (None, some("next")));
        let refused = set(&mut page, 0, "s:m:new", &[b'x'; 11], None, &[]);
        assert!(refused.is_err() && page.read("s:m:b").is_some());
    };
    check(vec![bounded("c", 5, 10, 1e9)], u64::MAX);
    check(vec![category("c", 5)], 10);
}

#[test]
fn an_answer_or_a_push_too_large_leaves_no_older_value_behind() {
    let large = "x".repeat(11);
    let mut page = Page::with(vec![bounded("c", 5, 10, 1e9)], u64::MAX);
    page.follow(SCOPE);
    page.open();
    page.accept(crate::page::SID, wire::Mode::Fresh, "1:10");
    page.put("s:m:a", "1:10", "old");
    let (ticket, _) = page.fill("s:m:a");
    assert_eq!(page.answer(ticket, "1:11", &large), Filled::TooLarge);
    assert!(!page.holds("s:m:a"));
    page.put("s:m:a", "1:11", "old");
    page.told();
    page.change(items(10, 12, vec![value("s:m:a", 12, &large)]));
    assert_eq!((page.holds("s:m:a"), &page.told()[0].changed), (false, &vec!["s:m:a".to_owned()]));
}

#[test]
fn a_category_that_does_not_exist_is_refused() {
    let mut page = Page::new();
    assert_eq!(set(&mut page, 2, "s:m:a", b"value", None, &[]), Err(PutError::Category(2)));
    assert!(!page.manager.delete(2, &key("s:m:a")));
    page.manager.clear(2);
}

#[test]
fn equal_payloads_are_stored_once_and_released_with_the_last() {
    let mut page = Page::new();
    for (into, name) in [(0, "s:m:a"), (0, "s:m:b"), (1, "s:m:a")] {
        set(&mut page, into, name, b"12345", None, &[]).unwrap();
    }
    let pool = |page: &Page| {
        let pool = page.manager.store().pool();
        (pool.len(), pool.stored_bytes(), pool.shared_bytes())
    };
    assert_eq!(pool(&page), (1, 5, 10));
    page.set("s:m:a", "67");
    assert_eq!(pool(&page), (2, 7, 5));
    page.manager.delete(0, &key("s:m:b"));
    assert_eq!(pool(&page), (2, 7, 0));
    page.manager.clear(1);
    page.set("s:m:a", "67");
    assert_eq!(pool(&page), (1, 2, 0));
    page.manager.clear(0);
    page.settle();
    assert!(page.manager.store().pool().is_empty());
}

#[test]
fn invalidations_by_hand_take_what_they_name_and_nothing_else() {
    let names = ["s:m:a", "s:m:p:b", "s:m:p:q:c", "s:mm:d"];
    let check = |by_hand: fn(&mut Manager), left: [&[&str]; 2]| {
        let mut page = Page::new();
        for into in [0, 1] {
            for name in names {
                let tags: &[&str] = if name.contains(":p:") { &["t", "u"] } else { &["u"] };
                set(&mut page, into, name, b"value", None, tags).unwrap();
            }
        }
        by_hand(&mut page.manager);
        page.settle();
        for into in [0, 1] {
            let found: Vec<_> = names.into_iter().filter(|name| page.read_in(into, name).is_some()).collect();
            assert_eq!(found, left[usize::from(into)]);
        }
    };
    check(|m| assert!(m.delete(0, &key("s:m:p:b"))), [&["s:m:a", "s:m:p:q:c", "s:mm:d"], &names]);
    check(|m| assert!(!m.delete(0, &key("s:m:p:x"))), [&names, &names]);
    check(|m| m.clear(1), [&names, &[]]);
    check(|m| m.invalidate_key(&key("s:m:a")), [&names[1..], &names[1..]]);
    check(|m| m.invalidate_scope(&scope("s:m:")), [&["s:mm:d"], &["s:mm:d"]]);
    check(
        |m| m.invalidate_scope(&scope("s:m:p:q:")),
        [&["s:m:a", "s:m:p:b", "s:mm:d"], &["s:m:a", "s:m:p:b", "s:mm:d"]],
    );
    check(|m| m.invalidate_tag(&tag("t")), [&["s:m:a", "s:mm:d"], &["s:m:a", "s:mm:d"]]);
    check(|m| m.invalidate_tag(&tag("u")), [&[], &[]]);
    check(|m| m.invalidate_tag(&tag("v")), [&names, &names]);
}

#[test]
fn a_replaced_value_answers_to_its_new_tags_only() {
    let mut page = Page::new();
    set(&mut page, 0, "s:m:a", b"one", None, &["t"]).unwrap();
    set(&mut page, 0, "s:m:a", b"two", None, &["u"]).unwrap();
    page.manager.invalidate_tag(&tag("t"));
    assert_eq!(page.read("s:m:a"), some("two"));
    page.manager.invalidate_tag(&tag("u"));
    page.settle();
    assert!(!page.holds("s:m:a"));
}

#[test]
fn an_answers_own_age_and_tags_are_kept() {
    let mut page = Page::live("1:10");
    let (ticket, _) = page.fill("s:m:a");
    let bytes = Some(b"value"[..].into());
    let answer = Answer { as_of: Some(at("1:10")), bytes, tags: vec![tag("t")], ttl: Some(100.0), ..Answer::default() };
    page.manager.end_fill(ticket, answer, page.now);
    page.settle();
    page.now += 99.0;
    assert_eq!(page.read("s:m:a"), some("value"));
    page.now += 1.0;
    assert_eq!(page.read("s:m:a"), None);
    let pushed = wire::Item { key: key("s:m:a"), version: crate::page::offset(11), body: body("value", &["t"]) };
    page.change(items(10, 11, vec![pushed]));
    assert_eq!(page.read("s:m:a"), some("value"), "pushed anew, it lives as long as its category says");
}

#[test]
fn options_that_cannot_be_met_are_refused() {
    let new = |categories: Vec<CategoryOptions>| {
        Manager::new(Options { categories, max_bytes: 1, token: None, seed: 0 }, Box::<Heap>::default()).err()
    };
    assert_eq!(new(vec![category("c", 0)]), Some(ManagerError::EmptyCategory("c".into())));
    assert_eq!(new(vec![category("c", 1), category("c", 2)]), Some(ManagerError::TwiceNamed("c".into())));
    let half = 1 << 21;
    let too_many = new(vec![category("c", half), category("d", half), category("e", 1)]);
    assert_eq!(too_many, Some(ManagerError::TooManyEntries(u64::from(half) * 2 + 1)));
}

#[test]
fn pressure_leaves_a_part_of_the_entries_and_none_that_a_handle_holds_goes() {
    let mut page = Page::with(vec![category("c", 400)], u64::MAX);
    (0..400).for_each(|number| page.set(&format!("s:m:{number}"), "value"));
    let held = page.manager.store().find(0, &key("s:m:0")).unwrap();
    page.manager.hold(held);
    for (pressure, left) in [(Pressure::Elevated, 200), (Pressure::Critical, 100)] {
        while page.manager.set_pressure(pressure, page.now) {
            page.settle();
        }
        page.settle();
        assert_eq!(page.manager.store().categories()[0].members.len(), left, "{pressure:?}");
        page.set("s:m:new", "value");
        assert_eq!(page.manager.store().categories()[0].members.len(), left, "{pressure:?} goes on");
    }
    assert!(page.holds("s:m:0"));
    assert!(page.manager.stats(page.now).removals[&Reason::Pressure] >= 300);
    page.manager.set_pressure(Pressure::Normal, page.now);
    (0..400).for_each(|number| page.set(&format!("s:m:{number}"), "value"));
    assert_eq!(page.manager.store().categories()[0].members.len(), 400);
}

#[test]
fn what_has_ended_leaves_although_nobody_reads_it() {
    let mut page = Page::with(vec![category("c", 10)], u64::MAX);
    set(&mut page, 0, "s:m:short", b"value", Some(50.0), &[]).unwrap();
    page.set("s:m:long", "value");
    page.now += 50.0;
    page.manager.upkeep(page.now);
    page.settle();
    assert_eq!((page.holds("s:m:short"), page.holds("s:m:long")), (false, true));
    assert_eq!(page.manager.stats(page.now).removals[&Reason::Expired], 1);
}

#[test]
fn what_packing_leaves_behind_is_given_back() {
    let mut page = Page::with(vec![category("values", 1_000)], u64::MAX);
    for number in 0..900 {
        let text = format!(
            r#"{{"id":{number},"player":{{"name":"Player {number}","team":"Denver Nuggets"}},"line":{}.5}}"#,
            number % 40
        );
        let given = Given::Bytes(text.as_bytes().into());
        page.manager.set(0, key(&format!("s:m:{number}")), given, None, Vec::new(), page.now).expect("it fits");
    }
    while page.manager.upkeep(page.now) {}
    let pool = page.manager.store().pool();
    let (stored, allocated) = (pool.stored_bytes(), pool.segment_bytes());
    assert!(stored < pool.raw_bytes() * 2 / 3, "it was packed");
    // A sixth of each segment, and the one that is being filled, which is a quarter of all at most.
    assert!(allocated <= stored * 6 / 5 + (stored / 4).max(4_096), "{stored} bytes lie in {allocated}");
}
