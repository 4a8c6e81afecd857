//! Compression: LZ4 with a dictionary for each category, made of the first payloads that it holds.
//!
//! Payloads of one category share their shape: with a dictionary of their like, small ones shrink as well as large ones
//! do. When what comes no longer shrinks as it did, a new dictionary is made; the old one stays while a payload needs
//! it. Nothing here decides when to pack.

use alloc::vec::Vec;

use hot_paths::lz4;

/// Bytes of samples that make a dictionary. LZ4 reaches back 64 KiB, which dictionary and payload share.
const DICTIONARY: usize = 16 << 10;
/// The fewest bytes of samples that a dictionary is made of when there will be no more.
const LEAST: usize = 1 << 10;
/// Shorter payloads are not worth it.
const SHORT: usize = 48;
/// Payloads over which a ratio is taken.
const WINDOW: u32 = 256;
/// A window's ratio over the first one's, in per cent, from which on the dictionary has had its day.
const WORN: u64 = 130;

/// The name of a dictionary.
pub type DictionaryId = u16;

#[derive(Debug)]
struct Dictionary {
    bytes: Vec<u8>,
    /// Payloads packed with it, and one for the category that packs with it.
    users: u32,
}

/// Bytes before and after packing.
#[derive(Debug, Clone, Copy, Default)]
struct Ratio {
    payloads: u32,
    raw: u64,
    packed: u64,
}

impl Ratio {
    fn percent(self) -> u64 {
        self.packed * 100 / self.raw.max(1)
    }
}

/// How one category packs.
#[derive(Debug, Default)]
struct Training {
    samples: Vec<u8>,
    dictionary: Option<DictionaryId>,
    /// The dictionary's first window, and the one that is being filled.
    first: Option<Ratio>,
    window: Ratio,
    trained: u32,
}

/// Dictionaries, and which category packs with which.
#[derive(Debug, Default)]
pub struct Packer {
    /// By id; a dictionary that nobody uses is a hole.
    dictionaries: Vec<Option<Dictionary>>,
    categories: Vec<Training>,
}

/// What became of a payload.
#[derive(Debug, PartialEq, Eq)]
pub enum Packed {
    /// These bytes, and the dictionary they need.
    Smaller(DictionaryId, Vec<u8>),
    /// It does not shrink.
    Not,
    /// It is a sample for a dictionary that is not made yet: ask again later.
    Later,
}

impl Packer {
    /// A packer for so many categories.
    pub fn new(categories: usize) -> Packer {
        let categories = (0..categories).map(|_| Training::default()).collect();
        Packer { dictionaries: Vec::new(), categories }
    }

    /// Packs a payload of a category. The answer's dictionary counts one user more.
    pub fn pack(&mut self, category: u16, raw: &[u8]) -> Packed {
        if raw.len() < SHORT {
            return Packed::Not;
        }
        let training = &mut self.categories[usize::from(category)];
        let Some(id) = training.dictionary else {
            training.samples.extend_from_slice(&raw[..raw.len().min(DICTIONARY)]);
            if training.samples.len() < DICTIONARY {
                return Packed::Later;
            }
            self.train(category);
            return self.pack(category, raw);
        };
        let Some(dictionary) = self.dictionaries[usize::from(id)].as_mut() else { return Packed::Not };
        let packed = lz4::pack(raw, &dictionary.bytes);
        let length = packed.len();
        training.window.payloads += 1;
        training.window.raw += raw.len() as u64;
        training.window.packed += length.min(raw.len()) as u64;
        let is_smaller = length < raw.len() - raw.len() / 8;
        if is_smaller {
            dictionary.users += 1;
        }
        self.watch(category);
        if is_smaller { Packed::Smaller(id, packed) } else { Packed::Not }
    }

    /// Looks at a full window: a dictionary that no longer helps is left, and another is made of what comes next.
    fn watch(&mut self, category: u16) {
        let training = &mut self.categories[usize::from(category)];
        if training.window.payloads < WINDOW {
            return;
        }
        let window = core::mem::take(&mut training.window);
        let first = *training.first.get_or_insert(window);
        if window.percent() * 100 > first.percent() * WORN
            && let Some(id) = training.dictionary.take()
        {
            training.first = None;
            self.release(id);
        }
    }

    /// Makes a category's dictionary of the samples so far, if they are enough; whether it has one then.
    pub fn train(&mut self, category: u16) -> bool {
        let training = &mut self.categories[usize::from(category)];
        if training.dictionary.is_none() && training.samples.len() >= LEAST {
            let mut bytes = core::mem::take(&mut training.samples);
            bytes.truncate(DICTIONARY);
            bytes.shrink_to_fit();
            let hole = self.dictionaries.iter().position(Option::is_none).unwrap_or(self.dictionaries.len());
            // As many dictionaries as names for them: never in practice, and then packing ends.
            let Ok(id) = DictionaryId::try_from(hole) else { return false };
            if hole == self.dictionaries.len() {
                self.dictionaries.push(None);
            }
            self.dictionaries[hole] = Some(Dictionary { bytes, users: 1 });
            training.dictionary = Some(id);
            training.trained += 1;
        }
        training.dictionary.is_some()
    }

    /// A payload's raw bytes, from what [`Packer::pack`] made of them.
    pub fn unpack(&self, id: DictionaryId, packed: &[u8], raw_length: usize) -> Vec<u8> {
        let dictionary = self.dictionaries.get(usize::from(id)).and_then(Option::as_ref);
        let bytes = dictionary.map_or(&[][..], |dictionary| &dictionary.bytes);
        // What was packed here comes out again; nothing else is given to it.
        lz4::unpack(packed, raw_length, bytes).unwrap_or_default()
    }

    /// Counts one user of a dictionary less; the last one frees it.
    pub fn release(&mut self, id: DictionaryId) {
        let place = &mut self.dictionaries[usize::from(id)];
        if let Some(dictionary) = place.as_mut() {
            dictionary.users -= 1;
            if dictionary.users == 0 {
                *place = None;
            }
        }
    }

    /// Bytes of dictionaries.
    pub fn dictionary_bytes(&self) -> u64 {
        self.dictionaries.iter().flatten().map(|dictionary| dictionary.bytes.len() as u64).sum()
    }

    /// Dictionaries that a category has made so far.
    pub fn trained(&self, category: u16) -> u32 {
        self.categories[usize::from(category)].trained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(player: u32, league: &str) -> Vec<u8> {
        let row = format!(
            r#"{{"id":"{player}","league":"{league}","player":{{"name":"Player {player}","team":"T{}"}},"line":{}.5}}"#,
            player % 30,
            player % 40
        );
        row.into_bytes()
    }

    /// Packs a row until it is packed, and its id and bytes.
    fn packed(packer: &mut Packer, player: u32, league: &str) -> (DictionaryId, Vec<u8>) {
        for _ in 0..1_000 {
            if let Packed::Smaller(id, bytes) = packer.pack(0, &row(player, league)) {
                return (id, bytes);
            }
        }
        panic!("never packed");
    }

    #[test]
    fn payloads_of_one_shape_shrink_to_less_than_half_and_come_out_as_they_went_in() {
        let mut packer = Packer::new(1);
        for player in 0..500 {
            let raw = row(player, "NBA");
            let (id, bytes) = packed(&mut packer, player, "NBA");
            assert!(bytes.len() * 2 < raw.len(), "{} of {}", bytes.len(), raw.len());
            assert_eq!(packer.unpack(id, &bytes, raw.len()), raw);
        }
        assert_eq!(packer.trained(0), 1);
    }

    #[test]
    fn what_no_longer_shrinks_gets_another_dictionary_and_the_old_one_stays_while_it_is_used() {
        let mut packer = Packer::new(1);
        let (first, kept) = packed(&mut packer, 1, "NBA");
        for player in 0..300 {
            let (id, _) = packed(&mut packer, player, "NBA");
            packer.release(id);
        }
        let other = |number: u64| -> Vec<u8> {
            // No text of the first kind, and like its own.
            (0..60).map(|at| format!("<{}>", (number * 7 + at) % 97)).collect::<String>().into_bytes()
        };
        let mut second = first;
        for number in 0..2_000 {
            if let Packed::Smaller(id, _) = packer.pack(0, &other(number)) {
                packer.release(id);
                second = id;
            }
        }
        assert_eq!(packer.trained(0), 2);
        assert_ne!(second, first);
        assert_eq!(packer.unpack(first, &kept, row(1, "NBA").len()), row(1, "NBA"));
        let both = packer.dictionary_bytes();
        packer.release(first);
        assert!(packer.dictionary_bytes() < both, "the last user's release frees a dictionary");
    }

    #[test]
    fn what_is_short_or_random_stays_as_it_is() {
        let mut packer = Packer::new(1);
        assert_eq!(packer.pack(0, b"1.5"), Packed::Not);
        packed(&mut packer, 1, "NBA");
        let random: Vec<u8> =
            std::iter::successors(Some(1u32), |x| Some(x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)))
                .map(|x| (x >> 24) as u8)
                .take(500)
                .collect();
        assert_eq!(packer.pack(0, &random), Packed::Not);
    }
}
