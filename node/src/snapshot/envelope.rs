//! A signed message as it travels: decoded within limits, and verified.

use alloy_primitives::{Address, Signature};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::message::{DOMAIN_NAME, DOMAIN_VERSION, Message, Proposal, Vote};
use crate::ethereum_key::{EthereumKey, KeyError};

/// Longest envelope read, bytes: a proposal's text may have 20,000 characters, of four bytes each, and escapes.
pub const ENVELOPE_BYTES_MAX: usize = 256 * 1024;

/// A message with its signature, as it was decoded and not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who is said to have signed it.
    pub address: String,
    /// The signature, in hexadecimal.
    pub sig: String,
    /// The message.
    pub message: Message,
}

/// Why an envelope does not show that its message was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// It is of a form that this program does not know.
    #[error("it is of another form: {0}")]
    OtherForm(String),
    /// It is not what it is told to be, or not there.
    #[error("{0}")]
    NotAsTold(String),
    /// It is signed by a contract, which only a chain can be asked about.
    #[error("it is signed by a contract, which only the chain can confirm")]
    Contract,
    /// The signature is by somebody else.
    #[error("its signature is by {signer}, not by {said}")]
    OtherSigner {
        /// By whom it is.
        signer: String,
        /// By whom it is said to be.
        said: String,
    },
    /// The signature is none.
    #[error("its signature is none")]
    BadSignature,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    address: String,
    sig: String,
    data: Data,
}

#[derive(Serialize, Deserialize)]
struct Data {
    domain: Domain,
    types: Value,
    message: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Domain {
    name: String,
    version: String,
}

impl Envelope {
    /// Reads an envelope.
    ///
    /// The types it names must be those this program hashes by: a message may not be read in one way and signed in
    /// another.
    ///
    /// # Errors
    ///
    /// Returns what is of another form.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotShown> {
        let other = |what: String| NotShown::OtherForm(what);
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(other(format!(
                "it has more than {ENVELOPE_BYTES_MAX} bytes"
            )));
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(|error| other(error.to_string()))?;
        let Domain { name, version } = &wire.data.domain;
        if (name.as_str(), version.as_str()) != (DOMAIN_NAME, DOMAIN_VERSION) {
            return Err(other(format!("its domain is {name} {version}")));
        }
        let message = match wire
            .data
            .types
            .as_object()
            .and_then(|types| types.keys().next())
        {
            Some(name) if name == "Vote" => {
                let vote: Result<Vote, _> = serde_json::from_value(wire.data.message);
                Message::Vote(vote.map_err(|error| other(error.to_string()))?)
            }
            Some(name) if name == "Proposal" => {
                let proposal: Result<Box<Proposal>, _> = serde_json::from_value(wire.data.message);
                Message::Proposal(proposal.map_err(|error| other(error.to_string()))?)
            }
            Some(name) => return Err(other(format!("it is a {name}"))),
            None => return Err(other("it names no types".to_owned())),
        };
        if message.types() != wire.data.types {
            return Err(other("its types are not those of its message".to_owned()));
        }
        Ok(Self {
            address: wire.address,
            sig: wire.sig,
            message,
        })
    }

    /// Signs a message.
    ///
    /// # Errors
    ///
    /// Returns that the signature could not be made.
    pub fn sign(message: Message, key: &EthereumKey) -> Result<Self, KeyError> {
        let signature = key.sign(&message.signing_hash())?;
        Ok(Self {
            address: key.address().to_checksum(None),
            sig: alloy_primitives::hex::encode_prefixed(signature.as_bytes()),
            message,
        })
    }

    /// Writes the envelope as a sequencer takes it.
    pub fn to_json(&self) -> Value {
        serde_json::json!({
            "address": self.address,
            "sig": self.sig,
            "data": {
                "domain": { "name": DOMAIN_NAME, "version": DOMAIN_VERSION },
                "types": self.message.types(),
                "message": self.message,
            },
        })
    }

    /// Recovers who signed, and checks that it is who the message says.
    ///
    /// # Errors
    ///
    /// Returns what is not shown.
    pub fn verify(&self) -> Result<Address, NotShown> {
        let said: Address =
            self.message.from().parse().map_err(|_| {
                NotShown::OtherForm(format!("{:?} is no address", self.message.from()))
            })?;
        let bytes = alloy_primitives::hex::decode(&self.sig).map_err(|_| NotShown::BadSignature)?;
        // An ordinary signature has 65 bytes; a contract's may have any other length (EIP-1271, EIP-6492).
        if bytes.len() != 65 {
            return Err(NotShown::Contract);
        }
        let signature = Signature::from_raw(&bytes).map_err(|_| NotShown::BadSignature)?;
        // Of the two signatures that anybody can make of one, only the lower counts (EIP-2).
        if signature.normalize_s().is_some() {
            return Err(NotShown::BadSignature);
        }
        let signer = signature
            .recover_address_from_prehash(&self.message.signing_hash())
            .map_err(|_| NotShown::BadSignature)?;
        if signer != said {
            return Err(NotShown::OtherSigner {
                signer: signer.to_checksum(None),
                said: said.to_checksum(None),
            });
        }
        Ok(signer)
    }
}
