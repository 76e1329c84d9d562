//! Proofs of log entries: whatever stands in their parts, checking ends, and nothing that nobody signed holds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use x0_crypto::ContentId;
use x0_protocol::{
    spine::{
        audit::tree::{ConsistencyProof, Hash, InclusionProof},
        public_log::proof::{AuditProof, KnownLog, ProofFault, ProofHead},
    },
    wire::{Certificate, CountersignedHead, LogHead, PublicEntry, PublicHead, decode_record},
};

/// Most hashes of each of the two proofs.
const HASHES_MAX: usize = 70;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let mut part = || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (part, after) = after.split_at(length);
        rest = after;
        Some(part)
    };
    let (Some(numbers), Some(entry), Some(head)) = (part(), part(), part()) else {
        return;
    };
    if let Ok(entry) = PublicEntry::decode(entry) {
        assert_eq!(PublicEntry::decode(&entry.encode()), Ok(entry));
    }
    let inclusion = InclusionProof::from_hashes(hashes(part().unwrap_or_default()));
    let growth = ConsistencyProof::from_hashes(hashes(part().unwrap_or_default()));
    let (Some(inclusion), Some(growth)) = (inclusion, growth) else {
        return;
    };
    let is_signed;
    let mut records = std::iter::from_fn(part).map(decode_record);
    let head = if let Ok(head) = LogHead::decode(head) {
        is_signed = head.verify().is_ok();
        ProofHead::Node(head)
    } else if let (Ok(head), Some(Ok(genesis))) = (
        CountersignedHead::decode(head),
        records.next(),
    ) {
        assert_eq!(CountersignedHead::decode(&head.encode()).as_ref(), Ok(&head));
        is_signed = false;
        ProofHead::Countersigned {
            head: Box::new(head),
            genesis: Box::new(genesis),
            epochs: records.map_while(Result::ok).collect(),
        }
    } else if let (Ok(certificate), Some(Ok(genesis))) =
        (Certificate::decode(head), records.next())
    {
        let epochs = records.map_while(Result::ok).collect();
        is_signed = false;
        ProofHead::Public {
            certificate: Box::new(certificate),
            genesis: Box::new(genesis),
            epochs,
        }
    } else {
        return;
    };
    let number = |at: usize| numbers.get(at).copied().map_or(0, u64::from);
    let proof = AuditProof {
        mesh: match &head {
            ProofHead::Node(_) => ContentId::of(b"mesh"),
            ProofHead::Countersigned { genesis, .. } | ProofHead::Public { genesis, .. } => {
                genesis.peek().id()
            }
        },
        index: number(0),
        entry: entry.to_vec(),
        inclusion,
        earlier: Some((
            PublicHead {
                size: number(1),
                root: Hash([2; 32]),
            },
            growth,
        )),
        head,
    };
    let checked = proof.check(&KnownLog::default());
    // A committee's key is more than a fuzzer finds.
    assert!(is_signed || checked.is_err());
    if is_signed {
        assert!(!matches!(checked, Err(ProofFault::BadSignature)));
    }
});

fn hashes(bytes: &[u8]) -> Vec<Hash> {
    let (hashes, _) = bytes.as_chunks::<32>();
    hashes.iter().take(HASHES_MAX).map(|hash| Hash(*hash)).collect()
}
