//! Records of our own: one at a time, each at the next place of the chain, on disk before it is sent.

use x0_crypto::ContentId;

use super::{AfterPersist, Peer, Waiting, ingest::publish, refuse};
use crate::{
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox, Write},
        ids::{CommandId, JobId},
        reject::RejectReason,
        time::Now,
    },
    spine::audit::What,
    wire::{Body, Draft, Record, SublimeBody, Verified},
};

/// A record to be written as soon as its turn comes.
pub(super) struct Wanted {
    body: Body,
    command: Option<CommandId>,
}

impl Peer {
    /// Writes a record as soon as the chain is known and no other is being signed.
    pub(super) fn write(
        &mut self,
        now: Now,
        body: Body,
        command: Option<CommandId>,
        out: &mut Outbox,
    ) {
        self.wanted.push_back(Wanted { body, command });
        self.write_next(now, out);
    }

    pub(super) fn write_next(&mut self, now: Now, out: &mut Outbox) {
        if !self.chain.ready || self.chain.signing {
            return;
        }
        let Some(Wanted { body, command }) = self.wanted.pop_front() else {
            return;
        };
        self.chain.signing = true;
        let [salt @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.rng.bytes();
        let place = match self.chain.head {
            Some((seq, head)) => (seq + 1, Some(head)),
            None => (0, None),
        };
        let mesh = Some(self.directory.mesh());
        let draft = Draft::new(mesh, self.config.key, place, now.wall, salt, body);
        let id = self.job(Waiting::Sign(command));
        out.push(Effect::Sign {
            id,
            draft: Box::new(draft),
        });
    }

    pub(super) fn on_signed(
        &mut self,
        now: Now,
        id: JobId,
        result: Result<Verified<Record>, RejectReason>,
        out: &mut Outbox,
    ) {
        let Some(Waiting::Sign(command)) = self.waiting.remove(&id) else {
            return;
        };
        self.chain.signing = false;
        match result {
            Ok(record) => {
                let header = record.value().header();
                self.chain.head = Some((header.seq, record.value().id()));
                let what = What::Wrote {
                    record: record.value().id(),
                    kind: header.kind.0,
                };
                let mut writes = vec![Write::Record(record.clone()), self.log(now, what)];
                writes.extend(self.erase(now, record.value()));
                self.persist(writes, AfterPersist::Wrote { record, command }, out);
            }
            Err(reason) => {
                if let Some(command) = command {
                    refuse(command, CommandError::Record(reason), out);
                }
            }
        }
        self.write_next(now, out);
    }

    pub(super) fn on_wrote(
        &mut self,
        now: Now,
        record: Verified<Record>,
        command: Option<CommandId>,
        out: &mut Outbox,
    ) {
        let id: ContentId = record.value().id();
        let taken = self.take_effect(now, &record, true, out);
        let mut writes = Vec::new();
        self.place(now, &record, &mut writes, out);
        if !writes.is_empty() {
            self.persist(writes, AfterPersist::Nothing, out);
        }
        out.push(publish(record.value()));
        if let Some(command) = command {
            let reply = taken
                .map(|()| Reply::Recorded(id))
                .map_err(CommandError::Record);
            out.push(Effect::Reply { id: command, reply });
        }
        if let Body::Sublime(SublimeBody::Guardian(word)) = record.value().body() {
            self.on_served(word, out);
        }
        if let Body::Act(act) = record.value().body() {
            self.on_act_written(act, id, out);
            self.acts.track(record.clone());
            self.watch(now, &record, out);
            self.consider(now, record, out);
        }
    }
}
