//! What is signed on Snapshot, and its hash by EIP-712.
//!
//! The types are those of snapshot.js 0.17: domain `snapshot` version `0.1.4` without a chain, and of a vote three forms
//! that differ in the type of the choice alone.

use std::fmt;

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct, eip712_domain};
use serde::{Deserialize, Serialize};

/// Name of the signing domain.
pub(super) const DOMAIN_NAME: &str = "snapshot";
/// Version of the signing domain.
pub(super) const DOMAIN_VERSION: &str = "0.1.4";
/// By what application our messages say they were made.
const APP: &str = "x0";

/// The forms of a vote, each under the one name that is signed.
mod form {
    alloy_sol_types::sol! {
        struct Proposal {
            string from;
            string space;
            uint64 timestamp;
            string r#type;
            string title;
            string body;
            string discussion;
            string[] choices;
            string[] labels;
            uint64 start;
            uint64 end;
            uint64 snapshot;
            string plugins;
            string privacy;
            string app;
        }
    }

    macro_rules! vote {
        ($module:ident, $($choice:tt)+) => {
            pub(super) mod $module {
                alloy_sol_types::sol! {
                    struct Vote {
                        string from;
                        string space;
                        uint64 timestamp;
                        string proposal;
                        $($choice)+ choice;
                        string reason;
                        string app;
                        string metadata;
                    }
                }
            }
        };
    }
    vote!(one, uint32);
    vote!(many, uint32[]);
    vote!(text, string);
}

/// A member's choice. How it is signed follows from the way of voting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Choice {
    /// One option, counted from 1: single choice and basic voting.
    One(u32),
    /// Several options: approved ones, or all in order of rank.
    Many(Vec<u32>),
    /// A text: weights by option as JSON (weighted and quadratic voting), or a sealed choice.
    Text(String),
}

/// A vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Who votes, an address.
    pub from: String,
    /// The space.
    pub space: String,
    /// When it was signed, seconds since 1970.
    pub timestamp: u64,
    /// The proposal.
    pub proposal: String,
    /// The choice.
    pub choice: Choice,
    /// Why, in the voter's words.
    pub reason: String,
    /// The application that made it.
    pub app: String,
    /// More, as JSON.
    pub metadata: String,
}

/// A proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// Who proposes, an address.
    pub from: String,
    /// The space.
    pub space: String,
    /// When it was signed, seconds since 1970.
    pub timestamp: u64,
    /// The way of voting, such as `basic` or `single-choice`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The title.
    pub title: String,
    /// The text.
    pub body: String,
    /// Where it is discussed, if anywhere.
    pub discussion: String,
    /// What can be chosen.
    pub choices: Vec<String>,
    /// Labels of the space.
    pub labels: Vec<String>,
    /// When voting begins, seconds since 1970.
    pub start: u64,
    /// When it ends, seconds since 1970.
    pub end: u64,
    /// The block by whose state weights are counted.
    pub snapshot: u64,
    /// Plugins, as JSON.
    pub plugins: String,
    /// How ballots are hidden, if they are.
    pub privacy: String,
    /// The application that made it.
    pub app: String,
}

/// Anything we read or sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Message {
    /// A vote.
    Vote(Vote),
    /// A proposal.
    Proposal(Box<Proposal>),
}

/// The ways of voting in which a choice is several options.
const MANY: [&str; 2] = ["approval", "ranked-choice"];
/// The ways of voting in which a choice is weights by option.
const WEIGHTS: [&str; 2] = ["weighted", "quadratic"];
/// The ways of voting in which a choice is one option.
const ONE: [&str; 2] = ["single-choice", "basic"];

impl Choice {
    /// Reads a choice as a person writes it: `2`, `1,3` or `1:2,3:1`, in the form that the way of voting asks for.
    ///
    /// # Errors
    ///
    /// Returns what is wrong, and how it is written for this way of voting.
    pub fn parse(kind: &str, options: usize, text: &str) -> Result<Self, String> {
        let option = |text: &str| -> Result<u32, String> {
            let number: u32 = text
                .trim()
                .parse()
                .map_err(|_| format!("{text:?} is not the number of an option"))?;
            let is_one = number >= 1 && usize::try_from(number).is_ok_and(|n| n <= options);
            match is_one {
                true => Ok(number),
                false => Err(format!(
                    "there is no option {number}: they are 1 to {options}"
                )),
            }
        };
        if ONE.contains(&kind) {
            return Ok(Self::One(option(text)?));
        }
        if MANY.contains(&kind) {
            let chosen: Result<Vec<_>, _> = text.split(',').map(option).collect();
            let chosen = chosen?;
            let mut once = chosen.clone();
            once.sort_unstable();
            once.dedup();
            if once.len() != chosen.len() {
                return Err("an option is named twice".to_owned());
            }
            if kind == "ranked-choice" && chosen.len() != options {
                return Err(format!(
                    "all {options} options are to be ranked, best first"
                ));
            }
            return Ok(Self::Many(chosen));
        }
        if WEIGHTS.contains(&kind) {
            let mut weights = serde_json::Map::new();
            for part in text.split(',') {
                let (name, weight) = part
                    .split_once(':')
                    .ok_or_else(|| format!("{part:?} has no weight: write OPTION:WEIGHT,…"))?;
                let weight: u32 = weight
                    .trim()
                    .parse()
                    .map_err(|_| format!("{weight:?} is no weight: it is a whole number"))?;
                if weights
                    .insert(option(name)?.to_string(), weight.into())
                    .is_some()
                {
                    return Err("an option is named twice".to_owned());
                }
            }
            return Ok(Self::Text(serde_json::Value::from(weights).to_string()));
        }
        Err(format!(
            "this program does not know the way of voting {kind:?}: vote in the hub's own application"
        ))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(option) => write!(f, "{option}"),
            Self::Many(options) => {
                let options: Vec<_> = options.iter().map(ToString::to_string).collect();
                f.write_str(&options.join(","))
            }
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Vote {
    /// Makes a vote of this program.
    pub fn new(
        from: Address,
        space: &str,
        proposal: &str,
        choice: Choice,
        reason: &str,
        timestamp: u64,
    ) -> Self {
        Self {
            from: from.to_checksum(None),
            space: space.to_owned(),
            timestamp,
            proposal: proposal.to_owned(),
            choice,
            reason: reason.to_owned(),
            app: APP.to_owned(),
            metadata: "{}".to_owned(),
        }
    }
}

impl Message {
    /// Returns who the message says signed it.
    pub fn from(&self) -> &str {
        match self {
            Self::Vote(vote) => &vote.from,
            Self::Proposal(proposal) => &proposal.from,
        }
    }

    /// Returns the hash that is signed (EIP-712, `hashTypedData`).
    pub fn signing_hash(&self) -> B256 {
        match self {
            Self::Proposal(proposal) => {
                let proposal = proposal.as_ref().clone();
                let form = form::Proposal {
                    from: proposal.from,
                    space: proposal.space,
                    timestamp: proposal.timestamp,
                    r#type: proposal.kind,
                    title: proposal.title,
                    body: proposal.body,
                    discussion: proposal.discussion,
                    choices: proposal.choices,
                    labels: proposal.labels,
                    start: proposal.start,
                    end: proposal.end,
                    snapshot: proposal.snapshot,
                    plugins: proposal.plugins,
                    privacy: proposal.privacy,
                    app: proposal.app,
                };
                signing_hash(&form)
            }
            Self::Vote(vote) => {
                macro_rules! hash {
                    ($module:ident, $choice:expr) => {{
                        let vote = vote.clone();
                        let form = form::$module::Vote {
                            from: vote.from,
                            space: vote.space,
                            timestamp: vote.timestamp,
                            proposal: vote.proposal,
                            choice: $choice,
                            reason: vote.reason,
                            app: vote.app,
                            metadata: vote.metadata,
                        };
                        signing_hash(&form)
                    }};
                }
                match &vote.choice {
                    Choice::One(option) => hash!(one, *option),
                    Choice::Many(options) => hash!(many, options.clone()),
                    Choice::Text(text) => hash!(text, text.clone()),
                }
            }
        }
    }

    /// Returns the types as a sequencer wants to be told them.
    pub(super) fn types(&self) -> serde_json::Value {
        let written = match self {
            Self::Proposal(_) => encode_type::<form::Proposal>(),
            Self::Vote(vote) => match vote.choice {
                Choice::One(_) => encode_type::<form::one::Vote>(),
                Choice::Many(_) => encode_type::<form::many::Vote>(),
                Choice::Text(_) => encode_type::<form::text::Vote>(),
            },
        };
        let (name, fields) = written
            .strip_suffix(')')
            .and_then(|written| written.split_once('('))
            .unwrap_or_default();
        let fields: Vec<_> = fields
            .split(',')
            .filter_map(|field| field.split_once(' '))
            .map(|(kind, name)| serde_json::json!({ "name": name, "type": kind }))
            .collect();
        serde_json::json!({ name: fields })
    }
}

fn domain() -> Eip712Domain {
    eip712_domain! { name: DOMAIN_NAME, version: DOMAIN_VERSION, }
}

/// Writes a type as it is hashed (EIP-712, `encodeType`).
///
/// A field that is named by a word of Rust's own, such as `type`, is written by alloy with Rust's mark for it.
fn encode_type<T: SolStruct>() -> String {
    T::eip712_root_type().replace("r#", "")
}

/// Hashes as [`SolStruct::eip712_signing_hash`] does, by the type as [`encode_type`] writes it.
fn signing_hash<T: SolStruct>(form: &T) -> B256 {
    let mut fields = keccak256(encode_type::<T>()).to_vec();
    fields.extend(form.eip712_encode_data());
    let (domain, form) = (domain().separator(), keccak256(fields));
    let parts: [&[u8]; 3] = [&[0x19, 0x01], domain.as_slice(), form.as_slice()];
    keccak256(parts.concat())
}
