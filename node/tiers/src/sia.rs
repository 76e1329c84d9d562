//! The Sia tier: blocks in encrypted slabs, spread over hosts that an indexer knows.
//!
//! The SDK encrypts, cuts into shards with redundancy and pays nothing by itself: an indexer such as `sia.storage` holds the
//! account. Each block is an object whose sealed metadata is its content id, so that the indexer learns neither; the tier
//! reads the list of objects as it grows and finds them by the id. Only who has the account's key can read what is stored.
//! A host stores whole sectors of 4 MiB, so that a block by itself takes 48 MiB there; [`Tier::put_together`] packs many
//! into one slab.

use std::{collections::BTreeMap, path::Path};

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use sia_storage::{
    AppKey, AppMetadata, Builder, DownloadError, DownloadOptions, Hash256, Object,
    ObjectEventSummary, ObjectsCursor, PackedUploadOptions, Sdk, app_id,
};
use tokio::{io::AsyncReadExt as _, sync::Mutex};

use crate::{
    BLOCK_BYTES_MAX, Block, Forgotten, KeyError, NotThisBlock, Tier, TierError, TierKind, key_file,
};

/// What x0 tells an indexer about itself. It has no site of its own to name.
const APP: AppMetadata = AppMetadata {
    id: app_id!("7830207469657220666f7220626c6f636b73206f662063697068657274657874"),
    name: "x0",
    description: "Keeps blocks of ciphertext for members of a mesh",
    service_url: "https://x0.invalid",
    logo_url: None,
    callback_url: None,
};
/// Shards that are needed to read a small slab, and further ones: the fewest hosts that the SDK calls durable.
const SMALL_SLAB: (u8, u8) = (3, 9);
/// The same of a large slab: what the SDK takes by itself.
const LARGE_SLAB: (u8, u8) = (10, 20);
/// What a host stores at a time, bytes.
const SECTOR_BYTES: usize = 4 * 1024 * 1024;
/// Chunks that a reading holds at most, about 1 MiB each; the SDK by itself would take a tenth of the memory.
const CHUNKS_MAX: usize = 2;
/// Slabs that an upload holds at most.
const SLABS_MAX: usize = 1;
/// How many objects the indexer is asked for at a time.
const PAGE: usize = 500;
/// Most objects of an account that the tier keeps track of, some 200 bytes each.
const OBJECTS_MAX: usize = 1_000_000;
/// Longest sealed metadata that is looked at: a content id has 36 bytes.
const CID_BYTES_MAX: usize = 64;
/// What a key file is to hold.
const WANTED: &str = "the account's key as 64 hexadecimal digits";

/// Blocks on Sia.
pub struct SiaTier {
    sdk: Sdk,
    index: Mutex<Index>,
}

/// What the indexer has told.
#[derive(Default)]
struct Index {
    of_object: BTreeMap<[u8; 32], Cid>,
    of_block: BTreeMap<Cid, Vec<[u8; 32]>>,
    read_to: Option<ObjectsCursor>,
}

impl SiaTier {
    /// Connects to an indexer with the key of an account that it has approved, from a file that only its owner can read.
    ///
    /// # Errors
    /// [`TierError`] if the file holds no key, or the indexer is out of reach or does not know it.
    pub async fn connect(indexer: &str, key_file: &Path) -> Result<Self, TierError> {
        let key = open_key(key_file).map_err(|error| refused(error.to_string()))?;
        let builder = Builder::new(indexer, APP)
            .map_err(|error| refused(format!("{indexer:?} is no indexer: {error}")))?;
        let connected = builder.connected(&key).await;
        match connected.map_err(|error| unreachable(&format!("{indexer}: {error}")))? {
            Some(sdk) => Ok(Self::new(sdk)),
            None => Err(refused(format!(
                "{indexer} does not know the key in {}: have the indexer approve it first, or name another",
                key_file.display()
            ))),
        }
    }

    /// Sets up a tier on a connection that stands.
    pub fn new(sdk: Sdk) -> Self {
        let index = Mutex::default();
        Self { sdk, index }
    }

    async fn pack(&self, blocks: &[Block]) -> Result<(), TierError> {
        let bytes: usize = blocks.iter().map(|block| block.bytes().len()).sum();
        let (data_shards, parity_shards) = match bytes <= usize::from(SMALL_SLAB.0) * SECTOR_BYTES {
            true => SMALL_SLAB,
            false => LARGE_SLAB,
        };
        let options = PackedUploadOptions {
            data_shards,
            parity_shards,
            max_buffered_slabs: Some(SLABS_MAX),
            shard_uploaded: None,
        };
        let failed = |error: sia_storage::UploadError| unreachable(&error);
        let mut upload = self.sdk.upload_packed(options).map_err(failed)?;
        for block in blocks {
            upload.add(block.bytes().as_ref()).await.map_err(failed)?;
        }
        let objects = upload.finalize().await.map_err(failed)?;
        for (mut object, block) in objects.into_iter().zip(blocks) {
            object.metadata = block.cid().to_bytes();
            self.sdk
                .pin_object(&object)
                .await
                .map_err(|error| unreachable(&error))?;
            let mut index = self.index.lock().await;
            index.add(*object.id().as_ref(), *block.cid());
        }
        Ok(())
    }

    /// Returns the objects that carry a block, after reading on in the indexer's list.
    async fn objects(&self, cid: &Cid) -> Result<Vec<[u8; 32]>, TierError> {
        let mut index = self.index.lock().await;
        loop {
            // The cursor is no copy.
            let read_to = index.read_to.as_ref().map(|cursor| ObjectsCursor {
                after: cursor.after,
                id: cursor.id,
            });
            let page = self
                .sdk
                .object_event_summaries(read_to, Some(PAGE))
                .await
                .map_err(|error| unreachable(&error))?;
            let is_last = page.len() < PAGE;
            page.into_iter().for_each(|event| index.take(event));
            if index.of_object.len() > OBJECTS_MAX {
                return Err(refused(format!(
                    "the account has more than {OBJECTS_MAX} objects; use another for new content"
                )));
            }
            if is_last {
                return Ok(index.of_block.get(cid).cloned().unwrap_or_default());
            }
        }
    }

    /// Reads so many bytes of an object, or all; nothing if too few hosts give their part.
    async fn read(
        &self,
        object: &Object,
        length: Option<u64>,
    ) -> Result<Option<Vec<u8>>, TierError> {
        let options = DownloadOptions {
            max_buffered_chunks: Some(CHUNKS_MAX),
            length,
            ..DownloadOptions::default()
        };
        let download = self
            .sdk
            .download(object, options)
            .map_err(|error| unreachable(&error))?;
        let mut bytes = Vec::new();
        // One more than a block has, so that one that is too long is seen to be.
        let read = download
            .take(BLOCK_BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes)
            .await;
        match read {
            Ok(_) => Ok(Some(bytes)),
            Err(error) if are_lost(&error) => Ok(None),
            Err(error) => Err(unreachable(&error)),
        }
    }

    async fn object(&self, id: &[u8; 32]) -> Result<Object, TierError> {
        let object = self.sdk.object(&Hash256::new(*id)).await;
        object.map_err(|error| unreachable(&error))
    }
}

impl Index {
    fn take(&mut self, event: ObjectEventSummary) {
        self.read_to = Some(ObjectsCursor {
            after: event.updated_at,
            id: event.id,
        });
        let id = *event.id.as_ref();
        match event.object {
            Some(object) if !event.deleted => {
                let metadata = object.metadata;
                // Objects of another kind are none of ours.
                if metadata.len() <= CID_BYTES_MAX
                    && let Ok(cid) = Cid::try_from(metadata.as_slice())
                {
                    self.add(id, cid);
                }
            }
            Some(_) | None => self.remove(&id),
        }
    }

    fn add(&mut self, id: [u8; 32], cid: Cid) {
        self.remove(&id);
        self.of_object.insert(id, cid);
        self.of_block.entry(cid).or_default().push(id);
    }

    fn remove(&mut self, id: &[u8; 32]) {
        let Some(cid) = self.of_object.remove(id) else {
            return;
        };
        if let Some(objects) = self.of_block.get_mut(&cid) {
            objects.retain(|other| other != id);
            if objects.is_empty() {
                self.of_block.remove(&cid);
            }
        }
    }
}

#[async_trait]
impl Tier for SiaTier {
    fn kind(&self) -> TierKind {
        TierKind::Sia
    }

    /// Stores a block, unless it is there and can be read. One that hosts have lost is stored anew and its remains go.
    async fn put(&self, block: &Block) -> Result<(), TierError> {
        match self.get(block.cid()).await {
            Ok(_) => return Ok(()),
            Err(TierError::NotFound { .. } | TierError::Wrong { .. }) => {}
            Err(error @ (TierError::Unreachable { .. } | TierError::Refused { .. })) => {
                return Err(error);
            }
        }
        self.forget(block.cid()).await?;
        self.pack(std::slice::from_ref(block)).await
    }

    /// Stores several blocks in as few slabs as hold them, which takes a fraction of the room that they take one by one. If
    /// it fails none of them counts as stored.
    async fn put_together(&self, blocks: &[Block]) -> Result<(), TierError> {
        self.pack(blocks).await
    }

    async fn get(&self, cid: &Cid) -> Result<Block, TierError> {
        let tier = TierKind::Sia;
        let mut last = TierError::NotFound { tier, cid: *cid };
        for id in self.objects(cid).await? {
            let object = self.object(&id).await?;
            let checked = match self.read(&object, None).await {
                Ok(Some(bytes)) if bytes.len() > BLOCK_BYTES_MAX => {
                    Err(NotThisBlock::TooLong(bytes.len()))
                }
                Ok(Some(bytes)) => Block::new(*cid, Bytes::from(bytes)),
                Ok(None) => continue,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            match checked {
                Ok(block) => return Ok(block),
                Err(reason) => last = TierError::Wrong { tier, reason },
            }
        }
        Err(last)
    }

    /// Asks the indexer for objects with the content id, and as many hosts as it takes to read one for their first bytes.
    async fn holds(&self, cid: &Cid) -> Result<bool, TierError> {
        for id in self.objects(cid).await? {
            let object = self.object(&id).await?;
            if self
                .read(&object, Some(object.size().min(1)))
                .await?
                .is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn forget(&self, cid: &Cid) -> Result<Forgotten, TierError> {
        let objects = self.objects(cid).await?;
        if objects.is_empty() {
            return Ok(Forgotten::Gone);
        }
        for id in objects {
            self.sdk
                .delete_object(&Hash256::new(id))
                .await
                .map_err(|error| unreachable(&error))?;
            self.index.lock().await.remove(&id);
        }
        // A slab that no object uses any more is still paid for until it is let go.
        self.sdk
            .prune_slabs(None)
            .await
            .map_err(|error| unreachable(&error))?;
        Ok(Forgotten::Gone)
    }
}

fn open_key(path: &Path) -> Result<AppKey, KeyError> {
    let text = key_file::read(path)?;
    let seed = key_file::seed(&text).map_err(|why| KeyError::no_key(path, why, WANTED))?;
    Ok(AppKey::import(*seed))
}

/// Tells whether a reading failed because hosts no longer have, or no longer give, enough of the slab.
fn are_lost(error: &std::io::Error) -> bool {
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<DownloadError>());
    matches!(cause, Some(DownloadError::NotEnoughShards(..)))
}

fn unreachable(error: &impl ToString) -> TierError {
    TierError::Unreachable {
        tier: TierKind::Sia,
        reason: error.to_string(),
    }
}

fn refused(reason: String) -> TierError {
    TierError::Refused {
        tier: TierKind::Sia,
        reason,
    }
}
