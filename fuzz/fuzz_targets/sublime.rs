//! Shares, commitments, hybrid keys, sealed bytes and pages of recovery cards, and what is done with them: whatever decodes is the one
//! encoding of its value, nothing that nobody dealt passes as a share, and nothing opens that nobody sealed.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use x0_crypto::sublime::{
    AccessStructure, Commitments, Dealing, HybridPublic, HybridSecret, ItemKeys, ItemParts, Layout,
    Resharing, Share, ShareIndex, combine, deal,
};
use x0_protocol::wire::{CardPage, EmergencyAnswer, EmergencyAsk};
use zeroize::Zeroizing;

const SEED: [u8; 32] = [7; 32];

fuzz_target!(|data: &[u8]| {
    let Some((pick, data)) = data.split_first() else {
        return;
    };
    page(data);
    match pick % 7 {
        0 => share(data),
        1 => commitments(data),
        2 => hybrid(data),
        3 => sealed(data),
        4 => device_asks(data),
        5 => node_answers(data),
        _ => dealing_on(data),
    }
});

fn device_asks(data: &[u8]) {
    if let Ok(ask) = EmergencyAsk::decode(data) {
        assert_eq!(ask.encode(), data);
    }
}

fn node_answers(data: &[u8]) {
    if let Ok(answer) = EmergencyAnswer::decode(data) {
        assert_eq!(answer.encode(), data);
    }
}

fn page(data: &[u8]) {
    if let Ok(page) = CardPage::decode(data) {
        assert_eq!(page.encode(), data);
        assert_eq!(page.to_string().parse(), Ok(page));
    }
}

fn share(data: &[u8]) {
    let Ok(share) = Share::from_bytes(data) else {
        return;
    };
    assert_eq!(share.to_bytes().as_slice(), data);
    let mut dealt = dealt();
    let index = usize::from(share.index().number());
    let genuine = dealt.shares.get(index - 1);
    let is_genuine = genuine.is_some_and(|genuine| genuine.to_bytes() == share.to_bytes());
    assert_eq!(dealt.commitments.verify(&share).is_ok(), is_genuine);
    dealt.shares.push(share);
    assert!(combine(&dealt.commitments, &dealt.shares).is_ok());
}

fn commitments(data: &[u8]) {
    if let Ok(commitments) = Commitments::from_bytes(data) {
        assert_eq!(commitments.to_bytes(), data);
        let genuine = dealt();
        // How many shares there are is no part of what they are checked against.
        if data[1..] != genuine.commitments.to_bytes()[1..] {
            let passes = |share| commitments.verify(share).is_ok();
            assert!(!genuine.shares.iter().any(passes));
        }
    }
}

fn hybrid(data: &[u8]) {
    if let Ok(key) = HybridPublic::from_bytes(data) {
        assert_eq!(key.to_bytes().as_slice(), data);
    }
    let secret = HybridSecret::from_seed(Zeroizing::new(SEED));
    assert!(secret.open(b"info", data).is_err());
}

fn sealed(data: &[u8]) {
    let parts = ItemParts::draw(&SEED, b"item");
    let keys = ItemKeys::derive(&parts.secret, &parts.second, b"item");
    assert!(keys.metadata.open(b"item", data).is_err());
    let layout = Layout::of(data.len() as u64).expect("an input is no 4 TiB");
    let chunk = layout.chunk(0).expect("there is at least one chunk");
    assert!(keys.content.open(chunk, &mut data.to_vec()).is_err());
    let mut padded = data.to_vec();
    padded.resize(chunk.sealed_bytes(), 0);
    assert!(keys.content.open(chunk, &mut padded).is_err());
}

/// Each dealer's commitments are what the input says, after a length.
fn dealing_on(mut data: &[u8]) {
    let old = dealt();
    let mut dealings = BTreeMap::new();
    for index in old.commitments.access().indices() {
        let Some((length, rest)) = data.split_first() else {
            break;
        };
        let (dealing, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        data = rest;
        if let Ok(dealing) = Commitments::from_bytes(dealing) {
            dealings.insert(index, dealing);
        }
    }
    if let Ok(resharing) = Resharing::new(&old.commitments, access(), dealings) {
        let first = ShareIndex::new(1).expect("1 names a share");
        assert!(resharing.share(first, &BTreeMap::new()).is_err());
        assert_eq!(resharing.commitments().access(), access());
    }
}

fn dealt() -> Dealing {
    deal(&ItemParts::draw(&SEED, b"item").secret, access(), &SEED)
}

fn access() -> AccessStructure {
    AccessStructure::new(2, 3).expect("2 of 3 can be shared")
}
