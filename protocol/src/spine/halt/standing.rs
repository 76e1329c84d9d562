//! Whether this node may go on, and what a person is told if not.

use x0_crypto::{PublicKey, capability::RootKey};

use super::{HaltId, Step, allows};
use crate::core::time::Wall;

/// How things stand at one node for an act under one root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is stopped.
    Running,
    /// The root or the token is frozen at this node.
    Frozen {
        /// The root whose finding froze it.
        root: RootKey,
        /// The agent the finding was laid to.
        agent: PublicKey,
        /// When the freeze ends by itself.
        until: Wall,
    },
    /// All changes are stopped, everywhere.
    Halted {
        /// Which halt.
        halt: HaltId,
        /// The root whose acts caused it.
        root: RootKey,
        /// Whether it is confirmed.
        confirmed: bool,
        /// When it ends by itself.
        until: Wall,
    },
    /// The halt is over; this node waits its turn.
    Restarting {
        /// When it goes on.
        until: Wall,
    },
}

impl Standing {
    /// Tells whether a step may be taken.
    pub const fn allows(&self, step: Step) -> bool {
        match self {
            Self::Running => true,
            Self::Frozen { .. } | Self::Halted { .. } | Self::Restarting { .. } => allows(step),
        }
    }

    /// Says why a step is refused and what can be done; `None` if it is not.
    pub fn refuse_reason(&self, step: Step, now: Wall) -> Option<String> {
        if self.allows(step) {
            return None;
        }
        let reason = match self {
            Self::Running => return None,
            Self::Frozen { root, agent, until } => format!(
                "the delegation root {} is frozen on this node, for {} more: its agent {agent} changed too much of \
                 the mesh at once. Wait until then, or act under another root and token",
                root.short(),
                left(*until, now)
            ),
            Self::Halted {
                halt,
                root,
                confirmed: true,
                until,
            } => format!(
                "the mesh is halted because of acts under the delegation root {}: no policy changes anywhere. Halt {} \
                 lapses in {}; only an emergency vote ends it sooner",
                root.short(),
                halt.short(),
                left(*until, now)
            ),
            Self::Halted {
                halt,
                root,
                confirmed: false,
                until,
            } => format!(
                "the mesh is halted by its witnesses because of acts under the delegation root {}: no policy changes \
                 anywhere. Halt {} ends in {} unless the committee or a jury confirms it",
                root.short(),
                halt.short(),
                left(*until, now)
            ),
            Self::Restarting { until } => format!(
                "the halt is over, and nodes start again one after the other: this one goes on in {}. Try again then",
                left(*until, now)
            ),
        };
        Some(reason)
    }
}

/// Returns the time left, in words, never less than there is.
fn left(until: Wall, now: Wall) -> String {
    let secs = until.0.saturating_sub(now.0).div_ceil(1_000);
    match secs {
        0..120 => format!("{secs} s"),
        120..7_200 => format!("{} minutes", secs.div_ceil(60)),
        _ => format!("{} hours", secs.div_ceil(3_600)),
    }
}
