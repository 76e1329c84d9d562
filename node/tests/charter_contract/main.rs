//! The charter contract on a real chain (anvil on the loopback), through the client and the commands that a community
//! uses. What the contract itself refuses is tried more closely in `node/contracts/test`, by another program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod commands;
mod conformance;
mod faults;

use alloy_primitives::{Address, B256, hex};
use x0_node::{
    chain::{
        account::{Account, Limits},
        act::{Act, Decision},
        charter::Charter,
        error::ChainError,
        image::{CharterImage, ListedMetric, NameVerdict},
        rpc::Rpc,
        violation::{Finding, Penalty, Violation},
    },
    ethereum_key::EthereumKey,
    web::Web,
};

use self::chain::{Anvil, CHAIN_ID, FAR, LIMITS, key, members, payer};

const CID: &str = "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const V2: &str = include_str!("../../contracts/test/CharterV2.json");

/// A charter contract of five members, three of whom decide.
struct Setting<'a> {
    rpc: &'a Rpc<'a>,
    payer: Account<'a>,
    members: Vec<EthereumKey>,
    charter: Charter<'a>,
}

impl<'a> Setting<'a> {
    async fn new(rpc: &'a Rpc<'a>, payer: &'a EthereumKey) -> Self {
        let payer = Account::new(rpc, payer, LIMITS);
        let members = members();
        let addresses: Vec<Address> = members.iter().map(EthereumKey::address).collect();
        let made = Charter::deploy(rpc, &payer, &addresses, 3).await.unwrap();
        let charter = Charter::open(rpc, made.charter).await.unwrap();
        Self {
            rpc,
            payer,
            members,
            charter,
        }
    }

    async fn act(&self, decision: Decision) -> Act {
        let nonce = self.charter.standing().await.unwrap().acts;
        Act::new(CHAIN_ID, self.charter.address(), nonce, FAR, decision).unwrap()
    }

    /// Lets some members sign, and hands it in.
    async fn decide(&self, signers: &[usize], decision: Decision) -> Result<(), ChainError> {
        let mut act = self.act(decision).await;
        for signer in signers {
            act.sign(&self.members[*signer]).unwrap();
        }
        self.charter.execute(&self.payer, &act).await.map(|_| ())
    }
}

fn image(number: u64, names: usize, blocked: &[&str]) -> CharterImage {
    let metric = |i: usize| ListedMetric {
        name: format!("metric_{i:04}"),
        retention_days: i as u32,
        consent: i.is_multiple_of(2),
        cohort_min: 5,
    };
    let image = CharterImage {
        number,
        cid: CID.to_owned(),
        metrics: (0..names).map(metric).collect(),
        blocked: blocked.iter().map(|text| (*text).to_owned()).collect(),
    };
    image.checked().unwrap()
}

/// Returns the contract's own name of a refusal.
fn refusal<T: std::fmt::Debug>(result: Result<T, ChainError>) -> String {
    let fault = result.unwrap_err();
    let ChainError::Reverted(refusal) = fault else {
        panic!("another fault: {fault}");
    };
    refusal.name
}

#[tokio::test]
async fn a_charter_of_a_thousand_names_comes_into_force_at_once_and_is_read_as_it_was_written() {
    let anvil = Anvil::start();
    let web = Web::new().unwrap();
    let (rpc, payer) = (anvil.rpc(&web), payer());
    let setting = Setting::new(&rpc, &payer).await;
    let charter = &setting.charter;
    let image = image(7, 1_000, &["metric_0999", "user_*", "user_location"]);
    assert_eq!(charter.image().await.unwrap(), None);
    let early = charter.load(&setting.payer, &image, |_, _| ()).await;
    assert!(early.unwrap_err().to_string().contains("not begun"));

    setting
        .decide(&[0, 2, 4], Decision::stage(&image))
        .await
        .unwrap();
    let activate = Decision::activate(&image);
    assert_eq!(
        refusal(setting.decide(&[0, 1, 2], activate.clone()).await),
        "BatchesMissing"
    );
    let mut changed = image.clone();
    changed.metrics[3].retention_days += 1;
    let other = charter.load(&setting.payer, &changed, |_, _| ()).await;
    assert!(other.unwrap_err().to_string().contains("another content"));
    let mut batches = Vec::new();
    charter
        .load(&setting.payer, &image, |done, all| {
            batches.push((done, all))
        })
        .await
        .unwrap();
    assert_eq!(batches, [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]);
    assert_eq!(
        charter.verdict("metric_0001").await.unwrap(),
        NameVerdict::NotListed
    );
    assert!(
        charter
            .standing()
            .await
            .unwrap()
            .loading
            .unwrap()
            .is_complete
    );
    setting.decide(&[1, 2, 3], activate).await.unwrap();

    assert_eq!(charter.image().await.unwrap().as_ref(), Some(&image));
    for (name, verdict) in [
        ("metric_0001", NameVerdict::Allowed),
        ("Metric_0001", NameVerdict::NotListed),
        ("metric_000", NameVerdict::NotListed),
        ("metric_0999", NameVerdict::Blocked),
        ("user_", NameVerdict::Blocked),
        ("user_anything", NameVerdict::Blocked),
        ("user", NameVerdict::NotListed),
        ("", NameVerdict::NotListed),
    ] {
        assert_eq!(charter.verdict(name).await.unwrap(), verdict, "{name}");
    }
    let rule = charter.rule("metric_0042").await.unwrap();
    assert_eq!(rule.as_ref(), image.metrics.get(42));
    let standing = charter.standing().await.unwrap();
    let head = standing.in_force.unwrap();
    assert_eq!((head.number, head.metrics, head.blocked), (7, 1_000, 3));
    assert_eq!(head.root, hex::encode_prefixed(image.root()));
    assert_eq!((standing.loading, standing.acts), (None, 2));
}

#[tokio::test]
async fn a_load_that_was_broken_off_goes_on_where_it_was() {
    let anvil = Anvil::start();
    let web = Web::new().unwrap();
    let (rpc, payer) = (anvil.rpc(&web), payer());
    let setting = Setting::new(&rpc, &payer).await;
    let image = image(1, 600, &[]);
    setting
        .decide(&[0, 1, 2], Decision::stage(&image))
        .await
        .unwrap();
    // Left as soon as the first batch is told: the next is only being estimated then.
    let first_is_there = tokio::sync::Notify::new();
    tokio::select! {
        biased;
        () = first_is_there.notified() => {}
        ended = setting.charter.load(&setting.payer, &image, |_, _| first_is_there.notify_one()) => {
            panic!("it was not broken off: {ended:?}")
        }
    }

    let mut batches = Vec::new();
    setting
        .charter
        .load(&setting.payer, &image, |done, all| {
            batches.push((done, all))
        })
        .await
        .unwrap();

    assert_eq!(batches, [(2, 3), (3, 3)]);
    setting
        .decide(&[0, 1, 2], Decision::activate(&image))
        .await
        .unwrap();
    assert_eq!(setting.charter.image().await.unwrap(), Some(image));
}

#[tokio::test]
async fn an_act_counts_once_for_one_contract_and_with_enough_members() {
    let anvil = Anvil::start();
    let web = Web::new().unwrap();
    let (rpc, payer) = (anvil.rpc(&web), payer());
    let setting = Setting::new(&rpc, &payer).await;
    let decision = Decision::stage(&image(1, 1, &[]));

    assert_eq!(
        refusal(setting.decide(&[0, 1], decision.clone()).await),
        "TooFewSignatures"
    );
    let mut strange = setting.act(decision.clone()).await;
    for signer in [&setting.members[0], &setting.members[1], &key(99)] {
        strange.sign(signer).unwrap();
    }
    assert_eq!(
        refusal(setting.charter.execute(&setting.payer, &strange).await),
        "NotAMember"
    );
    let address = setting.charter.address();
    let mut late = Act::new(CHAIN_ID, address, 0, 1, decision.clone()).unwrap();
    let mut act = setting.act(decision).await;
    // Each member signs a copy of their own.
    let copies: Vec<Act> = (0..3)
        .map(|i| {
            let mut copy = act.clone();
            copy.sign(&setting.members[i]).unwrap();
            late.sign(&setting.members[i]).unwrap();
            Act::from_json(copy.to_json().to_string().as_bytes()).unwrap()
        })
        .collect();
    assert_eq!(
        refusal(setting.charter.execute(&setting.payer, &late).await),
        "Expired"
    );
    for copy in copies {
        act.merge(copy).unwrap();
    }
    assert!(
        act.merge(late)
            .unwrap_err()
            .to_string()
            .contains("not the same act")
    );
    let elsewhere = Setting::new(&rpc, &payer).await;
    assert_eq!(
        refusal(elsewhere.charter.execute(&setting.payer, &act).await),
        "WrongContract"
    );

    setting.charter.execute(&setting.payer, &act).await.unwrap();

    assert_eq!(
        refusal(setting.charter.execute(&setting.payer, &act).await),
        "StaleNonce"
    );
}

#[tokio::test]
async fn a_wallet_signs_from_the_typed_data_what_the_contract_counts() {
    let anvil = Anvil::start();
    let web = Web::new().unwrap();
    let (rpc, key) = (anvil.rpc(&web), payer());
    let account = Account::new(&rpc, &key, LIMITS);
    // The chain's own first account, whose key anvil holds.
    let member = key.address();
    let made = Charter::deploy(&rpc, &account, &[member], 1).await.unwrap();
    let charter = Charter::open(&rpc, made.charter).await.unwrap();
    let decision = Decision::Committee {
        members: vec![member, members()[0].address()],
        threshold: 2,
    };
    let mut act = Act::new(CHAIN_ID, made.charter, 0, FAR, decision).unwrap();

    let signature = anvil
        .ask(
            "eth_signTypedData_v4",
            serde_json::json!([member.to_checksum(None), act.typed_data()]),
        )
        .await;
    act.add(signature.as_str().unwrap()).unwrap();

    assert_eq!(act.signers(), [member]);
    charter.execute(&account, &act).await.unwrap();
    assert_eq!(charter.standing().await.unwrap().threshold, 2);
}

#[tokio::test]
async fn the_committee_passes_on_judges_and_replaces_the_code() {
    let anvil = Anvil::start();
    let web = Web::new().unwrap();
    let (rpc, payer) = (anvil.rpc(&web), payer());
    let setting = Setting::new(&rpc, &payer).await;
    let charter = &setting.charter;
    let image = image(1, 3, &["user_*"]);
    setting
        .decide(&[0, 1, 2], Decision::stage(&image))
        .await
        .unwrap();
    charter
        .load(&setting.payer, &image, |_, _| ())
        .await
        .unwrap();
    setting
        .decide(&[0, 1, 2], Decision::activate(&image))
        .await
        .unwrap();

    let mut violation = violation();
    let record = Decision::Violation(Box::new(violation.clone()));
    setting.decide(&[0, 1, 2], record.clone()).await.unwrap();
    assert_eq!(
        refusal(setting.decide(&[0, 1, 2], record).await),
        "ViolationKnown"
    );
    let revise = Decision::Revise {
        id: violation.id.clone(),
        evidence: CID.to_owned(),
        finding: Finding::Overturned,
        penalty: Penalty::default(),
    };
    setting.decide(&[2, 3, 4], revise).await.unwrap();
    let found = charter.violations().await.unwrap().remove(0);
    violation.finding = Finding::Overturned;
    violation.penalty = Penalty::default();
    violation.recorded_at = found.recorded_at;
    violation.revised_at = found.revised_at;
    assert_eq!(found, violation);
    assert!(found.recorded_at > 0 && found.revised_at >= found.recorded_at);

    let heirs: Vec<Address> = setting.members[3..]
        .iter()
        .map(EthereumKey::address)
        .collect();
    let committee = |threshold| Decision::Committee {
        members: heirs.clone(),
        threshold,
    };
    assert_eq!(
        refusal(setting.decide(&[0, 1, 2], committee(1)).await),
        "BadThreshold"
    );
    setting.decide(&[0, 1, 2], committee(2)).await.unwrap();

    let artifact: serde_json::Value = serde_json::from_str(V2).unwrap();
    let code = hex::decode(artifact["bytecode"].as_str().unwrap()).unwrap();
    let newer = setting
        .payer
        .send(None, code)
        .await
        .unwrap()
        .receipt
        .contract
        .unwrap();
    let upgrade = Decision::Upgrade {
        implementation: newer,
        data: Vec::new().into(),
    };
    assert_eq!(
        refusal(setting.decide(&[0, 1, 2], upgrade.clone()).await),
        "NotAMember"
    );
    assert_eq!(
        refusal(setting.decide(&[4], upgrade.clone()).await),
        "TooFewSignatures"
    );
    setting.decide(&[3, 4], upgrade).await.unwrap();
    assert_eq!(charter.standing().await.unwrap().code_version, 2);
    assert_eq!(charter.image().await.unwrap(), Some(image));

    // And back to the code of this version, as an upgrade of the real thing goes.
    let code = Charter::deploy_code(setting.rpc, &setting.payer)
        .await
        .unwrap();
    let upgrade = Decision::Upgrade {
        implementation: code.receipt.contract.unwrap(),
        data: Vec::new().into(),
    };
    setting.decide(&[3, 4], upgrade).await.unwrap();
    assert_eq!(charter.standing().await.unwrap().code_version, 1);
}

#[test]
fn a_file_that_says_something_else_than_it_does_is_not_read() {
    let act = Act::new(
        CHAIN_ID,
        Address::repeat_byte(1),
        0,
        FAR,
        Decision::stage(&image(1, 1, &[])),
    );
    let good = act.unwrap().to_json();
    let other = Decision::Upgrade {
        implementation: Address::repeat_byte(2),
        data: Vec::new().into(),
    };
    let other = Act::new(CHAIN_ID, Address::repeat_byte(1), 0, FAR, other)
        .unwrap()
        .to_json();
    assert!(Act::from_json(good.to_string().as_bytes()).is_ok());
    for field in ["says", "call", "typed_data"] {
        let mut forged = good.clone();
        forged[field] = other[field].clone();
        let fault = Act::from_json(forged.to_string().as_bytes())
            .unwrap_err()
            .to_string();
        assert!(fault.contains("do not sign it"), "{field}: {fault}");
    }
    let mut unknown = good.clone();
    unknown["call"] = serde_json::json!("0xdeadbeef");
    let fault = Act::from_json(unknown.to_string().as_bytes())
        .unwrap_err()
        .to_string();
    assert!(fault.contains("in words"), "{fault}");
}

fn violation() -> Violation {
    Violation {
        id: hex::encode_prefixed(B256::repeat_byte(7)),
        evidence: CID.to_owned(),
        kind: "silent-collection".to_owned(),
        subject: hex::encode_prefixed(B256::repeat_byte(8)),
        finding: Finding::Founded,
        penalty: Penalty {
            ban_days: 365,
            fine: 100_000,
            ..Penalty::default()
        },
        recorded_at: 0,
        revised_at: 0,
    }
}

/// Limits that a test sets.
const fn limits(gas: Option<u64>, fee_gwei_max: u64) -> Limits {
    Limits { gas, fee_gwei_max }
}
