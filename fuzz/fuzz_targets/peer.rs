//! A whole peer, linked to a member that sends anything: it never panics and always comes to rest.
//!
//! The input is a list of messages, each with a tag, a length and its bytes. Records are signed by the hostile
//! member, whatever their body says, and stand at the next place of its chain or at one already taken. Both hold
//! a seat, so that what the hostile one says as a seat is signed as well.

#![no_main]

use std::{collections::VecDeque, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use x0_crypto::{ContentId, Identity, committee::Keyring};
use x0_fuzz::{identity, kind_and_body};
use x0_protocol::{
    Effect, Input, MessageId, Millis, Mono, Now, Outbox, Peer, PeerConfig, RequestId, RequestToken,
    Stored, Wall,
    anti_meave::CosignPolicy,
    charter::{Charter, inspection::Collected},
    core::secret::SeededShareKeys,
    wire::{
        Block, Body, Draft, Founder, Genesis, Kind, LogHead, Parameters, Phase, Record, Request,
        Response, Said, SeatDraft, Unverified, Verified, decode_record,
    },
};

const START: Wall = Wall(1_700_000_000_000);
/// Messages of one input, so that one run stays short.
const MESSAGES_MAX: usize = 32;
/// Inputs one message may lead to; an honest peer needs a dozen.
const TURNS_MAX: usize = 1_000;

static OWN: LazyLock<Identity> = LazyLock::new(|| identity(1));
static HOSTILE: LazyLock<Identity> = LazyLock::new(|| identity(2));
static GENESIS: LazyLock<Verified<Record>> = LazyLock::new(genesis);

fuzz_target!(|data: &[u8]| {
    let mut world = World::new();
    let mut rest = data;
    for _ in 0..MESSAGES_MAX {
        let Some(([tag, high, low], after)) = rest.split_first_chunk() else {
            return;
        };
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (bytes, after) = after.split_at(len);
        rest = after;
        world.receive(*tag, bytes);
    }
});

struct World {
    peer: Peer,
    keyring: Keyring,
    share_keys: SeededShareKeys,
    now: Now,
    queue: VecDeque<Input>,
    asked: VecDeque<RequestId>,
    chain: Vec<ContentId>,
    messages: u64,
}

impl World {
    fn new() -> Self {
        let now = Now {
            mono: Mono(0),
            wall: START + Millis(1_000),
        };
        let mut out = Outbox::new();
        let config = PeerConfig {
            key: OWN.public(),
            root: OWN.capability_root().public(),
            genesis: GENESIS.clone(),
            directory: None,
            introducers: Vec::new(),
            healing: None,
            seed: [0; 32],
            fresh: true,
            may_sit: true,
            cosign: CosignPolicy::Approve,
        };
        let peer = Peer::new(config, Stored::default(), now, &mut out);
        let mut world = Self {
            peer,
            keyring: Keyring::default(),
            share_keys: SeededShareKeys::new(OWN.release_seed()),
            now,
            queue: VecDeque::new(),
            asked: VecDeque::new(),
            chain: Vec::new(),
            messages: 0,
        };
        world.perform(&mut out);
        world.link_up();
        world.settle();
        world
    }

    /// Does what a message of the input says.
    fn receive(&mut self, tag: u8, bytes: &[u8]) {
        self.messages += 1;
        let from = HOSTILE.public();
        match tag % 10 {
            0 | 1 => {
                if let Ok(request) = Request::decode(bytes) {
                    let token = RequestToken(self.messages);
                    self.queue.push_back(Input::Request {
                        from,
                        token,
                        request,
                    });
                }
            }
            2 => {
                if let (Ok(response), Some(id)) = (Response::decode(bytes), self.asked.pop_front())
                {
                    self.queue.push_back(Input::Response {
                        id,
                        response: Some(response),
                    });
                }
            }
            3 | 4 => {
                if let Some(record) = self.record(tag, bytes) {
                    let message = MessageId(self.messages);
                    self.queue.push_back(Input::Gossip {
                        from,
                        message,
                        record,
                    });
                }
            }
            5 => {
                if let Some(record) = self.record(tag, bytes) {
                    let token = RequestToken(self.messages);
                    let request = Request::Push {
                        records: vec![record],
                    };
                    self.queue.push_back(Input::Request {
                        from,
                        token,
                        request,
                    });
                }
            }
            6 => {
                self.queue.push_back(Input::LinkDown { peer: from });
                self.link_up();
            }
            7 => {
                if let (Some(record), Some(id)) = (self.record(tag, bytes), self.asked.pop_front())
                {
                    let response = Some(Response::Records(vec![record]));
                    self.queue.push_back(Input::Response { id, response });
                }
            }
            8 => {
                let message = seat_draft(bytes).sign(&GENESIS.value().id(), &HOSTILE);
                let token = RequestToken(self.messages);
                let message = Box::new(message.value().to_unverified());
                self.queue.push_back(Input::Request {
                    from,
                    token,
                    request: Request::Seat(message),
                });
            }
            _ => {
                let span = Millis(u64::from(bytes.first().copied().unwrap_or(1)) * 500);
                self.now.mono = self.now.mono + span;
                self.now.wall = self.now.wall + span;
                self.queue.push_back(Input::Wake);
            }
        }
        self.settle();
    }

    /// Signs a record with this body; the high bit of the tag forks the chain.
    fn record(&mut self, tag: u8, bytes: &[u8]) -> Option<Unverified<Record>> {
        let (kind, body) = kind_and_body(bytes)?;
        let place = if tag & 0x80 == 0 {
            self.chain.len()
        } else {
            self.chain.len() / 2
        };
        let prev = place
            .checked_sub(1)
            .and_then(|before| self.chain.get(before))
            .copied();
        let mesh = (kind != Kind::GENESIS).then(|| GENESIS.value().id());
        let body = Body::Unknown(kind, body.into());
        let at = (place as u64, prev);
        let draft = Draft::new(mesh, HOSTILE.public(), at, self.now.wall, [7; 16], body);
        let record = draft.sign(&HOSTILE).ok()?;
        let decoded = decode_record(record.value().bytes()).ok()?;
        if place == self.chain.len() {
            self.chain.push(record.value().id());
        }
        Some(decoded)
    }

    fn link_up(&mut self) {
        let peer = HOSTILE.public();
        self.queue.push_back(Input::LinkUp {
            peer,
            dialled: true,
            admitted: true,
        });
    }

    fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            let Some(input) = self.queue.pop_front() else {
                return;
            };
            let mut out = Outbox::new();
            self.peer.handle(self.now, input, &mut out);
            self.perform(&mut out);
        }
        panic!("the peer never comes to rest");
    }

    fn perform(&mut self, out: &mut Outbox) {
        for effect in out.drain().collect::<Vec<_>>() {
            match effect {
                Effect::Check { id, job } => {
                    self.queue.push_back(Input::Checked {
                        id,
                        verdict: job.run(),
                    });
                }
                Effect::Sign { id, draft } => {
                    self.queue.push_back(Input::Signed {
                        id,
                        result: draft.sign(&OWN),
                    });
                }
                Effect::SignHead {
                    id,
                    size,
                    root,
                    time,
                } => {
                    let head = LogHead::sign(&OWN, size, root, time);
                    self.queue.push_back(Input::HeadSigned { id, head });
                }
                Effect::Countersign { id, held } => {
                    let one = held.sign(&OWN);
                    self.queue.push_back(Input::Countersigned { id, one });
                }
                Effect::SignSeat { id, draft } => {
                    let message = draft.sign(&GENESIS.value().id(), &OWN);
                    self.queue.push_back(Input::SeatSigned { id, message });
                }
                Effect::Secret { id, task } => {
                    let done = task.run(&OWN, &mut self.keyring, &mut self.share_keys);
                    self.queue.push_back(Input::SecretDone { id, done });
                }
                Effect::SignWord { id, act, word } => {
                    let said = Said::sign(&GENESIS.value().id(), act, word, &OWN);
                    self.queue.push_back(Input::WordSigned { id, said });
                }
                Effect::SignVote { id, draft } => {
                    let signed = Box::new(draft.sign(&GENESIS.value().id(), &OWN));
                    self.queue.push_back(Input::VoteSigned { id, signed });
                }
                Effect::Inspect { id, draft } => {
                    let collected = || Collected::as_listed(&Charter::shipped());
                    let signed = draft.sign(&GENESIS.value().id(), &OWN, collected);
                    let signed = Box::new(signed);
                    self.queue.push_back(Input::Inspected { id, signed });
                }
                Effect::Persist { id, .. } => self.queue.push_back(Input::Persisted { id }),
                Effect::Execute { id, .. } => {
                    self.queue.push_back(Input::Executed { id, result: Ok(()) });
                }
                Effect::Request { id, .. } | Effect::Push { id, .. } => self.asked.push_back(id),
                Effect::Respond { response, .. } => {
                    Response::decode(&response.encode()).expect("what we send decodes");
                }
                Effect::Publish { .. }
                | Effect::Report { .. }
                | Effect::RespondRecords { .. }
                | Effect::RespondBlocks { .. }
                | Effect::Reply { .. }
                | Effect::Notify(_)
                | Effect::Admit(_)
                | Effect::Expel(_)
                | Effect::Disconnect(_) => {}
            }
        }
    }
}

/// Says something as a seat: of the next heights and rounds, about one of few blocks.
fn seat_draft(bytes: &[u8]) -> SeatDraft {
    let at = |place: usize| bytes.get(place).copied().unwrap_or_default();
    let (height, round) = (1 + u64::from(at(1) % 3), u32::from(at(2) % 16));
    match at(0) % 3 {
        0 => SeatDraft::Clock {
            height,
            time: Wall(START.0 + u64::from(at(3)) * 1_000_000),
        },
        1 => SeatDraft::Vote {
            height,
            round,
            phase: if at(3) & 1 == 0 {
                Phase::Prevote
            } else {
                Phase::Precommit
            },
            block: (at(4) & 1 == 0).then(|| ContentId::of(&[at(4)])),
        },
        _ => SeatDraft::Proposal {
            round,
            block: Box::new(Block {
                mesh: GENESIS.value().id(),
                height,
                previous: GENESIS.value().id(),
                clocks: Vec::new(),
                entries: Vec::new(),
            }),
            polka: None,
        },
    }
}

fn genesis() -> Verified<Record> {
    let founder = |identity: &Identity| Founder {
        key: identity.public(),
        root: identity.capability_root().public(),
        commitment: identity.membership_commitment(),
        region: None,
    };
    let absent = [identity(3), identity(4)];
    let mut founders: Vec<_> = [&*OWN, &*HOSTILE]
        .into_iter()
        .chain(&absent)
        .map(founder)
        .collect();
    founders.sort_by_key(|founder| founder.key);
    let mut roots: Vec<_> = founders.iter().map(|founder| founder.root).collect();
    roots.sort_unstable();
    let body = Body::Genesis(Genesis {
        name: "fuzz".parse().expect("it is a name"),
        seats: founders.iter().map(|founder| founder.key).collect(),
        founders,
        roots,
        parameters: Parameters::default(),
    });
    let draft = Draft::new(None, OWN.public(), (0, None), START, [0; 16], body);
    draft.sign(&OWN).expect("a genesis can be signed")
}
