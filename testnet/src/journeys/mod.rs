//! The stories a mesh of real nodes has to live through, each with its own account.
//!
//! A story runs on a mesh of its own (`x0-testnet journey NAME`), or as a chapter of the tour on a mesh that
//! others have used before it; so it relies on nothing but that all nodes run and agree.

pub mod capabilities;
pub mod charter;
pub mod committee;
pub mod committee_change;
pub mod committee_keys;
pub mod crash;
pub mod dashboard;
pub mod data;
pub mod emergency;
pub mod join;
pub mod mass_action;
mod multi_sig;
pub mod overriding;
pub mod partition;
pub mod rotation;
pub mod seizure;
pub mod speed;
pub mod standby;
pub mod takeover;
pub mod tiers;
pub mod vault;
pub mod vault_speed;
pub mod violation;
pub mod vote;

use anyhow::{Result, bail, ensure};
use clap::ValueEnum;
use x0_protocol::charter::SHIPPED;

use crate::{
    account::Account,
    mesh::{Mesh, Plan},
    programs::Programs,
};

/// A story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Journey {
    /// A newcomer joins by an invite and catches up; invites that are used, mistyped or lead nowhere say so.
    Join,
    /// An agent acts within its token; beyond it, nobody obeys, whatever the agent does.
    Capabilities,
    /// Nodes are killed while they write; nothing that was acknowledged is lost.
    Crash,
    /// The mesh is cut in two, both halves go on, and are one again.
    Partition,
    /// Four founders keep one log; one of them is killed, and then two.
    Committee,
    /// A seat is replaced: new keys are in force everywhere, whoever dies on the way.
    CommitteeChange,
    /// A seat moves to a second node of the same identity: at any time one of them signs.
    Standby,
    /// Fifteen seats make their keys, and make them anew: how long that takes; no part of the tour.
    CommitteeKeys,
    /// An act on the whole mesh is co-signed by drawn members; one refuses another.
    MassAction,
    /// Two overrides on a fast clock: one is told to all and stays, one is not and lapses.
    Override,
    /// A rogue agent tries every way to change the mesh at once; it is frozen, and the mesh halts.
    Takeover,
    /// Members vote for three days of a fast clock, once under seal; seats fall, one votes twice and one too late, and all
    /// can recount.
    Vote,
    /// Somebody takes along what is held about them, and has it erased.
    Data,
    /// A violation is reported without a name; the accused is judged, held to the verdict by every node, and the reporter is
    /// paid.
    Violation,
    /// Programs hand telemetry in under the charter; members amend it, and gateway, node and kernel obey by themselves.
    Charter,
    /// Content is put, denied, granted and opened after its owner is gone; it is found on no disk.
    Vault,
    /// A person in danger opens an item with a recovery card over Tor, with no seat up; then through a bridge.
    Emergency,
    /// Disks are seized, and searched for what opens an item.
    Seizure,
    /// The shares of an item are dealt on: by a vote, past a liar and through crashes, and because a guardian leaves.
    Rotation,
    /// Copies are counted; each tier is lost in turn and mended from another; opening that breaks off goes on.
    Tiers,
    /// The dashboard as people see it, in a real browser; no part of the tour.
    Dashboard,
    /// How fast records, repairs and catch-ups are, and what idling costs; no part of the tour.
    Speed,
    /// What putting, holding and opening a gibibyte costs, beside the cipher alone, age and Kubo; no part of the tour.
    VaultSpeed,
}

impl Journey {
    /// Returns the name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Capabilities => "capabilities",
            Self::Crash => "crash",
            Self::Partition => "partition",
            Self::Committee => "committee",
            Self::CommitteeChange => "committee-change",
            Self::CommitteeKeys => "committee-keys",
            Self::Standby => "standby",
            Self::MassAction => "mass-action",
            Self::Override => "override",
            Self::Takeover => "takeover",
            Self::Vote => "vote",
            Self::Data => "data",
            Self::Violation => "violation",
            Self::Charter => "charter",
            Self::Vault => "vault",
            Self::Emergency => "emergency",
            Self::Rotation => "rotation",
            Self::Seizure => "seizure",
            Self::Tiers => "tiers",
            Self::Dashboard => "dashboard",
            Self::Speed => "speed",
            Self::VaultSpeed => "vault-speed",
        }
    }

    /// Returns what the story is about.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Join => {
                "one string lets one newcomer in, and tells what is wrong when it does not"
            }
            Self::Capabilities => {
                "an agent can do what its token says and nothing else, even past its own node"
            }
            Self::Crash => "what a node has acknowledged survives kill -9",
            Self::Partition => "a mesh that is cut in two goes on in both halves and heals",
            Self::Committee => "the seats keep one log, whatever happens to a third of them",
            Self::CommitteeChange => {
                "the committee passes to other seats, and nobody else can claim it"
            }
            Self::CommitteeKeys => "fifteen seats have keys within seconds",
            Self::Standby => "a seat moves to another machine, and never signs at two",
            Self::MassAction => {
                "nobody changes the whole mesh without people whom it could not choose"
            }
            Self::Override => "what is done without a vote is seen by all, or ends by itself",
            Self::Takeover => "no single agent changes the mesh, and one that tries halts it",
            Self::Vote => "all members decide, and nobody has to believe who counted",
            Self::Data => "what people write is theirs: to take along, and to have erased",
            Self::Violation => {
                "who breaks the charter is held to it by every node, and who tells of it stays unnamed"
            }
            Self::Charter => {
                "what may be collected is decided by all, and obeyed by every part at once"
            }
            Self::Vault => "what people depend on survives, and opens only when all have said so",
            Self::Seizure => "whoever takes disks away has nothing that opens",
            Self::Emergency => {
                "with a card, a jury and three guardians, somebody in danger has what they need within minutes"
            }
            Self::Rotation => {
                "whoever gathers shares over the years has nothing that fits together"
            }
            Self::Tiers => "no place where content is kept may be the only one that has it",
            Self::Dashboard => {
                "everybody can see what goes on, on a phone, by keyboard, without reloading"
            }
            Self::Speed => "what a mesh on one machine does in which time",
            Self::VaultSpeed => "what it costs to keep a gibibyte shut",
        }
    }

    /// Returns how many nodes it takes unless told otherwise, and how many at least.
    pub const fn nodes(self) -> (usize, usize) {
        match self {
            Self::Join => (3, 1),
            Self::Capabilities => (8, 6),
            Self::Crash => (5, 3),
            Self::Partition => (6, 4),
            Self::Committee | Self::Standby => (6, 4),
            Self::Data => (6, 5),
            Self::Charter => (6, 5),
            Self::CommitteeChange => (16, 16),
            Self::CommitteeKeys => (15, 4),
            Self::MassAction | Self::Takeover => (16, 8),
            Self::Override => (12, 10),
            Self::Emergency => (12, 12),
            Self::Vote => (16, 16),
            Self::Violation | Self::Vault | Self::Rotation => (8, 8),
            Self::Tiers => (7, 7),
            Self::Seizure => (6, 6),
            Self::Dashboard => (6, 6),
            Self::Speed => (30, 5),
            Self::VaultSpeed => (6, 6),
        }
    }

    /// Returns how many nodes found its mesh and hold seats.
    const fn founders(self, nodes: usize) -> usize {
        match self {
            Self::CommitteeKeys => nodes,
            Self::Committee
            | Self::CommitteeChange
            | Self::Standby
            | Self::MassAction
            | Self::Override
            | Self::Vote
            | Self::Violation
            | Self::Charter
            | Self::Vault
            | Self::Emergency
            | Self::Rotation
            | Self::Seizure
            | Self::Tiers
            | Self::VaultSpeed
            | Self::Takeover
            | Self::Data
            | Self::Dashboard => 4,
            Self::Join | Self::Capabilities | Self::Crash | Self::Partition | Self::Speed => 1,
        }
    }

    /// Returns how many seconds of mesh time pass in one.
    const fn time_scale(self) -> u32 {
        match self {
            // 72 h pass in 32 s, and 24 h in 11 s.
            Self::Vote
            | Self::Violation
            | Self::Charter
            | Self::Vault
            | Self::Rotation
            | Self::Tiers
            | Self::VaultSpeed => 8_000,
            Self::Override => overriding::TIME_SCALE,
            Self::Emergency => emergency::TIME_SCALE,
            Self::Join
            | Self::Capabilities
            | Self::Crash
            | Self::Partition
            | Self::Committee
            | Self::CommitteeChange
            | Self::CommitteeKeys
            | Self::Standby
            | Self::MassAction
            | Self::Takeover
            | Self::Data
            | Self::Dashboard
            | Self::Speed
            | Self::Seizure => 1,
        }
    }

    /// Returns the charter of its mesh, unless that is the one that ships.
    fn charter(self) -> Result<Option<String>> {
        match self {
            Self::Override => overriding::charter().map(Some),
            Self::Violation => violation::charter().map(Some),
            Self::Join
            | Self::Capabilities
            | Self::Crash
            | Self::Partition
            | Self::Committee
            | Self::CommitteeChange
            | Self::CommitteeKeys
            | Self::Standby
            | Self::MassAction
            | Self::Takeover
            | Self::Vote
            | Self::Data
            | Self::Charter
            | Self::Vault
            | Self::Emergency
            | Self::Rotation
            | Self::Seizure
            | Self::Tiers
            | Self::VaultSpeed
            | Self::Dashboard
            | Self::Speed => Ok(None),
        }
    }

    /// Tells the story on a running mesh.
    ///
    /// # Errors
    ///
    /// Returns what did not hold.
    pub async fn tell(self, mesh: &mut Mesh, account: &mut Account) -> Result<()> {
        match self {
            Self::Join => join::tell(mesh, account).await,
            Self::Capabilities => capabilities::tell(mesh, account).await,
            Self::Crash => crash::tell(mesh, account).await,
            Self::Partition => partition::tell(mesh, account).await,
            Self::Committee => committee::tell(mesh, account).await,
            Self::CommitteeChange => committee_change::tell(mesh, account).await,
            Self::CommitteeKeys => committee_keys::tell(mesh, account).await,
            Self::Standby => standby::tell(mesh, account).await,
            Self::MassAction => mass_action::tell(mesh, account).await,
            Self::Override => overriding::tell(mesh, account).await,
            Self::Takeover => takeover::tell(mesh, account).await,
            Self::Vote => vote::tell(mesh, account).await,
            Self::Data => data::tell(mesh, account).await,
            Self::Violation => violation::tell(mesh, account).await,
            Self::Charter => charter::tell(mesh, account).await,
            Self::Vault => vault::tell(mesh, account).await,
            Self::Emergency => emergency::tell(mesh, account).await,
            Self::Rotation => rotation::tell(mesh, account).await,
            Self::Seizure => seizure::tell(mesh, account).await,
            Self::Tiers => tiers::tell(mesh, account).await,
            Self::Dashboard => dashboard::tell(mesh, account).await,
            Self::Speed => speed::tell(mesh, account).await,
            Self::VaultSpeed => vault_speed::tell(mesh, account).await,
        }
    }
}

/// Starts a mesh, tells a story on it, and takes it down again.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn run(
    journey: Journey,
    nodes: Option<usize>,
    programs: Programs,
    json: bool,
) -> Result<()> {
    let (usual, least) = journey.nodes();
    let count = nodes.unwrap_or(usual);
    if count < least {
        bail!(
            "the journey {} takes {least} nodes at least, --nodes {count} was given",
            journey.name()
        );
    }
    let mut account = Account::new(journey.name(), journey.title(), json);
    let outcome = go(journey, count, programs, &mut account).await;
    account.end(outcome)
}

async fn go(
    journey: Journey,
    nodes: usize,
    programs: Programs,
    account: &mut Account,
) -> Result<()> {
    account.step(
        format!(
            "{nodes} real nodes start on this machine: {} a mesh, the others join by invites",
            match journey.founders(nodes) {
                1 => "one founds".to_owned(),
                more => format!("{more} found"),
            }
        ),
        "what follows is seen on the program that ships, over real connections and real disks",
    );
    let plan = Plan {
        name: "testnet".to_owned(),
        nodes,
        relayed: journey == Journey::Partition,
        founders: journey.founders(nodes),
        time_scale: journey.time_scale(),
        charter: journey.charter()?,
        programs,
        tor: journey == Journey::Emergency,
        settings: match journey == Journey::Charter {
            true => vec!["gateway.listen=127.0.0.1:0".to_owned()],
            false => Vec::new(),
        },
    };
    let mut mesh = Mesh::start(&plan, |up| account.saw(up)).await?;
    journey.tell(&mut mesh, account).await?;
    account.step(
        "all nodes are asked to stop",
        "a node ends its links and closes its store before it goes",
    );
    mesh.close().await?;
    account.saw("all of them ended well");
    Ok(())
}

/// Returns the charter that ships with one of its lines changed.
///
/// # Errors
///
/// Returns that the charter does not have that line.
fn shipped_but(line: &str, instead: &str) -> Result<String> {
    ensure!(
        SHIPPED.matches(line).count() == 1,
        "the charter that ships does not say {line:?} once"
    );
    Ok(SHIPPED.replace(line, instead))
}
