//! Capability tokens as the API and the command line show them, with every caveat in words.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use x0_crypto::capability::{Action, Capability, Caveat, Scope};
use x0_protocol::core::command;

/// A capability token, understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CapabilityView {
    /// The root that granted it.
    pub root: String,
    /// Who may use it.
    pub holder: String,
    /// What it may be used for.
    pub actions: Vec<String>,
    /// Its limits; all must hold.
    pub caveats: Vec<CaveatView>,
    /// Last second in which it is valid, in Unix seconds, if it ever ends.
    pub expires_at_secs: Option<u64>,
    /// Whether that is over.
    pub expired: bool,
    /// Names of its blocks, the root's first; revoking one revokes the token.
    pub revocation_ids: Vec<String>,
}

/// One limit of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaveatView {
    /// The block it stands in, the root's being 0.
    pub block: u32,
    /// As people write it.
    pub caveat: String,
    /// What it means.
    pub words: String,
}

/// A capability token known to the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KnownCapabilityView {
    /// The record that made it known.
    pub id: String,
    /// Who published it.
    pub publisher: String,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Whether this node takes acts under its root.
    pub accepted: bool,
    /// What it says.
    pub capability: CapabilityView,
}

/// What an inspected token turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InspectedView {
    /// What it says.
    pub capability: CapabilityView,
    /// Whether it was revoked, as far as known; absent if no node was asked.
    pub revoked: Option<bool>,
    /// Whether the node asked takes acts under its root; absent if no node was asked.
    pub accepted: Option<bool>,
}

/// A token just granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantedView {
    /// The token's text.
    pub token: String,
    /// What it says.
    pub capability: CapabilityView,
    /// The record that makes it known to the mesh, if it was published.
    pub published: Option<String>,
}

impl CapabilityView {
    /// Writes a capability down as it stands at a time.
    pub fn new(capability: &Capability, now_secs: u64) -> Self {
        let caveats = capability
            .blocks()
            .iter()
            .zip(0..)
            .flat_map(|(caveats, block)| {
                caveats.iter().map(move |caveat| CaveatView {
                    block,
                    caveat: caveat.to_string(),
                    words: in_words(caveat),
                })
            });
        let expires_at_secs = capability.expires_at();
        Self {
            root: capability.root().to_string(),
            holder: capability.holder().to_string(),
            actions: capability.actions().iter().map(Action::to_string).collect(),
            caveats: caveats.collect(),
            expires_at_secs,
            expired: expires_at_secs.is_some_and(|end| end < now_secs),
            revocation_ids: capability
                .revocation_ids()
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    }
}

impl KnownCapabilityView {
    /// Writes a known token down as it stands at a time.
    pub fn new(known: &command::CapabilityView, now_secs: u64) -> Self {
        Self {
            id: known.id.to_string(),
            publisher: known.publisher.to_string(),
            revoked: known.revoked,
            accepted: known.accepted,
            capability: CapabilityView::new(&known.capability, now_secs),
        }
    }
}

/// Says what a caveat means.
pub fn in_words(caveat: &Caveat) -> String {
    match caveat {
        Caveat::Actions(actions) => {
            let names: Vec<_> = actions.iter().map(Action::as_str).collect();
            format!("only for {}", names.join(", "))
        }
        Caveat::Scope(Scope::Local) => "only on the holder's own node".to_owned(),
        Caveat::Scope(Scope::Regional) => {
            "on other nodes too, at most 100 of them at a time".to_owned()
        }
        Caveat::Scope(Scope::Network) => "on any part of the mesh".to_owned(),
        Caveat::AffectsNodesLe(1) => "at most 1 node at a time".to_owned(),
        Caveat::AffectsNodesLe(nodes) => format!("at most {nodes} nodes at a time"),
        Caveat::AffectsNetworkPctLe(share) => {
            format!("at most {share} of the mesh at a time, as each target counts it")
        }
        Caveat::ValidUntil(_) => {
            let written = caveat.to_string();
            let date = written.split_once('=').map_or("", |(_, date)| date);
            format!("until {date}")
        }
        Caveat::RequiresPeerSignature => {
            "only with the signature of a peer: a target that agrees, or a drawn co-signer"
                .to_owned()
        }
        Caveat::RequiresDaoVote(None) => "only with a passed vote on just the act".to_owned(),
        Caveat::RequiresDaoVote(Some(proposal)) => format!("only with the passed vote {proposal}"),
        Caveat::RequiresMultiSig { k, n } => format!(
            "only with the approvals of {k} of {n} signatories, whom the committee's beacon draws for each act"
        ),
    }
}

/// Reads the wall clock in Unix seconds.
pub fn now_secs() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|since| since.as_secs()).unwrap_or_default()
}
