//! An account that pays for transactions: it estimates, bounds the price, signs, hands in, and waits for the block.

use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256};

use super::{
    error::{ChainError, Refusal},
    rpc::{Call, Receipt, Rpc},
    transaction::Transaction,
};
use crate::ethereum_key::EthereumKey;

/// What a transaction may use at most (EIP-7825), gas.
pub const GAS_MAX: u64 = 1 << 24;
/// Longest wait for the block.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often is looked whether it is there.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A gwei, in wei.
const GWEI: u128 = 1_000_000_000;

/// What a transaction may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How much it may use; what chains allow if not given.
    pub gas: Option<u64>,
    /// What may be paid for a gas, gwei. A node that lies about the price costs no more than this.
    pub fee_gwei_max: u64,
}

/// Who pays.
pub struct Account<'a> {
    rpc: &'a Rpc<'a>,
    key: &'a EthereumKey,
    limits: Limits,
}

/// A transaction that is in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mined {
    /// Its hash.
    pub hash: B256,
    /// What became of it.
    pub receipt: Receipt,
}

impl<'a> Account<'a> {
    /// Opens an account by its key.
    pub const fn new(rpc: &'a Rpc<'a>, key: &'a EthereumKey, limits: Limits) -> Self {
        Self { rpc, key, limits }
    }

    /// Sends a transaction and waits until it is in a block. `to` is `None` to make a contract.
    ///
    /// # Errors
    ///
    /// Returns why it was not sent, or what it came to: nothing is left half done but a transaction that is not mined yet.
    pub async fn send(&self, to: Option<Address>, data: Vec<u8>) -> Result<Mined, ChainError> {
        let from = self.key.address();
        let call = Call {
            from: Some(from),
            to,
            data: &data,
        };
        let gas_limit = self.gas_limit(call).await?;
        let (priority_fee, fee_max) = self.fees().await?;
        let transaction = Transaction {
            chain_id: self.rpc.chain_id().await?,
            nonce: self.rpc.nonce(from).await?,
            priority_fee,
            fee_max,
            gas_limit,
            to,
            data: data.clone().into(),
        };
        let hash = self.rpc.send(from, &transaction.sign(self.key)?).await?;
        let receipt = self.wait(hash).await?;
        match receipt.succeeded {
            true => Ok(Mined { hash, receipt }),
            false => Err(self.reason(call, &receipt, gas_limit).await),
        }
    }

    /// Estimates how much is used, which also finds out what the contract would refuse, before anything is paid.
    async fn gas_limit(&self, call: Call<'_>) -> Result<u64, ChainError> {
        let needed = self.rpc.estimate(call).await?;
        let allowed = self.limits.gas.unwrap_or(GAS_MAX);
        match needed > allowed {
            true => Err(ChainError::OutOfGas(format!(
                "it needs {needed}, and {allowed} are allowed"
            ))),
            // A fifth more: the state may change before the block.
            false => Ok((needed.saturating_mul(6) / 5).min(allowed)),
        }
    }

    /// Returns what is given and what is paid in all at most, wei a gas: twice what the last block took, within the limit.
    async fn fees(&self) -> Result<(u128, u128), ChainError> {
        let base = self.rpc.latest().await?.base_fee.ok_or_else(|| {
            ChainError::bad_input(
                "this chain",
                "its blocks name no base fee (EIP-1559), which every chain that this program knows does",
            )
        })?;
        let priority = self.rpc.priority_fee().await?;
        let limit = u128::from(self.limits.fee_gwei_max) * GWEI;
        let now = base.saturating_add(priority);
        if now > limit {
            return Err(ChainError::TooDear {
                asked_gwei: u64::try_from(now.div_ceil(GWEI)).unwrap_or(u64::MAX),
                max_gwei: self.limits.fee_gwei_max,
            });
        }
        Ok((priority, now.saturating_add(base).min(limit)))
    }

    async fn wait(&self, hash: B256) -> Result<Receipt, ChainError> {
        let since = Instant::now();
        loop {
            if let Some(receipt) = self.rpc.receipt(hash).await? {
                return Ok(receipt);
            }
            if since.elapsed() > PATIENCE {
                return Err(ChainError::NotMined {
                    hash: alloy_primitives::hex::encode_prefixed(hash),
                    secs: PATIENCE.as_secs(),
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Finds out why a transaction failed in its block.
    async fn reason(&self, call: Call<'_>, receipt: &Receipt, gas_limit: u64) -> ChainError {
        // A call within a call leaves a 64th to its caller (EIP-150), who only tells that it failed.
        if receipt.gas_used >= gas_limit - gas_limit / 32 {
            return ChainError::OutOfGas(format!("its {gas_limit} gas were used up, and are paid"));
        }
        match self.rpc.call(call, receipt.block).await {
            Err(error) => error,
            Ok(_) => ChainError::Reverted(Refusal::new(
                "",
                "it did so in the block and would not now: something else came first. Try again",
            )),
        }
    }
}
