//! `x0 config`: the settings of a node.

use clap::Subcommand;
use serde_json::json;

use super::{Context, error::CliError, output::Table};
use crate::api::control::{ConfigView, ReloadView};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show every setting and where its value comes from: of the running node, else as it would start
    #[command(after_help = "Example:\n  x0 config show --json | jq '.settings[] | {key, value}'")]
    Show,
    /// Check the file of settings and the X0_… variables; every fault is listed
    #[command(after_help = "Example:\n  x0 config check && x0 config reload")]
    Check,
    /// Have the running node read its settings again
    #[command(after_help = "A file with a fault changes nothing.\n\nExample:\n  x0 config reload")]
    Reload,
}

/// Answers a command about settings.
pub(super) async fn answer(context: &Context, command: ConfigCommand) -> Result<(), CliError> {
    match command {
        ConfigCommand::Show => show(context).await,
        ConfigCommand::Check => check(context),
        ConfigCommand::Reload => reload(context).await,
    }
}

async fn show(context: &Context) -> Result<(), CliError> {
    let config = context.config()?;
    let client = context.client()?;
    let view: ConfigView = if client.is_running().await {
        client.get("/v1/config").await?
    } else {
        ConfigView::from(&config)
    };
    context.output.show(&view, |view| view.text.clone())
}

fn check(context: &Context) -> Result<(), CliError> {
    let file = context.config()?.file();
    let exists = file.exists();
    let checked = json!({ "ok": true, "file": file, "exists": exists });
    context.output.show(&checked, |_| {
        let what = if exists {
            "is in order"
        } else {
            "does not exist: all settings are at their defaults"
        };
        format!("{} {what}", file.display())
    })
}

async fn reload(context: &Context) -> Result<(), CliError> {
    let done: ReloadView = context.client()?.post("/v1/config/reload", &()).await?;
    context.output.show(&done, |done| {
        if done.changes.is_empty() {
            return "The node has read its settings again: nothing has changed.".to_owned();
        }
        let mut table = Table::new(["setting", "before", "now", ""]);
        for change in &done.changes {
            let when = if change.needs_restart {
                "waits for a restart"
            } else {
                "in force"
            };
            table.row([
                change.key.clone(),
                change.from.clone(),
                change.to.clone(),
                when.to_owned(),
            ]);
        }
        table.text()
    })
}
