//! What a peer asks its driver to do, and what comes of it: checks, signatures, secrets, writes, changes.

use std::mem;

use x0_crypto::{ContentId, committee::Purpose as KeyPurpose};
use x0_protocol::{
    Effect, Event as Told, Input, JobId, Outbox,
    charter::{Charter, inspection::Collected},
    core::{
        effect::Write,
        secret::{SecretDone, SecretTask, SeededShareKeys},
    },
    wire::{Change, LogHead, Record, Request, Response, Said, Unverified, Verified},
};

use super::{
    super::{
        Shared, cost,
        event::{Event, Kind, Parcel, What},
    },
    Shard, Turn, clock,
};
use crate::{
    queue::EventQueue as _,
    random::Purpose,
    time::{Span, Time},
};

/// Longest time between the moment an act is judged and the moment it has run: that of some writes.
const WRITTEN: Span = Span::from_millis(50);

/// Most records in one message between two peers (the protocol's page).
const PAGE: usize = x0_protocol::core::limits::PAGE_RECORDS_MAX;

impl Shard {
    /// Hands an input to a peer and does what it asks for, until it asks for nothing more.
    pub(super) fn handle(
        &mut self,
        shared: &Shared,
        local: usize,
        now: Time,
        gossip: Option<(u32, u32)>,
        input: Input,
    ) -> u64 {
        // Local places are below the number of nodes, which has 32 bits.
        let id = self.first + local as u32;
        let mut turn = Turn {
            local,
            id,
            now,
            gossip,
            effects: 0,
        };
        let mut outbox = mem::take(&mut self.outbox);
        self.inputs.push_back(input);
        self.settle(shared, &mut turn, &mut outbox);
        self.outbox = outbox;
        self.schedule_wake(local, id, turn.now);
        turn.effects
    }

    /// Does what a peer asks for and hands it what comes of that at once, until it asks for nothing more: what comes of
    /// one node's turn is never left to the next.
    pub(super) fn settle(&mut self, shared: &Shared, turn: &mut Turn, outbox: &mut Outbox) {
        loop {
            for effect in outbox.drain() {
                self.perform(shared, turn, effect);
            }
            let Some(input) = self.inputs.pop_front() else {
                return;
            };
            if let Some(peer) = &mut self.nodes[turn.local].peer {
                peer.handle(clock(shared, turn.id, turn.now), input, outbox);
            }
        }
    }

    pub(super) fn schedule_wake(&mut self, local: usize, id: u32, now: Time) {
        let node = &mut self.nodes[local];
        let Some(deadline) = node.peer.as_ref().and_then(|peer| peer.next_deadline()) else {
            return;
        };
        let earliest = now + Span::from_millis(1);
        let at = Time(deadline.at.0.saturating_mul(1_000)).max(earliest);
        if at < node.wake_at {
            node.wake_at = at;
            let sequence = node.next_sequence();
            let what = What::pack(Kind::Wake);
            self.queue.push(Event {
                at,
                destination: id,
                source: id,
                sequence,
                what,
            });
        }
    }

    pub(super) fn perform(&mut self, shared: &Shared, turn: &mut Turn, effect: Effect) {
        let tag = match effect {
            Effect::Publish { record, .. } => {
                if !shared.founding.mute.contains(&turn.id) {
                    self.publish(shared, turn.local, turn.now, record);
                }
                1
            }
            Effect::Report { message, verdict } => self.report(shared, turn, message, verdict),
            Effect::Request { id, to, request } => {
                self.request(shared, turn, id, &to, request);
                3
            }
            Effect::Push { id, to, records } => {
                let records = self.fetch(&records);
                self.request(shared, turn, id, &to, Request::Push { records });
                4
            }
            Effect::Respond { token, response } => {
                self.respond(shared, turn, token, response);
                5
            }
            Effect::RespondRecords { token, records } => {
                let records = self.fetch(&records);
                self.respond(shared, turn, token, Response::Records(records));
                6
            }
            Effect::RespondBlocks { token, from } => {
                let blocks = self.nodes[turn.local].store.blocks(from);
                self.respond(shared, turn, token, Response::Blocks(blocks));
                18
            }
            Effect::Check { id, job } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::of_job(&job));
                let verdict = self.verdicts.run(job);
                self.inputs.push_back(Input::Checked { id, verdict });
                7
            }
            Effect::Sign { id, draft } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let result = draft.sign(&shared.keys.identity(turn.id));
                self.inputs.push_back(Input::Signed { id, result });
                8
            }
            Effect::SignHead {
                id,
                size,
                root,
                time,
            } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let head = LogHead::sign(&shared.keys.identity(turn.id), size, root, time);
                self.journal.heads.push((turn.id, head.clone()));
                self.inputs.push_back(Input::HeadSigned { id, head });
                9
            }
            Effect::Countersign { id, held } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let one = held.sign(&shared.keys.identity(turn.id));
                self.journal.countersigned.push((turn.id, held));
                self.inputs.push_back(Input::Countersigned { id, one });
                23
            }
            Effect::Inspect { id, draft } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let mesh = shared.mesh.genesis.value().id();
                let identity = shared.keys.identity(turn.id);
                // A node of the model hands out what the charter that ships lists.
                let collected = || Collected::as_listed(&Charter::shipped());
                let signed = Box::new(draft.sign(&mesh, &identity, collected));
                self.inputs.push_back(Input::Inspected { id, signed });
                24
            }
            Effect::SignSeat { id, draft } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let identity = shared.keys.identity(turn.id);
                let mesh = shared.mesh.genesis.value().id();
                let message = draft.sign(&mesh, &identity);
                self.inputs.push_back(Input::SeatSigned { id, message });
                19
            }
            Effect::Secret { id, task } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::of_secret(&task));
                let identity = shared.keys.identity(turn.id);
                let keyring = self.keyrings.entry(turn.id).or_default();
                let withheld = is_beacon(&task) && shared.founding.withholders.contains(&turn.id);
                let done = if withheld {
                    SecretDone::Part(None)
                } else {
                    let share_keys = self.share_keys.entry(turn.id);
                    let share_keys =
                        share_keys.or_insert_with(|| SeededShareKeys::new(identity.release_seed()));
                    task.run(&identity, keyring, share_keys)
                };
                self.inputs.push_back(Input::SecretDone { id, done });
                20
            }
            Effect::SignWord { id, act, word } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let mesh = shared.mesh.genesis.value().id();
                let said = Said::sign(&mesh, act, word, &shared.keys.identity(turn.id));
                self.inputs.push_back(Input::WordSigned { id, said });
                21
            }
            Effect::SignVote { id, draft } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let mesh = shared.mesh.genesis.value().id();
                let signed = Box::new(draft.sign(&mesh, &shared.keys.identity(turn.id)));
                self.inputs.push_back(Input::VoteSigned { id, signed });
                22
            }
            Effect::Persist { id, writes } => {
                self.persist(shared, turn, id, writes);
                10
            }
            Effect::Execute { id, change } => {
                self.execute(shared, turn, id, change.value());
                11
            }
            Effect::Reply { id, reply } => {
                self.journal.reply(turn.id, id, reply);
                12
            }
            Effect::Notify(told) => self.note(shared, turn, told),
            Effect::Admit(_) => 14,
            Effect::Expel(peer) | Effect::Disconnect(peer) => {
                self.hang_up(shared, turn, &peer);
                15
            }
        };
        turn.effects = turn.effects.wrapping_mul(31).wrapping_add(tag);
    }

    pub(super) fn note(&mut self, shared: &Shared, turn: &Turn, told: Told) -> u64 {
        let node = &mut self.nodes[turn.local];
        if let Told::Charter { .. } = told
            && let (Some(peer), Some(guarded)) = (&node.peer, &mut node.guarded)
            && let Some(charter) = peer.charter()
        {
            guarded.amend(turn.now, charter);
        }
        if let Told::Executed { act: Some(act), .. } = told {
            self.note_if_barred(shared, turn, act);
        }
        self.journal.note(turn.id, turn.now, told);
        13
    }

    /// Notes that an act ran whose author this very node knew to be suspended or removed: now, and when the act was
    /// written down.
    fn note_if_barred(&mut self, shared: &Shared, turn: &Turn, act: ContentId) {
        let record = self.library.get(act.digest());
        let author = record.map(|record| record.peek().author());
        let (Some(author), Some(peer)) = (author, &self.nodes[turn.local].peer) else {
            return;
        };
        let then = Time(turn.now.0.saturating_sub(WRITTEN.0));
        let is_out = |at| {
            let time = peer.time(clock(shared, turn.id, at));
            peer.directory().is_out(&author, time)
        };
        if author != shared.keys.key(turn.id) && is_out(turn.now) && is_out(then) {
            self.journal.for_barred.push((turn.id, act, author));
        }
    }

    /// Keeps a record that a node of this shard writes, to be read by id later.
    pub(in crate::world) fn keep(&mut self, record: &Verified<Record>) {
        let digest = *record.value().id().digest();
        self.library
            .entry(digest)
            .or_insert_with(|| record.to_unverified());
    }

    /// Reads records of this shard's nodes by id, as many as one message holds.
    pub(super) fn fetch(&self, ids: &[ContentId]) -> Vec<Unverified<Record>> {
        let found = ids.iter().filter_map(|id| self.library.get(id.digest()));
        found.take(PAGE).cloned().collect()
    }

    pub(super) fn persist(&mut self, shared: &Shared, turn: &Turn, id: JobId, writes: Vec<Write>) {
        for write in &writes {
            if let Write::Record(record) = write {
                self.keep(record);
            }
        }
        let node = &mut self.nodes[turn.local];
        let (sequence, life) = (node.next_sequence(), node.life);
        let [bits, ..] = shared
            .seed
            .block(Purpose::Persist, turn.id, u64::from(sequence));
        let drawn = Span((u64::from(bits) * cost::PERSIST_SPREAD.0) >> 32);
        let at = (turn.now + cost::PERSIST_MIN + drawn).max(node.disk_until);
        node.disk_until = at;
        let parcel = Box::new(Parcel::Written { life, id, writes });
        let slot = self.parcels.put(parcel);
        self.nodes[turn.local].unsafe_writes.push(slot);
        let what = What::pack(Kind::Parcel(slot));
        self.queue.push(Event {
            at,
            destination: turn.id,
            source: turn.id,
            sequence,
            what,
        });
    }

    pub(super) fn write(&mut self, node: u32, local: usize, writes: Vec<Write>) {
        if let Err(fault) = self.nodes[local].store.apply(writes) {
            self.journal.not_appended.push((node, fault));
        }
    }

    pub(super) fn execute(&mut self, shared: &Shared, turn: &mut Turn, id: JobId, change: &Change) {
        turn.now = self.nodes[turn.local].work(turn.now, cost::EXECUTE);
        match change {
            Change::SetPolicy { .. } => {}
            Change::Link { peer } => self.dial(shared, turn, peer),
            Change::Unlink { peer } => self.hang_up(shared, turn, peer),
        }
        self.inputs
            .push_back(Input::Executed { id, result: Ok(()) });
    }
}

/// Tells whether a task signs a round of the beacon.
fn is_beacon(task: &SecretTask) -> bool {
    matches!(
        task,
        SecretTask::Part {
            purpose: KeyPurpose::Beacon,
            ..
        }
    )
}
