//! What the end of a plate appearance does to the bases. Rules only: no counts, innings or names.
//! Errors of scoring that no reader of a feed can notice are accepted (a runner holds where a real one might not).

use fastrand::Rng;

/// How a plate appearance ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Strikeout,
    Walk,
    HitByPitch,
    Single,
    Double,
    Triple,
    HomeRun,
    FieldError,
    Groundout,
    DoublePlay,
    Flyout,
    SacFly,
    Lineout,
    PopOut,
}

/// Weights of a ball in play, out of their sum.
const IN_PLAY: [(Outcome, u32); 9] = [
    (Outcome::Single, 185),
    (Outcome::Double, 65),
    (Outcome::Triple, 6),
    (Outcome::HomeRun, 42),
    (Outcome::FieldError, 14),
    (Outcome::Groundout, 325),
    (Outcome::Flyout, 220),
    (Outcome::Lineout, 73),
    (Outcome::PopOut, 70),
];

impl Outcome {
    /// Draws what becomes of a ball in play, given the bases and outs before it.
    pub(crate) fn of_contact(bases: Bases, outs: u8, rng: &mut Rng) -> Outcome {
        let mut left = rng.u32(..IN_PLAY.iter().map(|(_, weight)| weight).sum::<u32>());
        let mut drawn = Outcome::Flyout;
        for (outcome, weight) in IN_PLAY {
            if left < weight {
                drawn = outcome;
                break;
            }
            left -= weight;
        }
        match drawn {
            Outcome::Groundout if outs < 2 && bases[0].is_some() && rng.u8(..100) < 45 => Outcome::DoublePlay,
            Outcome::Flyout if outs < 2 && bases[2].is_some() && rng.u8(..100) < 60 => Outcome::SacFly,
            other => other,
        }
    }

    /// `result.event` and `result.eventType` of the API, and a predicate for the description.
    pub(crate) fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Outcome::Strikeout => ("Strikeout", "strikeout", "strikes out"),
            Outcome::Walk => ("Walk", "walk", "walks"),
            Outcome::HitByPitch => ("Hit By Pitch", "hit_by_pitch", "hit by pitch"),
            Outcome::Single => ("Single", "single", "singles"),
            Outcome::Double => ("Double", "double", "doubles"),
            Outcome::Triple => ("Triple", "triple", "triples"),
            Outcome::HomeRun => ("Home Run", "home_run", "homers"),
            Outcome::FieldError => ("Field Error", "field_error", "reaches on a fielding error"),
            Outcome::Groundout => ("Groundout", "field_out", "grounds out"),
            Outcome::DoublePlay => ("Grounded Into DP", "grounded_into_double_play", "grounds into a double play"),
            Outcome::Flyout => ("Flyout", "field_out", "flies out"),
            Outcome::SacFly => ("Sac Fly", "sac_fly", "out on a sacrifice fly"),
            Outcome::Lineout => ("Lineout", "field_out", "lines out"),
            Outcome::PopOut => ("Pop Out", "field_out", "pops out"),
        }
    }

    /// Bases of a hit; 0 for everything else.
    pub(crate) fn total_bases(self) -> u16 {
        match self {
            Outcome::Single => 1,
            Outcome::Double => 2,
            Outcome::Triple => 3,
            Outcome::HomeRun => 4,
            _ => 0,
        }
    }

    /// Whether it counts as an at-bat.
    pub(crate) fn is_at_bat(self) -> bool {
        !matches!(self, Outcome::Walk | Outcome::HitByPitch | Outcome::SacFly)
    }

    /// Whether runs that score on it are batted in.
    pub(crate) fn drives_in(self) -> bool {
        !matches!(self, Outcome::FieldError | Outcome::DoublePlay)
    }
}

/// First, second, third: the runner's place in the batting order.
pub(crate) type Bases = [Option<usize>; 3];

/// The bases after a plate appearance.
#[derive(Debug, PartialEq)]
pub(crate) struct Advance {
    pub(crate) bases: Bases,
    /// Who crossed the plate, in order.
    pub(crate) scored: Vec<usize>,
    pub(crate) outs: u8,
}

/// Moves the runners and the batter.
pub(crate) fn advance(outcome: Outcome, batter: usize, bases: Bases, rng: &mut Rng) -> Advance {
    let [first, second, third] = bases;
    let mut scored = Vec::new();
    let (bases, outs) = match outcome {
        Outcome::Strikeout | Outcome::Groundout | Outcome::Flyout | Outcome::Lineout | Outcome::PopOut => (bases, 1),
        Outcome::DoublePlay => ([None, second, third], 2),
        Outcome::SacFly => {
            scored.extend(third);
            ([first, second, None], 1)
        }
        Outcome::Walk | Outcome::HitByPitch => match bases {
            [None, ..] => ([Some(batter), second, third], 0),
            [_, None, _] => ([Some(batter), first, third], 0),
            _ => {
                scored.extend(third);
                ([Some(batter), first, second], 0)
            }
        },
        Outcome::Single | Outcome::FieldError => {
            scored.extend(third);
            if rng.u8(..100) < 60 {
                scored.extend(second);
                ([Some(batter), first, None], 0)
            } else {
                ([Some(batter), first, second], 0)
            }
        }
        Outcome::Double => {
            scored.extend(third.into_iter().chain(second));
            if rng.u8(..100) < 40 {
                scored.extend(first);
                ([None, Some(batter), None], 0)
            } else {
                ([None, Some(batter), first], 0)
            }
        }
        Outcome::Triple => {
            scored.extend(third.into_iter().chain(second).chain(first));
            ([None, None, Some(batter)], 0)
        }
        Outcome::HomeRun => {
            scored.extend(third.into_iter().chain(second).chain(first).chain([batter]));
            ([None; 3], 0)
        }
    };
    Advance { bases, scored, outs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_lost_between_the_bases_the_plate_and_the_outs() {
        let mut rng = Rng::with_seed(1);
        for round in 0..10_000_usize {
            let bases: Bases = std::array::from_fn(|base| (round >> base & 1 == 1).then_some(base));
            let outs = rng.u8(..3);
            let outcome = match rng.u8(..4) {
                0 => Outcome::Walk,
                1 => Outcome::Strikeout,
                _ => Outcome::of_contact(bases, outs, &mut rng),
            };
            let after = advance(outcome, 8, bases, &mut rng);
            let on = |bases: Bases| bases.iter().flatten().count();
            assert_eq!(on(bases) + 1, on(after.bases) + after.scored.len() + usize::from(after.outs), "{outcome:?}");
        }
    }

    #[test]
    fn a_walk_with_the_bases_full_forces_in_the_runner_from_third() {
        let after = advance(Outcome::Walk, 8, [Some(1), Some(2), Some(3)], &mut Rng::with_seed(1));
        assert_eq!(after, Advance { bases: [Some(8), Some(1), Some(2)], scored: vec![3], outs: 0 });
    }
}
