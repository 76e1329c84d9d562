// The client of Arweave that is not ours, for the tests of the tier:
//     node client.mjs GATEWAY CID     prints the items that carry the tag, as the client reads them, one JSON a line
//     node client.mjs GATEWAY --check  reads an item from its standard input and prints what arbundles makes of it
import path from 'node:path';
import { createRequire } from 'node:module';

const require = createRequire(path.join(process.env.X0_ARWEAVE_PACKAGES, 'package.json'));
const Arweave = require('arweave');
const { DataItem } = require('arbundles');

const [gateway, what] = process.argv.slice(2);
const { hostname, port } = new URL(gateway);
const arweave = Arweave.init({ host: hostname, port, protocol: 'http', timeout: 20000, logging: false });

if (what === '--check') {
  const pieces = [];
  for await (const piece of process.stdin) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  const item = new DataItem(bytes);
  const isValid = await DataItem.verify(bytes);
  console.log(JSON.stringify({ isValid, id: item.id, tags: item.tags, kind: item.signatureType, data: item.rawData.toString('hex') }));
} else {
  const query = `{ transactions(tags: [{name: "IPFS-CID", values: ["${what}"]}]) { edges { node { id tags { name value } owner { address } } } } }`;
  const { data } = await arweave.api.post('graphql', { query });
  for (const { node } of data.data.transactions.edges) {
    const bytes = await arweave.transactions.getData(node.id, { decode: true });
    console.log(JSON.stringify({ ...node, data: Buffer.from(bytes).toString('hex') }));
  }
}
