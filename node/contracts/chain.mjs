// A chain of our own on the loopback, and the charter contract on it, as a program other than the node sees them.
import { createRequire } from 'node:module';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

const require = createRequire(import.meta.url);
const { ethers } = require('ethers');

// Anvil is ready in a tenth of a second; a busy machine may need longer.
const READY_MS_MAX = 30_000;

export const ACT = { Act: [{ name: 'nonce', type: 'uint256' }, { name: 'deadline', type: 'uint256' }, { name: 'call', type: 'bytes' }] };
export const FAR = 4_102_444_800n; // the year 2100

export function artifact(name) {
    return JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url)));
}

// Starts anvil on a free port of the loopback; `stop` ends it.
export async function startChain() {
    const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
    const program = path.join(path.dirname(require.resolve(`@foundry-rs/anvil-linux-${architecture}/package.json`)), 'bin/anvil');
    const child = spawn(program, ['--host', '127.0.0.1', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    // Not left behind by a test run that is interrupted.
    process.once('exit', () => child.kill('SIGKILL'));
    const url = await new Promise((resolve, reject) => {
        let said = '';
        const patience = setTimeout(() => reject(new Error(`anvil does not say where it listens: ${said}`)), READY_MS_MAX);
        child.once('error', reject);
        child.stdout.on('data', (bytes) => {
            said += bytes;
            const place = /Listening on (127\.0\.0\.1:\d+)/.exec(said);
            if (place) {
                clearTimeout(patience);
                resolve(`http://${place[1]}`);
            }
        });
    });
    // Answers are not kept: two questions in one moment may have different answers on a chain that mines at once.
    const provider = new ethers.JsonRpcProvider(url, undefined, { cacheTimeout: -1, polling: true, pollingInterval: 20 });
    const stop = () => {
        provider.destroy();
        child.kill('SIGKILL');
    };
    return { provider, stop };
}

export async function deployCode(signer, name, ...args) {
    const { abi, bytecode } = artifact(name);
    const contract = await new ethers.ContractFactory(abi, bytecode, signer).deploy(...args);
    await contract.waitForDeployment();
    return contract;
}

// A charter behind its proxy, with members sorted as they are given.
export async function deployCharter(signer, members, threshold) {
    const code = await deployCode(signer, 'artifacts/Charter');
    const setUp = code.interface.encodeFunctionData('initialize', [members.map((member) => member.address), threshold]);
    const proxy = await deployCode(signer, 'artifacts/ERC1967Proxy', await code.getAddress(), setUp);
    return { code, charter: code.attach(await proxy.getAddress()) };
}

export async function makeAct(charter, what, args, changes = {}) {
    return {
        chainId: (await charter.runner.provider.getNetwork()).chainId,
        charter: await charter.getAddress(),
        nonce: await charter.nonce(),
        deadline: FAR,
        call: charter.interface.encodeFunctionData(what, args),
        ...changes,
    };
}

export async function sign(act, members) {
    const domain = { name: 'x0 charter', version: '1', chainId: act.chainId, verifyingContract: act.charter };
    const signed = { nonce: act.nonce, deadline: act.deadline, call: act.call };
    return Promise.all(members.map((member) => member.signTypedData(domain, ACT, signed)));
}

// Signs a call by these members and hands it in.
export async function decide(charter, members, what, args) {
    const act = await makeAct(charter, what, args);
    return (await charter.execute(act, await sign(act, members))).wait();
}

const BATCH = 'tuple(tuple(string name, tuple(uint32 retentionDays, bool consent, uint32 cohortMin) rule)[] metrics, string[] patterns)';

// What batches hash to, from each one on; the first is the root, the last is zero.
export function rests(batches) {
    const coder = ethers.AbiCoder.defaultAbiCoder();
    const hashes = [ethers.ZeroHash];
    for (const batch of [...batches].reverse()) {
        const hash = ethers.keccak256(coder.encode([BATCH], [batch]));
        hashes.unshift(ethers.keccak256(coder.encode(['bytes32', 'bytes32'], [hash, hashes[0]])));
    }
    return hashes;
}

export function metric(name, retentionDays = 30, consent = false, cohortMin = 5) {
    return { name, rule: { retentionDays, consent, cohortMin } };
}

export { ethers };
