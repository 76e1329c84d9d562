//! The rules of one vote, and what they make of its sums.
//!
//! A [`TermsDraft`] is what a proposal says; [`Terms`] is a draft whose every value is in range, bound to the id
//! of the proposal and the mesh time at which it was opened. All shares are compared as exact fractions.

use core::fmt;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey, capability::ShareBp, committee::CommitteeKey};

use super::tally::Sums;
use crate::{
    core::{
        limits::{
            CHALLENGE_TIME, CHALLENGE_TIME_MAX, EMERGENCY_WINDOW, EMERGENCY_WINDOW_MAX,
            EMERGENCY_WINDOW_MIN, LATE_QUORUM_MAX, VOTE_SEQ_MAX, VOTE_WINDOW, VOTE_WINDOW_MAX,
            VOTE_WINDOW_MIN,
        },
        time::{Millis, Wall},
    },
    wire::Vote,
};

/// Share of the ballots cast that must be exceeded, unless the proposal asks for more: one half.
const THRESHOLD: ShareBp = ShareBp::from_percent(50);

/// Share of the electorate that must take part, unless the proposal says otherwise: a fifth.
const QUORUM: ShareBp = ShareBp::from_percent(20);

/// Late part of a window, and the most a close moves: one in so many of it (24 h of 72, 40 min of 120).
const LATE_PART: u64 = 3;

/// Tells who may vote: the members of the checkpoint that a vote names.
pub trait Roll {
    /// Tells whether this key may vote.
    fn contains(&self, key: &PublicKey) -> bool;
}

impl Roll for BTreeSet<PublicKey> {
    fn contains(&self, key: &PublicKey) -> bool {
        Self::contains(self, key)
    }
}

impl<F: Fn(&PublicKey) -> bool> Roll for F {
    fn contains(&self, key: &PublicKey) -> bool {
        self(key)
    }
}

/// The members that may vote, as a checkpoint has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Electorate {
    /// The root over the members.
    #[serde(with = "serde_bytes")]
    pub members_root: [u8; 32],
    /// How many they are.
    pub count: u32,
}

/// How urgent a vote is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Kind {
    /// The whole electorate votes; more than the threshold of the ballots cast must be yes.
    Ordinary {
        /// Time in which ballots count.
        window: Millis,
    },
    /// The electorate is a jury; more than half of all jurors must vote yes.
    Emergency {
        /// Time in which ballots count.
        window: Millis,
    },
}

/// Whether a voter may change its ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finality {
    /// The first ballot stands, and a delegate's stands for those who delegated to it.
    FirstFinal,
    /// The ballot with the highest number stands.
    Changeable,
}

/// Who can read ballots before the close.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Secrecy {
    /// Everybody.
    Open,
    /// Nobody: choices are sealed until the committee opens them.
    Sealed {
        /// The committee's decryption key.
        key: Box<CommitteeKey>,
    },
}

/// The rules of a vote as a proposal states them, before anyone has checked them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsDraft {
    /// How urgent it is, and the window.
    pub kind: Kind,
    /// Who may vote.
    pub electorate: Electorate,
    /// The share of the ballots cast (yes, no and abstain) that yes must exceed; not used in an emergency.
    pub threshold: ShareBp,
    /// The share of the electorate that must have cast a ballot.
    pub quorum: ShareBp,
    /// Whether ballots can be changed.
    pub finality: Finality,
    /// Whether ballots are sealed.
    pub secrecy: Secrecy,
    /// Time from the certificate in which the tally can be refuted before it takes effect.
    pub challenge: Millis,
}

/// The rules of one vote, every value in range. Read back from the own store only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    proposal: ContentId,
    opened: Wall,
    draft: TermsDraft,
}

/// What a vote has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Enough took part, and enough of them said yes.
    Passed,
    /// Enough took part, and not enough of them said yes.
    Rejected,
    /// Not enough took part.
    NoQuorum,
}

/// Why a proposal's rules are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// A span of time is out of range.
    #[error("{field} is {} ms; {} to {} ms are allowed", found.0, min.0, max.0)]
    Span {
        /// Which.
        field: &'static str,
        /// What it is.
        found: Millis,
        /// The shortest.
        min: Millis,
        /// The longest.
        max: Millis,
    },
    /// The threshold is out of range.
    #[error("threshold is {found}; 50 % to 99.99 % are allowed, and yes must exceed it")]
    Threshold {
        /// What it is.
        found: ShareBp,
    },
    /// The quorum is nothing.
    #[error("quorum is 0 %; more than that, up to 100 %, is allowed")]
    Quorum,
    /// Nobody may vote.
    #[error("electorate.count is 0; name a checkpoint with at least one member")]
    NoElectorate,
    /// A jury's ballots are sealed.
    #[error(
        "a jury's ballots cannot be sealed: they are proof by themselves, also while no committee is there to open \
         them; leave one of the two away"
    )]
    SealedJury,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Rejected => "rejected",
            Self::NoQuorum => "no quorum",
        })
    }
}

impl TermsDraft {
    /// Returns the usual rules of an ordinary vote: 72 h, more than half, a quorum of a fifth, first ballot final.
    pub const fn ordinary(electorate: Electorate) -> Self {
        Self {
            kind: Kind::Ordinary {
                window: VOTE_WINDOW,
            },
            electorate,
            threshold: THRESHOLD,
            quorum: QUORUM,
            finality: Finality::FirstFinal,
            secrecy: Secrecy::Open,
            challenge: CHALLENGE_TIME,
        }
    }

    /// Returns the usual rules of an emergency vote: 2 h, more than half of the jury, in effect at once.
    pub fn emergency(jury: Electorate) -> Self {
        Self {
            kind: Kind::Emergency {
                window: EMERGENCY_WINDOW,
            },
            challenge: Millis(0),
            ..Self::ordinary(jury)
        }
    }
}

impl Terms {
    /// Checks the rules that the proposal of this id states.
    ///
    /// # Errors
    ///
    /// Returns the first value that is out of range.
    pub fn new(proposal: ContentId, opened: Wall, draft: TermsDraft) -> Result<Self, TermsError> {
        match draft.kind {
            Kind::Ordinary { window } => {
                in_range("window", window, VOTE_WINDOW_MIN, VOTE_WINDOW_MAX)?;
                let (min, max) = (CHALLENGE_TIME, CHALLENGE_TIME_MAX);
                in_range("challenge", draft.challenge, min, max)?;
            }
            Kind::Emergency { window } => {
                in_range("window", window, EMERGENCY_WINDOW_MIN, EMERGENCY_WINDOW_MAX)?;
                in_range("challenge", draft.challenge, Millis(0), CHALLENGE_TIME)?;
                if let Secrecy::Sealed { .. } = draft.secrecy {
                    return Err(TermsError::SealedJury);
                }
            }
        }
        if draft.threshold < THRESHOLD || draft.threshold == ShareBp::ALL {
            return Err(TermsError::Threshold {
                found: draft.threshold,
            });
        }
        if draft.quorum.basis_points() == 0 {
            return Err(TermsError::Quorum);
        }
        if draft.electorate.count == 0 {
            return Err(TermsError::NoElectorate);
        }
        Ok(Self {
            proposal,
            opened,
            draft,
        })
    }

    /// Returns the id of the proposal.
    pub const fn proposal(&self) -> ContentId {
        self.proposal
    }

    /// Returns the mesh time at which the vote was opened.
    pub const fn opened(&self) -> Wall {
        self.opened
    }

    /// Returns how urgent it is.
    pub const fn kind(&self) -> Kind {
        self.draft.kind
    }

    /// Returns who may vote.
    pub const fn electorate(&self) -> Electorate {
        self.draft.electorate
    }

    /// Returns whether ballots can be changed.
    pub const fn finality(&self) -> Finality {
        self.draft.finality
    }

    /// Returns who can read ballots before the close.
    pub const fn secrecy(&self) -> &Secrecy {
        &self.draft.secrecy
    }

    /// Tells whether a ballot with this number can count: without changes only the first.
    pub fn takes_seq(&self, seq: u32) -> bool {
        match self.draft.finality {
            Finality::FirstFinal => seq == 0,
            Finality::Changeable => seq <= VOTE_SEQ_MAX,
        }
    }

    /// Tells whether ballots of this vote are open or sealed as this one is.
    pub const fn takes_form(&self, vote: &Vote) -> bool {
        match (&self.draft.secrecy, vote) {
            (Secrecy::Open, Vote::Open(_)) | (Secrecy::Sealed { .. }, Vote::Sealed(_)) => true,
            (Secrecy::Open, Vote::Sealed(_)) | (Secrecy::Sealed { .. }, Vote::Open(_)) => false,
        }
    }

    /// Returns the time in which the tally can be refuted before it takes effect.
    pub const fn challenge(&self) -> Millis {
        self.draft.challenge
    }

    /// Returns the time in which ballots count.
    pub const fn window(&self) -> Millis {
        match self.draft.kind {
            Kind::Ordinary { window } | Kind::Emergency { window } => window,
        }
    }

    /// Returns the mesh time at which the vote closes, unless it is extended or closes early.
    pub fn closes(&self) -> Wall {
        self.opened + self.window()
    }

    /// Returns the last part of the window, in which a quorum first met moves the close once by as much.
    pub fn late_quorum(&self) -> Millis {
        Millis(self.window().0 / LATE_PART).min(LATE_QUORUM_MAX)
    }

    /// Tells whether a close moves: `first_met` is when the quorum was first met, not after the close.
    pub fn is_late_quorum(&self, first_met: Wall) -> bool {
        first_met + self.late_quorum() >= self.closes()
    }

    /// Tells whether so many ballots cast are a quorum.
    pub fn is_quorum(&self, cast: u64) -> bool {
        let whole = u128::from(ShareBp::ALL.basis_points());
        let needed =
            u128::from(self.draft.electorate.count) * u128::from(self.draft.quorum.basis_points());
        cast > 0 && u128::from(cast) * whole >= needed
    }

    /// Returns what the sums come to.
    pub fn outcome(&self, sums: &Sums) -> Outcome {
        if !self.is_quorum(sums.cast()) {
            Outcome::NoQuorum
        } else if self.passes(sums.yes, sums.cast()) {
            Outcome::Passed
        } else {
            Outcome::Rejected
        }
    }

    /// Returns the outcome if it stays the same whatever `open` more members do, each voting as it likes or not
    /// at all.
    ///
    /// Yes is worst off if all of them vote no, and best off if all vote yes; anything else lies between.
    pub fn settled(&self, sums: &Sums, open: u64) -> Option<Outcome> {
        let cast_max = sums.cast().saturating_add(open);
        if !self.is_quorum(cast_max) {
            return Some(Outcome::NoQuorum);
        }
        if !self.is_quorum(sums.cast()) {
            return None;
        }
        if self.passes(sums.yes, cast_max) {
            return Some(Outcome::Passed);
        }
        let best = sums.yes.saturating_add(open);
        (!self.passes(best, cast_max)).then_some(Outcome::Rejected)
    }

    fn passes(&self, yes: u64, cast: u64) -> bool {
        match self.draft.kind {
            Kind::Ordinary { .. } => {
                let whole = u128::from(ShareBp::ALL.basis_points());
                let exceeded = u128::from(self.draft.threshold.basis_points());
                u128::from(yes) * whole > u128::from(cast) * exceeded
            }
            Kind::Emergency { .. } => u128::from(yes) * 2 > u128::from(self.draft.electorate.count),
        }
    }
}

fn in_range(
    field: &'static str,
    found: Millis,
    min: Millis,
    max: Millis,
) -> Result<(), TermsError> {
    if (min..=max).contains(&found) {
        return Ok(());
    }
    Err(TermsError::Span {
        field,
        found,
        min,
        max,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn draft(count: u32) -> TermsDraft {
        TermsDraft::ordinary(Electorate {
            members_root: [7; 32],
            count,
        })
    }

    fn terms(draft: TermsDraft) -> Terms {
        Terms::new(ContentId::of(b"proposal"), Wall(1_000), draft).unwrap()
    }

    fn sums(yes: u64, no: u64, abstain: u64) -> Sums {
        Sums {
            yes,
            no,
            abstain,
            leaves: yes + no + abstain,
        }
    }

    #[test]
    fn the_usual_windows_are_72_hours_and_2_with_a_third_of_each_late() {
        let hours = |hours: u64| Millis::from_mins(60 * hours);
        let ordinary = terms(draft(10));
        assert_eq!(
            (ordinary.window(), ordinary.late_quorum()),
            (hours(72), hours(24))
        );
        assert_eq!(ordinary.challenge(), hours(24));

        let emergency = terms(TermsDraft::emergency(draft(21).electorate));
        assert_eq!(emergency.window(), hours(2));
        assert_eq!(emergency.late_quorum(), Millis::from_mins(40));
        assert_eq!(emergency.challenge(), Millis(0));

        let month = Kind::Ordinary {
            window: VOTE_WINDOW_MAX,
        };
        let longest = terms(TermsDraft {
            kind: month,
            ..draft(10)
        });
        assert_eq!(longest.late_quorum(), hours(24));
    }

    #[test]
    fn yes_must_exceed_half_of_the_ballots_cast_abstentions_included() {
        let terms = terms(draft(10));
        assert_eq!(terms.outcome(&sums(5, 5, 0)), Outcome::Rejected);
        assert_eq!(terms.outcome(&sums(5, 0, 5)), Outcome::Rejected);
        assert_eq!(terms.outcome(&sums(6, 4, 0)), Outcome::Passed);
    }

    #[test]
    fn a_quorum_is_an_exact_share_and_never_nobody() {
        let of_eleven = terms(draft(11));
        // A fifth of 11 is 2.2: two are too few.
        assert_eq!(of_eleven.outcome(&sums(2, 0, 0)), Outcome::NoQuorum);
        assert_eq!(of_eleven.outcome(&sums(3, 0, 0)), Outcome::Passed);
        assert_eq!(terms(draft(1)).outcome(&sums(0, 0, 0)), Outcome::NoQuorum);
    }

    #[test]
    fn an_emergency_needs_half_of_all_jurors_not_of_the_ballots() {
        let terms = terms(TermsDraft::emergency(draft(21).electorate));
        assert_eq!(terms.outcome(&sums(10, 0, 0)), Outcome::Rejected);
        assert_eq!(terms.outcome(&sums(11, 10, 0)), Outcome::Passed);
    }

    #[test]
    fn values_out_of_range_are_named() {
        let error = |change: fn(&mut TermsDraft)| {
            let mut draft = draft(10);
            change(&mut draft);
            Terms::new(ContentId::of(b"p"), Wall(0), draft)
                .unwrap_err()
                .to_string()
        };
        let window = error(|draft| draft.kind = Kind::Ordinary { window: Millis(1) });
        assert_eq!(
            window,
            "window is 1 ms; 86400000 to 2592000000 ms are allowed"
        );
        assert!(error(|draft| draft.challenge = Millis(0)).starts_with("challenge is 0 ms"));
        assert!(error(|draft| draft.threshold = ShareBp::from_percent(49)).contains("49 %"));
        assert!(error(|draft| draft.threshold = ShareBp::ALL).contains("threshold"));
        assert!(error(|draft| draft.quorum = ShareBp::from_percent(0)).contains("quorum"));
        assert!(error(|draft| draft.electorate.count = 0).contains("electorate.count"));
    }

    proptest! {
        #[test]
        fn a_settled_outcome_is_that_of_every_completion(
            count in 1u32..40, yes in 0u64..12, no in 0u64..12, abstain in 0u64..12,
            threshold in 5_000u16..10_000, quorum in 1u16..=10_000, emergency: bool,
        ) {
            let cast = yes + no + abstain;
            prop_assume!(cast <= u64::from(count));
            let mut draft = draft(count);
            if emergency {
                draft = TermsDraft::emergency(draft.electorate);
            }
            draft.threshold = ShareBp::new(threshold).unwrap();
            draft.quorum = ShareBp::new(quorum).unwrap();
            let terms = terms(draft);
            let open = u64::from(count) - cast;

            let mut all = Vec::new();
            for y in 0..=open {
                for n in 0..=open - y {
                    for a in 0..=open - y - n {
                        all.push(terms.outcome(&sums(yes + y, no + n, abstain + a)));
                    }
                }
            }
            let same = all.iter().all(|outcome| *outcome == all[0]);

            match terms.settled(&sums(yes, no, abstain), open) {
                Some(outcome) => prop_assert!(same && outcome == all[0]),
                None => prop_assert!(!same),
            }
        }
    }
}
