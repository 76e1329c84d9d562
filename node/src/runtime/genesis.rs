//! Founding a mesh: its first record, and the store that begins with it.

use std::path::Path;

use x0_crypto::Identity;
use x0_protocol::{
    core::reject::RejectReason,
    wire::{Body, Draft, Founder, Genesis, MeshName, Parameters, Region},
};

use crate::store::{self, RocksStore, StoreError, StoreOptions};

/// What a founder decides.
#[derive(Clone, Debug)]
pub struct GenesisPlan {
    /// The mesh's name.
    pub name: MeshName,
    /// Founders beside the one who writes the genesis.
    pub founders: Vec<Founder>,
    /// The figures the mesh runs under.
    pub parameters: Parameters,
    /// The region the founder picks, if any.
    pub region: Option<Region>,
}

/// Why a mesh cannot be founded.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// The plan contradicts itself.
    #[error("the genesis is not valid: {0}")]
    Invalid(String),
    /// The record cannot be made.
    #[error("the genesis cannot be written: {0}")]
    Record(#[from] RejectReason),
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

/// Returns what a genesis says about a founder.
pub fn founder(identity: &Identity, region: Option<Region>) -> Founder {
    Founder {
        key: identity.public(),
        root: identity.capability_root().public(),
        commitment: identity.membership_commitment(),
        region,
    }
}

/// Signs the genesis of a new mesh and makes the store that begins with it.
///
/// # Errors
///
/// Returns what is wrong with the plan or the store.
pub fn create_genesis(
    data_dir: &Path,
    identity: &Identity,
    plan: GenesisPlan,
    options: StoreOptions,
) -> Result<RocksStore, GenesisError> {
    store::expect_none(data_dir)?;
    let mut founders = plan.founders;
    founders.push(founder(identity, plan.region));
    founders.sort_by_key(|founder| founder.key);
    let seats: Vec<_> = founders.iter().map(|founder| founder.key).collect();
    let mut roots: Vec<_> = founders.iter().map(|founder| founder.root).collect();
    roots.sort_unstable();
    let genesis = Genesis {
        name: plan.name,
        founders,
        seats,
        roots,
        parameters: plan.parameters,
    };
    genesis
        .check()
        .map_err(|fault| GenesisError::Invalid(fault.to_string()))?;
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)?;
    let body = Body::Genesis(genesis);
    let draft = Draft::new(
        None,
        identity.public(),
        (0, None),
        super::wall(),
        salt,
        body,
    );
    let record = draft.sign(identity)?;
    Ok(RocksStore::create(
        data_dir,
        identity.public(),
        &record,
        &[],
        options,
    )?)
}
