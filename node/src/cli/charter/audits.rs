//! `x0 charter audit` and `x0 charter audits`: what the own node collects, what others say they collect, and how the
//! committee's rounds of audits stand.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use serde::Serialize;
use x0_crypto::{ContentId, PublicKey, capability::RootKey};
use x0_protocol::{
    charter::{Charter, inspection::inspect},
    wire::Account,
};

use super::words;
use crate::{
    api::inspections::{AccountView, AskBody, AuditView, AuditsView, RoundView},
    charter::{SHIPPED, inspection::OwnAudit, read_file},
    cli::{
        Context,
        args::Text,
        error::CliError,
        output::{Facts, Table, date, printable},
    },
};

/// Hold what a node collects and hands out against the charter in force: this one, or with --peer a member's
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Ends with exit code 4 if anything violates the charter. It sees the node and, where it runs, the kernel's\n\
                  helper; not what the operator runs beside them. Of another node it sees what that node signs about itself: a\n\
                  lie in it is evidence.\n\n\
                  A member's node answers the auditor that was drawn for it (`x0 charter audits`), a seat because of a case, and\n\
                  whoever holds a token that grants audit.collection under the root of a seat or of the node. Each ask, answered\n\
                  or refused, is an entry of its audit log.\n\n\
                  Examples:\n  x0 charter audit --json\n  x0 charter audit --peer 12D3KooW… --out account.json\n  \
                  x0 charter audit --peer 12D3KooW… --token @token.txt\n  x0 charter audit --check account.json"
)]
pub(in crate::cli) struct AuditArgs {
    /// Ask this member's node
    #[arg(long, value_name = "KEY")]
    peer: Option<PublicKey>,
    /// As a seat: because of this case, which the committee looks into
    #[arg(long, value_name = "CASE", requires = "peer", conflicts_with = "token")]
    case: Option<ContentId>,
    /// By this token, held by this node: its text, @FILE, or - for standard input
    #[arg(long, requires = "peer")]
    token: Option<Text>,
    /// The root that granted the token; without it the node tries those it knows
    #[arg(long, requires = "token")]
    root: Option<RootKey>,
    /// Write what the node has signed to a file
    #[arg(long, value_name = "FILE", requires = "peer")]
    out: Option<PathBuf>,
    /// Check a file that --out has written, without any node
    #[arg(long, value_name = "FILE", conflicts_with = "peer")]
    check: Option<PathBuf>,
    /// The charter that the file names, if it is not the one that ships
    #[arg(long, value_name = "FILE", requires = "check")]
    charter: Option<PathBuf>,
}

/// Show the committee's rounds of audits: who audits whom, and what came of it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without a round all rounds are listed. With one, each audit of it; --out writes the round's report, to be\n\
                  published: as Markdown, or with --json as JSON. Ends with exit code 4 if a node of the round, or without one\n\
                  of the newest, violates the charter.\n\n\
                  Examples:\n  x0 charter audits\n  x0 charter audits 3\n  x0 charter audits 3 --out round-3.md"
)]
pub(in crate::cli) struct AuditsArgs {
    /// The round
    round: Option<u64>,
    /// Write the round's report to a file
    #[arg(long, value_name = "FILE", requires = "round")]
    out: Option<PathBuf>,
}

/// Answers `x0 charter audit`.
pub(super) async fn audit(context: &Context, args: AuditArgs) -> Result<(), CliError> {
    if let Some(file) = args.check {
        return check(context, &file, args.charter.as_deref());
    }
    let Some(peer) = args.peer else {
        let found: OwnAudit = context.client()?.get("/v1/charter/audit").await?;
        context.output.show(&found, words::audit)?;
        return verdict(found.violations.is_empty());
    };
    let body = AskBody {
        peer,
        case: args.case,
        token: args.token.as_ref().map(Text::token).transpose()?,
        root: args.root,
    };
    let view: AccountView = context
        .client()?
        .post("/v1/charter/audits/ask", &body)
        .await?;
    if let Some(out) = &args.out {
        write(out, &pretty(&view))?;
        context.output.note(&format!(
            "What the node has signed is in {}: `x0 charter audit --check {0}` checks it again.",
            out.display()
        ));
    }
    show(context, &view)
}

fn show(context: &Context, view: &AccountView) -> Result<(), CliError> {
    context.output.show(view, account)?;
    verdict(view.violations.is_empty())
}

fn verdict(is_clean: bool) -> Result<(), CliError> {
    match is_clean {
        true => Ok(()),
        false => Err(CliError::Violations),
    }
}

/// Checks what a node has signed, and judges it anew.
fn check(context: &Context, file: &Path, charter: Option<&Path>) -> Result<(), CliError> {
    let shown = file.display();
    let bad = |why: String| CliError::Failed(format!("{shown} proves nothing: {why}"));
    let text = fs::read_to_string(file)
        .map_err(|cause| CliError::Usage(format!("{shown} cannot be read ({cause})")))?;
    let view: AccountView =
        serde_json::from_str(&text).map_err(|fault| bad(format!("it is no account ({fault})")))?;
    let bytes = BASE64.decode(view.account.as_bytes());
    let bytes = bytes.map_err(|fault| bad(fault.to_string()))?;
    let account = Account::decode(&bytes).map_err(|fault| bad(fault.to_string()))?;
    let mesh: ContentId = view
        .mesh
        .parse()
        .map_err(|_| bad("it names no mesh".to_owned()))?;
    if !account.holds(&mesh) {
        return Err(bad(
            "the signatures of the node and its auditor do not hold for this mesh".to_owned(),
        ));
    }
    let charter: Charter = match charter {
        Some(file) => read_file(file)?,
        None => SHIPPED.clone(),
    };
    let found =
        (charter.id() == account.stated.charter).then(|| inspect(&account.collected, &charter));
    // What stands beside the signed bytes in the file is nobody's word.
    show(context, &AccountView::new(&mesh, &account, found.as_ref()))
}

fn account(view: &AccountView) -> String {
    let mut facts = Facts::default();
    let gateway = view.gateway.map_or_else(
        || "off".to_owned(),
        |(taken, refused)| format!("{taken} samples taken, {refused} refused"),
    );
    let (refused, lost) = view.kernel_refused;
    let kernel = view.kernel.as_ref().map_or_else(
        || "no helper answers".to_owned(),
        |policy| format!("policy {policy}, {refused} refused, {lost} lost"),
    );
    facts
        .add("node", &view.node)
        .add("asked by", &view.auditor)
        .add("right", printable(&view.right))
        .add(
            "charter",
            format!("number {}, {}", view.number, view.charter),
        )
        .add("mesh time", date(view.mesh_time_ms))
        .add(
            "audit log",
            format!("{} entries, {}", view.log_size, view.log_root),
        )
        .add("filter", format!("kept {} names inside", view.filtered))
        .add("gateway", gateway)
        .add("kernel", kernel)
        .add("traces to", &view.traces_to)
        .add("account", &view.id);
    let mut table = Table::new(["handed out", "kept", "combined over"]);
    let or_nothing = |number: Option<u64>, unit: &str| {
        number.map_or_else(
            || "undeclared".to_owned(),
            |number| format!("{number} {unit}"),
        )
    };
    for one in &view.exported {
        table.row([
            printable(&one.name),
            or_nothing(one.retention_days, "days"),
            or_nothing(one.cohort_min, "nodes"),
        ]);
    }
    let mut text = format!("{}\n{}", facts.text(), table.text());
    for note in &view.notes {
        writeln!(text, "\n{}", printable(note)).ok();
    }
    match (view.judged, view.violations.is_empty()) {
        (false, _) => text.push_str(
            "\nIt names a charter that is not known here, so that it cannot be judged.\n",
        ),
        (true, true) => {
            text.push_str("\nNothing that the node says about itself violates the charter.\n");
        }
        (true, false) => text.push_str("\nVIOLATIONS\n"),
    }
    for violation in &view.violations {
        writeln!(text, "  {}", printable(violation)).ok();
    }
    if !view.violations.is_empty() {
        text.push_str(&how_to_report(&view.node, &view.id));
    }
    text
}

/// Says how to report what was found.
fn how_to_report(node: &str, evidence: &str) -> String {
    format!(
        "\nReport it, with what the node has signed as evidence:\n  x0 charter report --sort silent_collection --accused {node} \\\n    \
         --evidence {evidence} \"What was found\"\n"
    )
}

/// Answers `x0 charter audits`.
pub(super) async fn audits(context: &Context, args: AuditsArgs) -> Result<(), CliError> {
    let view: AuditsView = context.client()?.get("/v1/charter/audits").await?;
    let Some(number) = args.round else {
        context.output.show(&view, list)?;
        let newest = view.rounds.first();
        return verdict(newest.is_none_or(|round| round.tally.with_findings == 0));
    };
    let found = view.rounds.into_iter().find(|round| round.round == number);
    let round = found.ok_or_else(|| {
        CliError::Failed(format!(
            "no round {number} of the audits is known here: `x0 charter audits` lists those known"
        ))
    })?;
    if let Some(out) = &args.out {
        let report = match context.output.is_json() {
            true => pretty(&round),
            false => report(&round),
        };
        write(out, &report)?;
        context.output.note(&format!(
            "The report of round {number} is in {}.",
            out.display()
        ));
    }
    context.output.show(&round, text)?;
    verdict(round.tally.with_findings == 0)
}

fn list(view: &AuditsView) -> String {
    let mut text = match (view.days, view.next_ms, view.overdue) {
        (Some(days), Some(next), false) => format!(
            "Every {days} days of mesh time; the next round opens at {} (it is {} now)\n",
            date(next),
            date(view.mesh_time_ms)
        ),
        (Some(days), Some(next), true) => format!(
            "Every {days} days of mesh time; OVERDUE: the next round should have opened at {} (it is {} now)\n",
            date(next),
            date(view.mesh_time_ms)
        ),
        (_, _, _) => "No audits: the mesh has no charter or no committee.\n".to_owned(),
    };
    if view.rounds.is_empty() {
        return text;
    }
    let mut table = Table::new([
        "round",
        "opened",
        "due",
        "clean",
        "violations",
        "unanswered",
        "open",
        "overdue",
    ]);
    for round in &view.rounds {
        let tally = round.tally;
        table.row([
            round.round.to_string(),
            date(round.opened_ms),
            date(round.due_ms),
            tally.clean.to_string(),
            tally.with_findings.to_string(),
            tally.unanswered.to_string(),
            (tally.due + tally.unjudged).to_string(),
            tally.overdue.to_string(),
        ]);
    }
    writeln!(text, "\n{}", table.text()).ok();
    text
}

fn summary(round: &RoundView) -> String {
    let tally = round.tally;
    let mut text = format!(
        "{} nodes: {} clean, {} with violations, {} unanswered, {} due, {} overdue",
        round.audits.len(),
        tally.clean,
        tally.with_findings,
        tally.unanswered,
        tally.due,
        tally.overdue
    );
    if tally.unjudged > 0 {
        write!(text, ", {} under a charter unknown here", tally.unjudged).ok();
    }
    text
}

fn outcome(audit: &AuditView) -> String {
    let late = if audit.late { ", late" } else { "" };
    format!("{}{late}", printable(&audit.words))
}

fn text(round: &RoundView) -> String {
    let mut table = Table::new(["node", "audited by", "outcome"]);
    for audit in &round.audits {
        table.row([audit.node.clone(), audit.auditor.clone(), outcome(audit)]);
    }
    let mut text = format!(
        "Round {}, open since {}, due {}\n{}\n\n{}",
        round.round,
        date(round.opened_ms),
        date(round.due_ms),
        summary(round),
        table.text()
    );
    for audit in &round.audits {
        if audit.violations.is_empty() {
            continue;
        }
        writeln!(text, "\n{}", audit.node).ok();
        for violation in &audit.violations {
            writeln!(text, "  {}", printable(violation)).ok();
        }
        if let Some(report) = &audit.report {
            text.push_str(&how_to_report(&audit.node, report));
        }
    }
    text
}

/// Writes the report of a round for publishing.
fn report(round: &RoundView) -> String {
    let mut text = format!(
        "# Audits of data collection, round {}\n\n{}.\n\n\
         Opened {} and due {} (mesh time), drawn at height {} of the committee log, by the charter `{}`.\n\n\
         Each account is what the node has signed about itself: a node that hands out more than it says has signed a lie. A node that \
         did not answer is named, and has violated nothing by that.\n\n\
         | node | audited by | outcome | report |\n|---|---|---|---|\n",
        round.round,
        summary(round),
        date(round.opened_ms),
        date(round.due_ms),
        round.height,
        round.charter
    );
    for audit in &round.audits {
        let report = audit.report.as_deref();
        let report = report.map_or_else(|| "–".to_owned(), |id| format!("`{id}`"));
        let outcome = outcome(audit).replace('|', "\\|");
        writeln!(
            text,
            "| `{}` | `{}` | {outcome} | {report} |",
            audit.node, audit.auditor
        )
        .ok();
    }
    let found = round.audits.iter();
    let found: Vec<_> = found.filter(|audit| !audit.violations.is_empty()).collect();
    if !found.is_empty() {
        text.push_str("\n## Violations\n");
    }
    for audit in found {
        writeln!(text, "\n`{}`\n", audit.node).ok();
        for violation in &audit.violations {
            writeln!(text, "- {}", printable(violation)).ok();
        }
    }
    text
}

fn pretty<T: Serialize>(value: &T) -> String {
    // A view of ours has text keys alone, and always encodes.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn write(file: &Path, text: &str) -> Result<(), CliError> {
    fs::write(file, format!("{}\n", text.trim_end())).map_err(|cause| {
        let file = file.display();
        CliError::Failed(format!(
            "{file} cannot be written ({cause}): name another file"
        ))
    })
}

#[cfg(test)]
mod tests;
