//! A part of the members signs whatever one of them asks for; the rest refuses.

use std::collections::BTreeSet;

use x0_crypto::PublicKey;
use x0_protocol::{
    Millis,
    spine::committee::Decision,
    wire::{Draw, Said, Word},
};

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    chamber::{Admitted, Chamber, draw_hostile, targets},
    stage::{founding_drawn_for, width_drawn_for},
    statistics::{all_marked, at_least_marked},
};
use crate::random::Seed;

/// Draws that a root gets in 24 hours.
const DRAWS_A_DAY: u64 = 6;
/// Members of the mesh in which seven are drawn: an act may name 100 nodes, which must be more than half.
const SMALL_MESH: u32 = 190;
/// Shares of hostile members that are reported beside the one asked for, per million.
const SHARES_PPM: [u32; 3] = [100_000, 200_000, 330_000];

/// See the module.
pub(super) struct Collusion;

impl Attack for Collusion {
    fn name(&self) -> &'static str {
        "collusion"
    }

    fn summary(&self) -> &'static str {
        "A tenth, a fifth and a third of the members co-sign whatever one of them asks for, and draw as often as the \
         committee lets them; everybody else refuses, or stays silent."
    }

    fn expected(&self) -> &'static str {
        "An act passes exactly when all who are drawn are hostile, as often as the formula for drawing without \
         putting back says, and a root gets six draws a day; with one honest signer missing, every target refuses."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut outcome = Outcome::new(self, config);
        let mut lines = Vec::new();
        for (part, signers) in [3_u32, 7].into_iter().enumerate() {
            let members = if signers == 3 {
                config.nodes
            } else {
                config.nodes.min(SMALL_MESH)
            };
            let mut all = Tally::new(config, members);
            let of_both = |share: f64| pulse((part as f64 + share) / 2.0);
            config.repeat(&of_both, |seed, told| {
                days(
                    seed,
                    config.draws.div_ceil(DRAWS_A_DAY as u32),
                    (members, signers),
                    &mut all,
                    told,
                );
            });
            report(&mut outcome, signers, members, &all, &mut lines);
        }
        outcome.plots.push(Plot {
            name: "collusion",
            title: "Probability that a day's draws let a hostile act pass".to_owned(),
            x: "hostile members, %",
            y: "probability a day",
            series: lines,
        });
        outcome
    }
}

/// What was seen at one share of hostile members.
struct Row {
    hostile: u32,
    draws_taken: u64,
    draws_taken_silent: u64,
    days_taken: u64,
}

struct Tally {
    rows: Vec<Row>,
    draws: u64,
    days: u64,
    draws_a_day: Vec<u64>,
    too_early: u64,
    wrong: Vec<String>,
    checked: u64,
    repeated: u64,
}

impl Tally {
    fn new(config: &Config, members: u32) -> Self {
        let mut shares = SHARES_PPM.to_vec();
        shares.push(config.adversary_ppm);
        shares.sort_unstable();
        shares.dedup();
        let rows = shares.into_iter().map(|adversary_ppm| Row {
            hostile: Config {
                adversary_ppm,
                ..*config
            }
            .hostile_of(members)
            .max(8),
            draws_taken: 0,
            draws_taken_silent: 0,
            days_taken: 0,
        });
        Self {
            rows: rows.collect(),
            draws: 0,
            days: 0,
            draws_a_day: Vec::new(),
            too_early: 0,
            wrong: Vec::new(),
            checked: 0,
            repeated: 0,
        }
    }
}

/// Has a root of its own ask, on each day, as often as it may.
fn days(
    seed: Seed,
    days: u32,
    (members, signers): (u32, u32),
    all: &mut Tally,
    told: &dyn Fn(f64),
) {
    let founding = founding_drawn_for(4, members);
    let mut chamber = Chamber::new(seed, members, &founding);
    let most = all.rows.iter().map(|row| row.hostile).max().unwrap_or(1);
    let hostile = draw_hostile(seed, 4, members, most);
    let width = if signers == 7 {
        (members * 3 / 5).min(100) as usize
    } else {
        width_drawn_for(members)
    };
    for day in 0..days {
        one_day(&mut chamber, day, signers, width, &hostile, all);
        chamber.pass(Millis::from_mins(25 * 60));
        told(f64::from(day + 1) / f64::from(days));
    }
}

/// Has one root ask for draws as often as it can, for 24 hours.
fn one_day(
    chamber: &mut Chamber,
    day: u32,
    signers: u32,
    width: usize,
    hostile: &[u32],
    all: &mut Tally,
) {
    let agent = chamber.identity(hostile[0]);
    let members = chamber.directory().active_count();
    let grantor = chamber.identity(4 + day % (members - 4));
    let at: Vec<_> = (0..members)
        .map(|node| chamber.key(node))
        .filter(|key| *key != agent.public())
        .collect();
    let start = chamber.time();
    let mut draws = 0_u64;
    let mut taken = vec![false; all.rows.len()];
    let mut wait = 10;
    while chamber.time() < start + Millis::from_mins(24 * 60 - 1) && draws <= DRAWS_A_DAY {
        let change = chamber.fresh_change();
        let from = (day as usize * 7) % (at.len() - width);
        let aim = targets(at[from..from + width].iter().copied());
        let admission = chamber.ask(&agent, &grantor, change, aim);
        let Ok(admitted) = chamber.admit(admission) else {
            chamber.pass(Millis::from_mins(60));
            continue;
        };
        draws += 1;
        look(chamber, &admitted, signers, hostile, all, &mut taken);
        // One minute before the back-off ends nothing is drawn yet.
        chamber.pass(Millis::from_mins(wait - 1));
        let change = chamber.fresh_change();
        let aim = targets(at[from..from + width].iter().copied());
        let early = chamber.ask(&agent, &grantor, change, aim);
        all.too_early += u64::from(chamber.admit(early).is_ok());
        chamber.pass(Millis::from_mins(1));
        wait *= 2;
    }
    all.days += 1;
    all.draws_a_day.push(draws);
    for (row, taken) in all.rows.iter_mut().zip(taken) {
        row.days_taken += u64::from(taken);
    }
}

/// Draws for an admitted act, and has a target judge what the hostile among the drawn sign.
fn look(
    chamber: &mut Chamber,
    admitted: &Admitted,
    signers: u32,
    hostile: &[u32],
    all: &mut Tally,
    taken: &mut [bool],
) {
    let Some(draw) = chamber.draw(admitted) else {
        all.wrong.push("nothing was drawn".to_owned());
        return;
    };
    let drawn = chamber.drawn(admitted, &draw);
    all.draws += 1;
    all.repeated += u64::from(drawn.iter().collect::<BTreeSet<_>>().len() != drawn.len());
    let signers = signers as usize;
    if admitted.cosigners as usize != signers || drawn.len() < signers {
        all.wrong
            .push(format!("{} of {signers} were drawn", drawn.len()));
        return;
    }
    let Tally {
        rows,
        checked,
        wrong,
        ..
    } = all;
    for (row, taken) in rows.iter_mut().zip(taken) {
        let keys: BTreeSet<_> = hostile[..row.hostile as usize]
            .iter()
            .map(|node| chamber.key(*node))
            .collect();
        let is_hostile = |key: &PublicKey| keys.contains(key);
        let is_taken = drawn[..signers].iter().all(is_hostile);
        // Two who stay silent may be passed over.
        row.draws_taken_silent +=
            u64::from(drawn.iter().filter(|key| is_hostile(key)).count() >= signers);
        row.draws_taken += u64::from(is_taken);
        *taken |= is_taken;
        if is_taken || *checked < 20 {
            *checked += 1;
            let passed = judge(chamber, admitted, &draw, &drawn, &keys).is_ok();
            if passed != is_taken {
                let found = if passed { "took" } else { "refused" };
                wrong.push(format!(
                    "a target {found} an act that {} hostile of {signers} could sign",
                    drawn.iter().filter(|key| is_hostile(key)).count()
                ));
            }
        }
    }
    // An honest one among the drawn refuses, and the act is over.
    let largest: BTreeSet<_> = hostile.iter().map(|node| chamber.key(*node)).collect();
    if let Some(honest) = drawn[..signers].iter().find(|key| !largest.contains(key)) {
        let Some(node) = chamber.node(honest) else {
            return;
        };
        let (mesh, act) = (chamber.mesh(), admitted.ticket.act);
        let said = Said::sign(&mesh, act, Word::Refuse, &chamber.identity(node));
        chamber.say(said, Some(draw));
        if !matches!(chamber.decision(&act), Some(Decision::Refused { .. })) {
            all.wrong
                .push("an honest refusal did not end an act".to_owned());
        }
    }
}

/// Has hostile members sign, drawn or not, and targets agree as honest ones do; asks a target.
fn judge(
    chamber: &Chamber,
    admitted: &Admitted,
    draw: &Draw,
    drawn: &[PublicKey],
    hostile: &BTreeSet<PublicKey>,
) -> Result<(), String> {
    let (mesh, act) = (chamber.mesh(), admitted.ticket.act);
    let word = |key: &PublicKey, word| {
        Some(Said::sign(
            &mesh,
            act,
            word,
            &chamber.identity(chamber.node(key)?),
        ))
    };
    let signing = drawn.iter().filter(|key| hostile.contains(*key));
    // Some who were not drawn sign as well: it must not help.
    let others = hostile.iter().filter(|key| !drawn.contains(key)).take(10);
    let cosigned = signing
        .chain(others)
        .filter_map(|key| word(key, Word::Cosign));
    let directory = chamber.directory();
    let agreeing = directory
        .active_targets(&admitted.admission.act.targets)
        .take(4);
    let agreed = agreeing.filter_map(|key| word(key, Word::Agree));
    let said = cosigned.chain(agreed).collect();
    chamber.target_takes(admitted, Some(draw.clone()), said)
}

fn report(outcome: &mut Outcome, signers: u32, members: u32, all: &Tally, lines: &mut Vec<Series>) {
    let percent = |hostile: u32| f64::from(hostile) * 100.0 / f64::from(members);
    let (mut measured, mut exact) = (Vec::new(), Vec::new());
    for row in &all.rows {
        // The agent is hostile itself and is not drawn.
        let (total, marked) = (members - 1, row.hostile - 1);
        let once = all_marked(total, marked, signers);
        let silent = at_least_marked(total, marked, signers + 2, signers);
        // DRAWS_A_DAY fits an exponent.
        let day = 1.0 - (1.0 - once).powi(DRAWS_A_DAY as i32);
        let share = format!("{:.1} % hostile of {members}", percent(row.hostile));
        outcome.claim_agrees(
            format!("{share}: all {signers} drawn are hostile as often as the formula says"),
            (row.draws_taken, all.draws),
            once,
        );
        outcome.share(
            format!("{share}, {signers} signers: a draw is captured"),
            row.draws_taken,
            all.draws,
            Some(once),
        );
        outcome.share(
            format!("{share}, {signers} signers: captured if the honest stay silent and two are passed over"),
            row.draws_taken_silent,
            all.draws,
            Some(silent),
        );
        outcome.share(
            format!("{share}, {signers} signers: captured within a day"),
            row.days_taken,
            all.days,
            Some(day),
        );
        measured.push(Point::share(percent(row.hostile), row.days_taken, all.days));
        exact.push(Point::exact(percent(row.hostile), day));
    }
    let most = all.draws_a_day.iter().copied().max().unwrap_or(0);
    outcome.claim(
        format!("{signers} signers: a root gets {DRAWS_A_DAY} draws in 24 hours and none before its time"),
        most == DRAWS_A_DAY && all.too_early == 0,
        format!("{most} a day at most, {} too early", all.too_early),
    );
    outcome.claim(
        format!("{signers} signers: targets take an act exactly when all drawn have signed, and one refusal ends it"),
        all.wrong.is_empty() && all.checked > 0 && all.repeated == 0,
        all.wrong.first().cloned().unwrap_or_else(|| format!("{} acts put before a target, {} draws", all.checked, all.draws)),
    );
    lines.push(Series {
        label: format!("{signers} signers, measured"),
        points: measured,
    });
    lines.push(Series {
        label: format!("{signers} signers, by the formula"),
        points: exact,
    });
}
