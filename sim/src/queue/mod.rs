//! The event queue: what happens next.
//!
//! An event carries its whole order in itself — time, destination, source, sequence — so the order
//! in which events come out does not depend on the order in which they went in, nor on how many
//! threads put them there. Two queues behind one trait: the timing [`Wheel`] runs simulations, the
//! binary [`Heap`] is the oracle the wheel is tested against.
//!
//! Events are copied, never shared: keep them at 24 bytes, and keep what they carry elsewhere.

mod heap;
mod wheel;

pub use heap::Heap;
pub use wheel::Wheel;

use crate::time::Time;

/// Something that happens at a moment.
///
/// The total order must begin with the time; between events of one time it must not depend on
/// anything but the events themselves.
pub trait Timed: Copy + Ord {
    /// Returns when it happens.
    fn time(&self) -> Time;
}

/// A queue that gives events back in their own order.
pub trait EventQueue<E: Timed> {
    /// Puts an event in; it may lie before events that were already taken out.
    fn push(&mut self, event: E);

    /// Takes the least event out if it happens before `limit`.
    fn pop_before(&mut self, limit: Time) -> Option<E>;

    /// Takes the least event out; one at the very last moment a [`Time`] can name never comes.
    fn pop(&mut self) -> Option<E> {
        self.pop_before(Time(u64::MAX))
    }

    /// Returns a moment before which nothing happens; `None` if nothing is left.
    ///
    /// The bound may lie before the next event, but taking out everything before a later limit
    /// brings it nearer.
    fn next_at_or_after(&self) -> Option<Time>;

    /// Returns how many events wait.
    fn len(&self) -> usize;

    /// Tells whether no event waits.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
