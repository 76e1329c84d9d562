//! A world to attack in: whole peers in virtual time, and somebody who drives some of them as it likes.
//!
//! A hostile driver asks seats, targets and co-signers by itself, keeps what they answer, signs records with its nodes'
//! keys at any place of their chains, and hands them to its gossip. All of it passes through the network's model to
//! honest peers, who decide.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{
    ContentId,
    capability::{Caveat, ShareBp},
};
use x0_protocol::{
    Command, CommandId, Millis, Wall,
    core::command::{Aim, Status},
    spine::{audit::What, halt::HaltReport},
    wire::{
        Act, Admission, Admitted, Body, Consent, Consented, Draft, Record, Request, Response, Role,
        Said, Verified, Warrants, Word,
    },
};

use super::chamber::{change, targets, token};
use crate::{
    random::{Purpose, Seed},
    scenarios::{LatencyPlan, NetworkPlan},
    time::{Span, Time},
    world::{Founding, World},
};

/// Virtual time in which the committee makes its keys and everybody learns them.
const WARM_UP: Span = Span::from_secs(15);
/// Longest life of an act.
pub(super) const LIFE: Millis = Millis::from_mins(10);
/// Longest time a hostile driver waits for a ticket or a word.
const PATIENCE: u32 = 15;
/// Time in which an act of an honest peer is admitted, written, spread and carried out.
pub(super) const ACT_TIME: Span = Span::from_secs(12);

/// A world under attack.
pub(super) struct Stage {
    pub(super) world: World,
    seats: u32,
    values: u64,
    /// The next free places of chains on which a hostile driver has written.
    ends: BTreeMap<u32, (u64, Option<ContentId>)>,
    /// Nodes in random order, founders left out.
    pub(super) order: Vec<u32>,
}

/// How an attack founds its mesh. All its members stand in the state it starts from, and so count from the first day,
/// each in an invite subtree of its own; the genesis names the roots of all founders.
pub(super) fn founding(seats: u32) -> Founding {
    Founding {
        seats,
        roots: seats,
        counted_ahead: true,
        ..Founding::default()
    }
}

/// How an attack founds a mesh in which one act of a hundredth of the nodes is drawn for, without a day's work before:
/// the rule and the draw are those of a tenth.
pub(super) fn founding_drawn_for(seats: u32, nodes: u32) -> Founding {
    let mut founding = founding(seats);
    let nodes_of_act = width_drawn_for(nodes) as u64;
    // Fewer nodes than the act has, in parts of 10,000.
    let share = (nodes_of_act - 1) * 10_000 / u64::from(nodes);
    let share = u16::try_from(share)
        .ok()
        .and_then(|share| ShareBp::new(share).ok());
    founding.parameters.mass_action_share = share.unwrap_or(founding.parameters.mass_action_share);
    founding
}

/// Returns how many nodes such an act touches.
pub(super) fn width_drawn_for(nodes: u32) -> usize {
    (nodes / 10 + 1).clamp(3, 100) as usize
}

impl Stage {
    /// Founds a mesh and waits until its committee has keys that every node knows.
    pub(super) fn found(seed: Seed, nodes: u32, founding: Founding) -> Self {
        let seats = founding.seats;
        let plan = NetworkPlan {
            latency: LatencyPlan::Internet,
            loss_ppm: 0,
        };
        let mut order: Vec<u32> = (seats..nodes).collect();
        seed.stream(Purpose::Workload, 0).shuffle(&mut order);
        let mut world = World::found(seed, nodes, plan, founding, 1);
        world.run_until(Time::START + WARM_UP);
        Self {
            world,
            seats,
            values: 0,
            ends: BTreeMap::new(),
            order,
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, span: Span) {
        let until = self.world.now() + span;
        self.world.run_until(until);
    }

    /// Returns a value of the policy that no act has asked for before.
    pub(super) fn fresh_value(&mut self) -> u64 {
        self.values += 1;
        self.values
    }

    /// Returns an act of an agent under a founder's root, without warrants.
    pub(super) fn act(
        &self,
        agent: u32,
        grantor: u32,
        caveats: &[Caveat],
        value: u64,
        at: &[u32],
    ) -> Act {
        let grantor = self.world.identity(grantor);
        Act {
            change: change(value),
            targets: targets(at.iter().map(|node| self.world.key(*node))),
            root: grantor.capability_root().public(),
            token: token(&grantor, self.world.key(agent), caveats),
            expires: self.world.wall() + LIFE,
            warrants: Vec::new(),
        }
    }

    /// Has an agent's own peer propose an act, as an honest one would.
    pub(super) fn propose(&mut self, agent: u32, act: &Act) -> CommandId {
        let command = Command::Propose {
            change: act.change.clone(),
            targets: Aim::At(act.targets.clone()),
            token: act.token.clone(),
            root: act.root,
            life: LIFE,
        };
        self.world.command(agent, command)
    }

    /// Returns the record of a proposed act, once it is written.
    pub(super) fn record_of(&self, command: CommandId) -> Option<ContentId> {
        self.world.proposed(command)?.1
    }

    /// Returns the next free place of a node's chain.
    pub(super) fn chain_end(&self, node: u32) -> (u64, Option<ContentId>) {
        let key = self.world.key(node);
        let own = self.world.stored(node).iter().map(|record| record.value());
        let own = own.filter(|record| record.author() == key);
        let last = own.max_by_key(|record| record.header().seq);
        let on_disk = last.map_or((0, None), |last| (last.header().seq + 1, Some(last.id())));
        let past_peer = self.ends.get(&node).copied();
        past_peer.filter(|end| end.0 > on_disk.0).unwrap_or(on_disk)
    }

    /// Signs a record with a node's key at any place of its chain and with any date.
    pub(super) fn sign(
        &self,
        node: u32,
        place: (u64, Option<ContentId>),
        date: Wall,
        body: Body,
    ) -> Verified<Record> {
        let (mesh, identity) = (Some(self.world.mesh()), self.world.identity(node));
        let draft = Draft::new(mesh, identity.public(), place, date, [7; 16], body);
        match draft.sign(&identity) {
            Ok(record) => record,
            Err(error) => unreachable!("an attack keeps to the bounds of records: {error}"),
        }
    }

    /// Signs a record at the end of a node's chain and hands it to the node's gossip past its peer.
    pub(super) fn publish(&mut self, node: u32, body: Body) -> ContentId {
        let record = self.sign_next(node, body);
        self.world.publish_past_peer(node, record.value().clone());
        record.value().id()
    }

    /// Signs a record at the end of a node's chain, dated now.
    pub(super) fn sign_next(&mut self, node: u32, body: Body) -> Verified<Record> {
        let (place, date) = (self.chain_end(node), self.world.wall());
        let record = self.sign(node, place, date, body);
        let id = record.value().id();
        self.ends.insert(node, (place.0 + 1, Some(id)));
        record
    }

    /// Asks seats for a ticket past the agent's peer, and for the draw if there is one.
    ///
    /// # Errors
    ///
    /// Returns why no ticket came.
    pub(super) fn ask_ticket(&mut self, agent: u32, act: &Act) -> Result<Warrants, String> {
        let admission = self.admission(agent, act);
        let mut warrants = Warrants::default();
        let mut waited = 0;
        for _ in 0..PATIENCE {
            let request = || Request::Admit(Box::new(admission.to_unverified()));
            let asked: Vec<_> = (0..self.seats)
                .map(|seat| self.world.request_past_peer(agent, seat, request()))
                .collect();
            self.pass(Span::from_secs(1));
            let mut refused = Vec::new();
            for answer in asked
                .into_iter()
                .filter_map(|asked| self.world.answer_past_peer(asked))
            {
                let Response::Admitted(answer) = answer else {
                    continue;
                };
                match answer {
                    Admitted::Pending => {}
                    Admitted::Ticket { ticket, draw } => {
                        warrants.ticket = Some(**ticket);
                        warrants.draw = draw.as_deref().cloned().or(warrants.draw.take());
                    }
                    Admitted::Refused { why } => refused.push(why.clone()),
                }
            }
            if let Some(why) = refused.into_iter().next() {
                return Err(why);
            }
            waited += u32::from(warrants.ticket.is_some());
            if warrants.draw.is_some() || waited > 4 {
                return Ok(warrants);
            }
        }
        if warrants.ticket.is_none() {
            return Err("no seat answered with a ticket".to_owned());
        }
        Ok(warrants)
    }

    fn admission(&self, agent: u32, act: &Act) -> Admission {
        let identity = self.world.identity(agent);
        let bare = Act {
            warrants: Vec::new(),
            ..act.clone()
        };
        let digest = bare.digest(&identity.public());
        let asked = Said::sign(&self.world.mesh(), digest, Word::Ask, &identity);
        Admission {
            act: bare,
            asked,
            emergency: None,
        }
    }

    /// Asks nodes for their word about an act past the agent's peer; returns the words and the refusals.
    pub(super) fn ask_words(
        &mut self,
        agent: u32,
        act: &Act,
        warrants: &Warrants,
        from: &[u32],
        role: Role,
    ) -> (Vec<Said>, Vec<String>) {
        let admission = self.admission(agent, act);
        let mut said = BTreeMap::new();
        let mut refused = BTreeMap::new();
        for _ in 0..PATIENCE {
            let open: Vec<u32> = from
                .iter()
                .filter(|node| !said.contains_key(*node) && !refused.contains_key(*node))
                .copied()
                .collect();
            if open.is_empty() {
                break;
            }
            let mut asked = Vec::new();
            for node in open {
                let consent = Consent {
                    admission: admission.to_unverified(),
                    warrants: warrants.clone(),
                    role,
                };
                let request = Request::Consent(Box::new(consent));
                asked.push((node, self.world.request_past_peer(agent, node, request)));
            }
            self.pass(Span::from_secs(1));
            for (node, asked) in asked {
                let Some(Response::Consent(answer)) = self.world.answer_past_peer(asked) else {
                    continue;
                };
                match answer {
                    Consented::Pending => {}
                    Consented::Said(word) => {
                        said.insert(node, *word);
                    }
                    Consented::Refused { why } => {
                        refused.insert(node, why.clone());
                    }
                }
            }
        }
        (
            said.into_values().collect(),
            refused.into_values().collect(),
        )
    }

    /// Collects all that an act needs past the agent's peer, as far as others give it, and returns the act with it.
    ///
    /// # Errors
    ///
    /// Returns why no ticket came.
    pub(super) fn warrant(&mut self, agent: u32, act: &Act, at: &[u32]) -> Result<Act, String> {
        let mut warrants = self.ask_ticket(agent, act)?;
        let others: Vec<u32> = at
            .iter()
            .filter(|node| **node != agent)
            .take(3)
            .copied()
            .collect();
        let (said, _) = self.ask_words(agent, act, &warrants, &others, Role::Target);
        warrants.said = said;
        Ok(Act {
            warrants: warrants.to_wire(),
            ..act.clone()
        })
    }

    /// Returns the nodes that told their user they executed an act, as often as they did.
    pub(super) fn executed(&self, act: &ContentId) -> Vec<u32> {
        let all = self.world.executed().into_iter();
        all.filter(|(done, _)| done == act)
            .map(|(_, node)| node)
            .collect()
    }

    /// Returns how many nodes refused an act, by reason.
    pub(super) fn refusals(&self, act: &ContentId) -> BTreeMap<String, usize> {
        let mut reasons: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for (_, node, why) in self
            .world
            .refused()
            .into_iter()
            .filter(|(refused, ..)| refused == act)
        {
            reasons.entry(why).or_default().insert(node);
        }
        reasons
            .into_iter()
            .map(|(why, nodes)| (why, nodes.len()))
            .collect()
    }

    /// Returns the nodes, without the founders, whose policy was ever changed.
    pub(super) fn changed(&self) -> Vec<u32> {
        let nodes = 0..self.world.nodes();
        nodes
            .filter(|node| self.world.policy(*node, "acts.shown").is_some())
            .collect()
    }

    /// Counts how often an act stands as executed in the audit logs of nodes.
    pub(super) fn executions_logged(&self, act: &ContentId) -> usize {
        let entries = (0..self.world.nodes()).flat_map(|node| self.world.audit(node));
        entries
            .filter(|entry| matches!(&entry.what, What::Executed { act: done, .. } if done == act))
            .count()
    }

    /// Returns what a node knows of alerts and halts; lets a little time pass for the answer.
    pub(super) fn halt_report(&mut self, node: u32) -> Option<HaltReport> {
        let asked = self.world.ask_halt_report(node);
        self.pass(Span::from_millis(200));
        self.world.halt_report(asked).cloned()
    }

    /// Returns how a node stands; lets a little time pass for the answer.
    pub(super) fn status(&mut self, node: u32) -> Option<Status> {
        let asked = self.world.ask_status(node);
        self.pass(Span::from_millis(200));
        self.world.status(asked).cloned()
    }
}
