//! Addresses of members, kept over a restart so that a node finds its way back without an invite.
//!
//! One line per member, `ADDRESS/p2p/KEY`, at most [`MEMBERS_MAX`]; the longest unused gives way. The
//! file names peers' network addresses: whoever seizes the disk reads them, as THREATMODEL.md says.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tracing::warn;
use x0_crypto::PublicKey;
use x0_net::Multiaddr;

use super::invite::split_peer;

/// Most members whose address is kept.
const MEMBERS_MAX: usize = 64;

/// The file and its contents, least recently linked first.
pub(super) struct AddressFile {
    path: PathBuf,
    known: Vec<(PublicKey, Multiaddr)>,
}

impl AddressFile {
    /// Reads the file of a data directory; lines that do not parse are left out.
    pub(super) fn open(data_dir: &Path) -> Self {
        let path = data_dir.join("addresses");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines = text.lines().take(MEMBERS_MAX);
        let known = lines
            .filter_map(|line| split_peer(&line.parse().ok()?))
            .collect();
        Self { path, known }
    }

    /// Returns the addresses known.
    pub(super) fn known(&self) -> Vec<(PublicKey, Multiaddr)> {
        self.known.clone()
    }

    /// Takes note of the address at which a member was reached.
    pub(super) fn learn(&mut self, peer: PublicKey, address: Multiaddr) {
        let address = split_peer(&address).map_or(address, |(_, bare)| bare);
        let is_news = !self.known.contains(&(peer, address.clone()));
        self.known.retain(|(known, _)| *known != peer);
        self.known.push((peer, address));
        if self.known.len() > MEMBERS_MAX {
            self.known.remove(0);
        }
        if is_news {
            self.save();
        }
    }

    /// Forgets a member.
    pub(super) fn forget(&mut self, peer: &PublicKey) {
        self.known.retain(|(known, _)| known != peer);
        self.save();
    }

    /// Writes the file anew; a failure is logged, the node runs on without.
    pub(super) fn save(&self) {
        let lines: String = self
            .known
            .iter()
            .map(|(peer, address)| format!("{address}/p2p/{peer}\n"))
            .collect();
        if let Err(cause) = write_private(&self.path, lines.as_bytes()) {
            warn!(path = %self.path.display(), %cause, "the addresses of peers were not kept");
        }
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let fresh = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(bytes)?;
    fs::rename(&fresh, path)
}
