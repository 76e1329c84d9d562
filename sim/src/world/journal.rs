//! What a shard notes down: the figures of the report, and the facts that properties are about.
//!
//! Nothing in a run depends on what is noted here.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    CommandError, CommandId, Event as Told, Reply, RequestId,
    anti_meave::proposals::ProposalView,
    core::{
        command::Status,
        sublime::{DealtView, DrawnView, ReleasedView},
        vote::VotesView,
    },
    spine::{ballot::Recounted, halt::HaltReport},
    wire::{HeldHead, LogHead, Response},
};

use super::store::NotAppended;
use crate::{histogram::Histogram, time::Time};

/// What a node told its user about anomalies and halts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) at: Time,
    pub(crate) node: u32,
    pub(crate) what: Alarmed,
}

/// What it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarmed {
    /// It found an anomaly in the acts of an agent.
    Found { agent: PublicKey, critical: bool },
    /// It froze a root.
    Frozen,
    /// It halted, or its halt was confirmed or renewed.
    Halted { confirmed: bool },
}

/// A record that names nobody, as it reached a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) record: ContentId,
    pub(crate) at: Time,
    pub(crate) node: u32,
    /// Who sent it.
    pub(crate) from: u32,
    /// Whether it came along its stem.
    pub(crate) on_stem: bool,
}

/// What one shard notes down.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) events: u64,
    pub(super) copies: u64,
    pub(super) first_copies: u64,
    pub(super) adverts: u64,
    pub(super) wants: u64,
    pub(super) requests: u64,
    pub(super) crashes: u64,
    /// Gossip messages that a node did not let travel on.
    pub(super) not_accepted: u64,
    /// Time from publication to acceptance, µs.
    pub(super) delivery: Histogram,
    /// Nodes that accepted each message.
    reached: Vec<u32>,
    /// Answers to commands.
    pub(super) replies: Vec<(u32, CommandId, Result<Option<ContentId>, String>)>,
    /// Acts that were proposed, by the command.
    pub(super) proposed: BTreeMap<CommandId, ContentId>,
    /// Acts that were admitted and written: their records, by digest.
    pub(super) written: BTreeMap<ContentId, ContentId>,
    /// Answers to requests that went past peers; none where no answer came.
    pub(super) past_peer: BTreeMap<RequestId, Option<Response>>,
    /// What nodes said of themselves, by the command that asked.
    pub(super) statuses: BTreeMap<CommandId, Box<Status>>,
    /// What nodes said of their own acts on their way, by the command that asked.
    pub(super) proposals: BTreeMap<CommandId, Vec<ProposalView>>,
    /// What nodes said of halts and alerts, by the command that asked.
    pub(super) reports: BTreeMap<CommandId, Box<HaltReport>>,
    /// What nodes found and stopped, in the order in which they told it.
    pub(super) alarms: Vec<Alarm>,
    /// What nodes know of votes, by the command that asked.
    pub(super) votes: BTreeMap<CommandId, Box<VotesView>>,
    /// What nodes found that counted a vote again, by the command that asked.
    pub(super) recounts: BTreeMap<CommandId, Recounted>,
    /// What nodes have handed in for votes, by the command that asked.
    pub(super) handed_in: BTreeMap<CommandId, ContentId>,
    /// Who was drawn to guard an item, by the command that asked.
    pub(super) drawn: BTreeMap<CommandId, Box<DrawnView>>,
    /// What guardians said to their shares, by the command that dealt them.
    pub(super) dealt: BTreeMap<CommandId, Box<DealtView>>,
    /// What was released for a request, by the command that asked.
    pub(super) released: BTreeMap<CommandId, Box<ReleasedView>>,
    /// Nodes that found a fork, and whose.
    pub(super) forked: Vec<(u32, PublicKey)>,
    /// Acts executed: by whom.
    pub(super) executed: Vec<(ContentId, u32)>,
    /// Acts that ran for an author whom the node knew to be suspended or removed.
    pub(super) for_barred: Vec<(u32, ContentId, PublicKey)>,
    /// Acts refused: by whom, and why.
    pub(super) refused: Vec<(ContentId, u32, String)>,
    /// Why records from outside were rejected, and how often.
    pub(super) rejected: BTreeMap<String, u64>,
    /// Heads of audit logs signed: by whom.
    pub(super) heads: Vec<(u32, LogHead)>,
    /// Heads that witnesses countersigned: by whom.
    pub(super) countersigned: Vec<(u32, HeldHead)>,
    /// Audit entries that were not appended.
    pub(super) not_appended: Vec<(u32, NotAppended)>,
    /// Nodes that found that another rewrote its audit log, and whose.
    pub(super) split_views: Vec<(u32, PublicKey)>,
    /// Records that name nobody, each time one came along a stem and the first time one came by gossip, if it is noted.
    pub(super) heard: Vec<Heard>,
    pub(super) caught_up: u64,
    pub(super) forks: u64,
}

impl Journal {
    /// Notes that one more node accepted a message.
    pub(super) fn accepted(&mut self, message: u32) {
        let index = message as usize;
        if index >= self.reached.len() {
            self.reached.resize(index + 1, 0);
        }
        self.reached[index] += 1;
    }

    /// Returns how many nodes accepted a message.
    pub(super) fn reached(&self, message: usize) -> u32 {
        self.reached.get(message).copied().unwrap_or(0)
    }

    /// Notes the answer to a command.
    pub(super) fn reply(&mut self, node: u32, id: CommandId, reply: Result<Reply, CommandError>) {
        let answer = match reply {
            Ok(Reply::Recorded(record)) => Ok(Some(record)),
            Ok(Reply::Proposed(act)) => {
                self.proposed.insert(id, act);
                Ok(None)
            }
            Ok(Reply::Status(status)) => {
                self.statuses.insert(id, status);
                Ok(None)
            }
            Ok(Reply::Proposals(proposals)) => {
                self.proposals.insert(id, proposals);
                Ok(None)
            }
            Ok(Reply::Halt(report)) => {
                self.reports.insert(id, report);
                Ok(None)
            }
            Ok(Reply::Votes(votes)) => {
                self.votes.insert(id, votes);
                Ok(None)
            }
            Ok(Reply::Recounted(found)) => {
                self.recounts.insert(id, found);
                Ok(None)
            }
            Ok(Reply::Drawn(drawn)) => {
                self.drawn.insert(id, drawn);
                Ok(None)
            }
            Ok(Reply::Dealt(dealt)) => {
                self.dealt.insert(id, dealt);
                Ok(None)
            }
            Ok(Reply::Released(released)) => {
                self.released.insert(id, released);
                Ok(None)
            }
            Ok(Reply::Voted(handed_in)) => {
                self.handed_in.insert(id, handed_in);
                Ok(None)
            }
            Ok(
                Reply::Links(_)
                | Reply::Members(_)
                | Reply::Capabilities(_)
                | Reply::Acts(_)
                | Reply::Policies(_)
                | Reply::Consents(_)
                | Reply::Committee(_)
                | Reply::Plan(_)
                | Reply::Pulled(_)
                | Reply::Jury(_)
                | Reply::Bundle(_)
                | Reply::Cases(_)
                | Reply::Ledger(_)
                | Reply::Rounds(_)
                | Reply::Sublime(_)
                | Reply::Hello(_)
                | Reply::CallStanding(_)
                | Reply::Calls(_)
                | Reply::Reason(_)
                | Reply::Recoveries(_)
                | Reply::Guardians(_)
                | Reply::Tried(_)
                | Reply::Account(_)
                | Reply::AuditHeads(_)
                | Reply::Erasures(_)
                | Reply::Overrides(_)
                | Reply::PublicLog(_)
                | Reply::PublicProof(_)
                | Reply::EntryProof(_)
                | Reply::Done,
            ) => Ok(None),
            Err(error) => Err(error.to_string()),
        };
        self.replies.push((node, id, answer));
    }

    /// Notes what a peer told its user.
    pub(super) fn note(&mut self, node: u32, at: Time, told: Told) {
        let mut alarm = |what| self.alarms.push(Alarm { at, node, what });
        match told {
            Told::Anomaly {
                agent, critical, ..
            } => alarm(Alarmed::Found { agent, critical }),
            Told::Frozen { .. } => alarm(Alarmed::Frozen),
            Told::Halted { confirmed, .. } => alarm(Alarmed::Halted { confirmed }),
            Told::Executed { act: Some(act), .. } => self.executed.push((act, node)),
            Told::Refused {
                act: Some(act),
                why,
            } => self.refused.push((act, node, why)),
            Told::Rejected { why, .. } | Told::TurnedAway { why, .. } => {
                *self.rejected.entry(why).or_default() += 1;
            }
            Told::Proposed {
                act,
                record: Some(record),
                ..
            } => {
                self.written.insert(act, record);
            }
            Told::CaughtUp { .. } => self.caught_up += 1,
            Told::ForkFound { author, .. } => {
                self.forks += 1;
                self.forked.push((node, author));
            }
            Told::SplitView { author } => self.split_views.push((node, author)),
            Told::Executed { act: None, .. }
            | Told::Refused { act: None, .. }
            | Told::Linked { .. }
            | Told::Unlinked { .. }
            | Told::Joined { .. }
            | Told::Gone { .. }
            | Told::Recorded { .. }
            | Told::Outcome { .. }
            | Told::Healed { .. }
            | Told::Decided { .. }
            | Told::KeysMade { .. }
            | Told::Seats(_)
            | Told::ShareLost { .. }
            | Told::Proposed { record: None, .. }
            | Told::CosignAsked { .. }
            | Told::HaltEnded { .. }
            | Told::Vote { .. }
            | Told::Charter { .. }
            | Told::ErasedAt { .. }
            | Told::Public { .. }
            | Told::TwoPublicLogs { .. }
            | Told::OverrideStays { .. }
            | Told::OverrideLapsed { .. }
            | Told::Case { .. }
            | Told::Audit { .. }
            | Told::AccountAsked { .. }
            | Told::Sublime { .. }
            | Told::Released { .. }
            | Told::Rotation { .. }
            | Told::BadDealer { .. }
            | Told::ShareNotMade { .. }
            | Told::Forgot { .. }
            | Told::Invited { .. }
            | Told::InviteAnswered { .. }
            | Told::TierPeer { .. }
            | Told::Ready { .. } => {}
        }
    }
}
