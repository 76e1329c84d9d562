//! Rotation of guardians at their own nodes: dealing a share on, and letting the old one go; `taking` has what new guardians
//! do.
//!
//! ```text
//! old guardian   a rotation is open -> asks a seat for the plan -> deals -> hands each new guardian its part
//!                -> tells the seats who has theirs -> the rotation is fixed and certified -> destroys its share
//! new guardian   checks a part, writes it down -> says so -> the rotation is certified -> puts its share together
//! ```
//!
//! Nobody destroys a share before the committee has certified that enough new guardians have a part of each of the dealers that
//! count. Each step follows from what is on disk and from records; after a crash it is taken again, and comes to the same.
//!
//! Dealers take turns, so that a rotation for which three suffice does not cost the work of ten.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use x0_crypto::{
    ContentId, PublicKey,
    sublime::{AccessStructure, ShareIndex},
};

use super::{AfterPersist, Asked, Peer, Waiting, keeping::Showing, releasing::VaultFor};
use crate::{
    core::{
        effect::{Effect, Outbox, Write},
        event::Event,
        limits::{DEAL_TURN, RECEIPTS_OF_ITEM_MAX, ROTATION_AGAIN, ROTATION_LIFE},
        secret::SecretTask,
        share_tasks::{JoinTask, RedealTask, Redealt},
        time::{Millis, Mono, Now},
    },
    spine::audit::What,
    sublime::{
        putting::is_safe,
        shares::{ForgetReceipt, KeptParts, KeptShare, ShareKeyName, SublimeWrite},
    },
    wire::{
        Dealt, GuardianAsk, GuardianWants, PartAck, PartAsk, Request, Response, RotationAnswer,
        RotationDealing, RotationPlan, RotationStated, SublimeAsk,
    },
};

/// Items whose guardian wants to be rid of them that are told to the seats at a time.
const LEFT_AT_ONCE: usize = 16;

/// What a guardian's node does in rotations.
#[derive(Default)]
pub(super) struct Redealing {
    /// Items to be looked at: something has become of their rotation.
    pending: BTreeSet<PublicKey>,
    /// The shares that this node deals on, by item.
    dealers: BTreeMap<PublicKey, Dealer>,
    /// The parts of new shares that this node keeps, by item.
    pub(super) parts: BTreeMap<PublicKey, KeptParts>,
    /// Parts that are being checked, by plan and dealer.
    pub(super) taking: BTreeSet<(ContentId, ShareIndex)>,
    /// Dealers whose part was found to be wrong, by plan.
    pub(super) refused: BTreeSet<(ContentId, ShareIndex)>,
    /// Items whose new share is being put together.
    pub(super) joining: BTreeSet<PublicKey>,
    /// Whose nodes have destroyed their share of items that this member has had forgotten, by item and node.
    pub(super) receipts: BTreeMap<PublicKey, BTreeMap<PublicKey, ForgetReceipt>>,
    /// What this node still has to show to seats.
    pub(super) showing: Showing,
    /// When the seats are told again which shares this node wants to be rid of.
    leave_at: Option<Mono>,
}

/// How far this node is with dealing a share on.
struct Dealer {
    plan: ContentId,
    at: Mono,
    tries: usize,
    dealt: Option<Box<OwnDealt>>,
}

/// What this node has dealt.
struct OwnDealt {
    plan: RotationPlan,
    dealing: RotationDealing,
    parts: BTreeMap<ShareIndex, Vec<u8>>,
    acks: BTreeMap<ShareIndex, PartAck>,
}

impl Redealing {
    /// Has an item looked at.
    pub(super) fn look_at(&mut self, item: PublicKey) {
        self.pending.insert(item);
    }

    /// Has it told to the seats which shares this node wants to be rid of.
    pub(super) const fn leave(&mut self) {
        self.leave_at = Some(Mono(0));
    }

    pub(super) fn due(&self) -> Option<Mono> {
        if !self.pending.is_empty() {
            return Some(Mono(0));
        }
        let dealers = self.dealers.values().map(|dealer| dealer.at);
        let showing = self.showing.due();
        dealers.chain(self.leave_at).chain(showing).min()
    }

    /// Tells whether this node deals a share of an item on.
    pub(super) fn deals(&self, item: &PublicKey) -> bool {
        self.dealers.contains_key(item)
    }

    /// Keeps that a node has destroyed its share; `false` if that is known, or enough nodes have said so.
    pub(super) fn keep_receipt(&mut self, receipt: &ForgetReceipt) -> bool {
        let of_item = self.receipts.entry(receipt.item).or_default();
        if of_item.len() >= RECEIPTS_OF_ITEM_MAX || of_item.contains_key(&receipt.by) {
            return false;
        }
        of_item.insert(receipt.by, *receipt);
        true
    }
}

/// Returns after how many turns a guardian deals: as many deal in each turn as it takes, in an order that the plan's name says.
fn turn(plan: &ContentId, access: AccessStructure, own: ShareIndex) -> u64 {
    let rank = |index: ShareIndex| -> [u8; 32] {
        Sha256::new()
            .chain_update(plan.digest())
            .chain_update([index.number()])
            .finalize()
            .into()
    };
    let own = rank(own);
    let others = access.indices();
    let before = others.filter(|index| rank(*index) < own).count() as u64;
    before / u64::from(access.threshold())
}

impl Peer {
    /// Returns when something is to be done about a rotation.
    pub(super) fn rotations_due(&self) -> Option<Mono> {
        let vault = self.vault.as_ref().filter(|_| self.chain.ready)?;
        let desk = vault.desk.due().filter(|_| self.committee.is_some());
        [desk, vault.redealing.due()].into_iter().flatten().min()
    }

    /// Does what is due in rotations.
    pub(super) fn run_rotations(&mut self, now: Now, out: &mut Outbox) {
        if self.rotations_due().is_none_or(|at| at > now.mono) {
            return;
        }
        self.look_for_due(now, out);
        let Some(vault) = &mut self.vault else { return };
        for item in std::mem::take(&mut vault.redealing.pending) {
            self.settle_rotation(now, &item, out);
        }
        self.run_dealers(now, out);
        self.run_leaving(now, out);
        self.run_showing(now, out);
    }

    /// Looks at an item whose rotation has come further: begins to deal, puts the new share together, lets the old one go.
    fn settle_rotation(&mut self, now: Now, item: &PublicKey, out: &mut Outbox) {
        if self.forget_share(now, item, out) {
            return;
        }
        let Some(vault) = &mut self.vault else { return };
        let shared = vault.known.shared(item).cloned();
        if let Some((stated, shared)) = shared {
            vault.redealing.dealers.remove(item);
            let kept = vault.redealing.parts.get(item);
            if let Some(kept) = kept.filter(|kept| kept.plan.epoch <= stated.epoch) {
                let is_whole = kept.name == stated.plan && kept.of_dealers(&shared).is_some();
                if is_whole {
                    let kept = kept.clone();
                    return self.join_share(*item, JoinTask { kept, shared }, out);
                }
                self.drop_parts(item, out);
            }
            self.retire_share(now, item, stated.epoch, out);
        }
        self.begin_dealing(now, item);
    }

    /// Destroys what this node keeps of an item that is to be forgotten, and tells who says so; tells whether it is one.
    fn forget_share(&mut self, now: Now, item: &PublicKey, out: &mut Outbox) -> bool {
        let Some(vault) = &mut self.vault else {
            return false;
        };
        let Some(by) = vault.known.forgotten(item).copied() else {
            return false;
        };
        vault.redealing.dealers.remove(item);
        let share = vault.shares.of(item);
        let share = share.map(|share| (share.epoch, share.index));
        self.drop_parts(item, out);
        if let Some((epoch, index)) = share {
            self.retire_share(now, item, u32::MAX, out);
            let item = *item;
            match by == self.config.key {
                true => {
                    let receipt = ForgetReceipt {
                        item,
                        by,
                        epoch,
                        index,
                    };
                    self.on_forgot(receipt, out);
                }
                false => {
                    let ask = SublimeAsk::Forgot { item, epoch, index };
                    self.ask(by, Request::Sublime(Box::new(ask)), Asked::Told, out);
                }
            }
        }
        true
    }

    /// Writes down that a guardian's node has destroyed its share of an item that this member has had forgotten; a node is
    /// counted once.
    pub(super) fn on_forgot(&mut self, receipt: ForgetReceipt, out: &mut Outbox) {
        let own = self.config.key;
        let vault = self.vault.get_or_insert_default();
        if vault.known.forgotten(&receipt.item) != Some(&own)
            || !vault.redealing.keep_receipt(&receipt)
        {
            return;
        }
        let ForgetReceipt { item, by, .. } = receipt;
        let told = Effect::Notify(Event::Forgot { item, by });
        let writes = vec![Write::Sublime(SublimeWrite::Destroyed(receipt))];
        self.persist(writes, AfterPersist::Effects(vec![told]), out);
    }

    /// Takes up dealing, if a rotation of what this node keeps is open.
    fn begin_dealing(&mut self, now: Now, item: &PublicKey) {
        let Some(stated) = self.rotation_under_way(now, item) else {
            return;
        };
        let scale = self.time_scale().max(1);
        let Some(vault) = &mut self.vault else { return };
        let Some(share) = vault.shares.of(item) else {
            return;
        };
        let Some((_, known)) = vault.known.by_key(item) else {
            return;
        };
        let access = vault.known.in_force(known).sharing.access();
        let redealing = &mut vault.redealing;
        if redealing
            .dealers
            .get(item)
            .is_some_and(|dealer| dealer.plan == stated.plan)
        {
            return;
        }
        let turns = turn(&stated.plan, access, share.index);
        let dealer = Dealer {
            plan: stated.plan,
            at: now.mono + Millis(DEAL_TURN.0 * turns / scale),
            tries: 0,
            dealt: None,
        };
        redealing.dealers.insert(*item, dealer);
    }

    /// Returns the rotation of an item that is open and not given up yet, as far as is known here.
    pub(super) fn rotation_under_way(&self, now: Now, item: &PublicKey) -> Option<RotationStated> {
        let vault = self.vault.as_ref()?;
        let open = vault.known.rotation(item).copied()?;
        (open.time + ROTATION_LIFE > self.mesh_time(now)).then_some(open)
    }

    fn run_dealers(&mut self, now: Now, out: &mut Outbox) {
        let Some(vault) = &mut self.vault else { return };
        let dealers = vault.redealing.dealers.iter_mut();
        let due: Vec<_> = dealers
            .filter(|(_, dealer)| dealer.at <= now.mono)
            .map(|(item, dealer)| {
                dealer.at = now.mono + ROTATION_AGAIN;
                dealer.tries += 1;
                (*item, dealer.plan, dealer.tries, dealer.dealt.is_some())
            })
            .collect();
        for (item, plan, tries, has_dealt) in due {
            let open = self.rotation_under_way(now, &item);
            if open.is_none_or(|open| open.plan != plan) {
                if let Some(vault) = &mut self.vault {
                    vault.redealing.dealers.remove(&item);
                }
            } else if has_dealt {
                self.hand_out(now, &item, out);
            } else {
                self.ask_for_plan(now, &item, tries, out);
            }
        }
    }

    /// Asks a seat for the plan, each time another one.
    fn ask_for_plan(&mut self, now: Now, item: &PublicKey, tries: usize, out: &mut Outbox) {
        if let Some(plan) = self.open_plan(item).cloned() {
            return self.on_plan(now, plan, out);
        }
        let own = self.config.key;
        let seats = self.seats().iter().filter(|seat| **seat != own);
        let seats: Vec<_> = seats.copied().collect();
        let Some(seat) = seats.get(tries % seats.len().max(1)).copied() else {
            return;
        };
        if let Some(ask) = self.guardian_ask(item, GuardianWants::Plan) {
            let request = Request::Sublime(Box::new(SublimeAsk::Guardian(Box::new(ask))));
            self.ask(seat, request, Asked::Plan { item: *item }, out);
        }
    }

    pub(super) fn guardian_ask(
        &self,
        item: &PublicKey,
        what: GuardianWants,
    ) -> Option<GuardianAsk> {
        let share = self.vault.as_ref()?.shares.of(item)?;
        Some(GuardianAsk {
            item: *item,
            index: share.index,
            appointed: share.appointed.clone(),
            what,
        })
    }

    pub(super) fn on_plan_answer(
        &mut self,
        now: Now,
        item: &PublicKey,
        response: Option<Response>,
        out: &mut Outbox,
    ) {
        if let Some(Response::Rotation(RotationAnswer::Plan(plan))) = response
            && plan.item == *item
        {
            self.on_plan(now, *plan, out);
        }
    }

    /// Deals this node's share on by a plan, if it is the certified one.
    fn on_plan(&mut self, now: Now, plan: RotationPlan, out: &mut Outbox) {
        let mesh = self.directory.mesh();
        let open = self.rotation_under_way(now, &plan.item);
        let Some(vault) = &self.vault else { return };
        let Some(share) = vault.shares.of(&plan.item) else {
            return;
        };
        let is_certified = open.is_some_and(|open| open.plan == plan.id(&mesh));
        if !is_certified || plan.from.id() != share.sharing {
            return;
        }
        let to = plan.access.indices().zip(&plan.guardians);
        let to = to.filter_map(|(index, guardian)| {
            let key = vault.known.guardian(guardian)?;
            Some((index, *guardian, key.clone()))
        });
        let to = to.collect();
        let task = RedealTask {
            mesh,
            share: share.clone(),
            plan: plan.clone(),
            to,
        };
        let plan = Box::new(plan);
        let id = self.job(Waiting::Vault(VaultFor::Redeal(plan)));
        let task = Box::new(SecretTask::Redeal(Box::new(task)));
        out.push(Effect::Secret { id, task });
    }

    pub(super) fn on_redealt(
        &mut self,
        now: Now,
        plan: RotationPlan,
        redealt: Option<Box<Redealt>>,
        out: &mut Outbox,
    ) {
        let item = plan.item;
        let vault = self.vault.get_or_insert_default();
        let Some(dealer) = vault.redealing.dealers.get_mut(&item) else {
            return;
        };
        let Some(redealt) = redealt.filter(|redealt| redealt.dealing.plan == dealer.plan) else {
            // Its key is gone: others deal.
            vault.redealing.dealers.remove(&item);
            return;
        };
        let Redealt { dealing, parts } = *redealt;
        dealer.dealt = Some(Box::new(OwnDealt {
            plan,
            dealing,
            parts: parts.into_iter().collect(),
            acks: BTreeMap::new(),
        }));
        self.hand_out(now, &item, out);
    }

    /// Hands each new guardian its part that has not taken it yet, and tells the seats who has.
    fn hand_out(&mut self, now: Now, item: &PublicKey, out: &mut Outbox) {
        let Some(vault) = &self.vault else { return };
        let Some(share) = vault.shares.of(item) else {
            return;
        };
        let dealer = vault.redealing.dealers.get(item);
        let Some(dealt) = dealer.and_then(|dealer| dealer.dealt.as_deref()) else {
            return;
        };
        let left = dealt.parts.iter();
        let left = left.filter(|(index, _)| !dealt.acks.contains_key(index));
        let asks: Vec<_> = left
            .filter_map(|(index, sealed)| {
                let to = *dealt.plan.guardian(*index)?;
                let ask = PartAsk {
                    plan: dealt.plan.clone(),
                    dealing: dealt.dealing.clone(),
                    appointed: share.appointed.clone(),
                    sealed: sealed.clone().into(),
                };
                Some((*index, to, ask))
            })
            .collect();
        self.tell_dealt(item, out);
        let own = self.config.key;
        for (index, to, ask) in asks {
            if to == own {
                self.on_part_asked(now, own, None, ask, out);
                continue;
            }
            let request = Request::Sublime(Box::new(SublimeAsk::Part(Box::new(ask))));
            let item = *item;
            self.ask(to, request, Asked::Part { item, index }, out);
        }
    }

    /// Tells the seats who has this dealer's parts, once they are enough.
    fn tell_dealt(&mut self, item: &PublicKey, out: &mut Outbox) {
        let vault = self.vault.as_ref();
        let dealer = vault.and_then(|vault| vault.redealing.dealers.get(item));
        let Some(dealt) = dealer.and_then(|dealer| dealer.dealt.as_deref()) else {
            return;
        };
        if !is_safe(dealt.acks.len(), dealt.plan.access) {
            return;
        }
        let told = Dealt {
            dealing: dealt.dealing.clone(),
            acks: dealt.acks.values().cloned().collect(),
        };
        let plan = dealt.plan.clone();
        let own = self.config.key;
        for seat in self.seats().to_vec() {
            if seat == own {
                self.check_dealt(Box::new(plan.clone()), told.clone(), out);
                continue;
            }
            let ask = SublimeAsk::Dealt(Box::new(told.clone()));
            self.ask(seat, Request::Sublime(Box::new(ask)), Asked::Told, out);
        }
    }

    pub(super) fn on_part_answer(
        &mut self,
        (item, index): (PublicKey, ShareIndex),
        response: Option<Response>,
        out: &mut Outbox,
    ) {
        if let Some(Response::Rotation(RotationAnswer::Kept(ack))) = response
            && ack.guardian == index
        {
            self.on_part_kept(&item, ack, out);
        }
    }

    pub(super) fn on_part_kept(&mut self, item: &PublicKey, ack: PartAck, out: &mut Outbox) {
        let vault = self.vault.get_or_insert_default();
        let dealer = vault.redealing.dealers.get_mut(item);
        let Some(dealt) = dealer.and_then(|dealer| dealer.dealt.as_deref_mut()) else {
            return;
        };
        let is_enough = |dealt: &OwnDealt| is_safe(dealt.acks.len(), dealt.plan.access);
        let before = is_enough(dealt);
        dealt.acks.insert(ack.guardian, ack);
        // Told once there are enough, and once all have theirs; in between with the next round.
        if is_enough(dealt) && (!before || dealt.acks.len() == dealt.parts.len()) {
            self.tell_dealt(item, out);
        }
    }

    /// Lets go of a share of an epoch before the one in force.
    pub(super) fn retire_share(
        &mut self,
        now: Now,
        item: &PublicKey,
        epoch: u32,
        out: &mut Outbox,
    ) {
        let Some(vault) = &mut self.vault else { return };
        if vault
            .shares
            .of(item)
            .is_none_or(|share| share.epoch >= epoch)
        {
            return;
        }
        let Some(share) = vault.shares.drop(item) else {
            return;
        };
        let what = What::ShareDestroyed {
            item: *item,
            epoch: share.epoch,
        };
        let writes = vec![
            self.log(now, what),
            Write::Sublime(SublimeWrite::NoShare(*item)),
        ];
        let after = self.destroy(vec![share.key()]).into_iter().collect();
        self.persist(writes, AfterPersist::Effects(after), out);
    }

    /// Lets go of the parts of a rotation that has come to something else.
    pub(super) fn drop_parts(&mut self, item: &PublicKey, out: &mut Outbox) {
        let Some(vault) = &mut self.vault else { return };
        let Some(parts) = vault.redealing.parts.remove(item) else {
            return;
        };
        let writes = vec![Write::Sublime(SublimeWrite::NoParts(*item))];
        let after = self.destroy(parts.keys().collect()).into_iter().collect();
        self.persist(writes, AfterPersist::Effects(after), out);
    }

    pub(super) fn destroy(&mut self, names: Vec<ShareKeyName>) -> Option<Effect> {
        if names.is_empty() {
            return None;
        }
        let id = self.job(Waiting::Vault(VaultFor::Destroyed));
        let task = Box::new(SecretTask::DestroyShareKeys(names));
        Some(Effect::Secret { id, task })
    }

    /// Destroys what a crash may have left: the keys of shares and parts that this node does not keep.
    pub(super) fn recall_shares(&mut self, out: &mut Outbox) {
        let Some(vault) = &mut self.vault else { return };
        let shares = vault.shares.iter().map(KeptShare::key);
        let parts = vault.redealing.parts.values().flat_map(KeptParts::keys);
        let names = shares.chain(parts).collect();
        let items = vault.shares.iter().map(|share| share.item);
        let items = items.chain(vault.redealing.parts.keys().copied());
        vault.redealing.pending = items.collect();
        if !vault.shares.is_empty() {
            vault.redealing.showing.look();
        }
        let id = self.job(Waiting::Vault(VaultFor::Destroyed));
        let task = Box::new(SecretTask::RetainShareKeys(names));
        out.push(Effect::Secret { id, task });
    }

    /// Tells the seats which shares this node wants to be rid of, as its member serves no longer.
    fn run_leaving(&mut self, now: Now, out: &mut Outbox) {
        let Some(vault) = &mut self.vault else { return };
        if vault.redealing.leave_at.is_none_or(|at| at > now.mono) {
            return;
        }
        let serves = vault.known.guardian(&self.config.key).is_some();
        if serves || vault.shares.is_empty() {
            vault.redealing.leave_at = None;
            return;
        }
        vault.redealing.leave_at = Some(now.mono + ROTATION_AGAIN);
        let items = vault.shares.iter().map(|share| share.item);
        let items: Vec<_> = items
            .filter(|item| vault.known.rotation(item).is_none())
            .take(LEFT_AT_ONCE)
            .collect();
        let own = self.config.key;
        let seats = self.seats().to_vec();
        for item in items {
            let sharing = self.vault.as_ref().and_then(|vault| vault.shares.of(&item));
            let Some(sharing) = sharing.map(|share| share.sharing) else {
                continue;
            };
            let Some(ask) = self.guardian_ask(&item, GuardianWants::Leave) else {
                continue;
            };
            for seat in &seats {
                if *seat == own {
                    self.note_leaving(item, sharing);
                    continue;
                }
                let ask = SublimeAsk::Guardian(Box::new(ask.clone()));
                self.ask(*seat, Request::Sublime(Box::new(ask)), Asked::Told, out);
            }
        }
    }
}
