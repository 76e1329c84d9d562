// Makes node/src/snapshot/tests/vectors.json: what the voting service's own client signs with the key 0x11…11.
// The messages, the key and the way of signing are fixed, so every run gives the same bytes.
//
//   mkdir scratch && cd scratch
//   npm install @snapshot-labs/snapshot.js@0.17.5 @ethersproject/wallet@5.8.0
//   node WHERE-THE-REPOSITORY-IS/scripts/snapshot-vectors.mjs > vectors.json

import { createRequire } from 'node:module';
import { join } from 'node:path';

// Packages are taken from the folder the script is run in, not from the one it lies in.
const installed = createRequire(join(process.cwd(), 'here.js'));
const client = installed('@snapshot-labs/snapshot.js');
const snapshot = client.default ?? client;
const { Wallet } = installed('@ethersproject/wallet');

const wallet = new Wallet('0x' + '11'.repeat(32));
const from = wallet.address;
const space = 'probe.eth';
const timestamp = 1700000000;
const app = 'probe';

// The client signs and hands in, in one step: the envelopes are kept here in place of handing them in.
const envelopes = [];
const signing = new snapshot.Client712('http://127.0.0.1:1');
signing.send = async (envelope) => envelopes.push(envelope);

await signing.proposal(wallet, from, {
  from, space, timestamp,
  type: 'single-choice', title: 'T', body: 'B', discussion: '', choices: ['Yes', 'No'], labels: [],
  start: timestamp, end: timestamp + 3600, snapshot: 1, plugins: '{}', app, privacy: '',
});

// A proposal goes by its hash; the votes are on this one, one in each form that a choice is signed in.
const proposal = snapshot.utils.getHash(envelopes[0].data);
for (const [type, choice, reason] of [
  ['single-choice', 1, 'r'],
  ['approval', [1, 2], ''],
  ['weighted', { 1: 1, 2: 3 }, ''],
]) {
  await signing.vote(wallet, from, { from, space, timestamp, proposal, type, choice, reason, app, metadata: '{}' });
}

process.stdout.write(JSON.stringify(envelopes, null, 1) + '\n', () => process.exit(0));
