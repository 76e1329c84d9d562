//! What guardians say of drills, and how members are invited to serve.

use x0_protocol::wire::{Body, Drilled, Request, SublimeAsk, SublimeBody, decode_record};

use super::{hold, record};

#[test]
fn drills_and_invitations() {
    let drill = |shares, good| Body::Sublime(SublimeBody::Drilled(Drilled { shares, good }));
    let drilled = record(4, drill(7, 6));
    let read = decode_record(drilled.value().bytes()).unwrap();
    assert_eq!(read.peek().bytes(), drilled.value().bytes());
    read.verify().unwrap();
    for (shares, good) in [(7, 8), (10_001, 1)] {
        let beyond = record(4, drill(shares, good));
        assert!(
            decode_record(beyond.value().bytes()).is_err(),
            "{good} of {shares}"
        );
    }
    let ask = |ask| Request::Sublime(Box::new(ask)).encode();
    let why = "it takes three".parse().unwrap();
    let messages = [
        ("invitation", ask(SublimeAsk::Invite { why })),
        ("answer", ask(SublimeAsk::Invited { serves: false })),
    ];
    for (name, bytes) in &messages {
        assert_eq!(Request::decode(bytes).unwrap().encode(), *bytes, "{name}");
    }
    let [invitation, answer] = messages;
    let samples = [
        ("drill", drilled.value().bytes().to_vec()),
        invitation,
        answer,
    ];
    hold(
        &samples,
        &[
            (
                "drill",
                "bafyreidddgifbrwj77d6p2urharxwt7prww5lgwkrakyujktxcmdcwh6ty",
            ),
            (
                "invitation",
                "bafyreiaq2wifsfzepbcb4zxjpolhqeto3ltzeh6tjngiy4a4aibbq7trry",
            ),
            (
                "answer",
                "bafyreiegbtc6pf7cjb5qndtrrn4nisbekpgts7y7eoiuyizn3f4frb5kjy",
            ),
        ],
    );
}
