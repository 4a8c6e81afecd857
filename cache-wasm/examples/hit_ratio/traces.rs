//! Reads the traces of `shared/traces`, whose README says where they are from and how they are laid out.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use foldhash::fast::FixedState;

/// Requests, in order. Keys are numbered as they first come.
pub(crate) struct Trace {
    pub(crate) name: &'static str,
    pub(crate) keys: Vec<u32>,
    /// Bytes of each key, at least 1; all 1 where the trace has no sizes.
    pub(crate) sizes: Vec<u32>,
    /// Whether the trace has sizes.
    pub(crate) sized: bool,
}

/// Big-endian keys, and nothing else.
const CACHE2K: [(&str, &str); 3] = [
    ("web07", "cache2k_web07.trace.xz"),
    ("web12", "cache2k_web12.trace.xz"),
    ("orm-busy", "cache2k_orm-busy.trace.xz"),
];

/// Little-endian columns: a count, keys, sizes, and what is not needed here.
const COLUMNS: [(&str, &str); 2] = [("twitter52", "twitter52-1m.col.zst"), ("apache", "apache.col.zst")];

impl Trace {
    fn new(name: &'static str, raw: &[u32], sizes: Option<&[u32]>) -> Trace {
        let mut numbers: HashMap<u32, u32, FixedState> = HashMap::default();
        let mut trace = Trace { name, keys: Vec::with_capacity(raw.len()), sizes: Vec::new(), sized: sizes.is_some() };
        for (i, &key) in raw.iter().enumerate() {
            let next = numbers.len() as u32;
            let number = *numbers.entry(key).or_insert(next);
            if number == next {
                trace.sizes.push(sizes.map_or(1, |sizes| sizes[i].max(1)));
            }
            trace.keys.push(number);
        }
        trace
    }

    /// Bytes of all distinct keys.
    pub(crate) fn bytes(&self) -> u64 {
        self.sizes.iter().map(|&size| u64::from(size)).sum()
    }

    /// The same requests, every key of size 1.
    pub(crate) fn in_units(&self) -> Trace {
        self.resized(vec![1; self.sizes.len()])
    }

    /// The same requests, of other sizes.
    pub(crate) fn resized(&self, sizes: Vec<u32>) -> Trace {
        Trace { name: self.name, keys: self.keys.clone(), sizes, sized: self.sized }
    }

    /// Up to so many requests.
    pub(crate) fn cut(&self, requests: usize) -> Trace {
        let sizes: Vec<u32> = self.keys.iter().map(|&key| self.sizes[key as usize]).collect();
        let n = requests.min(self.keys.len());
        Trace { sized: self.sized, ..Trace::new(self.name, &self.keys[..n], Some(&sizes)) }
    }
}

/// Every trace there is.
pub(crate) fn read_all(folder: &Path) -> Result<Vec<Trace>, String> {
    if !folder.is_dir() {
        let folder = folder.display();
        return Err(format!("there are no traces at {folder}; they are not part of the project: give --traces FOLDER"));
    }
    let cache2k = CACHE2K.into_iter().map(|(name, file)| {
        let bytes = unpack(&folder.join(file), |packed, bytes| {
            lzma_rust2::XzReader::new(packed, true).read_to_end(bytes).map_err(|error| error.to_string())
        })?;
        Ok(Trace::new(name, &words(&bytes, u32::from_be_bytes), None))
    });
    let columns = COLUMNS.into_iter().map(|(name, file)| {
        let bytes = unpack(&folder.join(file), |packed, bytes| {
            let mut decoder = ruzstd::decoding::StreamingDecoder::new(packed).map_err(|error| error.to_string())?;
            decoder.read_to_end(bytes).map_err(|error| error.to_string())
        })?;
        let words = words(&bytes, u32::from_le_bytes);
        let n = *words.first().unwrap_or(&0) as usize;
        match (words.get(1..1 + n), words.get(1 + n..1 + 2 * n)) {
            (Some(keys), Some(sizes)) => Ok(Trace::new(name, keys, Some(sizes))),
            _ => Err(format!("{file} ends before its {n} keys and sizes do")),
        }
    });
    cache2k.chain(columns).collect()
}

fn unpack(path: &Path, decode: impl Fn(&[u8], &mut Vec<u8>) -> Result<usize, String>) -> Result<Vec<u8>, String> {
    let packed = fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut bytes = Vec::new();
    decode(&packed, &mut bytes).map_err(|error| format!("{} cannot be unpacked: {error}", path.display()))?;
    Ok(bytes)
}

fn words(bytes: &[u8], decode: fn([u8; 4]) -> u32) -> Vec<u32> {
    bytes.chunks_exact(4).filter_map(|word| word.try_into().ok()).map(decode).collect()
}
