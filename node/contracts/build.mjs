// Compiles the contracts with the compiler of package-lock.json. Run by scripts/contracts.sh, which says where that is.
//     node build.mjs            writes artifacts/*.json and test/CharterV2.json
//     node build.mjs --check    compares them, byte for byte, with what the sources compile to, and writes nothing
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

// Largest code that a chain takes, bytes (EIP-170).
const CODE_BYTES_MAX = 24_576;

const SOURCES = ['src/ICharter.sol', 'src/Charter.sol', 'src/Proxy.sol', 'test/CharterV2.sol'];
const ARTIFACTS = [
    { source: 'src/Charter.sol', name: 'Charter', file: 'artifacts/Charter.json' },
    { source: '@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol', name: 'ERC1967Proxy', file: 'artifacts/ERC1967Proxy.json' },
    { source: 'test/CharterV2.sol', name: 'CharterV2', file: 'test/CharterV2.json' },
];

// Cancun is the oldest set of rules that OpenZeppelin 5.7 compiles for. No metadata hash is appended: the code then
// depends on nothing but the sources and the compiler.
const SETTINGS = {
    evmVersion: 'cancun',
    optimizer: { enabled: true, runs: 200 },
    metadata: { bytecodeHash: 'none', appendCBOR: false },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
};

function compile() {
    const solc = require('solc');
    const sources = Object.fromEntries(SOURCES.map((file) => [file, { content: read(path.join(here, file)) }]));
    const input = { language: 'Solidity', sources, settings: SETTINGS };
    const found = (name) => ({ contents: read(require.resolve(name)) });
    const output = JSON.parse(solc.compile(JSON.stringify(input), { import: found }));
    const faults = (output.errors ?? []).map((error) => error.formattedMessage);
    // Warnings are errors here, as they are for the Rust code.
    if (faults.length > 0) fail(faults.join('\n'));
    return ARTIFACTS.map(({ source, name, file }) => {
        const { abi, evm } = output.contracts[source][name];
        const codeBytes = evm.deployedBytecode.object.length / 2;
        if (codeBytes > CODE_BYTES_MAX) fail(`${name} has ${codeBytes} bytes of code, chains take ${CODE_BYTES_MAX}`);
        const artifact = { contract: name, compiler: solc.version(), codeBytes, abi, bytecode: `0x${evm.bytecode.object}` };
        return { file, codeBytes, text: `${JSON.stringify(artifact, null, 1)}\n` };
    });
}

function check(artifacts) {
    for (const { file, text } of artifacts) {
        if (read(path.join(here, file), '') !== text) {
            fail(`node/contracts/${file} is not what the sources compile to; run: scripts/contracts.sh build`);
        }
        console.log(`${file}: the sources compile to these very bytes`);
    }
}

function write(artifacts) {
    for (const { file, codeBytes, text } of artifacts) {
        writeFileSync(path.join(here, file), text);
        console.log(`${file}: ${codeBytes} of ${CODE_BYTES_MAX} bytes of code`);
    }
}

function read(file, otherwise) {
    try {
        return readFileSync(file, 'utf8');
    } catch (error) {
        if (otherwise !== undefined && error.code === 'ENOENT') return otherwise;
        throw error;
    }
}

function fail(why) {
    console.error(`contracts: ${why}`);
    process.exit(1);
}

const artifacts = compile();
if (process.argv.includes('--check')) check(artifacts);
else write(artifacts);
