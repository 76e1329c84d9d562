//! Cases in the state: what may be said about them, and the sentences that they come to.

use x0_crypto::{ContentId, PublicKey, committee::Purpose};

use super::{
    super::cases::{Cases, Hall, Timely},
    State,
};
use crate::{
    charter::violation::Sentence,
    wire::{CaseEntry, PublicWhat, Record},
};

impl State {
    /// Returns the reported violations.
    pub const fn cases(&self) -> &Cases {
        &self.cases
    }

    /// Tells whether a record about a case may come into the log.
    pub fn timely(&self, record: &Record) -> Timely {
        let members = &self.members;
        let is_member = |key: &PublicKey| members.facts(key).is_some();
        self.cases.timely(record, self.hall(&is_member))
    }

    fn hall<'a>(&'a self, is_member: &'a dyn Fn(&PublicKey) -> bool) -> Hall<'a> {
        Hall {
            mesh: &self.mesh,
            seats: &self.seats,
            sentences: self.members.sentences(),
            height: self.height,
            time: self.time,
            can_open: self.named,
            is_member,
        }
    }

    /// Tells whether something about a case may stand in the next block.
    pub(super) fn admits_case(&self, entry: &CaseEntry) -> bool {
        let is_at_work = self.named && !self.is_passing();
        match entry {
            // Even before there are keys, so that the first checkpoint counts as all nodes do.
            CaseEntry::Sentence {
                accused,
                case,
                sentence,
            } => self.lacks_sentence(*accused, *case, sentence),
            CaseEntry::Record(record) => is_at_work && self.timely(record.record()) == Timely::Now,
            CaseEntry::Opened { case, signature } => {
                let keys = self.keys.as_ref();
                let label = self.cases.label(case, &self.mesh);
                let opened = keys.zip(label).filter(|_| is_at_work);
                opened.is_some_and(|(keys, label)| {
                    let key = keys.group(Purpose::Decryption).public();
                    key.verify(Purpose::Decryption, &label, signature).is_ok()
                })
            }
            CaseEntry::Charter(charter) => {
                is_at_work && self.cases.follows(charter) && self.is_voted_for(charter)
            }
        }
    }

    /// Tells whether a sentence that holds now is not known here.
    pub(in crate::spine::committee) fn lacks_sentence(
        &self,
        accused: PublicKey,
        case: ContentId,
        sentence: &Sentence,
    ) -> bool {
        !sentence.is_over(self.time) && !self.members.sentences().has(accused, case, sentence)
    }

    /// Moves cases on with time, and takes note of what verdicts have come to.
    pub(super) fn ripen_cases(&mut self) {
        let members = &self.members;
        let is_member = |key: &PublicKey| members.facts(key).is_some();
        let mut cases = core::mem::take(&mut self.cases);
        let passed = cases.ripen(self.hall(&is_member));
        self.cases = cases;
        for (case, verdict) in passed {
            let (accused, sentence) = (verdict.accused, verdict.sentence);
            self.members.sentence(accused, case, sentence);
            self.publish(PublicWhat::Verdict {
                case,
                verdict: Box::new(verdict),
            });
        }
        self.members.forget_sentences(self.time);
    }

    /// Takes something about a case.
    pub(super) fn take_case(&mut self, entry: &CaseEntry) {
        if let CaseEntry::Sentence {
            accused,
            case,
            sentence,
        } = entry
        {
            return self.members.sentence(*accused, *case, *sentence);
        }
        let members = &self.members;
        let is_member = |key: &PublicKey| members.facts(key).is_some();
        let mut cases = core::mem::take(&mut self.cases);
        match entry {
            CaseEntry::Record(record) => cases.take(record.record(), self.hall(&is_member)),
            CaseEntry::Opened { case, signature } => {
                cases.unseal(case, signature, self.hall(&is_member));
            }
            CaseEntry::Charter(charter) => {
                cases.amend(charter);
                self.audits.amend(charter);
            }
            CaseEntry::Sentence { .. } => {}
        }
        self.cases = cases;
    }
}
