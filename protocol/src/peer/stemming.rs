//! Sensitive records on their stem (`spine::delivery::Stem`): sent along, taken from links, and gossiped at the end.
//!
//! What this node's user said stands in its index and on its disk, withheld from whoever reconciles. What others said is
//! verified, so that nothing is passed on that costs nothing, and otherwise not looked at before it is gossiped: it is in
//! no index, on no disk, and nothing follows from it. A node that starts anew has forgotten it, and withholds nothing; who
//! is further along the stem gossips it.

use x0_crypto::{ContentId, PublicKey};

use super::{
    AfterPersist, Asked, Peer,
    ingest::{Origin, publish},
};
use crate::{
    core::{
        effect::{Effect, Outbox},
        event::Event,
        ids::{RequestId, RequestToken},
        reject::RejectReason,
        time::Now,
    },
    spine::delivery::{Ended, Stem},
    wire::{Record, Request, Response, Unverified, Verified},
};

impl Peer {
    /// Makes the effect by which something leaves this node that its user said, or that only it may have heard: a sensitive
    /// record goes along a stem, all else is gossiped.
    pub(super) fn first_word(&mut self, now: Now, record: &Verified<Record>) -> Effect {
        if !record.value().body().is_sensitive() {
            return publish(record.value());
        }
        let links = &self.links;
        let stem = self.stem.get_or_insert_with(|| Stem::new(&self.rng).into());
        match stem.pass(now.mono, record.clone(), None, links) {
            Ok(to) => {
                self.index.withhold(record.value().id());
                self.send_along(to, record)
            }
            Err(_) => publish(record.value()),
        }
    }

    fn send_along(&mut self, to: PublicKey, record: &Verified<Record>) -> Effect {
        let id = RequestId(self.fresh_id());
        // Whether it arrived makes no difference: the wait is for the record to be heard.
        self.asked.insert(id, Asked::Told);
        let request = Request::Stem(record.to_unverified());
        Effect::Request { id, to, request }
    }

    /// Takes a record from the link before. The answer tells nothing of what is known here.
    pub(super) fn on_stem(
        &mut self,
        now: Now,
        (from, token): (PublicKey, RequestToken),
        record: Unverified<Record>,
        out: &mut Outbox,
    ) {
        let response = Response::Noted;
        out.push(Effect::Respond { token, response });
        let id = record.peek().id();
        let is_held = self.stem.as_ref().is_some_and(|stem| stem.holds(&id));
        if is_held {
            return self.pass_again(now, &id, &from, out);
        }
        if !self.index.contains(&id) && self.bound(now, record.peek()).is_ok() {
            self.check_records(vec![record], Origin::Stem { from }, out);
        }
    }

    fn pass_again(&mut self, now: Now, id: &ContentId, from: &PublicKey, out: &mut Outbox) {
        let links = &self.links;
        let stem = self.stem.as_mut();
        if let Some((to, record)) = stem.and_then(|stem| stem.pass_again(now.mono, id, from, links))
        {
            let sent = self.send_along(to, &record);
            out.push(sent);
        }
    }

    /// Passes a record along, once it is verified, or gossips it.
    pub(super) fn on_stem_checked(
        &mut self,
        now: Now,
        from: PublicKey,
        checked: Vec<Result<Verified<Record>, RejectReason>>,
        out: &mut Outbox,
    ) {
        for checked in checked {
            let record = match checked {
                Ok(record) => record,
                Err(reason) => {
                    let why = reason.to_string();
                    out.push(Effect::Notify(Event::Rejected { from, why }));
                    continue;
                }
            };
            // It may have been heard while it was looked at.
            let id = record.value().id();
            let is_held = self.stem.as_ref().is_some_and(|stem| stem.holds(&id));
            if is_held || self.index.contains(&id) {
                continue;
            }
            let links = &self.links;
            let stem = self.stem.get_or_insert_with(|| Stem::new(&self.rng).into());
            match stem.pass(now.mono, record.clone(), Some(&from), links) {
                Ok(to) => {
                    let sent = self.send_along(to, &record);
                    out.push(sent);
                }
                Err(ended) => self.gossip(now, ended, out),
            }
        }
    }

    /// Gossips a record whose stem has ended here. What others said is taken in by that, as if it came by gossip.
    fn gossip(&mut self, now: Now, ended: Ended, out: &mut Outbox) {
        let Ended { record, is_own } = ended;
        if is_own {
            self.index.show(&record.value().id());
            return out.push(publish(record.value()));
        }
        let mut writes = Vec::new();
        let taken = self.accept(now, record.clone(), true, &mut writes, out);
        // Others may know what this node lacks to take it in.
        let is_bad = taken.is_err_and(|reason| reason.is_senders_fault());
        if !is_bad {
            out.push(publish(record.value()));
        }
        self.retry_orphans(now, &mut writes, out);
        self.keep(now, writes, AfterPersist::Nothing, out);
    }

    /// Gossips what was not heard in time.
    pub(super) fn run_stem(&mut self, now: Now, out: &mut Outbox) {
        while let Some(ended) = self.stem.as_mut().and_then(|stem| stem.take_due(now.mono)) {
            self.gossip(now, ended, out);
        }
    }

    /// Takes note that a record has been gossiped by somebody.
    pub(super) fn hear_gossiped(&mut self, id: &ContentId) {
        if let Some(stem) = &mut self.stem
            && stem.forget(id).is_some()
        {
            self.index.show(id);
        }
    }

    /// Gossips a record that is on a stem here and that one link has handed over: others may not have it yet.
    pub(super) fn hear_handed(&mut self, now: Now, id: &ContentId, out: &mut Outbox) {
        if let Some(ended) = self.stem.as_mut().and_then(|stem| stem.forget(id)) {
            self.gossip(now, ended, out);
        }
    }
}
