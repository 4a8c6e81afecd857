//! Frames as bytes: postcard (the default; small in the browser) and JSON (other clients, debugging).
//!
//! Decoding never panics and never allocates more than a small multiple of the input, whose length is checked first.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::frame::{ClientFrame, ServerFrame};

/// The longest client frame, in bytes.
pub const CLIENT_FRAME_MAX: usize = 64 * 1024;
/// The longest server frame, in bytes.
pub const SERVER_FRAME_MAX: usize = 4 * 1024 * 1024;
/// The longest HTTP answer of many values, in bytes. It is a `got` frame, and has a scope's values in it.
pub const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// The form of a session's frames, chosen by WebSocket subprotocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// `coherence.v1+postcard`, binary messages.
    Postcard,
    /// `coherence.v1+json`, text messages; needs the feature `json`.
    Json,
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than the limit.
    #[error("the frame has {length} bytes; at most {max} are allowed")]
    TooLong {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Bytes are left over after the frame.
    #[error("{0} bytes follow the frame; a message holds exactly one")]
    Trailing(usize),
    /// Not a frame of this codec.
    #[error("not a frame: {0}")]
    Malformed(String),
    /// This build does not speak the codec.
    #[error("this build does not speak JSON")]
    Unsupported,
}

/// Why a frame cannot be written: a payload that is not JSON text under the JSON codec, or a codec left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot write the frame: {0}")]
pub struct EncodeError(String);

impl Codec {
    /// Both, in the order a server prefers them.
    pub const ALL: [Codec; 2] = [Codec::Postcard, Codec::Json];

    /// The WebSocket subprotocol.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Codec::Postcard => "coherence.v1+postcard",
            Codec::Json => "coherence.v1+json",
        }
    }

    /// The codec of a subprotocol's name.
    pub fn from_subprotocol(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|c| c.subprotocol() == name)
    }

    /// Writes a client frame.
    ///
    /// # Errors
    /// [`EncodeError`], see there.
    pub fn encode_client(self, frame: &ClientFrame) -> Result<Vec<u8>, EncodeError> {
        self.encode(frame)
    }

    /// Writes a server frame.
    ///
    /// # Errors
    /// [`EncodeError`], see there.
    pub fn encode_server(self, frame: &ServerFrame) -> Result<Vec<u8>, EncodeError> {
        self.encode(frame)
    }

    /// Reads a client frame of at most [`CLIENT_FRAME_MAX`] bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong; the session is then closed with 4009.
    pub fn decode_client(self, bytes: &[u8]) -> Result<ClientFrame, DecodeError> {
        self.decode(bytes, CLIENT_FRAME_MAX)
    }

    /// Reads a server frame of at most [`SERVER_FRAME_MAX`] bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong; the client then gives the session up and resumes.
    pub fn decode_server(self, bytes: &[u8]) -> Result<ServerFrame, DecodeError> {
        self.decode(bytes, SERVER_FRAME_MAX)
    }

    /// Reads a `got` frame that is the body of an HTTP answer: of at most [`ANSWER_MAX`] bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong.
    pub fn decode_answer(self, bytes: &[u8]) -> Result<ServerFrame, DecodeError> {
        self.decode(bytes, ANSWER_MAX)
    }

    fn encode<T: Serialize>(self, frame: &T) -> Result<Vec<u8>, EncodeError> {
        match self {
            Codec::Postcard => postcard::to_allocvec(frame).map_err(|e| EncodeError(e.to_string())),
            #[cfg(feature = "json")]
            Codec::Json => serde_json::to_vec(frame).map_err(|e| EncodeError(e.to_string())),
            #[cfg(not(feature = "json"))]
            Codec::Json => Err(EncodeError(DecodeError::Unsupported.to_string())),
        }
    }

    fn decode<T: DeserializeOwned>(self, bytes: &[u8], max: usize) -> Result<T, DecodeError> {
        if bytes.len() > max {
            return Err(DecodeError::TooLong { length: bytes.len(), max });
        }
        match self {
            Codec::Postcard => match postcard::take_from_bytes(bytes) {
                Ok((frame, [])) => Ok(frame),
                Ok((_, rest)) => Err(DecodeError::Trailing(rest.len())),
                Err(error) => Err(DecodeError::Malformed(error.to_string())),
            },
            #[cfg(feature = "json")]
            Codec::Json => serde_json::from_slice(bytes).map_err(|e| DecodeError::Malformed(e.to_string())),
            #[cfg(not(feature = "json"))]
            Codec::Json => Err(DecodeError::Unsupported),
        }
    }
}
