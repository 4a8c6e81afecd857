//! What is written is read back.

use proptest::prelude::*;

use crate::codecs;
use crate::strategies::{client_frame, server_frame};

proptest! {
    #[test]
    fn a_client_frame_reads_back_as_it_was_written(frame in client_frame()) {
        for codec in codecs() {
            let bytes = codec.encode_client(&frame).unwrap();
            prop_assert_eq!(codec.decode_client(&bytes), Ok(frame.clone()));
        }
    }

    #[test]
    fn a_server_frame_reads_back_as_it_was_written(frame in server_frame()) {
        for codec in codecs() {
            let bytes = codec.encode_server(&frame).unwrap();
            prop_assert_eq!(codec.decode_server(&bytes), Ok(frame.clone()));
            prop_assert_eq!(codec.decode_answer(&bytes), Ok(frame.clone()));
        }
    }
}

#[test]
fn a_codec_is_found_by_its_subprotocol_alone() {
    use wire::Codec;

    for codec in Codec::ALL {
        assert_eq!(Codec::from_subprotocol(codec.subprotocol()), Some(codec));
    }
    for other in ["", "coherence.v1", "coherence.v1+cbor", "coherence.v2+postcard", "Coherence.v1+json"] {
        assert_eq!(Codec::from_subprotocol(other), None, "{other:?}");
    }
}

#[cfg(not(feature = "json"))]
#[test]
fn without_its_feature_json_is_refused_both_ways() {
    use wire::{ClientFrame, Codec, DecodeError};

    assert_eq!(Codec::Json.decode_client(br#"{"unsub":{"id":1}}"#), Err(DecodeError::Unsupported));
    assert!(Codec::Json.encode_client(&ClientFrame::Unsub { id: 1 }).is_err());
}
