//! Whole ceremonies in one process, honest and not, and what can be done with the keys that come of them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ceremonies;
mod decoding;
mod keys;
mod secrets;

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::seat_key::SeatSigner;
use super::*;
use crate::{ContentId, Identity, PublicKey};

/// A ceremony under way: everything dealt and delivered where it is, and the logs once they are signed.
struct Held {
    ceremony: Ceremony,
    dealt: BTreeMap<u8, Dealt>,
    commitments: BTreeMap<u8, Vec<u8>>,
    dealings: BTreeMap<(u8, u8), Dealing>,
    players: BTreeMap<u8, Player>,
    acks: BTreeMap<(u8, u8), Ack>,
    signed: BTreeMap<u8, SignedLog>,
    logs: Logs,
}

impl Held {
    fn honest(ceremony: &Ceremony) -> Self {
        let mut held = Self::with(ceremony, &BTreeMap::new(), |_, _| true);
        held.deal_all_but(&[]);
        held
    }

    /// Starts everybody and delivers the dealings that `arrives` (dealer, player) lets through.
    fn with(
        ceremony: &Ceremony,
        shares: &BTreeMap<u8, KeyShare>,
        arrives: impl Fn(u8, u8) -> bool,
    ) -> Self {
        let player = |number| (number, Player::new(ceremony, &identity(number)).unwrap());
        let mut held = Self {
            ceremony: ceremony.clone(),
            dealt: BTreeMap::new(),
            commitments: BTreeMap::new(),
            dealings: BTreeMap::new(),
            players: numbers(ceremony.players())
                .into_iter()
                .map(player)
                .collect(),
            acks: BTreeMap::new(),
            signed: BTreeMap::new(),
            logs: Logs::new(ceremony),
        };
        for dealer in numbers(ceremony.dealers()) {
            let share = shares.get(&dealer);
            let mut dealt =
                Dealer::start(ceremony, &identity(dealer), share, &[dealer; 32]).unwrap();
            for (&number, player) in &mut held.players {
                let dealing = dealing_of(&dealt, number);
                held.dealings.insert((dealer, number), dealing.clone());
                if arrives(dealer, number) {
                    let ack = player.take_dealing(&key(dealer), &dealt.commitment, &dealing);
                    let ack = ack.unwrap();
                    dealt.dealer.take_ack(&key(number), &ack).unwrap();
                    held.acks.insert((dealer, number), ack);
                }
            }
            held.commitments.insert(dealer, dealt.commitment.to_bytes());
            held.dealt.insert(dealer, dealt);
        }
        held
    }

    /// Signs and adds the logs of all dealers but some.
    fn deal_all_but(&mut self, missing: &[u8]) {
        for (number, dealt) in core::mem::take(&mut self.dealt) {
            if !missing.contains(&number) {
                let signed = dealt.dealer.finish();
                self.logs.add(&signed).unwrap();
                self.signed.insert(number, signed);
            }
        }
    }

    fn finish(&mut self, player: u8) -> Result<(Outcome, KeyShare), FinishError> {
        self.players.remove(&player).unwrap().finish(&self.logs)
    }

    fn kept(&self, dealer: u8, player: u8) -> (Commitment, Dealing) {
        let commitment = Commitment::from_bytes(&self.commitments[&dealer]).unwrap();
        (commitment, self.dealings[&(dealer, player)].clone())
    }

    fn made(mut self) -> Made {
        let group = self.logs.observe().unwrap().group;
        let numbers: Vec<u8> = self.players.keys().copied().collect();
        let shares = numbers.into_iter().map(|n| (n, self.finish(n).unwrap().1));
        Made {
            group,
            shares: shares.collect(),
        }
    }
}

/// A key with all its shares, by the number of their holders.
struct Made {
    group: GroupKey,
    shares: BTreeMap<u8, KeyShare>,
}

impl Made {
    fn new(purpose: Purpose, seats: u8) -> Self {
        Held::honest(&fresh(purpose, 1..=seats)).made()
    }

    fn share(&self, seat: u8) -> &KeyShare {
        let mut shares = self.shares.values();
        shares.find(|share| share.seat() == Seat(seat)).unwrap()
    }

    /// Signs with every share, in the order of seats.
    fn partials(&self, message: &[u8]) -> Vec<(Seat, PartialSignature)> {
        let seats = (0..self.group.seats()).map(|seat| (Seat(seat), self.share(seat)));
        seats
            .map(|(seat, share)| (seat, share.sign(message)))
            .collect()
    }
}

fn fresh(purpose: Purpose, numbers: core::ops::RangeInclusive<u8>) -> Ceremony {
    Ceremony::new(plan(purpose, 1, numbers)).unwrap()
}

fn plan(purpose: Purpose, epoch: u64, numbers: core::ops::RangeInclusive<u8>) -> CeremonyPlan {
    CeremonyPlan {
        mesh: mesh(),
        epoch,
        purpose,
        dealers: keys(numbers.clone()),
        players: keys(numbers),
        previous: None,
    }
}

fn mesh() -> ContentId {
    ContentId::of(b"mesh")
}

fn dealing_of(dealt: &Dealt, number: u8) -> Dealing {
    let mut dealings = dealt.dealings.iter();
    dealings
        .find(|(player, _)| *player == key(number))
        .unwrap()
        .1
        .clone()
}

fn numbers(keys: &[PublicKey]) -> Vec<u8> {
    (1..=SEATS_MAX)
        .filter(|number| keys.contains(&key(*number)))
        .collect()
}

fn keys(numbers: core::ops::RangeInclusive<u8>) -> Vec<PublicKey> {
    numbers.map(key).collect()
}

fn key(number: u8) -> PublicKey {
    identity(number).public()
}

fn identity(number: u8) -> Identity {
    Identity::from_seed(Zeroizing::new([number; 32]))
}
