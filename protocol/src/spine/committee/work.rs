//! What a seat works at beside the log: keys to be made, and things to be signed together.
//!
//! All of it follows from the log's [`State`] and from what the seat has kept, so that it goes on after a restart:
//!
//! - *Deal*: as long as a ceremony is open, send every player what it is dealt, collect acknowledgements, and offer
//!   the signed account. A seat waits with dealing until it is linked to all players, but not for ever.
//! - *Take*: keep what one is dealt, sealed, then acknowledge it. A second, different dealing is refused.
//! - *Share*: when the log has made the keys, find the own share of each and keep it.
//! - *Sign*: send the own part of everything that is to be signed until the whole signature is known. Who has it
//!   answers with it.

use std::collections::{BTreeMap, BTreeSet};

use serde_bytes::ByteBuf;
use x0_crypto::{
    ContentId, PublicKey,
    committee::{
        Ack, CombineError, GroupKey, PartialSignature, Purpose, SealedDealing, SealedDealings,
        Seat, SignedLog, ThresholdSignature, threshold,
    },
};

use super::State;
use crate::{
    core::{
        ids::RequestToken,
        limits::{PARTS_MAX, SIGNED_KEPT_MAX},
        secret::{SecretDone, SecretTask},
        time::{Millis, Mono},
    },
    wire::{Certificate, Entry, SignaturePart, Statement, Subject},
};

/// Time after which a seat says again what is not answered.
const REPEAT_EVERY: Millis = Millis(1_000);
/// Longest time a dealer waits for links to all players before it deals to those it has.
const LINKS_WAIT: Millis = Millis::from_mins(1);
/// Time that late players get once enough have acknowledged; then their dealings are revealed.
const LATE_ACKS: Millis = Millis::from_secs(3);

/// What the result of a secret task is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretFor {
    /// The own dealings in a ceremony.
    Deal(ContentId),
    /// An acknowledgement.
    Take {
        /// The ceremony.
        ceremony: ContentId,
        /// Who dealt.
        dealer: PublicKey,
        /// What was dealt.
        dealing: Box<SealedDealing>,
        /// The request to answer; none for the own dealing.
        token: Option<RequestToken>,
    },
    /// The own account in a ceremony.
    Account(ContentId),
    /// The own share of a key.
    Share(Purpose, u64),
    /// The own part of a signature.
    Part(ContentId),
}

/// The work of one seat.
#[derive(Debug)]
pub struct Work {
    own: PublicKey,
    deals: BTreeMap<ContentId, Deal>,
    /// What this seat was dealt, by ceremony and dealer.
    taken: BTreeMap<ContentId, BTreeMap<PublicKey, SealedDealing>>,
    /// Dealings whose acknowledgement is being written down.
    taking: BTreeSet<(ContentId, PublicKey)>,
    shares: BTreeSet<(Purpose, u64)>,
    asked_shares: BTreeSet<(Purpose, u64)>,
    lost_shares: BTreeSet<(Purpose, u64)>,
    pending: BTreeMap<ContentId, Pending>,
    signed: BTreeMap<ContentId, (Subject, ThresholdSignature)>,
    rounds: BTreeMap<u64, ThresholdSignature>,
    seen: Option<u64>,
    repeat_at: Option<Mono>,
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

/// Something to be signed together.
#[derive(Debug)]
struct Pending {
    subject: Subject,
    epoch: u64,
    own: Option<PartialSignature>,
    is_asked: bool,
    is_combining: bool,
    parts: BTreeMap<Seat, PartialSignature>,
    said_at: Option<Mono>,
}

/// What a seat has kept of its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredWork {
    /// What it was dealt.
    pub dealings: Vec<(ContentId, PublicKey, SealedDealing)>,
    /// The keys of which it holds a share.
    pub shares: Vec<(Purpose, u64)>,
}

/// What a seat is to do beside the log.
#[derive(Debug)]
pub enum Duty {
    /// Have it done with the node's secrets, and hand in the result by [`Work::done`].
    Secret {
        /// What.
        task: SecretTask,
        /// What for.
        what: SecretFor,
    },
    /// Send a player what it is dealt.
    Deal {
        /// To whom.
        to: PublicKey,
        /// In which ceremony.
        ceremony: ContentId,
        /// What.
        dealing: Box<SealedDealing>,
    },
    /// Offer something to be decided, here and to all other seats.
    Offer(Entry),
    /// Send parts of signatures to all other seats.
    Parts(Vec<SignaturePart>),
    /// Keep what was dealt, then answer.
    KeepDealing {
        /// What, unless it is kept already.
        dealing: Option<(ContentId, PublicKey, Box<SealedDealing>)>,
        /// The request to answer, and the acknowledgement.
        answer: Option<(RequestToken, Box<Ack>)>,
    },
    /// Keep a share of a key.
    KeepShare {
        /// For what.
        purpose: Purpose,
        /// Of which epoch.
        epoch: u64,
        /// The share, sealed.
        sealed: Vec<u8>,
    },
    /// Tell that the seat has no share of a key.
    LostShare {
        /// For what.
        purpose: Purpose,
        /// Of which epoch.
        epoch: u64,
        /// Why.
        why: String,
    },
    /// Combine parts, and hand in the result by [`Work::combined`].
    Combine {
        /// The name of what is signed.
        subject: ContentId,
        /// The key.
        group: Box<GroupKey>,
        /// What is signed.
        what: Subject,
        /// The epoch of the key.
        epoch: u64,
        /// The parts.
        parts: Vec<(Seat, PartialSignature)>,
    },
    /// Make a certificate known.
    Certified(Certificate),
    /// Refuse a request.
    Refuse(RequestToken),
}

/// What to answer to a dealing.
pub(crate) enum Taken {
    /// It will be answered when it is acknowledged.
    Later(Box<Duty>),
    /// It is being acknowledged, or the ceremony is not known here: the dealer asks again.
    NotNow,
    /// No honest dealer sends this.
    Faulty,
}

impl Work {
    /// Takes up the work where the store left it.
    pub fn new(own: PublicKey, stored: StoredWork) -> Self {
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
            pending: BTreeMap::new(),
            signed: BTreeMap::new(),
            rounds: BTreeMap::new(),
            seen: None,
            repeat_at: None,
        }
    }

    /// Returns when [`Work::on_time`] has something to say again.
    pub const fn due(&self) -> Option<Mono> {
        self.repeat_at
    }

    /// Tells whether this seat holds its share of a key.
    pub fn holds(&self, purpose: Purpose, epoch: u64) -> bool {
        self.shares.contains(&(purpose, epoch))
    }

    /// Returns the committee's signature over something, if this seat knows it.
    pub fn signature(&self, subject: &ContentId) -> Option<ThresholdSignature> {
        self.signed.get(subject).map(|(_, signature)| *signature)
    }

    /// Returns the committee's signature over a round of the beacon, if this seat knows it.
    pub fn round(&self, round: u64) -> Option<ThresholdSignature> {
        self.rounds.get(&round).copied()
    }

    /// Goes on; `is_linked` tells to which seats there is a link.
    pub fn on_time(
        &mut self,
        mesh: &ContentId,
        state: &State,
        is_linked: impl Fn(&PublicKey) -> bool,
        now: Mono,
    ) -> Vec<Duty> {
        let is_news = self.seen != Some(state.height());
        let is_due = self.repeat_at.is_some_and(|at| at <= now);
        if !is_news && !is_due {
            return Vec::new();
        }
        self.seen = Some(state.height());
        let mut todo = Vec::new();
        self.deal(state, &is_linked, now, &mut todo);
        self.share(state, &mut todo);
        if is_news {
            self.expect(mesh, state);
        }
        self.sign(mesh, state, &mut todo);
        self.say(now, &mut todo);
        let is_busy = !self.deals.is_empty() || !self.pending.is_empty();
        self.repeat_at = is_busy.then_some(now + REPEAT_EVERY);
        todo
    }

    /// Takes what a dealer has dealt to this seat.
    pub(crate) fn dealt(
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

    /// Takes an acknowledgement of what this seat has dealt.
    ///
    /// Once all have answered the account is signed at once.
    pub fn acked(&mut self, ceremony: &ContentId, player: PublicKey, ack: Ack, now: Mono) {
        if let Some(deal) = self.deals.get_mut(ceremony) {
            deal.acks.insert(player, ack);
            if deal.acks.len() == deal.dealings.len() {
                self.repeat_at = Some(now);
            }
        }
    }

    /// Takes what came of a secret task.
    pub fn done(&mut self, what: SecretFor, done: SecretDone, now: Mono) -> Vec<Duty> {
        // Whatever comes next is done at once.
        self.repeat_at = Some(self.repeat_at.map_or(now, |at| at.min(now)));
        match (what, done) {
            (SecretFor::Deal(ceremony), SecretDone::Dealt(Ok(dealings))) => {
                if let Some(deal) = self.deals.get_mut(&ceremony) {
                    deal.dealings = dealings;
                    deal.is_asked = false;
                }
            }
            (
                SecretFor::Take {
                    ceremony,
                    dealer,
                    dealing,
                    token,
                },
                SecretDone::Acknowledged(ack),
            ) => {
                self.taking.remove(&(ceremony, dealer));
                let Ok(ack) = ack else {
                    return token
                        .map(|token| vec![Duty::Refuse(token)])
                        .unwrap_or_default();
                };
                let taken = self.taken.entry(ceremony).or_default();
                let is_new = taken.insert(dealer, *dealing.clone()).is_none();
                if token.is_none() {
                    self.acked(&ceremony, self.own, ack.clone(), now);
                }
                return vec![Duty::KeepDealing {
                    dealing: is_new.then_some((ceremony, dealer, dealing)),
                    answer: token.map(|token| (token, Box::new(ack))),
                }];
            }
            (SecretFor::Account(ceremony), SecretDone::Accounted(signed)) => {
                if let Some(deal) = self.deals.get_mut(&ceremony) {
                    deal.is_asked = false;
                    match signed {
                        Ok(signed) => deal.log = Some(signed),
                        Err(bad) => bad.iter().for_each(|player| {
                            deal.acks.remove(player);
                        }),
                    }
                }
            }
            (SecretFor::Share(purpose, epoch), SecretDone::Shared(shared)) => match shared {
                Ok(sealed) => {
                    self.shares.insert((purpose, epoch));
                    return vec![Duty::KeepShare {
                        purpose,
                        epoch,
                        sealed,
                    }];
                }
                Err(why) => {
                    self.lost_shares.insert((purpose, epoch));
                    return vec![Duty::LostShare {
                        purpose,
                        epoch,
                        why,
                    }];
                }
            },
            (SecretFor::Part(subject), SecretDone::Part(part)) => {
                if let Some(pending) = self.pending.get_mut(&subject) {
                    pending.own = part;
                }
            }
            (_, _) => {}
        }
        Vec::new()
    }

    /// Takes parts of another seat; returns the signatures that this seat knows already.
    pub fn hear(
        &mut self,
        state: &State,
        from: &PublicKey,
        parts: &[SignaturePart],
    ) -> (Vec<(ContentId, ThresholdSignature)>, Vec<Duty>) {
        let mut known = Vec::new();
        let mut todo = Vec::new();
        for SignaturePart { subject, part } in parts {
            if let Some((_, signature)) = self.signed.get(subject) {
                known.push((*subject, *signature));
                continue;
            }
            let Some(pending) = self.pending.get_mut(subject) else {
                continue;
            };
            let Some(group) = group_of(state, pending) else {
                continue;
            };
            if let Some(seat) = group.seat_of(from) {
                pending.parts.entry(seat).or_insert(*part);
                todo.extend(pending.combine(*subject, group));
            }
        }
        (known, todo)
    }

    /// Takes signatures that another seat knows already: each is checked as any other.
    pub fn told(
        &mut self,
        mesh: &ContentId,
        state: &State,
        signatures: &[(ContentId, ThresholdSignature)],
    ) -> Vec<Duty> {
        let mut todo = Vec::new();
        for (subject, signature) in signatures {
            let Some(pending) = self.pending.get(subject) else {
                continue;
            };
            let Some(group) = group_of(state, pending) else {
                continue;
            };
            let message = pending.subject.message(mesh, pending.epoch);
            if group.verify(&message, signature).is_ok() {
                todo.extend(self.complete(*subject, *signature));
            }
        }
        todo
    }

    /// Takes what came of combining parts; bad ones are dropped, with their seats named.
    pub fn combined(
        &mut self,
        subject: ContentId,
        result: Result<ThresholdSignature, CombineError>,
    ) -> Vec<Duty> {
        match result {
            Ok(signature) => self.complete(subject, signature),
            Err(error) => {
                if let Some(pending) = self.pending.get_mut(&subject) {
                    pending.is_combining = false;
                    if let CombineError::Bad { seats } = error {
                        pending.parts.retain(|seat, _| !seats.contains(seat));
                    }
                }
                Vec::new()
            }
        }
    }

    fn complete(&mut self, subject: ContentId, signature: ThresholdSignature) -> Vec<Duty> {
        let Some(pending) = self.pending.remove(&subject) else {
            return Vec::new();
        };
        if let Subject::Round(round) = pending.subject {
            self.rounds.insert(round, signature);
            if self.rounds.len() > SIGNED_KEPT_MAX {
                self.rounds.pop_first();
            }
        }
        self.signed.insert(subject, (pending.subject, signature));
        if self.signed.len() > SIGNED_KEPT_MAX {
            let oldest = self
                .signed
                .iter()
                .min_by_key(|(_, (subject, _))| age(subject));
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.signed.remove(&oldest);
            }
        }
        match pending.subject {
            Subject::Statement(statement) => vec![Duty::Certified(Certificate {
                epoch: pending.epoch,
                statement,
                signature,
            })],
            Subject::Round(_) => Vec::new(),
        }
    }

    fn deal(
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
            let may_begin = deal.since + LINKS_WAIT <= now
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

    fn share(&mut self, state: &State, todo: &mut Vec<Duty>) {
        let Some(keys) = state.keys() else { return };
        for purpose in Purpose::ALL {
            let key = (purpose, keys.epoch);
            let Some((ceremony, logs)) = state.made(purpose) else {
                continue;
            };
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
                what: SecretFor::Share(purpose, keys.epoch),
            });
        }
    }

    /// Notes what is to be signed by the log as it stands now.
    fn expect(&mut self, mesh: &ContentId, state: &State) {
        let Some(epoch) = state.keys().map(|keys| keys.epoch) else {
            return;
        };
        let wanted: BTreeMap<_, _> = state
            .subjects()
            .into_iter()
            .map(|subject| (subject.id(mesh, epoch), subject))
            .collect();
        self.pending.retain(|id, _| wanted.contains_key(id));
        for (id, subject) in wanted {
            if !self.signed.contains_key(&id) {
                self.pending.entry(id).or_insert_with(|| Pending {
                    subject,
                    epoch,
                    own: None,
                    is_asked: false,
                    is_combining: false,
                    parts: BTreeMap::new(),
                    said_at: None,
                });
            }
        }
    }

    fn sign(&mut self, mesh: &ContentId, state: &State, todo: &mut Vec<Duty>) {
        for (id, pending) in &mut self.pending {
            let purpose = pending.subject.purpose();
            if pending.own.is_none() {
                if self.shares.contains(&(purpose, pending.epoch)) && !pending.is_asked {
                    pending.is_asked = true;
                    todo.push(Duty::Secret {
                        task: SecretTask::Part {
                            purpose,
                            epoch: pending.epoch,
                            message: pending.subject.message(mesh, pending.epoch),
                        },
                        what: SecretFor::Part(*id),
                    });
                }
                continue;
            }
            let Some(group) = group_of(state, pending) else {
                continue;
            };
            if let (Some(seat), Some(part)) = (group.seat_of(&self.own), pending.own) {
                pending.parts.entry(seat).or_insert(part);
            }
            todo.extend(pending.combine(*id, group));
        }
    }

    /// Says what was not said yet, and again what is not answered.
    fn say(&mut self, now: Mono, todo: &mut Vec<Duty>) {
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
        let mut parts = Vec::new();
        for (subject, pending) in &mut self.pending {
            if let Some(part) = pending.own.filter(|_| is_due(pending.said_at)) {
                pending.said_at = Some(now);
                parts.push(SignaturePart {
                    subject: *subject,
                    part,
                });
            }
        }
        for some in parts.chunks(PARTS_MAX) {
            todo.push(Duty::Parts(some.to_vec()));
        }
    }
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

impl Pending {
    /// Combines the parts once there are enough; a job checks and names bad ones.
    fn combine(&mut self, subject: ContentId, group: &GroupKey) -> Option<Duty> {
        if self.is_combining || self.parts.len() < usize::from(group.threshold()) {
            return None;
        }
        self.is_combining = true;
        Some(Duty::Combine {
            subject,
            group: Box::new(group.clone()),
            what: self.subject,
            epoch: self.epoch,
            parts: self
                .parts
                .iter()
                .map(|(seat, part)| (*seat, *part))
                .collect(),
        })
    }
}

fn group_of<'a>(state: &'a State, pending: &Pending) -> Option<&'a GroupKey> {
    let keys = state.keys().filter(|keys| keys.epoch == pending.epoch)?;
    Some(keys.group(pending.subject.purpose()))
}

/// Orders what was signed by how long ago that was; the newest are kept.
const fn age(subject: &Subject) -> u64 {
    match subject {
        Subject::Statement(Statement::Checkpoint(checkpoint)) => checkpoint.height,
        Subject::Statement(Statement::Ticket(ticket)) => ticket.height,
        Subject::Statement(Statement::Halt(halt)) => halt.height,
        Subject::Round(_) => u64::MAX,
    }
}
