//! `x0 join`: from one string to a running member.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::time::timeout;
use x0_protocol::wire::Region;

use super::{
    Context,
    args::Text,
    client::{Client, Streamed},
    daemon::{self, Daemon, DaemonParts, RunFlags},
    error::CliError,
    output::Output,
    passphrase, setup, status,
};
use crate::{
    api::view::StatusView,
    config,
    metrics::Metrics,
    runtime::{
        invite::InviteLink,
        join::{JoinStep, join as knock},
    },
    store::{self, StoreOptions},
};

/// How long catching up may take before the person is told that it goes on.
const CATCH_UP: Duration = Duration::from_secs(60);
/// An event of no run of the node, after which the stream begins with the oldest event kept.
const FROM_THE_START: &str = "0-0";

/// Join a mesh with an invite, and run the node
#[derive(Debug, Args)]
#[command(
    after_help = "Makes this node's identity if there is none, knocks at every address of the invite, then runs as\n\
                  `x0 run` does.\n\n\
                  Example:\n  x0 join x0invite1…\n  x0 join - < invite.txt"
)]
pub(super) struct JoinArgs {
    /// The invite: the string itself, @FILE, or - for standard input
    invite: Text,
    /// The region this node picks, one of those of the mesh
    #[arg(long)]
    region: Option<Region>,
    /// Join only; `x0 run` starts the node later
    #[arg(long)]
    no_run: bool,
    #[command(flatten)]
    flags: RunFlags,
}

#[derive(Serialize)]
struct Entered {
    joined: bool,
    peer: String,
    mesh: String,
    by: String,
}

#[derive(Serialize)]
struct CaughtUp<'a> {
    caught_up: bool,
    status: &'a StatusView,
    dashboard: Option<String>,
}

/// Joins a mesh.
pub(super) async fn join(context: &Context, args: JoinArgs) -> Result<(), CliError> {
    let output = context.output;
    let data_dir = &context.data_dir;
    let invite: InviteLink = args.invite.read()?.parse()?;
    if store::exists(data_dir) {
        return Err(CliError::Failed(format!(
            "this node belongs to a mesh already ({}): `x0 run` starts it; for another mesh give another --data-dir",
            data_dir.display()
        )));
    }
    let (node, is_new) = setup::ensure_identity(data_dir, false)?;
    setup::write_template(&data_dir.join(config::FILE))?;
    if is_new {
        output.note(&format!("made the identity of this node: {node}"));
    }
    let config = context.config_with(args.flags.settings()?)?;
    let telemetry = daemon::start_telemetry(&config).await?;
    let identity = passphrase::open_identity(data_dir)?;
    let metrics = Metrics::new();
    let options = StoreOptions::new(config.store.max_bytes, metrics.clone());
    let mut network = daemon::network_settings(&config);
    let joined = knock(
        data_dir,
        options,
        &identity,
        &invite,
        args.region,
        &network,
        |step| {
            output.note(&told(&step));
        },
    )
    .await?;
    if args.no_run {
        let entered = Entered {
            joined: true,
            peer: node.to_string(),
            mesh: invite.mesh.to_string(),
            by: joined.by.to_string(),
        };
        return output.show(&entered, |entered| {
            format!(
                "Joined mesh {} as {}.\nNext: `x0 run` starts the node.",
                entered.mesh, entered.peer
            )
        });
    }
    network.bootstrap.extend(joined.addresses);
    let store = joined.store;
    let parts = DaemonParts {
        config,
        telemetry,
        identity,
        store,
        metrics,
        network,
        fresh: true,
    };
    let daemon = Daemon::start(parts).await?;
    daemon.announce(output).await?;
    let greeter = tokio::spawn(greet(daemon.client(), output));
    let served = daemon.serve().await;
    greeter.abort();
    served
}

fn told(step: &JoinStep) -> String {
    match step {
        JoinStep::Dialling(address) => format!("dialling {address}"),
        JoinStep::Knocking(peer) => format!("{peer} answers; showing the invite"),
        JoinStep::Failed(address, why) => format!("no way in by {address}: {why}"),
        JoinStep::Welcomed(peer) => format!("{peer} lets this node in"),
    }
}

/// Waits until the node has caught up and tells what it has come into.
async fn greet(client: Client, output: Output) {
    match greeting(&client, output).await {
        // A node that stops meanwhile says so itself.
        Ok(()) | Err(CliError::NotRunning { .. } | CliError::OutputClosed) => {}
        Err(error) => output.note(&format!("{error}")),
    }
}

async fn greeting(client: &Client, output: Output) -> Result<(), CliError> {
    let caught_up = timeout(CATCH_UP, caught_up(client)).await;
    let is_done = matches!(caught_up, Ok(Ok(())));
    if let Ok(result) = caught_up {
        result?;
    }
    let status: StatusView = client.get("/v1/status").await?;
    let dashboard = daemon::dashboard_link(client)
        .await
        .ok()
        .map(|link| link.url);
    if output.is_json() {
        let caught_up = CaughtUp {
            caught_up: is_done,
            status: &status,
            dashboard,
        };
        return output.show(&caught_up, |_| String::new());
    }
    if !is_done {
        output.note("This node is in, and still catching up: `x0 status` shows how far it is.");
    }
    output.text(&status::text(&status))?;
    match dashboard {
        Some(link) => output.text(&format!("\nDashboard (the link works once): {link}")),
        None => Ok(()),
    }
}

/// Waits until the node is a ready member and has all that another member had.
async fn caught_up(client: &Client) -> Result<(), CliError> {
    let mut events = client.events(Some(FROM_THE_START)).await?;
    let mut has_caught_up = false;
    while let Some(streamed) = events.next().await? {
        has_caught_up |= match streamed {
            Streamed::Event(_, event) => event.event == "caught_up",
            Streamed::Lost(_) => true,
        };
        if has_caught_up {
            let status: StatusView = client.get("/v1/status").await?;
            if status.ready && status.member {
                return Ok(());
            }
        }
    }
    Ok(())
}
