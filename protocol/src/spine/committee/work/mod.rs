//! What a seat works at beside the log: keys to be made, and things to be signed together.
//!
//! All of it follows from the log's [`State`] and from what the seat has kept, so that it goes on after a restart:
//!
//! - *Deal*: as long as a ceremony is open, send every player what it is dealt, collect acknowledgements, and offer
//!   the signed account. A seat waits with dealing until it is linked to all players, but not for ever.
//! - *Take*: keep what one is dealt, sealed, then acknowledge it. A second, different dealing is refused.
//! - *Share*: when the log has made the keys, find the own share of each and keep it.
//! - *Forget*: once other keys are in force, erase the shares of the old ones and what they were found from.
//! - *Sign*: send the own part of everything that is to be signed until the whole signature is known. Who has it
//!   answers with it. A seat whose part of what opens a ballot was bad has no part in opening others of that epoch.

mod making;
mod signing;

use std::collections::BTreeSet;

use x0_crypto::{
    ContentId, PublicKey,
    committee::{
        Ack, CombineError, GroupKey, PartialSignature, Purpose, SealedDealing, Seat,
        ThresholdSignature,
    },
};

use self::{making::Making, signing::Signing};
use super::State;
use crate::{
    core::{
        ids::RequestToken,
        secret::{SecretDone, SecretTask},
        time::{Millis, Mono},
    },
    wire::{Certificate, Entry, SignaturePart, Subject},
};

/// Time after which a seat says again what is not answered.
const REPEAT_EVERY: Millis = Millis(1_000);

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
    /// Nothing: shares of keys that are over are forgotten.
    Forget,
}

/// The work of one seat.
#[derive(Debug)]
pub struct Work {
    making: Making,
    signing: Signing,
    seen: Option<u64>,
    repeat_at: Option<Mono>,
}

/// What a seat has kept of its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredWork {
    /// What it was dealt.
    pub dealings: Vec<(ContentId, PublicKey, SealedDealing)>,
    /// The keys of which it holds a share.
    pub shares: Vec<(Purpose, u64)>,
}

impl StoredWork {
    /// Returns what erases all of it; none if there is nothing.
    pub(crate) fn forget(self) -> Option<Vec<Duty>> {
        let dealings = self.dealings.into_iter();
        let dealings: Vec<_> = dealings.map(|(of, dealer, _)| (of, dealer)).collect();
        forget(u64::MAX, self.shares, dealings)
    }
}

/// Returns what erases shares and dealings; none if there are none.
fn forget(
    before: u64,
    shares: Vec<(Purpose, u64)>,
    dealings: Vec<(ContentId, PublicKey)>,
) -> Option<Vec<Duty>> {
    let is_none = shares.is_empty() && dealings.is_empty();
    let from_keyring = Duty::Secret {
        task: SecretTask::Forget { before },
        what: SecretFor::Forget,
    };
    (!is_none).then(|| vec![from_keyring, Duty::Forget { shares, dealings }])
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
    /// Erase what is kept of keys that are over.
    Forget {
        /// Shares.
        shares: Vec<(Purpose, u64)>,
        /// What was dealt, by ceremony and dealer.
        dealings: Vec<(ContentId, PublicKey)>,
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
    /// Put what opens a ballot into the log.
    Opened {
        /// The vote.
        proposal: ContentId,
        /// Whose ballot.
        voter: PublicKey,
        /// The committee's signature over its label.
        signature: ThresholdSignature,
    },
    /// Tell that a seat's part of what opens a ballot was bad.
    LeftOut(PublicKey),
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
        Self {
            making: Making::new(own, stored),
            signing: Signing::new(own),
            seen: None,
            repeat_at: None,
        }
    }

    /// Returns what the seat has kept of its work.
    pub(crate) fn kept(mut self) -> StoredWork {
        self.making.take_kept()
    }

    /// Lets go of all that the seat has kept: it is none any more.
    pub(crate) fn forget(&mut self) -> Option<Vec<Duty>> {
        self.making.take_kept().forget()
    }

    /// Returns when [`Work::on_time`] has something to say again.
    pub const fn due(&self) -> Option<Mono> {
        self.repeat_at
    }

    /// Tells whether this seat holds its share of a key.
    pub fn holds(&self, purpose: Purpose, epoch: u64) -> bool {
        self.making.holds(purpose, epoch)
    }

    /// Returns the committee's signature over something, if this seat knows it.
    pub fn signature(&self, subject: &ContentId) -> Option<ThresholdSignature> {
        self.signing.signature(subject)
    }

    /// Returns the committee's signature over a round of the beacon, if this seat knows it.
    pub fn round(&self, round: u64) -> Option<ThresholdSignature> {
        self.signing.round(round)
    }

    /// Goes on; `is_linked` tells to which seats there is a link, and tickets of the acts in `withheld` are not signed.
    pub fn on_time(
        &mut self,
        mesh: &ContentId,
        (state, withheld): (&State, &BTreeSet<ContentId>),
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
        self.making.deal(state, &is_linked, now, &mut todo);
        self.making.share(state, &mut todo);
        if is_news {
            self.making.forget(state, &mut todo);
            self.signing.expect(mesh, state);
        }
        self.signing
            .sign(mesh, (state, withheld), &self.making, &mut todo);
        self.making.say(now, &mut todo);
        self.signing.say(now, &mut todo);
        let is_busy = self.making.is_busy() || self.signing.is_busy();
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
        self.making.dealt(state, dealer, ceremony, dealing, token)
    }

    /// Takes an acknowledgement of what this seat has dealt.
    ///
    /// Once all have answered the account is signed at once.
    pub fn acked(&mut self, ceremony: &ContentId, player: PublicKey, ack: Ack, now: Mono) {
        if self.making.acked(ceremony, player, ack) {
            self.repeat_at = Some(now);
        }
    }

    /// Takes what came of a secret task.
    pub fn done(&mut self, what: SecretFor, done: SecretDone, now: Mono) -> Option<Duty> {
        // Whatever comes next is done at once.
        self.repeat_at = Some(self.repeat_at.map_or(now, |at| at.min(now)));
        match (what, done) {
            (SecretFor::Deal(ceremony), SecretDone::Dealt(Ok(dealings))) => {
                self.making.has_dealt(&ceremony, dealings);
                None
            }
            (
                SecretFor::Take {
                    ceremony,
                    dealer,
                    dealing,
                    token,
                },
                SecretDone::Acknowledged(ack),
            ) => self
                .making
                .has_taken(ceremony, (dealer, dealing), token, ack),
            (SecretFor::Account(ceremony), SecretDone::Accounted(signed)) => {
                self.making.has_accounted(&ceremony, signed);
                None
            }
            (SecretFor::Share(purpose, epoch), SecretDone::Shared(shared)) => {
                Some(self.making.has_share((purpose, epoch), shared))
            }
            (SecretFor::Part(subject), SecretDone::Part(part)) => {
                self.signing.has_signed(&subject, part);
                None
            }
            (_, _) => None,
        }
    }

    /// Takes parts of another seat; returns the signatures that this seat knows already.
    pub fn hear(
        &mut self,
        state: &State,
        from: &PublicKey,
        parts: &[SignaturePart],
    ) -> (Vec<(ContentId, ThresholdSignature)>, Vec<Duty>) {
        self.signing.hear(state, from, parts)
    }

    /// Takes signatures that another seat knows already: each is checked as any other.
    pub fn told(
        &mut self,
        mesh: &ContentId,
        state: &State,
        signatures: &[(ContentId, ThresholdSignature)],
    ) -> Vec<Duty> {
        self.signing.told(mesh, state, signatures)
    }

    /// Takes what came of combining parts; bad ones are dropped, with their seats named.
    pub fn combined(
        &mut self,
        state: &State,
        subject: ContentId,
        result: Result<ThresholdSignature, CombineError>,
    ) -> Vec<Duty> {
        self.signing.combined(state, subject, result)
    }
}
