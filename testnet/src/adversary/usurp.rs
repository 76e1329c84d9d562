//! A committee that nobody seated: made by four keys of the attacker's own, which certify themselves.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use x0_crypto::{
    ContentId, Identity, PublicKey,
    committee::{
        Ceremony, CeremonyPlan, GroupKey, KeyShare, Logs, Purpose, account, acknowledge, deal,
        own_share,
    },
};
use x0_protocol::wire::{
    Certificate, CommitteeKeys, HandOver, HandedOver, NextCommittee, Statement, Subject,
};

/// Seats of the made-up committee: the fewest that make one.
const SEATS: usize = 4;

/// Makes the record's body of a hand-over to keys of one's own, as if the epoch before had certified it.
///
/// # Errors
///
/// Returns that there is no randomness, or that the ceremonies failed.
pub fn usurped(mesh: ContentId, epoch: u64, seats: Vec<PublicKey>) -> Result<HandedOver> {
    let own: Vec<_> = (0..SEATS)
        .map(|_| Identity::generate())
        .collect::<Result<_, _>>()
        .context("no randomness for keys")?;
    let mut held = BTreeMap::new();
    for purpose in Purpose::ALL {
        held.insert(purpose.number(), ceremony(mesh, epoch + 1, purpose, &own)?);
    }
    let group = |purpose: Purpose| {
        let (group, _) = held.get(&purpose.number()).context("all keys are made")?;
        Ok::<_, anyhow::Error>(group.public())
    };
    let next = NextCommittee {
        keys: CommitteeKeys {
            epoch: epoch + 1,
            certificate: group(Purpose::Certificate)?,
            beacon: group(Purpose::Beacon)?,
            decryption: group(Purpose::Decryption)?,
        },
        seats,
    };
    let statement = Statement::HandOver(HandOver {
        height: 1,
        next: next.id(),
    });
    let message = Subject::Statement(statement).message(&mesh, epoch);
    let signed = held.get(&Purpose::Certificate.number());
    let (group, shares) = signed.context("the key for certificates is made")?;
    let parts: Vec<_> = shares
        .iter()
        .map(|share| (share.seat(), share.sign(&message)))
        .collect();
    let signature = group.combine(&message, &parts)?;
    Ok(HandedOver {
        next,
        certificate: Certificate {
            epoch,
            statement,
            signature,
        },
    })
}

/// Holds a whole ceremony among one's own keys.
fn ceremony(
    mesh: ContentId,
    epoch: u64,
    purpose: Purpose,
    own: &[Identity],
) -> Result<(GroupKey, Vec<KeyShare>)> {
    let keys: Vec<_> = own.iter().map(Identity::public).collect();
    let ceremony = Ceremony::new(CeremonyPlan {
        mesh,
        epoch,
        purpose,
        dealers: keys.clone(),
        players: keys,
        previous: None,
    })?;
    let mut logs = Logs::new(&ceremony);
    let mut dealt: BTreeMap<PublicKey, BTreeMap<_, _>> = BTreeMap::new();
    for dealer in own {
        let mut acks = BTreeMap::new();
        for (player, dealing) in deal(&ceremony, dealer, None)? {
            let taker = own.iter().find(|identity| identity.public() == player);
            let taker = taker.context("every player is one of the own keys")?;
            let ack = acknowledge(&ceremony, taker, &dealer.public(), &dealing)?;
            acks.insert(player, ack);
            dealt
                .entry(player)
                .or_default()
                .insert(dealer.public(), dealing);
        }
        logs.add(&account(&ceremony, dealer, None, &acks)?)?;
    }
    let shares = own.iter().map(|identity| {
        let dealings = dealt.remove(&identity.public()).unwrap_or_default();
        own_share(&ceremony, identity, &dealings, &logs)
    });
    let shares = shares.collect::<Result<Vec<_>, _>>()?;
    Ok((logs.observe()?.group, shares))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn it_looks_like_a_hand_over_to_all_but_the_key_of_the_committee() {
        let mesh = ContentId::of(b"a mesh");
        let mut seats: Vec<_> = (0..4)
            .map(|_| Identity::generate().unwrap().public())
            .collect();
        seats.sort_unstable();

        let made = usurped(mesh, 1, seats).unwrap();

        assert!(made.stated().is_some());
        assert_eq!(made.next.keys.epoch, 2);
    }
}
