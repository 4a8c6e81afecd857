//! One baseball game: from scheduled to final, a pitch a step. Pure; the time of a step is an argument.
//!
//! Invariants: the last of `plays` is the current play; a new one begins only after it is complete; `changed` moves
//! with every visible change and never back. What the API makes of a game is in `mlb.rs`.

use std::sync::Arc;

use fastrand::Rng;
use jiff::Timestamp;

use crate::bases::{Advance, Bases, Outcome, advance};
use crate::names::{BATTERS, Club, PITCHERS, Player};
use crate::scorebook::{Batting, Call, Pitch, Pitching, Play, Tally};

/// Indexes of everything that is kept for both sides.
pub(crate) const AWAY: usize = 0;
/// See [`AWAY`].
pub(crate) const HOME: usize = 1;

/// Steps before the first pitch at which the state becomes Pre-Game, then Warmup.
const PRE_GAME: u64 = 60;
const WARMUP: u64 = 20;
/// Steps from Game Over to Final.
const OFFICIAL: u64 = 4;
/// A pitcher who has faced so many goes at the end of the inning.
const TIRED: u16 = 20;

/// The state of a game, in the API's order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Phase {
    Scheduled,
    PreGame,
    Warmup,
    InProgress,
    GameOver,
    Final,
}

/// A game at one moment. Cheap to clone: plays and clubs are shared.
#[derive(Clone)]
pub(crate) struct Game {
    pub(crate) pk: u32,
    pub(crate) clubs: [Arc<Club>; 2],
    /// The step of the first pitch.
    pub(crate) first_pitch: u64,
    pub(crate) first_pitch_at: Timestamp,
    pub(crate) phase: Phase,
    /// The step the phase began with.
    pub(crate) phase_since: u64,
    /// The time of the last visible change; its second is the API's timecode.
    pub(crate) changed: Timestamp,
    /// `metaData.gameEvents` of the last change.
    pub(crate) event: &'static str,
    /// Innings that have begun, each away then home.
    pub(crate) innings: Vec<[Tally; 2]>,
    /// Who bats.
    pub(crate) side: usize,
    /// The half inning is over, the next has not begun.
    pub(crate) between: bool,
    pub(crate) outs: u8,
    pub(crate) bases: Bases,
    /// Next, or present, place in each batting order.
    pub(crate) up: [usize; 2],
    pub(crate) pitcher: [usize; 2],
    pub(crate) plays: Vec<Arc<Play>>,
    pub(crate) batting: [[Batting; BATTERS]; 2],
    pub(crate) pitching: [[Pitching; PITCHERS]; 2],
    rng: Rng,
}

impl Game {
    /// A scheduled game; the caller relates `first_pitch` (a step) to its time.
    pub(crate) fn new(
        pk: u32,
        clubs: [Arc<Club>; 2],
        (first_pitch, first_pitch_at): (u64, Timestamp),
        now: Timestamp,
        rng: Rng,
    ) -> Self {
        Game {
            pk,
            clubs,
            first_pitch,
            first_pitch_at,
            phase: Phase::Scheduled,
            phase_since: 0,
            changed: now,
            event: "",
            innings: Vec::new(),
            side: AWAY,
            between: false,
            outs: 0,
            bases: [None; 3],
            up: [0; 2],
            pitcher: [0; 2],
            plays: Vec::new(),
            batting: Default::default(),
            pitching: Default::default(),
            rng,
        }
    }

    /// Advances to step `step`; true if anything visible changed.
    pub(crate) fn step(&mut self, step: u64, now: Timestamp) -> bool {
        let next = match self.phase {
            Phase::InProgress => {
                self.pitch(now);
                self.is_decided().then_some(Phase::GameOver)
            }
            Phase::Scheduled => (step + PRE_GAME >= self.first_pitch).then_some(Phase::PreGame),
            Phase::PreGame => (step + WARMUP >= self.first_pitch).then_some(Phase::Warmup),
            Phase::Warmup => (step >= self.first_pitch).then_some(Phase::InProgress),
            Phase::GameOver => (step >= self.phase_since + OFFICIAL).then_some(Phase::Final),
            Phase::Final => None,
        };
        let changed = next.is_some() || self.phase == Phase::InProgress;
        if let Some(phase) = next {
            self.enter(phase, step, now);
        }
        if changed {
            self.changed = now;
        }
        changed
    }

    fn enter(&mut self, phase: Phase, step: u64, now: Timestamp) {
        (self.phase, self.phase_since, self.event) = (phase, step, "game_advisory");
        if phase == Phase::InProgress {
            self.innings.push(Default::default());
            self.begin_play(now);
        }
        if phase == Phase::GameOver {
            self.event = "game_finished";
        }
    }

    /// Runs of both sides.
    pub(crate) fn score(&self) -> [u16; 2] {
        [AWAY, HOME].map(|side| self.total(side).runs)
    }

    /// A side's line over all innings.
    pub(crate) fn total(&self, side: usize) -> Tally {
        self.innings.iter().fold(Tally::default(), |sum, inning| Tally {
            runs: sum.runs + inning[side].runs,
            hits: sum.hits + inning[side].hits,
            errors: sum.errors + inning[side].errors,
            left_on_base: sum.left_on_base + inning[side].left_on_base,
        })
    }

    /// The batter `ahead` places after the present one.
    pub(crate) fn batter(&self, side: usize, ahead: usize) -> &Player {
        &self.clubs[side].players[(self.up[side] + ahead) % BATTERS]
    }

    /// The pitcher of `side` who is in the game.
    pub(crate) fn on_mound(&self, side: usize) -> &Player {
        &self.clubs[side].players[BATTERS + self.pitcher[side]]
    }

    fn is_decided(&self) -> bool {
        let [away, home] = self.score();
        match (self.innings.len() >= 9, self.side) {
            (false, _) => false,
            (true, AWAY) => self.between && home > away,
            (true, _) => home > away || (self.between && home != away),
        }
    }

    fn begin_half(&mut self) {
        self.between = false;
        self.outs = 0;
        self.bases = [None; 3];
        self.side = 1 - self.side;
        if self.side == AWAY {
            self.innings.push(Default::default());
        }
        if self.innings.len() > 9 {
            self.bases[1] = Some((self.up[self.side] + BATTERS - 1) % BATTERS);
        }
        let fielding = 1 - self.side;
        let tired = self.pitching[fielding][self.pitcher[fielding]].faced >= TIRED;
        if tired && self.pitcher[fielding] + 1 < PITCHERS {
            self.pitcher[fielding] += 1;
            self.event = "pitching_substitution";
        }
    }

    fn begin_play(&mut self, now: Timestamp) {
        self.plays.push(Arc::new(Play {
            inning: self.innings.len(),
            side: self.side,
            batter: self.up[self.side],
            pitcher: self.pitcher[1 - self.side],
            started: now,
            ended: now,
            pitches: Vec::new(),
            outcome: None,
            scored: Vec::new(),
            score: self.score(),
            outs: self.outs,
            bases: self.bases,
        }));
    }

    /// Throws one pitch, beginning the half inning and the plate appearance first if they are due.
    fn pitch(&mut self, now: Timestamp) {
        self.event = "";
        if self.between {
            self.begin_half();
        }
        if self.plays.last().is_none_or(|play| play.outcome.is_some()) {
            self.begin_play(now);
        }
        let Some(current) = self.plays.last_mut() else { return };
        let play = Arc::make_mut(current);
        let (mut balls, mut strikes) = play.pitches.last().map_or((0, 0), |last| (last.balls, last.strikes));
        let mut call = match self.rng.u32(..1000) {
            0..300 => Call::Ball,
            300..440 => Call::CalledStrike,
            440..560 => Call::SwingingStrike,
            560..670 => Call::Foul,
            670..675 => Call::HitByPitch,
            _ => Call::InPlayOut,
        };
        match call {
            Call::Ball => balls += 1,
            Call::CalledStrike | Call::SwingingStrike => strikes += 1,
            Call::Foul => strikes = (strikes + 1).min(2),
            _ => {}
        }
        let outcome = match call {
            Call::HitByPitch => Some(Outcome::HitByPitch),
            Call::InPlayOut => Some(Outcome::of_contact(self.bases, self.outs, &mut self.rng)),
            _ if balls == 4 => Some(Outcome::Walk),
            _ if strikes == 3 => Some(Outcome::Strikeout),
            _ => None,
        };
        let after = outcome.map(|outcome| advance(outcome, play.batter, self.bases, &mut self.rng));
        if let (Call::InPlayOut, Some(after)) = (call, &after) {
            call = match (after.scored.is_empty(), after.outs) {
                (false, _) => Call::InPlayRuns,
                (true, 0) => Call::InPlayNoOut,
                (true, _) => Call::InPlayOut,
            };
        }
        let (kind, speed) = (self.rng.usize(..5), self.rng.u32(780..995));
        play.pitches.push(Pitch { call, kind, speed, balls, strikes, at: now });
        play.ended = now;
        self.pitching[1 - play.side][play.pitcher].pitches += 1;
        if let (Some(outcome), Some(after)) = (outcome, after) {
            self.end_play(outcome, after);
        }
    }

    /// Books the end of the current plate appearance.
    fn end_play(&mut self, outcome: Outcome, after: Advance) {
        let Some(current) = self.plays.last_mut() else { return };
        let play = Arc::make_mut(current);
        let (side, fielding) = (play.side, 1 - play.side);
        let runs = u16::try_from(after.scored.len()).unwrap_or_default();
        self.event = outcome.words().1;
        self.outs = (self.outs + after.outs).min(3);
        self.bases = after.bases;

        self.batting[side][play.batter].book(outcome, runs);
        for &runner in &after.scored {
            self.batting[side][runner].runs += 1;
        }
        self.pitching[fielding][play.pitcher].book(outcome, after.outs, runs);
        if let Some(inning) = self.innings.last_mut() {
            inning[side].runs += runs;
            inning[side].hits += u16::from(outcome.total_bases() > 0);
            inning[fielding].errors += u16::from(outcome == Outcome::FieldError);
            if self.outs == 3 {
                inning[side].left_on_base = u16::try_from(self.bases.iter().flatten().count()).unwrap_or_default();
            }
        }
        play.outcome = Some(outcome);
        play.scored = after.scored;
        play.outs = self.outs;
        play.bases = self.bases;
        play.score[side] += runs;
        self.up[side] = (play.batter + 1) % BATTERS;
        self.between = self.outs == 3;
    }
}
