//! The limits a token can carry, in the form people write them.
//!
//! `scope=local`, `affects_nodes_le=20`, `affects_network_pct_le=1%`, `valid_until=2026-12-31T00:00:00Z`,
//! `requires_peer_signature`, `requires_dao_vote[=CID]`, `requires_multi_sig=3-of-5`, `actions=a,b`.
//!
//! Each caveat becomes exactly one Datalog check (see `datalog.rs`); all checks of all blocks must hold, so
//! adding a caveat can only narrow.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeSet;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Action, MAX_ACTIONS, Scope, ShareBp};
use crate::ContentId;

/// One limit on what a token allows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caveat {
    /// Only these of the granted actions.
    Actions(BTreeSet<Action>),
    /// This scope at most.
    Scope(Scope),
    /// This many nodes at most.
    AffectsNodesLe(u32),
    /// This share of the mesh at most.
    AffectsNetworkPctLe(ShareBp),
    /// Up to and including this second, in Unix seconds.
    ValidUntil(u64),
    /// At least one peer has signed the act.
    RequiresPeerSignature,
    /// A vote has approved the act: any vote, or the one of this proposal.
    RequiresDaoVote(Option<ContentId>),
    /// At least `k` of a group of exactly `n` have signed the act.
    RequiresMultiSig {
        /// Signatures needed, 1 to `n`.
        k: u8,
        /// Size of the group.
        n: u8,
    },
}

/// Says why a text is not a caveat.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseCaveatError {
    /// No caveat has this name.
    #[error(
        "{name:?} is not a caveat; known are actions, scope, affects_nodes_le, affects_network_pct_le, \
         valid_until, requires_peer_signature, requires_dao_vote, requires_multi_sig"
    )]
    UnknownName {
        /// The name found.
        name: String,
    },
    /// The caveat needs a value.
    #[error("{name} needs a value, such as {name}={example}")]
    MissingValue {
        /// The caveat.
        name: &'static str,
        /// A value that would do.
        example: &'static str,
    },
    /// The caveat takes no value.
    #[error("{name} takes no value, but {value:?} was given; write {name} alone")]
    UnexpectedValue {
        /// The caveat.
        name: &'static str,
        /// The value found.
        value: String,
    },
    /// The value does not fit.
    #[error("{name}={value:?} is not valid: {reason}")]
    BadValue {
        /// The caveat.
        name: &'static str,
        /// The value found.
        value: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

impl Caveat {
    /// Tells whether the caveat means something: a group in which `k` of `n` can sign, a set of actions that
    /// is neither empty nor too large.
    pub(super) fn is_well_formed(&self) -> bool {
        match self {
            Self::Actions(actions) => (1..=MAX_ACTIONS).contains(&actions.len()),
            Self::RequiresMultiSig { k, n } => (1..=*n).contains(k),
            Self::Scope(_)
            | Self::AffectsNodesLe(_)
            | Self::AffectsNetworkPctLe(_)
            | Self::ValidUntil(_)
            | Self::RequiresPeerSignature
            | Self::RequiresDaoVote(_) => true,
        }
    }
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Actions(actions) => {
                let names: Vec<&str> = actions.iter().map(Action::as_str).collect();
                write!(f, "actions={}", names.join(","))
            }
            Self::Scope(scope) => write!(f, "scope={scope}"),
            Self::AffectsNodesLe(nodes) => write!(f, "affects_nodes_le={nodes}"),
            Self::AffectsNetworkPctLe(share) => {
                write!(f, "affects_network_pct_le={}", share.compact())
            }
            Self::ValidUntil(seconds) => write!(f, "valid_until={}", display_time(*seconds)),
            Self::RequiresPeerSignature => f.write_str("requires_peer_signature"),
            Self::RequiresDaoVote(None) => f.write_str("requires_dao_vote"),
            Self::RequiresDaoVote(Some(proposal)) => write!(f, "requires_dao_vote={proposal}"),
            Self::RequiresMultiSig { k, n } => write!(f, "requires_multi_sig={k}-of-{n}"),
        }
    }
}

impl FromStr for Caveat {
    type Err = ParseCaveatError;

    fn from_str(text: &str) -> Result<Self, ParseCaveatError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (text.trim(), None),
        };
        match name {
            "actions" => {
                Written::new("actions", value).parse("routing.update,routing.read", actions)
            }
            "scope" => Written::new("scope", value)
                .parse("local", |v| v.parse().map(Self::Scope).map_err(said)),
            "affects_nodes_le" => Written::new("affects_nodes_le", value).parse("20", nodes),
            "affects_network_pct_le" => Written::new("affects_network_pct_le", value)
                .parse("1%", |v| {
                    v.parse().map(Self::AffectsNetworkPctLe).map_err(said)
                }),
            "valid_until" => Written::new("valid_until", value)
                .parse("2026-12-31T00:00:00Z", |v| time(v).map(Self::ValidUntil)),
            "requires_peer_signature" => match value {
                None => Ok(Self::RequiresPeerSignature),
                Some(value) => Err(ParseCaveatError::UnexpectedValue {
                    name: "requires_peer_signature",
                    value: shortened(value),
                }),
            },
            "requires_dao_vote" if value.is_none() => Ok(Self::RequiresDaoVote(None)),
            "requires_dao_vote" => {
                Written::new("requires_dao_vote", value).parse("bafyrei…", |v| {
                    v.parse()
                        .map(|cid| Self::RequiresDaoVote(Some(cid)))
                        .map_err(said)
                })
            }
            "requires_multi_sig" => {
                Written::new("requires_multi_sig", value).parse("3-of-5", multi_sig)
            }
            _ => Err(ParseCaveatError::UnknownName {
                name: shortened(name),
            }),
        }
    }
}

/// A caveat's name with the value written after it.
struct Written<'a> {
    name: &'static str,
    value: Option<&'a str>,
}

impl<'a> Written<'a> {
    const fn new(name: &'static str, value: Option<&'a str>) -> Self {
        Self { name, value }
    }

    fn parse(
        self,
        example: &'static str,
        parse: impl FnOnce(&str) -> Result<Caveat, String>,
    ) -> Result<Caveat, ParseCaveatError> {
        let Self { name, value } = self;
        let value = value
            .filter(|v| !v.is_empty())
            .ok_or(ParseCaveatError::MissingValue { name, example })?;
        parse(value).map_err(|reason| ParseCaveatError::BadValue {
            name,
            value: shortened(value),
            reason,
        })
    }
}

fn actions(value: &str) -> Result<Caveat, String> {
    let actions = value
        .split(',')
        .map(|name| name.trim().parse())
        .collect::<Result<BTreeSet<Action>, _>>();
    let actions = actions.map_err(said)?;
    if actions.len() > MAX_ACTIONS {
        return Err(format!(
            "{} actions; at most {MAX_ACTIONS} are allowed",
            actions.len()
        ));
    }
    Ok(Caveat::Actions(actions))
}

fn nodes(value: &str) -> Result<Caveat, String> {
    let reason = |_| format!("a number of nodes from 0 to {} is needed", u32::MAX);
    value.parse().map(Caveat::AffectsNodesLe).map_err(reason)
}

fn multi_sig(value: &str) -> Result<Caveat, String> {
    let numbers = value
        .split_once("-of-")
        .and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    let caveat = numbers.map(|(k, n)| Caveat::RequiresMultiSig { k, n });
    caveat
        .filter(Caveat::is_well_formed)
        .ok_or_else(|| "K-of-N is needed, with 1 ≤ K ≤ N ≤ 255".to_owned())
}

/// Reads a date of RFC 3339, or Unix seconds.
fn time(value: &str) -> Result<u64, String> {
    if let Ok(seconds) = value.parse() {
        return Ok(seconds);
    }
    let date = OffsetDateTime::parse(value, &Rfc3339)
        .map_err(|_| "a date such as 2026-12-31T00:00:00Z is needed, or Unix seconds".to_owned())?;
    u64::try_from(date.unix_timestamp()).map_err(|_| "the date lies before 1970".to_owned())
}

/// Writes Unix seconds as a date of RFC 3339; from the year 10,000 on, where that format ends, as seconds.
pub(super) fn display_time(seconds: u64) -> String {
    let date = i64::try_from(seconds)
        .ok()
        .and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
    date.and_then(|date| date.format(&Rfc3339).ok())
        .unwrap_or_else(|| seconds.to_string())
}

fn said(error: impl fmt::Display) -> String {
    error.to_string()
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_written_form_of_the_manual_is_read_and_written_back() {
        for written in [
            "actions=routing.read,routing.update",
            "scope=local",
            "affects_nodes_le=20",
            "affects_network_pct_le=1%",
            "affects_network_pct_le=0.05%",
            "valid_until=2026-12-31T00:00:00Z",
            "requires_peer_signature",
            "requires_dao_vote",
            "requires_dao_vote=bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua",
            "requires_multi_sig=3-of-5",
        ] {
            assert_eq!(written.parse::<Caveat>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn errors_name_the_caveat_the_value_and_the_mend() {
        let error = |text: &str| text.parse::<Caveat>().unwrap_err().to_string();

        assert_eq!(
            error("scope=world"),
            "scope=\"world\" is not valid: \"world\" is not a scope; use local, regional or network"
        );
        assert_eq!(
            error("valid_until"),
            "valid_until needs a value, such as valid_until=2026-12-31T00:00:00Z"
        );
        assert_eq!(
            error("affects_nodes_le="),
            "affects_nodes_le needs a value, such as affects_nodes_le=20"
        );
        assert_eq!(
            error("requires_peer_signature=2"),
            "requires_peer_signature takes no value, but \"2\" was given; write requires_peer_signature alone"
        );
        assert!(error("requires_multi_sig=6-of-5").contains("1 ≤ K ≤ N"));
        assert!(error("requires_multi_sig=0-of-5").contains("1 ≤ K ≤ N"));
        assert!(error("affects_nodes_le=-1").contains("from 0 to 4294967295"));
        assert!(error("valid_until=tomorrow").contains("2026-12-31T00:00:00Z"));
        assert!(error("valid_until=1969-12-31T00:00:00Z").contains("before 1970"));
        assert!(error("admin").starts_with("\"admin\" is not a caveat; known are actions"));
        assert!(error("").contains("is not a caveat"));
    }

    proptest! {
        #[test]
        fn written_form_round_trips(caveat in any_caveat()) {
            prop_assert_eq!(caveat.to_string().parse::<Caveat>().unwrap(), caveat);
        }

        #[test]
        fn parsing_never_panics(text in ".*", value in "[a-z_]{1,24}=.*") {
            let _ = (text.parse::<Caveat>(), value.parse::<Caveat>());
        }
    }

    pub(in crate::capability) fn any_action() -> impl Strategy<Value = Action> {
        prop_oneof![
            "[a-z][a-z0-9_.]{0,63}".prop_map(|name| Action::new(name).unwrap()),
            // Names that also mean something to Biscuit or to our Datalog.
            prop::sample::select(vec![
                "read", "time", "query", "holder", "action", "can", "nodes"
            ])
            .prop_map(|name| Action::new(name).unwrap()),
        ]
    }

    pub(in crate::capability) fn any_caveat() -> impl Strategy<Value = Caveat> {
        prop_oneof![
            prop::collection::btree_set(any_action(), 1..6).prop_map(Caveat::Actions),
            prop::sample::select(Scope::ALL.to_vec()).prop_map(Caveat::Scope),
            prop_oneof![0u32..2000, any::<u32>()].prop_map(Caveat::AffectsNodesLe),
            (0u16..=10_000).prop_map(|bp| Caveat::AffectsNetworkPctLe(ShareBp::new(bp).unwrap())),
            prop_oneof![0u64..2_000_000_000, any::<u64>()].prop_map(Caveat::ValidUntil),
            Just(Caveat::RequiresPeerSignature),
            prop::option::of(0u8..3).prop_map(|id| Caveat::RequiresDaoVote(
                id.map(|id| ContentId::from_digest([id; 32]))
            )),
            (1u8..=255)
                .prop_flat_map(|n| (1..=n).prop_map(move |k| Caveat::RequiresMultiSig { k, n })),
        ]
    }
}
