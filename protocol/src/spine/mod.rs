//! What all parts of x0 share: members, delivery, the audit log, links and their healing.

pub mod audit;
pub mod ballot;
pub mod committee;
pub mod delivery;
pub mod directory;
pub mod healing;
pub mod links;
