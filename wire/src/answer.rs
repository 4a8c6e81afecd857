//! Reads a `got` frame in pieces, as its bytes arrive: an answer of megabytes never lies in memory whole.
//!
//! What it gives is what [`Codec::decode_answer`](crate::Codec::decode_answer) gives of all the bytes at once.

use alloc::string::ToString;
use alloc::vec::Vec;

use serde::Serialize;

use crate::codec::{ANSWER_MAX, DecodeError};
use crate::frame::{Found, ServerFrame};

/// The longest one value's answer can be, in bytes: what never ends is not waited for.
const ITEM_MAX: usize = 8 * 1024 * 1024;

/// The reader of one answer.
#[derive(Debug, Default)]
pub struct AnswerReader {
    /// Bytes that are not a whole item yet.
    rest: Vec<u8>,
    /// Items still to come, once the frame's head was read.
    left: Option<u64>,
    taken: usize,
}

impl AnswerReader {
    /// Takes the next bytes, and gives the items that are whole now.
    ///
    /// # Errors
    /// [`DecodeError`], as for all of the bytes at once; the reader is of no use after it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Found>, DecodeError> {
        self.taken += bytes.len();
        if self.taken > ANSWER_MAX {
            return Err(DecodeError::TooLong { length: self.taken, max: ANSWER_MAX });
        }
        self.rest.extend_from_slice(bytes);
        let mut at = 0;
        let mut items = Vec::new();
        if self.left.is_none() {
            let Some((count, length)) = self.head()? else { return Ok(items) };
            (self.left, at) = (Some(count), length);
        }
        while let Some(left) = self.left.filter(|&left| left > 0) {
            match postcard::take_from_bytes::<Found>(&self.rest[at..]) {
                Ok((found, rest)) => {
                    at = self.rest.len() - rest.len();
                    self.left = Some(left - 1);
                    items.push(found);
                }
                Err(postcard::Error::DeserializeUnexpectedEnd) if self.rest.len() - at < ITEM_MAX => break,
                Err(error) => return Err(DecodeError::Malformed(error.to_string())),
            }
        }
        self.rest.drain(..at);
        if self.left == Some(0) && !self.rest.is_empty() {
            return Err(DecodeError::Trailing(self.rest.len()));
        }
        Ok(items)
    }

    /// How many items the frame has, and the bytes before the first; `None` while more bytes are needed.
    fn head(&self) -> Result<Option<(u64, usize)>, DecodeError> {
        // The number that every `got` frame begins with.
        let kind = first_byte(&ServerFrame::Got { id: 0, items: Vec::new() }).map(u32::from);
        match postcard::take_from_bytes::<(u32, u32, u64)>(&self.rest) {
            Ok(((number, _, count), rest)) if Some(number) == kind => Ok(Some((count, self.rest.len() - rest.len()))),
            Ok(_) => Err(DecodeError::Malformed("it is another frame".into())),
            Err(postcard::Error::DeserializeUnexpectedEnd) => Ok(None),
            Err(error) => Err(DecodeError::Malformed(error.to_string())),
        }
    }

    /// Whether the frame is complete.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] for one that is cut off.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.left {
            Some(0) => Ok(()),
            _ => Err(DecodeError::Malformed("it is cut off".into())),
        }
    }
}

fn first_byte(frame: &impl Serialize) -> Option<u8> {
    postcard::to_allocvec(frame).ok()?.first().copied()
}
