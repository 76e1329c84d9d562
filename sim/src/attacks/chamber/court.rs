//! Cases in a chamber: what members, strangers and the persons of seats say about violations, block by block.
//!
//! Whether something may stand in the log, and what becomes of a case, is the protocol's: `State::admits`, `Cases`.

use x0_crypto::{ContentId, Identity, PublicKey};
use x0_protocol::{
    Millis,
    charter::{
        Charter,
        violation::{Stage, Violation, receipt::Receipt, sealed},
    },
    core::limits::REPORT_WORK_BITS,
    spine::committee::CasePhase,
    wire::{
        Appeal, Body, CaseEntry, CaseFinding, CaseRecord, CaseSay, CaseWord, Draft, Entry,
        PublicWhat, Record, Report, Verdict, Verified,
    },
};

use super::Chamber;
use crate::{
    random::{Purpose, Seed},
    world::Founding,
};

/// What the reporter of a violation gets in an attack, x0.
pub(in crate::attacks) const BOUNTY_X0: u64 = 500;

/// Has a chamber founded under the shipped charter.
pub(in crate::attacks) fn founding(seats: u32) -> Founding {
    let mut founding = Founding {
        seats,
        roots: seats,
        counted_ahead: true,
        ..Founding::default()
    };
    founding.parameters.charter = Some(Charter::shipped());
    founding
}

/// Entries of the public log in which a verdict is looked for: those of the last block, and some.
const LOOKED_BACK: u64 = 32;

/// How a case stands before the committee; none if it is over or was never taken up.
pub(in crate::attacks) type Standing = Option<CasePhase>;

impl Chamber {
    /// Returns the person of a seat.
    pub(in crate::attacks) fn person(&self, seat: usize) -> &Identity {
        &self.seats[seat].0
    }

    /// Puts records about cases into one block, as far as honest seats let them; returns how many they did.
    pub(in crate::attacks) fn hear(&mut self, records: Vec<Verified<Record>>) -> usize {
        let mesh = self.mesh;
        let entries = records.into_iter().filter_map(|record| {
            let record = CaseRecord::new(record.value().clone())?;
            Some(Entry::Case(Box::new(CaseEntry::Record(record))))
        });
        let entries: Vec<_> = entries
            .filter(|entry| self.state.admits(entry) && entry.to_unverified().verify(&mesh).is_ok())
            .collect();
        let count = entries.len();
        self.time = self.time + Millis(1);
        self.decide(entries);
        count
    }

    /// Lets mesh time pass, and cases move on with it.
    pub(in crate::attacks) fn wait(&mut self, span: Millis) {
        self.pass(span);
        self.decide(Vec::new());
        self.time = self.time + Millis(1);
        self.decide(Vec::new());
    }

    /// Returns how a case stands.
    pub(in crate::attacks) fn case(&self, case: &ContentId) -> Standing {
        self.state.cases().find(case).map(|open| open.phase)
    }

    /// Returns how many cases are open.
    pub(in crate::attacks) fn open_cases(&self) -> usize {
        self.state.cases().iter().count()
    }

    /// Returns how many persons must say the same, and how many seats a quorum is.
    pub(in crate::attacks) fn approvals(&self) -> usize {
        let found = self.state.cases().approvals(self.state.seats());
        found.map_or(usize::MAX, |(_, needed)| needed as usize)
    }

    /// Returns the number of seats.
    pub(in crate::attacks) fn seat_count(&self) -> usize {
        self.seats.len()
    }

    /// Tells whether the verdict of a case stands, as the public log tells it.
    pub(in crate::attacks) fn is_final(&self, case: &ContentId) -> bool {
        self.verdict(case).is_some()
    }

    /// Returns what the verdict of a case pays to whoever has reported it, x0; nothing if there is none.
    pub(in crate::attacks) fn bounty_of(&self, case: &ContentId) -> u64 {
        self.verdict(case).map_or(0, |verdict| verdict.bounty_x0)
    }

    fn verdict(&self, case: &ContentId) -> Option<Verdict> {
        let log = self.state.public();
        let from = log.size().saturating_sub(LOOKED_BACK);
        let entries = log.entries(from, log.size()).unwrap_or_default();
        entries.into_iter().find_map(|entry| match entry.what {
            PublicWhat::Verdict { case: of, verdict } if of == *case => Some(*verdict),
            PublicWhat::Verdict { .. }
            | PublicWhat::Override(_)
            | PublicWhat::Broadcast { .. }
            | PublicWhat::Admitted(_)
            | PublicWhat::Halted { .. }
            | PublicWhat::Passed { .. }
            | PublicWhat::HandedOver { .. } => None,
        })
    }

    /// Signs the word of the accused against a verdict.
    pub(in crate::attacks) fn appeal(
        &self,
        by: &Identity,
        seq: u64,
        case: ContentId,
    ) -> Verified<Record> {
        let Ok(why) = "It was another node".to_owned().try_into() else {
            unreachable!("an attack's words are short")
        };
        self.record(by, seq, Body::Appeal(Box::new(Appeal { case, why })))
    }

    /// Signs a report of a member.
    pub(in crate::attacks) fn report(
        &self,
        by: &Identity,
        seq: u64,
        accused: PublicKey,
    ) -> Verified<Record> {
        self.record(by, seq, Body::Report(Box::new(report(accused))))
    }

    /// Seals a report of somebody who gives no name.
    pub(in crate::attacks) fn sealed_report(
        &self,
        seed: Seed,
        number: u32,
        accused: PublicKey,
    ) -> Option<Verified<Record>> {
        let receipt = Receipt::of_seed(seed.bytes(Purpose::Receipt, number).into());
        let key = self.state.keys()?.public().decryption;
        let dated = (self.time, REPORT_WORK_BITS);
        sealed::seal(&key, &self.mesh, &report(accused), &receipt, dated).ok()
    }

    /// Signs the word of a person about a case.
    pub(in crate::attacks) fn word(
        &self,
        by: &Identity,
        seq: u64,
        case: ContentId,
        say: CaseSay,
    ) -> Verified<Record> {
        let Ok(why) = "so it is".parse() else {
            unreachable!("an attack's words are short")
        };
        self.record(
            by,
            seq,
            Body::CaseWord(Box::new(CaseWord { case, say, why })),
        )
    }

    fn record(&self, by: &Identity, seq: u64, body: Body) -> Verified<Record> {
        let before = (seq > 0).then(|| ContentId::of(&seq.to_be_bytes()));
        let place = (seq, before);
        let draft = Draft::new(
            Some(self.mesh),
            by.public(),
            place,
            self.time,
            [3; 16],
            body,
        );
        match draft.sign(by) {
            Ok(record) => record,
            Err(error) => unreachable!("an attack keeps to the bounds of records: {error}"),
        }
    }
}

/// Says that somebody has done it.
pub(in crate::attacks) const fn guilty(accused: PublicKey) -> CaseSay {
    CaseSay::Find(CaseFinding {
        accused,
        sort: Violation::SilentCollection,
        bounty_x0: BOUNTY_X0,
    })
}

/// Names a standing.
pub(in crate::attacks) const fn named(standing: Standing) -> &'static str {
    match standing {
        None => "over",
        Some(CasePhase::Reported) => Stage::Reported.name(),
        Some(CasePhase::Opened { .. }) => Stage::Opened.name(),
        Some(CasePhase::Announced { .. }) => Stage::Announced.name(),
        Some(CasePhase::Appealed { .. }) => Stage::Appealed.name(),
    }
}

fn report(accused: PublicKey) -> Report {
    let (Ok(description), Ok(asked)) = (
        "It kept where people were.".to_owned().try_into(),
        "That it ends".parse(),
    ) else {
        unreachable!("an attack's words are short")
    };
    Report {
        accused: Some(accused),
        sort: Violation::SilentCollection,
        description,
        evidence: Vec::new(),
        asked,
    }
}
