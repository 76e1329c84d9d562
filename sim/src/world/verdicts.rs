//! What was found about a record once is not computed again for the next node.
//!
//! A check is pure: the same record with the same signature gives the same verdict at every node, so
//! one verdict serves all nodes of a shard. The time it takes is charged to each of them (see
//! `cost`). Kept by record id *and* signature: another signature over the same header is another
//! question.

use std::collections::HashMap;

use x0_crypto::{ContentId, Signature};
use x0_protocol::{
    Job, Verdict,
    wire::{Record, Unverified},
};

use super::keys::ByDigest;

/// Verdicts found so far.
#[derive(Default)]
pub(super) struct Verdicts {
    known: HashMap<[u8; 32], (Signature, Verdict), ByDigest>,
    answered: HashMap<[u8; 32], Verdict, ByDigest>,
}

impl Verdicts {
    /// Answers a job.
    pub(super) fn run(&mut self, job: Job) -> Verdict {
        match job {
            Job::Records(records) => {
                let parts = records.into_iter().map(|record| self.of_record(record));
                Job::verdict_of_records(parts.collect())
            }
            job @ (Job::Certificate(_) | Job::Warrants(_) | Job::Refutation(_)) => {
                self.of_question(job)
            }
            Job::Head(head) => {
                let name = ContentId::of(&head.peek().encode());
                let verdict = self.answered.entry(*name.digest());
                verdict.or_insert_with(|| Job::Head(head).run()).clone()
            }
            Job::Countersigned { .. }
            | Job::Seat { .. }
            | Job::Blocks(_)
            | Job::Entry { .. }
            | Job::Combine { .. }
            | Job::Consent { .. }
            | Job::Vote { .. }
            | Job::Recount(_)
            | Job::Shown { .. }
            | Job::Ask { .. }
            | Job::Account { .. }
            | Job::Dealt { .. }
            | Job::Token { .. }
            | Job::Authorize { .. } => job.run(),
        }
    }

    fn of_question(&mut self, job: Job) -> Verdict {
        let Some(name) = job.name() else {
            return job.run();
        };
        let verdict = self.answered.entry(*name.digest());
        verdict.or_insert_with(|| job.run()).clone()
    }

    fn of_record(&mut self, record: Unverified<Record>) -> Verdict {
        let (id, signature) = (*record.peek().id().digest(), record.peek().signature());
        if let Some((known, verdict)) = self.known.get(&id)
            && *known == signature
        {
            return verdict.clone();
        }
        let verdict = Job::Records(vec![record]).run();
        self.known.insert(id, (signature, verdict.clone()));
        verdict
    }
}
