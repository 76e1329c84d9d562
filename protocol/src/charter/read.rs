//! From a file to a charter, or to every fault in it, each with its line and column.
//!
//! One broken value hides no other: it is told, something harmless stands in its place, and what follows from that
//! is not told. Only a text that is no YAML stops the reader.

use core::fmt;
use std::collections::BTreeMap;

use super::{
    Charter,
    bounds::{FILE_BYTES_MAX, FORMAT},
    check::flaws,
    draft::{
        Blocked, Bounty, CharterDraft, Committee, Egress, Gateway, Metric, Parser, Penalties,
        Penalty, Service, Telemetry, Windows,
    },
    fields::{Fields, Reader},
    name::MetricKind,
    net::{Ports, Prefix, Protocol},
    yaml::{Node, Place, tree},
};

/// A fault in a file, told so that it can be mended without a manual.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// The key, as a path; empty for the whole file.
    pub key: String,
    /// The value as written, cut to a readable length.
    pub value: String,
    /// What is wrong with it.
    pub what: String,
    /// What is allowed there; empty if that says nothing.
    pub allowed: String,
    /// What to do.
    pub mend: String,
}

/// Why a file is no charter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Every fault, in order of place.
    pub faults: Vec<Fault>,
    /// Whether the reader had to stop, so that there may be more.
    pub stopped: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if !self.value.is_empty() {
                write!(f, " = {}", self.value)?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.what)?;
        if !self.allowed.is_empty() {
            write!(f, "; allowed: {}", self.allowed)?;
        }
        write!(f, "; {}", self.mend)
    }
}

/// Reads a charter from a YAML file.
///
/// # Errors
///
/// Returns every fault.
pub fn read(file: &[u8]) -> Result<Charter, Unread> {
    if file.len() > FILE_BYTES_MAX {
        let what = format!("the file has {} bytes", file.len());
        let allowed = format!("{FILE_BYTES_MAX} bytes");
        return Err(stop(
            Place { line: 1, column: 1 },
            what,
            allowed,
            "shorten it",
        ));
    }
    let text = core::str::from_utf8(file).map_err(|fault| {
        let before = String::from_utf8_lossy(file.get(..fault.valid_up_to()).unwrap_or_default());
        let place = Place {
            line: before.matches('\n').count() as u64 + 1,
            column: before
                .rsplit('\n')
                .next()
                .map_or(1, |last| last.chars().count() as u64 + 1),
        };
        let what = "this is no UTF-8 text".to_owned();
        stop(
            place,
            what,
            String::new(),
            "save the file as UTF-8, then check again",
        )
    })?;
    let root =
        tree(text).map_err(|fault| stop(fault.place, fault.what, String::new(), fault.mend))?;
    let mut reader = Reader::default();
    let draft = reader.charter(&root);
    match Charter::new(draft.clone()) {
        Ok(charter) if reader.faults.is_empty() => Ok(charter),
        _ => Err(reader.end(flaws(&draft))),
    }
}

fn stop(place: Place, what: String, allowed: String, mend: &str) -> Unread {
    Unread {
        faults: vec![Fault {
            line: place.line,
            column: place.column,
            key: String::new(),
            value: String::new(),
            what,
            allowed,
            mend: mend.to_owned(),
        }],
        stopped: true,
    }
}

impl Reader {
    fn charter(&mut self, root: &Node) -> CharterDraft {
        const KEYS: [&str; 13] = [
            "version",
            "name",
            "number",
            "principles",
            "metrics",
            "blocked",
            "services",
            "telemetry",
            "gateway",
            "committee",
            "windows",
            "penalties",
            "bounty",
        ];
        let top = self.fields(Some(root), "", root.place, &KEYS);
        CharterDraft {
            version: self.number(&top, "version", FORMAT),
            name: self.text(&top, "name"),
            number: self.number(&top, "number", 1),
            principles: self.principles(&top),
            metrics: self.list(&top, "metrics", true, Self::metric),
            blocked: self.blocked(&top),
            services: self.list(&top, "services", true, Self::service),
            telemetry: self.list(&top, "telemetry", true, Self::telemetry),
            gateway: self.gateway(&top),
            committee: self.committee(&top),
            windows: self.windows(&top),
            penalties: self.penalties(&top),
            bounty: self.bounty(&top),
        }
    }

    fn principles(&mut self, top: &Fields<'_>) -> BTreeMap<String, String> {
        let Some(node) = self.wanted(top, "principles") else {
            return BTreeMap::new();
        };
        let entries = self.entries(node, "principles");
        let mut principles = BTreeMap::new();
        for (key, node) in entries {
            let path = format!("principles.{}", key.text);
            if self.places.insert(path.clone(), key.place).is_some() {
                self.twice(&path, key);
                continue;
            }
            let text = self.scalar_text(node, &path);
            principles.insert(key.text.clone(), text);
        }
        principles
    }

    fn metric(&mut self, node: &Node, path: &str) -> Metric {
        const KEYS: [&str; 7] = [
            "name",
            "kind",
            "purpose",
            "retention_days",
            "consent",
            "cohort_min",
            "labels",
        ];
        let fields = self.fields(Some(node), path, node.place, &KEYS);
        Metric {
            name: self.text(&fields, "name"),
            kind: self.one_of(&fields, "kind", &MetricKind::NAMED, MetricKind::Gauge),
            purpose: self.text(&fields, "purpose"),
            retention_days: self.number(&fields, "retention_days", 1),
            consent: self.flag(&fields, "consent", true),
            cohort_min: self.number(&fields, "cohort_min", 1),
            labels: self.list(&fields, "labels", false, Self::scalar_text),
        }
    }

    fn blocked(&mut self, top: &Fields<'_>) -> Blocked {
        let fields = self.section(top, "blocked", &["names", "prefixes"]);
        Blocked {
            names: self.list(&fields, "names", true, Self::scalar_text),
            prefixes: self.list(&fields, "prefixes", true, Self::scalar_text),
        }
    }

    fn service(&mut self, node: &Node, path: &str) -> Service {
        let fields = self.fields(Some(node), path, node.place, &["name", "egress"]);
        Service {
            name: self.text(&fields, "name"),
            egress: self.list(&fields, "egress", true, Self::egress),
        }
    }

    fn egress(&mut self, node: &Node, path: &str) -> Egress {
        let fields = self.fields(Some(node), path, node.place, &["to", "protocol", "ports"]);
        let hosts =
            "an address with a slash and how many bits count, such as 10.0.0.0/8 or fd00::/8";
        let ports = "a port or a range of ports, such as 443 or 4001-4010";
        let port = |reader: &mut Self, node: &Node, path: &str| -> Option<Ports> {
            reader.parsed(node, path, ports)
        };
        let list = self.list(&fields, "ports", true, port);
        Egress {
            to: self.parsed_field(&fields, "to", hosts, Prefix::OWN_MACHINE),
            protocol: self.one_of(&fields, "protocol", &Protocol::NAMED, Protocol::Tcp),
            ports: list.into_iter().flatten().collect(),
        }
    }

    fn telemetry(&mut self, node: &Node, path: &str) -> Telemetry {
        let fields = self.fields(
            Some(node),
            path,
            node.place,
            &["port", "protocol", "parser"],
        );
        Telemetry {
            port: self.port(&fields, "port"),
            protocol: self.one_of(&fields, "protocol", &Protocol::NAMED, Protocol::Udp),
            parser: self.one_of(&fields, "parser", &Parser::NAMED, Parser::Statsd),
        }
    }

    fn gateway(&mut self, top: &Fields<'_>) -> Gateway {
        let fields = self.section(top, "gateway", &["address", "port", "protocol"]);
        let allowed = "an address of the own machine, such as 127.0.0.1";
        Gateway {
            address: self.parsed_field(&fields, "address", allowed, Prefix::OWN_MACHINE.address()),
            port: self.port(&fields, "port"),
            protocol: self.one_of(&fields, "protocol", &Protocol::NAMED, Protocol::Tcp),
        }
    }

    fn committee(&mut self, top: &Fields<'_>) -> Committee {
        let keys = ["members", "researchers", "approvals", "audit_days"];
        let fields = self.section(top, "committee", &keys);
        Committee {
            members: self.number(&fields, "members", 1),
            researchers: self.number(&fields, "researchers", 0),
            approvals: self.number(&fields, "approvals", 1),
            audit_days: self.number(&fields, "audit_days", 1),
        }
    }

    fn windows(&mut self, top: &Fields<'_>) -> Windows {
        let keys = [
            "vote_hours",
            "emergency_minutes",
            "override_notice_minutes",
            "report_hours",
            "export_hours",
            "erase_days",
        ];
        let fields = self.section(top, "windows", &keys);
        Windows {
            vote_hours: self.number(&fields, "vote_hours", 0),
            emergency_minutes: self.number(&fields, "emergency_minutes", 0),
            override_notice_minutes: self.number(&fields, "override_notice_minutes", 0),
            report_hours: self.number(&fields, "report_hours", 0),
            export_hours: self.number(&fields, "export_hours", 0),
            erase_days: self.number(&fields, "erase_days", 0),
        }
    }

    fn penalties(&mut self, top: &Fields<'_>) -> Penalties {
        let keys = [
            "silent_collection",
            "behavioural_prediction",
            "data_extraction",
            "unauthorized_override",
        ];
        let fields = self.section(top, "penalties", &keys);
        Penalties {
            silent_collection: self.penalty(&fields, "silent_collection"),
            behavioural_prediction: self.penalty(&fields, "behavioural_prediction"),
            data_extraction: self.penalty(&fields, "data_extraction"),
            unauthorized_override: self.penalty(&fields, "unauthorized_override"),
        }
    }

    /// Reads a penalty, of which everything may be left away that does not follow.
    fn penalty(&mut self, penalties: &Fields<'_>, name: &str) -> Penalty {
        let keys = [
            "ban_days",
            "removal",
            "fine_x0",
            "deletion",
            "probation_days",
            "public_referral",
        ];
        let fields = self.section(penalties, name, &keys);
        Penalty {
            ban_days: self.number_or(&fields, "ban_days", 0),
            removal: self.flag_or(&fields, "removal", false),
            fine_x0: self.number_or(&fields, "fine_x0", 0),
            deletion: self.flag_or(&fields, "deletion", false),
            probation_days: self.number_or(&fields, "probation_days", 0),
            public_referral: self.flag_or(&fields, "public_referral", false),
        }
    }

    fn bounty(&mut self, top: &Fields<'_>) -> Bounty {
        let fields = self.section(top, "bounty", &["least_x0", "most_x0"]);
        Bounty {
            least_x0: self.number(&fields, "least_x0", 0),
            most_x0: self.number(&fields, "most_x0", 0),
        }
    }
}
