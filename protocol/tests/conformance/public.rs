//! The public log: its entries, what is asked for them, overrides, and the proofs of both.

use x0_protocol::{
    Millis,
    spine::audit::{
        Entry, What,
        tree::{Hash, consistency_proof, inclusion_proof},
    },
    wire::{
        ActAdmitted, Admission, Certificate, Checkpoint, CountersignAsk, CountersignedHead,
        HeldHead, LogHead, Override, OverrideProof, OverrideTold, PublicAsk, PublicEntry,
        PublicHead, PublicPage, PublicWhat, Request, Response, Said, Statement, Targets, Warrants,
        Word,
    },
};

use super::{
    TIME,
    committee::{certificate, electorate, halt, plain_act, seats},
    hold, id, identity, key, root, set_policy,
};

fn words() -> Override {
    Override {
        why: "a flood of links".to_owned(),
        consequences: "fewer links for an hour".to_owned(),
        notice_minutes: 60,
    }
}

fn entry(what: PublicWhat) -> PublicEntry {
    PublicEntry {
        time: TIME,
        height: 9,
        what,
    }
}

fn told() -> PublicEntry {
    entry(PublicWhat::Override(Box::new(OverrideTold {
        act: id(b"digest"),
        agent: key(2),
        root: root(),
        change: set_policy(),
        targets: Targets::All,
        nodes: 140,
        words: words(),
        until: TIME + Millis::from_mins(60),
    })))
}

fn checkpoint() -> Certificate {
    certificate(Statement::Checkpoint(Checkpoint {
        height: 10,
        block: id(b"block"),
        time: TIME,
        round: 3,
        members: 141,
        electorate: electorate(),
        state: id(b"state"),
        log: PublicHead {
            size: 2,
            root: Hash([4; 32]),
        },
    }))
}

fn proof() -> OverrideProof {
    let leaves = [told().leaf(), Hash([2; 32])];
    OverrideProof {
        entry: told(),
        index: 0,
        inclusion: inclusion_proof(&leaves, 0, 2).unwrap(),
        head: checkpoint(),
    }
}

#[test]
fn entries_of_the_public_log() {
    let samples = [
        ("override", told().what),
        ("broadcast", PublicWhat::Broadcast { act: id(b"digest") }),
        (
            "admitted",
            PublicWhat::Admitted(Box::new(ActAdmitted {
                act: id(b"digest"),
                agent: key(2),
                root: root(),
                change: set_policy(),
                nodes: 140,
                vote: id(b"vote"),
            })),
        ),
        (
            "halted",
            PublicWhat::Halted {
                halt: halt(),
                root: root(),
                until: TIME,
            },
        ),
        (
            "passed",
            PublicWhat::Passed {
                proposal: id(b"vote"),
                subject: id(b"charter"),
                emergency: false,
            },
        ),
        (
            "handed over",
            PublicWhat::HandedOver {
                epoch: 2,
                seats: seats(),
            },
        ),
    ];
    let samples = samples.map(|(name, what)| {
        let bytes = entry(what).encode();
        assert_eq!(PublicEntry::decode(&bytes).unwrap().encode(), bytes);
        (name, bytes)
    });
    hold(
        &samples,
        &[
            (
                "override",
                "bafyreiernfcqrhilbi7f6rlliudxeavod5emwcckjveaa4qtee5qy2ttwi",
            ),
            (
                "broadcast",
                "bafyreigxalh4veofa2jgja5om5cbr7552uds2rbr2yltwh37sw34hyvsim",
            ),
            (
                "admitted",
                "bafyreihz67ykgyz6xd74uiol4c5igcesbuqrthho5uvn7dmcbf4xridr6e",
            ),
            (
                "halted",
                "bafyreibtje3bad4rn23xdnhdqkps5s34glkik42u5ckg6hk4gyfqv7odby",
            ),
            (
                "passed",
                "bafyreifdsd7hztlebi75qss3wgbkyr2dgqtfdki7wqjq7xrbfhjmku5ama",
            ),
            (
                "handed over",
                "bafyreifp7h3ah5reignqwjdjpjguh655dnc4nsvzxmmj5khy32w7zwnjsi",
            ),
        ],
    );
}

#[test]
fn an_override_and_what_proves_that_it_is_public() {
    let agent = identity(2);
    let mesh = id(b"mesh");
    let act = plain_act();
    let words = words();
    let word = Admission::word(Some(&words));
    assert_eq!(word, Word::Override { words: words.id() });
    let admission = Admission {
        asked: Said::sign(&mesh, act.digest(&agent.public()), word, &agent),
        act,
        emergency: Some(Box::new(words)),
    };
    let warrants = Warrants {
        emergency: Some(Box::new(proof())),
        ..Warrants::default()
    };
    let [warrant] = warrants.to_wire().try_into().unwrap();
    assert_eq!(warrant.kind, 6);
    let heard = Warrants {
        said: vec![Said::sign(&mesh, id(b"digest"), Word::Heard, &identity(3))],
        ..Warrants::default()
    };
    let [heard] = heard.to_wire().try_into().unwrap();
    let samples = [
        (
            "admit an override",
            Request::Admit(Box::new(admission.to_unverified())).encode(),
        ),
        ("proof", warrant.proof),
        ("checkpoint with a log", checkpoint().encode()),
        ("heard", heard.proof),
    ];
    hold(
        &samples,
        &[
            (
                "admit an override",
                "bafyreidm6cwh7e5rmr2ed3cf2hrsxashfcd2rsxeb6zwqeo4cox6yvgxvu",
            ),
            (
                "proof",
                "bafyreiett5p2iermyfe3jsmj4cmi5adtnuxo53k6gomgbuamqtu63yyzym",
            ),
            (
                "checkpoint with a log",
                "bafyreigkjmityukdvoqak24vwdj5yg2hylzcteqdg2vagd76wakiejqdym",
            ),
            (
                "heard",
                "bafyreie54msojbsuepf72qosy3oy46t246ay6iwhi63wt3gligc7eqktee",
            ),
        ],
    );
}

#[test]
fn pages_of_the_public_log_and_heads_passed_on() {
    let leaves = [told().leaf(), Hash([2; 32]), Hash([3; 32])];
    let head = LogHead::sign(&identity(1), 12, Hash([8; 32]), TIME);
    let (one, other) = (Box::new(head.clone()), Box::new(head.clone()));
    let (first, second) = (Box::new(checkpoint()), Box::new(checkpoint()));
    let ask = Request::Public(PublicAsk { from: 0, size: 3 }).encode();
    let head = LogHead::decode(&head.encode()).unwrap();
    let heads = Request::Heads(vec![head.to_unverified()]).encode();
    for bytes in [&ask, &heads] {
        assert_eq!(&Request::decode(bytes).unwrap().encode(), bytes);
    }
    let page = Response::Public(Box::new(PublicPage {
        entries: vec![told()],
        growth: consistency_proof(&leaves, 1, 3).unwrap(),
    }));
    let page = page.encode();
    assert_eq!(Response::decode(&page).unwrap().encode(), page);
    let audit = |what| Entry { time: TIME, what }.encode();
    let samples = [
        ("ask", ask),
        ("heads", heads),
        ("page", page),
        (
            "lapsed",
            audit(What::Lapsed {
                act: id(b"act"),
                change: "set links.target to 8 (from version 2)".to_owned(),
            }),
        ),
        ("two heads", audit(What::TwoHeads { one, other })),
        (
            "two public logs",
            audit(What::TwoPublicLogs { first, second }),
        ),
    ];
    hold(
        &samples,
        &[
            (
                "ask",
                "bafyreifxhlugc3wg23opnaljukm5fbq2zdhpciqvfkqjkxqs5s2cqd7d3m",
            ),
            (
                "heads",
                "bafyreib6mxmvmy52iuqsf5ndh2bhdjv5jcysydlyptch4vap55jcoffsua",
            ),
            (
                "page",
                "bafyreidzbenoqdpfunoymy7erv4ccllobnbayo3le3o5yt2dkjbyceskse",
            ),
            (
                "lapsed",
                "bafyreie2r3eo7jxiyfglr3owym3bol43ilxecm7zsjmyewhngej6ekwlly",
            ),
            (
                "two heads",
                "bafyreifsguyfvbeurjouzrpwtaefaazbld5e2gr46jpc2gabzzcdo7mnuu",
            ),
            (
                "two public logs",
                "bafyreibqu2ijfssqyqnm22ndqgwmxahb6v3434xo2dyoi5usslw6ilbo44",
            ),
        ],
    );
}

#[test]
fn countersigned_heads_and_what_asks_for_them() {
    let head = LogHead::sign(&identity(1), 12, Hash([8; 32]), TIME);
    let held = HeldHead::new(id(b"mesh"), 7, &head);
    let one = held.sign(&identity(2));
    let ask = Request::Countersign(Box::new(CountersignAsk {
        head: head.to_unverified(),
        height: 7,
    }));
    let (ask, answer) = (ask.encode(), Response::Countersigned(one).encode());
    assert_eq!(Request::decode(&ask).unwrap().encode(), ask);
    assert_eq!(Response::decode(&answer).unwrap().encode(), answer);
    let whole = CountersignedHead {
        head,
        certificate: checkpoint(),
        places: Vec::new(),
        signed: vec![one],
    };
    let whole = whole.encode();
    assert_eq!(CountersignedHead::decode(&whole).unwrap().encode(), whole);
    hold(
        &[("ask", ask), ("answer", answer), ("countersigned", whole)],
        &[
            (
                "ask",
                "bafyreiecrkh6bgyrqb5wfath5nn6ysjef6huhhrrwikdy7lrsmu5typndu",
            ),
            (
                "answer",
                "bafyreig5tqbnmtsjjp4do52bm54cgvrke3rb2vb47gyw63vfxcnb7k52hy",
            ),
            (
                "countersigned",
                "bafyreiezd2thbhymqyypo433lc2jfsqah4cjh3taklhk7nvvmawbplowhm",
            ),
        ],
    );
}
