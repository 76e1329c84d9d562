//! The halt: every change of policy stops mesh-wide until people have looked.
//!
//! States, for one node and one act ([`Standing`]): running; frozen (this root or token only, at this node); halted
//! (everything but the exempt); restarting (this node waits its share of the jitter).
//!
//! An alert counts once this node has recomputed its finding ([`Heard`]). The first critical one freezes its root and
//! tokens here, for 10 minutes. Alerts by f+1 seats of the committee, or by f+1 of the epoch's drawn witnesses, never
//! mixed, make a halt: among f+1 there is an honest one, so that no hostile third makes one alone. One root causes
//! one halt, ever, until a resuming vote pardons it. A halt by witnesses expires after 30 minutes unless committee or
//! jury confirm it; a confirmed one lapses after 72 hours unless a vote renews it.
//!
//! The same machine runs in the committee log and at every node. It is moved by alerts, by certificates whose
//! verification is the caller's, and by mesh time handed in; it fetches, signs and sends nothing.

mod exempt;
mod freeze;
mod heard;
mod pack;
mod packed;
mod pull;
mod report;
mod restart;
mod stage;
mod standing;
mod stop;
mod witness;

#[cfg(test)]
mod tests;

pub(crate) use self::packed::{trusted, verified};
pub use self::{
    exempt::{Exempt, Step, allows},
    freeze::{Freeze, Freezes},
    heard::{Heard, NotHeard},
    pack::{EvidencePack, LogPull, Part},
    packed::{Checked, CheckedAlert, CheckedLog, Packed, PackedLog, check_pack},
    pull::{Pull, PullPlan, Pulled, PulledLog},
    report::{AlertReport, HaltReport, PullReport},
    restart::restart_jitter,
    stage::{By, Confirmation, End, Halt, HaltId, Pardon, Stage},
    standing::Standing,
    stop::{Stop, StopError, Turn},
    witness::{Confirmations, Groups, Said, Witnesses},
};
use crate::core::time::Millis;

/// How long critical evidence alone freezes a root and its tokens.
pub const FREEZE: Millis = Millis::from_mins(10);

/// How long a halt by witnesses lasts without confirmation.
pub const HALT_CONFIRM: Millis = Millis::from_mins(30);

/// How long a confirmed halt lasts without a vote, and how far a vote renews it.
pub const HALT_LIFE: Millis = Millis::from_mins(72 * 60);

/// How long an alert, and the last act it shows, count toward a freeze or a halt.
pub const ALERT_LIFE: Millis = Millis::from_mins(60);

/// Span over which the nodes' restarts are spread after a halt.
pub const RESTART_SPREAD: Millis = Millis::from_mins(5);
