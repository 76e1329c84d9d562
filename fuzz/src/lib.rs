//! What several fuzz targets need: fixed identities, and a kind for each first byte.

use x0_crypto::Identity;
use x0_protocol::wire::Kind;
use zeroize::Zeroizing;

/// Every kind of record this build knows, and one it does not.
const KINDS: [Kind; 24] = [
    Kind::GENESIS,
    Kind::INVITE,
    Kind::JOIN,
    Kind::LEAVE,
    Kind::REMOVAL,
    Kind::MERGE,
    Kind::CAPABILITY,
    Kind::REVOCATION,
    Kind::ACT,
    Kind(0x7fff),
    Kind::KEYS,
    Kind::CHECKPOINT,
    Kind::ALERT,
    Kind::HALT,
    Kind::JURY,
    Kind::CHARTER,
    Kind::RULING,
    Kind::REPORT,
    Kind::SEALED_REPORT,
    Kind::CASE_WORD,
    Kind::APPEAL,
    Kind::CLAIM,
    Kind::AUDIT_ROUND,
    Kind::AUDIT_REPORT,
];

/// Splits an input into the kind that its first byte picks, and the body.
pub fn kind_and_body(data: &[u8]) -> Option<(Kind, &[u8])> {
    let (pick, body) = data.split_first()?;
    Some((KINDS[usize::from(*pick) % KINDS.len()], body))
}

/// Returns the identity with this number.
pub fn identity(number: u8) -> Identity {
    Identity::from_seed(Zeroizing::new([number; 32]))
}
