//! Reading from several tiers, and looking after the copies, with tiers in memory that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod memory;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use proptest::prelude::*;
use x0_tiers::{
    Audit, Block, Depth, Forgotten, NotMended, Pace, Progress, Tier, TierError, TierKind, Tiers,
};

use self::memory::{MemoryTier, Mood, block, is_other_bytes};

/// Longer than any test runs: what would wait for it is seen to hang.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

const PATIENT: Pace = Pace {
    lead: NEVER,
    read: NEVER,
    write: NEVER,
    rest: NEVER,
};

/// Starts the next at once.
const EAGER: Pace = Pace {
    lead: Duration::ZERO,
    ..PATIENT
};

fn three(blocks: &[Block]) -> [Arc<MemoryTier>; 3] {
    [TierKind::Ipfs, TierKind::Arweave, TierKind::Sia]
        .map(|kind| Arc::new(MemoryTier::new(kind, blocks)))
}

fn together(tiers: &[Arc<MemoryTier>], pace: Pace) -> Tiers {
    let tiers = tiers.iter().map(|tier| Arc::clone(tier) as Arc<dyn Tier>);
    Tiers::new(tiers.collect(), pace)
}

fn untold(_: Progress) {}

#[tokio::test]
async fn the_first_tier_gives_the_block_and_the_others_are_not_asked() {
    let wanted = block(b"ciphertext");
    let tiers = three(std::slice::from_ref(&wanted));
    let reading = together(&tiers, PATIENT).read(wanted.cid()).await.unwrap();
    assert_eq!(reading.block, wanted);
    assert_eq!(reading.from, TierKind::Ipfs);
    assert!(reading.refused.is_empty());
    assert_eq!([1, 0, 0], [0, 1, 2].map(|at: usize| tiers[at].gets()));
}

#[tokio::test]
async fn a_tier_that_lacks_the_block_or_gives_another_is_passed_over_at_once_and_named() {
    let wanted = block(b"ciphertext");
    let tiers = three(std::slice::from_ref(&wanted));
    tiers[0].lose(wanted.cid());
    tiers[1].turn(Mood::Lying);
    let reading = together(&tiers, PATIENT).read(wanted.cid()).await.unwrap();
    assert_eq!(reading.from, TierKind::Sia);
    let [lacks, lies] = reading.refused.as_slice() else {
        panic!("two tiers refused: {:?}", reading.refused);
    };
    assert!(matches!(
        lacks,
        TierError::NotFound {
            tier: TierKind::Ipfs,
            ..
        }
    ));
    assert!(is_other_bytes(lies), "{lies}");
}

#[tokio::test]
async fn a_tier_that_hangs_loses_its_lead_and_is_cancelled_when_another_has_won() {
    let wanted = block(b"ciphertext");
    let tiers = three(std::slice::from_ref(&wanted));
    tiers[0].turn(Mood::Hanging);
    let reading = together(&tiers, EAGER).read(wanted.cid()).await.unwrap();
    assert_eq!(reading.from, TierKind::Arweave);
    assert_eq!(tiers[0].cancelled(), 1);
}

#[tokio::test]
async fn a_tier_that_hangs_alone_is_given_up_after_the_longest_wait() {
    let wanted = block(b"ciphertext");
    let tiers = three(&[]);
    tiers[0].turn(Mood::Hanging);
    let pace = Pace {
        read: Duration::from_millis(20),
        ..PATIENT
    };
    let nobody = together(&tiers[..1], pace)
        .read(wanted.cid())
        .await
        .unwrap_err();
    assert!(
        nobody.to_string().contains("no answer within 0.02 s"),
        "{nobody}"
    );
    assert_eq!(tiers[0].cancelled(), 1);
}

#[tokio::test]
async fn when_no_tier_gives_the_block_the_error_tells_the_reason_of_each() {
    let wanted = block(b"ciphertext");
    let tiers = three(&[]);
    tiers[1].turn(Mood::Failing);
    tiers[2].turn(Mood::Lying);
    let nobody = together(&tiers, PATIENT)
        .read(wanted.cid())
        .await
        .unwrap_err();
    assert_eq!(nobody.reasons.len(), 3);
    let cid = wanted.cid();
    assert_eq!(
        nobody.to_string(),
        format!(
            "no tier gives {cid}: ipfs does not have {cid}; arweave does not answer: it is switched off; \
             sia gave other bytes: the bytes are not those that {cid} names"
        )
    );
    let nobody = together(&[], PATIENT).read(cid).await.unwrap_err();
    assert!(
        nobody.to_string().contains("name another in the settings"),
        "{nobody}"
    );
}

#[tokio::test]
async fn a_tier_that_failed_is_asked_last_until_its_rest_is_over_and_first_again_once_it_has_given_a_block()
 {
    let wanted = block(b"ciphertext");
    let tiers = three(std::slice::from_ref(&wanted));
    let all = together(&tiers, PATIENT);
    tiers[0].turn(Mood::Failing);
    all.read(wanted.cid()).await.unwrap();
    tiers[0].turn(Mood::Honest);
    let reading = all.read(wanted.cid()).await.unwrap();
    assert_eq!(reading.from, TierKind::Arweave);
    assert_eq!(tiers[0].gets(), 1);

    // At rest it is asked last, not never.
    tiers[1].lose(wanted.cid());
    tiers[2].lose(wanted.cid());
    let reading = all.read(wanted.cid()).await.unwrap();
    assert_eq!(reading.from, TierKind::Ipfs);
    assert_eq!(tiers[0].gets(), 2);
    let reading = all.read(wanted.cid()).await.unwrap();
    assert_eq!(reading.from, TierKind::Ipfs);
    assert!(reading.refused.is_empty(), "it is first again");

    let short = Pace {
        rest: Duration::ZERO,
        ..PATIENT
    };
    let all = together(&tiers, short);
    tiers[0].turn(Mood::Failing);
    all.read(wanted.cid()).await.unwrap_err();
    tiers[0].turn(Mood::Honest);
    let reading = all.read(wanted.cid()).await.unwrap();
    assert!(reading.refused.is_empty(), "its rest is over");
}

#[tokio::test]
async fn a_tier_that_lacks_a_block_is_not_put_to_rest_and_one_that_was_overtaken_is() {
    let wanted = block(b"ciphertext");
    let tiers = three(std::slice::from_ref(&wanted));
    let all = together(&tiers, EAGER);
    tiers[0].turn(Mood::Hanging);
    all.read(wanted.cid()).await.unwrap();
    tiers[0].turn(Mood::Honest);
    all.read(wanted.cid()).await.unwrap();
    assert_eq!(tiers[0].gets(), 1, "it lost its lead before");

    let all = together(&tiers, PATIENT);
    tiers[0].lose(wanted.cid());
    all.read(wanted.cid()).await.unwrap();
    all.read(wanted.cid()).await.unwrap();
    assert_eq!(tiers[0].gets(), 3, "it is asked first both times");
}

#[tokio::test]
async fn dropping_a_reading_cancels_what_it_had_begun() {
    let wanted = block(b"ciphertext");
    let tiers = three(&[]);
    tiers[0].turn(Mood::Hanging);
    let all = Arc::new(together(&tiers, PATIENT));
    let cid = *wanted.cid();
    let reading = tokio::spawn(async move { all.read(&cid).await.map(|_| ()) });
    tiers[0].was_asked().await;
    reading.abort();
    assert!(reading.await.unwrap_err().is_cancelled());
    assert_eq!(tiers[0].cancelled(), 1);
}

#[tokio::test]
async fn a_block_is_stored_on_the_chosen_tiers_and_each_tells_whether_it_holds_it_and_lets_it_go() {
    let wanted = block(b"ciphertext");
    let tiers = three(&[]);
    tiers[2].turn(Mood::Full);
    let all = together(&tiers, PATIENT);
    let put = all.put(&wanted, |kind| kind != TierKind::Arweave).await;
    let [ipfs, sia] = put.as_slice() else {
        panic!("two were chosen: {put:?}");
    };
    assert_eq!((ipfs.place, ipfs.tier), (0, TierKind::Ipfs));
    assert!(ipfs.outcome.is_ok());
    assert_eq!((sia.place, sia.tier), (2, TierKind::Sia));
    assert!(matches!(sia.outcome, Err(TierError::Refused { .. })));
    assert_eq!(
        [true, false, false],
        [0, 1, 2].map(|at: usize| tiers[at].has(wanted.cid()))
    );

    tiers[1].turn(Mood::Failing);
    let let_go = all.forget(wanted.cid()).await;
    assert!(matches!(let_go[0].outcome, Ok(Forgotten::Gone)));
    assert!(matches!(
        let_go[1].outcome,
        Err(TierError::Unreachable { .. })
    ));
    assert!(!tiers[0].has(wanted.cid()));
}

#[tokio::test]
async fn an_audit_tells_what_each_tier_has_lost_and_repair_puts_it_back() {
    let blocks: Vec<Block> = (0..40_u8).map(|n| block(&[n; 100])).collect();
    let cids: Vec<_> = blocks.iter().map(|block| *block.cid()).collect();
    let tiers = three(&blocks);
    cids[..5].iter().for_each(|cid| tiers[0].lose(cid));
    cids[3..10].iter().for_each(|cid| tiers[1].lose(cid));
    let all = together(&tiers, PATIENT);

    let told = Mutex::new(Vec::new());
    let audits = all
        .audit(&cids, Depth::Word, |progress| {
            told.lock().unwrap().push(progress)
        })
        .await;
    assert_eq!(audits[0].lost, cids[..5]);
    assert_eq!(audits[1].lost, cids[3..10]);
    assert_eq!(audits[2].held, 40);
    let told = told.into_inner().unwrap();
    let counted: Vec<usize> = told.iter().map(|progress| progress.done).collect();
    assert_eq!(counted, (1..=120).collect::<Vec<_>>());
    assert!(told.iter().all(|progress| progress.of == 120));

    let told = Mutex::new(Vec::new());
    let mendings = all
        .repair(&audits, |progress| told.lock().unwrap().push(progress))
        .await;
    assert_eq!(mendings.len(), 12);
    assert!(mendings.iter().all(|mending| mending.outcome.is_ok()));
    let last = told.into_inner().unwrap().pop().unwrap();
    assert_eq!(last, Progress { done: 12, of: 12 });
    let again = all.audit(&cids, Depth::Bytes, untold).await;
    assert!(again.iter().all(|audit| audit.held == 40));
}

#[tokio::test]
async fn a_block_that_no_tier_has_stays_lost_and_a_tier_that_is_full_does_not_take_it_back() {
    let (gone, kept) = (block(b"gone"), block(b"kept"));
    let tiers = three(&[gone.clone(), kept.clone()]);
    tiers.iter().for_each(|tier| tier.lose(gone.cid()));
    tiers[0].lose(kept.cid());
    tiers[0].turn(Mood::Full);
    let all = together(&tiers, PATIENT);
    let cids = [*gone.cid(), *kept.cid()];
    let audits = all.audit(&cids, Depth::Word, untold).await;
    let mendings = all.repair(&audits, untold).await;
    assert_eq!(mendings.len(), 4);
    for mending in mendings {
        match mending.outcome {
            Err(NotMended::NobodyGives(nobody)) => {
                assert_eq!(mending.cid, *gone.cid());
                assert_eq!(nobody.cid, mending.cid);
            }
            Err(NotMended::NotTaken(reason)) => {
                assert_eq!(mending.tier, TierKind::Ipfs);
                assert_eq!(mending.cid, *kept.cid());
                assert_eq!(reason.to_string(), "ipfs refused: it is full");
            }
            Ok(()) => panic!("{} is back on {}", mending.cid, mending.tier),
        }
    }
}

#[tokio::test]
async fn a_tier_that_says_it_has_everything_is_found_out_by_fetching() {
    let blocks = [block(b"one"), block(b"two")];
    let cids = blocks.each_ref().map(|block| *block.cid());
    let tiers = three(&blocks);
    tiers[1].turn(Mood::Lying);
    let all = together(&tiers, PATIENT);
    let by_word = all.audit(&cids, Depth::Word, untold).await;
    assert!(by_word[1].lost.is_empty());
    let by_bytes = all.audit(&cids, Depth::Bytes, untold).await;
    assert_eq!(by_bytes[1].lost, cids);
}

#[tokio::test]
async fn a_tier_out_of_reach_is_not_asked_for_the_whole_list_and_nothing_counts_as_lost() {
    let blocks: Vec<Block> = (0..100_u8).map(|n| block(&[n])).collect();
    let cids: Vec<_> = blocks.iter().map(|block| *block.cid()).collect();
    let tiers = three(&blocks);
    tiers[0].turn(Mood::Failing);
    let all = together(&tiers, PATIENT);
    let audits = all.audit(&cids, Depth::Bytes, untold).await;
    assert!(audits[0].lost.is_empty());
    assert_eq!(audits[0].unknown.len(), 100);
    assert!(tiers[0].gets() < 20, "{} questions", tiers[0].gets());
    assert!(all.repair(&audits, untold).await.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is lost where, repair brings back to every tier exactly what at least one of them still had.
    #[test]
    fn repair_restores_all_that_is_left_somewhere(lost in prop::collection::vec(0..8_u8, 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let blocks: Vec<Block> = (0..lost.len()).map(|n| block(&n.to_be_bytes())).collect();
        let cids: Vec<_> = blocks.iter().map(|block| *block.cid()).collect();
        let tiers = three(&blocks);
        for (cid, mask) in cids.iter().zip(&lost) {
            let losers = (0..3).filter(|at| mask & (1 << at) != 0);
            losers.for_each(|at| tiers[at].lose(cid));
        }
        let all = together(&tiers, PATIENT);
        let again: Vec<Audit> = runtime.block_on(async {
            let audits = all.audit(&cids, Depth::Word, untold).await;
            all.repair(&audits, untold).await;
            all.audit(&cids, Depth::Bytes, untold).await
        });
        let gone: Vec<_> = cids.iter().zip(&lost).filter(|(_, mask)| **mask == 7).map(|(cid, _)| *cid).collect();
        for audit in again {
            prop_assert_eq!(&audit.lost, &gone);
        }
    }
}

#[tokio::test]
async fn a_tier_is_completed_with_what_it_lacks_and_nothing_else() {
    let blocks: Vec<_> = (0..300_u16)
        .map(|number| block(&number.to_be_bytes()))
        .collect();
    let cids: Vec<_> = blocks.iter().map(|block| *block.cid()).collect();
    let tiers = three(&blocks);
    let (ipfs, arweave) = (&tiers[0], &tiers[1]);
    for cid in &cids[..200] {
        arweave.lose(cid);
    }
    let before = ipfs.gets();
    let told = Mutex::new(Vec::new());
    let stored = together(&tiers[..2], PATIENT)
        .complete(TierKind::Arweave, &cids, |progress| {
            told.lock().unwrap().push((progress.done, progress.of));
        })
        .await
        .unwrap();
    assert_eq!((stored, ipfs.gets() - before), (200, 200));
    assert!(cids.iter().all(|cid| arweave.has(cid)));
    assert_eq!(*told.lock().unwrap(), [(100, 300), (228, 300), (300, 300)]);

    arweave.lose(&cids[0]);
    ipfs.lose(&cids[0]);
    let lost = together(&tiers[..2], PATIENT)
        .complete(TierKind::Arweave, &cids, untold)
        .await
        .unwrap_err();
    assert!(matches!(lost, NotMended::NobodyGives(_)), "{lost}");
    arweave.turn(Mood::Failing);
    let away = together(&tiers[..2], PATIENT)
        .complete(TierKind::Arweave, &cids, untold)
        .await
        .unwrap_err();
    assert!(matches!(away, NotMended::NotTaken(_)), "{away}");
}
