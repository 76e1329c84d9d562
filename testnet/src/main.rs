//! `x0-testnet`: meshes of real nodes on this machine.
//!
//! However it ends, nothing is left behind: signals drop the work under way, which kills every node and
//! removes the mesh's folder; after a `kill -9` the system kills the nodes, and `make clean-mesh` removes
//! the folder.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use x0_testnet::{
    account::write,
    journeys::{self, Journey},
    mesh::{Mesh, Plan},
    onion,
    programs::Programs,
    table,
    tor_network::TorNetwork,
    tour,
};

/// Meshes of real x0 nodes on this machine, and the stories they live through.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The node to run; the one beside this program unless given.
    #[arg(long, global = true)]
    x0: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts a mesh, shows it, and takes it down at Ctrl-C.
    Up {
        /// How many nodes.
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=200))]
        nodes: u16,
    },
    /// Tells one story; ends with 0 if all of it held, with 1 if not.
    Journey {
        /// Which.
        name: Journey,
        /// How many nodes.
        #[arg(long)]
        nodes: Option<usize>,
        /// Write the account as one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Starts a mesh, tells every story on it, and keeps it up until Ctrl-C.
    Tour {
        /// End after the stories.
        #[arg(long)]
        once: bool,
    },
    /// Starts a Tor network on the loopback and takes it down at Ctrl-C. Clients find it by DIR/arti-network.toml, and
    /// its bridge by DIR/bridges.txt.
    Tor {
        /// Where its files go.
        dir: PathBuf,
    },
    /// Dials an onion service; sends it what comes on standard input, and prints what it answers.
    Onion(onion::Call),
}

#[tokio::main]
async fn main() -> ExitCode {
    match work(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            failed.tell();
            ExitCode::FAILURE
        }
    }
}

/// A failure, and whether its account has told it already.
struct Failed(anyhow::Error, bool);

impl Failed {
    fn tell(&self) {
        use std::io::Write as _;
        if !self.1 {
            writeln!(std::io::stderr().lock(), "x0-testnet: {:#}", self.0).ok();
        }
    }
}

async fn work(cli: Cli) -> Result<(), Failed> {
    let untold = |error| Failed(error, false);
    let programs = || Programs::find(cli.x0).map_err(untold);
    match cli.command {
        Command::Up { nodes } => up(usize::from(nodes), programs()?).await.map_err(untold),
        Command::Tor { dir } => tor(dir).await.map_err(untold),
        Command::Onion(call) => match interruptible(call.talk()).await {
            Ok(Some(ended)) => ended.map_err(untold),
            Ok(None) => Ok(()),
            Err(error) => Err(untold(error)),
        },
        Command::Journey { name, nodes, json } => {
            let told = |told: Result<()>| told.map_err(|error| Failed(error, true));
            match interruptible(journeys::run(name, nodes, programs()?, json)).await {
                Ok(Some(outcome)) => told(outcome),
                Ok(None) => Err(Failed(
                    anyhow::anyhow!("interrupted; all nodes are ended"),
                    false,
                )),
                Err(error) => Err(Failed(error, false)),
            }
        }
        Command::Tour { once } => match interruptible(tour::take(programs()?, once)).await {
            Ok(Some(outcome)) => outcome.map_err(|error| Failed(error, false)),
            Ok(None) => {
                write("\nInterrupted: all nodes are ended and their folder is removed.");
                Ok(())
            }
            Err(error) => Err(Failed(error, false)),
        },
    }
}

async fn up(nodes: usize, programs: Programs) -> Result<()> {
    let plan = Plan {
        name: "testnet".to_owned(),
        nodes,
        relayed: false,
        founders: nodes.min(4),
        time_scale: 1,
        charter: None,
        programs,
        tor: false,
        settings: Vec::new(),
    };
    let Some(started) = interruptible(Mesh::start(&plan, |up| write(&up))).await? else {
        return Ok(());
    };
    let mesh = started?;
    let heading = format!(
        "{nodes} nodes, on disk in {}; Ctrl-C ends them",
        mesh.home().display()
    );
    write(&heading);
    interruptible(table::watch(&mesh, &heading)).await?;
    write("\nThe nodes are asked to stop.");
    mesh.close().await
}

async fn tor(dir: PathBuf) -> Result<()> {
    let Some(started) = interruptible(TorNetwork::start(&dir, true)).await? else {
        return Ok(());
    };
    let network = started?;
    write(&format!(
        "A Tor network of {} relays is up; Ctrl-C ends it. Clients find it by\n    {}\nand its bridge by\n    {}",
        network.relays(),
        network.description().display(),
        network.bridges().display()
    ));
    interruptible(std::future::pending::<()>()).await?;
    write("\nThe relays are ended.");
    Ok(())
}

/// Works until done (`Some`) or until a signal asks this program to end (`None`).
async fn interruptible<T>(work: impl Future<Output = T>) -> Result<Option<T>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        done = work => Ok(Some(done)),
        _ = interrupt.recv() => Ok(None),
        _ = terminate.recv() => Ok(None),
        _ = hang_up.recv() => Ok(None),
    }
}
