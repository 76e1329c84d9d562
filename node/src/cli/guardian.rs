//! `x0 guardian`: a member's consent to keep shares of others' items, how it comes about, and whether it could be kept.

use std::time::Duration;

use clap::{Args, Subcommand};
use x0_crypto::PublicKey;

use super::{
    Context,
    error::CliError,
    output::{Facts, Table, date},
};
use crate::{
    api::{
        guardians::{
            AcceptBody, DeclineBody, DrillView, DrillsView, GuardiansView, InvitationView,
            InviteBody, ToldDrillView,
        },
        sublime::{ServeBody, SublimeView},
        view::{DoneView, RecordedView},
    },
    identity,
};

/// How often is looked how far a drill is.
const LOOKED_EVERY: Duration = Duration::from_millis(300);

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
    /// List the members who serve, and when each last tried what it keeps
    #[command(
        after_help = "What a drill found is the word of the guardian's own node: it tells who looks after what it keeps, and proves \
                      nothing.\n\n\
                      Example:\n  x0 guardian list"
    )]
    List,
    /// Ask another member to serve as a guardian
    #[command(
        after_help = "The invitation goes over the link to that member's node, which has to run; nobody else sees it. It stands for \
                      30 days, answered or not, and 64 stand at a time. The member answers by `x0 guardian accept` or `decline`; \
                      `x0 guardian invitations --sent` and `x0 events` show the answer.\n\n\
                      Example:\n  x0 guardian invite 12D3KooW… --why 'we are two, and it takes three'"
    )]
    Invite(InviteArgs),
    /// List the invitations to serve that came, or with `--sent` those made from here
    #[command(
        after_help = "Examples:\n  x0 guardian invitations\n  x0 guardian invitations --sent"
    )]
    Invitations {
        /// Those made from here, with their answers
        #[arg(long)]
        sent: bool,
    },
    /// Serve as a guardian, as this member was invited to; whoever has invited it is told
    #[command(
        after_help = "This is `x0 guardian serve`, and an answer. What serving means stands there: `x0 guardian serve --help`.\n\n\
                      Examples:\n  x0 guardian accept\n  x0 guardian accept 12D3KooW…"
    )]
    Accept {
        /// Who has invited; without it, whoever has
        member: Option<PublicKey>,
    },
    /// Decline an invitation; whoever has made it is told, and cannot repeat it for 30 days
    #[command(after_help = "Example:\n  x0 guardian decline 12D3KooW…")]
    Decline {
        /// Who has invited
        member: PublicKey,
    },
    /// Try whether every share kept here opens and is right, and whether its content is there
    #[command(
        after_help = "Each share is opened and checked against what is in force, and of each content a sample drawn at random is read. \
                      The shares go nowhere. Then the mesh is told how many are good, once a day. With a fault the command ends \
                      with an error, so that a timer can watch it.\n\n\
                      Examples:\n  x0 guardian drill\n  x0 guardian drill --last"
    )]
    Drill {
        /// Show what the last drill since the node's start found, and begin none
        #[arg(long)]
        last: bool,
    },
}

/// Whom to invite.
#[derive(Debug, Args)]
pub(super) struct InviteArgs {
    /// Who
    member: PublicKey,
    /// Why, in words for that member alone
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
}

/// Answers a command about guardians.
pub(super) async fn answer(context: &Context, command: GuardianCommand) -> Result<(), CliError> {
    match command {
        GuardianCommand::Serve => serve(context, true).await,
        GuardianCommand::Leave => serve(context, false).await,
        GuardianCommand::Show => show(context).await,
        GuardianCommand::List => list(context).await,
        GuardianCommand::Invite(args) => invite(context, args).await,
        GuardianCommand::Invitations { sent } => invitations(context, sent).await,
        GuardianCommand::Accept { member } => accept(context, member).await,
        GuardianCommand::Decline { member } => decline(context, member).await,
        GuardianCommand::Drill { last } => drill(context, last).await,
    }
}

async fn serve(context: &Context, serves: bool) -> Result<(), CliError> {
    let body = ServeBody { serves };
    let said: RecordedView = context
        .client()?
        .post("/v1/sublime/guardian", &body)
        .await?;
    if serves {
        note_open_disk(context);
    }
    context.output.show(&said, |_| match serves {
        true => "This node serves as a guardian: it can be drawn from now on.".to_owned(),
        false => "This node is drawn no longer. Its shares are dealt on to others; leave it running until `x0 guardian show` \
                  lists none."
            .to_owned(),
    })
}

fn note_open_disk(context: &Context) {
    if !identity::is_sealed(&context.data_dir).unwrap_or(true) {
        context.output.note(
            "The identity of this node is stored without a passphrase: whoever takes this disk can open the shares that you \
             will keep. `x0 identity passphrase` seals it.",
        );
    }
}

async fn accept(context: &Context, member: Option<PublicKey>) -> Result<(), CliError> {
    let client = context.client()?;
    let said: RecordedView = client
        .post("/v1/sublime/invitations/accept", &AcceptBody { member })
        .await?;
    note_open_disk(context);
    context.output.show(&said, |_| {
        "This node serves as a guardian: it can be drawn from now on. Whoever has invited it is told.".to_owned()
    })
}

async fn decline(context: &Context, member: PublicKey) -> Result<(), CliError> {
    let client = context.client()?;
    let said: DoneView = client
        .post("/v1/sublime/invitations/decline", &DeclineBody { member })
        .await?;
    context.output.show(&said, |said| sentence(&said.done))
}

async fn invite(context: &Context, args: InviteArgs) -> Result<(), CliError> {
    let InviteArgs { member, why } = args;
    let client = context.client()?;
    let said: DoneView = client
        .post("/v1/sublime/invitations", &InviteBody { member, why })
        .await?;
    context.output.show(&said, |said| {
        format!(
            "{} `x0 guardian invitations --sent` shows the answer.",
            sentence(&said.done)
        )
    })
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}

async fn list(context: &Context) -> Result<(), CliError> {
    let view: GuardiansView = context.client()?.get("/v1/sublime/guardians").await?;
    context.output.show(&view, |view| {
        let mut table = Table::new(["guardian", "last drill"]);
        for serving in &view.serving {
            table.row([serving.member.clone(), told(serving.drilled)]);
        }
        match table.is_empty() {
            true => "No member serves: `x0 guardian serve` has this one serve, `x0 guardian invite MEMBER` asks another."
                .to_owned(),
            false => table.text(),
        }
    })
}

fn told(drilled: Option<ToldDrillView>) -> String {
    match drilled {
        None => "never told".to_owned(),
        Some(ToldDrillView {
            time_ms,
            shares,
            good,
        }) => format!("{}: {good} of {shares} shares good", date(time_ms)),
    }
}

async fn invitations(context: &Context, sent: bool) -> Result<(), CliError> {
    let view: GuardiansView = context.client()?.get("/v1/sublime/guardians").await?;
    let (shown, side, none) = match sent {
        true => (
            view.made,
            "to",
            "Nobody was invited from here: `x0 guardian invite MEMBER` asks somebody.",
        ),
        false => (view.received, "from", "No invitation came."),
    };
    context.output.show(&shown, |shown| {
        let mut table = Table::new([side, "since", "answer", "why"]);
        for invitation in shown {
            table.row([
                invitation.member.clone(),
                date(invitation.since_ms),
                answered(invitation).to_owned(),
                invitation.why.clone(),
            ]);
        }
        match table.is_empty() {
            true => none.to_owned(),
            false => table.text(),
        }
    })
}

const fn answered(invitation: &InvitationView) -> &'static str {
    match invitation.serves {
        None => "none yet",
        Some(true) => "serves",
        Some(false) => "declined",
    }
}

async fn drill(context: &Context, last: bool) -> Result<(), CliError> {
    let client = context.client()?;
    let mut view: DrillsView = match last {
        true => client.get("/v1/sublime/drill").await?,
        false => client.post("/v1/sublime/drill", &()).await?,
    };
    while view.runs && !last {
        tokio::time::sleep(LOOKED_EVERY).await;
        view = client.get("/v1/sublime/drill").await?;
    }
    let Some(found) = view.last else {
        let none = "no drill has come to its end since the node was started: `x0 guardian drill` begins one";
        return Err(CliError::Failed(none.to_owned()));
    };
    context.output.show(&found, drilled)?;
    match found.trouble.is_none() && found.good == found.owed {
        true => Ok(()),
        // What is wrong stands in the output.
        false => Err(CliError::Said),
    }
}

fn drilled(found: &DrillView) -> String {
    if let Some(trouble) = &found.trouble {
        return format!("Nothing could be tried: {trouble}");
    }
    let mut table = Table::new(["item", "epoch", "share", "took", "found"]);
    for share in &found.shares {
        let item = share.item.clone();
        table.row([
            item.unwrap_or_else(|| format!("key {}", share.key)),
            share.epoch.to_string(),
            share.index.to_string(),
            format!("{} ms", share.took_ms),
            share.fault.clone().unwrap_or_else(|| "good".to_owned()),
        ]);
    }
    let mut text = match table.is_empty() {
        true => String::new(),
        false => format!("{}\n\n", table.text()),
    };
    let (good, owed, took) = (found.good, found.owed, found.took_ms);
    text.push_str(&match owed {
        0 => "This node keeps no share that others rely on.".to_owned(),
        _ => format!("{good} of {owed} shares are good; {took} ms."),
    });
    text.push_str(&match &found.not_told {
        None => " The mesh is told.".to_owned(),
        Some(why) => format!(" The mesh is not told: {why}"),
    });
    text
}

async fn show(context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    let view: SublimeView = client.get("/v1/sublime").await?;
    let guardians: GuardiansView = client.get("/v1/sublime/guardians").await?;
    let open = guardians.received.iter();
    let open = open.filter(|invitation| invitation.serves.is_none());
    let open = open.count();
    if open > 0 && !view.serves {
        context.output.note(&format!(
            "{open} members have invited this one to serve: `x0 guardian invitations` lists them.",
        ));
    }
    context.output.show(&view, |view| {
        let mut facts = Facts::default();
        facts
            .add("serves", if view.serves { "yes" } else { "no" })
            .add("members who serve", view.serving)
            .add("shares kept", view.shares_kept.len())
            .add("last drill", told(guardians.drilled))
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
