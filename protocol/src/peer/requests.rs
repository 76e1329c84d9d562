//! What other peers ask. Strangers may say hello; all else needs an active member.

use x0_crypto::PublicKey;

use super::{Peer, ingest::Origin, linking::turn_away};
use crate::{
    core::{
        effect::{Effect, Outbox},
        event::Event,
        ids::RequestToken,
        time::Now,
    },
    spine::delivery::reconcile::{KeyedId, SessionKey},
    wire::{
        Body, Hello, Outcome, Part, Record, Refused, Request, Response, Unverified, VersionRange,
        Welcome,
    },
};

impl Peer {
    pub(super) fn on_request(
        &mut self,
        now: Now,
        from: PublicKey,
        token: RequestToken,
        request: Request,
        out: &mut Outbox,
    ) {
        if !matches!(request, Request::Hello(_)) && !self.directory.is_active(&from) {
            return respond(token, Response::Refused(Refused::NotAMember), out);
        }
        match request {
            Request::Hello(hello) => self.on_hello(now, from, token, hello, out),
            Request::Reconcile {
                part,
                session,
                message,
            } => {
                let response = self.reconcile(from, part, session, &message);
                respond(token, response, out);
            }
            Request::Fetch {
                part,
                session,
                keyed,
            } => {
                let keyed: Vec<_> = keyed.into_iter().map(KeyedId::from_bytes).collect();
                let session = (SessionKey(session), part);
                let records = self.sessions.resolve(&from, session, &self.index, &keyed);
                out.push(Effect::RespondRecords { token, records });
            }
            Request::Push { records } => {
                self.on_page(now, records, Origin::Pushed { from, token }, out);
            }
            Request::Stem(record) => self.on_stem(now, (from, token), record, out),
            Request::HeadOf => {
                let records = self
                    .index
                    .head(&from)
                    .map(|(_, id)| id)
                    .into_iter()
                    .collect();
                out.push(Effect::RespondRecords { token, records });
            }
            Request::Head(head) => {
                if head.peek().author != from {
                    return respond(token, Response::Refused(Refused::Malformed), out);
                }
                self.check_head(head, out);
                respond(token, Response::Noted, out);
            }
            Request::Consistency { old, new } => {
                let proof = self.audit.prove_growth(old, new);
                let no_answer = Response::Refused(Refused::NoAnswer);
                respond(token, proof.map_or(no_answer, Response::Consistency), out);
            }
            Request::Outcome { act, outcome } => {
                let executed = matches!(outcome, Outcome::Executed);
                let own = self.config.key;
                if self.acts.hear(&act, &own, from, outcome, &self.directory) {
                    out.push(Effect::Notify(Event::Outcome {
                        act,
                        target: from,
                        executed,
                    }));
                }
                respond(token, Response::Noted, out);
            }
            Request::Seat(message) => self.on_seat_message(now, from, token, message, out),
            Request::Blocks { from: height } => self.on_blocks_asked(from, token, height, out),
            Request::State { state, part } => {
                self.on_state_asked(&from, token, (state, part), out);
            }
            Request::Dealing { ceremony, dealing } => {
                self.on_dealing(now, from, token, (ceremony, *dealing), out);
            }
            Request::Parts(parts) => self.on_parts(now, from, token, &parts, out),
            Request::Offer(entry) => self.on_offered(from, token, entry, out),
            Request::Admit(admission) => self.on_admit(now, from, token, *admission, out),
            Request::Vote(ask) => self.on_vote_asked(now, token, *ask, out),
            Request::Audit(ask) => self.on_audit_asked(now, token, ask, out),
            Request::Public(ask) => self.on_public_asked(token, ask, out),
            Request::Heads(heads) => {
                let own = self.config.key;
                let others = heads.into_iter().filter(|head| {
                    let author = &head.peek().author;
                    *author != own && self.directory.is_active(author)
                });
                let others: Vec<_> = others.collect();
                for head in others {
                    self.check_head(head, out);
                }
                respond(token, Response::Noted, out);
            }
            Request::Countersign(ask) => self.on_countersign_asked(now, from, token, *ask, out),
            Request::Consent(consent) => {
                self.on_consent_asked(now, from, token, *consent, out);
            }
            Request::Account(ask) => self.on_account_asked(now, from, token, ask, out),
            Request::Sublime(ask) => self.on_sublime_asked(now, from, token, *ask, out),
        }
    }

    fn on_hello(
        &mut self,
        now: Now,
        from: PublicKey,
        token: RequestToken,
        hello: Hello,
        out: &mut Outbox,
    ) {
        if hello.mesh != self.directory.mesh() {
            return respond(token, Response::Refused(Refused::OtherMesh), out);
        }
        if VersionRange::OURS.common(hello.versions).is_none() {
            let VersionRange { min, max } = VersionRange::OURS;
            let refused = Refused::NoCommonVersion { min, max };
            turn_away(from, "it speaks no wire version known here", out);
            return respond(token, Response::Refused(refused), out);
        }
        if self.directory.is_active(&from) {
            let genesis = hello.join.map(|_| self.config.genesis.to_unverified());
            let welcome = Welcome {
                versions: VersionRange::OURS,
                genesis,
            };
            respond(token, Response::Welcome(welcome), out);
            return self.on_greeted(now, from, out);
        }
        let own_join = hello.join.filter(|join| {
            let record = join.peek();
            record.author() == from && matches!(record.body(), Body::Join(_))
        });
        // Of two joins that members took at the same time the smaller id counts everywhere. Whoever knocks
        // later must not get the chance: with many tries it would find a smaller one.
        let is_used_by_another = |join: &Unverified<Record>| {
            let Body::Join(join) = join.peek().body() else {
                return false;
            };
            let entered = self.directory.entered_by(&join.invite);
            entered.is_some_and(|newcomer| newcomer != from)
        };
        if own_join.as_ref().is_some_and(is_used_by_another) {
            let why = "the invite has been used by somebody else".to_owned();
            return respond(token, Response::Refused(Refused::JoinRefused { why }), out);
        }
        match own_join {
            Some(join) => self.on_page(now, vec![join], Origin::Knock { from, token }, out),
            None => respond(token, Response::Refused(Refused::NotAMember), out),
        }
    }

    fn reconcile(
        &mut self,
        from: PublicKey,
        part: Part,
        session: [u8; 32],
        message: &[u8],
    ) -> Response {
        let session = (SessionKey(session), part);
        let answer = self.sessions.answer(from, session, &self.index, message);
        answer.map_or(Response::Refused(Refused::Malformed), Response::Reconcile)
    }
}

pub(super) fn respond(token: RequestToken, response: Response, out: &mut Outbox) {
    out.push(Effect::Respond { token, response });
}
