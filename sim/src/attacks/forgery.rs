//! Certificates, keys, tickets and words that the committee or the drawn never signed, and some that are stale.

use std::collections::BTreeSet;

use x0_crypto::ContentId;
use x0_protocol::{
    Wall,
    core::command::TrustStatus,
    wire::{
        Act, Block, Body, Certificate, Decided, KeysNamed, Phase, Quorum, Request, Said, SeatDraft,
        SeatMessage, Statement, Warrants, Word,
    },
};

use super::{
    Attack, Config, Outcome,
    chamber::Chamber,
    stage::{ACT_TIME, Stage, founding},
};
use crate::{random::Seed, time::Span};

/// Nodes that every forged record is pushed to, and that are asked afterwards what they believe.
const ASKED: usize = 100;
/// A year, ms.
const YEAR: u64 = 365 * 24 * 3_600_000;

/// See the module.
pub(super) struct Forgery;

#[derive(Default)]
struct Seen {
    asked: u64,
    fooled: u64,
    executed: u64,
    shown: u64,
    refused: u64,
    stored: u64,
    behind_s: Vec<f64>,
    behind_restarted_s: Vec<f64>,
    reasons: Vec<String>,
}

impl Attack for Forgery {
    fn name(&self) -> &'static str {
        "forgery"
    }

    fn summary(&self) -> &'static str {
        "Hostile members make known checkpoints of another time, keys of a committee of their own, tickets it signed, \
         tickets that were altered or are stale, and words of people who were not drawn."
    }

    fn expected(&self) -> &'static str {
        "No honest node takes other keys or another time, not after a restart either, or executes an act by a forged, \
         altered or stale ticket."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        config.repeat(pulse, |seed, _| attack(seed, config.nodes, &mut seen));
        let Seen {
            asked,
            fooled,
            executed,
            shown,
            refused,
            stored,
            behind_s,
            behind_restarted_s,
            mut reasons,
        } = seen;
        reasons.sort();
        reasons.dedup();
        let mut outcome = Outcome::new(self, config);
        outcome.claim(
            "no node takes forged keys or a forged time",
            fooled == 0 && asked > 0,
            format!("{fooled} of {asked} nodes asked"),
        );
        outcome.claim(
            "no node executes an act by a forged, altered or stale ticket",
            executed == 0 && refused > 0,
            format!(
                "{executed} executions, {refused} refusals: {}",
                reasons.join(" / ")
            ),
        );
        outcome.share("nodes that believe a forgery", fooled, asked, None);
        outcome.mean("mesh time behind the right one", "s", &behind_s);
        outcome.mean(
            "mesh time behind the right one, after a restart",
            "s",
            &behind_restarted_s,
        );
        outcome.count(
            "forged records on the disks of nodes asked, without effect",
            stored,
            asked,
        );
        outcome.share(
            "targets that execute by a forged ticket",
            executed,
            shown,
            None,
        );
        outcome
    }
}

fn attack(seed: Seed, nodes: u32, seen: &mut Seen) {
    let mut stage = Stage::found(seed, nodes, founding(4));
    let own = Chamber::new(Seed(seed.0 ^ 0xdead), 20, &founding(4));
    let size = (nodes / 100).clamp(3, 100) as usize;
    let (agent, forger) = (stage.order[0], stage.order[1]);
    let at = stage.order[2..2 + size].to_vec();
    let asked: Vec<u32> = stage.order.iter().rev().take(ASKED).copied().collect();

    let mut forged = Vec::new();
    for body in forged_bodies(&stage, &own) {
        let record = stage.sign_next(forger, body);
        stage
            .world
            .publish_past_peer(forger, record.value().clone());
        for node in &asked {
            let records = vec![record.to_unverified()];
            stage
                .world
                .request_past_peer(forger, *node, Request::Push { records });
        }
        forged.push(record.value().id());
        stage.pass(Span::from_secs(2));
    }
    let acts = forged_acts(&mut stage, &own, agent, &at);
    stage.pass(ACT_TIME);

    for act in acts {
        seen.shown += at.len() as u64;
        seen.executed += stage.executed(&act).len() as u64;
        for (why, nodes) in stage.refusals(&act) {
            seen.refused += nodes as u64;
            seen.reasons.push(why);
        }
    }
    // Some start anew from what they hold: what was stored without effect must have none then either.
    for node in asked.iter().take(ASKED / 5) {
        stage.world.crash(*node);
        stage.world.restart(*node);
    }
    stage.pass(Span::from_secs(15));
    let forged: BTreeSet<_> = forged.into_iter().collect();
    for (number, node) in asked.into_iter().enumerate() {
        seen.asked += 1;
        let stored = stage.world.stored(node).iter();
        seen.stored += stored
            .filter(|record| forged.contains(&record.value().id()))
            .count() as u64;
        let now = stage.world.wall();
        let trust = stage.status(node).map(|status| status.trust);
        if let Some(time) = trust.as_ref().and_then(|trust| trust.time) {
            let behind = now.0.saturating_sub(time.0) as f64 / 1_000.0;
            let is_restarted = number < ASKED / 5;
            let of = if is_restarted {
                &mut seen.behind_restarted_s
            } else {
                &mut seen.behind_s
            };
            of.push(behind);
        }
        seen.fooled += u64::from(!trust.is_some_and(|trust| is_sound(&trust, now)));
    }
}

/// Tells whether a node believes what the committee did say: the first epoch, a checkpoint of its log, no time ahead.
fn is_sound(trust: &TrustStatus, now: Wall) -> bool {
    let is_past = |time: Wall| time.0 < now.0 + 60_000;
    trust.epoch == Some(1)
        && trust.time.is_some_and(is_past)
        && trust.checkpoint.is_some_and(|(height, _)| height < 10_000)
}

/// A checkpoint of a year ahead under a true signature, one under a foreign committee's, and keys that no quorum named.
fn forged_bodies(stage: &Stage, own: &Chamber) -> Vec<Body> {
    let mut bodies = Vec::new();
    for record in stage.world.stored(stage.order[0]) {
        let body = record.value().body();
        if let Some((checkpoint, certificate)) = body.checkpoint() {
            let mut later = *checkpoint;
            later.height += 1_000_000;
            later.time = Wall(later.time.0 + YEAR);
            let statement = Statement::Checkpoint(later);
            let altered = Certificate {
                statement,
                ..*certificate
            };
            let foreign = own.certify(&stage.world.mesh(), statement);
            bodies.extend([altered, foreign].map(|it| Body::Checkpoint(Box::new(it))));
        }
        if let Body::Keys(named) = body {
            let mut block = named.decided.block.clone();
            block.entries = own.keys_entry().into_iter().collect();
            let commit = votes(stage, &block);
            let decided = Decided { block, commit };
            bodies.push(Body::Keys(Box::new(KeysNamed { decided })));
        }
    }
    bodies
}

/// Votes for a block by one seat, which is hostile, and by as many members as make a quorum with it.
fn votes(stage: &Stage, block: &Block) -> Quorum {
    let voters = [0, stage.order[2], stage.order[3], stage.order[4]];
    let mesh = stage.world.mesh();
    let vote = |node: u32| {
        let draft = SeatDraft::Vote {
            height: block.height,
            round: 0,
            phase: Phase::Precommit,
            block: Some(block.id()),
        };
        let signed = draft.sign(&mesh, &stage.world.identity(node));
        match signed.value() {
            SeatMessage::Vote(vote) => Some((vote.seat, vote.signature)),
            SeatMessage::Clock { .. } | SeatMessage::Proposal(_) => None,
        }
    };
    let mut votes: Vec<_> = voters.into_iter().filter_map(vote).collect();
    votes.sort_unstable_by_key(|(seat, _)| *seat);
    Quorum { round: 0, votes }
}

/// Acts whose tickets are a foreign committee's, altered, another's or stale, and one whose co-signers were not drawn.
fn forged_acts(stage: &mut Stage, own: &Chamber, agent: u32, at: &[u32]) -> Vec<ContentId> {
    let mut published = Vec::new();
    let value = stage.fresh_value();
    let act = stage.act(agent, 0, &[], value, at);
    let Ok(true_act) = stage.warrant(agent, &act, at) else {
        return published;
    };
    let Ok(warrants) = Warrants::of(&true_act) else {
        return published;
    };
    let Some(certificate) = warrants.ticket else {
        return published;
    };
    let Statement::Ticket(ticket) = certificate.statement else {
        return published;
    };

    let mut wider = ticket;
    wider.expires = Wall(wider.expires.0 + YEAR);
    let altered = Certificate {
        statement: Statement::Ticket(wider),
        ..certificate
    };
    let foreign = own.certify(&stage.world.mesh(), Statement::Ticket(wider));
    let (mesh, key) = (stage.world.mesh(), stage.world.key(agent));
    let words = |stage: &Stage, digest| -> Vec<Said> {
        let signers = stage.order.iter().rev().take(7);
        let said = signers.flat_map(|node| {
            let identity = stage.world.identity(*node);
            [Word::Cosign, Word::Agree].map(|word| Said::sign(&mesh, digest, word, &identity))
        });
        said.collect()
    };
    for ticket in [altered, foreign] {
        let said = words(stage, act.digest(&key));
        let forged = Warrants {
            ticket: Some(ticket),
            vote: None,
            draw: None,
            said,
            emergency: None,
        };
        let forged = Act {
            warrants: forged.to_wire(),
            ..act.clone()
        };
        published.push(stage.publish(agent, Body::Act(forged)));
        stage.pass(Span::from_secs(2));
    }
    // The words of people who are neither targets nor drawn, under the true ticket.
    let strangers = Warrants {
        said: words(stage, act.digest(&key)),
        ..warrants.clone()
    };
    let strangers = Act {
        warrants: strangers.to_wire(),
        ..act.clone()
    };
    published.push(stage.publish(agent, Body::Act(strangers)));
    // The true ticket, once its time is over, in an act that claims to be fresh.
    stage.pass(Span::from_secs(11 * 60));
    let value = stage.fresh_value();
    let late = Act {
        warrants: true_act.warrants.clone(),
        ..stage.act(agent, 0, &[], value, at)
    };
    published.push(stage.publish(agent, Body::Act(late)));
    published.push(stage.publish(agent, Body::Act(true_act)));
    published
}
