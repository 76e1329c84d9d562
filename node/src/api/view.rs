//! What the API says, as types of its own: ids as text, times in milliseconds, nothing secret.
//!
//! The command line reads the same types back, so that what a script sees with `--json` is what the API
//! sends. Fields are only ever added within a version.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use x0_crypto::{PublicKey, capability::RootKey};
use x0_net::PeerSnapshot;
use x0_protocol::{
    core::command::{self, CommitteeStatus, Status, TrustStatus},
    spine::{
        audit::What,
        directory::{Member, Standing},
        halt::Step,
    },
    wire::{Outcome, Parameters, Policy, Targets},
};

use super::proofs::CountersignedView;
use crate::{charter::in_force, runtime::NetworkView as Network};

/// How the node and its mesh are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// This node.
    pub node: String,
    /// The root under which this node grants capabilities.
    pub capability_root: String,
    /// The mesh's id.
    pub mesh: String,
    /// The mesh's name.
    pub name: String,
    /// Rules of validity in force.
    pub rules: u16,
    /// Mesh seconds per real second; anything but 1 marks a test mesh.
    pub time_scale: u32,
    /// Whether this node is an active member.
    pub member: bool,
    /// Whether this node may write records and execute acts yet.
    pub ready: bool,
    /// Active members.
    pub members: u32,
    /// Open links to members.
    pub links: u32,
    /// Links the self-healing loop keeps up.
    pub links_target: u64,
    /// Records known.
    pub records: u64,
    /// Records waiting for one they depend on.
    pub orphans: u32,
    /// Entries in the own audit log.
    pub audit_size: u64,
    /// How long the last repair of a lost link took.
    pub last_repair_ms: Option<u64>,
    /// How long the node has been running.
    pub uptime_secs: u64,
    /// The charter in force.
    #[serde(default)]
    pub charter: CharterMark,
    /// How the committee log stands, if this node holds a seat.
    pub committee: Option<CommitteeView>,
    /// What this node knows of the committee, seat or not.
    pub trust: TrustView,
    /// What is stopped, if anything is.
    #[serde(default)]
    pub stopped: StoppedView,
    /// Reported violations of the charter, and what bars this node.
    #[serde(default)]
    pub cases: CasesMark,
    /// What protects the mesh now, in plain words.
    pub protection: Vec<ProtectionView>,
}

/// How many cases there are; `/v1/charter/cases` lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CasesMark {
    /// Cases that are not over.
    pub open: u32,
    /// Those of them whose next step is overdue.
    pub overdue: u32,
    /// What bars this node by a verdict, in words.
    pub barred: Option<String>,
}

impl CasesMark {
    fn new(status: &Status) -> Self {
        let (open, overdue) = status.cases;
        Self {
            open,
            overdue,
            barred: super::cases::barred(status.barred),
        }
    }
}

/// How the committee log stands, as a seat sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommitteeView {
    /// Seats.
    pub seats: u32,
    /// Seats that decide.
    pub quorum: u32,
    /// Seats linked to this node, itself included.
    pub linked: u32,
    /// The last height decided.
    pub height: u64,
    /// Mesh time as of it, milliseconds since the Unix epoch.
    pub mesh_time_ms: u64,
    /// The height being decided now, if any.
    pub deciding: Option<u64>,
    /// For how long it has been.
    pub deciding_for_ms: Option<u64>,
    /// The committee's keys of which this seat holds its share, of three; none while they are being made.
    pub shares: Option<u32>,
}

/// What a node knows of the committee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrustView {
    /// Whether the mesh has seats enough for a committee.
    pub has_committee: bool,
    /// The epoch of the committee's keys, once they are made and known here.
    pub epoch: Option<u64>,
    /// The last certified height known here.
    pub height: Option<u64>,
    /// Members that count in shares and draws, as of it.
    pub electorate: Option<u32>,
    /// Mesh time, once it is certified, milliseconds since the Unix epoch.
    pub mesh_time_ms: Option<u64>,
    /// For how long nothing was heard of the committee, milliseconds, once that is so long that acts on this node are
    /// refused: it is down, or this node is cut off.
    #[serde(default)]
    pub silence_ms: Option<u64>,
    /// The height of the checkpoint that this node's invite names, as long as neither it nor a later one is known: until
    /// then acts on this node are refused.
    #[serde(default)]
    pub behind: Option<u64>,
    /// Acts that wait for a person of this node to co-sign or approve them.
    pub cosign_waiting: u32,
}

impl TrustView {
    fn new(status: &TrustStatus) -> Self {
        Self {
            has_committee: status.has_committee,
            epoch: status.epoch,
            height: status.checkpoint.map(|(height, _)| height),
            electorate: status.checkpoint.map(|(_, members)| members),
            mesh_time_ms: status.time.map(|time| time.0),
            silence_ms: status.silence.map(|silence| silence.0),
            behind: status.behind,
            cosign_waiting: status.cosign_waiting,
        }
    }
}

impl CommitteeView {
    fn new(status: &CommitteeStatus) -> Self {
        let (seats, quorum) = status.seats;
        Self {
            seats,
            quorum,
            linked: status.linked,
            height: status.height,
            mesh_time_ms: status.time.0,
            deciding: status.deciding.map(|(height, _)| height),
            deciding_for_ms: status.deciding.map(|(_, time)| time.0),
            shares: status.shares,
        }
    }
}

/// Which charter is in force; `/v1/charter` tells all it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CharterMark {
    /// Its number, which only rises.
    pub number: u64,
    /// Its name: the content id of its encoding.
    pub charter: String,
    /// How the kernel stands to it, in words.
    #[serde(default)]
    pub kernel: Option<String>,
}

impl CharterMark {
    fn new(status: &Status) -> Self {
        let charter = in_force(status.charter.clone());
        Self {
            number: charter.number(),
            charter: charter.id().to_string(),
            kernel: None,
        }
    }
}

/// What is stopped at a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoppedView {
    /// Whether the mesh is halted: no policy changes anywhere.
    pub halted: bool,
    /// How things stand, in words, and what can be done; none while nothing is stopped.
    pub words: Option<String>,
    /// Delegation roots frozen on this node.
    pub frozen: u32,
    /// Witnesses drawn for this epoch, whose alerts halt a mesh whose committee is silent.
    pub witnesses: u32,
}

impl StoppedView {
    fn new(status: &Status) -> Self {
        Self {
            halted: status.is_halted(),
            words: status
                .standing
                .refuse_reason(Step::PolicyChange, status.standing_at),
            frozen: status.frozen,
            witnesses: status.witnesses,
        }
    }
}

/// One line of the protection in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProtectionView {
    /// What somebody might want to do.
    pub what: String,
    /// What stands before it.
    pub rule: String,
    /// Whether this is refused altogether for now.
    pub refused: bool,
}

impl StatusView {
    /// Writes a status down.
    pub fn new(status: &Status, capability_root: RootKey, uptime_secs: u64) -> Self {
        Self {
            node: status.node.to_string(),
            capability_root: capability_root.to_string(),
            mesh: status.mesh.to_string(),
            name: status.name.clone(),
            rules: status.rules.0,
            time_scale: status.time_scale,
            member: status.member,
            ready: status.ready,
            members: status.members,
            links: status.links,
            links_target: status.links_target,
            records: status.records,
            orphans: status.orphans,
            audit_size: status.audit_size,
            last_repair_ms: status.last_repair.map(|took| took.0),
            uptime_secs,
            charter: CharterMark::new(status),
            committee: status.committee.as_ref().map(CommitteeView::new),
            trust: TrustView::new(&status.trust),
            stopped: StoppedView::new(status),
            cases: CasesMark::new(status),
            protection: protection(status),
        }
    }
}

/// Says what happens at an anomaly in the acts of one agent or root.
fn anomaly_rule(status: &Status) -> String {
    let mut rule = "every node freezes that root and its tokens for 10 minutes".to_owned();
    let faulty = |count: u32| count.saturating_sub(1) / 3 + 1;
    let (seats, _) = status.seats;
    if status.trust.has_committee {
        rule.push_str(&format!(
            "; alerts of {} of {seats} seats halt the mesh",
            faulty(seats)
        ));
    }
    match status.witnesses {
        0 if !status.trust.has_committee => {
            rule.push_str("; nothing halts the mesh, as it has no committee of 4 seats or more");
        }
        0 => {}
        drawn => rule.push_str(&format!(
            ", or of {} of {drawn} drawn witnesses",
            faulty(drawn)
        )),
    }
    rule
}

/// Says what protects the mesh now: no more than what this version enforces.
fn protection(status: &Status) -> Vec<ProtectionView> {
    let line = |what: &str, rule: String, refused| ProtectionView {
        what: what.to_owned(),
        rule,
        refused,
    };
    let (reach, members) = (status.token_reach, status.members);
    let nodes = |count: u32| match count {
        1 => "1 node".to_owned(),
        more => format!("{more} nodes"),
    };
    let (seats, quorum) = status.seats;
    let mut lines = vec![line(
        "a change of this node alone",
        "this node decides, by a token of its own root; nobody overrides it".to_owned(),
        false,
    )];
    lines.extend(match (status.trust.has_committee, status.trust.epoch) {
        (false, _) => beyond_without_committee(reach, members),
        (true, None) => vec![line(
            "any act on others",
            "refused by every node until the committee has made its keys".to_owned(),
            true,
        )],
        (true, Some(_)) => vec![
            line(
                &format!("an act on up to {} of {members}", nodes(reach)),
                "needs the agent's token, a ticket of the committee, and the word of up to 3 targets; all acts of \
                 24 hours under its root, and of the same change, count as one"
                    .to_owned(),
                false,
            ),
            line(
                &format!("an act that reaches more than {}", nodes(reach)),
                "needs besides 3 co-signers drawn by the committee's beacon, 7 if it reaches over half the mesh"
                    .to_owned(),
                false,
            ),
            line(
                "an act on more than 100 nodes",
                "needs besides that the members have passed a vote on that very act, and the approvals of 3 of 5 people \
                 drawn from the committee's seats"
                    .to_owned(),
                false,
            ),
        ],
    });
    lines.push(line(
        "one agent or root that changes too much at once",
        anomaly_rule(status),
        false,
    ));
    lines.push(line(
        "the removal of a member",
        format!("needs the word of {quorum} of {seats} seats"),
        false,
    ));
    lines.push(line(
        "rewriting a node's audit log",
        "shows, once linked peers have seen its head; it is not prevented".to_owned(),
        false,
    ));
    if status.trust.member_age != Parameters::default().member_age {
        let seconds = status.trust.member_age.0 / 1_000;
        lines.push(line(
            "TEST MESH",
            format!("members count after {seconds} seconds: whoever invites many is drawn soon"),
            false,
        ));
    }
    if status.time_scale != 1 {
        lines.push(line(
            "TEST MESH",
            format!(
                "its time runs {} times faster: trust nothing it decides",
                status.time_scale
            ),
            false,
        ));
    }
    lines
}

/// What protects a mesh that is too small for a committee.
fn beyond_without_committee(reach: u32, members: u32) -> Vec<ProtectionView> {
    let reached = if reach == 1 {
        "1 node".to_owned()
    } else {
        format!("{reach} nodes")
    };
    let mut lines = vec![ProtectionView {
        what: format!("an act on up to {reached} of {members}"),
        rule: "needs the agent's token; every target checks it again by itself. Nothing adds up many small acts"
            .to_owned(),
        refused: false,
    }];
    if members > reach {
        lines.push(ProtectionView {
            what: format!("an act on more than {reached}"),
            rule: "refused by every node: it needs a committee, and a mesh founded by fewer than 4 has none"
                .to_owned(),
            refused: true,
        });
    }
    lines
}

/// An open link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LinkView {
    /// The member at the other end.
    pub peer: String,
    /// Whether this side dialled.
    pub dialled: bool,
    /// Whether both sides have greeted, so that records flow.
    pub greeted: bool,
    /// The last round trip.
    pub rtt_ms: Option<f64>,
    /// Addresses of the other end.
    pub addresses: Vec<String>,
}

impl LinkView {
    /// Writes a link down, with what the network side knows of it.
    pub fn new(link: &command::LinkView, network: &Network) -> Self {
        let snapshot = network
            .peers
            .iter()
            .find(|peer| peer.peer.0 == *link.peer.bytes());
        Self {
            peer: link.peer.to_string(),
            dialled: link.dialled,
            greeted: link.greeted,
            rtt_ms: snapshot.and_then(rtt_ms),
            addresses: snapshot.map(addresses).unwrap_or_default(),
        }
    }
}

fn rtt_ms(peer: &PeerSnapshot) -> Option<f64> {
    peer.rtt
        .map(|rtt| (rtt.as_secs_f64() * 10_000.0).round() / 10.0)
}

fn addresses(peer: &PeerSnapshot) -> Vec<String> {
    peer.addresses.iter().map(ToString::to_string).collect()
}

/// One who is or was a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    /// Who it is.
    pub key: String,
    /// The root of the capability tokens it grants.
    pub capability_root: String,
    /// Region it picked, if any.
    pub region: Option<String>,
    /// Since when, by its own clock.
    pub since_ms: u64,
    /// Whose invite it came by; absent for founders.
    pub invited_by: Option<String>,
    /// How it stands: `active`, `left`, `removed` or `displaced`.
    pub standing: String,
    /// Whether it is this node.
    pub this_node: bool,
    /// Whether a link to it is open.
    pub linked: bool,
}

/// A page of members, in order of key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MembersPage {
    /// The members.
    pub members: Vec<MemberView>,
    /// Give this as `after` for the next page; absent on the last.
    pub next: Option<String>,
}

impl MemberView {
    /// Writes a member down.
    pub fn new(member: &Member, own: &PublicKey, linked: &BTreeSet<PublicKey>) -> Self {
        let standing = match member.standing {
            Standing::Active => "active",
            Standing::Left => "left",
            Standing::Removed => "removed",
            Standing::Displaced => "displaced",
        };
        Self {
            key: member.key.to_string(),
            capability_root: member.root.to_string(),
            region: member.region.as_ref().map(ToString::to_string),
            since_ms: member.since.0,
            invited_by: member.invited_by.map(|by| by.to_string()),
            standing: standing.to_owned(),
            this_node: member.key == *own,
            linked: linked.contains(&member.key),
        }
    }
}

/// The network side of the node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NetworkView {
    /// Addresses the node listens on.
    pub listen: Vec<String>,
    /// Addresses at which others reach it, confirmed.
    pub external: Vec<String>,
    /// Connected peers, members or not.
    pub peers: Vec<ConnectionView>,
    /// Bytes read since the start.
    pub bytes_in: u64,
    /// Bytes written since the start.
    pub bytes_out: u64,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionView {
    /// The peer.
    pub peer: String,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Whether it was let in as a member.
    pub admitted: bool,
    /// The last round trip.
    pub rtt_ms: Option<f64>,
    /// What gossip thinks of it; below zero is bad.
    pub score: Option<f64>,
}

impl From<&Network> for NetworkView {
    fn from(network: &Network) -> Self {
        let texts = |list: &[x0_net::Multiaddr]| list.iter().map(ToString::to_string).collect();
        let peer = |peer: &PeerSnapshot| ConnectionView {
            peer: peer.peer.to_string(),
            addresses: addresses(peer),
            admitted: peer.admitted,
            rtt_ms: rtt_ms(peer),
            score: peer.score,
        };
        Self {
            listen: texts(&network.listen),
            external: texts(&network.external),
            peers: network.peers.iter().map(peer).collect(),
            bytes_in: network.traffic.bytes_in,
            bytes_out: network.traffic.bytes_out,
        }
    }
}

/// A policy in force here, and what it may be set to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyView {
    /// Its name.
    pub policy: String,
    /// Its value.
    pub value: u64,
    /// How often it was changed.
    pub version: u64,
    /// What a node starts with.
    pub default: u64,
    /// Lowest value allowed.
    pub min: u64,
    /// Highest value allowed.
    pub max: u64,
    /// The unit of the value.
    pub unit: String,
}

impl PolicyView {
    /// Writes a policy down; `None` for one this build does not know.
    pub fn new(view: &command::PolicyView) -> Option<Self> {
        let policy: Policy = view.policy.as_str().parse().ok()?;
        let (min, max, unit) = policy.range();
        Some(Self {
            policy: policy.name().to_owned(),
            value: view.value,
            version: view.version,
            default: policy.default_value(),
            min,
            max,
            unit: unit.to_owned(),
        })
    }
}

/// What became of a proposal at first: the act's record, or its digest while it is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposedView {
    /// The act's record; in a mesh without a committee it is written at once.
    pub id: Option<String>,
    /// The act's digest; in a mesh with a committee it must first be admitted, agreed to and co-signed.
    pub proposal: Option<String>,
}

/// An act known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActView {
    /// Its record.
    pub id: String,
    /// The agent.
    pub agent: String,
    /// What it changes, in words.
    pub change: String,
    /// Where.
    pub targets: TargetsView,
    /// How many nodes that is now.
    pub target_count: u32,
    /// When it was written, by its author's clock.
    pub time_ms: u64,
    /// What became of it on this node, if this node is a target.
    pub here: Option<OutcomeView>,
    /// For own acts: what became of it elsewhere.
    pub elsewhere: Vec<TargetOutcomeView>,
    /// The multi-signature it carries, if its ticket asks for one.
    pub multi_sig: Option<MultiSigView>,
}

/// The approvals that an act carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MultiSigView {
    /// How many are there.
    pub approvals: u32,
    /// How many must be.
    pub needed: u8,
    /// How many signatories were drawn.
    pub panel: u8,
}

impl ActView {
    /// Writes an act down; `members` are the active ones.
    pub fn new(act: &command::ActView, members: &[Member]) -> Self {
        let count = |wanted: &dyn Fn(&Member) -> bool| {
            let wanted = |member: &&Member| member.is_active() && wanted(member);
            u32::try_from(members.iter().filter(wanted).count()).unwrap_or(u32::MAX)
        };
        let target_count = match &act.targets {
            Targets::Nodes(nodes) => u32::try_from(nodes.len()).unwrap_or(u32::MAX),
            Targets::Region(region) => count(&|member| member.region.as_ref() == Some(region)),
            Targets::All => count(&|_| true),
        };
        let elsewhere = act.elsewhere.iter();
        Self {
            id: act.id.to_string(),
            agent: act.agent.to_string(),
            change: act.change.clone(),
            targets: TargetsView::from(&act.targets),
            target_count,
            time_ms: act.time.0,
            here: act.here.as_ref().map(OutcomeView::from),
            elsewhere: elsewhere
                .map(|(node, outcome)| TargetOutcomeView {
                    node: node.to_string(),
                    outcome: OutcomeView::from(outcome),
                })
                .collect(),
            multi_sig: act.approvals.map(|(approvals, asked)| MultiSigView {
                approvals,
                needed: asked.k,
                panel: asked.n,
            }),
        }
    }

    /// Counts the targets whose outcome is known.
    pub fn outcomes(&self) -> u32 {
        let known = self.elsewhere.len() + usize::from(self.here.is_some());
        u32::try_from(known).unwrap_or(u32::MAX)
    }

    /// Tells whether every target's outcome is known.
    pub fn is_settled(&self) -> bool {
        self.outcomes() >= self.target_count
    }
}

/// The nodes an act is meant for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetsView {
    /// These nodes.
    Nodes(Vec<String>),
    /// Every member of a region.
    Region(String),
    /// Every member.
    All,
}

impl From<&Targets> for TargetsView {
    fn from(targets: &Targets) -> Self {
        match targets {
            Targets::Nodes(nodes) => Self::Nodes(nodes.iter().map(ToString::to_string).collect()),
            Targets::Region(region) => Self::Region(region.to_string()),
            Targets::All => Self::All,
        }
    }
}

/// What became of an act at a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutcomeView {
    /// Whether it was executed.
    pub executed: bool,
    /// Why not, if it was not.
    pub why: Option<String>,
}

/// What became of an act at another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetOutcomeView {
    /// The target.
    pub node: String,
    /// What became of it there.
    pub outcome: OutcomeView,
}

impl From<&Outcome> for OutcomeView {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Executed => Self {
                executed: true,
                why: None,
            },
            Outcome::Refused { why } => Self {
                executed: false,
                why: Some(why.clone()),
            },
        }
    }
}

/// An entry of the node's audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntryView {
    /// Its place, from 0.
    pub index: u64,
    /// When, by the node's own clock.
    pub time_ms: u64,
    /// What happened: `executed`, `refused`, `local`, `local_refused`, `wrote`, `fork`, `split_view`,
    /// `lapsed`, `two_heads`, `two_public_logs`, `account`, `account_refused` or `erased`.
    pub what: String,
    /// Who it is about: the agent or author.
    pub who: Option<String>,
    /// The record it is about.
    pub record: Option<String>,
    /// The change or the reason, in words.
    pub words: String,
}

impl AuditEntryView {
    /// Writes an entry down.
    pub fn new(index: u64, entry: &x0_protocol::spine::audit::Entry) -> Self {
        let (what, who, record, words) = match &entry.what {
            What::Executed { act, agent, change } => {
                ("executed", Some(agent), Some(act), change.clone())
            }
            What::Refused { act, agent, why } => ("refused", Some(agent), Some(act), why.clone()),
            What::Local { agent, change } => ("local", Some(agent), None, change.clone()),
            What::LocalRefused { agent, why } => ("local_refused", Some(agent), None, why.clone()),
            What::Wrote { record, kind } => {
                let kind = kind_name(*kind);
                ("wrote", None, Some(record), format!("wrote {kind}"))
            }
            What::Fork { author, seq } => (
                "fork",
                Some(author),
                None,
                format!("signed two records at place {seq} of its chain"),
            ),
            What::SplitView { author, size } => (
                "split_view",
                Some(author),
                None,
                format!("showed two different logs of {size} entries"),
            ),
            What::Erased {
                erasure,
                author,
                records,
            } => (
                "erased",
                Some(author),
                Some(erasure),
                format!("erased what {records} records of its author said"),
            ),
            What::Lapsed { act, change } => (
                "lapsed",
                None,
                Some(act),
                format!("an override was not told to all in time: {change}"),
            ),
            What::TwoHeads { one, other } => (
                "two_heads",
                Some(&one.author),
                None,
                format!(
                    "signed two heads of {} entries, with the roots {} and {}",
                    one.size, one.root, other.root
                ),
            ),
            What::Account { auditor, right } => (
                "account",
                Some(auditor),
                None,
                format!("told it what this node collects ({right})"),
            ),
            What::AccountRefused {
                auditor,
                right,
                why,
            } => (
                "account_refused",
                Some(auditor),
                None,
                format!("did not tell it what this node collects ({right}): {why}"),
            ),
            What::ShareKept { item, epoch, owner } => (
                "share_kept",
                owner.as_ref(),
                None,
                format!("keeps a share of the item with the key {item}, epoch {epoch}"),
            ),
            What::ShareDestroyed { item, epoch } => (
                "share_destroyed",
                None,
                None,
                format!(
                    "destroyed its share of the item with the key {item}, epoch {epoch}: it was dealt on"
                ),
            ),
            What::BadDealer {
                item,
                epoch,
                dealer,
            } => (
                "bad_dealer",
                Some(dealer),
                None,
                format!(
                    "it dealt this node something wrong of the item with the key {item}, epoch {epoch}"
                ),
            ),
            What::Attested { request, item, .. } => (
                "attested",
                None,
                Some(request),
                format!(
                    "enough trustees have attested a request to recover item {item}: the time begins in which its owner can stop it"
                ),
            ),
            What::Released { request, item, to } => (
                "released",
                Some(to),
                Some(request),
                format!(
                    "released to it what this node holds of item {item}, as was decided about the request"
                ),
            ),
            What::TwoPublicLogs { first, second } => (
                "two_public_logs",
                None,
                None,
                format!(
                    "the committee certified two public logs, at heights {} and {}",
                    first.statement.height(),
                    second.statement.height()
                ),
            ),
        };
        Self {
            index,
            time_ms: entry.time.0,
            what: what.to_owned(),
            who: who.map(ToString::to_string),
            record: record.map(ToString::to_string),
            words,
        }
    }
}

/// Returns the name of a record kind, in words.
pub fn kind_name(kind: u16) -> String {
    use x0_protocol::wire::Kind;
    let name = match Kind(kind) {
        Kind::GENESIS => "the genesis",
        Kind::INVITE => "an invite",
        Kind::JOIN => "a join",
        Kind::LEAVE => "a leave",
        Kind::REMOVAL => "a removal",
        Kind::MERGE => "a merge of its chain",
        Kind::CAPABILITY => "a capability token",
        Kind::REVOCATION => "a revocation",
        Kind::ACT => "an act",
        Kind::ALERT => "an alert",
        Kind::AUDIT_ROUND => "a round of audits",
        Kind::AUDIT_REPORT => "the report of an audit",
        Kind::HALT => "a halt of the committee",
        Kind::JURY => "a word to or of a jury",
        Kind::KEYS => "the committee's first keys",
        Kind::CHECKPOINT => "a checkpoint",
        Kind::VOTE => "a notice of a vote",
        Kind::HAND_OVER => "a hand-over of the committee",
        Kind::RECOVERY => "a word for a new committee",
        Kind::CHARTER => "a charter",
        Kind::ERASURE => "an erasure",
        Kind::RULING => "a step in a case of the committee",
        Kind::REPORT => "a report of a violation",
        Kind::SEALED_REPORT => "a sealed report of a violation",
        Kind::CASE_WORD => "a seat's word on a case",
        Kind::APPEAL => "an appeal against a verdict",
        Kind::CLAIM => "a claim of a bounty",
        Kind::GUARDIAN => "a guardian's word",
        Kind::MANIFEST => "an item of Sublime",
        Kind::ACCESS_REQUEST => "a request for an item of Sublime",
        Kind::ROTATION => "a rotation of an item's guardians",
        Kind::FORGET => "a word to forget an item",
        Kind::EMERGENCY_CALL => "a call in an emergency",
        Kind::CARD_REVOKED => "a word that a recovery card counts no longer",
        Kind::ONION => "the onion address of a node",
        Kind::DRILLED => "a guardian's word on a drill",
        Kind::ATTESTATION => "a trustee's word about a recovery",
        Kind::TRUSTEES_REVOKED => "a word that an item's trustees count no longer",
        Kind(other) => return format!("a record of unknown kind {other:#06x}"),
    };
    name.to_owned()
}

/// A page of the audit log, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntryView>,
    /// Entries in the whole log.
    pub size: u64,
}

/// The heads of audit logs known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditHeadsView {
    /// Entries in the own log.
    pub size: u64,
    /// The root over them, in hexadecimal.
    pub root: String,
    /// Peers that hold a head of the own log, and of how many entries.
    pub witnesses: Vec<WitnessView>,
    /// Entries under the newest own head that drawn witnesses have countersigned; 0 if none is.
    pub countersigned_size: u64,
    /// Who has countersigned it.
    pub countersigned: Option<CountersignedView>,
    /// The newest heads seen of others.
    pub seen: Vec<HeadView>,
}

/// A peer that holds a head of this node's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WitnessView {
    /// The peer.
    pub peer: String,
    /// Entries in the head it holds.
    pub size: u64,
}

/// The head of another node's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeadView {
    /// Whose log.
    pub author: String,
    /// Entries in it.
    pub size: u64,
    /// The root over them, in hexadecimal.
    pub root: String,
    /// When it was signed.
    pub time_ms: u64,
}

impl From<&command::AuditHeads> for AuditHeadsView {
    fn from(heads: &command::AuditHeads) -> Self {
        let hex = |bytes: &[u8; 32]| data_encoding::HEXLOWER.encode(bytes);
        let witness = |(peer, size): &(PublicKey, u64)| WitnessView {
            peer: peer.to_string(),
            size: *size,
        };
        let head = |head: &x0_protocol::wire::LogHead| HeadView {
            author: head.author.to_string(),
            size: head.size,
            root: hex(&head.root.0),
            time_ms: head.time.0,
        };
        Self {
            size: heads.size,
            root: hex(&heads.root.0),
            witnesses: heads.witnesses.iter().map(witness).collect(),
            countersigned_size: heads.countersigned.map_or(0, |(size, _)| size),
            countersigned: heads.countersigned.map(|(_, by)| by.into()),
            seen: heads.seen.iter().map(head).collect(),
        }
    }
}

/// What checking the own audit log found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditVerifyView {
    /// Whether the entries on disk are those of the log the node speaks for.
    pub intact: bool,
    /// Entries read from disk.
    pub entries: u64,
    /// Entries the node speaks for.
    pub size: u64,
    /// The root computed from the entries on disk, in hexadecimal.
    pub computed_root: String,
    /// The root the node speaks for, in hexadecimal.
    pub root: String,
    /// Peers that hold a head of the log.
    pub witnesses: u32,
    /// Entries under the newest head that drawn witnesses have countersigned; 0 if none is.
    pub countersigned_size: u64,
    /// Who has countersigned it.
    pub countersigned: Option<CountersignedView>,
    /// What this means, in words.
    pub words: String,
}

/// A record of the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordView {
    /// Its content id.
    pub id: String,
    /// Its author.
    pub author: String,
    /// Its place in its author's chain.
    pub seq: u64,
    /// The author's record before it.
    pub prev: Option<String>,
    /// When, by its author's clock.
    pub time_ms: u64,
    /// The number of its kind.
    pub kind: u16,
    /// What it is, in words.
    pub words: String,
    /// Its encoding as it travels, in base64.
    pub bytes: String,
}

impl From<&x0_protocol::wire::Record> for RecordView {
    fn from(record: &x0_protocol::wire::Record) -> Self {
        let header = record.header();
        Self {
            id: record.id().to_string(),
            author: header.author.to_string(),
            seq: header.seq,
            prev: header.prev.map(|prev| prev.to_string()),
            time_ms: header.time.0,
            kind: header.kind.0,
            words: kind_name(header.kind.0),
            bytes: data_encoding::BASE64.encode(record.bytes()),
        }
    }
}

/// The answer to a call that made a record: it is on disk and on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordedView {
    /// The record.
    pub id: String,
}

/// The answer to a call that changed this node only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoneView {
    /// What was done, in words.
    pub done: String,
}

/// An invite as it is handed over. It is a secret: whoever has it can enter once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct InviteView {
    /// The string for `x0 join`.
    pub invite: String,
    /// The invite record.
    pub id: String,
    /// When it lapses.
    pub expires_ms: u64,
    /// Addresses it names.
    pub addresses: Vec<String>,
    /// Whether all of them are of this machine or the local network only.
    pub local_only: bool,
}

/// A one-time link to the dashboard.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct DashboardLinkView {
    /// Works once.
    pub url: String,
    /// For so long.
    pub life_secs: u64,
}
