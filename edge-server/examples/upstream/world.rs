//! The generated world: a slate of baseball games that never ends, and the boards of two leagues. Pure: a seed, a start
//! and the length of a step decide every byte it will ever answer. It reads no clock and knows no HTTP.
//!
//! Its steps are counted from its birth, some way before the start, so that games stand at every stage at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::baseball::{AWAY, Game, HOME, Phase};
use crate::mlb;
use crate::names::{Club, League, clubs};
use crate::prizepicks::Board;
use crate::projections;
use crate::upstream::Upstream;

/// Steps lived before step 0.
const WARM_UP: u64 = 420;
/// Baseball games kept waiting for their first pitch, and steps between first pitches. A game lasts about 250 steps,
/// so that five or six are live.
const PREVIEWS: usize = 3;
const MLB_GAP: std::ops::Range<u64> = 38..52;
/// Steps for which a final game stays in the schedule.
const STAY: u64 = 60;
/// Games on the basketball board, and steps between tip-offs.
const NBA_FIXTURES: usize = 6;
const NBA_GAP: std::ops::Range<u64> = 50..90;
/// The least steps from the announcement of a game to its start.
const NOTICE: u64 = 75;
/// Timecodes for which diffPatch has a patch; an older one gets the whole feed.
pub(crate) const HISTORY: usize = 40;
/// Games that left the schedule but still answer.
const RETIRED: usize = 8;

/// A game with its recent states, newest last, never empty.
struct Slot {
    game: Game,
    history: VecDeque<Arc<Game>>,
}

impl Slot {
    fn new(game: Game) -> Self {
        let history = VecDeque::from([Arc::new(game.clone())]);
        Slot { game, history }
    }

    fn step(&mut self, step: u64, now: Timestamp) {
        if self.game.step(step, now) {
            self.history.push_back(Arc::new(self.game.clone()));
        }
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }
}

/// The world. See the module.
pub(crate) struct World {
    start: Timestamp,
    /// What a step adds to the world's time: whole seconds, for timecodes have no finer part.
    pace: SignedDuration,
    /// Since birth.
    step: u64,
    rng: Rng,
    /// In the order of first pitch.
    slots: Vec<Slot>,
    retired: VecDeque<Slot>,
    mlb: Board,
    nba: Board,
    /// Clubs that do not play, longest rested first.
    mlb_clubs: VecDeque<Arc<Club>>,
    nba_clubs: VecDeque<Arc<Club>>,
    next_pk: u32,
    next_fixture: u32,
    last_first_pitch: u64,
    last_tip_off: u64,
}

impl World {
    /// A world whose step 0 is at `start`, and in which a step lasts `pace` seconds, at least one.
    pub(crate) fn new(seed: u64, start: Timestamp, pace: u32) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut world = World {
            start: Timestamp::from_second(start.as_second()).unwrap_or(start),
            pace: SignedDuration::from_secs(i64::from(pace.max(1))),
            step: 0,
            mlb_clubs: clubs(League::Mlb, &mut rng).into(),
            nba_clubs: clubs(League::Nba, &mut rng).into(),
            mlb: Board::new(League::Mlb, rng.fork()),
            nba: Board::new(League::Nba, rng.fork()),
            rng,
            slots: Vec::new(),
            retired: VecDeque::new(),
            next_pk: 990_001,
            next_fixture: 50_001,
            last_first_pitch: 0,
            last_tip_off: WARM_UP,
        };
        while world.step < WARM_UP {
            world.advance();
        }
        world
    }

    /// The time of a step since birth.
    fn at(&self, step: u64) -> Timestamp {
        let steps = i32::try_from(step).unwrap_or(i32::MAX) - i32::try_from(WARM_UP).unwrap_or_default();
        self.start.saturating_add(self.pace * steps).unwrap_or(Timestamp::MAX)
    }

    fn advance(&mut self) {
        self.step += 1;
        let (step, now) = (self.step, self.at(self.step));
        for slot in &mut self.slots {
            slot.step(step, now);
        }
        let over = |slot: &mut Slot| slot.game.phase == Phase::Final && slot.game.phase_since + STAY <= step;
        for slot in self.slots.extract_if(.., over) {
            self.mlb_clubs.extend(slot.game.clubs.iter().cloned());
            self.retired.push_back(slot);
        }
        self.retired.drain(..self.retired.len().saturating_sub(RETIRED));
        self.mlb.step(step, now);
        for fixture in self.nba.step(step, now) {
            self.nba_clubs.extend(fixture.clubs);
        }
        self.announce_baseball(now);
        self.announce_basketball(now);
    }

    fn announce_baseball(&mut self, now: Timestamp) {
        while self.slots.iter().filter(|slot| slot.game.phase < Phase::InProgress).count() < PREVIEWS {
            let Some(clubs) = pair(&mut self.mlb_clubs) else { return };
            let first_pitch = (self.last_first_pitch + self.rng.u64(MLB_GAP)).max(self.step + NOTICE);
            let when = (first_pitch, self.at(first_pitch));
            self.last_first_pitch = first_pitch;
            self.mlb.open(self.next_pk - 900_000, clubs.clone(), when, now);
            self.slots.push(Slot::new(Game::new(self.next_pk, clubs, when, now, self.rng.fork())));
            self.next_pk += 1;
        }
    }

    fn announce_basketball(&mut self, now: Timestamp) {
        while self.nba.fixtures.len() < NBA_FIXTURES {
            let Some(clubs) = pair(&mut self.nba_clubs) else { return };
            let tip_off = (self.last_tip_off + self.rng.u64(NBA_GAP)).max(self.step + NOTICE);
            self.last_tip_off = tip_off;
            self.nba.open(self.next_fixture, clubs, (tip_off, self.at(tip_off)), now);
            self.next_fixture += 1;
        }
    }

    fn slot(&self, pk: u32) -> Option<&Slot> {
        self.slots.iter().chain(&self.retired).find(|slot| slot.game.pk == pk)
    }

    fn board(&self, league: u32) -> Option<&Board> {
        [&self.mlb, &self.nba].into_iter().find(|board| board.league.id() == league)
    }
}

fn pair(rested: &mut VecDeque<Arc<Club>>) -> Option<[Arc<Club>; 2]> {
    Some([rested.pop_front()?, rested.pop_front()?])
}

impl Upstream for World {
    fn step(&mut self) -> u64 {
        self.advance();
        self.steps()
    }

    fn steps(&self) -> u64 {
        self.step - WARM_UP
    }

    fn schedule(&self) -> Vec<u8> {
        let entries = self.slots.iter().map(|slot| mlb::entry_of(&slot.game)).collect();
        bytes(&mlb::schedule(mlb::COPYRIGHT, entries))
    }

    fn feed(&self, pk: u32) -> Option<Vec<u8>> {
        Some(bytes(&mlb::feed(&self.slot(pk)?.game)))
    }

    fn diff_patch(&self, pk: u32, since: &str) -> Option<Vec<u8>> {
        let slot = self.slot(pk)?;
        let Some(known) = slot.history.iter().position(|state| mlb::timecode(state.changed) == since) else {
            return self.feed(pk);
        };
        let states = slot.history.iter().skip(known);
        let steps = states.clone().zip(states.skip(1));
        let patches = steps.map(|(earlier, later)| json!({ "diff": mlb::patch(earlier, later) })).collect();
        Some(bytes(&Value::Array(patches)))
    }

    fn projections(&self, league: u32) -> Vec<u8> {
        bytes(&self.board(league).map_or_else(|| projections::empty(league), projections::document))
    }

    fn games(&self) -> Vec<Value> {
        let summary = |slot: &Slot| {
            let game = &slot.game;
            let [away, home] = game.score();
            json!({
                "gamePk": game.pk,
                "state": mlb::status(game.phase)["detailedState"],
                "inning": game.innings.len(),
                "away": { "team": game.clubs[AWAY].abbreviation, "runs": away },
                "home": { "team": game.clubs[HOME].abbreviation, "runs": home },
                "timeStamp": mlb::timecode(game.changed),
            })
        };
        self.slots.iter().map(summary).collect()
    }

    fn projection_counts(&self) -> BTreeMap<u32, usize> {
        [&self.mlb, &self.nba].into_iter().map(|board| (board.league.id(), board.projections())).collect()
    }
}

fn bytes(document: &Value) -> Vec<u8> {
    document.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::tests::{check_follows, checked_feed};

    fn world(seed: u64) -> World {
        World::new(seed, Timestamp::constant(1_786_000_000, 0), 1)
    }

    fn everything(world: &World) -> Vec<Vec<u8>> {
        let mut all = vec![world.schedule(), world.projections(2), world.projections(7)];
        for slot in &world.slots {
            all.extend(world.feed(slot.game.pk));
            all.extend(world.diff_patch(slot.game.pk, &mlb::timecode(slot.history[0].changed)));
        }
        all
    }

    #[test]
    fn the_seed_decides_every_byte() {
        let (mut one, mut same, mut other) = (world(1), world(1), world(2));
        for _ in 0..200 {
            one.step();
            same.step();
            other.step();
        }
        assert!(everything(&one) == everything(&same));
        assert!(one.projections(7) != other.projections(7));
        assert!(one.schedule() != other.schedule());
    }

    #[test]
    fn patches_lead_from_each_feed_to_the_next() {
        check_follows(&mut world(3), 300);
    }

    #[test]
    fn timecodes_are_distinct_and_increase() {
        let mut world = world(4);
        for _ in 0..300 {
            world.step();
            for slot in &mut world.slots {
                let [.., earlier, later] = slot.history.make_contiguous() else { continue };
                assert!(mlb::timecode(earlier.changed) < mlb::timecode(later.changed));
            }
        }
    }

    #[test]
    fn an_unknown_or_old_timecode_gets_the_whole_feed_and_the_newest_gets_nothing() {
        let mut world = world(5);
        let live = |slot: &&Slot| slot.game.phase == Phase::InProgress && slot.game.innings.len() < 4;
        let game = world.slots.iter().find(live).map(|slot| slot.game.clone()).unwrap();
        assert_eq!(world.diff_patch(game.pk, &mlb::timecode(game.changed)).unwrap(), b"[]");
        assert_eq!(world.diff_patch(game.pk, "20010101_000000"), world.feed(game.pk));
        for _ in 0..HISTORY {
            world.step();
        }
        assert_eq!(world.diff_patch(game.pk, &mlb::timecode(game.changed)), world.feed(game.pk));
        assert_eq!(world.diff_patch(1, ""), None);
    }

    #[test]
    fn the_slate_is_mostly_live_with_games_before_and_after_and_never_ends() {
        let mut world = world(6);
        let mut finals = Vec::new();
        for step in 0..2_000 {
            world.step();
            let before = world.slots.iter().filter(|slot| slot.game.phase < Phase::InProgress).count();
            let live = world.slots.iter().filter(|slot| slot.game.phase == Phase::InProgress).count();
            assert!((7..14).contains(&world.slots.len()), "{} games at step {step}", world.slots.len());
            assert!(before == PREVIEWS && live >= 3, "{live} live at step {step}");
            if step % 100 == 0 {
                for slot in &world.slots {
                    let feed = world.feed(slot.game.pk).unwrap();
                    checked_feed(&feed);
                    if slot.game.phase == Phase::Final {
                        finals.push(feed.len());
                    }
                }
            }
        }
        finals.sort_unstable();
        assert!((100_000..150_000).contains(&finals[finals.len() / 2]), "bytes of final feeds: {finals:?}");
    }

    #[test]
    fn projections_leave_at_tip_off_and_the_boards_never_empty() {
        let mut world = world(7);
        for _ in 0..2_000 {
            world.step();
            for board in [&world.mlb, &world.nba] {
                assert!(board.projections() > 100);
                assert!(board.fixtures.iter().all(|fixture| fixture.starts_at > world.at(world.step)));
                let lines = board.fixtures.iter().flat_map(|fixture| &fixture.markets);
                assert!(
                    lines
                        .flat_map(|market| market.rungs.iter().map(|rung| market.line + rung.offset))
                        .all(|line| line > 0)
                );
            }
        }
    }

    #[test]
    fn a_step_moves_a_few_lines_of_the_board() {
        let mut world = world(8);
        let lines = |world: &World| -> BTreeMap<u32, i32> {
            let markets = world.nba.fixtures.iter().flat_map(|fixture| &fixture.markets);
            markets.flat_map(|market| market.rungs.iter().map(|rung| (rung.id, market.line + rung.offset))).collect()
        };
        let (mut moved, mut seen) = (0, 0);
        for _ in 0..100 {
            let before = lines(&world);
            world.step();
            let after = lines(&world);
            seen += after.len();
            moved += after.iter().filter(|(id, line)| before.get(id).is_some_and(|was| was != *line)).count();
        }
        let share = moved as f64 / seen as f64;
        assert!((0.02..0.04).contains(&share), "{share} of the lines move in a step");
    }
}
