//! The tiers that settings name, read as one: the mesh first, then what costs money and learns who asks.

use std::{sync::Arc, time::Duration};

use x0_tiers::{
    ArweaveKey, ArweaveSettings, ArweaveTier, IpfsTier, KeyError, Pace, Tier, TierError, TierKind,
    Tiers, Writing, sia_account,
};

use crate::config::{ArweaveAccount, SublimeSettings};

/// The lead that the mesh has over a gateway: what comes within it is not asked for elsewhere.
const LEAD: Duration = Duration::from_secs(2);

/// Why an account cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The key cannot be read.
    #[error("the account with Arweave: {0}")]
    ArweaveKey(KeyError),
    /// The tier cannot be set up.
    #[error("{0}. Mend [sublime.arweave] or [sublime.sia] in the settings")]
    Tier(TierError),
}

/// A tier beside the mesh that the settings name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Which.
    pub tier: TierKind,
    /// Whether this node can store there, and not only read.
    pub stores: bool,
}

/// Sets up the tiers; nobody is asked yet.
///
/// # Errors
///
/// Returns which account cannot be used, and why.
pub(super) fn open(
    ipfs: &Arc<IpfsTier>,
    settings: &SublimeSettings,
) -> Result<(Tiers, Vec<Account>), AccountError> {
    let mut tiers: Vec<Arc<dyn Tier>> = vec![Arc::clone(ipfs) as Arc<dyn Tier>];
    let mut accounts = Vec::new();
    if let Some(account) = &settings.arweave {
        let stores = account.key_file.is_some();
        tiers.push(Arc::new(arweave(account)?));
        accounts.push(Account {
            tier: TierKind::Arweave,
            stores,
        });
    }
    if let Some(account) = &settings.sia {
        let sia = sia_account(&account.indexer, &account.key_file);
        tiers.push(sia.map_err(AccountError::Tier)?);
        accounts.push(Account {
            tier: TierKind::Sia,
            stores: true,
        });
    }
    let pace = Pace {
        lead: LEAD,
        ..Pace::default()
    };
    Ok((Tiers::new(tiers, pace), accounts))
}

fn arweave(account: &ArweaveAccount) -> Result<ArweaveTier, AccountError> {
    let key = account.key_file.as_deref().map(ArweaveKey::open);
    let key = key.transpose().map_err(AccountError::ArweaveKey)?;
    let writing = match (key, &account.bundler) {
        (None, _) => Writing::No,
        (Some(key), Some(url)) => Writing::Bundler {
            url: url.clone(),
            key,
        },
        (Some(key), None) => Writing::Wallet {
            key,
            price_max: u128::from(account.price_max),
        },
    };
    let settings = ArweaveSettings {
        gateway: account.gateway.clone(),
        index: None,
        owners: Vec::new(),
        proxy: account.proxy.clone(),
        writing,
    };
    ArweaveTier::new(settings).map_err(AccountError::Tier)
}
