//! What a node knows of the committee's audits: a function of the set of rounds and reports known.
//!
//! A round stands as the committee has certified it; of two certificates over one number that of the lower epoch, then of
//! the lower height, counts everywhere. Of a node's reports in a round an account counts before silence, and of two
//! accounts that of the lower record id. So it is the same whatever order things came in. A node away for long finds all
//! of it among the records.
//!
//! Findings are nobody's word: each node by itself holds the account against the charter that it names, or that of the round
//! if that is newer, so that nobody escapes an amendment by naming what was before it.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};

use super::{Collected, Finding, inspect};
use crate::{
    charter::Charter,
    core::{
        limits::{AUDIT_REPORTS_MAX, AUDIT_ROUNDS_KNOWN_MAX},
        time::Wall,
    },
    wire::{AuditOutcome, AuditPair, AuditReport, AuditRound, AuditsDrawn, Reason},
};

/// A round of audits, and what came of it.
#[derive(Clone, Debug)]
pub struct RoundKnown {
    /// What the committee has certified.
    pub drawn: AuditsDrawn,
    /// Who audits whom, in order of node.
    pub pairs: Vec<AuditPair>,
    epoch: u64,
    filed: BTreeMap<PublicKey, BTreeMap<ContentId, Filed>>,
}

/// What an auditor has filed about a node.
#[derive(Clone, Debug)]
struct Filed {
    time: Wall,
    what: Said,
}

#[derive(Clone, Debug)]
enum Said {
    Silence {
        tries: u32,
        why: Reason,
    },
    Account {
        account: ContentId,
        charter: ContentId,
        /// What was found; the account itself as long as its charter is not known here.
        judged: Result<Vec<Finding>, Box<Collected>>,
    },
}

impl Filed {
    const fn is_silence(&self) -> bool {
        match self.what {
            Said::Silence { .. } => true,
            Said::Account { .. } => false,
        }
    }
}

/// How an audit stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditState {
    /// It has time.
    Due,
    /// Its auditor has filed nothing, and the time is over.
    Overdue,
    /// The node gave no account, as its auditor says. That is no violation.
    Unanswered {
        /// The record of the report.
        report: ContentId,
        /// How often it was asked.
        tries: u32,
        /// What came of the last try.
        why: Reason,
    },
    /// The node gave an account.
    Answered {
        /// The record of the report, which holds the account: evidence, by its content id.
        report: ContentId,
        /// The account, by its name.
        account: ContentId,
        /// The charter that it names.
        charter: ContentId,
        /// Whether the report came after it was due.
        late: bool,
        /// What violates that charter; none if that charter is not known here.
        findings: Option<Vec<Finding>>,
    },
}

impl AuditState {
    /// Says it in words.
    pub fn words(&self) -> String {
        match self {
            Self::Due => "due".to_owned(),
            Self::Overdue => "overdue: its auditor has reported nothing".to_owned(),
            Self::Unanswered { tries, why, .. } => {
                format!("unanswered after {tries} tries ({why}); that is no violation")
            }
            Self::Answered { findings: None, .. } => {
                "answered, under a charter that is not known here".to_owned()
            }
            Self::Answered {
                findings: Some(findings),
                ..
            } => match findings.len() {
                0 => "clean".to_owned(),
                1 => "1 violation of the charter".to_owned(),
                count => format!("{count} violations of the charter"),
            },
        }
    }

    /// Tells whether something was found.
    pub fn has_findings(&self) -> bool {
        match self {
            Self::Answered { findings, .. } => findings.as_ref().is_some_and(|all| !all.is_empty()),
            Self::Due | Self::Overdue | Self::Unanswered { .. } => false,
        }
    }
}

/// How many audits of a round stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Nothing was found.
    pub clean: u32,
    /// Something was found.
    pub with_findings: u32,
    /// The account names a charter that is not known here.
    pub unjudged: u32,
    /// The node gave no account.
    pub unanswered: u32,
    /// They have time.
    pub due: u32,
    /// Their time is over.
    pub overdue: u32,
}

/// Why a report is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// The round is not known here, or not yet.
    UnknownRound,
    /// Its author was not drawn for that node.
    NotDrawn,
    /// Its author has filed as often as anybody may.
    TooMany,
}

/// The rounds known.
#[derive(Clone, Debug, Default)]
pub struct Rounds(BTreeMap<u64, RoundKnown>);

impl Rounds {
    /// Iterates over the rounds known, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &RoundKnown> {
        self.0.values().rev()
    }

    /// Returns the newest round.
    pub fn newest(&self) -> Option<&RoundKnown> {
        self.0.values().next_back()
    }

    /// Returns a round.
    pub fn find(&self, round: u64) -> Option<&RoundKnown> {
        self.0.get(&round)
    }

    /// Takes a round whose certificate holds; tells whether it is new or stands in place of another draw.
    pub fn take(&mut self, round: &AuditRound) -> bool {
        let Some(drawn) = round.drawn().copied() else {
            return false;
        };
        let epoch = round.certificate.epoch;
        if let Some(known) = self.0.get_mut(&drawn.round) {
            if known.drawn == drawn {
                known.epoch = known.epoch.min(epoch);
                return false;
            }
            if (known.epoch, known.drawn) <= (epoch, drawn) {
                return false;
            }
        }
        let pairs = round.pairs.clone();
        let filed = BTreeMap::new();
        let known = RoundKnown {
            drawn,
            pairs,
            epoch,
            filed,
        };
        self.0.insert(drawn.round, known);
        while self.0.len() > AUDIT_ROUNDS_KNOWN_MAX {
            self.0.pop_first();
        }
        self.0.contains_key(&drawn.round)
    }

    /// Takes a report: the record that carries it, by whom, and of which date in mesh time.
    ///
    /// # Errors
    ///
    /// Returns why it is not taken.
    pub fn file(
        &mut self,
        (record, author, time): (ContentId, PublicKey, Wall),
        report: &AuditReport,
        charter: impl Fn(&ContentId) -> Option<Charter>,
    ) -> Result<(), NotTaken> {
        let first = self.0.keys().next().copied();
        let Some(known) = self.0.get_mut(&report.round) else {
            // Of rounds that are forgotten the records stay.
            return match first.is_some_and(|first| report.round < first) {
                true => Ok(()),
                false => Err(NotTaken::UnknownRound),
            };
        };
        if known.auditor_of(&report.node) != Some(author) {
            return Err(NotTaken::NotDrawn);
        }
        let filed = known.filed.entry(report.node).or_default();
        if filed.contains_key(&record) {
            return Ok(());
        }
        if filed.len() >= AUDIT_REPORTS_MAX {
            return Err(NotTaken::TooMany);
        }
        let what = match &report.outcome {
            AuditOutcome::Unanswered { tries, why } => Said::Silence {
                tries: *tries,
                why: why.clone(),
            },
            AuditOutcome::Answered(account) => Said::Account {
                account: account.id(),
                charter: account.stated.charter,
                judged: judge(
                    &account.collected,
                    (&account.stated.charter, &known.drawn.charter),
                    charter,
                )
                .ok_or_else(|| Box::new(account.collected.clone())),
            },
        };
        filed.insert(record, Filed { time, what });
        Ok(())
    }

    /// Judges accounts again whose charter may have become known.
    pub fn judge(&mut self, charter: impl Fn(&ContentId) -> Option<Charter>) {
        for RoundKnown { drawn, filed, .. } in self.0.values_mut() {
            for filed in filed.values_mut().flat_map(BTreeMap::values_mut) {
                let Said::Account {
                    charter: named,
                    judged,
                    ..
                } = &mut filed.what
                else {
                    continue;
                };
                if let Err(collected) = judged
                    && let Some(found) = judge(collected, (named, &drawn.charter), &charter)
                {
                    *judged = Ok(found);
                }
            }
        }
    }
}

/// Holds what a node collects against the newer of the charter that it names and the one of the round; none as long as
/// either is not known here.
fn judge(
    collected: &Collected,
    (named, of_round): (&ContentId, &ContentId),
    charter: impl Fn(&ContentId) -> Option<Charter>,
) -> Option<Vec<Finding>> {
    let (named, of_round) = (charter(named)?, charter(of_round)?);
    let newer = match named.number() >= of_round.number() {
        true => named,
        false => of_round,
    };
    Some(inspect(collected, &newer).findings)
}

impl RoundKnown {
    /// Returns who audits a node.
    pub fn auditor_of(&self, node: &PublicKey) -> Option<PublicKey> {
        let place = self.pairs.binary_search_by_key(node, |pair| pair.node);
        self.pairs.get(place.ok()?).map(|pair| pair.auditor)
    }

    /// Tells whether a node has given an account.
    pub fn is_answered(&self, node: &PublicKey) -> bool {
        self.counted(node)
            .is_some_and(|(_, filed)| !filed.is_silence())
    }

    /// Tells whether anything was filed about a node.
    pub fn is_filed(&self, node: &PublicKey) -> bool {
        self.filed.contains_key(node)
    }

    fn counted(&self, node: &PublicKey) -> Option<(&ContentId, &Filed)> {
        let filed = self.filed.get(node)?.iter();
        filed.min_by_key(|(record, filed)| (filed.is_silence(), **record))
    }

    /// Tells how the audit of a node stands at a mesh time.
    pub fn state(&self, node: &PublicKey, time: Wall) -> AuditState {
        let due = self.drawn.due;
        let Some((report, filed)) = self.counted(node) else {
            return match due <= time {
                true => AuditState::Overdue,
                false => AuditState::Due,
            };
        };
        match &filed.what {
            Said::Silence { tries, why } => AuditState::Unanswered {
                report: *report,
                tries: *tries,
                why: why.clone(),
            },
            Said::Account {
                account,
                charter,
                judged,
            } => AuditState::Answered {
                report: *report,
                account: *account,
                charter: *charter,
                late: filed.time > due,
                findings: judged.as_ref().ok().cloned(),
            },
        }
    }

    /// Counts how the audits of the round stand.
    pub fn tally(&self, time: Wall) -> Tally {
        let mut tally = Tally::default();
        for pair in &self.pairs {
            let count = match self.state(&pair.node, time) {
                AuditState::Due => &mut tally.due,
                AuditState::Overdue => &mut tally.overdue,
                AuditState::Unanswered { .. } => &mut tally.unanswered,
                AuditState::Answered { findings: None, .. } => &mut tally.unjudged,
                AuditState::Answered {
                    findings: Some(findings),
                    ..
                } => match findings.is_empty() {
                    true => &mut tally.clean,
                    false => &mut tally.with_findings,
                },
            };
            *count += 1;
        }
        tally
    }
}

#[cfg(test)]
mod tests;
