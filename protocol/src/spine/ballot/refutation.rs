//! Proofs against certified tallies as every node takes them.
//!
//! A committee of which a quorum is hostile does not void what it has certified itself. Therefore a proof travels to all
//! nodes as a record, together with the certificate that it refutes, and each node checks it alone: the rules of the
//! vote it knows from the opening, and of those who can vote the record shows the one that the proof speaks of. A vote
//! for which a false tally was certified decides nothing any more at whoever has seen the proof, whatever else its
//! committee certifies of it.

use x0_crypto::{ContentId, PublicKey};

use super::{
    Basis, TallyStatement,
    fraud::{Fraud, NotFraud},
    terms::Roll,
};
use crate::{
    spine::{
        audit::tree::Hash,
        beacon::stands,
        committee::{Question, Seats},
    },
    wire::{Electorate, Placed, Refutation, VoteOpened, VoteProposal, encode_entry},
};

/// A proof to be checked, outside the peer's own turn.
#[derive(Clone, Debug)]
pub struct RefutationTask {
    /// The mesh.
    pub mesh: ContentId,
    /// The committee.
    pub seats: Seats,
    /// The proposal.
    pub proposal: VoteProposal,
    /// What the committee says of its opening.
    pub opened: VoteOpened,
    /// The jury, if one decides.
    pub jury: Vec<PublicKey>,
    /// What it says was counted.
    pub statement: TallyStatement,
    /// Whether it said so at all.
    pub certificate: Question,
    /// The proof.
    pub refutation: Refutation,
}

/// A certified tally that was found false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refuted {
    /// The encoded proof.
    pub fraud: Vec<u8>,
    /// Those who can vote, as far as the proof needs them shown.
    pub electors: Vec<Placed>,
}

impl RefutationTask {
    /// Names the question: the same question has the same answer everywhere.
    pub fn name(&self) -> ContentId {
        let (certificate, seats) = (self.certificate.name(), self.seats.keys());
        ContentId::of(&encode_entry(&(
            "refutation",
            certificate,
            seats,
            &self.opened,
            &self.refutation,
        )))
    }

    /// Tells whether the committee has certified the tally, and the proof shows that it is false.
    pub fn holds(&self) -> bool {
        self.certificate.holds() && self.check().is_ok()
    }

    /// Checks the proof against the statement.
    ///
    /// # Errors
    ///
    /// Returns why it proves nothing.
    pub fn check(&self) -> Result<(), NotFraud> {
        let Self {
            mesh,
            seats,
            proposal,
            opened,
            jury,
            statement,
            certificate: _,
            refutation,
        } = self;
        let terms = proposal
            .rules
            .terms(opened.proposal, opened.opened, opened.electorate)
            .map_err(|_| NotFraud::NotOpenToChallenge)?;
        let fraud = Fraud::from_bytes(&refutation.fraud).map_err(|_| NotFraud::Misplaced)?;
        let roll = Shown {
            opened,
            jury,
            electors: &refutation.electors,
            unshown: fraud.holds_unless_member(),
        };
        let basis = Basis {
            mesh,
            terms: &terms,
            seats,
            roll: &roll,
        };
        fraud.verify(&basis, statement)
    }
}

/// Those who can vote, of whom only some are shown.
struct Shown<'a> {
    opened: &'a VoteOpened,
    jury: &'a [PublicKey],
    electors: &'a [Placed],
    /// What is taken of a key of which nothing is shown: that by which the proof fails.
    unshown: bool,
}

impl Roll for Shown<'_> {
    fn contains(&self, key: &PublicKey) -> bool {
        if !self.jury.is_empty() {
            return self.jury.binary_search(key).is_ok();
        }
        let electorate = Electorate {
            root: Hash(self.opened.electorate.members_root),
            count: self.opened.electorate.count,
            subtrees: 0,
        };
        let shown: Vec<_> = self
            .electors
            .iter()
            .filter(|placed| stands(placed, &electorate))
            .map(|placed| (placed.place, placed.elector.key))
            .collect();
        if shown.iter().any(|(_, shown)| shown == key) {
            return true;
        }
        let is_absent = match shown[..] {
            [(place, one)] => {
                let is_last = place.checked_add(1) == Some(electorate.count);
                (place == 0 && *key < one) || (is_last && one < *key)
            }
            [(place, before), (next, after)] => {
                place.checked_add(1) == Some(next) && before < *key && *key < after
            }
            _ => false,
        };
        !is_absent && self.unshown
    }
}
