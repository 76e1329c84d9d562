//! What can go wrong with a store, by what the caller can do about it.

use std::{fmt, path::Path, path::PathBuf};

use x0_crypto::{ContentId, PublicKey};

/// Says why the store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error(
        "the store in {} is in use by {}: one identity runs one node at a time; stop the other one, or give this \
         one its own data directory with X0_HOME",
        path.display(), Holder(*process)
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// The process that holds it, if it left its number.
        process: Option<u32>,
    },
    /// There is no store yet.
    #[error("there is no store in {}; make one with `x0 genesis` or `x0 join INVITE`", path.display())]
    Missing {
        /// The data directory.
        path: PathBuf,
    },
    /// There is a store already.
    #[error("there is a store in {} already; a second mesh needs its own data directory (X0_HOME)", path.display())]
    Exists {
        /// The data directory.
        path: PathBuf,
    },
    /// A newer x0 wrote the store.
    #[error(
        "the store in {} has layout {found}, and this x0 knows layouts up to {known}; use the x0 that wrote it or a \
         newer one",
        path.display()
    )]
    NewerSchema {
        /// The store's directory.
        path: PathBuf,
        /// The layout found.
        found: u32,
        /// The newest layout this program knows.
        known: u32,
    },
    /// The store belongs to another identity.
    #[error(
        "the store in {} belongs to identity {found}, and this node is {expected}; restore the identity that belongs \
         to it with `x0 identity restore`, or use another data directory",
        path.display()
    )]
    OtherOwner {
        /// The data directory.
        path: PathBuf,
        /// Whose store it is.
        found: PublicKey,
        /// Who opened it.
        expected: PublicKey,
    },
    /// The store belongs to another mesh.
    #[error(
        "the store in {} belongs to mesh {found}, not to {expected}; use another data directory for the other mesh",
        path.display()
    )]
    OtherMesh {
        /// The data directory.
        path: PathBuf,
        /// The mesh of the store.
        found: ContentId,
        /// The mesh asked for.
        expected: ContentId,
    },
    /// The disk is full: nothing new is taken in until there is space, and what waits is kept.
    #[error(
        "the disk that holds {} is full ({} free): free at least {}; what waits to be written is kept and written then",
        path.display(), Bytes(*free_bytes), Bytes(*wanted_bytes)
    )]
    Full {
        /// The store's directory.
        path: PathBuf,
        /// Space left on the disk.
        free_bytes: u64,
        /// Space that should be free.
        wanted_bytes: u64,
    },
    /// The store has reached the size it may have.
    #[error(
        "the store in {} takes {} of the {} it may; raise `store.max_bytes` in x0.toml and run `x0 config reload`",
        path.display(), Bytes(*size_bytes), Bytes(*max_bytes)
    )]
    Capped {
        /// The store's directory.
        path: PathBuf,
        /// Space taken.
        size_bytes: u64,
        /// Space allowed for this writer.
        max_bytes: u64,
    },
    /// Something in the store is not what was written.
    #[error(
        "the store in {} is damaged ({what}): check the disk, move the directory `store` away and join the mesh \
         again with `x0 join INVITE`; the identity stays valid",
        path.display()
    )]
    Damaged {
        /// The store's directory.
        path: PathBuf,
        /// What does not fit, and where.
        what: String,
    },
    /// The disk failed, or access was refused.
    #[error("the store in {} cannot be used ({what}): check that the disk works and that x0 may write there", path.display())]
    Io {
        /// The store's directory.
        path: PathBuf,
        /// What the system said.
        what: String,
    },
    /// The store was closed before the write was safe.
    #[error("the store was closed before the write was safe on disk; start the node and try again")]
    Closed,
}

impl StoreError {
    pub(super) fn io(path: &Path, what: impl fmt::Display) -> Self {
        Self::Io {
            path: path.to_owned(),
            what: what.to_string(),
        }
    }

    pub(super) fn damaged(path: &Path, what: impl fmt::Display) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            what: what.to_string(),
        }
    }

    /// Tells apart what RocksDB reports: damage, or trouble with the disk.
    pub(super) fn rocks(path: &Path, error: &rocksdb::Error) -> Self {
        if error.kind() == rocksdb::ErrorKind::Corruption {
            Self::damaged(path, error)
        } else {
            Self::io(path, error)
        }
    }
}

/// Writes who holds a lock.
struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(process) => write!(f, "process {process}"),
            None => f.write_str("another process"),
        }
    }
}

/// Writes a size the way people read it.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1 << 20 => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes >= 1 << 10 => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}
