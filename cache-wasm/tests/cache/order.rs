//! R1, R2 and R4: what a change frame does, and in which order.

use cache_wasm::{Changed, Effect, Output, Reason};
use wire::{Body, Change, ClientFrame, ServerFrame};

use crate::page::{
    Page, SCOPE, SID, at, body, changed, gone, items, key, offset, purge, purge_tag, scope, some, tag, value,
};

#[test]
fn a_frame_that_follows_the_cursor_is_applied_and_moves_it() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "old");
    page.change(items(10, 11, vec![changed("s:m:a", 11)]));
    assert_eq!((page.read("s:m:a"), page.stands(SCOPE)), (None, (some("1:11"), true)));
}

#[test]
fn a_duplicate_is_ignored() {
    let mut page = Page::live("1:10");
    page.change(items(10, 12, vec![]));
    page.put("s:m:a", "1:12", "value");
    page.told();
    // The duplicate's item would remove the entry if it were applied: its version is beyond its own range.
    for (from, to) in [(10, 12), (3, 12), (4, 5), (12, 12), (5, 5)] {
        page.change(items(from, to, vec![changed("s:m:a", 99)]));
    }
    assert_eq!((page.read("s:m:a"), page.stands(SCOPE)), (some("value"), (some("1:12"), true)));
    assert_eq!((page.told(), page.asked()), (vec![], None));
    assert_eq!(page.manager.stats(page.now).stream.counters.duplicates, 5);
}

#[test]
fn a_range_that_overlaps_what_was_processed_is_applied() {
    let mut page = Page::live("1:10");
    page.change(items(10, 12, vec![]));
    page.put("s:m:a", "1:12", "twelve");
    page.put("s:m:b", "1:12", "twelve");
    page.change(items(8, 13, vec![changed("s:m:a", 12), changed("s:m:b", 13)]));
    // The change of `a` was known of when it was read, that of `b` was not.
    assert_eq!((page.read("s:m:a"), page.read("s:m:b")), (some("twelve"), None));
    assert_eq!(page.stands(SCOPE), (some("1:13"), true));
}

#[test]
fn a_gap_stops_reads_at_once_and_asks_again_from_the_cursor() {
    let mut page = Page::new();
    page.follow(SCOPE);
    page.open();
    let begun = page.accept(SID, wire::Mode::Fresh, "1:10");
    page.put("s:m:a", "1:10", "value");
    page.sent.clear();
    page.change(items(11, 12, vec![value("s:m:a", 12, "after a hole")]));
    assert_eq!((page.read("s:m:a"), page.stands(SCOPE)), (None, (some("1:10"), false)));
    assert_eq!(page.sent.pop_front(), Some(ClientFrame::Unsub { id: begun.id }));
    let asked = page.accept(SID, wire::Mode::Replayed, "1:10");
    assert_eq!((asked.since, asked.scope.as_str()), (Some(at("1:10")), SCOPE));
    // The replay alone vouches for nothing; the heartbeat after it does.
    page.change(items(10, 12, vec![]));
    assert_eq!((page.read("s:m:a"), page.stands(SCOPE).0), (None, some("1:12")));
    page.beat(page.now, 12, 12);
    assert_eq!(page.read("s:m:a"), some("value"));
}

#[test]
fn a_heartbeat_after_a_hole_is_a_gap_too() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "value");
    page.beat(page.now, 11, 12);
    assert_eq!((page.read("s:m:a"), page.stands(SCOPE)), (None, (some("1:10"), false)));
    assert_eq!(page.asked().and_then(|asked| asked.since), Some(at("1:10")));
}

#[test]
fn a_heartbeat_moves_the_cursor_over_commits_of_others() {
    let mut page = Page::live("1:10");
    page.beat(page.now, 10, 40);
    assert_eq!(page.stands(SCOPE).0, some("1:40"));
    page.change(items(40, 41, vec![]));
    assert_eq!((page.stands(SCOPE), page.asked()), ((some("1:41"), true), None));
}

#[test]
fn frames_of_a_stream_that_was_asked_for_again_are_ignored_until_the_answer() {
    let mut page = Page::live("1:10");
    page.change(items(11, 12, vec![]));
    let asked = page.asked().unwrap();
    page.change(items(10, 13, vec![]));
    page.beat(page.now, 10, 13);
    page.reset("3:3");
    assert_eq!(page.stands(SCOPE), (some("1:10"), false));
    page.subok(asked.id, SID, wire::Mode::Replayed, "1:10");
    page.change(items(10, 13, vec![]));
    assert_eq!(page.stands(SCOPE).0, some("1:13"));
}

#[test]
fn a_change_says_when_the_oldest_of_its_values_was_observed() {
    let mut page = Page::live("1:10");
    let observed = |name: &str, version, source_ts| {
        let mut item = value(name, version, "1");
        if let Body::Value { source_ts: at, .. } = &mut item.body {
            *at = source_ts;
        }
        item
    };
    page.change(items(10, 12, vec![observed("s:m:a", 11, 70), observed("s:m:b", 12, 50), changed("s:m:c", 12)]));
    page.change(items(12, 13, vec![changed("s:m:a", 13)]));
    let told: Vec<Option<i64>> = page.told().into_iter().map(|changed| changed.observed).collect();
    assert_eq!(told, [Some(50), None]);
}

/// One frame of everything: when its `Changed` can be polled, effects, tables and cursor are those of after it.
#[test]
fn a_listener_sees_a_table_and_a_cursor_that_agree_with_what_it_is_told() {
    let mut page = Page::live("1:10");
    for name in ["s:m:changed", "s:m:value", "s:m:gone", "s:m:p:1"] {
        page.put(name, "1:10", "old");
    }
    let tags = vec![tag("t")];
    page.manager.set(0, key("s:m:tagged"), b"old"[..].into(), None, tags, page.now).unwrap();
    page.settle();
    page.told();
    let news =
        vec![changed("s:m:changed", 11), value("s:m:value", 12, "new"), gone("s:m:gone", 13), value("s:m:n", 14, "n")];
    let change = Change { scopes: vec![scope("s:m:p:")], tags: vec![tag("t")], ..items(10, 14, news) };
    let bytes = wire::Codec::Postcard.encode_server(&ServerFrame::Change { sid: SID, change }).unwrap();
    page.manager.handle(cache_wasm::Input::Message(&bytes), page.now);
    let Some(Output::Changed(_, told)) = page.manager.poll() else { panic!("the listener is told first") };
    let expected = Changed {
        values: vec!["s:m:value".into(), "s:m:n".into()],
        changed: vec!["s:m:changed".into()],
        gone: vec!["s:m:gone".into()],
        purged: true,
        observed: Some(0),
    };
    assert_eq!(told, expected);
    assert_eq!(page.stands(SCOPE).0, some("1:14"));
    assert_eq!((page.read("s:m:value"), page.read("s:m:n")), (some("new"), some("n")));
    for name in ["s:m:changed", "s:m:gone", "s:m:tagged", "s:m:p:1"] {
        assert_eq!(page.read(name), None, "{name}");
    }
    page.settle();
    let removed = |reason| page.effects.iter().filter(|e| matches!(e, Effect::Removed(_, r) if *r == reason)).count();
    let replaced = page.effects.iter().filter(|effect| matches!(effect, Effect::Changed(..))).count();
    assert_eq!((removed(Reason::Invalidated), removed(Reason::Gone), replaced), (3, 1, 1));
}

#[test]
fn every_kind_of_change_reaches_every_category_that_holds_the_key() {
    let put_both = |page: &mut Page| {
        for category in [0, 1] {
            page.manager.set(category, key("s:m:p:a"), b"old"[..].into(), None, vec![tag("t")], page.now).unwrap();
        }
    };
    let check = |change: Change, expected: Option<String>| {
        let mut page = Page::live("1:10");
        put_both(&mut page);
        page.change(change.clone());
        assert_eq!(
            (page.read_in(0, "s:m:p:a"), page.read_in(1, "s:m:p:a")),
            (expected.clone(), expected),
            "{change:?}"
        );
    };
    check(items(10, 11, vec![changed("s:m:p:a", 11)]), None);
    check(items(10, 11, vec![gone("s:m:p:a", 11)]), None);
    check(items(10, 11, vec![value("s:m:p:a", 11, "new")]), some("new"));
    check(purge(10, 11, "s:m:p:"), None);
    check(purge_tag(10, 11, "t"), None);
    check(purge(10, 11, "s:m:q:"), some("old"));
    check(purge_tag(10, 11, "u"), some("old"));
}

#[test]
fn an_item_says_more_than_the_purge_in_its_frame() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "old");
    page.change(Change { items: vec![value("s:m:a", 12, "new")], ..purge(10, 12, SCOPE) });
    assert_eq!(page.read("s:m:a"), some("new"));
    page.change(Change { items: vec![value("s:m:a", 13, "newer")], ..purge_tag(12, 13, "t") });
    assert_eq!(page.read("s:m:a"), some("newer"));
}

#[test]
fn a_purge_spares_what_was_read_after_it() {
    let mut page = Page::live("1:10");
    page.put("s:m:before", "1:11", "value");
    page.put("s:m:after", "1:12", "value");
    page.change(purge(10, 12, SCOPE));
    assert_eq!((page.read("s:m:before"), page.read("s:m:after")), (None, some("value")));
}

#[test]
fn a_pushed_value_older_than_what_was_read_does_not_overwrite_it() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:15", "fifteen");
    page.change(items(10, 12, vec![value("s:m:a", 12, "twelve")]));
    assert_eq!(page.read("s:m:a"), some("fifteen"));
    // Read at 15, so the change of 15 is in it; the one of 16 is not.
    page.change(items(12, 15, vec![value("s:m:a", 15, "fifteen again")]));
    assert_eq!(page.read("s:m:a"), some("fifteen"));
    page.change(items(15, 16, vec![value("s:m:a", 16, "sixteen")]));
    assert_eq!(page.read("s:m:a"), some("sixteen"));
}

#[test]
fn a_pushed_value_counts_as_current_up_to_the_end_of_its_range() {
    let mut page = Page::live("1:10");
    page.change(items(10, 20, vec![value("s:m:a", 12, "twelve")]));
    // An overlapping range says again what the value already holds.
    page.change(items(10, 21, vec![changed("s:m:a", 20)]));
    assert_eq!(page.read("s:m:a"), some("twelve"));
}

#[test]
fn the_same_bytes_leave_the_decoded_value_in_place() {
    let mut page = Page::live("1:10");
    page.put("s:m:a", "1:10", "same");
    page.change(items(10, 11, vec![value("s:m:a", 11, "same")]));
    assert_eq!(page.read("s:m:a"), some("same"));
    assert!(matches!(page.effects[..], [Effect::Touched(..)]), "{:?}", page.effects);
    // It is as new as its last confirmation all the same.
    page.change(items(9, 12, vec![changed("s:m:a", 11)]));
    assert_eq!(page.read("s:m:a"), some("same"));
    // With other labels it is another value.
    let item = wire::Item { key: key("s:m:a"), version: offset(13), body: body("same", &["t"]) };
    page.change(items(12, 13, vec![item]));
    assert!(matches!(page.effects[..], [Effect::Changed(..)]), "{:?}", page.effects);
    page.change(purge_tag(13, 14, "t"));
    assert_eq!(page.read("s:m:a"), None);
}

#[test]
fn pushed_values_of_new_keys_are_kept_only_where_the_follower_said() {
    let mut page = Page::new();
    page.follow_into(SCOPE, None);
    page.open();
    page.accept(SID, wire::Mode::Fresh, "1:10");
    page.change(items(10, 11, vec![value("s:m:a", 11, "new")]));
    let told = page.told();
    assert_eq!((page.read("s:m:a"), &told[0].changed, &told[0].values), (None, &vec!["s:m:a".to_owned()], &vec![]));
}

#[test]
fn a_purge_of_a_tag_tells_that_keys_without_a_name_are_concerned() {
    let mut page = Page::live("1:10");
    page.told();
    page.change(crate::page::purge_tag(10, 11, "t"));
    assert_eq!(page.told(), [Changed { purged: true, ..Changed::default() }]);
}
