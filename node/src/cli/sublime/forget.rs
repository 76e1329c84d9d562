//! `x0 sublime forget`: has guardians destroy their shares of an item, for good.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use clap::Args;
use data_encoding::BASE64;
use serde::Serialize;
use tokio::time::sleep;
use x0_crypto::ContentId;

use super::{
    super::{Context, client::Client, error::CliError},
    forget_path, on_file,
};
use crate::api::{
    keeping::KeepingView,
    sublime::{ForgetBody, ForgottenView, ItemView, SublimeView},
    view::RecordedView,
};

/// Longest wait for what guardians' nodes say.
const WAIT: Duration = Duration::from_secs(20);
/// How often is looked.
const LOOKED_EVERY: Duration = Duration::from_millis(500);

/// Have an item's shares destroyed, so that nobody opens it any more: this cannot be undone
#[derive(Debug, Args)]
#[command(
    after_help = "Runs where the item was put: the word that does it was signed with the item's key then, and stands in this \
                  node's data directory. Guardians' nodes destroy their shares and drop the content; each says so; that is \
                  written down here and counted. Once said, this command only counts.\n\n\
                  What it cannot do: whoever was granted the item before has it. A guardian that keeps a copy of its share past \
                  its node keeps it. What is on Arweave stays there for ever, sealed; what is on Sia stays until its account \
                  drops it.\n\n\
                  Example:\n  x0 sublime forget bafyrei… --yes"
)]
pub(in crate::cli) struct ForgetArgs {
    /// The item
    item: ContentId,
    /// Do it: without this the command only says what it would do
    #[arg(long)]
    yes: bool,
}

/// What came of it.
#[derive(Serialize)]
struct Forgotten {
    item: String,
    /// Guardians' nodes that have destroyed their share, as far as they have said so.
    destroyed: Vec<String>,
    /// How many guardians there are.
    guardians: u8,
    /// Tiers beside the mesh on which the sealed content stays.
    stays_on: Vec<String>,
}

pub(super) async fn forget(context: &Context, args: ForgetArgs) -> Result<(), CliError> {
    let client = context.client()?;
    let name = args.item.to_string();
    let kept: KeepingView = client.get(&format!("/v1/sublime/items/{name}")).await?;
    let word = read_word(context, &kept.item)?;
    let stays_on = kept.beyond();
    let is_said = kept.item.forgotten;
    if !args.yes && !is_said {
        let text = format!(
            "nobody would open {name} any more, and this cannot be undone. {}Say --yes if that is meant",
            staying(&stays_on)
        );
        return Err(CliError::Usage(text));
    }
    let destroyed = match is_said {
        true => {
            context.output.note(
                "The item was had forgotten before: what guardians' nodes have said since is counted.",
            );
            wait(&client, &kept.item).await?
        }
        false => say(&client, &kept.item, &word).await?,
    };
    let forgotten = Forgotten {
        item: name,
        destroyed,
        guardians: kept.item.guardians,
        stays_on,
    };
    context.output.show(&forgotten, |forgotten| {
        let count = forgotten.destroyed.len();
        let mut text = format!(
            "{count} of {} guardians' nodes have destroyed their share. ",
            forgotten.guardians
        );
        text.push_str(match count >= usize::from(forgotten.guardians) {
            true => "That is all of them.",
            false => {
                "The others do so when they hear of it; `x0 sublime show ITEM` and `x0 sublime list` tell how many have said so."
            }
        });
        text.push(' ');
        text.push_str(&staying(&forgotten.stays_on));
        text.trim_end().to_owned()
    })
}

/// Says the word that has an item forgotten, and returns whose nodes have destroyed their share.
pub(super) async fn say(
    client: &Client,
    item: &ItemView,
    word: &[u8],
) -> Result<Vec<String>, CliError> {
    let body = ForgetBody {
        word: BASE64.encode(word),
    };
    let _: RecordedView = client.post("/v1/sublime/forget", &body).await?;
    wait(client, item).await
}

/// Says on which tiers sealed content stays, if it does on any.
pub(super) fn staying(tiers: &[String]) -> String {
    match tiers.is_empty() {
        true => String::new(),
        false => format!(
            "The sealed content stays on {}: nothing makes it go away there. ",
            tiers.join(" and ")
        ),
    }
}

/// Reads the word by which an item of this node can be forgotten.
///
/// # Errors
///
/// Returns that it was not put here, or that the word cannot be read.
pub(super) fn read_word(context: &Context, item: &ItemView) -> Result<Vec<u8>, CliError> {
    let path = forget_path(context, &item.key)?;
    match fs::read(&path) {
        Ok(word) => Ok(word),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(CliError::Failed(format!(
            "{} is not there: only who put the item can have it forgotten, on the node where it was put",
            path.display()
        ))),
        Err(cause) => Err(on_file(&path, &cause)),
    }
}

/// Waits until all guardians' nodes have said that they destroyed their share, or it takes too long.
async fn wait(client: &Client, item: &ItemView) -> Result<Vec<String>, CliError> {
    let began = Instant::now();
    loop {
        let view: SublimeView = client.get("/v1/sublime").await?;
        let known = view.forgotten.into_iter();
        let mut own = known.filter(|ForgottenView { key, .. }| *key == item.key);
        let destroyed = own.next().map(|known| known.destroyed).unwrap_or_default();
        if destroyed.len() >= usize::from(item.guardians) || began.elapsed() > WAIT {
            return Ok(destroyed);
        }
        sleep(LOOKED_EVERY).await;
    }
}
