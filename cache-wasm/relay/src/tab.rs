//! One tab's connection: what it has been told and not acknowledged, and which of its stamps the server may vouch from.

use alloc::collections::VecDeque;

use crate::TabId;

/// Bytes that may wait for a tab. One that takes no more, because it is frozen or slow, is ended at the next frame: it
/// comes back and goes on from its cursor (P6).
pub const UNACKNOWLEDGED_MAX: usize = 1024 * 1024;
/// What a message costs beside its bytes.
const MESSAGE_BYTES: usize = 64;
/// How long a tab may be silent, in heartbeats and in milliseconds, the longer of the two, as a server has it.
pub const SILENT_HEARTBEATS: f64 = 4.0;
/// See [`SILENT_HEARTBEATS`].
pub const SILENT_MS: f64 = 10_000.0;
/// Stamps of a tab that wait for the server's word. Of more, the oldest are of no use.
const STAMPS_MAX: usize = 16;

/// A tab's connection.
#[derive(Debug)]
pub(crate) struct Tab {
    pub(crate) id: TabId,
    /// Whether it said hello.
    pub(crate) is_greeted: bool,
    /// Heartbeats since it was last heard. Several may come at once.
    pub(crate) unanswered: u32,
    /// When it was last heard.
    pub(crate) heard: f64,
    /// It was silent for too long.
    pub(crate) is_silent: bool,
    unacknowledged: usize,
    /// More waited for it than may: what came after that was not sent.
    is_full: bool,
    /// Stamps by the number of the last stamp that had gone to the server when each came.
    stamps: VecDeque<(u64, u64)>,
    /// The newest stamp that the server has vouched from.
    echo: Option<u64>,
}

impl Tab {
    pub(crate) fn new(id: TabId, now: f64) -> Tab {
        Tab {
            id,
            is_greeted: false,
            unanswered: 0,
            heard: now,
            is_silent: false,
            unacknowledged: 0,
            is_full: false,
            stamps: VecDeque::new(),
            echo: None,
        }
    }

    /// A stamp came, when `sent` was the last one that had gone to the server: that one cannot vouch for it, because the
    /// server may have read its heads before the tab read its clock. The next one can.
    pub(crate) fn stamped(&mut self, stamp: u64, sent: u64) {
        match self.stamps.back_mut() {
            Some((at, newest)) if *at == sent => *newest = stamp.max(*newest),
            _ => self.stamps.push_back((sent, stamp)),
        }
        if self.stamps.len() > STAMPS_MAX {
            self.stamps.pop_front();
        }
    }

    /// The server echoed a stamp of the relay's: the newest of the tab's own that came before that one was sent.
    pub(crate) fn echo(&mut self, echoed: u64) -> Option<u64> {
        while let Some(&(_, stamp)) = self.stamps.front().filter(|&&(sent, _)| sent < echoed) {
            self.echo = self.echo.max(Some(stamp));
            self.stamps.pop_front();
        }
        self.echo
    }

    /// Whether a message may be sent to it still; then it counts as waiting.
    pub(crate) fn takes(&mut self, bytes: usize) -> bool {
        self.is_full |= self.unacknowledged > UNACKNOWLEDGED_MAX;
        self.unacknowledged += bytes + MESSAGE_BYTES;
        !self.is_full
    }

    /// Whether its connection is to end.
    pub(crate) fn is_slow(&self) -> bool {
        self.is_full || self.is_silent
    }

    /// It has processed so many messages, of so many bytes together.
    pub(crate) fn acknowledged(&mut self, messages: usize, bytes: usize) {
        self.unacknowledged = self.unacknowledged.saturating_sub(messages * MESSAGE_BYTES + bytes);
    }
}
