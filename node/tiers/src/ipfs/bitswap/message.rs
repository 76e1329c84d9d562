//! Messages of Bitswap 1.2.0 and their bytes (IPFS specs, "Bitswap", protobuf of 1.2.0).
//!
//! Read by hand rather than by derived code, because a message of 4 MiB could name two million wants: how many are taken
//! is checked while they are counted, not after they were built. Payloads are slices of the frame when they are read, and
//! written as they are: a message is in memory once.

use std::io;

use bytes::{Buf as _, Bytes};
use cid::Cid;
use unsigned_varint::{decode, encode};

/// Longest message that is read: what Kubo and Helia send at most.
pub(super) const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Most wants, payloads and presences of one message; Kubo keeps 1024 wants of a peer, Helia sends fewer.
pub(crate) const ENTRIES_MAX: usize = 8192;

/// One message: any of the three parts may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// Whether `wants` are all that the sender wants, rather than a change.
    pub full: bool,
    /// What the sender wants, or no longer wants.
    pub wants: Vec<Entry>,
    /// Blocks.
    pub payload: Vec<Payload>,
    /// What the sender has, or does not have.
    pub presences: Vec<(Cid, bool)>,
}

/// A want, or the end of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub cid: Cid,
    pub ask: Ask,
}

/// What is asked about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Its bytes, and whether "I have it not" is to be said.
    Block { say_no: bool },
    /// Whether it is there.
    Have { say_no: bool },
    /// Nothing any more.
    Cancel,
}

/// Bytes of a block, and its name without the hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    pub prefix: Bytes,
    pub data: Bytes,
}

/// Says that bytes are no message of Bitswap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoMessage {
    /// The protobuf is broken.
    #[error("not a protobuf of Bitswap")]
    Malformed,
    /// There are more parts than anybody needs.
    #[error("more than {ENTRIES_MAX} parts in a message")]
    TooMany,
}

impl From<NoMessage> for io::Error {
    fn from(error: NoMessage) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

impl Message {
    pub(crate) fn is_empty(&self) -> bool {
        self.wants.is_empty() && self.payload.is_empty() && self.presences.is_empty()
    }

    /// Returns the bytes of all blocks in it.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.payload.iter().map(|block| block.data.len()).sum()
    }

    /// Returns the bytes of the message, one after the other; those of blocks are not copied.
    pub(crate) fn pieces(&self) -> Vec<Bytes> {
        let mut pieces = Vec::with_capacity(2 * self.payload.len() + 1);
        let mut bytes = Vec::new();
        if self.full || !self.wants.is_empty() {
            let mut list = Vec::with_capacity(64 * self.wants.len() + 2);
            for entry in &self.wants {
                put_bytes(&mut list, 1, &entry.encode());
            }
            put_number(&mut list, 2, u64::from(self.full));
            put_bytes(&mut bytes, 1, &list);
        }
        for Payload { prefix, data } in &self.payload {
            let mut head = Vec::with_capacity(16);
            put_bytes(&mut head, 1, prefix);
            put_key(&mut head, 2, LENGTH_DELIMITED);
            put_varint(&mut head, data.len() as u64);
            put_key(&mut bytes, 3, LENGTH_DELIMITED);
            put_varint(&mut bytes, (head.len() + data.len()) as u64);
            bytes.extend_from_slice(&head);
            pieces.push(std::mem::take(&mut bytes).into());
            pieces.push(data.clone());
        }
        for (cid, has) in &self.presences {
            let mut presence = Vec::with_capacity(48);
            put_bytes(&mut presence, 1, &cid.to_bytes());
            put_number(&mut presence, 2, u64::from(!has));
            put_bytes(&mut bytes, 4, &presence);
        }
        pieces.push(bytes.into());
        pieces
    }

    /// Reads a message. Wants and presences of names that are no CIDs are passed over: other nodes may know other names.
    ///
    /// # Errors
    /// [`NoMessage`] if it is malformed or names too much.
    pub(crate) fn decode(frame: Bytes) -> Result<Self, NoMessage> {
        let mut message = Self::default();
        let mut parts = 0;
        let mut count = || {
            parts += 1;
            (parts <= ENTRIES_MAX)
                .then_some(())
                .ok_or(NoMessage::TooMany)
        };
        let mut fields = Fields(frame);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(list)) => {
                    let mut list = Fields(list);
                    while let Some(field) = list.next()? {
                        match field {
                            (1, Value::Bytes(entry)) => {
                                count()?;
                                message.wants.extend(Entry::decode(entry)?);
                            }
                            (2, Value::Number(full)) => message.full = full != 0,
                            (_, Value::Bytes(_) | Value::Number(_) | Value::Fixed) => (),
                        }
                    }
                }
                (3, Value::Bytes(block)) => {
                    count()?;
                    message.payload.push(Payload::decode(block)?);
                }
                (4, Value::Bytes(presence)) => {
                    count()?;
                    message.presences.extend(presence_from(presence)?);
                }
                (_, Value::Bytes(_) | Value::Number(_) | Value::Fixed) => (),
            }
        }
        Ok(message)
    }
}

impl Entry {
    pub(crate) const fn new(cid: Cid, ask: Ask) -> Self {
        Self { cid, ask }
    }

    fn encode(self) -> Vec<u8> {
        let (cancel, have, say_no) = match self.ask {
            Ask::Block { say_no } => (false, false, say_no),
            Ask::Have { say_no } => (false, true, say_no),
            Ask::Cancel => (true, false, false),
        };
        let mut bytes = Vec::with_capacity(48);
        put_bytes(&mut bytes, 1, &self.cid.to_bytes());
        put_number(&mut bytes, 2, 1);
        put_number(&mut bytes, 3, u64::from(cancel));
        put_number(&mut bytes, 4, u64::from(have));
        put_number(&mut bytes, 5, u64::from(say_no));
        bytes
    }

    fn decode(bytes: Bytes) -> Result<Option<Self>, NoMessage> {
        let (mut name, mut cancel, mut have, mut say_no) = (Bytes::new(), false, false, false);
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(bytes)) => name = bytes,
                (3, Value::Number(number)) => cancel = number != 0,
                (4, Value::Number(number)) => have = number == 1,
                (5, Value::Number(number)) => say_no = number != 0,
                (_, Value::Bytes(_) | Value::Number(_) | Value::Fixed) => (),
            }
        }
        let ask = match (cancel, have) {
            (true, _) => Ask::Cancel,
            (false, true) => Ask::Have { say_no },
            (false, false) => Ask::Block { say_no },
        };
        Ok(Cid::try_from(name.as_ref())
            .ok()
            .map(|cid| Self { cid, ask }))
    }
}

impl Payload {
    /// Makes the payload of a block from its name.
    pub(crate) fn new(cid: &Cid, data: Bytes) -> Self {
        let mut prefix = Vec::with_capacity(8);
        let hash = cid.hash();
        for number in [
            u64::from(cid.version()),
            cid.codec(),
            hash.code(),
            u64::from(hash.size()),
        ] {
            put_varint(&mut prefix, number);
        }
        Self {
            prefix: prefix.into(),
            data,
        }
    }

    /// Returns the codec, if the prefix is of the kind of name that content has: version 1, sha2-256.
    pub(crate) fn codec(&self) -> Option<u64> {
        let (version, rest) = decode::u64(&self.prefix).ok()?;
        let (codec, rest) = decode::u64(rest).ok()?;
        let (hash, rest) = decode::u64(rest).ok()?;
        let (length, rest) = decode::u64(rest).ok()?;
        (version == 1 && hash == 0x12 && length == 32 && rest.is_empty()).then_some(codec)
    }

    fn decode(bytes: Bytes) -> Result<Self, NoMessage> {
        let (mut prefix, mut data) = (Bytes::new(), Bytes::new());
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(bytes)) => prefix = bytes,
                (2, Value::Bytes(bytes)) => data = bytes,
                (_, Value::Bytes(_) | Value::Number(_) | Value::Fixed) => (),
            }
        }
        Ok(Self { prefix, data })
    }
}

fn presence_from(bytes: Bytes) -> Result<Option<(Cid, bool)>, NoMessage> {
    let (mut name, mut has) = (Bytes::new(), true);
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) => name = bytes,
            (2, Value::Number(number)) => has = number == 0,
            (_, Value::Bytes(_) | Value::Number(_) | Value::Fixed) => (),
        }
    }
    Ok(Cid::try_from(name.as_ref()).ok().map(|cid| (cid, has)))
}

const LENGTH_DELIMITED: u64 = 2;

/// The fields of a protobuf, one after the other.
struct Fields(Bytes);

enum Value {
    Number(u64),
    Bytes(Bytes),
    /// Eight or four bytes, of which Bitswap has none.
    Fixed,
}

impl Fields {
    fn next(&mut self) -> Result<Option<(u64, Value)>, NoMessage> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            LENGTH_DELIMITED => {
                let length = usize::try_from(self.varint()?).map_err(|_| NoMessage::Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return Err(NoMessage::Malformed),
        };
        Ok(Some((key >> 3, value)))
    }

    /// Protobuf allows ten bytes and padding, where the varints of CIDs do not.
    fn varint(&mut self) -> Result<u64, NoMessage> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.0.first().copied().ok_or(NoMessage::Malformed)?;
            self.0.advance(1);
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(NoMessage::Malformed)
    }

    fn take(&mut self, length: usize) -> Result<Bytes, NoMessage> {
        (length <= self.0.len())
            .then(|| self.0.split_to(length))
            .ok_or(NoMessage::Malformed)
    }
}

fn put_varint(into: &mut Vec<u8>, number: u64) {
    into.extend_from_slice(encode::u64(number, &mut encode::u64_buffer()));
}

fn put_key(into: &mut Vec<u8>, field: u64, kind: u64) {
    put_varint(into, field << 3 | kind);
}

/// Zero is what an absent field means.
fn put_number(into: &mut Vec<u8>, field: u64, number: u64) {
    if number != 0 {
        put_key(into, field, 0);
        put_varint(into, number);
    }
}

fn put_bytes(into: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_key(into, field, LENGTH_DELIMITED);
    put_varint(into, bytes.len() as u64);
    into.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::{Block, RAW};

    fn block(seed: u8) -> Block {
        Block::named(RAW, vec![seed; 40].into()).unwrap()
    }

    fn written(message: &Message) -> Bytes {
        message.pieces().concat().into()
    }

    fn everything() -> Message {
        let (one, two) = (block(1), block(2));
        Message {
            full: true,
            wants: vec![
                Entry::new(*one.cid(), Ask::Block { say_no: true }),
                Entry::new(*two.cid(), Ask::Have { say_no: false }),
                Entry::new(*two.cid(), Ask::Cancel),
            ],
            payload: vec![Payload::new(one.cid(), one.bytes().clone())],
            presences: vec![(*one.cid(), true), (*two.cid(), false)],
        }
    }

    #[test]
    fn a_message_reads_back_as_it_was_written() {
        assert_eq!(Message::decode(written(&everything())), Ok(everything()));
        assert_eq!(Message::decode(Bytes::new()), Ok(Message::default()));
    }

    #[test]
    fn a_want_of_kubo_is_read() {
        // wantlist { entries { block: CID, priority: 2147483632, wantType: Have, sendDontHave: true } }
        let cid = *block(1).cid();
        let mut entry = vec![0x0a, 36];
        entry.extend(cid.to_bytes());
        entry.extend([0x10, 0xf0, 0xff, 0xff, 0xff, 0x07, 0x20, 1, 0x28, 1]);
        let mut list = vec![0x0a, u8::try_from(entry.len()).unwrap()];
        list.extend(entry);
        let mut frame = vec![0x0a, u8::try_from(list.len()).unwrap()];
        frame.extend(list);
        let read = Message::decode(frame.into()).unwrap();
        assert_eq!(read.wants, [Entry::new(cid, Ask::Have { say_no: true })]);
    }

    #[test]
    fn a_prefix_tells_the_codec_of_content_only() {
        let block = block(1);
        assert_eq!(Payload::new(block.cid(), Bytes::new()).codec(), Some(RAW));
        for prefix in [
            &[0, 0x70, 0x12, 32][..],
            &[1, 0x55, 0x13, 64],
            &[1, 0x55],
            &[1, 0x55, 0x12, 32, 0],
        ] {
            let payload = Payload {
                prefix: Bytes::copy_from_slice(prefix),
                data: Bytes::new(),
            };
            assert_eq!(payload.codec(), None, "{prefix:?}");
        }
    }

    #[test]
    fn more_wants_than_anybody_needs_are_refused_while_they_are_counted() {
        let wants = vec![Entry::new(*block(1).cid(), Ask::Cancel); ENTRIES_MAX + 1];
        let message = Message {
            wants,
            ..Message::default()
        };
        assert_eq!(Message::decode(written(&message)), Err(NoMessage::TooMany));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Message::decode(bytes.into());
        }

        #[test]
        fn a_message_with_a_changed_byte_is_read_or_refused(at in 0_usize..400, to: u8) {
            let mut bytes = written(&everything()).to_vec();
            let at = at % bytes.len();
            bytes[at] = to;
            let _ = Message::decode(bytes.into());
        }
    }
}
