//! What a charter says, before anybody has checked it.
//!
//! The fields are those of the file; see `docs/charter.md` for what they mean to people.

use core::net::IpAddr;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    name::MetricKind,
    net::{Ports, Prefix, Protocol},
};

/// A charter as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharterDraft {
    /// The form of the file.
    pub version: u64,
    /// What it is called.
    pub name: String,
    /// Its number; an amendment has the next.
    pub number: u64,
    /// The eight principles, by their fixed names ([`Principle`]), in the community's words.
    pub principles: BTreeMap<String, String>,
    /// What may be collected; everything else may not.
    pub metrics: Vec<Metric>,
    /// What may never be.
    pub blocked: Blocked,
    /// To whom each service may speak; to nobody else.
    pub services: Vec<Service>,
    /// Where telemetry goes, and what reads it on the way.
    pub telemetry: Vec<Telemetry>,
    /// Where every service may speak to on its own machine, to have its telemetry passed on.
    pub gateway: Gateway,
    /// Who watches over it.
    pub committee: Committee,
    /// How long things take.
    pub windows: Windows,
    /// What follows from violations.
    pub penalties: Penalties,
    /// What somebody gets who reports a violation.
    pub bounty: Bounty,
}

/// Something that may be collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// How it behaves.
    pub kind: MetricKind,
    /// What it is for, in words.
    pub purpose: String,
    /// How long it may be kept, days.
    pub retention_days: u64,
    /// Whether each person must have said yes before.
    pub consent: bool,
    /// Over how many nodes it is combined, at least, before anybody but the operator sees it.
    pub cohort_min: u64,
    /// Labels it may carry beside the one its kind brings.
    pub labels: Vec<String>,
}

/// What may never be collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocked {
    /// Whole names.
    pub names: Vec<String>,
    /// Beginnings of names.
    pub prefixes: Vec<String>,
}

/// A program that runs beside or as the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// To whom it may speak.
    pub egress: Vec<Egress>,
}

/// Hosts and ports that a service may speak to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// The hosts.
    pub to: Prefix,
    /// By which transport.
    pub protocol: Protocol,
    /// The ports.
    pub ports: Vec<Ports>,
}

/// A port that telemetry goes to: whatever goes there must be readable, and hold allowed names only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// The port.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
    /// What reads it.
    pub parser: Parser,
}

/// What reads telemetry on its way, name by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parser {
    /// StatsD: lines of `name:value|type` in a datagram.
    Statsd,
}

impl Parser {
    /// Every parser, with the name it has in a file.
    pub const NAMED: [(Self, &'static str); 1] = [(Self::Statsd, "statsd")];

    /// Returns the name it has in a file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Statsd => "statsd",
        }
    }
}

/// Where telemetry is handed in on the own machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// An address of the loopback.
    #[serde(with = "as_text")]
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
}

/// Who watches over the charter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committee {
    /// Members of the mesh.
    pub members: u64,
    /// Researchers from outside.
    pub researchers: u64,
    /// How many of both together decide.
    pub approvals: u64,
    /// Time between two audits, days.
    pub audit_days: u64,
}

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// An ordinary vote, hours.
    pub vote_hours: u64,
    /// An emergency vote, minutes.
    pub emergency_minutes: u64,
    /// Until an override is told to all, minutes.
    pub override_notice_minutes: u64,
    /// Until a report is processed, hours.
    pub report_hours: u64,
    /// Until somebody's data is handed out, hours.
    pub export_hours: u64,
    /// Until an erasure is irrevocable, days.
    pub erase_days: u64,
}

/// What follows from each violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Penalties {
    /// Behaviour or location was tracked in silence.
    pub silent_collection: Penalty,
    /// Freedom was restricted by a model of behaviour.
    pub behavioural_prediction: Penalty,
    /// Data was sold or taken without being allowed.
    pub data_extraction: Penalty,
    /// An override without a vote, or with a false log.
    pub unauthorized_override: Penalty,
}

/// What follows from a violation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Penalty {
    /// For how long they are banned, days.
    pub ban_days: u64,
    /// Whether they are removed for good.
    pub removal: bool,
    /// A fine, x0.
    pub fine_x0: u64,
    /// Whether what was taken is deleted.
    pub deletion: bool,
    /// For how long they are on probation, days.
    pub probation_days: u64,
    /// Whether the case is made public, with a referral to whoever is in charge outside the mesh.
    pub public_referral: bool,
}

/// What somebody gets who reports a violation, from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounty {
    /// The least, x0.
    pub least_x0: u64,
    /// The most, x0.
    pub most_x0: u64,
}

/// The eight principles. They have fixed names, and no charter is without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Principle {
    /// Every collection is declared and opted into.
    NoHiddenCollection,
    /// Only what is necessary.
    DataMinimization,
    /// People own their data.
    UserControl,
    /// No freedom is restricted by a model of behaviour.
    NoBehaviouralPrediction,
    /// Encryption and anonymity by default.
    PrivacyByDesign,
    /// Models used in governance are explainable.
    AlgorithmTransparency,
    /// No value is taken without consent and reward.
    NoExploitation,
    /// Every override is logged and told.
    PublicOverride,
}

impl Principle {
    /// All eight.
    pub const ALL: [Self; 8] = [
        Self::NoHiddenCollection,
        Self::DataMinimization,
        Self::UserControl,
        Self::NoBehaviouralPrediction,
        Self::PrivacyByDesign,
        Self::AlgorithmTransparency,
        Self::NoExploitation,
        Self::PublicOverride,
    ];

    /// Returns the fixed name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoHiddenCollection => "no_hidden_collection",
            Self::DataMinimization => "data_minimization",
            Self::UserControl => "user_control",
            Self::NoBehaviouralPrediction => "no_behavioural_prediction",
            Self::PrivacyByDesign => "privacy_by_design",
            Self::AlgorithmTransparency => "algorithm_transparency",
            Self::NoExploitation => "no_exploitation",
            Self::PublicOverride => "public_override",
        }
    }
}

impl Penalties {
    /// Returns each with the name of the violation.
    pub const fn named(&self) -> [(&'static str, Penalty); 4] {
        [
            ("silent_collection", self.silent_collection),
            ("behavioural_prediction", self.behavioural_prediction),
            ("data_extraction", self.data_extraction),
            ("unauthorized_override", self.unauthorized_override),
        ]
    }
}

/// Addresses as text, in CBOR as in JSON.
mod as_text {
    use core::net::IpAddr;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(address: &IpAddr, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&address.to_string())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<IpAddr, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
