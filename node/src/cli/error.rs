//! What a command ends with when it does not succeed, and the exit code for it.

use std::{path::PathBuf, process::ExitCode};

use serde_json::json;
use x0_ebpf_loader::ProbeError;

use crate::{
    api::{error::ErrorView, sockets::ListenError, tokens::TokensError},
    chain::error::ChainError,
    charter::CharterFileError,
    config::ConfigError,
    data::pack::PackError,
    ethereum_key::KeyError,
    identity::IdentityError,
    runtime::{StartError, genesis::GenesisError, invite::InvalidInvite, join::JoinError},
    standby::StandbyError,
    store::StoreError,
    web::WebError,
};

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// No node answers on the socket.
    #[error("no node is running here ({}): start it with `x0 run`", socket.display())]
    NotRunning {
        /// Where it would answer.
        socket: PathBuf,
    },
    /// The node answers, and says no.
    #[error("{}", told(.0))]
    Refused(ErrorView),
    /// The node does not answer as it should.
    #[error(
        "the node did not answer as expected: {0}. See its log; if it runs another version of x0, restart it"
    )]
    BadAnswer(String),
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// Something did not work out, and the text says what to do.
    #[error("{0}")]
    Failed(String),
    /// A server outside the mesh does not answer as it should.
    #[error(transparent)]
    Web(#[from] WebError),
    /// A chain does not do what it was asked for.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// An export does not hold.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// There is no key to sign with.
    #[error(transparent)]
    EthereumKey(#[from] KeyError),
    /// Nothing more to say: the output has said it.
    #[error("")]
    Said,
    /// An audit found what violates the charter; the output has said it.
    #[error("")]
    Violations,
    /// Whoever reads the output has gone.
    #[error("")]
    OutputClosed,
    /// The configuration does not do.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The charter cannot be read, or has faults.
    #[error(transparent)]
    Charter(#[from] CharterFileError),
    /// The identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The invite is none.
    #[error(transparent)]
    Invite(#[from] InvalidInvite),
    /// Joining did not work out.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// Founding did not work out.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The node does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The API cannot be served.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The right to sign for a seat cannot be moved.
    #[error(transparent)]
    Standby(#[from] StandbyError),
    /// The kernel does not enforce what it should, or the guard does not let in.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The tokens of the API cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
}

fn told(error: &ErrorView) -> String {
    if error.mend.is_empty() || error.message.contains(&error.mend) {
        return error.message.clone();
    }
    format!("{}\nWhat to do: {}", error.message, error.mend)
}

impl CliError {
    /// Returns the exit code: 0 done, 1 refused or failed, 2 usage or nobody answered, 3 no node running, 4 an audit found
    /// violations.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::OutputClosed => 0,
            Self::NotRunning { .. } => 3,
            Self::Violations => 4,
            Self::Usage(_)
            | Self::Charter(CharterFileError::Unreadable { .. })
            | Self::Invite(_)
            | Self::Join(JoinError::NobodyAnswered { .. })
            | Self::Web(WebError::BadAddress { .. } | WebError::Unreachable { .. })
            | Self::Chain(ChainError::Web(
                WebError::BadAddress { .. } | WebError::Unreachable { .. },
            )) => 2,
            Self::Refused(_)
            | Self::BadAnswer(_)
            | Self::Failed(_)
            | Self::Said
            | Self::Config(_)
            | Self::Charter(CharterFileError::Faulty(_))
            | Self::Identity(_)
            | Self::Store(_)
            | Self::Join(_)
            | Self::Genesis(_)
            | Self::Start(_)
            | Self::Standby(_)
            | Self::Listen(_)
            | Self::Probe(_)
            | Self::Web(
                WebError::TooOften { .. }
                | WebError::Gone { .. }
                | WebError::Refused { .. }
                | WebError::BadAnswer { .. },
            )
            | Self::EthereumKey(_)
            | Self::Pack(_)
            | Self::Chain(_)
            | Self::Tokens(_) => 1,
        })
    }

    /// Returns the error for programs: one JSON object; `None` if all is said.
    pub fn json(&self) -> Option<serde_json::Value> {
        let error = match self {
            Self::Said | Self::Violations | Self::OutputClosed => return None,
            Self::Refused(view) => json!(view),
            Self::NotRunning { .. } => self.view("not_running", "start it with `x0 run`"),
            Self::BadAnswer(_) => self.view("bad_answer", ""),
            Self::Usage(_) => self.view("usage", ""),
            Self::Invite(_) => self.view("bad_invite", ""),
            Self::Web(error) => self.view(error.code(), ""),
            Self::Chain(error) => self.view(error.code(), ""),
            Self::Probe(error) => self.view(error.code(), error.mend()),
            Self::Join(JoinError::NobodyAnswered { tried }) => {
                let tried: Vec<_> = tried
                    .iter()
                    .map(|(address, why)| json!({ "address": address.to_string(), "why": why }))
                    .collect();
                let mut view = self.view("nobody_answered", "ask for a new invite");
                if let Some(fields) = view.as_object_mut() {
                    fields.insert("tried".to_owned(), json!(tried));
                }
                view
            }
            Self::Config(ConfigError::Faults(faults)) => {
                let mut view = self.view("bad_config", "");
                if let Some(fields) = view.as_object_mut() {
                    fields.insert("faults".to_owned(), json!(faults));
                }
                view
            }
            Self::Charter(CharterFileError::Unreadable { .. }) => self.view("usage", ""),
            Self::Charter(CharterFileError::Faulty(faulty)) => {
                let mut view = self.view("bad_charter", "");
                if let Some(fields) = view.as_object_mut() {
                    let faults = faulty.unread.faults.iter().map(|fault| {
                        json!({
                            "file": faulty.path, "line": fault.line, "column": fault.column, "key": fault.key,
                            "value": fault.value, "what": fault.what, "allowed": fault.allowed, "mend": fault.mend,
                        })
                    });
                    fields.insert("faults".to_owned(), faults.collect());
                    fields.insert("stopped".to_owned(), json!(faulty.unread.stopped));
                }
                view
            }
            Self::Pack(PackError::Altered { .. }) => self.view("altered", "make the export anew"),
            Self::Pack(PackError::Io { .. })
            | Self::Failed(_)
            | Self::Config(_)
            | Self::Identity(_)
            | Self::Store(_)
            | Self::Join(_)
            | Self::Genesis(_)
            | Self::Start(_)
            | Self::Standby(_)
            | Self::Listen(_)
            | Self::EthereumKey(_)
            | Self::Tokens(_) => self.view("failed", ""),
        };
        Some(json!({ "error": error }))
    }

    fn view(&self, code: &str, mend: &str) -> serde_json::Value {
        json!(ErrorView {
            code: code.to_owned(),
            message: self.to_string(),
            mend: mend.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_node_that_does_not_run_says_where_and_how_to_start_it() {
        let error = CliError::NotRunning {
            socket: "/data/x0.sock".into(),
        };

        assert_eq!(
            error.to_string(),
            "no node is running here (/data/x0.sock): start it with `x0 run`"
        );
        assert_eq!(error.exit_code(), ExitCode::from(3));
    }

    #[test]
    fn a_refusal_tells_what_happened_and_then_what_to_do() {
        let error = CliError::Refused(ErrorView {
            code: "act_refused".to_owned(),
            message: "refused: the act touches 5 of 8 nodes".to_owned(),
            mend: "name fewer targets".to_owned(),
        });

        assert_eq!(
            error.to_string(),
            "refused: the act touches 5 of 8 nodes\nWhat to do: name fewer targets"
        );
        assert_eq!(error.json().unwrap()["error"]["code"], "act_refused");
    }

    #[test]
    fn an_invite_that_nobody_answers_names_every_address_and_exits_with_2() {
        let tried = vec![(
            "/ip4/203.0.113.7/tcp/4700".parse().unwrap(),
            "no answer".to_owned(),
        )];
        let error = CliError::Join(JoinError::NobodyAnswered { tried });

        assert!(error.to_string().contains("/ip4/203.0.113.7/tcp/4700"));
        assert_eq!(error.exit_code(), ExitCode::from(2));
        let json = error.json().unwrap();
        assert_eq!(json["error"]["tried"][0]["why"], "no answer");
    }
}
