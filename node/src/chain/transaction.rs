//! A transaction by EIP-1559: written, signed, and bounded in what it may cost.

use alloy_primitives::{Address, Bytes, Signature, keccak256};
use alloy_rlp::{Encodable as _, Header};

use super::error::ChainError;
use crate::ethereum_key::EthereumKey;

/// The kind of transaction (EIP-2718).
const KIND: u8 = 2;

/// A transaction that sends no coin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The chain.
    pub chain_id: u64,
    /// How many transactions the account sent before.
    pub nonce: u64,
    /// What is given to whoever puts it into a block, at most, wei a gas.
    pub priority_fee: u128,
    /// What is paid in all, at most, wei a gas.
    pub fee_max: u128,
    /// How much it may use.
    pub gas_limit: u64,
    /// Whom it calls; `None` makes a contract.
    pub to: Option<Address>,
    /// What it calls with, or what makes the contract.
    pub data: Bytes,
}

impl Transaction {
    /// Signs it, and writes it as a node takes it.
    ///
    /// # Errors
    ///
    /// Returns that the signature could not be made.
    pub fn sign(&self, key: &EthereumKey) -> Result<Vec<u8>, ChainError> {
        let signature = key.sign(&keccak256(self.encode(None)))?;
        Ok(self.encode(Some(&signature)))
    }

    fn encode(&self, signature: Option<&Signature>) -> Vec<u8> {
        let mut fields = Vec::with_capacity(self.data.len() + 256);
        self.chain_id.encode(&mut fields);
        self.nonce.encode(&mut fields);
        self.priority_fee.encode(&mut fields);
        self.fee_max.encode(&mut fields);
        self.gas_limit.encode(&mut fields);
        let to = self.to.as_ref().map_or(&[][..], |to| to.as_slice());
        to.encode(&mut fields);
        // No coin.
        0_u64.encode(&mut fields);
        self.data.as_ref().encode(&mut fields);
        // No list of what is looked at.
        list(0).encode(&mut fields);
        if let Some(signature) = signature {
            signature.v().encode(&mut fields);
            for number in [signature.r(), signature.s()] {
                let bytes = number.to_be_bytes::<32>();
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                bytes.get(zeros..).unwrap_or_default().encode(&mut fields);
            }
        }
        let mut whole = vec![KIND];
        list(fields.len()).encode(&mut whole);
        whole.extend(fields);
        whole
    }
}

const fn list(payload_length: usize) -> Header {
    Header {
        list: true,
        payload_length,
    }
}
