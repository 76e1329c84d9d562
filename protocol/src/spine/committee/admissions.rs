//! Admission of acts: what each root, and each change, has reached lately, and whom it may still reach.
//!
//! Every act beyond the agent's own node needs a ticket, which the seats issue by this one count. So many small acts
//! on disjoint targets, through delegates or under several roots, are one: the union of all targets of a root, and
//! of all targets of one change, within the window.
//!
//! Whatever reaches further than a token alone may is drawn for, and so is what needs a panel's approvals; draws are
//! scarce: a root and a change each wait 10 minutes after a draw, twice as long after every further one, and get 6 in
//! 24 hours. An act that a drawn co-signer refuses is over, and so is one that so many signatories refuse that the
//! others are too few. A ticket counts whether the act is then carried out or not.
//!
//! An act under a token that the log knows to be revoked gets none and counts for nothing; if it has one already,
//! that ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use x0_crypto::{
    ContentId, PublicKey,
    capability::{RevocationId, RootKey, Scope, ShareBp, Use},
};

use super::{
    members::Members,
    panel::{self, Room, cosigners_over},
    revoked::Revoked,
};
use crate::{
    core::{
        limits::ADMISSIONS_KEPT_MAX,
        time::{Millis, Wall},
    },
    wire::{Admission, Change, Electorate, MultiSig, Panel, Said, Ticket, encode_entry},
};

/// How long what an act has reached counts.
const WINDOW: Millis = Millis::from_mins(60 * 24);
/// Time after a draw before the same root or change is drawn for again; doubles with every further draw.
const BACK_OFF: Millis = Millis::from_mins(10);
/// Most draws for one root or one change within the window.
const DRAWS_MAX: usize = 6;
/// Most tickets for one agent within an hour: bounds what it can make the seats remember.
const TICKETS_MAX: usize = 120;
/// The time for which [`TICKETS_MAX`] holds.
const TICKETS_TIME: Millis = Millis::from_mins(60);
/// How long a ticket holds.
const TICKET_LIFE: Millis = Millis::from_mins(10);
/// Time after a ticket or a pass before a silent co-signer may be passed over.
const SILENCE: Millis = Millis::from_mins(3);
/// Most silent co-signers that are passed over in one draw.
pub(crate) const PASSES_MAX: u8 = 2;
/// Most nodes of a regional act.
const REGIONAL_NODES_MAX: u32 = 100;

/// What was admitted and refused.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admissions {
    #[serde(with = "crate::core::pairs")]
    roots: BTreeMap<RootKey, Reach>,
    #[serde(with = "crate::core::pairs")]
    changes: BTreeMap<ContentId, Reach>,
    #[serde(with = "crate::core::pairs")]
    agents: BTreeMap<PublicKey, Vec<Wall>>,
    #[serde(with = "crate::core::pairs")]
    decided: BTreeMap<ContentId, Decision>,
    order: VecDeque<ContentId>,
    /// Signatories who refuse, of acts that go on without them.
    #[serde(with = "crate::core::pairs")]
    declined: BTreeMap<ContentId, BTreeSet<PublicKey>>,
    /// The blocks of the tokens of admitted acts.
    #[serde(default, with = "crate::core::pairs")]
    tokens: BTreeMap<ContentId, Vec<RevocationId>>,
}

/// What became of an act that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "most decisions that are kept admit an act"
)]
pub enum Decision {
    /// It is admitted.
    Admitted(Ticket),
    /// It is not, or a co-signer or too many signatories have refused it.
    Refused {
        /// Why, in words.
        why: String,
    },
}

/// Under which conditions acts are admitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) height: u64,
    pub(super) time: Wall,
    pub(super) round: u64,
    pub(super) electorate: Electorate,
    /// Those who hold a seat.
    pub(super) seats: Electorate,
    /// How many can be drawn for the agent; `None` if it does not count as a member yet.
    pub(super) room: Option<Room>,
    pub(super) share: ShareBp,
    pub(super) floor: u32,
    /// Mesh milliseconds per real one: what bounds a course of events, and no time for thought, goes by real time.
    pub(super) scale: u64,
}

impl Terms {
    /// Returns how many nodes an act may reach before co-signers are drawn for it.
    pub(super) fn allowed(&self) -> u32 {
        self.share.nodes_of(self.electorate.count).max(self.floor)
    }

    /// Tells whether anybody is drawn for an act: co-signers, or a panel.
    pub(super) fn draws_for(&self, ticket: &Ticket) -> bool {
        ticket.reach() > self.allowed() || ticket.panel.is_some()
    }

    fn ticket_life(&self) -> Millis {
        Millis(TICKET_LIFE.0.saturating_mul(self.scale))
    }
}

/// What one root or one change has reached, and when it was drawn for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reach {
    #[serde(with = "crate::core::pairs")]
    touched: BTreeMap<PublicKey, Wall>,
    draws: Vec<Wall>,
}

impl Reach {
    fn forget(&mut self, time: Wall) {
        self.touched.retain(|_, at| *at + WINDOW > time);
        self.draws.retain(|at| *at + WINDOW > time);
    }

    fn is_spent(&self) -> bool {
        self.touched.is_empty() && self.draws.is_empty()
    }

    fn count_with(&self, nodes: &[PublicKey]) -> u32 {
        let fresh = nodes
            .iter()
            .filter(|node| !self.touched.contains_key(*node));
        let count = self.touched.len().saturating_add(fresh.count());
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Returns when it may be drawn for again; `None` if it may now.
    fn waits_until(&self, time: Wall) -> Option<Wall> {
        let last = *self.draws.last()?;
        let free = if self.draws.len() >= DRAWS_MAX {
            *self.draws.first()? + WINDOW
        } else {
            let doublings = u32::try_from(self.draws.len() - 1).unwrap_or(u32::MAX);
            last + Millis(
                BACK_OFF
                    .0
                    .saturating_mul(1_u64.checked_shl(doublings).unwrap_or(u64::MAX)),
            )
        };
        (time < free).then_some(free)
    }
}

impl Admissions {
    /// Returns what became of an act.
    pub(super) fn decision(&self, act: &ContentId) -> Option<&Decision> {
        self.decided.get(act)
    }

    /// Decides about an act; the ticket counts from now on, whatever becomes of it.
    pub(super) fn admit(
        &mut self,
        admission: &Admission,
        (members, revoked): (&Members, &Revoked),
        vote: Option<ContentId>,
        terms: &Terms,
    ) -> &Decision {
        let act = admission.asked.act;
        let lapsed = match self.decided.get(&act) {
            Some(Decision::Admitted(ticket)) => ticket.expires <= terms.time,
            Some(Decision::Refused { .. }) => false,
            None => true,
        };
        if lapsed {
            let decision = match self.judge(admission, (members, revoked), vote, terms) {
                Ok(ticket) => Decision::Admitted(ticket),
                Err(why) => Decision::Refused { why },
            };
            self.keep(act, decision);
        }
        &self.decided[&act]
    }

    /// Refuses an act whose agent may not ask for one.
    pub(super) fn bar(&mut self, act: ContentId, why: String, time: Wall) {
        let is_open = match self.decided.get(&act) {
            Some(Decision::Admitted(ticket)) => ticket.expires > time,
            Some(Decision::Refused { .. }) => true,
            None => false,
        };
        if !is_open {
            self.keep(act, Decision::Refused { why });
        }
    }

    /// Ends an act that a drawn co-signer refuses.
    pub(super) fn refuse(&mut self, act: ContentId, by: &PublicKey) {
        if matches!(self.decided.get(&act), Some(Decision::Admitted(_))) {
            let why = format!("the drawn co-signer {by} refused it");
            self.decided.insert(act, Decision::Refused { why });
        }
    }

    /// Tells whether a drawn signatory's refusal would be news.
    pub(super) fn may_decline(&self, act: &ContentId, by: &PublicKey) -> bool {
        let declined = self.declined.get(act);
        declined.is_none_or(|declined| !declined.contains(by))
    }

    /// Takes note that a drawn signatory refuses; ends the act once those who are left are too few.
    pub(super) fn decline(&mut self, said: &Said) {
        let Some(Decision::Admitted(Ticket {
            panel: Some(panel), ..
        })) = self.decided.get(&said.act)
        else {
            return;
        };
        let panel = panel.multi_sig;
        let declined = self.declined.entry(said.act).or_default();
        declined.insert(said.by);
        let count = declined.len();
        if count > usize::from(panel.spare()) {
            let why = too_many_decline(count, panel);
            self.declined.remove(&said.act);
            self.decided.insert(said.act, Decision::Refused { why });
        }
    }

    /// Ends the admitted acts whose tokens are struck by a revocation that was just named.
    pub(super) fn revoke(&mut self, revoked: &Revoked, time: Wall) {
        let struck: Vec<_> = self
            .open(time)
            .filter_map(|(ticket, blocks)| {
                let block = revoked.strikes(&ticket.root, blocks)?;
                Some((ticket.act, revoked_words(block, &blocks[block])))
            })
            .collect();
        for (act, why) in struck {
            self.decided.insert(act, Decision::Refused { why });
            self.tokens.remove(&act);
        }
    }

    /// Iterates over the tickets that hold, with the blocks of the tokens under which they were issued.
    pub(super) fn open(&self, time: Wall) -> impl Iterator<Item = (&Ticket, &[RevocationId])> {
        self.tokens.iter().filter_map(move |(act, blocks)| {
            let Some(Decision::Admitted(ticket)) = self.decided.get(act) else {
                return None;
            };
            (ticket.expires > time).then_some((ticket, blocks.as_slice()))
        })
    }

    /// Lets the next in the draw stand in for a silent co-signer: issues the ticket anew.
    pub(super) fn pass(&mut self, act: ContentId, passed: u8, terms: &Terms) -> Option<Ticket> {
        let Some(Decision::Admitted(ticket)) = self.decided.get_mut(&act) else {
            return None;
        };
        let is_next = passed == ticket.passed + 1;
        if !is_next || !may_pass(ticket, terms.time, terms.scale) {
            return None;
        }
        *ticket = Ticket {
            passed,
            height: terms.height,
            time: terms.time,
            expires: terms.time + terms.ticket_life(),
            ..*ticket
        };
        Some(*ticket)
    }

    /// Forgets roots, changes and agents of whom nothing counts any more.
    pub(super) fn forget(&mut self, time: Wall) {
        self.roots.values_mut().for_each(|reach| reach.forget(time));
        self.changes
            .values_mut()
            .for_each(|reach| reach.forget(time));
        self.roots.retain(|_, reach| !reach.is_spent());
        self.changes.retain(|_, reach| !reach.is_spent());
        self.agents
            .retain(|_, tickets| tickets.last().is_some_and(|at| *at + TICKETS_TIME > time));
        let open: BTreeSet<_> = self.open(time).map(|(ticket, _)| ticket.act).collect();
        self.tokens.retain(|act, _| open.contains(act));
    }

    fn judge(
        &mut self,
        admission: &Admission,
        (members, revoked): (&Members, &Revoked),
        vote: Option<ContentId>,
        terms: &Terms,
    ) -> Result<Ticket, String> {
        let (act, agent) = (&admission.act, admission.asked.by);
        let time = terms.time;
        if members.facts(&agent).is_none() {
            return Err(
                "the committee does not know the agent as a member yet; ask again in a minute"
                    .to_owned(),
            );
        }
        if act.change.is_local_only() {
            return Err("links are a node's own affair: this change is local only".to_owned());
        }
        let tickets = self.agents.entry(agent).or_default();
        tickets.retain(|at| *at + TICKETS_TIME > time);
        if tickets.len() >= TICKETS_MAX {
            return Err(format!(
                "the agent got {TICKETS_MAX} tickets in the last hour; wait"
            ));
        }
        let touched = members.touched(&act.targets);
        let nodes = u32::try_from(touched.len()).unwrap_or(u32::MAX);
        let capability = act
            .token
            .verify(&act.root)
            .map_err(|error| error.to_string())?;
        // What is done without a vote takes at least the panel of an act on the whole network.
        let level = match admission.emergency {
            Some(_) => Scope::Network,
            None => scope_of(nodes),
        };
        let panel = panel::wanted(&capability, level);
        let panel = panel.map_err(|refusal| refusal.to_string())?;
        let blocks = capability.revocation_ids();
        if let Some(block) = revoked.strikes(&act.root, blocks) {
            return Err(revoked_words(block, &blocks[block]));
        }
        let usage = Use {
            agent,
            action: act.change.action(),
            scope: scope_of(nodes),
            nodes,
            mesh_size: terms.electorate.count.max(1),
            time: time.as_secs(),
            // Collected only once there is a ticket; each target counts them.
            peer_signatures: u8::MAX,
            vote,
            multi_sig: panel.map(|panel| (panel.n, panel.n)),
        };
        capability
            .authorize(&usage)
            .map_err(|refusal| refusal.to_string())?;
        let change = change_id(&act.change);
        let of_root = self.roots.entry(act.root).or_default();
        of_root.forget(time);
        let of_change = self.changes.entry(change).or_default();
        of_change.forget(time);
        let ticket = Ticket {
            act: admission.asked.act,
            agent,
            root: act.root,
            nodes,
            of_root: of_root.count_with(&touched),
            of_change: of_change.count_with(&touched),
            electorate: terms.electorate,
            height: terms.height,
            round: terms.round,
            time,
            expires: time + terms.ticket_life(),
            passed: 0,
            panel: panel.map(|multi_sig| Panel {
                multi_sig,
                seats: terms.seats,
            }),
        };
        if let Some(panel) = panel {
            let room = terms.room.ok_or_else(|| {
                "the agent does not count as a member yet, so that no signatories can be drawn for it"
                    .to_owned()
            })?;
            let cosigners = cosigners_over(&terms.electorate, ticket.reach(), terms.allowed());
            let drawable = room.check(panel, cosigners);
            drawable.map_err(|refusal| refusal.to_string())?;
        }
        if terms.draws_for(&ticket) {
            for (reach, what) in [(&*of_root, "its root"), (&*of_change, "this change")] {
                if let Some(until) = reach.waits_until(time) {
                    let minutes = until.0.saturating_sub(time.0).div_ceil(60_000);
                    return Err(format!(
                        "co-signers or signatories were drawn for {what} {} times in 24 hours; the next draw is in {minutes} minutes",
                        reach.draws.len()
                    ));
                }
            }
            of_root.draws.push(time);
            of_change.draws.push(time);
        }
        for node in touched {
            of_root.touched.insert(node, time);
            of_change.touched.insert(node, time);
        }
        self.agents.entry(agent).or_default().push(time);
        self.tokens.insert(admission.asked.act, blocks.to_vec());
        Ok(ticket)
    }

    fn keep(&mut self, act: ContentId, decision: Decision) {
        self.declined.remove(&act);
        if self.decided.insert(act, decision).is_none() {
            self.order.push_back(act);
        }
        while self.order.len() > ADMISSIONS_KEPT_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.decided.remove(&oldest);
                self.declined.remove(&oldest);
                self.tokens.remove(&oldest);
            }
        }
    }
}

/// Says why an act is over that so many signatories refuse.
pub(crate) fn too_many_decline(count: usize, panel: MultiSig) -> String {
    format!(
        "{count} of {} signatories refused it, so that {} approvals cannot be reached",
        panel.n, panel.k
    )
}

fn revoked_words(block: usize, id: &RevocationId) -> String {
    format!("block {block} of its token is revoked ({id}); ask the root's owner for another token")
}

/// Tells whether a silent co-signer may be passed over.
pub(crate) fn may_pass(ticket: &Ticket, time: Wall, scale: u64) -> bool {
    let silence = Millis(SILENCE.0.saturating_mul(scale));
    ticket.passed < PASSES_MAX && ticket.time + silence <= time && time < ticket.expires
}

/// Returns how far an act on so many nodes reaches.
pub(crate) const fn scope_of(nodes: u32) -> Scope {
    if nodes <= REGIONAL_NODES_MAX {
        Scope::Regional
    } else {
        Scope::Network
    }
}

/// Returns the name of a change, whatever version it starts from: the same value of the same policy is one change.
fn change_id(change: &Change) -> ContentId {
    match change {
        Change::SetPolicy { policy, value, .. } => {
            ContentId::of(&encode_entry(&("set", policy, value)))
        }
        Change::Link { peer } => ContentId::of(&encode_entry(&("link", peer))),
        Change::Unlink { peer } => ContentId::of(&encode_entry(&("unlink", peer))),
    }
}
