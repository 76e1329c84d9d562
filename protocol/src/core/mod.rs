//! The contract between a peer and whatever drives it: inputs, effects, time, limits, randomness.

pub mod case;
pub mod command;
pub mod effect;
pub mod emergency;
pub mod event;
pub mod ids;
pub(crate) mod in_flight;
pub mod input;
pub mod inspection;
pub mod job;
pub mod limits;
pub(crate) mod packed;
pub(crate) mod pairs;
pub mod reject;
pub mod rng;
pub mod secret;
pub mod share_tasks;
pub mod sublime;
pub mod time;
pub mod vote;
