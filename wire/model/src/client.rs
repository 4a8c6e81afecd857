//! A page: the product's replica and fills, with what it keeps, and the connection that it is on.

use std::collections::BTreeSet;

use cache_wasm::fill::{Fills, Followed, Ruling, Target, Ticket};
use cache_wasm::replica::{Begun, Phase, Replica};
use cache_wasm::store::Origin;
use wire::{Key, Mode, Offset, Position, Scope, Span, SubId, SubRef, Verdict};

use crate::edge::Kept;
use crate::rule::Rule;
use crate::tally::{Event, Tally};
use crate::truth::{KeyNumber, LineageNumber, Serial};

/// Each edge numbers its subscriptions for itself: the numbers of two of them may be equal, and here they are.
pub const SID: SubRef = 1;

/// What an edge sends. `lineage` is the truth behind it, which no client sees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the fields are the frames', but for `lineage`")]
pub enum Message {
    /// The answer to a request to follow.
    SubOk { id: SubId, position: Position, mode: Mode, lineage: LineageNumber },
    /// Commits, merged; or, in their place, a purge of the scope.
    Change { span: Span, writes: Vec<Kept>, purge: bool, lineage: LineageNumber },
    /// The stream cannot go on.
    Reset { position: Position, lineage: LineageNumber },
    /// Everything in this range that matched has been sent.
    Beat { span: Span, lineage: LineageNumber },
}

/// A connection to an edge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Link {
    /// Which edge.
    pub edge: usize,
    /// The request on its way up.
    pub asked: Option<(SubId, Option<Position>)>,
    /// The edge's side of the subscription: where the last change ended, and up to where it has vouched.
    pub told: Option<(Offset, Offset)>,
    /// On their way down, in order.
    pub down: Vec<Message>,
    /// Changes of this flow that arrived, and may arrive again.
    pub again: Vec<Message>,
}

/// A value, or that there is none, and the position it was known current at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The write that it is of; 0 for none.
    pub serial: Serial,
    /// Where it was known current.
    pub seen: Position,
}

/// What the page was told, kept beside it for the properties.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Told {
    /// The lineage.
    pub lineage: LineageNumber,
    /// The farthest that it was told of.
    pub upto: u64,
    /// Up to here whatever happened was purged.
    pub purged: u64,
    /// The writes after that which it was told of.
    pub writes: BTreeSet<Serial>,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Client {
    /// The conversation about its one scope.
    pub replica: Replica,
    /// The last request's number.
    pub id: SubId,
    /// The fills under way.
    pub fills: Fills,
    /// Their tickets and keys, oldest first.
    pub open: Vec<(Ticket, KeyNumber)>,
    /// What it keeps of each key.
    pub entries: Vec<Option<Entry>>,
    /// Its connection.
    pub link: Option<Link>,
    /// What its last connection still carried when it ended.
    pub late: Vec<Message>,
    /// For the properties.
    pub told: Option<Told>,
}

/// What a client acts by.
#[derive(Debug, Clone, Copy)]
pub struct Ways<'a> {
    /// The rule that is missing.
    pub without: Option<Rule>,
    /// The followed keys.
    pub keys: &'a [Key],
    /// What is followed.
    pub scope: &'a Scope,
    /// Where what happens is counted.
    pub tally: &'a Tally,
}

impl Ways<'_> {
    fn has(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}

impl Client {
    /// A page that has just begun.
    pub fn new(scope: &Scope, keys: usize) -> Client {
        Client {
            replica: Replica::new(scope.clone(), None),
            id: 0,
            fills: Fills::default(),
            open: Vec::new(),
            entries: vec![None; keys],
            link: None,
            late: Vec::new(),
            told: None,
        }
    }

    /// Connects, and asks to go on from its cursor.
    pub fn connect(&mut self, edge: usize) {
        self.link = Some(Link { edge, asked: None, told: None, down: Vec::new(), again: Vec::new() });
        self.ask();
    }

    fn ask(&mut self) {
        self.id += 1;
        let (id, since) = (self.id, self.replica.position());
        self.replica.phase = Phase::Asked { id };
        if let Some(link) = &mut self.link {
            link.asked = Some((id, since));
        }
    }

    /// The connection ends; the cursor and what is kept stay.
    pub fn disconnect(&mut self) {
        self.replica.phase = Phase::Waiting;
        self.late = self.link.take().map(|link| link.down).unwrap_or_default();
    }

    /// Takes a message of its connection.
    pub fn take(&mut self, message: &Message, ways: &Ways) {
        match message {
            Message::SubOk { id, position, mode, lineage } => self.begun(*id, *position, *mode, *lineage, ways),
            Message::Change { span, writes, purge, lineage } => self.change(*span, writes, *purge, *lineage, ways),
            Message::Reset { position, lineage } => {
                if self.is_following(ways) {
                    self.go_back(*position, ways);
                    self.replica.adopt(*position);
                    self.reset(*position, *lineage, ways);
                }
            }
            Message::Beat { span, lineage } => self.beat(*span, *lineage, ways),
        }
    }

    fn is_following(&self, ways: &Ways) -> bool {
        let is_following = self.replica.is_following(SID);
        if !is_following && self.link.is_some() {
            ways.tally.note(Event::BeforeAnswer);
        }
        is_following || !ways.has(Rule::Generation) && self.replica.position().is_some()
    }

    fn begun(&mut self, id: SubId, position: Position, mode: Mode, lineage: LineageNumber, ways: &Ways) {
        if matches!(self.replica.phase, Phase::Asked { id: asked } if asked == id) && mode != Mode::Replayed {
            self.go_back(position, ways);
        }
        match self.replica.begun(id, SID, position, mode) {
            Begun::Ignored => {}
            Begun::Continue => {
                ways.tally.note(Event::Resumed);
                self.note(position.offset, lineage);
            }
            Begun::Adopt(position) => self.reset(position, lineage, ways),
            Begun::Contradiction => {
                self.replica.forget();
                self.entries.fill(None);
                self.ask();
            }
        }
    }

    /// Without its rule the replica forgets how far it had come, and takes any position.
    fn go_back(&mut self, position: Position, ways: &Ways) {
        let is_behind = self.replica.position().is_some_and(|own| own != position && own.reaches(position));
        if is_behind {
            ways.tally.note(Event::Behind);
        }
        if is_behind && !ways.has(Rule::NeverBack) {
            self.replica.forget();
        }
    }

    fn reset(&mut self, position: Position, lineage: LineageNumber, ways: &Ways) {
        if self.told.is_some() {
            ways.tally.note(Event::Reset);
        }
        if ways.has(Rule::ResetRaises) {
            self.fills.raise_scope(ways.scope, position);
        }
        if ways.has(Rule::ResetPurges) {
            self.entries.fill(None);
        }
        let upto = position.offset.get();
        let before = self.told.as_ref().filter(|told| told.lineage == lineage).map_or(0, |told| told.upto);
        let upto = upto.max(before);
        self.told = Some(Told { lineage, upto, purged: upto, writes: BTreeSet::new() });
    }

    fn change(&mut self, span: Span, writes: &[Kept], purge: bool, lineage: LineageNumber, ways: &Ways) {
        if !self.is_following(ways) {
            return;
        }
        match self.replica.check(span) {
            Verdict::Duplicate => {
                ways.tally.note(Event::Ignored);
                if !ways.has(Rule::Duplicate) {
                    self.apply(span, writes, purge, lineage, ways);
                }
            }
            Verdict::Gap | Verdict::NewEpoch => {
                ways.tally.note(Event::Holed);
                if ways.has(Rule::Gap) { self.ask() } else { self.apply(span, writes, purge, lineage, ways) }
            }
            Verdict::Apply => self.apply(span, writes, purge, lineage, ways),
        }
    }

    /// R2 and R4, as `follow.rs`: everything the frame says, then the cursor.
    fn apply(&mut self, span: Span, writes: &[Kept], purge: bool, lineage: LineageNumber, ways: &Ways) {
        let Some(epoch) = self.replica.epoch() else { return };
        let upto = Position { epoch, offset: span.to() };
        if purge {
            ways.tally.note(Event::Purged);
            if ways.has(Rule::FillRaised) {
                self.fills.raise_scope(ways.scope, upto);
            }
            for entry in &mut self.entries {
                *entry = entry.filter(|entry| entry.seen.reaches(upto));
            }
        } else {
            for (key, name) in ways.keys.iter().enumerate() {
                let newest = writes.iter().rev().find(|(_, write)| usize::from(write.key) == key);
                let Some((at, write)) = newest else { continue };
                let at = Position { epoch, offset: *at };
                if ways.has(Rule::FillRaised) {
                    self.fills.raise_key(name, at);
                }
                let is_later = self.entries[key].is_some_and(|entry| entry.seen.reaches(at));
                if is_later || !write.pushed && !ways.has(Rule::ChangeDrops) {
                    continue;
                }
                if write.pushed {
                    ways.tally.note(Event::Pushed);
                }
                self.entries[key] = write.pushed.then_some(Entry { serial: write.serial, seen: upto });
            }
        }
        self.replica.advance(span.to());
        self.note(span.to(), lineage);
        if let Some(told) = &mut self.told {
            told.writes.extend(writes.iter().map(|(_, write)| write.serial));
            if purge {
                told.purged = told.purged.max(span.to().get());
            }
        }
    }

    fn beat(&mut self, span: Span, lineage: LineageNumber, ways: &Ways) {
        if !self.is_following(ways) {
            return;
        }
        if self.replica.position().is_none_or(|position| span.from() > position.offset) {
            ways.tally.note(Event::BeatHoled);
            if ways.has(Rule::BeatRange) {
                return self.ask();
            }
        }
        self.replica.advance(span.to());
        self.note(span.to(), lineage);
    }

    fn note(&mut self, upto: Offset, lineage: LineageNumber) {
        if let Some(told) = &mut self.told {
            told.lineage = told.lineage.max(lineage);
            told.upto = told.upto.max(upto.get());
        }
    }

    /// Begins to read a key. While the stream has not said where it stands the fill waits, and nothing begins.
    pub fn fill(&mut self, key: KeyNumber, ways: &Ways) -> bool {
        let Some(position) = self.replica.position() else { return false };
        let floor = if ways.has(Rule::FillFloor) { position } else { Position { offset: Offset::ZERO, ..position } };
        let target = Target::Key(ways.keys[usize::from(key)].clone());
        let ticket = self.fills.begin(0, target, Some(floor), None, Origin::Server);
        self.open.push((ticket, key));
        true
    }

    /// Takes an answer to one of its fills: what was read, and as of where.
    pub fn answered(&mut self, which: usize, as_of: Position, serial: Serial, ways: &Ways) -> Option<Ruling> {
        let (ticket, key) = self.open.remove(which);
        let fill = self.fills.end(ticket)?;
        let here = self.replica.position()?;
        // Blind to the epoch.
        let shown = if ways.has(Rule::FillEpoch) { as_of } else { Position { epoch: here.epoch, ..as_of } };
        let ruling = fill.judge(&ways.keys[usize::from(key)], Some(shown), None, Followed::Upto(here));
        let place = &mut self.entries[usize::from(key)];
        if ruling == Ruling::Accept {
            ways.tally.note(Event::FillKept);
            if as_of != here && as_of.reaches(here) {
                ways.tally.note(Event::FillAhead);
            }
            // An entry that is known current later stays.
            let is_later = place.is_some_and(|entry| entry.seen != as_of && entry.seen.reaches(as_of));
            if !is_later {
                *place = Some(Entry { serial, seen: as_of });
            }
        } else {
            ways.tally.note(if as_of.epoch == here.epoch { Event::FillLate } else { Event::FillForeign });
        }
        Some(ruling)
    }
}
