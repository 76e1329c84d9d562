//! Sublime: what guardians, owners and members who ask put on the wire.

use x0_crypto::{
    Identity, PublicKey,
    committee::Keyring,
    sublime::{AccessStructure, HybridPublic, HybridSecret, ItemParts, ShareIndex},
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
    },
    wire::{
        AccessRequest, Body, Draft, GuardianWord, Manifest, Release, ReleasedPart, Request,
        SublimeAsk, SublimeBody, Verified, decode_record, release_info, second_label, share_info,
    },
};
use zeroize::Zeroizing;

use super::{TIME, committee::keys, hold, id, identity, key, record};

fn hybrid(seed: u8) -> HybridPublic {
    HybridSecret::from_seed(Zeroizing::new([seed; 32])).public()
}

fn item() -> (ItemParts, Identity) {
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
    };
    prepare(&parts, &signer.public(), &drawn, &[8; 32]).unwrap()
}

fn manifest() -> Verified<x0_protocol::wire::Record> {
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

fn index() -> ShareIndex {
    ShareIndex::new(2).unwrap()
}

#[test]
fn sublime() {
    let request = Body::Sublime(SublimeBody::Request(AccessRequest {
        item: id(b"item"),
        key: hybrid(9),
        why: "the well is dry".parse().unwrap(),
    }));
    let records = [
        ("guardian", record(4, guardian(Some(hybrid(4))))),
        ("guardian no longer", record(4, guardian(None))),
        ("manifest", manifest()),
        ("request", record(4, request)),
    ];
    for (name, record) in &records {
        let bytes = record.value().bytes();
        let read = decode_record(bytes).unwrap();
        assert_eq!(read.peek().bytes(), bytes, "{name}");
        read.verify().unwrap();
    }
    let (_, ask) = prepared().asks.swap_remove(0);
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
    ];
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
    ];
    let told = |what| LogEntry { time: TIME, what }.encode();
    let entries = [
        (
            "entry of a share kept",
            told(What::ShareKept {
                item: key(1),
                epoch: 0,
                owner: key(2),
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
                "share for a guardian",
                "bafyreichglphcjqv6eu2adjnl2cesp2iyjhpltd4wmgdd7i2lndc6td6ay",
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
                "entry of a share kept",
                "bafyreieccgwds55cyyprzeuxemxdhxjthuyzmurkuxqzwoa3d7ewvacoje",
            ),
            (
                "entry of a release",
                "bafyreig3mk2kjawrngds5uuq2j4whlx6xf4eqynlzyampqce3kzpueqqeq",
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
    };
    let prepared = prepare(&parts, &signer.public(), &drawn, &[8; 32]).unwrap();
    let good: Vec<bool> = prepared
        .asks
        .iter()
        .map(|(_, ask)| {
            let task = SecretTask::CheckShare {
                info: share_info(
                    &id(b"mesh"),
                    &ask.item,
                    &ask.sharing.id(),
                    (&key(2), ask.index),
                ),
                sealed: ask.sealed.to_vec(),
                index: ask.index,
                commitments: Box::new(ask.sharing.commitments.clone()),
            };
            let done = task.run(&identity(2), &mut Keyring::default(), &mut share_keys);
            matches!(done, SecretDone::ShareChecked(true))
        })
        .collect();
    assert_eq!(good, [true, false, false]);
}
