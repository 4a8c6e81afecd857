//! What is written down about a game: pitches, plays, and the counts of a side, a batter and a pitcher. Records only;
//! `baseball.rs` decides what happens.

use jiff::Timestamp;

use crate::bases::{Bases, Outcome};

/// The umpire's call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Ball,
    CalledStrike,
    SwingingStrike,
    Foul,
    HitByPitch,
    InPlayOut,
    InPlayNoOut,
    InPlayRuns,
}

/// A pitch with the count after it.
#[derive(Clone)]
pub(crate) struct Pitch {
    pub(crate) call: Call,
    /// Index of the pitch type, see `mlb.rs`.
    pub(crate) kind: usize,
    /// Tenths of a mile per hour.
    pub(crate) speed: u32,
    pub(crate) balls: u8,
    pub(crate) strikes: u8,
    pub(crate) at: Timestamp,
}

/// A plate appearance.
#[derive(Clone)]
pub(crate) struct Play {
    pub(crate) inning: usize,
    /// Who bats: 0, the away club, in the top half.
    pub(crate) side: usize,
    /// Place in the batting order.
    pub(crate) batter: usize,
    /// Index among the fielding club's pitchers.
    pub(crate) pitcher: usize,
    pub(crate) started: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) pitches: Vec<Pitch>,
    /// `None` while it lasts.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) scored: Vec<usize>,
    /// After it, away then home.
    pub(crate) score: [u16; 2],
    pub(crate) outs: u8,
    pub(crate) bases: Bases,
}

/// What a line of the scoreboard counts.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) runs: u16,
    pub(crate) hits: u16,
    pub(crate) errors: u16,
    pub(crate) left_on_base: u16,
}

/// A batter's game.
#[derive(Clone, Copy, Default)]
pub(crate) struct Batting {
    pub(crate) plate_appearances: u16,
    pub(crate) at_bats: u16,
    pub(crate) hits: u16,
    pub(crate) doubles: u16,
    pub(crate) home_runs: u16,
    pub(crate) total_bases: u16,
    pub(crate) runs: u16,
    pub(crate) rbi: u16,
    pub(crate) walks: u16,
    pub(crate) strikeouts: u16,
}

/// A pitcher's game.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pitching {
    pub(crate) faced: u16,
    pub(crate) pitches: u16,
    pub(crate) outs: u16,
    pub(crate) hits: u16,
    pub(crate) runs: u16,
    pub(crate) walks: u16,
    pub(crate) strikeouts: u16,
}

impl Batting {
    /// Books a plate appearance on which `runs` scored.
    pub(crate) fn book(&mut self, outcome: Outcome, runs: u16) {
        self.plate_appearances += 1;
        self.at_bats += u16::from(outcome.is_at_bat());
        self.hits += u16::from(outcome.total_bases() > 0);
        self.doubles += u16::from(outcome == Outcome::Double);
        self.home_runs += u16::from(outcome == Outcome::HomeRun);
        self.total_bases += outcome.total_bases();
        self.rbi += if outcome.drives_in() { runs } else { 0 };
        self.walks += u16::from(outcome == Outcome::Walk);
        self.strikeouts += u16::from(outcome == Outcome::Strikeout);
    }
}

impl Pitching {
    /// Books a batter faced.
    pub(crate) fn book(&mut self, outcome: Outcome, outs: u8, runs: u16) {
        self.faced += 1;
        self.outs += u16::from(outs);
        self.hits += u16::from(outcome.total_bases() > 0);
        self.runs += runs;
        self.walks += u16::from(outcome == Outcome::Walk);
        self.strikeouts += u16::from(outcome == Outcome::Strikeout);
    }
}
