//! What all parts of x0 share: members, delivery, the audit log, the committee and its beacon, links and their healing.

pub mod audit;
pub mod ballot;
pub mod beacon;
pub mod committee;
pub mod delivery;
pub mod directory;
pub mod erasure;
pub mod halt;
pub mod healing;
pub mod ledger;
pub mod links;
pub mod public_log;
