//! The coherence protocol: names, positions, the cursor rule, frames and their codecs.
//!
//! Both sides of the wire use this crate, so each rule is written once. It performs no IO and reads no clock; the
//! normative text is `README.md` beside it.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod answer;
pub mod close;
pub mod codec;
pub mod frame;
pub mod head;
pub mod key;
pub mod position;

pub use answer::AnswerReader;
pub use close::CloseCode;
pub use codec::{Codec, DecodeError};
pub use frame::{Body, Change, ClientFrame, Found, Item, Limits, Mode, Payload, ServerFrame, SubId, SubRef};
pub use head::ServerHead;
pub use key::{Key, NameError, Scope, Tag};
pub use position::{Cursor, Epoch, Offset, Position, PositionError, Span, Verdict};
