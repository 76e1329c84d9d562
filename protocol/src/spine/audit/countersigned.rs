//! Witnesses of the own log: the members drawn for an epoch, who countersign its head.
//!
//! A checkpoint begins an epoch and draws its witnesses (see [`crate::spine::beacon`]), the same for all logs. A log's author
//! asks them for their signatures under its newest head. A witness signs a head if it holds none of that log, or if the
//! author has shown that the log only grew since the head it holds; it has that on disk before it signs, and keeps it for
//! the epoch. A head is *countersigned* when all but [`Witnesses::faulty_max`] of the drawn have signed it.
//!
//! Two heads of one log that contradict each other can both be countersigned in one epoch only if more than a third of its
//! witnesses have signed both: of n = 3f + 1 drawn, two sets of n − f have f + 1 in common, of whom one is honest if f are
//! hostile at most. From one epoch to the next other witnesses are drawn, who may hold no head of that log: they start
//! from what the author shows them. Whoever kept a head of an earlier epoch asks for the proof that leads on from it.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};

use crate::{
    core::time::{Millis, Mono},
    spine::{
        beacon::{BadDraw, repeat_witnesses},
        halt::Witnesses,
    },
    wire::{Certificate, Countersign, CountersignedHead, HeldHead, LogHead, Placed, Statement},
};

/// Time until a witness that has not signed is asked again, at first: it may have had to ask for a proof before.
const ASK_AGAIN: Millis = Millis::from_secs(3);
/// Longest time between two questions to a witness.
const ASK_AGAIN_MAX: Millis = Millis::from_mins(10);
/// Time until a node looks again who its witnesses are, if its members were not those of the checkpoint.
const LOOK_AGAIN: Millis = Millis::from_secs(30);
/// Shortest time between two heads of one log that witnesses are asked about.
const GATHER_EVERY: Millis = Millis::from_mins(10);
/// By how much the first question may be put off for each member, so that those of a large mesh do not all ask at once.
const SPREAD_A_MEMBER: Millis = Millis(20);

/// Those who are to countersign, and what shows that they were drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrawnWitnesses {
    /// The certificate of the checkpoint that drew them.
    pub certificate: Certificate,
    /// Who was drawn.
    pub keys: Witnesses,
    /// Who stands at the places that the draw looked at.
    pub places: Vec<Placed>,
}

impl DrawnWitnesses {
    /// Returns the height of the checkpoint that drew them.
    pub fn height(&self) -> u64 {
        self.certificate.statement.height()
    }

    /// Returns how many signatures make a head countersigned.
    pub fn quorum(&self) -> usize {
        quorum(&self.keys)
    }
}

fn quorum(witnesses: &Witnesses) -> usize {
    witnesses.keys().len() - witnesses.faulty_max()
}

/// Who has countersigned a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Countersigned {
    /// How many have.
    pub by: usize,
    /// Of how many drawn.
    pub of: usize,
    /// Height of the checkpoint that drew them.
    pub height: u64,
}

/// Why a head is not countersigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCountersigned {
    /// What is to draw the witnesses is no checkpoint.
    #[error("what is to draw its witnesses is no checkpoint")]
    NoCheckpoint,
    /// The draw does not hold.
    #[error("its witnesses are not those that were drawn: {0}")]
    Draw(#[from] BadDraw),
    /// Too few can be drawn for any of them to be hostile.
    #[error("too few can be drawn to witness anything")]
    TooFew,
    /// Somebody signed who was not drawn.
    #[error("{0} signed it and was not drawn")]
    NotDrawn(PublicKey),
    /// A signature does not hold.
    #[error("the signature of the witness {0} does not hold")]
    BadSignature(PublicKey),
    /// Too few have signed.
    #[error("{by} witnesses signed it, {quorum} of {of} are needed")]
    NoQuorum {
        /// Who signed.
        by: usize,
        /// Who must.
        quorum: usize,
        /// Who was drawn.
        of: usize,
    },
}

impl CountersignedHead {
    /// Checks draw and signatures; that the certificate is the committee's, and the head the author's, is the caller's to
    /// check.
    ///
    /// # Errors
    ///
    /// Returns what does not hold.
    pub fn check(&self, mesh: &ContentId) -> Result<Countersigned, NotCountersigned> {
        let Statement::Checkpoint(checkpoint) = &self.certificate.statement else {
            return Err(NotCountersigned::NoCheckpoint);
        };
        let seed = self.certificate.seed();
        let drawn = repeat_witnesses(&self.places, &checkpoint.electorate, &seed)?;
        let drawn = Witnesses::new(drawn).ok_or(NotCountersigned::TooFew)?;
        let held = HeldHead::new(*mesh, checkpoint.height, &self.head);
        for one in &self.signed {
            if !drawn.contains(&one.by) {
                return Err(NotCountersigned::NotDrawn(one.by));
            }
            let verified = one.verify(&held);
            verified.map_err(|_| NotCountersigned::BadSignature(one.by))?;
        }
        let (by, of, quorum) = (self.signed.len(), drawn.keys().len(), quorum(&drawn));
        if by < quorum {
            return Err(NotCountersigned::NoQuorum { by, quorum, of });
        }
        Ok(Countersigned {
            by,
            of,
            height: checkpoint.height,
        })
    }
}

/// The signatures under the own log's heads.
#[derive(Clone, Debug, Default)]
pub struct Countersigning {
    /// When to begin with the newest head.
    begin_at: Option<Mono>,
    begun_at: Option<Mono>,
    gathering: Option<Gathering>,
    newest: Option<(CountersignedHead, Countersigned)>,
}

#[derive(Clone, Debug)]
struct Gathering {
    head: LogHead,
    drawn: DrawnWitnesses,
    signed: BTreeMap<PublicKey, Countersign>,
    ask_at: Mono,
    wait: Millis,
}

impl Countersigning {
    /// Returns the newest head that is countersigned, and by whom.
    pub const fn newest(&self) -> Option<&(CountersignedHead, Countersigned)> {
        self.newest.as_ref()
    }

    /// Returns when something is due.
    pub fn due(&self) -> Option<Mono> {
        let asks = self.gathering.as_ref().map(|gathering| gathering.ask_at);
        self.begin_at.into_iter().chain(asks).min()
    }

    /// Takes note that the log has a head of this size, which is to be countersigned if no larger one is; `draw` is below a
    /// million and spreads those who begin at once over a mesh of so many members.
    pub fn wish(&mut self, now: Mono, size: u64, members: u32, draw: u64) {
        let newest = self.newest.as_ref().map(|(newest, _)| newest.head.size);
        if newest >= Some(size) || self.begin_at.is_some() {
            return;
        }
        let span = u64::from(members).saturating_mul(SPREAD_A_MEMBER.0);
        let later = Millis(span.saturating_mul(draw) / 1_000_000);
        let soonest = self.begun_at.map(|at| at + GATHER_EVERY);
        self.begin_at = Some(soonest.map_or(now, |at| at.max(now)) + later);
    }

    /// Tells whether the newest head is to be signed now, for witnesses to be asked about.
    pub fn take_begin(&mut self, now: Mono) -> bool {
        let is_due = self.begin_at.is_some_and(|at| at <= now);
        if is_due {
            self.begin_at = None;
        }
        is_due
    }

    /// Begins to gather signatures under a head; what was gathered under an older one is dropped.
    pub fn begin(&mut self, now: Mono, head: LogHead, drawn: DrawnWitnesses) {
        self.begun_at = Some(now);
        self.gathering = Some(Gathering {
            head,
            drawn,
            signed: BTreeMap::new(),
            ask_at: now,
            wait: ASK_AGAIN,
        });
    }

    /// Begins later: who the witnesses are cannot be told yet.
    pub fn put_off(&mut self, now: Mono) {
        self.begin_at.get_or_insert(now + LOOK_AGAIN);
    }

    /// Gives up what was begun: others are drawn since, and the newest head is to be begun with anew.
    pub fn give_up(&mut self, now: Mono) {
        if self.gathering.take().is_some() {
            self.begin_at.get_or_insert(now);
        }
    }

    /// Returns the height of the checkpoint whose witnesses are asked.
    pub fn height(&self) -> Option<u64> {
        Some(self.gathering.as_ref()?.drawn.height())
    }

    /// Returns the head that is being countersigned.
    pub fn head(&self) -> Option<&LogHead> {
        Some(&self.gathering.as_ref()?.head)
    }

    /// Lists the witnesses to ask now, and sets the next time.
    pub fn to_ask(&mut self, now: Mono) -> Vec<PublicKey> {
        let Some(gathering) = self.gathering.as_mut().filter(|it| it.ask_at <= now) else {
            return Vec::new();
        };
        gathering.ask_at = now + gathering.wait;
        gathering.wait = Millis((gathering.wait.0 * 2).min(ASK_AGAIN_MAX.0));
        let keys = gathering.drawn.keys.keys().iter();
        let lacking = keys.filter(|key| !gathering.signed.contains_key(*key));
        lacking.copied().collect()
    }

    /// Takes a signature under the head that is being countersigned, found good; tells whether that completes it.
    pub fn take(&mut self, held: &HeldHead, one: Countersign) -> bool {
        let Some(gathering) = &mut self.gathering else {
            return false;
        };
        let asked = HeldHead::new(held.mesh, gathering.drawn.height(), &gathering.head);
        if asked != *held || !gathering.drawn.keys.contains(&one.by) {
            return false;
        }
        gathering.signed.insert(one.by, one);
        if gathering.signed.len() < gathering.drawn.quorum() {
            return false;
        }
        let Some(Gathering {
            head,
            drawn,
            signed,
            ..
        }) = self.gathering.take()
        else {
            return false;
        };
        let countersigned = Countersigned {
            by: signed.len(),
            of: drawn.keys.keys().len(),
            height: drawn.height(),
        };
        let head = CountersignedHead {
            head,
            certificate: drawn.certificate,
            places: drawn.places,
            signed: signed.into_values().collect(),
        };
        self.newest = Some((head, countersigned));
        true
    }
}
