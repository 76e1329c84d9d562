//! What is said when somebody in danger calls for an item with its recovery card: by records, for everyone to check, and
//! over one onion connection between a device that belongs to nobody and a node.
//!
//! - [`CardTerms`] stand in the manifest of an item that has a card: the key that the card signs with, and what jurors read.
//! - [`EmergencyCall`]: a device asks for the item. Like a manifest it stands alone at place 0 of a key that nobody knows, so
//!   that it says nothing of who calls. The record's name is the subject that the jury of the day decides about.
//! - [`CardRevoked`]: the item's own key says that its card counts no longer.
//! - [`OnionWord`]: a member says where its node is reached over Tor.
//! - [`EmergencyAsk`] and [`EmergencyAnswer`] pass between device and node, and are never gossiped. The device believes
//!   nothing of them that does not follow from what its card says, see `sublime::calling`.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use x0_crypto::{
    ChunkId, ContentId, Identity, Namespace, OnionAddress, PublicKey, Signature,
    sublime::HybridPublic, verify,
};
use zeroize::Zeroizing;

use super::{
    Certificate, CommitteeKeys, DecodeError, Reason, Record, Release, RotationNotice,
    codec::{decode, encode},
    jury::jury_max,
    sublime::check_sealed,
    work::{Worker, check_alone},
};
use crate::core::{
    limits::{
        CALL_WORK_BITS, CARD_VETO_MAX, CHUNKS_ASKED_MAX, EMERGENCY_FRAME_BYTES_MAX,
        ONIONS_SHOWN_MAX, REASON_BYTES_MAX, RECORD_BYTES_MAX, RELEASES_KEPT_MAX,
        SEALED_REASON_BYTES,
    },
    reject::RejectReason,
    time::{Millis, Wall},
};

/// What a manifest says of the item's recovery card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardTerms {
    /// The key that the card signs with.
    pub key: PublicKey,
    /// The name of the committee's keys, see [`keys_name`]: by it the device knows the word of the mesh's committee.
    pub committee: ContentId,
    /// What jurors and whoever lists items may know of the item, in the owner's words.
    pub label: Reason,
    /// When jurors should say yes, in the owner's words.
    pub policy: Reason,
    /// Mesh time from the moment the jury is asked in which the owner can still revoke the card, and nothing is released.
    pub veto: Millis,
}

/// A device in an emergency asks for an item, by its card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencyCall {
    /// The item.
    pub item: ContentId,
    /// The key that its card signs with.
    pub card: PublicKey,
    /// What is released is sealed to this key, made for this call alone.
    pub key: HybridPublic,
    /// Why, for each juror of the day, in order of juror, sealed as [`call_reason_info`]; all of one length.
    pub reasons: Vec<ByteBuf>,
    /// The card's signature over all that is above and the key that signs the record.
    pub proof: Signature,
    /// What the work was found with, see [`EmergencyCall::work`].
    pub nonce: u64,
}

/// An item's card counts no longer. The item's key signs it when the item is put, and its author keeps it; whoever can show
/// it may say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardRevoked {
    /// The key of the item.
    pub item: PublicKey,
    /// Its signature.
    pub signature: Signature,
}

/// Where a member's node is reached over Tor; the newest word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnionWord {
    /// The address; none if it is reached so no longer.
    pub address: Option<OnionAddress>,
}

/// What a device asks a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum EmergencyAsk {
    /// What there is to know before a call.
    Hello {
        /// The item.
        item: ContentId,
    },
    /// Has a call said to the mesh, and the jury of the day asked.
    Call {
        /// The call, as its record is encoded.
        record: ByteBuf,
    },
    /// How a call stands, and what was released for it.
    Standing {
        /// The call.
        call: ContentId,
    },
    /// One block of links of the item's encrypted content.
    Links {
        /// The item.
        item: ContentId,
        /// The block.
        block: ContentId,
    },
    /// Some chunks of the item's encrypted content.
    Chunks {
        /// The item.
        item: ContentId,
        /// The chunks.
        chunks: Vec<ChunkId>,
    },
}

/// What a node answers a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum EmergencyAnswer {
    /// To [`EmergencyAsk::Hello`].
    Hello(Box<HelloShown>),
    /// To [`EmergencyAsk::Call`]: the call is known to the mesh, and a jury was asked.
    Taken {
        /// The call.
        call: ContentId,
    },
    /// To [`EmergencyAsk::Standing`].
    Standing(Box<CallStanding>),
    /// To [`EmergencyAsk::Links`] and [`EmergencyAsk::Chunks`], in the order that was asked for.
    Blocks(Vec<ByteBuf>),
    /// The node does not do it.
    Refused {
        /// Why, in words for the person at the device.
        why: Reason,
    },
}

/// What a node knows that a device needs before a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelloShown {
    /// The item's manifest, as its record is encoded.
    pub manifest: ByteBuf,
    /// The newest rotation of the item's guardians that has come to its end.
    pub rotation: Option<Box<RotationNotice>>,
    /// The committee's public keys.
    pub committee: CommitteeKeys,
    /// The jury of the day, if one was drawn.
    pub jury: Option<JuryShown>,
    /// Mesh time.
    pub time: Wall,
    /// Where other nodes are reached over Tor.
    pub onions: Vec<OnionAddress>,
}

/// A jury of the day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JuryShown {
    /// The committee's word whom it has drawn.
    pub drawn: Certificate,
    /// The jury, in order.
    pub jury: Vec<PublicKey>,
}

/// How a call stands, as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallStanding {
    /// How far it is.
    pub stage: CallStage,
    /// Jurors that were asked; 0 if none was.
    pub jury: u32,
    /// How many have said yes.
    pub yes: u32,
    /// How many have said no.
    pub no: u32,
    /// What was released and is here, with whose node sealed it.
    pub parts: Vec<(PublicKey, Release)>,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum CallStage {
    /// The call is not known here.
    Unknown,
    /// The jury has not decided.
    Open,
    /// The jury has said yes, and the owner can still revoke the card.
    Veto {
        /// Mesh time until then.
        until: Wall,
    },
    /// Guardians release.
    Granted,
    /// So many jurors have said no that the others cannot pass it. That is final.
    Denied,
    /// The card was revoked. That is final.
    Revoked,
    /// It is too old.
    Over,
}

impl CallStage {
    /// Returns the name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Open => "before the jury",
            Self::Veto { .. } => "passed, in the owner's veto time",
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Revoked => "revoked",
            Self::Over => "over",
        }
    }
}

impl CardTerms {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self.veto <= CARD_VETO_MAX {
            true => Ok(()),
            false => {
                let why = format!("is at most {} hours", CARD_VETO_MAX.0 / 3_600_000);
                Err(DecodeError::bounds("recovery card", "veto", why))
            }
        }
    }
}

impl EmergencyCall {
    /// Signs a call with the item's card.
    pub fn sign(
        card: &Identity,
        (mesh, author): (&ContentId, &PublicKey),
        (item, key): (ContentId, HybridPublic),
        reasons: Vec<ByteBuf>,
    ) -> Self {
        let mut call = Self {
            item,
            card: card.public(),
            key,
            reasons,
            proof: Signature::from_bytes([0; 64]),
            nonce: 0,
        };
        call.proof = card.sign(Namespace::Card, &call.message(mesh, author));
        call
    }

    /// Tells whether the card it names has signed it.
    pub fn is_signed(&self, mesh: &ContentId, author: &PublicKey) -> bool {
        let message = self.message(mesh, author);
        verify(&self.card, Namespace::Card, &message, &self.proof).is_ok()
    }

    fn message(&self, mesh: &ContentId, author: &PublicKey) -> Vec<u8> {
        let Self {
            item,
            card,
            key,
            reasons,
            proof: _,
            nonce: _,
        } = self;
        let reasons = ContentId::of(&encode(reasons));
        encode(&(("call", mesh, author), (item, card, key, reasons)))
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        let wrong = |why: String| Err(DecodeError::bounds("emergency call", "reasons", why));
        if self.reasons.len() > jury_max() {
            return wrong(format!("are at most {}", jury_max()));
        }
        match self
            .reasons
            .iter()
            .all(|sealed| sealed.len() == SEALED_REASON_BYTES)
        {
            true => Ok(()),
            false => wrong(format!("have {SEALED_REASON_BYTES} bytes each")),
        }
    }

    /// Returns how much work stands in the call: zero bits at the front of a hash over the mesh, its key and all that it says.
    pub fn work(&self, mesh: &ContentId, author: &PublicKey) -> u32 {
        self.worker(mesh, author).bits(self.nonce)
    }

    /// Finds the first nonce that comes to the work that every call needs.
    pub fn find_nonce(&mut self, mesh: &ContentId, author: &PublicKey) {
        self.nonce = self.worker(mesh, author).find(CALL_WORK_BITS);
    }

    fn worker(&self, mesh: &ContentId, author: &PublicKey) -> Worker {
        let said = ("x0/call/work/1", self.message(mesh, author), &self.proof);
        Worker::over(&said)
    }

    /// Checks place, work and card's signature of the record that carries the call.
    pub(super) fn check_carried(
        &self,
        mesh: &ContentId,
        record: &Record,
    ) -> Result<(), RejectReason> {
        let work = self.work(mesh, &record.author());
        let why = "an emergency call stands alone at place 0 of a key of its own";
        check_alone(record, (work, CALL_WORK_BITS), why)?;
        match self.is_signed(mesh, &record.author()) {
            true => Ok(()),
            false => Err(RejectReason::BadSignature),
        }
    }
}

impl CardRevoked {
    fn message(mesh: &ContentId) -> Vec<u8> {
        encode(&("card revoked", mesh))
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
        decode("word that a card is revoked", bytes, REVOKED_BYTES_MAX)
    }
}

/// Longest encoding of [`CardRevoked`]: a key, a signature and two names.
const REVOKED_BYTES_MAX: usize = 256;

impl EmergencyAsk {
    /// Encodes the ask.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads an ask.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let ask: Self = decode("ask of a device", bytes, 2 * RECORD_BYTES_MAX)?;
        match &ask {
            Self::Chunks { chunks, .. } if chunks.len() > CHUNKS_ASKED_MAX => {
                let why = format!("are at most {CHUNKS_ASKED_MAX}");
                Err(DecodeError::bounds("ask of a device", "chunks", why))
            }
            Self::Hello { .. }
            | Self::Call { .. }
            | Self::Standing { .. }
            | Self::Links { .. }
            | Self::Chunks { .. } => Ok(ask),
        }
    }
}

impl EmergencyAnswer {
    /// Refuses in words, of which those beyond the bound are cut off.
    pub fn refused(why: &str) -> Self {
        Self::Refused {
            why: Reason::shortened(why),
        }
    }

    /// Encodes the answer.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let answer: Self = decode("answer of a node", bytes, EMERGENCY_FRAME_BYTES_MAX)?;
        answer.check()?;
        Ok(answer)
    }

    fn check(&self) -> Result<(), DecodeError> {
        let wrong = |field, most: usize| {
            let why = format!("are at most {most}");
            Err(DecodeError::bounds("answer of a node", field, why))
        };
        match self {
            Self::Hello(hello) => {
                let jurors = hello.jury.as_ref().map_or(0, |shown| shown.jury.len());
                if jurors > jury_max() {
                    return wrong("jurors", jury_max());
                }
                if hello.onions.len() > ONIONS_SHOWN_MAX {
                    return wrong("onions", ONIONS_SHOWN_MAX);
                }
                let rotation = hello.rotation.as_ref();
                rotation.map_or(Ok(()), |notice| notice.check())
            }
            Self::Standing(standing) if standing.parts.len() > RELEASES_KEPT_MAX => {
                wrong("parts", RELEASES_KEPT_MAX)
            }
            Self::Standing(standing) => {
                let mut parts = standing.parts.iter();
                parts.try_for_each(|(_, part)| check_sealed(&part.sealed))
            }
            Self::Blocks(blocks) if blocks.len() > CHUNKS_ASKED_MAX => {
                wrong("blocks", CHUNKS_ASKED_MAX)
            }
            Self::Blocks(_) | Self::Taken { .. } | Self::Refused { .. } => Ok(()),
        }
    }
}

/// Returns the name of a committee's public keys, by which a card's terms know them. They stay the same when seats are handed
/// over, and change only when members seat a new committee for a lost one.
pub fn keys_name(mesh: &ContentId, keys: &CommitteeKeys) -> ContentId {
    let keys = (&keys.certificate, &keys.decryption);
    ContentId::of(&encode(&("x0/committee-keys/1", mesh, keys)))
}

/// Writes a reason as it is sealed to a juror: its length, itself, and zeros, so that all reasons are of one length.
pub fn write_reason(reason: &Reason) -> Zeroizing<Vec<u8>> {
    let mut padded = Zeroizing::new(vec![0; 2 + REASON_BYTES_MAX]);
    let text = reason.as_str().as_bytes();
    let length = u16::try_from(text.len()).unwrap_or_default();
    padded[..2].copy_from_slice(&length.to_be_bytes());
    padded[2..2 + text.len()].copy_from_slice(text);
    padded
}

/// Reads a reason that was sealed to a juror.
pub fn read_reason(padded: &[u8]) -> Option<Reason> {
    let (length, text) = padded.split_first_chunk::<2>()?;
    let text = text.get(..usize::from(u16::from_be_bytes(*length)))?;
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// Returns what the reason of a call is sealed to a juror as.
pub fn call_reason_info(mesh: &ContentId, item: &ContentId, author: &PublicKey) -> Vec<u8> {
    encode(&("x0/sublime/reason/1", mesh, item, author))
}
