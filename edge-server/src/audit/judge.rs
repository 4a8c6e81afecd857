//! The rule: what a read says of what was announced.

use wire::{Offset, Position};

use super::{Announced, Expected};

/// What a read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A value.
    Value {
        /// The position that it was read at.
        as_of: Position,
        /// The commit that wrote it.
        version: Offset,
        /// Its bytes' hash.
        hash: u64,
    },
    /// No value, as of this position.
    Nothing {
        /// See there.
        as_of: Position,
    },
    /// No answer that says anything of the key: too early, refused, unreachable.
    Failed(String),
}

impl Answer {
    /// The position that it was read at.
    pub fn as_of(&self) -> Option<Position> {
        match self {
            Answer::Value { as_of, .. } | Answer::Nothing { as_of } => Some(*as_of),
            Answer::Failed(_) => None,
        }
    }
}

/// What becomes of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// The read is what was announced.
    Consistent,
    /// It is not older, and the sampled change has been overtaken.
    Superseded,
    /// It cannot be said: another epoch, no answer, an announcement that names no value.
    Unknown,
    /// No value, where one was announced. It may have ended.
    Missing,
    /// The read is older than what was announced, and why.
    Violation(&'static str),
}

/// Judges the answer to a read of a key: `expected` is the newest announcement at the time of asking, `sampled` the change
/// that the check is about.
pub fn judge(expected: &Expected, sampled: Offset, answer: &Answer) -> Judged {
    let Some(as_of) = answer.as_of() else { return Judged::Unknown };
    if as_of.epoch != expected.floor.epoch {
        return Judged::Unknown;
    }
    if !as_of.reaches(expected.floor) {
        return Judged::Violation("the answer was read before the position that it was asked for");
    }
    let as_announced = if expected.version == sampled { Judged::Consistent } else { Judged::Superseded };
    let Answer::Value { version, hash, .. } = *answer else {
        return match expected.what {
            Announced::Gone => as_announced,
            Announced::Value(_) => Judged::Missing,
            // An invalidation of a key that has no value says as much.
            Announced::Changed => Judged::Unknown,
        };
    };
    if version > expected.version {
        return Judged::Superseded;
    }
    match expected.what {
        Announced::Gone => Judged::Violation("a value that is gone was read"),
        Announced::Value(_) if version < expected.version => Judged::Violation("an older value was read"),
        Announced::Value(announced) if announced != hash => {
            Judged::Violation("the value of this version is not the one that was announced")
        }
        Announced::Value(_) => as_announced,
        Announced::Changed if version == expected.version => as_announced,
        // A value that only was invalidated keeps its version; one that was written does not. Nobody said which.
        Announced::Changed => Judged::Unknown,
    }
}
