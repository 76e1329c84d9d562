//! The contract answers about names as every enforcement of a charter must: the same list of cases for all.

use std::collections::BTreeSet;

use x0_node::{
    chain::{act::Decision, image::NameVerdict},
    charter::{SHIPPED, contract},
    web::Web,
};
use x0_protocol::charter::cases::{Expect, Probe, cases};

use super::{
    Setting,
    chain::{Anvil, payer},
};

#[tokio::test]
async fn the_contract_answers_every_case_of_the_shipped_charter_as_it_must() {
    let anvil = Anvil::start();
    let web = Web::new().unwrap();
    let (rpc, payer) = (anvil.rpc(&web), payer());
    let setting = Setting::new(&rpc, &payer).await;
    let image = contract::image(SHIPPED.compiled()).unwrap();
    let stage = Decision::stage(&image);
    setting.decide(&[0, 1, 2], stage).await.unwrap();
    let loaded = setting.charter.load(&setting.payer, &image, |_, _| ());
    loaded.await.unwrap();
    let activate = Decision::activate(&image);
    setting.decide(&[0, 1, 2], activate).await.unwrap();

    let mut answers = BTreeSet::new();
    for case in cases(&SHIPPED) {
        // Who asks a contract asks by text: bytes that are none cannot be asked about.
        let Probe::Name(name) = &case.probe else {
            continue;
        };
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let expected = match case.expect {
            Expect::Allowed | Expect::Guarded => NameVerdict::Allowed,
            Expect::Blocked => NameVerdict::Blocked,
            Expect::NotListed => NameVerdict::NotListed,
            // A contract knows only what it lists and what it blocks: either way the name is refused.
            Expect::Malformed => {
                let verdict = setting.charter.verdict(name).await.unwrap();
                assert_ne!(verdict, NameVerdict::Allowed, "{case:?}");
                continue;
            }
        };
        assert_eq!(
            setting.charter.verdict(name).await.unwrap(),
            expected,
            "{case:?}"
        );
        answers.insert(format!("{expected:?}"));
    }
    assert_eq!(answers.len(), 3, "{answers:?}");
}
