//! `x0 sim`: meshes of many nodes in virtual time, with a bar that shows how far a run is.

use std::{fs, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use x0_sim::{
    Phase, Progress, Replay, Report, RunOptions, Scenario, ScenarioError, SimError,
    scenarios::LIBRARY,
};

use super::{
    error::CliError,
    output::{Output, Table},
    sim_attack::{self, AttackArgs},
};

/// Steps of the bar.
const STEPS: u64 = 1_000;
/// How often the bar is drawn, times a second.
const DRAWN_HZ: u8 = 10;

#[derive(Debug, Subcommand)]
pub(super) enum SimCommand {
    Run(RunArgs),
    Replay(ReplayArgs),
    Attack(AttackArgs),
    /// List the scenarios that come with the program
    #[command(after_help = "Example:\n  x0 sim list")]
    List,
}

/// Run a scenario and report what came of it
#[derive(Debug, Args)]
#[command(
    after_help = "Ends with exit code 1 if something was not as it should be. The same scenario and seed give the\n\
                  same digest, on any number of threads.\n\n\
                  Example:\n  x0 sim run gossip --nodes 1000 --seed 7 --out report"
)]
pub(super) struct RunArgs {
    /// A scenario's file, or the name of one that comes with the program
    #[arg(value_name = "FILE|NAME")]
    scenario: String,
    /// Nodes, in place of those of the scenario
    #[arg(long)]
    nodes: Option<u32>,
    /// Seed, in place of that of the scenario
    #[arg(long)]
    seed: Option<u64>,
    /// Threads the nodes are divided among
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Run again with another number of threads and compare the digests
    #[arg(long)]
    twice: bool,
    /// Write report.json and report.txt into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Run a reported run again and compare the digests
#[derive(Debug, Args)]
#[command(
    after_help = "Ends with exit code 1 if the digests differ.\n\nExample:\n  x0 sim replay report/report.json"
)]
pub(super) struct ReplayArgs {
    /// The report.json of an earlier run
    report: PathBuf,
    /// Threads the nodes are divided among
    #[arg(long, default_value_t = 1)]
    threads: u32,
}

/// Answers a command about simulations.
pub(super) fn answer(command: SimCommand, output: Output) -> Result<(), CliError> {
    match command {
        SimCommand::Run(args) => {
            faster();
            run(&args, output)
        }
        SimCommand::Replay(args) => {
            faster();
            replay(&args, output)
        }
        SimCommand::Attack(args) => {
            faster();
            sim_attack::answer(&args, output)
        }
        SimCommand::List => list(output),
    }
}

/// Puts the simulation's memory into huge pages.
fn faster() {
    if let Err(cause) = x0_sim::take_huge_pages() {
        tracing::debug!(%cause, "the run is slower without huge pages");
    }
}

fn run(args: &RunArgs, output: Output) -> Result<(), CliError> {
    let text = text(&args.scenario)?;
    let scenario = Scenario::parse_with(&text, args.nodes, args.seed)
        .map_err(|fault| bad_scenario(&args.scenario, &fault))?;
    let options = RunOptions {
        threads: args.threads,
        twice: args.twice,
    };
    let bar = Bar::new(output);
    let report =
        x0_sim::run(&scenario, options, &mut |progress| bar.show(progress)).map_err(failed)?;
    bar.end();
    if let Some(directory) = &args.out {
        let [json, text] = report.write_to(directory).map_err(failed)?;
        output.note(&format!("wrote {} and {}", json.display(), text.display()));
    }
    output.show(&report, Report::to_string)?;
    verdict(report.passed)
}

fn replay(args: &ReplayArgs, output: Output) -> Result<(), CliError> {
    let path = args.report.display();
    let text = fs::read_to_string(&args.report).map_err(|cause| {
        CliError::Usage(format!(
            "{path} cannot be read ({cause}): give the report.json of a run"
        ))
    })?;
    let options = RunOptions {
        threads: args.threads,
        twice: false,
    };
    let bar = Bar::new(output);
    let replay =
        x0_sim::replay(&text, options, &mut |progress| bar.show(progress)).map_err(failed)?;
    bar.end();
    output.show(&replay, replay_text)?;
    verdict(replay.same)
}

fn replay_text(replay: &Replay) -> String {
    let Replay {
        same,
        before,
        before_version,
        report,
    } = replay;
    let verdict = if *same {
        "THE SAME: the digests agree"
    } else {
        "DIFFERENT: the digests do not agree"
    };
    format!(
        "{verdict}\nbefore  {before} (x0 {before_version})\nnow     {} (x0 {})\n\n{report}",
        report.digest, report.version
    )
}

fn verdict(is_good: bool) -> Result<(), CliError> {
    if is_good { Ok(()) } else { Err(CliError::Said) }
}

fn list(output: Output) -> Result<(), CliError> {
    let mut scenarios = Vec::new();
    for (name, text) in LIBRARY {
        let scenario = Scenario::parse(text).map_err(|fault| bad_scenario(name, &fault))?;
        scenarios.push(json!({ "name": name, "nodes": scenario.nodes, "seed": scenario.seed, "about": about(text) }));
    }
    output.show(&scenarios, |scenarios| {
        let mut table = Table::new(["scenario", "nodes", "about"]);
        for scenario in scenarios {
            let field = |name: &str| scenario[name].as_str().unwrap_or_default().to_owned();
            table.row([field("name"), scenario["nodes"].to_string(), field("about")]);
        }
        table.text()
    })
}

/// Takes what a scenario says about itself in its first lines.
fn about(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix('#'));
    let words: Vec<_> = lines.map(str::trim).collect();
    words.join(" ")
}

/// Finds a scenario: a file, or one that comes with the program.
fn text(scenario: &str) -> Result<String, CliError> {
    if let Some((_, text)) = LIBRARY.into_iter().find(|(name, _)| *name == scenario) {
        return Ok(text.to_owned());
    }
    fs::read_to_string(scenario).map_err(|cause| {
        let known = LIBRARY.map(|(name, _)| name).join(", ");
        CliError::Usage(format!(
            "{scenario} is no scenario that comes with the program ({known}) and cannot be read as a file ({cause})"
        ))
    })
}

fn bad_scenario(name: &str, fault: &ScenarioError) -> CliError {
    CliError::Usage(format!("the scenario {name} does not do: {fault}"))
}

fn failed(error: SimError) -> CliError {
    match error {
        SimError::Scenario(_) | SimError::Threads { .. } | SimError::Report { .. } => {
            CliError::Usage(error.to_string())
        }
        SimError::Write { .. } => CliError::Failed(error.to_string()),
    }
}

/// Shows on standard error how far a run is, if a person watches.
struct Bar(ProgressBar);

impl Bar {
    fn new(output: Output) -> Self {
        let target = if output.is_watched() {
            ProgressDrawTarget::stderr_with_hz(DRAWN_HZ)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let style = ProgressStyle::with_template("{msg:9} [{bar:32}] {prefix}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    fn show(&self, progress: Progress) {
        let name = match progress.phase {
            Phase::Founding => "founding",
            Phase::Safety => "working",
            Phase::Liveness => "healing",
        };
        let done = progress
            .virtual_ms
            .saturating_mul(STEPS)
            .checked_div(progress.virtual_ms_max);
        let rate = rate(progress.events, progress.wall);
        let virtual_s = progress.virtual_ms / 1_000;
        self.0.set_position(done.unwrap_or(0).min(STEPS));
        self.0.set_message(name);
        self.0.set_prefix(format!(
            "{virtual_s} s of virtual time, {} events{rate}",
            progress.events
        ));
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn rate(events: u64, wall: Duration) -> String {
    match events.checked_div(wall.as_secs()) {
        Some(rate) if events > 0 => format!(", {rate} a second"),
        Some(_) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn an_unknown_scenario_names_those_there_are() {
        let error = text("gosip").unwrap_err().to_string();

        assert!(
            error.contains("gossip") && error.contains("capability-spread"),
            "{error}"
        );
    }
}
