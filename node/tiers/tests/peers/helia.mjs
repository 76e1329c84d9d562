// A real Helia node (js-libp2p), confined to the loopback, driven by lines.
//
// TCP under TLS and yamux, Bitswap, identify, ping; no DHT, no bootstrap, no discovery. One line of JSON says who and where it
// is, and each line of standard input is a command that is answered by one line of JSON:
//
//     connect ADDRESS    fetch CID (a tree: answers how many blocks and bytes came)    make SEED LEAVES (a tree: answers its root)
import { createInterface } from 'node:readline'
import { createHash } from 'node:crypto'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import * as dagCbor from '@ipld/dag-cbor'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import { create as digest } from 'multiformats/hashes/digest'

const RAW = 0x55
const SHA2_256 = 0x12
const say = (what) => process.stdout.write(JSON.stringify(what) + '\n')
const name = (codec, bytes) =>
  CID.createV1(codec, digest(SHA2_256, createHash('sha256').update(bytes).digest()))

const light = createHeliaLight({ datastore: new MemoryDatastore(), blockstore: new MemoryBlockstore() })
const built = withBitswap(withLibp2pLight(light, {
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [tls()],
  streamMuxers: [yamux()],
  peerDiscovery: [],
  connectionGater: { denyDialMultiaddr: (address) => !address.toString().startsWith('/ip4/127.') },
  services: { identify: identify(), ping: ping() }
}))
const helia = (await built.start()) ?? built

// The bytes of a block; newer versions of the store hand them out in pieces.
async function bytes (cid) {
  const got = helia.blockstore.get(cid)
  if (got instanceof Promise) return got
  const pieces = []
  for await (const piece of got) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function fetch (cid) {
  const block = await bytes(cid)
  if (!name(cid.code, block).equals(cid)) throw new Error(`${cid} came as something else`)
  const sum = { blocks: 1, bytes: block.length }
  if (cid.code !== dagCbor.code) return sum
  const under = await Promise.all(dagCbor.decode(block).chunks.map(fetch))
  for (const { blocks, bytes } of under) {
    sum.blocks += blocks
    sum.bytes += bytes
  }
  return sum
}

async function put (codec, block) {
  const cid = name(codec, block)
  await helia.blockstore.put(cid, block)
  return cid
}

async function make (seed, leaves) {
  const chunks = []
  for (let leaf = 0; leaf < leaves; leaf++) {
    // Bytes that do not repeat, as ciphertext.
    const pieces = []
    for (let piece = 0; piece < 8192; piece++) {
      pieces.push(createHash('sha256').update(`${seed} ${leaf} ${piece}`).digest())
    }
    chunks.push(await put(RAW, Buffer.concat(pieces)))
  }
  return (await put(dagCbor.code, dagCbor.encode({ chunks }))).toString()
}

const commands = {
  connect: async ([address]) => (await helia.libp2p.dial(multiaddr(address))).remotePeer.toString(),
  fetch: async ([cid]) => fetch(CID.parse(cid)),
  make: async ([seed, leaves]) => make(seed, Number(leaves))
}

say({ peer: helia.libp2p.peerId.toString(), addresses: helia.libp2p.getMultiaddrs().map(String) })
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...words] = line.split(' ')
  try {
    say({ answer: await commands[command](words) })
  } catch (error) {
    say({ error: String(error?.stack ?? error) })
  }
}
process.exit(0)
