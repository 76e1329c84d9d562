//! One member, or three together, invite a flood of nodes of their own.

use x0_crypto::{Identity, PublicKey};
use x0_protocol::{
    Millis,
    wire::{MemberChange, MemberFacts},
};

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    chamber::{Chamber, targets},
    stage::{founding_drawn_for, width_drawn_for},
};
use crate::random::{Purpose, Seed};

/// Sizes of the flood, in hundredths of the honest members.
const FLOODS: [u32; 4] = [10, 50, 100, 300];
/// Age from which a member counts.
const AGE: Millis = Millis::from_mins(30 * 24 * 60);

/// See the module.
pub(super) struct Sybil;

impl Attack for Sybil {
    fn name(&self) -> &'static str {
        "sybil"
    }

    fn summary(&self) -> &'static str {
        "One member invites a tenth, half, once and three times as many nodes of its own as there are honest members, \
         and three members do so together."
    }

    fn expected(&self) -> &'static str {
        "None of them counts for 30 days; then one subtree is at most a tenth of those who count, and never two of those \
         drawn."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut outcome = Outcome::new(self, config);
        let mut lines = Vec::new();
        for heads in [1_u32, 3] {
            let mut points = Vec::new();
            for (number, flood) in FLOODS.into_iter().enumerate() {
                let mut seen = Seen::default();
                let done = f64::from(heads / 3) + number as f64 / FLOODS.len() as f64;
                let of_all = |share: f64| pulse((done + share / FLOODS.len() as f64) / 2.0);
                config.repeat(&of_all, |seed, _| {
                    one_flood(config, seed, heads, flood, &mut seen);
                });
                report(&mut outcome, heads, flood, &seen, &mut points);
            }
            let label = inviters(heads).to_owned();
            lines.push(Series { label, points });
        }
        outcome.plots.push(Plot {
            name: "sybil",
            title: "Sybils among those who count, by the size of the flood".to_owned(),
            x: "flood, % of the honest members",
            y: "share of those who count",
            series: lines,
        });
        outcome
    }
}

#[derive(Default)]
struct Seen {
    before: u64,
    counted: u64,
    electorate: u64,
    largest: u64,
    draws: u64,
    with_sybil: u64,
    most: u64,
    beyond: u64,
    captured: u64,
    exact: f64,
}

fn one_flood(config: &Config, seed: Seed, heads: u32, flood: u32, seen: &mut Seen) {
    // Members of four times as many: an act must be drawn for after the flood as well.
    let founding = founding_drawn_for(4, config.nodes * 4);
    let mut chamber = Chamber::new(seed, config.nodes, &founding);
    chamber.pass(AGE);
    // The honest members are of age when the flood comes.
    let size = config.nodes * flood / 100;
    let inviters: Vec<_> = (4..4 + heads).map(|node| chamber.key(node)).collect();
    let time = chamber.time();
    let member = |number: u32| {
        let sybil = Identity::from_seed(seed.bytes(Purpose::Commitment, u32::MAX - number).into());
        MemberChange {
            key: sybil.public(),
            facts: Some(MemberFacts {
                since: time,
                subtree: inviters[(number % heads) as usize],
                region: None,
                founder: false,
                serves: false,
            }),
        }
    };
    let sybils: Vec<_> = (0..size).map(member).collect();
    let keys: std::collections::BTreeSet<_> = sybils.iter().map(|change| change.key).collect();
    chamber.know(sybils);
    chamber.pass(Millis(AGE.0 - 3_600_000));
    let honest = u64::from(config.nodes);
    if let Some((count, _)) = drawn(&mut chamber, 0) {
        seen.before += u64::from(count).saturating_sub(honest);
    }
    chamber.pass(Millis::from_mins(26 * 60));
    let is_sybil = |key: &PublicKey| keys.contains(key);
    for number in 0..config.draws / 3 {
        chamber.pass(Millis::from_mins(60));
        let Some((count, drawn)) = drawn(&mut chamber, number + 1) else {
            continue;
        };
        let sybils = drawn.iter().take(3).filter(|key| is_sybil(key)).count() as u64;
        seen.draws += 1;
        seen.with_sybil += u64::from(sybils > 0);
        seen.most = seen.most.max(sybils);
        seen.beyond += u64::from(sybils > u64::from(heads));
        seen.captured += u64::from(sybils == 3);
        if number == 0 {
            let counted = u64::from(count).saturating_sub(honest);
            seen.counted += counted;
            seen.electorate += u64::from(count);
            // An inviter stands in the subtree that it heads.
            seen.largest = seen.largest.max(counted / u64::from(heads) + 1);
            seen.exact = none_of_three(f64::from(count), counted as f64 + f64::from(heads), heads);
        }
    }
}

/// Returns the share of draws of three in which nobody of one flooding subtree is found; for one subtree only.
fn none_of_three(count: f64, inside: f64, heads: u32) -> f64 {
    if heads != 1 {
        return f64::NAN;
    }
    // The agent's own subtree is left out, and each who is drawn gives way to the next.
    (0..3).fold(1.0, |none, found| {
        let left = count - 1.0 - f64::from(found);
        none * (left - inside) / left
    })
}

/// Draws for an act under a root of its own; returns how many count, and who was drawn.
fn drawn(chamber: &mut Chamber, number: u32) -> Option<(u32, Vec<PublicKey>)> {
    let members = chamber.directory().active_count();
    let agent = chamber.identity(members - 1);
    let grantor = chamber.identity(8 + number % (members - 9));
    let width = width_drawn_for(members * 4).min(members as usize);
    let change = chamber.fresh_change();
    let at = targets((0..members).take(width).map(|node| chamber.key(node)));
    let admission = chamber.ask(&agent, &grantor, change, at);
    let admitted = chamber.admit(admission).ok()?;
    let draw = chamber.draw(&admitted)?;
    Some((
        admitted.ticket.electorate.count,
        chamber.drawn(&admitted, &draw),
    ))
}

fn report(outcome: &mut Outcome, heads: u32, flood: u32, seen: &Seen, points: &mut Vec<Point>) {
    let what = format!("{}, a flood of {flood} %", inviters(heads));
    outcome.claim(
        format!("{what}: nobody counts before 30 days"),
        seen.before == 0,
        format!("{} counted an hour before", seen.before),
    );
    let tenth = seen.electorate / 10 / u64::from(outcome.config.runs);
    outcome.claim(
        format!("{what}: a subtree is at most a tenth of those who count"),
        seen.largest <= tenth.max(1) && seen.draws > 0,
        format!(
            "{} sybils of {} in all runs, {} subtrees",
            seen.counted, seen.electorate, heads
        ),
    );
    outcome.claim(
        format!("{what}: no draw names two of one subtree"),
        seen.beyond == 0 && seen.draws > 0,
        format!("{} in one draw at most, {} draws", seen.most, seen.draws),
    );
    outcome.share(
        format!("{what}: of those who count"),
        seen.counted,
        seen.electorate,
        None,
    );
    let exact = (heads == 1).then_some(1.0 - seen.exact);
    outcome.share(
        format!("{what}: draws of three with a sybil among them"),
        seen.with_sybil,
        seen.draws,
        exact,
    );
    outcome.share(
        format!("{what}: draws of three that are all sybils"),
        seen.captured,
        seen.draws,
        None,
    );
    points.push(Point::share(
        f64::from(flood),
        seen.counted,
        seen.electorate,
    ));
}

const fn inviters(heads: u32) -> &'static str {
    if heads == 1 {
        "one inviter"
    } else {
        "three inviters"
    }
}
