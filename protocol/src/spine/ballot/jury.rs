//! The emergency jury: how large it is, how likely its capture, and what its ballots prove.
//!
//! A jury is drawn from the members who are on call. More than half of all jurors must vote yes, present or not.
//! Their signed ballots are themselves the certificate ([`JuryVerdict`]): each executor checks at most
//! [`JURY_SIZE_MAX`] signatures, and no seat of the committee need be reachable.
//!
//! Who is on call, and the draw itself, are given. A third of the pool captures a jury of 21 about once in
//! twenty draws ([`capture_ppm`]): a jury is never the only lock on anything.

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey, capability::ShareBp};

use super::{
    natural::Natural,
    terms::{Finality, Kind, Terms},
};
use crate::{
    core::limits::{JURY_POOL_MIN, JURY_POOL_PERCENT_MIN, JURY_SIZE, JURY_SIZE_MAX},
    wire::{Ballot, Choice, SignedPart, Vote, VoteStatement},
};

/// A million: the whole, in parts per million.
const WHOLE_PPM: u32 = 1_000_000;

/// How many sit on a jury, and how many of them decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JurySize {
    /// How many are drawn.
    pub jurors: u32,
    /// How many must vote yes: more than half of all drawn.
    pub needed: u32,
}

impl JurySize {
    /// Returns the size of a jury drawn from a pool; none if nobody is on call.
    ///
    /// A pool of 200, or of a fifth of the members, gives a jury of 21. From a smaller one up to 43 are drawn:
    /// the more of a small pool sit, the less a draw can go astray.
    pub fn for_pool(pool: u32, members: u32) -> Option<Self> {
        let share = ShareBp::from_percent(JURY_POOL_PERCENT_MIN);
        let whole = u64::from(ShareBp::ALL.basis_points());
        let is_share =
            u64::from(pool) * whole >= u64::from(members) * u64::from(share.basis_points());
        let wanted = if pool >= JURY_POOL_MIN || is_share {
            JURY_SIZE
        } else {
            JURY_SIZE_MAX
        };
        let jurors = wanted.min(pool);
        (jurors > 0).then_some(Self {
            jurors,
            needed: jurors / 2 + 1,
        })
    }
}

/// Returns the chance that at least `needed` of a `jury` drawn from a `pool` belong to its `hostile` members, in
/// parts per million, rounded up.
///
/// Exact: the tail of the hypergeometric distribution, counted in whole draws. A jury larger than the pool is
/// the whole pool.
pub fn capture_ppm(pool: u32, hostile: u32, jury: u32, needed: u32) -> u32 {
    let hostile = hostile.min(pool);
    let jury = jury.min(pool);
    let captured = (needed..=jury)
        .map(|bad| {
            Natural::binomial(hostile, bad).product(&Natural::binomial(pool - hostile, jury - bad))
        })
        .fold(Natural::new(0), |sum, draws| sum.plus(&draws));
    let all = Natural::binomial(pool, jury);

    // The smallest number of millionths of all draws that are not fewer than those captured.
    let captured = captured.times(WHOLE_PPM);
    let (mut low, mut high) = (0, WHOLE_PPM);
    while low < high {
        let middle = low + (high - low) / 2;
        if all.times(middle) >= captured {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// The ballots by which a jury passed an emergency proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JuryVerdict {
    /// The proposal.
    pub proposal: ContentId,
    /// Ballots of yes, in rising order of voter.
    pub ballots: Vec<Ballot>,
}

/// Why ballots are no verdict of a jury.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoVerdict {
    /// A jury decides emergencies only, and each juror once.
    #[error("the terms are not those of an emergency vote whose first ballots are final")]
    OtherTerms,
    /// The jury is not the one of the terms.
    #[error("the jury has {found} members, the terms name {expected}; draw it again")]
    OtherJury {
        /// How many are given.
        found: u32,
        /// How many the terms name.
        expected: u32,
    },
    /// A ballot is for another proposal, not open, not the first, or not yes.
    #[error("the ballot of {0} is no first, open yes to this proposal")]
    OtherBallot(PublicKey),
    /// The ballots are not in strictly rising order of voter.
    #[error("the ballot of {0} does not come after the one before")]
    OutOfOrder(PublicKey),
    /// The voter was not drawn.
    #[error("{0} does not sit on the jury")]
    NotAJuror(PublicKey),
    /// A signature does not hold.
    #[error("the signature on the ballot of {0} does not hold")]
    BadSignature(PublicKey),
    /// Too few have said yes.
    #[error("{yes} jurors said yes, {needed} are needed")]
    TooFew {
        /// How many did.
        yes: u32,
        /// How many must.
        needed: u32,
    },
}

impl JuryVerdict {
    /// Checks that more than half of the jury voted yes.
    ///
    /// # Errors
    ///
    /// Returns why the ballots decide nothing.
    pub fn verify(
        &self,
        mesh: &ContentId,
        terms: &Terms,
        jury: &[PublicKey],
    ) -> Result<(), NoVerdict> {
        let Kind::Emergency { .. } = terms.kind() else {
            return Err(NoVerdict::OtherTerms);
        };
        if terms.finality() != Finality::FirstFinal {
            return Err(NoVerdict::OtherTerms);
        }
        let mut jury = jury.to_vec();
        jury.sort_unstable();
        jury.dedup();
        let (found, expected) = (count(jury.len()), terms.electorate().count);
        if found != expected {
            return Err(NoVerdict::OtherJury { found, expected });
        }
        // Before signatures are checked: what is left are ballots of different jurors, so at most a jury of them.
        let mut last = None;
        for ballot in &self.ballots {
            let voter = ballot.voter;
            let is_yes = ballot.vote == Vote::Open(Choice::Yes) && ballot.seq == 0;
            if ballot.proposal != terms.proposal() || self.proposal != terms.proposal() || !is_yes {
                return Err(NoVerdict::OtherBallot(voter));
            }
            if last.is_some_and(|last| last >= voter) {
                return Err(NoVerdict::OutOfOrder(voter));
            }
            if jury.binary_search(&voter).is_err() {
                return Err(NoVerdict::NotAJuror(voter));
            }
            last = Some(voter);
        }
        let (yes, needed) = (count(self.ballots.len()), expected / 2 + 1);
        if yes < needed {
            return Err(NoVerdict::TooFew { yes, needed });
        }
        let parts = self
            .ballots
            .iter()
            .map(|ballot| SignedPart::of(ballot, mesh));
        let bad = SignedPart::bad(&parts.collect::<Vec<_>>());
        match bad.first().and_then(|index| self.ballots.get(*index)) {
            Some(ballot) => Err(NoVerdict::BadSignature(ballot.signer())),
            None => Ok(()),
        }
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{
        super::{
            Electorate, TermsDraft,
            tests::{MESH, PROPOSAL, key, member},
        },
        *,
    };
    use crate::Wall;

    #[test]
    fn the_chances_of_capture_are_those_of_the_table() {
        let ppm = |pool, hostile| capture_ppm(pool, hostile, 21, 11);
        let table = [10, 20, 25, 33, 40, 50]
            .map(|percent| [200, 1_000, 100_000].map(|pool: u32| ppm(pool, pool * percent / 100)));
        // Counted once more with the integers of Python: hostile share in rows, pool in columns.
        assert_eq!(
            table,
            [
                [1, 1, 2],
                [450, 847, 969],
                [4_045, 5_911, 6_418],
                [42_679, 50_172, 52_001],
                [161_303, 171_889, 174_354],
                [500_000, 500_000, 500_000],
            ]
        );
        assert_eq!(
            [ppm(300, 100), ppm(3_000, 1_000), ppm(99_999, 33_333)],
            [49_317, 55_090, 55_704]
        );
    }

    #[test]
    fn a_wider_jury_makes_up_for_a_small_pool() {
        let of_third = |pool, jury, needed| capture_ppm(pool, pool / 3, jury, needed);
        assert_eq!([of_third(60, 21, 11), of_third(60, 43, 22)], [22_991, 0]);
        assert_eq!(
            [of_third(100, 21, 11), of_third(100, 43, 22)],
            [33_173, 828]
        );
        assert_eq!(
            [of_third(199, 21, 11), of_third(199, 43, 22)],
            [44_290, 4_636]
        );
    }

    #[test]
    fn a_chance_is_exact_where_it_can_be_counted_by_hand() {
        // Two of three drawn: of the three draws, one holds both hostile ones.
        assert_eq!(capture_ppm(3, 2, 2, 2), 333_334);
        assert_eq!(capture_ppm(3, 2, 2, 1), 1_000_000);
        assert_eq!(capture_ppm(3, 0, 2, 1), 0);
        assert_eq!(capture_ppm(10, 10, 5, 3), 1_000_000);
        // The whole pool sits.
        assert_eq!(capture_ppm(5, 2, 21, 3), 0);
        assert_eq!(capture_ppm(5, 3, 21, 3), 1_000_000);
    }

    #[test]
    fn a_small_pool_gives_a_wider_jury() {
        let size = |pool, members| JurySize::for_pool(pool, members).map(|s| (s.jurors, s.needed));
        assert_eq!(size(200, 100_000), Some((21, 11)));
        assert_eq!(size(199, 100_000), Some((43, 22)));
        assert_eq!(size(100, 500), Some((21, 11)));
        assert_eq!(size(99, 500), Some((43, 22)));
        assert_eq!(size(30, 500), Some((30, 16)));
        assert_eq!(size(5, 10), Some((5, 3)));
        assert_eq!(size(0, 10), None);
    }

    fn jury() -> Vec<PublicKey> {
        (0..21).map(key).collect()
    }

    fn terms() -> Terms {
        let jury = Electorate {
            members_root: [3; 32],
            count: 21,
        };
        Terms::new(PROPOSAL, Wall(0), TermsDraft::emergency(jury)).unwrap()
    }

    fn verdict(voters: impl IntoIterator<Item = u16>, choice: Choice) -> JuryVerdict {
        let ballot = |voter| {
            let signed = Ballot::sign(&MESH, &member(voter), PROPOSAL, 0, Vote::Open(choice));
            signed.value().clone()
        };
        let mut ballots: Vec<_> = voters.into_iter().map(ballot).collect();
        ballots.sort_by_key(|ballot| ballot.voter);
        JuryVerdict {
            proposal: PROPOSAL,
            ballots,
        }
    }

    #[test]
    fn eleven_of_twenty_one_signed_ballots_are_a_verdict() {
        let check = |verdict: &JuryVerdict| verdict.verify(&MESH, &terms(), &jury());
        assert_eq!(check(&verdict(0..11, Choice::Yes)), Ok(()));
        assert_eq!(
            check(&verdict(0..10, Choice::Yes)),
            Err(NoVerdict::TooFew {
                yes: 10,
                needed: 11
            })
        );
        let no = check(&verdict(0..11, Choice::No));
        assert!(matches!(no, Err(NoVerdict::OtherBallot(_))));
        let stranger = check(&verdict(11..22, Choice::Yes));
        assert_eq!(stranger, Err(NoVerdict::NotAJuror(key(21))));
        let elsewhere = verdict(0..11, Choice::Yes).verify(&PROPOSAL, &terms(), &jury());
        assert!(matches!(elsewhere, Err(NoVerdict::BadSignature(_))));

        let mut twice = verdict(0..11, Choice::Yes);
        twice.ballots[1] = twice.ballots[0].clone();
        let voter = twice.ballots[0].voter;
        assert_eq!(check(&twice), Err(NoVerdict::OutOfOrder(voter)));
        let mut forged = verdict(0..11, Choice::Yes);
        forged.ballots[4].signature = forged.ballots[3].signature;
        let voter = forged.ballots[4].voter;
        assert_eq!(check(&forged), Err(NoVerdict::BadSignature(voter)));
    }

    #[test]
    fn another_jury_or_an_ordinary_vote_has_no_verdict() {
        let passed = verdict(0..11, Choice::Yes);
        let larger: Vec<_> = (0..22).map(key).collect();
        let (found, expected) = (22, 21);
        assert_eq!(
            passed.verify(&MESH, &terms(), &larger),
            Err(NoVerdict::OtherJury { found, expected })
        );
        let ordinary = TermsDraft::ordinary(terms().electorate());
        let ordinary = Terms::new(PROPOSAL, Wall(0), ordinary).unwrap();
        assert_eq!(
            passed.verify(&MESH, &ordinary, &jury()),
            Err(NoVerdict::OtherTerms)
        );
    }
}
