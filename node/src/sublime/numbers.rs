//! The numbers that the keeper gives its operator: what is kept here, how safe it is, and what looking after it came to.
//!
//! They are sums over all items: no number names an item, a guardian or who holds a copy.

use std::collections::BTreeSet;

use x0_crypto::ContentId;
use x0_tiers::{Cid, TierError};

use super::{keeper::Keeper, kept::Kept};
use crate::metrics::{Counter, Gauge, Metrics};

/// Sums over the items that are kept here, as they were last counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    safe: u64,
    not_safe: u64,
    not_counted: u64,
    whole: u64,
    lacking: u64,
    silent: u64,
}

impl Totals {
    fn of(kept: impl IntoIterator<Item = Option<Kept>>) -> Self {
        let mut totals = Self::default();
        for kept in kept {
            let Some(count) = kept.and_then(|kept| kept.count) else {
                totals.not_counted += 1;
                continue;
            };
            match count.is_safe() {
                true => totals.safe += 1,
                false => totals.not_safe += 1,
            }
            totals.whole += u64::from(count.copies());
            totals.lacking += u64::from(count.lacking);
            totals.silent += u64::from(count.silent);
        }
        totals
    }

    fn show(&self, metrics: &Metrics) {
        metrics.set(Gauge::ContentSafe, self.safe);
        metrics.set(Gauge::ContentNotSafe, self.not_safe);
        metrics.set(Gauge::ContentNotCounted, self.not_counted);
        metrics.set(Gauge::CopiesWhole, self.whole);
        metrics.set(Gauge::CopiesLacking, self.lacking);
        metrics.set(Gauge::CopiesSilent, self.silent);
    }
}

/// Counts a turn: whether all of the item is here, whether nothing is left to be done, and whether something had to be put back.
pub(super) fn count_turn(
    metrics: &Metrics,
    (before, after): (&Kept, &Kept),
    (is_held, is_well): (bool, bool),
) {
    let audit = match (is_held, is_well) {
        (true, true) => Counter::ContentAuditsWell,
        (true, false) => Counter::ContentAuditsNotSafe,
        (false, _) => Counter::ContentAuditsNotWhole,
    };
    metrics.add(audit, 1);
    if after.repaired > before.repaired {
        metrics.add(Counter::ContentRepairsDone, 1);
    }
    // What has not been here yet is on its way, and no repair.
    if !is_held && before.whole_ms.is_some() {
        metrics.add(Counter::ContentRepairsFailed, 1);
    }
}

impl Keeper {
    /// Takes the numbers of the contents that are kept, as they are now.
    pub(super) async fn measure(&self, contents: Vec<ContentId>) -> Result<(), TierError> {
        let remembered = contents.iter().map(|content| self.memory_of(content));
        let metrics = self.node.numbers();
        Totals::of(remembered).show(metrics);
        let roots: BTreeSet<Cid> = contents.into_iter().map(Cid::from).collect();
        let pins = self.ipfs.pins().await?;
        let pins = pins.iter().filter(|(root, _)| roots.contains(root));
        let bytes = pins.map(|(_, pin)| pin.bytes).sum();
        metrics.set(Gauge::ContentBytes, bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::kept::Count, *};
    use crate::charter::SHIPPED;

    fn counted(others: u32, lacking: u32, silent: u32) -> Kept {
        Kept {
            count: Some(Count {
                others,
                lacking,
                silent,
                needed: 5,
                ..Count::default()
            }),
            whole_ms: Some(1),
            ..Kept::default()
        }
    }

    #[test]
    fn items_are_told_apart_by_whether_they_are_safe_and_copies_are_summed_up() {
        let kept = [
            Some(counted(5, 1, 0)),
            Some(counted(4, 0, 2)),
            Some(counted(6, 0, 0)),
            Some(Kept::default()),
            None,
        ];
        let metrics = Metrics::new();

        Totals::of(kept).show(&metrics);

        let text = metrics.text(&SHIPPED);
        for line in [
            "x0_content_items{state=\"safe\"} 2",
            "x0_content_items{state=\"not_safe\"} 1",
            "x0_content_items{state=\"not_counted\"} 2",
            "x0_content_copies{state=\"whole\"} 15",
            "x0_content_copies{state=\"lacking\"} 1",
            "x0_content_copies{state=\"silent\"} 2",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
    }

    #[test]
    fn a_turn_is_one_audit_and_a_repair_only_of_what_was_here_before() {
        let metrics = Metrics::new();
        let count = |before: &Kept, after: &Kept, found| {
            count_turn(&metrics, (before, after), found);
        };
        let (fresh, safe) = (Kept::default(), counted(5, 0, 0));
        let (well, not_safe, not_whole) = ((true, true), (true, false), (false, false));
        let mended = Kept {
            repaired: 3,
            ..safe.clone()
        };

        count(&fresh, &fresh, not_whole);
        count(&fresh, &safe, well);
        count(&safe, &mended, well);
        count(&safe, &mended, not_safe);
        count(&mended, &mended, not_safe);
        count(&safe, &safe, not_whole);

        let told = [
            Counter::ContentAuditsWell,
            Counter::ContentAuditsNotSafe,
            Counter::ContentAuditsNotWhole,
            Counter::ContentRepairsDone,
            Counter::ContentRepairsFailed,
        ];
        assert_eq!(
            told.map(|counter| metrics.counter(counter)),
            [2, 2, 2, 2, 1]
        );
    }
}
