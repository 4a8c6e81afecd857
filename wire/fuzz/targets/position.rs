//! What a client resumes from, as the header Cache-Min and as a member of `sub`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::position::NUMBER_END;
use wire::{Cursor, Position, Span, Verdict};

fuzz_target!(|text: &str| {
    let mut positions = text.split_whitespace().filter_map(|text| text.parse::<Position>().ok());
    let Some(first) = positions.next() else { return };
    assert!(first.epoch.get() >= 1 && first.epoch.get() < NUMBER_END && first.offset.get() < NUMBER_END);
    assert_eq!(first.to_string().parse(), Ok(first));
    let (Some(one), Some(other)) = (positions.next(), positions.next()) else { return };
    let mut cursor = Cursor::at(first);
    let Ok(span) = Span::new(one.offset, other.offset) else {
        assert!(one.offset > other.offset);
        return;
    };
    match cursor.check(one.epoch, span) {
        Verdict::NewEpoch => assert_ne!(one.epoch, first.epoch),
        Verdict::Duplicate => assert!(span.to() <= first.offset),
        Verdict::Gap => assert!(span.from() > first.offset),
        Verdict::Apply => {
            assert!(span.from() <= first.offset && span.to() > first.offset);
            cursor.advance(span.to());
            assert_eq!(cursor.check(one.epoch, span), Verdict::Duplicate, "what was applied is not applied again");
        }
    }
});
