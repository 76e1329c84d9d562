//! What a put needs to go on after an interruption: the seed of the item's key, and the names of the chunks that are done.
//!
//! A chunk is sealed under a nonce that follows from its place, so no two contents may leave this program sealed for one
//! place. Therefore the name of a sealed chunk is on the disk before the chunk goes anywhere; whoever goes on seals the
//! chunks that stand there again and compares. If one has another name the file has changed, and a new item begins with a
//! new key.
//!
//! The seed opens the item, so the draft is overwritten and removed as soon as guardians keep their shares.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use x0_crypto::ChunkId;
use zeroize::Zeroizing;

/// A put under way.
pub(super) struct Draft {
    seed_path: PathBuf,
    chunks_path: PathBuf,
    seed: Zeroizing<[u8; 32]>,
    sealed: Vec<ChunkId>,
    chunks: File,
}

/// Names a file by where it is and how it stands; what changes it changes the name, as a rule.
fn name_of(file: &Metadata) -> String {
    let mut hash = Sha256::new_with_prefix(b"x0/put/draft/1");
    for number in [file.dev(), file.ino(), file.size()] {
        hash.update(number.to_be_bytes());
    }
    for number in [
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
    ] {
        hash.update(number.to_be_bytes());
    }
    data_encoding::HEXLOWER.encode(&hash.finalize()[..16])
}

impl Draft {
    /// Takes up the draft of a file as it is, or begins one with the given seed.
    pub(super) fn open(
        dir: &Path,
        file: &Metadata,
        fresh: Zeroizing<[u8; 32]>,
    ) -> io::Result<Self> {
        let name = name_of(file);
        let seed_path = dir.join(format!("{name}.seed"));
        let chunks_path = dir.join(format!("{name}.chunks"));
        let known = read_seed(&seed_path)?;
        let (seed, sealed) = match known {
            Some(seed) => (seed, read_chunks(&chunks_path)?),
            None => {
                let mut file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&seed_path)?;
                file.write_all(fresh.as_slice())?;
                file.sync_all()?;
                File::open(dir)?.sync_all()?;
                (fresh, Vec::new())
            }
        };
        let chunks = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&chunks_path)?;
        chunks.set_len(sealed.len() as u64 * 32)?;
        let mut draft = Self {
            seed_path,
            chunks_path,
            seed,
            sealed,
            chunks,
        };
        io::Seek::seek(&mut draft.chunks, io::SeekFrom::End(0))?;
        Ok(draft)
    }

    /// Takes up the draft of a file as it is, if there is one.
    pub(super) fn find(dir: &Path, file: &Metadata) -> io::Result<Option<Self>> {
        let seed_path = dir.join(format!("{}.seed", name_of(file)));
        match read_seed(&seed_path)? {
            Some(seed) => Self::open(dir, file, seed).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the seed of the item's key.
    pub(super) const fn seed(&self) -> &Zeroizing<[u8; 32]> {
        &self.seed
    }

    /// Returns the chunks that were sealed before, in order.
    pub(super) fn sealed(&self) -> &[ChunkId] {
        &self.sealed
    }

    /// Notes chunks that are sealed, before they go anywhere.
    pub(super) fn note(&mut self, chunks: &[ChunkId]) -> io::Result<()> {
        for chunk in chunks {
            self.chunks.write_all(chunk.digest())?;
        }
        self.sealed.extend_from_slice(chunks);
        self.chunks.sync_data()
    }

    /// Overwrites the seed and removes the draft.
    pub(super) fn wipe(self) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(&self.seed_path)?;
        file.write_all(&[0; 32])?;
        file.sync_all()?;
        fs::remove_file(&self.seed_path)?;
        fs::remove_file(&self.chunks_path)
    }
}

fn read_seed(path: &Path) -> io::Result<Option<Zeroizing<[u8; 32]>>> {
    let mut seed = Zeroizing::new([0; 32]);
    match File::open(path).and_then(|mut file| file.read_exact(seed.as_mut_slice())) {
        Ok(()) => Ok(Some(seed)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // It was cut short before anything was sealed with it.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the names that are whole; the last may be cut short.
fn read_chunks(path: &Path) -> io::Result<Vec<ChunkId>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let (digests, _) = bytes.as_chunks::<32>();
    Ok(digests
        .iter()
        .map(|digest| ChunkId::from_digest(*digest))
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn seed(number: u8) -> Zeroizing<[u8; 32]> {
        Zeroizing::new([number; 32])
    }

    #[test]
    fn a_draft_goes_on_with_the_same_file_and_begins_anew_when_that_changes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "one").unwrap();
        let now = || fs::metadata(&file).unwrap();
        let chunk = ChunkId::of(b"chunk");
        let mut draft = Draft::open(dir.path(), &now(), seed(1)).unwrap();
        assert!(draft.sealed().is_empty());
        draft.note(&[chunk, chunk]).unwrap();
        drop(draft);

        let again = Draft::open(dir.path(), &now(), seed(2)).unwrap();
        assert_eq!(
            (**again.seed(), again.sealed()),
            ([1; 32], [chunk, chunk].as_slice())
        );
        drop(again);
        let found = Draft::find(dir.path(), &now()).unwrap();
        assert_eq!(**found.unwrap().seed(), [1; 32]);

        let changed = File::options().write(true).open(&file).unwrap();
        changed.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert!(Draft::find(dir.path(), &now()).unwrap().is_none());
        let other = Draft::open(dir.path(), &now(), seed(3)).unwrap();
        assert_eq!((**other.seed(), other.sealed()), ([3; 32], [].as_slice()));
    }

    #[test]
    fn a_name_that_was_cut_short_is_done_again_and_a_wiped_draft_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "one").unwrap();
        let now = fs::metadata(&file).unwrap();
        let chunk = ChunkId::of(b"chunk");
        let mut draft = Draft::open(dir.path(), &now, seed(1)).unwrap();
        draft.note(&[chunk]).unwrap();
        let path = draft.chunks_path.clone();
        drop(draft);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(&[7; 31]);
        fs::write(&path, bytes).unwrap();

        let mut draft = Draft::open(dir.path(), &now, seed(2)).unwrap();
        assert_eq!(draft.sealed(), [chunk]);
        draft.note(&[chunk]).unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), 64);
        draft.wipe().unwrap();
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 1, "only the file itself is left");
    }
}
