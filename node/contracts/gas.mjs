// Measures what each act costs on a real chain and writes the table into a page, between its two marks.
//     node gas.mjs FILE
import { readFileSync, writeFileSync } from 'node:fs';
import { decide, deployCharter, deployCode, ethers, metric, rests, startChain } from './chain.mjs';

const BEGIN = '<!-- gas: written by scripts/contracts.sh gas -->';
const END = '<!-- end of gas -->';

const [file] = process.argv.slice(2);
const page = readFileSync(file, 'utf8');
const [head, rest] = page.split(BEGIN);
const tail = rest?.split(END)[1];
if (tail === undefined) throw new Error(`${file} lacks the line ${BEGIN} or ${END}`);

const chain = await startChain();
try {
    const rows = await measure(await chain.provider.getSigner(0));
    const width = Math.max(...rows.map(([what]) => what.length));
    const lines = rows.map(([what, gas]) => `| ${what.padEnd(width)} | ${gas.toLocaleString('en').padStart(11)} |`);
    const table = [`| ${'act'.padEnd(width)} | ${'gas'.padStart(11)} |`, `|${'-'.repeat(width + 2)}|${'-'.repeat(12)}:|`, ...lines].join('\n');
    writeFileSync(file, `${head}${BEGIN}\n${table}\n${END}${tail}`);
    console.log(table);
} finally {
    chain.stop();
}

// A committee of 5 with 3 signatures, unless it says otherwise; keys are fixed, so that the numbers are.
async function measure(payer) {
    const members = Array.from({ length: 15 }, (_, i) => new ethers.Wallet(ethers.id(`member ${i}`)));
    const [five, three] = [members.slice(0, 5), members.slice(0, 3)];
    const cid = ethers.hexlify(new Uint8Array(36).fill(1));
    const rows = [];
    const note = (what, receipt) => rows.push([what, Number(receipt.gasUsed)]);

    const { code, charter } = await deployCharter(payer, five, 3);
    note('deploy the code', await code.deploymentTransaction().wait());
    note('deploy the charter with 5 members', await chain.provider.getTransactionReceipt(await creationOf(charter)));

    const names = Array.from({ length: 200 }, (_, i) => metric(`layer_metric_${String(i).padStart(4, '0')}`));
    const long = Array.from({ length: 50 }, (_, i) => metric(`${'layer_'.repeat(12)}${i}`));
    const batches = [
        { metrics: names, patterns: [] },
        { metrics: long, patterns: [] },
        { metrics: [], patterns: Array.from({ length: 50 }, (_, i) => `user_${i}_*`) },
    ];
    const hashes = rests(batches);
    note('stage a charter', await decide(charter, three, 'stage', [1, cid, hashes[0]]));
    const loaded = [];
    for (const [i, batch] of batches.entries()) loaded.push(await (await charter.load(batch, hashes[i + 1])).wait());
    note('load 200 names of 17 bytes', loaded[0]);
    rows.push(['- for each', Math.round(Number(loaded[0].gasUsed) / 200)]);
    rows.push(['- for each of 73 bytes', Math.round(Number(loaded[1].gasUsed) / 50)]);
    rows.push(['- for each blocked pattern', Math.round(Number(loaded[2].gasUsed) / 50)]);
    rows.push(['10,000 names of 17 bytes in all, in 50 batches', Number(loaded[0].gasUsed) * 50]);
    note('activate it', await decide(charter, three, 'activate', [1, hashes[0]]));
    rows.push(['verdict on a name, asked by another contract', Number(await charter.verdict.estimateGas('layer_metric_0042')) - 21_000]);

    const penalty = { banDays: 365, probationDays: 0, fine: 100_000, removal: false, deletion: false, referral: false };
    const violation = {
        id: ethers.id('entry'), evidence: cid, kind: 'silent-collection', subject: ethers.id('subject'), finding: 1, penalty,
        recordedAt: 0, revisedAt: 0,
    };
    note('enter a violation', await decide(charter, three, 'recordViolation', [violation]));
    note('revise it', await decide(charter, three, 'reviseViolation', [violation.id, cid, 2, { ...penalty, banDays: 0, fine: 0 }]));
    const newer = await deployCode(payer, 'test/CharterV2');
    note('upgrade the code', await decide(charter, three, 'upgradeToAndCall', [await newer.getAddress(), '0x']));
    note('pass to a committee of 15', await decide(charter, three, 'setCommittee', [members.map((member) => member.address), 8]));
    note('stage a charter with 8 signatures of 15', await decide(charter, members.slice(0, 8), 'stage', [2, cid, hashes[0]]));
    return rows;
}

// The transaction that made a charter: the one that its first event came from.
async function creationOf(charter) {
    const [first] = await charter.queryFilter('*');
    return first.transactionHash;
}
