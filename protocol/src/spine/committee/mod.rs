//! The committee: seats that agree, entry by entry, on one log that nobody can rewrite.
//!
//! - [`Seats`]: who sits on it, and how many it takes. Of `n` seats `⌊(n−1)/3⌋` may be hostile; fewer than four
//!   seats make no committee.
//! - [`CommitteeLog`]: the log as one seat keeps it. At each height the seats first read their clocks, then one
//!   proposes a block and all vote on it, in rounds, until a quorum has precommitted (Tendermint, `engine`).
//! - [`State`]: what follows from the log: seats, keys, members, admitted acts, rounds of the beacon.
//! - [`Polls`]: the votes among it; [`Cases`]: the reported violations; [`Audits`]: of members' nodes.
//! - [`Schedule`]: which sharings of items a seat finds due to be dealt on; [`Rotations`]: what came of it.
//! - [`Work`]: what a seat does beside it: makes keys with the others, and signs with them what the log says.
//! - [`Trust`]: what every node knows of the committee, seat or not.
//!
//! A height begins when there is something to decide, and at a slow heartbeat, for every block also dates the
//! mesh: its time is the median of a quorum of clocks, and never runs back.
//!
//! *What is safe.* Two blocks are never decided at one height as long as no more seats lie than may. A seat
//! writes down what it is about to sign, and all that led to it, before it signs: after a crash at any moment it
//! says the same again or nothing. What it must not do, sign two different votes in one place, is checked against
//! that journal and not left to the engine.
//!
//! *What is live.* While fewer than a quorum of seats are linked, nothing is decided: safety before liveness.
//! Seats repeat what they said last until the height is decided, so that no lost message holds it up.
//!
//! This module sends, signs and stores nothing: it returns what is [`Todo`].

mod admissions;
mod audits;
mod cases;
mod due;
mod engine;
mod handing;
mod juries;
mod log;
mod making;
mod members;
mod mesh_clock;
mod overrides;
pub mod panel;
mod polls;
mod recovery;
mod revoked;
mod rotations;
mod seats;
mod state;
mod trust;
mod urn;
mod work;

#[cfg(test)]
mod tests;

pub use admissions::Decision;
pub(crate) use admissions::{PASSES_MAX, may_pass, scope_of, too_many_decline};
pub use audits::{Audits, allowed as audit_time, period as audit_period};
pub use cases::{CasePhase, Cases, OpenCase, Timely};
pub use due::{Schedule, term as rotation_term};
pub use handing::{HandingView, OpenPlan, SeatNews};
pub use log::{CommitteeLog, JournalLine, StoredLog, Tip, Todo, Weighed};
pub use making::Keys;
pub use members::Roll;
#[cfg(test)]
pub(crate) use members::tests::roll_of;
pub(crate) use members::{leaf, roll_at};
pub use mesh_clock::Reading;
pub use polls::{Happened, Held, Polls};
pub use recovery::{Recovered, RecoveryView};
pub use rotations::Rotations;
pub use seats::Seats;
pub use state::{Standing, State, cosigners};
pub use trust::{Question, Trust, Unchecked};
pub use urn::Urn;
pub(crate) use work::Taken;
pub use work::{Duty, SecretFor, StoredWork, Work};
