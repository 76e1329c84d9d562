//! What a run does: how many nodes, what they are asked, what goes wrong, how long.
//!
//! A run has two phases. In the *safety phase* the work happens and faults strike; nothing that must
//! never happen may happen. Then everything is healed and restarted, and in the *liveness phase*
//! nothing new is asked: the run ends when all has converged, and fails if it does not in time.

mod capability_spread;
mod charter;
mod file;
mod gossip;
mod vault;
pub(crate) mod workload;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use file::{NODES_MAX, ScenarioError};

/// The scenarios that come with the crate: name and file.
pub const LIBRARY: [(&str, &str); 6] = [
    ("gossip", include_str!("../../scenarios/gossip.yaml")),
    (
        "gossip-100k",
        include_str!("../../scenarios/gossip-100k.yaml"),
    ),
    (
        "gossip-faults",
        include_str!("../../scenarios/gossip-faults.yaml"),
    ),
    (
        "capability-spread",
        include_str!("../../scenarios/capability-spread.yaml"),
    ),
    ("charter", include_str!("../../scenarios/charter.yaml")),
    ("vault", include_str!("../../scenarios/vault.yaml")),
];

/// A checked scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// How many nodes take part.
    pub nodes: u32,
    /// What chance hangs on.
    pub seed: u64,
    /// How the network is.
    pub network: NetworkPlan,
    /// What the nodes are asked to do.
    pub work: Work,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Length of the safety phase, ms.
    pub safety_ms: u64,
    /// Longest length of the liveness phase, ms.
    pub liveness_ms: u64,
}

/// How the network is when nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkPlan {
    /// How long messages take.
    pub latency: LatencyPlan,
    /// Messages lost, per million.
    pub loss_ppm: u32,
}

/// How long messages take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LatencyPlan {
    /// As measured between regions of the world.
    Internet,
    /// All the same, ms.
    FixedMs(u64),
}

/// What the nodes are asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Records are published and must reach everybody.
    Gossip(Gossip),
    /// An agent acts within its token, and beyond it.
    CapabilitySpread(CapabilitySpread),
    /// A mesh lives under its charter: telemetry, an amendment, cases, overrides.
    Charter(CharterLife),
    /// Members guard each other's items: requests, rotations, guardians who leave, strike and vanish, theft.
    Vault(VaultLife),
}

/// Records are published by members drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gossip {
    /// How many.
    pub broadcasts: u32,
    /// Time between two, ms.
    pub every_ms: u64,
}

/// An agent holds a token for a share of the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CapabilitySpread {
    /// The share its token allows, in 1/10,000.
    pub share_bp: u32,
    /// Targets of the act within the token.
    pub within: u32,
    /// Targets of the act beyond the token.
    pub beyond: u32,
}

/// A mesh under a charter, whose time runs faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CharterLife {
    /// Seats of the committee.
    pub seats: u32,
    /// Mesh seconds in a second.
    pub time_scale: u32,
    /// Guarded processes that hand something in each second.
    pub senders: u32,
    /// Of so many nodes one has no guard in the kernel.
    pub bare_every: u32,
    /// Emergency overrides.
    pub overrides: u32,
    /// Nodes that every third of them touches.
    pub wide: u32,
}

/// A mesh whose members guard items, and whose time runs so fast that six months pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct VaultLife {
    /// Seats of the committee.
    pub seats: u32,
    /// Mesh seconds in a second.
    pub time_scale: u32,
    /// Members who serve as guardians from the beginning.
    pub guardians: u32,
    /// How many of them leave, and how many others begin to serve then.
    pub leave: u32,
    /// How many are out of reach for a while, all at once.
    pub strike: u32,
    /// Items that are put.
    pub items: u32,
    /// Requests for items.
    pub requests: u32,
}

/// Something that goes wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The network falls into groups that cannot reach each other.
    Partition {
        /// How many groups.
        groups: u32,
        /// From when, ms.
        at_ms: u64,
        /// For how long, ms.
        for_ms: u64,
    },
    /// Nodes drawn at random lose power and start again later.
    Crash {
        /// How many nodes.
        nodes: u32,
        /// From when, ms.
        at_ms: u64,
        /// For how long, ms.
        for_ms: u64,
    },
    /// Every message takes longer.
    Lag {
        /// By how much, ms.
        by_ms: u64,
        /// From when, ms.
        at_ms: u64,
        /// For how long, ms.
        for_ms: u64,
    },
    /// The wall clocks of nodes drawn at random go wrong, half of them ahead and half behind.
    Clock {
        /// How many nodes.
        nodes: u32,
        /// By how much, ms.
        by_ms: u64,
        /// From when, ms.
        at_ms: u64,
        /// For how long, ms.
        for_ms: u64,
    },
    /// More messages than usual are lost.
    Loss {
        /// Lost per million.
        ppm: u32,
        /// From when, ms.
        at_ms: u64,
        /// For how long, ms.
        for_ms: u64,
    },
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    ///
    /// Returns what is wrong, where, and what is allowed.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        file::parse(text, None, None)
    }

    /// Reads a scenario file, with a node count or seed in place of the file's.
    ///
    /// # Errors
    ///
    /// As [`Scenario::parse`]; a node count out of range is reported at line 0.
    pub fn parse_with(
        text: &str,
        nodes: Option<u32>,
        seed: Option<u64>,
    ) -> Result<Self, ScenarioError> {
        file::parse(text, nodes, seed)
    }

    /// Returns the SHA-256 of the scenario as JSON, in hexadecimal: one for each checked scenario.
    ///
    /// # Panics
    ///
    /// Never: a scenario is plain data.
    pub fn hash(&self) -> String {
        let Ok(json) = serde_json::to_vec(self) else {
            unreachable!("plain data is representable in JSON")
        };
        Sha256::digest(json)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const PLAIN: &str = "\
name: plain
nodes: 100
seed: 7
work:
  gossip:
    broadcasts: 2
    every_ms: 100
safety_ms: 1000
liveness_ms: 1000
";

    #[test]
    fn the_shipped_scenarios_read_and_are_named_as_listed() {
        for (name, text) in LIBRARY {
            assert_eq!(Scenario::parse(text).unwrap().name, name);
        }
    }

    #[test]
    fn a_checked_scenario_written_as_json_reads_back_as_itself() {
        for (_, text) in LIBRARY {
            let scenario = Scenario::parse(text).unwrap();
            let json = serde_json::to_string(&scenario).unwrap();
            assert_eq!(Scenario::parse(&json), Ok(scenario));
        }
    }

    #[test]
    fn a_value_out_of_range_is_named_with_line_and_range() {
        let text = PLAIN.replace("broadcasts: 2", "broadcasts: 0");
        let error = Scenario::parse(&text).unwrap_err().to_string();
        assert_eq!(
            error,
            "line 6: work.gossip.broadcasts = 0 is out of range: 1 to 100000 are allowed"
        );
    }

    #[test]
    fn a_key_unknown_missing_or_doubled_is_named_with_its_line() {
        let cases = [
            (PLAIN.replace("seed: 7", "seed: 7\nsed: 8"), "sed", "line 4"),
            (
                PLAIN.replace("seed: 7\n", ""),
                "missing field `seed`",
                "line 8",
            ),
            (
                PLAIN.replace("seed: 7", "seed: 7\nseed: 8"),
                "seed",
                "line 4",
            ),
            (
                PLAIN.replace("nodes: 100", "nodes: many"),
                "nodes",
                "line 2",
            ),
        ];
        for (text, key, line) in cases {
            let error = Scenario::parse(&text).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains(line), "{error}");
        }
    }

    #[test]
    fn faults_must_end_with_the_safety_phase() {
        let text = format!("{PLAIN}faults:\n  - loss: {{ ppm: 10, at_ms: 900, for_ms: 101 }}\n");
        let error = Scenario::parse(&text).unwrap_err().to_string();
        assert!(error.starts_with("line 11: faults.for_ms = 101"), "{error}");
    }

    #[test]
    fn an_act_cannot_be_within_a_share_that_is_smaller() {
        let spread = "work:\n  capability_spread: { share_bp: 100, within: 10, beyond: 50 }\n";
        let from = PLAIN.find("work:").unwrap();
        let to = PLAIN.find("safety_ms").unwrap();
        let text = format!("{}{spread}{}", &PLAIN[..from], &PLAIN[to..]);
        let error = Scenario::parse(&text).unwrap_err().to_string();
        assert!(
            error.contains("within = 10") && error.contains("1 to 1"),
            "{error}"
        );
        let error = Scenario::parse_with(&text, Some(6_000), None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("beyond = 50") && error.contains("61 to 2000"),
            "{error}"
        );
    }

    #[test]
    fn nodes_and_seed_can_be_given_beside_the_file() {
        let scenario = Scenario::parse_with(PLAIN, Some(50), Some(9)).unwrap();
        assert_eq!((scenario.nodes, scenario.seed), (50, 9));
        let error = Scenario::parse_with(PLAIN, Some(1), None)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "line 0: nodes = 1 is out of range: 2 to 1000000 are allowed"
        );
    }

    #[test]
    fn the_hash_changes_with_the_seed() {
        let (a, b) = (
            Scenario::parse_with(PLAIN, None, Some(1)),
            Scenario::parse(PLAIN),
        );
        assert_ne!(a.unwrap().hash(), b.unwrap().hash());
    }
}
