//! The contract's interface, generated from its Solidity source, and its code as it is committed.

#![allow(missing_docs, clippy::too_many_arguments)]

use alloy_primitives::hex;
use serde::Deserialize;

alloy_sol_types::sol!(
    #![sol(all_derives)]
    "contracts/src/ICharter.sol"
);

alloy_sol_types::sol! {
    /// What the contract takes over from OpenZeppelin and may refuse with.
    #[sol(all_derives)]
    interface OpenZeppelin {
        error ECDSAInvalidSignature();
        error ECDSAInvalidSignatureLength(uint256 length);
        error ECDSAInvalidSignatureS(bytes32 s);
        error ERC1967InvalidImplementation(address implementation);
        error FailedCall();
        error InvalidInitialization();
        error UUPSUnauthorizedCallContext();
        error UUPSUnsupportedProxiableUUID(bytes32 slot);
    }
}

/// What members sign, without the chain and the contract, which are its domain.
pub(super) mod typed {
    alloy_sol_types::sol! {
        struct Act {
            uint256 nonce;
            uint256 deadline;
            bytes call;
        }
    }
}

const CHARTER: &str = include_str!("../../contracts/artifacts/Charter.json");
const PROXY: &str = include_str!("../../contracts/artifacts/ERC1967Proxy.json");

#[derive(Deserialize)]
struct Artifact {
    bytecode: String,
}

/// Returns what makes the contract's code.
pub(super) fn charter_code() -> Vec<u8> {
    code(CHARTER)
}

/// Returns what makes the proxy, without what its constructor is told.
pub(super) fn proxy_code() -> Vec<u8> {
    code(PROXY)
}

fn code(artifact: &str) -> Vec<u8> {
    let code = serde_json::from_str(artifact).ok();
    let code = code.and_then(|artifact: Artifact| hex::decode(artifact.bytecode).ok());
    // The artifact is part of this program, and a test decodes it.
    code.unwrap_or_else(|| unreachable!("the artifact has no bytecode"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy_sol_types::SolInterface as _;
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_committed_code_is_that_of_this_interface() {
        let artifact: Value = serde_json::from_str(CHARTER).unwrap();
        let kinds = artifact["abi"].as_array().unwrap();
        let count = |kind: &str| kinds.iter().filter(|item| item["type"] == kind).count();
        let code = charter_code();
        let dispatched = |selector: &[u8; 4]| code.windows(4).any(|four| four == selector);

        assert!(!proxy_code().is_empty());
        assert!(ICharter::ICharterCalls::selectors().all(|selector| dispatched(&selector)));
        // Beyond the interface: proxiableUUID, UPGRADE_INTERFACE_VERSION and eip712Domain.
        assert_eq!(count("function"), ICharter::ICharterCalls::COUNT + 3);
    }
}
