//! What holds for any answer.

use proptest::prelude::*;

use super::*;
use crate::sources::fixtures::any_json;

const NAMES: &str = "(diff|dates|games|gamePk|metaData|timeStamp|id)";

/// Every place of the made feed, as a JSON pointer.
fn places() -> Vec<String> {
    fn walk(value: &Value, at: &str, places: &mut Vec<String>) {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Value::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
            _ => Vec::new(),
        };
        for (name, child) in children {
            let place = format!("{at}/{name}");
            walk(child, &place, places);
            places.push(place);
        }
    }
    let mut places = Vec::new();
    walk(&feed(), "", &mut places);
    places
}

fn operation() -> impl Strategy<Value = Value> {
    let place = || prop::sample::select(places());
    prop_oneof![
        (place(), any_json(NAMES)).prop_map(|(path, value)| replace(&path, value)),
        (place(), any_json(NAMES)).prop_map(|(path, value)| json!({"op": "add", "path": path, "value": value})),
        place().prop_map(|path| json!({"op": "remove", "path": path})),
        (place(), place()).prop_map(|(from, path)| json!({"op": "copy", "from": from, "path": path})),
        (place(), place()).prop_map(|(from, path)| json!({"op": "move", "from": from, "path": path})),
    ]
}

/// Whatever the answer was, a followed game has one request, and its records are of it.
fn holds_what_it_promises(mlb: &Mlb, outcome: &Outcome) -> Result<(), TestCaseError> {
    prop_assert_eq!(outcome.next.len(), mlb.games.len());
    prop_assert!(outcome.next.iter().all(|request| request.path.starts_with(FEED_PATH)));
    prop_assert!(outcome.records.iter().all(|record| record.key.as_str().starts_with("sport:mlb:games:9001:")));
    prop_assert!(matches!(outcome.records.len(), 0 | 2));
    Ok(())
}

proptest! {
    #[test]
    fn any_json_is_an_answer_or_an_error(document in any_json(NAMES), topic in 0..3) {
        let (mut mlb, changes) = following();
        let request = [mlb.schedule_request(0), Mlb::feed_request(PK), changes.clone()][topic as usize].clone();
        match mlb.accept(&request, document.to_string().as_bytes(), NOW_MS) {
            Ok(outcome) if topic == 0 => prop_assert_eq!(&outcome.next[0].path, SCHEDULE_PATH),
            Ok(outcome) => holds_what_it_promises(&mlb, &outcome)?,
            Err(_) => prop_assert!(accept(&mut mlb, &changes, &json!([])).next == [changes], "it goes on"),
        }
    }

    #[test]
    fn a_feed_broken_anywhere_is_taken_or_an_error(place in prop::sample::select(places()), new in any_json(NAMES)) {
        let mut document = feed();
        *document.pointer_mut(&place).unwrap() = new;
        let mut mlb = Mlb::new(None);
        match mlb.accept(&Mlb::feed_request(PK), document.to_string().as_bytes(), NOW_MS) {
            Ok(outcome) => {
                holds_what_it_promises(&mlb, &outcome)?;
                prop_assert_eq!(outcome.records.len(), 2);
            }
            Err(_) => prop_assert!(
                ["/gamePk", "/metaData", "/metaData/timeStamp"].contains(&place.as_str()), "{} may be anything", place
            ),
        }
    }

    #[test]
    fn any_changes_lead_to_the_document_they_describe_or_to_a_whole_feed(
        operations in prop::collection::vec(operation(), 0..6),
    ) {
        let changes = changes(&operations);
        let mut model = feed();
        let operations: json_patch::Patch = serde_json::from_value(changes[0]["diff"].clone()).unwrap();
        let applies = operations.iter().all(|operation| {
            json_patch::patch_unsafe(&mut model, std::slice::from_ref(operation)).is_ok()
        });
        let described = applies.then(|| Feed::read(model, PK).ok()).flatten();

        let (mut mlb, next) = following();
        let outcome = accept(&mut mlb, &next, &changes);
        holds_what_it_promises(&mlb, &outcome)?;
        if outcome.rejects.is_empty() {
            prop_assert_eq!(outcome.records, described.unwrap().records(PK));
        } else {
            prop_assert_eq!(paths(&outcome.next), [FEED_PATH]);
        }
    }
}
