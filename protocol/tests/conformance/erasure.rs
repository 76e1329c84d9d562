//! Erasures, and what is left of a record.

use x0_protocol::wire::{Body, Erasure, Targets, Verified, decode_record};

use super::{act, hold, id, record, set_policy};

#[test]
fn erasures_and_husks() {
    let records = {
        let mut records = vec![id(b"one"), id(b"other")];
        records.sort_unstable();
        records
    };
    let whole = record(1, act(set_policy(), Targets::All));
    let husk = whole.husk(id(b"erasure"));
    assert_eq!(husk.value().id(), whole.value().id());
    let samples = [
        ("all", record(1, Body::Erasure(Erasure::All))),
        (
            "records",
            record(1, Body::Erasure(Erasure::Records(records))),
        ),
        ("husk", husk),
    ];
    let samples = samples.map(|(name, record): (_, Verified<_>)| {
        let bytes = record.value().bytes().to_vec();
        let read = decode_record(&bytes).unwrap().verify().unwrap();
        assert_eq!(read.value().body(), record.value().body());
        (name, bytes)
    });
    hold(
        &samples,
        &[
            (
                "all",
                "bafyreibrmnpfhmmvd25otb6vow4yxqwivclafyc6cghk5faxtjjbqlvezy",
            ),
            (
                "records",
                "bafyreidq3nztrf5vbhxfud62x67pm2o5q6onkl4l56nr2n3x5lotmtqo4a",
            ),
            (
                "husk",
                "bafyreibjhshqpqcf22ropd2mdg2nsl6fimy32xohjocqdf42sf56cdfcqy",
            ),
        ],
    );
}
