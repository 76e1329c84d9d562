//! How the log makes the committee's keys: three ceremonies side by side, one for each purpose.
//!
//! Dealers submit their signed logs as entries. In log order the first of each dealer counts. The ceremonies close
//! together: when every dealer's logs are in, or some time after enough are, or at the latest after a minute. From the
//! same logs all seats find the same keys. If one of the ceremonies fails, all three are held again under the next
//! number, without the dealers whose logs proved them wrong, as long as enough are left.
//!
//! At a hand-over the new seats deal a fresh certificate key to each other, so that nobody who sat before them can
//! sign for them; the keys of the beacon and of decryption are dealt on by those who hold them, and stay the same
//! in public, so that what was sealed to the committee or is to be drawn by it outlives its seats.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;
use x0_crypto::{
    ContentId, PublicKey,
    committee::{
        Ceremony, CeremonyPlan, GroupKey, Logs, Purpose, SEATS_MIN, SignedLog, Standing, threshold,
    },
};

use super::Seats;
use crate::{
    core::time::{Millis, Wall},
    wire::CommitteeKeys,
};

/// Time that late dealers get once enough logs are in.
const LATE_LOGS: Millis = Millis::from_secs(2);
/// Longest time from the first log to the end of a ceremony.
const MAKING_MAX: Millis = Millis::from_mins(1);

/// The keys of one epoch, as the seats hold them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Counts the ceremonies of the mesh, failed ones too.
    pub epoch: u64,
    /// For certificates, the beacon and decryption.
    groups: [GroupKey; 3],
}

impl Keys {
    /// Returns the key for a purpose.
    pub const fn group(&self, purpose: Purpose) -> &GroupKey {
        let [certificate, beacon, decryption] = &self.groups;
        match purpose {
            Purpose::Certificate => certificate,
            Purpose::Beacon => beacon,
            Purpose::Decryption => decryption,
        }
    }

    /// Returns what everybody else keeps of them.
    pub const fn public(&self) -> CommitteeKeys {
        let [certificate, beacon, decryption] = &self.groups;
        CommitteeKeys {
            epoch: self.epoch,
            certificate: certificate.public(),
            beacon: beacon.public(),
            decryption: decryption.public(),
        }
    }
}

/// The ceremonies of one epoch.
#[derive(Clone)]
pub(super) struct Making {
    epoch: u64,
    ceremonies: [(Ceremony, Logs); 3],
    signed: BTreeMap<(ContentId, PublicKey), ByteBuf>,
    first_at: Option<Wall>,
    enough_at: Option<Wall>,
}

/// Who deals in one of the ceremonies, and which key is dealt on.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Side {
    dealers: Vec<PublicKey>,
    previous: Option<GroupKey>,
}

/// What came of the ceremonies of one epoch.
pub(super) enum Made {
    Keys(Box<Keys>),
    /// None; to be held again without those who were proved wrong.
    Failed {
        again: Option<Box<Making>>,
    },
}

impl Making {
    /// Opens the first ceremonies of a mesh: all seats deal to all.
    pub(super) fn first(mesh: ContentId, epoch: u64, seats: &Seats) -> Option<Self> {
        let side = || Side {
            dealers: seats.keys().to_vec(),
            previous: None,
        };
        Self::open(mesh, epoch, [side(), side(), side()], seats.keys())
    }

    /// Opens the ceremonies by which `keys` pass to other seats.
    pub(super) fn hand_over(
        mesh: ContentId,
        epoch: u64,
        keys: &Keys,
        seats: &Seats,
    ) -> Option<Self> {
        let on = |purpose| Side {
            dealers: keys.group(purpose).players().collect(),
            previous: Some(keys.group(purpose).clone()),
        };
        let fresh = Side {
            dealers: seats.keys().to_vec(),
            previous: None,
        };
        let sides = [fresh, on(Purpose::Beacon), on(Purpose::Decryption)];
        Self::open(mesh, epoch, sides, seats.keys())
    }

    fn open(mesh: ContentId, epoch: u64, sides: [Side; 3], players: &[PublicKey]) -> Option<Self> {
        let ceremony = |(purpose, side): (Purpose, Side)| {
            let plan = CeremonyPlan {
                mesh,
                epoch,
                purpose,
                dealers: side.dealers,
                players: players.to_vec(),
                previous: side.previous,
            };
            let ceremony = Ceremony::new(plan).ok()?;
            let logs = Logs::new(&ceremony);
            Some((ceremony, logs))
        };
        let [certificate, beacon, decryption] = sides;
        let ceremonies = [
            ceremony((Purpose::Certificate, certificate))?,
            ceremony((Purpose::Beacon, beacon))?,
            ceremony((Purpose::Decryption, decryption))?,
        ];
        Some(Self {
            epoch,
            ceremonies,
            signed: BTreeMap::new(),
            first_at: None,
            enough_at: None,
        })
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Tells whether a log is in.
    pub(super) const fn is_begun(&self) -> bool {
        self.first_at.is_some()
    }

    /// Returns who is to hold the keys.
    pub(super) fn players(&self) -> Vec<PublicKey> {
        let [(ceremony, _), ..] = &self.ceremonies;
        ceremony.players().to_vec()
    }

    /// Returns the ceremonies, one for each purpose.
    pub(super) fn ceremonies(&self) -> impl Iterator<Item = &Ceremony> {
        self.ceremonies.iter().map(|(ceremony, _)| ceremony)
    }

    pub(super) fn has_log(&self, ceremony: &ContentId, dealer: &PublicKey) -> bool {
        self.signed.contains_key(&(*ceremony, *dealer))
    }

    /// Tells whether a log may be the first of its dealer in one of these ceremonies; what is in it is checked when
    /// its turn comes, as that costs milliseconds.
    pub(super) fn admits(&self, ceremony: &ContentId, log: &[u8]) -> bool {
        let Some(dealer) = SignedLog::dealer_in(log) else {
            return false;
        };
        let held = self.ceremonies().find(|held| held.id() == *ceremony);
        let is_dealer = held.is_some_and(|held| held.dealers().binary_search(&dealer).is_ok());
        is_dealer && !self.has_log(ceremony, &dealer)
    }

    /// Takes a dealer's log in log order; one that is not its first changes nothing.
    pub(super) fn take(&mut self, ceremony: &ContentId, log: &[u8], time: Wall) {
        let found = self
            .ceremonies
            .iter_mut()
            .find(|(held, _)| held.id() == *ceremony);
        let (Some((_, logs)), Ok(signed)) = (found, SignedLog::from_bytes(log)) else {
            return;
        };
        let place = (*ceremony, signed.dealer());
        if !self.signed.contains_key(&place) && logs.add(&signed).is_ok() {
            self.signed.insert(place, ByteBuf::from(log));
            self.first_at.get_or_insert(time);
        }
    }

    /// Closes the ceremonies if it is time.
    pub(super) fn close(&mut self, time: Wall, scale: u64) -> Option<Made> {
        let scaled = |span: Millis| Millis(span.0.saturating_mul(scale));
        let usable = |logs: &Logs| {
            let standings = logs.standings();
            let usable = standings.values();
            usable
                .filter(|s| matches!(s, Standing::Usable { .. }))
                .count()
        };
        if self
            .ceremonies
            .iter()
            .all(|(ceremony, logs)| usable(logs) >= needed(ceremony))
        {
            self.enough_at.get_or_insert(time);
        }
        let dealers = self.ceremonies().map(|held| held.dealers().len());
        let all = self.signed.len() == dealers.sum::<usize>();
        let is_late = |at: Option<Wall>, span| at.is_some_and(|at| at + scaled(span) <= time);
        if !all && !is_late(self.enough_at, LATE_LOGS) && !is_late(self.first_at, MAKING_MAX) {
            return None;
        }
        let [certificate, beacon, decryption] = &self.ceremonies;
        let made = [certificate, beacon, decryption].map(|(_, logs)| logs.observe());
        if let [Ok(certificate), Ok(beacon), Ok(decryption)] = made {
            return Some(Made::Keys(Box::new(Keys {
                epoch: self.epoch,
                groups: [certificate.group, beacon.group, decryption.group],
            })));
        }
        let faulty = self.faulty();
        let sides = self.ceremonies.each_ref().map(|(ceremony, _)| {
            let honest = ceremony.dealers().iter().copied();
            let honest: Vec<_> = honest.filter(|key| !faulty.contains(key)).collect();
            let previous = ceremony.previous().cloned();
            let fewest = previous.as_ref().map_or(SEATS_MIN, GroupKey::threshold);
            let is_enough = honest.len() >= usize::from(fewest.max(SEATS_MIN));
            Side {
                dealers: match is_enough {
                    true => honest,
                    false => ceremony.dealers().to_vec(),
                },
                previous,
            }
        });
        let mesh = certificate.0.mesh();
        let again = Self::open(mesh, self.epoch + 1, sides, &self.players());
        Some(Made::Failed {
            again: again.map(Box::new),
        })
    }

    /// Returns the dealers whose logs prove them wrong.
    fn faulty(&self) -> BTreeSet<PublicKey> {
        let all = self.ceremonies.iter();
        let all = all.flat_map(|(_, logs)| logs.standings());
        all.filter(|(_, standing)| matches!(standing, Standing::Faulty(_)))
            .map(|(dealer, _)| dealer)
            .collect()
    }

    /// Names those who were left out, each with the reason; a player that did not answer has its dealings revealed.
    pub(super) fn left_out(&self) -> Vec<(PublicKey, String)> {
        let mut named = BTreeMap::new();
        for (ceremony, logs) in &self.ceremonies {
            let purpose = ceremony.purpose();
            for (dealer, standing) in logs.standings() {
                let why = match standing {
                    Standing::Missing => format!("dealt nothing for the {purpose} key in time"),
                    Standing::HeldBack => {
                        format!("had too few acknowledgements for the {purpose} key")
                    }
                    Standing::Faulty(fault) => format!("dealt wrongly: {fault}"),
                    Standing::Usable { revealed } => {
                        for player in revealed {
                            named.entry(player).or_insert_with(|| {
                                "did not acknowledge in time, so its share is known to all"
                                    .to_owned()
                            });
                        }
                        continue;
                    }
                };
                named.insert(dealer, why);
            }
        }
        named.into_iter().collect()
    }

    /// Returns the logs of one of the ceremonies.
    pub(super) fn logs(&self, purpose: Purpose) -> Option<(&Ceremony, &Logs)> {
        let found = self
            .ceremonies
            .iter()
            .find(|(held, _)| held.purpose() == purpose);
        found.map(|(ceremony, logs)| (ceremony, logs))
    }
}

/// Returns how many usable logs make a key: a quorum of the dealers, and of those who hold the key dealt on.
fn needed(ceremony: &Ceremony) -> usize {
    let dealers = u8::try_from(ceremony.dealers().len()).unwrap_or(u8::MAX);
    let holders = ceremony.previous().map_or(0, GroupKey::threshold);
    usize::from(threshold(dealers).max(holders))
}

/// What is kept of ceremonies under way; all else follows from it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    mesh: ContentId,
    epoch: u64,
    sides: [Side; 3],
    players: Vec<PublicKey>,
    signed: Vec<(ContentId, ByteBuf)>,
    first_at: Option<Wall>,
    enough_at: Option<Wall>,
}

impl Serialize for Making {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [(ceremony, _), ..] = &self.ceremonies;
        let signed = self.signed.iter();
        Kept {
            mesh: ceremony.mesh(),
            epoch: self.epoch,
            sides: self.ceremonies.each_ref().map(|(held, _)| Side {
                dealers: held.dealers().to_vec(),
                previous: held.previous().cloned(),
            }),
            players: ceremony.players().to_vec(),
            signed: signed.map(|((of, _), log)| (*of, log.clone())).collect(),
            first_at: self.first_at,
            enough_at: self.enough_at,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Making {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kept = Kept::deserialize(deserializer)?;
        let opened = Self::open(kept.mesh, kept.epoch, kept.sides, &kept.players);
        let mut making =
            opened.ok_or_else(|| serde::de::Error::custom("these ceremonies cannot be held"))?;
        for (ceremony, log) in kept.signed {
            making.take(&ceremony, &log, Wall(0));
        }
        making.first_at = kept.first_at;
        making.enough_at = kept.enough_at;
        Ok(making)
    }
}
