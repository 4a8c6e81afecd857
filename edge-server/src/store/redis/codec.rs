//! The bytes in Redis: values, and entries of the log. The scripts put them together and compare them as they are, so
//! that a value's bytes say all of it.
//!
//! A value: version (8 bytes), stamp, body. A stamp: source's time (8), end (8). A body: hash of the content (16),
//! content; a removal that is remembered has none. A content: number of tags (1), each with its length (1), length of the
//! payload (4), payload. An entry: its position as text, `epoch:offset:`; items, each a kind, the key and a newline, with
//! stamp and body behind a `v`; then, behind a `p`, what is purged, as JSON.
//! Numbers are big-endian; the source's time has its sign turned, so that it is compared like the others.

use std::collections::HashSet;

use wire::{Body, Epoch, Item, Key, Offset, Payload, Position, Scope, Tag};
use xxhash_rust::xxh3::xxh3_128;

use crate::store::{Commit, Committed, Fate, Partition, Producer, Purge, Stored, Write};

/// The end of what has none.
const NEVER: u64 = u64::MAX;
const SIGN: u64 = 1 << 63;
/// What stands before a content.
const HEADER: usize = 24;
/// The hash of a content.
const HASH: usize = 16;

/// Bytes that are not what this server writes: another version's, or somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what is stored cannot be read ({0}); is the namespace another program's?")]
pub(super) struct Unreadable(&'static str);

/// A write as the commit script takes it.
#[derive(Debug)]
pub(super) struct Encoded {
    /// How it is announced: `v` whole, `c` as changed, `g` as gone.
    pub(super) kind: u8,
    pub(super) stamp: [u8; 16],
    pub(super) body: Vec<u8>,
}

pub(super) fn encode_write(write: &Write, push_max_bytes: usize, now_ms: i64) -> Encoded {
    let end = |ttl| now_ms.saturating_add_unsigned(ttl);
    let (kind, till, body) = match &write.payload {
        None => (b'g', Some(now_ms + crate::store::TOMBSTONE_MS), Vec::new()),
        Some(payload) if payload.as_bytes().len() <= push_max_bytes => {
            (b'v', write.ttl_ms.map(end), body_of(&write.tags, payload))
        }
        Some(payload) => (b'c', write.ttl_ms.map(end), body_of(&write.tags, payload)),
    };
    let till = till.map_or(NEVER, |end| end.max(0).unsigned_abs());
    Encoded { kind, stamp: pair(write.source_ts as u64 ^ SIGN, till), body }
}

fn body_of(tags: &[Tag], payload: &Payload) -> Vec<u8> {
    let payload = payload.as_bytes();
    let mut content =
        Vec::with_capacity(5 + payload.len() + tags.iter().map(|tag| 1 + tag.as_str().len()).sum::<usize>());
    content.extend_from_slice(&[0; HASH]);
    // Tags are at most 16 of at most 64 bytes, and values at most a mebibyte: their lengths fit.
    content.push(tags.len() as u8);
    for tag in tags {
        content.push(tag.as_str().len() as u8);
        content.extend_from_slice(tag.as_str().as_bytes());
    }
    content.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    content.extend_from_slice(payload);
    let hash = xxh3_128(&content[HASH..]);
    content[..HASH].copy_from_slice(&hash.to_be_bytes());
    content
}

/// What a commit purges, as the end of its entry; nothing when it purges nothing.
pub(super) fn encode_purge(purge: &Purge) -> Vec<u8> {
    if purge.is_empty() {
        return Vec::new();
    }
    let mut bytes = vec![b'p'];
    // Names are text: there is nothing that JSON could not carry.
    bytes.extend(serde_json::to_vec(&(&purge.keys, &purge.scopes, &purge.tags)).unwrap_or_default());
    bytes
}

/// A producer's fence and the number of its batch, as the scripts compare them.
pub(super) fn ticket(fence: u64, sequence: u64) -> [u8; 16] {
    pair(fence, sequence)
}

fn pair(first: u64, second: u64) -> [u8; 16] {
    ((u128::from(first) << 64) | u128::from(second)).to_be_bytes()
}

/// The newest fence, from the refusal of an older one.
pub(super) fn decode_fence(bytes: &[u8], producer: &Producer) -> crate::store::StoreError {
    let newest = bytes.try_into().map_or(u64::MAX, u64::from_be_bytes);
    crate::store::StoreError::Fenced { producer: producer.name.clone(), given: producer.fence, newest }
}

/// What a commit did, from `epoch:offset:fates`.
pub(super) fn decode_result(text: &[u8]) -> Result<Committed, Unreadable> {
    const WRONG: Unreadable = Unreadable("a commit's result");
    let text = std::str::from_utf8(text).map_err(|_| WRONG)?;
    let (position, fates) = text.rsplit_once(':').ok_or(WRONG)?;
    let fate = |letter| match letter {
        'c' => Ok(Fate::Changed),
        'u' => Ok(Fate::Unchanged),
        's' => Ok(Fate::Stale),
        _ => Err(WRONG),
    };
    Ok(Committed {
        position: position.parse().map_err(|_| WRONG)?,
        fates: fates.chars().map(fate).collect::<Result<_, _>>()?,
    })
}

/// A position, from the epoch and the offset that a script answers.
pub(super) fn decode_position(epoch: &[u8], offset: &[u8]) -> Result<Position, Unreadable> {
    const WRONG: Unreadable = Unreadable("a position");
    let number = |text| std::str::from_utf8(text).ok()?.parse::<u64>().ok();
    let epoch = number(epoch).and_then(|number| Epoch::new(number).ok()).ok_or(WRONG)?;
    let offset = number(offset).and_then(|number| Offset::new(number).ok()).ok_or(WRONG)?;
    Ok(Position { epoch, offset })
}

/// A value that is there at `now_ms`; none of one that ended, and of a removal. `head` is the position that was read with
/// it: after a loss of the position alone, a version may be ahead of it, and would be of no epoch that there is.
pub(super) fn decode_value(bytes: &[u8], head: Offset, now_ms: i64) -> Result<Option<Stored>, Unreadable> {
    let mut bytes = Bytes(bytes);
    if bytes.0.len() == HEADER {
        return Ok(None);
    }
    let (version, observed, till) = (bytes.number()?, bytes.number()?, bytes.number()?);
    let (tags, payload) = bytes.body()?;
    let expires_at = (till != NEVER).then(|| i64::try_from(till).unwrap_or(i64::MAX));
    if expires_at.is_some_and(|end| end <= now_ms) {
        return Ok(None);
    }
    let version = Offset::new(version).map_err(|_| Unreadable("a version"))?.min(head);
    Ok(Some(Stored { version, source_ts: (observed ^ SIGN) as i64, expires_at, tags, payload }))
}

/// A commit, from an entry of the log or its announcement.
pub(super) fn decode_entry(partition: Partition, bytes: &[u8]) -> Result<Commit, Unreadable> {
    const WRONG: Unreadable = Unreadable("an entry");
    let mut parts = bytes.splitn(3, |&byte| byte == b':');
    let (epoch, offset) = (parts.next().ok_or(WRONG)?, parts.next().ok_or(WRONG)?);
    decode_items(partition, decode_position(epoch, offset)?, parts.next().ok_or(WRONG)?)
}

fn decode_items(partition: Partition, position: Position, bytes: &[u8]) -> Result<Commit, Unreadable> {
    let (mut items, mut scopes, mut tags) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = Bytes(bytes);
    while let Some((&kind, rest)) = bytes.0.split_first() {
        bytes = Bytes(rest);
        if kind == b'p' {
            let purge: (Vec<Key>, Vec<Scope>, Vec<Tag>) =
                serde_json::from_slice(bytes.0).map_err(|_| Unreadable("a purge"))?;
            // A value that was written says more than that its key changed.
            let mut named: HashSet<Key> = items.iter().map(|item: &Item| item.key.clone()).collect();
            for key in purge.0 {
                if named.insert(key.clone()) {
                    items.push(Item { key, version: position.offset, body: Body::Changed });
                }
            }
            (scopes, tags) = (purge.1, purge.2);
            break;
        }
        let key = bytes.key()?;
        let body = match kind {
            b'v' => {
                let source_ts = (bytes.number()? ^ SIGN) as i64;
                let _till = bytes.number()?;
                let (tags, payload) = bytes.body()?;
                Body::Value { source_ts, tags, payload }
            }
            b'c' => Body::Changed,
            b'g' => Body::Gone,
            _ => return Err(Unreadable("the kind of an item")),
        };
        items.push(Item { key, version: position.offset, body });
    }
    Ok(Commit { partition, position, items, scopes, tags })
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Unreadable("too few bytes"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<usize, Unreadable> {
        Ok(usize::from(self.take(1)?[0]))
    }

    fn number(&mut self) -> Result<u64, Unreadable> {
        self.take(8)?.try_into().map(u64::from_be_bytes).map_err(|_| Unreadable("too few bytes"))
    }

    fn key(&mut self) -> Result<Key, Unreadable> {
        const WRONG: Unreadable = Unreadable("a key");
        let length = self.0.iter().position(|&byte| byte == b'\n').ok_or(WRONG)?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| WRONG)?;
        self.take(1)?;
        Key::parse(text).map_err(|_| WRONG)
    }

    fn body(&mut self) -> Result<(Vec<Tag>, Payload), Unreadable> {
        self.take(HASH)?;
        const WRONG: Unreadable = Unreadable("a tag");
        let mut tags = Vec::new();
        for _ in 0..self.byte()? {
            let length = self.byte()?;
            let text = std::str::from_utf8(self.take(length)?).map_err(|_| WRONG)?;
            tags.push(Tag::parse(text).map_err(|_| WRONG)?);
        }
        let length = self.take(4)?.try_into().map(u32::from_be_bytes).map_err(|_| Unreadable("too few bytes"))?;
        Ok((tags, Payload::new(self.take(length as usize)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_786_132_800_000;

    fn write(source_ts: i64, ttl_ms: Option<u64>, text: Option<&str>) -> Write {
        let tags = vec![Tag::parse("x").unwrap(), Tag::parse("injury-report").unwrap()];
        let payload = text.map(|text| Payload::new(text.as_bytes()));
        Write { key: Key::parse("s:a:1").unwrap(), source_ts, ttl_ms, tags, payload }
    }

    /// As the script stores it.
    fn stored(write: &Write, version: u64) -> Vec<u8> {
        let Encoded { stamp, body, .. } = encode_write(write, 64, NOW);
        [&version.to_be_bytes()[..], &stamp, &body].concat()
    }

    #[test]
    fn a_value_is_read_as_it_was_written() {
        let head = Offset::new(9).unwrap();
        for source_ts in [i64::MIN, -1, 0, 1, NOW, i64::MAX] {
            for ttl_ms in [None, Some(1), Some(u64::MAX)] {
                let write = write(source_ts, ttl_ms, Some("{\"a\":1}"));
                let value = decode_value(&stored(&write, 7), head, NOW).unwrap().unwrap();
                assert_eq!((value.version.get(), value.source_ts), (7, source_ts));
                assert_eq!((Some(&value.payload), &value.tags), (write.payload.as_ref(), &write.tags));
                assert_eq!(value.expires_at, ttl_ms.map(|ttl| NOW.saturating_add_unsigned(ttl)));
            }
        }
        let ended = stored(&write(1, Some(5), Some("1")), 7);
        assert!(decode_value(&ended, head, NOW + 4).unwrap().is_some());
        assert_eq!(decode_value(&ended, head, NOW + 5), Ok(None));
        assert_eq!(decode_value(&stored(&write(1, None, None), 7), head, NOW), Ok(None), "a removal");
        let ahead = decode_value(&stored(&write(1, None, Some("1")), 12), head, NOW).unwrap().unwrap();
        assert_eq!(ahead.version, head, "no version is ahead of the position it was read at");
    }

    #[test]
    fn times_are_compared_as_bytes() {
        let bytes = |source_ts| encode_write(&write(source_ts, None, None), 64, NOW).stamp;
        for pair in [i64::MIN, -(1 << 60), -1, 0, 1, (1 << 53) + 1, (1 << 53) + 2, i64::MAX].windows(2) {
            assert!(bytes(pair[0]) < bytes(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn an_entry_is_read_as_the_script_writes_it() {
        let position = Position { epoch: Epoch::new(3).unwrap(), offset: Offset::new(8).unwrap() };
        let Encoded { stamp, body, .. } = encode_write(&write(-4, None, Some("1")), 64, NOW);
        let parse = |name| Key::parse(name).unwrap();
        let purge = Purge {
            keys: vec![parse("s:a:1"), parse("s:a:9"), parse("s:a:9")],
            scopes: vec![Scope::parse("s:a:").unwrap()],
            tags: vec![Tag::parse("x").unwrap()],
        };
        let bytes = [b"3:8:vs:a:1\n", &stamp[..], &body, b"cs:a:2\ngs:a:3\n", &encode_purge(&purge)].concat();
        let Commit { position: read, items, scopes, tags, .. } = decode_entry(Partition(0), &bytes).unwrap();
        assert_eq!(read, position);
        let bodies: Vec<(&str, &Body)> = items.iter().map(|item| (item.key.as_str(), &item.body)).collect();
        assert_eq!(bodies.len(), 4, "{bodies:?}");
        assert!(matches!(bodies[0], ("s:a:1", Body::Value { source_ts: -4, .. })), "{bodies:?}");
        assert_eq!(bodies[1..], [("s:a:2", &Body::Changed), ("s:a:3", &Body::Gone), ("s:a:9", &Body::Changed)]);
        assert_eq!((scopes, tags), (purge.scopes, purge.tags));
        for end in 1..bytes.len() {
            // Cut anywhere, it is read as less or refused, and never panics.
            drop(decode_entry(Partition(0), &bytes[..end]));
        }
    }

    #[test]
    fn a_result_is_read_back() {
        let committed = decode_result(b"12:34:cus").unwrap();
        assert_eq!((committed.position.epoch.get(), committed.position.offset.get()), (12, 34));
        assert_eq!(committed.fates, [Fate::Changed, Fate::Unchanged, Fate::Stale]);
        for wrong in [&b"12:34"[..], b"", b"12:34:x", b"a:1:", b"\xff"] {
            assert!(decode_result(wrong).is_err());
        }
    }
}
