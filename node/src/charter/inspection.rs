//! What this node collects and hands out, held against a charter: the audit that anybody can make of the own node.
//!
//! It looks at what the node exports now, name by name, at how long and over how many nodes its own table says that each
//! number is to be kept and combined, and at where traces go. It sees this program and nothing beside it: what an
//! operator runs next to it, or does with what was handed out, it cannot see.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use x0_protocol::charter::Charter;

use crate::metrics::{Declaration, TABLES};

/// What the audit of a node found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnAudit {
    /// The charter it was held against.
    pub charter: String,
    /// The charter's number.
    pub number: u64,
    /// Every number the node counts.
    pub metrics: Vec<InspectedMetric>,
    /// Where traces are sent, if they are.
    pub traces_to: Option<String>,
    /// What violates the charter; empty if nothing does.
    pub violations: Vec<String>,
    /// What is no violation, and worth knowing.
    pub notes: Vec<String>,
}

/// A number that the node counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InspectedMetric {
    /// Its name.
    pub name: String,
    /// Whether it is handed out to who asks the node's API.
    pub exported: bool,
    /// For how many days it is to be kept, as the node says when it hands it out.
    pub retention_days: u64,
    /// For how many days it may be; none if the charter does not list it.
    pub allowed_days: Option<u64>,
    /// Over how many nodes it is to be combined, as the node says when it hands it out.
    pub cohort_min: u64,
    /// Over how many it must be; none if the charter does not list it.
    pub required_cohort: Option<u64>,
}

/// Holds what a node exports, as OpenMetrics text, and its settings against a charter.
pub fn inspect(exposition: &str, charter: &Charter, traces_to: Option<&str>) -> OwnAudit {
    let families: Vec<&str> = families(exposition).collect();
    let declared: BTreeMap<&str, &Declaration> = TABLES
        .iter()
        .flat_map(|table| table.iter().map(|row| (row.name, row)))
        .collect();
    let mut violations = Vec::new();
    let mut notes = Vec::new();
    for name in &families {
        if charter.compiled().name(name.as_bytes()).is_err() {
            violations.push(format!(
                "{name} is handed out, and the charter does not list it"
            ));
        }
        if !declared.contains_key(name) {
            violations.push(format!(
                "{name} is handed out, and the node's table does not declare it"
            ));
        }
    }
    let metrics = declared.values().map(|row| {
        let mut all = charter.text().metrics.iter();
        let listed = all.find(|metric| metric.name == row.name);
        let exported = families.contains(&row.name);
        let (days, cohort) = (u64::from(row.retention_days), u64::from(row.cohort_min));
        if let Some(listed) = listed.filter(|_| exported) {
            let name = row.name;
            if days > listed.retention_days {
                violations.push(format!(
                    "{name} is handed out to be kept {days} days, the charter allows {}",
                    listed.retention_days
                ));
            }
            if cohort < listed.cohort_min {
                violations.push(format!(
                    "{name} is handed out to be combined over {cohort} nodes, the charter asks for {}",
                    listed.cohort_min
                ));
            }
            if listed.consent {
                violations.push(format!(
                    "{name} is handed out without asking, and the charter wants a person's consent"
                ));
            }
        }
        InspectedMetric {
            name: row.name.to_owned(),
            exported,
            retention_days: days,
            allowed_days: listed.map(|listed| listed.retention_days),
            cohort_min: cohort,
            required_cohort: listed.map(|listed| listed.cohort_min),
        }
    });
    let metrics: Vec<_> = metrics.collect();
    let held_back = metrics.iter().filter(|metric| !metric.exported).count();
    if held_back > 0 {
        notes.push(format!(
            "{held_back} numbers are counted and not handed out, as the charter does not list them"
        ));
    }
    if let Some(to) = traces_to {
        notes.push(format!(
            "traces of the node's own work go to {to}: they hold no metric, and the charter's list does not govern them"
        ));
    }
    OwnAudit {
        charter: charter.id().to_string(),
        number: charter.number(),
        metrics,
        traces_to: traces_to.map(str::to_owned),
        violations,
        notes,
    }
}

/// Lists the families of an exposition (OpenMetrics 1.0: each is described before its samples).
fn families(exposition: &str) -> impl Iterator<Item = &str> {
    let described = exposition.lines();
    let described = described.filter_map(|line| line.strip_prefix("# TYPE "));
    described.filter_map(|line| line.split(' ').next())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{charter::SHIPPED, metrics::Metrics};

    fn changed(change: impl FnOnce(&mut x0_protocol::charter::CharterDraft)) -> Charter {
        let mut draft = SHIPPED.text().clone();
        change(&mut draft);
        Charter::new(draft).unwrap()
    }

    #[test]
    fn a_node_as_it_ships_keeps_to_the_charter_that_ships() {
        let text = Metrics::new().text(&SHIPPED);

        let found = inspect(&text, &SHIPPED, None);

        assert_eq!(found.violations, [""; 0]);
        assert!(found.metrics.iter().all(|metric| metric.exported));
        assert!(found.metrics.len() >= 17 && found.notes.is_empty());
    }

    #[test]
    fn what_is_handed_out_off_the_list_too_long_over_too_few_or_unasked_is_a_violation() {
        let charter = changed(|draft| {
            draft.metrics.retain(|metric| metric.name != "x0_links");
            for metric in &mut draft.metrics {
                match metric.name.as_str() {
                    "x0_records" => metric.retention_days = 7,
                    "x0_members" => metric.cohort_min = 20,
                    "x0_repairs" => metric.consent = true,
                    _ => {}
                }
            }
        });
        // As if the filter did not work: what the shipped charter lets out.
        let text = Metrics::new().text(&SHIPPED);

        let found = inspect(&text, &charter, None);

        let of = |name: &str| {
            found
                .violations
                .iter()
                .filter(|what| what.contains(name))
                .count()
        };
        assert_eq!(found.violations.len(), 4, "{:?}", found.violations);
        for name in ["x0_links", "x0_records", "x0_members", "x0_repairs"] {
            assert_eq!(of(name), 1, "{name}");
        }
        // With the filter at work what is off the list stays inside.
        let text = Metrics::new().text(&charter);
        let found = inspect(&text, &charter, None);
        assert!(
            !found
                .violations
                .iter()
                .any(|what| what.contains("x0_links"))
        );
        assert_eq!(found.notes.len(), 1);
    }

    #[test]
    fn where_traces_go_is_told() {
        let text = Metrics::new().text(&SHIPPED);
        let found = inspect(&text, &SHIPPED, Some("http://127.0.0.1:4318"));
        assert!(found.violations.is_empty());
        assert!(found.notes[0].contains("http://127.0.0.1:4318"));
    }
}
