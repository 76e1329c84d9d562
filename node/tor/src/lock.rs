//! One process at a time uses a folder of Tor's state.
//!
//! A lock of our own keeps other processes out. arti has locks of its own below, and where it finds them taken it goes on
//! without writing; its tasks let go of them a moment after a client was dropped. So a start waits for both.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::error::TorError;

/// Longest wait for a lock: arti's tasks end at once, on a busy machine within seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks at a lock: nothing tells when one is given up.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The file of our own lock.
const OWN: &str = "x0.lock";
/// How deep below its folders arti keeps its locks: `state/state.lock`, `hss/NAME.lock`, `dir.lock`.
const DEPTH: usize = 2;

/// The folder is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "held, not read")] File);

/// Makes both folders if they are not there and takes the lock.
pub(crate) async fn take(state: &Path, cache: &Path) -> Result<Held, TorError> {
    take_within(PATIENCE, state, cache).await
}

async fn take_within(patience: Duration, state: &Path, cache: &Path) -> Result<Held, TorError> {
    let failed = |path: &Path, error: &io::Error| TorError::Folder {
        path: path.to_owned(),
        why: error.to_string(),
    };
    for folder in [state, cache] {
        let mut builder = DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| failed(folder, &error))?;
    }
    let own = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(state.join(OWN));
    let own = own.map_err(|error| failed(state, &error))?;
    let deadline = Instant::now() + patience;
    until_free(&own, deadline, state).await?;
    for path in locks_of_arti(state, cache) {
        // One that is gone by now is free.
        if let Ok(file) = File::open(&path) {
            until_free(&file, deadline, state).await?;
        }
    }
    Ok(Held(own))
}

/// Takes a lock as soon as it is free; it is kept as long as the file is open.
async fn until_free(file: &File, deadline: Instant, state: &Path) -> Result<(), TorError> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(LOOK_EVERY).await,
            Err(TryLockError::WouldBlock) => {
                return Err(TorError::Locked {
                    path: state.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(TorError::Folder {
                    path: state.to_owned(),
                    why: error.to_string(),
                });
            }
        }
    }
}

fn locks_of_arti(state: &Path, cache: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![(state.to_owned(), 1), (cache.to_owned(), 1)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() && depth < DEPTH {
                folders.push((path, depth + 1));
            } else if kind.is_file()
                && path.extension().is_some_and(|end| end == "lock")
                && !path.ends_with(OWN)
            {
                found.push(path);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_second_start_is_refused_until_the_first_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let (state, cache) = (dir.path().join("state"), dir.path().join("cache"));
        let first = take(&state, &cache).await.unwrap();

        let refused = take_within(Duration::ZERO, &state, &cache)
            .await
            .unwrap_err();

        assert!(
            matches!(&refused, TorError::Locked { path } if *path == state),
            "{refused}"
        );
        drop(first);
        take(&state, &cache).await.unwrap();
    }

    #[tokio::test]
    async fn a_start_waits_for_what_arti_still_holds() {
        let dir = tempfile::tempdir().unwrap();
        let (state, cache) = (dir.path().join("state"), dir.path().join("cache"));
        fs::create_dir_all(state.join("hss")).unwrap();
        let arti = File::create(state.join("hss/emergency.lock")).unwrap();
        arti.lock().unwrap();
        let began = Instant::now();
        let (taken, ()) = tokio::join!(take(&state, &cache), async {
            sleep(Duration::from_millis(200)).await;
            drop(arti);
        });

        taken.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(200));
    }
}
