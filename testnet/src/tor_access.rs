//! A real Tor network on this machine, and the files by which nodes and devices reach it.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::tor_network::TorNetwork;

/// How a program gets into the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It dials relays.
    Direct,
    /// It dials a bridge.
    Bridge,
}

/// A Tor network, and the files by which nodes and devices reach it.
pub struct TorAccess {
    network: TorNetwork,
    folder: TempDir,
}

impl TorAccess {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// Returns what is missing.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("x0-testnet-tor-")
            .tempdir()?;
        let network = TorNetwork::start(&folder.path().join("network"), true).await?;
        let bridge = network.bridge().context("there is no bridge")?;
        let described = format!("network = {:?}\n", network.description());
        fs::write(folder.path().join("direct.toml"), &described)?;
        let bridged = format!("{described}bridges = [{:?}]\n", bridge.line);
        fs::write(folder.path().join("bridged.toml"), bridged)?;
        Ok(Self { network, folder })
    }

    /// Returns the settings of a node that is reached by it.
    pub fn settings(&self) -> Vec<String> {
        let file = self.file(Way::Direct);
        vec![
            "emergency.onion=true".to_owned(),
            format!("emergency.tor_file={}", file.display()),
        ]
    }

    /// Tells whether somebody who goes this way speaks with whom they should: with relays, which are at addresses of their own,
    /// or with the bridge alone.
    pub fn is_on(&self, way: Way, peer: SocketAddrV4) -> bool {
        match way {
            Way::Direct => *peer.ip() != Ipv4Addr::LOCALHOST && peer.ip().is_loopback(),
            Way::Bridge => self
                .network
                .bridge()
                .is_some_and(|bridge| bridge.address == peer),
        }
    }

    /// Returns the file that says how to get into it.
    pub fn file(&self, way: Way) -> PathBuf {
        self.folder.path().join(match way {
            Way::Direct => "direct.toml",
            Way::Bridge => "bridged.toml",
        })
    }
}
