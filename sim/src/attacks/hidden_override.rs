//! An override that nobody is to know of: without the proof that it is public, with somebody else's, or shown to its targets
//! alone.

use std::collections::BTreeSet;

use x0_crypto::ContentId;
use x0_protocol::{
    Command, CommandId,
    core::command::Aim,
    spine::audit::What,
    wire::{Act, Body, Record, Request, Statement, Verified, Warrants},
};

use super::{
    Attack, Config, Outcome,
    chamber::{Chamber, change, targets, token},
    stage::{ACT_TIME, LIFE, Stage, founding},
};
use crate::{random::Seed, time::Span};

/// Seats of the committee.
const SEATS: u32 = 4;
/// Mesh seconds in a second: the notice of an hour passes in 20 s.
const SCALE: u32 = 180;
const NOTICE: Span = Span::from_secs(20);
/// Seconds in which both overrides are admitted, approved and written.
const WRITTEN_S: u32 = 15;
/// Nodes that each override names.
const FEW: usize = 3;
/// What the policy is before.
const BEFORE: u64 = 1_000;

/// See the module.
pub(super) struct HiddenOverride;

/// What is wrong with an override.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// It carries no proof that it is public.
    NoProof,
    /// It carries the proof of another override.
    Other,
    /// Its proof stands under a head of a committee of somebody else's.
    Foreign,
}

const FLAWS: [Flaw; 3] = [Flaw::NoProof, Flaw::Other, Flaw::Foreign];

#[derive(Default)]
struct Seen {
    shown: u64,
    ran: u64,
    refused: BTreeSet<String>,
    /// The genuine override, shown to its targets alone.
    hidden: u64,
    ran_hidden: u64,
    lapsed: u64,
    back: u64,
    nodes: u64,
    told_as_it_ran: u64,
    told: u64,
    stayed: u64,
    trials: u64,
}

impl Attack for HiddenOverride {
    fn name(&self) -> &'static str {
        "hidden-override"
    }

    fn summary(&self) -> &'static str {
        "An agent has an override admitted and shows its targets the act without the proof that it is public, with the \
         proof of another one, or under a foreign head; then the genuine act to the targets alone, past all gossip."
    }

    fn expected(&self) -> &'static str {
        "No target runs what does not prove itself. Shown to its targets alone, the genuine act runs there for no longer \
         than its notice, and 99 of 100 nodes read of it in the public log meanwhile."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        config.repeat(pulse, |seed, _| attack(seed, config.nodes, &mut seen));
        let mut outcome = Outcome::new(self, config);
        report(&mut outcome, &seen);
        outcome
    }
}

fn attack(seed: Seed, nodes: u32, seen: &mut Seen) {
    let mut founding = founding(SEATS);
    founding.parameters.time_scale.0 = SCALE;
    founding.parameters.mass_action_floor = 20;
    let mut stage = Stage::found(seed, nodes, founding);
    let agents = [stage.order[0], stage.order[1]];
    // Whatever the agents' peers write leaves by the hands of their driver alone.
    stage.world.mute(agents);
    let at: Vec<Vec<u32>> = stage.order[2..]
        .chunks(FEW)
        .take(2)
        .map(<[u32]>::to_vec)
        .collect();
    // Each under a root of its own, as a root is drawn for once in a while.
    let asked = [0, 1].map(|n| propose(&mut stage, (agents[n], n as u32), &at[n]));
    let mut written = [None, None];
    for _ in 0..WRITTEN_S {
        stage.pass(Span::from_secs(1));
        written = asked.map(|command| genuine(&stage, command, &agents));
        if written.iter().all(Option::is_some) {
            break;
        }
    }
    let [Some(one), Some(other)] = written else {
        return;
    };
    seen.trials += 1;
    for flaw in FLAWS {
        let Some(act) = flawed(&stage, flaw, &one, &other) else {
            continue;
        };
        let signed = stage.sign_next(agents[0], Body::Act(act));
        let record = signed.value().id();
        for node in &at[0] {
            push(&mut stage, agents[0], *node, &signed);
        }
        stage.pass(Span::from_millis(500));
        seen.shown += FEW as u64;
        seen.ran += stage.executed(&record).len() as u64;
        seen.refused.extend(stage.refusals(&record).into_keys());
    }
    // The genuine one of the second agent, to its targets and to nobody else.
    for node in &at[1] {
        push(&mut stage, agents[1], *node, &other);
    }
    stage.pass(Span::from_secs(2));
    let id = other.value().id();
    let ran: Vec<u32> = stage.executed(&id);
    seen.hidden += FEW as u64;
    seen.ran_hidden += ran.len() as u64;
    let digest = act_of(&other).map(|act| act.digest(&other.value().author()));
    seen.nodes += u64::from(nodes);
    seen.told_as_it_ran += told(&stage, digest);
    // What targets hold they give on by catching up, so they are cut off together: nobody else ever sees the act.
    stage.world.isolate(&at[1]);
    stage.pass(NOTICE);
    seen.told += told(&stage, digest);
    stage.pass(ACT_TIME);
    for node in ran {
        let audit = stage.world.audit(node).iter();
        let is_lapse = |what: &What| matches!(what, What::Lapsed { act, .. } if *act == id);
        seen.lapsed += u64::from(audit.clone().any(|entry| is_lapse(&entry.what)));
        let policy = stage.world.policy(node, "acts.shown");
        seen.back += u64::from(policy.is_some_and(|(_, value)| value == BEFORE));
        let mirror = stage.world.mirror(node);
        let stays = mirror
            .zip(digest)
            .is_some_and(|(log, act)| log.is_broadcast(&act));
        seen.stayed += u64::from(stays);
    }
}

/// Counts the nodes whose copy of the public log tells of an override.
fn told(stage: &Stage, act: Option<ContentId>) -> u64 {
    let nodes = 0..stage.world.nodes();
    let tells = |node: &u32| {
        let mirror = stage.world.mirror(*node);
        mirror.zip(act).is_some_and(|(log, act)| {
            let mut overrides = log.overrides();
            overrides.any(|(of, _)| *of == act)
        })
    };
    nodes.filter(tells).count() as u64
}

/// Has an agent's own peer ask for an override.
fn propose(stage: &mut Stage, (agent, root): (u32, u32), at: &[u32]) -> CommandId {
    let grantor = stage.world.identity(root);
    let value = stage.fresh_value();
    let keys = at.iter().map(|node| stage.world.key(*node));
    let command = Command::Override {
        change: change(value),
        targets: Aim::At(targets(keys)),
        token: token(&grantor, stage.world.key(agent), &[]),
        root: grantor.capability_root().public(),
        life: LIFE,
        why: "a flood in the region".to_owned(),
        consequences: "fewer acts are shown for an hour".to_owned(),
    };
    stage.world.command(agent, command)
}

/// Returns the act that an agent's peer has written, with all its warrants.
fn genuine(stage: &Stage, command: CommandId, agents: &[u32]) -> Option<Verified<Record>> {
    let id = stage.record_of(command)?;
    let stored = agents.iter().flat_map(|agent| stage.world.stored(*agent));
    let mut found = stored.filter(|record| record.value().id() == id);
    found.next().cloned()
}

fn act_of(record: &Verified<Record>) -> Option<&Act> {
    let Body::Act(act) = record.value().body() else {
        return None;
    };
    Some(act)
}

fn flawed(
    stage: &Stage,
    flaw: Flaw,
    one: &Verified<Record>,
    other: &Verified<Record>,
) -> Option<Act> {
    let act = act_of(one)?;
    let mut warrants = Warrants::of(act).ok()?;
    match flaw {
        Flaw::NoProof => warrants.emergency = None,
        Flaw::Other => warrants.emergency = Warrants::of(act_of(other)?).ok()?.emergency,
        Flaw::Foreign => {
            let proof = warrants.emergency.as_mut()?;
            let own = Chamber::new(Seed(stage.world.seed().0 ^ 0xbad), 20, &founding(SEATS));
            let Statement::Checkpoint(mut checkpoint) = proof.head.statement else {
                return None;
            };
            checkpoint.height += 1;
            let statement = Statement::Checkpoint(checkpoint);
            proof.head = own.certify(&stage.world.mesh(), statement);
        }
    }
    Some(Act {
        warrants: warrants.to_wire(),
        ..act.clone()
    })
}

fn push(stage: &mut Stage, from: u32, to: u32, record: &Verified<Record>) {
    let records = vec![record.to_unverified()];
    let push = Request::Push { records };
    stage.world.request_past_peer(from, to, push);
}

fn report(outcome: &mut Outcome, seen: &Seen) {
    let reasons: Vec<_> = seen.refused.iter().cloned().collect();
    outcome.claim(
        "no target runs an override that does not prove that it is public",
        seen.ran == 0 && seen.shown > 0 && !reasons.is_empty(),
        format!(
            "{} of {} ran: {}",
            seen.ran,
            seen.shown,
            reasons.join(" / ")
        ),
    );
    outcome.claim(
        "99 of 100 nodes read of the override in the public log within its notice",
        seen.told * 100 >= seen.nodes * 99 && seen.nodes > 0,
        format!("{} of {} nodes", seen.told, seen.nodes),
    );
    outcome.claim(
        "shown to its targets alone it runs there, and lapses on every one of them",
        seen.ran_hidden == seen.hidden
            && seen.lapsed == seen.ran_hidden
            && seen.back == seen.ran_hidden
            && seen.hidden > 0,
        format!(
            "{} of {} ran it, {} went back to what ran before",
            seen.ran_hidden, seen.hidden, seen.back
        ),
    );
    outcome.share(
        "nodes that had read of it two seconds after it ran",
        seen.told_as_it_ran,
        seen.nodes,
        None,
    );
    outcome.share("targets at which it stayed", seen.stayed, seen.hidden, None);
    outcome.count("notice, s of real time", NOTICE.0 / 1_000_000, seen.trials);
}
