//! Audits of members' nodes: the draw, the ask, the account and the report.

use x0_protocol::{
    Millis, Wall,
    charter::inspection::{
        Collected, Declared, Enforcement, Exported, Judged, KernelPolicy, Probe, TracesTo,
    },
    spine::audit::{Entry as LogEntry, What, tree::Hash},
    wire::{
        Account, AccountAsk, AccountDraft, AskDraft, AuditOutcome, AuditPair, AuditReport,
        AuditRight, AuditRound, AuditsDrawn, Body, Entry, InspectionDraft, InspectionSigned,
        Refused, Request, Response, Statement, decode_record,
    },
};

use super::{
    TIME,
    committee::{certificate, whole},
    hold, id, identity, key, record, root, token,
};

fn pairs() -> Vec<AuditPair> {
    let mut pairs = [(3, 4), (4, 5)].map(|(node, auditor)| AuditPair {
        node: key(node),
        auditor: key(auditor),
    });
    pairs.sort_unstable();
    pairs.to_vec()
}

fn round() -> AuditRound {
    let drawn = AuditsDrawn {
        round: 2,
        height: 9,
        opened: TIME,
        due: TIME + Millis(6),
        next: TIME + Millis(36),
        charter: id(b"charter"),
        pairs: AuditRound::name(&pairs()),
    };
    AuditRound {
        certificate: certificate(Statement::Audits(drawn)),
        pairs: pairs(),
    }
}

fn collected() -> Collected {
    let exported = [("x0_hidden", None), ("x0_links", Some((30, 10)))];
    Collected {
        exported: exported
            .map(|(name, declared)| Exported {
                name: name.to_owned(),
                declared: declared.map(|(retention_days, cohort_min)| Declared {
                    retention_days,
                    cohort_min,
                }),
            })
            .to_vec(),
        held_back: 3,
        enforcement: Enforcement {
            filter: true,
            filtered: 5,
            gateway: Some(Judged {
                taken: 7,
                refused: 8,
            }),
            probe: Some(Probe {
                policy: KernelPolicy::InForce,
                refused: 9,
                lost: 0,
            }),
        },
        traces: TracesTo::Machine,
    }
}

/// What node 4 asks node 3 by a right.
fn ask(right: AuditRight) -> AccountAsk {
    let draft = InspectionDraft::Ask(Box::new(AskDraft {
        auditor: key(4),
        node: key(3),
        right,
        time: TIME,
        nonce: 11,
    }));
    match draft.sign(&id(b"mesh"), &identity(4), collected) {
        InspectionSigned::Ask(ask) => *ask,
        InspectionSigned::Account(_) => panic!("an ask was drafted"),
    }
}

fn account() -> Account {
    let draft = InspectionDraft::Account(Box::new(AccountDraft {
        ask: ask(AuditRight::Round(2)),
        charter: id(b"charter"),
        number: 1,
        log_size: 12,
        log_root: Hash([9; 32]),
        time: TIME,
    }));
    match draft.sign(&id(b"mesh"), &identity(3), collected) {
        InspectionSigned::Account(account) => *account,
        InspectionSigned::Ask(_) => panic!("an account was drafted"),
    }
}

fn report(outcome: AuditOutcome) -> Body {
    Body::AuditReport(Box::new(AuditReport {
        round: 2,
        node: key(3),
        outcome,
    }))
}

fn silence() -> AuditOutcome {
    AuditOutcome::Unanswered {
        tries: 4,
        why: "it did not answer".parse().unwrap(),
    }
}

#[test]
fn audits() {
    let ask_by = |right| Request::Account(Box::new(ask(right))).encode();
    let by_token = AuditRight::Token {
        root: root(),
        token: token(),
    };
    let entry = Entry::Audits {
        round: 2,
        signature: whole(),
    };
    let offer = Request::Offer(Box::new(entry.to_unverified())).encode();
    let told = |what| LogEntry { time: TIME, what }.encode();
    let answered = AuditOutcome::Answered(Box::new(account()));
    let records = [
        ("round", record(4, Body::AuditRound(Box::new(round())))),
        ("report", record(4, report(answered))),
        ("silence", record(4, report(silence()))),
    ];
    for (name, record) in &records {
        let bytes = record.value().bytes();
        assert_eq!(
            decode_record(bytes).unwrap().peek().bytes(),
            bytes,
            "{name}"
        );
    }
    let messages = [
        ("ask of a draw", ask_by(AuditRight::Round(2))),
        ("ask of a case", ask_by(AuditRight::Case(id(b"case")))),
        ("ask by a token", ask_by(by_token)),
        ("offer of a draw", offer),
    ];
    for (name, bytes) in &messages {
        assert_eq!(Request::decode(bytes).unwrap().encode(), *bytes, "{name}");
    }
    let answers = [
        ("account", Response::Account(Box::new(account())).encode()),
        (
            "no right",
            Response::Refused(Refused::NotEntitled {
                why: "it was not drawn".to_owned(),
            })
            .encode(),
        ),
    ];
    for (name, bytes) in &answers {
        assert_eq!(Response::decode(bytes).unwrap().encode(), *bytes, "{name}");
    }
    let entries = [
        (
            "entry of an account",
            told(What::Account {
                auditor: key(4),
                right: "drawn".to_owned(),
            }),
        ),
        (
            "entry of a refusal",
            told(What::AccountRefused {
                auditor: key(4),
                right: "drawn".to_owned(),
                why: "it was not".to_owned(),
            }),
        ),
    ];
    let records = records.map(|(name, record)| (name, record.value().bytes().to_vec()));
    let samples: Vec<_> = records
        .into_iter()
        .chain(messages)
        .chain(answers)
        .chain(entries)
        .collect();
    hold(
        &samples,
        &[
            (
                "round",
                "bafyreiexkpnbko5yizuagtcawnno24iffbd6tw2vuyrhvahyztiej76rpy",
            ),
            (
                "report",
                "bafyreiag2qyncr4pqaqgtvlk3edhp5zxduf3yv36vlcl57h7hvoenlgoqe",
            ),
            (
                "silence",
                "bafyreiddq5nqz3nbj4bjms66draeefsdkpc6wkksvhpu5srmxrtt2cwlvu",
            ),
            (
                "ask of a draw",
                "bafyreigez2p5lm6briwjxo2chceybnhczapdzay6crsmtnid4q3wqt6r64",
            ),
            (
                "ask of a case",
                "bafyreihe42gq4yfeiy7bwy2rmof67xz7fkyzbwcvztoqri5wcl2a5rbvie",
            ),
            (
                "ask by a token",
                "bafyreihglryu3ww7dulgkqcg2r3e7vteln74xqpz3rsd4fezwpsqamxi3m",
            ),
            (
                "offer of a draw",
                "bafyreih3a67imbhq75ygsdld7xxmwtdppo7vtumbw2q5znfp467ephks4q",
            ),
            (
                "account",
                "bafyreigiybbg2xlkuylsa6bwnbyrm5a57jnqvyhyu47g3mcv6an2div5eu",
            ),
            (
                "no right",
                "bafyreifzld4ci2trw7sdr4zsisoeddebzqhxv7hd72jn7k6sghofee6q2u",
            ),
            (
                "entry of an account",
                "bafyreig5xvvd2qwoqcrp5gcr2izoj6rqn74qbkcyuimpzydxg54f2vbkne",
            ),
            (
                "entry of a refusal",
                "bafyreibsz5ddkqowbm4yb5boxun34a3atqisnqqqp6gnf24bsfq5cbgqwq",
            ),
        ],
    );
}

#[test]
fn a_report_is_signed_by_who_asked_about_whom_it_names_and_in_its_round() {
    let mesh = Some(id(b"mesh"));
    let write = |author: u8, body: Body| {
        let author = identity(author);
        let at = (4, Some(id(b"previous")));
        let draft = x0_protocol::wire::Draft::new(mesh, author.public(), at, TIME, [6; 16], body);
        draft.sign(&author).is_ok()
    };
    let answered = |change: fn(&mut AuditReport)| {
        let mut report = AuditReport {
            round: 2,
            node: key(3),
            outcome: AuditOutcome::Answered(Box::new(account())),
        };
        change(&mut report);
        Body::AuditReport(Box::new(report))
    };
    let tamper = |report: &mut AuditReport| {
        let AuditOutcome::Answered(account) = &mut report.outcome else {
            return;
        };
        account.collected.exported.remove(0);
    };
    assert!(write(4, answered(|_| {})));
    assert!(!write(5, answered(|_| {})), "another auditor's account");
    assert!(!write(4, answered(|report| report.round = 3)));
    assert!(!write(4, answered(|report| report.node = key(5))));
    assert!(!write(4, answered(tamper)), "a name is taken out");
    let account = account();
    assert!(account.holds(&id(b"mesh")) && !account.holds(&id(b"another mesh")));
    assert_eq!(Account::decode(&account.encode()).unwrap(), account);
    assert_eq!(account.stated.time, Wall(TIME.0));
}

#[test]
fn a_round_names_the_draw_that_is_certified_and_nobody_audits_itself() {
    let read = |round: AuditRound| {
        let bytes = record(4, Body::AuditRound(Box::new(round)));
        decode_record(bytes.value().bytes()).is_ok()
    };
    assert!(read(round()));
    let mut other = round();
    other.pairs[0].auditor = key(9);
    assert!(!read(other));
    let mut own = round();
    own.pairs[0].auditor = own.pairs[0].node;
    if let Statement::Audits(drawn) = &mut own.certificate.statement {
        drawn.pairs = AuditRound::name(&own.pairs);
    }
    assert!(!read(own));
    let mut empty = round();
    empty.pairs.clear();
    if let Statement::Audits(drawn) = &mut empty.certificate.statement {
        drawn.pairs = AuditRound::name(&[]);
    }
    assert!(!read(empty));
}
