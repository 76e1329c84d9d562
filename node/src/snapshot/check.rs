//! What stands under good signatures of what a hub tells.

use std::{collections::BTreeMap, ops::RangeInclusive};

use alloy_primitives::{Address, B256};
use futures::{StreamExt as _, stream};
use serde::Serialize;

use super::{
    envelope::{Envelope, NotShown},
    hub::{Gateway, ToldBallot, ToldProposal},
    message::{Choice, Message},
};
use crate::web::WebError;

/// Envelopes fetched at a time.
const AT_A_TIME: usize = 8;
/// Faults told one by one.
const FAULTS_TOLD: usize = 20;

/// What became of the ballots of a proposal.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Account {
    /// Ballots the hub tells of.
    pub told: usize,
    /// Those whose voter has signed the very choice that the hub tells.
    pub signed: usize,
    /// Those signed by contracts, which only the chain can confirm.
    pub by_contracts: usize,
    /// Those that do not count: no envelope, a bad signature, another choice, another proposal.
    pub faulty: usize,
    /// Some of the faults: which ballot, and what is wrong.
    pub faults: Vec<(String, String)>,
    /// By choice, as signed: how many voters.
    pub choices: BTreeMap<String, usize>,
}

/// Compares a proposal with what its author has signed.
///
/// # Errors
///
/// Returns what the gateway says instead; what is not signed is told in the answer.
pub async fn proposal(
    gateway: &Gateway<'_>,
    told: &ToldProposal,
) -> Result<Result<(), String>, WebError> {
    let Some(cid) = &told.ipfs else {
        return Ok(Err("the hub names no envelope".to_owned()));
    };
    let bytes = gateway.envelope(cid).await?;
    Ok(is_as_told(&bytes, told))
}

fn is_as_told(bytes: &[u8], told: &ToldProposal) -> Result<(), String> {
    let envelope = Envelope::decode(bytes).map_err(|fault| fault.to_string())?;
    let Message::Proposal(signed) = &envelope.message else {
        return Err("what was signed is a vote".to_owned());
    };
    let choices: Vec<_> = told
        .choices
        .iter()
        .map(|choice| choice.clone().unwrap_or_default())
        .collect();
    let pairs = [
        ("proposal", is_named(&told.id, &envelope.message)),
        ("author", signed.from.eq_ignore_ascii_case(&told.author)),
        ("title", signed.title == told.title),
        ("way of voting", Some(&signed.kind) == told.kind.as_ref()),
        ("options", signed.choices == choices),
        (
            "window",
            (signed.start, signed.end) == (told.start, told.end),
        ),
        (
            "space",
            told.space
                .as_ref()
                .is_some_and(|space| space.id == signed.space),
        ),
    ];
    if let Some((what, _)) = pairs.iter().find(|(_, same)| !same) {
        return Err(format!("the hub tells another {what} than was signed"));
    }
    envelope
        .verify()
        .map(|_| ())
        .map_err(|fault| fault.to_string())
}

/// Tells whether a name is that of a message: its hash. It is by this name that voters sign what they vote on.
fn is_named(name: &str, message: &Message) -> bool {
    name.parse() == Ok(message.signing_hash())
}

/// Fetches and verifies the envelope of every ballot; tells how many are done.
///
/// One voter counts once: with its newest ballot, and of two of one second with that of the higher name, as the service
/// itself counts. Of a proposal with hidden ballots only
/// the signatures are checked: what was signed is a sealed choice, and what the hub opened it to cannot be repeated here.
///
/// # Errors
///
/// Returns that the gateway cannot be reached or wants to be asked less often; single envelopes that are missing are
/// faults of their ballots.
pub async fn ballots(
    gateway: &Gateway<'_>,
    proposal: &ToldProposal,
    ballots: &[ToldBallot],
    mut told: impl FnMut(usize),
) -> Result<Account, WebError> {
    let mut account = Account {
        told: ballots.len(),
        ..Account::default()
    };
    let asked = &Asked {
        space: proposal.space.as_ref().map_or("", |space| &space.id),
        proposal: &proposal.id,
        window: proposal.start..=proposal.end,
        hidden: proposal.is_hidden(),
    };
    let mut newest: BTreeMap<Address, Counted> = BTreeMap::new();
    let mut checks = stream::iter(ballots)
        .map(|ballot| async move { (ballot, one(gateway, asked, ballot).await) })
        .buffered(AT_A_TIME);
    let mut done = 0;
    while let Some((ballot, checked)) = checks.next().await {
        done += 1;
        told(done);
        match checked? {
            Ok((voter, ballot)) => {
                account.signed += 1;
                let is_newer = newest.get(&voter).is_none_or(|known| *known < ballot);
                if is_newer {
                    newest.insert(voter, ballot);
                }
            }
            Err(NotShown::Contract) => account.by_contracts += 1,
            Err(fault) => {
                account.faulty += 1;
                if account.faults.len() < FAULTS_TOLD {
                    account.faults.push((ballot.id.clone(), fault.to_string()));
                }
            }
        }
    }
    let shown = newest.into_values().filter(|_| !asked.hidden);
    for ballot in shown {
        *account
            .choices
            .entry(ballot.choice.to_string())
            .or_default() += 1;
    }
    Ok(account)
}

/// A ballot that counts, in the order in which later ones replace earlier ones.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Counted {
    signed_at: u64,
    hash: B256,
    choice: Choice,
}

/// What ballots are to be about.
struct Asked<'a> {
    space: &'a str,
    proposal: &'a str,
    window: RangeInclusive<u64>,
    hidden: bool,
}

async fn one(
    gateway: &Gateway<'_>,
    asked: &Asked<'_>,
    ballot: &ToldBallot,
) -> Result<Result<(Address, Counted), NotShown>, WebError> {
    let other = |what: &str| Ok(Err(NotShown::NotAsTold(what.to_owned())));
    let Some(cid) = &ballot.ipfs else {
        return other("the hub names no envelope");
    };
    let bytes = match gateway.envelope(cid).await {
        Ok(bytes) => bytes,
        Err(WebError::Gone { .. }) => return other("its envelope is gone"),
        Err(WebError::BadAnswer { why, .. }) => return other(&why),
        Err(error) => return Err(error),
    };
    Ok(counted(&bytes, asked, ballot))
}

fn counted(
    bytes: &[u8],
    asked: &Asked<'_>,
    ballot: &ToldBallot,
) -> Result<(Address, Counted), NotShown> {
    let other = |what: &str| Err(NotShown::NotAsTold(what.to_owned()));
    let envelope = Envelope::decode(bytes)?;
    let Message::Vote(vote) = &envelope.message else {
        return other("what was signed is a proposal");
    };
    if vote.proposal != asked.proposal || vote.space != asked.space {
        return other("it was signed for another proposal");
    }
    if !vote.from.eq_ignore_ascii_case(&ballot.voter) {
        return other("it was signed by another voter");
    }
    if !asked.hidden && !is_same(&vote.choice, &ballot.choice) {
        return other("the hub tells another choice than was signed");
    }
    if !asked.window.contains(&vote.timestamp) {
        return other("it was signed outside the window");
    }
    let voter = envelope.verify()?;
    let counted = Counted {
        signed_at: vote.timestamp,
        hash: envelope.message.signing_hash(),
        choice: vote.choice.clone(),
    };
    Ok((voter, counted))
}

/// Compares a signed choice with what the hub tells; weights are signed as a text and told as an object.
fn is_same(signed: &Choice, told: &serde_json::Value) -> bool {
    match signed {
        Choice::One(option) => told.as_u64() == Some(u64::from(*option)),
        Choice::Many(options) => told.as_array().is_some_and(|told| {
            told.len() == options.len()
                && told
                    .iter()
                    .zip(options)
                    .all(|(told, option)| told.as_u64() == Some(u64::from(*option)))
        }),
        Choice::Text(text) => {
            told.as_str() == Some(text)
                || serde_json::from_str::<serde_json::Value>(text)
                    .is_ok_and(|signed| signed == *told)
        }
    }
}
