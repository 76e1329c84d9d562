// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

import {Charter} from "../src/Charter.sol";

/// What a later version might be: tests upgrade to it.
contract CharterV2 is Charter {
    /// @custom:storage-location erc7201:x0.storage.CharterV2
    struct LayoutV2 {
        string motto;
    }

    /// keccak256(abi.encode(uint256(keccak256("x0.storage.CharterV2")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant LAYOUT_V2_SLOT = 0x130a7f3295e6e22f0a903839cbb61fcb997365a4040805b43b2cb4e861a78200;

    function initializeV2(string calldata text) external reinitializer(2) onlyCommittee {
        _layoutV2().motto = text;
    }

    function motto() external view returns (string memory) {
        return _layoutV2().motto;
    }

    function codeVersion() external pure override returns (uint32) {
        return 2;
    }

    function _layoutV2() private pure returns (LayoutV2 storage s) {
        assembly ("memory-safe") {
            s.slot := LAYOUT_V2_SLOT
        }
    }
}
