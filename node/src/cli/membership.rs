//! `x0 invite`, `x0 leave` and `x0 remove`: who belongs to the mesh.

use std::io::{self, BufRead as _, IsTerminal as _};

use clap::Args;
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use x0_crypto::PublicKey;

use super::{
    Context,
    args::Span,
    error::CliError,
    output::{Output, date},
};
use crate::api::{
    invites::{InviteBody, RemoveBody},
    view::{InviteView, RecordedView},
};

/// Make an invite: one string that lets one newcomer in
#[derive(Debug, Args)]
#[command(
    after_help = "The invite is a secret: whoever has it can enter once, until it lapses.\n\n\
                  Example:\n  x0 invite --life 7d --qr"
)]
pub(super) struct InviteArgs {
    /// How long it stays open, such as 12h or 7d, up to 30d [default: 2d]
    #[arg(long)]
    life: Option<Span>,
    /// Name this address, which ends with /p2p/ and a member's id, in place of this node's own; may be repeated
    #[arg(long = "address", value_name = "ADDR")]
    addresses: Vec<String>,
    /// Draw the invite as a QR code in the terminal too
    #[arg(long)]
    qr: bool,
}

/// Leave the mesh for good; coming back needs a new invite
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  x0 leave --yes")]
pub(super) struct LeaveArgs {
    /// Do not ask first
    #[arg(long)]
    yes: bool,
}

/// State, as the holder of a seat, that a member be removed
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  x0 remove 12D3KooW… --reason \"its key was stolen\"")]
pub(super) struct RemoveArgs {
    /// Whom
    #[arg(value_name = "KEY")]
    member: PublicKey,
    /// Why, in words for everyone
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Makes an invite.
pub(super) async fn invite(context: &Context, args: InviteArgs) -> Result<(), CliError> {
    let body = InviteBody {
        life_secs: args.life.map(|life| life.secs),
        addresses: args.addresses,
    };
    let made: InviteView = context.client()?.post("/v1/invites", &body).await?;
    let output = context.output;
    output.note(&format!(
        "This invite lets one node in, until {}. Hand it over in private; they run: x0 join INVITE",
        date(made.expires_ms)
    ));
    if made.local_only {
        output.note(
            "Only this machine or its local network can reach the addresses in it: set network.external, or give \
             --address, for others.",
        );
    }
    if args.qr && !output.is_json() {
        output.note(&shown(&qr_code(&made.invite)?, output));
    }
    output.show(&made, |made| made.invite.clone())
}

/// Draws dark on light on any terminal: cameras want it so (ISO/IEC 18004).
fn shown(code: &str, output: Output) -> String {
    if !output.is_watched() {
        return code.to_owned();
    }
    // ECMA-48 SGR: black on bright white, and back to what was.
    let lines = code
        .lines()
        .map(|line| format!("\x1b[30;107m{line}\x1b[0m"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Draws a text as a QR code; in capitals, of which a code holds more.
fn qr_code(invite: &str) -> Result<String, CliError> {
    let text = invite.to_uppercase();
    let code = QrCode::with_error_correction_level(text, EcLevel::L).map_err(|fault| {
        CliError::Failed(format!(
            "the invite does not fit a QR code ({fault}): give fewer addresses"
        ))
    })?;
    Ok(code.render::<Dense1x2>().build())
}

/// Leaves the mesh.
pub(super) async fn leave(context: &Context, args: &LeaveArgs) -> Result<(), CliError> {
    let client = context.client()?;
    if !args.yes && !is_meant(context, "Leave the mesh for good?")? {
        return Err(CliError::Failed("nothing was done".to_owned()));
    }
    let left: RecordedView = client.post("/v1/leave", &()).await?;
    context.output.show(&left, |left| {
        format!(
            "This node has left the mesh ({}). Stop it with Ctrl-C where it runs.",
            left.id
        )
    })
}

/// Asks a person whether they mean it; programs mean what they call.
pub(super) fn is_meant(context: &Context, question: &str) -> Result<bool, CliError> {
    if context.output.is_json() || !io::stdin().is_terminal() {
        return Ok(true);
    }
    context
        .output
        .note(&format!("{question} Type yes to go on:"));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|cause| CliError::Failed(format!("no answer could be read: {cause}")))?;
    Ok(answer.trim() == "yes")
}

/// States that a member be removed.
pub(super) async fn remove(context: &Context, args: RemoveArgs) -> Result<(), CliError> {
    let member = args.member;
    let body = RemoveBody {
        member,
        reason: args.reason,
    };
    let stated: RecordedView = context.client()?.post("/v1/members/remove", &body).await?;
    context.output.show(&stated, |stated| {
        format!(
            "Stated that {member} be removed ({}). It is, once as many seats say so as `x0 status` names.",
            stated.id
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn an_invite_with_all_its_addresses_fits_a_qr_code() {
        let invite = format!("x0invite1{}", "a".repeat(1_600));

        let drawn = qr_code(&invite).unwrap();

        assert!(drawn.lines().count() > 20, "{drawn}");
    }
}
