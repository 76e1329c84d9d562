//! The whole way by the program `x0`, as a community goes it.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use super::{
    CID,
    chain::{Anvil, RICH, digits, key, write_key},
};

struct Person<'a> {
    home: &'a Path,
    rpc: &'a str,
}

impl Person<'_> {
    fn try_x0(&self, words: &str) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_x0"))
            .current_dir(self.home)
            .env("X0_CHAIN_RPC", self.rpc)
            .args(["--json", "--data-dir", "data", "chain"])
            .args(words.split_whitespace())
            .output()
            .unwrap();
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(
            !said.contains(RICH) && !said.contains(&digits(1)),
            "a key was shown: {said}"
        );
        output
    }

    fn x0(&self, words: &str) -> Value {
        let output = self.try_x0(words);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{words}: {said}");
        serde_json::from_str(&said).unwrap()
    }

    fn fault(&self, words: &str) -> (Option<i32>, String, String) {
        let output = self.try_x0(words);
        let view: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |field: &str| view["error"][field].as_str().unwrap().to_owned();
        (output.status.code(), text("code"), text("message"))
    }
}

#[test]
fn a_community_puts_its_charter_on_a_chain_by_commands_alone() {
    let anvil = Anvil::start();
    let home = tempfile::tempdir().unwrap();
    let person = Person {
        home: home.path(),
        rpc: &anvil.url,
    };
    write_key(home.path(), "rich", RICH);
    write_key(home.path(), "ada", &digits(1));
    write_key(home.path(), "bo", &digits(2));
    let made = person.x0("new-key")["address"].as_str().unwrap().to_owned();
    assert_eq!(person.x0("address")["address"], made.as_str());
    let (ada, bo) = (key(1).address(), key(2).address());
    let image = serde_json::json!({
        "number": 1, "cid": CID, "blocked": ["user_*"],
        "metrics": [{ "name": "latency_p99", "retention_days": 30, "consent": false, "cohort_min": 5 }],
    });
    std::fs::write(home.path().join("charter.json"), image.to_string()).unwrap();

    let deployed = person.x0(&format!(
        "charter deploy --members {ada},{bo},{made} --threshold 2 --key rich --chain-id 31337"
    ));
    let contract = deployed["contract"].as_str().unwrap();
    let at = format!("--contract {contract}");
    person.x0(&format!(
        "charter prepare {at} --out stage.json stage charter.json"
    ));
    person.x0(&format!(
        "charter prepare {at} --out activate.json --nonce 1 activate charter.json"
    ));
    std::fs::copy(
        home.path().join("stage.json"),
        home.path().join("stage-bo.json"),
    )
    .unwrap();
    person.x0("charter sign stage.json --key ada --image charter.json");
    let (code, kind, words) = person.fault("charter submit stage.json --key rich");
    assert_eq!((code, kind.as_str()), (Some(1), "reverted"));
    assert!(
        words.contains("it needs 2: let more members sign it"),
        "{words}"
    );
    person.x0("charter sign stage-bo.json --key bo --image charter.json");
    for member in ["ada", "bo"] {
        person.x0(&format!("charter sign activate.json --key {member}"));
    }
    let shown = person.x0("charter sign activate.json --show");
    assert_eq!(
        shown["signers"],
        serde_json::json!([ada.to_checksum(None), bo.to_checksum(None)])
    );
    person.x0("charter submit stage.json stage-bo.json --key rich");
    person.x0(&format!("charter load charter.json {at} --key rich"));
    person.x0("charter submit activate.json --key rich");

    let verdict = person.x0(&format!("charter verdict latency_p99 {at}"));
    assert_eq!(
        (&verdict["verdict"], &verdict["rule"]["retention_days"]),
        (&"allowed".into(), &30.into())
    );
    assert_eq!(
        person.x0(&format!("charter verdict user_age {at}"))["verdict"],
        "blocked"
    );
    assert_eq!(person.x0(&format!("charter read {at}")), image);
    let hash = |byte: &str| format!("0x{}", byte.repeat(32));
    person.x0(&format!(
        "charter prepare {at} --out entry.json violation --id {} --subject {} --kind data-extraction --evidence {CID} \
         --finding founded --fine 50000 --deletion --probation-days 90",
        hash("0a"),
        hash("0b")
    ));
    person.x0("charter sign entry.json --key ada");
    person.x0("charter sign entry.json --key data/chain.key");
    person.x0("charter submit entry.json --key rich");
    let status = person.x0(&format!("charter status {at} --violations"));
    assert_eq!(
        (&status["in_force"]["number"], &status["acts"]),
        (&1.into(), &3.into())
    );
    assert_eq!(status["register"][0]["penalty"]["fine"], 50_000);

    let (code, kind, words) = person.fault("charter submit entry.json --key rich");
    assert_eq!((code, kind.as_str()), (Some(1), "reverted"));
    assert!(words.contains("Prepare and sign it anew"), "{words}");
    let (code, kind, _) = person.fault(&format!("charter status {at} --rpc http://127.0.0.1:1"));
    assert_eq!((code, kind.as_str()), (Some(2), "nobody_answered"));
    let (code, kind, _) = person.fault(&format!("charter status {at} --chain-id 1"));
    assert_eq!((code, kind.as_str()), (Some(1), "wrong_chain"));
    let (code, _, words) = person.fault("charter submit entry.json --key charter.json");
    assert_eq!(code, Some(1));
    assert!(words.contains("chmod 600"), "{words}");
}
