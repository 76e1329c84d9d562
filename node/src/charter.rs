//! Charters as files of this machine, and the one that ships.
//!
//! What a charter is and what is wrong with one is for `x0_protocol::charter`; here are only paths and disks.

pub mod contract;
pub mod following;
pub mod helper;
pub mod inspection;
pub mod kernel;
pub(crate) mod wording;

use std::{
    fmt, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use x0_protocol::charter::{Charter, Unread, bounds::FILE_BYTES_MAX, read};

/// The charter that ships, read once.
pub static SHIPPED: LazyLock<Charter> = LazyLock::new(Charter::shipped);

/// Returns the charter in force of those that a mesh has; where it was founded without any, the one that ships.
pub fn in_force(of_mesh: Option<Charter>) -> Charter {
    of_mesh.unwrap_or_else(|| SHIPPED.clone())
}

/// Why a file gives no charter.
#[derive(Debug, thiserror::Error)]
pub enum CharterFileError {
    /// The file cannot be read.
    #[error("{} cannot be read ({cause}): give the path of a charter, `x0 charter show --yaml` writes one", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It has faults: all of them.
    #[error(transparent)]
    Faulty(#[from] FaultyCharter),
}

/// A file with faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultyCharter {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub unread: Unread,
}

impl std::error::Error for FaultyCharter {}

impl fmt::Display for FaultyCharter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, faults) = (self.path.display(), &self.unread.faults);
        match faults.len() {
            1 => write!(f, "the charter has a fault:")?,
            count => write!(f, "the charter has {count} faults:")?,
        }
        faults
            .iter()
            .try_for_each(|fault| write!(f, "\n  {path}:{fault}"))?;
        if self.unread.stopped {
            write!(
                f,
                "\nThe reader stopped here: the rest of the file was not checked."
            )?;
        }
        Ok(())
    }
}

/// Reads a charter.
///
/// # Errors
///
/// Returns that the file cannot be read, or every fault in it.
pub fn read_file(path: &Path) -> Result<Charter, CharterFileError> {
    let mut file = Vec::new();
    let most = FILE_BYTES_MAX as u64 + 1;
    fs::File::open(path)
        .and_then(|opened| opened.take(most).read_to_end(&mut file))
        .map_err(|cause| CharterFileError::Unreadable {
            path: path.to_owned(),
            cause,
        })?;
    let read = read(&file).map_err(|unread| FaultyCharter {
        path: path.to_owned(),
        unread,
    });
    Ok(read?)
}
