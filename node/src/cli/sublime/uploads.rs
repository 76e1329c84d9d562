//! Sealed content on its way to the node, some batches of it while the next is sealed.

use std::{collections::VecDeque, path::Path};

use tokio::task::JoinHandle;
use x0_crypto::ChunkId;

use super::{
    super::{client::Client, error::CliError},
    draft::Draft,
    on_file,
};
use crate::{api::sublime::StoredView, sublime::frames::BATCH_BYTES_MAX};

/// Chunks that are sealed and handed over together: 16 MiB less a bit.
pub(super) const BATCH: usize = 63;
/// Batches that are on their way to the node when the next one is sealed: one that it writes, and one that it hashes meanwhile,
/// for the node's disk is what a put waits for.
pub(super) const ON_THE_WAY: usize = 3;

/// What the node is handed over while the next is sealed.
pub(super) struct Uploads {
    client: Client,
    on_the_way: VecDeque<JoinHandle<Result<StoredView, CliError>>>,
}

impl Uploads {
    pub(super) const fn new(client: Client) -> Self {
        Self {
            client,
            on_the_way: VecDeque::new(),
        }
    }

    fn begin(&mut self, frames: Vec<u8>) {
        let client = self.client.clone();
        let upload = async move { client.upload("/v1/sublime/blocks", frames).await };
        self.on_the_way.push_back(tokio::spawn(upload));
    }

    /// Waits until no more than so many batches are on their way.
    pub(super) async fn until_left(&mut self, left: usize) -> Result<(), CliError> {
        while self.on_the_way.len() > left {
            if let Some(first) = self.on_the_way.pop_front() {
                let stored = first.await;
                stored.map_err(|fault| CliError::Failed(fault.to_string()))??;
            }
        }
        Ok(())
    }
}

/// Notes what is sealed, then hands it over to the node.
pub(super) async fn store(
    path: &Path,
    draft: &mut Draft,
    uploads: &mut Uploads,
    (batch, frames): (&mut Vec<ChunkId>, &mut Vec<u8>),
) -> Result<(), CliError> {
    // First of all: who goes on counts on it that no more than these have not arrived.
    uploads.until_left(ON_THE_WAY - 1).await?;
    if !batch.is_empty() {
        draft.note(batch).map_err(|cause| on_file(path, &cause))?;
        batch.clear();
    }
    if !frames.is_empty() {
        let next = Vec::with_capacity(BATCH_BYTES_MAX);
        uploads.begin(std::mem::replace(frames, next));
    }
    Ok(())
}
