//! `x0 charter`: what the mesh may collect, as a file, in force, and in change.
//!
//! Checking, comparing and compiling work without a node.

mod audits;
mod compile;
mod gateway;
mod schema;
#[cfg(test)]
mod tests;
mod words;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use x0_protocol::charter::{Charter, diff::changes, write};

use self::{
    audits::{AuditArgs, AuditsArgs},
    gateway::{ConsentCommand, GatewayCommand},
};
use super::{
    Context,
    case::{self, CaseCommand},
    charter_guard::{self, GuardArgs},
    charter_probe::{self, ProbeCommand},
    error::CliError,
    report::{self, ReceiptCommand, ReportArgs},
    vote::put_to_vote,
};
use crate::{
    api::{
        charter::{AmendBody, CharterView},
        view::RecordedView,
        votes::ProposeVoteBody,
    },
    charter::{SHIPPED, read_file},
};

#[derive(Debug, Subcommand)]
pub(super) enum CharterCommand {
    /// Check a charter; every fault is listed with its line, column, key and mend
    #[command(
        after_help = "Ends with exit code 1 if the file has a fault.\n\nExample:\n  x0 charter check charter.yaml"
    )]
    Check {
        /// The file
        file: PathBuf,
    },
    /// Show a charter in plain words: a file, or the one the running mesh is under
    #[command(
        after_help = "Example:\n  x0 charter show\n  x0 charter show --shipped --yaml > charter.yaml"
    )]
    Show {
        /// The file; without it, the charter in force
        file: Option<PathBuf>,
        /// Show the charter that ships with this program
        #[arg(long, conflicts_with = "file")]
        shipped: bool,
        /// Write it as a file that can be changed
        #[arg(long)]
        yaml: bool,
    },
    /// Say in words what changes from one charter to another: first what people lose by it
    #[command(after_help = "Example:\n  x0 charter diff charter.yaml amended.yaml")]
    Diff {
        /// The charter before
        old: PathBuf,
        /// The charter after
        new: PathBuf,
    },
    /// Compile a charter for an enforcement, as JSON
    #[command(
        after_help = "All are made of one form, and `cases` lists what each must answer.\n\n\
                      Example:\n  x0 charter compile charter.yaml --to ebpf --out policy.json\n  \
                      x0 charter probe load policy.json"
    )]
    Compile {
        /// The file
        file: PathBuf,
        /// For which enforcement
        #[arg(long)]
        to: Target,
        /// Where to write it; without it, to standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Put a charter to the vote, in place of the one in force
    #[command(
        after_help = "Every node takes it by itself once the vote has passed and the time to refute its count is over.\n\n\
                      Example:\n  x0 charter show --yaml > charter.yaml\n  x0 charter amend charter.yaml --reason \"Keep latency for 14 days\""
    )]
    Amend {
        /// The file: the charter in force with what is to change, and the next number
        file: PathBuf,
        /// Why, in words for everyone
        #[arg(long)]
        reason: Option<String>,
        /// Do not wait until the vote is open
        #[arg(long)]
        no_wait: bool,
    },
    /// Print the JSON Schema of charters, by which editors complete and check them
    #[command(after_help = "Example:\n  x0 charter schema > charter.schema.json")]
    Schema,
    Audit(AuditArgs),
    Audits(AuditsArgs),
    Report(ReportArgs),
    /// Use the receipt of an anonymous report: see what became of it, prove that you wrote it, claim the bounty
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// See reported violations, decide them as a seat, appeal as the accused
    #[command(subcommand)]
    Case(CaseCommand),
    /// Look at the gateway, where the telemetry of this machine's programs is judged
    #[command(subcommand)]
    Gateway(GatewayCommand),
    /// Agree to the collection of a metric that needs it, or take that back
    #[command(subcommand)]
    Consent(ConsentCommand),
    Guard(GuardArgs),
    /// Show what the kernel enforces and refused, and start what enforces it
    #[command(subcommand)]
    Probe(ProbeCommand),
}

/// For what a charter is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Target {
    /// The node's own filter
    Node,
    /// The maps of a kernel probe
    Ebpf,
    /// The contract on a chain
    Contract,
    /// What every enforcement must answer
    Cases,
}

/// Answers a command about charters.
pub(super) async fn answer(context: &Context, command: CharterCommand) -> Result<(), CliError> {
    match command {
        CharterCommand::Check { file } => check(context, &file),
        CharterCommand::Show {
            file,
            shipped,
            yaml,
        } => show(context, file, shipped, yaml).await,
        CharterCommand::Diff { old, new } => diff(context, &old, &new),
        CharterCommand::Compile { file, to, out } => compile(context, &file, to, out),
        CharterCommand::Amend {
            file,
            reason,
            no_wait,
        } => amend(context, &file, reason, no_wait).await,
        CharterCommand::Schema => context.output.raw(&schema::text()),
        CharterCommand::Audit(args) => audits::audit(context, args).await,
        CharterCommand::Audits(args) => audits::audits(context, args).await,
        CharterCommand::Report(args) => report::report(context, args).await,
        CharterCommand::Receipt(command) => report::receipt(context, command).await,
        CharterCommand::Case(command) => case::answer(context, command).await,
        CharterCommand::Gateway(command) => gateway::gateway(context, command).await,
        CharterCommand::Consent(command) => gateway::consent(context, command).await,
        CharterCommand::Guard(args) => match charter_guard::answer(&args, context.output)? {},
        CharterCommand::Probe(command) => charter_probe::answer(command, context.output),
    }
}

fn check(context: &Context, file: &Path) -> Result<(), CliError> {
    let charter = read_file(file)?;
    let carried = charter.check_carried().map_err(|fault| fault.to_string());
    let checked = json!({
        "ok": true,
        "file": file,
        "name": charter.text().name,
        "number": charter.number(),
        "charter": charter.id().to_string(),
        "fits_a_mesh": carried.is_ok(),
    });
    context.output.show(&checked, |_| {
        let head = format!(
            "{} is in order: {}, number {}\ncharter  {}",
            file.display(),
            charter.text().name,
            charter.number(),
            charter.id(),
        );
        match &carried {
            Ok(()) => head,
            Err(fault) => format!("{head}\nNo mesh can run under it, though: {fault}."),
        }
    })
}

async fn show(
    context: &Context,
    file: Option<PathBuf>,
    shipped: bool,
    yaml: bool,
) -> Result<(), CliError> {
    let view = match (file, shipped) {
        (Some(file), _) => CharterView::new(&read_file(&file)?),
        (None, true) => CharterView::new(&SHIPPED),
        (None, false) => context.client()?.get("/v1/charter").await?,
    };
    let charter = of_view(&view)?;
    if yaml {
        return context.output.raw(&write(&charter));
    }
    context.output.show(&view, |_| words::text(&charter))
}

fn diff(context: &Context, old: &Path, new: &Path) -> Result<(), CliError> {
    let (old, new) = (read_file(old)?, read_file(new)?);
    let changes = changes(&old, &new);
    let follows = new.check_follows(&old).map_err(|fault| fault.to_string());
    let told = json!({
        "old": { "number": old.number(), "charter": old.id().to_string() },
        "new": { "number": new.number(), "charter": new.id().to_string() },
        "changes": changes,
        "may_follow": follows.is_ok(),
        "why_not": follows.clone().err(),
    });
    context.output.show(&told, |_| {
        let mut text = words::changes(&changes);
        if let Err(why) = &follows {
            text.push_str(&format!("\nIt cannot be put to a vote as it is: {why}.\n"));
        }
        text
    })
}

async fn amend(
    context: &Context,
    file: &Path,
    reason: Option<String>,
    no_wait: bool,
) -> Result<(), CliError> {
    let new = read_file(file)?;
    let client = context.client()?;
    let old = of_view(&client.get("/v1/charter").await?)?;
    new.check_follows(&old).map_err(|why| {
        CliError::Failed(format!("{} cannot be put to a vote: {why}", file.display()))
    })?;
    context.output.note(&words::changes(&changes(&old, &new)));
    let body = AmendBody {
        text: new.text().clone(),
    };
    let said: RecordedView = client.post("/v1/charter", &body).await?;
    context
        .output
        .note(&format!("Said to all members by the record {}.", said.id));
    let text = reason.unwrap_or_else(|| format!("Amend the charter: number {}", new.number()));
    let vote = ProposeVoteBody {
        text,
        subject: Some(new.id().to_string()),
        emergency: false,
        window_secs: Some(old.text().windows.vote_hours * 3_600),
        quorum_percent: None,
        threshold_percent: None,
        changeable: false,
        sealed: false,
    };
    put_to_vote(context, &vote, no_wait).await
}

fn of_view(view: &CharterView) -> Result<Charter, CliError> {
    Charter::new(view.text.clone()).map_err(|flaws| {
        let first = flaws.first().map(|flaw| flaw.key.as_str());
        let first = first.unwrap_or_default();
        CliError::BadAnswer(format!("its charter is none: look at {first}"))
    })
}

fn compile(
    context: &Context,
    file: &Path,
    to: Target,
    out: Option<PathBuf>,
) -> Result<(), CliError> {
    let charter = read_file(file)?;
    let compiled = match to {
        Target::Node => compile::node(&charter),
        Target::Ebpf => compile::ebpf(&charter)?,
        Target::Contract => compile::contract(&charter)?,
        Target::Cases => compile::cases(&charter),
    };
    let Some(out) = out else {
        return context.output.raw(&compiled.to_string());
    };
    fs::write(&out, format!("{compiled}\n")).map_err(|cause| {
        let out = out.display();
        CliError::Failed(format!(
            "{out} cannot be written ({cause}): name another file"
        ))
    })?;
    let written = json!({ "written": out, "charter": charter.id().to_string() });
    context
        .output
        .show(&written, |_| format!("Written to {}", out.display()))
}
