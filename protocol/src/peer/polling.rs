//! What a seat does for votes: takes ballots in and gives its word for them, lists them at the close, and hands out
//! what was counted.
//!
//! A receipt leaves only when the ballot is on disk. Everything else follows from the log: what is missing is signed or
//! offered again until it stands there.

use x0_crypto::{ContentId, PublicKey};

use super::{
    AfterPersist, Peer, Waiting,
    acting::shorten,
    requests::respond,
    seat::{News, Seat},
};
use crate::{
    core::{
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::{JobId, RequestToken},
        job::Job,
        limits::{LIST_IDS_MAX, PAGE_ELECTORS_MAX, PAGE_NODES_MAX},
        reject::RejectReason,
        time::{Millis, Mono, Now, Wall},
    },
    spine::{
        ballot::{Phase, VoteWrite},
        committee::Happened,
    },
    wire::{
        Ballot, Certificate, Entry, Receipt, Refused, Response, Statement, Subject, Unverified,
        Verified, VoteAnswer, VoteAsk, VoteBatch, VoteDraft, VoteEntry, VoteItem, VoteSigned,
    },
};

/// Time after which a seat signs a part of its list again that does not stand in the log.
const LIST_AGAIN: Millis = Millis(2_000);

/// What something about a vote is signed for.
pub(super) enum VoteFor {
    /// The local user handed it in.
    Command(crate::CommandId),
    /// Who handed a ballot in waits for the receipt.
    Receipt(Option<RequestToken>),
    /// The close.
    List,
}

impl Peer {
    pub(super) fn on_vote_asked(
        &mut self,
        now: Now,
        token: RequestToken,
        ask: VoteAsk,
        out: &mut Outbox,
    ) {
        let polls = self.committee.as_ref().map(|seat| seat.log.state().polls());
        let answer = match (ask, polls) {
            (VoteAsk::Take { item, receipts }, Some(_)) => {
                let answer = self.seat_takes(now, item, receipts, Some(token), out);
                let Some(answer) = answer else { return };
                answer
            }
            (VoteAsk::Take { .. } | VoteAsk::Refute { .. }, None) => {
                return respond(token, Response::Refused(Refused::NoAnswer), out);
            }
            (VoteAsk::Contents { bundle, from }, polls) => {
                let held = polls.and_then(|polls| polls.of_bundle(&bundle)?.poll());
                let kept = || self.voting.bundles.find(&bundle).map(|kept| kept.pages());
                let pages = held.map(|poll| poll.pages()).or_else(kept);
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                let pages = pages.unwrap_or_default().iter().skip(from);
                VoteAnswer::Contents(pages.take(PAGE_NODES_MAX).copied().collect())
            }
            (VoteAsk::Page { bundle, page }, polls) => {
                let held = polls.and_then(|polls| polls.of_bundle(&bundle));
                let leaves = held.map(|held| held.page(page));
                let kept = || Some(self.voting.bundles.find(&bundle)?.page(page));
                let leaves = leaves.filter(|leaves| !leaves.is_empty()).or_else(kept);
                VoteAnswer::Leaves(leaves.unwrap_or_default())
            }
            (VoteAsk::Electors { proposal, from }, polls) => {
                let held = polls.and_then(|polls| polls.find(&proposal));
                let electors = held.map(|held| held.electors(from, PAGE_ELECTORS_MAX));
                let kept = || {
                    let kept = self.voting.bundles.of_vote(&proposal)?;
                    Some(kept.electors(from, PAGE_ELECTORS_MAX))
                };
                VoteAnswer::Electors(electors.or_else(kept).unwrap_or_default())
            }
            (VoteAsk::Refute { proposal, fraud }, Some(polls)) => {
                match polls.check_fraud(&proposal, &fraud) {
                    Ok(()) => {
                        let entry = VoteEntry::Refuted { proposal, fraud };
                        self.offer_vote(now, entry, out);
                        VoteAnswer::Pending
                    }
                    Err(why) => VoteAnswer::Refused {
                        why: shorten(&why.to_string()),
                    },
                }
            }
        };
        respond(token, Response::Vote(Box::new(answer)), out);
    }

    /// Takes something in that a member hands to this seat; no answer yet if it must be checked first.
    ///
    /// Who asks without a token, this node itself, asks again.
    pub(super) fn seat_takes(
        &mut self,
        now: Now,
        item: VoteItem,
        receipts: Vec<Receipt>,
        token: Option<RequestToken>,
        out: &mut Outbox,
    ) -> Option<VoteAnswer> {
        let clock = self.clock(now);
        let Some(seat) = &self.committee else {
            return Some(VoteAnswer::Pending);
        };
        let state = seat.log.state();
        let Some(roll) = state.counted() else {
            return Some(VoteAnswer::Pending);
        };
        if let VoteItem::Ballot(ballot) = &item
            && let Some(receipt) = seat.log.urn().find(&ballot.proposal, &ballot.id())
            && receipts.is_empty()
        {
            return Some(receipt.map_or(VoteAnswer::Pending, |receipt| {
                VoteAnswer::Receipt(receipt.clone())
            }));
        }
        let is_vouched = receipts.len() > seat.faulty_max() && seat.is_closing(&item);
        match state.vote_standing(&item, clock, roll) {
            _ if is_vouched => {}
            Ok(true) => return Some(VoteAnswer::Taken),
            Ok(false) => {}
            Err(why) => return Some(VoteAnswer::Refused { why: shorten(&why) }),
        }
        let id = self.job(Waiting::VoteItem(token));
        let job = Job::Vote {
            mesh: self.directory.mesh(),
            item: Box::new(Unverified::from_wire(item)),
            receipts,
        };
        out.push(Effect::Check { id, job });
        None
    }

    pub(super) fn on_vote_item_checked(
        &mut self,
        now: Now,
        token: Option<RequestToken>,
        checked: Result<(Verified<VoteItem>, Vec<Receipt>), RejectReason>,
        out: &mut Outbox,
    ) {
        let Ok((item, receipts)) = checked else {
            if let Some(token) = token {
                respond(token, Response::Refused(Refused::Malformed), out);
            }
            return;
        };
        let entry = match item.value() {
            VoteItem::Proposal(proposal) => VoteEntry::Proposed(proposal.clone()),
            VoteItem::OnCall(ready) => VoteEntry::OnCall(ready.clone()),
            VoteItem::Delegation(said) => VoteEntry::Batch(VoteBatch {
                delegations: vec![said.clone()],
                ..VoteBatch::default()
            }),
            VoteItem::Ballot(ballot) => {
                return self.hold_ballot(now, ballot, receipts, token, out);
            }
        };
        self.offer_vote(now, entry, out);
        if let Some(token) = token {
            respond(token, Response::Vote(Box::new(VoteAnswer::Pending)), out);
        }
    }

    /// Holds a ballot that is good, writes it down and then gives this seat's word for it.
    fn hold_ballot(
        &mut self,
        now: Now,
        ballot: &Ballot,
        receipts: Vec<Receipt>,
        token: Option<RequestToken>,
        out: &mut Outbox,
    ) {
        let time = self.clock(now);
        let Some(seat) = &mut self.committee else {
            return;
        };
        let state = seat.log.state();
        let item = VoteItem::Ballot(ballot.clone());
        let roll = state.counted().cloned();
        // Time has passed since it came.
        let is_in_time =
            roll.is_some_and(|roll| state.vote_standing(&item, time, &roll) == Ok(false));
        let of_others: Vec<_> = receipts
            .into_iter()
            .filter(|receipt| seat.vouches(receipt, ballot))
            .collect();
        let may_hold = is_in_time || of_others.len() > seat.faulty_max();
        let taken_at = is_in_time.then_some(time);
        let is_new = may_hold && seat.log.hold(ballot, taken_at, of_others, now.mono);
        if is_new && is_in_time {
            let draft = VoteDraft::Receipt {
                proposal: ballot.proposal,
                ballot: ballot.id(),
                time,
            };
            let write = VoteWrite::Held {
                ballot: ballot.clone(),
                time,
            };
            let then = AfterPersist::SignVote(Box::new(draft), VoteFor::Receipt(token));
            return self.persist(vec![Write::Vote(Box::new(write))], then, out);
        }
        let Some(token) = token else { return };
        let held = seat.log.urn().find(&ballot.proposal, &ballot.id());
        let answer = match held {
            Some(Some(receipt)) => VoteAnswer::Receipt(receipt.clone()),
            Some(None) => VoteAnswer::Pending,
            None if may_hold => VoteAnswer::Refused {
                why: "too many ballots of this voter wait already".to_owned(),
            },
            None => VoteAnswer::Refused {
                why: "the vote has closed".to_owned(),
            },
        };
        respond(token, Response::Vote(Box::new(answer)), out);
    }

    pub(super) fn sign_vote(&mut self, draft: VoteDraft, what: VoteFor, out: &mut Outbox) {
        let id = self.job(Waiting::SignVote(what));
        let draft = Box::new(draft);
        out.push(Effect::SignVote { id, draft });
    }

    pub(super) fn on_vote_signed(
        &mut self,
        now: Now,
        id: JobId,
        signed: VoteSigned,
        out: &mut Outbox,
    ) {
        let Some(Waiting::SignVote(what)) = self.waiting.remove(&id) else {
            return;
        };
        match (what, signed) {
            (VoteFor::Command(command), VoteSigned::Item(item)) => {
                self.on_item_signed(command, item, out);
            }
            (VoteFor::Receipt(token), VoteSigned::Receipt(receipt)) => {
                if let Some(seat) = &mut self.committee {
                    seat.log.keep_receipt(&receipt);
                }
                if let Some(token) = token {
                    let answer = Box::new(VoteAnswer::Receipt(receipt));
                    respond(token, Response::Vote(answer), out);
                }
            }
            (VoteFor::List, VoteSigned::List(list)) => {
                self.offer_vote(now, VoteEntry::List(list), out);
            }
            (_, _) => debug_assert!(false, "a driver signs what it was given"),
        }
    }

    /// Puts something about a vote before the committee, here and at all linked seats.
    fn offer_vote(&mut self, now: Now, entry: VoteEntry, out: &mut Outbox) {
        let entry = Entry::Vote(Box::new(entry));
        let Some(seat) = &mut self.committee else {
            return;
        };
        if seat.log.submit(entry.clone(), now.mono) {
            self.send_entry(entry, out);
        }
    }

    /// Does what the log asks of this seat for votes.
    pub(super) fn run_polls(&mut self, now: Now, out: &mut Outbox) {
        let mesh = self.directory.mesh();
        let own = self.config.key;
        let Some(seat) = &mut self.committee else {
            return;
        };
        for Happened { proposal, what } in seat.log.state_mut().take_happened() {
            out.push(Effect::Notify(Event::Vote { proposal, what }));
        }
        let over = seat.log.take_over();
        let cases = self.voting.verdicts.cases();
        let passed = cases.filter_map(|(_, case)| {
            let polls = seat.log.state().polls();
            let is_news = case.has_passed() && polls.passed(&case.proposal.subject).is_none();
            case.proof().filter(|_| is_news)
        });
        let verdicts: Vec<_> = passed.collect();
        let (lists, entries) = seat.owed(&mesh, &own, now.mono);
        if !over.is_empty() {
            let over = over.into_iter();
            let writes = over.map(|vote| Write::Vote(Box::new(VoteWrite::Over(vote))));
            self.persist(writes.collect(), AfterPersist::Nothing, out);
        }
        for draft in lists {
            self.sign_vote(draft, VoteFor::List, out);
        }
        let verdicts = verdicts.into_iter().map(Box::new);
        for entry in entries.into_iter().chain(verdicts.map(VoteEntry::Verdict)) {
            self.offer_vote(now, entry, out);
        }
    }

    /// Sets when this seat tells all nodes what was certified of a vote, if none has before.
    pub(super) fn plan_vote_notice(&mut self, now: Now, certificate: Certificate) {
        let Some(seat) = &self.committee else { return };
        let state = seat.log.state();
        let height = state.height();
        if let Some(notice) = state.polls().notice(certificate) {
            self.plan(now, height, News::Vote(Box::new(notice)));
        }
    }

    /// Takes up the ballots that this seat has given its word for.
    pub(super) fn recall_held(&mut self, now: Now, held: Vec<(Ballot, Wall)>, out: &mut Outbox) {
        let Some(seat) = &mut self.committee else {
            return;
        };
        let mut drafts = Vec::new();
        for (ballot, time) in held {
            seat.log.remember(ballot.proposal);
            let polls = seat.log.state().polls();
            let poll = polls.find(&ballot.proposal).and_then(|held| held.poll());
            let is_known = poll.is_none_or(|poll| poll.has(&ballot) && !poll.is_held(&ballot));
            if is_known || !seat.log.hold(&ballot, Some(time), Vec::new(), now.mono) {
                continue;
            }
            drafts.push(VoteDraft::Receipt {
                proposal: ballot.proposal,
                ballot: ballot.id(),
                time,
            });
        }
        for draft in drafts {
            self.sign_vote(draft, VoteFor::Receipt(None), out);
        }
    }
}

impl Seat {
    fn faulty_max(&self) -> usize {
        self.log.seats().faulty_max()
    }

    /// Tells whether a ballot is for a vote whose seats list what they hold.
    fn is_closing(&self, item: &VoteItem) -> bool {
        let VoteItem::Ballot(ballot) = item else {
            return false;
        };
        let held = self.log.state().polls().find(&ballot.proposal);
        let poll = held.filter(|held| held.can_vote(&ballot.voter));
        let poll = poll.and_then(|held| held.poll());
        poll.is_some_and(|poll| {
            let may_count = !poll.has(ballot) || poll.lacks_word(ballot);
            may_count && matches!(poll.phase(), Phase::Closing { .. })
        })
    }

    /// Tells whether a receipt, whose signature holds, is a seat's word from before the close.
    fn vouches(&self, receipt: &Receipt, ballot: &Ballot) -> bool {
        let held = self.log.state().polls().find(&ballot.proposal);
        let close = held.and_then(|held| held.poll()).map(|poll| poll.close());
        self.log.seats().contains(&receipt.seat)
            && receipt.proposal == ballot.proposal
            && receipt.ballot == ballot.id()
            && close.is_some_and(|close| receipt.time < close)
    }

    /// Returns what this seat owes to votes: parts of its list, draws and certificates that the log lacks.
    fn owed(
        &mut self,
        mesh: &ContentId,
        own: &PublicKey,
        now: Mono,
    ) -> (Vec<VoteDraft>, Vec<VoteEntry>) {
        let state = self.log.state();
        let (mut lists, mut entries) = (Vec::new(), Vec::new());
        for (proposal, held) in state.polls().iter() {
            let Some(poll) = held.poll().filter(|_| held.resolved().is_none()) else {
                continue;
            };
            if let Some(part) = poll.part_due(own) {
                let last = self.listed.get(proposal);
                if last.is_some_and(|(said, at)| *said == part && now < *at + LIST_AGAIN) {
                    continue;
                }
                self.listed.insert(*proposal, (part, now));
                let all = self.log.urn().list(proposal);
                let from = usize::try_from(part).unwrap_or(usize::MAX);
                let from = from.saturating_mul(LIST_IDS_MAX).min(all.len());
                let to = from.saturating_add(LIST_IDS_MAX).min(all.len());
                lists.push(VoteDraft::List {
                    proposal: *proposal,
                    part: (part, to == all.len()),
                    ballots: all[from..to].to_vec(),
                });
            } else {
                self.listed.remove(proposal);
            }
            if let (Phase::Tallied { .. }, Some(stated), Some(keys)) =
                (poll.phase(), poll.statement(), state.keys())
            {
                let statement = Statement::Tally(*stated);
                let subject = Subject::Statement(statement).id(mesh, keys.epoch);
                if let Some(signature) = self.work.signature(&subject) {
                    entries.push(VoteEntry::Certified(Box::new(Certificate {
                        epoch: keys.epoch,
                        statement,
                        signature,
                    })));
                }
            }
        }
        for (proposal, round) in state.polls().all_to_draw() {
            if let Some(signature) = self.work.round(round) {
                entries.push(VoteEntry::Drawn {
                    proposal,
                    signature,
                });
            }
        }
        (lists, entries)
    }
}
