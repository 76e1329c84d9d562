//! What a real node of a chain refuses, and what a person reads then.

use alloy_primitives::Address;
use x0_node::{
    chain::{
        account::Account, act::Decision, charter::Charter, error::ChainError, rpc::Rpc,
        transaction::Transaction,
    },
    web::{Web, WebError},
};

use super::{
    Setting,
    chain::{Anvil, CHAIN_ID, key, members, payer},
    image, limits,
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
async fn a_transaction_with_too_little_gas_says_so_before_and_in_its_block() {
    let anvil = Anvil::start();
    let web = Web::new().unwrap();
    let (rpc, payer) = (anvil.rpc(&web), payer());
    let setting = Setting::new(&rpc, &payer).await;
    let image = image(1, 20, &[]);
    setting
        .decide(&[0, 1, 2], Decision::stage(&image))
        .await
        .unwrap();

    for gas in [21_000, 400_000] {
        let stingy = Account::new(&rpc, &payer, limits(Some(gas), 100));
        let fault = setting
            .charter
            .load(&stingy, &image, |_, _| ())
            .await
            .unwrap_err();
        assert!(matches!(fault, ChainError::OutOfGas(_)), "{gas}: {fault}");
    }
    let act = setting.act(Decision::stage(&image)).await;
    let stingy = Account::new(&rpc, &payer, limits(Some(200_000), 100));
    let fault = setting.charter.execute(&stingy, &act).await.unwrap_err();
    // Sent in spite of everything, it is refused in its block, and the reason is found out afterwards.
    assert!(
        fault
            .to_string()
            .contains("the act has 0 signatures, it needs 3"),
        "{fault}"
    );
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
