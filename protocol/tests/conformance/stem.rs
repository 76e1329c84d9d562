//! What passes along a stem: sensitive records and nothing else.

use x0_protocol::wire::{Body, Claim, Draft, Kind, Record, Request, Verified};

use super::{TIME, hold, id, identity, key, record, unverified};

fn claim() -> Verified<Record> {
    let case = id(b"case");
    let body = Body::Claim(Box::new(Claim {
        case,
        to: key(2),
        secret: [3; 32],
    }));
    let (mesh, author) = (Some(id(b"mesh")), identity(1));
    let at = (1, Some(case));
    let draft = Draft::new(mesh, author.public(), at, TIME, [6; 16], body);
    draft.sign(&author).unwrap()
}

#[test]
fn a_sensitive_record_on_its_stem() {
    let bytes = Request::Stem(claim().to_unverified()).encode();

    assert_eq!(Request::decode(&bytes).unwrap().encode(), bytes);
    hold(
        &[("stem", bytes)],
        &[(
            "stem",
            "bafyreidla66bkoic3l2iq2uvdf7go74fon3uclwdvlk2xxwb4no4tfgjt4",
        )],
    );
}

#[test]
fn nothing_else_decodes_as_a_step_of_a_stem() {
    let unknown = record(1, Body::Unknown(Kind(0x7fff), vec![7].into()));
    for other in [unverified(), unknown.to_unverified()] {
        let refused = Request::decode(&Request::Stem(other).encode()).unwrap_err();
        let why = refused.to_string();
        assert!(why.contains("goes along a stem"), "{why}");
    }
}
