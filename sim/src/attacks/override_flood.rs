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
/// Overrides that are tried.
const TRIES: u32 = 70;
/// A notice, with a minute on top.
const NOTICE: Millis = Millis::from_mins(61);

/// See the module.
pub(super) struct OverrideFlood;

#[derive(Default)]
struct Seen {
    /// Overrides admitted, and of them those that need co-signers: of one agent under one root, of many under four.
    admitted: [Vec<f64>; 2],
    drawn_for: [Vec<f64>; 2],
    told: u64,
    beside: u64,
    later: u64,
    ordinary: u64,
    trials: u64,
}

impl Attack for OverrideFlood {
    fn name(&self) -> &'static str {
        "override-flood"
    }

    fn summary(&self) -> &'static str {
        "One agent, and then many under several roots, ask for one override after the other and tell none of them to \
         all, so that the places run out in which overrides wait."
    }

    fn expected(&self) -> &'static str {
        "64 wait at a time, every one of them in the public log with its reason; an override of somebody honest is \
         refused beside them, an act of the usual sort is not, and after the notice there is room. One agent is enough."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        config.repeat(pulse, |seed, told| {
            for arm in 0..2 {
                flood(seed, arm, &mut seen);
                told((arm + 1) as f64 / 2.0);
            }
        });
        let mut outcome = Outcome::new(self, config);
        report(&mut outcome, &seen);
        outcome
    }
}

fn flood(seed: Seed, arm: usize, seen: &mut Seen) {
    let mut founding = founding(SEATS);
    // What adds up under one root is drawn for, and is no reason to refuse.
    founding.parameters.mass_action_floor = 5;
    let mut chamber = Chamber::new(seed, SEATS + MEMBERS, &founding);
    let (mut admitted, mut drawn_for) = (0_u64, 0_u64);
    for number in 0..TRIES {
        let (agent, root) = match arm {
            0 => (SEATS, 0),
            _ => (SEATS + number, number % SEATS),
        };
        let came = ask(&mut chamber, (agent, root), SEATS + 80 + number, true);
        if let Ok(cosigners) = came {
            admitted += 1;
            drawn_for += u64::from(cosigners > 0);
        }
    }
    seen.trials += 1;
    seen.admitted[arm].push(admitted as f64);
    seen.drawn_for[arm].push(drawn_for as f64);
    seen.told += chamber.overrides_told() as u64;
    let honest = (SEATS + 170, SEATS - 1);
    seen.beside += u64::from(ask(&mut chamber, honest, SEATS + 171, true).is_ok());
    seen.ordinary += u64::from(ask(&mut chamber, honest, SEATS + 172, false).is_ok());
    chamber.wait(NOTICE);
    seen.later += u64::from(ask(&mut chamber, honest, SEATS + 173, true).is_ok());
}

/// Has an agent ask for an act on one node; returns how many co-signers it takes.
fn ask(
    chamber: &mut Chamber,
    (agent, root): (u32, u32),
    at: u32,
    is_override: bool,
) -> Result<u32, String> {
    let change = chamber.fresh_change();
    let (agent, grantor) = (chamber.identity(agent), chamber.identity(root));
    let aim = targets([chamber.key(at)]);
    let words = is_override.then(|| Override {
        why: "a flood in the region".to_owned(),
        consequences: "fewer acts are shown".to_owned(),
        notice_minutes: 60,
    });
    let admission = chamber.ask_for(&agent, &grantor, change, aim, words);
    chamber
        .admit_if_honest(admission)
        .map(|admitted| admitted.cosigners)
}

fn report(outcome: &mut Outcome, seen: &Seen) {
    let trials = seen.trials;
    let most = seen.admitted.iter().flatten().copied().fold(0.0, f64::max);
    let all: f64 = seen.admitted.iter().flatten().sum();
    outcome.claim(
        "no more than 64 overrides wait at a time",
        most <= OPEN_MAX as f64 && trials > 0,
        format!("{most:.0} of {TRIES} at most"),
    );
    outcome.claim(
        "each of them stands in the public log",
        seen.told as f64 == all && all > 0.0,
        format!("{} of {all:.0}", seen.told),
    );
    outcome.claim(
        "while they wait an override of somebody honest is refused, and an act of the usual sort is not",
        seen.beside == 0 && seen.ordinary == trials,
        format!("{} overrides and {} acts of {trials}", seen.beside, seen.ordinary),
    );
    outcome.claim(
        "once the notice is over there is room again",
        seen.later == trials,
        format!("{} of {trials}", seen.later),
    );
    for (arm, words) in ["one agent, one root", "many agents, four roots"]
        .into_iter()
        .enumerate()
    {
        outcome.mean(format!("{words}: overrides admitted"), "", &seen.admitted[arm]);
        outcome.mean(
            format!("{words}: of them with co-signers to be drawn"),
            "",
            &seen.drawn_for[arm],
        );
    }
}
