//! An answer read in pieces is the answer read whole.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use wire::{AnswerReader, Codec, DecodeError, Found, ServerFrame};

use crate::strategies::server_frame;

/// Reads bytes in pieces that end at these places.
fn read(bytes: &[u8], mut ends: Vec<usize>) -> Result<Vec<Found>, DecodeError> {
    ends.push(bytes.len());
    ends.sort_unstable();
    let (mut reader, mut items, mut at) = (AnswerReader::default(), Vec::new(), 0);
    for end in ends {
        items.extend(reader.feed(&bytes[at..end])?);
        at = end;
    }
    reader.finish().map(|()| items)
}

/// What all bytes at once are.
fn whole(bytes: &[u8]) -> Option<Vec<Found>> {
    match Codec::Postcard.decode_answer(bytes) {
        Ok(ServerFrame::Got { items, .. }) => Some(items),
        _ => None,
    }
}

proptest! {
    #[test]
    fn any_cut_of_an_answer_gives_its_items(frame in server_frame(), cuts in vec(any::<Index>(), 0..6)) {
        let bytes = Codec::Postcard.encode_server(&frame).unwrap();
        let ends = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        prop_assert_eq!(read(&bytes, ends).ok(), whole(&bytes));
    }

    #[test]
    fn an_answer_cut_short_or_with_bytes_behind_it_is_refused(frame in server_frame(), cut in any::<Index>(), extra in any::<u8>()) {
        let bytes = Codec::Postcard.encode_server(&frame).unwrap();
        prop_assert!(read(&bytes[..cut.index(bytes.len())], Vec::new()).is_err());
        prop_assert!(read(&[&*bytes, &[extra]].concat(), vec![bytes.len()]).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_an_error_or_an_answer(mut bytes in vec(0u8..12, 0..80), cuts in vec(any::<Index>(), 0..4)) {
        // The number of the frame, behind which random bytes come further.
        bytes.insert(0, 3);
        let ends = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        prop_assert_eq!(read(&bytes, ends).ok(), whole(&bytes));
    }
}

/// The number of a frame is written in one byte, and read however it is written: in pieces as at once.
#[test]
fn a_number_that_is_written_with_more_bytes_than_it_needs_is_read_in_pieces_too() {
    let bytes = [0x83, 0x00, 0x26, 0x00];
    assert_eq!(whole(&bytes), Some(vec![]));
    assert_eq!(read(&bytes, vec![1, 2, 3]), Ok(vec![]));
}
