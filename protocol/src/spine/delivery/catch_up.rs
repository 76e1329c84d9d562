//! One catch-up with one peer, from the side that starts it.
//!
//! The directory comes first and the rest after it, so that a record finds its author known.
//! Compare until both differences are known, fetch what is lacking here page by page, hand over what
//! is lacking there, done. Every step is one request; if an answer fails to come the catch-up is
//! given up, and what it brought stays.

use std::collections::VecDeque;

use x0_crypto::{ContentId, PublicKey};

use super::reconcile::{Initiator, Item, KeyedId, ReconcileError, SessionKey, Step};
use crate::{
    core::limits::PAGE_RECORDS_MAX,
    wire::{Part, Request},
};

/// A running catch-up.
pub struct CatchUp {
    with: PublicKey,
    part: Part,
    session: SessionKey,
    initiator: Initiator,
    need: VecDeque<KeyedId>,
    page: Vec<KeyedId>,
    have: VecDeque<ContentId>,
    received: u32,
    sent: u32,
}

/// What a catch-up wants next.
#[derive(Debug)]
pub enum Progress {
    /// Ask the peer this.
    Ask(Request),
    /// Hand these records over.
    Push(Vec<ContentId>),
    /// It is over.
    Done {
        /// Records that came.
        received: u32,
        /// Records that went.
        sent: u32,
    },
}

impl CatchUp {
    /// Starts a catch-up over the records known here.
    pub fn start(
        with: PublicKey,
        part: Part,
        session: [u8; 32],
        items: impl Iterator<Item = Item>,
    ) -> (Self, Progress) {
        let session = SessionKey(session);
        let (initiator, message) = Initiator::start(session, items);
        let started = Self {
            with,
            part,
            session,
            initiator,
            need: VecDeque::new(),
            page: Vec::new(),
            have: VecDeque::new(),
            received: 0,
            sent: 0,
        };
        (
            started,
            Progress::Ask(Request::Reconcile {
                part,
                session: session.0,
                message,
            }),
        )
    }

    /// Returns the peer at the other side.
    pub const fn with(&self) -> PublicKey {
        self.with
    }

    /// Returns the part of the records that is being caught up.
    pub const fn part(&self) -> Part {
        self.part
    }

    /// Takes the peer's answer to a round of comparing.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the answer; the catch-up cannot go on.
    pub fn compared(&mut self, message: &[u8]) -> Result<Progress, ReconcileError> {
        let (have, need, next) = match self.initiator.step(message)? {
            Step::Continue {
                message,
                have,
                need,
            } => (have, need, Some(message)),
            Step::Done { have, need } => (have, need, None),
        };
        self.have
            .extend(have.into_iter().map(ContentId::from_digest));
        self.need.extend(need);
        Ok(match next {
            Some(message) => Progress::Ask(Request::Reconcile {
                part: self.part,
                session: self.session.0,
                message,
            }),
            None => self.next(),
        })
    }

    /// Takes the ids of the records the peer sent; asks again for those of the page that did not fit.
    pub fn fetched(&mut self, came: &[ContentId]) -> Progress {
        let came_keyed: Vec<_> = came
            .iter()
            .map(|id| self.session.keyed(id.digest()))
            .collect();
        let mut left = std::mem::take(&mut self.page);
        let asked = left.len();
        left.retain(|id| !came_keyed.contains(id));
        let fresh = asked.saturating_sub(left.len());
        self.received = self
            .received
            .saturating_add(u32::try_from(fresh).unwrap_or(u32::MAX));
        if fresh > 0 {
            for id in left.into_iter().rev() {
                self.need.push_front(id);
            }
        }
        self.next()
    }

    /// Takes the peer's confirmation of records handed over.
    pub fn pushed(&mut self) -> Progress {
        self.next()
    }

    fn next(&mut self) -> Progress {
        if !self.need.is_empty() {
            let size = self.need.len().min(PAGE_RECORDS_MAX);
            self.page = self.need.drain(..size).collect();
            let keyed = self.page.iter().map(|id| id.to_bytes()).collect();
            return Progress::Ask(Request::Fetch {
                part: self.part,
                session: self.session.0,
                keyed,
            });
        }
        if !self.have.is_empty() {
            let size = self.have.len().min(PAGE_RECORDS_MAX);
            self.sent = self
                .sent
                .saturating_add(u32::try_from(size).unwrap_or(u32::MAX));
            return Progress::Push(self.have.drain(..size).collect());
        }
        Progress::Done {
            received: self.received,
            sent: self.sent,
        }
    }
}
