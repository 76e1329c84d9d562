//! Charters and their changes in words.

use std::fmt::Write as _;

use x0_protocol::charter::{
    Charter, CharterDraft, Penalty,
    diff::{Change, Effect},
};

use crate::{
    charter::inspection::OwnAudit,
    cli::output::{Table, printable},
};

/// Writes what an audit of the own node found.
pub(super) fn audit(found: &OwnAudit) -> String {
    let mut table = Table::new(["number", "handed out", "kept", "allowed", "combined over"]);
    let days = |days: u64| format!("{days} days");
    for metric in &found.metrics {
        let required = metric.required_cohort.unwrap_or_default();
        table.row([
            metric.name.clone(),
            if metric.exported { "yes" } else { "no" }.to_owned(),
            days(metric.retention_days),
            metric
                .allowed_days
                .map_or_else(|| "not listed".to_owned(), days),
            format!("{} nodes, {required} asked for", metric.cohort_min),
        ]);
    }
    let mut text = format!(
        "Held against charter number {}\n{}\n\n{}",
        found.number,
        found.charter,
        table.text()
    );
    for note in &found.notes {
        writeln!(text, "\n{}", printable(note)).ok();
    }
    match found.violations.is_empty() {
        true => text.push_str("\nNothing violates the charter.\n"),
        false => text.push_str("\nVIOLATIONS\n"),
    }
    for violation in &found.violations {
        writeln!(text, "  {}", printable(violation)).ok();
    }
    text
}

/// Writes a charter for people.
pub(super) fn text(charter: &Charter) -> String {
    let draft = charter.text();
    let mut text = format!(
        "{}, number {}\n{}\n\nPRINCIPLES\n",
        printable(&draft.name),
        draft.number,
        charter.id()
    );
    for (name, principle) in &draft.principles {
        writeln!(text, "  {name}\n    {}", printable(principle)).ok();
    }
    text.push_str("\nMAY BE COLLECTED, and nothing else\n");
    text.push_str(&metrics(draft));
    text.push_str("\nNEVER\n");
    writeln!(text, "  names: {}", or_none(&draft.blocked.names)).ok();
    let prefixes = draft
        .blocked
        .prefixes
        .iter()
        .map(|prefix| format!("{prefix}*"));
    writeln!(
        text,
        "  all that begins so: {}",
        or_none(&prefixes.collect::<Vec<_>>())
    )
    .ok();
    text.push_str("\nWHO MAY SPEAK TO WHOM\n");
    text.push_str(&services(draft));
    text.push_str(&figures(draft));
    text
}

fn metrics(draft: &CharterDraft) -> String {
    let mut table = Table::new(["name", "kind", "kept", "consent", "shown over", "for"]);
    for metric in &draft.metrics {
        let labels = match metric.labels.is_empty() {
            true => String::new(),
            false => format!(" by {}", metric.labels.join(", ")),
        };
        table.row([
            format!("{}{labels}", metric.name),
            metric.kind.name().to_owned(),
            format!("{} days", metric.retention_days),
            if metric.consent {
                "asked for"
            } else {
                "not needed"
            }
            .to_owned(),
            format!("{} nodes", metric.cohort_min),
            metric.purpose.clone(),
        ]);
    }
    table.text()
}

fn services(draft: &CharterDraft) -> String {
    let mut table = Table::new(["service", "hosts", "ports", ""]);
    for service in &draft.services {
        for rule in &service.egress {
            let ports: Vec<_> = rule.ports.iter().map(ToString::to_string).collect();
            table.row([
                service.name.clone(),
                rule.to.to_string(),
                ports.join(", "),
                rule.protocol.name().to_owned(),
            ]);
        }
    }
    let gateway = draft.gateway;
    table.row([
        "every one of them".to_owned(),
        gateway.address.to_string(),
        gateway.port.to_string(),
        format!("{}, the gateway", gateway.protocol.name()),
    ]);
    let mut text = table.text();
    for guard in &draft.telemetry {
        let (port, protocol, parser) = (guard.port, guard.protocol.name(), guard.parser.name());
        writeln!(text, "What goes to port {port}/{protocol} is read as {parser}, and refused if a name is not listed.").ok();
    }
    text
}

fn figures(draft: &CharterDraft) -> String {
    let (committee, windows, bounty) = (draft.committee, draft.windows, draft.bounty);
    let mut text = format!(
        "\nWHO WATCHES\n  {} members and {} researchers; {} of them decide; an audit every {} days\n",
        committee.members, committee.researchers, committee.approvals, committee.audit_days
    );
    writeln!(
        text,
        "\nHOW LONG THINGS TAKE\n  a vote {} h, an emergency vote {} min, an override is told within {} min\n  \
         a report is processed within {} h, your data is handed out within {} h, an erasure is final after {} days",
        windows.vote_hours,
        windows.emergency_minutes,
        windows.override_notice_minutes,
        windows.report_hours,
        windows.export_hours,
        windows.erase_days
    )
    .ok();
    text.push_str("\nWHAT FOLLOWS FROM A VIOLATION\n");
    for (name, penalty) in draft.penalties.named() {
        writeln!(text, "  {name}: {}", consequences(&penalty)).ok();
    }
    writeln!(
        text,
        "  Who reports one gets {} to {} x0.",
        bounty.least_x0, bounty.most_x0
    )
    .ok();
    text
}

fn consequences(penalty: &Penalty) -> String {
    let words = [
        penalty.removal.then(|| "removal for good".to_owned()),
        (penalty.ban_days > 0).then(|| format!("a ban of {} days", penalty.ban_days)),
        (penalty.fine_x0 > 0).then(|| format!("a fine of {} x0", penalty.fine_x0)),
        penalty
            .deletion
            .then(|| "deletion of what was taken".to_owned()),
        (penalty.probation_days > 0)
            .then(|| format!("probation of {} days", penalty.probation_days)),
        penalty
            .public_referral
            .then(|| "public referral".to_owned()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn or_none(words: &[String]) -> String {
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(", "),
    }
}

/// Writes changes for people, losses first.
pub(super) fn changes(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "Nothing changes.".to_owned();
    }
    let heads = [
        (Effect::Loss, "WHAT PEOPLE LOSE"),
        (Effect::Gain, "WHAT PEOPLE GAIN"),
        (Effect::Neutral, "WHAT ELSE CHANGES"),
    ];
    let mut text = String::new();
    for (effect, head) in heads {
        let mut of: Vec<_> = changes
            .iter()
            .filter(|change| change.effect == effect)
            .collect();
        if of.is_empty() {
            continue;
        }
        of.sort();
        writeln!(text, "{head}").ok();
        for change in of {
            writeln!(text, "  - {}", printable(&change.words)).ok();
        }
    }
    text
}
