//! Guarded processes of a world: what scenarios have them send, and what properties see of it.

use x0_protocol::charter::{Charter, Metric};

use super::{
    World,
    event::fold,
    guarded::{Guarded, Sample, Watched},
    shard::clock,
};

/// What a node's guarded process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing<'a> {
    Send(&'a Sample),
    Fetch(&'a Sample),
    Say(&'a Metric, bool),
    Look,
}

impl World {
    /// Lets the guarded process of a node send a datagram; nothing happens without power.
    pub(crate) fn send_sample(&mut self, node: u32, sample: &Sample) {
        self.have_guarded(node, Doing::Send(sample));
    }

    /// Lets the gateway of a node fetch what an exporter on its machine shows.
    pub(crate) fn fetch_sample(&mut self, node: u32, sample: &Sample) {
        self.have_guarded(node, Doing::Fetch(sample));
    }

    /// Lets whoever owns a machine say yes or no to a metric that asks for it.
    pub(crate) fn say_consent(&mut self, node: u32, metric: &Metric, given: bool) {
        self.have_guarded(node, Doing::Say(metric, given));
    }

    /// Reads the guard's events on a node and looks through all that its gateway holds.
    pub(crate) fn look_at_gateway(&mut self, node: u32) {
        self.have_guarded(node, Doing::Look);
    }

    fn have_guarded(&mut self, node: u32, doing: Doing<'_>) {
        let (at, now) = (self.now, clock(&self.shared, node, self.now));
        let index = self.index_of(node);
        let shard = &mut self.shards[index];
        let local = shard.local(node);
        let of = &mut shard.nodes[local];
        let charter = of.peer.as_ref().and_then(|peer| peer.charter()).cloned();
        let (Some(charter), Some(guarded)) = (charter, of.guarded.as_deref_mut()) else {
            return;
        };
        let watched = of.watched.get_or_insert_default();
        let (came, what) = match doing {
            Doing::Send(sample) => {
                let came = guarded.send((at, now), &charter, sample, watched);
                (came, fold(&sample.bytes))
            }
            Doing::Fetch(sample) => {
                let came = guarded.fetch((at, now), &charter, sample, watched);
                (came, fold(&sample.bytes))
            }
            Doing::Say(metric, given) => {
                let came = guarded.say(now, metric, given, watched);
                (u64::from(came), fold(metric.name.as_bytes()))
            }
            Doing::Look => {
                guarded.look(at, &charter, watched);
                (watched.leaks, 0)
            }
        };
        let sequence = of.next_sequence();
        let who = u64::from(node) << 32 | u64::from(sequence);
        shard.digest.absorb(at, [at.0, who, came, what]);
    }

    /// Returns what was seen of a node's guarded process; none if it was never asked anything.
    pub(crate) fn watched(&self, node: u32) -> Option<&Watched> {
        let shard = &self.shards[self.index_of(node)];
        shard.nodes[shard.local(node)].watched.as_deref()
    }

    /// Returns the refusals that guard and gateway of a node have counted.
    pub(crate) fn refusals_counted(&self, node: u32) -> [u64; 2] {
        let live = self.guarded(node);
        self.watched(node)
            .map_or([0; 2], |watched| watched.counted(live))
    }

    /// Returns the refusals of a node's guard whose events were told, and lost.
    pub(crate) fn refusals_told(&self, node: u32) -> (u64, u64) {
        let live = self.guarded(node);
        self.watched(node)
            .map_or((0, 0), |watched| watched.told(live))
    }

    fn guarded(&self, node: u32) -> Option<&Guarded> {
        let shard = &self.shards[self.index_of(node)];
        shard.nodes[shard.local(node)].guarded.as_deref()
    }

    /// Returns the charter in force at a node's peer; none without power or charter.
    pub(crate) fn charter(&self, node: u32) -> Option<&Charter> {
        self.peer(node)?.charter()
    }

    /// Has something done to a node's guard or gateway that its operator could do.
    #[cfg(test)]
    pub(crate) fn tamper(&mut self, node: u32, with: impl FnOnce(&mut Guarded)) {
        let index = self.index_of(node);
        let shard = &mut self.shards[index];
        let local = shard.local(node);
        if let Some(guarded) = shard.nodes[local].guarded.as_deref_mut() {
            with(guarded);
        }
    }
}
