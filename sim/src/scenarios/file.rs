//! The scenario file: YAML in, a checked [`Scenario`] or an error that names the place out.
//!
//! The raw form below accepts any number; checking gives each its range. Unknown keys, keys given
//! twice and values of the wrong sort are refused by the parser, with line and column. Raw and checked
//! form have the same shape, so a checked scenario written as JSON reads back as itself.

use serde::Deserialize;
use serde_saphyr::Spanned;
use x0_protocol::core::limits::{ACT_TARGETS_MAX, OVERRIDE_TARGETS_MAX};

use super::{
    CapabilitySpread, CharterLife, Fault, Gossip, LatencyPlan, NetworkPlan, Scenario, VaultLife,
    Work,
};

/// Most nodes of a run: what fits a machine with 24 GiB.
pub const NODES_MAX: u64 = 1_000_000;

/// Longest phase of a run, ms of virtual time: one day.
const PHASE_MS_MAX: u64 = 86_400_000;

/// What is wrong with a scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The file is no YAML of the right shape.
    #[error("the scenario does not read: {0}")]
    Unreadable(String),
    /// A value is out of its range.
    #[error("line {line}: {key} = {value} is out of range: {allowed}")]
    OutOfRange {
        /// The line of the file, from 1; 0 for a value given beside the file.
        line: u64,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScenario {
    name: Spanned<String>,
    nodes: Spanned<u64>,
    seed: u64,
    #[serde(default)]
    network: RawNetwork,
    work: RawWork,
    #[serde(default)]
    faults: Vec<RawFault>,
    safety_ms: Spanned<u64>,
    liveness_ms: Spanned<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawNetwork {
    latency: RawLatency,
    loss_ppm: Option<Spanned<u64>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum RawLatency {
    #[default]
    Internet,
    FixedMs(Spanned<u64>),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawWork {
    Gossip(RawGossip),
    CapabilitySpread(RawCapabilitySpread),
    Charter(RawCharterLife),
    Vault(RawVaultLife),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGossip {
    broadcasts: Spanned<u64>,
    every_ms: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCapabilitySpread {
    share_bp: Spanned<u64>,
    within: Spanned<u64>,
    beyond: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCharterLife {
    seats: Spanned<u64>,
    time_scale: Spanned<u64>,
    senders: Spanned<u64>,
    bare_every: Spanned<u64>,
    overrides: Spanned<u64>,
    wide: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVaultLife {
    seats: Spanned<u64>,
    time_scale: Spanned<u64>,
    guardians: Spanned<u64>,
    leave: Spanned<u64>,
    strike: Spanned<u64>,
    items: Spanned<u64>,
    requests: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawFault {
    Partition(RawPartition),
    Crash(RawCrash),
    Loss(RawLoss),
    Lag(RawLag),
    Clock(RawClock),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPartition {
    groups: Spanned<u64>,
    at_ms: Spanned<u64>,
    for_ms: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCrash {
    nodes: Spanned<u64>,
    at_ms: Spanned<u64>,
    for_ms: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLoss {
    ppm: Spanned<u64>,
    at_ms: Spanned<u64>,
    for_ms: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLag {
    by_ms: Spanned<u64>,
    at_ms: Spanned<u64>,
    for_ms: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClock {
    nodes: Spanned<u64>,
    by_ms: Spanned<u64>,
    at_ms: Spanned<u64>,
    for_ms: Spanned<u64>,
}

/// Reads and checks a scenario; a node count or seed given beside the file takes the file's place.
///
/// # Errors
///
/// Returns what is wrong, where, and what is allowed.
pub(super) fn parse(
    text: &str,
    nodes: Option<u32>,
    seed: Option<u64>,
) -> Result<Scenario, ScenarioError> {
    let mut raw: RawScenario = serde_saphyr::from_str(text)
        .map_err(|error| ScenarioError::Unreadable(error.to_string()))?;
    if let Some(nodes) = nodes {
        raw.nodes = Spanned::new(
            u64::from(nodes),
            serde_saphyr::Location::UNKNOWN,
            serde_saphyr::Location::UNKNOWN,
        );
    }
    let nodes = count("nodes", &raw.nodes, 2, NODES_MAX)?;
    let safety_ms = within("safety_ms", &raw.safety_ms, 1, PHASE_MS_MAX, "ms")?;
    Ok(Scenario {
        name: name(raw.name)?,
        nodes,
        seed: seed.unwrap_or(raw.seed),
        network: network(raw.network)?,
        work: work(raw.work, nodes, (&raw.safety_ms, safety_ms))?,
        faults: raw
            .faults
            .into_iter()
            .map(|raw| fault(raw, nodes, safety_ms))
            .collect::<Result<_, _>>()?,
        safety_ms,
        liveness_ms: within("liveness_ms", &raw.liveness_ms, 1, PHASE_MS_MAX, "ms")?,
    })
}

fn name(raw: Spanned<String>) -> Result<String, ScenarioError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if raw.value.is_empty() || raw.value.len() > 60 || !raw.value.chars().all(is_plain) {
        return Err(ScenarioError::OutOfRange {
            line: raw.referenced.line(),
            key: "name",
            value: format!("{:?}", raw.value),
            allowed: "1 to 60 of a-z, 0-9 and '-' are allowed".to_owned(),
        });
    }
    Ok(raw.value)
}

fn network(raw: RawNetwork) -> Result<NetworkPlan, ScenarioError> {
    let latency = match raw.latency {
        RawLatency::Internet => LatencyPlan::Internet,
        RawLatency::FixedMs(ms) => {
            LatencyPlan::FixedMs(within("network.latency.fixed_ms", &ms, 1, 60_000, "ms")?)
        }
    };
    let loss_ppm = match raw.loss_ppm {
        Some(ppm) => loss("network.loss_ppm", &ppm)?,
        None => 0,
    };
    Ok(NetworkPlan { latency, loss_ppm })
}

fn work(raw: RawWork, nodes: u32, safety: (&Spanned<u64>, u64)) -> Result<Work, ScenarioError> {
    match raw {
        RawWork::Gossip(raw) => Ok(Work::Gossip(Gossip {
            broadcasts: count("work.gossip.broadcasts", &raw.broadcasts, 1, 100_000)?,
            every_ms: within("work.gossip.every_ms", &raw.every_ms, 1, PHASE_MS_MAX, "ms")?,
        })),
        RawWork::CapabilitySpread(raw) => {
            let share_bp = count("work.capability_spread.share_bp", &raw.share_bp, 1, 1_000)?;
            let allowed = u64::from(nodes) * u64::from(share_bp) / 10_000;
            let others = u64::from(nodes - 1).min(ACT_TARGETS_MAX as u64);
            let (within, beyond) = (raw.within, raw.beyond);
            Ok(Work::CapabilitySpread(CapabilitySpread {
                share_bp,
                within: count("work.capability_spread.within", &within, 1, allowed)?,
                beyond: count(
                    "work.capability_spread.beyond",
                    &beyond,
                    allowed + 1,
                    others,
                )?,
            }))
        }
        RawWork::Charter(raw) => charter_life(&raw, nodes).map(Work::Charter),
        RawWork::Vault(raw) => vault_life(&raw, nodes, safety).map(Work::Vault),
    }
}

/// A committee of 4 to 31 seats; what a case needs takes 72 hours of mesh time and an override's notice one, so that slower
/// meshes would run for long and faster ones let every override lapse.
fn charter_life(raw: &RawCharterLife, nodes: u32) -> Result<CharterLife, ScenarioError> {
    let most = u64::from(nodes);
    let seats = count("work.charter.seats", &raw.seats, 4, 31)?;
    let cast = u64::from(seats) + u64::from(CharterLife::CAST);
    if most < cast {
        return Err(ScenarioError::OutOfRange {
            line: raw.seats.referenced.line(),
            key: "nodes",
            value: nodes.to_string(),
            allowed: format!("{cast} to {NODES_MAX} are allowed with {seats} seats"),
        });
    }
    Ok(CharterLife {
        seats,
        time_scale: count("work.charter.time_scale", &raw.time_scale, 60, 1_000)?,
        senders: count("work.charter.senders", &raw.senders, 1, 100_000)?,
        bare_every: count("work.charter.bare_every", &raw.bare_every, 2, 1_000_000)?,
        overrides: count("work.charter.overrides", &raw.overrides, 1, 64)?,
        wide: count(
            "work.charter.wide",
            &raw.wide,
            1,
            OVERRIDE_TARGETS_MAX as u64,
        )?,
    })
}

/// A committee of 4 to 31 seats, and time so fast that six months pass in the safety phase, but not so fast that a
/// rotation of three days has no time.
fn vault_life(
    raw: &RawVaultLife,
    nodes: u32,
    (raw_safety, safety_ms): (&Spanned<u64>, u64),
) -> Result<VaultLife, ScenarioError> {
    let seats = count("work.vault.seats", &raw.seats, 4, 31)?;
    let others = u64::from(nodes.saturating_sub(seats));
    let guardians = count("work.vault.guardians", &raw.guardians, 10, others / 2)?;
    let most = u64::from(guardians) / 2;
    let life = VaultLife {
        seats,
        time_scale: count("work.vault.time_scale", &raw.time_scale, 1_000, 14_000)?,
        guardians,
        leave: count("work.vault.leave", &raw.leave, 1, most)?,
        strike: count("work.vault.strike", &raw.strike, 1, most)?,
        items: count("work.vault.items", &raw.items, 1, 1_000)?,
        requests: count("work.vault.requests", &raw.requests, 2, 64)?,
    };
    match safety_ms >= life.least_ms() {
        true => Ok(life),
        false => Err(ScenarioError::OutOfRange {
            line: raw_safety.referenced.line(),
            key: "safety_ms",
            value: safety_ms.to_string(),
            allowed: format!(
                "{} ms or more are allowed at this time_scale: six months pass in it",
                life.least_ms()
            ),
        }),
    }
}

fn fault(raw: RawFault, nodes: u32, safety_ms: u64) -> Result<Fault, ScenarioError> {
    let span = |at: &Spanned<u64>, lasts: &Spanned<u64>| {
        let at_ms = within("faults.at_ms", at, 0, safety_ms - 1, "ms, before safety_ms")?;
        let left = safety_ms - at_ms;
        let for_ms = within(
            "faults.for_ms",
            lasts,
            1,
            left,
            "ms, so that it ends with safety_ms",
        )?;
        Ok((at_ms, for_ms))
    };
    Ok(match raw {
        RawFault::Partition(raw) => {
            let (at_ms, for_ms) = span(&raw.at_ms, &raw.for_ms)?;
            let groups = count("faults.partition.groups", &raw.groups, 2, u64::from(nodes))?;
            Fault::Partition {
                groups,
                at_ms,
                for_ms,
            }
        }
        RawFault::Crash(raw) => {
            let (at_ms, for_ms) = span(&raw.at_ms, &raw.for_ms)?;
            let crashed = count("faults.crash.nodes", &raw.nodes, 1, u64::from(nodes))?;
            Fault::Crash {
                nodes: crashed,
                at_ms,
                for_ms,
            }
        }
        RawFault::Lag(raw) => {
            let (at_ms, for_ms) = span(&raw.at_ms, &raw.for_ms)?;
            Fault::Lag {
                by_ms: within("faults.lag.by_ms", &raw.by_ms, 1, 60_000, "ms")?,
                at_ms,
                for_ms,
            }
        }
        RawFault::Clock(raw) => {
            let (at_ms, for_ms) = span(&raw.at_ms, &raw.for_ms)?;
            Fault::Clock {
                nodes: count("faults.clock.nodes", &raw.nodes, 1, u64::from(nodes))?,
                by_ms: within("faults.clock.by_ms", &raw.by_ms, 1, 3_600_000, "ms")?,
                at_ms,
                for_ms,
            }
        }
        RawFault::Loss(raw) => {
            let (at_ms, for_ms) = span(&raw.at_ms, &raw.for_ms)?;
            Fault::Loss {
                ppm: loss("faults.loss.ppm", &raw.ppm)?,
                at_ms,
                for_ms,
            }
        }
    })
}

fn loss(key: &'static str, raw: &Spanned<u64>) -> Result<u32, ScenarioError> {
    // At most a million, which 32 bits hold.
    within(key, raw, 0, 1_000_000, "parts per million").map(|ppm| ppm as u32)
}

fn count(key: &'static str, raw: &Spanned<u64>, min: u64, max: u64) -> Result<u32, ScenarioError> {
    let value = within(key, raw, min, max.min(u64::from(u32::MAX)), "")?;
    // Within 32 bits by the line above.
    Ok(value as u32)
}

fn within(
    key: &'static str,
    raw: &Spanned<u64>,
    min: u64,
    max: u64,
    unit: &str,
) -> Result<u64, ScenarioError> {
    if (min..=max).contains(&raw.value) {
        return Ok(raw.value);
    }
    let gap = if unit.is_empty() { "" } else { " " };
    Err(ScenarioError::OutOfRange {
        line: raw.referenced.line(),
        key,
        value: raw.value.to_string(),
        allowed: if min > max {
            format!("no value fits {max} nodes; give the run more nodes")
        } else {
            format!("{min} to {max}{gap}{unit} are allowed")
        },
    })
}
