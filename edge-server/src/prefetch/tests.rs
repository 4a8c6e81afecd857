//! What is learned, what is told of it, and what never is.

mod properties;

use super::*;

const K: usize = 5;
const HOUR_MS: u64 = 60 * 60 * 1_000;

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn limits(k: usize, contexts: usize, readers: usize) -> Limits {
    Limits { k, contexts: NonZeroUsize::new(contexts).unwrap(), readers: NonZeroUsize::new(readers).unwrap() }
}

fn prefetch() -> Prefetch {
    Prefetch::new(limits(K, 100, 1_000), 1)
}

impl Prefetch {
    /// One reader reads these keys in turn, at once.
    fn reads(&mut self, reader: &str, keys: &[&str], now_ms: u64) {
        for text in keys {
            self.learn(Reader::parse(reader.as_bytes()).unwrap(), &key(text), now_ms);
        }
    }

    /// So many readers that nobody was before read these keys in turn.
    fn readers_read(&mut self, name: &str, readers: usize, keys: &[&str], now_ms: u64) {
        for number in 0..readers {
            self.reads(&format!("{name}-{number}"), keys, now_ms);
        }
    }

    /// `key total: next count, next count` a context.
    fn told(&mut self, now_ms: u64) -> Vec<String> {
        let line = |Likely { key, total, next }: Likely| {
            let next: Vec<String> = next.iter().map(|(key, count)| format!("{} {count}", key.as_str())).collect();
            format!("{} {total}: {}", key.as_str(), next.join(", "))
        };
        self.model(None, now_ms).contexts.into_iter().map(line).collect()
    }
}

#[test]
fn what_k_readers_did_is_told_and_what_fewer_did_is_not() {
    let mut prefetch = prefetch();
    prefetch.readers_read("few", K - 1, &["s:m:a", "s:m:b"], 0);
    assert_eq!(prefetch.told(0), Vec::<String>::new());
    assert_eq!(prefetch.census(), Census { contexts: 1, transitions: 1, withheld: 1 });
    prefetch.reads("one-more", &["s:m:a", "s:m:b"], 0);
    assert_eq!(prefetch.told(0), ["s:m:a 5: s:m:b 5"]);
    assert_eq!(prefetch.census(), Census { contexts: 1, transitions: 1, withheld: 0 });
}

#[test]
fn a_reader_that_repeats_itself_100_times_is_one_reader() {
    let mut prefetch = prefetch();
    for _ in 0..100 {
        prefetch.reads("one", &["s:m:a", "s:m:b"], 0);
    }
    assert_eq!(prefetch.told(0), Vec::<String>::new());
    prefetch.readers_read("other", K - 2, &["s:m:a", "s:m:b"], 0);
    assert_eq!(prefetch.told(0), Vec::<String>::new());
    prefetch.reads("last", &["s:m:a", "s:m:b"], 0);
    assert_eq!(prefetch.told(0), ["s:m:a 5: s:m:b 5"], "its repetitions weigh no more than the others' reads");
    prefetch.reads("one", &["s:m:a", "s:m:b"], 0);
    assert_eq!(prefetch.told(0), ["s:m:a 6: s:m:b 6"], "who reads is not asked for any more");
}

#[test]
fn a_transition_beside_a_public_one_waits_for_its_own_readers() {
    let mut prefetch = prefetch();
    prefetch.readers_read("many", 20, &["s:m:a", "s:m:b"], 0);
    prefetch.readers_read("few", K - 1, &["s:m:a", "s:m:secret"], 0);
    assert_eq!(prefetch.told(0), ["s:m:a 24: s:m:b 20"]);
}

#[test]
fn a_small_k_still_needs_the_support() {
    let mut prefetch = Prefetch::new(limits(2, 100, 100), 1);
    prefetch.readers_read("few", 3, &["s:m:a", "s:m:b"], 0);
    assert_eq!(prefetch.told(0), Vec::<String>::new());
    prefetch.reads("fourth", &["s:m:a", "s:m:b"], 0);
    assert_eq!(prefetch.told(0), ["s:m:a 4: s:m:b 4"]);
}

#[test]
fn a_share_under_one_in_twenty_is_not_told() {
    let mut prefetch = prefetch();
    prefetch.readers_read("rare", 5, &["s:m:a", "s:m:rare"], 0);
    prefetch.readers_read("many", 95, &["s:m:a", "s:m:b"], 0);
    assert_eq!(prefetch.told(0), ["s:m:a 100: s:m:b 95, s:m:rare 5"]);
    prefetch.readers_read("more", 1, &["s:m:a", "s:m:b"], 0);
    assert_eq!(prefetch.told(0), ["s:m:a 101: s:m:b 96"]);
}

#[test]
fn the_strongest_contexts_come_first_and_their_likeliest_successors() {
    let mut prefetch = prefetch();
    prefetch.readers_read("x", 6, &["s:m:a", "s:m:b"], 0);
    prefetch.readers_read("y", 7, &["s:m:a", "s:m:c"], 0);
    prefetch.readers_read("z", 20, &["s:n:a", "s:n:b"], 0);
    assert_eq!(prefetch.told(0), ["s:n:a 20: s:n:b 20", "s:m:a 13: s:m:c 7, s:m:b 6"]);
}

#[test]
fn a_scope_restricts_the_contexts_and_not_what_follows_them() {
    let mut prefetch = prefetch();
    prefetch.readers_read("x", 5, &["s:m:a:1", "s:n:b:1", "s:m:a:2"], 0);
    let mut check = |scope: &str, expected: &[&str]| {
        let model = prefetch.model(Some(&Scope::parse(scope).unwrap()), 0);
        assert_eq!(model.contexts.iter().map(|context| context.key.as_str()).collect::<Vec<_>>(), expected, "{scope}");
    };
    check("s:m:", &["s:m:a:1"]);
    check("s:n:", &["s:n:b:1"]);
    check("s:m:b:", &[]);
}

#[test]
fn at_most_2000_contexts_are_told_and_the_weakest_are_left_out() {
    let mut prefetch = Prefetch::new(limits(2, 4_096, 10), 1);
    for number in 0..2_100 {
        let context = format!("s:m:{number}");
        let readers = if number < 200 { 4 } else { 5 };
        prefetch.readers_read("x", readers, &[&context, "s:m:next", "s:m:end"], 0);
    }
    let contexts = prefetch.model(None, 0).contexts;
    assert_eq!(contexts.len(), 2_000);
    assert_eq!(contexts.iter().filter(|context| context.total == 5).count(), 1_900);
    assert_eq!(contexts[0].key, key("s:m:next"), "everybody came by");
}

#[test]
fn of_more_successors_than_are_kept_the_weakest_makes_room() {
    let mut prefetch = prefetch();
    for number in 0..8 {
        prefetch.readers_read(
            &format!("x{number}"),
            if number == 3 { 5 } else { 6 },
            &["s:m:a", &format!("s:m:{number}")],
            0,
        );
    }
    prefetch.readers_read("ninth", 5, &["s:m:a", "s:m:ninth"], 0);
    let next = prefetch.model(None, 0).contexts.remove(0).next;
    let names: Vec<&str> = next.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(names, ["s:m:0", "s:m:1", "s:m:2", "s:m:4", "s:m:5", "s:m:6", "s:m:7", "s:m:ninth"]);
}

#[test]
fn the_same_key_again_is_no_transition() {
    let mut prefetch = prefetch();
    prefetch.readers_read("x", 9, &["s:m:a", "s:m:a", "s:m:b"], 0);
    assert_eq!(prefetch.told(0), ["s:m:a 9: s:m:b 9"]);
}

#[test]
fn after_five_minutes_of_silence_a_reader_begins_anew() {
    let check = |silence_ms: u64, expected: &[&str]| {
        let mut prefetch = prefetch();
        prefetch.readers_read("x", 5, &["s:m:a"], 0);
        prefetch.readers_read("x", 5, &["s:m:b"], silence_ms);
        assert_eq!(prefetch.told(silence_ms), expected, "{silence_ms} ms");
    };
    check(IDLE_MS, &["s:m:a 5: s:m:b 5"]);
    check(IDLE_MS + 1, &[]);
}

#[test]
fn what_silent_readers_read_is_forgotten_when_anybody_reads() {
    let mut prefetch = prefetch();
    prefetch.readers_read("x", 9, &["s:m:a"], 0);
    prefetch.reads("still-here", &["s:m:a"], 1);
    prefetch.reads("somebody", &["s:m:a"], IDLE_MS + 1);
    assert_eq!(prefetch.readers.len(), 2);
}

#[test]
fn of_more_readers_than_are_kept_the_one_silent_for_longest_begins_anew() {
    let mut prefetch = Prefetch::new(limits(2, 100, 4), 1);
    prefetch.readers_read("x", 5, &["s:m:a"], 0);
    prefetch.readers_read("x", 5, &["s:m:b"], 0);
    assert_eq!(prefetch.census().transitions, 0, "each was forgotten before it read on");
    prefetch.readers_read("y", 4, &["s:m:a"], 0);
    prefetch.readers_read("y", 4, &["s:m:b"], 0);
    assert_eq!(prefetch.told(0), ["s:m:a 4: s:m:b 4"]);
}

#[test]
fn a_busy_context_follows_what_is_read_now() {
    let mut prefetch = Prefetch::new(limits(K, 100, 10_000), 1);
    prefetch.readers_read("morning", 1_000, &["s:m:a", "s:m:old"], 0);
    assert_eq!(prefetch.told(0), ["s:m:a 1000: s:m:old 1000"]);
    prefetch.readers_read("evening", 1, &["s:m:a", "s:m:new"], 0);
    assert_eq!(prefetch.told(0), ["s:m:a 500: s:m:old 500"], "over the bound everything counts half");
    prefetch.readers_read("night", 3_000, &["s:m:a", "s:m:new"], 0);
    let told = prefetch.told(0);
    assert!(told[0].contains(": s:m:new ") && !told[0].contains("s:m:old"), "{told:?}");
}

#[test]
fn a_quiet_context_counts_half_every_six_hours_and_is_then_forgotten() {
    let mut prefetch = prefetch();
    prefetch.readers_read("x", 18, &["s:m:a", "s:m:b"], 0);
    let mut check = |hours: u64, expected: &[&str]| assert_eq!(prefetch.told(hours * HOUR_MS), expected, "{hours} h");
    check(5, &["s:m:a 18: s:m:b 18"]);
    check(6, &["s:m:a 9: s:m:b 9"]);
    check(12, &[]);
    check(10_000_000, &[]);
    assert_eq!(prefetch.census().transitions, 0);
    let now_ms = 10_000_000 * HOUR_MS;
    prefetch.readers_read("few", K - 1, &["s:m:a", "s:m:b"], now_ms);
    assert_eq!(prefetch.told(now_ms), Vec::<String>::new(), "what was forgotten needs its k readers anew");
    prefetch.readers_read("last", 1, &["s:m:a", "s:m:b"], now_ms);
    assert_eq!(prefetch.told(now_ms), ["s:m:a 5: s:m:b 5"]);
}

#[test]
fn a_clock_that_stands_before_the_last_read_does_no_harm() {
    let mut prefetch = prefetch();
    prefetch.readers_read("x", 5, &["s:m:a"], 1_000);
    prefetch.readers_read("x", 5, &["s:m:b"], 0);
    assert_eq!(prefetch.told(0), ["s:m:a 5: s:m:b 5"]);
}

#[test]
fn an_id_is_1_to_64_visible_characters() {
    let check = |id: &[u8], is_taken: bool| assert_eq!(Reader::parse(id).is_some(), is_taken, "{}", id.escape_ascii());
    check(b"a", true);
    check(b"5f0c-~!", true);
    check(&[b'x'; 64], true);
    check(&[b'x'; 65], false);
    for wrong in ["", " ", "a b", "a\t", "é", "a\u{7f}"] {
        check(wrong.as_bytes(), false);
    }
}

#[test]
fn it_is_written_as_pairs() {
    let mut prefetch = prefetch();
    prefetch.readers_read("x", 5, &["s:m:a", "s:m:b"], 0);
    let written = serde_json::to_string(&prefetch.model(None, 0)).unwrap();
    assert_eq!(written, r#"{"k":5,"contexts":[{"key":"s:m:a","total":5,"next":[["s:m:b",5]]}]}"#);
}
