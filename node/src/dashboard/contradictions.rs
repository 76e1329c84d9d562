//! Proofs in the node's own audit log that somebody showed two different logs.
//!
//! Such an entry may stand anywhere in a long log, and has to stand at the top of a page for good. So the log is read
//! once, and from then on only what was added to it.

use x0_protocol::spine::audit::Entry;

/// Contradictions that are kept: whoever signs one can sign many, and a few show it as well.
const KEPT_MAX: usize = 20;
/// Entries read at a time.
const ENTRIES_READ: usize = 4_096;

/// The contradictions found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contradictions {
    /// Entries that were looked at.
    seen: u64,
    /// How many of them tell of one.
    count: u64,
    /// The newest of those, the last first, each with its place in the log.
    newest: Vec<(u64, Entry)>,
}

impl Contradictions {
    /// Reads what was added to the log since the last time.
    ///
    /// # Errors
    ///
    /// Returns what reading came to; what was read before stays.
    pub fn follow<E>(
        &mut self,
        mut read: impl FnMut(u64, usize) -> Result<Vec<Entry>, E>,
    ) -> Result<(), E> {
        loop {
            let page = read(self.seen, ENTRIES_READ)?;
            let is_last = page.len() < ENTRIES_READ;
            for entry in page {
                self.take(entry);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Returns how many there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Returns the newest, the last first, each with its place in the log.
    pub fn newest(&self) -> &[(u64, Entry)] {
        &self.newest
    }

    /// Returns the place of the newest in the log, 0 if there is none.
    pub fn newest_place(&self) -> u64 {
        self.newest.first().map_or(0, |(index, _)| *index)
    }

    fn take(&mut self, entry: Entry) {
        let index = self.seen;
        self.seen += 1;
        if entry.what.is_contradiction() {
            self.count += 1;
            self.newest.insert(0, (index, entry));
            self.newest.truncate(KEPT_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{cell::Cell, convert::Infallible};

    use x0_crypto::{ContentId, Identity};
    use x0_protocol::{Wall, spine::audit::What, wire::Kind};
    use zeroize::Zeroizing;

    use super::*;

    fn log(of: u64, every: u64) -> Vec<Entry> {
        let author = Identity::from_seed(Zeroizing::new([7; 32])).public();
        let record = ContentId::of(b"record");
        let what = |size: u64| match size % every {
            0 => What::SplitView { author, size },
            _ => What::Wrote {
                record,
                kind: Kind::ACT.0,
            },
        };
        (0..of)
            .map(|size| Entry {
                time: Wall(size),
                what: what(size),
            })
            .collect()
    }

    #[test]
    fn a_long_log_is_read_once_and_then_only_what_is_new() {
        let log = log(10_000, 3_000);
        let read = Cell::new(0);
        let length = Cell::new(9_000);
        let page = |from: u64, most: usize| {
            let rest = log[..length.get()].iter().skip(from as usize).take(most);
            read.set(read.get() + rest.len());
            Ok::<_, Infallible>(rest.cloned().collect())
        };
        let mut found = Contradictions::default();

        found.follow(page).unwrap();
        assert_eq!((found.count(), read.get()), (3, 9_000));
        length.set(10_000);
        found.follow(page).unwrap();

        assert_eq!((found.count(), read.get()), (4, 10_000));
        let places: Vec<_> = found.newest().iter().map(|(index, _)| *index).collect();
        assert_eq!(places, [9_000, 6_000, 3_000, 0]);
    }

    #[test]
    fn of_many_the_newest_are_kept_and_all_are_counted() {
        let log = log(100, 1);
        let mut found = Contradictions::default();

        found
            .follow(|from, most| {
                Ok::<_, Infallible>(log.iter().skip(from as usize).take(most).cloned().collect())
            })
            .unwrap();

        assert_eq!(found.count(), 100);
        assert_eq!(found.newest().len(), KEPT_MAX);
        assert_eq!(found.newest()[0].0, 99);
    }

    #[test]
    fn what_was_read_before_a_fault_stays() {
        let log = log(5_000, 1_000);
        let mut found = Contradictions::default();

        let fault = found.follow(|from, most| match from {
            0 => Ok(log.iter().take(most).cloned().collect()),
            _ => Err("the disk is gone"),
        });

        assert_eq!(fault, Err("the disk is gone"));
        assert_eq!(found.count(), 5);
    }
}
