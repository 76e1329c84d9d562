//! The checked description of one ceremony: who makes which key for whom.

use core::fmt;

use commonware_codec::Encode as _;
use commonware_cryptography::bls12381::dkg::feldman_desmedt::{Info, Reveal};
use commonware_cryptography::bls12381::primitives::{sharing::Mode, variant::MinSig};
use commonware_utils::{N3f1, ordered::Set};
use sha2::{Digest, Sha256};

use super::seat_key::SeatKey;
use super::{GroupKey, Purpose, SEATS_MAX, SEATS_MIN, threshold};
use crate::{ContentId, PublicKey};

/// Describes a ceremony that is yet to be checked.
#[derive(Debug, Clone)]
pub struct CeremonyPlan {
    /// The mesh whose committee it is.
    pub mesh: ContentId,
    /// Counts the ceremonies of the mesh for this purpose, failed ones too: none is ever repeated.
    pub epoch: u64,
    /// What the key is for.
    pub purpose: Purpose,
    /// Who shares out secrets; when a key is handed over, seats that hold it. In any order.
    pub dealers: Vec<PublicKey>,
    /// Who is to hold the key. In any order.
    pub players: Vec<PublicKey>,
    /// The key that is handed over; none makes a new one.
    pub previous: Option<GroupKey>,
}

/// Describes a ceremony that can be held.
#[derive(Clone)]
pub struct Ceremony {
    plan: CeremonyPlan,
    digest: [u8; 32],
    info: Info<MinSig, SeatKey>,
}

/// Says which side of a ceremony is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Those who share out.
    Dealer,
    /// Those who are given.
    Player,
}

/// Says why a plan cannot be held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CeremonyError {
    /// Too few or too many for a committee.
    #[error("{found} {role}s are planned; name {SEATS_MIN} to {SEATS_MAX}")]
    SeatCount {
        /// On which side.
        role: Role,
        /// How many were named.
        found: usize,
    },
    /// Someone is named twice.
    #[error("{key} is named twice as a {role}; name each once")]
    Twice {
        /// On which side.
        role: Role,
        /// Who.
        key: PublicKey,
    },
    /// The key to hand over belongs elsewhere.
    #[error("the key to hand over is of mesh {found}; hand over a key of {planned}")]
    OtherMesh {
        /// The mesh of the plan.
        planned: ContentId,
        /// The mesh of the key.
        found: ContentId,
    },
    /// The key to hand over is for something else.
    #[error("the key to hand over is a {found} key; hand over a {planned} key")]
    OtherPurpose {
        /// The purpose of the plan.
        planned: Purpose,
        /// The purpose of the key.
        found: Purpose,
    },
    /// Epochs only rise.
    #[error("the key to hand over is of epoch {previous}; plan an epoch after it, not {planned}")]
    EpochNotAfter {
        /// The epoch of the plan.
        planned: u64,
        /// The epoch of the key.
        previous: u64,
    },
    /// Only those who hold a key can hand it over.
    #[error("{key} holds no share of the key to hand over; name only its seats as dealers")]
    HoldsNoShare {
        /// Who.
        key: PublicKey,
    },
    /// Too few to hand a key over.
    #[error("{found} dealers cannot hand the key over; name at least {needed} of its seats")]
    TooFewToHandOver {
        /// How many were named.
        found: usize,
        /// How many it takes.
        needed: u8,
    },
    /// The library refused a plan that passed every check above.
    #[error("the key ceremony cannot be set up ({reason}); report this with the plan")]
    Refused {
        /// What it said.
        reason: String,
    },
}

impl Ceremony {
    /// Checks a plan and sorts its seats by key.
    ///
    /// # Errors
    /// [`CeremonyError`], by what must change in the plan.
    pub fn new(mut plan: CeremonyPlan) -> Result<Self, CeremonyError> {
        let dealers = sorted(Role::Dealer, &mut plan.dealers)?;
        let players = sorted(Role::Player, &mut plan.players)?;
        if let Some(previous) = &plan.previous {
            check_hand_over(&plan, previous)?;
        }
        let info = Info::new::<N3f1>(
            &[plan.purpose.tag().as_bytes(), &[0], plan.mesh.digest()].concat(),
            plan.epoch,
            plan.previous.as_ref().map(|key| key.output().clone()),
            Mode::NonZeroCounter,
            Reveal::V1,
            dealers,
            players,
        );
        let info = info.map_err(|error| CeremonyError::Refused {
            reason: error.to_string(),
        })?;
        Ok(Self {
            digest: digest(&plan),
            plan,
            info,
        })
    }

    /// Returns the ceremony's name: a hash of everything that describes it.
    pub const fn id(&self) -> ContentId {
        ContentId::from_digest(self.digest)
    }

    /// Returns the mesh whose committee it is.
    pub const fn mesh(&self) -> ContentId {
        self.plan.mesh
    }

    /// Returns the number of the ceremony.
    pub const fn epoch(&self) -> u64 {
        self.plan.epoch
    }

    /// Returns what the key is for.
    pub const fn purpose(&self) -> Purpose {
        self.plan.purpose
    }

    /// Returns who shares out, sorted.
    pub fn dealers(&self) -> &[PublicKey] {
        &self.plan.dealers
    }

    /// Returns who is to hold the key, sorted: their places are their seats.
    pub fn players(&self) -> &[PublicKey] {
        &self.plan.players
    }

    /// Returns the key that is handed over.
    pub const fn previous(&self) -> Option<&GroupKey> {
        self.plan.previous.as_ref()
    }

    pub(super) const fn info(&self) -> &Info<MinSig, SeatKey> {
        &self.info
    }

    /// Returns a hash of everything that describes the ceremony.
    pub(super) const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

fn sorted(role: Role, keys: &mut [PublicKey]) -> Result<Set<SeatKey>, CeremonyError> {
    let fits = usize::from(SEATS_MIN)..=usize::from(SEATS_MAX);
    if !fits.contains(&keys.len()) {
        return Err(CeremonyError::SeatCount {
            role,
            found: keys.len(),
        });
    }
    keys.sort_unstable();
    if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(CeremonyError::Twice { role, key: pair[0] });
    }
    Ok(Set::from_iter_dedup(keys.iter().copied().map(SeatKey)))
}

fn check_hand_over(plan: &CeremonyPlan, previous: &GroupKey) -> Result<(), CeremonyError> {
    if previous.mesh() != plan.mesh {
        return Err(CeremonyError::OtherMesh {
            planned: plan.mesh,
            found: previous.mesh(),
        });
    }
    if previous.purpose() != plan.purpose {
        return Err(CeremonyError::OtherPurpose {
            planned: plan.purpose,
            found: previous.purpose(),
        });
    }
    if previous.epoch() >= plan.epoch {
        return Err(CeremonyError::EpochNotAfter {
            planned: plan.epoch,
            previous: previous.epoch(),
        });
    }
    if let Some(&key) = plan
        .dealers
        .iter()
        .find(|key| previous.seat_of(key).is_none())
    {
        return Err(CeremonyError::HoldsNoShare { key });
    }
    if plan.dealers.len() < usize::from(previous.threshold()) {
        return Err(CeremonyError::TooFewToHandOver {
            found: plan.dealers.len(),
            needed: previous.threshold(),
        });
    }
    Ok(())
}

/// Hashes a checked plan; every part has a fixed length or its length before it.
fn digest(plan: &CeremonyPlan) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"x0/committee/ceremony/1");
    hash.update([plan.purpose.number()]);
    hash.update(plan.mesh.digest());
    hash.update(plan.epoch.to_be_bytes());
    for keys in [&plan.dealers, &plan.players] {
        hash.update((keys.len() as u64).to_be_bytes());
        keys.iter().for_each(|key| hash.update(key.bytes()));
    }
    if let Some(previous) = &plan.previous {
        hash.update(previous.output().encode());
    }
    hash.finalize().into()
}

/// Tells who is described without the whole of the previous key.
impl fmt::Debug for Ceremony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ceremony")
            .field("mesh", &self.plan.mesh)
            .field("epoch", &self.plan.epoch)
            .field("purpose", &self.plan.purpose)
            .field("dealers", &self.plan.dealers)
            .field("players", &self.plan.players)
            .field("hands_over", &self.plan.previous.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dealer => "dealer",
            Self::Player => "player",
        })
    }
}

/// The threshold of the largest committee fits a commitment's length, see `COMMITMENT_BYTES_MAX`.
const _: () = assert!(threshold(SEATS_MAX) == 21 && threshold(SEATS_MIN) == 3);
