//! What the node answers about guardians and shares, read back into what it means.

use data_encoding::BASE64;
use x0_crypto::{
    PublicKey,
    committee::CommitteeKey,
    sublime::{AccessStructure, HybridPublic},
};
use x0_protocol::core::sublime::DrawnView;

use super::super::error::CliError;
use crate::api::sublime::{DrawnView as DrawnBody, GuardianView};

/// Reads who is to guard an item; who stands in for them stays unread.
pub(super) fn read_drawn(drawn: &DrawnBody) -> Result<DrawnView, CliError> {
    let guardians = read_guardians(&drawn.guardians)?;
    let shares = u8::try_from(guardians.len()).unwrap_or(u8::MAX);
    let access = AccessStructure::new(drawn.shares_needed, shares);
    let committee = decoded("committee's key", &drawn.committee)?;
    let committee = CommitteeKey::from_bytes(&committee);
    Ok(DrawnView {
        guardians,
        stand_ins: Vec::new(),
        access: access.map_err(|error| CliError::BadAnswer(error.to_string()))?,
        subtrees: drawn.subtrees,
        mesh: parse("mesh", &drawn.mesh)?,
        committee: committee.map_err(|error| CliError::BadAnswer(error.to_string()))?,
        committee_name: parse("committee", &drawn.committee_name)?,
    })
}

/// Reads members who serve, with what is sealed to them.
pub(super) fn read_guardians(
    guardians: &[GuardianView],
) -> Result<Vec<(PublicKey, HybridPublic)>, CliError> {
    let read = guardians.iter().map(|guardian| {
        let key = decoded("guardian's key", &guardian.key)?;
        let key = HybridPublic::from_bytes(&key);
        let key = key.map_err(|error| CliError::BadAnswer(error.to_string()))?;
        Ok((parse("guardian", &guardian.member)?, key))
    });
    read.collect()
}

/// Reads what the node answered in base64.
pub(super) fn decoded(what: &str, text: &str) -> Result<Vec<u8>, CliError> {
    let bytes = BASE64.decode(text.as_bytes());
    bytes.map_err(|error| CliError::BadAnswer(format!("the {what}: {error}")))
}

/// Reads a name that the node answered.
pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    what: &str,
    text: &str,
) -> Result<T, CliError> {
    text.parse()
        .map_err(|error| CliError::BadAnswer(format!("the {what}: {error}")))
}
