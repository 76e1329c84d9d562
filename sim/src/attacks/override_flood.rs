//! A flood of overrides: agents open as many as are let in, so that nobody else can act in an emergency.

use x0_protocol::{Millis, wire::Override};

use super::{
    Attack, Config, Outcome,
    chamber::{Chamber, targets},
    stage::founding,
};
use crate::random::Seed;

/// Seats of the committee, and members beside them.
const SEATS: u32 = 4;
const MEMBERS: u32 = 200;
/// Overrides that may wait to be told to all: the protocol's bound.
const OPEN_MAX: u64 = 64;
/// Of these, those of one agent: the protocol's bound.
const OF_AGENT_MAX: u64 = 4;
/// Overrides that are tried.
const TRIES: u32 = 70;
/// A notice, with a minute on top.
const NOTICE: Millis = Millis::from_mins(61);

/// See the module.
pub(super) struct OverrideFlood;

/// Who asks, and under which roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arm {
    /// One agent, under one root.
    OneRoot,
    /// Many agents, under one root.
    ManyAgents,
    /// One agent, under a root for each override that it has made up.
    MadeUp,
}

const ARMS: [Arm; 3] = [Arm::OneRoot, Arm::ManyAgents, Arm::MadeUp];

impl Arm {
    const fn words(self) -> &'static str {
        match self {
            Self::OneRoot => "one agent, one root",
            Self::ManyAgents => "many agents, one root",
            Self::MadeUp => "one agent, a made-up root for each",
        }
    }
}

/// What one arm came to, over all runs.
#[derive(Default)]
struct Row {
    admitted: Vec<f64>,
    told: u64,
    /// Of an honest agent under a root of its own: an override, a usual act, an override after the notice.
    beside: u64,
    usual: u64,
    later: u64,
    /// Of an honest agent under the root that is flooded.
    same_root: u64,
    trials: u64,
}

impl Attack for OverrideFlood {
    fn name(&self) -> &'static str {
        "override-flood"
    }

    fn summary(&self) -> &'static str {
        "Agents ask for one override after the other and tell none of them to all, so that the places run out in which \
         overrides wait: one agent, many under one root, and one agent that makes up a root for each."
    }

    fn expected(&self) -> &'static str {
        "Under one root one override is admitted at a time, however many agents ask. 64 wait at most, all in the public \
         log, 4 of them of one agent, whatever roots it makes up: others override beside it."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut rows: Vec<Row> = ARMS.iter().map(|_| Row::default()).collect();
        config.repeat(pulse, |seed, told| {
            for (number, arm) in ARMS.into_iter().enumerate() {
                flood(seed, arm, &mut rows[number]);
                told((number + 1) as f64 / ARMS.len() as f64);
            }
        });
        let mut outcome = Outcome::new(self, config);
        report(&mut outcome, &rows);
        outcome
    }
}

fn flood(seed: Seed, arm: Arm, row: &mut Row) {
    let mut chamber = Chamber::new(seed, SEATS + MEMBERS, &founding(SEATS));
    let mut admitted = 0_u64;
    for number in 0..TRIES {
        let (agent, root) = match arm {
            Arm::OneRoot => (SEATS, 0),
            Arm::ManyAgents => (SEATS + number, 0),
            // Any key is a root; that of some member who knows nothing of it serves as well as another.
            Arm::MadeUp => (SEATS, SEATS + number),
        };
        let came = ask(&mut chamber, (agent, root), SEATS + 80 + number, true);
        admitted += u64::from(came);
    }
    row.trials += 1;
    row.admitted.push(admitted as f64);
    row.told += chamber.overrides_told() as u64;
    let honest = (SEATS + 170, SEATS - 1);
    row.same_root += u64::from(ask(&mut chamber, (SEATS + 171, 0), SEATS + 176, true));
    row.usual += u64::from(ask(&mut chamber, honest, SEATS + 172, false));
    row.beside += u64::from(ask(&mut chamber, honest, SEATS + 173, true));
    chamber.wait(NOTICE);
    let other = (SEATS + 174, SEATS - 2);
    row.later += u64::from(ask(&mut chamber, other, SEATS + 175, true));
}

/// Has an agent ask for an act on one node; tells whether it is admitted.
fn ask(chamber: &mut Chamber, (agent, root): (u32, u32), at: u32, is_override: bool) -> bool {
    let change = chamber.fresh_change();
    let (agent, grantor) = (chamber.identity(agent), chamber.identity(root));
    let aim = targets([chamber.key(at)]);
    let words = is_override.then(|| Override {
        why: "a flood in the region".to_owned(),
        consequences: "fewer acts are shown".to_owned(),
        notice_minutes: 60,
    });
    let admission = chamber.ask_for(&agent, &grantor, change, aim, words);
    chamber.admit_if_honest(admission).is_ok()
}

fn report(outcome: &mut Outcome, rows: &[Row]) {
    let [one, many, made_up] = rows else { return };
    let trials = one.trials;
    let sum = |row: &Row| row.admitted.iter().sum::<f64>();
    let is = |row: &Row, count: u64| row.admitted.iter().all(|n| *n == count as f64);
    outcome.claim(
        "under one root one override is admitted at a time, however many agents ask",
        is(one, 1) && is(many, 1) && trials > 0,
        format!("{:.0} and {:.0} of {TRIES}", sum(one), sum(many)),
    );
    outcome.claim(
        "no more than 64 wait, and each of them stands in the public log",
        rows.iter().all(|row| {
            let most = row.admitted.iter().copied().fold(0.0, f64::max);
            // What honest agents have asked for beside it comes after the count.
            most <= OPEN_MAX as f64 && row.told as f64 == sum(row)
        }),
        format!(
            "{} told in all",
            rows.iter().map(|row| row.told).sum::<u64>()
        ),
    );
    outcome.claim(
        "a flood under one root leaves others their overrides and their usual acts",
        [one, many]
            .iter()
            .all(|row| [row.beside, row.usual] == [trials; 2]),
        format!("{} of {} overrides", one.beside + many.beside, 2 * trials),
    );
    outcome.claim(
        "one agent that makes up roots has 4 overrides open at a time, and others override beside it",
        is(made_up, OF_AGENT_MAX)
            && [made_up.beside, made_up.usual, made_up.later] == [trials; 3],
        format!(
            "{:.0} of {TRIES} admitted; beside them {} overrides and {} usual acts, later {} overrides of {trials}",
            sum(made_up),
            made_up.beside,
            made_up.usual,
            made_up.later
        ),
    );
    for (row, arm) in rows.iter().zip(ARMS) {
        let words = arm.words();
        outcome.mean(format!("{words}: overrides admitted"), "", &row.admitted);
        outcome.share(
            format!("{words}: an honest override under another root is admitted beside them"),
            row.beside,
            row.trials,
            None,
        );
        outcome.share(
            format!("{words}: an honest override under the flooded root is admitted"),
            row.same_root,
            row.trials,
            None,
        );
    }
}
