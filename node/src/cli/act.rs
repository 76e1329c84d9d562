//! `x0 act`: changing this node, and proposing changes of others within a token's limits.

use clap::{ArgGroup, Args, Subcommand};
use x0_crypto::{ContentId, PublicKey, capability::RootKey};
use x0_protocol::wire::Region;

use super::{
    Context,
    args::{Assignment, Span, Text},
    cosign::{self, CosignArgs},
    error::CliError,
    output::{Facts, Table, date},
};
use crate::api::{
    acts::{AimBody, ChangeBody, LocalBody, ProposeBody},
    view::{ActView, DoneView, OutcomeView, PolicyView, ProposedView, TargetsView},
};

/// How long one call of the API waits for news of an act, ms.
const WAIT_MS: u64 = 20_000;

#[derive(Debug, Subcommand)]
pub(super) enum ActCommand {
    Propose(ProposeArgs),
    Local(LocalArgs),
    /// Show an act and what became of it at each target
    #[command(after_help = "Example:\n  x0 act show bafyrei… --wait 30s")]
    Show {
        /// The act's record
        id: ContentId,
        /// Wait at most so long for the outcome at every target
        #[arg(long, value_name = "SPAN")]
        wait: Option<Span>,
    },
    Cosign(CosignArgs),
    /// List own acts on their way: what they still need
    #[command(after_help = "Example:\n  x0 act proposals")]
    Proposals,
    /// List the acts known here, newest first
    #[command(after_help = "Example:\n  x0 act list")]
    List,
    /// List what can be set, and within what range
    #[command(after_help = "Example:\n  x0 act policies")]
    Policies,
}

/// Ask other nodes for a change; each checks the token again and decides by itself
#[derive(Debug, Args)]
#[command(after_help = "`x0 act show ID` tells what became of it.\n\n\
                  Example:\n  x0 act propose --set links.target=12 --to 12D3KooW… --token @token.txt --root 5f3a…")]
pub(super) struct ProposeArgs {
    #[command(flatten)]
    asked: AskedArgs,
}

// What an act and an override ask for. No help of its own: it would take the place of that of the command.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("targets").required(true).args(["to", "region", "all", "count"])))]
pub(super) struct AskedArgs {
    /// What to set to what
    #[arg(long = "set", value_name = "POLICY=VALUE")]
    set: Assignment,
    /// On this node; may be repeated
    #[arg(long, value_name = "KEY")]
    to: Vec<PublicKey>,
    /// On every member of a region
    #[arg(long)]
    region: Option<Region>,
    /// On every member
    #[arg(long)]
    all: bool,
    /// On so many other members, drawn by this node
    #[arg(long, value_name = "N")]
    count: Option<u32>,
    /// The token that allows it, held by this node: its text, @FILE, or - for standard input
    #[arg(long)]
    pub(super) token: Text,
    /// The root that granted the token; without it the node tries those it knows
    #[arg(long)]
    pub(super) root: Option<RootKey>,
    /// How long it may take from now to its execution, up to 10m [default: 10m]
    #[arg(long, value_name = "SPAN")]
    pub(super) life: Option<Span>,
    /// Do not wait for the words it needs
    #[arg(long)]
    pub(super) no_wait: bool,
}

impl AskedArgs {
    /// Returns what is to change, checked before any node is asked.
    pub(super) fn change(&self) -> Result<ChangeBody, CliError> {
        change(&self.set)
    }

    /// Returns where.
    pub(super) fn targets(&self) -> AimBody {
        match (self.all, &self.region, self.count) {
            (true, _, _) => AimBody::All,
            (_, Some(region), _) => AimBody::Region(region.to_string()),
            (_, _, Some(count)) => AimBody::Count(count),
            (false, None, None) => {
                let mut nodes = self.to.clone();
                nodes.sort_unstable();
                nodes.dedup();
                AimBody::Nodes(nodes)
            }
        }
    }
}

/// Change this node alone
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("change").required(true).args(["set", "link", "unlink"])),
    after_help = "Without a token the node grants itself one for just this change.\n\n\
                  Example:\n  x0 act local --set links.target=6"
)]
pub(super) struct LocalArgs {
    /// What to set to what
    #[arg(long = "set", value_name = "POLICY=VALUE")]
    set: Option<Assignment>,
    /// Link to a member
    #[arg(long, value_name = "KEY")]
    link: Option<PublicKey>,
    /// End the link to a member
    #[arg(long, value_name = "KEY")]
    unlink: Option<PublicKey>,
    /// A token of this node's root that allows it: its text, @FILE, or - for standard input
    #[arg(long)]
    token: Option<Text>,
}

/// Answers a command about acts.
pub(super) async fn answer(context: &Context, command: ActCommand) -> Result<(), CliError> {
    match command {
        ActCommand::Propose(args) => propose(context, args).await,
        ActCommand::Local(args) => local(context, args).await,
        ActCommand::Show { id, wait } => show(context, id, wait).await,
        ActCommand::Cosign(args) => cosign::cosign(context, args).await,
        ActCommand::Proposals => cosign::proposals(context).await,
        ActCommand::List => list(context).await,
        ActCommand::Policies => policies(context).await,
    }
}

async fn propose(context: &Context, args: ProposeArgs) -> Result<(), CliError> {
    let args = args.asked;
    let body = ProposeBody {
        change: args.change()?,
        targets: args.targets(),
        token: args.token.token()?,
        root: args.root,
        life_secs: args.life.map(|life| life.secs),
    };
    let proposed: ProposedView = context.client()?.post("/v1/acts", &body).await?;
    on_its_way(context, proposed, args.no_wait).await
}

/// Follows an own act until it is sent, unless nobody wants to wait.
pub(super) async fn on_its_way(
    context: &Context,
    mut proposed: ProposedView,
    no_wait: bool,
) -> Result<(), CliError> {
    let output = context.output;
    if let Some(act) = &proposed.proposal {
        output.note(&format!(
            "The act is {act}. Ctrl-C leaves it on its way: x0 act proposals"
        ));
        if no_wait {
            return output.show(&proposed, |proposed| {
                proposed.proposal.clone().unwrap_or_default()
            });
        }
        proposed.id = cosign::follow(context, act).await?.record;
    }
    if let Some(id) = &proposed.id {
        output.note(&format!(
            "Sent. What becomes of it: x0 act show {id} --wait 30s"
        ));
    }
    output.show(&proposed, |proposed| {
        proposed.id.clone().unwrap_or_default()
    })
}

async fn local(context: &Context, args: LocalArgs) -> Result<(), CliError> {
    let change = match (&args.set, args.link, args.unlink) {
        (Some(set), _, _) => change(set)?,
        (None, Some(peer), _) => ChangeBody::Link { peer },
        (None, None, Some(peer)) => ChangeBody::Unlink { peer },
        (None, None, None) => {
            return Err(CliError::Usage("give --set, --link or --unlink".to_owned()));
        }
    };
    let token = args.token.as_ref().map(Text::token).transpose()?;
    let body = LocalBody { change, token };
    let done: DoneView = context.client()?.post("/v1/acts/local", &body).await?;
    context.output.show(&done, |done| done.done.clone())
}

/// Reads a change of a policy and checks it before any node is asked.
fn change(set: &Assignment) -> Result<ChangeBody, CliError> {
    let Assignment { name, value } = set;
    let number = value.parse().map_err(|_| {
        CliError::Usage(format!(
            "{name} = {value}: a whole number is needed; `x0 act policies` lists the ranges"
        ))
    })?;
    let change = ChangeBody::Set {
        policy: name.clone(),
        value: number,
    };
    change.check().map_err(CliError::Usage)?;
    Ok(change)
}

async fn show(context: &Context, id: ContentId, wait: Option<Span>) -> Result<(), CliError> {
    let client = context.client()?;
    let began = std::time::Instant::now();
    let wait_ms = wait.map_or(0, |wait| wait.secs.saturating_mul(1_000));
    let mut act: ActView = client.get(&format!("/v1/acts/{id}")).await?;
    while !act.is_settled() {
        let passed = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let left = wait_ms.saturating_sub(passed).min(WAIT_MS);
        if left == 0 {
            break;
        }
        let known = act.outcomes();
        act = client
            .get(&format!("/v1/acts/{id}?known={known}&wait_ms={left}"))
            .await?;
    }
    context.output.show(&act, act_text)
}

fn act_text(act: &ActView) -> String {
    let mut facts = Facts::default();
    facts
        .add("act", &act.id)
        .add("agent", &act.agent)
        .add("change", &act.change)
        .add("targets", targets_text(act))
        .add("written", date(act.time_ms));
    if let Some(signed) = &act.multi_sig {
        let of = format!(
            "{} of {} approvals, of a panel of {}",
            signed.approvals, signed.needed, signed.panel
        );
        facts.add("multi-signature", of);
    }
    if let Some(here) = &act.here {
        facts.add("here", outcome_text(here));
    }
    let mut table = Table::new(["target", "outcome"]);
    for target in &act.elsewhere {
        table.row([target.node.clone(), outcome_text(&target.outcome)]);
    }
    match table.is_empty() {
        true => facts.text(),
        false => format!("{}\n{}", facts.text(), table.text()),
    }
}

fn targets_text(act: &ActView) -> String {
    let (count, known) = (act.target_count, act.outcomes());
    match &act.targets {
        TargetsView::Nodes(_) => format!("{count} nodes, {known} outcomes known here"),
        TargetsView::Region(region) => {
            format!("region {region} ({count} nodes), {known} outcomes known here")
        }
        TargetsView::All => format!("every member ({count}), {known} outcomes known here"),
    }
}

fn outcome_text(outcome: &OutcomeView) -> String {
    match (outcome.executed, &outcome.why) {
        (true, _) => "executed".to_owned(),
        (false, Some(why)) => format!("refused: {why}"),
        (false, None) => "refused".to_owned(),
    }
}

async fn list(context: &Context) -> Result<(), CliError> {
    let acts: Vec<ActView> = context.client()?.get("/v1/acts").await?;
    context.output.show(&acts, |acts| {
        let mut table = Table::new(["act", "written", "change", "outcomes", "here"]);
        for act in acts {
            let here = act.here.as_ref().map(outcome_text).unwrap_or_default();
            let outcomes = format!("{} of {}", act.outcomes(), act.target_count);
            table.row([
                act.id.clone(),
                date(act.time_ms),
                act.change.clone(),
                outcomes,
                here,
            ]);
        }
        if table.is_empty() {
            return "No acts are known here yet.".to_owned();
        }
        table.text()
    })
}

async fn policies(context: &Context) -> Result<(), CliError> {
    let policies: Vec<PolicyView> = context.client()?.get("/v1/policies").await?;
    context.output.show(&policies, |policies| {
        let mut table = Table::new(["policy", "value", "default", "range", "changed"]);
        for policy in policies {
            table.row([
                policy.policy.clone(),
                policy.value.to_string(),
                policy.default.to_string(),
                format!("{} to {} {}", policy.min, policy.max, policy.unit),
                format!("{} times", policy.version),
            ]);
        }
        table.text()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_change_is_checked_before_it_is_sent() {
        let change = |text: &str| change(&text.parse().unwrap());

        assert!(change("links.target=12").is_ok());
        for (text, part) in [
            ("links.target=many", "whole number"),
            ("links.target=0", "out of range"),
            ("links.goal=3", "links.goal"),
        ] {
            let error = change(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
