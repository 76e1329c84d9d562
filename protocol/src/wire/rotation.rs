//! Rotation of guardians: the same secret is dealt on to others, by decision of the committee and never put together.
//!
//! ```text
//! open    the log notes that a sharing is due, and a round of the beacon draws new guardians   RotationPlan, certified by its hash
//! deal    old guardians, who show that they are, deal their shares on to the new ones           RotationDealing, PartAsk
//! keep    new guardians check what they are dealt, write it down and say so                     PartAck
//! fix     dealers' commitments and enough words of new guardians come before the log            RotationFix
//! renew   the log fixes the one set of dealers, and so the new sharing; it is certified         RotationNotice
//! ```
//!
//! The plan, which names the new guardians, goes to them, to those who deal and to seats; what every node is told is its hash.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use x0_crypto::{
    ContentId, Identity, Namespace, PublicKey, Signature,
    sublime::{AccessStructure, Commitments, Resharing, ResharingError, ShareIndex},
    verify,
};

use super::{Certificate, DecodeError, Sharing, Statement, codec::encode};
use crate::{
    core::{
        limits::{GUARDIANS_MAX, SEALED_PART_BYTES_MAX},
        reject::RejectReason,
        time::Wall,
    },
    sublime::putting::is_safe,
};

/// How an item is to be shared anew, as the committee log has decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationPlan {
    /// The key of the item.
    pub item: PublicKey,
    /// The epoch of the new sharing.
    pub epoch: u32,
    /// The sharing that is dealt on.
    pub from: Sharing,
    /// How many shares of how many open the item then.
    pub access: AccessStructure,
    /// The new guardians, who keep the shares from 1 in this order.
    pub guardians: Vec<PublicKey>,
    /// The height of the log at which they were drawn.
    pub height: u64,
    /// Mesh time of that.
    pub time: Wall,
}

impl RotationPlan {
    /// Returns its name, under which shares are dealt on.
    pub fn id(&self, mesh: &ContentId) -> ContentId {
        ContentId::of(&encode(&("x0/rotation/1", mesh, self)))
    }

    /// Returns the number of the share that a member is to keep; none if it is none of the new guardians.
    pub fn index_of(&self, member: &PublicKey) -> Option<ShareIndex> {
        let mut guardians = self.access.indices().zip(&self.guardians);
        guardians.find_map(|(index, guardian)| (guardian == member).then_some(index))
    }

    /// Returns who is to keep a share.
    pub fn guardian(&self, index: ShareIndex) -> Option<&PublicKey> {
        self.guardians.get(usize::from(index.number()) - 1)
    }

    /// Returns what the certificate over the plan says.
    pub fn stated(&self, mesh: &ContentId) -> RotationStated {
        RotationStated {
            item: self.item,
            epoch: self.epoch,
            plan: self.id(mesh),
            shared: None,
            height: self.height,
            time: self.time,
        }
    }

    /// Fixes the new sharing by what the dealers have committed to.
    ///
    /// # Errors
    ///
    /// Returns which dealers broke the rules, or that they are too few.
    pub fn share(&self, dealings: &[&RotationDealing]) -> Result<Resharing, ResharingError> {
        let dealings = dealings.iter();
        let dealings = dealings.map(|dealing| (dealing.index, dealing.commitments.clone()));
        Resharing::new(&self.from.commitments, self.access, dealings.collect())
    }

    fn check(&self) -> Result<(), DecodeError> {
        match self.guardians.len() == usize::from(self.access.shares()) {
            true => Ok(()),
            false => {
                let why = "has one guardian for each share";
                Err(DecodeError::bounds("rotation", "guardians", why))
            }
        }
    }
}

/// What is certified of a rotation: that it is open, or what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationStated {
    /// The key of the item.
    pub item: PublicKey,
    /// The epoch of the new sharing.
    pub epoch: u32,
    /// The plan, by its name.
    pub plan: ContentId,
    /// The new sharing and who dealt it, by name; none as long as it is not fixed.
    pub shared: Option<ContentId>,
    /// The height of the log at which this came to be.
    pub height: u64,
    /// Mesh time of that.
    pub time: Wall,
}

/// The new sharing, and whose dealings it is the sum of: the one set of dealers that every new guardian uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationShared {
    /// The sharing.
    pub sharing: Sharing,
    /// The numbers of the dealers' old shares, in order.
    pub dealers: Vec<ShareIndex>,
}

impl RotationShared {
    /// Returns its name.
    pub fn id(&self) -> ContentId {
        ContentId::of(&encode(&("x0/rotation/shared/1", self)))
    }
}

/// What every node is told of a rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationNotice {
    /// The committee's certificate over [`RotationStated`].
    pub certificate: Certificate,
    /// What came of it; none as long as it is open.
    pub shared: Option<RotationShared>,
}

impl RotationNotice {
    /// Returns what is certified.
    pub const fn stated(&self) -> Option<&RotationStated> {
        self.certificate.statement.rotation()
    }

    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        let wrong = |field, why: &str| Err(DecodeError::bounds("rotation", field, why));
        let Statement::Rotation(stated) = &self.certificate.statement else {
            return wrong("certificate", "is about a rotation");
        };
        if stated.shared != self.shared.as_ref().map(RotationShared::id) {
            return wrong("shared", "is what is certified");
        }
        let Some(shared) = &self.shared else {
            return Ok(());
        };
        if shared.sharing.epoch != stated.epoch {
            return wrong("epoch", "is what is certified");
        }
        match shared.dealers.len() <= usize::from(GUARDIANS_MAX) {
            true => Ok(()),
            false => wrong("dealers", "are too many"),
        }
    }
}

/// What shows that somebody keeps a share of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Appointed {
    /// The item's key has signed it, for the first sharing.
    Owner(Signature),
    /// A plan names it, and what came of that plan was certified.
    Plan(Box<RotationPlan>),
}

impl Appointed {
    fn message(
        mesh: &ContentId,
        sharing: &ContentId,
        (guardian, index): (&PublicKey, ShareIndex),
    ) -> Vec<u8> {
        encode(&("appointed", mesh, sharing, guardian, index))
    }

    /// Appoints a guardian of the first sharing, with the item's key.
    pub fn by_owner(
        signer: &Identity,
        mesh: &ContentId,
        sharing: &ContentId,
        guardian: (&PublicKey, ShareIndex),
    ) -> Signature {
        signer.sign(Namespace::Share, &Self::message(mesh, sharing, guardian))
    }

    /// Tells whether this shows that a member keeps the share with a number, of the sharing in force: its epoch and name,
    /// and the plan by which it came to be.
    pub fn holds(
        &self,
        (mesh, item): (&ContentId, &PublicKey),
        (epoch, sharing, plan): (u32, &ContentId, Option<&ContentId>),
        (guardian, index): (&PublicKey, ShareIndex),
    ) -> bool {
        match self {
            Self::Owner(signature) => {
                let message = Self::message(mesh, sharing, (guardian, index));
                epoch == 0 && verify(item, Namespace::Share, &message, signature).is_ok()
            }
            Self::Plan(named) => {
                plan == Some(&named.id(mesh)) && named.guardian(index) == Some(guardian)
            }
        }
    }

    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Owner(_) => Ok(()),
            Self::Plan(plan) => plan.check(),
        }
    }
}

/// A dealer's commitments: to its very share, for the new guardians. Signed by its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationDealing {
    /// The plan, by its name.
    pub plan: ContentId,
    /// Who deals.
    pub dealer: PublicKey,
    /// The number of its share.
    pub index: ShareIndex,
    /// What each part is checked against.
    pub commitments: Commitments,
    /// The dealer's signature.
    pub signature: Signature,
}

impl RotationDealing {
    fn message(plan: &ContentId, index: ShareIndex, commitments: &Commitments) -> Vec<u8> {
        encode(&("dealing", plan, index, commitments))
    }

    /// Signs commitments.
    pub fn sign(
        identity: &Identity,
        plan: ContentId,
        index: ShareIndex,
        commitments: Commitments,
    ) -> Self {
        let message = Self::message(&plan, index, &commitments);
        Self {
            plan,
            dealer: identity.public(),
            index,
            commitments,
            signature: identity.sign(Namespace::Share, &message),
        }
    }

    /// Tells whether the dealer has signed it.
    pub fn is_signed(&self) -> bool {
        let message = Self::message(&self.plan, self.index, &self.commitments);
        verify(&self.dealer, Namespace::Share, &message, &self.signature).is_ok()
    }
}

/// A new guardian's word that it has a dealer's part, that it is good and on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartAck {
    /// The number of the new guardian's share.
    pub guardian: ShareIndex,
    /// The new guardian's signature over plan, dealing and this number.
    pub signature: Signature,
}

impl PartAck {
    fn message(dealing: &RotationDealing, guardian: ShareIndex) -> Vec<u8> {
        let RotationDealing {
            plan,
            dealer,
            index,
            commitments,
            signature: _,
        } = dealing;
        encode(&("part", plan, dealer, index, commitments, guardian))
    }

    /// Signs it.
    pub fn sign(identity: &Identity, dealing: &RotationDealing, guardian: ShareIndex) -> Self {
        let message = Self::message(dealing, guardian);
        Self {
            guardian,
            signature: identity.sign(Namespace::Share, &message),
        }
    }

    /// Tells whether a new guardian has signed it.
    pub fn is_signed(&self, dealing: &RotationDealing, guardian: &PublicKey) -> bool {
        let message = Self::message(dealing, self.guardian);
        verify(guardian, Namespace::Share, &message, &self.signature).is_ok()
    }
}

/// A dealer's commitments with the words of those who have its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dealt {
    /// The commitments.
    pub dealing: RotationDealing,
    /// Who has its part, in order.
    pub acks: Vec<PartAck>,
}

impl Dealt {
    /// Tells whether the dealing is signed, and leaves out words that are not.
    pub fn hold(&mut self, plan: &RotationPlan) -> bool {
        let Self { dealing, acks } = self;
        acks.retain(|ack| {
            let guardian = plan.guardian(ack.guardian);
            guardian.is_some_and(|guardian| ack.is_signed(dealing, guardian))
        });
        acks.sort_unstable_by_key(|ack| ack.guardian);
        acks.dedup_by_key(|ack| ack.guardian);
        self.dealing.is_signed()
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self.acks.len() <= usize::from(GUARDIANS_MAX) {
            true => Ok(()),
            false => Err(DecodeError::bounds("dealing", "acks", "are too many")),
        }
    }
}

/// What fixes a rotation: as many dealers as it takes, and the new guardians who have a part of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationFix {
    /// The plan whole, so that who checks signatures needs nothing else.
    pub plan: RotationPlan,
    /// The dealers in order of their shares.
    pub dealt: Vec<Dealt>,
}

impl RotationFix {
    /// Chooses as many dealers as it takes among those who have dealt, such that enough new guardians have a part of each.
    pub fn choose(plan: &RotationPlan, dealt: &[Dealt]) -> Option<Self> {
        let needed = usize::from(plan.from.access().threshold());
        let mut by_reach: Vec<&Dealt> = dealt.iter().collect();
        by_reach.sort_by_key(|one| (core::cmp::Reverse(one.acks.len()), one.dealing.index));
        let mut chosen: Vec<Dealt> = Vec::new();
        for one in by_reach {
            let with = chosen.iter().chain([one]);
            if is_safe(common(with), plan.access) && chosen.len() < needed {
                chosen.push(one.clone());
            }
        }
        chosen.sort_by_key(|one| one.dealing.index);
        let fix = Self {
            plan: plan.clone(),
            dealt: chosen,
        };
        fix.shared().map(|_| fix)
    }

    /// Returns the new sharing; none if the dealers are not as many as it takes, one of them does not deal its share, or too
    /// few new guardians have a part of each.
    pub fn shared(&self) -> Option<RotationShared> {
        let needed = usize::from(self.plan.from.access().threshold());
        let ordered = self
            .dealt
            .is_sorted_by(|a, b| a.dealing.index < b.dealing.index);
        let is_enough = self.dealt.len() == needed && ordered;
        if !is_enough || !is_safe(common(self.dealt.iter()), self.plan.access) {
            return None;
        }
        let dealings: Vec<_> = self.dealt.iter().map(|one| &one.dealing).collect();
        let resharing = self.plan.share(&dealings).ok()?;
        Some(RotationShared {
            sharing: Sharing {
                epoch: self.plan.epoch,
                commitments: resharing.commitments().clone(),
            },
            dealers: resharing.dealers().collect(),
        })
    }

    fn check(&self) -> Result<(), DecodeError> {
        self.plan.check()?;
        if self.dealt.len() > usize::from(GUARDIANS_MAX) {
            return Err(DecodeError::bounds("rotation", "dealers", "are too many"));
        }
        self.dealt.iter().try_for_each(Dealt::check)
    }

    fn verify(&self, mesh: &ContentId) -> Result<(), RejectReason> {
        let plan = self.plan.id(mesh);
        let holds = self.dealt.iter().all(|one| {
            let mut kept = one.clone();
            one.dealing.plan == plan && kept.hold(&self.plan) && kept == *one
        });
        holds.then_some(()).ok_or(RejectReason::BadSignature)
    }
}

/// Counts the new guardians who have a part of each of these dealers.
fn common<'a>(dealt: impl Iterator<Item = &'a Dealt> + Clone) -> usize {
    let mut all = dealt.clone();
    let Some(first) = all.next() else {
        return 0;
    };
    let has = |one: &Dealt, guardian| one.acks.iter().any(|ack| ack.guardian == guardian);
    let of_first = first.acks.iter().map(|ack| ack.guardian);
    of_first
        .filter(|guardian| all.clone().all(|one| has(one, *guardian)))
        .count()
}

/// A sharing that is to be dealt on: put before the committee by each seat that finds it due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationOpening {
    /// The key of the item.
    pub item: PublicKey,
    /// The sharing in force.
    pub from: Sharing,
}

/// Something about rotations in the committee log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum RotationEntry {
    /// A sharing is to be dealt on.
    Open(RotationOpening),
    /// The committee's signature over the round of the beacon that draws new guardians.
    Draw {
        /// The round.
        round: u64,
        /// The signature.
        signature: x0_crypto::committee::ThresholdSignature,
    },
    /// A rotation is fixed.
    Fix(RotationFix),
}

impl RotationEntry {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Open(_) | Self::Draw { .. } => Ok(()),
            Self::Fix(fix) => fix.check(),
        }
    }

    pub(super) fn verify(&self, mesh: &ContentId) -> Result<(), RejectReason> {
        match self {
            Self::Open(_) | Self::Draw { .. } => Ok(()),
            Self::Fix(fix) => fix.verify(mesh),
        }
    }
}

/// A guardian shows a seat that it keeps a share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardianAsk {
    /// The key of the item.
    pub item: PublicKey,
    /// The number of its share.
    pub index: ShareIndex,
    /// What shows it.
    pub appointed: Appointed,
    /// What it wants.
    pub what: GuardianWants,
}

/// What a guardian wants of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum GuardianWants {
    /// The plan by which it is to deal its share on.
    Plan,
    /// To be rid of its share: it serves no longer.
    Leave,
    /// That the seat knows, and has the item dealt on when this member is one no more.
    Keep,
}

/// A dealer's part for a new guardian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartAsk {
    /// The plan.
    pub plan: RotationPlan,
    /// The dealer's commitments.
    pub dealing: RotationDealing,
    /// What shows that the dealer keeps the share that it deals on.
    pub appointed: Appointed,
    /// The part, sealed to the new guardian under [`part_info`].
    pub sealed: ByteBuf,
}

impl PartAsk {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        self.plan.check()?;
        self.appointed.check()?;
        match self.sealed.len() <= SEALED_PART_BYTES_MAX {
            true => Ok(()),
            false => Err(DecodeError::bounds("part", "sealed", "is too long")),
        }
    }
}

impl GuardianAsk {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        self.appointed.check()
    }
}

/// A new guardian tells the seats that a dealer lied to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Complaint {
    /// What the dealer has signed.
    pub dealing: RotationDealing,
    /// Whether its commitments are not to its share, which everybody can see; else its part was wrong, which only the new
    /// guardian can.
    pub is_public: bool,
}

/// What a node answers about rotations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum RotationAnswer {
    /// The plan.
    Plan(Box<RotationPlan>),
    /// A part is kept.
    Kept(PartAck),
}

impl RotationAnswer {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Plan(plan) => plan.check(),
            Self::Kept(_) => Ok(()),
        }
    }
}

/// Returns what a dealer's part is sealed to a new guardian as.
pub fn part_info(
    mesh: &ContentId,
    plan: &ContentId,
    dealer: ShareIndex,
    (guardian, index): (&PublicKey, ShareIndex),
) -> Vec<u8> {
    encode(&("x0/sublime/part/1", mesh, plan, dealer, guardian, index))
}

/// Returns the subject of a vote to deal a sharing on before it is due.
pub fn rotation_subject(mesh: &ContentId, item: &PublicKey, sharing: &ContentId) -> ContentId {
    ContentId::of(&encode(&("x0/rotation/subject/1", mesh, item, sharing)))
}
