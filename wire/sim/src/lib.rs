//! The protocol under everything that can go wrong: the real server sessions, hub, outbox and store, the real cache, in
//! one thread and virtual time.
//!
//! A seed makes a [`Plan`], a list of operations; a [`World`] carries it out and holds what every page reads against
//! [`truth`], a plain model of every commit there ever was. Nothing of the product is copied here: the sockets, the HTTP
//! requests and the page's clocks are, and what goes wrong with them.

mod absence;
mod client;
mod clock;
pub mod coverage;
mod fills;
mod invariants;
mod names;
mod network;
pub mod plan;
mod server;
pub mod shrink;
pub mod story;
pub mod truth;
pub mod world;
mod writers;

pub use coverage::Coverage;
pub use plan::Plan;
pub use world::{Tells, Violation, World};
