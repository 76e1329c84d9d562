//! What this node wants, and whom it asks for it.
//!
//! A want is first shown to the peers as a question (have you got it?); one that has it, or that gave blocks before, is asked
//! for the bytes. Only one peer at a time is asked for the bytes of a block, so that nothing comes twice; who does not
//! answer in time is passed over. When all have said no, all are asked again after a while.
//!
//! No network and no clock: times are handed in, and what is to be said to a peer is taken out with [`Wants::say`].

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use cid::Cid;
use libp2p::PeerId;
use tokio::sync::oneshot;

use super::message::{Ask, Entry};
use crate::Block;

/// Most blocks that are wanted at a time: several trees of 64, and what Kubo takes of one peer.
const WANTS_MAX: usize = 1024;
/// Most blocks that one peer is asked for at a time: 8 MiB of blocks of 256 KiB.
const ASKED_MAX: usize = 32;
/// Most wants that are named at a time to be looked for elsewhere; the rest are of the same trees.
const UNASKED_MAX: usize = 8;
/// How long a peer may take for a block: 1 MiB at 1 Mbit/s.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// How long after all peers said no they are asked again.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// Everything that is wanted.
#[derive(Default)]
pub(crate) struct Wants {
    wants: BTreeMap<Cid, Want>,
    peers: BTreeMap<PeerId, Peer>,
    /// Wants that no peer is asked for at the moment, oldest first.
    idle: BTreeMap<u64, Cid>,
    /// How many wants there have been.
    count: u64,
}

struct Want {
    number: u64,
    waiters: Vec<oneshot::Sender<Block>>,
    /// Peers that have it, or were named as having it.
    holders: BTreeSet<PeerId>,
    /// Peers that do not have it, or did not give it.
    refused: BTreeSet<PeerId>,
    /// Peers that know of this want.
    told: BTreeSet<PeerId>,
    asked: Option<(PeerId, Instant)>,
    told_at: Instant,
}

#[derive(Default)]
struct Peer {
    asked: usize,
    /// Whether it has given a block.
    is_proven: bool,
    to_say: Vec<Entry>,
}

/// Says that nothing more can be wanted.
#[derive(Debug, thiserror::Error)]
#[error("{WANTS_MAX} blocks are wanted already")]
pub(crate) struct TooManyWants;

impl Wants {
    /// Returns how many blocks are wanted.
    pub(crate) fn len(&self) -> usize {
        self.wants.len()
    }

    /// Tells whether a peer was told of a want that still stands. It may send the block even if it was only asked whether it
    /// has it: Kubo does so with blocks of up to 1 KiB.
    pub(crate) fn expects(&self, peer: &PeerId) -> bool {
        self.wants.values().any(|want| want.told.contains(peer))
    }

    /// Tells whether a block is wanted.
    pub(crate) fn is_wanted(&self, cid: &Cid) -> bool {
        self.wants.contains_key(cid)
    }

    /// Tells whether a peer is asked for the bytes of a block at the moment.
    pub(crate) fn is_asked(&self, cid: &Cid) -> bool {
        self.wants.get(cid).is_some_and(|want| want.asked.is_some())
    }

    /// Returns the oldest blocks of which no peer is asked for the bytes.
    pub(crate) fn unasked(&self) -> Vec<Cid> {
        self.idle.values().take(UNASKED_MAX).copied().collect()
    }

    /// Wants a block, of these peers first if they are connected.
    ///
    /// # Errors
    /// [`TooManyWants`]; the waiter is dropped.
    pub(crate) fn add(
        &mut self,
        cid: Cid,
        from: &[PeerId],
        waiter: oneshot::Sender<Block>,
        now: Instant,
    ) -> Result<(), TooManyWants> {
        if self.wants.len() >= WANTS_MAX && !self.wants.contains_key(&cid) {
            return Err(TooManyWants);
        }
        let number = self.count;
        let want = self.wants.entry(cid).or_insert_with(|| Want {
            number,
            waiters: Vec::new(),
            holders: BTreeSet::new(),
            refused: BTreeSet::new(),
            told: BTreeSet::new(),
            asked: None,
            told_at: now,
        });
        want.waiters.push(waiter);
        want.holders.extend(from);
        self.count += 1;
        self.assign(cid, now);
        Ok(())
    }

    /// Takes in a peer, which is told of everything that is wanted and nobody asked for.
    pub(crate) fn connected(&mut self, peer: PeerId, now: Instant) {
        self.peers.entry(peer).or_default();
        for cid in self.idle.clone().into_values() {
            self.assign(cid, now);
        }
    }

    /// Forgets a peer; others are asked in its place.
    pub(crate) fn gone(&mut self, peer: &PeerId, now: Instant) {
        if self.peers.remove(peer).is_none() {
            return;
        }
        let mut orphans = Vec::new();
        for (cid, want) in &mut self.wants {
            want.told.remove(peer);
            want.refused.remove(peer);
            if want.asked.is_some_and(|(asked, _)| asked == *peer) {
                want.asked = None;
                orphans.push(*cid);
            }
        }
        for cid in orphans {
            self.assign(cid, now);
        }
    }

    /// Takes in what a peer says about having a block.
    pub(crate) fn presence(&mut self, peer: PeerId, cid: Cid, has: bool, now: Instant) {
        let Some(want) = self.wants.get_mut(&cid) else {
            return;
        };
        if has {
            want.refused.remove(&peer);
            want.holders.insert(peer);
        } else {
            want.holders.remove(&peer);
            want.refused.insert(peer);
            self.unask(cid, &peer);
        }
        self.assign(cid, now);
    }

    /// Takes in a block that a peer sent, if it is wanted.
    pub(crate) fn block(&mut self, peer: PeerId, block: &Block, now: Instant) -> bool {
        let cid = *block.cid();
        let Some(want) = self.drop_want(cid, Some(peer)) else {
            return false;
        };
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.is_proven = true;
        }
        for waiter in want.waiters {
            // Who waited may have gone.
            let _ = waiter.send(block.clone());
        }
        self.fill(now);
        true
    }

    /// Passes over peers that did not answer, drops wants that nobody waits for, and returns the blocks for which nobody
    /// is known to ask.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Cid> {
        let mut lost = Vec::new();
        let mut late = Vec::new();
        let mut again = Vec::new();
        for (cid, want) in &mut self.wants {
            want.waiters.retain(|waiter| !waiter.is_closed());
            if want.waiters.is_empty() {
                lost.push(*cid);
                continue;
            }
            match want.asked {
                Some((peer, at)) if now.duration_since(at) >= ANSWER_WAIT => {
                    want.holders.remove(&peer);
                    want.refused.insert(peer);
                    late.push((*cid, peer));
                }
                Some(_) => (),
                None if now.duration_since(want.told_at) >= ASK_AGAIN => {
                    want.refused.clear();
                    want.told.clear();
                    want.told_at = now;
                    again.push(*cid);
                }
                None => (),
            }
        }
        for cid in lost {
            self.drop_want(cid, None);
        }
        for (cid, peer) in late {
            self.unask(cid, &peer);
            if let Some(peer) = self.peers.get_mut(&peer) {
                peer.is_proven = false;
                peer.to_say.push(Entry::new(cid, Ask::Cancel));
            }
            self.assign(cid, now);
        }
        for cid in &again {
            self.assign(*cid, now);
        }
        self.fill(now);
        again
    }

    /// Takes out at most so many entries to say to a peer.
    pub(crate) fn say(&mut self, peer: &PeerId, most: usize) -> Vec<Entry> {
        self.peers.get_mut(peer).map_or_else(Vec::new, |peer| {
            peer.to_say.drain(..peer.to_say.len().min(most)).collect()
        })
    }

    /// Returns the peers to whom something is to be said.
    pub(crate) fn to_be_told(&self) -> Vec<PeerId> {
        let to_say = self
            .peers
            .iter()
            .filter(|(_, peer)| !peer.to_say.is_empty());
        to_say.map(|(id, _)| *id).collect()
    }

    /// Asks the best peer for a block, or all whether they have it.
    fn assign(&mut self, cid: Cid, now: Instant) {
        let Some(want) = self.wants.get_mut(&cid) else {
            return;
        };
        if want.asked.is_some() {
            return;
        }
        let might_give = |id: &PeerId, peer: &Peer, want: &Want| {
            !want.refused.contains(id) && (peer.is_proven || want.holders.contains(id))
        };
        let best = self
            .peers
            .iter()
            .filter(|(id, peer)| might_give(id, peer, want) && peer.asked < ASKED_MAX)
            .min_by_key(|(id, peer)| (!want.holders.contains(id), peer.asked))
            .map(|(id, _)| *id);
        if let Some(id) = best {
            want.asked = Some((id, now));
            want.told.insert(id);
            self.idle.remove(&want.number);
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.asked += 1;
                peer.to_say
                    .push(Entry::new(cid, Ask::Block { say_no: true }));
            }
            return;
        }
        self.idle.insert(want.number, cid);
        // One that gives, but is busy, will be asked when it has given.
        if self
            .peers
            .iter()
            .any(|(id, peer)| might_give(id, peer, want))
        {
            return;
        }
        for (id, peer) in &mut self.peers {
            if !want.refused.contains(id) && want.told.insert(*id) {
                peer.to_say
                    .push(Entry::new(cid, Ask::Have { say_no: true }));
            }
        }
    }

    /// Asks for idle wants as long as a peer that might give has room.
    fn fill(&mut self, now: Instant) {
        for cid in self.idle.clone().into_values() {
            if !self
                .peers
                .values()
                .any(|peer| peer.is_proven && peer.asked < ASKED_MAX)
            {
                return;
            }
            self.assign(cid, now);
        }
    }

    fn unask(&mut self, cid: Cid, peer: &PeerId) {
        if let Some(want) = self.wants.get_mut(&cid)
            && want.asked.is_some_and(|(asked, _)| asked == *peer)
        {
            want.asked = None;
            if let Some(peer) = self.peers.get_mut(peer) {
                peer.asked -= 1;
            }
        }
    }

    /// Drops a want; all that know of it, other than the one that gave it, hear that it is over.
    fn drop_want(&mut self, cid: Cid, giver: Option<PeerId>) -> Option<Want> {
        if let Some((asked, _)) = self.wants.get(&cid).and_then(|want| want.asked) {
            self.unask(cid, &asked);
        }
        let want = self.wants.remove(&cid)?;
        self.idle.remove(&want.number);
        for id in &want.told {
            let Some(peer) = self.peers.get_mut(id) else {
                continue;
            };
            let unsaid = peer.to_say.len();
            peer.to_say.retain(|entry| entry.cid != cid);
            if unsaid == peer.to_say.len() && giver != Some(*id) {
                peer.to_say.push(Entry::new(cid, Ask::Cancel));
            }
        }
        Some(want)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::RAW;

    const BLOCK: Ask = Ask::Block { say_no: true };
    const HAVE: Ask = Ask::Have { say_no: true };

    fn block(number: u16) -> Block {
        Block::named(RAW, number.to_be_bytes().to_vec().into()).unwrap()
    }

    fn want(wants: &mut Wants, number: u16, now: Instant) -> oneshot::Receiver<Block> {
        let (waiter, waiting) = oneshot::channel();
        wants.add(*block(number).cid(), &[], waiter, now).unwrap();
        waiting
    }

    fn said(wants: &mut Wants, peer: &PeerId) -> Vec<(Cid, Ask)> {
        let entries = wants.say(peer, usize::MAX);
        entries
            .into_iter()
            .map(|entry| (entry.cid, entry.ask))
            .collect()
    }

    #[test]
    fn all_are_asked_whether_they_have_it_and_one_for_the_bytes() {
        let (a, b, now) = (PeerId::random(), PeerId::random(), Instant::now());
        let mut wants = Wants::default();
        wants.connected(a, now);
        wants.connected(b, now);
        let mut waiting = want(&mut wants, 1, now);
        let cid = *block(1).cid();
        assert_eq!(said(&mut wants, &a), [(cid, HAVE)]);
        assert_eq!(said(&mut wants, &b), [(cid, HAVE)]);

        wants.presence(b, cid, true, now);
        wants.presence(a, cid, true, now);
        assert_eq!(said(&mut wants, &a), []);
        assert_eq!(said(&mut wants, &b), [(cid, BLOCK)]);

        assert!(wants.block(b, &block(1), now));
        assert_eq!(waiting.try_recv().unwrap(), block(1));
        assert_eq!(said(&mut wants, &a), [(cid, Ask::Cancel)]);
        assert_eq!(said(&mut wants, &b), []);
        assert!(!wants.block(a, &block(1), now), "it came twice");
    }

    #[test]
    fn a_block_instead_of_an_answer_is_taken() {
        let (a, b, now) = (PeerId::random(), PeerId::random(), Instant::now());
        let mut wants = Wants::default();
        wants.connected(a, now);
        assert!(!wants.expects(&a));
        let mut waiting = want(&mut wants, 1, now);
        assert!(wants.expects(&a) && !wants.expects(&b));
        assert!(wants.block(a, &block(1), now));
        assert_eq!(waiting.try_recv().unwrap(), block(1));
        assert!(!wants.expects(&a));
    }

    #[test]
    fn a_peer_that_does_not_answer_is_passed_over_and_asked_again_later() {
        let (a, b, now) = (PeerId::random(), PeerId::random(), Instant::now());
        let mut wants = Wants::default();
        wants.connected(a, now);
        wants.connected(b, now);
        let _waiting = want(&mut wants, 1, now);
        let cid = *block(1).cid();
        wants.presence(a, cid, true, now);
        wants.presence(b, cid, true, now);
        let (_, _) = (said(&mut wants, &a), said(&mut wants, &b));

        let later = now + ANSWER_WAIT;
        wants.tick(later);
        assert_eq!(said(&mut wants, &a), [(cid, Ask::Cancel)]);
        assert_eq!(said(&mut wants, &b), [(cid, BLOCK)]);
        wants.presence(b, cid, false, later);
        assert_eq!(said(&mut wants, &b), []);
        assert_eq!(
            wants.tick(later + ASK_AGAIN),
            [cid],
            "others are to be looked for"
        );
        assert_eq!(said(&mut wants, &a), [(cid, HAVE)]);
    }

    #[test]
    fn what_was_asked_of_a_peer_that_leaves_is_asked_of_another() {
        let (a, b, now) = (PeerId::random(), PeerId::random(), Instant::now());
        let mut wants = Wants::default();
        wants.connected(a, now);
        let _waiting = want(&mut wants, 1, now);
        let cid = *block(1).cid();
        wants.presence(a, cid, true, now);
        wants.connected(b, now);
        wants.gone(&a, now);
        assert_eq!(said(&mut wants, &b), [(cid, HAVE)]);
    }

    #[test]
    fn one_peer_is_asked_for_so_much_at_a_time_and_for_more_when_it_gave() {
        let (a, now) = (PeerId::random(), Instant::now());
        let mut wants = Wants::default();
        wants.connected(a, now);
        let mut waiting = vec![want(&mut wants, 0, now)];
        wants.presence(a, *block(0).cid(), true, now);
        assert!(wants.block(a, &block(0), now));
        let more = u16::try_from(ASKED_MAX).unwrap() + 1;
        waiting.extend((1..=more).map(|number| want(&mut wants, number, now)));
        let asked = said(&mut wants, &a);
        assert_eq!(
            asked.iter().filter(|(_, ask)| *ask == BLOCK).count(),
            ASKED_MAX
        );
        assert!(wants.block(a, &block(1), now));
        assert_eq!(said(&mut wants, &a), [(*block(more).cid(), BLOCK)]);
    }

    #[test]
    fn a_want_that_nobody_waits_for_is_withdrawn() {
        let (a, now) = (PeerId::random(), Instant::now());
        let mut wants = Wants::default();
        wants.connected(a, now);
        drop(want(&mut wants, 1, now));
        let _ = said(&mut wants, &a);
        wants.tick(now);
        assert_eq!(said(&mut wants, &a), [(*block(1).cid(), Ask::Cancel)]);
        assert_eq!(wants.len(), 0);
    }

    #[test]
    fn no_more_is_wanted_than_the_limit() {
        let now = Instant::now();
        let mut wants = Wants::default();
        let count = u16::try_from(WANTS_MAX).unwrap();
        let _waiting: Vec<_> = (0..count)
            .map(|number| want(&mut wants, number, now))
            .collect();
        let (waiter, _waiting) = oneshot::channel();
        assert!(wants.add(*block(count).cid(), &[], waiter, now).is_err());
    }
}
