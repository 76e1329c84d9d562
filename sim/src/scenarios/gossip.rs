//! Members publish capability tokens, one after the other.
//!
//! Who publishes is drawn at random among the nodes that have power. A token is granted by the
//! publisher's own root to itself and narrowed so that it allows nothing on anybody else's node: what
//! matters here is that everybody hears of it.

use std::collections::BTreeSet;

use x0_crypto::capability::{Caveat, Grant, Scope, Token};
use x0_protocol::{Command, wire::Change};

use super::{Gossip, workload::Workload};
use crate::{
    properties::Finding,
    random::Purpose,
    time::{Span, Time},
    world::World,
};

/// When the first record is published: after the links are greeted.
const START: Time = Time(2_000_000);

/// Broadcasts under way.
pub(crate) struct Broadcasting {
    plan: Gossip,
    done: u32,
}

impl Broadcasting {
    pub(crate) const fn new(plan: Gossip) -> Self {
        Self { plan, done: 0 }
    }
}

impl Workload for Broadcasting {
    fn next(&self) -> Option<Time> {
        let after = Span::from_millis(self.plan.every_ms.saturating_mul(u64::from(self.done)));
        (self.done < self.plan.broadcasts).then_some(START + after)
    }

    fn act(&mut self, world: &mut World) {
        let mut stream = world.seed().stream(Purpose::Workload, self.done);
        let drawn = stream.below(world.nodes());
        let publisher = (0..world.nodes())
            .map(|step| (drawn + step) % world.nodes())
            .find(|n| world.is_up(*n));
        self.done += 1;
        let Some(publisher) = publisher else { return };
        if let Some((root, token)) = own_token(world, publisher, self.done) {
            world.command(publisher, Command::PublishCapability { root, token });
        }
    }

    fn findings(&self, world: &World) -> Vec<Finding> {
        let replies = world.replies();
        let acknowledged = replies
            .iter()
            .filter(|(_, _, answer)| answer.is_ok())
            .count();
        let refused: BTreeSet<_> = replies
            .iter()
            .filter_map(|(_, _, a)| a.as_ref().err())
            .collect();
        let all_answered = replies.len() == self.done as usize;
        let mut detail = format!(
            "{acknowledged} of {} broadcasts were acknowledged",
            self.done
        );
        for why in refused {
            detail.push_str("; refused: ");
            detail.push_str(why);
        }
        // A command to a node that crashes before it answers stays unanswered, and promises nothing.
        let may_be_lost = world.tally().crashes > 0;
        vec![Finding {
            property: None,
            name: "broadcasts are acknowledged".to_owned(),
            holds: acknowledged > 0 && (all_answered || may_be_lost),
            detail,
        }]
    }
}

fn own_token(
    world: &World,
    node: u32,
    number: u32,
) -> Option<(x0_crypto::capability::RootKey, Token)> {
    let identity = world.identity(node);
    let root = identity.capability_root();
    let Ok(policy) = "links.target".parse() else {
        unreachable!("the name is well-formed")
    };
    let change = Change::SetPolicy {
        policy,
        value: 8,
        from_version: 0,
    };
    let grant = Grant {
        holder: identity.public(),
        actions: BTreeSet::from([change.action()]),
        caveats: vec![Caveat::Scope(Scope::Local)],
    };
    let seed = world.seed().bytes(Purpose::Workload, number);
    let token = Token::grant_seeded(&root, &grant, &seed).ok()?;
    Some((root.public(), token))
}
