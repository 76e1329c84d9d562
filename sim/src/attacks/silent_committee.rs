//! Seats of the committee fall silent: as many as may be hostile, and one more.

use super::{
    Attack, Config, Outcome,
    stage::{ACT_TIME, Stage, founding},
};
use crate::time::Span;

/// Seats of the committee: two may be hostile, five decide.
const SEATS: u32 = 7;
/// Seats that may be silent without harm.
const FAULTY: u32 = 2;
/// How long one more is silent.
const SILENCE: Span = Span::from_secs(60);

/// See the module.
pub(super) struct SilentCommittee;

#[derive(Default)]
struct Seen {
    with_f: u64,
    targets: u64,
    beyond_f: u64,
    decided: u64,
    after: u64,
    back_s: Vec<f64>,
}

impl Attack for SilentCommittee {
    fn name(&self) -> &'static str {
        "silent-committee"
    }

    fn summary(&self) -> &'static str {
        "Of seven seats first two and then three fall silent, while an agent goes on proposing; then they come back."
    }

    fn expected(&self) -> &'static str {
        "With two silent everything works; with three nothing is decided and no act runs; when one is back the mesh goes on."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        config.repeat(pulse, |seed, _| {
            attack(Stage::found(seed, config.nodes, founding(SEATS)), &mut seen);
        });
        let Seen {
            with_f,
            targets,
            beyond_f,
            decided,
            after,
            back_s,
        } = seen;
        let mut outcome = Outcome::new(self, config);
        outcome.claim(
            format!("with {FAULTY} of {SEATS} silent an act is executed by all its targets"),
            with_f == targets,
            format!("{with_f} of {targets}"),
        );
        outcome.claim(
            format!(
                "with {} of {SEATS} silent nothing is decided and no act runs",
                FAULTY + 1
            ),
            beyond_f == 0 && decided == 0,
            format!(
                "{beyond_f} executions, {decided} blocks in {} s",
                SILENCE.as_millis() / 1_000
            ),
        );
        outcome.claim(
            "once one seat is back the waiting act runs",
            after == targets,
            format!("{after} of {targets}"),
        );
        outcome.share(
            format!("targets that execute with {FAULTY} silent"),
            with_f,
            targets,
            None,
        );
        outcome.share(
            format!("targets that execute with {} silent", FAULTY + 1),
            beyond_f,
            targets,
            None,
        );
        outcome.mean(
            "time from the return of a seat until the waiting act has run everywhere",
            "s",
            &back_s,
        );
        outcome
    }
}

fn attack(mut stage: Stage, seen: &mut Seen) {
    let size = (stage.world.nodes() / 100).clamp(1, 100) as usize;
    let agent = stage.order[0];
    (0..FAULTY).for_each(|seat| stage.world.crash(seat));
    stage.pass(Span::from_secs(12));
    let at = stage.order[1..=size].to_vec();
    seen.targets += size as u64;
    let value = stage.fresh_value();
    let act = stage.act(agent, 6, &[], value, &at);
    let proposed = stage.propose(agent, &act);
    // Rounds that a silent seat was to propose in are waited out.
    stage.pass(ACT_TIME + Span::from_secs(20));
    if let Some(record) = stage.record_of(proposed) {
        seen.with_f += stage.executed(&record).len() as u64;
    }

    stage.world.crash(FAULTY);
    stage.pass(Span::from_secs(12));
    let watcher = SEATS - 1;
    let height = |stage: &Stage| {
        stage
            .world
            .decided(watcher)
            .last()
            .map_or(0, |block| block.height)
    };
    let before = height(&stage);
    let rest = stage.order[1 + size..=2 * size].to_vec();
    let value = stage.fresh_value();
    let act = stage.act(agent, 6, &[], value, &rest);
    let proposed = stage.propose(agent, &act);
    stage.pass(SILENCE);
    seen.decided += height(&stage) - before;
    let executed = |stage: &Stage| {
        stage
            .record_of(proposed)
            .map_or(0, |record| stage.executed(&record).len())
    };
    seen.beyond_f += executed(&stage) as u64;

    stage.world.restart(0);
    for waited in 1..=120 {
        stage.pass(Span::from_secs(1));
        if executed(&stage) == size {
            seen.back_s.push(f64::from(waited));
            break;
        }
    }
    seen.after += executed(&stage) as u64;
}
