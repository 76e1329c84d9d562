//! The x0 node: one peer of the mesh's rules, driven by a swarm, a store, two clocks and its user.
//!
//! [`runtime`] is the node at work; it keeps what it knows in a [`store`] and is reached through the local
//! [`api`] and the [`dashboard`]. [`cli`] is the program `x0` around it: settings ([`config`]), the
//! [`identity`] file, [`charter`] files, the right to sign for a seat ([`standby`]), logs and traces ([`telemetry`]), numbers about itself ([`metrics`]).
//!
//! No rule of the mesh is decided in this crate: what is valid and allowed is `x0-protocol`'s to say.

pub mod api;
pub mod chain;
pub mod charter;
pub mod cli;
pub mod config;
pub mod dashboard;
pub mod data;
pub mod emergency;
pub mod ethereum_key;
pub mod gateway;
pub mod identity;
pub mod metrics;
pub mod runtime;
pub mod share_keys;
pub mod snapshot;
pub mod standby;
pub mod store;
pub mod sublime;
pub mod telemetry;
mod tls;
pub mod web;
