//! What a person is shown of anomalies, freezes and halts at one node.

use x0_crypto::{ContentId, PublicKey, capability::RootKey};

use super::{EvidencePack, Freeze, Halt, Pull, Standing};
use crate::{
    anti_meave::anomaly::Alert,
    core::time::Wall,
    wire::{Certificate, Record, Verified},
};

/// How things stand, and what they rest on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaltReport {
    /// When, by the clock that halts go by.
    pub time: Wall,
    /// How things stand for acts under this node's own root.
    pub standing: Standing,
    /// The seats of the committee whose alerts count, and how many of them make a halt; none in a mesh without one.
    pub seats: Option<(u32, u32)>,
    /// The witnesses of this epoch, and how many of them make a halt.
    pub witnesses: Option<(Vec<PublicKey>, u32)>,
    /// The halts known, those past too, newest first.
    pub halts: Vec<Halt>,
    /// The roots frozen here.
    pub freezes: Vec<(RootKey, Freeze)>,
    /// The alerts known, newest first.
    pub alerts: Vec<AlertReport>,
}

/// An alert, and what this node makes of it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertReport {
    /// Its record.
    pub id: ContentId,
    /// Who signed it.
    pub signer: PublicKey,
    /// Whether the signer has a seat of the committee, or was drawn as a witness.
    pub counts: (bool, bool),
    /// What it claims.
    pub alert: Alert,
    /// The finding as this node recomputes it from the acts, in words, or why the alert counts for nothing here.
    pub finding: Result<String, String>,
    /// The audit logs that have to do with it.
    pub pack: EvidencePack,
}

/// What was pulled for a halt, and the records that belong to it.
#[derive(Clone, Debug)]
pub struct PullReport {
    /// When, by the clock that halts go by.
    pub time: Wall,
    /// The mesh's genesis.
    pub genesis: Verified<Record>,
    /// Active members as this node knows them.
    pub members: u32,
    /// The halt.
    pub halt: Halt,
    /// The committee's certificate of it, if this node knows it.
    pub certificate: Option<Certificate>,
    /// The records by which the committee's keys are known, in order of epoch.
    pub epochs: Vec<ContentId>,
    /// The records of the alerts about its root, newest first.
    pub alerts: Vec<ContentId>,
    /// The records of the acts under its root, as far as they are known here.
    pub acts: Vec<ContentId>,
    /// What the logs have shown.
    pub pull: Pull,
}
