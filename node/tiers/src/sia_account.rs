//! An account with Sia as settings name it: connected when it is first used, if this program has the SDK at all.

use std::{path::Path, sync::Arc};

use crate::{Tier, TierError};

/// Whether this program can reach Sia: it was built with the feature `sia`.
pub const HAS_SIA: bool = cfg!(feature = "sia");

/// Returns the tier of an account; nobody is asked yet. An indexer that is out of reach is asked again with the next block.
///
/// # Errors
/// [`TierError::Refused`] if this program was built without Sia.
#[cfg(feature = "sia")]
pub fn sia_account(indexer: &str, key_file: &Path) -> Result<Arc<dyn Tier>, TierError> {
    Ok(Arc::new(connected::Account::new(indexer, key_file)))
}

/// Returns the tier of an account, which this program cannot: it was built without Sia.
///
/// # Errors
/// [`TierError::Refused`], always.
#[cfg(not(feature = "sia"))]
pub fn sia_account(_: &str, _: &Path) -> Result<Arc<dyn Tier>, TierError> {
    Err(TierError::Refused {
        tier: crate::TierKind::Sia,
        reason: "this program was built without Sia; build it with `--features x0-tiers/sia`"
            .to_owned(),
    })
}

#[cfg(feature = "sia")]
mod connected {
    use std::path::{Path, PathBuf};

    use async_trait::async_trait;
    use cid::Cid;
    use tokio::sync::OnceCell;

    use crate::{Block, Forgotten, SiaTier, Tier, TierError, TierKind};

    pub(super) struct Account {
        indexer: String,
        key_file: PathBuf,
        tier: OnceCell<SiaTier>,
    }

    impl Account {
        pub(super) fn new(indexer: &str, key_file: &Path) -> Self {
            Self {
                indexer: indexer.to_owned(),
                key_file: key_file.to_owned(),
                tier: OnceCell::new(),
            }
        }

        async fn tier(&self) -> Result<&SiaTier, TierError> {
            let connect = || SiaTier::connect(&self.indexer, &self.key_file);
            self.tier.get_or_try_init(connect).await
        }
    }

    #[async_trait]
    impl Tier for Account {
        fn kind(&self) -> TierKind {
            TierKind::Sia
        }

        async fn put(&self, block: &Block) -> Result<(), TierError> {
            self.tier().await?.put(block).await
        }

        async fn put_together(&self, blocks: &[Block]) -> Result<(), TierError> {
            self.tier().await?.put_together(blocks).await
        }

        async fn get(&self, cid: &Cid) -> Result<Block, TierError> {
            self.tier().await?.get(cid).await
        }

        async fn holds(&self, cid: &Cid) -> Result<bool, TierError> {
            self.tier().await?.holds(cid).await
        }

        async fn forget(&self, cid: &Cid) -> Result<Forgotten, TierError> {
            self.tier().await?.forget(cid).await
        }
    }
}
