//! The protocol's transcripts, read for the tests that replay them on either side. `README.md` says what the lines mean.
//!
//! It knows JSON and names, and nothing of frames: another implementation needs no more than what is here.

mod event;
mod names;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

pub use event::{Answer, By, Close, Commit, Connect, Drain, Event, Fetch, Follow, Line, Set, Then, Told};
pub use names::{Names, Side};

/// The first line of a transcript.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// What happens, in a sentence.
    pub transcript: String,
    /// The rules that it is about, as `wire/README.md` calls them.
    pub shows: Vec<String>,
    /// Who can replay it.
    pub sides: Vec<Side>,
    /// Where the server's store stands at the beginning, as `epoch:offset`.
    #[serde(default = "head")]
    pub head: String,
    /// Commits that the server keeps for those who resume.
    #[serde(default = "ring")]
    pub ring: usize,
    /// The server's interval, in milliseconds.
    #[serde(default = "hb_ms")]
    pub hb_ms: u32,
    /// How long it vouches, in milliseconds.
    #[serde(default = "lease_ms")]
    pub lease_ms: u32,
    /// Tokens by their text; without any, none is asked for. A token that is not here is not good.
    #[serde(default)]
    pub tokens: std::collections::BTreeMap<String, Token>,
}

/// What a token is good for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The scopes.
    pub scopes: Vec<String>,
    /// When it ends, in milliseconds from the beginning.
    pub ends: u64,
}

fn head() -> String {
    "7:10".into()
}

fn ring() -> usize {
    100
}

fn hb_ms() -> u32 {
    10_000
}

fn lease_ms() -> u32 {
    30_000
}

/// A conversation.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// Its file's name.
    pub file: String,
    /// Its first line.
    pub header: Header,
    /// What happens, in order, with the number of the line.
    pub lines: Vec<(usize, Line)>,
}

/// Every transcript that a side can replay, in the order of their names.
///
/// # Panics
/// When one cannot be read: there is nothing to test then.
pub fn of(side: Side) -> Vec<Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    files.sort();
    let all = files.iter().map(|path| read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    all.filter(|transcript| transcript.header.sides.contains(&side)).collect()
}

fn read(path: &Path) -> Result<Transcript, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut parts =
        text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim().is_empty());
    let (_, first) = parts.next().ok_or("it is empty")?;
    let header = serde_json::from_str(first).map_err(|error| format!("line 1: {error}"))?;
    let mut lines = Vec::new();
    for (number, text) in parts {
        let value = serde_json::from_str(text).map_err(|error| format!("line {number}: {error}"))?;
        for value in repeated(value) {
            let line = serde_json::from_value(value).map_err(|error| format!("line {number}: {error}"))?;
            lines.push((number, line));
        }
    }
    Ok(Transcript { file, header, lines })
}

/// `{"repeat": [1, 3], "lines": [..]}` is its lines once for each number, which stands in for `#`.
fn repeated(value: Value) -> Vec<Value> {
    let Some((range, lines)) = value.get("repeat").zip(value.get("lines").and_then(Value::as_array)) else {
        return vec![value];
    };
    let bound = |at: usize| range.get(at).and_then(Value::as_u64).unwrap_or_default();
    let numbers = bound(0)..=bound(1);
    numbers.flat_map(|number| lines.iter().map(move |line| numbered(line, number))).collect()
}

fn numbered(value: &Value, number: u64) -> Value {
    match value {
        Value::String(text) if text == "#" => number.into(),
        Value::String(text) => text.replace('#', &number.to_string()).into(),
        Value::Array(all) => all.iter().map(|value| numbered(value, number)).collect(),
        Value::Object(all) => {
            all.iter().map(|(name, value)| (name.replace('#', &number.to_string()), numbered(value, number))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_is_shown_to_whom_it_binds() {
        let shown = |side| -> BTreeSet<String> { of(side).into_iter().flat_map(|each| each.header.shows).collect() };
        let (client, server) = (shown(Side::Client), shown(Side::Server));
        for rule in ["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "Tokens"] {
            assert!(client.contains(rule), "{rule}");
        }
        let rules =
            ["Subscribe", "Ranges join", "Outbox", "Heartbeat", "Reset", "Patience", "Refusals", "Values", "Tokens"];
        for rule in rules {
            assert!(server.contains(rule), "{rule}");
        }
    }

    #[test]
    fn a_repetition_is_its_lines_once_for_each_number() {
        let lines = repeated(serde_json::json!({ "repeat": [8, 9], "lines": [{ "a#": ["#", "x#"] }, { "b": 1 }] }));
        assert_eq!(
            serde_json::json!(lines),
            serde_json::json!([{ "a8": [8, "x8"] }, { "b": 1 }, { "a9": [9, "x9"] }, { "b": 1 }])
        );
    }
}
