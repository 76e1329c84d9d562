//! What is told of items that are kept here, and when.

use std::fmt;

use x0_crypto::ContentId;

use super::kept::{Count, Kept};

/// Something that happened to an item that is kept here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When, by this node's clock.
    pub time_ms: u64,
    /// The item.
    pub item: ContentId,
    /// What.
    pub news: ContentNews,
}

/// What happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentNews {
    /// This node holds all of it for the first time.
    Held {
        /// Blocks that it has.
        blocks: u64,
        /// Bytes of them.
        bytes: u64,
    },
    /// What was lost or damaged here is back.
    Repaired {
        /// Blocks that were put back.
        blocks: u64,
    },
    /// All of it is on a tier beside the mesh.
    Stored {
        /// The tier's name.
        tier: &'static str,
    },
    /// It is not as it should be here.
    Trouble {
        /// Why.
        why: String,
    },
    /// Fewer copies were counted than the time before, and whether they are enough is as it was.
    LostCopy {
        /// Copies that were counted.
        copies: u32,
        /// Copies that were counted before.
        before: u32,
        /// How many are enough.
        needed: u32,
    },
    /// As many copies were counted as are enough, which were not before.
    Safe {
        /// Copies that were counted.
        copies: u32,
        /// How many are enough.
        needed: u32,
    },
    /// Fewer copies were counted than are enough, which was enough before.
    NotSafe {
        /// Copies that were counted.
        copies: u32,
        /// How many are enough.
        needed: u32,
    },
}

impl fmt::Display for ContentNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { blocks, bytes } => {
                write!(
                    f,
                    "this node holds all of it: {blocks} blocks, {bytes} bytes"
                )
            }
            Self::Repaired { blocks } => {
                write!(f, "{blocks} blocks were lost or damaged here and are back")
            }
            Self::Stored { tier } => write!(f, "all of it is on {tier}"),
            Self::Trouble { why } => write!(f, "it is not as it should be here: {why}"),
            Self::LostCopy {
                copies,
                before,
                needed,
            } => write!(
                f,
                "it has lost copies: {copies} were counted, {before} the time before, {needed} are enough"
            ),
            Self::Safe { copies, needed } => {
                write!(
                    f,
                    "it is safe: {copies} copies were counted, {needed} are enough"
                )
            }
            Self::NotSafe { copies, needed } => {
                write!(
                    f,
                    "it is not safe any more: {copies} of {needed} copies were counted"
                )
            }
        }
    }
}

/// Tells what a count has changed. As long as an item that is being put has not been safe yet, only that it is comes as news.
pub(super) fn of_count(before: &Kept, after: &Kept) -> Option<ContentNews> {
    let count = after.count.as_ref()?;
    let (copies, needed) = (count.copies(), count.needed);
    let was_safe = before.count.as_ref().map(Count::is_safe);
    match (was_safe, count.is_safe()) {
        (None | Some(false), true) => Some(ContentNews::Safe { copies, needed }),
        (Some(true), false) => Some(ContentNews::NotSafe { copies, needed }),
        (None, false) => None,
        (Some(true), true) | (Some(false), false) => {
            let before = before.count.as_ref().map_or(0, Count::copies);
            (copies < before).then_some(ContentNews::LostCopy {
                copies,
                before,
                needed,
            })
        }
    }
}

/// Tells what a turn has changed beside the count. `held` is how many blocks and bytes are here, if all are; `stored` names
/// the tiers that it was stored on in this turn.
pub(super) fn of_turn(
    before: &Kept,
    after: &Kept,
    held: Option<(u64, u64)>,
    stored: &[&'static str],
) -> Vec<ContentNews> {
    let mut news = Vec::new();
    if let (None, Some((blocks, bytes))) = (before.whole_ms, held) {
        news.push(ContentNews::Held { blocks, bytes });
    }
    if after.repaired > before.repaired {
        let blocks = after.repaired - before.repaired;
        news.push(ContentNews::Repaired { blocks });
    }
    let newly = stored.iter();
    let newly = newly.filter(|tier| !before.stored_ms.contains_key(**tier));
    news.extend(newly.map(|tier| ContentNews::Stored { tier }));
    // Until it was here once, it is on its way.
    let was_here = before.whole_ms.is_some() || held.is_some();
    if let (None, Some(why)) = (&before.trouble, &after.trouble)
        && was_here
    {
        news.push(ContentNews::Trouble { why: why.clone() });
    }
    news
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(others: u32) -> Kept {
        Kept {
            count: Some(Count {
                others,
                needed: 5,
                ..Count::default()
            }),
            ..Kept::default()
        }
    }

    #[test]
    fn a_count_tells_what_it_changed_and_nothing_while_an_item_is_being_put() {
        let never = Kept::default();
        let needed = 5;
        let told = |before: &Kept, others| of_count(before, &counted(others));
        assert_eq!(told(&never, 3), None);
        assert_eq!(
            told(&never, 5),
            Some(ContentNews::Safe { copies: 5, needed })
        );
        assert_eq!(told(&counted(3), 4), None);
        assert_eq!(
            told(&counted(4), 6),
            Some(ContentNews::Safe { copies: 6, needed })
        );
        assert_eq!(
            told(&counted(5), 4),
            Some(ContentNews::NotSafe { copies: 4, needed })
        );
        assert_eq!((told(&counted(7), 7), told(&counted(7), 8)), (None, None));
        for (before, copies) in [(7, 6), (4, 2)] {
            let lost = ContentNews::LostCopy {
                copies,
                before,
                needed,
            };
            assert_eq!(told(&counted(before), copies), Some(lost));
        }
        assert_eq!(of_count(&counted(7), &never), None);
    }

    #[test]
    fn a_turn_tells_what_came_back_and_no_trouble_of_what_is_still_on_its_way() {
        let fresh = Kept::default();
        let here = Kept {
            whole_ms: Some(1),
            ..Kept::default()
        };
        let broken = |kept: &Kept| Kept {
            trouble: Some("a block lacks".to_owned()),
            ..kept.clone()
        };
        let held = ContentNews::Held {
            blocks: 3,
            bytes: 9,
        };
        let trouble = ContentNews::Trouble {
            why: "a block lacks".to_owned(),
        };

        assert_eq!(of_turn(&fresh, &here, Some((3, 9)), &[]), [held]);
        assert_eq!(of_turn(&here, &here, Some((3, 9)), &[]), []);
        assert_eq!(of_turn(&fresh, &broken(&fresh), None, &[]), []);
        assert_eq!(of_turn(&here, &broken(&here), None, &[]), [trouble]);
        assert_eq!(of_turn(&broken(&here), &broken(&here), None, &[]), []);
        let mended = Kept {
            repaired: 2,
            ..here.clone()
        };
        let repaired = ContentNews::Repaired { blocks: 2 };
        assert_eq!(
            of_turn(&broken(&here), &mended, Some((3, 9)), &[]),
            [repaired]
        );
        let mut paid = here.clone();
        paid.stored_ms.insert("sia".to_owned(), 1);
        let stored = of_turn(&paid, &paid, Some((3, 9)), &["arweave", "sia"]);
        assert_eq!(stored, [ContentNews::Stored { tier: "arweave" }]);
    }
}
