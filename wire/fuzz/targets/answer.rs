//! The body of an HTTP answer in pieces: the same items as all at once, or an error wherever it is cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{AnswerReader, Codec, Found, ServerFrame};

fn in_pieces(bytes: &[u8], piece: usize) -> Option<Vec<Found>> {
    let mut reader = AnswerReader::default();
    let mut items = Vec::new();
    for bytes in bytes.chunks(piece) {
        items.extend(reader.feed(bytes).ok()?);
    }
    reader.finish().ok()?;
    Some(items)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let whole = match Codec::Postcard.decode_answer(bytes) {
        Ok(ServerFrame::Got { items, .. }) => Some(items),
        _ => None,
    };
    assert_eq!(in_pieces(bytes, usize::from(piece) + 1), whole);
});
