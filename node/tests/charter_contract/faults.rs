//! What a real node of a chain refuses, and what a person reads then.

use std::time::Duration;

use alloy_primitives::Address;
use serde_json::json;
use x0_node::{
    chain::{
        account::Account, act::Decision, charter::Charter, error::ChainError, rpc::Rpc,
        transaction::Transaction,
    },
    web::{Web, WebError},
};

use super::{
    Setting,
    chain::{Anvil, CHAIN_ID, RICH_TOO, key, members, open, payer},
    image, limits, refusal,
};

#[tokio::test]
async fn a_chain_that_is_not_there_or_another_is_told() {
    let web = Web::new().unwrap();
    let nobody = Rpc::new(&web, "http://127.0.0.1:1")
        .unwrap()
        .chain_id()
        .await;
    assert!(matches!(
        nobody,
        Err(ChainError::Web(WebError::Unreachable { .. }))
    ));
    let unsafe_way = Rpc::new(&web, "http://chain.example.org");
    assert!(matches!(
        unsafe_way,
        Err(ChainError::Web(WebError::BadAddress { .. }))
    ));

    let anvil = Anvil::start();
    let rpc = anvil.rpc(&web);
    let other = rpc.require_chain(1).await.unwrap_err().to_string();
    assert!(
        other.contains("this is chain 31337, and chain 1 is meant"),
        "{other}"
    );
    let nothing = Charter::open(&rpc, Address::repeat_byte(9))
        .await
        .unwrap_err();
    assert!(matches!(nothing, ChainError::NoContract(_)));
    let key = payer();
    let code = Charter::deploy_code(&rpc, &Account::new(&rpc, &key, limits(None, 100))).await;
    let code = code.unwrap().receipt.contract.unwrap();
    // The code behind a charter answers, and is nobody's charter.
    let standing = Charter::open(&rpc, code)
        .await
        .unwrap()
        .standing()
        .await
        .unwrap();
    assert_eq!((standing.members.len(), standing.in_force), (0, None));
}

#[tokio::test]
async fn an_account_that_cannot_pay_or_may_not_is_told_before_anything_is_sent() {
    let anvil = Anvil::start();
    let web = Web::new().unwrap();
    let rpc = anvil.rpc(&web);
    let committee: Vec<Address> = members().iter().map(|member| member.address()).collect();
    let (poor, rich) = (key(77), payer());
    let deploy = async |key, limits| {
        Charter::deploy(&rpc, &Account::new(&rpc, key, limits), &committee, 3).await
    };

    let unpaid = deploy(&poor, limits(None, 100)).await.unwrap_err();
    assert!(
        matches!(&unpaid, ChainError::NoFunds(who) if *who == poor.address()),
        "{unpaid}"
    );
    let dear = deploy(&rich, limits(None, 0)).await.unwrap_err();
    assert!(
        matches!(dear, ChainError::TooDear { max_gwei: 0, .. }),
        "{dear}"
    );
    assert_eq!(rpc.nonce(rich.address()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_transaction_that_needs_more_gas_than_allowed_is_told_before_it_is_sent() {
    let anvil = Anvil::start();
    let web = Web::new().unwrap();
    let (rpc, payer) = (anvil.rpc(&web), payer());
    let setting = Setting::new(&rpc, &payer).await;
    let image = image(1, 20, &[]);
    setting
        .decide(&[0, 1, 2], Decision::stage(&image))
        .await
        .unwrap();
    let sent = rpc.nonce(payer.address()).await.unwrap();

    let stingy = Account::new(&rpc, &payer, limits(Some(400_000), 100));
    let fault = setting.charter.load(&stingy, &image, |_, _| ()).await;

    let fault = fault.unwrap_err();
    assert!(matches!(fault, ChainError::OutOfGas(_)), "{fault}");
    assert!(fault.to_string().contains("400000 are allowed"), "{fault}");
    assert_eq!(rpc.nonce(payer.address()).await.unwrap(), sent);
}

#[tokio::test]
async fn of_two_who_hand_in_the_same_act_one_is_told_that_the_other_came_first() {
    let anvil = Anvil::start();
    let web = Web::new().unwrap();
    let (rpc, payer) = (anvil.rpc(&web), payer());
    let setting = Setting::new(&rpc, &payer).await;
    let mut act = setting.act(Decision::stage(&image(1, 1, &[]))).await;
    for member in &setting.members[..3] {
        act.sign(member).unwrap();
    }
    let second = open(RICH_TOO);
    let other = Account::new(&rpc, &second, limits(None, 100));
    anvil.ask("evm_setAutomine", json!([false])).await;
    // Both are sound when they are sent, and wait for the same block.
    let mine = async {
        while anvil.ask("txpool_status", json!([])).await["pending"] != "0x2" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anvil.ask("evm_mine", json!([])).await;
    };

    let (one, two, ()) = tokio::join!(
        setting.charter.execute(&setting.payer, &act),
        setting.charter.execute(&other, &act),
        mine
    );

    let late = match (one, two) {
        (Ok(_), late) | (late, Ok(_)) => late,
        (Err(one), Err(two)) => panic!("{one}; {two}"),
    };
    assert_eq!(refusal(late), "StaleNonce");
}

#[tokio::test]
async fn a_transaction_whose_turn_has_passed_is_told() {
    let anvil = Anvil::start();
    let web = Web::new().unwrap();
    let (rpc, payer) = (anvil.rpc(&web), payer());
    Setting::new(&rpc, &payer).await;
    let late = Transaction {
        chain_id: CHAIN_ID,
        nonce: 0,
        priority_fee: 1,
        fee_max: 10_000_000_000,
        gas_limit: 50_000,
        to: Some(payer.address()),
        data: Vec::new().into(),
    };

    let fault = rpc
        .send(payer.address(), &late.sign(&payer).unwrap())
        .await
        .unwrap_err();

    assert!(
        matches!(&fault, ChainError::NonceTooLow(who) if *who == payer.address()),
        "{fault}"
    );
    assert!(fault.to_string().contains("try again"));
}
