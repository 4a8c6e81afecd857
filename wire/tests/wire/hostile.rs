//! Bytes that nobody wrote, or that something changed on the way: an error or a frame, and then a whole frame.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseError;
use wire::{Codec, DecodeError};

use crate::codecs;
use crate::strategies::{client_frame, server_frame};

/// Whatever decodes, encodes again to an equal frame; a longer limit changes nothing about what is short enough.
fn check(codec: Codec, bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(frame) = codec.decode_client(bytes) {
        let again = codec.encode_client(&frame).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(codec.decode_client(&again), Ok(frame));
    }
    let server = codec.decode_server(bytes);
    prop_assert_eq!(&codec.decode_answer(bytes), &server);
    if let Ok(frame) = server {
        let again = codec.encode_server(&frame).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(codec.decode_server(&again), Ok(frame));
    }
    Ok(())
}

/// Valid bytes of either side, in each codec of this build.
fn encoded() -> impl Strategy<Value = Vec<(Codec, Vec<u8>)>> {
    let write = |codec: &Codec, bytes| (*codec, bytes);
    prop_oneof![
        client_frame().prop_map(move |f| codecs().iter().map(|c| write(c, c.encode_client(&f).unwrap())).collect()),
        server_frame().prop_map(move |f| codecs().iter().map(|c| write(c, c.encode_server(&f).unwrap())).collect()),
    ]
}

fn is_whole(codec: Codec, bytes: &[u8]) -> bool {
    codec.decode_client(bytes).is_ok() || codec.decode_server(bytes).is_ok()
}

/// How a frame of these bytes is refused by the side that would take it without `extra`.
fn refusals(codec: Codec, bytes: &[u8], extra: &[u8]) -> Vec<DecodeError> {
    let longer = [bytes, extra].concat();
    let client = codec.decode_client(bytes).is_ok().then(|| codec.decode_client(&longer).map(drop));
    let server = codec.decode_server(bytes).is_ok().then(|| codec.decode_server(&longer).map(drop));
    [client, server].into_iter().flatten().map(|outcome| outcome.expect_err("taken with bytes behind it")).collect()
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_an_error_or_a_frame(bytes in vec(any::<u8>(), 0..600)) {
        for &codec in codecs() {
            check(codec, &bytes)?;
        }
    }

    /// Behind a variant's number random bytes come further.
    #[test]
    fn arbitrary_bytes_behind_a_number_are_an_error_or_a_frame(variant in 0u8..8, bytes in vec(0u8..12, 0..80)) {
        check(Codec::Postcard, &[&[variant], &*bytes].concat())?;
    }

    #[test]
    fn a_truncated_frame_is_refused(frames in encoded(), at in any::<Index>()) {
        for (codec, bytes) in frames {
            let cut = &bytes[..at.index(bytes.len())];
            // A client's frame cut short may be a short one of the server's, so each side is asked for its own.
            if codec.decode_client(&bytes).is_ok() {
                prop_assert!(codec.decode_client(cut).is_err());
            }
            if codec.decode_server(&bytes).is_ok() {
                prop_assert!(codec.decode_server(cut).is_err());
            }
            check(codec, cut)?;
        }
    }

    #[test]
    fn flipped_bits_make_an_error_or_a_frame(frames in encoded(), flips in vec((any::<Index>(), 0u8..8), 1..4)) {
        for (codec, mut bytes) in frames {
            prop_assert!(is_whole(codec, &bytes));
            for (at, bit) in &flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            check(codec, &bytes)?;
        }
    }

    /// Text that stays text gets past the first checks of the JSON codec.
    #[test]
    fn overwritten_bytes_make_an_error_or_a_frame(
        frames in encoded(), at in any::<Index>(), with in r#"[0-9a-z{}\[\]",:.\\ -]{1,6}"#,
    ) {
        for (codec, mut bytes) in frames {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + with.len());
            bytes[at..end].copy_from_slice(&with.as_bytes()[..end - at]);
            check(codec, &bytes)?;
        }
    }

    #[test]
    fn bytes_behind_a_frame_are_refused(frames in encoded(), extra in vec(any::<u8>(), 1..9)) {
        for (codec, bytes) in frames {
            let is_space = extra.iter().all(u8::is_ascii_whitespace);
            if codec == Codec::Json && is_space {
                continue;
            }
            let refused = refusals(codec, &bytes, &extra);
            prop_assert!(!refused.is_empty());
            for error in refused {
                match codec {
                    Codec::Postcard => prop_assert_eq!(error, DecodeError::Trailing(extra.len())),
                    Codec::Json => prop_assert!(matches!(error, DecodeError::Malformed(_))),
                }
            }
        }
    }
}
