//! An agent varies all it can of an act until those are drawn whom it likes.

use x0_protocol::{Millis, wire::Subject};

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    chamber::{Chamber, draw_hostile, targets},
    stage::{founding_drawn_for, width_drawn_for},
    statistics::chi_squared,
};
use crate::random::Seed;

/// Groups of places that are counted.
const BUCKETS: usize = 20;
/// Variants of one act that are tried at once.
const VARIANTS: [u32; 4] = [1, 4, 16, 64];

/// See the module.
pub(super) struct Grinding;

impl Attack for Grinding {
    fn name(&self) -> &'static str {
        "grinding"
    }

    fn summary(&self) -> &'static str {
        "An agent varies parameters, targets, times and delegates of an act, so that it has many digests, and tries to \
         learn or choose who will be drawn for them."
    }

    fn expected(&self) -> &'static str {
        "However many variants there are, a root gets one draw at a time; draws are spread evenly over the electorate, \
         one of each invite subtree, and no set of seats below the threshold knows or alters the round they are drawn by."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut outcome = Outcome::new(self, config);
        let mut seen = Seen::default();
        config.repeat(pulse, |seed, told| draws(config, seed, &mut seen, told));
        let Seen {
            places,
            drawn,
            hostile,
            doubled,
            gained,
            unknown,
            other_values,
            rounds,
            late,
        } = seen;
        let (statistic, chance) = chi_squared(&places);
        outcome.claim(
            "the places drawn are spread evenly over the electorate (chi-squared, 0.1 %)",
            chance > 0.001,
            format!("chi-squared {statistic:.1} over {BUCKETS} groups of places, p = {chance:.3}"),
        );
        outcome.claim(
            "nobody is drawn beside another of the same subtree",
            doubled == 0,
            format!("{doubled} of {rounds} draws"),
        );
        outcome.claim(
            "whatever is varied, a root gets one draw at a time",
            gained.iter().all(|(variants, draws)| *draws == u64::from(config.runs) || *variants == 0) && late == 0,
            format!("{gained:?} draws gained by so many variants in {} runs; {late} by waiting less than the back-off", config.runs),
        );
        outcome.claim(
            "seats below the threshold do not know a round",
            unknown == rounds,
            format!(
                "{unknown} of {rounds} rounds could not be made by one seat less than the threshold"
            ),
        );
        outcome.claim(
            "every set of seats makes the same signature of a round",
            other_values == 0,
            format!("{other_values} of {rounds} rounds had a second signature"),
        );
        let exact = f64::from(config.hostile_of(config.nodes)) - 1.0;
        let exact = exact / f64::from(config.nodes - 1);
        outcome.claim_agrees(
            "hostile members are drawn as often as there are of them",
            (hostile, drawn),
            exact,
        );
        outcome.share("drawn members who are hostile", hostile, drawn, Some(exact));
        outcome.count(
            "chi-squared of places, over 19 degrees of freedom",
            statistic.round() as u64,
            drawn,
        );
        let points = gained.iter().map(|(variants, draws)| {
            Point::exact(f64::from(*variants), *draws as f64 / f64::from(config.runs))
        });
        outcome.plots.push(Plot {
            name: "grinding",
            title: "Draws a root gains by trying variants of an act at once".to_owned(),
            x: "variants tried",
            y: "draws gained",
            series: vec![Series {
                label: "measured".to_owned(),
                points: points.collect(),
            }],
        });
        outcome
    }
}

#[derive(Default)]
struct Seen {
    places: Vec<u64>,
    drawn: u64,
    hostile: u64,
    doubled: u64,
    gained: Vec<(u32, u64)>,
    unknown: u64,
    other_values: u64,
    rounds: u64,
    late: u64,
}

fn draws(config: &Config, seed: Seed, seen: &mut Seen, told: &dyn Fn(f64)) {
    let nodes = config.nodes;
    let founding = founding_drawn_for(4, nodes);
    let mut chamber = Chamber::new(seed, nodes, &founding);
    let hostile = draw_hostile(seed, 4, nodes, config.hostile_of(nodes));
    let width = width_drawn_for(nodes);
    seen.places.resize(BUCKETS, 0);
    for number in 0..config.draws {
        one_draw(&mut chamber, number, width, &hostile, seen);
        chamber.pass(Millis::from_mins(60));
        told(f64::from(number + 1) / f64::from(config.draws));
    }
    for variants in VARIANTS {
        chamber.pass(Millis::from_mins(25 * 60));
        vary(&mut chamber, variants, width, &hostile, seen);
    }
}

fn one_draw(chamber: &mut Chamber, number: u32, width: usize, hostile: &[u32], seen: &mut Seen) {
    let (agent, members) = (
        chamber.identity(hostile[0]),
        chamber.directory().active_count(),
    );
    let grantor = chamber.identity(4 + number % (members - 4));
    let change = chamber.fresh_change();
    let at = targets((0..members).take(width).map(|node| chamber.key(node)));
    let admission = chamber.ask(&agent, &grantor, change, at);
    let Ok(admitted) = chamber.admit(admission) else {
        return;
    };
    let Some(draw) = chamber.draw(&admitted) else {
        return;
    };
    seen.rounds += 1;
    let round = Subject::Round(admitted.ticket.round + 1);
    let few: Vec<_> = (0..chamber.threshold() - 1).collect();
    seen.unknown += u64::from(
        chamber
            .combine(round, &chamber.parts(round, &few))
            .is_none(),
    );
    let others: Vec<_> = (1..=chamber.threshold()).collect();
    let again = chamber.combine(round, &chamber.parts(round, &others));
    seen.other_values += u64::from(again != Some(draw.signature));
    let count = u64::from(admitted.ticket.electorate.count);
    for placed in draw.looked_at.iter().take(3) {
        let bucket = u64::from(placed.place) * BUCKETS as u64 / count;
        seen.places[bucket as usize] += 1;
    }
    let drawn = chamber.drawn(&admitted, &draw);
    let mut subtrees: Vec<_> = drawn
        .iter()
        .map(|key| chamber.directory().subtree_of(key))
        .collect();
    subtrees.sort_unstable();
    subtrees.dedup();
    seen.doubled += u64::from(subtrees.len() != drawn.len());
    for key in drawn.iter().take(3) {
        seen.drawn += 1;
        let is_hostile = chamber
            .node(key)
            .is_some_and(|node| hostile.contains(&node));
        seen.hostile += u64::from(is_hostile);
    }
}

/// Puts many variants of one act before the committee at once, and again within the back-off.
fn vary(chamber: &mut Chamber, variants: u32, width: usize, hostile: &[u32], seen: &mut Seen) {
    let members = chamber.directory().active_count();
    let grantor = chamber.identity(hostile[1 % hostile.len()]);
    let mut draws = 0;
    for variant in 0..variants {
        // Another agent, other targets, another value and another expiry: all of it changes the digest.
        let agent = chamber.identity(hostile[variant as usize % hostile.len()]);
        let first = variant % (members - width as u32);
        let at = targets((first..).take(width).map(|node| chamber.key(node)));
        let change = chamber.fresh_change();
        let admission = chamber.ask(&agent, &grantor, change, at);
        draws += u64::from(chamber.admit(admission).is_ok());
    }
    chamber.pass(Millis::from_mins(9));
    let agent = chamber.identity(hostile[0]);
    let at = targets((0..members).take(width).map(|node| chamber.key(node)));
    let change = chamber.fresh_change();
    let admission = chamber.ask(&agent, &grantor, change, at);
    seen.late += u64::from(chamber.admit(admission).is_ok());
    match seen.gained.iter_mut().find(|(of, _)| *of == variants) {
        Some((_, gained)) => *gained += draws,
        None => seen.gained.push((variants, draws)),
    }
}
