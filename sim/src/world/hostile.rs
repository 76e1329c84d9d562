//! What somebody hostile can do to a world: drive its own nodes as it likes, say anything in their name, choose who
//! is linked to whom, bring old disks back.
//!
//! Nothing here touches what honest nodes decide: they run the protocol's own `Peer` on whatever reaches them.

use x0_crypto::{ContentId, PublicKey, committee::Purpose};
use x0_protocol::{
    Command, CommandId, Millis, RequestId,
    anti_meave::proposals::ProposalView,
    core::{command::Status, vote::VotesView},
    spine::{
        ballot::Recounted,
        committee::{Seats, State},
        halt::HaltReport,
    },
    wire::{Block, Certificate, Request, Response, Statement, Subject},
};
#[cfg(test)]
use x0_protocol::{Write, wire::Kind};

use super::{
    HandedOut, KEEP_ALIVE, WALL_START, World, journal::Alarm, node::past_peer, store::Store,
};

/// A request sent past a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PastPeer(RequestId);

/// A copy of a node's disk.
#[derive(Clone)]
pub(crate) struct Backup(Store);

impl Backup {
    /// Tells whether it says of an act that it was executed, or was about to be.
    pub(crate) fn has_executed(&self, act: &ContentId) -> bool {
        self.0.has_executed(act)
    }
}

impl World {
    /// Sends a request in a node's name that its own peer knows nothing of; needs no link.
    pub(crate) fn request_past_peer(&mut self, node: u32, to: u32, request: Request) -> PastPeer {
        let id = past_peer(self.past_peers);
        self.past_peers += 1;
        let (index, now) = (self.index_of(node), self.now);
        let (shards, shared) = (&mut self.shards, &self.shared);
        shards[index].request_past_peer(shared, (node, to), now, id, request);
        self.exchange();
        PastPeer(id)
    }

    /// Returns the answer to a request sent past a peer, if one came.
    pub(crate) fn answer_past_peer(&self, asked: PastPeer) -> Option<&Response> {
        let mut journals = self.shards.iter().map(|shard| &shard.journal);
        journals
            .find_map(|journal| journal.past_peer.get(&asked.0))?
            .as_ref()
    }

    /// Cuts some nodes off from all others; the links between die later.
    pub(crate) fn isolate(&mut self, inside: &[u32]) {
        let mut groups = vec![0; self.nodes() as usize];
        for node in inside {
            groups[*node as usize] = 1;
        }
        self.shared_mut().network.partition(groups);
        self.cut_links_at = Some(self.now + KEEP_ALIVE);
    }

    /// Puts all links of a node into hostile hands: it is heard by the circle only, and hears what is sent past peers.
    pub(crate) fn eclipse(&mut self, victim: u32, circle: impl IntoIterator<Item = u32>) {
        let circle = circle.into_iter().collect();
        self.shared_mut().network.eclipse(victim, circle);
        self.cut_links_at = Some(self.now + KEEP_ALIVE);
    }

    /// Returns the nodes that a node exchanges gossip with, linked or over lazy repair, in order.
    pub(crate) fn gossip_neighbours(&self, node: u32) -> Vec<u32> {
        let topology = &self.shared.network.topology;
        let mesh = topology.mesh.neighbours(node).iter();
        let mut all: Vec<_> = mesh
            .chain(topology.lazy.neighbours(node))
            .copied()
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Copies a node's disk.
    pub(crate) fn backup(&self, node: u32) -> Backup {
        Backup(self.shards[self.index_of(node)].store(node).clone())
    }

    /// Returns what tells a state of a node's disk from those before it, as far as acts are concerned.
    pub(crate) fn disk_state(&self, node: u32) -> [usize; 4] {
        self.shards[self.index_of(node)].store(node).state()
    }

    /// Takes power from a node, puts an old copy of its disk in, and starts it from that.
    pub(crate) fn restore(&mut self, node: u32, backup: Backup) {
        self.crash(node);
        self.shard_of(node).put_back(node, backup.0);
        self.restart(node);
    }

    /// Has seats sign the beacon again, or no more.
    pub(crate) fn withhold_beacon(&mut self, seats: &[u32]) {
        self.shared_mut().founding.withholders = seats.iter().copied().collect();
    }

    /// Has nodes publish nothing that their peers write any more, and pass on nothing that they hear.
    pub(crate) fn mute(&mut self, nodes: impl IntoIterator<Item = u32>) {
        self.shared_mut().founding.mute = nodes.into_iter().collect();
    }

    /// Asks a node what it knows of alerts and halts; [`World::halt_report`] reads the answer some time later.
    pub(crate) fn ask_halt_report(&mut self, node: u32) -> CommandId {
        self.command(node, Command::Halt)
    }

    /// Returns what a node said of alerts and halts.
    pub(crate) fn halt_report(&self, asked: CommandId) -> Option<&HaltReport> {
        let mut journals = self.shards.iter().map(|shard| &shard.journal);
        let report = journals.find_map(|journal| journal.reports.get(&asked))?;
        Some(report)
    }

    /// Returns what nodes told about anomalies, freezes and halts, by time and node.
    pub(crate) fn alarms(&self) -> Vec<Alarm> {
        let journals = self.shards.iter().map(|shard| &shard.journal);
        let mut all: Vec<_> = journals
            .flat_map(|journal| journal.alarms.iter().copied())
            .collect();
        all.sort_by_key(|alarm| (alarm.at, alarm.node));
        all
    }

    /// Has seats hand out other ballots than were counted, or none, for one vote; or no longer.
    pub(crate) fn hand_out(&mut self, handed_out: Option<HandedOut>) {
        self.shared_mut().founding.handed_out = handed_out;
    }

    /// Returns what the committee log begins with.
    pub(crate) fn first_state(&self) -> Option<State> {
        let directory = &self.shared.mesh.directory;
        let genesis = directory.genesis();
        let seats = Seats::new(genesis.seats.clone())?;
        let members = directory.first_members().clone();
        let parameters = &genesis.parameters;
        Some(State::new(
            self.mesh(),
            &seats,
            parameters,
            WALL_START,
            members,
        ))
    }

    /// Follows the committee log on a seat's disk.
    pub(crate) fn follow_log(&self, seat: u32, state: &mut State) {
        for block in self.decided(seat) {
            if block.height == state.height() + 1 {
                let time = block.median().max(state.time() + Millis(1));
                state.apply(block, time);
            }
        }
    }

    /// Has seats sign a statement together past their peers; none if they are too few.
    pub(crate) fn certify_past_peers(
        &self,
        state: &State,
        seats: &[u32],
        statement: Statement,
    ) -> Option<Certificate> {
        let keys = state.keys()?;
        let message = Subject::Statement(statement).message(&self.mesh(), keys.epoch);
        let group = keys.group(Purpose::Certificate);
        let parts = seats.iter().filter_map(|seat| {
            let keyring = self.shards[self.index_of(*seat)].keyring(*seat)?;
            let part = keyring.sign(Purpose::Certificate, keys.epoch, &message)?;
            Some((group.seat_of(&self.key(*seat))?, part))
        });
        let parts: Vec<_> = parts.collect();
        Some(Certificate {
            epoch: keys.epoch,
            statement,
            signature: group.combine(&message, &parts).ok()?,
        })
    }

    /// Returns what a node said that it knows of votes.
    pub(crate) fn votes(&self, asked: CommandId) -> Option<&VotesView> {
        let mut journals = self.shards.iter().map(|shard| &shard.journal);
        let votes = journals.find_map(|journal| journal.votes.get(&asked))?;
        Some(votes)
    }

    /// Returns what a node found that counted a vote again.
    pub(crate) fn recounted(&self, asked: CommandId) -> Option<&Recounted> {
        let mut journals = self.shards.iter().map(|shard| &shard.journal);
        journals.find_map(|journal| journal.recounts.get(&asked))
    }

    /// Returns the name of what a node handed in for a vote.
    pub(crate) fn handed_in(&self, asked: CommandId) -> Option<ContentId> {
        let mut journals = self.shards.iter().map(|shard| &shard.journal);
        journals
            .find_map(|journal| journal.handed_in.get(&asked))
            .copied()
    }

    /// Writes onto a node's disk past its peer.
    #[cfg(test)]
    pub(crate) fn write_past_peer(&mut self, node: u32, writes: Vec<Write>) {
        self.shard_of(node).alter(node, |store| {
            store.apply(writes).ok();
        });
    }

    /// Takes the records of a kind from a node's disk.
    #[cfg(test)]
    pub(crate) fn forget_on_disk(&mut self, node: u32, kind: Kind) {
        self.shard_of(node).alter(node, |store| store.forget(kind));
    }

    /// Lets a node tell its user that an act ran.
    #[cfg(test)]
    pub(crate) fn tell_executed(&mut self, node: u32, act: ContentId) {
        let (index, now) = (self.index_of(node), self.now);
        self.shards[index].tell_executed(&self.shared, node, now, act);
    }

    /// Asks a node how it stands; [`World::status`] reads the answer some time later.
    pub(crate) fn ask_status(&mut self, node: u32) -> CommandId {
        self.command(node, Command::Status)
    }

    /// Returns what a node said of itself.
    pub(crate) fn status(&self, asked: CommandId) -> Option<&Status> {
        let mut journals = self.shards.iter().map(|shard| &shard.journal);
        let status = journals.find_map(|journal| journal.statuses.get(&asked))?;
        Some(status)
    }

    /// Returns what a node said of its own acts on their way.
    pub(crate) fn proposals(&self, asked: CommandId) -> Option<&[ProposalView]> {
        let mut journals = self.shards.iter().map(|shard| &shard.journal);
        let proposals = journals.find_map(|journal| journal.proposals.get(&asked))?;
        Some(proposals)
    }

    /// Returns the act that a command proposed, by its digest, and its record once it is written.
    pub(crate) fn proposed(&self, command: CommandId) -> Option<(ContentId, Option<ContentId>)> {
        let journals = || self.shards.iter().map(|shard| &shard.journal);
        let act = *journals().find_map(|journal| journal.proposed.get(&command))?;
        let record = journals().find_map(|journal| journal.written.get(&act));
        Some((act, record.copied()))
    }

    /// Returns who found a fork of whose chain.
    pub(crate) fn forked(&self) -> Vec<(u32, PublicKey)> {
        let journals = self.shards.iter().map(|shard| &shard.journal);
        journals
            .flat_map(|journal| journal.forked.iter().copied())
            .collect()
    }

    /// Returns the blocks of the committee log on a node's disk, in order.
    pub(crate) fn decided(&self, node: u32) -> impl Iterator<Item = &Block> {
        let store = self.shards[self.index_of(node)].store(node);
        store
            .committee_blocks()
            .iter()
            .map(|decided| &decided.block)
    }

    /// Returns a policy's version and value on a node's disk; none if it was never changed there.
    pub(crate) fn policy(&self, node: u32, policy: &str) -> Option<(u64, u64)> {
        let store = self.shards[self.index_of(node)].store(node);
        let mut policies = store.policies();
        policies.find_map(|(name, at)| (name.as_str() == policy).then_some(at))
    }
}
