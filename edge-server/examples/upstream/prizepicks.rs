//! A league's board of projections: markets of coming games whose lines move, and which leave at tip-off.
//! Pure. How PrizePicks writes a board is in `projections.rs`.

use std::sync::Arc;

use fastrand::Rng;
use jiff::Timestamp;

use crate::names::{BATTERS, Club, League, PITCHERS, Player};

/// Chances per market and step, in thousandths.
const MOVE: u32 = 30;
const TREND: u32 = 20;
const SUSPEND: u32 = 1;
const RESUME: u32 = 100;

/// Whom a statistic is offered for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Batter,
    Pitcher,
    Anyone,
}

/// A kind of projection.
pub(crate) struct Stat {
    pub(crate) id: u32,
    pub(crate) name: &'static str,
    of: Of,
    /// Usual lines, in halves.
    low: i32,
    high: i32,
}

const fn stat(id: u32, name: &'static str, of: Of, low: i32, high: i32) -> Stat {
    Stat { id, name, of, low, high }
}

const MLB_STATS: [Stat; 14] = [
    stat(601, "Hits", Of::Batter, 1, 3),
    stat(602, "Total Bases", Of::Batter, 1, 5),
    stat(603, "Hits+Runs+RBIs", Of::Batter, 3, 5),
    stat(604, "Runs", Of::Batter, 1, 1),
    stat(605, "RBIs", Of::Batter, 1, 3),
    stat(606, "Hitter Strikeouts", Of::Batter, 1, 3),
    stat(607, "Home Runs", Of::Batter, 1, 1),
    stat(608, "Walks", Of::Batter, 1, 1),
    stat(609, "Hitter Fantasy Score", Of::Batter, 9, 19),
    stat(610, "Pitcher Strikeouts", Of::Pitcher, 7, 15),
    stat(611, "Hits Allowed", Of::Pitcher, 7, 13),
    stat(612, "Pitching Outs", Of::Pitcher, 29, 37),
    stat(613, "Earned Runs Allowed", Of::Pitcher, 3, 7),
    stat(614, "Walks Allowed", Of::Pitcher, 1, 5),
];
const NBA_STATS: [Stat; 12] = [
    stat(701, "Points", Of::Anyone, 15, 61),
    stat(702, "Rebounds", Of::Anyone, 5, 23),
    stat(703, "Assists", Of::Anyone, 3, 19),
    stat(704, "Pts+Rebs+Asts", Of::Anyone, 31, 91),
    stat(705, "3-PT Made", Of::Anyone, 1, 9),
    stat(706, "Pts+Rebs", Of::Anyone, 23, 75),
    stat(707, "Pts+Asts", Of::Anyone, 21, 71),
    stat(708, "Rebs+Asts", Of::Anyone, 9, 37),
    stat(709, "Steals", Of::Anyone, 1, 3),
    stat(710, "Blocked Shots", Of::Anyone, 1, 5),
    stat(711, "Fantasy Score", Of::Anyone, 41, 111),
    stat(712, "Turnovers", Of::Anyone, 3, 7),
];

impl Stat {
    /// The id and name of its projection type.
    pub(crate) fn projection_type(&self) -> (u32, &'static str) {
        if self.name.ends_with("Fantasy Score") { (1, "Fantasy Score") } else { (2, "Single Stat") }
    }
}

/// A projection: a market offers one or several, at different lines.
pub(crate) struct Rung {
    pub(crate) id: u32,
    pub(crate) odds_type: &'static str,
    /// From the market's line, in halves.
    pub(crate) offset: i32,
    pub(crate) rank: u32,
}

/// One statistic of one player in one game.
pub(crate) struct Market {
    /// Index of the club in the fixture, away first.
    pub(crate) side: usize,
    /// Index in the club's players.
    pub(crate) player: usize,
    pub(crate) stat: &'static Stat,
    /// In halves; with every rung's offset it stays at least 1.
    pub(crate) line: i32,
    pub(crate) rungs: Vec<Rung>,
    pub(crate) suspended: bool,
    pub(crate) promo: bool,
    /// A reduced line, in halves.
    pub(crate) flash_sale: Option<i32>,
    pub(crate) trending: Option<u32>,
    pub(crate) updated_at: Timestamp,
}

/// A coming game with its markets.
pub(crate) struct Fixture {
    pub(crate) id: u32,
    /// Away, home.
    pub(crate) clubs: [Arc<Club>; 2],
    /// The step at which it leaves the board.
    pub(crate) tip_off: u64,
    pub(crate) starts_at: Timestamp,
    pub(crate) opened_at: Timestamp,
    pub(crate) markets: Vec<Market>,
}

impl Fixture {
    /// Number of projections.
    pub(crate) fn projections(&self) -> usize {
        self.markets.iter().map(|market| market.rungs.len()).sum()
    }
}

/// The projections of one league.
pub(crate) struct Board {
    pub(crate) league: League,
    /// In the order of their start.
    pub(crate) fixtures: Vec<Fixture>,
    next_id: u32,
    rng: Rng,
}

impl Board {
    /// An empty board.
    pub(crate) fn new(league: League, rng: Rng) -> Self {
        Board { league, fixtures: Vec::new(), next_id: 10_000_000 + league.id() * 1_000_000, rng }
    }

    /// Number of projections on the board.
    pub(crate) fn projections(&self) -> usize {
        self.fixtures.iter().map(Fixture::projections).sum()
    }

    /// Offers a game.
    pub(crate) fn open(
        &mut self,
        id: u32,
        clubs: [Arc<Club>; 2],
        (tip_off, starts_at): (u64, Timestamp),
        now: Timestamp,
    ) {
        let mut fixture = Fixture { id, clubs, tip_off, starts_at, opened_at: now, markets: Vec::new() };
        for side in 0..2 {
            for player in 0..fixture.clubs[side].players.len() {
                self.offer(&mut fixture, side, player);
            }
        }
        self.fixtures.push(fixture);
    }

    /// Offers some statistics of a player. Of the pitchers only the first, who starts, is offered.
    fn offer(&mut self, fixture: &mut Fixture, side: usize, player: usize) {
        let (stats, of, count): (&'static [Stat], Of, usize) = match (self.league, player) {
            (League::Nba, _) => (&NBA_STATS, Of::Anyone, self.rng.usize(1..4)),
            (League::Mlb, 0..BATTERS) => (&MLB_STATS, Of::Batter, self.rng.usize(2..5)),
            (League::Mlb, BATTERS) => (&MLB_STATS, Of::Pitcher, PITCHERS),
            (League::Mlb, _) => return,
        };
        let offered = stats.iter().filter(|stat| stat.of == of);
        for stat in self.rng.choose_multiple(offered, count) {
            let line = self.rng.i32(stat.low..=stat.high) | 1;
            let mut rungs = vec![self.rung("standard", 0)];
            if self.rng.u32(..100) < 35 {
                let offset = 2 * self.rng.i32(1..3);
                rungs.push(self.rung("demon", offset));
            }
            if line >= 5 && self.rng.u32(..100) < 40 {
                rungs.push(self.rung("goblin", -2));
            }
            let chance = self.rng.u32(..200);
            fixture.markets.push(Market {
                side,
                player,
                stat,
                line,
                rungs,
                suspended: false,
                promo: chance == 0,
                flash_sale: (chance == 1 && line > 3).then_some(line / 2),
                trending: (self.rng.u32(..100) < 25).then(|| self.rng.u32(20..9_000)),
                updated_at: fixture.opened_at,
            });
        }
    }

    fn rung(&mut self, odds_type: &'static str, offset: i32) -> Rung {
        self.next_id += 1;
        Rung { id: self.next_id, odds_type, offset, rank: self.next_id % 1_000 }
    }

    /// Takes the games that have tipped off from the board, moves a few of the other lines, and returns the former.
    pub(crate) fn step(&mut self, step: u64, now: Timestamp) -> Vec<Fixture> {
        let gone = self.fixtures.extract_if(.., |fixture| fixture.tip_off <= step).collect();
        let rng = &mut self.rng;
        for market in self.fixtures.iter_mut().flat_map(|fixture| &mut fixture.markets) {
            if rng.u32(..1_000) < TREND
                && let Some(count) = &mut market.trending
            {
                *count += rng.u32(1..80);
            }
            let suspension = if market.suspended { RESUME } else { SUSPEND };
            if rng.u32(..1_000) < suspension {
                market.suspended = !market.suspended;
                market.updated_at = now;
            }
            if rng.u32(..1_000) < MOVE {
                let lowest = market.rungs.iter().map(|rung| 1 - rung.offset).max().unwrap_or(1);
                let by = rng.i32(1..3) * if rng.bool() { 1 } else { -1 };
                // At the floor the only way is up.
                market.line = if market.line + by < lowest { market.line + by.abs() } else { market.line + by };
                market.updated_at = now;
            }
        }
        gone
    }
}

/// PrizePicks numbers people in its own way: only names link the two upstreams.
pub(crate) fn player_id(player: &Player) -> u32 {
    player.id - 800_000
}
