//! Positions in a stream of commits, and the one rule that says what a frame's range does to a cursor.
//!
//! Offsets and epochs stay below 2^53, because Lua and JavaScript numbers are doubles. Offset 0 means "before the
//! first commit"; an epoch is never 0.

use alloc::string::String;
use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The first number that a double cannot tell from its neighbour's sum: offsets and epochs stay below it.
pub const NUMBER_END: u64 = 1 << 53;

/// Why a text or number is not a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// The number is not below 2^53.
    #[error("{0} is not below 2^53")]
    TooLarge(u64),
    /// An epoch of 0 names no lineage.
    #[error("an epoch is never 0")]
    EmptyEpoch,
    /// A range that ends before it begins.
    #[error("the range ({from}, {to}] ends before it begins")]
    Backwards {
        /// Its open end.
        from: u64,
        /// Its closed end.
        to: u64,
    },
    /// Not of the form `epoch:offset`.
    #[error("`{0}` is not a position; write `epoch:offset`, two decimal numbers")]
    Form(String),
}

/// The number of a commit in its partition; as a key's *version*, the commit that last wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(u64);

impl Offset {
    /// Before the first commit.
    pub const ZERO: Offset = Offset(0);

    /// An offset from its number.
    ///
    /// # Errors
    /// [`PositionError::TooLarge`] from 2^53 on.
    pub fn new(number: u64) -> Result<Offset, PositionError> {
        if number < NUMBER_END { Ok(Offset(number)) } else { Err(PositionError::TooLarge(number)) }
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The next commit's offset, or `None` at the end of the number space (the store then begins a new epoch).
    pub fn next(self) -> Option<Offset> {
        Offset::new(self.0 + 1).ok()
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The lineage of a partition's offsets. Offsets of different epochs are never compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(NonZeroU64);

impl Epoch {
    /// An epoch from a random number.
    ///
    /// # Errors
    /// 0 and numbers from 2^53 on are refused.
    pub fn new(number: u64) -> Result<Epoch, PositionError> {
        let epoch = NonZeroU64::new(number).ok_or(PositionError::EmptyEpoch)?;
        if number < NUMBER_END { Ok(Epoch(epoch)) } else { Err(PositionError::TooLarge(number)) }
    }

    /// An epoch from 64 random bits: the low 53, or 1 where they are all 0.
    pub fn from_random(bits: u64) -> Epoch {
        Epoch(NonZeroU64::new(bits % NUMBER_END).unwrap_or(NonZeroU64::MIN))
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! checked_number {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u64(self.get())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $name::new(u64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

checked_number!(Offset);
checked_number!(Epoch);

/// A place in a partition's history: everything up to and with `offset`, in this epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The lineage.
    pub epoch: Epoch,
    /// The newest commit included.
    pub offset: Offset,
}

impl Position {
    /// Whether everything up to `other` is included: the same lineage, and as far or farther.
    pub fn reaches(self, other: Position) -> bool {
        self.epoch == other.epoch && self.offset >= other.offset
    }

    /// The resume rule: whether a log that stands at `head` and keeps what came after `after` can be continued from
    /// here. Before it commits are missing; ahead of the head, and in another epoch, nothing compares.
    pub fn can_resume(self, after: Offset, head: Position) -> bool {
        self.offset >= after && head.reaches(self)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Position, PositionError> {
        let form = || PositionError::Form(text.chars().take(40).collect());
        let number = |part: &str| match part.bytes().all(|b| b.is_ascii_digit()) {
            true => part.parse::<u64>().map_err(|_| form()),
            false => Err(form()),
        };
        let (epoch, offset) = text.split_once(':').ok_or_else(form)?;
        Ok(Position { epoch: Epoch::new(number(epoch)?)?, offset: Offset::new(number(offset)?)? })
    }
}

/// The commits `(from, to]`: after `from`, up to and with `to`. `from == to` holds no commit and moves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Span {
    from: Offset,
    to: Offset,
}

impl Span {
    /// The commits after `from`, up to and with `to`.
    ///
    /// # Errors
    /// [`PositionError::Backwards`] where `to < from`.
    pub fn new(from: Offset, to: Offset) -> Result<Span, PositionError> {
        if from <= to {
            Ok(Span { from, to })
        } else {
            Err(PositionError::Backwards { from: from.get(), to: to.get() })
        }
    }

    /// The last commit before the range.
    pub fn from(self) -> Offset {
        self.from
    }

    /// The last commit of the range.
    pub fn to(self) -> Offset {
        self.to
    }

    /// The range from the earlier begin to the later end.
    pub fn union(self, other: Span) -> Span {
        Span { from: self.from.min(other.from), to: self.to.max(other.to) }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Span")]
        struct Parts {
            from: Offset,
            to: Offset,
        }
        let Parts { from, to } = Parts::deserialize(deserializer)?;
        Span::new(from, to).map_err(serde::de::Error::custom)
    }
}

/// What a range does to a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Continuous with what was processed: apply it all, then move the cursor. Overlap does no harm.
    Apply,
    /// All of it was processed before: ignore it.
    Duplicate,
    /// Commits between are missing: stop vouching and subscribe again from the cursor.
    Gap,
    /// Another lineage: nothing of the old one may be compared with it; reset.
    NewEpoch,
}

/// How far a follower has processed a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor(Position);

impl Cursor {
    /// A cursor that has processed everything up to `position`.
    pub fn at(position: Position) -> Cursor {
        Cursor(position)
    }

    /// What has been processed.
    pub fn position(self) -> Position {
        self.0
    }

    /// THE rule (R1): what the range does to this cursor. It does not move it.
    pub fn check(self, epoch: Epoch, span: Span) -> Verdict {
        if epoch != self.0.epoch {
            Verdict::NewEpoch
        } else if span.to <= self.0.offset {
            Verdict::Duplicate
        } else if span.from > self.0.offset {
            Verdict::Gap
        } else {
            Verdict::Apply
        }
    }

    /// Moves the cursor to the end of a range that was applied whole. It never moves backwards.
    pub fn advance(&mut self, to: Offset) {
        self.0.offset = self.0.offset.max(to);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(epoch: u64, offset: u64) -> Position {
        Position { epoch: Epoch::new(epoch).unwrap(), offset: Offset::new(offset).unwrap() }
    }

    fn span(from: u64, to: u64) -> Span {
        Span::new(Offset::new(from).unwrap(), Offset::new(to).unwrap()).unwrap()
    }

    #[test]
    fn the_rule_says_apply_duplicate_gap_or_new_epoch() {
        let cursor = Cursor::at(position(7, 10));
        let check = |epoch, from, to, expected| {
            assert_eq!(cursor.check(Epoch::new(epoch).unwrap(), span(from, to)), expected, "({from}, {to}]");
        };
        check(7, 10, 11, Verdict::Apply);
        check(7, 4, 11, Verdict::Apply);
        check(7, 10, 10, Verdict::Duplicate);
        check(7, 3, 10, Verdict::Duplicate);
        check(7, 11, 12, Verdict::Gap);
        check(8, 10, 11, Verdict::NewEpoch);
        check(8, 3, 4, Verdict::NewEpoch);
    }

    #[test]
    fn a_stream_goes_on_from_one_before_the_oldest_commit_kept_up_to_the_head() {
        let check = |since: &str, expected| {
            let after = Offset::new(4).unwrap();
            assert_eq!(since.parse::<Position>().unwrap().can_resume(after, position(7, 10)), expected, "{since}");
        };
        for (since, expected) in [("7:3", false), ("7:4", true), ("7:10", true), ("7:11", false), ("8:7", false)] {
            check(since, expected);
        }
    }

    #[test]
    fn numbers_stop_below_two_to_the_53() {
        assert!(Offset::new(NUMBER_END - 1).is_ok());
        assert_eq!(Offset::new(NUMBER_END), Err(PositionError::TooLarge(NUMBER_END)));
        assert_eq!(Offset::new(NUMBER_END - 1).unwrap().next(), None);
        assert_eq!(Epoch::new(0), Err(PositionError::EmptyEpoch));
        assert_eq!(Epoch::new(NUMBER_END), Err(PositionError::TooLarge(NUMBER_END)));
        assert_eq!(Epoch::from_random(0).get(), 1);
        assert_eq!(Epoch::from_random(u64::MAX).get(), NUMBER_END - 1);
    }

    #[test]
    fn positions_are_read_as_two_decimals() {
        assert_eq!("7:10".parse(), Ok(position(7, 10)));
        for wrong in ["", ":", "7", "7:", ":1", "+7:1", "7:1:1", " 7:1", "7:-1", "0:1", "99999999999999999999:1"] {
            assert!(wrong.parse::<Position>().is_err(), "{wrong:?}");
        }
        assert_eq!(format!("1:{NUMBER_END}").parse::<Position>(), Err(PositionError::TooLarge(NUMBER_END)));
    }

    proptest! {
        #[test]
        fn a_position_reads_back_as_it_was_written(epoch in 1..NUMBER_END, offset in 0..NUMBER_END) {
            let position = position(epoch, offset);
            prop_assert_eq!(position.to_string().parse(), Ok(position));
        }

        /// Whatever order ranges arrive in, applying by the rule never skips a commit.
        #[test]
        fn a_cursor_that_obeys_the_rule_misses_no_commit(ranges in prop::collection::vec((0u64..40, 0u64..8), 0..60)) {
            let mut cursor = Cursor::at(position(1, 0));
            let mut seen = [false; 64];
            seen[0] = true;
            for (from, length) in ranges {
                let range = span(from, from + length);
                if cursor.check(Epoch::new(1).unwrap(), range) == Verdict::Apply {
                    seen[from as usize + 1..=(from + length) as usize].fill(true);
                    cursor.advance(range.to());
                }
                let offset = cursor.position().offset.get() as usize;
                prop_assert!(seen[..=offset].iter().all(|&s| s));
            }
        }
    }
}
