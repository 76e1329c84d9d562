//! `x0 charter case` and `x0 ledger`: reported violations, the words of seats' persons, and balances.

use clap::Subcommand;
use serde_json::json;
use x0_crypto::{ContentId, PublicKey};

use super::{
    Context,
    error::CliError,
    output::{Facts, Table, date, printable},
};
use crate::api::{
    cases::{
        AppealBody, CaseView, CasesView, FoundBody, LedgerView, SayBody, SentenceView, VerdictView,
    },
    view::RecordedView,
};

#[derive(Debug, Subcommand)]
pub(super) enum CaseCommand {
    /// List the cases known here, the last to change first
    #[command(after_help = "Example:\n  x0 charter case list")]
    List,
    /// Show a case: at a seat with the report and what the seats' persons say
    #[command(after_help = "Example:\n  x0 charter case show bafyrei…")]
    Show {
        /// The case
        case: ContentId,
    },
    /// Say, as the holder of a seat, that a report is to be looked into
    #[command(
        after_help = "Example:\n  x0 charter case open bafyrei… --why \"Three logs show it\""
    )]
    Open(WordArgs),
    /// Say that there is nothing in it
    #[command(
        after_help = "Example:\n  x0 charter case dismiss bafyrei… --why \"The log is forged\""
    )]
    Dismiss(WordArgs),
    /// Say that there was a violation; the penalty follows from the charter
    #[command(
        after_help = "As many persons as the charter asks for must say the very same, bounty included.\n\n\
                      Example:\n  x0 charter case verdict bafyrei… --accused KEY --sort data_extraction --bounty 500 \\\n    \
                      --why \"The export shows it\""
    )]
    Verdict {
        #[command(flatten)]
        word: WordArgs,
        /// Who has done it [default: whom the report names]
        #[arg(long, value_name = "KEY")]
        accused: Option<PublicKey>,
        /// silent_collection, behavioural_prediction, data_extraction or unauthorized_override [default: as reported]
        #[arg(long)]
        sort: Option<String>,
        /// What the reporter gets, x0, within the charter's bounds
        #[arg(long, value_name = "X0")]
        bounty: u64,
    },
    /// Say the same as the one verdict that others have proposed
    #[command(
        after_help = "Example:\n  x0 charter case approve bafyrei… --why \"I have seen it too\""
    )]
    Approve(WordArgs),
    /// Say, after an appeal, that the verdict stands
    #[command(after_help = "Example:\n  x0 charter case uphold bafyrei… --why \"Nothing new\"")]
    Uphold(WordArgs),
    /// Say, after an appeal, that the verdict falls
    #[command(
        after_help = "Example:\n  x0 charter case overturn bafyrei… --why \"It was another node\""
    )]
    Overturn(WordArgs),
    /// Appeal against an announced verdict, as the accused
    #[command(
        after_help = "Example:\n  x0 charter case appeal bafyrei… --why \"My node was off that week\""
    )]
    Appeal(WordArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct WordArgs {
    /// The case
    case: ContentId,
    /// Why, in words for everyone
    #[arg(long, value_name = "TEXT")]
    why: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum LedgerCommand {
    /// Show all balances, what moved them last, and the sentences
    #[command(
        after_help = "Below zero is a debt. What the mesh has issued stands below zero on `issue`.\n\nExample:\n  x0 ledger show"
    )]
    Show,
    /// Show what one account holds
    #[command(after_help = "Example:\n  x0 ledger balance fund")]
    Balance {
        /// A key, `fund` or `issue`
        account: String,
    },
}

/// Answers a command about cases.
pub(super) async fn answer(context: &Context, command: CaseCommand) -> Result<(), CliError> {
    match command {
        CaseCommand::List => {
            let view = cases(context).await?;
            context.output.show(&view, list)
        }
        CaseCommand::Show { case } => {
            let view = find(cases(context).await?, &case)?;
            context.output.show(&view, text)
        }
        CaseCommand::Open(args) => say(context, args, "open", None).await,
        CaseCommand::Dismiss(args) => say(context, args, "dismiss", None).await,
        CaseCommand::Uphold(args) => say(context, args, "uphold", None).await,
        CaseCommand::Overturn(args) => say(context, args, "overturn", None).await,
        CaseCommand::Verdict {
            word,
            accused,
            sort,
            bounty,
        } => {
            let view = find(cases(context).await?, &word.case)?;
            let open = view.before_the_committee;
            let report = open.and_then(|open| open.report);
            let named = report.as_ref().and_then(|report| report.accused);
            let accused = accused.or(named).ok_or_else(|| {
                CliError::Failed("the report names nobody: say who by --accused KEY".to_owned())
            })?;
            let sort = sort.or(report.map(|report| report.sort)).ok_or_else(|| {
                CliError::Failed("the report is not known here: name the sort by --sort".to_owned())
            })?;
            let found = FoundBody {
                accused,
                sort,
                bounty_x0: bounty,
            };
            say(context, word, "find", Some(found)).await
        }
        CaseCommand::Approve(args) => {
            let view = find(cases(context).await?, &args.case)?;
            let found = proposed(&view)?;
            say(context, args, "find", Some(found)).await
        }
        CaseCommand::Appeal(args) => {
            let path = format!("/v1/charter/cases/{}/appeal", args.case);
            let body = AppealBody { why: args.why };
            let said: RecordedView = context.client()?.post(&path, &body).await?;
            context.output.show(&said, |said| {
                format!(
                    "Appealed by record {}: the committee decides anew, and nothing is in force until then.",
                    said.id
                )
            })
        }
    }
}

/// Answers a command about the ledger.
pub(super) async fn ledger(context: &Context, command: LedgerCommand) -> Result<(), CliError> {
    let view: LedgerView = context.client()?.get("/v1/ledger").await?;
    match command {
        LedgerCommand::Show => context.output.show(&view, ledger_text),
        LedgerCommand::Balance { account } => {
            let known = matches!(account.as_str(), "fund" | "issue");
            if !known && account.parse::<PublicKey>().is_err() {
                return Err(CliError::Failed(format!(
                    "{account:?} is no account: give a key, `fund` or `issue`"
                )));
            }
            let held = view.balances.iter().find(|held| held.account == account);
            let x0 = held.map_or(0, |held| held.x0);
            let told = json!({ "account": account, "x0": x0, "as_of": view.last });
            context.output.show(&told, |_| match x0 < 0 {
                true => format!("{account} owes {} x0", x0.unsigned_abs()),
                false => format!("{account} holds {x0} x0"),
            })
        }
    }
}

async fn cases(context: &Context) -> Result<CasesView, CliError> {
    context.client()?.get("/v1/charter/cases").await
}

fn find(view: CasesView, case: &ContentId) -> Result<CaseView, CliError> {
    let name = case.to_string();
    let mut cases = view.cases.into_iter();
    cases.find(|view| view.case == name).ok_or_else(|| {
        CliError::Failed(format!(
            "no case {name} is known here: `x0 charter case list` shows those that are"
        ))
    })
}

/// Returns the one finding that others propose.
fn proposed(view: &CaseView) -> Result<FoundBody, CliError> {
    let words = view
        .before_the_committee
        .iter()
        .flat_map(|open| &open.words);
    let mut found: Vec<_> = words.filter_map(|word| word.found.clone()).collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(CliError::Failed(
            "nobody has proposed a verdict yet: `x0 charter case verdict` does".to_owned(),
        )),
        _ => Err(CliError::Failed(
            "several verdicts are proposed: say which by `x0 charter case verdict`".to_owned(),
        )),
    }
}

async fn say(
    context: &Context,
    args: WordArgs,
    say: &str,
    found: Option<FoundBody>,
) -> Result<(), CliError> {
    let path = format!("/v1/charter/cases/{}/word", args.case);
    let body = SayBody {
        say: say.to_owned(),
        found,
        why: args.why,
    };
    let said: RecordedView = context.client()?.post(&path, &body).await?;
    context
        .output
        .show(&said, |said| format!("said, by record {}", said.id))
}

fn list(view: &CasesView) -> String {
    let mut table = Table::new(["case", "stage", "due", "accused", "sort"]);
    for case in &view.cases {
        let due = match (case.due_ms, case.overdue) {
            (Some(due), true) => format!("{} OVERDUE", date(due)),
            (Some(due), false) => date(due),
            (None, _) => String::new(),
        };
        let verdict = case.verdict.as_ref();
        table.row([
            case.case.clone(),
            case.stage.clone(),
            due,
            verdict.map_or_else(String::new, |verdict| verdict.accused.clone()),
            verdict.map_or_else(String::new, |verdict| verdict.sort.clone()),
        ]);
    }
    match table.is_empty() {
        true => "No violation of the charter was reported, as far as this node knows.".to_owned(),
        false => table.text(),
    }
}

fn text(case: &CaseView) -> String {
    let mut facts = Facts::default();
    facts.add("case", &case.case).add("stage", &case.stage);
    if let Some(due) = case.due_ms {
        let mark = if case.overdue { " (OVERDUE)" } else { "" };
        facts.add("due", format!("{}{mark}", date(due)));
    }
    if let Some(verdict) = &case.verdict {
        add_verdict(&mut facts, verdict);
    }
    let Some(open) = &case.before_the_committee else {
        return facts.text();
    };
    facts.add(
        "reported by",
        match open.sealed {
            true => format!("{}, a key used for nothing else", open.reporter),
            false => open.reporter.clone(),
        },
    );
    let mut text = String::new();
    match &open.report {
        Some(report) => {
            let accused = report.accused.map(|key| key.to_string());
            facts
                .add(
                    "accused",
                    accused.unwrap_or_else(|| "nobody by name".to_owned()),
                )
                .add("sort", &report.sort)
                .add("asked for", &report.asked);
            for id in &report.evidence {
                facts.add("evidence", id);
            }
            for line in report.description.lines() {
                text.push_str(&format!("\n  {}", printable(line)));
            }
        }
        None => {
            facts.add("report", "sealed; the seats open it together");
        }
    }
    if let Some(appeal) = &open.appeal {
        facts.add("the accused says", appeal.replace('\n', " "));
    }
    for word in &open.words {
        let found = word.found.as_ref();
        let found = found.map(|found| {
            format!(
                " {} by {}, bounty {} x0",
                found.sort, found.accused, found.bounty_x0
            )
        });
        facts.add(
            "says",
            format!("{}: {}{}", word.seat, word.say, found.unwrap_or_default()),
        );
    }
    format!("{}{text}", facts.text())
}

fn add_verdict(facts: &mut Facts, verdict: &VerdictView) {
    facts
        .add("accused", &verdict.accused)
        .add("sort", &verdict.sort)
        .add(
            "bounty",
            format!("{} x0 to {}", verdict.bounty_x0, verdict.reporter),
        );
    for line in penalties(&verdict.sentence) {
        facts.add("penalty", line);
    }
}

/// Says in words what follows from a verdict.
fn penalties(sentence: &SentenceView) -> Vec<String> {
    let mut lines = Vec::new();
    if sentence.removed {
        lines.push("removed from the mesh for good".to_owned());
    }
    if let Some(until) = sentence.suspended_until_ms {
        lines.push(format!(
            "suspended from {} until {}",
            date(sentence.from_ms),
            date(until)
        ));
    }
    if let Some(until) = sentence.probation_until_ms {
        lines.push(format!("on probation until {}", date(until)));
    }
    if sentence.fine_x0 > 0 {
        lines.push(format!("a fine of {} x0", sentence.fine_x0));
    }
    if sentence.deletion {
        lines.push("what was taken is to be deleted, here and everywhere".to_owned());
    }
    if sentence.public_referral {
        lines.push("referred to whoever is in charge outside the mesh".to_owned());
    }
    lines
}

fn ledger_text(view: &LedgerView) -> String {
    let mut balances = Table::new(["account", "x0"]);
    for held in &view.balances {
        balances.row([held.account.clone(), held.x0.to_string()]);
    }
    if balances.is_empty() {
        return "No x0 have moved yet.".to_owned();
    }
    let mut postings = Table::new(["number", "cause", "from", "to", "x0"]);
    for posting in &view.postings {
        postings.row([
            posting.number.to_string(),
            posting.cause.clone(),
            posting.from.clone(),
            posting.to.clone(),
            posting.amount_x0.to_string(),
        ]);
    }
    let mut text = format!("{}\n{}", balances.text(), postings.text());
    if view.waiting > 0 {
        text.push_str(&format!(
            "\n{} settlements wait for one before them.\n",
            view.waiting
        ));
    }
    for sentenced in &view.sentences {
        for line in penalties(&sentenced.sentence) {
            text.push_str(&format!("\n{}: {line}", sentenced.key));
        }
    }
    text
}
