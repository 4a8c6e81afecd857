//! Numbers and texts that an implementation is free to choose, by the names that a transcript gives them.
//!
//! `"$a"` stands for a number and `"$$a"` for a text. Whoever chooses one is believed the first time and held to it from
//! then on. A replay plays the other side, and chooses for it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Whose part is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The cache's.
    Client,
    /// The server's.
    Server,
}

/// The names of a replay.
#[derive(Debug, Default)]
pub struct Names {
    known: BTreeMap<String, Value>,
    chosen: u64,
}

/// Lists whose order says nothing.
const UNORDERED: [&str; 4] = ["items", "subs", "scopes", "tags"];

impl Names {
    /// A frame for the side that is tested: names that it has not heard of are given numbers, which grow.
    pub fn filled(&mut self, template: &Value) -> Value {
        self.map(template, &mut |names, name| {
            names.chosen += 1;
            let chosen =
                if name.starts_with("$$") { format!("text {}", names.chosen).into() } else { names.chosen.into() };
            names.known.insert(name.into(), chosen);
        })
    }

    /// Whether the side that is tested said what the transcript has; the names that it chose are known from now on.
    ///
    /// # Errors
    /// Both, as text.
    pub fn check(&mut self, template: &Value, said: &Value) -> Result<(), String> {
        self.learn(template, said);
        let (expected, said) = (sorted(&self.map(template, &mut |_, _| {})), sorted(said));
        if expected == said { Ok(()) } else { Err(format!("expected {expected}\n    said {said}")) }
    }

    fn learn(&mut self, template: &Value, said: &Value) {
        match (template, said) {
            (Value::String(name), Value::Number(_)) if is_name(name) && !name.starts_with("$$") => {
                self.name(name, said);
            }
            (Value::String(name), Value::String(_)) if name.starts_with("$$") => self.name(name, said),
            (Value::Array(templates), Value::Array(all)) => {
                templates.iter().zip(all).for_each(|(template, said)| self.learn(template, said));
            }
            (Value::Object(templates), Value::Object(all)) => {
                for (name, template) in templates {
                    if let Some(said) = all.get(name) {
                        self.learn(template, said);
                    }
                }
            }
            _ => {}
        }
    }

    fn name(&mut self, name: &str, said: &Value) {
        self.known.entry(name.into()).or_insert_with(|| said.clone());
    }

    fn map(&mut self, template: &Value, unknown: &mut impl FnMut(&mut Names, &str)) -> Value {
        match template {
            Value::String(name) if is_name(name) => {
                if !self.known.contains_key(name) {
                    unknown(self, name);
                }
                self.known.get(name).unwrap_or(template).clone()
            }
            Value::Array(all) => all.iter().map(|value| self.map(value, unknown)).collect(),
            Value::Object(all) => all.iter().map(|(name, value)| (name.clone(), self.map(value, unknown))).collect(),
            other => other.clone(),
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with('$')
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(sorted).collect(),
        Value::Object(all) => {
            let member = |(name, value): (&String, &Value)| {
                let mut value = sorted(value);
                if let (true, Value::Array(all)) = (UNORDERED.contains(&name.as_str()), &mut value) {
                    all.sort_by_key(Value::to_string);
                }
                (name.clone(), value)
            };
            all.iter().map(member).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_chosen_first_is_held_to() {
        let mut names = Names::default();
        let template = json!({ "sub_ok": { "id": "$a", "sid": "$s" } });
        assert_eq!(names.check(&template, &json!({ "sub_ok": { "id": 4, "sid": 9 } })), Ok(()));
        assert!(names.check(&template, &json!({ "sub_ok": { "id": 4, "sid": 8 } })).is_err());
        assert_eq!(names.filled(&json!({ "unsub": { "id": "$a" } })), json!({ "unsub": { "id": 4 } }));
    }

    #[test]
    fn a_replay_chooses_numbers_that_grow() {
        let mut names = Names::default();
        assert_eq!(names.filled(&json!(["$a", "$b", "$a", "$$c"])), json!([1, 2, 1, "text 3"]));
    }

    #[test]
    fn the_order_of_some_lists_says_nothing_and_all_else_is_exact() {
        let check = |template, said| Names::default().check(&template, &said).is_ok();
        assert!(check(json!({ "tags": ["a", "b"] }), json!({ "tags": ["b", "a"] })));
        assert!(!check(json!({ "keys": ["a", "b"] }), json!({ "keys": ["b", "a"] })));
        assert!(!check(json!({ "a": 1 }), json!({ "a": 1, "b": 2 })));
        assert!(!check(json!({ "a": "$n" }), json!({ "a": "text" })), "a name of a number is no text");
    }
}
