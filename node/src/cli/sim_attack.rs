//! `x0 sim attack`: attacks on a simulated mesh, with what is expected of them and what came of it.

use std::{
    path::PathBuf,
    sync::Mutex,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use x0_sim::{
    SimError,
    attacks::{Attack, Config, Drill, LIBRARY, Outcome, Step, find, run_all},
};

use super::{
    error::CliError,
    output::{Output, Table, span},
};

/// Steps of the bar.
const STEPS: u64 = 1_000;
/// How often the bar is drawn, times a second.
const DRAWN_HZ: u8 = 4;
/// Most attacks side by side: each holds a mesh of its own in memory.
const THREADS_MAX: u32 = 16;

/// Attack a simulated mesh and report what honest nodes did
#[derive(Debug, Args)]
#[command(
    after_help = "Ends with exit code 1 if an outcome is not as expected. Outcomes are written as soon as they are there, \
                  so that what has ended is kept if you stop the rest. The same seed gives the same figures.\n\n\
                  Examples:\n  x0 sim attack list\n  x0 sim attack collusion --nodes 1000 --adversary 0.2\n  \
                  x0 sim attack all --nodes 10000 --out attacks"
)]
pub(super) struct AttackArgs {
    /// An attack's name, `all` of them, or `list` to see which there are
    #[arg(value_name = "NAME|all|list")]
    attack: String,
    /// Nodes of the mesh, 100 to 100,000
    #[arg(long, default_value_t = 1_000)]
    nodes: u32,
    /// Share of the nodes that is hostile, such as 0.33 or 33%, at most 0.45; collusion, grinding,
    /// halt-spread and benign-load go by it, the others say who is hostile themselves
    #[arg(long, default_value = "0.33", value_parser = share)]
    adversary: u32,
    /// Repetitions, each with a seed of its own
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Draws in each repetition, in attacks that are about draws: of co-signers, of juries, in first-spy of sets of observers
    #[arg(long, default_value_t = 300)]
    draws: u32,
    /// Hours of usual work in each repetition, in benign-load; three repetitions of 334 make more than 1,000, in about an
    /// hour of processor time
    #[arg(long, default_value_t = 12)]
    hours: u32,
    /// Seed of the first repetition
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Attacks side by side
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=i64::from(THREADS_MAX)))]
    threads: u32,
    /// Write report.md, measures.csv, outcomes.json and pictures into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Answers the command.
pub(super) fn answer(args: &AttackArgs, output: Output) -> Result<(), CliError> {
    let one;
    let attacks: &[&'static dyn Attack] = match args.attack.as_str() {
        "list" => return list(output),
        "all" => &LIBRARY,
        name => {
            one = [find(name).ok_or_else(|| unknown(name))?];
            &one
        }
    };
    let config = Config {
        nodes: args.nodes,
        adversary_ppm: args.adversary,
        runs: args.runs,
        draws: args.draws,
        hours: args.hours,
        seed: args.seed,
    };
    let config = config
        .checked()
        .map_err(|bad| CliError::Usage(bad.to_string()))?;
    let bar = Bar::new(output);
    let drill = Drill {
        attacks,
        config,
        threads: args.threads,
        out: args.out.as_deref(),
    };
    let outcomes = run_all(drill, &|step| bar.show(&step))
        .map_err(|error: SimError| CliError::Failed(error.to_string()))?;
    bar.end();
    if let Some(directory) = &args.out {
        output.note(&format!(
            "wrote report.md, measures.csv, outcomes.json and pictures into {}",
            directory.display()
        ));
    }
    output.show(&outcomes, |outcomes| {
        let texts: Vec<_> = outcomes.iter().map(Outcome::to_string).collect();
        texts.join("\n")
    })?;
    if outcomes.iter().all(Outcome::holds) {
        Ok(())
    } else {
        Err(CliError::Said)
    }
}

fn list(output: Output) -> Result<(), CliError> {
    let attacks: Vec<_> = LIBRARY
        .iter()
        .map(|attack| json!({ "name": attack.name(), "about": attack.summary(), "expected": attack.expected() }))
        .collect();
    output.show(&attacks, |attacks| {
        let mut table = Table::new(["attack", "what is expected"]);
        for attack in attacks {
            let field = |name: &str| attack[name].as_str().unwrap_or_default().to_owned();
            table.row([field("name"), field("expected")]);
        }
        table.text()
    })
}

fn unknown(name: &str) -> CliError {
    let known: Vec<_> = LIBRARY.iter().map(|attack| attack.name()).collect();
    CliError::Usage(format!(
        "there is no attack {name}: known are {}, `all` and `list`",
        known.join(", ")
    ))
}

/// Reads a share, as a fraction or in per cent, and returns parts of a million.
fn share(text: &str) -> Result<u32, String> {
    let (number, whole) = match text.strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (text, 1.0),
    };
    let value: f64 = number
        .trim()
        .parse()
        .map_err(|_| format!("{text} is no share: write 0.33 or 33%"))?;
    let share = value / whole;
    if !(0.0..=1.0).contains(&share) {
        return Err(format!(
            "{text} is out of range: 0 to 1, or 0% to 100%, is a share"
        ));
    }
    // At most a million.
    Ok((share * 1e6).round() as u32)
}

/// Shows on standard error how far the attacks are, if a person watches; else a line for each that has ended.
struct Bar {
    bar: ProgressBar,
    output: Output,
    started: Instant,
    /// The share last shown, in steps: a bar that several threads move goes forward only.
    shown: Mutex<u64>,
}

impl Bar {
    fn new(output: Output) -> Self {
        let target = if output.is_watched() {
            ProgressDrawTarget::stderr_with_hz(DRAWN_HZ)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let style = ProgressStyle::with_template("{msg:20} [{bar:32}] {prefix}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            bar,
            output,
            started: Instant::now(),
            shown: Mutex::new(0),
        }
    }

    fn show(&self, step: &Step) {
        // A share of a thousand steps.
        let at = (step.share.clamp(0.0, 1.0) * STEPS as f64) as u64;
        if let Ok(mut shown) = self.shown.lock() {
            *shown = at.max(*shown);
            self.bar.set_position(*shown);
        }
        self.bar.set_message(step.attack);
        self.bar
            .set_prefix(left(self.started.elapsed(), step.share));
        if let Some(holds) = step.ended {
            let verdict = if holds {
                "as expected"
            } else {
                "NOT as expected"
            };
            let line = format!("{:20} {verdict}", step.attack);
            self.bar.suspend(|| self.output.note(&line));
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Says how long the rest will take if it goes on like this.
fn left(elapsed: Duration, share: f64) -> String {
    if share < 0.01 {
        return "has just begun".to_owned();
    }
    let left = elapsed.mul_f64(((1.0 - share) / share).clamp(0.0, 1_000.0));
    format!("{} left", span(left.as_secs()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn shares_are_read_as_fractions_and_in_per_cent() {
        assert_eq!(share("0.33"), Ok(330_000));
        assert_eq!(share("20%"), Ok(200_000));
        assert!(share("2").unwrap_err().contains("out of range"));
        assert!(share("many").unwrap_err().contains("write 0.33"));
    }

    #[test]
    fn an_unknown_attack_names_those_there_are() {
        let error = unknown("colusion").to_string();
        assert!(
            error.contains("collusion") && error.contains("sybil"),
            "{error}"
        );
    }

    #[test]
    fn what_is_left_follows_from_what_is_done() {
        let told = left(Duration::from_secs(60), 0.25);
        assert!(told.starts_with(&span(180)), "{told}");
    }
}
