//! Rotation of guardians at the nodes of seats: which sharings are due, who deals, and what fixes a rotation.
//!
//! A sharing is due six months after it came to be, when a vote of all members has said so, when one of its guardians serves no
//! longer, or is a member no more (`keeping`). Each seat looks by itself, and the log opens what a quorum of them finds due. The plan, with the names of
//! the new guardians, goes to guardians who show that they keep a share. Dealers send who has their parts; as soon as enough
//! dealers have reached enough new guardians, what fixes the rotation goes before the log.
//!
//! Who deals something else than its share is named here, and has no part in the new sharing.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{ContentId, PublicKey, sublime::ShareIndex};

use super::{Peer, Waiting, keeping::Guards, requests::respond};
use crate::{
    core::{
        effect::{Effect, Outbox},
        event::Event,
        ids::RequestToken,
        job::Job,
        limits::{LEAVING_MAX, ROTATION_LOOK},
        reject::RejectReason,
        sublime::LiarView,
        time::{Mono, Now},
    },
    spine::{ballot::Outcome, committee::Schedule},
    wire::{
        Body, Complaint, Dealt, Entry, GuardianAsk, GuardianWants, Record, Refused, Response,
        RotationAnswer, RotationEntry, RotationFix, RotationNotice, RotationOpening, RotationPlan,
        SublimeBody, Verified, VoteEnd,
    },
};

/// What a seat's node knows of rotations beside the log.
#[derive(Default)]
pub(super) struct Desk {
    /// When it is looked again at which sharings are due.
    look_at: Option<Mono>,
    /// Sharings that a guardian of theirs wants to be rid of, by item.
    leaving: BTreeMap<PublicKey, ContentId>,
    /// When which sharings are due; none while this node has no seat.
    pub(super) schedule: Option<Schedule>,
    /// Who guards what, as guardians have shown.
    pub(super) guards: Guards,
    /// What dealers have sent, by plan and number of their share.
    dealt: BTreeMap<ContentId, BTreeMap<ShareIndex, Dealt>>,
    /// Who was found to deal something wrong, by plan and dealer: who says so, and whether everybody can see it.
    liars: BTreeMap<(ContentId, PublicKey), (BTreeSet<PublicKey>, bool)>,
}

/// Finds among records the newest rotation of each item that is open, and the newest that has come to its end.
pub(super) fn newest_rotations(records: &[Verified<Record>]) -> Vec<RotationNotice> {
    let mut newest: BTreeMap<(PublicKey, bool), &RotationNotice> = BTreeMap::new();
    for record in records {
        let Body::Sublime(SublimeBody::Rotation(notice)) = record.value().body() else {
            continue;
        };
        let Some(stated) = notice.stated() else {
            continue;
        };
        let place = |notice: &RotationNotice| {
            let stated = notice.stated();
            stated.map(|stated| (stated.epoch, stated.height))
        };
        let known = newest.entry((stated.item, stated.shared.is_some()));
        let known = known.or_insert(notice);
        if place(known) < place(notice) {
            *known = notice;
        }
    }
    newest.into_values().cloned().collect()
}

impl Desk {
    /// Has it looked at which sharings are due as soon as there is time.
    pub(super) const fn look(&mut self) {
        self.look_at = Some(Mono(0));
    }

    /// Has it looked at now and then from now on.
    pub(super) const fn begin(&mut self) {
        if self.look_at.is_none() {
            self.look();
        }
    }

    pub(super) const fn due(&self) -> Option<Mono> {
        self.look_at
    }

    /// Returns who was found to deal something wrong under a plan.
    pub(super) fn liars(&self, plan: &ContentId) -> Vec<LiarView> {
        let liars = self.liars.iter().filter(|((of, _), _)| of == plan);
        liars
            .map(|((_, dealer), (by, is_public))| LiarView {
                dealer: *dealer,
                named_by: by.len(),
                is_public: *is_public,
            })
            .collect()
    }

    /// Counts the dealers who have reached new guardians under a plan.
    pub(super) fn dealers(&self, plan: &ContentId) -> usize {
        self.dealt.get(plan).map_or(0, BTreeMap::len)
    }
}

impl Peer {
    /// Has a rotation's certificate checked; it counts from then on. One whose key is not known yet waits for it.
    pub(super) fn check_rotation(
        &mut self,
        notice: &RotationNotice,
        out: &mut Outbox,
    ) -> Result<(), RejectReason> {
        let question = self.certificate_question(&notice.certificate)?;
        let id = self.job(Waiting::Rotation(Box::new(notice.clone())));
        let job = Job::Certificate(Box::new(question));
        out.push(Effect::Check { id, job });
        Ok(())
    }

    /// Has the newest rotations of those read back at a start checked.
    pub(super) fn recall_rotations(&mut self, notices: &[RotationNotice], out: &mut Outbox) {
        for notice in notices {
            // One whose key is not known was not heeded before either.
            self.check_rotation(notice, out).ok();
        }
    }

    /// Takes what the committee has certified of a rotation.
    pub(super) fn on_rotation_checked(
        &mut self,
        now: Now,
        notice: &RotationNotice,
        out: &mut Outbox,
    ) {
        let Some(stated) = notice.stated() else {
            return;
        };
        let vault = self.vault.get_or_insert_default();
        if !vault.known.hear_rotation(stated, notice) {
            return;
        }
        if notice.shared.is_some() {
            vault.desk.dealt.remove(&stated.plan);
            vault.desk.leaving.remove(&stated.item);
            let item = vault.known.by_key(&stated.item).map(|(id, _)| *id);
            let requests = vault.known.requests().map(|(id, it)| (*id, it.item));
            let calls = vault.known.calls().map(|(id, it)| (*id, it.item));
            let again: Vec<_> = requests
                .chain(calls)
                .filter(|(_, of)| Some(*of) == item)
                .map(|(id, _)| id)
                .collect();
            vault.releasing.share_again(&again);
            vault.releasing.look();
        }
        vault.desk.look();
        vault.redealing.look_at(stated.item);
        self.schedule(&stated.item, out);
        out.push(Effect::Notify(Event::Rotation {
            item: stated.item,
            epoch: stated.epoch,
            is_over: notice.shared.is_some(),
        }));
        self.run_rotations(now, out);
    }

    /// Looks at which sharings are due, if this node has a seat and it is time.
    pub(super) fn look_for_due(&mut self, now: Now, out: &mut Outbox) {
        let Some(vault) = &mut self.vault else { return };
        let Some(seat) = &self.committee else { return };
        if vault.desk.look_at.is_some_and(|at| at > now.mono) {
            return;
        }
        vault.desk.look_at = Some(now.mono + ROTATION_LOOK);
        if !seat.log.is_seated() {
            vault.desk.schedule = None;
            return;
        }
        if vault.desk.schedule.is_none() {
            self.schedule_all(out);
        }
        let due = self.due_rotations(now);
        if let Some(seat) = &mut self.committee {
            seat.log.know_due_rotations(due, now.mono);
        }
    }

    fn due_rotations(&mut self, now: Now) -> BTreeMap<PublicKey, RotationOpening> {
        let voted = self.voted_rotations(now);
        let time = self.mesh_time(now);
        let (Some(vault), Some(seat)) = (&mut self.vault, &self.committee) else {
            return BTreeMap::new();
        };
        let Desk {
            schedule, leaving, ..
        } = &mut vault.desk;
        let Some(schedule) = schedule else {
            return BTreeMap::new();
        };
        leaving.retain(|item, sharing| schedule.is_shared(item, sharing));
        let (directory, state) = (&self.directory, seat.log.state());
        // Once the log knows it too, so that nobody is drawn anew who has gone.
        let is_out =
            |member: &PublicKey| !directory.is_active(member) && state.member(member).is_none();
        let mut due = schedule.due(time, &voted, is_out);
        due.extend(leaving.keys());
        let due = due.iter().filter_map(|key| {
            let (_, item) = vault.known.by_key(key)?;
            let from = vault.known.in_force(item).sharing.clone();
            Some((*key, RotationOpening { item: *key, from }))
        });
        due.collect()
    }

    /// Returns the subjects of votes of all members that have passed, may be about rotations, and are heeded here.
    fn voted_rotations(&self, now: Now) -> BTreeSet<ContentId> {
        let decided = self.voting.book.decided();
        let passed = decided.filter(|(vote, opening)| {
            vote.end == VoteEnd::Outcome(Outcome::Passed)
                && opening.proposal.rules.may_open_items()
                && self.heed_vote(now, vote).is_ok()
        });
        passed.map(|(vote, _)| vote.subject).collect()
    }

    /// Puts the signature by which new guardians are drawn before the committee, once this seat has it.
    pub(super) fn offer_rotations(&mut self, now: Now) {
        let Some(seat) = &mut self.committee else {
            return;
        };
        let to_draw = seat.log.state().rotations().to_draw();
        let Some(round) = to_draw else { return };
        if let Some(signature) = seat.work.round(round) {
            let entry = RotationEntry::Draw { round, signature };
            seat.log.submit(Entry::Rotation(Box::new(entry)), now.mono);
        }
    }

    /// Finds the open plan of an item, if this node has a seat and the log knows one.
    pub(super) fn open_plan(&self, item: &PublicKey) -> Option<&RotationPlan> {
        let seat = self.committee.as_ref()?;
        seat.log.state().rotations().plan(item)
    }

    fn plan_named(&self, name: &ContentId) -> Option<&RotationPlan> {
        let seat = self.committee.as_ref()?;
        seat.log.state().rotations().plan_named(name)
    }

    /// Answers a guardian who shows that it keeps a share.
    pub(super) fn on_guardian_asked(
        &mut self,
        from: PublicKey,
        token: RequestToken,
        ask: &GuardianAsk,
        out: &mut Outbox,
    ) {
        let answer = match self.check_guardian(&from, ask) {
            Err(refused) => Response::Refused(refused),
            Ok(sharing) => match ask.what {
                GuardianWants::Plan => match self.open_plan(&ask.item) {
                    Some(plan) if plan.from.id() == sharing => {
                        Response::Rotation(RotationAnswer::Plan(Box::new(plan.clone())))
                    }
                    Some(_) | None => Response::Refused(Refused::NoAnswer),
                },
                GuardianWants::Leave => {
                    self.note_leaving(ask.item, sharing);
                    Response::Noted
                }
                GuardianWants::Keep => return self.note_guard(from, token, ask, sharing, out),
            },
        };
        respond(token, answer, out);
    }

    /// Checks that a member keeps a share of an item as it is shared now, and returns the sharing.
    pub(super) fn check_guardian(
        &self,
        from: &PublicKey,
        ask: &GuardianAsk,
    ) -> Result<ContentId, Refused> {
        let vault = self.vault.as_ref().ok_or(Refused::NoAnswer)?;
        if self.committee.is_none() {
            return Err(Refused::NoAnswer);
        }
        let (_, item) = vault.known.by_key(&ask.item).ok_or(Refused::NoAnswer)?;
        let in_force = vault.known.in_force(item);
        let sharing = in_force.sharing.id();
        let mesh = self.directory.mesh();
        let holds = ask.appointed.holds(
            (&mesh, &ask.item),
            (in_force.sharing.epoch, &sharing, in_force.plan.as_ref()),
            (from, ask.index),
        );
        match holds {
            true => Ok(sharing),
            false => Err(Refused::NotEntitled {
                why: "it does not show that it keeps a share of this item".to_owned(),
            }),
        }
    }

    pub(super) fn note_leaving(&mut self, item: PublicKey, sharing: ContentId) {
        let desk = &mut self.vault.get_or_insert_default().desk;
        if desk.leaving.len() < LEAVING_MAX && desk.leaving.insert(item, sharing).is_none() {
            desk.look();
        }
    }

    /// Has what a dealer sends checked.
    pub(super) fn on_dealt_told(
        &mut self,
        from: PublicKey,
        token: RequestToken,
        dealt: Dealt,
        out: &mut Outbox,
    ) {
        let Some(plan) = self.plan_named(&dealt.dealing.plan) else {
            return respond(token, Response::Refused(Refused::NoAnswer), out);
        };
        if dealt.dealing.dealer != from {
            return respond(token, Response::Refused(Refused::Malformed), out);
        }
        let plan = Box::new(plan.clone());
        respond(token, Response::Noted, out);
        self.check_dealt(plan, dealt, out);
    }

    pub(super) fn check_dealt(&mut self, plan: Box<RotationPlan>, dealt: Dealt, out: &mut Outbox) {
        let vault = self.vault.get_or_insert_default();
        let known = vault.desk.dealt.get(&dealt.dealing.plan);
        let known = known.and_then(|known| known.get(&dealt.dealing.index));
        if known.is_some_and(|known| known.acks.len() >= dealt.acks.len()) {
            return;
        }
        let id = self.job(Waiting::Dealt);
        let job = Job::Dealt { plan, dealt };
        out.push(Effect::Check { id, job });
    }

    /// Takes what a dealer has sent, and puts what fixes the rotation before the log once there is enough.
    pub(super) fn on_dealt_checked(
        &mut self,
        now: Now,
        dealt: Option<Box<Dealt>>,
        out: &mut Outbox,
    ) {
        let Some(dealt) = dealt else { return };
        let name = dealt.dealing.plan;
        let Some(plan) = self.plan_named(&name).cloned() else {
            return;
        };
        let dealing = &dealt.dealing;
        let verified = plan.from.commitments.verify_redealing(
            plan.access,
            dealing.index,
            &dealing.commitments,
        );
        if verified.is_err() {
            let (own, dealer) = (self.config.key, dealing.dealer);
            return self.name_liar(&plan, (name, dealer), (own, true), out);
        }
        let open: BTreeSet<ContentId> = match &self.committee {
            Some(seat) => {
                let mesh = self.directory.mesh();
                let plans = seat.log.state().rotations().plans();
                plans.map(|plan| plan.id(&mesh)).collect()
            }
            None => return,
        };
        let desk = &mut self.vault.get_or_insert_default().desk;
        desk.dealt.retain(|plan, _| open.contains(plan));
        desk.liars.retain(|(plan, _), _| open.contains(plan));
        let of_plan = desk.dealt.entry(name).or_default();
        of_plan.insert(dealing.index, *dealt);
        let all: Vec<_> = of_plan.values().cloned().collect();
        let Some(fix) = RotationFix::choose(&plan, &all) else {
            return;
        };
        if let Some(seat) = &mut self.committee {
            let entry = Entry::Rotation(Box::new(RotationEntry::Fix(fix)));
            seat.log.submit(entry, now.mono);
        }
    }

    /// Takes a new guardian's word that a dealer lied to it.
    pub(super) fn on_complaint(
        &mut self,
        from: PublicKey,
        token: RequestToken,
        complaint: &Complaint,
        out: &mut Outbox,
    ) {
        respond(token, Response::Noted, out);
        self.hear_complaint(from, complaint, out);
    }

    pub(super) fn hear_complaint(
        &mut self,
        from: PublicKey,
        complaint: &Complaint,
        out: &mut Outbox,
    ) {
        let dealing = &complaint.dealing;
        let Some(plan) = self.plan_named(&dealing.plan).cloned() else {
            return;
        };
        if plan.index_of(&from).is_none() || !dealing.is_signed() {
            return;
        }
        let verified = plan.from.commitments.verify_redealing(
            plan.access,
            dealing.index,
            &dealing.commitments,
        );
        let is_public = verified.is_err();
        if complaint.is_public && !is_public {
            return;
        }
        let dealer = (dealing.plan, dealing.dealer);
        self.name_liar(&plan, dealer, (from, is_public), out);
    }

    fn name_liar(
        &mut self,
        plan: &RotationPlan,
        (name, dealer): (ContentId, PublicKey),
        (by, is_public): (PublicKey, bool),
        out: &mut Outbox,
    ) {
        let desk = &mut self.vault.get_or_insert_default().desk;
        let (named_by, known_public) = desk.liars.entry((name, dealer)).or_default();
        *known_public |= is_public;
        if named_by.insert(by) {
            out.push(Effect::Notify(Event::BadDealer {
                item: plan.item,
                epoch: plan.epoch,
                dealer,
                by,
                is_public,
            }));
        }
    }
}
