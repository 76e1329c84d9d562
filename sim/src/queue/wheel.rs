//! A hierarchical timing wheel: constant work per event however many wait.
//!
//! Time is cut into ticks of 64 µs. Level 0 holds the next 256 ticks one slot each, level 1 the next
//! 256 spans of 256 ticks, and so on up to the end of time (Varghese and Lauck 1987, "Hashed and
//! hierarchical timing wheels", scheme 6). When a slot's turn comes it is emptied: a level 0 slot is
//! sorted and served, a higher slot is dealt out to the levels below. An event for the tick being
//! served, or before it, goes to a small heap beside it, so that the order is exact, not per tick.
//!
//! Slots are chains of fixed chunks from one pool. A vector per slot would keep the capacity of the
//! fullest moment it ever saw, which is most of such a wheel's memory; the pool keeps the peak of
//! all slots together.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{EventQueue, Timed};
use crate::time::Time;

/// Microseconds per tick, as a power of two: 64 µs keeps the sorted runs at a few hundred events
/// when 100,000 nodes flood.
const TICK_BITS: u32 = 6;

/// Slots per level, as a power of two.
const SLOT_BITS: u32 = 8;

const SLOTS: usize = 1 << SLOT_BITS;

/// Levels until a 64-bit time is covered: ceil((64 − 6) / 8).
const LEVELS: usize = 8;

/// Events per chunk: 1.5 KiB of 24-byte events.
const CHUNK_EVENTS: usize = 64;

/// No chunk.
const NONE: u32 = u32::MAX;

/// An event queue on a hierarchical timing wheel.
pub struct Wheel<E> {
    /// The tick being served; every waiting event of a later tick is in a slot.
    tick: u64,
    /// Events of that tick, last first.
    served: Vec<E>,
    /// Events that came for that tick, or before it, while it was served.
    late: BinaryHeap<Reverse<E>>,
    levels: [Level; LEVELS],
    chunks: Chunks<E>,
    len: usize,
}

impl<E: Timed> Default for Wheel<E> {
    fn default() -> Self {
        Self {
            tick: 0,
            served: Vec::new(),
            late: BinaryHeap::new(),
            levels: [const { Level::EMPTY }; LEVELS],
            chunks: Chunks {
                events: Vec::new(),
                next: Vec::new(),
                free: NONE,
            },
            len: 0,
        }
    }
}

impl<E: Timed> EventQueue<E> for Wheel<E> {
    fn push(&mut self, event: E) {
        self.len += 1;
        if tick_of(&event) <= self.tick {
            self.late.push(Reverse(event));
        } else {
            self.place(event);
        }
    }

    fn pop_before(&mut self, limit: Time) -> Option<E> {
        loop {
            let late_first = match (self.served.last(), self.late.peek()) {
                (Some(served), Some(Reverse(late))) => late < served,
                (None, Some(_)) => true,
                (Some(_), None) => false,
                (None, None) => {
                    self.advance(limit)?;
                    continue;
                }
            };
            let next = if late_first {
                self.late.peek().map(|Reverse(event)| event)
            } else {
                self.served.last()
            };
            if next?.time() >= limit {
                return None;
            }
            self.len -= 1;
            return if late_first {
                self.late.pop().map(|Reverse(event)| event)
            } else {
                self.served.pop()
            };
        }
    }

    fn next_at_or_after(&self) -> Option<Time> {
        let served = self.served.last().map(Timed::time);
        let late = self.late.peek().map(|Reverse(event)| event.time());
        match (served, late) {
            (Some(served), Some(late)) => Some(served.min(late)),
            (Some(time), None) | (None, Some(time)) => Some(time),
            (None, None) => self
                .next_slot()
                .map(|(level, slot)| self.start_of(level, slot)),
        }
    }

    fn len(&self) -> usize {
        self.len
    }
}

impl<E: Timed> Wheel<E> {
    /// Puts an event of a tick after the served one into its slot.
    fn place(&mut self, event: E) {
        let tick = tick_of(&event);
        let level = (u64::BITS - 1 - (tick ^ self.tick).leading_zeros()) / SLOT_BITS;
        let slot = (tick >> (level * SLOT_BITS)) as usize % SLOTS;
        let head = self.levels[level as usize].occupy(slot);
        self.chunks.push(head, event);
    }

    /// Moves on to the next occupied slot, if that begins before `limit`.
    fn advance(&mut self, limit: Time) -> Option<()> {
        let (level, slot) = self.next_slot()?;
        let start = self.start_of(level, slot);
        if start >= limit {
            return None;
        }
        self.tick = start.0 >> TICK_BITS;
        let mut chain = self.levels[level].vacate(slot);
        while chain != NONE {
            let mut events = self.chunks.take(chain);
            if level == 0 {
                self.served.append(&mut events);
            } else {
                for event in events.drain(..) {
                    if tick_of(&event) == self.tick {
                        self.served.push(event);
                    } else {
                        self.place(event);
                    }
                }
            }
            chain = self.chunks.give_back(chain, events);
        }
        self.served.sort_unstable_by(|a, b| b.cmp(a));
        Some(())
    }

    /// Finds the first occupied slot after the served tick; lower levels come first.
    fn next_slot(&self) -> Option<(usize, usize)> {
        self.levels.iter().enumerate().find_map(|(number, level)| {
            let passed = (self.tick >> (number as u32 * SLOT_BITS)) as usize % SLOTS;
            level.first_after(passed).map(|slot| (number, slot))
        })
    }

    fn start_of(&self, level: usize, slot: usize) -> Time {
        let shift = level as u32 * SLOT_BITS;
        let above = self.tick.checked_shr(shift + SLOT_BITS).unwrap_or(0);
        let above = above.checked_shl(shift + SLOT_BITS).unwrap_or(0);
        Time((above | (slot as u64) << shift) << TICK_BITS)
    }
}

fn tick_of<E: Timed>(event: &E) -> u64 {
    event.time().0 >> TICK_BITS
}

/// One level: the first chunk of each slot, and a bit per occupied slot.
struct Level {
    heads: [u32; SLOTS],
    occupied: [u64; SLOTS / 64],
}

impl Level {
    const EMPTY: Self = Self {
        heads: [NONE; SLOTS],
        occupied: [0; SLOTS / 64],
    };

    fn occupy(&mut self, slot: usize) -> &mut u32 {
        self.occupied[slot / 64] |= 1 << (slot % 64);
        &mut self.heads[slot]
    }

    fn vacate(&mut self, slot: usize) -> u32 {
        self.occupied[slot / 64] &= !(1 << (slot % 64));
        core::mem::replace(&mut self.heads[slot], NONE)
    }

    fn first_after(&self, passed: usize) -> Option<usize> {
        let from = passed + 1;
        (from / 64..SLOTS / 64).find_map(|word| {
            let skipped = if word == from / 64 { from % 64 } else { 0 };
            let bits = self.occupied[word] & (u64::MAX << skipped);
            (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)
        })
    }
}

/// The pool of chunks; a chain is linked by index.
struct Chunks<E> {
    events: Vec<Vec<E>>,
    next: Vec<u32>,
    free: u32,
}

impl<E> Chunks<E> {
    fn push(&mut self, head: &mut u32, event: E) {
        if *head == NONE || self.events[*head as usize].len() == CHUNK_EVENTS {
            let chunk = self.fetch();
            self.next[chunk as usize] = *head;
            *head = chunk;
        }
        self.events[*head as usize].push(event);
    }

    fn fetch(&mut self) -> u32 {
        if self.free != NONE {
            let chunk = self.free;
            self.free = self.next[chunk as usize];
            return chunk;
        }
        // 2^32 chunks would be 6 TiB of events: memory ends first.
        let chunk = self.events.len() as u32;
        self.events.push(Vec::with_capacity(CHUNK_EVENTS));
        self.next.push(NONE);
        chunk
    }

    fn take(&mut self, chunk: u32) -> Vec<E> {
        core::mem::take(&mut self.events[chunk as usize])
    }

    /// Returns an emptied chunk to the pool and tells the next of its chain.
    fn give_back(&mut self, chunk: u32, emptied: Vec<E>) -> u32 {
        self.events[chunk as usize] = emptied;
        let next = core::mem::replace(&mut self.next[chunk as usize], self.free);
        self.free = chunk;
        next
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::queue::Heap;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Event {
        at: Time,
        destination: u32,
        source: u32,
        sequence: u32,
    }

    impl Timed for Event {
        fn time(&self) -> Time {
            self.at
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push {
            at: u64,
            destination: u32,
            source: u32,
            sequence: u32,
        },
        Pop,
        PopBefore {
            ahead: u64,
        },
    }

    /// Times from all levels of the wheel, crowded enough that many coincide.
    fn times() -> impl Strategy<Value = u64> {
        prop_oneof![
            4 => 0_u64..300,
            4 => 0_u64..40_000,
            2 => 0_u64..10_000_000,
            1 => 0..u64::MAX,
            1 => Just(u64::MAX - 1),
        ]
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let push = (times(), 0_u32..4, 0_u32..4, 0_u32..4).prop_map(
            |(at, destination, source, sequence)| Step::Push {
                at,
                destination,
                source,
                sequence,
            },
        );
        let step = prop_oneof![
            5 => push,
            3 => Just(Step::Pop),
            2 => times().prop_map(|ahead| Step::PopBefore { ahead }),
        ];
        prop::collection::vec(step, 0..600)
    }

    proptest! {
        #[test]
        fn wheel_and_heap_give_the_same_order_for_any_interleaving(steps in steps()) {
            let (mut wheel, mut heap) = (Wheel::default(), Heap::default());
            let mut last = 0_u64;
            for step in steps {
                match step {
                    Step::Push { at, destination, source, sequence } => {
                        let event = Event { at: Time(at), destination, source, sequence };
                        wheel.push(event);
                        heap.push(event);
                    }
                    Step::Pop => {
                        let popped = wheel.pop();
                        prop_assert_eq!(popped, heap.pop());
                        last = popped.map_or(last, |event| event.at.0);
                    }
                    Step::PopBefore { ahead } => {
                        let limit = Time(last.saturating_add(ahead));
                        prop_assert_eq!(wheel.pop_before(limit), heap.pop_before(limit));
                    }
                }
                prop_assert_eq!(wheel.len(), heap.len());
                let (bound, next) = (wheel.next_at_or_after(), heap.next_at_or_after());
                prop_assert_eq!(bound.is_some(), next.is_some());
                prop_assert!(bound <= next, "the bound lies after the next event");
            }
            while let Some(expected) = heap.pop() {
                prop_assert_eq!(wheel.pop(), Some(expected));
            }
            prop_assert!(wheel.is_empty());
        }
    }

    #[test]
    fn memory_of_served_events_is_used_again() {
        let mut wheel = Wheel::default();
        let mut peak = 0;
        for round in 0..50_u64 {
            for sequence in 0..1_000 {
                let at = Time(round * 1_000_000 + u64::from(sequence) * 500);
                wheel.push(Event {
                    at,
                    destination: 0,
                    source: 0,
                    sequence,
                });
            }
            while wheel.pop().is_some() {}
            if round == 1 {
                peak = wheel.chunks.events.len();
            }
        }
        assert!(
            wheel.chunks.events.len() <= peak + 1,
            "the pool grew though no more events waited"
        );
    }

    #[test]
    fn an_event_is_compact() {
        assert_eq!(size_of::<Event>(), 24);
    }
}
