//! `x0-adversary`: acts as a member whose key it holds, past every check that an honest node makes.
//!
//! For journeys on one machine. The member's own node must be stopped: one key speaks once. Each command
//! prints one JSON object.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use x0_crypto::{
    ContentId, Identity, PublicKey,
    capability::{Action, Caveat, RootKey, Token},
};
use x0_net::Multiaddr;
use x0_node::identity;
use x0_protocol::{
    Millis, Wall,
    wire::{
        Act, Admission, Ballot, Body, Change, Choice, Kind, Outcome, PolicyName, Record, Response,
        Said, Statement, Targets, Unverified, Vote, VoteAnswer, VoteItem, Warrants, Word,
        decode_record,
    },
};
use x0_testnet::{
    account::write,
    adversary::{
        deal::{self, Lie},
        foothold::Foothold,
        forge, record, usurp,
    },
};

/// How long a hand-made act may wait for execution.
const LIFE: Millis = Millis::from_mins(5);

/// An attacker that holds a member's key; for journeys on one machine only.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Signs an act past the proposer's checks and sends it to members.
    Act(ActCommand),
    /// Has the committee admit an act that needs a panel's approvals, and sends it with false ones.
    Approve(ActCommand),
    /// Sends a record again as it was signed.
    Replay {
        /// Data directory of the member whose key is used; its node must be stopped.
        #[arg(long)]
        data_dir: PathBuf,
        /// The mesh.
        #[arg(long)]
        mesh: ContentId,
        /// Address of a member to link to, with /p2p/ID.
        #[arg(long, required = true)]
        member: Vec<Multiaddr>,
        /// The record, in base64.
        #[arg(long)]
        record: String,
    },
    /// Signs a token with the member's own key, to be shown as another root's.
    Forge {
        /// Data directory of the member.
        #[arg(long)]
        data_dir: PathBuf,
        /// Who may use the token.
        #[arg(long)]
        holder: PublicKey,
        /// What for.
        #[arg(long, required = true)]
        action: Vec<Action>,
        /// Within what limits.
        #[arg(long)]
        caveat: Vec<Caveat>,
    },
    /// Claims that the committee has passed to keys of the attacker's own, and sends that to members.
    Usurp {
        /// Data directory of the member whose key is used; its node must be stopped.
        #[arg(long)]
        data_dir: PathBuf,
        /// The mesh.
        #[arg(long)]
        mesh: ContentId,
        /// Address of a member to link to, with /p2p/ID; the claim is sent to all of them.
        #[arg(long, required = true)]
        member: Vec<Multiaddr>,
        /// The epoch in force, which is said to have handed over.
        #[arg(long)]
        epoch: u64,
        /// Who is to have a seat.
        #[arg(long, required = true)]
        seat: Vec<PublicKey>,
    },
    /// Signs two different ballots with one number, and shows each to half of the seats.
    Ballots {
        /// Data directory of the member whose key is used; its node must be stopped.
        #[arg(long)]
        data_dir: PathBuf,
        /// The mesh.
        #[arg(long)]
        mesh: ContentId,
        /// The vote.
        #[arg(long)]
        vote: ContentId,
        /// Address of a seat, with /p2p/ID.
        #[arg(long, required = true)]
        member: Vec<Multiaddr>,
    },
    /// Deals something else on than the member's share, in the rotation of an item that is open or opens soon.
    Deal {
        /// Data directory of the member whose key is used; its node must be stopped.
        #[arg(long)]
        data_dir: PathBuf,
        /// The mesh.
        #[arg(long)]
        mesh: ContentId,
        /// Address of a member to link to, with /p2p/ID; a seat must be among them.
        #[arg(long, required = true)]
        member: Vec<Multiaddr>,
        /// The key of the item.
        #[arg(long)]
        item: PublicKey,
        /// What to lie about.
        #[arg(long)]
        lie: Lie,
    },
    /// Takes the last narrowing off a token.
    Widen {
        /// The token.
        token: Token,
    },
}

#[derive(Args)]
struct ActCommand {
    /// Data directory of the member whose key is used; its node must be stopped.
    #[arg(long)]
    data_dir: PathBuf,
    /// The mesh.
    #[arg(long)]
    mesh: ContentId,
    /// Address of a member to link to, with /p2p/ID; the act is sent to all of them.
    #[arg(long, required = true)]
    member: Vec<Multiaddr>,
    /// The token to show.
    #[arg(long)]
    token: Token,
    /// The root to claim for it.
    #[arg(long)]
    root: RootKey,
    /// A node to change.
    #[arg(long, required = true)]
    target: Vec<PublicKey>,
    /// The policy to set.
    #[arg(long)]
    policy: PolicyName,
    /// The value to set it to.
    #[arg(long)]
    value: u64,
    /// The version the policy stands at.
    #[arg(long, default_value_t = 0)]
    from_version: u64,
    /// Ask each target by an act of its own, all at once and for the same change.
    #[arg(long)]
    each: bool,
    /// Show the ticket and the words of this act record, in base64, as if they were for these acts.
    #[arg(long, value_name = "RECORD")]
    warrants_of: Option<String>,
    /// Make the ticket shown name the act at hand; the committee has not signed that.
    #[arg(long, requires = "warrants_of")]
    forge_ticket: bool,
    /// Do not wait for the targets to tell what became of the act: they tell nothing of what they reject.
    #[arg(long)]
    no_outcomes: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Act(act) => send_act(act).await,
        Command::Approve(act) => send_falsely_approved(act).await,
        Command::Replay {
            data_dir,
            mesh,
            member,
            record,
        } => replay(&data_dir, mesh, &member, &record).await,
        Command::Forge {
            data_dir,
            holder,
            action,
            caveat,
        } => load(&data_dir).and_then(|own| {
            let token = forge::forged(&own, holder, BTreeSet::from_iter(action), caveat)?;
            Ok(json!({ "token": token.to_string() }))
        }),
        Command::Usurp {
            data_dir,
            mesh,
            member,
            epoch,
            seat,
        } => usurp(&data_dir, mesh, &member, (epoch, seat)).await,
        Command::Ballots {
            data_dir,
            mesh,
            vote,
            member,
        } => send_ballots(&data_dir, mesh, vote, &member).await,
        Command::Deal {
            data_dir,
            mesh,
            member,
            item,
            lie,
        } => deal_wrong(&data_dir, mesh, &member, (item, lie)).await,
        Command::Widen { token } => {
            forge::widened(&token).map(|token| json!({ "token": token.to_string() }))
        }
    };
    match outcome {
        Ok(told) => {
            write(&told.to_string());
            ExitCode::SUCCESS
        }
        Err(error) => {
            write(&json!({ "error": format!("{error:#}") }).to_string());
            ExitCode::FAILURE
        }
    }
}

async fn send_act(wanted: ActCommand) -> Result<serde_json::Value> {
    let own = load(&wanted.data_dir)?;
    let mut foothold = Foothold::take(&own, wanted.mesh, &wanted.member).await?;
    let (first, mut prev) = foothold.place().await?;
    let mut targets = wanted.target.clone();
    targets.sort_unstable();
    targets.dedup();
    let now = now()?;
    let aims = match wanted.each {
        true => targets.iter().map(|target| vec![*target]).collect(),
        false => vec![targets.clone()],
    };
    let mut made = Vec::new();
    for (seq, aim) in (first..).zip(aims) {
        let act = act_on(&wanted, &own.public(), aim, now)?;
        let record = record::sign_act(&own, wanted.mesh, (seq, prev), now, &act)?;
        prev = Some(record.id);
        made.push(record);
    }
    let sent_ms = self::now()?.0;
    let mut handed = Vec::new();
    for record in &made {
        handed = foothold.send(record).await?;
    }
    let ids: Vec<_> = made.iter().map(|record| record.id).collect();
    let outcomes = match (wanted.no_outcomes, ids.as_slice()) {
        (false, [only]) => foothold.outcomes(*only, &targets).await?,
        (_, _) => Vec::new(),
    };
    foothold.leave().await;
    let outcomes = outcomes.iter().map(|(target, outcome)| match outcome {
        Outcome::Executed => json!({ "node": target.to_string(), "executed": true }),
        Outcome::Refused { why } => {
            json!({ "node": target.to_string(), "executed": false, "why": why })
        }
    });
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    Ok(json!({
        "act": ids.first(),
        "acts": ids,
        "seq": first,
        "sent_ms": sent_ms,
        "handed_to": handed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "outcomes": outcomes.collect::<Vec<_>>(),
    }))
}

/// Asks for a true ticket and true agreements, and then sends the act once for each way of forging the rest.
async fn send_falsely_approved(wanted: ActCommand) -> Result<serde_json::Value> {
    let own = load(&wanted.data_dir)?;
    let mut targets = wanted.target.clone();
    targets.sort_unstable();
    targets.dedup();
    let other = wanted.warrants_of.as_deref().map(decoded).transpose()?;
    let bare = ActCommand {
        warrants_of: None,
        ..wanted
    };
    let act = act_on(&bare, &own.public(), targets.clone(), now()?)?;
    let digest = act.digest(&own.public());
    let admission = Admission {
        asked: Said::sign(&bare.mesh, digest, Word::Ask, &own),
        act: act.clone(),
        emergency: None,
    };
    let mut foothold = Foothold::take(&own, bare.mesh, &bare.member).await?;
    let (certificate, draw) = foothold.admission(&admission).await?;
    let agreed = foothold
        .agreements(&admission, certificate, &targets)
        .await?;
    let Statement::Ticket(ticket) = certificate.statement else {
        bail!("the seats answer with another statement than a ticket");
    };
    let panel = draw.panel.as_ref().context("nobody was drawn to approve")?;
    let looked_at = panel.seats.iter().chain(&panel.members);
    let names: Vec<_> = looked_at.map(|placed| placed.elector.key).collect();
    let other = other.as_ref().map(|record| record.peek().body());
    let other = match other {
        None => None,
        Some(Body::Act(other)) => Some(other),
        Some(_) => bail!("the record whose approvals are to be shown is no act"),
    };
    let mut told = Vec::new();
    for tried in forge::false_approvals(&bare.mesh, &own, &ticket, &names, other)? {
        let warrants = Warrants {
            ticket: Some(certificate),
            vote: None,
            draw: Some(draw.clone()),
            said: agreed.iter().copied().chain(tried.said).collect(),
            emergency: None,
        };
        let act = Act {
            warrants: warrants.to_wire(),
            ..act.clone()
        };
        let place = foothold.place().await?;
        let made = record::sign_act(&own, bare.mesh, place, now()?, &act)?;
        foothold.send(&made).await?;
        for (target, outcome) in foothold.outcomes(made.id, &targets).await? {
            let (executed, why) = match outcome {
                Outcome::Executed => (true, None),
                Outcome::Refused { why } => (false, Some(why)),
            };
            told.push(json!({
                "trick": tried.trick, "node": target.to_string(), "executed": executed, "why": why,
            }));
        }
    }
    foothold.leave().await;
    Ok(json!({ "outcomes": told }))
}

async fn send_ballots(
    data_dir: &std::path::Path,
    mesh: ContentId,
    vote: ContentId,
    members: &[Multiaddr],
) -> Result<serde_json::Value> {
    let own = load(data_dir)?;
    let ballots = [Choice::Yes, Choice::No].map(|choice| {
        let signed = Ballot::sign(&mesh, &own, vote, 0, Vote::Open(choice));
        VoteItem::Ballot(signed.value().clone())
    });
    let mut foothold = Foothold::take(&own, mesh, members).await?;
    let answers = foothold.hand_in(ballots).await?;
    foothold.leave().await;
    let answers = answers.iter().map(|(_, answer)| match answer {
        VoteAnswer::Receipt(_) => "a receipt".to_owned(),
        VoteAnswer::Taken => "it is in the log".to_owned(),
        VoteAnswer::Refused { why } => format!("refused: {why}"),
        VoteAnswer::Pending
        | VoteAnswer::Contents(_)
        | VoteAnswer::Leaves(_)
        | VoteAnswer::Electors(_) => "not yet".to_owned(),
    });
    Ok(json!({ "answers": answers.collect::<Vec<_>>() }))
}

async fn deal_wrong(
    data_dir: &std::path::Path,
    mesh: ContentId,
    members: &[Multiaddr],
    (item, lie): (PublicKey, Lie),
) -> Result<serde_json::Value> {
    let own = load(data_dir)?;
    let mut foothold = Foothold::take(&own, mesh, members).await?;
    let answers = deal::lie(data_dir, (own, mesh), (item, lie), &mut foothold).await?;
    foothold.leave().await;
    let answers = answers.iter().map(|(_, answer)| {
        if let Response::Refused(why) = answer {
            format!("refused: {why}")
        } else {
            format!("{answer:?}")
        }
    });
    Ok(json!({ "answers": answers.collect::<Vec<_>>() }))
}

async fn usurp(
    data_dir: &std::path::Path,
    mesh: ContentId,
    members: &[Multiaddr],
    (epoch, mut seats): (u64, Vec<PublicKey>),
) -> Result<serde_json::Value> {
    let own = load(data_dir)?;
    seats.sort_unstable();
    let claim = usurp::usurped(mesh, epoch, seats)?;
    let mut foothold = Foothold::take(&own, mesh, members).await?;
    let place = foothold.place().await?;
    let made = record::sign(&own, mesh, place, now()?, (Kind::HAND_OVER, &claim))?;
    let handed = foothold.send(&made).await?;
    foothold.leave().await;
    Ok(json!({
        "record": made.id.to_string(),
        "handed_to": handed.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
}

/// Writes an act, with warrants that were given for another if so wished.
fn act_on(
    wanted: &ActCommand,
    agent: &PublicKey,
    targets: Vec<PublicKey>,
    now: Wall,
) -> Result<Act> {
    let mut act = Act {
        change: Change::SetPolicy {
            policy: wanted.policy.clone(),
            value: wanted.value,
            from_version: wanted.from_version,
        },
        targets: Targets::Nodes(targets),
        root: wanted.root,
        token: wanted.token.clone(),
        expires: now + LIFE,
        warrants: Vec::new(),
    };
    if let Some(record) = &wanted.warrants_of {
        let record = decoded(record)?;
        let Body::Act(other) = record.peek().body() else {
            bail!("the record whose warrants are to be shown is no act");
        };
        let digest = act.digest(agent);
        act.warrants = forge::borrowed(other, digest, *agent, wanted.forge_ticket)?;
    }
    Ok(act)
}

async fn replay(
    data_dir: &std::path::Path,
    mesh: ContentId,
    members: &[Multiaddr],
    record: &str,
) -> Result<serde_json::Value> {
    let own = load(data_dir)?;
    let record = decoded(record)?;
    let again = record::HandMade {
        id: record.peek().id(),
        bytes: record.peek().bytes().to_vec(),
    };
    let mut foothold = Foothold::take(&own, mesh, members).await?;
    let handed = foothold.send(&again).await?;
    foothold.leave().await;
    Ok(json!({
        "act": again.id.to_string(),
        "handed_to": handed.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
}

fn decoded(record: &str) -> Result<Unverified<Record>> {
    let bytes = data_encoding::BASE64.decode(record.as_bytes())?;
    Ok(decode_record(&bytes)?)
}

fn load(data_dir: &std::path::Path) -> Result<Identity> {
    identity::load(data_dir, None)
        .with_context(|| format!("no key to be had from {}", data_dir.display()))
}

fn now() -> Result<Wall> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Wall(u64::try_from(since.as_millis())?))
}
