//! Which multi-signature an act needs: what its token asks for, and what every act on the network level needs.
//!
//! Approvals are people's own signatures under the act, by members whom the beacon draws; a certificate is a signature
//! of the committee's key, and stands for none of them. A token says `k-of-n` by `requires_multi_sig`; an act on the
//! network level whose token says nothing needs [`NETWORK`]. What a token says never takes the place of anything: a
//! weaker number than [`NETWORK`] is refused for an act on that level, or else its holder would weaken the rule by
//! narrowing the token. The seats, the agent's node and each target ask this one function.

use x0_crypto::capability::{Capability, Caveat, Scope};

use super::state::cosigners;
use crate::{
    core::limits::SIGNATORIES_MAX,
    wire::{Electorate, MultiSig},
};

/// What an act on the network level needs at least, from the project's plan: three of five.
pub const NETWORK: MultiSig = MultiSig { k: 3, n: 5 };

/// Why no panel can be drawn that would do for an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPanel {
    /// The token asks for panels of two sizes.
    #[error(
        "the token requires approvals of a panel of {0} and of one of {1}, and an act has one panel: ask its root for a \
         token with one requires_multi_sig"
    )]
    TwoSizes(u8, u8),
    /// The token asks for more signatories than are ever drawn.
    #[error(
        "the token requires approvals of a panel of {0}, and at most {SIGNATORIES_MAX} signatories are drawn: ask its \
         root for a token with a smaller panel"
    )]
    TooLarge(u8),
    /// The token asks for less than the level of the act does.
    #[error(
        "the token requires {0} approvals, and an act on the network level needs {NETWORK} at least, and those of more \
         than half of the panel: ask its root for a token with requires_multi_sig={NETWORK} or more, or without it"
    )]
    TooWeak(MultiSig),
    /// So many cannot be drawn.
    #[error(
        "{wanted} are to be drawn for the act, {signatories} signatories among them, and only {room} can be, one of \
         each first-level invite subtree and none of the agent's: ask the root for a token with a smaller panel, or \
         have more members join"
    )]
    TooFew {
        /// Signatories and co-signers.
        wanted: u32,
        /// Signatories.
        signatories: u8,
        /// Who can be drawn.
        room: u32,
    },
}

/// Says how many signatories must approve an act of this scope by the holder of this token, and of how many; `None`
/// if it needs no approvals.
///
/// # Errors
///
/// Returns why no panel would do.
pub fn wanted(capability: &Capability, scope: Scope) -> Result<Option<MultiSig>, NoPanel> {
    let mut said: Option<MultiSig> = None;
    for caveat in capability.caveats() {
        let Caveat::RequiresMultiSig { k, n } = *caveat else {
            continue;
        };
        said = Some(match said {
            Some(other) if other.n != n => return Err(NoPanel::TwoSizes(other.n, n)),
            Some(other) => MultiSig {
                k: other.k.max(k),
                n,
            },
            None => MultiSig { k, n },
        });
    }
    if let Some(said) = said.filter(|said| said.n > SIGNATORIES_MAX) {
        return Err(NoPanel::TooLarge(said.n));
    }
    match (scope, said) {
        (Scope::Local | Scope::Regional, said) => Ok(said),
        (Scope::Network, None) => Ok(Some(NETWORK)),
        (Scope::Network, Some(said)) if said.k < NETWORK.k || said.spare() >= said.k => {
            Err(NoPanel::TooWeak(said))
        }
        (Scope::Network, said) => Ok(said),
    }
}

/// How many can be drawn for an act of one agent, nobody in two roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Signatories, among those who hold seats and those who count.
    pub signatories: u32,
    /// Co-signers, among those who count.
    pub cosigners: u32,
}

impl Room {
    /// Checks that a panel and so many co-signers can be drawn.
    ///
    /// # Errors
    ///
    /// Returns how many are missing.
    pub fn check(self, panel: MultiSig, cosigners: u32) -> Result<(), NoPanel> {
        let (signatories, size) = (panel.n, u32::from(panel.n));
        let too_few = |wanted, room| NoPanel::TooFew {
            wanted,
            signatories,
            room,
        };
        if size > self.signatories {
            return Err(too_few(size, self.signatories));
        }
        // The panel may take the only member that counts of as many subtrees.
        let wanted = size.saturating_add(cosigners);
        if cosigners > 0 && wanted > self.cosigners {
            return Err(too_few(wanted, self.cosigners));
        }
        Ok(())
    }
}

/// Returns how many co-signers an act of this reach needs over an electorate.
pub(crate) fn cosigners_over(electorate: &Electorate, reach: u32, allowed: u32) -> u32 {
    let drawable = crate::spine::beacon::drawable(electorate);
    cosigners(reach, electorate.count, allowed, drawable)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use x0_crypto::{
        Identity,
        capability::{Grant, Token},
    };
    use zeroize::Zeroizing;

    use super::*;

    fn capability(caveats: &[&str]) -> Capability {
        let root = Identity::from_seed(Zeroizing::new([1; 32])).capability_root();
        let grant = Grant {
            holder: Identity::from_seed(Zeroizing::new([2; 32])).public(),
            actions: BTreeSet::from(["set.links.target".parse().unwrap()]),
            caveats: Vec::new(),
        };
        let narrow = |token: Token, caveat: &&str| token.attenuate(&[caveat.parse().unwrap()]);
        let token = Token::grant(&root, &grant).unwrap();
        let token = caveats.iter().try_fold(token, narrow).unwrap();
        token.verify(&root.public()).unwrap()
    }

    fn of(k: u8, n: u8) -> MultiSig {
        MultiSig { k, n }
    }

    #[test]
    fn a_token_counts_at_every_level_and_the_network_level_without_one_too() {
        let plain = capability(&[]);
        assert_eq!(wanted(&plain, Scope::Regional), Ok(None));
        assert_eq!(wanted(&plain, Scope::Network), Ok(Some(NETWORK)));
        let own = capability(&["requires_multi_sig=2-of-3"]);
        assert_eq!(wanted(&own, Scope::Regional), Ok(Some(of(2, 3))));
        let own = capability(&["requires_multi_sig=6-of-9"]);
        assert_eq!(wanted(&own, Scope::Network), Ok(Some(of(6, 9))));
    }

    #[test]
    fn whoever_narrows_a_token_cannot_weaken_what_the_network_level_needs() {
        for weak in ["1-of-1", "2-of-3", "2-of-2", "3-of-6", "4-of-15"] {
            let token = capability(&[&format!("requires_multi_sig={weak}")]);
            let refused = wanted(&token, Scope::Network).unwrap_err();
            assert!(matches!(refused, NoPanel::TooWeak(_)), "{weak}: {refused}");
            assert!(refused.to_string().contains("requires_multi_sig=3-of-5"));
        }
    }

    #[test]
    fn of_several_numbers_the_strictest_counts_and_two_panels_are_none() {
        let twice = capability(&["requires_multi_sig=2-of-5", "requires_multi_sig=4-of-5"]);
        assert_eq!(wanted(&twice, Scope::Regional), Ok(Some(of(4, 5))));
        let two = capability(&["requires_multi_sig=2-of-3", "requires_multi_sig=2-of-5"]);
        assert_eq!(wanted(&two, Scope::Regional), Err(NoPanel::TwoSizes(3, 5)));
        let large = capability(&["requires_multi_sig=2-of-16"]);
        assert_eq!(wanted(&large, Scope::Regional), Err(NoPanel::TooLarge(16)));
    }

    #[test]
    fn a_panel_takes_nobody_away_from_the_co_signers() {
        let room = Room {
            signatories: 8,
            cosigners: 7,
        };
        assert_eq!(room.check(of(3, 5), 2), Ok(()));
        assert_eq!(room.check(of(3, 8), 0), Ok(()));
        for (panel, cosigners) in [(of(3, 5), 3), (of(1, 9), 0)] {
            let refused = room.check(panel, cosigners).unwrap_err();
            assert!(matches!(refused, NoPanel::TooFew { .. }), "{refused}");
        }
    }
}
