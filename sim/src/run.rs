//! A run from beginning to end: the safety phase with its faults, then the liveness phase.

use std::time::{Duration, Instant};

use crate::{
    SimError,
    memory::{resident_bytes, resident_bytes_peak},
    properties::{self, Survival, same_digest},
    random::Ppm,
    report::{Measured, Report},
    scenarios::{Fault, Scenario, workload},
    time::{Span, Time},
    world::World,
};

/// Most threads a run may use.
const THREADS_MAX: u32 = 256;

/// Virtual time between two reports of progress.
const PROGRESS_EVERY: Span = Span::from_millis(100);

/// Virtual time between two looks whether everything has converged.
const LOOK_EVERY: Span = Span::from_secs(1);

/// How a run is carried out; none of it changes what happens in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// Threads the nodes are divided among, from 1.
    pub threads: u32,
    /// Whether to run again with another number of threads and compare the digests.
    pub twice: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            threads: 1,
            twice: false,
        }
    }
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Keys are made, nodes are started.
    Founding,
    /// The work is done while faults strike.
    Safety,
    /// Everything is healed and must converge.
    Liveness,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Virtual time so far, ms.
    pub virtual_ms: u64,
    /// Virtual time at the latest end of the run, ms.
    pub virtual_ms_max: u64,
    /// Events so far.
    pub events: u64,
    /// Real time so far.
    pub wall: Duration,
}

/// Runs a scenario.
///
/// # Errors
///
/// Returns [`SimError::Threads`] if the number of threads is out of range. A property that does not
/// hold is no error: the report tells.
pub fn run(
    scenario: &Scenario,
    options: RunOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, SimError> {
    if !(1..=THREADS_MAX).contains(&options.threads) {
        return Err(SimError::Threads {
            threads: options.threads,
            max: THREADS_MAX,
        });
    }
    let mut report = run_once(scenario, options.threads, progress);
    if options.twice {
        let other = if options.threads == 1 { 2 } else { 1 };
        let again = run_once(scenario, other, progress);
        let finding = same_digest((options.threads, report.digest), (other, again.digest));
        report.add(finding);
    }
    Ok(report)
}

fn run_once(scenario: &Scenario, threads: u32, progress: &mut dyn FnMut(Progress)) -> Report {
    let started = Instant::now();
    let resident_before = resident_bytes().unwrap_or(0);
    let safety_end = Time::START + Span::from_millis(scenario.safety_ms);
    let latest_end = safety_end + Span::from_millis(scenario.liveness_ms);
    let mut tell = |phase, world: Option<&World>| {
        progress(Progress {
            phase,
            virtual_ms: world.map_or(0, |world| world.now().0 / 1_000),
            virtual_ms_max: latest_end.0 / 1_000,
            events: world.map_or(0, World::events),
            wall: started.elapsed(),
        });
    };

    tell(Phase::Founding, None);
    let mut world = World::new(scenario, threads);
    let mut work = workload::prepare(scenario.work, &world);
    let mut agenda = Agenda::new(&scenario.faults);
    let founding = started.elapsed();

    while world.now() < safety_end {
        let due = [agenda.next(), work.next()].into_iter().flatten().min();
        let stop = due
            .unwrap_or(safety_end)
            .min(safety_end)
            .min(world.now() + PROGRESS_EVERY);
        world.run_until(stop);
        agenda.act(&mut world);
        while work
            .next()
            .is_some_and(|at| at <= world.now() && at < safety_end)
        {
            work.act(&mut world);
        }
        tell(Phase::Safety, Some(&world));
    }

    agenda.heal(&mut world);
    let mut survival = Survival::default();
    let mut converged = None;
    while converged.is_none() && world.now() < latest_end {
        survival.note(&world);
        let findings = work.findings(&world);
        if survival.is_complete(&world) && findings.iter().all(|finding| finding.holds) {
            converged = Some(world.now().since(safety_end));
            break;
        }
        let stop = (world.now() + LOOK_EVERY).min(latest_end);
        while world.now() < stop {
            world.run_until(stop.min(world.now() + PROGRESS_EVERY));
            tell(Phase::Liveness, Some(&world));
        }
    }
    survival.note(&world);

    let mut findings = work.findings(&world);
    findings.extend(properties::check(&world, &survival));
    let measured = Measured {
        founding,
        wall: started.elapsed(),
        converged,
        resident_bytes: resident_bytes()
            .unwrap_or(0)
            .saturating_sub(resident_before),
        resident_bytes_peak: resident_bytes_peak().unwrap_or(0),
        threads,
    };
    Report::new(scenario, &world, findings, measured)
}

/// What goes wrong, and when.
struct Agenda {
    /// In order of time; of one time, what ends comes before what begins.
    steps: Vec<(Time, Step)>,
    done: usize,
    /// Nodes taken down, by the number of the fault that did it.
    down: Vec<(usize, Vec<u32>)>,
    /// Nodes whose clocks are wrong, by the number of the fault that did it.
    wrong: Vec<(usize, Vec<u32>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    End(usize),
    Begin(usize, FaultStart),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum FaultStart {
    Partition(u32),
    Crash(u32),
    Loss(u32),
    Lag(u64),
    Clock(u32, u64),
}

impl Agenda {
    fn new(faults: &[Fault]) -> Self {
        let mut steps = Vec::new();
        for (number, fault) in faults.iter().enumerate() {
            let (start, at_ms, for_ms) = match *fault {
                Fault::Partition {
                    groups,
                    at_ms,
                    for_ms,
                } => (FaultStart::Partition(groups), at_ms, for_ms),
                Fault::Crash {
                    nodes,
                    at_ms,
                    for_ms,
                } => (FaultStart::Crash(nodes), at_ms, for_ms),
                Fault::Lag {
                    by_ms,
                    at_ms,
                    for_ms,
                } => (FaultStart::Lag(by_ms), at_ms, for_ms),
                Fault::Clock {
                    nodes,
                    by_ms,
                    at_ms,
                    for_ms,
                } => (FaultStart::Clock(nodes, by_ms), at_ms, for_ms),
                Fault::Loss { ppm, at_ms, for_ms } => (FaultStart::Loss(ppm), at_ms, for_ms),
            };
            let at = Time::START + Span::from_millis(at_ms);
            steps.push((at, Step::Begin(number, start)));
            steps.push((at + Span::from_millis(for_ms), Step::End(number)));
        }
        steps.sort_unstable();
        Self {
            steps,
            done: 0,
            down: Vec::new(),
            wrong: Vec::new(),
        }
    }

    fn next(&self) -> Option<Time> {
        self.steps.get(self.done).map(|(at, _)| *at)
    }

    /// Does what is due.
    fn act(&mut self, world: &mut World) {
        while let Some((at, step)) = self.steps.get(self.done).copied() {
            if at > world.now() {
                return;
            }
            self.done += 1;
            match step {
                Step::Begin(number, start) => self.begin(world, number, start),
                Step::End(number) => self.end(world, number),
            }
        }
    }

    fn begin(&mut self, world: &mut World, number: usize, start: FaultStart) {
        // A scenario lists far fewer faults than 2^32.
        let event = number as u32;
        match start {
            FaultStart::Partition(groups) => world.partition(groups, event),
            FaultStart::Loss(ppm) => world.lose(Ppm::new(ppm)),
            FaultStart::Lag(by_ms) => world.lag(Span::from_millis(by_ms)),
            FaultStart::Clock(nodes, by_ms) => {
                let drawn = world.draw_up(nodes, event);
                let (ahead, behind) = drawn.split_at(drawn.len() / 2);
                // An hour at most, by the check of the scenario.
                let by_ms = by_ms as i64;
                world.set_clocks(ahead, Some(by_ms));
                world.set_clocks(behind, Some(-by_ms));
                self.wrong.push((number, drawn));
            }
            FaultStart::Crash(nodes) => {
                let drawn = world.draw_up(nodes, event);
                drawn.iter().for_each(|node| world.crash(*node));
                self.down.push((number, drawn));
            }
        }
    }

    fn end(&mut self, world: &mut World, number: usize) {
        let begun = self.steps.iter().find_map(|(_, step)| match step {
            Step::Begin(of, start) if *of == number => Some(*start),
            Step::Begin(..) | Step::End(_) => None,
        });
        match begun {
            Some(FaultStart::Partition(_)) => world.join(),
            Some(FaultStart::Loss(_)) => world.lose(None),
            Some(FaultStart::Lag(_)) => world.lag(Span::default()),
            Some(FaultStart::Clock(..)) => {
                for (_, nodes) in self.wrong.extract_if(.., |(of, _)| *of == number) {
                    world.set_clocks(&nodes, None);
                }
            }
            Some(FaultStart::Crash(_)) => {
                for (_, nodes) in self.down.extract_if(.., |(of, _)| *of == number) {
                    nodes.iter().for_each(|node| world.restart(*node));
                }
            }
            None => {}
        }
    }

    /// Ends everything that is wrong.
    fn heal(&mut self, world: &mut World) {
        self.act(world);
        world.lose(None);
        world.lag(Span::default());
        for (_, nodes) in std::mem::take(&mut self.wrong) {
            world.set_clocks(&nodes, None);
        }
        world.join();
        for (_, nodes) in std::mem::take(&mut self.down) {
            nodes.iter().for_each(|node| world.restart(*node));
        }
    }
}
