//! `x0 vote`: proposing, casting, delegating, following and recounting votes.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{core::limits::BUNDLE_BYTES_MAX, spine::ballot::BallotBundle};

use super::{
    Context,
    args::Span,
    error::CliError,
    output::{Facts, Table, date},
};
use crate::api::votes::{
    CastBody, DelegateBody, HandedInView, JuryItemView, JuryView, OnCallBody, ProposeVoteBody,
    RecountView, VoteView, VotedView, VotesView,
};

/// How long one call of the API waits for news, ms.
const WAIT_MS: u64 = 20_000;

#[derive(Debug, Subcommand)]
pub(super) enum VoteCommand {
    Propose(ProposeArgs),
    Cast(CastArgs),
    Delegate(DelegateArgs),
    /// Show the juries and what they were asked; serve on them, or no longer
    #[command(
        after_help = "The jury of a day is drawn a day before from those who serve. More than half of its ballots decide,\n\
                      whether or not the committee can be reached.\n\n\
                      Examples:\n  x0 vote jury\n  x0 vote jury on"
    )]
    Jury {
        /// Whether to serve [default: show the juries]
        serves: Option<OnOff>,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// List the votes known here, newest first
    #[command(after_help = "Example:\n  x0 vote list")]
    List,
    /// Show one vote
    #[command(after_help = "Example:\n  x0 vote show bafyrei…")]
    Show {
        /// The vote
        vote: ContentId,
    },
    /// Follow a vote until it has ended
    #[command(after_help = "Example:\n  x0 vote watch bafyrei…")]
    Watch {
        /// The vote
        vote: ContentId,
    },
    Recount(RecountArgs),
}

/// Fetch the counted ballots and count them again
#[derive(Debug, Args)]
#[command(
    group(clap::ArgGroup::new("what").required(true).args(["vote", "file"])),
    after_help = "Every signature is checked. A proof that the certified count is false goes to all nodes. A file is\n\
                  checked without a node: compare the mesh it names with the one you know.\n\n\
                  Examples:\n  x0 vote recount bafyrei…\n  x0 vote recount bafyrei… --save relay.ballots\n  \
                  x0 vote recount --file relay.ballots"
)]
pub(super) struct RecountArgs {
    /// The vote
    vote: Option<ContentId>,
    /// Write the counted ballots to a file, with all it takes to count them again
    #[arg(long, value_name = "FILE", requires = "vote", conflicts_with = "file")]
    save: Option<PathBuf>,
    /// Count the ballots in such a file again
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Propose a vote
#[derive(Debug, Args)]
#[command(
    after_help = "All members that count can vote; `x0 vote show` tells how far it is. With --sealed nobody reads a\n\
                  choice before the close, unless two thirds of the seats conspire; after it all choices are open.\n\
                  Ballots can be proven to others, sealed or not: no vote is safe from coercion. A sealed vote takes\n\
                  4096 members at most, and no jury.\n\n\
                  Examples:\n  x0 vote propose \"Found a second relay in the south\"\n  \
                  x0 vote propose \"Who keeps the keys of the relay\" --sealed\n  \
                  x0 vote propose \"Stop act bafyrei…\" --subject bafyrei… --emergency"
)]
pub(super) struct ProposeArgs {
    /// What it is about, at most 280 bytes
    text: String,
    /// What is decided: an act by its digest, or a document by its content id [default: the text]
    #[arg(long, value_name = "CID")]
    subject: Option<ContentId>,
    /// Let a jury decide within hours, drawn from the members on call
    #[arg(long)]
    emergency: bool,
    /// How long ballots are taken, mesh time: 24h to 30d [default: 72h; for a jury 2h]
    #[arg(long, value_name = "SPAN")]
    window: Option<Span>,
    /// Share of the members that must take part, in per cent [default: 20]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    quorum: Option<u8>,
    /// Share of the ballots that yes must exceed, in per cent [default: 50]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(50..=99))]
    threshold: Option<u8>,
    /// Let ballots be changed until the close
    #[arg(long)]
    changeable: bool,
    /// Seal the choices to the committee until the close
    #[arg(long, conflicts_with = "emergency")]
    sealed: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Cast this node's ballot
#[derive(Debug, Args)]
#[command(
    after_help = "It is sent until a quorum of the seats has given its word for it, also after a restart.\n\n\
                        Example:\n  x0 vote cast bafyrei… yes"
)]
pub(super) struct CastArgs {
    /// The vote
    vote: ContentId,
    /// The choice
    choice: ChoiceArg,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Let another member vote in this one's place
#[derive(Debug, Args)]
#[command(
    group(clap::ArgGroup::new("whom").required(true).args(["to", "revoke"])),
    after_help = "It counts for votes in which this node casts no ballot, as its delegate votes. Nobody passes on\n\
                  what was passed to it.\n\n\
                  Examples:\n  x0 vote delegate --to 12D3KooW…\n  x0 vote delegate --vote bafyrei… --revoke"
)]
pub(super) struct DelegateArgs {
    /// To whom
    #[arg(long, value_name = "KEY")]
    to: Option<PublicKey>,
    /// Take it back
    #[arg(long)]
    revoke: bool,
    /// For one vote [default: for all until revoked]
    #[arg(long, value_name = "VOTE")]
    vote: Option<ContentId>,
    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct WaitArgs {
    /// Do not wait until the seats have it
    #[arg(long)]
    no_wait: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ChoiceArg {
    Yes,
    No,
    Abstain,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OnOff {
    On,
    Off,
}

/// Answers a command about votes.
pub(super) async fn answer(context: &Context, command: VoteCommand) -> Result<(), CliError> {
    match command {
        VoteCommand::Propose(args) => propose(context, args).await,
        VoteCommand::Cast(args) => {
            let choice = match args.choice {
                ChoiceArg::Yes => "yes",
                ChoiceArg::No => "no",
                ChoiceArg::Abstain => "abstain",
            };
            let body = CastBody {
                choice: choice.to_owned(),
            };
            hand_in(
                context,
                &format!("/v1/votes/{}/ballot", args.vote),
                &body,
                args.wait,
            )
            .await
        }
        VoteCommand::Delegate(args) => {
            let body = DelegateBody {
                vote: args.vote.map(|vote| vote.to_string()),
                delegate: args.to.map(|to| to.to_string()),
            };
            hand_in(context, "/v1/votes/delegation", &body, args.wait).await
        }
        VoteCommand::Jury { serves: None, .. } => {
            let seen: JuryView = context.client()?.get("/v1/votes/jury").await?;
            context.output.show(&seen, jury_text)
        }
        VoteCommand::Jury {
            serves: Some(serves),
            wait,
        } => {
            let body = OnCallBody {
                serves: matches!(serves, OnOff::On),
            };
            hand_in(context, "/v1/votes/jury", &body, wait).await
        }
        VoteCommand::List => list(context).await,
        VoteCommand::Show { vote } => {
            let seen: VoteView = context.client()?.get(&format!("/v1/votes/{vote}")).await?;
            context.output.show(&seen, vote_text)
        }
        VoteCommand::Watch { vote } => watch(context, vote).await,
        VoteCommand::Recount(args) => recount(context, args).await,
    }
}

async fn recount(context: &Context, args: RecountArgs) -> Result<(), CliError> {
    let RecountArgs { vote, save, file } = args;
    if let Some(file) = file {
        return recount_file(context, &file);
    }
    let Some(vote) = vote else {
        return Err(CliError::Usage(
            "name a vote, or a file with --file".to_owned(),
        ));
    };
    let client = context.client()?;
    let found: RecountView = client.get(&format!("/v1/votes/{vote}/recount")).await?;
    if let Some(to) = save {
        let bytes = client.download(&format!("/v1/votes/{vote}/bundle")).await?;
        std::fs::write(&to, &bytes).map_err(|fault| {
            CliError::Failed(format!(
                "{} cannot be written: {fault}. Name a file in a folder that you may write to",
                to.display()
            ))
        })?;
        let size = bytes.len();
        context
            .output
            .note(&format!("Written to {}: {size} bytes.", to.display()));
    }
    tell_recount(context, found)
}

/// Counts the ballots in a file again, without a node.
fn recount_file(context: &Context, file: &Path) -> Result<(), CliError> {
    let unreadable = |fault: &dyn std::fmt::Display| {
        CliError::Failed(format!(
            "{} is no file with counted ballots: {fault}. Write one with `x0 vote recount VOTE --save FILE`",
            file.display()
        ))
    };
    let size = std::fs::metadata(file).map_err(|fault| unreadable(&fault))?;
    let is_fit = usize::try_from(size.len()).is_ok_and(|size| size <= BUNDLE_BYTES_MAX);
    if !is_fit {
        let why = format!(
            "it has {} bytes, at most {BUNDLE_BYTES_MAX} are read",
            size.len()
        );
        return Err(unreadable(&why));
    }
    let bytes = std::fs::read(file).map_err(|fault| unreadable(&fault))?;
    let bundle = BallotBundle::from_bytes(&bytes).map_err(|fault| unreadable(&fault))?;
    let checked = bundle.check().map_err(|fault| {
        CliError::Failed(format!(
            "{} shows nothing: {fault}. Fetch the ballots again, from a node that you trust",
            file.display()
        ))
    })?;
    let sums = checked.statement.tally.sums;
    context.output.note(&format!(
        "Mesh {}, vote {}: {} yes, {} no, {} abstain certified.",
        checked.mesh, checked.statement.tally.proposal, sums.yes, sums.no, sums.abstain
    ));
    tell_recount(context, RecountView::new(&checked.found))
}

fn tell_recount(context: &Context, found: RecountView) -> Result<(), CliError> {
    context.output.show(&found, |found| found.words.clone())?;
    match found.same {
        true => Ok(()),
        false => Err(CliError::Failed(found.words)),
    }
}

async fn propose(context: &Context, args: ProposeArgs) -> Result<(), CliError> {
    let body = ProposeVoteBody {
        text: args.text,
        subject: args.subject.map(|subject| subject.to_string()),
        emergency: args.emergency,
        window_secs: args.window.map(|window| window.secs),
        quorum_percent: args.quorum,
        threshold_percent: args.threshold,
        changeable: args.changeable,
        sealed: args.sealed,
    };
    put_to_vote(context, &body, args.wait.no_wait).await
}

/// Puts something to the vote, and shows the vote once the seats have taken it.
pub(super) async fn put_to_vote(
    context: &Context,
    body: &ProposeVoteBody,
    no_wait: bool,
) -> Result<(), CliError> {
    let client = context.client()?;
    let voted: VotedView = client.post("/v1/votes", body).await?;
    if no_wait {
        return context.output.show(&voted, |voted| {
            format!(
                "Proposed {}; `x0 vote show` tells when it is open.",
                voted.id
            )
        });
    }
    arrived(context, &voted.id).await?;
    let path = format!("/v1/votes/{}?wait_ms={WAIT_MS}", voted.id);
    let seen: VoteView = client.get(&path).await?;
    context.output.show(&seen, vote_text)
}

async fn hand_in(
    context: &Context,
    path: &str,
    body: &impl serde::Serialize,
    wait: WaitArgs,
) -> Result<(), CliError> {
    let voted: VotedView = context.client()?.post(path, body).await?;
    if wait.no_wait {
        return context
            .output
            .show(&voted, |voted| format!("On its way: {}", voted.id));
    }
    let own = arrived(context, &voted.id).await?;
    context.output.show(&own, |own| own.words.clone())
}

/// Follows something handed in until the seats have it or refuse it.
async fn arrived(context: &Context, id: &str) -> Result<HandedInView, CliError> {
    let client = context.client()?;
    let mut own: HandedInView = client.get(&format!("/v1/votes/own/{id}")).await?;
    while own.stage == "sending" {
        context.output.note(&own.words);
        let path = format!(
            "/v1/votes/own/{id}?known={}&wait_ms={WAIT_MS}",
            super::cosign::percent(&own.words)
        );
        own = client.get(&path).await?;
    }
    if own.stage == "refused" {
        return Err(CliError::Failed(own.words));
    }
    Ok(own)
}

async fn watch(context: &Context, vote: ContentId) -> Result<(), CliError> {
    let client = context.client()?;
    let mut seen: VoteView = client.get(&format!("/v1/votes/{vote}")).await?;
    let mut told = String::new();
    while !seen.is_ended() {
        if seen.words != told {
            context.output.note(&seen.words);
            told.clone_from(&seen.words);
        }
        let known = super::cosign::percent(&seen.words);
        let path = format!("/v1/votes/{vote}?known={known}&wait_ms={WAIT_MS}");
        seen = client.get(&path).await?;
    }
    context.output.show(&seen, vote_text)
}

async fn list(context: &Context) -> Result<(), CliError> {
    let all: VotesView = context.client()?.get("/v1/votes").await?;
    context.output.show(&all, |all| {
        let mut table = Table::new(["vote", "about", "how far", "closes", "own ballot"]);
        for seen in &all.votes {
            let own = seen.ballot.as_ref();
            let own = own.and_then(|own| own.choice.clone());
            table.row([
                seen.vote.clone(),
                seen.text.clone().unwrap_or_default(),
                seen.words.clone(),
                seen.closes_ms.map(date).unwrap_or_default(),
                own.unwrap_or_else(|| "-".to_owned()),
            ]);
        }
        let mut text = match table.is_empty() {
            true => "No vote is known here.".to_owned(),
            false => table.text(),
        };
        for own in all.own.iter().filter(|own| own.stage == "sending") {
            text.push_str(&format!("\n{} ({})", own.words, own.id));
        }
        text
    })
}

fn jury_text(seen: &JuryView) -> String {
    let mut facts = Facts::default();
    facts.add("now", format!("{} mesh time", date(seen.mesh_time_ms)));
    let serves = match seen.on_call {
        Some(true) => "yes",
        Some(false) => "no longer",
        None => "no: `x0 vote jury on` says so",
    };
    facts.add("you serve", serves);
    if seen.days.is_empty() {
        let why = "none: a fifth of the members must serve, three at least, a day ahead";
        facts.add("jury of the day", why);
    }
    for day in &seen.days {
        let own = if day.own { ", you among them" } else { "" };
        let what = if day.serves {
            "serves"
        } else {
            "jury of a day"
        };
        let span = format!("{} to {}", date(day.from_ms), date(day.until_ms));
        facts.add(what, format!("{span}: {} members{own}", day.jurors.len()));
    }
    for item in &seen.items {
        let JuryItemView {
            yes, no, abstain, ..
        } = item;
        let stage = match (item.passed, &item.ballot, item.own) {
            (true, _, _) => "passed".to_owned(),
            (false, Some(said), _) => format!("you said {said}"),
            (false, None, true) if seen.mesh_time_ms < item.closes_ms => {
                format!("you are asked: `x0 vote cast {} yes`", item.vote)
            }
            (false, None, _) => format!("asked until {}", date(item.closes_ms)),
        };
        let JuryItemView {
            text,
            needed,
            jurors,
            vote,
            ..
        } = item;
        facts.add(
            "item",
            format!(
                "{text}: {yes} yes of {needed} needed, {no} no, {abstain} abstain, {jurors} jurors; \
                 {stage} ({vote})"
            ),
        );
    }
    facts.text()
}

fn vote_text(seen: &VoteView) -> String {
    let mut facts = Facts::default();
    facts.add("vote", &seen.vote);
    if let Some(text) = &seen.text {
        facts.add("about", text);
    }
    if let Some(subject) = &seen.subject {
        facts.add("subject", subject);
    }
    if let Some(proposer) = &seen.proposer {
        facts.add("proposed by", proposer);
    }
    if let Some(voters) = seen.voters {
        let who = if seen.emergency { "jurors" } else { "members" };
        facts.add("voters", format!("{voters} {who}"));
    }
    if let Some(closes) = seen.closes_ms {
        facts.add("closes", format!("{} mesh time", date(closes)));
    }
    if let Some(now) = seen.mesh_time_ms {
        facts.add("now", format!("{} mesh time", date(now)));
    }
    if seen.sealed {
        let until = match seen.certified {
            true => "sealed until the close; open now, as they are counted",
            false => "sealed until the close",
        };
        facts.add("choices", until);
    }
    facts.add("how far", &seen.words);
    if let Some(sums) = &seen.sums {
        let certified = if seen.certified {
            "certified"
        } else {
            "so far"
        };
        let count = if seen.sealed && !seen.certified {
            format!("{} ballots, sealed", sums.sealed)
        } else {
            format!(
                "{} yes, {} no, {} abstain, {} void ({certified})",
                sums.yes, sums.no, sums.abstain, sums.void
            )
        };
        facts.add("count", count);
    }
    if let Some(own) = &seen.ballot {
        let choice = own.choice.as_deref().unwrap_or_default();
        facts.add("own ballot", format!("{choice}: {}", own.words));
    }
    facts.text()
}
