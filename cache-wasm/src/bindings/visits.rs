//! What one visit leaves to the next.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use js_sys::Array;
use wasm_bindgen::prelude::*;

use crate::bindings::{Core, key, message, position, scope, strings, tags, text_of, tuple, whole};
use crate::manager::Record;

#[wasm_bindgen]
impl Core {
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
}
