//! Two peers and the least of a driver: instant links and disks, a clock that jumps to the next deadline.

use std::collections::{BTreeMap, VecDeque};

use x0_crypto::{ContentId, Identity, PublicKey};
use x0_protocol::{
    Effect, Input, MessageId, Millis, Mono, Now, Outbox, Peer, PeerConfig, RequestId, RequestToken,
    Stored, Wall, Write,
    wire::{
        Body, Draft, Founder, Genesis, Kind, LogHead, Parameters, Record, Request, Response,
        Unverified, Verified,
    },
};
use zeroize::Zeroizing;

const START: Wall = Wall(1_700_000_000_000);
const BODY_BYTES: usize = 200;
/// Deadlines after which two peers have caught up or never will.
const DEADLINES_MAX: u32 = 1_000;

/// Two members of one mesh: the first has the records, the second lacks them.
pub(crate) struct Pair {
    nodes: [Node; 2],
    now: Now,
    queue: VecDeque<(usize, Input)>,
    asked: BTreeMap<RequestToken, (usize, RequestId)>,
    next: u64,
}

struct Node {
    identity: Identity,
    peer: Peer,
    disk: BTreeMap<ContentId, Verified<Record>>,
}

impl Pair {
    /// Starts both peers, not linked yet.
    pub(crate) fn new(founders: u8, records: &[Verified<Record>]) -> Self {
        let now = Now {
            mono: Mono(0),
            wall: START + Millis::from_mins(1),
        };
        let genesis = genesis(founders);
        let mut out = [Outbox::new(), Outbox::new()];
        let [out_0, out_1] = &mut out;
        let nodes = [
            Node::new(1, &genesis, records, now, out_0),
            Node::new(2, &genesis, &[], now, out_1),
        ];
        let (queue, asked) = (VecDeque::new(), BTreeMap::new());
        let mut pair = Self {
            nodes,
            now,
            queue,
            asked,
            next: 0,
        };
        for (at, mut out) in out.into_iter().enumerate() {
            pair.perform(at, &mut out);
        }
        pair.settle();
        pair
    }

    /// Links the peers and lets time pass until the second knows what the first does.
    pub(crate) fn link(&mut self) {
        for (at, dialled) in [(0, true), (1, false)] {
            let peer = self.nodes[1 - at].identity.public();
            self.queue.push_back((
                at,
                Input::LinkUp {
                    peer,
                    dialled,
                    admitted: true,
                },
            ));
        }
        self.settle();
        for _ in 0..DEADLINES_MAX {
            let (had, has) = self.counts();
            if had == has || !self.wake() {
                return;
            }
        }
    }

    /// Hands a record to the second peer as gossip from the first.
    pub(crate) fn gossip(&mut self, record: &Verified<Record>) {
        self.next += 1;
        let input = Input::Gossip {
            from: self.nodes[0].identity.public(),
            message: MessageId(self.next),
            record: record.to_unverified(),
        };
        self.queue.push_back((1, input));
        self.settle();
    }

    /// Counts the records of both, their genesis included.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let [first, second] = &self.nodes;
        (first.peer.record_count(), second.peer.record_count())
    }

    fn wake(&mut self) -> bool {
        let deadlines = self.nodes.iter().map(|node| node.peer.next_deadline());
        let next = deadlines
            .enumerate()
            .filter_map(|(at, due)| Some((due?.at, at)))
            .min();
        let Some((due, at)) = next else {
            return false;
        };
        let span = due.since(self.now.mono);
        self.now = Now {
            mono: self.now.mono + span,
            wall: self.now.wall + span,
        };
        self.queue.push_back((at, Input::Wake));
        self.settle();
        true
    }

    fn settle(&mut self) {
        let mut out = Outbox::new();
        while let Some((at, input)) = self.queue.pop_front() {
            self.nodes[at].peer.handle(self.now, input, &mut out);
            self.perform(at, &mut out);
        }
    }

    fn perform(&mut self, at: usize, out: &mut Outbox) {
        for effect in out.drain() {
            match effect {
                Effect::Request { id, to, request } => self.request(at, id, to, &request),
                Effect::Push { id, to, records } => {
                    let records = self.nodes[at].page(&records);
                    self.request(at, id, to, &Request::Push { records });
                }
                Effect::Respond { token, response } => self.respond(token, &response),
                Effect::RespondRecords { token, records } => {
                    let records = self.nodes[at].page(&records);
                    self.respond(token, &Response::Records(records));
                }
                Effect::Check { id, job } => {
                    self.queue.push_back((
                        at,
                        Input::Checked {
                            id,
                            verdict: job.run(),
                        },
                    ));
                }
                Effect::Sign { id, draft } => {
                    let result = draft.sign(&self.nodes[at].identity);
                    self.queue.push_back((at, Input::Signed { id, result }));
                }
                Effect::SignHead {
                    id,
                    size,
                    root,
                    time,
                } => {
                    let head = LogHead::sign(&self.nodes[at].identity, size, root, time);
                    self.queue.push_back((at, Input::HeadSigned { id, head }));
                }
                Effect::Persist { id, writes } => {
                    self.nodes[at].write(writes);
                    self.queue.push_back((at, Input::Persisted { id }));
                }
                Effect::Execute { id, .. } => {
                    self.queue
                        .push_back((at, Input::Executed { id, result: Ok(()) }));
                }
                // The two hold no seats.
                Effect::Countersign { .. }
                | Effect::SignSeat { .. }
                | Effect::Secret { .. }
                | Effect::SignWord { .. }
                | Effect::SignVote { .. }
                | Effect::Inspect { .. }
                | Effect::RespondBlocks { .. }
                | Effect::Publish { .. }
                | Effect::Report { .. }
                | Effect::Reply { .. }
                | Effect::Notify(_)
                | Effect::Admit(_)
                | Effect::Expel(_)
                | Effect::Disconnect(_) => {}
            }
        }
    }

    fn request(&mut self, at: usize, id: RequestId, to: PublicKey, request: &Request) {
        let other = 1 - at;
        if self.nodes[other].identity.public() != to {
            self.queue
                .push_back((at, Input::Response { id, response: None }));
            return;
        }
        self.next += 1;
        let token = RequestToken(self.next);
        self.asked.insert(token, (at, id));
        let request = Request::decode(&request.encode()).expect("what we encode decodes");
        let from = self.nodes[at].identity.public();
        self.queue.push_back((
            other,
            Input::Request {
                from,
                token,
                request,
            },
        ));
    }

    fn respond(&mut self, token: RequestToken, response: &Response) {
        let (to, id) = self.asked.remove(&token).expect("answered once");
        let response = Response::decode(&response.encode()).expect("what we encode decodes");
        self.queue.push_back((
            to,
            Input::Response {
                id,
                response: Some(response),
            },
        ));
    }
}

impl Node {
    fn new(
        number: u8,
        genesis: &Verified<Record>,
        records: &[Verified<Record>],
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let identity = identity(number);
        let config = PeerConfig {
            key: identity.public(),
            root: identity.capability_root().public(),
            genesis: genesis.clone(),
            directory: None,
            introducers: Vec::new(),
            healing: None,
            seed: [number; 32],
            fresh: true,
            may_sit: true,
            cosign: x0_protocol::anti_meave::CosignPolicy::Ask,
        };
        let stored = Stored {
            records: records.to_vec(),
            ..Stored::default()
        };
        let disk = std::iter::once(genesis).chain(records);
        Self {
            peer: Peer::new(config, stored, now, out),
            disk: disk
                .map(|record| (record.value().id(), record.clone()))
                .collect(),
            identity,
        }
    }

    fn page(&self, ids: &[ContentId]) -> Vec<Unverified<Record>> {
        let records = ids.iter().filter_map(|id| self.disk.get(id));
        records.map(Verified::to_unverified).collect()
    }

    fn write(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Record(record) => {
                    self.disk.insert(record.value().id(), record);
                }
                Write::Executed(_)
                | Write::Policy { .. }
                | Write::Audit { .. }
                | Write::Witnessed(_)
                | Write::Journal { .. }
                | Write::Block { .. }
                | Write::State { .. }
                | Write::Dealing { .. }
                | Write::KeyShare { .. }
                | Write::ForgetKeys { .. }
                | Write::Erase { .. }
                | Write::Receipt(_)
                | Write::Halt(_)
                | Write::Vote(_)
                | Write::Proposal(_)
                | Write::AcceptRoot { .. }
                | Write::Public { .. }
                | Write::Override(_)
                | Write::Sublime(_) => {}
            }
        }
    }
}

/// Writes records in the chains of all founders but the two peers, in turn.
pub(crate) fn records(founders: u8, count: usize) -> Vec<Verified<Record>> {
    let mesh = genesis(founders).value().id();
    let mut chains: Vec<(Identity, u64, Option<ContentId>)> = (3..=founders)
        .map(|number| (identity(number), 0, None))
        .collect();
    let authors = chains.len();
    (0..count)
        .map(|n| {
            let (author, seq, prev) = &mut chains[n % authors];
            let body = Body::Unknown(Kind(0x7fff), vec![n as u8; BODY_BYTES].into());
            let time = START + Millis(n as u64);
            let at = (*seq, *prev);
            let draft = Draft::new(Some(mesh), author.public(), at, time, [1; 16], body);
            let record = draft.sign(author).unwrap();
            *seq += 1;
            *prev = Some(record.value().id());
            record
        })
        .collect()
}

fn genesis(founders: u8) -> Verified<Record> {
    let founder = |identity: &Identity| Founder {
        key: identity.public(),
        root: identity.capability_root().public(),
        commitment: identity.membership_commitment(),
        region: None,
    };
    // The author of the genesis has its first place taken; the second peer writes nothing.
    let author = identity(1);
    let mut all: Vec<_> = (1..=founders)
        .map(|number| founder(&identity(number)))
        .collect();
    all.sort_by_key(|founder| founder.key);
    let body = Body::Genesis(Genesis {
        name: "bench".parse().unwrap(),
        seats: all.iter().map(|founder| founder.key).collect(),
        founders: all,
        roots: vec![],
        parameters: Parameters::default(),
    });
    Draft::new(None, author.public(), (0, None), START, [0; 16], body)
        .sign(&author)
        .unwrap()
}

fn identity(number: u8) -> Identity {
    Identity::from_seed(Zeroizing::new([number; 32]))
}
