//! What came of a run: as text for people, as JSON for programs and for `replay`.
//!
//! Figures of virtual time and the digest are the same in every run of the scenario; figures of real
//! time and memory are those of this run on this machine.

use std::{
    fmt::{self, Write as _},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    SimError, digest::RunDigest, histogram::Histogram, properties::Finding, scenarios::Scenario,
    time::Span, world::World,
};

/// The form of the JSON report.
const FORMAT: u32 = 1;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The form of the report.
    pub format: u32,
    /// The version of the simulator.
    pub version: String,
    /// The scenario, complete: it runs again from here.
    pub scenario: Value,
    /// Its name.
    pub name: String,
    /// SHA-256 of the scenario.
    pub scenario_hash: String,
    /// The seed.
    pub seed: u64,
    /// Nodes.
    pub nodes: u32,
    /// Digest over all events.
    pub digest: RunDigest,
    /// Whether everything was as it should be.
    pub passed: bool,
    /// What should have been so, and whether it was.
    pub findings: Vec<Finding>,
    /// Virtual time of the run, ms.
    pub virtual_ms: u64,
    /// Virtual time from healing to convergence, ms; none if it did not converge.
    pub converged_ms: Option<u64>,
    /// What happened, in numbers.
    pub traffic: Traffic,
    /// Time from publication to acceptance at a node, ms.
    pub delivery_ms: Quantiles,
    /// Virtual processor time of a node over the run, ms.
    pub cpu_ms_per_node: Quantiles,
    /// Acts refused: why, and at how many nodes.
    pub refusals: Vec<Counted>,
    /// Records and peers turned away: why, and how often.
    pub rejections: Vec<Counted>,
    /// What the run cost this machine.
    pub cost: Cost,
}

/// What happened, in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Gossip messages published.
    pub messages: u64,
    /// Copies of them that arrived.
    pub copies: u64,
    /// Copies per first copy.
    pub redundancy: f64,
    /// Smallest share of the nodes that accepted a message from gossip; catch-up brings the rest.
    pub reach_min: f64,
    /// Share of the nodes that accepted a message from gossip, in the mean.
    pub reach_mean: f64,
    /// Advertisements of lazy repair that met a node lacking the message when it was sent.
    pub adverts: u64,
    /// Messages asked for after an advertisement.
    pub wants: u64,
    /// Requests from peer to peer.
    pub requests: u64,
    /// Catch-ups completed.
    pub catch_ups: u64,
    /// Nodes that lost power, counted each time.
    pub crashes: u64,
    /// Gossip messages that a node did not let travel on.
    pub not_accepted: u64,
    /// Forks of an author's chain found, counted at each node.
    pub forks: u64,
}

/// Quantiles of something.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// 90 of 100 are at most this.
    pub p90: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

/// A reason and how often it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The reason.
    pub why: String,
    /// How often.
    pub count: u64,
}

/// What a run cost this machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Threads used.
    pub threads: u32,
    /// Events.
    pub events: u64,
    /// Real time, s.
    pub wall_s: f64,
    /// Of which making keys and starting nodes, s.
    pub founding_s: f64,
    /// Events per second after founding.
    pub events_per_s: f64,
    /// Nanoseconds per event after founding.
    pub ns_per_event: f64,
    /// Memory the run took, divided by the nodes, bytes.
    pub bytes_per_node: u64,
    /// Most memory the process ever held, bytes.
    pub resident_bytes_peak: u64,
}

/// What was measured around a run.
pub(crate) struct Measured {
    pub(crate) founding: Duration,
    pub(crate) wall: Duration,
    pub(crate) converged: Option<Span>,
    pub(crate) resident_bytes: u64,
    pub(crate) resident_bytes_peak: u64,
    pub(crate) threads: u32,
}

impl Report {
    /// Draws up the report of a finished run.
    pub(crate) fn new(
        scenario: &Scenario,
        world: &World,
        findings: Vec<Finding>,
        measured: Measured,
    ) -> Self {
        let tally = world.tally();
        let nodes = scenario.nodes;
        let shares = || {
            tally
                .reached
                .iter()
                .map(|n| f64::from(*n) / f64::from(nodes))
        };
        let running = measured
            .wall
            .saturating_sub(measured.founding)
            .as_secs_f64()
            .max(1e-9);
        let events = tally.events as f64;
        let mut refusals = std::collections::BTreeMap::<String, u64>::new();
        for (_, _, why) in world.refused() {
            *refusals.entry(why).or_default() += 1;
        }
        let mut report = Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: serde_json::to_value(scenario).unwrap_or(Value::Null),
            name: scenario.name.clone(),
            scenario_hash: scenario.hash(),
            seed: scenario.seed,
            nodes,
            digest: world.digest(),
            passed: findings.iter().all(|finding| finding.holds),
            findings,
            virtual_ms: world.now().0 / 1_000,
            converged_ms: measured.converged.map(Span::as_millis),
            traffic: Traffic {
                messages: tally.messages,
                copies: tally.copies,
                redundancy: tally.copies as f64 / (tally.first_copies as f64).max(1.0),
                reach_min: shares().fold(1.0, f64::min),
                reach_mean: shares().sum::<f64>() / (tally.reached.len() as f64).max(1.0),
                adverts: tally.adverts,
                wants: tally.wants,
                requests: tally.requests,
                catch_ups: tally.caught_up,
                crashes: tally.crashes,
                not_accepted: tally.not_accepted,
                forks: tally.forks,
            },
            delivery_ms: Quantiles::of_micros(&tally.delivery),
            cpu_ms_per_node: Quantiles::of_micros(&tally.cpu),
            refusals: counted(refusals),
            rejections: counted(world.rejected()),
            cost: Cost {
                threads: measured.threads,
                events: tally.events,
                wall_s: measured.wall.as_secs_f64(),
                founding_s: measured.founding.as_secs_f64(),
                events_per_s: events / running,
                ns_per_event: running * 1e9 / events.max(1.0),
                bytes_per_node: measured.resident_bytes / u64::from(nodes),
                resident_bytes_peak: measured.resident_bytes_peak,
            },
        };
        if measured.converged.is_none() {
            report.passed = false;
        }
        report
    }

    /// Adds something that was found after the run.
    pub(crate) fn add(&mut self, finding: Finding) {
        self.passed &= finding.holds;
        self.findings.push(finding);
    }

    /// Reads a report from its JSON.
    ///
    /// # Errors
    ///
    /// Returns [`SimError::Report`] if it is no report of this form.
    pub fn from_json(json: &str) -> Result<Self, SimError> {
        let report: Self = serde_json::from_str(json).map_err(|error| SimError::Report {
            why: error.to_string(),
        })?;
        if report.format != FORMAT {
            let why = format!(
                "it has form {}, this version reads form {FORMAT}",
                report.format
            );
            return Err(SimError::Report { why });
        }
        Ok(report)
    }

    /// Returns the report as JSON.
    ///
    /// # Panics
    ///
    /// Never: a report is plain data.
    pub fn to_json(&self) -> String {
        match serde_json::to_string_pretty(self) {
            Ok(json) => json,
            Err(error) => unreachable!("a report is plain data: {error}"),
        }
    }

    /// Writes `report.json` and `report.txt` into a directory, which is made if it is missing, and
    /// returns their paths.
    ///
    /// # Errors
    ///
    /// Returns [`SimError::Write`] with the path that could not be written.
    pub fn write_to(&self, directory: &Path) -> Result<[PathBuf; 2], SimError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| SimError::Write { path, source }
        };
        fs::create_dir_all(directory).map_err(failed(directory))?;
        let paths = ["report.json", "report.txt"].map(|name| directory.join(name));
        let [json, text] = &paths;
        fs::write(json, self.to_json() + "\n").map_err(failed(json))?;
        fs::write(text, self.to_string()).map_err(failed(text))?;
        Ok(paths)
    }
}

fn counted(counts: impl IntoIterator<Item = (String, u64)>) -> Vec<Counted> {
    counts
        .into_iter()
        .map(|(why, count)| Counted { why, count })
        .collect()
}

impl Quantiles {
    fn of_micros(histogram: &Histogram) -> Self {
        let ms = |micros: u64| micros as f64 / 1e3;
        Self {
            mean: ms(histogram.mean()),
            p50: ms(histogram.quantile(500)),
            p90: ms(histogram.quantile(900)),
            p99: ms(histogram.quantile(990)),
            max: ms(histogram.max()),
        }
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mean,
            p50,
            p90,
            p99,
            max,
        } = self;
        write!(
            f,
            "mean {mean:.1}  p50 {p50:.1}  p90 {p90:.1}  p99 {p99:.1}  max {max:.1}"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed { "passed" } else { "FAILED" };
        writeln!(
            f,
            "{} · {} nodes · seed {} · {verdict}",
            self.name, self.nodes, self.seed
        )?;
        writeln!(f, "scenario  {}", self.scenario_hash)?;
        writeln!(f, "digest    {}", self.digest)?;
        writeln!(f)?;
        for finding in &self.findings {
            let mark = if finding.holds { "holds " } else { "BROKEN" };
            let number = finding
                .property
                .map_or(String::new(), |n| format!("property {n}: "));
            writeln!(f, "{mark}  {number}{}", finding.name)?;
            writeln!(f, "        {}", finding.detail)?;
        }
        writeln!(f)?;
        let converged = match self.converged_ms {
            Some(ms) => format!("converged {:.1} s after healing", ms as f64 / 1e3),
            None => "did NOT converge".to_owned(),
        };
        writeln!(
            f,
            "virtual time  {:.1} s, {converged}",
            self.virtual_ms as f64 / 1e3
        )?;
        let Traffic {
            messages,
            copies,
            redundancy,
            reach_min,
            reach_mean,
            ..
        } = &self.traffic;
        writeln!(
            f,
            "gossip        {messages} messages, {copies} copies, {redundancy:.2} per node"
        )?;
        let percent = |share: f64| share * 100.0;
        writeln!(
            f,
            "reach         {:.3} % in the mean, {:.3} % at least",
            percent(*reach_mean),
            percent(*reach_min)
        )?;
        writeln!(f, "delivery ms   {}", self.delivery_ms)?;
        writeln!(f, "cpu ms/node   {}", self.cpu_ms_per_node)?;
        let Traffic {
            adverts,
            wants,
            requests,
            catch_ups,
            crashes,
            forks,
            ..
        } = &self.traffic;
        writeln!(
            f,
            "repair        {adverts} advertisements to nodes in need, {wants} asked"
        )?;
        writeln!(
            f,
            "peers         {requests} requests, {catch_ups} catch-ups, {crashes} crashes, {forks} forks"
        )?;
        for (title, list) in [
            ("refused", &self.refusals),
            ("turned away", &self.rejections),
        ] {
            for Counted { why, count } in list {
                writeln!(f, "{title:<13} {count} × {why}")?;
            }
        }
        writeln!(f)?;
        write!(f, "{}", self.cost)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        write!(
            line,
            "cost          {} events in {:.2} s on {} thread(s) (founding {:.2} s): {:.0} events/s, \
             {:.0} ns/event, {} bytes/node, peak {} MiB",
            self.events,
            self.wall_s,
            self.threads,
            self.founding_s,
            self.events_per_s,
            self.ns_per_event,
            self.bytes_per_node,
            self.resident_bytes_peak >> 20,
        )?;
        writeln!(f, "{line}")
    }
}
