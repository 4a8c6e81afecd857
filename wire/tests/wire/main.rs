//! The frames as bytes, seen from outside: what is written is read back, the form is pinned, and no input does harm.
//!
//! `golden` pins the form of `coherence.v1`: peers that were built before a change of it would misread each other, so a
//! change there needs a new subprotocol name, not a new expectation. JSON takes part with the feature `json`, which
//! `cargo test -p wire --all-features` and `cargo test --workspace` turn on.

#![expect(clippy::unwrap_used, reason = "every function here is a test's own")]

mod golden;
mod head;
mod hostile;
mod limits;
#[cfg(feature = "json")]
mod payload;
mod pieces;
mod round_trip;
mod strategies;

use wire::Codec;

/// The codecs of this build.
fn codecs() -> &'static [Codec] {
    if cfg!(feature = "json") { &Codec::ALL } else { &[Codec::Postcard] }
}
