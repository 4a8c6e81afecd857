//! The core as JavaScript calls it: the only module that names `wasm_bindgen`.
//!
//! Names are parsed here, errors become messages, results become small arrays whose first element names their kind.
//! There is no logic: `js/core.ts` declares the same shapes in TypeScript. What a call did to the tables is left in
//! `effects`, cells of memory that JavaScript reads in place after each call.

mod effects;
mod options;
mod reads;
mod runtime;
mod segments;
mod serializer;
mod told;
mod visits;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use js_sys::{Array, Uint8Array};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wire::{Key, Position, Scope, Tag};

use crate::bindings::effects::Effects;
use crate::bindings::segments::JsSegments;
use crate::bindings::serializer::Statistics;
use crate::follow::{Input, Output};
use crate::manager::Manager;
use crate::slots::{MAIL, State};
use crate::store::{Enrolled, Given, Pressure};

fn message(error: impl core::fmt::Display) -> JsValue {
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

/// A version: a whole number that a double holds. What is none is none.
fn whole(version: Option<f64>) -> Option<u64> {
    version.filter(|version| *version >= 0.0).map(|version| version as u64)
}

/// Values are JSON text. What is not UTF-8 came from a fetcher, and shows by its characters that are not ASCII: all of
/// them are replaced.
fn text_of(bytes: Vec<u8>) -> String {
    let replaced = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { char::REPLACEMENT_CHARACTER };
    String::from_utf8(bytes).unwrap_or_else(|error| error.as_bytes().iter().map(replaced).collect())
}

/// The cache's core.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Core {
    manager: Manager,
    effects: Effects,
}

#[wasm_bindgen]
impl Core {
    /// A cache of `{categories: [{name, max, ...}], maxBytes, seed}`; a category's other members are those of
    /// `CategoryOptions` in `js/types.ts`.
    ///
    /// # Errors
    /// A message that says which option is wrong.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue) -> Result<Core, JsValue> {
        let options = options::read(options)?;
        let manager = Manager::new(options, Box::<JsSegments>::default()).map_err(message)?;
        Ok(Core { manager, effects: Effects::default() })
    }

    /// Where the shared tables are in memory: `[capacity, uses, mail, cells of mail, state]`, byte addresses.
    pub fn tables(&self) -> Vec<u32> {
        let slots = self.manager.slots();
        vec![
            slots.capacity(),
            slots.uses.as_ptr() as u32,
            slots.mail.as_ptr() as u32,
            MAIL as u32,
            slots.state.as_ptr() as u32,
        ]
    }

    /// The keys that the effects name, in order, joined by line ends.
    #[wasm_bindgen(js_name = effectKeys)]
    pub fn effect_keys(&self) -> String {
        self.effects.keys()
    }

    /// The effects were repeated.
    #[wasm_bindgen(js_name = effectsTaken)]
    pub fn effects_taken(&mut self) {
        self.effects.clear();
        self.effects.show(self.manager.slots());
    }

    /// Makes what a call did to the tables readable, and passes its result on.
    fn done<T>(&mut self, result: T) -> T {
        self.effects.add(self.manager.take_effects());
        self.effects.show(self.manager.slots());
        let needs = if self.manager.store().needs_upkeep() { 1.0 } else { 0.0 };
        self.manager.slots().tell(State::Upkeep, needs);
        result
    }

    fn mail(&self, at: usize) -> f64 {
        self.manager.slots().mail.get(at).map_or(0.0, core::cell::Cell::get)
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
                changed.observed.map_or(JsValue::UNDEFINED, |at| (at as f64).into()),
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
        self.done(());
    }

    /// The socket brought a message.
    pub fn message(&mut self, bytes: &[u8], now: f64) {
        self.manager.handle(Input::Message(bytes), now);
        self.done(());
    }

    /// The socket is closed.
    pub fn closed(&mut self, code: Option<u16>, now: f64) {
        self.manager.handle(Input::Closed(code), now);
        self.done(());
    }

    /// A timer went off, or the page woke.
    pub fn woke(&mut self, now: f64) {
        self.manager.handle(Input::Woke, now);
        self.done(());
    }

    /// The network is back.
    pub fn online(&mut self, now: f64) {
        self.manager.handle(Input::Online, now);
        self.done(());
    }

    /// What proves, from the next connection on, who follows.
    #[wasm_bindgen(js_name = setToken)]
    pub fn set_token(&mut self, token: Option<String>) {
        self.manager.set_token(token);
    }

    /// Follows a scope: its stream's number.
    ///
    /// # Errors
    /// A message, for a text that is no scope and when too many are followed.
    pub fn follow(&mut self, scope_text: &str, category: Option<u16>, now: f64) -> Result<u16, JsValue> {
        let stream = self.manager.follow(&scope(scope_text)?, category, now).map_err(message);
        self.done(stream)
    }

    /// Ends one following.
    pub fn unfollow(&mut self, stream: u16) {
        self.manager.unfollow(stream);
        self.done(());
    }

    /// Closes the connection.
    pub fn stop(&mut self) {
        self.manager.stop();
        self.done(());
    }

    /// Stores a value that JavaScript keeps, charged with `size` bytes: its slot.
    ///
    /// # Errors
    /// A message, for a text that is no key or tag and for a value that does not fit.
    pub fn put(
        &mut self,
        category: u16,
        key_text: &str,
        size: u32,
        ttl: Option<f64>,
        tag_texts: Option<Vec<String>>,
        now: f64,
    ) -> Result<u32, JsValue> {
        let (key, tags) = (key(key_text)?, tags(tag_texts)?);
        let put = self.manager.set(category, key, Given::Reference(size), ttl, tags, now).map_err(message);
        self.done(put)
    }

    /// Takes note of `count` values that JavaScript has set, `[slot, size, until]` each in the mail, and reserves up to
    /// `reserve` slots, which are then in the mail: how many.
    pub fn enroll(&mut self, category: u16, count: u32, reserve: u32, now: f64) -> u32 {
        let count = (count as usize).min(MAIL / 3);
        let set: Vec<Enrolled> = (0..count)
            .map(|at| Enrolled {
                slot: self.mail(3 * at) as u32,
                size: self.mail(3 * at + 1) as u32,
                until: self.mail(3 * at + 2),
            })
            .collect();
        let reserved = self.manager.enrol(category, &set, reserve.min(MAIL as u32), now);
        for (cell, &slot) in self.manager.slots().mail.iter().zip(&reserved) {
            cell.set(f64::from(slot));
        }
        self.done(reserved.len() as u32)
    }

    /// Names `count` entries that were enrolled: their slots in the mail, their keys joined by line ends.
    pub fn name(&mut self, category: u16, count: u32, keys: &str) {
        for (at, text) in keys.split('\n').take((count as usize).min(MAIL)).enumerate() {
            // Its keys were checked by the same rules when they were set.
            if let Ok(key) = Key::parse(text) {
                self.manager.name(category, self.mail(at) as u32, key);
            }
        }
    }

    /// Why a text is no key, or `undefined` for one that is.
    #[wasm_bindgen(js_name = keyError)]
    pub fn key_error(&self, text: &str) -> Option<String> {
        Key::parse(text).err().map(|error| error.to_string())
    }

    /// Takes the JSON text of a value that JavaScript held alone.
    pub fn settle(&mut self, slot: u32, json: &str, now: f64) {
        self.manager.settle(slot, json.as_bytes(), now);
        self.done(());
    }

    /// A handle holds the slot's entry.
    pub fn hold(&mut self, slot: u32) {
        self.manager.hold(slot);
    }

    /// A handle holds it no more.
    pub fn release(&mut self, slot: u32) {
        self.manager.unhold(slot);
    }

    /// Does a piece of the work that is off the critical path; whether there is more to do at once.
    pub fn upkeep(&mut self, now: f64) -> bool {
        let more = self.manager.upkeep(now);
        self.done(more)
    }

    /// The machine's shortness of memory: 0 for none, 1 for some, 2 for a lot. Whether it is to be said again, so that more
    /// leaves.
    pub fn pressure(&mut self, level: u8, now: f64) -> bool {
        let pressure = match level {
            0 => Pressure::Normal,
            1 => Pressure::Elevated,
            _ => Pressure::Critical,
        };
        let more = self.manager.set_pressure(pressure, now);
        self.done(more)
    }

    /// The JSON text of a slot's value, or `undefined`.
    pub fn payload(&self, slot: u32) -> Option<String> {
        self.manager.store().payload(slot).map(text_of)
    }

    /// Removes a key from a category; whether it was there.
    ///
    /// # Errors
    /// A message, for a text that is no key.
    pub fn delete(&mut self, category: u16, key_text: &str) -> Result<bool, JsValue> {
        let was = self.manager.delete(category, &key(key_text)?);
        Ok(self.done(was))
    }

    /// Empties a category.
    pub fn clear(&mut self, category: u16) {
        self.manager.clear(category);
        self.done(());
    }

    /// Removes a slot's entry if its age has ended.
    pub fn expire(&mut self, slot: u32, now: f64) {
        self.manager.expire(slot, now);
        self.done(());
    }

    /// Invalidates a key in every category.
    ///
    /// # Errors
    /// A message, for a text that is no key.
    #[wasm_bindgen(js_name = invalidateKey)]
    pub fn invalidate_key(&mut self, key_text: &str) -> Result<(), JsValue> {
        self.manager.invalidate_key(&key(key_text)?);
        self.done(Ok(()))
    }

    /// Invalidates a scope.
    ///
    /// # Errors
    /// A message, for a text that is no scope.
    #[wasm_bindgen(js_name = invalidateScope)]
    pub fn invalidate_scope(&mut self, scope_text: &str) -> Result<(), JsValue> {
        self.manager.invalidate_scope(&scope(scope_text)?);
        self.done(Ok(()))
    }

    /// Invalidates a tag.
    ///
    /// # Errors
    /// A message, for a text that is no tag.
    #[wasm_bindgen(js_name = invalidateTag)]
    pub fn invalidate_tag(&mut self, tag_text: &str) -> Result<(), JsValue> {
        self.manager.invalidate_tag(&Tag::parse(tag_text).map_err(message)?);
        self.done(Ok(()))
    }

    /// `CacheStats` of `js/types.ts`, but for what JavaScript counts.
    pub fn stats(&self, now: f64) -> JsValue {
        let Ok(stats) = self.manager.stats(now).serialize(Statistics);
        stats
    }
}
