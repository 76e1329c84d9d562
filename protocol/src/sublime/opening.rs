//! How whoever was granted an item puts its key together from what was released.
//!
//! Nothing that came is believed: each share is checked against what the manifest commits to, each seat's part against a key
//! that is the committee's own. What is bad is named by whose node sent it, and the rest is used.
//!
//! This is the one place where the two parts of a key meet. It runs on the asking user's device.

use std::collections::BTreeMap;

use x0_crypto::{
    ContentId, PublicKey,
    committee::{
        CommitteeKey, GroupKey, PartialSignature, SealedToLabel, Seat, ThresholdSignature,
    },
    sublime::{HybridSecret, ItemSecret, SecondPart, Share, ShareIndex, combine},
};
use zeroize::Zeroizing;

use crate::wire::{Release, ReleasedPart, SeatOpening, Sharing, release_info, second_label};

/// The two parts of an item's key, put together.
pub struct Opened {
    /// What guardians shared.
    pub secret: ItemSecret,
    /// What the committee opened.
    pub second: SecondPart,
    /// Whose nodes sent something that is not what it should be, in order.
    pub bad: Vec<PublicKey>,
}

/// How far an item is from being opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{shares} of {shares_needed} shares and {seats} of {seats_needed} parts of seats are here and good; guardians and seats \
     send theirs as soon as they can, so try again later"
)]
pub struct NotYet {
    /// Good shares.
    pub shares: usize,
    /// How many it takes.
    pub shares_needed: u8,
    /// Good parts of seats.
    pub seats: usize,
    /// How many it takes; 0 if no seat has said yet how many there are.
    pub seats_needed: u8,
    /// Whose nodes sent something that is not what it should be, in order.
    pub bad: Vec<PublicKey>,
}

/// What a request is about.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The mesh.
    pub mesh: &'a ContentId,
    /// The request.
    pub request: &'a ContentId,
    /// The item's key.
    pub item: &'a PublicKey,
    /// How its first part is shared now.
    pub sharing: &'a Sharing,
    /// Its second part, sealed to the committee.
    pub second: &'a SealedToLabel,
    /// What the second part is sealed to.
    pub committee: &'a CommitteeKey,
}

/// Puts an item's key together.
///
/// # Errors
///
/// Returns what lacks.
pub fn open(
    asked: Asked<'_>,
    key: &HybridSecret,
    parts: &[(PublicKey, Release)],
) -> Result<Opened, NotYet> {
    let mut gathered = Gathered::default();
    for (from, release) in parts {
        gathered.take(asked, key, from, release);
    }
    let combined = combine(&asked.sharing.commitments, &gathered.shares);
    let signature = gathered.signature(asked);
    let second = signature.and_then(|signature| second_part(asked, &signature));
    gathered.bad.sort_unstable();
    gathered.bad.dedup();
    match (combined, second) {
        (Ok(combined), Some(second)) => Ok(Opened {
            secret: combined.secret,
            second,
            bad: gathered.bad,
        }),
        (combined, _) => Err(NotYet {
            shares: combined.map_or_else(|error| error.good, |_| gathered.shares.len()),
            shares_needed: asked.sharing.access().threshold(),
            seats: gathered
                .groups
                .values()
                .map(|(_, parts)| parts.len())
                .max()
                .unwrap_or(0),
            seats_needed: gathered
                .groups
                .values()
                .map(|(group, _)| group.threshold())
                .min()
                .unwrap_or(0),
            bad: gathered.bad,
        }),
    }
}

/// What came and is good.
#[derive(Default)]
struct Gathered {
    shares: Vec<Share>,
    /// Parts of seats by the committee's key they are of, which a hand-over changes.
    groups: BTreeMap<ContentId, (GroupKey, BTreeMap<Seat, PartialSignature>)>,
    bad: Vec<PublicKey>,
}

impl Gathered {
    fn take(&mut self, asked: Asked<'_>, key: &HybridSecret, from: &PublicKey, release: &Release) {
        let Asked { mesh, request, .. } = asked;
        let info = release_info(mesh, request, (from, release.part));
        let opened = key.open(&info, &release.sealed).ok();
        let good = opened.and_then(|opened| match release.part {
            ReleasedPart::Share { epoch, index } => {
                let share = good_share(asked.sharing, (epoch, index), &opened)?;
                self.shares.push(share);
                Some(())
            }
            ReleasedPart::Seat { .. } => self.take_opening(asked, from, &opened),
        });
        if good.is_none() {
            self.bad.push(*from);
        }
    }

    fn take_opening(
        &mut self,
        asked: Asked<'_>,
        from: &PublicKey,
        opened: &Zeroizing<Vec<u8>>,
    ) -> Option<()> {
        let SeatOpening { part, group } = SeatOpening::decode(opened).ok()?;
        let name = ContentId::of(&group);
        let group = match self.groups.get(&name) {
            Some((group, _)) => group.clone(),
            None => GroupKey::from_bytes(&group).ok()?,
        };
        let seat = group.seat_of(from)?;
        let label = second_label(asked.mesh, asked.item);
        let is_it =
            group.public() == *asked.committee && group.verify_partial(seat, &label, &part).is_ok();
        is_it.then(|| {
            let (_, parts) = self
                .groups
                .entry(name)
                .or_insert_with(|| (group, BTreeMap::new()));
            parts.insert(seat, part);
        })
    }

    /// Combines the seats' parts once there are enough of one key.
    fn signature(&self, asked: Asked<'_>) -> Option<ThresholdSignature> {
        let label = second_label(asked.mesh, asked.item);
        self.groups.values().find_map(|(group, parts)| {
            let parts: Vec<_> = parts.iter().map(|(seat, part)| (*seat, *part)).collect();
            group.combine(&label, &parts).ok()
        })
    }
}

/// Reads a share, if it is the one that it should be of a sharing.
pub(super) fn good_share(
    sharing: &Sharing,
    (epoch, index): (u32, ShareIndex),
    opened: &[u8],
) -> Option<Share> {
    let share = Share::from_bytes(opened).ok()?;
    let is_it = epoch == sharing.epoch
        && share.index() == index
        && sharing.commitments.verify(&share).is_ok();
    is_it.then_some(share)
}

fn second_part(asked: Asked<'_>, signature: &ThresholdSignature) -> Option<SecondPart> {
    let label = second_label(asked.mesh, asked.item);
    let opened = asked.second.open_with(&label, signature).ok()?;
    let bytes = opened.as_slice().try_into().ok()?;
    Some(SecondPart::from_bytes(bytes))
}
