//! Links: greeting, finding the head of the own chain, catching up, telling the audit log's head.

use std::collections::VecDeque;

use x0_crypto::{ContentId, PublicKey};

use super::{AfterPersist, Asked, Peer, Waiting, ingest::Origin};
use crate::{
    core::{
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::RequestId,
        job::Job,
        limits::{CATCH_UP_RETRY, HEAD_QUERIES_MAX, HEADS_PASSED_MAX, WITNESSED_MAX},
        reject::RejectReason,
        time::{Millis, Mono, Now},
    },
    spine::{
        audit::{Seen, What},
        delivery::{CatchUp, Progress},
    },
    wire::{Hello, LogHead, Part, Policy, Refused, Request, Response, Unverified, VersionRange},
};

impl Peer {
    pub(super) fn on_link_up(
        &mut self,
        now: Now,
        peer: PublicKey,
        dialled: bool,
        admitted: bool,
        out: &mut Outbox,
    ) {
        self.links.up(peer, dialled, admitted, now.mono);
        if dialled && admitted {
            self.greet(peer, false, out);
        }
    }

    pub(super) fn on_link_down(&mut self, now: Now, peer: PublicKey, out: &mut Outbox) {
        self.sessions.end(&peer);
        if self.links.down(&peer) {
            self.healing.lost(peer, now.mono);
            out.push(Effect::Notify(Event::Unlinked { peer }));
        }
    }

    /// Says hello on links that have stayed ungreeted.
    pub(super) fn greet_waiting(&mut self, now: Now, out: &mut Outbox) {
        for peer in self.links.take_waiting(now.mono) {
            self.greet(peer, false, out);
        }
    }

    fn greet(&mut self, to: PublicKey, with_join: bool, out: &mut Outbox) {
        let join = self.own_join.as_ref().filter(|_| with_join);
        let hello = Hello {
            versions: VersionRange::OURS,
            mesh: self.directory.mesh(),
            join: join.map(|join| join.to_unverified()),
        };
        self.ask(
            to,
            Request::Hello(hello),
            Asked::Hello { to, with_join },
            out,
        );
    }

    /// Takes a link as greeted and puts it to use.
    pub(super) fn on_greeted(&mut self, now: Now, peer: PublicKey, out: &mut Outbox) {
        if !self.links.greet(&peer) {
            return;
        }
        out.push(Effect::Notify(Event::Linked { peer }));
        if let Some(took) = self.healing.greeted(&peer, now.mono) {
            out.push(Effect::Notify(Event::Healed { peer, took }));
        }
        if !self.chain.ready && usize::from(self.chain.asked) < HEAD_QUERIES_MAX {
            self.chain.asked += 1;
            self.ask(peer, Request::HeadOf, Asked::HeadOf, out);
        }
        let dialled = self
            .links
            .iter()
            .any(|link| link.peer == peer && link.dialled);
        if dialled || !self.chain.caught_up {
            self.queue_catch_up(peer);
        }
        if self.catch_up_at.is_none() {
            self.schedule_catch_up(now.mono);
        }
        self.ask_for_receipts(now);
        self.introduce(peer, out);
        self.tell_answer(peer, out);
    }

    pub(super) fn ask(&mut self, to: PublicKey, request: Request, asked: Asked, out: &mut Outbox) {
        let id = RequestId(self.fresh_id());
        self.asked.insert(id, asked);
        out.push(Effect::Request { id, to, request });
    }

    pub(super) fn on_response(
        &mut self,
        now: Now,
        id: RequestId,
        response: Option<Response>,
        out: &mut Outbox,
    ) {
        let Some(asked) = self.asked.remove(&id) else {
            return;
        };
        match (asked, response) {
            (Asked::Hello { to, .. }, Some(Response::Welcome(welcome))) => {
                match VersionRange::OURS.common(welcome.versions) {
                    Some(_) => self.on_greeted(now, to, out),
                    None => turn_away(to, "it speaks no wire version known here", out),
                }
            }
            (
                Asked::Hello {
                    to,
                    with_join: false,
                },
                Some(Response::Refused(Refused::NotAMember)),
            ) if self.own_join.is_some() => {
                self.greet(to, true, out);
            }
            (Asked::Hello { to, .. }, Some(Response::Refused(refused))) => {
                turn_away(to, &refused.to_string(), out);
            }
            (Asked::Hello { to, .. }, _) => turn_away(to, "it did not answer the greeting", out),
            (Asked::Reconcile, Some(Response::Reconcile(message))) => {
                self.on_compared(now, &message, out);
            }
            (Asked::Fetch, Some(Response::Records(records))) => {
                let Some(catch_up) = &self.catch_up else {
                    return;
                };
                let came = records.iter().map(|record| record.peek().id()).collect();
                let origin = Origin::Fetched {
                    from: catch_up.with(),
                    came,
                };
                self.on_page(now, records, origin, out);
            }
            (Asked::Push, Some(Response::Noted)) => {
                if let Some(progress) = self.catch_up.as_mut().map(|c| c.pushed()) {
                    self.on_progress(now, progress, out);
                }
            }
            (Asked::Reconcile | Asked::Fetch | Asked::Push, _) => self.give_up_catch_up(now),
            (Asked::HeadOf, Some(Response::Records(records))) => {
                let own: Vec<_> = records
                    .into_iter()
                    .filter(|record| record.peek().author() == self.config.key)
                    .take(1)
                    .collect();
                self.on_page(
                    now,
                    own,
                    Origin::OwnHead {
                        from: self.config.key,
                    },
                    out,
                );
            }
            (Asked::HeadOf, _) => {}
            (Asked::Head { to, size }, Some(Response::Noted)) => {
                self.audit.witnessed_by(to, size);
            }
            (Asked::Consistency { head, old }, Some(Response::Consistency(proof))) => {
                let known = self.audit.head_of(&head.author).map(|known| known.size);
                if known.is_some_and(|known| known != old) {
                    // Another head was taken meanwhile: the proof begins at one that is no longer the newest.
                    self.on_head_checked(now, Ok(head), out);
                } else if self.audit.is_extended_by(&head, &proof) {
                    self.keep_head(head, out);
                } else {
                    self.on_split_view(now, &head, out);
                }
            }
            (Asked::Seat { to }, Some(Response::Height(height))) => {
                self.on_height_told(now, to, height, out);
            }
            (Asked::Blocks, Some(Response::Blocks(blocks))) => self.check_blocks(blocks, out),
            (Asked::State { to }, Some(Response::State { parts, bytes })) => {
                self.on_state_part(now, to, Some((parts, bytes)), out);
            }
            (Asked::State { to }, _) => self.on_state_part(now, to, None, out),
            (Asked::Dealing { ceremony, to }, Some(Response::Acknowledged(ack))) => {
                self.on_acknowledged(now, &ceremony, to, *ack, out);
            }
            (Asked::Parts, Some(Response::Signed(signatures))) => {
                self.on_signatures_told(now, &signatures, out);
            }
            (Asked::Guard { command, to }, response) => {
                self.on_guard_answer(command, to, response, out);
            }
            (Asked::Invite { command, to, why }, response) => {
                self.on_invite_answer(now, (command, to, why), response, out);
            }
            (Asked::Invited { to }, response) => self.on_answer_told(&to, response, out),
            (Asked::Plan { item }, response) => self.on_plan_answer(now, &item, response, out),
            (Asked::Keep { seat, item }, response) => {
                self.on_shown(seat, &item, response.as_ref());
            }
            (Asked::Part { item, index }, response) => {
                self.on_part_answer((item, index), response, out);
            }
            (Asked::Release { request, part }, response) => {
                self.on_release_answer(now, (request, part), response);
            }
            (Asked::Admit { act, to }, Some(Response::Admitted(answer))) => {
                self.on_admitted(act, to, answer, out);
            }
            (Asked::Vote { id, to }, Some(Response::Vote(answer))) => {
                self.on_vote_answer(id, to, *answer, out);
            }
            (Asked::Counted { proposal, to }, answer) => {
                let answer = match answer {
                    Some(Response::Vote(answer)) => Some(*answer),
                    Some(_) | None => None,
                };
                self.on_counted_page(proposal, to, answer, out);
            }
            (Asked::Consent { act, to, role }, Some(Response::Consent(answer))) => {
                self.on_consented(now, (act, to, role), answer, out);
            }
            (Asked::Audit { node, ask }, Some(Response::Audit(shown))) => {
                self.on_audit_shown(now, node, ask, Some(*shown), out);
            }
            (Asked::Audit { node, ask }, answer) => {
                let refused = match answer {
                    Some(Response::Refused(refused)) => Some(refused),
                    Some(_) | None => None,
                };
                self.on_audit_refused(now, &node, &ask, refused, out);
            }
            (Asked::Countersign { held }, Some(Response::Countersigned(one))) => {
                self.on_countersign_answer(held, one, out);
            }
            (Asked::Public { from, ask }, Some(Response::Public(page))) => {
                self.on_public_answer(now, (from, ask), *page, out);
            }
            (Asked::Account { ask, purpose }, answer) => {
                self.on_account(now, (ask, purpose), answer, out);
            }
            (
                Asked::Public { .. }
                | Asked::Countersign { .. }
                | Asked::Vote { .. }
                | Asked::Head { .. }
                | Asked::Consistency { .. }
                | Asked::Outcome
                | Asked::Seat { .. }
                | Asked::Blocks
                | Asked::Dealing { .. }
                | Asked::Parts
                | Asked::Told
                | Asked::Admit { .. }
                | Asked::Consent { .. },
                _,
            ) => {}
        }
    }

    /// Counts a peer that told the head of the own chain; enough of them make this peer ready.
    pub(super) fn on_own_head(&mut self, now: Now, out: &mut Outbox) {
        self.chain.witnesses = self.chain.witnesses.saturating_add(1);
        let others = self.directory.active_count().saturating_sub(1);
        let enough = u32::try_from(HEAD_QUERIES_MAX)
            .unwrap_or(u32::MAX)
            .min(others);
        if u32::from(self.chain.witnesses) >= enough {
            self.become_ready(now, out);
        }
    }

    pub(super) fn become_ready(&mut self, now: Now, out: &mut Outbox) {
        self.chain.wait_until = None;
        if std::mem::replace(&mut self.chain.ready, true) {
            return;
        }
        self.chain.head = self.chain.head.max(self.index.head(&self.config.key));
        out.push(Effect::Notify(Event::Ready {
            witnesses: self.chain.witnesses,
        }));
        self.write_next(now, out);
    }

    fn queue_catch_up(&mut self, peer: PublicKey) {
        if !self.catch_up_queue.contains(&peer) {
            self.catch_up_queue.push_back(peer);
        }
    }

    /// Catches up with every greeted link but one, to spread what that one brought.
    pub(super) fn catch_up_with_others(&mut self, but: &PublicKey) {
        let others: Vec<_> = self.links.greeted().filter(|peer| peer != but).collect();
        for peer in others {
            self.queue_catch_up(peer);
        }
    }

    pub(super) fn catch_up_round(&mut self, now: Now, out: &mut Outbox) {
        let peers: Vec<_> = self.links.greeted().collect();
        let pick = self.rng.below(peers.len() as u64);
        if let Some(peer) = usize::try_from(pick).ok().and_then(|pick| peers.get(pick)) {
            self.queue_catch_up(*peer);
            self.pass_heads(*peer, out);
        }
        self.schedule_catch_up(now.mono);
    }

    /// Sets the next catch-up between half and three halves of the interval from now.
    pub(super) fn schedule_catch_up(&mut self, now: Mono) {
        let interval = Millis::from_secs(self.policies.value(Policy::CatchUpInterval)).0;
        let spread = Millis(interval / 2 + self.rng.below(interval.max(1)));
        self.catch_up_at = (interval > 0).then_some(now + spread);
    }

    /// Gives up the running catch-up and tries again soon.
    fn give_up_catch_up(&mut self, now: Now) {
        self.catch_up = None;
        let soon = now.mono + CATCH_UP_RETRY + Millis(self.rng.below(CATCH_UP_RETRY.0));
        self.catch_up_at = Some(self.catch_up_at.map_or(soon, |at| at.min(soon)));
    }

    pub(super) fn run_catch_up(&mut self, now: Now, out: &mut Outbox) {
        while self.catch_up.is_none() {
            let Some(peer) = self.catch_up_queue.pop_front() else {
                // An emptied queue keeps its room.
                self.catch_up_queue = VecDeque::new();
                return;
            };
            if self.links.is_greeted(&peer) {
                self.start_catch_up(now, peer, Part::Directory, out);
            }
        }
    }

    fn start_catch_up(&mut self, now: Now, peer: PublicKey, part: Part, out: &mut Outbox) {
        let key = self.rng.bytes();
        let (catch_up, progress) = CatchUp::start(peer, part, key, self.index.items(part));
        self.catch_up = Some(Box::new(catch_up));
        self.on_progress(now, progress, out);
    }

    fn on_compared(&mut self, now: Now, message: &[u8], out: &mut Outbox) {
        let Some(catch_up) = self.catch_up.as_mut() else {
            return;
        };
        match catch_up.compared(message) {
            Ok(progress) => self.on_progress(now, progress, out),
            Err(error) => {
                let from = catch_up.with();
                self.give_up_catch_up(now);
                out.push(Effect::Notify(Event::Rejected {
                    from,
                    why: error.to_string(),
                }));
            }
        }
    }

    pub(super) fn on_fetched(&mut self, now: Now, came: &[ContentId], out: &mut Outbox) {
        if let Some(progress) = self.catch_up.as_mut().map(|c| c.fetched(came)) {
            self.on_progress(now, progress, out);
        }
    }

    fn on_progress(&mut self, now: Now, progress: Progress, out: &mut Outbox) {
        let Some(catch_up) = &self.catch_up else {
            return;
        };
        let (with, part) = (catch_up.with(), catch_up.part());
        match progress {
            Progress::Ask(request @ Request::Fetch { .. }) => {
                self.ask(with, request, Asked::Fetch, out);
            }
            Progress::Ask(request) => self.ask(with, request, Asked::Reconcile, out),
            Progress::Push(records) => {
                let id = RequestId(self.fresh_id());
                self.asked.insert(id, Asked::Push);
                out.push(Effect::Push {
                    id,
                    to: with,
                    records,
                });
            }
            Progress::Done { received, sent } => {
                self.catch_up = None;
                if received > 0 {
                    self.catch_up_with_others(&with);
                }
                match part {
                    Part::Directory => self.start_catch_up(now, with, Part::Rest, out),
                    Part::Rest => self.on_caught_up(now, with, received, sent, out),
                }
            }
        }
    }

    fn on_caught_up(
        &mut self,
        now: Now,
        with: PublicKey,
        received: u32,
        sent: u32,
        out: &mut Outbox,
    ) {
        if self.orphans.take_overflowed() && received > 0 {
            self.queue_catch_up(with);
        }
        out.push(Effect::Notify(Event::CaughtUp {
            with,
            received,
            sent,
        }));
        self.dismiss_introducers(out);
        if !std::mem::replace(&mut self.chain.caught_up, true) {
            self.consider_unsettled(now, out);
        }
    }

    /// Lets introducers go that are no members after all; who was caught up with has had its say.
    fn dismiss_introducers(&mut self, out: &mut Outbox) {
        for peer in std::mem::take(&mut self.introducers) {
            if peer != self.config.key && !self.directory.is_active(&peer) {
                turn_away(peer, "it is not the member it was named as", out);
                out.push(Effect::Expel(peer));
            }
        }
    }

    pub(super) fn on_head_signed(
        &mut self,
        now: Now,
        id: crate::core::ids::JobId,
        head: LogHead,
        out: &mut Outbox,
    ) {
        let waiting = self.waiting.remove(&id);
        if let Some(Waiting::SignForWitnesses) = waiting {
            return self.on_head_for_witnesses(now, head, out);
        }
        let is_to_be_told = matches!(waiting, Some(Waiting::SignHead));
        if let Some(Waiting::Show { ask, to }) = waiting {
            return self.on_shown_signed(now, head, (ask, to), out);
        }
        if let Some(Waiting::ProveEntry {
            command,
            index,
            since,
        }) = waiting
        {
            return self.show_entry(head, None, (command, index, since), out);
        }
        if !is_to_be_told {
            return;
        }
        self.wish_countersigned(now);
        let peers: Vec<_> = self.links.greeted().collect();
        let pick = self.rng.below(peers.len() as u64);
        if let Some(peer) = usize::try_from(pick).ok().and_then(|pick| peers.get(pick)) {
            self.pass_heads(*peer, out);
        }
        for to in peers {
            let request = Request::Head(Unverified::from_wire(head.clone()));
            self.ask(
                to,
                request,
                Asked::Head {
                    to,
                    size: head.size,
                },
                out,
            );
        }
    }

    pub(super) fn check_head(&mut self, head: Unverified<LogHead>, out: &mut Outbox) {
        let id = self.job(Waiting::Head);
        out.push(Effect::Check {
            id,
            job: Job::Head(head),
        });
    }

    pub(super) fn on_head_checked(
        &mut self,
        now: Now,
        head: Result<LogHead, RejectReason>,
        out: &mut Outbox,
    ) {
        let Ok(head) = head else { return };
        match self.audit.weigh(&head) {
            Seen::Noted => self.keep_head(head, out),
            Seen::Prove { old, new } => {
                let to = head.author;
                self.ask(
                    to,
                    Request::Consistency { old, new },
                    Asked::Consistency { head, old },
                    out,
                );
            }
            Seen::Split(known) => self.on_two_heads(now, known, head, out),
        }
    }

    /// Passes some of the heads held of others on to a peer, drawn anew each time.
    fn pass_heads(&mut self, to: PublicKey, out: &mut Outbox) {
        let from = self.rng.below(WITNESSED_MAX as u64);
        let heads = self.audit.sample(from, HEADS_PASSED_MAX).into_iter();
        let heads: Vec<_> = heads
            .filter(|head| head.author != to)
            .map(Unverified::from_wire)
            .collect();
        if !heads.is_empty() {
            self.ask(to, Request::Heads(heads), Asked::Told, out);
        }
    }

    /// Keeps two heads of one size as proof that their author shows different logs, once for each author.
    pub(super) fn on_two_heads(
        &mut self,
        now: Now,
        one: Box<LogHead>,
        other: LogHead,
        out: &mut Outbox,
    ) {
        let author = other.author;
        if !self.audit.note_split(author) {
            return;
        }
        let other = Box::new(other);
        let entry = self.log(now, What::TwoHeads { one, other });
        let told = Effect::Notify(Event::SplitView { author });
        self.persist(vec![entry], AfterPersist::Effects(vec![told]), out);
    }

    fn keep_head(&mut self, head: LogHead, out: &mut Outbox) {
        if self.audit.keep(head.clone()) {
            self.persist(vec![Write::Witnessed(head)], AfterPersist::Nothing, out);
        }
    }

    pub(super) fn on_split_view(&mut self, now: Now, head: &LogHead, out: &mut Outbox) {
        let (author, size) = (head.author, head.size);
        let entry = self.log(now, What::SplitView { author, size });
        let told = Effect::Notify(Event::SplitView { author });
        self.persist(vec![entry], AfterPersist::Effects(vec![told]), out);
    }
}

/// Ends the links to a peer and says why.
pub(super) fn turn_away(peer: PublicKey, why: &str, out: &mut Outbox) {
    out.push(Effect::Notify(Event::TurnedAway {
        peer,
        why: why.to_owned(),
    }));
    out.push(Effect::Disconnect(peer));
}
