#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, process::ExitCode};

use x0_protocol::charter::{Charter, SHIPPED as SHIPPED_FILE, read};

use super::*;
use crate::{
    charter::{contract, kernel},
    cli::output::Output,
};

/// The published schema, as it stands in the repository.
const PUBLISHED: &str = include_str!("../../../../docs/charter.schema.json");

fn context(json: bool) -> Context {
    Context {
        data_dir: PathBuf::from("."),
        output: Output::new(json),
    }
}

fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_published_schema_is_what_the_program_prints() {
    assert_eq!(
        PUBLISHED,
        schema::text(),
        "write it anew: x0 charter schema > docs/charter.schema.json"
    );
}

#[test]
fn the_schema_knows_every_key_of_the_shipped_charter_and_no_other() {
    let schema: serde_json::Value = serde_json::from_str(PUBLISHED).unwrap();
    let shipped = serde_json::to_value(SHIPPED.text()).unwrap();
    covers(&schema, &shipped, "");

    let keys = |value: &serde_json::Value| {
        let keys = value.as_object().unwrap().keys().cloned();
        keys.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(keys(&schema["properties"]), keys(&shipped));
    let metric = &shipped["metrics"][0];
    assert_eq!(
        keys(&schema["properties"]["metrics"]["items"]["properties"]),
        keys(metric)
    );
}

/// Checks that a value fits a schema, as far as types, keys and ranges go.
fn covers(schema: &serde_json::Value, value: &serde_json::Value, path: &str) {
    if let Some(words) = schema["enum"].as_array() {
        return assert!(words.contains(value), "{path}");
    }
    match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                let inner = &schema["properties"][key];
                assert!(!inner.is_null(), "{path}.{key} is not in the schema");
                covers(inner, value, &format!("{path}.{key}"));
            }
            for key in schema["required"].as_array().unwrap() {
                assert!(entries.contains_key(key.as_str().unwrap()), "{path}.{key}");
            }
        }
        serde_json::Value::Array(items) => {
            items
                .iter()
                .for_each(|item| covers(&schema["items"], item, path));
        }
        serde_json::Value::Number(number) => {
            let number = number.as_u64().unwrap();
            let is_const = schema["const"].as_u64() == Some(number);
            let (least, most) = (schema["minimum"].as_u64(), schema["maximum"].as_u64());
            assert!(
                is_const || (least <= Some(number) && Some(number) <= most),
                "{path}"
            );
        }
        serde_json::Value::Bool(_) => assert_eq!(schema["type"], "boolean", "{path}"),
        serde_json::Value::String(_) => {
            assert!(schema["type"].to_string().contains("string"), "{path}")
        }
        serde_json::Value::Null => panic!("{path} is null"),
    }
}

#[test]
fn a_file_with_faults_tells_each_with_file_line_and_column_to_people_and_programs() {
    let dir = tempfile::tempdir().unwrap();
    let text = SHIPPED_FILE
        .replacen("audit_days: 90", "audit_days: 900", 1)
        .replacen("members: 10", "member: 10", 1);
    let path = file(dir.path(), "charter.yaml", &text);

    let error = check(&context(false), &path).unwrap_err();

    let words = error.to_string();
    let line = text
        .lines()
        .position(|line| line.contains("audit_days"))
        .unwrap()
        + 1;
    assert!(words.starts_with("the charter has 3 faults:"), "{words}");
    assert!(
        words.contains(&format!(
            "charter.yaml:{line}:3: committee.audit_days = 900"
        )),
        "{words}"
    );
    assert!(words.contains("did you mean members?"), "{words}");
    assert_eq!(error.exit_code(), ExitCode::from(1));
    let json = error.json().unwrap();
    assert_eq!(json["error"]["code"], "bad_charter");
    let faults = json["error"]["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 3);
    for key in [
        "file", "line", "column", "key", "value", "what", "allowed", "mend",
    ] {
        assert!(faults.iter().all(|fault| !fault[key].is_null()), "{key}");
    }
}

#[test]
fn a_file_that_is_not_there_is_a_mistake_of_the_command_line() {
    let error = check(&context(false), Path::new("/nowhere/charter.yaml")).unwrap_err();

    assert!(
        error.to_string().contains("/nowhere/charter.yaml"),
        "{error}"
    );
    assert_eq!(error.exit_code(), ExitCode::from(2));
}

#[test]
fn a_charter_in_order_is_checked_compared_and_compiled_without_a_node() {
    let dir = tempfile::tempdir().unwrap();
    let old = file(dir.path(), "old.yaml", SHIPPED_FILE);
    let text =
        SHIPPED_FILE
            .replacen("number: 1", "number: 2", 1)
            .replacen("    - user_location\n", "", 1);
    let new = file(dir.path(), "new.yaml", &text);
    let out = dir.path().join("out.json");

    check(&context(true), &old).unwrap();
    diff(&context(true), &old, &new).unwrap();
    for to in Target::value_variants() {
        compile(&context(false), &old, *to, Some(out.clone())).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
        assert!(written.is_object(), "{to:?}");
    }
}

#[test]
fn every_form_lists_the_same_names_and_ways() {
    let compiled = SHIPPED.compiled();
    let policy = kernel::policy(compiled).unwrap();
    let image = contract::image(compiled).unwrap();
    let names: Vec<_> = compiled.names.iter().map(|one| one.name.as_str()).collect();
    let listed: Vec<_> = image.metrics.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(policy.metrics, names);
    assert_eq!(listed, names);
    assert_eq!(image.cid, SHIPPED.id().to_string());
    assert!(image.blocked.contains(&"user_location".to_owned()));
    assert!(image.blocked.contains(&"biometric_*".to_owned()));

    assert!(policy.services["node"].node);
    let app = &policy.services["app"].egress;
    assert_eq!(
        (app[0].to.to_string(), &app[0].ports[..]),
        ("127.0.0.1/32".to_owned(), &[4780][..])
    );
    assert_eq!(policy.statsd_ports, [8125]);
    assert_eq!(
        policy.telemetry_ports,
        x0_ebpf_loader::policy::TELEMETRY_PORTS,
        "the same ports count as telemetry"
    );
    let printed = serde_json::to_vec(&compile::ebpf(&SHIPPED).unwrap()).unwrap();
    assert!(
        x0_ebpf_loader::Policy::from_json(&printed).is_ok(),
        "what is written can be loaded"
    );
}

#[test]
fn rules_never_open_a_port_of_telemetry_in_the_kernel() {
    let wide = SHIPPED_FILE.replacen("ports: [4780]", "ports: [9085-9110, 8120-8130]", 1);
    let policy = kernel::policy(read(wide.as_bytes()).unwrap().compiled()).unwrap();

    let ports: Vec<_> = policy.services["app"]
        .egress
        .iter()
        .flat_map(|rule| &rule.ports)
        .collect();
    assert!(ports.contains(&&9085) && ports.contains(&&8126));
    for telemetry in [8125, 9090, 9091, 9100, 9102] {
        assert!(!ports.contains(&&telemetry), "{telemetry}");
    }
    let vast = SHIPPED_FILE.replacen("ports: [4780]", "ports: [1-65535]", 1);
    let why = kernel::policy(read(vast.as_bytes()).unwrap().compiled()).unwrap_err();
    assert!(why.contains("services"), "{why}");
}

#[test]
fn words_tell_all_of_a_charter_and_losses_first() {
    let text = words::text(&SHIPPED);
    for part in [
        "no_hidden_collection",
        "latency_p99",
        "user_location",
        "user_*",
        "8125/udp",
        "a ban of 365 days",
        "100 to 1000 x0",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let new = SHIPPED_FILE
        .replacen("number: 1", "number: 2", 1)
        .replacen("    - ip_address\n", "", 1)
        .replacen("export_hours: 24", "export_hours: 12", 1);
    let told = words::changes(&changes(&SHIPPED, &read(new.as_bytes()).unwrap()));

    let (losses, gains) = told.split_once("WHAT PEOPLE GAIN").unwrap();
    assert!(losses.contains("ip_address is no longer blocked"), "{told}");
    assert!(gains.contains("falls from 24 to 12 hours"), "{told}");
}

#[test]
fn what_is_shown_as_a_file_reads_back() {
    let view = CharterView::new(&SHIPPED);
    let json = serde_json::to_string(&view).unwrap();
    let back: CharterView = serde_json::from_str(&json).unwrap();

    assert_eq!(of_view(&back).unwrap(), *SHIPPED);
    assert_eq!(
        read(write(&of_view(&back).unwrap()).as_bytes()).unwrap(),
        Charter::shipped()
    );
}
