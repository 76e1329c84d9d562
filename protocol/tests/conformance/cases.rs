//! What is said about violations of the charter, and what the committee certifies of it.

use x0_crypto::ContentId;
use x0_protocol::{
    Millis,
    charter::violation::{Sentence, Violation, receipt::Receipt, sealed},
    wire::{
        Appeal, Body, CaseEntry, CaseFinding, CaseRecord, CaseSay, CaseWord, DismissedBy, Entry,
        Report, Request, Ruled, Ruling, Statement, Subject, Verdict, decode_record,
    },
};
use zeroize::Zeroizing;

use super::{
    TIME,
    committee::{certificate, keys, whole},
    hold, id, key, record,
};

fn report() -> Report {
    Report {
        accused: Some(key(9)),
        sort: Violation::DataExtraction,
        description: "Profiles were sold.\nTwice.".to_owned().try_into().unwrap(),
        evidence: vec![id(b"evidence")],
        asked: "Their deletion".parse().unwrap(),
    }
}

fn receipt() -> Receipt {
    Receipt::of_seed(Zeroizing::new([7; 32]))
}

fn verdict() -> Verdict {
    Verdict {
        accused: key(9),
        sort: Violation::DataExtraction,
        charter: id(b"charter"),
        sentence: Sentence {
            from: TIME,
            suspended_until: Some(TIME + Millis(5)),
            removed: false,
            fine_x0: 50_000,
            deletion: true,
            probation_until: Some(TIME + Millis(9)),
            public_referral: false,
        },
        reporter: key(8),
        bounty_x0: 500,
    }
}

fn ruled(ruled: Ruled) -> Body {
    let ruling = Ruling {
        case: id(b"report"),
        ruled,
        height: 7,
        time: TIME,
    };
    Body::Ruling(Box::new(certificate(Statement::Ruling(ruling))))
}

fn word(say: CaseSay) -> Body {
    Body::CaseWord(Box::new(CaseWord {
        case: id(b"report"),
        say,
        why: "three logs show it".parse().unwrap(),
    }))
}

#[test]
fn records_about_cases() {
    let due = TIME + Millis(3);
    let found = CaseFinding {
        accused: key(9),
        sort: Violation::DataExtraction,
        bounty_x0: 500,
    };
    let by = DismissedBy::Approvals;
    let bodies = [
        ("report", Body::Report(Box::new(report()))),
        ("word to open", word(CaseSay::Open)),
        ("word to find", word(CaseSay::Find(found))),
        (
            "appeal",
            Body::Appeal(Box::new(Appeal {
                case: id(b"report"),
                why: "It was another node".to_owned().try_into().unwrap(),
            })),
        ),
        ("taken up", ruled(Ruled::TakenUp { due })),
        ("opened", ruled(Ruled::Opened { due })),
        ("dismissed", ruled(Ruled::Dismissed { by })),
        (
            "announced",
            ruled(Ruled::Announced {
                verdict: verdict(),
                until: due,
            }),
        ),
        ("appealed", ruled(Ruled::Appealed { due })),
        ("overturned", ruled(Ruled::Overturned { by })),
        (
            "final",
            ruled(Ruled::Final {
                number: 1,
                verdict: verdict(),
            }),
        ),
        (
            "claimed",
            ruled(Ruled::Claimed {
                number: 2,
                from: key(8),
                to: key(7),
                amount_x0: 500,
            }),
        ),
    ];
    let mut samples = Vec::new();
    for (name, body) in bodies {
        let bytes = record(1, body).value().bytes().to_vec();
        assert_eq!(decode_record(&bytes).unwrap().peek().bytes(), bytes);
        samples.push((name, bytes));
    }
    hold(
        &samples,
        &[
            (
                "report",
                "bafyreic3qf3tfsi4f2guzcfd5eg7saltpjk23i4kqpfqgzbqbfkfgayvke",
            ),
            (
                "word to open",
                "bafyreiflqi4pvrr4o7dqrz65zn442rbbvupdggqnvsa7jpa4phv4qjzmn4",
            ),
            (
                "word to find",
                "bafyreibdvqj36anyrukxv2cdjvghfo5x3cy2ystrx6g7lvmnjgckdg62pa",
            ),
            (
                "appeal",
                "bafyreidvxpsknwga6mzvvrlbhxt7paxo3x6wweg43g5eelqyzjqtnoudey",
            ),
            (
                "taken up",
                "bafyreieroqnolr7cih54bvaldlxgplyulnpjnpzezvya3fif6zcog22tdu",
            ),
            (
                "opened",
                "bafyreibfw5shfydepqz4myjfel2wmh7cu6iwi362ppmq353sx5nfsdkmcm",
            ),
            (
                "dismissed",
                "bafyreidnv7w4twiuhski4ds4qygv5inpkrw5lxotbm2lhytgdb35qqon7q",
            ),
            (
                "announced",
                "bafyreib2ifs4jcyemxqnfxqodhv5xuy2ep3jgugyngulp6qmb4gzxt6f3a",
            ),
            (
                "appealed",
                "bafyreie746rrwsec6gkxp3mdvqcqde3gszsntdeyqk62iujqdwi46gz6fe",
            ),
            (
                "overturned",
                "bafyreie4ddwpqdklecf7xth7v4gxnncppy6seemwwrsfb7izkuqmbecs2y",
            ),
            (
                "final",
                "bafyreiexzpse7lqvhphf5kifjuxjeyi6lwfhwswg2o3qdftsexwfxg4wbu",
            ),
            (
                "claimed",
                "bafyreif52dd5oxhkdc7qajidyy6gz5tjbfcpdo5adqffwybmfigulw7ueq",
            ),
        ],
    );
}

#[test]
fn sealed_reports_and_what_their_receipts_make() {
    let mesh = id(b"mesh");
    let (receipt, key_to) = (receipt(), keys().decryption);
    let sealed = sealed::seal(&key_to, &mesh, &report(), &receipt, (TIME, 20)).unwrap();
    let bytes = sealed.value().bytes().to_vec();
    let decoded = decode_record(&bytes).unwrap();
    assert_eq!(decoded.peek().bytes(), bytes);
    decoded.verify().unwrap();
    let case: ContentId = sealed.value().id();
    let author = sealed.value().author();
    let claim = receipt.claim(mesh, case, key(7), TIME).unwrap();
    let claim_bytes = claim.value().bytes().to_vec();
    decode_record(&claim_bytes).unwrap().verify().unwrap();
    let subject = Subject::Report {
        case,
        author,
        commitment: receipt.commitment(),
    };
    let offered = CaseRecord::new(sealed.value().clone()).unwrap();
    let offer = |entry: CaseEntry| {
        let entry = Entry::Case(Box::new(entry));
        Request::Offer(Box::new(entry.to_unverified())).encode()
    };
    let signature = Box::new(whole());
    let samples = [
        ("sealed report", bytes),
        ("claim", claim_bytes),
        ("label", subject.message(&mesh, 1)),
        ("name of an opening", subject.id(&mesh, 1).digest().to_vec()),
        ("offer of a report", offer(CaseEntry::Record(offered))),
        (
            "offer of an opening",
            offer(CaseEntry::Opened { case, signature }),
        ),
    ];
    for (name, bytes) in &samples[4..] {
        assert_eq!(Request::decode(bytes).unwrap().encode(), *bytes, "{name}");
    }
    hold(
        &samples,
        &[
            (
                "sealed report",
                "bafyreiai7gcq7kjrjef37pv3greheo2cjmq34xgs6pjdxgr37c5mjaonyi",
            ),
            (
                "claim",
                "bafyreibildgz266wvluoriampqz5dscgobw6ymcbrc2ilntnsis4pgiwam",
            ),
            (
                "label",
                "bafyreiaebbnyedu2ysxe7a7mf5wxzod5dpuq5zwqufphmmc2wrqhu75jba",
            ),
            (
                "name of an opening",
                "bafyreiamsykd4dlnb75i7wsmbxb5khrgtwgdtaezj37tmbcvac4jwucqyy",
            ),
            (
                "offer of a report",
                "bafyreif44365bkucwkhwcrwk43zkcgmde32vikls273ga253sdq77o5uou",
            ),
            (
                "offer of an opening",
                "bafyreidvteet3hwo3x6gcnvyzdqfne3f32ogtcswbf3qywnjd5bugcblym",
            ),
        ],
    );
}
