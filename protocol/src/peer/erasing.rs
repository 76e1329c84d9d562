//! Erasing what records say at their authors' wish, and collecting receipts of it.
//!
//! The husks are written in the same group as the erasure that asks for them, and the entry of the audit log with both:
//! whoever shows that entry to the author has the bodies on disk no more.

use std::collections::BTreeSet;

use x0_crypto::{ContentId, PublicKey};

use super::{AfterPersist, Asked, Peer, Waiting, refuse, requests::respond};
use crate::{
    core::{
        command::{CommandError, ErasureRefusal, ErasureView},
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::{CommandId, RequestToken},
        job::Job,
        time::Now,
    },
    spine::{audit::What, erasure::ErasureReceipt},
    wire::{
        AuditAsk, AuditShown, Body, Erasure, LogHead, Place, Record, Refused, Request, Response,
        ShownFault,
    },
};

impl Peer {
    /// Takes note of an erasure: what it covers is forgotten here, and not taken in again.
    pub(super) fn hear_erasure(&mut self, now: Now, record: &Record) {
        self.erasures.learn(record);
        if record.author() == self.config.key {
            self.receipts.hurry(now.mono);
        }
    }

    /// Makes the writes that leave of each record that an erasure covers only its husk; none if the record is none.
    pub(super) fn erase(&mut self, now: Now, record: &Record) -> Vec<Write> {
        let Body::Erasure(erasure) = record.body() else {
            return Vec::new();
        };
        let records = self.covered(record.place(), erasure);
        for id in &records {
            self.acts.forget(id);
        }
        self.capabilities.forget(&records);
        let entry = self.log(
            now,
            What::Erased {
                erasure: record.id(),
                author: record.author(),
                records: u32::try_from(records.len()).unwrap_or(u32::MAX),
            },
        );
        let by = record.id();
        let erase = (!records.is_empty()).then_some(Write::Erase { records, by });
        erase.into_iter().chain([entry]).collect()
    }

    /// Lists the records known here that an erasure covers, in order of id.
    fn covered(&self, by: &Place, erasure: &Erasure) -> Vec<ContentId> {
        let (author, seq) = by.at;
        let places = match erasure {
            Erasure::All => self.index.before(&author, seq),
            Erasure::Records(ids) => ids
                .iter()
                .filter_map(|id| self.index.place(id).cloned())
                .collect(),
        };
        let covered = places.iter().filter(|place| erasure.covers(by, place));
        let covered: BTreeSet<_> = covered.map(|place| place.id).collect();
        covered.into_iter().collect()
    }

    /// Says to all that own records are to be erased.
    pub(super) fn propose_erasure(
        &mut self,
        now: Now,
        id: CommandId,
        records: Option<Vec<ContentId>>,
        out: &mut Outbox,
    ) {
        let erasure = match records {
            None => Ok(Erasure::All),
            Some(records) => self.check_erasable(now, records).map(Erasure::Records),
        };
        let erasure = erasure.map_err(CommandError::Erasure);
        let written = erasure
            .and_then(|erasure| self.write_for(now, id, Body::Erasure(erasure), out))
            .map(|_| ());
        if let Err(error) = written {
            refuse(id, error, out);
        }
    }

    /// Checks that all of these are own records which can be erased now, and brings them in order.
    fn check_erasable(
        &self,
        now: Now,
        records: Vec<ContentId>,
    ) -> Result<Vec<ContentId>, ErasureRefusal> {
        let records: BTreeSet<_> = records.into_iter().collect();
        for id in &records {
            let place = self.index.place(id).ok_or(ErasureRefusal::Unknown(*id))?;
            if place.at.0 != self.config.key {
                return Err(ErasureRefusal::Others(*id));
            }
            if !place.kind.is_erasable() {
                return Err(ErasureRefusal::Needed(*id));
            }
            if !place.kind.is_erasable_at(place.time, now.wall) {
                return Err(ErasureRefusal::TooYoung(*id));
            }
        }
        match records.len() {
            0 => Err(ErasureRefusal::Nothing),
            len if len > crate::core::limits::ERASED_IDS_MAX => Err(ErasureRefusal::TooMany(len)),
            _ => Ok(records.into_iter().collect()),
        }
    }

    /// Lists own erasures with what came of them.
    pub(super) fn erasure_views(&self) -> Vec<ErasureView> {
        let own = self.config.key;
        let view = |(place, erasure): (&Place, &Erasure)| ErasureView {
            id: place.id,
            time: place.time,
            covered: u32::try_from(self.covered(place, erasure).len()).unwrap_or(u32::MAX),
            all: *erasure == Erasure::All,
            receipts: self.receipts.of(&place.id).cloned().collect(),
            members: self.directory.active_count(),
        };
        self.erasures.of(&own).map(view).collect()
    }

    /// Asks links that have shown nothing yet about own erasures.
    pub(super) fn run_receipts(&mut self, now: Now, out: &mut Outbox) {
        if self.receipts.due().is_none_or(|at| at > now.mono) {
            return;
        }
        let own = self.erasures.of(&self.config.key);
        let own: Vec<_> = own.map(|(place, _)| place.id).collect();
        let links: Vec<_> = self.links.greeted().collect();
        for (node, erasure) in self.receipts.to_ask(now.mono, &own, &links) {
            let ask = Box::new(AuditAsk {
                halt: None,
                acts: vec![erasure],
                known: self.audit.head_of(&node).map(|head| head.size),
                from: 0,
            });
            let request = Request::Audit(ask.clone());
            self.ask(node, request, Asked::Audit { node, ask }, out);
        }
    }

    /// Looks for what a new link may still have to show.
    pub(super) fn ask_for_receipts(&mut self, now: Now) {
        if self.erasures.of(&self.config.key).next().is_some() {
            self.receipts.hurry(now.mono);
        }
    }

    /// Answers who asks what the own log says of erasures.
    pub(super) fn on_erasures_asked(
        &mut self,
        now: Now,
        token: RequestToken,
        ask: Box<AuditAsk>,
        out: &mut Outbox,
    ) {
        let is_erasure = |id: &ContentId| {
            let place = self.index.place(id);
            place.is_some_and(|place| self.erasures.contains(place))
        };
        if !ask.acts.iter().all(is_erasure) {
            return respond(token, Response::Refused(Refused::NoAnswer), out);
        }
        self.sign_shown(now, ask, super::pulling::ShowTo::Asker(token), out);
    }

    /// Has what a node shows of an erasure checked.
    pub(super) fn check_receipt(
        &mut self,
        node: PublicKey,
        ask: Box<AuditAsk>,
        shown: AuditShown,
        out: &mut Outbox,
    ) {
        let held = self.audit.head_of(&node).filter(|held| {
            // A head that came since is newer than what was asked for; the next one is compared with it.
            ask.known == Some(held.size)
        });
        let job = Job::Shown {
            author: node,
            acts: ask.acts.iter().copied().collect(),
            held: held.cloned().map(Box::new),
            shown: Box::new(shown),
        };
        let id = self.job(Waiting::Shown { node, ask });
        out.push(Effect::Check { id, job });
    }

    /// Keeps a receipt that holds.
    pub(super) fn on_receipt_checked(
        &mut self,
        now: Now,
        (node, ask): (PublicKey, &AuditAsk),
        checked: Result<AuditShown, (ShownFault, LogHead)>,
        out: &mut Outbox,
    ) {
        match checked {
            Ok(shown) => {
                for erasure in &ask.acts {
                    let receipt = ErasureReceipt {
                        erasure: *erasure,
                        shown: shown.clone(),
                    };
                    if self.receipts.keep(receipt.clone()) {
                        let write = Write::Receipt(Box::new(receipt));
                        let told = Effect::Notify(Event::ErasedAt {
                            erasure: *erasure,
                            node,
                        });
                        self.persist(vec![write], AfterPersist::Effects(vec![told]), out);
                    }
                }
            }
            Err((fault, head)) => {
                let why = format!("its audit log does not hold: {fault}");
                out.push(Effect::Notify(Event::Rejected { from: node, why }));
                if matches!(fault, ShownFault::Rewritten { .. } | ShownFault::Cut { .. }) {
                    self.on_split_view(now, &head, out);
                }
            }
        }
    }
}
