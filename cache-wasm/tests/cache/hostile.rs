//! A seeded part of what `cargo xtask fuzz manager` does for longer.

use proptest::prelude::*;

use crate::operations;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn no_sequence_of_calls_panics_or_breaks_the_order_of_things(bytes in prop::collection::vec(any::<u8>(), 0..1_500)) {
        operations::run(&bytes);
    }
}
