//! `x0 committee`: who sits on it, and who is to.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use x0_crypto::{ContentId, Identity, PublicKey};

use super::{
    Context,
    error::CliError,
    output::{Facts, Table},
    passphrase,
};
use crate::{
    api::{
        committee::{PlannedView, RecoveryBody, SeatsBody, SeatsView},
        view::RecordedView,
    },
    metrics::Metrics,
    standby::{self, StandbyError},
    store::{RocksStore, StoreOptions},
};

#[derive(Debug, Subcommand)]
pub(super) enum CommitteeCommand {
    /// Show the seats, the plans that wait for approvals, and the hand-over under way
    #[command(after_help = "Example:\n  x0 committee show")]
    Show,
    /// Propose, as the holder of a seat, who gets a seat and who leaves one
    #[command(
        after_help = "The proposal counts as this seat's approval; it is carried out once a quorum of the seats \
                      approves. At most a third of the seats, less one, may change at once. With neither --add nor \
                      --remove the seats stay and make new keys.\n\n\
                      Example:\n  x0 committee propose-seats --add 12D3KooW… --remove 12D3KooX…"
    )]
    ProposeSeats {
        /// A member that is to have a seat; may be repeated
        #[arg(long, value_name = "KEY")]
        add: Vec<PublicKey>,
        /// A seat that is to leave; may be repeated
        #[arg(long, value_name = "KEY")]
        remove: Vec<PublicKey>,
    },
    /// Seat a new committee when the old one is lost, by two thirds of the members
    #[command(subcommand)]
    Recover(RecoverCommand),
    /// Make this node the standby of its seat: print the key for which the seat is to be exported
    #[command(
        after_help = "For a second node with the same identity, put in place by `x0 identity restore`. It signs for the \
                      seat only once it has taken it over.\n\nExample:\n  x0 committee standby"
    )]
    Standby,
    /// Give the seat to a standby: this node signs for it no more, and a file has all the standby needs
    #[command(
        after_help = "The node must be stopped. The right to sign goes first, so that two nodes never sign for one \
                      seat; if it breaks off, the same command goes on.\n\n\
                      Example:\n  x0 committee export-seat --to 12D3KooW… seat.x0"
    )]
    ExportSeat {
        /// The key that `x0 committee standby` printed at the other node
        #[arg(long, value_name = "KEY")]
        to: PublicKey,
        /// The file to write; it must not exist
        file: PathBuf,
    },
    /// Take over a seat that was exported for this node
    #[command(
        after_help = "The node must be stopped. A file can be taken over once.\n\n\
                      Example:\n  x0 committee import-seat seat.x0 && x0 run"
    )]
    ImportSeat {
        /// The file
        file: PathBuf,
    },
    /// Approve, as the holder of a seat, of seats that another has proposed
    #[command(after_help = "Example:\n  x0 committee approve bafyrei…")]
    Approve {
        /// The plan, as `x0 committee show` names it
        plan: ContentId,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum RecoverCommand {
    /// Show the plans that members speak for, and how many do
    #[command(after_help = "Example:\n  x0 committee recover show")]
    Show,
    /// Propose the seats of a new committee, with this member's own word
    #[command(
        after_help = "Two thirds of the members who counted as of the last checkpoint must speak for the same seats. \
                      A member who speaks for two plans counts for neither.\n\n\
                      Example:\n  x0 committee recover propose --seat KEY1 --seat KEY2 --seat KEY3 --seat KEY4"
    )]
    Propose {
        /// Who is to sit; repeat it for each, 4 to 31
        #[arg(long = "seat", value_name = "KEY", required = true)]
        seats: Vec<PublicKey>,
    },
    /// Speak for seats that another member has proposed
    #[command(after_help = "Example:\n  x0 committee recover sign bafyrei…")]
    Sign {
        /// The plan, as `x0 committee recover show` names it
        plan: ContentId,
    },
}

async fn recover(context: &Context, command: RecoverCommand) -> Result<(), CliError> {
    let client = context.client()?;
    let spoken: RecordedView = match command {
        RecoverCommand::Show => {
            let view: SeatsView = client.get("/v1/committee").await?;
            return context.output.show(&view.recoveries, |plans| {
                let mut table = Table::new(["plan", "members", "seats"]);
                for plan in plans {
                    table.row([
                        plan.plan.clone(),
                        format!("{} of {}", plan.have, plan.need),
                        plan.seats.join(" "),
                    ]);
                }
                if table.is_empty() {
                    return "Nobody speaks for a new committee.".to_owned();
                }
                table.text()
            });
        }
        RecoverCommand::Propose { seats } => {
            let body = RecoveryBody { seats };
            client.post("/v1/committee/recoveries", &body).await?
        }
        RecoverCommand::Sign { plan } => {
            let path = format!("/v1/committee/recoveries/{plan}");
            client.post(&path, &()).await?
        }
    };
    context
        .output
        .show(&spoken, |spoken| format!("said, by record {}", spoken.id))
}

/// Answers a command about the committee.
pub(super) async fn answer(context: &Context, command: CommitteeCommand) -> Result<(), CliError> {
    match command {
        CommitteeCommand::Show => show(context).await,
        CommitteeCommand::Recover(command) => recover(context, command).await,
        CommitteeCommand::Standby => {
            let key = standby::wait(&context.data_dir)?.to_string();
            context.output.note(
                "Where the seat is kept, stop the node and run: x0 committee export-seat --to KEY FILE",
            );
            context
                .output
                .show(&json!({ "standby": key }), |_| key.clone())
        }
        CommitteeCommand::ExportSeat { to, file } => {
            let (path, data_dir) = (file.clone(), context.data_dir.clone());
            let (identity, store) = stopped(context)?;
            apart(move || standby::export(&data_dir, &store, &identity, to, &path)).await?;
            context.output.show(&json!({ "seat": file, "to": to.to_string() }), |_| {
                format!(
                    "This node signs for the seat no more. At the standby run: x0 committee import-seat {}",
                    file.display()
                )
            })
        }
        CommitteeCommand::ImportSeat { file } => {
            let (path, data_dir) = (file.clone(), context.data_dir.clone());
            let (identity, store) = stopped(context)?;
            apart(move || standby::import(&data_dir, &store, &identity, &path)).await?;
            context.output.show(&json!({ "imported": file }), |_| {
                "This node signs for the seat from now on. Next: `x0 run` starts it.".to_owned()
            })
        }
        CommitteeCommand::ProposeSeats { add, remove } => {
            let body = SeatsBody { add, remove };
            let client = context.client()?;
            let planned: PlannedView = client.post("/v1/committee/plans", &body).await?;
            context.output.note(
                "Proposed and approved by this seat. Have the others approve: x0 committee approve PLAN",
            );
            context
                .output
                .show(&planned, |planned| planned.plan.clone())
        }
        CommitteeCommand::Approve { plan } => {
            let path = format!("/v1/committee/plans/{plan}");
            let planned: PlannedView = context.client()?.post(&path, &()).await?;
            context
                .output
                .show(&planned, |planned| format!("approved of {}", planned.plan))
        }
    }
}

/// Moves a seat on a thread of its own: it waits for the disk.
async fn apart(
    work: impl FnOnce() -> Result<(), StandbyError> + Send + 'static,
) -> Result<(), CliError> {
    let moved = tokio::task::spawn_blocking(work).await;
    Ok(moved.map_err(|error| CliError::Failed(error.to_string()))??)
}

/// Opens identity and store of a node that does not run.
fn stopped(context: &Context) -> Result<(Identity, RocksStore), CliError> {
    let identity = passphrase::open_identity(&context.data_dir)?;
    let options = StoreOptions::new(context.config()?.store.max_bytes, Metrics::new());
    let store = RocksStore::open(&context.data_dir, identity.public(), options)?;
    Ok((identity, store))
}

async fn show(context: &Context) -> Result<(), CliError> {
    let view: SeatsView = context.client()?.get("/v1/committee").await?;
    context.output.show(&view, text)
}

fn text(view: &SeatsView) -> String {
    let mut facts = Facts::default();
    let epoch = view.epoch.map(|epoch| epoch.to_string());
    facts
        .add(
            "epoch",
            epoch.unwrap_or_else(|| "none: the keys are not made yet".to_owned()),
        )
        .add("quorum", format!("{} of {}", view.quorum, view.seats.len()));
    if let Some(handing) = &view.handing {
        let stage = match handing.stage.as_str() {
            "making_keys" => "the new seats make their keys",
            _ => "the present seats are to certify them",
        };
        facts.add("hand-over", format!("to epoch {}: {stage}", handing.epoch));
    }
    let mut table = Table::new(["seat"]);
    for seat in &view.seats {
        table.row([seat.clone()]);
    }
    let mut text = format!("{}\n{}", facts.text(), table.text());
    for plan in &view.plans {
        let mut facts = Facts::default();
        facts.add("plan", &plan.plan);
        for key in &plan.come {
            facts.add("comes", key);
        }
        for key in &plan.leave {
            facts.add("leaves", key);
        }
        facts.add(
            "approved by",
            format!("{} of {}", plan.approved_by.len(), view.quorum),
        );
        text.push_str(&format!("\n{}", facts.text()));
    }
    text
}
