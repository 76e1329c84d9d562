//! `x0 sublime repair`: has this node read its copy of an item to the last byte, and put back what is missing.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use x0_crypto::ContentId;

use super::{
    super::{Context, client::Client, error::CliError},
    show::copies,
    steps,
};
use crate::api::{keeping::KeepingView, sublime::SublimeView};

/// How often is looked how far it is.
const LOOKED_EVERY: Duration = Duration::from_millis(300);

/// Check this node's copy of an item to the last byte, and put back what is missing
#[derive(Debug, Args)]
#[command(
    after_help = "Guardians' nodes, and the node where an item was put, do this by themselves every few hours for a part of it \
                  drawn at random. What is missing comes from other nodes, or from Arweave or Sia if the settings name them. \
                  Each node mends its own copy: run it there.\n\n\
                  Examples:\n  x0 sublime repair bafyrei…\n  x0 sublime repair --all"
)]
pub(in crate::cli) struct RepairArgs {
    /// The item
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    item: Option<ContentId>,
    /// Every item that this node keeps
    #[arg(long)]
    all: bool,
}

/// What came of it.
#[derive(Serialize)]
struct Repaired {
    item: String,
    /// Blocks that were put back.
    restored: u64,
    /// Whether all of it is here.
    whole: bool,
    trouble: Option<String>,
    safe: Option<bool>,
    #[serde(skip)]
    words: String,
}

pub(super) async fn repair(context: &Context, args: RepairArgs) -> Result<(), CliError> {
    let client = context.client()?;
    let items = match args.item {
        Some(item) => vec![item.to_string()],
        None => client.get::<SublimeView>("/v1/sublime").await?.kept,
    };
    let mut repaired = Vec::new();
    for item in items {
        repaired.push(one(context, &client, item).await?);
    }
    let is_whole = repaired.iter().all(|one| one.trouble.is_none());
    context.output.show(&repaired, |repaired| {
        let lines = repaired.iter().map(|one| {
            let stands = match (&one.trouble, one.restored) {
                (Some(trouble), _) => {
                    format!("is not as it should be: {trouble}. The node tries again by itself")
                }
                (None, 0) => "is whole here, nothing was missing".to_owned(),
                (None, restored) => format!("is whole here again, {restored} blocks were put back"),
            };
            format!("{} {stands}\n  {}", one.item, one.words)
        });
        let lines: Vec<_> = lines.collect();
        match lines.is_empty() {
            true => {
                "This node keeps no item: it guards none, and none was put from here.".to_owned()
            }
            false => lines.join("\n"),
        }
    })?;
    match is_whole {
        true => Ok(()),
        // The reasons stand in the output.
        false => Err(CliError::Said),
    }
}

async fn one(context: &Context, client: &Client, item: String) -> Result<Repaired, CliError> {
    let path = format!("/v1/sublime/items/{item}");
    let before: KeepingView = client.get(&path).await?;
    let mut view: KeepingView = client.post(&format!("{path}/repair"), &()).await?;
    let bar = steps(context.output, view.item.chunks);
    while let Some(work) = &view.work {
        bar.set_length(work.of);
        bar.set_position(work.done);
        bar.set_message(format!("{} {item}", work.what));
        tokio::time::sleep(LOOKED_EVERY).await;
        view = client.get(&path).await?;
    }
    bar.finish_and_clear();
    Ok(Repaired {
        restored: view.repaired.saturating_sub(before.repaired),
        whole: view.held.is_some_and(|held| held.whole),
        words: copies(&view),
        trouble: view.trouble,
        safe: view.safe,
        item,
    })
}
