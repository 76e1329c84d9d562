//! What a node does for a device that reaches it: hands its asks to the peer and gives out sealed content.
//!
//! A device is a stranger. It may ask so much on one connection and no more, each ask is bounded before it is read, and what it
//! is given is sealed for whoever has the card, or public.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    time::timeout,
};
use tracing::debug;
use x0_crypto::ContentId;
use x0_protocol::{
    Command, Reply,
    core::{emergency::EmergencyCommand, limits::RECORD_BYTES_MAX, sublime::SublimeCommand},
    wire::{CallStage, CallStanding, EmergencyAnswer, EmergencyAsk, decode_record},
};
use x0_tiers::Cid;

use super::line;
use crate::{runtime::NodeHandle, sublime::Keeper};

/// Connections that are served at a time; others wait.
const LINES_MAX: usize = 64;
/// Blocks of content that are fetched for devices at a time.
const FETCHES_MAX: usize = 8;
/// How long a device may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(180);
/// How long a device is served on one connection.
const LINE_LIFE: Duration = Duration::from_secs(3_600);
/// Calls that one connection may make: one, and one again after the node was told to go on elsewhere.
const CALLS_MAX: u32 = 3;
/// Longest ask, in bytes: a call.
const ASK_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;
/// How long a block is waited for.
const BLOCK_PATIENCE: Duration = Duration::from_secs(30);

/// Answers devices.
pub struct Desk {
    node: NodeHandle,
    keeper: Arc<Keeper>,
    lines: Semaphore,
    fetches: Semaphore,
}

impl Desk {
    /// Makes one for a node.
    pub fn new(node: NodeHandle, keeper: Arc<Keeper>) -> Self {
        Self {
            node,
            keeper,
            lines: Semaphore::new(LINES_MAX),
            fetches: Semaphore::new(FETCHES_MAX),
        }
    }

    /// Serves one device until it leaves, is silent for too long, or breaks the rules.
    pub async fn serve(&self, mut line: impl AsyncRead + AsyncWrite + Unpin) {
        let Ok(_place) = self.lines.acquire().await else {
            return;
        };
        match timeout(LINE_LIFE, self.answer_all(&mut line)).await {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => debug!(%cause, "a device is let go"),
            Err(_) => debug!("a device was served for long enough"),
        }
    }

    async fn answer_all(
        &self,
        line: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> std::io::Result<()> {
        let mut calls = 0;
        loop {
            let asked = timeout(SILENCE_MAX, line::receive(line, ASK_BYTES_MAX)).await??;
            let Some(asked) = asked else { return Ok(()) };
            let ask = EmergencyAsk::decode(&asked).map_err(std::io::Error::other)?;
            if let EmergencyAsk::Call { .. } = &ask {
                calls += 1;
                if calls > CALLS_MAX {
                    return Err(std::io::Error::other("too many calls on one connection"));
                }
            }
            let answer = self.answer(ask).await;
            let answer = answer.unwrap_or_else(|why| EmergencyAnswer::refused(&why));
            timeout(SILENCE_MAX, line::send(line, &answer.encode())).await??;
        }
    }

    async fn answer(&self, ask: EmergencyAsk) -> Result<EmergencyAnswer, String> {
        match ask {
            EmergencyAsk::Hello { item } => self.hello(item).await,
            EmergencyAsk::Call { record } => self.call(&record).await,
            EmergencyAsk::Standing { call } => {
                let standing = self.standing(call).await?;
                Ok(EmergencyAnswer::Standing(Box::new(standing)))
            }
            EmergencyAsk::Links { item, block } => self.blocks(item, vec![block.into()]).await,
            EmergencyAsk::Chunks { item, chunks } => {
                let cids = chunks.into_iter().map(Cid::from).collect();
                self.blocks(item, cids).await
            }
        }
    }

    async fn hello(&self, item: ContentId) -> Result<EmergencyAnswer, String> {
        let Reply::Hello(mut hello) = self.command(EmergencyCommand::Hello(item)).await? else {
            return Err(OTHER_REPLY.to_owned());
        };
        let store = self.node.store();
        let read = tokio::task::spawn_blocking(move || store.record(&item)).await;
        let record = read.map_err(|fault| fault.to_string())?;
        let record = record.map_err(|fault| fault.to_string())?;
        hello.manifest = record
            .ok_or("this node has lost the item's manifest: try another one")?
            .into();
        Ok(EmergencyAnswer::Hello(hello))
    }

    /// Says a call to all, unless that was done, and has the jury asked.
    async fn call(&self, record: &[u8]) -> Result<EmergencyAnswer, String> {
        let record = decode_record(record).map_err(|error| error.to_string())?;
        let call = record.peek().id();
        if self.standing(call).await?.stage == CallStage::Unknown {
            self.command(EmergencyCommand::Call(Box::new(record)))
                .await?;
        }
        self.command(EmergencyCommand::Convene(call)).await?;
        Ok(EmergencyAnswer::Taken { call })
    }

    async fn standing(&self, call: ContentId) -> Result<CallStanding, String> {
        let reply = self.command(EmergencyCommand::Standing(call)).await?;
        let Reply::CallStanding(standing) = reply else {
            return Err(OTHER_REPLY.to_owned());
        };
        Ok(*standing)
    }

    /// Gives blocks of an item that has a card; of others nothing is fetched for strangers.
    async fn blocks(&self, item: ContentId, cids: Vec<Cid>) -> Result<EmergencyAnswer, String> {
        let Reply::Sublime(view) = self.ask_sublime().await? else {
            return Err(OTHER_REPLY.to_owned());
        };
        let known = view.items.iter().find(|(id, ..)| *id == item);
        if known.is_none_or(|(_, item, _)| item.card.is_none()) {
            return Err("this node gives content of items with a card only".to_owned());
        }
        let mut blocks = Vec::with_capacity(cids.len());
        for cid in cids {
            let permit = self.fetches.acquire().await;
            let _permit = permit.map_err(|fault| fault.to_string())?;
            let read = timeout(BLOCK_PATIENCE, self.keeper.tiers().read(&cid)).await;
            let read = read.map_err(|_| "this node does not get the content: try another one")?;
            let reading = read.map_err(|nobody| nobody.to_string())?;
            blocks.push(reading.block.bytes().to_vec().into());
        }
        Ok(EmergencyAnswer::Blocks(blocks))
    }

    async fn command(&self, command: EmergencyCommand) -> Result<Reply, String> {
        let reply = self.node.command(Command::Emergency(command)).await;
        reply.map_err(|error| error.to_string())
    }

    async fn ask_sublime(&self) -> Result<Reply, String> {
        let reply = self
            .node
            .command(Command::Sublime(SublimeCommand::Show))
            .await;
        reply.map_err(|error| error.to_string())
    }
}

const OTHER_REPLY: &str = "this node is confused: try another one";
