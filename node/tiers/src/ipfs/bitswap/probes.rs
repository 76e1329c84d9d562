//! Questions to one named peer: whether it has a block, by its word or by giving it.
//!
//! A want is met by whoever gives the block first. A probe is about one peer, and nobody else's answer counts. That is what
//! copies are counted by. A peer that says no, or nothing for a while, hears that the question is over.
//!
//! No network and no clock: times are handed in, and what is to be said to a peer is taken out with [`Probes::say`].

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use cid::Cid;
use libp2p::PeerId;
use tokio::sync::oneshot;

use super::message::{Ask, Entry};
use crate::{Block, Depth};

/// Most questions that are open at a time: some sixty of sixteen peers.
const PROBES_MAX: usize = 1024;
/// How long a peer may take for an answer: 1 MiB at 1 Mbit/s.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// What a peer answers when it is asked about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAnswer {
    /// It has the block: it said so, or gave it, as it was asked.
    Has,
    /// It says that it has not.
    HasNot,
    /// It said nothing in time, or is not connected.
    Nothing,
}

/// All questions that are open.
#[derive(Default)]
pub(crate) struct Probes {
    open: BTreeMap<PeerId, BTreeMap<Cid, Probe>>,
    to_say: BTreeMap<PeerId, Vec<Entry>>,
}

struct Probe {
    depth: Depth,
    waiters: Vec<oneshot::Sender<PeerAnswer>>,
    at: Instant,
}

impl Probe {
    fn answer(self, answer: PeerAnswer) {
        for waiter in self.waiters {
            // Who asked may have gone.
            let _ = waiter.send(answer);
        }
    }
}

impl Probes {
    /// Asks a connected peer about a block.
    pub(crate) fn add(
        &mut self,
        peer: PeerId,
        cid: Cid,
        depth: Depth,
        waiter: oneshot::Sender<PeerAnswer>,
        now: Instant,
    ) {
        if self.open.values().map(BTreeMap::len).sum::<usize>() >= PROBES_MAX {
            let _ = waiter.send(PeerAnswer::Nothing);
            return;
        }
        let probes = self.open.entry(peer).or_default();
        let probe = probes.entry(cid).or_insert_with(|| Probe {
            depth,
            waiters: Vec::new(),
            at: now,
        });
        probe.waiters.push(waiter);
        let ask = match depth {
            Depth::Word if probe.depth == Depth::Bytes => return,
            Depth::Word => Ask::Have { say_no: true },
            Depth::Bytes => Ask::Block { say_no: true },
        };
        probe.depth = depth;
        probe.at = now;
        let to_say = self.to_say.entry(peer).or_default();
        to_say.push(Entry::new(cid, ask));
    }

    /// Tells whether a peer is asked anything, and may send blocks for it.
    pub(crate) fn expects(&self, peer: &PeerId) -> bool {
        self.open.contains_key(peer)
    }

    /// Takes in what a peer says about having a block; `is_wanted` tells whether the block is wanted besides, so that the
    /// peer goes on knowing of that.
    pub(crate) fn presence(&mut self, peer: &PeerId, cid: &Cid, has: bool, is_wanted: bool) {
        let depth = self
            .open
            .get(peer)
            .and_then(|probes| Some(probes.get(cid)?.depth));
        match (depth, has) {
            // The bytes are to follow.
            (None, _) | (Some(Depth::Bytes), true) => {}
            (Some(Depth::Word), true) => self.close(peer, cid, PeerAnswer::Has),
            (Some(Depth::Word | Depth::Bytes), false) => {
                self.close(peer, cid, PeerAnswer::HasNot);
                self.cancel(*peer, *cid, is_wanted);
            }
        }
    }

    /// Takes in a block that a peer sent, if it was asked about it.
    pub(crate) fn block(&mut self, peer: &PeerId, block: &Block) -> bool {
        let is_asked = self
            .open
            .get(peer)
            .is_some_and(|probes| probes.contains_key(block.cid()));
        self.close(peer, block.cid(), PeerAnswer::Has);
        is_asked
    }

    /// Forgets a peer.
    pub(crate) fn gone(&mut self, peer: &PeerId) {
        self.to_say.remove(peer);
        for (_, probe) in self.open.remove(peer).unwrap_or_default() {
            probe.answer(PeerAnswer::Nothing);
        }
    }

    /// Gives questions up that nobody waits for, or that got no answer in time.
    pub(crate) fn tick(&mut self, now: Instant, is_wanted: impl Fn(&Cid) -> bool) {
        let mut over = Vec::new();
        for (peer, probes) in &mut self.open {
            for (cid, probe) in probes {
                probe.waiters.retain(|waiter| !waiter.is_closed());
                if probe.waiters.is_empty() || now.duration_since(probe.at) >= ANSWER_WAIT {
                    over.push((*peer, *cid));
                }
            }
        }
        for (peer, cid) in over {
            self.close(&peer, &cid, PeerAnswer::Nothing);
            self.cancel(peer, cid, is_wanted(&cid));
        }
    }

    /// Takes out at most so many entries to say to a peer.
    pub(crate) fn say(&mut self, peer: &PeerId, most: usize) -> Vec<Entry> {
        let Some(to_say) = self.to_say.get_mut(peer) else {
            return Vec::new();
        };
        let said = to_say.drain(..to_say.len().min(most)).collect();
        if to_say.is_empty() {
            self.to_say.remove(peer);
        }
        said
    }

    /// Returns the peers to whom something is to be said.
    pub(crate) fn to_be_told(&self) -> Vec<PeerId> {
        self.to_say.keys().copied().collect()
    }

    fn close(&mut self, peer: &PeerId, cid: &Cid, answer: PeerAnswer) {
        let Some(probes) = self.open.get_mut(peer) else {
            return;
        };
        if let Some(probe) = probes.remove(cid) {
            probe.answer(answer);
        }
        if probes.is_empty() {
            self.open.remove(peer);
        }
    }

    fn cancel(&mut self, peer: PeerId, cid: Cid, is_wanted: bool) {
        let to_say = self.to_say.entry(peer).or_default();
        to_say.retain(|entry| entry.cid != cid);
        if !is_wanted {
            to_say.push(Entry::new(cid, Ask::Cancel));
        }
        if to_say.is_empty() {
            self.to_say.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::RAW;

    fn block(number: u16) -> Block {
        Block::named(RAW, number.to_be_bytes().to_vec().into()).unwrap()
    }

    struct Asking {
        probes: Probes,
        peer: PeerId,
        now: Instant,
    }

    impl Asking {
        fn new() -> Self {
            Self {
                probes: Probes::default(),
                peer: PeerId::random(),
                now: Instant::now(),
            }
        }

        fn ask(&mut self, number: u16, depth: Depth) -> oneshot::Receiver<PeerAnswer> {
            let (waiter, waiting) = oneshot::channel();
            let cid = *block(number).cid();
            self.probes.add(self.peer, cid, depth, waiter, self.now);
            waiting
        }

        fn said(&mut self) -> Vec<Ask> {
            let said = self.probes.say(&self.peer, usize::MAX);
            said.into_iter().map(|entry| entry.ask).collect()
        }
    }

    #[test]
    fn a_word_is_taken_for_a_word_and_not_for_the_bytes() {
        let mut asking = Asking::new();
        let (mut word, mut bytes) = (asking.ask(1, Depth::Word), asking.ask(2, Depth::Bytes));
        let asked = [Ask::Have { say_no: true }, Ask::Block { say_no: true }];
        assert_eq!(asking.said(), asked);
        let peer = asking.peer;
        for number in [1, 2] {
            let cid = *block(number).cid();
            asking.probes.presence(&peer, &cid, true, false);
        }
        assert_eq!(word.try_recv().unwrap(), PeerAnswer::Has);
        assert!(bytes.try_recv().is_err() && asking.probes.expects(&peer));

        assert!(asking.probes.block(&peer, &block(2)));
        assert_eq!(bytes.try_recv().unwrap(), PeerAnswer::Has);
        assert!(!asking.probes.expects(&peer));
        assert!(!asking.probes.block(&peer, &block(2)), "it came twice");
    }

    #[test]
    fn what_another_peer_says_or_gives_does_not_count() {
        let mut asking = Asking::new();
        let other = PeerId::random();
        let mut waiting = asking.ask(1, Depth::Word);
        let cid = *block(1).cid();
        asking.probes.presence(&other, &cid, true, false);
        assert!(!asking.probes.block(&other, &block(1)));
        assert!(!asking.probes.expects(&other) && waiting.try_recv().is_err());
        asking.probes.gone(&asking.peer.clone());
        assert_eq!(waiting.try_recv().unwrap(), PeerAnswer::Nothing);
    }

    #[test]
    fn who_has_not_or_does_not_answer_hears_that_it_is_over_unless_the_block_is_wanted() {
        let mut asking = Asking::new();
        let (mut no, mut late) = (asking.ask(1, Depth::Bytes), asking.ask(2, Depth::Word));
        asking.said();
        let peer = asking.peer;
        let cid = *block(1).cid();
        asking.probes.presence(&peer, &cid, false, false);
        assert_eq!(no.try_recv().unwrap(), PeerAnswer::HasNot);
        assert_eq!(asking.said(), [Ask::Cancel]);

        let later = asking.now + ANSWER_WAIT;
        asking.probes.tick(later, |_| true);
        assert_eq!(late.try_recv().unwrap(), PeerAnswer::Nothing);
        assert_eq!(asking.said(), []);
        assert!(asking.probes.to_be_told().is_empty());
    }

    #[test]
    fn no_more_is_asked_than_the_limit() {
        let mut asking = Asking::new();
        let count = u16::try_from(PROBES_MAX).unwrap();
        let _waiting: Vec<_> = (0..count)
            .map(|number| asking.ask(number, Depth::Word))
            .collect();
        let mut one_more = asking.ask(count, Depth::Word);
        assert_eq!(one_more.try_recv().unwrap(), PeerAnswer::Nothing);
    }
}
