//! What the committee makes and what is said to and by it: keys, certificates, tickets, draws, words.

use std::collections::BTreeMap;

use serde_bytes::ByteBuf;
use x0_crypto::{
    ContentId, PublicKey,
    capability::RevocationId,
    committee::{
        Ack, Ceremony, CeremonyPlan, CommitteeKey, PartialSignature, Purpose, SealedDealing,
        ThresholdSignature, acknowledge, deal,
    },
};
use x0_protocol::{
    Millis,
    anti_meave::anomaly::{Alert, Evidence, Pattern, Severity},
    spine::{
        audit::{
            Entry as AuditEntry, What,
            tree::{Frontier, Hash, consistency_proof, inclusion_proof, leaf_hash},
        },
        ballot::{self, Outcome, Sums, Tally, TallyStatement},
        halt::HaltId,
    },
    wire::{
        Act, Admission, Admitted, AuditAsk, AuditShown, Authority, Block, Body, Certificate,
        Checkpoint, CommitteeKeys, Consent, Consented, Draw, Elector, Electorate, Entry, Halted,
        HandOver, HandedOver, KeysNamed, LogHead, MemberChange, MemberFacts, MultiSig,
        NextCommittee, Panel, PanelDraw, Placed, PublicHead, RecoveryPlan, RecoveryWord,
        Refutation, Request, Response, Role, Said, SeatsPlan, ShownEntry, SignaturePart, Statement,
        Subject, Targets, Ticket, VoteNotice, Warrants, Word, decode_record,
    },
};

use super::{TIME, act, block, decided, hold, id, identity, key, record, root, set_policy};

/// The generators of BLS12-381 in compressed form (draft-irtf-cfrg-pairing-friendly-curves, §4.2.1): points that
/// decode, though no seat has signed anything by them.
const G1: &str = "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac58\
                  6c55e83ff97a1aeffb3af00adb22c6bb";
const G2: &str = "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049\
                  334cf11213945d57e5ac7d055d042b7e024aa2b2f08f0a91260805272dc51051\
                  c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8";

fn point(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

pub(super) fn whole() -> ThresholdSignature {
    ThresholdSignature::from_bytes(&point(G1)).unwrap()
}

pub(super) fn keys() -> CommitteeKeys {
    let key = CommitteeKey::from_bytes(&point(G2)).unwrap();
    CommitteeKeys {
        epoch: 1,
        certificate: key,
        beacon: key,
        decryption: key,
    }
}

pub(super) fn electorate() -> Electorate {
    Electorate {
        root: Hash([9; 32]),
        count: 40,
        subtrees: 12,
    }
}

fn checkpoint() -> Statement {
    Statement::Checkpoint(Checkpoint {
        height: 7,
        block: block().id(),
        time: TIME,
        round: 3,
        members: 41,
        electorate: electorate(),
        state: id(b"state"),
        log: PublicHead::default(),
    })
}

pub(super) fn seats() -> Vec<PublicKey> {
    let mut seats: Vec<_> = (1..=4).map(key).collect();
    seats.sort_unstable();
    seats
}

fn handed_over() -> HandedOver {
    let next = NextCommittee {
        keys: CommitteeKeys { epoch: 2, ..keys() },
        seats: seats(),
    };
    let stated = Statement::HandOver(HandOver {
        height: 9,
        next: next.id(),
    });
    HandedOver {
        certificate: certificate(stated),
        next,
    }
}

fn recovery() -> RecoveryWord {
    let Statement::Checkpoint(checkpoint) = checkpoint() else {
        unreachable!("a checkpoint was made");
    };
    RecoveryWord {
        plan: RecoveryPlan::after(&checkpoint, seats()),
        placed: placed(0, 2),
    }
}

pub(super) fn plain_act() -> Act {
    let Body::Act(act) = act(set_policy(), Targets::All) else {
        unreachable!("an act was made");
    };
    act
}

fn admission() -> Admission {
    let act = plain_act();
    let agent = identity(2);
    let digest = act.digest(&agent.public());
    Admission {
        asked: Said::sign(&id(b"mesh"), digest, Word::Ask, &agent),
        act,
        emergency: None,
    }
}

fn ticket() -> Statement {
    Statement::Ticket(Ticket {
        act: admission().asked.act,
        agent: key(2),
        root: root(),
        nodes: 40,
        of_root: 40,
        of_change: 41,
        electorate: electorate(),
        height: 8,
        round: 3,
        time: TIME,
        expires: TIME + Millis::from_mins(10),
        passed: 1,
        panel: Some(Panel {
            multi_sig: MultiSig { k: 3, n: 5 },
            seats: electorate(),
        }),
    })
}

fn approval() -> Word {
    let Statement::Ticket(ticket) = ticket() else {
        unreachable!("a ticket was made");
    };
    Word::Sign {
        ticket: ticket.name(),
    }
}

pub(super) fn halt() -> HaltId {
    HaltId::of(&id(b"mesh"), &root(), 0)
}

/// What the log of one node says of an act, third of five entries.
fn shown() -> AuditShown {
    let entry = AuditEntry {
        time: TIME,
        what: What::Refused {
            act: id(b"act"),
            agent: key(2),
            why: "no ticket".to_owned(),
        },
    };
    let mut leaves = vec![Hash([1; 32]); 5];
    leaves[2] = leaf_hash(&entry.encode());
    let root = leaves.iter().copied().collect::<Frontier>().root();
    AuditShown {
        head: LogHead::sign(&identity(1), 5, root, TIME),
        growth: consistency_proof(&leaves, 3, 5),
        entries: vec![ShownEntry {
            index: 2,
            entry,
            proof: inclusion_proof(&leaves, 2, 5).unwrap(),
        }],
        more: Some(4),
    }
}

fn halted() -> Statement {
    Statement::Halt(Halted {
        halt: halt(),
        root: root(),
        height: 9,
        began: TIME,
        until: TIME + Millis::from_mins(72 * 60),
    })
}

fn alerted() -> Vec<ContentId> {
    let mut acts = vec![id(b"one act"), id(b"another"), id(b"a third")];
    acts.sort_unstable();
    acts
}

pub(super) fn certificate(statement: Statement) -> Certificate {
    Certificate {
        epoch: 1,
        statement,
        signature: whole(),
    }
}

fn said(word: Word) -> Said {
    Said::sign(&id(b"mesh"), id(b"digest"), word, &identity(3))
}

fn placed(place: u32, seed: u8) -> Placed {
    Placed {
        place,
        elector: Elector {
            key: key(seed),
            subtree: key(1),
        },
        proof: inclusion_proof(&[Hash([1; 32]), Hash([2; 32])], u64::from(place), 2).unwrap(),
    }
}

fn drawn() -> Draw {
    Draw {
        signature: whole(),
        agent: placed(0, 2),
        looked_at: vec![placed(1, 3)],
        panel: Some(PanelDraw {
            seats: vec![placed(1, 4)],
            members: vec![placed(0, 5)],
        }),
    }
}

fn warrants() -> Warrants {
    Warrants {
        ticket: Some(certificate(ticket())),
        vote: None,
        draw: Some(drawn()),
        said: vec![said(Word::Agree), said(Word::Cosign), said(approval())],
        emergency: None,
    }
}

fn consent(role: Role) -> Request {
    Request::Consent(Box::new(Consent {
        admission: admission().to_unverified(),
        warrants: warrants(),
        role,
    }))
}

fn members() -> Entry {
    let facts = MemberFacts {
        since: TIME,
        subtree: key(1),
        region: Some("north".parse().unwrap()),
        founder: false,
        serves: false,
    };
    let mut changes = vec![
        MemberChange {
            key: key(2),
            facts: Some(facts),
        },
        MemberChange {
            key: key(3),
            facts: None,
        },
    ];
    changes.sort_unstable();
    Entry::Members(changes)
}

fn ceremony() -> Ceremony {
    let seats: Vec<PublicKey> = (1..=4).map(key).collect();
    Ceremony::new(CeremonyPlan {
        mesh: id(b"mesh"),
        epoch: 1,
        purpose: Purpose::Certificate,
        dealers: seats.clone(),
        players: seats,
        previous: None,
    })
    .unwrap()
}

/// What seat 1 deals to seat 2, and how seat 2 acknowledges it: the same seeds give the same bytes.
fn dealt() -> (SealedDealing, Ack) {
    let dealings: BTreeMap<_, _> = deal(&ceremony(), &identity(1), None)
        .unwrap()
        .into_iter()
        .collect();
    let sealed = dealings[&key(2)].clone();
    let ack = acknowledge(&ceremony(), &identity(2), &key(1), &sealed).unwrap();
    (sealed, ack)
}

#[test]
fn records_of_the_committee() {
    let named = decided(Block {
        entries: vec![Entry::Keys(Box::new(keys()))],
        ..block()
    });
    let bodies = [
        ("keys", Body::Keys(Box::new(KeysNamed { decided: named }))),
        (
            "checkpoint",
            Body::Checkpoint(Box::new(certificate(checkpoint()))),
        ),
        ("hand-over", Body::HandOver(Box::new(handed_over()))),
        ("recovery", Body::Recovery(Box::new(recovery()))),
        (
            "alert",
            Body::Alert(Box::new(Alert {
                mesh: id(b"mesh"),
                severity: Severity::Critical,
                agent: key(2),
                root: root(),
                evidence: Evidence {
                    pattern: Pattern::SilentIdentical,
                    acts: alerted(),
                    usual: None,
                },
                time: TIME,
            })),
        ),
        ("halt", Body::Halt(Box::new(certificate(halted())))),
        (
            "act with warrants",
            Body::Act(Act {
                warrants: warrants().to_wire(),
                ..plain_act()
            }),
        ),
    ];
    let samples = bodies.map(|(name, body)| {
        let record = record(2, body);
        let bytes = record.value().bytes().to_vec();
        assert_eq!(decode_record(&bytes).unwrap().peek().bytes(), bytes);
        (name, bytes)
    });
    hold(
        &samples,
        &[
            (
                "keys",
                "bafyreie2imv3xxjnlbfsdqy42n4nh67fvjoqgijvg7h427hv5b5sq73sea",
            ),
            (
                "checkpoint",
                "bafyreihxcwzloero7ku5sj27vmvzgnl4simq34uzryirflqmdt44sq2lsm",
            ),
            (
                "hand-over",
                "bafyreienfyevs3eqofyuxvevwht3yjooa6qlvuhmxepkzjpziqtb22ph2i",
            ),
            (
                "recovery",
                "bafyreidw727kxzzl6e3huw4ldbbeyxluhhg7wcukj5h62zcvcxgxnf7ony",
            ),
            (
                "alert",
                "bafyreifrltuir6ivvwfkd5bnr7cxtzl7xs3xms2yiru7clv4xmdoxjksh4",
            ),
            (
                "halt",
                "bafyreicqyljtef6w6ccjjgwzvanpblpb7b42or3hhqjeghhomvfmktw4cq",
            ),
            (
                "act with warrants",
                "bafyreien7nqnnh64iakvbtxj43al7fukrpddac2rja6au7ltjuj3qgmup4",
            ),
        ],
    );
}

#[test]
fn requests_to_seats_targets_and_cosigners() {
    let (dealing, _) = dealt();
    let offer = |entry: Entry| Request::Offer(Box::new(entry.to_unverified()));
    let samples = [
        (
            "dealing",
            Request::Dealing {
                ceremony: ceremony().id(),
                dealing: Box::new(dealing),
            },
        ),
        (
            "parts",
            Request::Parts(vec![SignaturePart {
                subject: Subject::Statement(checkpoint()).id(&id(b"mesh"), 1),
                part: PartialSignature::from_bytes(&point(G1)).unwrap(),
            }]),
        ),
        (
            "offer of a dealer's log",
            offer(Entry::Dealt {
                ceremony: ceremony().id(),
                log: ByteBuf::from([5; 9]),
            }),
        ),
        ("offer of keys", offer(Entry::Keys(Box::new(keys())))),
        ("offer of members", offer(members())),
        ("offer of a checkpoint", offer(Entry::Checkpoint)),
        (
            "offer of an admission",
            offer(Entry::Admission(Box::new(admission()))),
        ),
        (
            "offer of a pass",
            offer(Entry::Said {
                said: said(Word::Pass { passed: 1 }),
                draw: None,
            }),
        ),
        (
            "offer of a refusal",
            offer(Entry::Said {
                said: said(Word::Refuse),
                draw: Some(Box::new(drawn())),
            }),
        ),
        (
            "offer of seats",
            offer(Entry::Seats {
                plan: Box::new(SeatsPlan {
                    epoch: 1,
                    seats: seats(),
                }),
                by: Authority::Seat(said(Word::Approve)),
            }),
        ),
        (
            "offer of a hand-over",
            offer(Entry::HandOver(Box::new(handed_over().certificate))),
        ),
        (
            "state",
            Request::State {
                state: id(b"state"),
                part: 1,
            },
        ),
        (
            "offer of a halt",
            offer(Entry::Halt {
                halt: halt(),
                root: root(),
            }),
        ),
        (
            "offer of a revocation",
            offer(Entry::Revoked {
                root: root(),
                ids: vec![RevocationId::from_bytes([7; 32])],
            }),
        ),
        (
            "admit",
            Request::Admit(Box::new(admission().to_unverified())),
        ),
        (
            "offer of a signatory's refusal",
            offer(Entry::Said {
                said: said(Word::Decline {
                    ticket: id(b"ticket"),
                }),
                draw: Some(Box::new(drawn())),
            }),
        ),
        ("consent of a target", consent(Role::Target)),
        ("consent of a co-signer", consent(Role::Cosigner)),
        ("consent of a signatory", consent(Role::Signatory)),
        (
            "audit",
            Request::Audit(Box::new(AuditAsk {
                halt: Some(halt()),
                acts: vec![id(b"act")],
                known: Some(3),
                from: 5,
            })),
        ),
    ];
    let samples = samples.map(|(name, request)| {
        let bytes = request.encode();
        assert_eq!(Request::decode(&bytes).unwrap().encode(), bytes);
        (name, bytes)
    });
    hold(
        &samples,
        &[
            (
                "dealing",
                "bafyreihkv5b6623ulrzxstelqsxrismxpl4wxwrpxnzvq7j6ydfhky4ewi",
            ),
            (
                "parts",
                "bafyreid23elicultxtx7gh7plbjqysz6jjivpeq4ztf5qlaudrnjnlh4cq",
            ),
            (
                "offer of a dealer's log",
                "bafyreihidq5u6z7membheqlz2v3zawiysrhahtrywuwnychf43uq7xn3pq",
            ),
            (
                "offer of keys",
                "bafyreifq57j2oaqp4gysngbgmydivx6wqu3ufyd675lbp5mwqqd7oa3hcu",
            ),
            (
                "offer of members",
                "bafyreibv63iigojz6aa73udvrxmphnpsbg5mulchwfayxdqg5og2hupibu",
            ),
            (
                "offer of a checkpoint",
                "bafyreidrdq2ti2ymqbm52lzavbeer3te4slnsutwjmlx56elcrxosvnb4e",
            ),
            (
                "offer of an admission",
                "bafyreidudtx3holdus6p6vpji7lf6i7rvc6qwgekarkwp6sxxfc3jloa6m",
            ),
            (
                "offer of a pass",
                "bafyreidhe3zxv4oyuw4rqowa7v6e5e5bny6ixnvpsqkerazibuvnrjihsi",
            ),
            (
                "offer of a refusal",
                "bafyreickjoxxk6ddzgvefeauqs63xlptd763lk6looyuyrwtazvgtovrbu",
            ),
            (
                "offer of seats",
                "bafyreiequvmemnk55bpndabzrhrk5lkdtmf3abnncfowjirhrv64letv7m",
            ),
            (
                "offer of a hand-over",
                "bafyreig35l6ugtn64vbuktdyz7j7bhuwpnx5qcmlf3xhday2ysqr4bu2ry",
            ),
            (
                "state",
                "bafyreif2h6sqaoh2koehmjrxhgcgewnnqx6adztphn2zzdux4mx7hcyqv4",
            ),
            (
                "offer of a halt",
                "bafyreibab5vbtcrggkea3sdsip7vktgoq4cujnv6omafeakr7uj7ecljqa",
            ),
            (
                "offer of a revocation",
                "bafyreif7lcdp3uy4se3r5ry7wy65iademf6vmd6vdxyyscntro64l4r2qq",
            ),
            (
                "admit",
                "bafyreifpqaytzna2k62tzis2yledk5qnkkuq45jprtyqbh7ipddik627bu",
            ),
            (
                "offer of a signatory's refusal",
                "bafyreieuv2jxpwrqlnbfpiagoteqeeokvuskq3b3bsl4htkxcesfmadmye",
            ),
            (
                "consent of a target",
                "bafyreigkn7mzm3jhoqls5wvp5svlnpjk7cneuqllnzv2uywhrc2iufju6i",
            ),
            (
                "consent of a co-signer",
                "bafyreif6l75vev35eq65tb4enw2aaof3g4adna3eepxbeedhzr43eytcca",
            ),
            (
                "consent of a signatory",
                "bafyreiejneb3tzqj3ej4l45crsfcbctvnoib7xeobk6p2kzy2uyr5cptx4",
            ),
            (
                "audit",
                "bafyreigh2lznusm66aqydavs2d4jl5lqytmtv3wrccbqxmpgjjflavejba",
            ),
        ],
    );
}

#[test]
fn responses_of_seats_targets_and_cosigners() {
    let (_, ack) = dealt();
    let why = || "no".to_owned();
    let samples = [
        ("acknowledged", Response::Acknowledged(Box::new(ack))),
        (
            "state",
            Response::State {
                parts: 2,
                bytes: vec![5; 9],
            },
        ),
        ("signed", Response::Signed(vec![(id(b"subject"), whole())])),
        ("not yet admitted", Response::Admitted(Admitted::Pending)),
        (
            "not admitted",
            Response::Admitted(Admitted::Refused { why: why() }),
        ),
        (
            "ticket",
            Response::Admitted(Admitted::Ticket {
                ticket: Box::new(certificate(ticket())),
                draw: None,
            }),
        ),
        (
            "ticket and draw",
            Response::Admitted(Admitted::Ticket {
                ticket: Box::new(certificate(ticket())),
                draw: Some(Box::new(drawn())),
            }),
        ),
        ("no word yet", Response::Consent(Consented::Pending)),
        (
            "word",
            Response::Consent(Consented::Said(said(Word::Agree))),
        ),
        (
            "approval",
            Response::Consent(Consented::Said(said(approval()))),
        ),
        (
            "no word",
            Response::Consent(Consented::Refused { why: why() }),
        ),
        ("audit", Response::Audit(Box::new(shown()))),
    ];
    let samples = samples.map(|(name, response)| {
        let bytes = response.encode();
        assert_eq!(Response::decode(&bytes).unwrap().encode(), bytes);
        (name, bytes)
    });
    hold(
        &samples,
        &[
            (
                "acknowledged",
                "bafyreiaw6qmsxicpqhf7ktd64pvtjgld3pq5dca35zb7nuwj4er4svwkam",
            ),
            (
                "state",
                "bafyreifa5zckd3wnwvqvmlc26hcw6oxzqkvamztl2u7kppmnugu3ti42wm",
            ),
            (
                "signed",
                "bafyreigvtunfalykux5qqrxn2lhh742cqcdn62tlr6k4mvab74plyfxnmm",
            ),
            (
                "not yet admitted",
                "bafyreibq6dkfwxknteif4alts62z54qzxixq2hi7k5rshu4nhgxyeuvv3m",
            ),
            (
                "not admitted",
                "bafyreig2ogcccot6iqqexrecyog532fcn32xi5hn4xmrcumfllfe7o2mii",
            ),
            (
                "ticket",
                "bafyreiho6nmymagn3effn4izes33wfmbd6i3svzouzrq7vy5ixm3hw4dsi",
            ),
            (
                "ticket and draw",
                "bafyreiapyfhg3xrd3s6rruwvkoby6mzn2mfemel2wpid32ojnxuk3s7ety",
            ),
            (
                "no word yet",
                "bafyreihcrshg5oecqmbb3rcqtet72jjikmlygydmsyijcqnjwg5u7uyyee",
            ),
            (
                "word",
                "bafyreibtjnkitxxcqwl7445k74oswjg45nqbsxtrwbrigwkjwewlgofoua",
            ),
            (
                "approval",
                "bafyreidrh2urz5xf7x7eg6w6ulc3npoyrrjvvc6aev6bhjtrg3omycpkz4",
            ),
            (
                "no word",
                "bafyreifznt3mhftmuyfihd3penk2rmf5d4w4io6wyyyp6ezox3yu7wzbzy",
            ),
            (
                "audit",
                "bafyreifhwiaq3vy7fjyceccpqjja6v7pmvpk2lvwfvfx4bsau6pzqb44te",
            ),
        ],
    );
}

/// What is signed does not travel, but its bytes are agreed.
#[test]
fn subjects() {
    let mesh = id(b"mesh");
    let message = |subject: Subject| subject.message(&mesh, 1);
    let opening = Subject::Opening {
        proposal: id(b"vote"),
        voter: key(2),
    };
    let samples = [
        ("checkpoint", message(Subject::Statement(checkpoint()))),
        ("ticket", message(Subject::Statement(ticket()))),
        (
            "hand-over",
            message(Subject::Statement(handed_over().certificate.statement)),
        ),
        ("round", message(Subject::Round(3))),
        ("opening", message(opening)),
        ("name of an opening", opening.id(&mesh, 1).digest().to_vec()),
    ];
    hold(
        &samples,
        &[
            (
                "checkpoint",
                "bafyreibubmyykh2qt36yynmfeskkb6ux2v6ia4i7qwqaauavrdo6axm23y",
            ),
            (
                "ticket",
                "bafyreidiky2tassybwvlhddchvltdklcniqlkezarpy7pwbj52n45b4dna",
            ),
            (
                "hand-over",
                "bafyreibi3cqh45pkzcjuxsydk33br5n23y5hzbvh4lvpvudizi5bsxebry",
            ),
            (
                "round",
                "bafyreihvhx7qip5lh6rufn75yzzxzhhdbnisabomxdkrpimjjoyqjxsafm",
            ),
            (
                "opening",
                "bafyreibwekexultkp5ht2n2p3rc2fhpus6np3lozmjml4l73cj635fbhgm",
            ),
            (
                "name of an opening",
                "bafyreidowoxqwm6amqs346dos5kadf6ej7ouk55xdrbdilfxibbne74kvy",
            ),
        ],
    );
}

/// A notice that carries a proof against a tally.
fn refuted(statement: Statement, electors: Vec<Placed>) -> Body {
    Body::Vote(Box::new(VoteNotice {
        certificate: certificate(statement),
        proposal: None,
        jury: Vec::new(),
        refutation: Some(Box::new(Refutation {
            fraud: ByteBuf::from(b"proof".as_slice()),
            electors,
        })),
    }))
}

fn tally() -> Statement {
    let sums = Sums {
        yes: 3,
        no: 1,
        abstain: 0,
        leaves: 4,
    };
    Statement::Tally(TallyStatement {
        mesh: id(b"mesh"),
        electorate: ballot::Electorate {
            members_root: [6; 32],
            count: 4,
        },
        closed: TIME,
        lists: 0b111,
        tally: Tally {
            proposal: id(b"vote"),
            root: Hash([8; 32]),
            sums,
        },
        outcome: Outcome::Passed,
        height: 12,
    })
}

#[test]
fn refutations_of_votes() {
    let record_of = |body| record(2, body).value().bytes().to_vec();
    let bytes = record_of(refuted(tally(), vec![placed(0, 1), placed(1, 2)]));
    assert_eq!(decode_record(&bytes).unwrap().peek().bytes(), bytes);
    let third = Placed {
        place: 2,
        ..placed(1, 3)
    };
    let three = vec![placed(0, 1), placed(1, 2), third];
    let unordered = vec![placed(1, 2), placed(0, 1)];
    for refused in [
        refuted(tally(), three),
        refuted(tally(), unordered),
        refuted(checkpoint(), Vec::new()),
    ] {
        assert!(decode_record(&record_of(refused)).is_err());
    }
    hold(
        &[("refutation", bytes)],
        &[(
            "refutation",
            "bafyreif3chv2lx4zrgikeuyits73urpe5hmte7vlk2ay3k7nbvple6akwa",
        )],
    );
}
