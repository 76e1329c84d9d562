//! Charters and their changes in words.

use std::fmt::Write as _;

use x0_protocol::charter::{
    Charter, CharterDraft,
    diff::{Change, Effect},
};

use crate::{
    charter::{inspection::OwnAudit, wording},
    cli::output::{Table, printable},
    dashboard::text::{Language, Texts},
};

/// The command line speaks English; the dashboard says the same in the reader's language.
const ENGLISH: Texts = Texts(Language::English);

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
        table.row([
            format!("{}{}", metric.name, wording::labels(ENGLISH, metric)),
            metric.kind.name().to_owned(),
            wording::kept(ENGLISH, metric.retention_days),
            wording::consent(ENGLISH, metric.consent),
            wording::over(ENGLISH, metric.cohort_min),
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
        writeln!(text, "{}", wording::guard(ENGLISH, guard)).ok();
    }
    text
}

fn figures(draft: &CharterDraft) -> String {
    let mut text = format!(
        "\nWHO WATCHES\n  {}\n\nHOW LONG THINGS TAKE\n",
        wording::watchers(ENGLISH, &draft.committee)
    );
    for window in wording::windows(ENGLISH, &draft.windows) {
        writeln!(text, "  {window}").ok();
    }
    text.push_str("\nWHAT FOLLOWS FROM A VIOLATION\n");
    for (name, penalty) in draft.penalties.named() {
        let follows = wording::consequences(ENGLISH, &penalty);
        writeln!(text, "  {name}: {follows}").ok();
    }
    writeln!(text, "  {}", wording::bounty(ENGLISH, &draft.bounty)).ok();
    text
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
