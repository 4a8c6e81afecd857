//! What a relay promises its tabs and its server: frames in, frames out. That caches behind it keep theirs is shown in
//! `cache-wasm/tests/cache/shared.rs`.

mod bounds;
mod lines;
mod stamps;
mod tabs;
mod world;
