//! Acts: changes that an agent asks of nodes, and everything a target needs to judge them.
//!
//! An act is self-contained: it carries the agent's token, so that a target checks all of it with
//! nothing but its own directory. The agent is the record's author.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use x0_crypto::{
    ContentId, PublicKey,
    capability::{Action, RootKey, Token},
};

use super::{
    DecodeError, Region,
    body::{PolicyName, ordered},
    codec::encode,
};
use crate::core::{
    limits::{ACT_TARGETS_MAX, ACT_WARRANTS_MAX, LINKS_MAX},
    time::Wall,
};

/// A change asked of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// What should change.
    pub change: Change,
    /// On which nodes.
    pub targets: Targets,
    /// The delegation root of the token.
    pub root: RootKey,
    /// The agent's capability token.
    pub token: Token,
    /// When the act lapses if it was not executed.
    pub expires: Wall,
    /// Proofs beyond the token.
    pub warrants: Vec<Warrant>,
}

/// What an act changes on its targets; further sorts of change come as a record kind of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Change {
    /// Sets a policy to a value.
    SetPolicy {
        /// Which policy; a name this build does not know is refused, not misread.
        policy: PolicyName,
        /// The value.
        value: u64,
        /// The version the policy must stand at; the act raises it by one.
        from_version: u64,
    },
    /// Links to a member; a node does this to itself only.
    Link {
        /// The member to link to.
        peer: PublicKey,
    },
    /// Ends the link to a member; a node does this to itself only.
    Unlink {
        /// The member to let go.
        peer: PublicKey,
    },
}

impl Change {
    /// Returns the action a token must grant for this change.
    ///
    /// # Panics
    ///
    /// Never: a policy name is at most 60 bytes of the form an action may have.
    pub fn action(&self) -> Action {
        let name = match self {
            Self::SetPolicy { policy, .. } => format!("set.{policy}"),
            Self::Link { .. } => "link".to_owned(),
            Self::Unlink { .. } => "unlink".to_owned(),
        };
        match name.parse() {
            Ok(action) => action,
            Err(error) => unreachable!("policy names make well-formed actions: {error}"),
        }
    }

    /// Tells whether only the node itself may do this to itself.
    pub const fn is_local_only(&self) -> bool {
        match self {
            Self::SetPolicy { .. } => false,
            Self::Link { .. } | Self::Unlink { .. } => true,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetPolicy {
                policy,
                value,
                from_version,
            } => {
                write!(f, "set {policy} to {value} (from version {from_version})")
            }
            Self::Link { peer } => write!(f, "link to {peer}"),
            Self::Unlink { peer } => write!(f, "end the link to {peer}"),
        }
    }
}

/// A setting of a running node that acts may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// How many links the self-healing loop keeps up.
    LinksTarget,
    /// Seconds between two catch-ups with a linked peer; 0 leaves only those at a new link.
    CatchUpInterval,
    /// Newest acts the node keeps ready to show.
    ActsShown,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::LinksTarget, Self::CatchUpInterval, Self::ActsShown];

    /// Returns the written name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LinksTarget => "links.target",
            Self::CatchUpInterval => "catch_up.interval",
            Self::ActsShown => "acts.shown",
        }
    }

    /// Returns the name as records carry it.
    ///
    /// # Panics
    ///
    /// Never: the names are constants of the allowed form, as a test shows.
    pub fn written(self) -> PolicyName {
        match self.name().parse() {
            Ok(name) => name,
            Err(error) => unreachable!("constant policy names are well formed: {error}"),
        }
    }

    /// Returns the value a node starts with.
    pub const fn default_value(self) -> u64 {
        match self {
            Self::LinksTarget => 8,
            Self::CatchUpInterval => 300,
            Self::ActsShown => 1_000,
        }
    }

    /// Returns the lowest and highest value allowed, with the unit.
    pub const fn range(self) -> (u64, u64, &'static str) {
        match self {
            Self::LinksTarget => (1, LINKS_MAX, "links"),
            Self::CatchUpInterval => (0, 86_400, "seconds"),
            Self::ActsShown => (1, 1_024, "acts"),
        }
    }

    /// Checks a value against the range.
    ///
    /// # Errors
    ///
    /// Returns the policy, the value and what is allowed.
    pub fn check(self, value: u64) -> Result<(), String> {
        let (min, max, unit) = self.range();
        if (min..=max).contains(&value) {
            return Ok(());
        }
        Err(format!(
            "{self} = {value} is out of range: {min} to {max} {unit} are allowed"
        ))
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|policy| policy.name() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::name).join(", ");
                format!("there is no policy {text:?}: the policies are {known}")
            })
    }
}

/// The nodes an act is meant for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Targets {
    /// These nodes, in order of key.
    Nodes(Vec<PublicKey>),
    /// Every member of a region.
    Region(Region),
    /// Every member of the mesh.
    All,
}

/// A proof beyond the token.
///
/// [`super::Warrants`] reads those that this version understands; all others count as absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warrant {
    /// 1 ticket, 2 word of a target or co-signer, 3 vote certificate, 4 signature of a person, 5 draw, 6 proof that it is
    /// public as an override.
    pub kind: u16,
    /// The proof as the later version encodes it.
    #[serde(with = "serde_bytes")]
    pub proof: Vec<u8>,
}

impl Act {
    /// Returns the name under which the act is spoken of while its warrants are collected, which it leaves out.
    pub fn digest(&self, agent: &PublicKey) -> ContentId {
        let Self {
            change,
            targets,
            root,
            token,
            expires,
            warrants: _,
        } = self;
        ContentId::of(&encode(&(
            "act", agent, change, targets, root, token, expires,
        )))
    }

    /// Returns the name under which members vote on the act: what the agent would do, and where.
    ///
    /// The act's own date, which lies minutes ahead, and its token are left out, for a vote takes days.
    pub fn matter(&self, agent: &PublicKey) -> ContentId {
        let Self {
            change,
            targets,
            root,
            token: _,
            expires: _,
            warrants: _,
        } = self;
        ContentId::of(&encode(&("act matter", agent, change, targets, root)))
    }

    /// Tells whether it says that it is an override; its targets check that it is.
    pub fn is_override(&self) -> bool {
        let mut kinds = self.warrants.iter().map(|warrant| warrant.kind);
        kinds.any(|kind| kind == super::Warrants::OVERRIDE)
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match &self.targets {
            Targets::Nodes(nodes) => ordered("act", "targets", nodes, 1, ACT_TARGETS_MAX)?,
            Targets::Region(_) | Targets::All => {}
        }
        if self.warrants.len() > ACT_WARRANTS_MAX {
            let why = format!("has more than {ACT_WARRANTS_MAX} entries");
            return Err(DecodeError::bounds("act", "warrants", why));
        }
        super::Warrants::of(self).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Change, Policy};

    #[test]
    fn every_policy_has_an_action_a_name_that_parses_and_a_default_in_range() {
        for policy in Policy::ALL {
            let change = Change::SetPolicy {
                policy: policy.written(),
                value: 1,
                from_version: 0,
            };
            assert_eq!(change.action().to_string(), format!("set.{policy}"));
            assert_eq!(policy.name().parse::<Policy>().unwrap(), policy);
            policy.check(policy.default_value()).unwrap();
        }
    }
}
