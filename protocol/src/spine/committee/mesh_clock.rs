//! Mesh time at one node, between the dates that the committee certifies.
//!
//! A certified date says how late it was at least: from then on no less than what has passed since. How old it was when it
//! came, it does not say. One that came *live* was fresh, and mesh time goes on from it by the monotonic clock alone, so
//! that a wall clock that is wrong, or is set, moves nothing. One read back from disk or caught up with may be as old as two
//! checkpoints are apart: then this node's own clock says how late it is, but never less than is certified, and never more
//! than the committee can have been silent. So who was off for some minutes knows mesh time again at once, and whose own
//! clock lies is off by [`SILENCE_MAX`] at most, until a checkpoint comes live.
//!
//! What comes live is taken for fresh unless mesh time as known here and the own clock both say that it was withheld.
//! Mesh time never goes back while a node runs: it waits until what is certified has come up with it.

use super::state::CHECKPOINT_EVERY;
use crate::core::{
    limits::CLOCK_SKEW_MAX,
    time::{Millis, Mono, Wall},
};

/// Longest time without a newer checkpoint that is no sign of harm: two that are due, and as long as one seat after
/// the other may take to hand one out.
pub(super) const SILENCE_MAX: Millis = Millis(2 * CHECKPOINT_EVERY.0 + 10 * 60 * 1_000);

/// Most by which a date that did not come live may be ahead of mesh time that goes on from a fresh one: that came with the
/// turn of a later seat, or over a slower way. With more, the monotonic clock stood still meanwhile.
const FRESH_MAX: Millis = Millis::from_mins(1);

/// What the clocks of this node show.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The monotonic clock.
    pub mono: Mono,
    /// The wall clock, in mesh time.
    pub clock: Wall,
    /// How many times faster than real time mesh time goes.
    pub scale: u64,
}

impl Reading {
    /// Returns a span of real time in mesh time.
    const fn scaled(&self, span: Millis) -> Millis {
        Millis(span.0.saturating_mul(self.scale))
    }
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeshClock {
    /// What mesh time was at least, and when.
    least: (Wall, Mono),
    /// Whether the own clock tells how much later it is.
    follows: bool,
    /// How late it was here already, and when.
    reached: (Wall, Mono),
}

impl MeshClock {
    /// Begins with the first date that is known to be certified.
    pub(super) fn new(certified: Wall, live: bool, at: &Reading) -> Self {
        let mut clock = Self {
            least: (certified, at.mono),
            follows: true,
            reached: (certified, at.mono),
        };
        clock.take(certified, live, at);
        clock.reach(at);
        clock
    }

    /// Takes in a newer date that the committee has certified.
    pub(super) fn date(&mut self, certified: Wall, live: bool, at: &Reading) {
        self.reach(at);
        self.take(certified, live, at);
        self.reach(at);
    }

    fn take(&mut self, certified: Wall, live: bool, at: &Reading) {
        let (least, shown) = (self.least(at), self.shown(at));
        let oldest = shown.min(at.clock);
        let is_fresh = live && certified + at.scaled(CLOCK_SKEW_MAX) >= oldest;
        if is_fresh {
            self.follows = false;
        } else if certified <= least {
            return;
        } else if certified > least + at.scaled(FRESH_MAX) {
            self.follows = true;
        }
        self.least = (certified, at.mono);
    }

    /// Notes how late it is, so that it is never earlier again.
    pub(super) fn reach(&mut self, at: &Reading) {
        self.reached = (self.time(at), at.mono);
    }

    /// Returns mesh time.
    pub(super) fn time(&self, at: &Reading) -> Wall {
        let shown = self.shown(at);
        let (reached, then) = self.reached;
        match at.mono >= then {
            true => shown.max(reached),
            false => shown,
        }
    }

    /// Returns what mesh time is at least.
    fn least(&self, at: &Reading) -> Wall {
        let (least, then) = self.least;
        least + at.scaled(at.mono.since(then))
    }

    /// Returns what mesh time is by what is certified and the own clocks.
    fn shown(&self, at: &Reading) -> Wall {
        let least = self.least(at);
        match self.follows {
            true => at.clock.clamp(least, least + at.scaled(SILENCE_MAX)),
            false => least,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600_000;
    const MINUTE: u64 = 60_000;
    /// When it is zero on the monotonic clock, by a clock that is right.
    const BEGUN: u64 = 1_790_000_000_000;

    /// What the clocks show a while after the beginning, the wall clock off by so much.
    fn after(passed: u64, off: i64) -> Reading {
        Reading {
            mono: Mono(passed),
            clock: Wall((BEGUN + passed).saturating_add_signed(off)),
            scale: 1,
        }
    }

    fn right(passed: u64) -> Wall {
        Wall(BEGUN + passed)
    }

    #[test]
    fn what_comes_live_is_gone_on_from_whatever_the_own_clock_shows_later() {
        let mut clock = MeshClock::new(right(0), true, &after(1_000, 3_000));
        assert_eq!(clock.time(&after(1_000, 3_000)), right(0));

        for off in [0, 24, -24].map(|hours| hours * HOUR as i64) {
            assert_eq!(clock.time(&after(61_000, off)), right(60_000));
        }

        let set = after(HOUR + 2_000, 24 * HOUR as i64);
        clock.date(right(HOUR), true, &set);
        assert_eq!(clock.time(&set), right(HOUR + 1_000), "it waits");
        let later = after(2 * HOUR, 24 * HOUR as i64);
        assert_eq!(clock.time(&later), right(2 * HOUR - 2_000));
    }

    #[test]
    fn who_was_off_for_minutes_goes_by_its_own_clock_until_a_checkpoint_comes_live() {
        let started = after(40 * MINUTE, 2_000);
        let mut clock = MeshClock::new(right(0), false, &started);
        assert_eq!(clock.time(&started), Wall(right(40 * MINUTE).0 + 2_000));

        let live = after(HOUR + 500, -4_000);
        clock.date(right(HOUR), true, &live);
        for off in [0, HOUR as i64] {
            let time = clock.time(&after(HOUR + MINUTE, off));
            assert_eq!(time, right(HOUR + MINUTE - 500));
        }
    }

    #[test]
    fn an_own_clock_that_lies_is_believed_within_what_is_certified_and_may_have_passed() {
        for off in [24, -24].map(|hours| hours * HOUR as i64) {
            let clock = MeshClock::new(right(0), false, &after(0, off));
            for passed in [0, MINUTE, 5 * HOUR] {
                let most = if off > 0 { SILENCE_MAX.0 } else { 0 };
                assert_eq!(clock.time(&after(passed, off)), right(passed + most));
            }
        }
        let fast = Reading {
            scale: 10,
            ..after(0, 24 * HOUR as i64)
        };
        let clock = MeshClock::new(right(0), false, &fast);
        assert_eq!(clock.time(&fast), right(10 * SILENCE_MAX.0));
    }

    #[test]
    fn what_was_withheld_and_then_comes_live_takes_nobody_back() {
        for live in [true, false] {
            let mut clock = MeshClock::new(right(0), live, &after(0, 0));
            let at = after(HOUR + 30 * MINUTE, 0);
            clock.date(right(HOUR), true, &at);
            let later = after(4 * HOUR, 0);
            assert_eq!(clock.time(&later), right(4 * HOUR), "known live: {live}");
        }
        // One clock alone that says so is the one that is wrong.
        let mut clock = MeshClock::new(right(0), true, &after(0, 0));
        let set = after(HOUR, 30 * MINUTE as i64);
        clock.date(right(HOUR - 1_000), true, &set);
        assert_eq!(clock.time(&after(2 * HOUR, 0)), right(2 * HOUR - 1_000));
    }

    #[test]
    fn what_is_caught_up_with_moves_little_and_shows_that_the_monotonic_clock_stood_still() {
        let mut clock = MeshClock::new(right(0), true, &after(2_000, 0));
        clock.date(right(HOUR), false, &after(HOUR + 1_000, 0));
        let at = after(HOUR + MINUTE, 20 * MINUTE as i64);
        assert_eq!(clock.time(&at), right(HOUR + MINUTE - 1_000));

        // It slept for two hours and then hears of a checkpoint of 20 minutes before.
        let woken = after(HOUR + MINUTE, 2 * HOUR as i64);
        let certified = right(3 * HOUR - 19 * MINUTE);
        clock.date(certified, false, &woken);
        assert_eq!(clock.time(&woken), woken.clock);
    }

    #[test]
    fn a_moment_before_is_not_told_as_the_present() {
        let mut clock = MeshClock::new(right(0), true, &after(0, 0));
        clock.reach(&after(MINUTE, 0));
        assert_eq!(clock.time(&after(MINUTE - 50, 0)), right(MINUTE - 50));
    }

    proptest! {
        #[test]
        fn it_never_goes_back_nor_behind_what_is_certified_nor_too_far_ahead(
            live in any::<bool>(),
            steps in prop::collection::vec(
                (0..2 * HOUR, -24 * HOUR as i64..24 * HOUR as i64, 0..HOUR, any::<bool>(), any::<bool>()),
                1..30,
            ),
        ) {
            let mut clock = MeshClock::new(right(0), live, &after(0, 0));
            let (mut passed, mut newest, mut last) = (0, 0, right(0));
            for (span, off, age, comes, live) in steps {
                passed += span;
                let at = after(passed, off);
                clock.reach(&at);
                let certified = passed.saturating_sub(age);
                if comes && certified > newest {
                    clock.date(right(certified), live, &at);
                    newest = certified;
                }
                let time = clock.time(&at);
                prop_assert!(time >= last, "{last}, then {time}");
                prop_assert!(time >= right(newest), "{time} before {}", right(newest));
                prop_assert!(time <= right(passed) + SILENCE_MAX, "{time}, {passed} passed");
                last = time;
            }
        }
    }
}
