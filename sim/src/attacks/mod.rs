//! Attacks on a simulated mesh: what somebody hostile tries, and what honest nodes make of it.
//!
//! Each attack is one file and one [`Attack`]. Whoever attacks drives its own nodes as it likes and says anything over
//! their keys. Honest nodes run the protocol's own code and nothing else: no rule is repeated here, and what an attack
//! reports is what honest nodes did. An outcome holds when every claim of it holds; a breach is a claim that does not.
//!
//! There are three grounds to attack on, and each attack says which it uses:
//!
//! - the *world* (`stage`): whole peers in virtual time, with network, disks and the committee's log;
//! - the *chamber* (`chamber`): the committee's state alone, with real keys and signatures, fed block by block. It is
//!   what every seat computes from the log, and quick enough for thousands of draws;
//! - the detector and the halt, fed with acts that no peer wrote (`false_alarms`).

mod beacon_withholding;
mod benign_load;
mod chamber;
mod clock_lies;
mod collusion;
mod double_voting;
mod drill;
mod eclipse;
mod equivocation;
mod false_alarms;
mod false_reports;
mod false_tally;
mod first_spy;
mod forgery;
mod grinding;
mod halt_spread;
mod hidden_override;
mod jury_capture;
mod left_out_ballots;
mod log_split;
mod outcome;
mod override_flood;
mod packed_case;
mod plot;
mod replay;
mod report;
mod rogue_agent;
mod rollback;
mod silent_committee;
mod slicing;
mod stage;
mod statistics;
mod stroke;
mod sybil;

use std::fmt;

pub use self::{
    drill::{Drill, Step, run_all},
    outcome::{Claim, Measure, Outcome, Plot, Point, Series},
    report::Written,
};
use crate::random::Seed;

/// Every attack there is, in the order of the report.
pub const LIBRARY: [&dyn Attack; 26] = [
    &rogue_agent::RogueAgent,
    &slicing::Slicing,
    &collusion::Collusion,
    &grinding::Grinding,
    &sybil::Sybil,
    &replay::Replay,
    &equivocation::Equivocation,
    &forgery::Forgery,
    &eclipse::Eclipse,
    &silent_committee::SilentCommittee,
    &beacon_withholding::BeaconWithholding,
    &clock_lies::ClockLies,
    &rollback::Rollback,
    &false_alarms::FalseAlarms,
    &benign_load::BenignLoad,
    &halt_spread::HaltSpread,
    &false_tally::FalseTally,
    &left_out_ballots::LeftOutBallots,
    &double_voting::DoubleVoting,
    &jury_capture::JuryCapture,
    &packed_case::PackedCase,
    &false_reports::FalseReports,
    &hidden_override::HiddenOverride,
    &override_flood::OverrideFlood,
    &log_split::LogSplit,
    &first_spy::FirstSpy,
];

/// Fewest nodes of an attack: one per cent of them is a node.
pub const NODES_MIN: u32 = 100;
/// Most nodes of an attack: a thousand acts have to name every tenth of them one by one.
pub const NODES_MAX: u32 = 100_000;
/// Most repetitions of an attack.
pub const RUNS_MAX: u32 = 1_000;
/// Fewest and most draws of one repetition.
pub const DRAWS_MIN: u32 = 12;
/// See [`DRAWS_MIN`].
pub const DRAWS_MAX: u32 = 100_000;

/// Most hours of usual work in one repetition.
pub const HOURS_MAX: u32 = 10_000;

/// One attack.
pub trait Attack: Sync {
    /// Returns its name, as it is written on a command line.
    fn name(&self) -> &'static str;

    /// Returns in one sentence what the attacker does.
    fn summary(&self) -> &'static str;

    /// Returns in one sentence what is to come of it.
    fn expected(&self) -> &'static str;

    /// Carries it out and reports what honest nodes did; tells `pulse` the share that is done, from 0 to 1.
    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome;
}

/// Finds an attack by its name.
pub fn find(name: &str) -> Option<&'static dyn Attack> {
    LIBRARY.into_iter().find(|attack| attack.name() == name)
}

/// How an attack is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Config {
    /// Nodes of the mesh.
    pub nodes: u32,
    /// Hostile nodes, per million.
    pub adversary_ppm: u32,
    /// Repetitions, each with a seed of its own.
    pub runs: u32,
    /// Draws in each repetition, in attacks that are about draws: of co-signers, of juries, of sets of observers.
    pub draws: u32,
    /// Hours of usual work in each repetition, in the attack that is about them.
    pub hours: u32,
    /// What chance hangs on; the same seed gives the same figures.
    pub seed: u64,
}

/// A configuration out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} = {value} is out of range: {min} to {max} are allowed")]
pub struct BadConfig {
    what: &'static str,
    value: u64,
    min: u32,
    max: u32,
}

impl Config {
    /// Checks what was asked for.
    ///
    /// # Errors
    ///
    /// Returns the value that is out of range, and the range.
    pub fn checked(self) -> Result<Self, BadConfig> {
        let ranges = [
            ("nodes", self.nodes, NODES_MIN, NODES_MAX),
            ("adversary (per million)", self.adversary_ppm, 0, 450_000),
            ("runs", self.runs, 1, RUNS_MAX),
            ("draws", self.draws, DRAWS_MIN, DRAWS_MAX),
            ("hours", self.hours, 1, HOURS_MAX),
        ];
        for (what, value, min, max) in ranges {
            if !(min..=max).contains(&value) {
                let value = u64::from(value);
                return Err(BadConfig {
                    what,
                    value,
                    min,
                    max,
                });
            }
        }
        Ok(self)
    }

    /// Returns how many of so many nodes are hostile, at least one.
    fn hostile_of(&self, nodes: u32) -> u32 {
        // At most 450,000 parts of a million of a number of 32 bits.
        ((u64::from(nodes) * u64::from(self.adversary_ppm) / 1_000_000) as u32).max(1)
    }

    /// Carries out one repetition after the other, each with its seed. A repetition may tell how far it is, from 0 to 1;
    /// `pulse` is told how far all are.
    fn repeat(&self, pulse: &dyn Fn(f64), mut once: impl FnMut(Seed, &dyn Fn(f64))) {
        let runs = f64::from(self.runs);
        for (done, seed) in self.seeds().enumerate() {
            once(seed, &|share| pulse((done as f64 + share) / runs));
            pulse((done + 1) as f64 / runs);
        }
    }

    /// Returns the seeds of the repetitions.
    fn seeds(&self) -> impl ExactSizeIterator<Item = Seed> {
        let first = self.seed;
        (0..self.runs).map(move |run| Seed(first.wrapping_add(u64::from(run))))
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            nodes,
            adversary_ppm,
            runs,
            draws,
            hours,
            seed,
        } = self;
        let percent = f64::from(*adversary_ppm) / 1e4;
        write!(
            f,
            "{nodes} nodes, {percent} % hostile, {runs} runs of {draws} draws or {hours} hours, seed {seed}"
        )
    }
}
