//! Making keys: dealing, taking what others deal, and finding the own share.

use std::collections::{BTreeMap, BTreeSet};

use serde_bytes::ByteBuf;
use x0_crypto::{
    ContentId, PublicKey,
    committee::{Ack, Ceremony, Purpose, SealedDealing, SealedDealings, SignedLog, threshold},
};

use super::{Duty, REPEAT_EVERY, SecretFor, State, StoredWork, Taken};
use crate::{
    core::{
        ids::RequestToken,
        secret::SecretTask,
        time::{Millis, Mono},
    },
    wire::Entry,
};

/// Longest time a dealer of the first keys waits for links to all players before it deals to those it has.
const LINKS_WAIT: Millis = Millis::from_mins(1);
/// The same at a hand-over, when all run already; who comes has to take over the log first.
const LINKS_WAIT_LATER: Millis = Millis::from_secs(8);
/// Time that late players get once enough have acknowledged; then their dealings are revealed.
const LATE_ACKS: Millis = Millis::from_secs(3);

/// A seat's part in the ceremonies.
#[derive(Debug)]
pub(super) struct Making {
    own: PublicKey,
    deals: BTreeMap<ContentId, Deal>,
    /// What this seat was dealt, by ceremony and dealer.
    taken: BTreeMap<ContentId, BTreeMap<PublicKey, SealedDealing>>,
    /// Dealings whose acknowledgement is being written down.
    taking: BTreeSet<(ContentId, PublicKey)>,
    shares: BTreeSet<(Purpose, u64)>,
    asked_shares: BTreeSet<(Purpose, u64)>,
    lost_shares: BTreeSet<(Purpose, u64)>,
}

/// The dealer's side of one ceremony.
#[derive(Debug)]
struct Deal {
    since: Mono,
    is_asked: bool,
    dealings: SealedDealings,
    acks: BTreeMap<PublicKey, Ack>,
    enough_at: Option<Mono>,
    log: Option<SignedLog>,
    said_at: BTreeMap<PublicKey, Mono>,
}

impl Making {
    pub(super) fn new(own: PublicKey, stored: StoredWork) -> Self {
        let mut taken: BTreeMap<ContentId, BTreeMap<_, _>> = BTreeMap::new();
        for (ceremony, dealer, dealing) in stored.dealings {
            taken.entry(ceremony).or_default().insert(dealer, dealing);
        }
        Self {
            own,
            deals: BTreeMap::new(),
            taken,
            taking: BTreeSet::new(),
            shares: stored.shares.into_iter().collect(),
            asked_shares: BTreeSet::new(),
            lost_shares: BTreeSet::new(),
        }
    }

    /// Returns all that is kept, and keeps nothing.
    pub(super) fn take_kept(&mut self) -> StoredWork {
        let taken = core::mem::take(&mut self.taken).into_iter();
        let dealings = taken.flat_map(|(ceremony, taken)| {
            let taken = taken.into_iter();
            taken.map(move |(dealer, dealing)| (ceremony, dealer, dealing))
        });
        StoredWork {
            dealings: dealings.collect(),
            shares: core::mem::take(&mut self.shares).into_iter().collect(),
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.deals.is_empty()
    }

    pub(super) fn holds(&self, purpose: Purpose, epoch: u64) -> bool {
        self.shares.contains(&(purpose, epoch))
    }

    /// Takes what a dealer has dealt to this seat.
    pub(super) fn dealt(
        &mut self,
        state: &State,
        dealer: PublicKey,
        ceremony: ContentId,
        dealing: SealedDealing,
        token: Option<RequestToken>,
    ) -> Taken {
        let Some(held) = state.ceremonies().find(|held| held.id() == ceremony) else {
            return Taken::NotNow;
        };
        if held.dealers().binary_search(&dealer).is_err() || !dealing.is_well_formed() {
            return Taken::Faulty;
        }
        let known = self
            .taken
            .get(&ceremony)
            .and_then(|taken| taken.get(&dealer));
        if known.is_some_and(|known| *known != dealing) {
            return Taken::Faulty;
        }
        if !self.taking.insert((ceremony, dealer)) {
            return Taken::NotNow;
        }
        let dealing = Box::new(dealing);
        Taken::Later(Box::new(Duty::Secret {
            task: SecretTask::Acknowledge {
                ceremony: Box::new(held.clone()),
                dealer,
                dealing: dealing.clone(),
            },
            what: SecretFor::Take {
                ceremony,
                dealer,
                dealing,
                token,
            },
        }))
    }

    /// Takes an acknowledgement of what this seat has dealt; returns whether all have answered.
    pub(super) fn acked(&mut self, ceremony: &ContentId, player: PublicKey, ack: Ack) -> bool {
        let Some(deal) = self.deals.get_mut(ceremony) else {
            return false;
        };
        deal.acks.insert(player, ack);
        deal.acks.len() == deal.dealings.len()
    }

    /// Takes the own dealings.
    pub(super) fn has_dealt(&mut self, ceremony: &ContentId, dealings: SealedDealings) {
        if let Some(deal) = self.deals.get_mut(ceremony) {
            deal.dealings = dealings;
            deal.is_asked = false;
        }
    }

    /// Takes the own acknowledgement of a dealing, or that it does not deserve one.
    pub(super) fn has_taken(
        &mut self,
        ceremony: ContentId,
        (dealer, dealing): (PublicKey, Box<SealedDealing>),
        token: Option<RequestToken>,
        ack: Result<Ack, String>,
    ) -> Option<Duty> {
        self.taking.remove(&(ceremony, dealer));
        let Ok(ack) = ack else {
            return token.map(Duty::Refuse);
        };
        let taken = self.taken.entry(ceremony).or_default();
        let is_new = taken.insert(dealer, *dealing.clone()).is_none();
        if token.is_none() {
            self.acked(&ceremony, self.own, ack.clone());
        }
        Some(Duty::KeepDealing {
            dealing: is_new.then_some((ceremony, dealer, dealing)),
            answer: token.map(|token| (token, Box::new(ack))),
        })
    }

    /// Takes the own account, or who has given bad acknowledgements for it.
    pub(super) fn has_accounted(
        &mut self,
        ceremony: &ContentId,
        signed: Result<SignedLog, Vec<PublicKey>>,
    ) {
        if let Some(deal) = self.deals.get_mut(ceremony) {
            deal.is_asked = false;
            match signed {
                Ok(signed) => deal.log = Some(signed),
                Err(bad) => bad.iter().for_each(|player| {
                    deal.acks.remove(player);
                }),
            }
        }
    }

    /// Takes the own share, sealed, or why there is none.
    pub(super) fn has_share(
        &mut self,
        (purpose, epoch): (Purpose, u64),
        shared: Result<Vec<u8>, String>,
    ) -> Duty {
        match shared {
            Ok(sealed) => {
                self.shares.insert((purpose, epoch));
                Duty::KeepShare {
                    purpose,
                    epoch,
                    sealed,
                }
            }
            Err(why) => {
                self.lost_shares.insert((purpose, epoch));
                Duty::LostShare {
                    purpose,
                    epoch,
                    why,
                }
            }
        }
    }

    pub(super) fn deal(
        &mut self,
        state: &State,
        is_linked: &impl Fn(&PublicKey) -> bool,
        now: Mono,
        todo: &mut Vec<Duty>,
    ) {
        let own = self.own;
        let open: BTreeMap<_, _> = state
            .ceremonies()
            .filter(|held| held.dealers().binary_search(&own).is_ok())
            .map(|held| (held.id(), held))
            .collect();
        self.deals.retain(|ceremony, _| open.contains_key(ceremony));
        for (id, ceremony) in open {
            let deal = self.deals.entry(id).or_insert_with(|| Deal::new(now));
            let players = ceremony.players();
            if deal.is_asked || deal.log.is_some() {
                continue;
            }
            if !holds_what_it_deals(&self.shares, ceremony) {
                continue;
            }
            let wait = match state.keys() {
                None => LINKS_WAIT,
                Some(_) => LINKS_WAIT_LATER,
            };
            let may_begin = deal.since + wait <= now
                || players
                    .iter()
                    .all(|player| *player == own || is_linked(player));
            if deal.dealings.is_empty() {
                if may_begin {
                    deal.is_asked = true;
                    todo.push(Duty::Secret {
                        task: SecretTask::Deal(Box::new(ceremony.clone())),
                        what: SecretFor::Deal(id),
                    });
                }
                continue;
            }
            if deal.may_account(players.len(), now) {
                deal.is_asked = true;
                todo.push(Duty::Secret {
                    task: SecretTask::Account {
                        ceremony: Box::new(ceremony.clone()),
                        acks: deal.acks.clone(),
                    },
                    what: SecretFor::Account(id),
                });
            } else if !deal.acks.contains_key(&own)
                && let Some((_, dealing)) = deal.dealings.iter().find(|(player, _)| *player == own)
            {
                let dealing = dealing.clone();
                if let Taken::Later(task) = self.dealt(state, own, id, dealing, None) {
                    todo.push(*task);
                }
            }
        }
    }

    /// Lets go of what was of use in epochs that are over: whoever comes by this seat's disk later must not find parts of
    /// keys that are still in force, dealt anew to others since.
    pub(super) fn forget(&mut self, state: &State, todo: &mut Vec<Duty>) {
        let before = state.keys().map_or(0, |keys| keys.epoch);
        let made = state.made().map(|(ceremony, _)| ceremony);
        let used: BTreeSet<_> = state.ceremonies().chain(made).map(Ceremony::id).collect();
        let shares = self.shares.iter().filter(|(_, epoch)| *epoch < before);
        let shares: Vec<_> = shares.copied().collect();
        let dealings = self
            .taken
            .iter()
            .filter(|(ceremony, _)| !used.contains(*ceremony));
        let dealings = dealings
            .flat_map(|(ceremony, taken)| taken.keys().map(move |dealer| (*ceremony, *dealer)));
        let dealings: Vec<_> = dealings.collect();
        self.shares.retain(|(_, epoch)| *epoch >= before);
        self.taken.retain(|ceremony, _| used.contains(ceremony));
        todo.extend(
            super::forget(before, shares, dealings)
                .into_iter()
                .flatten(),
        );
    }

    pub(super) fn share(&mut self, state: &State, todo: &mut Vec<Duty>) {
        for (ceremony, logs) in state.made() {
            let key = (ceremony.purpose(), ceremony.epoch());
            let is_player = ceremony.players().binary_search(&self.own).is_ok();
            if !is_player || self.shares.contains(&key) || !self.asked_shares.insert(key) {
                continue;
            }
            let dealings = self.taken.get(&ceremony.id()).cloned().unwrap_or_default();
            todo.push(Duty::Secret {
                task: SecretTask::Share {
                    ceremony: Box::new(ceremony.clone()),
                    dealings,
                    logs: Box::new(logs.clone()),
                },
                what: SecretFor::Share(ceremony.purpose(), ceremony.epoch()),
            });
        }
    }

    /// Says what was not said yet, and again what is not answered.
    pub(super) fn say(&mut self, now: Mono, todo: &mut Vec<Duty>) {
        let is_due = |said_at: Option<Mono>| said_at.is_none_or(|at| at + REPEAT_EVERY <= now);
        for (ceremony, deal) in &mut self.deals {
            if let Some(log) = &deal.log {
                if is_due(deal.said_at.get(&self.own).copied()) {
                    deal.said_at.insert(self.own, now);
                    todo.push(Duty::Offer(Entry::Dealt {
                        ceremony: *ceremony,
                        log: ByteBuf::from(log.to_bytes()),
                    }));
                }
                continue;
            }
            for (to, dealing) in &deal.dealings {
                let is_answered = *to == self.own || deal.acks.contains_key(to);
                if !is_answered && is_due(deal.said_at.get(to).copied()) {
                    deal.said_at.insert(*to, now);
                    todo.push(Duty::Deal {
                        to: *to,
                        ceremony: *ceremony,
                        dealing: Box::new(dealing.clone()),
                    });
                }
            }
        }
    }
}

/// Tells whether the seat has the share that it is to deal on, if the key is an old one.
fn holds_what_it_deals(shares: &BTreeSet<(Purpose, u64)>, ceremony: &Ceremony) -> bool {
    let previous = ceremony.previous();
    previous.is_none_or(|key| shares.contains(&(key.purpose(), key.epoch())))
}

impl Deal {
    const fn new(since: Mono) -> Self {
        Self {
            since,
            is_asked: false,
            dealings: Vec::new(),
            acks: BTreeMap::new(),
            enough_at: None,
            log: None,
            said_at: BTreeMap::new(),
        }
    }

    /// Tells whether the account may be signed: all have acknowledged, or enough have and the others had time.
    fn may_account(&mut self, players: usize, now: Mono) -> bool {
        if self.acks.len() == players {
            return true;
        }
        let needed = threshold(u8::try_from(players).unwrap_or(u8::MAX));
        if self.acks.len() < usize::from(needed) {
            return false;
        }
        *self.enough_at.get_or_insert(now) + LATE_ACKS <= now
    }
}
