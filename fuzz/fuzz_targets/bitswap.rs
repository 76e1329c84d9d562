//! Messages of Bitswap, as peers of IPFS send them: any bytes are read or refused, what is read is no larger than the frame
//! and the limits allow, and writing it down and reading that again gives the same.
#![no_main]

use bytes::Bytes;
use cid::{Cid, multihash::Multihash};
use libfuzzer_sys::fuzz_target;
use message::{ENTRIES_MAX, Message, Payload};

#[path = "../../node/tiers/src/ipfs/bitswap/message.rs"]
#[allow(dead_code)]
mod message;

/// SHA2-256 in multicodec's table, and the length of its digests.
const SHA2_256: u64 = 0x12;
const DIGEST: [u8; 32] = [0; 32];

fuzz_target!(|frame: &[u8]| {
    let Ok(read) = Message::decode(Bytes::copy_from_slice(frame)) else {
        return;
    };
    is_bounded(&read, frame);
    read.payload.iter().for_each(has_one_prefix);
    let written: Bytes = read.pieces().concat().into();
    // Passed over parts are left out, lengths and numbers are written in their shortest form.
    assert!(written.len() <= frame.len() + longest_gain(&read));
    let again = Message::decode(written.clone());
    assert_eq!(again, Ok(read));
    assert_eq!(
        again.map(|message| message.pieces().concat().into()),
        Ok(written)
    );
});

/// A list that grows doubles, so that it holds less than twice of what is in it.
fn is_bounded(read: &Message, frame: &[u8]) {
    let parts = read.wants.len() + read.payload.len() + read.presences.len();
    assert!(parts <= ENTRIES_MAX);
    for room in [
        read.wants.capacity(),
        read.payload.capacity(),
        read.presences.capacity(),
    ] {
        assert!(room <= 2 * ENTRIES_MAX);
    }
    let held = |payload: &Payload| payload.prefix.len() + payload.data.len();
    assert!(read.payload.iter().map(held).sum::<usize>() <= frame.len());
    assert!(read.payload_bytes() <= frame.len());
}

/// What passes as the prefix of content is the one way to write it.
fn has_one_prefix(payload: &Payload) {
    if let Some(codec) = payload.codec() {
        let hash = Multihash::wrap(SHA2_256, &DIGEST).expect("32 bytes fit");
        let written = Payload::new(&Cid::new_v1(codec, hash), payload.data.clone());
        assert_eq!(written, *payload);
    }
}

/// What each part may gain when it is written: a priority that was not said, and the lengths of what was left out empty.
fn longest_gain(read: &Message) -> usize {
    16 * (read.wants.len() + read.payload.len() + read.presences.len() + 1)
}
