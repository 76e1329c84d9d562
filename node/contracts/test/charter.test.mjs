// The charter contract on a real chain, driven by ethers: its whole life, and every refusal with its reason.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { FAR, artifact, decide, deployCharter, deployCode, ethers, makeAct, metric, rests, sign, startChain } from '../chain.mjs';

const CID = ethers.hexlify(ethers.randomBytes(36));
const ID = ethers.id('entry 1');
const [UNFOUNDED, FOUNDED, OVERTURNED] = [0n, 1n, 2n];
const [NOT_LISTED, ALLOWED, BLOCKED] = [0n, 1n, 2n];
const NO_PENALTY = { banDays: 0, probationDays: 0, fine: 0, removal: false, deletion: false, referral: false };

let chain, payer, members, stranger;

before(async () => {
    chain = await startChain();
    payer = await chain.provider.getSigner(0);
    members = Array.from({ length: 5 }, () => ethers.Wallet.createRandom());
    stranger = ethers.Wallet.createRandom();
});

after(() => chain?.stop());

test('a thousand names come into force at once, and readers see all or none', async () => {
    const { charter } = await make();
    const names = Array.from({ length: 1_000 }, (_, i) => metric(`metric_${i}`, i, i % 2 === 0, i % 7));
    const batches = [0, 250, 500, 750].map((from) => ({ metrics: names.slice(from, from + 250), patterns: [] }));
    batches[3].patterns.push('user_location', 'user_*');
    const hashes = rests(batches);
    await decide(charter, members.slice(0, 3), 'stage', [7, CID, hashes[0]]);
    for (const [i, batch] of batches.entries()) {
        await refused(decide(charter, members.slice(0, 3), 'activate', [7, hashes[0]]), 'BatchesMissing', 7n);
        await (await charter.load(batch, hashes[i + 1])).wait();
        assert.equal(await charter.verdict('metric_0'), NOT_LISTED);
        assert.equal((await charter.metrics(0, 10)).length, 0);
    }

    await decide(charter, members.slice(2), 'activate', [7, hashes[0]]);

    const head = await charter.head();
    assert.deepEqual([head.number, head.cid, head.metrics, head.patterns], [7n, CID, 1_000n, 2n]);
    const read = [];
    for (let from = 0; from < 1_000; from += 300) read.push(...(await charter.metrics(from, 300)));
    assert.deepEqual(read.map(([name, rule]) => metric(name, Number(rule[0]), rule[1], Number(rule[2]))), names);
    assert.deepEqual([...(await charter.patterns(0, 10))], ['user_location', 'user_*']);
    assert.deepEqual([...(await charter.rule('metric_8'))[1]], [8n, true, 1n]);
    assert.equal(await charter.verdict('metric_999'), ALLOWED);
});

test('names are told apart by every byte, and what is blocked stays blocked', async () => {
    const { charter } = await make();
    await enforce(charter, 1, [
        { metrics: [metric('latency_p99'), metric('user_count'), metric('größe')], patterns: ['user_*', 'exact', 'üb*'] },
    ]);
    const cases = {
        latency_p99: ALLOWED, Latency_p99: NOT_LISTED, latency_p9: NOT_LISTED, latency_p999: NOT_LISTED, ' latency_p99': NOT_LISTED,
        größe: ALLOWED, 'gro\u0308ße': NOT_LISTED, '': NOT_LISTED, ['x'.repeat(5_000)]: NOT_LISTED,
        user_count: BLOCKED, user_: BLOCKED, user: NOT_LISTED, User_x: NOT_LISTED, [`user_${'x'.repeat(500)}`]: BLOCKED, 'user_*': BLOCKED,
        exact: BLOCKED, exactly: NOT_LISTED, 'über': BLOCKED, '*': NOT_LISTED,
    };
    for (const [name, verdict] of Object.entries(cases)) assert.equal(await charter.verdict(name), verdict, name.slice(0, 40));
});

test('only what was signed can be loaded, in order, by anybody', async () => {
    const { charter } = await make();
    const batches = [{ metrics: [metric('a')], patterns: [] }, { metrics: [metric('b')], patterns: [] }];
    const [root, rest] = rests(batches);
    await refused(charter.load(batches[0], rest), 'NotStaged', 0n, ethers.ZeroHash);
    await decide(charter, members.slice(0, 3), 'stage', [1, CID, root]);
    await refused(charter.load(batches[1], ethers.ZeroHash), 'BatchMismatch');
    await refused(charter.load({ metrics: [metric('a', 31)], patterns: [] }, rest), 'BatchMismatch');
    await refused(charter.load(batches[0], ethers.ZeroHash), 'BatchMismatch');

    await (await charter.connect(await chain.provider.getSigner(3)).load(batches[0], rest)).wait();
    await refused(charter.load(batches[0], rest), 'BatchMismatch');
    await (await charter.load(batches[1], ethers.ZeroHash)).wait();

    await refused(charter.load(batches[1], ethers.ZeroHash), 'NotStaged', 1n, ethers.ZeroHash);
    await refused(decide(charter, members.slice(0, 3), 'activate', [1, ethers.id('other')]), 'NotStaged');
    await decide(charter, members.slice(0, 3), 'activate', [1, root]);
    await refused(decide(charter, members.slice(0, 3), 'activate', [1, root]), 'NotStaged');
    await refused(decide(charter, members.slice(0, 3), 'stage', [1, CID, root]), 'StaleCharter', 1n, 1n);
    await refused(decide(charter, members.slice(0, 3), 'stage', [2, '0x', root]), 'BadCid', 0n);
});

test('a charter begun anew forgets what was loaded of the one before', async () => {
    const { charter } = await make();
    const batch = { metrics: [metric('old')], patterns: ['gone'] };
    await decide(charter, members.slice(0, 3), 'stage', [1, CID, rests([batch])[0]]);
    await (await charter.load(batch, ethers.ZeroHash)).wait();

    await enforce(charter, 1, [{ metrics: [metric('new')], patterns: [] }]);

    assert.deepEqual([await charter.verdict('old'), await charter.verdict('gone'), await charter.verdict('new')], [NOT_LISTED, NOT_LISTED, ALLOWED]);
    await enforce(charter, 2, []);
    assert.equal(await charter.verdict('new'), NOT_LISTED);
});

test('names and patterns that could mean two things are refused', async () => {
    const cases = [
        [[metric('')], [], 'BadName'], [[metric('a*')], [], 'BadName'], [[metric('n'.repeat(129))], [], 'BadName'],
        [[metric('a'), metric('b'), metric('a')], [], 'NameTwice'],
        [[], [''], 'BadPattern'], [[], ['*'], 'BadPattern'], [[], ['a*b'], 'BadPattern'], [[], ['a**'], 'BadPattern'],
        [[], ['p'.repeat(129)], 'BadPattern'], [[], ['a', 'a*', 'a'], 'PatternTwice'], [[], ['a*', 'a*'], 'PatternTwice'],
    ];
    const { charter } = await make();
    for (const [metrics, patterns, reason] of cases) {
        const batch = { metrics, patterns };
        await decide(charter, members.slice(0, 3), 'stage', [1, CID, rests([batch])[0]]);
        await refused(charter.load(batch, ethers.ZeroHash), reason);
    }
});

test('every faulty act is refused with its reason', async () => {
    const { charter } = await make();
    const three = members.slice(0, 3);
    const call = ['stage', [1, CID, ethers.id('root')]];
    const act = await makeAct(charter, ...call);
    const good = await sign(act, three);
    const other = await make();
    const hand = (changes, signatures = good) => charter.execute({ ...act, ...changes }, signatures);

    await refused(hand({ chainId: 1n }), 'WrongChain', 1n, 31337n);
    const elsewhere = await sign({ ...act, chainId: 1n }, three);
    await refused(hand({}, elsewhere), 'NotAMember');
    await refused(other.charter.execute(act, good), 'WrongContract');
    await refused(hand({ charter: await other.charter.getAddress() }), 'WrongContract');
    await refused(hand({ nonce: 1n }), 'StaleNonce', 1n, 0n);
    await refused(hand({ deadline: 1n }), 'Expired');
    await refused(hand({ deadline: FAR + 1n }), 'NotAMember');
    await refused(hand({}, good.slice(1)), 'TooFewSignatures', 2n, 3n);
    await refused(hand({}, [good[0], good[1], good[1]]), 'SignedTwice', members[1].address);
    await refused(hand({}, [...good.slice(1), ...(await sign(act, [stranger]))]), 'NotAMember', stranger.address);
    await refused(hand({}, [mirrored(good[0]), ...good.slice(1)]), 'ECDSAInvalidSignatureS');
    await refused(hand({}, [good[0].slice(0, -2), ...good.slice(1)]), 'ECDSAInvalidSignatureLength', 64n);
    await refused(hand({}, [`${good[0].slice(0, -2)}03`, ...good.slice(1)]), 'ECDSAInvalidSignature');
    const reworded = charter.interface.encodeFunctionData('stage', [2, CID, ethers.id('root')]);
    await refused(hand({ call: reworded }), 'NotAMember');

    await (await hand({})).wait();
    await refused(hand({}), 'StaleNonce', 0n, 1n);
    assert.equal((await charter.staged()).number, 1n);
});

test('nobody but the contract itself makes its changes', async () => {
    const { charter, code } = await make();
    const committee = [members.map((member) => member.address), 3];
    await refused(charter.stage(1, CID, ethers.id('root')), 'OnlyCommittee');
    await refused(charter.activate(1, ethers.id('root')), 'OnlyCommittee');
    await refused(charter.setCommittee(...committee), 'OnlyCommittee');
    await refused(charter.recordViolation(violation()), 'OnlyCommittee');
    await refused(charter.reviseViolation(ID, CID, OVERTURNED, NO_PENALTY), 'OnlyCommittee');
    await refused(charter.upgradeToAndCall(await code.getAddress(), '0x'), 'OnlyCommittee');
    await refused(charter.initialize(...committee), 'InvalidInitialization');
    await refused(code.initialize(...committee), 'InvalidInitialization');
    await refused(code.upgradeToAndCall(await code.getAddress(), '0x'), 'UUPSUnauthorizedCallContext');
});

test('the committee passes to others by its own signatures, and the old ones count no more', async () => {
    const { charter } = await make();
    const heirs = Array.from({ length: 3 }, () => ethers.Wallet.createRandom());
    const named = heirs.map((heir) => heir.address);
    const three = members.slice(0, 3);
    for (const [list, threshold, reason] of [
        [named, 1, 'BadThreshold'], [named, 4, 'BadThreshold'], [[], 0, 'BadMembers'],
        [Array.from({ length: 65 }, () => ethers.Wallet.createRandom().address), 40, 'BadMembers'],
        [[named[0], named[0]], 2, 'BadMember'], [[ethers.ZeroAddress], 1, 'BadMember'],
    ]) await refused(decide(charter, three, 'setCommittee', [list, threshold]), reason);

    await decide(charter, three, 'setCommittee', [named, 2]);

    const committee = await charter.committee();
    assert.deepEqual([[...committee.members], committee.threshold], [named, 2n]);
    await refused(decide(charter, three, 'stage', [1, CID, ethers.id('root')]), 'NotAMember', members[0].address);
    await decide(charter, heirs.slice(1), 'stage', [1, CID, ethers.id('root')]);
});

test('a violation is entered once and may be overturned, and stays for all to read', async () => {
    const { charter } = await make();
    const three = members.slice(0, 3);
    const penalty = { ...NO_PENALTY, banDays: 365, fine: 100_000 };
    await refused(decide(charter, three, 'reviseViolation', [ID, CID, OVERTURNED, NO_PENALTY]), 'ViolationUnknown', ID);
    await refused(decide(charter, three, 'recordViolation', [violation({ kind: 'Ada Lovelace' })]), 'BadKind');
    await refused(decide(charter, three, 'recordViolation', [violation({ kind: '' })]), 'BadKind');
    await refused(decide(charter, three, 'recordViolation', [violation({ evidence: `0x${'00'.repeat(97)}` })]), 'BadCid', 97n);

    await decide(charter, three, 'recordViolation', [violation({ penalty, recordedAt: 1, revisedAt: 1 })]);

    let found = await charter.violation(ID);
    assert.deepEqual([found.kind, found.finding, found.penalty.banDays, found.penalty.fine, found.revisedAt], ['silent-collection', FOUNDED, 365n, 100_000n, 0n]);
    assert.ok(found.recordedAt > 1n);
    await refused(decide(charter, three, 'recordViolation', [violation()]), 'ViolationKnown', ID);
    await decide(charter, three, 'reviseViolation', [ID, CID, OVERTURNED, NO_PENALTY]);
    [found] = await charter.violations(0, 5);
    assert.deepEqual([found.id, found.finding, found.penalty.banDays], [ID, OVERTURNED, 0n]);
    assert.ok(found.revisedAt >= found.recordedAt);
    assert.equal(await charter.violationCount(), 1n);
    await refused(charter.violation(ethers.id('none')), 'ViolationUnknown');
});

test('the code is replaced by the committee alone, and what was there stays', async () => {
    const { charter } = await make();
    await enforce(charter, 1, [{ metrics: [metric('kept')], patterns: [] }]);
    const newer = await deployCode(payer, 'test/CharterV2');
    const setUp = newer.interface.encodeFunctionData('initializeV2', ['no hidden collection']);
    const args = [await newer.getAddress(), setUp];
    await refused(decide(charter, members.slice(0, 2), 'upgradeToAndCall', args), 'TooFewSignatures', 2n, 3n);
    await refused(decide(charter, members.slice(0, 3), 'upgradeToAndCall', [await charter.getAddress(), '0x']), 'ERC1967InvalidImplementation');

    await decide(charter, members.slice(0, 3), 'upgradeToAndCall', args);

    const upgraded = newer.attach(await charter.getAddress());
    assert.deepEqual([await upgraded.codeVersion(), await upgraded.motto(), await upgraded.verdict('kept')], [2n, 'no hidden collection', ALLOWED]);
    await refused(decide(charter, members.slice(0, 3), 'upgradeToAndCall', args), 'InvalidInitialization');
    await refused(upgraded.initializeV2('again'), 'InvalidInitialization');
    await enforce(charter, 2, [{ metrics: [metric('later')], patterns: [] }]);
});

test('every change tells so in an event', async () => {
    const { charter } = await make();
    await enforce(charter, 1, [{ metrics: [metric('a')], patterns: ['b'] }]);
    await decide(charter, members.slice(0, 3), 'recordViolation', [violation({ finding: UNFOUNDED })]);
    await decide(charter, members.slice(0, 3), 'reviseViolation', [ID, CID, FOUNDED, NO_PENALTY]);
    await decide(charter, members.slice(0, 4), 'setCommittee', [[members[0].address], 1]);

    const logs = await charter.queryFilter('*');
    const told = logs.map((log) => log.fragment.name);

    assert.deepEqual(told, [
        'Upgraded', 'CommitteeSet', 'Initialized', 'Acted', 'CharterStaged', 'BatchLoaded', 'Acted', 'CharterActivated',
        'Acted', 'ViolationRecorded', 'Acted', 'ViolationRevised', 'Acted', 'CommitteeSet',
    ]);
    assert.deepEqual([...logs.at(-2).args.signers], members.slice(0, 4).map((member) => member.address));
});

const make = () => deployCharter(payer, members, 3);

const violation = (changes = {}) => ({
    id: ID, evidence: CID, kind: 'silent-collection', subject: ethers.id('salt and subject'), finding: FOUNDED, penalty: NO_PENALTY,
    recordedAt: 0, revisedAt: 0, ...changes,
});

// Signs, loads and activates a charter.
async function enforce(charter, number, batches) {
    const hashes = rests(batches);
    await decide(charter, members.slice(0, 3), 'stage', [number, CID, hashes[0]]);
    for (const [i, batch] of batches.entries()) await (await charter.load(batch, hashes[i + 1])).wait();
    await decide(charter, members.slice(0, 3), 'activate', [number, hashes[0]]);
}

// The other signature that anybody can make of one.
function mirrored(signature) {
    const { r, s, yParity } = ethers.Signature.from(signature);
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    return ethers.concat([r, ethers.toBeHex(order - BigInt(s), 32), yParity ? '0x1b' : '0x1c']);
}

// What the contract refuses with, and what it takes over from OpenZeppelin.
const errors = new ethers.Interface(artifact('artifacts/Charter').abi);

// Expects the contract's own error, with these values if they are given.
async function refused(promise, name, ...args) {
    try {
        await promise;
    } catch (error) {
        const reason = errors.parseError(error.data ?? '0x');
        assert.equal(reason?.name, name, error.message);
        if (args.length > 0) assert.deepEqual([...reason.args], args);
        return;
    }
    assert.fail(`${name} was expected, and it went through`);
}
