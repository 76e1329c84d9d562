//! What attacks came to, as files: a report for people, a table for programs, pictures.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use super::{Measure, Outcome, find, outcome::figure, plot, statistics::Interval};
use crate::SimError;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The report.
    pub report: PathBuf,
    /// The table.
    pub table: PathBuf,
    /// The pictures.
    pub plots: Vec<PathBuf>,
}

/// Writes `report.md`, `measures.csv`, `outcomes.json` and one picture for each plot into a directory, which is made if
/// it is missing.
///
/// # Errors
///
/// Returns [`SimError::Write`] with the path that could not be written.
pub(super) fn write_to(directory: &Path, outcomes: &[Outcome]) -> Result<Written, SimError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SimError::Write { path, source }
    };
    fs::create_dir_all(directory).map_err(failed(directory))?;
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        fs::write(&path, text).map_err(failed(&path))?;
        Ok::<_, SimError>(path)
    };
    let plots = outcomes.iter().flat_map(|outcome| &outcome.plots);
    let plots = plots
        .map(|shown| write(&format!("{}.svg", shown.name), plot::svg(shown)))
        .collect::<Result<_, _>>()?;
    let json = serde_json::to_string_pretty(outcomes).unwrap_or_default();
    write("outcomes.json", json + "\n")?;
    Ok(Written {
        table: write("measures.csv", csv(outcomes))?,
        report: write("report.md", markdown(outcomes))?,
        plots,
    })
}

/// Returns the report of outcomes in Markdown.
fn markdown(outcomes: &[Outcome]) -> String {
    let mut text = String::from("# Attacks\n\n");
    if let Some(first) = outcomes.first() {
        line(
            &mut text,
            &format!(
                "{}. Intervals are of 95 % confidence: Wilson's for shares, the bootstrap's for means.\n",
                first.config
            ),
        );
    }
    line(
        &mut text,
        "| attack | claims that hold | outcome |\n|---|---|---|",
    );
    for outcome in outcomes {
        let holds = outcome.claims.iter().filter(|claim| claim.holds).count();
        let verdict = if outcome.holds() {
            "as expected"
        } else {
            "**not as expected**"
        };
        line(
            &mut text,
            &format!(
                "| [{0}](#{0}) | {holds} of {1} | {verdict} |",
                outcome.attack,
                outcome.claims.len()
            ),
        );
    }
    for outcome in outcomes {
        section(&mut text, outcome);
    }
    text
}

fn section(text: &mut String, outcome: &Outcome) {
    line(text, &format!("\n## {}\n", outcome.attack));
    if let Some(attack) = find(outcome.attack) {
        line(
            text,
            &format!("{} Expected: {}\n", attack.summary(), attack.expected()),
        );
    }
    line(text, "| claim | holds | seen |\n|---|---|---|");
    for claim in &outcome.claims {
        let holds = if claim.holds { "yes" } else { "**no**" };
        line(
            text,
            &format!(
                "| {} | {holds} | {} |",
                cell(&claim.what),
                cell(&claim.detail)
            ),
        );
    }
    if !outcome.measures.is_empty() {
        line(
            text,
            "\n| measured | value | 95 % | exact | trials |\n|---|---|---|---|---|",
        );
    }
    for Measure {
        what,
        unit,
        value,
        interval,
        trials,
        exact,
    } in &outcome.measures
    {
        let interval = interval.map_or(String::new(), |Interval { low, high }| {
            format!("{} – {}", figure(low), figure(high))
        });
        let exact = exact.map_or(String::new(), figure);
        line(
            text,
            &format!(
                "| {} | {} {unit} | {interval} | {exact} | {trials} |",
                cell(what),
                figure(*value)
            ),
        );
    }
    for shown in &outcome.plots {
        line(text, &format!("\n![{}]({}.svg)", shown.title, shown.name));
    }
}

/// Returns all measures as comma-separated values.
fn csv(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "attack,nodes,adversary_ppm,runs,seed,measure,unit,value,low,high,trials,exact\n",
    );
    for outcome in outcomes {
        let config = outcome.config;
        for measure in &outcome.measures {
            let ends = measure
                .interval
                .map_or([String::new(), String::new()], |it| {
                    [it.low, it.high].map(|end| end.to_string())
                });
            let exact = measure
                .exact
                .map_or(String::new(), |exact| exact.to_string());
            line(
                &mut text,
                &format!(
                    "{},{},{},{},{},\"{}\",{},{},{},{},{},{exact}",
                    outcome.attack,
                    config.nodes,
                    config.adversary_ppm,
                    config.runs,
                    config.seed,
                    measure.what.replace('"', "'"),
                    measure.unit,
                    measure.value,
                    ends[0],
                    ends[1],
                    measure.trials
                ),
            );
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing into memory never fails.
    writeln!(text, "{line}").ok();
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
