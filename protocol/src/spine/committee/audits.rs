//! The audits of members' nodes, round by round: when the next one opens, and whom the beacon draws.
//!
//! A round opens when `committee.audit_days` of the charter in force have passed since the one before, or since the mesh
//! was founded. Then a round of the beacon is asked for; nobody, the seats included, knows whom it draws before it is
//! signed. It puts members in the order of a hash over its value and their keys, so that who joins or leaves meanwhile
//! moves nobody else.
//!
//! *Who is audited.* Of up to [`AUDIT_ALL_MAX`] members all; of more a tenth, no fewer than that and at most
//! [`AUDITED_MAX`]. Who has not been audited since everybody was comes first: so each member comes sooner or later, and
//! nobody can tell when. *By whom.* By the nodes of the seats, never a node by itself, and none has two more to do than another.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x0_crypto::{ContentId, PublicKey, committee::BeaconValue};

use crate::{
    charter::Charter,
    core::{
        limits::{AUDIT_ALL_MAX, AUDIT_ROUNDS_SIGNED_MAX, AUDITED_MAX},
        time::{Millis, Wall},
    },
    wire::{AuditPair, AuditRound, AuditsDrawn, Certificate},
};

const DAY: Millis = Millis::from_mins(24 * 60);

/// The part of the time between two rounds in which an audit is not overdue: of 90 days the first 15.
const DUE_PART: u64 = 6;

/// Rounds that one committee can number: the first of one that members have seated anew begins above those of all before.
const ROUNDS_OF_EPOCH: u64 = 1_000;

/// Returns the time between two rounds.
pub fn period(days: u64) -> Millis {
    Millis(DAY.0.saturating_mul(days))
}

/// Returns the time from the opening of a round until an audit in it is overdue.
pub fn allowed(days: u64) -> Millis {
    Millis(period(days).0 / DUE_PART)
}

/// The audits as the committee log knows them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audits {
    /// What of the charter in force they go by; none where there is no charter.
    terms: Option<Terms>,
    /// Mesh time at which the last round was drawn, or the mesh was founded.
    last: Wall,
    /// The number of the last round.
    number: u64,
    /// The round of the beacon that is to draw the next.
    asked: Option<u64>,
    /// Who was audited since everybody was.
    seen: BTreeSet<PublicKey>,
    /// The newest rounds, to be signed.
    drawn: Vec<(AuditsDrawn, Vec<AuditPair>)>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    charter: ContentId,
    days: u64,
}

impl Terms {
    fn of(charter: &Charter) -> Self {
        Self {
            charter: charter.id(),
            days: charter.text().committee.audit_days,
        }
    }
}

impl Audits {
    pub(super) fn new(founded: Wall, charter: Option<&Charter>) -> Self {
        Self {
            terms: charter.map(Terms::of),
            last: founded,
            ..Self::default()
        }
    }

    /// Numbers rounds above those of the committees before.
    pub(super) const fn number_from(&mut self, epoch: u64) {
        self.number = epoch.saturating_mul(ROUNDS_OF_EPOCH);
    }

    /// Goes by another charter from now on.
    pub(super) fn amend(&mut self, charter: &Charter) {
        self.terms = Some(Terms::of(charter));
    }

    /// Returns the mesh time at which the next round opens.
    pub(super) fn next_at(&self) -> Option<Wall> {
        let terms = self.terms.filter(|_| self.asked.is_none())?;
        Some(self.last + period(terms.days))
    }

    /// Asks for a round of the beacon if a round of audits is to open; tells whether it did. Rounds up to `lapsed` are
    /// signed no more: where one of these was asked for, another takes its place.
    pub(super) fn plan(&mut self, time: Wall, (beacon_round, lapsed): (u64, u64)) -> bool {
        self.asked = self.asked.filter(|asked| *asked > lapsed);
        let is_due = self.next_at().is_some_and(|at| at <= time);
        if is_due {
            self.asked = Some(beacon_round);
        }
        is_due
    }

    /// Returns the round that is to be drawn, and the round of the beacon that draws it.
    pub fn to_draw(&self) -> Option<(u64, u64)> {
        Some((self.number + 1, self.asked?))
    }

    /// Draws the round that was asked for, of these members by these seats.
    pub(super) fn draw(
        &mut self,
        (height, time): (u64, Wall),
        members: &[PublicKey],
        seats: &[PublicKey],
        value: &BeaconValue,
    ) {
        let Some(terms) = self.terms.filter(|_| self.asked.take().is_some()) else {
            return;
        };
        self.last = time;
        let pairs = draw(members, seats, &mut self.seen, value);
        if pairs.is_empty() {
            return;
        }
        self.number += 1;
        let drawn = AuditsDrawn {
            round: self.number,
            height,
            opened: time,
            due: time + allowed(terms.days),
            next: time + period(terms.days),
            charter: terms.charter,
            pairs: AuditRound::name(&pairs),
        };
        self.drawn.push((drawn, pairs));
        if self.drawn.len() > AUDIT_ROUNDS_SIGNED_MAX {
            self.drawn.remove(0);
        }
    }

    /// Returns the rounds that the seats sign.
    pub(super) fn drawn(&self) -> impl Iterator<Item = &AuditsDrawn> {
        self.drawn.iter().map(|(drawn, _)| drawn)
    }

    /// Returns what every node is told of a round that is certified.
    pub fn notice(&self, certificate: &Certificate) -> Option<AuditRound> {
        let certified = certificate.statement.audits()?;
        let mut drawn = self.drawn.iter();
        let (_, pairs) = drawn.find(|(drawn, _)| drawn == certified)?;
        Some(AuditRound {
            certificate: *certificate,
            pairs: pairs.clone(),
        })
    }
}

/// Returns how many of so many members are audited in a round.
fn audited(members: usize) -> usize {
    match members <= AUDIT_ALL_MAX {
        true => members,
        false => members.div_ceil(10).clamp(AUDIT_ALL_MAX, AUDITED_MAX),
    }
}

/// Draws who is audited by whom, and takes note of who was.
fn draw(
    members: &[PublicKey],
    seats: &[PublicKey],
    seen: &mut BTreeSet<PublicKey>,
    value: &BeaconValue,
) -> Vec<AuditPair> {
    seen.retain(|key| members.binary_search(key).is_ok());
    let count = audited(members.len());
    let (before, fresh): (Vec<_>, Vec<_>) = shuffled(b"node", members, value)
        .into_iter()
        .partition(|key| seen.contains(key));
    let again = count.saturating_sub(fresh.len());
    let mut nodes: Vec<_> = fresh.iter().take(count).copied().collect();
    if fresh.len() <= count {
        // Everybody was: it begins anew with those who fill up this round.
        seen.clear();
        seen.extend(before.iter().take(again));
        nodes.extend(before.iter().take(again));
    } else {
        seen.extend(nodes.iter());
    }
    let mut pairs = assign(nodes, &shuffled(b"auditor", seats, value));
    pairs.sort_unstable();
    pairs
}

/// Gives each node an auditor: seats audit each other in a ring, all other nodes go to who has least to do.
fn assign(nodes: Vec<PublicKey>, ring: &[PublicKey]) -> Vec<AuditPair> {
    let mut load: BTreeMap<usize, u32> = (0..ring.len()).map(|at| (at, 0)).collect();
    let (seated, others): (Vec<_>, Vec<_>) =
        nodes.into_iter().partition(|node| ring.contains(node));
    let mut pairs = Vec::new();
    for node in seated.into_iter().chain(others) {
        let own = ring.iter().position(|seat| *seat == node);
        let at = match own {
            Some(own) => Some((own + 1) % ring.len()).filter(|next| *next != own),
            None => load
                .iter()
                .min_by_key(|(at, load)| (**load, **at))
                .map(|(at, _)| *at),
        };
        let Some((at, auditor)) = at.and_then(|at| Some((at, *ring.get(at)?))) else {
            continue;
        };
        *load.entry(at).or_default() += 1;
        pairs.push(AuditPair { node, auditor });
    }
    pairs
}

/// Puts keys in the order that the beacon says; no key's coming or going moves another.
fn shuffled(of: &[u8], keys: &[PublicKey], value: &BeaconValue) -> Vec<PublicKey> {
    let hashed = |key: &PublicKey| -> [u8; 32] {
        Sha256::new()
            .chain_update(b"x0/audit-draw/1\0")
            .chain_update(of)
            .chain_update(b"\0")
            .chain_update(value.bytes())
            .chain_update(key.bytes())
            .finalize()
            .into()
    };
    let mut keys = keys.to_vec();
    keys.sort_by_cached_key(|key| (hashed(key), *key));
    keys
}

#[cfg(test)]
mod tests;
