//! What is gathered from the node's own audit log, which may be long: it is read once, and from then on only what was
//! added to it.

use x0_protocol::spine::audit::Entry;

/// Entries read at a time.
const ENTRIES_READ: usize = 4_096;

/// Something that is gathered from the log entry by entry.
pub trait Gathered: Clone + Default + Send + 'static {
    /// Takes the entry at a place; places come in order, each once.
    fn take(&mut self, index: u64, entry: Entry);
}

/// What was gathered so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed<T> {
    /// Entries that were looked at.
    seen: u64,
    found: T,
}

impl<T: Gathered> Followed<T> {
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
                self.found.take(self.seen, entry);
                self.seen += 1;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Returns what was found.
    pub const fn found(&self) -> &T {
        &self.found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{cell::Cell, convert::Infallible};

    use x0_crypto::ContentId;
    use x0_protocol::{Wall, spine::audit::What, wire::Kind};

    use super::*;

    /// Every thousandth place.
    #[derive(Clone, Debug, Default)]
    struct Thousands(Vec<u64>);

    impl Gathered for Thousands {
        fn take(&mut self, index: u64, entry: Entry) {
            if entry.time.0.is_multiple_of(1_000) {
                self.0.push(index);
            }
        }
    }

    fn log(of: u64) -> Vec<Entry> {
        let what = What::Wrote {
            record: ContentId::of(b"record"),
            kind: Kind::ACT.0,
        };
        let entry = |place| Entry {
            time: Wall(place),
            what: what.clone(),
        };
        (0..of).map(entry).collect()
    }

    #[test]
    fn a_long_log_is_read_once_and_then_only_what_is_new() {
        let log = log(10_000);
        let read = Cell::new(0);
        let length = Cell::new(9_000);
        let page = |from: u64, most: usize| {
            let rest = log[..length.get()].iter().skip(from as usize).take(most);
            read.set(read.get() + rest.len());
            Ok::<_, Infallible>(rest.cloned().collect())
        };
        let mut found = Followed::<Thousands>::default();

        found.follow(page).unwrap();
        assert_eq!((found.found().0.len(), read.get()), (9, 9_000));
        length.set(10_000);
        found.follow(page).unwrap();

        let every: Vec<_> = (0..10).map(|place| place * 1_000).collect();
        assert_eq!((&found.found().0, read.get()), (&every, 10_000));
    }

    #[test]
    fn what_was_read_before_a_fault_stays() {
        let log = log(5_000);
        let mut found = Followed::<Thousands>::default();

        let fault = found.follow(|from, most| match from {
            0 => Ok(log.iter().take(most).cloned().collect()),
            _ => Err("the disk is gone"),
        });

        assert_eq!(fault, Err("the disk is gone"));
        assert_eq!(found.found().0.len(), 5);
    }
}
