//! `x0 audit`: the node's own audit log.

use clap::Subcommand;

use super::{
    Context,
    error::CliError,
    output::{Facts, Table, date},
};
use crate::api::view::{AuditPage, AuditVerifyView};

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Show entries of the log, oldest first
    #[command(after_help = "Example:\n  x0 audit show --from 0 --limit 20")]
    Show {
        /// Start at this entry; without it, show the newest
        #[arg(long, value_name = "N")]
        from: Option<u64>,
        /// Show at most so many, up to 1000
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    /// Read the log from disk, hash it anew, and compare it with the head the node speaks for
    #[command(
        after_help = "Ends with exit code 1 if the log is not intact.\n\nExample:\n  x0 audit verify"
    )]
    Verify,
}

/// Answers a command about the audit log.
pub(super) async fn answer(context: &Context, command: AuditCommand) -> Result<(), CliError> {
    match command {
        AuditCommand::Show { from, limit } => show(context, from, limit).await,
        AuditCommand::Verify => verify(context).await,
    }
}

async fn show(context: &Context, from: Option<u64>, limit: u32) -> Result<(), CliError> {
    let from = from.map(|from| format!("&from={from}")).unwrap_or_default();
    let path = format!("/v1/audit?limit={limit}{from}");
    let page: AuditPage = context.client()?.get(&path).await?;
    context.output.show(&page, |page| {
        let mut table = Table::new(["entry", "time", "what", "who", "words"]);
        for entry in &page.entries {
            table.row([
                entry.index.to_string(),
                date(entry.time_ms),
                entry.what.clone(),
                entry.who.clone().unwrap_or_default(),
                entry.words.clone(),
            ]);
        }
        if table.is_empty() {
            return format!("No entries here; the log has {}.", page.size);
        }
        table.text()
    })
}

async fn verify(context: &Context) -> Result<(), CliError> {
    let found: AuditVerifyView = context.client()?.get("/v1/audit/verify").await?;
    context.output.show(&found, |found| {
        let mut facts = Facts::default();
        facts
            .add("log", if found.intact { "intact" } else { "NOT INTACT" })
            .add(
                "entries",
                format!("{} on disk, {} spoken for", found.entries, found.size),
            )
            .add("computed root", &found.computed_root)
            .add("root", &found.root)
            .add("witnesses", found.witnesses);
        format!("{}{}", facts.text(), found.words)
    })?;
    if found.intact {
        Ok(())
    } else {
        Err(CliError::Said)
    }
}
