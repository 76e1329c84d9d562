//! Finds what two peers' sets of records lack of each other, at a cost that follows the difference.
//!
//! Range-based set reconciliation (A. Meyer, "Range-Based Set Reconciliation", SRDS 2023) in the
//! form of the Negentropy protocol, version 1. One [`Initiator`] and one [`Responder`] exchange
//! messages in turn; the initiator learns both differences and fetches or sends the records.
//!
//! Elements are hashes of a record's id under the key of the session, so that nobody can prepare
//! records whose fingerprints collide in sessions to come. Every message is bounded by
//! [`MESSAGE_BYTES_MAX`] and every session by [`ROUNDS_MAX`]; no input makes this module panic or
//! reserve more than its own length justifies. Each [`Initiator`] and [`Responder`] compares the
//! set it was made with.
//!
//! It does not carry records, and it believes the peer: one that lies can hide its own records
//! or ask for ours again, but not hide ours from others. Ask more than one peer.

use std::collections::BTreeSet;
use std::fmt;

use negentropy::{Id, Negentropy, NegentropyStorageVector, PROTOCOL_VERSION};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Largest message in bytes, either way: room for 8,000 ids, and small beside the 1 MiB that
/// libp2p's request-response codec takes.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Largest number of round trips of a session: enough to report 500,000 missing records; single
/// ones among 100,000 are found in 3.
pub const ROUNDS_MAX: u32 = 64;

/// Domain of the keyed ids; with the key it fills one block of SHA-256.
const KEYED_ID_DOMAIN: &[u8; 32] = b"x0/reconcile/keyed-record-id/v1\0";

/// The latest time that Negentropy can name; its next is reserved for "no upper bound".
const TIME_MAX: u64 = u64::MAX - 1;

/// The key of one session, drawn at random by the initiator after both sets of records exist.
///
/// It is no secret; it must only be unknown to whoever made the records when they made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionKey(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl SessionKey {
    /// Returns a record's id under this key.
    #[must_use]
    pub fn keyed(&self, id: &[u8; 32]) -> KeyedId {
        let hash = Sha256::new()
            .chain_update(KEYED_ID_DOMAIN)
            .chain_update(self.0)
            .chain_update(id);
        KeyedId(hash.finalize().into())
    }
}

/// A record as reconciliation sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The record's own time, in any unit that all peers share; both sides must state the same.
    pub time: u64,
    /// The record's id.
    pub id: [u8; 32],
}

/// A record's id under a session's key: names a record to a peer that has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyedId(#[serde(with = "serde_bytes")] [u8; 32]);

impl KeyedId {
    /// Takes an id off the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes that go on the wire.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

/// Why a session ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReconcileError {
    /// The peer's fault: the message is longer than any honest one.
    #[error(
        "the peer sent a reconciliation message of {bytes} bytes, more than {MESSAGE_BYTES_MAX}; \
         drop the session and catch up from another peer"
    )]
    TooLong {
        /// Length of the message.
        bytes: usize,
    },
    /// The peer's fault: the message cannot be read.
    #[error(
        "the peer sent an unreadable reconciliation message ({reason}); \
         drop the session and catch up from another peer"
    )]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody's fault: what was found so far holds, and a new session finds the rest.
    #[error(
        "reconciliation took more than {ROUNDS_MAX} rounds; \
         fetch what was found so far, then start a new session for the rest"
    )]
    TooManyRounds,
}

/// What a step of the initiator brought; each difference is reported once in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to compare.
    Continue {
        /// The next message to the responder.
        message: Vec<u8>,
        /// Ids of records that the responder lacks.
        have: Vec<[u8; 32]>,
        /// Records that we lack, to be asked of the responder.
        need: Vec<KeyedId>,
    },
    /// Both differences are known, as far as the responder is honest.
    Done {
        /// Ids of the last records that the responder lacks.
        have: Vec<[u8; 32]>,
        /// The last records that we lack, to be asked of the responder.
        need: Vec<KeyedId>,
    },
}

/// The side that starts a session and learns both differences.
pub struct Initiator {
    set: KeyedSet,
    rounds: u32,
    /// Which of our records were reported as lacking at the responder, by their place in the set.
    reported_have: Vec<bool>,
    reported_need: BTreeSet<KeyedId>,
}

impl Initiator {
    /// Starts a session over `items` and returns it with its first message.
    #[must_use]
    pub fn start(key: SessionKey, items: impl Iterator<Item = Item>) -> (Self, Vec<u8>) {
        Self::start_with_frame(key, items, MESSAGE_BYTES_MAX)
    }

    fn start_with_frame(
        key: SessionKey,
        items: impl Iterator<Item = Item>,
        frame_bytes: usize,
    ) -> (Self, Vec<u8>) {
        let mut set = KeyedSet::new(key, items, frame_bytes);
        #[expect(
            clippy::expect_used,
            reason = "fails only on an unsealed store or a second call; the set is new and sealed"
        )]
        let message = set
            .protocol
            .initiate()
            .expect("a new session over a sealed set starts");
        let reported_have = vec![false; set.ids.len()];
        (
            Self {
                set,
                rounds: 0,
                reported_have,
                reported_need: BTreeSet::new(),
            },
            message,
        )
    }

    /// Takes the responder's reply and says what it revealed and what to send next.
    ///
    /// # Errors
    /// Says whether the reply is the peer's fault or the session took more than [`ROUNDS_MAX`].
    pub fn step(&mut self, reply: &[u8]) -> Result<Step, ReconcileError> {
        count_round(&mut self.rounds)?;
        check_readable(reply)?;

        let (mut have, mut need) = (Vec::new(), Vec::new());
        let next = self
            .set
            .protocol
            .reconcile_with_ids(reply, &mut have, &mut need);
        let next = next.map_err(malformed)?;

        let have = have
            .into_iter()
            .filter_map(|id| self.report_have(id))
            .collect();
        let mut need: Vec<KeyedId> = need
            .into_iter()
            .filter_map(|id| self.report_need(id))
            .collect();
        need.sort_unstable();
        Ok(match next {
            Some(message) => Step::Continue {
                message,
                have,
                need,
            },
            None => Step::Done { have, need },
        })
    }

    /// Returns the record that the peer lacks unless it was reported before: where a message was
    /// full, its last range is compared again.
    fn report_have(&mut self, id: Id) -> Option<[u8; 32]> {
        let place = self.set.place_of(KeyedId(id.to_bytes()))?;
        let reported = self.reported_have.get_mut(place)?;
        let is_new = !std::mem::replace(reported, true);
        is_new.then(|| self.set.ids[place].1)
    }

    /// Returns the record that we lack unless it was reported before, or the peer offers under
    /// another time what we have.
    fn report_need(&mut self, id: Id) -> Option<KeyedId> {
        let keyed = KeyedId(id.to_bytes());
        let is_new = self.set.place_of(keyed).is_none() && self.reported_need.insert(keyed);
        is_new.then_some(keyed)
    }
}

/// The side that answers, learns nothing itself, and finds the records it is then asked for.
pub struct Responder {
    set: KeyedSet,
    rounds: u32,
}

impl Responder {
    /// Joins a session over `items`.
    #[must_use]
    pub fn new(key: SessionKey, items: impl Iterator<Item = Item>) -> Self {
        Self::with_frame(key, items, MESSAGE_BYTES_MAX)
    }

    fn with_frame(key: SessionKey, items: impl Iterator<Item = Item>, frame_bytes: usize) -> Self {
        Self {
            set: KeyedSet::new(key, items, frame_bytes),
            rounds: 0,
        }
    }

    /// Counts the records of the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.ids.len()
    }

    /// Tells whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.ids.is_empty()
    }

    /// Answers one message of the initiator.
    ///
    /// # Errors
    /// Says whether the message is the peer's fault or the session took more than [`ROUNDS_MAX`].
    pub fn answer(&mut self, message: &[u8]) -> Result<Vec<u8>, ReconcileError> {
        count_round(&mut self.rounds)?;
        check_readable(message)?;
        self.set.protocol.reconcile(message).map_err(malformed)
    }

    /// Returns the records that the initiator asks for, each once and without those not in the set.
    #[must_use]
    pub fn resolve(&self, keyed: &[KeyedId]) -> Vec<[u8; 32]> {
        let places: BTreeSet<usize> = keyed
            .iter()
            .filter_map(|keyed| self.set.place_of(*keyed))
            .collect();
        places
            .into_iter()
            .map(|place| self.set.ids[place].1)
            .collect()
    }
}

/// One side's set under the session's key.
struct KeyedSet {
    protocol: Negentropy<'static, NegentropyStorageVector>,
    /// The records by keyed id, in its order.
    ids: Vec<(KeyedId, [u8; 32])>,
}

impl KeyedSet {
    #[expect(
        clippy::expect_used,
        reason = "the store refuses only once it is sealed, the protocol only frames below 4 KiB"
    )]
    fn new(key: SessionKey, items: impl Iterator<Item = Item>, frame_bytes: usize) -> Self {
        let keyed_hash = Sha256::new()
            .chain_update(KEYED_ID_DOMAIN)
            .chain_update(key.0);
        let mut storage = NegentropyStorageVector::with_capacity(items.size_hint().0);
        let mut ids = Vec::with_capacity(items.size_hint().0);
        for Item { time, id } in items {
            let keyed: [u8; 32] = keyed_hash.clone().chain_update(id).finalize().into();
            let time = time.min(TIME_MAX);
            storage
                .insert(time, Id::from_byte_array(keyed))
                .expect("the store is not sealed yet");
            ids.push((KeyedId(keyed), id));
        }
        storage.seal().expect("the store is sealed once");
        ids.sort_unstable();
        ids.dedup();
        let protocol = Negentropy::owned(storage, frame_bytes as u64);
        Self {
            protocol: protocol.expect("a frame is at least 4 KiB"),
            ids,
        }
    }

    fn place_of(&self, keyed: KeyedId) -> Option<usize> {
        self.ids
            .binary_search_by_key(&keyed, |(keyed, _)| *keyed)
            .ok()
    }
}

fn count_round(rounds: &mut u32) -> Result<(), ReconcileError> {
    if *rounds == ROUNDS_MAX {
        return Err(ReconcileError::TooManyRounds);
    }
    *rounds += 1;
    Ok(())
}

/// Checks what the protocol's own decoder leaves open: the length, and that the version is ours
/// (a responder of Negentropy would answer another with an empty message, which reads as "equal").
fn check_readable(message: &[u8]) -> Result<(), ReconcileError> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(ReconcileError::TooLong {
            bytes: message.len(),
        });
    }
    match message.first() {
        Some(version) if u64::from(*version) == PROTOCOL_VERSION => Ok(()),
        Some(version) => Err(malformed(format_args!("version {version:#x} is not 0x61"))),
        None => Err(malformed("it is empty")),
    }
}

fn malformed(reason: impl fmt::Display) -> ReconcileError {
    ReconcileError::Malformed {
        reason: reason.to_string(),
    }
}

impl fmt::Debug for KeyedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The smallest frame that Negentropy allows, so that small sets overflow it.
    const SMALL_FRAME_BYTES: usize = 4096;

    #[test]
    fn equal_sets_cost_one_round_trip() {
        for count in [0, 1, 31, 32, 10_000] {
            let items = items(0..count);

            let session = run(KEY, &items, &items, MESSAGE_BYTES_MAX);

            assert_eq!(session.round_trips, 1);
            assert!(
                session.bytes < 2_500,
                "{} bytes for {count} items",
                session.bytes
            );
            assert!(session.have.is_empty() && session.need.is_empty());
        }
    }

    #[test]
    fn a_peer_that_missed_ten_thousand_records_finds_them_all() {
        let (old, all) = (items(0..5), items(0..10_005));
        let missing = ids(&all[5..]);

        let fetched = run(KEY, &old, &all, MESSAGE_BYTES_MAX);
        let sent = run(KEY, &all, &old, MESSAGE_BYTES_MAX);

        assert_eq!((fetched.need, fetched.have), (missing.clone(), vec![]));
        assert_eq!((sent.need, sent.have), (vec![], missing));
        assert!(
            fetched.round_trips <= 3,
            "{} round trips",
            fetched.round_trips
        );
        assert!(fetched.bytes < 340_000, "{} bytes", fetched.bytes);
        assert!(sent.round_trips <= 2, "{} round trips", sent.round_trips);
    }

    #[test]
    fn two_disjoint_sets_find_each_other() {
        let (ours, theirs) = (items(0..10_000), items(10_000..20_000));

        let session = run(KEY, &ours, &theirs, MESSAGE_BYTES_MAX);

        assert_eq!(session.have, ids(&ours));
        assert_eq!(session.need, ids(&theirs));
    }

    #[test]
    fn ten_differences_among_a_hundred_thousand_cost_little() {
        let common = items(0..100_000);
        let differing = |number: &usize| number % 20_000 == 7;
        let ours: Vec<Item> = keep(&common, |number| !differing(number));
        let theirs: Vec<Item> = keep(&common, |number| !differing(&(number + 500)));

        let session = run(KEY, &ours, &theirs, MESSAGE_BYTES_MAX);

        assert_eq!((session.have.len(), session.need.len()), (5, 5));
        assert!(session.bytes < 20_000, "{} bytes", session.bytes);
        assert!(
            session.round_trips <= 4,
            "{} round trips",
            session.round_trips
        );
    }

    #[test]
    fn sessions_with_different_keys_have_nothing_in_common() {
        let items = items(0..100);

        let (_, one) = Initiator::start(SessionKey([1; 32]), items.iter().copied());
        let (_, same) = Initiator::start(SessionKey([1; 32]), items.iter().rev().copied());
        let (_, other) = Initiator::start(SessionKey([2; 32]), items.iter().copied());

        assert_eq!(one, same);
        let fingerprints: BTreeSet<&[u8]> = one.windows(16).collect();
        assert!(
            !other
                .windows(16)
                .any(|window| fingerprints.contains(window))
        );
    }

    #[test]
    fn a_responder_serves_each_asked_record_once_and_no_unknown_one() {
        let all = items(0..3);
        let responder = Responder::new(KEY, all.iter().copied());
        let known = responder.set.ids[1];

        let resolved = responder.resolve(&[known.0, KeyedId([9; 32]), known.0]);

        assert_eq!(resolved, [known.1]);
    }

    #[test]
    fn repeated_items_count_once() {
        let all = items(0..50);
        let twice: Vec<Item> = all.iter().chain(&all).copied().collect();

        let equal = run(KEY, &all, &twice, MESSAGE_BYTES_MAX);
        let missing = run(KEY, &twice, &[], MESSAGE_BYTES_MAX);

        assert!(equal.have.is_empty() && equal.need.is_empty());
        assert_eq!(missing.have, ids(&all));
    }

    #[test]
    fn a_peer_that_never_ends_is_ended() {
        let all = items(0..100);
        let (mut initiator, first) = Initiator::start(KEY, all.iter().copied());
        let mut responder = Responder::new(KEY, all.iter().copied());
        // A fingerprint of everything that fits no set.
        let stubborn = [&[0x61, 0, 0, 1][..], &[7; 16]].concat();

        for _ in 0..ROUNDS_MAX {
            assert!(matches!(
                initiator.step(&stubborn),
                Ok(Step::Continue { .. })
            ));
            assert!(responder.answer(&first).is_ok());
        }

        assert_eq!(
            initiator.step(&stubborn),
            Err(ReconcileError::TooManyRounds)
        );
        assert_eq!(responder.answer(&first), Err(ReconcileError::TooManyRounds));
    }

    #[test]
    fn unreadable_messages_are_refused() {
        let too_long = vec![0x61; MESSAGE_BYTES_MAX + 1];
        // An id list without upper bound that claims 2^34 ids and holds none.
        let boast = [0x61, 0, 0, 2, 0xc0, 0x80, 0x80, 0x80, 0];
        let unreadable: [&[u8]; 6] = [
            &[],
            &[0x60],
            &[0x62, 0, 0, 0],
            &boast,
            &[0x61, 0, 0, 3],
            &[0x61, 0, 33],
        ];
        for message in unreadable {
            let (mut initiator, _) = Initiator::start(KEY, items(0..40).into_iter());
            let mut responder = Responder::new(KEY, items(0..40).into_iter());
            let expected = |error| matches!(error, ReconcileError::Malformed { .. });
            assert!(initiator.step(message).is_err_and(expected), "{message:?}");
            assert!(
                responder.answer(message).is_err_and(expected),
                "{message:?}"
            );
        }
        let mut responder = Responder::new(KEY, items(0..40).into_iter());
        let bytes = MESSAGE_BYTES_MAX + 1;
        assert_eq!(
            responder.answer(&too_long),
            Err(ReconcileError::TooLong { bytes })
        );
    }

    #[test]
    fn a_peer_cannot_make_us_ask_for_what_we_have_or_ask_twice() {
        let ours = items(0..2);
        let (mut initiator, _) = Initiator::start(KEY, ours.iter().copied());
        let held = initiator.set.ids[0].0.0;
        // Two empty ranges at time 0, each offering a record that we have and one that we lack.
        let range = [&[1, 0, 2, 2][..], &held, &[5; 32]].concat();
        let reply = [&[0x61], &range[..], &range].concat();

        let step = initiator.step(&reply).unwrap();
        let again = initiator.step(&reply).unwrap();

        assert_eq!(
            step,
            Step::Done {
                have: vec![],
                need: vec![KeyedId([5; 32])]
            }
        );
        assert_eq!(
            again,
            Step::Done {
                have: vec![],
                need: vec![]
            }
        );
    }

    proptest! {
        #[test]
        fn a_session_finds_exactly_both_differences(
            (ours, theirs) in two_sets(400),
            key in any::<[u8; 32]>(),
            small_frame in any::<bool>(),
        ) {
            let frame_bytes = if small_frame { SMALL_FRAME_BYTES } else { MESSAGE_BYTES_MAX };

            let session = run(SessionKey(key), &ours, &theirs, frame_bytes);

            prop_assert_eq!(session.have, without(&ours, &theirs));
            prop_assert_eq!(session.need, without(&theirs, &ours));
        }

        #[test]
        fn random_bytes_are_survived(
            (ours, theirs) in two_sets(100),
            tail in vec(prop_oneof![0_u8..4, any::<u8>()], 0..300),
        ) {
            let message = [&[0x61], &tail[..]].concat();
            survive(&ours, &theirs, &message);
        }

        #[test]
        fn altered_messages_are_survived(
            (ours, theirs) in two_sets(400),
            changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            end in any::<prop::sample::Index>(),
        ) {
            let (_, mut message) = Initiator::start(KEY, ours.iter().copied());
            let mut answer = Responder::new(KEY, theirs.iter().copied()).answer(&message).unwrap();
            for bytes in [&mut message, &mut answer] {
                for (at, value) in &changes {
                    let at = at.index(bytes.len() - 1) + 1;
                    bytes[at] = *value;
                }
                survive(&ours, &theirs, bytes);
                bytes.truncate(end.index(bytes.len()) + 1);
                survive(&ours, &theirs, bytes);
            }
        }
    }

    const KEY: SessionKey = SessionKey([42; 32]);

    /// What a whole session between two honest peers brought and cost.
    struct Session {
        /// Sorted, as are the records needed.
        have: Vec<[u8; 32]>,
        need: Vec<[u8; 32]>,
        round_trips: u32,
        bytes: usize,
    }

    fn run(key: SessionKey, ours: &[Item], theirs: &[Item], frame_bytes: usize) -> Session {
        let (mut initiator, mut message) =
            Initiator::start_with_frame(key, ours.iter().copied(), frame_bytes);
        let mut responder = Responder::with_frame(key, theirs.iter().copied(), frame_bytes);
        let mut session = Session {
            have: vec![],
            need: vec![],
            round_trips: 0,
            bytes: 0,
        };
        loop {
            let answer = responder.answer(&message).unwrap();
            assert!(message.len().max(answer.len()) <= frame_bytes);
            session.round_trips += 1;
            session.bytes += message.len() + answer.len();
            let (next, have, need) = match initiator.step(&answer).unwrap() {
                Step::Continue {
                    message,
                    have,
                    need,
                } => (Some(message), have, need),
                Step::Done { have, need } => (None, have, need),
            };
            session.have.extend(have);
            session.need.extend(responder.resolve(&need));
            let Some(next) = next else { break };
            message = next;
        }
        session.have.sort_unstable();
        session.need.sort_unstable();
        session
    }

    /// Gives a hostile message to both sides; what they answer stays within bounds.
    fn survive(ours: &[Item], theirs: &[Item], message: &[u8]) {
        let (mut initiator, _) = Initiator::start(KEY, ours.iter().copied());
        if let Ok(Step::Continue {
            message,
            have,
            need,
        }) = initiator.step(message)
        {
            assert!(message.len() <= MESSAGE_BYTES_MAX);
            assert!(have.len() <= ours.len());
            assert!(need.len() <= MESSAGE_BYTES_MAX / 32);
        }
        let mut responder = Responder::new(KEY, theirs.iter().copied());
        if let Ok(answer) = responder.answer(message) {
            assert!(answer.len() <= MESSAGE_BYTES_MAX);
        }
    }

    /// Two sets that share some records, at few, many or extreme times.
    fn two_sets(items_max: usize) -> impl Strategy<Value = (Vec<Item>, Vec<Item>)> {
        let time = prop_oneof![0_u64..3, 0_u64..100_000, any::<u64>(), Just(u64::MAX)];
        let (ours, theirs, both) = ((true, false), (false, true), (true, true));
        let owners = prop_oneof![1 => Just(ours), 1 => Just(theirs), 3 => Just(both)];
        vec((time, owners), 0..=items_max).prop_map(|entries| {
            let (mut ours, mut theirs) = (vec![], vec![]);
            for (number, (time, (is_ours, is_theirs))) in (0..).zip(entries) {
                let item = Item {
                    time,
                    id: id(number),
                };
                ours.extend(is_ours.then_some(item));
                theirs.extend(is_theirs.then_some(item));
            }
            (ours, theirs)
        })
    }

    /// Records at one per 10 units of time, three of which share each time.
    fn items(numbers: std::ops::Range<u64>) -> Vec<Item> {
        numbers
            .map(|number| Item {
                time: number / 3 * 10,
                id: id(number),
            })
            .collect()
    }

    fn id(number: u64) -> [u8; 32] {
        Sha256::digest(number.to_be_bytes()).into()
    }

    fn keep(items: &[Item], keeps: impl Fn(&usize) -> bool) -> Vec<Item> {
        (0..)
            .zip(items)
            .filter(|(number, _)| keeps(number))
            .map(|(_, item)| *item)
            .collect()
    }

    fn ids(items: &[Item]) -> Vec<[u8; 32]> {
        without(items, &[])
    }

    fn without(items: &[Item], others: &[Item]) -> Vec<[u8; 32]> {
        let others: BTreeSet<&Item> = others.iter().collect();
        let ids: BTreeSet<[u8; 32]> = items
            .iter()
            .filter(|item| !others.contains(item))
            .map(|item| item.id)
            .collect();
        ids.into_iter().collect()
    }
}
