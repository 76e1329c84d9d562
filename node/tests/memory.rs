//! What memory a node takes when much goes through it: content that a program hands over, and that five peers fetch at once.
#![allow(clippy::unwrap_used, reason = "a test says by it what did not come")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use futures::{StreamExt as _, stream};
use x0_node::{api::sublime::StoredView, cli::client::Client, sublime::frames};
use x0_tiers::{Block, Cid, IpfsConfig, IpfsTier, Multiaddr, RAW, Tier as _};

const CHUNK_BYTES: usize = 256 << 10;
/// 256 MiB in calls of 16 MiB less a bit, two of them at a time, as `x0 sublime put` makes them.
const CALLS: u64 = 16;
const CHUNKS_OF_A_CALL: u64 = 63;
const CALLS_AT_A_TIME: usize = 2;
const PEERS: usize = 5;
/// Blocks that each peer waits for at a time, as a guardian's node does.
const WANTED_AT_A_TIME: usize = 64;
/// An idle node takes 70 MiB, this one 111, and 134 with a heap that is left to itself; 275 when bodies were put together too,
/// and four times as much was handed over.
const PEAK_BYTES_MAX: u64 = 200 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_takes_less_than_200_mib_while_it_is_handed_content_and_five_peers_fetch_it() {
    let dir = tempfile::tempdir().unwrap();
    let (node, address) = start(dir.path());
    let client = Client::new(dir.path().join("x0.sock"), None);

    let uploads = stream::iter(0..CALLS).map(|call| {
        let client = client.clone();
        async move {
            let (mut body, mut names) = (Vec::new(), Vec::new());
            for chunk in 0..CHUNKS_OF_A_CALL {
                let block = block(call * CHUNKS_OF_A_CALL + chunk);
                frames::push(&mut body, block.cid(), block.bytes());
                names.push(*block.cid());
            }
            let stored: StoredView = client.upload("/v1/sublime/blocks", body).await.unwrap();
            assert_eq!(stored.blocks, names.len());
            names
        }
    });
    let names: Vec<Vec<Cid>> = uploads.buffered(CALLS_AT_A_TIME).collect().await;
    let names = names.concat();
    let handed_over = node.peak_bytes();

    let peers = (0..PEERS).map(|_| tokio::spawn(fetch(address.clone(), names.clone())));
    for peer in peers.collect::<Vec<_>>() {
        peer.await.unwrap();
    }
    let peak = node.peak_bytes();
    let (handed_over, in_all) = (handed_over >> 20, peak >> 20);
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{handed_over} MiB when all was stored, {in_all} MiB in all"
    )
    .unwrap();
    assert!(peak < PEAK_BYTES_MAX, "{in_all} MiB");
}

/// Fetches all blocks without keeping any.
async fn fetch(from: Multiaddr, names: Vec<Cid>) {
    let dir = tempfile::tempdir().unwrap();
    let tier = IpfsTier::start(IpfsConfig::new(dir.path().to_owned()));
    let tier = Arc::new(tier.await.unwrap());
    tier.connect(from).await.unwrap();
    let count = names.len();
    let fetched = stream::iter(names)
        .map(|name| {
            let tier = Arc::clone(&tier);
            async move { tier.get(&name).await.unwrap().bytes().len() }
        })
        .buffer_unordered(WANTED_AT_A_TIME);
    let bytes = fetched
        .fold(0, |sum, bytes| async move { sum + bytes })
        .await;
    assert_eq!(bytes, count * CHUNK_BYTES);
    tier.close().await;
}

/// A chunk that is like no other.
fn block(number: u64) -> Block {
    let mut bytes = vec![0; CHUNK_BYTES];
    getrandom::fill(&mut bytes).unwrap();
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Block::named(RAW, bytes.into()).unwrap()
}

struct Node(Child);

impl Node {
    fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.unwrap().trim().strip_suffix(" kB").unwrap();
        kib.parse::<u64>().unwrap() << 10
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a node that is a mesh by itself; returns it, and where its IPFS node listens, once it is up.
fn start(dir: &Path) -> (Node, Multiaddr) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let address = format!("/ip4/127.0.0.1/tcp/{}", free.unwrap().port());
    let x0 = |arguments: &[&str]| {
        let mut x0 = Command::new(env!("CARGO_BIN_EXE_x0"));
        x0.env_remove("X0_HOME").arg("--json").arg("--data-dir");
        x0.arg(dir).args(arguments);
        x0
    };
    let founded = x0(&["genesis", "--name", "memory"]).output().unwrap();
    assert!(founded.status.success(), "{founded:?}");
    let listen = format!("sublime.listen={address}");
    let mut run = x0(&["run", "--listen", "/ip4/127.0.0.1/tcp/0", "--http", "off"]);
    for setting in ["gateway.listen=off", "charter.probe=manual", &listen] {
        run.args(["--set", setting]);
    }
    let mut child = run.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let node = Node(child);
    let is_up = |line: &String| line.contains("\"ready\":true");
    assert!(lines.map(Result::unwrap).any(|line| is_up(&line)));
    (node, address.parse().unwrap())
}
