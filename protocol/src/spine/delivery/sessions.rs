//! The catch-up sessions that a peer serves.
//!
//! Every request of a session names its key and part, and stands for itself. A session over few records is made
//! again for each request, so that it takes no memory: a simulation has hundreds of thousands. One over many
//! keeps the set that it began with, and counts its rounds.

use x0_crypto::{ContentId, PublicKey};

use super::{
    Index,
    reconcile::{KeyedId, ReconcileError, Responder, SessionKey},
};
use crate::{core::limits::RECONCILE_SESSIONS_MAX, wire::Part};

/// Most records whose session is made again for each request: hashing them takes some 20 µs.
const REMADE_MAX: usize = 64;

/// A session: the key that its initiator drew, and the records it is about.
pub type Session = (SessionKey, Part);

/// The sessions kept, one for each asking peer, the least recently used first; it gives way when there is no room.
#[derive(Default)]
pub struct Sessions(Vec<Kept>);

struct Kept {
    to: PublicKey,
    session: Session,
    responder: Box<Responder>,
}

impl Sessions {
    /// Answers a message of the session that a peer runs; a new one takes the place of the peer's last.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the message; the session is over then.
    pub fn answer(
        &mut self,
        to: PublicKey,
        session: Session,
        index: &Index,
        message: &[u8],
    ) -> Result<Vec<u8>, ReconcileError> {
        let last = self.place(&to).map(|at| self.0.remove(at));
        let mut responder = match last {
            Some(kept) if kept.session == session => kept.responder,
            Some(_) | None => Box::new(start(session, index)),
        };
        let answer = responder.answer(message)?;
        if responder.len() > REMADE_MAX {
            if self.0.len() >= RECONCILE_SESSIONS_MAX {
                self.0.remove(0);
            }
            self.0.push(Kept {
                to,
                session,
                responder,
            });
        }
        Ok(answer)
    }

    /// Returns those of the records that a peer asks for in a session which are known here, each once.
    pub fn resolve(
        &self,
        to: &PublicKey,
        session: Session,
        index: &Index,
        keyed: &[KeyedId],
    ) -> Vec<ContentId> {
        let kept = self.place(to).map(|at| &self.0[at]);
        let ids = match kept {
            Some(kept) if kept.session == session => kept.responder.resolve(keyed),
            Some(_) | None => start(session, index).resolve(keyed),
        };
        ids.into_iter().map(ContentId::from_digest).collect()
    }

    /// Ends the session of a peer.
    pub fn end(&mut self, to: &PublicKey) {
        if let Some(at) = self.place(to) {
            self.0.remove(at);
        }
    }

    fn place(&self, to: &PublicKey) -> Option<usize> {
        self.0.iter().position(|kept| kept.to == *to)
    }
}

fn start((key, part): Session, index: &Index) -> Responder {
    Responder::new(key, index.items(part))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use x0_crypto::Identity;
    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        core::time::Wall,
        spine::delivery::reconcile::{Initiator, Step},
        wire::{Body, Draft, Kind},
    };

    const PART: Part = Part::Rest;

    fn identity(seed: u8) -> Identity {
        Identity::from_seed(Zeroizing::new([seed; 32]))
    }

    fn peer(seed: usize) -> PublicKey {
        identity(u8::try_from(seed).unwrap()).public()
    }

    fn index(records: usize) -> Index {
        let (author, mesh) = (identity(255), ContentId::of(b"mesh"));
        let mut index = Index::default();
        for seq in 0..records as u64 {
            let body = Body::Unknown(Kind(0x7fff), vec![7].into());
            let at = (seq, None);
            let draft = Draft::new(Some(mesh), author.public(), at, Wall(seq), [0; 16], body);
            index.insert(draft.sign(&author).unwrap().value());
        }
        index
    }

    /// Starts a session of a peer that knows nothing and returns what it is told that it lacks.
    fn compare(sessions: &mut Sessions, to: PublicKey, key: u8, index: &Index) -> Vec<KeyedId> {
        let key = SessionKey([key; 32]);
        let (mut initiator, hello) = Initiator::start(key, std::iter::empty());
        let answer = sessions.answer(to, (key, PART), index, &hello).unwrap();
        match initiator.step(&answer).unwrap() {
            Step::Done { need, .. } | Step::Continue { need, .. } => need,
        }
    }

    /// Serves as many peers as there is room for, the first of them longest ago.
    fn full() -> (Sessions, Index) {
        let (mut sessions, index) = (Sessions::default(), index(REMADE_MAX + 1));
        for seed in 0..RECONCILE_SESSIONS_MAX {
            compare(&mut sessions, peer(seed), 1, &index);
        }
        (sessions, index)
    }

    fn keeps(sessions: &Sessions, to: usize) -> bool {
        sessions.place(&peer(to)).is_some()
    }

    #[test]
    fn records_are_found_whether_or_not_the_session_is_kept() {
        for (records, kept) in [(3, false), (REMADE_MAX, false), (REMADE_MAX + 1, true)] {
            let (mut sessions, index) = (Sessions::default(), index(records));

            let need = compare(&mut sessions, peer(0), 1, &index);
            let session = (SessionKey([1; 32]), PART);
            let found = sessions.resolve(&peer(0), session, &index, &need);

            assert_eq!((found.len(), keeps(&sessions, 0)), (records, kept));
            let other = (SessionKey([2; 32]), PART);
            let strange = sessions.resolve(&peer(0), other, &index, &need);
            assert!(strange.is_empty(), "ids mean nothing under another key");
        }
    }

    #[test]
    fn the_least_recently_used_session_gives_way() {
        let (mut sessions, index) = full();
        compare(&mut sessions, peer(0), 1, &index);

        compare(&mut sessions, peer(200), 1, &index);

        assert!(keeps(&sessions, 0), "used after the others");
        assert!(!keeps(&sessions, 1), "unused for longest");
        assert!(keeps(&sessions, 200));
    }

    #[test]
    fn a_new_session_takes_the_place_of_the_peers_last() {
        let (mut sessions, index) = full();

        compare(&mut sessions, peer(3), 2, &index);

        assert!((0..RECONCILE_SESSIONS_MAX).all(|seed| keeps(&sessions, seed)));
    }

    #[test]
    fn a_message_that_cannot_be_read_ends_the_session() {
        let (mut sessions, index) = (Sessions::default(), index(REMADE_MAX + 1));
        compare(&mut sessions, peer(0), 1, &index);

        let session = (SessionKey([1; 32]), PART);
        let answer = sessions.answer(peer(0), session, &index, &[]);

        assert!(answer.is_err());
        assert!(!keeps(&sessions, 0));
    }
}
