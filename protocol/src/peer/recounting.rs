//! Recounts: what was counted is fetched by its name, from the seats or from any node that has it, a page at a time, and
//! counted again.
//!
//! The certified root names the ballots. First come the roots of its pages, which must lead to it, then the pages, each
//! checked as it comes: who hands out something else is passed over, and what was good stays. Those who could vote are
//! checked as a whole, against the root in the opening's certificate. Who has counted keeps the ballots for others.

use std::sync::Arc;

use serde_bytes::ByteBuf;
use x0_crypto::{ContentId, PublicKey};

use super::{Asked, Peer, Waiting};
use crate::{
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox},
        event::Event,
        ids::CommandId,
        job::Job,
        limits::{PAGE_LEAVES_MAX, RECOUNTS_DRAWN},
        time::Now,
        vote::VoteRefusal,
    },
    spine::{
        ballot::{
            Announced, BallotBundle, Leaf, RecountTask, Recounted, TallyStatement,
            tally::{Node, Tree, root_of_pages},
        },
        committee::Seats,
    },
    wire::{Elector, Request, Statement, VoteAnswer, VoteAsk, VoteDraft},
};

/// What a command wants of a recount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// What it came to.
    Result,
    /// All that was counted.
    Bundle,
}

/// A recount whose parts are being fetched.
#[derive(Default)]
pub(super) struct Recount {
    commands: Vec<(CommandId, Wanted)>,
    electors: Arc<Vec<Elector>>,
    /// The roots of the pages, and whether they are all there and lead to the certified root.
    pages: Vec<Node>,
    has_pages: bool,
    leaves: Arc<Vec<Leaf>>,
    /// Who was asked and did not give what is certified.
    tried: Vec<PublicKey>,
    asking: Option<PublicKey>,
    is_counting: bool,
}

impl Peer {
    pub(super) fn begin_recount(
        &mut self,
        command: (CommandId, Wanted),
        proposal: ContentId,
        out: &mut Outbox,
    ) -> Result<Option<VoteDraft>, VoteRefusal> {
        let known = self.voting.book.find(&proposal);
        let known = known.ok_or(VoteRefusal::NoSuchVote(proposal))?;
        if known.tally().is_none() || known.opening().is_none() {
            return Err(VoteRefusal::NotCounted(proposal));
        }
        let is_new = !self.voting.recounts.contains_key(&proposal);
        let recount = self.voting.recounts.entry(proposal).or_default();
        recount.commands.push(command);
        if is_new {
            self.fetch_counted(proposal, out);
        }
        Ok(None)
    }

    /// Counts again what a certificate speaks of, if the lot falls on this node: some do so at every vote, whether or not
    /// anybody asks. Who found no ballots when the tally came tries once more when the end comes.
    pub(super) fn recount_by_lot(
        &mut self,
        proposal: ContentId,
        statement: &Statement,
        out: &mut Outbox,
    ) {
        let is_drawn = match statement {
            Statement::Tally(_) => {
                let members = u64::from(self.directory.active_count());
                self.rng.below(members.max(1)) < RECOUNTS_DRAWN
            }
            Statement::Resolved(_) => self.voting.book.is_unpublished(&proposal),
            Statement::Opened(_)
            | Statement::Checkpoint(_)
            | Statement::Ticket(_)
            | Statement::Ruling(_)
            | Statement::Audits(_)
            | Statement::Rotation(_)
            | Statement::HandOver(_)
            | Statement::Halt(_)
            | Statement::Jury(_) => false,
        };
        // A seat follows the count in its own log.
        let follows = || {
            self.committee
                .as_ref()
                .is_some_and(|seat| seat.log.is_seated())
        };
        let is_known = || self.counted(&proposal).is_some();
        if is_drawn && is_known() && !follows() && !self.voting.recounts.contains_key(&proposal) {
            self.voting.recounts.entry(proposal).or_default();
            self.fetch_counted(proposal, out);
        }
    }

    /// Returns the certified opening and count of a vote.
    fn counted(&self, proposal: &ContentId) -> Option<(Announced, TallyStatement)> {
        let known = self.voting.book.find(proposal)?;
        Some((known.opening()?.clone(), known.tally()?))
    }

    /// Asks for the next part of what a recount takes, or counts.
    fn fetch_counted(&mut self, proposal: ContentId, out: &mut Outbox) {
        let Some((opening, statement)) = self.counted(&proposal) else {
            return;
        };
        let next = self.next_holder(&proposal);
        let (voters, counted) = (opening.opened.electorate.count, statement.tally.sums.leaves);
        let Some(recount) = self.voting.recounts.get_mut(&proposal) else {
            return;
        };
        if recount.is_counting {
            return;
        }
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let has_voters = !opening.jury.is_empty() || count(recount.electors.len()) >= voters;
        let bundle = statement.bundle();
        recount.has_pages |= counted == 0 && Tree::of(&[]).root().hash == statement.tally.root;
        let ask = if !has_voters {
            let from = count(recount.electors.len());
            VoteAsk::Electors { proposal, from }
        } else if !recount.has_pages {
            let from = count(recount.pages.len());
            VoteAsk::Contents { bundle, from }
        } else if recount.leaves.len().div_ceil(PAGE_LEAVES_MAX) < recount.pages.len() {
            let page = count(recount.leaves.len() / PAGE_LEAVES_MAX);
            VoteAsk::Page { bundle, page }
        } else {
            return self.count_again(proposal, opening, statement, out);
        };
        recount.asking = next;
        match next {
            Some(to) => {
                let request = Request::Vote(Box::new(ask));
                self.ask(to, request, Asked::Counted { proposal, to }, out);
            }
            None => self.end_recount(proposal, Err(VoteRefusal::NotPublished(proposal)), out),
        }
    }

    fn count_again(
        &mut self,
        proposal: ContentId,
        opening: Announced,
        statement: TallyStatement,
        out: &mut Outbox,
    ) {
        let then = self.trust.seats_at(opening.opened.height);
        let then = then.unwrap_or(&self.directory.genesis().seats);
        let (Some(seats), Some(recount)) = (
            Seats::new(then.to_vec()),
            self.voting.recounts.get_mut(&proposal),
        ) else {
            return;
        };
        recount.is_counting = true;
        let task = RecountTask {
            mesh: self.directory.mesh(),
            seats,
            proposal: opening.proposal,
            opened: opening.opened,
            statement,
            electors: recount.electors.clone(),
            jury: opening.jury,
            leaves: recount.leaves.clone(),
            held: self.voting.own.receipted(&proposal),
        };
        let id = self.job(Waiting::Recount(proposal));
        let job = Job::Recount(Box::new(task));
        out.push(Effect::Check { id, job });
    }

    /// Returns who is asked next: whoever is being asked, else a seat, else anybody linked.
    fn next_holder(&self, proposal: &ContentId) -> Option<PublicKey> {
        let recount = self.voting.recounts.get(proposal)?;
        let own = self.config.key;
        let is_untried = |peer: &PublicKey| *peer != own && !recount.tried.contains(peer);
        let seats = || self.seats().iter().copied().filter(is_untried);
        let linked = seats().find(|seat| self.links.is_greeted(seat));
        let others = || self.links.greeted().find(is_untried);
        let next = recount.asking.or(linked).or_else(others);
        next.or_else(|| seats().next())
    }

    /// Takes a part of what a recount takes; who has none, or another, is not asked again.
    pub(super) fn on_counted_page(
        &mut self,
        proposal: ContentId,
        from: PublicKey,
        answer: Option<VoteAnswer>,
        out: &mut Outbox,
    ) {
        let counted = self.counted(&proposal);
        let (Some(recount), Some((_, statement))) =
            (self.voting.recounts.get_mut(&proposal), counted)
        else {
            return;
        };
        let is_good = match answer {
            Some(VoteAnswer::Electors(electors)) if !electors.is_empty() => {
                Arc::make_mut(&mut recount.electors).extend(electors);
                true
            }
            Some(VoteAnswer::Contents(pages)) if !pages.is_empty() => {
                recount.pages.extend(pages);
                recount.weigh_pages(&statement)
            }
            Some(VoteAnswer::Leaves(leaves)) if !leaves.is_empty() => recount.take_page(leaves),
            Some(_) | None => false,
        };
        if !is_good {
            recount.pass_over(from);
        }
        self.fetch_counted(proposal, out);
    }

    pub(super) fn on_recounted(
        &mut self,
        now: Now,
        proposal: ContentId,
        found: Recounted,
        out: &mut Outbox,
    ) {
        match &found {
            Recounted::Same(_) => {
                self.voting.book.note_published(&proposal, true);
                self.keep_counted(&proposal);
            }
            Recounted::False(refuted) => self.refute(now, proposal, refuted, out),
            Recounted::NotPublished(_) => {
                // Another may hand out what was certified.
                if let Some(recount) = self.voting.recounts.get_mut(&proposal) {
                    if let Some(asked) = recount.asking {
                        recount.pass_over(asked);
                    }
                    let commands = core::mem::take(&mut recount.commands);
                    let tried = core::mem::take(&mut recount.tried);
                    **recount = Recount {
                        commands,
                        tried,
                        ..Recount::default()
                    };
                }
                if self.next_holder(&proposal).is_some() {
                    return self.fetch_counted(proposal, out);
                }
                self.voting.book.note_published(&proposal, false);
            }
        }
        self.end_recount(proposal, Ok(found), out);
    }

    /// Keeps what was counted, for others.
    fn keep_counted(&mut self, proposal: &ContentId) {
        let counted = self.counted(proposal);
        if let (Some((_, statement)), Some(recount)) = (counted, self.voting.recounts.get(proposal))
        {
            let (electors, leaves) = (recount.electors.clone(), recount.leaves.clone());
            let pages = recount.pages.clone();
            self.voting.bundles.keep(statement, electors, leaves, pages);
        }
    }

    fn end_recount(
        &mut self,
        proposal: ContentId,
        found: Result<Recounted, VoteRefusal>,
        out: &mut Outbox,
    ) {
        let Some(recount) = self.voting.recounts.remove(&proposal) else {
            return;
        };
        if found.is_err() {
            self.voting.book.note_published(&proposal, false);
        }
        if recount.commands.is_empty() {
            let what = match &found {
                Ok(Recounted::Same(_)) => {
                    "this node has counted again: it is as certified".to_owned()
                }
                Ok(Recounted::False(_)) => "this node has counted again: it is false".to_owned(),
                Ok(Recounted::NotPublished(why)) => format!("this node cannot count again: {why}"),
                Err(why) => format!("this node cannot count again: {why}"),
            };
            out.push(Effect::Notify(Event::Vote { proposal, what }));
        }
        for (id, wanted) in &recount.commands {
            let reply = match (wanted, &found) {
                (Wanted::Result, found) => found.clone().map(Reply::Recounted),
                (Wanted::Bundle, Err(refusal)) => Err(refusal.clone()),
                (Wanted::Bundle, Ok(Recounted::NotPublished(_))) => {
                    Err(VoteRefusal::NotPublished(proposal))
                }
                (Wanted::Bundle, Ok(Recounted::Same(_) | Recounted::False(_))) => self
                    .bundle(&proposal, &recount)
                    .map(|bundle| Reply::Bundle(Box::new(bundle)))
                    .ok_or(VoteRefusal::NotPublished(proposal)),
            };
            let reply = reply.map_err(CommandError::from);
            out.push(Effect::Reply { id: *id, reply });
        }
    }

    /// Returns all that was counted, with the records by which the committee's keys follow from the genesis.
    fn bundle(&self, proposal: &ContentId, recount: &Recount) -> Option<BallotBundle> {
        let known = self.voting.book.find(proposal)?;
        let opening = known.opening()?;
        let genesis = self.config.genesis.value().bytes();
        let epochs = self.trust.epochs().iter().map(|record| record.bytes());
        let records = core::iter::once(genesis).chain(epochs);
        Some(BallotBundle {
            records: records.map(ByteBuf::from).collect(),
            opened: opening.certificate,
            proposal: opening.proposal.clone(),
            jury: opening.jury.clone(),
            tally: *known.certified()?,
            electors: recount.electors.to_vec(),
            leaves: recount.leaves.to_vec(),
        })
    }
}

impl Recount {
    /// Tells whether the roots of pages can be those of what is certified; notes when they are all there.
    fn weigh_pages(&mut self, statement: &TallyStatement) -> bool {
        let root = root_of_pages(&self.pages);
        // By its name alone: that sums were certified which are not those of the ballots is for the recount to find.
        self.has_pages = root.is_some_and(|root| root.hash == statement.tally.root);
        let leaves = self.pages.iter().map(|page| page.sums.leaves);
        let leaves = leaves.fold(0_u64, u64::saturating_add);
        self.has_pages || leaves < statement.tally.sums.leaves
    }

    /// Takes the next page if it is the one that its root names.
    fn take_page(&mut self, leaves: Vec<Leaf>) -> bool {
        let page = self.leaves.len() / PAGE_LEAVES_MAX;
        let root = Tree::of(&leaves).root();
        let named = self.pages.get_mut(page);
        let Some(named) = named.filter(|named| named.hash == root.hash) else {
            return false;
        };
        *named = root;
        Arc::make_mut(&mut self.leaves).extend(leaves);
        true
    }

    /// Passes over somebody who gave something else; what was checked stays.
    fn pass_over(&mut self, peer: PublicKey) {
        self.tried.push(peer);
        self.asking = None;
        if !self.has_pages {
            self.pages.clear();
            // Those who could vote are checked as a whole, in the end.
            self.electors = Arc::default();
        }
    }
}
