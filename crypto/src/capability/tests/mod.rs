//! Tests of capabilities as a whole; what they share stands here.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod decisions;
mod hostile;
mod load;
mod memory;

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::{Action, CapabilityRoot, Caveat, Grant, Scope, Token, Use};
use crate::{Identity, PublicKey};

/// Noon of 1 January 2026.
const NOW: u64 = 1_767_268_800;

fn identity(number: u8) -> Identity {
    Identity::from_seed(Zeroizing::new([number; 32]))
}

fn root() -> CapabilityRoot {
    identity(1).capability_root()
}

fn agent() -> PublicKey {
    identity(2).public()
}

fn action(name: &str) -> Action {
    Action::new(name).unwrap()
}

fn caveats(written: &[&str]) -> Vec<Caveat> {
    written
        .iter()
        .map(|caveat| caveat.parse().unwrap())
        .collect()
}

fn grant(written: &[&str]) -> Grant {
    let actions = BTreeSet::from([action("routing.update"), action("routing.read")]);
    Grant {
        holder: agent(),
        actions,
        caveats: caveats(written),
    }
}

fn token(written: &[&str]) -> Token {
    Token::grant_seeded(&root(), &grant(written), &[7; 32]).unwrap()
}

fn narrowed(token: &Token, written: &[&str]) -> Token {
    token.attenuate_seeded(&caveats(written), &[8; 32]).unwrap()
}

/// A routing update on 10 of 1,000 nodes, now, by the holder.
fn act() -> Use {
    Use {
        agent: agent(),
        action: action("routing.update"),
        scope: Scope::Regional,
        nodes: 10,
        mesh_size: 1000,
        time: NOW,
        peer_signatures: 0,
        vote: None,
        multi_sig: None,
    }
}
