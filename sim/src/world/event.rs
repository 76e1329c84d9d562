//! What happens in a world, packed into 24 bytes.
//!
//! An event names a kind and an index of at most 29 bits: the number of a gossip message, or the slot
//! of a parcel that its shard keeps. Events alone fix the order of a run; what a parcel holds is
//! described to the digest by [`Parcel::fingerprint`], never by its slot.

use x0_protocol::{
    Command, CommandId, Input, JobId, RequestId, RequestToken,
    core::effect::Write,
    wire::{
        Admitted, Consented, Request, Response, RotationAnswer, SublimeAsk, VoteAnswer, VoteAsk,
    },
};

use crate::{queue::Timed, time::Time};

/// The source of events that no node caused: commands of users, faults.
pub(super) const CONTROL: u32 = u32::MAX;

/// Something that happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    pub(super) at: Time,
    pub(super) destination: u32,
    pub(super) source: u32,
    /// Counts the events a source has caused, so that no two are equal.
    pub(super) sequence: u32,
    pub(super) what: What,
}

impl Timed for Event {
    fn time(&self) -> Time {
        self.at
    }
}

/// A packed [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct What(u32);

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A copy of a gossip message arrives.
    Copy(u32),
    /// A neighbour says that it has a message.
    Advert(u32),
    /// A neighbour asks for a message.
    Want(u32),
    /// A parcel arrives.
    Parcel(u32),
    /// The node's deadline has come.
    Wake,
    /// A link came up; whether this side dialled, and the life of the other side it belongs to.
    LinkUp { dialled: bool, life: u8 },
    /// A link to that life of the other side went down.
    LinkDown { life: u8 },
}

const INDEX_BITS: u32 = 29;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

impl What {
    /// Packs a kind.
    ///
    /// # Panics
    ///
    /// Panics at half a billion messages or waiting parcels, which no memory holds.
    pub(super) fn pack(kind: Kind) -> Self {
        let (tag, index) = match kind {
            Kind::Copy(message) => (0, message),
            Kind::Advert(message) => (1, message),
            Kind::Want(message) => (2, message),
            Kind::Parcel(slot) => (3, slot),
            Kind::Wake => (4, 0),
            Kind::LinkUp { dialled, life } => (5, u32::from(life) << 1 | u32::from(dialled)),
            Kind::LinkDown { life } => (6, u32::from(life)),
        };
        assert!(index <= INDEX_MASK, "an event's index has 29 bits");
        Self(tag << INDEX_BITS | index)
    }

    pub(super) fn unpack(self) -> Kind {
        let index = self.0 & INDEX_MASK;
        // Lives are counted in eight bits by `pack`.
        match self.0 >> INDEX_BITS {
            0 => Kind::Copy(index),
            1 => Kind::Advert(index),
            2 => Kind::Want(index),
            3 => Kind::Parcel(index),
            4 => Kind::Wake,
            5 => Kind::LinkUp {
                dialled: index & 1 == 1,
                life: (index >> 1) as u8,
            },
            _ => Kind::LinkDown { life: index as u8 },
        }
    }

    /// Returns the kind without its index.
    pub(super) const fn tag(self) -> u32 {
        self.0 >> INDEX_BITS
    }
}

/// What an event carries when a number does not say it.
#[derive(Debug)]
pub(super) enum Parcel {
    /// A request of the source.
    Request {
        token: RequestToken,
        request: Request,
    },
    /// The answer to an own request, made in an earlier moment of the same life.
    Response {
        id: RequestId,
        life: u8,
        response: Option<Response>,
    },
    /// The source asks for a link.
    Dial { life: u8 },
    /// The source could not be linked to.
    DialFailed,
    /// A write is safe on disk.
    Written {
        life: u8,
        id: JobId,
        writes: Vec<Write>,
    },
    /// Something the node itself brought about.
    Own { life: u8, input: Box<Input> },
    /// The user asks something.
    Command {
        id: CommandId,
        command: Box<Command>,
    },
}

impl Parcel {
    /// Describes the parcel to the digest.
    pub(super) fn fingerprint(&self) -> u64 {
        let (tag, detail) = match self {
            Self::Request { token, request } => (1, token.0 ^ request_fingerprint(request)),
            Self::Response { id, life, response } => {
                let detail = response.as_ref().map_or(0, response_fingerprint);
                (2, detail ^ id.0 << 8 ^ u64::from(*life))
            }
            Self::Dial { life } => (3, u64::from(*life)),
            Self::DialFailed => (4, 0),
            Self::Written { life, id, writes } => (
                5,
                id.0 << 8 ^ (writes.len() as u64) << 40 ^ u64::from(*life),
            ),
            Self::Own { life, .. } => (6, u64::from(*life)),
            Self::Command { id, .. } => (7, id.0),
        };
        detail ^ tag << 60
    }
}

fn request_fingerprint(request: &Request) -> u64 {
    match request {
        Request::Hello(hello) => 1 ^ u64::from(hello.join.is_some()) << 8,
        Request::Reconcile {
            session, message, ..
        } => 2 ^ fold(session) ^ fold(message),
        Request::Fetch { keyed, .. } => keyed.iter().fold(3, |sum, key| sum ^ fold(key)),
        Request::Push { records } => records
            .iter()
            .fold(4, |sum, record| sum ^ fold(record.peek().id().digest())),
        Request::Stem(record) => 61 ^ fold(record.peek().id().digest()),
        Request::HeadOf => 5,
        Request::Head(head) => 6 ^ fold(&head.peek().root.0) ^ head.peek().size << 8,
        Request::Consistency { old, new } => 7 ^ old << 8 ^ new << 32,
        Request::Outcome { act, .. } => 8 ^ fold(act.digest()),
        Request::Seat(message) => {
            let message = message.peek();
            9 ^ fold(message.seat().bytes()) ^ message.height() << 8
        }
        Request::Blocks { from } => 10 ^ from << 8,
        Request::State { state, part } => 32 ^ fold(state.digest()) ^ u64::from(*part) << 8,
        Request::Dealing { ceremony, dealing } => {
            19 ^ fold(ceremony.digest()) ^ fold(&dealing.sealed)
        }
        Request::Parts(parts) => parts
            .iter()
            .fold(20, |sum, part| sum ^ fold(part.subject.digest())),
        Request::Offer(entry) => 21 ^ fold(entry.peek().id().digest()),
        Request::Admit(admission) => 22 ^ fold(admission.peek().asked.act.digest()),
        Request::Consent(consent) => {
            let act = consent.admission.peek().asked.act;
            23 ^ fold(act.digest()) ^ (consent.role as u64) << 8
        }
        Request::Vote(ask) => match &**ask {
            VoteAsk::Take { item, receipts } => {
                32 ^ fold(item.id().digest()) ^ (receipts.len() as u64) << 8
            }
            VoteAsk::Contents { bundle, from } => {
                33 ^ fold(bundle.digest()) ^ u64::from(*from) << 8
            }
            VoteAsk::Page { bundle, page } => 42 ^ fold(bundle.digest()) ^ u64::from(*page) << 8,
            VoteAsk::Electors { proposal, from } => {
                34 ^ fold(proposal.digest()) ^ u64::from(*from) << 8
            }
            VoteAsk::Refute { proposal, fraud } => 35 ^ fold(proposal.digest()) ^ fold(fraud),
        },
        Request::Audit(ask) => ask
            .acts
            .iter()
            .fold(42 ^ ask.from << 8, |sum, act| sum ^ fold(act.digest())),
        Request::Public(ask) => 44 ^ ask.from << 8 ^ ask.size << 32,
        Request::Heads(heads) => heads.iter().fold(45, |sum, head| {
            sum ^ fold(&head.peek().root.0) ^ head.peek().size << 8
        }),
        Request::Countersign(ask) => {
            46 ^ fold(&ask.head.peek().root.0) ^ ask.head.peek().size << 8 ^ ask.height << 32
        }
        Request::Account(ask) => 48 ^ fold(ask.signature.bytes()),
        Request::Sublime(ask) => match &**ask {
            SublimeAsk::Guard(ask) => 49 ^ fold(ask.item.bytes()) ^ fold(&ask.sealed) << 1,
            SublimeAsk::Release(release) => {
                50 ^ fold(release.request.digest()) ^ fold(&release.sealed) << 1
            }
            SublimeAsk::Introduce(addresses) => addresses
                .iter()
                .fold(51, |sum, address| sum ^ fold(address.as_str().as_bytes())),
            SublimeAsk::Guardian(ask) => 52 ^ fold(ask.item.bytes()),
            SublimeAsk::Part(ask) => {
                53 ^ fold(ask.dealing.signature.bytes()) ^ fold(&ask.sealed) << 1
            }
            SublimeAsk::Dealt(dealt) => {
                54 ^ fold(dealt.dealing.signature.bytes()) ^ (dealt.acks.len() as u64) << 8
            }
            SublimeAsk::Forgot { item, epoch, index } => {
                58 ^ fold(item.bytes()) ^ u64::from(*epoch) << 8 ^ u64::from(index.number()) << 40
            }
            SublimeAsk::Invite { why } => 59 ^ fold(why.as_str().as_bytes()),
            SublimeAsk::Invited { serves } => 60 ^ u64::from(*serves) << 8,
            SublimeAsk::Complain(complaint) => 55 ^ fold(complaint.dealing.signature.bytes()),
        },
    }
}

fn response_fingerprint(response: &Response) -> u64 {
    match response {
        Response::Welcome(welcome) => 11 ^ u64::from(welcome.genesis.is_some()) << 8,
        Response::Refused(refused) => 12 ^ fold(refused.to_string().as_bytes()),
        Response::Reconcile(message) => 13 ^ fold(message),
        Response::Records(records) => records
            .iter()
            .fold(14, |sum, record| sum ^ fold(record.peek().id().digest())),
        Response::Consistency(_) => 15,
        Response::Noted => 16,
        Response::Rotation(RotationAnswer::Plan(plan)) => {
            56 ^ fold(plan.item.bytes()) ^ u64::from(plan.epoch) << 8
        }
        Response::Rotation(RotationAnswer::Kept(ack)) => 57 ^ fold(ack.signature.bytes()),
        Response::Height(height) => 17 ^ height << 8,
        Response::Blocks(blocks) => blocks.iter().fold(18, |sum, decided| {
            sum ^ fold(decided.peek().block.id().digest())
        }),
        Response::State { parts, bytes } => 33 ^ fold(bytes) ^ u64::from(*parts) << 8,
        Response::Acknowledged(ack) => 24 ^ fold(&ack.to_bytes()),
        Response::Signed(signed) => signed
            .iter()
            .fold(25, |sum, (subject, _)| sum ^ fold(subject.digest())),
        Response::Admitted(Admitted::Pending) => 26,
        Response::Admitted(Admitted::Refused { why }) => 27 ^ fold(why.as_bytes()),
        Response::Admitted(Admitted::Ticket { ticket, draw }) => {
            28 ^ fold(&ticket.signature.to_bytes()) ^ u64::from(draw.is_some()) << 8
        }
        Response::Consent(Consented::Pending) => 29,
        Response::Consent(Consented::Said(said)) => 30 ^ fold(said.act.digest()),
        Response::Consent(Consented::Refused { why }) => 31 ^ fold(why.as_bytes()),
        Response::Vote(answer) => match &**answer {
            VoteAnswer::Pending => 36,
            VoteAnswer::Taken => 37,
            VoteAnswer::Receipt(receipt) => 38 ^ fold(receipt.ballot.digest()),
            VoteAnswer::Refused { why } => 39 ^ fold(why.as_bytes()),
            VoteAnswer::Contents(pages) => 43 ^ (pages.len() as u64) << 8,
            VoteAnswer::Leaves(leaves) => 40 ^ (leaves.len() as u64) << 8,
            VoteAnswer::Electors(electors) => 41 ^ (electors.len() as u64) << 8,
        },
        Response::Audit(shown) => 43 ^ fold(&shown.head.root.0) ^ (shown.entries.len() as u64) << 8,
        Response::Public(page) => page
            .entries
            .iter()
            .fold(46, |sum, entry| sum ^ fold(&entry.leaf().0)),
        Response::Countersigned(one) => 47 ^ fold(one.by.bytes()),
        Response::Account(account) => 49 ^ fold(account.signature.bytes()),
    }
}

/// Folds bytes into a word, eight at a time.
pub(super) fn fold(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(bytes.len() as u64, |sum, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (sum ^ u64::from_le_bytes(word))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(31)
    })
}

/// Parcels by slot; slots are used again.
#[derive(Default)]
pub(super) struct Parcels {
    slots: Vec<Option<Box<Parcel>>>,
    free: Vec<u32>,
}

impl Parcels {
    pub(super) fn put(&mut self, parcel: Box<Parcel>) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(parcel);
            return slot;
        }
        self.slots.push(Some(parcel));
        // `What::pack` refuses slots beyond 29 bits.
        (self.slots.len() - 1) as u32
    }

    /// Takes the writes out of a parcel that waits to confirm them.
    pub(super) fn take_writes(&mut self, slot: u32) -> Option<Vec<Write>> {
        match self.slots[slot as usize].as_deref_mut() {
            Some(Parcel::Written { writes, .. }) => Some(core::mem::take(writes)),
            Some(
                Parcel::Request { .. }
                | Parcel::Response { .. }
                | Parcel::Dial { .. }
                | Parcel::DialFailed
                | Parcel::Own { .. }
                | Parcel::Command { .. },
            )
            | None => None,
        }
    }

    pub(super) fn take(&mut self, slot: u32) -> Option<Box<Parcel>> {
        let parcel = self.slots[slot as usize].take();
        self.free.extend(parcel.is_some().then_some(slot));
        parcel
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn kinds_survive_packing_and_events_stay_compact() {
        for kind in [
            Kind::Copy(0),
            Kind::Copy(INDEX_MASK),
            Kind::Advert(5),
            Kind::Want(6),
            Kind::Parcel(7),
            Kind::Wake,
            Kind::LinkUp {
                dialled: true,
                life: 255,
            },
            Kind::LinkUp {
                dialled: false,
                life: 3,
            },
            Kind::LinkDown { life: 200 },
        ] {
            assert_eq!(What::pack(kind).unpack(), kind);
        }
        assert_eq!(size_of::<Event>(), 24);
    }

    #[test]
    fn slots_are_used_again() {
        let mut parcels = Parcels::default();
        let first = parcels.put(Box::new(Parcel::DialFailed));
        assert!(parcels.take(first).is_some());
        assert!(parcels.take(first).is_none());
        assert_eq!(parcels.put(Box::new(Parcel::DialFailed)), first);
    }
}
