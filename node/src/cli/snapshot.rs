//! `x0 snapshot`: votes that are held on Snapshot. Needs no running node, and asks nobody unless a hub is named.

use std::{
    io::Read as _,
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::{
    Context,
    error::CliError,
    output::{Facts, Table, date},
};
use crate::{
    ethereum_key::EthereumKey,
    snapshot::{
        check::{self, Account},
        envelope::Envelope,
        hub::{Gateway, Hub, ToldProposal},
        message::{Choice, Message, Proposal, Vote},
        sequencer,
    },
    web::Web,
};

/// The file of the key, in the data directory.
const KEY_FILE: &str = "snapshot.key";
/// Longest text of a proposal, characters.
const BODY_CHARS_MAX: usize = 20_000;
/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum SnapshotCommand {
    /// List the newest proposals of a space
    #[command(
        after_help = "Example:\n  x0 snapshot proposals garden.eth --hub https://hub.example.org"
    )]
    Proposals {
        /// The space
        space: String,
        /// Only those in this state
        #[arg(long)]
        state: Option<State>,
        #[command(flatten)]
        hub: HubPlace,
    },
    /// Check the signature of a proposal and of every ballot, and count the choices of those that stand
    ///
    /// The hub is not believed: a ballot counts if its envelope is signed by its voter and holds the choice that the hub
    /// tells. Weights are the hub's own look at a chain and are not counted here.
    #[command(
        after_help = "Example:\n  x0 snapshot ballots 0xab… --hub https://hub.example.org --gateway https://ipfs.example.org --json"
    )]
    Ballots {
        /// The proposal
        proposal: String,
        #[command(flatten)]
        hub: HubPlace,
        #[command(flatten)]
        gateway: GatewayPlace,
    },
    /// Make a key of its own to vote and propose with, and print its address
    #[command(after_help = "Example:\n  x0 snapshot new-key")]
    NewKey(KeyPlace),
    /// Print the address that the key votes for
    #[command(after_help = "Example:\n  x0 snapshot address")]
    Address(KeyPlace),
    /// Sign a vote and hand it in
    ///
    /// Only on a proposal that its author has signed with just these options: the hub is not believed. It is public: a vote, its reason and the address it is signed with can be read by all and not be recalled.
    #[command(
        after_help = "Examples:\n  x0 snapshot cast 0xab… 1 --hub https://hub.example.org --gateway https://ipfs.example.org \\\n      --sequencer https://seq.example.org\n  x0 snapshot cast 0xab… 1:2,3:1 …   (weights)"
    )]
    Cast {
        /// The proposal
        proposal: String,
        /// The option, or 1,3 (approval, best first in ranked choice), or 1:2,3:1 (weights)
        choice: String,
        /// Why, for all to read
        #[arg(long, default_value = "")]
        reason: String,
        /// Show what would be signed and handed in, and stop
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        key: KeyPlace,
        #[command(flatten)]
        sequencer: SequencerPlace,
        #[command(flatten)]
        hub: HubPlace,
        #[command(flatten)]
        gateway: GatewayPlace,
    },
    Propose(ProposeArgs),
}

/// Sign a proposal and hand it in
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  x0 snapshot propose garden.eth --title \"A second well\" --body-file well.md --choice For --choice Against \\\n      --block 21000000 --sequencer https://seq.example.org"
)]
pub(super) struct ProposeArgs {
    /// The space
    space: String,
    /// The title
    #[arg(long)]
    title: String,
    /// A file with the text, Markdown; - for standard input
    #[arg(long, value_name = "FILE")]
    body_file: PathBuf,
    /// An option to choose; at least two
    #[arg(long = "choice", value_name = "TEXT", required = true)]
    choices: Vec<String>,
    /// The way of voting
    #[arg(long, default_value = "single-choice")]
    kind: Kind,
    /// How long voting is open, from now
    #[arg(long, default_value = "72h")]
    window: super::args::Span,
    /// The block of the chain by whose state the hub counts weights
    #[arg(long)]
    block: u64,
    /// Where it is discussed
    #[arg(long, default_value = "")]
    discussion: String,
    /// Show what would be signed and handed in, and stop
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    key: KeyPlace,
    #[command(flatten)]
    sequencer: SequencerPlace,
}

/// Whom to ask. There is no default: whoever is asked learns this machine's address and what it asks.
#[derive(Debug, Args)]
pub(super) struct HubPlace {
    /// The hub to ask: it learns your network address and what you ask; there is no default
    #[arg(long, env = "X0_SNAPSHOT_HUB", value_name = "URL")]
    hub: String,
}

/// Where the signed envelopes are.
#[derive(Debug, Args)]
pub(super) struct GatewayPlace {
    /// The IPFS gateway that has the signed envelopes; best not of the hub's own operator
    #[arg(long, env = "X0_SNAPSHOT_GATEWAY", value_name = "URL")]
    gateway: String,
}

/// Where own messages are handed in.
#[derive(Debug, Args)]
pub(super) struct SequencerPlace {
    /// The sequencer to hand in to
    #[arg(
        long,
        env = "X0_SNAPSHOT_SEQUENCER",
        value_name = "URL",
        required_unless_present = "dry_run"
    )]
    sequencer: Option<String>,
}

/// The key to sign with.
#[derive(Debug, Args)]
pub(super) struct KeyPlace {
    /// File of the key: 64 hexadecimal digits, readable by its owner only [default: snapshot.key in the data directory]
    #[arg(long = "key", value_name = "FILE")]
    file: Option<PathBuf>,
}

/// The state of a proposal.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum State {
    Pending,
    Active,
    Closed,
}

/// The way of voting.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Kind {
    SingleChoice,
    Basic,
    Approval,
    RankedChoice,
    Weighted,
    Quadratic,
}

#[derive(Serialize)]
struct AddressView {
    address: String,
}

#[derive(Serialize)]
struct CheckedView {
    proposal: ToldProposal,
    /// What is wrong with the proposal's own signature, if anything.
    proposal_fault: Option<String>,
    ballots: Account,
}

pub(super) async fn answer(context: &Context, command: SnapshotCommand) -> Result<(), CliError> {
    match command {
        SnapshotCommand::Proposals { space, state, hub } => {
            proposals(context, &space, state, &hub).await
        }
        SnapshotCommand::Ballots {
            proposal,
            hub,
            gateway,
        } => ballots(context, &proposal, &hub, &gateway).await,
        SnapshotCommand::NewKey(place) => {
            let path = place.path(context);
            let key = EthereumKey::create(&path)?;
            context.output.note(&format!(
                "The key is in {}. Whoever has it votes in your place: back it up.",
                path.display()
            ));
            show_address(context, &key)
        }
        SnapshotCommand::Address(place) => show_address(context, &place.open(context)?),
        SnapshotCommand::Cast {
            proposal,
            choice,
            reason,
            dry_run,
            key,
            sequencer,
            hub,
            gateway,
        } => {
            let key = key.open(context)?;
            let web = Web::new()?;
            let told = hub.open(&web)?.proposal(&proposal).await?;
            let gateway = Gateway::new(&web, &gateway.gateway)?;
            if let Err(fault) = check::proposal(&gateway, &told).await? {
                return Err(CliError::Failed(format!(
                    "nothing was signed, for it is not shown that the author signed this proposal with these options: {}",
                    printable(&fault)
                )));
            }
            let vote = vote(&key, &told, &choice, &reason)?;
            hand_in(
                context,
                &web,
                &key,
                Message::Vote(vote),
                sequencer.sequencer.as_deref(),
                dry_run,
            )
            .await
        }
        SnapshotCommand::Propose(args) => propose(context, args).await,
    }
}

impl KeyPlace {
    fn path(&self, context: &Context) -> PathBuf {
        self.file
            .clone()
            .unwrap_or_else(|| context.data_dir.join(KEY_FILE))
    }

    fn open(&self, context: &Context) -> Result<EthereumKey, CliError> {
        Ok(EthereumKey::open(&self.path(context))?)
    }
}

impl HubPlace {
    fn open<'a>(&self, web: &'a Web) -> Result<Hub<'a>, CliError> {
        let api_key = std::env::var("X0_SNAPSHOT_API_KEY").ok();
        let api_key = api_key.filter(|key| !key.is_empty());
        Ok(Hub::new(web, &self.hub, api_key)?)
    }
}

fn show_address(context: &Context, key: &EthereumKey) -> Result<(), CliError> {
    let view = AddressView {
        address: key.address().to_checksum(None),
    };
    context.output.show(&view, |view| view.address.clone())
}

async fn proposals(
    context: &Context,
    space: &str,
    state: Option<State>,
    hub: &HubPlace,
) -> Result<(), CliError> {
    let web = Web::new()?;
    let state = state.as_ref().and_then(ValueEnum::to_possible_value);
    let state = state.as_ref().map(clap::builder::PossibleValue::get_name);
    let found = hub.open(&web)?.proposals(space, state).await?;
    context.output.show(&found, |found| {
        let mut table = Table::new(["proposal", "state", "ends", "title"]);
        for told in found {
            table.row([
                printable(&told.id),
                printable(told.state.as_deref().unwrap_or_default()),
                date(told.end.saturating_mul(1_000)),
                printable(&told.title),
            ]);
        }
        if table.is_empty() {
            return format!("The hub knows no proposal of {}.", printable(space));
        }
        table.text()
    })
}

async fn ballots(
    context: &Context,
    proposal: &str,
    hub: &HubPlace,
    gateway: &GatewayPlace,
) -> Result<(), CliError> {
    let web = Web::new()?;
    let hub = hub.open(&web)?;
    let gateway = Gateway::new(&web, &gateway.gateway)?;
    let told = hub.proposal(proposal).await?;
    let proposal_fault = check::proposal(&gateway, &told).await?.err();
    let mut progress = Progress::new(context);
    let found = hub
        .ballots(proposal, |count| {
            progress.tell(|| format!("{count} ballots read"))
        })
        .await?;
    let all = found.len();
    let ballots = check::ballots(&gateway, &told, &found, |done| {
        progress.tell(|| format!("{done} of {all} ballots checked"));
    })
    .await?;
    let view = CheckedView {
        proposal: told,
        proposal_fault,
        ballots,
    };
    context.output.show(&view, checked_text)
}

fn checked_text(view: &CheckedView) -> String {
    let (told, account) = (&view.proposal, &view.ballots);
    let mut facts = Facts::default();
    let signed_by = match &view.proposal_fault {
        None => format!("signed by {}", told.author),
        Some(fault) => format!("NOT SHOWN to be signed by {}: {fault}", told.author),
    };
    facts
        .add("proposal", printable(&told.title))
        .add("", printable(&signed_by))
        .add("ballots", format!("{} told by the hub", account.told))
        .add("signed", format!("{} by their voters", account.signed))
        .add(
            "by contracts",
            format!(
                "{}, which only the chain can confirm: not counted",
                account.by_contracts
            ),
        )
        .add("faulty", format!("{}, not counted", account.faulty));
    if told.is_hidden() {
        facts.add(
            "choices",
            "sealed by their voters: what the hub opened them to cannot be checked here",
        );
    }
    let mut text = facts.text();
    let mut table = Table::new(["voters", "choice"]);
    let mut choices: Vec<_> = account.choices.iter().collect();
    choices.sort_by_key(|(choice, voters)| (std::cmp::Reverse(**voters), (*choice).clone()));
    for (choice, voters) in choices {
        table.row([voters.to_string(), named(told, choice)]);
    }
    if !table.is_empty() {
        text.push_str("\nOne voter counts once. Weights are the hub's word and are left out.\n");
        text.push_str(&table.text());
    }
    for (ballot, fault) in &account.faults {
        text.push_str(&format!("\n{}: {}", printable(ballot), printable(fault)));
    }
    text
}

/// Writes a choice with the words of its option, where it is one.
fn named(told: &ToldProposal, choice: &str) -> String {
    let place = choice
        .parse::<usize>()
        .ok()
        .and_then(|option| option.checked_sub(1));
    let words = place.and_then(|place| told.choices.get(place)?.as_deref());
    match words {
        Some(words) => printable(&format!("{choice} {words}")),
        None => printable(choice),
    }
}

fn vote(
    key: &EthereumKey,
    told: &ToldProposal,
    choice: &str,
    reason: &str,
) -> Result<Vote, CliError> {
    if told.is_hidden() {
        return Err(CliError::Failed(
            "ballots of this proposal are sealed until its close, which this program cannot do: vote in the hub's own application".to_owned(),
        ));
    }
    if let Some(state) = told.state.as_deref().filter(|state| *state != "active") {
        return Err(CliError::Failed(format!(
            "the proposal is {}: votes are taken while it is active",
            printable(state)
        )));
    }
    let space = told.space.as_ref().map_or("", |space| &space.id);
    let kind = told.kind.as_deref().unwrap_or("single-choice");
    let choice = Choice::parse(kind, told.choices.len(), choice).map_err(|fault| {
        let options = told
            .choices
            .iter()
            .flatten()
            .zip(1..)
            .map(|(words, n)| format!("\n  {n} {}", printable(words)));
        CliError::Usage(format!(
            "{fault}. The options are:{}",
            options.collect::<String>()
        ))
    })?;
    Ok(Vote::new(
        key.address(),
        space,
        &told.id,
        choice,
        reason,
        now_secs(),
    ))
}

async fn propose(context: &Context, args: ProposeArgs) -> Result<(), CliError> {
    if args.choices.len() < 2 {
        return Err(CliError::Usage(
            "name at least two options with --choice".to_owned(),
        ));
    }
    let key = args.key.open(context)?;
    let body = read_body(&args.body_file)?;
    let kind = args.kind.to_possible_value();
    let kind = kind
        .as_ref()
        .map_or("", clap::builder::PossibleValue::get_name);
    let now = now_secs();
    let proposal = Proposal {
        from: key.address().to_checksum(None),
        space: args.space,
        timestamp: now,
        kind: kind.to_owned(),
        title: args.title,
        body,
        discussion: args.discussion,
        choices: args.choices,
        labels: Vec::new(),
        start: now,
        end: now.saturating_add(args.window.secs),
        snapshot: args.block,
        plugins: "{}".to_owned(),
        privacy: String::new(),
        app: "x0".to_owned(),
    };
    let message = Message::Proposal(Box::new(proposal));
    hand_in(
        context,
        &Web::new()?,
        &key,
        message,
        args.sequencer.sequencer.as_deref(),
        args.dry_run,
    )
    .await
}

async fn hand_in(
    context: &Context,
    web: &Web,
    key: &EthereumKey,
    message: Message,
    sequencer: Option<&str>,
    dry_run: bool,
) -> Result<(), CliError> {
    let envelope = Envelope::sign(message, key)?;
    let Some(sequencer) = sequencer.filter(|_| !dry_run) else {
        let shown = serde_json::to_string_pretty(&envelope.to_json());
        let shown = shown.map_err(|error| CliError::Failed(error.to_string()))?;
        context.output.note("Nothing was sent. This would be:");
        return context.output.show(&envelope.to_json(), |_| shown);
    };
    let taken = sequencer::submit(web, sequencer, &envelope).await?;
    context
        .output
        .show(&taken, |taken| format!("taken as {}", printable(&taken.id)))
}

fn read_body(file: &std::path::Path) -> Result<String, CliError> {
    let failed = |cause: std::io::Error| {
        CliError::Failed(format!("cannot read {}: {cause}", file.display()))
    };
    let mut text = String::new();
    let bytes_max = 4 * BODY_CHARS_MAX as u64 + 1;
    match file.to_str() {
        Some("-") => std::io::stdin().take(bytes_max).read_to_string(&mut text),
        _ => std::fs::File::open(file)
            .map_err(failed)?
            .take(bytes_max)
            .read_to_string(&mut text),
    }
    .map_err(failed)?;
    if text.chars().count() > BODY_CHARS_MAX {
        return Err(CliError::Failed(format!(
            "{} has more than {BODY_CHARS_MAX} characters: hubs take no longer text",
            file.display()
        )));
    }
    Ok(text)
}

/// Tells how far long work is, to a person who watches.
struct Progress<'a> {
    context: &'a Context,
    told: Instant,
}

impl<'a> Progress<'a> {
    fn new(context: &'a Context) -> Self {
        Self {
            context,
            told: Instant::now(),
        }
    }

    fn tell(&mut self, words: impl FnOnce() -> String) {
        if self.context.output.is_watched() && self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            self.context.output.note(&words());
        }
    }
}

/// Keeps words of others from steering the terminal.
fn printable(words: &str) -> String {
    words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn now_secs() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
