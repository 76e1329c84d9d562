//! Peers in one thread, joined by a network that delivers at once: what a mesh does, by behaviour.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod acts;
mod admission;
mod audits;
mod chain;
mod charter;
mod committee;
mod convergence;
mod countersigning;
mod emergency;
mod erasure;
mod guardians;
mod halt;
mod handover;
mod joining;
mod jury;
mod mesh_time;
mod multi_sig;
mod overrides;
mod overrides_wide;
mod proposing;
mod pulling;
mod recovery;
mod rotation;
mod sealed;
mod stem;
mod sublime;
mod trustees;
mod violations;
mod votes;
mod world;
