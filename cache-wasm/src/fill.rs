//! Fenced fills: an answer that was in flight while its key changed never becomes a value.
//!
//! Rule R3. A fill remembers the cursor at its request and is raised by every change of its keys until it ends. Its
//! answer is accepted only from the stream's own epoch and from a position at or after both. A reset raises every fill
//! under the scope to the position it adopts, in the new epoch, so that an answer read before it fails the same test.
//! This module performs no request: the caller does, and asks for a ruling.

use alloc::vec::Vec;

use wire::{Key, Position, Scope};

use crate::store::Origin;

/// The name of a fill under way.
pub type Ticket = u32;

/// What a fill reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// One value.
    Key(Key),
    /// Everything under a scope.
    Scope(Scope),
}

/// How far the streams that cover a key have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// No stream covers it.
    No,
    /// One does, and has not said yet where it stands.
    Pending,
    /// One does, and has processed everything up to here.
    Upto(Position),
}

impl Followed {
    /// How far, where that is known.
    pub fn position(self) -> Option<Position> {
        if let Followed::Upto(position) = self { Some(position) } else { None }
    }
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// It may be stored.
    Accept,
    /// It may be given to who asked, but not stored: no stream vouches for it yet.
    Deliver,
    /// It may be older than a change already known. Ask again, for at least this position.
    Retry(Option<Position>),
    /// It carries no position, which a followed key requires.
    Unfenced,
}

/// A fill under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fill {
    /// The category that will hold the answer.
    pub category: u16,
    /// What it reads.
    pub target: Target,
    /// The least position of an acceptable answer: the cursor at the request, raised since.
    floor: Option<Position>,
    /// The least version of an acceptable answer, as the application numbers them, where no stream covers the key.
    version: Option<u64>,
    /// A version was heard of since the request.
    unversioned_is_late: bool,
    /// Who wants the answer.
    pub origin: Origin,
    /// The same for single keys of a scope's fill, in the order of the keys.
    raised: Vec<(Key, Position)>,
    /// Keys invalidated by hand since the request; no position can say whether the answer knows of it.
    voided: Voided,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Voided {
    all: bool,
    keys: Vec<Key>,
    scopes: Vec<Scope>,
}

fn raise(floor: &mut Position, to: Position) {
    if floor.epoch == to.epoch {
        floor.offset = floor.offset.max(to.offset);
    } else {
        *floor = to;
    }
}

/// Whether an answer read at `as_of` knows of everything up to the floor. There is always a floor under a stream that
/// stands somewhere: it was set at the request, or when the stream took its position.
fn reaches(as_of: Position, floor: Option<Position>) -> bool {
    floor.is_some_and(|floor| as_of.reaches(floor))
}

impl Fill {
    fn concerns_key(&self, key: &Key) -> bool {
        match &self.target {
            Target::Key(own) => own == key,
            Target::Scope(scope) => scope.contains(key),
        }
    }

    fn concerns_scope(&self, scope: &Scope) -> bool {
        match &self.target {
            Target::Key(own) => scope.contains(own),
            Target::Scope(own) => scope.overlaps(own),
        }
    }

    fn place_of(&self, key: &Key) -> Result<usize, usize> {
        self.raised.binary_search_by(|(raised, _)| raised.cmp(key))
    }

    fn is_voided(&self, key: &Key) -> bool {
        self.voided.all || self.voided.keys.contains(key) || self.voided.scopes.iter().any(|s| s.contains(key))
    }

    /// Whether a newer version than the answer's was heard of. One that carries no version cannot be compared: what came
    /// during its flight makes it late.
    fn is_outdated(&self, version: Option<u64>) -> bool {
        match (self.version, version) {
            (Some(least), Some(version)) => version < least,
            (_, None) => self.unversioned_is_late,
            (None, Some(_)) => false,
        }
    }

    /// What becomes of a scope's answer as a whole: it may lack keys that were there before its position.
    pub fn judge_whole(&self, as_of: Option<Position>, followed: Followed) -> Ruling {
        match (followed, as_of) {
            (Followed::No | Followed::Pending, _) if self.voided.all => Ruling::Retry(None),
            (Followed::No, _) => Ruling::Accept,
            (Followed::Pending, _) => Ruling::Deliver,
            (Followed::Upto(_), None) => Ruling::Unfenced,
            (Followed::Upto(upto), Some(as_of)) => match as_of.epoch == upto.epoch && reaches(as_of, self.floor) {
                true => Ruling::Accept,
                false => Ruling::Retry(Some(upto)),
            },
        }
    }

    /// What becomes of the answer for `key`, read at `as_of`, now that its stream stands at `followed`.
    pub fn judge(&self, key: &Key, as_of: Option<Position>, version: Option<u64>, followed: Followed) -> Ruling {
        let upto = match followed {
            Followed::No if self.is_voided(key) || self.is_outdated(version) => return Ruling::Retry(None),
            Followed::No => return Ruling::Accept,
            Followed::Pending if self.is_voided(key) => return Ruling::Retry(None),
            Followed::Pending => return Ruling::Deliver,
            Followed::Upto(position) => position,
        };
        let Some(as_of) = as_of else { return Ruling::Unfenced };
        let key_floor = self.place_of(key).ok().map(|place| self.raised[place].1);
        let fresh = as_of.epoch == upto.epoch
            && reaches(as_of, self.floor)
            && (key_floor.is_none() || reaches(as_of, key_floor));
        if fresh && !self.is_voided(key) { Ruling::Accept } else { Ruling::Retry(Some(upto)) }
    }
}

/// The fills under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Fills {
    /// Few at a time: each change looks at all of them.
    open: Vec<(Ticket, Fill)>,
    last: Ticket,
}

impl Fills {
    /// Opens a fill. `cursor` is how far the covering stream has come, and `version` the newest that was heard of; `None`
    /// where there is none.
    pub fn begin(
        &mut self,
        category: u16,
        target: Target,
        cursor: Option<Position>,
        version: Option<u64>,
        origin: Origin,
    ) -> Ticket {
        self.last = self.last.wrapping_add(1);
        let (raised, voided) = (Vec::new(), Voided::default());
        let fill =
            Fill { category, target, floor: cursor, version, unversioned_is_late: false, origin, raised, voided };
        self.open.push((self.last, fill));
        self.last
    }

    /// Ends a fill. `None` for a ticket that was never given or has ended.
    pub fn end(&mut self, ticket: Ticket) -> Option<Fill> {
        let place = self.open.iter().position(|(open, _)| *open == ticket)?;
        Some(self.open.swap_remove(place).1)
    }

    /// A fill under way.
    pub fn get(&self, ticket: Ticket) -> Option<&Fill> {
        self.open.iter().find(|(open, _)| *open == ticket).map(|(_, fill)| fill)
    }

    /// Whether a fill under way reads just this key.
    pub fn reads(&self, ticket: Ticket, key: &Key) -> bool {
        self.get(ticket).is_some_and(|fill| matches!(&fill.target, Target::Key(own) if own == key))
    }

    /// Whether such a fill is under way.
    pub fn is_open(&self, is_such: impl Fn(&Fill) -> bool) -> bool {
        self.open.iter().any(|(_, fill)| is_such(fill))
    }

    /// The application heard of a version of a key. What is in flight may be of before: one that carries no version is
    /// not known to be of after.
    pub fn raise_version(&mut self, key: &Key, version: u64) {
        for fill in self.fills().filter(|fill| fill.concerns_key(key)) {
            match fill.target {
                Target::Key(_) => fill.version = fill.version.max(Some(version)),
                Target::Scope(_) => fill.voided.keys.push(key.clone()),
            }
            fill.unversioned_is_late = true;
        }
    }

    fn fills(&mut self) -> impl Iterator<Item = &mut Fill> {
        self.open.iter_mut().map(|(_, fill)| fill)
    }

    /// A key changed with the commit at `position`.
    pub fn raise_key(&mut self, key: &Key, position: Position) {
        for fill in self.fills().filter(|fill| fill.concerns_key(key)) {
            match fill.target {
                Target::Key(_) => raise(fill.floor.get_or_insert(position), position),
                Target::Scope(_) => match fill.place_of(key) {
                    Ok(place) => raise(&mut fill.raised[place].1, position),
                    Err(place) => fill.raised.insert(place, (key.clone(), position)),
                },
            }
        }
    }

    /// Anything under a scope may have changed, up to `position`. Tags raise in this way too: an answer's tags are not
    /// known before it is there.
    pub fn raise_scope(&mut self, scope: &Scope, position: Position) {
        for fill in self.fills().filter(|fill| fill.concerns_scope(scope)) {
            raise(fill.floor.get_or_insert(position), position);
        }
    }

    /// A key was invalidated by hand.
    pub fn void_key(&mut self, key: &Key) {
        for fill in self.fills().filter(|fill| fill.concerns_key(key)) {
            fill.voided.keys.push(key.clone());
        }
    }

    /// A scope was invalidated by hand.
    pub fn void_scope(&mut self, scope: &Scope) {
        for fill in self.fills().filter(|fill| fill.concerns_scope(scope)) {
            fill.voided.scopes.push(scope.clone());
        }
    }

    /// A tag was invalidated, or a category cleared, by hand: any fill may be concerned.
    pub fn void_all(&mut self) {
        for fill in self.fills() {
            fill.voided.all = true;
        }
    }

    /// Fills under way.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is under way.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Position {
        text.parse().unwrap()
    }

    fn key() -> Key {
        Key::parse("s:m:a").unwrap()
    }

    /// A fill requested at cursor 1:10, what happened since, and the ruling on its answer.
    fn check(happens: impl Fn(&mut Fills), target: Target, as_of: &str, upto: &str, expected: Ruling) {
        let mut fills = Fills::default();
        let ticket = fills.begin(0, target, Some(at("1:10")), None, Origin::Server);
        happens(&mut fills);
        let ruling = fills.end(ticket).unwrap().judge(&key(), Some(at(as_of)), None, Followed::Upto(at(upto)));
        assert_eq!(ruling, expected, "as of {as_of}, stream at {upto}");
    }

    #[test]
    fn an_answer_is_accepted_only_from_the_cursor_at_its_request_on() {
        for target in [Target::Key(key()), Target::Scope(Scope::parse("s:m:").unwrap())] {
            check(|_| {}, target.clone(), "1:10", "1:10", Ruling::Accept);
            check(|_| {}, target.clone(), "1:10", "1:15", Ruling::Accept);
            check(|_| {}, target, "1:9", "1:15", Ruling::Retry(Some(at("1:15"))));
        }
    }

    #[test]
    fn a_change_of_the_key_in_flight_raises_the_floor() {
        for target in [Target::Key(key()), Target::Scope(Scope::parse("s:m:").unwrap())] {
            let changed = |fills: &mut Fills| fills.raise_key(&key(), at("1:12"));
            check(changed, target.clone(), "1:11", "1:12", Ruling::Retry(Some(at("1:12"))));
            check(changed, target.clone(), "1:12", "1:12", Ruling::Accept);
            let other = |fills: &mut Fills| fills.raise_key(&Key::parse("s:m:b").unwrap(), at("1:12"));
            check(other, target, "1:11", "1:12", Ruling::Accept);
        }
    }

    #[test]
    fn a_reset_in_flight_voids_answers_of_before() {
        let reset = |fills: &mut Fills| fills.raise_scope(&Scope::parse("s:m:").unwrap(), at("2:3"));
        let target = Target::Key(key());
        check(reset, target.clone(), "1:99", "2:3", Ruling::Retry(Some(at("2:3"))));
        check(reset, target.clone(), "2:2", "2:3", Ruling::Retry(Some(at("2:3"))));
        check(reset, target, "2:3", "2:3", Ruling::Accept);
    }

    #[test]
    fn an_answer_of_another_epoch_is_not_comparable() {
        check(|_| {}, Target::Key(key()), "2:99", "1:10", Ruling::Retry(Some(at("1:10"))));
    }

    #[test]
    fn an_invalidation_by_hand_voids_whatever_the_position() {
        let by_hand = |fills: &mut Fills| fills.void_key(&key());
        check(by_hand, Target::Key(key()), "1:99", "1:99", Ruling::Retry(Some(at("1:99"))));
    }

    #[test]
    fn without_a_stream_only_invalidations_by_hand_count() {
        let mut fills = Fills::default();
        let first = fills.begin(0, Target::Key(key()), None, None, Origin::Server);
        let second = fills.begin(0, Target::Key(key()), None, None, Origin::Server);
        assert_eq!(fills.end(first).unwrap().judge(&key(), None, None, Followed::No), Ruling::Accept);
        fills.void_scope(&Scope::parse("s:m:").unwrap());
        assert_eq!(fills.end(second).unwrap().judge(&key(), None, None, Followed::No), Ruling::Retry(None));
        assert!(fills.end(second).is_none());
    }

    #[test]
    fn a_followed_key_needs_a_position() {
        let mut fills = Fills::default();
        let ticket = fills.begin(0, Target::Key(key()), Some(at("1:10")), None, Origin::Server);
        let fill = fills.end(ticket).unwrap();
        assert_eq!(fill.judge(&key(), None, None, Followed::Upto(at("1:10"))), Ruling::Unfenced);
        assert_eq!(fill.judge(&key(), None, None, Followed::Pending), Ruling::Deliver);
    }
}
