//! What the reporter of a sealed report keeps, and what it proves.
//!
//! Everything follows from one random seed: the one-time key, the secret whose hash stands in the report, the
//! randomness of the sealing. With it somebody proves to be the author of that one report ([`Receipt::prove`]), which
//! shows nothing else, and claims the bounty. Who has the seed is the reporter, to everybody: it must be kept like a
//! key, and nothing brings it back.

use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;
use sha2::{Digest, Sha256};
use x0_crypto::{ContentId, Identity, Namespace, PublicKey, Signature, verify};
use zeroize::Zeroizing;

use crate::{
    core::{reject::RejectReason, time::Wall},
    wire::{Body, Claim, Draft, Record, SealedReport, Verified, encode_entry},
};

/// The secret of one sealed report; wiped when it is let go of.
pub struct Receipt {
    seed: Zeroizing<[u8; 32]>,
}

/// Shows that somebody holds the receipt of a report, in answer to a challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorship {
    /// The mesh.
    pub mesh: ContentId,
    /// The report.
    pub case: ContentId,
    /// Its one-time key.
    pub author: PublicKey,
    /// What the asker wanted to be signed.
    pub challenge: String,
    /// The signature of the one-time key over mesh, report and challenge.
    pub signature: Signature,
}

impl Receipt {
    /// Makes the receipt of a seed, which must be secret, random and used for one report.
    pub const fn of_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        Self { seed }
    }

    /// Returns the seed, to be kept.
    pub fn seed(&self) -> &Zeroizing<[u8; 32]> {
        &self.seed
    }

    /// Returns the one-time key with which the report is signed.
    pub fn identity(&self) -> Identity {
        Identity::from_seed(self.derive(b"key"))
    }

    /// Returns the hash that stands in the report.
    pub fn commitment(&self) -> ContentId {
        SealedReport::commit(&self.derive(b"secret"))
    }

    pub(super) fn sealing_seed(&self) -> Zeroizing<[u8; 32]> {
        self.derive(b"sealing")
    }

    pub(super) fn salt(&self) -> [u8; 16] {
        let derived = self.derive(b"salt");
        let mut salt = [0; 16];
        for (to, from) in salt.iter_mut().zip(derived.iter()) {
            *to = *from;
        }
        salt
    }

    /// Signs a challenge as the author of the report.
    pub fn prove(&self, mesh: ContentId, case: ContentId, challenge: String) -> Authorship {
        let identity = self.identity();
        let message = proven(&mesh, &case, &challenge);
        Authorship {
            mesh,
            case,
            author: identity.public(),
            challenge,
            signature: identity.sign(Namespace::Receipt, &message),
        }
    }

    /// Makes the record that claims the report's bounty for somebody. It shows the receipt's secret; proofs of authorship
    /// stay possible.
    ///
    /// # Errors
    ///
    /// Returns why no record can be made.
    pub fn claim(
        &self,
        mesh: ContentId,
        case: ContentId,
        to: PublicKey,
        time: Wall,
    ) -> Result<Verified<Record>, RejectReason> {
        let identity = self.identity();
        let claim = Claim {
            case,
            to,
            secret: *self.derive(b"secret"),
        };
        let body = Body::Claim(Box::new(claim));
        let place = (1, Some(case));
        let draft = Draft::new(
            Some(mesh),
            identity.public(),
            place,
            time,
            self.salt(),
            body,
        );
        draft.sign(&identity)
    }

    fn derive(&self, what: &[u8]) -> Zeroizing<[u8; 32]> {
        let hash = Sha256::new()
            .chain_update(b"x0/report/receipt/1\0")
            .chain_update(self.seed.as_slice())
            .chain_update(what);
        Zeroizing::new(hash.finalize().into())
    }
}

impl Authorship {
    /// Checks the signature. That the report is one of the mesh, and of this key, is for the asker's node to say.
    ///
    /// # Errors
    ///
    /// [`RejectReason::BadSignature`] if the key has not signed this challenge.
    pub fn verify(&self) -> Result<(), RejectReason> {
        let message = proven(&self.mesh, &self.case, &self.challenge);
        verify(&self.author, Namespace::Receipt, &message, &self.signature)
            .map_err(|_| RejectReason::BadSignature)
    }
}

fn proven(mesh: &ContentId, case: &ContentId, challenge: &str) -> Vec<u8> {
    encode_entry(&(mesh, case, Bytes::new(challenge.as_bytes())))
}
