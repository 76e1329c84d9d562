//! Public randomness that nobody can steer, and draws by it.
//!
//! A round is a threshold signature of the committee over a number. There is exactly one such signature, and nobody
//! knows it before a threshold of seats has signed; the seats sign a round only after the ticket that it is to draw
//! for is in their log. So whoever shapes an act cannot know who will be drawn for it, and cannot try again for free.
//!
//! A draw looks at places of the electorate, one after the other, until it has found enough members: of each
//! first-level invite subtree one at most, and none of the agent's own. Whoever knows the electorate's root repeats
//! the draw from its proofs.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use x0_crypto::{
    ContentId, PublicKey,
    committee::{BeaconValue, ThresholdSignature},
};

use super::committee::{Roll, leaf};
use crate::{
    core::limits::{DRAW_TRIES_MAX, WITNESSES_DRAWN},
    wire::{Draw, Electorate, Placed},
};

/// Why a draw does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDraw {
    /// The agent's place is not proven.
    #[error("the agent does not stand in the electorate where the draw says")]
    Agent,
    /// A place looked at is not proven.
    #[error("somebody does not stand in the electorate where the draw says")]
    Place,
    /// The places are not those of the beacon.
    #[error("the draw looks at other places than the beacon says")]
    OtherPlaces,
}

/// Draws members for an act: as many as wanted, if the tries and the electorate allow.
///
/// `None` if the agent does not count as a member yet.
pub fn draw(
    roll: &Roll,
    agent: &PublicKey,
    act: &ContentId,
    value: &BeaconValue,
    signature: ThresholdSignature,
    wanted: u32,
) -> Option<Draw> {
    let agent = roll.placed(roll.place_of(agent)?)?;
    let mut looked_at = Vec::new();
    let mut drawn = Drawn::new(&agent);
    for place in places(value, act, roll.electorate().count) {
        if drawn.keys.len() >= usize::try_from(wanted).unwrap_or(usize::MAX) {
            break;
        }
        let placed = roll.placed(place)?;
        drawn.look(&placed);
        looked_at.push(placed);
    }
    Some(Draw {
        signature,
        agent,
        looked_at,
    })
}

/// Repeats a draw and returns who was drawn, in order.
///
/// # Errors
///
/// Returns what does not hold.
pub fn check_draw(
    draw: &Draw,
    electorate: &Electorate,
    agent: &PublicKey,
    act: &ContentId,
    value: &BeaconValue,
) -> Result<Vec<PublicKey>, BadDraw> {
    if draw.agent.elector.key != *agent || !stands(&draw.agent, electorate) {
        return Err(BadDraw::Agent);
    }
    let mut drawn = Drawn::new(&draw.agent);
    let mut places = places(value, act, electorate.count);
    for placed in &draw.looked_at {
        if places.next() != Some(placed.place) {
            return Err(BadDraw::OtherPlaces);
        }
        if !stands(placed, electorate) {
            return Err(BadDraw::Place);
        }
        drawn.look(placed);
    }
    Ok(drawn.keys)
}

/// Returns how many can be drawn at most: one of each subtree but the agent's.
pub const fn drawable(electorate: &Electorate) -> u32 {
    electorate.subtrees.saturating_sub(1)
}

/// Draws the witnesses of an epoch, of each first-level invite subtree one at most; `seed` is the randomness of the
/// checkpoint that the epoch begins with.
pub(crate) fn draw_witnesses(roll: &Roll, seed: &[u8; 32]) -> Vec<PublicKey> {
    let start = Sha256::new()
        .chain_update(b"x0/witness/1\0")
        .chain_update(seed);
    let (mut subtrees, mut keys) = (BTreeSet::new(), Vec::new());
    for place in places_from(start, roll.electorate().count) {
        let Some(elector) = roll.elector(place) else {
            break;
        };
        if subtrees.insert(elector.subtree) {
            keys.push(elector.key);
        }
        if keys.len() >= WITNESSES_DRAWN {
            break;
        }
    }
    keys
}

struct Drawn {
    subtrees: BTreeSet<PublicKey>,
    keys: Vec<PublicKey>,
}

impl Drawn {
    fn new(agent: &Placed) -> Self {
        Self {
            subtrees: BTreeSet::from([agent.elector.subtree]),
            keys: Vec::new(),
        }
    }

    fn look(&mut self, placed: &Placed) {
        if self.subtrees.insert(placed.elector.subtree) {
            self.keys.push(placed.elector.key);
        }
    }
}

/// Returns the places that the beacon says to look at for an act, in order.
///
/// Their bias is below the number of members / 2^64.
fn places(value: &BeaconValue, act: &ContentId, count: u32) -> impl Iterator<Item = u32> + use<> {
    let start = Sha256::new()
        .chain_update(b"x0/draw/1\0")
        .chain_update(value.bytes())
        .chain_update(act.digest());
    places_from(start, count)
}

/// Returns the places that a hash leads to, in order, each as likely as any other.
fn places_from(start: Sha256, count: u32) -> impl Iterator<Item = u32> + use<> {
    (0..DRAW_TRIES_MAX).map_while(move |try_number| {
        let number = u64::try_from(try_number).unwrap_or(u64::MAX);
        let hash: [u8; 32] = start
            .clone()
            .chain_update(number.to_be_bytes())
            .finalize()
            .into();
        let [a, b, c, d, e, f, g, h, ..] = hash;
        let place = u64::from_be_bytes([a, b, c, d, e, f, g, h]).checked_rem(count.into())?;
        u32::try_from(place).ok()
    })
}

pub(crate) fn stands(placed: &Placed, electorate: &Electorate) -> bool {
    let (place, count) = (placed.place.into(), electorate.count.into());
    let leaf = leaf(&placed.elector);
    placed
        .proof
        .verify(leaf, place, count, electorate.root)
        .is_ok()
}
