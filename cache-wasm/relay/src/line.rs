//! One scope: the server's flow of it, and the tabs that follow.
//!
//! The cursor is where the flow has come to; whoever follows has been told everything up to there. A frame carries no
//! epoch, so that every answer of the server's is taken in order, that to a request which another one has overtaken too.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use wire::{Cursor, Mode, Offset, Position, Scope, Span, SubId, SubRef, Verdict};

use crate::TabId;

/// A request to the server that is not answered yet.
#[derive(Debug, Clone, Copy)]
struct Ask {
    id: SubId,
    since: Option<Position>,
    /// It asks to go on from the cursor. That another position cannot be continued concerns those alone who stand there.
    is_own: bool,
}

/// The frames that the server sends now.
#[derive(Debug, Clone, Copy)]
struct Flow {
    /// The number they carry.
    sid: SubRef,
    /// How far they have told since the flow began. After a request for somebody's sake that is before the cursor.
    told: Offset,
}

/// Where a tab's following stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Not answered yet.
    Waiting {
        /// The request to the server that was made for it.
        ask: SubId,
        /// The server cannot go on from where it stands.
        is_lost: bool,
    },
    /// Answered, and told everything up to here.
    Following(Offset),
}

/// A tab that follows the scope.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) tab: TabId,
    /// The tab's request.
    pub(crate) id: SubId,
    /// The number that its frames carry.
    pub(crate) sid: SubRef,
    since: Option<Position>,
    phase: Phase,
}

/// What a tab is to be told, by its place among the members.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    /// Its request is answered.
    Begun(usize, Position, Mode),
    /// Its flow goes on elsewhere.
    Reset(usize, Position),
    /// The range at hand.
    Range {
        /// Whom.
        place: usize,
        /// Whether it reaches beyond what the tab was told.
        is_news: bool,
    },
}

/// What tells of a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Teller {
    /// A change, which holds all that happened in the range.
    Change,
    /// A heartbeat, which says that all of it has been sent: to whom followed by then.
    Heartbeat,
}

/// What is left to do after an answer or a range.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub(crate) enum Then {
    /// Nothing.
    Done,
    /// Ask the server again.
    Ask,
}

/// One scope.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) scope: Scope,
    pub(crate) members: Vec<Member>,
    /// While the server's frames join the cursor.
    flow: Option<Flow>,
    cursor: Option<Cursor>,
    asks: VecDeque<Ask>,
    /// The newest request: the one that the server knows the subscription by.
    pub(crate) request: SubId,
    /// The newest request that was answered.
    answered: SubId,
}

impl Line {
    pub(crate) fn new(scope: Scope) -> Line {
        Line { scope, members: Vec::new(), flow: None, cursor: None, asks: VecDeque::new(), request: 0, answered: 0 }
    }

    fn position(&self) -> Option<Position> {
        self.cursor.map(Cursor::position)
    }

    /// Whether the server's frames of this number are the scope's.
    pub(crate) fn flows(&self, sid: SubRef) -> bool {
        self.flow.is_some_and(|flow| flow.sid == sid)
    }

    /// Whether the answer to this request is awaited.
    pub(crate) fn is_asking(&self, id: SubId) -> bool {
        self.asks.iter().any(|ask| ask.id == id)
    }

    /// A tab follows from `since` on. A request to the server is to be made for it now.
    pub(crate) fn join(&mut self, tab: TabId, id: SubId, sid: SubRef, since: Option<Position>) {
        let phase = Phase::Waiting { ask: SubId::MAX, is_lost: false };
        self.members.push(Member { tab, id, sid, since, phase });
    }

    /// The request to make: from the cursor on, or from before it where somebody who waits stands there.
    pub(crate) fn ask(&mut self, id: SubId) -> Option<Position> {
        let own = self.position();
        let mut since = own;
        for member in &mut self.members {
            let Phase::Waiting { ask, is_lost: false } = &mut member.phase else { continue };
            *ask = id;
            let Some(at) = member.since else { continue };
            since = match since {
                Some(first) if at.epoch != first.epoch || at.offset >= first.offset => Some(first),
                _ => Some(at),
            };
        }
        self.asks.push_back(Ask { id, since, is_own: own.is_some() && since == own });
        self.request = id;
        since
    }

    /// The server answered a request.
    pub(crate) fn begun(&mut self, id: SubId, sid: SubRef, at: Position, mode: Mode, told: &mut Vec<Told>) -> Then {
        let Some(ask) = self.asks.iter().copied().find(|ask| ask.id == id) else { return Then::Done };
        self.asks.retain(|other| other.id > id);
        self.answered = id;
        let here = self.position();
        let flow = Some(Flow { sid, told: at.offset });
        let continues = mode == Mode::Replayed && ask.since == Some(at);
        if continues && here.is_none_or(|here| here.epoch == at.epoch && at.offset <= here.offset) {
            self.flow = flow;
            self.cursor = self.cursor.or(Some(Cursor::at(at)));
            self.settle(told);
            return Then::Done;
        }
        // One that was made before the stream went on in another epoch asks for nobody any more.
        let is_own = ask.is_own && ask.since.map(|since| since.epoch) == here.map(|here| here.epoch);
        if !is_own && here.is_some_and(|here| here.epoch == at.epoch) {
            // Those who stand at the cursor lost nothing: for them the server is asked once more.
            for member in &mut self.members {
                if let Phase::Waiting { is_lost, .. } = &mut member.phase {
                    *is_lost |= member.since.is_some() && member.since == ask.since;
                }
            }
            self.flow = flow.filter(|_| here == Some(at));
            self.settle(told);
            return Then::Ask;
        }
        self.flow = flow;
        self.reset(at, told);
        Then::Done
    }

    /// The server's flow goes on at another position, and what came before it is void.
    pub(crate) fn reset(&mut self, at: Position, told: &mut Vec<Told>) {
        self.cursor = Some(Cursor::at(at));
        self.flow = self.flow.map(|flow| Flow { told: at.offset, ..flow });
        for (place, member) in self.members.iter_mut().enumerate() {
            if matches!(member.phase, Phase::Following(_)) {
                member.phase = Phase::Following(at.offset);
                told.push(Told::Reset(place, at));
            }
        }
        self.settle(told);
    }

    /// Answers who waits, as far as that is known: who begins or stands at the cursor; and whose position is lost, once
    /// the server was asked for it.
    fn settle(&mut self, told: &mut Vec<Told>) {
        let Some(here) = self.position().filter(|_| self.flow.is_some()) else { return };
        for (place, member) in self.members.iter_mut().enumerate() {
            let Phase::Waiting { ask, is_lost } = member.phase else { continue };
            let mode = match member.since {
                None => Mode::Fresh,
                Some(since) if since == here => Mode::Replayed,
                Some(since) if is_lost || (since.epoch != here.epoch && ask <= self.answered) => Mode::Reset,
                Some(_) => continue,
            };
            member.phase = Phase::Following(here.offset);
            told.push(Told::Begun(place, here, mode));
        }
    }

    /// A tab that has just joined is answered at once where its position is the cursor's, or where it has none.
    pub(crate) fn welcome(&mut self, told: &mut Vec<Told>) {
        self.settle(told);
    }

    /// The server told of a range. Of a hole all hear who follow: they stop their reads, and ask again.
    pub(crate) fn range(&mut self, span: Span, teller: Teller, told: &mut Vec<Told>) -> Then {
        let (Some(flow), Some(cursor)) = (&mut self.flow, &mut self.cursor) else { return Then::Done };
        let epoch = cursor.position().epoch;
        let from = match teller {
            Teller::Change => span.from(),
            Teller::Heartbeat => span.from().max(flow.told),
        };
        for (place, member) in self.members.iter_mut().enumerate() {
            if let (Phase::Waiting { .. }, Some(since)) = (member.phase, member.since)
                && since.epoch == epoch
                && from <= since.offset
                && since.offset <= span.to()
            {
                member.phase = Phase::Following(since.offset);
                told.push(Told::Begun(place, since, Mode::Replayed));
            }
            if let Phase::Following(upto) = &mut member.phase {
                told.push(Told::Range { place, is_news: span.to() > *upto });
                if span.from() <= *upto {
                    *upto = span.to().max(*upto);
                }
            }
        }
        if span.from() <= flow.told {
            flow.told = span.to().max(flow.told);
        }
        if cursor.check(epoch, span) == Verdict::Gap {
            self.flow = None;
            return Then::Ask;
        }
        cursor.advance(span.to());
        if teller == Teller::Heartbeat {
            self.end_waiting(told);
        }
        Then::Done
    }

    /// A heartbeat has said how far the server has come since it was asked: who still waits stands beyond that.
    fn end_waiting(&mut self, told: &mut Vec<Told>) {
        for member in &mut self.members {
            if let Phase::Waiting { ask, is_lost } = &mut member.phase {
                *is_lost |= *ask <= self.answered;
            }
        }
        self.settle(told);
    }
}
