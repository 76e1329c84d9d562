//! Sublime at one node: what it hears of guardians, items and requests, and what its user asks.
//!
//! `guarding` has what passes between an owner's node and guardians before an item is put, `releasing` what guardians, seats
//! and whoever asked do once a vote has ended.

use x0_crypto::PublicKey;

use super::{
    Asked, Peer, attesting::Attesting, drilling::Drilling, guarding::Dealing, ingest::Origin,
    redealing::Redealing, refuse, releasing::Releasing, requests::respond, rotating::Desk,
};
use crate::{
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox},
        event::Event,
        ids::{CommandId, RequestToken},
        limits::{MANIFEST_AGE_MAX, ROTATION_LIFE},
        reject::RejectReason,
        sublime::{RotationView, SharedView, SublimeCommand, SublimeRefusal, SublimeView},
        time::{Now, Wall},
    },
    spine::committee::rotation_term,
    sublime::{
        draw::shares,
        invitations::Invitations,
        known::{InForce, Item, Known},
        shares::{ForgetReceipt, Shares, StoredSublime},
    },
    wire::{
        AccessRequest, Body, Kind, Record, Request, Response, SublimeAsk, SublimeBody, TierAddress,
        Unverified, Verified, rotation_subject,
    },
};

/// What a peer knows and does about Sublime.
#[derive(Default)]
pub(super) struct Vault {
    pub(super) known: Known,
    pub(super) shares: Shares,
    pub(super) dealing: Dealing,
    pub(super) releasing: Releasing,
    pub(super) desk: Desk,
    pub(super) redealing: Redealing,
    pub(super) invitations: Invitations,
    pub(super) drilling: Drilling,
    pub(super) attesting: Attesting,
    /// Where this node's IPFS node is reached.
    addresses: Vec<TierAddress>,
}

impl Vault {
    pub(super) fn restore(stored: StoredSublime) -> Option<Box<Self>> {
        let StoredSublime {
            shares,
            parts,
            released,
            destroyed,
            invitations,
            guards,
        } = stored;
        let has_none = shares.is_empty() && parts.is_empty() && released.is_empty();
        if has_none && destroyed.is_empty() && invitations.is_empty() && guards.is_empty() {
            return None;
        }
        let mut vault = Self::default();
        for invitation in invitations {
            vault.invitations.keep(invitation);
        }
        vault.desk.guards = guards.into_iter().map(|row| (row.item, row)).collect();
        for share in shares {
            vault.shares.keep(share);
        }
        for kept in parts {
            vault.redealing.parts.insert(kept.plan.item, kept);
        }
        for (from, release) in released {
            vault.releasing.keep(from, release);
        }
        for receipt in destroyed {
            vault.redealing.keep_receipt(&receipt);
        }
        Some(Box::new(vault))
    }

    /// Returns the items that this node's member has had forgotten, and whose receipts there are.
    fn forgotten_views(&self, own: &PublicKey) -> Vec<(PublicKey, Vec<PublicKey>)> {
        let items = self.known.items().map(|(_, item)| item.key);
        let own = items.filter(|item| self.known.forgotten(item) == Some(own));
        let receipts = |item: &PublicKey| {
            let of_item = self.redealing.receipts.get(item).into_iter().flatten();
            of_item.map(|(by, _)| *by).collect()
        };
        own.map(|item| (item, receipts(&item))).collect()
    }
}

impl Peer {
    /// Bounds how many manifests of one hour are kept here.
    pub(super) fn bound_manifest(
        &mut self,
        now: Now,
        record: &Record,
        live: bool,
    ) -> Result<(), RejectReason> {
        let Body::Sublime(SublimeBody::Manifest(_)) = record.body() else {
            return Ok(());
        };
        let dated = record.header().time;
        if dated < self.founded() {
            return Err(RejectReason::NotEntitled(
                "a manifest is not older than its mesh",
            ));
        }
        let is_late = live && dated + MANIFEST_AGE_MAX < now.wall;
        let known = &mut self.vault.get_or_insert_default().known;
        match !is_late && known.is_kept(dated) {
            true => Ok(()),
            false => Err(RejectReason::TooManyReports),
        }
    }

    /// Takes what a record says about Sublime.
    pub(super) fn hear_sublime(&mut self, record: &Verified<Record>, out: &mut Outbox) {
        let record = record.value();
        let Body::Sublime(body) = record.body() else {
            return;
        };
        let mesh = self.directory.mesh();
        let vault = self.vault.get_or_insert_default();
        let mut trimmed = Vec::new();
        let mut changed = None;
        match body {
            SublimeBody::Guardian(word) => {
                vault.known.hear_guardian(record, word);
                if record.author() == self.config.key {
                    vault.redealing.leave();
                }
            }
            SublimeBody::Manifest(manifest) => {
                vault.known.hear_manifest(record, manifest);
                let shares = &vault.shares;
                trimmed = vault.known.trim(|item| shares.of(item).is_some());
                changed = Some(record.author());
                if vault.shares.of(&record.author()).is_some() {
                    vault.redealing.showing.add(record.author());
                }
            }
            SublimeBody::Request(request) => vault.known.hear_request(record, request),
            // It counts once its certificate is checked.
            SublimeBody::Rotation(_) => {}
            SublimeBody::Call(call) => vault.known.hear_call(record, call),
            SublimeBody::CardRevoked(word) => vault.known.hear_revoked(word),
            SublimeBody::Onion(word) => vault.known.hear_onion(record, *word),
            SublimeBody::Forget(forget) => {
                vault.known.hear_forget(forget.item, record.author());
                vault.redealing.look_at(forget.item);
                changed = Some(forget.item);
            }
            SublimeBody::Drilled(said) => vault.known.hear_drill(record, *said),
            SublimeBody::Attestation(said) => vault.known.hear_attestation(&mesh, record, said),
            SublimeBody::TrusteesRevoked(word) => vault.known.hear_untrusted(word),
        }
        vault.desk.begin();
        vault.releasing.look();
        for item in trimmed {
            self.forget_guards(&item, out);
            self.schedule(&item, out);
        }
        if let Some(item) = changed {
            self.schedule(&item, out);
        }
        out.push(Effect::Notify(Event::Sublime {
            record: record.id(),
            kind: body.name(),
        }));
    }

    pub(super) fn on_sublime_asked(
        &mut self,
        now: Now,
        from: PublicKey,
        token: RequestToken,
        ask: SublimeAsk,
        out: &mut Outbox,
    ) {
        match ask {
            SublimeAsk::Guard(ask) => self.on_guard_asked(from, token, *ask, out),
            SublimeAsk::Release(release) => self.on_released(from, token, *release, out),
            SublimeAsk::Guardian(ask) => self.on_guardian_asked(from, token, &ask, out),
            SublimeAsk::Part(ask) => self.on_part_asked(now, from, Some(token), *ask, out),
            SublimeAsk::Dealt(dealt) => self.on_dealt_told(from, token, *dealt, out),
            SublimeAsk::Complain(complaint) => self.on_complaint(from, token, &complaint, out),
            SublimeAsk::Forgot { item, epoch, index } => {
                let receipt = ForgetReceipt {
                    item,
                    by: from,
                    epoch,
                    index,
                };
                self.on_forgot(receipt, out);
                respond(token, Response::Noted, out);
            }
            SublimeAsk::Introduce(addresses) => {
                out.push(Effect::Notify(Event::TierPeer {
                    peer: from,
                    addresses,
                }));
                respond(token, Response::Noted, out);
            }
            SublimeAsk::Invite { why } => self.on_invited(now, (from, token), why, out),
            SublimeAsk::Invited { serves } => {
                self.on_invitation_answered(from, token, serves, out);
            }
        }
    }

    pub(super) fn on_sublime_command(
        &mut self,
        now: Now,
        id: CommandId,
        command: SublimeCommand,
        out: &mut Outbox,
    ) {
        let answer = match command {
            SublimeCommand::Show => Ok(Reply::Sublime(Box::new(self.sublime_view(now)))),
            SublimeCommand::Serve(serves) => return self.serve(now, id, serves, out),
            SublimeCommand::Guardians => Ok(Reply::Guardians(Box::new(self.guardians_view()))),
            SublimeCommand::Invite { member, why } => {
                return self.invite_guardian(now, id, (member, why), out);
            }
            SublimeCommand::Accept(of) => return self.accept_invitation(now, id, of, out),
            SublimeCommand::Decline(of) => return self.decline_invitation(now, id, of, out),
            SublimeCommand::Drill => return self.drill(now, id, out),
            SublimeCommand::TellDrill(said) => return self.tell_drill(now, id, said, out),
            SublimeCommand::Draw(item) => self
                .drawn_view(&item)
                .map(|view| Reply::Drawn(Box::new(view))),
            SublimeCommand::Deal(asks) => return self.deal(id, asks, out),
            SublimeCommand::Submit(record) => return self.put_manifest(now, id, *record, out),
            SublimeCommand::Request {
                item,
                key,
                why,
                by_trustees,
            } => {
                let request = AccessRequest {
                    item,
                    key,
                    why,
                    by_trustees,
                };
                self.request_item(now, id, request, out)
            }
            SublimeCommand::Forget(forget) => {
                let body = Body::Sublime(SublimeBody::Forget(forget));
                match forget.is_signed(&self.directory.mesh()) {
                    true => self.write_for(now, id, body, out),
                    false => Err(SublimeRefusal::NotItsKey(forget.item).into()),
                }
            }
            SublimeCommand::Recoveries => Ok(Reply::Recoveries(self.recovery_views(now))),
            SublimeCommand::Attest { request, is_owner } => {
                self.attest(now, id, (request, is_owner), out)
            }
            SublimeCommand::RevokeTrustees(word) => {
                let body = Body::Sublime(SublimeBody::TrusteesRevoked(word));
                match word.is_signed(&self.directory.mesh()) {
                    true => self.write_for(now, id, body, out),
                    false => Err(SublimeRefusal::NotItsKey(word.item).into()),
                }
            }
            SublimeCommand::Announce(addresses) => {
                self.vault.get_or_insert_default().addresses = addresses;
                let linked: Vec<_> = self.links.greeted().collect();
                for peer in linked {
                    self.introduce(peer, out);
                }
                Ok(Reply::Done)
            }
            SublimeCommand::Released(request) => self
                .released_view(now, &request)
                .map(|view| Reply::Released(Box::new(view))),
        };
        match answer {
            // Answered once the record is on disk.
            Ok(Reply::Recorded(_)) => {}
            Ok(reply) => out.push(Effect::Reply {
                id,
                reply: Ok(reply),
            }),
            Err(error) => refuse(id, error, out),
        }
    }

    /// Tells a linked node where this one's IPFS node is reached.
    pub(super) fn introduce(&mut self, peer: PublicKey, out: &mut Outbox) {
        let addresses = self.vault.as_ref().map(|vault| vault.addresses.clone());
        let Some(addresses) = addresses.filter(|addresses| !addresses.is_empty()) else {
            return;
        };
        let ask = Box::new(SublimeAsk::Introduce(addresses));
        self.ask(peer, Request::Sublime(ask), Asked::Told, out);
    }

    fn put_manifest(
        &mut self,
        now: Now,
        id: CommandId,
        record: Unverified<Record>,
        out: &mut Outbox,
    ) {
        if record.peek().header().kind != Kind::MANIFEST {
            return refuse(id, SublimeRefusal::NotAManifest.into(), out);
        }
        if !self.chain.ready {
            return refuse(id, CommandError::NotReady, out);
        }
        let by = self.config.key;
        self.on_page(
            now,
            vec![record],
            Origin::Submitted { by, command: id },
            out,
        );
    }

    fn request_item(
        &mut self,
        now: Now,
        id: CommandId,
        request: AccessRequest,
        out: &mut Outbox,
    ) -> Result<Reply, CommandError> {
        let none = SublimeRefusal::NoSuchItem(request.item);
        let vault = self.vault.as_ref().ok_or(none.clone())?;
        let item = vault.known.item(&request.item).ok_or(none)?;
        if request.by_trustees && item.trustees.is_none() {
            return Err(SublimeRefusal::NoTrustees(request.item).into());
        }
        if request.by_trustees && vault.known.is_untrusted(&item.key) {
            return Err(SublimeRefusal::TrusteesRevoked(request.item).into());
        }
        self.write_for(now, id, Body::Sublime(SublimeBody::Request(request)), out)
    }

    fn sublime_view(&self, now: Now) -> SublimeView {
        let Some(vault) = &self.vault else {
            return SublimeView::default();
        };
        let own = self.config.key;
        let serving = vault.known.serving();
        let serving = serving.filter(|(member, _)| self.directory.is_active(member));
        let (mine, others): (Vec<_>, Vec<_>) = serving.partition(|(member, _)| **member == own);
        let mut items: Vec<_> = vault
            .known
            .items()
            .map(|(id, item)| (*id, item.clone(), self.shared_view(vault, item)))
            .collect();
        items.sort_by_key(|(id, item, _)| (core::cmp::Reverse(item.time), *id));
        let votes = self.access_votes();
        let requests = vault.known.requests();
        let mut requests: Vec<_> = requests
            .map(|(id, request)| self.request_view(now, (*id, request), votes.get(id)))
            .collect();
        requests.sort_by_key(|request| (core::cmp::Reverse(request.time), request.id));
        let kept = vault.shares.iter();
        SublimeView {
            serving: mine.len() + others.len(),
            shares: shares(others.len()),
            serves: !mine.is_empty(),
            items,
            requests,
            shares_kept: kept
                .map(|share| (share.item, share.epoch, share.index, share.owner))
                .collect(),
            rotations: self.rotation_views(now, vault),
            forgotten: vault.forgotten_views(&own),
        }
    }

    pub(super) fn shared_view(&self, vault: &Vault, item: &Item) -> SharedView {
        let in_force = vault.known.in_force(item);
        let since = self.shared_since(&in_force);
        let mesh = self.directory.mesh();
        let sharing = in_force.sharing.id();
        SharedView {
            epoch: in_force.sharing.epoch,
            access: in_force.sharing.access(),
            since,
            due: rotation_term(since, &sharing),
            subject: rotation_subject(&mesh, &item.key, &sharing),
            forgotten: vault.known.forgotten(&item.key).is_some(),
            card_revoked: vault.known.is_revoked(&item.key),
            trustees_revoked: vault.known.is_untrusted(&item.key),
        }
    }

    /// Returns mesh time since when an item is shared as it is.
    pub(super) fn shared_since(&self, in_force: &InForce<'_>) -> Wall {
        match in_force.plan {
            Some(_) => in_force.since,
            None => self.mesh_date(in_force.since),
        }
    }

    fn rotation_views(&self, now: Now, vault: &Vault) -> Vec<RotationView> {
        let open = vault.known.rotations();
        let open = open.filter(|open| open.time + ROTATION_LIFE > self.mesh_time(now));
        let views = open.map(|open| RotationView {
            item: vault.known.by_key(&open.item).map(|(id, _)| *id),
            key: open.item,
            epoch: open.epoch,
            since: open.time,
            until: open.time + ROTATION_LIFE,
            deals: vault.redealing.deals(&open.item),
            takes: vault.redealing.parts.contains_key(&open.item),
            dealers: vault.desk.dealers(&open.plan),
            liars: vault.desk.liars(&open.plan),
        });
        views.collect()
    }
}
