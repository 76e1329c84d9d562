//! What is said about Sublime: who serves as a guardian, what items there are, who asks for one; and what passes directly
//! between an owner's node, guardians, seats and whoever asked.
//!
//! - [`GuardianWord`]: a member's consent to be drawn as a guardian, with the key that shares are sealed to.
//! - [`Manifest`]: an item, signed by a key that is used for it and for nothing else: the record stands at place 0 of a
//!   chain that nobody knows. The record's name is the item's.
//! - [`AccessRequest`]: a member asks for an item, with a key made for this one request. The record's name is the subject
//!   of the vote that decides.
//! - What is said in an emergency is in `emergency`, and of trustees in `trustee`.
//! - [`GuardAsk`] and [`Release`] are never gossiped: they go to one node, over its link.
//!
//! What is sealed says what it belongs to by its *info*, see [`share_info`] and its neighbours: nothing opens as
//! something else.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use x0_crypto::{
    ContentId, Identity, Namespace, PublicKey, Signature,
    committee::{PartialSignature, SealedToLabel},
    sublime::{AccessStructure, COMMITMENTS_BYTES_MAX, Commitments, HybridPublic, ShareIndex},
    verify,
};

use super::{
    Attestation, CardRevoked, CardTerms, Complaint, Dealt, DecodeError, Drilled, EmergencyCall,
    GuardianAsk, GuardianWord, Kind, OnionWord, PartAsk, Reason, Record, RotationNotice,
    TrusteeTerms, TrusteesRevoked,
    body::TierAddress,
    codec::{decode, encode},
    work::{Worker, check_alone},
};
use crate::{
    core::{
        limits::{
            MANIFEST_WORK_BITS, RECORD_BYTES_MAX, SEALED_ABOUT_BYTES_MAX, SEALED_PART_BYTES_MAX,
            TIER_ADDRESSES_MAX,
        },
        reject::RejectReason,
    },
    sublime::content::CHUNKS_MAX,
};

/// What a record says about Sublime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SublimeBody {
    /// A member serves as a guardian, or no longer.
    Guardian(GuardianWord),
    /// An item.
    Manifest(Box<Manifest>),
    /// A member asks for an item.
    Request(AccessRequest),
    /// A rotation of an item's guardians is open, or has come to its end.
    Rotation(Box<RotationNotice>),
    /// An item is to be forgotten.
    Forget(Forget),
    /// Somebody in an emergency asks for an item by its card.
    Call(Box<EmergencyCall>),
    /// An item's card counts no longer.
    CardRevoked(CardRevoked),
    /// Where a member's node is reached over Tor.
    Onion(OnionWord),
    /// A guardian's node has tried all that it keeps.
    Drilled(Drilled),
    /// A trustee says whether a request to recover an item comes from its owner.
    Attestation(Attestation),
    /// An item's trustees count no longer.
    TrusteesRevoked(TrusteesRevoked),
}

/// An item: where its content is, and what opens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The root of the encrypted content.
    pub content: ContentId,
    /// Chunks under it.
    pub chunks: u64,
    /// Title, true length, guardians and what else is said about it, sealed under the item's key.
    pub about: ByteBuf,
    /// The second part of the key, sealed to the committee under [`second_label`].
    pub second: SealedToLabel,
    /// How the first part is shared.
    pub sharing: Sharing,
    /// The item's recovery card, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Box<CardTerms>>,
    /// Its trustees, if it has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trustees: Option<Box<TrusteeTerms>>,
    /// What the work was found with, see [`Manifest::work`].
    pub nonce: u64,
}

/// How the first part of an item's key is shared among guardians.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sharing {
    /// How often it was shared anew; shares of different epochs do not combine.
    pub epoch: u32,
    /// How many shares of how many are needed, and what each is checked against.
    pub commitments: Commitments,
}

/// A member asks for an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRequest {
    /// The item.
    pub item: ContentId,
    /// What is released is sealed to this key, made for this request alone.
    pub key: HybridPublic,
    /// Why, in words for everyone who votes.
    pub why: Reason,
    /// Whether the item's trustees decide, and no vote does.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub by_trustees: bool,
}

/// An item is to be forgotten: guardians destroy their shares of it, for good. Whoever can show that the item's key has signed
/// this may say so; its author signs it when the item is put, and keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forget {
    /// The key of the item.
    pub item: PublicKey,
    /// Its signature.
    pub signature: Signature,
}

impl Forget {
    fn message(mesh: &ContentId) -> Vec<u8> {
        encode(&("forget", mesh))
    }

    /// Signs it with the item's key.
    pub fn sign(signer: &Identity, mesh: &ContentId) -> Self {
        Self {
            item: signer.public(),
            signature: signer.sign(Namespace::Share, &Self::message(mesh)),
        }
    }

    /// Tells whether the item's key has signed it.
    pub fn is_signed(&self, mesh: &ContentId) -> bool {
        let message = Self::message(mesh);
        verify(&self.item, Namespace::Share, &message, &self.signature).is_ok()
    }

    /// Encodes it, to be kept by who put the item.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode("word to forget an item", bytes, FORGET_BYTES_MAX)
    }
}

/// Longest encoding of [`Forget`]: a key, a signature and two names.
const FORGET_BYTES_MAX: usize = 256;

/// What nodes tell each other directly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum SublimeAsk {
    /// An owner's node asks a guardian's to keep a share.
    Guard(Box<GuardAsk>),
    /// A guardian's or a seat's node sends what a request has opened.
    Release(Box<Release>),
    /// A guardian's node asks a seat's about the rotation of what it keeps.
    Guardian(Box<GuardianAsk>),
    /// A dealer's node hands a new guardian's its part.
    Part(Box<PartAsk>),
    /// A dealer's node tells a seat's who has its parts.
    Dealt(Box<Dealt>),
    /// A new guardian's node tells a seat's that a dealer lied.
    Complain(Box<Complaint>),
    /// A guardian's node tells who had an item forgotten that it has destroyed its share.
    Forgot {
        /// The key of the item.
        item: PublicKey,
        /// The epoch of the sharing.
        epoch: u32,
        /// The number of the share.
        index: ShareIndex,
    },
    /// A linked node says where its IPFS node is reached, so that content goes from one to the other.
    Introduce(Vec<TierAddress>),
    /// A member asks another to serve as a guardian.
    Invite {
        /// Why, in words for that member alone.
        why: Reason,
    },
    /// A member's node answers who has asked it to serve.
    Invited {
        /// Whether it serves.
        serves: bool,
    },
}

/// A share for a guardian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardAsk {
    /// The key of the item.
    pub item: PublicKey,
    /// How it is shared.
    pub sharing: Sharing,
    /// The number of the share.
    pub index: ShareIndex,
    /// The word of the item's key that this member keeps this share, see [`super::Appointed`].
    pub appointed: Signature,
    /// The share, sealed to the guardian under [`share_info`].
    pub sealed: ByteBuf,
}

/// A part of what opens an item, sealed to the key of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The request.
    pub request: ContentId,
    /// Which part.
    pub part: ReleasedPart,
    /// The part, sealed under [`release_info`].
    pub sealed: ByteBuf,
}

/// Which part of what opens an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum ReleasedPart {
    /// A guardian's share.
    Share {
        /// The epoch of the sharing.
        epoch: u32,
        /// The number of the share.
        index: ShareIndex,
    },
    /// A seat's part of the signature that opens the second part.
    Seat {
        /// The epoch of the committee whose key share it is made with.
        epoch: u64,
    },
}

impl SublimeBody {
    /// Returns what it is about: `guardian`, `item`, `request`, `rotation`, `forget`, `call`, `card`, `onion`, `drill`,
    /// `attestation` or `trustees`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Guardian(_) => "guardian",
            Self::Manifest(_) => "item",
            Self::Request(_) => "request",
            Self::Rotation(_) => "rotation",
            Self::Forget(_) => "forget",
            Self::Call(_) => "call",
            Self::CardRevoked(_) => "card",
            Self::Onion(_) => "onion",
            Self::Drilled(_) => "drill",
            Self::Attestation(_) => "attestation",
            Self::TrusteesRevoked(_) => "trustees",
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Guardian(_) => Kind::GUARDIAN,
            Self::Manifest(_) => Kind::MANIFEST,
            Self::Request(_) => Kind::ACCESS_REQUEST,
            Self::Rotation(_) => Kind::ROTATION,
            Self::Forget(_) => Kind::FORGET,
            Self::Call(_) => Kind::EMERGENCY_CALL,
            Self::CardRevoked(_) => Kind::CARD_REVOKED,
            Self::Onion(_) => Kind::ONION,
            Self::Drilled(_) => Kind::DRILLED,
            Self::Attestation(_) => Kind::ATTESTATION,
            Self::TrusteesRevoked(_) => Kind::TRUSTEES_REVOKED,
        }
    }

    /// See [`super::Body::is_sensitive`]. The word that a card is revoked stands in its author's chain and names it.
    pub(super) const fn is_sensitive(&self) -> bool {
        match self {
            Self::Manifest(_) | Self::Call(_) => true,
            Self::Guardian(_)
            | Self::Request(_)
            | Self::Rotation(_)
            | Self::Forget(_)
            | Self::CardRevoked(_)
            | Self::Onion(_)
            | Self::Drilled(_)
            | Self::Attestation(_)
            | Self::TrusteesRevoked(_) => false,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Guardian(body) => encode(body),
            Self::Manifest(body) => encode(body),
            Self::Request(body) => encode(body),
            Self::Rotation(body) => encode(body),
            Self::Forget(body) => encode(body),
            Self::Call(body) => encode(body),
            Self::CardRevoked(body) => encode(body),
            Self::Onion(body) => encode(body),
            Self::Drilled(body) => encode(body),
            Self::Attestation(body) => encode(body),
            Self::TrusteesRevoked(body) => encode(body),
        }
    }

    /// Reads a body; none if its kind is not one of Sublime's.
    pub(super) fn decode(kind: Kind, bytes: &[u8]) -> Option<Result<Self, DecodeError>> {
        let max = RECORD_BYTES_MAX;
        Some(match kind {
            Kind::GUARDIAN => decode("guardian's word", bytes, max).map(Self::Guardian),
            Kind::ACCESS_REQUEST => decode("request for an item", bytes, max).map(Self::Request),
            Kind::FORGET => decode("word to forget an item", bytes, max).map(Self::Forget),
            Kind::CARD_REVOKED => {
                decode("word that a card is revoked", bytes, max).map(Self::CardRevoked)
            }
            Kind::ONION => decode("onion address", bytes, max).map(Self::Onion),
            Kind::ATTESTATION => decode("attestation", bytes, max).map(Self::Attestation),
            Kind::TRUSTEES_REVOKED => {
                decode("word that trustees are revoked", bytes, max).map(Self::TrusteesRevoked)
            }
            Kind::EMERGENCY_CALL => {
                let call = decode::<Box<EmergencyCall>>("emergency call", bytes, max);
                call.and_then(|call| {
                    call.check()?;
                    Ok(Self::Call(call))
                })
            }
            Kind::DRILLED => {
                let drilled = decode::<Drilled>("drill", bytes, max);
                drilled.and_then(Drilled::check).map(Self::Drilled)
            }
            Kind::ROTATION => {
                let notice = decode::<Box<RotationNotice>>("rotation", bytes, max);
                notice.and_then(|notice| {
                    notice.check()?;
                    Ok(Self::Rotation(notice))
                })
            }
            Kind::MANIFEST => {
                let manifest = decode::<Box<Manifest>>("manifest", bytes, max);
                manifest.and_then(|manifest| {
                    manifest.check()?;
                    Ok(Self::Manifest(manifest))
                })
            }
            Kind(_) => return None,
        })
    }
}

impl Manifest {
    fn check(&self) -> Result<(), DecodeError> {
        let wrong = |field, why: String| Err(DecodeError::bounds("manifest", field, why));
        if !(1..=CHUNKS_MAX).contains(&self.chunks) {
            return wrong("chunks", format!("is 1 to {CHUNKS_MAX}"));
        }
        if self.about.len() > SEALED_ABOUT_BYTES_MAX {
            return wrong(
                "about",
                format!("has at most {SEALED_ABOUT_BYTES_MAX} bytes"),
            );
        }
        self.card.as_ref().map_or(Ok(()), |card| card.check())?;
        self.trustees.as_ref().map_or(Ok(()), |terms| terms.check())
    }

    /// Returns how much work stands in the manifest: zero bits at the front of a hash over the mesh, the item's key and all
    /// that it says.
    pub fn work(&self, mesh: &ContentId, item: &PublicKey) -> u32 {
        self.worker(mesh, item).bits(self.nonce)
    }

    /// Finds the first nonce that comes to the work that every manifest needs.
    pub fn find_nonce(&mut self, mesh: &ContentId, item: &PublicKey) {
        self.nonce = self.worker(mesh, item).find(MANIFEST_WORK_BITS);
    }

    fn worker(&self, mesh: &ContentId, item: &PublicKey) -> Worker {
        let Self {
            content,
            chunks,
            about,
            second,
            sharing,
            card,
            trustees,
            nonce: _,
        } = self;
        let said = (
            ("x0/manifest/work/1", mesh, item),
            (content, chunks, about, second, sharing),
        );
        match (card, trustees) {
            (None, None) => Worker::over(&said),
            (Some(card), None) => Worker::over(&(said, card)),
            (card, Some(trustees)) => Worker::over(&(said, card, trustees)),
        }
    }

    /// Checks place and work of the record that carries the manifest.
    pub(super) fn check_carried(
        &self,
        mesh: &ContentId,
        record: &Record,
    ) -> Result<(), RejectReason> {
        let work = self.work(mesh, &record.author());
        let why = "a manifest stands alone at place 0 of a key of its own";
        check_alone(record, (work, MANIFEST_WORK_BITS), why)
    }
}

impl Sharing {
    /// Returns how many shares of how many are needed.
    pub const fn access(&self) -> AccessStructure {
        self.commitments.access()
    }

    /// Encodes the sharing, for the way from the node to its user's program.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a sharing.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode("sharing", bytes, 2 * COMMITMENTS_BYTES_MAX)
    }

    /// Returns the name of the sharing, which every share belongs to.
    pub fn id(&self) -> ContentId {
        ContentId::of(&encode(&("x0/sharing/1", self)))
    }
}

impl GuardAsk {
    /// Encodes the ask, for the way from the owner's program to its node.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads an ask.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let ask: Self = decode("share", bytes, 2 * SEALED_PART_BYTES_MAX)?;
        ask.check()?;
        Ok(ask)
    }

    fn check(&self) -> Result<(), DecodeError> {
        let shares = self.sharing.access().shares();
        if self.index.number() > shares {
            let why = format!("is 1 to {shares}");
            return Err(DecodeError::bounds("share", "index", why));
        }
        check_sealed(&self.sealed)
    }
}

impl Release {
    /// Encodes the release, for the way from the node to the asking user's program.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a release.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode("release", bytes, 2 * SEALED_PART_BYTES_MAX)
    }
}

impl SublimeAsk {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Guard(ask) => ask.check(),
            Self::Release(release) => check_sealed(&release.sealed),
            Self::Guardian(ask) => ask.check(),
            Self::Part(ask) => ask.check(),
            Self::Dealt(dealt) => dealt.check(),
            Self::Complain(_)
            | Self::Forgot { .. }
            | Self::Invite { .. }
            | Self::Invited { .. } => Ok(()),
            Self::Introduce(addresses) => {
                if addresses.len() > TIER_ADDRESSES_MAX {
                    let why = format!("are at most {TIER_ADDRESSES_MAX}");
                    return Err(DecodeError::bounds("introduction", "addresses", why));
                }
                Ok(())
            }
        }
    }
}

pub(super) fn check_sealed(sealed: &[u8]) -> Result<(), DecodeError> {
    if sealed.len() > SEALED_PART_BYTES_MAX {
        let why = format!("has at most {SEALED_PART_BYTES_MAX} bytes");
        return Err(DecodeError::bounds("share", "sealed", why));
    }
    Ok(())
}

/// What a seat seals to the key of a request: its part of the signature that opens the second part of an item's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeatOpening {
    /// The part of the signature of [`second_label`].
    pub part: PartialSignature,
    /// The encoded key of the committee that the part is checked against: of it members know the public half only.
    pub group: ByteBuf,
}

impl SeatOpening {
    /// Encodes what is to be sealed.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads what was sealed.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode("opening by a seat", bytes, SEALED_PART_BYTES_MAX)
    }
}

/// Returns the label to which the second part of an item's key is sealed.
pub fn second_label(mesh: &ContentId, item: &PublicKey) -> Vec<u8> {
    encode(&("x0/sublime/second/1", mesh, item))
}

/// Returns what a share is sealed to its guardian as.
pub fn share_info(
    mesh: &ContentId,
    item: &PublicKey,
    sharing: &ContentId,
    (guardian, index): (&PublicKey, ShareIndex),
) -> Vec<u8> {
    encode(&("x0/sublime/share/1", mesh, item, sharing, guardian, index))
}

/// Returns what a part is sealed to the key of a request as.
pub fn release_info(
    mesh: &ContentId,
    request: &ContentId,
    (from, part): (&PublicKey, ReleasedPart),
) -> Vec<u8> {
    encode(&("x0/sublime/release/1", mesh, request, from, part))
}
