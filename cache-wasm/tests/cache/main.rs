//! What the cache promises, tested on its core: frames in, reads out, in virtual time.
//!
//! `page` is a browser page without a browser and `server` a model of the other end. The rules R1 to R7 and the
//! promises P1 to P5 that test names and comments refer to are those of `wire/README.md`.

mod ahead;
mod coherence;
mod connection;
mod crowd;
mod eviction;
mod fills;
mod hostile;
mod leases;
mod loads;
mod mirror;
mod operations;
mod oracle;
mod order;
mod overlap;
mod page;
mod resets;
mod scopes;
mod server;
mod shared;
mod shared_oracle;
mod steps;
mod store;
mod store_model;
mod tokens;
mod told;
mod transcripts;
mod visits;
