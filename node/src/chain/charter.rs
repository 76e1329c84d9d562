//! The charter contract: put on a chain, read, loaded, and changed by what its committee signed.

use alloy_primitives::{Address, U256, hex};
use alloy_sol_types::{SolCall, SolValue as _};
use serde::Serialize;

use super::{
    abi::{self, ICharter},
    account::{Account, Mined},
    act::Act,
    error::ChainError,
    image::{self, CharterImage, ListedMetric, NameVerdict},
    rpc::{Call, Rpc},
    violation::Violation,
};

/// Entries asked for at a time: a page of the longest names is 100 KB, and what nodes let a question cost.
const PAGE: u64 = 200;
/// Most entries read of one list, so that no node can make it endless.
const ENTRIES_MAX: usize = 100_000;

/// A charter contract.
#[derive(Debug)]
pub struct Charter<'a> {
    rpc: &'a Rpc<'a>,
    address: Address,
}

/// How a contract stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The chain.
    pub chain_id: u64,
    /// The contract.
    pub contract: String,
    /// Which code it runs.
    pub code_version: u32,
    /// The charter in force.
    pub in_force: Option<Head>,
    /// The charter that is being loaded.
    pub loading: Option<Head>,
    /// Who decides.
    pub members: Vec<String>,
    /// How many of them.
    pub threshold: u16,
    /// How many acts were carried out.
    pub acts: u64,
    /// How many violations are entered.
    pub violations: u64,
    /// As of which block.
    pub block: u64,
    /// The time of that block, seconds since 1970.
    pub block_time: u64,
}

/// A charter in the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Its content id.
    pub cid: String,
    /// What its batches hash to.
    pub root: String,
    /// Metrics that are listed so far.
    pub metrics: u32,
    /// Patterns that are blocked so far.
    pub blocked: u32,
    /// Whether all of it is there.
    pub is_complete: bool,
    /// Since when it is in force, seconds since 1970; 0 if it is not.
    pub since: u64,
}

/// A contract that was just made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// The charter's address.
    pub charter: Address,
    /// Where its code is.
    pub implementation: Address,
    /// What both together used.
    pub gas_used: u64,
}

impl<'a> Charter<'a> {
    /// Names a contract, and checks that there is one.
    ///
    /// # Errors
    ///
    /// Returns that there is none, or why there is no answer.
    pub async fn open(rpc: &'a Rpc<'a>, address: Address) -> Result<Self, ChainError> {
        match rpc.has_code(address).await? {
            true => Ok(Self { rpc, address }),
            false => Err(ChainError::NoContract(address)),
        }
    }

    /// Puts a contract with its committee on the chain.
    ///
    /// # Errors
    ///
    /// Returns why it was not made. Its code may be there by then, which does no harm.
    pub async fn deploy(
        rpc: &Rpc<'_>,
        payer: &Account<'_>,
        members: &[Address],
        threshold: u16,
    ) -> Result<Deployed, ChainError> {
        let code = Self::deploy_code(rpc, payer).await?;
        let implementation = made(rpc, &code).await?;
        let set_up = ICharter::initializeCall {
            members: members.to_vec(),
            threshold,
        };
        let mut creation = abi::proxy_code();
        creation.extend((implementation, set_up.abi_encode()).abi_encode_params());
        let proxy = payer.send(None, creation).await?;
        Ok(Deployed {
            charter: made(rpc, &proxy).await?,
            implementation,
            gas_used: code.receipt.gas_used + proxy.receipt.gas_used,
        })
    }

    /// Puts the code alone on the chain, to upgrade a contract to.
    ///
    /// # Errors
    ///
    /// Returns why it was not made.
    pub async fn deploy_code(rpc: &Rpc<'_>, payer: &Account<'_>) -> Result<Mined, ChainError> {
        let mined = payer.send(None, abi::charter_code()).await?;
        made(rpc, &mined).await.map(|_| mined)
    }

    /// Returns its address.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Reads how it stands, all of it as of one block.
    ///
    /// # Errors
    ///
    /// Returns why there is no answer.
    pub async fn standing(&self) -> Result<Standing, ChainError> {
        let block = self.rpc.latest().await?;
        let at = block.number;
        let committee = self.ask(&ICharter::committeeCall {}, at).await?;
        let acts = self.ask(&ICharter::nonceCall {}, at).await?;
        let violations = self.ask(&ICharter::violationCountCall {}, at).await?;
        Ok(Standing {
            chain_id: self.rpc.chain_id().await?,
            contract: self.address.to_checksum(None),
            code_version: self.ask(&ICharter::codeVersionCall {}, at).await?,
            in_force: Head::read(self.ask(&ICharter::headCall {}, at).await?),
            loading: Head::read(self.ask(&ICharter::stagedCall {}, at).await?),
            members: committee
                .members
                .iter()
                .map(|member| member.to_checksum(None))
                .collect(),
            threshold: committee.threshold,
            acts: self.number(acts)?,
            violations: self.number(violations)?,
            block: at,
            block_time: block.time,
        })
    }

    /// Asks what the charter in force says of a name.
    ///
    /// # Errors
    ///
    /// Returns why there is no answer.
    pub async fn verdict(&self, name: &str) -> Result<NameVerdict, ChainError> {
        let at = self.rpc.latest().await?.number;
        let question = ICharter::verdictCall {
            name: name.to_owned(),
        };
        match self.ask(&question, at).await? {
            ICharter::Verdict::NotListed => Ok(NameVerdict::NotListed),
            ICharter::Verdict::Allowed => Ok(NameVerdict::Allowed),
            ICharter::Verdict::Blocked => Ok(NameVerdict::Blocked),
            ICharter::Verdict::__Invalid => Err(ChainError::NoCharter(self.address)),
        }
    }

    /// Asks for the rule of a listed name; `None` if it is not listed.
    ///
    /// # Errors
    ///
    /// Returns why there is no answer.
    pub async fn rule(&self, name: &str) -> Result<Option<ListedMetric>, ChainError> {
        let at = self.rpc.latest().await?.number;
        let name = name.to_owned();
        let found = self
            .ask(&ICharter::ruleCall { name: name.clone() }, at)
            .await?;
        let rule = found._1;
        Ok(found.listed.then(|| ICharter::Metric { name, rule }.into()))
    }

    /// Reads the whole charter in force, all of it as of one block; `None` if none is.
    ///
    /// # Errors
    ///
    /// Returns why there is no answer.
    pub async fn image(&self) -> Result<Option<CharterImage>, ChainError> {
        let at = self.rpc.latest().await?.number;
        let head = self.ask(&ICharter::headCall {}, at).await?;
        if head.number == 0 {
            return Ok(None);
        }
        let metrics = self
            .all(at, |from, count| ICharter::metricsCall { from, count })
            .await?;
        let blocked = self
            .all(at, |from, count| ICharter::patternsCall { from, count })
            .await?;
        let image = CharterImage {
            number: head.number,
            cid: image::cid_text(&head.cid),
            metrics: metrics.into_iter().map(ListedMetric::from).collect(),
            blocked,
        };
        Ok(Some(image))
    }

    /// Reads the register of violations.
    ///
    /// # Errors
    ///
    /// Returns why there is no answer.
    pub async fn violations(&self) -> Result<Vec<Violation>, ChainError> {
        let at = self.rpc.latest().await?.number;
        let found = self
            .all(at, |from, count| ICharter::violationsCall { from, count })
            .await?;
        Ok(found.into_iter().map(Violation::from).collect())
    }

    /// Loads what is missing of a charter that the committee began; tells how many batches are there of how many.
    ///
    /// # Errors
    ///
    /// Returns that this is not what the committee signed, or why a batch did not get through. What is loaded stays: a
    /// second try goes on from there.
    pub async fn load(
        &self,
        payer: &Account<'_>,
        image: &CharterImage,
        mut told: impl FnMut(usize, usize),
    ) -> Result<u64, ChainError> {
        let at = self.rpc.latest().await?.number;
        let staged = self.ask(&ICharter::stagedCall {}, at).await?;
        let batches = image.batches();
        let rests = image::rests(&batches);
        if staged.number != image.number || Some(&staged.root) != rests.first() {
            return Err(ChainError::bad_input(
                "the image",
                match staged.number {
                    0 => "the committee has not begun to load a charter: prepare it with `x0 chain charter prepare stage`".to_owned(),
                    number => format!("the committee began charter {number} with another content ({})", hex::encode_prefixed(staged.root)),
                },
            ));
        }
        let place = rests.iter().position(|rest| *rest == staged.pending);
        let place = place.ok_or(ChainError::NoCharter(self.address))?;
        let all = batches.len();
        let mut gas_used = 0;
        let following = rests.into_iter().skip(1);
        for (done, (batch, rest)) in batches.into_iter().zip(following).enumerate().skip(place) {
            let call = ICharter::loadCall { batch, rest };
            let mined = payer.send(Some(self.address), call.abi_encode()).await?;
            gas_used += mined.receipt.gas_used;
            told(done + 1, all);
        }
        Ok(gas_used)
    }

    /// Hands in an act that members have signed.
    ///
    /// # Errors
    ///
    /// Returns why the contract refuses it, before it costs anything, or why it did not get through.
    pub async fn execute(&self, payer: &Account<'_>, act: &Act) -> Result<Mined, ChainError> {
        self.rpc.require_chain(act.chain_id).await?;
        payer
            .send(Some(self.address), act.to_execute().abi_encode())
            .await
    }

    async fn all<Q, E>(
        &self,
        at: u64,
        question: impl Fn(U256, U256) -> Q,
    ) -> Result<Vec<E>, ChainError>
    where
        Q: SolCall<Return = Vec<E>>,
    {
        let mut all = Vec::new();
        loop {
            let from = U256::from(all.len());
            let page = self.ask(&question(from, U256::from(PAGE)), at).await?;
            let is_last = (page.len() as u64) < PAGE;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
            if all.len() > ENTRIES_MAX {
                return Err(ChainError::NoCharter(self.address));
            }
        }
    }

    async fn ask<Q: SolCall>(&self, question: &Q, at: u64) -> Result<Q::Return, ChainError> {
        let data = question.abi_encode();
        let call = Call {
            from: None,
            to: Some(self.address),
            data: &data,
        };
        let answer = self.rpc.call(call, at).await?;
        Q::abi_decode_returns_validate(&answer).map_err(|_| ChainError::NoCharter(self.address))
    }

    fn number(&self, number: U256) -> Result<u64, ChainError> {
        u64::try_from(number).map_err(|_| ChainError::NoCharter(self.address))
    }
}

/// Returns where a contract was made, once the node shows it.
async fn made(rpc: &Rpc<'_>, mined: &Mined) -> Result<Address, ChainError> {
    let address = mined.receipt.contract.unwrap_or_default();
    match rpc.has_code(address).await? {
        true => Ok(address),
        false => Err(ChainError::NoContract(address)),
    }
}

impl Head {
    fn read(head: ICharter::Head) -> Option<Self> {
        (head.number > 0).then(|| Self {
            number: head.number,
            cid: image::cid_text(&head.cid),
            root: hex::encode_prefixed(head.root),
            metrics: head.metrics,
            blocked: head.patterns,
            is_complete: head.pending.is_zero(),
            since: head.since,
        })
    }
}
