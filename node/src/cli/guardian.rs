//! `x0 guardian`: a member's consent to keep shares of others' items.

use clap::Subcommand;

use super::{
    Context,
    error::CliError,
    output::{Facts, Table},
};
use crate::{
    api::{
        sublime::{ServeBody, SublimeView},
        view::RecordedView,
    },
    identity,
};

#[derive(Debug, Subcommand)]
pub(super) enum GuardianCommand {
    /// Serve as a guardian: this node can be drawn to keep shares and content of others' items
    #[command(
        after_help = "A guardian's node keeps one sealed share of an item's key, and its encrypted content. It releases the share \
                      to whom a vote has granted the item, by itself, and to nobody else; a few guardians and the committee \
                      together open an item, and a guardian alone sees nothing of it.\n\n\
                      The key that shares are sealed to stands in this node's data directory, sealed for its identity: seal \
                      that with a passphrase (`x0 identity passphrase`), or whoever takes this disk has your shares.\n\n\
                      Example:\n  x0 guardian serve"
    )]
    Serve,
    /// Be drawn no longer; the shares kept here are dealt on to others, and then destroyed
    #[command(
        after_help = "The node asks the seats to have its shares dealt on. Until that is done it keeps them, releases as before, and \
                      has to stay reachable: `x0 guardian show` tells how many are left.\n\n\
                      Example:\n  x0 guardian leave"
    )]
    Leave,
    /// Show whether this node serves, and the shares that it keeps
    #[command(after_help = "Example:\n  x0 guardian show")]
    Show,
}

/// Answers a command about guardians.
pub(super) async fn answer(context: &Context, command: GuardianCommand) -> Result<(), CliError> {
    match command {
        GuardianCommand::Serve => serve(context, true).await,
        GuardianCommand::Leave => serve(context, false).await,
        GuardianCommand::Show => show(context).await,
    }
}

async fn serve(context: &Context, serves: bool) -> Result<(), CliError> {
    let body = ServeBody { serves };
    let said: RecordedView = context
        .client()?
        .post("/v1/sublime/guardian", &body)
        .await?;
    if serves && !identity::is_sealed(&context.data_dir).unwrap_or(true) {
        context.output.note(
            "The identity of this node is stored without a passphrase: whoever takes this disk can open the shares that you \
             will keep. `x0 identity passphrase` seals it.",
        );
    }
    context.output.show(&said, |_| match serves {
        true => "This node serves as a guardian: it can be drawn from now on.".to_owned(),
        false => "This node is drawn no longer. Its shares are dealt on to others; leave it running until `x0 guardian show` \
                  lists none."
            .to_owned(),
    })
}

async fn show(context: &Context) -> Result<(), CliError> {
    let view: SublimeView = context.client()?.get("/v1/sublime").await?;
    context.output.show(&view, |view| {
        let mut facts = Facts::default();
        facts
            .add("serves", if view.serves { "yes" } else { "no" })
            .add("members who serve", view.serving)
            .add("shares kept", view.shares_kept.len())
            .add(
                "content held",
                format!("{} bytes in {} blocks", view.held_bytes, view.held_blocks),
            );
        let mut table = Table::new(["key of the item", "epoch", "share", "for"]);
        for share in &view.shares_kept {
            table.row([
                share.item_key.clone(),
                share.epoch.to_string(),
                share.index.to_string(),
                share
                    .owner
                    .clone()
                    .unwrap_or_else(|| "dealt on to this node".to_owned()),
            ]);
        }
        match table.is_empty() {
            true => facts.text(),
            false => format!("{}\n\n{}", facts.text(), table.text()),
        }
    })
}
