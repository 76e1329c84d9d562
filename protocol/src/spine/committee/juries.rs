//! The juries of the days: drawn a day before they serve, so that an emergency finds one whether or not the committee
//! can be reached then.
//!
//! A draw takes a round of the beacon. It is due as soon as members enough are on call, and from then on whenever the
//! jury drawn last begins to serve. The pool must be so large that hostile members are unlikely to fill a jury:
//! [`JURY_POOL_MIN`] members, or that share of all which is enough for a jury of the usual size, and never fewer
//! than [`POOL_MIN`].

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use crate::{
    core::{
        limits::{EMERGENCY_WINDOW_MAX, JURY_POOL_MIN, JURY_POOL_PERCENT_MIN},
        time::{Millis, Wall},
    },
    wire::{Elector, JuryDrawn, encode_entry, jury_electorate},
};

/// How long before it serves a jury is drawn, and how long it serves.
const DAY: Millis = Millis::from_mins(24 * 60);

/// Fewest members on call from whom a jury of a day is drawn: of two, one alone could stop the other.
const POOL_MIN: usize = 3;

/// Juries that are kept: the one that serves, the next, and those whose votes may still run.
const JURIES_KEPT_MAX: usize = 4;

/// The juries of the days, the newest last.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DayJuries {
    mesh: ContentId,
    drawn: Vec<DayJury>,
    /// The round of the beacon that is to draw the next.
    round: Option<u64>,
    /// Those who were on call when that round was asked for, before anybody knew it: the next is drawn from them.
    pool: Vec<Elector>,
}

/// The jury of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DayJury {
    /// What the committee certifies of it.
    pub(super) stated: JuryDrawn,
    /// The jurors, in order.
    pub(super) jurors: Vec<PublicKey>,
}

impl DayJuries {
    pub(super) const fn new(mesh: ContentId) -> Self {
        Self {
            mesh,
            drawn: Vec::new(),
            round: None,
            pool: Vec::new(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &DayJury> {
        self.drawn.iter()
    }

    /// Returns the jury that is asked about what is proposed at a moment.
    pub(super) fn serving(&self, made: Wall) -> Option<&DayJury> {
        self.drawn.iter().find(|jury| jury.stated.serves(made))
    }

    pub(super) fn has(&self, stated: &JuryDrawn) -> bool {
        self.drawn.iter().any(|jury| jury.stated == *stated)
    }

    /// Returns the name of the draw that is due, and its round.
    pub(super) fn to_draw(&self) -> Option<(ContentId, u64)> {
        let round = self.round?;
        let name = ContentId::of(&encode_entry(&("x0/jury-day/1", self.mesh, round)));
        Some((name, round))
    }

    /// Tells whether a draw is to be planned.
    pub(super) fn is_due(&self, now: Wall) -> bool {
        let last = self.drawn.last().map(|jury| jury.stated.from);
        self.round.is_none() && last.is_none_or(|from| from <= now)
    }

    /// Returns the mesh time from which the next draw is due, if one is known.
    pub(super) fn due_at(&self) -> Option<Wall> {
        let last = self.drawn.last().filter(|_| self.round.is_none());
        last.map(|jury| jury.stated.from)
    }

    /// Plans the draw that is due by a round, with so many on call of so many members; tells whether it is asked for.
    pub(super) fn plan(&mut self, (pool, members): (usize, u32), round: u64) -> bool {
        let is_enough = is_pool(pool, members);
        if is_enough {
            self.round = Some(round);
        }
        is_enough
    }

    /// Keeps those from whom the planned draw is made.
    pub(super) fn keep_pool(&mut self, pool: Vec<Elector>) {
        self.pool = pool;
    }

    /// Returns those from whom the planned draw is made.
    pub(super) fn pool(&self) -> &[Elector] {
        &self.pool
    }

    /// Seats the jury that was drawn: it serves when the one before has ended, or else a day from now.
    pub(super) fn seat(&mut self, jurors: Vec<PublicKey>, height: u64, now: Wall) {
        self.round = None;
        self.pool.clear();
        if jurors.is_empty() {
            return;
        }
        let before = self.drawn.last().map(|jury| jury.stated.until);
        let from = before.filter(|until| *until > now).unwrap_or(now + DAY);
        self.drawn.push(DayJury {
            stated: JuryDrawn {
                height,
                electorate: jury_electorate(&jurors),
                from,
                until: from + DAY,
            },
            jurors,
        });
        self.drawn
            .retain(|jury| jury.stated.until + EMERGENCY_WINDOW_MAX > now);
        if self.drawn.len() > JURIES_KEPT_MAX {
            self.drawn.remove(0);
        }
    }
}

/// Tells whether so many on call of so many members are pool enough.
fn is_pool(pool: usize, members: u32) -> bool {
    let pool_wide = u64::try_from(pool).unwrap_or(u64::MAX);
    let is_share =
        pool_wide.saturating_mul(100) >= u64::from(members) * u64::from(JURY_POOL_PERCENT_MIN);
    pool >= POOL_MIN && (is_share || pool_wide >= u64::from(JURY_POOL_MIN))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{super::members::tests::key, *};

    const HOUR: u64 = 3_600_000;

    fn at(hour: u64) -> Wall {
        Wall(hour * HOUR)
    }

    #[test]
    fn one_jury_serves_at_a_time_and_the_next_is_known_a_day_ahead() {
        let mesh = ContentId::from_digest([1; 32]);
        let mut juries = DayJuries::new(mesh);
        assert!(!juries.plan((2, 5), 1), "two are too few");
        assert!(!juries.plan((9, 100), 1), "a tenth is too few");
        assert!(juries.is_due(at(0)) && juries.plan((20, 100), 1));
        assert!(!juries.is_due(at(0)), "one draw at a time");
        assert_eq!(juries.to_draw().unwrap().1, 1);
        juries.seat(vec![key(1)], 7, at(1));
        assert_eq!(juries.to_draw(), None);

        assert_eq!(juries.serving(at(24)), None);
        for hour in 25..200 {
            if juries.is_due(at(hour)) && juries.plan((20, 100), hour) {
                // The round takes a while to be signed.
                juries.seat(vec![key(u16::try_from(hour).unwrap())], hour, at(hour + 1));
            }
            let serving = juries.iter().filter(|jury| jury.stated.serves(at(hour)));
            assert_eq!(serving.count(), 1, "hour {hour}");
            let ahead = juries.iter().filter(|jury| jury.stated.from > at(hour));
            assert_eq!(ahead.count(), 1, "hour {hour}");
            assert!(juries.iter().count() <= JURIES_KEPT_MAX);
        }
    }
}
