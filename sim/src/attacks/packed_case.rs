//! Hostile seats in a case: they convict somebody innocent, or see to it that somebody guilty goes free.

use x0_crypto::{ContentId, Identity};
use x0_protocol::{Millis, wire::CaseSay};

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    chamber::{
        Chamber,
        court::{founding, guilty, named},
    },
};
use crate::random::Seed;

/// Sizes of the committees.
const SIZES: [u32; 4] = [4, 7, 10, 15];
/// Members of the chamber beside the seats.
const OTHERS: u32 = 6;
/// The window of an appeal, with a day on top; and the time after which a case that nobody decides ends.
const APPEAL: Millis = Millis::from_mins(96 * 60);
const LAPSE: Millis = Millis::from_mins(91 * 24 * 60);

/// See the module.
pub(super) struct PackedCase;

/// What so many hostile seats of so many came to.
#[derive(Clone, Copy, Debug)]
struct Row {
    size: usize,
    hostile: usize,
    needed: usize,
    trials: u64,
    /// Somebody innocent was sentenced; the same if the accused appealed.
    convicted: u64,
    upheld: u64,
    /// A case in which all honest persons found a violation was dismissed; ended without a penalty, by refusing to speak.
    acquitted: u64,
    stalled: u64,
}

impl Row {
    /// Hostile seats that an agreement bears.
    const fn faulty_max(&self) -> usize {
        (self.size - 1) / 3
    }
}

impl Attack for PackedCase {
    fn name(&self) -> &'static str {
        "packed-case"
    }

    fn summary(&self) -> &'static str {
        "The persons of hostile seats find somebody innocent guilty, uphold it against the appeal, dismiss a case in \
         which all honest ones see a violation, and keep silent so that no verdict comes; one of them is accused herself."
    }

    fn expected(&self) -> &'static str {
        "Up to f hostile seats of 3f+1 convict nobody, acquit nobody and hold nothing up; an accused has no word. As many \
         as the charter asks words of decide alone, and that is fewer than a quorum in a committee of more than seven."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut rows: Vec<Row> = Vec::new();
        let mut own_words = (0, 0);
        config.repeat(pulse, |seed, told| {
            for (number, size) in SIZES.into_iter().enumerate() {
                one_size(seed, size, &mut rows);
                let heard = own_word(seed, size);
                own_words = (own_words.0 + u64::from(heard), own_words.1 + 1);
                told((number + 1) as f64 / SIZES.len() as f64);
            }
        });
        let mut outcome = Outcome::new(self, config);
        report(&mut outcome, &rows, own_words);
        outcome
    }
}

fn one_size(seed: Seed, size: u32, rows: &mut Vec<Row>) {
    let seats = size as usize;
    let chamber = Chamber::new(seed, size + OTHERS, &founding(size));
    let needed = chamber.approvals();
    let mut court = Court { chamber, said: 1 };
    for hostile in 0..=seats {
        let at = rows
            .iter()
            .position(|row| (row.size, row.hostile) == (seats, hostile));
        let at = at.unwrap_or_else(|| {
            rows.push(Row {
                size: seats,
                hostile,
                needed,
                trials: 0,
                convicted: 0,
                upheld: 0,
                acquitted: 0,
                stalled: 0,
            });
            rows.len() - 1
        });
        let row = &mut rows[at];
        row.trials += 1;
        row.convicted += u64::from(court.convict(hostile, false));
        row.upheld += u64::from(court.convict(hostile, true));
        row.acquitted += u64::from(court.acquit((hostile, seats), true));
        row.stalled += u64::from(court.acquit((hostile, seats), false));
    }
}

/// A chamber, and how many records its persons have written.
struct Court {
    chamber: Chamber,
    said: u64,
}

impl Court {
    /// Opens a case about somebody without a seat.
    fn begin(&mut self) -> (ContentId, Identity) {
        let first = self.chamber.seat_count() as u32;
        self.said += 1;
        // Each case has an accused of its own as long as there are some: a sentence of the last must not decide the next.
        let accused = self
            .chamber
            .identity(first + (self.said as u32) % (OTHERS - 1));
        let teller = self.chamber.identity(first + OTHERS - 1);
        let report = self.chamber.report(&teller, self.said, accused.public());
        let case = report.value().id();
        self.chamber.hear(vec![report]);
        (case, accused)
    }

    /// Has persons of seats say the same, one block for each.
    fn say(&mut self, seats: std::ops::Range<usize>, case: ContentId, say: CaseSay) {
        for seat in seats {
            self.said += 1;
            let person = self.chamber.person(seat);
            let word = self.chamber.word(person, self.said, case, say);
            self.chamber.hear(vec![word]);
        }
    }

    /// Hostile seats alone take a case from its report to a verdict against somebody innocent.
    fn convict(&mut self, hostile: usize, appeals: bool) -> bool {
        let (case, accused) = self.begin();
        self.say(0..hostile, case, CaseSay::Open);
        self.say(0..hostile, case, guilty(accused.public()));
        if appeals {
            self.said += 1;
            let appeal = self.chamber.appeal(&accused, self.said, case);
            self.chamber.hear(vec![appeal]);
            self.say(0..hostile, case, CaseSay::Uphold);
        }
        self.chamber.wait(APPEAL);
        let is_final = self.chamber.is_final(&case);
        self.chamber.wait(LAPSE);
        is_final
    }

    /// All honest persons find a violation; hostile ones speak first and dismiss it, or say nothing at all.
    fn acquit(&mut self, (hostile, seats): (usize, usize), speaks: bool) -> bool {
        let (case, accused) = self.begin();
        let honest = hostile..seats;
        if speaks {
            self.say(0..hostile, case, CaseSay::Dismiss);
        }
        self.say(honest.clone(), case, CaseSay::Open);
        if speaks {
            self.say(0..hostile, case, CaseSay::Dismiss);
        }
        self.say(honest, case, guilty(accused.public()));
        self.chamber.wait(APPEAL);
        let is_final = self.chamber.is_final(&case);
        self.chamber.wait(LAPSE);
        !is_final
    }
}

/// Tells whether the word of a seat that is accused itself counts in its case.
fn own_word(seed: Seed, size: u32) -> bool {
    let mut chamber = Chamber::new(Seed(seed.0 ^ 0x0c), size + OTHERS, &founding(size));
    let needed = chamber.approvals();
    let teller = chamber.identity(size + 1);
    let accused = chamber.person(0).public();
    let report = chamber.report(&teller, 1, accused);
    let case = report.value().id();
    chamber.hear(vec![report]);
    let words = |chamber: &Chamber, seats: std::ops::Range<usize>, seq, say| -> Vec<_> {
        seats
            .map(|seat| chamber.word(chamber.person(seat), seq, case, say))
            .collect()
    };
    let open = words(&chamber, 1..needed + 1, 2, CaseSay::Open);
    chamber.hear(open);
    let found = words(&chamber, 1..2, 3, guilty(accused));
    chamber.hear(found);
    let before = named(chamber.case(&case));
    let own = chamber.word(chamber.person(0), 4, case, CaseSay::Dismiss);
    let taken = chamber.hear(vec![own]);
    taken > 0 || named(chamber.case(&case)) != before
}

fn report(outcome: &mut Outcome, rows: &[Row], (heard, accused): (u64, u64)) {
    let within = |row: &&Row| row.hostile <= row.faulty_max();
    let named = |row: &Row| format!("{} of {} seats", row.hostile, row.size);
    let none = |what: fn(&Row) -> u64| rows.iter().filter(within).find(|row| what(row) > 0);
    for (claim, what) in [
        (
            "up to f hostile seats convict nobody",
            (|row: &Row| row.convicted + row.upheld) as fn(&Row) -> u64,
        ),
        (
            "up to f hostile seats dismiss no case in which the honest ones see a violation",
            |row| row.acquitted,
        ),
        ("up to f silent seats hold no verdict up", |row| row.stalled),
    ] {
        let off = none(what);
        outcome.claim(
            claim,
            off.is_none() && !rows.is_empty(),
            off.map_or_else(|| "in every size".to_owned(), named),
        );
    }
    let off = rows.iter().find(|row| {
        let all = if row.hostile >= row.needed {
            row.trials
        } else {
            0
        };
        [row.convicted, row.upheld] != [all; 2]
    });
    outcome.claim(
        "hostile seats convict, against an appeal too, exactly from as many on as the charter asks words of",
        off.is_none() && rows.iter().any(|row| row.convicted > 0),
        off.map_or_else(|| "in every size".to_owned(), named),
    );
    let off = rows.iter().find(|row| {
        let all = if row.size - row.hostile < row.needed {
            row.trials
        } else {
            0
        };
        row.stalled != all
    });
    outcome.claim(
        "silence keeps a verdict from coming exactly if too few are left to speak; what nobody decides ends without one",
        off.is_none() && rows.iter().any(|row| row.stalled > 0),
        off.map_or_else(|| "in every size".to_owned(), named),
    );
    outcome.claim(
        "a seat that is accused has no word in its case",
        heard == 0 && accused > 0,
        format!("{heard} of {accused} were heard"),
    );
    for size in SIZES.map(|size| size as usize) {
        let of_size = || rows.iter().filter(|row| row.size == size);
        let Some(first) = of_size().next() else {
            continue;
        };
        let trials = of_size().map(|row| row.trials).sum();
        outcome.count(
            format!("{size} seats: hostile ones that the agreement bears"),
            first.faulty_max() as u64,
            trials,
        );
        for (what, counts) in [
            (
                "that convict somebody innocent",
                (|row: &Row| row.convicted) as fn(&Row) -> u64,
            ),
            ("that dismiss a true case", |row| row.acquitted),
            ("that hold a verdict up by silence", |row| row.stalled),
        ] {
            let least = of_size()
                .filter(|row| counts(row) > 0)
                .map(|row| row.hostile);
            let least = least.min().unwrap_or(size + 1);
            outcome.count(
                format!("{size} seats: fewest hostile ones {what}"),
                least as u64,
                trials,
            );
        }
    }
    let line = |size: u32| Series {
        label: format!("{size} seats"),
        points: rows
            .iter()
            .filter(|row| row.size == size as usize)
            .map(|row| Point::share(row.hostile as f64, row.convicted, row.trials))
            .collect(),
    };
    outcome.plots.push(Plot {
        name: "packed-case",
        title: "Cases in which hostile seats alone convict somebody innocent".to_owned(),
        x: "hostile seats",
        y: "share of cases",
        series: SIZES.map(line).into(),
    });
}
