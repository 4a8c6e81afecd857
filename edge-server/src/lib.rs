//! edge-server: pulls upstream HTTP APIs, commits what changed, and announces it to every following cache.
//!
//! The modules stand in the order of the pipeline. A stage knows the outputs of the stages before it, never the later
//! ones; `app` joins them. The rules are pure; clocks, sockets and files are in `app`, `pipeline`, `fetch`, `audit::reads`,
//! `ws`, `http` and `main`.

pub mod clock;
pub mod config;
pub mod source;
pub mod sources;

pub mod schedule;

pub mod fetch;

pub mod reconcile;
pub mod validate;

pub mod batch;

pub mod store;

pub mod outbox;
pub mod publish;

pub mod access;
pub mod connection;
pub mod session;
pub mod ws;

pub mod audit;
pub mod prefetch;

pub mod found;
pub mod health;
pub mod http;
pub mod ingest;
pub mod metrics;
pub mod problem;

pub mod app;
pub mod pipeline;
