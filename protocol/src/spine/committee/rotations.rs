//! Rotations of guardians in the committee log: which sharings are dealt on, to whom, and what came of it.
//!
//! ```text
//! opened --beacon's round signed--> drawn --enough dealers and words--> fixed
//!    |                                |
//!    +--------- 3 days of mesh time --+--> let go of; each seat that still finds it due opens it again
//! ```
//!
//! Whether a sharing is due is for each seat to know, as the log knows no items. Whom it is dealt on to follows from the log
//! alone: from who serves and from a round of the beacon that was not signed when it was opened. New guardians are drawn with
//! every attempt, so that dealers who hold back gain nothing but another draw.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey, committee::BeaconValue, sublime::AccessStructure};

use crate::{
    core::{
        limits::{ROTATION_LIFE, ROTATIONS_OPEN_MAX, ROTATIONS_SIGNED_MAX},
        time::Wall,
    },
    sublime::draw::{Candidate, draw},
    wire::{
        Certificate, RotationFix, RotationNotice, RotationOpening, RotationPlan, RotationShared,
        RotationStated,
    },
};

/// The rotations that the committee log knows of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotations {
    /// Those that are open, by the key of the item.
    #[serde(with = "crate::core::pairs")]
    open: BTreeMap<PublicKey, OpenRotation>,
    /// The newest that are fixed, to be signed.
    fixed: Vec<(RotationStated, RotationShared)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenRotation {
    opening: RotationOpening,
    since: Wall,
    step: Step,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Step {
    /// This round of the beacon is to draw the new guardians.
    Asked(u64),
    /// They are drawn.
    Drawn {
        plan: Box<RotationPlan>,
        stated: RotationStated,
    },
}

impl OpenRotation {
    const fn plan(&self) -> Option<(&RotationPlan, &RotationStated)> {
        match &self.step {
            Step::Asked(_) => None,
            Step::Drawn { plan, stated } => Some((plan, stated)),
        }
    }
}

/// Returns how an item is shared from now on, where so many serve: never by fewer shares than before.
fn access(before: AccessStructure, drawn: AccessStructure) -> Option<AccessStructure> {
    let threshold = before.threshold().max(drawn.threshold());
    AccessStructure::new(threshold, drawn.shares()).ok()
}

impl Rotations {
    /// Tells whether a rotation may be opened.
    pub(super) fn may_open(&self, opening: &RotationOpening) -> bool {
        let is_open = self.open.contains_key(&opening.item);
        let is_fixed = self
            .fixed
            .iter()
            .any(|(stated, _)| stated.item == opening.item && stated.epoch > opening.from.epoch);
        self.open.len() < ROTATIONS_OPEN_MAX && !is_open && !is_fixed
    }

    /// Opens one, to be drawn by a round of the beacon.
    pub(super) fn open(&mut self, opening: &RotationOpening, since: Wall, round: u64) {
        let open = OpenRotation {
            opening: opening.clone(),
            since,
            step: Step::Asked(round),
        };
        self.open.insert(opening.item, open);
    }

    /// Returns the round of the beacon that draws next.
    pub fn to_draw(&self) -> Option<u64> {
        let rounds = self.open.values().filter_map(|open| match open.step {
            Step::Asked(round) => Some(round),
            Step::Drawn { .. } => None,
        });
        rounds.min()
    }

    /// Draws new guardians for all rotations that wait for a round, among those who serve; of an item for which too few do, the
    /// rotation is let go of.
    pub(super) fn draw(
        &mut self,
        (mesh, height, time): (&ContentId, u64, Wall),
        round: u64,
        candidates: &[Candidate],
        value: &BeaconValue,
    ) {
        self.open.retain(|item, open| {
            match open.step {
                Step::Asked(asked) if asked == round => {}
                Step::Asked(_) | Step::Drawn { .. } => return true,
            }
            let drawn = draw(value.bytes(), item, candidates.to_vec());
            let from = &open.opening.from;
            let shares = drawn.and_then(|drawn| {
                let access = access(from.access(), drawn.access)?;
                Some((drawn.guardians, access))
            });
            let Some((guardians, access)) = shares else {
                return false;
            };
            let plan = RotationPlan {
                item: *item,
                epoch: from.epoch.saturating_add(1),
                from: from.clone(),
                access,
                guardians,
                height,
                time,
            };
            let stated = plan.stated(mesh);
            let plan = Box::new(plan);
            open.step = Step::Drawn { plan, stated };
            true
        });
    }

    /// Finds the plan of the open rotation of an item.
    pub fn plan(&self, item: &PublicKey) -> Option<&RotationPlan> {
        self.open.get(item)?.plan().map(|(plan, _)| plan)
    }

    /// Finds an open plan by its name.
    pub fn plan_named(&self, name: &ContentId) -> Option<&RotationPlan> {
        let mut plans = self.open.values().filter_map(OpenRotation::plan);
        plans.find_map(|(plan, stated)| (stated.plan == *name).then_some(plan))
    }

    /// Returns the plans of all that are open.
    pub fn plans(&self) -> impl Iterator<Item = &RotationPlan> {
        let plans = self.open.values().filter_map(OpenRotation::plan);
        plans.map(|(plan, _)| plan)
    }

    /// Tells whether an open rotation may be fixed like this.
    pub(super) fn may_fix(&self, fix: &RotationFix) -> bool {
        self.plan(&fix.plan.item) == Some(&fix.plan) && fix.shared().is_some()
    }

    /// Fixes an open rotation.
    pub(super) fn fix(&mut self, mesh: &ContentId, fix: &RotationFix, (height, time): (u64, Wall)) {
        let Some(shared) = fix.shared() else {
            return;
        };
        self.open.remove(&fix.plan.item);
        let stated = RotationStated {
            shared: Some(shared.id()),
            height,
            time,
            ..fix.plan.stated(mesh)
        };
        self.fixed.push((stated, shared));
        if self.fixed.len() > ROTATIONS_SIGNED_MAX {
            self.fixed.remove(0);
        }
    }

    /// Lets go of what was opened too long ago, and of what waits for a round that is signed no more.
    pub(super) fn lapse(&mut self, time: Wall, lapsed_round: u64) {
        self.open.retain(|_, open| {
            let is_signed_no_more =
                matches!(open.step, Step::Asked(round) if round <= lapsed_round);
            open.since + ROTATION_LIFE > time && !is_signed_no_more
        });
    }

    /// Returns the mesh time at which the next is let go of.
    pub(super) fn deadline(&self) -> Option<Wall> {
        self.open
            .values()
            .map(|open| open.since + ROTATION_LIFE)
            .min()
    }

    /// Returns what the seats sign.
    pub(super) fn stated(&self) -> impl Iterator<Item = &RotationStated> {
        let open = self.open.values().filter_map(OpenRotation::plan);
        let open = open.map(|(_, stated)| stated);
        open.chain(self.fixed.iter().map(|(stated, _)| stated))
    }

    /// Returns what every node is told of a rotation that is certified.
    pub fn notice(&self, certificate: &Certificate) -> Option<RotationNotice> {
        let certified = certificate.statement.rotation()?;
        let shared = match certified.shared {
            None => None,
            Some(_) => {
                let mut fixed = self.fixed.iter();
                let (_, shared) = fixed.find(|(stated, _)| stated == certified)?;
                Some(shared.clone())
            }
        };
        Some(RotationNotice {
            certificate: *certificate,
            shared,
        })
    }
}
