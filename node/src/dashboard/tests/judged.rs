//! What the charter's pages show in the sample: an enforcement, cases at every stage, balances, votes, a public log.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Serialize;
use x0_crypto::{
    ContentId, PublicKey,
    capability::RootKey,
    committee::{CommitteeKey, ThresholdSignature},
};
use x0_ebpf_loader::messages::{Refusal, Status};
use x0_protocol::{
    Wall,
    charter::{
        Charter,
        gateway::{refusal::Refused, render::Withheld},
        violation::{
            Docket, Sentence, Violation,
            receipt::Receipt,
            sealed::{self, Unsealed},
        },
    },
    core::{
        case::{CaseView, CasesView, LedgerView},
        command::{OverrideView, PublicProof},
        limits::REPORT_WORK_BITS,
        vote::{VoteView, VotesView},
    },
    spine::{
        audit::tree::{Hash, InclusionProof},
        ballot::{self, Announced},
        committee::{CasePhase, OpenCase},
        halt::HaltId,
    },
    wire::{
        ActAdmitted, Body, CaseFinding, CaseSay, Certificate, Change, Checkpoint, Description,
        DismissedBy, Electorate, Override, OverrideProof, OverrideTold, Policy, PublicEntry,
        PublicHead, PublicWhat, Report, Ruled, Ruling, SealedReport, Statement, Targets, Verdict,
        VoteOpened, VoteProposal, VoteRules, decode_record,
    },
};
use zeroize::Zeroizing;

use super::sample::{before, identity, key, record};
use crate::{
    api::proofs::{self, ProofView},
    charter::{
        SHIPPED,
        following::Standing,
        helper::Seen,
        inspection::{Collection, OwnAudit},
    },
    config::{OWN_NODE, Target},
    dashboard::Enforcement,
    gateway::{Overview, Place, Visited},
    metrics::Metrics,
};

/// The generators of BLS12-381, compressed: points that decode. Nobody checks signatures here.
const POINT_OF_G1: &str = "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb";
const POINT_OF_G2: &str = "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e\
                           024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8";

/// A proof of a real public log, as the browser of `x0-testnet journey dashboard` has saved one.
pub(super) const PROOF: &str = include_str!("proof.json");

/// What a sealed report says that nobody may ever see on a page.
pub(super) const SECRET: &str = "the neighbour who keeps the list told me so";

/// A machine on which nothing runs but the node.
pub(super) fn bare() -> Enforcement {
    Enforcement {
        kernel: Standing::NoHelper {
            why: "start it as root: x0 charter probe start".to_owned(),
        },
        helper: Err("nobody answers on /run/x0/probe.sock".to_owned()),
        gateway: Overview {
            charter: SHIPPED.clone(),
            place: Place::Off,
            series: 0,
            taken: 0,
            refused: BTreeMap::new(),
            refusals: Vec::new(),
            withheld: Vec::new(),
            visited: Vec::new(),
        },
        audit: Collection::new(Metrics::new()).audit(&SHIPPED),
    }
}

/// A machine whose kernel holds programs to the charter, and has lost two refusals.
pub(super) fn guarded() -> Enforcement {
    let bare = bare();
    Enforcement {
        kernel: Standing::InForce {
            charter: SHIPPED.id().to_string(),
            number: 1,
        },
        helper: Ok(Seen {
            status: Status {
                enforced: true,
                services: BTreeMap::from([("app".to_owned(), 2), ("node".to_owned(), 1)]),
                checked: 12_480,
                refused: BTreeMap::from([("name".to_owned(), 6), ("destination".to_owned(), 1)]),
                delivered: 5,
                lost: 2,
                ..Status::default()
            },
            refusals: vec![
                refusal("name", "127.0.0.1", 8_125, "0123456789abcdef"),
                refusal("destination", "203.0.113.7", 443, ""),
                refusal("of-a-later-version", "203.0.113.8", 443, ""),
            ],
        }),
        gateway: Overview {
            place: Place::Open {
                address: "127.0.0.1:8125".parse().unwrap(),
            },
            series: 1,
            taken: 311,
            refused: BTreeMap::from([("not_listed", 4)]),
            refusals: vec![Refused {
                source: "statsd".to_owned(),
                name: Some("page_views".to_owned()),
                reason: "not_listed",
                words: "the charter does not list it".to_owned(),
                count: 4,
                last: before(3),
            }],
            withheld: vec![Withheld {
                metric: "latency_p99".to_owned(),
                nodes: 1,
                cohort_min: 10,
            }],
            visited: vec![Visited {
                target: Target {
                    node: OWN_NODE.to_owned(),
                    url: "http://127.0.0.1:9464/metrics".to_owned(),
                },
                at: before(1),
                came: Err("nobody answers".to_owned()),
            }],
            ..bare.gateway
        },
        audit: OwnAudit {
            traces_to: Some("127.0.0.1:4318".to_owned()),
            ..bare.audit
        },
    }
}

fn refusal(reason: &str, address: &str, port: u16, name_hash: &str) -> Refusal {
    Refusal {
        at_ms: before(2).0,
        service: "app".to_owned(),
        pid: 4_711,
        uid: 1_000,
        protocol: "udp".to_owned(),
        address: address.to_owned(),
        port,
        local_port: 40_000,
        payload_bytes: 14,
        reason: reason.to_owned(),
        words: "the words of the helper itself".to_owned(),
        name_hash: name_hash.to_owned(),
    }
}

/// A certificate by a signature that nobody checks here.
fn certified(statement: Statement) -> Certificate {
    let point = data_encoding::HEXLOWER
        .decode(POINT_OF_G1.as_bytes())
        .unwrap();
    Certificate {
        epoch: 1,
        statement,
        signature: ThresholdSignature::from_bytes(&point).unwrap(),
    }
}

/// The certificate of a public log.
pub(super) fn checkpoint(log: PublicHead) -> Certificate {
    certified(Statement::Checkpoint(Checkpoint {
        height: 811,
        block: record(1),
        time: before(1),
        round: 0,
        members: 24,
        electorate: electorate(),
        state: record(2),
        log,
    }))
}

fn electorate() -> Electorate {
    Electorate {
        root: Hash([1; 32]),
        count: 24,
        subtrees: 9,
    }
}

/// What a node knows that is no seat, of a mesh without cases.
pub(super) fn no_cases() -> CasesView {
    CasesView {
        mesh: record(0),
        seal_to: None,
        time: before(0),
        approvals: None,
        cases: Vec::new(),
    }
}

/// What a ledger tells in which nothing moved.
pub(super) const fn no_ledger() -> LedgerView {
    LedgerView {
        last: 0,
        waiting: 0,
        balances: Vec::new(),
        postings: Vec::new(),
        sentences: Vec::new(),
    }
}

/// The key of a report without a name.
pub(super) fn one_time_key() -> PublicKey {
    receipt().identity().public()
}

/// Who took the bounty of a report without a name; no member, so that no list of members names it.
pub(super) fn claimant() -> PublicKey {
    key(900)
}

fn receipt() -> Receipt {
    Receipt::of_seed(Zeroizing::new([9; 32]))
}

fn verdict(number: u16, reporter: PublicKey) -> Verdict {
    let sort = Violation::SilentCollection;
    let mut sentence = Sentence::of(SHIPPED.text().penalties.of(sort), before(60));
    sentence.probation_until = Some(Wall(before(0).0 + 40_000_000_000));
    Verdict {
        accused: key(number),
        sort,
        charter: SHIPPED.id(),
        sentence,
        reporter,
        bounty_x0: 500,
    }
}

/// Cases at every stage, one of them overdue, and what a seat knows of two.
pub(super) fn cases() -> (CasesView, LedgerView) {
    let due = |minutes: u64| Wall(before(0).0 + minutes * 60_000);
    let (named, sealed) = (verdict(3, key(5)), verdict(4, one_time_key()));
    let stages: [(u8, Vec<Ruled>); 9] = [
        (60, vec![Ruled::TakenUp { due: before(5) }]),
        (61, vec![Ruled::TakenUp { due: due(600) }]),
        (62, vec![Ruled::Opened { due: due(700) }]),
        (
            63,
            vec![Ruled::Dismissed {
                by: DismissedBy::Approvals,
            }],
        ),
        (
            64,
            vec![Ruled::Announced {
                verdict: named,
                until: due(800),
            }],
        ),
        (65, vec![Ruled::Appealed { due: due(900) }]),
        (
            66,
            vec![Ruled::Overturned {
                by: DismissedBy::Lapse,
            }],
        ),
        (
            67,
            vec![Ruled::Final {
                number: 1,
                verdict: named,
            }],
        ),
        (
            68,
            vec![
                Ruled::Final {
                    number: 2,
                    verdict: sealed,
                },
                Ruled::Claimed {
                    number: 3,
                    from: one_time_key(),
                    to: claimant(),
                    amount_x0: 500,
                },
            ],
        ),
    ];
    let mut docket = Docket::default();
    for (case, ruled) in stages {
        for (ruled, step) in ruled.into_iter().zip(0..) {
            let ruling = Ruling {
                case: record(case),
                ruled,
                height: u64::from(case) * 10 + step,
                time: before(120 - u64::from(case)),
            };
            docket.take(&ruling, &certified(Statement::Ruling(ruling)));
        }
    }
    let mut cases: Vec<_> = docket
        .cases()
        .map(|(case, known)| CaseView {
            case: *case,
            known: Some(known.clone()),
            open: None,
        })
        .collect();
    cases.sort_by_key(|view| view.case);
    let at_seat = |cases: &mut Vec<CaseView>, case: u8, open| {
        let mut views = cases.iter_mut();
        views.find(|view| view.case == record(case)).unwrap().open = Some(open);
    };
    at_seat(&mut cases, 61, named_case("it kept where people were"));
    at_seat(&mut cases, 62, sealed_case());
    let ledger = docket.ledger();
    let ledger = LedgerView {
        last: ledger.last(),
        waiting: ledger.waiting() as u64,
        balances: ledger
            .balances()
            .map(|(account, x0)| (*account, x0))
            .collect(),
        postings: ledger.postings().copied().collect(),
        sentences: vec![
            (key(3), record(67), named.sentence),
            (key(4), record(68), sealed.sentence),
        ],
    };
    let view = CasesView {
        approvals: Some(3),
        cases,
        ..no_cases()
    };
    (view, ledger)
}

/// A case that a member has reported by name, as a seat knows it.
pub(super) fn named_case(described: &str) -> OpenCase {
    let seats = (1..4).map(|seat| (key(seat), (1, Some(CaseSay::Open))));
    open(Kept {
        author: key(5),
        report: Some(report(described)),
        sealed: None,
        taken_up: before(30),
        phase: CasePhase::Reported,
        words: seats.collect(),
        appeal: None,
    })
}

/// A case that came sealed, as a seat knows it that has opened it.
fn sealed_case() -> OpenCase {
    let found = CaseFinding {
        accused: key(6),
        sort: Violation::DataExtraction,
        bounty_x0: 300,
    };
    open(Kept {
        author: one_time_key(),
        report: Some(report(SECRET)),
        sealed: Some(SEALED.clone()),
        taken_up: before(90),
        phase: CasePhase::Opened { since: before(50) },
        words: vec![(key(1), (2, Some(CaseSay::Find(found))))],
        appeal: Some(Description::try_from("it was another node".to_owned()).unwrap()),
    })
}

fn report(described: &str) -> Report {
    Report {
        accused: Some(key(6)),
        sort: Violation::DataExtraction,
        description: Description::try_from(described.to_owned()).unwrap(),
        evidence: Vec::new(),
        asked: "have it deleted".parse().unwrap(),
    }
}

/// Sealing takes work, which is done once.
static SEALED: LazyLock<SealedReport> = LazyLock::new(|| seal(&report(SECRET)).unwrap());

fn seal(told: &Report) -> Result<SealedReport, Unsealed> {
    let record = sealed::seal(
        &committee(),
        &record(0),
        told,
        &receipt(),
        (before(90), REPORT_WORK_BITS),
    )?;
    let Body::SealedReport(sealed) = record.value().body() else {
        panic!("it was sealed into a record of another kind");
    };
    Ok(sealed.as_ref().clone())
}

/// The form in which the committee's state keeps an [`OpenCase`].
#[derive(Serialize)]
struct Kept {
    author: PublicKey,
    report: Option<Report>,
    sealed: Option<SealedReport>,
    taken_up: Wall,
    phase: CasePhase,
    words: Vec<(PublicKey, (u64, Option<CaseSay>))>,
    appeal: Option<Description>,
}

fn open(kept: Kept) -> OpenCase {
    let bytes = serde_ipld_dagcbor::to_vec(&kept).unwrap();
    serde_ipld_dagcbor::from_slice(&bytes).unwrap()
}

/// The charter that ships with the next number, another retention and one blocked name less.
pub(super) fn next_charter() -> Charter {
    let mut draft = SHIPPED.text().clone();
    draft.number += 1;
    let mut metrics = draft.metrics.iter_mut();
    let latency = metrics.find(|metric| metric.name == "latency_p99");
    latency.unwrap().retention_days = 60;
    draft.blocked.names.retain(|name| name != "user_location");
    Charter::new(draft).unwrap()
}

/// Two open votes, one of them on an amendment.
pub(super) fn votes(text: &str) -> VotesView {
    let next = next_charter();
    let mut amending = vote(7, next.id(), text);
    amending.amendment = Some(next);
    VotesView {
        votes: vec![amending, vote(7, ContentId::of(b"an act"), text)],
        own: Vec::new(),
    }
}

/// An open vote that a node has proposed.
pub(super) fn vote(by: u16, subject: ContentId, text: &str) -> VoteView {
    let proposal = VoteProposal::sign(
        &record(0),
        &identity(by),
        (subject, text.parse().unwrap()),
        VoteRules::ordinary(),
        before(30),
    );
    let proposal = proposal.value().clone();
    let opened = VoteOpened {
        proposal: proposal.id(),
        subject,
        electorate: ballot::Electorate {
            members_root: [1; 32],
            count: 24,
        },
        opened: before(29),
        height: 800,
    };
    VoteView {
        proposal: proposal.id(),
        opening: Some(Announced {
            certificate: certified(Statement::Opened(opened)),
            opened,
            proposal,
            jury: Vec::new(),
        }),
        closes: Some(Wall(before(0).0 + 72 * 3_600_000)),
        tally: None,
        resolved: None,
        case: None,
        live: None,
        ballot: None,
        amendment: None,
        stage: "open".to_owned(),
    }
}

/// What openings are of, with which nobody opens anything here.
pub(super) fn committee() -> CommitteeKey {
    let point = data_encoding::HEXLOWER
        .decode(POINT_OF_G2.as_bytes())
        .unwrap();
    CommitteeKey::from_bytes(&point).unwrap()
}

/// A public log with every kind of entry in it, and how its overrides stand.
pub(super) fn public_log(why: &str) -> (Vec<PublicEntry>, Vec<OverrideView>) {
    let root = RootKey::from_bytes(*key(1).bytes()).unwrap();
    let change = || Change::SetPolicy {
        policy: Policy::LinksTarget.written(),
        value: 12,
        from_version: 1,
    };
    let overriding = |number: u8| {
        PublicWhat::Override(Box::new(OverrideTold {
            act: record(number),
            agent: key(6),
            root,
            change: change(),
            targets: Targets::Nodes(vec![key(0), key(2)]),
            nodes: 2,
            words: Override {
                why: why.to_owned(),
                consequences: format!("{why}, and then fewer links for an hour"),
                notice_minutes: 60,
            },
            until: Wall(before(0).0 + 30 * 60_000),
        }))
    };
    let passed = |emergency| PublicWhat::Passed {
        proposal: record(80),
        subject: record(81),
        emergency,
    };
    let kinds = [
        PublicWhat::HandedOver {
            epoch: 2,
            seats: (1..5).map(key).collect(),
        },
        passed(false),
        passed(true),
        PublicWhat::Admitted(Box::new(ActAdmitted {
            act: record(82),
            agent: key(6),
            root,
            change: change(),
            nodes: 24,
            vote: record(80),
        })),
        PublicWhat::Halted {
            halt: HaltId::of(&record(0), &root, 0),
            root,
            until: before(0),
        },
        PublicWhat::Verdict {
            case: record(68),
            verdict: Box::new(verdict(4, one_time_key())),
        },
        overriding(83),
        PublicWhat::Broadcast { act: record(83) },
        overriding(84),
        overriding(85),
    ];
    let entries = kinds.iter().cycle().zip(0..70);
    let entries: Vec<_> = entries
        .map(|(what, index)| PublicEntry {
            time: before(400 - index),
            height: 100 + index,
            what: what.clone(),
        })
        .collect();
    let views = (0..).zip(&entries);
    let views = views.filter_map(|(index, entry)| {
        let act = entry.overriding()?.act;
        Some(OverrideView {
            index,
            entry: entry.clone(),
            is_over: act == record(84),
            is_broadcast: act == record(83),
            runs_here: act == record(85),
        })
    });
    let mut views: Vec<_> = views.collect();
    views.reverse();
    (entries, views)
}

/// The proof of a real public log.
pub(super) fn proof() -> PublicProof {
    let read = ProofView::read(PROOF.as_bytes()).unwrap();
    let bytes = |text: &str| data_encoding::BASE64.decode(text.as_bytes()).unwrap();
    let record = |text: &str| decode_record(&bytes(text)).unwrap().peek().clone();
    let hashes = read
        .inclusion
        .iter()
        .map(|text| proofs::hash(text).unwrap());
    PublicProof {
        proof: OverrideProof {
            entry: PublicEntry::decode(&bytes(&read.entry)).unwrap(),
            index: read.index,
            inclusion: InclusionProof::from_hashes(hashes.collect()).unwrap(),
            head: Certificate::decode(&bytes(&read.head)).unwrap(),
        },
        earlier: None,
        genesis: record(read.genesis.as_deref().unwrap()),
        epochs: read.keys.iter().map(|text| record(text)).collect(),
    }
}
