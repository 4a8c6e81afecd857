//! What holds for any answer.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::sources::fixtures::any_json;

const NAMES: &str = "(data|included|meta|type|id|attributes|name)";

fn holds_what_it_promises(outcome: &Outcome) -> Result<(), TestCaseError> {
    let keys: BTreeSet<_> = outcome.records.iter().map(|record| &record.key).collect();
    prop_assert_eq!(keys.len(), outcome.records.len());
    for record in &outcome.records {
        let value = value(record);
        prop_assert_eq!(&value["source"], "prizepicks");
        prop_assert!(value["line"].is_number() && record.source_ts <= NOW_MS);
        prop_assert_eq!(record.key.as_str().rsplit(':').next(), value["projection"].as_str());
    }
    prop_assert!(outcome.listing.is_none() || outcome.rejects.iter().all(|reject| reject.key.is_some()));
    prop_assert_eq!(outcome.next.len(), 1);
    Ok(())
}

proptest! {
    #[test]
    fn any_json_is_a_board_or_an_error(document in any_json(NAMES)) {
        let body = document.to_string();
        match source().accept(&PrizePicks::request(7, 1, 0), body.as_bytes(), NOW_MS) {
            Ok(outcome) => holds_what_it_promises(&outcome)?,
            Err(error) => prop_assert!(error.to_string().contains("league/7")),
        }
    }

    #[test]
    fn a_row_broken_anywhere_leaves_the_other_row(
        pointer in prop::sample::select(vec![
            "/type", "/id", "/attributes", "/attributes/stat_type", "/attributes/line_score", "/attributes/start_time",
            "/attributes/updated_at", "/attributes/is_live", "/attributes/trending_count", "/relationships",
            "/relationships/new_player", "/relationships/new_player/data/id", "/relationships/league/data",
        ]),
        new in any_json(NAMES),
    ) {
        let outcome = ask(&mut source(), 7, 1, &board(&[with(row("1"), pointer, new), row("2")]));
        holds_what_it_promises(&outcome)?;
        let whole = Key::parse("sport:nba:props:player:31:pts_asts:2").unwrap();
        prop_assert!(outcome.records.iter().any(|record| record.key == whole));
    }

    #[test]
    fn a_body_cut_or_overwritten_is_a_board_or_an_error(at in 0usize..2_000, byte in any::<u8>(), cut in any::<bool>()) {
        let mut body = board(&[row("1"), row("2")]).to_string().into_bytes();
        let at = at % body.len();
        if cut { body.truncate(at) } else { body[at] = byte }
        match source().accept(&PrizePicks::request(7, 1, 0), &body, NOW_MS) {
            Ok(outcome) => holds_what_it_promises(&outcome)?,
            Err(error) => prop_assert!(error.to_string().contains("league/7")),
        }
    }
}
