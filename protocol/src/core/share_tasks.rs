//! What a guardian's node does with its share in a rotation: deals it on, takes parts of a new one, puts the new one together.
//!
//! Everything here is repeatable: the same share is dealt on alike under the same plan, so that a crash in between costs time.

use std::collections::BTreeMap;

use x0_crypto::{
    ContentId, Identity, PublicKey,
    sublime::{Commitments, HybridPublic, Share, ShareIndex, seal_hybrid},
};

use super::{secret::ShareKeys, sublime::DrillFault};
use crate::{
    sublime::shares::{KeptPart, KeptParts, KeptShare, ShareKeyName},
    wire::{PartAck, PartAsk, RotationDealing, RotationPlan, RotationShared, part_info},
};

/// Deals a share on.
#[derive(Clone, Debug)]
pub struct RedealTask {
    /// The mesh.
    pub mesh: ContentId,
    /// The share.
    pub share: KeptShare,
    /// The plan.
    pub plan: RotationPlan,
    /// To whom, of those in the plan whose key is known.
    pub to: Vec<(ShareIndex, PublicKey, HybridPublic)>,
}

/// What a dealer gives out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redealt {
    /// What everybody may see.
    pub dealing: RotationDealing,
    /// Each new guardian's part, sealed.
    pub parts: Vec<(ShareIndex, Vec<u8>)>,
}

/// Takes a dealer's part.
#[derive(Clone, Debug)]
pub struct PartTask {
    /// The mesh.
    pub mesh: ContentId,
    /// What the dealer has sent.
    pub ask: PartAsk,
    /// The plan by which the sharing in force came to be; none if it is the first.
    pub before: Option<ContentId>,
    /// The number of the share that comes of it.
    pub index: ShareIndex,
}

/// Why a part is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartFault {
    /// Who sent it has no share of the item, or did not sign what it sent.
    #[error("it is not signed by a guardian of the item")]
    NotADealer,
    /// The dealer's commitments are not to its share, which everybody can see.
    #[error("it deals something else than its share")]
    BadDealing,
    /// The part does not open, or is not what the dealer has committed to.
    #[error("its part does not open, or is not what it has committed to")]
    BadPart,
    /// The part is good and cannot be kept here.
    #[error("the part cannot be kept here: {0}")]
    Here(String),
}

/// Tries whether a share that this node keeps is good.
#[derive(Clone, Debug)]
pub struct TryTask {
    /// The share.
    pub share: KeptShare,
    /// What it is checked against.
    pub commitments: Commitments,
}

/// Puts a new share together.
#[derive(Clone, Debug)]
pub struct JoinTask {
    /// The parts.
    pub kept: KeptParts,
    /// What the rotation has come to.
    pub shared: RotationShared,
}

pub(super) fn redeal(
    task: RedealTask,
    identity: &Identity,
    share_keys: &mut dyn ShareKeys,
) -> Option<Box<Redealt>> {
    let RedealTask {
        mesh,
        share: kept,
        plan,
        to,
    } = task;
    let bytes = share_keys.unwrap(kept.key(), &kept.sealed)?;
    let share = Share::from_bytes(&bytes).ok()?;
    let name = plan.id(&mesh);
    let seed = identity.release_seed();
    let dealt = share.redeal(plan.access, name.digest(), &seed);
    let part = |(index, guardian, key): &(ShareIndex, PublicKey, HybridPublic)| {
        let part = dealt.shares.iter().find(|part| part.index() == *index)?;
        let info = part_info(&mesh, &name, kept.index, (guardian, *index));
        let sealed = seal_hybrid(key, &info, part.to_bytes().as_slice(), &seed);
        Some((*index, sealed.ok()?))
    };
    let parts = to.iter().filter_map(part).collect();
    let dealing = RotationDealing::sign(identity, name, kept.index, dealt.commitments);
    Some(Box::new(Redealt { dealing, parts }))
}

pub(super) fn try_share(task: &TryTask, share_keys: &dyn ShareKeys) -> Result<(), DrillFault> {
    let TryTask { share, commitments } = task;
    let bytes = share_keys.unwrap(share.key(), &share.sealed);
    let bytes = bytes.ok_or(DrillFault::Shut)?;
    let opened = Share::from_bytes(&bytes).map_err(|_| DrillFault::Wrong)?;
    let is_committed = commitments.verify(&opened).is_ok();
    match opened.index() == share.index && is_committed {
        true => Ok(()),
        false => Err(DrillFault::Wrong),
    }
}

pub(super) fn take_part(
    task: PartTask,
    identity: &Identity,
    share_keys: &mut dyn ShareKeys,
) -> Result<Box<KeptPart>, PartFault> {
    let PartTask {
        mesh,
        ask,
        before,
        index,
    } = task;
    let PartAsk {
        plan,
        dealing,
        appointed,
        sealed,
    } = ask;
    let dealer = (&dealing.dealer, dealing.index);
    let from = &plan.from;
    let in_force = (from.epoch, &from.id(), before.as_ref());
    let is_theirs =
        appointed.holds((&mesh, &plan.item), in_force, dealer) && dealing.plan == plan.id(&mesh);
    if !is_theirs || !dealing.is_signed() {
        return Err(PartFault::NotADealer);
    }
    let verified =
        from.commitments
            .verify_redealing(plan.access, dealing.index, &dealing.commitments);
    verified.map_err(|_| PartFault::BadDealing)?;
    let info = part_info(
        &mesh,
        &dealing.plan,
        dealing.index,
        (&identity.public(), index),
    );
    let bytes = share_keys.open(&info, &sealed).ok_or(PartFault::BadPart)?;
    let part = Share::from_bytes(&bytes).map_err(|_| PartFault::BadPart)?;
    let is_committed = dealing.commitments.verify(&part).is_ok();
    if part.index() != index || !is_committed {
        return Err(PartFault::BadPart);
    }
    let name = ShareKeyName::of_part(&dealing.plan, dealing.index);
    let sealed = share_keys.wrap(name, &bytes).map_err(PartFault::Here)?;
    let ack = PartAck::sign(identity, &dealing, index);
    Ok(Box::new(KeptPart {
        dealing,
        ack,
        sealed: sealed.into(),
    }))
}

pub(super) fn join(task: JoinTask, share_keys: &mut dyn ShareKeys) -> Result<Vec<u8>, String> {
    let JoinTask { kept, shared } = task;
    let parts = kept.of_dealers(&shared);
    let parts = parts.ok_or("parts of some dealers are not here")?;
    let dealings: Vec<_> = parts.iter().map(|part| &part.dealing).collect();
    let resharing = kept.plan.share(&dealings).map_err(|e| e.to_string())?;
    if *resharing.commitments() != shared.sharing.commitments {
        return Err("what the dealers committed to is not what was certified".to_owned());
    }
    let mut opened: BTreeMap<ShareIndex, Share> = BTreeMap::new();
    for part in parts {
        let dealer = part.dealing.index;
        let name = ShareKeyName::of_part(&kept.name, dealer);
        let bytes = share_keys.unwrap(name, &part.sealed);
        let share = bytes.and_then(|bytes| Share::from_bytes(&bytes).ok());
        let share = share.ok_or_else(|| format!("the part of dealer {dealer} does not open"))?;
        opened.insert(dealer, share);
    }
    let share = resharing.share(kept.index, &opened);
    let share = share.map_err(|error| error.to_string())?;
    let name = ShareKeyName::of_share(&kept.plan.item, &shared.sharing.id(), kept.index);
    share_keys.wrap(name, share.to_bytes().as_slice())
}
