//! Why Tor does not come up, read from how far it came.
//!
//! arti says how far it is in words ([`arti_client::status::BootstrapStatus`]) and keeps what they stand for to itself;
//! the words of this version are read here and nowhere else. Where bridges are set and do not answer, those that need no
//! transport are asked once more over TCP, which is no more than arti did just before.

use std::{io, time::Duration};

use arti_client::status::{BlockageKind, BootstrapStatus};
use tokio::{net::TcpStream, time::timeout};

use crate::{error::TorError, settings::Bridges};

/// Longest wait for a bridge to take a connection: a round trip over a satellite and two lost packets.
const BRIDGE_PATIENCE: Duration = Duration::from_secs(4);
/// How many bridges are asked.
const BRIDGES_ASKED: usize = 3;

/// How far a client came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No connection was answered.
    Unconnected,
    /// Connections are answered, and no relay could prove itself.
    Handshake,
    /// Relays are reached; their directory is not complete.
    Directory,
}

/// Names the obstacle.
pub(crate) async fn name(
    status: &BootstrapStatus,
    bridges: Option<&Bridges>,
    after: Duration,
) -> TorError {
    let words = status.to_string();
    let skewed = status
        .blocked()
        .is_some_and(|blocked| matches!(blocked.kind(), BlockageKind::ClockSkewed));
    if let Some(by) = clock(&words) {
        return TorError::WrongClock { by: by.to_owned() };
    }
    if skewed {
        return TorError::WrongClock { by: words };
    }
    match (stage(&words), bridges) {
        (Stage::Directory, _) | (Stage::Handshake, None) => {
            TorError::TimedOut { after, why: words }
        }
        (Stage::Unconnected, None) => TorError::NoNetwork { why: words },
        (Stage::Unconnected, Some(bridges)) => unreached(bridges, words).await,
        (Stage::Handshake, Some(_)) => {
            let why =
                "it answers, but cannot prove that it is the one whose fingerprint the line has"
                    .to_owned();
            TorError::BridgeRefused { why }
        }
    }
}

/// Finds by how much the clock is wrong: "… Clock is fast by around 2h (based on …)".
fn clock(words: &str) -> Option<&str> {
    words.split("Clock is ").skip(1).find_map(|rest| {
        let by = rest.split(" (").next()?;
        (by.starts_with("slow by") || by.starts_with("fast by")).then_some(by)
    })
}

fn stage(words: &str) -> Stage {
    if words.contains("connecting to the internet")
        || words.contains("unable to connect to the internet")
    {
        Stage::Unconnected
    } else if words.contains("handshak") || words.contains("filtered") {
        Stage::Handshake
    } else {
        Stage::Directory
    }
}

async fn unreached(bridges: &Bridges, words: String) -> TorError {
    let mut seen = None;
    for address in bridges.plain.iter().take(BRIDGES_ASKED) {
        match timeout(BRIDGE_PATIENCE, TcpStream::connect(address)).await {
            Ok(Err(error)) if offline(&error) => {
                return TorError::NoNetwork {
                    why: error.to_string(),
                };
            }
            Ok(Err(error)) => seen = Some(format!("{error}")),
            Ok(Ok(_)) => seen = Some("it takes connections and closes them".to_owned()),
            Err(_) => seen = Some("it does not answer".to_owned()),
        }
    }
    TorError::BridgeRefused {
        why: seen.unwrap_or(words),
    }
}

/// Tells whether the machine itself has no way out.
fn offline(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_wrong_is_told_with_how_much() {
        let told = "Stuck at 7%: Clock is skewed. (Clock is slow by around 2h 5m (based on 9 recent observations, with \
                    high confidence)). Clock is slow by around 2h 5m (based on 9 recent observations, with high confidence)";

        assert_eq!(clock(told), Some("slow by around 2h 5m"));
        assert_eq!(
            clock("12%: connecting successfully; fetching a consensus"),
            None
        );
        assert_eq!(
            clock(
                "Stuck at 0%: Clock is skewed. (relays all seem to be using expired certificates)"
            ),
            None
        );
    }

    #[test]
    fn how_far_a_client_came_is_read_from_its_words() {
        let told = [
            (
                "0%: connecting to the internet; not downloading",
                Stage::Unconnected,
            ),
            (
                "Stuck at 0%: We seem to be offline (unable to connect to the internet)",
                Stage::Unconnected,
            ),
            (
                "8%: handshaking with Tor relays; directory is fetching a consensus",
                Stage::Handshake,
            ),
            (
                "15%: connecting successfully; directory is fetching a consensus",
                Stage::Directory,
            ),
        ];

        for (words, far) in told {
            assert_eq!(stage(words), far, "{words}");
        }
    }
}
