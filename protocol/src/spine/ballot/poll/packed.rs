//! How the ballots of a vote are kept: one byte string for all, as a copy of the state is made in a turn of the log.
//!
//! All are for one proposal, which is written once.

use serde_bytes::{ByteBuf, Bytes};
use x0_crypto::{ContentId, PublicKey, committee::ThresholdSignature};

use super::{
    Own,
    closing::{Held, Waiting},
};
use crate::{
    core::packed::{Packer, Unpacker},
    spine::ballot::{
        packed::{
            BALLOT_BYTES, choice_of, choice_tag, pack_ballot, pack_delegation, unpack_ballot,
            unpack_delegation,
        },
        tally::{Cast, Leaf},
    },
};

/// Serde for what members have cast themselves.
pub(super) mod voters {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::{
        BALLOT_BYTES, ByteBuf, Bytes, Own, Packer, PublicKey, Unpacker, pack_ballot, unpack_ballot,
    };

    type Voters = BTreeMap<PublicKey, Own>;

    pub(in super::super) fn serialize<S: Serializer>(
        voters: &Voters,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let first = voters.values().next().map(|own| match own {
            Own::Stands { ballot, .. } => ballot.proposal,
            Own::Double(both) => both.0.proposal,
        });
        let mut packer = Packer::of(voters.len(), BALLOT_BYTES + 1);
        if let Some(proposal) = first {
            packer.fixed(proposal.digest());
        }
        for own in voters.values() {
            match own {
                Own::Stands { ballot, listed } => {
                    packer.u8(u8::from(*listed));
                    pack_ballot(&mut packer, ballot);
                }
                Own::Double(both) => {
                    packer.u8(2);
                    pack_ballot(&mut packer, &both.0);
                    pack_ballot(&mut packer, &both.1);
                }
            }
        }
        Bytes::new(&packer.finish()).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Voters, D::Error> {
        let bytes = ByteBuf::deserialize(from)?;
        let mut proposal = None;
        let read = Unpacker::new(&bytes).list(BALLOT_BYTES, |from| {
            let proposal = super::proposal(&mut proposal, from)?;
            Some(match from.u8()? {
                tag @ (0 | 1) => Own::Stands {
                    ballot: unpack_ballot(from, proposal)?,
                    listed: tag == 1,
                },
                2 => {
                    let first = unpack_ballot(from, proposal)?;
                    Own::Double(Box::new((first, unpack_ballot(from, proposal)?)))
                }
                _ => return None,
            })
        });
        let read = read.ok_or_else(|| D::Error::custom("the ballots are damaged"))?;
        let by_voter = read.into_iter().map(|own| match &own {
            Own::Stands { ballot, .. } => (ballot.voter, own),
            Own::Double(both) => (both.0.voter, own),
        });
        Ok(by_voter.collect())
    }
}

/// Serde for counted ballots.
pub(super) mod leaves {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::{
        BALLOT_BYTES, ByteBuf, Bytes, Cast, ContentId, Leaf, Packer, ThresholdSignature, Unpacker,
        choice_of, choice_tag, pack_ballot, pack_delegation, unpack_ballot, unpack_delegation,
    };

    pub(in super::super) fn serialize<S: Serializer>(
        leaves: &[Leaf],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let mut packer = Packer::of(leaves.len(), BALLOT_BYTES + 2);
        if !leaves.is_empty() {
            let of_own = leaves.iter().find_map(|leaf| match &leaf.cast {
                Cast::Own { ballot, .. } => Some(ballot.proposal),
                Cast::Double { first, .. } => Some(first.proposal),
                Cast::Delegated { .. } => None,
            });
            let proposal = of_own.unwrap_or(ContentId::from_digest([0; 32]));
            packer.fixed(proposal.digest());
        }
        for leaf in leaves {
            let counted = leaf.counted.map_or(3, choice_tag);
            match &leaf.cast {
                Cast::Own { ballot, opening } => {
                    packer.u8(u8::from(opening.is_some()));
                    packer.u8(counted);
                    pack_ballot(&mut packer, ballot);
                    if let Some(opening) = opening {
                        packer.bytes(&opening.to_bytes());
                    }
                }
                Cast::Delegated { delegation } => {
                    packer.u8(2);
                    packer.u8(counted);
                    pack_delegation(&mut packer, delegation);
                }
                Cast::Double { first, second } => {
                    packer.u8(3);
                    packer.u8(counted);
                    pack_ballot(&mut packer, first);
                    pack_ballot(&mut packer, second);
                }
            }
        }
        Bytes::new(&packer.finish()).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Leaf>, D::Error> {
        let bytes = ByteBuf::deserialize(from)?;
        let mut proposal = None;
        let read = Unpacker::new(&bytes).list(2, |from| {
            let proposal = super::proposal(&mut proposal, from)?;
            let (tag, counted) = (from.u8()?, from.u8()?);
            let counted = match counted {
                3 => None,
                counted => Some(choice_of(counted)?),
            };
            let cast = match tag {
                0 => Cast::Own {
                    ballot: unpack_ballot(from, proposal)?,
                    opening: None,
                },
                1 => Cast::Own {
                    ballot: unpack_ballot(from, proposal)?,
                    opening: Some(ThresholdSignature::from_bytes(from.bytes()?).ok()?),
                },
                2 => Cast::Delegated {
                    delegation: unpack_delegation(from)?,
                },
                3 => Cast::Double {
                    first: unpack_ballot(from, proposal)?,
                    second: unpack_ballot(from, proposal)?,
                },
                _ => return None,
            };
            Some(Leaf { cast, counted })
        });
        read.ok_or_else(|| D::Error::custom("the counted ballots are damaged"))
    }
}

/// Serde for the seats that speak for a ballot, by its name.
pub(super) mod vouched {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::{ByteBuf, Bytes, ContentId, Packer, Unpacker};

    type Vouched = BTreeMap<ContentId, u32>;

    /// Name and seats.
    const ROW_BYTES: usize = 32 + 4;

    pub(in super::super) fn serialize<S: Serializer>(
        vouched: &Vouched,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let mut packer = Packer::of(vouched.len(), ROW_BYTES);
        for (ballot, seats) in vouched {
            packer.fixed(ballot.digest());
            packer.u32(*seats);
        }
        Bytes::new(&packer.finish()).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vouched, D::Error> {
        let bytes = ByteBuf::deserialize(from)?;
        let rows = Unpacker::new(&bytes).list(ROW_BYTES, |from| {
            Some((ContentId::from_digest(from.fixed()?), from.u32()?))
        });
        let rows = rows.ok_or_else(|| D::Error::custom("the lists of ballots are damaged"))?;
        Ok(rows.into_iter().collect())
    }
}

/// Serde for ballots that wait for the lists to be complete.
pub(super) mod held {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::{
        BALLOT_BYTES, ByteBuf, Bytes, ContentId, Held, Packer, Unpacker, Waiting, pack_ballot,
        pack_delegation, unpack_ballot, unpack_delegation,
    };

    pub(in super::super) fn serialize<S: Serializer>(
        waiting: &Waiting,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let all = waiting.all();
        let mut packer = Packer::of(all.len(), 32 + BALLOT_BYTES + 4);
        if let Some(first) = all.first() {
            packer.fixed(first.ballot.proposal.digest());
        }
        for Held {
            id,
            ballot,
            proxies,
        } in all
        {
            packer.fixed(id.digest());
            pack_ballot(&mut packer, ballot);
            packer.u32(u32::try_from(proxies.len()).unwrap_or(u32::MAX));
            for proxy in proxies {
                pack_delegation(&mut packer, proxy);
            }
        }
        Bytes::new(&packer.finish()).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Waiting, D::Error> {
        let bytes = ByteBuf::deserialize(from)?;
        let mut proposal = None;
        let all = Unpacker::new(&bytes).list(32 + BALLOT_BYTES + 4, |from| {
            let proposal = super::proposal(&mut proposal, from)?;
            let id = ContentId::from_digest(from.fixed()?);
            let ballot = unpack_ballot(from, proposal)?;
            let mut proxies = Vec::new();
            for _ in 0..from.u32()? {
                proxies.push(unpack_delegation(from)?);
            }
            Some(Held {
                id,
                ballot,
                proxies,
            })
        });
        let all = all.ok_or_else(|| D::Error::custom("the ballots that wait are damaged"))?;
        Ok(Waiting::of(all))
    }
}

/// Serde for names of ballots.
pub(super) mod names {
    use std::collections::BTreeSet;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::{ByteBuf, Bytes, ContentId, Packer, Unpacker};

    const NAME_BYTES: usize = 32;

    pub(in super::super) fn serialize<S: Serializer>(
        names: &BTreeSet<ContentId>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let mut packer = Packer::of(names.len(), NAME_BYTES);
        for name in names {
            packer.fixed(name.digest());
        }
        Bytes::new(&packer.finish()).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeSet<ContentId>, D::Error> {
        let bytes = ByteBuf::deserialize(from)?;
        let names = Unpacker::new(&bytes).list(NAME_BYTES, |from| {
            Some(ContentId::from_digest(from.fixed()?))
        });
        let names = names.ok_or_else(|| D::Error::custom("the names of ballots are damaged"))?;
        Ok(names.into_iter().collect())
    }
}

/// Returns the proposal, which stands before the first item.
fn proposal(known: &mut Option<ContentId>, from: &mut Unpacker<'_>) -> Option<ContentId> {
    if known.is_none() {
        *known = Some(ContentId::from_digest(from.fixed()?));
    }
    *known
}
