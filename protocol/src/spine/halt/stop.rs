//! The state machine of freezes and halts.

use std::collections::BTreeMap;

use x0_crypto::{
    ContentId, PublicKey,
    capability::{RevocationId, RootKey},
};

use super::{
    ALERT_LIFE, By, Confirmation, Confirmations, End, Freezes, Groups, HALT_CONFIRM, HALT_LIFE,
    Halt, HaltId, Heard, Pardon, Said, Stage, Standing, restart_jitter,
};
use crate::core::{
    limits::{CLOCK_SKEW_MAX, HALT_CASES_MAX, HALTS_MAX},
    time::{Millis, Wall},
};

/// Most votes that renew one halt: a year of them.
const RENEWALS_MAX: usize = 122;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A root is frozen at this node.
    Frozen {
        /// Which.
        root: RootKey,
        /// Until when.
        until: Wall,
    },
    /// The mesh is halted.
    Halted(HaltId),
    /// A halt is confirmed.
    Confirmed(HaltId),
    /// A halt is renewed.
    Renewed(HaltId),
    /// A halt is over.
    Ended(HaltId, End),
}

/// Why a halt is not confirmed, renewed or resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// There is no such halt here.
    #[error("no halt {} is known here: catch up first", .0.short())]
    Unknown(HaltId),
    /// It is over.
    #[error("halt {} is over since {at}: nothing is left to decide", halt.short())]
    Over {
        /// Which halt.
        halt: HaltId,
        /// Since when.
        at: Wall,
    },
    /// The vote has renewed it before.
    #[error("this vote has renewed the halt before: each renewal needs a vote of its own")]
    VoteUsed,
    /// It was renewed as often as one may be.
    #[error("the halt was renewed {RENEWALS_MAX} times and cannot be again: let it lapse")]
    RenewedTooOften,
}

#[derive(Clone, Debug, Default)]
struct Case {
    since: Wall,
    said: Confirmations,
}

/// Freezes, alerts on the way to a halt, and halts.
#[derive(Clone, Debug)]
pub struct Stop {
    mesh: ContentId,
    scale: u64,
    freezes: Freezes,
    cases: BTreeMap<RootKey, Case>,
    halts: BTreeMap<HaltId, Halt>,
}

impl Stop {
    /// Starts a mesh in which nothing is stopped.
    ///
    /// `scale` is how much faster than real time the mesh's time runs, 1 unless it is a test mesh: what gives people
    /// time for thought is so much shorter. All moments handed in are in real time.
    pub const fn new(mesh: ContentId, scale: u64) -> Self {
        Self {
            mesh,
            scale,
            freezes: Freezes::new(),
            cases: BTreeMap::new(),
            halts: BTreeMap::new(),
        }
    }

    /// Rebuilds the machine from its halts; freezes are as short as a restart and begin anew with new evidence.
    pub fn restore(mesh: ContentId, scale: u64, halts: impl IntoIterator<Item = Halt>) -> Self {
        let halts = halts.into_iter().map(|halt| (halt.id, halt)).collect();
        Self {
            halts,
            ..Self::new(mesh, scale)
        }
    }

    /// Takes up an alert: freezes its root here, counts it, and halts the mesh if that makes enough.
    pub fn hear(&mut self, heard: &Heard, groups: Groups<'_>, now: Wall) -> Vec<Turn> {
        let mut turns = self.tick(now);
        if !heard.is_fresh(now) {
            return turns;
        }
        let root = heard.root();
        if self.is_settled(heard) {
            return turns;
        }
        if let Some(freeze) = self.freezes.freeze(heard, now) {
            let until = freeze.until;
            turns.push(Turn::Frozen { root, until });
        }
        let said = Said {
            alert: heard.alert(),
            time: heard.time(),
        };
        let case = self.case(root, now);
        case.said.retain(|said| said.time + ALERT_LIFE > now);
        case.said.add(groups, heard.signer(), said);
        turns.extend(self.weigh(root, groups, now));
        turns
    }

    /// Takes up a halt that the committee has certified, whether it is known here or not; `certificate` names what
    /// was certified, and `began` and `until` say from when to when the halt is in force.
    pub fn certify(
        &mut self,
        (id, root): (HaltId, RootKey),
        certificate: ContentId,
        (began, until): (Wall, Wall),
        now: Wall,
    ) -> Vec<Turn> {
        let mut turns = self.tick(now);
        let by = Confirmation::Certificate(certificate);
        if let Some(halt) = self.halts.get_mut(&id) {
            if halt.is_in_force(now) {
                turns.extend(halt.certify(by, until));
            }
        } else if until > now && self.has_room() {
            let halt = Halt {
                id,
                root,
                alert: None,
                began,
                expires: began,
                lapses: until,
                by: By::Committee,
                stage: Stage::Confirmed { by, until },
                renewals: Vec::new(),
            };
            self.halts.insert(id, halt);
            turns.push(Turn::Halted(id));
        }
        turns
    }

    /// Confirms a halt by a certificate or verdict that the caller has verified and that names it.
    ///
    /// # Errors
    ///
    /// Returns whether it is unknown or over.
    pub fn confirm(
        &mut self,
        id: HaltId,
        by: Confirmation,
        now: Wall,
    ) -> Result<Vec<Turn>, StopError> {
        Ok(self.in_force(id, now)?.confirm(by))
    }

    /// Renews a halt for another 72 hours by a vote that the caller has verified and that names it.
    ///
    /// # Errors
    ///
    /// Returns whether the halt is unknown or over, or the vote was used before.
    pub fn renew(
        &mut self,
        id: HaltId,
        vote: ContentId,
        now: Wall,
    ) -> Result<Vec<Turn>, StopError> {
        let life = self.scaled(HALT_LIFE);
        let halt = self.in_force(id, now)?;
        if halt.renewals.contains(&vote) {
            return Err(StopError::VoteUsed);
        }
        if halt.renewals.len() >= RENEWALS_MAX {
            return Err(StopError::RenewedTooOften);
        }
        halt.renewals.push(vote);
        let mut turns = halt.confirm(Confirmation::Vote(vote));
        if let Stage::Confirmed { until, .. } = &mut halt.stage {
            *until = (now + life).max(*until);
        }
        turns.push(Turn::Renewed(id));
        Ok(turns)
    }

    /// Ends a halt by a vote that the caller has verified and that names it; other halts stay in force.
    ///
    /// # Errors
    ///
    /// Returns whether it is unknown or over.
    pub fn resume(
        &mut self,
        id: HaltId,
        vote: ContentId,
        pardon: Pardon,
        now: Wall,
    ) -> Result<Vec<Turn>, StopError> {
        let halt = self.in_force(id, now)?;
        let how = End::Resumed { vote, pardon };
        halt.stage = Stage::Ended { at: now, how };
        let root = halt.root;
        self.cases.remove(&root);
        Ok(vec![Turn::Ended(id, how)])
    }

    /// Lets pass what is over by now.
    pub fn tick(&mut self, now: Wall) -> Vec<Turn> {
        self.freezes.tick(now);
        self.cases
            .retain(|_, case| case.since + ALERT_LIFE + CLOCK_SKEW_MAX > now);
        let mut turns = Vec::new();
        for halt in self.halts.values_mut() {
            let how = match halt.stage {
                Stage::Unconfirmed => End::Expired,
                Stage::Confirmed { .. } => End::Lapsed,
                Stage::Ended { .. } => continue,
            };
            let at = halt.end();
            if at <= now {
                halt.stage = Stage::Ended { at, how };
                turns.push(Turn::Ended(halt.id, how));
            }
        }
        turns
    }

    /// Says how things stand at a node for an act under a root, by a token of these blocks.
    ///
    /// A halt comes before a freeze, and a freeze before the wait after a halt.
    pub fn standing(
        &self,
        node: &PublicKey,
        root: &RootKey,
        blocks: &[RevocationId],
        now: Wall,
    ) -> Standing {
        let in_force = self.halts.values().filter(|halt| halt.is_in_force(now));
        if let Some(halt) = in_force.max_by_key(|halt| (halt.end(), halt.id)) {
            return Standing::Halted {
                halt: halt.id,
                root: halt.root,
                confirmed: halt.is_confirmed(),
                until: halt.end(),
            };
        }
        if let Some((root, freeze)) = self.freezes.on(root, blocks, now) {
            return Standing::Frozen {
                root,
                agent: freeze.agent,
                until: freeze.until,
            };
        }
        let turn_of = |halt: &Halt| halt.end() + restart_jitter(halt.id.digest(), node);
        match self.halts.values().map(turn_of).max() {
            Some(until) if until > now => Standing::Restarting { until },
            Some(_) | None => Standing::Running,
        }
    }

    /// Returns when something ends by itself next.
    pub fn next_deadline(&self, now: Wall) -> Option<Wall> {
        let halts = self.halts.values();
        let ends = halts.filter(|halt| halt.is_in_force(now)).map(Halt::end);
        ends.chain(self.freezes.next_end(now)).min()
    }

    /// Iterates over all halts known, past ones too, in order of name.
    pub fn halts(&self) -> impl Iterator<Item = &Halt> {
        self.halts.values()
    }

    /// Returns the roots frozen here.
    pub const fn freezes(&self) -> &Freezes {
        &self.freezes
    }

    /// Returns the alerts counted about a root.
    pub fn confirmations(&self, root: &RootKey) -> Option<&Confirmations> {
        self.cases.get(root).map(|case| &case.said)
    }

    /// Returns a halt in force; what has ended by itself is told by [`Stop::tick`].
    fn in_force(&mut self, id: HaltId, now: Wall) -> Result<&mut Halt, StopError> {
        let halt = self.halts.get_mut(&id).ok_or(StopError::Unknown(id))?;
        if !halt.is_in_force(now) {
            let at = halt.end();
            return Err(StopError::Over { halt: id, at });
        }
        Ok(halt)
    }

    /// Tells whether a vote has resumed after the evidence of an alert: it has been judged and counts no more.
    fn is_settled(&self, heard: &Heard) -> bool {
        let mut of_root = self.halts.values().filter(|halt| halt.root == heard.root());
        of_root.any(|halt| match halt.stage {
            Stage::Ended {
                at,
                how: End::Resumed { .. },
            } => heard.last_act() <= at,
            Stage::Ended {
                how: End::Expired | End::Lapsed,
                ..
            }
            | Stage::Unconfirmed
            | Stage::Confirmed { .. } => false,
        })
    }

    fn case(&mut self, root: RootKey, now: Wall) -> &mut Case {
        if self.cases.len() >= HALT_CASES_MAX && !self.cases.contains_key(&root) {
            let oldest = self
                .cases
                .iter()
                .min_by_key(|(root, it)| (it.since, **root));
            if let Some(oldest) = oldest.map(|(root, _)| *root) {
                self.cases.remove(&oldest);
            }
        }
        let case = self.cases.entry(root).or_default();
        case.since = now;
        case
    }

    /// Halts the mesh, or confirms its halt, if enough of one group have spoken about a root.
    fn weigh(&mut self, root: RootKey, groups: Groups<'_>, now: Wall) -> Vec<Turn> {
        let Some(case) = self.cases.get(&root) else {
            return Vec::new();
        };
        let seats = case.said.by_committee(groups);
        let witnesses = case.said.by_witnesses(groups);
        let (by, said) = match (seats.is_empty(), witnesses.is_empty()) {
            (false, _) => (By::Committee, seats),
            (true, false) => (By::Witnesses, witnesses),
            (true, true) => return Vec::new(),
        };
        let of_root = self.halts.values_mut().filter(|halt| halt.root == root);
        let mut pardons = 0;
        for halt in of_root {
            if !halt.is_pardoned() {
                return match by {
                    By::Committee if halt.is_in_force(now) => halt.confirm(Confirmation::Alerts),
                    By::Committee | By::Witnesses => Vec::new(),
                };
            }
            pardons += 1;
        }
        self.begin(root, pardons, by, &said, now)
    }

    fn begin(
        &mut self,
        root: RootKey,
        pardons: u32,
        by: By,
        said: &[Said],
        now: Wall,
    ) -> Vec<Turn> {
        if !self.has_room() {
            return Vec::new();
        }
        let alert = said.iter().map(|said| said.alert).min();
        let last = said.iter().map(|said| said.time).max();
        let (Some(alert), Some(last)) = (alert, last) else {
            return Vec::new();
        };
        let id = HaltId::of(&self.mesh, &root, pardons);
        let began = last.min(now);
        let stage = match by {
            By::Committee => Stage::Confirmed {
                by: Confirmation::Alerts,
                until: began + self.scaled(HALT_LIFE),
            },
            By::Witnesses => Stage::Unconfirmed,
        };
        let halt = Halt {
            id,
            root,
            alert: Some(alert),
            began,
            expires: began + self.scaled(HALT_CONFIRM),
            lapses: began + self.scaled(HALT_LIFE),
            by,
            stage,
            renewals: Vec::new(),
        };
        self.halts.insert(id, halt);
        let mut turns = vec![Turn::Halted(id)];
        turns.extend(self.tick(now));
        turns
    }

    /// Returns how long what gives people time for thought lasts on this mesh.
    const fn scaled(&self, span: Millis) -> Millis {
        match span.0.checked_div(self.scale) {
            Some(span) => Millis(span),
            None => span,
        }
    }

    /// Forgets the halt longest over if there are too many; a mesh with so many in force needs no further one.
    fn has_room(&mut self) -> bool {
        if self.halts.len() < HALTS_MAX {
            return true;
        }
        let over = self.halts.values().filter_map(|halt| match halt.stage {
            Stage::Ended { at, .. } => Some((at, halt.id)),
            Stage::Unconfirmed | Stage::Confirmed { .. } => None,
        });
        let Some((_, longest_over)) = over.min() else {
            return false;
        };
        self.halts.remove(&longest_over).is_some()
    }
}
