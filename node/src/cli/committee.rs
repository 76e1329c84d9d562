//! `x0 committee`: who sits on it, and who is to.

use clap::Subcommand;
use x0_crypto::{ContentId, PublicKey};

use super::{
    Context,
    error::CliError,
    output::{Facts, Table},
};
use crate::api::committee::{PlannedView, SeatsBody, SeatsView};

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
    /// Approve, as the holder of a seat, of seats that another has proposed
    #[command(after_help = "Example:\n  x0 committee approve bafyrei…")]
    Approve {
        /// The plan, as `x0 committee show` names it
        plan: ContentId,
    },
}

/// Answers a command about the committee.
pub(super) async fn answer(context: &Context, command: CommitteeCommand) -> Result<(), CliError> {
    match command {
        CommitteeCommand::Show => show(context).await,
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
