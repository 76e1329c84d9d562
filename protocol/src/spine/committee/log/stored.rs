//! What a seat keeps of its log: the tip, the journal of the height under way, the newest copy of the state.

use serde::{Deserialize, Serialize};
use x0_crypto::ContentId;

use super::Timer;
use crate::{
    core::time::Wall,
    wire::{Block, Decided, SeatDraft, SeatMessage},
};

/// The last block decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tip {
    /// Its height; 0 before the first.
    pub height: u64,
    /// Its name; the mesh's before the first.
    pub block: ContentId,
    /// Mesh time as of it.
    pub time: Wall,
}

/// One line of a seat's journal: what it fed its engine at the height under way, and what it is about to sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum JournalLine {
    /// A verified proposal or vote, of another seat or its own.
    Heard(SeatMessage),
    /// A block it built for a round.
    Built {
        /// The round.
        round: u32,
        /// The block.
        block: Box<Block>,
    },
    /// A wait that is over.
    Elapsed(Timer),
    /// A proposal or vote that it signs once this line is safe.
    Signing(SeatDraft),
}

/// What a seat finds in its store at a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredLog {
    /// The last block decided; none before the first.
    pub tip: Option<Tip>,
    /// The newest copy of the state, as of the height before a block, if there is one.
    pub snapshot: Option<Vec<u8>>,
    /// The blocks after it, in order.
    pub blocks: Vec<Decided>,
    /// The journal of the height under way, in order.
    pub journal: Vec<JournalLine>,
}

impl StoredLog {
    /// Takes in a block as a store does that holds it in memory: the journal of its height is over.
    pub fn keep(&mut self, decided: &Decided, tip: Tip, snapshot: Option<Vec<u8>>) {
        self.tip = Some(tip);
        self.journal.clear();
        if snapshot.is_some() {
            self.snapshot = snapshot;
            self.blocks.clear();
        }
        self.blocks.push(decided.clone());
    }

    /// Takes in a state that was taken over from another seat.
    pub fn adopt(&mut self, tip: Tip, state: Vec<u8>) {
        *self = Self {
            tip: Some(tip),
            snapshot: Some(state),
            ..Self::default()
        };
    }
}
