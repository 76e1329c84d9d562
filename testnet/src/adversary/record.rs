//! Records written by hand, past the checks that come before a signature.
//!
//! `Draft::sign` of the protocol refuses a token that does not verify. An attacker does not ask: it encodes
//! header and body itself and signs the id.

use anyhow::Result;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use x0_crypto::{ContentId, Identity, Namespace, Signature};
use x0_protocol::{
    Wall,
    wire::{Act, Header, Kind, WIRE_VERSION},
};

/// The envelope of a record as the wire has it (docs/wire.md).
#[derive(Serialize)]
struct Envelope {
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
    #[serde(with = "serde_bytes")]
    header: Vec<u8>,
    #[serde(with = "serde_bytes")]
    salt: [u8; 16],
    signature: Signature,
}

/// A record that was checked by nobody.
#[derive(Clone, Debug)]
pub struct HandMade {
    /// Its id.
    pub id: ContentId,
    /// Its encoding.
    pub bytes: Vec<u8>,
}

/// Writes and signs an act at a place of the author's chain, whatever it says.
///
/// # Errors
///
/// Returns that it cannot be encoded, or that there is no randomness for the salt.
pub fn sign_act(
    author: &Identity,
    mesh: ContentId,
    at: (u64, Option<ContentId>),
    time: Wall,
    act: &Act,
) -> Result<HandMade> {
    sign(author, mesh, at, time, (Kind::ACT, act))
}

/// Writes and signs a record of any kind at a place of the author's chain, whatever it says.
///
/// # Errors
///
/// Returns that it cannot be encoded, or that there is no randomness for the salt.
pub fn sign(
    author: &Identity,
    mesh: ContentId,
    at: (u64, Option<ContentId>),
    time: Wall,
    (kind, body): (Kind, &impl Serialize),
) -> Result<HandMade> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)?;
    let body = serde_ipld_dagcbor::to_vec(body)?;
    let (seq, prev) = at;
    let commitment = Sha256::new()
        .chain_update(b"x0/body/1\0")
        .chain_update(salt)
        .chain_update(&body)
        .finalize();
    let header = serde_ipld_dagcbor::to_vec(&Header {
        version: WIRE_VERSION,
        mesh: Some(mesh),
        author: author.public(),
        seq,
        prev,
        time,
        kind,
        body: commitment.into(),
    })?;
    let id = ContentId::of(&header);
    let signature = author.sign(Namespace::Record, id.digest());
    let bytes = serde_ipld_dagcbor::to_vec(&Envelope {
        body,
        header,
        salt,
        signature,
    })?;
    Ok(HandMade { id, bytes })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use x0_protocol::wire::{Change, Targets, decode_record};

    use super::*;
    use crate::adversary::forge;

    #[test]
    fn what_it_writes_is_a_record_as_the_protocol_reads_it() {
        let (author, owner) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let actions = BTreeSet::from(["set.acts.shown".parse().unwrap()]);
        let token = forge::forged(&owner, author.public(), actions, Vec::new()).unwrap();
        let mut act = Act {
            change: Change::SetPolicy {
                policy: "acts.shown".parse().unwrap(),
                value: 7,
                from_version: 0,
            },
            targets: Targets::All,
            root: owner.capability_root().public(),
            token,
            expires: Wall(2_000),
            warrants: Vec::new(),
        };
        let mesh = ContentId::of(b"a mesh");

        let good = sign_act(&author, mesh, (0, None), Wall(1_000), &act).unwrap();
        act.root = author.capability_root().public();
        let bad = sign_act(&author, mesh, (0, None), Wall(1_000), &act).unwrap();

        let good_read = decode_record(&good.bytes).unwrap();
        assert_eq!(good_read.peek().id(), good.id);
        assert!(good_read.verify().is_ok());
        assert!(decode_record(&bad.bytes).unwrap().verify().is_err());
    }
}
