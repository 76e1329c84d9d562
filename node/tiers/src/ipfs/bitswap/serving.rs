//! What peers want of this node, and what is given to whom next.
//!
//! Each peer's wants are kept in the order in which they came, up to a limit. A want stays after it was answered with "I
//! have it not", so that the block can be given when it comes; a peer that leaves takes its wants along. Answers are cut
//! into batches, so that a peer that wants much takes no more memory than one that wants little.
//!
//! No network and no disk: [`Batch::answer`] is handed the store's answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque, btree_map::Entry as MapEntry};

use cid::Cid;
use libp2p::PeerId;

use super::message::{Ask, Entry, Message, Payload};
use crate::Block;

/// Most wants of one peer that are kept, as in Kubo; what is beyond is passed over, and the peer will ask again.
const WANTS_MAX: usize = 1024;
/// A batch is closed with the block that reaches this; with one more of 1 MiB it is half of what others read.
const BATCH_BYTES: usize = 1 << 20;
/// Most wants of a batch.
const BATCH_WANTS_MAX: usize = 256;

/// The wants of all peers.
#[derive(Default)]
pub(crate) struct Serving {
    peers: BTreeMap<PeerId, Ledger>,
}

#[derive(Default)]
struct Ledger {
    wants: BTreeMap<Cid, Wanted>,
    /// Wants that are to be answered, in this order.
    queue: VecDeque<Cid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    bytes: bool,
    say_no: bool,
    is_queued: bool,
}

/// Wants of one peer that are answered together.
#[derive(Debug)]
pub(crate) struct Batch {
    wants: Vec<(Cid, Wanted)>,
}

/// The answer to a batch.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What is to be sent; empty if nothing is.
    pub message: Message,
    /// Wants that are settled by it.
    settled: Vec<Cid>,
    /// Wants for which there was no room.
    left: Vec<Cid>,
}

impl Serving {
    /// Takes in what a peer wants.
    pub(crate) fn asked(&mut self, peer: PeerId, is_full: bool, entries: Vec<Entry>) {
        let ledger = self.peers.entry(peer).or_default();
        if is_full {
            ledger.wants.clear();
            ledger.queue.clear();
        }
        for Entry { cid, ask } in entries {
            let (bytes, say_no) = match ask {
                Ask::Block { say_no } => (true, say_no),
                Ask::Have { say_no } => (false, say_no),
                Ask::Cancel => {
                    ledger.wants.remove(&cid);
                    continue;
                }
            };
            let count = ledger.wants.len();
            match ledger.wants.entry(cid) {
                MapEntry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.bytes |= bytes;
                    known.say_no |= say_no;
                    if !std::mem::replace(&mut known.is_queued, true) {
                        ledger.queue.push_back(cid);
                    }
                }
                MapEntry::Vacant(_) if count >= WANTS_MAX => (),
                MapEntry::Vacant(free) => {
                    free.insert(Wanted {
                        bytes,
                        say_no,
                        is_queued: true,
                    });
                    ledger.queue.push_back(cid);
                }
            }
        }
        // Cancelled wants leave their places in the queue behind, even when they come again.
        if ledger.queue.len() > 2 * WANTS_MAX {
            let (wants, mut seen) = (&ledger.wants, BTreeSet::new());
            ledger
                .queue
                .retain(|cid| wants.contains_key(cid) && seen.insert(*cid));
        }
    }

    /// Forgets a peer.
    pub(crate) fn gone(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
    }

    /// Puts wants of a block that is here now up to be answered, and returns whose they are.
    pub(crate) fn stored(&mut self, cid: &Cid) -> Vec<PeerId> {
        let mut whose = Vec::new();
        for (peer, ledger) in &mut self.peers {
            if let Some(wanted) = ledger.wants.get_mut(cid)
                && !std::mem::replace(&mut wanted.is_queued, true)
            {
                ledger.queue.push_back(*cid);
                whose.push(*peer);
            }
        }
        whose
    }

    /// Takes the next wants of a peer out to be answered, if there are any.
    pub(crate) fn next(&mut self, peer: &PeerId) -> Option<Batch> {
        let ledger = self.peers.get_mut(peer)?;
        let mut wants = Vec::new();
        while wants.len() < BATCH_WANTS_MAX {
            let Some(cid) = ledger.queue.pop_front() else {
                break;
            };
            if let Some(wanted) = ledger.wants.get_mut(&cid)
                && std::mem::replace(&mut wanted.is_queued, false)
            {
                wants.push((cid, *wanted));
            }
        }
        (!wants.is_empty()).then_some(Batch { wants })
    }

    /// Takes in what became of a batch.
    pub(crate) fn answered(&mut self, peer: &PeerId, outcome: &Outcome) {
        let Some(ledger) = self.peers.get_mut(peer) else {
            return;
        };
        for cid in &outcome.settled {
            // Asked for again meanwhile: then it is answered again.
            if ledger
                .wants
                .get(cid)
                .is_some_and(|wanted| !wanted.is_queued)
            {
                ledger.wants.remove(cid);
            }
        }
        for cid in outcome.left.iter().rev() {
            if let Some(wanted) = ledger.wants.get_mut(cid)
                && !std::mem::replace(&mut wanted.is_queued, true)
            {
                ledger.queue.push_front(*cid);
            }
        }
    }
}

impl Batch {
    /// Answers the batch from a store, of which a failure counts as not having the block.
    pub(crate) fn answer(
        self,
        has: impl Fn(&Cid) -> bool,
        get: impl Fn(&Cid) -> Option<Block>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let message = &mut outcome.message;
        let mut bytes = 0;
        for (cid, wanted) in self.wants {
            if bytes >= BATCH_BYTES {
                outcome.left.push(cid);
                continue;
            }
            let is_here = if wanted.bytes {
                get(&cid).is_some_and(|block| {
                    bytes += block.bytes().len();
                    message
                        .payload
                        .push(Payload::new(&cid, block.bytes().clone()));
                    true
                })
            } else {
                let is_here = has(&cid);
                if is_here {
                    message.presences.push((cid, true));
                }
                is_here
            };
            if is_here {
                outcome.settled.push(cid);
            } else if wanted.say_no {
                message.presences.push((cid, false));
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::RAW;

    fn block(number: u16, length: usize) -> Block {
        let mut bytes = vec![0; length];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        Block::named(RAW, bytes.into()).unwrap()
    }

    fn ask(block: &Block, ask: Ask) -> Entry {
        Entry::new(*block.cid(), ask)
    }

    fn answer(serving: &mut Serving, peer: &PeerId, store: &[Block]) -> Option<Message> {
        let find = |cid: &Cid| store.iter().find(|block| block.cid() == cid).cloned();
        let outcome = serving.next(peer)?.answer(|cid| find(cid).is_some(), find);
        serving.answered(peer, &outcome);
        Some(outcome.message)
    }

    const BLOCK: Ask = Ask::Block { say_no: true };

    #[test]
    fn blocks_presences_and_absences_are_told_as_asked() {
        let (peer, mut serving) = (PeerId::random(), Serving::default());
        let blocks: Vec<_> = (0..4).map(|number| block(number, 10)).collect();
        let asks = vec![
            ask(&blocks[0], BLOCK),
            ask(&blocks[1], Ask::Have { say_no: false }),
            ask(&blocks[2], BLOCK),
            ask(&blocks[3], Ask::Have { say_no: false }),
        ];
        serving.asked(peer, false, asks);
        let message = answer(&mut serving, &peer, &blocks[..2]).unwrap();
        assert_eq!(message.payload.len(), 1);
        assert_eq!(
            message.presences,
            [(*blocks[1].cid(), true), (*blocks[2].cid(), false)]
        );
        assert!(answer(&mut serving, &peer, &blocks).is_none());

        assert_eq!(serving.stored(blocks[2].cid()), [peer], "it waits for it");
        let message = answer(&mut serving, &peer, &blocks).unwrap();
        assert_eq!(message.payload[0].data, *blocks[2].bytes());
        assert_eq!(serving.stored(blocks[2].cid()), [], "it has it now");
    }

    #[test]
    fn a_peer_that_wants_much_is_answered_in_pieces_and_gets_all() {
        let (peer, mut serving) = (PeerId::random(), Serving::default());
        let blocks: Vec<_> = (0..20).map(|number| block(number, 256 << 10)).collect();
        let asks = blocks.iter().map(|block| ask(block, BLOCK)).collect();
        serving.asked(peer, false, asks);
        let mut got = 0;
        while let Some(message) = answer(&mut serving, &peer, &blocks) {
            assert!(message.payload_bytes() <= BATCH_BYTES + crate::BLOCK_BYTES_MAX);
            got += message.payload.len();
        }
        assert_eq!(got, 20);
    }

    #[test]
    fn what_was_withdrawn_is_not_sent() {
        let (peer, mut serving) = (PeerId::random(), Serving::default());
        let blocks = [block(0, 10), block(1, 10)];
        serving.asked(
            peer,
            false,
            vec![ask(&blocks[0], BLOCK), ask(&blocks[1], BLOCK)],
        );
        serving.asked(peer, false, vec![ask(&blocks[0], Ask::Cancel)]);
        let message = answer(&mut serving, &peer, &blocks).unwrap();
        assert_eq!(message.payload.len(), 1);

        serving.asked(peer, false, vec![ask(&blocks[0], BLOCK)]);
        serving.asked(peer, true, vec![]);
        assert!(answer(&mut serving, &peer, &blocks).is_none());
    }

    #[test]
    fn a_peer_s_wants_are_kept_up_to_a_limit_whatever_it_sends() {
        let (peer, mut serving) = (PeerId::random(), Serving::default());
        for number in 0..10_000 {
            let block = block(number, 10);
            serving.asked(peer, false, vec![ask(&block, BLOCK)]);
            if number % 2 == 0 {
                serving.asked(peer, false, vec![ask(&block, Ask::Cancel)]);
                serving.asked(peer, false, vec![ask(&block, BLOCK)]);
            }
        }
        let ledger = &serving.peers[&peer];
        assert_eq!(ledger.wants.len(), WANTS_MAX);
        assert!(ledger.queue.len() <= 2 * WANTS_MAX);
    }
}
