//! The audit log's parts as they travel and are stored: proofs, heads, frontiers, entries; and what a node says it collects.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};
use x0_crypto::ContentId;
use x0_protocol::{
    charter::{Charter, inspection::inspect},
    spine::audit::{
        Entry,
        tree::{ConsistencyProof, Frontier, Hash, InclusionProof},
    },
    wire::{Account, LogHead},
};

/// Bytes before the proof: two sizes and two hashes to hold it against.
const CLAIM_BYTES: usize = 2 * 8 + 2 * 32;

static CHARTER: LazyLock<Charter> = LazyLock::new(Charter::shipped);

fuzz_target!(|data: &[u8]| {
    if let Ok(account) = Account::decode(data) {
        assert_eq!(Account::decode(&account.encode()).as_ref(), Ok(&account));
        account.holds(&ContentId::of(b"mesh"));
        let found = inspect(&account.collected, &CHARTER);
        // Whatever is handed out off the list is found, under its own name.
        for one in &account.collected.exported {
            let is_listed = CHARTER.compiled().name(one.name.as_bytes()).is_ok();
            let told = found.findings.iter().map(ToString::to_string);
            let mut told = told.filter(|what| what.starts_with(&one.name));
            assert!(is_listed || told.next().is_some());
        }
    }
    round_trip::<Entry>(data);
    if let Some(head) = round_trip::<LogHead>(data) {
        head.verify().ok();
    }
    if let Some(mut frontier) = round_trip::<Frontier>(data) {
        let size = frontier.size();
        let before = frontier.root();
        assert_eq!(frontier.append(Hash([1; 32])), size);
        assert_ne!(frontier.root(), before);
    }
    let Some((claim, proof)) = data.split_at_checked(CLAIM_BYTES) else {
        return;
    };
    let number = |at: usize| u64::from_be_bytes(claim[at..at + 8].try_into().expect("8 bytes"));
    let hash = |at: usize| Hash(claim[at..at + 32].try_into().expect("32 bytes"));
    if let Some(proof) = round_trip::<ConsistencyProof>(proof) {
        proof.verify(number(0), hash(16), number(8), hash(48)).ok();
    }
    if let Some(proof) = round_trip::<InclusionProof>(proof) {
        proof.verify(hash(16), number(0), number(8), hash(48)).ok();
    }
});

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    bytes: &[u8],
) -> Option<T> {
    let value: T = serde_ipld_dagcbor::from_slice(bytes).ok()?;
    let encoded = serde_ipld_dagcbor::to_vec(&value).expect("what decodes encodes");
    let again: T = serde_ipld_dagcbor::from_slice(&encoded).expect("what we encode decodes");
    assert_eq!(value, again);
    Some(value)
}
