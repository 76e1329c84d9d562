//! What makes a draft a charter: every value in its range, every principle there, nothing that contradicts itself.
//!
//! A check goes on after a flaw, so that all are told at once, each by the path of its key.

use core::fmt::Display;
use std::collections::{BTreeMap, BTreeSet};

use super::{
    bounds::{
        APPROVALS, AUDIT, BAN, BLOCKED_NAMES_MAX, BLOCKED_PREFIXES_MAX, BOUNTY, COHORT,
        DECLARED_BYTES_MAX, EMERGENCY, ERASE, EXPORT, FAULTS_MAX, FINE, FORMAT, LABEL_BYTES_MAX,
        LABELS_MAX, MEMBERS, METRICS_MAX, NAME_BYTES_MAX, NOTICE, NUMBER, PORT_RANGES_MAX,
        PREFIX_BYTES_MIN, PRINCIPLE, PROBATION, PURPOSE, REPORT, RESEARCHERS, RETENTION, RULES_MAX,
        Range, SERVICE_BYTES_MAX, SERVICES_MAX, TELEMETRY_MAX, TITLE, VOTE,
    },
    draft::{CharterDraft, Egress, Metric, Parser, Penalty, Principle},
    name::{NameFault, check_declared, check_name, exported},
    near::nearest,
    net::Protocol,
};

/// Something in a draft that no charter may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The key it stands under, as a path: `metrics[3].retention_days`.
    pub key: String,
    /// The value, cut to a readable length.
    pub value: String,
    /// What is wrong with it.
    pub what: String,
    /// What is allowed there.
    pub allowed: String,
    /// What to do.
    pub mend: String,
}

/// What a name in a charter may be, in words.
pub(super) const NAME_ALLOWED: &str =
    "1 to 192 of a-z, 0-9, '_', '.' and '-', the first of them a letter";

/// Names every flaw of a draft, up to [`FAULTS_MAX`].
pub(super) fn flaws(draft: &CharterDraft) -> Vec<Flaw> {
    let mut check = Check::default();
    check.number(
        "version",
        draft.version,
        Range {
            least: FORMAT,
            most: FORMAT,
            unit: "",
        },
    );
    check.text("name", &draft.name, TITLE);
    check.number("number", draft.number, NUMBER);
    check.principles(&draft.principles);
    check.metrics(&draft.metrics);
    check.blocked(draft);
    check.services(draft);
    check.telemetry(draft);
    check.committee(draft);
    check.windows(draft);
    for (name, penalty) in draft.penalties.named() {
        check.penalty(name, &penalty);
    }
    check.number("bounty.least_x0", draft.bounty.least_x0, BOUNTY);
    check.number("bounty.most_x0", draft.bounty.most_x0, BOUNTY);
    if draft.bounty.most_x0 < draft.bounty.least_x0 {
        let what = format!("it is less than the least, {}", draft.bounty.least_x0);
        let mend = "write the larger number here";
        check.flaw("bounty.most_x0", draft.bounty.most_x0, &what, &BOUNTY, mend);
    }
    check.flaws
}

/// Cuts what was written to what a flaw can show.
pub(super) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut cut: String = text.chars().take(CHARS_MAX).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut.replace(|c: char| c.is_control(), " ")
}

#[derive(Default)]
struct Check {
    flaws: Vec<Flaw>,
}

impl Check {
    fn flaw(
        &mut self,
        key: impl Into<String>,
        value: impl Display,
        what: &str,
        allowed: &dyn Display,
        mend: &str,
    ) {
        if self.flaws.len() < FAULTS_MAX {
            self.flaws.push(Flaw {
                key: key.into(),
                value: shown(&value.to_string()),
                what: what.to_owned(),
                allowed: allowed.to_string(),
                mend: mend.to_owned(),
            });
        }
    }

    fn number(&mut self, key: &str, number: u64, range: Range) {
        if !range.contains(number) {
            let mend = match number < range.least {
                true => format!("write {} or more", range.least),
                false => format!("write {} or less", range.most),
            };
            self.flaw(key, number, "it is out of range", &range, &mend);
        }
    }

    fn text(&mut self, key: &str, text: &str, length: Range) {
        let allowed = format!(
            "printable text of {} to {} {}, in one line",
            length.least, length.most, length.unit
        );
        if text.chars().any(char::is_control) {
            let mend = "write it in one line, without control characters";
            self.flaw(
                key,
                text,
                "it holds a character that is not printed",
                &allowed,
                mend,
            );
        }
        let bytes = text.trim().len() as u64;
        if !length.contains(bytes) {
            let what = format!("it has {bytes} bytes");
            let mend = match bytes < length.least {
                true => "say more",
                false => "say it shorter",
            };
            self.flaw(key, text, &what, &allowed, mend);
        } else if text.trim().len() != text.len() {
            let mend = "take the spaces away";
            self.flaw(key, text, "it begins or ends with a space", &allowed, mend);
        }
    }

    fn count(&mut self, key: &str, count: usize, least: usize, most: usize, of: &str) -> bool {
        let fits = (least..=most).contains(&count);
        if !fits {
            let allowed = format!("{least} to {most} {of}");
            let mend = match count < least {
                true => format!("write {least} at least"),
                false => "drop some, or merge them".to_owned(),
            };
            self.flaw(
                key,
                format!("{count} {of}"),
                "there are too many or too few",
                &allowed,
                &mend,
            );
        }
        fits
    }

    fn principles(&mut self, principles: &BTreeMap<String, String>) {
        for principle in Principle::ALL {
            let key = format!("principles.{}", principle.name());
            match principles.get(principle.name()) {
                Some(text) => self.text(&key, text, PRINCIPLE),
                None => {
                    let allowed = "all eight principles";
                    let mend = "write it again: a charter without it is none";
                    self.flaw(key, "", "the principle is missing", &allowed, mend);
                }
            }
        }
        let known = Principle::ALL.map(Principle::name);
        for name in principles
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
        {
            let mend = match nearest(name, known.into_iter()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "write its text under one of the eight".to_owned(),
            };
            let key = format!("principles.{name}");
            self.flaw(
                key,
                name,
                "there is no such principle",
                &known.join(", "),
                &mend,
            );
        }
    }

    fn metrics(&mut self, metrics: &[Metric]) {
        if !self.count("metrics", metrics.len(), 1, METRICS_MAX, "metrics") {
            return;
        }
        let mut exporters: BTreeMap<String, usize> = BTreeMap::new();
        for (at, metric) in metrics.iter().enumerate() {
            let key = |field: &str| format!("metrics[{at}].{field}");
            if let Err(fault) = check_declared(&metric.name) {
                self.bad_name(key("name"), &metric.name, fault);
            }
            self.text(&key("purpose"), &metric.purpose, PURPOSE);
            self.number(&key("retention_days"), metric.retention_days, RETENTION);
            self.number(&key("cohort_min"), metric.cohort_min, COHORT);
            self.labels(at, metric);
            let clash = exported(&metric.name, metric.kind).find_map(|name| {
                let other = exporters.get(&name)?;
                Some((name, *other))
            });
            match clash {
                Some((name, other)) => {
                    let other = metrics.get(other).map_or("", |metric| &*metric.name);
                    let what = match other == metric.name {
                        true => "it stands in the list twice".to_owned(),
                        false => format!("{name} is exported by {other} as well"),
                    };
                    let allowed = "every exported name once";
                    self.flaw(
                        key("name"),
                        &metric.name,
                        &what,
                        &allowed,
                        "rename or drop one of the two",
                    );
                }
                None => {
                    exporters.extend(exported(&metric.name, metric.kind).map(|name| (name, at)))
                }
            }
        }
    }

    fn labels(&mut self, at: usize, metric: &Metric) {
        let key = format!("metrics[{at}].labels");
        self.count(&key, metric.labels.len(), 0, LABELS_MAX, "labels");
        let mut seen = BTreeSet::new();
        for (place, label) in metric.labels.iter().enumerate() {
            let key = format!("{key}[{place}]");
            let allowed =
                format!("1 to {LABEL_BYTES_MAX} of a-z, 0-9 and '_', the first of them a letter");
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let is_label = label.starts_with(|c: char| c.is_ascii_lowercase())
                && label.len() <= LABEL_BYTES_MAX
                && label.chars().all(is_plain);
            if !is_label {
                self.flaw(
                    key,
                    label,
                    "it is no name of a label",
                    &allowed,
                    "rename it",
                );
            } else if metric.kind.own_label() == Some(label) {
                let what = format!("every {} has it anyway", metric.kind.name());
                self.flaw(
                    key,
                    label,
                    &what,
                    &"labels beside those of the kind",
                    "drop it",
                );
            } else if !seen.insert(label) {
                self.flaw(
                    key,
                    label,
                    "it stands in the list twice",
                    &"every label once",
                    "drop one",
                );
            }
        }
    }

    fn bad_name(&mut self, key: String, name: &str, fault: NameFault) {
        let mend = match fault {
            NameFault::Empty => "write a name, such as latency_p99".to_owned(),
            NameFault::TooLong(_) => format!("shorten it to {DECLARED_BYTES_MAX} bytes"),
            NameFault::Byte(_) => match plain(name) {
                Some(plain) => format!("write {plain}"),
                None => "write it in small letters of a-z".to_owned(),
            },
        };
        self.flaw(key, name, &fault.to_string(), &NAME_ALLOWED, &mend);
    }

    fn blocked(&mut self, draft: &CharterDraft) {
        let blocked = &draft.blocked;
        let names = self.count(
            "blocked.names",
            blocked.names.len(),
            0,
            BLOCKED_NAMES_MAX,
            "names",
        );
        let most = BLOCKED_PREFIXES_MAX;
        let prefixes = self.count(
            "blocked.prefixes",
            blocked.prefixes.len(),
            0,
            most,
            "prefixes",
        );
        if !names || !prefixes || draft.metrics.len() > METRICS_MAX {
            return;
        }
        let allowed: BTreeMap<String, &str> = draft
            .metrics
            .iter()
            .flat_map(|metric| {
                exported(&metric.name, metric.kind).map(|name| (name, &*metric.name))
            })
            .collect();
        let mut seen = BTreeSet::new();
        for (at, name) in blocked.names.iter().enumerate() {
            let key = format!("blocked.names[{at}]");
            if let Err(fault) = check_name(name.as_bytes()) {
                self.bad_name(key, name, fault);
            } else if !seen.insert(name) {
                self.flaw(
                    key,
                    name,
                    "it stands in the list twice",
                    &"every name once",
                    "drop one",
                );
            } else if let Some(metric) = allowed.get(name) {
                self.both(key, name, metric);
            }
        }
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for (at, prefix) in blocked.prefixes.iter().enumerate() {
            let key = format!("blocked.prefixes[{at}]");
            if let Err(fault) = check_name(prefix.as_bytes()) {
                self.bad_name(key, prefix, fault);
                continue;
            }
            if prefix.len() < PREFIX_BYTES_MIN {
                let allowed = format!("{PREFIX_BYTES_MIN} to {NAME_BYTES_MAX} bytes");
                let mend = "write more of the names that are meant";
                self.flaw(
                    key,
                    prefix,
                    "it is so short that it blocks by accident",
                    &allowed,
                    mend,
                );
                continue;
            }
            let begins = allowed.range(prefix.clone()..).next();
            if let Some((_, metric)) = begins.filter(|(name, _)| name.starts_with(prefix)) {
                self.both(key, prefix, metric);
                continue;
            }
            // In order the longer of two stands right behind the shorter, or one that the shorter covers as well.
            let shorter = seen
                .range::<&str, _>(..=prefix.as_str())
                .next_back()
                .filter(|one| prefix.starts_with(**one));
            let longer = seen
                .range::<&str, _>(prefix.as_str()..)
                .next()
                .filter(|one| one.starts_with(prefix.as_str()));
            if let Some(other) = shorter.or(longer) {
                let what = format!("{other} blocks the same names, or some of them");
                self.flaw(
                    key,
                    prefix,
                    &what,
                    &"prefixes of which none begins with another",
                    "keep the shorter one",
                );
                continue;
            }
            seen.insert(prefix);
        }
    }

    fn both(&mut self, key: String, name: &str, metric: &str) {
        let what = format!("the metric {metric} is allowed, and this blocks it");
        let mend = "take it out of the one list or the other";
        self.flaw(key, name, &what, &"names that are not allowed", mend);
    }

    fn services(&mut self, draft: &CharterDraft) {
        if !self.count(
            "services",
            draft.services.len(),
            0,
            SERVICES_MAX,
            "services",
        ) {
            return;
        }
        let mut seen = BTreeSet::new();
        for (at, service) in draft.services.iter().enumerate() {
            let key = format!("services[{at}]");
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            let is_name = service.name.starts_with(|c: char| c.is_ascii_lowercase())
                && service.name.len() <= SERVICE_BYTES_MAX
                && service.name.chars().all(is_plain);
            let name_key = format!("{key}.name");
            if !is_name {
                let allowed = format!(
                    "1 to {SERVICE_BYTES_MAX} of a-z, 0-9 and '-', the first of them a letter"
                );
                self.flaw(
                    name_key,
                    &service.name,
                    "it is no name of a service",
                    &allowed,
                    "rename it",
                );
            } else if !seen.insert(&service.name) {
                let mend = "put its rules under one of the two";
                self.flaw(
                    name_key,
                    &service.name,
                    "it stands in the list twice",
                    &"every service once",
                    mend,
                );
            }
            let key = format!("{key}.egress");
            if self.count(&key, service.egress.len(), 0, RULES_MAX, "rules") {
                self.egress(&key, &service.egress);
            }
        }
    }

    fn egress(&mut self, key: &str, rules: &[Egress]) {
        let mut seen = BTreeSet::new();
        for (at, rule) in rules.iter().enumerate() {
            let key = format!("{key}[{at}]");
            let ports = format!("{key}.ports");
            self.count(
                &ports,
                rule.ports.len(),
                1,
                PORT_RANGES_MAX,
                "ranges of ports",
            );
            let mut sorted = rule.ports.clone();
            sorted.sort_unstable();
            let overlap = sorted
                .iter()
                .zip(sorted.iter().skip(1))
                .find(|(a, b)| a.last() >= b.first());
            if let Some((one, other)) = overlap {
                let what = format!("{one} and {other} overlap");
                self.flaw(
                    ports,
                    one,
                    &what,
                    &"every port once",
                    "make one range of the two",
                );
            }
            if !seen.insert((rule.to, rule.protocol)) {
                let what = "a rule for these hosts and this protocol stands before it";
                self.flaw(
                    format!("{key}.to"),
                    rule.to,
                    what,
                    &"one rule for each",
                    "put the ports into one rule",
                );
            }
        }
    }

    fn telemetry(&mut self, draft: &CharterDraft) {
        self.count(
            "telemetry",
            draft.telemetry.len(),
            0,
            TELEMETRY_MAX,
            "ports",
        );
        let mut seen = BTreeSet::new();
        for (at, telemetry) in draft.telemetry.iter().enumerate() {
            let key = format!("telemetry[{at}]");
            if !seen.insert((telemetry.protocol, telemetry.port)) {
                let mend = "keep one parser for it";
                self.flaw(
                    format!("{key}.port"),
                    telemetry.port,
                    "it stands in the list twice",
                    &"every port once",
                    mend,
                );
            }
            match (telemetry.parser, telemetry.protocol) {
                (Parser::Statsd, Protocol::Udp) => {}
                (Parser::Statsd, Protocol::Tcp) => {
                    let what = "StatsD is read datagram by datagram, and TCP has none";
                    self.flaw(format!("{key}.protocol"), "tcp", what, &"udp", "write udp");
                }
            }
        }
        let gateway = draft.gateway;
        if !gateway.address.to_canonical().is_loopback() {
            let allowed = "an address of the own machine: 127.0.0.0/8 or ::1";
            let mend = "write 127.0.0.1; what goes further belongs under services";
            self.flaw(
                "gateway.address",
                gateway.address,
                "it is on another machine",
                &allowed,
                mend,
            );
        } else if gateway.address != gateway.address.to_canonical() {
            let mend = format!("write {}", gateway.address.to_canonical());
            self.flaw(
                "gateway.address",
                gateway.address,
                "it is IPv4 written as IPv6",
                &"the plain address",
                &mend,
            );
        }
    }

    fn committee(&mut self, draft: &CharterDraft) {
        let committee = draft.committee;
        self.number("committee.members", committee.members, MEMBERS);
        self.number("committee.researchers", committee.researchers, RESEARCHERS);
        self.number("committee.audit_days", committee.audit_days, AUDIT);
        let all = committee.members.saturating_add(committee.researchers);
        let least = all.div_ceil(3).max(APPROVALS.least);
        self.number(
            "committee.approvals",
            committee.approvals,
            Range {
                least,
                most: all.clamp(least, APPROVALS.most.max(least)),
                unit: "approvals: a third of all at least, and no more than there are",
            },
        );
    }

    fn windows(&mut self, draft: &CharterDraft) {
        let windows = draft.windows;
        self.number("windows.vote_hours", windows.vote_hours, VOTE);
        self.number(
            "windows.emergency_minutes",
            windows.emergency_minutes,
            EMERGENCY,
        );
        self.number(
            "windows.override_notice_minutes",
            windows.override_notice_minutes,
            NOTICE,
        );
        self.number("windows.report_hours", windows.report_hours, REPORT);
        self.number("windows.export_hours", windows.export_hours, EXPORT);
        self.number("windows.erase_days", windows.erase_days, ERASE);
    }

    fn penalty(&mut self, name: &str, penalty: &Penalty) {
        let key = |field: &str| format!("penalties.{name}.{field}");
        self.number(&key("ban_days"), penalty.ban_days, BAN);
        self.number(&key("fine_x0"), penalty.fine_x0, FINE);
        self.number(&key("probation_days"), penalty.probation_days, PROBATION);
        if *penalty == Penalty::default() {
            let allowed = "at least one consequence";
            let mend = "write what follows, such as ban_days or fine_x0";
            self.flaw(
                format!("penalties.{name}"),
                "",
                "nothing follows from the violation",
                &allowed,
                mend,
            );
        }
        if penalty.removal && penalty.ban_days > 0 {
            let mend = "write 0, or take the removal away";
            let what = "who is removed for good is not banned for a time";
            self.flaw(
                key("ban_days"),
                penalty.ban_days,
                what,
                &"0 beside a removal",
                mend,
            );
        }
    }
}

/// Writes a name in the alphabet, if little is missing for it.
fn plain(name: &str) -> Option<String> {
    let plain: String = name
        .trim()
        .to_ascii_lowercase()
        .replace([' ', '/', ':'], "_");
    check_declared(&plain).is_ok().then_some(plain)
}
