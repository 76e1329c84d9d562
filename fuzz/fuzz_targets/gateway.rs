//! The gateway takes bytes of every program of the machine: none makes it panic, and what it shows is on the charter's list.
//! The first byte says by which way the others came.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use x0_protocol::{
    Wall,
    charter::{
        Charter,
        gateway::{
            Gateway, Origin,
            consent::Consents,
            render::{Audience, Escaping},
        },
    },
};

#[path = "../../node/src/gateway/otlp.rs"]
#[allow(dead_code)]
mod otlp;
#[path = "../../node/src/gateway/remote_write.rs"]
mod remote_write;

static CHARTER: LazyLock<Charter> = LazyLock::new(Charter::shipped);

fuzz_target!(|input: &[u8]| {
    let Some((way, bytes)) = input.split_first() else {
        return;
    };
    let mut gateway = Gateway::new(CHARTER.clone(), Consents::default());
    let origin = Origin {
        node: "self".to_owned(),
        source: "fuzz".to_owned(),
    };
    let samples = match way % 4 {
        0 => {
            gateway.statsd(Wall(1), &origin, bytes);
            Vec::new()
        }
        1 => {
            gateway.exposition(Wall(1), &origin, bytes);
            Vec::new()
        }
        2 => otlp::read(bytes).unwrap_or_default(),
        _ => remote_write::read(bytes).unwrap_or_default(),
    };
    let named = samples.iter().map(|(name, offer)| (name.as_slice(), offer.clone()));
    gateway.offers(Wall(2), &origin, named);
    let text = gateway.shown(Audience::Anyone, Escaping::Quotes, |_| false);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        assert!(CHARTER.compiled().name(name.as_bytes()).is_ok(), "{line}");
    }
    gateway.refusals();
    gateway.withheld();
    gateway.expire(Wall(u64::MAX));
    assert_eq!(gateway.series(), 0);
});
