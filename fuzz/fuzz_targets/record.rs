//! Records: what decodes encodes back to the same bytes and id, and checking it never panics.
//!
//! Random bytes never match the hash in a header, so the input also serves as the body of a record whose header
//! fits; its first byte picks the kind. Only what decodes is signed, as signing is slow.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x0_crypto::{ContentId, Identity, Signature};
use x0_fuzz::{identity, kind_and_body};
use x0_protocol::{
    Wall,
    wire::{Draft, Header, Kind, Record, WIRE_VERSION, decode_record},
};

const SALT: [u8; 16] = [7; 16];

static AUTHOR: LazyLock<Identity> = LazyLock::new(|| identity(1));

/// The outer form of a record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
    #[serde(with = "serde_bytes")]
    header: Vec<u8>,
    #[serde(with = "serde_bytes")]
    salt: [u8; 16],
    signature: Signature,
}

fuzz_target!(|data: &[u8]| {
    check(data);
    if let Some((kind, body)) = kind_and_body(data) {
        check(&with_body(kind, body));
    }
});

/// Makes a record with this body, whatever it says; the signature is bad.
fn with_body(kind: Kind, body: &[u8]) -> Vec<u8> {
    let commitment = Sha256::new()
        .chain_update(b"x0/body/1\0")
        .chain_update(SALT)
        .chain_update(body);
    let header = Header {
        version: WIRE_VERSION,
        mesh: (kind != Kind::GENESIS).then(|| ContentId::of(b"mesh")),
        author: AUTHOR.public(),
        seq: 0,
        prev: None,
        time: Wall(1),
        kind,
        body: commitment.finalize().into(),
    };
    let envelope = Envelope {
        body: body.to_vec(),
        header: serde_ipld_dagcbor::to_vec(&header).expect("headers encode"),
        salt: SALT,
        signature: Signature::from_bytes([0; 64]),
    };
    serde_ipld_dagcbor::to_vec(&envelope).expect("envelopes encode")
}

fn check(bytes: &[u8]) {
    let Ok(decoded) = decode_record(bytes) else {
        return;
    };
    let record = decoded.peek();
    let envelope: Envelope = serde_ipld_dagcbor::from_slice(bytes).expect("it decoded before");
    let header = serde_ipld_dagcbor::to_vec(record.header()).expect("headers encode");
    assert_eq!(record.bytes(), bytes);
    assert_eq!(header, envelope.header);
    assert_eq!(record.id(), ContentId::of(&header));
    if let Some(again) = signed(record, envelope.salt) {
        let again_envelope: Envelope = serde_ipld_dagcbor::from_slice(&again).expect("it encoded");
        assert_eq!(again_envelope.header, envelope.header);
        assert_eq!(again_envelope.body, envelope.body);
        let again = decode_record(&again).expect("what we sign decodes");
        again.verify().expect("what we sign verifies");
    }
    decoded.verify().ok();
}

/// Encodes what was understood of the body; a token or proof in it that does not hold cannot be signed.
fn signed(record: &Record, salt: [u8; 16]) -> Option<Vec<u8>> {
    let header = record.header();
    let at = (header.seq, header.prev);
    let body = record.body().clone();
    let draft = Draft::new(header.mesh, header.author, at, header.time, salt, body);
    Some(draft.sign(&AUTHOR).ok()?.value().bytes().to_vec())
}
