//! An edge server: it follows the store's announcements and keeps the last commits.

use wire::{Cursor, Epoch, Mode, Offset, Position, Span, Verdict};

use crate::rule::Rule;
use crate::truth::{LineageNumber, Write, epoch, offset};

/// A commit as an edge keeps it: its offset and what it wrote.
pub type Kept = (Offset, Write);

/// One edge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edge {
    /// How far it has followed.
    pub cursor: Cursor,
    /// The lineage that this really is.
    pub lineage: LineageNumber,
    /// The offset of the next announcement on its way from today's store.
    pub next: u64,
    /// The last commits, oldest first.
    pub ring: Vec<Kept>,
}

/// What an announcement does to the followers of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing: it was known.
    Known,
    /// They are told.
    Publish,
    /// They begin anew.
    Reset(Verdict),
}

impl Edge {
    /// An edge that has just begun with its store.
    pub fn new() -> Edge {
        let cursor = Cursor::at(Position { epoch: epoch(1), offset: Offset::ZERO });
        Edge { cursor, lineage: 0, next: 1, ring: Vec::new() }
    }

    /// Takes an announcement, as `Hub::publish` does.
    pub fn hear(
        &mut self,
        at: Position,
        write: Write,
        lineage: LineageNumber,
        ring: usize,
        without: Option<Rule>,
    ) -> Heard {
        let before = offset(at.offset.get() - 1);
        let Ok(span) = Span::new(before, at.offset) else { return Heard::Known };
        let own = self.cursor.position().epoch;
        let epoch = if without == Some(Rule::EdgeEpoch) { own } else { at.epoch };
        match self.cursor.check(epoch, span) {
            Verdict::Duplicate => Heard::Known,
            Verdict::Gap if without == Some(Rule::EdgeGap) => self.take(at.offset, write, lineage, ring),
            verdict @ (Verdict::Gap | Verdict::NewEpoch) => {
                self.cursor = Cursor::at(at);
                self.lineage = lineage;
                self.ring.clear();
                Heard::Reset(verdict)
            }
            Verdict::Apply => self.take(at.offset, write, lineage, ring),
        }
    }

    fn take(&mut self, at: Offset, write: Write, lineage: LineageNumber, ring: usize) -> Heard {
        self.cursor.advance(at);
        self.lineage = lineage;
        self.ring.push((at, write));
        if self.ring.len() > ring {
            self.ring.remove(0);
        }
        Heard::Publish
    }

    /// Answers a request to follow, as `Hub::subscribe` does: where the stream starts, how, and what was missed.
    pub fn begin(&self, since: Option<Position>, without: Option<Rule>) -> (Position, Mode, Vec<Kept>) {
        let head = self.cursor.position();
        let Some(since) = since else { return (head, Mode::Fresh, Vec::new()) };
        let after = self.ring.first().map_or(head.offset, |(first, _)| offset(first.get() - 1));
        // Blind to what the rule would see.
        let asked = match without {
            Some(Rule::ResumeEpoch) => Position { epoch: head.epoch, ..since },
            _ => since,
        };
        let after = if without == Some(Rule::ResumeRing) { Offset::ZERO } else { after };
        if !asked.can_resume(after, head) {
            return (head, Mode::Reset, Vec::new());
        }
        let missed = self.ring.iter().filter(|(at, _)| *at > since.offset).copied().collect();
        (since, Mode::Replayed, missed)
    }

    /// The epoch of what it tells.
    pub fn epoch(&self) -> Epoch {
        self.cursor.position().epoch
    }
}

impl Default for Edge {
    fn default() -> Edge {
        Edge::new()
    }
}
