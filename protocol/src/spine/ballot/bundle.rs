//! The counted ballots of a vote with all it takes to count them again, as nodes keep and files hold them.
//!
//! The name of the ballots is the root of the tree over them, which the committee certifies. Pages of them are whole
//! parts of that tree, so that each is checked alone and may come from anybody.
//!
//! A file also holds the records by which the committee's keys follow from the genesis. So it is checked without a node
//! and without a network; what is left to compare by eye is the name of the mesh.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use x0_crypto::{ContentId, PublicKey};

use super::{
    Leaf, RecountTask, Recounted, TallyStatement,
    tally::{Node, TallyBuilder},
};
use crate::{
    core::limits::{
        BUNDLE_BALLOTS_MAX, BUNDLE_BYTES_MAX, BUNDLES_KEPT_MAX, EPOCHS_KEPT_MAX, PAGE_LEAVES_MAX,
    },
    spine::committee::{Seats, Trust},
    wire::{
        Body, Certificate, DecodeError, Elector, Statement, Unverified, VoteProposal,
        VoteStatement, decode_entry, decode_record, encode_entry,
    },
};

/// Counted ballots that this node has counted again.
#[derive(Debug)]
pub struct Kept {
    proposal: ContentId,
    statement: TallyStatement,
    electors: Arc<Vec<Elector>>,
    leaves: Arc<Vec<Leaf>>,
    pages: Vec<Node>,
}

/// The counted ballots that a node keeps for others, those counted last.
#[derive(Debug, Default)]
pub struct Bundles(VecDeque<Kept>);

impl Bundles {
    /// Keeps what was counted, unless it is too much; the oldest give way.
    pub fn keep(
        &mut self,
        statement: TallyStatement,
        electors: Arc<Vec<Elector>>,
        leaves: Arc<Vec<Leaf>>,
        pages: Vec<Node>,
    ) {
        let is_known = self.find(&statement.bundle()).is_some();
        if is_known || leaves.len() > BUNDLE_BALLOTS_MAX {
            return;
        }
        self.0.push_back(Kept {
            proposal: statement.tally.proposal,
            statement,
            electors,
            leaves,
            pages,
        });
        let all = |kept: &VecDeque<Kept>| kept.iter().map(|kept| kept.leaves.len()).sum::<usize>();
        while self.0.len() > BUNDLES_KEPT_MAX || all(&self.0) > BUNDLE_BALLOTS_MAX {
            self.0.pop_front();
        }
    }

    /// Finds ballots by their name.
    pub fn find(&self, bundle: &ContentId) -> Option<&Kept> {
        self.0
            .iter()
            .find(|kept| kept.statement.bundle() == *bundle)
    }

    /// Finds the ballots of a vote.
    pub fn of_vote(&self, proposal: &ContentId) -> Option<&Kept> {
        self.0.iter().find(|kept| kept.proposal == *proposal)
    }
}

impl Kept {
    /// Returns the roots of the pages.
    pub fn pages(&self) -> &[Node] {
        &self.pages
    }

    /// Returns a page of the ballots; nothing behind the last.
    pub fn page(&self, page: u32) -> Vec<Leaf> {
        let page = usize::try_from(page).unwrap_or(usize::MAX);
        let mut pages = self.leaves.chunks(PAGE_LEAVES_MAX);
        pages.nth(page).map(<[Leaf]>::to_vec).unwrap_or_default()
    }

    /// Returns some of those who could vote, from a place on.
    pub fn electors(&self, from: u32, count_max: usize) -> Vec<Elector> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let some = self.electors.iter().skip(from).take(count_max);
        some.copied().collect()
    }
}

/// A vote as a file holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BallotBundle {
    /// The genesis, and the records that made the committee's keys known, in order.
    pub records: Vec<ByteBuf>,
    /// The committee's word that the vote is open.
    pub opened: Certificate,
    /// The proposal.
    pub proposal: VoteProposal,
    /// The jury, if one decides.
    pub jury: Vec<PublicKey>,
    /// The committee's word what was counted.
    pub tally: Certificate,
    /// Those who could vote; none where a jury decides.
    pub electors: Vec<Elector>,
    /// The counted ballots, in order of voter.
    pub leaves: Vec<Leaf>,
}

/// What a file came to.
#[derive(Clone, Debug)]
pub struct BundleChecked {
    /// The mesh, by its genesis: compare it with the one you know.
    pub mesh: ContentId,
    /// What the committee certified.
    pub statement: TallyStatement,
    /// What counting again came to.
    pub found: Recounted,
}

/// Why a file with counted ballots shows nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BundleError {
    /// The bytes are no such file.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The records do not lead from a genesis to the committee's keys.
    #[error("the committee's keys do not follow from the genesis in it: {0}")]
    Keys(&'static str),
    /// A certificate does not hold.
    #[error("the committee did not certify its {0}")]
    NotCertified(&'static str),
    /// The proposer did not sign the proposal.
    #[error("the proposer did not sign its proposal")]
    NotProposed,
    /// Its parts are of different votes.
    #[error("its opening, proposal and count are not of one vote")]
    OtherVote,
}

impl BallotBundle {
    /// Encodes it for a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode_entry(self)
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let bundle: Self = decode_entry("bundle of ballots", bytes, BUNDLE_BYTES_MAX)?;
        // The genesis comes before the epochs.
        if bundle.records.len() > EPOCHS_KEPT_MAX + 1 {
            return Err(DecodeError::TooLong {
                what: "records of a bundle of ballots",
                len: bundle.records.len(),
                max: EPOCHS_KEPT_MAX + 1,
            });
        }
        Ok(bundle)
    }

    /// Follows the committee's keys from the genesis, checks what they certify, and counts again.
    ///
    /// # Errors
    ///
    /// Returns why it shows nothing.
    pub fn check(self) -> Result<BundleChecked, BundleError> {
        let (mesh, genesis_seats, trust) = self.trust()?;
        let (Statement::Opened(opened), Statement::Tally(statement)) =
            (self.opened.statement, self.tally.statement)
        else {
            return Err(BundleError::OtherVote);
        };
        for (certificate, what) in [(&self.opened, "opening"), (&self.tally, "count")] {
            let question = trust.question(&mesh, certificate);
            if !question.is_ok_and(|question| question.holds()) {
                return Err(BundleError::NotCertified(what));
            }
        }
        let id = self.proposal.id();
        let is_one = opened.proposal == id
            && opened.subject == self.proposal.subject
            && statement.tally.proposal == id
            && self.proposal.rules.is_emergency() != self.jury.is_empty();
        if !is_one {
            return Err(BundleError::OtherVote);
        }
        if !self.proposal.holds(&mesh) {
            return Err(BundleError::NotProposed);
        }
        let seats = trust.seats_at(opened.height).unwrap_or(&genesis_seats);
        let Some(seats) = Seats::new(seats.to_vec()) else {
            return Err(BundleError::Keys("it names no committee"));
        };
        let task = RecountTask {
            mesh,
            seats,
            proposal: self.proposal,
            opened,
            statement,
            electors: Arc::new(self.electors),
            jury: self.jury,
            leaves: Arc::new(self.leaves),
            held: Vec::new(),
        };
        Ok(BundleChecked {
            mesh,
            statement,
            found: task.run(),
        })
    }

    /// Follows the committee's keys from the genesis.
    fn trust(&self) -> Result<(ContentId, Vec<PublicKey>, Trust), BundleError> {
        let records = self.records.iter().map(|bytes| decode_record(bytes));
        let records: Vec<_> = records.collect::<Result<_, _>>()?;
        let verified = Unverified::verify_all(records);
        let verified: Result<Vec<_>, _> = verified.into_iter().collect();
        let verified = verified.map_err(|_| BundleError::Keys("a signature does not hold"))?;
        let mut records = verified.iter().map(|record| record.value());
        let first = records.next();
        let Some((genesis, Body::Genesis(founding))) = first.map(|record| (record, record.body()))
        else {
            return Err(BundleError::Keys("there is no genesis"));
        };
        let mesh = genesis.id();
        let Some(seats) = Seats::new(founding.seats.clone()) else {
            return Err(BundleError::Keys("the genesis names no committee"));
        };
        let mut trust = Trust::default();
        for record in records {
            let is_taken = match record.body().handed_over() {
                Some(handed) => {
                    let question = trust.hand_over_question(&mesh, handed).ok().flatten();
                    question.is_some_and(|question| question.holds()) && trust.hand_over(record)
                }
                None => trust.name_keys(&mesh, &seats, record),
            };
            if !is_taken {
                return Err(BundleError::Keys(
                    "a record names keys that nobody before it has vouched for",
                ));
            }
        }
        Ok((mesh, founding.seats.clone(), trust))
    }
}

/// Returns the roots of the pages of counted ballots; none if they are out of order.
pub fn pages_of(leaves: &[Leaf]) -> Option<Vec<Node>> {
    let mut builder = TallyBuilder::default();
    for leaf in leaves {
        builder.push(leaf).ok()?;
    }
    Some(builder.pages())
}
