//! Drills: a guardian's node tries by itself whether what it keeps for others would open, before anybody needs it.
//!
//! Each share is opened and checked against the commitments in force, one after the other, so that a release that falls due
//! meanwhile waits for one share and not for thousands. Whether content is there is the driver's matter, which then has the
//! mesh told what came of it: a number, once a day, by the node's own word.

use x0_crypto::PublicKey;

use super::{Peer, Waiting, refuse, releasing::VaultFor};
use crate::{
    core::{
        command::Reply,
        effect::{Effect, Outbox},
        ids::CommandId,
        limits::DRILL_EVERY,
        reject::RejectReason,
        secret::SecretTask,
        share_tasks::TryTask,
        sublime::{DrillFault, SublimeRefusal, TriedShare},
        time::{Mono, Now, Wall},
    },
    sublime::shares::{KeptShare, ShareKeyName},
    wire::{Body, Drilled, Record, SublimeBody},
};

/// The drill of this node that runs, and when it last told of one.
#[derive(Default)]
pub(super) struct Drilling {
    running: Option<Drill>,
    told: Option<Wall>,
}

struct Drill {
    command: CommandId,
    /// Items whose share is not tried yet, the next one last.
    left: Vec<PublicKey>,
    tried: Vec<TriedShare>,
    began: Mono,
}

impl Peer {
    /// Tries the shares that this node keeps.
    pub(super) fn drill(&mut self, now: Now, id: CommandId, out: &mut Outbox) {
        let vault = self.vault.get_or_insert_default();
        if vault.drilling.running.is_some() {
            return refuse(id, SublimeRefusal::DrillRuns.into(), out);
        }
        let mut left: Vec<_> = vault.shares.iter().map(|share| share.item).collect();
        left.reverse();
        vault.drilling.running = Some(Drill {
            command: id,
            left,
            tried: Vec::new(),
            began: now.mono,
        });
        self.try_next(now, out);
    }

    fn try_next(&mut self, now: Now, out: &mut Outbox) {
        loop {
            let Some(vault) = &mut self.vault else {
                return;
            };
            let Some(drill) = &mut vault.drilling.running else {
                return;
            };
            drill.began = now.mono;
            let Some(item) = drill.left.pop() else {
                let (id, tried) = (drill.command, std::mem::take(&mut drill.tried));
                vault.drilling.running = None;
                let reply = Ok(Reply::Tried(tried));
                return out.push(Effect::Reply { id, reply });
            };
            // It may have been dealt on meanwhile.
            let Some(share) = vault.shares.of(&item).cloned() else {
                continue;
            };
            let known = vault.known.by_key(&item);
            let in_force = known.map(|(_, item)| vault.known.in_force(item).sharing);
            let fault = match in_force {
                None => DrillFault::NotKnown,
                Some(sharing) if sharing.id() != share.sharing => DrillFault::NotInForce,
                Some(sharing) => {
                    let commitments = sharing.commitments.clone();
                    let (item, name) = (share.item, share.key());
                    let id = self.job(Waiting::Vault(VaultFor::Drill { item, name }));
                    let task = TryTask { share, commitments };
                    let task = Box::new(SecretTask::TryShare(Box::new(task)));
                    return out.push(Effect::Secret { id, task });
                }
            };
            self.on_found(now, &share, Err(fault));
        }
    }

    /// Takes what came of trying a share.
    pub(super) fn on_tried(
        &mut self,
        now: Now,
        (item, name): (PublicKey, ShareKeyName),
        found: Result<(), DrillFault>,
        out: &mut Outbox,
    ) {
        let Some(vault) = &mut self.vault else {
            return;
        };
        let kept = vault.shares.of(&item).cloned();
        match kept.filter(|kept| kept.key() == name) {
            Some(share) => self.on_found(now, &share, found),
            // Another has taken its place meanwhile, or none: its key was destroyed as it should be.
            None => {
                if let Some(drill) = &mut vault.drilling.running {
                    drill.left.push(item);
                }
            }
        }
        self.try_next(now, out);
    }

    fn on_found(&mut self, now: Now, share: &KeptShare, found: Result<(), DrillFault>) {
        let Some(vault) = &mut self.vault else {
            return;
        };
        let known = vault.known.by_key(&share.item);
        let item = known.map(|(id, item)| (*id, item.clone()));
        if let Some(drill) = &mut vault.drilling.running {
            drill.tried.push(TriedShare {
                key: share.item,
                item,
                epoch: share.epoch,
                index: share.index,
                found,
                took: now.mono.since(drill.began),
            });
        }
    }

    /// Tells the mesh what came of a drill, unless that was done within a day.
    pub(super) fn tell_drill(&mut self, now: Now, id: CommandId, said: Drilled, out: &mut Outbox) {
        let own = self.config.key;
        let vault = self.vault.as_ref();
        let last = vault.and_then(|vault| {
            let known = vault.known.drill(&own).map(|last| last.time);
            known.max(vault.drilling.told)
        });
        let is_soon =
            last.is_some_and(|last| self.mesh_date(last) + DRILL_EVERY > self.mesh_date(now.wall));
        if is_soon {
            return refuse(id, SublimeRefusal::DrilledLately.into(), out);
        }
        let body = Body::Sublime(SublimeBody::Drilled(said));
        match self.write_for(now, id, body, out) {
            Ok(_) => self.vault.get_or_insert_default().drilling.told = Some(now.wall),
            Err(error) => refuse(id, error, out),
        }
    }

    /// Bounds what a member tells of drills: once a day of mesh time.
    pub(super) fn bound_drill(&self, record: &Record) -> Result<(), RejectReason> {
        let Body::Sublime(SublimeBody::Drilled(_)) = record.body() else {
            return Ok(());
        };
        let day = |dated| self.mesh_date(dated).0 / DRILL_EVERY.0;
        let known = self.vault.as_ref().map(|vault| &vault.known);
        match known.is_none_or(|known| known.is_of_another_day(record, day)) {
            true => Ok(()),
            false => Err(RejectReason::NotEntitled(
                "a member tells of a drill once a day",
            )),
        }
    }
}
