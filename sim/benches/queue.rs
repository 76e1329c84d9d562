//! What one event costs in each queue, with 10,000 to 1,000,000 events waiting.
//!
//! The classic hold model: take the least event out, put one in a random delay ahead of it.

use divan::{Bencher, black_box, counter::ItemsCount};
use x0_sim::{
    queue::{EventQueue, Heap, Timed, Wheel},
    random::{Purpose, Seed, Stream},
    time::{Span, Time},
};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

const HOLDS: u32 = 100_000;

fn main() {
    divan::main();
}

#[divan::bench(types = [Wheel<Event>, Heap<Event>], args = [10_000, 100_000, 1_000_000])]
fn hold<Q: EventQueue<Event> + Default>(bencher: Bencher<'_, '_>, waiting: u32) {
    let mut stream = Seed(1).stream(Purpose::Transit, 0);
    let mut queue = Q::default();
    for sequence in 0..waiting {
        queue.push(event(Time::START, sequence, &mut stream));
    }
    let mut delays: Vec<Event> = (0..HOLDS)
        .map(|n| event(Time::START, n, &mut stream))
        .collect();
    stream.shuffle(&mut delays);
    bencher.counter(ItemsCount::new(HOLDS)).bench_local(|| {
        for held in &delays {
            if let Some(next) = queue.pop() {
                queue.push(Event {
                    at: next.at + Span(held.at.0),
                    ..*held
                });
            }
        }
        black_box(queue.len())
    });
}

fn event(now: Time, sequence: u32, stream: &mut Stream) -> Event {
    let delay = Span::from_millis(6) + Span(u64::from(stream.below(400_000)));
    Event {
        at: now + delay,
        destination: stream.bits(),
        source: stream.bits(),
        sequence,
    }
}
