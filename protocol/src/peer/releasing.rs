//! What a vote opens: guardians and seats release, and whoever asked gathers.
//!
//! A node releases for a request only if a vote of the request's own author has passed about that very request, the
//! committee has certified it, it was open for [`ACCESS_WINDOW_MIN`] or longer, and this node heeds it as it does any vote
//! (see `spine::ballot::Book`). The request names item and key, so what is released opens for that key and for that
//! item. A vote that ended otherwise is final for the request. Where a request says that the item's trustees decide, their
//! attestations stand for the vote, see `attesting`. A jury's vote opens nothing here but what a call in an emergency
//! asks for, see `emergency`; for that guardians alone release, and each keeps what it has sealed.
//!
//! Each release is an entry of the audit log, on disk before anything is sealed. It is sent again until the asking node
//! confirms it or the request is over; so a guardian that was away for days still helps.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{ContentId, PublicKey, committee::Purpose, sublime::HybridPublic};

use super::{AfterPersist, Asked, Peer, Waiting, requests::respond};
use crate::{
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::{CommandId, RequestToken},
        limits::{RELEASE_AGAIN, RELEASES_KEPT_MAX, REQUEST_LIFE},
        secret::{SecretDone, SecretTask},
        share_tasks::JoinTask,
        sublime::{ReleasedView, RequestView, Standing, SublimeRefusal},
        time::{Millis, Mono, Now},
    },
    spine::{audit::What, ballot::Outcome},
    sublime::{
        known::{Call, Request},
        shares::{OfferedShare, ShareKeyName, SublimeWrite},
    },
    wire::{
        CallStage, Refused, Release, ReleasedPart, Request as Message, Response, RotationDealing,
        RotationPlan, SublimeAsk, VoteEnd, VoteResolved, release_info, second_label,
    },
};

const PASSED: VoteEnd = VoteEnd::Outcome(Outcome::Passed);

/// For what something was done with the node's secrets.
pub(super) enum VaultFor {
    /// A key for shares.
    Key(CommandId),
    /// A share was opened and checked.
    Share {
        token: RequestToken,
        share: Box<OfferedShare>,
    },
    /// A share was dealt on.
    Redeal(Box<RotationPlan>),
    /// A part was opened and checked.
    Part {
        token: Option<RequestToken>,
        plan: Box<RotationPlan>,
        dealing: Box<RotationDealing>,
    },
    /// A share was put together from parts.
    Join(Box<JoinTask>),
    /// Keys were destroyed.
    Destroyed,
    /// The reason of a call was opened.
    Reason(CommandId),
    /// It was found out whether this node's member is a trustee of an item.
    Slot(ContentId),
    /// A share was tried.
    Drill { item: PublicKey, name: ShareKeyName },
    /// A part was sealed to the key of a request.
    Release {
        request: ContentId,
        part: ReleasedPart,
    },
}

/// What is granted: a member's request, or a call in an emergency.
#[derive(Clone)]
struct Granted {
    item: ContentId,
    /// What is released is sealed to this.
    key: HybridPublic,
    to: PublicKey,
    is_call: bool,
}

impl Granted {
    fn request(request: &Request) -> Self {
        Self {
            item: request.item,
            key: request.key.clone(),
            to: request.by,
            is_call: false,
        }
    }

    fn call(call: &Call) -> Self {
        Self {
            item: call.item,
            key: call.key.clone(),
            to: call.author,
            is_call: true,
        }
    }
}

/// What of a request this node releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Own {
    Share,
    Seat,
}

/// How far a release is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It is made and sent then.
    At(Mono),
    /// It is on its way.
    Sent,
    /// The asking node has it.
    Done,
}

/// What became of a part that somebody sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gathered {
    /// It is kept from now on.
    Now,
    /// It was kept before.
    Before,
    /// There are too many already.
    TooMany,
}

/// The releases of this node, and what was released for it.
#[derive(Default)]
pub(super) struct Releasing {
    /// When requests are looked at again.
    at: Option<Mono>,
    is_news: bool,
    steps: BTreeMap<(ContentId, Own), Step>,
    /// Requests whose release stands in the audit log.
    logged: BTreeSet<ContentId>,
    /// What came for own requests, by request, node and part.
    released: BTreeMap<ContentId, BTreeMap<(PublicKey, ReleasedPart), Release>>,
}

impl Releasing {
    /// Has the requests looked at as soon as there is time.
    pub(super) const fn look(&mut self) {
        self.is_news = true;
    }

    /// Has this node release its share for requests again: it has another one, or the sharing has another epoch.
    pub(super) fn share_again(&mut self, requests: &[ContentId]) {
        for request in requests {
            self.steps.remove(&(*request, Own::Share));
        }
    }

    /// Returns the parts that are here for a call in an emergency, with whose node sealed each.
    pub(super) fn parts_of(&self, call: &ContentId) -> Vec<(PublicKey, Release)> {
        let parts = self.released.get(call).into_iter().flatten();
        parts
            .map(|((from, _), release)| (*from, release.clone()))
            .collect()
    }

    /// Keeps what was released for an own request, or for a call.
    pub(super) fn keep(&mut self, from: PublicKey, release: Release) -> Gathered {
        let kept = self.released.entry(release.request).or_default();
        let at = (from, release.part);
        if kept.contains_key(&at) {
            return Gathered::Before;
        }
        if kept.len() >= RELEASES_KEPT_MAX {
            return Gathered::TooMany;
        }
        kept.insert(at, release);
        Gathered::Now
    }

    fn due(&self) -> Option<Mono> {
        if self.is_news {
            return Some(Mono::default());
        }
        let steps = self.steps.values().filter_map(|step| match step {
            Step::At(at) => Some(*at),
            Step::Sent | Step::Done => None,
        });
        steps.chain(self.at).min()
    }
}

impl Peer {
    /// Returns how a request stands, and after which time it may be otherwise, given the vote that decided about it. What
    /// trustees decide no vote does.
    pub(super) fn standing(
        &self,
        now: Now,
        (id, request): (&ContentId, &Request),
        vote: Option<&VoteResolved>,
    ) -> (Standing, Option<Millis>) {
        if self.mesh_time(now) > self.mesh_date(request.time) + REQUEST_LIFE {
            return (Standing::Over, None);
        }
        if request.by_trustees {
            return self.attested_standing(now, (id, request));
        }
        match vote {
            None => (Standing::Undecided, None),
            Some(vote) if vote.end != PASSED => (Standing::Denied, None),
            Some(vote) => match self.heed_vote(now, vote) {
                Ok(()) => (Standing::Granted, None),
                Err(why) => (Standing::Passed, why.wait(self.time_scale())),
            },
        }
    }

    /// Finds the votes that have decided about requests: for each the first that its author proposed and that was open long
    /// enough.
    pub(super) fn access_votes(&self) -> BTreeMap<ContentId, VoteResolved> {
        let mut first: BTreeMap<ContentId, VoteResolved> = BTreeMap::new();
        let Some(vault) = &self.vault else {
            return first;
        };
        for (vote, opening) in self.voting.book.decided() {
            let proposal = &opening.proposal;
            let request = vault.known.request(&vote.subject);
            let counts = request.is_some_and(|request| {
                proposal.proposer == request.by && proposal.rules.may_open_items()
            });
            if !counts {
                continue;
            }
            let known = first.entry(vote.subject).or_insert(vote);
            if (vote.time, vote.proposal) < (known.time, known.proposal) {
                *known = vote;
            }
        }
        first
    }

    pub(super) fn request_view(
        &self,
        now: Now,
        (id, request): (ContentId, &Request),
        vote: Option<&VoteResolved>,
    ) -> RequestView {
        RequestView {
            id,
            item: request.item,
            by: request.by,
            why: request.why.clone(),
            time: request.time,
            standing: self.standing(now, (&id, request), vote).0,
            by_trustees: request.by_trustees,
        }
    }

    pub(super) fn released_view(
        &self,
        now: Now,
        id: &ContentId,
    ) -> Result<ReleasedView, CommandError> {
        let none = SublimeRefusal::NoSuchRequest(*id);
        let vault = self.vault.as_ref().ok_or(none.clone())?;
        let request = vault.known.request(id).ok_or(none.clone())?;
        if request.by != self.config.key {
            return Err(none.into());
        }
        let item = vault.known.item(&request.item);
        let item = item.ok_or(SublimeRefusal::NoSuchItem(request.item))?;
        let keys = self.trust.keys().ok_or(SublimeRefusal::NoCommittee)?;
        let parts = vault.releasing.released.get(id).into_iter().flatten();
        Ok(ReleasedView {
            request: self.request_view(now, (*id, request), self.access_votes().get(id)),
            sharing: vault.known.in_force(item).sharing.clone(),
            shared: self.shared_view(vault, item),
            item: item.clone(),
            parts: parts
                .map(|((from, _), release)| (*from, release.clone()))
                .collect(),
            mesh: self.directory.mesh(),
            committee: *keys.key(Purpose::Decryption),
        })
    }

    /// Takes note of a release that the audit log tells of.
    pub(super) fn recall_release(&mut self, request: ContentId) {
        let vault = self.vault.get_or_insert_default();
        vault.releasing.logged.insert(request);
    }

    /// Returns when a request is to be looked at, or a release to be sent.
    pub(super) fn releases_due(&self) -> Option<Mono> {
        let vault = self.vault.as_ref().filter(|_| self.chain.ready)?;
        vault.releasing.due()
    }

    /// Looks at the requests known, and releases what is granted.
    pub(super) fn run_releases(&mut self, now: Now, out: &mut Outbox) {
        if self.releases_due().is_none_or(|at| at > now.mono) {
            return;
        }
        let Some(vault) = &mut self.vault else {
            return;
        };
        vault.releasing.is_news = false;
        self.look_at_attested(now, out);
        let Some(vault) = &self.vault else {
            return;
        };
        if vault.shares.is_empty() && self.committee.is_none() {
            return;
        }
        let votes = self.access_votes();
        let Some(vault) = &self.vault else {
            return;
        };
        let mut next = None;
        let mut granted = Vec::new();
        for (id, request) in vault.known.requests() {
            let (standing, wait) = self.standing(now, (id, request), votes.get(id));
            next = [next, wait.map(|wait| now.mono + wait)]
                .into_iter()
                .flatten()
                .min();
            if standing == Standing::Granted {
                granted.push((*id, Granted::request(request)));
            }
        }
        for (id, call) in vault.known.calls() {
            let (stage, wait) = self.call_stage(now, (id, call));
            next = [next, wait.map(|wait| now.mono + wait)]
                .into_iter()
                .flatten()
                .min();
            if stage == CallStage::Granted {
                granted.push((*id, Granted::call(call)));
            }
        }
        let releasing = &mut self.vault.get_or_insert_default().releasing;
        releasing.at = next;
        let is_granted: BTreeSet<_> = granted.iter().map(|(id, _)| *id).collect();
        releasing.steps.retain(|(id, _), _| is_granted.contains(id));
        for (id, granted) in granted {
            self.release(now, id, &granted, out);
        }
    }

    fn release(&mut self, now: Now, id: ContentId, granted: &Granted, out: &mut Outbox) {
        // The card has the part that the committee would open.
        let owns: &[Own] = match granted.is_call {
            true => &[Own::Share],
            false => &[Own::Share, Own::Seat],
        };
        for own in owns.iter().copied() {
            let Some(vault) = &mut self.vault else {
                return;
            };
            let step = vault.releasing.steps.get(&(id, own)).copied();
            let is_due = match step {
                None => true,
                Some(Step::At(at)) => at <= now.mono,
                Some(Step::Sent | Step::Done) => false,
            };
            if !is_due {
                continue;
            }
            let task = match own {
                Own::Share => self.release_share(id, granted),
                Own::Seat => self.release_opening(id, granted),
            };
            let Some((part, task)) = task else { continue };
            let job = self.job(Waiting::Vault(VaultFor::Release { request: id, part }));
            let seal = Effect::Secret {
                id: job,
                task: Box::new(task),
            };
            let releasing = &mut self.vault.get_or_insert_default().releasing;
            releasing.steps.insert((id, own), Step::Sent);
            if !releasing.logged.insert(id) {
                out.push(seal);
                continue;
            }
            let what = What::Released {
                request: id,
                item: granted.item,
                to: granted.to,
            };
            let write = self.log(now, what);
            self.persist(vec![write], AfterPersist::Effects(vec![seal]), out);
        }
    }

    /// Says how this node's share is sealed to the key of a request; none if it keeps no share of the item as it is shared now.
    fn release_share(
        &self,
        id: ContentId,
        granted: &Granted,
    ) -> Option<(ReleasedPart, SecretTask)> {
        let vault = self.vault.as_ref()?;
        let item = vault.known.item(&granted.item)?;
        let share = vault.shares.of(&item.key)?;
        if share.sharing != vault.known.in_force(item).sharing.id() {
            return None;
        }
        let (mesh, own) = (self.directory.mesh(), self.config.key);
        let part = ReleasedPart::Share {
            epoch: share.epoch,
            index: share.index,
        };
        let task = SecretTask::ReleaseShare {
            share: Box::new(share.clone()),
            to: granted.key.clone(),
            release_info: release_info(&mesh, &id, (&own, part)),
        };
        Some((part, task))
    }

    /// Says how this seat's part of what opens the second part of the key is sealed to the key of a request.
    fn release_opening(
        &self,
        id: ContentId,
        granted: &Granted,
    ) -> Option<(ReleasedPart, SecretTask)> {
        let item = self.vault.as_ref()?.known.item(&granted.item)?;
        let seat = self.committee.as_ref()?;
        let keys = seat.log.state().keys()?;
        let group = keys.group(Purpose::Decryption);
        let (mesh, own) = (self.directory.mesh(), self.config.key);
        group.seat_of(&own)?;
        let part = ReleasedPart::Seat { epoch: keys.epoch };
        let task = SecretTask::ReleaseOpening {
            epoch: keys.epoch,
            label: second_label(&mesh, &item.key),
            group: group.to_bytes(),
            to: granted.key.clone(),
            release_info: release_info(&mesh, &id, (&own, part)),
        };
        Some((part, task))
    }

    pub(super) fn on_vault_done(
        &mut self,
        now: Now,
        what: VaultFor,
        done: SecretDone,
        out: &mut Outbox,
    ) {
        match (what, done) {
            (VaultFor::Key(id), SecretDone::ShareKey(key)) => {
                self.on_share_key(now, id, key, out);
            }
            (VaultFor::Share { token, share }, SecretDone::ShareChecked(sealed)) => {
                self.on_share_checked(now, (token, *share), sealed, out);
            }
            (VaultFor::Redeal(plan), SecretDone::Redealt(redealt)) => {
                self.on_redealt(now, *plan, redealt, out);
            }
            (
                VaultFor::Part {
                    token,
                    plan,
                    dealing,
                },
                SecretDone::PartTaken(taken),
            ) => self.on_part_taken(now, token, (*plan, *dealing), taken, out),
            (VaultFor::Join(task), SecretDone::Joined(joined)) => {
                self.on_joined(now, *task, joined, out);
            }
            (VaultFor::Destroyed, SecretDone::Forgotten) => {}
            (VaultFor::Reason(id), SecretDone::Reason(reason)) => {
                let reply = Ok(Reply::Reason(reason));
                out.push(Effect::Reply { id, reply });
            }
            (VaultFor::Slot(item), SecretDone::Slot(salt)) => self.on_slot(item, salt),
            (VaultFor::Drill { item, name }, SecretDone::Tried(found)) => {
                self.on_tried(now, (item, name), found, out);
            }
            (VaultFor::Release { request, part }, SecretDone::Sealed(sealed)) => {
                self.send_release(now, request, part, sealed, out);
            }
            (_, _) => debug_assert!(false, "a driver answers a task with what came of it"),
        }
    }

    fn send_release(
        &mut self,
        now: Now,
        request: ContentId,
        part: ReleasedPart,
        sealed: Option<Vec<u8>>,
        out: &mut Outbox,
    ) {
        let Some(vault) = &mut self.vault else {
            return;
        };
        let by = vault.known.request(&request).map(|known| known.by);
        let call = vault.known.call(&request).map(|call| call.author);
        let (Some(to), Some(sealed)) = (by.or(call), sealed) else {
            // The key is gone or not there yet: what the store says may change it.
            let again = Step::At(now.mono + RELEASE_AGAIN);
            vault.releasing.steps.insert((request, own_of(part)), again);
            return;
        };
        let release = Release {
            request,
            part,
            sealed: sealed.into(),
        };
        if call.is_some() {
            return self.keep_for_call(release, out);
        }
        if to == self.config.key {
            return self.take_release(to, release, None, out);
        }
        let message = Message::Sublime(Box::new(SublimeAsk::Release(Box::new(release))));
        self.ask(to, message, Asked::Release { request, part }, out);
    }

    /// Keeps what this node has sealed for a call, for a device that asks here, and hands it to the nodes that have asked the
    /// jury, for one that asks there.
    fn keep_for_call(&mut self, release: Release, out: &mut Outbox) {
        let (request, part) = (release.request, release.part);
        let mailboxes = self.mailboxes(&request);
        self.take_release(self.config.key, release.clone(), None, out);
        if !mailboxes.is_empty() {
            let releasing = &mut self.vault.get_or_insert_default().releasing;
            releasing.steps.insert((request, own_of(part)), Step::Sent);
        }
        for to in mailboxes {
            let release = Box::new(release.clone());
            let message = Message::Sublime(Box::new(SublimeAsk::Release(release)));
            self.ask(to, message, Asked::Release { request, part }, out);
        }
    }

    pub(super) fn on_release_answer(
        &mut self,
        now: Now,
        (request, part): (ContentId, ReleasedPart),
        response: Option<Response>,
    ) {
        let Some(vault) = &mut self.vault else {
            return;
        };
        let step = match response {
            Some(Response::Noted) => Step::Done,
            Some(_) | None => Step::At(now.mono + RELEASE_AGAIN),
        };
        vault.releasing.steps.insert((request, own_of(part)), step);
    }

    /// Takes what was released for a request of this node.
    pub(super) fn on_released(
        &mut self,
        from: PublicKey,
        token: RequestToken,
        release: Release,
        out: &mut Outbox,
    ) {
        let own = self.config.key;
        let known = self.vault.as_ref().map(|vault| &vault.known);
        let is_own = known
            .and_then(|known| known.request(&release.request))
            .is_some_and(|request| request.by == own);
        let is_for_call = known.is_some_and(|known| known.call(&release.request).is_some())
            && matches!(release.part, ReleasedPart::Share { .. })
            && self.is_mailbox(&release.request);
        if !is_own && !is_for_call {
            return respond(token, Response::Refused(Refused::NoAnswer), out);
        }
        self.take_release(from, release, Some(token), out);
    }

    fn take_release(
        &mut self,
        from: PublicKey,
        release: Release,
        token: Option<RequestToken>,
        out: &mut Outbox,
    ) {
        let vault = self.vault.get_or_insert_default();
        let (request, part) = (release.request, release.part);
        let noted = token.map(|token| Effect::Respond {
            token,
            response: Response::Noted,
        });
        if token.is_none() {
            vault
                .releasing
                .steps
                .insert((request, own_of(part)), Step::Done);
        }
        match vault.releasing.keep(from, release.clone()) {
            Gathered::Now => {}
            Gathered::Before => return out.extend(noted),
            Gathered::TooMany => {
                let refused = Response::Refused(Refused::NoAnswer);
                return out.extend(token.map(|token| Effect::Respond {
                    token,
                    response: refused,
                }));
            }
        }
        let parts = vault
            .releasing
            .released
            .get(&request)
            .map_or(0, BTreeMap::len);
        let write = Write::Sublime(SublimeWrite::Released(Box::new((from, release))));
        let told = Effect::Notify(Event::Released { request, parts });
        let after = noted.into_iter().chain([told]).collect();
        self.persist(vec![write], AfterPersist::Effects(after), out);
    }
}

const fn own_of(part: ReleasedPart) -> Own {
    match part {
        ReleasedPart::Share { .. } => Own::Share,
        ReleasedPart::Seat { .. } => Own::Seat,
    }
}
