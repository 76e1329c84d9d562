//! The recount of a certified vote by any node: everything it takes, and what it finds.

use std::sync::Arc;

use x0_crypto::{ContentId, PublicKey};

use super::{
    Basis, Leaf, Outcome, Refuted, TallyStatement,
    fraud::{Receipted, find_fraud},
    recount,
    tally::Tree,
};
use crate::{
    spine::committee::{Roll, Seats},
    wire::{Elector, VoteOpened, VoteProposal, jury_electorate},
};

/// A recount to be done, outside the peer's own turn.
#[derive(Clone, Debug)]
pub struct RecountTask {
    /// The mesh.
    pub mesh: ContentId,
    /// The committee.
    pub seats: Seats,
    /// The proposal.
    pub proposal: VoteProposal,
    /// What the committee says of its opening.
    pub opened: VoteOpened,
    /// What it says was counted.
    pub statement: TallyStatement,
    /// Those who could vote, as the seats name them; none where a jury decides.
    pub electors: Arc<Vec<Elector>>,
    /// The jury, if one decides.
    pub jury: Vec<PublicKey>,
    /// The counted ballots, as the seats publish them.
    pub leaves: Arc<Vec<Leaf>>,
    /// This node's own ballots, with their receipts.
    pub held: Vec<Receipted>,
}

/// What a recount finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recounted {
    /// It comes to the same.
    Same(Outcome),
    /// The certified tally is false.
    False(Box<Refuted>),
    /// What is published is not what was certified: the tally must not be relied on.
    NotPublished(String),
}

impl RecountTask {
    /// Counts again.
    pub fn run(self) -> Recounted {
        let Self {
            mesh,
            seats,
            proposal,
            opened,
            statement,
            electors,
            jury,
            leaves,
            held,
        } = self;
        let members = Roll::of_electors(Arc::unwrap_or_clone(electors));
        let is_electorate = if jury.is_empty() {
            let of = members.electorate();
            (of.root.0, of.count) == (opened.electorate.members_root, opened.electorate.count)
        } else {
            jury_electorate(&jury) == opened.electorate
        };
        if !is_electorate {
            let why = "those who could vote are not as certified".to_owned();
            return Recounted::NotPublished(why);
        }
        let terms = proposal
            .rules
            .terms(opened.proposal, opened.opened, opened.electorate);
        let Ok(terms) = terms else {
            return Recounted::NotPublished("the rules are out of range".to_owned());
        };
        let can_vote =
            |key: &PublicKey| jury.binary_search(key).is_ok() || members.place_of(key).is_some();
        let basis = Basis {
            mesh: &mesh,
            terms: &terms,
            seats: &seats,
            roll: &can_vote,
        };
        let leaves = leaves.as_slice();
        let counted = recount(&basis, leaves);
        if held.is_empty() && counted.as_ref() == Ok(&statement.tally) {
            let outcome = terms.outcome(&statement.tally.sums);
            if outcome == statement.outcome {
                return Recounted::Same(outcome);
            }
        }
        match find_fraud(&basis, &statement, (leaves, &Tree::of(leaves)), &held) {
            Ok(Some(fraud)) => Recounted::False(Box::new(Refuted {
                fraud: fraud.to_bytes(),
                electors: fraud
                    .member()
                    .map(|member| members.around(&member))
                    .unwrap_or_default(),
            })),
            Ok(None) => Recounted::Same(statement.outcome),
            Err(error) => Recounted::NotPublished(match counted {
                Err(miscount) => miscount.to_string(),
                Ok(_) => error.to_string(),
            }),
        }
    }
}
