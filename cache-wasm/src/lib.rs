//! The core of ConsolidatedCacheManager, a browser cache that never returns a value older than a change it was told of.
//!
//! Pure Rust, sans-IO: bytes, time and randomness are arguments, so the whole cache runs natively in tests. `bindings`,
//! built for WebAssembly alone, is the only module that names `wasm_bindgen`; the npm package around it is in `js/`.

#![cfg_attr(not(test), no_std)]

extern crate alloc;
#[cfg(not(target_arch = "wasm32"))]
extern crate std;

pub mod backoff;
pub mod balance;
pub mod budget;
pub mod category;
pub mod evict;
pub mod fill;
pub mod follow;
pub mod ghost;
pub mod growth;
pub mod index;
pub mod manager;
pub mod pack;
pub mod pool;
pub mod prefetch;
pub mod recency;
pub mod recent;
pub mod replica;
pub mod segments;
pub mod session;
pub mod slots;
pub mod stats;
pub mod store;
pub mod subs;
pub mod tags;

#[cfg(target_arch = "wasm32")]
pub mod bindings;

pub use category::CategoryOptions;
pub use evict::Policy;
pub use follow::{Changed, Input, Output};
pub use manager::{Answer, Applied, Filled, Loaded, Manager, ManagerError, Options, Record, Told};
pub use store::{Effect, Enrolled, Given, Pressure, PutError, Reason};
