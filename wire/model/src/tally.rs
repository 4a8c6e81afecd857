//! What happened at least once, so that nobody takes a world in which nothing goes wrong for a proof.

use std::sync::atomic::{AtomicU64, Ordering};

/// Something worth having happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A fill's answer was kept.
    FillKept,
    /// One that had not reached its floor was refused.
    FillLate,
    /// One of another epoch was refused.
    FillForeign,
    /// One was read ahead of the stream.
    FillAhead,
    /// A value came with the stream.
    Pushed,
    /// A range was ignored.
    Ignored,
    /// A range came after a hole.
    Holed,
    /// A heartbeat gave a hole away.
    BeatHoled,
    /// A stream went on where it was.
    Resumed,
    /// It did, and commits had been missed.
    Replayed,
    /// A stream could not go on.
    Reset,
    /// An edge was behind the cursor.
    Behind,
    /// An edge missed an announcement.
    EdgeHoled,
    /// An edge learned of another lineage.
    EdgeMoved,
    /// What an ended connection carried came late.
    Late,
    /// A frame of the flow before an answer was ignored.
    BeforeAnswer,
    /// A purge came in place of its keys.
    Purged,
    /// A failover lost commits, and their offsets were used again.
    UsedTwice,
}

impl Event {
    /// Every event, as its property names it.
    pub const ALL: [(Event, &'static str); 18] = [
        (Event::FillKept, "an answer is kept"),
        (Event::FillLate, "an answer that is too old is refused"),
        (Event::FillForeign, "an answer of another epoch is refused"),
        (Event::FillAhead, "an answer is kept that is ahead of the stream"),
        (Event::Pushed, "a pushed value is stored"),
        (Event::Ignored, "a range that was processed is ignored"),
        (Event::Holed, "a range comes after a hole"),
        (Event::BeatHoled, "a heartbeat gives a hole away"),
        (Event::Resumed, "a stream goes on after a reconnect"),
        (Event::Replayed, "missed commits are replayed"),
        (Event::Reset, "a stream is reset"),
        (Event::Behind, "an edge is behind the cursor it is asked to go on from"),
        (Event::EdgeHoled, "an edge misses an announcement and resets"),
        (Event::EdgeMoved, "an edge learns of another lineage and resets"),
        (Event::Late, "a frame of an ended connection arrives and is ignored"),
        (Event::BeforeAnswer, "a frame of an earlier flow is ignored"),
        (Event::Purged, "a purge comes in place of its keys"),
        (Event::UsedTwice, "a failover loses a commit and its offset is used again"),
    ];
}

impl Event {
    /// What it is.
    pub const fn sentence(self) -> &'static str {
        Event::ALL[self as usize].1
    }
}

/// How often each happened, over all transitions that were explored.
#[derive(Debug, Default)]
pub struct Tally([AtomicU64; Event::ALL.len()]);

impl Tally {
    /// It happened.
    pub fn note(&self, event: Event) {
        self.0[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often it did.
    pub fn count(&self, event: Event) -> u64 {
        self.0[event as usize].load(Ordering::Relaxed)
    }
}
