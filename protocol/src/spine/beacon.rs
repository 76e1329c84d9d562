//! Public randomness that nobody can steer, and draws by it.
//!
//! A round is a threshold signature of the committee over a number. There is exactly one such signature, and nobody
//! knows it before a threshold of seats has signed; the seats sign a round only after the ticket that it is to draw
//! for is in their log. So whoever shapes an act cannot know who will be drawn for it, and cannot try again for free.
//!
//! A draw looks at places of the electorate, one after the other, until it has found enough members: of each
//! first-level invite subtree one at most, and none of the agent's own. Whoever knows the electorate's root repeats
//! the draw from its proofs.
//!
//! If the ticket asks for a panel, its signatories are drawn first, by the same round: from those who hold seats, and
//! from members once every seat was looked at and the panel is not full. No place is looked at twice, so a panel is
//! found whenever there is one. Nobody on it is drawn as a co-signer: who is to lock twice cannot be one person.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use x0_crypto::{
    ContentId, PublicKey,
    committee::{BeaconValue, ThresholdSignature},
};

use super::committee::{Roll, leaf};
use crate::{
    core::limits::{DRAW_TRIES_MAX, SEATS_MAX, WITNESSES_DRAWN},
    wire::{Draw, Elector, Electorate, MultiSig, PanelDraw, Placed, Ticket},
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
    /// The panel is not that of the ticket.
    #[error("the draw finds another number of signatories than the ticket asks for")]
    Panel,
}

/// Who was drawn for an act.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// To co-sign, in order, stand-ins included.
    pub cosigners: Vec<PublicKey>,
    /// To approve, in order; as many as the ticket asks for.
    pub signatories: Vec<PublicKey>,
}

/// Draws members for the act of a ticket: the panel that it asks for, and as many co-signers as wanted if the tries
/// and the electorate allow. `seats` are those who held one as of the ticket.
///
/// `None` if the agent does not count as a member yet, or the panel cannot be filled.
pub fn draw(
    (roll, seats): (&Roll, &Roll),
    ticket: &Ticket,
    value: &BeaconValue,
    signature: ThresholdSignature,
    wanted: u32,
) -> Option<Draw> {
    let agent = roll.placed(roll.place_of(&ticket.agent)?)?;
    let (panel, signatories) = match &ticket.panel {
        None => (None, Vec::new()),
        Some(panel) => {
            let (drawn, keys) = draw_panel((roll, seats), &agent, ticket, panel.multi_sig, value)?;
            (Some(drawn), keys)
        }
    };
    let mut looked_at = Vec::new();
    let mut drawn = Drawn::new(&agent, &signatories);
    for place in places(value, &ticket.act, roll.electorate().count) {
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
        panel,
    })
}

fn draw_panel(
    (roll, seats): (&Roll, &Roll),
    agent: &Placed,
    ticket: &Ticket,
    wanted: MultiSig,
    value: &BeaconValue,
) -> Option<(PanelDraw, Vec<PublicKey>)> {
    let mut drawn = Drawn::new(agent, &[]);
    let mut look = |roll: &Roll, places: &mut dyn Iterator<Item = u32>| {
        let mut looked_at = Vec::new();
        while drawn.keys.len() < usize::from(wanted.n) {
            let Some(placed) = places.next().and_then(|place| roll.placed(place)) else {
                break;
            };
            drawn.look(&placed);
            looked_at.push(placed);
        }
        looked_at
    };
    let panel = PanelDraw {
        seats: look(
            seats,
            &mut seat_places(value, ticket, seats.electorate().count),
        ),
        members: look(roll, &mut member_places(value, ticket)),
    };
    (drawn.keys.len() == usize::from(wanted.n)).then_some((panel, drawn.keys))
}

/// Repeats the draw for the act of a ticket and returns who was drawn.
///
/// # Errors
///
/// Returns what does not hold.
pub fn check_draw(draw: &Draw, ticket: &Ticket, value: &BeaconValue) -> Result<Found, BadDraw> {
    let electorate = &ticket.electorate;
    if draw.agent.elector.key != ticket.agent || !stands(&draw.agent, electorate) {
        return Err(BadDraw::Agent);
    }
    let signatories = check_panel(draw, ticket, value)?;
    let mut drawn = Drawn::new(&draw.agent, &signatories);
    let mut places = places(value, &ticket.act, electorate.count);
    for placed in &draw.looked_at {
        drawn.follow(placed, electorate, &mut places)?;
    }
    Ok(Found {
        cosigners: drawn.keys,
        signatories,
    })
}

/// Repeats the draw of a ticket's panel: no place more may be looked at than fills it.
fn check_panel(
    draw: &Draw,
    ticket: &Ticket,
    value: &BeaconValue,
) -> Result<Vec<PublicKey>, BadDraw> {
    let (panel, wanted) = match (&draw.panel, &ticket.panel) {
        (None, None) => return Ok(Vec::new()),
        (Some(panel), Some(wanted)) => (panel, wanted),
        (Some(_), None) | (None, Some(_)) => return Err(BadDraw::Panel),
    };
    let size = usize::from(wanted.multi_sig.n);
    let mut drawn = Drawn::new(&draw.agent, &[]);
    let mut places = seat_places(value, ticket, wanted.seats.count);
    for placed in &panel.seats {
        if drawn.keys.len() >= size {
            return Err(BadDraw::Panel);
        }
        drawn.follow(placed, &wanted.seats, &mut places)?;
    }
    if drawn.keys.len() < size && places.next().is_some() {
        return Err(BadDraw::OtherPlaces);
    }
    let mut places = member_places(value, ticket);
    for placed in &panel.members {
        if drawn.keys.len() >= size {
            return Err(BadDraw::Panel);
        }
        drawn.follow(placed, &ticket.electorate, &mut places)?;
    }
    match drawn.keys.len() == size {
        true => Ok(drawn.keys),
        false => Err(BadDraw::Panel),
    }
}

/// Returns how many can be drawn at most: one of each subtree but the agent's.
pub const fn drawable(electorate: &Electorate) -> u32 {
    electorate.subtrees.saturating_sub(1)
}

/// Draws the witnesses of an epoch, of each first-level invite subtree one at most; `seed` is the randomness of the
/// checkpoint that the epoch begins with.
pub(crate) fn draw_witnesses(roll: &Roll, seed: &[u8; 32]) -> WitnessDraw {
    let count = roll.electorate().count;
    let drawn = draw_witnesses_from(seed, count, |place| roll.elector(place));
    drawn.unwrap_or_default()
}

/// Returns the places that a draw of witnesses looked at, with the proofs of who stands there, in order.
pub(crate) fn witness_places(roll: &Roll, drawn: &WitnessDraw) -> Option<Vec<Placed>> {
    let places = drawn.places.iter();
    places.map(|place| roll.placed(*place)).collect()
}

/// Repeats the draw of an epoch's witnesses from those who stand at the places that it looks at.
///
/// # Errors
///
/// Returns what does not hold, or that a place is missing.
pub fn repeat_witnesses(
    places: &[Placed],
    electorate: &Electorate,
    seed: &[u8; 32],
) -> Result<Vec<PublicKey>, BadDraw> {
    if !places.iter().all(|placed| stands(placed, electorate)) {
        return Err(BadDraw::Place);
    }
    let find = |place| {
        let found = places.binary_search_by_key(&place, |placed| placed.place);
        Some(&places.get(found.ok()?)?.elector)
    };
    let drawn = draw_witnesses_from(seed, electorate.count, find);
    let drawn = drawn.filter(|drawn| drawn.places.len() == places.len());
    Ok(drawn.ok_or(BadDraw::OtherPlaces)?.keys)
}

/// The witnesses drawn for an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WitnessDraw {
    /// Who was drawn, in the order of the draw.
    pub(crate) keys: Vec<PublicKey>,
    /// The places that it looked at.
    places: BTreeSet<u32>,
}

fn draw_witnesses_from<'a>(
    seed: &[u8; 32],
    count: u32,
    find: impl Fn(u32) -> Option<&'a Elector>,
) -> Option<WitnessDraw> {
    let start = Sha256::new()
        .chain_update(b"x0/witness/1\0")
        .chain_update(seed);
    let (mut subtrees, mut drawn) = (BTreeSet::new(), WitnessDraw::default());
    for place in places_from(start, count) {
        let elector = find(place)?;
        drawn.places.insert(place);
        if subtrees.insert(elector.subtree) {
            drawn.keys.push(elector.key);
        }
        if drawn.keys.len() >= WITNESSES_DRAWN {
            break;
        }
    }
    Some(drawn)
}

struct Drawn<'a> {
    subtrees: BTreeSet<PublicKey>,
    taken: &'a [PublicKey],
    keys: Vec<PublicKey>,
}

impl<'a> Drawn<'a> {
    fn new(agent: &Placed, taken: &'a [PublicKey]) -> Self {
        Self {
            subtrees: BTreeSet::from([agent.elector.subtree]),
            taken,
            keys: Vec::new(),
        }
    }

    fn look(&mut self, placed: &Placed) {
        let is_taken = self.taken.contains(&placed.elector.key);
        if !is_taken && self.subtrees.insert(placed.elector.subtree) {
            self.keys.push(placed.elector.key);
        }
    }

    /// Looks at the next place as a draw says it, if it is the next.
    fn follow(
        &mut self,
        placed: &Placed,
        electorate: &Electorate,
        places: &mut impl Iterator<Item = u32>,
    ) -> Result<(), BadDraw> {
        if places.next() != Some(placed.place) {
            return Err(BadDraw::OtherPlaces);
        }
        if !stands(placed, electorate) {
            return Err(BadDraw::Place);
        }
        self.look(placed);
        Ok(())
    }
}

/// Returns the seats in the order in which the beacon says to look at them for a panel.
fn seat_places(
    value: &BeaconValue,
    ticket: &Ticket,
    count: u32,
) -> impl Iterator<Item = u32> + use<> {
    shuffled(panel_start(b"seats\0", value, ticket), count).take(SEATS_MAX)
}

/// Returns the places of the electorate that the beacon says to look at for a panel that the seats do not fill.
fn member_places(value: &BeaconValue, ticket: &Ticket) -> impl Iterator<Item = u32> + use<> {
    let start = panel_start(b"members\0", value, ticket);
    shuffled(start, ticket.electorate.count).take(DRAW_TRIES_MAX)
}

fn panel_start(of: &[u8], value: &BeaconValue, ticket: &Ticket) -> Sha256 {
    Sha256::new()
        .chain_update(b"x0/panel/1\0")
        .chain_update(of)
        .chain_update(value.bytes())
        .chain_update(ticket.act.digest())
}

/// Returns all places below a count in an order that a hash says, each once (Fisher and Yates; only what has moved is
/// kept).
fn shuffled(start: Sha256, count: u32) -> impl Iterator<Item = u32> + use<> {
    let mut moved: BTreeMap<u32, u32> = BTreeMap::new();
    (0..count).map(move |next| {
        let left = u64::from(count - next);
        let offset = hashed(&start, next.into()).checked_rem(left).unwrap_or(0);
        let pick = next.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX));
        let displaced = moved.get(&next).copied().unwrap_or(next);
        moved.insert(pick, displaced).unwrap_or(pick)
    })
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
        let place = hashed(&start, number).checked_rem(count.into())?;
        u32::try_from(place).ok()
    })
}

fn hashed(start: &Sha256, number: u64) -> u64 {
    let hash: [u8; 32] = start
        .clone()
        .chain_update(number.to_be_bytes())
        .finalize()
        .into();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

pub(crate) fn stands(placed: &Placed, electorate: &Electorate) -> bool {
    let (place, count) = (placed.place.into(), electorate.count.into());
    let leaf = leaf(&placed.elector);
    placed
        .proof
        .verify(leaf, place, count, electorate.root)
        .is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_bytes::ByteBuf;
    use x0_crypto::{Identity, capability::RootKey};
    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        core::time::Wall,
        wire::{Elector, Panel, decode_own, encode_entry, no_signature},
    };

    fn key(number: u16) -> PublicKey {
        let [a, b] = number.to_be_bytes();
        let mut seed = [7; 32];
        (seed[0], seed[1]) = (a, b);
        Identity::from_seed(Zeroizing::new(seed)).public()
    }

    fn value(seed: [u8; 32]) -> BeaconValue {
        decode_own(&encode_entry(&ByteBuf::from(seed))).unwrap()
    }

    fn root() -> RootKey {
        let identity = Identity::from_seed(Zeroizing::new([1; 32]));
        identity.capability_root().public()
    }

    /// Electors by number, each in the subtree of the number modulo `trees`.
    fn roll(numbers: impl Iterator<Item = u16>, trees: u16) -> Roll {
        let mut electors: Vec<_> = numbers
            .map(|number| Elector {
                key: key(number),
                subtree: key(number % trees),
            })
            .collect();
        electors.sort_unstable();
        Roll::of_electors(electors)
    }

    fn ticket(members: &Roll, seats: &Roll, agent: u16, multi_sig: MultiSig) -> Ticket {
        Ticket {
            act: ContentId::of(b"act"),
            agent: key(agent),
            root: root(),
            nodes: 1,
            of_root: 1,
            of_change: 1,
            electorate: members.electorate(),
            height: 1,
            round: 1,
            time: Wall(1),
            expires: Wall(2),
            passed: 0,
            panel: Some(Panel {
                multi_sig,
                seats: seats.electorate(),
            }),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn every_place_comes_up_once(count in 0_u32..300, seed: [u8; 32]) {
            let start = Sha256::new().chain_update(seed);
            let mut places: Vec<_> = shuffled(start, count).collect();
            places.sort_unstable();
            prop_assert_eq!(places, (0..count).collect::<Vec<_>>());
        }

        /// A panel is found exactly when there are subtrees enough; it is spread, drawn from the seats first, apart
        /// from the co-signers, and found again by whoever repeats the draw.
        #[test]
        fn a_panel_is_full_spread_and_repeated_by_anybody(
            seed: [u8; 32],
            members in 2_u16..60,
            trees in 1_u16..30,
            seated in 0_u16..12,
            size in 1_u8..16,
            wanted in 0_u32..10,
        ) {
            let agent = members - 1;
            let all = roll(0..members, trees);
            let seats = roll(0..seated.min(members), trees);
            let panel = MultiSig { k: 1, n: size };
            let ticket = ticket(&all, &seats, agent, panel);
            let value = value(seed);
            let subtree = |key: &PublicKey| {
                let place = all.place_of(key).unwrap();
                all.electors()[usize::try_from(place).unwrap()].subtree
            };
            let drawn = draw((&all, &seats), &ticket, &value, no_signature(), wanted);
            let others = all.electorate().subtrees - 1;
            prop_assert_eq!(drawn.is_some(), others >= u32::from(size));
            let Some(drawn) = drawn else { return Ok(()) };
            let found = check_draw(&drawn, &ticket, &value).unwrap();

            prop_assert_eq!(found.signatories.len(), usize::from(size));
            let spread: BTreeSet<_> = found.signatories.iter().map(subtree).collect();
            prop_assert_eq!(spread.len(), usize::from(size));
            prop_assert!(!spread.contains(&subtree(&key(agent))));
            prop_assert!(found.cosigners.iter().all(|key| !found.signatories.contains(key)));
            // Whoever is on it without a seat is there because no seat was left whose subtree is free.
            let by_seats: BTreeSet<_> = seats.electors().iter().map(|it| it.subtree).collect();
            let free = by_seats.iter().filter(|tree| **tree != subtree(&key(agent))).count();
            let on_seats = found.signatories.iter().filter(|key| seats.place_of(key).is_some());
            prop_assert!(on_seats.count() >= free.min(usize::from(size)));

            prop_assert_eq!(&check_draw(&drawn, &ticket, &value).unwrap(), &found);
            let without = Ticket { panel: None, ..ticket };
            prop_assert_eq!(check_draw(&drawn, &without, &value), Err(BadDraw::Panel));
        }
    }
}
