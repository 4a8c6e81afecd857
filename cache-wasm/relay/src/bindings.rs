//! The relay as JavaScript calls it: the only module that names `wasm_bindgen`. `js/relay-host.ts` declares the same
//! shapes in TypeScript.

mod runtime;

use alloc::string::String;

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::{Output, TabId};

fn tuple(parts: &[JsValue]) -> Array {
    parts.iter().collect()
}

/// One connection for all tabs.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Relay(crate::Relay);

#[wasm_bindgen]
impl Relay {
    /// A relay for the tabs of a token.
    #[wasm_bindgen(constructor)]
    pub fn new(token: Option<String>) -> Relay {
        Relay(crate::Relay::new(token))
    }

    /// What is to be done next, or `undefined`.
    pub fn poll(&mut self) -> Option<Array> {
        Some(match self.0.poll()? {
            Output::Connect => tuple(&["connect".into()]),
            Output::Send(bytes) => tuple(&["send".into(), Uint8Array::from(&*bytes).into()]),
            Output::Disconnect(code, why) => tuple(&["disconnect".into(), code.into(), why.into()]),
            Output::Opened(tab) => tuple(&["opened".into(), tab.into()]),
            Output::Tell(tab, bytes) => tuple(&["message".into(), tab.into(), Uint8Array::from(&*bytes).into()]),
            Output::Closed(tab, code) => tuple(&["closed".into(), tab.into(), code.into()]),
            Output::Alone(tab) => tuple(&["alone".into(), tab.into()]),
        })
    }

    /// A tab opens a connection.
    pub fn join(&mut self, tab: TabId, now: f64) {
        self.0.join(tab, now);
    }

    /// A tab closed its connection, or is gone.
    pub fn leave(&mut self, tab: TabId, now: f64) {
        self.0.leave(tab, now);
    }

    /// A tab has processed messages.
    pub fn acknowledged(&mut self, tab: TabId, messages: u32, bytes: u32) {
        self.0.acknowledged(tab, messages, bytes);
    }

    /// A tab sent a message.
    #[wasm_bindgen(js_name = tabMessage)]
    pub fn tab_message(&mut self, tab: TabId, bytes: &[u8], now: f64) {
        self.0.tab_message(tab, bytes, now);
    }

    /// The socket is open.
    pub fn opened(&mut self, now: f64) {
        self.0.opened(now);
    }

    /// The socket brought a message.
    pub fn message(&mut self, bytes: &[u8], now: f64) {
        self.0.message(bytes, now);
    }

    /// The socket is closed.
    pub fn closed(&mut self, code: Option<u16>) {
        self.0.closed(code);
    }
}
