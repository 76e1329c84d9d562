//! Emergencies: what is said of cards and calls, and what devices and nodes say to each other.

use serde_bytes::ByteBuf;
use x0_crypto::{ChunkId, Identity, OnionAddress, sublime::CardSeed};
use x0_protocol::{
    Millis,
    sublime::calling::{self, OnCard},
    wire::{
        Body, CallStage, CallStanding, CardRevoked, CardTerms, EmergencyAnswer, EmergencyAsk,
        HelloShown, JuryDrawn, JuryShown, OnionWord, Reason, Release, ReleasedPart, Statement,
        SublimeBody, call_reason_info, decode_record, jury_electorate, keys_name,
    },
};
use zeroize::Zeroizing;

use super::{
    TIME,
    committee::{certificate, keys},
    hold, id, identity, key, record,
    sublime::{index, manifest_with},
};

fn card() -> Identity {
    CardSeed::from_bytes([3; 32]).signer()
}

fn terms() -> CardTerms {
    CardTerms {
        key: card().public(),
        committee: keys_name(&id(b"mesh"), &keys()),
        label: "The map of the wells".parse().unwrap(),
        policy: "Whoever has the card".parse().unwrap(),
        veto: Millis::from_mins(60),
    }
}

fn jury() -> Vec<x0_crypto::PublicKey> {
    let mut jury: Vec<_> = (2..5).map(key).collect();
    jury.sort_unstable();
    jury
}

fn hello() -> EmergencyAnswer {
    let drawn = Statement::Jury(JuryDrawn {
        height: 9,
        electorate: jury_electorate(&jury()),
        from: TIME,
        until: TIME + Millis::from_mins(60),
    });
    EmergencyAnswer::Hello(Box::new(HelloShown {
        manifest: manifest_with(Some(Box::new(terms())), None)
            .value()
            .bytes()
            .to_vec()
            .into(),
        rotation: None,
        committee: keys(),
        jury: Some(JuryShown {
            drawn: certificate(drawn),
            jury: jury(),
        }),
        time: TIME,
        onions: vec![OnionAddress::from_key([7; 32])],
    }))
}

fn standing() -> EmergencyAnswer {
    let part = ReleasedPart::Share {
        epoch: 0,
        index: index(),
    };
    let release = Release {
        request: id(b"call"),
        part,
        sealed: vec![5; 48].into(),
    };
    EmergencyAnswer::Standing(Box::new(CallStanding {
        stage: CallStage::Veto { until: TIME },
        jury: 3,
        yes: 2,
        no: 0,
        parts: vec![(key(2), release)],
    }))
}

#[test]
fn emergency() {
    let (mesh, item, card_key) = (id(b"mesh"), id(b"item"), card().public());
    let on_card = OnCard {
        mesh: &mesh,
        item: &item,
        card: &card_key,
    };
    let reason: Reason = "They are at the door".parse().unwrap();
    let seed = Zeroizing::new([9; 32]);
    let called = calling::call((on_card, &card()), (&jury(), &reason), TIME, &seed).unwrap();
    let call = called.record.bytes().to_vec();
    decode_record(&call).unwrap().verify().unwrap();

    let of_sublime = |body| record(4, Body::Sublime(body)).value().bytes().to_vec();
    let revoked = CardRevoked::sign(&identity(7), &mesh);
    let address = Some(OnionAddress::from_key([7; 32]));
    let records = [
        (
            "manifest with a card",
            manifest_with(Some(Box::new(terms())), None)
                .value()
                .bytes()
                .to_vec(),
        ),
        ("call", call.clone()),
        (
            "card revoked",
            of_sublime(SublimeBody::CardRevoked(revoked)),
        ),
        (
            "onion",
            of_sublime(SublimeBody::Onion(OnionWord { address })),
        ),
    ];
    for (name, bytes) in &records {
        assert_eq!(
            decode_record(bytes).unwrap().peek().bytes(),
            *bytes,
            "{name}"
        );
    }
    let asks = [
        ("ask for a hello", EmergencyAsk::Hello { item }),
        (
            "ask to call",
            EmergencyAsk::Call {
                record: call.into(),
            },
        ),
        (
            "ask how a call stands",
            EmergencyAsk::Standing { call: id(b"call") },
        ),
        (
            "ask for links",
            EmergencyAsk::Links {
                item,
                block: id(b"block"),
            },
        ),
        (
            "ask for chunks",
            EmergencyAsk::Chunks {
                item,
                chunks: vec![ChunkId::of(b"chunk")],
            },
        ),
    ];
    let answers = [
        ("hello", hello()),
        ("taken", EmergencyAnswer::Taken { call: id(b"call") }),
        ("standing", standing()),
        (
            "blocks",
            EmergencyAnswer::Blocks(vec![ByteBuf::from(vec![1; 9])]),
        ),
        ("refused", EmergencyAnswer::refused("no such item")),
    ];
    let asks = asks.map(|(name, ask)| {
        let bytes = ask.encode();
        assert_eq!(EmergencyAsk::decode(&bytes).unwrap(), ask, "{name}");
        (name, bytes)
    });
    let answers = answers.map(|(name, answer)| {
        let bytes = answer.encode();
        assert_eq!(EmergencyAnswer::decode(&bytes).unwrap(), answer, "{name}");
        (name, bytes)
    });
    let info = call_reason_info(&mesh, &item, &key(2));
    let samples: Vec<_> = records
        .into_iter()
        .chain(asks)
        .chain(answers)
        .chain([("info of a reason", info)])
        .collect();
    hold(
        &samples,
        &[
            (
                "manifest with a card",
                "bafyreihbc6lnfmo3knpinipl2yw6atrvg5kz7hqisumof63qzm7t23gkfq",
            ),
            (
                "call",
                "bafyreig2kprl5ka25lghz4hhfccfavy5y5y6cbeuthnw3sglp2a2lk64d4",
            ),
            (
                "card revoked",
                "bafyreib5umhb3pntkgftqk6cdnkelytlgkftmu7xg5vrjqpxw7spbb2gsa",
            ),
            (
                "onion",
                "bafyreibbgphdbnvqy66n4sntre52ymmz64ofdusx3vtjt5tbgwhiel3u7y",
            ),
            (
                "ask for a hello",
                "bafyreidccktogm3etldgf6gecf2f5izikl32zqsb5si4uzxdffvtw42zlm",
            ),
            (
                "ask to call",
                "bafyreiajbgx2bs4ab3c5snmkoqkjylwyrdciijceksx23lgc7qemg4ki3a",
            ),
            (
                "ask how a call stands",
                "bafyreiahldnp3d5437fzqv7hionpbmq76ijzzr4izqfvyyt6ixthlix4dm",
            ),
            (
                "ask for links",
                "bafyreid4wsuzbg73an75e4fpgc7fyaeozfbwpnn6l2wwpz4hw7wenkxnmi",
            ),
            (
                "ask for chunks",
                "bafyreiht25d6jrswrfb2sd4dbzqyowz6m5o7neigehcsojop2i6nu7u3ca",
            ),
            (
                "hello",
                "bafyreihd2hqpuhyswnekq5azx2g72s4oxfdxme22sll24l72b2njbg5d54",
            ),
            (
                "taken",
                "bafyreibxyd7vhjdojjgr445g3kpohqbr4z6xvlqius73kpsc64nvstsv5i",
            ),
            (
                "standing",
                "bafyreidjlbwpkwtnn324ha7ffnawjo53v752po7dnz3t4mtcbpb5nuorni",
            ),
            (
                "blocks",
                "bafyreifrx6ohsknv6vf6oumwicn7fkhpmsntxo56tqxx4pscj4sulmd2qy",
            ),
            (
                "refused",
                "bafyreidbers5niazyartmwu3ze2lizjygrm42pimekh5yhmfbflpru7jme",
            ),
            (
                "info of a reason",
                "bafyreid5utg6vivvmae4sf3bmeijiizyyrdlrmjk2hhl6xjvmavtwrq6lq",
            ),
        ],
    );
}
