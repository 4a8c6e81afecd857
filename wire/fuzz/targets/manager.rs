//! Any sequence of frames, answers and calls into the cache's core.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../cache-wasm/tests/cache/mirror.rs"]
mod mirror;
#[path = "../../../cache-wasm/tests/cache/operations.rs"]
mod operations;

fuzz_target!(|bytes: &[u8]| operations::run(bytes));
