//! Explores a world and says what it found.

use std::sync::Arc;

use stateright::{Checker, HasDiscoveries, Model};

use crate::rule::Rule;
use crate::tally::Tally;
use crate::world::{Bounds, COMPLETENESS, SAFETY, World};
use crate::{story, symmetry};

/// What an exploration found.
#[derive(Debug)]
pub struct Exploration {
    /// States, no two of them the same.
    pub states: usize,
    /// Transitions that led to them.
    pub transitions: usize,
    /// Steps of the longest way that was not a detour.
    pub depth: usize,
    /// The property that does not hold, and the shortest way to where it does not, in sentences.
    pub broken: Option<(&'static str, Vec<String>)>,
    /// What happened on all of them.
    pub tally: Arc<Tally>,
}

/// Explores everything within the bounds, up to the first broken promise. Without a rule it goes breadth first: with one
/// thread the way to the broken promise is a shortest. With all of them it takes states that differ only in which page is
/// which, and which edge, as one.
pub fn explore(bounds: Bounds, without: Option<Rule>, threads: usize) -> Exploration {
    let world = World::new(bounds, without);
    let tally = world.tally.clone();
    let checker = world.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    match without {
        None => found(&checker.symmetry_fn(symmetry::representative).spawn_dfs().join(), tally),
        Some(_) => found(&checker.spawn_bfs().join(), tally),
    }
}

fn found(checker: &impl Checker<World>, tally: Arc<Tally>) -> Exploration {
    let (states, transitions) = (checker.unique_state_count(), checker.state_count());
    let depth = checker.max_depth();
    let mut found = checker.discoveries();
    let broken = [SAFETY, COMPLETENESS].into_iter().find_map(|name| Some((name, found.remove(name)?)));
    let broken = broken.map(|(name, path)| (name, story::tell(checker.model(), name, &path.into_vec())));
    Exploration { states, transitions, depth, broken, tally }
}
