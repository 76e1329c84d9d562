//! Counting the copies of an item: the IPFS nodes of linked members are asked, each by itself, then the own disk, and tiers beside
//! the mesh where that is wanted.

use std::{collections::BTreeMap, time::Duration};

use x0_crypto::ContentId;
use x0_protocol::sublime::known::Item;
use x0_tiers::{Cid, CopyStands, Depth, TierKind};

use super::{
    agenda::KeptItem,
    keeper::{KeepError, Keeper},
    kept::{Beyond, Count},
    sample, unix_ms,
};

/// Longest wait for a count; whoever has not answered by then is silent.
const COUNT_WAIT: Duration = Duration::from_secs(45);

impl Keeper {
    /// Asks others and the own disk who holds an item, and remembers the answer; tiers beside the mesh are asked if `beyond`.
    ///
    /// # Errors
    ///
    /// Returns that the item cannot be read at all, or the node is stopping.
    pub async fn count(
        &self,
        id: ContentId,
        item: &Item,
        beyond: bool,
    ) -> Result<Count, KeepError> {
        let guards = self.view().await?;
        let guards = guards
            .guarded()
            .any(|guarded| guarded.content == item.content);
        let kept = KeptItem {
            id,
            item: item.clone(),
            guards,
        };
        let sample = sample::draw(&self.tiers, item).await?;
        let own = self.is_sound(&sample).await;
        let count = self.ask_around(&kept, &sample, own, beyond).await?;
        let counted = count.clone();
        self.remember(&kept, move |kept| kept.count = Some(counted))
            .await;
        Ok(count)
    }

    pub(super) async fn ask_around(
        &self,
        kept: &KeptItem,
        sample: &[(Cid, Depth)],
        own: bool,
        beyond: bool,
    ) -> Result<Count, KeepError> {
        let mut count = Count {
            at_ms: unix_ms(),
            own,
            guards: kept.guards,
            needed: self.needed(&kept.item),
            ..Count::default()
        };
        let peers = self.introduced.connect(&self.ipfs).await;
        let asked = self.ipfs.count_copies(&peers, sample);
        match tokio::time::timeout(COUNT_WAIT, asked).await {
            Ok(copies) => {
                for copy in copies? {
                    match copy.copy {
                        CopyStands::Whole => count.others += 1,
                        CopyStands::Lacks(_) => count.lacking += 1,
                        CopyStands::Silent => count.silent += 1,
                    }
                }
            }
            Err(_) => count.silent = u32::try_from(peers.len()).unwrap_or(u32::MAX),
        }
        if beyond && !self.accounts.is_empty() {
            count.beyond = self.ask_beyond(sample).await;
        }
        Ok(count)
    }

    async fn ask_beyond(&self, sample: &[(Cid, Depth)]) -> BTreeMap<String, Beyond> {
        let cids: Vec<_> = sample.iter().map(|(cid, _)| *cid).collect();
        let audits = self.tiers.audit(&cids, Depth::Word, |_| {}).await;
        let audits = audits.into_iter();
        let audits = audits.filter(|audit| audit.tier != TierKind::Ipfs);
        let told = audits.map(|audit| {
            let stands = match (audit.held, audit.lost.len(), audit.unknown.len()) {
                (_, 0, 0) => Beyond::Whole,
                (0, _, 0) => Beyond::Nothing,
                (0, 0, _) => Beyond::Silent,
                (_, _, _) => Beyond::Part,
            };
            (audit.tier.name().to_owned(), stands)
        });
        told.collect()
    }

    /// Reads a sample of the own copy.
    pub(super) async fn is_sound(&self, sample: &[(Cid, Depth)]) -> bool {
        for (cid, _) in sample {
            match self.ipfs.read_here(cid).await {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return false,
            }
        }
        true
    }
}
