//! A hub's proposals and ballots, by GraphQL, and the signed envelopes behind them, from an IPFS gateway.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::envelope::ENVELOPE_BYTES_MAX;
use crate::web::{Place, Web, WebError};

/// Most bytes of one page of answers.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Ballots in one page, the most a hub gives.
const PAGE_BALLOTS: usize = 1_000;
/// Most ballots read of one proposal.
pub const BALLOTS_MAX: usize = 200_000;
/// Most proposals shown of a space.
pub const PROPOSALS_MAX: usize = 100;

/// A hub.
pub struct Hub<'a> {
    web: &'a Web,
    graphql: Place,
    api_key: Option<Zeroizing<String>>,
}

/// An IPFS gateway that has the envelopes.
#[derive(Debug)]
pub struct Gateway<'a> {
    web: &'a Web,
    place: Place,
}

/// A proposal, as the hub tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToldProposal {
    /// Its name, a hash.
    pub id: String,
    /// Where its envelope is.
    pub ipfs: Option<String>,
    /// Who proposed it.
    pub author: String,
    /// The title.
    pub title: String,
    /// The way of voting.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What can be chosen.
    pub choices: Vec<Option<String>>,
    /// When voting begins, seconds since 1970.
    pub start: u64,
    /// When it ends, seconds since 1970.
    pub end: u64,
    /// `pending`, `active` or `closed`.
    pub state: Option<String>,
    /// How ballots are hidden, if they are.
    #[serde(default)]
    pub privacy: Option<String>,
    /// The space.
    pub space: Option<ToldSpace>,
}

/// A space, as the hub tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToldSpace {
    /// Its name.
    pub id: String,
}

/// A ballot, as the hub tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToldBallot {
    /// Its name, a hash.
    pub id: String,
    /// Where its envelope is.
    pub ipfs: Option<String>,
    /// Who voted.
    pub voter: String,
    /// When, seconds since 1970.
    pub created: u64,
    /// The choice.
    pub choice: Value,
    /// The weight by the hub's look at the chain.
    pub vp: Option<f64>,
}

impl ToldProposal {
    /// Tells whether its ballots are sealed until the close.
    pub fn is_hidden(&self) -> bool {
        self.privacy
            .as_deref()
            .is_some_and(|privacy| !privacy.is_empty())
    }
}

const PROPOSAL_FIELDS: &str =
    "id ipfs author title type choices start end state privacy space { id }";

impl<'a> Hub<'a> {
    /// Names a hub, and the key by which it knows who may ask more often.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with its address.
    pub fn new(web: &'a Web, address: &str, api_key: Option<String>) -> Result<Self, WebError> {
        Ok(Self {
            web,
            graphql: Place::parse(address)?.at(&["graphql"]),
            api_key: api_key.map(Zeroizing::new),
        })
    }

    /// Lists the newest proposals of a space.
    ///
    /// # Errors
    ///
    /// Returns what the hub says instead.
    pub async fn proposals(
        &self,
        space: &str,
        state: Option<&str>,
    ) -> Result<Vec<ToldProposal>, WebError> {
        let query = format!(
            "query($space: String!, $state: String!, $first: Int!) {{ proposals(first: $first, where: {{ space: $space, \
             state: $state }}, orderBy: \"created\", orderDirection: desc) {{ {PROPOSAL_FIELDS} }} }}"
        );
        let state = state.unwrap_or("all");
        let variables = json!({ "space": space, "state": state, "first": PROPOSALS_MAX });
        self.ask(&query, &variables, "proposals").await
    }

    /// Looks up one proposal.
    ///
    /// # Errors
    ///
    /// Returns that there is none of that name, or what the hub says instead.
    pub async fn proposal(&self, id: &str) -> Result<ToldProposal, WebError> {
        let query = format!("query($id: String!) {{ proposal(id: $id) {{ {PROPOSAL_FIELDS} }} }}");
        let found: Option<ToldProposal> =
            self.ask(&query, &json!({ "id": id }), "proposal").await?;
        let found = found.ok_or_else(|| self.graphql.lacks(format!("the proposal {id}")))?;
        // Who then votes is to vote on what was asked for.
        match found.id.eq_ignore_ascii_case(id) {
            true => Ok(found),
            false => Err(self.graphql.not_understood("it is another proposal")),
        }
    }

    /// Reads all ballots of a proposal, oldest first; tells how many there are so far.
    ///
    /// # Errors
    ///
    /// Returns what the hub says instead, or that there are too many.
    pub async fn ballots(
        &self,
        proposal: &str,
        mut told: impl FnMut(usize),
    ) -> Result<Vec<ToldBallot>, WebError> {
        let query = "query($proposal: String!, $first: Int!, $since: Int!) { votes(first: $first, where: { proposal: \
                     $proposal, created_gte: $since }, orderBy: \"created\", orderDirection: asc) { id ipfs voter \
                     created choice vp } }";
        let mut all: Vec<ToldBallot> = Vec::new();
        let mut since = 0;
        loop {
            let variables = json!({ "proposal": proposal, "first": PAGE_BALLOTS, "since": since });
            let page: Vec<ToldBallot> = self.ask(query, &variables, "votes").await?;
            let is_last = page.len() < PAGE_BALLOTS;
            // Pages overlap by those of one second, for several may be of it.
            let known: BTreeSet<_> = all
                .iter()
                .rev()
                .take_while(|ballot| ballot.created >= since)
                .map(|ballot| ballot.id.clone())
                .collect();
            let fresh: Vec<_> = page
                .into_iter()
                .filter(|ballot| !known.contains(&ballot.id))
                .collect();
            let newest = fresh.last().map(|ballot| ballot.created);
            all.extend(fresh);
            told(all.len());
            if is_last {
                return Ok(all);
            }
            match newest {
                Some(newest) if newest >= since && all.len() <= BALLOTS_MAX => since = newest,
                _ => {
                    return Err(self.graphql.not_understood(
                        "its ballots do not end, or more than a page is of one second",
                    ));
                }
            }
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: &Value,
        name: &str,
    ) -> Result<T, WebError> {
        let question = json!({ "query": query, "variables": variables });
        let api_key = self.api_key.as_ref().map(|key| key.as_str());
        let mut answer = self
            .web
            .post(&self.graphql, &question, api_key, PAGE_BYTES_MAX)
            .await?;
        if answer.get("errors").is_some_and(|errors| !errors.is_null()) {
            return Err(self.graphql.answered_no(&answer));
        }
        let data = answer
            .pointer_mut(&format!("/data/{name}"))
            .map(Value::take);
        let data = data.ok_or_else(|| self.graphql.not_understood("it has no data"))?;
        serde_json::from_value(data)
            .map_err(|error| self.graphql.not_understood(&error.to_string()))
    }
}

impl<'a> Gateway<'a> {
    /// Names a gateway.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with its address.
    pub fn new(web: &'a Web, address: &str) -> Result<Self, WebError> {
        let place = Place::parse(address)?;
        Ok(Self { web, place })
    }

    /// Reads the envelope of a ballot or a proposal.
    ///
    /// # Errors
    ///
    /// Returns that it is not there, or what the gateway says instead.
    pub async fn envelope(&self, cid: &str) -> Result<Vec<u8>, WebError> {
        if cid.is_empty() || !cid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(self
                .place
                .not_understood(&format!("{cid:?} is no content id")));
        }
        let place = self.place.at(&["ipfs", cid]);
        self.web
            .get(&place, &format!("the envelope {cid}"), ENVELOPE_BYTES_MAX)
            .await
    }
}
