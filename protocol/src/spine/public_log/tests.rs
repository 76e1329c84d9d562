//! The log as the seats keep it, copies that follow it page by page, and proofs with every part altered.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use x0_crypto::{ContentId, Identity};
use zeroize::Zeroizing;

use super::{
    Mirror, PublicLog, Weighed,
    proof::{AuditProof, KnownLog, ProofFault, ProofHead, ProvenEntry},
};
use crate::{
    core::{
        limits::{PUBLIC_KEPT_BYTES_MAX, PUBLIC_KEPT_MAX},
        time::Wall,
    },
    spine::audit::{
        AuditLog, Entry, What,
        tree::{ConsistencyProof, Hash, InclusionProof, inclusion_proof},
    },
    wire::{
        Certificate, Checkpoint, Electorate, LogHead, PublicEntry, PublicHead, PublicPage,
        PublicWhat, Statement, no_signature,
    },
};

fn entry(number: u64) -> PublicEntry {
    PublicEntry {
        time: Wall(number),
        height: number,
        what: PublicWhat::Passed {
            proposal: ContentId::of(&number.to_be_bytes()),
            subject: ContentId::of(b"subject"),
            emergency: number.is_multiple_of(2),
        },
    }
}

fn log_of(size: u64) -> PublicLog {
    let mut log = PublicLog::default();
    (0..size).for_each(|number| log.append(&entry(number)));
    log
}

/// A certificate whose signature nobody checks here: a mirror is given only those that were found good.
fn certified(height: u64, log: PublicHead) -> Certificate {
    Certificate {
        epoch: 1,
        statement: Statement::Checkpoint(Checkpoint {
            height,
            block: ContentId::of(b"block"),
            time: Wall(height),
            round: 0,
            members: 4,
            electorate: Electorate {
                root: Hash([1; 32]),
                count: 4,
                subtrees: 4,
            },
            state: ContentId::of(b"state"),
            log,
        }),
        signature: no_signature(),
    }
}

/// A copy that has fetched the first entries from another.
fn mirror_of(size: u64) -> Mirror {
    let mut mirror = Mirror::default();
    let log = log_of(size);
    mirror.weigh(&certified(size, log.head()));
    let source = Mirror::restore((0..size).map(entry).collect());
    while let Some(ask) = mirror.wanted() {
        mirror.take(source.page(ask).unwrap()).unwrap();
    }
    mirror
}

#[test]
fn the_state_keeps_the_newest_entries_and_forgets_the_rest() {
    let many = PUBLIC_KEPT_MAX as u64 + 10;
    let log = log_of(many);
    assert_eq!(log.size(), many);
    assert_eq!(log.entries(9, 12), None, "they are gone");
    assert_eq!(log.entries(10, 12), Some(vec![entry(10), entry(11)]));
    assert_eq!(log.entries(many, many + 1), None, "they are not there yet");

    let mut long = PublicLog::default();
    let seats = vec![Identity::from_seed(Zeroizing::new([1; 32])).public(); 100];
    for epoch in 0..PUBLIC_KEPT_MAX as u64 {
        long.append(&PublicEntry {
            what: PublicWhat::HandedOver {
                epoch,
                seats: seats.clone(),
            },
            ..entry(epoch)
        });
    }
    let bytes: usize = long.newest.iter().map(|entry| entry.len()).sum();
    assert!(bytes <= PUBLIC_KEPT_BYTES_MAX && long.newest.len() < PUBLIC_KEPT_MAX);
}

#[test]
fn a_second_certificate_for_another_log_of_the_same_size_is_proof_of_two_logs() {
    let mut mirror = mirror_of(5);
    let other = PublicHead {
        size: 5,
        root: Hash([7; 32]),
    };
    let split = mirror.weigh(&certified(9, other));
    let Weighed::Split(both) = split else {
        panic!("two logs of one size: {split:?}");
    };
    assert_ne!(both.0.statement, both.1.statement);
    // So is one of a size that this log had once, with another root.
    let earlier = PublicHead {
        size: 3,
        root: Hash([7; 32]),
    };
    assert!(matches!(
        mirror.weigh(&certified(2, earlier)),
        Weighed::Split(_)
    ));
    let true_one = log_of(3).head();
    assert_eq!(mirror.weigh(&certified(2, true_one)), Weighed::Known);
    // Two that are ahead of the copy contradict each other as well.
    let ahead = |byte| PublicHead {
        size: 8,
        root: Hash([byte; 32]),
    };
    assert_eq!(mirror.weigh(&certified(10, ahead(1))), Weighed::Behind);
    assert!(matches!(
        mirror.weigh(&certified(11, ahead(2))),
        Weighed::Split(_)
    ));
}

#[test]
fn a_log_that_was_cut_after_it_was_certified_is_proof_of_two_logs() {
    let mut mirror = mirror_of(5);
    let cut = certified(9, log_of(3).head());
    assert!(matches!(mirror.weigh(&cut), Weighed::Split(_)));
}

#[test]
fn a_page_that_leads_elsewhere_is_not_taken() {
    let mut mirror = mirror_of(4);
    mirror.weigh(&certified(9, log_of(9).head()));
    let source = Mirror::restore((0..9).map(entry).collect());
    let page = source.page(mirror.wanted().unwrap()).unwrap();
    let mut altered = page.clone();
    altered.entries[0] = entry(77);
    let mut short = page.clone();
    short.entries.pop();
    let mut long = page.clone();
    long.entries.push(entry(9));
    for wrong in [altered, short, long] {
        assert!(mirror.take(wrong).is_err());
        assert_eq!(mirror.head().size, 4, "nothing of it was taken");
    }
    mirror.take(page).unwrap();
    assert_eq!(mirror.head(), log_of(9).head());
}

/// What an audit log with so many entries proves of one of them.
fn proof_of(entries: u64, index: u64, since: Option<u64>) -> (AuditProof, Identity) {
    let identity = Identity::from_seed(Zeroizing::new([5; 32]));
    let entry = |number: u64| Entry {
        time: Wall(number),
        what: What::Fork {
            author: identity.public(),
            seq: number,
        },
    };
    let all: Vec<_> = (0..entries).map(entry).collect();
    let log = AuditLog::restore(all.iter(), Vec::new());
    let (size, root) = log.head();
    let earlier = since.map(|old| {
        let head = PublicHead {
            size: old,
            root: log.root_at(old).unwrap(),
        };
        (head, log.prove_growth(old, size).unwrap())
    });
    let proof = AuditProof {
        mesh: ContentId::of(b"mesh"),
        index,
        entry: entry(index).encode(),
        inclusion: log.prove(index, size).unwrap(),
        earlier,
        head: ProofHead::Node(LogHead::sign(&identity, size, root, Wall(1))),
    };
    (proof, identity)
}

#[test]
fn a_head_that_is_known_must_be_the_beginning_of_the_log() {
    let (proof, identity) = proof_of(9, 2, Some(4));
    let known = proof.earlier.as_ref().map(|(old, _)| *old);
    let check = |head, node| {
        let (proof, _) = proof_of(9, 2, Some(4));
        let known = KnownLog {
            head,
            node,
            mesh: None,
        };
        proof.check(&known)
    };
    let shown = check(known, Some(identity.public())).unwrap();
    assert!(shown.follows_known && matches!(shown.entry, ProvenEntry::Node(_)));
    assert!(!check(None, None).unwrap().follows_known);
    let other = PublicHead {
        root: Hash([0; 32]),
        ..known.unwrap()
    };
    assert_eq!(
        check(Some(other), None),
        Err(ProofFault::Contradiction { size: 4 })
    );
    let third = PublicHead { size: 3, ..other };
    assert_eq!(
        check(Some(third), None),
        Err(ProofFault::NotFromKnown { size: 3 })
    );
    let stranger = Identity::from_seed(Zeroizing::new([6; 32])).public();
    assert!(matches!(
        check(None, Some(stranger)),
        Err(ProofFault::OtherLog(_))
    ));
}

proptest! {
    #[test]
    fn a_copy_follows_a_growing_log_and_every_entry_and_growth_is_proven(
        sizes in prop::collection::vec(1_u64..40, 1..6),
    ) {
        let mut log = PublicLog::default();
        let mut mirror = Mirror::default();
        let mut heads = vec![PublicHead::default()];
        for (height, more) in (1..).zip(&sizes) {
            for _ in 0..*more {
                log.append(&entry(log.size()));
            }
            prop_assert_eq!(mirror.weigh(&certified(height, log.head())), Weighed::Behind);
            let ask = mirror.wanted().unwrap();
            let page = PublicPage {
                entries: log.entries(ask.from, ask.size).unwrap(),
                growth: ConsistencyProof::none(),
            };
            let (first, taken) = mirror.take(page).unwrap();
            prop_assert_eq!((first, taken.len() as u64), (ask.from, *more));
            prop_assert_eq!(mirror.head(), log.head());
            heads.push(log.head());
        }
        let last = log.head();
        for old in heads {
            let growth = mirror.growth(old.size, last.size).unwrap();
            prop_assert!(growth.verify(old.size, old.root, last.size, last.root).is_ok());
            prop_assert_eq!(mirror.head_at(old.size), Some(old));
        }
        for index in 0..last.size {
            let proof = mirror.prove(index).unwrap();
            let leaf = proof.entry.leaf();
            prop_assert!(proof.inclusion.verify(leaf, index, last.size, last.root).is_ok());
        }
        prop_assert_eq!(Mirror::restore(mirror.entries().to_vec()).head(), last);
    }

    #[test]
    fn a_proof_holds_and_none_does_with_any_of_its_parts_altered(
        entries in 2_u64..60,
        at in any::<prop::sample::Index>(),
        since in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let index = at.index(entries as usize) as u64;
        let since = 1 + since.index(entries as usize - 1) as u64;
        let make = || proof_of(entries, index, Some(since)).0;
        let known = KnownLog::default();
        let flip = |hash: Hash| {
            let mut hash = hash;
            hash.0[byte.index(32)] ^= 1 << bit;
            hash
        };
        prop_assert!(make().check(&known).is_ok());

        let mut altered = make();
        let place = byte.index(altered.entry.len());
        altered.entry[place] ^= 1 << bit;
        prop_assert!(altered.check(&known).is_err());

        let mut moved = make();
        moved.index = (index + 1) % entries;
        prop_assert!(moved.check(&known).is_err());

        for place in 0..make().inclusion.hashes().len() {
            let mut path = make().inclusion.hashes().to_vec();
            path[place] = flip(path[place]);
            let mut altered = make();
            altered.inclusion = InclusionProof::from_hashes(path).unwrap();
            prop_assert!(altered.check(&known).is_err());
        }
        let mut altered = make();
        let (old, growth) = altered.earlier.take().unwrap();
        altered.earlier = Some((PublicHead { root: flip(old.root), ..old }, growth.clone()));
        prop_assert!(altered.check(&known).is_err());
        for place in 0..growth.hashes().len() {
            let mut path = growth.hashes().to_vec();
            path[place] = flip(path[place]);
            let mut altered = make();
            altered.earlier = Some((old, ConsistencyProof::from_hashes(path).unwrap()));
            prop_assert!(altered.check(&known).is_err());
        }
        let ProofHead::Node(head) = make().head else {
            panic!("it is a node's");
        };
        for head in [
            LogHead { size: head.size + 1, ..head.clone() },
            LogHead { root: flip(head.root), ..head.clone() },
            LogHead { time: Wall(2), ..head },
        ] {
            let altered = AuditProof { head: ProofHead::Node(head), ..make() };
            prop_assert_eq!(altered.check(&known), Err(ProofFault::BadSignature));
        }
    }
}

#[test]
fn a_proof_against_another_leaf_of_the_tree_is_refused() {
    let leaves: Vec<_> = (0..7).map(|number| entry(number).leaf()).collect();
    let head = log_of(7).head();
    let proof = inclusion_proof(&leaves, 3, 7).unwrap();
    assert!(
        proof
            .verify(entry(3).leaf(), 3, head.size, head.root)
            .is_ok()
    );
    assert!(
        proof
            .verify(entry(4).leaf(), 3, head.size, head.root)
            .is_err()
    );
}
