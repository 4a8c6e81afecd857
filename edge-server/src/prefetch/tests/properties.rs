//! Random readers: within its bounds always, and never more than a plain model that forgets nothing would tell.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A reader's number, a key's number, and how long after the read before it, in milliseconds.
type Read = (u8, u8, u64);

fn reads(readers: u8, keys: u8, most: usize) -> impl Strategy<Value = Vec<Read>> {
    let pause = prop_oneof![200 => Just(0), 2 => Just(IDLE_MS + 1), 1 => Just(HALF_LIFE_MS)];
    vec((0..readers, 0..keys, pause), 0..most)
}

fn name(number: u8) -> Key {
    key(&format!("s:m:{number}"))
}

/// What nobody forgets: of each transition its distinct readers, and its reads by the rule that one of the few counts
/// once.
#[derive(Default)]
struct Plain {
    last: BTreeMap<u8, u8>,
    transitions: BTreeMap<(Key, Key), (BTreeSet<u8>, u32)>,
}

impl Plain {
    fn learn(&mut self, reader: u8, read: u8, k: usize) {
        let Some(before) = self.last.insert(reader, read).filter(|&before| before != read) else { return };
        let (readers, count) = self.transitions.entry((name(before), name(read))).or_default();
        let are_enough = readers.len() >= k;
        *count += u32::from(readers.insert(reader) || are_enough);
    }

    fn total(&self, from: &Key) -> u32 {
        self.transitions.iter().filter(|((key, _), _)| key == from).map(|(_, (_, count))| count).sum()
    }
}

fn learn(prefetch: &mut Prefetch, plain: &mut Plain, (reader, read, pause): Read, now_ms: &mut u64) {
    *now_ms += pause;
    let id = format!("reader-{reader}");
    prefetch.learn(Reader::parse(id.as_bytes()).unwrap(), &name(read), *now_ms);
    plain.learn(reader, read, prefetch.k);
}

proptest! {
    #[test]
    fn nothing_is_told_that_fewer_than_k_readers_did(
        k in 2usize..8, contexts in 1usize..8, readers in 1usize..20, reads in reads(12, 5, 600),
    ) {
        let (mut prefetch, mut plain, mut now_ms) = (Prefetch::new(limits(k, contexts, readers), 7), Plain::default(), 0);
        for read in reads {
            learn(&mut prefetch, &mut plain, read, &mut now_ms);
        }
        for Likely { key: from, total, next } in prefetch.model(None, now_ms).contexts {
            for (to, count) in next {
                let (readers, reads) = &plain.transitions[&(from.clone(), to.clone())];
                prop_assert!(readers.len() >= k, "{from:?} {to:?}: {readers:?}");
                prop_assert!(count <= *reads && count >= SUPPORT_MIN && count as usize >= k);
                prop_assert!(f64::from(count) / f64::from(total) >= 0.05);
            }
        }
    }

    #[test]
    fn nothing_grows_past_its_bound(
        k in 2usize..6, contexts in 1usize..16, readers in 1usize..16, reads in reads(20, 12, 600),
    ) {
        let (mut prefetch, mut plain, mut now_ms) = (Prefetch::new(limits(k, contexts, readers), 7), Plain::default(), 0);
        for read in reads {
            learn(&mut prefetch, &mut plain, read, &mut now_ms);
            prop_assert!(prefetch.readers.len() <= readers && prefetch.contexts.len() <= contexts);
            for (_, context) in &prefetch.contexts {
                let counted: u32 = context.next.iter().map(|transition| transition.count).sum();
                prop_assert!(context.next.len() <= NEXT_MAX && counted <= context.total && context.total <= TOTAL_MAX);
                for transition in &context.next {
                    prop_assert!(transition.count > 0);
                    let Readers::Few(few) = &transition.readers else { continue };
                    prop_assert!(few.len() < k, "hashes are dropped with the k-th");
                }
            }
        }
    }

    /// Where nothing is forgotten, neither for room nor for age.
    #[test]
    fn with_room_and_within_a_day_it_tells_what_a_plain_model_does(k in 2usize..6, reads in vec((0u8..12, 0u8..6), 0..600)) {
        let (mut prefetch, mut plain, mut now_ms) = (Prefetch::new(limits(k, 100, 100), 7), Plain::default(), 0);
        for (reader, read) in reads {
            learn(&mut prefetch, &mut plain, (reader, read, 0), &mut now_ms);
        }
        let mut expected: BTreeMap<(Key, Key), u32> = BTreeMap::new();
        for (transition, (readers, count)) in &plain.transitions {
            let total = plain.total(&transition.0);
            if readers.len() >= k && *count >= 4 && f64::from(*count) / f64::from(total) >= 0.05 {
                expected.insert(transition.clone(), *count);
            }
        }
        let mut told = BTreeMap::new();
        for Likely { key: from, total, next } in prefetch.model(None, now_ms).contexts {
            prop_assert_eq!(total, plain.total(&from));
            told.extend(next.into_iter().map(|(to, count)| ((from.clone(), to), count)));
        }
        prop_assert_eq!(told, expected);
    }
}
