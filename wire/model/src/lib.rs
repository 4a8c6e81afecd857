//! The protocol's rules in a small world, explored exhaustively: every state that two clients, two edges and a few
//! commits can come to, and for each rule what happens without it.
//!
//! **What decides is the product's own code**, so that the model speaks of what runs: `wire::Cursor` judges ranges for
//! clients and edges, `wire::Position::can_resume` is the rule by which hub and store take up a stream,
//! `cache_wasm::fill::Fills` opens, raises and judges fills, `cache_wasm::replica::Replica` holds the conversation about
//! a scope and its position, and `wire::Position::reaches` says which entry is older than a change.
//!
//! **What is modelled beside it**, by hand: a store of lineages (a failover loses its newest commits and uses their
//! offsets again); edges that follow the store's announcements, lag, miss one, keep the last commits in a ring, and
//! reset their followers at a hole; a connection as an ordered queue with the request on its way up and frames on their
//! way down, where what waits merges, one frame may be lost or come again, a record may become a purge of its scope, and
//! what an ended connection still carried may arrive late; and a page's glue (`follow.rs`, `store/put.rs`): an item drops
//! or replaces what is older, a reset purges. A fill is answered as of any position that any lineage ever had, which is
//! what any edge or HTTP cache that lags could say, with the value of there or of one commit later.
//!
//! **What is not**: time, so neither leases nor P2; tags, and scopes in one another; loads of a whole scope; what the
//! application tells by hand; eviction and expiry; earlier visits; sizes and bytes. A fill that is refused is over: the
//! retry is another fill. The bounds are in [`Bounds`], and nothing is claimed beyond them.
//!
//! The switches of [`Rule`] are here and nowhere in the product: a rule is removed by giving the product's code what
//! makes it blind, or by not calling it.

pub mod client;
pub mod edge;
pub mod report;
pub mod rule;
pub mod story;
mod symmetry;
pub mod tally;
pub mod truth;
pub mod world;

pub use report::{Exploration, explore};
pub use rule::Rule;
pub use world::{Bounds, World};
