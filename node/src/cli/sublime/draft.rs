//! What a put needs to go on after an interruption: the seed of the item's key, that of its recovery card if it gets one, and
//! the names of the chunks that are done.
//!
//! A chunk is sealed under a nonce that follows from its place, so no two contents may leave this program sealed for one
//! place. Therefore the name of a sealed chunk is on the disk before the chunk goes anywhere; whoever goes on seals the
//! chunks that stand there again and compares. If one has another name the file has changed, and a new item begins with a
//! new key.
//!
//! Each file has a draft of its own, so that several puts can lie interrupted side by side; which is whose follows from where a file
//! is and how it stands, and not from its name. One program at a time has a draft.
//!
//! The seeds open the item, so the draft is overwritten and removed as soon as guardians keep their shares and the card is
//! written. One that nobody has gone on with for [`LIFE`], or whose file has changed and so never finds it again, goes the same way.
//! The second part of the key follows from the card, so that a put with a card and one without are two items: a draft of the
//! one is overwritten when the other begins.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};
use x0_crypto::{ChunkId, sublime::CardSeed};
use zeroize::Zeroizing;

use super::{super::error::CliError, random};

/// A seed, bytes.
const SEED_BYTES: usize = 32;
/// That of the item and that of its card together, bytes.
const SEEDS_BYTES: usize = 2 * SEED_BYTES;
/// How long a draft that nobody goes on with is kept.
const LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often a draft is opened anew that somebody removes meanwhile.
const TRIES_MAX: usize = 8;
/// What the name of a file with seeds ends with, and of one with names of chunks.
const SEED: &str = "seed";
const CHUNKS: &str = "chunks";

/// A put under way.
pub(super) struct Draft {
    places: Places,
    seeds: Seeds,
    is_taken_up: bool,
    sealed: Vec<ChunkId>,
    chunks: File,
    /// Held as long as the draft is used.
    locked: File,
}

/// Where a draft stands.
struct Places {
    seed: PathBuf,
    chunks: PathBuf,
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

/// What the secrets of an item follow from.
pub(super) struct Seeds {
    /// Its key.
    pub(super) item: Zeroizing<[u8; SEED_BYTES]>,
    /// Its recovery card, if it gets one.
    pub(super) card: Option<Zeroizing<[u8; SEED_BYTES]>>,
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

impl Places {
    fn of(dir: &Path, file: &Metadata) -> Self {
        Self::with(dir.join(name_of(file)).with_extension(SEED))
    }

    fn with(seed: PathBuf) -> Self {
        let chunks = seed.with_extension(CHUNKS);
        Self { seed, chunks }
    }
}

impl Seeds {
    /// Draws them anew.
    pub(super) fn draw(with_card: bool) -> Result<Self, CliError> {
        let draw = || {
            let mut seed = Zeroizing::new([0; SEED_BYTES]);
            random(&mut seed).map(|()| seed)
        };
        Ok(Self {
            item: draw()?,
            card: with_card.then(draw).transpose()?,
        })
    }
}

impl Draft {
    /// Takes up the draft of a file as it is, or begins one with the given seeds. One that was begun with a card where there
    /// is to be none, or without one, is given up.
    pub(super) fn open(dir: &Path, file: &Metadata, fresh: Seeds) -> Result<Self, DraftError> {
        let places = Places::of(dir, file);
        let mut locked = lock(&places.seed)?;
        let known = read_seeds(&mut locked)?;
        let known = known.filter(|seeds| seeds.card.is_some() == fresh.card.is_some());
        let is_taken_up = known.is_some();
        let (seeds, sealed) = match known {
            Some(seeds) => (seeds, read_chunks(&places.chunks)?),
            None => {
                overwrite(&mut locked)?;
                write_seeds(&mut locked, &fresh)?;
                File::open(dir)?.sync_all()?;
                (fresh, Vec::new())
            }
        };
        Ok(Self::of(places, locked, (seeds, is_taken_up), sealed)?)
    }

    /// Takes up the draft of a file as it is, if there is one.
    pub(super) fn find(dir: &Path, file: &Metadata) -> Result<Option<Self>, DraftError> {
        let places = Places::of(dir, file);
        if !places.seed.try_exists()? {
            return Ok(None);
        }
        let mut locked = lock(&places.seed)?;
        match read_seeds(&mut locked)? {
            Some(seeds) => {
                let sealed = read_chunks(&places.chunks)?;
                Ok(Some(Self::of(places, locked, (seeds, true), sealed)?))
            }
            None => {
                wipe(locked, &places)?;
                Ok(None)
            }
        }
    }

    fn of(
        places: Places,
        locked: File,
        (seeds, is_taken_up): (Seeds, bool),
        sealed: Vec<ChunkId>,
    ) -> io::Result<Self> {
        let mut chunks = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&places.chunks)?;
        chunks.set_len(sealed.len() as u64 * 32)?;
        chunks.seek(io::SeekFrom::End(0))?;
        Ok(Self {
            places,
            seeds,
            is_taken_up,
            sealed,
            chunks,
            locked,
        })
    }

    /// Tells whether it was begun by a program before.
    pub(super) const fn is_taken_up(&self) -> bool {
        self.is_taken_up
    }

    /// Returns the seed of the item's key.
    pub(super) const fn seed(&self) -> &Zeroizing<[u8; SEED_BYTES]> {
        &self.seeds.item
    }

    /// Returns what the words of the item's recovery card stand for, if it gets one.
    pub(super) fn card(&self) -> Option<CardSeed> {
        let card = self.seeds.card.as_ref();
        card.map(|seed| CardSeed::from_bytes(**seed))
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

    /// Overwrites the seeds and removes the draft.
    pub(super) fn wipe(self) -> io::Result<()> {
        wipe(self.locked, &self.places)
    }

    /// Looks at the drafts of other files in the same folder: old ones are overwritten and removed, those that somebody has
    /// open are left alone.
    pub(super) fn look_at_others(&self, now: SystemTime) -> io::Result<Others> {
        let dir = self.places.seed.parent().unwrap_or(Path::new("."));
        let mut others = Others::default();
        for entry in fs::read_dir(dir)? {
            let seed = entry?.path();
            let is_seed = seed.extension().is_some_and(|end| end == SEED);
            if !is_seed || seed == self.places.seed {
                continue;
            }
            let places = Places::with(seed);
            let touched = [&places.seed, &places.chunks].map(|path| touched(path).ok());
            let Some(touched) = touched.into_iter().flatten().max() else {
                continue;
            };
            let age = now.duration_since(touched).unwrap_or_default();
            if age < LIFE {
                others.waiting += 1;
                continue;
            }
            match lock(&places.seed) {
                Ok(locked) => {
                    wipe(locked, &places)?;
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

fn wipe(mut locked: File, places: &Places) -> io::Result<()> {
    overwrite(&mut locked)?;
    // Whatever a crash leaves from here on, a seed of zeros is never used, and begins the names anew.
    match fs::remove_file(&places.chunks) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::remove_file(&places.seed)
}

/// Writes zeros over whatever seeds stand in a file.
fn overwrite(file: &mut File) -> io::Result<()> {
    file.rewind()?;
    file.write_all(&[0; SEEDS_BYTES])?;
    file.sync_all()
}

/// Writes seeds in place of all that stands in a file: that of the item, and after it that of the card, if there is one.
fn write_seeds(file: &mut File, seeds: &Seeds) -> io::Result<()> {
    // Without a card none may seem to stand behind.
    file.set_len(0)?;
    file.rewind()?;
    let mut bytes = Zeroizing::new([0; SEEDS_BYTES]);
    bytes[..SEED_BYTES].copy_from_slice(seeds.item.as_slice());
    let filled = match &seeds.card {
        Some(card) => {
            bytes[SEED_BYTES..].copy_from_slice(card.as_slice());
            SEEDS_BYTES
        }
        None => SEED_BYTES,
    };
    file.write_all(&bytes[..filled])?;
    file.sync_all()
}

fn touched(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

/// Reads seeds; none if there are none that may be used.
fn read_seeds(file: &mut File) -> io::Result<Option<Seeds>> {
    file.rewind()?;
    let Some(item) = read_seed(file)? else {
        return Ok(None);
    };
    let card = read_seed(file)?;
    // They were overwritten, and a crash kept the file from being removed: everybody knows these.
    let is_zeros = |seed: &Zeroizing<[u8; SEED_BYTES]>| **seed == [0; SEED_BYTES];
    if is_zeros(&item) || card.as_ref().is_some_and(is_zeros) {
        return Ok(None);
    }
    Ok(Some(Seeds { item, card }))
}

/// Reads the next seed; none if the file is at its end.
fn read_seed(file: &mut File) -> io::Result<Option<Zeroizing<[u8; SEED_BYTES]>>> {
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    match file.read_exact(seed.as_mut_slice()) {
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
mod tests;
