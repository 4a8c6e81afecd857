//! The core as JavaScript calls it: the only module that names `wasm_bindgen`.
//!
//! Names are parsed here, errors become messages, results become small arrays whose first element names their kind.
//! There is no logic: `js/core.ts` declares the same shapes in TypeScript. What a call did to the tables is left in
//! `effects`, cells of memory that JavaScript reads in place after each call.

mod effects;
mod options;
mod runtime;
mod segments;
mod serializer;

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
use crate::manager::{Answer, Applied, Filled, Loaded, Manager, Record, Told};
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

/// The cache's core.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Core {
    manager: Manager,
    effects: Effects,
}

#[wasm_bindgen]
impl Core {
    /// A cache of `{categories: [{name, max, ...}], maxBytes, token?, seed}`; a category's other members are those of
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

    /// Takes a value that the application heard of, `json`, or that the key has none: its slot, or `undefined` when a
    /// newer version is known.
    ///
    /// # Errors
    /// A message, for a text that is no key or tag and for a value that does not fit.
    #[expect(clippy::too_many_arguments, reason = "an object would cost more to cross than its members")]
    pub fn apply(
        &mut self,
        category: u16,
        key_text: &str,
        json: Option<String>,
        version: Option<f64>,
        ttl: Option<f64>,
        tag_texts: Option<Vec<String>>,
        now: f64,
    ) -> Result<Option<u32>, JsValue> {
        let (key, tags) = (key(key_text)?, tags(tag_texts)?);
        let given = json.map_or(Given::Absent, |json| Given::Bytes(json.into_bytes().into()));
        let told = Told { category, key, given, version: whole(version), ttl, tags };
        let applied = self.manager.apply(told, now).map_err(message);
        Ok(match self.done(applied)? {
            Applied::Stored(slot) => Some(slot),
            Applied::Older => None,
        })
    }

    /// Invalidates what is older than a version of a key; whether there may have been something.
    ///
    /// # Errors
    /// A message, for a text that is no key.
    #[wasm_bindgen(js_name = invalidateVersion)]
    pub fn invalidate_version(&mut self, key_text: &str, version: f64) -> Result<bool, JsValue> {
        let may = self.manager.invalidate_version(&key(key_text)?, version as u64);
        Ok(self.done(may))
    }

    /// What is written of a slot's entry: `[json, seen | undefined, version | undefined, tags]`, or `undefined`.
    pub fn record(&self, slot: u32) -> Option<Array> {
        let Record { bytes, seen, version, tags, .. } = self.manager.record(slot)?;
        let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
        let version = version.map(|version| version as f64);
        Some(tuple(&[
            text_of(bytes.into()).into(),
            seen.map(|seen| seen.to_string()).into(),
            version.into(),
            strings(&tags),
        ]))
    }

    /// Where the followed scopes stand: `[scope, position]` each.
    pub fn positions(&self) -> Array {
        let standing = self.manager.positions().into_iter();
        standing.map(|(scope, at)| tuple(&[scope.as_str().into(), at.to_string().into()])).collect()
    }

    /// Takes up an entry of an earlier visit; whether it was taken.
    ///
    /// # Errors
    /// A message, for a text that is no key or tag and for a value that does not fit.
    #[expect(clippy::too_many_arguments, reason = "an object would cost more to cross than its members")]
    pub fn restore(
        &mut self,
        category: u16,
        key_text: &str,
        json: String,
        seen: Option<String>,
        version: Option<f64>,
        ttl: Option<f64>,
        tag_texts: Option<Vec<String>>,
        now: f64,
    ) -> Result<bool, JsValue> {
        let (key, tags) = (key(key_text)?, tags(tag_texts)?);
        let bytes = json.into_bytes().into();
        let record = Record { category, key, bytes, seen: position(seen), version: whole(version), tags };
        let restored = self.manager.restore(record, ttl, now).map_err(message);
        Ok(self.done(restored)?.is_some())
    }

    /// Remembers where a scope stood on an earlier visit.
    ///
    /// # Errors
    /// A message, for a text that is no scope or position.
    pub fn remember(&mut self, scope_text: &str, at: &str) -> Result<(), JsValue> {
        let position = at.parse().map_err(message)?;
        self.manager.remember(scope(scope_text)?, position);
        Ok(())
    }

    /// Forgets what an earlier visit left and no stream has vouched for.
    #[wasm_bindgen(js_name = forgetUnvouched)]
    pub fn forget_unvouched(&mut self) {
        self.manager.forget_unvouched();
        self.done(());
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
    pub fn stats(&self, now: f64) -> JsValue {
        let Ok(stats) = self.manager.stats(now).serialize(Statistics);
        stats
    }
}
