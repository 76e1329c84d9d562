//! Tokens that should not be: signed by the wrong key, or with a limit taken out; and approvals nobody gave.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use biscuit_auth::format::schema;
use prost::Message as _;
use x0_crypto::{
    ContentId, Identity, PublicKey,
    capability::{Action, Caveat, Grant, Token},
};
use x0_protocol::wire::{Act, Said, Statement, Ticket, Warrant, Warrants, Word};

/// Signs a token with one's own key, to be shown as if another root had granted it.
///
/// # Errors
///
/// Returns what is wrong with the grant.
pub fn forged(
    by: &Identity,
    holder: PublicKey,
    actions: BTreeSet<Action>,
    caveats: Vec<Caveat>,
) -> Result<Token> {
    Ok(Token::grant(
        &by.capability_root(),
        &Grant {
            holder,
            actions,
            caveats,
        },
    )?)
}

/// Takes the last narrowing off a token, and with it the limit that was added there.
///
/// # Errors
///
/// Returns that the token was never narrowed, or is none.
pub fn widened(token: &Token) -> Result<Token> {
    let mut frame =
        schema::Biscuit::decode(token.as_bytes()).context("these bytes are no token")?;
    if frame.blocks.pop().is_none() {
        bail!("this token was never narrowed: there is no block to take off");
    }
    Ok(Token::from_bytes(&frame.encode_to_vec())?)
}

/// Takes the warrants of another act; the ticket may be made to name the act at hand, under the signature it had.
///
/// # Errors
///
/// Returns that the other act carries none that can be read.
pub fn borrowed(
    other: &Act,
    act: ContentId,
    agent: PublicKey,
    forge_ticket: bool,
) -> Result<Vec<Warrant>> {
    let mut warrants = Warrants::of(other)?;
    let Some(certificate) = warrants.ticket.as_mut() else {
        bail!("that act carries no ticket");
    };
    if let (true, Statement::Ticket(ticket)) = (forge_ticket, &mut certificate.statement) {
        ticket.act = act;
        ticket.agent = agent;
    }
    Ok(warrants.to_wire())
}

/// A multi-signature that the panel did not give.
#[derive(Clone, Debug)]
pub struct FalseApprovals {
    /// What is false about it.
    pub trick: &'static str,
    /// The words.
    pub said: Vec<Said>,
}

/// Makes multi-signatures for an act under a true ticket with one key alone: its own approval as often as is needed,
/// approvals in the names of the panel, and true words of another act, if there are any.
///
/// # Errors
///
/// Returns that the other act's warrants cannot be read.
pub fn false_approvals(
    mesh: &ContentId,
    own: &Identity,
    ticket: &Ticket,
    names: &[PublicKey],
    other: Option<&Act>,
) -> Result<Vec<FalseApprovals>> {
    let word = Word::Sign {
        ticket: ticket.name(),
    };
    let approval = Said::sign(mesh, ticket.act, word, own);
    let posing = names.iter().map(|by| Said {
        by: *by,
        ..approval
    });
    let mut all = vec![
        FalseApprovals {
            trick: "one key's own approval, over and over",
            said: vec![approval; names.len()],
        },
        FalseApprovals {
            trick: "approvals in the names of the panel",
            said: posing.collect(),
        },
    ];
    if let Some(other) = other {
        let words = Warrants::of(other)?.said.into_iter();
        let approvals = words.filter(|said| matches!(said.word, Word::Sign { .. }));
        all.push(FalseApprovals {
            trick: "the approvals of another act",
            said: approvals.collect(),
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_token_with_a_block_taken_off_and_one_of_another_root_are_no_tokens_of_the_root() {
        let (owner, agent) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let actions = BTreeSet::from(["set.acts.shown".parse::<Action>().unwrap()]);
        let root = owner.capability_root().public();
        let narrow = forged(&owner, agent.public(), actions.clone(), Vec::new()).unwrap();
        let narrow = narrow
            .attenuate(&["affects_nodes_le=1".parse().unwrap()])
            .unwrap();

        assert!(narrow.verify(&root).is_ok());
        assert!(widened(&narrow).unwrap().verify(&root).is_err());
        assert!(
            forged(&agent, agent.public(), actions, Vec::new())
                .unwrap()
                .verify(&root)
                .is_err()
        );
    }
}
