//! The core as JavaScript calls it: the only module that names `wasm_bindgen`.
//!
//! Names are parsed here, errors become messages, results become small arrays whose first element names their kind.
//! There is no logic: `js/core.ts` declares the same shapes in TypeScript.

use js_sys::{Array, Uint8Array};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use wire::{Key, Position, Scope, Tag};

use crate::category::CategoryOptions;
use crate::follow::{Input, Output};
use crate::manager::{Answer, Filled, Loaded, Manager, Options};
use crate::store::{Effect, Given};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsCategory {
    name: String,
    max: u32,
    max_bytes: Option<f64>,
    ttl: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsOptions {
    categories: Vec<JsCategory>,
    max_bytes: f64,
    token: Option<String>,
    seed: f64,
}

fn message(error: impl std::fmt::Display) -> JsValue {
    JsValue::from_str(&error.to_string())
}

fn key(text: &str) -> Result<Key, JsValue> {
    Key::parse(text).map_err(message)
}

fn scope(text: &str) -> Result<Scope, JsValue> {
    Scope::parse(text).map_err(message)
}

fn tags(texts: Option<Vec<String>>) -> Result<Vec<Tag>, JsValue> {
    texts.unwrap_or_default().iter().map(|text| Tag::parse(text).map_err(message)).collect()
}

/// A position from a header; one that cannot be read is none, and a followed key then refuses the answer.
fn position(text: Option<String>) -> Option<Position> {
    text?.parse().ok()
}

fn strings(texts: &[String]) -> JsValue {
    texts.iter().map(JsValue::from).collect::<Array>().into()
}

fn tuple(parts: &[JsValue]) -> Array {
    parts.iter().collect()
}

/// The cache's core.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Core {
    manager: Manager,
}

#[wasm_bindgen]
impl Core {
    /// A cache of `{categories: [{name, max, maxBytes?, ttl?}], maxBytes, token?, seed}`.
    ///
    /// # Errors
    /// A message that says which option is wrong.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue) -> Result<Core, JsValue> {
        let options: JsOptions = serde_wasm_bindgen::from_value(options).map_err(message)?;
        let categories = options.categories.into_iter().map(|category| CategoryOptions {
            name: category.name,
            max: category.max,
            max_bytes: category.max_bytes.map_or(u64::MAX, |bytes| bytes as u64),
            ttl: category.ttl.unwrap_or(f64::INFINITY),
        });
        let options = Options {
            categories: categories.collect(),
            max_bytes: options.max_bytes as u64,
            token: options.token,
            seed: options.seed.to_bits(),
        };
        Ok(Core { manager: Manager::new(options).map_err(message)? })
    }

    /// Where the tables are in memory: `[capacity, expires, uses, stream, lease, leases, tick]`, byte addresses.
    pub fn tables(&self) -> Vec<u32> {
        let slots = self.manager.slots();
        vec![
            slots.capacity(),
            slots.expires.as_ptr() as u32,
            slots.uses.as_ptr() as u32,
            slots.stream.as_ptr() as u32,
            slots.lease.as_ptr() as u32,
            slots.lease.len() as u32,
            slots.tick.as_ptr() as u32,
        ]
    }

    /// What the index must repeat, flat and in order: `0, slot, reason` or `1, slot, category, key`.
    pub fn effects(&mut self) -> Array {
        let flat = Array::new();
        for effect in self.manager.take_effects() {
            match effect {
                Effect::Removed(slot, reason) => {
                    for number in [0, slot, reason.code()] {
                        flat.push(&number.into());
                    }
                }
                Effect::Stored(slot, category, key) => {
                    for number in [1, slot, u32::from(category)] {
                        flat.push(&number.into());
                    }
                    flat.push(&key.as_str().into());
                }
            }
        }
        flat
    }

    /// What is to be done next, or `undefined`.
    pub fn poll(&mut self) -> Option<Array> {
        Some(match self.manager.poll()? {
            Output::Connect => tuple(&["connect".into()]),
            Output::Send(bytes) => tuple(&["send".into(), Uint8Array::from(&*bytes).into()]),
            Output::Disconnect(code, why) => tuple(&["disconnect".into(), code.into(), why.into()]),
            Output::State(state, detail) => tuple(&["state".into(), state.into(), detail.into()]),
            Output::Changed(stream, changed) => tuple(&[
                "changed".into(),
                stream.into(),
                strings(&changed.values),
                strings(&changed.changed),
                strings(&changed.gone),
                changed.purged.into(),
            ]),
        })
    }

    /// When to call `woke`, or `undefined`.
    #[wasm_bindgen(js_name = pollTimeout)]
    pub fn poll_timeout(&self) -> Option<f64> {
        self.manager.poll_timeout()
    }

    /// The socket is open.
    pub fn opened(&mut self, now: f64) {
        self.manager.handle(Input::Opened, now);
    }

    /// The socket brought a message.
    pub fn message(&mut self, bytes: &[u8], now: f64) {
        self.manager.handle(Input::Message(bytes), now);
    }

    /// The socket is closed.
    pub fn closed(&mut self, code: Option<u16>, now: f64) {
        self.manager.handle(Input::Closed(code), now);
    }

    /// A timer went off, or the page woke.
    pub fn woke(&mut self, now: f64) {
        self.manager.handle(Input::Woke, now);
    }

    /// The network is back.
    pub fn online(&mut self, now: f64) {
        self.manager.handle(Input::Online, now);
    }

    /// Follows a scope: its stream's number.
    ///
    /// # Errors
    /// A message, for a text that is no scope and when too many are followed.
    pub fn follow(&mut self, scope_text: &str, category: Option<u16>, now: f64) -> Result<u16, JsValue> {
        self.manager.follow(&scope(scope_text)?, category, now).map_err(message)
    }

    /// Ends one following.
    pub fn unfollow(&mut self, stream: u16) {
        self.manager.unfollow(stream);
    }

    /// Closes the connection.
    pub fn stop(&mut self) {
        self.manager.stop();
    }

    /// Stores a value: its slot.
    ///
    /// # Errors
    /// A message, for a text that is no key or tag and for a value that does not fit.
    pub fn set(
        &mut self,
        category: u16,
        key_text: &str,
        json: String,
        ttl: Option<f64>,
        tag_texts: Option<Vec<String>>,
        now: f64,
    ) -> Result<u32, JsValue> {
        let (key, tags) = (key(key_text)?, tags(tag_texts)?);
        self.manager.set(category, key, Given::Bytes(json.into_bytes().into()), ttl, tags, now).map_err(message)
    }

    /// The JSON text of a slot's value, or `undefined`.
    pub fn payload(&self, slot: u32) -> Option<String> {
        self.manager.store().payload(slot).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Removes a key from a category; whether it was there.
    ///
    /// # Errors
    /// A message, for a text that is no key.
    pub fn delete(&mut self, category: u16, key_text: &str) -> Result<bool, JsValue> {
        Ok(self.manager.delete(category, &key(key_text)?))
    }

    /// Empties a category.
    pub fn clear(&mut self, category: u16) {
        self.manager.clear(category);
    }

    /// Removes a slot's entry if its age has ended.
    pub fn expire(&mut self, slot: u32, now: f64) {
        self.manager.expire(slot, now);
    }

    /// Invalidates a key in every category.
    ///
    /// # Errors
    /// A message, for a text that is no key.
    #[wasm_bindgen(js_name = invalidateKey)]
    pub fn invalidate_key(&mut self, key_text: &str) -> Result<(), JsValue> {
        self.manager.invalidate_key(&key(key_text)?);
        Ok(())
    }

    /// Invalidates a scope.
    ///
    /// # Errors
    /// A message, for a text that is no scope.
    #[wasm_bindgen(js_name = invalidateScope)]
    pub fn invalidate_scope(&mut self, scope_text: &str) -> Result<(), JsValue> {
        self.manager.invalidate_scope(&scope(scope_text)?);
        Ok(())
    }

    /// Invalidates a tag.
    ///
    /// # Errors
    /// A message, for a text that is no tag.
    #[wasm_bindgen(js_name = invalidateTag)]
    pub fn invalidate_tag(&mut self, tag_text: &str) -> Result<(), JsValue> {
        self.manager.invalidate_tag(&Tag::parse(tag_text).map_err(message)?);
        Ok(())
    }

    /// Begins to read a key: `[ticket, min | undefined]`.
    ///
    /// # Errors
    /// A message, for a text that is no key.
    #[wasm_bindgen(js_name = beginFill)]
    pub fn begin_fill(&mut self, category: u16, key_text: &str) -> Result<Array, JsValue> {
        let (ticket, min) = self.manager.begin_fill(category, key(key_text)?);
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
    pub fn end_fill(
        &mut self,
        ticket: u32,
        as_of: Option<String>,
        bytes: Option<Vec<u8>>,
        tag_texts: Option<Vec<String>>,
        ttl: Option<f64>,
        now: f64,
    ) -> Result<Array, JsValue> {
        let tags = tags(tag_texts).inspect_err(|_| self.manager.abandon_fill(ticket))?;
        let answer = Answer { as_of: position(as_of), bytes: bytes.map(Vec::into_boxed_slice), tags, ttl };
        Ok(match self.manager.end_fill(ticket, answer, now) {
            Filled::Stored(slot) => tuple(&["stored".into(), slot.into()]),
            Filled::Absent => tuple(&["absent".into()]),
            Filled::Delivered => tuple(&["delivered".into()]),
            Filled::Retry(min) => tuple(&["retry".into(), min.map(|min| min.to_string()).into()]),
            Filled::Unfenced => tuple(&["unfenced".into()]),
            Filled::Ended => tuple(&["ended".into()]),
            Filled::TooLarge => tuple(&["tooLarge".into()]),
        })
    }

    /// Ends a scope's fill: `["kept", keys, late]`, `["retry", min | undefined]`, `["malformed", why]`.
    #[wasm_bindgen(js_name = endLoad)]
    pub fn end_load(&mut self, ticket: u32, as_of: Option<String>, body: &[u8], now: f64) -> Array {
        match self.manager.end_load(ticket, position(as_of), body, now) {
            Loaded::Kept { keys, late } => tuple(&["kept".into(), strings(&keys), strings(&late)]),
            Loaded::Retry(min) => tuple(&["retry".into(), min.map(|min| min.to_string()).into()]),
            Loaded::Malformed(why) => tuple(&["malformed".into(), why.into()]),
        }
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

    /// `CacheStats` of `js/types.ts`, but for what JavaScript counts.
    ///
    /// # Errors
    /// None in practice: numbers below 2^53 and strings.
    pub fn stats(&self, now: f64) -> Result<JsValue, JsValue> {
        let serializer = serde_wasm_bindgen::Serializer::new().serialize_maps_as_objects(true);
        self.manager.stats(now).serialize(&serializer).map_err(message)
    }
}
