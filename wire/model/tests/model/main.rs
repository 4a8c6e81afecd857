//! The whole within small bounds, and every rule that is missed.

use coherence_model::tally::Event;
use coherence_model::world::Bounds;
use coherence_model::{Rule, explore};

#[test]
fn with_every_rule_the_promises_hold_and_everything_happens() {
    let found = explore(Bounds::ONE, None, 2);
    assert_eq!(found.broken, None);
    let never: Vec<&str> =
        Event::ALL.iter().filter(|(event, _)| found.tally.count(*event) == 0).map(|it| it.1).collect();
    assert_eq!(never, [""; 0], "of {} states", found.states);
}

#[test]
fn without_any_one_rule_a_promise_is_broken() {
    let unmissed = |rule: &Rule| explore(rule.bounds(), Some(*rule), 1).broken.is_none();
    let unmissed: Vec<&str> = Rule::ALL.into_iter().filter(unmissed).map(Rule::name).collect();
    assert_eq!(unmissed, [""; 0]);
}

#[test]
fn a_counterexample_is_told_in_sentences() {
    let (property, story) = explore(Rule::BeatRange.bounds(), Some(Rule::BeatRange), 1).broken.expect("it is missed");
    assert!(property.starts_with("P3"), "{property}");
    let last =
        ["Page 1 receives `hb` (1, 1]; it stands at 1:1.", "Now page 1 stands at 1:1 and was never told of a at 1:1."];
    assert_eq!(story[story.len() - 2..], last);
}
