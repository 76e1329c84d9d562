//! An agent with a token for a share of the mesh acts within it, and then beyond it.
//!
//! The mesh's first founder grants the agent, the last node, a token that may set one policy on so
//! many nodes at a time, and publishes it. The agent's act within the share goes through its own
//! peer, which checks it as every target does. The act beyond the share is refused there; so the
//! agent turns adversary, signs it outside its peer and hands it to its gossip. Every target must
//! refuse it, for a reason.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{
    ContentId, PublicKey,
    capability::{Caveat, Grant, RootKey, ShareBp, Token},
};
use x0_protocol::{
    Command, CommandId, Millis,
    core::command::Aim,
    wire::{Act, Body, Change, Draft, Targets},
};

use super::{CapabilitySpread, workload::Workload};
use crate::{properties::Finding, random::Purpose, time::Time, world::World};

/// When the token is published: after the links are greeted.
const PUBLISH_AT: Time = Time(2_000_000);
/// When the agent acts within its token: after the token has spread.
const WITHIN_AT: Time = Time(7_000_000);
/// When the agent tries to act beyond its token through its own peer.
const BEYOND_AT: Time = Time(12_000_000);
/// When it sends that act past its own peer.
const PAST_PEER_AT: Time = Time(13_000_000);

/// How long the acts may wait for execution.
const LIFE: Millis = Millis::from_mins(5);

/// The scenario under way.
pub(crate) struct Spreading {
    plan: CapabilitySpread,
    agent: u32,
    root: RootKey,
    token: Option<Token>,
    /// Nodes in a random order: the first are the targets of the acts.
    order: Vec<u32>,
    done: u32,
    within: Option<CommandId>,
    beyond: Option<CommandId>,
    past_peer: Option<ContentId>,
}

impl Spreading {
    pub(crate) fn new(plan: CapabilitySpread, world: &World) -> Self {
        let agent = world.nodes() - 1;
        let mut order: Vec<u32> = (0..agent).collect();
        world
            .seed()
            .stream(Purpose::Workload, 0)
            .shuffle(&mut order);
        let founder = world.identity(0).capability_root();
        let token = grant(plan, world, agent);
        Self {
            plan,
            agent,
            root: founder.public(),
            token,
            order,
            done: 0,
            within: None,
            beyond: None,
            past_peer: None,
        }
    }

    fn targets(&self, world: &World, count: u32) -> Vec<PublicKey> {
        let mut keys: Vec<_> = self
            .order
            .iter()
            .take(count as usize)
            .map(|node| world.key(*node))
            .collect();
        keys.sort_unstable();
        keys
    }

    fn propose(&self, world: &mut World, token: Token, value: u64, count: u32) -> CommandId {
        let targets = Aim::At(Targets::Nodes(self.targets(world, count)));
        let change = change(value, 0);
        let command = Command::Propose {
            change,
            targets,
            token,
            root: self.root,
            life: LIFE,
        };
        world.command(self.agent, command)
    }

    /// Signs the act beyond the token with the agent's own key and gives it to its gossip.
    fn publish_past_peer(&mut self, world: &mut World, token: Token) {
        let act = Act {
            change: change(700, 0),
            targets: Targets::Nodes(self.targets(world, self.plan.beyond)),
            root: self.root,
            token,
            expires: world.wall() + LIFE,
            warrants: Vec::new(),
        };
        let key = world.key(self.agent);
        let own = world.stored(self.agent).iter().map(|record| record.value());
        let last = own
            .filter(|record| record.author() == key)
            .max_by_key(|r| r.header().seq);
        let at = last.map_or((0, None), |last| (last.header().seq + 1, Some(last.id())));
        let mesh = Some(world.mesh());
        let draft = Draft::new(mesh, key, at, world.wall(), [7; 16], Body::Act(act));
        if let Ok(record) = draft.sign(&world.identity(self.agent)) {
            self.past_peer = Some(record.value().id());
            world.publish_past_peer(self.agent, record.value().clone());
        }
    }

    fn answer(&self, world: &World, id: Option<CommandId>) -> Option<Result<ContentId, String>> {
        let (_, _, answer) = world
            .replies()
            .into_iter()
            .find(|(_, known, _)| Some(*known) == id)?;
        answer
            .map(|record| record.unwrap_or(world.mesh()))
            .map(Some)
            .transpose()
    }
}

impl Workload for Spreading {
    fn next(&self) -> Option<Time> {
        [PUBLISH_AT, WITHIN_AT, BEYOND_AT, PAST_PEER_AT]
            .get(self.done as usize)
            .copied()
    }

    fn act(&mut self, world: &mut World) {
        self.done += 1;
        let Some(token) = self.token.clone() else {
            return;
        };
        match self.done {
            1 => {
                let root = self.root;
                world.command(0, Command::PublishCapability { root, token });
            }
            2 => self.within = Some(self.propose(world, token, 500, self.plan.within)),
            3 => self.beyond = Some(self.propose(world, token, 700, self.plan.beyond)),
            _ => self.publish_past_peer(world, token),
        }
    }

    fn findings(&self, world: &World) -> Vec<Finding> {
        vec![
            self.executed_within(world),
            self.refused_by_own_peer(world),
            self.refused_by_all(world),
        ]
    }
}

impl Spreading {
    fn executed_within(&self, world: &World) -> Finding {
        let wanted = self.plan.within;
        let (holds, detail) = match self.answer(world, self.within) {
            Some(Ok(act)) => {
                let meant = self.order.iter().take(wanted as usize);
                let executed = meant
                    .filter(|node| world.has_executed(**node, &act))
                    .count();
                let all = world
                    .executed()
                    .iter()
                    .filter(|(done, _)| *done == act)
                    .count();
                let holds = executed == wanted as usize && all == executed;
                (
                    holds,
                    format!("{executed} of {wanted} targets executed it, {all} nodes in all"),
                )
            }
            Some(Err(why)) => (false, format!("the agent's own node refused it: {why}")),
            None => (false, "the agent's own node did not answer".to_owned()),
        };
        let name =
            format!("an act on {wanted} nodes, within the token, is executed by all of them");
        Finding {
            property: None,
            name,
            holds,
            detail,
        }
    }

    fn refused_by_own_peer(&self, world: &World) -> Finding {
        let (holds, detail) = match self.answer(world, self.beyond) {
            Some(Err(why)) => (true, why),
            Some(Ok(act)) => (false, format!("it was published as {act}")),
            None => (false, "no answer came".to_owned()),
        };
        let name = format!(
            "an act on {} nodes is refused by the agent's own node",
            self.plan.beyond
        );
        Finding {
            property: None,
            name,
            holds,
            detail,
        }
    }

    fn refused_by_all(&self, world: &World) -> Finding {
        let wanted = self.plan.beyond;
        let name =
            format!("sent past it, the act on {wanted} nodes is refused by every one of them");
        let Some(act) = self.past_peer else {
            let detail = "it was not sent".to_owned();
            return Finding {
                property: None,
                name,
                holds: false,
                detail,
            };
        };
        let mut reasons: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for (_, node, why) in world
            .refused()
            .into_iter()
            .filter(|(refused, ..)| *refused == act)
        {
            reasons.entry(why).or_default().insert(node);
        }
        let refused: BTreeSet<u32> = reasons.values().flatten().copied().collect();
        let targets = self.order.iter().take(wanted as usize);
        let missing = targets.filter(|node| !refused.contains(node)).count();
        let executed = world
            .executed()
            .iter()
            .filter(|(done, _)| *done == act)
            .count();
        let mut detail = format!(
            "{} of {wanted} refused, {executed} executed",
            wanted as usize - missing
        );
        for (why, nodes) in &reasons {
            detail.push_str(&format!("; {} nodes: {why}", nodes.len()));
        }
        Finding {
            property: None,
            name,
            holds: missing == 0 && executed == 0,
            detail,
        }
    }
}

/// Returns the change of a policy that every node knows.
pub(super) fn change(value: u64, from_version: u64) -> Change {
    let Ok(policy) = "acts.shown".parse() else {
        unreachable!("the name is well-formed")
    };
    Change::SetPolicy {
        policy,
        value,
        from_version,
    }
}

fn grant(plan: CapabilitySpread, world: &World, agent: u32) -> Option<Token> {
    // Checked with the scenario: at most 1,000 of 10,000.
    let share = ShareBp::new(u16::try_from(plan.share_bp).ok()?).ok()?;
    let grant = Grant {
        holder: world.key(agent),
        actions: BTreeSet::from([change(0, 0).action()]),
        caveats: vec![Caveat::AffectsNetworkPctLe(share)],
    };
    let seed = world.seed().bytes(Purpose::Workload, 1);
    Token::grant_seeded(&world.identity(0).capability_root(), &grant, &seed).ok()
}
