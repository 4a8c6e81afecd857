//! What a server sends, in either codec: an error, or a frame that is written again as an equal one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::Codec;

fuzz_target!(|bytes: &[u8]| {
    for codec in Codec::ALL {
        let frame = codec.decode_server(bytes);
        assert_eq!(codec.decode_answer(bytes), frame, "a longer limit changes nothing about what is short");
        let Ok(frame) = frame else { continue };
        let again = codec.encode_server(&frame).expect("what was read can be written");
        assert_eq!(codec.decode_server(&again).as_ref(), Ok(&frame));
        // Postcard writes any payload; JSON only one that is JSON text, which then comes back as it was.
        let postcard = Codec::Postcard.encode_server(&frame).expect("postcard writes any frame");
        assert_eq!(Codec::Postcard.decode_server(&postcard).as_ref(), Ok(&frame));
        if let Ok(json) = Codec::Json.encode_server(&frame) {
            let text = Codec::Json.decode_server(&json).expect("what was written can be read");
            assert_eq!(Codec::Json.encode_server(&text).expect("and written again"), json);
        }
    }
});
