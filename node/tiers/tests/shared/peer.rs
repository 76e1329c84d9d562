//! A node of IPFS that others wrote: a program that is driven by lines and answers in JSON, ended with the test.

#![allow(dead_code, reason = "each test drives one of them")]

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use libp2p::multiaddr::Protocol;
use serde_json::Value;
use x0_tiers::{Multiaddr, PeerId};

const INSTALL: &str = "Install it: scripts/setup.sh test";

pub(crate) struct Peer {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    pub(crate) id: PeerId,
    /// With the peer id.
    pub(crate) addresses: Vec<Multiaddr>,
}

impl Peer {
    /// Starts Kubo with a repository in a folder.
    pub(crate) fn kubo(dir: &Path) -> Self {
        let python = target().join("tools/bin/python");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/kubo.py");
        let mut kubo = Command::new(python);
        kubo.arg(script).arg(dir.join("kubo"));
        Self::start(kubo, "Kubo")
    }

    /// Starts Helia.
    pub(crate) fn helia() -> Self {
        let installed = target().join("ipfs-peers");
        let mut helia = Command::new(installed.join("bin/node"));
        // As a text, so that it finds its packages where it is run rather than where it stands.
        let script = include_str!("../peers/helia.mjs");
        helia.args(["--input-type=module", "--eval", script]);
        helia.current_dir(installed);
        Self::start(helia, "Helia")
    }

    fn start(mut program: Command, name: &str) -> Self {
        let mut child = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|cause| panic!("{name} does not start: {cause}\n{INSTALL}"));
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let Some(Ok(first)) = answers.next() else {
            panic!("{name} ended before it said where it is; the reason is above\n{INSTALL}");
        };
        let first: Value = serde_json::from_str(&first).unwrap();
        let id: PeerId = first["peer"].as_str().unwrap().parse().unwrap();
        let with_id = |address: &Value| {
            let address: Multiaddr = address.as_str().unwrap().parse().unwrap();
            match address.iter().last() {
                Some(Protocol::P2p(_)) => address,
                _ => address.with(Protocol::P2p(id)),
            }
        };
        Self {
            child,
            orders,
            answers,
            id,
            addresses: first["addresses"]
                .as_array()
                .unwrap()
                .iter()
                .map(with_id)
                .collect(),
        }
    }

    /// Gives an order, and waits until it is carried out.
    pub(crate) fn order(&mut self, order: &str) -> Value {
        tokio::task::block_in_place(|| {
            writeln!(self.orders, "{order}").unwrap();
            let line = self.answers.next().expect("it runs").unwrap();
            let mut said: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(said["error"], Value::Null, "{order}");
            said["answer"].take()
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tests stand two folders below.
fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(3).unwrap().to_owned()
}
