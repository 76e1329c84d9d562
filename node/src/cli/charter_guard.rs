//! `x0 charter guard`: runs a program under the charter, enforced by the kernel.
//!
//! The command becomes the program, so that signals, exit code and terminal are the program's own. It needs no privilege:
//! the helper `x0-probe`, which has it, only moves the asking process.

use std::{convert::Infallible, ffi::OsString, fs, io, path::PathBuf};

use clap::Args;
use x0_ebpf_loader::{Policy, ProbeError, client::Client, guard, place};

use super::{error::CliError, output::Output};

/// Run a program that can send only what the charter allows
#[derive(Debug, Args)]
#[command(
    after_help = "The program, and all it starts, reaches only the destinations of its service, and telemetry only the \
                  local gateway; StatsD names off the whitelist are refused with EPERM. This holds for as long as the \
                  program runs, whether the node and the helper run or not. Needs the helper: see `x0 charter probe start`.\n\n\
                  Sockets opened before would escape, so the command refuses to inherit any; standard input, output and \
                  error may be files, pipes, terminals and unix sockets. sudo and other ways to more rights do not work \
                  inside.\n\n\
                  Examples:\n  x0 charter guard --service exporter -- prometheus-node-exporter\n  \
                  x0 charter guard --service node -- x0 run"
)]
pub(super) struct GuardArgs {
    /// Service whose rules hold
    #[arg(long, value_name = "NAME", default_value = "exporter")]
    service: String,
    /// Put this policy (JSON) in force first; only the helper's owner may
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Socket of the helper
    #[arg(long, value_name = "FILE", default_value_os_t = place::socket())]
    socket: PathBuf,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Becomes the command; returns only why that did not work out.
pub(super) fn answer(args: &GuardArgs, output: Output) -> Result<Infallible, CliError> {
    let client = Client::new(args.socket.clone());
    if let Some(file) = &args.policy {
        load(&client, file, output)?;
    }
    let Some((command, rest)) = args.command.split_first() else {
        return Err(CliError::Usage("name the program to run".to_owned()));
    };
    Err(guard::exec(&client, &args.service, command, rest).into())
}

/// Puts the policy of a file in force.
pub(super) fn load(client: &Client, file: &PathBuf, output: Output) -> Result<(), CliError> {
    let unread = |cause: io::Error| {
        CliError::Failed(format!(
            "{} cannot be read ({cause}): name another file",
            file.display()
        ))
    };
    let text = fs::read(file).map_err(unread)?;
    let policy = Policy::from_json(&text).map_err(ProbeError::from)?;
    client.load(&policy)?;
    let policy = policy.policy();
    output.note(&format!(
        "In force: {} metric names, {} services.",
        policy.metrics.len(),
        policy.services.len()
    ));
    Ok(())
}
