//! From a charter to a file that reads back as the same charter.

use core::fmt::Write as _;

use super::{
    Charter,
    draft::{Metric, Penalty, Service},
};

/// Where an editor finds what may stand in the file.
const SCHEMA: &str = "# yaml-language-server: $schema=./charter.schema.json\n";

/// Writes a charter as YAML, in order and without comments.
pub fn write(charter: &Charter) -> String {
    let draft = charter.text();
    let mut out = String::from(SCHEMA);
    line(&mut out, 0, "version", draft.version);
    line(&mut out, 0, "name", quoted(&draft.name));
    line(&mut out, 0, "number", draft.number);
    out.push_str("principles:\n");
    for (name, text) in &draft.principles {
        line(&mut out, 1, name, quoted(text));
    }
    out.push_str("metrics:\n");
    for metric in &draft.metrics {
        write_metric(&mut out, metric);
    }
    out.push_str("blocked:\n");
    words(&mut out, 1, "names", &draft.blocked.names);
    words(&mut out, 1, "prefixes", &draft.blocked.prefixes);
    list(&mut out, "services", draft.services.is_empty());
    for service in &draft.services {
        write_service(&mut out, service);
    }
    list(&mut out, "telemetry", draft.telemetry.is_empty());
    for telemetry in &draft.telemetry {
        line(&mut out, 1, "- port", telemetry.port);
        line(&mut out, 2, "protocol", telemetry.protocol.name());
        line(&mut out, 2, "parser", telemetry.parser.name());
    }
    out.push_str("gateway:\n");
    line(
        &mut out,
        1,
        "address",
        quoted(&draft.gateway.address.to_string()),
    );
    line(&mut out, 1, "port", draft.gateway.port);
    line(&mut out, 1, "protocol", draft.gateway.protocol.name());
    out.push_str("committee:\n");
    line(&mut out, 1, "members", draft.committee.members);
    line(&mut out, 1, "researchers", draft.committee.researchers);
    line(&mut out, 1, "approvals", draft.committee.approvals);
    line(&mut out, 1, "audit_days", draft.committee.audit_days);
    out.push_str("windows:\n");
    line(&mut out, 1, "vote_hours", draft.windows.vote_hours);
    line(
        &mut out,
        1,
        "emergency_minutes",
        draft.windows.emergency_minutes,
    );
    line(
        &mut out,
        1,
        "override_notice_minutes",
        draft.windows.override_notice_minutes,
    );
    line(&mut out, 1, "report_hours", draft.windows.report_hours);
    line(&mut out, 1, "export_hours", draft.windows.export_hours);
    line(&mut out, 1, "erase_days", draft.windows.erase_days);
    out.push_str("penalties:\n");
    for (name, penalty) in draft.penalties.named() {
        let _ = writeln!(out, "  {name}:");
        write_penalty(&mut out, &penalty);
    }
    out.push_str("bounty:\n");
    line(&mut out, 1, "least_x0", draft.bounty.least_x0);
    line(&mut out, 1, "most_x0", draft.bounty.most_x0);
    out
}

fn write_metric(out: &mut String, metric: &Metric) {
    line(out, 1, "- name", quoted(&metric.name));
    line(out, 2, "kind", metric.kind.name());
    line(out, 2, "purpose", quoted(&metric.purpose));
    line(out, 2, "retention_days", metric.retention_days);
    line(out, 2, "consent", metric.consent);
    line(out, 2, "cohort_min", metric.cohort_min);
    if !metric.labels.is_empty() {
        words(out, 2, "labels", &metric.labels);
    }
}

fn write_service(out: &mut String, service: &Service) {
    line(out, 1, "- name", quoted(&service.name));
    if service.egress.is_empty() {
        line(out, 2, "egress", "[]");
        return;
    }
    out.push_str("    egress:\n");
    for rule in &service.egress {
        let ports: Vec<String> = rule.ports.iter().map(ToString::to_string).collect();
        line(out, 3, "- to", quoted(&rule.to.to_string()));
        line(out, 4, "protocol", rule.protocol.name());
        words(out, 4, "ports", &ports);
    }
}

fn write_penalty(out: &mut String, penalty: &Penalty) {
    line(out, 2, "ban_days", penalty.ban_days);
    line(out, 2, "removal", penalty.removal);
    line(out, 2, "fine_x0", penalty.fine_x0);
    line(out, 2, "deletion", penalty.deletion);
    line(out, 2, "probation_days", penalty.probation_days);
    line(out, 2, "public_referral", penalty.public_referral);
}

fn list(out: &mut String, key: &str, is_empty: bool) {
    let _ = writeln!(out, "{key}:{}", if is_empty { " []" } else { "" });
}

fn line(out: &mut String, depth: usize, key: &str, value: impl core::fmt::Display) {
    let _ = writeln!(out, "{:indent$}{key}: {value}", "", indent = depth * 2);
}

fn words(out: &mut String, depth: usize, key: &str, words: &[String]) {
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    line(out, depth, key, format_args!("[{}]", quoted.join(", ")));
}

/// Puts a text in quotes; a charter's texts hold no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
