//! A charter as each enforcement takes it, as JSON. All are made of `charter::compiled`.

use alloy_primitives::hex;
use serde_json::{Value, json};
use x0_protocol::charter::{Charter, cases::Probe};

use crate::{
    charter::{contract, kernel},
    cli::error::CliError,
};

/// Writes it for the node's own filter: the form itself.
pub(super) fn node(charter: &Charter) -> Value {
    json!(charter.compiled())
}

/// Writes it for the kernel: the policy that `x0 charter probe load` takes.
pub(super) fn ebpf(charter: &Charter) -> Result<Value, CliError> {
    let policy = kernel::policy(charter.compiled()).map_err(CliError::Failed)?;
    Ok(json!(policy))
}

/// Writes it for the contract: the image that `x0 chain charter prepare` takes.
pub(super) fn contract(charter: &Charter) -> Result<Value, CliError> {
    Ok(json!(contract::image(charter.compiled())?))
}

/// Writes what every enforcement must answer; names in hex, as they may be any bytes.
pub(super) fn cases(charter: &Charter) -> Value {
    let cases = x0_protocol::charter::cases::cases(charter);
    let cases: Vec<_> = cases
        .iter()
        .map(|case| {
            let refused = case.expect.is_refusal();
            match &case.probe {
                Probe::Name(name) => json!({
                    "why": case.why, "name_hex": hex::encode(name), "expect": case.expect, "refused": refused,
                }),
                Probe::Flow { service, address, port, protocol } => json!({
                    "why": case.why, "service": service, "address": address, "port": port, "protocol": protocol,
                    "expect": case.expect, "refused": refused,
                }),
            }
        })
        .collect();
    json!({ "charter": charter.id().to_string(), "number": charter.number(), "cases": cases })
}
