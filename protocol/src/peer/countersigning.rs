//! Countersigned heads of audit logs: asks the epoch's witnesses about the own log, and signs as a witness for others.

use std::sync::Arc;

use x0_crypto::PublicKey;

use super::{AfterPersist, Asked, Peer, Waiting, requests::respond};
use crate::{
    core::{
        effect::{Effect, Outbox, Write},
        ids::{JobId, RequestToken},
        job::Job,
        limits::{CLOCK_SKEW_MAX, COUNTERSIGN_AGE_MAX},
        reject::RejectReason,
        time::Now,
    },
    spine::{
        audit::{
            Seen,
            countersigned::{Countersigned, DrawnWitnesses},
        },
        beacon::{WitnessDraw, draw_witnesses, witness_places},
        committee::Roll,
        halt::Witnesses,
    },
    wire::{
        Certificate, Countersign, CountersignAsk, CountersignedHead, HeldHead, LogHead, Refused,
        Request, Response, Unverified,
    },
};

impl Peer {
    /// Heeds that a checkpoint has begun an epoch, with other witnesses.
    pub(super) fn heed_epoch(&mut self, now: Now) {
        let Some(checkpoint) = self.trust.checkpoint() else {
            return;
        };
        let height = checkpoint.height;
        self.audit.enter_epoch(height);
        if let Some(own) = &mut self.countersigning
            && own.height().is_some_and(|asked| asked != height)
        {
            own.give_up(now.mono);
        }
        self.wish_countersigned(now);
    }

    /// Has the newest head of the own log countersigned before long, if there are witnesses.
    pub(super) fn wish_countersigned(&mut self, now: Now) {
        let (size, _) = self.audit.head();
        if size == 0 || self.trust.checkpoint().is_none() {
            return;
        }
        let members = self.directory.active_count();
        let draw = self.rng.below(1_000_000);
        let own = self.countersigning.get_or_insert_default();
        own.wish(now.mono, size, members, draw);
    }

    /// Signs the newest head when it is to be countersigned, and asks the witnesses who have not signed it.
    pub(super) fn run_countersigning(&mut self, now: Now, out: &mut Outbox) {
        let Some(own) = &mut self.countersigning else {
            return;
        };
        if own.take_begin(now.mono) {
            let (size, root) = self.audit.head();
            let id = self.job(Waiting::SignForWitnesses);
            let time = now.wall;
            return out.push(Effect::SignHead {
                id,
                size,
                root,
                time,
            });
        }
        let asked = own.to_ask(now.mono);
        let (Some(head), Some(height)) = (own.head().cloned(), own.height()) else {
            return;
        };
        let held = HeldHead::new(self.directory.mesh(), height, &head);
        for to in asked {
            if to == self.config.key {
                let answer = None;
                let id = self.job(Waiting::SignCountersign { held, answer });
                out.push(Effect::Countersign { id, held });
                continue;
            }
            let head = Unverified::from_wire(head.clone());
            let ask = Box::new(CountersignAsk { head, height });
            let asked = Asked::Countersign { held };
            self.ask(to, Request::Countersign(ask), asked, out);
        }
    }

    /// Begins to gather signatures under a head that was just signed.
    pub(super) fn on_head_for_witnesses(&mut self, now: Now, head: LogHead, out: &mut Outbox) {
        let drawn = self.drawn_witnesses();
        let own = self.countersigning.get_or_insert_default();
        match drawn {
            Some(drawn) => own.begin(now.mono, head, drawn),
            None => own.put_off(now.mono),
        }
        self.run_countersigning(now, out);
    }

    /// Returns the witnesses that the newest checkpoint draws, with what shows that.
    fn drawn_witnesses(&self) -> Option<DrawnWitnesses> {
        let (certificate, roll, drawn) = self.draw_of_epoch()?;
        Some(DrawnWitnesses {
            places: witness_places(&roll, &drawn)?,
            keys: Witnesses::new(drawn.keys)?,
            certificate,
        })
    }

    /// Makes the draw of the newest checkpoint; none if nothing is certified, or if the members known here are not those
    /// that were certified.
    pub(super) fn draw_of_epoch(&self) -> Option<(Certificate, Arc<Roll>, WitnessDraw)> {
        let checkpoint = self.trust.checkpoint()?;
        let certificate = self.trust.certificate()?;
        let roll = self.directory.roll(checkpoint.time);
        if roll.electorate() != checkpoint.electorate {
            return None;
        }
        let drawn = draw_witnesses(&roll, &certificate.seed());
        Some((certificate, roll, drawn))
    }

    /// Has a signature checked that a witness has given.
    pub(super) fn on_countersign_answer(
        &mut self,
        held: HeldHead,
        one: Countersign,
        out: &mut Outbox,
    ) {
        let id = self.job(Waiting::Countersigned { held, one });
        let job = Job::Countersigned { held, one };
        out.push(Effect::Check { id, job });
    }

    /// Takes what this node has signed as a witness: for itself, or in answer to somebody.
    pub(super) fn on_countersign_signed(&mut self, id: JobId, one: Countersign, out: &mut Outbox) {
        let Some(Waiting::SignCountersign { held, answer }) = self.waiting.remove(&id) else {
            return;
        };
        match answer {
            Some(token) => respond(token, Response::Countersigned(one), out),
            None => self.on_countersigned(&held, one),
        }
    }

    /// Counts a signature that holds.
    pub(super) fn on_countersigned(&mut self, held: &HeldHead, one: Countersign) {
        if let Some(own) = &mut self.countersigning {
            own.take(held, one);
        }
    }

    /// Returns the newest head of the own log that is countersigned.
    pub(super) fn countersigned(&self) -> Option<&(CountersignedHead, Countersigned)> {
        self.countersigning.as_ref()?.newest()
    }

    /// Looks at a head that its author asks to be countersigned.
    pub(super) fn on_countersign_asked(
        &mut self,
        now: Now,
        from: PublicKey,
        token: RequestToken,
        ask: CountersignAsk,
        out: &mut Outbox,
    ) {
        let CountersignAsk { head, height } = ask;
        let (author, dated) = (head.peek().author, head.peek().time);
        if author != from {
            return respond(token, Response::Refused(Refused::Malformed), out);
        }
        let is_recent =
            dated <= now.wall + CLOCK_SKEW_MAX && now.wall <= dated + COUNTERSIGN_AGE_MAX;
        if !is_recent || !self.is_witness_at(height) {
            return respond(token, Response::Refused(Refused::NoAnswer), out);
        }
        let id = self.job(Waiting::Countersign { token, height });
        let job = Job::Head(head);
        out.push(Effect::Check { id, job });
    }

    fn is_witness_at(&mut self, height: u64) -> bool {
        let newest = self.trust.checkpoint().map(|checkpoint| checkpoint.height);
        let own = self.config.key;
        newest == Some(height) && self.witnesses().is_some_and(|drawn| drawn.contains(&own))
    }

    /// Signs a head whose author's signature was checked, once it is on disk as the newest held of that log. An author
    /// whose log has grown shows that first, and asks again.
    pub(super) fn on_countersign_checked(
        &mut self,
        now: Now,
        (token, height): (RequestToken, u64),
        head: Result<LogHead, RejectReason>,
        out: &mut Outbox,
    ) {
        let refuse = |refused, out: &mut Outbox| respond(token, Response::Refused(refused), out);
        let Ok(head) = head else {
            return refuse(Refused::Malformed, out);
        };
        match self.audit.weigh(&head) {
            Seen::Noted => {
                if !self.audit.promise(&head, height) {
                    return refuse(Refused::NoAnswer, out);
                }
                let held = HeldHead::new(self.directory.mesh(), height, &head);
                let answer = Some(token);
                let id = self.job(Waiting::SignCountersign { held, answer });
                let sign = vec![Effect::Countersign { id, held }];
                let write = vec![Write::Witnessed(head)];
                self.persist(write, AfterPersist::Effects(sign), out);
            }
            Seen::Prove { old, new } => {
                let to = head.author;
                let request = Request::Consistency { old, new };
                self.ask(to, request, Asked::Consistency { head, old }, out);
                refuse(Refused::NoAnswer, out);
            }
            Seen::Split(known) => {
                self.on_two_heads(now, known, head, out);
                refuse(Refused::NoAnswer, out);
            }
        }
    }
}
