//! `x0 emergency`: calls for an item by its recovery card, on the device of a person in danger; and what jurors do about them.

mod hardening;
mod jury;
mod request;

use clap::Subcommand;

use super::{Context, error::CliError};

#[derive(Debug, Subcommand)]
pub(super) enum EmergencyCommand {
    Request(request::RequestArgs),
    Calls(jury::CallsArgs),
    Decide(jury::DecideArgs),
}

/// Answers a command about emergencies.
pub(super) async fn answer(context: &Context, command: EmergencyCommand) -> Result<(), CliError> {
    match command {
        EmergencyCommand::Request(args) => request::request(context, args).await,
        EmergencyCommand::Calls(args) => jury::calls(context, args).await,
        EmergencyCommand::Decide(args) => jury::decide(context, args).await,
    }
}
