//! The open links of a peer, and which of them have been greeted.
//!
//! A link is *greeted* once both sides have said hello, speak a common wire version and know each
//! other as members. Only greeted links count for the self-healing loop and are used for catch-up.
//!
//! Who dialled greets first. The two ends need not see a link come and go alike (one may have replaced its
//! connection without a gap at the other), so that a greeting can be lost with a link that only one end
//! knew: whichever end still waits after [`GREET_PATIENCE`] says hello itself, as often as it takes.

use x0_crypto::PublicKey;

use crate::core::{limits::GREET_PATIENCE, time::Mono};

/// Room made for further links at a time: a peer has about as many as it wants, not twice as many.
const GROWTH: usize = 4;

/// One open link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The peer at the other end.
    pub peer: PublicKey,
    /// Whether this side dialled.
    pub dialled: bool,
    /// Whether the peer is let in as a member; a stranger says hello first.
    pub admitted: bool,
    /// Whether both sides have greeted.
    pub greeted: bool,
    /// Since when it is up.
    pub since: Mono,
}

/// The open links, in order of key.
#[derive(Clone, Debug, Default)]
pub struct Links {
    links: Vec<Link>,
    greet_at: Option<Mono>,
}

impl Links {
    /// Notes a link that came up.
    pub fn up(&mut self, peer: PublicKey, dialled: bool, admitted: bool, now: Mono) {
        let link = Link {
            peer,
            dialled,
            admitted,
            greeted: false,
            since: now,
        };
        match self.place(&peer) {
            Ok(index) => self.links[index] = link,
            Err(index) => {
                if self.links.len() == self.links.capacity() {
                    self.links.reserve_exact(GROWTH);
                }
                self.links.insert(index, link);
            }
        }
        if admitted {
            self.greet_at.get_or_insert(now + GREET_PATIENCE);
        }
    }

    /// Notes a link that went down; tells whether it had been greeted.
    pub fn down(&mut self, peer: &PublicKey) -> bool {
        self.place(peer)
            .is_ok_and(|index| self.links.remove(index).greeted)
    }

    /// Notes that a link was greeted; tells whether that is news.
    pub fn greet(&mut self, peer: &PublicKey) -> bool {
        let Ok(index) = self.place(peer) else {
            return false;
        };
        let is_news = !std::mem::replace(&mut self.links[index].greeted, true);
        if self.ungreeted().next().is_none() {
            self.greet_at = None;
        }
        is_news
    }

    /// Returns when links still ungreeted are to be greeted from this side.
    pub const fn greet_at(&self) -> Option<Mono> {
        self.greet_at
    }

    /// Returns the members to say hello to now, those that waited too long for it.
    pub fn take_waiting(&mut self, now: Mono) -> Vec<PublicKey> {
        if self.greet_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let waiting: Vec<_> = self.ungreeted().collect();
        self.greet_at = (!waiting.is_empty()).then_some(now + GREET_PATIENCE);
        waiting
    }

    fn ungreeted(&self) -> impl Iterator<Item = PublicKey> + '_ {
        let waiting = |link: &&Link| link.admitted && !link.greeted;
        self.links.iter().filter(waiting).map(|link| link.peer)
    }

    /// Tells whether there is a link to `peer`, greeted or not.
    pub fn contains(&self, peer: &PublicKey) -> bool {
        self.place(peer).is_ok()
    }

    /// Tells whether there is a greeted link to `peer`.
    pub fn is_greeted(&self, peer: &PublicKey) -> bool {
        self.place(peer)
            .is_ok_and(|index| self.links[index].greeted)
    }

    /// Iterates over all links, in order of key.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.links.iter()
    }

    /// Iterates over the peers with greeted links, in order of key.
    pub fn greeted(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.links
            .iter()
            .filter(|link| link.greeted)
            .map(|link| link.peer)
    }

    /// Counts the greeted links.
    pub fn greeted_count(&self) -> u32 {
        u32::try_from(self.greeted().count()).unwrap_or(u32::MAX)
    }

    fn place(&self, peer: &PublicKey) -> Result<usize, usize> {
        self.links.binary_search_by_key(peer, |link| link.peer)
    }
}
