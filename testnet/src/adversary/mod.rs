//! An attacker with a member's key: it links to nodes as that member and sends them what its own node would
//! have refused to send.
//!
//! It is what a stolen disk or a patched binary can do, no more: it holds one member's key, and speaks the
//! same protocols. [`forge`] makes tokens that should not be, [`record`] writes records past every check,
//! [`deal`] lies as a guardian, [`foothold`] brings it all to the nodes. Only journeys against nodes of this machine use it.

pub mod deal;
pub mod foothold;
pub mod forge;
pub mod record;
pub mod usurp;
