// A gateway of Arweave (arlocal) and before it a bundler, on free ports of the loopback, for the tests of the tier.
//     node gateway.mjs DIR          keeps its files in DIR, writes two wallets there and prints where it listens
// Ends when its standard input does. What items are worth is for arbundles to say and what bundles are worth for arlocal:
// the bundler only carries them from one to the other, in the way of the upload service that ArDrive runs (POST /v1/tx).
import http from 'node:http';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

// Packages are where scripts/setup.sh put them, not beside this file.
const require = createRequire(path.join(process.env.X0_ARWEAVE_PACKAGES, 'package.json'));
const ArLocal = require('arlocal').default;
const Arweave = require('arweave');
const { Bundle, DataItem } = require('arbundles');

const ITEM_BYTES_MAX = 4 * 1024 * 1024;
const RICH_WINSTON = 1e15;

const [dir] = process.argv.slice(2);
// What arlocal writes about is not for the one who reads the addresses below.
const say = console.log;
console.log = console.error;
process.stdin.resume().on('end', () => process.exit(0));
// It leaves a file of logs wherever it is.
process.chdir(dir);

const arlocal = new ArLocal(1, false, path.join(dir, 'arlocal'), false);
// A free port: it would take zero for its default if it were told at once.
arlocal.port = 0;
await arlocal.start();
const server = arlocal.getServer();
if (!server.listening) await new Promise((listening) => server.once('listening', listening));
const { port } = server.address();
const gateway = `http://127.0.0.1:${port}`;
const arweave = Arweave.init({ host: '127.0.0.1', port, protocol: 'http', timeout: 20000, logging: false });

const bundlersWallet = await wallet('bundler.json', RICH_WINSTON);
await wallet('rich.json', RICH_WINSTON);
await wallet('poor.json', 1);

const taken = new Set();
const bundler = http.createServer((request, response) => {
  take(request).then(
    ([status, answer]) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer)),
    (error) => response.writeHead(503).end(String(error)),
  );
});
await new Promise((listening) => bundler.listen(0, '127.0.0.1', listening));
say(JSON.stringify({ gateway, bundler: `http://127.0.0.1:${bundler.address().port}/v1/tx` }));

// A key of 4096 bits takes seconds to find: those of the tests, which are worth nothing, are kept beside the packages.
async function wallet(name, winston) {
  const kept = path.join(process.env.X0_ARWEAVE_PACKAGES, name);
  if (!fs.existsSync(kept)) {
    const made = `${kept}.${process.pid}`;
    fs.writeFileSync(made, JSON.stringify(await arweave.wallets.generate()), { mode: 0o600 });
    fs.renameSync(made, kept);
  }
  // Another test may be putting its own in place; each goes by its copy.
  const own = path.join(dir, name);
  fs.copyFileSync(kept, own);
  const jwk = JSON.parse(fs.readFileSync(own, 'utf8'));
  await mint(await arweave.wallets.jwkToAddress(jwk), winston);
  return jwk;
}

async function mint(address, winston) {
  await arweave.api.get(`mint/${address}/${winston}`);
}

async function take(request) {
  if (request.method !== 'POST' || request.url !== '/v1/tx') return [404, { error: 'Not Found' }];
  if (request.headers['content-type'] !== 'application/octet-stream') return [400, { error: 'Invalid Content Type' }];
  const pieces = [];
  let length = 0;
  for await (const piece of request) {
    length += piece.length;
    if (length > ITEM_BYTES_MAX) return [400, { error: 'Data item is too large' }];
    pieces.push(piece);
  }
  const bytes = Buffer.concat(pieces);
  const isValid = await DataItem.verify(bytes).catch(() => false);
  if (!isValid) return [400, { error: 'Invalid Data Item!' }];
  const item = new DataItem(bytes);
  if (taken.has(item.id)) return [202, {}];
  await bundle(item);
  taken.add(item.id);
  return [200, { id: item.id, owner: await arweave.wallets.ownerToAddress(item.owner), dataCaches: [], fastFinalityIndexes: [] }];
}

async function bundle(item) {
  // arlocal keeps the items of those only who have a wallet with it.
  await mint(await arweave.wallets.ownerToAddress(item.owner), 1);
  const header = Buffer.alloc(96);
  header.writeUInt32LE(1, 0);
  header.writeUInt32LE(item.getRaw().length, 32);
  item.rawId.copy(header, 64);
  const bundled = new Bundle(Buffer.concat([header, item.getRaw()]));
  const transaction = await bundled.toTransaction({}, arweave, bundlersWallet);
  await arweave.transactions.sign(transaction, bundlersWallet);
  const { status } = await arweave.api.post('tx', transaction);
  if (status !== 200) throw new Error(`the gateway answers ${status}`);
  await arweave.api.get('mine');
}
