#![allow(clippy::unwrap_used)]

use x0_crypto::Identity;
use zeroize::Zeroizing;

use super::*;
use crate::{
    charter::inspection::Exported,
    core::time::Millis,
    spine::audit::tree::Hash,
    wire::{
        AccountDraft, AskDraft, AuditRight, Certificate, InspectionDraft, InspectionSigned,
        Statement, no_signature,
    },
};

const TIME: Wall = Wall(1_000_000);
/// A name that the shipped charter neither lists nor blocks.
const HIDDEN: &str = "place_of_people";

fn identity(seed: u8) -> Identity {
    Identity::from_seed(Zeroizing::new([seed; 32]))
}

fn key(seed: u8) -> PublicKey {
    identity(seed).public()
}

fn shipped(id: &ContentId) -> Option<Charter> {
    Some(Charter::shipped()).filter(|charter| charter.id() == *id)
}

/// A round in which seat 9 audits nodes 1 and 2.
fn round(number: u64, epoch: u64, height: u64) -> AuditRound {
    let mut pairs: Vec<_> = [1, 2]
        .map(|node| AuditPair {
            node: key(node),
            auditor: key(9),
        })
        .to_vec();
    pairs.sort_unstable();
    let drawn = AuditsDrawn {
        round: number,
        height,
        opened: TIME,
        due: TIME + Millis(100),
        next: TIME + Millis(600),
        charter: Charter::shipped().id(),
        pairs: AuditRound::name(&pairs),
    };
    AuditRound {
        certificate: Certificate {
            epoch,
            statement: Statement::Audits(drawn),
            signature: no_signature(),
        },
        pairs,
    }
}

fn answered(node: u8, charter: ContentId, collected: &Collected) -> AuditReport {
    let mesh = ContentId::of(b"mesh");
    let none = Collected::default;
    let asked = AskDraft {
        auditor: key(9),
        node: key(node),
        right: AuditRight::Round(1),
        time: TIME,
        nonce: 0,
    };
    let asked = InspectionDraft::Ask(Box::new(asked)).sign(&mesh, &identity(9), none);
    let InspectionSigned::Ask(ask) = asked else {
        panic!("an ask was drafted");
    };
    let draft = AccountDraft {
        ask: *ask,
        charter,
        number: 1,
        log_size: 1,
        log_root: Hash([0; 32]),
        time: TIME,
    };
    let draft = InspectionDraft::Account(Box::new(draft));
    let signed = draft.sign(&mesh, &identity(node), || collected.clone());
    let InspectionSigned::Account(account) = signed else {
        panic!("an account was drafted");
    };
    AuditReport {
        round: 1,
        node: key(node),
        outcome: AuditOutcome::Answered(account),
    }
}

fn silent(node: u8) -> AuditReport {
    AuditReport {
        round: 1,
        node: key(node),
        outcome: AuditOutcome::Unanswered {
            tries: 3,
            why: "it did not answer".parse().unwrap(),
        },
    }
}

fn clean() -> Collected {
    Collected::as_listed(&Charter::shipped())
}

fn hidden() -> Collected {
    let mut collected = clean();
    collected.exported.push(Exported {
        name: HIDDEN.to_owned(),
        declared: None,
    });
    collected.exported.sort();
    collected
}

fn file(rounds: &mut Rounds, record: &[u8], at: u64, report: &AuditReport) -> Result<(), NotTaken> {
    let record = (ContentId::of(record), key(9), TIME + Millis(at));
    rounds.file(record, report, shipped)
}

fn opened() -> Rounds {
    let mut rounds = Rounds::default();
    assert!(rounds.take(&round(1, 1, 7)));
    rounds
}

fn state(rounds: &Rounds, node: u8, at: u64) -> AuditState {
    let known = rounds.find(1).unwrap();
    known.state(&key(node), TIME + Millis(at))
}

#[test]
fn an_audit_is_due_then_overdue_and_silence_is_neither() {
    let mut rounds = opened();
    assert_eq!(state(&rounds, 1, 99), AuditState::Due);
    assert_eq!(state(&rounds, 1, 100), AuditState::Overdue);

    file(&mut rounds, b"silence", 120, &silent(1)).unwrap();

    let AuditState::Unanswered { tries: 3, .. } = state(&rounds, 1, 500) else {
        panic!("silence is told as silence");
    };
    let tally = rounds.find(1).unwrap().tally(TIME + Millis(500));
    let expected = Tally {
        unanswered: 1,
        overdue: 1,
        ..Tally::default()
    };
    assert_eq!(tally, expected);
    assert!(!state(&rounds, 1, 500).has_findings());
}

#[test]
fn what_is_known_does_not_depend_on_the_order_in_which_it_came() {
    let id = Charter::shipped().id();
    let reports = [
        (b"a".as_slice(), silent(1)),
        (b"b", answered(1, id, &clean())),
        (b"c", answered(1, id, &hidden())),
    ];
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    let states = orders.map(|order| {
        let mut rounds = opened();
        for at in order {
            let (record, report) = &reports[at];
            file(&mut rounds, record, 10, report).unwrap();
        }
        state(&rounds, 1, 10)
    });
    assert!(states.iter().all(|state| *state == states[0]));
    assert!(matches!(states[0], AuditState::Answered { .. }));
}

#[test]
fn findings_are_the_rule_s_and_an_account_after_its_time_is_late() {
    let id = Charter::shipped().id();
    let mut rounds = opened();
    file(&mut rounds, b"one", 101, &answered(1, id, &hidden())).unwrap();
    file(&mut rounds, b"two", 100, &answered(2, id, &clean())).unwrap();

    let AuditState::Answered { late, findings, .. } = state(&rounds, 1, 200) else {
        panic!("it has answered");
    };
    assert_eq!((late, findings.unwrap().len()), (true, 2));
    let AuditState::Answered { late, findings, .. } = state(&rounds, 2, 200) else {
        panic!("it has answered");
    };
    assert_eq!((late, findings), (false, Some(Vec::new())));
}

#[test]
fn whoever_names_an_unknown_charter_is_not_clean_and_an_older_one_is_no_way_out() {
    let shipped = Charter::shipped();
    let mut wide = shipped.text().clone();
    let mut extra = wide.metrics[0].clone();
    extra.name = HIDDEN.to_owned();
    wide.metrics.push(extra);
    let older = Charter::new(wide).unwrap();
    let mut rounds = opened();
    file(&mut rounds, b"one", 1, &answered(1, older.id(), &hidden())).unwrap();
    let AuditState::Answered { findings: None, .. } = state(&rounds, 1, 5) else {
        panic!("nobody judges by a charter that is not known");
    };
    assert_eq!(rounds.find(1).unwrap().tally(TIME).unjudged, 1);

    // In force before the round's, by its number: the round's counts.
    let mut draft = shipped.text().clone();
    draft.number = older.number() + 1;
    let newer = Charter::new(draft).unwrap();
    let named = (&older.id(), &newer.id());
    let both = |id: &ContentId| {
        let all = [older.clone(), newer.clone()];
        all.into_iter().find(|charter| charter.id() == *id)
    };
    let finds = |named: (&ContentId, &ContentId)| {
        let found = judge(&hidden(), named, both).unwrap();
        found.contains(&Finding::Unlisted(HIDDEN.to_owned()))
    };
    assert!(finds(named));
    assert!(
        finds((&newer.id(), &older.id())),
        "it names the newer itself"
    );
    assert!(!finds((&older.id(), &older.id())), "the older lists it");
}

#[test]
fn an_account_is_judged_once_its_charter_is_known() {
    let mut rounds = opened();
    let report = answered(1, Charter::shipped().id(), &hidden());
    let record = (ContentId::of(b"one"), key(9), TIME);
    rounds.file(record, &report, |_| None).unwrap();
    assert_eq!(rounds.find(1).unwrap().tally(TIME).unjudged, 1);

    rounds.judge(shipped);

    assert!(state(&rounds, 1, 1).has_findings());
}

#[test]
fn only_the_drawn_auditor_reports_and_not_without_end() {
    let mut rounds = opened();
    let stranger = (ContentId::of(b"x"), key(8), TIME);
    assert_eq!(
        rounds.file(stranger, &silent(1), shipped),
        Err(NotTaken::NotDrawn)
    );
    assert_eq!(
        file(&mut rounds, b"x", 1, &silent(3)),
        Err(NotTaken::NotDrawn)
    );
    let later = AuditReport {
        round: 2,
        ..silent(1)
    };
    assert_eq!(
        file(&mut rounds, b"x", 1, &later),
        Err(NotTaken::UnknownRound)
    );
    for number in 0..AUDIT_REPORTS_MAX {
        file(&mut rounds, &[u8::try_from(number).unwrap()], 1, &silent(1)).unwrap();
    }
    assert_eq!(
        file(&mut rounds, b"one more", 1, &silent(1)),
        Err(NotTaken::TooMany)
    );
    assert_eq!(
        file(&mut rounds, &[0], 1, &silent(1)),
        Ok(()),
        "known already"
    );
}

#[test]
fn of_two_draws_of_one_number_the_lower_epoch_s_counts_and_old_rounds_are_forgotten() {
    let mut rounds = Rounds::default();
    assert!(rounds.take(&round(1, 2, 7)));
    assert!(!rounds.take(&round(1, 3, 6)), "a later epoch's");
    assert!(
        !rounds.take(&round(1, 1, 7)),
        "the same draw, signed before"
    );
    file(&mut rounds, b"silence", 1, &silent(1)).unwrap();
    assert!(rounds.find(1).unwrap().is_filed(&key(1)));
    assert!(!rounds.take(&round(1, 2, 6)), "an epoch after the first");
    assert!(
        rounds.take(&round(1, 1, 6)),
        "the lower height of one epoch"
    );

    for number in 2..=20 {
        rounds.take(&round(number, 1, number));
    }
    assert_eq!(rounds.iter().count(), AUDIT_ROUNDS_KNOWN_MAX);
    assert_eq!(rounds.newest().unwrap().drawn.round, 20);
    assert!(
        !rounds.take(&round(1, 1, 7)),
        "older than all that are kept"
    );
    assert_eq!(file(&mut rounds, b"old", 1, &silent(1)), Ok(()));
}
