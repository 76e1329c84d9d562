//! Juries past the committee: items and ballots said where every node hears them, and what follows when more than half
//! of a jury has said yes.
//!
//! What this node has handed in for a jury it says to all as well, once, also after a restart. A seat takes in what it
//! hears so, as if it had been handed in.

use x0_crypto::ContentId;

use super::Peer;
use crate::{
    core::{
        effect::{Effect, Outbox},
        event::Event,
        limits::JURY_WORDS_EARLY_MAX,
        time::Now,
        vote::JuryView,
    },
    spine::ballot::{Finality, JuryHeard},
    wire::{Body, JuryWord, Record, Verified, Vote, VoteItem},
};

impl Peer {
    /// Takes a word to or of a jury, whose signature holds.
    pub(super) fn hear_jury_word(&mut self, now: Now, word: &JuryWord, out: &mut Outbox) {
        if !self.directory.is_active(&word.signer()) {
            return;
        }
        let (heard, item) = match word {
            JuryWord::Asked(proposal) => (
                self.voting.verdicts.ask(proposal),
                VoteItem::Proposal(proposal.clone()),
            ),
            JuryWord::Cast(ballot) => (
                self.voting.verdicts.cast(ballot).into_iter().collect(),
                VoteItem::Ballot((**ballot).clone()),
            ),
        };
        if word.signer() == self.config.key {
            self.voting.own.said(&item.id());
        }
        if self.committee.is_some() {
            let _answered = self.seat_takes(now, item, Vec::new(), None, out);
        }
        self.on_jury_heard(now, heard, out);
    }

    /// Tells what is new about items before juries, and does what follows from those that have passed.
    pub(super) fn on_jury_heard(&mut self, now: Now, heard: Vec<JuryHeard>, out: &mut Outbox) {
        let has_passed = heard.iter().any(|heard| heard.passed);
        let is_news = !heard.is_empty();
        out.extend(heard.into_iter().map(|heard| {
            let JuryHeard { proposal, what, .. } = heard;
            Effect::Notify(Event::Vote { proposal, what })
        }));
        if has_passed {
            self.heed_votes_on_halts(now, out);
        }
        if is_news {
            self.look_at_calls();
            self.say_to_juries(now, out);
        }
    }

    /// Says to all what this node has handed in for a jury and has not said.
    pub(super) fn say_to_juries(&mut self, now: Now, out: &mut Outbox) {
        let time = self.mesh_time(now);
        let mut unsaid: Vec<(ContentId, JuryWord)> = Vec::new();
        for (id, own) in self.voting.own.iter() {
            if self.voting.saying.contains(id) {
                continue;
            }
            let word = match &own.item {
                VoteItem::Ballot(ballot) => {
                    let case = self.voting.verdicts.find(&ballot.proposal);
                    let is_first = ballot.seq == 0 && matches!(ballot.vote, Vote::Open(_));
                    let lacks = case.is_some_and(|case| {
                        case.ballot_of(&ballot.voter).is_none() && time < case.closes()
                    });
                    (lacks && is_first).then(|| JuryWord::Cast(Box::new(ballot.clone())))
                }
                VoteItem::Proposal(proposal) => {
                    let rules = &proposal.rules;
                    let is_for_jury =
                        rules.is_emergency() && rules.finality == Finality::FirstFinal;
                    let is_open = time < proposal.made + rules.window();
                    let is_unasked = self.voting.verdicts.find(id).is_none()
                        && self.voting.verdicts.serving(proposal.made).is_some();
                    (is_for_jury && is_open && is_unasked)
                        .then(|| JuryWord::Asked(proposal.clone()))
                }
                VoteItem::Delegation(_) | VoteItem::OnCall(_) => None,
            };
            unsaid.extend(word.map(|word| (*id, word)));
        }
        for (id, word) in unsaid {
            self.voting.saying.insert(id);
            self.write(now, Body::Jury(Box::new(word)), None, out);
        }
    }

    /// Reads back what was said to and by juries, the newest of it.
    pub(super) fn recall_juries(
        &mut self,
        now: Now,
        mut words: Vec<Verified<Record>>,
        out: &mut Outbox,
    ) {
        words.sort_by_key(|record| core::cmp::Reverse(record.value().header().time));
        words.truncate(JURY_WORDS_EARLY_MAX.saturating_mul(4));
        let mut heard = Vec::new();
        for record in words.iter().rev() {
            let Body::Jury(word) = record.value().body() else {
                continue;
            };
            match &**word {
                JuryWord::Asked(proposal) => heard.extend(self.voting.verdicts.ask(proposal)),
                JuryWord::Cast(ballot) => heard.extend(self.voting.verdicts.cast(ballot)),
            }
        }
        // What was told before is no news, but a halt that it ends may be known only now.
        if heard.iter().any(|heard| heard.passed) {
            self.heed_votes_on_halts(now, out);
        }
        self.say_to_juries(now, out);
    }

    pub(super) fn jury_view(&self, now: Now) -> JuryView {
        let verdicts = &self.voting.verdicts;
        let mut cases: Vec<_> = verdicts
            .cases()
            .map(|(id, case)| (*id, case.clone()))
            .collect();
        cases.sort_by_key(|(id, case)| (core::cmp::Reverse(case.asked), *id));
        JuryView {
            own: self.config.key,
            on_call: self.voting.own.on_call(),
            days: verdicts.drawn().cloned().collect(),
            cases,
            time: self.mesh_time(now),
        }
    }
}
