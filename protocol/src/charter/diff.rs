//! What an amendment changes, in words: first what people lose by it, then what they gain, then the rest.

use core::fmt::Display;
use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Charter,
    draft::{CharterDraft, Metric, Penalty, Principle, Service},
};

/// For whom a change is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// People lose by it.
    Loss,
    /// People gain by it.
    Gain,
    /// It is for each to judge.
    Neutral,
}

/// A change of a charter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// For whom it is good.
    pub effect: Effect,
    /// What changes, in words.
    pub words: String,
}

/// Says what changes from one charter to another, losses first.
pub fn changes(old: &Charter, new: &Charter) -> Vec<Change> {
    let (old, new) = (old.text(), new.text());
    let mut diff = Diff::default();
    diff.principles(old, new);
    diff.metrics(&old.metrics, &new.metrics);
    diff.blocked("the name", &old.blocked.names, &new.blocked.names);
    diff.blocked(
        "every name that begins with",
        &old.blocked.prefixes,
        &new.blocked.prefixes,
    );
    diff.services(&old.services, &new.services);
    diff.telemetry(old, new);
    diff.figures(old, new);
    let penalties = old.penalties.named().into_iter().zip(new.penalties.named());
    for ((name, old), (_, new)) in penalties {
        diff.penalty(name, &old, &new);
    }
    diff.changes.sort_by_key(|change| change.effect);
    diff.changes
}

#[derive(Default)]
struct Diff {
    changes: Vec<Change>,
}

impl Diff {
    fn say(&mut self, effect: Effect, words: String) {
        self.changes.push(Change { effect, words });
    }

    /// Says that a number changes; `more` is what it is for people if it rises.
    fn number(&mut self, more: Effect, what: &str, (old, new): (u64, u64), unit: &str) {
        let (verb, effect) = match new.cmp(&old) {
            core::cmp::Ordering::Equal => return,
            core::cmp::Ordering::Greater => ("rises", more),
            core::cmp::Ordering::Less => ("falls", more.other()),
        };
        self.say(
            effect,
            format!("{what} {verb} from {old} to {new} {unit}")
                .trim_end()
                .to_owned(),
        );
    }

    fn principles(&mut self, old: &CharterDraft, new: &CharterDraft) {
        for principle in Principle::ALL.map(Principle::name) {
            if old.principles.get(principle) != new.principles.get(principle) {
                let text = new.principles.get(principle).map_or("", String::as_str);
                self.say(
                    Effect::Neutral,
                    format!("the principle {principle} now reads: {text}"),
                );
            }
        }
        if old.name != new.name {
            self.say(Effect::Neutral, format!("it is now called {}", new.name));
        }
    }

    fn metrics(&mut self, old: &[Metric], new: &[Metric]) {
        let (before, now) = (by_name(old), by_name(new));
        for (name, metric) in &now {
            match before.get(name) {
                None => {
                    let consent = match metric.consent {
                        true => "with each person's consent",
                        false => "without asking",
                    };
                    self.say(Effect::Loss, format!(
                        "{name} may now be collected, {consent}, kept {} days, shown over {} nodes or more: {}",
                        metric.retention_days, metric.cohort_min, metric.purpose
                    ));
                }
                Some(before) => self.metric(before, metric),
            }
        }
        for name in before.keys().filter(|name| !now.contains_key(*name)) {
            self.say(Effect::Gain, format!("{name} may no longer be collected"));
        }
    }

    fn metric(&mut self, old: &Metric, new: &Metric) {
        let name = &new.name;
        let days = (old.retention_days, new.retention_days);
        self.number(Effect::Loss, &format!("retention of {name}"), days, "days");
        let nodes = (old.cohort_min, new.cohort_min);
        self.number(
            Effect::Gain,
            &format!("the least number of nodes that {name} is shown over"),
            nodes,
            "",
        );
        match (old.consent, new.consent) {
            (true, false) => self.say(
                Effect::Loss,
                format!("{name} may be collected without consent"),
            ),
            (false, true) => self.say(Effect::Gain, format!("{name} needs each person's consent")),
            (true, true) | (false, false) => {}
        }
        for label in new
            .labels
            .iter()
            .filter(|label| !old.labels.contains(label))
        {
            self.say(Effect::Loss, format!("{name} may carry the label {label}"));
        }
        for label in old
            .labels
            .iter()
            .filter(|label| !new.labels.contains(label))
        {
            self.say(
                Effect::Gain,
                format!("{name} may no longer carry the label {label}"),
            );
        }
        if old.purpose != new.purpose {
            let words = format!(
                "{name} now serves another purpose: {} (before: {})",
                new.purpose, old.purpose
            );
            self.say(Effect::Neutral, words);
        }
        if old.kind != new.kind {
            let words = format!(
                "{name} is now a {}, no {} any more",
                new.kind.name(),
                old.kind.name()
            );
            self.say(Effect::Neutral, words);
        }
    }

    fn blocked(&mut self, what: &str, old: &[String], new: &[String]) {
        for name in old.iter().filter(|name| !new.contains(name)) {
            self.say(Effect::Loss, format!("{what} {name} is no longer blocked"));
        }
        for name in new.iter().filter(|name| !old.contains(name)) {
            self.say(Effect::Gain, format!("{what} {name} is now blocked"));
        }
    }

    fn services(&mut self, old: &[Service], new: &[Service]) {
        let (before, now) = (ways(old), ways(new));
        for way in now.iter().filter(|way| !before.contains(way)) {
            self.say(Effect::Loss, format!("{way} is now allowed"));
        }
        for way in before.iter().filter(|way| !now.contains(way)) {
            self.say(Effect::Gain, format!("{way} is no longer allowed"));
        }
    }

    fn telemetry(&mut self, old: &CharterDraft, new: &CharterDraft) {
        for port in old
            .telemetry
            .iter()
            .filter(|port| !new.telemetry.contains(port))
        {
            let words = format!(
                "what goes to port {}/{} is no longer read on its way",
                port.port,
                port.protocol.name()
            );
            self.say(Effect::Loss, words);
        }
        for port in new
            .telemetry
            .iter()
            .filter(|port| !old.telemetry.contains(port))
        {
            let words = format!(
                "what goes to port {}/{} is read on its way, and refused if a name is not allowed",
                port.port,
                port.protocol.name()
            );
            self.say(Effect::Gain, words);
        }
        if old.gateway != new.gateway {
            let words = format!(
                "services hand their telemetry in at {} port {}/{}",
                new.gateway.address,
                new.gateway.port,
                new.gateway.protocol.name()
            );
            self.say(Effect::Neutral, words);
        }
    }

    fn figures(&mut self, old: &CharterDraft, new: &CharterDraft) {
        use Effect::{Gain, Loss, Neutral};
        let (a, b) = (&old.committee, &new.committee);
        self.number(
            Neutral,
            "members of the committee",
            (a.members, b.members),
            "",
        );
        self.number(
            Neutral,
            "researchers from outside",
            (a.researchers, b.researchers),
            "",
        );
        self.number(
            Neutral,
            "approvals that decide",
            (a.approvals, b.approvals),
            "",
        );
        self.number(
            Loss,
            "the time between two audits",
            (a.audit_days, b.audit_days),
            "days",
        );
        let (a, b) = (&old.windows, &new.windows);
        self.number(
            Gain,
            "the window of a vote",
            (a.vote_hours, b.vote_hours),
            "hours",
        );
        self.number(
            Neutral,
            "the window of an emergency vote",
            (a.emergency_minutes, b.emergency_minutes),
            "minutes",
        );
        let notice = (a.override_notice_minutes, b.override_notice_minutes);
        self.number(
            Loss,
            "the time until an override is told to all",
            notice,
            "minutes",
        );
        self.number(
            Loss,
            "the time until a report is processed",
            (a.report_hours, b.report_hours),
            "hours",
        );
        self.number(
            Loss,
            "the time until your data is handed to you",
            (a.export_hours, b.export_hours),
            "hours",
        );
        self.number(
            Loss,
            "the time until an erasure is irrevocable",
            (a.erase_days, b.erase_days),
            "days",
        );
        let (a, b) = (&old.bounty, &new.bounty);
        self.number(
            Gain,
            "the least bounty for a report",
            (a.least_x0, b.least_x0),
            "x0",
        );
        self.number(
            Gain,
            "the most bounty for a report",
            (a.most_x0, b.most_x0),
            "x0",
        );
    }

    fn penalty(&mut self, name: &str, old: &Penalty, new: &Penalty) {
        let of = |what: &str| format!("{what} for {name}");
        self.number(
            Effect::Gain,
            &of("the ban"),
            (old.ban_days, new.ban_days),
            "days",
        );
        self.number(
            Effect::Gain,
            &of("the fine"),
            (old.fine_x0, new.fine_x0),
            "x0",
        );
        self.number(
            Effect::Gain,
            &of("probation"),
            (old.probation_days, new.probation_days),
            "days",
        );
        let switches = [
            ("removal for good", old.removal, new.removal),
            ("deletion of what was taken", old.deletion, new.deletion),
            ("public referral", old.public_referral, new.public_referral),
        ];
        for (what, old, new) in switches {
            match (old, new) {
                (false, true) => self.say(Effect::Gain, format!("{what} now follows from {name}")),
                (true, false) => self.say(
                    Effect::Loss,
                    format!("{what} no longer follows from {name}"),
                ),
                (true, true) | (false, false) => {}
            }
        }
    }
}

impl Effect {
    const fn other(self) -> Self {
        match self {
            Self::Loss => Self::Gain,
            Self::Gain => Self::Loss,
            Self::Neutral => Self::Neutral,
        }
    }
}

fn by_name(metrics: &[Metric]) -> BTreeMap<&str, &Metric> {
    metrics
        .iter()
        .map(|metric| (&*metric.name, metric))
        .collect()
}

/// Returns every way out of every service, in words.
fn ways(services: &[Service]) -> Vec<String> {
    let each = services.iter().flat_map(|service| {
        service.egress.iter().flat_map(move |rule| {
            rule.ports.iter().map(move |ports| {
                let to: &dyn Display = &rule.to;
                format!(
                    "traffic of {} to {to} port {ports}/{}",
                    service.name,
                    rule.protocol.name()
                )
            })
        })
    });
    each.collect()
}
