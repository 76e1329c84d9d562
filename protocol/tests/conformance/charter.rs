//! A charter by itself, in a genesis, and as an amendment.

use x0_protocol::{
    charter::{Charter, cases::cases, read},
    wire::{Body, decode_record},
};

use super::{genesis, hold, record};

fn charter() -> Charter {
    read(include_bytes!("charter.yaml")).unwrap()
}

#[test]
fn charters() {
    let charter = charter();
    assert_eq!(Charter::decode(&charter.encode()).unwrap(), charter);
    let Body::Genesis(mut founded) = genesis() else {
        unreachable!("it is a genesis");
    };
    founded.parameters.charter = Some(charter.clone());
    let bodies = [
        ("genesis under a charter", Body::Genesis(founded)),
        ("amendment", Body::Charter(charter.clone())),
    ];
    let mut samples = vec![("charter", charter.encode())];
    for (name, body) in bodies {
        let bytes = record(1, body).value().bytes().to_vec();
        assert_eq!(decode_record(&bytes).unwrap().peek().bytes(), bytes);
        samples.push((name, bytes));
    }
    let cases = serde_ipld_dagcbor::to_vec(&cases(&charter)).unwrap();
    samples.push(("cases", cases));
    hold(
        &samples,
        &[
            (
                "charter",
                "bafyreib2ddo2rp5wqihatwf6hhkzzow5tgw5pty6ifif456qhatl2q4uve",
            ),
            (
                "genesis under a charter",
                "bafyreid2ohgkj7mrvcnyo4wmuycnobeazs6hdd625unstaiprwd47i2aom",
            ),
            (
                "amendment",
                "bafyreigc62utcyj2owjdsw46fojlrn2rqjrayzfay5ng7giksz7rvd5cdy",
            ),
            (
                "cases",
                "bafyreifipjka7fxrh5ra3phlzgpg44yypgtx4k2jcqodfephi4vnfxcq5a",
            ),
        ],
    );
}
