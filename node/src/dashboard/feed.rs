//! The newest events, kept for pages that are opened after they happened.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use x0_protocol::{Event, Wall};

use crate::sublime::Happening;

/// Events the first page shows, and so the most a [`Feed`] keeps: two screens of a desktop.
pub const EVENTS_SHOWN: usize = 40;

/// An event with its number and date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Its number, counted from the node's start.
    pub number: u64,
    /// When, by the node's wall clock.
    pub wall: Wall,
    /// What.
    pub news: News,
}

/// Something that pages tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// By the node.
    Node(Event),
    /// Of an item that is kept here.
    Content(Happening),
}

impl From<Event> for News {
    fn from(event: Event) -> Self {
        Self::Node(event)
    }
}

impl From<Happening> for News {
    fn from(happening: Happening) -> Self {
        Self::Content(happening)
    }
}

/// A ring of the newest [`EVENTS_SHOWN`] events; the oldest gives way.
#[derive(Debug, Default)]
pub struct Feed(Mutex<VecDeque<Happened>>);

impl Feed {
    /// Takes in an event.
    pub fn push(&self, wall: Wall, news: impl Into<News>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.front().map_or(0, |newest| newest.number + 1);
        kept.push_front(Happened {
            number,
            wall,
            news: news.into(),
        });
        kept.truncate(EVENTS_SHOWN);
    }

    /// Returns the events kept, newest first.
    pub fn newest(&self) -> Vec<Happened> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_events_stay_in_order_and_keep_their_numbers() {
        let feed = Feed::default();
        for i in 0..EVENTS_SHOWN as u64 + 5 {
            feed.push(Wall(i), Event::Ready { witnesses: 0 });
        }

        let kept = feed.newest();

        assert_eq!(kept.len(), EVENTS_SHOWN);
        assert_eq!(
            kept.first().map(|event| event.number),
            Some(EVENTS_SHOWN as u64 + 4)
        );
        assert!(kept.is_sorted_by(|a, b| a.number == b.number + 1));
    }
}
