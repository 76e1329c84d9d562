//! What is said when trustees let an owner in who lost every device.

use x0_protocol::{
    Millis,
    wire::{
        AccessRequest, Attestation, Body, SublimeBody, TrusteeSalt, TrusteeTerms, TrusteesRevoked,
        decode_record, spoken_number, trustee_info,
    },
};

use super::{
    hold, id, identity, key, record,
    sublime::{hybrid, item, manifest_with},
};

fn terms() -> TrusteeTerms {
    let (mesh, key_of_item) = (id(b"mesh"), item().1.public());
    let members: Vec<_> = (2..5).map(key).collect();
    let wait = Millis::from_mins(24 * 60);
    TrusteeTerms::name((&mesh, &key_of_item), &members, (2, wait), &[3; 32]).unwrap()
}

#[test]
fn trustees() {
    let mesh = id(b"mesh");
    let of_sublime = |body| record(4, Body::Sublime(body)).value().bytes().to_vec();
    let request = SublimeBody::Request(AccessRequest {
        item: id(b"item"),
        key: hybrid(9),
        why: "my laptop was stolen".parse().unwrap(),
        by_trustees: true,
    });
    let attestation = |is_owner| {
        SublimeBody::Attestation(Attestation {
            request: id(b"request"),
            salt: TrusteeSalt::new([5; 32]),
            is_owner,
        })
    };
    let revoked = TrusteesRevoked::sign(&identity(7), &mesh);
    let manifest = manifest_with(None, Some(Box::new(terms())));
    let records = [
        ("manifest with trustees", manifest.value().bytes().to_vec()),
        ("recovery", of_sublime(request)),
        ("attestation", of_sublime(attestation(true))),
        ("no", of_sublime(attestation(false))),
        (
            "trustees revoked",
            of_sublime(SublimeBody::TrusteesRevoked(revoked)),
        ),
    ];
    for (name, bytes) in &records {
        let read = decode_record(bytes).unwrap();
        assert_eq!(read.peek().bytes(), *bytes, "{name}");
        read.verify().unwrap();
    }
    assert_eq!(TrusteesRevoked::decode(&revoked.encode()).unwrap(), revoked);
    let mut few = terms();
    few.needed = 1;
    let beyond = manifest_with(None, Some(Box::new(few)));
    assert!(decode_record(beyond.value().bytes()).is_err());

    let told = spoken_number(&id(b"request")).into_bytes();
    let info = trustee_info(&mesh, &key(2));
    let samples: Vec<_> = records
        .into_iter()
        .chain([("number read out", told), ("info of a slot", info)])
        .collect();
    hold(
        &samples,
        &[
            (
                "manifest with trustees",
                "bafyreiczw3qc4qipm54m7lm5ehzqu6zdhftwrsvj4j7lr4gkap2233eycq",
            ),
            (
                "recovery",
                "bafyreibaue4tvjhto4nurciiits6wu6mwlnmnhrmbg3qssogedwlijl3yq",
            ),
            (
                "attestation",
                "bafyreib564shkdsjdod45evhathhc6wui45so2yzg3fqb555rxreybuvzq",
            ),
            (
                "no",
                "bafyreiaxu4wxygfjwxgddm4o5gqkxrg4zuvomthjnldfkj4sr2oa4jgj7a",
            ),
            (
                "trustees revoked",
                "bafyreietepdg5es47zxt2m6fw2jqbrlhz3mrc4tih3c2g5qx4btx4oivfq",
            ),
            (
                "number read out",
                "bafyreiar63azdy2hnbtuawbl37uotizblcbr5woy57ohgj7zhngbzg4tmq",
            ),
            (
                "info of a slot",
                "bafyreiczzmrw2ujx2aqt2ewkm6nmgnjtk53rcs3a7lgsiewqjddedaketi",
            ),
        ],
    );
}
