//! What a put needs to go on after an interruption: the seed of the item's key, and the names of the chunks that are done.
//!
//! A chunk is sealed under a nonce that follows from its place, so no two contents may leave this program sealed for one
//! place. Therefore the name of a sealed chunk is on the disk before the chunk goes anywhere; whoever goes on seals the
//! chunks that stand there again and compares. If one has another name the file has changed, and a new item begins with a
//! new key.
//!
//! Each file has a draft of its own, so that several puts can lie interrupted side by side; which is whose follows from where a file
//! is and how it stands, and not from its name. One program at a time has a draft.
//!
//! The seed opens the item, so the draft is overwritten and removed as soon as guardians keep their shares. One that nobody
//! has gone on with for [`LIFE`], or whose file has changed and so never finds it again, goes the same way.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};
use x0_crypto::ChunkId;
use zeroize::Zeroizing;

/// How long a draft that nobody goes on with is kept.
const LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often a draft is opened anew that somebody removes meanwhile.
const TRIES_MAX: usize = 8;
/// What the name of a file with a seed ends with, and of one with names of chunks.
const SEED: &str = "seed";
const CHUNKS: &str = "chunks";

/// A put under way.
pub(super) struct Draft {
    seed_path: PathBuf,
    chunks_path: PathBuf,
    seed: Zeroizing<[u8; 32]>,
    is_taken_up: bool,
    sealed: Vec<ChunkId>,
    chunks: File,
    /// Held as long as the draft is used.
    locked: File,
}

/// Why a draft cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DraftError {
    /// Another program has it.
    #[error(
        "another `x0 sublime put` of this file is under way here: wait until it has ended, or stop it and run this again"
    )]
    InUse,
    /// The disk fails.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What became of the drafts of other files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// How many lie interrupted.
    pub(super) waiting: usize,
    /// How many were too old and are wiped.
    pub(super) wiped: usize,
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
    ) -> Result<Self, DraftError> {
        let name = name_of(file);
        let seed_path = dir.join(format!("{name}.{SEED}"));
        let chunks_path = dir.join(format!("{name}.{CHUNKS}"));
        let mut locked = lock(&seed_path)?;
        let known = read_seed(&mut locked)?;
        let is_taken_up = known.is_some();
        let (seed, sealed) = match known {
            Some(seed) => (seed, read_chunks(&chunks_path)?),
            None => {
                locked.rewind()?;
                locked.write_all(fresh.as_slice())?;
                locked.sync_all()?;
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
            is_taken_up,
            sealed,
            chunks,
            locked,
        };
        draft.chunks.seek(io::SeekFrom::End(0))?;
        Ok(draft)
    }

    /// Tells whether it was begun by a program before.
    pub(super) const fn is_taken_up(&self) -> bool {
        self.is_taken_up
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
        wipe(self.locked, &self.seed_path, &self.chunks_path)
    }

    /// Looks at the drafts of other files in the same folder: old ones are overwritten and removed, those that somebody has
    /// open are left alone.
    pub(super) fn look_at_others(&self, now: SystemTime) -> io::Result<Others> {
        let dir = self.seed_path.parent().unwrap_or(Path::new("."));
        let mut others = Others::default();
        for entry in fs::read_dir(dir)? {
            let seed_path = entry?.path();
            let is_seed = seed_path.extension().is_some_and(|end| end == SEED);
            if !is_seed || seed_path == self.seed_path {
                continue;
            }
            let chunks_path = seed_path.with_extension(CHUNKS);
            let touched = [&seed_path, &chunks_path].map(|path| touched(path).ok());
            let Some(touched) = touched.into_iter().flatten().max() else {
                continue;
            };
            let age = now.duration_since(touched).unwrap_or_default();
            if age < LIFE {
                others.waiting += 1;
                continue;
            }
            match lock(&seed_path) {
                Ok(locked) => {
                    wipe(locked, &seed_path, &chunks_path)?;
                    others.wiped += 1;
                }
                Err(DraftError::InUse) => {}
                Err(DraftError::Io(cause)) => return Err(cause),
            }
        }
        Ok(others)
    }
}

/// Opens the file of a seed, or makes an empty one, and keeps other programs from it as long as it is open.
fn lock(path: &Path) -> Result<File, DraftError> {
    for _ in 0..TRIES_MAX {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DraftError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // Whoever had it before may have removed it in between: then it is nobody's, and another may stand there.
        let place = |found: &Metadata| (found.dev(), found.ino());
        match fs::metadata(path) {
            Ok(there) if place(&there) == place(&file.metadata()?) => return Ok(file),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(DraftError::InUse)
}

fn wipe(mut locked: File, seed_path: &Path, chunks_path: &Path) -> io::Result<()> {
    locked.rewind()?;
    locked.write_all(&[0; 32])?;
    locked.sync_all()?;
    // Whatever a crash leaves from here on, a seed of zeros is never used, and begins the names anew.
    match fs::remove_file(chunks_path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::remove_file(seed_path)
}

fn touched(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

/// Reads a seed; none if there is none that may be used.
fn read_seed(file: &mut File) -> io::Result<Option<Zeroizing<[u8; 32]>>> {
    let mut seed = Zeroizing::new([0; 32]);
    match file.read_exact(seed.as_mut_slice()) {
        // It was overwritten, and a crash kept the file from being removed: everybody knows this one.
        Ok(()) if *seed == [0; 32] => Ok(None),
        Ok(()) => Ok(Some(seed)),
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

        let changed = File::options().write(true).open(&file).unwrap();
        changed.set_modified(std::time::UNIX_EPOCH).unwrap();
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
    /// Writes a file and returns how it stands.
    fn file(dir: &Path, name: &str) -> Metadata {
        let path = dir.join(name);
        fs::write(&path, name).unwrap();
        fs::metadata(path).unwrap()
    }

    #[test]
    fn of_two_puts_that_lie_interrupted_each_file_goes_on_with_its_own_wherever_it_is_named_from() {
        let dir = tempfile::tempdir().unwrap();
        let puts = dir.path().join("puts");
        fs::create_dir(&puts).unwrap();
        let [one, other] = ["one", "other"].map(|name| file(dir.path(), name));
        let [first, second] = [b"first", b"secon"].map(|bytes| ChunkId::of(bytes));
        let mut draft = Draft::open(&puts, &one, seed(1)).unwrap();
        draft.note(&[first]).unwrap();
        drop(draft);
        let mut draft = Draft::open(&puts, &other, seed(2)).unwrap();
        assert!(!draft.is_taken_up());
        draft.note(&[second, second]).unwrap();
        drop(draft);

        // The later one ends first; the other is as it was.
        let again = Draft::open(&puts, &other, seed(3)).unwrap();
        assert_eq!(
            (**again.seed(), again.sealed()),
            ([2; 32], &[second; 2][..])
        );
        again.wipe().unwrap();
        // A link to a file is that file.
        std::os::unix::fs::symlink(dir.path().join("one"), dir.path().join("link")).unwrap();
        let linked = fs::metadata(dir.path().join("link")).unwrap();
        let again = Draft::open(&puts, &linked, seed(4)).unwrap();
        assert!(again.is_taken_up());
        assert_eq!((**again.seed(), again.sealed()), ([1; 32], &[first][..]));
        drop(again);
        let anew = Draft::open(&puts, &other, seed(5)).unwrap();
        assert_eq!((**anew.seed(), anew.sealed()), ([5; 32], &[][..]));
    }

    #[test]
    fn one_program_at_a_time_has_a_draft_and_others_may_have_those_of_other_files() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| file(dir.path(), name));
        let draft = Draft::open(dir.path(), &one, seed(1)).unwrap();

        let refused = Draft::open(dir.path(), &one, seed(2)).err().unwrap();

        assert!(matches!(refused, DraftError::InUse), "{refused}");
        let beside = Draft::open(dir.path(), &other, seed(3)).unwrap();
        drop((draft, beside));
        let again = Draft::open(dir.path(), &one, seed(4)).unwrap();
        assert_eq!(**again.seed(), [1; 32]);
    }

    #[test]
    fn a_seed_that_was_overwritten_is_never_used_even_if_a_crash_left_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let now = file(dir.path(), "one");
        let mut draft = Draft::open(dir.path(), &now, seed(1)).unwrap();
        draft.note(&[ChunkId::of(b"chunk")]).unwrap();
        let path = draft.seed_path.clone();
        drop(draft);
        for left in [&[0; 32][..], &[1; 31], &[]] {
            fs::write(&path, left).unwrap();

            let mut anew = Draft::open(dir.path(), &now, seed(2)).unwrap();

            assert_eq!((**anew.seed(), anew.sealed()), ([2; 32], &[][..]));
            assert!(!anew.is_taken_up());
            assert_eq!(fs::read(&path).unwrap(), [2; 32]);
            assert_eq!(fs::metadata(&anew.chunks_path).unwrap().len(), 0);
            anew.note(&[ChunkId::of(b"chunk")]).unwrap();
        }
    }

    #[test]
    fn drafts_that_nobody_goes_on_with_are_overwritten_after_their_time_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let [own, old, open, young] =
            ["own", "old", "open", "young"].map(|name| file(dir.path(), name));
        let begin = |of: &Metadata, number| Draft::open(dir.path(), of, seed(number)).unwrap();
        let own = begin(&own, 1);
        let forgotten = begin(&old, 2);
        let gone = [&forgotten.seed_path, &forgotten.chunks_path].map(Clone::clone);
        // Whoever has the file open sees what the disk had.
        let mut seen = File::open(&gone[0]).unwrap();
        drop(forgotten);
        let under_way = begin(&open, 3);
        drop(begin(&young, 4));
        let later = SystemTime::now() + LIFE + Duration::from_secs(60);
        let path = dir.path().join(name_of(&young)).with_extension(CHUNKS);
        let chunks = OpenOptions::new().write(true).open(path).unwrap();
        chunks.set_modified(later).unwrap();

        let others = own.look_at_others(SystemTime::now()).unwrap();
        let (waiting, wiped) = (3, 0);
        assert_eq!(others, Others { waiting, wiped });
        let others = own.look_at_others(later).unwrap();

        let (waiting, wiped) = (1, 1);
        assert_eq!(others, Others { waiting, wiped });
        assert!(gone.iter().all(|path| !path.exists()));
        let mut left = Vec::new();
        seen.read_to_end(&mut left).unwrap();
        assert_eq!(left, [0; 32]);
        drop((own, under_way));
        for (of, number) in [(open, 3), (young, 4)] {
            assert_eq!(**begin(&of, 9).seed(), [number; 32]);
        }
    }
}
