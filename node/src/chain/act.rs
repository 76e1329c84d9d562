//! What a committee decides, as a file that its members sign one after the other.
//!
//! The file names the chain, the contract, the act's number and until when it holds; all of it is under every
//! signature (EIP-712), and a wallet can sign the typed data in it just as well. It says in words what it does: the
//! words are made anew whenever it is read, and a file whose words or typed data are others is refused.

use alloy_primitives::{Address, B256, Bytes, Signature, U256, hex};
use alloy_sol_types::{Eip712Domain, SolInterface as _, SolStruct as _, eip712_domain};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    abi::{ICharter, typed},
    error::ChainError,
    image::{self, CharterImage},
    violation::{self, Finding, Penalty, Violation},
};
use crate::ethereum_key::EthereumKey;

/// Longest file read, bytes.
pub const ACT_BYTES_MAX: u64 = 256 * 1024;
/// Name of the signing domain, as in the contract.
const DOMAIN_NAME: &str = "x0 charter";
/// Version of the signing domain, as in the contract.
const DOMAIN_VERSION: &str = "1";
/// Most signatures: a committee has at most 64 members.
const SIGNATURES_MAX: usize = 64;

/// What a committee can decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Begin to load a charter.
    Stage {
        /// Its number.
        number: u64,
        /// The content id of the charter itself.
        cid: String,
        /// What all its batches hash to.
        root: B256,
    },
    /// Put the loaded charter in force.
    Activate {
        /// Its number.
        number: u64,
        /// What all its batches hash to.
        root: B256,
    },
    /// Pass to another committee.
    Committee {
        /// Its members.
        members: Vec<Address>,
        /// How many decide.
        threshold: u16,
    },
    /// Enter a violation.
    Violation(Box<Violation>),
    /// Revise what was found.
    Revise {
        /// Which violation, 32 bytes in hexadecimal.
        id: String,
        /// The content id of the new evidence.
        evidence: String,
        /// What is found now.
        finding: Finding,
        /// What follows now.
        penalty: Penalty,
    },
    /// Put other code in place.
    Upgrade {
        /// Where the code is.
        implementation: Address,
        /// What it is called with at once; empty for nothing.
        data: Bytes,
    },
}

/// An act with the signatures so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// The chain.
    pub chain_id: u64,
    /// The contract.
    pub charter: Address,
    /// How many acts were carried out before.
    pub nonce: u64,
    /// Until when it can be handed in, seconds since 1970.
    pub deadline: u64,
    /// What is decided.
    pub decision: Decision,
    call: Bytes,
    signatures: Vec<Vec<u8>>,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    says: String,
    chain_id: u64,
    charter: String,
    nonce: u64,
    deadline: u64,
    call: String,
    typed_data: Value,
    signatures: Vec<String>,
}

impl Decision {
    /// Begins to load a charter.
    pub fn stage(image: &CharterImage) -> Self {
        Self::Stage {
            number: image.number,
            cid: image.cid.clone(),
            root: image.root(),
        }
    }

    /// Puts a charter in force that is loaded.
    pub fn activate(image: &CharterImage) -> Self {
        Self::Activate {
            number: image.number,
            root: image.root(),
        }
    }

    /// Says in words what it does.
    pub fn says(&self) -> String {
        match self {
            Self::Stage { number, cid, root } => format!(
                "begin to load charter {number} with content id {cid}, whose batches hash to {}",
                hex::encode_prefixed(root)
            ),
            Self::Activate { number, root } => format!(
                "put charter {number} in force, whose batches hash to {}",
                hex::encode_prefixed(root)
            ),
            Self::Committee { members, threshold } => {
                let members: Vec<_> = members.iter().map(|one| one.to_checksum(None)).collect();
                format!(
                    "pass to a committee of which {threshold} of {} decide: {}",
                    members.len(),
                    members.join(", ")
                )
            }
            Self::Violation(violation) => format!("enter for ever: {}", violation.says()),
            Self::Revise {
                id,
                evidence,
                finding,
                penalty,
            } => format!(
                "revise violation {id}: {}, {}; evidence {evidence}",
                finding.word(),
                penalty.says()
            ),
            Self::Upgrade {
                implementation,
                data,
            } => format!(
                "REPLACE THE CODE by that at {}, which can then change everything{}",
                implementation.to_checksum(None),
                match data.is_empty() {
                    true => String::new(),
                    false => format!(", and call it with {}", hex::encode_prefixed(data)),
                }
            ),
        }
    }

    fn to_call(&self) -> Result<ICharter::ICharterCalls, ChainError> {
        use ICharter::ICharterCalls as Call;
        Ok(match self {
            Self::Stage { number, cid, root } => Call::stage(ICharter::stageCall {
                number: *number,
                cid: image::cid_bytes(cid)?.into(),
                root: *root,
            }),
            Self::Activate { number, root } => Call::activate(ICharter::activateCall {
                number: *number,
                root: *root,
            }),
            Self::Committee { members, threshold } => {
                Call::setCommittee(ICharter::setCommitteeCall {
                    members: members.clone(),
                    threshold: *threshold,
                })
            }
            Self::Violation(violation) => Call::recordViolation(ICharter::recordViolationCall {
                violation: violation.to_abi()?,
            }),
            Self::Revise {
                id,
                evidence,
                finding,
                penalty,
            } => Call::reviseViolation(ICharter::reviseViolationCall {
                id: violation::hash("the id", id)?,
                evidence: image::cid_bytes(evidence)?.into(),
                finding: (*finding).into(),
                penalty: (*penalty).into(),
            }),
            Self::Upgrade {
                implementation,
                data,
            } => Call::upgradeToAndCall(ICharter::upgradeToAndCallCall {
                implementation: *implementation,
                data: data.clone(),
            }),
        })
    }

    /// Reads what a call does; `None` if it is no decision, or written in a way that could be read in two.
    fn of_call(call: &[u8]) -> Option<Self> {
        use ICharter::ICharterCalls as Call;
        let decision = match Call::abi_decode(call).ok()? {
            Call::stage(call) => Self::Stage {
                number: call.number,
                cid: image::cid_text(&call.cid),
                root: call.root,
            },
            Call::activate(call) => Self::Activate {
                number: call.number,
                root: call.root,
            },
            Call::setCommittee(call) => Self::Committee {
                members: call.members,
                threshold: call.threshold,
            },
            Call::recordViolation(call) => Self::Violation(Box::new(call.violation.into())),
            Call::reviseViolation(call) => Self::Revise {
                id: hex::encode_prefixed(call.id),
                evidence: image::cid_text(&call.evidence),
                finding: call.finding.into(),
                penalty: call.penalty.into(),
            },
            Call::upgradeToAndCall(call) => Self::Upgrade {
                implementation: call.implementation,
                data: call.data,
            },
            Call::codeVersion(_)
            | Call::committee(_)
            | Call::digest(_)
            | Call::execute(_)
            | Call::head(_)
            | Call::initialize(_)
            | Call::load(_)
            | Call::metrics(_)
            | Call::nonce(_)
            | Call::patterns(_)
            | Call::rule(_)
            | Call::staged(_)
            | Call::verdict(_)
            | Call::violation(_)
            | Call::violationCount(_)
            | Call::violations(_) => return None,
        };
        let again = decision.to_call().ok()?.abi_encode();
        (again == call).then_some(decision)
    }
}

impl Act {
    /// Writes down what is to be signed.
    ///
    /// # Errors
    ///
    /// Returns what of the decision does not do.
    pub fn new(
        chain_id: u64,
        charter: Address,
        nonce: u64,
        deadline: u64,
        decision: Decision,
    ) -> Result<Self, ChainError> {
        let call = decision.to_call()?.abi_encode().into();
        Ok(Self {
            chain_id,
            charter,
            nonce,
            deadline,
            decision,
            call,
            signatures: Vec::new(),
        })
    }

    /// Reads an act from its file.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the file: also that it says something else than it does.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ChainError> {
        let fault = |why: String| ChainError::bad_input("the act", why);
        let wire: Wire = serde_json::from_slice(bytes).map_err(|error| fault(error.to_string()))?;
        let charter = wire
            .charter
            .parse()
            .map_err(|_| fault(format!("{:?} is no address", wire.charter)))?;
        let call = hex::decode(&wire.call).map_err(|error| fault(format!("its call: {error}")))?;
        let decision = Decision::of_call(&call).ok_or_else(|| {
            fault("its call is none that this version of x0 can put in words: do not sign it, or update x0".to_owned())
        })?;
        let mut act = Self {
            chain_id: wire.chain_id,
            charter,
            nonce: wire.nonce,
            deadline: wire.deadline,
            decision,
            call: call.into(),
            signatures: Vec::new(),
        };
        if act.says() != wire.says || act.typed_data() != wire.typed_data {
            return Err(fault(
                "its words or its typed data are not those of its call: somebody changed it; do not sign it".to_owned(),
            ));
        }
        for signature in &wire.signatures {
            act.add(signature)?;
        }
        Ok(act)
    }

    /// Writes the act as a file.
    pub fn to_json(&self) -> Value {
        json!(Wire {
            says: self.says(),
            chain_id: self.chain_id,
            charter: self.charter.to_checksum(None),
            nonce: self.nonce,
            deadline: self.deadline,
            call: hex::encode_prefixed(&self.call),
            typed_data: self.typed_data(),
            signatures: self.signatures.iter().map(hex::encode_prefixed).collect(),
        })
    }

    /// Says in words what it does, and where.
    pub fn says(&self) -> String {
        format!(
            "Act {} of the charter contract {} on chain {}: {}",
            self.nonce,
            self.charter.to_checksum(None),
            self.chain_id,
            self.decision.says()
        )
    }

    /// Returns what is signed (EIP-712).
    pub fn digest(&self) -> B256 {
        let act = typed::Act {
            nonce: U256::from(self.nonce),
            deadline: U256::from(self.deadline),
            call: self.call.clone(),
        };
        act.eip712_signing_hash(&self.domain())
    }

    /// Signs it. A second signature by the same key changes nothing.
    ///
    /// # Errors
    ///
    /// Returns that the signature could not be made.
    pub fn sign(&mut self, key: &EthereumKey) -> Result<(), ChainError> {
        let signature = key.sign(&self.digest())?;
        self.keep(signature.as_bytes().to_vec())
    }

    /// Adds a signature that was made elsewhere, from the typed data.
    ///
    /// # Errors
    ///
    /// Returns that it is none.
    pub fn add(&mut self, signature: &str) -> Result<(), ChainError> {
        let none =
            || ChainError::bad_input("a signature", "it is to be 0x and 130 hexadecimal digits");
        let bytes = hex::decode(signature).map_err(|_| none())?;
        Signature::from_raw(&bytes).map_err(|_| none())?;
        self.keep(bytes)
    }

    /// Takes over the signatures of a copy of the same act.
    ///
    /// # Errors
    ///
    /// Returns that it is another act.
    pub fn merge(&mut self, other: Self) -> Result<(), ChainError> {
        if (self.digest(), self.chain_id, self.charter)
            != (other.digest(), other.chain_id, other.charter)
        {
            return Err(ChainError::bad_input(
                "these files",
                "they are not the same act: hand in one act at a time",
            ));
        }
        other
            .signatures
            .into_iter()
            .try_for_each(|signature| self.keep(signature))
    }

    /// Returns who has signed, as the signatures tell.
    pub fn signers(&self) -> Vec<Address> {
        let digest = self.digest();
        let recover = |bytes: &Vec<u8>| {
            let signature = Signature::from_raw(bytes).ok()?;
            signature.recover_address_from_prehash(&digest).ok()
        };
        self.signatures.iter().filter_map(recover).collect()
    }

    /// Returns the call that hands it in.
    pub(super) fn to_execute(&self) -> ICharter::executeCall {
        ICharter::executeCall {
            act: self.to_abi(),
            signatures: self.signatures.iter().cloned().map(Bytes::from).collect(),
        }
    }

    fn to_abi(&self) -> ICharter::Act {
        ICharter::Act {
            chainId: U256::from(self.chain_id),
            charter: self.charter,
            nonce: U256::from(self.nonce),
            deadline: U256::from(self.deadline),
            call: self.call.clone(),
        }
    }

    fn keep(&mut self, signature: Vec<u8>) -> Result<(), ChainError> {
        if self.signatures.contains(&signature) {
            return Ok(());
        }
        if self.signatures.len() == SIGNATURES_MAX {
            return Err(ChainError::bad_input(
                "the act",
                format!(
                    "it has more than {SIGNATURES_MAX} signatures, and no committee has more members"
                ),
            ));
        }
        self.signatures.push(signature);
        Ok(())
    }

    fn domain(&self) -> Eip712Domain {
        eip712_domain! {
            name: DOMAIN_NAME,
            version: DOMAIN_VERSION,
            chain_id: self.chain_id,
            verifying_contract: self.charter,
        }
    }

    /// Returns what a wallet signs (`eth_signTypedData_v4`).
    pub fn typed_data(&self) -> Value {
        let field = |name: &str, kind: &str| json!({ "name": name, "type": kind });
        json!({
            "types": {
                "EIP712Domain": [
                    field("name", "string"),
                    field("version", "string"),
                    field("chainId", "uint256"),
                    field("verifyingContract", "address"),
                ],
                "Act": [field("nonce", "uint256"), field("deadline", "uint256"), field("call", "bytes")],
            },
            "primaryType": "Act",
            "domain": {
                "name": DOMAIN_NAME,
                "version": DOMAIN_VERSION,
                "chainId": self.chain_id,
                "verifyingContract": self.charter.to_checksum(None),
            },
            "message": {
                "nonce": self.nonce.to_string(),
                "deadline": self.deadline.to_string(),
                "call": hex::encode_prefixed(&self.call),
            },
        })
    }
}
