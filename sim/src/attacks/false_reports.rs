//! A flood of reports in which there is nothing: how long those wait who report something, and what the flood earns.

use x0_protocol::{Millis, wire::CaseSay};

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    chamber::{
        Chamber,
        court::{BOUNTY_X0, founding, guilty},
    },
};
use crate::random::Seed;

/// Seats of the committee.
const SEATS: u32 = 4;
/// Hostile members, at most, and some others.
const HOSTILE_MAX: u32 = 20;
const OTHERS: u32 = 4;
/// Reports that each hostile member hands in.
const EACH: u64 = 6;
/// What one member, strangers and all together may have open: the protocol's bounds.
const PER_MEMBER: usize = 4;
const OPEN_MAX: usize = 64;
const SEALED_AN_HOUR: usize = 16;
const SEALED_MAX: usize = 32;
/// Sealed reports that strangers hand in within an hour.
const SEALED_EACH_HOUR: u32 = 17;
const HOUR: Millis = Millis::from_mins(61);
const APPEAL: Millis = Millis::from_mins(96 * 60);

/// See the module.
pub(super) struct FalseReports;

#[derive(Default)]
struct Seen {
    /// By hostile members: open cases, and how often a report of somebody honest got in at once.
    named: Vec<(u32, usize, bool)>,
    most_of_one: usize,
    sealed_in_hour: usize,
    sealed_in_all: usize,
    member_beside_sealed: u64,
    after_dismissal: u64,
    paid_for_dismissed: u64,
    paid_for_verdict: Vec<f64>,
    trials: u64,
}

impl Attack for FalseReports {
    fn name(&self) -> &'static str {
        "false-reports"
    }

    fn summary(&self) -> &'static str {
        "Members and strangers hand in reports in which there is nothing, as many as the rules let in, so that the \
         committee has no room for others; and two who work together report one another for the bounty."
    }

    fn expected(&self) -> &'static str {
        "Each member has 4 cases open and strangers 32, so that fewer than 16 hostile members keep no report waiting; \
         16 do until the seats dismiss one. What is dismissed pays nothing."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        config.repeat(pulse, |seed, told| {
            for hostile in [1, 8, 15, 16, HOSTILE_MAX] {
                by_name(seed, hostile, &mut seen);
            }
            told(0.4);
            sealed(seed, &mut seen);
            told(0.9);
            bounty(seed, &mut seen);
            seen.trials += 1;
        });
        let mut outcome = Outcome::new(self, config);
        report(&mut outcome, &seen);
        outcome
    }
}

fn chamber(seed: Seed) -> Chamber {
    Chamber::new(seed, SEATS + HOSTILE_MAX + OTHERS, &founding(SEATS))
}

fn by_name(seed: Seed, hostile: u32, seen: &mut Seen) {
    let mut chamber = chamber(seed);
    let accused = chamber.key(SEATS + HOSTILE_MAX + 1);
    let mut first = None;
    for member in 0..hostile {
        let teller = chamber.identity(SEATS + member);
        let mut taken = 0;
        for seq in 0..EACH {
            let report = chamber.report(&teller, seq, accused);
            first.get_or_insert_with(|| report.value().id());
            taken += chamber.hear(vec![report]);
        }
        seen.most_of_one = seen.most_of_one.max(taken);
    }
    let open = chamber.open_cases();
    let honest = chamber.identity(SEATS + HOSTILE_MAX);
    let report = chamber.report(&honest, 0, chamber.key(SEATS));
    let at_once = chamber.hear(vec![report.clone()]) == 1;
    seen.named.push((hostile, open, at_once));
    if let (false, Some(first)) = (at_once, first) {
        let words = (0..chamber.approvals())
            .map(|seat| chamber.word(chamber.person(seat), 1, first, CaseSay::Dismiss))
            .collect();
        chamber.hear(words);
        seen.after_dismissal += u64::from(chamber.hear(vec![report]) == 1);
    }
}

fn sealed(seed: Seed, seen: &mut Seen) {
    let mut chamber = chamber(seed);
    let accused = chamber.key(SEATS + HOSTILE_MAX + 1);
    let mut in_all = 0;
    for hour in 0..3 {
        let mut in_hour = 0;
        // In the third hour all room is taken: a few tries show it.
        let tries = if hour == 2 { 2 } else { SEALED_EACH_HOUR };
        for number in 0..tries {
            let report = chamber.sealed_report(seed, hour * SEALED_EACH_HOUR + number, accused);
            in_hour += report.map_or(0, |report| chamber.hear(vec![report]));
        }
        in_all += in_hour;
        seen.sealed_in_hour = seen.sealed_in_hour.max(in_hour);
        chamber.wait(HOUR);
    }
    seen.sealed_in_all = seen.sealed_in_all.max(in_all);
    let honest = chamber.identity(SEATS + HOSTILE_MAX);
    let report = chamber.report(&honest, 0, accused);
    seen.member_beside_sealed += chamber.hear(vec![report]) as u64;
}

/// One of two who work together reports the other.
fn bounty(seed: Seed, seen: &mut Seen) {
    for (convinced, seq) in [(false, 0), (true, 1)] {
        let mut chamber = chamber(seed);
        let (teller, thrown) = (chamber.identity(SEATS), chamber.key(SEATS + 1));
        let report = chamber.report(&teller, seq, thrown);
        let case = report.value().id();
        chamber.hear(vec![report]);
        let say = if convinced {
            CaseSay::Open
        } else {
            CaseSay::Dismiss
        };
        let needed = chamber.approvals();
        let words = |chamber: &Chamber, seq, say| -> Vec<_> {
            (0..needed)
                .map(|seat| chamber.word(chamber.person(seat), seq, case, say))
                .collect()
        };
        let first = words(&chamber, 1, say);
        chamber.hear(first);
        let second = words(&chamber, 2, guilty(thrown));
        chamber.hear(second);
        chamber.wait(APPEAL);
        let paid = chamber.bounty_of(&case);
        match convinced {
            true => seen.paid_for_verdict.push(paid as f64),
            false => seen.paid_for_dismissed += paid,
        }
    }
}

fn report(outcome: &mut Outcome, seen: &Seen) {
    let trials = seen.trials;
    outcome.claim(
        "no member has more than 4 cases open, and no more than 64 are",
        seen.most_of_one == PER_MEMBER && seen.named.iter().all(|(_, open, _)| *open <= OPEN_MAX),
        format!("{} of one member at most", seen.most_of_one),
    );
    let off = seen.named.iter().find(|(hostile, _, at_once)| {
        let fills = *hostile as usize * PER_MEMBER >= OPEN_MAX;
        *at_once == fills
    });
    outcome.claim(
        "a report gets in at once beside fewer than 16 hostile members, and waits beside 16",
        off.is_none() && !seen.named.is_empty(),
        off.map_or_else(
            || "1, 8, 15, 16 and 20 of them".to_owned(),
            |(hostile, open, _)| format!("{hostile} members, {open} cases open"),
        ),
    );
    let waited = seen.named.iter().filter(|(_, _, at_once)| !at_once).count() as u64;
    outcome.claim(
        "who waits gets in as soon as the seats dismiss one false report",
        seen.after_dismissal == waited && waited > 0,
        format!("{} of {waited}", seen.after_dismissal),
    );
    outcome.claim(
        "strangers have 16 reports taken up in an hour and 32 open, and leave room for members",
        (seen.sealed_in_hour, seen.sealed_in_all) == (SEALED_AN_HOUR, SEALED_MAX)
            && seen.member_beside_sealed == trials,
        format!(
            "{} in an hour, {} in all; {} members got in beside them",
            seen.sealed_in_hour, seen.sealed_in_all, seen.member_beside_sealed
        ),
    );
    outcome.claim(
        "a report that is dismissed pays nothing",
        seen.paid_for_dismissed == 0 && trials > 0,
        format!("{} x0", seen.paid_for_dismissed),
    );
    outcome.mean(
        "bounty of a pair if the seats convict the one whom the other throws away",
        "x0",
        &seen.paid_for_verdict,
    );
    outcome.count("what the seats said that the bounty is", BOUNTY_X0, trials);
    for (hostile, open, at_once) in seen.named.iter().take(5) {
        outcome.count(
            format!("{hostile} hostile members: cases open"),
            *open as u64,
            trials,
        );
        outcome.count(
            format!("{hostile} hostile members: an honest report gets in at once"),
            u64::from(*at_once),
            trials,
        );
    }
    outcome.plots.push(Plot {
        name: "false-reports",
        title: "Cases that false reports of members keep open".to_owned(),
        x: "hostile members",
        y: "open cases",
        series: vec![Series {
            label: "of 64 places".to_owned(),
            points: seen
                .named
                .iter()
                .take(5)
                .map(|(hostile, open, _)| Point::exact(f64::from(*hostile), *open as f64))
                .collect(),
        }],
    });
}
