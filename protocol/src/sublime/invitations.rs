//! Invitations to serve as a guardian: what one member asks another over the link, and what the other answers.
//!
//! Of each pair of members one invitation stands, for [`INVITATION_LIFE`], answered or not: so nobody is asked again and again.
//! An inviter's node keeps those it has made, an invited member's those it was sent, and tells its answer until the inviter's
//! node has it. Whoever is invited owes nothing: only its own record makes it a guardian.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use x0_crypto::PublicKey;

use crate::{
    core::{
        limits::{INVITATION_LIFE, INVITATIONS_MAX},
        time::Wall,
    },
    wire::Reason,
};

/// An invitation, as one of the two nodes keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The other member.
    pub with: PublicKey,
    /// Whether this node's member has made it.
    pub is_own: bool,
    /// Why, in the inviter's words.
    pub why: Reason,
    /// When it was made or came, by this node's clock.
    pub since: Wall,
    /// Whether the invited member serves, once it has said so.
    pub serves: Option<bool>,
    /// Of one that was sent to this node: whether the inviter's node has the answer.
    pub is_told: bool,
}

impl Invitation {
    fn new(with: PublicKey, is_own: bool, why: Reason, since: Wall) -> Self {
        Self {
            with,
            is_own,
            why,
            since,
            serves: None,
            is_told: false,
        }
    }

    /// Tells whether it stands.
    fn stands(&self, now: Wall) -> bool {
        self.since + INVITATION_LIFE > now
    }
}

/// Why an invitation is not taken or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One stands that is not answered.
    Open,
    /// One stands that was declined.
    Declined,
    /// As many stand as are kept.
    Full,
}

/// What is done about an invitation that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// It is kept from now on.
    New(Invitation),
    /// It stood already.
    Before,
}

/// The invitations of a node.
#[derive(Clone, Debug, Default)]
pub struct Invitations {
    received: BTreeMap<PublicKey, Invitation>,
    made: BTreeMap<PublicKey, Invitation>,
}

impl Invitations {
    /// Keeps an invitation as it was read back or as it stands now.
    pub fn keep(&mut self, invitation: Invitation) {
        let side = match invitation.is_own {
            true => &mut self.made,
            false => &mut self.received,
        };
        side.insert(invitation.with, invitation);
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.received.is_empty() && self.made.is_empty()
    }

    /// Lets go of those that stand no longer, and returns them.
    pub fn trim(&mut self, now: Wall) -> Vec<Invitation> {
        let mut gone = Vec::new();
        for side in [&mut self.received, &mut self.made] {
            side.retain(|_, invitation| {
                let stands = invitation.stands(now);
                if !stands {
                    gone.push(invitation.clone());
                }
                stands
            });
        }
        gone
    }

    /// Looks at an invitation that came from a member.
    ///
    /// # Errors
    ///
    /// Returns why it is not taken.
    pub fn receive(&mut self, from: PublicKey, why: Reason, now: Wall) -> Result<Came, Standing> {
        match self.received.get(&from) {
            Some(known) => match known.serves {
                None => Ok(Came::Before),
                Some(false) => Err(Standing::Declined),
                // It served and does no longer: it is asked anew.
                Some(true) => Ok(self.take(from, why, now)),
            },
            None if self.received.len() >= INVITATIONS_MAX => Err(Standing::Full),
            None => Ok(self.take(from, why, now)),
        }
    }

    fn take(&mut self, from: PublicKey, why: Reason, now: Wall) -> Came {
        let invitation = Invitation::new(from, false, why, now);
        self.received.insert(from, invitation.clone());
        Came::New(invitation)
    }

    /// Looks whether a member may be invited from here.
    ///
    /// # Errors
    ///
    /// Returns why it may not.
    pub fn may_make(&self, to: &PublicKey) -> Result<(), Standing> {
        match self.made.get(to) {
            Some(known) => match known.serves {
                None => Err(Standing::Open),
                Some(false) => Err(Standing::Declined),
                Some(true) => Ok(()),
            },
            None if self.made.len() >= INVITATIONS_MAX => Err(Standing::Full),
            None => Ok(()),
        }
    }

    /// Takes note that a member was invited from here, and returns what is to be kept.
    pub fn make(&mut self, to: PublicKey, why: Reason, now: Wall) -> Invitation {
        let invitation = Invitation::new(to, true, why, now);
        self.made.insert(to, invitation.clone());
        invitation
    }

    /// Answers the invitation of a member, if one is open; returns it as it stands then.
    pub fn answer(&mut self, from: &PublicKey, serves: bool) -> Option<Invitation> {
        let open = self.received.get_mut(from)?;
        if open.serves.is_some() {
            return None;
        }
        open.serves = Some(serves);
        Some(open.clone())
    }

    /// Takes what an invited member says; returns the invitation as it stands then, if that is news.
    pub fn answered(&mut self, by: &PublicKey, serves: bool) -> Option<Invitation> {
        let made = self.made.get_mut(by)?;
        if made.serves == Some(serves) {
            return None;
        }
        made.serves = Some(serves);
        Some(made.clone())
    }

    /// Takes note that an inviter's node has the answer; returns the invitation as it stands then.
    pub fn told(&mut self, to: &PublicKey) -> Option<Invitation> {
        let answered = self.received.get_mut(to)?;
        answered.serves?;
        answered.is_told = true;
        Some(answered.clone())
    }

    /// Returns what an inviter's node has yet to be told.
    pub fn to_tell(&self, to: &PublicKey) -> Option<bool> {
        let answered = self.received.get(to)?;
        answered.serves.filter(|_| !answered.is_told)
    }

    /// Returns who waits for an answer.
    pub fn open(&self) -> impl Iterator<Item = &PublicKey> {
        let received = self.received.values();
        received
            .filter(|invitation| invitation.serves.is_none())
            .map(|invitation| &invitation.with)
    }

    /// Iterates over those that came, by member.
    pub fn received(&self) -> impl Iterator<Item = &Invitation> {
        self.received.values()
    }

    /// Iterates over those made here, by member.
    pub fn made(&self) -> impl Iterator<Item = &Invitation> {
        self.made.values()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use x0_crypto::Identity;
    use zeroize::Zeroizing;

    use super::*;

    fn key(number: usize) -> PublicKey {
        let mut seed = Zeroizing::new([0; 32]);
        seed[..8].copy_from_slice(&number.to_be_bytes());
        Identity::from_seed(seed).public()
    }

    fn why() -> Reason {
        "we are two".parse().unwrap()
    }

    fn came(invitations: &mut Invitations, from: usize, now: u64) -> Result<Came, Standing> {
        invitations.receive(key(from), why(), Wall(now))
    }

    #[test]
    fn of_a_pair_one_invitation_stands_until_its_time_is_over() {
        let mut invitations = Invitations::default();
        assert!(matches!(came(&mut invitations, 1, 5), Ok(Came::New(_))));
        assert_eq!(came(&mut invitations, 1, 6), Ok(Came::Before));
        invitations.answer(&key(1), false).unwrap();
        assert_eq!(came(&mut invitations, 1, 7), Err(Standing::Declined));
        assert_eq!(invitations.answer(&key(1), true), None, "it is answered");

        let over = 5 + INVITATION_LIFE.0;
        assert!(invitations.trim(Wall(over - 1)).is_empty());
        let gone = invitations.trim(Wall(over));
        assert_eq!(gone.len(), 1);
        assert!(matches!(came(&mut invitations, 1, over), Ok(Came::New(_))));
    }

    #[test]
    fn as_many_stand_as_are_kept_on_either_side() {
        let mut invitations = Invitations::default();
        for number in 0..INVITATIONS_MAX {
            assert!(matches!(
                came(&mut invitations, number, 1),
                Ok(Came::New(_))
            ));
            assert_eq!(invitations.may_make(&key(number)), Ok(()));
            invitations.make(key(number), why(), Wall(1));
        }
        let another = INVITATIONS_MAX;
        assert_eq!(came(&mut invitations, another, 2), Err(Standing::Full));
        assert_eq!(invitations.may_make(&key(another)), Err(Standing::Full));
        assert_eq!(came(&mut invitations, 3, 2), Ok(Came::Before));
        invitations.answer(&key(3), false).unwrap();
        let full = came(&mut invitations, another, 3);
        assert_eq!(
            full,
            Err(Standing::Full),
            "declining makes no room to ask again"
        );
    }

    #[test]
    fn an_answer_is_to_be_told_until_it_has_arrived() {
        let mut invitations = Invitations::default();
        came(&mut invitations, 1, 5).unwrap();
        assert_eq!(invitations.to_tell(&key(1)), None);
        assert_eq!(invitations.told(&key(1)), None, "nothing is answered");
        invitations.answer(&key(1), true).unwrap();
        assert_eq!(invitations.to_tell(&key(1)), Some(true));
        assert!(invitations.told(&key(1)).unwrap().is_told);
        assert_eq!(invitations.to_tell(&key(1)), None);
    }

    #[test]
    fn nobody_answers_what_was_not_asked() {
        let mut invitations = Invitations::default();
        assert_eq!(invitations.answered(&key(1), true), None);
        invitations.make(key(1), why(), Wall(1));
        assert_eq!(invitations.may_make(&key(1)), Err(Standing::Open));
        let answered = invitations.answered(&key(1), false).unwrap();
        assert_eq!(answered.serves, Some(false));
        assert_eq!(
            invitations.answered(&key(1), false),
            None,
            "that is no news"
        );
        assert_eq!(invitations.may_make(&key(1)), Err(Standing::Declined));
    }
}
