//! Counting copies: which nodes of IPFS hold a tree, each asked by itself.
//!
//! A holder counts once for each peer id, and only if it has every block of a sample: some by its word, which finds what an honest
//! node has lost, and some by giving them, which finds who only says that it has them. The sample is drawn by whoever counts,
//! anew each time. What is not found out: that a peer fetches what it is asked for from somebody else in the meantime, and
//! that two peer ids stand for one disk.

use std::collections::BTreeSet;

use cid::Cid;
use futures::{StreamExt as _, stream};
use libp2p::PeerId;

use crate::{Depth, IpfsTier, PeerAnswer, TierError};

/// How many peers are asked at a time.
const PEERS_AT_A_TIME: usize = 8;
/// How many blocks one peer is asked for at a time: 2 MiB in blocks of 256 KiB.
const BLOCKS_AT_A_TIME: usize = 8;

/// What one peer has of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCopy {
    /// Who.
    pub peer: PeerId,
    /// What it has.
    pub copy: CopyStands,
}

/// What a peer has of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyStands {
    /// All of it.
    Whole,
    /// It has not got this block, and maybe others.
    Lacks(Cid),
    /// It does not answer, or is not connected.
    Silent,
}

impl IpfsTier {
    /// Asks connected peers about the blocks of a sample, each as deeply as it says. The first is asked about before the
    /// others: who lacks that is asked no further.
    ///
    /// # Errors
    /// [`TierError::Unreachable`] if this node was closed.
    pub async fn count_copies(
        &self,
        peers: &BTreeSet<PeerId>,
        sample: &[(Cid, Depth)],
    ) -> Result<Vec<PeerCopy>, TierError> {
        let mut others = peers.clone();
        others.remove(&self.peer_id());
        let mut copies = Vec::new();
        let mut asked = stream::iter(others)
            .map(|peer| self.ask_for_copy(peer, sample))
            .buffer_unordered(PEERS_AT_A_TIME);
        while let Some(copy) = asked.next().await {
            copies.push(copy?);
        }
        copies.sort_by_key(|copy| copy.peer);
        Ok(copies)
    }

    async fn ask_for_copy(
        &self,
        peer: PeerId,
        sample: &[(Cid, Depth)],
    ) -> Result<PeerCopy, TierError> {
        let ask = |(cid, depth): (Cid, Depth)| async move {
            Ok::<_, TierError>((cid, self.ask_peer(peer, cid, depth).await?))
        };
        let (first, rest) = sample.split_at(sample.len().min(1));
        for blocks in [first, rest] {
            let mut answers = stream::iter(blocks.iter().copied())
                .map(ask)
                .buffered(BLOCKS_AT_A_TIME);
            while let Some(answer) = answers.next().await {
                let copy = match answer? {
                    (_, PeerAnswer::Has) => continue,
                    (cid, PeerAnswer::HasNot) => CopyStands::Lacks(cid),
                    (_, PeerAnswer::Nothing) => CopyStands::Silent,
                };
                return Ok(PeerCopy { peer, copy });
            }
        }
        let copy = match sample.is_empty() {
            true => CopyStands::Silent,
            false => CopyStands::Whole,
        };
        Ok(PeerCopy { peer, copy })
    }
}
