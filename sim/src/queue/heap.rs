//! A binary heap: simple enough to be believed, so it is what the wheel is tested against.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{EventQueue, Timed};
use crate::time::Time;

/// An event queue on a binary heap.
pub struct Heap<E>(BinaryHeap<Reverse<E>>);

impl<E: Timed> Default for Heap<E> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

impl<E: Timed> EventQueue<E> for Heap<E> {
    fn push(&mut self, event: E) {
        self.0.push(Reverse(event));
    }

    fn pop_before(&mut self, limit: Time) -> Option<E> {
        if self.0.peek()?.0.time() >= limit {
            return None;
        }
        self.0.pop().map(|Reverse(event)| event)
    }

    fn next_at_or_after(&self) -> Option<Time> {
        self.0.peek().map(|Reverse(event)| event.time())
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
