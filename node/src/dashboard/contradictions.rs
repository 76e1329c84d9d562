//! Proofs in the node's own audit log that somebody showed two different logs.
//!
//! Such an entry may stand anywhere in a long log, and has to stand at the top of a page for good.

use x0_protocol::spine::audit::Entry;

use super::Gathered;

/// Contradictions that are kept: whoever signs one can sign many, and a few show it as well.
const KEPT_MAX: usize = 20;

/// The contradictions found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contradictions {
    /// How many there are.
    count: u64,
    /// The newest of them, the last first, each with its place in the log.
    newest: Vec<(u64, Entry)>,
}

impl Contradictions {
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
}

impl Gathered for Contradictions {
    fn take(&mut self, index: u64, entry: Entry) {
        if entry.what.is_contradiction() {
            self.count += 1;
            self.newest.insert(0, (index, entry));
            self.newest.truncate(KEPT_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use x0_crypto::{ContentId, Identity};
    use x0_protocol::{Wall, spine::audit::What, wire::Kind};
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn of_many_the_newest_are_kept_and_all_are_counted() {
        let author = Identity::from_seed(Zeroizing::new([7; 32])).public();
        let record = ContentId::of(b"record");
        let mut found = Contradictions::default();

        for index in 0..200 {
            let what = match index % 2 {
                0 => What::SplitView {
                    author,
                    size: index,
                },
                _ => What::Wrote {
                    record,
                    kind: Kind::ACT.0,
                },
            };
            let time = Wall(index);
            found.take(index, Entry { time, what });
        }

        assert_eq!(found.count(), 100);
        assert_eq!(found.newest().len(), KEPT_MAX);
        assert_eq!((found.newest()[0].0, found.newest_place()), (198, 198));
    }
}
