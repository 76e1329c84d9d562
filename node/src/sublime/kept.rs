//! What this node remembers of the items that it keeps: where their owner wants them, and what the last audit found.
//!
//! One file, written anew whenever something changes. It names contents that are known to every member, and no holder. If it is lost,
//! audits find out the same again, but for the wishes of this node's user.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tracing::warn;
use utoipa::ToSchema;
use x0_crypto::ContentId;

use super::policy::Policy;
use crate::identity::{IdentityError, write_over};

/// File in the folder of Sublime in the data directory.
const FILE: &str = "kept.json";
/// Contents that are remembered, some 500 bytes each; as many as a node knows items.
const CONTENTS_MAX: usize = 4_096;
/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What is remembered of one content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Where this node's user wants it; only of what was put from here.
    pub policy: Option<Policy>,
    /// When that was said.
    pub put_ms: u64,
    /// When all of it was found here last.
    pub whole_ms: Option<u64>,
    /// The last count of its copies.
    pub count: Option<Count>,
    /// When all of it was found on a tier beside the mesh, by the tier's name.
    pub stored_ms: BTreeMap<String, u64>,
    /// Blocks that were put back here so far.
    pub repaired: u64,
    /// When that was last.
    pub repaired_ms: Option<u64>,
    /// Why it is not as it should be, by the last audit.
    pub trouble: Option<String>,
}

/// How many nodes held an item when they were asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Count {
    /// When they were asked, by this node's clock.
    pub at_ms: u64,
    /// Other nodes that hold all of a sample, each once.
    pub others: u32,
    /// Nodes that said that they lack some of it.
    pub lacking: u32,
    /// Nodes that did not answer.
    pub silent: u32,
    /// Whether this node holds it.
    pub own: bool,
    /// Whether the copy of this node is one of those that the item is to have: it guards the item.
    pub guards: bool,
    /// How many copies are enough.
    pub needed: u32,
    /// What tiers beside the mesh said, where they were asked.
    pub beyond: BTreeMap<String, Beyond>,
}

/// What a tier beside the mesh has of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Beyond {
    /// All of it.
    Whole,
    /// A part.
    Part,
    /// Nothing.
    Nothing,
    /// It did not answer.
    Silent,
}

impl Count {
    /// Returns how many copies count: those of others, and of a guardian its own.
    pub const fn copies(&self) -> u32 {
        self.others + (self.own && self.guards) as u32
    }

    /// Tells whether that is enough.
    pub const fn is_safe(&self) -> bool {
        self.copies() >= self.needed
    }
}

/// The memory of what is kept.
pub(super) struct Memory {
    path: PathBuf,
    kept: Mutex<BTreeMap<ContentId, Kept>>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    content: ContentId,
    #[serde(flatten)]
    kept: Kept,
}

impl Memory {
    /// Opens the memory in a folder; one that cannot be read is begun anew.
    pub(super) fn open(dir: &Path) -> Self {
        let path = dir.join(FILE);
        let kept = read(&path).unwrap_or_else(|cause| {
            warn!(path = %path.display(), %cause, "what was remembered of kept items cannot be read: audits begin anew");
            BTreeMap::new()
        });
        Self {
            path,
            kept: Mutex::new(kept),
        }
    }

    /// Returns what is remembered of a content.
    pub(super) fn of(&self, content: &ContentId) -> Option<Kept> {
        self.kept().get(content).cloned()
    }

    /// Changes what is remembered of a content, and returns what it was before and is now. The file is written before it
    /// returns; it blocks.
    ///
    /// # Errors
    ///
    /// Returns why the file cannot be written; the change stands in memory all the same.
    pub(super) fn change(
        &self,
        content: ContentId,
        change: impl FnOnce(&mut Kept),
    ) -> Result<(Kept, Kept), IdentityError> {
        let mut all = self.kept();
        let before = all.get(&content).cloned().unwrap_or_default();
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            return Ok((before.clone(), before));
        }
        all.insert(content, after.clone());
        // What the user asked for goes last.
        while all.len() > CONTENTS_MAX {
            let seen = |kept: &Kept| kept.whole_ms.max(Some(kept.put_ms));
            let oldest = all
                .iter()
                .min_by_key(|(_, kept)| (kept.policy.is_some(), seen(kept)));
            let Some(oldest) = oldest.map(|(content, _)| *content) else {
                break;
            };
            all.remove(&oldest);
        }
        let lines = all.iter().map(|(content, kept)| Line {
            content: *content,
            kept: kept.clone(),
        });
        let bytes = serde_json::to_vec(&lines.collect::<Vec<_>>()).unwrap_or_default();
        write_over(&self.path, &bytes)?;
        Ok((before, after))
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<ContentId, Kept>> {
        // A change is made on a copy.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<BTreeMap<ContentId, Kept>, String> {
    let length = match fs::metadata(path) {
        Ok(found) => found.len(),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(cause) => return Err(cause.to_string()),
    };
    if length > FILE_BYTES_MAX {
        return Err(format!("it has {length} bytes"));
    }
    let bytes = fs::read(path).map_err(|cause| cause.to_string())?;
    let lines: Vec<Line> = serde_json::from_slice(&bytes).map_err(|fault| fault.to_string())?;
    let lines = lines.into_iter().map(|line| (line.content, line.kept));
    Ok(lines.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_remembered_outlives_a_restart_and_a_damaged_file_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let content = ContentId::of(b"content");
        let memory = Memory::open(dir.path());
        assert_eq!(memory.of(&content), None);
        let changed = memory.change(content, |kept| {
            kept.policy = Some(Policy::MeshArweave);
            kept.stored_ms.insert("arweave".to_owned(), 7);
        });
        let (before, after) = changed.unwrap();
        assert_eq!(before, Kept::default());

        let again = Memory::open(dir.path());
        assert_eq!(again.of(&content), Some(after));
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert_eq!(Memory::open(dir.path()).of(&content), None);
    }

    #[test]
    fn of_too_many_contents_those_that_were_asked_for_stay() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::open(dir.path());
        let content = |number: usize| ContentId::of(&number.to_le_bytes());
        let ask = |kept: &mut Kept| kept.policy = Some(Policy::Mesh);
        memory.change(content(0), ask).unwrap();
        {
            let mut all = memory.kept();
            for number in 1..CONTENTS_MAX {
                let whole_ms = Some(number as u64);
                let seen = Kept {
                    whole_ms,
                    ..Kept::default()
                };
                all.insert(content(number), seen);
            }
        }
        let see = |kept: &mut Kept| kept.whole_ms = Some(u64::MAX);
        memory.change(content(CONTENTS_MAX), see).unwrap();
        assert!(memory.of(&content(0)).is_some(), "it was asked for");
        assert!(memory.of(&content(1)).is_none(), "it was seen first");
        assert!(memory.of(&content(2)).is_some() && memory.of(&content(CONTENTS_MAX)).is_some());
    }

    #[test]
    fn a_guardians_own_copy_counts_and_that_of_whoever_put_it_does_not() {
        let count = Count {
            others: 4,
            own: true,
            needed: 5,
            ..Count::default()
        };
        assert!(!count.is_safe());
        let of_guardian = Count {
            guards: true,
            ..count.clone()
        };
        assert!(of_guardian.is_safe() && of_guardian.copies() == 5);
        let lost = Count {
            own: false,
            ..of_guardian
        };
        assert!(!lost.is_safe());
    }
}
