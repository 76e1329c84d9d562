//! Why something did not work out on a chain, and what to do about it.

use alloy_primitives::{Address, hex};
use alloy_sol_types::SolInterface as _;

use super::abi::{ICharter::ICharterErrors as Own, OpenZeppelin::OpenZeppelinErrors as Lent};
use crate::{ethereum_key::KeyError, web::WebError};

/// Why a question or a transaction got nowhere.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The chain's node does not answer as it should.
    #[error(transparent)]
    Web(#[from] WebError),
    /// There is no key to sign with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It is another chain.
    #[error(
        "this is chain {found}, and chain {wanted} is meant: name a node of chain {wanted} with --rpc"
    )]
    WrongChain {
        /// Which chain is meant.
        wanted: u64,
        /// Which chain answers.
        found: u64,
    },
    /// There is no contract.
    #[error(
        "there is no contract at {0} on this chain: check the address, and that the node is of the right chain"
    )]
    NoContract(Address),
    /// There is a contract, and it is no charter.
    #[error("the contract at {0} does not answer as a charter: check the address")]
    NoCharter(Address),
    /// The contract refuses.
    #[error("the contract refuses: {0}")]
    Reverted(Refusal),
    /// The account cannot pay.
    #[error(
        "{0} cannot pay for the transaction: send it some of the chain's coin, or lower the fee with --fee-max"
    )]
    NoFunds(Address),
    /// Another transaction of the account came first.
    #[error(
        "another transaction of {0} came first (nonce too low): nothing was sent; wait until it is through and try again"
    )]
    NonceTooLow(Address),
    /// The gas does not suffice.
    #[error(
        "the transaction needs more gas than it may use ({0}): allow more with --gas, or leave --gas out"
    )]
    OutOfGas(String),
    /// The chain asks too much.
    #[error(
        "the chain asks {asked_gwei} gwei a gas, more than {max_gwei}: wait for a quieter hour, or allow more with --fee-max"
    )]
    TooDear {
        /// What it asks.
        asked_gwei: u64,
        /// What may be paid.
        max_gwei: u64,
    },
    /// The transaction is not in a block yet.
    #[error(
        "transaction {hash} is not in a block after {secs} s: it still may come through; look before you send it again"
    )]
    NotMined {
        /// Its hash.
        hash: String,
        /// How long was waited.
        secs: u64,
    },
    /// What was handed in does not do.
    #[error("{what} cannot be used: {why}")]
    BadInput {
        /// What.
        what: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
}

impl ChainError {
    /// Returns the kind of error, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Web(error) => error.code(),
            Self::Key(_) => "no_key",
            Self::WrongChain { .. } => "wrong_chain",
            Self::NoContract(_) => "no_contract",
            Self::NoCharter(_) => "no_charter",
            Self::Reverted(_) => "reverted",
            Self::NoFunds(_) => "no_funds",
            Self::NonceTooLow(_) => "nonce_too_low",
            Self::OutOfGas(_) => "out_of_gas",
            Self::TooDear { .. } => "too_dear",
            Self::NotMined { .. } => "not_mined",
            Self::BadInput { .. } => "bad_input",
        }
    }

    /// Tells that what was handed in does not do.
    pub(super) fn bad_input(what: &str, why: impl Into<String>) -> Self {
        Self::BadInput {
            what: what.to_owned(),
            why: why.into(),
        }
    }
}

/// A refusal of the contract, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Refusal {
    /// The contract's own name of it, such as `StaleNonce`; empty if it gives none that is known.
    pub name: String,
    /// What it means, and what to do.
    pub words: String,
}

impl Refusal {
    /// Reads what a call reverted with.
    pub(super) fn decode(data: &[u8]) -> Self {
        if let Ok(error) = Own::abi_decode(data) {
            return own(&error);
        }
        if let Ok(error) = Lent::abi_decode(data) {
            return lent(&error);
        }
        Self::new(
            "",
            format!(
                "it does not say why in a way that this version knows ({}); a newer x0 may",
                hex::encode_prefixed(data)
            ),
        )
    }

    pub(super) fn new(name: &str, words: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            words: words.into(),
        }
    }
}

fn own(error: &Own) -> Refusal {
    let (name, words) = match error {
        Own::OnlyCommittee(_) => (
            "OnlyCommittee",
            "only its committee can do this: prepare it with `x0 chain charter prepare`".to_owned(),
        ),
        Own::WrongChain(e) => (
            "WrongChain",
            format!(
                "the act was signed for chain {}, this is {}",
                e.signedFor, e.here
            ),
        ),
        Own::WrongContract(e) => (
            "WrongContract",
            format!(
                "the act was signed for the contract {}, this is {}",
                e.signedFor, e.here
            ),
        ),
        Own::StaleNonce(e) => (
            "StaleNonce",
            format!(
                "the act was signed as number {}, the next is number {}: it was carried out already or another came first. Prepare and sign it anew",
                e.signedFor, e.expected
            ),
        ),
        Own::Expired(e) => (
            "Expired",
            format!(
                "the act could be handed in until {}, the chain's clock says {} (seconds since 1970): prepare and sign it anew",
                e.deadline, e.time
            ),
        ),
        Own::TooFewSignatures(e) => (
            "TooFewSignatures",
            format!(
                "the act has {} signatures, it needs {}: let more members sign it",
                e.given, e.needed
            ),
        ),
        Own::SignedTwice(e) => (
            "SignedTwice",
            format!("{} signed the act twice: each member counts once", e.member),
        ),
        Own::NotAMember(e) => (
            "NotAMember",
            format!(
                "a signature is by {}, who is no member; if nobody knows that address, something else than this act was signed. Take the signature out",
                e.signer
            ),
        ),
        Own::BadThreshold(e) => (
            "BadThreshold",
            format!(
                "{} of {} members cannot decide: it takes more than half and at most all",
                e.threshold, e.members
            ),
        ),
        Own::BadMembers(e) => (
            "BadMembers",
            format!(
                "a committee has 1 to {} members, not {}",
                e.membersMax, e.members
            ),
        ),
        Own::BadMember(e) => (
            "BadMember",
            format!("{} is named twice, or is nobody's address", e.member),
        ),
        Own::BadCid(e) => (
            "BadCid",
            format!("a content id has 1 to 96 bytes, not {}", e.length),
        ),
        Own::StaleCharter(e) => (
            "StaleCharter",
            format!(
                "charter {} is in force, and {} is not newer",
                e.inForce, e.number
            ),
        ),
        Own::NotStaged(e) => (
            "NotStaged",
            format!(
                "charter {} with this content is not being loaded: let the committee stage it first",
                e.number
            ),
        ),
        Own::BatchesMissing(e) => (
            "BatchesMissing",
            format!(
                "charter {} is not loaded to its end: run `x0 chain charter load`",
                e.number
            ),
        ),
        Own::BatchMismatch(_) => (
            "BatchMismatch",
            "this is not the batch that comes next in what the committee signed".to_owned(),
        ),
        Own::BadName(e) => (
            "BadName",
            format!(
                "{:?} is no name of a metric: 1 to 128 bytes without *",
                e.name
            ),
        ),
        Own::NameTwice(e) => ("NameTwice", format!("{:?} is listed twice", e.name)),
        Own::BadPattern(e) => (
            "BadPattern",
            format!(
                "{:?} blocks nothing: a name, or a beginning with one * at its end",
                e.pattern
            ),
        ),
        Own::PatternTwice(e) => ("PatternTwice", format!("{:?} is blocked twice", e.pattern)),
        Own::BadKind(e) => (
            "BadKind",
            format!(
                "{:?} is no kind of violation: 1 to 32 of a to z and -",
                e.kind
            ),
        ),
        Own::ViolationKnown(e) => (
            "ViolationKnown",
            format!(
                "violation {} is entered already: revise it",
                hex::encode_prefixed(e.id)
            ),
        ),
        Own::ViolationUnknown(e) => (
            "ViolationUnknown",
            format!("there is no violation {}", hex::encode_prefixed(e.id)),
        ),
    };
    Refusal::new(name, words)
}

fn lent(error: &Lent) -> Refusal {
    let (name, words) = match error {
        Lent::ECDSAInvalidSignature(_) => (
            "ECDSAInvalidSignature",
            "a signature is none: let its member sign again".to_owned(),
        ),
        Lent::ECDSAInvalidSignatureLength(e) => (
            "ECDSAInvalidSignatureLength",
            format!("a signature has {} bytes in place of 65: let its member sign again", e.length),
        ),
        Lent::ECDSAInvalidSignatureS(_) => (
            "ECDSAInvalidSignatureS",
            "a signature is the mirror of one, which anybody can make and does not count: let its member sign again".to_owned(),
        ),
        Lent::ERC1967InvalidImplementation(e) => (
            "ERC1967InvalidImplementation",
            format!("{} holds no code that a charter can be upgraded to", e.implementation),
        ),
        Lent::FailedCall(_) => (
            "FailedCall",
            "what was called does not exist or fails without a reason: check the address".to_owned(),
        ),
        Lent::InvalidInitialization(_) => (
            "InvalidInitialization",
            "it is set up already".to_owned(),
        ),
        Lent::UUPSUnauthorizedCallContext(_) => (
            "UUPSUnauthorizedCallContext",
            "this is the code behind a charter, not the charter: name the address that `deploy` printed".to_owned(),
        ),
        Lent::UUPSUnsupportedProxiableUUID(_) => (
            "UUPSUnsupportedProxiableUUID",
            "that code is made for another kind of proxy".to_owned(),
        ),
    };
    Refusal::new(name, words)
}
