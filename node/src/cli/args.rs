//! What can be written after `x0`, and the small values of which commands are made.
//!
//! Arguments of one group of commands stand beside the code that carries them out.

use std::{
    fmt, fs,
    io::{self, Read as _},
    path::PathBuf,
    str::FromStr,
};

use clap::{Parser, Subcommand};
use x0_crypto::capability::Token;

use super::{
    act::ActCommand,
    api_token::ApiTokenCommand,
    audit::AuditCommand,
    capability::CapCommand,
    case::LedgerCommand,
    chain::ChainCommand,
    charter::CharterCommand,
    committee::CommitteeCommand,
    daemon::RunFlags,
    data::DataCommand,
    emergency::EmergencyCommand,
    error::CliError,
    guardian::GuardianCommand,
    halt::HaltCommand,
    identity::IdentityCommand,
    join::JoinArgs,
    membership::{InviteArgs, LeaveArgs, RemoveArgs},
    overriding::OverrideCommand,
    settings::ConfigCommand,
    setup::{GenesisArgs, InitArgs},
    sim::SimCommand,
    snapshot::SnapshotCommand,
    status::{EventsArgs, PeersArgs},
    sublime::SublimeCommand,
    vote::VoteCommand,
};

/// Largest text read from a file or standard input in place of an argument, bytes.
const TEXT_BYTES_MAX: u64 = 64 * 1024;

/// A node of an x0 mesh, and the commands that steer it.
#[derive(Debug, Parser)]
#[command(
    name = "x0",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Found a mesh:   x0 genesis --name garden && x0 run\n\
                  Join one:       x0 join x0invite1…\n\n\
                  Exit codes: 0 done, 1 refused or failed, 2 not understood or nobody answered, 3 no node is running,\n            4 an audit found violations."
)]
pub(super) struct Cli {
    /// Where the node keeps everything [env: X0_HOME; default: x0 in the user's data directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Answer programs: one JSON object on standard output, also for errors
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Init(InitArgs),
    Genesis(GenesisArgs),
    Invite(InviteArgs),
    Join(JoinArgs),
    Run(RunFlags),
    /// Show how the node and its mesh are, and what protects the mesh now
    #[command(after_help = "Example:\n  x0 status --json")]
    Status,
    Peers(PeersArgs),
    Events(EventsArgs),
    /// Print a link that opens the dashboard in a browser, once
    #[command(after_help = "Example:\n  xdg-open \"$(x0 dashboard)\"")]
    Dashboard,
    Leave(LeaveArgs),
    Remove(RemoveArgs),
    /// Grant, narrow, look at and revoke capability tokens
    #[command(subcommand)]
    Cap(CapCommand),
    /// Change this node, or propose a change of others
    #[command(subcommand)]
    Act(ActCommand),
    /// Change others without a vote, in an emergency and in public: it lapses unless it was told to all
    #[command(subcommand)]
    Override(OverrideCommand),
    /// Show who sits on the committee, and put others in their place
    #[command(subcommand)]
    Committee(CommitteeCommand),
    /// See what is frozen or halted because of an anomaly, and why
    #[command(subcommand)]
    Halt(HaltCommand),
    /// Check, show, compare and amend charters: what a mesh may collect; and hold programs to one by the kernel
    #[command(subcommand)]
    Charter(CharterCommand),
    /// Put content that nobody opens without a vote, ask for it, and open it
    #[command(subcommand)]
    Sublime(SublimeCommand),
    /// Open an item in an emergency with its recovery card; as a juror, see and decide calls
    #[command(subcommand)]
    Emergency(EmergencyCommand),
    /// Serve as a guardian of others' content or ask others to, and try what is kept
    #[command(subcommand)]
    Guardian(GuardianCommand),
    /// Show balances in x0: fines, bounties, and who owes
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Propose, cast, follow and recount votes
    #[command(subcommand)]
    Vote(VoteCommand),
    /// Take along what is held about you, or have it erased
    #[command(subcommand)]
    Data(DataCommand),
    /// Read, prove and check entries of this node's audit log and of the mesh's public log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Show, check and reload the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look after the key that this node is
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Let programs call the node's API over the loopback
    #[command(subcommand)]
    ApiToken(ApiTokenCommand),
    /// Read, check and answer votes held on Snapshot, a voting service outside the mesh
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Put the charter on a chain, read it there, and change it with the committee's signatures
    #[command(subcommand)]
    Chain(ChainCommand),
    /// Simulate a mesh of many nodes, in virtual time
    #[command(subcommand)]
    Sim(SimCommand),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  x0 completions bash > ~/.local/share/bash-completion/completions/x0"
    )]
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// A span of time, in whole seconds; written like `90s`, `5m`, `12h`, `7d` or `2w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) secs: u64,
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("{text:?} is no span of time: write it like 90s, 5m, 12h, 7d or 2w");
        let unit = text.chars().last().ok_or_else(fault)?;
        let unit_secs = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(fault()),
        };
        let number = text.strip_suffix(unit).unwrap_or_default();
        let count: u64 = number.parse().map_err(|_| fault())?;
        let secs = count.checked_mul(unit_secs).filter(|secs| *secs > 0);
        secs.map(|secs| Self { secs }).ok_or_else(fault)
    }
}

/// A name with a value, written `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) value: String,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok(Self {
                name: name.trim().to_owned(),
                value: value.trim().to_owned(),
            }),
            Some(_) | None => Err(format!(
                "{text:?} is no NAME=VALUE, such as links.target=12"
            )),
        }
    }
}

/// A text given itself, as `@FILE`, or as `-` for standard input, where no list of processes shows it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Text(String);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text")
    }
}

impl FromStr for Text {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl Text {
    /// Reads the text from where it stands.
    pub(super) fn read(&self) -> Result<String, CliError> {
        let (from, text) = match (self.0.as_str(), self.0.strip_prefix('@')) {
            ("-", _) => ("standard input", read_text(io::stdin().lock())),
            (_, Some(path)) => (path, fs::File::open(path).and_then(read_text)),
            (text, None) => return Ok(text.to_owned()),
        };
        let text = text.map_err(|cause| {
            CliError::Usage(format!(
                "{from} cannot be read ({cause}): give the text itself, @FILE or -"
            ))
        })?;
        Ok(text.trim().to_owned())
    }

    /// Reads a capability token.
    pub(super) fn token(&self) -> Result<Token, CliError> {
        self.read()?
            .parse()
            .map_err(|fault| CliError::Usage(format!("the token cannot be used: {fault}")))
    }
}

fn read_text(from: impl io::Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(TEXT_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_put_together_soundly() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself_with_an_example() {
        let mut waiting = vec![Cli::command()];
        while let Some(command) = waiting.pop() {
            let inner: Vec<_> = command.get_subcommands().cloned().collect();
            if inner.is_empty() {
                let example = command.get_after_help().map(ToString::to_string);
                let name = command.get_name();
                assert!(example.is_some_and(|text| text.contains("x0 ")), "{name}");
                assert!(command.get_about().is_some(), "{name}");
            }
            waiting.extend(inner);
        }
    }

    #[test]
    fn spans_are_read_the_way_people_write_them() {
        let secs = |text: &str| text.parse::<Span>().map(|span| span.secs);

        assert_eq!(secs("90s"), Ok(90));
        assert_eq!(secs("5m"), Ok(300));
        assert_eq!(secs("12h"), Ok(43_200));
        assert_eq!(secs("7d"), Ok(604_800));
        assert_eq!(secs("2w"), Ok(1_209_600));
        for bad in [
            "",
            "7",
            "d",
            "-1d",
            "0s",
            "7 d",
            "1.5h",
            "7ч",
            "99999999999999999w",
        ] {
            assert!(secs(bad).unwrap_err().contains("7d"), "{bad}");
        }
    }

    #[test]
    fn assignments_need_a_name() {
        let read: Assignment = "links.target = 12=3".parse().unwrap();

        assert_eq!(
            (read.name.as_str(), read.value.as_str()),
            ("links.target", "12=3")
        );
        assert!("links.target".parse::<Assignment>().is_err());
        assert!("=12".parse::<Assignment>().is_err());
    }

    #[test]
    fn a_text_may_stand_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "  x0cap1abc\n").unwrap();
        let text: Text = format!("@{}", path.display()).parse().unwrap();

        assert_eq!(text.read().unwrap(), "x0cap1abc");
        fs::remove_file(&path).unwrap();
        assert!(
            text.read()
                .unwrap_err()
                .to_string()
                .contains("cannot be read")
        );
    }
}
