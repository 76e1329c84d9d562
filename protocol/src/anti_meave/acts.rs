//! Judging acts, and remembering what became of them.
//!
//! [`judge`] is the one rule by which a node takes or refuses an act, at the proposer and at every
//! target alike. An act that passes is executed at most once: its id is on disk before it runs.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use x0_crypto::{
    ContentId, PublicKey,
    capability::{Capability, Refusal, RootKey, Scope, Use},
};

use super::{Approved, Capabilities, Policies, anomaly::MASS_WINDOW, warrants::Proven};
use crate::{
    core::{
        command::ActView,
        limits::{ACT_LIFE_MAX, ACTS_TRACKED_MAX, CLOCK_SKEW_MAX},
        reject::ActRefusal,
        time::{Now, Wall},
    },
    spine::{committee::scope_of, directory::Directory},
    wire::{
        Act, Body, Change, MultiSig, Outcome, Policy, Record, Statement, Targets, Verified,
        Warrants, Word,
    },
};

/// What a node knows when it judges an act.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// The node itself.
    pub own: PublicKey,
    /// The node's own delegation root.
    pub own_root: RootKey,
    /// The members.
    pub directory: &'a Directory,
    /// Tokens, revocations, roots.
    pub capabilities: &'a Capabilities,
    /// The policies in force here.
    pub policies: &'a Policies,
    /// When.
    pub now: Now,
    /// Mesh time, as far as this node knows it.
    pub time: Wall,
}

impl Bench<'_> {
    /// Tells whether this node takes acts under `root`.
    pub fn accepts(&self, root: &RootKey) -> bool {
        *root == self.own_root
            || self.directory.genesis().roots.binary_search(root).is_ok()
            || self.capabilities.is_accepted(root)
    }
}

/// Judges an act of another agent in all but its token's caveats, which the returned use asks for.
///
/// # Errors
///
/// Returns why this node refuses the act.
pub fn judge(
    bench: Bench<'_>,
    agent: PublicKey,
    act: &Act,
    written: Wall,
    capability: &Capability,
) -> Result<Use, ActRefusal> {
    let now = bench.now.mesh_time().instant();
    if act.expires <= now || act.expires > written + ACT_LIFE_MAX {
        return Err(ActRefusal::Expired);
    }
    if !bench.directory.is_active(&agent) {
        return Err(ActRefusal::NotAMember);
    }
    if let Some(barred) = bench.directory.barred(&agent, bench.time) {
        return Err(ActRefusal::Barred(barred));
    }
    if act.change.is_local_only() {
        return Err(ActRefusal::LocalOnly);
    }
    if !bench.accepts(&act.root) {
        return Err(ActRefusal::UnknownRoot(act.root.to_string()));
    }
    bench.capabilities.check_revoked(capability)?;
    let nodes = bench.directory.blast_radius(&act.targets);
    let members = bench.directory.active_count();
    let usage = Use {
        agent,
        action: act.change.action(),
        scope: scope_of(nodes),
        nodes,
        mesh_size: members,
        time: now.as_secs(),
        peer_signatures: 0,
        vote: None,
        multi_sig: None,
    };
    if bench.directory.is_target(&act.targets, &bench.own) {
        check_change(bench, &act.change)?;
    } else {
        check_meaning(bench, &act.change)?;
    }
    Ok(usage)
}

/// Checks what the token cannot know: that the act is no mass action.
///
/// # Errors
///
/// Returns how many nodes a token alone may reach.
pub fn check_reach(directory: &Directory, usage: &Use) -> Result<(), ActRefusal> {
    let allowed = directory.token_reach();
    if usage.nodes > allowed {
        return Err(ActRefusal::MassAction {
            nodes: usage.nodes,
            members: usage.mesh_size,
            allowed,
        });
    }
    Ok(())
}

/// Judges a change of the node by itself in all but its token's caveats.
///
/// # Errors
///
/// Returns why the change is refused.
pub fn judge_local(
    bench: Bench<'_>,
    change: &Change,
    capability: &Capability,
) -> Result<Use, ActRefusal> {
    if *capability.root() != bench.own_root {
        return Err(ActRefusal::UnknownRoot(capability.root().to_string()));
    }
    bench.capabilities.check_revoked(capability)?;
    check_change(bench, change)?;
    Ok(Use {
        agent: *capability.holder(),
        action: change.action(),
        scope: Scope::Local,
        nodes: 1,
        mesh_size: bench.directory.active_count().max(1),
        time: bench.now.mesh_time().instant().as_secs(),
        peer_signatures: 0,
        vote: None,
        multi_sig: None,
    })
}

fn check_change(bench: Bench<'_>, change: &Change) -> Result<(), ActRefusal> {
    match change {
        Change::SetPolicy {
            policy,
            value,
            from_version,
        } => bench
            .policies
            .check(policy, *value, *from_version)
            .map(|_| ()),
        Change::Link { peer } | Change::Unlink { peer } => {
            if *peer == bench.own || !bench.directory.is_active(peer) {
                return Err(ActRefusal::BadChange(format!(
                    "{peer} is not another member"
                )));
            }
            Ok(())
        }
    }
}

/// Checks at a node that is no target that a change means something at all, whatever version it starts from.
fn check_meaning(bench: Bench<'_>, change: &Change) -> Result<(), ActRefusal> {
    match change {
        Change::SetPolicy { policy, value, .. } => {
            let known: Result<Policy, _> = policy.as_str().parse();
            let present = known.map_or(0, |known| bench.policies.version(known));
            bench.policies.check(policy, *value, present).map(|_| ())
        }
        Change::Link { .. } | Change::Unlink { .. } => check_change(bench, change),
    }
}

/// A change whose token is being asked; turns into an approval only by the token's yes.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The change.
    pub change: Change,
    /// The capability it rests on.
    pub capability: Arc<Capability>,
    /// What the capability is asked for.
    pub usage: Use,
}

impl Pending {
    /// Approves the change if the token allowed it, and what else admits an act to this mesh is there.
    ///
    /// # Errors
    ///
    /// Returns the refusal of the token, or what is missing beyond it.
    pub fn approve(
        self,
        bench: Bench<'_>,
        admittance: &Admittance,
        answer: Result<(), Refusal>,
    ) -> Result<Approved<Change>, ActRefusal> {
        answer.map_err(ActRefusal::Token)?;
        match admittance {
            Admittance::Own => {}
            Admittance::TokenAlone => check_reach(bench.directory, &self.usage)?,
            Admittance::Warrants { proven, act, agent } => {
                proven.suffices(bench.directory, (act, agent), &self.capability, bench.time)?;
            }
        }
        Ok(Approved(self.change))
    }
}

/// By what an act is admitted beyond its token.
#[derive(Clone, Debug)]
pub enum Admittance {
    /// By nothing: it changes the own node only.
    Own,
    /// By nothing, in a mesh without a committee; it may reach as far as a token may.
    TokenAlone,
    /// By the warrants it carries.
    Warrants {
        /// The warrants, whose signatures hold.
        proven: Box<Proven>,
        /// The act.
        act: Box<Act>,
        /// The agent.
        agent: PublicKey,
    },
}

/// What became of one act.
#[derive(Clone, Debug)]
struct Tracked {
    record: Verified<Record>,
    here: Option<Outcome>,
    elsewhere: BTreeMap<PublicKey, Outcome>,
}

/// The acts a peer has seen, and those it has executed.
#[derive(Clone, Debug, Default)]
pub struct Acts {
    tracked: BTreeMap<ContentId, Tracked>,
    executed: BTreeSet<ContentId>,
}

impl Acts {
    /// Rebuilds the set of executed acts from the store.
    pub fn restore(executed: BTreeSet<ContentId>) -> Self {
        Self {
            tracked: BTreeMap::new(),
            executed,
        }
    }

    /// Takes note of an act; the oldest tracked gives way when too many are.
    pub fn track(&mut self, record: Verified<Record>) {
        let id = record.value().id();
        if self.tracked.len() >= ACTS_TRACKED_MAX && !self.tracked.contains_key(&id) {
            let oldest = self
                .tracked
                .iter()
                .min_by_key(|(id, tracked)| (tracked.record.value().header().time, **id));
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.tracked.remove(&oldest);
            }
        }
        let fresh = Tracked {
            record,
            here: None,
            elsewhere: BTreeMap::new(),
        };
        self.tracked.entry(id).or_insert(fresh);
    }

    /// Forgets what an act said, as its author has it erased; that it was executed stays known.
    pub fn forget(&mut self, id: &ContentId) {
        self.tracked.remove(id);
    }

    /// Tells whether the act is done with here: executed, or refused.
    pub fn is_settled(&self, id: &ContentId) -> bool {
        let refused = self
            .tracked
            .get(id)
            .is_some_and(|tracked| tracked.here.is_some());
        refused || self.executed.contains(id)
    }

    /// Takes note that the act is about to be executed here; never again.
    pub fn begin(&mut self, id: ContentId) {
        self.executed.insert(id);
    }

    /// Takes note of what became of the act here.
    pub fn settle(&mut self, id: &ContentId, outcome: Outcome) {
        if let Some(tracked) = self.tracked.get_mut(id) {
            tracked.here = Some(outcome);
        }
    }

    /// Takes note of what a target says became of an own act; strangers to the act are not heard.
    pub fn hear(
        &mut self,
        id: &ContentId,
        own: &PublicKey,
        target: PublicKey,
        outcome: Outcome,
        directory: &Directory,
    ) -> bool {
        let Some(tracked) = self.tracked.get_mut(id) else {
            return false;
        };
        let crate::wire::Body::Act(act) = tracked.record.value().body() else {
            return false;
        };
        if tracked.record.value().author() != *own || !directory.is_target(&act.targets, &target) {
            return false;
        }
        tracked.elsewhere.insert(target, outcome);
        true
    }

    /// Returns the acts that this node is a target of and has not settled.
    pub fn unsettled(&self, own: &PublicKey, directory: &Directory) -> Vec<Verified<Record>> {
        self.tracked
            .iter()
            .filter(|(id, _)| !self.is_settled(id))
            .filter(|(_, tracked)| {
                let body = tracked.record.value().body();
                matches!(body, Body::Act(act) if directory.is_target(&act.targets, own))
            })
            .map(|(_, tracked)| tracked.record.clone())
            .collect()
    }

    /// Returns the overrides among the acts tracked, by their digests.
    pub fn overrides(&self) -> impl Iterator<Item = ContentId> {
        self.tracked.values().filter_map(|tracked| {
            let record = tracked.record.value();
            let Body::Act(act) = record.body() else {
                return None;
            };
            act.is_override().then(|| act.digest(&record.author()))
        })
    }

    /// Returns the acts that were written shortly before a moment, in order of date.
    pub fn recent(&self, time: Wall) -> Vec<Verified<Record>> {
        let dated = self.tracked.values().map(|tracked| &tracked.record);
        let mut recent: Vec<_> = dated
            .filter(|record| record.value().header().time + MASS_WINDOW + CLOCK_SKEW_MAX > time)
            .cloned()
            .collect();
        recent.sort_by_key(|record| (record.value().header().time, record.value().id()));
        recent
    }

    /// Lists the acts tracked, newest first, as many as the policy shows.
    pub fn view(&self, policies: &Policies) -> Vec<ActView> {
        let shown = usize::try_from(policies.value(Policy::ActsShown)).unwrap_or(usize::MAX);
        let mut views: Vec<_> = self
            .tracked
            .iter()
            .filter_map(|(id, t)| t.view(*id))
            .collect();
        views.sort_by_key(|view| Reverse((view.time, view.id)));
        views.truncate(shown);
        views
    }
}

impl Tracked {
    fn view(&self, id: ContentId) -> Option<ActView> {
        let record = self.record.value();
        let crate::wire::Body::Act(act) = record.body() else {
            return None;
        };
        Some(ActView {
            id,
            agent: record.author(),
            change: act.change.to_string(),
            targets: act.targets.clone(),
            time: record.header().time,
            here: self.here.clone(),
            elsewhere: self
                .elsewhere
                .iter()
                .map(|(key, o)| (*key, o.clone()))
                .collect(),
            approvals: approvals(act),
        })
    }
}

/// Describes the targets of an act in words.
pub fn describe_targets(targets: &Targets) -> String {
    match targets {
        Targets::Nodes(nodes) => format!("{} named nodes", nodes.len()),
        Targets::Region(region) => format!("every node of region {region}"),
        Targets::All => "every node".to_owned(),
    }
}

/// Counts the approvals that an act carries under its ticket, if that asks for any; the targets check them.
fn approvals(act: &Act) -> Option<(u32, MultiSig)> {
    let warrants = Warrants::of(act).ok()?;
    let Statement::Ticket(ticket) = warrants.ticket?.statement else {
        return None;
    };
    let word = Word::Sign {
        ticket: ticket.name(),
    };
    let said = warrants.said.iter().filter(|said| said.word == word);
    let by: BTreeSet<_> = said.map(|said| said.by).collect();
    let count = u32::try_from(by.len()).unwrap_or(u32::MAX);
    Some((count, ticket.panel?.multi_sig))
}
