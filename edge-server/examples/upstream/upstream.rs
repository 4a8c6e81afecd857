//! What the HTTP shell serves: the generated world and the replay of recordings are two implementations.

use std::collections::BTreeMap;

use serde_json::Value;

/// A pair of upstream APIs at one moment, moved on by steps. Answers are whole bodies of JSON.
pub(crate) trait Upstream: Send {
    /// Moves on by one step and returns the number of steps made.
    fn step(&mut self) -> u64;

    /// Steps made so far.
    fn steps(&self) -> u64;

    /// The day's slate.
    fn schedule(&self) -> Vec<u8>;

    /// The whole live feed of a game, if there is such a game.
    fn feed(&self, pk: u32) -> Option<Vec<u8>>;

    /// What leads from the state named `since` to the present one: a list of patches, empty at the present one, or the
    /// whole feed when `since` is unknown or too old.
    fn diff_patch(&self, pk: u32, since: &str) -> Option<Vec<u8>>;

    /// A league's projections; an unknown league has none.
    fn projections(&self, league: u32) -> Vec<u8>;

    /// One summary a game of the slate, for `/control/state`.
    fn games(&self) -> Vec<Value>;

    /// Projections on the board by league.
    fn projection_counts(&self) -> BTreeMap<u32, usize>;
}

#[cfg(test)]
pub(crate) mod tests {
    //! The contract of every implementation.

    use super::*;

    /// Parses a feed and checks what every client relies on.
    pub(crate) fn checked_feed(bytes: &[u8]) -> Value {
        let feed: Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(feed["metaData"]["timeStamp"].as_str().unwrap().len(), 15);
        assert_eq!(feed["gamePk"], feed["gameData"]["game"]["pk"]);
        let plays = &feed["liveData"]["plays"];
        if let Some(current) = plays.get("currentPlay") {
            let index = usize::try_from(current["about"]["atBatIndex"].as_u64().unwrap()).unwrap();
            assert!(*current == plays["allPlays"][index], "currentPlay is not allPlays[{index}]");
            assert_eq!(index + 1, plays["allPlays"].as_array().unwrap().len());
        }
        feed
    }

    /// Follows every fourth game of the slate as a client does, by patches, and compares with the whole feed at each
    /// change.
    pub(crate) fn check_follows(upstream: &mut dyn Upstream, steps: u64) {
        let pk = |game: &Value| u32::try_from(game["gamePk"].as_u64().unwrap()).unwrap();
        let games: Vec<u32> = upstream.games().iter().step_by(4).map(pk).collect();
        let whole = |upstream: &dyn Upstream, pk| upstream.feed(pk).map(|feed| checked_feed(&feed));
        let mut followed: Vec<Value> = games.iter().map(|&pk| whole(upstream, pk).unwrap()).collect();
        let mut patches = 0;
        for step in 1..=steps {
            assert_eq!((upstream.step(), upstream.steps()), (step, step));
            for (&pk, document) in games.iter().zip(&mut followed) {
                let since = document["metaData"]["timeStamp"].as_str().unwrap();
                let Some(answer) = upstream.diff_patch(pk, since) else { continue };
                match serde_json::from_slice(&answer).unwrap() {
                    Value::Array(list) if list.is_empty() => continue,
                    Value::Array(list) => {
                        for entry in list {
                            let patch: json_patch::Patch = serde_json::from_value(entry["diff"].clone()).unwrap();
                            json_patch::patch(document, &patch).unwrap();
                            patches += 1;
                        }
                    }
                    feed => *document = feed,
                }
                assert!(*document == whole(upstream, pk).unwrap(), "game {pk} differs at step {step}");
            }
        }
        assert!(patches > 0);
    }
}
