//! `x0 halt`: what is frozen and halted, what it rests on, and how it ends.

use std::{fs, io::Write as _, path::PathBuf};

use clap::{Args, Subcommand};

use super::{
    Context,
    error::CliError,
    output::{Facts, Table, date},
    vote,
};
use crate::api::{
    halts::{EvidenceView, HaltView, OneHaltView},
    votes::ProposeVoteBody,
};

#[derive(Debug, Subcommand)]
pub(super) enum HaltCommand {
    /// Show what is frozen on this node and whether the mesh is halted, since when and until when
    #[command(
        after_help = "A freeze binds one delegation root on this node and ends by itself. A halt stops every \
                            policy change of the mesh.\n\nExample:\n  x0 halt status"
    )]
    Status,
    Evidence(EvidenceArgs),
    Resume(ResumeArgs),
}

/// Show who raised alerts, the acts they name, and what this node finds in those acts itself
#[derive(Debug, Args)]
#[command(
    after_help = "The pack holds the signed records, so that anybody can check them again.\n\n\
                        Examples:\n  x0 halt evidence\n  x0 halt evidence --out pack.json"
)]
pub(super) struct EvidenceArgs {
    /// Of this halt, by the last characters of its name [default: the newest]
    halt: Option<String>,
    /// Write the whole pack to this new file, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Put the end of a halt to an emergency vote
#[derive(Debug, Args)]
#[command(
    after_help = "Only a vote ends a halt before its time; no key, seat or operator can.\n\n\
                        Example:\n  x0 halt resume"
)]
pub(super) struct ResumeArgs {
    /// Which halt, by the last characters of its name [default: the one in force]
    halt: Option<String>,
}

/// Answers a command about halts.
pub(super) async fn answer(context: &Context, command: HaltCommand) -> Result<(), CliError> {
    match command {
        HaltCommand::Status => status(context).await,
        HaltCommand::Evidence(args) => evidence(context, args).await,
        HaltCommand::Resume(args) => resume(context, args).await,
    }
}

async fn status(context: &Context) -> Result<(), CliError> {
    let halt: HaltView = context.client()?.get("/v1/halt").await?;
    context.output.show(&halt, status_text)
}

fn status_text(view: &HaltView) -> String {
    let mut facts = Facts::default();
    let state = match (&view.words, view.halted) {
        (Some(words), _) => words.clone(),
        (None, _) => "nothing is halted".to_owned(),
    };
    facts.add("mesh", state);
    match view.seats {
        Some((seats, needed)) => {
            facts.add(
                "a halt takes",
                format!("alerts of {needed} of {seats} seats of the committee"),
            );
        }
        None => {
            facts.add(
                "a halt takes",
                "a committee of 4 seats or more, which this mesh has not: critical acts freeze their root on each \
                 node, and nothing halts the mesh",
            );
        }
    }
    if let Some(needed) = view.witnesses_needed {
        let drawn = view.witnesses.len();
        facts.add(
            "or",
            format!("alerts of {needed} of the {drawn} witnesses drawn for this epoch"),
        );
    }
    facts.add("alerts known", view.alerts);
    let mut text = facts.text();
    let mut halts = Table::new(["halt", "by", "stage", "since", "until", "root", ""]);
    for halt in &view.halts {
        halts.row([
            halt.short.clone(),
            halt.by.clone(),
            halt.stage.clone(),
            date(halt.began_ms),
            date(halt.until_ms),
            halt.root.clone(),
            halt.words.clone(),
        ]);
    }
    if !halts.is_empty() {
        text.push_str(&format!("\n{}", halts.text()));
    }
    let mut frozen = Table::new(["frozen on this node", "agent", "until"]);
    for freeze in &view.frozen {
        frozen.row([
            freeze.root.clone(),
            freeze.agent.clone(),
            date(freeze.until_ms),
        ]);
    }
    if !frozen.is_empty() {
        text.push_str(&format!("\n{}", frozen.text()));
    }
    text
}

async fn evidence(context: &Context, args: EvidenceArgs) -> Result<(), CliError> {
    let query = args
        .halt
        .map(|halt| format!("?halt={}", super::cosign::percent(&halt)));
    let path = format!("/v1/halt/evidence{}", query.unwrap_or_default());
    let pack: EvidenceView = context.client()?.get(&path).await?;
    if let Some(file) = args.out {
        let bytes = serde_json::to_vec_pretty(&pack)
            .map_err(|fault| CliError::Failed(fault.to_string()))?;
        let made = fs::File::create_new(&file).and_then(|mut out| out.write_all(&bytes));
        made.map_err(|cause| {
            let file = file.display();
            CliError::Failed(format!(
                "{file} cannot be written ({cause}): name another new file"
            ))
        })?;
        let (alerts, records) = (pack.alerts.len(), pack.records.len());
        let file = file.display();
        context.output.note(&format!(
            "{file} holds {alerts} alerts and {records} signed records"
        ));
    }
    context.output.show(&pack, evidence_text)
}

fn evidence_text(pack: &EvidenceView) -> String {
    if pack.alerts.is_empty() {
        return "No alert is known here.".to_owned();
    }
    let mut facts = Facts::default();
    if let Some(halt) = &pack.halt {
        facts
            .add(
                "halt",
                format!("{} by the {}, {}", halt.short, halt.by, halt.stage),
            )
            .add("because of the root", &halt.root);
    }
    let mut text = facts.text();
    let mut alerts = Table::new([
        "alert signed by",
        "counts as",
        "what",
        "acts",
        "this node finds",
    ]);
    for alert in &pack.alerts {
        let counts = match (alert.seat, alert.witness) {
            (true, true) => "seat, witness",
            (true, false) => "seat",
            (false, true) => "witness",
            (false, false) => "nothing",
        };
        let found = match alert.holds {
            true => alert.finding.clone(),
            false => format!("DOES NOT HOLD: {}", alert.finding),
        };
        alerts.row([
            alert.signer.clone(),
            counts.to_owned(),
            alert.pattern.clone(),
            alert.acts.len().to_string(),
            found,
        ]);
    }
    text.push_str(&alerts.text());
    let mut records = Table::new(["record", "author", "written", "what"]);
    for record in &pack.records {
        records.row([
            record.id.clone(),
            record.author.clone(),
            date(record.time_ms),
            record.words.clone(),
        ]);
    }
    text.push_str(&format!("\n{}", records.text()));
    let mut logs = Table::new(["audit log of", "as", "from", "to", "entries known"]);
    for log in &pack.logs {
        logs.row([
            log.node.clone(),
            log.part.clone(),
            date(log.from_ms),
            date(log.to_ms),
            log.head_size
                .map_or_else(|| "none".to_owned(), |size| size.to_string()),
        ]);
    }
    text.push_str(&format!("\n{}", logs.text()));
    if pack.logs_left_out > 0 {
        text.push_str(&format!("and {} logs more\n", pack.logs_left_out));
    }
    text
}

async fn resume(context: &Context, args: ResumeArgs) -> Result<(), CliError> {
    let view: HaltView = context.client()?.get("/v1/halt").await?;
    let named = |halt: &&OneHaltView| {
        args.halt
            .as_ref()
            .is_none_or(|wanted| halt.short == *wanted)
    };
    let halt = view
        .halts
        .iter()
        .filter(|halt| halt.stage != "ended")
        .find(named);
    let Some(halt) = halt else {
        let why = "no such halt is in force: `x0 halt status` lists those known";
        return Err(CliError::Failed(why.to_owned()));
    };
    context.output.note(&format!(
        "Only an emergency vote ends halt {}: a jury drawn from the members on call (`x0 vote jury on`) decides. Without \
         it the halt ends by itself at {}.",
        halt.short,
        date(halt.until_ms)
    ));
    let body = ProposeVoteBody {
        text: format!("End the halt {}", halt.short),
        subject: Some(halt.resumption.clone()),
        emergency: true,
        window_secs: None,
        quorum_percent: None,
        threshold_percent: None,
        changeable: false,
        sealed: false,
    };
    vote::put_to_vote(context, &body, false).await
}
