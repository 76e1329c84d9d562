//! Seats take part in everything but the beacon, so that nobody is drawn.

use super::{
    Attack, Config, Outcome,
    stage::{Stage, founding_drawn_for, width_drawn_for},
};
use crate::time::Span;

/// Seats of the committee: two may be hostile, five sign.
const SEATS: u32 = 7;
/// Seats that may withhold without harm.
const FAULTY: u32 = 2;
/// Longest time an act that is drawn for is waited for.
const PATIENCE: u32 = 60;

/// See the module.
pub(super) struct BeaconWithholding;

#[derive(Default)]
struct Seen {
    few_s: Vec<f64>,
    worlds: u64,
    drawn_without: u64,
    wide_without: u64,
    small_without: u64,
    small: u64,
    back_s: Vec<f64>,
}

impl Attack for BeaconWithholding {
    fn name(&self) -> &'static str {
        "beacon-withholding"
    }

    fn summary(&self) -> &'static str {
        "Of seven seats two, and then three, sign no part of any round, while acts that must be drawn for wait."
    }

    fn expected(&self) -> &'static str {
        "Two change nothing. With three nobody is drawn and no act that needs it runs; acts within a tenth go on; there \
         is one value of a round, so that withholding chooses nothing."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        config.repeat(pulse, |seed, _| {
            let founding = founding_drawn_for(SEATS, config.nodes);
            attack(Stage::found(seed, config.nodes, founding), &mut seen);
        });
        let Seen {
            few_s,
            worlds,
            drawn_without,
            wide_without,
            small_without,
            small,
            back_s,
        } = seen;
        let mut outcome = Outcome::new(self, config);
        outcome.claim(
            format!("with {FAULTY} of {SEATS} withholding an act is drawn for and runs"),
            few_s.len() as u64 == worlds,
            format!("in {} of {worlds} worlds", few_s.len()),
        );
        outcome.claim(
            format!(
                "with {} of {SEATS} withholding nobody is drawn, and nothing runs that needs it",
                FAULTY + 1
            ),
            drawn_without == 0 && wide_without == 0,
            format!("{drawn_without} draws, {wide_without} executions"),
        );
        outcome.claim(
            "acts within the limit run all the same",
            small_without == small,
            format!("{small_without} of {small} targets"),
        );
        outcome.claim(
            "once they sign again the next act is drawn for and runs",
            back_s.len() as u64 == worlds,
            format!("in {} of {worlds} worlds", back_s.len()),
        );
        outcome.mean(
            format!("time of an act that is drawn for, {FAULTY} withholding"),
            "s",
            &few_s,
        );
        outcome.mean("time of an act once all sign again", "s", &back_s);
        outcome.share("executions without a draw", wide_without, worlds, None);
        outcome
    }
}

fn attack(mut stage: Stage, seen: &mut Seen) {
    let size = width_drawn_for(stage.world.nodes());
    let (agent, other) = (stage.order[0], stage.order[1]);
    seen.worlds += 1;
    let [at, wide_at, next_at] =
        [0, 1, 2].map(|part| stage.order[2 + part * size..2 + (part + 1) * size].to_vec());
    stage.world.withhold_beacon(&[0, 1]);
    let value = stage.fresh_value();
    let act = stage.act(agent, 0, &[], value, &at);
    let proposed = stage.propose(agent, &act);
    if let Some(seconds) = wait(&mut stage, proposed, size) {
        seen.few_s.push(seconds);
    }

    stage.world.withhold_beacon(&[0, 1, 2]);
    // Under another root, and to another value: what was reached so far counts for neither.
    let value = stage.fresh_value();
    let wide = stage.act(agent, 1, &[], value, &wide_at);
    let waiting = stage.propose(agent, &wide);
    let value = stage.fresh_value();
    let few = &stage.order[stage.order.len() - 1..].to_vec();
    let small = stage.act(other, 2, &[], value, few);
    let small = stage.propose(other, &small);
    seen.small += few.len() as u64;
    wait(&mut stage, small, few.len());
    stage.pass(Span::from_secs(20));
    if let Some(record) = stage.record_of(small) {
        seen.small_without += stage.executed(&record).len() as u64;
    }
    if let Some(record) = stage.record_of(waiting) {
        seen.wide_without += stage.executed(&record).len() as u64;
    }
    let asked = stage.world.command(agent, x0_protocol::Command::Proposals);
    stage.pass(Span::from_millis(200));
    let proposals = stage.world.proposals(asked).unwrap_or_default();
    let of_wide = stage.world.proposed(waiting).map(|(act, _)| act);
    let drawn = proposals
        .iter()
        .filter(|own| Some(own.act) == of_wide && !own.drawn.is_empty());
    seen.drawn_without += drawn.count() as u64;

    // A round that a seat has not signed it never signs: another act waits for the next.
    stage.world.withhold_beacon(&[]);
    let value = stage.fresh_value();
    let next = stage.act(agent, 3, &[], value, &next_at);
    let next = stage.propose(agent, &next);
    if let Some(seconds) = wait(&mut stage, next, size) {
        seen.back_s.push(seconds);
    }
}

/// Waits until an act has run on so many nodes; returns how long it took, if it did.
fn wait(stage: &mut Stage, proposed: x0_protocol::CommandId, nodes: usize) -> Option<f64> {
    for waited in 1..=PATIENCE {
        stage.pass(Span::from_secs(1));
        let record = stage.record_of(proposed);
        if record.is_some_and(|record| stage.executed(&record).len() == nodes) {
            return Some(f64::from(waited));
        }
    }
    None
}
