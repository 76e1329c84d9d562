//! Acts in the state: admission, tickets, the draws for them, and what strikes them.

use std::collections::BTreeSet;

use x0_crypto::{
    ContentId, PublicKey,
    capability::{RevocationId, RootKey, Scope},
    committee::{BeaconValue, Purpose, ThresholdSignature},
};

use super::{
    super::{
        admissions::{Decision, Terms, scope_of},
        members::Roll,
        overrides::Asker,
        panel::{Room, cosigners_over},
    },
    HALTS_KEPT_MAX, Standing, State,
};
use crate::{
    spine::{
        beacon::{Found, check_draw, draw, drawable},
        halt::{HALT_LIFE, HaltId},
    },
    wire::{
        Act, ActAdmitted, Admission, Draw, Elector, Halted, OverrideTold, PublicWhat, Said,
        Statement, Subject, Ticket,
    },
};

impl State {
    /// Returns what became of an act that was asked for.
    pub fn standing(&self, act: &ContentId) -> Option<Standing> {
        let decision = self.admissions.decision(act)?.clone();
        let (cosigners, is_drawn) = match &decision {
            Decision::Admitted(ticket) => {
                let allowed = self.share.nodes_of(ticket.electorate.count).max(self.floor);
                let cosigners = cosigners_over(&ticket.electorate, ticket.reach(), allowed);
                (cosigners, cosigners > 0 || ticket.panel.is_some())
            }
            Decision::Refused { .. } => (0, false),
        };
        Some(Standing {
            decision,
            cosigners,
            is_drawn,
        })
    }

    /// Draws co-signers and signatories for an admitted act by the signature over its round.
    ///
    /// `None` if the electorate or the seats have changed since: another seat may know them still.
    pub fn draw(&mut self, act: &ContentId, signature: ThresholdSignature) -> Option<Draw> {
        let standing = self.standing(act)?;
        let Decision::Admitted(ticket) = standing.decision else {
            return None;
        };
        let (roll, seated) = (self.roll(), self.seated());
        let has_changed = ticket
            .panel
            .is_some_and(|panel| panel.seats != seated.electorate());
        if roll.electorate() != ticket.electorate || has_changed {
            return None;
        }
        let value = self.beacon(ticket.round + 1, &signature)?;
        let wanted = match standing.cosigners {
            0 => 0,
            needed => needed + u32::from(super::super::admissions::PASSES_MAX),
        };
        draw((&roll, &seated), &ticket, &value, signature, wanted)
    }

    /// Lists those who hold a seat, as signatories are drawn from them.
    fn seated(&self) -> Roll {
        let electors = self.seats.keys().iter();
        let electors = electors.filter(|key| !self.members.is_out(key, self.time));
        let electors = electors.map(|key| Elector {
            key: *key,
            subtree: self.subtree_of(key),
        });
        Roll::of_electors(electors.collect())
    }

    pub(super) fn asker(&self, agent: PublicKey) -> Asker {
        let subtree = self.subtree_of(&agent);
        Asker { agent, subtree }
    }

    fn subtree_of(&self, key: &PublicKey) -> PublicKey {
        self.members.facts(key).map_or(*key, |facts| facts.subtree)
    }

    /// Counts who can be drawn for an agent: one of each first-level invite subtree, and none of its own.
    fn room(&self, roll: &Roll, seated: &Roll, agent: &PublicKey) -> Option<Room> {
        roll.place_of(agent)?;
        let subtree = |elector: &Elector| elector.subtree;
        let mut subtrees: BTreeSet<_> = roll.electors().iter().map(subtree).collect();
        subtrees.extend(seated.electors().iter().map(subtree));
        subtrees.remove(&self.subtree_of(agent));
        Some(Room {
            signatories: u32::try_from(subtrees.len()).unwrap_or(u32::MAX),
            cosigners: drawable(&roll.electorate()),
        })
    }

    pub(super) fn beacon(&self, round: u64, signature: &ThresholdSignature) -> Option<BeaconValue> {
        let keys = self.keys.as_ref()?;
        let message = Subject::Round(round).message(&self.mesh, keys.epoch);
        let key = keys.group(Purpose::Beacon).public();
        key.beacon_value(&message, signature).ok()
    }

    pub(super) fn is_open(&self, act: &ContentId) -> bool {
        match self.admissions.decision(act) {
            Some(Decision::Admitted(ticket)) => ticket.expires > self.time,
            Some(Decision::Refused { .. }) => true,
            None => false,
        }
    }

    pub(super) fn may_pass(&self, said: &Said, passed: u8) -> bool {
        let Some(Decision::Admitted(ticket)) = self.admissions.decision(&said.act) else {
            return false;
        };
        said.by == ticket.agent && passed == ticket.passed + 1
    }

    pub(super) fn may_refuse(&self, said: &Said, draw: &Draw) -> bool {
        let found = self.found(said, draw);
        found.is_some_and(|(_, found)| found.cosigners.contains(&said.by))
    }

    pub(super) fn may_decline(&self, said: &Said, under: ContentId, draw: &Draw) -> bool {
        let Some((ticket, found)) = self.found(said, draw) else {
            return false;
        };
        ticket.name() == under
            && found.signatories.contains(&said.by)
            && self.admissions.may_decline(&said.act, &said.by)
    }

    /// Finds the ticket that a word is about, and repeats the draw for it.
    fn found(&self, said: &Said, draw: &Draw) -> Option<(&Ticket, Found)> {
        let Decision::Admitted(ticket) = self.admissions.decision(&said.act)? else {
            return None;
        };
        let value = self.beacon(ticket.round + 1, &draw.signature)?;
        Some((ticket, check_draw(draw, ticket, &value).ok()?))
    }

    pub(super) fn halt(&mut self, halt: HaltId, root: RootKey) {
        let halted = Halted {
            halt,
            root,
            height: self.height,
            began: self.time,
            until: self.time + HALT_LIFE,
        };
        self.halts.insert(halt, halted);
        let until = halted.until;
        self.publish(PublicWhat::Halted { halt, root, until });
        while self.halts.len() > HALTS_KEPT_MAX {
            let first = self.halts.values().min_by_key(|it| (it.until, it.halt));
            let Some(first) = first.map(|it| it.halt) else {
                return;
            };
            self.halts.remove(&first);
        }
    }

    /// Takes note of revocations, and ends the tickets that they strike.
    pub(super) fn revoke(&mut self, root: RootKey, ids: &[RevocationId]) {
        for id in ids {
            self.revoked.insert(root, *id);
        }
        self.admissions.revoke(&self.revoked, self.time);
        let admissions = &self.admissions;
        self.tickets.retain(|_, statement| {
            let act = statement.ticket().map(|ticket| ticket.act);
            let decision = act.and_then(|act| admissions.decision(&act));
            !matches!(decision, Some(Decision::Refused { .. }))
        });
    }

    /// Tells whether the log knows that a block of a token is revoked.
    pub(in crate::spine::committee) fn is_revoked(
        &self,
        root: &RootKey,
        id: &RevocationId,
    ) -> bool {
        self.revoked.has(root, id)
    }

    /// Iterates over the tickets that hold, with the blocks of the tokens under which they were issued.
    pub(in crate::spine::committee) fn open_tickets(
        &self,
    ) -> impl Iterator<Item = (&Ticket, &[RevocationId])> {
        self.admissions.open(self.time)
    }

    pub(super) fn admit(&mut self, admission: &Admission) {
        let agent = admission.asked.by;
        if let Some(barred) = self.members.barred(&agent, self.time) {
            let why = format!("{agent} {barred}");
            return self.admissions.bar(admission.asked.act, why, self.time);
        }
        let terms = self.terms(Some(&agent));
        let vote = self
            .polls
            .passed(&admission.act.matter(&admission.asked.by))
            .map(|vote| vote.proposal);
        let decision =
            self.admissions
                .admit(admission, (&self.members, &self.revoked), vote, &terms);
        let Decision::Admitted(ticket) = *decision else {
            return;
        };
        self.issue(Statement::Ticket(ticket));
        self.publish_admitted(admission, &ticket, vote);
        if terms.draws_for(&ticket) {
            self.round += 1;
        }
    }

    /// Enters an override into the public log, and an act on the whole network that a vote has approved.
    fn publish_admitted(
        &mut self,
        admission: &Admission,
        ticket: &Ticket,
        vote: Option<ContentId>,
    ) {
        let Ticket {
            act,
            agent,
            root,
            nodes,
            ..
        } = *ticket;
        let Act {
            change, targets, ..
        } = &admission.act;
        if let Some(words) = &admission.emergency {
            let until = self.time + words.notice();
            self.overrides.open(act, self.asker(agent), until);
            return self.publish(PublicWhat::Override(Box::new(OverrideTold {
                act,
                agent,
                root,
                change: change.clone(),
                targets: targets.clone(),
                nodes,
                words: words.as_ref().clone(),
                until,
            })));
        }
        if let Some(vote) = vote.filter(|_| scope_of(nodes) == Scope::Network) {
            self.publish(PublicWhat::Admitted(Box::new(ActAdmitted {
                act,
                agent,
                root,
                change: change.clone(),
                nodes,
                vote,
            })));
        }
    }

    /// Returns the overrides that are still to be told to all, and of which this seat has not said that it heard.
    pub fn unheard(&self, seat: &PublicKey) -> impl Iterator<Item = &ContentId> {
        let seated = self.seats.contains(seat) && !self.is_passing();
        let open = self.overrides.unheard(*seat, self.time);
        open.filter(move |_| seated)
    }

    /// Says under which conditions acts are admitted now, and those of an agent who asks.
    pub(super) fn terms(&mut self, agent: Option<&PublicKey>) -> Terms {
        let (roll, seated) = (self.roll(), self.seated());
        Terms {
            height: self.height,
            time: self.time,
            round: self.round,
            electorate: roll.electorate(),
            seats: seated.electorate(),
            room: agent.and_then(|agent| self.room(&roll, &seated, agent)),
            share: self.share,
            floor: self.floor,
            scale: self.scale,
        }
    }
}
