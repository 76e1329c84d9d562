//! What of a node's collection violates a charter: the rule by which a node audits itself and others audit it.
//!
//! The rule sees what a node says about itself ([`Collected`]): the names it hands out with what it declares about them,
//! what enforces the charter there, and where traces go. It cannot see what an operator runs beside the node or does with
//! what was handed out, and it takes the node's word: who asks for that word signed has evidence if it was a lie.
//!
//! What members' nodes have answered, round by round, stands in [`rounds`].

pub mod rounds;

use core::fmt;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Charter, Metric, bounds::NAME_BYTES_MAX};
use crate::{core::limits::EXPORTED_MAX, wire::DecodeError};

/// What a node collects and hands out, and what holds it to its charter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collected {
    /// The names handed out to who asks the node's API, in order.
    pub exported: Vec<Exported>,
    /// Numbers that the node counts and does not hand out.
    pub held_back: u32,
    /// What enforces the charter there.
    pub enforcement: Enforcement,
    /// Where traces of the node's own work go.
    pub traces: TracesTo,
}

/// A name that is handed out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// The name.
    pub name: String,
    /// What the node's own table says about it; none if it does not stand there.
    pub declared: Option<Declared>,
}

/// What a node's table says about a number when it hands it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// For how many days it is to be kept.
    pub retention_days: u64,
    /// Over how many nodes it is to be combined.
    pub cohort_min: u64,
}

/// What enforces the charter at a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enforcement {
    /// Whether what the node hands out goes through the filter made of the charter.
    pub filter: bool,
    /// Names that the filter has kept inside since the node started.
    pub filtered: u64,
    /// What the gateway has judged of other programs; none where it is off.
    pub gateway: Option<Judged>,
    /// The kernel's helper; none where none answers.
    pub probe: Option<Probe>,
}

/// What a gateway has judged since it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// Samples taken.
    pub taken: u64,
    /// Samples refused.
    pub refused: u64,
}

/// How the kernel's helper stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// What is in force in the kernel.
    pub policy: KernelPolicy,
    /// Refusals since it started.
    pub refused: u64,
    /// Refusals of which nobody was told.
    pub lost: u64,
}

/// What the kernel enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelPolicy {
    /// Nothing yet: guarded programs send nothing.
    None,
    /// A policy that somebody wrote.
    ByHand,
    /// One made of the charter in force.
    InForce,
    /// One made of another charter.
    Other,
}

/// To what sort of place traces are sent. The place itself is the operator's affair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TracesTo {
    /// None are sent.
    #[default]
    Nowhere,
    /// To a program on the same machine.
    Machine,
    /// To another machine.
    Elsewhere,
}

impl TracesTo {
    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nowhere => "nowhere",
            Self::Machine => "this machine",
            Self::Elsewhere => "another machine",
        }
    }
}

impl Collected {
    /// Returns what a node collects that does exactly as a charter lists, and hands out nothing that needs consent.
    pub fn as_listed(charter: &Charter) -> Self {
        let metrics = charter.text().metrics.iter();
        let metrics = metrics.filter(|metric| !metric.consent);
        let mut exported: Vec<_> = metrics
            .map(|metric| Exported {
                name: metric.name.clone(),
                declared: Some(Declared {
                    retention_days: metric.retention_days,
                    cohort_min: metric.cohort_min,
                }),
            })
            .collect();
        exported.sort_unstable();
        Self {
            exported,
            enforcement: Enforcement {
                filter: true,
                ..Enforcement::default()
            },
            ..Self::default()
        }
    }

    /// Checks what another node has written, but for its truth.
    ///
    /// # Errors
    ///
    /// Returns the field at fault.
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        let fault = |why: String| Err(DecodeError::bounds("collection account", "exported", why));
        if self.exported.len() > EXPORTED_MAX {
            let len = self.exported.len();
            return fault(format!(
                "has {len} names, at most {EXPORTED_MAX} are allowed"
            ));
        }
        if !self.exported.is_sorted_by(|a, b| a.name < b.name) {
            return fault("is not in strictly rising order of name".to_owned());
        }
        let is_name = |name: &str| {
            (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
        };
        match self.exported.iter().all(|one| is_name(&one.name)) {
            true => Ok(()),
            false => fault(format!(
                "has a name that is empty, not printable or longer than {NAME_BYTES_MAX} bytes"
            )),
        }
    }
}

/// Something that violates the charter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A name is handed out that the charter does not list.
    Unlisted(String),
    /// A name is handed out that the node's own table does not declare.
    Undeclared(String),
    /// A number is to be kept longer than the charter allows.
    KeptTooLong {
        /// Its name.
        name: String,
        /// For how many days, as the node says.
        days: u64,
        /// For how many it may be.
        allowed: u64,
    },
    /// A number is to be combined over fewer nodes than the charter asks for.
    TooFewNodes {
        /// Its name.
        name: String,
        /// Over how many, as the node says.
        nodes: u64,
        /// Over how many it must be.
        required: u64,
    },
    /// A number is handed out for which the charter wants a person's consent.
    Unasked(String),
    /// What the node hands out goes through no filter.
    NoFilter,
    /// The kernel's helper has lost refusals: each may have hidden a violation.
    RefusalsLost(u64),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlisted(name) => {
                write!(f, "{name} is handed out, and the charter does not list it")
            }
            Self::Undeclared(name) => write!(
                f,
                "{name} is handed out, and the node's table does not declare it"
            ),
            Self::KeptTooLong {
                name,
                days,
                allowed,
            } => write!(
                f,
                "{name} is handed out to be kept {days} days, the charter allows {allowed}"
            ),
            Self::TooFewNodes {
                name,
                nodes,
                required,
            } => write!(
                f,
                "{name} is handed out to be combined over {nodes} nodes, the charter asks for {required}"
            ),
            Self::Unasked(name) => write!(
                f,
                "{name} is handed out without asking, and the charter wants a person's consent"
            ),
            Self::NoFilter => f.write_str(
                "what the node hands out does not go through the filter made of the charter",
            ),
            Self::RefusalsLost(lost) => write!(
                f,
                "the kernel's helper lost {lost} refusals without telling of them"
            ),
        }
    }
}

/// Something that is no violation, and worth knowing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Numbers are counted and not handed out.
    HeldBack(u32),
    /// Traces are sent.
    Traces(TracesTo),
    /// Nothing in the kernel holds programs beside the node to a charter.
    NoHelper,
    /// How the kernel's helper stands.
    Helper(Probe),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeldBack(count) => write!(
                f,
                "{count} numbers are counted and not handed out, as the charter does not list them"
            ),
            Self::Traces(to) => write!(
                f,
                "traces of the node's own work go to {}: they hold no metric, and the charter's list does not govern them",
                to.name()
            ),
            Self::NoHelper => f.write_str(
                "no helper of the kernel answers: programs beside the node are not held to a charter",
            ),
            Self::Helper(probe) => {
                let policy = match probe.policy {
                    KernelPolicy::None => "running without a policy: guarded programs send nothing",
                    KernelPolicy::ByHand => "at work with a policy that somebody wrote",
                    KernelPolicy::InForce => "at work with the charter in force",
                    KernelPolicy::Other => "at work with another charter than the one in force",
                };
                let refused = probe.refused;
                write!(
                    f,
                    "the kernel's helper is {policy}, and has refused {refused} times"
                )
            }
        }
    }
}

/// What the rule finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// What violates the charter; empty if nothing does.
    pub findings: Vec<Finding>,
    /// What is no violation, and worth knowing.
    pub notes: Vec<Note>,
}

/// Holds what a node collects and hands out against a charter.
pub fn inspect(collected: &Collected, charter: &Charter) -> Inspected {
    let listed: BTreeMap<&str, &Metric> = charter
        .text()
        .metrics
        .iter()
        .map(|metric| (metric.name.as_str(), metric))
        .collect();
    let mut findings = Vec::new();
    for Exported { name, declared } in &collected.exported {
        if charter.compiled().name(name.as_bytes()).is_err() {
            findings.push(Finding::Unlisted(name.clone()));
        }
        let Some(declared) = declared else {
            findings.push(Finding::Undeclared(name.clone()));
            continue;
        };
        if let Some(listed) = listed.get(name.as_str()) {
            findings.extend(held_to(name, *declared, listed));
        }
    }
    let Enforcement {
        filter,
        filtered: _,
        gateway: _,
        probe,
    } = &collected.enforcement;
    if !filter {
        findings.push(Finding::NoFilter);
    }
    let lost = probe.map_or(0, |probe| probe.lost);
    if lost > 0 {
        findings.push(Finding::RefusalsLost(lost));
    }
    let held_back = (collected.held_back > 0).then_some(Note::HeldBack(collected.held_back));
    let traces = match collected.traces {
        TracesTo::Nowhere => None,
        to @ (TracesTo::Machine | TracesTo::Elsewhere) => Some(Note::Traces(to)),
    };
    let helper = probe.map_or(Note::NoHelper, Note::Helper);
    Inspected {
        findings,
        notes: held_back
            .into_iter()
            .chain(traces)
            .chain([helper])
            .collect(),
    }
}

/// Finds in what a declaration goes beyond what the charter says of the metric.
fn held_to<'a>(
    name: &'a str,
    declared: Declared,
    listed: &'a Metric,
) -> impl Iterator<Item = Finding> + 'a {
    let name = || name.to_owned();
    let kept = (declared.retention_days > listed.retention_days).then(|| Finding::KeptTooLong {
        name: name(),
        days: declared.retention_days,
        allowed: listed.retention_days,
    });
    let few = (declared.cohort_min < listed.cohort_min).then(|| Finding::TooFewNodes {
        name: name(),
        nodes: declared.cohort_min,
        required: listed.cohort_min,
    });
    let unasked = listed.consent.then(|| Finding::Unasked(name()));
    kept.into_iter().chain(few).chain(unasked)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::charter::CharterDraft;

    fn faithful() -> Collected {
        Collected::as_listed(&Charter::shipped())
    }

    fn changed(change: impl FnOnce(&mut CharterDraft)) -> Charter {
        let mut draft = Charter::shipped().text().clone();
        change(&mut draft);
        Charter::new(draft).unwrap()
    }

    #[test]
    fn who_does_as_the_charter_says_violates_nothing() {
        let collected = faithful();

        let found = inspect(&collected, &Charter::shipped());

        assert!(collected.exported.len() > 20);
        assert_eq!(found.findings, []);
        assert_eq!(found.notes, [Note::NoHelper]);
        assert!(collected.check().is_ok());
    }

    #[test]
    fn what_is_off_the_list_too_long_over_too_few_or_unasked_is_found_once_each() {
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
        let mut collected = faithful();
        let undeclared = collected
            .exported
            .iter_mut()
            .find(|one| one.name == "x0_halted");
        undeclared.unwrap().declared = None;

        let found = inspect(&collected, &charter).findings;

        for name in [
            "x0_links",
            "x0_records",
            "x0_members",
            "x0_repairs",
            "x0_halted",
        ] {
            let about = found
                .iter()
                .filter(|what| what.to_string().starts_with(name));
            assert_eq!(about.count(), 1, "{name}");
        }
        assert_eq!(found.len(), 5, "{found:?}");
    }

    #[test]
    fn a_node_without_filter_or_with_lost_refusals_is_found_and_a_helper_at_work_is_not() {
        let mut collected = faithful();
        collected.enforcement.filter = false;
        collected.enforcement.probe = Some(Probe {
            policy: KernelPolicy::InForce,
            refused: 9,
            lost: 2,
        });

        let found = inspect(&collected, &Charter::shipped());

        assert_eq!(
            found.findings,
            [Finding::NoFilter, Finding::RefusalsLost(2)]
        );
        assert!(found.notes[0].to_string().contains("refused 9 times"));
    }

    #[test]
    fn where_traces_go_and_what_stays_inside_is_told_and_no_violation() {
        let mut collected = faithful();
        collected.traces = TracesTo::Elsewhere;
        collected.held_back = 3;

        let found = inspect(&collected, &Charter::shipped());

        assert!(found.findings.is_empty());
        assert_eq!(found.notes[0], Note::HeldBack(3));
        assert!(found.notes[1].to_string().contains("another machine"));
    }

    #[test]
    fn an_account_with_names_out_of_order_twice_or_unprintable_is_refused() {
        for names in [vec!["b", "a"], vec!["a", "a"], vec![""], vec!["a\u{1b}[0m"]] {
            let exported = names.iter().map(|name| Exported {
                name: (*name).to_owned(),
                declared: None,
            });
            let collected = Collected {
                exported: exported.collect(),
                ..Collected::default()
            };
            assert!(collected.check().is_err(), "{names:?}");
        }
    }
}
