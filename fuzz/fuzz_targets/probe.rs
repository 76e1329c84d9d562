//! The privileged helper is asked by every user of the machine: no line makes it panic, and a policy that it accepts fits its maps and
//! reads back as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use x0_ebpf_common::event::Event;
use x0_ebpf_loader::{
    Policy,
    messages::{Answer, Request},
};

fuzz_target!(|line: &[u8]| {
    Event::from_bytes(line);
    serde_json::from_slice::<Answer>(line).ok();
    let policy = match serde_json::from_slice(line) {
        Ok(Request::Load(policy)) => policy.check().ok(),
        _ => Policy::from_json(line).ok(),
    };
    if let Some(checked) = policy {
        let text = serde_json::to_vec(checked.policy()).expect("a policy is written as JSON");
        assert_eq!(Policy::from_json(&text).ok(), Some(checked));
    }
});
