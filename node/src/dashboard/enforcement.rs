//! What holds this machine to the charter now: the node's own filter, the gateway, the kernel; what they refused; and what
//! an audit of the own node finds.
//!
//! Where something is off, it is said plainly, with what to do. What was refused is shown as it comes; a name that the
//! kernel refused is shown as its keyed hash, for a name can itself be personal data.

use maud::{Markup, html};
use x0_ebpf_loader::messages::Refusal;
use x0_protocol::{Wall, charter::gateway::refusal::Refused};

use super::{
    parts::{self, Tone},
    text::Texts,
};
use crate::{
    charter::{following::Standing, helper::Seen, inspection::OwnAudit},
    gateway::{Overview, Place},
};

/// Refusals of the gateway that are shown, the newest first.
const GATEWAY_SHOWN: usize = 20;

/// What holds this machine to the charter at one moment.
#[derive(Clone, Debug)]
pub struct Enforcement {
    /// How the kernel stands to the charter in force.
    pub kernel: Standing,
    /// What the kernel's helper says, or why it says nothing.
    pub helper: Result<Seen, String>,
    /// What the gateway takes in and refuses.
    pub gateway: Overview,
    /// What the node collects and hands out, held against the charter.
    pub audit: OwnAudit,
}

impl Enforcement {
    /// Tells whether the node hands a metric out now.
    pub(super) fn hands_out(&self, metric: &str) -> bool {
        let mut metrics = self.audit.metrics.iter();
        metrics.any(|one| one.name == metric && one.exported)
    }
}

/// Says what enforces the charter here and now.
pub(super) fn here_and_now(t: Texts, here: &Enforcement) -> Markup {
    html! {
        section.card #enforced data-live {
            h2 { (t.say("enforced")) }
            ul.facts {
                (node_filter(t, &here.audit))
                (gateway(t, &here.gateway))
                (kernel(t, &here.kernel))
                @if let Ok(seen) = &here.helper { (counted(t, seen)) }
            }
        }
    }
}

fn fact(tone: Tone, words: &str, why: Option<&str>, command: Option<&str>) -> Markup {
    html! {
        li {
            (parts::sign(tone))
            span {
                (words)
                @if let Some(why) = why { " " (parts::foreign(why)) }
                @if let Some(command) = command { " " code { (command) } }
            }
        }
    }
}

fn node_filter(t: Texts, audit: &OwnAudit) -> Markup {
    let exported = audit.metrics.iter().filter(|metric| metric.exported);
    let exported = exported.count();
    let counts = [
        ("out", exported.into()),
        ("held", (audit.metrics.len() - exported).into()),
    ];
    fact(Tone::Good, &t.with("enforced-node", counts), None, None)
}

fn gateway(t: Texts, gateway: &Overview) -> Markup {
    let counts = [
        ("taken", gateway.taken.into()),
        ("refused", gateway.refused.values().sum::<u64>().into()),
    ];
    match &gateway.place {
        Place::Open { address } => {
            let [taken, refused] = counts;
            let words = t.with(
                "enforced-gateway-open",
                [("address", address.to_string().into()), taken, refused],
            );
            fact(Tone::Good, &words, None, None)
        }
        Place::Off => fact(
            Tone::Waiting,
            &t.say("enforced-gateway-off"),
            None,
            Some("gateway.listen"),
        ),
        Place::Opening => fact(
            Tone::Waiting,
            &t.say("enforced-gateway-opening"),
            None,
            None,
        ),
        Place::Failed { address, why } => {
            let address = [("address", address.to_string().into())];
            let words = t.with("enforced-gateway-failed", address);
            fact(Tone::Bad, &words, Some(why), None)
        }
    }
}

fn kernel(t: Texts, standing: &Standing) -> Markup {
    let numbered = |key, number: &u64| t.with(key, [("number", number.to_string().into())]);
    match standing {
        Standing::InForce { number, .. } => fact(
            Tone::Good,
            &numbered("enforced-kernel-in-force", number),
            None,
            None,
        ),
        Standing::Waiting => fact(Tone::Waiting, &t.say("enforced-kernel-waiting"), None, None),
        Standing::Manual => fact(
            Tone::Waiting,
            &t.say("enforced-kernel-manual"),
            None,
            Some("x0 charter probe load"),
        ),
        Standing::NoHelper { .. } => fact(
            Tone::Bad,
            &t.say("enforced-kernel-no-helper"),
            None,
            Some("sudo x0 charter probe start"),
        ),
        Standing::NotOwner { why } => fact(
            Tone::Waiting,
            &t.say("enforced-kernel-not-owner"),
            Some(why),
            None,
        ),
        Standing::ByHand => fact(
            Tone::Waiting,
            &t.say("enforced-kernel-by-hand"),
            None,
            Some("x0 charter compile --to ebpf"),
        ),
        Standing::Failed { number, why, .. } => fact(
            Tone::Bad,
            &numbered("enforced-kernel-failed", number),
            Some(why),
            None,
        ),
    }
}

/// Says what the helper has counted: programs under guard, refusals, and those that it lost.
fn counted(t: Texts, seen: &Seen) -> Markup {
    let status = &seen.status;
    let guarded: usize = status.services.values().sum();
    let counts = [
        ("passed", status.checked.into()),
        ("refused", status.refused.values().sum::<u64>().into()),
    ];
    html! {
        @if status.enforced { (fact(Tone::Good, &t.count("enforced-guarded", guarded), None, None)) }
        @else { (fact(Tone::Bad, &t.say("enforced-no-policy"), None, None)) }
        (fact(Tone::Plain, &t.with("enforced-counted", counts), None, None))
        @if status.lost == 0 { (fact(Tone::Good, &t.say("enforced-none-lost"), None, None)) }
        @else { (fact(Tone::Bad, &t.count("enforced-lost", status.lost), None, None)) }
    }
}

/// Shows what the audit of the own node finds.
pub(super) fn audit(t: Texts, here: &Enforcement) -> Markup {
    let audit = &here.audit;
    let lost = here.helper.as_ref().map_or(0, |seen| seen.status.lost);
    let is_clean = audit.violations.is_empty() && lost == 0;
    html! {
        section.card #own-audit data-live {
            h2 { (t.say("own-audit")) }
            p.quiet { (t.say("own-audit-what")) }
            @if is_clean {
                p.notice.good { (parts::sign(Tone::Good)) span { (t.say("own-audit-clean")) } }
            } @else {
                div.notice.bad {
                    (parts::sign(Tone::Bad))
                    div {
                        p { (t.count("own-audit-violations", audit.violations.len() + usize::from(lost > 0))) }
                        ul.plain {
                            @for violation in &audit.violations { li { (parts::foreign(violation)) } }
                            @if lost > 0 { li { (t.count("enforced-lost", lost)) } }
                        }
                    }
                }
            }
            @if !audit.notes.is_empty() {
                ul.plain { @for note in &audit.notes { li { (parts::foreign(note)) } } }
            }
            p.quiet { (t.say("own-audit-elsewhere")) " " code { "x0 charter audit" } }
        }
    }
}

/// Shows what was refused on this machine, as it comes.
pub(super) fn refusals(t: Texts, here: &Enforcement) -> Markup {
    html! {
        section.card #refusals data-live data-feed {
            h2 { (t.say("refusals")) }
            p.quiet { (t.say("refusals-what")) }
            @match &here.helper {
                Err(why) => {
                    p.notice.waiting {
                        (parts::sign(Tone::Waiting))
                        span { (t.say("refusals-unseen")) " " (parts::foreign(why)) }
                    }
                }
                Ok(seen) if seen.refusals.is_empty() => {
                    (parts::empty(&t.say("refusals-empty-title"), &t.say("refusals-empty"), None))
                }
                Ok(seen) => ol.lines { @for refusal in &seen.refusals { (refused_by_kernel(t, refusal)) } },
            }
        }
        div #gateway-refusals data-live {
            @if !here.gateway.refusals.is_empty() { (refused_by_gateway(t, &here.gateway.refusals)) }
        }
    }
}

fn refused_by_kernel(t: Texts, refusal: &Refusal) -> Markup {
    let service = match refusal.service.is_empty() {
        true => t.say("refusal-no-service"),
        false => refusal.service.clone(),
    };
    let number = format!("{}-{}-{}", refusal.at_ms, refusal.pid, refusal.local_port);
    html! {
        li data-number=(number) {
            (parts::sign(Tone::Bad))
            div.what {
                span.words { @match reason(t, &refusal.reason) {
                    Some(words) => (words),
                    None => (parts::foreign(&refusal.words)),
                } }
                " " code { (refusal.protocol) " " (refusal.address) " " (refusal.port) }
                " " span.quiet {
                    bdi { (service) } " · "
                    (t.with("refusal-process", [
                        ("pid", refusal.pid.to_string().into()), ("uid", refusal.uid.to_string().into()),
                    ]))
                    @if !refusal.name_hash.is_empty() {
                        " · " (t.say("refusal-name-hash")) " " code { (refusal.name_hash) }
                    }
                }
            }
            (parts::moment(Wall(refusal.at_ms)))
        }
    }
}

/// Says why the kernel refused something; nothing for a reason that this version does not know.
fn reason(t: Texts, word: &str) -> Option<String> {
    let key = match word {
        "no-policy" => "refusal-no-policy",
        "destination" => "refusal-destination",
        "telemetry-elsewhere" => "refusal-telemetry-elsewhere",
        "telemetry-from-node" => "refusal-telemetry-from-node",
        "name" => "refusal-name",
        "malformed" => "refusal-malformed",
        "oversized" => "refusal-oversized",
        "fragment" => "refusal-fragment",
        "headers" => "refusal-headers",
        "segmented" => "refusal-segmented",
        "shared-memory" => "refusal-shared-memory",
        "transport" => "refusal-transport",
        "socket-kind" => "refusal-socket-kind",
        "listen" => "refusal-listen",
        _ => return None,
    };
    Some(t.say(key))
}

fn refused_by_gateway(t: Texts, refusals: &[Refused]) -> Markup {
    html! {
        section.card {
            h2 { (t.say("gateway-refusals")) }
            p.quiet { (t.say("gateway-refusals-what")) }
            table {
                thead {
                    tr {
                        th scope="col" { (t.say("column-name")) }
                        th scope="col" { (t.say("column-source")) }
                        th scope="col" { (t.say("column-times")) }
                        th scope="col" { (t.say("column-why")) }
                        th scope="col" { (t.say("column-last")) }
                    }
                }
                tbody {
                    @for refused in refusals.iter().take(GATEWAY_SHOWN) {
                        tr {
                            th scope="row" {
                                @match &refused.name { Some(name) => code { (name) }, None => "—" }
                            }
                            td data-label=(t.say("column-source")) { bdi { (refused.source) } }
                            td data-label=(t.say("column-times")) { (t.count("number", refused.count)) }
                            td data-label=(t.say("column-why")) { (parts::foreign(&refused.words)) }
                            td data-label=(t.say("column-last")) { (parts::moment(refused.last)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use x0_ebpf_common::reason::Reason;

    use super::*;
    use crate::dashboard::text::Language;

    #[test]
    fn every_reason_of_the_kernel_reads_as_a_sentence_in_both_languages() {
        for word in Reason::ALL.iter().map(|reason| reason.word()) {
            let [english, russian] = Language::ALL.map(|language| reason(Texts(language), word));
            assert!(english.is_some() && english != russian, "{word}");
        }
        assert_eq!(reason(Texts(Language::English), "of-a-later-version"), None);
    }
}
