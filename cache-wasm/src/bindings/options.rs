//! The constructor's options, read member by member: a deserialiser would cost more than all that it reads.

use alloc::format;
use alloc::string::String;

use js_sys::{Array, Reflect};
use wasm_bindgen::{JsCast, JsValue};

use crate::category::{CategoryOptions, Packing};
use crate::evict::Policy;
use crate::manager::Options;

/// Reads `{categories: [{name, max, ...}], maxBytes, seed}`. Whoever calls has checked what a person wrote.
pub(super) fn read(given: &JsValue) -> Result<Options, JsValue> {
    Ok(Options {
        categories: list(given, "categories")?.iter().map(|given| category(&given)).collect::<Result<_, _>>()?,
        max_bytes: required(given, "maxBytes")? as u64,
        token: None,
        seed: required(given, "seed")?.to_bits(),
    })
}

/// The numbers of a category, in the order in which they are read.
const NUMBERS: [&str; 8] =
    ["max", "maxBytes", "minBytes", "maxEntrySize", "ttl", "jitter", "staleIfError", "absentTtl"];

fn category(given: &JsValue) -> Result<CategoryOptions, JsValue> {
    let name = text(given, "name").ok_or_else(|| missing("name"))?;
    let [max, max_bytes, min_bytes, max_entry, ttl, jitter, grace, absent_ttl] =
        NUMBERS.map(|name| number(given, name));
    let plain = CategoryOptions::new(&name, max.ok_or_else(|| missing("max"))? as u32);
    Ok(CategoryOptions {
        max_bytes: max_bytes.map_or(plain.max_bytes, |bytes| bytes as u64),
        min_bytes: min_bytes.map_or(plain.min_bytes, |bytes| bytes as u64),
        max_entry: max_entry.map_or(plain.max_entry, |bytes| bytes as u64),
        ttl: ttl.unwrap_or(plain.ttl),
        jitter: jitter.unwrap_or(plain.jitter),
        grace: grace.unwrap_or(plain.grace),
        absent_ttl: absent_ttl.unwrap_or(plain.absent_ttl),
        pack: if member(given, "pack").as_bool() == Some(false) { Packing::Off } else { Packing::On },
        policy: match text(given, "policy").as_deref() {
            Some("lru") => Policy::Lru,
            Some(_) => Policy::Adaptive,
            None => plain.policy,
        },
        ..plain
    })
}

/// What is not there, or cannot be asked, is `undefined`.
fn member(of: &JsValue, name: &str) -> JsValue {
    Reflect::get(of, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

fn list(of: &JsValue, name: &str) -> Result<Array, JsValue> {
    member(of, name).dyn_into().map_err(|_| missing(name))
}

fn number(of: &JsValue, name: &str) -> Option<f64> {
    member(of, name).as_f64()
}

fn text(of: &JsValue, name: &str) -> Option<String> {
    member(of, name).as_string()
}

fn required(of: &JsValue, name: &str) -> Result<f64, JsValue> {
    number(of, name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> JsValue {
    format!("the option `{name}` is missing, or of another type").into()
}
