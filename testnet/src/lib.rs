//! Meshes of real `x0` processes on this machine, and the stories they have to live through.
//!
//! [`mesh`] starts and stops processes, [`journeys`] are stories with an account and an end that is good or
//! bad, [`tour`] tells them all to somebody new, [`table`] watches a mesh. [`tor_network`] is a Tor network for
//! stories that want one. Attackers ([`adversary`]) are a program of their own, `x0-adversary`, and never a flag
//! of `x0`.
//!
//! Nothing here knows a rule of the mesh: what a story sees, it asks the nodes by their own API. All traffic
//! stays on the loopback. A story waits for what it can observe, with a deadline, and never just for a while.

pub mod account;
pub mod adversary;
pub mod arlocal;
pub mod journeys;
pub mod measure;
pub mod mesh;
pub mod node;
pub mod onion;
pub mod ports;
pub mod programs;
pub mod relay;
pub mod sockets;
pub mod table;
pub mod tor_access;
pub mod tor_network;
pub mod tour;
pub mod wait;
