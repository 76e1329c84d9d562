//! A chain's node, asked by JSON-RPC.

use alloy_primitives::{Address, B256, hex};
use serde_json::{Value, json};

use super::error::{ChainError, Refusal};
use crate::web::{Place, Web};

/// Most bytes of an answer: a page of the whitelist is the longest.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A chain's node.
#[derive(Debug)]
pub struct Rpc<'a> {
    web: &'a Web,
    place: Place,
}

/// A call that is only tried, or estimated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) from: Option<Address>,
    /// `None` makes a contract.
    pub(super) to: Option<Address>,
    pub(super) data: &'a [u8],
}

/// A block, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) number: u64,
    /// Seconds since 1970.
    pub(super) time: u64,
    /// What every transaction pays for a gas, wei; `None` before EIP-1559.
    pub(super) base_fee: Option<u128>,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// In which block it is.
    pub block: u64,
    /// Whether it did what it was to do.
    pub succeeded: bool,
    /// What it used.
    pub gas_used: u64,
    /// What was paid for a gas, wei.
    pub gas_price: u128,
    /// The contract that it made.
    pub contract: Option<Address>,
}

impl<'a> Rpc<'a> {
    /// Names a chain's node.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with its address.
    pub fn new(web: &'a Web, address: &str) -> Result<Self, ChainError> {
        let place = Place::parse(address)?;
        Ok(Self { web, place })
    }

    /// Asks which chain it is.
    ///
    /// # Errors
    ///
    /// Returns why there is no answer.
    pub async fn chain_id(&self) -> Result<u64, ChainError> {
        let id = self.ask("eth_chainId", json!([])).await?;
        self.number(&id, "chain id")
    }

    /// Checks that it is of this chain.
    ///
    /// # Errors
    ///
    /// Returns which chain it is of.
    pub async fn require_chain(&self, wanted: u64) -> Result<(), ChainError> {
        let found = self.chain_id().await?;
        match found == wanted {
            true => Ok(()),
            false => Err(ChainError::WrongChain { wanted, found }),
        }
    }

    pub(super) async fn latest(&self) -> Result<Block, ChainError> {
        let block = self
            .ask("eth_getBlockByNumber", json!(["latest", false]))
            .await?;
        let base_fee = block
            .get("baseFeePerGas")
            .map(|fee| self.wide(fee, "base fee"));
        Ok(Block {
            number: self.number(&block["number"], "block number")?,
            time: self.number(&block["timestamp"], "block time")?,
            base_fee: base_fee.transpose()?,
        })
    }

    /// Returns what a transaction gives to whoever puts it into a block, wei a gas.
    pub(super) async fn priority_fee(&self) -> Result<u128, ChainError> {
        let fee = self.ask("eth_maxPriorityFeePerGas", json!([])).await?;
        self.wide(&fee, "priority fee")
    }

    pub(super) async fn has_code(&self, at: Address) -> Result<bool, ChainError> {
        let code = self
            .ask("eth_getCode", json!([at.to_checksum(None), "latest"]))
            .await?;
        Ok(!self.bytes(&code, "code")?.is_empty())
    }

    /// Returns the number of the account's next transaction.
    ///
    /// # Errors
    ///
    /// Returns why there is no answer.
    pub async fn nonce(&self, of: Address) -> Result<u64, ChainError> {
        let parameters = json!([of.to_checksum(None), "pending"]);
        let nonce = self.ask("eth_getTransactionCount", parameters).await?;
        self.number(&nonce, "nonce")
    }

    /// Tries a call on the state after a block.
    pub(super) async fn call(&self, call: Call<'_>, block: u64) -> Result<Vec<u8>, ChainError> {
        let parameters = json!([call.to_json(), format!("{block:#x}")]);
        let answer = self.ask_for(call.from, "eth_call", parameters).await?;
        self.bytes(&answer, "answer of the contract")
    }

    pub(super) async fn estimate(&self, call: Call<'_>) -> Result<u64, ChainError> {
        let gas = self
            .ask_for(call.from, "eth_estimateGas", json!([call.to_json()]))
            .await?;
        self.number(&gas, "gas")
    }

    /// Hands in a signed transaction of an account; returns its hash.
    ///
    /// # Errors
    ///
    /// Returns why it is not taken.
    pub async fn send(&self, from: Address, transaction: &[u8]) -> Result<B256, ChainError> {
        let parameters = json!([hex::encode_prefixed(transaction)]);
        let hash = self
            .ask_for(Some(from), "eth_sendRawTransaction", parameters)
            .await?;
        let bytes = self.bytes(&hash, "hash")?;
        B256::try_from(bytes.as_slice()).map_err(|_| self.not_understood("hash"))
    }

    /// Looks up what became of a transaction; `None` while it is in no block.
    ///
    /// # Errors
    ///
    /// Returns why there is no answer.
    pub async fn receipt(&self, hash: B256) -> Result<Option<Receipt>, ChainError> {
        let parameters = json!([hex::encode_prefixed(hash)]);
        let receipt = self.ask("eth_getTransactionReceipt", parameters).await?;
        if receipt.is_null() {
            return Ok(None);
        }
        let contract = &receipt["contractAddress"];
        let contract = (!contract.is_null()).then(|| self.address(contract));
        Ok(Some(Receipt {
            block: self.number(&receipt["blockNumber"], "block number")?,
            succeeded: self.number(&receipt["status"], "status")? == 1,
            gas_used: self.number(&receipt["gasUsed"], "gas")?,
            gas_price: self.wide(&receipt["effectiveGasPrice"], "gas price")?,
            contract: contract.transpose()?,
        }))
    }

    async fn ask(&self, method: &str, parameters: Value) -> Result<Value, ChainError> {
        self.ask_for(None, method, parameters).await
    }

    async fn ask_for(
        &self,
        account: Option<Address>,
        method: &str,
        parameters: Value,
    ) -> Result<Value, ChainError> {
        let question = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        let mut answer = self
            .web
            .post(&self.place, &question, None, ANSWER_BYTES_MAX)
            .await?;
        if answer.get("error").is_some_and(|error| !error.is_null()) {
            return Err(self.refused(account.unwrap_or_default(), &answer));
        }
        let result = answer.get_mut("result").map(Value::take);
        result.ok_or_else(|| self.not_understood("answer"))
    }

    /// Finds out what an error means. The codes of nodes differ, so that their words have to do.
    fn refused(&self, account: Address, answer: &Value) -> ChainError {
        let places = ["/error/data", "/error/data/data"];
        let data = places
            .iter()
            .find_map(|place| answer.pointer(place)?.as_str());
        let data = data.and_then(|data| hex::decode(data).ok());
        if let Some(data) = data.filter(|data| data.len() >= 4) {
            return ChainError::Reverted(Refusal::decode(&data));
        }
        let words = answer.pointer("/error/message").and_then(Value::as_str);
        let words = words.unwrap_or_default().to_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
        if has(&["nonce too low", "nonce is too low", "invalid nonce"]) {
            return ChainError::NonceTooLow(account);
        }
        if has(&["insufficient funds", "insufficient balance"]) {
            return ChainError::NoFunds(account);
        }
        if has(&[
            "out of gas",
            "outofgas",
            "intrinsic gas",
            "gas required exceeds",
            "exceeds block gas limit",
        ]) {
            return ChainError::OutOfGas(words);
        }
        if has(&["revert"]) {
            return ChainError::Reverted(Refusal::new("", "it gives no reason"));
        }
        self.place.answered_no(answer).into()
    }

    fn number(&self, value: &Value, what: &str) -> Result<u64, ChainError> {
        let number = self.wide(value, what)?;
        u64::try_from(number).map_err(|_| self.not_understood(what))
    }

    fn wide(&self, value: &Value, what: &str) -> Result<u128, ChainError> {
        let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
        let number = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        number.ok_or_else(|| self.not_understood(what))
    }

    fn bytes(&self, value: &Value, what: &str) -> Result<Vec<u8>, ChainError> {
        let bytes = value.as_str().and_then(|text| hex::decode(text).ok());
        bytes.ok_or_else(|| self.not_understood(what))
    }

    fn address(&self, value: &Value) -> Result<Address, ChainError> {
        let address = value.as_str().and_then(|text| text.parse().ok());
        address.ok_or_else(|| self.not_understood("address"))
    }

    fn not_understood(&self, what: &str) -> ChainError {
        self.place
            .not_understood(&format!(
                "its {what} is none; is it the JSON-RPC address of a chain's node?"
            ))
            .into()
    }
}

impl Call<'_> {
    fn to_json(self) -> Value {
        let mut call = json!({ "data": hex::encode_prefixed(self.data) });
        for (name, address) in [("from", self.from), ("to", self.to)] {
            if let Some(address) = address {
                call[name] = json!(address.to_checksum(None));
            }
        }
        call
    }
}
