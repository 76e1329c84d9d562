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

use anyhow::{Context as _, Result};
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
    wire::{Act, Change, Kind, Outcome, PolicyName, Targets},
};
use x0_testnet::{
    account::write,
    adversary::{foothold::Foothold, forge, record, usurp},
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
    /// Do not wait for the targets to tell what became of the act: they tell nothing of what they reject.
    #[arg(long)]
    no_outcomes: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Act(act) => send_act(act).await,
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
    let place = foothold.place().await?;
    let mut targets = wanted.target;
    targets.sort_unstable();
    targets.dedup();
    let now = now()?;
    let act = Act {
        change: Change::SetPolicy {
            policy: wanted.policy,
            value: wanted.value,
            from_version: wanted.from_version,
        },
        targets: Targets::Nodes(targets.clone()),
        root: wanted.root,
        token: wanted.token,
        expires: now + LIFE,
        warrants: Vec::new(),
    };
    let made = record::sign_act(&own, wanted.mesh, place, now, &act)?;
    let handed = foothold.send(&made).await?;
    let outcomes = if wanted.no_outcomes {
        Vec::new()
    } else {
        foothold.outcomes(made.id, &targets).await?
    };
    foothold.leave().await;
    let outcomes = outcomes.iter().map(|(target, outcome)| match outcome {
        Outcome::Executed => json!({ "node": target.to_string(), "executed": true }),
        Outcome::Refused { why } => {
            json!({ "node": target.to_string(), "executed": false, "why": why })
        }
    });
    Ok(json!({
        "act": made.id.to_string(),
        "seq": place.0,
        "handed_to": handed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "outcomes": outcomes.collect::<Vec<_>>(),
    }))
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

fn load(data_dir: &std::path::Path) -> Result<Identity> {
    identity::load(data_dir, None)
        .with_context(|| format!("no key to be had from {}", data_dir.display()))
}

fn now() -> Result<Wall> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Wall(u64::try_from(since.as_millis())?))
}
