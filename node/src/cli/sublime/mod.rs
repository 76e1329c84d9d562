//! `x0 sublime`: content that guardians and the committee keep shut until a vote opens it.
//!
//! This program seals and opens; the node only ever carries what is sealed. `draft` keeps what a put needs to go on after an
//! interruption, `put` and `get` are the two ways, `unfinished` ends puts that broke off, `outcome` is what a put came to,
//! `uploads` and `answers` what passes between program and node, `card` is the recovery card, `replacing` puts one item in
//! place of another, `trustees` and `recovering` are for an owner who lost every device, `show` and `repair` tell of what keeps
//! an item alive, this file has the commands around them.

mod answers;
mod card;
mod draft;
mod forget;
mod get;
mod outcome;
mod put;
mod recovering;
mod repair;
mod replacing;
mod safety;
mod show;
mod trustees;
mod unfinished;
mod uploads;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use data_encoding::BASE64;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use x0_crypto::{ContentId, sublime::HybridSecret};
use x0_protocol::core::limits::ACCESS_WINDOW_MIN;
use zeroize::Zeroizing;

use super::{
    Context,
    client::Client,
    error::CliError,
    output::{Output, Table, date},
};
use crate::{
    api::{
        sublime::{AccessView, ForgottenView, ItemView, RequestBody, SublimeView},
        view::RecordedView,
        votes::{ProposeVoteBody, VotedView},
    },
    identity::write_private,
    sublime::DIR,
};

/// How often a bar is drawn.
const DRAWN_HZ: u8 = 5;

#[derive(Debug, Subcommand)]
pub(super) enum SublimeCommand {
    Put(put::PutArgs),
    Request(RequestArgs),
    Get(get::GetArgs),
    Recover(recovering::RecoverArgs),
    Recoveries(recovering::RecoveriesArgs),
    Attest(recovering::AttestArgs),
    Rotate(RotateArgs),
    Forget(forget::ForgetArgs),
    Show(show::ShowArgs),
    Repair(repair::RepairArgs),
    /// Check, renew and revoke recovery cards: the paper by which an item opens in an emergency
    #[command(subcommand)]
    Card(card::CardCommand),
    /// List the items and requests known here
    #[command(
        after_help = "Titles are sealed with the content: whoever has not opened an item sees its name only.\n\n\
                      Example:\n  x0 sublime list"
    )]
    List,
}

/// Ask for an item: opens a vote of all members, and once it has passed guardians and seats release
#[derive(Debug, Args)]
#[command(
    after_help = "A key is made for this request alone and stays in this node's data directory; what is released opens with \
                  it and with nothing else. The vote runs for 72 hours. A denial is final for the request; ask again by a new one.\n\n\
                  Example:\n  x0 sublime request bafyrei… --why 'the well is dry, and the map is in it'"
)]
pub(super) struct RequestArgs {
    /// The item
    item: ContentId,
    /// Why, in words for everyone who votes
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Make the request only, and propose the vote later by `x0 vote propose --subject REQUEST`
    #[arg(long)]
    no_vote: bool,
}

/// Have an item's shares dealt on to other guardians before six months are over: opens a vote of all members
#[derive(Debug, Args)]
#[command(
    after_help = "Shares are dealt on by themselves every six months, when a guardian leaves, and when one is a member no more. A vote does it at once, for example \
                  after guardians' machines were taken. The key is not put together for that, and what was released before stays \
                  released. Guardians who keep a copy of their old share can open the item for ever with the committee's part: \
                  `x0 sublime put FILE --replaces ITEM` puts the file anew if you fear that.\n\n\
                  Example:\n  x0 sublime rotate bafyrei… --why 'two guardians were searched'"
)]
pub(super) struct RotateArgs {
    /// The item
    item: ContentId,
    /// Why, in words for everyone who votes
    #[arg(long, value_name = "TEXT")]
    why: String,
}

/// What came of asking for a rotation.
#[derive(serde::Serialize)]
struct RotationAsked {
    vote: String,
    subject: String,
    epoch: u32,
}

async fn rotate(context: &Context, args: RotateArgs) -> Result<(), CliError> {
    let client = context.client()?;
    let view: SublimeView = client.get("/v1/sublime").await?;
    let name = args.item.to_string();
    let item = view.items.into_iter().find(|item| item.item == name);
    let item = item.ok_or_else(|| {
        CliError::Usage(format!(
            "no item {name} is known here: `x0 sublime list` lists those known"
        ))
    })?;
    let text = format!(
        "Deal on the shares of item {}: {}",
        args.item.short(),
        args.why
    );
    let vote = propose(&client, &text, &item.rotation_subject).await?;
    let asked = RotationAsked {
        vote,
        subject: item.rotation_subject,
        epoch: item.epoch,
    };
    context.output.show(&asked, |asked| {
        format!(
            "vote {}\n\nMembers vote for 72 hours. Once it has passed and its challenge time is over, new guardians are drawn and the \
             shares of epoch {} are dealt on to them: `x0 sublime list` shows the epoch.",
            asked.vote, asked.epoch
        )
    })
}

/// Opens a vote of all members, as long as one that opens an item has to be.
async fn propose(client: &Client, text: &str, subject: &str) -> Result<String, CliError> {
    let body = ProposeVoteBody {
        text: text.chars().take(280).collect(),
        subject: Some(subject.to_owned()),
        emergency: false,
        window_secs: Some(ACCESS_WINDOW_MIN.0 / 1_000),
        quorum_percent: None,
        threshold_percent: None,
        changeable: false,
        sealed: false,
    };
    let voted: VotedView = client.post("/v1/votes", &body).await?;
    Ok(voted.id)
}

/// Answers a command about Sublime.
pub(super) async fn answer(context: &Context, command: SublimeCommand) -> Result<(), CliError> {
    match command {
        SublimeCommand::Put(args) => put::put(context, args).await,
        SublimeCommand::Request(args) => request(context, args).await,
        SublimeCommand::Get(args) => get::get(context, args).await,
        SublimeCommand::Recover(args) => recovering::recover(context, args).await,
        SublimeCommand::Recoveries(args) => recovering::recoveries(context, args).await,
        SublimeCommand::Attest(args) => recovering::attest(context, args).await,
        SublimeCommand::Rotate(args) => rotate(context, args).await,
        SublimeCommand::Forget(args) => forget::forget(context, args).await,
        SublimeCommand::Show(args) => show::show(context, args).await,
        SublimeCommand::Repair(args) => repair::repair(context, args).await,
        SublimeCommand::Card(command) => card::answer(context, command).await,
        SublimeCommand::List => list(context).await,
    }
}

/// What came of a request.
#[derive(serde::Serialize)]
struct Requested {
    request: String,
    vote: Option<String>,
}

/// Asks for an item with a key made for that, which is kept; returns the request's name.
async fn ask_for(
    context: &Context,
    client: &Client,
    (item, why): (ContentId, &str),
    by_trustees: bool,
) -> Result<String, CliError> {
    let mut seed = Zeroizing::new([0; 32]);
    random(&mut seed)?;
    let secret = HybridSecret::from_seed(seed);
    let body = RequestBody {
        item,
        key: BASE64.encode(&secret.public().to_bytes()),
        why: why.to_owned(),
        by_trustees,
    };
    let written: RecordedView = client.post("/v1/sublime/requests", &body).await?;
    let path = key_path(context, &written.id)?;
    write_private(&path, secret.seed().as_slice())
        .map_err(|error| CliError::Failed(error.to_string()))?;
    Ok(written.id)
}

async fn request(context: &Context, args: RequestArgs) -> Result<(), CliError> {
    let client = context.client()?;
    let request = ask_for(context, &client, (args.item, &args.why), false).await?;
    let vote = match args.no_vote {
        true => None,
        false => {
            let text = format!("Open item {}: {}", args.item.short(), args.why);
            Some(propose(&client, &text, &request).await?)
        }
    };
    let requested = Requested { request, vote };
    context.output.show(&requested, |requested| match &requested.vote {
        Some(vote) => format!(
            "request {}\nvote    {vote}\n\nMembers vote for 72 hours. Once it has passed: x0 sublime get {} --request {} --out FILE",
            requested.request, args.item, requested.request
        ),
        None => format!("request {}", requested.request),
    })
}

/// Says how often an item was dealt on, and how it goes on.
fn dealt_on(view: &SublimeView, item: &ItemView) -> String {
    let of_item = |known: &&ForgottenView| known.key == item.key;
    if item.forgotten {
        return match view.forgotten.iter().find(of_item) {
            Some(known) => format!(
                "forgotten, {} of {} shares destroyed",
                known.destroyed.len(),
                item.guardians
            ),
            None => "forgotten".to_owned(),
        };
    }
    match view.rotations.iter().any(|open| open.key == item.key) {
        true => format!("{} times, now", item.epoch),
        false => format!("{} times, due {}", item.epoch, date(item.rotation_due_ms)),
    }
}

async fn list(context: &Context) -> Result<(), CliError> {
    let view: SublimeView = context.client()?.get("/v1/sublime").await?;
    context.output.show(&view, |view| {
        let mut items = Table::new(["item", "put", "size", "opens with", "dealt on"]);
        for item in &view.items {
            items.row([
                item.item.clone(),
                date(item.time_ms),
                format!("{} × 256 KiB", item.chunks),
                format!("{} of {} guardians", item.shares_needed, item.guardians),
                dealt_on(view, item),
            ]);
        }
        let mut requests = Table::new(["request", "stands", "item", "by", "why"]);
        for request in &view.requests {
            let AccessView {
                request,
                item,
                by,
                why,
                standing,
                ..
            } = request;
            requests.row([request, standing, item, by, why].map(Clone::clone));
        }
        let mut text = match items.is_empty() {
            true => "No item is known here: `x0 sublime put FILE` puts one.".to_owned(),
            false => items.text(),
        };
        if !requests.is_empty() {
            text.push_str("\n\n");
            text.push_str(&requests.text());
        }
        text
    })
}

/// Returns the folder of this program's own files, made for its user alone.
fn own_dir(context: &Context, name: &str) -> Result<PathBuf, CliError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let dir = context.data_dir.join(DIR).join(name);
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir);
    made.map_err(|cause| CliError::Failed(format!("{} cannot be made: {cause}", dir.display())))?;
    Ok(dir)
}

/// Returns where the word by which an item can be forgotten stands.
fn forget_path(context: &Context, key: &str) -> Result<PathBuf, CliError> {
    Ok(own_dir(context, "forget")?.join(format!("{key}.word")))
}

/// Returns where the word by which an item's recovery card can be revoked stands.
fn revoke_path(context: &Context, key: &str) -> Result<PathBuf, CliError> {
    Ok(own_dir(context, "revoke")?.join(format!("{key}.word")))
}

/// Returns where the key of a request stands.
fn key_path(context: &Context, request: &str) -> Result<PathBuf, CliError> {
    Ok(own_dir(context, "requests")?.join(format!("{request}.key")))
}

fn random(bytes: &mut [u8; 32]) -> Result<(), CliError> {
    getrandom::fill(bytes).map_err(|cause| {
        CliError::Failed(format!(
            "the operating system gave no random bytes: {cause}"
        ))
    })
}

/// A bar over so many bytes, if a person watches.
fn bar(output: Output, bytes: u64, what: &'static str) -> ProgressBar {
    let style = "{msg:9} [{bar:32}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    let bar = styled(output, bytes, style);
    bar.set_message(what);
    bar
}

/// A bar over so many steps, if a person watches; its message says of what.
fn steps(output: Output, count: u64) -> ProgressBar {
    styled(output, count, "[{bar:32}] {pos} of {len} {msg}")
}

fn styled(output: Output, length: u64, style: &str) -> ProgressBar {
    let target = match output.is_watched() {
        true => ProgressDrawTarget::stderr_with_hz(DRAWN_HZ),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    let style = ProgressStyle::with_template(style);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Reports a failure on a file.
fn on_file(path: &std::path::Path, cause: &std::io::Error) -> CliError {
    CliError::Failed(format!("{}: {cause}", path.display()))
}
