//! Segments in the browser's own memory, which it takes back when they are dropped.

use alloc::vec::Vec;
use core::fmt;

use js_sys::Uint8Array;

use crate::segments::Backing;

/// One typed array a segment.
#[derive(Default)]
pub(super) struct JsSegments(Vec<Option<Uint8Array>>);

/// Not derived: that would bring the formatting of any JavaScript value.
impl fmt::Debug for JsSegments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsSegments")
    }
}

impl JsSegments {
    fn part(&self, segment: u32, at: u32, length: usize) -> Option<Uint8Array> {
        Some(self.0.get(segment as usize)?.as_ref()?.subarray(at, at + length as u32))
    }
}

impl Backing for JsSegments {
    fn add(&mut self, segment: u32, size: u32) {
        if self.0.len() <= segment as usize {
            self.0.resize(segment as usize + 1, None);
        }
        self.0[segment as usize] = Some(Uint8Array::new_with_length(size));
    }

    fn write(&mut self, segment: u32, at: u32, bytes: &[u8]) {
        if let Some(part) = self.part(segment, at, bytes.len()) {
            part.copy_from(bytes);
        }
    }

    fn read(&self, segment: u32, at: u32, into: &mut [u8]) {
        if let Some(part) = self.part(segment, at, into.len()) {
            part.copy_to(into);
        }
    }

    fn remove(&mut self, segment: u32) {
        if let Some(place) = self.0.get_mut(segment as usize) {
            *place = None;
        }
    }
}
