//! Set reconciliation with a peer that sends anything: both sides answer or refuse, within their bounds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use x0_protocol::spine::delivery::reconcile::{
    Initiator, Item, KeyedId, MESSAGE_BYTES_MAX, Responder, SessionKey, Step,
};

const ITEMS: u8 = 100;
/// Messages of one input.
const ROUNDS: usize = 4;

fuzz_target!(|data: &[u8]| {
    let Some((split, messages)) = data.split_first() else {
        return;
    };
    let key = SessionKey([*split; 32]);
    let items = || {
        (0..ITEMS).map(|n| Item {
            time: u64::from(n / 3),
            id: [n; 32],
        })
    };
    let mut responder = Responder::new(key, items());
    let (mut initiator, _) = Initiator::start(key, items());
    let len = (messages.len() / ROUNDS).max(1);
    for message in messages.chunks(len) {
        if let Ok(answer) = responder.answer(message) {
            assert!(answer.len() <= MESSAGE_BYTES_MAX);
        }
        match initiator.step(message) {
            Ok(Step::Continue { message, have, .. }) => {
                assert!(message.len() <= MESSAGE_BYTES_MAX);
                assert!(have.len() <= usize::from(ITEMS));
            }
            Ok(Step::Done { have, .. }) => assert!(have.len() <= usize::from(ITEMS)),
            Err(_) => {}
        }
        let keyed: Vec<_> = message
            .as_chunks::<32>()
            .0
            .iter()
            .map(|bytes| KeyedId::from_bytes(*bytes))
            .collect();
        assert!(responder.resolve(&keyed).len() <= keyed.len());
    }
});
