//! The inner loops of the browser cache: a hash table, and LZ4.
//!
//! A crate of its own because a profile sets the optimisation by crate: these few functions are built for speed, the
//! rest of the module for size. What is generic, or `#[inline]`, is built in the crate that uses it: nothing here is.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod lz4;
pub mod table;

pub use table::{Table, hash_bytes, hash_of};
