//! Rotation of guardians at the nodes of new ones: a dealer's part is looked at, checked and written down, and once the committee
//! has certified whose parts count, they are put together to the new share. A dealer whose part is wrong is named.

use x0_crypto::{PublicKey, sublime::ShareIndex};

use super::{
    AfterPersist, Asked, Peer, Waiting, acting::shorten, releasing::VaultFor, requests::respond,
};
use crate::{
    core::{
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::RequestToken,
        limits::SHARES_KEPT_MAX,
        secret::SecretTask,
        share_tasks::{JoinTask, PartFault, PartTask},
        time::Now,
    },
    spine::audit::What,
    sublime::shares::{KeptPart, KeptParts, KeptShare, ShareKeyName, SublimeWrite},
    wire::{
        Appointed, Complaint, PartAck, PartAsk, Refused, Request, Response, RotationAnswer,
        RotationDealing, RotationPlan, SublimeAsk,
    },
};

impl Peer {
    /// Looks at a dealer's part for a new share of this node, and has it opened and checked.
    pub(super) fn on_part_asked(
        &mut self,
        now: Now,
        from: PublicKey,
        token: Option<RequestToken>,
        ask: PartAsk,
        out: &mut Outbox,
    ) {
        let answer = |token: Option<RequestToken>, refused, out: &mut Outbox| {
            if let Some(token) = token {
                respond(token, Response::Refused(refused), out);
            }
        };
        let (item, dealing) = (ask.plan.item, &ask.dealing);
        if let Some(ack) = self.part_kept(&item, dealing).cloned() {
            return self.answer_part(item, token, ack, out);
        }
        let index = match self.look_at_part(now, &from, &ask) {
            Ok(index) => index,
            Err(refused) => return answer(token, refused, out),
        };
        let place = (dealing.plan, dealing.index);
        let vault = self.vault.get_or_insert_default();
        if vault.redealing.refused.contains(&place) {
            let why = PartFault::BadPart.to_string();
            return answer(token, Refused::NotEntitled { why }, out);
        }
        if !vault.redealing.taking.insert(place) {
            return answer(token, Refused::NoAnswer, out);
        }
        let before = vault.known.shared(&item).map(|(stated, _)| stated.plan);
        let mesh = self.directory.mesh();
        let (plan, dealing) = (Box::new(ask.plan.clone()), Box::new(ask.dealing.clone()));
        let id = self.job(Waiting::Vault(VaultFor::Part {
            token,
            plan,
            dealing,
        }));
        let task = PartTask {
            mesh,
            ask,
            before,
            index,
        };
        let task = Box::new(SecretTask::TakePart(Box::new(task)));
        out.push(Effect::Secret { id, task });
    }

    fn part_kept(&self, item: &PublicKey, dealing: &RotationDealing) -> Option<&PartAck> {
        let kept = self.vault.as_ref()?.redealing.parts.get(item)?;
        let part = kept
            .of(dealing.index)
            .filter(|part| part.dealing == *dealing)?;
        Some(&part.ack)
    }

    /// Checks whether a part belongs to a certified rotation in which this node is a new guardian, and returns its number.
    fn look_at_part(
        &self,
        now: Now,
        from: &PublicKey,
        ask: &PartAsk,
    ) -> Result<ShareIndex, Refused> {
        let refused = |why: &str| {
            Err(Refused::NotEntitled {
                why: why.to_owned(),
            })
        };
        let (plan, dealing) = (&ask.plan, &ask.dealing);
        if dealing.dealer != *from {
            return Err(Refused::Malformed);
        }
        // What is not known here yet comes with records: the dealer asks again.
        let open = self.rotation_under_way(now, &plan.item);
        let Some(vault) = self.vault.as_ref() else {
            return Err(Refused::NoAnswer);
        };
        if vault.known.forgotten(&plan.item).is_some() {
            return refused("the item is to be forgotten");
        }
        let item = vault.known.by_key(&plan.item).map(|(_, item)| item);
        let (Some(open), Some(item)) = (open, item) else {
            return Err(Refused::NoAnswer);
        };
        if open.plan != dealing.plan || plan.id(&self.directory.mesh()) != dealing.plan {
            return Err(Refused::NoAnswer);
        }
        if vault.known.in_force(item).sharing.id() != plan.from.id() {
            return Err(Refused::NoAnswer);
        }
        if vault.known.guardian(&self.config.key).is_none() {
            return refused("its member does not serve as a guardian");
        }
        if vault.shares.count() >= SHARES_KEPT_MAX {
            return refused("it keeps as many shares as it can");
        }
        match plan.index_of(&self.config.key) {
            Some(index) => Ok(index),
            None => refused("it is none of the new guardians"),
        }
    }

    fn answer_part(
        &mut self,
        item: PublicKey,
        token: Option<RequestToken>,
        ack: PartAck,
        out: &mut Outbox,
    ) {
        match token {
            Some(token) => {
                let kept = Response::Rotation(RotationAnswer::Kept(ack));
                respond(token, kept, out);
            }
            None => self.on_part_kept(&item, ack, out),
        }
    }

    /// Keeps a part that was found good; names a dealer whose part was not.
    pub(super) fn on_part_taken(
        &mut self,
        now: Now,
        token: Option<RequestToken>,
        (plan, dealing): (RotationPlan, RotationDealing),
        taken: Result<Box<KeptPart>, PartFault>,
        out: &mut Outbox,
    ) {
        let place = (dealing.plan, dealing.index);
        let own = self.config.key;
        let vault = self.vault.get_or_insert_default();
        vault.redealing.taking.remove(&place);
        let (part, index) = match (taken, plan.index_of(&own)) {
            (Ok(part), Some(index)) => (*part, index),
            (Ok(_), None) => return,
            (Err(fault), _) => {
                if let Some(token) = token {
                    let why = shorten(&fault.to_string());
                    respond(token, Response::Refused(Refused::NotEntitled { why }), out);
                }
                return self.on_bad_part(now, &plan, dealing, &fault, out);
            }
        };
        let item = plan.item;
        let redealing = &mut vault.redealing;
        let old = redealing.parts.remove(&item);
        let (mut kept, gone) = match old {
            Some(kept) if kept.name == dealing.plan => (kept, Vec::new()),
            old => {
                let gone = old.iter().flat_map(KeptParts::keys).collect();
                let kept = KeptParts {
                    plan,
                    name: dealing.plan,
                    index,
                    parts: Vec::new(),
                };
                (kept, gone)
            }
        };
        let ack = part.ack.clone();
        kept.parts
            .retain(|known| known.dealing.index != dealing.index);
        kept.parts.push(part);
        kept.parts.sort_by_key(|part| part.dealing.index);
        redealing.parts.insert(item, kept.clone());
        let write = Write::Sublime(SublimeWrite::Parts(Box::new(kept)));
        let after = AfterPersist::PartKept {
            item,
            token,
            ack,
            gone,
        };
        self.persist(vec![write], after, out);
    }

    pub(super) fn on_part_written(
        &mut self,
        (item, token): (PublicKey, Option<RequestToken>),
        ack: PartAck,
        gone: Vec<ShareKeyName>,
        out: &mut Outbox,
    ) {
        if let Some(effect) = self.destroy(gone) {
            out.push(effect);
        }
        self.answer_part(item, token, ack, out);
        // It may have been certified meanwhile.
        if let Some(vault) = &mut self.vault {
            vault.redealing.look_at(item);
        }
    }

    fn on_bad_part(
        &mut self,
        now: Now,
        plan: &RotationPlan,
        dealing: RotationDealing,
        fault: &PartFault,
        out: &mut Outbox,
    ) {
        let is_public = match fault {
            PartFault::NotADealer | PartFault::Here(_) => return,
            PartFault::BadDealing => true,
            PartFault::BadPart => false,
        };
        let vault = self.vault.get_or_insert_default();
        if !vault
            .redealing
            .refused
            .insert((dealing.plan, dealing.index))
        {
            return;
        }
        let own = self.config.key;
        let what = What::BadDealer {
            item: plan.item,
            epoch: plan.epoch,
            dealer: dealing.dealer,
        };
        let told = Event::BadDealer {
            item: plan.item,
            epoch: plan.epoch,
            dealer: dealing.dealer,
            by: own,
            is_public,
        };
        let write = self.log(now, what);
        let effects = vec![Effect::Notify(told)];
        self.persist(vec![write], AfterPersist::Effects(effects), out);
        let complaint = Complaint { dealing, is_public };
        for seat in self.seats().to_vec() {
            if seat == own {
                self.hear_complaint(own, &complaint, out);
                continue;
            }
            let ask = SublimeAsk::Complain(Box::new(complaint.clone()));
            self.ask(seat, Request::Sublime(Box::new(ask)), Asked::Told, out);
        }
    }

    /// Puts this node's new share together.
    pub(super) fn join_share(&mut self, item: PublicKey, task: JoinTask, out: &mut Outbox) {
        let vault = self.vault.get_or_insert_default();
        if !vault.redealing.joining.insert(item) {
            return;
        }
        let id = self.job(Waiting::Vault(VaultFor::Join(Box::new(task.clone()))));
        let task = Box::new(SecretTask::JoinShare(Box::new(task)));
        out.push(Effect::Secret { id, task });
    }

    pub(super) fn on_joined(
        &mut self,
        now: Now,
        task: JoinTask,
        joined: Result<Vec<u8>, String>,
        out: &mut Outbox,
    ) {
        let JoinTask { kept, shared } = task;
        let item = kept.plan.item;
        let vault = self.vault.get_or_insert_default();
        vault.redealing.joining.remove(&item);
        let epoch = shared.sharing.epoch;
        let sealed = match joined {
            Ok(sealed) => sealed,
            Err(why) => {
                out.push(Effect::Notify(Event::ShareNotMade { item, epoch, why }));
                self.drop_parts(&item, out);
                return self.retire_share(now, &item, epoch, out);
            }
        };
        let share = KeptShare {
            item,
            owner: None,
            sharing: shared.sharing.id(),
            epoch,
            index: kept.index,
            sealed: sealed.into(),
            appointed: Appointed::Plan(Box::new(kept.plan.clone())),
        };
        vault.redealing.parts.remove(&item);
        let old = vault.shares.drop(&item);
        vault.shares.keep(share.clone());
        vault.redealing.showing.add(item);
        vault.releasing.look();
        let gone = kept.keys().chain(old.map(|old| old.key())).collect();
        let what = What::ShareKept {
            item,
            epoch,
            owner: None,
        };
        let writes = vec![
            self.log(now, what),
            Write::Sublime(SublimeWrite::Share(Box::new(share))),
            Write::Sublime(SublimeWrite::NoParts(item)),
        ];
        let after = self.destroy(gone).into_iter().collect();
        self.persist(writes, AfterPersist::Effects(after), out);
    }
}
