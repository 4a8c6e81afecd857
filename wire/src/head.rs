//! Frames as a relay reads them: a client's whole, of a server's all but the values. Why one cannot be read is nobody's
//! to see there, and the texts of that are left out.
//!
//! A relay passes change frames on under another number. It reads where they belong and leaves the rest as it is, so
//! that its work does not grow with the values. Postcard alone is read so: there a frame is its fields in order.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::codec::{CLIENT_FRAME_MAX, SERVER_FRAME_MAX};
use crate::frame::{ClientFrame, Limits, Mode, SubId, SubRef};
use crate::position::{Epoch, Offset, Span};

/// A [`ServerFrame`](crate::ServerFrame) without items. The order of variants and fields is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each field is described where the frame is")]
pub enum ServerHead {
    Welcome {
        session: u64,
        hb_ms: u32,
        lease_ms: u32,
        limits: Limits,
    },
    SubOk {
        id: SubId,
        sid: SubRef,
        epoch: Epoch,
        offset: Offset,
        mode: Mode,
    },
    /// The items, scopes and tags are in what is left over.
    Change {
        sid: SubRef,
        span: Span,
    },
    /// The items are in what is left over.
    Got {
        id: u32,
    },
    Reset {
        sid: SubRef,
        epoch: Epoch,
        offset: Offset,
        why: String,
    },
    Hb {
        echo: Option<u64>,
        subs: Vec<(SubRef, Span)>,
    },
    Bye {
        code: u16,
        after_ms: u32,
        jitter_ms: u32,
    },
}

impl ServerHead {
    /// Reads a frame's beginning, and gives what is left over. `None` for what is no frame; whether items are any is
    /// not looked at.
    pub fn read(bytes: &[u8]) -> Option<(ServerHead, &[u8])> {
        if bytes.len() > SERVER_FRAME_MAX {
            return None;
        }
        let (head, rest) = postcard::take_from_bytes(bytes).ok()?;
        let has_more = matches!(head, ServerHead::Change { .. } | ServerHead::Got { .. });
        (has_more || rest.is_empty()).then_some((head, rest))
    }

    /// The frame that begins so and goes on with `rest`.
    pub fn write(&self, rest: &[u8]) -> Vec<u8> {
        // Postcard writes any head into memory.
        let mut bytes = postcard::to_allocvec(self).unwrap_or_default();
        bytes.extend_from_slice(rest);
        bytes
    }
}

/// Reads a client's frame; `None` for what is none.
pub fn read_client(bytes: &[u8]) -> Option<ClientFrame> {
    match postcard::take_from_bytes(bytes) {
        Ok((frame, [])) if bytes.len() <= CLIENT_FRAME_MAX => Some(frame),
        _ => None,
    }
}

/// Writes a client's frame.
pub fn write_client(frame: &ClientFrame) -> Vec<u8> {
    // Postcard writes any frame into memory.
    postcard::to_allocvec(frame).unwrap_or_default()
}
