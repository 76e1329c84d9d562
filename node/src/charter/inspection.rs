//! What this node collects and hands out, gathered for whoever may know: its operator, and auditors by the node's signed word.
//!
//! Here things are only looked up: which names go out, what the node's own table declares of them, what enforces the charter and
//! what it has counted, and to what sort of place traces go. What of it violates a charter is for
//! [`x0_protocol::charter::inspection`]. It sees this program and the kernel's helper, and nothing beside them: what an
//! operator runs next to it, or does with what was handed out, it cannot see.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;
use x0_ebpf_loader::{client::Client, messages::Status};
use x0_protocol::charter::{
    Charter,
    inspection::{
        Collected, Declared, Enforcement, Exported, Judged, KernelPolicy, Probe, TracesTo, inspect,
    },
};

use crate::{
    config::Config,
    gateway::{Hub, Place},
    metrics::{Counter, Declaration, Metrics, TABLES},
};

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

/// Looks up what the node collects; clones look at the same.
#[derive(Clone, Debug)]
pub struct Collection {
    metrics: Metrics,
    beside: Arc<OnceLock<Beside>>,
}

/// What stands beside the numbers in a node that runs as a program.
#[derive(Debug)]
struct Beside {
    gateway: Arc<Hub>,
    config: watch::Receiver<Arc<Config>>,
}

impl Collection {
    /// Looks at the numbers of a node alone, until [`Self::attach`] names the rest.
    pub fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            beside: Arc::default(),
        }
    }

    /// Looks at the gateway, the kernel's helper and the settings as well, from now on.
    pub fn attach(&self, gateway: Arc<Hub>, config: watch::Receiver<Arc<Config>>) {
        self.beside.set(Beside { gateway, config }).ok();
    }

    /// Looks up what the node collects under a charter. Waits for the kernel's helper, if there is one.
    pub fn collected(&self, charter: &Charter) -> Collected {
        let exposition = self.metrics.listed_by(charter);
        let beside = self.beside.get();
        let config = beside.map(|beside| Arc::clone(&beside.config.borrow()));
        let helper = config.as_ref().and_then(|config| {
            let helper = Client::new(config.charter.probe_socket.clone());
            helper.status().ok()
        });
        let endpoint = config
            .as_ref()
            .and_then(|config| config.telemetry.otlp_endpoint.as_deref());
        let enforcement = Enforcement {
            filter: true,
            filtered: self.metrics.counter(Counter::MetricsRefused),
            gateway: beside.and_then(|beside| judged(&beside.gateway)),
            probe: helper.map(|status| probe(&status, charter)),
        };
        gathered(&exposition, enforcement, traces_to(endpoint))
    }

    /// Audits the node against a charter, as its operator sees it.
    pub fn audit(&self, charter: &Charter) -> OwnAudit {
        let collected = self.collected(charter);
        let config = self.beside.get().map(|it| Arc::clone(&it.config.borrow()));
        OwnAudit::new(
            &collected,
            charter,
            config.and_then(|config| config.telemetry.otlp_endpoint.clone()),
        )
    }
}

impl OwnAudit {
    /// Writes down what the rule finds, and what stands beside it in the charter.
    fn new(collected: &Collected, charter: &Charter, traces_to: Option<String>) -> Self {
        let exported: BTreeSet<&str> = collected
            .exported
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        let listed = charter.text().metrics.iter();
        let listed: BTreeMap<_, _> = listed
            .map(|metric| (metric.name.as_str(), metric))
            .collect();
        let table = declared();
        let metrics = table.values().map(|row| {
            let listed = listed.get(row.name);
            InspectedMetric {
                name: row.name.to_owned(),
                exported: exported.contains(row.name),
                retention_days: row.retention_days.into(),
                allowed_days: listed.map(|listed| listed.retention_days),
                cohort_min: row.cohort_min.into(),
                required_cohort: listed.map(|listed| listed.cohort_min),
            }
        });
        let found = inspect(collected, charter);
        Self {
            charter: charter.id().to_string(),
            number: charter.number(),
            metrics: metrics.collect(),
            traces_to,
            violations: found.findings.iter().map(ToString::to_string).collect(),
            notes: found.notes.iter().map(ToString::to_string).collect(),
        }
    }
}

fn declared() -> BTreeMap<&'static str, &'static Declaration> {
    let rows = TABLES.iter().flat_map(|table| table.iter());
    rows.map(|row| (row.name, row)).collect()
}

/// Puts together what an exposition hands out, as OpenMetrics text, and what the table declares of it.
fn gathered(exposition: &str, enforcement: Enforcement, traces: TracesTo) -> Collected {
    let table = declared();
    let names: BTreeSet<&str> = families(exposition).collect();
    let held_back = table.keys().filter(|name| !names.contains(*name)).count();
    let exported = names.into_iter().map(|name| Exported {
        name: name.to_owned(),
        declared: table.get(name).map(|row| Declared {
            retention_days: row.retention_days.into(),
            cohort_min: row.cohort_min.into(),
        }),
    });
    Collected {
        exported: exported.collect(),
        held_back: u32::try_from(held_back).unwrap_or(u32::MAX),
        enforcement,
        traces,
    }
}

/// Lists the families of an exposition (OpenMetrics 1.0: each is described before its samples).
fn families(exposition: &str) -> impl Iterator<Item = &str> {
    let described = exposition.lines();
    let described = described.filter_map(|line| line.strip_prefix("# TYPE "));
    described.filter_map(|line| line.split(' ').next())
}

fn judged(gateway: &Hub) -> Option<Judged> {
    let overview = gateway.overview();
    match overview.place {
        Place::Off => None,
        Place::Opening | Place::Open { .. } | Place::Failed { .. } => Some(Judged {
            taken: overview.taken,
            refused: overview.refused.values().sum(),
        }),
    }
}

fn probe(status: &Status, charter: &Charter) -> Probe {
    let policy = match (&status.charter, status.enforced) {
        (_, false) => KernelPolicy::None,
        (None, true) => KernelPolicy::ByHand,
        (Some(of), true) if *of == charter.id().to_string() => KernelPolicy::InForce,
        (Some(_), true) => KernelPolicy::Other,
    };
    Probe {
        policy,
        refused: status.refused.values().sum(),
        lost: status.lost,
    }
}

/// Tells to what sort of place an address of traces leads; a name that is not of this machine is taken for another's.
fn traces_to(endpoint: Option<&str>) -> TracesTo {
    let Some(endpoint) = endpoint else {
        return TracesTo::Nowhere;
    };
    let uri: Option<axum::http::Uri> = endpoint.parse().ok();
    let host = uri.as_ref().and_then(axum::http::Uri::host);
    let host = host.unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_own = bare == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    match is_own {
        true => TracesTo::Machine,
        false => TracesTo::Elsewhere,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::charter::SHIPPED;

    fn changed(change: impl FnOnce(&mut x0_protocol::charter::CharterDraft)) -> Charter {
        let mut draft = SHIPPED.text().clone();
        change(&mut draft);
        Charter::new(draft).unwrap()
    }

    #[test]
    fn a_node_as_it_ships_keeps_to_the_charter_that_ships() {
        let found = Collection::new(Metrics::new()).audit(&SHIPPED);

        assert_eq!(found.violations, [""; 0]);
        assert!(found.metrics.iter().all(|metric| metric.exported));
        assert!(found.metrics.len() >= 17);
        assert_eq!(found.notes.len(), 1, "no helper runs: {:?}", found.notes);
    }

    #[test]
    fn what_a_node_says_to_others_is_what_its_filter_lets_out_and_its_table_declares() {
        let charter = changed(|draft| draft.metrics.retain(|metric| metric.name != "x0_links"));
        let collection = Collection::new(Metrics::new());

        let collected = collection.collected(&charter);

        let names: Vec<_> = collected.exported.iter().map(|one| &one.name).collect();
        assert!(names.is_sorted() && !names.iter().any(|name| *name == "x0_links"));
        assert!(collected.exported.iter().all(|one| one.declared.is_some()));
        assert_eq!(collected.held_back, 1);
        assert!(collected.enforcement.filter && collected.enforcement.gateway.is_none());
        // To look is not to refuse.
        assert_eq!(collection.metrics.counter(Counter::MetricsRefused), 0);
    }

    #[test]
    fn what_the_table_does_not_declare_is_told_as_undeclared() {
        let text = "# TYPE x0_links gauge\nx0_links 1\n# TYPE hidden gauge\nhidden 1\n# EOF\n";
        let collected = gathered(text, Enforcement::default(), TracesTo::Nowhere);
        let declared = |name: &str| {
            let mut all = collected.exported.iter();
            all.find(|one| one.name == name).unwrap().declared
        };
        assert!(declared("x0_links").is_some());
        assert_eq!(declared("hidden"), None);
    }

    #[test]
    fn only_an_address_of_this_machine_counts_as_this_machine() {
        for own in [
            "http://127.0.0.1:4318",
            "http://localhost:4318/v1",
            "http://[::1]:4318",
        ] {
            assert_eq!(traces_to(Some(own)), TracesTo::Machine, "{own}");
        }
        for other in [
            "https://collector.example",
            "http://10.0.0.7:4318",
            "http://localhost.example:1",
        ] {
            assert_eq!(traces_to(Some(other)), TracesTo::Elsewhere, "{other}");
        }
        assert_eq!(traces_to(None), TracesTo::Nowhere);
    }
}
