//! What the application feeds by hand.

use alloc::string::String;
use alloc::vec::Vec;

use wasm_bindgen::prelude::*;

use crate::bindings::{Core, key, message, tags, whole};
use crate::manager::{Applied, Told};
use crate::store::Given;

#[wasm_bindgen]
impl Core {
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
}
