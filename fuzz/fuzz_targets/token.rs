//! Capability tokens: raw bytes, blocks that say anything but are signed by the root, and caveats as people write
//! them.
//!
//! Random bytes never carry a good signature, so the input also takes the place of a block that is then signed.

#![no_main]

use std::sync::LazyLock;

use biscuit_auth::{
    Algorithm, Biscuit, KeyPair, PrivateKey,
    format::schema::{self, public_key},
};
use libfuzzer_sys::fuzz_target;
use prost::Message;
use x0_crypto::{
    PublicKey,
    capability::{Action, Capability, Caveat, Grant, MAX_CAVEATS, RootKey, Scope, Token, Use},
};
use x0_fuzz::identity;

static HOLDER: LazyLock<PublicKey> = LazyLock::new(|| identity(2).public());

static ROOT: LazyLock<KeyPair> = LazyLock::new(|| {
    let secret = PrivateKey::from_bytes(&[3; 32], Algorithm::Ed25519).expect("32 bytes are a key");
    KeyPair::from(&secret)
});

static FRAME: LazyLock<schema::Biscuit> = LazyLock::new(|| {
    let token = Biscuit::builder()
        .build(&ROOT)
        .expect("an empty token can be made");
    let bytes = token.to_vec().expect("a token encodes");
    schema::Biscuit::decode(bytes.as_slice()).expect("what was encoded decodes")
});

fuzz_target!(|data: &[u8]| {
    let root = RootKey::from_bytes(ROOT.public().to_bytes().try_into().expect("32 bytes"))
        .expect("it is a key");
    if let Ok(token) = Token::from_bytes(data) {
        token.verify(&root).ok();
    }
    if let Some(capability) = signed(data).and_then(|token| token.verify(&root).ok()) {
        look_at(&capability);
    }
    if let Ok(text) = str::from_utf8(data) {
        grant_as_written(text);
    }
});

/// Signs a block as the root would (Biscuit signature payload, version 0), if it is one at all: signing is slow.
fn signed(block: &[u8]) -> Option<Token> {
    schema::Block::decode(block).ok()?;
    let mut frame = FRAME.clone();
    frame.authority.block = block.to_vec();
    let next = &frame.authority.next_key.key;
    let algorithm = (public_key::Algorithm::Ed25519 as i32).to_le_bytes();
    let payload = [block, algorithm.as_slice(), next].concat();
    frame.authority.version = None;
    frame.authority.signature = ROOT.sign(&payload).ok()?.to_bytes().to_vec();
    Token::from_bytes(&frame.encode_to_vec()).ok()
}

/// Inspects a capability, and decides by it.
fn look_at(capability: &Capability) {
    let words: Vec<_> = capability.caveats().map(ToString::to_string).collect();
    assert_eq!(
        words.len(),
        capability.blocks().iter().map(Vec::len).sum::<usize>()
    );
    capability.expires_at();
    assert!(!capability.revocation_ids().is_empty());
    capability.authorize(&act()).ok();
}

/// Caveats one a line: what can be granted reads back as it was written.
fn grant_as_written(text: &str) {
    let lines = text.lines().take(MAX_CAVEATS);
    let Ok(caveats) = lines.map(str::parse).collect::<Result<Vec<Caveat>, _>>() else {
        return;
    };
    let root = identity(1).capability_root();
    let grant = Grant {
        holder: *HOLDER,
        actions: [act().action].into(),
        caveats: caveats.clone(),
    };
    let Ok(token) = Token::grant_seeded(&root, &grant, &[7; 32]) else {
        return;
    };
    let capability = token
        .verify(&root.public())
        .expect("what we grant verifies");
    assert_eq!(capability.blocks(), [caveats]);
    look_at(&capability);
}

fn act() -> Use {
    Use {
        agent: *HOLDER,
        action: Action::new("routing.update").expect("it is an action"),
        scope: Scope::Regional,
        nodes: 10,
        mesh_size: 1000,
        time: 1_767_268_800,
        peer_signatures: 0,
        vote: None,
        multi_sig: None,
    }
}
