// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

/// What can be asked of the charter contract, and what it answers.
///
/// The node's client is generated from this file: it has no imports and nothing in it is code.
interface ICharter {
    /// What holds for a metric that may be collected.
    struct Rule {
        /// How long values may be kept, days.
        uint32 retentionDays;
        /// Whether the person concerned is asked first.
        bool consent;
        /// How many nodes a published value stands for at least.
        uint32 cohortMin;
    }

    /// A metric on the whitelist. Names are bytes, told apart by every byte.
    struct Metric {
        string name;
        Rule rule;
    }

    /// A part of a charter. A pattern is a name that is blocked, or the beginning of blocked names if it ends with `*`.
    struct Batch {
        Metric[] metrics;
        string[] patterns;
    }

    /// What the charter says of a name. What is blocked stays blocked if it is listed as well.
    enum Verdict {
        NotListed,
        Allowed,
        Blocked
    }

    /// What the committee found.
    enum Finding {
        Unfounded,
        Founded,
        Overturned
    }

    /// What follows from a violation; all zero is nothing.
    struct Penalty {
        /// How long the subject is kept out, days.
        uint32 banDays;
        /// How long it stays under watch afterwards, days.
        uint32 probationDays;
        /// What it owes, whole x0.
        uint64 fine;
        /// Whether it is kept out for ever.
        bool removal;
        /// Whether it has to delete what it took.
        bool deletion;
        /// Whether it is named to the public.
        bool referral;
    }

    /// An entry of the register. Nothing in it is personal: the subject is a salted hash, the evidence is elsewhere.
    struct Violation {
        bytes32 id;
        bytes evidence;
        string kind;
        bytes32 subject;
        Finding finding;
        Penalty penalty;
        /// When it was entered, seconds since 1970; set by the contract.
        uint64 recordedAt;
        /// When the finding was last revised, seconds since 1970, or 0; set by the contract.
        uint64 revisedAt;
    }

    /// What members of the committee sign, with where and until when it holds.
    struct Act {
        /// The chain.
        uint256 chainId;
        /// This contract.
        address charter;
        /// How many acts were carried out before.
        uint256 nonce;
        /// Until when it can be handed in, seconds since 1970.
        uint256 deadline;
        /// The call that the contract makes to itself.
        bytes call;
    }

    /// The charter in force, or one being loaded.
    struct Head {
        uint64 number;
        bytes cid;
        /// Commits to every batch, in order.
        bytes32 root;
        /// What is still to come; zero once all is there.
        bytes32 pending;
        uint32 metrics;
        uint32 patterns;
        /// When it came into force, seconds since 1970, or 0.
        uint64 since;
    }

    event CommitteeSet(address[] members, uint16 threshold);
    event Acted(uint256 indexed nonce, bytes4 indexed selector, bytes32 digest, address[] signers);
    event CharterStaged(uint64 indexed number, bytes cid, bytes32 root);
    event BatchLoaded(uint64 indexed number, uint256 metrics, uint256 patterns, bytes32 pending);
    event CharterActivated(uint64 indexed number, bytes cid, bytes32 root, uint32 metrics, uint32 patterns);
    event ViolationRecorded(bytes32 indexed id, bytes32 indexed subject, string kind, Finding finding, bytes evidence);
    event ViolationRevised(bytes32 indexed id, Finding finding, bytes evidence);

    /// Only an act of the committee can do this.
    error OnlyCommittee();
    error WrongChain(uint256 signedFor, uint256 here);
    error WrongContract(address signedFor, address here);
    /// Another act came first, or this one was carried out already.
    error StaleNonce(uint256 signedFor, uint256 expected);
    error Expired(uint256 deadline, uint256 time);
    error TooFewSignatures(uint256 given, uint256 needed);
    error SignedTwice(address member);
    error NotAMember(address signer);
    error BadThreshold(uint256 threshold, uint256 members);
    error BadMembers(uint256 members, uint256 membersMax);
    error BadMember(address member);
    error BadCid(uint256 length);
    error StaleCharter(uint64 number, uint64 inForce);
    error NotStaged(uint64 number, bytes32 root);
    error BatchesMissing(uint64 number);
    error BatchMismatch(bytes32 given, bytes32 expected);
    error BadName(string name);
    error NameTwice(string name);
    error BadPattern(string pattern);
    error PatternTwice(string pattern);
    error BadKind(string kind);
    error ViolationKnown(bytes32 id);
    error ViolationUnknown(bytes32 id);

    /// Sets the committee, once, when the proxy is made.
    function initialize(address[] calldata members, uint16 threshold) external;

    /// Carries out what enough members signed. Anybody may hand it in.
    function execute(Act calldata act, bytes[] calldata signatures) external;

    /// Loads the next batch of the staged charter, which must be the very one that was signed. Anybody may.
    /// @param rest what the batches after this one hash to; zero for the last
    function load(Batch calldata batch, bytes32 rest) external;

    // Acts of the committee, by `execute` alone.

    /// Begins a charter whose batches hash to `root`, in place of any that was begun and not activated.
    function stage(uint64 number, bytes calldata cid, bytes32 root) external;

    /// Puts the staged charter in force, all of it at once.
    function activate(uint64 number, bytes32 root) external;

    function setCommittee(address[] calldata members, uint16 threshold) external;

    /// Enters a violation. The times in it are ignored.
    function recordViolation(Violation calldata violation) external;

    /// Changes what was found, on new evidence.
    function reviseViolation(bytes32 id, bytes calldata evidence, Finding finding, Penalty calldata penalty) external;

    /// Puts other code in place of this; the proxy's own function (ERC-1822).
    function upgradeToAndCall(address implementation, bytes calldata data) external payable;

    // Questions.

    function verdict(string calldata name) external view returns (Verdict);

    /// The rule of a listed name, and whether it is listed; a blocked name may have one, and is blocked all the same.
    function rule(string calldata name) external view returns (bool listed, Rule memory);

    function head() external view returns (Head memory);

    function staged() external view returns (Head memory);

    /// At most `count` listed metrics of the charter in force, from place `from` on.
    function metrics(uint256 from, uint256 count) external view returns (Metric[] memory);

    /// At most `count` blocked patterns of the charter in force, from place `from` on.
    function patterns(uint256 from, uint256 count) external view returns (string[] memory);

    function committee() external view returns (address[] memory members, uint16 threshold);

    /// How many acts were carried out: what the next one has to be signed with.
    function nonce() external view returns (uint256);

    /// What members sign of an act (EIP-712).
    function digest(Act calldata act) external view returns (bytes32);

    function violationCount() external view returns (uint256);

    /// At most `count` entries of the register, from place `from` on.
    function violations(uint256 from, uint256 count) external view returns (Violation[] memory);

    function violation(bytes32 id) external view returns (Violation memory);

    /// Which code this is; grows with each upgrade.
    function codeVersion() external view returns (uint32);
}
