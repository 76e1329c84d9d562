//! Votes: who may vote on what and how long, what counts, and how anybody checks the result.
//!
//! - [`Terms`]: one proposal's rules, checked. They alone decide an [`Outcome`] from the sums.
//! - [`Poll`]: one vote as the committee log replicates it. Same entries at the same mesh times, same poll.
//! - [`Delegations`]: who lets whom vote in its place, across all votes.
//! - [`tally`]: the counted ballots in order of voter, under a Merkle tree whose nodes carry the sums. A
//!   [`TallyStatement`] names its root; the committee certifies that statement.
//! - [`BallotBundle`]: a counted vote as a file holds it. [`Bundles`]: those that a node keeps for others.
//! - [`recount()`]: counts published leaves again. [`fraud`]: short proofs that a certified statement is false.
//!   [`RefutationTask`]: such a proof as any node checks it, whatever the committee says.
//! - [`Book`]: what a node knows of votes. [`OwnVotes`]: what it has handed in itself.
//! - [`Verdicts`]: what juries decide, gathered by every node for itself.
//! - [`jury`]: the emergency jury, whose signed ballots are their own certificate, and how likely its capture is.
//! - [`sealed`]: choices that nobody can read before the close.
//!
//! What each member sends is in [`crate::wire`]: [`crate::wire::Ballot`], [`crate::wire::Delegation`].
//!
//! Not decided here: who is in the electorate ([`Roll`] answers that), who sits on the committee or jury, and
//! what follows from a result. Votes are not coercion-resistant: a member can show how it voted.

mod book;
mod bundle;
mod check;
mod delegation;
pub mod fraud;
pub mod jury;
mod natural;
mod own;
mod packed;
mod poll;
mod recount;
mod refutation;
pub mod sealed;
pub mod tally;
mod terms;
mod verdicts;

#[cfg(test)]
mod tests;

pub(crate) use book::vote_of;
pub use book::{Book, Heard, Known, NotHeeded, Opening as Announced};
pub use bundle::{BallotBundle, BundleChecked, BundleError, Bundles, pages_of};
pub use check::{RecountTask, Recounted};
pub use delegation::{DelegationRefused, Delegations};
pub use own::{OwnItem, OwnStage, OwnVotes, StoredVotes, VoteWrite};
pub use poll::{Batch, Event, Opening, Phase, Poll, Refused, Taken, VoidReason};
pub use recount::{Basis, LeafFault, Miscount, recount};
pub use refutation::{RefutationTask, Refuted};
pub use tally::{Cast, Leaf, Sums, Tally, TallyStatement};
pub use terms::{
    Electorate, Finality, Kind, Outcome, Roll, Secrecy, Terms, TermsDraft, TermsError,
};
pub use verdicts::{Case, Drawn, Heard as JuryHeard, Verdicts};
