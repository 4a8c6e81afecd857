//! What may happen to a page in the tests of coherence, and how often.

use proptest::prelude::*;

use crate::coherence::{KEYS, SCOPES};

/// From where an answer is read: epochs and commits behind the head, and how much newer its values are than it says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lag {
    pub(crate) epochs: usize,
    pub(crate) commits: u64,
    pub(crate) ahead: u64,
}

pub(crate) const EXACT: Lag = Lag { epochs: 0, commits: 0, ahead: 0 };

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Put {
        key: usize,
        tagged: bool,
        pushed: bool,
    },
    Gone(usize),
    PurgeScope(usize),
    PurgeTag,
    FailOver(u64),
    Trim,
    Tell(usize),
    Beat,
    Uplink(usize),
    Deliver(usize),
    Duplicate,
    Redeliver(usize),
    Drop(usize),
    Lose,
    Reconnect,
    Advance(f64),
    Fill(u16, usize),
    /// A fill that is answered at once.
    Read(u16, usize, Lag),
    Load(u16, usize),
    Answer(usize, Lag),
    Abandon(usize),
    Follow(usize),
    Unfollow(usize),
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let put = (0..KEYS.len(), any::<bool>(), any::<bool>());
    let behind = (prop_oneof![6 => Just(0usize), 1 => Just(1), 1 => Just(2)], 0u64..6, 0u64..3);
    let behind = behind.prop_map(|(epochs, commits, ahead)| Lag { epochs, commits, ahead });
    let lag = prop_oneof![Just(EXACT), behind];
    let step = prop_oneof![
        14 => put.prop_map(|(key, tagged, pushed)| Step::Put { key, tagged, pushed }),
        3 => (0..KEYS.len()).prop_map(Step::Gone),
        1 => (0..SCOPES.len()).prop_map(Step::PurgeScope),
        2 => Just(Step::PurgeTag),
        1 => (0u64..4).prop_map(Step::FailOver),
        1 => Just(Step::Trim),
        10 => (0..SCOPES.len()).prop_map(Step::Tell),
        6 => Just(Step::Beat),
        8 => (1usize..4).prop_map(Step::Uplink),
        20 => (1usize..5).prop_map(Step::Deliver),
        2 => Just(Step::Duplicate),
        2 => (0usize..8).prop_map(Step::Redeliver),
        3 => (0..SCOPES.len()).prop_map(Step::Drop),
        1 => Just(Step::Lose),
        6 => Just(Step::Reconnect),
        3 => (0.0..1_500.0).prop_map(Step::Advance),
        12 => (0u16..2, 0..KEYS.len()).prop_map(|(category, key)| Step::Fill(category, key)),
        4 => (0u16..2, 0..SCOPES.len()).prop_map(|(category, scope)| Step::Load(category, scope)),
        16 => (0usize..8, lag.clone()).prop_map(|(fill, lag)| Step::Answer(fill, lag)),
        12 => (0u16..2, 0..KEYS.len(), lag.clone()).prop_map(|(category, key, lag)| Step::Read(category, key, lag)),
        1 => (0usize..8).prop_map(Step::Abandon),
        2 => (0..SCOPES.len()).prop_map(Step::Follow),
        2 => (0..SCOPES.len()).prop_map(Step::Unfollow),
    ];
    prop::collection::vec(step, 60..120)
}
