//! The JSON Schema of charters, made of the same bounds that the check uses.
//!
//! It says what an editor can check. What two values must be together is for `x0 charter check`.

use serde_json::{Value, json};
use x0_protocol::charter::{
    MetricKind, Parser, Principle, Protocol,
    bounds::{
        self, BLOCKED_NAMES_MAX, BLOCKED_PREFIXES_MAX, DECLARED_BYTES_MAX, LABEL_BYTES_MAX,
        LABELS_MAX, METRICS_MAX, NAME_BYTES_MAX, PORT_RANGES_MAX, RULES_MAX, Range,
        SERVICE_BYTES_MAX, SERVICES_MAX, TELEMETRY_MAX,
    },
};

/// Writes the schema.
pub(super) fn text() -> String {
    let mut schema = schema();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("x0 charter");
    format!("{schema:#}\n")
}

fn schema() -> Value {
    object(
        "A charter of an x0 mesh: see docs/charter.md.",
        &[
            (
                "version",
                json!({ "const": bounds::FORMAT, "description": "The form of the file." }),
            ),
            ("name", line(bounds::TITLE, "What it is called.")),
            (
                "number",
                number(bounds::NUMBER, "Rises by one with every amendment."),
            ),
            ("principles", principles()),
            (
                "metrics",
                list(
                    metric(),
                    1,
                    METRICS_MAX,
                    "What may be collected; everything else may not.",
                ),
            ),
            ("blocked", blocked()),
            (
                "services",
                list(
                    service(),
                    0,
                    SERVICES_MAX,
                    "To whom each service may speak; to nobody else.",
                ),
            ),
            (
                "telemetry",
                list(
                    telemetry(),
                    0,
                    TELEMETRY_MAX,
                    "Ports that telemetry goes to, and what reads it there.",
                ),
            ),
            ("gateway", gateway()),
            ("committee", committee()),
            ("windows", windows()),
            ("penalties", penalties()),
            ("bounty", bounty()),
        ],
        &[],
    )
}

fn principles() -> Value {
    let each = Principle::ALL.map(|principle| {
        (
            principle.name(),
            line(
                bounds::PRINCIPLE,
                "The principle, in the community's words.",
            ),
        )
    });
    object("The eight principles; none may be missing.", &each, &[])
}

fn metric() -> Value {
    let label = json!({ "type": "string", "pattern": format!("^[a-z][a-z0-9_]{{0,{}}}$", LABEL_BYTES_MAX - 1) });
    object(
        "Something that may be collected.",
        &[
            (
                "name",
                name(
                    DECLARED_BYTES_MAX,
                    "Its name; suffixes such as _total come by its kind.",
                ),
            ),
            (
                "kind",
                words(&MetricKind::NAMED.map(|(_, name)| name), "How it behaves."),
            ),
            ("purpose", line(bounds::PURPOSE, "What it is for.")),
            (
                "retention_days",
                number(bounds::RETENTION, "How long it may be kept."),
            ),
            (
                "consent",
                json!({ "type": "boolean", "description": "Whether each person must have said yes before." }),
            ),
            (
                "cohort_min",
                number(
                    bounds::COHORT,
                    "Over how many nodes it is combined before anybody but the operator sees it.",
                ),
            ),
        ],
        &[(
            "labels",
            list(
                label,
                0,
                LABELS_MAX,
                "Labels it may carry beside the one of its kind.",
            ),
        )],
    )
}

fn blocked() -> Value {
    let names = list(
        name(NAME_BYTES_MAX, ""),
        0,
        BLOCKED_NAMES_MAX,
        "Whole names.",
    );
    let prefixes = list(
        name(NAME_BYTES_MAX, ""),
        0,
        BLOCKED_PREFIXES_MAX,
        "Beginnings of names.",
    );
    object(
        "What may never be collected.",
        &[("names", names), ("prefixes", prefixes)],
        &[],
    )
}

fn service() -> Value {
    let pattern = format!("^[a-z][a-z0-9-]{{0,{}}}$", SERVICE_BYTES_MAX - 1);
    let hosts = json!({ "type": "string", "description": "An address with a slash and how many bits count.", "examples": ["10.0.0.0/8", "fd00::/8"] });
    let ports = json!({ "type": ["integer", "string"], "minimum": 1, "maximum": 65_535, "pattern": "^[0-9]+(-[0-9]+)?$" });
    let rule = object(
        "Hosts and ports.",
        &[
            ("to", hosts),
            ("protocol", protocol()),
            (
                "ports",
                list(
                    ports,
                    1,
                    PORT_RANGES_MAX,
                    "Ports, or ranges such as 4001-4010.",
                ),
            ),
        ],
        &[],
    );
    object(
        "A program that runs beside or as the node.",
        &[
            (
                "name",
                json!({ "type": "string", "pattern": pattern, "description": "Its name." }),
            ),
            (
                "egress",
                list(
                    rule,
                    0,
                    RULES_MAX,
                    "To whom it may speak, beside the gateway.",
                ),
            ),
        ],
        &[],
    )
}

fn telemetry() -> Value {
    object(
        "A port that telemetry goes to.",
        &[
            ("port", number(bounds::PORT, "The port.")),
            ("protocol", protocol()),
            (
                "parser",
                words(
                    &Parser::NAMED.map(|(_, name)| name),
                    "What reads it, name by name.",
                ),
            ),
        ],
        &[],
    )
}

fn gateway() -> Value {
    object(
        "Where telemetry is handed in on the own machine.",
        &[
            (
                "address",
                json!({ "type": "string", "description": "127.0.0.1, or another address of the loopback." }),
            ),
            ("port", number(bounds::PORT, "The port.")),
            ("protocol", protocol()),
        ],
        &[],
    )
}

fn committee() -> Value {
    object(
        "Who watches over the charter.",
        &[
            ("members", number(bounds::MEMBERS, "Members of the mesh.")),
            (
                "researchers",
                number(bounds::RESEARCHERS, "Researchers from outside."),
            ),
            (
                "approvals",
                number(
                    bounds::APPROVALS,
                    "How many of all decide: a third at least.",
                ),
            ),
            (
                "audit_days",
                number(bounds::AUDIT, "Time between two audits."),
            ),
        ],
        &[],
    )
}

fn windows() -> Value {
    object(
        "How long things take.",
        &[
            ("vote_hours", number(bounds::VOTE, "An ordinary vote.")),
            (
                "emergency_minutes",
                number(bounds::EMERGENCY, "An emergency vote."),
            ),
            (
                "override_notice_minutes",
                number(bounds::NOTICE, "Until an override is told to all."),
            ),
            (
                "report_hours",
                number(bounds::REPORT, "Until a report is processed."),
            ),
            (
                "export_hours",
                number(bounds::EXPORT, "Until somebody's data is handed out."),
            ),
            (
                "erase_days",
                number(bounds::ERASE, "Until an erasure is irrevocable."),
            ),
        ],
        &[],
    )
}

fn penalties() -> Value {
    let flag = |what: &str| json!({ "type": "boolean", "description": what });
    let penalty = object(
        "What follows; what is left away does not.",
        &[],
        &[
            (
                "ban_days",
                number(bounds::BAN, "For how long they are banned."),
            ),
            ("removal", flag("Whether they are removed for good.")),
            ("fine_x0", number(bounds::FINE, "A fine.")),
            ("deletion", flag("Whether what was taken is deleted.")),
            (
                "probation_days",
                number(bounds::PROBATION, "For how long they are on probation."),
            ),
            (
                "public_referral",
                flag("Whether the case is made public and referred."),
            ),
        ],
    );
    let violations = [
        "silent_collection",
        "behavioural_prediction",
        "data_extraction",
        "unauthorized_override",
    ];
    let each = violations.map(|violation| (violation, penalty.clone()));
    object("What follows from each violation.", &each, &[])
}

fn bounty() -> Value {
    object(
        "What somebody gets who reports a violation.",
        &[
            ("least_x0", number(bounds::BOUNTY, "The least.")),
            ("most_x0", number(bounds::BOUNTY, "The most.")),
        ],
        &[],
    )
}

fn object(what: &str, wanted: &[(&str, Value)], others: &[(&str, Value)]) -> Value {
    let required: Vec<_> = wanted.iter().map(|(key, _)| *key).collect();
    let all = wanted.iter().chain(others);
    let properties: serde_json::Map<_, _> = all
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    json!({
        "type": "object",
        "description": what,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn list(item: Value, least: usize, most: usize, what: &str) -> Value {
    json!({ "type": "array", "items": item, "minItems": least, "maxItems": most, "description": what })
}

fn number(range: Range, what: &str) -> Value {
    let what = match range.unit {
        "" => what.to_owned(),
        unit => format!("{what} Unit: {unit}."),
    };
    json!({ "type": "integer", "minimum": range.least, "maximum": range.most, "description": what })
}

/// Lengths are bytes for the check and characters for an editor: only the most can be told.
fn line(length: Range, what: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": length.most, "description": what })
}

fn name(bytes_max: usize, what: &str) -> Value {
    let pattern = format!("^[a-z][a-z0-9_.-]{{0,{}}}$", bytes_max - 1);
    json!({ "type": "string", "pattern": pattern, "description": what })
}

fn protocol() -> Value {
    words(&Protocol::NAMED.map(|(_, name)| name), "The transport.")
}

fn words(words: &[&str], what: &str) -> Value {
    json!({ "enum": words, "description": what })
}
