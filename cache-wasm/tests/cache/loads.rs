//! R3 for a whole scope: one answer of many keys, fenced as a whole and key by key.

use cache_wasm::fill::Ticket;
use cache_wasm::{Filled, Loaded};
use wire::{Body, Codec, Found, Mode, Position, ServerFrame};

use crate::fills::{EVENTS, Event, KEY, TEXT, answers};
use crate::page::{Page, SCOPE, SID, at, body, changed, items, key, offset, purge, purge_tag, scope, some};

/// A `got` frame as the edge answers with it.
pub(crate) fn got(as_of: &str, found: &[(&str, Option<Body>)]) -> Vec<u8> {
    let items = found.iter().map(|(name, body)| Found {
        key: key(name),
        as_of: at(as_of),
        value: body.clone().map(|body| (offset(1), body)),
        ttl_ms: None,
    });
    Codec::Postcard.encode_server(&ServerFrame::Got { id: 0, items: items.collect() }).expect("it can be written")
}

fn begin(page: &mut Page) -> (Ticket, Option<Position>) {
    page.manager.begin_load(0, scope(SCOPE))
}

fn begin_part(page: &mut Page) -> (Ticket, Option<Position>) {
    page.manager.begin_load(0, scope("s:m:p:"))
}

fn end(page: &mut Page, ticket: Ticket, as_of: &str, names: &[&str]) -> Loaded {
    let found: Vec<_> = names.iter().map(|&name| (name, Some(body(TEXT, &[])))).collect();
    let loaded = page.load(ticket, Some(at(as_of)), &got(as_of, &found));
    page.settle();
    loaded
}

fn kept(keys: &[&str], late: &[&str]) -> Loaded {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Loaded::Kept { keys: owned(keys), late: owned(late) }
}

#[test]
fn a_key_of_a_load_is_kept_only_if_the_answer_knows_of_everything_the_page_was_told() {
    for event in EVENTS {
        for (asked_after, floor) in [(true, event.cursor), (false, event.in_flight)] {
            for (as_of, accepted) in answers(floor) {
                let when = if asked_after { "before the request" } else { "in flight" };
                check(event, asked_after, &as_of, accepted, &format!("{} {when}, answer as of {as_of}", event.name));
            }
        }
    }
}

fn check(event: &Event, asked_after: bool, as_of: &str, accepted: bool, case: &str) {
    let mut page = Page::live("1:10");
    let mut request = None;
    if !asked_after {
        request = Some(begin_part(&mut page));
    }
    (event.happens)(&mut page);
    let (ticket, min) = request.unwrap_or_else(|| begin_part(&mut page));
    assert_eq!(min, Some(at(if asked_after { event.cursor } else { "1:10" })), "{case}");
    let before = page.read(KEY);
    match end(&mut page, ticket, as_of, &[KEY]) {
        Loaded::Kept { keys, late } if keys == [KEY] && late.is_empty() => assert!(accepted, "{case}"),
        Loaded::Kept { keys, late } => assert!(!accepted && keys.is_empty() && late == [KEY], "{case}"),
        Loaded::Retry(min) => assert!(!accepted && min == Some(at(event.cursor)), "{case}: {min:?}"),
        Loaded::More => unreachable!("all of it was fed"),
        Loaded::Malformed(why) => panic!("{case}: {why}"),
    }
    assert_eq!(page.read(KEY), if accepted { some(TEXT) } else { before }, "{case}");
    let (ticket, min) = begin_part(&mut page);
    assert_eq!(min, Some(at(event.cursor)), "{case}");
    assert_eq!(end(&mut page, ticket, event.cursor, &[KEY]), kept(&[KEY], &[]), "{case}");
    assert_eq!(page.read(KEY), some(TEXT), "{case}");
}

#[test]
fn a_key_that_changed_in_flight_is_late_and_the_others_are_kept() {
    let mut page = Page::live("1:10");
    let (ticket, _) = begin(&mut page);
    page.change(items(10, 12, vec![changed("s:m:a", 12)]));
    let loaded = end(&mut page, ticket, "1:11", &["s:m:a", "s:m:b", "s:m:p:c"]);
    assert_eq!(loaded, kept(&["s:m:b", "s:m:p:c"], &["s:m:a"]));
    assert_eq!((page.read("s:m:a"), page.read("s:m:b"), page.read("s:m:p:c")), (None, some(TEXT), some(TEXT)));
    page.change(items(12, 13, vec![changed("s:m:b", 13)]));
    assert_eq!(page.read("s:m:b"), None);
}

#[test]
fn a_purge_of_a_part_in_flight_voids_the_whole_answer() {
    for change in [purge(10, 12, "s:m:p:"), purge_tag(10, 12, "t")] {
        let mut page = Page::live("1:10");
        let (ticket, _) = begin(&mut page);
        page.change(change);
        assert_eq!(end(&mut page, ticket, "1:11", &["s:m:a"]), Loaded::Retry(Some(at("1:12"))));
        let (ticket, _) = begin(&mut page);
        assert_eq!(end(&mut page, ticket, "1:12", &["s:m:a"]), kept(&["s:m:a"], &[]));
    }
}

#[test]
fn a_load_never_overwrites_what_was_read_later() {
    let mut page = Page::live("1:10");
    let (ticket, _) = begin(&mut page);
    page.put("s:m:a", "1:20", "twenty");
    assert_eq!(end(&mut page, ticket, "1:15", &["s:m:a"]), kept(&["s:m:a"], &[]));
    assert_eq!(page.read("s:m:a"), some("twenty"));
}

#[test]
fn a_load_before_the_streams_first_position_keeps_nothing() {
    let mut page = Page::new();
    page.follow(SCOPE);
    assert!(page.manager.is_scope_pending(&scope(SCOPE)));
    let (ticket, _) = begin(&mut page);
    assert_eq!(end(&mut page, ticket, "1:10", &["s:m:a"]), kept(&[], &["s:m:a"]));
    // Begun before and ended after it, the load must reach it.
    let (early, _) = begin(&mut page);
    let (late, _) = begin(&mut page);
    page.open();
    page.accept(SID, Mode::Fresh, "1:10");
    assert_eq!(end(&mut page, early, "1:9", &["s:m:a"]), Loaded::Retry(Some(at("1:10"))));
    assert_eq!(end(&mut page, late, "1:10", &["s:m:a"]), kept(&["s:m:a"], &[]));
}

#[test]
fn what_a_load_does_not_ask_for_is_not_taken_from_its_answer() {
    let mut page = Page::live("1:10");
    let (ticket, _) = page.manager.begin_load(0, scope("s:m:p:"));
    let found = [("s:m:q:a", Some(body("stray", &[]))), ("s:m:p:gone", None), ("s:m:p:moved", Some(Body::Changed))];
    let loaded = page.load(ticket, Some(at("1:10")), &got("1:10", &found));
    assert_eq!(loaded, kept(&[], &[]));
    assert!(page.manager.take_effects().is_empty());
}

#[test]
fn bytes_that_are_no_answer_change_nothing() {
    let hb = Codec::Postcard.encode_server(&ServerFrame::Hb { echo: None, subs: vec![] }).unwrap();
    let mut trailing = got("1:10", &[("s:m:a", Some(body(TEXT, &[])))]);
    trailing.push(0);
    for bytes in [vec![], vec![255; 8], hb, trailing] {
        let mut page = Page::live("1:10");
        let (ticket, _) = begin(&mut page);
        let loaded = page.load(ticket, Some(at("1:10")), &bytes);
        assert!(matches!(loaded, Loaded::Malformed(_)), "{bytes:?}: {loaded:?}");
        assert!(page.manager.take_effects().is_empty());
    }
    let mut page = Page::live("1:10");
    let (ticket, _) = begin(&mut page);
    let loaded = page.load(ticket, None, &got("1:10", &[("s:m:a", Some(body(TEXT, &[])))]));
    assert!(matches!(loaded, Loaded::Malformed(_)), "a followed scope needs a position: {loaded:?}");
}

#[test]
fn an_invalidation_by_hand_voids_what_it_names_in_a_load() {
    let mut page = Page::live("1:10");
    let names = ["s:m:a", "s:m:p:b", "s:m:q:c"];
    let (ticket, _) = begin(&mut page);
    page.manager.invalidate_key(&key("s:m:a"));
    page.manager.invalidate_scope(&scope("s:m:p:"));
    assert_eq!(end(&mut page, ticket, "1:99", &names), kept(&["s:m:q:c"], &["s:m:a", "s:m:p:b"]));
}

#[test]
fn a_ticket_of_one_kind_does_not_end_as_the_other() {
    let mut page = Page::live("1:10");
    let (load, _) = begin(&mut page);
    assert_eq!(page.answer(load, "1:10", TEXT), Filled::Ended);
    let (fill, _) = page.fill("s:m:a");
    assert_eq!(end(&mut page, fill, "1:10", &["s:m:a"]), Loaded::Retry(None));
}
