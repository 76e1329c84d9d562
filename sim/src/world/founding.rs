//! How a mesh is founded, and how its nodes are set up, where a scenario does not say.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::ContentId;
use x0_protocol::{
    anti_meave::CosignPolicy,
    core::limits::{PAGE_LEAVES_MAX, PAGE_NODES_MAX},
    spine::ballot::{Leaf, tally::Tree},
    wire::{Parameters, Request, Response, VoteAnswer, VoteAsk},
};

/// Founders with a seat unless it is said otherwise: enough that a committee can form.
const SEATS: u32 = 4;

/// What a mesh is founded with.
#[derive(Clone, Debug)]
pub(crate) struct Founding {
    /// Founders, each with a seat; the first nodes.
    pub(crate) seats: u32,
    /// Founders, the first, whose delegation roots the genesis names.
    pub(crate) roots: u32,
    /// The genesis' parameters.
    pub(crate) parameters: Parameters,
    /// What each node does when it is drawn to co-sign; it signs beyond the end of the list.
    pub(crate) cosign: Vec<CosignPolicy>,
    /// How far the wall clocks of some nodes are off, ms.
    pub(crate) clock_errors_ms: BTreeMap<u32, i64>,
    /// Seats whose driver signs no part of a round of the beacon.
    pub(crate) withholders: BTreeSet<u32>,
    /// Whether those who count as members are counted once for all peers, which takes memory and spares each peer the work
    /// when it looks for the witnesses of an epoch.
    pub(crate) counted_ahead: bool,
    /// Nodes whose driver publishes nothing that their peers write, and passes on nothing that they hear.
    pub(crate) mute: BTreeSet<u32>,
    /// How guarded processes are guarded; none if there are none.
    pub(crate) guards: Option<Guards>,
    /// Whether it is noted from whom each node hears records that name nobody.
    pub(crate) listens: bool,
    /// What hostile seats hand out as counted ballots.
    pub(crate) handed_out: Option<HandedOut>,
}

/// How the guarded processes of nodes are guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guards {
    /// Of so many nodes one has no guard in the kernel: its gateway enforces alone.
    pub(crate) bare_every: u32,
}

impl Guards {
    /// Tells whether a node has a guard in the kernel.
    pub(crate) const fn in_kernel(self, node: u32) -> bool {
        !node.is_multiple_of(self.bare_every)
    }
}

/// Counted ballots of one vote, as hostile seats hand them out.
#[derive(Clone, Debug)]
pub(crate) struct HandedOut {
    /// The seats.
    pub(crate) by: BTreeSet<u32>,
    /// The name of the counted ballots that were certified.
    pub(crate) bundle: ContentId,
    /// What they hand out; nothing if they withhold it.
    pub(crate) leaves: Vec<Leaf>,
}

impl HandedOut {
    /// Returns what a node answers to a request in place of its peer, if it does.
    pub(super) fn answer(&self, node: u32, request: &Request) -> Option<Response> {
        let Request::Vote(ask) = request else {
            return None;
        };
        if !self.by.contains(&node) {
            return None;
        }
        let mut pages = self.leaves.chunks(PAGE_LEAVES_MAX);
        let (bundle, answer) = match &**ask {
            VoteAsk::Contents { bundle, from } => {
                let roots = pages.map(|page| Tree::of(page).root());
                let rest = roots.skip(*from as usize).take(PAGE_NODES_MAX);
                (bundle, VoteAnswer::Contents(rest.collect()))
            }
            VoteAsk::Page { bundle, page } => {
                let page = pages.nth(*page as usize).unwrap_or_default();
                (bundle, VoteAnswer::Leaves(page.to_vec()))
            }
            VoteAsk::Take { .. } | VoteAsk::Electors { .. } | VoteAsk::Refute { .. } => {
                return None;
            }
        };
        (*bundle == self.bundle).then(|| Response::Vote(Box::new(answer)))
    }
}

impl Default for Founding {
    fn default() -> Self {
        Self {
            seats: SEATS,
            roots: 1,
            parameters: Parameters::default(),
            cosign: Vec::new(),
            clock_errors_ms: BTreeMap::new(),
            withholders: BTreeSet::new(),
            counted_ahead: false,
            mute: BTreeSet::new(),
            guards: None,
            listens: false,
            handed_out: None,
        }
    }
}

impl Founding {
    /// Returns what a node does when it is drawn to co-sign.
    pub(super) fn cosign_of(&self, node: u32) -> CosignPolicy {
        let own = self.cosign.get(node as usize);
        own.copied().unwrap_or(CosignPolicy::Approve)
    }

    /// Returns how far the wall clock of a node is off, ms.
    pub(super) fn clock_error_ms(&self, node: u32) -> i64 {
        self.clock_errors_ms.get(&node).copied().unwrap_or(0)
    }
}
