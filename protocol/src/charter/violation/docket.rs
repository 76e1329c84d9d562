//! What a node knows of cases, sentences and balances: a function of the set of certified rulings.
//!
//! Each case stands where its ruling of the greatest height puts it. Sentences count from the verdict that says them,
//! whatever is known before it; x0 moves in the order of numbers, and waits where one is missing.

use std::collections::BTreeMap;

use x0_crypto::ContentId;

use crate::{
    core::{limits::CASES_KNOWN_MAX, time::Wall},
    spine::ledger::{Cause, Ledger, Order, Settlement},
    wire::{Certificate, Ruled, Ruling, Verdict},
};

/// How far a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reported; nobody has said yet whether it is looked into.
    Reported,
    /// It is looked into.
    Opened,
    /// There was nothing in it.
    Dismissed,
    /// Decided; the accused may appeal.
    Announced,
    /// Appealed; it is decided anew.
    Appealed,
    /// The verdict has fallen.
    Overturned,
    /// The verdict stands.
    Final,
    /// It stands, and the bounty of the sealed report has gone to somebody.
    Claimed,
}

impl Stage {
    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Opened => "opened",
            Self::Dismissed => "dismissed",
            Self::Announced => "announced",
            Self::Appealed => "appealed",
            Self::Overturned => "overturned",
            Self::Final => "final",
            Self::Claimed => "claimed",
        }
    }

    const fn of(ruled: &Ruled) -> Self {
        match ruled {
            Ruled::TakenUp { .. } => Self::Reported,
            Ruled::Opened { .. } => Self::Opened,
            Ruled::Dismissed { .. } => Self::Dismissed,
            Ruled::Announced { .. } => Self::Announced,
            Ruled::Appealed { .. } => Self::Appealed,
            Ruled::Overturned { .. } => Self::Overturned,
            Ruled::Final { .. } => Self::Final,
            Ruled::Claimed { .. } => Self::Claimed,
        }
    }

    /// Tells whether nothing is to be decided any more.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Dismissed | Self::Overturned | Self::Final | Self::Claimed => true,
            Self::Reported | Self::Opened | Self::Announced | Self::Appealed => false,
        }
    }
}

/// A case as certified rulings tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseKnown {
    /// The newest ruling.
    pub newest: Ruling,
    /// The certificate that the committee has taken the report up: the reporter's proof.
    pub taken_up: Option<Box<Certificate>>,
    /// The verdict, once there is one.
    pub verdict: Option<Box<Verdict>>,
    /// The heights and kinds of all rulings known, so that none is told twice.
    told: Vec<(u64, Stage)>,
}

impl CaseKnown {
    /// Returns how far it is.
    pub const fn stage(&self) -> Stage {
        Stage::of(&self.newest.ruled)
    }

    /// Returns the mesh time at which the next step is due, if one is.
    pub const fn due(&self) -> Option<Wall> {
        match self.newest.ruled {
            Ruled::TakenUp { due } | Ruled::Opened { due } | Ruled::Appealed { due } => Some(due),
            Ruled::Announced { .. }
            | Ruled::Dismissed { .. }
            | Ruled::Overturned { .. }
            | Ruled::Final { .. }
            | Ruled::Claimed { .. } => None,
        }
    }

    /// Tells whether the next step is overdue.
    pub fn is_overdue(&self, time: Wall) -> bool {
        self.due().is_some_and(|due| due <= time)
    }
}

/// All that a node knows of cases.
#[derive(Clone, Debug, Default)]
pub struct Docket {
    cases: BTreeMap<ContentId, CaseKnown>,
    ledger: Ledger,
}

impl Docket {
    /// Iterates over the cases known, by their reports.
    pub fn cases(&self) -> impl Iterator<Item = (&ContentId, &CaseKnown)> {
        self.cases.iter()
    }

    /// Finds a case.
    pub fn case(&self, case: &ContentId) -> Option<&CaseKnown> {
        self.cases.get(case)
    }

    /// Returns the balances.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Tells whether a ruling is known.
    pub fn knows(&self, ruling: &Ruling) -> bool {
        let place = (ruling.height, Stage::of(&ruling.ruled));
        let case = self.cases.get(&ruling.case);
        case.is_some_and(|case| case.told.contains(&place))
    }

    /// Takes a ruling whose certificate was found good; tells whether it is news.
    pub fn take(&mut self, ruling: &Ruling, certificate: &Certificate) -> bool {
        if self.knows(ruling) {
            return false;
        }
        let case = self.cases.entry(ruling.case).or_insert_with(|| CaseKnown {
            newest: *ruling,
            taken_up: None,
            verdict: None,
            told: Vec::new(),
        });
        case.told.push((ruling.height, Stage::of(&ruling.ruled)));
        if case.newest.height < ruling.height {
            case.newest = *ruling;
        }
        match &ruling.ruled {
            Ruled::TakenUp { .. } => case.taken_up = Some(Box::new(*certificate)),
            Ruled::Announced { verdict, .. } => {
                case.verdict.get_or_insert_with(|| Box::new(*verdict));
            }
            Ruled::Final { verdict, .. } => case.verdict = Some(Box::new(*verdict)),
            Ruled::Opened { .. }
            | Ruled::Dismissed { .. }
            | Ruled::Appealed { .. }
            | Ruled::Overturned { .. }
            | Ruled::Claimed { .. } => {}
        }
        if let Some(settlement) = settlement(ruling) {
            self.ledger.take(settlement);
        }
        self.forget();
        true
    }

    fn forget(&mut self) {
        while self.cases.len() > CASES_KNOWN_MAX {
            let over = self.cases.iter().filter(|(_, case)| case.stage().is_over());
            let oldest = over.min_by_key(|(id, case)| (case.newest.height, **id));
            let oldest = oldest.map(|(id, _)| *id);
            let least = || self.cases.keys().next().copied();
            let Some(id) = oldest.or_else(least) else {
                return;
            };
            self.cases.remove(&id);
        }
    }
}

/// Returns what a ruling moves.
fn settlement(ruling: &Ruling) -> Option<Settlement> {
    let case = ruling.case;
    match ruling.ruled {
        Ruled::Final { number, verdict } => Some(Settlement {
            number,
            cause: Cause::Verdict { case },
            orders: vec![
                Order::Fine {
                    from: verdict.accused,
                    amount_x0: verdict.sentence.fine_x0,
                },
                Order::Bounty {
                    to: verdict.reporter,
                    amount_x0: verdict.bounty_x0,
                },
            ],
        }),
        Ruled::Claimed {
            number,
            from,
            to,
            amount_x0,
        } => Some(Settlement {
            number,
            cause: Cause::Claim { case },
            orders: vec![Order::Transfer {
                from,
                to,
                amount_x0,
            }],
        }),
        Ruled::TakenUp { .. }
        | Ruled::Opened { .. }
        | Ruled::Dismissed { .. }
        | Ruled::Announced { .. }
        | Ruled::Appealed { .. }
        | Ruled::Overturned { .. } => None,
    }
}
