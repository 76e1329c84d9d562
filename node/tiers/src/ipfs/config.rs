//! Settings of the IPFS node, and why it could not start.

use std::{io, path::PathBuf, time::Duration};

use libp2p::{Multiaddr, StreamProtocol};

use super::{key::KeyError, store::StoreError};

/// Settings of the IPFS node. The default listens nowhere, knows nobody and tells nobody.
#[derive(Clone, Debug)]
pub struct IpfsConfig {
    /// Directory of the blocks and the key; it is made if it is missing.
    pub dir: PathBuf,
    /// Addresses to listen on: TCP (`/ip4/…/tcp/…`) and QUIC (`/ip4/…/udp/…/quic-v1`).
    pub listen: Vec<Multiaddr>,
    /// Addresses at which others reach this node. With one of them it also serves the DHT, without it only asks.
    pub announce: Vec<Multiaddr>,
    /// Peers that are dialled at the start, with their peer ids.
    pub bootstrap: Vec<Multiaddr>,
    /// The DHT that is asked who has a block.
    pub dht: Dht,
    /// Whether the DHT is told which pinned trees are here. It tells everybody.
    pub provide: bool,
    /// How long a block is waited for.
    pub fetch_wait: Duration,
}

impl IpfsConfig {
    /// Returns the settings of a node that keeps to itself.
    pub const fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            listen: Vec::new(),
            announce: Vec::new(),
            bootstrap: Vec::new(),
            dht: Dht::Off,
            provide: false,
            fetch_wait: Duration::from_secs(60),
        }
    }
}

/// A distributed hash table of IPFS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dht {
    /// None: only peers that are connected are asked for blocks.
    #[default]
    Off,
    /// That of local networks.
    Lan,
    /// The public one. Addresses that are not public are then not dialled, whoever names them.
    Public,
}

impl Dht {
    /// Returns the name of its protocol (IPFS specs, "Kademlia DHT").
    pub(super) const fn protocol(self) -> Option<StreamProtocol> {
        match self {
            Self::Off => None,
            Self::Lan => Some(StreamProtocol::new("/ipfs/lan/kad/1.0.0")),
            Self::Public => Some(StreamProtocol::new("/ipfs/kad/1.0.0")),
        }
    }
}

/// Says why the IPFS node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory cannot be made.
    #[error("{} cannot be made: {error}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The key cannot be made or read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The blocks cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error(
        "the IPFS node cannot listen on {address}: {reason}. Set another address, or stop the program that uses it"
    )]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        reason: String,
    },
    /// The transport cannot be set up.
    #[error("the IPFS node cannot set up TLS: {0}")]
    Tls(String),
}
