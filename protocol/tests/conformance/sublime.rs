//! Sublime: what guardians, owners and members who ask put on the wire.

use x0_crypto::{
    Identity, PublicKey,
    committee::Keyring,
    sublime::{AccessStructure, HybridPublic, HybridSecret, ItemParts, ShareIndex, deal},
};
use x0_protocol::{
    core::{
        secret::{SecretDone, SecretTask, SeededShareKeys},
        sublime::DrawnView,
    },
    spine::audit::{Entry as LogEntry, What},
    sublime::{
        content::TreeBuilder,
        putting::{Prepared, prepare},
        shares::OfferedShare,
    },
    wire::{
        AccessRequest, Appointed, Body, CardTerms, Complaint, Dealt, Draft, Entry, GuardianAsk,
        GuardianWants, GuardianWord, Manifest, PartAck, PartAsk, Release, ReleasedPart, Request,
        Response, RotationAnswer, RotationDealing, RotationEntry, RotationFix, RotationNotice,
        RotationOpening, RotationPlan, RotationShared, RotationStated, Sharing, Statement,
        SublimeAsk, SublimeBody, TrusteeTerms, Verified, decode_record, part_info, release_info,
        rotation_subject, second_label, share_info,
    },
};
use zeroize::Zeroizing;

use super::{
    TIME,
    committee::{certificate, keys, whole},
    hold, id, identity, key, record,
};

pub(super) fn hybrid(seed: u8) -> HybridPublic {
    HybridSecret::from_seed(Zeroizing::new([seed; 32])).public()
}

pub(super) fn item() -> (ItemParts, Identity) {
    let parts = ItemParts::draw(&[7; 32], b"");
    let signer = Identity::from_seed(parts.signing_seed.clone());
    (parts, signer)
}

fn prepared() -> Prepared {
    let (parts, signer) = item();
    let drawn = DrawnView {
        guardians: (2..5).map(|seed| (key(seed), hybrid(seed))).collect(),
        stand_ins: Vec::new(),
        access: AccessStructure::new(2, 3).unwrap(),
        subtrees: 3,
        mesh: id(b"mesh"),
        committee: keys().decryption,
        committee_name: id(b"committee"),
    };
    prepare(&parts, &signer, &drawn, &[8; 32]).unwrap()
}

fn manifest() -> Verified<x0_protocol::wire::Record> {
    manifest_with(None, None)
}

pub(super) fn manifest_with(
    card: Option<Box<CardTerms>>,
    trustees: Option<Box<TrusteeTerms>>,
) -> Verified<x0_protocol::wire::Record> {
    let (_, signer) = item();
    let Prepared {
        sharing, second, ..
    } = prepared();
    let mut manifest = Manifest {
        content: id(b"content"),
        chunks: 97,
        about: vec![3; 64].into(),
        second,
        sharing,
        card,
        trustees,
        nonce: 0,
    };
    manifest.find_nonce(&id(b"mesh"), &signer.public());
    let body = Body::Sublime(SublimeBody::Manifest(Box::new(manifest)));
    let mesh = Some(id(b"mesh"));
    Draft::new(mesh, signer.public(), (0, None), TIME, [6; 16], body)
        .sign(&signer)
        .unwrap()
}

fn guardian(key: Option<HybridPublic>) -> Body {
    Body::Sublime(SublimeBody::Guardian(GuardianWord { key }))
}

fn release(part: ReleasedPart) -> Vec<u8> {
    let release = Release {
        request: id(b"request"),
        part,
        sealed: vec![5; 48].into(),
    };
    Request::Sublime(Box::new(SublimeAsk::Release(Box::new(release)))).encode()
}

pub(super) fn index() -> ShareIndex {
    ShareIndex::new(2).unwrap()
}

/// What nodes say to each other in a rotation.
struct Rotation {
    asks: Request,
    shows: Request,
    part: Request,
    dealt: Request,
    complaint: Request,
    plan: Response,
    kept: Response,
    entries: [(&'static str, Entry); 3],
}

fn plan(from: Sharing) -> RotationPlan {
    RotationPlan {
        item: item().1.public(),
        epoch: 1,
        access: from.access(),
        from,
        guardians: (3..6).map(key).collect(),
        height: 9,
        time: TIME,
    }
}

fn rotation(from: Sharing) -> Rotation {
    let (parts, signer) = item();
    let mesh = id(b"mesh");
    let sharing = from.id();
    let plan = plan(from);
    let name = plan.id(&mesh);
    let appointed = |seed: u8, number: u8| {
        let index = ShareIndex::new(number).unwrap();
        let guardian = (&key(seed), index);
        Appointed::Owner(Appointed::by_owner(&signer, &mesh, &sharing, guardian))
    };
    // Dealt as when it was put: what dealers deal on follows from their shares.
    let shares = deal(&parts.secret, plan.access, &[8; 32]).shares;
    let dealt: Vec<_> = shares[..2]
        .iter()
        .zip([2, 3])
        .map(|(share, seed)| {
            let commitments = share
                .redeal(plan.access, name.digest(), &[9; 32])
                .commitments;
            let dealing = RotationDealing::sign(&identity(seed), name, share.index(), commitments);
            let guardians = plan.access.indices().zip(3..6);
            let acks =
                guardians.map(|(index, seed)| PartAck::sign(&identity(seed), &dealing, index));
            Dealt {
                acks: acks.collect(),
                dealing,
            }
        })
        .collect();
    let dealing = dealt[0].dealing.clone();
    let fix = RotationFix {
        plan: plan.clone(),
        dealt: dealt.clone(),
    };
    assert!(fix.shared().is_some(), "it is a rotation that can be fixed");
    let entry = |entry| Entry::Rotation(Box::new(entry));
    let sublime = |ask| Request::Sublime(Box::new(ask));
    let guardian = |what| {
        sublime(SublimeAsk::Guardian(Box::new(GuardianAsk {
            item: plan.item,
            index: index(),
            appointed: appointed(3, 2),
            what,
        })))
    };
    Rotation {
        asks: guardian(GuardianWants::Plan),
        shows: guardian(GuardianWants::Keep),
        part: sublime(SublimeAsk::Part(Box::new(PartAsk {
            plan: plan.clone(),
            dealing: dealing.clone(),
            appointed: appointed(2, 1),
            sealed: vec![5; 48].into(),
        }))),
        kept: Response::Rotation(RotationAnswer::Kept(dealt[0].acks[0].clone())),
        dealt: sublime(SublimeAsk::Dealt(Box::new(dealt[0].clone()))),
        complaint: sublime(SublimeAsk::Complain(Box::new(Complaint {
            dealing,
            is_public: true,
        }))),
        entries: [
            (
                "opening of a rotation",
                entry(RotationEntry::Open(RotationOpening {
                    item: plan.item,
                    from: plan.from.clone(),
                })),
            ),
            (
                "draw of a rotation",
                entry(RotationEntry::Draw {
                    round: 4,
                    signature: whole(),
                }),
            ),
            ("fixing of a rotation", entry(RotationEntry::Fix(fix))),
        ],
        plan: Response::Rotation(RotationAnswer::Plan(Box::new(plan))),
    }
}

fn rotation_notice(is_over: bool) -> Body {
    let plan = plan(prepared().sharing);
    let shared = RotationShared {
        sharing: Sharing {
            epoch: 1,
            ..plan.from.clone()
        },
        dealers: vec![ShareIndex::new(1).unwrap(), index()],
    };
    let shared = is_over.then_some(shared);
    let stated = RotationStated {
        shared: shared.as_ref().map(RotationShared::id),
        ..plan.stated(&id(b"mesh"))
    };
    let certificate = certificate(Statement::Rotation(stated));
    let notice = RotationNotice {
        certificate,
        shared,
    };
    Body::Sublime(SublimeBody::Rotation(Box::new(notice)))
}

#[test]
fn sublime() {
    let request = Body::Sublime(SublimeBody::Request(AccessRequest {
        item: id(b"item"),
        key: hybrid(9),
        why: "the well is dry".parse().unwrap(),
        by_trustees: false,
    }));
    let records = [
        ("guardian", record(4, guardian(Some(hybrid(4))))),
        ("guardian no longer", record(4, guardian(None))),
        ("manifest", manifest()),
        ("request", record(4, request)),
        ("rotation open", record(4, rotation_notice(false))),
        ("rotation over", record(4, rotation_notice(true))),
    ];
    for (name, record) in &records {
        let bytes = record.value().bytes();
        let read = decode_record(bytes).unwrap();
        assert_eq!(read.peek().bytes(), bytes, "{name}");
        read.verify().unwrap();
    }
    let (_, ask) = prepared().asks.swap_remove(0);
    let rotation = rotation(ask.sharing.clone());
    let guard = Request::Sublime(Box::new(SublimeAsk::Guard(Box::new(ask))));
    let address = "/ip4/192.0.2.1/tcp/4001".parse().unwrap();
    let introduce = Request::Sublime(Box::new(SublimeAsk::Introduce(vec![address])));
    let share = ReleasedPart::Share {
        epoch: 0,
        index: index(),
    };
    let messages = [
        ("share for a guardian", guard.encode()),
        ("released share", release(share)),
        (
            "opening by a seat",
            release(ReleasedPart::Seat { epoch: 3 }),
        ),
        ("introduction", introduce.encode()),
        ("guardian asks for a plan", rotation.asks.encode()),
        ("guardian shows what it keeps", rotation.shows.encode()),
        ("part for a new guardian", rotation.part.encode()),
        ("dealer tells a seat", rotation.dealt.encode()),
        ("complaint", rotation.complaint.encode()),
    ];
    let answers = [
        ("answer with a plan", rotation.plan.encode()),
        ("answer to a part", rotation.kept.encode()),
    ];
    for (name, bytes) in &answers {
        assert_eq!(Response::decode(bytes).unwrap().encode(), *bytes, "{name}");
    }
    let entries_of_log = rotation.entries.map(|(name, entry)| {
        let bytes = Request::Offer(Box::new(entry.to_unverified())).encode();
        assert_eq!(Request::decode(&bytes).unwrap().encode(), bytes, "{name}");
        (name, bytes)
    });
    for (name, bytes) in &messages {
        assert_eq!(Request::decode(bytes).unwrap().encode(), *bytes, "{name}");
    }
    let sealed_as = [
        (
            "label of a second part",
            second_label(&id(b"mesh"), &key(1)),
        ),
        (
            "info of a share",
            share_info(&id(b"mesh"), &key(1), &id(b"sharing"), (&key(2), index())),
        ),
        (
            "info of a release",
            release_info(&id(b"mesh"), &id(b"request"), (&key(2), share)),
        ),
        (
            "info of a part",
            part_info(&id(b"mesh"), &id(b"plan"), index(), (&key(2), index())),
        ),
        (
            "subject of a rotation",
            rotation_subject(&id(b"mesh"), &key(1), &id(b"sharing"))
                .digest()
                .to_vec(),
        ),
    ];
    let told = |what| LogEntry { time: TIME, what }.encode();
    let entries = [
        (
            "entry of a share kept",
            told(What::ShareKept {
                item: key(1),
                epoch: 0,
                owner: Some(key(2)),
            }),
        ),
        (
            "entry of a release",
            told(What::Released {
                request: id(b"request"),
                item: id(b"item"),
                to: key(3),
            }),
        ),
        (
            "entry of a share destroyed",
            told(What::ShareDestroyed {
                item: key(1),
                epoch: 0,
            }),
        ),
        (
            "entry of a bad dealer",
            told(What::BadDealer {
                item: key(1),
                epoch: 1,
                dealer: key(3),
            }),
        ),
    ];
    let mut tree = TreeBuilder::default();
    for number in 0..3_u8 {
        tree.push(x0_crypto::ChunkId::of(&[number])).unwrap();
    }
    let (_, blocks) = tree.finish().unwrap();
    let records = records.map(|(name, record)| (name, record.value().bytes().to_vec()));
    let samples: Vec<_> = records
        .into_iter()
        .chain(messages)
        .chain(answers)
        .chain(entries_of_log)
        .chain(sealed_as)
        .chain(entries)
        .chain([("block of links", blocks[0].bytes.clone())])
        .collect();
    hold(
        &samples,
        &[
            (
                "guardian",
                "bafyreigjmx3hdmrznwspfxbxskzuizr6qfqjbjmn356cmq4xout7vawfnm",
            ),
            (
                "guardian no longer",
                "bafyreic76hhih6y72jaor25r5m5b5v5i57r5w2bbvltzw66eegtonlkqfi",
            ),
            (
                "manifest",
                "bafyreicuzgmi7tsbrf5bq7yfmtioqeugkjnyvf3jccbnj5qhm2vu5qdqvi",
            ),
            (
                "request",
                "bafyreiexhqdywq4j7mqprjfyem3xe7kcj5xqoeyk4qdvzwhcetm5acvgsu",
            ),
            (
                "rotation open",
                "bafyreigggfsgxuhfgbsujsg22rhg5n47f66ojfbdzt5ynch7jiny5qwbbm",
            ),
            (
                "rotation over",
                "bafyreigldql333fudfrxn2652w6mwap7o26i3t6hnc55fdgaaty6dpsdy4",
            ),
            (
                "share for a guardian",
                "bafyreici7la76kank5wkgddtkplqqufaux3dl4ghghfycqfggsnqzbj7xu",
            ),
            (
                "released share",
                "bafyreib3yafyzalni3iwnegkdqbrhwfluvagftsujmt3chyaye7bjtfbta",
            ),
            (
                "opening by a seat",
                "bafyreignq4ekj5baav27bnoywid3xuwdyt3q7zq3n7khxxh255mdy4gduy",
            ),
            (
                "introduction",
                "bafyreihhep47oupzljrwdaranxgwrsz3wvhrxvrzaqsmocjqdzkxh5tkjy",
            ),
            (
                "guardian asks for a plan",
                "bafyreidghvfqp25yycprget5ohveaj2ilefg4iuin7kkoew42turihgdgi",
            ),
            (
                "guardian shows what it keeps",
                "bafyreid6c43z7snbucuufgmhqxnyapgymxkv7kra7s7y5qb3ptdfqdh6ye",
            ),
            (
                "part for a new guardian",
                "bafyreibkahdsvztw5w6tlcuqzmhl6fw3gyn5kg56rdgtfubnodis6byerm",
            ),
            (
                "dealer tells a seat",
                "bafyreibddwb3mfgivrkw43dwzhn2y4w5vktivqszzxu2o44eu22kftsz5m",
            ),
            (
                "complaint",
                "bafyreicalkivxdpksttn5ko7zazv7tp24tucp7y2rmp52ktpft5izzsn4a",
            ),
            (
                "answer with a plan",
                "bafyreieogjgjip5ea3qnbvcs63jvxo3g5al5q77cy2veo4f4hcpijcljv4",
            ),
            (
                "answer to a part",
                "bafyreiemgkijtbztqqukvatutkow3qxnyuincmubh7qup2b7fzbcbm6lfe",
            ),
            (
                "opening of a rotation",
                "bafyreigaxtxpoimyk3bdojgepn6avvux5pbt7cz37nnjas73dpopmi6b7i",
            ),
            (
                "draw of a rotation",
                "bafyreia7habja6zrqofuv2rbirwwbrruzthtcge3otdp4m33hrxqrc2aky",
            ),
            (
                "fixing of a rotation",
                "bafyreiglfovh7j2rt3vnwp65o3dqhx2v7lhwcwcz75qz6ttqqsflb4xxsa",
            ),
            (
                "label of a second part",
                "bafyreicm6bj3hus6hqcyuhy3rqymlrzr7yle2ajs2sfsgeynw5tdsos34e",
            ),
            (
                "info of a share",
                "bafyreihg57vguat4zu5z2xdkts2bhzswph7rzb7tbgzwtm5iuccdlfov7u",
            ),
            (
                "info of a release",
                "bafyreids7f6w5efbrwvbxcicjfr2cfsq4ql3xfwtdgv7j72bacrp3brpwi",
            ),
            (
                "info of a part",
                "bafyreihixzh4de5psz6neflbkfaggztowc72amb4ercb7pns7bficlrltm",
            ),
            (
                "subject of a rotation",
                "bafyreih6oxkac4lm5qdzhn45cv3jox3unqhjwop3qbe7mgs4xrmhoknpua",
            ),
            (
                "entry of a share kept",
                "bafyreieccgwds55cyyprzeuxemxdhxjthuyzmurkuxqzwoa3d7ewvacoje",
            ),
            (
                "entry of a release",
                "bafyreig3mk2kjawrngds5uuq2j4whlx6xf4eqynlzyampqce3kzpueqqeq",
            ),
            (
                "entry of a share destroyed",
                "bafyreidzyqksdxaxpsmmml43hnefmsee5f5vwmg4welxa7qsfbftoy56ja",
            ),
            (
                "entry of a bad dealer",
                "bafyreifodumyln6bud6indwzjm6x3ma5bxnw2qzodzisc7rtnte4qkmely",
            ),
            (
                "block of links",
                "bafyreieyao4lrr36stfs5bk4incmkaoqugconfpgn643ozgthn4hyon46y",
            ),
        ],
    );
}

#[test]
fn a_guardian_that_was_sealed_a_share_finds_it_good_and_no_other_does() {
    let mut share_keys = SeededShareKeys::new(Zeroizing::new([1; 32]));
    let made = SecretTask::ShareKey.run(&identity(2), &mut Keyring::default(), &mut share_keys);
    let SecretDone::ShareKey(Ok(public)) = made else {
        panic!("no key was made");
    };
    let (parts, signer) = item();
    let guardians: Vec<(PublicKey, HybridPublic)> =
        vec![(key(2), public), (key(3), hybrid(3)), (key(4), hybrid(4))];
    let drawn = DrawnView {
        guardians,
        stand_ins: Vec::new(),
        access: AccessStructure::new(2, 3).unwrap(),
        subtrees: 3,
        mesh: id(b"mesh"),
        committee: keys().decryption,
        committee_name: id(b"committee"),
    };
    let prepared = prepare(&parts, &signer, &drawn, &[8; 32]).unwrap();
    let good: Vec<bool> = prepared
        .asks
        .iter()
        .map(|(_, ask)| {
            let task = SecretTask::CheckShare {
                mesh: id(b"mesh"),
                share: Box::new(OfferedShare {
                    item: ask.item,
                    owner: key(1),
                    sharing: ask.sharing.id(),
                    index: ask.index,
                    appointed: Appointed::Owner(ask.appointed),
                }),
                sealed: ask.sealed.to_vec(),
                commitments: Box::new(ask.sharing.commitments.clone()),
            };
            let done = task.run(&identity(2), &mut Keyring::default(), &mut share_keys);
            matches!(done, SecretDone::ShareChecked(Some(_)))
        })
        .collect();
    assert_eq!(good, [true, false, false]);
}
