//! The program `x0`: what it can be asked, and who answers.
//!
//! - Commands about a running node go over its unix socket ([`client`]); those that make, check or narrow
//!   something work without one.
//! - Every command can answer a person or a program ([`output`]), and ends with an exit code that says how it
//!   went ([`error`]).
//!
//! No rule of the mesh and no check of a setting is made here: commands ask the parts that make them.

mod act;
mod api_token;
mod args;
mod audit;
mod capability;
mod case;
mod chain;
mod chain_act;
mod charter;
mod charter_guard;
mod charter_probe;
pub mod client;
mod committee;
mod cosign;
mod daemon;
mod data;
mod emergency;
pub mod error;
mod guardian;
mod halt;
mod identity;
mod join;
mod membership;
mod memory;
pub mod output;
mod overriding;
mod passphrase;
mod processor;
mod report;
mod rotate;
mod settings;
mod setup;
mod sim;
mod sim_attack;
mod snapshot;
mod status;
mod sublime;
mod vote;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use self::{
    args::{Cli, Command},
    charter::CharterCommand,
    client::Client,
    error::CliError,
    output::Output,
};
use crate::config::{self, Config, Key, Sources};

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(fault) => return not_understood(&fault, &args),
    };
    let output = Output::new(cli.json);
    match answer(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            error.exit_code()
        }
    }
}

/// Shows the help that was asked for, or what is wrong with the command line.
fn not_understood(fault: &clap::Error, args: &[OsString]) -> ExitCode {
    let is_json = args.iter().any(|arg| arg == "--json");
    let is_wish = matches!(
        fault.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if !is_json || is_wish {
        fault.print().ok();
        return ExitCode::from(if is_wish { 0 } else { 2 });
    }
    let error = CliError::Usage(fault.to_string().trim_end().to_owned());
    Output::new(true).error(&error);
    error.exit_code()
}

/// Where a command works and to whom it talks.
struct Context {
    data_dir: PathBuf,
    output: Output,
}

impl Context {
    fn config(&self) -> Result<Config, CliError> {
        self.config_with(Vec::new())
    }

    fn config_with(&self, flags: Vec<(Key, String)>) -> Result<Config, CliError> {
        let sources = Sources::of_process(self.data_dir.clone(), flags);
        Ok(Config::load(sources)?)
    }

    /// Returns the way to the node of this data directory, whether it runs or not.
    fn client(&self) -> Result<Client, CliError> {
        Ok(Client::new(self.config()?.api.unix_socket, None))
    }
}

fn answer(cli: Cli, output: Output) -> Result<(), CliError> {
    let command = cli.command;
    // Simulations bring their own threads, and completions need nothing at all.
    if let Command::Sim(command) = command {
        return sim::answer(command, output);
    }
    if let Command::Completions { shell } = command {
        return completions(shell, output);
    }
    // A guarded command takes the place of this process, which therefore has no threads yet.
    if let Command::Charter(CharterCommand::Guard(args)) = command {
        match charter_guard::answer(&args, output)? {}
    }
    processor::check()?;
    if matches!(command, Command::Run(_) | Command::Join(_)) {
        memory::bound();
    }
    let context = Context {
        data_dir: config::data_dir(cli.data_dir.as_deref())?,
        output,
    };
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|cause| {
            CliError::Failed(format!(
                "no threads could be started ({cause}): free some memory or processes"
            ))
        })?;
    threads.block_on(ask(&context, command))
}

async fn ask(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::Init(args) => setup::init(context, &args),
        Command::Genesis(args) => setup::genesis(context, args),
        Command::Invite(args) => membership::invite(context, args).await,
        Command::Join(args) => join::join(context, args).await,
        Command::Run(flags) => daemon::run(context, &flags).await,
        Command::Status => status::status(context).await,
        Command::Peers(args) => status::peers(context, &args).await,
        Command::Events(args) => status::events(context, &args).await,
        Command::Dashboard => status::dashboard(context).await,
        Command::Leave(args) => membership::leave(context, &args).await,
        Command::Remove(args) => membership::remove(context, args).await,
        Command::Cap(command) => capability::answer(context, command).await,
        Command::Act(command) => act::answer(context, command).await,
        Command::Override(command) => overriding::answer(context, command).await,
        Command::Committee(command) => committee::answer(context, command).await,
        Command::Halt(command) => halt::answer(context, command).await,
        Command::Charter(command) => charter::answer(context, command).await,
        Command::Sublime(command) => sublime::answer(context, command).await,
        Command::Emergency(command) => emergency::answer(context, command).await,
        Command::Guardian(command) => guardian::answer(context, command).await,
        Command::Ledger(command) => case::ledger(context, command).await,
        Command::Vote(command) => vote::answer(context, command).await,
        Command::Data(command) => data::answer(context, command).await,
        Command::Audit(command) => audit::answer(context, command).await,
        Command::Config(command) => settings::answer(context, command).await,
        Command::Identity(command) => identity::answer(context, command).await,
        Command::ApiToken(command) => api_token::answer(context, command).await,
        Command::Snapshot(command) => snapshot::answer(context, command).await,
        Command::Chain(command) => chain::answer(context, command).await,
        Command::Sim(command) => sim::answer(command, context.output),
        Command::Completions { shell } => completions(shell, context.output),
    }
}

fn completions(shell: clap_complete::Shell, output: Output) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "x0", &mut script);
    output.raw(&String::from_utf8_lossy(&script))
}
