//! Votes in a chamber: what honest seats do with what members and hostile seats hand in, block by block.
//!
//! Whether something may stand in the log, what a seat takes in, lists and lets go of, and what counts is the
//! protocol's: `State::admits`, [`Urn`], [`Polls`]. Hostile seats sign receipts and lists as they like.

use x0_crypto::{ContentId, Identity, PublicKey, committee::Purpose as KeyPurpose};
use x0_protocol::{
    Millis, Wall,
    spine::{
        ballot::{
            Leaf, Poll, RecountTask, Recounted, RefutationTask, Refuted, TallyStatement,
            fraud::Receipted,
        },
        committee::{Held, Polls, Question, Urn},
    },
    wire::{
        Ballot, BallotList, Certificate, Choice, CommitteeKeys, Entry, OnCall, Receipt, Refutation,
        Statement, Subject, Vote, VoteBatch, VoteEntry, VoteItem, VoteOpened, VoteProposal,
        VoteRules,
    },
};

use super::Chamber;
use crate::{random::Seed, world::Founding};

/// A chamber in which votes are held.
pub(in crate::attacks) struct Hall {
    pub(in crate::attacks) chamber: Chamber,
    /// What each seat holds, if it is honest.
    urns: Vec<Urn>,
    /// Entries that honest seats would not let into the log.
    pub(in crate::attacks) refused: u64,
}

impl Hall {
    pub(in crate::attacks) fn new(seed: Seed, members: u32, founding: &Founding) -> Self {
        let mut hall = Self {
            chamber: Chamber::new(seed, members, founding),
            urns: (0..founding.seats).map(|_| Urn::default()).collect(),
            refused: 0,
        };
        hall.block(Vec::new());
        hall
    }

    /// Returns the number of seats.
    pub(in crate::attacks) fn seats(&self) -> usize {
        self.chamber.seats.len()
    }

    /// Returns the identity of a seat.
    pub(in crate::attacks) fn seat(&self, seat: usize) -> &Identity {
        &self.chamber.seats[seat].0
    }

    /// Returns all votes.
    pub(in crate::attacks) const fn polls(&self) -> &Polls {
        self.chamber.state.polls()
    }

    /// Returns a vote.
    pub(in crate::attacks) fn held(&self, proposal: &ContentId) -> &Held {
        match self.polls().find(proposal) {
            Some(held) => held,
            None => unreachable!("an attack looks at votes that it has opened"),
        }
    }

    /// Returns a vote that is open, or was.
    pub(in crate::attacks) fn poll(&self, proposal: &ContentId) -> &Poll {
        match self.held(proposal).poll() {
            Some(poll) => poll,
            None => unreachable!("an attack looks at votes that are open"),
        }
    }

    /// Returns the committee's keys.
    pub(in crate::attacks) fn keys(&self) -> CommitteeKeys {
        match self.chamber.state.keys() {
            Some(keys) => keys.public(),
            None => unreachable!("a chamber has its keys from the beginning"),
        }
    }

    /// Adds a block of what honest seats let stand in it, and lets their urns settle; returns how many do not.
    pub(in crate::attacks) fn block(&mut self, entries: Vec<VoteEntry>) -> u64 {
        let mesh = self.chamber.mesh;
        let all = entries.len() as u64;
        let entries: Vec<_> = entries
            .into_iter()
            .map(|entry| Entry::Vote(Box::new(entry)))
            .filter(|entry| {
                self.chamber.state.admits(entry) && entry.to_unverified().verify(&mesh).is_ok()
            })
            .collect();
        let refused = all - entries.len() as u64;
        let batches: Vec<_> = entries.iter().filter_map(batch_of).cloned().collect();
        self.chamber.time = self.chamber.time + Millis(1);
        self.chamber.decide(entries);
        let batches: Vec<_> = batches.iter().collect();
        for urn in &mut self.urns {
            urn.settle(&batches, self.chamber.state.polls());
        }
        self.refused += refused;
        refused
    }

    /// Lets mesh time pass, and votes move on with it.
    pub(in crate::attacks) fn pass(&mut self, span: Millis) {
        self.chamber.pass(span);
        self.block(Vec::new());
    }

    /// Lets time pass until a moment.
    pub(in crate::attacks) fn pass_to(&mut self, moment: Wall) {
        self.pass(Millis(moment.0.saturating_sub(self.chamber.time.0)));
    }

    /// Has a member propose a vote; returns its name, whether the committee takes it or not.
    pub(in crate::attacks) fn propose(
        &mut self,
        proposer: u32,
        subject: ContentId,
        text: &str,
        rules: VoteRules,
    ) -> ContentId {
        let proposal = self.proposal(proposer, subject, text, rules);
        let id = proposal.id();
        self.block(vec![VoteEntry::Proposed(Box::new(proposal))]);
        id
    }

    /// Signs a proposal.
    pub(in crate::attacks) fn proposal(
        &self,
        proposer: u32,
        subject: ContentId,
        text: &str,
        rules: VoteRules,
    ) -> VoteProposal {
        let Ok(text) = text.parse() else {
            unreachable!("an attack's words are short")
        };
        let (mesh, identity) = (self.chamber.mesh, self.chamber.identity(proposer));
        let made = self.chamber.time;
        let signed = VoteProposal::sign(&mesh, &identity, (subject, text), rules, made);
        signed.value().clone()
    }

    /// Signs a ballot of a member.
    pub(in crate::attacks) fn ballot(
        &self,
        node: u32,
        proposal: ContentId,
        seq: u32,
        choice: Choice,
    ) -> Ballot {
        self.ballot_of(&self.chamber.identity(node), proposal, seq, choice)
    }

    /// Signs a ballot of anybody.
    pub(in crate::attacks) fn ballot_of(
        &self,
        voter: &Identity,
        proposal: ContentId,
        seq: u32,
        choice: Choice,
    ) -> Ballot {
        let signed = Ballot::sign(&self.chamber.mesh, voter, proposal, seq, Vote::Open(choice));
        signed.value().clone()
    }

    /// Hands a ballot to an honest seat, which gives its word for it or says why it does not.
    ///
    /// # Errors
    ///
    /// Returns why.
    pub(in crate::attacks) fn hand_in(
        &mut self,
        seat: usize,
        ballot: &Ballot,
    ) -> Result<Receipt, String> {
        let (mesh, time, id) = (self.chamber.mesh, self.chamber.time, ballot.id());
        if let Some(Some(receipt)) = self.urns[seat].find(&ballot.proposal, &id) {
            return Ok(receipt.clone());
        }
        let state = &self.chamber.state;
        let roll = state.counted().ok_or("nobody is counted yet")?;
        let item = VoteItem::Ballot(ballot.clone());
        if state.polls().standing(&item, time, roll)? {
            return Err("it stands in the log".to_owned());
        }
        let verified = item.to_unverified().verify(&mesh);
        verified.map_err(|reason| reason.to_string())?;
        if !self.urns[seat].hold(ballot, Some(time), Vec::new()) {
            return Err("too many ballots of this voter wait already".to_owned());
        }
        let receipt = self.receipt(seat, ballot, time);
        self.urns[seat].keep_receipt(&receipt);
        Ok(receipt)
    }

    /// Signs a receipt of a seat, with any date.
    pub(in crate::attacks) fn receipt(&self, seat: usize, ballot: &Ballot, time: Wall) -> Receipt {
        let (mesh, identity) = (self.chamber.mesh, self.seat(seat));
        let signed = Receipt::sign(&mesh, identity, ballot.proposal, ballot.id(), time);
        signed.value().clone()
    }

    /// Returns what an honest seat puts into the next block.
    pub(in crate::attacks) fn batch(&self, seat: usize) -> Option<VoteEntry> {
        let batch = self.urns[seat].batch(self.polls())?;
        Some(VoteEntry::Batch(batch))
    }

    /// Returns the list of an honest seat.
    pub(in crate::attacks) fn own_list(&self, seat: usize, proposal: &ContentId) -> VoteEntry {
        let ballots = self.urns[seat].list(proposal);
        self.list(seat, proposal, ballots)
    }

    /// Signs any list of a seat, in one part.
    pub(in crate::attacks) fn list(
        &self,
        seat: usize,
        proposal: &ContentId,
        ballots: Vec<ContentId>,
    ) -> VoteEntry {
        let (mesh, identity) = (self.chamber.mesh, self.seat(seat));
        let list = BallotList::sign(&mesh, identity, *proposal, (0, true), ballots);
        VoteEntry::List(list.value().clone())
    }

    /// Has seats sign a statement together; none if they are too few.
    pub(in crate::attacks) fn certificate(
        &self,
        statement: Statement,
        seats: &[usize],
    ) -> Option<Certificate> {
        let subject = Subject::Statement(statement);
        let parts = self.chamber.parts(subject, seats);
        let signature = self.chamber.combine(subject, &parts)?;
        Some(Certificate {
            epoch: self.chamber.state.epoch(),
            statement,
            signature,
        })
    }

    /// Has the committee certify what was counted; returns that, if anything was.
    pub(in crate::attacks) fn certify(&mut self, proposal: &ContentId) -> Option<TallyStatement> {
        let stated = *self.poll(proposal).statement()?;
        let seats: Vec<_> = (0..self.chamber.threshold()).collect();
        let certificate = self.certificate(Statement::Tally(stated), &seats)?;
        self.block(vec![VoteEntry::Certified(Box::new(certificate))]);
        Some(stated)
    }

    /// Has an honest seat hold a ballot for which receipts of others speak.
    pub(in crate::attacks) fn vouch(
        &mut self,
        seat: usize,
        ballot: &Ballot,
        receipts: Vec<Receipt>,
    ) {
        self.urns[seat].hold(ballot, None, receipts);
    }

    /// Has a node count a vote again that has come to some statement, from what seats publish.
    pub(in crate::attacks) fn recount(
        &self,
        proposal: &ContentId,
        statement: TallyStatement,
        leaves: Vec<Leaf>,
        held: Vec<Receipted>,
    ) -> Recounted {
        let vote = self.held(proposal);
        let task = RecountTask {
            mesh: self.chamber.mesh,
            seats: self.chamber.state.seats().clone(),
            proposal: vote.proposal().clone(),
            opened: self.opening(proposal),
            statement,
            electors: vote.electors(0, usize::MAX).into(),
            jury: Vec::new(),
            leaves: leaves.into(),
            held,
        };
        task.run()
    }

    /// Asks a node that knows the opening, and not those who can vote, whether a proof refutes a certified tally.
    pub(in crate::attacks) fn is_refuted(
        &self,
        proposal: &ContentId,
        certificate: &Certificate,
        refuted: &Refuted,
    ) -> bool {
        let Statement::Tally(statement) = certificate.statement else {
            return false;
        };
        let keys = self.keys();
        let subject = Subject::Statement(certificate.statement);
        let task = RefutationTask {
            mesh: self.chamber.mesh,
            seats: self.chamber.state.seats().clone(),
            proposal: self.held(proposal).proposal().clone(),
            opened: self.opening(proposal),
            jury: Vec::new(),
            statement,
            certificate: Question {
                key: *keys.key(KeyPurpose::Certificate),
                message: subject.message(&self.chamber.mesh, keys.epoch),
                signature: certificate.signature,
            },
            refutation: Refutation {
                fraud: refuted.fraud.clone().into(),
                electors: refuted.electors.clone(),
            },
        };
        task.holds()
    }

    /// Returns what the committee states of the opening of a vote.
    fn opening(&self, proposal: &ContentId) -> VoteOpened {
        let terms = self.poll(proposal).terms();
        VoteOpened {
            proposal: *proposal,
            subject: self.held(proposal).proposal().subject,
            electorate: terms.electorate(),
            opened: terms.opened(),
            height: self.chamber.state.height(),
        }
    }

    /// Puts members on call for juries, or lets them go.
    pub(in crate::attacks) fn on_call(
        &mut self,
        nodes: impl Iterator<Item = u32>,
        seq: u32,
        serves: bool,
    ) {
        let mesh = self.chamber.mesh;
        let entries: Vec<_> = nodes
            .map(|node| OnCall::sign(&mesh, &self.chamber.identity(node), seq, serves))
            .map(|ready| VoteEntry::OnCall(ready.value().clone()))
            .collect();
        self.block(entries);
    }

    /// Draws the juries that are due, by as many seats as it takes.
    pub(in crate::attacks) fn draw_juries(&mut self) {
        let due: Vec<_> = self.polls().all_to_draw().collect();
        let entries = due
            .into_iter()
            .map(|(proposal, round)| VoteEntry::Drawn {
                proposal,
                signature: self.chamber.sign(Subject::Round(round)),
            })
            .collect();
        self.block(entries);
    }

    /// Returns the jury of a vote, in order.
    pub(in crate::attacks) fn jury(&self, proposal: &ContentId) -> Vec<PublicKey> {
        let opened = self.opened(proposal);
        let notice = opened.and_then(|opened| self.polls().notice(opened));
        notice.map(|notice| notice.jury).unwrap_or_default()
    }

    /// Returns the committee's word that a vote is open.
    pub(in crate::attacks) fn opened(&self, proposal: &ContentId) -> Option<Certificate> {
        let statement = Statement::Opened(self.opening(proposal));
        let seats: Vec<_> = (0..self.chamber.threshold()).collect();
        self.certificate(statement, &seats)
    }
}

fn batch_of(entry: &Entry) -> Option<&VoteBatch> {
    let Entry::Vote(entry) = entry else {
        return None;
    };
    match &**entry {
        VoteEntry::Batch(batch) => Some(batch),
        VoteEntry::Proposed(_)
        | VoteEntry::OnCall(_)
        | VoteEntry::Drawn { .. }
        | VoteEntry::List(_)
        | VoteEntry::Opened(_)
        | VoteEntry::Certified(_)
        | VoteEntry::Refuted { .. }
        | VoteEntry::Verdict(_) => None,
    }
}
