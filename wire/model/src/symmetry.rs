//! Pages are alike and so are edges: of states that differ only in their numbering one is explored.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::world::State;

/// The one that stands for all: of all numberings that with the least hash.
pub(crate) fn representative(state: &State) -> State {
    let mut numberings = vec![state.clone()];
    swap(&mut numberings, swap_edges);
    swap(&mut numberings, |state| state.clients.reverse());
    numberings.into_iter().min_by_key(hash).unwrap_or_else(|| state.clone())
}

/// Adds each state with two of something swapped; of more than two no order is undone, which is sound and finds less.
fn swap(states: &mut Vec<State>, swap: impl Fn(&mut State)) {
    let swapped: Vec<State> = states.iter().cloned().map(|mut state| (swap(&mut state), state).1).collect();
    states.extend(swapped);
}

fn swap_edges(state: &mut State) {
    let last = state.edges.len() - 1;
    state.edges.reverse();
    for client in &mut state.clients {
        if client.link.is_some() {
            let link = &mut Arc::make_mut(client).link;
            link.iter_mut().for_each(|link| link.edge = last - link.edge);
        }
    }
}

fn hash(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
