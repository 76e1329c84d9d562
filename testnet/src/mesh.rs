//! A mesh of real nodes on this machine.
//!
//! The first node founds it, the others join by invites. Everything lives in one folder that goes when the
//! mesh is dropped, after all processes have been ended: also when starting it fails halfway.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::{sync::Semaphore, task::JoinSet};
use x0_node::api::view::StatusView;

use crate::{
    node::{Ended, Founding, Node, Place},
    ports,
    programs::Programs,
    relay::{Half, Register, Relay},
    tor_access::TorAccess,
    wait::{Look, until},
};

/// Nodes that start at a time; more would only wait for each other's processors.
const STARTING_MAX: usize = 6;
/// Longest wait until all nodes agree, for a mesh of a few nodes; more nodes get more time.
const SETTLE_PATIENCE: Duration = Duration::from_secs(90);
/// Links every node of a settled mesh has, if there are so many others.
const LINKS_MIN: u32 = 3;
/// Longest wait for killed processes to be gone.
const REAP_PATIENCE: Duration = Duration::from_secs(5);
/// Ports set aside for nodes that stories add.
const SPARE: usize = 10;

/// What a mesh is to be like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// How many nodes.
    pub nodes: usize,
    /// Whether nodes reach each other through a relay that can be cut.
    pub relayed: bool,
    /// How many of the nodes found the mesh together and hold its seats; at least one.
    pub founders: usize,
    /// How many seconds of mesh time pass in one.
    pub time_scale: u32,
    /// The charter it is founded under, as YAML; none for the one that ships.
    pub charter: Option<String>,
    /// What to run.
    pub programs: Programs,
    /// Whether there is a real Tor network beside it, on which every node has an onion service.
    pub tor: bool,
    /// Settings of every node beside the usual ones, as `KEY=VALUE`.
    pub settings: Vec<String>,
}

/// A mesh of running nodes; the first is the founder.
pub struct Mesh {
    /// Declared before the folder: processes end before it goes.
    nodes: Vec<Node>,
    home: TempDir,
    programs: Programs,
    settings: Vec<String>,
    relay: Option<Relay>,
    tor: Option<TorAccess>,
    ports: Vec<u16>,
    named: usize,
}

/// What all nodes agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Active members.
    pub members: u32,
    /// Records known to every one.
    pub records: u64,
}

impl Mesh {
    /// Starts a mesh and waits until all nodes agree; tells of each node that is up.
    ///
    /// # Errors
    ///
    /// Returns what stood in the way; nothing is left behind.
    pub async fn start(plan: &Plan, mut told: impl FnMut(String)) -> Result<Self> {
        let mut mesh = Self::found(plan).await?;
        let founders: Vec<_> = mesh.nodes.iter().map(Node::name).collect();
        told(format!(
            "{} founded the mesh {:?} ({})",
            founders.join(", "),
            plan.name,
            mesh.founder().mesh()?
        ));
        let rest = plan.nodes.saturating_sub(mesh.nodes.len());
        mesh.grow(rest, &mut told).await?;
        mesh.settled().await?;
        Ok(mesh)
    }

    async fn found(plan: &Plan) -> Result<Self> {
        let prefix = format!("x0-testnet-{}-", std::process::id());
        let home = tempfile::Builder::new()
            .prefix(&prefix)
            .rand_bytes(4)
            .tempdir();
        let per_node = if plan.relayed { 2 } else { 1 };
        let tor = match plan.tor {
            true => Some(TorAccess::start().await?),
            false => None,
        };
        let of_tor = tor.iter().flat_map(TorAccess::settings);
        let settings = plan.settings.iter().cloned().chain(of_tor).collect();
        let mut mesh = Self {
            nodes: Vec::new(),
            home: home
                .context("cannot make a folder for the mesh; set TMPDIR to one with space")?,
            programs: plan.programs.clone(),
            settings,
            relay: plan.relayed.then(Relay::new),
            tor,
            ports: ports::free((plan.nodes + SPARE) * per_node)?,
            named: 0,
        };
        let mut founder = mesh.prepare()?;
        let (mut others, mut words) = (Vec::new(), Vec::new());
        for _ in 1..plan.founders {
            let other = mesh.prepare()?;
            words.push(other.founder_word().await?);
            others.push(other);
        }
        let charter = match &plan.charter {
            None => None,
            Some(text) => {
                let file = mesh.home().join("charter.yaml");
                std::fs::write(&file, text)?;
                Some(file.display().to_string())
            }
        };
        let founding = Founding {
            name: &plan.name,
            others: &words,
            time_scale: plan.time_scale,
            charter: charter.as_deref(),
        };
        let up = founder.found(founding, &mesh.register()).await;
        mesh.nodes.push(founder);
        up?;
        if !others.is_empty() {
            mesh.is_ready(mesh.founder()).await?;
        }
        for mut other in others {
            let invite = mesh.founder().invite().await?.invite;
            let up = other.join(&invite, &mesh.register()).await;
            mesh.nodes.push(other);
            up?;
        }
        Ok(mesh)
    }

    /// Waits until a node may write: before that it asks the others for the head of its own chain, and goes on
    /// alone if nobody is there.
    async fn is_ready(&self, node: &Node) -> Result<()> {
        let what = format!("{} to be ready", node.name());
        until(&what, self.patience(), async || {
            Ok(match node.status().await?.ready {
                true => Look::Holds(()),
                false => Look::NotYet("it still asks for the head of its chain".to_owned()),
            })
        })
        .await
    }

    /// Adds nodes, each by an invite of its own, several at a time.
    async fn grow(&mut self, count: usize, told: &mut impl FnMut(String)) -> Result<()> {
        let turns = Arc::new(Semaphore::new(STARTING_MAX));
        let mut starting = JoinSet::new();
        for place in 0..count {
            let mut node = self.prepare()?;
            let invite = self.founder().invite().await?.invite;
            let (turns, register) = (Arc::clone(&turns), self.register());
            starting.spawn(async move {
                let _turn = turns.acquire().await;
                let began = Instant::now();
                let up = node.join(&invite, &register).await;
                (place, node, up, began.elapsed())
            });
        }
        let mut nodes = BTreeMap::new();
        while let Some(started) = starting.join_next().await {
            let (place, node, up, took) = started?;
            up?;
            told(format!(
                "{} joined in {:.1} s",
                node.name(),
                took.as_secs_f64()
            ));
            nodes.insert(place, node);
        }
        self.nodes.extend(nodes.into_values());
        Ok(())
    }

    /// Makes the place for one more node: name, folder, ports, and its door in the relay.
    fn prepare(&mut self) -> Result<Node> {
        self.named += 1;
        let name = format!("n{}", self.named);
        let half = if self.named % 2 == 1 {
            Half::Left
        } else {
            Half::Right
        };
        let Some(port) = self.ports.pop() else {
            bail!("no port is left for another node");
        };
        let (listen, external) = match &mut self.relay {
            // Told by what address others reach it, a node does not tell them its own port: it is known by its
            // door alone.
            Some(relay) => {
                let Some(door) = self.ports.pop() else {
                    bail!("no port is left for another door of the relay");
                };
                relay.open(door, port, half)?;
                (
                    format!("/ip4/127.0.0.1/tcp/{port}"),
                    format!("/ip4/127.0.0.1/tcp/{door}"),
                )
            }
            None => {
                let address = format!("/ip4/127.0.0.1/tcp/{port}");
                (address.clone(), address)
            }
        };
        let dir = self.home.path().join(&name);
        let place = Place {
            name,
            dir,
            listen,
            external,
            half,
            settings: self.settings.clone(),
        };
        Node::new(place, self.programs.clone())
    }
    /// Returns what tells the relay, if there is one, which process is whose.
    fn register(&self) -> Register {
        self.relay.as_ref().map(Relay::register).unwrap_or_default()
    }

    /// Returns the node that founded the mesh.
    ///
    /// # Panics
    ///
    /// Never: a mesh exists from its founder on.
    pub fn founder(&self) -> &Node {
        match self.nodes.first() {
            Some(founder) => founder,
            None => unreachable!("a mesh has its founder"),
        }
    }

    /// Returns all nodes, running or not.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns all nodes that run.
    pub fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.is_running())
    }

    /// Returns a node by its place.
    ///
    /// # Errors
    ///
    /// Returns that the mesh is too small for the story.
    pub fn node(&self, place: usize) -> Result<&Node> {
        let count = self.nodes.len();
        self.nodes
            .get(place)
            .with_context(|| format!("the story needs {} nodes, there are {count}", place + 1))
    }

    /// Returns the folder in which the nodes live.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Returns the programs the mesh is made of.
    pub const fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Returns the Tor network beside the mesh.
    ///
    /// # Errors
    ///
    /// Returns that the mesh was started without one.
    pub fn tor(&self) -> Result<&TorAccess> {
        self.tor
            .as_ref()
            .context("this mesh has no Tor network beside it")
    }

    /// Returns the relay between the halves.
    ///
    /// # Errors
    ///
    /// Returns that the mesh has none.
    pub fn relay(&self) -> Result<&Relay> {
        self.relay
            .as_ref()
            .context("this mesh has no relay between halves")
    }

    /// Prepares a node that is no member yet and runs nothing.
    ///
    /// # Errors
    ///
    /// Returns that there is no room for it.
    pub fn newcomer(&mut self) -> Result<Node> {
        self.prepare()
    }

    /// Lets a newcomer join by an invite; it is a node of the mesh from then on.
    ///
    /// # Errors
    ///
    /// Returns what the newcomer said instead.
    pub async fn admit(&mut self, mut newcomer: Node, invite: &str) -> Result<&Node> {
        newcomer.join(invite, &self.register()).await?;
        self.nodes.push(newcomer);
        self.node(self.nodes.len() - 1)
    }

    /// Tries to join by an invite that must not work.
    ///
    /// # Errors
    ///
    /// Returns that the attempt could not be made.
    pub async fn try_invite(&mut self, invite: &str) -> Result<Ended> {
        self.prepare()?
            .run_to_end(&["join", "--no-run", invite])
            .await
    }

    /// Kills a node as a crash would.
    ///
    /// # Errors
    ///
    /// Returns that the system does not let it.
    pub async fn crash(&mut self, place: usize) -> Result<()> {
        self.node(place)?;
        self.nodes[place].kill().await
    }

    /// Stops a node cleanly.
    ///
    /// # Errors
    ///
    /// Returns that it did not end well.
    pub async fn stop(&mut self, place: usize) -> Result<()> {
        self.node(place)?;
        self.nodes[place].stop().await
    }

    /// Starts a node again with what is on its disk, and waits until it may write.
    ///
    /// # Errors
    ///
    /// Returns what it said instead of coming up.
    pub async fn restart(&mut self, place: usize) -> Result<()> {
        self.node(place)?;
        let register = self.register();
        self.nodes[place].run(&register).await?;
        self.is_ready(self.node(place)?).await
    }

    /// Adds a setting to a node, which counts from its next start on.
    ///
    /// # Errors
    ///
    /// Returns that there is no such node.
    pub fn set(&mut self, place: usize, setting: String) -> Result<()> {
        self.node(place)?;
        self.nodes[place].set(setting);
        Ok(())
    }

    /// Waits until every running node is ready, is linked, and knows as many members and records as all others.
    ///
    /// # Errors
    ///
    /// Returns who differed when patience ended.
    pub async fn settled(&self) -> Result<Agreed> {
        let running: Vec<&Node> = self.running().collect();
        let others = u32::try_from(running.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let links_min = LINKS_MIN.min(others);
        until("all nodes to agree", self.patience(), async || {
            let mut seen = Vec::new();
            for node in &running {
                seen.push((node.name(), node.status().await?));
            }
            Ok(
                agreed(&seen, links_min)
                    .map_or_else(|| Look::NotYet(differing(&seen)), Look::Holds),
            )
        })
        .await
    }

    /// Waits until every running node knows all of some records.
    ///
    /// # Errors
    ///
    /// Returns who lacked how many when patience ended.
    pub async fn all_know(&self, records: &[String]) -> Result<()> {
        let mut lacking: Vec<(&Node, Vec<&String>)> = self
            .running()
            .map(|node| (node, records.iter().collect()))
            .collect();
        let what = format!("{} records to reach all nodes", records.len());
        until(&what, self.patience(), async || {
            for (node, lacks) in &mut lacking {
                while let Some(record) = lacks.last() {
                    if !node.knows(record).await? {
                        break;
                    }
                    lacks.pop();
                }
            }
            lacking.retain(|(_, lacks)| !lacks.is_empty());
            if lacking.is_empty() {
                return Ok(Look::Holds(()));
            }
            let words = lacking
                .iter()
                .map(|(node, lacks)| format!("{} lacks up to {}", node.name(), lacks.len()));
            Ok(Look::NotYet(words.collect::<Vec<_>>().join(", ")))
        })
        .await
    }

    /// Returns how long this mesh may take to agree on something.
    pub fn patience(&self) -> Duration {
        SETTLE_PATIENCE
            + Duration::from_secs(3) * u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    /// Stops all nodes cleanly and removes the folder.
    ///
    /// # Errors
    ///
    /// Returns the first node that did not stop well; the others are ended all the same.
    pub async fn close(mut self) -> Result<()> {
        let mut stopping = JoinSet::new();
        for mut node in self.nodes.drain(..) {
            stopping.spawn(async move { node.stop().await });
        }
        let mut outcome = Ok(());
        while let Some(stopped) = stopping.join_next().await {
            outcome = outcome.and(stopped?);
        }
        outcome
    }
}

impl Drop for Mesh {
    /// Ends every process before the folder is removed.
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.start_kill();
        }
        let deadline = Instant::now() + REAP_PATIENCE;
        while !self.nodes.iter_mut().all(Node::has_ended) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn agreed(seen: &[(&str, StatusView)], links_min: u32) -> Option<Agreed> {
    let (_, first) = seen.first()?;
    let agreed = Agreed {
        members: first.members,
        records: first.records,
    };
    let agrees = |status: &StatusView| {
        status.ready
            && status.links >= links_min
            && status.members as usize == seen.len()
            && status.orphans == 0
            && (Agreed {
                members: status.members,
                records: status.records,
            }) == agreed
    };
    seen.iter()
        .all(|(_, status)| agrees(status))
        .then_some(agreed)
}

fn differing(seen: &[(&str, StatusView)]) -> String {
    let words = seen.iter().map(|(name, status)| {
        let ready = if status.ready { "" } else { " not ready" };
        format!(
            "{name}{ready} {} members {} records {} links",
            status.members, status.records, status.links
        )
    });
    words.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn nodes_agree_only_when_all_are_ready_and_know_as_much() {
        let (a, b) = (status(2, 7), status(2, 7));
        assert_eq!(
            agreed(&[("a", a.clone()), ("b", b)], 1),
            Some(Agreed {
                members: 2,
                records: 7
            })
        );

        for other in [
            status(2, 8),
            status(1, 7),
            StatusView {
                ready: false,
                ..status(2, 7)
            },
        ] {
            assert_eq!(agreed(&[("a", a.clone()), ("b", other)], 1), None);
        }
        assert_eq!(
            agreed(&[("a", a.clone()), ("b", a)], 2),
            None,
            "too few links"
        );
    }

    fn status(members: u32, records: u64) -> StatusView {
        serde_json::from_value(serde_json::json!({
            "node": "", "capability_root": "", "mesh": "", "name": "", "rules": 1, "time_scale": 1,
            "member": true, "ready": true, "members": members, "links": 1, "links_target": 8,
            "records": records, "orphans": 0, "audit_size": 0, "last_repair_ms": null, "uptime_secs": 0,
            "trust": {"has_committee": false, "cosign_waiting": 0},
            "protection": []
        }))
        .unwrap()
    }
}
