//! Reads through, and ahead.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use js_sys::Array;
use wasm_bindgen::prelude::*;
use wire::Key;

use crate::bindings::{Core, key, message, position, scope, strings, tags, text_of, tuple, whole};
use crate::manager::{Answer, Filled, Loaded};

fn filled_parts(filled: &Filled) -> Vec<JsValue> {
    match filled {
        Filled::Stored(slot) => vec!["stored".into(), (*slot).into()],
        Filled::Absent => vec!["absent".into()],
        Filled::Delivered => vec!["delivered".into()],
        Filled::Retry(min) => vec!["retry".into(), min.map(|min| min.to_string()).into()],
        Filled::Unfenced => vec!["unfenced".into()],
        Filled::Ended => vec!["ended".into()],
        Filled::TooLarge => vec!["tooLarge".into()],
    }
}

fn loaded_parts(loaded: Loaded) -> Array {
    match loaded {
        Loaded::More => tuple(&["more".into()]),
        Loaded::Kept { keys, late } => tuple(&["kept".into(), strings(&keys), strings(&late)]),
        Loaded::Retry(min) => tuple(&["retry".into(), min.map(|min| min.to_string()).into()]),
        Loaded::Malformed(why) => tuple(&["malformed".into(), why.into()]),
    }
}

#[wasm_bindgen]
impl Core {
    /// Begins to read a key: `[ticket, min | undefined]`.
    ///
    /// # Errors
    /// A message, for a text that is no key.
    #[wasm_bindgen(js_name = beginFill)]
    pub fn begin_fill(&mut self, category: u16, key_text: &str) -> Result<Array, JsValue> {
        let (ticket, min) = self.manager.begin_fill(category, key(key_text)?);
        Ok(tuple(&[ticket.into(), min.map(|min| min.to_string()).into()]))
    }

    /// Begins to read a key that nobody has asked for yet: `[ticket, min | undefined]`.
    ///
    /// # Errors
    /// A message, for a text that is no key.
    #[wasm_bindgen(js_name = beginPrefetch)]
    pub fn begin_prefetch(&mut self, category: u16, key_text: &str) -> Result<Array, JsValue> {
        let (ticket, min) = self.manager.begin_prefetch(category, key(key_text)?);
        Ok(tuple(&[ticket.into(), min.map(|min| min.to_string()).into()]))
    }

    /// Begins to read a scope: `[ticket, min | undefined]`.
    ///
    /// # Errors
    /// A message, for a text that is no scope.
    #[wasm_bindgen(js_name = beginLoad)]
    pub fn begin_load(&mut self, category: u16, scope_text: &str) -> Result<Array, JsValue> {
        let (ticket, min) = self.manager.begin_load(category, scope(scope_text)?);
        Ok(tuple(&[ticket.into(), min.map(|min| min.to_string()).into()]))
    }

    /// Ends a fill without an answer.
    #[wasm_bindgen(js_name = abandonFill)]
    pub fn abandon_fill(&mut self, ticket: u32) {
        self.manager.abandon_fill(ticket);
    }

    /// Ends a fill: `["stored", slot]`, `["absent"]`, `["delivered"]`, `["retry", min | undefined]`, `["unfenced"]`,
    /// `["ended"]`, `["tooLarge"]`.
    ///
    /// # Errors
    /// A message, for a text that is no tag.
    #[wasm_bindgen(js_name = endFill)]
    #[expect(clippy::too_many_arguments, reason = "an object would cost more to cross than its members")]
    pub fn end_fill(
        &mut self,
        ticket: u32,
        as_of: Option<String>,
        version: Option<f64>,
        bytes: Option<Vec<u8>>,
        tag_texts: Option<Vec<String>>,
        ttl: Option<f64>,
        now: f64,
    ) -> Result<Array, JsValue> {
        let tags = tags(tag_texts).inspect_err(|_| self.manager.abandon_fill(ticket))?;
        let bytes = bytes.map(Vec::into_boxed_slice);
        let answer = Answer { as_of: position(as_of), version: whole(version), bytes, tags, ttl };
        let filled = self.manager.end_fill(ticket, answer, now);
        Ok(tuple(&filled_parts(&self.done(filled))))
    }

    /// Ends fills with the answer for all of them: for each that it names `[ticket, json | undefined, ...]`, and what
    /// `endFill` gives. The JSON text is there when the value is for who asked and not stored.
    ///
    /// # Errors
    /// A message, for bytes that are no such answer.
    #[wasm_bindgen(js_name = endFills)]
    pub fn end_fills(&mut self, tickets: &[u32], body: &[u8], now: f64) -> Result<Array, JsValue> {
        let parts = self.manager.end_fills(tickets, body, now).map_err(message);
        let parts = self.done(parts)?.into_iter().map(|(ticket, filled, bytes)| {
            let mut part = vec![ticket.into(), bytes.map(|bytes| text_of(bytes.into())).into()];
            part.extend(filled_parts(&filled));
            tuple(&part)
        });
        Ok(parts.collect())
    }

    /// Takes the next bytes of a scope's answer: `["more"]`, `["retry", min | undefined]`, `["malformed", why]`.
    #[wasm_bindgen(js_name = feedLoad)]
    pub fn feed_load(&mut self, ticket: u32, as_of: Option<String>, bytes: &[u8], now: f64) -> Array {
        let loaded = self.manager.feed_load(ticket, position(as_of), bytes, now);
        loaded_parts(self.done(loaded))
    }

    /// Ends a scope's fill, all of whose answer was fed: `["kept", keys, late]`, or as `feedLoad`.
    #[wasm_bindgen(js_name = endLoad)]
    pub fn end_load(&mut self, ticket: u32, as_of: Option<String>) -> Array {
        let loaded = self.manager.end_load(ticket, position(as_of));
        loaded_parts(self.done(loaded))
    }

    /// Whether a fill of this key would have to wait for its stream's first word.
    ///
    /// # Errors
    /// A message, for a text that is no key.
    #[wasm_bindgen(js_name = isPending)]
    pub fn is_pending(&self, key_text: &str) -> Result<bool, JsValue> {
        Ok(self.manager.is_pending(&key(key_text)?))
    }

    /// The same for a scope.
    ///
    /// # Errors
    /// A message, for a text that is no scope.
    #[wasm_bindgen(js_name = isScopePending)]
    pub fn is_scope_pending(&self, scope_text: &str) -> Result<bool, JsValue> {
        Ok(self.manager.is_scope_pending(&scope(scope_text)?))
    }

    /// A key of a category was read: the keys that are worth fetching now.
    ///
    /// # Errors
    /// A message, for a text that is no key.
    #[wasm_bindgen(js_name = readAhead)]
    pub fn read_ahead(&mut self, category: u16, key_text: &str) -> Result<Option<Vec<String>>, JsValue> {
        let keys = self.manager.read_ahead(category, &key(key_text)?);
        Ok((!keys.is_empty()).then(|| keys.iter().map(ToString::to_string).collect()))
    }

    /// Takes over what all readers do after a key: keys and how often each was next, of so many reads in all.
    ///
    /// # Errors
    /// A message, for a text that is no key.
    pub fn teach(&mut self, context: &str, total: u32, keys: Vec<String>, counts: &[u32]) -> Result<(), JsValue> {
        let next = keys.into_iter().zip(counts).map(|(text, &count)| Ok((key(&text)?, count)));
        let next = next.collect::<Result<Vec<(Key, u32)>, JsValue>>()?;
        self.manager.teach(key(context)?, total, &next);
        Ok(())
    }
}
