//! Lanes: what makes a commit that is sent again do nothing the second time.
//!
//! Each commit under way has a lane of its partition to itself, and each lane numbers its commits. Redis remembers the
//! newest number of each lane with its result: a commit that was lost on its way, or only its answer, is told from one
//! that was done. A lane whose commit has no known outcome goes on with a higher number; should the lost one arrive after
//! all, it is older and does nothing.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Commits of one partition under way at a time, from this server.
const LANES: usize = 64;

/// The lanes of one partition.
#[derive(Debug)]
pub(super) struct Lanes {
    room: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The newest number of each lane.
    sequences: Vec<u64>,
    free: Vec<u32>,
}

/// A lane that is held. Dropped, it is free for the next commit.
#[derive(Debug)]
pub(super) struct Lane<'a> {
    lanes: &'a Lanes,
    /// Which.
    pub(super) number: u32,
    /// The number of the commit that holds it.
    pub(super) sequence: u64,
    _room: Option<SemaphorePermit<'a>>,
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes { room: Semaphore::new(LANES), state: Mutex::default() }
    }
}

impl Lanes {
    /// The next free lane; waits while all are held.
    pub(super) async fn take(&self) -> Lane<'_> {
        // The semaphore is never closed.
        let room = self.room.acquire().await.ok();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let number = state.free.pop().unwrap_or(state.sequences.len() as u32);
        let place = number as usize;
        if place == state.sequences.len() {
            state.sequences.push(0);
        }
        state.sequences[place] += 1;
        Lane { lanes: self, number, sequence: state.sequences[place], _room: room }
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.lanes.state.lock().unwrap_or_else(PoisonError::into_inner).free.push(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lane_is_held_by_one_and_its_numbers_grow() {
        let lanes = Lanes::default();
        let (first, second) = (lanes.take().await, lanes.take().await);
        assert_ne!(first.number, second.number);
        assert_eq!((first.sequence, second.sequence), (1, 1));
        let number = first.number;
        drop(first);
        let again = lanes.take().await;
        assert_eq!((again.number, again.sequence), (number, 2));
    }

    #[tokio::test]
    async fn more_than_64_wait() {
        let lanes = Lanes::default();
        let mut held = Vec::new();
        for _ in 0..LANES {
            held.push(lanes.take().await);
        }
        let mut waiting = std::pin::pin!(lanes.take());
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context).is_pending())).await
        );
        let freed = held.pop().unwrap().number;
        assert_eq!(waiting.await.number, freed);
        assert_eq!(lanes.state.lock().unwrap().sequences.len(), LANES);
    }
}
