//! `x0 override`: acts without a vote, in an emergency; public for good, and lapsing unless they were told to all.

use clap::{Args, Subcommand};

use super::{
    Context,
    act::{self, AskedArgs},
    error::CliError,
    output::{Facts, Table, date},
};
use crate::api::{
    public::{OverrideBody, OverrideView},
    view::{ProposedView, TargetsView},
};

#[derive(Debug, Subcommand)]
pub(super) enum OverrideCommand {
    Propose(Box<ProposeArgs>),
    /// List every override there ever was, newest first, and how it stands
    #[command(after_help = "Example:\n  x0 override list")]
    List,
    /// Show one override: who, what, where, why, and what was to come of it
    #[command(after_help = "Example:\n  x0 override show 4")]
    Show {
        /// Its place in the public log, or the act's digest
        which: String,
    },
    /// Print every override as one JSON object a line, with every field that the public log has
    #[command(after_help = "Example:\n  x0 override export > overrides.jsonl")]
    Export,
}

/// Ask other nodes for a change without a vote, in an emergency
#[derive(Debug, Args)]
#[command(
    after_help = "The act is admitted only together with an entry in the public log, which every node keeps for good, and \
                  a drawn panel must approve of it. Each target runs it with the proof of that entry alone. Unless the \
                  committee has noted within the time that the charter gives (an hour at most) that it was told to all, \
                  every target goes back by itself to what it ran before.\n\n\
                  Example:\n  x0 override propose --set links.target=2 --all --token @token.txt \\\n    \
                  --why 'a flood of links takes the mesh down' --consequences 'fewer links for an hour, slower gossip'"
)]
pub(super) struct ProposeArgs {
    /// Why there is no time for a vote: everybody reads it, for good
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// What will come of it, for whom: everybody reads it, for good
    #[arg(long, value_name = "TEXT")]
    consequences: String,
    #[command(flatten)]
    asked: AskedArgs,
}

/// Answers a command about overrides.
pub(super) async fn answer(context: &Context, command: OverrideCommand) -> Result<(), CliError> {
    match command {
        OverrideCommand::Propose(args) => propose(context, *args).await,
        OverrideCommand::List => list(context).await,
        OverrideCommand::Show { which } => show(context, &which).await,
        OverrideCommand::Export => export(context).await,
    }
}

async fn propose(context: &Context, args: ProposeArgs) -> Result<(), CliError> {
    let asked = args.asked;
    let body = OverrideBody {
        change: asked.change()?,
        targets: asked.targets(),
        token: asked.token.token()?,
        root: asked.root,
        life_secs: asked.life.map(|life| life.secs),
        why: args.why,
        consequences: args.consequences,
    };
    let proposed: ProposedView = context.client()?.post("/v1/overrides", &body).await?;
    act::on_its_way(context, proposed, asked.no_wait).await
}

async fn all(context: &Context) -> Result<Vec<OverrideView>, CliError> {
    context.client()?.get("/v1/overrides").await
}

async fn list(context: &Context) -> Result<(), CliError> {
    context.output.show(&all(context).await?, |all| {
        let mut table = Table::new(["entry", "when", "stands", "change", "nodes", "by", "why"]);
        for view in all {
            let entry = &view.entry;
            table.row([
                entry.index.to_string(),
                date(entry.time_ms),
                stands(view),
                entry.change.clone().unwrap_or_default(),
                entry.nodes.unwrap_or_default().to_string(),
                entry.agent.clone().unwrap_or_default(),
                entry.why.clone().unwrap_or_default(),
            ]);
        }
        match table.is_empty() {
            true => "There never was an override in this mesh.".to_owned(),
            false => table.text(),
        }
    })
}

async fn show(context: &Context, which: &str) -> Result<(), CliError> {
    let is_it = |view: &OverrideView| {
        view.entry.index.to_string() == which || view.entry.act.as_deref() == Some(which)
    };
    let found = all(context).await?.into_iter().find(is_it);
    let view = found.ok_or_else(|| {
        CliError::Failed(format!(
            "no override {which} is known here: `x0 override list` lists them"
        ))
    })?;
    context.output.show(&view, |view| {
        let entry = &view.entry;
        let of = |field: &Option<String>| field.clone().unwrap_or_default();
        let mut facts = Facts::default();
        facts
            .add("entry of the public log", entry.index)
            .add("taken up", date(entry.time_ms))
            .add("stands", stands(view))
            .add("act", of(&entry.act))
            .add("by", of(&entry.agent))
            .add("under the root", of(&entry.root))
            .add("change", of(&entry.change))
            .add("nodes", nodes(view))
            .add("why", of(&entry.why))
            .add("consequences", of(&entry.consequences));
        facts.text()
    })
}

async fn export(context: &Context) -> Result<(), CliError> {
    let mut lines = String::new();
    for view in all(context).await? {
        let line = serde_json::to_string(&view);
        lines.push_str(&line.map_err(|fault| CliError::Failed(fault.to_string()))?);
        lines.push('\n');
    }
    context.output.raw(&lines)
}

fn stands(view: &OverrideView) -> String {
    let until = date(view.entry.until_ms.unwrap_or_default());
    match view.stands.as_str() {
        "open" => format!("lapses at {until} unless it is told to all"),
        "stays" => "stays: it was told to all in time".to_owned(),
        _ => format!("lapsed at {until}: it was not told to all"),
    }
}

fn nodes(view: &OverrideView) -> String {
    let count = view.entry.nodes.unwrap_or_default();
    match &view.entry.targets {
        Some(TargetsView::Nodes(nodes)) => nodes.join(", "),
        Some(TargetsView::Region(region)) => format!("region {region}, {count} nodes"),
        Some(TargetsView::All) => format!("every member, {count} nodes"),
        None => count.to_string(),
    }
}
