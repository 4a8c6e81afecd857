//! One followed scope: how far it has come, and what a frame does to that.
//!
//! ```text
//!             ask                   sub_ok fresh | reset | replayed
//!   Waiting ──────▶ Asked{id} ─────────────────────────────────▶ Following{sid}
//!      ▲              ▲                 gap, wrong offset              │
//!      │              └──────────────────────────────────────────────┘
//!      └──────────────── connection lost (the cursor stays) ──────────┘
//! ```
//!
//! A replica holds no values: it says what to apply, and the follower applies it.

use wire::{Cursor, Epoch, Mode, Offset, Position, Scope, Span, SubId, SubRef, Verdict};

/// Where the conversation about a scope stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// No connection, or not asked yet.
    Waiting,
    /// Asked.
    Asked {
        /// The request's number: the generation. Answers to an earlier one are ignored.
        id: SubId,
    },
    /// The server follows up.
    Following {
        /// The request that it answers.
        id: SubId,
        /// The number frames carry.
        sid: SubRef,
    },
}

impl Phase {
    /// The request that the server knows the subscription by, answered or not.
    pub fn request(self) -> Option<SubId> {
        match self {
            Phase::Waiting => None,
            Phase::Asked { id } | Phase::Following { id, .. } => Some(id),
        }
    }
}

/// What the answer to a subscription obliges to. None of them vouches: the heartbeat behind it does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Begun {
    /// An answer of an earlier flow: nothing.
    Ignored,
    /// Void what is kept under the scope and adopt this position.
    Adopt(Position),
    /// The stream goes on after the cursor; the replay follows.
    Continue,
    /// The answer contradicts the cursor: ask again from nothing.
    Contradiction,
}

/// One followed scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replica {
    /// What is followed.
    pub scope: Scope,
    /// How many parts of the application follow it.
    pub followers: u32,
    /// Where pushed values of new keys go.
    pub category: Option<u16>,
    /// The conversation.
    pub phase: Phase,
    /// Whether its position is an earlier visit's, and nothing was answered since: a replay then vouches for what that
    /// visit left. No later one does, because nobody told what changed before the stream began.
    pub takes_up: bool,
    cursor: Option<Cursor>,
}

impl Replica {
    /// A replica that has come nowhere yet.
    pub fn new(scope: Scope, category: Option<u16>) -> Replica {
        Replica { scope, followers: 1, category, phase: Phase::Waiting, takes_up: false, cursor: None }
    }

    /// What has been processed; kept across connections (R7).
    pub fn position(&self) -> Option<Position> {
        self.cursor.map(Cursor::position)
    }

    /// Forgets the position: the next subscription begins anew.
    pub fn forget(&mut self) {
        self.cursor = None;
    }

    /// Takes the answer to a subscription.
    pub fn begun(&mut self, id: SubId, sid: SubRef, position: Position, mode: Mode) -> Begun {
        let Phase::Asked { id: asked } = self.phase else { return Begun::Ignored };
        if asked != id {
            return Begun::Ignored;
        }
        match mode {
            Mode::Fresh | Mode::Reset => {
                self.phase = Phase::Following { id, sid };
                self.adopt(position);
                Begun::Adopt(position)
            }
            Mode::Replayed if self.position() == Some(position) => {
                self.phase = Phase::Following { id, sid };
                Begun::Continue
            }
            Mode::Replayed => Begun::Contradiction,
        }
    }

    /// Whether frames with this number are of this flow.
    pub fn is_following(&self, sid: SubRef) -> bool {
        matches!(self.phase, Phase::Following { sid: own, .. } if own == sid)
    }

    /// R1 for a frame of this flow.
    pub fn check(&self, span: Span) -> Verdict {
        self.cursor.map_or(Verdict::Gap, |cursor| cursor.check(cursor.position().epoch, span))
    }

    /// Moves past a range that was applied whole (R2).
    pub fn advance(&mut self, to: Offset) {
        if let Some(cursor) = &mut self.cursor {
            cursor.advance(to);
        }
    }

    /// Takes a new position, of any lineage (R5). One behind the cursor, in its own lineage, is that of an edge that
    /// lags: the cursor stays, because what it was told of still binds fills, and the edge's ranges pass it as duplicates
    /// until they have come as far.
    pub fn adopt(&mut self, position: Position) {
        let ahead = self.position().filter(|own| own.reaches(position));
        self.cursor = Some(Cursor::at(ahead.unwrap_or(position)));
    }

    /// The epoch of its frames.
    pub fn epoch(&self) -> Option<Epoch> {
        self.position().map(|position| position.epoch)
    }
}
