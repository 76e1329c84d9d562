//! What juries decide, gathered by every node for itself: items that were asked, and the jurors' ballots.
//!
//! An item is put to the jury of the day on which it was proposed, or to one that the committee has drawn for it. When
//! more than half of the jury has said yes the ballots are proof, whoever can be reached. Words come in any order: what
//! belongs to something unknown is held until that comes, within bounds.
//!
//! One jury is asked about one subject in 24 hours: a node that knows of one takes no second. One member asks for two
//! things in that time at most, so that nobody crowds out what others ask. A juror who signs yes has
//! said yes, whatever else it signs: so all nodes come to the same, in whatever order they hear it.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};

use super::Announced;
use crate::{
    core::{
        limits::{JURIES_KNOWN_MAX, JURY_CASES_MAX, JURY_WORDS_EARLY_MAX, VOTES_PER_MEMBER_MAX},
        time::{Millis, Wall},
    },
    wire::{Ballot, Certificate, Choice, JuryDrawn, JuryProof, Statement, Vote, VoteProposal},
};

/// Time in which no second jury is asked about one subject.
const JURY_AGAIN: Millis = Millis::from_mins(24 * 60);

/// The juries that are known, and what they were asked.
#[derive(Debug, Default)]
pub struct Verdicts {
    drawn: Vec<Drawn>,
    cases: BTreeMap<ContentId, Box<Case>>,
    /// Items whose jury is not known yet.
    waiting: BTreeMap<ContentId, Box<VoteProposal>>,
    /// Ballots about items that are not known yet.
    early: BTreeMap<(ContentId, PublicKey), Box<Ballot>>,
}

/// The jury of a day.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// What the committee says of it.
    pub stated: JuryDrawn,
    /// The jurors, in order.
    pub jury: Vec<PublicKey>,
    certificate: Certificate,
}

/// An item before a jury.
#[derive(Clone, Debug)]
pub struct Case {
    /// The proposal.
    pub proposal: VoteProposal,
    /// The jury, in order.
    pub jury: Vec<PublicKey>,
    /// The mesh time from which it is asked.
    pub asked: Wall,
    drawn: Certificate,
    ballots: BTreeMap<PublicKey, Ballot>,
}

/// Something new about an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The item, by the id of its proposal.
    pub proposal: ContentId,
    /// Whether it has passed.
    pub passed: bool,
    /// What, in words.
    pub what: String,
}

impl Drawn {
    /// Returns the committee's word whom it has drawn.
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

impl Verdicts {
    /// Iterates over the juries of days, in order of day.
    pub fn drawn(&self) -> impl Iterator<Item = &Drawn> {
        self.drawn.iter()
    }

    /// Iterates over the items, by name.
    pub fn cases(&self) -> impl Iterator<Item = (&ContentId, &Case)> {
        self.cases.iter().map(|(id, case)| (id, &**case))
    }

    /// Finds an item.
    pub fn find(&self, proposal: &ContentId) -> Option<&Case> {
        self.cases.get(proposal).map(|case| &**case)
    }

    /// Tells whether the jury of a day is known.
    pub fn has(&self, stated: &JuryDrawn) -> bool {
        self.drawn.iter().any(|drawn| drawn.stated == *stated)
    }

    /// Returns the jury that is asked about what is proposed at a moment.
    pub fn serving(&self, made: Wall) -> Option<&Drawn> {
        self.drawn.iter().find(|drawn| drawn.stated.serves(made))
    }

    /// Finds an item on a subject that a jury has passed.
    pub fn passed(&self, subject: &ContentId) -> Option<(&ContentId, &Case)> {
        let mut on = self.cases();
        on.find(|(_, case)| case.proposal.subject == *subject && case.has_passed())
    }

    /// Takes the jury of a day, whose certificate was found good.
    pub fn draw(&mut self, certificate: &Certificate, jury: &[PublicKey]) -> Vec<Heard> {
        let Statement::Jury(stated) = certificate.statement else {
            return Vec::new();
        };
        if self.has(&stated) {
            return Vec::new();
        }
        self.drawn.push(Drawn {
            stated,
            jury: jury.to_vec(),
            certificate: *certificate,
        });
        self.drawn
            .sort_by_key(|drawn| (drawn.stated.from, drawn.stated));
        if self.drawn.len() > JURIES_KNOWN_MAX {
            self.drawn.remove(0);
        }
        let waiting = self.waiting.extract_if(.., |_, it| stated.serves(it.made));
        let waiting: Vec<_> = waiting.map(|(_, proposal)| proposal).collect();
        let heard = waiting.iter().flat_map(|proposal| self.ask(proposal));
        heard.collect()
    }

    /// Takes an item for the jury of the day, whose proposer has signed it.
    pub fn ask(&mut self, proposal: &VoteProposal) -> Vec<Heard> {
        if let Some(drawn) = self.serving(proposal.made) {
            let (certificate, jury) = (drawn.certificate, drawn.jury.clone());
            return self.open(proposal, proposal.made, certificate, jury);
        }
        if self.waiting.len() >= JURY_WORDS_EARLY_MAX {
            self.waiting.pop_first();
        }
        let waits = Box::new(proposal.clone());
        self.waiting.insert(proposal.id(), waits);
        Vec::new()
    }

    /// Takes up an emergency vote that the committee has opened: its jurors' ballots are gathered as well.
    pub fn take_up(&mut self, opening: &Announced) -> Vec<Heard> {
        let Announced {
            certificate,
            opened,
            proposal,
            jury,
        } = opening;
        if jury.is_empty() {
            return Vec::new();
        }
        self.open(proposal, opened.opened, *certificate, jury.clone())
    }

    /// Takes a juror's ballot, which it has signed.
    pub fn cast(&mut self, ballot: &Ballot) -> Option<Heard> {
        let Some(case) = self.cases.get_mut(&ballot.proposal) else {
            if self.early.len() >= JURY_WORDS_EARLY_MAX {
                self.early.pop_first();
            }
            let key = (ballot.proposal, ballot.voter);
            if self.early.get(&key).is_none_or(|known| !is_yes(known)) {
                self.early.insert(key, Box::new(ballot.clone()));
            }
            return None;
        };
        case.take(ballot).then(|| Heard {
            proposal: ballot.proposal,
            passed: case.has_passed(),
            what: case.words(),
        })
    }

    fn open(
        &mut self,
        proposal: &VoteProposal,
        asked: Wall,
        drawn: Certificate,
        jury: Vec<PublicKey>,
    ) -> Vec<Heard> {
        let id = proposal.id();
        let is_second = |case: &Case| {
            case.proposal.subject == proposal.subject
                && case.jury != jury
                && case.asked.0.abs_diff(asked.0) < JURY_AGAIN.0
        };
        let is_known = self.cases.contains_key(&id);
        let of_proposer = self.cases.values().filter(|case| {
            case.proposal.proposer == proposal.proposer
                && case.asked.0.abs_diff(asked.0) < JURY_AGAIN.0
        });
        let is_too_much = of_proposer.count() >= VOTES_PER_MEMBER_MAX;
        if is_known || is_too_much || self.cases.values().any(|case| is_second(case)) {
            return Vec::new();
        }
        let case = Case {
            proposal: proposal.clone(),
            jury,
            asked,
            drawn,
            ballots: BTreeMap::new(),
        };
        let mut heard = vec![Heard {
            proposal: id,
            passed: false,
            what: format!("a jury of {} is asked: {}", case.jury.len(), proposal.text),
        }];
        self.cases.insert(id, Box::new(case));
        let early = self.early.extract_if(.., |(of, _), _| *of == id);
        let early: Vec<_> = early.map(|(_, ballot)| ballot).collect();
        heard.extend(early.iter().filter_map(|ballot| self.cast(ballot)));
        self.forget();
        heard
    }

    fn forget(&mut self) {
        if self.cases.len() <= JURY_CASES_MAX {
            return;
        }
        let worth = |case: &Case| (case.has_passed(), case.ballots.len(), case.asked);
        let all = self.cases.iter();
        let least = all.min_by_key(|(id, case)| (worth(case), **id));
        if let Some(least) = least.map(|(id, _)| *id) {
            self.cases.remove(&least);
        }
    }
}

impl Case {
    /// Returns how many must say yes: more than half of the jury, present or not.
    pub const fn needed(&self) -> usize {
        self.jury.len() / 2 + 1
    }

    /// Counts those who said something.
    pub fn said(&self, choice: Choice) -> usize {
        let all = self.ballots.values();
        all.filter(|ballot| ballot.vote == Vote::Open(choice))
            .count()
    }

    /// Returns what a juror has said.
    pub fn ballot_of(&self, juror: &PublicKey) -> Option<&Ballot> {
        self.ballots.get(juror)
    }

    /// Tells whether more than half of the jury has said yes.
    pub fn has_passed(&self) -> bool {
        self.said(Choice::Yes) >= self.needed()
    }

    /// Returns the mesh time until which jurors are asked to answer.
    pub fn closes(&self) -> Wall {
        self.asked + self.proposal.rules.window()
    }

    /// Returns the proof that it has passed.
    pub fn proof(&self) -> Option<JuryProof> {
        let yes = self.ballots.values().filter(|ballot| is_yes(ballot));
        self.has_passed().then(|| JuryProof {
            drawn: self.drawn,
            proposal: self.proposal.clone(),
            jury: self.jury.clone(),
            ballots: yes.cloned().collect(),
        })
    }

    /// Says how far it is, in words.
    pub fn words(&self) -> String {
        let yes = self.said(Choice::Yes);
        let answered = self.ballots.len();
        let (jury, needed) = (self.jury.len(), self.needed());
        match self.has_passed() {
            true => format!("passed: {yes} of {jury} jurors said yes"),
            false => {
                format!("{answered} of {jury} jurors have answered, {yes} of {needed} needed yes")
            }
        }
    }

    /// Counts a ballot; tells whether it changes anything.
    fn take(&mut self, ballot: &Ballot) -> bool {
        if self.jury.binary_search(&ballot.voter).is_err() {
            return false;
        }
        let known = self.ballots.get(&ballot.voter);
        let is_news = known.is_none_or(|known| !is_yes(known) && is_yes(ballot));
        if is_news {
            self.ballots.insert(ballot.voter, ballot.clone());
        }
        is_news
    }
}

fn is_yes(ballot: &Ballot) -> bool {
    ballot.vote == Vote::Open(Choice::Yes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{
        super::tests::{MESH, key, member},
        *,
    };
    use crate::wire::{Reason, VoteRules, jury_electorate, no_signature};

    const DAY: u64 = 24 * 3_600_000;

    fn jury(numbers: core::ops::Range<u16>) -> Vec<PublicKey> {
        let mut jury: Vec<_> = numbers.map(key).collect();
        jury.sort_unstable();
        jury
    }

    fn draw(verdicts: &mut Verdicts, day: u64, jury: &[PublicKey]) -> Vec<Heard> {
        let certificate = Certificate {
            epoch: 1,
            statement: Statement::Jury(JuryDrawn {
                height: day,
                electorate: jury_electorate(jury),
                from: Wall(day * DAY),
                until: Wall((day + 1) * DAY),
            }),
            signature: no_signature(),
        };
        verdicts.draw(&certificate, jury)
    }

    fn proposal(by: u16, made: u64) -> VoteProposal {
        let text: Reason = "Go on".parse().unwrap();
        let subject = (ContentId::of(b"item"), text);
        let rules = VoteRules::emergency();
        let signed = VoteProposal::sign(&MESH, &member(by), subject, rules, Wall(made));
        signed.value().clone()
    }

    fn ballot(by: u16, proposal: &VoteProposal, choice: Choice) -> Ballot {
        let vote = Vote::Open(choice);
        let signed = Ballot::sign(&MESH, &member(by), proposal.id(), 0, vote);
        signed.value().clone()
    }

    #[test]
    fn one_jury_is_asked_about_an_item_within_a_day() {
        let mut verdicts = Verdicts::default();
        draw(&mut verdicts, 1, &jury(0..3));
        draw(&mut verdicts, 2, &jury(3..6));
        let first = proposal(9, 2 * DAY - 1_000);
        assert_eq!(verdicts.ask(&first).len(), 1);
        assert_eq!(verdicts.ask(&first), [], "it is known");

        let again = proposal(9, 2 * DAY + 1_000);
        assert_eq!(verdicts.ask(&again), [], "another jury, a second later");
        assert!(verdicts.find(&again.id()).is_none());
        let same_jury = proposal(8, 2 * DAY - 500);
        assert_eq!(verdicts.ask(&same_jury).len(), 1, "no other jury is asked");
        let next_day = proposal(9, 3 * DAY - 500);
        assert_eq!(verdicts.ask(&next_day).len(), 1);
    }

    #[test]
    fn in_whatever_order_words_come_they_come_to_the_same() {
        let item = proposal(9, DAY);
        let words = [
            ballot(0, &item, Choice::Yes),
            ballot(1, &item, Choice::No),
            ballot(1, &item, Choice::Yes),
            ballot(5, &item, Choice::Yes),
        ];
        for first in 0..words.len() + 2 {
            let mut verdicts = Verdicts::default();
            let mut order: Vec<_> = (0..words.len() + 2).collect();
            order.rotate_left(first);
            for step in order {
                match words.get(step) {
                    Some(word) => drop(verdicts.cast(word)),
                    None if step == words.len() => drop(verdicts.ask(&item)),
                    None => drop(draw(&mut verdicts, 1, &jury(0..3))),
                }
            }
            let (id, case) = verdicts.passed(&item.subject).unwrap();
            assert_eq!(*id, item.id());
            assert_eq!((case.said(Choice::Yes), case.said(Choice::No)), (2, 0));
            let proof = case.proof().unwrap();
            assert!(proof.verdict(&MESH).is_ok(), "from {first}");
        }
    }

    #[test]
    fn words_without_end_are_not_kept() {
        let mut verdicts = Verdicts::default();
        draw(&mut verdicts, 1, &jury(0..3));
        for number in 0..400 {
            let early = proposal(number, 5 * DAY);
            verdicts.cast(&ballot(number, &early, Choice::Yes));
            verdicts.ask(&early);
        }
        assert_eq!(verdicts.waiting.len(), JURY_WORDS_EARLY_MAX);
        assert_eq!(verdicts.early.len(), JURY_WORDS_EARLY_MAX);
        for number in 0..100 {
            verdicts.ask(&proposal(number, DAY + u64::from(number)));
        }
        assert_eq!(verdicts.cases.len(), JURY_CASES_MAX);
    }
}
