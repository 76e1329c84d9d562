//! `x0 halt`: what is frozen and halted, what it rests on, and how it ends.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};

use super::{
    Context,
    error::CliError,
    output::{Facts, Table, date},
    vote,
};
use crate::api::{
    halts::{EvidenceView, HaltView, OneHaltView},
    packs::{PackBody, PackCheckView, PackView},
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
    Confirm(ConfirmArgs),
    Resume(ResumeArgs),
}

/// Show who raised alerts, the acts they name, and what this node finds in those acts itself
#[derive(Debug, Args)]
#[command(
    after_help = "With --out the node first asks the audit logs of all who had a part in it; the pack holds \
                        everything as it was signed, and --check says offline what it proves and what it lacks. A \
                        pack that was tampered with ends --check with exit code 1.\n\nExamples:\n  \
                        x0 halt evidence\n  x0 halt evidence --out pack.json\n  x0 halt evidence --check pack.json"
)]
pub(super) struct EvidenceArgs {
    /// Of this halt, by the last characters of its name [default: the newest]
    halt: Option<String>,
    /// Ask the audit logs, and write the whole pack to this new file, as JSON
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    out: Option<PathBuf>,
    /// Check a pack that somebody wrote; no node is needed
    #[arg(long, value_name = "FILE", conflicts_with = "halt")]
    check: Option<PathBuf>,
}

/// Largest pack that is read, bytes: 256 logs and 4,096 acts in full.
const PACK_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Put it to an emergency vote that a halt by witnesses stays in force
#[derive(Debug, Args)]
#[command(
    after_help = "A halt by witnesses expires after 30 minutes unless the committee or a jury confirms it; a confirmed \
                        one lasts 72 hours.\n\nExample:\n  x0 halt confirm"
)]
pub(super) struct ConfirmArgs {
    /// Which halt, by the last characters of its name [default: the one in force]
    halt: Option<String>,
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
        HaltCommand::Confirm(args) => confirm(context, args).await,
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
    if let Some(file) = &args.check {
        return check(context, file);
    }
    if let Some(file) = args.out {
        return pack(context, args.halt, &file).await;
    }
    let query = args
        .halt
        .map(|halt| format!("?halt={}", super::cosign::percent(&halt)));
    let path = format!("/v1/halt/evidence{}", query.unwrap_or_default());
    let pack: EvidenceView = context.client()?.get(&path).await?;
    context.output.show(&pack, evidence_text)
}

/// Has the node ask the audit logs, and writes the pack.
async fn pack(context: &Context, halt: Option<String>, file: &Path) -> Result<(), CliError> {
    let unwritten = |cause: std::io::Error| {
        let file = file.display();
        CliError::Failed(format!(
            "{file} cannot be written ({cause}): name another new file"
        ))
    };
    // What cannot be written is told before others are asked.
    let mut out = fs::File::create_new(file).map_err(unwritten)?;
    context
        .output
        .note("Asking the audit logs of all who had a part in it; this takes up to 30 seconds.");
    let asked = context.client()?;
    let asked = asked.post("/v1/halt/pack", &PackBody { halt }).await;
    let pack: PackView = match asked {
        Ok(pack) => pack,
        Err(error) => {
            // The empty file would stand in the way of the next try.
            fs::remove_file(file).ok();
            return Err(error);
        }
    };
    let bytes =
        serde_json::to_vec_pretty(&pack).map_err(|fault| CliError::Failed(fault.to_string()))?;
    out.write_all(&bytes)
        .and_then(|()| out.sync_all())
        .map_err(unwritten)?;
    let checked = pack.check().map_err(CliError::Failed)?;
    context.output.note(&format!(
        "{} holds {} signed records and {} audit logs.",
        file.display(),
        pack.records.len(),
        pack.logs.len()
    ));
    context.output.show(&checked, check_text)
}

/// Checks a pack offline.
fn check(context: &Context, file: &Path) -> Result<(), CliError> {
    let unread = |why: String| {
        let file = file.display();
        CliError::Failed(format!("{file} is no pack of evidence: {why}"))
    };
    let mut bytes = Vec::new();
    let read =
        fs::File::open(file).and_then(|file| file.take(PACK_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|cause| {
        let file = file.display();
        CliError::Failed(format!("{file} cannot be read: {cause}"))
    })?;
    if bytes.len() as u64 > PACK_BYTES_MAX {
        return Err(unread(format!("it is longer than {PACK_BYTES_MAX} bytes")));
    }
    let pack: PackView = serde_json::from_slice(&bytes).map_err(|why| unread(why.to_string()))?;
    let checked = pack.check().map_err(unread)?;
    let holds = checked.holds;
    context.output.show(&checked, check_text)?;
    match holds {
        true => Ok(()),
        false => Err(CliError::Said),
    }
}

fn check_text(checked: &PackCheckView) -> String {
    let mut text = match checked.holds {
        true => "Everything in the pack holds.\n".to_owned(),
        false => {
            "THE PACK DOES NOT HOLD: it was tampered with. Believe nothing in it.\n".to_owned()
        }
    };
    let parts = [
        ("Does not hold", &checked.faults),
        ("Proven", &checked.proven),
        ("Not proven, or missing", &checked.missing),
    ];
    for (title, lines) in parts.iter().filter(|(_, lines)| !lines.is_empty()) {
        text.push_str(&format!("\n{title}:\n"));
        for line in *lines {
            text.push_str(&format!("- {line}\n"));
        }
    }
    let mut logs = Table::new([
        "audit log of",
        "as",
        "executed",
        "refused",
        "wrote",
        "nothing of",
        "entries",
        "held before",
        "asked",
    ]);
    let size = |size: Option<u64>| size.map_or_else(|| "none".to_owned(), |size| size.to_string());
    for log in &checked.logs {
        logs.row([
            log.node.clone(),
            log.part.clone(),
            log.executed.to_string(),
            log.refused.to_string(),
            log.wrote.to_string(),
            log.nothing.to_string(),
            size(log.entries),
            size(log.held),
            log.outcome.clone(),
        ]);
    }
    if !logs.is_empty() {
        text.push_str(&format!("\n{}", logs.text()));
    }
    text
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
    let halt = in_force(context, args.halt.as_deref()).await?;
    context.output.note(&format!(
        "Only an emergency vote ends halt {}: a jury drawn from the members on call (`x0 vote jury on`) decides. Without \
         it the halt ends by itself at {}.",
        halt.short,
        date(halt.until_ms)
    ));
    put_to_jury(
        context,
        format!("End the halt {}", halt.short),
        halt.resumption,
    )
    .await
}

async fn confirm(context: &Context, args: ConfirmArgs) -> Result<(), CliError> {
    let halt = in_force(context, args.halt.as_deref()).await?;
    if halt.stage == "confirmed" {
        return Err(CliError::Failed(format!(
            "halt {} is confirmed already, by {}: it lasts until {}",
            halt.short,
            halt.words,
            date(halt.until_ms)
        )));
    }
    context.output.note(&format!(
        "A jury drawn from the members on call (`x0 vote jury on`) decides. Unless it or the committee confirms halt {}, \
         the halt expires at {}.",
        halt.short,
        date(halt.until_ms)
    ));
    let text = format!("Keep the halt {} in force", halt.short);
    put_to_jury(context, text, halt.confirmation).await
}

/// Finds a halt in force.
async fn in_force(context: &Context, wanted: Option<&str>) -> Result<OneHaltView, CliError> {
    let view: HaltView = context.client()?.get("/v1/halt").await?;
    let mut halts = view.halts.into_iter();
    let halt = halts
        .find(|halt| halt.stage != "ended" && wanted.is_none_or(|wanted| halt.short == wanted));
    halt.ok_or_else(|| {
        let why = "no such halt is in force: `x0 halt status` lists those known";
        CliError::Failed(why.to_owned())
    })
}

async fn put_to_jury(context: &Context, text: String, subject: String) -> Result<(), CliError> {
    let body = ProposeVoteBody {
        text,
        subject: Some(subject),
        emergency: true,
        window_secs: None,
        quorum_percent: None,
        threshold_percent: None,
        changeable: false,
        sealed: false,
    };
    vote::put_to_vote(context, &body, false).await
}
