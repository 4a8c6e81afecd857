//! What a client sends, in either codec: an error, or a frame that is written again as an equal one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::Codec;
use wire::codec::CLIENT_FRAME_MAX;

fuzz_target!(|bytes: &[u8]| {
    for codec in Codec::ALL {
        let Ok(frame) = codec.decode_client(bytes) else { continue };
        assert!(bytes.len() <= CLIENT_FRAME_MAX);
        let again = codec.encode_client(&frame).expect("what was read can be written");
        assert_eq!(codec.decode_client(&again).as_ref(), Ok(&frame));
        for other in Codec::ALL {
            let bytes = other.encode_client(&frame).expect("either codec writes any client frame");
            if bytes.len() <= CLIENT_FRAME_MAX {
                assert_eq!(other.decode_client(&bytes).as_ref(), Ok(&frame));
            }
        }
    }
});
