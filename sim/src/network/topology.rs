//! Who is linked to whom: a mesh like that of gossipsub, and the links beside it.
//!
//! gossipsub v1.1 keeps between `D_lo` = 6 and `D_hi` = 12 mesh neighbours around a target of D = 8
//! (libp2p specification, pubsub/gossipsub, section "Parameters"). Here the mesh is the union of
//! three random cycles — hence connected, and with the smallest degree — and of random links up to
//! the mean degree. Beside it each node has about twelve plain neighbours, to which lazy repair
//! advertises.
//!
//! The mesh is fixed for a run: grafting and pruning are not modelled, so a node that is down leaves
//! its neighbours with fewer links until it is back.

use crate::random::{Purpose, Seed, Stream};

/// Fewest mesh neighbours of a node.
pub const MESH_DEGREE_MIN: u32 = 6;
/// Mesh neighbours of a node on average.
pub const MESH_DEGREE_MEAN: u32 = 8;
/// Most mesh neighbours of a node.
pub const MESH_DEGREE_MAX: u32 = 12;
/// Neighbours outside the mesh, at most and nearly always; an assumption of this model.
pub const LAZY_DEGREE: u32 = 12;

/// The links between the nodes of a run.
pub struct Topology {
    /// Links over which messages are pushed.
    pub mesh: Graph,
    /// Links over which messages are advertised only.
    pub lazy: Graph,
}

impl Topology {
    /// Links `nodes` nodes at random; the same seed gives the same links.
    ///
    /// # Panics
    ///
    /// Panics if the mesh it made is not connected, which its construction excludes.
    pub fn new(seed: Seed, nodes: u32) -> Self {
        let mut mesh = Builder::new(nodes, MESH_DEGREE_MAX);
        mesh.cycles(
            MESH_DEGREE_MIN / 2,
            None,
            &mut seed.stream(Purpose::MeshLinks, 0),
        );
        mesh.fill(MESH_DEGREE_MEAN, &mut seed.stream(Purpose::MeshLinks, 1));
        mesh.lift(MESH_DEGREE_MIN, &mut seed.stream(Purpose::MeshLinks, 2));
        let mesh = mesh.finish();
        assert!(
            mesh.is_connected(),
            "a union of cycles through all nodes is connected"
        );

        let mut lazy = Builder::new(nodes, LAZY_DEGREE);
        lazy.cycles(
            LAZY_DEGREE / 2,
            Some(&mesh),
            &mut seed.stream(Purpose::LazyLinks, 0),
        );
        Self {
            mesh,
            lazy: lazy.finish(),
        }
    }

    /// Returns how many nodes there are.
    pub fn nodes(&self) -> u32 {
        self.mesh.nodes()
    }
}

/// An undirected graph as compressed sparse rows: 4 bytes a node and 8 a link.
pub struct Graph {
    offsets: Vec<u32>,
    targets: Vec<u32>,
}

impl Graph {
    /// Returns a node's neighbours, in ascending order.
    #[inline]
    pub fn neighbours(&self, node: u32) -> &[u32] {
        let (from, to) = (self.offsets[node as usize], self.offsets[node as usize + 1]);
        &self.targets[from as usize..to as usize]
    }

    /// Returns how many nodes there are.
    pub fn nodes(&self) -> u32 {
        // Offsets are one more than the nodes, which are counted in 32 bits.
        (self.offsets.len() - 1) as u32
    }

    /// Tells whether every node can be reached from every other.
    pub fn is_connected(&self) -> bool {
        let mut seen = vec![false; self.nodes() as usize];
        let mut reached = 0;
        let mut stack = Vec::from_iter((self.nodes() > 0).then_some(0));
        while let Some(node) = stack.pop() {
            if !core::mem::replace(&mut seen[node as usize], true) {
                reached += 1;
                stack.extend(self.neighbours(node));
            }
        }
        reached == self.nodes()
    }
}

/// A graph under construction: a row of fixed width per node.
struct Builder {
    nodes: u32,
    width: u32,
    rows: Vec<u32>,
    degrees: Vec<u8>,
    links: u64,
}

impl Builder {
    fn new(nodes: u32, width: u32) -> Self {
        let cells = nodes as usize * width as usize;
        Self {
            nodes,
            width,
            rows: vec![0; cells],
            degrees: vec![0; nodes as usize],
            links: 0,
        }
    }

    fn row(&self, node: u32) -> &[u32] {
        let start = node as usize * self.width as usize;
        &self.rows[start..start + usize::from(self.degrees[node as usize])]
    }

    fn is_full(&self, node: u32) -> bool {
        u32::from(self.degrees[node as usize]) == self.width
    }

    /// Links two nodes unless they are one, linked already, or full.
    fn link(&mut self, a: u32, b: u32) {
        if a == b || self.is_full(a) || self.is_full(b) || self.row(a).contains(&b) {
            return;
        }
        for (from, to) in [(a, b), (b, a)] {
            let degree = &mut self.degrees[from as usize];
            self.rows[from as usize * self.width as usize + usize::from(*degree)] = to;
            *degree += 1;
        }
        self.links += 1;
    }

    /// Adds random cycles through all nodes, leaving out links that `other` has.
    fn cycles(&mut self, cycles: u32, other: Option<&Graph>, stream: &mut Stream) {
        let mut order: Vec<u32> = (0..self.nodes).collect();
        for _ in 0..cycles {
            stream.shuffle(&mut order);
            for (index, &a) in order.iter().enumerate() {
                let b = order[(index + 1) % order.len()];
                let taken = other.is_some_and(|other| other.neighbours(a).contains(&b));
                if !taken {
                    self.link(a, b);
                }
            }
        }
    }

    /// Adds random links up to a mean degree; a small graph may fall short of it.
    fn fill(&mut self, degree_mean: u32, stream: &mut Stream) {
        let wanted = u64::from(self.nodes) * u64::from(degree_mean) / 2;
        for _ in 0..wanted {
            if self.links >= wanted {
                return;
            }
            let (a, b) = (stream.below(self.nodes), stream.below(self.nodes));
            self.link(a, b);
        }
    }

    /// Gives every node a least degree, as far as there are nodes enough.
    fn lift(&mut self, degree_min: u32, stream: &mut Stream) {
        let degree_min = degree_min.min(self.nodes.saturating_sub(1));
        for node in 0..self.nodes {
            let first = stream.below(self.nodes);
            for step in 0..self.nodes {
                if u32::from(self.degrees[node as usize]) >= degree_min {
                    break;
                }
                let other = (u64::from(first) + u64::from(step)) % u64::from(self.nodes);
                // Below `nodes`, which has 32 bits.
                self.link(node, other as u32);
            }
        }
    }

    fn finish(self) -> Graph {
        let mut offsets = Vec::with_capacity(self.nodes as usize + 1);
        // Twice the links: below 2^32 for 100 million nodes.
        let mut targets = Vec::with_capacity(self.links as usize * 2);
        offsets.push(0);
        for node in 0..self.nodes {
            let from = targets.len();
            targets.extend_from_slice(self.row(node));
            targets[from..].sort_unstable();
            offsets.push(targets.len() as u32);
        }
        Graph { offsets, targets }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn degrees(graph: &Graph) -> Vec<u32> {
        (0..graph.nodes())
            .map(|node| graph.neighbours(node).len() as u32)
            .collect()
    }

    #[test]
    fn the_mesh_keeps_gossipsubs_degrees() {
        for nodes in [20, 100, 1_000, 50_000] {
            let mesh = Topology::new(Seed(5), nodes).mesh;
            let degrees = degrees(&mesh);
            let mean = f64::from(degrees.iter().sum::<u32>()) / f64::from(nodes);
            assert!(
                degrees
                    .iter()
                    .all(|d| (MESH_DEGREE_MIN..=MESH_DEGREE_MAX).contains(d))
            );
            assert!(
                (7.0..=8.1).contains(&mean),
                "mean degree {mean} of {nodes} nodes"
            );
            assert!(mesh.is_connected());
        }
    }

    #[test]
    fn links_go_both_ways_and_never_to_oneself() {
        let topology = Topology::new(Seed(9), 500);
        for graph in [&topology.mesh, &topology.lazy] {
            for node in 0..500 {
                let row = graph.neighbours(node);
                assert!(row.windows(2).all(|pair| pair[0] < pair[1]), "a link twice");
                assert!(!row.contains(&node));
                assert!(
                    row.iter()
                        .all(|&other| graph.neighbours(other).contains(&node))
                );
            }
        }
    }

    #[test]
    fn lazy_links_are_none_of_the_mesh() {
        let topology = Topology::new(Seed(9), 300);
        for node in 0..300 {
            let mesh = topology.mesh.neighbours(node);
            assert!(
                topology
                    .lazy
                    .neighbours(node)
                    .iter()
                    .all(|other| !mesh.contains(other))
            );
        }
    }

    #[test]
    fn very_small_meshes_are_linked_as_far_as_they_go() {
        for nodes in 1..=7 {
            let mesh = Topology::new(Seed(2), nodes).mesh;
            assert!(mesh.is_connected());
            assert!(
                degrees(&mesh).iter().all(|&degree| degree == nodes - 1),
                "{nodes} nodes"
            );
        }
    }

    #[test]
    fn the_seed_fixes_the_links() {
        let [a, b, c] = [1, 1, 2].map(|seed| Topology::new(Seed(seed), 200).mesh.targets);
        assert_eq!(a, b);
        assert_ne!(a, c);
    }
}
