//! LZ4 blocks with a dictionary.

use alloc::vec;
use alloc::vec::Vec;

use lz4_flex::block::{compress_into_with_dict, decompress_into_with_dict, get_maximum_output_size};

/// Packs bytes; whoever unpacks them needs the same dictionary, and their number.
#[inline(never)]
pub fn pack(raw: &[u8], dictionary: &[u8]) -> Vec<u8> {
    let mut packed = vec![0; get_maximum_output_size(raw.len())];
    // There is room for the worst case, so that it cannot fail.
    let length = compress_into_with_dict(raw, &mut packed, dictionary).unwrap_or(0);
    packed.truncate(length);
    packed
}

/// The bytes that [`pack`] was given, `length` of them; `None` for what it did not make.
#[inline(never)]
pub fn unpack(packed: &[u8], length: usize, dictionary: &[u8]) -> Option<Vec<u8>> {
    let mut raw = vec![0; length];
    let unpacked = decompress_into_with_dict(packed, &mut raw, dictionary).ok()?;
    (unpacked == length).then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_out_again_with_its_dictionary_alone() {
        let dictionary = b"the quick brown fox jumps over the lazy dog";
        let raw = b"the quick brown dog jumps over the lazy fox".repeat(3);
        let packed = pack(&raw, dictionary);
        assert!(packed.len() < raw.len() / 2);
        assert_eq!(unpack(&packed, raw.len(), dictionary), Some(raw.clone()));
        assert_eq!(unpack(&packed, raw.len() + 1, dictionary), None);
        assert_ne!(unpack(&packed, raw.len(), b""), Some(raw));
    }
}
