//! What can go wrong with Tor, told apart by what helps.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "arti's kinds of errors are an open enum of which few concern us"
)]

use std::{path::PathBuf, time::Duration};

use arti_client::{ErrorKind, HasKind as _};
use thiserror::Error;
use tor_error::ErrorReport as _;

use crate::settings::SettingsError;

/// Why Tor did not do what it was asked.
#[derive(Debug, Error)]
pub enum TorError {
    /// The settings are refused.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No connection leaves this machine, or none is answered.
    #[error(
        "no relay of Tor can be reached ({why}). Check that this machine is on the network; if others here are and Tor is \
         blocked, set a bridge"
    )]
    NoNetwork {
        /// How far it came.
        why: String,
    },
    /// This machine's clock is wrong.
    #[error(
        "this machine's clock is wrong ({by}), and Tor proves its relays by time. Set it right, for instance with \
         `timedatectl set-ntp true`, and try again"
    )]
    WrongClock {
        /// By how much, if that is known, or how it was noticed.
        by: String,
    },
    /// The bridges do not let us in.
    #[error(
        "the bridge does not let us in: {why}. Ask for another at https://bridges.torproject.org and set that"
    )]
    BridgeRefused {
        /// What they did instead.
        why: String,
    },
    /// Another process uses the folder.
    #[error("{} is in use by another process: stop that one, or give this one another folder for Tor's state", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be read or written.
    #[error(
        "Tor cannot use {}: {why}. It must belong to the user that runs this, and nobody else may write there or in a \
         folder above it: `chmod 700` it",
        path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// It takes too long.
    #[error(
        "Tor is not up after {} s ({why}). Try again; if it stays so, Tor may be filtered here: set a bridge",
        after.as_secs()
    )]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
        /// How far it came.
        why: String,
    },
    /// What was to be dialled is no onion service.
    #[error(
        "that is no address of an onion service: those have 56 letters and digits before '.onion'; nothing else is dialled"
    )]
    NotAnOnion,
    /// The onion service is not there.
    #[error(
        "the onion service is not there ({why}). Ask whoever runs it whether it is up and try again in a minute"
    )]
    NotThere {
        /// What was seen.
        why: String,
    },
    /// The onion service is there and refuses.
    #[error("the onion service does not take connections on that port ({why}). Check the port")]
    Refused {
        /// What it said.
        why: String,
    },
    /// The onion service does not answer in time.
    #[error("the onion service has not answered for {} s. Try again; if it stays so, it is overloaded or gone", after.as_secs())]
    Silent {
        /// How long it was waited for.
        after: Duration,
    },
    /// A service's name is none.
    #[error("'{0}' cannot name a service: take lower-case letters, digits, '-' and '_'")]
    Nickname(String),
    /// Anything else.
    #[error("Tor failed: {why}")]
    Failed {
        /// What it says of it.
        why: String,
    },
}

impl TorError {
    /// Tells what keeps a client from being made or an onion service from being offered, with the folder it uses.
    pub(crate) fn at_home(error: &arti_client::Error, state: PathBuf) -> Self {
        let why = words(error);
        match error.kind() {
            ErrorKind::LocalResourceAlreadyInUse => Self::Locked { path: state },
            kind if of_folders(kind) => Self::Folder { path: state, why },
            ErrorKind::ClockSkew => Self::WrongClock { by: why },
            ErrorKind::ExternalToolFailed => Self::BridgeRefused {
                why: format!("its transport does not run ({why})"),
            },
            _ => Self::Failed { why },
        }
    }

    /// Tells what keeps a stream to an onion service from being opened.
    pub(crate) fn on_the_way(error: &arti_client::Error) -> Self {
        let why = words(error);
        match error.kind() {
            ErrorKind::OnionServiceNotFound
            | ErrorKind::OnionServiceNotRunning
            | ErrorKind::OnionServiceConnectionFailed
            | ErrorKind::CircuitCollapse => Self::NotThere { why },
            ErrorKind::RemoteStreamClosed
            | ErrorKind::RemoteStreamReset
            | ErrorKind::RemoteStreamError
            | ErrorKind::RemoteConnectionRefused => Self::Refused { why },
            ErrorKind::OnionServiceAddressInvalid | ErrorKind::InvalidStreamTarget => {
                Self::NotAnOnion
            }
            ErrorKind::TorAccessFailed | ErrorKind::LocalNetworkError => Self::NoNetwork { why },
            ErrorKind::ClockSkew => Self::WrongClock { by: why },
            _ => Self::Failed { why },
        }
    }
}

/// Says what arti says, without what it says of every attempt.
pub(crate) fn words(error: &arti_client::Error) -> String {
    let report = error.report().to_string();
    let first = report.lines().next().unwrap_or_default();
    first.trim_start_matches("error: ").to_owned()
}

fn of_folders(kind: ErrorKind) -> bool {
    [
        ErrorKind::FsPermissions,
        ErrorKind::PersistentStateAccessFailed,
        ErrorKind::PersistentStateCorrupted,
        ErrorKind::CacheAccessFailed,
        ErrorKind::CacheCorrupted,
        ErrorKind::KeystoreAccessFailed,
        ErrorKind::KeystoreCorrupted,
    ]
    .contains(&kind)
}
