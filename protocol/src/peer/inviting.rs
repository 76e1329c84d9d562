//! Invitations to serve as a guardian: one member's node asks another's over the link, and is told what that member says.
//!
//! Nothing of it is gossiped. An invitation is on the disk of the invited node before that says that it has it, and on the
//! inviter's once that has said so. An answer is told again on each new link until the inviter's node has it.

use x0_crypto::PublicKey;

use super::{AfterPersist, Asked, Peer, acting::shorten, refuse, requests::respond};
use crate::{
    core::{
        command::Reply,
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::{CommandId, RequestToken},
        limits::INVITATIONS_MAX,
        sublime::{GuardiansView, SublimeRefusal},
        time::Now,
    },
    sublime::{
        invitations::{Came, Invitation, Standing},
        shares::SublimeWrite,
    },
    wire::{GuardianWord, Reason, Refused, Request, Response, SublimeAsk},
};

fn written(invitation: Invitation) -> Write {
    Write::Sublime(SublimeWrite::Invitation(Box::new(invitation)))
}

impl Peer {
    /// Asks another member to serve as a guardian.
    pub(super) fn invite_guardian(
        &mut self,
        now: Now,
        id: CommandId,
        (member, why): (PublicKey, Reason),
        out: &mut Outbox,
    ) {
        if let Err(refusal) = self.may_invite(now, &member, out) {
            return refuse(id, refusal.into(), out);
        }
        let ask = SublimeAsk::Invite { why: why.clone() };
        let asked = Asked::Invite {
            command: id,
            to: member,
            why,
        };
        self.ask(member, Request::Sublime(Box::new(ask)), asked, out);
    }

    fn may_invite(
        &mut self,
        now: Now,
        member: &PublicKey,
        out: &mut Outbox,
    ) -> Result<(), SublimeRefusal> {
        self.trim_invitations(now, out);
        if *member == self.config.key || !self.directory.is_active(member) {
            return Err(SublimeRefusal::NotInvitable(*member));
        }
        let Some(vault) = &self.vault else {
            return Ok(());
        };
        if vault.known.guardian(member).is_some() {
            return Err(SublimeRefusal::ServesAlready(*member));
        }
        match vault.invitations.may_make(member) {
            Ok(()) => Ok(()),
            Err(Standing::Open) => Err(SublimeRefusal::InvitedAlready(*member)),
            Err(Standing::Declined) => Err(SublimeRefusal::Declined(*member)),
            Err(Standing::Full) => Err(SublimeRefusal::TooManyInvitations),
        }
    }

    /// Takes what the invited member's node says to an invitation.
    pub(super) fn on_invite_answer(
        &mut self,
        now: Now,
        (id, to, why): (CommandId, PublicKey, Reason),
        response: Option<Response>,
        out: &mut Outbox,
    ) {
        let refusal = match response {
            Some(Response::Noted) => {
                let vault = self.vault.get_or_insert_default();
                let made = vault.invitations.make(to, why, now.wall);
                let reply = Effect::Reply {
                    id,
                    reply: Ok(Reply::Done),
                };
                return self.persist(vec![written(made)], AfterPersist::Effects(vec![reply]), out);
            }
            Some(Response::Refused(why)) => SublimeRefusal::InvitationRefused {
                member: to,
                why: shorten(&why.to_string()),
            },
            Some(_) => SublimeRefusal::InvitationRefused {
                member: to,
                why: "it answered something else".to_owned(),
            },
            None => SublimeRefusal::NotReached(to),
        };
        refuse(id, refusal.into(), out);
    }

    /// Takes another member's invitation.
    pub(super) fn on_invited(
        &mut self,
        now: Now,
        (from, token): (PublicKey, RequestToken),
        why: Reason,
        out: &mut Outbox,
    ) {
        self.trim_invitations(now, out);
        let own = self.config.key;
        let refused = |why: String| Response::Refused(Refused::NotEntitled { why });
        let vault = self.vault.get_or_insert_default();
        if vault.known.guardian(&own).is_some() {
            let why = "its member serves as a guardian already".to_owned();
            return respond(token, refused(why), out);
        }
        match vault.invitations.receive(from, why, now.wall) {
            Ok(Came::New(invitation)) => {
                let after = vec![
                    Effect::Respond {
                        token,
                        response: Response::Noted,
                    },
                    Effect::Notify(Event::Invited { by: from }),
                ];
                self.persist(vec![written(invitation)], AfterPersist::Effects(after), out);
            }
            Ok(Came::Before) | Err(Standing::Open) => respond(token, Response::Noted, out),
            Err(Standing::Declined) => {
                let why = "its member has declined".to_owned();
                respond(token, refused(why), out);
            }
            Err(Standing::Full) => {
                let why = format!("{INVITATIONS_MAX} invitations wait there, and no more are kept");
                respond(token, refused(why), out);
            }
        }
    }

    /// Has this member serve, as it was invited to.
    pub(super) fn accept_invitation(
        &mut self,
        now: Now,
        id: CommandId,
        of: Option<PublicKey>,
        out: &mut Outbox,
    ) {
        self.trim_invitations(now, out);
        let is_open = self.vault.as_ref().is_some_and(|vault| {
            let mut open = vault.invitations.open();
            open.any(|by| of.is_none_or(|of| of == *by))
        });
        match is_open {
            // Who invited is told once the word that this member serves is on disk.
            true => self.serve(now, id, true, out),
            false => refuse(id, SublimeRefusal::NoInvitation.into(), out),
        }
    }

    /// Answers all who have invited this member, as its word that it serves is out.
    pub(super) fn on_served(&mut self, word: &GuardianWord, out: &mut Outbox) {
        let Some(vault) = self.vault.as_mut().filter(|_| word.key.is_some()) else {
            return;
        };
        let open: Vec<_> = vault.invitations.open().copied().collect();
        for by in open {
            self.answer_invitation(&by, true, Vec::new(), out);
        }
    }

    /// Declines an invitation.
    pub(super) fn decline_invitation(
        &mut self,
        now: Now,
        id: CommandId,
        of: PublicKey,
        out: &mut Outbox,
    ) {
        self.trim_invitations(now, out);
        let reply = Effect::Reply {
            id,
            reply: Ok(Reply::Done),
        };
        if !self.answer_invitation(&of, false, vec![reply], out) {
            refuse(id, SublimeRefusal::NoInvitation.into(), out);
        }
    }

    /// Writes an answer down and tells it; `after` is done then as well. Returns whether there was something to answer.
    fn answer_invitation(
        &mut self,
        of: &PublicKey,
        serves: bool,
        mut after: Vec<Effect>,
        out: &mut Outbox,
    ) -> bool {
        let Some(vault) = &mut self.vault else {
            return false;
        };
        let Some(answered) = vault.invitations.answer(of, serves) else {
            return false;
        };
        let mut told = Outbox::new();
        self.tell_answer(*of, &mut told);
        after.extend(told.drain());
        self.persist(vec![written(answered)], AfterPersist::Effects(after), out);
        true
    }

    /// Tells a member who has invited this one the answer, unless its node has it.
    pub(super) fn tell_answer(&mut self, to: PublicKey, out: &mut Outbox) {
        let vault = self.vault.as_ref();
        let Some(serves) = vault.and_then(|vault| vault.invitations.to_tell(&to)) else {
            return;
        };
        let ask = Request::Sublime(Box::new(SublimeAsk::Invited { serves }));
        self.ask(to, ask, Asked::Invited { to }, out);
    }

    /// Takes note that an inviter's node has the answer.
    pub(super) fn on_answer_told(
        &mut self,
        to: &PublicKey,
        response: Option<Response>,
        out: &mut Outbox,
    ) {
        let Some(Response::Noted) = response else {
            return;
        };
        let vault = self.vault.as_mut();
        if let Some(told) = vault.and_then(|vault| vault.invitations.told(to)) {
            self.persist(vec![written(told)], AfterPersist::Nothing, out);
        }
    }

    /// Takes the answer of a member that was invited from here.
    pub(super) fn on_invitation_answered(
        &mut self,
        from: PublicKey,
        token: RequestToken,
        serves: bool,
        out: &mut Outbox,
    ) {
        let vault = self.vault.as_mut();
        let news = vault.and_then(|vault| vault.invitations.answered(&from, serves));
        let noted = Effect::Respond {
            token,
            response: Response::Noted,
        };
        let Some(answered) = news else {
            return out.push(noted);
        };
        let after = vec![
            noted,
            Effect::Notify(Event::InviteAnswered { by: from, serves }),
        ];
        self.persist(vec![written(answered)], AfterPersist::Effects(after), out);
    }

    fn trim_invitations(&mut self, now: Now, out: &mut Outbox) {
        let vault = self.vault.as_mut();
        let gone = vault.map(|vault| vault.invitations.trim(now.wall));
        let writes = gone.into_iter().flatten().map(|gone| {
            let Invitation { with, is_own, .. } = gone;
            Write::Sublime(SublimeWrite::NoInvitation { with, is_own })
        });
        let writes: Vec<_> = writes.collect();
        if !writes.is_empty() {
            self.persist(writes, AfterPersist::Nothing, out);
        }
    }

    pub(super) fn guardians_view(&self) -> GuardiansView {
        let Some(vault) = &self.vault else {
            return GuardiansView::default();
        };
        let known = &vault.known;
        let serving = known.serving().map(|(member, _)| member);
        let serving = serving.filter(|member| self.directory.is_active(member));
        let newest = |mut of: Vec<Invitation>| {
            of.sort_by_key(|invitation| (core::cmp::Reverse(invitation.since), invitation.with));
            of
        };
        let made = vault.invitations.made().cloned().map(|made| {
            // Its record says more than an answer that may be on its way.
            let serves = known.guardian(&made.with).map(|_| true).or(made.serves);
            Invitation { serves, ..made }
        });
        GuardiansView {
            serving: serving
                .map(|member| (*member, known.drill(member).copied()))
                .collect(),
            drilled: known.drill(&self.config.key).copied(),
            received: newest(vault.invitations.received().cloned().collect()),
            made: newest(made.collect()),
        }
    }
}
