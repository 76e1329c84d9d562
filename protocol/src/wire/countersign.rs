//! Heads of audit logs that drawn witnesses have countersigned: what a witness signs, and what shows it to anybody.

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, Identity, Namespace, PublicKey, Signature, verify};

use super::{Certificate, DecodeError, LogHead, Placed, Unverified, codec::encode, decode_entry};
use crate::{
    core::{
        limits::{DRAW_TRIES_MAX, WITNESSES_DRAWN},
        reject::RejectReason,
    },
    spine::audit::tree::Hash,
};

/// Longest encoding of a countersigned head, bytes: the proofs of as many places as a draw looks at, in a mesh of a
/// million, take 60 KiB.
const COUNTERSIGNED_BYTES_MAX: usize = 128 * 1024;

/// What a witness signs: that it holds this head of a log as the newest, and has signed none that contradicts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldHead {
    /// The mesh.
    pub mesh: ContentId,
    /// Height of the checkpoint that drew the witnesses.
    pub height: u64,
    /// Whose log.
    pub author: PublicKey,
    /// Entries in the log.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

impl HeldHead {
    /// Returns what witnesses drawn at a height sign of a head.
    pub const fn new(mesh: ContentId, height: u64, head: &LogHead) -> Self {
        Self {
            mesh,
            height,
            author: head.author,
            size: head.size,
            root: head.root,
        }
    }

    /// Signs it as a witness.
    pub fn sign(&self, identity: &Identity) -> Countersign {
        Countersign {
            by: identity.public(),
            signature: identity.sign(Namespace::Countersign, &encode(self)),
        }
    }
}

/// What an author asks of a witness.
#[derive(Clone, Debug)]
pub struct CountersignAsk {
    /// The head.
    pub head: Unverified<LogHead>,
    /// Height of the checkpoint that has drawn the witness.
    pub height: u64,
}

/// The signature of a witness under a head of somebody's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Countersign {
    /// The witness.
    pub by: PublicKey,
    /// Its signature over a [`HeldHead`].
    pub signature: Signature,
}

impl Countersign {
    /// Checks the signature.
    ///
    /// # Errors
    ///
    /// Returns [`RejectReason::BadSignature`].
    pub fn verify(&self, held: &HeldHead) -> Result<(), RejectReason> {
        verify(
            &self.by,
            Namespace::Countersign,
            &encode(held),
            &self.signature,
        )
        .map_err(|_| RejectReason::BadSignature)
    }
}

/// A head with the signatures of witnesses, and all that it takes to repeat the draw of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountersignedHead {
    /// The head.
    pub head: LogHead,
    /// The committee's certificate of the checkpoint that drew the witnesses.
    pub certificate: Certificate,
    /// Who stands at the places that the draw looked at, each once, in order of place.
    pub places: Vec<Placed>,
    /// The signatures, in order of witness.
    pub signed: Vec<Countersign>,
}

impl CountersignedHead {
    /// Encodes it.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads one; what it claims is still to be checked.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let what = "countersigned head";
        let head: Self = decode_entry(what, bytes, COUNTERSIGNED_BYTES_MAX)?;
        let are_places_in_order = head.places.is_sorted_by(|one, next| one.place < next.place);
        if head.places.len() > DRAW_TRIES_MAX || !are_places_in_order {
            let why = format!("are not at most {DRAW_TRIES_MAX} places in order, each once");
            return Err(DecodeError::bounds(what, "places", why));
        }
        let are_witnesses_in_order = head.signed.is_sorted_by(|one, next| one.by < next.by);
        if head.signed.len() > WITNESSES_DRAWN || !are_witnesses_in_order {
            let why = format!("are not at most {WITNESSES_DRAWN} witnesses in order, each once");
            return Err(DecodeError::bounds(what, "signed", why));
        }
        Ok(head)
    }
}
