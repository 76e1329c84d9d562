// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ICharter} from "./ICharter.sol";

/// The charter of a mesh on a chain: whitelist, blocked names, committee and violations, for all to read.
///
/// Nobody owns it. Every change, of its code too, is a call of the contract to itself, made by `execute` when enough
/// members of the committee have signed it. A charter is signed as one hash, loaded in batches by anybody, and put in
/// force at once. It knows nothing of the mesh: what it says is what its committee signed.
contract Charter is ICharter, Initializable, UUPSUpgradeable, EIP712 {
    /// Longest name, and longest pattern, bytes.
    uint256 internal constant NAME_BYTES_MAX = 128;
    /// Longest content id, bytes: a CID with a digest of 64 bytes has fewer.
    uint256 internal constant CID_BYTES_MAX = 96;
    /// Longest kind of violation, bytes.
    uint256 internal constant KIND_BYTES_MAX = 32;
    /// Most members, so that `execute` fits any block.
    uint256 internal constant MEMBERS_MAX = 64;

    bytes32 internal constant ACT_TYPEHASH = keccak256("Act(uint256 nonce,uint256 deadline,bytes call)");

    /// A rule as it is kept: in one word of storage, which a struct within it would not be.
    struct Slot {
        bool isListed;
        bool consent;
        uint32 retentionDays;
        uint32 cohortMin;
    }

    /// One charter. Nothing of it changes once it is in force.
    struct List {
        Head head;
        string[] names;
        mapping(bytes32 nameHash => Slot) slots;
        string[] patterns;
        mapping(bytes32 nameHash => bool) blocked;
        mapping(bytes32 prefixHash => bool) blockedPrefixes;
        /// Bit n is set if a blocked beginning has n bytes.
        uint256 prefixLengths;
    }

    /// @custom:storage-location erc7201:x0.storage.Charter
    struct Layout {
        uint256 nonce;
        uint16 threshold;
        address[] members;
        /// Place in `members`, counted from 1.
        mapping(address member => uint256) places;
        /// Charters by the order in which they were begun, from 1; 0 is the empty one before the first.
        mapping(uint256 generation => List) lists;
        uint256 current;
        /// Zero if none is being loaded.
        uint256 next;
        uint256 generations;
        bytes32[] violationIds;
        mapping(bytes32 id => Violation) violations;
    }

    /// keccak256(abi.encode(uint256(keccak256("x0.storage.Charter")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 internal constant LAYOUT_SLOT = 0x4cfda4d3eb23e17c936c454203ec863ac6d414d1c23c7374aa41008d844fbe00;

    modifier onlyCommittee() {
        _onlyCommittee();
        _;
    }

    /// The code behind proxies is nobody's charter: it can never be set up itself.
    constructor() EIP712("x0 charter", "1") {
        _disableInitializers();
    }

    function initialize(address[] calldata members, uint16 threshold) external initializer {
        _setCommittee(members, threshold);
    }

    function execute(Act calldata act, bytes[] calldata signatures) external {
        Layout storage s = _layout();
        if (act.chainId != block.chainid) revert WrongChain(act.chainId, block.chainid);
        if (act.charter != address(this)) revert WrongContract(act.charter, address(this));
        if (act.nonce != s.nonce) revert StaleNonce(act.nonce, s.nonce);
        if (block.timestamp > act.deadline) revert Expired(act.deadline, block.timestamp);
        bytes32 hash = digest(act);
        address[] memory signers = _signers(hash, signatures);
        s.nonce = act.nonce + 1;
        emit Acted(act.nonce, bytes4(act.call), hash, signers);
        Address.functionCall(address(this), act.call);
    }

    function load(Batch calldata batch, bytes32 rest) external {
        Layout storage s = _layout();
        List storage list = s.lists[s.next];
        bytes32 expected = list.head.pending;
        if (s.next == 0 || expected == 0) revert NotStaged(list.head.number, expected);
        bytes32 given = keccak256(abi.encode(keccak256(abi.encode(batch)), rest));
        if (given != expected) revert BatchMismatch(given, expected);
        list.head.pending = rest;
        for (uint256 i = 0; i < batch.metrics.length; i++) {
            _list(list, batch.metrics[i]);
        }
        for (uint256 i = 0; i < batch.patterns.length; i++) {
            _block(list, batch.patterns[i]);
        }
        list.head.metrics += uint32(batch.metrics.length);
        list.head.patterns += uint32(batch.patterns.length);
        emit BatchLoaded(list.head.number, batch.metrics.length, batch.patterns.length, rest);
    }

    function stage(uint64 number, bytes calldata cid, bytes32 root) external onlyCommittee {
        Layout storage s = _layout();
        _requireNewer(s, number);
        _requireCid(cid);
        s.next = ++s.generations;
        Head storage h = s.lists[s.next].head;
        h.number = number;
        h.cid = cid;
        h.root = root;
        h.pending = root;
        emit CharterStaged(number, cid, root);
    }

    function activate(uint64 number, bytes32 root) external onlyCommittee {
        Layout storage s = _layout();
        Head storage h = s.lists[s.next].head;
        if (s.next == 0 || h.number != number || h.root != root) revert NotStaged(number, root);
        if (h.pending != 0) revert BatchesMissing(number);
        h.since = uint64(block.timestamp);
        s.current = s.next;
        s.next = 0;
        emit CharterActivated(number, h.cid, root, h.metrics, h.patterns);
    }

    function setCommittee(address[] calldata members, uint16 threshold) external onlyCommittee {
        _setCommittee(members, threshold);
    }

    function recordViolation(Violation calldata given) external onlyCommittee {
        Layout storage s = _layout();
        if (s.violations[given.id].recordedAt != 0) revert ViolationKnown(given.id);
        _requireCid(given.evidence);
        _requireKind(given.kind);
        s.violationIds.push(given.id);
        Violation storage kept = s.violations[given.id];
        kept.id = given.id;
        kept.evidence = given.evidence;
        kept.kind = given.kind;
        kept.subject = given.subject;
        kept.finding = given.finding;
        kept.penalty = given.penalty;
        kept.recordedAt = uint64(block.timestamp);
        emit ViolationRecorded(given.id, given.subject, given.kind, given.finding, given.evidence);
    }

    function reviseViolation(bytes32 id, bytes calldata evidence, Finding finding, Penalty calldata penalty)
        external
        onlyCommittee
    {
        Violation storage kept = _layout().violations[id];
        if (kept.recordedAt == 0) revert ViolationUnknown(id);
        _requireCid(evidence);
        kept.evidence = evidence;
        kept.finding = finding;
        kept.penalty = penalty;
        kept.revisedAt = uint64(block.timestamp);
        emit ViolationRevised(id, finding, evidence);
    }

    function verdict(string calldata name) external view returns (Verdict) {
        List storage list = _inForce();
        bytes calldata text = bytes(name);
        bytes32 hash = keccak256(text);
        if (list.blocked[hash]) return Verdict.Blocked;
        uint256 lengths = list.prefixLengths;
        for (uint256 length = 1; length <= text.length && length < NAME_BYTES_MAX; length++) {
            if ((lengths >> length) & 1 == 1 && list.blockedPrefixes[keccak256(text[:length])]) return Verdict.Blocked;
        }
        return list.slots[hash].isListed ? Verdict.Allowed : Verdict.NotListed;
    }

    function rule(string calldata name) external view returns (bool listed, Rule memory) {
        Slot storage slot = _inForce().slots[keccak256(bytes(name))];
        return (slot.isListed, _rule(slot));
    }

    function head() external view returns (Head memory) {
        return _inForce().head;
    }

    function staged() external view returns (Head memory) {
        Layout storage s = _layout();
        return s.lists[s.next].head;
    }

    function metrics(uint256 from, uint256 count) external view returns (Metric[] memory page) {
        List storage list = _inForce();
        page = new Metric[](_pageLength(list.names.length, from, count));
        for (uint256 i = 0; i < page.length; i++) {
            string memory name = list.names[from + i];
            page[i] = Metric(name, _rule(list.slots[keccak256(bytes(name))]));
        }
    }

    function patterns(uint256 from, uint256 count) external view returns (string[] memory page) {
        List storage list = _inForce();
        page = new string[](_pageLength(list.patterns.length, from, count));
        for (uint256 i = 0; i < page.length; i++) {
            page[i] = list.patterns[from + i];
        }
    }

    function committee() external view returns (address[] memory members, uint16 threshold) {
        Layout storage s = _layout();
        return (s.members, s.threshold);
    }

    function nonce() external view returns (uint256) {
        return _layout().nonce;
    }

    function digest(Act calldata act) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ACT_TYPEHASH, act.nonce, act.deadline, keccak256(act.call))));
    }

    function violationCount() external view returns (uint256) {
        return _layout().violationIds.length;
    }

    function violations(uint256 from, uint256 count) external view returns (Violation[] memory page) {
        Layout storage s = _layout();
        page = new Violation[](_pageLength(s.violationIds.length, from, count));
        for (uint256 i = 0; i < page.length; i++) {
            page[i] = s.violations[s.violationIds[from + i]];
        }
    }

    function violation(bytes32 id) external view returns (Violation memory found) {
        found = _layout().violations[id];
        if (found.recordedAt == 0) revert ViolationUnknown(id);
    }

    function codeVersion() external pure virtual returns (uint32) {
        return 1;
    }

    function upgradeToAndCall(address implementation, bytes memory data)
        public
        payable
        override(ICharter, UUPSUpgradeable)
    {
        super.upgradeToAndCall(implementation, data);
    }

    function _authorizeUpgrade(address) internal view override onlyCommittee {}

    /// Recovers who signed: enough members, each once.
    function _signers(bytes32 hash, bytes[] calldata signatures) private view returns (address[] memory signers) {
        Layout storage s = _layout();
        if (signatures.length < s.threshold) revert TooFewSignatures(signatures.length, s.threshold);
        signers = new address[](signatures.length);
        uint256 seen = 0;
        for (uint256 i = 0; i < signatures.length; i++) {
            address signer = ECDSA.recover(hash, signatures[i]);
            uint256 place = s.places[signer];
            if (place == 0) revert NotAMember(signer);
            if ((seen >> place) & 1 == 1) revert SignedTwice(signer);
            seen |= 1 << place;
            signers[i] = signer;
        }
    }

    function _setCommittee(address[] calldata members, uint16 threshold) private {
        Layout storage s = _layout();
        if (members.length == 0 || members.length > MEMBERS_MAX) revert BadMembers(members.length, MEMBERS_MAX);
        // More than half, so that no two groups without a common member can both decide.
        if (threshold > members.length || 2 * uint256(threshold) <= members.length) {
            revert BadThreshold(threshold, members.length);
        }
        for (uint256 i = 0; i < s.members.length; i++) {
            delete s.places[s.members[i]];
        }
        for (uint256 i = 0; i < members.length; i++) {
            if (members[i] == address(0) || s.places[members[i]] != 0) revert BadMember(members[i]);
            s.places[members[i]] = i + 1;
        }
        s.members = members;
        s.threshold = threshold;
        emit CommitteeSet(members, threshold);
    }

    function _list(List storage list, Metric calldata metric) private {
        bytes calldata text = bytes(metric.name);
        if (text.length == 0 || text.length > NAME_BYTES_MAX || _hasStar(text)) revert BadName(metric.name);
        Slot storage slot = list.slots[keccak256(text)];
        if (slot.isListed) revert NameTwice(metric.name);
        slot.isListed = true;
        slot.consent = metric.rule.consent;
        slot.retentionDays = metric.rule.retentionDays;
        slot.cohortMin = metric.rule.cohortMin;
        list.names.push(metric.name);
    }

    function _block(List storage list, string calldata pattern) private {
        bytes calldata text = bytes(pattern);
        if (text.length == 0 || text.length > NAME_BYTES_MAX) revert BadPattern(pattern);
        bool isPrefix = text[text.length - 1] == "*";
        bytes calldata part = isPrefix ? text[:text.length - 1] : text;
        // A star alone would block everything, one in the middle would mean nothing.
        if (part.length == 0 || _hasStar(part)) revert BadPattern(pattern);
        mapping(bytes32 => bool) storage kept = isPrefix ? list.blockedPrefixes : list.blocked;
        bytes32 hash = keccak256(part);
        if (kept[hash]) revert PatternTwice(pattern);
        kept[hash] = true;
        if (isPrefix) list.prefixLengths |= 1 << part.length;
        list.patterns.push(pattern);
    }

    function _requireNewer(Layout storage s, uint64 number) private view {
        uint64 inForce = s.lists[s.current].head.number;
        if (number <= inForce) revert StaleCharter(number, inForce);
    }

    function _requireCid(bytes calldata cid) private pure {
        if (cid.length == 0 || cid.length > CID_BYTES_MAX) revert BadCid(cid.length);
    }

    /// A word of the committee's own list, too narrow for anybody's name or words.
    function _requireKind(string calldata kind) private pure {
        bytes calldata text = bytes(kind);
        if (text.length == 0 || text.length > KIND_BYTES_MAX) revert BadKind(kind);
        for (uint256 i = 0; i < text.length; i++) {
            if (!((text[i] >= "a" && text[i] <= "z") || text[i] == "-")) revert BadKind(kind);
        }
    }

    function _onlyCommittee() private view {
        if (msg.sender != address(this)) revert OnlyCommittee();
    }

    function _hasStar(bytes calldata text) private pure returns (bool) {
        for (uint256 i = 0; i < text.length; i++) {
            if (text[i] == "*") return true;
        }
        return false;
    }

    function _rule(Slot storage slot) private view returns (Rule memory) {
        return Rule(slot.retentionDays, slot.consent, slot.cohortMin);
    }

    function _pageLength(uint256 all, uint256 from, uint256 count) private pure returns (uint256) {
        if (from >= all) return 0;
        return count < all - from ? count : all - from;
    }

    function _inForce() private view returns (List storage) {
        Layout storage s = _layout();
        return s.lists[s.current];
    }

    function _layout() private pure returns (Layout storage s) {
        assembly ("memory-safe") {
            s.slot := LAYOUT_SLOT
        }
    }
}
